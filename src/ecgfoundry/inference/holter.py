"""A day or two weeks of ECG: beats, classes, events, HRV, AF and ST trend, part by part.

The recording is cut into parts of half an hour. Each is a task: beats are found and labelled in the
signal as recorded, the rhythm model reads its windows, and what was found is written
to one small file, whole or not at all. So memory does not grow with the recording, all cores work
(:mod:`ecgfoundry.engines`), and a run that was killed goes on with the parts that are missing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
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
from ecgfoundry.formats.files import open_file
from ecgfoundry.inference.batch.resumable import bundle_digest
from ecgfoundry.inference.holter_part import (
    DEFAULT_MODEL,
    MINUTE_S,
    HolterPart,
    HolterSettings,
    measure_part,
)
from ecgfoundry.inference.holter_report import FIBRILLATION, HolterReport, write_holter
from ecgfoundry.inference.interpretation import WindowResult, find_episodes
from ecgfoundry.inference.runtimes.hardware import usable_cores
from ecgfoundry.io import make_folder, read_json, write_json
from ecgfoundry.locks import only_writer
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.gate import mostly_doubted
from ecgfoundry.measurements.holter import (
    HolterHour,
    burdens,
    holter_hours,
    long_term_hrv,
    rhythm_events,
)
from ecgfoundry.measurements.hrv import hrv
from ecgfoundry.models.bundle import find_bundle, load_bundle
from ecgfoundry.signals.quality import Notice

__all__ = ["DEFAULT_MODEL", "HolterProgress", "HolterReport", "HolterSettings", "measure_holter"]

Float64 = NDArray[np.float64]

PART_S = 1800.0
"""The classifier of beats was trained on half hours."""
MOST_VALUES = 8_000_000
"""Samples of all leads in a part at most, so that twelve leads at 1 kHz need no gigabytes."""
_PARTS = "holter.parts"


@dataclass(frozen=True, slots=True)
class HolterProgress:
    """How far a run is: seconds of the recording, of them by an earlier run, and what is left."""

    done_s: float
    total_s: float
    resumed_s: float
    eta_s: float | None


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
    make_folder(folder)
    with only_writer(folder, folder / ".lock"):
        stamp, digest = stamp_of(path), _digest_of(chosen.model)
        parts = _prepared_parts(folder / _PARTS, path, stamp, read_options, chosen, digest)
        tasks = [
            HolterPart(
                path.absolute(),
                read_options,
                start,
                stop,
                chosen,
                parts / f"part-{start:012d}.npz",
                stamp,
                digest,
            )
            for start, stop in _bounds(samples, rate, len(leads))
        ]
        _run(tasks, rate, samples, engine or process_pool(workers or usable_cores()), progress)
        report = _report(path, tasks, samples, rate, leads, chosen)
        write_holter(report, folder)
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


def _digest_of(model: str | None) -> str:
    return "" if model is None else bundle_digest(load_bundle(find_bundle(model)))


def _prepared_parts(
    folder: Path,
    path: Path,
    stamp: str,
    options: ReadOptions,
    settings: HolterSettings,
    model_digest: str,
) -> Path:
    """Return the folder of the parts, emptied if they are of another file, setting or model."""
    from ecgfoundry._version import __version__

    identity = json.dumps(
        {
            "version": __version__,
            "file": str(path.absolute()),
            "stamp": stamp,
            "options": repr(options),
            "settings": repr(settings),
            "model": model_digest,
        },
        sort_keys=True,
    )
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()
    note = folder / "run.json"
    if note.is_file():
        if read_json(note).get("fingerprint") == fingerprint:
            return folder
        shutil.rmtree(folder)
    make_folder(folder)
    write_json(note, {"fingerprint": fingerprint})
    return folder


def _run(
    tasks: Sequence[HolterPart],
    rate: float,
    samples: int,
    engine: Engine,
    progress: Callable[[HolterProgress], None] | None,
) -> None:
    missing = [task for task in tasks if not task.part.is_file()]
    total = samples / rate
    resumed = total - sum(task.stop - task.start for task in missing) / rate
    done, began = resumed, time.monotonic()
    for seconds in engine(measure_part, missing):
        done += seconds
        if progress is not None:
            speed = (done - resumed) / max(time.monotonic() - began, 1e-9)
            progress(HolterProgress(done, total, resumed, (total - done) / speed))


# --- all parts together ----------------------------------------------------------------------


def _report(
    path: Path,
    tasks: Sequence[HolterPart],
    samples: int,
    rate: float,
    leads: tuple[str, ...],
    settings: HolterSettings,
) -> HolterReport:
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in _ARRAYS}
    several: list[WindowResult] = []
    doubts: list[tuple[Notice, ...]] = []
    for task in tasks:
        with _part_of(task.part) as part:
            for name in _ARRAYS:
                found[name].append(part[name])
            several += map(_window_of, json.loads(str(part["windows"])))
            doubts += [
                () if one is None else (Notice.from_dict(one),)
                for one in json.loads(str(part["asked"]))
            ]
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
        doubt=mostly_doubted(doubts),
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
