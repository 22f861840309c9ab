"""Reader of NumPy files: ``.npy`` and ``.npz`` with everything that a number does not say stated.

Shapes: (samples,), (leads, samples), or (recordings, leads, samples) with ``index``. Leads, unit
and sampling rate come from the caller, from ``<name>.json`` beside the file
(``{"leads": ["I", "II"], "sampling_rate": 500, "unit": "mV"}``), or from the arrays ``leads``,
``sampling_rate`` and ``unit`` beside ``signal`` in an ``.npz``. An ``.npy`` is mapped into
memory, so that a part is read without the rest. Pickled objects are refused.
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ecgfoundry.errors import (
    FormatError,
    LimitError,
    SignalError,
    TruncatedFileError,
    UnsupportedVariantError,
)
from ecgfoundry.formats.arrays.stated import (
    ArrayFile,
    Stated,
    load_sidecar,
    stated_from_mapping,
    with_options,
)
from ecgfoundry.formats.base import FormatFile, Limits, Reader, ReadOptions
from ecgfoundry.formats.common.limits import UnpackingBudget
from ecgfoundry.formats.common.several import chosen_recording, undecided_among

__all__ = ["READER", "open_file", "sniff"]

_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
_METADATA_KEYS = ("leads", "sampling_rate", "unit", "age", "sex", "about")
_MAXIMUM_METADATA_ITEMS = 4096


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content is an NPY file, or a ZIP archive whose first member is one."""
    if head.startswith(_NPY_MAGIC):
        return True
    if not head.startswith(_ZIP_MAGIC) or len(head) < 30:
        return False
    name_length = int.from_bytes(head[26:28], "little")
    return head[30 : 30 + name_length].endswith(b".npy")


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Open a file; an NPY file is mapped, not loaded; see :class:`Reader`."""
    array, stated = _load(path, options)
    count = int(array.shape[0]) if array.ndim == 3 else 1
    chosen = chosen_recording(options.index, count, path)
    if array.ndim == 3:
        array = array[chosen]
    return ArrayFile(
        array,
        stated,
        path=path,
        options=options,
        format=READER.name,
        recordings=count,
        undecided=undecided_among(options.index, count, path),
    )


def _load(path: Path, options: ReadOptions) -> tuple[np.ndarray, Stated]:
    with path.open("rb") as file:
        if file.read(6) == _NPY_MAGIC:
            array, stated = _map_npy(path), Stated()
        else:
            array, stated = _load_npz(path, options.limits)
    sidecar = load_sidecar(path)
    merged = replace(
        sidecar,
        leads=sidecar.leads or stated.leads,
        unit=sidecar.unit or stated.unit,
        sampling_rate=sidecar.sampling_rate or stated.sampling_rate,
        subject=sidecar.subject if sidecar.subject.age or sidecar.subject.sex else stated.subject,
        about=sidecar.about or stated.about,
        leads_are_certain=stated.leads_are_certain and sidecar.leads is None,
        header={**stated.header, **sidecar.header},
    )
    return array, with_options(merged, options)


def _map_npy(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        shape, fortran, dtype = _npy_header(file, path)
        offset = file.tell()
    needed = offset + math.prod(shape) * dtype.itemsize
    size = path.stat().st_size
    if size < needed:
        raise TruncatedFileError(
            f"the file has {size} bytes, its header announces {needed}",
            path=path,
            remedy="Get the file again from its source",
        )
    if math.prod(shape) == 0:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")


def _npy_header(file: IO[bytes], path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an NPY stream and refuse what is no array of real numbers."""
    try:
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = npy.read_array_header_1_0(file)
        elif version in ((2, 0), (3, 0)):
            shape, fortran, dtype = npy.read_array_header_2_0(file)
        else:
            raise UnsupportedVariantError(f"NPY version {version} is not read", path=path)
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError) as error:
        raise FormatError(f"the NPY header is damaged ({error})", path=path) from None
    if dtype.hasobject:
        raise UnsupportedVariantError(
            "the file holds pickled Python objects, which may run code when they are loaded",
            path=path,
            remedy="Save the signal as an array of numbers",
        )
    if len(shape) > 3 or any(length < 0 for length in shape):
        raise SignalError(f"the array has the shape {shape}; (leads, samples) is needed", path=path)
    return tuple(int(length) for length in shape), fortran, dtype


def _load_npz(path: Path, limits: Limits) -> tuple[np.ndarray, Stated]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                info.filename.removesuffix(".npy"): info
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }
            budget = UnpackingBudget(path, limits)
            few = replace(limits, samples=_MAXIMUM_METADATA_ITEMS)
            metadata = {
                key: _plain(_member(archive, members[key], few, budget))
                for key in _METADATA_KEYS
                if key in members
            }
            name = _signal_name(list(members), path)
            array = _member(archive, members[name], limits, budget)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise FormatError(f"the NPZ archive is damaged ({error})", path=path) from None
    return array, stated_from_mapping(metadata, path)


def _signal_name(names: list[str], path: Path) -> str:
    candidates = [name for name in names if name not in _METADATA_KEYS]
    if "signal" in candidates:
        return "signal"
    if len(candidates) == 1:
        return candidates[0]
    raise FormatError(
        f"the archive holds no array 'signal' (arrays: {', '.join(names)[:200] or 'none'})",
        path=path,
        remedy="Save it as np.savez(name, signal=..., leads=..., sampling_rate=..., unit=...)",
    )


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: Limits, budget: UnpackingBudget
) -> np.ndarray:
    path = Path(str(archive.filename))
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # NumPy writes no other, and Python unpacks them in steps of any size.
        raise UnsupportedVariantError(
            f"'{info.filename}' is compressed by method {info.compress_type}",
            path=path,
            remedy="Save it with numpy.savez or numpy.savez_compressed",
        )
    with archive.open(info) as file:
        shape, fortran, dtype = _npy_header(file, path)
        count = math.prod(shape)
        if count > limits.samples:
            raise LimitError(
                f"'{info.filename}' has {count} elements; the limit is {limits.samples}", path=path
            )
        wanted = count * dtype.itemsize
        budget.take(wanted, info.compress_size, f"'{info.filename}'")
        content = file.read(wanted)
    if len(content) < wanted:
        raise TruncatedFileError(
            f"'{info.filename}' has {len(content)} bytes, its header announces {wanted}", path=path
        )
    flat = np.frombuffer(content, dtype, count)
    return flat.reshape(shape, order="F" if fortran else "C")


def _plain(array: np.ndarray) -> Any:
    if array.ndim == 0:
        return array.item()
    items = [str(item) if array.dtype.kind in "US" else item for item in array.tolist()]
    return items[0] if len(items) == 1 and array.dtype.kind in "iuf" else items


READER = Reader(
    name="arrays",
    description="NumPy .npy and .npz with stated leads, unit and sampling rate",
    extensions=(".npy", ".npz"),
    sniff=sniff,
    open=open_file,
    random_access=True,
    verified_on="arrays written by NumPy",
)
