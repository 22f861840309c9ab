"""What the quality gate refuses wrongly, and which signals that are no ECG it lets pass.

``python -m benchmarks.experiments.gate --data FOLDER`` prints the tables of ``docs/quality.md``.
FOLDER holds the public sets, unpacked (folders ``cinc2017``, ``ptbxl_raw``, ``ludb``, ``mitbih``,
``cinc2021``, ``brugada``: any ``*.hea`` below them) or as single files (``cinc2011_quality.npz``,
``ptbxl_z250_*.npz``); what is not there is left out. Windows have 10 s; a recording is refused if
every window of it is. ``--single-leads`` reads every lead of the first window alone instead. Of
CinC 2017 the records with an answer (N, A, O) are put in an order by
``numpy.random.default_rng(2017)``: the first 1,500 chose the limits, the next 1,500 are reported.
``--only`` chooses sets and kinds ("aside": the kinds that are set aside), ``--first`` takes so many
recordings of each set, and ``--window-a-minute`` asks the first window of every minute alone.
``--doubt`` counts the recordings of which nothing is stated since they may be no ECG; of CinC 2017
by label.
"""

from __future__ import annotations

import argparse
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from multiprocessing import Pool
from multiprocessing.pool import Pool as Workers
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments.hostile_aside import ASIDE
from benchmarks.experiments.hostile_signals import KINDS, as_leads
from ecgfoundry import Recording, measure, read
from ecgfoundry.criteria import state
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.gate import judge_windows
from ecgfoundry.metrics.decisions import wilson_interval

WINDOW_S = 10.0
ASIDE_S = (5.0, 8.0, 10.0, 30.0)
"""Lengths of the kinds that are set aside, in turn."""
REPORTED = 1500
SEED = 20_000
"""Of the signals that are reported; those that chose the limits had seeds up to 12,000."""

DRAWN = (("one lead", 1, True), ("twelve alike", 12, True), ("twelve of their own", 12, False))
"""How made signals are put into leads."""

Job = tuple[str, NDArray[np.float32], float]
"""Which recording, its signal (leads, samples) in mV, its rate."""


def _cinc2011(path: Path, acceptable: bool) -> Iterator[Job]:
    stored = np.load(path)
    x = np.cumsum(stored["delta"], axis=2, dtype=np.int16) / np.float32(200)
    for row in np.flatnonzero(stored["acceptable"] == acceptable):
        yield str(stored["record"][row]), x[row].astype(np.float32), 500.0


def _ptbxl(path: Path) -> Iterator[Job]:
    stored = np.load(path)
    for name, delta in zip(stored["ecg_id"], stored["delta"], strict=True):
        x = np.cumsum(delta, axis=1, dtype=np.int16) / np.float32(stored["scale"])
        yield str(name), x.astype(np.float32), 250.0


def _headers(folder: Path) -> Iterator[Job]:
    for header in sorted(folder.rglob("*.hea")):
        recording = read(header)
        yield header.stem, recording.signal, recording.sampling_rate


def _cinc2017(folder: Path, part: str) -> Iterator[Job]:
    (reference,) = folder.rglob("REFERENCE.csv")
    labels = dict(line.split(",") for line in reference.read_text().split())
    names = sorted(name for name, label in labels.items() if label in "NAO")
    order = np.random.default_rng(2017).permutation(len(names))
    parts = {
        "chose the limits": [names[k] for k in order[:REPORTED]],
        "reported": [names[k] for k in order[REPORTED : 2 * REPORTED]],
        "noisy (~)": sorted(name for name, label in labels.items() if label == "~"),
    }
    for name in parts[part]:
        recording = read(reference.parent / f"{name}.hea")
        yield name, recording.signal, recording.sampling_rate


def sets(folder: Path) -> Iterator[tuple[str, Iterator[Job]]]:
    """Yield the name of every set that is there, and its recordings."""
    if (path := folder / "cinc2011_quality.npz").is_file():
        yield "CinC 2011, acceptable", _cinc2011(path, True)
        yield "CinC 2011, not acceptable", _cinc2011(path, False)
    if (folder / "cinc2017").is_dir():
        for part in ("chose the limits", "reported", "noisy (~)"):
            yield f"CinC 2017, {part}", _cinc2017(folder / "cinc2017", part)
    for path in sorted(folder.glob("ptbxl_z250_*.npz")):
        yield f"PTB-XL subset, {path.stem.rsplit('_', 1)[1]}", _ptbxl(path)
    for name in ("ptbxl_raw", "ludb", "mitbih", "cinc2021", "brugada"):
        if (folder / name).is_dir():
            yield name, _headers(folder / name)


