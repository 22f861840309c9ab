"""What a parsed document of a device holds -> :class:`Recording`: scales, names, lengths, limits.

The readers of XML, JSON and text documents parse a file as a whole into an :class:`EcgDocument`
and leave the rest to this module, so that units, lead names, the caller's overrides and the limits
are treated alike.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EcgFoundryError, LeadError, LimitError, SignalError
from ecgfoundry.formats.base import FormatFile, Reader, ReadOptions, RecordingInfo, WholeFile
from ecgfoundry.formats.common.channels import known_non_ecg_kind
from ecgfoundry.formats.common.multichannel import at_other_rate
from ecgfoundry.formats.common.subjects import age_between, parse_age
from ecgfoundry.leads import STANDARD_12_LEADS, canonical_lead, normalize_lead_names
from ecgfoundry.recording import Annotation, Channel, Recording, Subject
from ecgfoundry.units import check_sampling_rate, millivolts_per_unit

__all__ = [
    "REPRESENTATIVE_BEAT",
    "START_DATE",
    "EcgDocument",
    "Trace",
    "age_in_years",
    "describe_document",
    "document_file",
    "document_reader",
    "fills",
    "filter_text",
    "recording_of",
]

START_DATE = "start_date"
"""Header field of a start that is stated, but not as a date with a time that can be read."""
_LONGEST_DATE = 60

REPRESENTATIVE_BEAT = "representative-beat"
"""``Channel.kind`` of a mean or median beat: a waveform of its own time axis, in mV."""

_FILL_VALUES = (-32768.0, 32767.0)
FILL_MV = 20.0
"""The limits of 16 bits fill what is not there (seen: the end of representative beats in Philips
files, at 81.9 mV). They count as missing where they stand for more than this, which is no ECG
(the same figure as ``signals.quality.LARGE_AMPLITUDE_MV``)."""

MAXIMUM_MV = 10_000.0
"""Electrodes drift by up to 0.3 V (IEC 60601-2-25); beyond 10 V a number is wrong (our choice)."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One stored lead: mV = (``values`` - ``zero``) x ``gain`` x (mV per ``unit``).

    Parameters
    ----------
    lead : str
        As the file names it.
    values : ndarray (samples,)
        Stored values; NaN where the file marks a missing sample.
    gain : float
        Units per stored step.
    unit : str, optional
        Unit of ``gain``; None if the file does not say it.
    zero : float
        Stored value that stands for 0 V.
    """

    lead: str
    values: NDArray[np.generic]
    gain: float
    unit: str | None
    zero: float = 0.0


@dataclass(frozen=True, slots=True)
class EcgDocument:
    """A document as its reader understood it; ``device`` and ``header`` as in Recording.

    ``start_text`` is what it says of the start; it goes to the header if it is no moment.
    """

    traces: Sequence[Trace]
    sampling_rate: float | None
    start_time: dt.datetime | None = None
    subject: Subject = field(default_factory=Subject)
    device: Mapping[str, str] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict)
    annotations: Sequence[Annotation] = ()
    beats: Sequence[Trace] = ()
    beats_sampling_rate: float | None = None
    mains_frequency: float | None = None
    recordings: int = 1
    derive_limb_leads: bool = False
    start_text: str = ""


def document_reader(
    load: Callable[[Path, ReadOptions], EcgDocument],
    *,
    name: str,
    description: str,
    extensions: tuple[str, ...],
    sniff: Callable[[Path, bytes], bool],
    verified_on: str = "real file",
) -> Reader:
    """Return the :class:`Reader` of a format whose files are parsed as a whole by ``load``."""

    def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
        return document_file(load(path, options), options, path=path, format=name)

    return Reader(
        name=name,
        description=description,
        extensions=extensions,
        sniff=sniff,
        open=open_file,
        verified_on=verified_on,
    )


def document_file(
    document: EcgDocument,
    options: ReadOptions,
    *,
    path: Path,
    format: str,
    undecided: EcgFoundryError | None = None,
) -> WholeFile:
    """Return a parsed document as an opened file; errors as for :func:`recording_of`."""
    return WholeFile(
        path,
        options,
        describe_document(document, options, path=path, format=format),
        lambda: recording_of(document, options, path=path, format=format),
        undecided=undecided,
    )


def recording_of(
    document: EcgDocument,
    options: ReadOptions,
    *,
    path: Path,
    format: str,
) -> Recording:
    """Return the document as a recording.

    Raises
    ------
    LeadError, UnitError, SamplingRateError, SignalError, LimitError
        Each naming ``path``.
    """
    try:
        document, others = _without_others(document, options)
        leads, rate, samples = _complete(document, options)
        signal = np.full((len(document.traces), samples), np.nan, dtype=np.float32)
        for row, trace in zip(signal, document.traces, strict=True):
            row[: len(trace.values)] = _millivolts(trace, options.unit)
        beats = _beats(document, options.unit)
        beats += tuple(
            Channel(trace.lead, kind, "mV", rate, _millivolts(trace, options.unit))
            for trace, kind in others
        )
        recording = Recording(
            signal=signal,
            sampling_rate=rate,
            leads=leads,
            start_time=document.start_time,
            subject=document.subject,
            device={key: value for key, value in document.device.items() if value},
            header=_header(document),
            annotations=at_other_rate(document.annotations, document.sampling_rate or rate, rate),
            other_channels=beats,
            source=str(path),
            format=format,
            mains_frequency=options.mains_frequency or document.mains_frequency,
        )
    except EcgFoundryError as error:
        if error.path is None:
            raise type(error)(error.problem, path=path, remedy=error.remedy) from None
        raise
    if document.derive_limb_leads:
        recording = _standard_order(recording)
    return recording


def _header(document: EcgDocument) -> dict[str, str]:
    header = {key: value for key, value in document.header.items() if value}
    stated = document.start_text.strip()[:_LONGEST_DATE]
    if document.start_time is None and stated:
        header[START_DATE] = stated
    return header


def describe_document(
    document: EcgDocument, options: ReadOptions, *, path: Path, format: str
) -> RecordingInfo:
    """Return the info of a document; errors as for :func:`recording_of`."""
    try:
        document, others = _without_others(document, options)
        leads, rate, samples = _complete(document, options)
    except EcgFoundryError as error:
        raise type(error)(error.problem, path=path, remedy=error.remedy) from None
    if document.derive_limb_leads:
        empty = np.zeros((len(leads), 1), dtype=np.float32)
        leads = _standard_order(Recording(signal=empty, sampling_rate=rate, leads=leads)).leads
    return RecordingInfo(
        format=format,
        leads=leads,
        sampling_rate=rate,
        samples=samples,
        other_channels=tuple(f"{beat.lead} beat" for beat in document.beats)
        + tuple(trace.lead for trace, _ in others),
        recordings=document.recordings,
    )


def _without_others(
    document: EcgDocument, options: ReadOptions
) -> tuple[EcgDocument, list[tuple[Trace, str]]]:
    """Return the document without traces whose names are those of another signal, and those.

    The caller who names the traces knows what they are.
    """
    if options.leads is not None or not document.traces:
        return document, []
    leads: list[Trace] = []
    others: list[tuple[Trace, str]] = []
    for trace in document.traces:
        known = canonical_lead(trace.lead) is not None
        kind = None if known else known_non_ecg_kind(trace.lead)
        if kind is None:
            leads.append(trace)
        else:
            others.append((trace, kind))
    if not leads:
        names = [trace.lead for trace in document.traces]
        raise LeadError(
            f"the document has no ECG lead among its traces ({', '.join(names)[:200]})",
            remedy="If they are ECG, name all in order with --leads or leads=",
        )
    return replace(document, traces=leads), others


def _complete(document: EcgDocument, options: ReadOptions) -> tuple[tuple[str, ...], float, int]:
    traces = document.traces
    if not traces:
        raise SignalError("the document holds no waveform")
    if len(traces) > options.limits.channels:
        raise LimitError(f"{len(traces)} leads; the limit is {options.limits.channels}")
    names = tuple(trace.lead for trace in traces) if options.leads is None else options.leads
    if len(names) != len(traces):
        raise LeadError(
            f"{len(names)} lead names are given for the {len(traces)} leads that are stored "
            f"({', '.join(trace.lead for trace in traces)[:80]})",
            remedy="Supply exactly one name per stored lead, in their order",
        )
    rate = check_sampling_rate(
        document.sampling_rate if options.sampling_rate is None else options.sampling_rate
    )
    samples = max(len(trace.values) for trace in traces)
    if samples == 0:
        raise SignalError("the leads hold no samples")
    if samples * len(traces) > options.limits.samples:
        raise LimitError(
            f"{samples * len(traces)} samples are asked for; the limit is {options.limits.samples}"
        )
    for trace in traces:
        millivolts_per_unit(options.unit or trace.unit)
    return normalize_lead_names(names), rate, samples


def _millivolts(trace: Trace, unit: str | None) -> NDArray[np.float32]:
    factor = trace.gain * millivolts_per_unit(unit or trace.unit)
    if not np.isfinite(factor) or factor == 0 or not np.isfinite(trace.zero):
        raise SignalError(f"lead {trace.lead}: the scale {trace.gain} is no usable number")
    stored = trace.values.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        exact = (stored - trace.zero) * factor
        result = exact.astype(np.float32)
        fill = fills(stored, exact)
    result[fill | ~np.isfinite(exact)] = np.nan
    reach = float(np.nanmax(np.abs(exact), initial=0.0, where=~np.isnan(result)))
    if reach > MAXIMUM_MV:
        raise SignalError(
            f"lead {trace.lead}: a value of {reach:.3g} mV is no ECG; a scale, a unit or a number "
            "is wrong",
            remedy="Supply the unit with --unit or unit=, or export the file again",
        )
    return result


def fills(stored: NDArray[Any], millivolts: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether stored samples of 16 bits are limits of their range that only fill a place."""
    limits = (stored == _FILL_VALUES[0]) | (stored == _FILL_VALUES[1])
    filling: NDArray[np.bool_] = limits & (np.abs(millivolts) > FILL_MV)
    return filling


