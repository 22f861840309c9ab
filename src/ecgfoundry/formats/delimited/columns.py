"""The columns of a table of numbers: which are ECG leads, at which rate, in which unit."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import LeadError, SamplingRateError, UnitError
from ecgfoundry.formats.arrays.stated import Stated, build_recording, load_sidecar, with_options
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.common.channels import channel_kinds, is_voltage, known_non_ecg_kind
from ecgfoundry.formats.delimited.counters import CounterCheck
from ecgfoundry.formats.delimited.table import TableLayout, load_table, moment_of
from ecgfoundry.leads import canonical_lead
from ecgfoundry.recording import Channel, Recording

__all__ = [
    "FORMAT",
    "ColumnPlan",
    "Columns",
    "check_gap",
    "check_uniform",
    "first_gap",
    "load",
    "plan_columns",
    "rate_of_step",
    "recording_of",
    "recording_of_rows",
    "time_step",
    "typical_step",
    "unit_of_times",
    "with_rate",
]

FORMAT = "delimited"
"""Name of the format, as in ``Recording.format``."""

_TIME_NAME = re.compile(
    r"^(?:elapsed |sensor |phone )?(?:time|timestamp|t|seconds|sec|millis|milliseconds)$"
)
_COUNTER_NAMES = frozenset({"sample", "sample #", "samples", "index", "idx", "nseq", "n", "#", ""})
_NAME_UNIT = re.compile(
    r"^(?P<name>.*?)\s*(?:[\[(](?P<bracket>[^\])]*)[\])]|_(?P<tail>s|ms|us|ns|mv|uv))$",
    re.IGNORECASE,
)
_TIME_FACTORS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PLAUSIBLE_RATES = (20.0, 20_000.0)
"""Hz; a time column without a unit is in seconds or milliseconds, whichever gives a rate in this
range. It spans a factor of 1000, so at most one does (our choice)."""
_SLOWEST_IN_SECONDS = 5.0
"""Hz; from here to 20 Hz a column may be in seconds after all, of a slow recording, so that
milliseconds (5 to 20 kHz) are not taken for granted (our choice)."""
_GAP_STEPS = 1.76
"""A step as long as this is no late sample (0.75 of a step) but a lost one (our choice)."""
SAME_RATE = 0.01
"""Between a stated rate and that of the times (our choice; devices differ by far less)."""
_TYPICAL_ROWS = 65_536
_RATE_COMMENT = re.compile(r"^sampling rate\s*\(hz\)\s*:=\s*(\S+)", re.IGNORECASE)
_LABELS_COMMENT = re.compile(r"^labels\s*:=\s*(.+)$", re.IGNORECASE)
_UNITS_COMMENT = re.compile(r"^units\s*:=\s*(.+)$", re.IGNORECASE)


def _finite_or_missing(values: np.ndarray) -> NDArray[np.float32]:
    """Return float32 in which what float32 cannot hold is missing."""
    result = values.astype(np.float32)
    result[np.isinf(result)] = np.nan
    return result


@dataclass(frozen=True, slots=True)
class Columns:
    """ECG columns as (leads, samples), and the other named columns with their units."""

    ecg: np.ndarray
    others: tuple[tuple[str, str, np.ndarray], ...]
    start: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What the lines before the numbers, the sidecar and the caller say about the columns.

    ``time`` is the number and unit of the time column that the rate has to come from, or agree with
    where the file states it, or None; ``clock`` as in :class:`TableLayout`, where it has a date;
    ``counters`` number the samples.
    """

    names: list[str] | None
    units: list[str]
    keep: list[int]
    stated: Stated
    time: tuple[int, str | None] | None
    clock: tuple[int, dt.datetime] | None = None
    counters: tuple[int, ...] = ()


