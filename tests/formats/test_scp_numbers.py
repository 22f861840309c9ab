"""The numbers of SCP-ECG (EN 1064 / ISO 11073-91064): sections laid out by hand, in bytes."""

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path

import numpy as np
import pytest
from tests.formats.layouts import scp_file

from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LimitError,
    TruncatedFileError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import inspect, read
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.scp.huffman import decode_huffman, huffman_tables, summed
from ecgfoundry.formats.scp.reader import READER, sniff
from ecgfoundry.formats.scp.sections import (
    Beat,
    demographics,
    lead_ranges,
    measurements,
    qrs_locations,
    read_sections,
    statements,
)
from ecgfoundry.recording import Subject

HERE = Path("x.scp")
DEFAULT = struct.pack("<H", 19_999)


def bits(text: str) -> bytes:
    text = text.replace(" ", "")
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


# Huffman codes

# EN 1064, annex C, default table: as many ones as the value, a zero, the sign.
CODES = {
    0: "0", 1: "100", -1: "101", 2: "1100", -2: "1101", 3: "11100", -3: "11101", 4: "111100",
    -4: "111101", 5: "1111100", -5: "1111101", 6: "11111100", -6: "11111101", 7: "111111100",
    -7: "111111101", 8: "1111111100", -8: "1111111101", 9: "1111111110 00001001",
    -9: "1111111110 11110111", 127: "1111111110 01111111", -128: "1111111110 10000000",
    128: "1111111111 0000000010000000", 32767: "1111111111 0111111111111111",
    -32768: "1111111111 1000000000000000",
}  # fmt: skip


def test_the_default_table() -> None:
    tables = huffman_tables(DEFAULT, HERE)
    for value, code in CODES.items():
        assert decode_huffman(bits(code), 1, tables, HERE).tolist() == [value], code
    values = list(CODES) * 40  # more than one piece of 64 bytes
    data = bits("".join(CODES[value] for value in values))
    assert decode_huffman(data, len(values), tables, HERE).tolist() == values


def test_the_end_of_a_huffman_code() -> None:
    tables = huffman_tables(DEFAULT, HERE)
    assert decode_huffman(b"\0", 8, tables, HERE).tolist() == [0] * 8
    with pytest.raises(TruncatedFileError, match="1 bytes cannot hold 9"):
        decode_huffman(b"\0", 9, tables, HERE)
    assert decode_huffman(b"\xff\x00", 1, tables, HERE).tolist() == [8]  # 1111111100
    for data in (b"\xff", b"\xff\x80\x00"[:2], bits("1111111111 000000001")):
        with pytest.raises(TruncatedFileError, match="ends after 0 of 1"):
            decode_huffman(data, 1, tables, HERE)


def table(*codes: tuple[str, int, int, int]) -> bytes:
    """Codes of section 2: prefix (first bit lowest), all bits, mode (0 switches), value."""
    raw = struct.pack("<H", len(codes))
    for text, total, mode, value in codes:
        stored = sum(int(bit) << place for place, bit in enumerate(text))
        raw += struct.pack("<BBBhL", len(text), total, mode, value, stored)
    return raw


def test_own_tables() -> None:
    """A prefix of 16 bits, 32 raw bits behind one, a base value, and switches of tables."""
    first = table(
        ("0", 1, 1, -300), ("10", 6, 1, 100), ("11" + "0" * 14, 48, 1, 0), ("111", 3, 0, 2)
    )
    second = table(("1", 1, 1, 7), ("01", 2, 0, 1))
    tables = huffman_tables(struct.pack("<H", 2) + first + second, HERE)
    data = bits("0  10 0111  10 1000  11" + "0" * 14 + format(-70_000 & 0xFFFFFFFF, "032b")
                + "111 1 1 01 0")  # fmt: skip
    found = decode_huffman(data, 7, tables, HERE).tolist()
    assert found == [-300, 107, 92, -70_000, 7, 7, -300]
    with pytest.raises(FormatError, match="sample 0 has an unknown Huffman code"):
        decode_huffman(bits("110 1"), 1, tables, HERE)
    with pytest.raises(FormatError, match="sample 1 has an unknown"):
        decode_huffman(bits("0 1101"), 2, tables, HERE)


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ([("0" * 16, 48, 1, 0)], None),
        ([("0" * 17, 17, 1, 0)], "17 of 17 bits"),
        ([("0", 33, 1, 0)], None),
        ([("0", 34, 1, 0)], "1 of 34 bits"),
        ([("01", 1, 1, 0)], "2 of 1 bits"),
        ([("", 1, 1, 0)], "0 of 1 bits"),
        ([], "ends within table 1"),
    ],
)
def test_limits_of_own_tables(codes: list, words: str | None) -> None:
    body = struct.pack("<H", 1) + table(*codes)
    if words is None:
        assert len(huffman_tables(body, HERE)) == 1
        return
    with pytest.raises(EcgFoundryError, match=words):
        huffman_tables(body, HERE)


