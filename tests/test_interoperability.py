"""A recording as an object of polars, MNE-Python and wfdb, and its own short description."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.recording import Annotation, Recording, Subject

START = dt.datetime(2024, 3, 2, 10, 20, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))


@pytest.fixture
def recording() -> Recording:
    return Recording.from_array(
        [[0.0, 500.0, np.nan, -1000.0], [1.0, 2.0, 3.0, 4.0]],
        sampling_rate=4,
        leads=["I", "V2"],
        unit="uV",
        start_time=START,
        subject=Subject(61.0, "female", "A-7"),
        annotations=(Annotation(0.25, "beat", "N"), Annotation(0.5, "rhythm", "(AFIB", 0.5, "V2")),
    )


def test_the_short_description_says_nothing_about_the_person(recording: Recording) -> None:
    assert repr(recording) == "<Recording: 2 leads (I, V2), 4 Hz, 1 s, 2 annotations>"
    twelve = ecgfoundry.read(ecgfoundry.sample_path("12-lead"))
    assert repr(twelve) == "<Recording: 12 leads (I, II, III, …), 500 Hz, 10 s, wfdb>"
    assert "lead (II)" in repr(recording.select(["V2"]).__class__(
        signal=np.zeros((1, 4)), sampling_rate=4, leads=("II",)))  # fmt: skip


def test_a_table_in_millivolts(recording: Recording) -> None:
    pytest.importorskip("polars", reason="needs the extra 'data'")
    frame = recording.to_frame()
    assert frame.columns == ["time_s", "I", "V2"]
    assert frame["time_s"].to_list() == [0.0, 0.25, 0.5, 0.75]
    np.testing.assert_allclose(frame["I"].to_numpy(), [0.0, 0.5, np.nan, -1.0])
    np.testing.assert_allclose(frame["V2"].to_numpy(), [0.001, 0.002, 0.003, 0.004], rtol=1e-6)


def test_mne_keeps_volts_start_and_annotations(recording: Recording) -> None:
    pytest.importorskip("mne", reason="needs mne")
    raw = recording.to_mne()
    assert raw.ch_names == ["I", "V2"] and raw.get_channel_types() == ["ecg", "ecg"]
    assert raw.info["sfreq"] == 4.0
    np.testing.assert_allclose(raw.get_data()[0], [0.0, 5e-4, np.nan, -1e-3])
    assert raw.info["meas_date"] == dt.datetime(2024, 3, 2, 8, 20, 30, tzinfo=dt.UTC)
    marks = raw.annotations
    assert list(marks.description) == ["beat: N", "rhythm: (AFIB"]
    np.testing.assert_allclose(marks.onset, [0.25, 0.5])
    np.testing.assert_allclose(marks.duration, [0.0, 0.5])
    assert [tuple(names) for names in marks.ch_names] == [(), ("V2",)]


def test_wfdb_writes_what_we_read_again(recording: Recording, tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb", reason="needs wfdb")
    record = recording.to_wfdb("a b")
    assert (record.record_name, record.fs, record.units) == ("a_b", 4.0, ["mV", "mV"])
    assert (record.base_date, record.base_time) == (dt.date(2024, 3, 2), dt.time(10, 20, 30))
    wfdb.wrsamp(
        record.record_name, fs=record.fs, units=record.units, sig_name=record.sig_name,
        p_signal=record.p_signal, fmt=["16", "16"], write_dir=str(tmp_path),
    )  # fmt: skip
    back = ecgfoundry.read(tmp_path / "a_b.hea")
    assert back.leads == ("I", "V2")
    np.testing.assert_allclose(back.signal, recording.signal, atol=1e-4)


def test_a_recording_writes_itself(recording: Recording, tmp_path: Path) -> None:
    written = recording.write(tmp_path / "r.npz", keep_subject=False)
    back = ecgfoundry.read(written.path)
    assert back.leads == recording.leads and back.subject == Subject()
    np.testing.assert_allclose(back.signal, recording.signal)


def test_a_notebook_shows_ten_seconds_on_paper_and_nobody(recording: Recording) -> None:
    twelve = ecgfoundry.read(ecgfoundry.sample_path("12-lead"))
    html = twelve._repr_html_()
    assert html.startswith("<p>Recording: 12 leads (I, II, III, …), 500 Hz, 10 s, wfdb</p><svg")
    assert (
        "<p>Recording: 2 leads" in recording._repr_html_() and "A-7" not in recording._repr_html_()
    )
    empty = Recording(signal=np.full((1, 4), np.nan), sampling_rate=4, leads=("<b>",))
    assert empty._repr_html_() == "<p>Recording: 1 lead (&lt;b&gt;), 4 Hz, 1 s</p>"


def test_a_plot_is_saved_as_it_is_shown(tmp_path: Path) -> None:
    plot = ecgfoundry.read(ecgfoundry.sample_path("single-lead")).plot(title="A rhythm")
    path = plot.save(tmp_path / "ecg.svg")
    assert plot._repr_svg_() in path.read_text(encoding="utf-8")