def plan_columns(layout: TableLayout, path: Path, options: ReadOptions) -> ColumnPlan:
    """Return the plan of a table; reads the sidecar, and no numbers."""
    names, units = _names_and_units(layout)
    stated = with_options(replace(_from_comments(layout), leads=None), ReadOptions())
    sidecar = load_sidecar(path)
    stated = replace(
        stated,
        leads=sidecar.leads,
        unit=sidecar.unit or stated.unit,
        sampling_rate=sidecar.sampling_rate or stated.sampling_rate,
        subject=sidecar.subject,
        header={**stated.header, **sidecar.header},
    )
    stated = with_options(stated, options)
    keep = list(range(layout.columns))
    counters = []
    asked = options.sampling_rate is not None  # the caller knows better than the column
    time: tuple[int, str | None] | None = None
    if layout.clock is not None:
        keep.remove(layout.clock[0])
        time = None if asked else (layout.clock[0], "s")
    if names is not None:
        for number in list(keep):
            role = _column_role(names[number])
            if role == "signal":
                continue
            keep.remove(number)
            if role == "counter" and names[number]:
                counters.append(number)
            if role == "time" and not asked and time is None:
                time = number, _time_unit(names, units, number)
    column, moment = layout.clock or (0, None)
    clock = None if moment is None else (column, moment)
    return ColumnPlan(names, units, keep, stated, time, clock, tuple(counters))


def load(path: Path, options: ReadOptions) -> tuple[Columns, Stated]:
    """Read a whole table, and what is stated about its columns."""
    table = load_table(path, options.limits)
    plan = plan_columns(table.layout, path, options)
    for number in plan.counters:
        check = CounterCheck((plan.names or [])[number])
        check.feed(table.values[:, number])
        check.finish(path)
    if plan.time is not None:
        number, _ = plan.time
        rate = _rate_from_times(table.values[:, number], unit_of_times(plan), path)
        plan = with_rate(plan, rate, path)
    return _sorted_columns(table.values, plan, path)


def unit_of_times(plan: ColumnPlan) -> str | None:
    """Return the unit of the time column; seconds for any where the rate is stated."""
    if plan.time is None or plan.time[1] is not None or plan.stated.sampling_rate is None:
        return None if plan.time is None else plan.time[1]
    return "s"


def with_rate(plan: ColumnPlan, rate: float, path: Path) -> ColumnPlan:
    """Return the plan with the rate of its time column, and a word where the unit was inferred.

    Raises
    ------
    SamplingRateError
        The file states another rate than its time column has.
    """
    stated = plan.stated.sampling_rate
    if stated is not None:
        units = ("s",) if plan.time is None or plan.time[1] is not None else ("s", "ms", "us", "ns")
        given = [rate / _TIME_FACTORS[unit] for unit in units]
        if not any(abs(one / stated - 1.0) <= SAME_RATE for one in given):
            raise SamplingRateError(
                f"the time column gives {rate:.6g} Hz, {stated:g} Hz are stated beside it",
                path=path,
                remedy="State the right one with --sampling-rate or sampling_rate=",
            )
        return plan
    header = dict(plan.stated.header)
    if plan.time is not None and plan.time[1] is None:
        header["time_column"] = "states no unit; it is read so that the rate is 20 Hz to 20 kHz"
    return replace(plan, stated=replace(plan.stated, sampling_rate=rate, header=header))


def recording_of_rows(
    values: np.ndarray, plan: ColumnPlan, options: ReadOptions, path: Path
) -> Recording:
    """Return the recording of rows (rows, columns) of a table whose plan states the rate."""
    return recording_of(*_sorted_columns(values, plan, path), options, path)


def recording_of(columns: Columns, stated: Stated, options: ReadOptions, path: Path) -> Recording:
    """Return the recording of sorted columns."""
    recording = build_recording(columns.ecg, stated, options, path=path, format=FORMAT)
    with np.errstate(over="ignore"):
        channels = tuple(
            Channel(
                name=name,
                kind=known_non_ecg_kind(name) or "other",
                unit=unit,
                sampling_rate=recording.sampling_rate,
                signal=_finite_or_missing(values),
            )
            for name, unit, values in columns.others
        )
    return replace(recording, other_channels=channels, start_time=columns.start)


