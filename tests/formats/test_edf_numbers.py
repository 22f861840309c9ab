"""The numbers of EDF and BDF: fields, scales, dates, limits, and what the writer writes.

References: Kemp 1992 (EDF), Kemp and Olivan 2003 (EDF+), BioSemi (BDF).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.formats.layouts import edf_file

from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LimitError,
    TruncatedFileError,
)
from ecgfoundry.formats import inspect, read
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.multichannel import part_annotations, range_at_rate
from ecgfoundry.formats.common.subjects import age_between
from ecgfoundry.formats.edf.annotations import edf_timeline
from ecgfoundry.formats.edf.header import read_edf_header
from ecgfoundry.formats.edf.reader import READER
from ecgfoundry.formats.writers import write
from ecgfoundry.recording import Annotation, Channel, Recording, Subject, annotations_between

RAMP = np.arange(40)


def one(label: str = "ECG", data: np.ndarray = RAMP, samples: int = 10, **more: Any) -> dict:
    return {"label": label, "samples": samples, "data": data, **more}


def file(folder: Path, *signals: dict, records: int = 4, **fields: Any) -> Path:
    return edf_file(folder / "x.edf", signals or (one(),), records=records, **fields)


def lists(*cells: str) -> dict:
    content = [cell.encode() for cell in cells]
    return {"label": "EDF Annotations", "unit": "", "samples": 60, "data": content}


# Reading


@pytest.mark.parametrize(
    ("physical", "digital", "unit", "expected"),
    [
        ((-100, 100), (-1000, 1000), "mV", [0.0, 0.1, 100.0, -100.0]),
        ((0, 200), (-1000, 1000), "mV", [100.0, 100.1, 200.0, 0.0]),
        ((100, -100), (-1000, 1000), "uV", [0.0, -0.0001, -0.1, 0.1]),  # an inverted channel
        ((-1, 1), (0, 2000), "V", [-1000.0, -999.0, 0.0, -2000.0]),
        ((-5, 15), (1000, -1000), "mV", [5.0, 4.99, -5.0, 15.0]),
    ],
)
def test_physical_values(
    tmp_path: Path, physical: tuple, digital: tuple, unit: str, expected: list[float]
) -> None:
    """EDF: digital minimum and maximum stand for the physical ones, linearly between."""
    data = np.array([0, 1, 1000, -1000])
    signal = one(data=data, samples=4, physical=physical, digital=digital, unit=unit)
    np.testing.assert_allclose(
        read(file(tmp_path, signal, records=1)).signal[0], expected, rtol=1e-6, atol=1e-9
    )


def test_24_bits_of_bdf(tmp_path: Path) -> None:
    data = np.array([0, 1, -1, 0x123456, -0x123456, 8_388_607, -8_388_608, 256])
    path = file(tmp_path, one(data=data, samples=4, unit="mV"), records=2, bdf=True)
    np.testing.assert_array_equal(read(path).signal[0], data.astype(np.float32))
    assert read(path).header == {"variant": "BDF"}
    assert read(path, start_s=1).signal[0].tolist() == [-1_193_046, 8_388_607, -8_388_608, 256]


def test_variants(tmp_path: Path) -> None:
    for reserved, bdf, variant in (
        ("", False, "EDF"),
        ("EDF+C", False, "EDF+C"),
        ("BDF+C", True, "BDF+C"),
        ("EDF", False, "EDF"),
    ):
        assert read(file(tmp_path, reserved=reserved, bdf=bdf)).header["variant"] == variant
    with pytest.raises(FormatError, match="no record says when it began"):
        read(file(tmp_path, reserved="EDF+D"))


def test_places_in_a_record(tmp_path: Path) -> None:
    """Each record holds 3 samples of Resp, 2 of I and 4 of SpO2, one signal after the other."""
    path = file(
        tmp_path,
        one("Resp", np.arange(100, 112), 3, unit="V"), one("ECG I", np.arange(8), 2, unit="mV"),
        one("SpO2", np.arange(200, 216), 4, unit="%"),
    )  # fmt: skip
    recording = read(path)
    assert recording.signal[0].tolist() == list(range(8))
    resp, saturation = recording.other_channels
    assert resp.signal.tolist() == list(range(100, 112))
    assert saturation.signal.tolist() == list(range(200, 216))
    assert (resp.sampling_rate, recording.sampling_rate, saturation.sampling_rate) == (3, 2, 4)
    assert (resp.unit, resp.kind, saturation.unit, saturation.kind) == (
        "V",
        "respiration",
        "%",
        "ppg",
    )
    for start, stop, low, high in ((3, 6, 104, 108), (2, 4, 103, 105), (7, 8, 110, 111)):
        part = READER.read(path, ReadOptions(), start, stop)
        assert part.signal[0].tolist() == list(range(start, stop))
        assert part.other_channels[0].signal.tolist() == list(range(low, high + 1))
        assert part.other_channels[1].signal.tolist() == list(
            range(200 + 2 * start, 200 + 2 * stop)
        )
    assert READER.read(path, ReadOptions(), -1, 99).samples == 8
    assert READER.read(path, ReadOptions(), 5, 2).samples == 0
    assert READER.read(path, ReadOptions(limits=Limits(samples=36)), 0, None).samples == 8
    with pytest.raises(LimitError, match="36 samples are asked for; the limit is 35"):
        READER.read(path, ReadOptions(limits=Limits(samples=35)), 0, None)


def test_many_records_are_read_in_blocks(tmp_path: Path) -> None:
    """A block has 8 MB: 250 records of 32 kB here."""
    data = (np.arange(16_000 * 260) % 30_000).astype(np.int32)
    path = file(tmp_path, one(data=data, samples=16_000, unit="mV"), records=260)
    recording = read(path)
    np.testing.assert_array_equal(recording.signal[0], data.astype(np.float32))


@pytest.mark.parametrize(
    ("duration", "samples", "rate"),
    [("1", 250, 250.0), ("0.1", 25, 250.0), ("0,5", 128, 256.0), ("8", 1000, 125.0),
     ("0.3", 100, 1000 / 3), ("999999", 10, 10 / 999_999)],
)  # fmt: skip
def test_rates(tmp_path: Path, duration: str, samples: int, rate: float) -> None:
    data = np.zeros(samples, int)
    path = file(tmp_path, one(data=data, samples=samples), records=1, duration=duration)
    assert READER.inspect(path, ReadOptions()).sampling_rate == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(
    ("field", "place", "width", "value", "error", "words"),
    [
        ("signals", 252, 4, "0", FormatError, "announces 0 signals"),
        ("signals", 252, 4, "-1", FormatError, "announces -1 signals"),
        ("signals", 252, 4, "1.5", FormatError, "not an integer"),
        ("signals", 252, 4, "x", FormatError, "not a number"),
        ("signals", 252, 4, "1_0", FormatError, "not a number"),
        ("signals", 252, 4, "9", TruncatedFileError, "its header needs 2560"),
        ("header", 184, 8, "511", FormatError, "511 bytes; 1 signals need 512"),
        ("records", 236, 8, "0", FormatError, "announces 0 data records"),
        ("records", 236, 8, "-2", FormatError, "announces -2 data records"),
        ("records", 236, 8, "5", TruncatedFileError, "5 data records of 20 bytes, 80 bytes"),
        ("duration", 244, 8, "-1", FormatError, "lasts -1 s"),
        ("duration", 244, 8, "1000000", FormatError, "lasts 1e.06 s"),
        ("duration", 244, 8, "0.000001", EcgFoundryError, "10 samples in 1e-06 s"),
        ("samples", 472, 8, "0", FormatError, "0 samples per record"),
        ("digital minimum", 376, 8, "32767", FormatError, "range of 'ECG' is empty"),
    ],
)  # fmt: skip
def test_damaged_fields(
    tmp_path: Path, field: str, place: int, width: int, value: str, error: type, words: str
) -> None:
    """The places of the fields in the header: EDF's specification, table of the header record."""
    path = file(tmp_path)
    content = bytearray(path.read_bytes())
    content[place : place + width] = value.encode().ljust(width)
    path.write_bytes(content)
    with pytest.raises(error, match=words):
        READER.read(path, ReadOptions(), 0, None)
    assert field


