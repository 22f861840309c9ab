"""Spectra of leads and figures of their parts: by kernels and by NumPy the same, and by hand."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from ecgfoundry import native, read
from ecgfoundry.measurements import quality_features
from ecgfoundry.measurements.lead_features_kernel import FIGURES, measure_leads
from ecgfoundry.measurements.quality_features import LEAD_FEATURES, lead_features
from ecgfoundry.samples import sample_path
from ecgfoundry.signals import lead_metrics
from ecgfoundry.signals.quality import LeadQuality
from ecgfoundry.signals.spectrum_kernel import band_powers, turns

# Sums and transforms are taken in another order.
ROUNDING = 1e-10

needs_kernels = pytest.mark.skipif(
    not native.status().available, reason=f"no compiled kernels: {native.status().reason}"
)


@pytest.fixture(params=["0", "base", "auto"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """NumPy and SciPy, the kernels for any processor, and the best ones."""
    monkeypatch.setenv(native.VARIABLE, request.param)
    if request.param != "0" and not native.status().available:
        pytest.skip(f"no compiled kernels: {native.status().reason}")
    return str(request.param)


def walk(rows: int, samples: int) -> np.ndarray:
    """Signals with power at every frequency."""
    return np.cumsum(np.random.default_rng(rows).normal(0.0, 0.02, (rows, samples)), axis=1)


# --- by both ways the same -----------------------------------------------------------------------


@needs_kernels
@pytest.mark.parametrize("rows", [1, 3, 8, 9, 12])
@pytest.mark.parametrize(
    ("samples", "rate"),
    [(5000, 500.0), (9000, 300.0), (3600, 360.0), (1280, 128.0), (1250, 500.0), (750, 250.0)],
)
def test_figures_of_leads(rows: int, samples: int, rate: float) -> None:
    """Lengths of 2, 3 and 5; five to thirty seconds, of which not all are whole seconds."""
    x = walk(rows, samples).astype(np.float32)
    x[0, 20:40] = np.nan
    x[-1, 100] = np.inf
    parts = quality_features._parts(samples, rate)
    wanted = quality_features._measured_by_numpy(x, rate, parts)
    for layout in (x, x.astype(np.float64), np.repeat(x, 2, axis=1)[:, ::2]):
        found = quality_features._measured(layout, rate)
        np.testing.assert_allclose(found, wanted, rtol=ROUNDING, atol=1e-12)


@needs_kernels
@pytest.mark.parametrize("rows", [1, 5, 12])
@pytest.mark.parametrize(("samples", "rate"), [(5000, 500.0), (9000, 300.0), (250, 100.0)])
def test_power_of_bands(rows: int, samples: int, rate: float) -> None:
    x = walk(rows, samples)
    bands = lead_metrics._bands(samples, rate)
    found = band_powers(x, bands.taper, bands.bins)
    assert found is not None
    wanted = lead_metrics._band_powers_by_numpy(x.copy(), bands)
    np.testing.assert_allclose(found, wanted, rtol=ROUNDING)


@needs_kernels
def test_the_sample() -> None:
    recording = read(sample_path("12-lead"))
    signal = recording.signal[:, :5000]
    parts = quality_features._parts(5000, recording.sampling_rate)
    wanted = quality_features._measured_by_numpy(signal, recording.sampling_rate, parts)
    found = quality_features._measured(signal, recording.sampling_rate)
    np.testing.assert_allclose(found, wanted, rtol=ROUNDING)


@pytest.mark.parametrize("samples", [2501, 2506, 1])  # odd, 2 x 7 x 179, one
def test_other_lengths_are_left_to_numpy(samples: int) -> None:
    x = walk(2, samples)
    everything = np.array([[0, samples // 2 + 1]])
    assert band_powers(x, np.ones(samples), everything) is None
    limits = {"piece": 1, "pieces": 1, "middle": (0, 1), "qrs": (0, 1), "above": (0, 1), "slow": 0}
    assert measure_leads(x, limits) is None


@needs_kernels
@pytest.mark.parametrize("band", [(-1, 3), (3, 2), (0, 7)])
def test_bins_that_are_not_there_are_refused(band: tuple[int, int]) -> None:
    assert band_powers(np.ones((1, 10)), np.ones(10), np.array([[0, 6]])) is not None
    assert band_powers(np.ones((1, 10)), np.ones(10), np.array([band])) is None


# --- by hand -------------------------------------------------------------------------------------


def test_figures_of_a_sine(way: str) -> None:
    """2 mV at 8 Hz, from zero to zero: root of the mean square 2 / sqrt(2), kurtosis -1.5 (of the
    arcsine distribution), steepest 2 pi 8 times 2 mV/s but for the width of a sample."""
    rate, seconds = 500.0, 10
    time = np.arange(round(rate * seconds)) / rate
    signal = 2.0 * np.sin(2.0 * np.pi * 8.0 * time)[np.newaxis]
    (row,) = quality_features._measured(signal, rate)
    found = dict(zip(FIGURES, row.tolist(), strict=True))
    # The line that brings the ends to one level takes a few parts in a thousand.
    assert found["level"] == pytest.approx(np.sqrt(2.0), abs=0.01)
    assert found["qrs_band"] == pytest.approx(np.sqrt(2.0), abs=0.01)
    assert found["above_40_hz"] == pytest.approx(0.0, abs=0.02)
    assert found["largest"] == pytest.approx(2.0, abs=0.01)
    assert found["still_share"] == 0.0
    assert found["kurtosis"] == pytest.approx(-1.5, abs=0.01)
    assert found["loudest_piece"] == pytest.approx(np.sqrt(2.0), abs=0.02)
    assert found["quietest_piece"] == pytest.approx(np.sqrt(2.0), abs=0.02)
    assert found["steepest"] == pytest.approx(2.0 * np.pi * 8.0 * 2.0, rel=0.01)
    assert found["uneven"] == pytest.approx(4.0 / 4.01, abs=0.03)


def test_figures_of_a_slow_wave(way: str) -> None:
    """1 mV at 0.1 Hz over ten seconds: 2 mV from peak to peak, the means of its seconds
    sinc(0.1) / sqrt(2) apart from their mean."""
    rate = 200.0
    signal = np.cos(2.0 * np.pi * 0.1 * np.arange(2000) / rate)[np.newaxis]
    (row,) = quality_features._measured(signal, rate)
    found = dict(zip(FIGURES, row.tolist(), strict=True))
    assert found["wander"] == pytest.approx(2.0, abs=1e-3)
    assert found["drift"] == pytest.approx(np.sinc(0.1) / np.sqrt(2.0), abs=1e-3)
    assert found["below_0_7_hz"] == pytest.approx(1.0 / np.sqrt(2.0), abs=1e-3)
    assert found["still_share"] == 1.0


def test_missing_samples_are_zeros(way: str) -> None:
    x = walk(3, 1000)
    x[:, 400:500] = 0.0
    gaps = x.copy()
    gaps[:, 400:500] = np.nan
    np.testing.assert_array_equal(
        quality_features._measured(gaps, 100.0), quality_features._measured(x, 100.0)
    )


def test_a_lead_does_not_depend_on_those_beside_it(way: str) -> None:
    x = walk(11, 1000)
    together = quality_features._measured(x, 100.0)
    for row, figures in zip(x, together, strict=True):
        alone = quality_features._measured(row[np.newaxis], 100.0)[0]
        if way == "0":
            np.testing.assert_allclose(alone, figures, rtol=ROUNDING)
        else:
            np.testing.assert_array_equal(alone, figures)


@needs_kernels
def test_power_of_a_wave_that_fits() -> None:
    """3 sin at bin 7 of 120: (3 x 120 / 2) squared in that bin, nothing in others."""
    x = 3.0 * np.sin(2.0 * np.pi * 7.0 * np.arange(120) / 120.0)
    bins = np.array([[7, 8], [0, 7], [8, 61], [0, 61]])
    found = band_powers(x[np.newaxis] + 5.0, np.ones(120), bins)
    assert found is not None
    assert found[0] == pytest.approx([180.0**2, 0.0, 0.0, 180.0**2], abs=1e-9)


def test_turns_go_round_once() -> None:
    assert turns(4) == pytest.approx(np.array([[1, 0], [0, -1], [-1, 0], [0, 1]]), abs=1e-15)


def test_features_stand_in_their_order(way: str) -> None:
    """What is measured of the signal, and what was measured before, by name."""
    quality = LeadQuality(0.01, 0.02, 0.03, 1.0, 0.04, 0.05, 0.06)
    signal = walk(1, 2000)
    (row,) = lead_features(signal, 200.0, [quality], np.array([12.5]))
    found = dict(zip(LEAD_FEATURES, row.tolist(), strict=True))
    measured = dict(zip(FIGURES, quality_features._measured(signal, 200.0)[0], strict=True))
    for name in set(FIGURES) - {"still_share", "kurtosis"}:
        assert found[name] == pytest.approx(np.log10(measured[name] + 1e-3))
    assert found["still_share"] == measured["still_share"]
    assert found["kurtosis"] == pytest.approx(np.clip(measured["kurtosis"], -2, 60) / 10)
    level = measured["level"] + 1e-3
    assert found["qrs_share"] == pytest.approx(np.log10(measured["qrs_band"] / level + 1e-3))
    assert found["noise_ratio"] == pytest.approx(np.log10(measured["above_40_hz"] / level + 1e-3))
    shares = [field.name for field in fields(LeadQuality)[:3]]
    shares += ["noise_share", "mains_share", "wander_share"]
    assert [found[name] for name in shares] == [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
    assert found["snr_db"] == 12.5
