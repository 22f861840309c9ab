"""Are the leads of one heart? What twelve leads show together and no single lead does.

Two kinds of twelve-lead signals have beats and are no ECG of twelve leads. Copies of one signal at
several gains show the same complex everywhere, where the heart's vector turns and gives each lead
its own; that alone is asked of no drawn ECG, whose leads may have one shape, since its limb leads
add up. Channels of their own, each with its rhythm, do not show the beats that were found in the
others. Many devices derive III, aVR, aVL and aVF from I and II, so that those which agree prove
nothing; those which do not are a doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ecgfoundry.measurements.gate import DOUBT, MAY_BE_NO_ECG
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.signals.quality import Notice

__all__ = ["FEWEST_LEADS", "INDEPENDENT_LEADS", "doubt_of_leads"]

INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
FEWEST_LEADS = 6
"""Of the independent ones: limb leads alone may be close to copies where the axis does not turn."""
LEAST_TURNING = 0.03
"""Share of the power of the median beats, each scaled to its height, that no one shape at several
gains explains. 0.056 at least in 1,028 records of CinC 2011 (acceptable), PTB-XL, CinC 2020/2021,
LUDB and Brugada-HUCA; of 86 hostile signals copied to twelve leads with 2 % noise 0.007 at most."""
SHOWN_DB, SHOWN_APART_DB = 0.0, 3.0
"""Signal to noise below which a lead does not show the beats; the second where limb leads disagree.
Of the same records none has half of its leads below the second; of 32 hostile signals, each lead
its own, 29 have half of them below the first and all below the second, with limb leads apart."""
FEWEST_APART = 3
MOST_WITHOUT = 0.5
BASIS = ("I", "II")
"""Chest electrodes that are off leave both of these with beats, and limb leads that agree."""

COPIES = f"{DOUBT}: the leads are copies of one signal at several gains"
STRANGERS = f"{DOUBT}: half of the leads or more do not show the beats of the others"


def doubt_of_leads(
    median: MedianBeat | None, snr_db: Mapping[str, float | None], disagreeing: Sequence[str]
) -> Notice | None:
    """Return the doubt whether the leads are of one heart, None where there is none.

    Parameters
    ----------
    median : MedianBeat or None
    snr_db : mapping of str to float or None
        Each lead's signal to noise, dB.
    disagreeing : sequence of str
        The limb leads that are not what I and II make of them.
    """
    if median is None:
        return None
    there = np.flatnonzero(np.isfinite(median.values).all(axis=1)).tolist()
    rows = [row for row in there if median.leads[row] in INDEPENDENT_LEADS]
    if len(rows) < FEWEST_LEADS:
        return None
    names = tuple(median.leads[row] for row in rows)
    apart = len(disagreeing) >= FEWEST_APART
    if apart and _turning(median.values[rows]) < LEAST_TURNING:
        return Notice(MAY_BE_NO_ECG, COPIES, names)
    limit = SHOWN_APART_DB if apart else SHOWN_DB
    without = tuple(lead for lead in names if (snr := snr_db.get(lead)) is not None and snr < limit)
    strange = apart or any(lead in without for lead in BASIS)
    if strange and len(without) >= MOST_WITHOUT * len(names):
        return Notice(MAY_BE_NO_ECG, STRANGERS, without)
    return None


def _turning(beats: np.ndarray) -> float:
    """Share of the power that the best single shape at a gain of each lead leaves."""
    centred = beats - beats.mean(axis=1, keepdims=True)
    scaled = centred / np.maximum(np.ptp(centred, axis=1, keepdims=True), 1e-12)
    # Squared singular values are the eigenvalues of the leads' products.
    power = np.linalg.eigvalsh(scaled @ scaled.T)
    return float(power[:-1].sum() / max(float(power.sum()), 1e-12))