def test_numbers_of_tables() -> None:
    one = table(("0", 1, 1, 0))
    assert len(huffman_tables(struct.pack("<H", 64) + one * 64, HERE)) == 64
    with pytest.raises(LimitError):
        huffman_tables(struct.pack("<H", 65) + one * 65, HERE)
    with pytest.raises(EcgFoundryError):
        huffman_tables(struct.pack("<H", 0), HERE)
    for cut in range(1, len(one) + 1):
        with pytest.raises(TruncatedFileError):
            huffman_tables((struct.pack("<H", 2) + one * 2)[:-cut], HERE)
    tables = huffman_tables(struct.pack("<H", 1) + table(("0", 1, 1, 5), ("1", 1, 0, 2)), HERE)
    with pytest.raises(FormatError, match="there is no Huffman table 2"):
        decode_huffman(bits("01"), 2, tables, HERE)


@pytest.mark.parametrize(
    ("order", "stored", "values"),
    [
        (0, [5, 1, 1], [5, 1, 1]),
        (1, [5, 1, -2, 3], [5, 6, 4, 7]),
        # Second differences: the first two values are stored as they are; 8 = 2 x 7 - 5 - 1.
        (2, [5, 7, -1, 0, 2], [5, 7, 8, 9, 12]),
        (2, [5, 7], [5, 7]),
        (2, [5], [5]),
        (1, [], []),
        (1, [32_767, 1, 1], [32_767, -32_768, -32_767]),  # 16 bits, as encoders compute
    ],
)
def test_differences(order: int, stored: list[int], values: list[int]) -> None:
    assert summed(np.array(stored, np.int64), order).tolist() == values


# Sections


def tag(number: int, value: bytes) -> bytes:
    return struct.pack("<BH", number, len(value)) + value


def date(year: int, month: int, day: int) -> bytes:
    return struct.pack("<HBB", year, month, day)


def born(age: float, day: int) -> Subject:
    return Subject(age, birth_date=dt.date(1960, 5, day))


@pytest.mark.parametrize(
    ("body", "subject"),
    [
        (tag(2, b"P7\0") + tag(8, b"\1"), Subject(None, "male", "P7")),
        (tag(8, b"\2"), Subject(None, "female", None)),
        (tag(8, b"\0"), Subject()),
        (tag(8, b"\3"), Subject()),
        (tag(4, struct.pack("<HB", 61, 1)), Subject(61.0)),
        (tag(4, struct.pack("<HB", 18, 2)), Subject(1.5)),
        (tag(4, struct.pack("<HB", 26, 3)), Subject(0.5)),
        (tag(4, struct.pack("<HB", 73, 4)), Subject(0.2)),
        (tag(4, struct.pack("<HB", 4383, 5)), Subject(0.5)),
        (tag(4, struct.pack("<HB", 61, 0)), Subject()),
        (tag(4, struct.pack("<HB", 0, 1)), Subject()),
        (tag(5, date(1960, 5, 7)) + tag(25, date(2024, 5, 6)), born(63.0, 7)),
        (tag(5, date(1960, 5, 6)) + tag(25, date(2024, 5, 6)), born(64.0, 6)),
        (tag(5, date(1960, 13, 6)) + tag(25, date(2024, 5, 6)), Subject()),
        # The first statement counts; what stands behind tag 255 or is cut does not.
        (tag(8, b"\1") + tag(8, b"\2"), Subject(None, "male")),
        (b"\xff\0\0" + tag(8, b"\1"), Subject()),
        (tag(8, b"\1") + tag(2, b"abc")[:-1], Subject(None, "male")),
        (tag(8, b""), Subject()),
    ],
)
def test_demographics(body: bytes, subject: Subject) -> None:
    """EN 1064, 5.4.3: tags 2 identifier, 4 age, 5 birth, 8 sex, 25 and 26 acquisition."""
    assert demographics(body).subject == subject


