"""A long recording measured part by part: planted events, AF, a run that was cut off."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import shutil
import subprocess
import sys
import time as clock

import numpy as np
import pytest
from tests.drawn_beats import drawn, rhythm

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.inference import holter as module
from ecgfoundry.inference import holter_part
from ecgfoundry.inference.holter import HolterSettings, measure_holter
from ecgfoundry.inference.holter_part import _no_ecg
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.holter import holter_hours
from ecgfoundry.models.bundle import find_bundle
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import Notice
from ecgfoundry.tasks.finding import WindowResult

PATTERN = "N" * 30 + "V" + "N" * 30 + "VV" + "N" * 30 + "VVVV" + "N" * 30 + "S" + "N" * 30
REPEATS = 4
QUIET = HolterSettings(model=None)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Almost nine minutes at 125 Hz, 20 s of it without signal."""
    beats = PATTERN * REPEATS
    times = rhythm(beats)
    signal = drawn(times, beats, rate=125.0)
    signal[:, 200 * 125 : 220 * 125] = np.nan
    path = tmp_path_factory.mktemp("holter") / "planted.npz"
    recording = Recording.from_array(signal, sampling_rate=125.0, leads=["II"], unit="mV")
    recording.write(path.with_suffix(".edf"))
    return path.with_suffix(".edf"), np.asarray(times), beats


@pytest.fixture
def short_parts(monkeypatch):
    """Parts of two minutes instead of half an hour."""
    monkeypatch.setattr(module, "PART_S", 120.0)


def test_planted_events_are_counted(planted, tmp_path, short_parts):
    path, times, beats = planted
    report = measure_holter(path, tmp_path / "out", QUIET, workers=1)
    outside = (times < 200.0) | (times > 220.0)
    kinds = np.array(list(beats))
    for letter in "VS":
        found = report.beats.time_s[report.beats.label == letter]
        wanted = times[(kinds == letter) & outside]
        assert found.size == pytest.approx(wanted.size, abs=1)
    runs = [event for event in report.events if event.kind == "ventricular run"]
    assert {run.beats for run in runs} == {4}
    assert report.readable_s == pytest.approx(report.duration_s - 20.0, abs=10.1)
    # The gap is no pause, and no interval reaches over it.
    assert np.nanmax(report.beats.rr_s) < 2.0
    assert report.af_burden is None
    # Nothing is lost or doubled where two parts meet.
    rr = report.beats.rr_s[np.isfinite(report.beats.rr_s)]
    assert rr.min() > 0.4


