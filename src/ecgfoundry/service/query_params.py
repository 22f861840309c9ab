"""What may be asked about a recording: the parameters of an address.

One model for each question, read in one go: declared one by one in the signatures of the routes,
they are analysed anew by the framework with every request.
"""

from __future__ import annotations

import datetime as dt
import difflib
from typing import Annotated, Any, Literal, Self

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import HTTPConnection

from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.service.problems import Problem, ProblemError

__all__ = [
    "AuditList",
    "Compared",
    "DeliveryList",
    "Excerpt",
    "Explained",
    "Followed",
    "InFormat",
    "JobList",
    "JobQuestion",
    "Kept",
    "Listed",
    "Parameters",
    "Question",
    "RecordingList",
    "Sent",
    "Stated",
    "StoredAnswer",
    "check_parameters",
    "parameters",
]


def _utc(moment: dt.datetime) -> dt.datetime:
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("there is no such time in UTC") from None


Time = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A time with its zone."""


class Parameters(BaseModel):
    """The parameters of an address; nothing else may stand there."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def of(cls, request: Request) -> Self:
        """Read the parameters of a request.

        Raises
        ------
        RequestValidationError
        """
        asked = dict(request.query_params)
        for name, value in asked.items():
            if "\x00" in value:
                words = f"the parameter '{name[:40]}' holds a character that is none"
                raise ProblemError(Problem(400, "parameter", words))
        try:
            return cls.model_validate(asked)
        except ValidationError as error:
            raise RequestValidationError(
                [{**one, "loc": ("query", *one["loc"])} for one in error.errors()]
            ) from None


class Stated(Parameters):
    """What a file does not say itself."""

    leads: str | None = Field(
        None,
        max_length=2000,
        description="Lead names in order, comma-separated, if not stated",
    )
    unit: str | None = Field(None, max_length=20, description="Unit of the samples, if not stated")
    sampling_rate: float | None = Field(
        None, gt=0, le=100_000, description="Sampling rate in Hz, if not stated"
    )
    mains: float | None = Field(None, gt=0, le=1000, description="Mains frequency in Hz: 50 or 60")

    @property
    def lead_names(self) -> tuple[str, ...] | None:
        """The names of the leads, one by one."""
        return tuple(name.strip() for name in self.leads.split(",")) if self.leads else None

    def options(self, limits: Limits) -> ReadOptions:
        """What a file does not say itself, and what it may ask for."""
        return ReadOptions(
            leads=self.lead_names,
            unit=self.unit,
            sampling_rate=self.sampling_rate,
            mains_frequency=self.mains,
            limits=limits,
        )


class Question(Stated):
    """What every question about a recording may say."""

    lead: str | None = Field(None, max_length=40, description="Read only this lead")
    recording: str | None = Field(
        None, max_length=64, description="A held or kept recording, instead of a file"
    )
    filename: str | None = Field(
        None, max_length=255, description="What to call a file whose bytes are the whole body"
    )
    model: str | None = Field(
        None, max_length=100, description="A model of /v1/models; by default what suits"
    )


class Compared(Stated):
    """It is asked what changed since an earlier recording."""

    earlier: str = Field(max_length=64, description="The earlier recording, held or kept")
    same_person: bool = Field(
        False, description="They are of one person, whatever the identifiers in the files say"
    )


class Sent(Parameters):
    """A file is sent and nothing is asked."""

    filename: str | None = Field(
        None, max_length=255, description="What to call a file whose bytes are the whole body"
    )


class Kept(Sent):
    """A recording is to be kept."""

    diagnose: bool = Field(
        False, description="Interpret it in the background too, for the worklist"
    )
    patient: str | None = Field(
        None, min_length=1, max_length=64, description="Number of the person, if not the file's"
    )
    patient_system: str | None = Field(
        None, min_length=1, max_length=500, description="Whose numbers these are"
    )
    accession: str | None = Field(
        None, min_length=1, max_length=16, description="Accession number of the order"
    )


class Listed(Parameters):
    """A page of a long list is wanted."""

    limit: int = Field(100, ge=1, le=1000, description="Entries of a page")
    cursor: str | None = Field(
        None, max_length=200, description="As the page before has given it: what comes after that"
    )


class RecordingList(Listed):
    """Kept recordings are wanted, the newest first."""

    review: Literal["open", "done"] | None = Field(
        None, description="Only those that no reader has seen, or only those that one has"
    )
    q: str = Field(
        "",
        max_length=200,
        description="Words that all stand in the name, the identifier or the file name",
    )
    patient: str | None = Field(None, max_length=255, description="The identifier in the file")
    after: Time | None = Field(None, description="Kept at that time or later")
    before: Time | None = Field(None, description="Kept before that time")


