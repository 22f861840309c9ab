"""Which patient goes where, by hand; what is a leak; and the limits of the amplitude warnings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import LeakageError, ManifestError, TableError
from ecgfoundry.manifest import (
    ColumnMapping,
    Manifest,
    ManifestRow,
    SplitShares,
    check_manifest,
    read_recordings,
    split_by_patient,
)
from ecgfoundry.manifest.checks import (
    contradiction_problems,
    duplicate_problems,
    missing_leads,
    raise_on_leak,
    signal_hash,
)
from ecgfoundry.manifest.splits import fold_by_patient
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.preprocessing import get_preprocessing

NAN = float("nan")


def table_of(values: dict[str, list[list[float | None]]], names: tuple[str, ...]) -> Manifest:
    """A manifest of patient -> rows of targets."""
    rows = [
        ManifestRow(f"{patient}-{k}", "-", patient=patient,
                    targets=dict(zip(names, row, strict=True)))
        for patient, own in values.items()
        for k, row in enumerate(own)
    ]  # fmt: skip
    return Manifest(tuple(rows), Path())


def ranks(manifest: Manifest, names: tuple[str, ...] = (), *, seed: int = 0) -> list[str]:
    """Patients in the order in which they are dealt out: with as many folds as patients."""
    patients = list(dict.fromkeys(row.patient for row in manifest))
    fold = fold_by_patient(manifest, names, folds=len(patients), seed=seed)
    place = {row.patient: int(k) for row, k in zip(manifest, fold, strict=True)}
    return sorted(place, key=place.__getitem__)


def by_hash(patients: list[str], seed: int = 0) -> list[str]:
    return sorted(patients, key=lambda p: hashlib.sha256(f"{seed}:{p}".encode()).hexdigest())


def test_patients_stand_in_the_order_of_their_hash() -> None:
    manifest = table_of({f"p{k}": [[]] for k in range(12)}, ())
    # printf '0:p0' | sha256sum, and so on, sorted.
    assert ranks(manifest) == "p2 p10 p7 p4 p5 p11 p0 p3 p8 p6 p1 p9".split()
    assert ranks(manifest, seed=5) == by_hash([f"p{k}" for k in range(12)], 5)


# The first four digits of ``printf 0:p0 | sha256sum`` and so on: c7d9 fc79 0e1d cb57 55df 7a4a e92f
# 3ab4 ce6a fddb 2476 b85c; training up to 0.7 (b333), validation up to 0.85 (d999).
BY_HASH = "v x t v t t x t v x t v".split()
SPLITS = {"t": "train", "v": "validation", "x": "test"}


def splits_of(manifest: Manifest, **more: SplitShares) -> dict[str | None, str | None]:
    return {row.patient: row.split for row in split_by_patient(manifest, **more)}


def test_the_split_of_a_person_is_a_hash_of_the_person() -> None:
    manifest = table_of({f"p{k}": [[], []] for k in range(12)}, ())
    parted = split_by_patient(manifest)
    assert splits_of(manifest) == {f"p{k}": SPLITS[s] for k, s in enumerate(BY_HASH)}
    assert all(parted.rows[2 * k].split == parted.rows[2 * k + 1].split for k in range(12))
    halves = splits_of(manifest, shares=SplitShares(0.5, 0.0, 0.5))
    assert [p for p, split in halves.items() if split == "train"] == ["p2", "p4", "p5", "p7", "p10"]


def test_adding_people_and_correcting_labels_moves_nobody() -> None:
    few = table_of({f"p{k}": [[float(k % 4 == 0)]] for k in range(80)}, ("a",))
    more = table_of({f"p{k}": [[float(k % 5 == 0)]] for k in range(200)}, ("a",))
    before, after = splits_of(few), splits_of(more)
    assert all(after[patient] == split for patient, split in before.items())


def test_the_usual_shares_of_a_thousand_patients() -> None:
    manifest = table_of({f"p{k}": [[]] for k in range(1000)}, ())
    parted = split_by_patient(manifest)
    sizes = [len(parted.of_split(s)) for s in ("train", "validation", "test")]
    # Three standard deviations of a binomial share of 1,000: 43 and 34.
    assert sizes == pytest.approx([700, 150, 150], abs=43)
    assert len(set(fold_by_patient(manifest).tolist())) == 5


def test_every_split_gets_a_patient() -> None:
    """sha256sum: 0:a 9df3 (0.62), 0:b e021 (0.88), 0:c be08 (0.74)."""
    manifest = table_of({"a": [[]], "b": [[]], "c": [[]]}, ())
    assert splits_of(manifest) == {"a": "train", "b": "test", "c": "validation"}
    # 0.62, 0.74 and 0.88 are all below 0.95: the first of them by hash fills the empty split.
    filled = splits_of(manifest, shares=SplitShares(0.95, 0.0, 0.05))
    assert filled == {"a": "test", "b": "train", "c": "train"}
    with pytest.raises(ManifestError, match="2 patient.* into 3 splits"):
        split_by_patient(Manifest(manifest.rows[:2], Path()))
    with pytest.raises(ManifestError, match="3 patient.* into 4 folds"):
        fold_by_patient(manifest, folds=4)


def test_one_person_in_several_spellings_is_warned_of() -> None:
    rows = tuple(
        ManifestRow(f"r{k}", "-", patient=patient)
        for k, patient in enumerate(("9012", "9012.0", "09012", "P7", "p7", "70"))
    )
    found = {p.code: p for p in check_manifest(Manifest(rows, Path()), open_files=False)}
    assert found["patient-spelling"].count == 2
    assert found["patient-spelling"].examples == ("r2 and r0", "r3 and r4")


def test_a_torn_patient_is_named_by_rows_not_by_name() -> None:
    rows = (
        ManifestRow("r0", "-", patient="Mary", split="train"),
        ManifestRow("r1", "-", patient="Mary", split="test"),
    )
    found = check_manifest(Manifest(rows, Path()), open_files=False)[0]
    assert found.code == "patient-in-two-splits"
    assert found.examples == ("of one person, r1 in test and r0 in train",)
    with pytest.raises(LeakageError, match="r0 in train, r1 in test"):
        Manifest(rows, Path()).check()


@pytest.mark.parametrize(
    "shares",
    [
        (0.0, 0.5, 0.5),
        (1.1, -0.1, 0.0),
        (0.7, 0.15, 0.1499),
        (0.7, 0.15, 0.1501),
        (0.7, 0.2, 0.2),
        (0.7, 0.15, 0.15 + 1.1e-9),
    ],
)
def test_shares_that_are_none(shares: tuple[float, float, float]) -> None:
    with pytest.raises(ManifestError, match="do not add up"):
        SplitShares(*shares)


def test_shares_that_add_up_but_for_rounding() -> None:
    assert SplitShares(0.1, 0.7, 0.2).test == 0.2  # 0.1 + 0.7 + 0.2 is 0.9999999999999999
    assert SplitShares(0.7, 0.15, 0.15 - 0.9e-9).train == 0.7
    assert SplitShares(1.0, 0.0, 0.0).train == 1.0
    assert SplitShares() == SplitShares(0.7, 0.15, 0.15)


def strata(manifest: Manifest, names: tuple[str, ...], wanted: list[list[str]]) -> None:
    """The strata follow each other, each in the order of the hashes."""
    assert ranks(manifest, names) == [p for stratum in wanted for p in by_hash(stratum)]


def test_a_numeric_target_is_parted_into_fifths() -> None:
    """More than ten values: 0 to 10 have the edges 2, 4, 6 and 8; an edge is of the lower part."""
    values: dict[str, list[list[float | None]]] = {f"p{k}": [[float(k)]] for k in range(11)}
    values["unknown"] = [[None]]
    fifths = [["p0", "p1", "p2"], ["p3", "p4"], ["p5", "p6"], ["p7", "p8"], ["p9", "p10"]]
    strata(table_of(values, ("x",)), ("x",), [*fifths, ["unknown"]])


def test_of_several_numeric_targets_the_first_decides() -> None:
    """The second one runs the other way, and is the same for the last six."""
    values: dict[str, list[list[float | None]]] = {
        f"p{k}": [[float(k), float(max(10 - k, 5))]] for k in range(11)
    }
    fifths = [["p0", "p1", "p2"], ["p3", "p4"], ["p5", "p6"], ["p7", "p8"], ["p9", "p10"]]
    strata(table_of(values, ("x", "y")), ("x", "y"), fifths)


def test_up_to_ten_values_are_levels() -> None:
    values: dict[str, list[list[float | None]]] = {f"p{k}": [[float(k // 3)]] for k in range(30)}
    values["unknown"] = [[None]]
    levels = [[f"p{3 * k + j}" for j in range(3)] for k in range(10)]
    strata(table_of(values, ("x",)), ("x",), [*levels, ["unknown"]])


def test_a_patient_counts_by_the_mean_of_what_is_known() -> None:
    values: dict[str, list[list[float | None]]] = {
        "a": [[1.0], [None]], "b": [[0.0], [1.0]], "c": [[0.0]], "d": [[1.0], [1.0]],
        "e": [[0.0], [0.0], [None]],
    }  # fmt: skip
    strata(table_of(values, ("x",)), ("x",), [["c", "e"], ["b"], ["a", "d"]])


def test_of_several_targets_the_rarest_positive_one_decides() -> None:
    """Half of the rows positive is not positive; equally rare targets stand in their order."""
    values: dict[str, list[list[float | None]]] = {
        "a": [[1.0, 1.0, 0.0]], "b": [[1.0, 0.0, 0.0]], "c": [[1.0, 0.0, 0.0]],
        "d": [[0.0, 0.0, 1.0]], "e": [[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]],
        "f": [[None, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], "g": [[0.0, 0.0, 0.0]],
    }  # fmt: skip
    names = ("often", "rare", "rare too")
    # often: a, b, c; rare: a, f (2 of 3); rare too: d, f.
    strata(table_of(values, names), names, [["a", "f"], ["d"], ["b", "c"], ["e", "g"]])


# --- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["inf", "-inf", "1e999", "Infinity"])
def test_an_infinite_target_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(f"file,potassium\na,4.1\nb,{text}\n")
    with pytest.raises(TableError, match="line 3, potassium: .* is not finite"):
        read_recordings(tmp_path / "t.csv", ColumnMapping(targets=("potassium",)))
    (tmp_path / "t.csv").write_text(f"file,start,age\na,{text},1\n")
    with pytest.raises(ManifestError, match="line 2, start_s: .* is not finite"):
        read_recordings(tmp_path / "t.csv", ColumnMapping(targets=("age",)))


# --- leaks ---------------------------------------------------------------------------------------


def row(name: str, patient: str | None, split: str | None) -> ManifestRow:
    return ManifestRow(name, f"{name}.npy", patient=patient, split=split)


def codes(rows: list[ManifestRow], folder: Path = Path()) -> dict[str, tuple[str, int]]:
    found = check_manifest(Manifest(tuple(rows), folder), open_files=False)
    return {p.code: (p.severity, p.count) for p in found if p.code != "missing-file"}


def test_a_patient_of_two_splits_is_a_leak() -> None:
    torn = [row("a", "p", "train"), row("b", "p", "test"), row("c", "q", "test"),
            row("d", "r", "validation"), row("e", "r", "train")]  # fmt: skip
    assert codes(torn) == {"patient-in-two-splits": ("leak", 2)}
    # Without a split, or without a patient, nothing is known to be torn.
    sound = [row("a", "p", "train"), row("b", "p", None), row("c", "p", "train")]
    assert codes(sound) == {}
    nameless = [row("a", None, "train"), row("b", None, "test"), row("c", "p", "test")]
    assert codes(nameless) == {"no-patient": ("warning", 2)}
    with pytest.raises(LeakageError, match="1 patient"):
        raise_on_leak(check_manifest(Manifest(tuple(torn[:3]), Path())), Path())
    raise_on_leak(check_manifest(Manifest(tuple(nameless), Path())), Path())


@pytest.mark.parametrize(
    ("first", "second", "code", "severity"),
    [
        (("p", "train"), ("q", "test"), "signal-in-two-splits", "leak"),
        (("p", "train"), ("p", "test"), "signal-in-two-splits", "leak"),
        ((None, "train"), (None, "validation"), "signal-in-two-splits", "leak"),
        (("p", "train"), ("q", "train"), "signal-of-two-patients", "warning"),
        (("p", None), ("q", "train"), "signal-of-two-patients", "warning"),
        (("p", "train"), ("p", "train"), "duplicated-signal", "warning"),
        (("p", None), ("p", "train"), "duplicated-signal", "warning"),
    ],
)
def test_what_one_signal_under_two_records_means(
    first: tuple[str | None, str | None], second: tuple[str | None, str | None],
    code: str, severity: str,
) -> None:  # fmt: skip
    rows = [row("a", *first), row("b", *second), row("c", "z", "train")]
    manifest = Manifest(tuple(rows), Path())
    (problem,) = duplicate_problems(manifest, {"a": "1", "b": "1", "c": "2"})
    assert (problem.code, problem.severity, problem.count) == (code, severity, 1)
    assert duplicate_problems(manifest, {"a": "1", "c": "2"}) == []


def test_one_signal_with_two_labels_is_told_with_its_rows(tmp_path: Path) -> None:
    """By the samples where they were read, by the file and its part where not."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.npy").write_bytes(name.encode())
    labels: list[tuple[str, float | None]]
    labels = [("a", 0.0), ("b", 1.0), ("a", 1.0), ("b", 1.0), ("b", None)]
    labels += [("gone", 0.0), ("gone", 1.0)]
    rows = tuple(
        ManifestRow(f"{k}", f"{name}.npy", patient=name, targets={"af": label, "age": 60.0})
        for k, (name, label) in enumerate(labels)
    )
    (problem,) = contradiction_problems(Manifest(rows, tmp_path), {})
    assert (problem.code, problem.severity, problem.count) == ("contradicting-labels", "warning", 1)
    assert problem.examples == ("'af': 0 says 0 and 2 says 1",)
    # The first is, sample for sample, what stands in the second's file.
    (problem,) = contradiction_problems(Manifest(rows[:2], tmp_path), {"0": "x", "1": "x"})
    assert problem.examples == ("'af': 0 says 0 and 1 says 1",)
    assert contradiction_problems(Manifest(rows[:2], tmp_path), {"0": "x", "1": "y"}) == []
    parts = [replace(rows[0], start_s=0.0), replace(rows[2], start_s=10.0)]
    assert contradiction_problems(Manifest(tuple(parts), tmp_path), {}) == []
    assert contradiction_problems(Manifest(rows, tmp_path), {}, ["age"]) == []
    found = check_manifest(Manifest(rows[:4], tmp_path), open_files=False)
    assert "contradicting-labels" in {problem.code for problem in found}


