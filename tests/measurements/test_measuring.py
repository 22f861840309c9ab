"""``ecgfoundry.measure``: constructed ECGs with known answers, and what must be None."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry import Recording, measure
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.global_values import axis_values
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.measurements.values import (
    GLOBAL_VALUES,
    LEAD_VALUES,
    LeadMeasurements,
    Value,
    missing,
)
from ecgfoundry.schemas import schema_problems
from ecgfoundry.synthesis.planted import NORMAL, Planted, paint

RATE = 500.0
INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
P_MV = dict(zip(INDEPENDENT, (0.06, 0.12, 0.05, 0.06, 0.06, 0.06, 0.06, 0.06), strict=True))
QRS_MV = dict(zip(INDEPENDENT, (0.8, 1.0, -0.9, -0.6, 0.3, 1.0, 1.2, 1.0), strict=True))
T_MV = dict(zip(INDEPENDENT, (0.25, 0.30, -0.1, 0.3, 0.4, 0.4, 0.3, 0.25), strict=True))


def constructed(
    *,
    rr_s: float | np.ndarray = 0.8,
    pr_shift_s: float = 0.0,
    t_at_s: float = 0.30,
    p: bool = True,
    leads: tuple[str, ...] = INDEPENDENT,
    rate: float = RATE,
    duration_s: float = 10.0,
    noise_mv: float = 0.004,
) -> Recording:
    """Gaussian waves in every lead: P at -160 ms, QRS of 12 ms, T at 300 ms; and little noise."""
    time = np.arange(round(duration_s * rate)) / rate
    intervals = np.resize(np.atleast_1d(rr_s), int(duration_s / np.min(rr_s)) + 2)
    x = np.zeros((len(leads), time.size))
    waves = [(0.0, 0.012, QRS_MV), (t_at_s, 0.040, T_MV)]
    if p:
        waves.append((-0.160 - pr_shift_s, 0.015, P_MV))
    for beat in 0.5 + np.concatenate([[0.0], np.cumsum(intervals)]):
        for at, width, heights in waves:
            shape = np.exp(-0.5 * ((time - beat - at) / width) ** 2)
            x += np.array([heights[lead] for lead in leads])[:, None] * shape
    x += noise_mv * np.random.default_rng(7).standard_normal(x.shape)
    return Recording(signal=x, sampling_rate=rate, leads=leads)


@pytest.fixture(scope="module")
def usual() -> Measurements:
    return measure(constructed())


# --- values with known answers -------------------------------------------------------------------


def test_intervals_of_gaussian_waves(usual: Measurements) -> None:
    """Boundaries as in test_delineation_limits: P -197 and -127, QRS -41 and +39, T end 393 ms."""
    assert usual.heart_rate_bpm == pytest.approx(75.0, abs=0.3)
    assert usual.p_ms == pytest.approx(70, abs=8)
    assert usual.pr_ms == pytest.approx(156, abs=8)
    assert usual.qrs_ms == pytest.approx(80, abs=8)
    assert usual.qt_ms == pytest.approx(434, abs=12)
    assert usual.jt_ms == pytest.approx(354, abs=12)
    assert usual.p_share_percent == 100.0
    assert usual.atrial_rate_bpm == pytest.approx(75.0, abs=0.5)


@pytest.mark.parametrize("shift_ms", [-30, 40, 80])
def test_a_longer_pr_interval_is_longer_by_as_much(usual: Measurements, shift_ms: int) -> None:
    moved = measure(constructed(pr_shift_s=shift_ms / 1000))
    assert moved.pr_ms is not None
    assert usual.pr_ms is not None
    assert moved.pr_ms - usual.pr_ms == pytest.approx(shift_ms, abs=6)


def test_a_longer_qt_interval_is_longer_by_as_much(usual: Measurements) -> None:
    later = measure(constructed(t_at_s=0.34))
    assert later.qt_ms is not None
    assert usual.qt_ms is not None
    assert later.qt_ms - usual.qt_ms == pytest.approx(40, abs=5)


@pytest.mark.parametrize(
    ("rr_s", "fridericia", "bazett", "framingham", "hodges"),
    [
        # Of a QT of 400 ms: RR 1 s changes nothing; 0.64 s: 400/0.8618, 400/0.8, + 154 x 0.36,
        # + 1.75 x 33.75; 1.25 s: 400/1.0772, 400/1.1180, - 154 x 0.25, - 1.75 x 12.
        (1.0, 400.0, 400.0, 400.0, 400.0),
        (0.64, 464.16, 500.0, 455.44, 459.06),
        (1.25, 371.33, 357.77, 361.50, 379.0),
    ],
)
def test_qt_is_corrected_in_four_ways(
    rr_s: float, fridericia: float, bazett: float, framingham: float, hodges: float
) -> None:
    from ecgfoundry.measurements.global_values import _corrected

    found = _corrected(Value(400.0, "ms"), Value(1000.0 * rr_s, "ms"))
    numbers = [value.value for value in found.values()]
    assert numbers == pytest.approx([fridericia, bazett, framingham, hodges], abs=0.01)
    assert list(found) == ["qtc_ms", "qtc_bazett_ms", "qtc_framingham_ms", "qtc_hodges_ms"]


@pytest.mark.parametrize(
    ("rr_ms", "rate"),
    [(1500.0, None), (1539.0, "39/min"), (400.0, None), (397.0, "151/min")],
)
def test_qt_is_corrected_from_40_to_150_per_minute(rr_ms: float, rate: str | None) -> None:
    from ecgfoundry.measurements.global_values import _corrected

    for value in _corrected(Value(400.0, "ms"), Value(rr_ms, "ms")).values():
        if rate is None:
            assert value.value is not None
        else:
            assert value.value is None
            assert value.reason == f"{rate}: the formulas hold from 40 to 150/min"


def test_axes_are_those_of_the_planted_vectors(usual: Measurements) -> None:
    """atan2((II - I/2) 2/sqrt(3), I): QRS (0.8, 1.0), T (0.25, 0.30), P (0.06, 0.12)."""
    assert usual.qrs_axis_deg == pytest.approx(40.9, abs=2)
    assert usual.t_axis_deg == pytest.approx(38.9, abs=3)
    assert usual.p_axis_deg == pytest.approx(60.0, abs=5)
    assert usual.qrs_t_angle_deg == pytest.approx(2.0, abs=3)


@pytest.mark.parametrize(("noise_mv", "known"), [(0.01, True), (0.2, False)])
def test_a_p_wave_within_the_noise_has_no_axis(noise_mv: float, *, known: bool) -> None:
    """Nine beats, P of 100 ms whose area is 4 mV ms in I and 6 mV ms in aVF: 7.2 mV ms.

    The noise of the area is sqrt(pi / 4 / 9) x 100 ms = 29.5 ms times that of the signal: 0.3 mV ms
    and 5.9 mV ms; of a P wave half as large (3.6 mV ms) the second takes the axis away.
    """
    areas = {"I": 4.0, "aVF": 6.0} if known else {"I": 2.0, "aVF": 3.0}
    beat = MedianBeat(
        leads=("I", "aVF"),
        values=np.zeros((2, 400)),
        sampling_rate=500.0,
        fiducial=200,
        boundaries={"p_onset": 100.0, "p_offset": 150.0},
        likeness=np.ones(9),
        noise_mv=np.array([noise_mv / 2, noise_mv]),
        beats_used=9,
    )
    leads = {lead: LeadMeasurements(p_area_mv_ms=area) for lead, area in areas.items()}
    found = axis_values(beat, leads, calibrated=True)["p_axis_deg"]
    if known:
        # atan2(6 x 2 / sqrt(3), 4)
        assert found.value == pytest.approx(60.0)
    else:
        assert found.value is None
        assert found.reason == "P is within the noise of the median beat"


def test_the_spatial_angle_is_that_of_the_kors_vectors(usual: Measurements) -> None:
    """The matrix of Kors times the planted heights: 41.8 degrees between QRS and T."""
    matrix = np.array(
        [
            [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
            [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
            [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
        ]
    )
    qrs, t = (matrix @ np.array(list(heights.values())) for heights in (QRS_MV, T_MV))
    wanted = math.degrees(math.acos(qrs @ t / np.linalg.norm(qrs) / np.linalg.norm(t)))
    assert usual.qrs_t_angle_spatial_deg == pytest.approx(wanted, abs=4)


def test_amplitudes_are_those_that_were_planted(usual: Measurements) -> None:
    for lead in INDEPENDENT:
        found = usual.leads[lead]
        planted = QRS_MV[lead]
        assert (found.r_mv if planted > 0 else found.q_mv) == pytest.approx(planted, abs=0.04)
        assert found.t_mv == pytest.approx(T_MV[lead], abs=0.03)
        assert found.p_mv == pytest.approx(P_MV[lead], abs=0.025)
        assert found.st_j80_mv == pytest.approx(0.0, abs=0.03)
        assert found.snr_db is not None
        assert found.snr_db > 15
    assert usual.leads["V1"].qs


def test_limb_leads_that_were_not_recorded_are_derived(usual: Measurements) -> None:
    assert set(usual.leads) == {*INDEPENDENT, "III", "aVR", "aVL", "aVF"}
    assert usual.leads["aVF"].r_mv == pytest.approx(1.0 - 0.4, abs=0.04)


def test_beats_carry_their_times(usual: Measurements) -> None:
    beats = usual.beats
    assert beats.time_s == pytest.approx(0.5 + 0.8 * np.arange(len(beats)), abs=0.006)
    assert set(beats.label.tolist()) == {"N"}
    third = beats[3]
    assert third.rr_s == pytest.approx(0.8, abs=0.006)
    assert third.p_s == pytest.approx(third.time_s - 0.197, abs=0.012)
    assert third.qrs_onset_s == pytest.approx(third.time_s - 0.041, abs=0.008)
    assert third.qrs_offset_s == pytest.approx(third.time_s + 0.039, abs=0.008)
    assert third.t_offset_s == pytest.approx(third.time_s + 0.393, abs=0.012)


def test_a_median_beat_has_its_boundaries(usual: Measurements) -> None:
    assert usual.median is not None
    beat = usual.median
    assert beat.lead("II")[beat.fiducial] == pytest.approx(1.0, abs=0.03)
    onset = (beat.boundaries["qrs_onset"] - beat.fiducial) / beat.sampling_rate
    assert onset == pytest.approx(-0.041, abs=0.006)


# --- kinds of recordings -------------------------------------------------------------------------


@pytest.mark.parametrize("leads", [("II",), ("II", "V1"), ("I", "II")])
def test_one_or_two_leads_are_enough_for_intervals(leads: tuple[str, ...]) -> None:
    found = measure(constructed(leads=leads))
    assert found.pr_ms == pytest.approx(156, abs=12)
    assert found.qrs_ms == pytest.approx(80, abs=10)
    assert found.qt_ms == pytest.approx(434, abs=14)
    if leads != ("I", "II"):
        assert found.qrs_axis_deg is None
        assert "limb leads" in str(found.reason("qrs_axis_deg"))
    assert found.qrs_t_angle_spatial_deg is None


def test_a_long_recording_is_measured_in_stretches(usual: Measurements) -> None:
    """Four minutes: every beat once, the same intervals, and no beat lost at a border."""
    long = measure(constructed(leads=("II", "V1"), duration_s=250.0))
    assert len(long.beats) == pytest.approx(312, abs=1)
    assert long.rr_longest_ms == pytest.approx(800, abs=6)
    assert long.rr_shortest_ms == pytest.approx(800, abs=6)
    assert long.pr_ms == pytest.approx(156, abs=12)
    assert long.lf_ms2 is not None
    assert long.median is not None


def test_rr_intervals_do_not_reach_across_gaps() -> None:
    whole = constructed(leads=("II",), duration_s=20.0)
    signal = whole.signal.copy()
    signal[:, 4000:6500] = np.nan
    found = measure(Recording(signal=signal, sampling_rate=RATE, leads=("II",)))
    assert found.rr_longest_ms == pytest.approx(800, abs=6)
    assert int(np.isnan(found.beats.rr_s).sum()) == 2  # the first beat, and the one after the gap


@pytest.mark.parametrize("gap_ms", [60, 120, 250, 500])
def test_a_beat_that_a_short_gap_hides_is_no_pause(fixtures: Path, gap_ms: int) -> None:
    """0.2 s without samples over one beat made 57 per minute 50, and a Mobitz II block of it."""
    whole = ecgfoundry.read(fixtures / "cinc2021" / "E07500.hea")
    time = np.arange(whole.samples) / whole.sampling_rate

    def without(middle_s: float) -> Recording:
        hidden = np.abs(time - middle_s) < gap_ms / 2000
        return replace(whole, signal=np.where(hidden, np.nan, whole.signal))

    found = measure(without(4.03))  # over the fourth QRS complex
    assert len(found.beats) == 8
    assert found.heart_rate_bpm == pytest.approx(57.2, abs=1.0)
    assert found.rr_longest_ms == pytest.approx(1052, abs=10)
    assert np.flatnonzero(np.isnan(found.beats.rr_s)).tolist() == [0, 3]
    # Between two beats a short one hides none, and every interval counts.
    beside = measure(without(4.55))
    assert len(beside.beats) == 9
    assert int(np.isnan(beside.beats.rr_s).sum()) == (1 if gap_ms <= 300 else 2)


@pytest.mark.parametrize(("begin_s", "value"), [(4.0, 0.0), (3.6, 0.0), (4.0, 0.3)])
def test_two_seconds_of_one_value_in_all_leads_are_no_pause(
    fixtures: Path, begin_s: float, value: float
) -> None:
    """Lost data that were written as zeros, or as the last value, were a sinus pause."""
    whole = ecgfoundry.read(fixtures / "cinc2021" / "E07500.hea")
    first = round(begin_s * whole.sampling_rate)
    signal = whole.signal.copy()
    signal[:, first : first + 1000] = value
    found = measure(replace(whole, signal=signal))
    assert found.heart_rate_bpm == pytest.approx(57.2, abs=1.0)
    assert found.rr_longest_ms == pytest.approx(1052, abs=10)


def test_a_pause_in_a_signal_without_noise_is_a_pause() -> None:
    """Between its waves it has one value as well."""
    onsets = [0.5, 1.3, 2.1, 2.9, 5.3, 6.1, 6.9, 7.7, 8.5]
    made = paint(Planted([(t, NORMAL) for t in onsets], noise_mv=0.0))
    assert measure(made).rr_longest_ms == pytest.approx(2400, abs=8)


def test_a_calibration_pulse_is_no_beat(fixtures: Path) -> None:
    """Philips ends a recording with a pulse of 1 mV for 200 ms in all leads; it states 41/min."""
    found = measure(fixtures / "philips" / "129DYPRG.xml")
    assert len(found.beats) == 7
    assert found.heart_rate_bpm == pytest.approx(41, abs=0.6)


def test_without_p_waves_and_with_irregular_beats_qt_is_a_mean() -> None:
    rr = np.array([0.62, 0.95, 0.74, 0.55, 0.88, 0.70, 1.02, 0.66])
    found = measure(constructed(rr_s=rr, p=False))
    assert found.p_ms is None
    assert found.pr_ms is None
    assert found.p_axis_deg is None
    assert found.values["qt_ms"].method.startswith("mean over")
    assert found.qt_ms == pytest.approx(434, abs=20)


def test_leads_that_were_scaled_one_by_one_have_no_axes() -> None:
    plain = constructed().with_derived_leads()
    scaled = plain.signal / np.ptp(plain.signal, axis=1, keepdims=True)
    found = measure(Recording(signal=scaled, sampling_rate=RATE, leads=plain.leads))
    assert found.calibrated is False
    assert found.qrs_axis_deg is None
    assert "scaled by itself" in str(found.reason("qrs_axis_deg"))
    assert "amplitudes-not-mv" in {notice.code for notice in found.notices}
    assert found.qrs_ms == pytest.approx(80, abs=8)


def test_limb_leads_that_disagree_have_no_axes() -> None:
    plain = constructed().with_derived_leads()
    signal = plain.signal.copy()
    signal[plain.leads.index("III")] *= -2.0
    found = measure(Recording(signal=signal, sampling_rate=RATE, leads=plain.leads))
    assert found.qrs_axis_deg is None
    assert "III" in str(found.reason("qrs_axis_deg"))


# --- None, never 0 -------------------------------------------------------------------------------


def not_zero(found: Measurements) -> None:
    """Every value is None with a reason, or a number that no missing value could be taken for."""
    may_be_zero = {
        "sdnn_ms",
        "rmssd_ms",
        "pnn50_percent",
        "p_share_percent",
        "rr_variation_percent",
        "nn_share_percent",
    }
    assert list(found.values) == list(GLOBAL_VALUES)
    for name, value in found.values.items():
        assert (value.value is None) == (value.reason is not None), name
        if value.value is not None and name not in may_be_zero:
            assert value.value != 0.0, name


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("leads", [("II",), ("I", "II", "V1")])
def test_noise_has_no_measurement(seed: int, leads: tuple[str, ...]) -> None:
    noise = np.random.default_rng(seed).standard_normal((len(leads), 5000))
    found = measure(Recording(signal=0.3 * noise, sampling_rate=RATE, leads=leads))
    assert len(found.beats) == 0
    assert all(value.value is None for value in found.values.values())
    not_zero(found)


@pytest.mark.parametrize(
    ("signal", "code"),
    [
        (np.zeros((1, 5000)), "flat"),
        (np.full((1, 5000), np.nan), "missing"),
        (np.zeros((1, 0)), "missing"),
        (np.ones((1, 500)), "too-short"),
    ],
)
def test_what_is_no_ecg_is_refused_with_the_reason(signal: np.ndarray, code: str) -> None:
    found = measure(Recording(signal=signal, sampling_rate=RATE, leads=("II",)))
    assert not found.readable
    assert found.refused is not None
    assert found.refused.code == code
    assert len(found.beats) == 0
    assert found.median is None
    assert found.heart_rate_bpm is None
    not_zero(found)


def test_every_shipped_file_has_values_or_reasons(fixtures: Path) -> None:
    for name in ("cinc2021/JS20000.hea", "philips/129DYPRG.xml", "dicom/waveform_ecg.dcm"):
        found = measure(fixtures / name)
        assert found.readable
        not_zero(found)
        assert not schema_problems("measurements", json.loads(json.dumps(found.to_dict())))


def test_a_paced_record_of_ludb_is_near_its_annotations(fixtures: Path) -> None:
    """Record 8: AF with unipolar ventricular pacing; medians of the leads' annotations, in ms."""
    found = measure(fixtures / "ludb" / "8.hea")
    assert found.qrs_ms == pytest.approx(134, abs=25)
    assert found.p_ms is None
    assert len(found.pacing) >= 8
    assert found.calibrated is False  # every lead of LUDB is scaled to 1 mV from peak to peak
    assert found.qrs_axis_deg is None


