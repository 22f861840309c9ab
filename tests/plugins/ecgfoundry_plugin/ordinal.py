"""A kind of task: classes in order, as "at least" statements (Frank and Hall, ECML 2001)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.tasks import Outputs
from ecgfoundry.tasks.multilabel import Multilabel
from ecgfoundry.vocabularies import Target

__all__ = ["Ordinal"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Ordinal(Multilabel):
    """A column of classes 0 to K; output k says that the class is k + 1 or more."""

    kind: ClassVar[str] = "ordinal"
    target_kind: ClassVar[str] = "ordinal"
    losses: ClassVar[tuple[str, ...]] = ("at-least",)
    one_column: ClassVar[bool] = True
    recalibrates: ClassVar[bool] = False
    zero_one: ClassVar[bool] = False
    primary: ClassVar[tuple[str, str]] = ("mean_distance", "min")
    known_limits: ClassVar[tuple[str, ...]] = ("The steps between classes count as equal.",)

    def check_columns(self) -> None:
        """One column has an output for every class but the first."""

    @classmethod
    def targets_of(
        cls,
        columns: Sequence[str],
        values: Float64,
        texts: Mapping[str, Sequence[str]],
        unit: str | None,
    ) -> tuple[Target, ...]:
        """Return one statement per step."""
        (name,) = columns
        words = texts.get(name) or [str(k) for k in range(int(np.nanmax(values)) + 1)]
        return tuple(Target(f"{name} at least {word}", "diagnosis") for word in words[1:])

    @property
    def levels(self) -> int:
        """Classes of the column."""
        return self.outputs + 1

    def truth_of(self, k: int, values: Float64) -> Float64:
        """Return whether each class is above ``k``."""
        classes = values[:, 0]
        return np.where(np.isnan(classes), np.nan, classes > k)

    def steps(self, values: Float64) -> Float64:
        """Return what every output should answer (records, outputs)."""
        return np.stack([self.truth_of(k, values) for k in range(self.outputs)], axis=1)

    def known_labels(self, values: Float64) -> tuple[NDArray[np.bool_], Float64]:
        """Return the records with a class, and the steps that it has passed."""
        return super().known_labels(self.steps(values))

    def network_targets(self, values: Float64) -> NDArray[np.float32]:
        """Return the steps."""
        return self.steps(values).astype(np.float32)

    def make_loss(self, training: Float64) -> Callable[..., Any]:
        """Return cross-entropy of the steps, and a fine where a later one is likelier."""
        import torch

        from ecgfoundry.tasks import losses

        def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            rising = torch.relu(logits[:, 1:] - logits[:, :-1]).mean() if self.outputs > 1 else 0.0
            return losses.binary_cross_entropy(logits, targets) + rising

        return loss

    def figures(self, outputs: Float64, values: Float64) -> dict[str, float]:
        """Return the mean distance of the class that is answered from the true one."""
        known = ~np.isnan(values[:, 0])
        answered = (self.answers(outputs[known]) >= 0.5).sum(axis=1)
        distance = np.abs(answered - values[known, 0])
        steps = super().figures(outputs, self.steps(values))
        return {"mean_distance": float(distance.mean()), "loss": steps["loss"]}

    def never_positive(self, training: Float64) -> list[str]:
        """Return the steps that no record has passed."""
        names = zip(self.vocabulary.names, self.steps(training).T, strict=True)
        return [name for name, column in names if not (column > 0.5).any()]

    def calibrated(self, outputs: Outputs, values: Float64) -> Self:
        """Fit every step."""
        return super().calibrated(outputs, self.steps(values))

    def answers(self, outputs: Float64, *, level: str = "record") -> Float64:
        """Return probabilities that never rise from one step to the next."""
        found = super().answers(outputs, level=level)
        return np.minimum.accumulate(found, axis=-1)