def test_a_hash_is_of_samples_and_shape() -> None:
    signal = np.arange(6, dtype=np.float32)
    same = signal_hash(signal.reshape(1, 6))
    assert same == signal_hash(signal.reshape(1, 6).astype(np.float64))
    assert same == signal_hash(np.repeat(signal, 2).reshape(1, 12)[:, ::2])
    assert same != signal_hash(signal.reshape(2, 3))
    changed = signal.copy()
    changed[5] = np.nextafter(changed[5], np.float32(9))
    assert same != signal_hash(changed.reshape(1, 6))


def test_problems_stand_with_the_gravest_first_and_three_examples(tmp_path: Path) -> None:
    rows = [row(f"r{k}", f"p{k % 5}", "train" if k < 5 else "test") for k in range(10)]
    rows.append(row("nameless", None, "test"))
    found = check_manifest(Manifest(tuple(rows), tmp_path))
    assert [p.severity for p in found] == ["leak", "error", "warning"]
    assert [p.count for p in found] == [5, 11, 1]
    assert [len(p.examples) for p in found] == [3, 3, 1]


def test_targets_that_nothing_can_be_learned_from() -> None:
    values = {
        "train": [[1.0, 0.0, None, 5.0], [0.0, 0.0, None, 5.0]],
        "test": [[1.0, 0.0, None, 6.0], [None, None, None, None]],
    }
    rows = tuple(
        ManifestRow(f"{split}-{k}", "-", patient=f"{split}{k}", split=split,
                    targets=dict(zip(("both", "flat", "none", "split"), own, strict=True)))
        for split, given in values.items() for k, own in enumerate(given)
    )  # fmt: skip
    found = check_manifest(Manifest(rows, Path()), open_files=False)
    said = [p.message for p in found if p.code != "missing-file"]
    assert said == [
        "there is a train split, and no row of the split validation",
        "'both' has fewer than two different values in the split test",
        "'flat' is 0 in all 3 labelled rows: nothing can be learned or measured",
        "'none' has no value at all",
        "'split' has fewer than two different values in the split train",
        "'split' has fewer than two different values in the split test",
        "1 of 4 rows have no target",
    ]
    only = check_manifest(Manifest(rows[:2], Path()), targets=("both",), open_files=False)
    assert [p.code for p in only] == ["missing-split", "missing-file"]