def judged(job: Job, step_s: float = WINDOW_S) -> list[str]:
    """Return the code of the refusal of a window every ``step_s``, "" where it is read."""
    _, signal, rate = job
    length = round(WINDOW_S * rate)
    starts = range(0, max(1, signal.shape[1] - length + 1), round(step_s * rate))
    windows = [signal[:, start : start + length] for start in starts]
    leads = [f"lead {row}" for row in range(len(signal))]
    return [
        "" if (refusal := judge_windows(window[None], rate, leads)[0].refusal) is None
        else refusal.code
        for window in windows
    ]  # fmt: skip


def judged_alone(job: Job) -> list[str]:
    """Return the code of the refusal of every lead of a recording, each read without the others."""
    name, signal, rate = job
    first = signal[:, : round(WINDOW_S * rate)]
    return [judged((name, row[None], rate))[0] for row in first]


Made = tuple[str, int, int, bool]
"""A signal that is no ECG: kind ("aside: …" is of the other module), number, leads, alike."""


def made(job: Made, seed: int) -> tuple[NDArray[np.float64], float]:
    """Return a signal (leads, samples) that is no ECG, in mV, and its rate."""
    kind, number, leads, alike = job
    rate = (250.0, 500.0, 300.0, 100.0, 1000.0)[number % 5]
    generator = np.random.default_rng([number + seed, zlib.crc32(kind.encode()), leads, alike])
    name, seconds = kind.removeprefix("aside: "), WINDOW_S
    make = KINDS[name] if name == kind else ASIDE[name]
    if name != kind:
        seconds = ASIDE_S[number % len(ASIDE_S)]
    return as_leads(make, generator, round(seconds * rate), rate, leads, alike), rate


def hostile(job: Made, seed: int = SEED) -> bool:
    """Whether a signal that is no ECG passes."""
    x, rate = made(job, seed)
    names = [f"lead {row}" for row in range(len(x))]
    return judge_windows(x[None], rate, names)[0].refusal is None


def told(job: Made, seed: int = SEED) -> tuple[bool, int, list[str]]:
    """Whether it is measured, how many global values it gets, and the statements that are made."""
    x, rate = made(job, seed)
    leads = STANDARD_12_LEADS[: len(x)]
    recording = Recording.from_array(x, sampling_rate=rate, leads=leads, unit="mV")
    measured = measure(recording)
    values = sum(value.value is not None for value in measured.values.values())
    return measured.readable, values, [s.name for s in state(measured) if s.present]


LONGEST_S = 60.0
"""Of a recording that is measured for :func:`doubted`."""
TWO_LEADS = ("II", "V1")


def doubted(job: Job) -> tuple[str, bool, bool]:
    """The recording, whether it is measured, and whether it may be no ECG."""
    name, signal, rate = job
    # Two leads are those of most of MIT-BIH: as I and II they would make limb leads of each other.
    leads = TWO_LEADS if len(signal) == len(TWO_LEADS) else STANDARD_12_LEADS[: len(signal)]
    recording = Recording.from_array(
        signal[: len(leads), : round(LONGEST_S * rate)],
        sampling_rate=rate,
        leads=leads,
        unit="mV",
    )
    measured = measure(recording)
    return name, measured.readable, measured.doubt is not None


def _minutes(jobs: Iterator[Job]) -> Iterator[Job]:
    """Yield the first window of every minute as a recording of its own."""
    for name, signal, rate in jobs:
        length = round(WINDOW_S * rate)
        for start in range(0, signal.shape[1] - length + 1, round(60.0 * rate)):
            yield name, signal[:, start : start + length], rate


def print_doubted(
    pool: Workers, read_sets: Sequence[tuple[str, Iterator[Job]]], labels: dict[str, str]
) -> None:
    """Print of how many recordings that are read nothing is stated."""
    print("| set | read | nothing is stated | 95 % interval |\n| --- | --- | --- | --- |")
    for title, jobs in read_sets:
        groups: dict[str, list[bool]] = {}
        for name, readable, doubt in pool.imap(doubted, jobs, chunksize=8):
            label = f", {labels[name]}" if name in labels else ""
            if readable:
                groups.setdefault(title + label, []).append(doubt)
        for words, found in sorted(groups.items()):
            count, low_high = sum(found), wilson_interval(sum(found), len(found))
            low, high = low_high
            share = f"{count} ({count / len(found):.2%})"
            print(f"| {words} | {len(found)} | {share} | {low:.2%}-{high:.2%} |", flush=True)