@pytest.mark.parametrize(
    ("case", "value", "wanted", "tolerance"),
    [
        # T ends before P, whose onset is 143 ms before QRS; 244 would be RR less the T wave.
        ("pr-at-120-per-minute", "pr_ms", 143, 25),
        # A complex of about 80 ms is four samples long at 50 Hz.
        ("qrs-zero-at-50-hz", "qrs_ms", 80, 30),
    ],
)
def test_cases_that_failed(
    fixtures: Path, case: str, value: str, wanted: float, tolerance: float
) -> None:
    found = measure(fixtures / "cases" / f"{case}.npz")
    assert getattr(found, value) == pytest.approx(wanted, abs=tolerance)


# --- the types -----------------------------------------------------------------------------------


def test_a_value_is_a_number_or_has_a_reason() -> None:
    assert missing("ms", "no P wave").value is None
    for value, reason in ((None, None), (3.0, "why"), (math.nan, None), (math.inf, None)):
        with pytest.raises(ValueError, match="value"):
            Value(value, "ms", reason=reason)


def test_beats_are_a_sequence_that_can_be_sliced() -> None:
    beats = Beats.from_samples([100, 350, 600, 900], 250.0, label=list("NVNS"))
    assert len(beats) == 4
    assert beats.time_s.tolist() == [0.4, 1.4, 2.4, 3.6]
    assert [beat.label for beat in beats] == ["N", "V", "N", "S"]
    assert beats[-1].time_s == 3.6
    assert beats[-1].template is None
    later = beats[1:3]
    assert isinstance(later, Beats)
    assert later.label.tolist() == ["V", "N"]
    assert later[0].rr_s == pytest.approx(1.0)
    assert beats[0].rr_s is None