@pytest.mark.parametrize(
    ("clock", "start"),
    [
        (bytes([7, 8, 9]), dt.datetime(2024, 5, 6, 7, 8, 9)),
        (bytes([23, 59, 59]), dt.datetime(2024, 5, 6, 23, 59, 59)),
        (bytes([24, 0, 0]), None),
        (bytes([0, 60, 0]), None),
        (bytes([0, 0, 60]), None),
        (bytes([7, 8]), dt.datetime(2024, 5, 6, 7, 8)),
        (bytes([7]), None),
        (b"", None),
    ],
)
def test_start_times(clock: bytes, start: dt.datetime | None) -> None:
    body = tag(25, date(2024, 5, 6)) + tag(26, clock)
    assert demographics(body).start_time == start
    assert demographics(tag(25, date(2024, 5, 6)[:3]) + tag(26, clock)).start_time is None


# EN 1064, 5.4.3.1, tag 14: codes of manufacturers.
MANUFACTURERS = (
    "", "Burdick", "Cambridge", "Compumed", "Datamed", "Fukuda", "Hewlett-Packard",
    "Marquette Electronics", "Mortara Instruments", "Nihon Kohden", "Okin", "Quinton", "Siemens",
    "Spacelabs", "Telemed", "Hellige", "ESAOTE", "Schiller", "Picker-Schwarzer",
    "Elettronica Trentina", "Zwonitz",
)  # fmt: skip


def machine(code: int = 0, mains: int = 0, texts: bytes = b"") -> bytes:
    raw = bytearray(36)
    raw[7], raw[8:14], raw[18] = code, b"Model5", mains
    return bytes(raw) + texts


def test_devices() -> None:
    for code, name in enumerate(MANUFACTURERS):
        device = demographics(tag(14, machine(code))).device
        assert device.get("manufacturer", "") == name
        assert device["model"] == "Model5"
    assert "manufacturer" not in demographics(tag(14, machine(21))).device
    # Behind byte 36: analysing program, serial number, system software, SCP software, maker.
    found = demographics(tag(14, machine(3, 1, b"prog\0S5\0sys 1\0scp\0Maker\0")))
    assert found.device == {"manufacturer": "Maker", "model": "Model5", "serial_number": "S5",
                            "software": "sys 1"}  # fmt: skip
    for stated, mains in ((0, None), (1, 50.0), (2, 60.0), (3, None)):
        assert demographics(tag(14, machine(mains=stated))).mains_frequency == mains
    assert demographics(tag(14, machine()[:35])).device == {}


@pytest.mark.parametrize(
    ("body", "device"),
    [
        (tag(27, struct.pack("<H", 5)), {"highpass": "0.05 Hz"}),  # hundredths of a hertz
        (tag(28, struct.pack("<H", 150)), {"lowpass": "150 Hz"}),
        (tag(29, b"\1"), {"notch": "60 Hz"}),
        (tag(29, b"\2"), {"notch": "50 Hz"}),
        (tag(29, b"\3"), {}),
        (tag(29, b"\4"), {}),
        (tag(29, b"\5"), {"notch": "60 Hz"}),
        (tag(27, b"\5"), {}),
    ],
)
def test_filters(body: bytes, device: dict) -> None:
    assert demographics(body).device == device


def measured(
    waves: tuple = (100, 200, 260, 350, 640), axes: tuple = (40, 55, 999), rr: int = 800,
    rates: tuple = (75, 300, 420), spikes: int = 0, blocks: int = 1,
) -> bytes:  # fmt: skip
    body = struct.pack("<BBHH", blocks, spikes, rr, 29_999)
    body += struct.pack("<5H3h", *waves, *axes) * blocks + bytes(10 * spikes)
    return body + struct.pack("<H", 4) + bytes(4) + struct.pack("<3HB", *rates, 1)


