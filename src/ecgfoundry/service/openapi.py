"""The interface description: bodies, answers by their media types, failures, security."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ecgfoundry.schemas import load_schema
from ecgfoundry.service.drift import REFERENCES
from ecgfoundry.service.problems import MEDIA_TYPE

__all__ = ["BODY", "answers", "content", "describe", "in_every_format", "in_json", "objects"]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_TEXT = {"schema": {"type": "string"}}
_FAILURES = (400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 500, 501, 503, 507)

BODY: dict[str, Any] = {
    "requestBody": {
        "description": "The file as the device wrote it. A WFDB recording has several: send all as "
        "`file`. Or samples as JSON.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
            "application/octet-stream": _BINARY,
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["signal", "sampling_rate", "leads", "unit"],
                    "properties": {
                        "signal": {
                            "type": "array",
                            "items": {"type": "array", "items": {"type": ["number", "null"]}},
                        },
                        "sampling_rate": {"type": "number"},
                        "leads": {"type": "array", "items": {"type": "string"}},
                        "unit": {"type": "string"},
                    },
                },
                "example": {
                    "signal": [[0.01, 0.02, None]],
                    "sampling_rate": 500,
                    "leads": ["I"],
                    "unit": "mV",
                },
            },
        },
    }
}


def _object(**members: Any) -> dict[str, Any]:
    """An object that has all these members; more may come with later versions."""
    return {"type": "object", "required": list(members), "properties": members}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


_STRING, _NUMBER, _INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}
_TRUTH = {"type": "boolean"}
_ANY: dict[str, Any] = {"type": "object"}
_PROBLEM = _object(type=_STRING, title=_STRING, status=_INTEGER, detail=_STRING, code=_STRING)
_PROBLEM["properties"]["remedy"] = _STRING


def _part(name: str) -> dict[str, Any]:
    """One of the schemas here, inside another."""
    return {"$ref": f"#/components/schemas/{name}"}


_TIME = {"type": "string", "format": "date-time"}
_DECISION: dict[str, Any] = {"type": "string", "enum": ["confirmed", "edited", "rejected"]}
_STORED = _object(
    recording=_STRING,
    file=_STRING,
    source=_STRING,
    kept=_TIME,
    bytes=_INTEGER,
    sha256=_STRING,
    state={"type": "string", "enum": ["kept", "damaged"]},
    unmatched=_or_null("string"),
    described=_TRUTH,
    taken=_or_null("string"),
    subject=_ANY,
    device=_ANY,
    leads={"type": ["array", "null"], "items": _STRING},
    duration_s=_or_null("number"),
    answer=_or_null("object"),
    review={"anyOf": [_DECISION, {"type": "null"}]},
)
_JOB = _object(
    job=_STRING,
    kind=_STRING,
    state={"type": "string", "enum": ["waiting", "running", "finished"]},
    created=_TIME,
    progress=_NUMBER,
    recordings=_INTEGER,
    ignored_files=_list(_STRING),
    done=_INTEGER,
    failed=_INTEGER,
    seconds=_NUMBER,
    recordings_per_second=_or_null("number"),
    seconds_left=_or_null("number"),
    results=_STRING,
)
_DELIVERY = _object(
    delivery=_INTEGER,
    destination=_STRING,
    kind=_STRING,
    recording=_or_null("string"),
    review=_or_null("integer"),
    state={"type": "string", "enum": ["waiting", "sending", "delivered", "dead"]},
    attempts=_INTEGER,
    next_attempt=_or_null("string"),
    last_error=_or_null("string"),
    created=_TIME,
    delivered=_or_null("string"),
)
_REVIEW = _object(
    review=_INTEGER,
    recording=_STRING,
    reader=_STRING,
    decision=_DECISION,
    statements=_list(_part("ReviewedStatement")),
    comment=_STRING,
    answer=_or_null("string"),
    created=_TIME,
)

_DRIFT = _object(
    people=_INTEGER,
    distance=_or_null("number"),
    limit=_or_null("number"),
    shifted=_or_null("boolean"),
    quality={
        "anyOf": [
            _object(
                records_reference=_INTEGER,
                records=_INTEGER,
                refused_reference=_NUMBER,
                refused=_NUMBER,
                flagged_reference=_NUMBER,
                flagged=_NUMBER,
                p_value=_NUMBER,
                shifted=_TRUTH,
            ),
            {"type": "null"},
        ]
    },
    prevalence=_list(
        _object(
            target=_STRING,
            reference=_or_null("number"),
            answered_reference=_NUMBER,
            answered=_NUMBER,
            estimated=_or_null("number"),
            low=_or_null("number"),
            high=_or_null("number"),
            shifted=_or_null("boolean"),
            problem=_STRING,
        )
    ),
)

_DRIFTS = {
    "type": "object",
    "description": "By where the recordings come from; what has not been seen is not there.",
    "properties": dict.fromkeys(REFERENCES, _DRIFT),
    "additionalProperties": False,
}

_SCHEMAS: dict[str, dict[str, Any]] = {
    "Problem": _PROBLEM,
    "Health": _object(status=_STRING, version=_STRING),
    "Readiness": _object(status=_STRING),
    "Models": _object(
        models=_list(
            _object(
                name=_STRING,
                version=_STRING,
                title=_STRING,
                target_kind=_STRING,
                input=_ANY,
                kinds=_list(_STRING),
                targets=_list(_STRING),
                calibrated=_TRUTH,
                licence=_STRING,
                drift={"anyOf": [_DRIFTS, {"type": "null"}]},
            )
        )
    ),
    "Model": _object(
        schema_version=_INTEGER,
        name=_STRING,
        version=_STRING,
        title=_STRING,
        input=_ANY,
        vocabulary=_ANY,
        target_kind=_STRING,
        provenance=_ANY,
        metrics=_list(_ANY),
        licence=_STRING,
    ),
    "Formats": _object(
        formats=_list(
            _object(
                name=_STRING, description=_STRING, extensions=_list(_STRING), verified_on=_STRING
            )
        )
    ),
    "Samples": _object(samples={"type": "object", "additionalProperties": _list(_STRING)}),
    "Embeddings": _object(
        file=_STRING,
        model=_STRING,
        model_version=_STRING,
        preprocessing=_STRING,
        runtime=_STRING,
        leads_used=_list(_STRING),
        windows=_list(
            _object(
                start_s=_NUMBER,
                duration_s=_NUMBER,
                refused=_or_null("object"),
                embedding={"type": ["array", "null"], "items": _NUMBER},
            )
        ),
    ),
    "Explanation": _object(
        target=_STRING, leads=_list(_STRING), step_s=_NUMBER, values=_list(_list(_NUMBER))
    ),
    "Comparison": _object(
        schema_version=_INTEGER,
        earlier=_or_null("string"),
        later=_or_null("string"),
        changes=_list(_ANY),
        statements=_list(_ANY),
        appeared=_list(_STRING),
        disappeared=_list(_STRING),
        left_out=_list(_STRING),
        remarks=_list(_STRING),
        reading=_ANY,
        median_beats=_list(_ANY),
    ),
    "Holter": _object(
        file=_STRING,
        duration_s=_NUMBER,
        readable_s=_NUMBER,
        leads=_list(_STRING),
        doubt=_or_null("object"),
        beats=_INTEGER,
        hours=_list(_ANY),
        events=_list(_ANY),
        episodes=_list(_ANY),
        burdens=_ANY,
        rate=_ANY,
        beat_list=_ANY,
    ),
    "Recording": _object(
        file=_STRING,
        format=_STRING,
        recordings=_INTEGER,
        leads=_list(_STRING),
        unit=_STRING,
        sampling_rate=_NUMBER,
        samples=_INTEGER,
        duration_s=_NUMBER,
        start_time=_or_null("string"),
        subject=_ANY,
        device=_ANY,
        filters=_ANY,
        measurements=_ANY,
        statements=_list(_STRING),
        header=_ANY,
        quality=_ANY,
        annotations=_ANY,
        other_channels=_list(_ANY),
    ),
    "Stored": _object(recording=_STRING, new=_TRUTH, job=_or_null("string")),
    "Held": _object(recording=_STRING, expires_s=_NUMBER),
    "StoredEntry": _STORED,
    "StoredList": _object(recordings=_list(_part("StoredEntry")), cursor=_or_null("string")),
    "Job": _JOB,
    "Jobs": _object(jobs=_list(_part("Job")), cursor=_or_null("string")),
    "NewReview": {
        "type": "object",
        "required": ["decision"],
        "additionalProperties": False,
        "properties": {
            "decision": _DECISION,
            "statements": _list(
                {
                    "type": "object",
                    "required": ["name", "present"],
                    "additionalProperties": False,
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "maxLength": 200},
                        "present": _or_null("boolean"),
                        "note": {"type": "string", "maxLength": 2000},
                    },
                }
            )
            | {"maxItems": 500},
            "comment": {"type": "string", "maxLength": 10_000},
            "sha256": {
                "type": "string",
                "pattern": "^[0-9a-f]{64}$",
                "description": "Of the recording that was read, as its entry says it: of another "
                "one nothing is said",
            },
            "answer": {
                "type": ["string", "null"],
                "pattern": "^[0-9a-f]{64}$",
                "description": "The machine's answer that was read: the ETag of "
                "/v1/recordings/{recording}/interpretation, or null where there was none. Needed "
                "where several are stored; where another is the latest the review is refused "
                "(answer-changed)",
            },
        },
        "example": {
            "decision": "edited",
            "statements": [{"name": "atrial fibrillation", "present": False, "note": "artefact"}],
            "comment": "",
        },
    },
    "ReviewedStatement": _object(name=_STRING, present=_or_null("boolean"), note=_STRING),
    "Review": _REVIEW,
    "Reviews": _object(reviews=_list(_part("Review"))),
    "AuditTrail": _object(
        rows=_list(
            _object(
                number=_INTEGER,
                at=_TIME,
                who=_STRING,
                action=_STRING,
                subject=_or_null("string"),
                content=_or_null("string"),
                outcome=_STRING,
                request=_or_null("string"),
            )
        )
    ),
    "Delivery": _DELIVERY,
    "Deliveries": _object(deliveries=_list(_part("Delivery"))),
    "Streams": _object(
        streams=_list(
            _object(
                stream=_STRING, name=_STRING, leads=_list(_STRING), connected={"type": "boolean"}
            )
        )
    ),
    "LaboratoryAnswer": _object(
        file=_STRING, model=_STRING, estimates=_list(_ANY), caveats=_list(_STRING)
    ),
}


def objects(name: str) -> dict[str, Any]:
    """Return the content of an answer that is JSON of one of the schemas here."""
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def in_json(name: str) -> dict[str, Any]:
    """Return a body that is JSON of one of the schemas here."""
    return {"requestBody": {"required": True, "content": objects(name)}}


def content(media_type: str, *, binary: bool = False) -> dict[str, Any]:
    """Return the content of an answer of another media type."""
    return {media_type: _BINARY if binary else _TEXT}


def answers(
    success: dict[str, Any] | None, description: str, *, status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a route: its success (None: without a body), and the failures."""
    first: dict[str, Any] = {"description": description}
    if success is not None:
        first["content"] = success
    failure = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: first,
        **{code: {"description": "Problem details", "content": failure} for code in _FAILURES},
    }


