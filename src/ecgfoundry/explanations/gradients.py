"""Integrated gradients: the network's slope along the way from no signal to the signal.

M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017. The values
of all samples add up to the difference between the score of the window and that of the baseline,
a window of zeros (after standardization: every lead at its mean).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["STEPS", "integrated_gradients"]

STEPS = 64
"""Points on the way; Sundararajan et al. found 20 to 300 enough."""
_BATCH = 8


def integrated_gradients(
    network: nn.Module,
    window: NDArray[np.float32],
    target: int,
    *,
    takes_presence: bool = False,
    exclusive: bool = False,
    steps: int = STEPS,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float64], float]:
    """Return the attribution of every sample, and the score of the window.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    window : float32 (leads, samples)
        Standardized; a row of NaN is an absent lead.
    target : int
        Column of the logits.
    takes_presence : bool
        Whether the network takes the presence mask.
    exclusive : bool
        Whether the score is the log odds of the class against the others.
    steps : int
        Midpoints of as many parts of the way.
    progress : callable (done, total), optional
        Steps.

    Returns
    -------
    attributions : float64 (leads, samples)
        NaN in absent rows.
    score : float
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError.for_extra("integrated gradients", "torch") from None
    absent = np.isnan(window).all(axis=1)
    x = torch.from_numpy(np.nan_to_num(window, nan=0.0))
    presence = torch.from_numpy((~absent).astype(np.float32))

    def score(batch: Tensor) -> Tensor:
        arguments = (batch, presence.expand(len(batch), -1)) if takes_presence else (batch,)
        logits = network(*arguments)
        if not exclusive or logits.shape[1] == 1:
            return logits[:, target]
        others = torch.cat([logits[:, :target], logits[:, target + 1 :]], dim=1)
        return logits[:, target] - torch.logsumexp(others, dim=1)

    total = torch.zeros_like(x, dtype=torch.float64)
    shares = (torch.arange(steps, dtype=torch.float32) + 0.5) / steps
    for start in range(0, steps, _BATCH):
        part = shares[start : start + _BATCH]
        batch = (part[:, None, None] * x).requires_grad_()
        (gradient,) = torch.autograd.grad(score(batch).sum(), batch)
        total += gradient.double().sum(dim=0)
        if progress is not None:
            progress(min(start + _BATCH, steps), steps)
    with torch.no_grad():
        whole = float(score(x[None])[0])
    result = (total / steps * x).numpy()
    result[absent] = np.nan
    return result, whole
