"""Whether statements stay when a recording is changed in ways that say nothing about the heart.

``python -m benchmarks.experiments.unchanged --data FOLDER`` measures every record as it was
recorded and changed: at other sampling rates, with another gain, offset, drift, begin and order of
its leads, in coarser steps, without one lead. It prints, by the change and by the statement, how
often a statement that was certain (present and not *possible*) in one of the two was absent in the
other, and how often a possible one was. FOLDER holds the sets as
``benchmarks.experiments.statements`` reads them, ``ludb.zip`` and ``cinc2017_training2017.zip``;
``--set NAME`` and ``--change NAME`` choose, ``--every N`` takes every Nth record, and ``--csv
FILE`` writes each statement that changed.

A gain may change what rests on millivolts: for ``gain`` only the other statements count.
``begin``, ``half`` and ``without`` take something away, so that what was seen there alone may go.
Whether amplitudes are believed at all counts as a statement (``AMPLITUDES IN MV``).
"""

from __future__ import annotations

import argparse
import contextlib
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import ecgfoundry
from benchmarks.experiments.statements import CINC, PTBXL, cinc_records, opened, ptbxl_records
from ecgfoundry.criteria import Statement, criteria, state
from ecgfoundry.criteria.rules import Rule, Said, limits_of
from ecgfoundry.recording import Recording

OFFSET_MV = 0.3
DRIFT_MV, DRIFT_HZ = 0.1, 0.15
"""A tenth of a millivolt each way, as a calm breath moves it."""
STEP_MV = 0.005
"""5 uV, the usual step of an electrocardiograph with 16 bits."""
SINGLE_LEAD_RECORDS = 300
"""Of CinC 2017, evenly over its names."""


def at_rate(rate: float) -> Callable[[Recording], Recording]:
    """Return the change to another sampling rate."""
    return lambda recording: recording.resample(rate)


def times(gain: float) -> Callable[[Recording], Recording]:
    """Return the change of every lead's gain."""
    return lambda recording: _with(recording, np.float32(gain) * recording.signal)


def begun_later(seconds: float) -> Callable[[Recording], Recording]:
    """Return the change of where the recording begins."""
    return lambda recording: recording.slice_samples(
        round(seconds * recording.sampling_rate), recording.samples
    )


def half(number: int) -> Callable[[Recording], Recording]:
    """Return the change that leaves one half of a recording."""

    def change(recording: Recording) -> Recording:
        middle = recording.samples // 2
        return recording.slice_samples(number * middle, (number + 1) * middle)

    return change


def without(lead: str) -> Callable[[Recording], Recording | None]:
    """Return the change that leaves out a lead, where it is one of twelve."""

    def change(recording: Recording) -> Recording | None:
        if len(recording.leads) < 12 or lead not in recording.leads:
            return None
        return recording.select([name for name in recording.leads if name != lead])

    return change


def with_offset(recording: Recording) -> Recording:
    """Move every lead by a constant, every second one down."""
    signs = np.where(np.arange(len(recording.leads)) % 2, -1.0, 1.0)[:, None]
    return _with(recording, recording.signal + np.float32(OFFSET_MV) * signs)


def with_drift(recording: Recording) -> Recording:
    """Let the baseline of every lead rise and fall slowly, each at its own moment."""
    seconds = np.arange(recording.samples) / recording.sampling_rate
    phase = np.arange(len(recording.leads))[:, None]
    return _with(
        recording,
        recording.signal + DRIFT_MV * np.sin(2.0 * np.pi * DRIFT_HZ * seconds + phase),
    )


def other_order(recording: Recording) -> Recording | None:
    """Turn the order of the leads round."""
    return recording.select(recording.leads[::-1]) if len(recording.leads) > 1 else None


def in_steps(recording: Recording) -> Recording:
    """Round to steps of an analogue-to-digital converter."""
    return _with(recording, np.rint(recording.signal / STEP_MV) * STEP_MV)


def _with(recording: Recording, signal: np.ndarray) -> Recording:
    return replace(recording, signal=signal.astype(np.float32))


CHANGES: Mapping[str, Callable[[Recording], Recording | None]] = {
    "rate 200": at_rate(200.0),
    "rate 250": at_rate(250.0),
    "rate 360": at_rate(360.0),
    "rate 500": at_rate(500.0),
    "rate 1000": at_rate(1000.0),
    "gain 0.9": times(0.9),
    "gain 1.1": times(1.1),
    "offset": with_offset,
    "drift": with_drift,
    "begin 0.1 s": begun_later(0.1),
    "begin 0.3 s": begun_later(0.3),
    "begin 0.5 s": begun_later(0.5),
    "first half": half(0),
    "second half": half(1),
    "without III": without("III"),
    "without V4": without("V4"),
    "order": other_order,
    "steps": in_steps,
}


@dataclass(frozen=True)
class Case:
    """A record, and the person where known."""

    path: Path
    of: str
    age: float | None = None
    sex: str | None = None


