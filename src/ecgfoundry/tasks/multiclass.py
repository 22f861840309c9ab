"""One target of several classes that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.metrics.calibration import fit_calibrator, log_softmax
from ecgfoundry.metrics.classification import macro_auroc
from ecgfoundry.tasks.base import MINIMUM_EACH, Float64, Loss
from ecgfoundry.tasks.classification import Classification
from ecgfoundry.tasks.outputs import Outputs
from ecgfoundry.tasks.readout import Calibration, Readout
from ecgfoundry.vocabularies.types import Target

__all__ = ["Multiclass"]


@dataclass(frozen=True, kw_only=True)
class Multiclass(Classification):
    """A column of class numbers; every class has its own output, and the most probable is present.

    ``vocabulary`` are the classes.
    """

    kind: ClassVar[str] = "multiclass"
    target_kind: ClassVar[str] = "multiclass"
    losses: ClassVar[tuple[str, ...]] = ("cross-entropy",)
    one_column: ClassVar[bool] = True
    exclusive: ClassVar[bool] = True
    crossed_method: ClassVar[str] = "temperature"

    def check_columns(self) -> None:
        """One column has as many outputs as it has classes."""

    @classmethod
    def targets_of(
        cls,
        columns: Sequence[str],
        values: Float64,
        texts: Mapping[str, Sequence[str]],
        unit: str | None,
    ) -> tuple[Target, ...]:
        """Return one target per class, in the order of their numbers."""
        del unit
        known = values[~np.isnan(values)]
        count = int(known.max()) + 1 if known.size else 1
        names = tuple(texts.get(columns[0], ())) or tuple(f"{columns[0]} {k}" for k in range(count))
        return tuple(Target(str(name), "diagnosis") for name in names)

    def truth_of(self, k: int, values: Float64) -> Float64:
        """Return whether each record is of class ``k``."""
        classes = values[:, 0]
        return np.where(np.isnan(classes), np.nan, classes == k)

    def known_labels(self, values: Float64) -> tuple[NDArray[np.bool_], Float64]:
        """Return the records with a class, and their classes."""
        known: NDArray[np.bool_] = ~np.isnan(values[:, 0])
        return known, values[known, 0]

    def present(self, answers: Float64) -> list[bool | None]:
        """Return whether each class is the most probable one."""
        top = int(np.argmax(answers))
        return [k == top for k in range(len(answers))]

    def make_loss(self, training: Float64) -> Loss:
        """Return the loss, with classes weighted against their frequency if that is wanted."""
        if not self.balance:
            return super().make_loss(training)
        import torch

        from ecgfoundry.tasks import losses

        known = training[~np.isnan(training)].astype(np.int64)
        counts = np.maximum(np.bincount(known, minlength=self.outputs), 1)
        weight = torch.tensor(known.size / (self.outputs * counts), dtype=torch.float32)
        return losses.make_loss(self.loss, class_weight=weight)

    def figures(self, outputs: Float64, values: Float64) -> dict[str, float]:
        """Return macro AUROC of each class against the others, accuracy, and cross-entropy."""
        known, classes = self.known_labels(values)
        z, y = outputs[known], classes.astype(np.int64)
        if not y.size:
            return {"macro_auroc": float("nan"), "loss": float("nan")}
        hot = (y[:, None] == np.arange(self.outputs)).astype(np.float64)
        logs = log_softmax(z)
        return {
            "macro_auroc": macro_auroc(hot, logs - np.log(np.maximum(1 - np.exp(logs), 1e-12))),
            "accuracy": float((z.argmax(axis=1) == y).mean()),
            "loss": float(-logs[np.arange(len(y)), y].mean()),
        }

    def calibrated(self, outputs: Outputs, values: Float64) -> Self:
        """Fit vector scaling, or one temperature where a class is rare."""
        known, classes = self.known_labels(values)
        if len(classes) < MINIMUM_EACH * 2:
            few = f"fewer than {2 * MINIMUM_EACH} recordings with a class in the validation split"
            return self.with_readout(
                Readout(uncalibrated=dict.fromkeys(self.vocabulary.names, few))
            )
        counts = np.bincount(classes.astype(int), minlength=self.outputs)
        method = "vector" if counts.min() >= MINIMUM_EACH else "temperature"
        record = fit_calibrator(outputs.records[known], classes, method=method, multiclass=True)
        seen, own = self.known_labels(values[outputs.owner])
        window = fit_calibrator(outputs.windows[seen], own, method=method, multiclass=True)
        source = f"{len(classes)} recordings of the validation split"
        return self.with_readout(Readout(Calibration(record, window, fitted_on=source)))
