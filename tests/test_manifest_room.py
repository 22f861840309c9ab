"""Mapping of people's own tables, the checks, and splits by patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfoundry.errors import LeakageError, ManifestError, TableError
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.manifest import (
    ColumnMapping,
    Manifest,
    ManifestRow,
    SplitShares,
    check_manifest,
    read_manifest,
    read_recordings,
    split_by_patient,
    write_manifest,
)
from ecgfoundry.manifest.checks import raise_on_leak
from ecgfoundry.manifest.splits import fold_by_patient
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.preprocessing import get_preprocessing
from ecgfoundry.recording import Recording


def record(folder: Path, name: str, *, seed: int = 0, gain: float = 1.0) -> None:
    time = np.arange(1000) / 100
    beats = np.exp(-(((time % 0.8 - 0.3) / 0.02) ** 2))
    noise = np.random.default_rng(seed).normal(0, 0.02, (2, 1000))
    signal = (gain * (beats + noise)).astype(np.float32)
    recording = Recording.from_array(signal, sampling_rate=100, leads=("I", "II"), unit="mV")
    write_wfdb(recording, folder, name, gain=1000.0 / max(gain, 1e-3) / 2)


def test_a_plain_table_becomes_a_manifest(tmp_path: Path) -> None:
    record(tmp_path, "r1")
    (tmp_path / "t.csv").write_text(
        "File,subject_id,age,sex,rhythm,split\nr1,7,61,male,AF,train\nr2.hea,8,,female,,val\n"
    )
    mapping = ColumnMapping(targets=("age", "sex", "rhythm"), positive="male")
    data = read_recordings(tmp_path / "t.csv", mapping)
    first, second = data.manifest.rows
    assert (first.path, first.patient, first.split) == ("r1.hea", "7", "train")
    assert (second.path, second.split) == ("r2.hea", "validation")
    assert dict(first.targets) == {"age": 61.0, "sex": 1.0, "rhythm": 0.0}
    assert second.targets["age"] is None and second.targets["rhythm"] is None
    assert data.classes == {"sex": ("female", "male"), "rhythm": ("AF",)}


@pytest.mark.parametrize(
    ("text", "mapping", "message"),
    [
        ("file,age\na,1\n", {}, "no target was named.*file, age"),
        ("file,age\na,1\n", {"targets": ("sex",)}, "no column 'sex'.*file, age"),
        ("name,age\na,1\n", {"targets": ("age",)}, "no column names the files"),
        ("file,age\na,1\n", {"targets": ("age",), "patient": "who"}, "no column 'who'"),
        ("file,age\na,1\nb,old\n", {"targets": ("age",)}, "line 3, age: 'old' is not a number"),
        ("file,age,split\na,1,holdout2\n", {"targets": ("age",)}, "line 2: the split is"),
        ("file,age\n,1\n", {"targets": ("age",)}, "line 2: no file"),
        ("file,age\na,1,2\n", {"targets": ("age",)}, "more cells"),
        ("file,age\n", {"targets": ("age",)}, "no rows"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(
    tmp_path: Path, text: str, mapping: dict[str, object], message: str
) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TableError, match=message):
        read_recordings(tmp_path / "t.csv", ColumnMapping(**mapping))


def test_an_array_and_its_labels(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(0, 0.3, (3, 1, 1000)).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    (tmp_path / "x.json").write_text('{"leads": ["I"], "sampling_rate": 100, "unit": "mV"}')
    (tmp_path / "t.csv").write_text("patient,age\n1,50\n1,51\n2,70\n")
    data = read_recordings(
        tmp_path / "t.csv", ColumnMapping(targets=("age",)), records=tmp_path / "x.npy"
    )
    assert [row.index for row in data.manifest] == [0, 1, 2]
    np.testing.assert_array_equal(data.manifest.open(data.manifest.rows[2]).signal, array[2])


def test_parquet_round_trip(tmp_path: Path) -> None:
    pytest.importorskip("polars")
    rows = [
        ManifestRow("a", "a.hea", index=2, start_s=1.5, patient="1", targets={"AF": 1.0}),
        ManifestRow("b", "b.hea", split="test", targets={"AF": None}),
    ]
    manifest = read_manifest(write_manifest(tmp_path / "m.parquet", rows))
    assert manifest.rows[0] == rows[0]
    assert manifest.rows[1].targets == {"AF": None} and manifest.rows[1].patient is None


def test_every_problem_has_a_count_and_an_example(tmp_path: Path) -> None:
    for k in range(4):
        record(tmp_path, f"r{k}", seed=k)
    record(tmp_path, "copy", seed=0)
    record(tmp_path, "counts", seed=5, gain=1000.0)
    (tmp_path / "broken.hea").write_text("broken 2 100 1000\nbroken.dat 16\n")
    names = ["r0", "r1", "r2", "r3", "copy", "counts", "broken", "nothing"]
    rows = [
        ManifestRow(
            name, f"{name}.hea", patient=None if name == "r3" else name,
            split="test" if name == "copy" else "train",
            targets={"AF": 1.0, "age": float(k)},
        )
        for k, name in enumerate(names)
    ]  # fmt: skip
    rows.append(ManifestRow("r1b", "r1.hea", start_s=1.0, patient="r1", split="test"))
    manifest = Manifest(tuple(rows), tmp_path)
    spec = InputSpec("exact", ("I", "II", "V1"), get_preprocessing("ptbxl-bandpass@1"))
    found = {p.code: p for p in check_manifest(manifest, model_input=spec)}
    assert {
        "patient-in-two-splits", "signal-in-two-splits", "missing-file", "unreadable-file",
        "missing-leads", "large-amplitude", "no-patient", "constant-target", "unlabelled-record",
    } <= set(found)  # fmt: skip
    assert found["signal-in-two-splits"].examples == ("r0 in train = copy in test",)
    assert "mV" in found["large-amplitude"].examples[0]
    assert found["missing-file"].examples == ("nothing",)
    assert found["missing-leads"].examples[0].endswith(": V1")
    assert all(p.count >= 1 for p in found.values())
    with pytest.raises(LeakageError, match="split"):
        raise_on_leak(check_manifest(manifest), tmp_path)


def test_a_sound_manifest_has_no_problem(tmp_path: Path) -> None:
    for k in range(4):
        record(tmp_path, f"r{k}", seed=k)
    rows = tuple(
        ManifestRow(f"r{k}", f"r{k}.hea", patient=str(k), targets={"a": float(k % 2)})
        for k in range(4)
    )
    assert check_manifest(Manifest(rows, tmp_path)) == []


@given(
    patients=st.lists(st.integers(0, 60), min_size=120, max_size=160),
    seed=st.integers(0, 1000),
)
def test_a_patient_is_in_one_split(patients: list[int], seed: int) -> None:
    rows = tuple(
        ManifestRow(str(k), "-", patient=str(p), targets={"a": float(p % 7 == 0)})
        for k, p in enumerate(patients)
    )
    if len(set(patients)) < 3:
        return
    parted = split_by_patient(Manifest(rows, Path()), seed=seed)
    parted.check()  # raises if a patient is torn
    assert {row.split for row in parted} == {"train", "validation", "test"}


def test_splits_are_seeded_and_independent_of_order() -> None:
    rows = [
        ManifestRow(str(k), "-", patient=f"p{k}", targets={"rare": float(k < 100), "b": 1.0})
        for k in range(1000)
    ]
    first = split_by_patient(Manifest(tuple(rows), Path()), seed=1)
    turned = split_by_patient(Manifest(tuple(rows[::-1]), Path()), seed=1)
    other = split_by_patient(Manifest(tuple(rows), Path()), seed=2)
    where = {row.record: row.split for row in first}
    assert where == {row.record: row.split for row in turned}
    assert where != {row.record: row.split for row in other}
    for split, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        own = first.of_split(split)
        assert len(own) == pytest.approx(1000 * share, abs=43)  # 3 standard deviations
    with pytest.raises(ManifestError, match="add up"):
        SplitShares(0.5, 0.1, 0.1)


def test_folds_are_by_patient_and_stratified() -> None:
    rows = tuple(
        ManifestRow(str(k), "-", patient=f"p{k // 2}", targets={"a": float(k < 60)})
        for k in range(600)
    )
    fold = fold_by_patient(Manifest(rows, Path()), ("a",), folds=5)
    assert (fold.reshape(-1, 2)[:, 0] == fold.reshape(-1, 2)[:, 1]).all()
    assert [int((fold[:60] == k).sum()) for k in range(5)] == [12] * 5