ALL = {
    "rr_ms": "800", "p_ms": "100", "pr_ms": "160", "qrs_ms": "90", "qt_ms": "380",
    "p_axis_deg": "40", "qrs_axis_deg": "55", "heart_rate_bpm": "75", "atrial_rate_bpm": "300",
    "qtc_ms": "420",
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({}, {}),
        ({"spikes": 2}, {}),
        ({"blocks": 2}, {}),
        ({"rr": 29_999}, {"rr_ms": None}),
        ({"rr": 29_998}, {"rr_ms": None}),
        ({"rr": 0}, {"rr_ms": None}),
        ({"rr": 1}, {"rr_ms": "1"}),
        ({"axes": (-360, 360, -361)}, {"p_axis_deg": "-360", "qrs_axis_deg": "360"}),
        ({"axes": (361, 0, 7)}, {"p_axis_deg": None, "qrs_axis_deg": "0", "t_axis_deg": "7"}),
        ({"waves": (29_999, 200, 260, 350, 640)}, {"p_ms": None, "pr_ms": None}),
        ({"waves": (100, 29_999, 260, 350, 640)}, {"p_ms": None}),
        ({"waves": (100, 200, 29_999, 350, 640)}, {"pr_ms": None, "qrs_ms": None, "qt_ms": None}),
        ({"waves": (100, 200, 260, 29_999, 640)}, {"qrs_ms": None}),
        ({"waves": (100, 200, 260, 350, 29_999)}, {"qt_ms": None}),
        ({"waves": (100, 100, 260, 261, 640)}, {"p_ms": None, "qrs_ms": "1"}),
        ({"rates": (0, 29_999, 1)},
         {"heart_rate_bpm": None, "atrial_rate_bpm": None, "qtc_ms": "1"}),
    ],
)  # fmt: skip
def test_measurements(fields: dict, changed: dict) -> None:
    """EN 1064, 5.10: onsets and offsets in ms of the reference beat; 29999 is "undefined"."""
    expected = {key: value for key, value in {**ALL, **changed}.items() if value is not None}
    assert measurements(measured(**fields)) == expected


def test_damaged_measurements() -> None:
    assert measurements(measured()[:5]) == {}
    assert measurements(measured()[:21]) == {"rr_ms": "800"}
    assert "qtc_ms" not in measurements(measured()[:-2])
    assert "qt_ms" in measurements(measured()[:-2])
    assert measurements(measured()[:22]).keys() == ALL.keys() - {
        "heart_rate_bpm", "atrial_rate_bpm", "qtc_ms",
    }  # fmt: skip


def test_statements() -> None:
    def line(number: int, text: bytes) -> bytes:
        return struct.pack("<BH", number, len(text)) + text

    head = bytes([1]) + bytes(7) + b"\3"
    body = head + line(1, b"Sinus\0rhythm\0") + line(2, b"\0") + line(3, b"Normal")
    assert statements(body) == "Sinus rhythm\nNormal"
    assert statements(body[:8]) == "" and statements(head) == ""
    assert statements(bytes(8) + b"\1" + line(1, b"A") + line(2, b"B")) == "A"
    assert statements(head + line(1, b"A") + b"\1\1") == "A"


def test_leads_of_section_3() -> None:
    body = bytes([2, 5]) + struct.pack("<LLB", 1, 5000, 1) + struct.pack("<LLB", 11, 11, 131)
    leads, flags = lead_ranges(body, HERE)
    assert [(lead.code, lead.first, lead.last, lead.samples) for lead in leads] == [
        (1, 1, 5000, 5000), (131, 11, 11, 1),
    ]  # fmt: skip
    assert flags == 5
    for broken, error in (
        (body[:-1], TruncatedFileError), (b"\1", TruncatedFileError), (b"\0\0", FormatError),
        (b"\1\0" + struct.pack("<LLB", 6, 5, 1), FormatError),
    ):  # fmt: skip
        with pytest.raises(error):
            lead_ranges(broken, HERE)
    with pytest.raises(FormatError, match="section 3 defines no lead"):
        lead_ranges(b"\0\0", HERE)


@pytest.mark.parametrize("huffman", [False, True])
@pytest.mark.parametrize("extra", [0, 1])
def test_leads_counted_from_sample_0(tmp_path: Path, huffman: bool, extra: int) -> None:
    """Samples 0 to 9, or 0 to 10 as a public demonstration file states ten samples."""
    rows = [np.arange(1, 11), 300 * np.arange(1, 11)]
    path = scp_file(
        tmp_path / "x.scp", rows, codes=(1, 2), samples=10 + extra, first=(0, 0), huffman=huffman
    )
    recording = read(path)
    # Filling bits look like one more sample: of codes the smaller number is read.
    samples = 9 if huffman and not extra else 10
    assert recording.samples == samples
    np.testing.assert_allclose(recording.signal, np.stack(rows)[:, :samples] / 1000, rtol=1e-6)


