"""R peaks against annotators: ours beside sleepecg, xqrs and neurokit2, on the same leads.

``python -m benchmarks.experiments.beats_accuracy --mitbih FOLDER --cpsc2019 FOLDER --ludb FOLDER``
prints the table of ``docs/features.md``; a set that is not given is left out. ``--keep FOLDER``
writes down what every detector found in every strip, and goes on from there. Settings may be
chosen on MIT-BIH's even-numbered records (``--choose`` shows what its neighbours reach there); the
odd-numbered records are held apart and reported by themselves. LUDB likewise.

Detections and annotations are matched one to one, the nearest first, within 75 ms and within the
customary 150 ms; the intervals of F1 come from redrawing records. The other detectors stand in
``benchmarks/peers.txt``. Beats in ventricular flutter (between ``[`` and ``]``) are not scored, nor
is the first and last half second of the strips of CPSC 2019; LUDB is scored where it was annotated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import read
from ecgfoundry.measurements import beats as beats_module
from ecgfoundry.measurements.beats import find_beats

TOLERANCES_S = (0.075, 0.150)
BEAT_CODES = frozenset("NLRBAaJSVrFejnE/fQ?")
"""Annotation codes of beats in PhysioNet's files."""
EDGE_S = 0.5
NEIGHBOURS: dict[str, tuple[Any, ...]] = {
    "BAND_HZ": ((5.0, 15.0), (5.0, 20.0), (5.0, 30.0), (8.0, 25.0)),
    "SMOOTHING_S": (0.08, 0.12, 0.15),
    "PRIMARY_SHARE": (0.26, 0.29, 0.35, 0.38),
    "LOW_SHARE": (0.4, 0.6),
    "T_WAVE_SHARE": (0.4, 0.6),
}
"""Settings beside those of :mod:`ecgfoundry.measurements.beats`, one changed at a time."""

DRAWS = 2000

Peaks = NDArray[np.float64]
Detector = Callable[[NDArray[np.float32], float], Peaks]


@dataclass(frozen=True)
class Strip:
    """A signal (leads, samples), where its beats are (s), and what is scored (s)."""

    name: str
    signal: NDArray[np.float32]
    rate: float
    wanted: Peaks
    scored: Callable[[Peaks], NDArray[np.bool_]]
    leads: str = "all"


Parts = dict[str, Callable[[Strip], bool]]
"""Name of a part of a set, and which strips are in it."""


def matched(wanted: Peaks, found: Peaks, tolerance: float) -> int:
    """Return how many can be paired one to one, the nearest first."""
    pairs = sorted(
        (abs(found[k] - peak), row, k)
        for row, peak in enumerate(wanted)
        for k in range(*np.searchsorted(found, [peak - tolerance, peak + tolerance + 1e-9]))
    )
    rows: set[int] = set()
    columns: set[int] = set()
    for _, row, column in pairs:
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
    return len(rows)


Totals = dict[float, NDArray[np.int64]]


def kept(folder: Path | None, name: str, strip: Strip, detector: Detector) -> Peaks:
    """Return what a detector finds, from the file of an earlier run where there is one."""
    if folder is None:
        return detector(strip.signal, strip.rate)
    path = folder / name.partition(" ")[0] / f"{strip.name}-{strip.leads}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, detector(strip.signal, strip.rate))
    return np.asarray(np.load(path), dtype=np.float64)


def score(strip: Strip, found: Peaks) -> Totals:
    """Return pairs, annotated beats and extra detections per tolerance, from sample numbers."""
    found = np.sort(found / strip.rate)
    inside_wanted, inside_found = strip.scored(strip.wanted), strip.scored(found)
    totals = {}
    for tolerance in TOLERANCES_S:
        # A beat just inside may be detected just outside, and the other way round.
        paired = matched(strip.wanted[inside_wanted], found, tolerance)
        extra = int(inside_found.sum()) - matched(strip.wanted, found[inside_found], tolerance)
        totals[tolerance] = np.array([paired, int(inside_wanted.sum()), extra], np.int64)
    return totals


