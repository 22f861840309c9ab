"""Numbers as C99 declarations: arrays, structures and constants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["array", "c_float", "c_string", "constants", "floats", "integers", "nested"]

_LINE = 96  # characters


def c_float(value: float) -> str:
    """Return a literal that reads back as this number in float32 (NaN: ``NAN`` of math.h)."""
    if math.isnan(value):
        return "NAN"
    return f"{value:.8e}f"  # nine digits tell every float32 from its neighbours


def c_string(text: str) -> str:
    """Return a string literal; what is not plain ASCII is written byte by byte, in UTF-8."""
    written = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '\\"?' else f"\\{byte:03o}"
        for byte in text.encode("utf-8")
    )
    return f'"{written}"'


def floats(values: ArrayLike) -> list[str]:
    """Return literals of an array of any shape, in its order."""
    return [c_float(value) for value in np.asarray(values, dtype=np.float32).ravel().tolist()]


def integers(values: ArrayLike) -> list[str]:
    """Return literals of an array of any shape, in its order."""
    return [str(int(value)) for value in np.asarray(values).ravel()]


def nested(values: NDArray[Any]) -> str:
    """Return a float array of one or more dimensions as nested braces."""
    if values.ndim == 1:
        return "{" + _wrapped(floats(values)) + "}"
    return "{" + ",\n".join(nested(part) for part in values) + "}"


def array(declaration: str, literals: Iterable[str]) -> str:
    """Return ``declaration[] = {literals};``."""
    return f"{declaration}[] = {{\n{_wrapped(literals)}}};"


def constants(values: Mapping[str, object]) -> str:
    """Return one ``#define`` per entry; a real number gets all its digits."""
    return "\n".join(f"#define {name} {value!r}" for name, value in values.items())


def _wrapped(literals: Iterable[str]) -> str:
    lines: list[str] = []
    line = ""
    for literal in literals:
        if len(line) + len(literal) + 2 > _LINE:
            lines.append(line)
            line = ""
        line = f"{line}, {literal}" if line else literal
    return ",\n".join([*lines, line])
