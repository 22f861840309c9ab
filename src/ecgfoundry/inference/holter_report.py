"""What was found in a long recording, and the tables that are written of it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.inference.interpretation import Episode, WindowResult
from ecgfoundry.io import write_atomically, write_json
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.holter import Burden, HolterHour, RhythmEvent
from ecgfoundry.signals.quality import Notice

__all__ = ["FIBRILLATION", "HolterReport", "write_holter"]

Float64 = NDArray[np.float64]

FIBRILLATION = "atrial fibrillation"
ROWS = 50_000
"""Beats that are written at a time: a million of them as Python numbers are 200 MB."""


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
    doubt : Notice or None
        Why this may be no ECG: most of the windows that were asked, of the first look alone and at
        most one of each minute, have it.
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
    doubt: Notice | None = None

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
            "doubt": None if self.doubt is None else self.doubt.to_dict(),
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


PAGES = ("report.html", "report.pdf")
"""What the command writes beside the tables."""


def write_holter(report: HolterReport, folder: Path) -> None:
    """Write ``holter.json``, ``hours.csv``, ``events.csv``, ``beats.csv`` and ``st.csv``.

    Pages of an earlier run go: beside the tables of another recording they would be taken for its.
    """
    for page in PAGES:
        (folder / page).unlink(missing_ok=True)
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
