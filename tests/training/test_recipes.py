"""Every recipe: registered, documented, and run a few steps on data of its layout."""

from __future__ import annotations

import inspect
import json
import math
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from ecgfoundry.errors import FileAccessError, TrainingError
from ecgfoundry.models.bundle import load_bundle
from ecgfoundry.training.finetuning import FinetuneSettings
from ecgfoundry.training.pretraining import PretrainSettings
from ecgfoundry.training.recipes.mimic_linkage import (
    LINKED_TARGETS,
    _nearest,
    link_mimic,
    result_number,
)
from ecgfoundry.training.recipes.ppg_rhythm import deepbeat_manifest
from ecgfoundry.training.recipes.registry import RECIPES, get_recipe
from tests.training import small_data

WANTED = {
    "ecgfounder_pretrain", "ecgfounder_finetune", "ecgfounder_probe", "cinc2017_rhythm",
    "ptbxl_superclass", "age_sex", "lvef", "ckd", "chd", "nt_probnp", "ppg_rhythm",
    "labs_mcmed", "ecg_cpc", "ecg_masked",
    "diagnosis_12lead",
}  # fmt: skip
GOLDEN = Path(__file__).parent / "golden_losses"
FEW = FinetuneSettings.of(
    epochs=2, batch=8, threads=1, augmentations=(), ema_decay=None, learning_rate=1e-3,
    schedule="constant", warmup=0.0, deterministic=True,
)  # fmt: skip


def test_every_recipe_is_there_and_documented() -> None:
    assert {name for name in RECIPES if RECIPES.origin(name) == "ecgfoundry"} == WANTED
    for name, recipe in RECIPES.items():
        assert recipe.name == name and recipe.data and recipe.source
        parameters = list(inspect.signature(recipe.run).parameters)
        assert parameters[0].startswith("data") and parameters[1] == "output", name
        assert inspect.getdoc(recipe.run), name
    with pytest.raises(TrainingError, match="no recipe 'x'.*age_sex"):
        get_recipe("x")


@pytest.mark.parametrize(
    ("text", "number"),
    [("61", 61.0), ("<50", 50.0), (">70000", 70000.0), ("GREATER THAN 35000", 35000.0),
     (" 4.5 ", 4.5), ("___", None), ("ERROR", None), ("", None), ("5-10", None)],
)  # fmt: skip
def test_results_as_text(text: str, number: float | None) -> None:
    assert result_number(text) == number


def test_the_nearest_result_within_the_window() -> None:
    noon = datetime(2150, 1, 1, 12)
    events = [(noon - timedelta(hours=5), 1.0), (noon + timedelta(hours=3), 2.0)]
    assert _nearest(events, noon, timedelta(hours=24)) == 2.0
    assert _nearest(events, noon - timedelta(hours=2), timedelta(hours=24)) == 1.0
    assert _nearest(events, noon, timedelta(hours=2)) is None
    assert _nearest([], noon, timedelta(hours=2)) is None


def test_linkage_on_tables_as_mimic_lays_them_out(tmp_path: Path) -> None:
    folder = small_data.mimic_folder(tmp_path / "mimic", 6)
    for task in LINKED_TARGETS:
        manifest = link_mimic(folder, task)
        # The second ECG of each patient is eight months later: outside every window and stay.
        assert len(manifest) == 6
        assert all(row.record.endswith("0") for row in manifest)
    ckd = link_mimic(folder, "ckd").targets(["CKD"])[:, 0]
    assert ckd.tolist() == [0, 1, 0, 1, 0, 1]
    assert link_mimic(folder, "chd").targets(["CHD"])[:, 0].tolist() == ckd.tolist()
    values = link_mimic(folder, "nt_probnp").targets(["log10 NT-proBNP", "NT-proBNP >= 125 pg/mL"])
    assert values[1].tolist() == [pytest.approx(math.log10(35000)), 1.0]
    assert values[0].tolist() == [pytest.approx(math.log10(60)), 0.0]
    lvef = link_mimic(folder, "lvef").targets(["LVEF", "LVEF < 50 %"])
    assert lvef[:2].tolist() == [[60.0, 0.0], [31.0, 1.0]]
    recording = (manifest := link_mimic(folder, "ckd")).open(manifest.rows[0])
    assert recording.leads[4:6] == ("aVF", "aVL")  # the order that has to be undone by name
    (folder / "lvef.csv").unlink()
    with pytest.raises(FileAccessError, match=r"lvef\.csv"):
        link_mimic(folder, "lvef")


def test_deepbeat_is_split_by_person_and_never_unpickled(tmp_path: Path) -> None:
    data = small_data.deepbeat_folder(tmp_path / "deepbeat", 8)
    manifest = deepbeat_manifest(data, tmp_path / "work")
    assert len(manifest) == 24 and len(set(manifest.groups())) == 4
    recording = manifest.open(manifest.rows[3])
    assert recording.leads == ("PPG",) and recording.duration_s == 25
    np.savez(data / "train.npz", signal=np.array([{}], object), rhythm=0, parameters=0)
    with pytest.raises(TrainingError, match="not laid out as DeepBeat"):
        deepbeat_manifest(data, tmp_path / "work")


def check_bundle(folder: Path, names: tuple[str, ...], kind: str) -> None:
    bundle = load_bundle(folder)
    assert bundle.vocabulary.names == names and bundle.target_kind == kind
    assert bundle.document["metrics"] and (folder / "README.md").is_file()


