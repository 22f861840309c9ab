"""WFDB byte by byte: signal files, headers and annotation files written by hand.

References: WFDB Applications Guide, signal(5), header(5) and annot(5), with ecgcodes.h and
ecgmap.h of the WFDB library. The bytes are literals, so no encoder can share an error with the
decoder; the ``wfdb`` package reads the same bytes.
"""

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry import load_model
from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LimitError,
    TruncatedFileError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import inspect, read
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.wfdb.annotations import parse_annotation_file, read_annotation_file
from ecgfoundry.formats.wfdb.flac import FLAC_INVALID
from ecgfoundry.formats.wfdb.header import (
    WfdbHeader,
    looks_like_header,
    parse_header,
    read_header,
)
from ecgfoundry.formats.wfdb.reader import READER, sniff
from ecgfoundry.formats.wfdb.signals import check_range, open_source
from ecgfoundry.formats.wfdb.storage import STORAGE_FORMATS, bytes_needed, decode

# Storage format -> bytes (hexadecimal), and the samples that signal(5) makes of them.
HAND = {
    8: ("01 ff 7f 80 00", [1, -1, 127, -128, 0]),  # first differences
    16: ("01 00 ff ff ff 7f 01 80 34 12", [1, -1, 32767, -32767, 0x1234]),
    24: ("01 00 00 ff ff ff ff ff 7f 01 00 80 56 34 12", [1, -1, 8388607, -8388607, 0x123456]),
    32: ("01 00 00 00 ff ff ff ff 01 00 00 80 78 56 34 12", [1, -1, -2147483647, 0x12345678]),
    61: ("00 01 ff ff 7f ff 80 01 12 34", [1, -1, 32767, -32767, 0x1234]),
    80: ("81 7f ff 01 80", [1, -1, 127, -127, 0]),  # offset binary
    160: ("01 80 ff 7f ff ff 01 00 00 80", [1, -1, 32767, -32767, 0]),
    # Two 12-bit samples in three bytes: the second byte holds the high nibbles, sample 1 lowest.
    212: ("01 f0 ff ff 17 01 34 a2 bc", [1, -1, 2047, 257, 0x234, -1348]),
    # Three 10-bit samples in two little-endian words, bit 0 unused; the third has the top bits.
    310: ("02 f8 fe ff fe 03 02 04", [1, -1, -1, 511, -511, 0]),
    # Three 10-bit samples in one little-endian word of 32 bits, the first lowest.
    311: ("01 fc ff 3f ff 05 28 20", [1, -1, -1, 511, -511, -510]),
}
# Bytes that 0 to 6 samples need (signal(5): the last group is cut behind its last used byte).
NEEDED = {
    8: [0, 1, 2, 3, 4, 5, 6],
    16: [0, 2, 4, 6, 8, 10, 12],
    24: [0, 3, 6, 9, 12, 15, 18],
    32: [0, 4, 8, 12, 16, 20, 24],
    61: [0, 2, 4, 6, 8, 10, 12],
    80: [0, 1, 2, 3, 4, 5, 6],
    160: [0, 2, 4, 6, 8, 10, 12],
    212: [0, 2, 3, 5, 6, 8, 9],
    310: [0, 2, 4, 4, 6, 8, 8],
    311: [0, 2, 3, 4, 6, 7, 8],
}
# The most negative value, which marks a missing sample.
INVALID = {
    8: None, 16: -32768, 24: -8388608, 32: -2147483648, 61: -32768, 80: -128, 160: -32768,
    212: -2048, 310: -512, 311: -512,
}  # fmt: skip


def write(folder: Path, header: str, content: bytes = b"", name: str = "r") -> Path:
    (folder / f"{name}.dat").write_bytes(content)
    (folder / f"{name}.hea").write_text(header)
    return folder / f"{name}.hea"


def parsed(text: str, limits: Limits | None = None) -> WfdbHeader:
    return parse_header(text.encode(), Path("r.hea"), limits or Limits())


# Signal files


def test_all_formats_are_here() -> None:
    assert set(STORAGE_FORMATS) == set(HAND) == set(NEEDED) == set(INVALID)
    assert FLAC_INVALID == {508: -128, 516: -32768, 524: -8388608}


@pytest.mark.parametrize("number", HAND)
def test_hand_encoded_samples(number: int, tmp_path: Path) -> None:
    content, expected = HAND[number]
    raw = bytes.fromhex(content)
    form = STORAGE_FORMATS[number]
    assert decode(form, np.frombuffer(raw, np.uint8), 0, len(expected)).tolist() == expected
    # The ninth field is the initial value, which format 8 adds its differences to.
    values = np.cumsum(expected).tolist() if number == 8 else expected
    path = write(tmp_path, f"r 1 100 {len(expected)}\nr.dat {number} 1(0)/mV 0 0 0 0 0 I\n", raw)
    assert read(path).signal[0].tolist() == [float(np.float32(value)) for value in values]


