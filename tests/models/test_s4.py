"""The state-space network against the recurrence that it stands for."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from ecgfoundry.errors import SignalError

torch = pytest.importorskip("torch")

from ecgfoundry.models.networks.s4 import CHUNK, S4Layer, S4Net, StateSpace  # noqa: E402


def recurrence(layer: Any, u: np.ndarray) -> np.ndarray:
    """Step by step, in double precision and complex numbers, from the layer's own parameters."""
    step = np.exp(layer.log_step.detach().double().numpy())[:, None]
    eigenvalue = -np.exp(layer.log_decay.detach().double().numpy())
    eigenvalue = eigenvalue + 1j * layer.frequency.detach().double().numpy()
    c = layer.output_real.detach().double().numpy()
    c = c + 1j * layer.output_imaginary.detach().double().numpy()
    a = np.exp(step * eigenvalue)
    b = (a - 1) / eigenvalue  # zero-order hold of s' = A s + u
    width, batch, samples = u.shape
    state = np.zeros((width, batch, a.shape[1]), complex)
    y = np.empty(u.shape)
    for k in range(samples):
        state = a[:, None] * state + b[:, None] * u[..., k, None]
        y[..., k] = 2 * (c[:, None] * state).sum(-1).real
    return y


@pytest.mark.parametrize("samples", [1, 7, CHUNK, CHUNK + 1, 3 * CHUNK, 1000])
def test_the_chunks_equal_the_recurrence(samples: int) -> None:
    torch.manual_seed(samples)
    layer = StateSpace(6, 8)
    u = torch.randn(6, 2, samples)
    with torch.no_grad():
        found = layer(u).numpy()
    wanted = recurrence(layer, u.double().numpy())
    assert np.abs(found - wanted).max() <= 1e-5 * max(1.0, np.abs(wanted).max())


def one_mode(frequency: float, *, step: float = 0.1, output: complex = 1.0) -> StateSpace:
    """One channel of one complex mode with A = -1/2 + i frequency."""
    layer = StateSpace(1, 2)
    with torch.no_grad():
        layer.log_step.fill_(math.log(step))
        layer.log_decay.fill_(math.log(0.5))
        layer.frequency.fill_(frequency)
        layer.output_real.fill_(complex(output).real)
        layer.output_imaginary.fill_(complex(output).imag)
    return layer


def response(layer: Any, signal: list[float]) -> np.ndarray:
    with torch.no_grad():
        return layer(torch.tensor(signal)[None, None]).numpy()[0, 0]


def test_the_impulse_response_of_a_real_mode_is_its_zero_order_hold() -> None:
    # s' = -s/2 + u held over dt = 0.1: a = exp(-0.05) = 0.951229, b = 2 (1 - a) = 0.0975412;
    # the conjugate half doubles it: h[k] = 2 b a^k = 0.1950823, 0.1855680, 0.1765178, ...
    found = response(one_mode(0.0), [1.0, 0.0, 0.0, 0.0, 0.0])
    expected = [0.1950823, 0.1855680, 0.1765178, 0.1679090, 0.1597200]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # A constant input settles at 2 C / (1/2) = 4, whatever the step; 1000 steps are 50 lives.
    for step in (0.1, 0.05):
        settled = response(one_mode(0.0, step=step), [1.0] * 1000)[-1]
        assert settled == pytest.approx(4.0, rel=1e-4)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (1.0, (0.191928907, 0.164773162, 0.124467186, -0.116410766, 0.025974753, 0.003789357,
               0.001249110, -0.001168680)),
        (0.3 - 0.8j, (0.081691196, 0.116379293, 0.136653144, -0.049548215, 0.011055701,
                      0.007067198, 0.006630890, 0.005602909)),
    ],
)  # fmt: skip
def test_a_turning_mode_is_the_hold_of_scipy(output: complex, expected: tuple[float, ...]) -> None:
    """s' = (-1/2 + i pi) s + u and y = 2 Re(C s), held over 0.1.

    Literals: scipy.signal.cont2discrete(method="zoh") of SciPy 1.17.1, applied to the system of
    real and imaginary part, [[-1/2, -pi], [pi, -1/2]], and its powers at these lags.
    """
    found = response(one_mode(math.pi, output=output), [1.0] + [0.0] * 65)
    # float32 carries 6e-8 of each power's angle, up to 64 pi / 10: 1e-6.
    np.testing.assert_allclose(found[[0, 1, 2, 10, 40, 63, 64, 65]], expected, atol=2e-6)


