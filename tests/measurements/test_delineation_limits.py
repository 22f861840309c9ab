"""Wave boundaries of Gaussian waves, whose answer is known, and the limits of what is a wave.

The derivative of a Gaussian of standard deviation s, smoothed by one of w, is that of a Gaussian of
``sqrt(s^2 + w^2)``. It has fallen to the share h of its largest value at u standard deviations from
the peak, where ``u exp(-u^2/2) = h exp(-1/2)`` (the larger root)::

    h   0.07   0.10   0.40   0.42   0.45   0.60
    u   2.907  2.764  2.071  2.040  1.994  1.782

QRS is looked at with w = 8 ms, P with 10 ms, T with 20 ms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ecgfoundry.measurements.boundaries import BOUNDARIES, BeatWaves, LeadWaves
from ecgfoundry.measurements.delineation import delineate
from ecgfoundry.measurements.lead_fusion import fuse_leads

Wave = tuple[float, float, float]
"""When from R and standard deviation, in s; height in mV."""
P: Wave = (-0.160, 0.015, 0.15)
QRS: Wave = (0.0, 0.012, 1.2)
T: Wave = (0.300, 0.040, 0.35)
RATE = 500.0


def recording(
    beats: Sequence[Sequence[Wave]], *, rr: float = 1.0, rate: float = RATE, phases: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal (samples,) and the times of the R peaks in s.

    With phases the R peaks lie at so many places within eight samples.
    """
    number = np.arange(len(beats))
    times = 1.0 + rr * number + (number % phases) * 8 / phases / rate
    time = np.arange(round((1.2 + rr * len(beats)) * rate)) / rate
    x = np.zeros(time.size)
    for peak, waves in zip(times, beats, strict=True):
        for at, width, height in waves:
            x += height * np.exp(-0.5 * ((time - peak - at) / width) ** 2)
    return x, times


def measured(x: np.ndarray, times: np.ndarray, *, rate: float = RATE) -> dict[str, np.ndarray]:
    """Return ms from R (leads, beats) of every boundary."""
    waves = delineate(np.atleast_2d(x), rate, np.rint(times * rate).astype(np.int64))
    return {name: (getattr(waves, name) / rate - times) * 1000.0 for name in BOUNDARIES}


def fourth(*waves: Wave, rr: float = 1.0) -> dict[str, float]:
    """Boundaries of the fourth of eight equal beats, ms from R."""
    found = measured(*recording([waves] * 8, rr=rr))
    return {name: float(values[0, 3]) for name, values in found.items()}


def shown(name: str, *waves: Wave, rr: float = 1.0) -> bool:
    """Whether the wave is found where it was planted, in the last of the given places."""
    value = fourth(*waves, rr=rr)[name]
    return bool(abs(value - 1000 * waves[-1][0]) <= 6)


# --- where a wave begins and ends ----------------------------------------------------------------


def test_boundaries_of_gaussian_waves() -> None:
    """At 499 Hz nothing is averaged; a boundary is a whole sample, on average half of one away."""
    x, times = recording([(P, QRS, T)] * 20, rate=499.0, phases=10)
    found = {name: values[0, :-1].mean() for name, values in measured(x, times, rate=499.0).items()}
    wanted = {
        "p_onset": -160 - 1.994 * 18.03 - 1,  # outwards: the first sample below the share
        "p_peak": -160,
        "p_offset": -160 + 1.782 * 18.03 + 1,
        "qrs_onset": -2.907 * 14.42 + 1,  # inwards: the last sample above the share
        "qrs_offset": 2.764 * 14.42 - 1,
        "t_onset": 300 - 2.071 * 44.72 - 1,
        "t_peak": 300,
        "t_offset": 300 + 2.040 * 44.72 + 1,
    }
    assert found == pytest.approx(wanted, abs=0.9)


@pytest.mark.parametrize("rate", [499.0, 500.0, 999.0, 1000.0, 2000.0])
def test_the_peaks_of_symmetrical_waves_have_no_bias(rate: float) -> None:
    """Averaging 2, 3, 4 or 8 samples moves none by more than half of them, the mean by none."""
    x, times = recording([(P, QRS, T)] * 41, rate=rate, phases=20, rr=0.9)
    found = measured(x, times, rate=rate)
    for name, at in (("p_peak", -160), ("t_peak", 300)):
        errors = found[name][0, :-1] - at
        assert abs(errors.mean()) < 0.35, name
        assert np.abs(errors).max() <= 2.1, name
    # Both ends of QRS have nearly the same share: their middle is the peak.
    middle = (found["qrs_onset"] + found["qrs_offset"])[0, :-1] / 2
    assert middle.mean() == pytest.approx((2.764 - 2.907) / 2 * 14.42, abs=0.5)


