"""The rules by which a peak is a beat, each from both sides of its limit.

Complexes are narrow Gaussians at a sampling rate that needs no averaging, so that the slope of one
is to that of another as their heights are. Pan & Tompkins: IEEE Trans Biomed Eng 32:230 (1985).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.measurements.beats import fill_gaps, find_beats, heart_rate_bpm, readable_rows

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
RATE = 250.0
REGULAR = tuple(0.6 + second for second in range(13))
"""Thirteen beats, one a second."""
Event = tuple[float, float]
"""When, in s, and how high."""


def complexes(
    events: Iterable[Event], *, rate: float = RATE, duration: float = 14.0, width: float = 0.018
) -> np.ndarray:
    time = np.arange(round(duration * rate)) / rate
    return sum(height * np.exp(-(((time - at) / width) ** 2)) for at, height in events)


def beats_s(events: Iterable[Event], **options: float) -> np.ndarray:
    rate = options.get("rate", RATE)
    return find_beats(complexes(events, **options), rate) / rate


def shown(found: np.ndarray, times: Sequence[float]) -> int:
    """How many of the times have a beat within 30 ms."""
    return sum(bool(np.any(np.abs(found - time) < 0.03)) for time in times)


def with_each(times: Iterable[float], distance: float, height: float) -> list[Event]:
    return [event for time in times for event in ((time, 1.0), (time + distance, height))]


def with_pause(pause: float, *low: Event) -> list[Event]:
    """Six beats a second apart, a pause (s), six more; low complexes at times from its begin."""
    times = [*REGULAR[:6], *(REGULAR[5] + pause + second for second in range(6))]
    return [(time, 1.0) for time in times] + [(REGULAR[5] + at, height) for at, height in low]


# --- two peaks near one another ------------------------------------------------------------------


@pytest.mark.parametrize(("distance", "beats"), [(0.17, 13), (0.18, 13), (0.22, 26), (0.24, 26)])
def test_a_second_beat_comes_200_ms_later_at_the_soonest(distance: float, beats: int) -> None:
    """The refractory period of Pan & Tompkins."""
    assert beats_s(with_each(REGULAR, distance, 1.0)).size == beats


@pytest.mark.parametrize(
    ("distance", "slope", "seconds"),
    [(0.34, 0.45, 0), (0.34, 0.55, 13), (0.38, 0.45, 13), (0.25, 0.45, 0), (0.25, 0.55, 13)],
)
def test_a_t_wave_is_nearer_than_360_ms_with_less_than_half_the_slope(
    distance: float, slope: float, seconds: int
) -> None:
    """The T wave rule of Pan & Tompkins."""
    found = beats_s(with_each(REGULAR, distance, slope))
    assert shown(found, REGULAR) == 13
    assert shown(found, [time + distance for time in REGULAR]) == seconds
    assert found.size == 13 + seconds


def test_a_t_wave_is_measured_against_the_beat_before_it_not_against_another_t_wave() -> None:
    events = [
        event
        for time in REGULAR
        for event in ((time, 1.0), (time + 0.22, 0.45), (time + 0.33, 0.47))
    ]
    assert beats_s(events).size == 13


def test_a_t_wave_is_measured_against_its_own_beat() -> None:
    """0.8 is less than half of the 2.0 of a tall beat, though not of the usual 1.0."""
    events = [(time, 2.0 if time == REGULAR[6] else 1.0) for time in REGULAR]
    assert beats_s([*events, (REGULAR[6] + 0.3, 0.8)]).size == 13
    assert beats_s([*events, (REGULAR[6] + 0.3, 1.2)]).size == 14


# --- how high a beat stands ----------------------------------------------------------------------


@pytest.mark.parametrize(("height", "low"), [(0.30, 0), (0.34, 13)])
def test_a_beat_has_a_third_of_the_usual_slope(height: float, low: int) -> None:
    """0.32 of the level, our choice."""
    found = beats_s(with_each(REGULAR, 0.5, height))
    assert (shown(found, REGULAR), found.size) == (13, 13 + low)


@pytest.mark.parametrize(("height", "kept"), [(0.47, 0), (0.53, 1)])
def test_a_single_extra_peak_needs_half_the_slope(height: float, kept: int) -> None:
    """Between two beats of a regular row: 0.5 of the level, our choice."""
    found = beats_s([*((time, 1.0) for time in REGULAR), (REGULAR[6] + 0.5, height)])
    assert (shown(found, REGULAR), found.size) == (13, 13 + kept)


@pytest.mark.parametrize(("interval", "kept"), [(1.32, 0), (1.38, 1)])
def test_a_low_peak_in_a_long_interval_is_a_beat(interval: float, kept: int) -> None:
    """1.35 of the usual interval, our choice."""
    found = beats_s(with_pause(interval, (interval / 2, 0.45)))
    assert found.size == 12 + kept


@pytest.mark.parametrize(("low_of", "kept"), [((0, 1), True), ((0,), False), ((0, 2, 4), False)])
def test_low_peaks_that_are_the_rule_are_beats(low_of: tuple[int, ...], kept: bool) -> None:
    """In 0.6 of the seventeen intervals around, our choice.

    Here in two and in one of three, in 11 or 12 and in 5 or 6 of seventeen; and in every second
    one, in 8 or 9 of them.
    """
    times = [0.6 + 1.2 * number for number in range(31)]
    period = 6 if len(low_of) == 3 else 3
    low = [time + 0.6 for number, time in enumerate(times[:-1]) if number % period in low_of]
    events = [(time, 1.0) for time in times] + [(time, 0.45) for time in low]
    found = beats_s(events, duration=38.4)
    assert shown(found, times) == 31
    middle = [time for time in low if 12 < time < 26]  # nine intervals to either end
    assert shown(found, middle) == (len(middle) if kept else 0)


@pytest.mark.parametrize(("tall", "kept"), [(3, 1), (4, 0)])
def test_a_row_has_four_beats(tall: int, kept: int) -> None:
    """Between fewer there is no rule, and a low peak stays."""
    times = [1.0 + number for number in range(tall)]
    events = [*((time, 1.0) for time in times), (times[1] + 0.5, 0.45)]
    assert beats_s(events, duration=tall + 1.5).size == tall + kept


@pytest.mark.parametrize("missing", [(), (4, 10, 16, 22)])
def test_bigeminy_with_low_beats_is_kept_whole(missing: tuple[int, ...]) -> None:
    times = [0.6 + 1.2 * number for number in range(31)]
    low = [time + 0.6 for number, time in enumerate(times[:-1]) if number not in missing]
    found = beats_s([(t, 1.0) for t in times] + [(t, 0.45) for t in low], duration=38.4)
    assert found.size == 31 + len(low)


# --- long pauses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("pause", "found"), [(1.60, 0), (1.64, 0), (1.69, 1), (1.75, 1)])
def test_a_closer_look_after_a_pause_of_1_66_usual_intervals(pause: float, found: int) -> None:
    """Pan & Tompkins; the lower beat has a quarter of the usual slope."""
    assert beats_s(with_pause(pause, (pause / 2, 0.25))).size == 12 + found


@pytest.mark.parametrize(("height", "found"), [(0.15, 0), (0.17, 1)])
def test_in_a_pause_half_the_threshold_is_enough(height: float, found: int) -> None:
    """0.16 of the level: half of 0.32, as Pan & Tompkins halve theirs."""
    assert beats_s(with_pause(2.2, (1.1, height))).size == 12 + found


@pytest.mark.parametrize(("at", "found"), [(0.34, 0), (0.38, 1), (2.2 - 0.22, 1), (2.2 - 0.18, 0)])
def test_in_a_pause_neither_a_t_wave_nor_the_next_complex_is_taken(at: float, found: int) -> None:
    """360 ms behind the beat before, 200 ms before the next one."""
    assert beats_s(with_pause(2.2, (at, 0.25))).size == 12 + found


def test_a_long_pause_is_searched_until_nothing_is_left() -> None:
    found = beats_s(with_pause(4.0, (1.0, 0.28), (2.0, 0.25), (3.0, 0.22)), duration=16.0)
    assert found.size == 15
    # The tallest comes first; what is left before the end is then too short to be looked at.
    for last in (0.9, 1.7):
        found = beats_s(with_pause(2.5, (0.9, 0.28 if last > 1 else 0.2), (last, 0.2)))
        assert found.size == 13
        assert shown(found, [REGULAR[5] + 0.9]) == 1


def test_the_pause_is_long_for_its_surroundings_not_for_the_whole() -> None:
    """A second without a beat is a pause at 120 beats per minute and none at 60."""
    fast = [0.5 + 0.5 * number for number in range(20)]
    slow = [11.0 + number for number in range(10)]
    lost = fast.pop(10)
    events = [(time, 1.0) for time in (*fast, *slow)]
    low = [(lost, 0.25), *((time + 0.5, 0.25) for time in slow[3:])]
    found = beats_s(events + low, duration=21.0)
    assert found.size == 30
    assert shown(found, [lost]) == 1


# --- the level follows the signal ----------------------------------------------------------------


@pytest.mark.parametrize(("first", "then"), [(1.0, 0.2), (0.2, 1.0)])
def test_a_change_of_amplitude_loses_no_beat_and_makes_none(first: float, then: float) -> None:
    """Every beat has a notch of a quarter of its slope, half an interval later."""
    times = [0.5 + 0.9 * number for number in range(44)]
    events = [(time, first if time < 20 else then) for time in times]
    notches = [(time + 0.45, height / 4) for time, height in events if abs(time - 20) > 4]
    found = beats_s(events + notches, duration=40.0)
    assert shown(found, times) == 44
    assert found.size == 44


def test_an_artefact_of_three_seconds_moves_no_level() -> None:
    times = [0.5 + 0.9 * number for number in range(32)]
    events = [(time, 12.0 if 13 < time < 16 else 1.0) for time in times]
    assert beats_s(events, duration=29.5).size == 32


@pytest.mark.parametrize("bpm", [30, 45, 60, 100, 150, 180, 200])
def test_every_heart_rate(bpm: int) -> None:
    times = np.arange(0.5, 19.5, 60.0 / bpm)
    found = beats_s([(time, 1.0) for time in times], duration=20.0)
    assert found.size == times.size
    assert np.abs(found - times).max() <= 0.5 / RATE + 1e-9
    assert heart_rate_bpm(np.rint(found * RATE).astype(np.int64), RATE) == pytest.approx(
        bpm, rel=0.01
    )


# --- beats that do not stand out: too fast or too broad ------------------------------------------


def broad(bpm: float, qrs_s: float, *, t_wave: float, rate: float = RATE) -> tuple:
    """A tachycardia of broad complexes, T waves the other way; the signal and when it beats."""
    times = np.arange(0.4, 9.85, 60.0 / bpm)
    width = qrs_s / 5 * np.sqrt(2.0)
    after = qrs_s / 2 + min(0.15, 15.0 / bpm)
    x = complexes([(time, 1.0) for time in times], duration=10.0, width=width, rate=rate)
    x += complexes(
        [(t - 0.24 * qrs_s, 0.35) for t in times], duration=10.0, width=width / 2, rate=rate
    )
    x += complexes([(t + after, -t_wave) for t in times], duration=10.0, width=0.08, rate=rate)
    return x, times


@pytest.mark.parametrize("bpm", [220, 240, 260, 280, 300])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_fastest_heart_rates(bpm: int, noise: float) -> None:
    times = np.arange(0.5, 19.5, 60.0 / bpm)
    x = complexes([(time, 1.0) for time in times], duration=20.0)
    found = find_beats(x + noise * np.random.default_rng(2).normal(size=x.size), RATE) / RATE
    assert found.size == times.size
    assert np.abs(found - times).max() <= 0.012


def test_a_regular_rhythm_of_225_per_minute() -> None:
    recording = ecgfoundry.read(FIXTURES / "beats" / "narrow-225-per-minute.npz")
    found = find_beats(recording.signal, recording.sampling_rate) / recording.sampling_rate
    assert found.size == 35
    assert np.abs(found - (0.5 + 60 / 225 * np.arange(35))).max() < 0.01


@pytest.mark.parametrize("t_wave", [0.0, 0.3])
@pytest.mark.parametrize(
    ("bpm", "qrs_s"),
    [(160, 0.12), (160, 0.16), (160, 0.24), (180, 0.20), (200, 0.16), (200, 0.24), (220, 0.20),
     (250, 0.12), (250, 0.16)],
)  # fmt: skip
def test_tachycardia_of_broad_complexes(bpm: int, qrs_s: float, t_wave: float) -> None:
    x, times = broad(bpm, qrs_s, t_wave=t_wave)
    found = find_beats(x, RATE) / RATE
    assert found.size == times.size
    assert np.abs(found - times).max() <= 0.04  # the notch stands 0.24 of the QRS complex before R


@pytest.mark.parametrize("hertz", [2.5, 3.3, 4.0, 4.9, 6.0, 8.0, 10.0, 15.0])
def test_a_sine_wave_has_no_beats(hertz: float) -> None:
    time = np.arange(2500) / RATE
    assert find_beats(np.sin(2 * np.pi * hertz * time), RATE).size == 0


# --- pauses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause", [3.0, 4.0, 5.0, 6.0])
@pytest.mark.parametrize("before", [2, 5])
def test_nothing_is_found_in_a_pause(pause: float, before: int) -> None:
    """P waves go on, a tenth as steep as the beats; noise at 28 dB below their height."""
    times = [0.4 + 0.8 * number for number in range(before)]
    start = times[-1] + pause
    times += [start + 0.8 * number for number in range(4)]
    x = complexes([(time, 1.0) for time in times], duration=14.0)[: round(RATE * (times[-1] + 0.5))]
    p_waves = complexes([(0.1 + 0.7 * k, 0.12) for k in range(20)], width=0.03, duration=14.0)
    x = x + p_waves[: x.size] + 0.04 * np.random.default_rng(3).normal(size=x.size)
    found = find_beats(x, RATE) / RATE
    assert found.size == len(times)
    assert np.abs(found - times).max() < 0.02


@pytest.mark.parametrize("bpm", [20, 25, 30])
def test_the_slowest_heart_rates(bpm: int) -> None:
    times = np.arange(0.7, 9.8, 60.0 / bpm)
    x = complexes([(time, 1.0) for time in times], duration=10.0)
    x += 0.05 * np.random.default_rng(4).normal(size=x.size)
    assert find_beats(x, RATE).size == times.size


# --- which rows, how long, where missing ---------------------------------------------------------


def test_readable_rows_are_half_there_and_not_constant() -> None:
    x = np.arange(40.0).reshape(4, 10)
    x[0, :5] = np.nan  # exactly half
    x[1, :6] = np.nan
    x[2] = 7.0
    x[3, 3] = np.inf  # an infinity is a missing sample
    rows = readable_rows(x)
    assert rows.tolist() == [0, 3]
    assert rows.dtype == np.int64
    assert readable_rows(np.zeros((3, 0))).tolist() == []


def test_the_shortest_signal_is_one_second() -> None:
    x = complexes([(0.5, 1.0)], duration=1.0)
    assert find_beats(x, RATE).tolist() == [125]
    assert find_beats(x[:-1], RATE).size == 0


def test_the_lowest_sampling_rate_is_25_hz() -> None:
    times = np.arange(0.6, 9.6, 0.8)
    x = complexes([(time, 1.0) for time in times], rate=25.0, duration=10.0, width=0.05)
    assert find_beats(x, 25.0).tolist() == np.rint(times * 25).astype(int).tolist()
    assert find_beats(x, 24.9).size == 0


@pytest.mark.parametrize("rate", [125.0, 250.0, 359.0, 360.0, 500.0, 720.0, 1000.0])
def test_the_r_peak_is_the_sample_of_the_largest_deflection(rate: float) -> None:
    """Complexes at every phase of the averaging that comes before the detection."""
    places = np.round(np.arange(0.6, 9.4, 0.83) * rate) + np.arange(11) % 8
    x = complexes([(place / rate, 1.0) for place in places], rate=rate, duration=10.0)
    assert find_beats(x, rate).tolist() == places.tolist()


@pytest.mark.parametrize("rate", [250.0, 500.0, 1000.0])
def test_the_deepest_deflection_counts_in_squares_over_the_leads(rate: float) -> None:
    places = np.round(np.arange(0.6, 9.4, 0.83) * rate)
    later = round(0.04 * rate)
    x = complexes([(place / rate, 1.0) for place in places], rate=rate, duration=10.0)
    s = complexes([((place + later) / rate, -1.5) for place in places], rate=rate, duration=10.0)
    assert (find_beats(x + s, rate) - places).tolist() == [later] * 11
    # A low lead with R alone: each lead is scaled to its own beats, so that 1 + 1/2.25 beats 1.
    assert (find_beats(np.stack([x + s, 0.1 * x]), rate) - places).tolist() == [0] * 11


def test_each_lead_is_scaled_to_its_own_beats() -> None:
    """Three leads against one whose peak comes 16 ms later, in another unit."""
    places = np.round(np.arange(0.6, 9.4, 0.83) * 500)
    x = complexes([(place / 500, 1.0) for place in places], rate=500.0, duration=10.0)
    later = complexes([((place + 8) / 500, 1e4) for place in places], rate=500.0, duration=10.0)
    found = find_beats(np.stack([x, -0.01 * x, 5.0 * x, later]), 500.0)
    assert np.abs(found - places).max() <= 3


@pytest.mark.parametrize("noisy", [1, 4])
def test_leads_of_noise_are_outvoted_by_one_of_beats(noisy: int) -> None:
    times = np.arange(0.6, 13.6, 0.8)
    x = complexes([(time, 1.0) for time in times])
    noise = np.random.default_rng(5).normal(size=(noisy, x.size))
    found = find_beats(np.concatenate([noise, x[None]]), RATE) / RATE
    assert found.size == times.size
    assert np.abs(found - times).max() < 0.1  # the noise moves them, within 80 ms


def test_a_lead_of_steep_t_waves_adds_none_and_moves_none() -> None:
    """A lead whose T waves are as steep as its beats joins one of beats alone."""
    times = np.arange(0.6, 13.2, 0.8)
    noise = 0.02 * np.random.default_rng(6).normal(size=(2, round(14.0 * RATE)))
    clean = complexes([(time, 1.0) for time in times]) + noise[0]
    other = complexes([(time + 0.04, 0.4) for time in times]) + noise[1]
    other += complexes([(time + 0.3, 0.4) for time in times])
    assert find_beats(other, RATE).size == 2 * times.size
    found = find_beats(np.stack([clean, other]), RATE) / RATE
    assert found.size == times.size
    assert np.abs(found - times).max() < 0.01


def test_each_lead_decides_where_it_shows_the_beats() -> None:
    """Noise as high as the beats in the first half of one lead and in the second of the other."""
    times = np.arange(0.6, 39.5, 0.8)
    x = np.stack([complexes([(time, 1.0) for time in times], duration=40.0)] * 2)
    noise = 0.5 * np.random.default_rng(7).normal(size=(2, x.shape[1] // 2))
    x[0, : x.shape[1] // 2] += noise[0]
    x[1, x.shape[1] // 2 :] += noise[1]
    assert find_beats(x[0], RATE).size != times.size
    assert find_beats(x[1], RATE).size != times.size
    found = find_beats(x, RATE) / RATE
    assert found.size == times.size
    assert shown(found, times) == times.size


def test_a_beat_in_a_gap_of_one_lead_stays_and_in_a_gap_of_all_goes() -> None:
    x = np.stack([complexes([(time, 1.0) for time in REGULAR])] * 2)
    gap = slice(round(6.4 * RATE), round(6.8 * RATE))  # around the beat at 6.6 s
    x[0, gap] = np.nan
    assert find_beats(x, RATE).size == 13
    x[1, gap] = np.nan
    found = find_beats(x, RATE) / RATE
    assert shown(found, REGULAR) == 12
    assert shown(found, [6.6]) == 0


def test_gaps_of_every_shape_are_bridged() -> None:
    x = np.array([[[0.0, np.nan, 4.0], [np.nan, -np.inf, 5.0]]])
    filled = fill_gaps(x)
    assert filled.tolist() == [[[0.0, 2.0, 4.0], [5.0, 5.0, 5.0]]]
    assert filled.dtype == np.float64
    assert np.isnan(x[0, 0, 1])  # the argument is not written to


@pytest.mark.parametrize(
    ("beats", "rate", "bpm"),
    [
        ([0, 200, 400, 900], 250.0, 75.0),  # the median interval is 0.8 s, the mean one 1.2 s
        ([0, 500], 500.0, 60.0),
        ([10, 310, 710], 500.0, 60 / 0.7),  # between two: their mean
    ],
)
def test_heart_rate_is_60_over_the_median_interval(beats: list, rate: float, bpm: float) -> None:
    assert heart_rate_bpm(np.array(beats), rate) == pytest.approx(bpm, rel=1e-12)


def test_one_beat_has_no_rate() -> None:
    assert np.isnan(heart_rate_bpm(np.array([], dtype=np.int64), 250.0))
    assert np.isnan(heart_rate_bpm(np.array([7]), 250.0))


@pytest.mark.parametrize("rate", [0.0, -250.0, float("inf")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="not a positive number of Hz"):
        find_beats(np.zeros(1000), rate)
