"""Eight bits: integer weights and activations for the layers of a network, and a NumPy twin.

Weights are int8 with a scale per output channel, activations uint8 with a scale per layer (ReLU
leaves nothing below zero), the two input channels int16. An accumulator is brought to the scale of
the next activation by an integer factor and a shift, so every processor computes the same integers
(Jacob et al. 2018). Attention, pooling and the last layer, a thousandth of the arithmetic, stay in
float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError
from ecgfoundry.models.c_export.network import FIRST, SECOND, Layer, Network, image_of

__all__ = ["IMAGE_STEPS", "Limits", "QuantizedLayer", "QuantizedNetwork", "find_limits", "quantize"]

IMAGE_STEPS = 2048
"""Steps of an input sample per standard deviation: int16 reaches 16 deviations (our choice)."""

_WEIGHT_STEPS = 127
_ACTIVATION_STEPS = 255
_FACTOR_BITS = 30  # the largest factor of a layer lies below 2**30: int64 holds every product

Limits = tuple[tuple[float, ...], ...]
"""Of each member and layer: the activation that becomes 255; larger ones saturate."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """A layer in integers; ``(accumulator * factor + identity * identity_factor) >> shift``.

    Parameters
    ----------
    layer : Layer
        What it was made of.
    weight : int64 (outputs, inputs, kernel), -127 to 127
    bias : int64 (outputs,), as large as an accumulator
    factor : int64 (outputs,)
    identity_factor : int
        Of what a residual block adds; 0 where nothing is added.
    shift : int
    scale : float
        Of what comes out: value per step.
    """

    layer: Layer
    weight: Integers
    bias: Integers
    factor: Integers
    identity_factor: int
    shift: int
    scale: float

    def run(self, x: Integers, identity: Integers) -> Integers:
        """Return (positions, outputs) of (positions, inputs), 0 to 255."""
        # Exact in float64: an accumulator stays far below 2**53.
        exact = Layer(self.layer.role, self.weight.astype(float), self.bias.astype(float),
                      self.layer.dilation)  # fmt: skip
        total = np.rint(exact.convolve(x.astype(float))).astype(np.int64) * self.factor
        if self.layer.role == SECOND:
            total += identity * self.identity_factor
        half = 1 << (self.shift - 1)
        return np.minimum((np.maximum(total, 0) + half) >> self.shift, _ACTIVATION_STEPS)


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A network with its layers in integers, per member."""

    network: Network
    members: tuple[tuple[QuantizedLayer, ...], ...]

    def logits(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the logits of one standardized window, as the C program computes them."""
        image = quantized_image(x)
        parts = []
        for member, layers in zip(self.network.members, self.members, strict=True):
            current, block = image, image
            for layer in layers:
                if layer.layer.role == SECOND:
                    current = layer.run(block, current)
                elif layer.layer.role == FIRST:
                    block = layer.run(current, current)
                else:
                    current = layer.run(current, current)
            parts.append(member.embed(current.astype(np.float64) * layers[-1].scale))
        return self.network.weight @ np.concatenate(parts) + self.network.bias


def quantized_image(x: NDArray[np.floating]) -> Integers:
    """Return the input channels in steps, (samples before the padding, 2)."""
    scaled = image_of(x) * IMAGE_STEPS
    steps = np.trunc(scaled + np.copysign(0.5, scaled))
    return np.clip(steps, -32767, 32767).astype(np.int64)


def find_limits(network: Network, windows: Sequence[NDArray[np.floating]], room: float) -> Limits:
    """Return the largest activation of every layer on some windows, times ``room``.

    Parameters
    ----------
    network : Network
    windows : sequence of ndarray (samples,)
        Standardized.
    room : float
        At least 1: what windows that are not among these may go beyond.

    Raises
    ------
    BundleError
        There is no window.
    """
    if not windows:
        raise BundleError("there is no window to find the ranges of the activations on")
    largest = [[0.0] * len(member.layers) for member in network.members]

    def watch(member: int, number: int, activations: NDArray[np.float64]) -> None:
        largest[member][number] = max(largest[member][number], float(activations.max()))

    for window in windows:
        network.logits(window, watch)
    return tuple(tuple(room * value for value in member) for member in largest)


def quantize(network: Network, limits: Limits) -> QuantizedNetwork:
    """Bring a network to eight bits.

    Raises
    ------
    BundleError
        A layer is so wide that its sums may not fit into 32 bits.
    """
    members = []
    for member, tops in zip(network.members, limits, strict=True):
        layers: list[QuantizedLayer] = []
        current = block = 1.0 / IMAGE_STEPS
        for layer, top in zip(member.layers, tops, strict=True):
            scale = max(top, 1e-6) / _ACTIVATION_STEPS
            source = block if layer.role == SECOND else current
            layers.append(_quantized(layer, source, current, scale))
            if layer.role == FIRST:
                block = scale
            else:
                current = scale
        members.append(tuple(layers))
    return QuantizedNetwork(network, tuple(members))


def _quantized(layer: Layer, source: float, identity: float, scale: float) -> QuantizedLayer:
    largest = np.abs(layer.weight).max(axis=(1, 2)) / _WEIGHT_STEPS
    # A channel of tiny weights and a large bias: the bias has to fit beside an accumulator.
    steps = np.maximum(largest, np.abs(layer.bias) / (source * 2.0**29))
    steps = np.where(steps > 0, steps, 1.0)
    weight = np.rint(layer.weight / steps[:, None, None]).astype(np.int64)
    bias = np.rint(layer.bias / (source * steps)).astype(np.int64)
    most = layer.inputs * layer.kernel * _WEIGHT_STEPS * _ACTIVATION_STEPS
    if most + 2**29 >= 2**31:
        raise BundleError(
            f"a layer with {layer.inputs} channels and a kernel of {layer.kernel} could overflow "
            "32 bits"
        )
    ratios = source * steps / scale
    added = identity / scale if layer.role == SECOND else 0.0
    shift = _FACTOR_BITS - int(np.ceil(np.log2(max(float(ratios.max()), added))))
    return QuantizedLayer(
        layer,
        weight,
        bias,
        np.rint(ratios * 2.0**shift).astype(np.int64),
        round(added * 2.0**shift),
        shift,
        scale,
    )