def test_an_impulse_gives_the_kernel_and_nothing_before_it() -> None:
    torch.manual_seed(0)
    layer = StateSpace(3, 4)
    u = torch.zeros(3, 1, 300)
    u[..., 100] = 1.0
    with torch.no_grad():
        y = layer(u).numpy()[:, 0]
    wanted = recurrence(layer, u.double().numpy())[:, 0]
    assert np.abs(wanted[:, 100]).min() > 1e-3
    # Sums of zeros are 0 on any processor; the tolerance allows for other ways to multiply.
    assert np.abs(y[:, :100]).max() <= 1e-6 * np.abs(wanted).max()
    np.testing.assert_allclose(y[:, 100:], wanted[:, 100:], atol=1e-5 * np.abs(wanted).max())


def test_fresh_modes_are_s4d_lin_and_the_steps_log_uniform() -> None:
    torch.manual_seed(0)
    layer = StateSpace(20_000, 8)
    # A = -1/2 + i pi n (Gu et al. 2022, S4D-Lin).
    np.testing.assert_allclose(-layer.log_decay.detach().exp(), -0.5, rtol=1e-6)
    turns = layer.frequency.detach()[17].tolist()
    assert turns == pytest.approx([0.0, 3.1415927, 6.2831853, 9.4247780], rel=1e-6)
    steps = layer.log_step.detach().exp().numpy()
    assert 1e-3 * 0.9999 <= steps.min() < 1.01e-3
    assert 0.99e-1 < steps.max() <= 1e-1 * 1.0001
    # Half of a log-uniform draw lies below the geometric mean, 0.01: 10,000 +- 4.5 deviations.
    assert abs(int((steps < 0.01).sum()) - 10_000) < 320
    # C is complex standard normal: variance 1/2 in each part, 80,000 draws of each.
    for part in (layer.output_real, layer.output_imaginary):
        assert float(part.detach().square().mean()) == pytest.approx(0.5, abs=0.012)


def shares(layer: Any, at: int, samples: int, width: int) -> np.ndarray:
    """How strongly one output sample depends on every input sample, relative to the most."""
    torch.manual_seed(1)
    x = torch.randn(1, samples, width, requires_grad=True)
    # A layer norm's outputs have the sum 0: only a weighted sum of them has a gradient.
    (layer(x)[0, at] * torch.tensor([1.0, -2.0, 0.5, 3.0])).sum().backward()
    reach = x.grad[0].abs().sum(-1).numpy()
    return reach / reach.max()


def test_one_direction_hears_the_past_and_two_hear_both_sides() -> None:
    torch.manual_seed(1)
    layer = S4Layer(4, 4, dropout=0.0, bidirectional=False).eval()
    reach = shares(layer, 75, 150, 4)
    assert reach[70:75].min() > 1e-5
    assert reach[76:].max() < 1e-9
    torch.manual_seed(1)
    layer = S4Layer(4, 4, dropout=0.0, bidirectional=True).eval()
    reach = shares(layer, 75, 150, 4)
    assert reach[70:75].min() > 1e-5
    assert reach[76:81].min() > 1e-5


def test_the_backward_direction_begins_with_the_next_sample() -> None:
    torch.manual_seed(1)
    layer = S4Layer(1, 2, dropout=0.0, bidirectional=True).eval()
    layer.forwards, layer.backwards = one_mode(0.0), one_mode(0.0)
    seen = []
    layer.dropout.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.zeros(1, 5, 1)
    x[0, 2] = 1.0
    with torch.no_grad():
        layer.skip.fill_(0.25)
        layer(x)
    # Forward h[0], h[1], h[2] from the impulse on; backward the same from the sample before it.
    sums = [0.1855680, 0.1950823, 0.1950823 + 0.25, 0.1855680, 0.1765178]
    gelu = [0.5 * s * (1 + math.erf(s / math.sqrt(2))) for s in sums]
    np.testing.assert_allclose(seen[0][0, :, 0], gelu, rtol=1e-5)


def test_a_layer_is_gated_residual_and_normalized() -> None:
    torch.manual_seed(3)
    layer = S4Layer(2, 2, dropout=0.0, bidirectional=False).eval()
    with torch.no_grad():
        layer.forwards.output_real.zero_()
        layer.forwards.output_imaginary.zero_()
        layer.skip.copy_(torch.tensor([1.0, 0.0]))
        layer.mix.weight.zero_()
        layer.mix.weight[0, 0] = 2.0  # value of channel 0 = 2 gelu(x0), of channel 1 = 0
        layer.mix.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 1.0]))  # gates sigmoid(0), sigmoid(1)
        found = layer(torch.tensor([[[1.0, 4.0]]]))
    # gelu(1) = 0.8413447; gated 2 * 0.8413447 / 2; beside the input: 1.8413447 and 4. Two numbers
    # that are normalized are -1 and 1, less what epsilon 1e-5 takes.
    assert found[0, 0].tolist() == pytest.approx([-1.0, 1.0], abs=1e-4)
    with torch.no_grad():
        layer.norm = torch.nn.Identity()
        found = layer(torch.tensor([[[1.0, 4.0]]]))
    assert found[0, 0].tolist() == pytest.approx([1.8413447, 4.0], rel=1e-6)


