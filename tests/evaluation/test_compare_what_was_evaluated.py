"""Folders of evaluations are compared by the files that were evaluated, and by their patients."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import EvaluationError
from ecgfoundry.evaluation.comparison import open_model
from ecgfoundry.evaluation.evaluate import evaluate
from ecgfoundry.evaluation.inputs import InputFiles, load_evaluation_data
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.evaluation.writing import json_text, write_text

COUNT = 24


def table(path: Path, head: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(head)
        writer.writerows(rows)
    return path


def predictions(path: Path, seed: int) -> Path:
    scores = np.random.default_rng(seed).random(COUNT)
    return table(path, ["id", "af"], [[f"r{k}", f"{scores[k]:.6f}"] for k in range(COUNT)])


def evaluated(folder: Path, files: InputFiles) -> Path:
    found = evaluate(load_evaluation_data(files), Settings.of(draws=0, seed=0), title=folder.name)
    write_text(folder, {"metrics.json": json_text(found.document)})
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    rows = [[f"r{k}", k % 2] for k in range(COUNT)]
    return table(tmp_path / "labels.csv", ["id", "af"], rows)


def test_predictions_written_over_those_of_before_are_refused(tmp_path: Path, labels: Path) -> None:
    """Two models under one file name: the second was compared with itself, difference 0."""
    one = evaluated(tmp_path / "one", InputFiles(predictions(tmp_path / "p.csv", 1), labels))
    assert open_model(one) is not None
    two = evaluated(tmp_path / "two", InputFiles(predictions(tmp_path / "p.csv", 2), labels))
    assert open_model(two) is not None
    with pytest.raises(EvaluationError, match="has changed since one evaluated it"):
        open_model(one)


def test_corrected_labels_are_other_labels(tmp_path: Path, labels: Path) -> None:
    one = evaluated(tmp_path / "one", InputFiles(predictions(tmp_path / "p.csv", 1), labels))
    labels.write_text(labels.read_text().replace("r0,0", "r0,1"))
    with pytest.raises(EvaluationError, match="labels.csv: has changed since"):
        open_model(one)


def test_patients_of_the_covariates_stay_patients(tmp_path: Path, labels: Path) -> None:
    rows = [[f"r{k}", f"p{k // 3}", 50 + k] for k in range(COUNT)]
    about = table(tmp_path / "about.csv", ["id", "patient", "age"], rows)
    scores = predictions(tmp_path / "p.csv", 1)
    one = evaluated(tmp_path / "one", InputFiles(scores, labels, covariates=about))
    again = open_model(one)
    assert again is not None and again.data.patients_known
    assert len(set(again.data.patients.tolist())) == COUNT // 3
