"""Every limit of the quality gate from both sides, and its figures on signals with known answers.

The limits are the project's own choice (the head of ``signals/quality.py`` says so), so the source
of the numbers below is the documentation of the gate: they stand here once more as literals. Each
test runs with NumPy and with the compiled kernels.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ecgfoundry.signals.lead_metrics import Measures, limb_figures, measure_rows
from ecgfoundry.signals.quality import (
    LeadQuality,
    Notice,
    WindowQuality,
    assess_window,
    assess_windows,
    lead_quality,
    merge_notices,
)

Array = NDArray[np.float64]

pytestmark = pytest.mark.usefixtures("way")

RATE = 500.0
SECONDS = 8.0
"""4000 samples at 500 Hz: the bins of the spectrum are 0.125 Hz apart, exactly."""


def sine(frequency: float, seconds: float = SECONDS, rate: float = RATE) -> Array:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def square(height: float, samples: int = 5000, half: int = 50) -> Array:
    """0 and ``height`` in turn: the 0.5th to 99.5th percentile range is exactly ``height``."""
    return np.where(np.arange(samples) // half % 2 == 0, 0.0, height)


def warned(x: Array, leads: tuple[str, ...] = ("V1",), rate: float = RATE) -> dict[str, Notice]:
    quality = assess_window(np.atleast_2d(x), rate, leads)
    assert quality.refusal is None, quality.refusal
    return {notice.code: notice for notice in quality.warnings}


def refused(x: Array, leads: tuple[str, ...] = ("V1",), rate: float = RATE) -> Notice | None:
    return assess_window(np.atleast_2d(x), rate, leads).refusal


# --- refusals --------------------------------------------------------------------------------


def test_two_and_a_half_seconds_are_enough() -> None:
    assert refused(square(1.0, 1250)) is None
    assert (refused(square(1.0, 1249)) or Notice("", "")).code == "too-short"
    assert refused(square(1.0, 1000)) == Notice(
        "too-short", "the signal is 2.00 s long; at least 2.5 s is needed"
    )


def test_three_tenths_may_be_missing() -> None:
    x = square(1.0)
    x[-1500:] = np.nan
    assert refused(x) is None
    assert warned(x)["gaps"] == Notice("gaps", "V1: samples are missing", ("V1",))
    x[-1501:] = np.nan
    assert refused(x) == Notice("missing", "more than 30% of the samples are missing in every lead")
    level = np.zeros(5000)
    level[-1500:] = np.nan  # not too much: it is refused for being flat
    assert (refused(level) or Notice("", "")).code == "flat"
    both = np.stack([x, np.zeros(5000)])
    assert refused(both, ("V1", "V2")) == Notice(
        "flat",
        "every lead is flat (under 20 uV from peak to peak); check the electrodes and the unit",
    )


def test_one_missing_sample_is_named() -> None:
    x = square(1.0)
    assert "gaps" not in warned(x)
    x[77] = np.nan
    assert "gaps" in warned(x)


def test_a_lead_of_20_microvolts_is_read() -> None:
    assert refused(square(0.02)) is None
    assert (refused(square(0.0199)) or Notice("", "")).code == "flat"
    quality = assess_window(np.stack([square(1.0), square(0.0199)]), RATE, ("V1", "V2"))
    assert quality.refusal is None
    assert quality.warnings[0] == Notice(
        "lead-unreadable", "V2: flat or mostly missing, read as an absent lead", ("V2",)
    )
    # The warnings speak of the leads that are read.
    assert all("V2" not in notice.leads for notice in quality.warnings[1:])


def test_the_verdict_in_a_word() -> None:
    notice = Notice("noise", "")
    assert WindowQuality({}, (), None).verdict == "good"
    assert WindowQuality({}, (notice,), None).verdict == "usable"
    assert WindowQuality({}, (notice,), notice).verdict == "refused"


def test_nothing_is_there() -> None:
    nothing = Notice("missing", "every sample of every lead is missing")
    assert refused(np.full(5000, np.nan)) == nothing
    assert refused(np.zeros((1, 0))) == nothing
    assert refused(np.zeros((0, 5000)), ()) == nothing
    # An absent lead is no fault and has no figures.
    x = np.stack([square(1.0), np.full(5000, np.nan)])
    quality = assess_window(x, RATE, ("V1", "V2"))
    assert list(quality.leads) == ["V1"] and quality.refusal is None
    assert all("V2" not in notice.leads for notice in quality.warnings)


# --- amplitude ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "code"),
    [(0.149, "low-amplitude"), (0.15, None), (20.0, None), (20.01, "amplitude-implausible")],
)
def test_limits_of_the_amplitude(height: float, code: str | None) -> None:
    words = {
        "low-amplitude": "V1: less than 0.15 mV",
        "amplitude-implausible": "V1: more than 20 mV: check the unit and the gain",
    }
    given = {k: v for k, v in warned(square(height)).items() if k in words}
    assert given == ({code: Notice(code, words[code], ("V1",))} if code else {})


@pytest.mark.parametrize(
    ("samples", "amplitude"),
    [
        (1001, 990.0),  # ranks 5 and 995, no interpolation
        (101, 99.0),  # 0.5 and 99.5: halfway between two ranks
        (301, 297.0),  # 1.5 and 298.5
        (1151, 1138.5),  # 5.75 and 1144.25
        (4000, 3959.01),  # 19.995 and 3979.005
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_amplitude_is_the_range_between_two_percentiles(
    samples: int, amplitude: float, dtype: type
) -> None:
    """Of 0, 1 ... n - 1 the 0.5th to 99.5th percentiles are 0.99 * (n - 1) apart."""
    x = np.random.default_rng(1).permutation(samples).astype(dtype)
    assert lead_quality(x, RATE).amplitude_mv == pytest.approx(amplitude, rel=1e-12)


@pytest.mark.parametrize(
    ("samples", "low", "middle", "high"),
    [
        (1001, 5.0, 500.0, 995.0),
        (1000, 4.995, 499.5, 994.005),
        (9, 0.04, 4.0, 7.96),
        (8, 0.035, 3.5, 6.965),
    ],
)
def test_the_three_percentiles(samples: int, low: float, middle: float, high: float) -> None:
    """Of 0, 1 ... n - 1: 0.5, 50 and 99.5 % of n - 1."""
    measures = Measures(
        sampling_rate=RATE, flat_block=500, flat_amplitude=0.02, saturated_run=20, spike_reach=0,
        spike_height=0.25, spike_share=0.25, spike_distance=50.0,
    )  # fmt: skip
    x = np.random.default_rng(1).permutation(samples).astype(np.float64)
    (found,) = measure_rows(x[np.newaxis], measures)
    assert (found.low, found.middle, found.high) == pytest.approx((low, middle, high), rel=1e-12)


def test_the_percentiles_of_values_that_crowd() -> None:
    """All but one of 1001 values lie in a millionth of a millionth of the range."""
    x = np.random.default_rng(1).permutation(1001) * 1e-6
    x[x == 1000e-6] = 1e6
    assert lead_quality(x, RATE).amplitude_mv == pytest.approx(990e-6, rel=1e-9)


def test_the_figures_of_few_samples() -> None:
    """Measured from 8 samples on, and with up to nine tenths missing."""
    x = np.arange(20.0)
    assert lead_quality(x[:8], RATE).amplitude_mv == pytest.approx(0.99 * 7)
    assert lead_quality(x[:7], RATE) == LeadQuality(0.0, 0.0, 0.0, None, None, None, None)
    x = np.full(100, np.nan)
    x[:10] = np.arange(10.0)
    assert lead_quality(x, RATE).amplitude_mv == pytest.approx(0.99 * 9)
    assert lead_quality(x, RATE).missing_share == 0.9
    x[9] = np.nan
    assert lead_quality(x, RATE) == LeadQuality(0.91, 0.0, 0.0, None, None, None, None)
    empty = lead_quality(np.zeros(0), RATE)
    assert empty == LeadQuality(1.0, 0.0, 0.0, None, None, None, None)


def test_figures_are_shown_with_four_digits() -> None:
    figures = LeadQuality(0.123449, 0.5, 0.99996, 1.23456, None, 0.00004, 0.00006)
    assert figures.to_dict() == {
        "missing_share": 0.1234,
        "flat_share": 0.5,
        "saturated_share": 1.0,
        "amplitude_mv": 1.2346,
        "noise_share": None,
        "mains_share": 0.0,
        "wander_share": 0.0001,
        "snr_db": None,
        "acceptable": None,
    }


# --- flat parts ---------------------------------------------------------------------------------


def impulses(period: int, samples: int = 5000, height: float = 1.0, first: int = 0) -> Array:
    x = np.zeros(samples)
    x[first::period] = height
    return x


@pytest.mark.parametrize(
    ("x", "rate", "share"),
    [
        (impulses(500), RATE, 0.0),  # an impulse in every second
        (impulses(500, first=499), RATE, 0.0),
        (impulses(1000), RATE, 0.5),  # in every other second
        (impulses(1000, first=999), RATE, 0.5),
        (impulses(1000, 5499, first=999), RATE, 0.5),  # the rest of a second does not count
        (impulses(500, height=0.0199), RATE, 1.0),
        (impulses(500, height=0.02), RATE, 0.0),
        (np.zeros(400), RATE, 1.0),  # less than a second is one block
        (impulses(400, 400), RATE, 0.0),
        (impulses(400, 400, height=0.0199), RATE, 1.0),
        (impulses(400, 400, height=0.02), RATE, 0.0),
        (impulses(2, 20), 1.0, 0.0),  # at least two samples
    ],
)
def test_the_flat_share_counts_seconds_under_20_microvolts(
    x: Array, rate: float, share: float
) -> None:
    assert lead_quality(x, rate).flat_share == share


def test_a_fifth_of_the_time_may_be_flat() -> None:
    x = square(1.0, 10_000, half=10)  # 100 s at 100 Hz
    x[:2000] = 0.0
    assert "flat-parts" not in warned(x, rate=100.0)
    x[2000:2100] = 0.0
    assert warned(x, rate=100.0)["flat-parts"] == Notice(
        "flat-parts", "V1: flat for part of the time", ("V1",)
    )


# --- saturation ---------------------------------------------------------------------------------


def saturated(*runs: tuple[float, int], samples: int = 5000) -> Array:
    """A triangle between -1 and 1 that never stays, with runs of equal values in it."""
    x = np.abs((np.arange(samples) * 0.0371) % 3.8 - 1.9) - 0.95
    x += 1e-9 * np.arange(samples)
    for k, (level, length) in enumerate(runs):
        start = 100 + 200 * k + k // 3  # not always at the same place of a group of eight
        x[start : start + length] = level
    return x


@pytest.mark.parametrize(
    ("runs", "rate", "count"),
    [
        ([], RATE, 0),
        ([(2.0, 20)], RATE, 20),  # 40 ms at the highest value
        ([(2.0, 19)], RATE, 0),
        ([(-2.0, 20)], RATE, 20),  # and at the lowest
        ([(-2.0, 19)], RATE, 0),
        ([(2.0, 31), (-2.0, 23), (2.0, 19), (2.0, 20)], RATE, 74),
        ([(2.0, 40), (1.9, 40)], RATE, 40),  # only at the extremes
        ([(2.0, 40)], 1000.0, 40),
        ([(2.0, 39)], 1000.0, 0),
        ([(2.0, 3)], 50.0, 3),  # at least three samples
        ([(2.0, 2)], 50.0, 0),
    ],
)
def test_the_saturated_share_counts_runs_of_40_ms(
    runs: list[tuple[float, int]], rate: float, count: int
) -> None:
    assert lead_quality(saturated(*runs), rate).saturated_share == count / 5000


def test_saturation_at_the_ends_and_across_gaps() -> None:
    x = saturated()
    x[:20] = 2.0
    x[-20:] = 2.0
    assert lead_quality(x, RATE).saturated_share == 40 / 5000
    x[5:15] = np.nan  # what is there stands side by side
    x[15:29] = 2.0
    assert lead_quality(x, RATE).saturated_share == 20 / 4990
    x[29] = 2.0
    assert lead_quality(x, RATE).saturated_share == 40 / 4990
    assert lead_quality(np.full(5000, 1.0), RATE).saturated_share == 0.0  # flat, not saturated


def test_one_sample_between_ends_a_run() -> None:
    x = saturated((2.0, 25))
    x[112] = 0.5
    assert lead_quality(x, RATE).saturated_share == 0.0


def test_a_hundredth_of_the_time_may_be_saturated() -> None:
    assert "saturation" not in warned(saturated((2.0, 50)))
    assert warned(saturated((2.0, 51)))["saturation"] == Notice(
        "saturation", "V1: the amplifier is saturated", ("V1",)
    )


# --- spectrum -----------------------------------------------------------------------------------
# A sine on a bin puts, behind a Hann taper, 2/3 of its power into that bin and 1/6 into each
# neighbour: with a sine exactly at the edge of a band, 5/6 or 1/6 lie inside.


@pytest.mark.parametrize(
    ("frequency", "noise", "mains", "wander"),
    [
        (0.25, None, None, 1.0),
        (0.375, None, None, 5 / 6),
        (0.5, None, None, 1 / 6),  # 0.5 Hz belongs to the signal
        (10.0, 0.0, 0.0, 0.0),
        (39.875, 0.0, 0.0, 0.0),
        (40.0, 1 / 6, 0.0, 0.0),  # 40 Hz does not count as noise
        (40.125, 5 / 6, 0.0, 0.0),
        (45.0, 1.0, 0.0, 0.0),
        (48.875, 5 / 6, 1 / 6, 0.0),
        (49.0, 1 / 6, 5 / 6, 0.0),  # 49 Hz counts as mains
        (50.0, 0.0, 1.0, 0.0),
        (51.0, 1 / 6, 5 / 6, 0.0),
        (51.125, 5 / 6, 1 / 6, 0.0),
        (55.0, 1.0, 0.0, 0.0),
        (58.875, 5 / 6, 1 / 6, 0.0),
        (59.0, 1 / 6, 5 / 6, 0.0),
        (60.0, 0.0, 1.0, 0.0),
        (61.0, 1 / 6, 5 / 6, 0.0),
        (61.125, 5 / 6, 1 / 6, 0.0),
        (100.0, 1.0, 0.0, 0.0),
        (249.0, 1.0, 0.0, 0.0),
    ],
)
def test_shares_of_one_sine(
    frequency: float, noise: float | None, mains: float | None, wander: float
) -> None:
    figures = lead_quality(sine(frequency), RATE)
    assert figures.wander_share == pytest.approx(wander, abs=2e-3)
    if noise is not None and mains is not None:
        assert figures.noise_share == pytest.approx(noise, abs=2e-3)
        assert figures.mains_share == pytest.approx(mains, abs=2e-3)


def test_an_offset_is_no_wander() -> None:
    figures = lead_quality(sine(10.0) + 300.0, RATE)
    assert figures.wander_share == pytest.approx(0.0, abs=1e-6)


def test_shares_need_two_seconds_and_some_power() -> None:
    assert lead_quality(sine(45.0, 2.0), RATE).noise_share == pytest.approx(1.0, abs=2e-3)
    short = lead_quality(sine(45.0, 2.0)[:-1], RATE)
    assert (short.noise_share, short.mains_share, short.wander_share) == (None, None, None)
    flat = lead_quality(np.ones(5000), RATE)
    assert (flat.noise_share, flat.mains_share, flat.wander_share) == (None, None, None)


def mixture(share: float, frequency: float, other: float = 10.0) -> Array:
    """Two sines of which the second has this share of the power."""
    return np.sqrt(1.0 - share) * sine(other) + np.sqrt(share) * sine(frequency)


@pytest.mark.parametrize(
    ("code", "words", "frequency", "limit"),
    [
        ("noise", "much power above 40 Hz", 45.0, 0.25),
        ("mains", "mains interference", 50.0, 0.15),
        ("mains", "mains interference", 60.0, 0.15),
        ("baseline-wander", "strong baseline wander", 0.25, 0.60),
    ],
)
def test_limits_of_the_shares(code: str, words: str, frequency: float, limit: float) -> None:
    assert code not in warned(mixture(limit - 0.005, frequency))
    found = warned(mixture(limit + 0.005, frequency))
    assert found[code] == Notice(code, f"V1: {words}", ("V1",))


def test_noise_and_mains_are_shares_of_the_power_above_half_a_hertz() -> None:
    x = mixture(0.3, 45.0) + 3.0 * sine(0.25)
    assert lead_quality(x, RATE).noise_share == pytest.approx(0.3, abs=5e-3)
    x = mixture(0.3, 50.0) + 3.0 * sine(0.25)
    assert lead_quality(x, RATE).mains_share == pytest.approx(0.3, abs=5e-3)


def test_gaps_are_bridged_before_the_spectrum_is_taken() -> None:
    x = np.where(np.arange(4000) < 2000, sine(45.0), 0.0) + 5.0
    x[2500:3000] = np.nan  # a gap within the level part: the bridge is level as well
    whole = np.where(np.isnan(x), 5.0, x)
    given, wanted = lead_quality(x, RATE), lead_quality(whole, RATE)
    assert given.noise_share == pytest.approx(wanted.noise_share, abs=1e-9)
    ramp = np.arange(4000) / 1000.0
    x = ramp.copy()
    x[1000:1999] = np.nan
    assert lead_quality(x, RATE).wander_share == pytest.approx(
        lead_quality(ramp, RATE).wander_share, abs=1e-9
    )


def test_gaps_at_the_ends_take_the_nearest_value() -> None:
    x = impulses(500, first=250)
    x[:500] = x[4500:] = np.nan
    x[500], x[4499] = 7.0, -3.0
    # Two seconds of ten are level after bridging, at 7 and at -3; 800 of 4000 are known.
    assert lead_quality(x, RATE).flat_share == 0.2


# --- limb leads ---------------------------------------------------------------------------------


def limb(third: float, slow: float = 0.0) -> tuple[Array, tuple[str, ...]]:
    """I is a 5 Hz square wave, II twice that; III as it should be, times ``third``."""
    one = square(1.0)
    drift = slow * np.sin(2 * np.pi * np.arange(5000) / 500.0)
    return np.stack([one, 2.0 * one, third * one + drift]), ("I", "II", "III")


@pytest.mark.parametrize(("third", "apart"), [(1.0, 0.0), (0.66, 0.34), (0.64, 0.36), (2.0, 0.5)])
def test_disagreement_is_the_difference_over_the_larger_of_the_two(
    third: float, apart: float
) -> None:
    x, leads = limb(third)
    assert limb_figures(x, leads, 150)["III"] == pytest.approx(apart, abs=1e-6)
    notice = Notice(
        "leads-disagree",
        "III: not what I and II make of them; misnamed or rescaled leads?",
        ("III",),
    )
    assert warned(x, leads).get("leads-disagree") == (notice if apart > 0.35 else None)


def test_disagreement_has_no_unit() -> None:
    x, leads = limb(0.64)
    assert limb_figures(1e-6 * x, leads, 150)["III"] == pytest.approx(0.36, abs=1e-5)
    assert limb_figures(0.0 * x, leads, 150)["III"] == 0.0


def test_each_limb_lead_is_compared_with_its_own_derivation() -> None:
    """III = II - I, aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2 (Einthoven, Goldberger)."""
    random = np.random.default_rng(2)
    one, two = random.normal(size=(2, 5000))
    derived = [two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    leads = ("aVF", "I", "aVR", "V1", "aVL", "II", "III")
    x = np.stack([derived[3], one, derived[1], one, derived[2], two, derived[0]])
    figures = limb_figures(x, leads, 150)
    assert set(figures) == {"III", "aVR", "aVL", "aVF"}
    assert max(figures.values()) < 1e-6
    for row, lead in enumerate(leads):
        if lead in figures:
            wrong = x.copy()
            wrong[row] *= 0.5
            found = limb_figures(wrong, leads, 150)
            assert found.pop(lead) == pytest.approx(0.5, abs=1e-6)
            assert max(found.values()) < 1e-6
    assert limb_figures(x[:1], ("aVF",), 150) == {}
    assert limb_figures(x[[1, 5]], ("I", "II"), 150) == {}
    assert limb_figures(x[[1, 0]], ("I", "aVF"), 150) == {}


def test_limb_leads_are_compared_without_a_baseline_of_three_tenths_of_a_second() -> None:
    """A running mean of 0.3 s leaves 1 - sin(0.3 pi)/(0.3 pi) = 0.1416 of a sine of 1 Hz.

    Against a 5 Hz square wave of mean absolute value 0.5 a drift of amplitude a then stands as
    0.1416 a 2/pi: it reaches 0.35 of the lead's own at about a = 2.1.
    """
    found = {slow: "leads-disagree" in warned(*limb(1.0, slow)) for slow in (1.95, 2.35)}
    assert found == {1.95: False, 2.35: True}


def test_the_running_mean_is_mirrored_at_the_ends() -> None:
    """Means by hand, of three and of four samples (the longer half of four comes before)."""
    one = np.array([0.0, 3.0, 0.0, 9.0, 3.0, 0.0])
    rows = np.stack([np.zeros(6), one, np.zeros(6)])
    leads = ("I", "II", "III")
    # Mean of 3: 1, 1, 4, 4, 4, 1; what is left of II: -1, 2, -4, 5, -1, -1, its median -1.
    # II - I less its median: 0, 3, -3, 6, 0, 0; III is 0: the difference over itself is 1.
    assert limb_figures(rows, leads, 3)["III"] == pytest.approx(1.0)
    given = np.array([-1.0, 2.0, -4.0, 5.0, -1.0, -1.0])
    # The same with III = II: both alike. With III = given, whose own mean of 3 is
    # 0, -1, 1, 0, 1, -1: left -1, 3, -5, 5, -2, 0; median -0.5; -0.5, 3.5, -4.5, 5.5, -1.5, 0.5.
    # Difference from 0, 3, -3, 6, 0, 0: 0.5, 0.5, 1.5, 0.5, 1.5, 0.5 = 5; the larger is 16.
    rows[2] = one
    assert limb_figures(rows, leads, 3)["III"] == pytest.approx(0.0, abs=1e-7)
    rows[2] = given
    assert limb_figures(rows, leads, 3)["III"] == pytest.approx(5 / 16, rel=1e-6)


def test_the_running_mean_of_an_even_number_starts_half_before() -> None:
    """Of four samples: two before, the one itself, one behind (scipy.ndimage, origin 0)."""
    impulse, other = np.zeros((2, 12))
    impulse[5] = 4.0  # means 1 at 4, 5, 6, 7
    other[4:8] = 1.0
    rows = np.stack([np.zeros(12), impulse, impulse])
    assert limb_figures(rows, ("I", "II", "III"), 4)["III"] == pytest.approx(0.0, abs=1e-7)
    # Left of the impulse: -1, 3, -1, -1 at 4 ... 7; of the block: its means are
    # 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25 at 3 ... 9: left -0.25, 0.5, 0.25, 0, 0.25, -0.5, -0.25.
    # Medians 0 and 0. |difference|: 0.25, 1.5, 2.75, 1, 1.25, 0.5, 0.25 = 7.5; the larger: 6.
    rows[2] = other
    assert limb_figures(rows, ("I", "II", "III"), 4)["III"] == pytest.approx(7.5 / 6, rel=1e-6)


def test_a_gap_of_a_limb_lead_counts_as_zero() -> None:
    one = square(1.0)
    rows = np.stack([np.zeros(5000), one, one])
    rows[2, 1000:1500] = np.nan
    # |difference| is about 0.5 in the tenth that is missing, and so is the lead everywhere.
    assert limb_figures(rows, ("I", "II", "III"), 150)["III"] == pytest.approx(0.1, abs=0.01)


# --- direction of the complexes -----------------------------------------------------------------


def complexes(up: float, down: float, samples: int = 5000) -> Array:
    """Narrow deflections of 2 % of the time each around 0: the percentiles are the peaks."""
    x = np.zeros(samples)
    phase = np.arange(samples) % 500
    x[(phase >= 100) & (phase < 110)] = up
    x[(phase >= 110) & (phase < 120)] = -down
    return x


@pytest.mark.parametrize(("down", "inverted"), [(1.0, False), (2.0, False), (2.02, True)])
def test_a_lead_points_down_where_that_is_more_than_twice_the_rise(
    down: float, inverted: bool
) -> None:
    found = warned(complexes(1.0, down), ("I",))
    words = "I: the QRS complexes point down; is the lead inverted?"
    assert found.get("inverted") == (Notice("inverted", words, ("I",)) if inverted else None)
    assert "inverted" not in warned(complexes(1.0, down), ("II",))


@pytest.mark.parametrize(("above", "inverted"), [(0.55, True), (0.45, False)])
def test_up_and_down_are_counted_from_the_median(above: float, inverted: bool) -> None:
    """Two levels: the median is the one where the lead stands most of the time."""
    x = np.where(np.arange(5000) % 500 < 500 * above, 1.0, -1.0)
    assert ("inverted" in warned(x, ("I",))) == inverted


def test_lead_i_down_and_avr_up_are_swapped_arms() -> None:
    down, up = complexes(1.0, 3.0), complexes(3.0, 1.0)
    swapped = Notice(
        "limb-leads-swapped",
        "I points down and aVR up: arm electrodes swapped, or dextrocardia?",
        ("I", "aVR"),
    )
    assert warned(np.stack([down, up]), ("I", "aVR"))["limb-leads-swapped"] == swapped
    for first, second in ((down, down), (up, up), (up, down)):
        found = warned(np.stack([first, second]), ("I", "aVR"))
        assert not {"limb-leads-swapped", "inverted"} & set(found)


# --- pacemaker spikes ---------------------------------------------------------------------------


def paced(
    height: float = 1.0,
    *,
    distance: int = 1000,
    count: int = 3,
    width: int = 1,
    background: float = 0.2,
    samples: int = 5000,
) -> Array:
    """Spikes on level stretches; the background steps once, which sets the lead's amplitude."""
    x = np.where(np.arange(samples) < samples // 10, 0.0, background)
    for k in range(count):
        start = samples // 5 + k * distance
        x[start : start + width] += height
    return x


@pytest.mark.parametrize(
    ("x", "rate", "found"),
    [
        (paced(), RATE, True),
        (paced(-1.0), RATE, True),
        (paced(), 400.0, True),  # not sought below 400 Hz
        (paced(), 399.0, False),
        (paced(0.26), RATE, True),  # 0.25 mV
        (paced(0.24), RATE, False),
        (paced(0.25, background=0.25), RATE, False),  # exactly, which is not more
        (paced(0.5, background=2.0), RATE, False),
        (paced(-0.26), RATE, True),
        (paced(-0.24), RATE, False),
        (paced(0.52, background=2.0), RATE, True),  # and a quarter of the lead's amplitude
        (paced(0.48, background=2.0), RATE, False),
        (paced(count=2), RATE, False),  # three of them
        (paced(distance=51), RATE, True),  # more than 0.1 s apart
        (paced(distance=50), RATE, False),
        (paced(width=3), RATE, True),  # 4 ms at 500 Hz: less than 2 samples to each side
        (paced(width=4), RATE, False),
        (paced(width=7), 1000.0, True),
        (paced(width=8), 1000.0, False),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits_of_pacemaker_spikes(x: Array, rate: float, found: bool, dtype: type) -> None:
    words = "V1: narrow spikes as of a pacemaker; it changes what findings mean"
    notice = Notice("pacemaker-spikes", words, ("V1",)) if found else None
    assert warned(x.astype(dtype), rate=rate).get("pacemaker-spikes") == notice


@pytest.mark.parametrize(("side", "offset"), [("before", -4), ("after", 4)])
@pytest.mark.parametrize(("shoulder", "found"), [(0.19, True), (0.21, False)])
def test_a_spike_stands_on_level_ground(
    side: str, offset: int, shoulder: float, found: bool
) -> None:
    """Four samples away the signal may differ by a fifth of the spike's height."""
    x = paced()
    for start in (1000, 2000, 3000):
        x[start + offset] += shoulder
    assert ("pacemaker-spikes" in warned(x)) == found


@pytest.mark.parametrize("samples", [5000, 5001, 5009, 5016])
@pytest.mark.parametrize(("first", "last", "found"), [(4, 5, True), (3, 5, False), (4, 4, False)])
def test_spikes_are_sought_up_to_four_samples_from_the_ends(
    samples: int, first: int, last: int, found: bool
) -> None:
    x = paced(count=0, samples=samples)
    x[[first, 2000, samples - last]] += 1.0
    assert ("pacemaker-spikes" in warned(x)) == found


def test_a_staircase_is_no_spike() -> None:
    x = paced(count=0)
    for start in (1000, 2000, 3000):  # 0.5 mV higher, and two samples later once more
        x[start:] += 0.5
        x[start + 2 :] += 0.5
    assert "pacemaker-spikes" not in warned(x)


def test_spikes_are_believed_in_two_leads_or_in_the_only_one() -> None:
    with_spikes, without = paced(), paced(count=0)
    leads = ("V1", "V2", "V3")
    assert "pacemaker-spikes" not in warned(np.stack([with_spikes, without, without]), leads)
    found = warned(np.stack([with_spikes, without, with_spikes]), leads)
    assert found["pacemaker-spikes"].leads == ("V1", "V3")
    assert "pacemaker-spikes" not in warned(np.stack([with_spikes, without]), leads[:2])


def test_a_gap_beside_zero_is_no_spike_and_one_beside_a_level_may_be() -> None:
    """Gaps count as 0 where spikes are sought: a lead at 1 mV falls to 0 in a gap of one sample."""
    x = paced(count=0, background=1.0)
    x[[1000, 2000, 3000]] = np.nan
    assert "pacemaker-spikes" in warned(x)
    x = paced(count=0, background=0.2)
    x[[1000, 2000, 3000]] = np.nan
    assert "pacemaker-spikes" not in warned(x)


def test_the_amplitude_that_spikes_are_compared_with_has_gaps_as_zero() -> None:
    """Between 1.0 and 1.2 mV a quarter of the amplitude is 0.05; from a gap at 0 on it is 0.3."""
    x = paced(0.28) + 1.0
    assert "pacemaker-spikes" in warned(x)
    x[4800:4900] = np.nan
    assert "pacemaker-spikes" not in warned(x)
    x = paced(0.28)
    x[4800:4900] = np.nan
    assert "pacemaker-spikes" in warned(x)


@pytest.mark.parametrize("plateau", [2.0, -2.0])
@pytest.mark.parametrize("gap", [0, 10])
def test_the_amplitude_of_spikes_is_that_of_all_but_half_a_percent_at_each_end(
    plateau: float, gap: int
) -> None:
    x = paced(0.4)
    assert "pacemaker-spikes" in warned(x)
    x[4500:4540] = plateau  # 0.8 % of the time: at 2 mV a spike has to have 0.5 mV
    x[4800 : 4800 + gap] = np.nan
    assert "pacemaker-spikes" not in warned(x)


# --- several windows ----------------------------------------------------------------------------


def test_a_batch_is_judged_window_by_window() -> None:
    batch = np.stack([sine(10.0), 0.05 * sine(10.0), np.zeros(4000)])[:, np.newaxis]
    first, second, third = assess_windows(batch, RATE, ("V1",))
    assert first.verdict == "good"
    assert [notice.code for notice in second.warnings] == ["low-amplitude"]
    assert third.refusal is not None and third.refusal.code == "flat"


def test_merged_notices_count_their_windows() -> None:
    noise = Notice("noise", "I: much power above 40 Hz", ("I",))
    other = Notice("noise", "V1, II: much power above 40 Hz", ("V1", "II"))
    plain = Notice("short", "no colon here")
    assert merge_notices([[noise, plain], [other], [noise], []]) == (
        Notice("noise", "I, V1, II: much power above 40 Hz (in 3 of 4 windows)", ("I", "V1", "II")),
        Notice("short", "no colon here (in 1 of 4 windows)"),
    )
    assert merge_notices([[noise], [noise]])[0].message.endswith("above 40 Hz (in 2 of 2 windows)")
    assert merge_notices([[noise]]) == (noise,)
    whole = Notice("gap", "the device said: nothing", ())
    assert merge_notices([[whole]]) == (whole,)
    assert Notice("a", "b").to_dict() == {"code": "a", "message": "b"}
    assert noise.to_dict() == {"code": "noise", "message": noise.message, "leads": ["I"]}
