"""Hand-crafted features of signals whose values are known: sines, planted rhythms and waves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest

from ecgfoundry.measurements.features import (
    FEATURE_NAMES,
    FEATURES,
    feature_matrix,
    hand_crafted_features,
)

RATE = 500.0
RECORD_FEATURES = {
    "heart_rate_bpm": "/min", "beats_per_s": "1/s", "rr_median_ms": "ms", "rr_shortest_ms": "ms",
    "rr_longest_ms": "ms", "rr_sd_ms": "ms", "rr_rmssd_ms": "ms", "rr_pnn50": "1",
    "rr_variation": "1", "premature_share": "1", "p_share": "1", "p_scatter_ms": "ms",
    "pr_ms": "ms", "p_duration_ms": "ms", "qrs_ms": "ms", "qt_ms": "ms", "jt_ms": "ms",
    "t_peak_end_ms": "ms", "qtc_bazett_ms": "ms", "qtc_fridericia_ms": "ms",
    "p_axis_degrees": "degrees", "qrs_axis_degrees": "degrees", "t_axis_degrees": "degrees",
    "qrs_t_angle_degrees": "degrees", "sokolow_lyon_mv": "mV", "cornell_mv": "mV",
    "beat_likeness": "1", "unlike_share": "1", "residual_mv": "mV", "qrs_span_mv": "mV",
    "atrial_share": "1", "power_low": "1", "power_middle": "1", "power_high": "1",
    "spectral_entropy": "1", "missing_share": "1", "flat_share": "1", "noise_share": "1",
    "mains_share": "1", "wander_share": "1",
}  # fmt: skip
LEAD_FEATURES = {
    "p_mv": "mV", "p_area_mv_ms": "mV ms", "q_mv": "mV", "r_mv": "mV", "s_mv": "mV",
    "qrs_area_mv_ms": "mV ms", "qrs_size_mv_ms": "mV ms", "st_mv": "mV", "st_slope_mv_s": "mV/s",
    "t_mv": "mV", "t_area_mv_ms": "mV ms", "t_rise_share": "1",
}  # fmt: skip
PREFIXES = (
    "reference", "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"
)  # fmt: skip


def test_names_order_and_units_are_those_of_every_stored_table() -> None:
    """Columns of stored tables are found by name and place."""
    wanted = dict(RECORD_FEATURES)
    for prefix in PREFIXES:
        wanted |= {f"{prefix}_{name}": unit for name, unit in LEAD_FEATURES.items()}
    assert [(feature.name, feature.unit) for feature in FEATURES] == list(wanted.items())
    assert list(FEATURE_NAMES) == list(wanted)
    assert len(FEATURES) == 196


# --- spectrum of the reference lead --------------------------------------------------------------


def sines(*parts: tuple[float, float], seconds: float = 10.0, rate: float = RATE) -> np.ndarray:
    """Sum of sines (Hz, mV)."""
    time = np.arange(round(seconds * rate)) / rate
    return sum(height * np.sin(2 * np.pi * hz * time + 0.3) for hz, height in parts)


def of_one_lead(x: np.ndarray, lead: str = "I", rate: float = RATE) -> dict[str, float]:
    return hand_crafted_features(x[np.newaxis], rate, [lead])


BANDS = ("power_low", "power_middle", "power_high")


@pytest.mark.parametrize(
    ("hz", "band"),
    [(0.8, 0), (4.7, 0), (5.3, 1), (14.7, 1), (15.3, 2), (39.6, 2)],
)
def test_bands_part_at_5_and_15_hz(hz: float, band: int) -> None:
    found = of_one_lead(sines((hz, 1.0)))
    wanted = [0.0, 0.0, 0.0]
    wanted[band] = 1.0
    assert [found[name] for name in BANDS] == pytest.approx(wanted, abs=1e-3)


def test_shares_of_power_are_those_of_squared_amplitudes_between_0_5_and_40_hz() -> None:
    found = of_one_lead(sines((0.2, 5.0), (3.0, 1.0), (10.0, 2.0), (20.0, 3.0), (41.0, 5.0)) + 7.0)
    assert [found[name] for name in BANDS] == pytest.approx([1 / 14, 4 / 14, 9 / 14], abs=2e-3)


@pytest.mark.parametrize(
    ("hz", "shares"),
    [(0.5, (1, 0, 0)), (5.0, (1 / 6, 5 / 6, 0)), (15.0, (0, 1 / 6, 5 / 6)), (40.0, (0, 0, 1))],
)
def test_a_band_holds_its_lower_end_and_not_its_upper_one(
    hz: float, shares: tuple[float, ...]
) -> None:
    """A tapered sine has 1/6 of its power in the bin on either side of its own."""
    found = of_one_lead(sines((hz, 1.0)))
    assert [found[name] for name in BANDS] == pytest.approx(shares, abs=0.01)


@pytest.mark.parametrize(("hz", "low"), [(0.43, 0.0), (0.57, 0.9615)])
def test_the_lowest_band_begins_at_half_a_hertz(hz: float, low: float) -> None:
    """A sine of 5 mV beside one of 1 mV at 10 Hz: 25 of 26 parts, or none."""
    found = of_one_lead(sines((hz, 5.0), (10.0, 1.0), seconds=60.0))
    assert found["power_low"] == pytest.approx(low, abs=2e-3)


def test_entropy_of_the_spectrum() -> None:
    """A tapered sine fills three of 395 bins: 1/6, 2/3, 1/6, so 0.8676 / ln 395; noise nearly all.

    Exponentially distributed powers lose 1 - 0.5772 of ln 395.
    """
    assert of_one_lead(sines((10.0, 1.0)))["spectral_entropy"] == pytest.approx(0.1451, abs=0.001)
    noise = np.random.default_rng(3).normal(size=5000)
    assert of_one_lead(noise)["spectral_entropy"] == pytest.approx(0.9293, abs=0.01)


@pytest.mark.parametrize(("samples", "there"), [(1000, True), (999, False)])
def test_a_spectrum_needs_two_seconds(samples: int, there: bool) -> None:
    found = of_one_lead(sines((10.0, 1.0))[:samples])
    for name in (*BANDS, "spectral_entropy"):
        assert math.isfinite(found[name]) is there


@pytest.mark.parametrize(
    ("leads", "reference"),
    [
        (("V1", "I", "MLII", "II"), 3),
        (("V1", "I", "MLII"), 2),
        (("V1", "aVF", "I"), 2),
        (("V3", "V1"), 0),
        (("V1", "MDC_ECG_LEAD_II"), 1),
        (("lead ii", "I"), 0),
    ],
)
def test_the_reference_lead_is_ii_else_mlii_else_i_else_the_first(
    leads: tuple[str, ...], reference: int
) -> None:
    x = np.stack([sines((20.0 if row == reference else 3.0, 1.0)) for row in range(len(leads))])
    assert hand_crafted_features(x, RATE, leads)["power_high"] == pytest.approx(1, abs=1e-3)


def test_the_reference_lead_is_readable() -> None:
    x = np.stack([np.full(5000, np.nan), sines((3.0, 1.0)), sines((20.0, 1.0))])
    assert hand_crafted_features(x, RATE, ("II", "V2", "I"))["power_high"] > 0.99
    assert hand_crafted_features(x, RATE, ("II", "V2", "V1"))["power_low"] > 0.99


# --- rhythm --------------------------------------------------------------------------------------

Wave = tuple[float, float, float]
"""When from R and standard deviation, in s; height in mV."""
QRS: Wave = (0.0, 0.012, 1.2)
USUAL: tuple[Wave, ...] = ((-0.16, 0.015, 0.15), QRS, (0.30, 0.04, 0.35))


def planted(
    times: Iterable[float], waves: Sequence[Wave] | Mapping[int, Sequence[Wave]], seconds: float
) -> np.ndarray:
    """One lead; waves of every beat, or by the number of the beat with None for all others."""
    time = np.arange(round(seconds * RATE)) / RATE
    x = np.zeros(time.size)
    for number, peak in enumerate(times):
        chosen = waves.get(number, waves[-1]) if isinstance(waves, Mapping) else waves
        for at, width, height in chosen:
            x += height * np.exp(-0.5 * ((time - peak - at) / width) ** 2)
    return x


def test_figures_of_a_rhythm() -> None:
    """RR of 800 840 780 800 600 1000 800 800 850 ms; deviations by Python's statistics module."""
    rr = (0.8, 0.84, 0.78, 0.8, 0.6, 1.0, 0.8, 0.8, 0.85)
    times = 1.0 + np.concatenate([[0.0], np.cumsum(rr)])
    found = of_one_lead(planted(times, USUAL, 10.0))
    wanted = {
        "heart_rate_bpm": 75.0,
        "beats_per_s": 1.0,
        "rr_median_ms": 800.0,
        "rr_shortest_ms": 600.0,
        "rr_longest_ms": 1000.0,
        "rr_sd_ms": 102.442,
        "rr_variation": 0.12682,
        "rr_rmssd_ms": 176.104,  # differences 40 -60 20 -200 400 -200 0 50
        "rr_pnn50": 0.5,  # 50 is not above 50
        "premature_share": 1 / 9,
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=2e-4)


