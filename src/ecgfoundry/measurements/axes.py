"""Directions of P, QRS and T: frontal axes from I and aVF, spatial angle from the Kors matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.leads import LIMB_LEADS, complete_limb_leads

__all__ = ["KORS_LEADS", "angle_between", "axis_degrees", "frontal_plane", "spatial_angle_degrees"]

KORS_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
KORS_MATRIX = np.array(
    [
        [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
        [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
        [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
    ]
)
"""X, Y, Z of Frank from the eight independent leads: J. A. Kors et al., "Reconstruction of the
Frank vectorcardiogram from standard electrocardiographic leads: diagnostic comparison of different
methods", Eur Heart J 11:1083 (1990)."""


def axis_degrees(area_i: float, area_avf: float) -> float:
    """Return the direction of a wave in the frontal plane, degrees in (-180, 180].

    From the net areas (or amplitudes) in I and aVF: ``atan2(aVF * 2/sqrt(3), I)``. The factor
    undoes the smaller scale of Goldberger's augmented leads; 0 is to the left, +90 down.

    Examples
    --------
    >>> round(axis_degrees(1.0, 0.0)), round(axis_degrees(0.0, 1.0))
    (0, 90)
    >>> round(axis_degrees(0.5, 0.75))  # I = 0.5 and II = 1, so aVF = 0.75: towards II
    60
    """
    if not (math.isfinite(area_i) and math.isfinite(area_avf)) or area_i == area_avf == 0:
        return math.nan
    return math.degrees(math.atan2(area_avf * 2.0 / math.sqrt(3.0), area_i))


def frontal_plane(areas: Mapping[str, float]) -> tuple[float, float]:
    """Return the areas in I and aVF, derived from other limb leads if need be; NaN if they cannot.

    Areas are linear, so that any two limb leads serve.
    """
    known = {
        lead: np.array([value])
        for lead, value in areas.items()
        if lead in LIMB_LEADS and math.isfinite(value)
    }
    known |= {lead: value.astype(float) for lead, value in complete_limb_leads(known).items()}
    if "I" not in known or "aVF" not in known:
        return math.nan, math.nan
    return float(known["I"][0]), float(known["aVF"][0])


def angle_between(first: float, second: float) -> float:
    """Return the angle between two axes, 0 to 180 degrees.

    Examples
    --------
    >>> angle_between(-170.0, 150.0)
    40.0
    """
    angle = abs(first - second) % 360.0
    return min(angle, 360.0 - angle)


def spatial_angle_degrees(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Return the angle in space between two waves, 0 to 180 degrees, from their net areas.

    Parameters
    ----------
    first, second : mapping of str to float
        Net areas of each of :data:`KORS_LEADS`. NaN where one is missing or a vector is nothing.
    """
    vectors: list[NDArray[np.float64]] = [
        KORS_MATRIX @ np.array([areas.get(lead, math.nan) for lead in KORS_LEADS])
        for areas in (first, second)
    ]
    lengths = [float(np.linalg.norm(vector)) for vector in vectors]
    if not all(math.isfinite(length) and length > 0 for length in lengths):
        return math.nan
    cosine = float(vectors[0] @ vectors[1]) / (lengths[0] * lengths[1])
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
