"""A day or two weeks of ECG: beats, classes, events, HRV, AF and ST trend, part by part.

The recording is cut into parts of half an hour. Each is a task: beats are found and labelled in the
signal as recorded, the rhythm model reads its windows, and what was found is written
to one small file, whole or not at all. So memory does not grow with the recording, all cores work
(:mod:`ecgfoundry.engines`), and a run that was killed goes on with the parts that are missing.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import itertools
import json
import shutil
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.engines import Engine, process_pool
from ecgfoundry.errors import FormatError, SignalError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.common.stamps import stamp_of
from ecgfoundry.formats.files import EcgFile, open_file
from ecgfoundry.inference.interpretation import Episode, WindowResult, find_episodes
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.runtimes.hardware import usable_cores
from ecgfoundry.io import read_json, write_atomically, write_json
from ecgfoundry.measurements.beat_classes import label_beats
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.measurements.delineation import delineate
from ecgfoundry.measurements.gate import judge_window
from ecgfoundry.measurements.holter import (
    Burden,
    HolterHour,
    RhythmEvent,
    burdens,
    holter_hours,
    long_term_hrv,
    rhythm_events,
    st_levels,
)
from ecgfoundry.measurements.hrv import hrv
from ecgfoundry.measurements.lead_fusion import fuse_leads
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import Notice, assess_windows

__all__ = ["DEFAULT_MODEL", "HolterProgress", "HolterReport", "HolterSettings", "measure_holter"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

DEFAULT_MODEL = "rhythm-single-lead-edge"
FIBRILLATION = "atrial fibrillation"
PART_S = 1800.0
"""The classifier of beats was trained on half hours."""
MOST_VALUES = 8_000_000
"""Samples of all leads in a part at most, so that twelve leads at 1 kHz need no gigabytes."""
AROUND_S = 10.0
"""Of the neighbours on each side, for filters and for the intervals of the first beats."""
WINDOW_S = 10.0
MINUTE_S = 60.0
LEAST_FOREIGN_MINUTES = 5
"""Nothing that the gate refuses for so long is a rhythm of somebody alive (our choice); a shorter
part is refused if every minute of it is."""
SHAPE_BEATS = 120
"""Usual beats of a part from which the place of the ST segment is taken (our choice)."""
SHAPE_SPAN_S = (0.5, 0.9)
LEAST_USUAL = 5
ROWS = 50_000
"""Beats that are written at a time: a million of them as Python numbers are 200 MB."""
_PARTS = "holter.parts"


@dataclass(frozen=True)
class HolterSettings:
    """How a long recording is measured.

    Attributes
    ----------
    model : str or None
        Rhythm model whose windows give the atrial fibrillation; None: none is run.
    lead : str or None
        The lead that it reads; by default as for every one-lead model.
    pause_s : float
        Shortest interval that is a pause.
    """

    model: str | None = DEFAULT_MODEL
    lead: str | None = None
    pause_s: float = 2.0


@dataclass(frozen=True, slots=True)
class HolterProgress:
    """How far a run is: seconds of the recording, of them by an earlier run, and what is left."""

    done_s: float
    total_s: float
    resumed_s: float
    eta_s: float | None


@dataclass(frozen=True, eq=False)
class HolterReport:
    """What was found in a long recording.

    Attributes
    ----------
    file : str
    duration_s, readable_s : float
    leads : tuple of str
    beats : Beats
    hours : tuple of HolterHour
    events : tuple of RhythmEvent
    burdens : dict of str to Burden
        Share of every class among the beats.
    hrv : dict
        Name -> value with unit and method, or None with a reason, as in ``measure``; SDANN and
        SDNN index beside them.
    windows : tuple of WindowResult
        Of the rhythm model; empty without one.
    episodes : tuple of Episode
        Atrial fibrillation, and what else the model names, in consecutive windows.
    rhythm_burden : dict of str to float or None
        Share of the readable time in which each finding is present.
    st_mv : ndarray (leads, minutes)
        Median ST level at J + 60 ms of each minute's usual beats, NaN where there are too few.
    unreadable : tuple of (float, float)
        Stretches without an ECG that can be read, s.
    model : str or None
    """

    file: str
    duration_s: float
    readable_s: float
    leads: tuple[str, ...]
    beats: Beats
    hours: tuple[HolterHour, ...]
    events: tuple[RhythmEvent, ...]
    burdens: dict[str, Burden]
    hrv: dict[str, dict[str, Any]]
    windows: tuple[WindowResult, ...]
    episodes: tuple[Episode, ...]
    rhythm_burden: dict[str, float | None]
    st_mv: Float64
    unreadable: tuple[tuple[float, float], ...]
    model: str | None

    @property
    def af_burden(self) -> float | None:
        """Share of the readable time in atrial fibrillation; None without a rhythm model."""
        return self.rhythm_burden.get(FIBRILLATION)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: everything but the single beats and windows."""
        rr = self.beats.rr_s
        finite = np.where(np.isfinite(rr), rr, -np.inf)
        longest = int(finite.argmax()) if rr.size and np.isfinite(rr).any() else None
        shortest = (
            int(np.where(np.isfinite(rr), rr, np.inf).argmin()) if longest is not None else None
        )
        counts: dict[str, int] = {}
        for event in self.events:
            counts[event.kind] = counts.get(event.kind, 0) + 1
        return {
            "schema_version": 1,
            "file": self.file,
            "model": self.model,
            "duration_s": round(self.duration_s, 3),
            "readable_s": round(self.readable_s, 3),
            "leads": list(self.leads),
            "beats": len(self.beats),
            "burdens": {name: burden.to_dict() for name, burden in self.burdens.items()},
            "longest_rr": self._interval(longest),
            "shortest_rr": self._interval(shortest),
            "hrv": self.hrv,
            "af_burden": _rounded(self.af_burden),
            "rhythm_burden": {name: _rounded(v) for name, v in self.rhythm_burden.items()},
            "episodes": [episode.to_dict() for episode in self.episodes],
            "event_counts": counts,
            "events": [event.to_dict() for event in self.events],
            "hours": [hour.to_dict() for hour in self.hours],
        }

    def _interval(self, number: int | None) -> dict[str, float] | None:
        if number is None:
            return None
        return {
            "rr_s": round(float(self.beats.rr_s[number]), 3),
            "end_s": round(float(self.beats.time_s[number]), 3),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


@dataclass(frozen=True)
class _Task:
    """One part: samples ``start`` to ``stop`` of a file, and the file to write."""

    path: Path
    options: ReadOptions
    start: int
    stop: int
    settings: HolterSettings
    part: Path


def measure_holter(
    path: str | Path,
    output: str | Path,
    settings: HolterSettings | None = None,
    *,
    options: ReadOptions | None = None,
    workers: int | None = None,
    engine: Engine | None = None,
    progress: Callable[[HolterProgress], None] | None = None,
) -> HolterReport:
    """Measure a long recording, and write its tables.

    Parameters
    ----------
    path : str or Path
        The recording.
    output : str or Path
        Folder for ``holter.json``, ``hours.csv``, ``events.csv``, ``beats.csv`` and, with leads
        in mV, ``st.csv``. Parts of a run that was cut off lie there too, and are used again.
    settings : HolterSettings, optional
    options : ReadOptions, optional
        As for :func:`ecgfoundry.open`.
    workers : int, optional
        Processes; by default one per core.
    engine : Engine, optional
        Who runs the parts, instead of processes.
    progress : callable, optional
        Called with a HolterProgress after every part.

    Returns
    -------
    HolterReport

    Raises
    ------
    EcgFoundryError
        The file cannot be read, the folder cannot be written, or a worker died; the same call
        again goes on where it was.
    """
    chosen, read_options = settings or HolterSettings(), options or ReadOptions()
    path, folder = Path(path), Path(output)
    with open_file(path, read_options) as file:
        rate, samples, leads = file.sampling_rate, file.samples, file.leads
    if samples == 0:
        raise SignalError("the recording has no samples", path=path)
    folder.mkdir(parents=True, exist_ok=True)
    parts = _prepared_parts(folder / _PARTS, path, read_options, chosen)
    tasks = [
        _Task(path.absolute(), read_options, start, stop, chosen, parts / f"part-{start:012d}.npz")
        for start, stop in _bounds(samples, rate, len(leads))
    ]
    _run(tasks, rate, samples, engine or process_pool(workers or usable_cores()), progress)
    report = _report(path, tasks, samples, rate, leads, chosen)
    _write(report, folder)
    shutil.rmtree(parts)
    return report


def _bounds(samples: int, rate: float, leads: int) -> list[tuple[int, int]]:
    """Cut into parts of whole windows, as long as memory allows, the rest with the last one."""
    seconds = min(PART_S, max(MINUTE_S, MOST_VALUES / (rate * leads)))
    length = round(seconds // MINUTE_S * MINUTE_S * rate)
    begins = list(range(0, samples, length))
    if len(begins) > 1 and samples - begins[-1] < 0.5 * length:
        begins.pop()
    return list(zip(begins, [*begins[1:], samples], strict=True))


def _prepared_parts(
    folder: Path, path: Path, options: ReadOptions, settings: HolterSettings
) -> Path:
    """Return the folder of the parts, emptied if they are of another file or setting."""
    from ecgfoundry._version import __version__

    identity = json.dumps(
        {
            "version": __version__,
            "file": str(path.absolute()),
            "stamp": stamp_of(path),
            "options": repr(options),
            "settings": repr(settings),
        },
        sort_keys=True,
    )
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()
    note = folder / "run.json"
    if note.is_file():
        if read_json(note).get("fingerprint") == fingerprint:
            return folder
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    write_json(note, {"fingerprint": fingerprint})
    return folder


def _run(
    tasks: Sequence[_Task],
    rate: float,
    samples: int,
    engine: Engine,
    progress: Callable[[HolterProgress], None] | None,
) -> None:
    missing = [task for task in tasks if not task.part.is_file()]
    total = samples / rate
    resumed = total - sum(task.stop - task.start for task in missing) / rate
    done, began = resumed, time.monotonic()
    for seconds in engine(_measure_part, missing):
        done += seconds
        if progress is not None:
            speed = (done - resumed) / max(time.monotonic() - began, 1e-9)
            progress(HolterProgress(done, total, resumed, (total - done) / speed))


# --- one part --------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def _opened(path: Path, options: ReadOptions) -> EcgFile:
    return open_file(path, options)


@functools.lru_cache(maxsize=1)
def _loaded(model: str) -> Predictor:
    return load_model(model, threads=1)


def _measure_part(task: _Task) -> float:
    """Measure one part, write what was found, and return how many seconds it covers."""
    file = _opened(task.path, task.options)
    rate = file.sampling_rate
    around = round(AROUND_S * rate)
    first = max(0, task.start - around)
    recording = file.part(first, min(file.samples, task.stop + around))
    core = recording.slice_samples(task.start - first, task.stop - first)
    windows, refused = _windows(core, task.settings), _refused(core)
    found = find_beats(recording.signal, rate)
    classes = label_beats(recording.signal, rate, found)
    inside = (found >= task.start - first) & (found < task.stop - first)
    st = _st_by_minute(recording.signal, rate, found, inside & classes.usual, task, first)
    sample = found[inside] + first
    readable = ~_within(sample / rate - task.start / rate, refused)
    begin = task.start / rate
    moved = [replace(window, start_s=window.start_s + begin) for window in windows]
    with write_atomically(task.part) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            sample=sample[readable],
            label=classes.label[inside][readable],
            confidence=classes.confidence[inside][readable],
            refused=np.asarray(refused, dtype=np.float64).reshape(-1, 2) + begin,
            st=st,
            windows=np.asarray(json.dumps([window.to_dict() for window in moved])),
        )
    return (task.stop - task.start) / rate


def _windows(core: Recording, settings: HolterSettings) -> tuple[WindowResult, ...]:
    """Return what the rhythm model says of the part."""
    if settings.model is None:
        return ()
    return _loaded(settings.model).interpret(core, lead=settings.lead).windows


def _refused(core: Recording) -> list[tuple[float, float]]:
    """Return which stretches of the part hold nothing that is measured, in s from its start."""
    spans: list[tuple[float, float]] = []
    for low, high in sorted([*_unreadable(core), *_no_ecg(core)]):
        if spans and low <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(high, spans[-1][1]))
        else:
            spans.append((low, high))
    return spans


