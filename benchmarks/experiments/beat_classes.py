"""The classifier of beats: trained on DS1 of MIT-BIH, judged between records.

``python -m benchmarks.experiments.beat_classes --data FOLDER --cross-validate`` prints how well
each record of DS1 is labelled by a network that was trained on the others; ``--train`` trains the
shipped network on all of DS1 and writes ``beat_classes.json``; ``--strips`` prints whether strips
of 10 s, 30 s and 60 s would be labelled better by an offset of their own; ``--test`` prints how the
shipped network labels the records of DS2 that are in FOLDER. FOLDER holds MIT-BIH's ``*.hea``,
``*.dat`` and ``*.atr``.

The protocol is that of P. de Chazal, M. O'Dwyer, R. B. Reilly, IEEE Trans Biomed Eng 51:1196
(2004): 44 records without the four paced ones, halves without a common person. All annotated beats
of a record count, from the first to the last; nothing is left out for learning. Two ways of
counting V stand side by side: every beat that was called V and is none counts against it ("V"), or,
as ANSI/AAMI EC57 has it, fusion and unclassifiable beats that were called V do not ("V EC57").
Records were measured with one lead and with both, at the annotated beats and at those that
``find_beats`` finds; there a beat that was missed counts as called nothing, and an extra detection
that was called S or V counts against that class.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import read
from ecgfoundry.measurements import beat_classes as module
from ecgfoundry.measurements.beat_classes import (
    BeatNetwork,
    beat_network,
    called_classes,
    label_pieces,
    with_fusion,
    without_narrow,
)
from ecgfoundry.measurements.beat_features import BEAT_FEATURES, USUAL_FEATURES, beat_features
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.measurements.templates import BeatPieces, cut_beats

DS1 = (
    101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122, 124, 201, 203, 205, 207, 208, 209, 215,
    220, 223, 230,
)  # fmt: skip
DS2 = (
    100, 103, 105, 111, 113, 117, 121, 123, 200, 202, 210, 212, 213, 214, 219, 221, 222, 228, 231,
    232, 233, 234,
)  # fmt: skip
"""Halves of de Chazal et al.; the paced records 102, 104, 107 and 217 are in neither."""
CLASS_OF = {
    **dict.fromkeys("NLRBejn", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}
"""Annotation codes of PhysioNet -> classes of ANSI/AAMI EC57."""
CLASSES = ("N", "S", "V", "F")
LEADS: dict[str, tuple[int, ...]] = {"first": (0,), "second": (1,), "both": (0, 1)}
MIXED, MIXTURES = "mixed", 8
"""The networks also see sums of both leads, so many sets of a record: a network that knows 22
people ought at least to know them from more sides."""
STRIP_S = 60.0
"""The networks also see short strips, in which little is known of the person."""
SHORT_S = {10.0: 20.0, 30.0: 60.0, 60.0: 60.0}
"""Lengths of strips that are asked for an offset of their own -> a strip begins each so many s."""
MATCH_S = 0.150
FOLDS = 11
MEMBERS = 12
"""Every second member does not see the intervals between usual beats: S is better with them, V
without, and both with members of the two kinds."""
HIDDEN = (32, 16)
DROP_INPUT, DROP = 0.1, 0.3
STEPS, BATCH = 900, 512
RATE, DECAY = 3e-3, 3e-2
SHARES = {"N": 0.55, "S": 0.2, "V": 0.2, "F": 0.05}
"""Weight of the classes in the loss; within a class records count by the root of their beats."""
KEPT_NORMAL = 0.15
"""Share of the N beats that train: there are far more than are needed."""

Float64 = NDArray[np.float64]
Labels = NDArray[np.str_]
Spans = Callable[["Record"], Iterator[tuple[int, int]]]
Leads = Callable[["Record"], Iterator[tuple[str, NDArray[np.floating]]]]


@dataclass(frozen=True)
class Record:
    """A half hour: signal (leads, samples), Hz, annotated beats (samples) and their classes."""

    number: int
    signal: NDArray[np.float32]
    rate: float
    beats: NDArray[np.int64]
    label: Labels


@dataclass(frozen=True)
class Table:
    """Features of beats of several records, as a network reads them."""

    x: Float64
    label: Labels
    record: NDArray[np.int64]
    leads: Labels
    whole: NDArray[np.bool_]  # of the whole record, not of a strip
    piece: NDArray[np.int64]  # which stretch of which record and leads
    stretches: tuple[BeatPieces, ...]  # by ``piece``


def records(folder: Path, numbers: Sequence[int]) -> Iterator[Record]:
    """Yield those records that are there."""
    for header in sorted(folder.rglob("*.hea")):
        if not header.stem.isdigit() or int(header.stem) not in numbers:
            continue
        recording = read(header)
        marks = [(m.time_s, CLASS_OF[m.text]) for m in recording.annotations if m.text in CLASS_OF]
        times = np.array([time for time, _ in marks])
        beats = np.rint(times * recording.sampling_rate).astype(np.int64)
        label = np.array([name for _, name in marks])
        yield Record(int(header.stem), recording.signal, recording.sampling_rate, beats, label)


def recorded_leads(record: Record) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Yield the sets of leads that are judged, with their names."""
    for name, rows in LEADS.items():
        yield name, record.signal[list(rows)]


