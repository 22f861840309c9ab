"""XLI, the compression of Philips Sierra waveforms: 10-bit LZW over second differences.

A stream is a sequence of chunks, one per lead: 4 bytes size of what follows the header (little
endian), 2 bytes unused, 2 bytes start value, then the codes. The LZW codes are 10 bits wide from
the start, most significant bit first; the table starts with the 256 bytes, grows by one entry per
code and is full at 1023 entries (code 1023 ends the stream). The bytes that come out are the high
halves of all words and then the low halves. Facts: sierra-ecg-tools (its description of XLI).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, LimitError, TruncatedFileError

__all__ = ["decode_xli", "expand_lzw"]

_HEADER_BYTES = 8
_CODE_BITS = 10
_FIRST_FREE_CODE = 256
_LAST_CODE = (1 << _CODE_BITS) - 2
_BIAS = 64


def decode_xli(content: bytes, *, leads: int, samples: int, path: Path) -> list[NDArray[np.int64]]:
    """Return the first ``samples`` values of each of ``leads`` chunks, in the order of the file.

    The values of III, aVR, aVL and aVF are differences from what the other leads make of them;
    the caller puts them together.

    Raises
    ------
    TruncatedFileError, FormatError, LimitError
    """
    result = []
    offset = 0
    for number in range(1, leads + 1):
        header = content[offset : offset + _HEADER_BYTES]
        offset += _HEADER_BYTES
        size = int.from_bytes(header[:4], "little")
        if len(header) < _HEADER_BYTES or size > len(content) - offset:
            raise TruncatedFileError(
                f"the compressed waveform ends in lead {number} of {leads}",
                path=path,
                remedy="Get the file again from its source",
            )
        first = int.from_bytes(header[6:8], "little", signed=True)
        packed = expand_lzw(content[offset : offset + size], 2 * samples + 4096, path)
        offset += size
        values = _undo_differences(packed, first)
        if len(values) < samples:
            raise TruncatedFileError(
                f"lead {number} has {len(values)} samples; {samples} are announced", path=path
            )
        result.append(values[:samples])
    return result


def expand_lzw(codes: bytes, limit: int, path: Path) -> bytes:
    """Expand 10-bit LZW codes; at most about ``limit`` bytes may come out.

    Raises
    ------
    FormatError
        A code that the table does not have yet.
    LimitError
    """
    bits = np.unpackbits(np.frombuffer(codes, dtype=np.uint8))
    count = len(bits) // _CODE_BITS
    weights = 1 << np.arange(_CODE_BITS - 1, -1, -1)
    stream = (bits[: count * _CODE_BITS].reshape(count, _CODE_BITS) @ weights).tolist()
    table = [bytes((value,)) for value in range(_FIRST_FREE_CODE)]
    parts: list[bytes] = []
    produced = 0
    previous = b""
    for code in stream:
        if code > _LAST_CODE:
            break
        if code < len(table):
            entry = table[code]
        elif code == len(table) and previous:
            entry = previous + previous[:1]
        else:
            raise FormatError(f"the compressed waveform uses the code {code} too early", path=path)
        if previous and len(table) <= _LAST_CODE:
            table.append(previous + entry[:1])
        parts.append(entry)
        produced += len(entry)
        if produced > limit:
            raise LimitError(
                f"the compressed waveform expands beyond the {limit} bytes that it announces",
                path=path,
            )
        previous = entry
    return b"".join(parts)


def _undo_differences(packed: bytes, first: int) -> NDArray[np.int64]:
    half = len(packed) // 2
    raw = np.frombuffer(packed, dtype=np.uint8)
    high = raw[:half].astype(np.uint16)
    words = ((high << 8) | raw[half : 2 * half]).view(np.int16).astype(np.int64)
    if len(words) < 3:
        return words
    # x[i] = 2 x[i-1] - x[i-2] - e[i-1] with e[1] = first and e[i] = word[i] - 64 from i = 2 on.
    corrections = np.empty(len(words) - 2, dtype=np.int64)
    corrections[0] = first
    corrections[1:] = words[2:-1] - _BIAS
    steps = (words[1] - words[0]) - np.cumsum(corrections)
    return np.concatenate((words[:2], words[1] + np.cumsum(steps)))
