"""A live stream through a model: an answer for every second, from the window that ends there.

The way of the data is that of a file: the window is cut out of the buffer, judged and standardized
by :func:`ecgfoundry.inference.windows.prepare_window`, so a window seen live has bit for bit the
standardized form of the same samples read from a file. Only whether it is an ECG is not asked of
every window: :data:`ASKED_EVERY_S`.

Cutting, preparing and answering are steps of their own, so that a server can prepare the windows of
many streams together and put them into one call of the network: :meth:`LiveStream.push` gives what
is due, :func:`prepare_due` prepares it, :func:`answer_due` takes the logits.
:meth:`LiveStream.run` does it all for one stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import SignalError
from ecgfoundry.inference.live.buffer import LiveBuffer, SampleClock, StreamCounts
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.inference.live.state import Smoothing, SteadyState
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.warnings import (
    SYNTHETIC_WORDS,
    lead_warnings,
    trained_on_synthetic,
)
from ecgfoundry.inference.windows import InputLeads, PreparedWindow, prepare_together
from ecgfoundry.leads import normalize_lead_names
from ecgfoundry.measurements.gate import is_doubted, readable_leads
from ecgfoundry.measurements.stretches import doubt_between_leads
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import Notice, WindowQuality
from ecgfoundry.tasks import WindowResult
from ecgfoundry.units import check_sampling_rate

__all__ = ["LIVE_WINDOW_S", "DueWindow", "LiveAnswer", "LiveStream", "answer_due", "prepare_due"]

LIVE_WINDOW_S = 10.0
"""Longest window of a live answer; models that take longer ones get it padded by their recipe."""
_MINIMUM_S = 2.5
"""No answer before so much has come: the quality gate refuses shorter windows."""


ASKED_EVERY_S = 5.0
GROWN = 1.5
"""Whether a stream is an ECG is asked of its first window, again when the window has grown by half,
and then every so often: windows that end five seconds apart share half of their samples. While the
answer is no, every window is asked (our choice)."""


STAMPED_LATE_S = 1.0
"""Time stamps that go back by less, over samples that are others, are jitter: the samples follow
each other. Those that go back by more are of a clock that was set, or of a device that began anew
(our choice)."""


@dataclass(frozen=True, slots=True)
class DueWindow:
    """A window that has come to its end: its samples, and where it ends in its stream.

    ``first`` is the stream's first sample, ``begun`` how often it had begun anew.
    """

    part: Recording
    start: int
    stop: int
    time_s: float
    first: int = 0
    begun: int = 0


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """What is said about a stream at one second.

    Parameters
    ----------
    time_s : float
        End of the window, in seconds from the stream's first sample.
    window : WindowResult
        This window alone.
    steady : WindowResult
        Smoothed; ``present`` with hysteresis.
    changed : tuple of str
        Targets whose presence is another than a second ago.
    warnings : tuple of Notice
    counts : StreamCounts
        What happened to the samples so far.
    drift_ppm : float, optional
        The device's clock against its nominal rate.
    """

    time_s: float
    window: WindowResult
    steady: WindowResult
    changed: tuple[str, ...]
    warnings: tuple[Notice, ...]
    counts: StreamCounts
    drift_ppm: float | None

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "time_s": round(self.time_s, 4),
            "window": self.window.to_dict(),
            "steady": self.steady.to_dict(),
            "changed": list(self.changed),
            "warnings": [notice.to_dict() for notice in self.warnings],
            "samples": self.counts.to_dict(),
            "drift_ppm": None if self.drift_ppm is None else round(self.drift_ppm, 1),
        }


class LiveStream:
    """One live signal and the model that reads it.

    Parameters
    ----------
    predictor : Predictor
    leads : sequence of str
        Names of the rows of each frame.
    sampling_rate : float
        Hz.
    lead : str, optional
        Read only this lead.
    every_s : float
        An answer every so often.
    delay_s : float
        How long to wait for late frames before a window is answered.
    smoothing : Smoothing, optional
    mains_frequency : float, optional
        Hz, for recipes that ask for it.

    Raises
    ------
    LeadError, SamplingRateError
        The stream is not one that the model can read.
    """

    def __init__(
        self,
        predictor: Predictor,
        leads: Sequence[str],
        sampling_rate: float,
        *,
        lead: str | None = None,
        every_s: float = 1.0,
        delay_s: float = 0.0,
        smoothing: Smoothing | None = None,
        mains_frequency: float | None = None,
    ) -> None:
        if not every_s > 0 or not 0 <= delay_s <= LIVE_WINDOW_S:
            raise SignalError(f"an answer every {every_s} s after {delay_s} s cannot be given")
        self.predictor = predictor
        self.leads = normalize_lead_names(leads)
        self.sampling_rate = check_sampling_rate(sampling_rate)
        spec = predictor.bundle.input
        self.input_leads = InputLeads.choose(spec, self.leads, lead=lead)
        self.lead_warnings = tuple(lead_warnings(spec, self.input_leads))
        synthetic = trained_on_synthetic(predictor.bundle)
        self._always = self.lead_warnings + (
            (Notice("synthetic-model", SYNTHETIC_WORDS),) if synthetic else ()
        )
        self.window_s = min(LIVE_WINDOW_S, spec.window_s)
        self.clock = SampleClock(self.sampling_rate)
        self._length = round(self.window_s * self.sampling_rate)
        self._every = max(every_s * self.sampling_rate, 1.0)
        self._delay = round(delay_s * self.sampling_rate)
        self.mains_frequency = mains_frequency
        self._smoothing = smoothing or Smoothing()
        self._state = SteadyState(predictor.bundle.task, self._smoothing)
        self._shown: set[str] = set()
        self._piece = math.ceil(self._every)
        capacity = 2 * (self._length + self._piece) + self._delay
        self.buffer = LiveBuffer(len(self.leads), capacity, bridge=self._length)
        self._answers = 0
        self._asked: _Asked | None = None
        self._begun = 0

    def push(self, frame: LiveFrame) -> list[DueWindow]:
        """Take a frame; return the windows that are due now, in order of time.

        Raises
        ------
        SignalError
            The frame does not fit the stream.
        """
        due: list[DueWindow] = []
        begun_before = self.buffer.counts.restarts
        start = self._place(frame)
        # A frame longer than the buffer's slack would push windows out before they are answered.
        for offset in range(0, frame.signal.shape[1], self._piece):
            piece = frame.signal[:, offset : offset + self._piece]
            begun = self.buffer.counts.restarts
            place = None if start is None else start + offset
            if place is not None and self._is_of_another(piece, place):
                self.buffer.begin_anew(place)
            self.buffer.push(piece, place)
            if self.buffer.counts.restarts != begun or self._answers == 0:
                self._answers = math.ceil(_MINIMUM_S * self.sampling_rate / self._every)
            while (stop := self._next_stop()) + self._delay <= self.buffer.end:
                due.append(self._cut(stop))
                self._answers += 1
        if self.buffer.counts.restarts != begun_before:
            self.clock = SampleClock(self.sampling_rate)
            if start is not None and frame.time_s is not None:
                self.clock.note(frame.time_s, start)
        return due

    def _place(self, frame: LiveFrame) -> int | None:
        """Return the number of a frame's first sample; None: it follows the last one."""
        samples, begun = frame.signal.shape[1], self.buffer.first is not None
        if frame.start is not None:
            if frame.time_s is not None:
                self.clock.note(frame.time_s, frame.start)
            return frame.start
        if frame.time_s is None:
            return None
        end = self.buffer.end
        start = self.clock.place(frame.time_s, samples, after=end if begun else None)
        jitter = 0 < end - start <= STAMPED_LATE_S * self.sampling_rate
        if begun and jitter and self.buffer.holds_another(frame.signal, start):
            self.clock.note(frame.time_s, end)
            return end
        return start

    def _is_of_another(self, piece: NDArray[np.float32], start: int) -> bool:
        """Whether a piece of a frame is of another signal than the one that came so far.

        Other samples stand in its place, or it lies further before the stream's first sample than
        late frames are waited for.
        """
        first = self.buffer.first
        if first is None or start >= self.buffer.end:
            return False
        long_before = start + piece.shape[1] < first - self._delay - self._every
        return long_before or self.buffer.holds_another(piece, start)

    def _next_stop(self) -> int:
        """End of the next window: no rounding adds up at rates that are no whole numbers."""
        return (self.buffer.first or 0) + round(self._answers * self._every)

    def _cut(self, stop: int) -> DueWindow:
        signal = self.buffer.window(stop, self._length)
        part = Recording(
            signal, self.sampling_rate, self.leads, mains_frequency=self.mains_frequency
        )
        first = self.buffer.first or 0
        start = stop - signal.shape[1]
        time_s = (stop - first) / self.sampling_rate
        return DueWindow(part, start, stop, time_s, first, self.buffer.counts.restarts)

    def known(self, due: DueWindow) -> WindowQuality | None:
        """Return what was said of the window that was last asked whether it is an ECG.

        None if this one is to be asked.
        """
        asked = self._asked
        if asked is None or asked.quality.refusal is not None or asked.begun != due.begun:
            return None
        late = due.stop - asked.stop >= ASKED_EVERY_S * self.sampling_rate
        grown = due.stop - due.start >= GROWN * asked.samples
        return None if late or grown or due.stop < asked.stop else asked.quality

    def remember(self, due: DueWindow, quality: WindowQuality) -> None:
        """Keep what was said of a window that was asked."""
        self._asked = _Asked(due.stop, due.stop - due.start, quality, due.begun)

    def _enter(self, due: DueWindow) -> None:
        """Forget what was said before the stream began anew: it may be another person's."""
        if due.begun != self._begun:
            self._begun = due.begun
            self._state = SteadyState(self.predictor.bundle.task, self._smoothing)

    def _answer(self, window: _ReadWindow) -> LiveAnswer:
        """Say what is known at the end of a window."""
        prepared, time_s = window.prepared, window.due.time_s
        start_s = (prepared.start - window.due.first) / self.sampling_rate
        duration_s = (prepared.stop - prepared.start) / self.sampling_rate
        alone = self.predictor.bundle.task.window(
            window.logits, start_s, duration_s, refused=prepared.refusal, answers=window.answers
        )
        if is_doubted(prepared.quality):
            alone = alone.undecided()
        if window.mean is None:
            self._state.miss(time_s)
            names = self._names()
            steady = replace(alone, present=names)
        else:
            if window.mean_answers is not None:
                self._state.decide(window.mean_answers, time_s)
            names = self._names()
            told = self.predictor.bundle.task.window(
                window.mean, start_s, duration_s, answers=window.mean_answers
            )
            steady = replace(told, present=names)
        now = set(names or ())
        changed = tuple(sorted(now ^ self._shown))
        self._shown = now
        return LiveAnswer(
            time_s,
            alone,
            steady,
            changed,
            prepared.quality.warnings + self._always,
            replace(self.buffer.counts),
            self.clock.drift_ppm,
        )

    def _names(self) -> tuple[str, ...] | None:
        present = self._state.present
        targets = self.predictor.bundle.vocabulary.targets
        if all(value is None for value in present):
            return None
        return tuple(
            target.name
            for target, value in zip(targets, present, strict=True)
            if value and target.standalone
        )

    def run(self, frame: LiveFrame) -> list[LiveAnswer]:
        """Take a frame and answer every window that it completes."""
        due = self.push(frame)
        prepared = prepare_due([(self, window) for window in due])
        readable = [p.standardized for p in prepared if p.standardized is not None]
        logits = iter(self.predictor.logits(np.stack(readable)) if readable else ())
        read = [None if p.standardized is None else next(logits) for p in prepared]
        return answer_due([(self, d, p, z) for d, p, z in zip(due, prepared, read, strict=True)])


