"""Compiled kernels, where there are any: which are in use, and why not.

The library is plain C behind ``ctypes``, built by the wheel's build hook where a compiler was there
(``python -m ecgfoundry.native.build`` builds it into an installation by hand). Without it
everything works through NumPy and SciPy, more slowly, and with results that differ by rounding.

``ECGFOUNDRY_NATIVE`` in the environment chooses: ``0`` switches the kernels off, ``base``, ``avx2``
or ``avx512`` takes that instruction set, ``auto`` (or nothing) the best that the processor has.
"""

from __future__ import annotations

import ctypes
import functools
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["INSTRUCTIONS", "NativeStatus", "library", "status"]

VARIABLE = "ECGFOUNDRY_NATIVE"
INSTRUCTIONS = ("base", "avx2", "avx512")
"""Names of the instruction sets, in the order of the numbers that the library uses."""

_INTERFACE = 10  # of dispatch.c
_NOT_BUILT = "not_built.txt"


@dataclass(frozen=True, slots=True)
class NativeStatus:
    """Whether compiled kernels are in use.

    ``instructions`` names the instruction set, or is None; then ``reason`` says why.
    """

    instructions: str | None
    reason: str | None

    @property
    def available(self) -> bool:
        """Whether compiled kernels are in use."""
        return self.instructions is not None

    def __str__(self) -> str:
        return f"native-{self.instructions}" if self.available else f"NumPy/SciPy ({self.reason})"


def status() -> NativeStatus:
    """Return which kernels are in use, by the environment as it is now."""
    return _resolve(os.environ.get(VARIABLE, "auto").strip().lower() or "auto")[1]


def library() -> tuple[ctypes.CDLL, int] | None:
    """Return the library and the number of the instruction set to ask it for; None without it."""
    return _library(os.environ.get(VARIABLE, "auto"))


@functools.lru_cache(maxsize=16)
def _library(choice: str) -> tuple[ctypes.CDLL, int] | None:
    loaded, current = _resolve(choice.strip().lower() or "auto")
    if loaded is None or current.instructions is None:
        return None
    return loaded, INSTRUCTIONS.index(current.instructions)


@functools.lru_cache(maxsize=16)
def _resolve(choice: str) -> tuple[ctypes.CDLL | None, NativeStatus]:
    if choice in ("0", "off", "no", "false"):
        return None, NativeStatus(None, f"switched off by {VARIABLE}")
    if choice not in ("auto", "1", "on", "yes", "true", *INSTRUCTIONS):
        return None, NativeStatus(None, f"{VARIABLE}={choice} is not known")
    loaded, reason = _load()
    if loaded is None:
        return None, NativeStatus(None, reason)
    best = int(loaded.ecgfoundry_instructions())
    if choice in INSTRUCTIONS:
        if INSTRUCTIONS.index(choice) > best:
            return None, NativeStatus(None, f"this processor has no {choice}")
        return loaded, NativeStatus(choice, None)
    return loaded, NativeStatus(INSTRUCTIONS[best], None)


@functools.lru_cache(maxsize=1)
def _load() -> tuple[ctypes.CDLL | None, str | None]:
    from ecgfoundry.native.build import LIBRARY

    folder = Path(__file__).resolve().parent
    path = folder / LIBRARY
    if not path.is_file():
        note = folder / _NOT_BUILT
        if note.is_file():
            return None, note.read_text(encoding="utf-8").strip()
        return None, "not built; run: python -m ecgfoundry.native.build"
    try:
        loaded = ctypes.CDLL(str(path))
        loaded.ecgfoundry_interface.restype = ctypes.c_int
        if loaded.ecgfoundry_interface() != _INTERFACE:
            return None, "built for another version; run: python -m ecgfoundry.native.build"
    except (OSError, AttributeError) as error:
        return None, f"cannot be loaded: {error}"
    loaded.ecgfoundry_instructions.restype = ctypes.c_int
    return loaded, None