@pytest.mark.parametrize(("early", "share"), [(0.644, 0.0), (0.636, 1 / 11)])
def test_premature_is_under_0_8_of_the_median(early: float, share: float) -> None:
    rr = [0.8] * 5 + [early] + [0.8] * 5
    times = 0.8 + np.concatenate([[0.0], np.cumsum(rr)])
    assert of_one_lead(planted(times, USUAL, 11.0))["premature_share"] == pytest.approx(share)


@pytest.mark.parametrize(
    ("beats", "interval", "spread"), [(1, False, False), (2, True, False), (3, True, True)]
)
def test_how_many_beats_a_figure_needs(beats: int, interval: bool, spread: bool) -> None:
    found = of_one_lead(planted([0.7 + 0.8 * k for k in range(beats)], USUAL, 0.8 * beats + 0.8))
    assert found["beats_per_s"] == pytest.approx(beats / (0.8 * beats + 0.8))
    for name in ("heart_rate_bpm", "rr_median_ms", "rr_shortest_ms", "premature_share"):
        assert math.isfinite(found[name]) is interval
    for name in ("rr_sd_ms", "rr_variation", "rr_rmssd_ms", "rr_pnn50"):
        assert math.isfinite(found[name]) is spread


@pytest.mark.parametrize("lost", [math.nan, 0.0])
def test_no_interval_is_counted_across_a_gap(lost: float) -> None:
    """Beats every 800 ms; from 4.0 to 6.6 s nothing, or one value, was recorded."""
    x = planted(0.6 + 0.8 * np.arange(15), USUAL, 12.0)
    x += 0.002 * np.random.default_rng(4).normal(size=x.size)
    x[2000:3300] = lost
    found = hand_crafted_features(x[None], RATE, ["II"])
    for name in ("rr_median_ms", "rr_shortest_ms", "rr_longest_ms"):
        assert found[name] == pytest.approx(800.0, abs=6.0), name
    assert found["premature_share"] == 0.0
    assert found["rr_sd_ms"] < 6.0
    assert found["rr_rmssd_ms"] < 10.0
    assert found["rr_pnn50"] == 0.0
    # Those at 4.6, 5.4 and 6.2 s were lost; 12 s less 2.6 s have a signal.
    assert found["beats_per_s"] == pytest.approx(12 / 9.4, rel=1e-3)


