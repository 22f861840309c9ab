"""The parts of the C export on numbers that are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.errors import BundleError
from ecgfoundry.models.c_export.network import (
    DOWN,
    FIRST,
    SECOND,
    Layer,
    Member,
    Network,
    image_of,
)
from ecgfoundry.models.c_export.quantization import find_limits, quantize, quantized_image
from ecgfoundry.models.c_export.sizes import plan_memory, resampling_of
from ecgfoundry.models.c_export.tables import array, c_float, c_string, constants, nested
from ecgfoundry.preprocessing import get_preprocessing


def tiny() -> Network:
    """One convolution of one output channel and one residual block of kernel 1."""
    layers = (
        Layer(DOWN, np.array([[[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]]), np.array([0.5])),
        Layer(FIRST, np.array([[[2.0]]]), np.array([-1.0])),
        Layer(SECOND, np.array([[[-1.0]]]), np.array([0.0])),
    )
    member = Member(layers, np.array([[1.0]]), np.array([0.0]))
    return Network((member,), np.array([[1.0, 10.0, 100.0]]), np.array([1000.0]))


def test_a_network_by_hand() -> None:
    # Inputs 1, 2, 0, -1. Positions 0 and 2 with their right neighbours: 1 + 2*2 + 0.5 = 5.5, and
    # 0 - 2 + 0.5 < 0. The block: relu(2*5.5 - 1) = 10, and relu(-1) = 0; 5.5 - 10 < 0, and 0.
    seen: list[list[float]] = []
    x = np.array([1.0, 2.0, 0.0, -1.0, 0.0, 0.0])
    tiny().logits(x, lambda member, layer, found: seen.append(found[:, 0].tolist()))
    assert seen == [[5.5, 0.0], [10.0, 0.0], [0.0, 0.0]]
    # Attention of (0, 2) is softmax (0.1192, 0.8808): 1.7616; mean 1; maximum 2.
    pooled = tiny().members[0].embed(np.array([[0.0], [2.0]]))
    assert pooled == pytest.approx([1.7616, 1.0, 2.0], abs=1e-4)
    # All zeros after the last layer: the bias alone.
    assert tiny().logits(x) == pytest.approx([1000.0])
    assert tiny().multiply_adds(4) == 2 * 6 + 2 + 2 + 2 + 3


def test_padding_is_left_out_of_the_image() -> None:
    image = image_of(np.array([0.5, 0.0, -0.25, 0.0, 0.0]))
    # x / (|x| + 0.25)
    assert image.tolist() == [[0.5, 2 / 3], [0.0, 0.0], [-0.25, -0.5]]
    assert image_of(np.zeros(5)).tolist() == [[0.0, 0.0]]
    # 2,048 steps per deviation, ties away from zero, and int16 at the end.
    steps = quantized_image(np.array([0.5, 1.5 / 2048, -1.5 / 2048, 20.0]))
    assert steps[:, 0].tolist() == [1024, 2, -2, 32767]


def test_eight_bits_by_hand() -> None:
    quantized = quantize(tiny(), ((25.5, 51.0, 25.5),))
    down, first, second = quantized.members[0]
    assert (down.scale, first.scale) == pytest.approx((0.1, 0.2))
    # Weights 0, 1, 2 are 127ths of 2; the bias of 0.5 in steps of 2/127/2048.
    assert down.weight[0, 0].tolist() == [0, 64, 127]
    assert down.bias.tolist() == [round(0.5 * 127 * 2048 / 2)]
    # Inputs 1 and 2 are 2,048 and 4,096 steps: (64*2048 + 127*4096 + 65024) * 2/127/2048/0.1.
    image = quantized_image(np.array([1.0, 2.0]))
    (made,) = down.run(image, image)[0].tolist()
    assert made == 55  # 5.54, from 5.5 with a weight of 1.008
    (block,) = first.run(np.array([[55]]), np.array([[55]]))[0].tolist()
    assert block == 50  # relu(2 * 5.5 - 1) = 10 in steps of 0.2
    assert second.run(np.array([[50]]), np.array([[255]]))[0].tolist() == [155]  # 25.5 - 10
    assert second.run(np.array([[50]]), np.array([[55]]))[0].tolist() == [0]
    assert first.run(np.array([[255]]), np.array([[255]]))[0].tolist() == [250]  # 50 of 0.2
    assert down.run(np.full((2, 2), 32767), image)[0].tolist() == [255]  # saturates


def test_limits_are_the_largest_activations() -> None:
    windows = [np.array([0.25, 0.125, 0.0]), np.array([1.0, 2.0, 0.0])]
    assert find_limits(tiny(), windows, 1.0) == ((5.5, 10.0, 0.0),)
    assert find_limits(tiny(), windows, 2.0) == ((11.0, 20.0, 0.0),)
    with pytest.raises(BundleError, match="no window"):
        find_limits(tiny(), [], 1.0)


def test_a_layer_that_could_overflow_is_refused() -> None:
    wide = Layer(DOWN, np.ones((1, 50_000, 1)), np.zeros(1))
    network = Network((Member((wide,), np.ones((1, 1)), np.zeros(1)),), np.ones((1, 3)), np.ones(1))
    with pytest.raises(BundleError, match="50000 channels and a kernel of 1 could overflow"):
        quantize(network, ((1.0,),))


@pytest.mark.parametrize("value", [0.0, -1.5, 0.1, 3.4028235e38, 1.1754944e-38, 1e-45, 16777217.0])
def test_literals_read_back(value: float) -> None:
    single = np.float32(value)
    assert np.float32(c_float(float(single)).removesuffix("f")) == single


def test_declarations() -> None:
    assert c_float(float("nan")) == "NAN"
    assert c_float(0.25) == "2.50000000e-01f"
    assert c_string('a "b" \\ µ?') == '"a \\042b\\042 \\134 \\302\\265\\077"'
    assert array("const int x", ["1", "2"]) == "const int x[] = {\n1, 2};"
    assert constants({"A": 1, "B": 0.5}) == "#define A 1\n#define B 0.5"
    assert nested(np.eye(2)).count("{") == 3
    assert max(map(len, array("int x", ["123456789"] * 50).split("\n"))) <= 100


@pytest.mark.parametrize(
    ("rate", "method", "up", "down", "first", "second"),
    [
        # 30 s, with room for 21 samples of extension on both sides
        (200.0, "none", 1, 1, 6000 + 42, 3000),
        (300.0, "polyphase", 2, 3, 9000 + 42, 6000 + 42),
        (128.0, "polyphase", 25, 16, 3840 + 42, 6000 + 42),
    ],
)
def test_memory(rate: float, method: str, up: int, down: int, first: int, second: int) -> None:
    recipe = get_preprocessing("single-lead-rhythm@1")
    resampling = resampling_of(recipe, rate)
    assert (resampling.method, resampling.up, resampling.down) == (method, up, down)
    memory = plan_memory(recipe, tiny(), resampling)
    assert (memory.first, memory.second) == (first, second)
    assert memory.input_samples == round(30 * rate)
    assert memory.fewest_samples == round(2.5 * rate)
    assert memory.positions == 3000 and memory.activations == 12_000
    assert memory.fewest_on_the_way == 500


def test_a_window_that_is_too_long_to_count() -> None:
    recipe = get_preprocessing("single-lead-rhythm@1")
    with pytest.raises(BundleError, match=r"30 s at 4000 Hz are 120000 samples.*--sampling-rate"):
        plan_memory(recipe, tiny(), resampling_of(recipe, 4000.0))