# --- amplitudes ----------------------------------------------------------------------------------


def warnings_of(signals: list[np.ndarray], folder: Path) -> list[set[str]]:
    """The warnings of each signal (leads, samples)."""
    found = []
    for signal in signals:
        np.save(folder / "x.npy", signal[None].astype(np.float32))
        leads = ["I", "II"][: len(signal)]
        (folder / "x.json").write_text(
            json.dumps({"leads": leads, "sampling_rate": 100, "unit": "mV"})
        )
        manifest = Manifest((ManifestRow("a", "x.npy", index=0, patient="p"),), folder)
        found.append({p.code for p in check_manifest(manifest)})
    return found


def square(size: float) -> np.ndarray:
    return np.tile([size, -size], 500)[None]


def spikes(count: int, size: float) -> np.ndarray:
    signal = square(1.0)
    signal[0, : 2 * count : 2], signal[0, 1 : 2 * count : 2] = size, -size
    return signal


def test_amplitudes_are_half_the_range_between_the_outer_percentiles(tmp_path: Path) -> None:
    """Above 20 mV are µV or counts, below 0.02 mV are V: our limits, from both sides."""
    large, small = {"large-amplitude"}, {"small-amplitude"}
    cases = [
        (square(20.0), set()), (square(20.01), large),
        (square(0.0201), set()), (square(0.0199), small), (square(0.0), set()),
        (square(1.0) + 500.0, set()),  # a baseline is no range
        (spikes(5, 60.0), set()),  # 0.5 % of the samples on either side do not count
        (spikes(15, 30.0), large),  # 1.5 % do, on both sides
        (np.concatenate([square(1.0), square(30.0)]), large),  # the largest lead
        (np.concatenate([square(1.0), square(0.001)]), set()),
    ]  # fmt: skip
    assert warnings_of([signal for signal, _ in cases], tmp_path) == [w for _, w in cases]