def _beats(document: EcgDocument, unit: str | None) -> tuple[Channel, ...]:
    rate = document.beats_sampling_rate or document.sampling_rate
    if not document.beats or rate is None:
        return ()
    names = normalize_lead_names([beat.lead for beat in document.beats])
    return tuple(
        Channel(
            name=f"{name} beat",
            kind=REPRESENTATIVE_BEAT,
            unit="mV",
            sampling_rate=check_sampling_rate(rate),
            signal=_millivolts(beat, unit),
        )
        for name, beat in zip(names, document.beats, strict=True)
    )


def _standard_order(recording: Recording) -> Recording:
    """Add the limb leads that I and II give, and put the twelve into their usual order."""
    complete = recording.with_derived_leads()
    derived = [lead for lead in complete.leads if lead not in recording.leads]
    if not derived:
        return recording
    order = [lead for lead in STANDARD_12_LEADS if lead in complete.leads]
    order += [lead for lead in complete.leads if lead not in order]
    header = {**complete.header, "derived_leads": ", ".join(derived)}
    return replace(complete.select(order, derive=False), header=header)


def age_in_years(
    value: object, unit: str | None, birth: dt.date | None, when: dt.date | None
) -> float | None:
    """Return the age from a stated value and its unit, else from the date of birth.

    ``unit`` is read by its first letter(s): years ("a", "YEARS", None), months, weeks, days, hours.
    """
    years = {"mo": 12.0, "w": 52.18, "d": 365.25, "h": 8766.0}
    name = (unit or "").strip().lower()
    divisor = next((years[start] for start in years if name.startswith(start)), 1.0)
    age = parse_age(value)
    if age is None and divisor > 1:
        try:
            age = float(str(value))
        except ValueError:
            age = None
    if age is not None and value not in ("", None):
        return parse_age(round(age / divisor, 2))
    return age_between(birth, when)


def filter_text(value: object, unit: str = "Hz") -> str:
    """Return a filter setting as text ("0.05 Hz"), or "" if it is no positive number."""
    try:
        setting = float(str(value).strip())
    except ValueError:
        return ""
    return f"{setting:g} {unit}" if 0 < setting < 1e6 else ""