def in_every_format(name: str) -> dict[str, Any]:
    """Return the content of an answer that is JSON, FHIR, a page or a PDF."""
    return objects(name) | {
        "application/fhir+json": {"schema": _ANY},
        "text/html": _TEXT,
        "application/pdf": _BINARY,
        "application/vnd.ecgfoundry.reading+json": {"schema": _ANY},
    }


def _add_examples(operation: dict[str, Any], examples: dict[str, Any]) -> None:
    """Give every answer that a person can read an example; that of a schema, else of its kind."""
    for answer in operation["responses"].values():
        for kind, told in answer.get("content", {}).items():
            name = told["schema"].get("$ref", kind).rpartition("schemas/")[2]
            if name in examples:
                told["example"] = examples[name]


def _interpretation() -> dict[str, dict[str, Any]]:
    """The schema of the package, with its parts where the references of OpenAPI look for them."""
    schema = deepcopy(load_schema("interpretation"))
    parts = schema.pop("$defs")
    for key in ("$schema", "$id"):
        schema.pop(key)
    named = {"Interpretation": schema}
    named |= {f"Interpretation-{name}": part for name, part in parts.items()}
    for part in named.values():
        _point_to_components(part)
    return named


def _point_to_components(node: Any) -> None:
    if isinstance(node, dict):
        if "$ref" in node:
            name = node["$ref"].removeprefix("#/$defs/")
            node["$ref"] = f"#/components/schemas/Interpretation-{name}"
        for value in node.values():
            _point_to_components(value)
    elif isinstance(node, list):
        for value in node:
            _point_to_components(value)


def describe(app: FastAPI, *, tokens_required: bool, open_paths: tuple[str, ...]) -> None:
    """Complete the description of an application: schemas, and where a token is needed."""

    def description() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                license_info=app.license_info,
                routes=app.routes,
            )
            components = made.setdefault("components", {})
            components.setdefault("schemas", {}).update(_SCHEMAS, **_interpretation())
            words = "A token of the service; needed unless it listens on loopback without tokens."
            components["securitySchemes"] = {
                "bearer": {"type": "http", "scheme": "bearer", "description": words}
            }
            # Real answers about the samples, with lists cut short.
            shown = (Path(__file__).parent / "examples.json").read_text(encoding="utf-8")
            examples = json.loads(shown)
            # Without tokens the scheme is known and not demanded.
            made["security"] = [{"bearer": []}] if tokens_required else [{"bearer": []}, {}]
            for path, operations in made["paths"].items():
                for operation in operations.values():
                    if path in open_paths:
                        operation["security"] = []
                    _add_examples(operation, examples)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = description  # type: ignore[method-assign]