def _names_and_units(layout: TableLayout) -> tuple[list[str] | None, list[str]]:
    """Column names and units from the header lines or from the comments."""
    names, units = layout.names, layout.units
    for comment in layout.comments:
        labels, stated_units = _LABELS_COMMENT.match(comment), _UNITS_COMMENT.match(comment)
        if labels and names is None:
            names = tuple(part.strip() for part in labels[1].split("\t"))
        if stated_units and units is None:
            units = tuple(part.strip() for part in stated_units[1].split("\t"))
    if names is None or len(names) != layout.columns:
        return None, [""] * layout.columns
    if units is not None and len(units) == 1:
        units = units * layout.columns
    if units is None or len(units) != layout.columns:
        units = ("",) * layout.columns
    plain_names, plain_units = [], []
    for name, unit in zip(names, units, strict=True):
        match = _NAME_UNIT.match(name)
        plain_names.append(match["name"].strip() if match else name)
        plain_units.append(unit or (match and (match["bracket"] or match["tail"])) or "")
    return plain_names, plain_units


def _from_comments(layout: TableLayout) -> Stated:
    rate = None
    for comment in layout.comments:
        match = _RATE_COMMENT.match(comment)
        if match:
            try:
                rate = float(match[1].replace(",", "."))
            except ValueError:
                continue
    header = {"comments": "\n".join(layout.comments)} if layout.comments else {}
    return Stated(sampling_rate=rate, header=header)


def _column_role(name: str) -> str:
    text = name.strip().lower()
    if text in _COUNTER_NAMES:
        return "counter"
    return "time" if _TIME_NAME.match(text) else "signal"


def _time_unit(names: Sequence[str], units: Sequence[str], number: int) -> str | None:
    unit = units[number].strip().lower()
    if unit in _TIME_FACTORS:
        return unit
    word = names[number].strip().lower()
    return {"seconds": "s", "sec": "s", "millis": "ms", "milliseconds": "ms"}.get(word)


def _rate_from_times(times: np.ndarray, unit: str | None, path: Path) -> float:
    """Return the rate in Hz of a uniform time column, or raise SamplingRateError."""
    first, last = float(times[0]), float(times[-1])
    if not np.isfinite(times).all():
        last = math.nan
    step = time_step(first, last, len(times), path)
    check_gap(first_gap(times, typical_step(times)), path)
    check_uniform(times, first, step, 0, path)
    return rate_of_step(step, (last - first), times, unit, path)


def time_step(first: float, last: float, count: int, path: Path) -> float:
    """Return the mean step of a time column, or raise SamplingRateError."""
    if count < 2 or not last - first > 0:
        raise SamplingRateError(
            "the time column does not run forward without gaps",
            path=path,
            remedy="Supply the rate with --sampling-rate or sampling_rate=, if it is uniform",
        )
    return (last - first) / (count - 1)


def typical_step(times: np.ndarray) -> float:
    """Return the mean step of the first rows without what may be gaps; NaN below two rows."""
    steps = np.diff(times[:_TYPICAL_ROWS])
    if not len(steps):
        return math.nan
    usual = (steps >= 0) & (steps <= 2.5 * np.median(steps))
    return float(steps[usual].mean()) if usual.any() else math.nan


def first_gap(times: np.ndarray, step: float, row: int = 0) -> tuple[int, float, float] | None:
    """Return the first sample behind a gap or a return of the clock, and the times around it.

    ``row`` is the number of the first of ``times`` in the table.
    """
    steps = np.diff(times)
    places = np.flatnonzero((steps > _GAP_STEPS * step) | (steps < 0))
    if not len(places):
        return None
    place = int(places[0])
    return row + place + 1, float(times[place]), float(times[place + 1])


def check_gap(gap: tuple[int, float, float] | None, path: Path) -> None:
    """Raise SamplingRateError that names the place of a gap."""
    if gap is None:
        return
    sample, before, after = gap
    raise SamplingRateError(
        f"the time column is not uniform (from sample {sample} on: {before:.9g} is followed by "
        f"{after:.9g})",
        path=path,
        remedy="Resample it to a uniform rate, or read the parts between gaps",
    )


def check_uniform(times: np.ndarray, first: float, step: float, row: int, path: Path) -> None:
    """Raise SamplingRateError where times, from row number ``row`` on, leave the uniform grid."""
    grid = first + step * np.arange(row, row + len(times))
    # Times are rounded when they are written, so each may be off by up to about half a step.
    off = ~(np.abs(times - grid) <= 0.75 * step)
    if off.any():
        place = int(np.flatnonzero(off)[0])
        raise SamplingRateError(
            f"the time column is not uniform (from sample {row + place} on, at {times[place]:g})",
            path=path,
            remedy="Resample it to a uniform rate, or read the parts between gaps",
        )


