"""SCP-ECG: against ``ecgdatakit`` where it reads a variant, and against an encoder written here."""

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.layouts import ecg_like, scp_bits, scp_file

from ecgfoundry.errors import EcgFoundryError, FormatError, TruncatedFileError
from ecgfoundry.formats import inspect, read
from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.recording import Subject

EIGHT = (1, 2, 3, 4, 5, 6, 7, 8)


def theirs(path: Path) -> np.ndarray:
    parsers = pytest.importorskip(
        "ecgdatakit.parsing.parsers.scp_ecg", reason="the oracle is not installed"
    )
    record = parsers.SCPECGParser().parse(path)
    return np.stack([lead.samples * lead.resolution / 1000 for lead in record.leads])


@pytest.mark.parametrize("differences", [0, 1, 2])
@pytest.mark.parametrize("huffman", [False, True])
def test_plain_and_coded_samples(tmp_path: Path, differences: int, huffman: bool) -> None:
    x = ecg_like(8, 1000, 500)
    path = scp_file(
        tmp_path / "x.scp", x, codes=EIGHT, samples=1000, differences=differences, huffman=huffman,
        multiplier=2500,
    )  # fmt: skip
    recording = read(path)
    np.testing.assert_allclose(recording.signal, x * 0.0025, rtol=1e-6)
    np.testing.assert_allclose(recording.signal, theirs(path), rtol=1e-6)
    assert recording.leads == ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    assert recording.sampling_rate == 500
    assert recording.header["checksum"] == "verified"


def test_header_fields_and_measurements(tmp_path: Path) -> None:
    x = ecg_like(1, 500, 500)
    recording = read(scp_file(tmp_path / "x.scp", x, codes=(2,), samples=500))
    assert recording.subject == Subject(61.0, "female", "P7")
    assert recording.start_time == dt.datetime(2024, 5, 6, 7, 8, 9)
    assert recording.device == {"highpass": "0.05 Hz", "lowpass": "150 Hz"}
    assert device_measurements(recording.header) == {
        "rr_ms": 800, "p_ms": 100, "pr_ms": 160, "qrs_ms": 90, "qt_ms": 380,
        "p_axis_deg": 40, "qrs_axis_deg": 55, "heart_rate_bpm": 75, "qtc_ms": 420,
    }  # fmt: skip


def own_tables() -> tuple[bytes, dict[int, tuple[str, int, int]]]:
    """Two tables: the second is switched to by "111" and back by "00"."""
    # prefix, total, mode (1 value, 0 switch), value, code as text
    first = [("0", 1, 1, 0), ("10", 2, 1, 5), ("110", 11, 1, 0), ("111", 3, 0, 2)]
    second = [("1", 17, 1, 0), ("00", 2, 0, 1)]
    raw = struct.pack("<H", 2)
    for table in (first, second):
        raw += struct.pack("<H", len(table))
        for text, total, mode, value in table:
            stored = sum(int(bit) << place for place, bit in enumerate(text))
            raw += struct.pack("<BBBhL", len(text), total, mode, value, stored)
    return raw, {}


