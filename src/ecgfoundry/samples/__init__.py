"""Real, openly licensed ECGs that come with the installation, to try things on.

``README.md`` beside this file names the source and the licence of each.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from ecgfoundry.errors import FileAccessError
from ecgfoundry.recording import HOW_FROM_AN_ARRAY

__all__ = ["SAMPLES", "SAMPLE_PREFIX", "named_file", "sample_path", "shown_name"]

SAMPLES: dict[str, str] = {"12-lead": "JS20000.hea", "single-lead": "A01711.hea"}
"""Name -> file name."""

SAMPLE_PREFIX = "sample:"
"""What a name begins with that stands for a sample and not for a path."""


def sample_path(name: str) -> Path:
    """Return the path of a sample recording.

    Raises
    ------
    FileAccessError
        There is no sample of this name; the message lists them.
    """
    if name not in SAMPLES:
        raise FileAccessError(
            f"there is no sample '{name}'", remedy=f"There are: {', '.join(SAMPLES)}"
        )
    return Path(str(files(__package__) / SAMPLES[name]))


def named_file(name: str | Path) -> Path:
    """Return the file that a command was given: a path, or ``sample:NAME``.

    Raises
    ------
    FileAccessError
        As :func:`sample_path`; or it is no name.
    """
    if not isinstance(name, str | os.PathLike):
        raise FileAccessError(
            f"the name of a file is asked for, and a {type(name).__name__} was given",
            remedy=HOW_FROM_AN_ARRAY,
        )
    text = str(name)
    return (
        sample_path(text.removeprefix(SAMPLE_PREFIX))
        if text.startswith(SAMPLE_PREFIX)
        else Path(name)
    )


def shown_name(file: str) -> str:
    """Return a file's name for people: ``sample:NAME`` for a sample, any other as it is.

    Examples
    --------
    >>> shown_name(str(sample_path("12-lead")))
    'sample:12-lead'
    >>> shown_name("ward/JS20000.hea")
    'ward/JS20000.hea'
    """
    path = Path(file)
    for name, own in SAMPLES.items():
        if path.name == own and path == sample_path(name):
            return f"{SAMPLE_PREFIX}{name}"
    return file
