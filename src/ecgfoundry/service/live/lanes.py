"""Lanes: processes that hold live streams and answer them.

A process of its own for each lane, because answering holds Python's lock about as long as the
network computes without it: in one process, two cores were never fully used. What the network's
runtime does to its process, it does to a lane, which is replaced, and not to the service.

:class:`LaneProcess` is the service's end, :class:`LaneStreams` what is at work in the process.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import EcgFoundryError, LeadError
from ecgfoundry.inference.live.frames import decode_frame
from ecgfoundry.inference.live.stream import DueWindow, LiveStream, answer_due, prepare_due
from ecgfoundry.inference.looks import Look
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.warnings import trained_on_synthetic
from ecgfoundry.labs.live import EVERY_S, SPAN_S, LaboratoryTrend, trend_words
from ecgfoundry.measurements.gate import is_doubted
from ecgfoundry.service.drift import REFERENCES, Sight
from ecgfoundry.service.problems import Problem, ProblemError, problem_of
from ecgfoundry.service.processes import spared_from_interrupts

__all__ = ["Answers", "LaneDied", "LaneProcess", "LaneStreams", "StreamOrder", "text_of"]

_FOREIGN = ("lead-not-trained-on", "lead-unnamed")
_ANSWER_S = 120.0
"""A lane that takes longer over one batch is replaced (our choice)."""
_SEEN_EVERY_S = 600.0
"""How often a stream gives a window for the drift of its model: who lies there changes slowly (our
choice)."""


def text_of(message: dict[str, Any]) -> str:
    """Return a message as JSON."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """A stream as its device described it, checked as far as that needs no model.

    ``model`` and ``laboratory`` are bundle folders; ``asked`` is the model's name here.
    ``laboratory_named``: somebody asked for these estimates, so it is an error where the stream has
    no lead for them.
    """

    stream: str
    model: Path
    leads: tuple[str, ...]
    sampling_rate: float
    millivolts: float
    lead: str | None = None
    delay_s: float = 0.0
    mains_frequency: float | None = None
    laboratory: Path | None = None
    laboratory_lead: str | None = None
    laboratory_named: bool = False
    asked: str = ""


@dataclass(slots=True)
class Answers:
    """What came of a batch of frames.

    ``begins``: of every frame, the number of its first sample; None if it did not fit its stream.
    ``anew``: of every frame, whether its stream began anew with it.
    ``said``, ``problems``: stream and message, ready to be sent. ``points``: stream and a point of
    its laboratory trends. ``seen``: stream and a window of it, for the drift of its model.
    """

    begins: list[int | None] = field(default_factory=list)
    anew: list[bool] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    points: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    seen: list[tuple[str, Sight]] = field(default_factory=list)


class _Held:
    """A stream in a lane, and the one that is read for laboratory values beside it."""

    def __init__(
        self, order: StreamOrder, stream: LiveStream, laboratory: LiveStream | None
    ) -> None:
        self.order, self.stream, self.laboratory = order, stream, laboratory
        self.trend = None if laboratory is None else LaboratoryTrend(laboratory.predictor.bundle)
        self._trend_begun = 0
        self._compared = REFERENCES["streams"] in stream.predictor.bundle.about.files
        self._seen_s: float | None = None

    def push(self, content: bytes) -> tuple[int, list[tuple[_Held, LiveStream, DueWindow]]]:
        """Take a frame; return where it begins and the windows that are due."""
        frame = decode_frame(content, millivolts=self.order.millivolts)
        due: list[tuple[_Held, LiveStream, DueWindow]] = []
        for stream in (self.stream, self.laboratory):
            if stream is not None:
                due += [(self, stream, window) for window in stream.push(frame)]
        follows = self.stream.buffer.end - frame.signal.shape[1]
        return follows if frame.start is None else frame.start, due

    @property
    def begun(self) -> int:
        """How often the stream has begun anew."""
        return self.stream.buffer.counts.restarts

    def shows(self, due: DueWindow) -> bool:
        """Whether a window is compared with the reference: whole ones are, now and then."""
        last = self._seen_s
        whole = due.part.samples >= round(self.stream.window_s * self.stream.sampling_rate)
        soon = last is not None and last <= due.time_s < last + _SEEN_EVERY_S
        if not self._compared or not whole or soon:
            return False
        self._seen_s = due.time_s
        return True

    def follow(self, due: DueWindow, logits: Any) -> dict[str, Any] | None:
        """Take a window for the laboratory trends; return their point if there is one."""
        assert self.trend is not None  # noqa: S101
        if due.begun != self._trend_begun:
            self.trend.forget()
        self._trend_begun = due.begun
        point = self.trend.add(logits, due.time_s)
        return None if point is None else point.to_dict()


class LaneStreams:
    """The streams of one lane. One network serves all that ask for it."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._predictors: dict[Path, Predictor] = {}

    def open(self, order: StreamOrder) -> dict[str, Any] | Problem:
        """Begin a stream; return its description, or why it cannot be read."""
        try:
            stream = LiveStream(
                self._predictor(order.model),
                order.leads,
                order.sampling_rate,
                lead=order.lead,
                delay_s=order.delay_s,
                mains_frequency=order.mains_frequency,
            )
            held = _Held(order, stream, self._laboratory(order, stream))
        except EcgFoundryError as error:
            return problem_of(error)
        except ValueError as error:  # a number that is none
            return Problem(400, "request", f"the opening message cannot be understood ({error})")
        self._held[order.stream] = held
        bundle = stream.predictor.bundle
        return {
            "leads": list(stream.leads),
            "sampling_rate": stream.sampling_rate,
            "model": bundle.name,
            "model_version": bundle.version,
            "leads_used": list(stream.input_leads.recorded + stream.input_leads.derived),
            "window_s": stream.window_s,
            "laboratory": _about_laboratory(held.laboratory),
        }

    def close(self, streams: Sequence[str]) -> None:
        """Forget streams."""
        for name in streams:
            self._held.pop(name, None)

    def answer(self, frames: Sequence[tuple[str, bytes]]) -> Answers:
        """Put frames into their streams and answer every window that is due, in few calls."""
        result = Answers()
        due: list[tuple[_Held, LiveStream, DueWindow]] = []
        for name, content in frames:
            begin, anew = None, False
            try:
                held = self._held[name]
                begun = held.begun
                begin, windows = held.push(content)
                due += windows
                anew = held.begun != begun
            except KeyError:  # it was ended meanwhile
                pass
            except EcgFoundryError as error:
                result.problems.append((name, text_of(problem_of(error).to_message())))
            result.begins.append(begin)
            result.anew.append(anew)
        groups: dict[int, list[tuple[_Held, LiveStream, DueWindow]]] = {}
        for one in due:
            groups.setdefault(id(one[1].predictor), []).append(one)
        for group in groups.values():
            _answer_group(group, result)
        return result

    def _predictor(self, folder: Path) -> Predictor:
        if folder not in self._predictors:
            self._predictors[folder] = load_model(folder, threads=1)
        return self._predictors[folder]

    def _laboratory(self, order: StreamOrder, stream: LiveStream) -> LiveStream | None:
        if order.laboratory is None:
            return None
        try:
            found = LiveStream(
                self._predictor(order.laboratory),
                stream.leads,
                stream.sampling_rate,
                lead=order.laboratory_lead,
                every_s=EVERY_S,
                delay_s=order.delay_s,
                mains_frequency=stream.mains_frequency,
            )
        except LeadError:
            if order.laboratory_named:
                raise
            return None  # nobody asked for it
        foreign = any(notice.code in _FOREIGN for notice in found.lead_warnings)
        # Of a lead that it has not learned from, a model is asked by name only, and says so.
        return None if foreign and not order.laboratory_named else found