def test_leads_counted_from_0_and_from_1_are_refused(tmp_path: Path) -> None:
    rows = [np.arange(1, 11), 300 * np.arange(1, 11)]
    path = scp_file(tmp_path / "x.scp", rows, codes=(1, 2), samples=10, first=(0, 1))
    with pytest.raises(UnsupportedVariantError, match="counted from sample 0"):
        read(path)


def test_beats_of_section_4() -> None:
    body = struct.pack("<3H", 500, 125, 2)
    body += struct.pack("<H3L", 0, 10, 60, 110) + struct.pack("<H3L", 1, 200, 250, 300)
    zones = struct.pack("<4L", 40, 80, 230, 270)
    found = qrs_locations(body + zones, HERE)
    assert (found.length_ms, found.fiducial) == (500, 125)
    assert found.beats == (Beat(0, 10, 60, 110, 40, 80), Beat(1, 200, 250, 300, 230, 270))
    assert qrs_locations(body + zones[:-1], HERE).beats[0] == Beat(0, 10, 60, 110, 0, 0)
    for broken in (body[:-1], body[:5]):
        with pytest.raises(TruncatedFileError):
            qrs_locations(broken, HERE)


# Records

STEPS = np.array([[1, 2, 3, 4], [5, 6, 7, -8]], np.int16)


def record(folder: Path, **fields: object) -> Path:
    values = {"rows": STEPS, "codes": (1, 2), "samples": 4, **fields}
    return scp_file(folder / "x.scp", values.pop("rows"), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("interval", "rate"), [(2000, 500.0), (1000, 1000.0), (4000, 250.0), (65_535, 1e6 / 65_535)]
)
def test_rates_and_multipliers(tmp_path: Path, interval: int, rate: float) -> None:
    path = record(tmp_path, interval_us=interval, multiplier=4880)
    recording = read(path)
    assert recording.sampling_rate == pytest.approx(rate, rel=1e-12)
    np.testing.assert_allclose(recording.signal, STEPS * 0.00488, rtol=1e-6)
    assert inspect(path).samples == 4


def test_where_the_record_says_what(tmp_path: Path) -> None:
    recording = read(record(tmp_path))
    assert recording.subject == Subject(61.0, "female", "P7")
    assert recording.header["compression"] == "none"
    beat = {
        "length_ms": 8, "fiducial": 2, "marks": [(0, 1, 2, 4, 1, 4)], "interval_us": 2000,
        "differences": 0, "rows": np.array([[100, 200, 300, 400], [10, 20, 30, 40]]),
    }  # fmt: skip
    found = read(record(tmp_path, beat=beat, flags=5, huffman=True, differences=1))
    assert found.header["compression"] == (
        "Huffman, differences of order 1, reference beat subtraction"
    )
    np.testing.assert_allclose(
        found.signal * 1000, [[101, 202, 303, 404], [15, 26, 37, 32]], rtol=1e-5
    )
    assert [c.name for c in found.other_channels] == ["I beat", "II beat"]
    assert found.other_channels[0].sampling_rate == 500
    # Without the flag the reference beat is not added.
    np.testing.assert_allclose(
        read(record(tmp_path, beat=beat, flags=4)).signal * 1000, STEPS, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("mark", "added"),
    [
        ((0, 1, 2, 4), [100, 200, 300, 400, 0, 0]),
        ((0, 2, 2, 3), [0, 200, 300, 0, 0, 0]),
        ((0, 1, 3, 6), [0, 100, 200, 300, 400, 0]),
        ((0, 1, 5, 6), [0, 0, 0, 100, 200, 300]),
        ((0, 1, 1, 6), [200, 300, 400, 0, 0, 0]),
        ((1, 1, 2, 4), [0, 0, 0, 0, 0, 0]),
    ],
)
def test_where_a_reference_beat_is_added(tmp_path: Path, mark: tuple, added: list[int]) -> None:
    """Its second sample, the fiducial, stands on that of the QRS; only from first to last."""
    beat = {
        "length_ms": 8, "fiducial": 2, "marks": [(*mark, 0, 0)], "interval_us": 2000,
        "differences": 0, "rows": np.array([[100, 200, 300, 400]]),
    }  # fmt: skip
    zeros = np.zeros((1, 6), np.int16)
    path = record(tmp_path, rows=zeros, codes=(1,), samples=6, beat=beat, flags=5)
    np.testing.assert_allclose(read(path).signal[0] * 1000, added, rtol=1e-5)