def prepare_due(due: Sequence[tuple[LiveStream, DueWindow]]) -> list[PreparedWindow]:
    """Judge and standardize windows of streams that are read by the same network.

    The windows of one stream are in order of time.
    """
    prepared: list[PreparedWindow] = []
    for begin, end in _apart([stream for stream, _ in due]):
        several = due[begin:end]
        known = [stream.known(window) for stream, window in several]
        made = prepare_together(
            [(window.part, stream.input_leads, window.start) for stream, window in several],
            several[0][0].predictor.bundle.input,
            known,
            describe="noise",  # No live answer says how acceptable a window is.
        )
        for (stream, window), earlier, ready in zip(several, known, made, strict=True):
            asked = ready
            if not _stood(earlier, ready.quality):
                asked = _with_doubt_between_leads(window, ready)
                stream.remember(window, asked.quality)
            prepared.append(asked)
    return prepared


def _with_doubt_between_leads(due: DueWindow, prepared: PreparedWindow) -> PreparedWindow:
    """Ask what the leads show together, as of a file; what is refused or doubted is not asked."""
    quality = prepared.quality
    if quality.refusal is not None or is_doubted(quality):
        return prepared
    doubt = doubt_between_leads(due.part)
    if doubt is None:
        return prepared
    return replace(prepared, quality=replace(quality, warnings=(*quality.warnings, doubt)))


