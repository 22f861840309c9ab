"""The last seconds of a live signal: a ring of samples that knows what is missing.

A device sends frames. Each frame begins at a sample number on the device's own clock; frames may be
late, repeated, out of order or lost, and a device may come back after a pause or start anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import SignalError

__all__ = ["JITTER_S", "LiveBuffer", "SampleClock", "StreamCounts"]

Float32 = NDArray[np.float32]

JITTER_S = 0.06
"""Jitter of time stamps that is no gap (our choice): a connection interval and a half of Bluetooth
Low Energy in its usual setting.
"""


@dataclass(slots=True)
class StreamCounts:
    """What happened to the samples of a stream, per lead.

    ``missing`` were jumped over and did not come (yet), ``filled`` came late into such a hole,
    ``repeated`` were there already, ``too_late`` had left the buffer; ``restarts`` counts jumps
    too large to bridge, and other samples under numbers that were there.
    """

    received: int = 0
    missing: int = 0
    filled: int = 0
    repeated: int = 0
    too_late: int = 0
    restarts: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


class LiveBuffer:
    """The newest samples of a stream, in mV; NaN where nothing came.

    Parameters
    ----------
    leads : int
        Rows.
    capacity : int
        Samples that are kept.
    bridge : int, optional
        The longest hole, in samples, that is kept as missing samples; after a longer one the
        stream begins anew. ``capacity`` by default.
    """

    def __init__(self, leads: int, capacity: int, *, bridge: int | None = None) -> None:
        if leads < 1 or capacity < 1:
            raise SignalError("a live buffer needs at least one lead and one sample")
        self._bridge = capacity if bridge is None else bridge
        self._ring: Float32 = np.full((leads, capacity), np.nan, np.float32)
        self._known: NDArray[np.bool_] = np.zeros(capacity, bool)
        self.first: int | None = None
        self.end = 0
        self.counts = StreamCounts()

    @property
    def capacity(self) -> int:
        """Samples that are kept."""
        return self._ring.shape[1]

    def holds_another(self, signal: Float32, start: int) -> bool:
        """Whether other samples stand where a frame (leads, samples) belongs.

        Such a frame is no repetition: its device counts anew, or its clock went back. It is so
        where more than half of what stands there and can be compared differs.
        """
        oldest = max(self.end - self.capacity, self.first or 0)
        begin, stop = max(start, oldest), min(start + signal.shape[1], self.end)
        if stop <= begin:
            return False
        at = np.arange(begin, stop) % self.capacity
        there, here = self._ring[:, at], signal[:, begin - start : stop - start]
        compared = self._known[at] & np.isfinite(there) & np.isfinite(here)
        return 2 * int((compared & (there != here)).sum()) > int(compared.sum())

    def begin_anew(self, start: int) -> None:
        """Forget everything: the next frame is of another signal, and begins at ``start``."""
        self.counts.restarts += 1
        self._known[:] = False
        self._ring[:] = np.nan
        self.first = self.end = start

    def push(self, signal: Float32, start: int | None = None) -> bool:
        """Put a frame in its place.

        Parameters
        ----------
        signal : ndarray (leads, samples)
            mV; NaN is missing.
        start : int, optional
            Sample number of its first column; None: it follows the last one.

        Returns
        -------
        bool
            Whether the stream began anew: after a hole too long to bridge, or because the sample
            numbers fell back by more than the buffer holds (the device counts from its start).

        Raises
        ------
        SignalError
            The frame has another number of leads.
        """
        if signal.ndim != 2 or signal.shape[0] != self._ring.shape[0]:
            raise SignalError(
                f"a frame of shape {signal.shape} came into a stream of {self._ring.shape[0]} leads"
            )
        begin = self.end if start is None else int(start)
        restarted = self.first is not None and (
            begin > self.end + self._bridge or begin + signal.shape[1] < self.end - self.capacity
        )
        if restarted:
            self.begin_anew(begin)
        elif self.first is None:
            self.first = self.end = begin
        self._place(signal, begin)
        return restarted

    def _place(self, signal: Float32, begin: int) -> None:
        self.counts.received += signal.shape[1]
        stop = begin + signal.shape[1]
        before = self.end
        if begin == before and signal.shape[1] <= self.capacity:  # as nearly every frame comes
            for place, piece in self._spans(begin, stop):
                self._ring[:, place] = signal[:, piece]
                self._known[place] = True
            self.end = stop
            return
        if stop > self.end:
            self._advance(max(begin, self.end), stop)
        oldest = max(self.end - self.capacity, self.first or 0)
        kept = slice(max(oldest - begin, 0), signal.shape[1])
        self.counts.too_late += min(max(oldest - begin, 0), signal.shape[1])
        places = np.arange(begin + kept.start, stop)
        at = places % self.capacity
        new = ~self._known[at]
        self.counts.repeated += int((~new).sum())
        self.counts.filled += int((new & (places < before)).sum())
        # What was there before is kept: a repeated frame must not change an answered window.
        self._ring[:, at[new]] = signal[:, kept][:, new]
        self._known[at] = True

    def _advance(self, begin: int, stop: int) -> None:
        """Make room up to ``stop``; the samples from the old end to ``begin`` are a hole."""
        self.counts.missing += begin - self.end
        fresh = np.arange(max(self.end, stop - self.capacity), stop) % self.capacity
        self._ring[:, fresh] = np.nan
        self._known[fresh] = False
        self.end = stop

    def window(self, stop: int, length: int) -> Float32:
        """Return samples ``stop - length`` to ``stop`` (leads, samples), as a copy.

        What came before the start of the stream or has left the buffer is cut off, so the array
        may be shorter.

        Raises
        ------
        SignalError
            ``stop`` lies ahead of the stream.
        """
        if stop > self.end:
            raise SignalError(f"sample {stop} has not come yet; the stream is at {self.end}")
        oldest = max(self.end - self.capacity, self.first or 0)
        begin = max(stop - length, oldest)
        result = np.empty((self._ring.shape[0], max(stop - begin, 0)), np.float32)
        for at, piece in self._spans(begin, begin + result.shape[1]):
            result[:, piece] = self._ring[:, at]
        return result

    def _spans(self, begin: int, stop: int) -> list[tuple[slice, slice]]:
        """Where samples ``begin`` to ``stop`` (at most the capacity) lie in the ring, and which of
        them: one part, or two around the ring's end.
        """
        first, count = begin % self.capacity, stop - begin
        head = min(count, self.capacity - first)
        spans = [(slice(first, first + head), slice(0, head))]
        if head < count:
            spans.append((slice(0, count - head), slice(head, count)))
        return spans


class SampleClock:
    """Sample numbers for a device that stamps its frames with a time instead of a number.

    Samples are counted; the time stamps only tell where some are missing. A device whose clock
    runs fast or slow therefore loses and gains nothing: its true rate is followed, slowly, and
    told as ``drift_ppm``. A frame that comes later than its stamp should allow by more than
    ``tolerance_s`` is a gap of as many samples as fit the time.

    Parameters
    ----------
    sampling_rate : float
        Hz, nominal.
    tolerance_s : float
        Jitter of the time stamps that is no gap.
    """

    FOLLOW = 0.02
    """Share of each deviation that moves the clock (our choice)."""

    def __init__(self, sampling_rate: float, *, tolerance_s: float = JITTER_S) -> None:
        self.sampling_rate = sampling_rate
        self.tolerance_s = tolerance_s
        self._first: tuple[float, int] | None = None
        self._offset = 0.0
        self._next = 0
        self._last = (0.0, 0)

    @property
    def drift_ppm(self) -> float | None:
        """How much faster than nominal the samples come, in parts per million; None before 10 s."""
        if self._first is None or self._last[0] - self._first[0] < 10.0:
            return None
        elapsed = self._last[0] - self._first[0]
        counted = self._last[1] - self._first[1]
        return (counted / self.sampling_rate / elapsed - 1.0) * 1e6

    def note(self, time_s: float, start: int) -> None:
        """Learn the clock from a frame that states its number and its time."""
        if math.isfinite(time_s):
            self._first = self._first or (time_s, start)
            self._offset = time_s - start / self.sampling_rate
            self._last = (time_s, start)

    def place(self, time_s: float, samples: int, *, after: int | None = None) -> int:
        """Return the sample number of a frame's first sample.

        Parameters
        ----------
        time_s : float
            The frame's stamp: the time of its first sample, on any steady clock.
        samples : int
            Length of the frame.
        after : int, optional
            Where a frame would be that follows the last one, which may have come without a time;
            None: it did not.

        Raises
        ------
        SignalError
            The time is not a number.
        """
        if not math.isfinite(time_s):
            raise SignalError("the time stamp of a frame is not a number")
        if after is not None:
            self._next = after
        if self._first is None:
            start = self._next
            self._first = (time_s, start)
            self._offset = time_s - start / self.sampling_rate
        else:
            deviation = time_s - self._offset - self._next / self.sampling_rate
            if abs(deviation) > self.tolerance_s:
                start = self._next + round(deviation * self.sampling_rate)
            else:
                start = self._next
                self._offset += self.FOLLOW * deviation
        if start >= self._next:
            self._next = start + samples
            self._last = (time_s, start)
        return start