def test_bimodal_places(tmp_path: Path) -> None:
    """Samples 5 to 8 are protected; before and behind one value stands for the mean of 2 or less.

    The stored values stand at 0.5 and 2.5, then at 4, 5, 6, 7, then at 8.5 and 10 (counted
    from 0): between them lines are drawn.
    """
    beat = {
        "length_ms": 8, "fiducial": 2, "marks": [(1, 5, 6, 8, 5, 8)], "interval_us": 2000,
        "differences": 0, "rows": np.array([[1, 2, 3, 4]]),
    }  # fmt: skip
    stored = np.array([[10, 30, 100, 200, 300, 400, 50, 80]])
    path = record(
        tmp_path, rows=stored, codes=(1,), samples=11, beat=beat, bimodal=True, interval_us=4000
    )
    recording = read(path)
    assert recording.header["compression"] == "bimodal 1:2"
    assert recording.sampling_rate == 500
    expected = [
        10, 15, 25, 30 + 70 / 3, 100, 200, 300, 400, 400 - 350 * 2 / 3, 50 + 10, 80,
    ]  # fmt: skip
    np.testing.assert_allclose(recording.signal[0] * 1000, expected, rtol=1e-5)


def test_zones_before_a_lead_begins(tmp_path: Path) -> None:
    """A lead of samples 3 to 7 and a zone of 1 to 4: its first two samples are protected."""
    beat = {
        "length_ms": 8, "fiducial": 2, "marks": [(1, 1, 2, 4, 1, 4)], "interval_us": 2000,
        "differences": 0, "rows": np.array([[1, 2, 3, 4]]),
    }  # fmt: skip
    stored = np.array([[100, 200, 40, 70]])
    path = record(
        tmp_path, rows=stored, codes=(1,), samples=5, beat=beat, bimodal=True, interval_us=4000,
        first=(3,),
    )  # fmt: skip
    expected = [100, 200, 200 - 160 / 1.5, 50, 70]
    np.testing.assert_allclose(read(path).signal[0] * 1000, expected, rtol=1e-5)


def test_sections_4_and_5_without_a_beat(tmp_path: Path) -> None:
    beat = {
        "length_ms": 8, "fiducial": 2, "marks": [(1, 1, 2, 4, 1, 4)], "interval_us": 2000,
        "differences": 0, "rows": [np.array([], int)] * 2,
    }  # fmt: skip
    assert read(record(tmp_path, beat=beat)).other_channels == ()
    with pytest.raises(FormatError, match="sections 4 and 5"):
        read(record(tmp_path, beat=beat, flags=5))
    with pytest.raises(FormatError, match="bimodal data without"):
        read(record(tmp_path, beat=beat, bimodal=True))
    empty = np.zeros((2, 0), np.int16)
    with pytest.raises(TruncatedFileError, match="a lead has 0 samples, 4 are announced"):
        read(record(tmp_path, rows=empty))
    other = {**beat, "rows": np.ones((2, 8), int), "interval_us": 1000}
    with pytest.raises(UnsupportedVariantError, match="another sampling rate"):
        read(record(tmp_path, beat=other, flags=5))
    short = {**beat, "rows": np.array([[1, 2, 3, 4]] * 2), "length_ms": 0}
    assert read(record(tmp_path, beat=short)).other_channels == ()


@pytest.mark.parametrize(
    ("interval", "beat_interval", "fits"),
    [(2000, 2000, True), (32_000, 2000, True), (34_000, 2000, False), (5000, 2000, False),
     (1000, 2000, False)],
)  # fmt: skip
def test_limits_of_bimodal_rates(
    tmp_path: Path, interval: int, beat_interval: int, fits: bool
) -> None:
    beat = {
        "length_ms": 8, "fiducial": 2, "marks": [(1, 1, 2, 4, 1, 4)],
        "interval_us": beat_interval, "differences": 0, "rows": np.array([[1, 2, 3, 4]] * 2),
    }  # fmt: skip
    path = record(tmp_path, beat=beat, bimodal=True, interval_us=interval)
    if fits:
        assert read(path).samples == 4
        return
    with pytest.raises(UnsupportedVariantError, match=f"rhythm data of {interval} us"):
        read(path)