def _stood(earlier: WindowQuality | None, quality: WindowQuality) -> bool:
    """Whether what was said before was taken for this window, so that it was not asked itself."""
    if earlier is None or quality.refusal is not None:
        return False
    return readable_leads(earlier) == readable_leads(quality)


def _apart(streams: Sequence[LiveStream]) -> Iterator[tuple[int, int]]:
    """Cut a row of windows where a stream comes again: two of one are taken one after the other."""
    begin = 0
    while begin < len(streams):
        met: set[int] = set()
        end = begin
        while end < len(streams) and id(streams[end]) not in met:
            met.add(id(streams[end]))
            end += 1
        yield begin, end
        begin = end


@dataclass(frozen=True, slots=True)
class _Asked:
    """A window that was asked whether it is an ECG: its last sample, its length, the answer."""

    stop: int
    samples: int
    quality: WindowQuality
    begun: int


@dataclass(frozen=True, slots=True)
class _ReadWindow:
    """A window on the last part of its way, (targets,) each; None if it was refused.

    The means have nothing of a window that may be no ECG.
    """

    due: DueWindow
    prepared: PreparedWindow
    logits: NDArray[np.float64] | None
    mean: NDArray[np.float64] | None
    answers: NDArray[np.float64] | None
    mean_answers: NDArray[np.float64] | None