def print_told(
    pool: Workers,
    title: str,
    kinds: Sequence[str],
    drawn: Sequence[tuple[str, int, bool]],
    options: argparse.Namespace,
) -> None:
    """Print what is measured and stated of signals that are no ECG, by the gate as it is."""
    print(f"\n| {title} | signals | measured | values | with a statement | most of these |")
    print("| --- | --- | --- | --- | --- | --- |")
    for words, leads, alike in drawn:
        count = options.each if leads == 1 else options.each // 4
        jobs = [(kind, number, leads, alike) for kind in kinds for number in range(count)]
        answers = list(pool.imap(partial(told, seed=options.seed), jobs, chunksize=8))
        stated = [names for _, _, names in answers if names]
        most = Counter(name for names in stated for name in names).most_common(4)
        print(
            f"| {words} | {len(answers)} | {sum(read for read, _, _ in answers)} "
            f"| {sum(values for _, values, _ in answers)} | {len(stated)} "
            f"| {', '.join(f'{name} {number}' for name, number in most)} |",
            flush=True,
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="without it, only the made signals are judged")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--single-leads", action="store_true", help="first windows, lead by lead")
    parser.add_argument("--each", type=int, default=40, help="signals of a kind with one lead")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="sets and kinds whose names begin so"
    )
    parser.add_argument("--first", type=int, help="so many recordings of each set")
    parser.add_argument("--window-a-minute", action="store_true")
    parser.add_argument("--one-lead", action="store_true", help="made signals with one lead alone")
    parser.add_argument(
        "--statements", action="store_true", help="what is measured and stated of made signals"
    )
    parser.add_argument("--doubt", action="store_true", help="recordings that may be no ECG")
    parser.add_argument("--seed", type=int, default=SEED, help="of the made signals")
    options = parser.parse_args()
    read_sets: list[tuple[str, Iterator[Job]]] = [
        (name, islice(jobs, options.first))
        for name, jobs in (sets(options.data) if options.data is not None else ())
        if options.only is None or name.startswith(tuple(options.only))
    ]
    look = partial(judged, step_s=60.0) if options.window_a_minute else judged
    with Pool(options.processes) as pool:
        if options.doubt:
            reference = next(options.data.rglob("REFERENCE.csv"), None)
            lines = [] if reference is None else reference.read_text().split()
            if options.window_a_minute:
                read_sets = [(title, _minutes(jobs)) for title, jobs in read_sets]
            print_doubted(
                pool, read_sets, {n: f"label {x}" for n, x in (line.split(",") for line in lines)}
            )
            return
        if options.single_leads:
            print("| set | leads alone | refused | why |")
            print("| --- | --- | --- | --- |")
            for name, jobs in read_sets:
                codes = [code for found in pool.imap(judged_alone, jobs) for code in found]
                refused = Counter(filter(None, codes))
                why = ", ".join(f"{code} {n}" for code, n in refused.most_common())
                share = refused.total() / len(codes)
                print(
                    f"| {name} | {len(codes)} | {refused.total()} ({share:.2%}) | {why} |",
                    flush=True,
                )
            return
        if read_sets:
            print("| set | recordings | refused | windows of 10 s | refused | why |")
            print("| --- | --- | --- | --- | --- | --- |")
        for name, jobs in read_sets:
            answers = list(pool.imap(look, jobs, chunksize=8))
            if not answers:
                continue
            codes = [code for answer in answers for code in answer]
            whole = sum(all(answer) for answer in answers)
            why = ", ".join(f"{code} {n}" for code, n in Counter(filter(None, codes)).most_common())
            count = sum(code != "" for code in codes)
            print(
                f"| {name} | {len(answers)} | {whole} ({whole / len(answers):.2%}) | {len(codes)} "
                f"| {count} ({count / len(codes):.2%}) | {why} |",
                flush=True,
            )
        drawn = DRAWN[:1] if options.one_lead else DRAWN
        make = partial(hostile, seed=options.seed)
        for title, kinds in (("kind", list(KINDS)), ("set aside", [f"aside: {k}" for k in ASIDE])):
            if options.only is not None:
                kinds = [kind for kind in kinds if kind.startswith(tuple(options.only))]
            if not kinds:
                continue
            if options.statements:
                print_told(pool, title, kinds, drawn, options)
                continue
            heads = [words for words, *_ in drawn]
            print(f"\n| {title} | {' | '.join(heads)} |\n| --- |{' --- |' * len(drawn)}")
            passed, counts = Counter[int](), Counter[int]()
            for kind in kinds:
                cells = []
                for column, (_, leads, alike) in enumerate(drawn):
                    count = options.each if leads == 1 else options.each // 4
                    found = sum(pool.map(make, [(kind, k, leads, alike) for k in range(count)]))
                    passed[column] += found
                    counts[column] += count
                    cells.append(f"{found} of {count}")
                print(f"| {kind} | {' | '.join(cells)} |", flush=True)
            sums = [f"{passed[column]} of {counts[column]}" for column in range(len(drawn))]
            print(f"| all | {' | '.join(sums)} |", flush=True)


if __name__ == "__main__":
    main()
