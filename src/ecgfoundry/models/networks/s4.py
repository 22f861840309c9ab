"""S4Net: a state-space network, the strongest supervised baseline of ECG classification.

The state-space layer is the diagonal one, S4D (A. Gu, A. Gupta, K. Goel, C. Re, "On the
parameterization and initialization of diagonal state space models", NeurIPS 2022), with its linear
initialisation. Width, state and depth are by default those with which it was measured on ECGs (T.
Mehari, N. Strodthoff, "Advancing the state-of-the-art for ECG analysis through structured state
space models", 2022, and the benchmark of the AI4HealthUOL group, ICLR 2026): 4 layers of width 512
with 8 states, both directions, inputs at 100 Hz. The code is our own.

Of every channel the layer keeps complex states ``s``, and answers::

    s[k] = a s[k-1] + u[k]        y[k] = Re(c s[k]) + d u[k]

with ``a = exp(dt A)`` and ``c`` from the zero-order hold of ``A``. The usual way to compute this
for a whole signal is a convolution by Fourier transform, which neither exports to ONNX nor runs in
reduced precision. Here the signal is cut into chunks; what an input does within its chunk is one
small triangular matrix product, and what it does to later chunks goes through the states at the
chunks' ends. Sums and products only, equal to the recurrence up to rounding, and exported as they
are. (The same split is known from linear attention and from Mamba-2.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgfoundry.documents import JsonObject
from ecgfoundry.models.networks.sequence import SequenceNetwork, check_windows

__all__ = ["S4Layer", "S4Net", "StateSpace"]

CHUNK = 64
"""Samples of a chunk. Work per sample grows with it, work between chunks falls (our choice)."""
STEP_RANGE = (1e-3, 1e-1)
"""Range of the initial time steps, log-uniform (Gu et al.)."""


class S4Net(SequenceNetwork):
    """ECG windows to logits: a linear map per sample, state-space layers, mean over time.

    Parameters
    ----------
    classes : int
        Number of logits.
    leads : int
        Input channels.
    width : int
        Channels of every layer, and the size of the embedding.
    state : int
        Real states per channel and direction; even, because they form complex pairs.
    layers : int
    dropout : float
        0.2 in the benchmark.
    bidirectional : bool
        Whether every layer also runs from the end to the beginning; without it the network is
        causal.

    Raises
    ------
    ValueError
        A size is not positive, or the number of states is odd.
    """

    def __init__(
        self,
        classes: int = 5,
        *,
        leads: int = 12,
        width: int = 512,
        state: int = 8,
        layers: int = 4,
        dropout: float = 0.2,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        if min(width, state, layers, leads) < 1 or state % 2:
            raise ValueError(
                f"width {width}, state {state} and layers {layers} must be positive, state even"
            )
        self.config: JsonObject = {
            "classes": classes,
            "leads": leads,
            "width": width,
            "state": state,
            "layers": layers,
            "dropout": dropout,
            "bidirectional": bidirectional,
        }
        self.leads = leads
        self.features = width
        self.causal = not bidirectional
        self.encoder = nn.Linear(leads, width)
        self.layers = nn.ModuleList(
            S4Layer(width, state, dropout=dropout, bidirectional=bidirectional)
            for _ in range(layers)
        )
        self.dense = nn.Linear(width, classes)

    def forward_sequence(self, x: Tensor) -> Tensor:
        """Return the features of each sample, (batch, samples, width).

        Of a causal network they depend on this sample and those before it.
        """
        check_windows(x, self.leads)
        x = self.encoder(x.transpose(1, 2))
        for layer in self.layers:
            x = layer(x)
        return x


class S4Layer(nn.Module):
    """State space, GELU, gated linear unit across channels, residual, layer norm."""

    def __init__(self, width: int, state: int, *, dropout: float, bidirectional: bool) -> None:
        super().__init__()
        self.forwards = StateSpace(width, state)
        self.backwards = StateSpace(width, state) if bidirectional else None
        self.skip = nn.Parameter(torch.randn(width))
        self.dropout = nn.Dropout(dropout)
        self.mix = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, samples, width) to the same shape."""
        channels = x.permute(2, 0, 1)
        y = self.forwards(channels)
        if self.backwards is not None:
            # The present sample belongs to the forward direction: this one begins with the next.
            later = functional.pad(channels.flip(-1), (1, 0))[..., :-1]
            y = y + self.backwards(later).flip(-1)
        y = y.permute(1, 2, 0) + x * self.skip
        y = self.dropout(functional.gelu(y))
        y = self.dropout(functional.glu(self.mix(y), dim=-1))
        result: Tensor = self.norm(x + y)
        return result


