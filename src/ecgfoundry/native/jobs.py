"""Jobs for the compiled kernels: structures of C that are filled by name and handed over."""

from __future__ import annotations

import ctypes
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.native.memory import keep_freed_memory

__all__ = ["Job", "arrays", "as_read", "counts", "numbers"]

Field = tuple[str, type]

keep_freed_memory()


def arrays(*names: str) -> tuple[Field, ...]:
    """Return fields that point to the first element of an array; None is the null pointer."""
    return tuple((name, ctypes.c_void_p) for name in names)


def counts(*names: str) -> tuple[Field, ...]:
    """Return fields of type ``int64_t``."""
    return tuple((name, ctypes.c_int64) for name in names)


def numbers(*names: str) -> tuple[Field, ...]:
    """Return fields of type ``double``."""
    return tuple((name, ctypes.c_double) for name in names)


def as_read(values: NDArray[Any], dtype: type = np.float64) -> NDArray[Any]:
    """Return an array row after row: a kernel would read anything else beyond its end."""
    return np.ascontiguousarray(values, dtype=dtype)


class Job(ctypes.Structure):
    """What one kernel is to do.

    A subclass names its ``kernel`` (``ecgfoundry_NAME`` of ``dispatch.c``) and lists ``_fields_``
    in the order of the header. It is made with the fields by name, in any order, arrays as they
    are; it keeps them until it is gone. What is left out is 0.

    Examples
    --------
    >>> class Sum(Job):
    ...     kernel = "sum"
    ...     _fields_ = (*arrays("x"), *counts("samples"))
    >>> Sum(x=np.ones(3), samples=3).samples
    3
    """

    kernel: ClassVar[str]
    _names: ClassVar[frozenset[str]]

    def __init_subclass__(cls) -> None:
        cls._names = frozenset(field[0] for field in cls._fields_)

    def __init__(self, **fields: object) -> None:
        # ctypes would take any other name for an attribute of the object.
        if not self._names.issuperset(fields):
            raise TypeError(f"unexpected fields: {', '.join(fields.keys() - self._names)}")
        self._kept = fields
        super().__init__(
            **{
                name: value.ctypes.data if isinstance(value, np.ndarray) else value
                for name, value in fields.items()
            }
        )

    def run(self) -> bool:
        """Do the job; False without kernels, or if they do not take such a job.

        Raises
        ------
        MemoryError
            There was no memory for it.
        """
        loaded = native.library()
        if loaded is None:
            return False
        code = getattr(loaded[0], f"ecgfoundry_{self.kernel}")(ctypes.byref(self), loaded[1])
        if code == 1:
            raise MemoryError(f"no memory for the kernel {self.kernel!r}")
        if code not in (0, 2):
            raise RuntimeError(f"the compiled kernel {self.kernel!r} refused a job (code {code})")
        return bool(code == 0)