def test_the_table_has_a_row_for_every_value(usual: Measurements) -> None:
    pytest.importorskip("polars")
    frame = usual.to_frame()
    assert frame.columns == ["name", "lead", "value", "unit", "method", "reason"]
    assert frame.height == len(GLOBAL_VALUES) + len(LEAD_VALUES) * 12
    rows = {(row[0], row[1]): row[2] for row in frame.rows()}
    assert rows["qrs_ms", None] == usual.qrs_ms
    assert rows["r_mv", "V5"] == usual.leads["V5"].r_mv
    assert frame.filter(frame["value"].is_null() != frame["reason"].is_not_null()).height == 0


def test_tables_of_names_fit_the_classes() -> None:
    assert [part.name for part in fields(LeadMeasurements)] == list(LEAD_VALUES)
    assert all(hasattr(Measurements, name) for name in GLOBAL_VALUES)


def test_it_is_part_of_the_public_face() -> None:
    assert ecgfoundry.measure is measure
    assert ecgfoundry.Measurements is Measurements


@pytest.mark.parametrize(("iii_times", "told"), [(1.0, True), (3.0, False)])
def test_a_moving_baseline_takes_no_axis_away_but_a_rescaled_lead_does(
    iii_times: float, told: bool
) -> None:
    """Eight beats whose baseline moves by 0.4 mV, in I and II at different rates."""
    still = paint(Planted([(0.5 + 1.2 * k, NORMAL) for k in range(8)]))
    t = np.arange(still.samples) / still.sampling_rate
    rows = dict(zip(still.leads, still.signal.astype(float), strict=True))
    rows["I"] += 0.4 * np.sin(2 * np.pi * 0.37 * t)
    rows["II"] += 0.4 * np.cos(2 * np.pi * 0.23 * t)
    rows["III"] = iii_times * (rows["II"] - rows["I"])
    rows |= {"aVR": -(rows["I"] + rows["II"]) / 2, "aVL": rows["I"] - rows["II"] / 2}
    rows["aVF"] = rows["II"] - rows["I"] / 2
    moving = replace(still, signal=np.stack([rows[lead] for lead in still.leads]))
    value = measure(moving).values["qrs_axis_deg"]
    if told:
        # Planted at about 55 degrees; the median beat takes most of the movement out.
        assert value.value == pytest.approx(55.0, abs=8.0)
    else:
        assert value.reason == "III is not what I and II make of it: misnamed or rescaled leads"


def test_amplitudes_of_a_wrong_unit_are_no_amplitudes() -> None:
    """Microvolts that are stated as millivolts: no voltage of them means anything."""
    plain = constructed()
    found = measure(replace(plain, signal=plain.signal * np.float32(1000)))
    assert measure(plain).calibrated is True
    assert found.calibrated is False
    assert "unit" in next(n.message for n in found.notices if n.code == "amplitudes-not-mv")
    assert found.qrs_ms == measure(plain).qrs_ms
