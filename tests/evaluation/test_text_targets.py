"""Predictions of a model of text classes, measured against the table with the texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import EvaluationError, TableError
from ecgfoundry.evaluation.inputs import InputFiles, load_evaluation_data


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_two_classes_as_text_or_as_the_split_table_has_them(tmp_path: Path) -> None:
    scored = written(tmp_path, "p.csv", "id,probability:rhythm: AF\na,0.9\nb,0.2\nc,0.6\nd,0.4\n")
    for file, text in (
        ("text.csv", "file;rhythm;age\na;AF;61\nb;not AF;58\nc;;40\nd;AF;77\n"),
        ("split.csv", "record,path,target:rhythm\na,a.npy,1\nb,b.npy,0\nc,c.npy,\nd,d.npy,1\n"),
    ):
        data = load_evaluation_data(InputFiles(scored, written(tmp_path, file, text)))
        assert data.targets == ("rhythm: AF",)
        assert data.records is not None and list(data.records) == ["a", "b", "d"]
        assert data.labels[:, 0].tolist() == [1.0, 0.0, 1.0]
        assert data.scores[:, 0].tolist() == [0.9, 0.2, 0.4]


def test_a_third_class_is_refused(tmp_path: Path) -> None:
    scored = written(tmp_path, "p.csv", "id,rhythm: AF\na,0.9\nb,0.2\nc,0.6\n")
    labels = written(tmp_path, "t.csv", "id,rhythm\na,AF\nb,not AF\nc,not AFF\n")
    with pytest.raises(EvaluationError, match="holds 3 classes, and the model has two"):
        load_evaluation_data(InputFiles(scored, labels))


def test_the_classes_of_a_multiclass_model(tmp_path: Path) -> None:
    scored = written(
        tmp_path, "p.csv", "id,AF,normal,other\na,0.8,0.1,0.1\nb,0.2,0.7,0.1\nc,0.3,0.3,0.4\n"
    )
    labels = written(tmp_path, "t.csv", "id,site,rhythm\na,X,AF\nb,X,normal\nc,Y,n/a\n")
    data = load_evaluation_data(InputFiles(scored, labels, multiclass=True))
    assert data.targets == ("AF", "normal", "other")
    np.testing.assert_array_equal(data.labels, [[1, 0, 0], [0, 1, 0]])


def test_none_is_a_class_where_the_model_has_it_and_else_asked_about(tmp_path: Path) -> None:
    labels = written(tmp_path, "t.csv", "id,grade\na,none\nb,mild\nc,\n")
    scored = written(tmp_path, "p.csv", "id,mild,none\na,0.1,0.9\nb,0.8,0.2\nc,0.5,0.5\n")
    data = load_evaluation_data(InputFiles(scored, labels, multiclass=True))
    assert data.targets == ("mild", "none")
    np.testing.assert_array_equal(data.labels, [[0, 1], [1, 0]])
    scored = written(tmp_path, "q.csv", "id,grade: mild\na,0.1\nb,0.8\nc,0.5\n")
    with pytest.raises(TableError, match="holds 'none' in 1 of 3 rows"):
        load_evaluation_data(InputFiles(scored, labels))
