"""Reading ECG files: one module per format, recognised by content.

>>> from ecgfoundry.formats import read  # doctest: +SKIP
>>> read("A00001.hea").leads  # doctest: +SKIP
('ECG',)

Importing this package is light; the readers are imported when a file is read.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgfoundry.formats.registry import formats, identify, inspect, iterate, read

__all__ = ["formats", "identify", "inspect", "iterate", "read"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("ecgfoundry.formats.registry"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
