"""DICOM waveforms: against ``pydicom``, on a real object and on written ones."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import numpy as np
import pytest
from tests.formats.layouts import dicom_file, ecg_like

from ecgfoundry.errors import (
    LimitError,
    SignalError,
    TruncatedFileError,
    UnitError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import inspect, iterate, read
from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Subject

pydicom = pytest.importorskip("pydicom", reason="the oracle 'pydicom' is not installed")

CODES = tuple(f"5.6.3-9-{n}" for n in (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8))


def test_real_object_equals_pydicom(fixtures: Path) -> None:
    path = fixtures / "dicom/waveform_ecg.dcm"
    recording = read(path)
    theirs = pydicom.dcmread(path)
    assert recording.leads == STANDARD_12_LEADS
    np.testing.assert_allclose(
        recording.signal, theirs.waveform_array(0).T / 1000, rtol=1e-6, atol=1e-7
    )
    beats = np.stack([channel.signal for channel in recording.other_channels])
    np.testing.assert_allclose(beats, theirs.waveform_array(1).T / 1000, rtol=1e-6, atol=1e-7)
    assert {channel.kind for channel in recording.other_channels} == {"representative-beat"}
    assert device_measurements(recording.header) == {
        "rr_ms": 982, "pr_ms": 161, "qrs_ms": 75, "qt_ms": 368, "qtc_ms": 370,
        "p_axis_deg": 74, "qrs_axis_deg": 52, "t_axis_deg": 57,
    }  # fmt: skip
    assert recording.header["statements"].startswith("RITMO SINUSALE")
    assert recording.subject == Subject(42.0, "female", "642341", birth_date=dt.date(1971, 1, 23))
    assert recording.start_time == dt.datetime(2013, 1, 25, 10, 59, 19)
    assert recording.device["highpass"] == "0.05 Hz"


@pytest.mark.parametrize(
    ("interpretation", "bits"),
    [("SS", 16), ("US", 16), ("SB", 8), ("UB", 8), ("SL", 32), ("UL", 32)],
)
@pytest.mark.parametrize(
    "syntax",
    ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"],
)
def test_every_sample_type_and_transfer_syntax(
    tmp_path: Path, interpretation: str, bits: int, syntax: str
) -> None:
    if syntax == "1.2.840.10008.1.2.2" and bits == 32:
        pytest.skip("pydicom writes OW in 16-bit words, so 32-bit samples come out mixed")
    x = np.clip(ecg_like(2, 250, 250), -100, 100)
    stored = x.astype(np.int64) + (0 if interpretation[0] == "S" else 100)
    path = dicom_file(
        tmp_path / "x.dcm", stored, codes=("2:1", "2:7"), scheme="MDC", rate=250,
        sensitivity=2.5, correction=1.5, baseline=-40.0, interpretation=interpretation, bits=bits,
        syntax=syntax,
    )  # fmt: skip
    recording = read(path)
    assert recording.leads == ("I", "V5")
    expected = (stored * 2.5 * 1.5 - 40.0) / 1000
    np.testing.assert_allclose(recording.signal, expected, rtol=1e-6, atol=1e-6)
    assert recording.start_time == dt.datetime(2024, 5, 6, 7, 8, 9, 500_000)
    part = read(path, start_s=0.2, duration_s=0.4)
    np.testing.assert_array_equal(part.signal, recording.signal[:, 50:150])


def test_groups_of_three_leads_stand_at_their_offsets(tmp_path: Path) -> None:
    x = ecg_like(12, 500, 200)
    path = dicom_file(
        tmp_path / "x.dcm", x, codes=CODES, rate=200, sensitivity=1, split=3,
        offsets=(0.0, 2500.0, 5000.0, 7500.0), median=ecg_like(12, 120, 200, seed=8),
    )  # fmt: skip
    recording = read(path)
    assert recording.leads == STANDARD_12_LEADS
    assert recording.samples == inspect(path).samples == 2000
    for row, lead in enumerate(recording.signal):
        begin = row // 3 * 500
        np.testing.assert_allclose(lead[begin : begin + 500], x[row] / 1000, rtol=1e-6)
        assert np.isnan(lead).sum() == 1500
    assert len(recording.other_channels) == 12
    joined = np.concatenate([w.signal for w in iterate(path, 0.9)], axis=1)
    np.testing.assert_array_equal(joined, recording.signal)


def test_several_waveforms_of_the_same_leads(tmp_path: Path) -> None:
    x = ecg_like(4, 300, 100)
    path = dicom_file(tmp_path / "x.dcm", x, codes=CODES[:2] * 2, rate=100, sensitivity=1, split=2)
    assert inspect(path).recordings == 2
    with pytest.raises(SignalError, match="holds 2 waveforms"):
        read(path)
    np.testing.assert_allclose(read(path, index=0).signal, x[:2] / 1000, rtol=1e-6)
    np.testing.assert_allclose(read(path, index=1).signal, x[2:] / 1000, rtol=1e-6)
    with pytest.raises(SignalError, match="no waveform 2"):
        read(path, index=2)


def test_skew_and_padding(tmp_path: Path) -> None:
    x = ecg_like(2, 300, 100)
    x[0, 40:50] = -30000
    path = dicom_file(
        tmp_path / "x.dcm", x, codes=CODES[:2], rate=100, sensitivity=1, skew=(0.0, 0.03),
        padding=-30000,
    )  # fmt: skip
    recording = read(path)
    assert np.flatnonzero(np.isnan(recording.signal[0])).tolist() == list(range(40, 50))
    np.testing.assert_allclose(recording.signal[1, 3:], x[1, :-3] / 1000, rtol=1e-6)
    assert np.isnan(recording.signal[1, :3]).all()
    assert recording.header["time_skew"] == "whole samples corrected"
    joined = np.concatenate([w.signal for w in iterate(path, 0.37)], axis=1)
    np.testing.assert_array_equal(joined, recording.signal)


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    x = ecg_like(2, 300, 100)
    companded = dicom_file(
        tmp_path / "m.dcm", np.abs(x) % 200, codes=CODES[:2], interpretation="MB", bits=8
    )
    with pytest.raises(UnsupportedVariantError, match="mu-law"):
        read(companded)
    pressure = dicom_file(tmp_path / "p.dcm", x, codes=CODES[:2], unit="mm[Hg]")
    with pytest.raises(UnitError, match="'I' is named as an ECG lead, but its unit is"):
        read(pressure)
    path = dicom_file(tmp_path / "c.dcm", x, codes=CODES[:2])
    content = path.read_bytes()
    for kept in itertools.chain(range(140, 1000, 61), [len(content) - 3]):
        path.write_bytes(content[:kept])
        with pytest.raises((TruncatedFileError, UnsupportedVariantError)):
            read(path)
    data = pydicom.dcmread(dicom_file(tmp_path / "n.dcm", x, codes=CODES[:2]))
    del data.WaveformSequence
    data.save_as(tmp_path / "n.dcm")
    with pytest.raises(UnsupportedVariantError, match=r"holds no waveform.*Export"):
        read(tmp_path / "n.dcm")


def test_nesting_and_inflation_are_bounded(tmp_path: Path) -> None:
    path = dicom_file(tmp_path / "x.dcm", ecg_like(1, 100, 100), codes=CODES[:1])
    deep = b"".join(
        b"\x40\x00\x43\xa0SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
        for _ in range(5000)
    )
    path.write_bytes(path.read_bytes() + deep)
    with pytest.raises(LimitError, match="nested more than"):
        read(path)
    import zlib

    head = dicom_file(
        tmp_path / "d.dcm", ecg_like(1, 100, 100), codes=CODES[:1], syntax="1.2.840.10008.1.2.1.99"
    ).read_bytes()
    begin = 132 + 12 + int.from_bytes(head[140:144], "little")
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = engine.compress(bytes(300_000_000)) + engine.flush()
    (tmp_path / "bomb.dcm").write_bytes(head[:begin] + bomb)
    with pytest.raises(LimitError, match="inflates to over"):
        read(tmp_path / "bomb.dcm")