@pytest.mark.parametrize(
    ("width_ms", "onset", "offset"), [(20, -62.6, 59.5), (30, -90.3, 85.8), (40, -118.6, 112.8)]
)
def test_the_ends_of_broad_complexes(width_ms: int, onset: float, offset: float) -> None:
    """sqrt(width^2 + 8^2) times 2.907 and 2.764."""
    found = fourth((0.0, width_ms / 1000, 1.2), rr=1.2)
    assert found["qrs_onset"] == pytest.approx(onset, abs=4)
    assert found["qrs_offset"] == pytest.approx(offset, abs=4)


@pytest.mark.parametrize(
    ("width_ms", "onset", "offset"), [(25, -66.3, 65.3), (60, -131.0, 129.0), (100, -211.2, 208.0)]
)
def test_the_ends_of_narrow_and_broad_t_waves(width_ms: int, onset: float, offset: float) -> None:
    """sqrt(width^2 + 20^2) times 2.071 and 2.040."""
    found = fourth(QRS, (0.42, width_ms / 1000, 0.35), rr=1.4)
    assert found["t_onset"] - 420 == pytest.approx(onset, abs=4)
    assert found["t_offset"] - 420 == pytest.approx(offset, abs=4)


@pytest.mark.parametrize(
    ("width_ms", "onset", "offset"), [(12, -31.1, 30.0), (25, -53.7, 51.8), (40, -82.2, 79.2)]
)
def test_the_ends_of_narrow_and_broad_p_waves(width_ms: int, onset: float, offset: float) -> None:
    """sqrt(width^2 + 10^2) times 1.994 and 1.922."""
    found = fourth(QRS, (-0.2, width_ms / 1000, 0.2))
    assert found["p_onset"] + 200 == pytest.approx(onset, abs=4.5)
    assert found["p_offset"] + 200 == pytest.approx(offset, abs=4.5)


def test_a_wave_turned_round_has_the_same_ends() -> None:
    x, times = recording([(P, QRS, T)] * 6)
    found = measured(np.stack([x, -x, 0.3 * x, 0.7 * x + 40.0]), times)
    for name, values in found.items():
        assert np.isfinite(values).all(), name
        np.testing.assert_allclose(values, values[:1].repeat(4, axis=0), atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("distance_ms", "offset"), [(84, 115), (98, 31)])
def test_parts_of_qrs_less_than_28_ms_apart_belong_together(distance_ms: int, offset: int) -> None:
    """Two equal peaks of 8 ms: the slope is below a share for their distance less 64 ms.

    2.764 + 2.907 times 11.31 ms; the end is 31 ms behind the last peak that counts.
    """
    found = fourth((0.0, 0.008, 1.2), (distance_ms / 1000, 0.008, 1.2))
    assert found["qrs_offset"] == pytest.approx(offset, abs=4)
    assert found["qrs_onset"] == pytest.approx(-33, abs=4)


@pytest.mark.parametrize(
    ("width_ms", "onset", "offset"), [(45, -132, 126), (55, None, 153), (70, None, None)]
)
def test_no_complex_begins_140_ms_before_r_or_ends_180_ms_behind(
    width_ms: int, onset: int | None, offset: int | None
) -> None:
    found = fourth((0.0, width_ms / 1000, 1.2), rr=1.6)
    for name, wanted in (("qrs_onset", onset), ("qrs_offset", offset)):
        if wanted is None:
            assert np.isnan(found[name])
        else:
            assert found[name] == pytest.approx(wanted, abs=4)


@pytest.mark.parametrize("noise_mv", [0.005, 0.02, 0.04])
def test_noise_does_not_move_the_ends(noise_mv: float) -> None:
    x, times = recording([(P, QRS, T)] * 30)
    x = x + noise_mv * np.random.default_rng(0).normal(size=x.shape)
    found = {name: np.nanmedian(values) for name, values in measured(x, times).items()}
    wanted = dict(
        zip(BOUNDARIES, (-197, -160, -124, -40, 38, 206, 300, 392), strict=True)  # as without
    )
    assert found == pytest.approx(wanted, abs=5)


