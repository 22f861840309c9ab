"""The numbers of ISHNE: every field of the header by its place (Badilini 1998), and the beats."""

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.formats.layouts import ishne_file

from ecgfoundry.errors import EcgFoundryError, FormatError, LimitError, TruncatedFileError
from ecgfoundry.formats import inspect, read
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.devices.ishne import READER
from ecgfoundry.recording import Subject

RAMP = np.arange(60, dtype=np.int16).reshape(2, 30)


def file(folder: Path, changes: dict[int, bytes] | None = None, **fields: Any) -> Path:
    """Write two leads of 30 samples at 100 Hz, with other bytes at some places of the header."""
    fields = {"codes": (5, 6), "rate": 100, **fields}
    path = ishne_file(folder / "x.ecg", fields.pop("signal", RAMP), **fields)
    if changes:
        content = bytearray(path.read_bytes())
        for place, value in changes.items():
            content[place : place + len(value)] = value
        path.write_bytes(content)
    return path


def short(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}h", *values)


def test_resolutions_in_nanovolts(tmp_path: Path) -> None:
    path = file(tmp_path, {206: short(2500, 312)})
    expected = [RAMP[0] * 0.0025, RAMP[1] * 0.000312]
    np.testing.assert_allclose(read(path).signal, expected, rtol=1e-6)
    # A unit from the caller stands for one stored step.
    np.testing.assert_allclose(read(path, unit="uV").signal, RAMP / 1000, rtol=1e-6)
    for value in (0, -9):
        with pytest.raises(FormatError, match=f"lead 2 has a resolution of {value} nV"):
            read(file(tmp_path, {208: short(value)}))


BORN = dt.date(1950, 6, 5)


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({}, "start_time", dt.datetime(2010, 3, 2, 8, 9, 10)),
        ({138: short(31, 12, 1999)}, "start_time", dt.datetime(1999, 12, 31, 8, 9, 10)),
        ({150: short(23, 59, 58)}, "start_time", dt.datetime(2010, 3, 2, 23, 59, 58)),
        ({150: short(-9, -9, -9)}, "start_time", None),
        ({150: short(8, 9, -9)}, "start_time", dt.datetime(2010, 3, 2, 8, 9)),
        ({150: short(-9, -9, -9)}, "subject", Subject(59.0, "female", "ID7", BORN)),
        ({150: short(-9, 0, 0)}, "start_time", None),
        ({138: short(-9, -9, -9)}, "start_time", None),
        ({}, "subject", Subject(59.0, "female", "ID7", BORN)),
        ({128: short(1)}, "subject", Subject(59.0, "male", "ID7", BORN)),
        ({128: short(0)}, "subject", Subject(59.0, None, "ID7", BORN)),
        ({132: short(2, 3, 1990)}, "subject", Subject(20.0, "female", "ID7", dt.date(1990, 3, 2))),
        ({132: short(3, 3, 1990)}, "subject", Subject(19.0, "female", "ID7", dt.date(1990, 3, 3))),
        ({132: short(-9, -9, -9)}, "subject", Subject(None, "female", "ID7")),
        ({108: b"other\0"}, "subject", Subject(59.0, "female", "other", BORN)),
        ({108: b"x" * 20, 128: short(0x41)}, "subject", Subject(59.0, None, "x" * 20, BORN)),
        ({232: b"Box 5\0"}, "device", {"model": "Box 5"}),
        ({232: bytes(40)}, "device", {}),
        ({272: short(250)}, "sampling_rate", 250.0),
    ],
)
def test_fields(tmp_path: Path, changes: dict, field: str, expected: object) -> None:
    recording = read(file(tmp_path, changes))
    found = getattr(recording, field)
    assert (dict(found) if field == "device" else found) == expected


def test_bytes_behind_the_samples_are_counted(tmp_path: Path) -> None:
    path = file(tmp_path)
    assert "trailing_bytes" not in read(path).header
    path.write_bytes(path.read_bytes() + b"abc")
    assert read(path).header["trailing_bytes"] == "3"


@pytest.mark.parametrize(
    ("code", "text"),
    [(1, "good"), (2, "intermittent noise"), (3, "frequent noise"),
     (4, "intermittent disconnect"), (5, "frequent disconnect")],
)  # fmt: skip
def test_lead_qualities(tmp_path: Path, code: int, text: str) -> None:
    header = read(file(tmp_path, {182: short(code, 0)})).header
    assert header["lead_quality"] == f"{text}, unknown"
    assert "lead_quality" not in read(file(tmp_path, {182: short(0, 6)})).header


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, None), (1, "unknown type"), (2, "single chamber unipolar"), (3, "dual chamber unipolar"),
     (4, "single chamber bipolar"), (5, "dual chamber bipolar"), (6, None)],
)  # fmt: skip
def test_pacemakers(tmp_path: Path, code: int, text: str | None) -> None:
    assert read(file(tmp_path, pacemaker=code)).header.get("pacemaker") == text


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({156: short(0)}, FormatError, "announces 0 leads"),
        ({156: short(13)}, FormatError, "announces 13 leads"),
        ({14: struct.pack("<i", 0)}, FormatError, "0 samples at 100 Hz"),
        ({272: short(0)}, FormatError, "30 samples at 0 Hz"),
        ({22: struct.pack("<i", 521)}, FormatError, "from byte 521"),
        ({18: struct.pack("<i", -1)}, FormatError, "is damaged"),
        ({10: struct.pack("<i", -1)}, LimitError, "-1 bytes"),
        ({10: struct.pack("<i", 1_000_001)}, LimitError, "1000001 bytes"),
        ({10: struct.pack("<i", 1_000_000)}, TruncatedFileError, "1000522"),
        ({14: struct.pack("<i", 31)}, TruncatedFileError, "31 samples of 2 leads"),
        ({14: struct.pack("<i", 61)}, TruncatedFileError, "61 samples of 2 leads"),
        ({0: b"ISHNE2.0"}, FormatError, "does not begin"),
    ],
)
def test_damage(tmp_path: Path, changes: dict, error: type[EcgFoundryError], words: str) -> None:
    path = file(tmp_path, changes)
    with pytest.raises(error, match=words):
        READER.read(path, ReadOptions(), 0, None)


