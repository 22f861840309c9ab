"""Losses. Every one leaves missing targets (NaN) out and gives the mean over what is known.

Multilabel losses take ``logits`` and ``targets`` of shape (batch, targets) with targets 0, 1, a
probability, or NaN; ``cross_entropy`` takes class numbers; ``huber`` takes standardized values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from ecgfoundry.errors import TrainingError

__all__ = [
    "HILL_MARGIN",
    "LOSSES",
    "binary_cross_entropy",
    "cross_entropy",
    "focal",
    "hill",
    "hill_positive",
    "huber",
    "make_loss",
    "positive_weights",
]

HILL_MARGIN = 1.5
"""Lambda of the Hill loss (arXiv 2112.07368); ECGFounder's pretraining uses the same (relayed)."""


def _mean_of_known(values: Tensor, known: Tensor) -> Tensor:
    """Mean over the known entries; 0, with a gradient of 0, where nothing is known."""
    return torch.where(known, values, torch.zeros_like(values)).sum() / known.sum().clamp(min=1)


def _filled(targets: Tensor) -> tuple[Tensor, Tensor]:
    known = ~torch.isnan(targets)
    return torch.nan_to_num(targets, nan=0.0), known


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, *, positive_weight: Tensor | None = None
) -> Tensor:
    """Return the binary cross-entropy over the known targets.

    Parameters
    ----------
    logits, targets : Tensor (batch, targets)
    positive_weight : Tensor (targets,), optional
        Weight of a positive against a negative.
    """
    filled, known = _filled(targets)
    values = functional.binary_cross_entropy_with_logits(
        logits, filled, reduction="none", pos_weight=positive_weight
    )
    return _mean_of_known(values, known)


def focal(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma: float = 2.0,
    positive_weight: Tensor | None = None,
) -> Tensor:
    """Return the focal loss ``(1 - p_t)^gamma * -log p_t`` (Lin et al. 2017, gamma 2).

    Parameters
    ----------
    logits, targets : Tensor (batch, targets)
    gamma : float
        0 is the binary cross-entropy.
    positive_weight : Tensor (targets,), optional
        Weight of a positive against a negative.
    """
    filled, known = _filled(targets)
    right = filled * functional.logsigmoid(logits) + (1 - filled) * functional.logsigmoid(-logits)
    values = -((1 - right.exp()) ** gamma) * right
    if positive_weight is not None:
        values = values * (1 + filled * (positive_weight - 1))
    return _mean_of_known(values, known)


def hill_positive(logits: Tensor) -> Tensor:
    """Return Hill's positive branch ``-(1 - s(z - 1))^2 log s(z - 1)``, s the sigmoid."""
    shifted = logits - 1.0
    return -((1 - torch.sigmoid(shifted)) ** 2) * functional.logsigmoid(shifted)


def hill(
    logits: Tensor,
    targets: Tensor,
    *,
    positive_branch: str = "log",
    positive_weight: Tensor | None = None,
) -> Tensor:
    r"""Return the Hill loss for labels of which only the positives are sure.

    Parameters
    ----------
    logits, targets : Tensor (batch, targets)
        1 is annotated; 0 is "not annotated", which may be a missing positive; NaN is left out.
    positive_branch : {"log", "hill"}
        What ECGFounder used is not published: ``-log sigmoid`` is the default here (our choice),
        Hill's own branch is the option.
    positive_weight : Tensor (targets,), optional

    Notes
    -----
    Negative branch :math:`(1.5 - p)\,p^2` with :math:`p = \sigma(z)` (arXiv 2112.07368). Its
    gradient in the logit is :math:`3 p^2 (1 - p)^2`: it falls to 0 as p rises to 1, so that a
    confident "missing positive" is left alone.
    """
    if positive_branch not in ("log", "hill"):
        raise TrainingError(f"the positive branch is 'log' or 'hill', not '{positive_branch}'")
    filled, known = _filled(targets)
    probability = torch.sigmoid(logits)
    negative = (HILL_MARGIN - probability) * probability**2
    positive = (
        hill_positive(logits) if positive_branch == "hill" else -functional.logsigmoid(logits)
    )
    if positive_weight is not None:
        positive = positive * positive_weight
    return _mean_of_known(filled * positive + (1 - filled) * negative, known)


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross-entropy of class numbers.

    Parameters
    ----------
    logits : Tensor (batch, classes)
    targets : Tensor (batch,) or (batch, 1)
        Class numbers as floats; NaN is left out.
    class_weight : Tensor (classes,), optional
    label_smoothing : float
    """
    flat = targets.reshape(-1)
    known = ~torch.isnan(flat)
    classes = torch.nan_to_num(flat, nan=0.0).long()
    values = functional.cross_entropy(
        logits, classes, weight=class_weight, reduction="none", label_smoothing=label_smoothing
    )
    return _mean_of_known(values, known)


def huber(outputs: Tensor, targets: Tensor, *, delta: float = 1.0) -> Tensor:
    """Return the Huber loss of standardized values (batch, targets); NaN is left out.

    Parameters
    ----------
    outputs, targets : Tensor (batch, targets)
        In standard deviations of the training targets.
    delta : float
        Where the square becomes a line; 1 standard deviation (our choice).
    """
    filled, known = _filled(targets)
    values = functional.huber_loss(outputs, filled, reduction="none", delta=delta)
    return _mean_of_known(values, known)


def positive_weights(targets: Tensor, *, most: float = 20.0) -> Tensor:
    """Return negatives per positive of each target, between 1 and ``most`` (our choice).

    Parameters
    ----------
    targets : Tensor (records, targets)
        Of the training split; NaN is left out.
    """
    known = ~torch.isnan(targets)
    positives = torch.where(known, targets, torch.zeros_like(targets)).sum(dim=0)
    negatives = known.sum(dim=0) - positives
    return (negatives / positives.clamp(min=1)).clamp(1.0, most)


LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "bce": binary_cross_entropy,
    "focal": focal,
    "hill": hill,
    "hill-positive": partial(hill, positive_branch="hill"),
    "cross-entropy": cross_entropy,
    "huber": huber,
}
"""All losses by name; "hill-positive" is Hill with its own positive branch."""


def make_loss(name: str, **settings: object) -> Callable[..., Tensor]:
    """Return a loss with its settings; None among them is left out.

    Raises
    ------
    TrainingError
        There is no such loss.
    """
    if name not in LOSSES:
        raise TrainingError(f"there is no loss '{name}'", remedy=f"Use {', '.join(LOSSES)}")
    given = {key: value for key, value in settings.items() if value is not None}
    return partial(LOSSES[name], **given)
