"""R peaks: where cardiologists put them, and no crash where there is nothing to find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import ecgfoundry
from ecgfoundry.measurements.beats import fill_gaps, find_beats, heart_rate_bpm

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
BEAT_MARKS = frozenset("NLRBAaJSVrFejnE/fQ?")


def train(times, *, rate=250.0, duration=10.0, height=1.0, width=0.018) -> np.ndarray:
    """QRS complexes as narrow Gaussians, T waves as broad ones."""
    time = np.arange(round(duration * rate)) / rate
    x = np.zeros(time.size)
    for beat in times:
        x += height * np.exp(-(((time - beat) / width) ** 2))
        x += 0.3 * abs(height) * np.exp(-(((time - beat - 0.28) / 0.06) ** 2))
    return x


def matched(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> tuple[int, int, int]:
    hits = [np.min(np.abs(found - beat)) <= tolerance if found.size else False for beat in wanted]
    extra = [np.min(np.abs(wanted - beat)) > tolerance for beat in found]
    return sum(hits), len(wanted) - sum(hits), sum(extra)


@pytest.mark.parametrize("rate", [100.0, 125.0, 250.0, 257.0, 300.0, 360.0, 500.0, 1000.0, 2000.0])
def test_every_rate_finds_the_planted_beats(rate: float) -> None:
    times = np.arange(0.6, 9.6, 0.83)
    found = find_beats(train(times, rate=rate), rate) / rate
    assert found.size == times.size
    assert np.abs(found - times).max() <= max(0.006, 1 / rate)


@pytest.mark.parametrize("change", [-1.0, 1e-3, 1e3, -1e-6, 1e-9, 1e7])
def test_scale_polarity_and_offset_do_not_matter(change: float) -> None:
    x = train([0.5, 1.4, 2.2, 3.1, 4.2, 5.0, 5.9, 7.0, 7.8, 8.8])
    x = x + 0.01 * np.random.default_rng(0).normal(size=x.size)
    assert np.array_equal(find_beats(x, 250.0), find_beats(change * x + 40 * change, 250.0))


def test_real_twelve_leads_and_each_lead_alone() -> None:
    recording = ecgfoundry.read(FIXTURES / "ludb" / "8.hea")
    for row, lead in enumerate(recording.leads):
        marks = [m.time_s for m in recording.annotations if m.lead == lead and m.text == "N"]
        wanted = np.asarray(marks) * 500
        # A paced rhythm of low voltage: some complexes hardly show in a single lead.
        for signal, most in ((recording.signal, 0), (recording.signal[row], 2)):
            found = find_beats(signal, 500.0)
            inside = found[(found > wanted[0] - 75) & (found < wanted[-1] + 75)]
            hits, missed, extra = matched(inside, wanted, 0.1 * 500)
            # One complex was not drawn in V5.
            assert missed <= most and extra <= 1 and hits + missed == wanted.size, lead


def test_fibrillation_of_the_mitbih_excerpt() -> None:
    recording = ecgfoundry.read(FIXTURES / "mitdb" / "201_450s.hea")
    rate = recording.sampling_rate
    marks = [m.time_s for m in recording.annotations if m.kind == "beat"]
    wanted = np.asarray(marks) * rate
    hits, _, extra = matched(find_beats(recording.signal, rate), wanted, 0.075 * rate)
    # Fast fibrillation with low and aberrant beats, a hard minute: 201 is the worst of the twelve.
    assert hits >= 0.93 * wanted.size and extra <= 0.02 * wanted.size


# R peaks by wfdb 4.3.1, processing.xqrs_detect, of lead II or the only one.
XQRS = {
    "cinc2017/A00001.hea": [
        127, 342, 560, 797, 1040, 1271, 1510, 1754, 1995, 2229, 2470, 2713, 2951, 3189, 3432, 3679,
        3914, 4139, 4370, 4598, 4826, 5044, 5259, 5484, 5711, 5942, 6164, 6385, 6607, 6827, 7039,
        7258, 7481, 7697, 7909, 8128, 8355, 8586, 8810,
    ],
    "cinc2021/E07500.hea": [446, 958, 1478, 2015, 2551, 3075, 3593, 4119, 4644],
}  # fmt: skip


@pytest.mark.parametrize("name", XQRS)
def test_r_peaks_are_those_of_another_detector(name: str) -> None:
    recording = ecgfoundry.read(FIXTURES / name)
    found = find_beats(recording.signal, recording.sampling_rate)
    assert len(found) == len(XQRS[name])
    assert np.abs(found - XQRS[name]).max() <= 1


def test_noise_in_one_lead_is_outvoted() -> None:
    times = np.arange(0.5, 9.8, 0.9)
    clean = train(times)
    generator = np.random.default_rng(1)
    noisy = clean + generator.normal(0, 1.0, clean.size)
    leads = np.stack([clean, 0.7 * clean, -0.5 * clean, noisy, noisy * 30])
    leads = leads + 0.01 * generator.normal(size=leads.shape)
    found = find_beats(leads, 250.0) / 250.0
    assert found.size == times.size and np.abs(found - times).max() < 0.03


def test_paced_tall_t_wander_gap_and_pause() -> None:
    times = np.concatenate([np.arange(0.6, 4.0, 0.8), [6.4, 7.2, 8.0, 8.8]])  # a pause of 2.6 s
    x = train(times)
    time = np.arange(x.size) / 250.0
    x = x + 2.0 * np.sin(2 * np.pi * 0.3 * time)
    for beat in times:
        x[round((beat - 0.06) * 250)] += 3.0  # pacemaker spikes
    x += sum(0.6 * np.exp(-(((time - beat - 0.3) / 0.05) ** 2)) for beat in times)
    found = find_beats(x, 250.0) / 250.0
    assert found.size == times.size and np.abs(found - times).max() < 0.07
    x[round(6.9 * 250) : round(7.6 * 250)] = np.nan  # one beat gone
    found = find_beats(x, 250.0) / 250.0
    assert not ((found > 6.95) & (found < 7.55)).any()
    assert len(found) in (times.size - 1, times.size - 2)


def test_low_beats_among_tall_ectopic_ones() -> None:
    normal, ectopic = np.arange(0.5, 9.5, 1.4), np.arange(1.0, 9.5, 1.4)
    x = train(normal, height=0.6) + train(ectopic, height=1.4, width=0.04)
    times = np.sort(np.concatenate([normal, ectopic]))
    found = find_beats(x, 250.0) / 250.0
    assert found.size == times.size and np.abs(found - times).max() < 0.03


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(2500),
        np.full(2500, 3.3),
        np.full(2500, np.nan),
        np.full(2500, np.inf),
        np.empty(0),
        np.ones(3),
        np.zeros((0, 2500)),
        np.zeros((12, 0)),
        np.random.default_rng(0).normal(size=2500),
        np.sin(np.arange(2500) * 2 * np.pi * 50 / 250),
        np.linspace(0, 1, 2500),
    ],
)
def test_nothing_to_find_is_an_empty_answer(x: np.ndarray) -> None:
    found = find_beats(x, 250.0)
    assert found.dtype == np.int64
    assert found.size == 0


@given(
    x=arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(0, 900)),
        elements=st.floats(allow_nan=True, allow_infinity=True, width=32),
    ),
    rate=st.sampled_from([1.0, 30.0, 100.0, 250.0, 999.0]),
)
@settings(max_examples=60)
def test_no_signal_is_an_error(x: np.ndarray, rate: float) -> None:
    found = find_beats(x, rate)
    assert (np.diff(found) > 0).all()
    assert ((found >= 0) & (found < x.shape[1])).all()


def test_wrong_arguments_are_errors() -> None:
    with pytest.raises(ValueError, match="dimensions"):
        find_beats(np.zeros((1, 2, 3)), 250.0)
    with pytest.raises(ValueError, match="sampling rate"):
        find_beats(np.zeros(100), float("nan"))


def test_gaps_are_bridged_by_straight_lines() -> None:
    x = np.array([[np.nan, 1.0, np.nan, np.nan, 4.0, np.inf], [np.nan] * 6])
    assert fill_gaps(x).tolist() == [[1, 1, 2, 3, 4, 4], [0] * 6]


def test_heart_rate() -> None:
    assert heart_rate_bpm(np.array([0, 250, 500, 750]), 250.0) == 60.0
    assert np.isnan(heart_rate_bpm(np.array([3]), 250.0))


@pytest.mark.slow
def test_mitbih_records(shared_data: Path, tmp_path: Path) -> None:
    """The 12 half-hour records, both leads; in ventricular flutter no beats are scored (EC57)."""
    import zipfile

    with zipfile.ZipFile(shared_data / "mitbih_arrhythmia.zip") as archive:
        archive.extractall(tmp_path)
    totals = np.zeros(3)
    for header in sorted(tmp_path.rglob("*.hea")):
        recording = ecgfoundry.read(header)
        rate = recording.sampling_rate
        marks = [m for m in recording.annotations if m.kind == "beat" and m.text in BEAT_MARKS]
        wanted = np.asarray([m.time_s for m in marks]) * rate
        found = find_beats(recording.signal, rate).astype(float)
        for mark in recording.annotations:
            if mark.kind == "rhythm" and "VFL" in mark.text:
                begin, end = mark.time_s * rate, (mark.time_s + mark.duration_s) * rate
                found = found[(found < begin) | (found > end)]
                wanted = wanted[(wanted < begin) | (wanted > end)]
        totals += matched(found, wanted, 0.075 * rate)
    hits, missed, extra = totals
    assert hits > 24_000
    # Both leads: 0.9976 and 0.9950; the first alone 0.9964 and 0.9875.
    assert hits / (hits + missed) > 0.997
    assert hits / (hits + extra) > 0.994