def answer_due(
    windows: Sequence[tuple[LiveStream, DueWindow, PreparedWindow, NDArray[np.floating] | None]],
) -> list[LiveAnswer]:
    """Say what is known at the end of windows of streams that are read by the same network.

    Parameters
    ----------
    windows : sequence of (stream, due, prepared, logits)
        From :meth:`LiveStream.push`, those of each stream in order; from :func:`prepare_due`; and
        of the network, (targets,), or None if the window was refused.
    """
    # Streams are calibrated together.
    answers: list[LiveAnswer] = []
    for begin, end in _apart([window[0] for window in windows]):
        answers += _answer_apart(windows[begin:end])
    return answers


def _answer_apart(
    windows: Sequence[tuple[LiveStream, DueWindow, PreparedWindow, NDArray[np.floating] | None]],
) -> list[LiveAnswer]:
    """Answer windows of as many streams."""
    bundle = windows[0][0].predictor.bundle
    level = bundle.input.window_level(windows[0][0].window_s)
    read = {
        k: np.asarray(logits, np.float64)
        for k, (_, _, _, logits) in enumerate(windows)
        if logits is not None
    }
    for stream, due, _, _ in windows:
        stream._enter(due)
    means = {
        k: windows[k][0]._state.blend(z, windows[k][1].time_s)
        for k, z in read.items()
        if not is_doubted(windows[k][2].quality)
    }
    alone: dict[int, NDArray[np.float64]] = {}
    steady: dict[int, NDArray[np.float64]] = {}
    if read:
        for known, logits in ((alone, read), (steady, means)):
            if not logits:
                continue
            values = bundle.task.answers(np.stack(list(logits.values())), level=level)
            known.update(zip(logits, values, strict=True))
    return [
        stream._answer(
            _ReadWindow(due, prepared, read.get(k), means.get(k), alone.get(k), steady.get(k))
        )
        for k, (stream, due, prepared, _) in enumerate(windows)
    ]