def cases(data: Path, stack: contextlib.ExitStack, chosen: set[str]) -> Iterator[Case]:
    """Yield the records of the sets that are there."""
    if "cinc2021" in chosen:
        for name in CINC:
            for record in cinc_records(stack.enter_context(opened(data / name))):
                yield Case(record.path, "cinc2021", record.age, record.sex)
    if "ptbxl" in chosen:
        for record in ptbxl_records(stack.enter_context(opened(data / PTBXL))):
            yield Case(record.path, "ptbxl", record.age, record.sex)
    if "ludb" in chosen:
        folder = stack.enter_context(opened(data / "ludb.zip"))
        for path in sorted(folder.rglob("*.hea")):
            yield Case(path, "ludb")
    if "cinc2017" in chosen:
        folder = stack.enter_context(opened(data / "cinc2017_training2017.zip"))
        paths = sorted(folder.rglob("*.hea"))
        for path in paths[:: max(1, len(paths) // SINGLE_LEAD_RECORDS)]:
            yield Case(path, "cinc2017")


CALIBRATED = "AMPLITUDES IN MV"
SETS = ("cinc2021", "ptbxl", "ludb", "cinc2017")


def rests_on_millivolts(name: str) -> bool:
    """Whether a statement, or one that it asks for, compares an amplitude."""
    return name in _MILLIVOLTS or name == CALIBRATED


def _with_millivolts() -> frozenset[str]:
    found: set[str] = set()
    grown = True
    while grown:
        more = {
            name
            for name, criterion in criteria.items()
            if any("_mv" in limit.name for limit in limits_of(criterion.rule))
            or found & set(_asked(criterion.rule))
        }
        grown, found = more != found, more
    return frozenset(found)


def _asked(rule: Rule) -> Iterator[str]:
    if isinstance(rule, Said):
        yield rule.name
    for part in rule.parts():
        yield from _asked(part)


_MILLIVOLTS = _with_millivolts()


def word(statement: Statement) -> str:
    """One of "certain", "possible", "absent", "not told"."""
    if statement.present is None:
        return "not told"
    if not statement.present:
        return "absent"
    return "possible" if statement.possible else "certain"


@dataclass
class Counts:
    """Of one change or one statement, over all records."""

    pairs: int = 0
    made: Counter[str] = field(default_factory=Counter)
    changed: Counter[frozenset[str]] = field(default_factory=Counter)

    def add(self, before: str, after: str) -> None:
        """Count one statement, as recorded and changed."""
        self.pairs += 1
        self.made[before] += 1
        if before != after:
            self.changed[frozenset((before, after))] += 1

    @property
    def cells(self) -> list[str]:
        """Certain statements, possible ones, and how many of them came or went."""
        certain = self.changed[frozenset(("certain", "absent"))]
        possible = self.changed[frozenset(("possible", "absent"))]
        untold = sum(n for pair, n in self.changed.items() if "not told" in pair)
        return [
            str(self.made["certain"]),
            str(self.made["possible"]),
            f"{certain} ({_percent(certain, self.made['certain'])})",
            str(possible),
            str(untold),
        ]


def _percent(count: int, of: int) -> str:
    return f"{100.0 * count / of:.2f} %" if of else "–"


HEAD = (
    "certain", "possible", "certain came or went", "possible came or went", "told or not told",
)  # fmt: skip


def compared(
    case: Case, chosen: Mapping[str, Callable[[Recording], Recording | None]]
) -> Iterator[tuple[str, str, str, str]]:
    """Yield change, statement, and what was said as recorded and changed."""
    recording = ecgfoundry.read(case.path)
    given = _said(case, recording)
    for change, function in chosen.items():
        other = function(recording)
        if other is None or other.signal is recording.signal:
            continue
        again = _said(case, other)
        for name in (*criteria, CALIBRATED):
            if change.startswith("gain") and rests_on_millivolts(name):
                continue
            yield change, name, given.get(name, "not told"), again.get(name, "not told")


def _said(case: Case, recording: Recording) -> dict[str, str]:
    measured = ecgfoundry.measure(recording)
    said = {one.name: word(one) for one in state(measured, age=case.age, sex=case.sex)}
    if measured.readable:
        said[CALIBRATED] = "certain" if measured.calibrated else "absent"
    return said


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--set", action="append", choices=SETS, dest="sets")
    parser.add_argument("--change", action="append", choices=tuple(CHANGES), dest="changes")
    parser.add_argument("--every", type=int, default=1, metavar="N")
    parser.add_argument("--csv", type=Path, help="write each statement that changed")
    options = parser.parse_args()
    chosen = {name: CHANGES[name] for name in options.changes or CHANGES}
    by_change: dict[str, Counts] = {name: Counts() for name in chosen}
    by_statement: dict[str, Counts] = {name: Counts() for name in (*criteria, CALIBRATED)}
    rows: list[tuple[str, ...]] = [("set", "record", "change", "statement", "recorded", "changed")]
    records = 0
    with contextlib.ExitStack() as stack:
        found = list(cases(options.data, stack, set(options.sets or SETS)))
        for case in found[:: options.every]:
            records += 1
            for change, name, before, after in compared(case, chosen):
                by_change[change].add(before, after)
                by_statement[name].add(before, after)
                if before != after:
                    rows.append((case.of, case.path.stem, change, name, before, after))
    print(f"{records} records")
    for title, table in (("change", by_change), ("statement", by_statement)):
        print(f"\n| {title} | {' | '.join(HEAD)} |\n|{' --- |' * (len(HEAD) + 1)}")
        for name, counts in table.items():
            if title == "change" or counts.changed:
                print(f"| {name} | {' | '.join(counts.cells)} |")
    if options.csv:
        with options.csv.open("w", encoding="utf-8", newline="") as lines:
            csv.writer(lines, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
