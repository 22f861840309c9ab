"""Bootstrap of rank statistics and of counts by patient, far faster than drawing records.

Scores are sorted once per target. A draw then only changes how often each record counts, so every
draw needs sums of whole numbers over stretches of the sorted records: a sparse matrix of ones
(stretches x patients) times the counts of a block of draws. The result equals computing the
statistic on the drawn records, ties included, up to the rounding of one division.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import SignalError
from ecgfoundry.metrics.ranking import split_placements
from ecgfoundry.metrics.resampling import PatientResampling, renumbered

__all__ = [
    "RankDraws",
    "RankIndex",
    "auroc_jackknife",
    "bootstrap_ranks",
    "bootstrap_sums",
    "patient_sums",
]

MOST_TRIES = 10
"""At most so many times the wanted number of draws are tried before a target is given up."""

_INDEX_RECORDS = 60_000_000
"""Sorted records kept at a time, about 0.5 GB of indices; more targets are done in turns."""
_STEP_VALUES = 2**22
"""Positive groups x draws worked on at a time: 32 MB per float64 array."""

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]


class RankIndex:
    """One target's sorted records, ready to be weighted.

    Parameters
    ----------
    labels, scores : (records,)
        NaN in either leaves the record out.
    resampling : PatientResampling
        Whose patients the records belong to.
    precision : bool
        Whether average precision is wanted too. Without it the smaller class forms the groups,
        which is faster.
    """

    def __init__(
        self,
        labels: Float64,
        scores: Float64,
        resampling: PatientResampling,
        *,
        precision: bool,
    ) -> None:
        from scipy.sparse import csr_array

        known = np.flatnonzero(~(np.isnan(labels) | np.isnan(scores)))
        positive, s = labels[known] == 1.0, scores[known]
        self.swapped = not precision and 2 * int(positive.sum()) > len(positive)
        if self.swapped:  # AUROC(negatives against positives, -s) is the same number
            positive, s = ~positive, -s
        order = np.argsort(-s)  # the order within a tie does not matter
        s, positive, member = s[order], positive[order], resampling.member[known][order]
        # Groups: runs of equal score that hold a member of the grouping class. Stretch 2g holds
        # the others above group g, stretch 2g + 1 the others tied with it.
        run = np.cumsum(np.append(True, s[1:] != s[:-1])[: len(s)]) - 1
        runs = int(run[-1]) + 1 if len(run) else 0
        grouped = np.bincount(run[positive], minlength=runs) > 0
        before: NDArray[np.int64] = np.cumsum(grouped) - grouped
        stretch = 2 * before[run] + grouped[run]
        self.groups = int(grouped.sum())
        shape = (2 * self.groups + 1, resampling.patients)
        others = ~positive
        ones = np.ones(len(s), dtype=np.float32)
        self._others = csr_array((ones[others], (stretch[others], member[others])), shape=shape)
        self._members = csr_array(
            (ones[positive], (before[run][positive], member[positive])),
            shape=(self.groups, resampling.patients),
        )

    def evaluate(self, counts: Float32, *, precision: bool) -> tuple[Float64, Float64]:
        """Return AUROC and average precision (``nan`` unless wanted) of every draw of a block."""
        draws = counts.shape[1]
        auroc, area = np.full(draws, np.nan), np.full(draws, np.nan)
        step = max(1, _STEP_VALUES // max(self.groups, 1))
        for first in range(0, draws, step):
            part = slice(first, first + step)
            auroc[part], area[part] = self._step(
                np.ascontiguousarray(counts[:, part]), precision=precision
            )
        return auroc, area

    def _step(self, counts: Float32, *, precision: bool) -> tuple[Float64, Float64]:
        undefined = np.full(counts.shape[1], np.nan)
        if self.groups == 0:
            return undefined, undefined.copy()
        others = np.cumsum(self._others @ counts, axis=0, dtype=np.float64)
        members = (self._members @ counts).astype(np.float64)
        positives, negatives = members.sum(axis=0), others[-1]
        both = (positives > 0) & (negatives > 0)
        above, up_to = others[0:-1:2], others[1::2]
        # Wins of a group: the others below it, and half of those tied with it.
        losses = np.einsum("gd,gd->d", members, above + up_to)
        pairs = positives * negatives
        auroc = np.divide(2.0 * pairs - losses, 2.0 * pairs, out=undefined, where=both)
        area = np.full(counts.shape[1], np.nan)
        if precision:
            found = np.cumsum(members, axis=0)
            called = found + up_to
            np.divide(found, called, out=found, where=called > 0)
            total = np.einsum("gd,gd->d", members, found)
            np.divide(total, positives, out=area, where=both)
        return auroc, area


@dataclass(frozen=True)
class RankDraws:
    """Bootstrap values of several targets on shared draws.

    Attributes
    ----------
    auroc, average_precision : float64 (models, targets, draws)
        ``nan`` throughout for a target that was given up or (average precision) not asked for.
    redrawn : float64 (targets,)
        Share of the tried draws that held one class only and were redrawn; ``nan`` for a target
        with one class in the data.
    """

    auroc: Float64
    average_precision: Float64
    redrawn: Float64


def bootstrap_ranks(
    labels: Float64,
    scores: Sequence[Float64],
    resampling: PatientResampling,
    *,
    draws: int = 1000,
    precision: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> RankDraws:
    """Bootstrap AUROC (and average precision) of several targets by patient.

    Parameters
    ----------
    labels : float64 (records, targets)
        0, 1 or NaN.
    scores : sequence of float64 (records, targets)
        One or several models on the same records. For a paired comparison a record must be known
        to all models or to none; see :func:`auroc_covariance` for the same rule.
    resampling : PatientResampling
    draws : int
        Defined draws per target. A draw with one class only is replaced by the next one with
        both, at most ``MOST_TRIES * draws`` are tried. Whether a draw has both classes depends on
        the labels alone, so models stay paired.
    precision : bool
    progress : callable (done, total), optional
        Draws of all targets together.

    Returns
    -------
    RankDraws

    Raises
    ------
    SignalError
        Shapes differ, or a model lacks scores that another has.
    """
    _check(labels, scores, resampling)
    targets = labels.shape[1]
    shape = (len(scores), targets, draws)
    auroc, area = np.full(shape, np.nan), np.full(shape, np.nan)
    redrawn = np.full(targets, np.nan)
    per_turn = max(1, _INDEX_RECORDS // max(1, len(labels) * len(scores)))
    for start in range(0, targets, per_turn):
        turn = range(start, min(start + per_turn, targets))
        indices = {
            k: [
                RankIndex(labels[:, k], model[:, k], resampling, precision=precision)
                for model in scores
            ]
            for k in turn
            if _has_both(labels[:, k], scores[0][:, k])
        }
        filled, tried = dict.fromkeys(indices, 0), dict.fromkeys(indices, 0)
        open_targets, first = list(indices), 0
        while open_targets and first < MOST_TRIES * draws:
            # The first pass draws for all; later ones only for what lost draws.
            wanted = draws if first == 0 else max(draws - min(filled.values()), 1)
            stop = min(first + wanted, MOST_TRIES * draws)
            for _, counts in resampling.blocks(first, stop):
                for k in open_targets:
                    _fill(indices[k], counts, k, auroc, area, filled, tried, precision)
                if progress is not None:
                    missing = sum(draws - min(filled[k], draws) for k in indices)
                    progress(turn.stop * draws - missing, targets * draws)
            first = stop
            open_targets = [k for k in open_targets if filled[k] < draws]
        for k in indices:
            redrawn[k] = 1.0 - filled[k] / max(tried[k], 1)
            if filled[k] < draws:
                auroc[:, k], area[:, k] = np.nan, np.nan
    return RankDraws(auroc, area, redrawn)


def _fill(
    indices: Sequence[RankIndex],
    counts: Float32,
    target: int,
    auroc: Float64,
    area: Float64,
    filled: dict[int, int],
    tried: dict[int, int],
    precision: bool,
) -> None:
    """Put the defined draws of a block where the target still has room."""
    room = auroc.shape[2] - filled[target]
    if room <= 0:
        return
    values = [index.evaluate(counts, precision=precision) for index in indices]
    defined = np.flatnonzero(~np.isnan(values[0][0]))[:room]
    # What was tried ends with the last draw that was taken.
    tried[target] += int(defined[-1]) + 1 if len(defined) == room else counts.shape[1]
    place = slice(filled[target], filled[target] + len(defined))
    for model, (ranks, areas) in enumerate(values):
        auroc[model, target, place] = ranks[defined]
        area[model, target, place] = areas[defined]
    filled[target] += len(defined)


def _check(labels: Float64, scores: Sequence[Float64], resampling: PatientResampling) -> None:
    for model in scores:
        if model.shape != labels.shape or labels.ndim != 2:
            raise SignalError(f"labels {labels.shape} and scores {model.shape} differ in shape")
    if len(resampling.member) != len(labels):
        raise SignalError(f"{len(resampling.member)} patients for {len(labels)} records")
    for other in scores[1:]:
        if (np.isnan(other) != np.isnan(scores[0])).any():
            raise SignalError("the models lack predictions for different records")


def _has_both(labels: Float64, scores: Float64) -> bool:
    known = labels[~(np.isnan(labels) | np.isnan(scores))]
    return bool((known == 1.0).any() and (known == 0.0).any())


def patient_sums(values: ArrayLike, resampling: PatientResampling) -> Float64:
    """Sum the rows of each patient: (records, quantities) -> (patients, quantities)."""
    table = np.asarray(values)
    result = np.empty((resampling.patients, table.shape[1]))
    for k in range(table.shape[1]):
        result[:, k] = np.bincount(
            resampling.member, weights=table[:, k], minlength=resampling.patients
        )
    return result


def bootstrap_sums(
    per_patient: NDArray[np.floating], resampling: PatientResampling, *, draws: int = 1000
) -> Float64:
    """Sums over the drawn records, for every statistic that is a function of sums.

    Parameters
    ----------
    per_patient : float (patients, quantities)
        From :func:`patient_sums`. In float32 the products are fast, and exact for counts whose
        sum stays below 2**24.

    Returns
    -------
    float64 (draws, quantities)
    """
    result = np.empty((draws, per_patient.shape[1]))
    for first, counts in resampling.blocks(0, draws):
        weights = counts.T.astype(per_patient.dtype, copy=False)
        result[first : first + counts.shape[1]] = weights @ per_patient
    return result


def auroc_jackknife(labels: Float64, scores: Float64, member: NDArray[np.int64]) -> Float64:
    """AUROC with each patient left out, in closed form.

    Wins without a patient are all wins, less those of the patient's positives, less those over the
    patient's negatives, plus those between the two (taken off twice).

    Parameters
    ----------
    labels, scores : float64 (records,)
        NaN leaves a record out.
    member : int64 (records,)
        Patient of each record.

    Returns
    -------
    float64 (patients with a known record,)
        ``nan`` where a class would be gone.
    """
    known = ~(np.isnan(labels) | np.isnan(scores))
    positive, s = labels[known] == 1.0, scores[known]
    who, groups = renumbered(member[known])
    m, n = int(positive.sum()), int((~positive).sum())
    if m == 0 or n == 0:
        return np.full(groups, np.nan)
    placement = split_placements(s[positive], s[~positive])
    wins = placement.positive.sum() * n
    lost: Float64 = np.zeros(groups)
    lost += np.bincount(who[positive], weights=placement.positive * n, minlength=groups)
    lost += np.bincount(who[~positive], weights=placement.negative * m, minlength=groups)
    lost = lost - _own_wins(positive, s, who, groups)
    m_left = m - np.bincount(who[positive], minlength=groups)
    n_left = n - np.bincount(who[~positive], minlength=groups)
    pairs = (m_left * n_left).astype(np.float64)
    return np.divide(wins - lost, pairs, out=np.full(groups, np.nan), where=pairs > 0)


def _own_wins(
    positive: NDArray[np.bool_], scores: Float64, who: NDArray[np.int64], groups: int
) -> Float64:
    """Wins of each patient's positives over the same patient's negatives, ties one half."""
    of_positive = np.bincount(who[positive], minlength=groups)
    of_negative = np.bincount(who[~positive], minlength=groups)
    mixed = (of_positive * of_negative)[who] > 0
    result = np.zeros(groups)
    if not mixed.any():
        return result
    p, s, g = positive[mixed], scores[mixed], who[mixed]
    order = np.lexsort((s, g))
    p, s, g = p[order], s[order], g[order]
    # Mid-ranks within each patient give the wins as in the rank-sum test.
    start = np.flatnonzero(np.append(True, (g[1:] != g[:-1]) | (s[1:] != s[:-1])))
    length = np.diff(np.append(start, len(g)))
    middle = np.repeat(start + (length + 1) / 2.0, length)
    opening = np.flatnonzero(np.append(True, g[1:] != g[:-1]))
    rank = middle - np.repeat(opening, np.diff(np.append(opening, len(g))))
    sums = np.bincount(g[p], weights=rank[p], minlength=groups)
    touched = np.unique(g)
    result[touched] = sums[touched] - of_positive[touched] * (of_positive[touched] + 1) / 2.0
    return result
