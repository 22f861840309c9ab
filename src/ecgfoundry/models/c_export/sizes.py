"""How long things are on the way through the recipe and the network: what memory is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ecgfoundry.errors import BundleError
from ecgfoundry.models.c_export.network import Network
from ecgfoundry.preprocessing import Preprocessing
from ecgfoundry.preprocessing.design import ZeroPhaseFilter
from ecgfoundry.preprocessing.reference import rates_before
from ecgfoundry.preprocessing.steps import (
    Butterworth,
    KeepEvery,
    Notch,
    Resample,
    Step,
    SubtractRunningMedian,
)
from ecgfoundry.signals.quality import MINIMUM_DURATION_S
from ecgfoundry.signals.resampling import rational_ratio

__all__ = ["Memory", "Resampling", "plan_memory", "resampling_of"]

MOST_SAMPLES = 65535  # of a raw window; the gate counts in 16 bits


@dataclass(frozen=True, slots=True)
class Resampling:
    """The one change of rate: ``method`` is "polyphase", "linear" or "none"."""

    method: str
    from_hz: float
    to_hz: float
    up: int = 1
    down: int = 1

    def length(self, samples: int) -> int:
        """Return how many samples come out."""
        if self.method == "polyphase":
            return -(-samples * self.up // self.down)
        if self.method == "linear":
            return max(1, round(samples * self.to_hz / self.from_hz))
        return samples


def resampling_of(recipe: Preprocessing, sampling_rate: float) -> Resampling:
    """Return the change of rate of a recipe for a device.

    Raises
    ------
    BundleError
        There are several, or a step that has no form in C for small devices.
    SamplingRateError
        The rates have no small ratio.
    """
    found = Resampling("none", sampling_rate, sampling_rate)
    for step, rate in zip(recipe.steps, rates_before(recipe, sampling_rate), strict=True):
        if isinstance(step, SubtractRunningMedian):
            raise BundleError(
                f"the preprocessing step {step.kind} has no form in C for small devices",
                remedy="Use --format onnx, whose standardize.c runs it with memory from the heap",
            )
        if not isinstance(step, Resample) or rate == step.to_hz:
            continue
        if found.method != "none":
            raise BundleError("the recipe resamples twice, which has no form in C")
        ratio = rational_ratio(rate, step.to_hz)
        found = Resampling(step.method, rate, step.to_hz, ratio.numerator, ratio.denominator)
    return found


@dataclass(frozen=True, slots=True)
class Memory:
    """Lengths of the arrays of ``ecg_workspace``, and of what is checked against them.

    Parameters
    ----------
    input_samples, fewest_samples : int
        Of a raw window, at most and at least.
    room : int
        Samples before and behind a window, for the filters.
    first, second : int
        Floats of the two places in which a window lies in turn.
    fewest_on_the_way : int
        Samples of the shortest window at any filter.
    activations : int
        Of the largest layer, the two input channels among them.
    positions : int
        Of the last layer.
    """

    input_samples: int
    fewest_samples: int
    room: int
    first: int
    second: int
    fewest_on_the_way: int
    activations: int
    positions: int

    def workspace_bytes(self, network: Network, samples: int, *, int8: bool) -> int:
        """Return ``sizeof(ecg_workspace)`` where int is 32 bits wide."""
        activation = 1 if int8 else 4
        places = [
            _aligned(max(4 * row, activation * self.activations, 2 * 2 * samples))
            for row in (self.first, self.second)
        ]
        features = network.weight.shape[1]
        kept = 4 * samples if len(network.members) > 1 else 0
        bits = _aligned(-(-self.input_samples // 8))
        return sum(places) + 4 * features + kept + bits + 8


def _aligned(size: int) -> int:
    return -(-size // 4) * 4


def plan_memory(recipe: Preprocessing, network: Network, resampling: Resampling) -> Memory:
    """Follow the longest and the shortest window through recipe and network.

    Raises
    ------
    BundleError
        A window at this rate is longer than the programs count.
    """
    longest = round(recipe.window_s * resampling.from_hz)
    shortest = math.ceil(MINIMUM_DURATION_S * resampling.from_hz)
    if longest > MOST_SAMPLES:
        raise BundleError(
            f"{recipe.window_s:g} s at {resampling.from_hz:g} Hz are {longest} samples, more than "
            f"the {MOST_SAMPLES} of the C programs",
            remedy="Lower --sampling-rate",
        )
    filters = [
        design
        for step, rate in zip(recipe.steps, rates_before(recipe, resampling.from_hz), strict=True)
        for design in _designs(step, rate)
    ]
    room = max((design.pad for design in filters), default=0)
    last = max(resampling.length(longest), recipe.samples)
    resampled = resampling.method != "none"
    positions, activations = recipe.samples, 2 * recipe.samples
    member = network.members[0]
    for layer in member.layers:
        positions = -(-positions // layer.stride)
        activations = max(activations, positions * layer.outputs)
    scores = member.heads * positions
    fewest = resampling.length(shortest)
    for step in recipe.steps:
        if isinstance(step, KeepEvery):
            fewest = -(-fewest // step.interval_samples)
    return Memory(
        input_samples=longest,
        fewest_samples=shortest,
        room=room,
        first=max((longest if resampled else max(longest, last)) + 2 * room, scores),
        second=max(last + 2 * room, scores) if resampled else scores,
        fewest_on_the_way=fewest,
        activations=activations,
        positions=positions,
    )


def _designs(step: Step, rate: float) -> tuple[ZeroPhaseFilter, ...]:
    return step.designs(rate, None) if isinstance(step, Notch | Butterworth) else ()
