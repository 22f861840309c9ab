"""The value type: what it refuses, what it keeps, how it is cut and reordered."""

from __future__ import annotations

import datetime as dt
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfoundry.errors import EcgFoundryError, LeadError, SamplingRateError, SignalError, UnitError
from ecgfoundry.recording import Annotation, Channel, Recording, Subject
from ecgfoundry.units import millivolts_per_unit


def make(samples: int = 1000, leads: tuple[str, ...] = ("I", "II"), rate: float = 250) -> Recording:
    signal = np.random.default_rng(0).normal(size=(len(leads), samples))
    return Recording.from_array(signal, sampling_rate=rate, leads=leads, unit="mV")


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("mV", 1), ("uV", 1e-3), ("µV", 1e-3), ("μV", 1e-3), ("V", 1e3), ("nV", 1e-6),
     ("1e-4V", 0.1), ("4.88 uV", 0.00488), ("MICROVOLT", 1e-3)],
)  # fmt: skip
def test_units(unit: str, factor: float) -> None:
    assert millivolts_per_unit(unit) == pytest.approx(factor)


@pytest.mark.parametrize("unit", [None, "", "mmHg", "adu", "5", "0mV", "-1mV", "eV", "e5V"])
def test_unknown_units_are_refused_with_the_remedy(unit: str | None) -> None:
    with pytest.raises(UnitError, match="--unit"):
        millivolts_per_unit(unit)


def test_what_cannot_be_guessed_is_asked_for() -> None:
    x = np.zeros((2, 100))
    with pytest.raises(LeadError, match=r"names of the 2 lead\(s\) are missing.*--leads"):
        Recording.from_array(x, sampling_rate=500, leads=None, unit="mV")
    with pytest.raises(UnitError, match="unit='mV'"):
        Recording.from_array(x, sampling_rate=500, leads=("I", "II"), unit=None)
    for rate in (None, 0, -5, float("nan"), float("inf"), 1e9):
        with pytest.raises(SamplingRateError, match="--sampling-rate"):
            Recording.from_array(x, sampling_rate=rate, leads=("I", "II"), unit="mV")
    with pytest.raises(LeadError, match="transpose"):
        Recording.from_array(x.T, sampling_rate=500, leads=("I", "II"), unit="mV")
    with pytest.raises(SignalError, match="3 dimensions"):
        Recording.from_array(np.zeros((1, 2, 3)), sampling_rate=500, leads=("I",), unit="mV")


def test_a_recording_is_immutable_and_does_not_share_its_input() -> None:
    x = np.zeros((1, 10), dtype=np.float32)
    recording = Recording(signal=x, sampling_rate=100, leads=("I",))
    x[0, 0] = 5
    assert recording.signal[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        recording.signal[0, 0] = 1
    with pytest.raises(AttributeError):
        recording.leads = ("II",)  # type: ignore[misc]


def test_infinite_and_masked_samples_are_missing() -> None:
    x = np.ma.masked_array([[1.0, 2.0, np.inf]], mask=[[False, True, False]])
    recording = Recording.from_array(x, sampling_rate=100, leads="I", unit="mV")
    np.testing.assert_array_equal(np.isnan(recording.signal), [[False, True, True]])


def test_select_goes_by_name_derives_and_marks_what_is_absent() -> None:
    recording = make(leads=("II", "V1", "I"))
    chosen = recording.select(("I", "aVF", "V1", "V2"), missing="nan")
    np.testing.assert_array_equal(chosen.signal[0], recording.lead("DI"))
    np.testing.assert_allclose(
        chosen.signal[1], recording.lead("II") - recording.lead("I") / 2, atol=1e-6
    )
    assert np.isnan(chosen.signal[3]).all()
    with pytest.raises(LeadError, match="V2 and it cannot be derived"):
        recording.select(("I", "V2"))
    with pytest.raises(LeadError, match="no lead aVF"):
        recording.select(("aVF",), derive=False)


def test_slices_move_marks_channels_and_time_along() -> None:
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    channel = Channel("PLETH", "ppg", "NU", 125.0, np.arange(500, dtype=np.float32))
    marks = (Annotation(1.5, "beat", "N"), Annotation(0.5, "rhythm", "(AFIB", duration_s=3.0))
    recording = Recording(
        signal=np.arange(1000, dtype=np.float32)[None],
        sampling_rate=250,
        leads=("II",),
        start_time=start,
        annotations=marks,
        other_channels=(channel,),
    )
    part = recording.window(1.0, 2.0)
    assert part.samples == 500 and part.signal[0, 0] == 250
    assert part.start_time == start + dt.timedelta(seconds=1)
    assert [mark.time_s for mark in part.annotations] == [0.5, -0.5]
    assert part.other_channels[0].signal[0] == 125 and len(part.other_channels[0].signal) == 250
    assert recording.window(3.5, 10).samples == 125  # what is there, no more


def test_without_subject_removes_everything_about_the_person() -> None:
    recording = Recording(
        signal=np.zeros((1, 10)), sampling_rate=10, leads=("I",),
        subject=Subject(50, "male", "id"), start_time=dt.datetime(2020, 1, 1),
        header={"comment": "name"},
    )  # fmt: skip
    clean = recording.without_subject()
    assert clean.subject == Subject() and clean.start_time is None and not clean.header


def test_errors_survive_the_way_between_processes() -> None:
    error = LeadError("a problem", path="f.hea", remedy="Do this")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is LeadError and str(copy) == str(error) == "f.hea: a problem. Do this"
    assert isinstance(copy, EcgFoundryError) and copy.to_dict()["code"] == "leads"


@given(
    x=st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=40),
    start=st.integers(-5, 50),
    stop=st.integers(-5, 50),
)
def test_slicing_never_fails_and_stays_inside(x: list[float], start: int, stop: int) -> None:
    recording = Recording.from_array([x], sampling_rate=10, leads="I", unit="mV")
    part = recording.slice_samples(start, stop)
    np.testing.assert_array_equal(part.signal[0], recording.signal[0][max(start, 0) : max(stop, 0)])


@pytest.mark.parametrize("rate", [5e-324, 1e-9, 0.5])
def test_a_rate_that_no_ecg_has_is_refused(rate: float) -> None:
    """A vanishing rate would make every window empty and a recording endless."""
    with pytest.raises(SamplingRateError, match="between 1 and"):
        Recording.from_array([[0.1, 0.2]], sampling_rate=rate, leads=["I"], unit="mV")