class StateSpace(nn.Module):
    """The causal convolution of every channel with its own state-space kernel.

    Parameters
    ----------
    width : int
        Channels.
    state : int
        Real states; half as many complex ones.
    """

    def __init__(self, width: int, state: int) -> None:
        super().__init__()
        low, high = (math.log(value) for value in STEP_RANGE)
        modes = state // 2
        self.log_step = nn.Parameter(torch.rand(width) * (high - low) + low)
        # S4D-Lin: A = -1/2 + i pi n. The real part is kept negative by the exponential.
        self.log_decay = nn.Parameter(torch.full((width, modes), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(modes).float().repeat(width, 1))
        self.output_real = nn.Parameter(torch.randn(width, modes) * math.sqrt(0.5))
        self.output_imaginary = nn.Parameter(torch.randn(width, modes) * math.sqrt(0.5))

    def discrete(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the states' decay and rotation per sample, and ``c`` (real, imaginary).

        Each (width, modes), float32: ``a = exp(decay + i rotation)``.
        """
        step = self.log_step.float().exp().unsqueeze(-1)
        real, imaginary = -self.log_decay.float().exp(), self.frequency.float()
        decay, rotation = step * real, step * imaginary
        # c = 2 C (a - 1) / A: zero-order hold, and the conjugate half of the states.
        a_real = decay.exp() * rotation.cos() - 1.0
        a_imaginary = decay.exp() * rotation.sin()
        size = real * real + imaginary * imaginary
        hold_real = (a_real * real + a_imaginary * imaginary) / size
        hold_imaginary = (a_imaginary * real - a_real * imaginary) / size
        c_real, c_imaginary = self.output_real.float(), self.output_imaginary.float()
        return (
            decay,
            rotation,
            2.0 * (c_real * hold_real - c_imaginary * hold_imaginary),
            2.0 * (c_real * hold_imaginary + c_imaginary * hold_real),
        )

    def forward(self, u: Tensor) -> Tensor:
        """(width, batch, samples) to the same shape."""
        width, batch, samples = u.shape
        size = min(CHUNK, int(samples))
        count = (int(samples) + size - 1) // size
        missing = count * size - int(samples)
        if missing:
            u = functional.pad(u, (0, missing))
        pieces = u.reshape(width, batch * count, size)
        decay, rotation, c_real, c_imaginary = self.discrete()
        lags = torch.arange(size, device=u.device, dtype=torch.float32)
        real, imaginary = _powers(decay, rotation, lags)  # width, modes, size
        kernel = (c_real.unsqueeze(-1) * real - c_imaginary.unsqueeze(-1) * imaginary).sum(dim=1)
        y = torch.matmul(pieces, _toeplitz(kernel, size).to(u.dtype))
        if count > 1:
            carried = self._carry(
                pieces.reshape(width, batch, count, size),
                (decay, rotation, c_real, c_imaginary),
                (real, imaginary),
            )
            y = y + carried.reshape(width, batch * count, size)
        y = y.reshape(width, batch, count * size)
        return y[..., : int(samples)] if missing else y

    def _carry(
        self,
        pieces: Tensor,
        discrete: tuple[Tensor, Tensor, Tensor, Tensor],
        powers: tuple[Tensor, Tensor],
    ) -> Tensor:
        """What earlier chunks do to each chunk: (width, batch, count, size) to the same shape."""
        decay, rotation, c_real, c_imaginary = discrete
        real, imaginary = powers
        width, batch, count, size = pieces.shape
        modes = decay.shape[1]
        # The state that each chunk's own inputs leave at its end: sum of a^(size-1-j) u[j].
        gather = torch.cat([real, imaginary], dim=1).flip(-1).transpose(1, 2).to(pieces.dtype)
        local = torch.matmul(pieces.reshape(width, -1, size), gather)
        local = local.reshape(width, batch, count, 2 * modes).permute(0, 3, 2, 1)
        first, second = local[:, :modes], local[:, modes:]  # width, modes, count, batch
        # The state before chunk c: sum over d < c of a^(size (c-1-d)) local[d].
        order = torch.arange(int(count), device=pieces.device)
        distance = (order[:, None] - 1 - order[None, :]).float()
        past = (distance >= 0).float()
        through_real, through_imaginary = _powers(
            decay * float(size), rotation * float(size), distance.clamp(min=0).reshape(-1)
        )
        shape = (width, modes, int(count), int(count))
        through_real = (through_real.reshape(shape) * past).to(pieces.dtype)
        through_imaginary = (through_imaginary.reshape(shape) * past).to(pieces.dtype)
        state_real = torch.matmul(through_real, first) - torch.matmul(through_imaginary, second)
        state_imaginary = torch.matmul(through_real, second) + torch.matmul(
            through_imaginary, first
        )
        states = torch.cat([state_real, state_imaginary], dim=1).permute(0, 3, 2, 1)
        # Its effect at sample i of the chunk: Re(c a^(i+1) s).
        lags = torch.arange(1, int(size) + 1, device=pieces.device, dtype=torch.float32)
        real, imaginary = _powers(decay, rotation, lags)
        c_real, c_imaginary = c_real.unsqueeze(-1), c_imaginary.unsqueeze(-1)
        spread = torch.cat(
            [c_real * real - c_imaginary * imaginary, -(c_real * imaginary + c_imaginary * real)],
            dim=1,
        ).to(pieces.dtype)
        carried = torch.matmul(states.reshape(width, -1, 2 * modes), spread)
        return carried.reshape(width, batch, count, size)


def _powers(decay: Tensor, rotation: Tensor, exponents: Tensor) -> tuple[Tensor, Tensor]:
    """Return real and imaginary part of ``exp((decay + i rotation) k)``, (..., exponents)."""
    size = (decay.unsqueeze(-1) * exponents).exp()
    angle = rotation.unsqueeze(-1) * exponents
    return size * angle.cos(), size * angle.sin()


def _toeplitz(kernel: Tensor, size: int) -> Tensor:
    """Return (width, size, size) with ``kernel[i - j]`` at row j, column i, 0 for i < j."""
    order = torch.arange(size, device=kernel.device)
    lag = order[None, :] - order[:, None]
    causal = (lag >= 0).to(kernel.dtype)
    rows = kernel[:, lag.clamp(min=0).reshape(-1)].reshape(kernel.shape[0], size, size)
    return rows * causal
