"""Errors of wave boundaries, R peaks and intervals against LUDB's cardiologists.

``python -m benchmarks.experiments.delineation_ludb ludb.zip`` prints the tables of
``docs/measurements.md``: our delineation, lead by lead and for all leads together, R peaks, and the
intervals of ``ecgfoundry.measure`` in both halves of the records (the odd-numbered ones chose the
constants of the delineation), beside ECGdeli and NeuroKit2 in the same run where they are
installed. Another delineator's boundaries can be scored by the same rules with ``--other
answers.npz``, arrays named ``{record}/{lead}/{boundary}`` of sample numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import measure, read
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.measurements.boundaries import BOUNDARIES
from ecgfoundry.measurements.delineation import delineate
from ecgfoundry.measurements.lead_fusion import fuse_leads

RATE = 500.0
MATCH_S = 0.15
"""A wave is found when its boundary lies within 150 ms (our choice, as for beats)."""

INTERVALS = {
    "p_ms": ("p_onset", "p_offset", 0.25),
    "pr_ms": ("p_onset", "qrs_onset", 0.4),
    "qrs_ms": ("qrs_onset", "qrs_offset", 0.3),
    "qt_ms": ("qrs_onset", "t_offset", 0.7),
}
"""Interval -> where it begins and ends, and the most seconds that may lie between."""
TOLERANCES_MS = {"p_ms": (10, 15), "pr_ms": (10, 10), "qrs_ms": (10, 10), "qt_ms": (25, 30)}
"""Mean and SD of the difference that IEC 60601-2-25 allows for biological ECGs."""
HALVES: dict[str, tuple[int, ...]] = {"even": (0,), "odd": (1,), "all": (0, 1)}

Marks = dict[str, NDArray[np.float64]]


def annotated(recording, lead: str) -> Marks:  # type: ignore[no-untyped-def]
    """Return onset, peak and offset of every wave that was drawn in a lead, in samples."""
    marks = [mark for mark in recording.annotations if mark.lead == lead]
    result: dict[str, list[float]] = {name: [] for name in BOUNDARIES}
    for number, mark in enumerate(marks):
        wave = {"p": "p", "N": "qrs", "t": "t"}.get(mark.text)
        if wave is None:
            continue
        if f"{wave}_peak" in result:
            result[f"{wave}_peak"].append(mark.time_s * RATE)
        for step, side, symbol in ((-1, "onset", "("), (1, "offset", ")")):
            other = number + step
            if 0 <= other < len(marks) and marks[other].text == symbol:
                result[f"{wave}_{side}"].append(marks[other].time_s * RATE)
    return {name: np.asarray(values) for name, values in result.items()}


def match(
    wanted: NDArray[np.float64], found: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int, int]:
    """Pair boundaries one to one, nearest first; return errors in samples, misses and extras."""
    found = found[np.isfinite(found)]
    if wanted.size == 0 or found.size == 0:
        return np.empty(0), wanted.size, found.size
    distance = np.abs(wanted[:, None] - found[None, :])
    errors = []
    free_rows, free_columns = set(range(wanted.size)), set(range(found.size))
    for flat in np.argsort(distance, axis=None):
        row, column = divmod(int(flat), found.size)
        if distance[row, column] > MATCH_S * RATE:
            break
        if row in free_rows and column in free_columns:
            free_rows.remove(row)
            free_columns.remove(column)
            errors.append(found[column] - wanted[row])
    return np.asarray(errors), len(free_rows), len(free_columns)


class Tally:
    """Errors, misses and extras of each boundary."""

    def __init__(self) -> None:
        self.errors: dict[str, list[NDArray[np.float64]]] = {name: [] for name in BOUNDARIES}
        self.missed = dict.fromkeys(BOUNDARIES, 0)
        self.extra = dict.fromkeys(BOUNDARIES, 0)

    def add(self, wanted: Marks, found: Marks) -> None:
        """Score one lead of one record, inside the stretch in which it was annotated."""
        drawn = np.concatenate(list(wanted.values()))
        if drawn.size == 0:
            return
        low, high = drawn.min() - 0.05 * RATE, drawn.max() + 0.05 * RATE
        for name in BOUNDARIES:
            values = found[name]
            with np.errstate(invalid="ignore"):
                values = values[(values >= low) & (values <= high)]
            errors, missed, extra = match(wanted[name], values)
            self.errors[name].append(errors)
            self.missed[name] += missed
            self.extra[name] += extra

    def rows(self) -> Iterator[str]:
        """Yield the lines of the table."""
        for name in BOUNDARIES:
            if not self.errors[name] or not sum(map(len, self.errors[name])):
                continue
            errors = np.concatenate(self.errors[name]) * 1000 / RATE
            count = len(errors)
            sensitivity = count / max(count + self.missed[name], 1)
            precision = count / max(count + self.extra[name], 1)
            yield (
                f"| {name} | {count + self.missed[name]} | {sensitivity:.3f} | {precision:.3f} | "
                f"{np.mean(errors):+.1f} | {np.std(errors):.1f} | {np.median(np.abs(errors)):.1f} |"
            )

    def print(self, title: str) -> None:
        """Print the table."""
        print(f"\n{title}\n")
        print("| boundary | n | Se | PPV | mean, ms | SD, ms | median abs, ms |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for row in self.rows():
            print(row)


def records(folder: Path, parity: int | None) -> list[Path]:
    """Return the record headers, all or those with an even (0) or odd (1) number."""
    headers = sorted(folder.rglob("data/*.hea"), key=lambda path: int(path.stem))
    return [path for path in headers if parity is None or int(path.stem) % 2 == parity]


@contextlib.contextmanager
def opened(source: Path) -> Iterator[Path]:
    """Give a folder: the source itself, or the content of a zip file for a while."""
    if source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(source) as archive:
        archive.extractall(folder)
        yield Path(folder)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="LUDB as a folder or a zip file")
    parser.add_argument("--records", choices=tuple(HALVES), default="all")
    parser.add_argument("--other", type=Path, help="answers of another delineator (npz)")
    parser.add_argument("--other-name", default="other")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of the other programs
    parity = {"even": 0, "odd": 1, "all": None}[arguments.records]
    other = np.load(arguments.other, allow_pickle=False) if arguments.other else None
    single, together, theirs = Tally(), Tally(), Tally()
    peaks: list[tuple[NDArray[np.float64], int, int]] = []
    programs = {name: work for name, (package, work) in PROGRAMS.items() if _installed(package)}
    rows: list[tuple[int, dict[str, float], dict[str, dict[str, float]]]] = []
    with opened(arguments.source) as folder:
        for path in records(folder, parity):
            recording = read(path)
            beats = find_beats(recording.signal, RATE)
            waves = delineate(recording.signal, RATE, beats)
            fused = fuse_leads(waves, RATE)
            drawn = [annotated(recording, lead) for lead in recording.leads]
            for row, lead in enumerate(recording.leads):
                single.add(drawn[row], {name: getattr(waves, name)[row] for name in BOUNDARIES})
                if other is not None and f"{path.stem}/{lead}/qrs_onset" in other:
                    theirs.add(
                        drawn[row], {n: other[f"{path.stem}/{lead}/{n}"] for n in BOUNDARIES}
                    )
            common = consensus(drawn)
            together.add(common, {name: getattr(fused, name) for name in BOUNDARIES})
            peaks.append(peak_errors(recording, beats))
            wanted = {name: interval_ms(common, name) for name in INTERVALS}
            answers = {name: work(recording) for name, work in programs.items()}
            rows.append((int(path.stem), wanted, answers))
    single.print(f"Lead by lead, {arguments.records} records")
    together.print(
        "All leads together, against the median of the leads' annotations "
        f"({arguments.records} records)"
    )
    print_peaks(peaks, arguments.records)
    print_intervals(rows, list(programs))
    if other is not None:
        theirs.print(f"{arguments.other_name}, lead by lead, {arguments.records} records")


def peak_errors(recording, beats) -> tuple[NDArray[np.float64], int, int]:  # type: ignore[no-untyped-def]
    """Return errors of R peaks in samples, misses and extras, against the median of the leads."""
    times = [mark.time_s * RATE for mark in recording.annotations if mark.text == "N"]
    values = np.sort(np.asarray(times, dtype=np.float64))
    groups = np.split(values, np.flatnonzero(np.diff(values) > 0.2 * RATE) + 1)
    wanted = np.asarray([np.median(group) for group in groups if len(group) >= 6])
    found = np.asarray(beats, dtype=np.float64)
    if wanted.size:
        found = found[(found >= wanted[0] - 0.4 * RATE) & (found <= wanted[-1] + 0.4 * RATE)]
    return match(wanted, found)


def print_peaks(peaks: list[tuple[NDArray[np.float64], int, int]], parity: str) -> None:
    """Print how far our R peaks are from the annotated ones."""
    errors = np.concatenate([found for found, _, _ in peaks]) * 1000 / RATE
    missed, extra = sum(m for _, m, _ in peaks), sum(e for _, _, e in peaks)
    print(f"\nR peaks of all leads together ({parity} records)\n")
    print("| n | Se | PPV | mean, ms | SD, ms | median abs, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(
        f"| {len(errors) + missed} | {len(errors) / (len(errors) + missed):.3f} | "
        f"{len(errors) / (len(errors) + extra):.3f} | {errors.mean():+.1f} | {errors.std():.1f} | "
        f"{np.median(np.abs(errors)):.1f} |"
    )


def interval_ms(marks: Marks, name: str) -> float:
    """Return the median over the annotated beats of an interval, in ms; NaN without any."""
    begin, end, most = INTERVALS[name]
    spans = []
    for start in marks[begin]:
        after = marks[end][marks[end] > start]
        if after.size and after[0] - start <= most * RATE:
            spans.append(float(after[0] - start))
    return float(np.median(spans)) * 1000 / RATE if spans else float("nan")


def print_intervals(
    rows: list[tuple[int, dict[str, float], dict[str, dict[str, float]]]], programs: list[str]
) -> None:
    """Print what each program's interval of a record is off by, in both halves."""
    print("\nIntervals of a record: mean / SD of the difference, ms (records; missing; extra)\n")
    print(f"| interval (IEC) | records | {' | '.join(programs)} |")
    print("| --- | --- |" + " --- |" * len(programs))
    for name, (mean, spread) in TOLERANCES_MS.items():
        for half, parities in HALVES.items():
            chosen = [row for row in rows if row[0] % 2 in parities]
            if not chosen or len({row[0] % 2 for row in chosen}) < len(parities):
                continue
            cells = [
                _cell(
                    np.array([wanted[name] for _, wanted, _ in chosen]),
                    np.array([answers[program].get(name, np.nan) for _, _, answers in chosen]),
                )
                for program in programs
            ]
            print(f"| {name} ({mean}/{spread}) | {half} | {' | '.join(cells)} |")