# --- what is a wave ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "at", "width", "qrs", "too_low", "enough"),
    [
        # The height that is left above the feet after smoothing by 10 ms: 0.72 of a P of 15 ms,
        # 0.89 of a T of 40 ms. P needs 0.012 mV and 0.008 of QRS, T 0.020 mV and 0.010 of QRS.
        ("p_peak", -0.16, 0.015, 1.2, 0.0150, 0.0180),
        ("p_peak", -0.16, 0.015, 3.0, 0.0300, 0.0365),
        ("t_peak", 0.30, 0.040, 1.2, 0.0210, 0.0240),
        ("t_peak", 0.30, 0.040, 4.0, 0.0420, 0.0475),
    ],
)
def test_the_lowest_p_and_t_wave(
    name: str, at: float, width: float, qrs: float, too_low: float, enough: float
) -> None:
    complex_ = (0.0, 0.012, qrs)
    for sign in (1, -1):
        assert np.isnan(fourth(complex_, (at, width, sign * too_low))[name])
        assert shown(name, complex_, (at, width, sign * enough))


@pytest.mark.parametrize(
    ("name", "at", "rr", "found"),
    [
        # T: 0.64 s, 0.72 of the interval, the interval less 0.2 s; P: 0.36 s, 0.55 of the interval.
        ("t_peak", 0.62, 1.0, True),
        ("t_peak", 0.66, 1.0, False),
        ("t_peak", 0.56, 0.80, True),  # 0.576 s
        ("t_peak", 0.60, 0.80, False),
        ("t_peak", 0.38, 0.60, True),  # 0.40 s
        ("t_peak", 0.42, 0.60, False),
        ("t_peak", 0.28, 0.40, True),  # 0.30 s at least
        ("t_peak", 0.32, 0.40, False),
        ("t_peak", 0.13, 1.0, True),  # not within 50 ms of QRS
        ("t_peak", 0.08, 1.0, False),
        ("p_peak", -0.34, 1.0, True),
        ("p_peak", -0.38, 1.0, False),
        ("p_peak", -0.18, 0.50, True),
        ("p_peak", -0.26, 0.50, False),  # of two beats so close a wave between them is T
        ("p_peak", -0.12, 1.0, True),
        ("p_peak", -0.07, 1.0, False),
    ],
)
def test_where_p_and_t_are_sought(name: str, at: float, rr: float, found: bool) -> None:
    assert shown(name, QRS, (at, 0.015 if name == "p_peak" else 0.02, 0.3), rr=rr) is found


@pytest.mark.parametrize(
    ("elsewhere_ms", "of_ten", "believed"),
    [(50, 3, True), (50, 4, False), (34, 4, False), (26, 4, True), (-34, 4, False), (-26, 4, True)],
)
def test_p_waves_keep_their_distance(elsewhere_ms: int, of_ten: int, believed: bool) -> None:
    """Two thirds of them lie within 30 ms of their usual place, or none is a P wave."""
    other = (P[0] - elsewhere_ms / 1000, *P[1:])
    x, times = recording([(other if k < of_ten else P, QRS, T) for k in range(10)])
    found = measured(x, times)
    for name in ("p_onset", "p_peak", "p_offset"):
        assert np.isfinite(found[name]).sum() == (10 if believed else 0)
    assert np.isfinite(found["t_peak"]).all()


@pytest.mark.parametrize(("beats", "believed"), [(4, True), (5, False)])
def test_five_beats_are_needed_to_doubt_p_waves(beats: int, believed: bool) -> None:
    early = (P[0] - 0.05, *P[1:])
    x, times = recording([(early if k < 2 else P, QRS, T) for k in range(beats)])
    assert np.isfinite(measured(x, times)["p_peak"]).sum() == (beats if believed else 0)


@pytest.mark.parametrize(("lobe", "end"), [(0.42, 394), (0.56, 497)])
def test_a_second_lobe_of_t_belongs_to_it(lobe: float, end: int) -> None:
    """Its far slope counts against the steepest fall between the two: 0.45 of it is enough.

    The end is then that of the second lobe: 420 ms + 2.040 x 36.06 ms.
    """
    for sign in (0.35, -0.35):
        found = fourth(QRS, (0.28, 0.03, sign), (0.42, 0.03, -sign * lobe))
        assert found["t_peak"] == pytest.approx(280, abs=4)
        assert found["t_offset"] == pytest.approx(end, abs=6)