def test_limits_of_signals_and_records(tmp_path: Path) -> None:
    two = file(tmp_path, one("ECG I"), one("ECG II"))
    assert len(read_edf_header(two, Limits(channels=2)).signals) == 2
    with pytest.raises(LimitError, match="2 signals; the limit is 1"):
        read_edf_header(two, Limits(channels=1))
    broken_off = file(tmp_path, stated_records=-1)
    content = broken_off.read_bytes()
    for size, records in ((512 + 20, 1), (512 + 79, 3), (512 + 80, 4)):
        broken_off.write_bytes(content[:size])
        header = read_edf_header(broken_off, Limits())
        assert (header.records, header.records_stated) == (records, False)
        assert header.trailing_bytes == size - 512 - 20 * records
    broken_off.write_bytes(content[: 512 + 19])
    with pytest.raises(TruncatedFileError, match="no complete data record"):
        read_edf_header(broken_off, Limits())


@pytest.mark.parametrize(
    ("date", "time", "recording", "expected"),
    [
        ("02.05.24", "07.08.09", "", dt.datetime(2024, 5, 2, 7, 8, 9)),
        ("02.05.85", "07.08.09", "", dt.datetime(1985, 5, 2, 7, 8, 9)),  # EDF+ 2.1.3.2
        ("02.05.99", "07.08.09", "", dt.datetime(1999, 5, 2, 7, 8, 9)),
        ("02.05.84", "07.08.09", "", dt.datetime(2084, 5, 2, 7, 8, 9)),
        ("02/05/24", "07:08:09", "", dt.datetime(2024, 5, 2, 7, 8, 9)),
        ("02-05-24", "07 08 09", "", dt.datetime(2024, 5, 2, 7, 8, 9)),
        ("32.05.24", "07.08.09", "", None),
        ("02.05.24", "24.08.09", "", None),
        ("2.5.24", "07.08.09", "", None),
        ("01.01.85", "00.00.00", "Startdate X X X X", None),
        ("02.01.85", "00.00.00", "Startdate X X X X", dt.datetime(1985, 1, 2)),
        ("01.01.85", "00.00.00", "Startdate 01-JAN-1985 X X X", dt.datetime(1985, 1, 1)),
        ("02.05.51", "07.08.09", "Startdate 02-MAY-1951 X X X", dt.datetime(1951, 5, 2, 7, 8, 9)),
        ("02.05.51", "07.08.09", "Startdate 02-XXX-1951 X X X", dt.datetime(2051, 5, 2, 7, 8, 9)),
        *(
            (f"01.{month:02d}.24", "00.00.00", f"Startdate 01-{name}-2124 X X X",
             dt.datetime(2124, month, 1))
            for month, name in enumerate(
                "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), start=1)
        ),
    ],
)  # fmt: skip
def test_start_times(
    tmp_path: Path, date: str, time: str, recording: str, expected: dt.datetime | None
) -> None:
    path = file(tmp_path, date=date, time=time, recording=recording)
    assert read(path).start_time == expected
    if expected is not None:
        assert read(path, start_s=2).start_time == expected + dt.timedelta(seconds=2)


@pytest.mark.parametrize(
    ("patient", "plus", "subject"),
    [
        ("A7 F 07-MAY-1960 Name", True, Subject(63.0, "female", "A7", dt.date(1960, 5, 7))),
        # The birthday itself.
        ("A7 M 02-MAY-1960 Name", True, Subject(64.0, "male", "A7", dt.date(1960, 5, 2))),
        ("A7 M 03-MAY-1960 Name", True, Subject(63.0, "male", "A7", dt.date(1960, 5, 3))),
        ("X X 02-MAY-2024 X", True, Subject(0.0, None, None, dt.date(2024, 5, 2))),
        ("X X 03-MAY-2024 X", True, Subject()),  # born after the recording
        ("X X 02-MAY-1904 X", True, Subject(120.0, None, None, dt.date(1904, 5, 2))),
        ("X X 02-MAY-1903 X", True, Subject()),
        ("X F", True, Subject(None, "female", None)),
        ("", True, Subject()),
        ("A7 F 07-MAY-1960 Name", False, Subject()),  # plain EDF: free text, often a name
    ],
)
def test_subjects(tmp_path: Path, patient: str, plus: bool, subject: Subject) -> None:
    path = file(tmp_path, patient=patient, reserved="EDF+C" if plus else "")
    assert read(path).subject == subject


def test_ages_between_dates() -> None:
    born = dt.date(2000, 6, 15)
    for day, age in (
        ((2020, 6, 14), 19),
        ((2020, 6, 15), 20),
        ((2020, 5, 20), 19),
        ((2120, 6, 15), 120),
        ((2121, 6, 15), None),
        ((1999, 1, 1), None),
    ):
        assert age_between(born, dt.date(*day)) == age
    assert age_between(None, born) is None and age_between(born, None) is None


def test_equipment_is_the_fifth_part(tmp_path: Path) -> None:
    recording = "Startdate 02-MAY-2024 R1 T1 Box_3_b more"
    assert read(file(tmp_path, reserved="EDF+C", recording=recording)).device == {
        "equipment": "Box 3 b"
    }
    for other in ("Startdate 02-MAY-2024 R1 T1 X", "Startdate 02-MAY-2024 R1 T1"):
        assert "equipment" not in read(file(tmp_path, reserved="EDF+C", recording=other)).device
    assert "equipment" not in read(file(tmp_path, recording=recording)).device


@pytest.mark.parametrize(
    ("text", "device"),
    [
        (
            "HP:0.05Hz LP:150Hz N:50Hz",
            {"highpass": "0.05 Hz", "lowpass": "150 Hz", "notch": "50 Hz"},
        ),
        ("hp 0.5 lp: 40", {"highpass": "0.5 Hz", "lowpass": "40 Hz"}),
        ("HP:0.05Hz HP:9Hz", {"highpass": "0.05 Hz"}),
        ("none", {}),
    ],
)
def test_filters(tmp_path: Path, text: str, device: dict) -> None:
    found = dict(read(file(tmp_path, one(prefilter=text))).device)
    assert found.pop("prefilter") == text
    assert found == device
    two = file(tmp_path, one("ECG I", prefilter=text), one("ECG II", prefilter="LP:1Hz"))
    assert dict(read(two).device) == {"prefilter": "; ".join(sorted({text, "LP:1Hz"}))}


@pytest.mark.parametrize(
    ("label", "unit", "leads"),
    [
        ("ECG", "uV", ("ECG",)), ("EKG2", "uV", ("EKG2",)), ("ecg x1", "uV", ("ecg x1",)),
        ("ECGRATE", "uV", None), ("ECGab", "uV", ("ECGab",)), ("II", "mmHg", None),
        ("C3", "uV", None), ("Resp", "uV", None), ("V", "uV", None), ("II", "%", None),
    ],
)  # fmt: skip
def test_labels_of_leads(tmp_path: Path, label: str, unit: str, leads: tuple | None) -> None:
    path = file(tmp_path, one(label, unit=unit))
    if leads is None:
        reason = "no ECG lead" if unit == "uV" else f"its unit is '{unit}'"
        with pytest.raises(EcgFoundryError, match=reason):
            read(path)
    else:
        assert read(path).leads == leads


@pytest.mark.parametrize(
    "electrode", "Fp1 FP2 Fpz F3 F4 F7 F8 Fz Cz P3 P4 P7 P8 Pz O1 O2 Oz T3 T4 T5 T6".split()
)
def test_chest_letters_beside_eeg_electrodes(tmp_path: Path, electrode: str) -> None:
    """International 10-20 system: beside one of its electrodes C1 to C6 are of it, too."""
    letters = [one(f"C{n}") for n in range(1, 7)]
    path = file(tmp_path, *letters, one(electrode), one("ECG"))
    assert read(path).leads == ("ECG",)
    beside = file(tmp_path, *letters, one("EMG"), one("aVF"))
    assert read(beside).leads == ("V1", "V2", "V3", "V4", "V5", "V6", "aVF")


def test_what_our_own_files_say_in_the_free_part(tmp_path: Path) -> None:
    data = np.array([-32_768, -32_767, 5])
    for free, names, missing in (
        ("", ("ECG chest",), False), ("missing -32768", ("ECG chest",), True),
        ("ecg lead", ("chest",), False), ("ecg lead, missing -32768", ("chest",), True),
    ):  # fmt: skip
        signal = one("ECG chest", data, 3, unit="mV", free=free)
        recording = read(file(tmp_path, signal, records=1))
        assert recording.leads == names
        assert np.isnan(recording.signal[0]).tolist() == [missing, False, False]
    bdf = file(tmp_path, one(data=data, samples=3, free="missing -32768"), records=1, bdf=True)
    assert not np.isnan(read(bdf).signal).any()
    label = one("chest II", data, 3, free="ecg lead")
    with pytest.raises(EcgFoundryError, match="no ECG lead"):
        read(file(tmp_path, label, records=1))


def test_the_caller_states_the_rate(tmp_path: Path) -> None:
    """At 20 Hz instead of 10 Hz sample 10 is half a second later, and Resp doubles, too."""
    path = file(tmp_path, one("ECG I"), one("Resp", RAMP[:20], 5, unit="V"))
    part = READER.read(path, ReadOptions(sampling_rate=20.0), 10, 20)
    assert part.start_time == dt.datetime(2024, 5, 2, 7, 8, 9, 500_000)
    assert (part.sampling_rate, part.other_channels[0].sampling_rate) == (20, 10)
    assert part.signal[0].tolist() == [np.float32(n / 1000) for n in range(10, 20)]


def test_a_scale_of_a_damaged_header_gives_no_infinities(tmp_path: Path) -> None:
    for largest, lost in (("9e33", False), ("9e36", False), ("9e45", True)):
        signal = one(physical=("-" + largest, largest), digital=(-32_768, 32_767), unit="mV")
        row = read(file(tmp_path, signal)).signal[0]
        assert not np.isinf(row).any()
        assert bool(np.isnan(row).any()) == lost


def test_gaps_at_onsets(tmp_path: Path) -> None:
    """Records of 1 s begin at 0.5, 1.5 and 4 s: 1.5 s are missing between them."""
    cells = lists("+0.5\x14\x14\0", "+1.5\x14\x14\0+3.25\x15.25\x14cough\x14\0", "+4\x14\x14\0")
    path = file(tmp_path, one(data=RAMP[:30]), cells, records=3, reserved="EDF+D")
    expected = np.full(45, np.nan)
    expected[:20], expected[35:] = RAMP[:20], RAMP[20:30]
    recording = read(path)
    np.testing.assert_allclose(recording.signal[0], expected / 1000, rtol=1e-6)
    assert recording.start_time == dt.datetime(2024, 5, 2, 7, 8, 9, 500_000)
    assert "gaps" not in recording.header  # EDF+D says so itself
    (mark,) = recording.annotations
    assert (mark.time_s, mark.duration_s, mark.text, mark.kind) == (2.75, 0.25, "cough", "note")
    for start, stop in ((0, 5), (5, 15), (18, 22), (20, 35), (34, 36), (40, 45)):
        part = READER.read(path, ReadOptions(), start, stop)
        np.testing.assert_allclose(part.signal[0], expected[start:stop] / 1000, rtol=1e-6)


@pytest.mark.parametrize(
    ("third", "fits"),
    [("2", True), ("1.999", True), ("1.998", True), ("1.9979", False), ("34560000", True),
     ("34560001", False)],
)  # fmt: skip
def test_limits_of_onsets(tmp_path: Path, third: str, fits: bool) -> None:
    """A record may seem to begin 2 ms early (0.1 % of it and 1 ms); 400 days are the longest."""
    cells = lists("+0\x14\x14\0", "+1\x14\x14\0", f"+{third}\x14\x14\0")
    path = file(tmp_path, one(data=RAMP[:3], samples=1), cells, records=3, reserved="EDF+D")
    if fits:
        assert inspect(path).samples >= 3
    else:
        with pytest.raises(FormatError, match=r"before the one before it ends|s after the first"):
            inspect(path)


def test_annotation_lists(tmp_path: Path) -> None:
    """EDF+ 2.2.2: onset, 21, duration, 20, texts each ended by 20, 0; the first keeps the time."""
    path = file(
        tmp_path,
        one(),
        lists(
            "+0\x14\x14\0+0.25\x140\x14a\x14\0",
            "+1\x14\x14first\x14\0",
            "+2\x14\x14\0+9x\x14bad\x14\0+1\x15-1\x14bad\x14\0+1\0",
            "+3\x14\x14\0-0.5\x14early\x14\0",
        ),
        reserved="EDF+C",
    )
    recording = read(path)
    found = [(m.time_s, m.duration_s, m.text) for m in recording.annotations]
    assert found == [(-0.5, 0, "early"), (0.25, 0, "0"), (0.25, 0, "a"), (1, 0, "first")]
    assert recording.header["damaged_annotations"] == "3"
    assert recording.start_time == dt.datetime(2024, 5, 2, 7, 8, 9)


def test_marks_between(tmp_path: Path) -> None:
    marks = [Annotation(t, "note", str(t), d) for t, d in ((0, 1), (0.5, 0.4), (1, 0), (2, 5))]
    found = annotations_between(marks, 1.0, 2.0, origin_s=1.0)
    assert [(m.text, m.time_s) for m in found] == [("0", -1.0), ("1", 0.0)]
    beyond = [Annotation(t, "note", str(t)) for t in (-0.5, 0.0, 2.0, 3.0, 3.5)]
    # 3 s at 10 Hz in parts of 1 s: no mark is lost and none is in two parts.
    parts = [part_annotations(beyond, n, n + 10, 30, 10.0) for n in (0, 10, 20)]
    assert [[(m.text, m.time_s) for m in part] for part in parts] == [
        [("-0.5", -0.5), ("0.0", 0.0)], [], [("2.0", 0.0), ("3.0", 1.0), ("3.5", 1.5)],
    ]  # fmt: skip


def test_ranges_at_another_rate() -> None:
    # 100 Hz beside an ECG of 250 Hz: sample 125 is at 0.5 s.
    for start, stop, expected in (
        (0, 250, (0, 100)), (125, 250, (50, 100)), (1, 2, (0, 1)), (240, 999, (96, 100)),
        (999, 9999, (100, 100)), (250, 0, (100, 100)),
    ):  # fmt: skip
        assert range_at_rate(start, stop, 250.0, 100.0, 100) == expected


# Writing


def recording(rate: float = 250.0, samples: int = 1000, **fields: Any) -> Recording:
    signal = (np.arange(samples) % 200 - 100).astype(np.float32)[np.newaxis] / 1000
    return Recording.from_array(signal, sampling_rate=rate, leads=("II",), unit="mV", **fields)


def header_of(path: Path) -> dict[str, str]:
    raw = path.read_bytes()
    names = (
        ("version", 8),
        ("patient", 80),
        ("recording", 80),
        ("date", 8),
        ("time", 8),
        ("bytes", 8),
        ("reserved", 44),
        ("records", 8),
        ("duration", 8),
        ("signals", 4),
    )
    fields, place = {}, 0
    for name, width in names:
        fields[name] = raw[place : place + width].decode("ascii").rstrip()
        place += width
    count = int(fields["signals"])
    for name, width in (
        ("label", 16),
        ("transducer", 80),
        ("unit", 8),
        ("pmin", 8),
        ("pmax", 8),
        ("dmin", 8),
        ("dmax", 8),
        ("prefilter", 80),
        ("samples", 8),
        ("free", 32),
    ):
        cells = [raw[place + n * width : place + (n + 1) * width] for n in range(count)]
        fields[name] = "|".join(cell.decode("ascii").rstrip() for cell in cells)
        place += width * count
    return fields


def test_every_written_field(tmp_path: Path) -> None:
    breath = np.array([0.5, -1.25, np.nan, 0.75], np.float32)
    original = recording(
        start_time=dt.datetime(2024, 5, 6, 7, 8, 9), subject=Subject(61.0, "female", "P 1"),
        device={"highpass": "0.05 Hz", "lowpass": "150 Hz", "notch": "FIR", "model": "Box 3"},
        other_channels=(Channel("Resp", "respiration", "V", 1.0, breath),),
    )  # fmt: skip
    written = write(original, tmp_path / "x.edf")
    assert header_of(written.path) == {
        "version": "0", "patient": "P_1 F X X",
        "recording": "Startdate 06-MAY-2024 X X Box_3", "date": "06.05.24", "time": "07.08.09",
        "bytes": "1024", "reserved": "EDF+C", "records": "4", "duration": "1", "signals": "3",
        "label": "ECG II|Resp|EDF Annotations", "transducer": "||", "unit": "uV|V|",
        "pmin": "-32768|-1.25000|-1", "pmax": "32767|0.750000|1", "dmin": "-32768|-32767|-32768",
        "dmax": "32767|32767|32767", "prefilter": "HP:0.05Hz LP:150Hz||", "samples": "250|1|3",
        "free": "ecg lead|missing -32768|",
    }  # fmt: skip
    assert written.step_mv == 0.001
    assert written.notes[0] == "the age is left out"
    assert written.notes[1] == "the identifier is stored as P_1"
    raw = written.path.read_bytes()
    assert len(raw) == 1024 + 4 * (250 + 1 + 3) * 2
    first = np.frombuffer(raw, "<i2", 251, 1024)
    assert first[:3].tolist() == [-100, -99, -98]
    # -1.25 to 0.75 V are -32767 to 32767: 0.5 V is 7/8 of the way.
    stored = [int(np.frombuffer(raw, "<i2", 1, 1024 + n * 508 + 500)[0]) for n in range(4)]
    assert stored == [24575, -32767, -32768, 32767]
    texts = [raw[1024 + n * 508 + 502 : 1024 + (n + 1) * 508] for n in range(4)]
    assert texts == [b"+0\x14\x14\0\0", b"+1\x14\x14\0\0", b"+2\x14\x14\0\0", b"+3\x14\x14\0\0"]


@pytest.mark.parametrize(
    ("rate", "samples", "per_record", "duration"),
    [
        (250.0, 1000, "250", "1"),
        (500.0, 5000, "500", "1"),
        (360.0, 21600, "360", "1"),
        (200.0, 300, "150", "0.75"),
        (250.0, 1001, "143", "0.572"),  # 1001 = 7 x 11 x 13
        (250.0, 997, "1", "0.004"),  # a prime number; nothing is added
        (1.0, 7, "1", "1"),
    ],
)
def test_records_that_divide_the_recording(
    tmp_path: Path, rate: float, samples: int, per_record: str, duration: str
) -> None:
    written = write(recording(rate, samples), tmp_path / "x.edf")
    fields = header_of(written.path)
    assert (fields["samples"].split("|")[0], fields["duration"]) == (per_record, duration)
    assert written.notes == ()


def test_dates_that_edf_can_state(tmp_path: Path) -> None:
    for year, fields in {
        1984: ("03.02.84", "04.05.06", "Startdate 03-FEB-1984 X X X"),
        1985: ("03.02.85", "04.05.06", "Startdate 03-FEB-1985 X X X"),
        2084: ("03.02.84", "04.05.06", "Startdate 03-FEB-2084 X X X"),
        2085: ("03.02.yy", "04.05.06", "Startdate 03-FEB-2085 X X X"),
    }.items():
        start = dt.datetime(year, 2, 3, 4, 5, 6)
        found = header_of(write(recording(start_time=start), tmp_path / f"{year}.edf").path)
        assert (found["date"], found["time"], found["recording"]) == fields
    for month, name in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), 1):
        start = dt.datetime(2020, month, 9)
        found = header_of(write(recording(start_time=start), tmp_path / f"{name}.edf").path)
        assert found["recording"] == f"Startdate 09-{name}-2020 X X X"


