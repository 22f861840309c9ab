"""Losses against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.errors import TrainingError  # noqa: E402
from ecgfoundry.tasks import losses  # noqa: E402
from ecgfoundry.tasks.losses import LOSSES, make_loss, positive_weights  # noqa: E402

Z = torch.linspace(-9.0, 9.0, 61, dtype=torch.float64)


def gradient(name: str, target: float) -> torch.Tensor:
    z = Z.clone().requires_grad_(True)
    # One column per logit: the mean is taken over 61 known entries.
    LOSSES[name](z[None], torch.full((1, len(z)), target, dtype=torch.float64)).backward()
    return z.grad * len(z)


def test_hill_negative_gradient_is_3_p2_1_minus_p_2() -> None:
    p = torch.sigmoid(Z)
    torch.testing.assert_close(gradient("hill", 0.0), 3 * p**2 * (1 - p) ** 2)
    torch.testing.assert_close(gradient("hill-positive", 0.0), 3 * p**2 * (1 - p) ** 2)
    # A confident "missing positive" is left alone; binary cross-entropy pulls it down.
    assert gradient("hill", 0.0)[-1] < 1e-5 < 0.9 < gradient("bce", 0.0)[-1]


def test_hill_values_and_positive_branches() -> None:
    p = torch.sigmoid(Z)
    zeros, ones = torch.zeros(1, len(Z)).double(), torch.ones(1, len(Z)).double()
    assert float(LOSSES["hill"](Z[None], zeros)) == pytest.approx(float(((1.5 - p) * p**2).mean()))
    assert float(LOSSES["hill"](Z[None], ones)) == pytest.approx(float(-torch.log(p).mean()))
    q = torch.sigmoid(Z - 1)
    hill = float((-((1 - q) ** 2) * torch.log(q)).mean())
    assert float(LOSSES["hill-positive"](Z[None], ones)) == pytest.approx(hill)
    torch.testing.assert_close(gradient("hill", 1.0), p - 1)


def test_focal_against_its_formula_and_bce_at_gamma_0() -> None:
    p = torch.sigmoid(Z)
    y = (torch.arange(len(Z)) % 2).double()
    pt = torch.where(y > 0.5, p, 1 - p)
    expected = float((-((1 - pt) ** 2) * torch.log(pt)).mean())
    assert float(losses.focal(Z[None], y[None])) == pytest.approx(expected, rel=1e-9)
    plain = float(losses.binary_cross_entropy(Z[None], y[None]))
    assert float(losses.focal(Z[None], y[None], gamma=0.0)) == pytest.approx(plain, rel=1e-9)


def test_huber_is_quadratic_then_linear() -> None:
    x = torch.tensor([[0.3, -0.5, 2.0, -4.0]])
    expected = np.mean([0.5 * 0.09, 0.5 * 0.25, 2.0 - 0.5, 4.0 - 0.5])
    assert float(losses.huber(x, torch.zeros_like(x))) == pytest.approx(expected)


def test_cross_entropy_of_a_uniform_answer_is_log_classes() -> None:
    y = torch.tensor([[0.0], [2.0], [math.nan]])
    assert float(losses.cross_entropy(torch.zeros(3, 4), y)) == pytest.approx(math.log(4))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_missing_targets_have_no_part(name: str) -> None:
    torch.manual_seed(0)
    multiclass = name == "cross-entropy"
    logits = torch.randn(6, 3, requires_grad=True)
    targets = torch.randint(0, 2, (6, 1 if multiclass else 3)).float()
    targets[2] = math.nan
    if not multiclass:
        targets[4, 1] = math.nan
    value = LOSSES[name](logits, targets)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(logits.grad).all()
    assert (logits.grad[2] == 0).all()
    if not multiclass:
        assert logits.grad[4, 1] == 0
        known = ~torch.isnan(targets)
        flat = LOSSES[name](logits[known][:, None], targets[known][:, None])
        assert float(value) == pytest.approx(float(flat), rel=1e-6)
    nothing = LOSSES[name](logits, torch.full_like(targets, math.nan))
    assert float(nothing) == 0.0


def test_class_balance() -> None:
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, math.nan]])
    assert positive_weights(targets).tolist() == [3.0, 3.0]
    assert positive_weights(torch.ones(5, 1)).tolist() == [1.0]
    weighted = losses.binary_cross_entropy(
        torch.zeros(2, 1), torch.tensor([[1.0], [0.0]]), positive_weight=torch.tensor([3.0])
    )
    assert float(weighted) == pytest.approx(2 * math.log(2))


def test_unknown_losses_are_named() -> None:
    with pytest.raises(TrainingError, match="no loss 'l1'.*bce"):
        make_loss("l1")
    with pytest.raises(TrainingError, match="'log' or 'hill'"):
        losses.hill(Z[None], Z[None], positive_branch="other")
