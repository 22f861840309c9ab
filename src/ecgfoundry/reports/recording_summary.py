"""What a file holds, as one document for programs and people: ``ecgfoundry read``.

With ``subject=False`` nothing is in it that may tell who it is: neither file name nor start time,
neither identifier nor age nor sex, no free text of a person (statements, comments, notes), no
serial numbers and no institution. What stays is listed in ``KEPT_DEVICE`` and ``KEPT_HEADER``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ecgfoundry.documents import JsonObject
from ecgfoundry.formats.base import RecordingInfo
from ecgfoundry.formats.common.filters import is_filter_key
from ecgfoundry.formats.common.measurements import MEASUREMENTS, STATEMENTS_KEY, device_measurements
from ecgfoundry.measurements.gate import judge_window
from ecgfoundry.recording import Recording

__all__ = ["KEPT_DEVICE", "KEPT_HEADER", "QUALITY_SECONDS", "recording_summary"]

QUALITY_SECONDS = 60.0
"""The quality is that of the first minute at most; the summary says of which part (our choice)."""

KEPT_DEVICE = ("manufacturer", "model", "software", "muse_version")
"""What stays of ``Recording.device`` without the subject, beside every filter setting."""

KEPT_HEADER = (
    *MEASUREMENTS,
    "calibration_pulse",
    "checksum",
    "derived_leads",
    "document_type",
    "layout",
    "leads_at_other_rates",
    "missing_samples",
    "series",
    "unapplied_offsets",
)
"""What stays of ``Recording.header`` without the subject."""


def recording_summary(
    recording: Recording,
    info: RecordingInfo,
    *,
    name: str,
    subject: bool = True,
) -> JsonObject:
    """Describe a recording.

    Parameters
    ----------
    recording : Recording
        All of it, or its beginning.
    info : RecordingInfo
        Of all of it.
    name : str
        What to call it: the file, or "recording 1" where the file must not be named.
    subject : bool
        Whether to include what may identify a person.

    Returns
    -------
    dict
        JSON values with always the same keys: file, format, recordings, leads, unit,
        sampling_rate, samples, duration_s, start_time, subject, device, filters,
        mains_frequency, measurements, statements, header, quality, annotations, other_channels.
    """
    device, header = dict(recording.device), dict(recording.header)
    measurements = device_measurements(header)
    statements = [line for line in header.pop(STATEMENTS_KEY, "").splitlines() if line.strip()]
    if not subject:
        device = {k: v for k, v in device.items() if k in KEPT_DEVICE or is_filter_key(k)}
        header = {k: v for k, v in header.items() if k in KEPT_HEADER}
        statements = []
    start = recording.start_time if subject else None
    person = recording.subject
    return {
        "file": name,
        "format": recording.format,
        "recordings": info.recordings,
        "leads": list(recording.leads),
        "unit": "mV",
        "sampling_rate": recording.sampling_rate,
        "samples": info.samples,
        "duration_s": round(info.samples / recording.sampling_rate, 4),
        "start_time": None if start is None else start.isoformat(),
        "subject": {
            "age": person.age,
            "sex": person.sex,
            "identifier": person.identifier,
            "birth_date": None if person.birth_date is None else person.birth_date.isoformat(),
        }
        if subject
        else None,
        "device": {key: text for key, text in device.items() if not is_filter_key(key)},
        "filters": {key: text for key, text in device.items() if is_filter_key(key)},
        "mains_frequency": recording.mains_frequency,
        "measurements": measurements,
        "statements": statements,
        "header": {key: text for key, text in header.items() if key not in MEASUREMENTS},
        "quality": _quality(recording),
        "annotations": _annotations(recording, info),
        "other_channels": [
            {
                "name": channel.name,
                "kind": channel.kind,
                "unit": channel.unit,
                "sampling_rate": channel.sampling_rate,
            }
            for channel in recording.other_channels
        ],
    }


def _quality(recording: Recording) -> JsonObject:
    part = recording.window(0.0, QUALITY_SECONDS)
    found = judge_window(part.signal, part.sampling_rate, part.leads)
    return {
        "verdict": found.verdict,
        "seconds": round(part.duration_s, 4),
        "leads": {lead: figures.to_dict() for lead, figures in found.leads.items()},
        "warnings": [notice.to_dict() for notice in found.warnings],
        "refusal": None if found.refusal is None else found.refusal.to_dict(),
    }


def _annotations(recording: Recording, info: RecordingInfo) -> JsonObject:
    """Count the marks by kind; of a recording that was read in part, those of the part."""
    kinds: Mapping[str, int] = Counter(mark.kind for mark in recording.annotations)
    return {
        "count": len(recording.annotations),
        "kinds": dict(sorted(kinds.items())),
        "of_the_first_s": round(recording.duration_s, 4)
        if recording.samples < info.samples
        else None,
    }