def _about_laboratory(stream: LiveStream | None) -> dict[str, Any] | None:
    """What stays the same in every message about the laboratory estimates of a stream."""
    if stream is None:
        return None
    bundle = stream.predictor.bundle
    return {
        "type": "laboratory",
        "model": bundle.name,
        "model_version": bundle.version,
        "trained_on_synthetic_data": trained_on_synthetic(bundle),
        "span_s": SPAN_S,
        "leads_used": list(stream.input_leads.recorded + stream.input_leads.derived),
        "caveats": [*trend_words(bundle), *(notice.message for notice in stream.lead_warnings)],
    }


def _answer_group(due: Sequence[tuple[_Held, LiveStream, DueWindow]], result: Answers) -> None:
    """Answer windows that one network reads: of streams, or for their laboratory estimates."""
    prepared = prepare_due([(stream, window) for _, stream, window in due])
    inputs = [one.standardized for one in prepared if one.standardized is not None]
    predictor = due[0][1].predictor
    read = zip(*predictor.logits_and_embeddings(np.stack(inputs)), strict=True) if inputs else ()
    outputs = iter(read)
    ready = []
    for (held, stream, window), made in zip(due, prepared, strict=True):
        values, embedding = (None, None) if made.standardized is None else next(outputs)
        if stream is held.stream:
            ready.append((held, (stream, window, made, values)))
            if held.shows(window):
                both = [] if values is None or embedding is None else [(values, embedding)]
                look = Look.of([made], stream.input_leads, both)
                sight = Sight.of(look, predictor.bundle.task)
                result.seen.append((held.order.stream, sight))
            continue
        point = held.follow(window, None if is_doubted(made.quality) else values)
        if point is not None:
            result.points.append((held.order.stream, point))
    answers = answer_due([window for _, window in ready])
    for (held, _), answer in zip(ready, answers, strict=True):
        message = {"type": "answer", **answer.to_dict()}
        result.said.append((held.order.stream, text_of(message)))


# --- the process ------------------------------------------------------------------------------


class LaneDied(Exception):  # noqa: N818
    """The process of a lane is gone, with the streams it held."""


def _main(connection: Connection) -> None:
    """Run a lane until the connection closes, which it does when the service ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends us
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    streams = LaneStreams()
    while True:
        try:
            name, argument = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(getattr(streams, name)(argument))


class LaneProcess:
    """The service's end of a lane. Calls block, and come from one thread at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_main, args=(other,), name="live", daemon=True)
        with spared_from_interrupts():
            self._process.start()
        other.close()

    @property
    def pid(self) -> int | None:
        """Number of the process."""
        return self._process.pid

    def open(self, order: StreamOrder) -> dict[str, Any]:
        """See :meth:`LaneStreams.open`.

        Raises
        ------
        ProblemError
        LaneDied
        """
        found = self._call("open", order)
        if isinstance(found, Problem):
            raise ProblemError(found)
        opened: dict[str, Any] = found
        return opened

    def close(self, streams: Sequence[str]) -> None:
        """See :meth:`LaneStreams.close`."""
        self._call("close", streams)

    def answer(self, frames: Sequence[tuple[str, bytes]]) -> Answers:
        """See :meth:`LaneStreams.answer`.

        Raises
        ------
        LaneDied
        """
        answers: Answers = self._call("answer", frames)
        return answers

    def _call(self, name: str, argument: Any) -> Any:
        try:
            self._connection.send((name, argument))
            if not self._connection.poll(_ANSWER_S):
                self.stop()
                raise LaneDied("a lane took too long and was ended")
            return self._connection.recv()
        except (EOFError, OSError):
            self.stop()
            raise LaneDied("the process of a lane is gone") from None

    def stop(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._connection.close()
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
