"""Recordings made by hand from whatever a program holds: masked, mapped, shared, with a zone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.errors import EcgFoundryError, SignalError, SubjectError
from ecgfoundry.recording import Recording


def _of(signal: Any, **fields: Any) -> Recording:
    return Recording(signal, 250, ("I",), **fields)


def test_masked_samples_are_missing() -> None:
    masked = np.ma.array([[1, 2, 3]], mask=[[False, True, False]])
    for recording in (
        _of(masked),
        Recording.from_array(masked, sampling_rate=250, leads="I", unit="mV"),
    ):
        assert np.isnan(recording.signal[0]).tolist() == [False, True, False]
        assert recording.signal[0, 2] == 3.0


def _mapped(folder: Path) -> np.ndarray:
    array: np.ndarray = np.memmap(folder / "signal", dtype=np.float32, mode="w+", shape=(1, 3))
    return array


def _plain(_: Path) -> np.ndarray:
    return np.zeros((1, 3), np.float32)


@pytest.mark.parametrize("make", [_plain, _mapped])
@pytest.mark.parametrize("read_only_view", [False, True])
def test_what_is_written_afterwards_does_not_reach_the_recording(
    make: Any, read_only_view: bool, tmp_path: Path
) -> None:
    array = make(tmp_path)
    given = array[:]
    given.flags.writeable = not read_only_view
    recording = _of(given)
    array[:] = 9.0
    assert recording.signal.tolist() == [[0.0, 0.0, 0.0]]
    assert array.flags.writeable


def test_a_tensor_is_not_shared() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(1, 3)
    recording = _of(tensor)
    tensor[:] = 9.0
    assert recording.signal.tolist() == [[0.0, 0.0, 0.0]]


def test_parts_of_a_recording_share_its_memory() -> None:
    whole = Recording(np.zeros((2, 1000), np.float32), 250, ("I", "II")).select(["I"])
    assert np.shares_memory(whole.part(250, 500).signal, whole.signal)


@pytest.mark.parametrize("signal", [[[1 + 2j]], [["a"]], np.array([["2020-01-01"]], "M8[D]")])
def test_what_is_no_array_of_numbers_is_refused(signal: Any) -> None:
    with pytest.raises(SignalError, match="numbers"):
        _of(signal)
    with pytest.raises(SignalError, match="numbers"):
        Recording.from_array(signal, sampling_rate=250, leads="I", unit="mV")


def test_times_after_a_change_of_clocks() -> None:
    """On 31 March 2024 the clocks of Berlin went from 02:00 (+01:00) to 03:00 (+02:00)."""
    start = dt.datetime(2024, 3, 31, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    recording = Recording(np.zeros((1, 10800), np.float32), 1, ("I",), start_time=start)
    assert recording.start_time == start
    later = dt.datetime(2024, 3, 31, 2, 30, tzinfo=dt.UTC)  # 00:30 UTC and two hours
    for part in (recording.window(7200, 60), recording.part(7200, 7260)):
        assert part.start_time is not None
        assert part.start_time.astimezone(dt.UTC) == later


@pytest.mark.parametrize("start", ["2024-03-31T01:30", dt.date(2024, 3, 31)])
def test_a_start_that_is_no_moment_is_refused(start: Any) -> None:
    with pytest.raises(SignalError, match="start time"):
        _of([[0.0]], start_time=start)


def test_a_person_that_is_no_subject_is_refused() -> None:
    with pytest.raises(SubjectError, match="dict"):
        _of([[0.0]], subject={"age": 50})


def test_an_array_is_no_recording_and_no_file() -> None:
    array = np.zeros((12, 5000), np.float32)
    calls = (
        ecgfoundry.read,
        ecgfoundry.measure,
        ecgfoundry.interpret,
        ecgfoundry.explain,
        lambda given: ecgfoundry.compare_recordings(given, given),
        lambda given: ecgfoundry.standardize(given, "ptbxl-bandpass@1"),
    )
    for call in calls:
        with pytest.raises(EcgFoundryError, match=r"ndarray was given.*Recording\.from_array"):
            call(array)
    with pytest.raises(SignalError, match=r"str was given.*ecgfoundry\.read"):
        ecgfoundry.compare_recordings("one.hea", "other.hea")  # type: ignore[arg-type]
