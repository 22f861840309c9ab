"""Opening HDF5 files safely: no foreign files through links, typed errors, sizes before reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LimitError,
    UnsupportedVariantError,
)
from ecgfoundry.formats.common.limits import UnpackingBudget

__all__ = ["HDF5_SIGNATURE", "checked_dataset", "is_hdf5", "open_hdf5", "take_dataset"]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(head: bytes) -> bool:
    """Whether an HDF5 superblock stands at byte 0, 512, 1024 or 2048 (HDF5 specification II.A)."""
    return any(head[start : start + 8] == HDF5_SIGNATURE for start in (0, 512, 1024, 2048))


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open a file for reading; whatever h5py raises inside leaves as a typed error.

    Raises
    ------
    FormatError, LimitError
    """
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except EcgFoundryError:
        raise
    except MemoryError:
        raise LimitError("the file announces more data than there is memory", path=path) from None
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, ValueError …
        raise FormatError(f"the HDF5 file is damaged ({error})", path=path) from None


def checked_dataset(group: Any, name: str, path: Path) -> Any:
    """Return the dataset ``name``, refusing links and storage outside of the file.

    Raises
    ------
    UnsupportedVariantError, FormatError
    """
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise UnsupportedVariantError(f"'{name}' is a link to another place", path=path)
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset):
        raise FormatError(f"'{name}' is not a dataset", path=path)
    if dataset.external or dataset.is_virtual:
        raise UnsupportedVariantError(f"'{name}' is stored outside of the file", path=path)
    return dataset


def take_dataset(budget: UnpackingBudget, dataset: Any, fixed: int = 0) -> None:
    """Count what reading a dataset unpacks: whole chunks, where it has some.

    Parameters
    ----------
    budget : UnpackingBudget
    dataset : h5py.Dataset
    fixed : int
        In so many of its first dimensions, one index alone is read.

    Raises
    ------
    LimitError
    """
    count = 1
    for place, length in enumerate(dataset.shape):
        wanted = 1 if place < fixed else int(length)
        chunk = 1 if dataset.chunks is None else int(dataset.chunks[place])
        count *= -(-wanted // chunk) * chunk
    stored = int(dataset.id.get_storage_size())
    budget.take(count * int(dataset.dtype.itemsize), stored, f"the dataset '{dataset.name}'")
