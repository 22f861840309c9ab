"""MFER: files laid out byte by byte from ISO 22077-1; no licensed real file was found."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from tests.formats.layouts import ecg_like, mfer_file

from ecgfoundry.errors import FormatError, LeadError
from ecgfoundry.formats import inspect, read
from ecgfoundry.recording import Subject

pytest.importorskip("ecgdatakit", reason="the decoder 'ecgdatakit' is not installed")


@pytest.mark.parametrize("little", [True, False])
def test_leads_units_and_rate(tmp_path: Path, little: bool) -> None:
    x = ecg_like(3, 500, 250)
    x[1, 100:110] = -32768
    path = mfer_file(
        tmp_path / "x.mwf", x, codes=(1, 64, 8), rate=250, nanovolts=1250, little=little,
        null=-32768,
    )  # fmt: skip
    recording = read(path)
    assert recording.leads == inspect(path).leads == ("I", "aVF", "V6")
    assert recording.sampling_rate == 250
    expected = x * 0.00125
    expected[1, 100:110] = np.nan
    np.testing.assert_allclose(recording.signal, expected, rtol=1e-6)
    assert recording.subject == Subject(61.0, "female", "P9", dt.date(1963, 1, 2))
    assert recording.start_time == dt.datetime(2024, 5, 6, 7, 8, 9, 500_000)
    assert recording.device["manufacturer"] == "Maker"


@pytest.mark.parametrize(
    ("code", "words"),
    [(25, "a power spectrum"), (26, "a trend"), (30, "sounds"), (31, "pulse waves"),
     (40, "a resting EEG"), (41, "evoked potentials"), (42, "a frequency analysis of an EEG"),
     (43, "a long-term EEG")],
)  # fmt: skip
def test_what_is_no_ecg_is_named(tmp_path: Path, code: int, words: str) -> None:
    """Types of waveforms, ISO 22077-1, table 5-14; the tag is 0x08."""
    path = mfer_file(tmp_path / "x.mwf", ecg_like(1, 300, 250), codes=(1,), rate=250)
    content = path.read_bytes()
    kind = bytes([0x08, 2]) + code.to_bytes(2, "little")
    path.write_bytes(content[:37] + kind + content[37:])  # behind the preamble and the byte order
    with pytest.raises(LeadError, match=f"holds {words}, which"):
        read(path)


def test_its_preamble_is_a_sign_without_an_ending(tmp_path: Path) -> None:
    path = mfer_file(tmp_path / "x.mwf", ecg_like(1, 300, 250), codes=(1,), rate=250)
    assert inspect(path.rename(tmp_path / "x.bin")).leads == ("I",)


def test_an_offset_counts(tmp_path: Path) -> None:
    """OFF, tag 0x0D, of -100: (350 - 100) steps of 1 uV, in the order of ISO 22077-1."""
    signal = np.full((1, 300), 350, np.int16)
    path = mfer_file(tmp_path / "x.mwf", signal, codes=(1,), rate=250)
    content = path.read_bytes()
    path.write_bytes(content[:37] + bytes([0x0D, 2, 0x9C, 0xFF]) + content[37:])
    np.testing.assert_allclose(read(path).signal, 0.25, rtol=1e-6)


def test_a_cut_length_is_typed(tmp_path: Path) -> None:
    path = mfer_file(tmp_path / "x.mwf", ecg_like(2, 300, 250), codes=(1, 2), rate=250)
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(FormatError, match="remain"):
        read(path)