def test_what_is_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="0 nV per unit"):
        read(record(tmp_path, multiplier=0))
    with pytest.raises(FormatError, match="sections 4 and 5"):
        read(record(tmp_path, flags=5))
    with pytest.raises(FormatError, match="bimodal data without"):
        read(record(tmp_path, bimodal=True))
    content = record(tmp_path).read_bytes()
    place = content.index(struct.pack("<HHBB", 1000, 2000, 0, 0))
    path = tmp_path / "x.scp"
    for order, words in ((2, None), (3, "order 3")):
        path.write_bytes(content[: place + 4] + bytes([order]) + content[place + 5 :])
        if words is None:
            assert read(path).samples == 4
        else:
            with pytest.raises(FormatError, match=words):
                read(path)
    with pytest.raises(TruncatedFileError, match="4 samples, 5 are announced"):
        read(record(tmp_path, samples=5))


def test_limits(tmp_path: Path) -> None:
    path = record(tmp_path)
    assert READER.read(path, ReadOptions(limits=Limits(samples=8)), 0, None).samples == 4
    with pytest.raises(LimitError, match="8 samples; the limit is 7"):
        READER.read(path, ReadOptions(limits=Limits(samples=7)), 0, None)
    size = path.stat().st_size
    assert READER.inspect(path, ReadOptions(limits=Limits(file_bytes=size))).samples == 4
    with pytest.raises(LimitError, match=f"the file has {size} bytes"):
        READER.inspect(path, ReadOptions(limits=Limits(file_bytes=size - 1)))


def test_a_record_whose_length_overflows(tmp_path: Path) -> None:
    """32,767 samples are the most that 16 bits count; with one more the rest is missing."""
    row = (np.arange(32_768) % 1000).astype(np.int16)[np.newaxis]
    path = record(tmp_path, rows=row[:, :32_767], codes=(1,), samples=32_767)
    assert "samples_stored" not in read(path).header
    cut = record(tmp_path, rows=row[:, :32_767], codes=(1,), samples=32_768)
    recording = read(cut)
    assert recording.header["samples_stored"].startswith("32767 of 32768 per lead")
    assert np.isnan(recording.signal[0]).tolist() == [False] * 32_767 + [True]


def test_pointers(tmp_path: Path) -> None:
    content = record(tmp_path).read_bytes()
    sections, state = read_sections(content, HERE)
    assert sorted(sections) == [1, 3, 6, 7]
    assert state == {"checksum": "verified"}
    assert sections[3][:2] == b"\2\4"

    def changed(place: int, value: bytes) -> bytes:
        return content[:place] + value + content[place + len(value) :]

    assert read_sections(changed(len(content) - 1, b"\7"), HERE)[1] == {"checksum": "mismatch"}
    assert read_sections(content + b"more", HERE)[1] == {
        "checksum": "verified",
        "trailing_bytes": "4",
    }
    # Pointers begin at byte 22: number, length, index of ten bytes each; the second is section 1.
    first = struct.unpack_from("<HLL", content, 32)
    assert first[0] == 1
    for place, value, error in (
        (2, struct.pack("<L", len(content) + 1), TruncatedFileError),
        (10, struct.pack("<L", 15), FormatError),
        (10, struct.pack("<L", len(content) - 5), FormatError),
        (34, struct.pack("<L", 15), TruncatedFileError),
        (38, struct.pack("<L", 0), TruncatedFileError),
        (38, struct.pack("<L", len(content)), TruncatedFileError),
        (32, struct.pack("<H", 9), FormatError),
        (first[2] - 1 + 2, struct.pack("<H", 9), FormatError),
    ):
        with pytest.raises(error):
            read_sections(changed(place, value), HERE)
    assert 1 not in read_sections(changed(34, bytes(4)), HERE)[0]  # of length 0
    assert 1 not in read_sections(changed(32, bytes(2)), HERE)[0]  # number 0
    assert sorted(read_sections(changed(10, struct.pack("<L", 36)), HERE)[0]) == [1]
    with pytest.raises(TruncatedFileError):
        read_sections(content[:21], HERE)


def test_how_a_record_is_recognised(tmp_path: Path) -> None:
    head = record(tmp_path).read_bytes()[:64]
    assert sniff(HERE, head)
    without = head[:16] + bytes(6) + head[22:]
    assert sniff(HERE, without)
    for place in (8, 9, 22, 24, 28):
        assert not sniff(HERE, without[:place] + b"\x55" + without[place + 1 :])
    assert sniff(HERE, without[:32]) and not sniff(HERE, without[:31])
    assert not sniff(HERE, head[:16] + b"SCPECX" + bytes(10) + head[32:])