def _no_ecg(core: Recording) -> list[tuple[float, float]]:
    """Return the stretches of minutes that are no ECG: an EEG, a pulse wave, a fallen recorder.

    One window of each minute is asked. A few in a row say nothing: ventricular fibrillation and
    asystole are refused as well, and their beats and pauses belong to the report.
    """
    rate = core.sampling_rate
    length, step = round(WINDOW_S * rate), round(MINUTE_S * rate)
    starts = range(0, max(1, core.samples - length + 1), step)
    codes = [
        refusal.code if refusal is not None else ""
        for start in starts
        for refusal in [
            judge_window(core.signal[:, start : start + length], rate, core.leads).refusal
        ]
    ]
    foreign = np.isin(codes, ("no-beats", "not-an-ecg"))
    least = min(LEAST_FOREIGN_MINUTES, foreign.size)
    # One window that passes between many that do not is an accident.
    filled = foreign | (np.r_[False, foreign[:-1]] & np.r_[foreign[1:], False])
    edges = np.flatnonzero(np.diff(np.r_[0, filled.astype(np.int8), 0]))
    spans = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        # Without one beat-like wave it may be asystole, and there is nothing to be counted.
        if last - first >= least and "not-an-ecg" in codes[first:last]:
            end = core.samples / rate if last == foreign.size else last * MINUTE_S
            spans.append((first * MINUTE_S, end))
    return spans


