"""What every baseline does."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Baseline", "Float64"]

Float64 = NDArray[np.float64]


class Baseline(Protocol):
    """What every baseline does.

    ``kind`` is that of a task (:data:`ecgfoundry.tasks.TASKS`): "multilabel" (``y`` (records,
    targets) of 0 and 1, NaN = unknown; predictions are probabilities), "multiclass" (``y``
    (records,) of class numbers, NaN = unknown; predictions (records, classes) sum to 1) or
    "regression" (``y`` (records, targets), NaN = unknown).
    """

    kind: str
    classes: int | None

    def fit(
        self, X: Float64, y: Float64, groups: ArrayLike | None = None, seed: int = 0
    ) -> Baseline:
        """Learn from records; ``groups`` keeps records of a patient together when choosing."""
        ...

    def predict(self, X: Float64) -> Float64:
        """Return (records, outputs)."""
        ...
