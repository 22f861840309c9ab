"""What is told to another system about one recording, before it has the form of any standard.

FHIR, HL7 v2 and DICOM say the same things in three grammars: who, when, what was measured, what is
stated and why, and that nobody has confirmed it. They all take a :class:`ClinicalReport`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid5

from ecgfoundry.criteria import Statement
from ecgfoundry.criteria.reading import for_reading
from ecgfoundry.extras import is_installed
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.common.subjects import age_between
from ecgfoundry.formats.files import open_file
from ecgfoundry.inference.files import read_excerpt, window_source
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.stating import with_median_beat
from ecgfoundry.measurements.values import Value
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.reports.reviewed import ReadStatement, Review, statements_read
from ecgfoundry.reports.told import (
    doubt_of,
    doubt_sentence,
    general_caveats,
    notices_beside,
    statement_of,
    told,
)
from ecgfoundry.reports.wording import device_name, person_text, printable, start_text
from ecgfoundry.vocabularies.terminology import MeasurementCodes, measurement_codes

__all__ = [
    "READ",
    "UNCONFIRMED",
    "ClinicalReport",
    "NameParts",
    "PatientLink",
    "StudyLink",
    "report_on_file",
]

READ = "Not a medical device; for research only."
UNCONFIRMED = "Automatic and unconfirmed. Not a medical device; for research only."
_NAMESPACE = UUID("8a8f5f0e-6c1f-5d0b-9a4e-0d5a1c6b7e21")  # ours, for stable identifiers


class NameParts(NamedTuple):
    """A name by the components of DICOM (PS3.5, 6.2.1.1); "" where there is none."""

    family: str = ""
    given: str = ""
    middle: str = ""
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class PatientLink:
    """Who the person is for the receiver.

    Parameters
    ----------
    reference : str, optional
        As the receiver knows the person: "Patient/123".
    identifier : str, optional
        Of the request or the worklist; None: the one in the file, if there is one.
    system : str, optional
        Whose numbers these are: the address of the naming system (FHIR), or the name of the
        assigning authority (HL7 v2). Without it a number is shown, and never matched to a person.
    name : str, optional
        "Family^Given^Middle^Prefix^Suffix", as DICOM writes it.
    birth_date : date, optional
    sex : str, optional
        "female" or "male"; where the file states none.
    """

    reference: str | None = None
    identifier: str | None = None
    system: str | None = None
    name: str | None = None
    birth_date: dt.date | None = None
    sex: str | None = None

    def completed(self, stated: Subject, day: dt.date | None) -> Subject:
        """Return what a file states of the person with what this side knows.

        The date of birth known here comes first, as the identifier does; age and sex of the file
        were those on the day of the recording and stay. Where both name numbers and these differ,
        the date of birth in the file is somebody else's, or may be, and is left out.
        """
        other = self.identifier and stated.identifier and self.identifier != stated.identifier
        birth = self.birth_date or (None if other else stated.birth_date)
        age = age_between(birth, day) if stated.age is None else stated.age
        return replace(stated, age=age, sex=stated.sex or self.sex, birth_date=birth)

    @property
    def name_parts(self) -> NameParts:
        """The parts of the name, each with its own place: a title is no given name."""
        alphabetic = (self.name or "").partition("=")[0]
        parts = [printable(part) for part in alphabetic.split("^")[: len(NameParts._fields)]]
        return NameParts(*parts)

    @property
    def authority(self) -> tuple[str, str, str]:
        """Who gives the numbers, as HL7 v2 and DICOM say it: a name, or an address and its kind."""
        system = self.system or ""
        if system.startswith("urn:oid:"):
            return "", system.removeprefix("urn:oid:"), "ISO"
        return ("", system, "URI") if ":" in system else (system, "", "")

    @classmethod
    def said(cls, patient: str | None, system: str | None) -> PatientLink:
        """Return the link that a request names: a reference as "Patient/7", or an identifier."""
        if patient is not None and patient.startswith("Patient/"):
            return cls(reference=patient)
        return cls(identifier=patient, system=system)


@dataclass(frozen=True, slots=True)
class StudyLink:
    """The order or study that the recording belongs to, as far as somebody has said it.

    ``unmatched``: why none of the orders that there are is taken for it.
    """

    study_uid: str | None = None
    accession: str | None = None
    order: str | None = None
    unmatched: str | None = None


@dataclass(frozen=True)
class ClinicalReport:
    """One answer with everything that a receiver needs beside it.

    Parameters
    ----------
    interpretation : Interpretation
    issued : datetime
        When the answer was made; with a time zone.
    recording : Recording, optional
        What was interpreted, or its beginning: person, start and device, and what that stated.
    effective : datetime, optional
        Start of the recording, where somebody knows it better than the file.
    zone : tzinfo, optional
        Of starts without a time zone. Without it they are told as dates, because no zone is
        guessed.
    patient : PatientLink
    study : StudyLink
    pdf : bytes, optional
        The report on paper.
    review : Review, optional
        What a reader has said of the answer.

    Raises
    ------
    ValueError
        The time of issue has no time zone.
    """

    interpretation: Interpretation
    issued: dt.datetime
    recording: Recording | None = None
    effective: dt.datetime | None = None
    zone: dt.tzinfo | None = None
    patient: PatientLink = field(default_factory=PatientLink)
    study: StudyLink = field(default_factory=StudyLink)
    pdf: bytes | None = None
    review: Review | None = None

    def __post_init__(self) -> None:
        if self.issued.tzinfo is None:
            raise ValueError("the time of issue needs a time zone")

    @property
    def subject(self) -> Subject:
        """What the file says about the person, and for what it lacks, the receiver's side."""
        known = Subject() if self.recording is None else self.recording.subject
        start = self.effective or (self.recording and self.recording.start_time)
        return self.patient.completed(known, start.date() if start else None)

    @property
    def identifier(self) -> str | None:
        """Number of the person: as the receiver's side has said it, else as in the file."""
        found = self.patient.identifier or self.subject.identifier
        return printable(found) if found else None

    @property
    def start(self) -> dt.datetime | None:
        """Start of the recording; with a time zone where one is stated or configured."""
        start = self.effective
        if start is None and self.recording is not None:
            start = self.recording.start_time
        if start is not None and start.tzinfo is None and self.zone is not None:
            start = start.replace(tzinfo=self.zone)
        return start

    @property
    def measured(self) -> Iterator[tuple[MeasurementCodes, Value]]:
        """Our measurements that the terminologies have names for, in the order of a report."""
        measurements = self.interpretation.measurements
        if measurements is None or not measurements.readable:
            return
        for name, codes in measurement_codes().items():
            yield codes, measurements.values[name]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The present statements that a reader needs, without those of the network alone."""
        present = for_reading(self.interpretation.statements)
        return tuple(statement for statement in present if statement.group != "network")

    def statement_of(self, target: str) -> Statement | None:
        """Return the joined statement of a target of the network."""
        return statement_of(self.interpretation, target)

    @property
    def conclusion(self) -> str:
        """What is present, in one sentence."""
        answer = self.interpretation
        if self.review is not None:
            return self._read(self.review)
        if answer.refused is not None:
            return f"Not interpreted: {answer.refused.message}."
        present = [line.words for line in told(answer)]
        if present:
            return f"Present: {', '.join(present)}."
        doubt = doubt_of(answer)
        if doubt is not None:
            return doubt_sentence(doubt)
        if all(finding.present is None for finding in answer.findings):
            return "No finding has a threshold that decides on its presence."
        if any(finding.present is None for finding in answer.findings):
            return "No finding that this model decides is present."
        return "No finding of this model is present."

    @property
    def rhythm_untold(self) -> str | None:
        """Why no rhythm is stated; None where one is, or where none was looked for."""
        statements = self.interpretation.statements
        if doubt_of(self.interpretation) is not None:
            return None  # nothing at all is stated, which is said once
        if any(one.present and one.group == "rhythm" for one in statements):
            return None
        if any(one.present and one.target.kind == "rhythm" for one in self.interpretation.findings):
            return None
        reasons = (
            one.reason
            for one in statements
            if one.name == "UNDETERMINED RHYTHM" and one.present is None
        )
        return next(reasons, None)

    @property
    def read(self) -> tuple[ReadStatement, ...]:
        """The statements as the reader leaves them; without a review there are none."""
        return () if self.review is None else statements_read(self.review, self.interpretation)

    def _read(self, review: Review) -> str:
        if review.rejects:
            return review.sentence
        held = [one.words for one in self.read if one.present]
        gone = [one.words for one in self.read if one.present is False]
        parts = [f"Present: {', '.join(held)}." if held else "Nothing is stated as present."]
        if gone:
            parts.append(f"Not present: {', '.join(gone)}.")
        return " ".join([review.sentence, *parts])

    @property
    def lines(self) -> tuple[str, ...]:
        """What is said in sentences: conclusion, what is not told, warnings, how it is meant."""
        review = self.review
        comment = (printable(review.comment),) if review is not None and review.comment else ()
        closing = UNCONFIRMED if review is None else READ
        why = self.rhythm_untold if review is None else None
        untold = () if why is None else (f"The rhythm is not told: {why}.",)
        order = self.study.unmatched
        unmatched = () if order is None else (f"No order is matched: {order}.",)
        caveats = general_caveats(self.statements) if review is None else ()
        return (self.conclusion, *untold, *caveats, *comment, *self.warnings, *unmatched, closing)

    @property
    def told_at(self) -> dt.datetime:
        """When it was said: by the reader, else by the machine."""
        return self.issued if self.review is None else self.review.at

    @property
    def machine(self) -> ClinicalReport:
        """The report as it was before the review."""
        return replace(self, review=None, pdf=None)

    @property
    def stage(self) -> str:
        """What tells the identifiers of documents with a review from those without."""
        return "" if self.review is None else f" review {self.review.number}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of the answer, in sentences."""
        told_beside = notices_beside(self.interpretation)
        return tuple(f"Warning: {notice.message}." for notice in told_beside)

    @property
    def head(self) -> tuple[str, ...]:
        """Whose recording it is, when it was taken and by what, in sentences."""
        if self.recording is None:
            return ()
        return (
            f"Person: {person_text(self.subject)}. Identifier: {self.identifier or 'not stated'}.",
            f"Start of the recording: {start_text(self.start)}.",
            f"Device: {device_name(self.recording.device) or 'not stated'}.",
        )

    def uuid(self, what: str) -> UUID:
        """Return an identifier of a part: the same answer about the same person has the same."""
        return uuid5(_NAMESPACE, f"{what}\n{self._key}")

    @cached_property
    def _key(self) -> str:
        """What tells this answer from every other.

        Two people without a number may have answers of the same words, as of two flat lines.
        """
        link = self.patient
        answer = json.dumps(self.interpretation.to_dict(), sort_keys=True)
        person = f"{link.reference}\n{link.system}\n{self.identifier}\n{self.start}"
        if not self.identifier:
            person += f"\n{link.name}\n{self.subject.birth_date}"
        signal = b"" if self.recording is None else self.recording.signal.tobytes()
        return f"{answer}\n{person}\n{hashlib.sha256(signal).hexdigest()}"

    @staticmethod
    def shared_uuid(what: str) -> UUID:
        """Return the identifier of what several reports have in common, as a device."""
        return uuid5(_NAMESPACE, what)


