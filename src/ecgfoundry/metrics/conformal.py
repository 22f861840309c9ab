"""Conformal prediction sets: which answers a score does not exclude, at a stated coverage.

Split conformal prediction for classes (Vovk et al. 2005), conditional on the class (Mondrian) where
a class has enough labels and on a group of rare classes otherwise (the "null cluster" of Ding et
al., NeurIPS 2023). People with several records count once: a limit is the median over draws of one
record of each person (Dunn, Wasserman and Ramdas, JASA 2023).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import SignalError

__all__ = ["COVERAGE", "class_limits", "lower_limit", "people_needed"]

COVERAGE = 0.9
"""Share of the answers that hold the truth, where nothing else is asked for (our choice)."""
DRAWS = 200
"""Draws of one record of each person (our choice)."""

Float64 = NDArray[np.float64]


def people_needed(coverage: float) -> int:
    """Return the fewest people from whom a limit of this coverage can be had.

    Examples
    --------
    >>> people_needed(0.9), people_needed(0.95)
    (9, 19)
    """
    if not 0.5 <= coverage < 1.0:
        raise SignalError(f"a coverage of {coverage:g} is not within 0.5 and 1")
    return int(np.ceil(1.0 / (1.0 - coverage) - 1e-9)) - 1


def lower_limit(
    scores: ArrayLike, people: Sequence[Hashable] | None = None, *, coverage: float = COVERAGE
) -> float | None:
    """Return the limit that the score of a new person's true answer reaches so often.

    Parameters
    ----------
    scores : array_like (records,)
        Scores of the true answers; larger is more certain.
    people : sequence, optional
        Whose record each is; None: every record is of another person.
    coverage : float

    Returns
    -------
    float or None
        None: there are fewer people than :func:`people_needed`.

    Notes
    -----
    The limit lies between two order statistics, so that the coverage is the stated one on average
    for continuous scores; the usual rule takes the lower one and covers more, with few labels much
    more (every answer from 9 labels at 90 %).
    """
    needed = people_needed(coverage)
    values = np.asarray(scores, dtype=np.float64)
    groups = _positions(range(len(values)) if people is None else people)
    if len(groups) < needed:
        return None
    # Position k of n + 1: so often a new person stands below the k-th lowest of n.
    places = np.arange(1, len(groups) + 1) / (len(groups) + 1)
    chosen = np.stack([_picked(own) for own in groups], axis=1)
    lines = chosen[:1] if len(groups) == len(values) else chosen
    limits = [np.interp(1.0 - coverage, places, np.sort(values[line])) for line in lines]
    return float(np.median(limits))


def _positions(people: Iterable[Hashable]) -> list[NDArray[np.intp]]:
    """Positions of the records of each person."""
    found: dict[Hashable, list[int]] = {}
    for k, name in enumerate(people):
        found.setdefault(name, []).append(k)
    return [np.array(own, dtype=np.intp) for own in found.values()]


def _picked(own: NDArray[np.intp]) -> NDArray[np.intp]:
    """One record of a person for each draw; over all draws each record equally often, or nearly."""
    turns = np.resize(own, DRAWS)
    np.random.default_rng(int(own[0])).shuffle(turns)
    return turns


def class_limits(
    scores: ArrayLike,
    classes: ArrayLike,
    people: Sequence[Hashable] | None = None,
    *,
    coverage: float = COVERAGE,
) -> tuple[list[float] | None, list[int]]:
    """Return the lower limit of each class, and which classes share one.

    Parameters
    ----------
    scores : array_like (records, classes)
    classes : array_like (records,)
        The true class of each record, by number.
    people : sequence, optional
    coverage : float

    Returns
    -------
    limits : list of float, or None
        Of each class; None: all classes together have too few people.
    shared : list of int
        Classes whose own labels do not suffice. They share one limit, from the records of all of
        them and, as long as these are too few, of the next rarest class.
    """
    table = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(classes, dtype=np.int64)
    who = np.arange(len(truth)) if people is None else np.asarray(people, dtype=object)
    own = table[np.arange(len(truth)), truth]
    needed, width = people_needed(coverage), table.shape[1]
    counts = [len(set(who[truth == k].tolist())) for k in range(width)]
    shared = [k for k in range(width) if counts[k] < needed]
    waiting = sorted((k for k in range(width) if k not in shared), key=lambda k: counts[k])
    while shared and waiting and len(set(who[np.isin(truth, shared)].tolist())) < needed:
        shared.append(waiting.pop(0))
    limits: list[float] = [np.nan] * width
    for group in ([k] for k in waiting):
        limits[group[0]] = _limit_of(own, truth, who, group, coverage)
    if shared:
        together = _limit_of(own, truth, who, shared, coverage)
        for k in shared:
            limits[k] = together
    if np.isnan(limits).any():
        return None, sorted(shared)
    return limits, sorted(shared)


def _limit_of(
    own: Float64, truth: NDArray[np.int64], who: NDArray[np.generic], group: list[int],
    coverage: float,
) -> float:  # fmt: skip
    rows = np.isin(truth, group)
    found = lower_limit(own[rows], who[rows].tolist(), coverage=coverage)
    return np.nan if found is None else found
