"""RhythmNet: padding, committees, gradients, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.models.networks.rhythm import RhythmNet, sample_count  # noqa: E402
from ecgfoundry.models.onnx_export import export_onnx  # noqa: E402


def make_network(seed: int = 0, **options: object) -> RhythmNet:
    torch.manual_seed(seed)
    network = RhythmNet(**options)
    # Fresh norms are the identity, which would hide that a padded position answers their offset.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias, 0.0, 0.5)
            torch.nn.init.normal_(module.running_mean, 0.0, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize("samples", [2000, 2001, 1837, 333, 40, 1])
def test_padding_does_not_change_the_logits(samples: int) -> None:
    network = make_network()
    x = torch.randn(3, 1, samples, generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(x, (0, 6000 - samples))
    with torch.no_grad():
        assert torch.allclose(network(padded), network(x), atol=1e-5)


def test_padding_is_per_recording() -> None:
    network = make_network()
    x = torch.randn(2, 1, 6000, generator=torch.Generator().manual_seed(1))
    x[1, :, 2500:] = 0
    with torch.no_grad():
        both = network(x)
        assert torch.allclose(both[0], network(x[:1])[0], atol=1e-5)
        assert torch.allclose(both[1], network(x[1:, :, :2500])[0], atol=1e-5)


def test_a_pause_inside_is_not_padding() -> None:
    x = torch.zeros(1, 1, 100)
    x[..., 0], x[..., 70] = 1.0, -1.0
    assert sample_count(x).item() == 71
    assert sample_count(torch.zeros(1, 1, 100)).item() == 1


def test_an_empty_window_gives_finite_logits() -> None:
    with torch.no_grad():
        assert torch.isfinite(make_network()(torch.zeros(2, 1, 6000))).all()


def test_committee_is_the_mean_of_its_members() -> None:
    networks = [make_network(seed) for seed in range(3)]
    joined = RhythmNet.committee(networks)
    x = torch.randn(4, 1, 3000, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = torch.stack([network(x) for network in networks]).mean(0)
        assert torch.allclose(joined(x), expected, atol=1e-5)
    assert joined.config["members"] == 3
    assert RhythmNet(**joined.config).load_state_dict(joined.state_dict())


def test_unpadded_training_skips_the_masks_without_changing_the_result() -> None:
    network = make_network()
    x = torch.randn(2, 1, 1000, generator=torch.Generator().manual_seed(3))
    for module in network.modules():
        if not isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout):
            module.training = True
    with torch.no_grad():
        unmasked = network(x)
        assert torch.allclose(unmasked, network.eval()(x), atol=1e-5)


def test_every_parameter_learns_and_heads_can_be_replaced() -> None:
    network = make_network(members=2).train()
    network(torch.randn(2, 1, 2000)).square().sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # An equal shift of all attention scores cancels in the softmax: its bias cannot learn.
    assert all(name.endswith("attention.bias") for name in without)
    network.reset_classifier(7)
    assert network.eval()(torch.randn(1, 1, 2000)).shape == (1, 7)
    assert network.forward_features(torch.randn(1, 1, 2000)).shape == (1, network.features)


def test_onnx_runtime_agrees(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    network = make_network(members=2)
    path = tmp_path / "model.onnx"
    export_onnx(network, leads=1, samples=6000, takes_presence=False, path=path)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((5, 1, 6000)).astype(np.float32)
    x[1, :, 2000:] = 0
    x[2, :, 777:] = 0
    x[3] = 0
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).numpy()
    answer = session.run(["logits"], {"signal": x})[0]
    assert np.abs(answer - expected).max() < 1e-4
    alone = session.run(["logits"], {"signal": x[:1]})[0]
    assert np.abs(alone - expected[:1]).max() < 1e-4
