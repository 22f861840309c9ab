"""The one reader of tables of recordings: what finetune takes, every command takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import LeakageError, ManifestError
from ecgfoundry.manifest import (
    ColumnMapping,
    Manifest,
    ManifestRow,
    check_manifest,
    labels_of_model,
    read_recordings,
    write_manifest,
)
from ecgfoundry.tasks import TASKS, Readout, Task
from ecgfoundry.vocabularies import Target, Vocabulary

AGE = ColumnMapping(targets=("age",))


def table(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbffile,patient,age\r\ndata\\a.npy,p1,60\r\n",
        b"file;patient;age\r\ndata/a.npy;p1;60\r\n",
        b"file\tpatient\tage\ndata/a.npy\tp1\t60,0\n",
    ],
)
def test_tables_of_windows(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "a.npy", np.zeros((1, 10)))
    found = read_recordings(table(tmp_path, data), AGE)
    (row,) = found.manifest.rows
    assert (row.path, row.patient, dict(row.targets)) == ("data/a.npy", "p1", {"age": 60.0})


def test_a_sheet_of_excel(fixtures: Path) -> None:
    """Numbers, dates, umlauts, empty cells and a second sheet, which is not read."""
    pytest.importorskip("fastexcel")
    mapping = ColumnMapping(
        path="Datei", patient="Patient", split="Teil", targets=("Alter", "Rhythmus"),
        positive="Vorhofflimmern",
    )  # fmt: skip
    found = read_recordings(fixtures / "sheet" / "labels.xlsx", mapping)
    assert found.classes == {"Rhythmus": ("kein Flimmern", "Vorhofflimmern")}
    assert [(r.path, r.patient, r.split, dict(r.targets)) for r in found.manifest] == [
        ("a.npy", "9012", "train", {"Alter": 60.5, "Rhythmus": 1.0}),
        ("b.npy", "9012", "train", {"Alter": None, "Rhythmus": 0.0}),
        ("ordner/ü.npy", "17", "test", {"Alter": 41.0, "Rhythmus": 0.0}),
        ("d.npy", "18", "validation", {"Alter": 70.25, "Rhythmus": None}),
    ]


def test_parquet(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"file": ["a.npy", "b.npy"], "age": [60.5, None]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert [r.targets["age"] for r in read_recordings(tmp_path / "t.parquet", AGE).manifest] == [
        60.5, None,
    ]  # fmt: skip


def answering(kind: str, words: Vocabulary) -> Task:
    return TASKS[kind].answering(words, Readout())


def test_one_person_in_three_spellings(tmp_path: Path) -> None:
    text = "file,patient,age,split\na,9012,1,train\nb,9012.0,2,test\n"
    with pytest.raises(LeakageError, match="a in train, b in test"):
        read_recordings(table(tmp_path, text), AGE)
    text = "file,patient,age\na,9012,1\nb,9012.0,2\nc,09012,3\nd,A09,3\n"
    patients = [row.patient for row in read_recordings(table(tmp_path, text), AGE).manifest]
    assert patients == ["9012", "9012", "9012", "A09"]


def test_a_mark_is_never_a_label(tmp_path: Path) -> None:
    path = table(tmp_path, "file,wide\na,0\nb,1\nc,-1\n")
    data = read_recordings(path, ColumnMapping(targets=("wide",)))
    wide = Vocabulary("v", (Target("wide", "diagnosis"),), "")
    with pytest.raises(ManifestError, match="'wide' is 0, 1 and -1"):
        labels_of_model(data, answering("multilabel", wide))


def test_what_training_refuses_the_check_refuses() -> None:
    def codes(*splits: str | None, values: tuple[float, ...] = (0, 1, 0, 1)) -> set[str]:
        rows = tuple(
            ManifestRow(str(k), "-", patient=str(k), split=split, targets={"a": values[k]})
            for k, split in enumerate(splits)
        )
        found = check_manifest(Manifest(rows, Path()), open_files=False)
        return {p.code for p in found if p.severity == "error"} - {"missing-file"}

    assert codes("train", "train", "test", "test") == {"missing-split"}
    assert codes("train", "train", "validation", "test") == set()
    assert codes("test", "test") == set()  # a table to measure on
    assert codes(None, None, values=(1, 1)) == {"nothing-to-learn"}
    assert codes("train", "validation", values=(1, 0)) == {"nothing-to-learn"}


def test_the_columns_beside_the_targets_are_kept(tmp_path: Path) -> None:
    text = "ecg_id,file,sex,age,site,duration_s\n7,a,M,61,Ulm,10\n8,b,?,90+,,nan\n"
    data = read_recordings(table(tmp_path, text), ColumnMapping(targets=()), need_targets=False)
    first, second = data.manifest.rows
    assert (first.record, first.sex, first.age, first.site) == ("7", "male", 61.0, "Ulm")
    assert first.duration_s == 10 and second.duration_s is None
    assert (second.sex, second.age) == (None, None)
    assert data.notes == ("1 cell(s) of 'age' hold no age and count as missing.",)


def test_text_classes_as_the_outputs_of_a_model(tmp_path: Path) -> None:
    path = table(tmp_path, "file,rhythm,sex\na,O,f\nb,AF,m\nc,,\n")
    rhythm = Vocabulary("rhythm", tuple(Target(n, "diagnosis") for n in ("AF", "N", "O")), "")
    data = read_recordings(path, ColumnMapping(targets=("rhythm", "sex")), need_targets=False)
    found = labels_of_model(data, answering("multiclass", rhythm))
    assert found.names == ("AF", "N", "O") and found.unused == ("sex",)
    wanted = [[0, 0, 1], [1, 0, 0], [np.nan] * 3]
    np.testing.assert_array_equal(found.values, wanted)
    # The run writes the position of each class among its own, here AF = 0 and O = 2.
    rows = [
        ManifestRow(n, n, targets={"rhythm": v, "sex": s})
        for n, v, s in (("a", 2.0, 0.0), ("b", 0.0, 1.0), ("c", None, None))
    ]
    split = read_recordings(write_manifest(tmp_path / "split.csv", rows))
    found = labels_of_model(split, answering("multiclass", rhythm))
    np.testing.assert_array_equal(found.values, wanted)
    sex = Vocabulary("sex", (Target("sex: m", "diagnosis"),), "")
    for given in (data, split):
        found = labels_of_model(given, answering("multilabel", sex))
        np.testing.assert_array_equal(found.values, [[0], [1], [np.nan]])
    with pytest.raises(ManifestError, match="holds the class 'XX'"):
        other = table(tmp_path, "file,rhythm\na,O\nb,XX\nc,AF\n", "o.csv")
        given = read_recordings(other, ColumnMapping(targets=("rhythm",)))
        labels_of_model(given, answering("multiclass", rhythm))


def test_no_is_a_class_beside_other_classes(tmp_path: Path) -> None:
    grades = Vocabulary(
        "grade", tuple(Target(n, "diagnosis") for n in ("mild", "no", "severe")), ""
    )
    for cells, wanted in (
        ("no mild severe no", ["no", "mild", "severe", "no"]),
        ("no no no no", ["no"] * 4),  # as 0 it would be "mild", the first class of the model
    ):
        rows = "".join(f"{k},{cell}\n" for k, cell in enumerate(cells.split()))
        path = table(tmp_path, "file,grade\n" + rows)
        data = read_recordings(path, ColumnMapping(targets=("grade",)))
        found = labels_of_model(data, answering("multiclass", grades))
        assert [found.names[int(np.argmax(row))] for row in found.values] == wanted
    path = table(tmp_path, "file,grade\na,no\nb,yes\n")
    data = read_recordings(path, ColumnMapping(targets=("grade",)))
    assert [dict(row.targets) for row in data.manifest] == [{"grade": 0.0}, {"grade": 1.0}]
    with pytest.raises(ManifestError, match="holds the class 'yes', which the model does not know"):
        labels_of_model(data, answering("multiclass", grades))


@pytest.mark.parametrize("word", ["none", "None"])
def test_none_beside_classes_is_asked_about(tmp_path: Path, word: str) -> None:
    """The rows without a finding would be lost: to Python "None" is a missing value."""
    text = f"file,grade,age\na,{word},61\nb,mild,{word}\nc,severe,70\n"
    with pytest.raises(ManifestError, match=f"holds '{word}' in 1 of 3 rows beside classes"):
        read_recordings(table(tmp_path, text), ColumnMapping(targets=("grade",)))
    found = read_recordings(table(tmp_path, text), ColumnMapping(targets=("age",)))
    assert [row.targets["age"] for row in found.manifest] == [61.0, None, 70.0]
