"""One part of a long recording: what is measured in half an hour, and the small file of it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.files import EcgFile, open_file
from ecgfoundry.inference.interpretation import WindowResult
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.io import write_atomically
from ecgfoundry.measurements.beat_classes import label_beats
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.measurements.delineation import delineate
from ecgfoundry.measurements.gate import NO_ECG, judge_window, mostly_doubted
from ecgfoundry.measurements.holter import st_levels
from ecgfoundry.measurements.lead_fusion import fuse_leads
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import WindowQuality, assess_windows

__all__ = ["DEFAULT_MODEL", "MINUTE_S", "HolterPart", "HolterSettings", "measure_part"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

DEFAULT_MODEL = "rhythm-single-lead-edge"
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


@dataclass(frozen=True)
class HolterPart:
    """One part: samples ``start`` to ``stop`` of a file, and the file to write.

    ``stamp`` tells the recording and ``model_digest`` the model from others of their names, which
    a process that lives on may have open still.
    """

    path: Path
    options: ReadOptions
    start: int
    stop: int
    settings: HolterSettings
    part: Path
    stamp: str
    model_digest: str


@functools.lru_cache(maxsize=1)
def _opened(path: Path, options: ReadOptions, stamp: str) -> EcgFile:
    return open_file(path, options)


@functools.lru_cache(maxsize=1)
def _loaded(model: str, digest: str) -> Predictor:
    return load_model(model, threads=1)


def measure_part(task: HolterPart) -> float:
    """Measure one part, write what was found, and return how many seconds it covers."""
    file = _opened(task.path, task.options, task.stamp)
    rate = file.sampling_rate
    around = round(AROUND_S * rate)
    first = max(0, task.start - around)
    recording = file.part(first, min(file.samples, task.stop + around))
    core = recording.slice_samples(task.start - first, task.stop - first)
    windows = _windows(core, task)
    refused, asked = _refused(core)
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
            asked=np.asarray(json.dumps([_doubt_in(one) for one in asked])),
            windows=np.asarray(json.dumps([window.to_dict() for window in moved])),
        )
    return (task.stop - task.start) / rate


def _windows(core: Recording, task: HolterPart) -> tuple[WindowResult, ...]:
    """Return what the rhythm model says of the part."""
    if task.settings.model is None:
        return ()
    predictor = _loaded(task.settings.model, task.model_digest)
    return predictor.interpret(core, lead=task.settings.lead, describe="nothing").windows


def _doubt_in(quality: WindowQuality) -> dict[str, Any] | None:
    """Return the doubt whether a window that is read is an ECG, as JSON, or None."""
    doubt = mostly_doubted([quality.warnings])
    return None if doubt is None else doubt.to_dict()


def _refused(core: Recording) -> tuple[list[tuple[float, float]], list[WindowQuality]]:
    """Return which stretches of the part hold nothing that is measured, in s from its start.

    And what was said of the windows that were asked whether they are an ECG, and are read.
    """
    spans: list[tuple[float, float]] = []
    foreign, asked = _no_ecg(core)
    for low, high in sorted([*_unreadable(core), *foreign]):
        if spans and low <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(high, spans[-1][1]))
        else:
            spans.append((low, high))
    return spans, asked


def _no_ecg(core: Recording) -> tuple[list[tuple[float, float]], list[WindowQuality]]:
    """Return the stretches of minutes that are no ECG: an EEG, a pulse wave, a fallen recorder.

    One window of each minute is asked. A few in a row say nothing: ventricular fibrillation and
    asystole are refused as well, and their beats and pauses belong to the report.
    """
    rate = core.sampling_rate
    length, step = round(WINDOW_S * rate), round(MINUTE_S * rate)
    starts = range(0, max(1, core.samples - length + 1), step)

    asked: list[WindowQuality] = []

    @functools.cache
    def code(number: int) -> str:
        start = starts[number]
        window = core.signal[:, start : start + length]
        quality = judge_window(window, rate, core.leads, describe="nothing")
        if quality.refusal is None:
            asked.append(quality)
            return ""
        return quality.refusal.code

    least = min(LEAST_FOREIGN_MINUTES, len(starts))
    if not _may_hold_a_row(lambda number: code(number) in NO_ECG, len(starts), least):
        return [], asked
    codes = [code(number) for number in range(len(starts))]
    foreign = np.isin(codes, NO_ECG)
    # One window that passes between many that do not is an accident.
    filled = foreign | (np.r_[False, foreign[:-1]] & np.r_[foreign[1:], False])
    edges = np.flatnonzero(np.diff(np.r_[0, filled.astype(np.int8), 0]))
    spans = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        # Without one beat-like wave it may be asystole, and there is nothing to be counted.
        if last - first >= least and "not-an-ecg" in codes[first:last]:
            end = core.samples / rate if last == foreign.size else last * MINUTE_S
            spans.append((first * MINUTE_S, end))
    return spans, asked


def _may_hold_a_row(is_foreign: Callable[[int], bool], count: int, least: int) -> bool:
    """Whether so many of ``count`` minutes in a row may be foreign, single ones between left out.

    Of two neighbours in such a row one is foreign, and the row holds every ``least - 1``-th pair
    of neighbours: half of the minutes need not be asked where there is none.
    """
    if least < 3:
        return any(map(is_foreign, range(count)))
    return any(
        is_foreign(number) or is_foreign(number + 1) for number in range(0, count - 1, least - 1)
    )


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
    signal: NDArray[np.floating],
    rate: float,
    found: Int64,
    usual: Bool,
    task: HolterPart,
    first: int,
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
