"""One recording, at whatever rate it was stored: the same boundaries, and the same statements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.measurements.measuring import measure
from ecgfoundry.measurements.stretches import measuring_rate
from ecgfoundry.recording import Recording

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "cinc2021"

AS_RECORDED_MS = {
    "JS20000": {"pr_ms": 148.0, "qrs_ms": 88.0, "qt_ms": 299.2},
    "E07500": {"pr_ms": 156.0, "qrs_ms": 88.0, "qt_ms": 452.0},
    "HR06005": {"pr_ms": 128.0, "qrs_ms": 96.0, "qt_ms": 380.0},
}
"""At their own 500 Hz. Before all rates were measured at one, QRS of E07500 was 80.6 ms at 360 Hz
and 85 at 200, and QT of HR06005 was 375 ms at 360."""


@pytest.mark.parametrize("rate", [200.0, 250.0, 360.0, 500.0, 1000.0])
@pytest.mark.parametrize("name", AS_RECORDED_MS)
def test_boundaries_are_where_they_are_at_any_rate(name: str, rate: float) -> None:
    measured = measure(ecgfoundry.read(FIXTURES / f"{name}.hea").resample(rate))
    found = {key: measured.values[key].value for key in AS_RECORDED_MS[name]}
    assert found == pytest.approx(AS_RECORDED_MS[name], abs=1.5)


def test_beats_are_samples_of_the_recording_itself() -> None:
    """The answer is in the samples that were given, though it is measured at another rate."""
    recording = ecgfoundry.read(FIXTURES / "HR06005.hea").resample(250.0)
    measured = measure(recording)
    assert measured.sampling_rate == 250.0
    assert measured.beats.sample[:4].tolist() == [63, 236, 414, 588]
    # Of the recording at 500 Hz: samples 126, 471, 827, 1175.
    assert measured.beats.time_s[:4].tolist() == [0.252, 0.942, 1.654, 2.35]


def test_ninety_seconds_at_an_odd_rate_are_measured_at_one() -> None:
    """25,956 samples are 90 s at 288.4 Hz, and by floating point more than 90 times the rate.

    One question said that it is measured whole, at 500 Hz, the other by the minute, at 288.4 Hz:
    beats a second apart were 0.577 s apart.
    """
    rate = 288.4
    seconds = np.arange(25_956) / rate
    complexes = sum(
        size * np.exp(-0.5 * (((seconds + 0.5) % 1.0 - place) / width) ** 2)
        for size, place, width in ((0.15, 0.34, 0.02), (1.0, 0.5, 0.012), (0.3, 0.78, 0.04))
    )
    noise = 0.01 * np.random.default_rng(1).normal(size=seconds.size)
    measured = measure(Recording((complexes + noise)[None].astype(np.float32), rate, ("II",)))
    assert measured.values["heart_rate_bpm"].value == pytest.approx(60.0, abs=0.1)
    assert measured.beats.time_s[[1, 88]] == pytest.approx([1.0, 88.0], abs=0.02)


@pytest.mark.parametrize(
    ("own", "wanted"),
    [(1000.0, 500.0), (500.0, 500.0), (257.0, 500.0), (200.0, 500.0), (100.0, 100.0)],
)
def test_the_rate_of_measuring(own: float, wanted: float) -> None:
    assert measuring_rate(own) == wanted