def test_p_waves_of_a_rhythm() -> None:
    """Half of them 24 ms earlier: their distances lie 12 ms from the median one."""
    times = [0.8 + 0.8 * k for k in range(12)]
    early = ((-0.184, 0.015, 0.15), *USUAL[1:])
    found = of_one_lead(planted(times, {-1: USUAL} | dict.fromkeys(range(6), early), 10.4))
    assert found["p_share"] == 1.0
    assert found["p_scatter_ms"] == pytest.approx(12, abs=2.1)
    found = of_one_lead(planted(times, {-1: USUAL} | dict.fromkeys(range(3), USUAL[1:]), 10.4))
    assert found["p_share"] == pytest.approx(0.75)
    assert found["p_scatter_ms"] == pytest.approx(0, abs=1e-6)
    found = of_one_lead(planted(times, USUAL[1:], 10.4))
    assert found["p_share"] == 0.0
    assert math.isnan(found["p_scatter_ms"]) and math.isnan(found["pr_ms"])


# --- waves of twelve leads -----------------------------------------------------------------------

TIMES = tuple(0.8 + 0.9 * k for k in range(11))
Q_AT, S_AT = -0.026, 0.034


def beat_of(q: float, r: float, s: float, t: float = 0.3, p: float = 0.12) -> tuple[Wave, ...]:
    return (
        (-0.16, 0.015, p), (Q_AT, 0.006, -q), (0.0, 0.008, r), (S_AT, 0.006, -s), (0.3, 0.04, t)
    )  # fmt: skip


