"""Leads that were each scaled to themselves, as they were written and resampled since."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.criteria import state
from ecgfoundry.measurements.stretches import _scaled


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
    assert _scaled(signal) is scaled
    signal[:, 500] = np.nan
    assert _scaled(signal) is scaled


@pytest.mark.parametrize(
    ("deviation", "mean", "scaled"),
    [(1.0, 0.0, True), (1.0009, 0.0, True), (1.0011, 0.0, False), (0.9989, 0.0, False),
     (1.0, 0.0009, True), (1.0, -0.0011, False)],
)  # fmt: skip
def test_a_deviation_of_one_around_zero_is_a_z_score(
    deviation: float, mean: float, scaled: bool
) -> None:
    lead = mean + deviation * np.tile([1.0, -1.0], 500)
    assert _scaled(lead[None]) is scaled


# The standard deviation of the logarithms of the heights is ln(step) * sqrt((n * n - 1) / 12).
@pytest.mark.parametrize(
    ("count", "step", "scaled"),
    [
        (12, 1.0351, True),  # 0.1191
        (12, 1.0357, False),  # 0.1211
        (10, 1.0422, True),  # 0.1187
        (10, 1.0432, False),  # 0.1215
        (9, 1.0192, True),  # 0.0491
        (9, 1.0200, False),  # 0.0511
        (8, 1.0216, True),  # 0.0490
        (8, 1.0226, False),  # 0.0512
        (7, 1.0100, False),
    ],
)
def test_many_leads_of_nearly_one_height(count: int, step: float, scaled: bool) -> None:
    assert _scaled(spikes(*(step**lead for lead in range(count)))) is scaled


@pytest.mark.parametrize(
    ("near", "far", "height", "scaled"),
    [(7, 4, 0.95, True), (7, 4, 0.93, False), (5, 4, 0.95, True), (5, 3, 0.95, False)],
)
def test_a_part_of_scaled_leads_has_half_of_them_at_one_height(
    near: int, far: int, height: float, scaled: bool
) -> None:
    """In the halves of LUDB some leads have their extremes in the other half."""
    assert _scaled(spikes(1.0, *(near * [height]), *(far * [0.3]))) is scaled


@pytest.mark.parametrize("rate", [500, 1000, 400, 360, 250, 200])
def test_scaled_leads_are_known_when_they_were_resampled(rate: float, fixtures: Path) -> None:
    """LUDB scales every lead to 1 mV peak to peak; 1 mV is then no voltage at any rate."""
    recording = ecgfoundry.read(fixtures / "ludb" / "8.hea").resample(rate)
    found = ecgfoundry.measure(recording)
    assert not found.calibrated
    (low,) = (one for one in state(found) if one.name == "LOW VOLTAGE QRS")
    assert low.present is None
    assert {one.reason for one in low.evidence} == {"the amplitudes of this file are not in mV"}


@pytest.mark.parametrize("rate", [500, 250])
def test_what_is_derived_from_scaled_leads_hides_nothing(rate: float, fixtures: Path) -> None:
    """Eight leads were stored; the four that are made of them have other heights."""
    recording = ecgfoundry.read(fixtures / "ludb" / "8.hea").resample(rate)
    eight = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    signal = np.stack([recording.lead(name) for name in eight])
    assert not ecgfoundry.measure(ecgfoundry.Recording(signal, rate, eight)).calibrated


@pytest.mark.parametrize("rate", [500, 250, 100])
def test_leads_in_millivolts_stay_leads_in_millivolts(rate: float) -> None:
    recording = ecgfoundry.read("sample:12-lead").resample(rate)
    assert ecgfoundry.measure(recording).calibrated
