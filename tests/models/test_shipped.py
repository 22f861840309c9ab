"""The shipped bundles: whole, small, as the contract names them, and what their cards say."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.metrics.classification import macro_auroc
from ecgfoundry.models.bundle import load_bundle, shipped_folder
from ecgfoundry.samples import sample_path
from ecgfoundry.schemas import schema_problems

NAMES = (
    "diagnosis-12lead",
    "ptbxl-superclass-12lead",
    "rhythm-single-lead",
    "rhythm-single-lead-edge",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_bundle_is_whole(name: str) -> None:
    bundle = load_bundle(shipped_folder() / name)
    assert bundle.name == name and bundle.document["calibration"] is not None
    card = bundle.file("README.md").read_text()
    assert "Not a medical device" in card and "## Known limits" in card
    for metric in bundle.document["metrics"]:
        assert metric["data"]
    assert bundle.document["provenance"]["training_data"][0]["licence"]


def test_together_they_are_small() -> None:
    size = sum(path.stat().st_size for path in shipped_folder().rglob("*") if path.is_file())
    assert size <= 13_000_000


def test_names_and_shapes_of_the_contract() -> None:
    rhythm = ecgfoundry.load_model("rhythm-single-lead").bundle
    assert rhythm.vocabulary.names == ("normal", "atrial fibrillation", "other rhythm", "noisy")
    assert rhythm.task.exclusive and rhythm.input.lead_mode == "any-single"
    superclass = ecgfoundry.load_model("ptbxl-superclass-12lead").bundle
    assert superclass.vocabulary.names == ("NORM", "MI", "STTC", "CD", "HYP")
    assert (superclass.input.rows, superclass.input.samples) == (12, 2500)
    assert superclass.input.sampling_rate == 250 and None not in superclass.thresholds


def test_the_statements_of_a_real_ecg_are_answered_from_all_leads_and_from_one(
    fixtures: Path,
) -> None:
    """Its header: sinus tachycardia, premature atrial beats, ST changes; it did not train."""
    predictor = ecgfoundry.load_model("diagnosis-12lead")
    assert len(predictor.bundle.vocabulary.names) == 25
    recording = ecgfoundry.read(sample_path("12-lead"))
    found = predictor.interpret(recording).findings
    present = {finding.target.name for finding in found if finding.present}
    assert {"SINUS TACHYCARDIA", "STTC"} <= present
    absent = {"NORM", "LEFT BUNDLE BRANCH BLOCK", "SINUS BRADYCARDIA", "ATRIAL FIBRILLATION"}
    assert not absent & present
    # Nothing less likely than not is claimed, and no claim contradicts another.
    assert all(finding.probability >= 0.5 for finding in found if finding.present)
    stated = ecgfoundry.interpret(recording, model="diagnosis-12lead").statements
    assert [one.name for one in stated if one.present and one.contradicts] == []
    one = predictor.interpret(recording.select(["I"]))
    assert one.leads_used == ("I",)
    assert len(one.findings) == 25


def test_every_shipped_bundle_is_tested_here() -> None:
    assert sorted(NAMES) == sorted(path.name for path in shipped_folder().iterdir())


def test_the_edge_model_is_small_and_loses_little() -> None:
    """At most half a million parameters, and 0.005 of AUROC against the committee."""
    bundle = load_bundle(shipped_folder() / "rhythm-single-lead-edge")
    committee = load_bundle(shipped_folder() / "rhythm-single-lead")
    assert bundle.document["architecture"]["parameters"] <= 500_000
    assert (bundle.folder / "model.onnx").stat().st_size <= 1_000_000
    assert bundle.input == committee.input and bundle.vocabulary == committee.vocabulary
    lost = [
        -metric["value"]
        for metric in bundle.document["metrics"]
        if metric["name"].startswith("macro AUROC, less") and metric["data"].endswith("30 s")
    ]
    assert len(lost) == 1 and lost[0] <= 0.005


@pytest.mark.parametrize("name", NAMES)
def test_graph_and_weights_agree_on_real_ecgs(name: str, fixtures: Path) -> None:
    pytest.importorskip("torch", reason="comparing with the weights needs PyTorch")
    predictor = ecgfoundry.load_model(name, runtime="onnxruntime")
    reference = ecgfoundry.load_model(name, runtime="torch")
    paths = [*sorted((fixtures / "cinc2021").glob("*.hea")), *(fixtures / "mitdb").glob("*.hea")]
    for path in paths:
        recording = ecgfoundry.read(path)
        answer, wanted = predictor.interpret(recording), reference.interpret(recording)
        assert wanted.refused is None
        for given, expected in zip(answer.findings, wanted.findings, strict=True):
            if expected.probability is not None:
                assert given.probability == pytest.approx(expected.probability, abs=1e-5)
        for given, expected in zip(answer.windows, wanted.windows, strict=True):
            assert given.probabilities == pytest.approx(expected.probabilities, abs=1e-5)


def test_any_single_lead_and_any_subset(fixtures: Path) -> None:
    recording = ecgfoundry.read(fixtures / "cinc2021" / "JS20000.hea")
    predictor = ecgfoundry.load_model("ptbxl-superclass-12lead")
    for leads in [(lead,) for lead in recording.leads] + [("I", "II"), ("I", "II", "V2")]:
        answer = predictor.interpret(recording.select(leads, derive=False))
        assert answer.refused is None and set(leads) <= set(answer.leads_used)
        assert not schema_problems("interpretation", answer.to_dict())
    rhythm = ecgfoundry.load_model("rhythm-single-lead")
    for lead in recording.leads:
        answer = rhythm.interpret(recording, lead=lead)
        assert answer.leads_used == (lead,) and len(answer.findings) == 4


def test_garbage_in_absent_leads_cannot_matter() -> None:
    """Presence decides: what stands in a masked row never reaches the logits."""
    predictor = ecgfoundry.load_model("ptbxl-superclass-12lead")
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 12, 2500)).astype(np.float32)
    presence = np.ones((2, 12), dtype=np.float32)
    presence[:, 5:] = 0
    x[:, 5:] = 0
    clean, _ = predictor.runtime.run(x, presence)
    x[:, 5:] = 100 * generator.normal(size=(2, 7, 2500))
    dirty, _ = predictor.runtime.run(x, presence)
    np.testing.assert_allclose(dirty, clean, atol=1e-5)


def _metric(name: str, figure: str, data: str, **fields: str) -> float:
    document = json.loads((shipped_folder() / name / "bundle.json").read_text())
    (value,) = {
        metric["value"]
        for metric in document["metrics"]
        if metric["name"] == figure
        and data in metric["data"]
        and all(metric.get(key) == wanted for key, wanted in fields.items())
    }
    return float(value)


@pytest.mark.slow
def test_the_superclass_card_is_what_the_public_interface_gives(shared_data: Path) -> None:
    """Fold 9 of the card, from the stored arrays through ``logits``."""
    predictor = ecgfoundry.load_model("ptbxl-superclass-12lead")
    table = np.load(shared_data / "ptbxl_subset" / "ptbxl_z250_val.npz")
    x = np.cumsum(table["delta"], axis=2, dtype=np.int16) / np.float32(table["scale"])
    with (shared_data / "ptbxl_subset" / "labels.csv").open() as stream:
        rows = {int(row["ecg_id"]): row for row in csv.DictReader(stream)}
    names = predictor.bundle.vocabulary.names
    labels = np.array(
        [[float(rows[i][f"super_class:{name}"]) for name in names] for i in table["ecg_id"]]
    )
    given = macro_auroc(labels, predictor.logits(x))
    wanted = _metric("ptbxl-superclass-12lead", "macro AUROC", "fold 9", leads="12 leads")
    assert given == pytest.approx(wanted, abs=0.002)
