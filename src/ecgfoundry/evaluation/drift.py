"""How the evaluated records differ from those that a model was validated on.

Prevalence is estimated without looking at the labels of the new records
(:mod:`ecgfoundry.metrics.shifts`). Where labels are at hand, what they say stands beside it:
outside the interval, the assumption that each class looks as it did at home is wrong. Embeddings
show what answers hide: they are compared whole, by the energy distance.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.metrics.energy import EnergyShift, energy_shift, first_of_each_person
from ecgfoundry.metrics.resampling import renumbered
from ecgfoundry.metrics.shifts import (
    FEWEST_PEOPLE,
    PrevalenceShift,
    QualityShift,
    prevalence_shifts,
    quality_shift,
)

__all__ = ["Drift", "drift"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


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
    return prevalence_shifts(
        home.confusions(classes),
        away.answers(classes),
        names,
        observed=away.observed(classes),
        draws=settings.draws,
        seed=settings.seed,
        level=settings.level,
    )
