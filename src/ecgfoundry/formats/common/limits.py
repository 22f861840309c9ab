"""How much a compressed file may become, decided before anything is unpacked.

Compressed data say how large they will be: the shape of a data set, the length in a member's
header. A few hundred bytes can so announce gigabytes, which cost memory and minutes before the
reader sees that they are no ECG. Signals shrink 2 to 10 times and text 20 times; nothing but a
signal that does not change shrinks more, and such a signal need not be long.
"""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.errors import LimitError
from ecgfoundry.formats.base import Limits

__all__ = ["FREE_BYTES", "MAXIMUM_RATIO", "UnpackingBudget"]

MAXIMUM_RATIO = 200.0
"""Unpacked by stored size; deflate reaches 1032 (our choice)."""

FREE_BYTES = 64_000_000
"""Up to this size in all any ratio may be: a flat lead of a day at 360 Hz (our choice)."""


class UnpackingBudget:
    """What one file may unpack to, over all its parts.

    Parameters
    ----------
    path : Path
    limits : Limits
        ``file_bytes`` bounds the sum, whatever the ratio.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._most = path, limits.file_bytes
        self._unpacked = 0
        self._stored = 0

    def take(self, unpacked: int, stored: int, what: str) -> None:
        """Count a part that is about to be unpacked.

        Parameters
        ----------
        unpacked, stored : int
            Bytes.
        what : str
            Names the part in the error.

        Raises
        ------
        LimitError
        """
        self._unpacked += unpacked
        self._stored += stored
        if self._unpacked > self._most:
            raise LimitError(
                f"{what} unpacks to {unpacked} bytes; the limit of a file is {self._most}",
                path=self._path,
            )
        ratio = self._unpacked / max(self._stored, 1)
        if self._unpacked > FREE_BYTES and ratio > MAXIMUM_RATIO:
            raise LimitError(
                f"{what} unpacks to {unpacked} bytes, {ratio:.0f} times of what is stored; the "
                f"limit is {MAXIMUM_RATIO:.0f} times",
                path=self._path,
                remedy="This is no recording, or a signal that never changes",
            )

    def allowance(self, stored: int) -> int:
        """Return how many bytes ``stored`` ones may unpack to, where nothing announces it."""
        return min(self._most, max(FREE_BYTES, round(MAXIMUM_RATIO * stored)))
