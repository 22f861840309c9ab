"""Binary files laid out byte by byte from the specifications, without the code under test."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def ecg_like(leads: int, samples: int, rate: float, seed: int = 5) -> np.ndarray:
    """Return int16 (leads, samples) in microvolts: spikes about once a second on a slow wave."""
    generator = np.random.default_rng(seed)
    t = np.arange(samples) / rate
    beats = np.exp(-(((t % 0.8) - 0.4) ** 2) / (2 * 0.015**2))
    rows = [
        beats * 1000 * generator.uniform(0.5, 1.5)
        + 60 * np.sin(2 * np.pi * 0.3 * t)
        + generator.normal(0, 8, samples)
        for _ in range(leads)
    ]
    return np.rint(rows).astype(np.int16)


def edf_file(
    path: Path,
    signals: Sequence[dict[str, Any]],
    *,
    records: int,
    duration: str = "1",
    reserved: str = "",
    stated_records: int | None = None,
    patient: str = "X X X X",
    recording: str = "Startdate X X X X",
    bdf: bool = False,
    date: str = "02.05.24",
    time: str = "07.08.09",
) -> Path:
    """Write EDF or BDF; a signal has label, unit, samples (per record), data, and ranges."""
    width = 3 if bdf else 2
    largest = 2 ** (8 * width - 1) - 1
    cells = [
        [s["label"] for s in signals],
        [s.get("transducer", "") for s in signals],
        [s.get("unit", "uV") for s in signals],
        [str(s.get("physical", (-largest - 1, largest))[0])[:8] for s in signals],
        [str(s.get("physical", (-largest - 1, largest))[1])[:8] for s in signals],
        [str(s.get("digital", (-largest - 1, largest))[0]) for s in signals],
        [str(s.get("digital", (-largest - 1, largest))[1]) for s in signals],
        [s.get("prefilter", "") for s in signals],
        [str(s["samples"]) for s in signals],
        [s.get("free", "") for s in signals],
    ]
    count = records if stated_records is None else stated_records
    head = (b"\xffBIOSEMI" if bdf else b"0".ljust(8)) + b"".join(
        text.encode("latin-1").ljust(size)
        for text, size in (
            (patient, 80),
            (recording, 80),
            (date, 8),
            (time, 8),
            (str(256 * (len(signals) + 1)), 8),
            (reserved, 44),
            (str(count), 8),
            (duration, 8),
            (str(len(signals)), 4),
        )
    )
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    for column, size in zip(cells, widths, strict=True):
        head += b"".join(text.encode("latin-1").ljust(size) for text in column)
    body: list[bytes] = []
    for record in range(records):
        for s in signals:
            data, n = s["data"], s["samples"]
            if isinstance(data, list):  # annotation texts, one entry per record
                body.append(data[record].ljust(n * width, b"\0"))
                continue
            part = np.asarray(data[record * n : (record + 1) * n], dtype="<i4")
            raw = part.view(np.uint8).reshape(-1, 4)[:, :width]
            body.append(raw.tobytes())
    path.write_bytes(head + b"".join(body))
    return path


def ishne_file(
    path: Path,
    signal: np.ndarray,
    *,
    codes: Sequence[int],
    rate: int,
    resolution: int = 1000,
    total_count: bool = False,
    pacemaker: int = 0,
    quality: int = 1,
    beats: Sequence[int] | None = None,
) -> Path:
    """Write ISHNE from int16 (leads, samples); with ``beats``, an annotation file too."""
    leads, samples = signal.shape
    text = b"free text"

    def header(magic: bytes) -> bytes:
        body = struct.pack(
            "<4i", len(text), samples * leads if total_count else samples, 522, 522 + len(text)
        )
        body += struct.pack("<h", 1) + b"First".ljust(40, b"\0") + b"Last".ljust(40, b"\0")
        body += b"ID7".ljust(20, b"\0")
        body += struct.pack("<hh3h3h3h3h", 2, 0, 5, 6, 1950, 2, 3, 2010, 2, 3, 2010, 8, 9, 10)
        body += struct.pack("<h", leads)
        body += struct.pack("<12h", *(list(codes) + [-9] * (12 - leads)))
        body += struct.pack("<12h", *([quality] * leads + [-9] * (12 - leads)))
        body += struct.pack("<12h", *([resolution] * leads + [-9] * (12 - leads)))
        body += struct.pack("<h", pacemaker) + b"Recorder".ljust(40, b"\0")
        body += struct.pack("<h", rate) + bytes(80 + 80 + 88)
        assert len(body) == 512
        return magic + struct.pack("<H", binascii.crc_hqx(body + text, 0xFFFF)) + body + text

    path.write_bytes(header(b"ISHNE1.0") + signal.T.astype("<i2").tobytes())
    if beats is not None:
        steps = np.diff([0, *beats])
        marks = b"".join(b"N#" + struct.pack("<H", int(step)) for step in steps)
        path.with_suffix(".ann").write_bytes(header(b"ANN  1.0") + struct.pack("<i", 0) + marks)
    return path


def dicom_file(
    path: Path,
    signal: np.ndarray,
    *,
    codes: Sequence[str],
    scheme: str = "SCPECG",
    rate: float = 500,
    sensitivity: float = 2.0,
    correction: float = 1.0,
    baseline: float = 0.0,
    unit: str = "uV",
    interpretation: str = "SS",
    bits: int = 16,
    skew: Sequence[float] | None = None,
    padding: int | None = None,
    median: np.ndarray | None = None,
    offsets: Sequence[float] = (0.0,),
    split: int | None = None,
    syntax: str = "1.2.840.10008.1.2.1",
) -> Path:
    """Write a waveform object with pydicom; ``split`` puts so many leads into each group."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence as DicomSequence
    from pydicom.uid import UID

    dtype = {"SB": "i1", "UB": "u1", "SS": "i2", "US": "u2", "SL": "i4", "UL": "u4"}.get(
        interpretation, "u1"
    )
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"

    def code(value: str, designator: str, meaning: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, designator, meaning
        return item

    def group(rows: np.ndarray, names: Sequence[str], label: str, offset: float) -> Dataset:
        item = Dataset()
        item.MultiplexGroupTimeOffset = str(offset)
        item.WaveformOriginality = "ORIGINAL"
        item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = rows.shape
        item.SamplingFrequency = str(rate)
        item.MultiplexGroupLabel = label
        definitions = []
        for number, name in enumerate(names):
            channel = Dataset()
            channel.ChannelLabel = "wrong label"
            channel.ChannelSourceSequence = DicomSequence([code(name, scheme, "a lead")])
            channel.ChannelSensitivity = str(sensitivity)
            channel.ChannelSensitivityUnitsSequence = DicomSequence([code(unit, "UCUM", unit)])
            channel.ChannelSensitivityCorrectionFactor = str(correction)
            channel.ChannelBaseline = str(baseline)
            if skew is not None:
                channel.ChannelTimeSkew = str(skew[number])
            channel.WaveformBitsStored = bits
            channel.FilterLowFrequency, channel.FilterHighFrequency = "0.05", "150"
            definitions.append(channel)
        item.ChannelDefinitionSequence = DicomSequence(definitions)
        item.WaveformBitsAllocated = bits
        item.WaveformSampleInterpretation = interpretation
        raw = rows.T.astype(order + dtype).tobytes()
        if padding is not None:
            item.add_new(0x5400100A, "OW", np.array([padding], order + dtype).tobytes())
        item.add_new(0x54001010, "OB" if bits == 8 else "OW", raw + b"\0" * (len(raw) % 2))
        return item

    data = Dataset()
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    data.SOPInstanceUID = "1.2.3.4"
    data.PatientID, data.PatientSex, data.PatientAge = "P1", "F", "061Y"
    data.Manufacturer, data.ManufacturerModelName = "Maker", "Model 5"
    data.AcquisitionDateTime = "20240506070809.5"
    size = split or len(codes)
    data.WaveformSequence = DicomSequence(
        [
            group(
                signal[begin : begin + size],
                codes[begin : begin + size],
                "RHYTHM",
                offsets[(begin // size) % len(offsets)],
            )
            for begin in range(0, len(codes), size)
        ]
        + ([group(median, codes, "MEDIAN BEAT", 0.0)] if median is not None else [])
    )
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path, enforce_file_format=True)
    return path


SCP_DEFAULT = {0: "0"}
for _size in range(1, 9):
    SCP_DEFAULT[_size] = "1" * _size + "00"
    SCP_DEFAULT[-_size] = "1" * _size + "01"


def scp_bits(values: np.ndarray) -> bytes:
    """Return values in the default Huffman table of SCP-ECG."""
    bits = []
    for value in values.tolist():
        if value in SCP_DEFAULT:
            bits.append(SCP_DEFAULT[value])
        elif -128 <= value <= 127:
            bits.append("1111111110" + format(value & 0xFF, "08b"))
        else:
            bits.append("1111111111" + format(value & 0xFFFF, "016b"))
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big") if text else b""


def scp_differences(values: np.ndarray, order: int) -> np.ndarray:
    """Return first or second differences; what has no value before it stays as it is."""
    x = values.astype(np.int64)
    if order == 1:
        return np.concatenate([x[:1], np.diff(x)])
    if order == 2:
        return np.concatenate([x[:2], np.diff(x, 2)])
    return x


def scp_file(
    path: Path,
    rows: Sequence[np.ndarray],
    *,
    codes: Sequence[int],
    samples: int,
    interval_us: int = 2000,
    multiplier: int = 1000,
    differences: int = 0,
    huffman: bool = False,
    tables: bytes | None = None,
    encode: Any = None,
    flags: int = 0x04,
    bimodal: bool = False,
    beat: dict[str, Any] | None = None,
    first: Sequence[int] | None = None,
) -> Path:
    """Write SCP-ECG; ``rows`` are the values of section 6 as stored (before differences)."""
    coded = huffman or tables is not None
    encode = encode or scp_bits

    def chunk(values: np.ndarray, order: int) -> bytes:
        stored = scp_differences(np.asarray(values), order)
        return encode(stored) if coded else stored.astype("<i2").tobytes()

    def data_section(arrays: Sequence[np.ndarray], interval: int, order: int, flag: int) -> bytes:
        parts = [chunk(values, order) for values in arrays]
        parts = [part + b"\0" * (len(part) % 2) for part in parts]
        head = struct.pack("<HHBB", multiplier, interval, order, flag)
        return head + struct.pack(f"<{len(parts)}H", *map(len, parts)) + b"".join(parts)

    def tag(number: int, value: bytes) -> bytes:
        return struct.pack("<BH", number, len(value)) + value

    firsts = first or [1] * len(codes)
    sections = {
        1: tag(2, b"P7\0")
        + tag(4, struct.pack("<HB", 61, 1))
        + tag(8, b"\x02")
        + tag(25, struct.pack("<HBB", 2024, 5, 6))
        + tag(26, bytes([7, 8, 9]))
        + tag(27, struct.pack("<H", 5))
        + tag(28, struct.pack("<H", 150))
        + b"\xff\0\0",
        3: bytes([len(codes), flags])
        + b"".join(
            struct.pack("<LLB", begin, begin + samples - 1, code)
            for begin, code in zip(firsts, codes, strict=True)
        ),
        6: data_section(rows, interval_us, differences, int(bimodal)),
        7: struct.pack("<BBHH", 1, 0, 800, 29999)
        + struct.pack("<5H3h", 100, 200, 260, 350, 640, 40, 55, 999)
        + struct.pack("<H", 0)
        + struct.pack("<3HB", 75, 29999, 420, 1),
    }
    if tables is not None:
        sections[2] = tables
    elif huffman:
        sections[2] = struct.pack("<H", 19999)
    if beat is not None:
        marks = beat["marks"]
        sections[4] = (
            struct.pack("<3H", beat["length_ms"], beat["fiducial"], len(marks))
            + b"".join(struct.pack("<H3L", *mark[:4]) for mark in marks)
            + b"".join(struct.pack("<2L", *mark[4:]) for mark in marks)
        )
        sections[5] = data_section(beat["rows"], beat["interval_us"], beat["differences"], 0)
    numbers = sorted(sections)
    zero_length = 16 + 10 * (len(numbers) + 1)
    place = 6 + zero_length
    pointers = struct.pack("<HLL", 0, zero_length, 7)
    bodies = b""
    for number in numbers:
        body = sections[number] + b"\0" * (len(sections[number]) % 2)
        length = 16 + len(body)
        head = struct.pack("<HL", number, length) + bytes([20, 20]) + bytes(6)
        bodies += struct.pack("<H", binascii.crc_hqx(head + body, 0xFFFF)) + head + body
        pointers += struct.pack("<HLL", number, length, place + 1)
        place += length
    head = struct.pack("<HL", 0, zero_length) + bytes([20, 20]) + b"SCPECG" + pointers
    record = struct.pack("<L", place) + struct.pack("<H", binascii.crc_hqx(head, 0xFFFF)) + head
    record += bodies
    path.write_bytes(struct.pack("<H", binascii.crc_hqx(record, 0xFFFF)) + record)
    return path


def mfer_file(
    path: Path,
    signal: np.ndarray,
    *,
    codes: Sequence[int],
    rate: int,
    nanovolts: int = 1000,
    little: bool = True,
    null: int | None = None,
) -> Path:
    """Write MFER from int16 (leads, samples): one block of all samples per channel."""
    order = "little" if little else "big"

    def tlv(tag: int, value: bytes) -> bytes:
        size = len(value)
        if size < 128:
            return bytes([tag, size]) + value
        return bytes([tag, 0x84]) + size.to_bytes(4, "big") + value

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order, signed=True)

    leads, samples = signal.shape
    body = tlv(0x40, b"MFR ".ljust(32)) + tlv(0x01, bytes([int(little)]))
    body += tlv(0x17, b"Maker^Model^1^2") + tlv(0x82, b"P9") + tlv(0x84, b"\x02")
    body += tlv(0x83, bytes([61]) + number(0, 2) + number(1963, 2) + b"\x01\x02")
    body += tlv(0x85, number(2024, 2) + bytes([5, 6, 7, 8, 9]) + number(500, 2) + number(0, 2))
    body += tlv(0x0B, bytes([0, 0]) + number(rate, 4))
    body += tlv(0x0C, bytes([0, 0xF7]) + number(nanovolts, 4))
    body += tlv(0x0A, b"\x00") + tlv(0x05, number(leads, 4)) + tlv(0x04, number(samples, 4))
    body += tlv(0x06, number(1, 4))
    if null is not None:
        body += tlv(0x12, number(null, 2))
    for channel, code in enumerate(codes):
        inner = tlv(0x09, number(code, 2))
        body += bytes([0x3F, channel, len(inner)]) + inner
    body += tlv(0x1E, signal.astype("<i2" if little else ">i2").tobytes()) + b"\x80\x00"
    path.write_bytes(body)
    return path
