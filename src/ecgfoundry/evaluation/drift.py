"""How the evaluated records differ from those that a model was validated on.

Prevalence is estimated without looking at the labels of the new records: from how often the model
answers each class there, and from how often it confused the classes at home (black-box shift
estimation; Lipton, Wang and Smola, ICML 2018; of one target it is the estimator of Rogan and
Gladen, Am J Epidemiol 1978;107:71-76). It assumes that each class looks as it did at home. Where
labels are at hand, what they say stands beside it: outside the interval, that assumption is wrong.
Embeddings show what answers hide: they are compared whole, by the energy distance.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.evaluation.cohort import EvaluationData, GateVerdicts
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.metrics.energy import EnergyShift, energy_shift, first_of_each_person
from ecgfoundry.metrics.resampling import PatientResampling, percentile_interval, renumbered

__all__ = ["Drift", "PrevalenceShift", "QualityShift", "class_shares", "drift", "quality_shift"]

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
        What the labels of the new records say.
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


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What differs from the reference; a part that could not be computed is missing.

    Attributes
    ----------
    reference_records, reference_patients : int
    prevalence : tuple of PrevalenceShift
    quality : QualityShift or None
    embeddings : EnergyShift or None
        Of one record of each person, by the model that is evaluated.
    """

    reference_records: int
    reference_patients: int
    prevalence: tuple[PrevalenceShift, ...]
    quality: QualityShift | None
    embeddings: EnergyShift | None = None

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "reference": "validation",
            "reference_records": self.reference_records,
            "reference_patients": self.reference_patients,
            "prevalence": [asdict(shift) for shift in self.prevalence],
            "quality": None if self.quality is None else asdict(self.quality),
            "embeddings": None
            if self.embeddings is None
            else asdict(self.embeddings) | {"shifted": self.embeddings.shifted},
        }


def drift(data: EvaluationData, settings: Settings) -> tuple[Drift | None, str]:
    """Compare the evaluated records with the validation records beside them.

    Returns
    -------
    drift : Drift or None
    reason : str
        Why there is none.
    """
    home = data.fit
    if home is None:
        return None, "no validation records were given beside the evaluated ones"
    decided = [k for k in data.classes if _decides(data, k)]
    shifts: list[PrevalenceShift] = []
    if data.multiclass and decided:
        shifts = _exclusive(home, data, decided, settings)
    elif not data.multiclass:
        shifts = [_single(home, data, k, settings) for k in decided]
    quality = None
    if home.gate is not None and data.gate is not None:
        quality = quality_shift(home.gate, data.gate, seed=settings.seed)
    embeddings = _embedding_shift(home, data, seed=settings.seed)
    if not shifts and quality is None and embeddings is None:
        return None, "no target is decided, no record was judged by the gate, none is embedded"
    return (
        Drift(
            reference_records=len(home),
            reference_patients=renumbered(home.patients)[1],
            prevalence=tuple(shifts),
            quality=quality,
            embeddings=embeddings,
        ),
        "",
    )


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


def _embedding_shift(
    home: EvaluationData, away: EvaluationData, *, seed: int
) -> EnergyShift | None:
    """Compare the first embedded record of each person; None with too few people."""
    points = []
    for one in (home, away):
        if one.embeddings is None:
            return None
        embedded = np.flatnonzero(~np.isnan(one.embeddings).any(axis=1))
        points.append(first_of_each_person(one.embeddings[embedded], one.patients[embedded]))
    if min(len(people) for people in points) < FEWEST_PEOPLE:
        return None
    return energy_shift(*points, seed=seed)


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


def _decides(data: EvaluationData, k: int) -> bool:
    if data.multiclass:
        return True
    return data.thresholds is not None and data.targets[k] in data.thresholds.values


def _single(
    home: EvaluationData, away: EvaluationData, k: int, settings: Settings
) -> PrevalenceShift:
    """One target that is present or absent."""
    assert away.thresholds is not None  # noqa: S101 - it is decided
    threshold = away.thresholds.values[away.targets[k]]
    said = [_known(one.scores[:, k], one.scores[:, k] >= threshold) for one in (home, away)]
    found = _estimate(
        _Coded(home.labels[:, k], said[0], home.patients),
        _Coded(away.labels[:, k], said[1], away.patients),
        ("absent", away.targets[k]),
        settings,
    )
    return found[1]


