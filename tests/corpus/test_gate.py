"""The batched gate against the house's own figures, window by window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.corpus.integer_reader import MISSING
from ecgfoundry.corpus.quality_gate import Gate, are_ecg, measure_windows
from ecgfoundry.signals.quality import lead_quality

NAMES = (
    "missing_share",
    "flat_share",
    "saturated_share",
    "amplitude_mv",
    "noise_share",
    "mains_share",
    "wander_share",
)


def some_windows(seed: int, count: int, samples: int, rate: float) -> np.ndarray:
    """Windows of every kind: ECG-like, noisy, flat, saturated, inverted, with gaps."""
    generator = np.random.default_rng(seed)
    t = np.arange(samples) / rate
    rows = []
    for k in range(count):
        spikes = np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.012) ** 2)
        x = 1000 * spikes + 80 * np.sin(2 * np.pi * 0.2 * t) + generator.normal(0, 15, samples)
        x += (0, 0, 300, 0, 0)[k % 5] * np.sin(2 * np.pi * 60 * t)
        if k % 6 == 1:
            x = np.clip(x, -100, 500)
        if k % 6 == 2:
            x = -x
        if k % 6 == 3:
            x[: samples // 2] = 7
        if k % 6 == 4:
            x = np.full(samples, 12.0)
        row = np.rint(x).astype(np.int16)
        if k % 7 == 5:
            row[samples // 3 : samples // 3 + samples // (k % 4 + 2)] = MISSING
        rows.append(row)
    return np.stack(rows)


@settings(max_examples=12)
@given(
    st.integers(0, 10_000),
    st.sampled_from([(500.0, 5000), (360.0, 3600), (62.5, 625), (250.0, 700), (500.0, 900)]),
    st.sampled_from([200.0, 1000.0, 409.6]),
    st.sampled_from([0, 1024]),
)
def test_the_figures_are_those_of_the_house(seed, shape, gain, baseline):
    rate, samples = shape
    rows = some_windows(seed, 42, samples, rate)
    found = measure_windows(
        rows[:, np.newaxis], gain=gain, baseline=baseline, sampling_rate=rate, leads=("II",)
    )
    for k, row in enumerate(rows):
        x = (row.astype(np.float64) - baseline) / gain
        x[row == MISSING] = np.nan
        expected = lead_quality(x, rate)
        # What power a flat lead has is rounding.
        compared = NAMES if expected.readable else NAMES[:4]
        for name in compared:
            value = getattr(expected, name)
            value = np.nan if value is None else value
            np.testing.assert_allclose(
                getattr(found, name)[k], value, rtol=2e-4, atol=2e-5, err_msg=f"{name} of {k}"
            )
        assert bool(found.readable_leads[k]) == expected.readable


def test_of_several_leads_the_median_of_the_readable_counts():
    rows = some_windows(1, 7, 5000, 500.0)[[0, 5, 4]]  # two ECGs, one flat lead
    together = measure_windows(
        rows[np.newaxis], gain=1000.0, baseline=0, sampling_rate=500.0, leads=("I", "II", "III")
    )
    alone = measure_windows(
        rows[:2, np.newaxis], gain=1000.0, baseline=0, sampling_rate=500.0, leads=("II",)
    )
    assert together.readable_leads.tolist() == [2 if alone.missing_share.max() < 0.3 else 1]
    assert together.amplitude_mv[0] == pytest.approx(
        np.median(alone.amplitude_mv[alone.readable_leads > 0])
    )
    assert together.missing_share[0] == pytest.approx(alone.missing_share.sum() / 3)


def test_every_reason_is_given_its_name():
    rate = 500.0
    t = np.arange(5000) / rate
    beat = 1000 * np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.012) ** 2)
    generator = np.random.default_rng(0)
    gap = beat.copy()
    gap[:2000] = MISSING
    rows = np.stack(
        [
            beat,
            gap,
            np.full(5000, 3.0),
            20 * beat + 10_000 * np.sin(t),
            generator.normal(0, 300, 5000),
            -beat,
        ]
    )
    figures = measure_windows(
        np.rint(rows).astype(np.int16)[:, np.newaxis],
        gain=1000.0,
        baseline=0,
        sampling_rate=rate,
        leads=("II",),
    )
    assert Gate().reasons(figures).tolist() == ["", "missing", "flat", "implausible", "noise", ""]
    assert Gate(drop_inverted=True).reasons(figures)[5] == "inverted"
    assert figures.inverted.tolist()[0] is False and figures.inverted.tolist()[5] is True


def test_noise_and_waves_are_told_from_heartbeats() -> None:
    rate, samples = 250.0, 2500
    t = np.arange(samples) / rate
    generator = np.random.default_rng(3)
    beats = 1000 * np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.012) ** 2)
    beats += 200 * np.exp(-0.5 * (((t % 0.8) - 0.65) / 0.04) ** 2) + generator.normal(
        0, 10, samples
    )
    with_gap = beats.copy()
    with_gap[1000:1250] = MISSING
    rows = [beats, generator.normal(0, 300, samples), 500 * np.sin(2 * np.pi * t), with_gap]
    windows = np.rint(np.stack(rows)).astype(np.int16)[:, None]
    found = are_ecg(windows, gain=1000.0, baseline=0, sampling_rate=rate, leads=("II",))
    assert found.tolist() == [True, False, False, True]