def rate_of_step(
    step: float, span: float, sample: np.ndarray, unit: str | None, path: Path
) -> float:
    """Return the rate in Hz of a uniform time column; ``sample`` are some of its times."""
    rate = (1.0 / step) / _time_factor(1.0 / step, unit, path)
    # The rounding of the first and the last time leaves this much doubt about the rate.
    doubt = rate * _resolution(sample) / span
    return float(round(rate)) if abs(rate - round(rate)) <= max(doubt, 1e-9 * rate) else float(rate)


def _time_factor(rate: float, unit: str | None, path: Path) -> float:
    if unit is not None:
        return _TIME_FACTORS[unit]
    low, high = _PLAUSIBLE_RATES
    if low <= rate < high:
        return 1.0
    if low <= rate * 1e3 < high and rate < _SLOWEST_IN_SECONDS:
        return 1e-3
    raise SamplingRateError(
        f"the time column gives {rate:g} Hz in seconds and {rate * 1e3:g} Hz in milliseconds",
        path=path,
        remedy="Name its unit, as in 'time [ms]', or supply the rate with sampling_rate=",
    )


def _resolution(times: np.ndarray) -> float:
    """Return the decimal place to which the times are rounded, in their unit.

    Without one, the distance of two numbers as large as the times.
    """
    sample = times[:: max(len(times) // 200, 1)]
    noise = 2.0 * float(np.spacing(np.max(np.abs(sample))))
    sample = sample - sample[0]
    tolerance = 1e-11 * (1.0 + float(np.max(np.abs(sample)))) + noise
    for digits in range(10):
        if np.max(np.abs(sample - np.round(sample, digits))) <= tolerance:
            return max(float(10.0**-digits), noise)
    return noise


def _sorted_columns(values: np.ndarray, plan: ColumnPlan, path: Path) -> tuple[Columns, Stated]:
    names, units, keep, stated = plan.names, plan.units, plan.keep, plan.stated
    ecg = list(keep)
    if names is not None:
        # Among EEG electrodes C3 is no chest lead; see channel_kinds.
        kinds = channel_kinds(names, ["mV"] * len(names))
        ecg = [n for n in keep if canonical_lead(names[n]) is not None and kinds[n] == "ecg"]
    if stated.leads is None:
        if names is None or not ecg:
            listed = ", ".join(names[n] for n in keep) if names else f"{len(keep)} unnamed"
            raise LeadError(
                f"no column is named as an ECG lead ({listed[:200]})",
                path=path,
                remedy="Supply the names of the columns, for example --leads I,II,V1",
            )
        stated = replace(stated, leads=tuple(names[n] for n in ecg))
    elif len(stated.leads) != len(ecg):
        ecg = list(keep)  # then the names are for all columns; a wrong number is refused below
    if stated.unit is None:
        stated = replace(stated, unit=_common_unit([units[n] for n in ecg], path))
    others = tuple(
        (names[n], units[n], values[:, n]) for n in keep if n not in ecg and names is not None
    )
    start = None
    if plan.clock is not None and np.isfinite(values[0, plan.clock[0]]):
        # In the zone of the first cell; seconds are counted as in the table.
        number, moment = plan.clock
        zone = moment.tzinfo
        start = moment_of(float(values[0, number])).astimezone(zone or dt.UTC)
        start = start if zone is not None else start.replace(tzinfo=None)
    return Columns(np.ascontiguousarray(values[:, ecg].T), others, start), stated


def _common_unit(units: Sequence[str], path: Path) -> str | None:
    found = {unit for unit in units if is_voltage(unit)}
    if len(found) > 1:
        raise UnitError(
            f"the ECG columns have different units ({', '.join(sorted(found))})",
            path=path,
            remedy="Bring them to one unit, or supply it with --unit or unit=",
        )
    return found.pop() if len(found) == 1 and all(is_voltage(unit) for unit in units) else None
