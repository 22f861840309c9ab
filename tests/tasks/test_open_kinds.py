"""A kind of task from another package: learned, stored, answered, measured and reported.

``tests/plugins`` adds "ordinal" in one file; nothing of the package knows it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from tests.training.small_data import twelve_leads

from ecgfoundry.errors import BundleError, TrainingError
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.tasks import TASKS, Outputs, Task, infer_task

NAN = math.nan


def stages(*values: float) -> Task:
    return infer_task(np.array(values)[:, None], ["stage"], kind="ordinal")


def test_kinds_of_other_packages_are_found() -> None:
    assert "ordinal" in TASKS and TASKS.origin("ordinal") == "ecgfoundry-plugin 1.0"
    assert TASKS["ordinal"].__module__ == "ecgfoundry_plugin.ordinal"
    with pytest.raises(TrainingError, match=r"no task 'ordnal'\. Did you mean 'ordinal'\?"):
        TASKS["ordnal"]


def test_steps_between_classes() -> None:
    task = stages(0, 1, 2, NAN)
    assert task.vocabulary.names == ("stage at least 1", "stage at least 2")
    assert (task.outputs, task.levels, task.loss) == (2, 3, "at-least")
    wanted = [[0, 0], [1, 0], [1, 1], [NAN, NAN]]
    np.testing.assert_array_equal(
        task.network_targets(np.array([[0.0], [1.0], [2.0], [NAN]])), wanted
    )
    # sigmoid(0) = 0.5; the second step cannot be likelier than the first.
    assert task.answers(np.array([0.0, 2.0])).tolist() == [0.5, 0.5]
    # Answered 2, 1, 0 (both steps passed, one, none) against 2, 2, 1.
    outputs = np.array([[3.0, 1.0], [2.0, -1.0], [-1.0, -3.0], [0.0, 0.0]])
    figures = task.figures(outputs, np.array([[2.0], [2.0], [1.0], [NAN]]))
    assert figures["mean_distance"] == pytest.approx(2 / 3)
    assert task.never_positive(np.array([[0.0], [1.0]])) == ["stage at least 2"]


def test_every_step_is_calibrated_on_its_own() -> None:
    classes = np.repeat([0.0, 1.0, 2.0], [15, 12, 5])[:, None]
    logits = np.stack([classes[:, 0] - 0.5, classes[:, 0] - 1.5], axis=1)
    task = stages(0, 1, 2).calibrated(Outputs.of_single_windows(logits), classes)
    # 17 records are at least 1, and 5 at least 2, of which ten are needed.
    assert task.calibrates == (True, False)
    assert task.thresholds[0] is not None and task.thresholds[1] is None


def test_an_export_would_answer_in_another_way(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from tests.bundles import make_bundle

    from ecgfoundry.models.bundle import load_bundle
    from ecgfoundry.models.export import export_model

    made = load_bundle(make_bundle(tmp_path / "b", np.eye(3)[:, :2], target_kind="ordinal"))
    with pytest.raises(BundleError, match="answers of the kind 'ordinal' are made by another"):
        export_model(made, tmp_path / "out", windows=[], network=lambda windows: windows)
    assert not (tmp_path / "out").exists()


def test_from_a_table_to_a_report(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ecgfoundry.evaluation.evaluate import evaluate
    from ecgfoundry.evaluation.prediction import evaluation_data_of_manifest
    from ecgfoundry.inference.predictor import load_model
    from ecgfoundry.manifest import read_recordings
    from ecgfoundry.models.bundle import load_bundle
    from ecgfoundry.reports.html.report import ReportItem, html_report
    from ecgfoundry.reports.tables import csv_rows
    from ecgfoundry.schemas import schema_problems
    from ecgfoundry.training.finetuning import FinetuneSettings, finetune

    lines = ["file,patient,stage"]
    for k in range(36):
        stage = k % 3
        write_wfdb(twelve_leads(25 + 30 * stage, k, rate=250.0), tmp_path, f"r{k:02d}")
        lines.append(f"r{k:02d},p{k},{stage}")
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(lines) + "\n")
    result = finetune(
        table, tmp_path / "run", targets=("stage",), task="ordinal",
        model="rhythm-single-lead-edge", settings=FinetuneSettings.of(mode="probe"),
    )  # fmt: skip
    configuration = json.loads((tmp_path / "run/configuration.json").read_text())
    assert configuration["task"]["kind"] == "ordinal"
    bundle = load_bundle(result.bundle)
    assert bundle.target_kind == "ordinal" and type(bundle.task) is TASKS["ordinal"]
    names = ("stage at least 1", "stage at least 2")
    assert bundle.vocabulary.names == names
    assert "The steps between classes count as equal." in bundle.document["known_failures"]
    areas = [m for m in bundle.metrics if m.name == "AUROC" and m.data.startswith("test split")]
    assert [m.target for m in areas] == list(names)

    predictor = load_model(result.bundle)
    recording = twelve_leads(85, 100)
    answer = predictor.interpret(recording)
    assert [f.name for f in answer.findings] == list(names)
    first, second = (f.probability for f in answer.findings)
    assert first is not None and second is not None and first >= second
    document = answer.to_dict()
    assert document["target_kind"] == "ordinal" and not schema_problems("interpretation", document)
    assert [row[2] for row in csv_rows([answer])[1:]] == list(names)
    assert "stage at least 2" in html_report([ReportItem(recording, answer)])

    measured = evaluation_data_of_manifest(
        predictor, read_recordings(tmp_path / "run/split.csv"), controls=False
    )
    rows = {row["target"]: row for row in evaluate(measured).cells()}
    assert set(rows) == set(names)
    for metric in areas:
        row = rows[metric.target]
        stated = [NAN if v is None else v for v in (metric.value, metric.low, metric.high)]
        found = [row["auroc"], row["auroc_low"], row["auroc_high"]]
        assert stated == pytest.approx(found, nan_ok=True)
