"""Beats in which a ventricular and a usual complex meet: their form lies between the two.

A ventricular focus that fires about when the next sinus beat is due activates only a part of the
ventricles; the sinus beat activates the rest (H. J. L. Marriott, N. M. Schwartz, H. H. Bix,
"Ventricular fusion beats", Circulation 26:880, 1962; class F of ANSI/AAMI EC57). So a beat is fused
that comes when the next usual beat was due and whose complex is a sum of this person's usual
complex and of one of this person's ventricular ones, a large part of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.templates import NO_TEMPLATE, Templates

__all__ = ["fusion_beats"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

PART = 0.4
"""Of the usual complex and of a ventricular one at least so much is in the sum ..."""
DUE = (0.9, 1.2)
"""... and so many usual intervals after the last usual beat a fused one comes (our choices, on DS1
of MIT-BIH, by networks that did not know the records; see ``docs/beats.md``)."""
SURE = 0.9
"""Forms of ventricular beats are those of beats with such a probability,"""
FEWEST, SHARE = 3, 0.1
"""at least so many of one template, and so much of all of them."""
MOST_ALIKE = 0.9
"""Two forms with a higher correlation say nothing about which is how large in a sum."""


def fusion_beats(
    vectors: Float32, templates: Templates, ventricular: Bool, certainty: Float64, since: Float64
) -> Bool:
    """Say which ventricular beats of a recording are fused with a usual one: bool (beats,).

    Parameters
    ----------
    vectors : ndarray, float32 (beats, values)
        QRS complexes: see :func:`~ecgfoundry.measurements.templates.qrs_vectors`.
    templates : Templates
        Of the same beats.
    ventricular : ndarray of bool (beats,)
        Beats that were called V.
    certainty : ndarray (beats,)
        Probability of V.
    since : ndarray (beats,)
        Time from the last usual beat, in usual intervals.
    """
    fused = np.zeros(ventricular.size, bool)
    behind = np.concatenate([[False], ventricular[:-1]])
    asked = np.flatnonzero(ventricular & ~behind & (since > DUE[0]) & (since < DUE[1]))
    if not asked.size or templates.reference == NO_TEMPLATE:
        return fused
    usual = vectors[templates.number == templates.reference].mean(axis=0)
    sure = ventricular & (certainty > SURE) & (templates.number != NO_TEMPLATE)
    sure &= templates.number != templates.reference
    sizes = np.bincount(templates.number[sure], minlength=templates.sizes.size)
    best = np.full(asked.size, np.inf)
    for number in np.flatnonzero(sizes >= max(FEWEST, SHARE * sizes.sum())):
        form = vectors[sure & (templates.number == number)].mean(axis=0)
        both = np.stack([usual, form]).astype(np.float64)
        gram = both @ both.T
        if gram[0, 1] ** 2 >= MOST_ALIKE**2 * gram[0, 0] * gram[1, 1]:
            continue
        parts = np.linalg.solve(gram, both @ vectors[asked].T)
        rest = np.square(vectors[asked] - parts.T @ both).sum(axis=1)
        better = rest < best
        best[better] = rest[better]
        fused[asked[better]] = (parts[:, better] > PART).all(axis=0)
    return fused
