"""Units, rates, times and cuts of a recording, as literals worked out by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfoundry.errors import (
    LeadError,
    SamplingRateError,
    SignalError,
    SubjectError,
    UnitError,
)
from ecgfoundry.recording import Annotation, Channel, Recording, Subject
from ecgfoundry.units import check_sampling_rate, millivolts_per_unit


@pytest.mark.parametrize(
    ("units", "factor"),
    # SI prefixes (BIPM, 9th edition, table 7).
    [
        ("V v volt Volts", 1000.0),
        ("mV MV millivolt millivolts", 1.0),
        ("uV µV μV microvolt microvolts", 0.001),
        ("nV nanovolt", 0.000001),
        ("1e-4V 1E-4V 0.1mV .1mV +0.1mV 1.0e-1mV 1e+2uV 100uV", 0.1),  # CODE: 1e-4 V per unit
        ("4.88uV", 0.00488),
        ("2.5e1uV", 0.025),
    ],
)
def test_millivolts_of_every_unit(units: str, factor: float) -> None:
    for unit in units.split():
        assert millivolts_per_unit(unit) == pytest.approx(factor, rel=1e-12), unit


@pytest.mark.parametrize("unit", ["e", "1e", "1ev", "e3V", "1e-V", "1e3", "1.2.3mV", "0uV", "infV"])
def test_what_only_looks_like_a_number_is_no_unit(unit: str) -> None:
    with pytest.raises(UnitError, match="not a voltage"):
        millivolts_per_unit(unit)


def test_a_missing_unit_is_said_to_be_missing() -> None:
    for unit in (None, "", "  "):
        with pytest.raises(UnitError, match="is missing"):
            millivolts_per_unit(unit)


def test_infinities_are_missing_samples_however_a_recording_is_made() -> None:
    """A window with one infinite sample once ended in "a window has no lead at all"."""
    given = np.array([[0.5, np.inf, -np.inf, np.nan, 1.5]], np.float32)
    wanted = [[0.5, np.nan, np.nan, np.nan, 1.5]]
    np.testing.assert_array_equal(Recording(given, 250.0, ("I",)).signal, wanted)
    made = Recording.from_array(given, sampling_rate=250, leads="I", unit="mV")
    np.testing.assert_array_equal(made.signal, wanted)
    assert np.isinf(given).sum() == 2  # the caller's array is left as it was
    large = Recording.from_array([[1e39, 1.0]], sampling_rate=250, leads="I", unit="mV")
    np.testing.assert_array_equal(large.signal, [[np.nan, 1.0]])


@pytest.mark.parametrize("age", [-1.0, 120.5, 300.0, np.nan, np.inf])
def test_codes_are_no_ages(age: float) -> None:
    with pytest.raises(SubjectError, match=r"from 0 to 120. Pass age=None"):
        Subject(age=age)


@pytest.mark.parametrize("sex", ["F", "M", "Female", "unknown", ""])
def test_another_word_for_a_sex_is_refused(sex: str) -> None:
    """Limits of QTc and voltages by sex were silently those of an unknown person."""
    with pytest.raises(SubjectError, match="not 'female' or 'male'"):
        Subject(sex=sex)
    assert Subject(age=0, sex="female") != Subject(age=120.0, sex="male")


def test_rates_are_refused_on_the_far_side_of_the_limits_only() -> None:
    """A lead has 1 to 100,000 Hz; a channel beside it may be slower."""
    assert check_sampling_rate(100_000) == 100_000.0
    assert check_sampling_rate(0.001) == 0.001
    assert check_sampling_rate(1.0, minimum=1.0) == 1.0
    for rate, minimum in ((100_001, 0.0), (0.999, 1.0), (0.0, 0.0), (-1.0, 0.0), (-1.0, -5.0)):
        with pytest.raises(SamplingRateError):
            check_sampling_rate(rate, minimum=minimum)
    for rate in (1.0, 100_000.0):
        assert Recording(np.zeros((1, 3)), rate, ("I",)).sampling_rate == rate
    for rate in (0.99, 100_000.5):
        with pytest.raises(SamplingRateError):
            Recording(np.zeros((1, 3)), rate, ("I",))


def test_the_marks_of_a_file_have_no_length_unless_it_is_stated() -> None:
    mark = Annotation(1.0, "beat", "N")
    assert (mark.duration_s, mark.lead) == (0.0, None)
    assert (Subject().age, Subject().sex, Subject().identifier) == (None, None, None)


def test_arrays_are_scaled_to_millivolts() -> None:
    recording = Recording.from_array(
        [[0, 500, -250.0], [1, 2, -3]], sampling_rate=250, leads=["DI", "D2"], unit="uV"
    )
    np.testing.assert_array_equal(
        recording.signal, np.float32([[0, 0.5, -0.25], [0.001, 0.002, -0.003]])
    )
    assert recording.signal.dtype == np.float32
    assert (recording.samples, recording.duration_s) == (3, 0.012)
    assert recording.leads == ("I", "II")
    one = Recording.from_array([1.0, 2.0], sampling_rate=250, leads="V1", unit="V")
    np.testing.assert_array_equal(one.signal, [[1000.0, 2000.0]])
    assert one.subject == Subject() and one.annotations == () and one.mains_frequency is None


def test_both_infinities_become_missing() -> None:
    recording = Recording.from_array(
        [[np.inf, -np.inf, 1.0, np.nan]], sampling_rate=250, leads="I", unit="mV"
    )
    np.testing.assert_array_equal(recording.signal, [[np.nan, np.nan, 1.0, np.nan]])


def test_the_advice_to_transpose_is_given_where_it_would_help() -> None:
    names = ("I", "II", "III")
    for shape, advised in (((5, 3), True), ((5, 4), False)):
        with pytest.raises(LeadError) as refused:
            Recording.from_array(np.zeros(shape), sampling_rate=250, leads=names, unit="mV")
        assert ("transpose" in str(refused.value)) is advised
    with pytest.raises(LeadError, match="missing"):
        Recording.from_array(np.zeros((2, 5)), sampling_rate=250, leads=(), unit="mV")
    with pytest.raises(SignalError, match="1 dimensions instead of 2"):
        Recording(np.zeros(4), 250, ("I",))


def ramp(samples: int = 1000, rate: float = 250.0, **fields: object) -> Recording:
    """A recording whose sample k is k mV."""
    return Recording(np.arange(samples, dtype=np.float32)[None], rate, ("II",), **fields)


def test_a_cut_takes_the_stated_samples() -> None:
    part = ramp().slice_samples(250, 500)
    assert (part.samples, part.signal[0, 0], part.signal[0, -1]) == (250, 250, 499)
    assert ramp().slice_samples(990, 5000).signal[0].tolist() == list(range(990, 1000))
    assert ramp().slice_samples(-5, 3).signal[0].tolist() == [0, 1, 2]
    assert ramp().slice_samples(7, 3).samples == 0


@pytest.mark.parametrize(
    ("start_s", "duration_s", "rate", "first", "last"),
    [
        (1.0, 2.0, 250.0, 250, 749),
        (0.0, 0.5, 250.0, 0, 124),
        # 0.3 s at 360 Hz is 108 samples; 0.1 s at 128 Hz is 12.8, the 13th; 0.25 s is 32.
        (0.3, 1.0, 360.0, 108, 467),
        (0.1, 0.25, 128.0, 13, 44),
    ],
)
def test_a_window_takes_the_nearest_samples(
    start_s: float, duration_s: float, rate: float, first: int, last: int
) -> None:
    part = ramp(rate=rate).window(start_s, duration_s)
    assert (part.signal[0, 0], part.signal[0, -1]) == (first, last)


@pytest.mark.parametrize(
    ("time_s", "duration_s", "kept_at"),
    # The cut is from 1 s to 2 s; a mark that only touches its start is kept, one at its end is not.
    [(0.5, 0.0, None), (0.5, 0.4, None), (0.5, 0.5, -0.5), (0.5, 3.0, -0.5), (1.0, 0.0, 0.0),
     (1.996, 0.0, 0.996), (2.0, 0.0, None), (2.5, 1.0, None)],
)  # fmt: skip
def test_the_marks_of_a_cut(time_s: float, duration_s: float, kept_at: float | None) -> None:
    mark = Annotation(time_s, "rhythm", "(AFIB", duration_s)
    part = ramp(annotations=(mark,)).slice_samples(250, 500)
    if kept_at is None:
        assert part.annotations == ()
    else:
        (kept,) = part.annotations
        assert kept.time_s == pytest.approx(kept_at)
        assert (kept.kind, kept.text, kept.duration_s) == ("rhythm", "(AFIB", duration_s)


def test_a_cut_moves_the_clock_and_the_channels_beside_the_leads() -> None:
    pleth = Channel("PLETH", "ppg", "NU", 125.0, np.arange(500, dtype=np.float32))
    beat = Channel("BEAT", "representative-beat", "mV", 500.0, np.arange(600, dtype=np.float32))
    whole = ramp(
        start_time=dt.datetime(2020, 1, 31, 23, 59, 59, tzinfo=dt.UTC),
        other_channels=(pleth, beat),
        mains_frequency=60.0,
    )
    part = whole.slice_samples(375, 625)  # 1.5 s to 2.5 s
    assert part.start_time == dt.datetime(2020, 2, 1, 0, 0, 0, 500_000, tzinfo=dt.UTC)
    assert part.mains_frequency == 60.0
    # 1.5 s of 125 Hz is sample 187.5, rounded to the even 188; 2.5 s is 312.5, rounded to 312.
    assert part.other_channels[0].signal[[0, -1]].tolist() == [188, 311]
    assert part.other_channels[1].signal.tolist() == list(range(600))
    assert ramp().slice_samples(10, 20).start_time is None


def test_selected_leads_are_derived_by_the_textbook() -> None:
    recording = Recording(np.float32([[0.6] * 4, [0.4] * 4, [0.1] * 4]), 250, ("I", "III", "V1"))
    chosen = recording.select(["aVF", "V1", "II", "V2"], missing="nan")
    assert chosen.leads == ("aVF", "V1", "II", "V2")
    # II = I + III = 1.0; aVF = II - I/2 = 0.7.
    np.testing.assert_allclose(chosen.signal[:3, 0], [0.7, 0.1, 1.0], rtol=1e-6)
    assert np.isnan(chosen.signal[3]).all()
    assert recording.with_derived_leads().leads == ("I", "III", "V1", "II", "aVR", "aVL", "aVF")
    np.testing.assert_allclose(
        recording.with_derived_leads().signal[:, 3], [0.6, 0.4, 0.1, 1, -0.8, 0.1, 0.7], rtol=1e-6
    )
    np.testing.assert_allclose(recording.select(["aVL"]).signal, [[0.1] * 4], rtol=1e-6)
    alone = Recording(np.ones((1, 4)), 250, ("I",))
    assert alone.with_derived_leads() is alone


def test_leads_that_are_there_are_only_reordered() -> None:
    recording = Recording(np.float32([[1, 2], [3, 4]]), 250, ("V1", "I"))
    np.testing.assert_array_equal(recording.select(["d1", "c1"]).signal, [[3, 4], [1, 2]])
    assert (
        recording.select(("V1", "I")) is recording and recording.select(["c1", "di"]) is recording
    )
    with pytest.raises(LeadError, match=r"no lead II and it cannot be derived from V1, I"):
        recording.select(["I", "II"])
    nothing = recording.select(["I", "II"], derive=False, missing="nan")
    assert np.isnan(nothing.signal[1]).all() and nothing.signal[0].tolist() == [3, 4]


@pytest.mark.parametrize(("rate", "target"), [(500.0, 250.0), (250.0, 500.0), (360.0, 250.0)])
def test_a_sine_is_the_same_sine_at_another_rate(rate: float, target: float) -> None:
    """0.8 mV at 5 Hz for 4 s; away from the ends the error is below one part in a thousand."""
    time = np.arange(round(4 * rate)) / rate
    sine = Recording((0.8 * np.sin(2 * np.pi * 5 * time))[None], rate, ("I",))
    other = sine.resample(target)
    assert (other.sampling_rate, other.samples, other.leads) == (target, round(4 * target), ("I",))
    wanted = 0.8 * np.sin(2 * np.pi * 5 * np.arange(round(4 * target)) / target)
    inside = slice(round(target), round(3 * target))
    np.testing.assert_allclose(other.signal[0, inside], wanted[inside], atol=8e-4)


def test_the_person_is_removed_and_the_device_stays() -> None:
    recording = ramp(
        samples=4,
        subject=Subject(50, "male", "id"),
        start_time=dt.datetime(2020, 1, 1),
        header={"comment": "name"},
        device={"model": "X"},
        annotations=(Annotation(0.0, "beat", "N"),),
    )
    clean = recording.without_subject()
    assert clean.subject == Subject() and clean.start_time is None and dict(clean.header) == {}
    assert dict(clean.device) == {"model": "X"} and clean.annotations == recording.annotations


@given(cut=st.integers(0, 1000), second=st.integers(0, 1000), length=st.integers(0, 1000))
def test_a_cut_of_a_cut_is_a_cut(cut: int, second: int, length: int) -> None:
    twice = ramp().slice_samples(cut, 1000).slice_samples(second, second + length)
    once = ramp().slice_samples(cut + second, cut + second + length)
    np.testing.assert_array_equal(twice.signal, once.signal)


@pytest.mark.parametrize(
    ("leads", "words"),
    [
        ("II", "1 lead (II)"),
        ("I II III", "3 leads (I, II, III)"),
        ("I II III aVR", "4 leads (I, II, III, …)"),
    ],
)
def test_how_a_recording_is_printed(leads: str, words: str) -> None:
    names = leads.split()
    recording = Recording.from_array(
        np.zeros((len(names), 500)), sampling_rate=250, leads=names, unit="mV"
    )
    assert repr(recording) == f"<Recording: {words}, 250 Hz, 2 s>"


def test_a_notebook_shows_the_words_alone_where_there_is_no_signal() -> None:
    empty = Recording.from_array(np.zeros((1, 0)), sampling_rate=250, leads=["II"], unit="mV")
    assert empty._repr_html_() == "<p>Recording: 1 lead (II), 250 Hz, 0 s</p>"
