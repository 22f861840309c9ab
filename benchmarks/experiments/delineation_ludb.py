"""Errors of wave boundaries and of R peaks against LUDB's cardiologists.

``python -m benchmarks.experiments.delineation_ludb ludb.zip`` prints the table of
``docs/features.md``: our delineation on the even-numbered records (the odd-numbered ones chose its
constants), lead by lead and for all leads together. Another delineator's answers can be scored by
the same rules with ``--other answers.npz``, arrays named ``{record}/{lead}/{boundary}`` of sample
numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import read
from ecgfoundry.signals.beats import find_beats
from ecgfoundry.signals.delineation import BOUNDARIES, delineate, fuse_leads

RATE = 500.0
MATCH_S = 0.15
"""A wave is found when its boundary lies within 150 ms (our choice, as for beats)."""

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
            errors = np.concatenate(self.errors[name]) * 1000 / RATE if self.errors[name] else []
            count = len(errors)
            if not count:
                continue
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
    parser.add_argument("--records", choices=("even", "odd", "all"), default="even")
    parser.add_argument("--other", type=Path, help="answers of another delineator (npz)")
    parser.add_argument("--other-name", default="other")
    arguments = parser.parse_args()
    parity = {"even": 0, "odd": 1, "all": None}[arguments.records]
    other = np.load(arguments.other, allow_pickle=False) if arguments.other else None
    single, together, theirs = Tally(), Tally(), Tally()
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
            together.add(consensus(drawn), {name: getattr(fused, name) for name in BOUNDARIES})
    single.print(f"Lead by lead, {arguments.records} records")
    together.print(
        "All leads together, against the median of the leads' annotations "
        f"({arguments.records} records)"
    )
    if other is not None:
        theirs.print(f"{arguments.other_name}, lead by lead, {arguments.records} records")


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
