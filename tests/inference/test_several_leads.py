"""Several leads through a one-lead network: the simulated layout of the one-lead ECGFounder.

Weights are random, in the published layout: what is checked is which lead is read, and that the
combined logit is the mean of theirs, computed here from the network itself, lead by lead.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

import ecgfoundry
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.several_leads import named_leads
from ecgfoundry.models.importing import import_checkpoint
from ecgfoundry.models.registry import create_model
from ecgfoundry.preprocessing import standardize_window
from ecgfoundry.recording import Recording
from ecgfoundry.samples import sample_path
from ecgfoundry.schemas import schema_problems


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """The layout of 1_lead_ECGFounder.pth, with fewer channels."""
    torch.manual_seed(0)
    return create_model("net1d-small", classes=150, leads=1).eval()


@pytest.fixture(scope="module")
def model(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("one-lead")
    torch.save({"state_dict": network.state_dict()}, folder / "1_lead.pth")
    bundle = import_checkpoint(
        folder / "1_lead.pth",
        architecture="net1d-small",
        leads=1,
        vocabulary="ecgfounder-150",
        output=folder / "bundle",
        onnx=False,
    )
    return load_model(bundle, runtime="torch", threads=1)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return ecgfoundry.read(sample_path("12-lead"))


def logits_of(answer: Interpretation) -> np.ndarray:
    """Uncalibrated: the probability is the logistic function of the logit."""
    p = np.array([finding.probability for finding in answer.findings], np.float64)
    return np.log(p / (1 - p))


def test_the_leads_that_are_named() -> None:
    leads = ("V5", "II", "I", "ECG")
    assert named_leads(None, leads) == ()
    assert named_leads("ii", leads) == ("II",)
    assert named_leads("I, v5,I", leads) == ("I", "V5")
    assert named_leads("all", leads) == ("I", "II", "V5")
    assert named_leads("all", ("ECG", "X9")) == ("ECG", "X9")


@pytest.mark.parametrize("lead", ["I,II", "all"])
def test_the_mean_of_the_logits(
    model: Predictor, network: torch.nn.Module, recording: Recording, lead: str
) -> None:
    answer = model.interpret(recording, lead=lead)
    names = ("I", "II") if lead == "I,II" else recording.leads
    assert answer.leads_used == tuple(answer.by_lead) and set(answer.by_lead) == set(names)
    place = {name: k for k, name in enumerate(model.bundle.vocabulary.names)}
    reported = [place[finding.name] for finding in answer.findings]  # others never stand alone
    alone = []
    for name in answer.by_lead:
        window = standardize_window(
            recording.select([name]).signal, recording.sampling_rate, model.bundle.recipe
        )
        with torch.inference_mode():
            alone.append(network(torch.from_numpy(window[None]))[0].double().numpy()[reported])
    assert logits_of(answer) == pytest.approx(np.mean(alone, axis=0), abs=1e-6)
    for name, expected in zip(answer.by_lead, alone, strict=True):
        own = answer.by_lead[name]
        assert own.refused is None
        found = [finding.probability for finding in own.findings]
        assert found == pytest.approx(1 / (1 + np.exp(-expected)), abs=1e-6)
    assert answer.warnings[0].code == "leads-combined"
    assert answer.warnings[0].leads == answer.leads_used


def test_a_lead_that_cannot_be_read_is_left_out_and_named(
    model: Predictor, recording: Recording
) -> None:
    flat = recording.signal.copy()
    flat[recording.leads.index("V5")] = 0.0
    broken = Recording.from_array(
        flat, sampling_rate=recording.sampling_rate, leads=recording.leads, unit="mV"
    )
    answer = model.interpret(broken, lead="I,II,V5")
    assert answer.leads_used == ("I", "II") and answer.verdict == "usable"
    refused = answer.by_lead["V5"].refused
    assert refused is not None and answer.by_lead["V5"].findings == ()
    assert "lead-not-read" in [notice.code for notice in answer.warnings]
    assert logits_of(answer) == pytest.approx(
        logits_of(model.interpret(broken, lead="I,II")), abs=1e-9
    )
    missing = model.interpret(broken, lead="I,V9")
    assert missing.refused is not None and "V9" in missing.refused.message


def test_as_json(model: Predictor, recording: Recording) -> None:
    answer = model.interpret(recording, lead="I,II")
    document = answer.to_dict()
    assert schema_problems("interpretation", document) == []
    assert list(document["by_lead"]) == ["I", "II"]
    assert Interpretation.from_dict(document).to_dict() == document
    assert "by_lead" not in model.interpret(recording, lead="I").to_dict()
