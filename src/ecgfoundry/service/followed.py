"""An opened file that says how far it has been read."""

from __future__ import annotations

from collections.abc import Callable

from ecgfoundry.formats.files import EcgFile
from ecgfoundry.inference.files import window_source
from ecgfoundry.measurements.followed import Followed
from ecgfoundry.recording import Recording

__all__ = ["FollowedFile"]


class FollowedFile(Followed):
    """An opened file as a source of windows; close it when its windows were read."""

    def __init__(self, file: EcgFile, tell: Callable[[float], None]) -> None:
        self._file, self._windows = file, window_source(file)
        super().__init__(self._windows, tell)

    @property
    def head(self) -> Recording:
        """The recording, or nothing but what its header says: for subject and device."""
        return self._windows if isinstance(self._windows, Recording) else self._file.part(0, 0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
