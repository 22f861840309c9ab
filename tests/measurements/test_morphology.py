"""Waves of one lead: drawn beats with the answers of the drawing."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry import native
from ecgfoundry.measurements.axes import angle_between, spatial_angle_degrees
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.morphology import lead_measurements, measure_leads
from ecgfoundry.measurements.values import LeadMeasurements

RATE = 1000.0
ONSET, OFFSET = 400, 500


def drawn(
    *corners: tuple[float, float], lead: str = "II", rate: float = RATE, **boundaries: float
) -> LeadMeasurements:
    """A beat of 1.2 s of straight lines between corners (ms, mV); R peak at 440 ms."""
    times = np.arange(round(1.2 * rate)) * 1000.0 / rate
    at, height = np.array([(0.0, 0.0), *corners, (1199.0, 0.0)]).T
    signal = np.interp(times, at, height)
    columns = {"qrs_onset": ONSET, "qrs_offset": OFFSET} | boundaries
    columns = {name: value * rate / 1000.0 for name, value in columns.items()}
    beat = MedianBeat(
        (lead,), signal[None], rate, round(0.44 * rate), columns, np.ones(1), np.zeros(1), 1
    )
    alone, together = lead_measurements(beat, lead), measure_leads(beat, {lead: None})[lead]
    assert_same(alone, together)
    return together


def assert_same(one: LeadMeasurements, other: LeadMeasurements) -> None:
    """Of a lead by NumPy and by the kernels, but for the order in which sums are taken."""
    for field in dataclasses.fields(LeadMeasurements):
        first, second = getattr(one, field.name), getattr(other, field.name)
        assert type(first) is type(second), field.name
        if first is not None:
            assert first == pytest.approx(second, rel=1e-9, abs=1e-12), field.name


QRS = ((400, 0.0), (410, -0.2), (420, 0.0), (440, 1.0), (460, 0.0), (475, -0.3), (490, 0.0))


@pytest.mark.parametrize("rate", [500.0, 1000.0])
def test_amplitudes_and_durations_of_q_r_s(rate: float) -> None:
    found = drawn(*QRS, rate=rate)
    assert (found.q_mv, found.r_mv, found.s_mv) == pytest.approx((-0.2, 1.0, -0.3), abs=0.03)
    assert (found.q_ms, found.r_ms, found.s_ms) == pytest.approx((20, 40, 30), abs=3)
    assert found.r2_mv is None
    assert found.s2_mv is None
    assert found.qs is False
    # Areas of triangles: -0.2 x 20/2, 1 x 40/2, -0.3 x 30/2.
    assert found.qrs_area_mv_ms == pytest.approx(-2.0 + 20.0 - 4.5, abs=0.2)
    assert found.r_peak_time_ms == pytest.approx(40, abs=2)
    assert found.qrs_notched is False
    assert found.delta_ms is None


def test_rsr_has_a_second_r_and_its_peak_time_is_late() -> None:
    found = drawn((400, 0), (415, 0.3), (425, 0), (440, -0.5), (455, 0), (475, 0.8), (495, 0))
    assert found.q_mv is None
    assert (found.r_mv, found.s_mv, found.r2_mv) == pytest.approx((0.3, -0.5, 0.8), abs=0.02)
    assert found.r2_ms == pytest.approx(40, abs=2)
    assert found.r_peak_time_ms == pytest.approx(75, abs=2)


def test_a_qs_complex_has_neither_r_nor_s() -> None:
    found = drawn((400, 0), (440, -1.2), (490, 0))
    assert found.q_mv == pytest.approx(-1.2)
    assert found.q_ms == pytest.approx(89, abs=3)
    assert (found.r_mv, found.s_mv, found.r_peak_time_ms) == (None, None, None)
    assert found.qs is True


def test_waves_under_20_uv_or_6_ms_are_none() -> None:
    small = drawn((400, 0), (410, -0.018), (420, 0), (440, 1), (460, 0))
    assert small.q_mv is None
    short = drawn((400, 0), (402, -0.1), (404, 0), (440, 1), (460, 0))
    assert short.q_mv is None
    enough = drawn((400, 0), (410, -0.025), (420, 0), (440, 1), (460, 0))
    assert enough.q_mv == pytest.approx(-0.025)


def test_a_notch_is_a_dip_between_two_peaks() -> None:
    notched = drawn((400, 0), (430, 1.0), (445, 0.8), (460, 1.1), (490, 0))
    assert notched.qrs_notched is True
    assert notched.r_peak_time_ms == pytest.approx(60, abs=2)
    smooth = drawn((400, 0), (430, 1.0), (445, 1.02), (460, 1.1), (490, 0))
    assert smooth.qrs_notched is False


def test_a_delta_wave_is_a_slow_first_part_of_the_upstroke() -> None:
    # 40 ms at 7.5 mV/s to 0.3 mV, then 35 mV/s.
    slurred = drawn((400, 0), (440, 0.3), (460, 1.0), (490, 0))
    assert slurred.delta_ms == pytest.approx(37, abs=5)
    # The same height at one slope.
    assert drawn((400, 0), (450, 1.0), (490, 0)).delta_ms is None
    # Q before R is no slur.
    assert drawn((400, 0), (415, -0.2), (430, 0), (450, 1.0), (490, 0)).delta_ms is None


def test_st_levels_and_their_slope() -> None:
    # From 0.3 mV at J (500 ms) down to 0.1 mV at J + 80 ms.
    found = drawn(*QRS[:-1], (500, 0.3), (580, 0.1), (700, 0.0))
    levels = (found.st_j_mv, found.st_j40_mv, found.st_j60_mv, found.st_j80_mv)
    # Each is a mean over 9 samples; J and J + 80 lie at corners.
    assert levels == pytest.approx((0.29, 0.2, 0.15, 0.1), abs=0.03)
    assert found.st_slope_mv_s == pytest.approx(-2.5, abs=0.4)


def test_t_and_its_second_part() -> None:
    t = {"t_onset": 600.0, "t_offset": 800.0}
    plain = drawn(*QRS, (600, 0), (700, 0.4), (800, 0), **t)
    assert plain.t_mv == pytest.approx(0.4)
    assert plain.t2_mv is None
    assert plain.t_area_mv_ms == pytest.approx(0.4 * 200 / 2, abs=0.5)
    biphasic = drawn(*QRS, (600, 0), (650, 0.2), (700, 0), (750, -0.35), (800, 0), **t)
    assert biphasic.t_mv == pytest.approx(-0.35)
    assert biphasic.t2_mv == pytest.approx(0.2)


P = {"p_onset": 200.0, "p_offset": 320.0}


def test_p_counts_from_the_line_between_its_feet() -> None:
    found = drawn((200, 0.1), (260, 0.25), (320, 0.1), (400, 0.0), *QRS[1:], **P)
    assert found.p_mv == pytest.approx(0.15, abs=0.005)
    assert found.p_ms == pytest.approx(120)
    assert found.p_area_mv_ms == pytest.approx(0.15 * 120 / 2, abs=0.2)
    assert found.p_notched is False
    assert found.p_terminal_mv_ms is None  # II, not V1


def test_two_peaks_of_p_40_ms_apart_are_a_notch() -> None:
    corners = ((200, 0), (230, 0.15), (255, 0.08), (280, 0.15), (320, 0), (400, 0), *QRS[1:])
    assert drawn(*corners, **P).p_notched is True
    near = ((200, 0), (245, 0.15), (255, 0.08), (270, 0.15), (320, 0), (400, 0), *QRS[1:])
    assert drawn(*near, **P).p_notched is False


def test_p_terminal_force_is_depth_times_duration() -> None:
    """0.1 mV deep, 60 ms long: 6 mV ms (Morris 1964; 4 mV ms is the limit of AHA part V)."""
    corners = ((200, 0), (230, 0.08), (260, 0), (290, -0.1), (320, 0), (400, 0), *QRS[1:])
    assert drawn(*corners, lead="V1", **P).p_terminal_mv_ms == pytest.approx(6.0, abs=0.12)
    upright = ((200, 0), (260, 0.1), (320, 0), (400, 0), *QRS[1:])
    assert drawn(*upright, lead="V1", **P).p_terminal_mv_ms is None
    first_down = ((200, 0), (230, -0.1), (260, 0), (290, 0.08), (320, 0), (400, 0), *QRS[1:])
    assert drawn(*first_down, lead="V1", **P).p_terminal_mv_ms is None


@pytest.mark.parametrize("signal", [np.full(1200, np.nan), np.full(1200, 0.4)])
def test_a_missing_or_flat_lead_has_no_measurement(signal: np.ndarray) -> None:
    columns = {"qrs_onset": 400.0, "qrs_offset": 500.0}
    beat = MedianBeat(("I",), signal[None], RATE, 440, columns, np.ones(1), np.zeros(1), 1)
    assert lead_measurements(beat, "I") == LeadMeasurements()
    assert measure_leads(beat, {"I": None}) == {"I": LeadMeasurements()}


def test_without_boundaries_nothing_is_measured() -> None:
    signal = np.sin(np.arange(1200) / 30.0)
    beat = MedianBeat(("I",), signal[None], RATE, 440, {}, np.ones(1), np.zeros(1), 1)
    assert lead_measurements(beat, "I") == LeadMeasurements()


@pytest.mark.parametrize("noise_mv", [0.0, 0.02, 0.1])
def test_all_leads_at_once_are_measured_as_each_alone(noise_mv: float) -> None:
    """Noise makes notches, second peaks and parts that are too short to count."""
    if not native.status().available:
        pytest.skip(f"no compiled kernels: {native.status().reason}")
    median = ecgfoundry.measure(ecgfoundry.sample_path("12-lead")).median
    assert median is not None
    noise = np.random.default_rng(1).normal(0.0, noise_mv, median.values.shape)
    for scale in (1.0, 0.2, -3.0):
        beat = dataclasses.replace(median, values=scale * median.values + noise)
        found = measure_leads(beat, dict.fromkeys(beat.leads, 12.0))
        assert list(found) == list(beat.leads)
        for lead, figures in found.items():
            assert_same(lead_measurements(beat, lead, snr_db=12.0), figures)


def test_a_complex_that_falls_from_its_begin_has_no_slow_upstroke() -> None:
    """Before its one part stand six that are too short for any, each lower than the one before."""
    falling = [(400.0 + k, -0.001 - 1e-4 * k if k % 4 == 3 else 3.0 - 0.1 * k) for k in range(24)]
    found = drawn((399, 0), *falling, *((424.0 + k, 0.6 - 0.05 * k) for k in range(9)), (433, 0))
    assert (found.r_mv, found.delta_ms) == (pytest.approx(0.6), None)


# --- angles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "angle"), [(30, 60, 30), (-170, 150, 40), (180, -180, 0), (-90, 90, 180)]
)
def test_angle_between_axes(first: float, second: float, angle: float) -> None:
    assert angle_between(first, second) == pytest.approx(angle)


def test_the_spatial_angle_is_that_of_the_kors_vectors() -> None:
    """By hand: unit areas in I give (0.38, -0.07, 0.11), in II (-0.07, 0.93, -0.23)."""
    nothing = dict.fromkeys(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), 0.0)
    one, two = nothing | {"I": 1.0}, nothing | {"II": 1.0}
    dot = 0.38 * -0.07 + -0.07 * 0.93 + 0.11 * -0.23
    lengths = math.sqrt(0.38**2 + 0.07**2 + 0.11**2) * math.sqrt(0.07**2 + 0.93**2 + 0.23**2)
    wanted = math.degrees(math.acos(dot / lengths))
    assert wanted == pytest.approx(107.7, abs=0.1)
    assert spatial_angle_degrees(one, two) == pytest.approx(wanted)
    assert spatial_angle_degrees(one, {k: -3 * v for k, v in one.items()}) == pytest.approx(180.0)
    assert math.isnan(spatial_angle_degrees(one, nothing))
    del two["V3"]
    assert math.isnan(spatial_angle_degrees(one, two))
