"""The options that say what a file leaves open; the same for every command that reads one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclopts import Parameter

if TYPE_CHECKING:
    from ecgfoundry.formats.base import ReadOptions

__all__ = ["ReadingOptions"]


@Parameter(name="*")
@dataclass(frozen=True)
class ReadingOptions:
    """What a file leaves open.

    Parameters
    ----------
    leads
        Lead names in order, comma-separated, for files that do not name them (or wrongly).
    unit
        Unit of the samples for files that do not state it: mV, uV, V.
    sampling_rate
        In Hz, for files that do not state it.
    index
        Which recording of a file that holds several, from 0.
    mains
        Mains frequency, 50 or 60 Hz, where it is known.
    format
        Name of the reader (see: ecgfoundry formats), in place of recognising the content.
    """

    leads: str | None = None
    unit: str | None = None
    sampling_rate: float | None = None
    index: int | None = None
    mains: float | None = None
    format: str | None = None

    def to_read(self) -> ReadOptions:
        """Return them as the readers take them."""
        from ecgfoundry.formats.base import ReadOptions

        return ReadOptions(
            leads=tuple(name.strip() for name in self.leads.split(",")) if self.leads else None,
            unit=self.unit,
            sampling_rate=self.sampling_rate,
            index=self.index,
            mains_frequency=self.mains,
            format=self.format,
        )
