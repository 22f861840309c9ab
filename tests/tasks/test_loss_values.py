"""Losses and their gradients at points worked out by hand.

The logit ln 3 has the probability p = 3/4; with it -ln p = 0.2876821 and -ln(1 - p) = 1.3862944.
"""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.tasks.losses import LOSSES, make_loss, positive_weights  # noqa: E402

LN3 = math.log(3.0)
NAN = math.nan


def value_and_gradient(name: str, target: float, **settings: object) -> tuple[float, float]:
    z = torch.tensor([[LN3]], dtype=torch.float64, requires_grad=True)
    value = make_loss(name, **settings)(z, torch.tensor([[target]], dtype=torch.float64))
    value.backward()
    return float(value.detach()), float(z.grad)


@pytest.mark.parametrize(
    ("name", "target", "value", "gradient"),
    [
        # p - y
        ("bce", 1.0, 0.2876821, -0.25),
        ("bce", 0.0, 1.3862944, 0.75),
        ("bce", 0.5, 0.8369882, 0.25),
        # (1 - p)^2 * -ln p; 2 (1 - p)^2 p ln p - (1 - p)^3; for a negative with 1 - p and turned
        ("focal", 1.0, 0.0179801, -0.0425952),
        ("focal", 0.0, 0.7797906, 0.8117703),
        # (1.5 - p) p^2 = 27/64; 3 p^2 (1 - p)^2 = 27/256
        ("hill", 0.0, 0.421875, 0.10546875),
        ("hill-positive", 0.0, 0.421875, 0.10546875),
        ("hill", 1.0, 0.2876821, -0.25),
        # s = sigmoid(ln 3 - 1) = 0.5246331: (1 - s)^2 * -ln s; 2 (1 - s)^2 s ln s - (1 - s)^3
        ("hill-positive", 1.0, 0.1457657, -0.2603674),
    ],
)
def test_values_and_gradients(name: str, target: float, value: float, gradient: float) -> None:
    assert value_and_gradient(name, target) == pytest.approx((value, gradient), abs=1e-7)


@pytest.mark.parametrize(
    ("name", "weighted", "negative"),
    [
        ("bce", (0.8630462, -0.75), (1.3862944, 0.75)),
        ("focal", (0.0539404, -0.1277856), (0.7797906, 0.8117703)),
        ("hill", (0.8630462, -0.75), (0.421875, 0.10546875)),
        ("hill-positive", (0.4372971, -0.7811023), (0.421875, 0.10546875)),
    ],
)
def test_a_weight_of_three_is_that_of_the_positives_alone(
    name: str, weighted: tuple[float, float], negative: tuple[float, float]
) -> None:
    weight = torch.tensor([3.0], dtype=torch.float64)
    found = value_and_gradient(name, 1.0, positive_weight=weight)
    assert found == pytest.approx(weighted, abs=2e-7)
    assert value_and_gradient(name, 0.0, positive_weight=weight) == pytest.approx(
        negative, abs=1e-7
    )


def test_focal_with_another_gamma() -> None:
    assert value_and_gradient("focal", 1.0, gamma=1.0)[0] == pytest.approx(0.0719205, abs=1e-7)
    assert value_and_gradient("focal", 0.0, gamma=3.0)[0] == pytest.approx(0.5848429, abs=1e-7)


@pytest.mark.parametrize("name", ["bce", "focal", "hill", "hill-positive"])
def test_the_mean_is_over_what_is_known(name: str) -> None:
    z = torch.full((3, 2), LN3, dtype=torch.float64)
    y = torch.tensor([[1.0, 0.0], [NAN, 1.0], [NAN, NAN]], dtype=torch.float64)
    one, nothing = (value_and_gradient(name, target)[0] for target in (1.0, 0.0))
    assert float(LOSSES[name](z, y)) == pytest.approx((2 * one + nothing) / 3, rel=1e-12)


def test_cross_entropy() -> None:
    # Probabilities 1/8, 2/8, 5/8: -ln of them 2.0794415, 1.3862944, 0.4700036.
    z = torch.log(torch.tensor([[1.0, 2.0, 5.0]] * 3, dtype=torch.float64)).requires_grad_(True)
    y = torch.tensor([0.0, 2.0, NAN])
    value = make_loss("cross-entropy")(z, y)
    value.backward()
    assert float(value.detach()) == pytest.approx((2.0794415 + 0.4700036) / 2, abs=1e-7)
    expected = [[-0.4375, 0.125, 0.3125], [0.0625, 0.125, -0.1875], [0.0, 0.0, 0.0]]
    for row, wanted in zip(z.grad.tolist(), expected, strict=True):
        assert row == pytest.approx(wanted)
    # Smoothed by 0.1: nine tenths of the own class, a tenth of the mean of all, 1.3119132.
    smooth = make_loss("cross-entropy", label_smoothing=0.1)(z.detach()[1:2], y[1:2])
    assert float(smooth) == pytest.approx(0.9 * 0.4700036 + 0.1 * 1.3119132, abs=1e-7)
    # Weights multiply; the mean stays one over the records.
    weight = torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64)
    heavy = make_loss("cross-entropy", class_weight=weight)(z.detach(), y)
    assert float(heavy) == pytest.approx((2 * 2.0794415 + 0.4700036) / 2, abs=1e-7)


@pytest.mark.parametrize(
    ("error", "settings", "value", "gradient"),
    [
        (0.3, {}, 0.045, 0.3),
        (-1.0, {}, 0.5, -1.0),
        (2.0, {}, 1.5, 1.0),
        (-4.0, {}, 3.5, -1.0),
        (2.0, {"delta": 2.0}, 2.0, 2.0),
        (4.0, {"delta": 2.0}, 6.0, 2.0),
    ],
)
def test_huber(error: float, settings: dict[str, float], value: float, gradient: float) -> None:
    x = torch.tensor([[7.0 + error, 9.0]], dtype=torch.float64, requires_grad=True)
    found = make_loss("huber", **settings)(x, torch.tensor([[7.0, NAN]], dtype=torch.float64))
    found.backward()
    assert float(found.detach()) == pytest.approx(value)
    assert x.grad[0].tolist() == pytest.approx([gradient, 0.0])


@pytest.mark.parametrize(
    ("positives", "negatives", "weight"),
    [(5, 5, 1.0), (5, 4, 1.0), (4, 6, 1.5), (1, 19, 19.0), (1, 20, 20.0), (1, 21, 20.0),
     (0, 7, 7.0), (0, 40, 20.0)],
)  # fmt: skip
def test_positives_weigh_their_rarity_up_to_twenty(
    positives: int, negatives: int, weight: float
) -> None:
    column = torch.tensor([1.0] * positives + [0.0] * negatives + [NAN])
    assert positive_weights(column[:, None]).tolist() == [weight]


def test_settings_that_are_none_are_left_out() -> None:
    assert value_and_gradient("focal", 1.0, gamma=None, positive_weight=None) == pytest.approx(
        (0.0179801, -0.0425952), abs=1e-7
    )
    assert list(LOSSES) == ["bce", "focal", "hill", "hill-positive", "cross-entropy", "huber"]
