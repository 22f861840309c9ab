"""RhythmNet as a list of layers with plain arrays: what the C programs run, and a NumPy twin.

The norms are folded into the convolutions before them, so that a layer is a convolution, an
optional sum, and ReLU. NumPy alone: an export needs no PyTorch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import Document, Fields
from ecgfoundry.errors import BundleError, MissingExtraError
from ecgfoundry.models.bundle import Bundle

__all__ = ["DOWN", "FIRST", "SECOND", "Layer", "Member", "Network", "read_network"]

ARCHITECTURE = "rhythm-net"
SOFTSIGN_KNEE = 0.25
"""Of the second input channel; see :mod:`ecgfoundry.models.networks.rhythm`."""

NORM_EPSILON = 1e-5  # of torch.nn.BatchNorm2d, which RhythmNet leaves as it is

DOWN, FIRST, SECOND = 0, 1, 2
"""Roles of a layer: halve the time resolution; open a residual block; close it with a sum."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution with its norm folded in, and ReLU.

    Parameters
    ----------
    role : {DOWN, FIRST, SECOND}
    weight : float64 (outputs, inputs, kernel)
    bias : float64 (outputs,)
    dilation : int
    """

    role: int
    weight: Float64
    bias: Float64
    dilation: int = 1

    @property
    def outputs(self) -> int:
        """Channels that come out."""
        return self.weight.shape[0]

    @property
    def inputs(self) -> int:
        """Channels that go in."""
        return self.weight.shape[1]

    @property
    def kernel(self) -> int:
        """Positions that an output looks at."""
        return self.weight.shape[2]

    @property
    def stride(self) -> int:
        """Positions from one output to the next."""
        return 2 if self.role == DOWN else 1

    def convolve(self, x: Float64) -> Float64:
        """Return (ceil(positions / stride), outputs) of (positions, inputs), before ReLU."""
        reach = self.dilation * (self.kernel - 1) // 2
        count = -(-len(x) // self.stride)
        padded = np.zeros((len(x) + 2 * reach + self.stride, self.inputs))
        padded[reach : reach + len(x)] = x
        result = np.tile(self.bias, (count, 1))
        for tap in range(self.kernel):
            start = tap * self.dilation
            seen = padded[start : start + count * self.stride : self.stride]
            result += seen @ self.weight[:, :, tap].T
        return result


@dataclass(frozen=True, eq=False)
class Member:
    """One network of the committee: its layers in order and its attention, (heads, channels)."""

    layers: tuple[Layer, ...]
    attention_weight: Float64
    attention_bias: Float64

    @property
    def heads(self) -> int:
        """Attention maps."""
        return len(self.attention_weight)

    @property
    def features(self) -> int:
        """Length of its embedding."""
        return self.layers[-1].outputs * (self.heads + 2)

    def activations(self, image: Float64) -> Iterator[tuple[int, Float64]]:
        """Yield the number of each layer and what it gives, (positions, channels)."""
        x = block = image
        for number, layer in enumerate(self.layers):
            source = block if layer.role == SECOND else x
            made = layer.convolve(source)
            if layer.role == SECOND:
                made += x
            made = np.maximum(made, 0.0)
            yield number, made
            if layer.role == FIRST:
                block = made
            else:
                x = made

    def embed(self, x: Float64) -> Float64:
        """Pool the last layer, (positions, channels), over the window."""
        scores = x @ self.attention_weight.T + self.attention_bias
        shares = np.exp(scores - scores.max(axis=0))
        attended = (shares / shares.sum(axis=0)).T @ x
        return np.concatenate([attended.ravel(), x.mean(axis=0), x.max(axis=0)])


@dataclass(frozen=True, eq=False)
class Network:
    """A whole RhythmNet.

    Parameters
    ----------
    members : tuple of Member
        Of one shape.
    weight : float64 (classes, features of all members)
    bias : float64 (classes,)
    """

    members: tuple[Member, ...]
    weight: Float64
    bias: Float64

    @property
    def classes(self) -> int:
        """Number of logits."""
        return len(self.bias)

    def logits(
        self, x: NDArray[np.floating], watch: Callable[[int, int, Float64], None] | None = None
    ) -> Float64:
        """Return the logits (classes,) of one standardized window (samples,).

        Parameters
        ----------
        x : ndarray (samples,)
            Zeros at the right end are padding.
        watch : callable (member, layer, activations), optional
            Sees what every layer gives.
        """
        image = image_of(x)
        parts = []
        for m, member in enumerate(self.members):
            last = image
            for number, last in member.activations(image):
                if watch is not None:
                    watch(m, number, last)
            parts.append(member.embed(last))
        return self.weight @ np.concatenate(parts) + self.bias

    def multiply_adds(self, samples: int) -> int:
        """Count the multiply-adds of convolutions, attention, pooling by it, and the last layer."""
        total = self.weight.size
        for member in self.members:
            positions = samples
            for layer in member.layers:
                positions = -(-positions // layer.stride)
                total += positions * layer.weight.size
            total += positions * member.attention_weight.size
        return total


def image_of(x: NDArray[np.floating]) -> Float64:
    """Return the window and its compressed copy, (samples before the padding, 2)."""
    values = np.asarray(x, dtype=np.float64)
    inside = np.flatnonzero(values)
    values = values[: inside[-1] + 1 if inside.size else 1]
    return np.stack([values, values / (np.abs(values) + SOFTSIGN_KNEE)], axis=1)


def read_network(bundle: Bundle) -> Network:
    """Take the network of a bundle apart.

    Raises
    ------
    BundleError
        It is of an architecture that has no form in C, or the weights do not fit it.
    MissingExtraError
        safetensors is not installed.
    """
    described = bundle.about.architecture
    if described.name != ARCHITECTURE:
        raise BundleError(
            f"the network {described.name} has no form in C",
            path=bundle.folder,
            remedy=f"{ARCHITECTURE} has one; for others use --format onnx or openvino",
        )
    try:
        from safetensors.numpy import load_file
    except ImportError:
        raise MissingExtraError.for_extra("exporting a network to C", "torch") from None
    weights = load_file(bundle.file("model.safetensors"))
    try:
        return _taken_apart(described.configuration, weights)
    except (KeyError, IndexError, ValueError) as error:
        raise BundleError(
            f"the weights do not fit {ARCHITECTURE}: {error}",
            path=bundle.folder,
            remedy="Get the bundle anew",
        ) from None


def _taken_apart(configuration: Document, weights: Mapping[str, NDArray[Any]]) -> Network:
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    own = Fields(configuration)
    members = tuple(
        _member(arrays, f"members.{number}", own.wholes("dilations"))
        for number in range(own.whole("members"))
    )
    network = Network(members, arrays["classifier.weight"], arrays["classifier.bias"])
    features = sum(member.features for member in members)
    if network.weight.shape != (network.classes, features):
        raise ValueError(f"classifier.weight has the shape {network.weight.shape}")
    for member in members:
        _check_chain(member.layers)
    return network


def _member(arrays: Mapping[str, Float64], name: str, dilations: Sequence[int]) -> Member:
    layers = []
    for level in itertools.count():
        prefix = f"{name}.levels.{level}"
        if f"{prefix}.0.convolution.weight" not in arrays:
            break
        layers.append(_folded(arrays, f"{prefix}.0", DOWN))
        for block in itertools.count(1):
            if f"{prefix}.{block}.convolution.weight" not in arrays:
                break
            # Only the last level has more than one block, each with a dilation of its own.
            last = f"{name}.levels.{level + 1}.0.convolution.weight" not in arrays
            dilation = dilations[block - 1] if last else 1
            layers.append(_folded(arrays, f"{prefix}.{block}.first", FIRST, dilation))
            layers.append(_folded(arrays, f"{prefix}.{block}", SECOND, dilation))
    attention = arrays[f"{name}.attention.weight"][:, :, 0]
    return Member(tuple(layers), attention, arrays[f"{name}.attention.bias"])


def _folded(arrays: Mapping[str, Float64], name: str, role: int, dilation: int = 1) -> Layer:
    norm = {part: arrays[f"{name}.norm.{part}"] for part in ("weight", "bias")}
    mean, variance = (arrays[f"{name}.norm.running_{part}"] for part in ("mean", "var"))
    factor = norm["weight"] / np.sqrt(variance + NORM_EPSILON)
    weight = arrays[f"{name}.convolution.weight"][:, :, 0, :] * factor[:, None, None]
    return Layer(role, weight, norm["bias"] - mean * factor, dilation)


def _check_chain(layers: Sequence[Layer]) -> None:
    channels = 2
    for number, layer in enumerate(layers):
        if layer.inputs != channels or layer.bias.shape != (layer.outputs,):
            raise ValueError(f"layer {number} has the shape {layer.weight.shape}")
        if layer.role != DOWN and layer.outputs != layer.inputs:
            raise ValueError(f"layer {number} is no residual block: {layer.weight.shape}")
        channels = layer.outputs
