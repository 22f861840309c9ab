"""ECG-CPC: convolutions and a causal state-space network over pieces of 2.5 s.

The layout is that of the published weights (M. A. Al-Masud, J. M. Lopez Alcaraz and N. Strodthoff,
"Benchmarking ECG foundational models", arXiv 2509.25095), as the public code of their authors
describes it: github.com/AI4HealthUOL/ecg-pretraining-strategies (configuration, convolutions, S4
kernel) and github.com/AI4HealthUOL/s4sleep (the stack of layers). The code here is our own.

A state-space layer of the authors keeps the matrices of A. Gu, K. Goel and C. Re, "Efficiently
modeling long sequences with structured state spaces" (ICLR 2022), fixed::

    x[k] = A x[k-1] + B u[k]        y[k] = C x[k] + D u[k]

with ``A`` and ``B`` by the bilinear rule from HiPPO-LegS and a time step of each channel, and
learns ``C`` and ``D``. So the answer of the fixed part to an impulse, ``A^k B``, is all that is
kept of it here (:attr:`StateSpace.responses`), and the layer is a convolution whose kernel is
linear in ``C``: sums and products that export to ONNX as they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import CheckpointError
from ecgfoundry.models.networks.sequence import SequenceNetwork, check_windows

__all__ = ["EcgCpc"]

PIECE = 600
"""Samples that are read together, 2.5 s at 240 Hz: the authors' input. Longer windows are read
piece by piece, and the mean is taken over all."""
STRIDE = 2
"""Step of the first convolution; the others have 1. A checkpoint does not tell steps."""
KERNELS = (3, 1, 1, 1)
STEP_RANGE = (1e-3, 1e-1)
"""Range of the time steps of a fresh network, log-uniform (Gu et al.)."""

Complex = NDArray[np.complex128]


class EcgCpc(SequenceNetwork):
    """ECG windows to logits.

    Parameters
    ----------
    classes : int
        Number of logits.
    leads : int
        Input channels.
    width : int
        Channels of every layer, and the size of the embedding.
    state : int
        Real states of each channel.
    layers : int
        State-space layers.
    kernels : sequence of int
        Of the convolutions, odd.
    dropout : float

    Raises
    ------
    ValueError
        A size is not positive, or a kernel is even.
    """

    def __init__(
        self,
        classes: int = 5,
        *,
        leads: int = 12,
        width: int = 512,
        state: int = 8,
        layers: int = 4,
        kernels: tuple[int, ...] = KERNELS,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if min(leads, width, state, layers, *kernels) < 1 or not all(k % 2 for k in kernels):
            raise ValueError(f"sizes must be positive and kernels odd, not {kernels}")
        self.config: JsonObject = {
            "classes": classes,
            "leads": leads,
            "width": width,
            "state": state,
            "layers": layers,
            "kernels": list(kernels),
            "dropout": dropout,
        }
        self.leads = leads
        self.features = width
        self.convolutions = nn.ModuleList(
            nn.Conv1d(
                leads if k == 0 else width,
                width,
                kernel,
                STRIDE if k == 0 else 1,
                padding=kernel // 2,
                bias=False,
            )
            for k, kernel in enumerate(kernels)
        )
        self.batch_norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in kernels)
        self.blocks = nn.ModuleList(_Block(width, state, dropout) for _ in range(layers))
        self.dense = nn.Linear(width, classes)

    def forward_sequence(self, x: Tensor) -> Tensor:
        """Return the features of each position (2 samples), (batch, positions, width).

        They depend on what comes before in the same piece of 2.5 s, and the next sample.
        """
        check_windows(x, self.leads)
        samples = int(x.shape[2])
        pieces = max(math.ceil(samples / PIECE), 1)
        size = PIECE if pieces > 1 else samples
        x = functional.pad(x, (0, pieces * size - samples))
        x = x.reshape(-1, self.leads, pieces, size).transpose(1, 2).flatten(0, 1)
        for convolution, norm in zip(self.convolutions, self.batch_norms, strict=True):
            x = functional.relu(norm(convolution(x)))
        for block in self.blocks:
            x = block(x)
        positions = int(x.shape[2])
        x = x.transpose(1, 2).reshape(-1, pieces * positions, self.features)
        return x[:, : math.ceil(samples / STRIDE)]

    @classmethod
    def published_layout(cls, state: Mapping[str, Tensor]) -> tuple[JsonObject, dict[str, Tensor]]:
        """Bring the tensors of a published checkpoint to the names and the sizes of this class.

        The head of the pretraining is left out; there is no classifier.

        Returns
        -------
        dict, dict of Tensor
            Settings of the network but for ``classes``, and its state dict. A tensor that is not
            known keeps its name.

        Raises
        ------
        CheckpointError
            It is not one of ECG-CPC.
        """
        given = {
            name.removeprefix("ts_encoder."): tensor
            for name, tensor in state.items()
            if not name.startswith("ts_encoder.head_ssl.")
        }
        found = sorted(int(match[1]) for name in given if (match := _SPACE.fullmatch(name)))
        try:
            spaces = {number: _state_space(given, number) for number in found}
        except KeyError as error:
            raise _not_this_one(str(error.args[0])) from None
        renamed = {_own_name(name): tensor for name, tensor in given.items()}
        for number, tensors in spaces.items():
            renamed |= {f"blocks.{number}.space.{k}": tensor for k, tensor in tensors.items()}
        kernels = [t for name, t in sorted(renamed.items()) if _CONVOLUTION.fullmatch(name)]
        if not kernels or not spaces:
            raise _not_this_one("ts_encoder.encoder.layers" if spaces else "s4_layers")
        settings: JsonObject = {
            "leads": kernels[0].shape[1],
            "width": kernels[0].shape[0],
            "state": spaces[found[0]]["output"].shape[1],
            "layers": len(spaces),
            "kernels": [kernel.shape[2] for kernel in kernels],
        }
        return settings, renamed


class _Block(nn.Module):
    """State space, GELU, gated linear unit across channels, residual, layer norm."""

    def __init__(self, width: int, state: int, dropout: float) -> None:
        super().__init__()
        self.space = StateSpace(width, state)
        self.dropout = nn.Dropout(dropout)
        self.mix = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, positions) to the same shape."""
        y = self.dropout(functional.gelu(self.space(x))).transpose(1, 2)
        y = self.dropout(functional.glu(self.mix(y), dim=-1))
        result: Tensor = self.norm(x.transpose(1, 2) + y).transpose(1, 2)
        return result


