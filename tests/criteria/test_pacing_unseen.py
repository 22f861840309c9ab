"""What is not looked for is not said to be absent."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

import ecgfoundry
from ecgfoundry.criteria import state
from ecgfoundry.criteria.pacing import CRITERIA
from ecgfoundry.recording import Recording


@pytest.mark.parametrize(("rate", "present"), [(500.0, False), (360.0, None), (250.0, None)])
def test_spikes_below_the_rate_that_shows_them(rate: float, present: bool | None) -> None:
    sample = ecgfoundry.read("sample:12-lead")
    signal = resample_poly(sample.signal, round(rate), 500, axis=1)
    recording = Recording.from_array(
        np.asarray(signal), sampling_rate=rate, leads=sample.leads, unit="mV"
    )
    stated = {one.name: one for one in state(ecgfoundry.measure(recording))}
    of_pacing = [stated[criterion.name] for criterion in CRITERIA]
    assert {one.present for one in of_pacing} == {present}
    if present is None:
        assert {one.reason for one in of_pacing} == {
            f"pacing spikes are looked for from 455 Hz on, and this has {rate:g}"
        }
    assert stated["SINUS TACHYCARDIA"].present  # what rests on other things is told
