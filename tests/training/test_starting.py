"""Where a run starts: leads of a manifest, inputs of fresh networks, parts that learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.errors import ModelNotFoundError, TrainingError  # noqa: E402
from ecgfoundry.leads import STANDARD_12_LEADS  # noqa: E402
from ecgfoundry.manifest import Manifest, ManifestRow  # noqa: E402
from ecgfoundry.models.networks.net1d import Net1D  # noqa: E402
from ecgfoundry.models.registry import ARCHITECTURES, create_model  # noqa: E402
from ecgfoundry.training.initialization import (  # noqa: E402
    architecture_entry,
    leads_of,
    start_from,
)
from ecgfoundry.training.stages import (  # noqa: E402
    classifier_of,
    freeze_all_but,
    training_stages,
)

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def manifest(folder: Path, *leads: tuple[str, ...] | None) -> Manifest:
    """One recording for each tuple of leads; None is a file that is not there."""
    rows = []
    for k, names in enumerate(leads):
        if names is not None:
            signal = np.random.default_rng(k).normal(0, 0.3, (len(names), 500)).astype(np.float32)
            np.save(folder / f"r{k}.npy", signal)
            (folder / f"r{k}.json").write_text(
                json.dumps({"leads": list(names), "sampling_rate": 250.0, "unit": "mV"})
            )
        rows.append(ManifestRow(f"r{k}", f"r{k}.npy"))
    return Manifest(tuple(rows), folder)


@pytest.mark.parametrize(
    ("leads", "shared"),
    [
        ([("V5", "II")], ("II", "V5")),
        ([("MLII", "V5")], ("V5", "MLII")),
        ([("II", "V5"), ("V5", "II", "V1")], ("II", "V5")),
        # Two limb leads give the other four, one does not.
        ([("aVF", "V1", "I")], ("I", "II", "III", "aVR", "aVL", "aVF", "V1")),
        ([("I", "II", "V1"), ("III", "V1")], ("III", "V1")),
        ([None, ("II",)], ("II",)),
    ],
)
def test_leads_that_recordings_share(
    tmp_path: Path, leads: list[tuple[str, ...] | None], shared: tuple[str, ...]
) -> None:
    assert leads_of(manifest(tmp_path, *leads)) == shared


def test_the_first_twenty_recordings_are_looked_at(tmp_path: Path) -> None:
    twenty_first = manifest(tmp_path, *[("II", "V1")] * 20, ("V1",))
    assert leads_of(twenty_first) == ("II", "V1")
    twentieth = manifest(tmp_path, *[("II", "V1")] * 19, ("V1",))
    assert leads_of(twentieth) == ("V1",)


def test_nothing_to_read_and_nothing_shared(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="none of the first recordings"):
        leads_of(manifest(tmp_path, None))
    with pytest.raises(TrainingError, match="share no lead"):
        leads_of(manifest(tmp_path, ("V1",), ("V2",)))


@pytest.mark.parametrize(
    ("architecture", "recipe"),
    [
        ("net1d", "ecgfounder-finetune@1"),  # 5,000 samples
        ("net1d-1lead", "ecgfounder-finetune@1"),
        ("net1d-attention", "ecgfounder-finetune@1"),
        ("rhythm-net", "single-lead-rhythm@1"),  # 6,000 samples
        ("lead-subset-net", "ptbxl-bandpass@1"),  # 2,500 samples
        ("s4", "twelve-lead-100hz@1"),  # 1,000 samples
        ("ecg-fm", "ecg-fm@1"),  # 2,500 samples
        ("ecg-cpc", "ecg-cpc@1"),  # 2,400 samples
    ],
)
def test_usual_preprocessing(architecture: str, recipe: str) -> None:
    assert ARCHITECTURES[architecture].preprocessing == recipe


@pytest.mark.parametrize(
    ("architecture", "leads", "mode", "names", "rate", "samples"),
    [
        ("net1d-tiny", TWELVE, "exact", TWELVE, 500.0, 5000),
        ("net1d-tiny", ("V5", "II"), "exact", ("II", "V5"), 500.0, 5000),
        ("net1d-tiny", ("V5",), "any-single", ("V5",), 500.0, 5000),
        ("net1d-tiny", ("I", "PPG"), "any-single", ("I",), 500.0, 5000),
        ("net1d-tiny", ("PPG",), "any-single", ("PPG",), 500.0, 5000),
        ("rhythm-net", ("II", "V1"), "any-single", ("II",), 200.0, 6000),
        ("rhythm-net", ("II", "I"), "any-single", ("I",), 200.0, 6000),
        ("lead-subset-net", ("I", "II"), "any-subset", TWELVE, 250.0, 2500),
    ],
)
def test_inputs_of_fresh_networks(
    architecture: str, leads: tuple[str, ...], mode: str, names: tuple[str, ...], rate: float,
    samples: int,
) -> None:  # fmt: skip
    start = start_from(architecture, outputs=3, leads=leads)
    spec = start.spec
    assert (spec.lead_mode, spec.leads) == (mode, names)
    assert (spec.sampling_rate, spec.samples) == (rate, samples)
    assert start.origin == "random weights" and start.architecture == architecture
    assert start.takes_presence is (architecture == "lead-subset-net")
    assert classifier_of(start.network).out_features == 3
    if isinstance(start.network, Net1D):
        assert start.network.leads == spec.rows


@pytest.mark.parametrize(
    ("architecture", "leads", "mode", "rows"),
    [("net1d-12lead", ("I",), "exact", 12), ("net1d-1lead", TWELVE, "any-single", 1)],
)
def test_the_released_networks_keep_their_leads(
    architecture: str, leads: tuple[str, ...], mode: str, rows: int
) -> None:
    start = start_from(architecture, outputs=1, leads=leads)
    assert (start.spec.lead_mode, start.spec.rows, start.network.leads) == (mode, rows, rows)


@pytest.mark.parametrize(
    ("leads", "origin"),
    [
        (("I", "II", "V1"), "ptbxl-superclass-12lead"),
        (STANDARD_12_LEADS, "ptbxl-superclass-12lead"),
        (("I", "II"), "rhythm-single-lead"),
        (("MLI", "MLII", "CM5", "II"), "rhythm-single-lead"),
    ],
)
def test_three_standard_leads_start_from_the_twelve_lead_bundle(
    leads: tuple[str, ...], origin: str
) -> None:
    start = start_from(None, outputs=1, leads=leads)
    assert origin in start.origin and start.origin.startswith("the weights of ")


def test_the_seed_decides_fresh_weights() -> None:
    one, same, other = (
        classifier_of(start_from("rhythm-single-lead", outputs=2, leads=("I",), seed=s).network)
        for s in (3, 3, 4)
    )
    assert torch.equal(one.weight, same.weight) and not torch.equal(one.weight, other.weight)
    one, same, other = (
        start_from("net1d-tiny", outputs=2, leads=("I",), seed=s).network for s in (3, 3, 4)
    )
    assert torch.equal(one.first_conv.conv.weight, same.first_conv.conv.weight)
    assert not torch.equal(one.first_conv.conv.weight, other.first_conv.conv.weight)
    with pytest.raises(ModelNotFoundError, match="no architecture 'net2d'"):
        architecture_entry("net2d")


def test_stages_are_frozen_from_the_input_on() -> None:
    network = create_model("net1d-tiny", classes=5, leads=1, widths=(16, 32), blocks=(1, 2))
    names = [name for name, _ in training_stages(network)]
    assert names == ["first_conv", "first_bn", "stage_list.0", "stage_list.1", "classifier"]
    assert freeze_all_but(network, 1) == ["stage_list.1", "classifier"]
    learning = {n for n, p in network.named_parameters() if p.requires_grad}
    assert {n.split(".")[0] for n in learning} == {"stage_list", "dense"}
    assert {n.split(".")[1] for n in learning if n.startswith("stage")} == {"1"}
    assert freeze_all_but(network, 0) == ["classifier"]
    assert {n for n, p in network.named_parameters() if p.requires_grad} == {
        "dense.weight", "dense.bias",
    }  # fmt: skip
    for wrong in (-1, 5):
        with pytest.raises(TrainingError, match="has 4 stages before its classifier"):
            freeze_all_but(network, wrong)
    whole = create_model("net1d-tiny", classes=5, leads=1, widths=(16, 32), blocks=(1, 2))
    assert len(freeze_all_but(whole, 4)) == 5
    with pytest.raises(TrainingError, match="no linear classifier"):
        classifier_of(torch.nn.Conv1d(1, 1, 1))
