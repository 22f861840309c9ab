"""MAT files of version 5 to 7: tagged elements, optionally deflated.

Reference: MathWorks, "MAT-File Format", chapter 1. Every length is checked against the bytes that
are there before anything is made of it. Objects, functions, cells, sparse and complex arrays are
skipped: no ECG is known to be stored in one.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, LimitError, UnsupportedVariantError
from ecgfoundry.formats.base import Limits
from ecgfoundry.formats.common.limits import UnpackingBudget

__all__ = ["MAXIMUM_VARIABLES", "V5_START", "parse_v5"]

V5_START = b"MATLAB 5.0 MAT-file"
MAXIMUM_VARIABLES = 1000

_HEADER = 128
_MI_MATRIX, _MI_COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8"}
_STORED |= {13: "u8"}
_ENCODINGS = {1: "latin-1", 2: "latin-1", 16: "utf-8", 4: "utf-16", 17: "utf-16"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4"}
_CLASSES |= {14: "i8", 15: "u8"}
_STRUCT, _CHAR = 2, 4
_OBJECTS = frozenset((3, 16, 17))  # objects, functions, opaque objects
_COMPLEX_FLAG = 0x0800
_MAXIMUM_DEPTH = 3
_MAXIMUM_FIELDS = 1000


MatlabValue: TypeAlias = "NDArray[np.generic] | str | dict[str, MatlabValue] | None"
"""A numeric array, a text, a 1 x 1 structure; None for anything else."""


def parse_v5(content: bytes, path: Path, limits: Limits) -> dict[str, MatlabValue]:
    """Return the variables of a file; see :func:`matlab_files.load_variables`.

    Raises
    ------
    FormatError, LimitError, UnsupportedVariantError
    """
    mark = content[126:128]
    if mark not in (b"IM", b"MI"):
        raise FormatError("the MAT file has no byte-order mark", path=path)
    parser = _Parser("<" if mark == b"IM" else ">", path, limits)
    try:
        return parser.variables(memoryview(content)[_HEADER:])
    except (struct.error, zlib.error, UnicodeDecodeError) as error:
        raise FormatError(f"the MAT file is damaged ({error})", path=path) from None


class _Parser:
    """The byte order, the limits, and what has been unpacked so far."""

    def __init__(self, order: str, path: Path, limits: Limits) -> None:
        self._order = order
        self._path = path
        self._limits = limits
        self._budget = UnpackingBudget(path, limits)

    def variables(self, data: memoryview) -> dict[str, MatlabValue]:
        result: dict[str, MatlabValue] = {}
        objects = 0
        while len(data) >= 8 and len(result) + objects < MAXIMUM_VARIABLES:
            kind, body, data = self._element(data, padded=False)
            if kind == _MI_COMPRESSED:
                kind, body, _ = self._element(memoryview(self._inflate(body)), padded=False)
            if kind != _MI_MATRIX:
                raise self._damaged(f"an element of type {kind} where a variable should be")
            array_class, name, value = self._matrix(body, 0)
            if array_class in _OBJECTS or not name:
                objects += 1
            else:
                result[name] = value
        if not result:
            raise UnsupportedVariantError(
                f"the MAT file {'holds only MATLAB objects' if objects else 'is empty'}",
                path=self._path,
                remedy="Save the signal as a plain numeric matrix",
            )
        return result

    def _damaged(self, what: str) -> FormatError:
        return FormatError(f"the MAT file is damaged: {what}", path=self._path)

    def _element(
        self, data: memoryview, *, padded: bool = True
    ) -> tuple[int, memoryview, memoryview]:
        """Split the first element off: its type, its bytes, and what follows it."""
        word = struct.unpack_from(f"{self._order}I", data)[0]
        if word >> 16:  # "small data element": type and length in one word, then four bytes
            kind, size, start, end = word & 0xFFFF, word >> 16, 4, 8
            if size > 4:
                raise self._damaged(f"a packed element of {size} bytes")
        else:
            kind, size = struct.unpack_from(f"{self._order}2I", data)
            start = 8
            end = start + (-(-size // 8) * 8 if padded else size)
        if start + size > len(data):
            raise self._damaged("it ends inside an element")
        return kind, data[start : start + size], data[end:]

    def _inflate(self, body: memoryview) -> bytes:
        inflater = zlib.decompressobj()
        head = inflater.decompress(body, 8)
        size = 8 + struct.unpack_from(f"{self._order}2I", head)[1]
        self._budget.take(size, len(body), "a variable")
        return head + inflater.decompress(inflater.unconsumed_tail, size)

    def _matrix(self, body: memoryview, depth: int) -> tuple[int, str, MatlabValue]:
        """Return class, name and value of a matrix element; the value is None if it is skipped."""
        if len(body) == 0:
            return 6, "", np.empty((0, 0))
        _, flags, body = self._element(body)
        word = struct.unpack_from(f"{self._order}I", flags)[0]
        array_class, is_complex = word & 0xFF, bool(word & _COMPLEX_FLAG)
        if array_class in _OBJECTS:
            return array_class, "", None
        _, shape_bytes, body = self._element(body)
        shape = struct.unpack(f"{self._order}{len(shape_bytes) // 4}i", shape_bytes)
        _, name_bytes, body = self._element(body)
        name = bytes(name_bytes[:63]).decode("latin-1")
        self._check_shape(shape, name)
        value: MatlabValue = None
        if array_class in _CLASSES and not is_complex:
            value = self._numbers(body, shape, array_class)
        elif array_class == _CHAR:
            value = self._text(body)
        elif array_class == _STRUCT and math.prod(shape) == 1 and depth < _MAXIMUM_DEPTH:
            value = self._structure(body, depth)
        return array_class, name, value

    def _check_shape(self, shape: tuple[int, ...], name: str) -> None:
        if not 2 <= len(shape) <= 8:
            raise self._damaged(f"{len(shape)} dimensions")
        if min(shape) < 0:
            raise self._damaged(f"'{name}' has negative dimensions {shape}")
        if math.prod(shape) > self._limits.samples:
            raise LimitError(
                f"'{name}' has {math.prod(shape)} elements; the limit is {self._limits.samples}",
                path=self._path,
            )

    def _numbers(self, body: memoryview, shape: tuple[int, ...], array_class: int) -> np.ndarray:
        kind, stored, _ = self._element(body)
        if kind not in _STORED:
            raise self._damaged(f"numbers of type {kind}")
        dtype = np.dtype(self._order + _STORED[kind])
        if len(stored) != math.prod(shape) * dtype.itemsize:
            raise self._damaged(f"{len(stored)} bytes for an array of shape {shape}")
        values = np.frombuffer(stored, dtype).astype(_CLASSES[array_class])
        return values.reshape(shape, order="F")

    def _text(self, body: memoryview) -> str:
        kind, stored, _ = self._element(body)
        encoding = _ENCODINGS.get(kind, "latin-1")
        if encoding == "utf-16":
            encoding += "-le" if self._order == "<" else "-be"
        return bytes(stored[:1000]).decode(encoding, errors="replace")

    def _structure(self, body: memoryview, depth: int) -> dict[str, MatlabValue]:
        _, length_bytes, body = self._element(body)
        length = struct.unpack_from(f"{self._order}i", length_bytes)[0]
        _, names, body = self._element(body)
        if not 0 < length <= 256 or len(names) // length > _MAXIMUM_FIELDS:
            raise self._damaged(f"field names of {length} bytes")
        result: dict[str, MatlabValue] = {}
        for start in range(0, len(names) - length + 1, length):
            name = bytes(names[start : start + length]).split(b"\0")[0].decode("latin-1")
            kind, field, body = self._element(body)
            if kind != _MI_MATRIX:
                raise self._damaged(f"a field of type {kind}")
            result[name] = self._matrix(field, depth + 1)[2]
        return result
