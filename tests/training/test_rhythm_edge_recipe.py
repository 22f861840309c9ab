"""The recipe of ``rhythm-single-lead-edge``, end to end on a small made-up data set."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from ecgfoundry.models.networks.rhythm import RhythmNet  # noqa: E402
from ecgfoundry.training import shipped  # noqa: E402
from ecgfoundry.training.recipes import ensembles as committees  # noqa: E402
from ecgfoundry.training.recipes import rhythm_single_lead  # noqa: E402
from ecgfoundry.training.recipes import rhythm_single_lead_edge as recipe  # noqa: E402
from ecgfoundry.training.recipes.rhythm_single_lead import measuring, members, refining  # noqa: E402
from tests.training.test_rhythm_recipe import COUNTS, data_zip  # noqa: E402, F401


@pytest.fixture(scope="module")
def small_settings():
    """Tiny networks, one epoch, few draws; for the whole module."""
    with pytest.MonkeyPatch.context() as patch:
        small = {"stem_channels": 4, "channels": [4, 4, 4, 4], "dilations": [1]}
        patch.setattr(members, "ARCHITECTURE", {**members.ARCHITECTURE, **small})
        patch.setattr(recipe, "ARCHITECTURE", {**recipe.ARCHITECTURE, **small, "dilations": [2]})
        for owner, name in (
            (members, "TEACHER"), (members, "STUDENT"), (refining, "SETTINGS"),
            (recipe, "SETTINGS"), (recipe, "REFINING"),
        ):  # fmt: skip
            patch.setattr(owner, name, replace(getattr(owner, name), epochs=1))
        for owner in (measuring, recipe):
            patch.setattr(owner, "statistic_interval", partial(owner.statistic_interval, draws=50))
        yield


@pytest.fixture(scope="module")
def done(data_zip: Path, tmp_path_factory, small_settings):  # noqa: F811
    """The committee's figures, the edge network's, and the folder of both."""
    work = tmp_path_factory.mktemp("work")
    committee = rhythm_single_lead.run(
        data_zip, work / recipe.COMMITTEE, seed=3, folds=2, student_count=2
    )
    output = work / "rhythm-single-lead-edge"
    edge = recipe.run(data_zip, output, seed=3, folds=2)
    return committee, edge, work


def test_half_of_a_target_is_the_answer_of_the_committee_to_the_very_crop() -> None:
    torch.manual_seed(0)
    teacher = RhythmNet(**{**members.ARCHITECTURE, "channels": [4, 4, 4, 4]}).eval()
    generator = np.random.default_rng(0)
    signals = [generator.normal(size=7000).astype(np.float32) for _ in range(members.BATCH)]
    classes = np.arange(members.BATCH) % 4
    targets = np.eye(4, dtype=np.float32)[classes]
    alone, taught = (
        members.Sampler(signals, classes, targets, 2, members.STUDENT_CROP_SHARES, teacher=one)
        for one in (None, teacher)
    )
    batches = zip(
        alone(0, np.random.default_rng(1)), taught(0, np.random.default_rng(1)), strict=True
    )
    for (inputs, own), (same, blended) in batches:
        assert torch.equal(inputs, same)
        with torch.no_grad():
            answer = torch.softmax(teacher(inputs), dim=1)
        torch.testing.assert_close(blended, (own + answer) / 2)
        assert not blended.requires_grad


def test_the_smaller_network_is_trained_and_measured(done) -> None:
    _, edge, work = done
    folder = work / "rhythm-single-lead-edge"
    configuration = json.loads((folder / "config.json").read_text())["configuration"]
    network = RhythmNet(**configuration)
    stored = load_file(folder / "model.safetensors")
    assert all(t.dtype == torch.float16 for t in stored.values() if t.ndim > 1)
    network.load_state_dict(stored)
    assert configuration["members"] == 1
    assert configuration["dilations"] == [2]
    (curve,) = [json.loads(row) for row in (folder / "curves.jsonl").read_text().splitlines()]
    assert curve["member"] == "member0"
    assert edge["parameters"] == sum(p.numel() for p in network.parameters())
    assert json.loads((folder / "metrics.json").read_text()) == edge


def test_the_committee_beside_it_is_the_one_of_its_own_recipe(done) -> None:
    committee, edge, _ = done
    compared = edge["against_committee"]["30 s"]
    assert compared["records"] == sum(round(0.15 * n) + round(0.1 * n) for n in COUNTS.values())
    for name in ("auroc_A", "f1_mean_NAO"):
        figures = compared[name]
        assert figures["committee"] == pytest.approx(committee["left_out"][name], abs=1e-9)
        assert figures["edge"] == pytest.approx(edge["left_out"][name], abs=1e-9)
        assert figures["difference"] == pytest.approx(figures["edge"] - figures["committee"])
        if figures["difference_ci95"] is not None:  # None where no draw changes the difference
            low, high = figures["difference_ci95"]
            assert low < high
    each = [compared[f"auroc_{label}"]["edge"] for label in rhythm_single_lead.LABELS]
    assert compared["auroc_macro"]["edge"] == pytest.approx(np.mean(each))


def test_a_finished_run_does_not_train_again(done, data_zip: Path, monkeypatch) -> None:  # noqa: F811
    _, edge, work = done
    monkeypatch.setattr(committees, "fit", None)
    output = work / "rhythm-single-lead-edge"
    assert recipe.run(data_zip, output, seed=3, folds=2) == edge


def test_it_becomes_a_bundle_whose_card_names_the_differences(done, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    _, edge, work = done
    name = shipped.RHYTHM_EDGE.name
    folder = shipped.train_shipped(name, tmp_path, work, tmp_path / "bundles", train=False)
    document = json.loads((folder / "bundle.json").read_text())
    (metric,) = [
        m for m in document["metrics"]
        if m["name"].startswith("macro AUROC, less") and m["data"].endswith("30 s")
    ]  # fmt: skip
    wanted = edge["against_committee"]["30 s"]["auroc_macro"]["difference"]
    assert metric["value"] == pytest.approx(wanted)
    assert "Multiply-adds" in (folder / "README.md").read_text()
