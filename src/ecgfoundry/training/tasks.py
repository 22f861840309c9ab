"""Tasks: what to learn from a table of targets, and what to say about how well it went."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.metrics.calibration import log_softmax, sigmoid
from ecgfoundry.metrics.classification import auroc, macro_auroc
from ecgfoundry.vocabularies import Target, Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TASK_KINDS", "TargetScale", "Task", "infer_task", "patient_means"]

TASK_KINDS = ("binary", "multiclass", "multilabel", "positive-unlabelled", "regression")
_DEFAULT_LOSSES = {
    "binary": "bce",
    "multilabel": "bce",
    "positive-unlabelled": "hill",
    "multiclass": "cross-entropy",
    "regression": "huber",
}
_FITTING_LOSSES = {
    "binary": ("bce", "focal"),
    "multilabel": ("bce", "focal", "hill", "hill-positive"),
    "positive-unlabelled": ("hill", "hill-positive"),
    "multiclass": ("cross-entropy",),
    "regression": ("huber",),
}
_MOST_CLASSES = 10
"""A column of more distinct whole numbers is taken for a measured value (our choice)."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TargetScale:
    """``value = output * scale + offset``, per target, in the target's own unit."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def of(cls, targets: Float64) -> TargetScale:
        """Mean and standard deviation of the training targets (records, targets); NaN left out.

        Raises
        ------
        TrainingError
            A target has fewer than two different values.
        """
        scales, offsets = [], []
        for k, column in enumerate(targets.T):
            known = column[~np.isnan(column)]
            if known.size < 2 or float(known.std()) == 0.0:
                raise TrainingError(
                    f"target {k} has fewer than two different values in the training split"
                )
            scales.append(float(known.std()))
            offsets.append(float(known.mean()))
        return cls(tuple(scales), tuple(offsets))

    def standardized(self, values: Float64) -> Float64:
        """Values in physical units to standard deviations."""
        return (values - np.asarray(self.offset)) / np.asarray(self.scale)

    def physical(self, outputs: Float64) -> Float64:
        """Outputs of the network to physical units."""
        return outputs * np.asarray(self.scale) + np.asarray(self.offset)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to learn.

    Parameters
    ----------
    kind : str
        One of :data:`TASK_KINDS`.
    columns : tuple of str
        Targets of the manifest, in order. Multiclass: one.
    vocabulary : Vocabulary
        What the outputs mean; multiclass: the classes.
    loss : str, optional
        Name of a loss that fits the kind; the usual one by default: binary cross-entropy, Hill
        (positive-unlabelled), cross-entropy, Huber.
    balance : bool
        Weight positives (or classes) against their rarity.
    aggregate : {"record", "patient"}
        What figures are measured on; "patient" averages the outputs of a patient's records first.

    Raises
    ------
    TrainingError
        The kind, the loss and the columns do not go together.
    """

    kind: str
    columns: tuple[str, ...]
    vocabulary: Vocabulary
    loss: str = ""
    balance: bool = False
    aggregate: str = "record"

    def __post_init__(self) -> None:
        if self.kind not in TASK_KINDS:
            raise TrainingError(
                f"there is no task '{self.kind}'", remedy=f"Tasks are {', '.join(TASK_KINDS)}"
            )
        if not self.loss:
            object.__setattr__(self, "loss", _DEFAULT_LOSSES[self.kind])
        if self.loss not in _FITTING_LOSSES[self.kind]:
            raise TrainingError(
                f"the loss '{self.loss}' does not fit a {self.kind} task",
                remedy=f"Use {', '.join(_FITTING_LOSSES[self.kind])}",
            )
        if self.kind in ("binary", "multiclass") and len(self.columns) != 1:
            raise TrainingError(f"a {self.kind} task has one target, not {len(self.columns)}")
        if self.kind != "multiclass" and len(self.columns) != len(self.vocabulary):
            raise TrainingError(
                f"{len(self.columns)} targets and a vocabulary of {len(self.vocabulary)}"
            )
        if self.aggregate not in ("record", "patient"):
            raise TrainingError(f"figures are per record or patient, not '{self.aggregate}'")

    @property
    def outputs(self) -> int:
        """Logits of the network."""
        return len(self.vocabulary)

    @property
    def target_kind(self) -> str:
        """Kind in the words of a bundle."""
        if self.kind in ("multiclass", "regression"):
            return self.kind
        return "multilabel"

    @property
    def monitor(self) -> tuple[str, str]:
        """The figure that selects the weights, and whether more or less of it is better."""
        return ("mae_in_sd", "min") if self.kind == "regression" else ("macro_auroc", "max")

    def network_targets(self, values: Float64, scale: TargetScale | None) -> NDArray[np.float32]:
        """Return what the loss compares with: standardized for a regression, else as they are."""
        if scale is not None:
            values = scale.standardized(values)
        return values.astype(np.float32)

    def make_loss(self, training: Float64) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the loss; ``training`` are the training targets (records, columns)."""
        import torch

        from ecgfoundry.training import losses

        if not self.balance or self.kind == "regression":
            return losses.make_loss(self.loss)
        if self.kind == "multiclass":
            known = training[~np.isnan(training)].astype(np.int64)
            counts = np.maximum(np.bincount(known, minlength=self.outputs), 1)
            weight = torch.tensor(known.size / (self.outputs * counts), dtype=torch.float32)
            return losses.make_loss(self.loss, class_weight=weight)
        weight = losses.positive_weights(torch.from_numpy(training.astype(np.float32)))
        return losses.make_loss(self.loss, positive_weight=weight)

    def figures(
        self, outputs: Float64, values: Float64, *, scale: TargetScale | None = None
    ) -> dict[str, float]:
        """Return named figures of logits (records, outputs) against targets (records, columns).

        An undefined figure is ``nan``, never 0. Regression: mean absolute error and Pearson's r
        in physical units, per target; ``mae_in_sd`` is the mean error in standard deviations.
        """
        if self.kind == "regression":
            return self._regression_figures(outputs, values, scale)
        if self.kind == "multiclass":
            return self._multiclass_figures(outputs, values[:, 0])
        result = {"macro_auroc": macro_auroc(values, outputs)}
        if self.outputs > 1 and self.outputs <= 20:
            for k, name in enumerate(self.vocabulary.names):
                result[f"auroc {name}"] = auroc(values[:, k], outputs[:, k])
        known = ~np.isnan(values)
        y, z = values[known], outputs[known]
        result["loss"] = float((np.logaddexp(0, z) - y * z).mean()) if y.size else float("nan")
        return result

    def _multiclass_figures(self, outputs: Float64, classes: Float64) -> dict[str, float]:
        known = ~np.isnan(classes)
        z, y = outputs[known], classes[known].astype(np.int64)
        if not y.size:
            return {"macro_auroc": float("nan"), "loss": float("nan")}
        hot = (y[:, None] == np.arange(self.outputs)).astype(np.float64)
        logs = log_softmax(z)
        return {
            "macro_auroc": macro_auroc(hot, logs - np.log(np.maximum(1 - np.exp(logs), 1e-12))),
            "accuracy": float((z.argmax(axis=1) == y).mean()),
            "loss": float(-logs[np.arange(len(y)), y].mean()),
        }

    def _regression_figures(
        self, outputs: Float64, values: Float64, scale: TargetScale | None
    ) -> dict[str, float]:
        if scale is None:
            raise TrainingError("a regression needs the scale of its targets")
        physical = scale.physical(outputs)
        result: dict[str, float] = {}
        relative = []
        for k, name in enumerate(self.vocabulary.names):
            known = ~np.isnan(values[:, k])
            error = physical[known, k] - values[known, k]
            mae = float(np.abs(error).mean()) if error.size else float("nan")
            result[f"mae {name}"] = mae
            both = np.stack([physical[known, k], values[known, k]])
            varies = error.size > 1 and bool((both.std(axis=1) > 0).all())
            result[f"r {name}"] = float(np.corrcoef(both)[0, 1]) if varies else float("nan")
            relative.append(mae / scale.scale[k])
        result["mae_in_sd"] = float(np.mean(relative))
        return result

    def probabilities(self, outputs: Float64) -> Float64:
        """Return uncalibrated probabilities of a classification."""
        return np.exp(log_softmax(outputs)) if self.kind == "multiclass" else sigmoid(outputs)


def infer_task(
    values: Float64,
    columns: Sequence[str],
    *,
    classes: Mapping[str, Sequence[str]] | None = None,
    kind: str = "auto",
    unit: str | None = None,
    loss: str = "",
    balance: bool = False,
    aggregate: str = "record",
) -> Task:
    """Make a task from the values of the chosen columns.

    Parameters
    ----------
    values : ndarray (records, columns)
        NaN is missing.
    columns : sequence of str
    classes : mapping, optional
        Column -> names of its classes, where it held text.
    kind : str
        One of :data:`TASK_KINDS`, or "auto": text or up to ten whole numbers beyond 0 and 1 are
        multiclass, 0 and 1 binary or (several columns) multilabel, everything else a regression.
    unit : str, optional
        Of a regression's values. For a column called "age": "years".

    Raises
    ------
    TrainingError
        The values do not fit the kind.
    """
    names = tuple(columns)
    texts = dict(classes or {})
    if kind == "auto":
        kind = _kind_of(values, names, texts)
    known = values[~np.isnan(values)]
    two_words = bool(texts) and all(len(texts.get(name, ())) == 2 for name in names)
    classified = kind in ("binary", "multilabel", "positive-unlabelled")
    if classified and not two_words and not set(np.unique(known)) <= {0.0, 1.0}:
        raise TrainingError(
            f"a {kind} task needs targets of 0 and 1",
            remedy="Use --task regression or multiclass",
        )
    if kind == "multiclass":
        labels = tuple(texts.get(names[0], ())) or tuple(
            f"{names[0]} {k}" for k in range(int(known.max()) + 1 if known.size else 1)
        )
        targets = tuple(Target(str(label), "diagnosis") for label in labels)
    elif kind == "regression":
        targets = tuple(
            Target(
                name,
                "demographic" if name.casefold() == "age" else "measurement",
                unit=unit or ("years" if name.casefold() == "age" else None),
            )
            for name in names
        )
    elif names and all(len(texts.get(name, ())) == 2 for name in names):
        # The second of two text classes, in alphabetical order, is the positive one.
        targets = tuple(Target(f"{name}: {texts[name][1]}", "diagnosis") for name in names)
    else:
        targets = tuple(Target(name, "diagnosis") for name in names)
    vocabulary = Vocabulary("-".join(names)[:80] or "targets", targets, "columns of the manifest")
    return Task(
        kind=kind,
        columns=names,
        vocabulary=vocabulary,
        loss=loss,
        balance=balance,
        aggregate=aggregate,
    )


def _kind_of(values: Float64, names: tuple[str, ...], texts: Mapping[str, Sequence[str]]) -> str:
    if any(len(texts.get(name, ())) > 2 for name in names):
        if len(names) > 1:
            raise TrainingError("only one target of several classes can be learned at a time")
        return "multiclass"
    known = values[~np.isnan(values)]
    levels = np.unique(known)
    if set(levels) <= {0.0, 1.0}:
        return "binary" if len(names) == 1 else "multilabel"
    whole = bool((levels == np.round(levels)).all() and levels.min() >= 0)
    if len(names) == 1 and whole and len(levels) <= _MOST_CLASSES and levels.max() < _MOST_CLASSES:
        return "multiclass"
    return "regression"


def patient_means(
    outputs: Float64, values: Float64, groups: Sequence[str]
) -> tuple[Float64, Float64, list[str]]:
    """Average outputs and known targets over the records of each patient.

    Returns
    -------
    outputs (patients, outputs), values (patients, columns), patients
        A target that differs between a patient's records (a 0/1 label) becomes missing unless it
        is constant; numeric targets are averaged.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    mean_outputs = np.stack([outputs[member == k].mean(axis=0) for k in range(len(names))])
    means = np.full((len(names), values.shape[1]), np.nan)
    for k in range(len(names)):
        own = values[member == k]
        for column in range(values.shape[1]):
            known = own[~np.isnan(own[:, column]), column]
            if known.size and (set(np.unique(known)) - {0.0, 1.0} or np.ptp(known) == 0):
                means[k, column] = known.mean()
    return mean_outputs, means, [str(name) for name in names]


def as_json(task: Task) -> dict[str, Any]:
    """Return the task for a run's resolved configuration."""
    return {
        "kind": task.kind,
        "columns": list(task.columns),
        "targets": [target.to_dict() for target in task.vocabulary.targets],
        "loss": task.loss,
        "balance": task.balance,
        "aggregate": task.aggregate,
    }
