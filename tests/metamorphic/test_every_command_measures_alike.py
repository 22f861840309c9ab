"""The same records give the same answers, metrics and intervals through every command."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.experiments.hostile_signals import as_leads

pytest.importorskip("polars")
import polars
from scipy.stats import rankdata

import ecgfoundry
from ecgfoundry.cli.main import main
from ecgfoundry.recording import Recording

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
MODEL = "rhythm-single-lead"
TARGETS = ("normal", "atrial fibrillation", "other rhythm", "noisy")
WITHOUT = {"noise": "not", "flat": "flat", "long": "minute"}
"""Records that have no answer as a whole, and a word of the reason that every command gives."""


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as found:
        main([str(argument) for argument in arguments])
    return int(found.value.code or 0)


def pieces() -> dict[str, tuple[Recording, str]]:
    """Ten seconds each of a sinus rhythm and of an atrial fibrillation in noise of many levels."""
    made: dict[str, tuple[Recording, str]] = {}
    for name, label in (("A00001", "normal"), ("A00005", "atrial fibrillation")):
        whole = ecgfoundry.read(FIXTURES / "cinc2017" / f"{name}.hea")
        for k in range(12):
            generator = np.random.default_rng([k, len(label)])
            part = whole.signal[:, (k % 3) * 2900 : (k % 3) * 2900 + 3000]
            noise = np.convolve(generator.normal(size=part.shape[1]), [0.5, 0.5, 0.5], "same")
            x = part + 0.005 * (k + 1) * noise
            # Two of each carry the other label, so that the area is none of 1.
            said = label if k not in (4, 7) else next(t for t in TARGETS[:2] if t != label)
            made[f"{name}-{k}"] = (
                Recording.from_array(x, sampling_rate=300.0, leads=("I",), unit="mV"), said
            )  # fmt: skip
    for name in WITHOUT:
        x = np.zeros((1, 3000))
        if name == "noise":
            x = as_leads("noise 0.5-5 Hz", np.random.default_rng(1), 3000, 300.0, 1, alike=True)
        if name == "long":
            x = np.tile(ecgfoundry.read(FIXTURES / "cinc2017" / "A00001.hea").signal, (1, 3))
        made[name] = Recording.from_array(x, sampling_rate=300.0, leads=("I",), unit="mV"), "normal"
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cohort")
    rows = []
    for name, (recording, label) in pieces().items():
        ecgfoundry.write(recording, made / f"{name}.hea")
        rows.append([name, f"{name}.hea", *(float(label == target) for target in TARGETS)])
    header = ["record", "path", *(f"target:{target}" for target in TARGETS)]
    with (made / "cohort.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    with (made / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["id", *TARGETS], *([r[0], *r[2:]] for r in rows)])
    return made


@pytest.fixture(scope="module")
def inferred(folder: Path) -> dict[str, dict[str, Any]]:
    code = run("infer", folder / "cohort.csv", "--model", MODEL, "--output",
               folder / "infer.parquet", "--workers", 1, "--quiet")  # fmt: skip
    assert code == 1, "some have no answer"
    return {row["record"]: row for row in polars.read_parquet(folder / "infer.parquet").to_dicts()}


def metrics(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8") as stream:
        return {row["target"]: row for row in csv.DictReader(stream)}


def test_a_table_of_predictions_and_the_model_itself_are_measured_alike(
    folder: Path, inferred: dict[str, dict[str, Any]]
) -> None:
    one, other = folder / "by-model", folder / "by-table"
    options = ("--no-controls", "--draws", 200)
    assert run("evaluate", MODEL, folder / "cohort.csv", "--output", one, *options) == 0
    assert run("evaluate", "--predictions", folder / "infer.parquet", "--targets",
               folder / "labels.csv", "--multiclass", "--output", other, *options) == 0  # fmt: skip
    own, given = metrics(one), metrics(other)
    assert own.keys() == given.keys() >= {"normal", "atrial fibrillation"}
    for target, row in own.items():
        for name in ("n", "positives", "auroc", "auroc_low", "auroc_high", "auprc", "brier"):
            if row.get(name):
                assert float(given[target][name]) == pytest.approx(float(row[name]), abs=1e-6), (
                    target,
                    name,
                )
    # The area by ranks, of what `infer` wrote.
    labels = {name: label for name, (_, label) in pieces().items()}
    answered = {name: row for name, row in inferred.items() if name not in WITHOUT}
    scores = np.array([row["probability:atrial fibrillation"] for row in answered.values()])
    ill = np.array([labels[name] == "atrial fibrillation" for name in answered])
    assert len(answered) == 24 and ill.sum() == 12
    area = (rankdata(scores)[ill].sum() - 12 * 13 / 2) / (12 * 12)
    assert float(own["atrial fibrillation"]["auroc"]) == pytest.approx(area, abs=1e-9)
    assert 0.5 < area < 1.0 and own["atrial fibrillation"]["n"] == "24"


@pytest.fixture(scope="module")
def calibrated(folder: Path) -> Path:
    """Return a copy of the model that was calibrated on the table."""
    with pytest.MonkeyPatch.context() as patched:
        said: list[str] = []
        patched.setattr(
            "ecgfoundry.cli.calibrate.print_json",
            lambda document: said.append(json.dumps(document, default=str)),
        )
        code = run("calibrate", MODEL, folder / "cohort.csv", "--output", folder / "own", "--json")
    assert code == 0
    (folder / "own.json").write_text(said[0])
    return folder / "own"


def test_what_has_no_answer_has_none_in_any_command(
    folder: Path, inferred: dict[str, dict[str, Any]], calibrated: Path
) -> None:
    assert {name for name, row in inferred.items() if row["status"] == "refused"} == {
        "noise",
        "flat",
    }
    assert inferred["long"]["probability:normal"] is None
    skipped = json.loads((folder / "own.json").read_text())["skipped"]
    assert skipped.keys() == WITHOUT.keys()
    for name, word in WITHOUT.items():
        assert word in skipped[name], name
    assert run("evaluate", MODEL, folder / "cohort.csv", "--output", folder / "again",
               "--no-controls", "--draws", 0) == 0  # fmt: skip
    text = (folder / "again" / "metrics.json").read_text(encoding="utf-8")
    assert "longer than a minute" in text and "refused" in text


def test_a_calibrated_copy_answers_alike_by_itself_and_in_a_batch(
    folder: Path, calibrated: Path
) -> None:
    few = ("A00001-0", "A00005-3", "noise")
    table = folder / "few.csv"
    table.write_text("record,path\n" + "".join(f"{name},{name}.hea\n" for name in few))
    assert run("infer", table, "--model", calibrated, "--output", folder / "calibrated.parquet",
               "--workers", 1, "--quiet") == 1  # fmt: skip
    for row in polars.read_parquet(folder / "calibrated.parquet").to_dicts():
        answer = ecgfoundry.interpret(folder / f"{row['record']}.hea", model=calibrated)
        assert answer.leads_used in ((), ("I",))
        assert row["code"] == (answer.refused and answer.refused.code)
        for finding in answer.findings:
            assert row[f"probability:{finding.name}"] == pytest.approx(
                finding.probability, abs=2e-5
            )
