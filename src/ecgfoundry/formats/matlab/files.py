"""MAT files -> plain variables: numeric arrays, texts, and structures as dictionaries.

Version 4 and 7.3 are read here, version 5 in :mod:`matlab_v5`. The readers are our own because a
file of 200 bytes can make ``scipy.io.loadmat`` allocate gigabytes; it serves the tests as oracle.
Reference: MathWorks, "MAT-File Format" (v4 and v5); v7.3 is HDF5 with transposed arrays.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import FileAccessError, FormatError, LimitError
from ecgfoundry.formats.arrays.hdf5_files import checked_dataset, open_hdf5, take_dataset
from ecgfoundry.formats.base import Limits
from ecgfoundry.formats.common.limits import UnpackingBudget
from ecgfoundry.formats.matlab.v5 import MAXIMUM_VARIABLES, V5_START, MatlabValue, parse_v5

__all__ = ["is_matlab", "load_variables"]

_V73_START = b"MATLAB 7.3 MAT-file"
_V4_HEADER = 20
_V4_NAME = re.compile(rb"^[A-Za-z][A-Za-z0-9_]{0,62}$")
_V4_TYPES = ("f8", "f4", "i4", "i2", "u2", "u1")
_MAXIMUM_DEPTH = 3


def is_matlab(head: bytes) -> bool:
    """Whether the bytes start a v5, v7.3 or (by its 20-byte matrix header) v4 file."""
    return head.startswith((V5_START, _V73_START)) or _v4_order(head) is not None


def load_variables(path: Path, limits: Limits) -> dict[str, MatlabValue]:
    """Load the variables of a MAT file.

    Returns
    -------
    dict
        ndarray for numeric variables, str for texts, dict for a 1 x 1 structure, None for
        anything else (cells, objects, sparse matrices).

    Raises
    ------
    FileAccessError, FormatError, LimitError, UnsupportedVariantError
    """
    content = _content(path, limits)
    if content.startswith(_V73_START):
        return _load_v73(path, limits)
    if content.startswith(V5_START):
        return parse_v5(content, path, limits)
    order = _v4_order(content)
    if order is None:
        raise FormatError("this is no MAT file", path=path)
    return _parse_v4(content, order, path, limits)


def _content(path: Path, limits: Limits) -> bytes:
    try:
        size = path.stat().st_size
        if size > limits.file_bytes:
            raise LimitError(
                f"the MAT file has {size} bytes; the limit is {limits.file_bytes}", path=path
            )
        with path.open("rb") as file:
            head = file.read(128)
            return head if head.startswith(_V73_START) else head + file.read()
    except OSError as error:
        raise FileAccessError(f"the file cannot be read ({error.strerror})", path=path) from error


def _v4_order(content: bytes, position: int = 0) -> str | None:
    """Return the byte order of a v4 matrix: five integers, then its name."""
    head = content[position : position + _V4_HEADER + 64]
    if len(head) < _V4_HEADER + 2:
        return None
    for order in "<>":
        kind, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", head)
        # kind = MOPT in decimal digits: M byte order, O zero, P precision, T matrix type.
        if kind // 1000 != "<>".index(order) or kind // 100 % 10:
            continue
        if kind // 10 % 10 >= len(_V4_TYPES) or kind % 10 > 2:
            continue
        if rows < 0 or columns < 0 or imaginary not in (0, 1) or not 2 <= length <= 64:
            continue
        name = head[_V4_HEADER : _V4_HEADER + length]
        if len(name) == length and name.endswith(b"\0") and _V4_NAME.match(name[:-1]):
            return order
    return None


def _parse_v4(content: bytes, order: str, path: Path, limits: Limits) -> dict[str, MatlabValue]:
    variables: dict[str, MatlabValue] = {}
    position = 0
    while position < len(content) and len(variables) < MAXIMUM_VARIABLES:
        if _v4_order(content, position) != order:
            raise FormatError(f"the MAT file is damaged at byte {position}", path=path)
        kind, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", content, position)
        name = content[position + _V4_HEADER : position + _V4_HEADER + length - 1].decode("latin-1")
        dtype = np.dtype(f"{order}{_V4_TYPES[kind // 10 % 10]}")
        count, start = rows * columns, position + _V4_HEADER + length
        end = start + count * dtype.itemsize * (1 + imaginary)
        if count > limits.samples:
            raise LimitError(
                f"'{name}' has {count} elements; the limit is {limits.samples}", path=path
            )
        if end > len(content):
            raise FormatError(f"the MAT file ends inside '{name}'", path=path)
        values = np.frombuffer(content, dtype, count, start).reshape((rows, columns), order="F")
        is_full_and_real = kind % 10 == 0 and not imaginary
        variables[name] = values if is_full_and_real else None
        position = end
    return variables


def _load_v73(path: Path, limits: Limits) -> dict[str, MatlabValue]:
    with open_hdf5(path) as file:
        names = [name for name in file if not name.startswith("#")][:MAXIMUM_VARIABLES]
        budget = UnpackingBudget(path, limits)
        return {name: _plain_hdf5(file, name, path, limits, budget, depth=0) for name in names}


def _plain_hdf5(
    group: Any, name: str, path: Path, limits: Limits, budget: UnpackingBudget, *, depth: int
) -> MatlabValue:
    import h5py

    if group.get(name, getclass=True) is h5py.Group:
        if depth >= _MAXIMUM_DEPTH:
            return None
        child = group[name]
        return {
            key: _plain_hdf5(child, key, path, limits, budget, depth=depth + 1)
            for key in list(child)[:MAXIMUM_VARIABLES]
        }
    dataset = checked_dataset(group, name, path)
    if dataset.dtype.kind not in "iufb":
        return None  # references: cells and objects
    if dataset.size > limits.samples:
        raise LimitError(
            f"'{name}' has {dataset.size} elements; the limit is {limits.samples}", path=path
        )
    take_dataset(budget, dataset)
    array = np.asarray(dataset[()])
    if dataset.attrs.get("MATLAB_class") == b"char":
        return "".join(chr(code) for code in array.reshape(-1)[:1000].tolist())
    return np.ascontiguousarray(array.T)
