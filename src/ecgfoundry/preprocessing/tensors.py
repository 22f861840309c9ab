"""Standardization as tensor operations, on whatever device the raw segments are.

For training from raw segments where the processor cannot feed the accelerator. The steps of a
recipe in order, in float64, from the same filter designs as the kernels':

- the recursive filters as products with block matrices: within a block of 64 samples the response
  is one matrix product, and only the states between blocks (8 numbers a row) follow one another;
- the running median exactly, from ranks, by a wavelet matrix: one bit of the median's rank per
  pass, all positions at once.

Inference never goes this way: results differ by rounding from those of the other engines (the tests
hold them to 1e-4 after the z-score), and everything that answers calls one function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfoundry.documents import JsonValue
from ecgfoundry.errors import PreprocessingError, SignalError
from ecgfoundry.preprocessing import Preprocessing, get_preprocessing
from ecgfoundry.preprocessing.design import ZeroPhaseFilter
from ecgfoundry.preprocessing.document import MINIMUM_WINDOW_S
from ecgfoundry.preprocessing.native import linear_positions
from ecgfoundry.preprocessing.steps import (
    BlankGaps,
    Butterworth,
    Clip,
    FillGaps,
    KeepEvery,
    Notch,
    Padding,
    Resample,
    Step,
    SubtractRunningMedian,
    ZScore,
    gaps_at,
)

__all__ = ["can_do", "running_median", "standardize_tensor"]

_BLOCK = 64
"""Samples of a block: the products cost 64 multiplications a sample, the steps between blocks are
1/64 of the samples (our choice)."""


def standardize_tensor(
    windows: Tensor,
    sampling_rate: float,
    preprocessing: str | Path | Mapping[str, JsonValue] | Preprocessing,
    *,
    mains_frequency: float | None = None,
) -> Tensor:
    """Bring a batch of raw windows to model input, on the device where they are.

    Parameters
    ----------
    windows : Tensor (windows, leads, samples), floating
        mV, NaN = missing; at most one window of the recipe long.
    sampling_rate : float
        Of the windows, Hz.
    preprocessing : str, Path, mapping or Preprocessing
        Of all steps but gaps bridged by lines and polyphase resampling: of the shipped recipes,
        those of the ECGFounder family.
    mains_frequency : float, optional
        Hz, if known.

    Returns
    -------
    Tensor, float32 (windows, leads, recipe.samples)
        A lead that is missing throughout is a row of NaN.

    Raises
    ------
    PreprocessingError
        The recipe has a step that has no form as tensor operations; the message names it.
    SignalError
        The shape or the length does not fit.
    """
    recipe = get_preprocessing(preprocessing)
    if windows.ndim != 3:
        raise SignalError(f"windows have shape (windows, leads, samples), not {windows.shape}")
    samples = windows.shape[2]
    for number, step in enumerate(recipe.steps, start=1):
        if not can_do(step):
            raise PreprocessingError(
                f"{recipe.name} has no form as tensor operations: step {number}, {step}, has none",
                remedy="Standardize on the CPU with ecgfoundry.preprocessing.standardize_windows",
            )
    shortest, longest = MINIMUM_WINDOW_S * sampling_rate, round(recipe.window_s * sampling_rate)
    if not shortest <= samples <= longest:
        raise SignalError(
            f"windows of {samples} samples at {sampling_rate:g} Hz do not fit {recipe.name}: "
            f"{MINIMUM_WINDOW_S:g} to {recipe.window_s:g} s are needed"
        )
    gaps = torch.isnan(windows)
    now = _Now(float(sampling_rate), float(sampling_rate), gaps, gaps.all(dim=-1), mains_frequency)
    x = windows.to(torch.float64)
    for step in recipe.steps:
        if isinstance(step, ZScore) and recipe.padding.counted_in_scaling:
            x = _pad(x, recipe.padding, recipe.samples)
        x = _RUN[type(step)](x, step, now)
        now = replace(now, rate=step.rate_after(now.rate))
    x = _pad(x[..., : recipe.samples], recipe.padding, recipe.samples)
    return x.to(torch.float32).masked_fill(now.absent.unsqueeze(-1), float("nan"))


@dataclass(frozen=True)
class _Now:
    """As :class:`ecgfoundry.preprocessing.steps.Circumstances`, for a batch."""

    rate: float
    source_rate: float
    gaps: Tensor
    absent: Tensor
    mains_frequency: float | None


def can_do(step: Step) -> bool:
    """Whether a step has a form as tensor operations."""
    if isinstance(step, FillGaps):
        return step.method == "zero"
    if isinstance(step, Resample):
        return step.method == "linear"
    return type(step) in _RUN


def _fill(x: Tensor, step: Any, now: _Now) -> Tensor:
    return torch.nan_to_num(x, nan=0.0)


def _resample(x: Tensor, step: Any, now: _Now) -> Tensor:
    if now.rate != step.to_hz:
        left, fraction = linear_positions(x.shape[-1], now.rate, step.to_hz)
        at = torch.from_numpy(left).to(x.device)
        share = torch.from_numpy(fraction).to(x.device)
        low, high = x[..., at], x[..., torch.clamp(at + 1, max=x.shape[-1] - 1)]
        x = low + (high - low) * share
    return x.to(torch.float32).to(torch.float64)


def _filter(x: Tensor, step: Any, now: _Now) -> Tensor:
    rows = x.reshape(-1, x.shape[-1])
    for part in step.designs(now.rate, now.mains_frequency):
        rows = _zero_phase(rows, part)
    return rows.reshape(x.shape)


def _subtract_median(x: Tensor, step: Any, now: _Now) -> Tensor:
    rows = x.reshape(-1, x.shape[-1])
    return (rows - running_median(rows, step.kernel_samples)).reshape(x.shape)


def _keep_every(x: Tensor, step: Any, now: _Now) -> Tensor:
    return x[..., :: step.interval_samples]


def _z_score(x: Tensor, step: Any, now: _Now) -> Tensor:
    """Over the leads that are there."""
    over = (1, 2) if step.over == "window" else (2,)
    there = (~now.absent).to(x.dtype).unsqueeze(-1)
    count = (there.expand_as(x).sum(dim=over, keepdim=True)).clamp(min=1.0)
    mean = (x * there).sum(dim=over, keepdim=True) / count
    centred = (x - mean) * there
    deviation = (centred.square().sum(dim=over, keepdim=True) / count).sqrt()
    flat = deviation < step.flat_below_mv
    return centred / (deviation + step.epsilon_mv).masked_fill(flat, float("inf"))


def _clip(x: Tensor, step: Any, now: _Now) -> Tensor:
    return x.clamp(-step.limit, step.limit)


def _blank_gaps(x: Tensor, step: Any, now: _Now) -> Tensor:
    nearest = gaps_at(x.shape[-1], now.rate, now.gaps.shape[-1], now.source_rate)
    return x.masked_fill(now.gaps[..., torch.from_numpy(nearest).to(x.device)], 0.0)


def _pad(x: Tensor, padding: Padding, samples: int) -> Tensor:
    short = max(0, samples - x.shape[-1])
    sides = (0, short) if padding.side == "right" else (short, 0)
    return torch.nn.functional.pad(x, sides, value=padding.value)


_RUN: Mapping[type, Callable[[Tensor, Any, _Now], Tensor]] = {
    FillGaps: _fill,
    Resample: _resample,
    Notch: _filter,
    Butterworth: _filter,
    SubtractRunningMedian: _subtract_median,
    KeepEvery: _keep_every,
    ZScore: _z_score,
    Clip: _clip,
    BlankGaps: _blank_gaps,
}


# --- recursive filters -----------------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def _block_matrices(part: ZeroPhaseFilter) -> tuple[NDArray[np.float64], ...]:
    """Return (response, observation, injection, transition, steady) of a block.

    Output of a block = response @ input + observation @ state; state after it = injection @ input
    + transition @ state; the state that a constant input of 1 has left is ``steady``.
    """
    size = 2 * len(part.sections)
    # Column 0: an impulse into empty states; column 1 + d: state d alone, without input.
    states = np.zeros((size, size + 1))
    states[:, 1:] = np.eye(size)
    outputs = np.empty((_BLOCK, size + 1))
    impulse_states = np.empty((_BLOCK, size))
    for t in range(_BLOCK):
        value = np.zeros(size + 1)
        value[0] = part.gain if t == 0 else 0.0
        for k, (b0, b1, b2, _, a1, a2) in enumerate(part.sections):
            s1, s2 = states[2 * k], states[2 * k + 1]
            out = b0 * value + s1
            states[2 * k], states[2 * k + 1] = b1 * value - a1 * out + s2, b2 * value - a2 * out
            value = out
        outputs[t] = value
        impulse_states[t] = states[:, 0]
    lags = np.arange(_BLOCK)[:, None] - np.arange(_BLOCK)
    response = np.where(lags >= 0, outputs[np.maximum(lags, 0), 0], 0.0)
    steady = np.empty(size)
    level = part.gain
    for k, (b0, b1, b2, _, a1, a2) in enumerate(part.sections):
        after = level * (b0 + b1 + b2) / (1.0 + a1 + a2)
        steady[2 * k], steady[2 * k + 1] = after - b0 * level, b2 * level - a2 * after
        level = after
    injection = impulse_states[::-1].T.copy()
    return response, outputs[:, 1:].copy(), injection, states[:, 1:].copy(), steady


def _zero_phase(rows: Tensor, part: ZeroPhaseFilter) -> Tensor:
    pad = part.pad
    before = 2 * rows[:, :1] - rows[:, 1 : pad + 1].flip(1)
    after = 2 * rows[:, -1:] - rows[:, -pad - 1 : -1].flip(1)
    y = torch.cat([before, rows, after], dim=1)
    for _ in range(2):
        y = _one_pass(y, part).flip(1)
    return y[:, pad:-pad]


def _one_pass(x: Tensor, part: ZeroPhaseFilter) -> Tensor:
    response, observation, injection, transition, steady = (
        torch.from_numpy(matrix).to(x.device) for matrix in _block_matrices(part)
    )
    samples = x.shape[1]
    blocks = -(-samples // _BLOCK)
    padded = torch.nn.functional.pad(x, (0, blocks * _BLOCK - samples))
    inputs = padded.reshape(len(x), blocks, _BLOCK)
    injected = inputs @ injection.T
    state = x[:, :1] * steady
    states = []
    for block in range(blocks):
        states.append(state)
        state = state @ transition.T + injected[:, block]
    y = inputs @ response.T + torch.stack(states, dim=1) @ observation.T
    return y.reshape(len(x), -1)[:, :samples]


# --- running median --------------------------------------------------------------------------


def running_median(rows: Tensor, kernel: int) -> Tensor:
    """Return the exact running median of each row, zeros beyond the ends.

    Parameters
    ----------
    rows : Tensor (rows, samples)
    kernel : int
        Odd, in samples.

    Returns
    -------
    Tensor (rows, samples)
    """
    half = kernel // 2
    padded = torch.nn.functional.pad(rows, (half, half))
    count, length = padded.shape
    ordered, order = padded.sort(dim=1, stable=True)
    position = torch.arange(length, device=rows.device).expand(count, length)
    sequence = torch.empty_like(order).scatter_(1, order, position)  # the rank of every sample
    left = torch.arange(rows.shape[1], device=rows.device).expand(count, -1)
    right = left + kernel
    wanted = torch.full_like(left, half)
    rank = torch.zeros_like(left)
    for level in reversed(range(max(1, (length - 1).bit_length()))):
        ones = (sequence >> level) & 1
        zeros = torch.nn.functional.pad((1 - ones).cumsum(1), (1, 0))  # among the first i
        total = zeros[:, -1:]
        low, high = zeros.gather(1, left), zeros.gather(1, right)
        inside = high - low
        up = wanted >= inside
        wanted = torch.where(up, wanted - inside, wanted)
        left = torch.where(up, total + left - low, low)
        right = torch.where(up, total + right - high, high)
        rank = rank | (up.to(rank.dtype) << level)
        target = torch.where(ones.bool(), total + position - zeros[:, :-1], zeros[:, :-1])
        sequence = torch.empty_like(sequence).scatter_(1, target, sequence)
    return ordered.gather(1, rank)