def report_on_file(
    interpretation: Interpretation,
    path: Path,
    options: ReadOptions,
    *,
    issued: dt.datetime,
    patient: PatientLink | None = None,
    study: StudyLink | None = None,
    zone: dt.tzinfo | None = None,
    pdf: bytes | None = None,
    review: Review | None = None,
) -> ClinicalReport:
    """Return the report on a file that was interpreted, on paper too where that can be drawn.

    Parameters
    ----------
    interpretation : Interpretation
    path : Path
        The file that was read for it.
    options : ReadOptions
        How it was read.
    issued, patient, study, zone, review
        As in :class:`ClinicalReport`.
    pdf : bytes, optional
        On paper, where somebody has drawn it already.

    Raises
    ------
    EcgFoundryError
        The file cannot be read any more.
    """
    read_part = partial(read_excerpt, path, options)
    recording = read_part()
    if patient is not None:  # on paper, too
        start = recording.start_time
        subject = patient.completed(recording.subject, start.date() if start else None)
        subject = replace(subject, identifier=patient.identifier or subject.identifier)
        recording = replace(recording, subject=subject)
    if pdf is None and is_installed("weasyprint"):
        from ecgfoundry.reports.html.report import ReportItem, html_report
        from ecgfoundry.reports.pdf import html_to_pdf

        with open_file(path, options) as file:  # a stored answer lacks what its marks stand on
            drawn = with_median_beat(interpretation, window_source(file))
        pdf = html_to_pdf(html_report([ReportItem(recording, drawn, read_part, review=review)]))
    return ClinicalReport(
        interpretation,
        issued,
        recording=recording,
        zone=zone,
        patient=patient or PatientLink(),
        study=study or StudyLink(),
        pdf=pdf,
        review=review,
    )