# --- leads ---------------------------------------------------------------------------------------

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


@pytest.mark.parametrize(
    ("mode", "wanted", "given", "missing"),
    [
        ("exact", TWELVE, TWELVE, ()),
        # Two limb leads let the four others be derived (Einthoven, Goldberger), chest leads not.
        ("exact", TWELVE, ("I", "II", *TWELVE[6:]), ()),
        ("exact", TWELVE, ("aVF", "III", *TWELVE[6:]), ()),
        ("exact", TWELVE, ("I", *TWELVE[6:]), ("II", "III", "aVR", "aVL", "aVF")),
        ("exact", ("I", "V2"), ("I", "II", "V1"), ("V2",)),
        ("any-subset", TWELVE, ("V6",), ()),
        ("any-subset", ("V1", "V2"), ("I", "II"), ("V1", "V2")),
        ("any-subset", ("V1", "V2"), ("V1",), ()),
        ("any-single", ("I",), ("V5",), ()),
        ("any-single", ("I",), ("MLII", "V5"), ()),
        ("any-single", ("I",), ("V1", "V5"), ("I",)),
    ],
)
def test_leads_that_a_model_needs(
    mode: str, wanted: tuple[str, ...], given: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    spec = InputSpec(mode, wanted, get_preprocessing("ptbxl-bandpass@1"))
    assert missing_leads(given, spec) == missing
