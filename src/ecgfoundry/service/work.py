"""One request to a worker, and its answer. Neither holds a path that came from outside.

The service writes what was sent into a folder of its own and passes that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.service.drift import Seen
from ecgfoundry.service.problems import Problem

if TYPE_CHECKING:
    from ecgfoundry.reports.clinical import PatientLink
    from ecgfoundry.service.senders.documents import DocumentOrder

__all__ = ["FORMATS", "Result", "Tell", "Work", "json_body"]

FORMATS = {
    "json": "application/json",
    "fhir": "application/fhir+json",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "reading": "application/vnd.ecgfoundry.reading+json",
}


@dataclass(frozen=True, slots=True)
class Work:
    """One request.

    Parameters
    ----------
    kind : str
        diagnose, stored, labs, embed, explain, read, document, identity, holter or
        compare.
    path : str
        The recording, in a folder of the service.
    name : str
        What the caller called it; only repeated in the answer.
    options : ReadOptions
    model, lead : str, optional
    format : str
        One of :data:`FORMATS`.
    start_s, duration_s : float, optional
        Part whose samples are wanted (kind read).
    target : str, optional
        What is to be explained (kind explain); by default the most probable finding.
    samples, filtered : bool
        Whether samples are wanted, and whether band-passed ones (kind read).
    trend : bool
        Whether the estimates are followed through a long recording (kind labs).
    timeout_s : float, optional
        Time for this request, where it is another than that of the service.
    patient : PatientLink, optional
        Who the person is, where the request says so (format fhir).
    answer : bytes, optional
        A stored interpretation, JSON, that is wanted in another form (kind stored).
    document : DocumentOrder, optional
        What a destination is to get (kind document).
    earlier : str, optional
        The recording that this one is compared with (kind compare).
    same_person : bool, optional
        Whether both are of one person, whatever their files say (kind compare).
    """

    kind: str
    path: str
    name: str
    options: ReadOptions = field(default_factory=ReadOptions)
    model: str | None = None
    lead: str | None = None
    format: str = "json"
    start_s: float = 0.0
    duration_s: float | None = None
    samples: bool = False
    filtered: bool = False
    target: str | None = None
    trend: bool = False
    timeout_s: float | None = None
    patient: PatientLink | None = None
    answer: bytes | None = None
    document: DocumentOrder | None = None
    earlier: str | None = None
    same_person: bool | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """An answer: a body of a media type, or a problem; ``summary``: a few words for lists;
    ``seen``: for the drift of a model that has a reference.
    """

    body: bytes = b""
    media_type: str = "application/json"
    problem: Problem | None = None
    verdict: str | None = None
    summary: dict[str, Any] | None = None
    seen: Seen | None = None


Tell = Callable[[int, float], None]
"""Called with the number of a request and the share of its recording that is done."""


def json_body(document: Any) -> bytes:
    """Return a document as it is sent."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