def compare_with_golden(name: str, run: Path) -> None:
    """Losses of each epoch against a stored file, within 1 % for other processors."""
    losses = [json.loads(line)["loss"] for line in (run / "curves.jsonl").read_text().splitlines()]
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    assert losses == pytest.approx(golden, rel=0.01), name


@pytest.mark.slow
def test_pretraining_recipe(tmp_path: Path) -> None:
    data = small_data.statements_manifest(tmp_path / "data", 24)
    for one_lead in (False, True):
        result = get_recipe("ecgfounder_pretrain").run(
            data, tmp_path / f"run-{one_lead}", one_lead=one_lead, architecture="net1d-tiny",
            configuration={
                "leads": 1 if one_lead else 12, "widths": (16, 16), "blocks": (1, 1),
            },
            settings=PretrainSettings.of(
                epochs=2, batch=8, validation_share=0.3, threads=1, deterministic=True
            ),
        )  # fmt: skip
        assert len(load_bundle(result.bundle).vocabulary) == 150
    compare_with_golden("ecgfounder_pretrain", tmp_path / "run-False")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ecgfounder_finetune", "ecgfounder_probe"])
def test_ecgfounder_recipes(tmp_path: Path, name: str) -> None:
    data = small_data.age_table(tmp_path / "data", 40)
    result = get_recipe(name).run(
        data, tmp_path / "run", targets=("age",), model="net1d-tiny", settings=FEW
    )
    check_bundle(result.bundle, ("age",), "regression")
    if name == "ecgfounder_finetune":
        compare_with_golden(name, tmp_path / "run")


@pytest.mark.slow
def test_age_sex(tmp_path: Path) -> None:
    data = small_data.age_sex_manifest(tmp_path / "data", 24)
    results = get_recipe("age_sex").run(data, tmp_path / "run", model="net1d-tiny", settings=FEW)
    check_bundle(results["age"].bundle, ("age",), "regression")
    check_bundle(results["sex"].bundle, ("male",), "multilabel")
    assert (tmp_path / "run/age/split.csv").read_text().count("train") > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "target", "kind"),
    [("lvef", "LVEF", "regression"), ("nt_probnp", "log10 NT-proBNP", "regression"),
     ("ckd", "CKD", "multilabel"), ("chd", "CHD", "multilabel")],
)  # fmt: skip
def test_clinical(tmp_path: Path, name: str, target: str, kind: str) -> None:
    data = small_data.mimic_folder(tmp_path / "mimic", 24)
    result = get_recipe(name).run(data, tmp_path / "run", model="net1d-tiny", settings=FEW)
    check_bundle(result.bundle, (target,), kind)
    if name == "ckd":
        compare_with_golden(name, tmp_path / "run")


@pytest.mark.slow
def test_ppg(tmp_path: Path) -> None:
    data = small_data.deepbeat_folder(tmp_path / "deepbeat", 24)
    result = get_recipe("ppg_rhythm").run(data, tmp_path / "run", settings=FEW)
    check_bundle(result.bundle, ("atrial fibrillation",), "multilabel")


@pytest.mark.slow
def test_ptbxl_superclass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import load_file

    from ecgfoundry.models.networks.lead_subset import LeadSubsetNet
    from ecgfoundry.training.recipes import ptbxl_superclass as recipe
    from ecgfoundry.training.recipes.ptbxl_superclass import committees, data, measuring, members

    for name, value in {"lead_channels": 4, "channels": 8}.items():
        monkeypatch.setitem(members.ARCHITECTURE, name, value)
    for module in (committees, members):
        monkeypatch.setattr(module, "BATCH", 8)
    draw = measuring.statistic_interval
    monkeypatch.setattr(measuring, "statistic_interval", partial(draw, draws=20))
    subsets = data.lead_subsets()
    few = {name: subsets[name] for name in (data.all_leads(), *data.REDUCED)}
    monkeypatch.setattr(recipe, "lead_subsets", lambda: few)
    folder = small_data.ptbxl_subset(tmp_path / "data", 16, 10)
    run = get_recipe("ptbxl_superclass").run
    metrics = run(folder, tmp_path / "run", seed=2, members=2, copies=2, epochs=1)
    assert metrics["out_of_fold"]["records"] == 16 and metrics["fold_9"]["records"] == 10
    assert 0.0 <= metrics["fold_9"]["auroc"]["I"]["macro"] <= 1.0
    calibration = json.loads((tmp_path / "run/calibration.json").read_text())
    assert len(calibration["thresholds"]["values"]) == 5
    curves = (tmp_path / "run/curves.jsonl").read_text().splitlines()
    assert len(curves) == 4 * 2 + 2  # members of four groups and of the end

    config = json.loads((tmp_path / "run/config.json").read_text())["configuration"]
    network = LeadSubsetNet(**config).eval()
    stored = load_file(tmp_path / "run/model.safetensors")
    network.load_state_dict({name: value.float() for name, value in stored.items()})
    with torch.no_grad():
        answer = network(torch.randn(2, 12, 2500), torch.ones(2, 12))
    assert answer.shape == (2, 5) and bool(torch.isfinite(answer).all())

    # Begun again, nothing is trained: the members and the answers are there.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run/members").iterdir()}
    assert run(folder, tmp_path / "run", seed=2, members=2, copies=2, epochs=1) == metrics
    assert before == {path: path.stat().st_mtime_ns for path in before}