@pytest.mark.parametrize("number", sorted(set(HAND) - {8}))  # wfdb takes differences otherwise
def test_the_wfdb_package_reads_the_same(number: int, tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb", reason="the oracle 'wfdb' is not installed")
    content, expected = HAND[number]
    path = write(
        tmp_path,
        f"r 1 100 {len(expected)}\nr.dat {number} 1(0)/mV 0 0 0 0 0 I\n",
        bytes.fromhex(content),
    )
    found = wfdb.rdrecord(str(path.with_suffix("")), physical=False).d_signal[:, 0]
    assert found.tolist() == expected


@pytest.mark.parametrize("number", NEEDED)
def test_bytes_of_a_cut_group(number: int, tmp_path: Path) -> None:
    form = STORAGE_FORMATS[number]
    assert [bytes_needed(form, count) for count in range(7)] == NEEDED[number]
    assert form.invalid == INVALID[number]
    for count in range(1, 7):
        header = f"r 1 100 {count}\nr.dat {number} 1(0)/mV 0 0 0 0 0 I\n"
        size = NEEDED[number][count]
        assert read(write(tmp_path, header, bytes(size))).samples == count
        with pytest.raises(TruncatedFileError, match=f"{size - 1} bytes, the header announces"):
            read(write(tmp_path, header, bytes(size - 1)))


@pytest.mark.parametrize(
    ("number", "content"),
    [(16, "00 80 01 80"), (24, "00 00 80 01 00 80"), (32, "00 00 00 80 01 00 00 80"),
     (61, "80 00 80 01"), (80, "00 01"), (160, "00 00 01 00"), (212, "00 88 01"),
     (310, "00 04 02 04"), (311, "00 06 08 00")],
)  # fmt: skip
def test_the_lowest_value_alone_is_missing(number: int, content: str, tmp_path: Path) -> None:
    header = f"r 1 100 2\nr.dat {number} 1(0)/mV 0 0 0 0 0 I\n"
    signal = read(write(tmp_path, header, bytes.fromhex(content))).signal[0]
    lowest = INVALID[number]
    assert lowest is not None
    assert np.isnan(signal[0])
    assert signal[1] == np.float32(lowest + 1)


def test_the_length_of_a_file_without_one_in_its_header(tmp_path: Path) -> None:
    """Whole groups count: 2 samples in 3 bytes (212), 3 in 4 (310); 1 byte more is none."""
    for number, size, offset, expected in (
        (16, 7, 0, 3), (16, 10, 4, 3), (212, 8, 0, 4), (310, 11, 0, 6), (8, 5, 0, 5)
    ):  # fmt: skip
        suffix = f"+{offset}" if offset else ""
        path = write(tmp_path, f"r 1 100\nr.dat {number}{suffix} 1/mV 0 0 0 0 0 I\n", bytes(size))
        assert inspect(path).samples == expected
    # Two signals: the sixth of 11 samples ends no frame.
    two = "r 2 100\nr.dat 16 1/mV 0 0 0 0 0 I\nr.dat 16x2 1/mV 0 0 0 0 0 ABP\n"
    assert inspect(write(tmp_path, two, bytes(22))).samples == 3
    for number in (16, 8):  # shorter than what is in front of the samples
        header = f"r 1 100\nr.dat {number}+4 1/mV 0 0 0 0 0 I\n"
        with pytest.raises(FormatError, match="holds no samples"):
            read(write(tmp_path, header, bytes(3)))


def test_physical_values(tmp_path: Path) -> None:
    """header(5): physical = (digital - baseline) / gain; 200 units per mV where none is stated."""
    samples = struct.pack("<4h", 0, 100, -300, 1024)
    for fields, expected in {
        "": [0.0, 0.5, -1.5, 5.12],
        " 0": [0.0, 0.5, -1.5, 5.12],
        " /mV": [0.0, 0.5, -1.5, 5.12],
        " (100)/mV": [-0.5, 0.0, -2.0, 4.62],
        " 100": [0.0, 1.0, -3.0, 10.24],
        " 100(-100)/mV": [1.0, 2.0, -2.0, 11.24],
        " 100/mV 12 1024": [-10.24, -9.24, -13.24, 0.0],  # the ADC zero is the baseline
        " 100(0)/mV 12 1024": [0.0, 1.0, -3.0, 10.24],
        " -50(0)/uV 12 0": [0.0, -0.002, 0.006, -0.02048],
        " 2.5e1(0)/V": [0.0, 4000.0, -12000.0, 40960.0],
    }.items():
        path = write(tmp_path, f"r 1 100 4\nr.dat 16{fields}\n", samples)
        np.testing.assert_allclose(read(path, leads=["I"]).signal[0], expected, rtol=1e-6)


def test_a_gain_near_zero_gives_missing_samples_instead_of_infinities(tmp_path: Path) -> None:
    samples = struct.pack("<2h", 0, 1)
    for gain, lost in (("1e-16", False), ("1e-300", True)):
        path = write(tmp_path, f"r 1 100 2\nr.dat 16 {gain}(0)/mV 0 0 0 0 0 I\n", samples)
        signal = read(path).signal[0]
        assert signal[0] == 0
        assert np.isnan(signal[1]) == lost
        assert not np.isinf(signal).any()


def test_frames_of_several_rates(tmp_path: Path) -> None:
    """Three signals of 1, 3 and 2 samples per frame; the ECG keeps the higher of its two rates."""
    frames = struct.pack("<12h", 1, 10, 20, 60, 100, 101, 2, 40, 50, 90, 102, 103)
    header = (
        "r 3 10 2\nr.dat 16 1/mV 0 0 0 0 0 I\nr.dat 16x3 1/mV 0 0 0 0 0 II\n"
        "r.dat 16x2 1/mmHg 0 0 0 0 0 ABP\n"
    )
    recording = read(write(tmp_path, header, frames))
    assert (recording.sampling_rate, recording.leads) == (30, ("II",))
    assert recording.signal.tolist() == [[10, 20, 60, 40, 50, 90]]
    assert recording.header["leads_at_other_rates"] == "I"
    slow, pressure = recording.other_channels
    assert (slow.sampling_rate, slow.signal.tolist()) == (10, [1, 2])
    assert (pressure.sampling_rate, pressure.signal.tolist()) == (20, [100, 101, 102, 103])
    part = read(tmp_path / "r.hea", start_s=0.1)
    assert part.signal.tolist() == [[40, 50, 90]]
    assert [c.signal.tolist() for c in part.other_channels] == [[2], [102, 103]]


def test_parts_of_frames_with_several_samples(tmp_path: Path) -> None:
    """Four ECG samples and two of pressure per frame: a part may begin within a frame."""
    rows = [[n, n + 1, n + 2, n + 3, 100 + n // 2, 101 + n // 2] for n in (0, 4, 8)]
    content = b"".join(struct.pack("<6h", *row) for row in rows)
    header = "r 2 10 3\nr.dat 16x4 1/mV 0 0 0 0 0 I\nr.dat 16x2 1/mmHg 0 0 0 0 0 ABP\n"
    path = write(tmp_path, header, content)
    for start, stop, first, last in ((0, 12, 100, 105), (3, 9, 102, 103), (5, 8, 102, 103),
                                     (2, 10, 101, 104), (11, 12, 106, 105),
                                     (5, 7, 102, 103)):  # fmt: skip
        part = READER.read(path, ReadOptions(), start, stop)
        assert part.signal[0].tolist() == list(range(start, stop))
        assert part.other_channels[0].signal.tolist() == list(range(first, last + 1))
    assert read(path).sampling_rate == 40
    assert READER.read(path, ReadOptions(), -5, 99).samples == 12
    assert READER.read(path, ReadOptions(), 7, 3).samples == 0


def test_skew_of_a_signal_with_several_samples_per_frame(tmp_path: Path) -> None:
    """header(5): the skew counts frames; samples that it shifts out of the file are missing."""
    content = struct.pack("<12h", *[1, 10, 11, 2, 20, 21, 3, 30, 31, 4, 40, 41])
    header = "r 2 10 4\nr.dat 16 1/mV 0 0 0 0 0 I\nr.dat 16x2:1 1/mmHg 0 0 0 0 0 ABP\n"
    recording = read(write(tmp_path, header, content))
    assert recording.signal[0].tolist() == [1, 2, 3, 4]
    skewed = recording.other_channels[0].signal
    assert skewed[:6].tolist() == [20, 21, 30, 31, 40, 41]
    assert np.isnan(skewed[6:]).all() and len(skewed) == 8
    part = read(tmp_path / "r.hea", start_s=0.1, duration_s=0.1)
    assert part.other_channels[0].signal.tolist() == [30, 31]


def test_checksums(tmp_path: Path) -> None:
    """header(5): the 16-bit sum of all samples of a signal."""
    samples = struct.pack("<3h", -32767, -32767, 3)  # -65531 = 5 modulo 65536
    for stated, state in {
        "5": "verified",
        "-65531": "verified",
        "65541": "verified",
        "6": "mismatch in 'I': stated 6, found 5",
        "0": "not stated for every signal",
    }.items():
        path = write(tmp_path, f"r 1 100 3\nr.dat 16 1/mV 16 0 0 {stated} 0 I\n", samples)
        assert read(path).header["checksum"] == state
    two = "r 2 100 2\nr.dat 16 1/mV 16 0 0 3 0 I\nr.dat 16 1/mV 16 0 0 9 0 II\n"
    found = read(write(tmp_path, two, struct.pack("<4h", 1, 5, 3, 6))).header["checksum"]
    assert found == "mismatch in 'I': stated 3, found 4; mismatch in 'II': stated 9, found 11"


def test_the_invalid_value_of_format_8_does_not_exist(tmp_path: Path) -> None:
    path = write(tmp_path, "r 1 100 3\nr.dat 8 1/mV 12 0 -2000 0 0 I\n", b"\x80\x01\x00")
    assert read(path).signal[0].tolist() == [-2128, -2127, -2127]
    assert READER.read(path, ReadOptions(), 1, 3).signal[0].tolist() == [-2127, -2127]
    two = "r 2 100 2\nr.dat 8 1/mV 12 5 0 0 0 I\nr.dat 8 1/mV 12 0 7 0 0 II\n"
    both = write(tmp_path, two, b"\x01\x02\x03\x04")
    assert read(both).signal.tolist() == [[-4, -1], [9, 13]]  # the ADC zero of I is 5
    assert READER.read(both, ReadOptions(), 1, 2).signal.tolist() == [[-1], [13]]


def test_a_range_is_limited_before_it_is_allocated(tmp_path: Path) -> None:
    header = "r 2 10 10\nr.dat 16x2 1/mV 0 0 0 0 0 I\nr.dat 16 1/mmHg 0 0 0 0 0 ABP\n"
    path = write(tmp_path, header, bytes(60))
    source = open_source(read_header(path, Limits()), Limits())
    check_range(source, 0, 10, Limits(samples=30), path)
    check_range(source, 4, 9, Limits(samples=15), path)
    with pytest.raises(LimitError, match="30 samples are asked for; the limit is 29"):
        check_range(source, 0, 10, Limits(samples=29), path)


@pytest.mark.parametrize(
    ("storage", "subtype", "lowest", "factor"),
    [(508, "PCM_S8", -128, 1 << 8), (516, "PCM_16", -32768, 1), (524, "PCM_24", -(2**23), 1 << 8)],
)
def test_flac(storage: int, subtype: str, lowest: int, factor: int, tmp_path: Path) -> None:
    """Samples of 8 and 24 bits stand at the top of the wider integer that libsndfile takes."""
    soundfile = pytest.importorskip("soundfile", reason="the extra 'formats' is not installed")
    stored = np.array([[1, 2], [-3, -lowest - 1], [lowest, 5], [lowest + 1, 7], [9, 11], [13, 15]])
    dtype = np.int32 if storage == 524 else np.int16
    with soundfile.SoundFile(tmp_path / "r.dat", "w", 1000, 2, subtype, format="FLAC") as file:
        file.write((stored * factor).astype(dtype))
    lines = "".join(f"r.dat {storage} 2(1)/mV 0 0 0 0 0 {lead}\n" for lead in ("I", "II"))
    (tmp_path / "r.hea").write_text(f"r 2 100 6\n{lines}")
    expected = ((stored - 1) / 2).T
    expected[0, 2] = np.nan
    np.testing.assert_array_equal(read(tmp_path / "r.hea").signal, expected.astype(np.float32))
    part = READER.read(tmp_path / "r.hea", ReadOptions(), 1, 4)
    np.testing.assert_array_equal(part.signal, expected[:, 1:4].astype(np.float32))
    (tmp_path / "r.hea").write_text(f"r 2 100 7\n{lines}")
    with pytest.raises(TruncatedFileError, match="the stream has 6 samples, .* announces 7"):
        read(tmp_path / "r.hea")
    # Without a length in the header the stream says it; an offset counts its samples.
    (tmp_path / "r.hea").write_text("r 2 100\n" + lines.replace(str(storage), f"{storage}+2"))
    assert inspect(tmp_path / "r.hea").samples == 4
    np.testing.assert_array_equal(
        read(tmp_path / "r.hea").signal, expected[:, 2:].astype(np.float32)
    )
    # Two samples per frame: the same six in three frames of half the rate.
    (tmp_path / "r.hea").write_text("r 2 50\n" + lines.replace(str(storage), f"{storage}x2"))
    framed = read(tmp_path / "r.hea")
    assert (framed.sampling_rate, framed.samples) == (100, 6)
    np.testing.assert_array_equal(framed.signal, expected.astype(np.float32))


def test_flac_streams_that_do_not_fit_the_header(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="the extra 'formats' is not installed")
    soundfile.write(tmp_path / "r.dat", np.zeros((8, 2), np.int32), 1000, "PCM_24", format="FLAC")
    line = "r.dat {0} 1/mV 0 0 0 0 0 {1}\n"
    for storages, leads, words in (
        ((508,) * 2, 2, "does not fit storage format 508"),
        ((516,) * 2, 2, "does not fit storage format 516"),
        ((524,) * 3, 3, "the stream has 2 channels, the header 3 signals"),
        (("524", "524x2"), 2, "different rates"),
    ):
        lines = [
            line.format(s, lead) for s, lead in zip(storages, ("I", "II", "III"), strict=False)
        ]
        (tmp_path / "r.hea").write_text(f"r {leads} 100 4\n" + "".join(lines))
        with pytest.raises(FormatError, match=words):
            read(tmp_path / "r.hea")
    soundfile.write(tmp_path / "r.dat", np.zeros((8, 1), np.int16), 1000, "PCM_S8", format="FLAC")
    (tmp_path / "r.hea").write_text("r 1 100 8\n" + line.format(516, "I"))
    assert read(tmp_path / "r.hea").samples == 8  # fewer bits than stated fit


def test_flac_is_read_in_blocks(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="the extra 'formats' is not installed")
    count = (1 << 20) + 3  # a block has 2**20 samples
    stored = (np.arange(count) % 1000).astype(np.int16)
    soundfile.write(tmp_path / "r.dat", stored, 1000, "PCM_16", format="FLAC")
    (tmp_path / "r.hea").write_text(f"r 1 100 {count}\nr.dat 516 1/mV 0 0 0 0 0 I\n")
    np.testing.assert_array_equal(read(tmp_path / "r.hea").signal[0], stored)


# Headers


def test_every_field_of_a_header() -> None:
    header = parsed(
        "\n# about: nothing\nrec 2 250/100(1.5) 1000 10:11:12.5 31/12/2019\n"
        "a.dat 212x3:4+512 200.5(-7)/uV 12 1024 99 -5 1 chest lead 2\n"
        "b.dat 16\n## more\n"
    )
    assert (header.record, header.frame_rate, header.frames) == ("rec", 250.0, 1000)
    assert header.start_time == dt.datetime(2019, 12, 31, 10, 11, 12, 500_000)
    assert header.comments == ("about: nothing", "more")
    assert (header.signal_count, header.segments) == (2, ())
    one, two = header.signals
    assert (one.file_name, one.storage, one.samples_per_frame) == ("a.dat", 212, 3)
    assert (one.skew, one.byte_offset) == (4, 512)
    assert (one.gain, one.gain_assumed, one.baseline, one.unit) == (200.5, False, -7, "uV")
    assert (one.initial_value, one.checksum, one.description) == (99, -5, "chest lead 2")
    # header(5): the defaults where a line ends early.
    assert (two.storage, two.samples_per_frame, two.skew, two.byte_offset) == (16, 1, 0, 0)
    assert (two.gain, two.gain_assumed, two.baseline, two.unit) == (200.0, True, 0, "mV")
    assert (two.initial_value, two.checksum, two.description) == (0, None, "")
    assert parsed("r 1\nr.dat 16").frame_rate == 250.0
    assert parsed("r 1\nr.dat 16").frames is None
    assert parsed("r 1 100\naX.dat 16 200 16 0 0 0 0 7").signals[0].description == "7"
    assert parsed("r 1 100\nr.dat 16 200 16 0 V5").signals[0].description == "V5"
    zero = parsed("r 1 100\nr.dat 16 200 12 1024").signals[0]
    assert (zero.baseline, zero.initial_value) == (1024, 1024)


def test_segments_of_a_header() -> None:
    header = parsed("m/3 2 500 60\nm_layout 0\ns1 20\n~ 40\n")
    assert [(s.name, s.frames, s.is_gap) for s in header.segments] == [
        ("m_layout", 0, False), ("s1", 20, False), ("~", 40, True),
    ]  # fmt: skip
    assert header.signals == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("10:11:12 31/12/2019", dt.datetime(2019, 12, 31, 10, 11, 12)),
        ("31/12/2019 10:11:12", dt.datetime(2019, 12, 31, 10, 11, 12)),
        ("10:11 1/2/2019", dt.datetime(2019, 2, 1, 10, 11)),
        ("10:11:12.123456789 01/02/2019", dt.datetime(2019, 2, 1, 10, 11, 12, 123_456)),
        ("0:0:1.04 01/02/2019", dt.datetime(2019, 2, 1, 0, 0, 1, 40_000)),
        ("10:11:12", None),
        ("01/02/2019", None),
        ("10:11:12 32/12/2019", None),
        *(
            (f"10:11:12 07-{name}-2019", dt.datetime(2019, month, 7, 10, 11, 12))
            for month, name in enumerate(
                "jan feb mar apr may jun jul AUG Sep oct nov dec".split(), start=1
            )
        ),
        ("10:11:12 07-abc-2019", None),
    ],
)
def test_start_times(fields: str, expected: dt.datetime | None) -> None:
    assert parsed(f"r 1 100 20 {fields}\nr.dat 16").start_time == expected


LARGEST = 2**53


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (f"r 1 100 {LARGEST}\nr.dat 16", None),
        (f"r 1 100 {LARGEST + 1}\nr.dat 16", FormatError),
        (f"r 1 100 20\nr.dat 16 1({-LARGEST})/mV", None),
        (f"r 1 100 20\nr.dat 16 1({-LARGEST - 1})/mV", FormatError),
        (f"r 1 100 20\nr.dat 16 1 {-LARGEST}", None),
        (f"r 1 100 20\nr.dat 16 1 {-LARGEST - 1}", FormatError),
        ("r 1 100 20\nr.dat 16x00000000000000000000002", FormatError),
        ("r 4 100 20\n" + "r.dat 16\n" * 4, None),
        ("r 5 100 20\n" + "r.dat 16\n" * 5, LimitError),
        ("r 2 100 20\nr.dat 16\n", FormatError),
        ("m/2 1 100 20\na 20\n", FormatError),
        ("m/1 1 100 20\na -20\n", FormatError),
        ("r 1 100 20\nr.dat", FormatError),
        ("r 1 100 20\n- 16", UnsupportedVariantError),
        ("r 1 100 20\n. 16", FormatError),
        ("r 1 100 20\na:b 16", FormatError),
        ("r 1 100 20\na\\b 16", FormatError),
    ],
)
def test_limits_of_a_header(header: str, error: type[EcgFoundryError] | None) -> None:
    if error is None:
        parsed(header, Limits(channels=4))
        return
    with pytest.raises(error):
        parsed(header, Limits(channels=4))