def mixed_leads(record: Record) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Yield leads along other axes: sums of the two of a record, one such lead or two by turns.

    Before, each is divided by its size as recorded, its offset included, so that the heights of two
    leads are not quite alike. The shipped networks learned from these.
    """
    generator = np.random.default_rng(record.number)
    size = np.quantile(np.abs(record.signal), 0.98, axis=1, keepdims=True)
    scaled = record.signal / np.maximum(size, 1e-6)
    for number in range(MIXTURES):
        first = generator.uniform(0.0, np.pi)
        second = first + generator.uniform(np.pi / 4.0, 3.0 * np.pi / 4.0)
        angles = np.array([first, second][: 1 + number % 2])
        yield MIXED, np.stack([np.cos(angles), np.sin(angles)], axis=1) @ scaled


def table_of(some: Sequence[Record], spans: Spans, leads: Leads = recorded_leads) -> Table:
    """Return the features of all beats in these spans of the records, for each set of leads."""
    parts: list[tuple[Float64, Labels, int, str, bool]] = []
    stretches: list[BeatPieces] = []
    for record in some:
        for name, signal in leads(record):
            for start, stop in spans(record):
                inside = (record.beats >= start) & (record.beats < stop)
                if inside.sum() < 3:
                    continue
                piece = signal[:, start:stop]
                pieces = cut_beats(piece, record.rate, record.beats[inside] - start)
                x = beat_features(pieces, pieces.clusters)
                stretches.append(_shapes_alone(pieces))
                whole = stop - start == record.signal.shape[1]
                parts.append((x, record.label[inside], record.number, name, whole))
    return Table(
        np.concatenate([x for x, *_ in parts]),
        np.concatenate([label for _, label, *_ in parts]),
        np.concatenate([np.full(len(x), number) for x, _, number, _, _ in parts]),
        np.concatenate([np.full(len(x), name) for x, _, _, name, _ in parts]),
        np.concatenate([np.full(len(x), whole) for x, *_, whole in parts]),
        np.concatenate([np.full(len(x), number) for number, (x, *_) in enumerate(parts)]),
        tuple(stretches),
    )


def with_mixtures(table: Table, some: Sequence[Record]) -> Table:
    """Return what trains: the rows of these records, and those of their mixed leads."""
    more = table_of(some, whole_and_strips, mixed_leads)
    columns = ("x", "label", "record", "leads", "whole")
    joined = {name: np.concatenate([getattr(t, name) for t in (table, more)]) for name in columns}
    piece = np.concatenate([table.piece, more.piece + len(table.stretches)])
    return Table(**joined, piece=piece, stretches=(*table.stretches, *more.stretches))


def _shapes_alone(pieces: BeatPieces) -> BeatPieces:
    """Return the same beats without their samples: vectors and clusters are known by now."""
    result = replace(pieces, values=np.empty((0, pieces.centre_s.size, 0), np.float32))
    vars(result).update(vectors=pieces.vectors, clusters=pieces.clusters)
    return result


def whole_and_strips(record: Record) -> Iterator[tuple[int, int]]:
    """Yield the whole record and every fourth minute of it: what trains."""
    yield 0, record.signal.shape[1]
    yield from strips_of(record, STRIP_S, 4 * STRIP_S)


def strips_of(record: Record, length_s: float, apart_s: float) -> Iterator[tuple[int, int]]:
    """Yield strips of a length, in samples."""
    length, apart = round(length_s * record.rate), round(apart_s * record.rate)
    for start in range(0, record.signal.shape[1] - length + 1, apart):
        yield start, start + length


def train(table: Table, chosen: NDArray[np.bool_], *, seed: int) -> BeatNetwork:
    """Train on the chosen rows."""
    generator = np.random.default_rng(seed)
    known = chosen & np.isin(table.label, CLASSES)
    known &= (table.label != "N") | (generator.random(len(known)) < KEPT_NORMAL)
    x, label = table.x[known], table.label[known]
    mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    values = np.clip((x - mean) / scale, -module.MOST_AWAY, module.MOST_AWAY)
    target = np.array([CLASSES.index(name) for name in label])
    members = _perceptrons(values, target, _weights(label, table.record[known]), seed)
    return BeatNetwork(BEAT_FEATURES, mean, scale, members, CLASSES, np.zeros(len(CLASSES)))


def _weights(label: Labels, record: NDArray[np.int64]) -> Float64:
    weight = np.zeros(len(label))
    for name in CLASSES:
        rows = label == name
        for number in np.unique(record[rows]):
            here = rows & (record == number)
            weight[here] = here.sum() ** -0.5
        if rows.any():
            weight[rows] *= SHARES[name] / weight[rows].sum()
    return weight / weight.mean()


def _perceptrons(
    values: Float64, target: NDArray[np.int64], weight: Float64, seed: int
) -> tuple[tuple[tuple[Float64, Float64], ...], ...]:
    """Train all members at once: on the same batches, from different starts, dropped differently.

    Returns layers of each: (outputs, inputs) and (outputs,).
    """
    import torch

    torch.manual_seed(seed)
    x = torch.tensor(values, dtype=torch.float32)
    y, w = torch.tensor(target), torch.tensor(weight, dtype=torch.float32)
    seen = torch.ones(MEMBERS, len(BEAT_FEATURES), 1)
    seen[1::2, [name in USUAL_FEATURES for name in BEAT_FEATURES]] = 0.0
    sizes = (len(BEAT_FEATURES), *HIDDEN, len(CLASSES))
    matrices: list[Any] = []
    biases: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        for kept, rows in ((matrices, inputs), (biases, 1)):
            start = (2.0 * torch.rand(MEMBERS, rows, outputs) - 1.0) * inputs**-0.5
            kept.append(start.requires_grad_())
    optimizer = torch.optim.AdamW([*matrices, *biases], lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(x), (BATCH,))
        read = _dropped(x[rows], DROP_INPUT)
        hidden = read @ (matrices[0] * seen) + biases[0]
        for matrix, bias in zip(matrices[1:], biases[1:], strict=True):
            hidden = _dropped(torch.relu(hidden), DROP) @ matrix + bias
        loss = torch.nn.functional.cross_entropy(
            hidden.flatten(0, 1), y[rows].repeat(MEMBERS), reduction="none", label_smoothing=0.02
        )
        optimizer.zero_grad()
        (loss * w[rows].repeat(MEMBERS)).mean().mul(MEMBERS).backward()
        optimizer.step()
        schedule.step()
    matrices[0] = matrices[0] * seen
    return tuple(
        tuple(
            (
                matrix[member].detach().numpy().T.astype(float),
                bias[member, 0].detach().numpy().astype(float),
            )
            for matrix, bias in zip(matrices, biases, strict=True)
        )
        for member in range(MEMBERS)
    )


def _dropped(values: Any, share: float) -> Any:
    import torch

    return values * (torch.rand_like(values) >= share) / (1.0 - share)


# --- scoring ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    """Of one record: (true, called) -> beats; "-" is a beat that was missed or is none."""

    record: int
    pairs: dict[tuple[str, str], int]


def count(record: int, truth: Labels, called: Labels) -> Counts:
    """Count the pairs."""
    pairs: dict[tuple[str, str], int] = {}
    for pair in zip(truth.tolist(), called.tolist(), strict=True):
        pairs[pair] = pairs.get(pair, 0) + 1
    return Counts(record, pairs)


def f1(counts: Sequence[Counts], name: str, *, ec57: bool = False) -> tuple[float, int, int, int]:
    """Return F1 and the numbers of right, missed and wrong beats."""
    right = missed = wrong = 0
    for part in counts:
        for (true, called), number in part.pairs.items():
            if ec57 and true in (("F", "Q") if name == "V" else ("Q",)):
                continue
            right += number * (true == name and called == name)
            missed += number * (true == name and called != name)
            wrong += number * (true != name and called == name)
    total = 2 * right + missed + wrong
    return (2 * right / total if total else float("nan")), right, missed, wrong


def interval(counts: Sequence[Counts], name: str, *, ec57: bool) -> tuple[float, float]:
    """Return the 95 % interval of F1, records redrawn 2000 times."""
    generator = np.random.default_rng(57)
    values = []
    for _ in range(2000):
        drawn = [counts[k] for k in generator.integers(0, len(counts), len(counts))]
        values.append(f1(drawn, name, ec57=ec57)[0])
    return tuple(np.nanquantile(values, (0.025, 0.975)))  # type: ignore[return-value]


def print_scores(title: str, counts: Sequence[Counts], *, each: bool = False) -> None:
    """Print F1 with its interval."""
    for words, name, ec57 in (("V", "V", False), ("V EC57", "V", True), ("S", "S", False),
                              ("F", "F", False)):  # fmt: skip
        value, right, missed, wrong = f1(counts, name, ec57=ec57)
        low, high = interval(counts, name, ec57=ec57)
        sensitivity = right / max(right + missed, 1)
        precision = right / max(right + wrong, 1)
        print(
            f"| {title} | {words} | {value:.3f} ({low:.3f}–{high:.3f}) | {sensitivity:.3f} | "
            f"{precision:.3f} | {right} | {missed} | {wrong} |",
            flush=True,
        )
    if each:
        for part in counts:
            v, s = (f1([part], name)[1:] for name in "VS")
            print(f"  {part.record}: V right, missed, wrong {v}; S {s}")


HEADER = (
    "| records, leads, beats | class | F1 (95 % interval) | sensitivity | PPV | right | missed "
    "| wrong |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def at_found_beats(record: Record, rows: Sequence[int], network: BeatNetwork) -> Counts:
    """Label the beats that are found, and pair them with the annotated ones."""
    signal = record.signal[list(rows)]
    found = find_beats(signal, record.rate)
    called = label_pieces(cut_beats(signal, record.rate, found), network=network).label
    truth, labels = [], []
    free = np.ones(found.size, bool)
    for beat, name in zip(record.beats, record.label, strict=True):
        near = np.flatnonzero(free & (np.abs(found - beat) <= MATCH_S * record.rate))
        truth.append(name)
        if near.size:
            best = near[np.abs(found[near] - beat).argmin()]
            free[best] = False
            labels.append(called[best])
        else:
            labels.append("-")
    truth += ["-"] * int(free.sum())
    labels += called[free].tolist()
    return count(record.number, np.array(truth), np.array(labels))


def at_annotated_beats(record: Record, rows: Sequence[int], network: BeatNetwork) -> Counts:
    """Label the annotated beats."""
    pieces = cut_beats(record.signal[list(rows)], record.rate, record.beats)
    return count(record.number, record.label, label_pieces(pieces, network=network).label)


def folds(some: Sequence[Record]) -> dict[int, int]:
    """Return record -> fold: records rich in S are spread first, then those rich in V."""
    rich = [(-(r.label == "S").sum(), -(r.label == "V").sum(), r.number) for r in some]
    return {number: place % FOLDS for place, (*_, number) in enumerate(sorted(rich))}


def compare_offsets(some: Sequence[Record]) -> None:
    """Print F1 of strips by the shipped offset, and by one that other folds' strips choose."""
    learned = with_mixtures(table_of(some, whole_and_strips), some)
    asked = {
        length: table_of(some, partial(strips_of, length_s=length, apart_s=apart))
        for length, apart in SHORT_S.items()
    }
    of = folds(some)

    def fold_of(table: Table) -> NDArray[np.int64]:
        return np.array([of[number] for number in table.record])

    found = {length: np.zeros((len(table.x), len(CLASSES))) for length, table in asked.items()}
    for number in range(FOLDS):
        network = train(learned, fold_of(learned) != number, seed=100 * number)
        for length, table in asked.items():
            rows = fold_of(table) == number
            found[length][rows] = _probabilities(network, table, rows)
    print("| strips | leads | offset | F1 of V | F1 of S |\n| --- | --- | --- | --- | --- |")
    for length, table in asked.items():
        fold = fold_of(table)
        choosing = np.isin(table.label, CLASSES) & (table.leads != "second")
        own = np.zeros_like(found[length])
        for number in range(FOLDS):
            rows = choosing & (fold != number)
            own[fold == number] = best_offset(found[length][rows], table.label[rows])
        for name in LEADS:
            rows = table.leads == name
            shipped = np.tile(beat_network().offset, (len(own), 1))
            for words, offset in (("shipped", shipped), ("own, out of fold", own)):
                called = _called(found[length], table, offset)
                counts = [count(0, table.label[rows], called[rows])]
                v, s = (f1(counts, letter)[0] for letter in "VS")
                print(f"| {length:g} s | {name} | {words} | {v:.3f} | {s:.3f} |")