def f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return F1 of (..., 3): pairs, annotated and extra."""
    pairs, annotated, extra = np.moveaxis(counts, -1, 0)
    result: NDArray[np.float64] = 2 * pairs / np.maximum(annotated + pairs + extra, 1)
    return result


def cells(totals: Sequence[Totals]) -> list[str]:
    """Return sensitivity, PPV and F1 at 75 ms and (150 ms), and the 95 % intervals of F1.

    The intervals come from redrawing the records.
    """
    values, intervals = [], []
    drawn = np.random.default_rng(2019).integers(0, len(totals), (DRAWS, len(totals)))
    for tolerance in TOLERANCES_S:
        counts = np.stack([one[tolerance] for one in totals])
        pairs, annotated, extra = counts.sum(axis=0)
        values.append((pairs / annotated, pairs / (pairs + extra), f1(counts.sum(axis=0))))
        low, high = np.quantile(f1(counts[drawn].sum(axis=1)), (0.025, 0.975))
        intervals.append(f"{low:.4f} to {high:.4f}")
    columns = [f"{a:.4f} ({b:.4f})" for a, b in zip(*values, strict=True)]
    return [*columns, f"{intervals[0]} ({intervals[1]})"]


def mitbih(folder: Path) -> list[Strip]:
    """Half-hour records, both leads."""
    strips = []
    for header in sorted(folder.rglob("*.hea"), key=lambda path: path.stem):
        recording = read(header)
        marks = [(m.time_s, m.text) for m in recording.annotations]
        wanted = np.array([time for time, text in marks if text in BEAT_CODES])
        flutter = [
            (start, next((t for t, x in marks if x == "]" and t > start), np.inf))
            for start, text in marks
            if text == "["
        ]

        def scored(times: Peaks, flutter: list[tuple[float, float]] = flutter) -> NDArray[np.bool_]:
            kept = np.ones(len(times), dtype=bool)
            for start, end in flutter:
                kept &= (times < start) | (times >= end)
            return kept

        strips.append(Strip(header.stem, recording.signal, recording.sampling_rate, wanted, scored))
    return strips


def cpsc2019(folder: Path) -> list[Strip]:
    """Strips of 10 s from one lead, 500 Hz, chosen by their authors for being hard."""
    from scipy.io import loadmat

    strips = []
    for path in sorted(folder.rglob("data_*.mat")):
        signal = np.asarray(loadmat(path)["ecg"], dtype=np.float32).reshape(1, -1)
        reference = next(folder.rglob(path.name.replace("data_", "R_")))
        wanted = np.asarray(loadmat(reference)["R_peak"], np.float64).ravel() / 500.0
        end = signal.shape[1] / 500.0 - EDGE_S
        strips.append(
            Strip(
                path.stem,
                signal,
                500.0,
                wanted,
                lambda t, end=end: (t > EDGE_S) & (t < end),  # type: ignore[misc]
            )
        )
    return strips


def ludb(folder: Path, parity: int, *, every_lead: bool) -> list[Strip]:
    """Records with an even (0) or odd (1) number: lead II, or all of them."""
    strips = []
    for header in sorted(folder.rglob("data/*.hea"), key=lambda path: int(path.stem)):
        if int(header.stem) % 2 != parity:
            continue
        recording = read(header)
        marks = [m for m in recording.annotations if m.lead == "II" and m.text == "N"]
        wanted = np.array([mark.time_s for mark in marks])
        if len(wanted) < 2:
            continue
        chosen = recording if every_lead else recording.select(["II"])

        def scored(
            times: Peaks, low: float = wanted[0] - 0.4, high: float = wanted[-1] + 0.4
        ) -> NDArray[np.bool_]:
            return (times > low) & (times < high)

        strips.append(Strip(header.stem, chosen.signal, recording.sampling_rate, wanted, scored))
    return strips


def first_lead(strips: list[Strip]) -> list[Strip]:
    """Return the same strips with their first lead alone."""
    return [replace(strip, signal=strip.signal[:1], leads="0") for strip in strips]


def each_lead(strips: list[Strip]) -> list[Strip]:
    """Return each lead of the strips as a strip of its own."""
    return [
        replace(strip, signal=strip.signal[row : row + 1], leads=str(row))
        for strip in strips
        for row in range(len(strip.signal))
    ]


def ours(signal: NDArray[np.float32], rate: float) -> Peaks:
    """Detect with ecgfoundry."""
    return np.asarray(find_beats(signal, rate), dtype=np.float64)


def others() -> Iterator[tuple[str, Detector]]:
    """Yield the other detectors that are installed; both read one lead."""
    try:
        import sleepecg
    except ImportError:
        print("sleepecg is not installed")
    else:
        yield (
            f"sleepecg {sleepecg.__version__}",
            lambda x, rate: np.asarray(
                sleepecg.detect_heartbeats(np.nan_to_num(x[0]).astype(np.float64), rate),
                dtype=np.float64,
            ),
        )
    try:
        import wfdb
        from wfdb.processing import xqrs_detect
    except ImportError:
        print("wfdb is not installed")
    else:
        yield (
            f"xqrs (wfdb {wfdb.__version__})",
            lambda x, rate: np.asarray(
                xqrs_detect(np.nan_to_num(x[0]).astype(np.float64), rate, verbose=False),
                dtype=np.float64,
            ),
        )
    try:
        import neurokit2
    except ImportError:
        print("neurokit2 is not installed")
    else:
        yield (
            f"neurokit2 {neurokit2.__version__}",
            lambda x, rate: np.asarray(
                neurokit2.ecg_findpeaks(
                    neurokit2.ecg_clean(np.nan_to_num(x[0]).astype(np.float64), int(rate)),
                    int(rate),
                )["ECG_R_Peaks"],
                dtype=np.float64,
            ),
        )


def choose(folder: Path) -> None:
    """Print the F1 at 75 ms on the development records, one setting changed at a time."""
    strips = [strip for strip in first_lead(mitbih(folder)) if int(strip.name) % 2 == 0]

    def reached() -> float:
        totals = [score(strip, ours(strip.signal, strip.rate)) for strip in strips]
        return float(f1(np.sum([one[TOLERANCES_S[0]] for one in totals], axis=0)))

    print("| setting | value | F1 on even-numbered records, first lead |\n| --- | --- | --- |")
    print(f"| as they are | | {reached():.4f} |", flush=True)
    for name, values in NEIGHBOURS.items():
        kept = getattr(beats_module, name)
        for value in values:
            setattr(beats_module, name, value)
            print(f"| {name} | {value} (is {kept}) | {reached():.4f} |", flush=True)
        setattr(beats_module, name, kept)


def rows(
    strips: Sequence[Strip], name: str, detector: Detector, parts: Parts, folder: Path | None
) -> Iterator[tuple[str, str]]:
    """Give the name and the figures of every part of a set, from one pass."""
    records: dict[str, Strip] = {}
    totals: dict[str, Totals] = {}
    for strip in strips:
        found = score(strip, kept(folder, name, strip, detector))
        records[strip.name] = strip
        if strip.name in totals:  # another lead of the record
            found = {t: counts + totals[strip.name][t] for t, counts in found.items()}
        totals[strip.name] = found
    for part, member in parts.items():
        chosen = [totals[key] for key, strip in records.items() if member(strip)]
        if chosen:
            yield f"{part}, {len(chosen)} records", " | ".join(cells(chosen))


DS1 = frozenset(
    "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 "
    "230".split()
)
MITBIH: Parts = {
    "MIT-BIH": lambda strip: True,
    "MIT-BIH DS1": lambda strip: strip.name in DS1,
    "MIT-BIH, development (even numbers)": lambda strip: int(strip.name) % 2 == 0,
    "MIT-BIH, held apart (odd numbers)": lambda strip: int(strip.name) % 2 == 1,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mitbih", type=Path, help="folder of MIT-BIH Arrhythmia")
    parser.add_argument("--cpsc2019", type=Path, help="folder of CPSC 2019")
    parser.add_argument("--ludb", type=Path, help="folder of LUDB")
    parser.add_argument("--keep", type=Path, help="folder for what was found, to go on from")
    parser.add_argument("--choose", action="store_true", help="settings on MIT-BIH's even records")
    options = parser.parse_args()
    if options.choose:
        choose(options.mitbih)
        return
    sets: list[tuple[Parts, str, list[Strip], bool]] = []
    if options.mitbih:
        both = mitbih(options.mitbih)
        sets += [
            (MITBIH, "first", first_lead(both), True),
            (MITBIH, "each by itself", each_lead(both), True),
            (MITBIH, "both", both, False),
        ]
    if options.cpsc2019:
        sets.insert(0, ({"CPSC 2019": lambda strip: True}, "one", cpsc2019(options.cpsc2019), True))
    for parity, words in ((0, "even"), (1, "odd")):
        if options.ludb:
            for every in (False, True):
                strips = ludb(options.ludb, parity, every_lead=every)
                named: Parts = {f"LUDB, {words} numbers": lambda strip: True}
                sets.append((named, "all twelve" if every else "II", strips, not every))
    print("| set | leads | detector | sensitivity | PPV | F1 | F1, 95 % interval |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rivals = list(others())
    for parts, leads, strips, single in sets:
        for detector_name, detector in [("ours", ours), *(rivals if single else [])]:
            for name, found in rows(strips, detector_name, detector, parts, options.keep):
                print(f"| {name} | {leads} | {detector_name} | {found} |", flush=True)


if __name__ == "__main__":
    main()
