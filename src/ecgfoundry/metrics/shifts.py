"""How new recordings differ from a reference: in what the gate said, and in what is frequent.

Prevalence is estimated without looking at the labels of the new records: from how often the model
answers each class there, and from how often it confused the classes at home (black-box shift
estimation; Lipton, Wang and Smola, ICML 2018; of one target it is the estimator of Rogan and
Gladen, Am J Epidemiol 1978;107:71-76). It assumes that each class looks as it did at home.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.metrics.resampling import PatientResampling, percentile_interval, renumbered

__all__ = [
    "FEWEST_PEOPLE",
    "GateVerdicts",
    "PrevalenceShift",
    "QualityShift",
    "class_shares",
    "prevalence_shifts",
    "prevalence_shifts_of_counts",
    "quality_shift",
]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

FEWEST_OF_A_CLASS = 10
"""Reference records of every class from which its confusions are used (our choice)."""
FEWEST_PEOPLE = 30
"""People of either set from which an interval is given, as for a claim elsewhere."""
TELLS_APART = 0.1
"""Smallest singular value of the confusions per class from which they are inverted (our choice);
of one target it is 0 where it is answered as often with as without it."""
PERMUTATIONS = 999
"""Of people between the two sets (our choice)."""


@dataclass(frozen=True, kw_only=True)
class PrevalenceShift:
    """How frequent a target is among the new records, against the reference.

    Attributes
    ----------
    target : str
    reference : float
        Share of reference records that have it.
    answered_reference, answered : float
        Share of records about which the model says so.
    estimated, low, high : float
        Share of the new records that have it, from the model's answers alone; NaN: see ``problem``.
    observed : float
        What the labels of the new records say; NaN where there are none.
    shifted : bool or None
        Whether the interval leaves out ``reference``; None where there is no interval.
    problem : str
        Why there is no estimate or no interval.
    """

    target: str
    reference: float
    answered_reference: float
    answered: float
    estimated: float
    low: float
    high: float
    observed: float
    shifted: bool | None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class QualityShift:
    """Shares of the gate's verdicts among all records that were read, labelled or not.

    Attributes
    ----------
    records_reference, records : int
    refused_reference, refused : float
    flagged_reference, flagged : float
        Answered with a warning, or with windows left out.
    p_value : float
        That people of the two sets differ so much by chance in the share that is not good, by
        permutation of people.
    """

    records_reference: int
    records: int
    refused_reference: float
    refused: float
    flagged_reference: float
    flagged: float
    p_value: float


@dataclass(frozen=True, eq=False)
class GateVerdicts:
    """What the quality gate said of every record that was read, labelled or not.

    Attributes
    ----------
    verdicts : ndarray of str (records,)
        "good", "usable" or "refused".
    patients : ndarray (records,)
    """

    verdicts: NDArray[np.generic]
    patients: NDArray[np.generic]


def class_shares(joint: Float64, answered: Float64) -> Float64:
    """Estimate how frequent each class is, from the answers alone.

    Parameters
    ----------
    joint : float64 (..., answers, classes)
        How many reference records of each class got each answer.
    answered : float64 (..., answers)
        How many new records got each answer.

    Returns
    -------
    float64 (..., classes)
        Shares that sum to 1, none below 0; NaN where the classes are not told apart.
    """
    of_class = joint.sum(axis=-2, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        given_class = joint / of_class
        shares = (answered / answered.sum(axis=-1, keepdims=True))[..., None]
    defined = np.isfinite(given_class).all(axis=(-2, -1)) & np.isfinite(shares).all(axis=(-2, -1))
    safe = np.where(defined[..., None, None], given_class, np.eye(joint.shape[-1]))
    told = defined & (np.linalg.svd(safe, compute_uv=False)[..., -1] >= TELLS_APART)
    safe = np.where(told[..., None, None], safe, np.eye(joint.shape[-1]))
    found = np.linalg.solve(safe, np.where(told[..., None, None], shares, 0.0))[..., 0]
    found = np.clip(found, 0.0, None)
    total = found.sum(axis=-1, keepdims=True)
    return np.where(told[..., None], found / np.where(total > 0, total, 1.0), np.nan)


def prevalence_shifts(
    confusions: Float64,
    answers: Float64,
    names: Sequence[str],
    *,
    observed: Float64 | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[PrevalenceShift]:
    """Compare how frequent each of some classes is, of which exactly one is there.

    Parameters
    ----------
    confusions : float64 (people, answers, classes)
        Records of each answer and each true class, of every person of the reference.
    answers : float64 (people, answers)
        Records of each answer, of every new person.
    names : sequence of str
        Of the classes.
    observed : float64 (classes,), optional
        Shares by labels of the new records.
    draws : int
        Of people, of either set; 0: no interval.
    seed : int
    level : float
        Of the interval.

    Returns
    -------
    list of PrevalenceShift
        One for each class.
    """
    joint, answered = confusions.sum(axis=0), answers.sum(axis=0)

    def drawn() -> tuple[Float64, Float64]:
        # Draws of two seeds, so that the two sets vary independently.
        return _resampled(confusions, seed + 1, draws), _resampled(answers, seed, draws)

    few = min(len(confusions), len(answers)) < FEWEST_PEOPLE
    return _shifts(
        joint, answered, names, drawn if draws else None, few=few, observed=observed, level=level
    )


def prevalence_shifts_of_counts(
    joint: NDArray[np.int64],
    answered: NDArray[np.int64],
    names: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[PrevalenceShift]:
    """Do as :func:`prevalence_shifts` where each person has one record.

    Parameters
    ----------
    joint : int64 (answers, classes)
        People of the reference.
    answered : int64 (answers,)
        New people.
    names, draws, seed, level
        As there. Draws of people are multinomial draws of the counts.
    """
    generator = np.random.default_rng(seed)

    def drawn() -> tuple[Float64, Float64]:
        home, away = (
            generator.multinomial(counts.sum(), counts.ravel() / counts.sum(), draws)
            .reshape(draws, *counts.shape)
            .astype(np.float64)
            for counts in (joint, answered)
        )
        return home, away

    few = min(int(joint.sum()), int(answered.sum())) < FEWEST_PEOPLE
    home, away = joint.astype(np.float64), answered.astype(np.float64)
    return _shifts(home, away, names, drawn if draws else None, few=few, level=level)


def _shifts(
    joint: Float64,
    answered: Float64,
    names: Sequence[str],
    drawn: Callable[[], tuple[Float64, Float64]] | None,
    *,
    few: bool,
    level: float,
    observed: Float64 | None = None,
) -> list[PrevalenceShift]:
    """Estimates from counts, and intervals from draws of them; ``few``: there are too few people
    for these.
    """
    classes = len(names)
    reference = joint.sum(axis=0)
    observed = np.full(classes, np.nan) if observed is None else observed
    estimated = np.full(classes, np.nan)
    draws = np.full((0, classes), np.nan)
    problem = ""
    if reference.min() < FEWEST_OF_A_CLASS:
        problem = f"a class has fewer than {FEWEST_OF_A_CLASS} reference records"
    else:
        estimated = class_shares(joint, answered)
        if np.isnan(estimated).any():
            problem = "the answers do not tell the classes apart"
        elif few:
            problem = f"no interval: fewer than {FEWEST_PEOPLE} people"
        elif drawn is not None:
            draws = class_shares(*drawn())
    shifts = []
    for k, name in enumerate(names):
        low, high = percentile_interval(draws[:, k], level=level)
        home_share = float(reference[k] / reference.sum()) if reference.sum() else float("nan")
        shifts.append(
            PrevalenceShift(
                target=name,
                reference=home_share,
                answered_reference=float(joint[k].sum() / max(joint.sum(), 1.0)),
                answered=float(answered[k] / max(answered.sum(), 1.0)),
                estimated=float(estimated[k]),
                low=low,
                high=high,
                observed=float(observed[k]),
                shifted=None if np.isnan(low) else not low <= home_share <= high,
                problem=problem,
            )
        )
    return shifts


def quality_shift(home: GateVerdicts, away: GateVerdicts, *, seed: int) -> QualityShift:
    """Compare the verdicts of the gate; people, not records, are exchanged for the p-value."""
    poor = [_by_patient(gate.verdicts != "good", gate.patients) for gate in (home, away)]
    return QualityShift(
        records_reference=len(home.verdicts),
        records=len(away.verdicts),
        refused_reference=_share(home.verdicts == "refused"),
        refused=_share(away.verdicts == "refused"),
        flagged_reference=_share(home.verdicts == "usable"),
        flagged=_share(away.verdicts == "usable"),
        p_value=_permutation(*poor, seed=seed),
    )


def _resampled(counts: Float64, seed: int, draws: int) -> Float64:
    """Sums over people drawn with replacement: (draws, ...)."""
    resampling = PatientResampling.of(np.arange(len(counts)), seed=seed)
    flat = counts.reshape(len(counts), -1)
    parts = [weights.T @ flat for _, weights in resampling.blocks(0, draws)]
    return np.concatenate(parts).reshape(draws, *counts.shape[1:])


def _share(which: Bool) -> float:
    return float(which.mean()) if len(which) else float("nan")


def _by_patient(which: Bool, patients: NDArray[np.generic]) -> Float64:
    """Records that are so, and records, of every patient: (patients, 2)."""
    member, count = renumbered(patients)
    return np.stack([np.bincount(member, which, count), np.bincount(member, None, count)], axis=1)


def _permutation(home: Float64, away: Float64, *, seed: int) -> float:
    """How often people dealt to the sets at random differ as much, by pooled shares."""
    if not len(home) or not len(away):
        return float("nan")
    people, first = np.concatenate([home, away]), len(home)

    def apart(order: NDArray[np.intp]) -> float:
        one, other = people[order[:first]].sum(axis=0), people[order[first:]].sum(axis=0)
        return abs(float(one[0] / one[1] - other[0] / other[1]))

    generator = np.random.default_rng(seed)
    observed = apart(np.arange(len(people)))
    as_far = sum(
        apart(generator.permutation(len(people))) >= observed - 1e-12 for _ in range(PERMUTATIONS)
    )
    return (1 + as_far) / (1 + PERMUTATIONS)
