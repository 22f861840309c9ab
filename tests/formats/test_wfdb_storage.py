"""Every WFDB storage format against a scalar encoder written from signal(5), bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.errors import TruncatedFileError
from ecgfoundry.formats.wfdb.storage import STORAGE_FORMATS, bytes_needed, decode, read_samples

BITS = {16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12, 310: 10, 311: 10}


def encode(number: int, samples: list[int]) -> bytes:
    """Encode samples one by one with Python integers; the last group may be cut, as WFDB writes."""
    out = bytearray()
    if number in (16, 24, 32):
        for sample in samples:
            out += sample.to_bytes(number // 8, "little", signed=True)
    elif number == 61:
        for sample in samples:
            out += sample.to_bytes(2, "big", signed=True)
    elif number == 80:
        out += bytes(sample + 128 for sample in samples)
    elif number == 160:
        for sample in samples:
            out += (sample + 32768).to_bytes(2, "little")
    elif number == 212:
        padded = [*samples, 0][: len(samples) + len(samples) % 2]
        for first, second in zip(padded[::2], padded[1::2], strict=True):
            a, b = first & 0xFFF, second & 0xFFF
            out += bytes([a & 0xFF, (a >> 8) | ((b >> 8) << 4), b & 0xFF])
    else:
        padded = samples + [0] * (-len(samples) % 3)
        for start in range(0, len(padded), 3):
            a, b, c = (sample & 0x3FF for sample in padded[start : start + 3])
            if number == 310:
                # Bit 0 of bytes 0 and 2 is unused; the third sample fills the two high bytes.
                out += bytes([(a & 0x7F) << 1, (a >> 7) | ((c & 0x1F) << 3)])
                out += bytes([(b & 0x7F) << 1, (b >> 7) | ((c >> 5) << 3)])
            else:
                out += (a | (b << 10) | (c << 20)).to_bytes(4, "little")
    return bytes(out[: bytes_needed(STORAGE_FORMATS[number], len(samples))])


def values(number: int) -> st.SearchStrategy[list[int]]:
    half = 1 << (BITS[number] - 1)
    return st.lists(st.integers(-half, half - 1), min_size=1, max_size=40)


@pytest.mark.parametrize("number", sorted(BITS))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_decode_inverts_the_scalar_encoder(number: int, data: st.DataObject) -> None:
    samples = data.draw(values(number))
    raw = np.frombuffer(encode(number, samples), np.uint8)
    assert decode(STORAGE_FORMATS[number], raw, 0, len(samples)).tolist() == samples


@pytest.mark.parametrize("number", sorted(BITS))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_range_is_read_from_its_bytes(
    number: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    samples = data.draw(values(number))
    offset = data.draw(st.integers(0, 30))
    first = data.draw(st.integers(0, len(samples)))
    count = data.draw(st.integers(0, len(samples) - first))
    path = tmp_path_factory.mktemp("dat") / "a.dat"
    path.write_bytes(b"\xaa" * offset + encode(number, samples))
    found = read_samples(
        path, STORAGE_FORMATS[number], byte_offset=offset, first=first, count=count
    )
    assert found.tolist() == samples[first : first + count]


@pytest.mark.parametrize("number", sorted(STORAGE_FORMATS))
def test_a_file_that_is_one_byte_short_is_truncated(number: int, tmp_path: Path) -> None:
    form = STORAGE_FORMATS[number]
    path = tmp_path / "a.dat"
    needed = bytes_needed(form, 31)
    path.write_bytes(bytes(needed - 1))
    with pytest.raises(TruncatedFileError, match=rf"{needed - 1} bytes.*{needed}"):
        read_samples(path, form, byte_offset=0, first=0, count=31)


@settings(max_examples=25, deadline=None)
@given(
    differences=st.lists(st.integers(-128, 127), min_size=1, max_size=60),
    initial=st.integers(-2000, 2000),
    start=st.integers(0, 59),
)
def test_format_8_is_a_running_sum_from_the_start_of_the_record(
    differences: list[int],
    initial: int,
    start: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from ecgfoundry.formats.base import ReadOptions
    from ecgfoundry.formats.wfdb.reader import READER

    folder = tmp_path_factory.mktemp("rec")
    (folder / "a.dat").write_bytes(bytes(d & 0xFF for d in differences))
    (folder / "a.hea").write_text(
        f"a 1 100 {len(differences)}\na.dat 8 1/mV 12 0 {initial} 0 0 I\n"
    )
    value, expected = initial, []
    for difference in differences:
        value += difference
        expected.append(float(value))
    start = min(start, len(differences) - 1)
    part = READER.read(folder / "a.hea", ReadOptions(), start, None)
    assert part.signal[0].tolist() == expected[start:]


def test_invalid_samples_are_the_most_negative_ones() -> None:
    for number, bits in BITS.items():
        assert STORAGE_FORMATS[number].invalid == -(1 << (bits - 1))
    assert STORAGE_FORMATS[8].invalid is None