def twelve(**changed: tuple[Wave, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Limb leads of one vector: QRS of 1.2 mV at 60 degrees, T of 0.35 mV at 0 degrees."""
    flat = {"I": (0.6, 0.35), "II": (1.2, 0.175), "III": (0.6, -0.175), "aVR": (-0.9, -0.2625),
            "aVL": (0.0001, 0.2625), "aVF": (0.9, 0.0001)}  # fmt: skip
    waves = {lead: beat_of(0.0, r, 0.0, t) for lead, (r, t) in flat.items()}
    waves |= {
        "V1": beat_of(0.0, 0.2, 1.1), "V2": beat_of(0.0, 0.4, 1.4), "V3": beat_of(0.0, 0.8, 0.9),
        "V4": beat_of(0.05, 1.4, 0.5), "V5": beat_of(0.1, 1.5, 0.3), "V6": beat_of(0.1, 1.3, 0.3),
    }  # fmt: skip
    waves |= changed
    return np.stack([planted(TIMES, part, 10.6) for part in waves.values()]), tuple(waves)


def test_amplitudes_of_twelve_leads() -> None:
    x, leads = twelve()
    found = hand_crafted_features(x, RATE, leads)
    wanted = {
        "I_r_mv": 0.6, "II_r_mv": 1.2, "III_r_mv": 0.6, "aVF_r_mv": 0.9,
        "V1_r_mv": 0.2, "V1_s_mv": -1.1, "V2_s_mv": -1.4, "V3_s_mv": -0.9, "V4_r_mv": 1.4,
        "V5_r_mv": 1.5, "V5_q_mv": -0.1, "V5_s_mv": -0.3, "V6_r_mv": 1.3, "V1_q_mv": 0.0,
        "I_t_mv": 0.35, "aVR_t_mv": -0.2625, "III_t_mv": -0.175, "II_p_mv": 0.12, "V1_st_mv": 0.0,
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=0.02)
    assert min(found["aVR_q_mv"], found["aVR_s_mv"]) == pytest.approx(-0.9, abs=0.02)
    for name in LEAD_FEATURES:
        assert found[f"reference_{name}"] == found[f"II_{name}"]
    # QRS at 60 degrees, T at 0.
    assert found["qrs_axis_degrees"] == pytest.approx(60, abs=2)
    assert found["t_axis_degrees"] == pytest.approx(0, abs=2)
    assert found["qrs_t_angle_degrees"] == pytest.approx(60, abs=3)
    # S of V1 and the larger R of V5 and V6; R of aVL and S of V3.
    assert found["sokolow_lyon_mv"] == pytest.approx(1.1 + 1.5, abs=0.03)
    assert found["cornell_mv"] == pytest.approx(0.0 + 0.9, abs=0.03)
    # Heights from the lowest to the highest point: mean of
    # 0.6 1.2 0.6 0.9 0 0.9 1.3 1.8 1.7 1.9 1.8 1.6.
    assert found["qrs_span_mv"] == pytest.approx(14.3 / 12, abs=0.03)
    assert found["beat_likeness"] == pytest.approx(1, abs=1e-6)
    assert found["unlike_share"] == 0.0
    assert found["residual_mv"] == pytest.approx(0, abs=1e-3)


def test_voltage_sums_take_the_larger_r_and_the_right_leads() -> None:
    x, leads = twelve(V6=beat_of(0.1, 2.2, 0.3), aVL=beat_of(0.0, 0.7, 0.0))
    found = hand_crafted_features(x, RATE, leads)
    assert found["sokolow_lyon_mv"] == pytest.approx(1.1 + 2.2, abs=0.03)
    assert found["cornell_mv"] == pytest.approx(0.7 + 0.9, abs=0.03)


@pytest.mark.parametrize(
    ("without", "sokolow", "cornell"),
    [("V1", False, True), ("V5", False, True), ("V6", False, True), ("V3", True, False),
     ("aVL", True, False), ("V2", True, True)],
)  # fmt: skip
def test_voltage_sums_need_their_leads(without: str, sokolow: bool, cornell: bool) -> None:
    x, leads = twelve()
    rows = [row for row, lead in enumerate(leads) if lead != without]
    found = hand_crafted_features(x[rows], RATE, [leads[row] for row in rows])
    assert math.isfinite(found["sokolow_lyon_mv"]) is sokolow
    assert math.isfinite(found["cornell_mv"]) is cornell
    assert math.isnan(found[f"{without}_r_mv"])


@pytest.mark.parametrize(
    ("qrs", "t", "angle"), [(130, -150, 80), (-90, 90, 180), (0, 30, 30), (-60, -120, 60)]
)
def test_the_angle_between_qrs_and_t_goes_the_short_way(qrs: int, t: int, angle: int) -> None:
    def projected(degrees: int, axis: int) -> float:
        return math.cos(math.radians(degrees - axis))

    x = np.stack(
        [
            planted(
                TIMES,
                ((0.0, 0.012, 1.2 * projected(qrs, axis)), (0.3, 0.04, 0.4 * projected(t, axis))),
                10.6,
            )
            for axis in (0, 60)
        ]
    )
    found = hand_crafted_features(x, RATE, ("I", "II"))
    assert abs((found["qrs_axis_degrees"] - qrs + 180) % 360 - 180) < 3
    assert abs((found["t_axis_degrees"] - t + 180) % 360 - 180) < 3
    assert found["qrs_t_angle_degrees"] == pytest.approx(angle, abs=4)


def test_an_unlike_beat_is_counted() -> None:
    """Two of eleven beats are upside down."""
    upside = tuple((at, width, -height) for at, width, height in USUAL)
    found = of_one_lead(planted(TIMES, {-1: USUAL, 4: upside, 7: upside}, 10.6))
    assert found["unlike_share"] == pytest.approx(2 / 11)
    # Widths of 12 and 24 ms correlate by 0.88, of 12 and 40 ms by 0.75.
    broad = {width: ((0.0, width, 1.2), *USUAL[2:]) for width in (0.024, 0.040)}
    for width, unlike in ((0.024, 0), (0.040, 1)):
        one = of_one_lead(planted(TIMES, {-1: USUAL, 4: broad[width]}, 10.6))
        assert one["unlike_share"] == pytest.approx(unlike / 11)
    assert found["beat_likeness"] == pytest.approx(1, abs=1e-3)


# --- between the waves ---------------------------------------------------------------------------

SLOW = tuple(0.8 + 1.6 * k for k in range(11))
NARROW = (QRS, (0.26, 0.02, 0.3))


@pytest.mark.parametrize(
    ("hz", "low", "high"),
    [
        (3.4, 0.0, 0.15), (4.6, 0.6, 1.0), (5.0, 0.9, 1.0), (8.0, 0.8, 1.0), (10.0, 0.0, 0.2),
        (11.0, 0.0, 0.1), (14.0, 0.0, 0.1),
    ],
)  # fmt: skip
def test_atrial_waves_are_those_of_4_to_9_hz(hz: float, low: float, high: float) -> None:
    """Bollmann et al., Europace 8:911 (2006). The stretches are short: a little runs over."""
    x = planted(SLOW, NARROW, 20.0) + sines((hz, 0.06), seconds=20.0)
    assert low <= of_one_lead(x)["atrial_share"] <= high


def test_atrial_waves_are_compared_with_what_lies_below_25_hz() -> None:
    x = planted(SLOW, NARROW, 20.0) + sines((5.0, 0.06), seconds=20.0)
    equal = of_one_lead(x + sines((20.0, 0.06), seconds=20.0))["atrial_share"]
    assert equal == pytest.approx(0.5, abs=0.06)
    assert of_one_lead(x + sines((30.0, 0.06), seconds=20.0))["atrial_share"] > 0.85


def test_atrial_waves_need_a_second_of_quiet_stretches() -> None:
    x = planted([0.8, 1.6, 2.4], USUAL[1:], 3.2) + sines((6.0, 0.03), seconds=3.2)
    assert math.isnan(of_one_lead(x)["atrial_share"])  # twice 0.8 - 0.39 - 0.04 s
    x = planted([0.8, 1.6, 2.4, 3.2, 4.0], USUAL[1:], 4.8) + sines((6.0, 0.03), seconds=4.8)
    assert math.isfinite(of_one_lead(x)["atrial_share"])  # four of them


@pytest.mark.parametrize(("rr", "there"), [(0.40, False), (0.44, True)])
def test_a_quiet_stretch_has_120_ms(rr: float, there: bool) -> None:
    """T ends 251 ms behind R (200 + 2.04 sqrt(15^2 + 20^2)), QRS begins 40 ms before the next."""
    x = planted([0.8 + rr * k for k in range(44)], (QRS, (0.2, 0.015, 0.3)), 20.0)
    x += sines((6.0, 0.005), seconds=20.0)
    assert math.isfinite(of_one_lead(x)["atrial_share"]) is there


def test_a_drift_is_no_atrial_wave() -> None:
    """Each stretch is taken less its straight line."""
    x = planted(SLOW, NARROW, 20.0) + sines((5.0, 0.06), seconds=20.0)
    x += np.linspace(0.0, 10.0, x.size)
    assert of_one_lead(x)["atrial_share"] > 0.9


# --- quality -------------------------------------------------------------------------------------


def test_quality_is_the_mean_or_the_median_over_the_leads() -> None:
    clean = sines((10.0, 1.0))
    gaps = clean.copy()
    gaps[:1500] = np.nan
    gaps[4999] = np.inf  # an infinity is missing, too
    flat = clean.copy()
    flat[:2000] = 0.0
    noisy = sines((10.0, 1.0), (80.0, 1.0))
    humming = sines((10.0, 1.0), (50.0, 2.0))
    found = hand_crafted_features(
        np.stack([clean, gaps, flat, noisy, humming]), RATE, ("I", "II", "V1", "V2", "V3")
    )
    assert found["missing_share"] == pytest.approx(1501 / 5000 / 5)
    # Four of ten seconds; of the second lead three, bridged by a straight line.
    assert found["flat_share"] == pytest.approx((0.4 + 0.3) / 5)
    assert found["noise_share"] == pytest.approx(0, abs=1e-3)  # the median of five
    three = hand_crafted_features(np.stack([noisy, noisy, humming]), RATE, ("I", "II", "V1"))
    assert three["noise_share"] == pytest.approx(0.5, abs=1e-3)
    assert three["mains_share"] == pytest.approx(0, abs=1e-3)
    hum = hand_crafted_features(np.stack([noisy, humming, humming]), RATE, ("I", "II", "V1"))
    assert hum["mains_share"] == pytest.approx(0.8, abs=1e-3)
    drift = of_one_lead(sines((0.2, 3.0), (10.0, 1.0)))
    assert drift["wander_share"] == pytest.approx(0.9, abs=0.01)


def test_what_is_absent_is_missing() -> None:
    found = hand_crafted_features(np.zeros((0, 100)), RATE, ())
    assert found["missing_share"] == 1.0
    assert math.isnan(found["flat_share"])
    found = of_one_lead(np.full(5000, np.nan))
    assert found["missing_share"] == 1.0
    assert math.isnan(found["noise_share"])


def test_an_absurd_value_is_cut_at_a_kilovolt() -> None:
    x = np.zeros(5000)
    x[2500] = 1e300
    found = of_one_lead(x)
    one = x.copy()
    one[2500] = 1e6
    assert found == pytest.approx(of_one_lead(one), nan_ok=True)


# --- many recordings -----------------------------------------------------------------------------


def test_a_matrix_has_a_row_for_each_recording_of_any_length() -> None:
    x = planted(TIMES, USUAL, 10.6)[np.newaxis]
    matrix = feature_matrix([x, x[:, :2000], np.full((1, 100), np.nan)], RATE, ("II",))
    assert matrix.shape == (3, 196)
    assert matrix.dtype == np.float64
    column = FEATURE_NAMES.index("heart_rate_bpm")
    assert matrix[:, column] == pytest.approx([60 / 0.9, 60 / 0.9, math.nan], nan_ok=True)
    assert matrix[2, FEATURE_NAMES.index("missing_share")] == 1.0
    assert feature_matrix([], RATE, ("II",)).shape == (0, 196)
