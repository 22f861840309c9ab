"""What every registered architecture must be able to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfoundry.errors import ModelNotFoundError
from ecgfoundry.models.registry import ARCHITECTURES, available_architectures, create_model
from ecgfoundry.preprocessing import get_preprocessing

# Net1D at its full width is compared in slow tests; the others are small as they are.
SMALL: dict[str, dict[str, Any]] = (
    {
        name: {"widths": (16, 32, 48), "blocks": (1, 1, 2)}
        for name in ("net1d", "net1d-12lead", "net1d-1lead", "net1d-small", "net1d-attention")
    }
    | {
        name: {"width": 24, "layers": 1}
        for name in ("s4", "s4-small", "s4-causal", "s4-small-causal")
    }
    | {"ecg-fm": {"width": 64, "layers": 2, "hidden": 32, "channels": 16, "reach": 8, "groups": 4}}
    | {"ecg-cpc": {"width": 24, "layers": 1}}
)
CLASSES = 3


def windows(name: str, samples: int, *, batch: int = 3, seed: int = 0) -> tuple[Any, ...]:
    """Inputs of a network: ECG-like windows, and a presence mask where it takes one."""
    import torch

    architecture = ARCHITECTURES[name]
    leads = architecture.example_shape[0]
    generator = np.random.default_rng(seed)
    phase = (np.arange(samples) / samples * 11 + generator.uniform(size=(batch, 1, 1))) % 1
    beat = np.exp(-(((phase - 0.5) / 0.03) ** 2)) - 0.3 * np.exp(-(((phase - 0.7) / 0.06) ** 2))
    signal = beat * generator.normal(2, 1, (batch, leads, 1))
    signal = signal + generator.normal(0, 0.1, (batch, leads, samples))
    signal -= signal.mean(-1, keepdims=True)
    signal /= signal.std(-1, keepdims=True)
    x = torch.from_numpy(signal.astype(np.float32))
    if not architecture.takes_presence:
        return (x,)
    presence = torch.ones(batch, leads)
    presence[1, ::2] = 0
    return x * presence.unsqueeze(-1), presence


def build(name: str, **configuration: Any) -> Any:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # a second thread on a busy machine is slower than none
    torch.manual_seed(1)
    return create_model(name, **{**SMALL.get(name, {}), "classes": CLASSES, **configuration}).eval()


@pytest.mark.parametrize("name", available_architectures())
def test_the_usual_recipe_makes_windows_of_the_example_shape(name: str) -> None:
    recipe = get_preprocessing(ARCHITECTURES[name].preprocessing)
    assert recipe.samples == ARCHITECTURES[name].example_shape[1]


def test_s4_is_trained_at_the_rate_that_it_is_announced_for() -> None:
    for name in ("s4", "s4-small"):
        recipe = get_preprocessing(ARCHITECTURES[name].preprocessing)
        assert (recipe.sampling_rate, recipe.window_s) == (100.0, 10.0)


def lengths(name: str) -> tuple[int, int]:
    samples = ARCHITECTURES[name].example_shape[1]
    return samples, samples - 1


@pytest.mark.parametrize("name", available_architectures())
def test_forward_features_and_classifier(name: str) -> None:
    network = build(name)
    import torch

    with torch.no_grad():
        for samples in lengths(name):
            inputs = windows(name, samples)
            logits, embedding = network(*inputs), network.forward_features(*inputs)
            assert logits.shape == (3, CLASSES)
            assert embedding.shape == (3, network.features)
            assert torch.isfinite(logits).all()
            assert torch.isfinite(embedding).all()
            # One window alone gives what it gives in a batch.
            alone = network(*(tensor[:1] for tensor in inputs))
            assert torch.allclose(alone, logits[:1], rtol=1e-4, atol=1e-5)
        network.reset_classifier(7)
        assert network(*inputs).shape == (3, 7)
        assert torch.equal(network.forward_features(*inputs), embedding)
    assert network.config["classes"] == 7
    network.double().reset_classifier(2)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float64}


@pytest.mark.parametrize("name", available_architectures())
def test_state_dict_round_trip_through_the_configuration(name: str) -> None:
    network = build(name)
    import json

    import torch

    # As a bundle does it: settings through JSON, weights strictly.
    configuration = json.loads(json.dumps(network.config))
    copy = create_model(name, **configuration).eval()
    assert copy.config == network.config
    copy.load_state_dict(network.state_dict(), strict=True)
    inputs = windows(name, lengths(name)[0])
    with torch.no_grad():
        assert torch.equal(copy(*inputs), network(*inputs))


@pytest.mark.parametrize("name", available_architectures())
def test_gradients_reach_every_trained_parameter(name: str) -> None:
    network = build(name).train()
    network(*windows(name, lengths(name)[0])).square().sum().backward()
    missing = [
        name
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert not missing


@pytest.mark.parametrize("name", available_architectures())
def test_exported_graph_agrees(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    network = build(name)
    from ecgfoundry.models.onnx_export import export_onnx, verify_onnx

    architecture = ARCHITECTURES[name]
    samples = lengths(name)[1]  # odd; graphs of even length are compared elsewhere too
    path = export_onnx(
        network,
        leads=architecture.example_shape[0],
        samples=samples,
        takes_presence=architecture.takes_presence,
        path=tmp_path / "model.onnx",
    )
    assert verify_onnx(network, path, *windows(name, samples, seed=samples)) <= 1e-4


@pytest.mark.parametrize("name", [n for n, a in ARCHITECTURES.items() if a.masks_padding])
def test_what_masks_padding_may_be_cut(name: str, tmp_path: Path) -> None:
    """One graph for all lengths: with and without the zeros at the end, the same logits."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from ecgfoundry.models.onnx_export import export_onnx, verify_onnx

    network = build(name)
    leads, samples = ARCHITECTURES[name].example_shape
    path = export_onnx(
        network, leads=leads, samples=samples, takes_presence=False, path=tmp_path / "model.onnx",
        free_samples=True,
    )  # fmt: skip
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["batch", leads, "samples"]
    for kept in (samples // 3, samples // 3 - 33, samples // 24, samples):
        (x,) = windows(name, samples, seed=kept)
        x[:, :, kept:] = 0
        x[0, :, kept // 2 :] = 0  # the windows of a batch need not be of one length
        cut = x[:, :, :kept].contiguous()
        assert verify_onnx(network, path, cut) <= 1e-4
        whole, part = (session.run(["logits"], {"signal": y.numpy()})[0] for y in (x, cut))
        assert np.abs(whole - part).max() <= 1e-5


def test_unknown_names_and_settings_are_refused() -> None:
    with pytest.raises(ModelNotFoundError, match=r"Known are: net1d, .*rhythm-net"):
        create_model("net2d")
    pytest.importorskip("torch")
    with pytest.raises(ModelNotFoundError, match=r"no setting width.*widths, blocks"):
        create_model("net1d", width=3)


def test_the_named_networks_have_their_size() -> None:
    torch = pytest.importorskip("torch")
    for name, parameters in {
        "net1d": 30_819_014,
        "net1d-12lead": 30_819_014,
        "net1d-1lead": 30_807_750,
        "net1d-small": 8_124_854,
        "net1d-tiny": 1_269_654,
        "s4": 2_186_245,
        "s4-small": 153_349,
    }.items():
        # Shapes without memory; what "s4" computes as it is made would import a compiler for it.
        with torch.device("meta" if name.startswith("net1d") else "cpu"):
            network = create_model(name)
        assert sum(tensor.numel() for tensor in network.parameters()) == parameters


def test_the_registry_itself_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from ecgfoundry.errors import MissingExtraError\n"
        "from ecgfoundry.models.registry import create_model, available_architectures\n"
        "assert 'net1d' in available_architectures()\n"
        "try: create_model('net1d')\n"
        "except MissingExtraError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'ecgfoundry[torch]'" in result.stdout
