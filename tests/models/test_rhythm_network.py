"""RhythmNet: padding, committees, gradients, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.models.networks.counting import multiply_adds  # noqa: E402
from ecgfoundry.models.networks.rhythm import DOWN_KERNELS, RhythmNet, sample_count  # noqa: E402
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


# --- sizes and numbers ----------------------------------------------------------------------------

SHIPPED = {"channels": [32, 64, 96, 112], "kernels": [7, 5, 5], "dilations": [1, 2, 4]}
EDGE = {"stem_channels": 8, "channels": [16, 32, 64, 96], "kernels": [5, 5, 3]}


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        # Convolutions down 15, 9, 5, 5, 3: 480 + 6,912 + 15,360 + 30,720 + 32,256; residual pairs
        # 32,256 + 40,960 + 92,160 + 3 * 75,264; norms 32 + 96 + 128 + 192 + 224 and, two of a pair,
        # 192 + 256 + 384 + 3 * 448; attention 226; classifier 4 * 448 + 4.
        ({}, 481_766),
        # As the cards of the shipped bundles say.
        ({"members": 4, **SHIPPED}, 1_825_292),
        (EDGE, 239_654),
    ],
)
def test_number_of_parameters(options: dict, parameters: int) -> None:
    assert sum(p.numel() for p in RhythmNet(**options).parameters()) == parameters


@pytest.mark.parametrize(("seconds", "millions"), [(30, 63.6), (10, 21.3)])
def test_multiply_adds_are_those_of_the_card(seconds: int, millions: float) -> None:
    network = RhythmNet(**EDGE)
    assert multiply_adds(network, (1, 200 * seconds)) / 1e6 == pytest.approx(millions, abs=0.05)
    assert network.training


def test_settings_by_default() -> None:
    assert DOWN_KERNELS == (15, 9, 5, 5, 3)
    assert RhythmNet().config == {
        "classes": 4, "members": 1, "stem_channels": 16, "channels": [48, 64, 96, 112],
        "kernels": [7, 5, 5], "dilations": [1, 2, 4], "attention_heads": 2, "dropout": 0.3,
    }  # fmt: skip
    assert RhythmNet().dropout.p == 0.3


def test_the_second_channel_is_the_first_softened_at_a_quarter() -> None:
    network = make_network()
    seen = []
    network.members[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(torch.tensor([[[0.25, 1.0, -0.75, 0.0, 3.75]]]))
    # x / (|x| + 0.25)
    assert seen[0][0, 0, 0].tolist() == [0.25, 1.0, -0.75, 0.0, 3.75]
    assert seen[0][0, 1, 0].tolist() == pytest.approx([0.5, 0.8, -0.75, 0.0, 0.9375])


def test_lengths_along_the_network() -> None:
    network = make_network()
    member = network.members[0]
    lengths: list[int] = []
    for level in member.levels:
        for layer in level:
            layer.register_forward_hook(lambda *args: lengths.append(args[2].shape[-1]))
    with torch.no_grad():
        network(torch.randn(1, 1, 6000))
    assert lengths == [3000, 1500, 1500, 750, 750, 375, 375, 188, 188, 188, 188]


def test_the_embedding_is_attention_mean_and_maximum() -> None:
    network = make_network()
    member = network.members[0]
    seen = []
    member.attention.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0], out)))
    x = torch.randn(2, 1, 2000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = network.forward_features(x).numpy()
    states, scores = (part.double().numpy() for part in seen[0])
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    attended = np.einsum("bhn,bcn->bhc", weights, states).reshape(2, -1)
    expected = np.concatenate([attended, states.mean(axis=2), states.max(axis=2)], axis=1)
    assert features.shape == (2, 448)  # 112 channels, two maps of attention, mean and maximum
    np.testing.assert_allclose(features, expected, atol=1e-4 * np.abs(expected).max())


def test_dilated_blocks_reach_as_far_as_they_say() -> None:
    """One block per dilation, kernel 3, two convolutions: 1 + 2 and 2 * 4 positions either way."""
    network = make_network()
    blocks = network.members[0].levels[-1][1:]
    for block, reach in zip(blocks, (2, 4, 8), strict=True):
        x = torch.zeros(1, 112, 1, 41)
        x.requires_grad_(True)
        block(x + 1.0, None)[0, :, 0, 20].sum().backward()
        touched = np.flatnonzero(x.grad.abs().sum(dim=(0, 1, 2)).numpy())
        assert touched.min() >= 20 - reach and touched.max() <= 20 + reach
        assert touched.max() - touched.min() == 2 * reach
        assert len(touched) == 5
