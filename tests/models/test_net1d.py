"""Net1D against the listing of the published checkpoint and a NumPy transcription of its text."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # a second thread on a busy machine is slower than none

from ecgfoundry.errors import SignalError  # noqa: E402
from ecgfoundry.models.networks.net1d import (  # noqa: E402
    Net1D,
    halve_maximum,
    same_padding,
    widen_channels,
)

GOLDEN = Path(__file__).parents[1] / "fixtures" / "golden" / "ecgfounder_12lead_tensors.tsv"
SMALL = {"widths": (16, 32, 48), "blocks": (2, 1, 2), "classes": 5}


def golden_tensors() -> list[tuple[str, str, str]]:
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_state_dict_is_that_of_the_published_checkpoint() -> None:
    with torch.device("meta"):  # shapes without memory
        state = Net1D().state_dict()
    own = [
        (name, str(tuple(tensor.shape)), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in state.items()
    ]
    golden = golden_tensors()
    assert len(golden) == 509
    assert own == golden  # names, shapes, types and order


@pytest.mark.parametrize(
    ("configuration", "parameters"),
    [
        ({}, 30_819_014),
        ({"leads": 1}, 30_807_750),
        # The authors call these two variants "1.3 M" and "8.1 M".
        ({"widths": (16, 32, 32, 80, 80, 256, 256), "blocks": (2,) * 7}, 1_269_654),
        ({"widths": (32, 64, 64, 160, 160, 512, 512)}, 8_124_854),
    ],
)
def test_number_of_parameters(configuration: dict, parameters: int) -> None:
    with torch.device("meta"):
        assert count(Net1D(**configuration)) == parameters


def test_lengths_along_the_network() -> None:
    network = Net1D(1, leads=1, widths=(16,) * 7, blocks=(1,) * 7).eval()
    lengths: list[int] = []
    network.first_conv.register_forward_hook(lambda *args: lengths.append(args[2].shape[-1]))
    for stage in network.stage_list:
        stage.register_forward_hook(lambda *args: lengths.append(args[2].shape[-1]))
    with torch.no_grad():
        network(torch.zeros(1, 1, 5000))
    assert lengths == [2500, 1250, 625, 313, 157, 79, 40, 20]


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5, 20, 79, 313, 1250])
@pytest.mark.parametrize("offset", [-5.0, 0.0, 5.0])
def test_maximum_equals_zero_padded_pooling(samples: int, offset: float) -> None:
    x = torch.randn(3, 7, samples, generator=torch.Generator().manual_seed(samples)) + offset
    padded = torch.nn.functional.pad(x, (0, 1))
    reference = torch.nn.functional.max_pool1d(padded, 2)
    result = halve_maximum(x)
    assert result.shape[-1] == math.ceil(samples / 2)
    assert torch.equal(result, reference)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [1, 15, 16])
def test_same_padding_gives_the_stated_length(stride: int, kernel_size: int) -> None:
    for samples in range(1, 70):
        left, right = same_padding(samples, kernel_size, stride)
        assert 0 <= right - left <= 1
        padded = samples + left + right
        assert (padded - kernel_size) // stride + 1 == math.ceil(samples / stride)


def test_widen_channels_puts_the_smaller_half_before() -> None:
    x = torch.ones(1, 2, 3)
    assert widen_channels(x, 5)[0, :, 0].tolist() == [0, 1, 1, 0, 0]
    assert widen_channels(x, 2) is x


# --- a transcription of the description of the network, in NumPy and float64 -------------------


def _swish(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def _convolve(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, stride: int, groups: int
) -> np.ndarray:
    """Direct sums over windows; x (leads, n), weight (outputs, inputs per group, k)."""
    outputs, inputs, k = weight.shape
    n = x.shape[1]
    length = math.ceil(n / stride)
    p = max(0, (length - 1) * stride + k - n)
    padded = np.zeros((x.shape[0], n + p))
    padded[:, p // 2 : p // 2 + n] = x
    result = np.zeros((outputs, length))
    for output in range(outputs):
        first = (output // (outputs // groups)) * inputs
        for position in range(length):
            window = padded[first : first + inputs, position * stride : position * stride + k]
            result[output, position] = np.sum(window * weight[output]) + bias[output]
    return result


def _norm(x: np.ndarray, state: dict[str, np.ndarray], name: str) -> np.ndarray:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    scaled = (x - mean[:, None]) / np.sqrt(variance[:, None] + 1e-5)
    return scaled * state[f"{name}.weight"][:, None] + state[f"{name}.bias"][:, None]


def transcription(
    x: np.ndarray, state: dict[str, np.ndarray], blocks: tuple[int, ...], *, norm: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and embedding of ONE window (leads, samples)."""

    def convolve(x: np.ndarray, name: str, stride: int = 1, groups: int = 1) -> np.ndarray:
        weight, bias = state[f"{name}.conv.weight"], state[f"{name}.conv.bias"]
        return _convolve(x, weight, bias, stride=stride, groups=groups)

    x = convolve(x, "first_conv", stride=2)
    x = _swish(_norm(x, state, "first_bn") if norm else x)
    for s, stage_blocks in enumerate(blocks):
        for b in range(stage_blocks):
            name = f"stage_list.{s}.block_list.{b}"
            shortcut, stride = x, 1
            if b == 0:
                stride = 2
                zero = np.concatenate([x, np.zeros((x.shape[0], 1))], axis=1)
                pairs = zero.shape[1] // 2
                shortcut = np.maximum(zero[:, 0 : 2 * pairs : 2], zero[:, 1 : 2 * pairs : 2])
            if not (s == 0 and b == 0):
                x = _swish(_norm(x, state, f"{name}.bn1") if norm else x)
            x = convolve(x, f"{name}.conv1")
            x = _swish(_norm(x, state, f"{name}.bn2") if norm else x)
            x = convolve(x, f"{name}.conv2", stride=stride, groups=x.shape[0] // 16)
            x = _swish(_norm(x, state, f"{name}.bn3") if norm else x)
            x = convolve(x, f"{name}.conv3")
            squeezed = x.mean(axis=1)
            squeezed = state[f"{name}.se_fc1.weight"] @ squeezed + state[f"{name}.se_fc1.bias"]
            excited = state[f"{name}.se_fc2.weight"] @ _swish(squeezed)
            excited = 1 / (1 + np.exp(-(excited + state[f"{name}.se_fc2.bias"])))
            x = x * excited[:, None]
            before = (x.shape[0] - shortcut.shape[0]) // 2
            x[before : before + shortcut.shape[0]] += shortcut
    embedding = x.mean(axis=1)
    return state["dense.weight"] @ embedding + state["dense.bias"], embedding


@pytest.mark.parametrize("samples", [64, 77])
@pytest.mark.parametrize("leads", [1, 12])
@pytest.mark.parametrize("use_batch_norm", [False, True])
def test_forward_equals_the_transcription(samples: int, leads: int, use_batch_norm: bool) -> None:
    torch.manual_seed(samples + leads)
    network = Net1D(leads=leads, use_batch_norm=use_batch_norm, **SMALL).eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
            elif "bn" in name and tensor.is_floating_point():
                tensor.uniform_(-1.0, 1.0)
            elif tensor.is_floating_point():
                tensor.mul_(2.0)  # so that the gates leave the middle of their range
        x = 3 * torch.randn(2, leads, samples)
        logits, embedding = network(x), network.forward_features(x)
    state = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    for row in range(2):
        expected, features = transcription(
            x[row].double().numpy(), state, SMALL["blocks"], norm=use_batch_norm
        )
        scale = np.sqrt(np.mean(expected**2))
        assert np.abs(logits[row].numpy() - expected).max() <= 1e-5 * max(scale, 1.0)
        assert np.abs(embedding[row].numpy() - features).max() <= 1e-5 * max(scale, 1.0)


def test_batch_norm_tensors_are_there_but_unused_as_released() -> None:
    network = Net1D(leads=1, **SMALL)
    x = torch.randn(2, 1, 50)
    with torch.no_grad():
        before = network.train()(x)
        for name, tensor in network.state_dict().items():
            if ".bn" in name or name.startswith("first_bn"):
                tensor.fill_(7)
        assert torch.equal(network(x), before)
    trained = {name for name, tensor in network.named_parameters() if tensor.requires_grad}
    assert not any("bn" in name for name in trained)
    network(x).sum().backward()
    assert all(
        tensor.grad is not None for name, tensor in network.named_parameters() if name in trained
    )


def test_wrong_shapes_and_settings_are_refused() -> None:
    network = Net1D(leads=2, **SMALL)
    with pytest.raises(SignalError, match="2, samples"):
        network(torch.zeros(1, 3, 50))
    with pytest.raises(SignalError):
        network(torch.zeros(2, 50))
    for wrong in (
        {"widths": (16, 32), "blocks": (1,)},
        {"widths": (16, 24), "blocks": (1, 1)},
        {"widths": (32, 16), "blocks": (1, 1)},
        {"widths": (16,), "blocks": (0,)},
    ):
        with pytest.raises(ValueError):
            Net1D(**wrong)


@pytest.mark.slow
def test_released_size_equals_a_float64_run() -> None:
    torch.manual_seed(0)
    network = Net1D().eval()
    x = torch.randn(1, 12, 5000)
    with torch.no_grad():
        logits = network(x)
        exact = network.double()(x.double())
    assert logits.shape == (1, 150)
    assert float((logits - exact).abs().max() / exact.std()) < 1e-4