def _probabilities(network: BeatNetwork, table: Table, rows: NDArray[np.bool_]) -> Float64:
    x = table.x[rows]
    return without_narrow(network.probabilities(x), x, CLASSES)


def _called(probability: Float64, table: Table, offset: Float64) -> Labels:
    """Call the beats of each stretch by itself, with an offset (rows, classes)."""
    called = np.full(len(probability), "N")
    starts = np.flatnonzero(np.diff(table.piece, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(called)], strict=True):
        rows = slice(start, stop)
        first = called_classes(probability[rows], table.x[rows], CLASSES, offset[rows])
        stretch = table.stretches[table.piece[start]]
        called[rows], _ = with_fusion(first, probability[rows], table.x[rows], stretch, CLASSES)
    return called


def cross_validate(some: Sequence[Record], table: Table, learned: Table, seed: int = 0) -> Float64:
    """Print the scores of every record by a network that does not know it; return the offset.

    The offset of the classes is chosen on the same rows: four numbers on 51,000 beats.
    """
    of = folds(some)
    fold, learned_fold = (
        np.array([of[number] for number in rows.record]) for rows in (table, learned)
    )
    probability = np.zeros((len(fold), len(CLASSES)))
    for number in range(FOLDS):
        network = train(learned, learned_fold != number, seed=100 * number + seed)
        rows = fold == number
        probability[rows] = _probabilities(network, table, rows)
    known = np.isin(table.label, CLASSES)
    chosen = known & table.whole & (table.leads != "second")
    offset = best_offset(probability[chosen], table.label[chosen])
    print(f"offset of {CLASSES}: {offset.tolist()}")
    called = _called(probability, table, np.tile(offset, (len(probability), 1)))
    print(HEADER)
    for name in LEADS:
        for whole in (True, False):
            rows = (table.leads == name) & (table.whole == whole)
            counts = [
                count(r.number, table.label[rows & here], called[rows & here])
                for r in some
                for here in (table.record == r.number,)
            ]
            length = "half hours" if whole else f"strips of {STRIP_S:g} s"
            print_scores(f"DS1 cross-validated, {name}, {length}", counts, each=whole)
    return offset


