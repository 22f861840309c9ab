"""The small parts of FHIR R4 resources: concepts, quantities, narratives, times, entries."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from ecgfoundry.formats.common.moments import in_whole_minutes
from ecgfoundry.vocabularies.terminology import Coding, ucum_unit

__all__ = [
    "TERMINOLOGY",
    "category",
    "codings",
    "concept",
    "entry",
    "moment",
    "narrative",
    "quantity",
    "reference",
    "token",
    "update",
]

Json = dict[str, Any]

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_SYSTEMS = {"SNOMED CT": "http://snomed.info/sct", "LOINC": "http://loinc.org"}
_UCUM = "http://unitsofmeasure.org"
_UUID = "urn:ietf:rfc:3986"


def concept(text: str, coding: Sequence[Json] = ()) -> Json:
    """Return a CodeableConcept: our words as ``text``, the terminologies' as ``coding``."""
    return {"text": text} | ({"coding": list(coding)} if coding else {})


def codings(found: Iterable[Coding | None]) -> list[Json]:
    """Return Codings; code systems without an official address are left out."""
    return [
        {"system": _SYSTEMS[one.system], "code": one.code}
        | ({"display": one.display} if one.display else {})
        for one in found
        if one is not None and one.system in _SYSTEMS
    ]


def category(code: str, display: str) -> Json:
    """Return an observation category of HL7."""
    coding = {"system": f"{TERMINOLOGY}/observation-category", "code": code, "display": display}
    return concept(display, [coding])


def quantity(value: float, unit: str | None) -> Json:
    """Return a Quantity in UCUM; one of our units or of a model's."""
    code = ucum_unit(unit)
    result: Json = {"value": round(float(value), 6)}
    return result if code is None else result | {"unit": code, "system": _UCUM, "code": code}


def moment(value: dt.datetime) -> str:
    """Return a dateTime. Without a time zone it is a date, because FHIR times need one."""
    if value.tzinfo is None:
        return value.date().isoformat()
    return in_whole_minutes(value).isoformat(timespec="seconds")


def narrative(lines: Iterable[str]) -> Json:
    """Return a generated Narrative of paragraphs."""
    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>',
    }


def reference(identity: uuid.UUID) -> Json:
    """Return a reference to another entry of the bundle."""
    return {"reference": identity.urn}


def token(system: str, value: str) -> str:
    """Return a search token, escaped for FHIR and then for an address."""
    parts = (re.sub(r"([\\\\,$|])", r"\\\1", text) for text in (system, value))
    return "|".join(quote(part, safe=":/") for part in parts)


def entry(identity: uuid.UUID, resource: Json, *, condition: str | None = None) -> Json:
    """Return an entry of a transaction that creates a resource once, however often it is sent.

    Parameters
    ----------
    identity : UUID
        Becomes an identifier of the resource, unless the ``condition`` names another.
    resource : dict
    condition : str, optional
        By what the receiver knows that it has the resource.
    """
    if condition is None:
        resource = {
            "resourceType": resource["resourceType"],
            "identifier": [{"system": _UUID, "value": identity.urn}],
            **resource,
        }
        condition = f"identifier={token(_UUID, identity.urn)}"
    request = {"method": "POST", "url": resource["resourceType"], "ifNoneExist": condition}
    return {"fullUrl": identity.urn, "resource": resource, "request": request}


def update(identity: uuid.UUID, resource: Json) -> Json:
    """Return an entry that puts a resource in the place of the one of this identity, or makes it.

    It is the resource that :func:`entry` creates.
    """
    made = entry(identity, resource)
    condition = made["request"]["ifNoneExist"]
    made["request"] = {"method": "PUT", "url": f"{resource['resourceType']}?{condition}"}
    return made