def test_the_leads_together_say_where_a_wave_is() -> None:
    """A larger bump 0.2 s later, in one lead alone, is its T wave only without the others."""
    usual, times = recording([(QRS, (0.25, 0.02, 0.2))] * 8)
    odd, _ = recording([(QRS, (0.25, 0.02, 0.1), (0.42, 0.02, 0.3))] * 8)
    assert measured(odd, times)["t_peak"][0] == pytest.approx(420, abs=3)
    together = measured(np.stack([usual] * 5 + [odd]), times)["t_peak"]
    assert together[:5] == pytest.approx(250, abs=3)
    assert not (np.abs(together[5] - 420) < 60).any()


@pytest.mark.parametrize(
    ("name", "later_ms", "found"),
    [("p_peak", -82, True), ("p_peak", -88, False), ("t_peak", 124, True), ("t_peak", 134, False)],
)
def test_a_lead_may_show_a_wave_a_little_elsewhere(name: str, later_ms: int, found: bool) -> None:
    """The steepest pair of slopes within 40 ms (P) or 60 ms (T), the peak within 50 ms of that."""
    wave = (-0.16, 0.015, 0.15) if name == "p_peak" else (0.3, 0.02, 0.3)
    usual, times = recording([(QRS, wave)] * 8)
    apart, _ = recording([(QRS, (wave[0] + later_ms / 1000, *wave[1:]))] * 8)
    value = measured(np.stack([usual] * 4 + [apart]), times)[name][4, 3]
    assert bool(abs(value - (1000 * wave[0] + later_ms)) < 2.5) is found


# --- leads and samples that are missing ----------------------------------------------------------


