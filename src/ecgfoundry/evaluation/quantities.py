"""One row per target of kind "regression": errors, agreement, intervals by patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.rows import QuantityRow
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.metrics.auroc_intervals import RELIABLE_PATIENTS
from ecgfoundry.metrics.bootstrap import bootstrap_sums, patient_sums
from ecgfoundry.metrics.intervals import interval_of_draws
from ecgfoundry.metrics.regression import (
    REGRESSION_MEASURES,
    regression_from_sums,
    regression_terms,
)
from ecgfoundry.metrics.resampling import PatientResampling

__all__ = ["regression_draws", "regression_rows"]

Float64 = NDArray[np.float64]


def regression_draws(
    truth: Float64, predicted: Float64, resampling: PatientResampling, *, draws: int
) -> dict[str, Float64]:
    """Bootstrap values of every measure, on the same draws for every model and target."""
    per_patient = patient_sums(regression_terms(truth, predicted), resampling)
    return regression_from_sums(bootstrap_sums(per_patient, resampling, draws=draws))


def regression_rows(
    data: EvaluationData,
    columns: Sequence[int],
    resampling: PatientResampling,
    settings: Settings,
) -> list[QuantityRow]:
    """Measure the targets in ``columns``; undefined values are ``nan``."""
    rows = []
    for k in columns:
        truth, predicted = data.labels[:, k], data.scores[:, k]
        known = ~(np.isnan(truth) | np.isnan(predicted))
        sums = regression_terms(truth, predicted).sum(axis=0)
        values = {name: float(v) for name, v in regression_from_sums(sums).items()}
        people = len(np.unique(resampling.member[known]))
        drawn: dict[str, Float64] = {}
        if settings.draws and known.any():
            drawn = regression_draws(truth, predicted, resampling, draws=settings.draws)
        rows.append(
            QuantityRow(
                target=data.targets[k],
                n=int(known.sum()),
                patients=people,
                missing_labels=int(np.isnan(truth).sum()),
                missing_predictions=int((~np.isnan(truth) & np.isnan(predicted)).sum()),
                measures={
                    name: interval_of_draws(
                        values[name], drawn.get(name, ()), people=people, level=settings.level
                    )
                    for name in REGRESSION_MEASURES
                },
                reliable=bool(drawn) and people >= RELIABLE_PATIENTS,
            )
        )
    return rows