def test_the_tables(planted, tmp_path, short_parts):
    path, *_ = planted
    report = measure_holter(path, tmp_path / "out", QUIET, workers=1)
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["beats.csv", "events.csv", "holter.json", "hours.csv", "st.csv"]
    document = json.loads((tmp_path / "out" / "holter.json").read_text())
    assert document["beats"] == len(report.beats)
    assert document["burdens"]["V"]["count"] == int((report.beats.label == "V").sum())
    assert document["hrv"]["sdnn_ms"]["unit"] == "ms"
    with (tmp_path / "out" / "hours.csv").open() as stream:
        (hour,) = csv.DictReader(stream)
    assert int(hour["beats"]) == len(report.beats)
    with (tmp_path / "out" / "beats.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["label"] for row in rows] == report.beats.label.tolist()
    # The drawn ST segment is flat: 0 mV at J + 60 ms, to the noise and the beginning of T.
    assert np.nanmax(np.abs(report.st_mv)) < 0.05


def test_a_run_that_was_cut_off_goes_on(planted, tmp_path, short_parts):
    path, *_ = planted
    whole = measure_holter(path, tmp_path / "whole", QUIET, workers=1)
    calls = []

    def breaking(function, tasks):
        for number, task in enumerate(tasks):
            if number == 2:
                raise KeyboardInterrupt
            yield function(task)

    with pytest.raises(KeyboardInterrupt):
        measure_holter(path, tmp_path / "cut", QUIET, engine=breaking)

    def counting(function, tasks):
        for task in tasks:
            calls.append(task.start)
            yield function(task)

    seen = []
    again = measure_holter(
        path, tmp_path / "cut", QUIET, engine=counting, progress=lambda p: seen.append(p)
    )
    assert calls[0] == 2 * 120 * 125
    assert seen[0].resumed_s == pytest.approx(240.0)
    assert seen[-1].done_s == pytest.approx(whole.duration_s)
    assert again.to_dict() == whole.to_dict()
    assert not (tmp_path / "cut" / "holter.parts").exists()


def test_parts_of_other_settings_are_not_used(planted, tmp_path, short_parts):
    path, *_ = planted
    out = tmp_path / "out"

    def stopping(function, tasks):
        yield function(tasks[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_holter(path, out, QUIET, engine=stopping)
    started = []

    def counting(function, tasks):
        started.extend(task.start for task in tasks)
        return map(function, tasks)

    measure_holter(path, out, HolterSettings(model=None, pause_s=3.0), engine=counting)
    assert started[0] == 0


def test_a_damaged_part_names_itself(planted, tmp_path, short_parts):
    path, *_ = planted

    def damaging(function, tasks):
        for task in tasks:
            yield function(task)
        tasks[0].part.write_bytes(b"no part")

    with pytest.raises(EcgFoundryError, match="part-000000000000"):
        measure_holter(path, tmp_path / "out", QUIET, engine=damaging)


def test_the_rhythm_model_gives_fibrillation_by_the_hour(planted, tmp_path):
    path, *_ = planted
    report = measure_holter(path, tmp_path / "out", workers=1)
    assert report.model == "rhythm-single-lead-edge"
    assert len(report.windows) == pytest.approx(report.duration_s / 30, abs=1)
    assert report.af_burden is not None
    assert 0.0 <= report.af_burden <= 0.2  # planted: none
    assert report.hours[0].af_percent == pytest.approx(100 * report.af_burden, abs=3.0)


def test_a_flat_line_has_no_beats(tmp_path):
    flat = np.zeros((1, 125 * 60))
    recording = Recording.from_array(flat, sampling_rate=125.0, leads=["I"], unit="mV")
    recording.write(tmp_path / "flat.edf")
    report = measure_holter(tmp_path / "flat.edf", tmp_path / "out", QUIET, workers=1)
    assert len(report.beats) == 0
    assert report.readable_s == 0.0
    assert report.to_dict()["longest_rr"] is None


DIES_IN_THE_SECOND_PART = """
import os, signal, sys
import numpy as np
from ecgfoundry.cli.main import main
from ecgfoundry.inference import holter

def half(stream, **arrays):
    stream.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

def in_order(function, tasks):
    yield function(tasks[0])
    np.savez = half
    yield function(tasks[1])

holter.process_pool = lambda workers: in_order
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on(tmp_path):
    """``kill -9`` while the second of four half hours is written; the same command then ends."""
    noise = np.random.default_rng(5).standard_normal(2 * 3600 * 100) * 0.01
    seconds = np.arange(noise.size) / 100.0
    signal = noise + np.exp(-0.5 * (((seconds % 0.8) - 0.4) / 0.012) ** 2)
    path = tmp_path / "night.edf"
    Recording.from_array(signal, sampling_rate=100.0, leads=["II"], unit="mV").write(path)
    words = ["holter", str(path), "-o", str(tmp_path / "out"),
             "--no-rhythm", "--workers", "1", "--no-pdf", "--json"]  # fmt: skip
    command = [sys.executable, "-m", "ecgfoundry", *words]
    parts = tmp_path / "out" / "holter.parts"
    first = subprocess.run(
        [sys.executable, "-c", DIES_IN_THE_SECOND_PART, *words], stdout=subprocess.DEVNULL
    )
    assert first.returncode == -9
    kept = {part.name: part.stat().st_mtime_ns for part in parts.glob("part-*.npz")}
    assert len(kept) == 1
    assert not (tmp_path / "out" / "report.html").exists()
    again = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    # The parts that were whole are not made anew: seen until the run ends and takes them away.
    while again.poll() is None:
        for part in parts.glob("part-*.npz"):
            with contextlib.suppress(FileNotFoundError):
                if part.name in kept:
                    assert part.stat().st_mtime_ns == kept[part.name]
        clock.sleep(0.02)
    document = json.loads(again.stdout.read())
    assert again.returncode == 0
    assert document["beats"] == pytest.approx(9000, abs=2)  # one every 0.8 s
    assert "By the hour" in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert not parts.exists()


@pytest.mark.parametrize("kind", ["EEG", "PPG", "noise 1-15 Hz"])
def test_what_is_no_ecg_has_no_beats(tmp_path, kind):
    """Hundreds of ventricular beats were counted in an EEG."""
    from benchmarks.experiments.hostile_signals import as_leads

    x = as_leads(kind, np.random.default_rng(5), 125 * 420, 125.0, 2, alike=True)
    path = tmp_path / "x.npz"
    Recording.from_array(x, sampling_rate=125.0, leads=["I", "II"], unit="mV").write(path)
    report = measure_holter(path, tmp_path / "out", QUIET, workers=1)
    assert len(report.beats) == 0
    assert report.readable_s == 0
    assert report.unreadable == ((0.0, 420.0),)


def test_one_window_of_an_eeg_is_judged() -> None:
    """Ten seconds have room for one window, which begins with them."""
    from benchmarks.experiments.hostile_signals import as_leads

    x = as_leads("EEG", np.random.default_rng(5), 1250, 125.0, 2, alike=True)
    recording = Recording.from_array(x, sampling_rate=125.0, leads=["I", "II"], unit="mV")
    spans, asked = _no_ecg(recording)
    assert (spans, asked) == ([(0.0, 10.0)], [])


def test_a_minute_of_something_else_keeps_its_place(tmp_path):
    """Fibrillation lasts minutes; what lies around it is an ECG, so it stays in the report."""
    times = rhythm("N" * 600)
    signal = drawn(times, "N" * 600, rate=125.0)
    generator = np.random.default_rng(1)
    signal[:, 125 * 180 : 125 * 250] = np.sin(
        2 * np.pi * 4.5 * np.arange(125 * 70) / 125 + generator.uniform()
    )
    path = tmp_path / "x.npz"
    Recording.from_array(signal, sampling_rate=125.0, leads=["II"], unit="mV").write(path)
    report = measure_holter(path, tmp_path / "out", QUIET, workers=1)
    assert report.readable_s == report.duration_s


def test_half_of_the_minutes_say_that_there_is_no_row_of_foreign_ones():
    """All patterns of up to eleven minutes, against asking every one of them."""
    for count in range(1, 12):
        least = min(5, count)
        for pattern in itertools.product((False, True), repeat=count):
            filled = [
                foreign or (0 < k < count - 1 and pattern[k - 1] and pattern[k + 1])
                for k, foreign in enumerate(pattern)
            ]
            longest = max(len(row) for row in "".join(".x"[f] for f in filled).split("."))
            if longest >= least:
                assert holter_part._may_hold_a_row(pattern.__getitem__, count, least)
    asked = []
    assert not holter_part._may_hold_a_row(asked.append, 30, 5)
    assert asked == [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29]


def test_the_st_level_of_an_hour_is_the_median_of_its_minutes():
    (hour,) = holter_hours(Beats.from_samples([0, 1000, 2000], 1000.0), 240.0, [])
    windows = [
        WindowResult(0.0, 10.0, present=("atrial fibrillation",)),
        WindowResult(10.0, 10.0, present=()),
        WindowResult(20.0, 10.0, refused=Notice("flat", "nothing")),
        WindowResult(240.0, 10.0, present=("atrial fibrillation",)),  # of the next hour
    ]
    st = np.array([[0.1, np.nan, 0.1, 0.4], [np.nan] * 4])
    made = module._with_rhythm(hour, windows, st, ("II", "V1"))
    assert (made.af_percent, made.st_mv) == (50.0, {"II": 0.1})


def test_a_variability_that_is_missing_says_why():
    found = module._variability(Beats.from_samples([0, 1000], 1000.0))["sdnn_ms"]
    assert found["value"] is None
    assert found["reason"] == "1 intervals between normal beats; 5 are needed"


def test_a_usual_complex_is_as_wide_where_most_beats_lack_a_part_of_it():
    """Triangles of 80 ms; all but one miss what lies from 120 ms to 10 ms before their peak."""
    rate = 500.0
    beats = np.round((1.0 + 0.8 * np.arange(40)) * rate).astype(np.int64)
    away_s = np.abs(np.arange(round(40 * rate))[:, None] - beats).min(axis=1) / rate
    signal = np.maximum(0.0, 1.0 - away_s / 0.04)[None]
    whole = holter_part._usual_complex(signal, rate, beats)
    assert whole == pytest.approx((-0.04, 0.04), abs=0.015)
    for beat in beats[1:]:
        signal[:, beat - 60 : beat - 5] = np.nan
    assert holter_part._usual_complex(signal, rate, beats) == pytest.approx(whole, abs=0.004)


def test_another_recording_under_the_name_of_the_one_before(tmp_path):
    """One process measures both, as a service or a notebook does."""
    path = tmp_path / "day.npz"
    counts = []
    for beats in ("N" * 120, "NV" * 60):
        times = rhythm(beats)
        signal = drawn(times, beats, rate=125.0)
        recording = Recording.from_array(signal, sampling_rate=125.0, leads=["II"], unit="mV")
        recording.write(path, overwrite=True)
        report = measure_holter(path, tmp_path / "out", QUIET, workers=1)
        counts.append(int((report.beats.label == "V").sum()))
    assert counts[0] == 0
    assert counts[1] == pytest.approx(60, abs=2)


def test_parts_of_another_model_under_the_same_name_are_not_used(planted, tmp_path, short_parts):
    path, *_ = planted
    model = tmp_path / "model"
    shutil.copytree(find_bundle("rhythm-single-lead-edge"), model)
    settings = HolterSettings(model=str(model))
    started = []

    def stopping(function, tasks):
        started.append([task.start for task in tasks])
        yield function(tasks[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_holter(path, tmp_path / "out", settings, engine=stopping)
    shutil.rmtree(model)
    shutil.copytree(find_bundle("rhythm-single-lead"), model)
    with pytest.raises(KeyboardInterrupt):
        measure_holter(path, tmp_path / "out", settings, engine=stopping)
    assert started[0] == started[1]


def test_no_page_of_another_recording_stays(planted, tmp_path):
    """``holter --no-pdf`` into the folder of another patient left that patient's report there."""
    path, *_ = planted
    out = tmp_path / "out"
    out.mkdir()
    for name in ("report.html", "report.pdf"):
        (out / name).write_text("of somebody else")
    (out / "notes.txt").write_text("kept")
    measure_holter(path, out, QUIET, workers=1)
    assert not (out / "report.html").exists() and not (out / "report.pdf").exists()
    assert (out / "notes.txt").read_text() == "kept"
