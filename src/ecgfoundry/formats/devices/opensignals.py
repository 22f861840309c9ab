"""Reader of OpenSignals text (``# OpenSignals Text File Format``): BITalino and biosignalsplux.

The second line is a JSON object with one entry per device: rate, columns, sensors, resolution. ECG
columns hold raw counts n of b bits, and become millivolts by the transfer function of the sensor's
data sheet: ``(n / 2^b - 1/2) x VCC / gain`` with VCC 3.3 V and gain 1100 (BITalino ECG), VCC 3 V
and gain 1000 (biosignalsplux ECG). Other devices state no scale: supply ``unit=``. Files without
the JSON line (BioSPPy's) are read by the reader of delimited text.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, LeadError, UnsupportedVariantError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.common.document import EcgDocument, Trace, document_reader
from ecgfoundry.formats.delimited.table import load_table
from ecgfoundry.leads import UNNAMED_ECG
from ecgfoundry.units import check_sampling_rate

__all__ = ["READER", "sniff"]

_MAGIC = b"# OpenSignals Text File Format"
_HEADER_BYTES = 65_536
_SCALES = {"bitalino": (3.3, 1100.0), "biosignalsplux": (3.0, 1000.0)}
"""Device -> (supply in V, gain) of its ECG sensor (data sheets of the maker, PLUX)."""

FEWEST_FOLLOWING = 0.9
"""Share of the samples whose sequence number follows that of the one before (our choice)."""
MOST_LOST = 65_536
"""Samples that one gap may have (our choice)."""
_ECG_SENSORS = frozenset({"ECG", "ECGBIT", "ECG-B", "ECGB"})


def sniff(path: Path, head: bytes) -> bool:
    """Whether the text begins with the name of the format and a JSON object."""
    lines = head.removeprefix(b"\xef\xbb\xbf").splitlines()
    return len(lines) > 1 and lines[0].startswith(_MAGIC) and b"{" in lines[1]


@dataclass(frozen=True, slots=True)
class _Device:
    name: str
    rate: float
    bits: tuple[int, ...]
    ecg_columns: tuple[int, ...]
    start: dt.datetime | None
    firmware: str
    counter: tuple[int, int] | None = None
    """Column of the sequence number, and its bits."""


def _load(path: Path, options: ReadOptions) -> EcgDocument:
    device = _header(path)
    # Units and names of the columns are stated in the header, so the options wait until below.
    table = load_table(path, options.limits)
    columns = table.values.T
    places = _places(columns[device.counter[0]], 2 ** device.counter[1]) if device.counter else None
    if max(device.ecg_columns) >= len(columns):
        raise FormatError(
            f"the header describes more than the {len(columns)} columns of the table", path=path
        )
    family = next((name for name in _SCALES if device.name.startswith(name)), None)
    traces = []
    for number, column in enumerate(device.ecg_columns, 1):
        name = UNNAMED_ECG if len(device.ecg_columns) == 1 else f"{UNNAMED_ECG} {number}"
        values = columns[column]
        if places is not None:
            values = np.full(int(places[-1]) + 1, np.nan)
            values[places] = columns[column]
        trace = Trace(name, values, 1.0, None)
        if family is not None and options.unit is None:
            supply, amplification = _SCALES[family]
            span = 2.0 ** device.bits[column]
            gain = 1e3 * supply / amplification / span
            trace = replace(trace, gain=gain, unit="mV", zero=span / 2)
        traces.append(trace)
    return EcgDocument(
        traces=traces,
        sampling_rate=device.rate,
        start_time=device.start,
        device={"manufacturer": "PLUX", "model": device.name, "software": device.firmware},
        header={}
        if places is None
        else {"missing_samples": str(int(places[-1]) + 1 - len(places))},
    )


def _header(path: Path) -> _Device:
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES).removeprefix(b"\xef\xbb\xbf")
    lines = head.decode("utf-8", errors="replace").splitlines()
    try:
        devices = json.loads(lines[1].lstrip("#").strip())
    except (ValueError, IndexError, RecursionError):
        raise FormatError("the second line is no JSON object", path=path) from None
    if not isinstance(devices, dict) or not devices:
        raise FormatError("the second line describes no device", path=path)
    if len(devices) > 1:
        raise UnsupportedVariantError(
            f"the file holds {len(devices)} devices in one table", path=path
        )
    entry = next(iter(devices.values()))
    if not isinstance(entry, dict):
        raise FormatError("the description of the device is no object", path=path)
    return _device(entry, path)


def _device(entry: Mapping[str, Any], path: Path) -> _Device:
    names, labels = entry.get("column"), entry.get("label")
    sensors, bits = entry.get("sensor"), entry.get("resolution")
    if not all(isinstance(part, list) for part in (names, labels, sensors, bits)):
        raise FormatError("columns, labels, sensors or resolutions are missing", path=path)
    assert isinstance(names, list) and isinstance(labels, list)  # noqa: S101 (for the type checker)
    assert isinstance(sensors, list) and isinstance(bits, list)  # noqa: S101
    ecg = [
        label
        for label, sensor in zip(labels, sensors, strict=False)
        if str(sensor).upper() in _ECG_SENSORS and label in names
    ]
    if not ecg:
        found = ", ".join(map(str, sensors))
        raise LeadError(f"no sensor of the file is an ECG ({found[:80]})", path=path)
    columns = tuple(names.index(label) for label in ecg)
    if any(
        column >= len(bits) or not isinstance(bits[column], int) or not 1 <= bits[column] <= 32
        for column in columns
    ):
        raise FormatError("the resolution of an ECG column is missing", path=path)
    return _Device(
        name=str(entry.get("device", ""))[:40].lower(),
        rate=check_sampling_rate(entry.get("sampling rate")),
        bits=tuple(bit if isinstance(bit, int) else 0 for bit in bits),
        ecg_columns=columns,
        start=_moment(entry),
        firmware=str(entry.get("firmware version", ""))[:20],
        counter=_counter(names, bits),
    )


def _counter(names: list[object], bits: list[object]) -> tuple[int, int] | None:
    """Return the column of the sequence number and its bits, where both are stated."""
    place = next((n for n, name in enumerate(names) if str(name).lower() == "nseq"), None)
    if place is None or place >= len(bits):
        return None
    own = bits[place]
    return (place, own) if isinstance(own, int) and 2 <= own <= 32 else None


def _places(counted: NDArray[np.float64], wraps: int) -> NDArray[np.int64] | None:
    """Return the places of samples by their sequence number; None where none is lost.

    A number that wraps tells of lost samples but for whole turns of it. Numbers that mostly do not
    follow each other (firmware that writes 0 throughout) tell nothing.
    """
    steps = np.diff(counted)
    if len(steps) and counted.max() < wraps:
        steps = np.where(steps <= 0, steps + wraps, steps)
    follow = steps == 1
    if not len(steps) or follow.all() or follow.mean() < FEWEST_FOLLOWING:
        return None
    if not (np.isfinite(steps).all() and (steps >= 1).all() and (steps <= MOST_LOST).all()):
        return None
    return np.concatenate(([0], np.cumsum(steps))).astype(np.int64)


def _moment(entry: Mapping[str, Any]) -> dt.datetime | None:
    text = f"{entry.get('date', '')} {entry.get('time', '')}".strip()
    for pattern in ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"):
        try:
            return dt.datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None


READER = document_reader(
    _load,
    name="opensignals",
    description="OpenSignals text of BITalino and biosignalsplux, counts turned into mV",
    extensions=(".txt",),
    sniff=sniff,
    verified_on="specification only",
)