def best_offset(probability: Float64, label: Labels) -> Float64:
    """Return the offset with the largest sum of the F1 of S and V."""
    best, result = -1.0, np.zeros(len(CLASSES))
    logarithm = np.log(probability + 1e-9)
    for s in np.arange(-3.0, 1.1, 0.25):
        for v in np.arange(-1.5, 1.6, 0.25):
            offset = np.array([0.0, s, v, -0.5])
            called = np.array(CLASSES)[(logarithm + offset).argmax(axis=1)]
            total = 0.0
            for name in ("S", "V"):
                right = int(((label == name) & (called == name)).sum())
                total += 2 * right / max(int((label == name).sum() + (called == name).sum()), 1)
            if total > best:
                best, result = total, offset
    return result


def write(network: BeatNetwork, path: Path) -> None:
    """Write the network with five significant digits."""

    def short(array: Float64) -> list[Any]:
        text = json.dumps(np.asarray(array).tolist(), allow_nan=False)
        return json.loads(text, parse_float=lambda value: float(f"{float(value):.5g}"))

    document = {
        "about": "Classes of beats; see docs/beats.md. Trained on DS1 of the MIT-BIH Arrhythmia "
        "Database (ODC-By 1.0; Moody and Mark 2001) by benchmarks/experiments/beat_classes.py.",
        "classes": list(network.classes),
        "features": list(network.features),
        "mean": short(network.mean),
        "scale": short(network.scale),
        "offset": short(network.offset),
        "members": [
            [{"weight": short(weight), "bias": short(bias)} for weight, bias in member]
            for member in network.members
        ],
    }
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Train, or print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of MIT-BIH Arrhythmia")
    parser.add_argument("--cross-validate", action="store_true", help="between records of DS1")
    parser.add_argument("--seed", type=int, default=0, help="of the networks between records")
    parser.add_argument("--strips", action="store_true", help="offsets of short strips of DS1")
    parser.add_argument("--train", action="store_true", help="write the shipped network")
    parser.add_argument("--test", action="store_true", help="records of DS2 that are there")
    arguments = parser.parse_args()
    if arguments.strips:
        compare_offsets(list(records(arguments.data, DS1)))
    output = Path(module.__file__).with_name(module.FILE)
    if arguments.cross_validate or arguments.train:
        some = list(records(arguments.data, DS1))
        table = table_of(some, whole_and_strips)
        learned = with_mixtures(table, some)
        offset = cross_validate(some, table, learned, seed=arguments.seed)
        if arguments.train:
            network = train(learned, np.ones(len(learned.label), bool), seed=1)
            trained = BeatNetwork(
                network.features, network.mean, network.scale, network.members, CLASSES, offset
            )
            write(trained, output)
            beat_network.cache_clear()
    if arguments.test:
        some = list(records(arguments.data, DS2))
        names = ", ".join(str(record.number) for record in some)
        print(f"DS2: {names}\n{HEADER}")
        for name, rows in LEADS.items():
            for words, label in (("annotated", at_annotated_beats), ("found", at_found_beats)):
                counts = [label(record, rows, beat_network()) for record in some]
                print_scores(f"DS2, {name}, {words} beats", counts, each=name == "both")


if __name__ == "__main__":
    main()