def test_a_header_of_16_mb_is_the_largest(tmp_path: Path) -> None:
    path = tmp_path / "r.hea"
    text = b"r 1 100 20\nr.dat 16\n"
    path.write_bytes(text.ljust(16_000_000))
    assert read_header(path, Limits()).record == "r"
    path.write_bytes(text.ljust(16_000_001))
    with pytest.raises(LimitError, match="16 MB"):
        read_header(path, Limits())


@pytest.mark.parametrize(
    ("text", "with_signal", "alone"),
    [
        (b"r 1 100 20\nr.dat 16 200\n", True, True),
        (b"# about\n\nr 1 100 20\nr.dat 16x2:3+4\n", True, True),
        (b"r 1 100 20\n", False, True),
        (b"r 1\n", False, True),
        (b"r/2 1 100 20\ns1 20\n", True, True),  # a segment line has the form of a signal line
        (b"1 2 3\n4 5 6\n", False, True),
        (b"1 2 3\n-4.5e3 5 6\n", False, True),
        (b"r 1 100 20\n~ 16\n", False, True),
        (b"r 1 100 20\nr.dat x\n", False, True),
        (b"word\nr.dat 16\n", False, False),
        (b"r 1 100\0\nr.dat 16\n", False, False),
        (b"", False, False),
    ],
)
def test_what_looks_like_a_header(text: bytes, with_signal: bool, alone: bool) -> None:
    assert looks_like_header(text, need_signal_line=True) == with_signal
    assert looks_like_header(text, need_signal_line=False) == alone


