"""An opened file that says how far it has been read."""

from __future__ import annotations

import time
from collections.abc import Callable

from ecgfoundry.formats.files import EcgFile
from ecgfoundry.inference.files import window_source
from ecgfoundry.recording import Recording

__all__ = ["FollowedFile"]

_TOLD_EVERY_S = 0.5


class FollowedFile:
    """An opened file that tells how far its reading is, at most every half second.

    It is a source of windows, like the file itself. Close it when its windows were read.
    """

    def __init__(self, file: EcgFile, tell: Callable[[float], None]) -> None:
        self.leads, self.sampling_rate, self.samples = file.leads, file.sampling_rate, file.samples
        self._file = file
        self._source = window_source(file)
        self._tell, self._told = tell, time.monotonic()

    @property
    def head(self) -> Recording:
        """The recording, or nothing but what its header says: for subject and device."""
        return self._source if isinstance(self._source, Recording) else self._file.part(0, 0)

    def part(self, start: int, stop: int) -> Recording:
        """Return the samples from start to stop."""
        if time.monotonic() - self._told > _TOLD_EVERY_S:
            self._told = time.monotonic()
            self._tell(stop / max(self.samples, 1))
        return self._source.part(start, stop)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
