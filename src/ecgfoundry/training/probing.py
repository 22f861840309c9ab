"""Linear probes on cached embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfoundry.errors import TrainingError
from ecgfoundry.tasks import Task
from ecgfoundry.training.stages import classifier_of

__all__ = ["LinearProbe", "fit_linear_probe", "put_into"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

PENALTIES: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)
"""L2 penalties that are tried, on features of unit deviation (our choice)."""
ITERATIONS = 60
"""L-BFGS iterations at most; the problem is convex and small (our choice)."""


@dataclass(frozen=True)
class LinearProbe:
    """``embedding @ weight.T + bias``.

    Attributes
    ----------
    weight : ndarray (outputs, features)
    bias : ndarray (outputs,)
    penalty : float
        The chosen one.
    """

    weight: Float32
    bias: Float32
    penalty: float

    def __call__(self, embeddings: NDArray[np.floating]) -> Float64:
        """Return the outputs (n, outputs)."""
        return np.asarray(embeddings @ self.weight.T + self.bias, dtype=np.float64)


def fit_linear_probe(
    embeddings: Float32,
    values: Float64,
    task: Task,
    *,
    validation: tuple[Float32, Float64] | None = None,
    penalties: tuple[float, ...] = PENALTIES,
    iterations: int = ITERATIONS,
) -> LinearProbe:
    """Fit one linear layer on embeddings by full-batch L-BFGS.

    Parameters
    ----------
    embeddings : ndarray, float32 (n, features)
        Of the training split.
    values : ndarray (n, columns)
        Targets; NaN is missing.
    task : Task
        Gives the loss; of values, with their scale.
    validation : tuple, optional
        (embeddings, values) that choose the penalty; without it the first penalty is used.
    penalties : tuple of float
    iterations : int

    Returns
    -------
    LinearProbe
        Features were standardized for the fit; weight and bias take them as they are.
    """
    centre = embeddings.mean(axis=0)
    spread = embeddings.std(axis=0)
    spread = np.where(spread > 1e-6 * max(float(spread.max()), 1e-12), spread, np.float32(1.0))
    x = torch.from_numpy((embeddings - centre) / spread)
    y = torch.from_numpy(task.network_targets(values))
    loss = task.make_loss(values)
    chosen = penalties if validation is not None else penalties[:1]
    best: tuple[float, LinearProbe] | None = None
    head = nn.Linear(x.shape[1], task.outputs)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    # From the strongest penalty to the weakest, each from the solution before it.
    for penalty in sorted(chosen, reverse=True):
        _minimise(head, x, y, loss, penalty, iterations)
        weight = head.weight.detach().numpy() / spread
        bias = head.bias.detach().numpy() - weight @ centre
        probe = LinearProbe(weight.astype(np.float32), bias.astype(np.float32), penalty)
        if validation is None:
            return probe
        outside = torch.from_numpy(probe(validation[0]).astype(np.float32))
        wanted = torch.from_numpy(task.network_targets(validation[1]))
        error = float(loss(outside, wanted))
        if best is None or error < best[0]:
            best = (error, probe)
    if best is None:
        raise TrainingError("a probe needs at least one penalty")
    return best[1]


def _minimise(
    head: nn.Linear,
    x: Tensor,
    y: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    penalty: float,
    iterations: int,
) -> None:
    optimizer = torch.optim.LBFGS(
        head.parameters(), max_iter=iterations, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        # The loss is a mean over outputs as well, so the penalty is too.
        value = loss(head(x), y) + penalty * head.weight.square().sum() / head.out_features
        value.backward()
        return value

    optimizer.step(closure)


def put_into(network: nn.Module, probe: LinearProbe) -> None:
    """Write a probe into the classifier of a network."""
    head = classifier_of(network)
    if tuple(head.weight.shape) != probe.weight.shape:
        raise TrainingError(
            f"a probe of shape {probe.weight.shape} does not fit a classifier of shape "
            f"{tuple(head.weight.shape)}"
        )
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(probe.weight))
        head.bias.copy_(torch.from_numpy(probe.bias))
