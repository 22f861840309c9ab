"""Reader of AliveCor Kardia recordings as JSON (``data.raw.samples``). From descriptions only.

``data.raw`` is the unfiltered signal and is read; ``data.enhanced``, the same after the maker's
filter, is not. ``amplitudeResolution`` is in nanovolts per step, ``frequency`` in Hz. Facts: the
Kardia API documentation; no real file was at hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import FileAccessError, FormatError, LimitError, UnsupportedVariantError
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.document import EcgDocument, Trace, document_reader
from ecgfoundry.formats.common.measurements import STATEMENTS_KEY, stated_measurements
from ecgfoundry.formats.common.moments import iso_moment
from ecgfoundry.recording import Subject

__all__ = ["READER", "load_json", "mapping", "number", "sniff", "text"]

MAXIMUM_JSON_BYTES = 32_000_000
"""Five minutes of six leads at 300 Hz have 4 MB as JSON (our choice)."""

_LEADS = {"leadI": "I", "leadII": "II", "leadIII": "III", "AVR": "aVR", "AVL": "aVL", "AVF": "aVF"}
_KEYS = (b'"recordedAt"', b'"algorithmDetermination"', b'"amplitudeResolution"', b'"data12L"')


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content is a JSON object with two of the names that Kardia recordings have."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"{") and sum(key in head for key in _KEYS) >= 2


def _load(path: Path, options: ReadOptions) -> EcgDocument:
    content = load_json(path, options.limits)
    if "data12L" in content:
        raise UnsupportedVariantError(
            "12-lead Kardia recordings do not state the size of their steps", path=path
        )
    raw = mapping(mapping(content.get("data")).get("raw"))
    samples = mapping(raw.get("samples"))
    if not samples:
        raise FormatError("there are no samples in data.raw", path=path)
    steps = raw.get("amplitudeResolution")
    stated = number(steps)
    mains = number(raw.get("mainsFrequency"))
    device = mapping(content.get("deviceInfo"))
    return EcgDocument(
        traces=[
            Trace(
                _LEADS.get(name, name),
                _values(values, name, options.limits, path),
                1.0 if stated is None else stated,
                None if stated is None else "nV",
            )
            for name, values in samples.items()
        ],
        sampling_rate=number(raw.get("frequency")),
        start_time=iso_moment(text(content.get("recordedAt"))),
        subject=Subject(identifier=text(content.get("patientID")) or None),
        device={
            "manufacturer": "AliveCor",
            "model": text(device.get("hardwareType")),
            "software": text(device.get("firmwareRevision")),
        },
        header=_header(content, device),
        mains_frequency=mains if mains in (50.0, 60.0) else None,
        start_text=text(content.get("recordedAt")),
    )


def load_json(path: Path, limits: Limits) -> Mapping[str, Any]:
    """Return the JSON object of a file.

    Raises
    ------
    FormatError, LimitError, FileAccessError
    """
    limit = min(MAXIMUM_JSON_BYTES, limits.text_bytes)
    try:
        size = path.stat().st_size
        if size > limit:
            raise LimitError(f"the JSON file has {size} bytes; the limit is {limit}", path=path)
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise FileAccessError(f"the file cannot be read ({error.strerror})", path=path) from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the file is no JSON ({error})", path=path) from None
    if not isinstance(content, dict):
        raise FormatError("the file is no JSON object", path=path)
    return content


def mapping(value: object) -> Mapping[str, Any]:
    """Return the object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """Return a text or a number as text; "" for anything else."""
    return str(value).strip() if isinstance(value, str | int | float) else ""


def number(value: object) -> float | None:
    """Return a finite number, also where it is written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        figure = float(value)
    except (ValueError, OverflowError):
        return None
    return figure if np.isfinite(figure) else None


def _values(values: object, name: str, limits: Limits, path: Path) -> np.ndarray:
    if not isinstance(values, list) or len(values) > limits.samples:
        raise FormatError(f"the samples of {name[:20]} are no list", path=path)
    kinds = set(map(type, values))
    if kinds <= {int, float}:
        with suppress(OverflowError):
            return np.array(values, dtype=np.float64)
    if any(
        value is not None and (isinstance(value, bool) or not isinstance(value, int | float))
        for value in values
    ):
        raise FormatError(f"the samples of {name[:20]} are no numbers", path=path)
    try:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    except OverflowError:
        raise FormatError(f"a sample of {name[:20]} is too large", path=path) from None


def _header(content: Mapping[str, Any], device: Mapping[str, Any]) -> dict[str, str]:
    intervals = {
        str(key).lower(): entry.get("Value") if isinstance(entry, dict) else entry
        for key, entry in mapping(content.get("qtMeasurement")).items()
    }
    header = stated_measurements(
        {
            "heart_rate_bpm": text(content.get("heartRate")),
            "rr_ms": text(intervals.get("rr")),
            "qt_ms": text(intervals.get("qt")),
            "qtc_bazett_ms": text(intervals.get("qtcb")),
            "qtc_fridericia_ms": text(intervals.get("qtcf")),
        }
    )
    header[STATEMENTS_KEY] = text(content.get("algorithmDetermination"))
    header["device_serial"] = text(device.get("serialNumber"))
    return header


READER = document_reader(
    _load,
    name="kardia",
    description="AliveCor Kardia recording as JSON, one or six leads, unfiltered",
    extensions=(".json",),
    sniff=sniff,
    verified_on="specification only",
)
