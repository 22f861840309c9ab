"""Inputs of the simplest baselines: age and sex, the heart rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["AGE_SEX_COLUMNS", "HEART_RATE_COLUMNS", "age_sex_matrix", "heart_rate_matrix"]

Float64 = NDArray[np.float64]

AGE_SEX_COLUMNS = ("age", "age_squared", "female", "female_age")
HEART_RATE_COLUMNS = ("heart_rate", "slow", "fast")

_AGE_CENTRE, _AGE_SCALE = 60.0, 20.0
_SLOW_BPM, _FAST_BPM = 60.0, 100.0
"""The customary bounds of bradycardia and tachycardia; the line bends there."""


def age_sex_matrix(age: ArrayLike, sex: Sequence[str | None]) -> Float64:
    """Return (records, 4): age in units of 20 years around 60, its square, female, their product.

    Parameters
    ----------
    age : array-like (records,)
        Years, NaN = unknown.
    sex : sequence of str or None
        "female", "male", anything else = unknown.

    Returns
    -------
    float64, NaN where age or sex is unknown.
    """
    years = (np.asarray(age, dtype=np.float64) - _AGE_CENTRE) / _AGE_SCALE
    female = np.array([{"female": 1.0, "male": 0.0}.get(str(value), np.nan) for value in sex])
    if years.shape != female.shape:
        raise ValueError(f"{years.size} ages and {female.size} sexes are not one of each a record")
    return np.stack([years, years * years, female, female * years], axis=1)


def heart_rate_matrix(heart_rate_bpm: ArrayLike) -> Float64:
    """Return (records, 3): the rate, and how far it is below 60 and above 100, in 20 per minute.

    The rate itself is centred at 80 per minute.
    """
    rate = np.asarray(heart_rate_bpm, dtype=np.float64)
    slow = np.maximum(_SLOW_BPM - rate, 0.0)
    fast = np.maximum(rate - _FAST_BPM, 0.0)
    return np.stack([(rate - 80.0) / 20.0, slow / 20.0, fast / 20.0], axis=1)
