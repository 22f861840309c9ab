"""Human readers, or other decisions, beside the network: where they stand on its ROC curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EvaluationError
from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.rows import ReaderRow
from ecgfoundry.metrics.comparison import mcnemar
from ecgfoundry.metrics.decisions import decision_counts, decision_measures
from ecgfoundry.metrics.ranking import roc_curve

__all__ = ["check_decisions", "reader_rows"]

Float64 = NDArray[np.float64]


def check_decisions(name: str, decisions: Float64) -> None:
    """Refuse what is no decision.

    Raises
    ------
    EvaluationError
    """
    known = decisions[~np.isnan(decisions)]
    if not np.isin(known, (0.0, 1.0)).all():
        raise EvaluationError(
            f"the reader '{name}' has cells that are neither 0 nor 1",
            remedy="Give decisions; compare scores as a model with: ecgfoundry compare A B",
        )


def reader_rows(data: EvaluationData, columns: Sequence[int]) -> list[ReaderRow]:
    """Return a row per reader and target, in the order of both.

    ``network_sensitivity``: what the network reaches at the reader's specificity, on the records
    that the reader read; ``p_mcnemar``: McNemar's test of the decisions of both, where the network
    has a threshold. Undefined values are ``nan``.
    """
    rows = []
    for name, decisions in data.readers.items():
        for k in columns:
            read = np.where(np.isnan(data.scores[:, k]), np.nan, decisions[:, k])
            labels = np.where(np.isnan(read), np.nan, data.labels[:, k])
            if np.isnan(labels).all():
                continue
            counts = decision_counts(labels, read, 0.5)
            measures = {key: float(v) for key, v in decision_measures(counts).items()}
            rows.append(
                ReaderRow(
                    reader=name,
                    target=data.targets[k],
                    n=int(counts.sum()),
                    positives=int(counts[0] + counts[2]),
                    measures=measures,
                    network_sensitivity=_at_specificity(
                        labels, data.scores[:, k], measures["specificity"]
                    ),
                    p_mcnemar=_mcnemar(labels, data.scores[:, k], read, data, k),
                )
            )
    return rows


def _at_specificity(labels: Float64, scores: Float64, specificity: float) -> float:
    """Return the largest sensitivity at no smaller specificity."""
    curve = roc_curve(labels, scores)
    if curve.positives == 0 or curve.negatives == 0 or np.isnan(specificity):
        return float("nan")
    # A hair for the rounding of two ratios of the same whole numbers.
    allowed = curve.false_positive_rate <= 1.0 - specificity + 1e-12
    return float(curve.sensitivity[allowed].max())


def _mcnemar(
    labels: Float64, scores: Float64, read: Float64, data: EvaluationData, column: int
) -> float:
    values: Mapping[str, float] = {} if data.thresholds is None else data.thresholds.values
    threshold = values.get(data.targets[column])
    if threshold is None:
        return float("nan")
    called = np.where(np.isnan(scores), np.nan, scores >= threshold)
    return float(mcnemar(labels, called, read)["p"])
