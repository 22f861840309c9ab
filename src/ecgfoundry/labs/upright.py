"""Records that look upside down are turned over in use, as a corpus turns those that train.

Whoever trains and measures on a corpus of lead II sees them the right way round; the figures of a
card are those of such records.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.corpus.quality_gate import MOSTLY_INVERTED, measure_windows
from ecgfoundry.inference.windows import InputLeads, WindowSource
from ecgfoundry.leads import complete_limb_leads
from ecgfoundry.models.bundle import LEAD_II_RECIPE, Bundle
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import Notice

__all__ = ["Turned", "mostly_inverted", "upright"]

LOOKED_AT = 60
"""Windows of a recording that are asked at most, evenly over it (our choice)."""
_MICROVOLTS = 1000.0

Float32 = NDArray[np.float32]


def mostly_inverted(raw: Float32, sampling_rate: float) -> bool:
    """Whether most of the windows look upside down, as a corpus judges a record.

    Parameters
    ----------
    raw : ndarray of float32 (windows, samples)
        One lead, mV, NaN = missing.
    sampling_rate : float
        Hz.
    """
    missing = np.isnan(raw)
    units = np.clip(np.rint(np.where(missing, 0.0, raw) * _MICROVOLTS), -32767, 32767)
    stored = np.where(missing, -32768, units).astype(np.int16)[:, None]
    figures = measure_windows(
        stored, gain=_MICROVOLTS, baseline=0, sampling_rate=sampling_rate, leads=("II",)
    )
    return bool(figures.inverted.mean() > MOSTLY_INVERTED)


class Turned:
    """A source whose samples have the other sign."""

    def __init__(self, source: WindowSource) -> None:
        self._source = source

    @property
    def leads(self) -> tuple[str, ...]:
        """As the source's."""
        return self._source.leads

    @property
    def sampling_rate(self) -> float:
        """Hz."""
        return self._source.sampling_rate

    @property
    def samples(self) -> int:
        """Per lead."""
        return self._source.samples

    def part(self, start: int, stop: int) -> Recording:
        """Return samples start to stop, turned over."""
        part = self._source.part(start, stop)
        return replace(part, signal=-part.signal)


def upright(
    bundle: Bundle, source: WindowSource, leads: InputLeads
) -> tuple[WindowSource, tuple[Notice, ...]]:
    """Return a source as the bundle has learned to read it, and what is to be said of that.

    It is another one only for bundles of ``ecgfoundry labs train`` whose one lead looks upside down
    in most of up to :data:`LOOKED_AT` windows.
    """
    read = leads.recorded + leads.derived
    if bundle.about.provenance.recipe != LEAD_II_RECIPE or len(read) != 1:
        return source, ()
    length = round(bundle.input.window_s * source.sampling_rate)
    last = source.samples - length
    if last < 0:
        return source, ()
    count = min(LOOKED_AT, last // length + 1)
    places = np.linspace(0, last, count).round().astype(int).tolist()
    found = [_lead(source.part(at, at + length), read[0]) for at in places]
    if not mostly_inverted(np.stack(found), source.sampling_rate):
        return source, ()
    words = f"lead {read[0]} looks upside down; it is read the other way round, as in training"
    return Turned(source), (Notice("lead-turned", words, read),)


def _lead(part: Recording, name: str) -> Float32:
    """Return one lead of a part, recorded or derived from two limb leads."""
    signals = dict(zip(part.leads, part.signal, strict=True))
    return signals[name] if name in signals else complete_limb_leads(signals)[name]