def test_which_files_belong_to_a_record(tmp_path: Path) -> None:
    header = b"r 1 100 20\nr.dat 16 200\n"
    (tmp_path / "r.hea").write_bytes(header)
    for name, belongs in {
        "r.dat": True, "r.DAT": False, "s.dat": False, "r.txt": False, "r.d": False, "r.mat": False,
    }.items():  # fmt: skip
        assert sniff(tmp_path / name, b"\0\1") == belongs, name
    for suffix in ("dat", "mat", "xyz", "ecg", "flac", "d12"):
        (tmp_path / "r.hea").write_bytes(header.replace(b"r.dat", f"r.{suffix}".encode()))
        assert sniff(tmp_path / f"r.{suffix}", b"\0\1")
    (tmp_path / "r.hea").write_bytes(header.replace(b"r.dat", b"r.txt"))
    assert not sniff(tmp_path / "r.txt", b"\0\1")
    # A header whose first line cannot be read is still a header by its name, unless it is binary.
    assert sniff(tmp_path / "x.hea", b"damaged")
    assert not sniff(tmp_path / "x.hea", b"\0")


# Segments


def test_a_variable_layout_sorts_channels_by_name(tmp_path: Path) -> None:
    write(tmp_path, "l 3 100\n~ 0 200 0 0 0 0 0 I\n~ 0 200 0 0 0 0 0 II\n~ 0 1 0 0 0 0 0 V1\n",
          name="l")  # fmt: skip
    write(tmp_path, "a 1 100 3\na.dat 16 1/mV 0 0 0 0 0 II\n", struct.pack("<3h", 1, 2, 3), "a")
    write(
        tmp_path, "b 2 100 2\nb.dat 16 1/mV 0 0 0 0 0 V1\nb.dat 16 2/mV 0 0 0 0 0 I\n",
        struct.pack("<4h", 7, 10, 8, 12), "b",
    )  # fmt: skip
    path = write(tmp_path, "m/4 3 100 7\nl 0\na 3\n~ 2\nb 2\n", name="m")
    nan = np.nan
    whole = [
        [nan, nan, nan, nan, nan, 5, 6], [1, 2, 3, nan, nan, nan, nan],
        [nan, nan, nan, nan, nan, 7, 8],
    ]  # fmt: skip
    recording = read(path)
    assert recording.leads == ("I", "II", "V1")
    np.testing.assert_array_equal(recording.signal, whole)
    for start, stop in ((0, 1), (2, 6), (3, 5), (5, 7), (1, 3)):
        part = READER.read(path, ReadOptions(), start, stop)
        np.testing.assert_array_equal(part.signal, np.array(whole)[:, start:stop])