def test_gradients_agree_with_finite_differences_of_the_recurrence() -> None:
    torch.manual_seed(2)
    layer = StateSpace(2, 4)
    u = torch.randn(2, 1, CHUNK + 9)
    weights = torch.randn(u.shape)
    (layer(u) * weights).sum().backward()
    # The differences are taken of the recurrence in double precision, where a step of 1e-6 loses
    # nothing; what is left is the rounding of float32 in sums of about 150 products.
    exact = copy.deepcopy(layer).double()

    def value() -> float:
        return float((recurrence(exact, u.double().numpy()) * weights.double().numpy()).sum())

    for name, parameter in layer.named_parameters():
        flat = exact.get_parameter(name).data.view(-1)
        for k in range(len(flat)):
            before = flat[k].item()
            flat[k] = before + 1e-6
            high = value()
            flat[k] = before - 1e-6
            low = value()
            flat[k] = before
            slope = (high - low) / 2e-6
            found = parameter.grad.view(-1)[k].item()
            assert abs(found - slope) <= 1e-3 * max(1.0, abs(slope)), (name, k)


@pytest.mark.slow
def test_it_learns_how_far_apart_two_spikes_are() -> None:
    """Spikes 20 or 40 samples apart: no sample alone, and no mean, tells which."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = S4Net(1, leads=1, width=24, state=4, layers=1, dropout=0.0, bidirectional=False)
    generator = torch.Generator().manual_seed(0)

    def batch(size: int) -> tuple[Any, Any]:
        label = torch.randint(0, 2, (size,), generator=generator)
        place = torch.randint(5, 55, (size,), generator=generator)
        x = torch.zeros(size, 1, 100)
        rows = torch.arange(size)
        x[rows, 0, place] = 5.0
        x[rows, 0, place + 20 + 20 * label] = 5.0
        return x, label.float()

    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(80):
        x, label = batch(32)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x)[:, 0], label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x, label = batch(400)
    with torch.no_grad():
        right = ((network.eval()(x)[:, 0] > 0) == label.bool()).float().mean()
    assert right > 0.9


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        # Of the benchmark (12 leads, 4 layers of width 512, 8 states, both directions, 5 classes).
        # Direction: 512 + 4 * 512 * 4 = 8,704. Layer: 2 * 8,704 + 512 (skip) + 512 * 1,024 + 1,024
        # (mix) + 1,024 (norm) = 544,256. All: 12 * 512 + 512 + 4 * 544,256 + 5 * 512 + 5.
        ({}, 2_186_245),
        # 128 + 4 * 128 * 4 = 2,176; 2 * 2,176 + 128 + 128 * 256 + 256 + 256 = 37,760.
        ({"width": 128}, 12 * 128 + 128 + 4 * 37_760 + 5 * 128 + 5),
        # 16 + 4 * 16 * 2 = 144; 144 + 16 + 16 * 32 + 32 + 32 = 736.
        (
            {"classes": 3, "leads": 1, "width": 16, "state": 4, "layers": 2,
             "bidirectional": False},
            16 + 16 + 2 * 736 + 3 * 16 + 3,
        ),
    ],
)  # fmt: skip
def test_number_of_parameters(settings: dict[str, Any], parameters: int) -> None:
    assert sum(p.numel() for p in S4Net(**settings).parameters()) == parameters


def test_the_embedding_is_the_mean_over_time_and_the_head_is_linear() -> None:
    torch.manual_seed(0)
    network = S4Net(2, leads=3, width=8, state=4, layers=2).eval()
    assert network.config["dropout"] == 0.2  # of the benchmark
    assert [m.p for m in network.modules() if isinstance(m, torch.nn.Dropout)] == [0.2, 0.2]
    x = torch.randn(2, 3, 100)
    with torch.no_grad():
        y = network.encoder(x.transpose(1, 2))
        for layer in network.layers:
            y = layer(y)
        features = network.forward_features(x)
        torch.testing.assert_close(features, y.sum(dim=1) / 100)
        torch.testing.assert_close(
            network(x), features @ network.dense.weight.T + network.dense.bias
        )
    network.reset_classifier(7)
    assert network(x).shape == (2, 7) and network.config["classes"] == 7


def test_sizes_and_errors() -> None:
    for wrong in ({"state": 3}, {"state": 0}, {"width": 0}, {"layers": 0}, {"leads": 0}):
        with pytest.raises(ValueError, match="state even"):
            S4Net(**{"width": 8, **wrong})
    with pytest.raises(SignalError, match="12, samples"):
        S4Net(width=8)(torch.zeros(1, 3, 100))
    with pytest.raises(SignalError, match="12, samples"):
        S4Net(width=8)(torch.zeros(12, 100))
