"""What is evaluated: labels, scores, patients and covariates of the same records, aligned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EvaluationError
from ecgfoundry.metrics.shifts import GateVerdicts

__all__ = ["CohortStep", "EvaluationData", "Thresholds", "holds_classes"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class CohortStep:
    """One box of the cohort flow: how many are there, and how many left before it and why."""

    name: str
    records: int
    left_out: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Thresholds:
    """Thresholds per target and where they come from; a target without one is not decided."""

    values: Mapping[str, float]
    source: str


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """Labels and scores of the same records.

    Attributes
    ----------
    targets : tuple of str
    labels, scores : float64 (records, targets)
        NaN is missing. Labels of 0 and 1 are classes, anything else is a quantity.
    patients : ndarray (records,)
        Name or number of each record's patient.
    covariates : mapping
        Name -> float64 (records,) for ``age`` and ``heart_rate``, text (records,) for the others;
        NaN and "" are missing.
    features : mapping
        Name of a control -> float64 (records, columns) that a linear model is fitted on, such as
        hand-crafted ECG features; a row of NaN where they could not be computed.
    fit : EvaluationData, optional
        Other records (validation) on which control models are fitted. Without them they are fitted
        within the evaluated records, each patient scored by a model that never saw them.
    thresholds : Thresholds, optional
    readers : mapping
        Name -> float64 (records, targets): decisions of 0, 1 or NaN, of people or other programs.
    multiclass : bool
        Whether the targets exclude each other and decisions are by the largest score.
    cohort : sequence of CohortStep
    notes : sequence of str
        What a reader has to know about the input.
    provenance : mapping
        Files, hashes, bundle; goes into the JSON as it is.
    gate : GateVerdicts, optional
        Of all records that were read, those without a label among them.
    embeddings : float64 (records, features), optional
        Of the evaluated model, the mean over a record's windows; NaN where there is none.
    """

    targets: tuple[str, ...]
    labels: Float64
    scores: Float64
    patients: NDArray[np.generic]
    covariates: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    features: Mapping[str, Float64] = field(default_factory=dict)
    fit: EvaluationData | None = None
    thresholds: Thresholds | None = None
    multiclass: bool = False
    cohort: Sequence[CohortStep] = ()
    notes: Sequence[str] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)
    records: NDArray[np.generic] | None = None
    patients_known: bool = True
    not_computed: Mapping[str, str] = field(default_factory=dict)
    readers: Mapping[str, Float64] = field(default_factory=dict)
    gate: GateVerdicts | None = None
    embeddings: Float64 | None = None

    def __post_init__(self) -> None:
        shape = (len(self.patients), len(self.targets))
        if self.labels.shape != shape or self.scores.shape != shape:
            raise EvaluationError(
                f"labels {self.labels.shape} and scores {self.scores.shape} are not of "
                f"{shape[0]} records and {shape[1]} targets"
            )
        if len(set(self.targets)) != len(self.targets):
            raise EvaluationError("duplicate target")
        infinite = np.isinf(self.labels).any(axis=0)
        if infinite.any():
            named = ", ".join(f"'{self.targets[k]}'" for k in np.flatnonzero(infinite))
            raise EvaluationError(
                f"labels of {named} are infinite",
                remedy="A missing label is an empty cell or NaN; it is left out, never counted",
            )

    def __len__(self) -> int:
        return len(self.patients)

    def select(self, rows: NDArray[np.generic]) -> EvaluationData:
        """Return some of the records (by a mask or by position)."""
        return replace(
            self,
            labels=self.labels[rows],
            scores=self.scores[rows],
            patients=self.patients[rows],
            covariates={name: values[rows] for name, values in self.covariates.items()},
            features={name: values[rows] for name, values in self.features.items()},
            readers={name: values[rows] for name, values in self.readers.items()},
            records=None if self.records is None else self.records[rows],
            embeddings=None if self.embeddings is None else self.embeddings[rows],
        )

    def of_targets(self, columns: Sequence[int]) -> tuple[Float64, Float64]:
        """Return labels and scores of some targets; of all of them without a copy."""
        chosen = list(columns)
        if chosen == list(range(len(self.targets))):
            return self.labels, self.scores
        return self.labels[:, chosen], self.scores[:, chosen]

    @cached_property
    def classes(self) -> tuple[int, ...]:
        """Columns of the targets that are present or absent."""
        every = range(len(self.targets))
        return tuple(k for k in every if holds_classes(self.labels[:, k]))

    @cached_property
    def quantities(self) -> tuple[int, ...]:
        """Columns of the other targets."""
        return tuple(k for k in range(len(self.targets)) if k not in set(self.classes))


def holds_classes(labels: Float64) -> bool:
    """Whether every known label is 0 or 1; else they are quantities."""
    known = labels[~np.isnan(labels)]
    return bool(((known == 0.0) | (known == 1.0)).all())
