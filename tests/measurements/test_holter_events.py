"""Events, hours and burdens of a long recording, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.holter import (
    EVENT_KINDS,
    burdens,
    holter_hours,
    long_term_hrv,
    rhythm_events,
    st_levels,
)


def beats_of(labels: str, interval: float = 1.0, rate: float = 1000.0, **more) -> Beats:
    sample = np.round(np.arange(len(labels)) * interval * rate).astype(np.int64)
    return Beats.from_samples(sample, rate, label=list(labels), **more)


def kinds(labels: str, **more) -> list[tuple[str, float, float, int]]:
    found = rhythm_events(beats_of(labels), **more)
    return [(e.kind, e.start_s, e.end_s, e.beats) for e in found]


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ("NNNNN", []),
        ("NNVNN", []),
        ("NVVN", [("ventricular couplet", 1, 2, 2)]),
        ("NVVVVN", [("ventricular run", 1, 4, 4)]),
        ("VVV", [("ventricular run", 0, 2, 3)]),
        ("NSSSNSSN", [("supraventricular run", 1, 3, 3), ("supraventricular couplet", 5, 6, 2)]),
        ("NVNVN", []),
        ("NVNVNVN", [("ventricular bigeminy", 1, 5, 3)]),
        ("NSNSNSNSN", [("supraventricular bigeminy", 1, 7, 4)]),
        ("NVNNVNNVNN", [("ventricular trigeminy", 1, 7, 3)]),
        ("NVNVNVVN", [("ventricular couplet", 5, 6, 2)]),
        ("NVNVNVNVVN", [("ventricular bigeminy", 1, 5, 3), ("ventricular couplet", 7, 8, 2)]),
    ],
)
def test_sequences(labels, wanted):
    assert kinds(labels) == wanted
    assert all(kind in EVENT_KINDS for kind, *_ in wanted)


def test_the_rate_of_a_run_is_that_between_its_beats():
    (run,) = rhythm_events(beats_of("NVVVVN", interval=0.4))
    assert run.rate_bpm == pytest.approx(150.0)
    assert run.to_dict() == {
        "kind": "ventricular run",
        "start_s": 0.4,
        "end_s": 1.6,
        "beats": 4,
        "rate_bpm": 150.0,
    }


def test_a_gap_ends_a_run_and_is_no_pause():
    rr = np.array([np.nan, 1, 1, np.nan, 1, 1])
    found = rhythm_events(beats_of("NVVVVN", rr_s=rr))
    assert [(e.kind, e.start_s) for e in found] == [
        ("ventricular couplet", 1.0),
        ("ventricular couplet", 3.0),
    ]


def test_pauses():
    sample = np.array([0, 1000, 3000, 4000, 6999, 8000])
    beats = Beats.from_samples(sample, 1000.0)
    assert [(e.kind, e.start_s, e.end_s) for e in rhythm_events(beats)] == [
        ("pause", 1.0, 3.0),
        ("pause", 4.0, 6.999),
    ]
    assert rhythm_events(beats, pause_s=3.0) == ()
    assert rhythm_events(beats[:0]) == ()


def test_burdens_and_their_intervals():
    # Three hours of 3600 beats; every tenth beat of the first hour is V: 360 of 10800, 3.3 %.
    labels = ("N" * 9 + "V") * 360 + "N" * 7200
    found = burdens(beats_of(labels))
    assert found["V"].count == 360
    assert found["V"].percent == pytest.approx(3.3333, abs=1e-4)
    # 18 blocks of which 6 have 10 %: the mean of 18 draws has a standard error of
    # sqrt(1/3 * 2/3 / 18) * 10 % = 1.11 %, so the interval is about 1.1 to 5.6 %.
    assert found["V"].low == pytest.approx(1.1, abs=0.7)
    assert found["V"].high == pytest.approx(5.6, abs=0.7)
    assert found["S"].to_dict() == {"count": 0, "percent": 0.0, "low": 0.0, "high": 0.0}
    assert burdens(beats_of("NNVN"))["V"].to_dict() == {
        "count": 1,
        "percent": 25.0,
        "low": None,
        "high": None,
    }
    assert burdens(beats_of(""))["N"].percent is None


def test_hours():
    # An hour at 60/min with one couplet, then half an hour at 120/min.
    times = np.concatenate([np.arange(3600.0), 3600.0 + 0.5 * np.arange(3600)])
    label = np.full(times.size, "N")
    label[[100, 101]] = "V"
    beats = Beats.from_samples(np.round(times * 1000).astype(np.int64), 1000.0, label=label)
    first, second = holter_hours(beats, 5400.0, rhythm_events(beats), unreadable=[(3590.0, 3620.0)])
    assert (first.beats, first.n, first.v, first.ventricular_couplets) == (3600, 3598, 2, 1)
    assert first.rate_mean_bpm == pytest.approx(60.0)
    assert first.readable_s == pytest.approx(3590.0)
    assert (second.start_s, second.end_s, second.readable_s) == (3600.0, 5400.0, 1780.0)
    assert second.rate_highest_bpm == pytest.approx(120.0)
    assert second.rr_longest_s == pytest.approx(1.0)
    assert second.rr_shortest_s == pytest.approx(0.5)
    assert second.pauses == 0
    empty = holter_hours(beats[:0], 100.0, ())
    assert len(empty) == 1
    assert empty[0].rate_mean_bpm is None


def test_sdann_and_sdnn_index_by_hand():
    # Ten minutes: five with intervals of 0.99 and 1.01 s in turn, five with 0.79 and 0.81 s.
    rr = np.concatenate([np.resize([0.99, 1.01], 300), np.resize([0.79, 0.81], 375)])
    sample = np.round(np.concatenate([[0], np.cumsum(rr)]) * 1e6).astype(np.int64)
    label = np.full(sample.size, "N")
    label[300] = "V"  # at 300 s: the intervals beside it are not N-N
    found = long_term_hrv(Beats.from_samples(sample, 1e6, label=label))
    # Means of 1000 and 800 ms: their standard deviation is 200 / sqrt(2). Within: 10 ms.
    assert found["sdann_ms"] == pytest.approx(141.4, abs=0.2)
    assert found["sdnn_index_ms"] == pytest.approx(10.0, abs=0.1)
    assert long_term_hrv(beats_of("N" * 50)) == {"sdann_ms": None, "sdnn_index_ms": None}


def test_st_level_of_steps():
    # 0.2 mV from 40 ms behind every beat on, over a baseline of 1 mV; missing behind the second.
    signal = np.full((1, 4000), 1.0)
    beats = np.array([500, 1500, 2500, 3980])
    for beat in beats:
        signal[0, beat + 40 : beat + 300] = 1.2
    signal[0, 1600:1620] = np.nan
    found = st_levels(signal, 1000.0, beats, -0.04, 0.05)
    np.testing.assert_allclose(found[0], [0.2, np.nan, 0.2, np.nan], atol=1e-12)


def test_without_beats_there_is_no_burden():
    assert {letter: one.to_dict() for letter, one in burdens(beats_of("")).items()} == {
        letter: {"count": 0, "percent": None, "low": None, "high": None} for letter in "NSVFQ"
    }