def _exclusive(
    home: EvaluationData, away: EvaluationData, columns: list[int], settings: Settings
) -> list[PrevalenceShift]:
    """Targets of which exactly one is there."""

    def coded(data: EvaluationData) -> _Coded:
        labels, scores = data.labels[:, columns], data.scores[:, columns]
        one = ~np.isnan(labels).any(axis=1) & (np.nansum(labels, axis=1) == 1.0)
        truth = np.where(one, np.nan_to_num(labels).argmax(axis=1), np.nan)
        answered = ~np.isnan(scores).any(axis=1)
        said = np.where(answered, np.nan_to_num(scores).argmax(axis=1), np.nan)
        return _Coded(truth, said, data.patients)

    names = tuple(away.targets[k] for k in columns)
    return _estimate(coded(home), coded(away), names, settings)


def _known(scores: Float64, said: Bool) -> Float64:
    return np.where(np.isnan(scores), np.nan, said)


@dataclass(frozen=True, eq=False)
class _Coded:
    """Number of the true class and of the answered one, per record; NaN is not known."""

    truth: Float64
    said: Float64
    patients: NDArray[np.generic]

    def confusions(self, classes: int) -> Float64:
        """Count of each answer and class of every patient: (patients, answers, classes)."""
        return self._counted(self.said * classes + self.truth, classes * classes).reshape(
            -1, classes, classes
        )

    def answers(self, classes: int) -> Float64:
        """Count of each answer of every patient: (patients, answers)."""
        return self._counted(self.said, classes)

    def observed(self, classes: int) -> Float64:
        """Share of each class, by the labels."""
        known = self.truth[~np.isnan(self.truth)].astype(np.intp)
        counts = np.bincount(known, minlength=classes)
        return counts / counts.sum() if counts.sum() else np.full(classes, np.nan)

    def _counted(self, code: Float64, codes: int) -> Float64:
        known = ~np.isnan(code)
        member, count = renumbered(self.patients[known])
        place = member * codes + code[known].astype(np.int64)
        return np.bincount(place, minlength=count * codes).reshape(count, codes).astype(float)


def _estimate(
    home: _Coded, away: _Coded, names: tuple[str, ...], settings: Settings
) -> list[PrevalenceShift]:
    classes = len(names)
    confusions, answers = home.confusions(classes), away.answers(classes)
    joint, answered = confusions.sum(axis=0), answers.sum(axis=0)
    reference, observed = joint.sum(axis=0), away.observed(classes)
    estimated = np.full(classes, np.nan)
    draws = np.full((0, classes), np.nan)
    problem = ""
    if reference.min() < FEWEST_OF_A_CLASS:
        problem = f"a class has fewer than {FEWEST_OF_A_CLASS} reference records"
    else:
        estimated = class_shares(joint, answered)
        if np.isnan(estimated).any():
            problem = "the answers do not tell the classes apart"
        elif min(len(confusions), len(answers)) < FEWEST_PEOPLE:
            problem = f"no interval: fewer than {FEWEST_PEOPLE} people"
        elif settings.draws:
            draws = class_shares(
                # Draws of two seeds, so that the two sets vary independently.
                _resampled(confusions, settings.seed + 1, settings.draws),
                _resampled(answers, settings.seed, settings.draws),
            )
    shifts = []
    for k, name in enumerate(names):
        low, high = percentile_interval(draws[:, k], level=settings.level)
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


def _resampled(counts: Float64, seed: int, draws: int) -> Float64:
    """Sums over people drawn with replacement: (draws, ...)."""
    resampling = PatientResampling.of(np.arange(len(counts)), seed=seed)
    flat = counts.reshape(len(counts), -1)
    parts = [weights.T @ flat for _, weights in resampling.blocks(0, draws)]
    return np.concatenate(parts).reshape(draws, *counts.shape[1:])
