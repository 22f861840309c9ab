"""Leads that were each scaled to themselves: limits of 0.2 % between leads, 0.1 % of a z-score."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.measurements.stretches import _rescaled


def spikes(*heights: float) -> np.ndarray:
    """A lead of each height; the first has one spike, the second two: only the ranges can agree."""
    signal = np.zeros((len(heights), 1000))
    for lead, height in enumerate(heights):
        signal[lead, : 10 * (lead + 1) : 10] = height
    return signal


@pytest.mark.parametrize(
    ("heights", "scaled"),
    [((1.0, 1.0, 0.9981), True), ((1.0, 1.0, 0.9978), False), ((2.0, 2.0, 1.9962), True),
     ((1.0, 1.0), False), ((0.0, 0.0, 0.0), False)],
)  # fmt: skip
def test_three_leads_of_one_range_are_no_ecg_in_millivolts(
    heights: tuple[float, ...], scaled: bool
) -> None:
    signal = spikes(*heights)
    assert _rescaled(signal) is scaled
    signal[:, 500] = np.nan
    assert _rescaled(signal) is scaled


@pytest.mark.parametrize(
    ("deviation", "mean", "scaled"),
    [(1.0, 0.0, True), (1.0009, 0.0, True), (1.0011, 0.0, False), (0.9989, 0.0, False),
     (1.0, 0.0009, True), (1.0, -0.0011, False)],
)  # fmt: skip
def test_a_deviation_of_one_around_zero_is_a_z_score(
    deviation: float, mean: float, scaled: bool
) -> None:
    lead = mean + deviation * np.tile([1.0, -1.0], 500)
    assert _rescaled(lead[None]) is scaled