@pytest.mark.parametrize(
    ("master", "segment", "words"),
    [
        (
            "m/1 1 100 21\ns 21",
            "s 1 100 20\ns.dat 16 1/mV 0 0 0 0 0 I",
            "20 samples, .* expects 21",
        ),
        ("m/1 1 100 20\ns 20", "s 1 100.01 20\ns.dat 16 1/mV 0 0 0 0 0 I", "100.01 Hz"),
        ("m/1 2 100 20\ns 20", "s 1 100 20\ns.dat 16 1/mV 0 0 0 0 0 I", "says 2 signals"),
        ("m/2 1 100 40\ns 20\nt 20", "s 1 100 20\ns.dat 16 1/mV 0 0 0 0 0 I", "do not fit"),
        ("m/1 1 100\ns 0", "s 1 100 20\ns.dat 16 1/mV 0 0 0 0 0 I", "holds no samples"),
    ],
)
def test_segments_that_do_not_fit(tmp_path: Path, master: str, segment: str, words: str) -> None:
    write(tmp_path, segment + "\n", bytes(40), "s")
    write(tmp_path, "t 1 100 20\nt.dat 16x2 1/mV 0 0 0 0 0 I\n", bytes(80), "t")
    path = write(tmp_path, master + "\n", name="m")
    with pytest.raises(EcgFoundryError, match=words):
        read(path)


