"""ISHNE: against ``ecgdatakit`` on a real Holter, and against files laid out byte by byte."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from tests.formats.layouts import ecg_like, ishne_file

from ecgfoundry.errors import FormatError, TruncatedFileError
from ecgfoundry.formats import read
from ecgfoundry.recording import Subject


def test_real_holter_equals_ecgdatakit(shared_data: Path) -> None:
    parsers = pytest.importorskip(
        "ecgdatakit.parsing.parsers.ishne_holter", reason="the oracle is not installed"
    )
    path = shared_data / "formats/ishne/ECG_P28.01.ecg"
    theirs, ours = parsers.ISHNEHolterParser().parse(path), read(path)
    assert ours.header["checksum"] == "verified"
    assert len(theirs.leads) == len(ours.leads) == 12
    for lead in theirs.leads:
        expected = (lead.samples * lead.resolution / 1000).astype(np.float32)
        np.testing.assert_allclose(ours.lead(lead.label), expected, atol=1e-7)
    assert ours.sampling_rate == 1000
    assert ours.duration_s == pytest.approx(95.573)


def test_beats_of_the_real_annotation_file_lie_on_r_peaks(shared_data: Path) -> None:
    recording = read(shared_data / "formats/ishne/ECG_P28.01.ecg")
    lead = recording.lead("II")
    beats = [mark for mark in recording.annotations if mark.kind == "beat"][1:-1]
    assert len(beats) > 80
    offsets = []
    for mark in beats:
        place = round(mark.time_s * 1000)
        around = lead[place - 150 : place + 150]
        offsets.append(int(np.argmax(np.abs(around - np.median(around)))) - 150)
    assert np.median(np.abs(offsets)) <= 5  # ms


def test_header_fields(tmp_path: Path) -> None:
    x = ecg_like(3, 500, 200)
    path = ishne_file(
        tmp_path / "x.ecg", x, codes=(5, 12, 0), rate=200, resolution=2500, pacemaker=4,
        quality=2, beats=[80, 240, 400, 900],
    )  # fmt: skip
    recording = read(path)
    assert recording.leads == ("I", "V2", "channel 3")
    np.testing.assert_allclose(recording.signal, x * 0.0025, rtol=1e-6)
    assert recording.subject == Subject(59.0, "female", "ID7", dt.date(1950, 6, 5))
    assert recording.start_time == dt.datetime(2010, 3, 2, 8, 9, 10)
    assert recording.header["pacemaker"] == "single chamber bipolar"
    assert recording.header["lead_quality"].startswith("intermittent noise")
    assert recording.header["annotations"] == "1 outside the recording are left out"
    assert [mark.time_s for mark in recording.annotations] == [0.4, 1.2, 2.0]
    assert recording.device["model"] == "Recorder"
    assert "Last" not in str(recording.header)
    part = read(path, start_s=1, duration_s=0.5)
    np.testing.assert_array_equal(part.signal, recording.signal[:, 200:300])
    assert [mark.time_s for mark in part.annotations] == [pytest.approx(0.2)]


def test_samples_counted_over_all_leads(tmp_path: Path) -> None:
    x = ecg_like(3, 500, 200)
    path = ishne_file(tmp_path / "x.ecg", x, codes=(5, 6, 7), rate=200, total_count=True)
    np.testing.assert_allclose(read(path).signal, x * 0.001, rtol=1e-6)


def test_damage_is_typed(tmp_path: Path) -> None:
    x = ecg_like(2, 500, 200)
    path = ishne_file(tmp_path / "x.ecg", x, codes=(5, 6), rate=200)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:-2])
    with pytest.raises(TruncatedFileError, match="500 samples of 2 leads"):
        read(path)
    content[156] = 13
    path.write_bytes(content)
    with pytest.raises(FormatError, match="13 leads"):
        read(path)
    content[156] = 2
    content[28] ^= 1
    path.write_bytes(content)
    assert read(path).header["checksum"] == "header mismatch"