class StateSpace(nn.Module):
    """The causal convolution of every channel with its state-space kernel.

    Attributes
    ----------
    responses : Tensor (width, state, positions)
        What an impulse leaves in each state, so many positions later; fixed.
    output : Tensor (width, state)
        The kernel is the sum of the responses with these weights.
    skip : Tensor (width,)
    """

    responses: Tensor

    def __init__(self, width: int, state: int) -> None:
        super().__init__()
        low, high = (math.log(value) for value in STEP_RANGE)
        steps = torch.exp(torch.rand(width, device="cpu") * (high - low) + low)
        a, b = _legendre(state)
        responses = torch.from_numpy(
            _impulse(np.broadcast_to(a, (width, state, state)), np.tile(b, (width, 1)),
                     steps.double().numpy()).real.astype(np.float32)
        )  # fmt: skip
        self.output = nn.Parameter(torch.randn(width, state))
        self.skip = nn.Parameter(torch.randn(width))
        self.register_buffer("responses", responses.to(self.output.device))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, positions) to the same shape."""
        positions = int(x.shape[2])
        kernel = (self.output.unsqueeze(-1) * self.responses[..., :positions]).sum(dim=1)
        width = kernel.shape[0]
        past = functional.pad(x, (positions - 1, 0))
        y = functional.conv1d(past, kernel.flip(-1).unsqueeze(1), groups=width)
        return y + x * self.skip.unsqueeze(-1)


def _legendre(state: int) -> tuple[Complex, Complex]:
    """Return the matrices of HiPPO-LegS (Gu et al.), (state, state) and (state,)."""
    root = np.sqrt(2.0 * np.arange(state) + 1.0)
    below = np.tril(np.outer(root, root), -1)
    a = -(below + np.diag(np.arange(state) + 1.0))
    return a.astype(np.complex128), root.astype(np.complex128)


def _bilinear(a: Complex, b: Complex, steps: NDArray[np.float64]) -> tuple[Complex, Complex]:
    """Return the matrices of one step in time, (width, state, state) and (width, state)."""
    step = steps[:, None, None]
    one = np.eye(a.shape[-1])
    together = np.concatenate([one + step / 2 * a, step * b[..., None]], axis=-1)
    found = np.linalg.solve(one - step / 2 * a, together).astype(np.complex128)
    return found[..., :-1], found[..., -1]


def _impulse(a: Complex, b: Complex, steps: NDArray[np.float64]) -> Complex:
    """Return what an impulse leaves in the states, (width, state, positions of a piece)."""
    onwards, now = _bilinear(a, b, steps)
    found = []
    for _ in range(math.ceil(PIECE / STRIDE)):
        found.append(now)
        now = np.einsum("hmn,hn->hm", onwards, now)
    return np.stack(found, axis=-1)


# --- the authors' layout --------------------------------------------------------------------------

_SPACE = re.compile(r"predictor\.predictor\.s4_layers\.(\d+)\.kernel\.kernel\.C")
_CONVOLUTION = re.compile(r"convolutions\.\d+\.weight")
_NAMES = {
    r"encoder\.layers\.(\d+)\.0\.weight": r"convolutions.\1.weight",
    r"encoder\.layers\.(\d+)\.1\.(\w+)": r"batch_norms.\1.\2",
    r"predictor\.predictor\.s4_layers\.(\d+)\.output_linear\.0\.(weight|bias)": r"blocks.\1.mix.\2",
    r"predictor\.predictor\.norms\.(\d+)\.(weight|bias)": r"blocks.\1.norm.\2",
}


def _own_name(name: str) -> str:
    for pattern, own in _NAMES.items():
        if re.fullmatch(pattern, name):
            return re.sub(pattern, own, name)
    return name


def _state_space(given: dict[str, Tensor], number: int) -> dict[str, Tensor]:
    """Take the tensors of one state-space layer out of a checkpoint; return ours.

    Of each pair of conjugate states they keep one. ``C`` is kept times ``1 - A^L``, for a kernel of
    the length ``L`` that the stored nodes of its Fourier transform tell.
    """
    prefix = f"predictor.predictor.s4_layers.{number}."
    kernel = f"{prefix}kernel.kernel."
    w, p, q, b, c = (
        _complex(given.pop(f"{kernel}{name}"), name) for name in ("w", "P", "Q", "B", "C")
    )
    steps = np.exp(given.pop(f"{kernel}log_dt").double().numpy())
    length = 2 * (len(given.pop(f"{kernel}omega")) - 1)
    given.pop(f"{kernel}z")
    skip = given.pop(f"{prefix}D").reshape(-1)
    mix = f"{prefix}output_linear.0.bias"
    given[mix] = given[mix].reshape(-1)
    eye = np.eye(w.shape[1])
    a = w[:, :, None] * eye - p[:, :, None] * q[:, None, :]
    onwards, _ = _bilinear(a, b, steps)
    whole = np.linalg.matrix_power(onwards, length)
    learned = np.linalg.solve((eye - whole).transpose(0, 2, 1), c[..., None])[..., 0]
    half = w.shape[1] // 2
    responses = 2 * _impulse(a, b, steps)[:, :half]
    tensors = {
        "responses": np.concatenate([responses.real, -responses.imag], axis=1),
        "output": np.concatenate([learned[:, :half].real, learned[:, :half].imag], axis=1),
    }
    return {k: torch.from_numpy(v.astype(np.float32)) for k, v in tensors.items()} | {"skip": skip}


def _complex(tensor: Tensor, name: str) -> Complex:
    """Return all states of every channel, (width, states), of stored halves as pairs of numbers."""
    if tensor.ndim not in (3, 4) or tensor.shape[-1] != 2 or (tensor.ndim == 4 and len(tensor) > 1):
        raise _not_this_one(f"one kernel of one direction in {name}")
    pairs = tensor.double().numpy().reshape(tensor.shape[-3:])
    one = pairs[..., 0] + 1j * pairs[..., 1]
    return np.concatenate([one, one.conj()], axis=-1)


def _not_this_one(lacking: str) -> CheckpointError:
    return CheckpointError(
        f"this is no checkpoint of ECG-CPC: it has nothing for {lacking}",
        remedy="Give last_11597276.ckpt of figshare.com/articles/dataset/30192604, its tensors "
        "saved as .safetensors",
    )