def test_written_annotations(tmp_path: Path) -> None:
    marks = (Annotation(-0.25, "note", "early"), Annotation(0.5, "beat", "N", lead="II"),
             Annotation(1.999, "note", "a\x14b", 0.125), Annotation(2.0, "note", "two"),
             Annotation(4.5, "note", "behind"))  # fmt: skip
    original = recording(annotations=marks, start_time=dt.datetime(2024, 5, 6, 7, 8, 9, 500_000))
    raw = write(original, tmp_path / "x.edf").path.read_bytes()
    for text in (
        b"+0.5\x14\x14\0+0.25\x14early\x14\0+1\x14N@@ECG II\x14\0",
        b"+1.5\x14\x14\0+2.499\x150.125\x14ab\x14\0",
        b"+2.5\x14\x14\0+2.5\x14two\x14\0",
        b"+3.5\x14\x14\0+5\x14behind\x14\0",
    ):
        assert text in raw


def test_other_channels_that_do_not_fit(tmp_path: Path) -> None:
    def other(kind: str, rate: float, values: list[float], unit: str = "V") -> Channel:
        return Channel("Flow", kind, unit, rate, np.array(values, np.float32))

    for channel, fits in (
        (other("other", 2.0, [0, 1, 2, 3, 4, 5, 6, 7]), True),
        (other("representative-beat", 2.0, [0, 1]), False),
        (other("other", 0.4, [0, 1]), False),  # no whole sample in a record of 1 s
        (other("other", 2.5, [0, 1]), False),
        (other("other", 2.0 * (1 + 0.6e-9), [0, 1]), True),  # 2 Hz, as a quotient may have it
        (other("other", 2.0 * (1 + 1.5e-9), [0, 1]), False),
        (other("other", 2.0, [3, 3, 3]), False),  # no range
        (other("other", 2.0, [0, 1] * 4), True),
        (other("other", 2.0, [0, 1] * 4 + [2]), False),  # longer than the recording
        (other("other", 2.0, [float("nan")] * 3), True),
    ):
        path = tmp_path / "x.edf"
        written = write(recording(other_channels=(channel,)), path, overwrite=True)
        assert len(read(path).other_channels) == fits
        assert any("left out" in note for note in written.notes) == (not fits)


