"""A recording or an opened file that says how far it has been read."""

from __future__ import annotations

import time
from collections.abc import Callable

from ecgfoundry.measurements.measuring import Measurable
from ecgfoundry.recording import Recording

__all__ = ["Followed"]

_TOLD_EVERY_S = 0.5


class Followed:
    """A source of windows that tells how far its reading is, at most every half second.

    Parameters
    ----------
    source : Recording or EcgFile
    tell : callable
        Called with the share that is read, 0 to 1.
    """

    def __init__(self, source: Measurable, tell: Callable[[float], None]) -> None:
        self.leads, self.sampling_rate = source.leads, source.sampling_rate
        self.samples = source.samples
        self.path = getattr(source, "path", None)
        self._source = source
        self._tell, self._told = tell, time.monotonic()

    def part(self, start: int, stop: int) -> Recording:
        """Return the samples from start to stop."""
        if time.monotonic() - self._told >= _TOLD_EVERY_S:
            self._told = time.monotonic()
            self._tell(stop / max(self.samples, 1))
        return self._source.part(start, stop)