def own_bits(values: np.ndarray) -> bytes:
    text = ""
    for value in values.tolist():
        if value == 0:
            text += "0"
        elif value == 5:
            text += "10"
        elif -128 <= value <= 127:
            text += "110" + format(value & 0xFF, "08b")
        else:
            text += "111" + "1" + format(value & 0xFFFF, "016b") + "00"
    text += "0" * (-len(text) % 8)
    return int("1" + text, 2).to_bytes(len(text) // 8 + 1, "big")[1:]


def test_own_tables_with_switches(tmp_path: Path) -> None:
    x = ecg_like(2, 700, 500)
    x[:, ::7] = 5
    path = scp_file(
        tmp_path / "x.scp", x, codes=(1, 2), samples=700, tables=own_tables()[0], encode=own_bits
    )
    np.testing.assert_allclose(read(path).signal, x / 1000, rtol=1e-6)
    np.testing.assert_allclose(read(path).signal, theirs(path), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.integers(-32768, 32767), min_size=1, max_size=200),
    differences=st.integers(0, 2),
)
def test_any_values_survive_the_coding(
    values: list[int], differences: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    x = np.array([values], np.int64)
    folder = tmp_path_factory.mktemp("s")

    def wrapped(stored: np.ndarray) -> bytes:
        return scp_bits(stored.astype(np.int16).astype(np.int64))

    path = scp_file(
        folder / "x.scp", x, codes=(1,), samples=len(values), differences=differences,
        huffman=True, encode=wrapped,
    )  # fmt: skip
    np.testing.assert_allclose(read(path).signal[0], np.array(values) / 1000, rtol=1e-6)


def beats(samples: int) -> dict[str, object]:
    generator = np.random.default_rng(3)
    rows = [np.rint(generator.normal(0, 200, 100)).astype(np.int64) for _ in range(2)]
    marks = [(0, at - 40, at, at + 49, at - 30, at + 29) for at in (120, 520, 900)]
    marks.append((1, 650, 700, 740, 670, 729))
    return {
        "length_ms": 200, "fiducial": 50, "marks": marks, "rows": rows, "interval_us": 2000,
        "differences": 1,
    }  # fmt: skip


def test_subtracted_reference_beats_are_added(tmp_path: Path) -> None:
    x = ecg_like(2, 1000, 500).astype(np.int64)
    beat = beats(1000)
    residual = x.copy()
    for kind, first, at, last, *_ in beat["marks"]:  # type: ignore[attr-defined]
        if kind == 0:
            for row, shape in zip(residual, beat["rows"], strict=True):  # type: ignore[call-overload]
                for sample in range(first, last + 1):  # numbered from 1
                    row[sample - 1] -= shape[sample - at + 50 - 1]
    path = scp_file(
        tmp_path / "x.scp", residual, codes=(1, 2), samples=1000, differences=2, huffman=True,
        flags=0x05, beat=beat,
    )  # fmt: skip
    recording = read(path)
    np.testing.assert_allclose(recording.signal, x / 1000, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(recording.signal, theirs(path), rtol=1e-5, atol=1e-6)
    assert recording.other_channels[0].kind == "representative-beat"
    np.testing.assert_allclose(
        recording.other_channels[1].signal,
        beat["rows"][1] / 1000,
        rtol=1e-6,  # type: ignore[index]
    )


@pytest.mark.parametrize("factor", [2, 4])
def test_bimodal_data_keep_every_protected_sample(tmp_path: Path, factor: int) -> None:
    x = ecg_like(2, 1000, 500).astype(np.int64)
    beat = beats(1000)
    protected = np.zeros(1000, bool)
    for _, _, _, _, first, last in beat["marks"]:  # type: ignore[attr-defined]
        protected[first - 1 : last] = True
    rows = []
    for row in x:
        stored, sample = [], 0
        while sample < 1000:
            if protected[sample]:
                stored.append(row[sample])
                sample += 1
                continue
            end = sample
            while end < 1000 and not protected[end] and end - sample < factor:
                end += 1
            stored.append(round(row[sample:end].mean()))
            sample = end
        rows.append(np.array(stored))
    path = scp_file(
        tmp_path / "x.scp", rows, codes=(1, 2), samples=1000, interval_us=2000 * factor,
        bimodal=True, huffman=True, differences=1, beat=beat,
    )  # fmt: skip
    recording = read(path)
    assert recording.samples == inspect(path).samples == 1000
    assert recording.sampling_rate == 500
    np.testing.assert_allclose(recording.signal[:, protected], x[:, protected] / 1000, rtol=1e-6)
    assert np.abs(recording.signal[:, ~protected] - x[:, ~protected] / 1000).mean() < 0.05
    assert recording.header["compression"] == (
        f"Huffman, differences of order 1, bimodal 1:{factor}"
    )


def test_a_length_that_overflows_gives_what_is_stored(tmp_path: Path) -> None:
    x = ecg_like(1, 40_000, 500)
    path = scp_file(tmp_path / "x.scp", x[:, :32767], codes=(2,), samples=40_000)
    recording = read(path)
    assert recording.samples == 40_000
    np.testing.assert_allclose(recording.signal[0, :32767], x[0, :32767] / 1000, rtol=1e-6)
    assert np.isnan(recording.signal[0, 32767:]).all()
    assert recording.header["samples_stored"].startswith("32767 of 40000")


def test_leads_that_begin_later(tmp_path: Path) -> None:
    x = ecg_like(2, 300, 500)
    path = scp_file(tmp_path / "x.scp", x, codes=(1, 2), samples=300, first=(1, 101))
    recording = read(path)
    assert recording.samples == 400
    assert np.isnan(recording.lead("II")[:100]).all()
    np.testing.assert_allclose(recording.lead("II")[100:], x[1] / 1000, rtol=1e-6)


def test_damage_is_typed(tmp_path: Path) -> None:
    x = ecg_like(2, 300, 500)
    path = scp_file(tmp_path / "x.scp", x, codes=(1, 2), samples=300, huffman=True)
    content = path.read_bytes()
    for kept in (30, 100, 300, len(content) - 1):
        path.write_bytes(content[:kept])
        with pytest.raises(TruncatedFileError):
            read(path)
    short = scp_file(tmp_path / "y.scp", x, codes=(1, 2), samples=900, huffman=True)
    with pytest.raises(EcgFoundryError, match=r"ends after|cannot hold|unknown"):
        read(short)
    nothing = scp_file(tmp_path / "z.scp", x, codes=(1, 2), samples=300, interval_us=0)
    with pytest.raises(FormatError, match="0 us per sample"):
        read(nothing)