def test_a_start_that_is_none_is_said_as_it_stands(tmp_path: Path) -> None:
    """Bytes 168 to 183 of the header; the sign before them belongs to the recording."""
    path = file(tmp_path, date="32.13.99", time="25.00.00", recording="R" * 80)
    recording = read(path)
    assert recording.start_time is None
    assert recording.header["start_date"] == "32.13.99 25.00.00"


def test_a_plain_file_begins_when_it_says(tmp_path: Path) -> None:
    timeline = edf_timeline(read_edf_header(file(tmp_path), Limits()))
    assert (timeline.offset_s, timeline.onsets, timeline.annotations) == (0.0, None, ())


def test_labels_differ_within_sixteen_characters(tmp_path: Path) -> None:
    values = np.arange(8, dtype=np.float32)
    names = ("Respiration chest", "Respiration chesT", "Respiration ches")
    channels = tuple(Channel(name, "other", "V", 2.0, values) for name in names)
    written = write(recording(other_channels=channels), tmp_path / "x.edf")
    back = [channel.name for channel in read(written.path).other_channels]
    assert len(set(back)) == 3 and all(len(name) <= 16 for name in back)


def test_eight_characters_of_a_range_enclose_what_they_limit(tmp_path: Path) -> None:
    """-9999.123 has nine: -9999.13 is the nearest of eight below it; 12345.678 needs 12345.68."""
    values = np.array([-9999.123, 12345.678, 0, 0, 0, 0, 0, 0], np.float32)
    channel = Channel("Flow", "other", "V", 2.0, values)
    header = header_of(write(recording(other_channels=(channel,)), tmp_path / "x.edf").path)
    assert header["pmin"].split("|")[1] == "-9999.13"
    assert header["pmax"].split("|")[1] == "12345.68"