class JobList(Listed):
    """Jobs are wanted, the newest first."""

    state: Literal["waiting", "running", "finished"] | None = Field(
        None, description="Only those in this state"
    )
    kind: Literal["diagnose", "reading", "labs", "embed", "read", "holter"] | None = Field(
        None, description="Only those of this kind"
    )


class AuditList(Parameters):
    """Rows of the audit trail are wanted, the newest first."""

    limit: int = Field(100, ge=1, le=1000, description="Rows of a page")
    before: int | None = Field(
        None, ge=1, le=2**53, description="Only rows with a smaller number than this"
    )
    subject: str | None = Field(None, max_length=64, description="A recording or a job")
    who: str | None = Field(None, max_length=255, description="As the trail names the caller")


class DeliveryList(Parameters):
    """Deliveries are wanted, the newest first."""

    limit: int = Field(100, ge=1, le=1000, description="Rows of a page")
    state: Literal["waiting", "sending", "delivered", "dead"] | None = Field(
        None, description="Only those in this state"
    )
    destination: str | None = Field(None, max_length=100, description="Only those to this one")
    recording: str | None = Field(None, max_length=32, description="Only those about this one")


class StoredAnswer(Parameters):
    """The stored answer about a kept recording is wanted."""

    format: Literal["json", "reading"] = Field(
        "json", description="reading: JSON with what a page shows of it, in words"
    )


class InFormat(Question):
    """An interpretation is wanted."""

    format: Literal["json", "fhir", "html", "pdf", "reading"] = Field(
        "json",
        description="Of the answer; reading: JSON with what a page shows of it, in words",
    )
    patient: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="For fhir: a reference (Patient/7) or an identifier; by default the file's",
    )
    patient_system: str | None = Field(
        None, min_length=1, max_length=500, description="For fhir: whose numbers identifiers are"
    )


class Followed(InFormat):
    """Laboratory estimates are wanted."""

    trend: bool = Field(False, description="Follow the estimates through a long recording")


class Explained(Question):
    """It is asked where a finding comes from."""

    target: str | None = Field(
        None, max_length=200, description="A finding; by default the most probable"
    )


class Excerpt(Question):
    """It is asked what a file holds."""

    samples: bool = Field(False, description="Send samples too, up to 60 s")
    filtered: bool = Field(False, description="Band-passed, 0.67-40 Hz")
    start_s: float = Field(0.0, ge=0, le=1e8, description="Begin of the samples, s")
    duration_s: float | None = Field(None, gt=0, le=60, description="Length of the samples, s")


class JobQuestion(Question):
    """Something is wanted of many files."""

    kind: Literal["diagnose", "reading", "labs", "embed", "read", "holter"] = Field(
        "diagnose", description="What is done with each file"
    )
    trend: bool = Field(False, description="Follow the estimates through a long recording")


def parameters(question: type[BaseModel]) -> dict[str, list[dict[str, Any]]]:
    """Return the parameters of a question as OpenAPI describes them."""
    described: list[dict[str, Any]] = []
    document = question.model_json_schema()
    for name, schema in document["properties"].items():
        words = schema.pop("description", None)
        required = name in document.get("required", ())
        described.append(
            {"name": name, "in": "query", "required": required, "schema": schema}
            | ({"description": words} if words else {})
        )
    return {"parameters": described}


async def check_parameters(connection: HTTPConnection) -> None:
    """Refuse parameters of an address that it does not have, and those that stand twice.

    A wrong name must not pass as if nothing had been asked: ``modle=x`` would be answered by
    another model.

    Raises
    ------
    ProblemError
        400, with the name that was probably meant.
    """
    if connection.scope["type"] != "http":
        return
    described = getattr(connection.scope.get("route"), "openapi_extra", None) or {}
    parts = described.get("parameters", ())
    known = [parameter["name"] for parameter in parts if parameter["in"] == "query"]
    names = [name for name, _ in connection.query_params.multi_items()]
    for name in names:
        if name not in known:
            meant = difflib.get_close_matches(name, known, 1)
            remedy = f"Did you mean '{meant[0]}'?" if meant else None
            if not meant and known:
                remedy = f"There are {', '.join(known)}"
            words = f"this address has no parameter '{name[:40]}'"
            raise ProblemError(Problem(400, "parameter", words, remedy))
        if names.count(name) > 1:
            raise ProblemError(Problem(400, "parameter", f"the parameter '{name}' stands twice"))
