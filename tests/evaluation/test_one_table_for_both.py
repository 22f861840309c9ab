"""One table with labels and scores, and tables that come back from a review, mean what they say."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import EvaluationError, ManifestError, TableError
from ecgfoundry.evaluation.inputs import InputFiles, load_evaluation_data
from ecgfoundry.evaluation.label_review import correct_labels
from ecgfoundry.manifest import read_recordings

LABELS = np.arange(12) % 2
SCORES = np.round(np.linspace(0.05, 0.94, 12)[::-1], 3)


def table(path: Path, head: list[str], rows: list[list[object]], mark: str = ",") -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter=mark)
        writer.writerow(head)
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    "order", [("target:af", "probability:af"), ("probability:af", "target:af")]
)
def test_a_joined_table_has_labels_and_scores(tmp_path: Path, order: tuple[str, str]) -> None:
    """The truth was the score itself: R2 1.0 of a "quantity"."""
    found = {"target:af": LABELS, "probability:af": SCORES}
    rows = [[f"r{k}", *(found[name][k] for name in order)] for k in range(12)]
    both = table(tmp_path / "both.csv", ["record", *order], rows)
    data = load_evaluation_data(InputFiles(both, both))
    np.testing.assert_array_equal(data.labels[:, 0], LABELS)
    np.testing.assert_array_equal(data.scores[:, 0], SCORES)
    other = table(tmp_path / "p.csv", ["id", "af"], [[f"r{k}", 1 - SCORES[k]] for k in range(12)])
    for files, scores in ((InputFiles(other, both), 1 - SCORES), (InputFiles(both, both), SCORES)):
        again = load_evaluation_data(files)
        np.testing.assert_array_equal(again.labels[:, 0], LABELS)
        np.testing.assert_allclose(again.scores[:, 0], scores)


def test_one_column_is_not_compared_with_itself(tmp_path: Path) -> None:
    one = table(tmp_path / "t.csv", ["id", "af"], [[k, LABELS[k]] for k in range(12)])
    with pytest.raises(EvaluationError, match="the same columns are targets and predictions"):
        load_evaluation_data(InputFiles(one, one))


def reviewed(tmp_path: Path, mark: str, words: tuple[str, str], age: str) -> Path:
    rows = [[f"r{k}", "x.npy", k, f"p{k}", age, words[k % 2]] for k in range(6)]
    head = ["record", "path", "index", "patient", "age", "af"]
    return table(tmp_path / "labels.csv", head, rows, mark)


def decided(tmp_path: Path, *head: str) -> Path:
    cells = {"record": "r0", "target": "af", "given": "0", "suggested": "1", "decision": "accept"}
    names = list(head or cells)
    return table(tmp_path / "decided.csv", names, [[cells[name] for name in names]])


def mapped(path: Path):
    from ecgfoundry.manifest import ColumnMapping

    return read_recordings(path, ColumnMapping(targets=("af",)))


@pytest.mark.parametrize(
    ("mark", "words", "age"),
    [(";", ("0", "1"), "45,5"), ("\t", ("0", "1"), "45,5"), (",", ("no", "yes"), "45.5")],
)
def test_a_corrected_table_says_what_it_said(
    tmp_path: Path, mark: str, words: tuple[str, str], age: str
) -> None:
    """Ages with a decimal comma were lost, and a column of yes and no had a 1 in it."""
    labels = reviewed(tmp_path, mark, words, age)
    new = tmp_path / "new.csv"
    correct_labels(labels, mapped(labels), decided(tmp_path), new)
    before, after = mapped(labels).manifest, mapped(new).manifest
    assert [row.age for row in after] == [row.age for row in before] == [45.5] * 6
    assert after.targets(["af"])[:, 0].tolist() == [1, 1, 0, 1, 0, 1]
    cells = [line.rsplit(";" if mark != "," else ",", 1)[1] for line in new.read_text().split()]
    assert cells == ["af", words[1], *(words[k % 2] for k in range(1, 6))]


def test_what_cannot_be_written_or_read_is_refused(tmp_path: Path) -> None:
    labels = reviewed(tmp_path, ",", ("0", "1"), "45")
    with pytest.raises(TableError, match="names no table that is written here"):
        correct_labels(labels, mapped(labels), decided(tmp_path), tmp_path / "new.parquet")
    with pytest.raises(EvaluationError, match="has no column decision"):
        correct_labels(
            labels, mapped(labels), decided(tmp_path, "record", "target", "given", "suggested"),
            tmp_path / "new.csv",
        )  # fmt: skip


def test_two_columns_of_one_name_that_differ_are_refused(tmp_path: Path) -> None:
    """finetune learned from the one, and evaluate measured by the other."""
    head = ["record", "path", "index", "patient", "af", "target:af"]
    rows = [[f"r{k}", "x.npy", k, f"p{k}", k % 2, k // 3] for k in range(6)]
    with pytest.raises(ManifestError, match="labels of one name and differ"):
        mapped(table(tmp_path / "two.csv", head, rows))
    same = [[*row[:5], row[4]] for row in rows]
    assert mapped(table(tmp_path / "same.csv", head, same)).manifest.targets(["af"]).sum() == 3


@pytest.mark.parametrize("mark", [",", ";"])
def test_the_people_of_a_table_of_labels_count(tmp_path: Path, mark: str) -> None:
    """Of a manifest the model was measured by patient, and its predictions record by record."""
    head = ["record", "path", "Patient", "target:af"]
    rows = [[f"r{k}", "x.npy", f"p{k // 3}", LABELS[k]] for k in range(12)]
    labels = table(tmp_path / "m.csv", head, rows, mark)
    scores = table(tmp_path / "p.csv", ["id", "af"], [[f"r{k}", SCORES[k]] for k in range(12)])
    data = load_evaluation_data(InputFiles(scores, labels))
    assert data.patients_known and data.patients.tolist() == [f"p{k // 3}" for k in range(12)]
    groups = table(tmp_path / "g.csv", ["id", "patient"], [[f"r{k}", k // 6] for k in range(12)])
    data = load_evaluation_data(InputFiles(scores, labels, groups=groups))
    assert len(set(data.patients.tolist())) == 2  # what is named goes first