def _cell(wanted: NDArray[np.float64], found: NDArray[np.float64]) -> str:
    both = np.isfinite(wanted) & np.isfinite(found)
    if not both.any():
        return "none"
    errors = found[both] - wanted[both]
    missing = int((np.isfinite(wanted) & ~np.isfinite(found)).sum())
    extra = int((~np.isfinite(wanted) & np.isfinite(found)).sum())
    return f"{errors.mean():+.1f} / {errors.std():.1f} ({both.sum()}; {missing}; {extra})"


def ours_of(recording) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Return our intervals of a record, ms, NaN for None."""
    measured = measure(recording)
    values = {name: getattr(measured, name) for name in INTERVALS}
    return {name: np.nan if value is None else value for name, value in values.items()}


def ecgdeli_table(signal: NDArray[np.floating], sampling_rate: float) -> Any:
    """Return ECGdeli's annotation of (leads, samples), filtered as its authors say."""
    import ecgdeli

    filtered = ecgdeli.filter_ecg(np.ascontiguousarray(signal.T, dtype=float), sampling_rate)
    return ecgdeli.annotate(filtered, sampling_rate)


def ecgdeli_of(recording) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Return ECGdeli's intervals: medians over the beats of all leads together."""
    try:
        found = ecgdeli_table(recording.signal, recording.sampling_rate).intervals()
    except Exception:
        return {}
    names = {"p_ms": "p_duration", "pr_ms": "pq", "qrs_ms": "qrs_duration", "qt_ms": "qt"}
    return {name: _median(getattr(found, theirs)) for name, theirs in names.items()}