def test_smallest_and_largest_values_that_are_read(tmp_path: Path) -> None:
    one = np.array([[7]], np.int16)
    path = file(tmp_path, {272: short(1)}, signal=one, codes=(5,))
    assert read(path).signal.tolist() == [[np.float32(0.007)]]
    twelve = np.arange(24, dtype=np.int16).reshape(12, 2)
    assert len(read(file(tmp_path, signal=twelve, codes=range(5, 17))).leads) == 12
    # Samples counted over all leads, where the size of the file says so: 60 = 2 x 30.
    counted = {14: struct.pack("<i", 60)}
    np.testing.assert_allclose(read(file(tmp_path, counted)).signal, RAMP / 1000, rtol=1e-6)
    assert inspect(file(tmp_path, {14: struct.pack("<i", 29)})).samples == 29
    # The data begin where the header says, here one sample of both leads later.
    later = file(tmp_path, {22: struct.pack("<i", 535), 14: struct.pack("<i", 29)})
    np.testing.assert_allclose(read(later).signal, RAMP[:, 1:] / 1000, rtol=1e-6)


def test_parts(tmp_path: Path) -> None:
    path = file(tmp_path)
    for start, stop, low, high in ((0, None, 0, 30), (-4, 99, 0, 30), (7, 19, 7, 19), (9, 3, 9, 9)):
        part = READER.read(path, ReadOptions(), start, stop)
        np.testing.assert_allclose(part.signal, RAMP[:, low:high] / 1000, rtol=1e-6)
    part = read(path, start_s=0.1, sampling_rate=200)
    assert (part.sampling_rate, part.samples) == (200, 10)
    assert part.start_time == dt.datetime(2010, 3, 2, 8, 9, 10, 100_000)
    assert inspect(path, sampling_rate=200).sampling_rate == 200
    assert READER.read(path, ReadOptions(limits=Limits(samples=60)), 0, None).samples == 30
    with pytest.raises(LimitError, match="60 samples"):
        READER.read(path, ReadOptions(limits=Limits(samples=59)), 0, None)


def test_long_files_are_read_in_blocks(tmp_path: Path) -> None:
    """A block has four million values: two million samples of two leads."""
    signal = (np.arange(4_200_000) % 30_011).astype(np.int16).reshape(2, -1)
    recording = read(file(tmp_path, signal=signal))
    np.testing.assert_array_equal(np.rint(recording.signal * 1000).astype(np.int16), signal)


LABELS = {
    "N": ("beat", "N"), "V": ("beat", "V"), "S": ("beat", "S"), "B": ("beat", "B"),
    "P": ("beat", "P"), "U": ("beat", "U"), "C": ("note", "C"), "!": ("note", "!"),
    "X": ("noise", "X"), " ": ("beat", "code 32"), "~": ("beat", "~"), "\x7f": ("beat", "code 127"),
}  # fmt: skip


def test_labels_of_beats(tmp_path: Path) -> None:
    """Each annotation has a label, a code and the samples since the one before it."""
    path = file(tmp_path, beats=[2])
    beside = path.with_suffix(".ann")
    head = beside.read_bytes()[: 522 + 9]
    marks = b"".join(label.encode() + b"\xff" + struct.pack("<H", 2) for label in LABELS)
    beside.write_bytes(head + struct.pack("<i", 1) + marks + b"tail"[:3])
    recording = read(path)
    assert [(m.kind, m.text) for m in recording.annotations] == list(LABELS.values())
    assert [round(m.time_s * 100) for m in recording.annotations] == list(range(3, 27, 2))
    assert "annotations" not in recording.header


@pytest.mark.parametrize(
    ("first", "inside", "state"),
    [
        (0, 1, None), (29, 1, None), (30, 0, "1 outside the recording are left out"),
        (-1, 0, "1 outside the recording are left out"),
    ],
)  # fmt: skip
def test_beats_outside(tmp_path: Path, first: int, inside: int, state: str | None) -> None:
    path = file(tmp_path, beats=[0])
    beside = path.with_suffix(".ann")
    beside.write_bytes(beside.read_bytes()[:531] + struct.pack("<i", first) + b"N\0\0\0")
    recording = read(path)
    assert len(recording.annotations) == inside
    assert recording.header.get("annotations") == state


def test_annotation_files_that_are_none(tmp_path: Path) -> None:
    path = file(tmp_path, beats=[0])
    beside = path.with_suffix(".ann")
    content = beside.read_bytes()
    size = "not read: the annotation file has an impossible size"
    other = "not read: the file beside the recording is no ISHNE annotation file"
    for changed, state in (
        (content[:525], size),
        (content[:526], other),  # 522 bytes, nine of text, four of the first sample: 535
        (content[:534], other),
        (content[:535], None),
        (b"ANN  2.0" + content[8:], other),
        (content[:10] + struct.pack("<i", -1) + content[14:], other),
    ):
        beside.write_bytes(changed)
        recording = read(path)
        assert recording.header.get("annotations") == state
        assert recording.annotations == ()
    with beside.open("wb") as file_:
        file_.truncate(100_000_001)
    assert read(path).header["annotations"] == size
