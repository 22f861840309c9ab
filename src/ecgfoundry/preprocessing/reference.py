"""The reference engine: the steps of a recipe in order, by NumPy and SciPy, in float64.

Every recipe runs here. What another engine takes over of a recipe gives the same numbers, up to
rounding (see :func:`ecgfoundry.preprocessing.standardize_windows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.preprocessing.recipe import Preprocessing
from ecgfoundry.preprocessing.steps import Circumstances, Step, ZScore

__all__ = ["finish", "rates_before", "run_steps"]

Float64 = NDArray[np.float64]


def run_steps(
    x: Float64, steps: Sequence[Step], now: Circumstances, recipe: Preprocessing
) -> tuple[Float64, Circumstances]:
    """Run some steps of a recipe, one after the other.

    Parameters
    ----------
    x : float64 (leads, samples)
        Present leads only.
    steps : sequence of Step
    now : Circumstances
        Before the first of them.
    recipe : Preprocessing
        For its padding, where that counts in the scaling, and for its length.

    Returns
    -------
    float64 (leads, samples)
    Circumstances
        Behind the last step.
    """
    for step in steps:
        if isinstance(step, ZScore) and recipe.padding.counted_in_scaling:
            x = recipe.padding.run(x, recipe.samples)
        x = step.run(x, now)
        now = replace(now, rate=step.rate_after(now.rate))
    return x, now


def finish(x: NDArray[np.floating], recipe: Preprocessing) -> NDArray[np.floating]:
    """Return the window in the recipe's length: cut on the right, or padded."""
    return recipe.padding.run(x[:, : recipe.samples], recipe.samples)


def rates_before(recipe: Preprocessing, source_rate: float) -> list[float]:
    """Return the sampling rate before each step, Hz."""
    rates = [source_rate]
    for step in recipe.steps:
        rates.append(step.rate_after(rates[-1]))
    return rates[:-1]
