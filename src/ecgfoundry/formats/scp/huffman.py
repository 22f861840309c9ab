"""Huffman decoding and differences of SCP-ECG (EN 1064, section 2 and annex C)."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, LimitError, TruncatedFileError

__all__ = ["DEFAULT_TABLE", "HuffmanTable", "decode_huffman", "huffman_tables", "summed"]

_DEFAULT_TABLE_CODE = 19_999
_MAXIMUM_PREFIX = 16
"""Bits; the default table has 10. More would need a look-up of gigabytes (our choice)."""
_MAXIMUM_EXTRA = 32
_MAXIMUM_TABLES = 64
_CHUNK_BYTES = 64


@dataclass(frozen=True, slots=True)
class _Code:
    """A code: its bits, raw bits that follow, the value without such bits, or the next table."""

    bits: int
    extra_bits: int
    value: int
    switches: bool


class HuffmanTable:
    """A look-up of every word of ``longest`` bits, the first bit of the stream being the highest.

    Parameters
    ----------
    codes : sequence of (int, _Code)
        The bits of each code, and what it stands for.
    """

    def __init__(self, codes: Sequence[tuple[int, _Code]]) -> None:
        self.longest = max(code.bits for _, code in codes)
        self._codes = tuple(codes)

    @functools.cached_property
    def words(self) -> list[_Code | None]:
        """The code that every word begins with, or None."""
        words: list[_Code | None] = [None] * (1 << self.longest)
        for bits, code in self._codes:
            spare = self.longest - code.bits
            first = bits << spare
            words[first : first + (1 << spare)] = [code] * (1 << spare)
        return words


def _default_table() -> HuffmanTable:
    """Return table 19999: 0, +-1 ... +-8, then a raw 8-bit and a raw 16-bit value."""
    codes = [(0, _Code(1, 0, 0, False))]
    for size in range(1, 9):
        ones = (1 << size) - 1  # as many ones, a zero, then the sign bit
        codes.append((ones << 2, _Code(size + 2, 0, size, False)))
        codes.append((ones << 2 | 1, _Code(size + 2, 0, -size, False)))
    codes.append((0b1111111110, _Code(10, 8, 0, False)))
    codes.append((0b1111111111, _Code(10, 16, 0, False)))
    return HuffmanTable(codes)


DEFAULT_TABLE = _default_table()


def huffman_tables(body: bytes, path: Path) -> list[HuffmanTable]:
    """Return the tables of section 2, from its data part.

    Raises
    ------
    FormatError, TruncatedFileError
    """
    if len(body) < 2:
        raise TruncatedFileError("section 2 is too short", path=path)
    (count,) = struct.unpack_from("<H", body)
    if count == _DEFAULT_TABLE_CODE:
        return [DEFAULT_TABLE]
    if count > _MAXIMUM_TABLES:
        raise LimitError(f"section 2 announces {count} Huffman tables", path=path)
    tables, position = [], 2
    for number in range(count):
        if position + 2 > len(body):
            raise TruncatedFileError(f"section 2 ends within table {number + 1}", path=path)
        (size,) = struct.unpack_from("<H", body, position)
        position += 2
        if position + 9 * size > len(body) or size == 0:
            raise TruncatedFileError(f"section 2 ends within table {number + 1}", path=path)
        codes = []
        for _ in range(size):
            prefix, total, mode, value, stored = struct.unpack_from("<BBBhL", body, position)
            position += 9
            if not 1 <= prefix <= _MAXIMUM_PREFIX or not prefix <= total <= prefix + _MAXIMUM_EXTRA:
                raise FormatError(
                    f"a Huffman code has {prefix} of {total} bits in its prefix", path=path
                )
            bits = 0
            for bit in range(prefix):  # the code is stored with its first bit lowest
                bits = bits << 1 | (stored >> bit & 1)
            codes.append((bits, _Code(prefix, total - prefix, value, mode == 0)))
        tables.append(HuffmanTable(codes))
    if not tables:
        raise FormatError("section 2 holds no Huffman table", path=path)
    return tables


def decode_huffman(
    data: bytes, count: int, tables: Sequence[HuffmanTable], path: Path
) -> NDArray[np.int64]:
    """Decode ``count`` values; each takes at least one bit, so the size bounds the work.

    Raises
    ------
    TruncatedFileError, FormatError
    """
    if count > 8 * len(data):
        raise TruncatedFileError(
            f"{len(data)} bytes cannot hold {count} Huffman-coded samples", path=path
        )
    values = np.empty(count, np.int64)
    words, longest = tables[0].words, tables[0].longest
    window = available = position = number = 0
    while number < count:
        if available < longest + _MAXIMUM_EXTRA and position < len(data):
            chunk = data[position : position + _CHUNK_BYTES]
            position += len(chunk)
            window = (window & (1 << available) - 1) << 8 * len(chunk)
            window |= int.from_bytes(chunk, "big")
            available += 8 * len(chunk)
        spare = available - longest
        word = window >> spare if spare >= 0 else window << -spare
        code = words[word & (1 << longest) - 1]
        if code is None:
            raise FormatError(f"sample {number} has an unknown Huffman code", path=path)
        available -= code.bits + code.extra_bits
        if available < 0:
            raise TruncatedFileError(
                f"the Huffman code ends after {number} of {count} samples", path=path
            )
        if code.switches:
            if not 1 <= code.value <= len(tables):
                raise FormatError(f"there is no Huffman table {code.value}", path=path)
            words, longest = tables[code.value - 1].words, tables[code.value - 1].longest
            continue
        value = code.value
        if code.extra_bits:
            raw = window >> available & (1 << code.extra_bits) - 1
            half = 1 << (code.extra_bits - 1)
            value += (raw ^ half) - half
        values[number] = value
        number += 1
    return values


def summed(values: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """Undo first (1) or second (2) differences; 16-bit arithmetic, as encoders and decoders use.

    The first value, and with second differences the second one too, is stored as it is.
    """
    if order == 0 or len(values) == 0:
        return values
    if order == 1 or len(values) < 2:
        total = np.cumsum(values)
    else:
        slopes = values[1:].copy()
        slopes[0] -= values[0]
        total = np.concatenate([values[:1], values[0] + np.cumsum(np.cumsum(slopes))])
    return total.astype(np.int16).astype(np.int64)
