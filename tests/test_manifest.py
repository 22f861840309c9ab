"""Manifests: what is read, what is explained, and that a leak stops everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import FileAccessError, LeakageError, TableError
from ecgfoundry.manifest import ManifestRow, read_manifest, write_manifest


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_round_trip_keeps_missing_missing(tmp_path: Path) -> None:
    rows = [
        ManifestRow("a", "a.hea", patient="p1", split="train", targets={"AF": 1.0, "MI": None}),
        ManifestRow("b", "b.npz", index=3, age=71.5, sex="female", targets={"AF": 0.0}),
    ]
    manifest = read_manifest(write_manifest(tmp_path / "m.csv", rows))
    assert manifest.rows[0].targets == {"AF": 1.0}  # a column without any value is left out
    assert manifest.rows[1].index == 3 and manifest.rows[1].split is None
    np.testing.assert_array_equal(manifest.targets(["AF", "MI"]), [[1, np.nan], [0, np.nan]])
    assert manifest.groups()[0] == "p1" and manifest.groups()[1] != "p1"
    assert len(manifest.of_split("train")) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("record,path,colour\na,a.hea,red\n", "unknown column.*colour.*target:NAME"),
        ("record\na\n", "the column.* path are missing"),
        ("record,path,age\na,a.hea,old\n", "line 2, age: 'old' is not a number"),
        ("record,path,age\na,a.hea,500\n", "line 2: age: 500"),
        ("record,path,target:AF\na,a.hea,inf\n", "not finite"),
        ("record,path,split\na,a.hea,holdout2\n", "line 2: the split"),
        ("record,path\na,a.hea\na,b.hea\n", "duplicate record id 'a'"),
        ("record,path\n", "no rows"),
        ("record,path\na,a.hea,7\n", "more cells than the header"),
        ("record,path\n,a.hea\n", "line 2: record"),
    ],
)
def test_every_problem_is_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_manifest(write(tmp_path / "m.csv", text))


def test_one_patient_in_two_splits_stops_the_run(tmp_path: Path) -> None:
    text = "record,path,patient,split\na,a,p,train\nb,b,p,test\n"
    with pytest.raises(
        LeakageError,
        match="one patient stands in the splits train and test",
    ):
        read_manifest(write(tmp_path / "m.csv", text))


def test_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match="cannot be opened"):
        read_manifest(tmp_path / "nothing.csv")
    (tmp_path / "m.csv").write_bytes(b"PAR1\x00\x01\x00\x00\x00record")
    with pytest.raises(TableError, match="binary"):
        read_manifest(tmp_path / "m.csv")


def test_a_row_opens_its_recording(tmp_path: Path, fixtures: Path) -> None:
    text = f"record,path,start_s,duration_s\na,{fixtures / 'cinc2021' / 'JS20000.hea'},2,4\n"
    manifest = read_manifest(write(tmp_path / "m.csv", text))
    recording = manifest.open(manifest.rows[0])
    assert recording.duration_s == 4 and len(recording.leads) == 12
