"""R peaks against annotators: ours beside sleepecg, xqrs and neurokit2, on the same leads.

``python -m benchmarks.experiments.beats_accuracy --mitbih FOLDER --cpsc2019 FOLDER --ludb FOLDER``
prints the table of ``docs/features.md``; a set that is not given is left out. Settings may be
chosen on MIT-BIH's even-numbered records (``--choose`` shows what its neighbours reach there); the
odd-numbered records are held apart and reported by themselves. LUDB likewise.

Detections and annotations are matched one to one, the nearest first, within 75 ms and within the
customary 150 ms. Beats in ventricular flutter (between ``[`` and ``]``) are not scored, nor is the
first and last half second of the strips of CPSC 2019; LUDB is scored where it was annotated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


def score(strips: list[Strip], detector: Detector) -> dict[float, NDArray[np.int64]]:
    """Return pairs, annotated and detected beats per tolerance."""
    totals = {t: np.zeros(3, np.int64) for t in TOLERANCES_S}
    for strip in strips:
        found = np.sort(detector(strip.signal, strip.rate) / strip.rate)
        inside_wanted, inside_found = strip.scored(strip.wanted), strip.scored(found)
        for tolerance in TOLERANCES_S:
            # A beat just inside may be detected just outside, and the other way round.
            missed = matched(strip.wanted[inside_wanted], found, tolerance)
            extra = matched(strip.wanted, found[inside_found], tolerance)
            totals[tolerance] += (
                missed,
                int(inside_wanted.sum()),
                int(inside_found.sum()) - extra,
            )
    return totals


def cells(totals: dict[float, NDArray[np.int64]]) -> list[str]:
    """Return sensitivity, PPV and F1, at 75 ms and (150 ms)."""
    values = []
    for pairs, annotated, extra in totals.values():
        values.append(
            (pairs / annotated, pairs / (pairs + extra), 2 * pairs / (annotated + pairs + extra))
        )
    return [f"{a:.4f} ({b:.4f})" for a, b in zip(*values, strict=True)]


def mitbih(folder: Path, parity: int) -> list[Strip]:
    """Half-hour records with an even (0) or odd (1) number, both leads."""
    strips = []
    for header in sorted(folder.rglob("*.hea")):
        if int(header.stem) % 2 != parity:
            continue
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
    return [Strip(s.name, s.signal[:1], s.rate, s.wanted, s.scored) for s in strips]


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
    strips = first_lead(mitbih(folder, 0))

    def f1() -> float:
        pairs, annotated, extra = score(strips, ours)[TOLERANCES_S[0]]
        return float(2 * pairs / (annotated + pairs + extra))

    print("| setting | value | F1 on even-numbered records, first lead |\n| --- | --- | --- |")
    print(f"| as they are | | {f1():.4f} |", flush=True)
    for name, values in NEIGHBOURS.items():
        kept = getattr(beats_module, name)
        for value in values:
            setattr(beats_module, name, value)
            print(f"| {name} | {value} (is {kept}) | {f1():.4f} |", flush=True)
        setattr(beats_module, name, kept)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mitbih", type=Path, help="folder of MIT-BIH Arrhythmia")
    parser.add_argument("--cpsc2019", type=Path, help="folder of CPSC 2019")
    parser.add_argument("--ludb", type=Path, help="folder of LUDB")
    parser.add_argument("--choose", action="store_true", help="settings on MIT-BIH's even records")
    options = parser.parse_args()
    if options.choose:
        choose(options.mitbih)
        return
    sets: list[tuple[str, str, list[Strip], bool]] = []
    for part, parity in (("development", 0), ("held apart", 1)):
        if options.mitbih:
            both = mitbih(options.mitbih, parity)
            named = f"MIT-BIH, {part}: {', '.join(s.name for s in both)}"
            sets.append((named, "first", first_lead(both), True))
            sets.append((named, "both", both, False))
    if options.cpsc2019:
        strips = cpsc2019(options.cpsc2019)
        sets.append((f"CPSC 2019, {len(strips)} hard strips", "one", strips, True))
    for parity, words in ((0, "even"), (1, "odd")):
        if options.ludb:
            for every in (False, True):
                strips = ludb(options.ludb, parity, every_lead=every)
                named = f"LUDB, {len(strips)} {words}-numbered records"
                sets.append((named, "all twelve" if every else "II", strips, not every))
    print("| set | leads | detector | sensitivity | PPV | F1 |")
    print("| --- | --- | --- | --- | --- | --- |")
    rivals = list(others())
    for name, leads, strips, single in sets:
        for detector_name, detector in [("ours", ours), *(rivals if single else [])]:
            found = " | ".join(cells(score(strips, detector)))
            print(f"| {name} | {leads} | {detector_name} | {found} |", flush=True)


if __name__ == "__main__":
    main()
