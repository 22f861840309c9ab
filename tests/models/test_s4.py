"""The state-space network against the recurrence that it stands for."""

from __future__ import annotations

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


def test_an_impulse_gives_the_kernel_and_nothing_before_it() -> None:
    torch.manual_seed(0)
    layer = StateSpace(3, 4)
    u = torch.zeros(3, 1, 300)
    u[..., 100] = 1.0
    with torch.no_grad():
        y = layer(u).numpy()[:, 0]
    assert (y[:, :100] == 0).all()
    decay, rotation, real, imaginary = (part.detach().double().numpy() for part in layer.discrete())
    lags = np.arange(200)
    powers = np.exp((decay + 1j * rotation)[..., None] * lags)
    kernel = ((real + 1j * imaginary)[..., None] * powers).sum(1).real
    np.testing.assert_allclose(y[:, 100:], kernel, atol=2e-6)


def test_both_directions_see_both_sides_once() -> None:
    torch.manual_seed(1)
    layer = S4Layer(4, 4, dropout=0.0, bidirectional=True).eval()
    torch.manual_seed(1)
    x = torch.randn(1, 150, 4, requires_grad=True)
    layer(x)[0, 75].sum().backward()
    reach = x.grad[0].abs().sum(-1)
    assert (reach[:75] > 0).any() and (reach[76:] > 0).any()
    # The backward kernel begins one sample later: with mirrored weights the middle of a mirrored
    # input is the same, which counting the present sample twice would also give, so check the sum.
    channels = torch.randn(4, 1, 150)
    with torch.no_grad():
        later = torch.nn.functional.pad(channels.flip(-1), (1, 0))[..., :-1]
        y = layer.backwards(later).flip(-1)
    impulse = recurrence(layer.backwards, channels.double().numpy()[..., ::-1])[..., ::-1]
    np.testing.assert_allclose(y[..., :-1], impulse[..., 1:], atol=1e-5)
    assert (y[..., -1] == 0).all()


def test_gradients_agree_with_finite_differences() -> None:
    torch.manual_seed(2)
    layer = StateSpace(2, 4)
    u = torch.randn(2, 1, CHUNK + 9)
    weights = torch.randn(u.shape)

    def value() -> Any:
        return (layer(u) * weights).sum()

    value().backward()
    for parameter in layer.parameters():
        flat = parameter.data.view(-1)
        before = flat[1].item()
        epsilon = 1e-2
        with torch.no_grad():
            flat[1] = before + epsilon
            high = value().item()
            flat[1] = before - epsilon
            low = value().item()
            flat[1] = before
        slope = (high - low) / (2 * epsilon)
        found = parameter.grad.view(-1)[1].item()
        assert abs(found - slope) <= 2e-2 * max(1.0, abs(slope))


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


def test_sizes_and_errors() -> None:
    with pytest.raises(ValueError, match="state even"):
        S4Net(state=3)
    with pytest.raises(SignalError, match="12, samples"):
        S4Net(width=8)(torch.zeros(1, 3, 100))