def test_a_lead_that_is_half_missing_has_waves_and_one_that_is_more_so_has_none() -> None:
    x, times = recording([(P, QRS, T)] * 10)
    half = x.copy()
    half[: x.size // 2] = np.nan
    more = x.copy()
    more[: x.size // 2 + 2] = np.nan
    found = measured(np.stack([x, half, more]), times)["qrs_onset"]
    late = times * RATE > x.size // 2 + 50
    assert np.isfinite(found[0]).all()
    assert np.isfinite(found[1]).tolist() == late.tolist()
    assert np.isnan(found[2]).all()


def test_a_boundary_within_a_gap_is_missing() -> None:
    x, times = recording([(P, QRS, T)] * 8)
    gap = round((times[3] + 0.25) * RATE)
    x[gap : gap + 20] = np.nan  # 250 to 290 ms behind the fourth R peak, before the peak of T
    found = measured(x, times)
    assert np.isfinite(found["qrs_onset"]).all()
    assert np.isfinite(found["t_offset"]).all()
    x[round((times[3] - 0.045) * RATE) : round((times[3] - 0.030) * RATE)] = np.nan
    assert (
        np.isfinite(measured(x, times)["qrs_onset"][0]).tolist()
        == [True] * 3 + [False] + [True] * 4
    )


@pytest.mark.parametrize(("samples", "found"), [(150, True), (149, False)])
def test_the_shortest_signal_is_0_3_s(samples: int, found: bool) -> None:
    time = np.arange(samples) / RATE
    x = np.exp(-0.5 * ((time - 0.15) / 0.012) ** 2)
    waves = delineate(x[None], RATE, np.array([75]))
    assert np.isfinite(waves.qrs_onset).tolist() == [[found]]
    assert np.isfinite(waves.qrs_offset).tolist() == [[found]]


# --- the leads united ----------------------------------------------------------------------------


def united(values: Sequence[float], name: str, rate: float = 1000.0) -> float:
    """One boundary of one beat from one value of each lead, in samples."""
    column = np.asarray(values, dtype=float)[:, np.newaxis]
    fused = fuse_leads(LeadWaves(**dict.fromkeys(BOUNDARIES, column)), rate)
    assert isinstance(fused, BeatWaves)
    return float(getattr(fused, name)[0])


@pytest.mark.parametrize(
    ("values", "rate", "onset", "offset"),
    [
        # The first or last that five others confirm within 12 ms (onset) or 16 ms (offset) ...
        ((100, 102, 105, 107, 110, 112), 1000.0, 100, 112),
        ((100, 102, 105, 107, 110, 113), 1000.0, 106, 113),  # ... else the median
        ((100, 102, 105, 107, 110, 116), 1000.0, 106, 116),
        ((100, 102, 105, 107, 110, 117), 1000.0, 106, 106),
        ((50, 100, 102, 105, 107, 110, 112, 180), 1000.0, 100, 112),  # the outermost stand alone
        ((50, 50, 50, 50, 50, 102, 105, 107, 110, 112), 1000.0, 76, 76),  # five and five
        ((100, 101, 102, 103, 104, 106), 500.0, 100, 106),  # 6 and 8 samples
        ((100, 101, 102, 103, 104, 107), 500.0, 102.5, 107),
        ((100, 101, 102, 103, 104, 109), 500.0, 102.5, 102.5),
        ((112, 100, 107, 105, 110, 102), 1000.0, 100, 112),  # in any order
        ((100, 102, 105, 107, 110, 112, np.nan, np.nan), 1000.0, 100, 112),
        # Five leads or fewer: the median.
        ((100, 102, 105, 107, 110), 1000.0, 105, 105),
        ((100, 102), 1000.0, 101, 101),
        ((100,), 1000.0, 100, 100),
        # At least half of the leads.
        ((100, 104, np.nan, np.nan), 1000.0, 102, 102),
        ((100, 104, np.nan, np.nan, np.nan), 1000.0, np.nan, np.nan),
        ((100, 101, 102, 104, *[np.nan] * 4), 1000.0, 101.5, 101.5),
        ((100, 101, 102, *[np.nan] * 4), 1000.0, np.nan, np.nan),
        ((np.nan,), 1000.0, np.nan, np.nan),
    ],
)
def test_onset_and_offset_of_all_leads(
    values: Sequence[float], rate: float, onset: float, offset: float
) -> None:
    for wave in ("qrs", "t"):
        assert united(values, f"{wave}_onset", rate) == pytest.approx(onset, nan_ok=True)
        assert united(values, f"{wave}_offset", rate) == pytest.approx(offset, nan_ok=True)


@pytest.mark.parametrize(
    ("values", "onset", "offset"),
    [
        # Six others within 8 ms, else the median.
        ((100, 102, 103, 104, 105, 107, 108), 100, 108),
        ((100, 102, 103, 104, 105, 107, 109), 104, 104),
        ((50, 100, 102, 103, 104, 105, 107, 108, 150), 100, 108),
        ((100, 101, 102, 103, 104, 106), 102.5, 102.5),  # six leads: the median
    ],
)
def test_the_feet_of_p_need_half_of_twelve_leads(
    values: Sequence[float], onset: float, offset: float
) -> None:
    assert united(values, "p_onset") == pytest.approx(onset)
    assert united(values, "p_offset") == pytest.approx(offset)


def test_a_p_wave_is_not_taken_for_a_flat_t_wave_and_t_not_for_p() -> None:
    """86/min with a sharp P and a flat T wave; 120/min with a T wave in reach of the next P."""
    flat = fourth((-0.17, 0.015, 0.15), QRS, (0.27, 0.05, 0.10), rr=0.70)
    assert flat["t_peak"] == pytest.approx(270, abs=6)
    assert flat["p_peak"] == pytest.approx(-170, abs=6)
    close = fourth((-0.13, 0.012, 0.12), QRS, (0.22, 0.03, 0.4), rr=0.50)
    assert close["t_peak"] == pytest.approx(220, abs=6)
    assert close["p_peak"] == pytest.approx(-130, abs=6)


@pytest.mark.parametrize("rate", [50.0, 100.0, 125.0, 250.0])
def test_slow_signals_have_qrs_complexes_of_some_width(rate: float) -> None:
    """A complex of 76 ms (2.907 + 2.764 standard deviations of 14.4 ms, less two samples)."""
    x, times = recording([(P, QRS, T)] * 20, rate=rate, phases=10)
    found = measured(x, times, rate=rate)
    width = np.median(found["qrs_offset"] - found["qrs_onset"])
    assert width == pytest.approx(78, abs=22 if rate < 100 else 12)


@pytest.mark.parametrize(
    ("values", "peak"),
    [
        ((100, 101, 102, 103, 104, 105, 190), 103),  # the median, however many leads
        ((100, 101, 102, 103, 104, 105, 106, 190), 103.5),
        ((100, 101, np.nan, np.nan), 100.5),
        ((100, np.nan, np.nan), np.nan),
    ],
)
def test_the_peak_of_all_leads_is_the_median(values: Sequence[float], peak: float) -> None:
    for name in ("p_peak", "t_peak"):
        assert united(values, name) == pytest.approx(peak, nan_ok=True)


def test_each_beat_is_united_alone() -> None:
    values = np.array([[10.0, 500.0], [11.0, np.nan], [15.0, np.nan]])
    fused = fuse_leads(LeadWaves(**dict.fromkeys(BOUNDARIES, values)), 500.0)
    assert fused.t_peak[0] == 11.0
    assert np.isnan(fused.t_peak[1])