def _unreadable(core: Recording) -> list[tuple[float, float]]:
    """Return which stretches of ten seconds of the part cannot be read, in s from its start."""
    rate = core.sampling_rate
    length = round(WINDOW_S * rate)
    count = max(1, core.samples // length)
    whole = core.signal[:, : count * length]
    stacked = whole.reshape(len(whole), -1, whole.shape[1] // count).transpose(1, 0, 2)
    found = assess_windows(stacked, rate, core.leads)
    spans = []
    for number, quality in enumerate(found):
        if quality.refusal is not None:
            # The rest behind the last whole window is judged with it.
            stop = core.samples if number + 1 == count else (number + 1) * length
            spans.append((number * length / rate, stop / rate))
    return spans


def _within(times: Float64, spans: Sequence[tuple[float, float]]) -> Bool:
    inside = np.zeros(times.size, bool)
    for start, end in spans:
        inside |= (times >= start) & (times < end)
    return inside


def _st_by_minute(
    signal: NDArray[np.floating], rate: float, found: Int64, usual: Bool, task: _Task, first: int
) -> Float64:
    """Return the median ST level of each minute of the part: float64 (leads, minutes)."""
    minutes = -(-(task.stop - task.start) // round(MINUTE_S * rate))
    result = np.full((signal.shape[0], minutes), np.nan)
    chosen = found[usual]
    if chosen.size < LEAST_USUAL:
        return result
    edges = _usual_complex(signal, rate, chosen[:: max(1, chosen.size // SHAPE_BEATS)])
    if edges is None:
        return result
    levels = st_levels(signal, rate, chosen, *edges)
    minute = (chosen + first - task.start) // round(MINUTE_S * rate)
    for number in range(minutes):
        part = levels[:, minute == number]
        there = np.isfinite(part).sum(axis=1) >= LEAST_USUAL
        if there.any():
            result[there, number] = np.nanmedian(part[there], axis=1)
    return result


def _usual_complex(
    signal: NDArray[np.floating], rate: float, beats: Int64
) -> tuple[float, float] | None:
    """Return QRS onset and offset (s, relative to the beat) of the mean of these beats."""
    before, behind = round(SHAPE_SPAN_S[0] * rate), round(SHAPE_SPAN_S[1] * rate)
    whole = beats[(beats >= before) & (beats + behind < signal.shape[1])]
    if whole.size == 0:
        return None
    pieces = signal[:, whole[:, None] + np.arange(-before, behind)].astype(np.float64)
    pieces -= np.nan_to_num(np.median(pieces, axis=2, keepdims=True))
    there = np.isfinite(pieces)
    mean = np.where(there, pieces, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    waves = fuse_leads(delineate(mean, rate, np.array([before])), rate)
    onset, offset = float(waves.qrs_onset[0]) - before, float(waves.qrs_offset[0]) - before
    return (onset / rate, offset / rate) if np.isfinite(onset) and np.isfinite(offset) else None


# --- all parts together ----------------------------------------------------------------------


def _report(
    path: Path,
    tasks: Sequence[_Task],
    samples: int,
    rate: float,
    leads: tuple[str, ...],
    settings: HolterSettings,
) -> HolterReport:
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in _ARRAYS}
    several: list[WindowResult] = []
    for task in tasks:
        with _part_of(task.part) as part:
            for name in _ARRAYS:
                found[name].append(part[name])
            several += map(_window_of, json.loads(str(part["windows"])))
    refused = [(float(low), float(high)) for low, high in np.concatenate(found["refused"])]
    beats = _beats(found, refused, rate)
    events = rhythm_events(beats, pause_s=settings.pause_s)
    windows = tuple(several)
    names = sorted({name for window in windows for name in window.probabilities or ()})
    episodes, burden, _ = find_episodes(windows, names)
    duration = samples / rate
    st = np.concatenate(found["st"], axis=1)
    hours = holter_hours(beats, duration, events, unreadable=refused)
    hours = tuple(_with_rhythm(hour, windows, st, leads) for hour in hours)
    return HolterReport(
        file=str(path),
        duration_s=duration,
        readable_s=duration - sum(high - low for low, high in refused),
        leads=leads,
        beats=beats,
        hours=hours,
        events=events,
        burdens=burdens(beats),
        hrv=_variability(beats),
        windows=windows,
        episodes=episodes,
        rhythm_burden=burden,
        st_mv=st,
        unreadable=tuple(refused),
        model=settings.model,
    )


_ARRAYS = ("sample", "label", "confidence", "refused", "st")


@contextmanager
def _part_of(path: Path) -> Iterator[Any]:
    try:
        with np.load(path, allow_pickle=False) as part:
            yield part
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"is no part of a run ({error})", path=path, remedy="Delete its folder and run again"
        ) from None


def _beats(
    found: dict[str, list[NDArray[Any]]], refused: Sequence[tuple[float, float]], rate: float
) -> Beats:
    sample = np.concatenate(found["sample"]).astype(np.int64)
    time_s = sample / rate
    rr = np.concatenate([np.full(min(sample.size, 1), np.nan), np.diff(time_s)])
    for low, _ in refused:
        after = int(np.searchsorted(time_s, low))
        if after < rr.size:
            rr[after] = np.nan  # beats may have been lost between this one and the one before
    # What was not looked for takes no memory, with a million beats.
    unknown = np.broadcast_to(np.float64(np.nan), sample.shape)
    return Beats.from_samples(
        sample,
        rate,
        label=np.concatenate(found["label"]),
        rr_s=rr,
        confidence=np.concatenate(found["confidence"]),
        template=np.broadcast_to(np.int64(-1), sample.shape),
        **dict.fromkeys(("p_s", "qrs_onset_s", "qrs_offset_s", "t_offset_s"), unknown),
    )


def _window_of(document: dict[str, Any]) -> WindowResult:
    refused = document.get("refused")
    present = document.get("present")
    return WindowResult(
        document["start_s"],
        document["duration_s"],
        probabilities=document.get("probabilities"),
        present=None if present is None else tuple(present),
        refused=None if refused is None else Notice(refused["code"], refused["message"]),
    )


def _with_rhythm(
    hour: HolterHour, windows: Sequence[WindowResult], st: Float64, leads: tuple[str, ...]
) -> HolterHour:
    """Add the share of fibrillation and the median ST level of every lead."""
    inside = [
        window.present
        for window in windows
        if hour.start_s <= window.start_s < hour.end_s and window.present is not None
    ]
    share = 100.0 * sum(FIBRILLATION in names for names in inside) / len(inside) if inside else None
    low, high = round(hour.start_s / MINUTE_S), -(-round(hour.end_s) // round(MINUTE_S))
    levels = {}
    for lead, row in zip(leads, st[:, low:high], strict=True):
        there = row[np.isfinite(row)]
        if there.size:
            levels[lead] = float(np.median(there))
    return replace(hour, af_percent=share, st_mv=levels)


def _variability(beats: Beats) -> dict[str, dict[str, Any]]:
    result = {}
    for name, value in hrv(beats).items():
        result[name] = {"value": value.value, "unit": value.unit, "method": value.method}
        if value.reason is not None:
            result[name]["reason"] = value.reason
    for name, long_value in long_term_hrv(beats).items():
        result[name] = {
            "value": long_value,
            "unit": "ms",
            "method": "segments of 5 minutes; Task Force 1996",
        }
        if long_value is None:
            result[name]["reason"] = "fewer than two segments of 5 minutes with normal intervals"
    return result


# --- files -----------------------------------------------------------------------------------


def _write(report: HolterReport, folder: Path) -> None:
    write_json(folder / "holter.json", report.to_dict())
    hours = [_flat_hour(hour, report.leads) for hour in report.hours]
    _write_rows(folder / "hours.csv", list(hours[0]), (row.values() for row in hours))
    columns = ["kind", "start_s", "end_s", "beats", "rate_bpm"]
    events = [event.to_dict() for event in report.events]
    events += [
        {"kind": e.name, "start_s": round(e.start_s, 3), "end_s": round(e.end_s, 3)}
        for e in report.episodes
    ]
    events.sort(key=lambda event: (event["start_s"], event["kind"]))
    _write_rows(folder / "events.csv", columns, ([e.get(c) for c in columns] for e in events))
    beats = report.beats
    _write_rows(
        folder / "beats.csv",
        ["time_s", "label", "rr_s", "confidence"],
        itertools.chain.from_iterable(
            _beat_rows(beats[first : first + ROWS]) for first in range(0, len(beats), ROWS)
        ),
    )
    minutes = [[60 * number, *_cells(row, 4)] for number, row in enumerate(report.st_mv.T)]
    _write_rows(folder / "st.csv", ["start_s", *report.leads], minutes)


def _beat_rows(beats: Beats) -> Iterable[Iterable[Any]]:
    return zip(
        np.round(beats.time_s, 4).tolist(),
        beats.label.tolist(),
        _cells(beats.rr_s, 4),
        _cells(beats.confidence, 3),
        strict=True,
    )


def _flat_hour(hour: HolterHour, leads: tuple[str, ...]) -> dict[str, Any]:
    row = hour.to_dict()
    levels = row.pop("st_mv")
    return row | {f"st_{lead}_mv": levels.get(lead) for lead in leads}


def _cells(values: Float64, digits: int) -> list[float | None]:
    return [round(v, digits) if np.isfinite(v) else None for v in values.tolist()]


def _write_rows(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    with (
        write_atomically(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