def test_a_rate_that_eight_characters_hold(tmp_path: Path) -> None:
    assert read(write(recording(999.5, 1999), tmp_path / "a.edf").path).sampling_rate == 999.5
    written = write(recording(311.0123457, 997), tmp_path / "b.edf")
    assert read(written.path).sampling_rate == pytest.approx(311.0123457, rel=1e-5)
    assert any("sampling rate" in note for note in written.notes)


# --------------------------------------------------------------- headers as they are written today


def test_texts_in_utf8_and_latin_1(tmp_path: Path) -> None:
    """A unit of "µV" in either encoding: 1 step of 1 uV is 0.001 mV."""
    for encoding in ("utf-8", "latin-1"):
        path = file(tmp_path, one("ECG I", unit="uV"))
        content = path.read_bytes()
        place = content.index(b"uV      ")
        unit = "µV".encode(encoding).ljust(8)
        path.write_bytes(content[:place] + unit + content[place + 8 :])
        recording = read(path)
        assert recording.leads == ("I",)
        assert recording.signal[0, 1] - recording.signal[0, 0] == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize(
    ("date", "stated", "start", "field"),
    [
        ("02.05.24", "02-MAY-2024", dt.datetime(2024, 5, 2, 7, 8, 9), None),
        ("02.05.yy", "02-MAY-2091", dt.datetime(2091, 5, 2, 7, 8, 9), None),
        ("02.05.yy", "X", None, None),
        ("02.05.yy", "2091", None, "2091"),  # a year alone, as some tools leave it
        ("01.01.85", "2024", None, "2024"),
        ("01.01.85", "X", None, None),
        ("29.02.24", "29-FEB-2024", dt.datetime(2024, 2, 29, 7, 8, 9), None),
    ],
)
def test_start_dates_in_full_and_of_a_year_alone(
    tmp_path: Path, date: str, stated: str, start: dt.datetime | None, field: str | None
) -> None:
    path = file(tmp_path, one(), reserved="EDF+C")
    content = bytearray(path.read_bytes())
    content[88:168] = f"Startdate {stated} X X X".encode().ljust(80)
    content[168:184] = f"{date}07.08.09".encode()
    path.write_bytes(content)
    recording = read(path)
    assert (recording.start_time, recording.header.get("start_date")) == (start, field)
    assert recording.samples == 40
