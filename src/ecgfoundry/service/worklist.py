"""The worklist of a hospital (DICOM Modality Worklist, PS3.4 annex K): whose an ECG is.

A cart often sends only a number that somebody has typed or scanned. The worklist knows the person,
with name and date of birth, and the order. It is asked by accession number, else by the number of
the person; what it says of another person than the file is never used.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.service.identity import Identity
from ecgfoundry.service.senders.dicom import DicomNode, association, require_pynetdicom
from ecgfoundry.service.senders.errors import DeliveryError

__all__ = ["OtherPersonError", "WorklistEntry", "ask", "day_in", "identity_in"]

_FIND = "1.2.840.10008.5.1.4.31"
_PENDING = (0xFF00, 0xFF01)
_MOST = 100
"""Entries of one number that are read (our choice): whose it is, all of them say together."""
_WANTED = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    "AccessionNumber", "PlacerOrderNumberImagingServiceRequest", "StudyInstanceUID",
)  # fmt: skip
_SEXES = {"F": "female", "M": "male"}


class OtherPersonError(EcgFoundryError):
    """File and worklist name two people."""

    code = "identity"


@dataclass(frozen=True, slots=True)
class WorklistEntry:
    """One scheduled ECG. ``day``: YYYYMMDD, when it is scheduled."""

    identity: Identity
    day: str = ""


def ask(node: DicomNode, *, accession: str | None, patient: str | None) -> list[WorklistEntry]:
    """Ask by accession number, else by the number of the person.

    Raises
    ------
    DeliveryError
        It does not answer.
    """
    import pydicom

    question = pydicom.Dataset()
    question.SpecificCharacterSet = "ISO_IR 192"
    for name in _WANTED:
        setattr(question, name, "")
    if accession:
        question.AccessionNumber = accession
    else:
        question.PatientID = patient
    step = pydicom.Dataset()
    step.Modality, step.ScheduledProcedureStepStartDate = "ECG", ""
    question.ScheduledProcedureStepSequence = [step]
    entity = require_pynetdicom().AE(ae_title=node.calling)
    entity.add_requested_context(_FIND)
    wanted = ("accession", accession) if accession else ("patient", patient)
    entries: list[WorklistEntry] = []
    with association(entity, node) as line:
        if not line.accepted_contexts:
            raise DeliveryError(f"{node.called} has no worklist")
        for status, found in line.send_c_find(question, _FIND):
            code = status.get("Status")
            if code in _PENDING:
                one = None if found is None else _entry(found)
                # Some servers ignore keys that they do not know.
                if one is not None and getattr(one.identity, wanted[0]) == wanted[1]:
                    entries.append(one)
                if len(entries) > _MOST:
                    words = f"{node.called} has more than {_MOST} orders of one number"
                    raise DeliveryError(words, permanent=True)
            elif code != 0:
                said = "nothing" if code is None else f"0x{code:04X}"
                raise DeliveryError(f"{node.called} answered {said}")
    return entries


def identity_in(entries: Sequence[WorklistEntry], *, known: Identity, day: str) -> Identity:
    """Return what entries say of one recording; nothing where they name several people.

    Parameters
    ----------
    entries : sequence of WorklistEntry
    known : Identity
        What the file or the request says of the person.
    day : str
        YYYYMMDD of the recording, or "": it is not known.

    Returns
    -------
    Identity
        The order is in it where somebody has said its accession number, or where it is the only
        one of that day. Else ``unmatched`` says why there is none: an order of another day is for
        another ECG, even where it is the only one.

    Raises
    ------
    OtherPersonError
        All entries are of another person than the file: of another number, giver of numbers, date
        of birth or sex.
    """
    if entries:
        entries = [one for one in entries if _is_of(one.identity, known)]
        if not entries:
            raise OtherPersonError(
                "the worklist names another person for this number than the file",
                remedy="Correct the order, or keep the recording again with 'patient'",
            )
    people = {(one.identity.patient, one.identity.system) for one in entries}
    disagree = any(one.identity.contradicts(entries[0].identity) for one in entries)
    if len(people) != 1 or disagree:
        return Identity()
    by_number = [one for one in entries if one.identity.accession == known.accession]
    orders = by_number if known.accession else [one for one in entries if day and one.day == day]
    if len(orders) == 1:
        return orders[0].identity
    if orders:
        why = f"the worklist has {len(orders)} orders of the day of the recording"
        if known.accession:
            why = f"the worklist has {len(orders)} orders of this accession number"
    elif not day:
        why = "the day of the recording is not known"
    else:
        why = "the worklist has no order of the day of the recording"
    first = entries[0].identity
    for one in entries[1:]:
        first = first.filled(one.identity)
    names = {one.identity.name for one in entries if one.identity.name}
    name = names.pop() if len(names) == 1 else None
    return Identity(first.patient, first.system, name, first.birth_date, first.sex, unmatched=why)


def day_in(zone: dt.tzinfo | None, start: str | None) -> str:
    """Return the day of a start (ISO 8601) in a hospital, YYYYMMDD; "" where there is none.

    A start without a time zone is taken as the hospital's own time.
    """
    if start is None:
        return ""
    moment = dt.datetime.fromisoformat(start)
    if moment.tzinfo is not None and zone is not None:
        moment = moment.astimezone(zone)
    return moment.strftime("%Y%m%d")


def _is_of(entry: Identity, known: Identity) -> bool:
    named = known.patient in (None, entry.patient)
    return named and not entry.contradicts(known)


def _entry(found: Any) -> WorklistEntry:
    def said(name: str) -> str | None:
        return str(found.get(name, "") or "").strip() or None

    name = (said("PatientName") or "").partition("=")[0].rstrip("^")
    steps: Iterable[Any] = found.get("ScheduledProcedureStepSequence") or ()
    days = [str(step.get("ScheduledProcedureStepStartDate", "") or "") for step in steps]
    identity = Identity(
        said("PatientID"),
        said("IssuerOfPatientID"),
        name or None,
        said("PatientBirthDate"),
        _SEXES.get(said("PatientSex") or ""),
        said("AccessionNumber"),
        said("PlacerOrderNumberImagingServiceRequest"),
        said("StudyInstanceUID"),
    )
    return WorklistEntry(identity, days[0] if days else "")
