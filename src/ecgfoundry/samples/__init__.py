"""Real, openly licensed ECGs that come with the installation, to try things on.

``README.md`` beside this file names the source and the licence of each.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ecgfoundry.errors import FileAccessError

__all__ = ["SAMPLES", "sample_path"]

SAMPLES: dict[str, str] = {"12-lead": "JS20000.hea", "single-lead": "A01711.hea"}
"""Name -> file name."""


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