def test_segments_of_nearly_the_same_rate_fit(tmp_path: Path) -> None:
    write(tmp_path, "s 1 100.00009 20\ns.dat 16 1/mV 0 0 0 0 0 I\n", bytes(40), "s")
    assert read(write(tmp_path, "m/1 1 100 20\ns 20\n", name="m")).samples == 20


# Annotations

# ecgcodes.h: the code of every mnemonic; ecgmap.h: which are heartbeats.
SYMBOLS = {
    1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j",
    12: "/", 13: "Q", 14: "~", 16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: '"', 23: "=",
    24: "p", 25: "B", 26: "^", 27: "t", 28: "+", 29: "u", 30: "?", 31: "!", 32: "[", 33: "]",
    34: "e", 35: "n", 36: "@", 37: "x", 38: "f", 39: "(", 40: ")", 41: "r",
}  # fmt: skip
KINDS = {
    **dict.fromkeys("NLRaVFJASEj/QB?enfr", "beat"),
    **dict.fromkeys("~|", "noise"),
    **dict.fromkeys("+[]", "rhythm"),
    **dict.fromkeys("p^tu!x()", "wave"),
    **dict.fromkeys('sT*D"=@', "note"),
}


def words(*pairs: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<H", (code << 10) | value) for code, value in pairs)


def test_every_annotation_code(tmp_path: Path) -> None:
    path = tmp_path / "r.atr"
    path.write_bytes(words(*((code, 2) for code in (*SYMBOLS, 15, 42, 58)), (0, 0)))
    marks = read_annotation_file(path, 100.0)
    assert [mark.text for mark in marks] == [*SYMBOLS.values(), "[15]", "[42]", "[58]"]
    assert [mark.kind for mark in marks] == [
        *(KINDS[symbol] for symbol in SYMBOLS.values()), "note", "note", "note",
    ]  # fmt: skip
    assert [round(mark.time_s * 100) for mark in marks] == [2 * n + 2 for n in range(len(marks))]


def test_every_annotation_code_equals_wfdb(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb", reason="the oracle 'wfdb' is not installed")
    path = tmp_path / "r.atr"
    path.write_bytes(words(*((code, 2) for code in SYMBOLS), (0, 0)))
    assert wfdb.rdann(str(tmp_path / "r"), "atr").symbol == list(SYMBOLS.values())


def test_time_steps(tmp_path: Path) -> None:
    """A step has ten bits; code 59 gives 32 more, the high word first, in two's complement."""
    path = tmp_path / "r.atr"
    path.write_bytes(
        words((1, 1023), (59, 0)) + struct.pack("<2H", 0x0001, 0x0002)
        + words((1, 3), (59, 0)) + struct.pack("<2H", 0xFFFF, 0xFFFE)  # two samples back
        + words((1, 0), (59, 0)) + struct.pack("<2H", 0x7FFF, 0xFFFF)
        + words((1, 0), (0, 0))
    )  # fmt: skip
    marks = read_annotation_file(path, 1.0)
    assert [mark.time_s for mark in marks] == [1023.0, 66564.0, 66562.0, 66562.0 + 2**31 - 1]
    for end in (words((59, 0)) + b"\0\0", words((59, 0))):
        path.write_bytes(words((1, 1)) + end)
        with pytest.raises(FormatError, match="ends inside a time step"):
            read_annotation_file(path, 1.0)
    path.write_bytes(words((1, 1), (59, 0)) + struct.pack("<2H", 0, 1))
    assert len(read_annotation_file(path, 1.0)) == 1


def test_texts_of_odd_and_even_length(tmp_path: Path) -> None:
    path = tmp_path / "r.atr"
    path.write_bytes(
        words((28, 1), (63, 3)) + b"(AB\0" + words((22, 1), (63, 4)) + b"note"
        + words((28, 1), (22, 1), (63, 2)) + b"x\0" + words((1, 1), (63, 1)) + b"y\0" + b"\7"
    )  # fmt: skip
    marks = read_annotation_file(path, 1.0, total_s=10.0)
    assert [(mark.time_s, mark.kind, mark.text, mark.duration_s) for mark in marks] == [
        (1, "rhythm", "(AB", 2), (2, "note", "note", 0), (3, "rhythm", "+", 7),
        (4, "note", "x", 0), (5, "beat", "N", 0),
    ]  # fmt: skip


def test_marks_within_a_window(tmp_path: Path) -> None:
    path = tmp_path / "r.atr"
    path.write_bytes(words((28, 0), (63, 2)) + b"(N" + words(*[(1, 10)] * 4, (0, 0)))
    # 0 s, and beats at 10, 20, 30 and 40 s; the end belongs to the next window.
    marks = parse_annotation_file(path, 1.0, total_s=50.0).between(20.0, 40.0)
    assert [(mark.text, mark.time_s) for mark in marks] == [("(N", 0), ("N", 20), ("N", 30)]
    # A delineation file (its lead is named) has waves only, and no rhythm that lasts.
    waves = parse_annotation_file(path, 1.0, lead="II", total_s=50.0).between(20.0, 40.0)
    assert [(mark.kind, mark.lead, mark.time_s) for mark in waves] == [
        ("wave", "II", 20), ("wave", "II", 30),
    ]  # fmt: skip


def test_the_time_resolution_must_be_a_rate(tmp_path: Path) -> None:
    path = tmp_path / "r.atr"
    for text, rate in {
        b"360": 360.0,
        b" 1000.5 x": 1000.5,
        b"0": None,
        b"inf": None,
        b"": None,
    }.items():
        note = b"## time resolution:" + text
        padded = note.ljust(len(note) + len(note) % 2, b"\0")
        path.write_bytes(words((22, 0), (63, len(note))) + padded + words((1, 500), (0, 0)))
        if rate is None:
            with pytest.raises(FormatError, match="states '## time resolution"):
                read_annotation_file(path, 250.0)
        else:
            assert read_annotation_file(path, 250.0)[0].time_s == 500 / rate


def test_marks_of_a_record_are_those_of_its_window(tmp_path: Path) -> None:
    """A lead's own delineation file counts; one that is no lead name does not."""
    header = "r 2 10 40\nr.dat 16 1/mV 0 0 0 0 0 II\nr.dat 16 1/mV 0 0 0 0 0 V1\n"
    path = write(tmp_path, header, bytes(160))
    (tmp_path / "r.atr").write_bytes(words((1, 5), (1, 20), (0, 0)))
    (tmp_path / "r.ii").write_bytes(words((24, 12), (0, 0)))
    (tmp_path / "r.v1").write_bytes(words((27, 30), (0, 0)))
    (tmp_path / "r.v2").write_bytes(words((27, 30), (0, 0)))
    found = [(m.text, m.time_s, m.lead) for m in read(path).annotations]
    assert found == [("N", 0.5, None), ("p", 1.2, "II"), ("N", 2.5, None), ("t", 3.0, "V1")]
    part = read(path, start_s=1.0, duration_s=2.0)
    assert [(m.text, pytest.approx(m.time_s)) for m in part.annotations] == [("p", 0.2), ("N", 1.5)]


def test_an_annotation_file_beyond_64_mb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.atr"
    with path.open("wb") as file:
        file.write(words((1, 5), (0, 0)))
        file.truncate(64_000_001)  # sparse
    with pytest.raises(LimitError, match="64 MB"):
        read_annotation_file(path, 100.0)


def test_a_gain_with_a_comma_is_refused_and_not_taken_for_a_name(tmp_path: Path) -> None:
    (tmp_path / "r.dat").write_bytes(np.arange(500, dtype="<i2").tobytes())
    (tmp_path / "r.hea").write_text("r 1 100 500\nr.dat 16 1000,5/mV 16 0 0 0 0 I\n")
    with pytest.raises(FormatError, match="the gain '1000,5/mV' is not a number"):
        read(tmp_path / "r.hea")


def test_an_assumed_gain_and_a_lead_at_another_rate_are_warned_of(tmp_path: Path) -> None:
    phase = (np.arange(2500) / 250.0) % 0.8
    beats = np.rint(200 * np.exp(-0.5 * ((phase - 0.4) / 0.012) ** 2)).astype("<i2")
    frames = np.column_stack([beats.reshape(-1, 2), beats[::2]])
    (tmp_path / "r.dat").write_bytes(frames.tobytes())
    lines = "r 2 125 1250\nr.dat 16x2 0 16 0 0 0 0 I\nr.dat 16 0 16 0 0 0 0 II\n"
    (tmp_path / "r.hea").write_text(lines)
    recording = read(tmp_path / "r.hea")
    assert (recording.leads, recording.sampling_rate) == (("I",), 250.0)
    told = load_model("rhythm-single-lead-edge").interpret(recording).warnings
    found = {notice.code: notice.leads for notice in told}
    assert found["leads-at-other-rates"] == ("II",)
    assert "gain-assumed" in found