def neurokit_of(recording) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Return NeuroKit2's intervals (discrete wavelets, lead II): medians over the beats."""
    import neurokit2

    rate = int(recording.sampling_rate)
    try:
        clean = neurokit2.ecg_clean(recording.lead("II"), sampling_rate=rate)
        _, peaks = neurokit2.ecg_peaks(clean, sampling_rate=rate)
        _, waves = neurokit2.ecg_delineate(
            clean, peaks["ECG_R_Peaks"], sampling_rate=rate, method="dwt"
        )
    except Exception:
        return {}
    names = {
        "p_ms": ("P_Onsets", "P_Offsets"),
        "pr_ms": ("P_Onsets", "R_Onsets"),
        "qrs_ms": ("R_Onsets", "R_Offsets"),
        "qt_ms": ("R_Onsets", "T_Offsets"),
    }
    columns = {key: np.asarray(value, dtype=float) for key, value in waves.items()}
    return {
        name: _median((columns[f"ECG_{end}"] - columns[f"ECG_{begin}"]) * 1000 / rate)
        for name, (begin, end) in names.items()
    }


def _median(values: NDArray[np.float64]) -> float:
    there = np.asarray(values, dtype=float)
    there = there[np.isfinite(there)]
    return float(np.median(there)) if there.size else float("nan")


PROGRAMS: dict[str, tuple[str, Callable[[object], dict[str, float]]]] = {
    "ecgfoundry": ("ecgfoundry", ours_of),
    "ecgdeli": ("ecgdeli", ecgdeli_of),
    "neurokit2, lead II": ("neurokit2", neurokit_of),
}


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def consensus(drawn: list[Marks]) -> Marks:
    """Return the median over the leads of each annotated boundary that half of them show."""
    result: Marks = {}
    for name in BOUNDARIES:
        values = np.sort(np.concatenate([marks[name] for marks in drawn]))
        groups = np.split(values, np.flatnonzero(np.diff(values) > 0.08 * RATE) + 1)
        result[name] = np.asarray([np.median(group) for group in groups if len(group) >= 6])
    return result


if __name__ == "__main__":
    main()
