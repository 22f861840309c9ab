"""The options that say what a file leaves open; the same for every command that reads one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cyclopts import Parameter

if TYPE_CHECKING:
    from ecgfoundry.formats.base import ReadOptions

__all__ = ["ReadingOptions", "StatedOptions"]


@Parameter(name="*")
@dataclass(frozen=True)
class StatedOptions:
    """What files leave open.

    Parameters
    ----------
    leads
        Lead names in order, comma-separated, for files that do not name them (or wrongly).
    unit
        Unit of the samples for files that do not state it: mV, uV, V.
    sampling_rate
        In Hz, for files that do not state it.
    mains
        Mains frequency, 50 or 60 Hz, where it is known.
    """

    leads: str | None = None
    unit: str | None = None
    sampling_rate: float | None = None
    mains: float | None = None

    def to_read(self) -> ReadOptions:
        """Return them as the readers take them."""
        from ecgfoundry.formats.base import ReadOptions

        return ReadOptions(
            leads=tuple(name.strip() for name in self.leads.split(",")) if self.leads else None,
            unit=self.unit,
            sampling_rate=self.sampling_rate,
            mains_frequency=self.mains,
        )


@Parameter(name="*")
@dataclass(frozen=True)
class ReadingOptions(StatedOptions):
    """What a file leaves open, and how it is read.

    Parameters
    ----------
    index
        Which recording of a file that holds several, from 0.
    format
        Name of the reader (see: ecgfoundry formats), in place of recognising the content.
    """

    index: int | None = None
    format: str | None = None

    def to_read(self) -> ReadOptions:
        """Return them as the readers take them."""
        return replace(super().to_read(), index=self.index, format=self.format)
