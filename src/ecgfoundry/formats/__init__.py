"""Reading ECG files: one module per format, recognised by content.

>>> from ecgfoundry.formats import read  # doctest: +SKIP
>>> read("A00001.hea").leads  # doctest: +SKIP
('ECG',)

Importing this package is light; a format's module is imported when a file may be of that format.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgfoundry.formats.base import ReadOptions, RecordingInfo
    from ecgfoundry.formats.files import EcgFile, inspect, iterate, open_file, read
    from ecgfoundry.formats.files import open_file as open
    from ecgfoundry.formats.registry import formats, identify

__all__ = [
    "EcgFile",
    "ReadOptions",
    "RecordingInfo",
    "formats",
    "identify",
    "inspect",
    "iterate",
    "open",
    "open_file",
    "read",
]

_HOME = {
    "EcgFile": "files",
    "ReadOptions": "base",
    "RecordingInfo": "base",
    "formats": "registry",
    "identify": "registry",
    "inspect": "files",
    "iterate": "files",
    "open_file": "files",
    "read": "files",
}


def __getattr__(name: str) -> Any:
    attribute = "open_file" if name == "open" else name
    home = _HOME.get(attribute)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
