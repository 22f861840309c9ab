"""Live streams of a service: who sends, who watches, and one thread that answers for many.

Frames of all streams of a lane are taken together: each is put into its stream's buffer, the
windows that are due are standardized, and one call of the network answers them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgfoundry.errors import EcgFoundryError, LeadError, SignalError
from ecgfoundry.inference.laboratory import refuse_synthetic
from ecgfoundry.inference.live import DueWindow, LiveStream, answer_due, prepare_due
from ecgfoundry.inference.live_frames import LiveFrame, decode_frame, encode_frame
from ecgfoundry.inference.live_laboratory import (
    EVERY_S,
    SPAN_S,
    LaboratoryTrend,
    trend_words,
)
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.warnings import trained_on_synthetic
from ecgfoundry.recording import millivolts_per_unit
from ecgfoundry.service.problems import Problem, ProblemError, problem_of

if TYPE_CHECKING:
    from ecgfoundry.service.state import ServiceState

__all__ = ["LiveHub", "LiveSession"]

_RESUME_S = 60.0
"""How long a stream waits for its device to come back (our choice)."""
_SILENT_S = 600.0
"""How long a connected device may be silent before its place is given away (our choice)."""
_PENDING_FRAMES = 240
_PENDING_S = 120.0
"""Signal that may wait for its answers, for each stream: every second of it is a window."""
_VIEWER_MESSAGES = 240
_TOGETHER = 256
_MANY = 16
_GATHER_S = 0.05
"""With more than so many streams frames are gathered for so long before they are answered: windows
that are prepared and read together cost half as much as one by one (our choice).
"""
_POINTS = 360
"""Points of a laboratory trend that are kept for those who begin to watch: an hour."""

Message = bytes | str
"""A frame, or JSON that is ready to be sent: it is written once for all who get it."""


def text_of(message: dict[str, Any]) -> str:
    """Return a message as JSON."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


class Outbox:
    """Messages for one connection; when it cannot keep up, the oldest are dropped and counted."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._some = asyncio.Event()
        self.dropped = 0

    def put(self, message: Message) -> None:
        """Add a message."""
        if len(self._messages) >= _VIEWER_MESSAGES:
            self._messages.popleft()
            self.dropped += 1
        self._messages.append(message)
        self._some.set()

    async def get(self) -> Message:
        """Wait for the next message."""
        while not self._messages:
            self._some.clear()
            await self._some.wait()
        return self._messages.popleft()


class Follower:
    """The laboratory estimates of a stream: windows of their own, ten seconds apart."""

    def __init__(self, stream: LiveStream) -> None:
        self.stream = stream
        self.trend = LaboratoryTrend(stream.predictor.bundle)
        self.points: deque[dict[str, Any]] = deque(maxlen=_POINTS)

    def message(self) -> dict[str, Any]:
        """What stays the same in every message about these estimates."""
        bundle = self.stream.predictor.bundle
        return {
            "type": "laboratory",
            "model": bundle.name,
            "model_version": bundle.version,
            "trained_on_synthetic_data": trained_on_synthetic(bundle),
            "span_s": SPAN_S,
            "caveats": trend_words(bundle),
        }

    def say(self, due: DueWindow, logits: Any) -> dict[str, Any] | None:
        """Take a window; return the message about it, None while there is nothing to say."""
        if self.points and due.time_s <= self.points[-1]["time_s"]:  # the stream began anew
            self.trend.forget()
            self.points.clear()
        point = self.trend.add(logits, due.time_s)
        if point is None:
            return None
        self.points.append(point.to_dict())
        return {**self.message(), **self.points[-1]}

    def history(self) -> dict[str, Any]:
        """The latest message with the points before it, for somebody who begins to watch."""
        return {**self.message(), **self.points[-1], "history": list(self.points)[:-1]}


@dataclass(eq=False)
class LiveSession:
    """One stream and the connections that have to do with it."""

    identifier: str
    stream: LiveStream
    millivolts: float
    lane: int
    name: str
    device: Outbox | None = None
    viewers: set[Outbox] = field(default_factory=set)
    pending: int = 0
    pending_s: float = 0.0
    last_seen: float = field(default_factory=time.monotonic)
    last_answer: str | None = None
    laboratory: Follower | None = None
    owner: str = ""

    def describe(self) -> dict[str, Any]:
        """Return what a viewer needs to know."""
        stream = self.stream
        return {
            "stream": self.identifier,
            "name": self.name,
            "leads": list(stream.leads),
            "sampling_rate": stream.sampling_rate,
            "model": stream.predictor.bundle.name,
            "model_version": stream.predictor.bundle.version,
            "leads_used": list(stream.input_leads.recorded + stream.input_leads.derived),
            "window_s": stream.window_s,
            "laboratory": None if self.laboratory is None else self.laboratory.message(),
            "connected": self.device is not None,
        }

    def tell(self, message: Message, *, device: bool = True) -> None:
        """Send a message to the device and to everybody who watches."""
        if device and self.device is not None:
            self.device.put(message)
        for viewer in self.viewers:
            viewer.put(message)


class LiveHub:
    """All live streams of a service.

    Parameters
    ----------
    state : ServiceState
    limit : int
        Streams at a time.
    """

    def __init__(self, state: ServiceState, *, limit: int) -> None:
        self._state, self._limit = state, limit
        self._lanes = state.settings.workers
        self._sessions: dict[str, LiveSession] = {}
        self._queues: list[deque[tuple[LiveSession, LiveFrame]]] = []
        self._wake: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._threads: ThreadPoolExecutor | None = None
        self._predictors: dict[tuple[int, str], Predictor] = {}
        self._next_lane = 0

    def start(self) -> None:
        """Start the lanes."""
        self._threads = ThreadPoolExecutor(self._lanes, thread_name_prefix="live")
        self._queues = [deque() for _ in range(self._lanes)]
        self._wake = [asyncio.Event() for _ in range(self._lanes)]
        self._tasks = [asyncio.create_task(self._run(lane)) for lane in range(self._lanes)]
        self._tasks.append(asyncio.create_task(self._forget()))

    async def close(self) -> None:
        """End all streams."""
        for session in self._sessions.values():
            session.tell(text_of({"type": "closing", "reason": "the service is stopping"}))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    @property
    def sessions(self) -> list[LiveSession]:
        """The streams there are."""
        return list(self._sessions.values())

    def find(self, identifier: str) -> LiveSession:
        """Return a stream by its name.

        Raises
        ------
        ProblemError
            404.
        """
        if identifier not in self._sessions:
            raise ProblemError(Problem(404, "stream-not-found", "there is no such stream"))
        return self._sessions[identifier]

    async def open(self, description: dict[str, Any], caller: str = "") -> LiveSession:
        """Open a stream, or take up one whose connection was lost.

        Parameters
        ----------
        description : dict
            ``leads``, ``sampling_rate`` (Hz), ``unit`` ("mV", "uV", "5 uV"), optional ``model``,
            ``lead``, ``delay_s``, ``mains``, ``name``, ``laboratory`` (False: no estimates of
            laboratory values; or the model for them; by default the service's own, if it has
            one); or ``resume`` with the stream's name.
        caller : str
            Who opens it: nobody else may take it up again.

        Raises
        ------
        ProblemError
        """
        if self._state.closing:
            raise ProblemError(Problem(503, "stopping", "the service is stopping"))
        resume = description.get("resume")
        if resume is not None:
            session = self.find(str(resume))
            if session.owner != caller:
                raise ProblemError(Problem(404, "stream-not-found", "there is no such stream"))
            session.last_seen = time.monotonic()
            return session
        if len(self._sessions) >= self._limit:
            words = f"the service has its {self._limit} streams"
            raise ProblemError(Problem(429, "busy", words, None, 30))
        lane = self._next_lane
        self._next_lane = (lane + 1) % self._lanes
        try:
            session = await asyncio.to_thread(self._build, description, lane)
        except EcgFoundryError as error:
            raise ProblemError(problem_of(error)) from None
        except (KeyError, TypeError, ValueError) as error:
            words = f"the opening message cannot be understood ({type(error).__name__}: {error})"
            remedy = 'Send {"leads": ["I"], "sampling_rate": 250, "unit": "uV"}'
            raise ProblemError(Problem(400, "request", words[:300], remedy)) from None
        session.owner = caller
        self._sessions[session.identifier] = session
        self._state.telemetry.streams.set(len(self._sessions))
        return session

    def _build(self, description: dict[str, Any], lane: int) -> LiveSession:
        leads = description["leads"]
        if not isinstance(leads, list) or not 1 <= len(leads) <= 64:
            raise SignalError("'leads' is a list of one to 64 names")
        standard = len(leads) >= 3
        name = description.get("model") or (
            "ptbxl-superclass-12lead" if standard else "rhythm-single-lead"
        )
        mains = description.get("mains")
        stream = LiveStream(
            self._predictor(lane, str(name)),
            [str(lead) for lead in leads],
            float(description["sampling_rate"]),
            lead=description.get("lead"),
            delay_s=float(description.get("delay_s", 0.0)),
            mains_frequency=None if mains is None else float(mains),
        )
        return LiveSession(
            secrets.token_hex(12),
            stream,
            millivolts_per_unit(str(description["unit"])),
            lane,
            str(description.get("name", ""))[:80],
            laboratory=self._follower(description, lane, stream),
        )

    def _follower(
        self, description: dict[str, Any], lane: int, stream: LiveStream
    ) -> Follower | None:
        """Laboratory estimates for a stream, where the service has a model that can read it."""
        wanted = description.get("laboratory")
        if wanted is False:
            return None
        named = isinstance(wanted, str)
        try:
            model = self._state.laboratory_model(wanted if named else None)
            lead = description.get("laboratory_lead")
            follower = LiveStream(
                self._predictor(lane, model),
                stream.leads,
                stream.sampling_rate,
                lead=None if lead is None else str(lead),
                every_s=EVERY_S,
                delay_s=float(description.get("delay_s", 0.0)),
                mains_frequency=stream.mains_frequency,
            )
        except (ProblemError, LeadError):
            if named:
                raise
            return None  # nobody asked for it
        return Follower(follower)

    def _predictor(self, lane: int, name: str) -> Predictor:
        """One network per lane: the runtimes are not all safe to share between threads."""
        if (lane, name) not in self._predictors:
            bundle = self._state.bundle(name)
            refuse_synthetic(bundle, allowed=self._state.settings.synthetic_ok)
            self._predictors[lane, name] = load_model(bundle.folder, threads=1)
        return self._predictors[lane, name]

    def receive(self, session: LiveSession, content: bytes) -> None:
        """Take a frame from a device.

        Raises
        ------
        ProblemError
            It is no frame, or the service cannot keep up.
        """
        try:
            frame = decode_frame(content, millivolts=session.millivolts)
            if frame.signal.shape[0] != len(session.stream.leads):
                raise SignalError(
                    f"a frame of {frame.signal.shape[0]} leads came into a stream of "
                    f"{len(session.stream.leads)}"
                )
        except SignalError as error:
            raise ProblemError(problem_of(error)) from None
        seconds = frame.signal.shape[1] / session.stream.sampling_rate
        late = session.pending and session.pending_s + seconds > _PENDING_S
        if late or session.pending >= _PENDING_FRAMES:
            raise ProblemError(
                Problem(429, "busy", "frames come faster than they can be read", None, 5)
            )
        session.last_seen = time.monotonic()
        session.pending += 1
        session.pending_s += seconds
        self._queues[session.lane].append((session, frame))
        self._wake[session.lane].set()

    async def _run(self, lane: int) -> None:
        loop = asyncio.get_running_loop()
        queue, wake = self._queues[lane], self._wake[lane]
        while True:
            await wake.wait()
            wake.clear()
            while queue:
                if _MANY < len(self._sessions) > self._lanes * len(queue):
                    await asyncio.sleep(_GATHER_S)
                batch = [queue.popleft() for _ in range(min(len(queue), _TOGETHER))]
                answers = await loop.run_in_executor(self._threads, answer_together, batch)
                for session, frame, begin in answers.placed:
                    session.pending -= 1
                    session.pending_s -= frame.signal.shape[1] / session.stream.sampling_rate
                    if session.viewers:
                        session.tell(encode_frame(frame.signal, start=begin), device=False)
                for session, message in (*answers.problems, *answers.estimated):
                    session.tell(message)
                for session, message in answers.said:
                    session.last_answer = message
                    session.tell(message)
                self._state.telemetry.windows.inc(len(answers.said))

    async def _forget(self) -> None:
        """Forget streams whose device did not come back."""
        while True:
            await asyncio.sleep(5.0)
            now = time.monotonic()
            for session in self.sessions:
                patience = _RESUME_S if session.device is None else _SILENT_S
                if now - session.last_seen > patience:
                    words = "the device did not come back"
                    if session.device is not None:
                        words = "nothing has come from the device for too long"
                    session.tell(text_of({"type": "closing", "reason": words}))
                    self.end(session)

    def end(self, session: LiveSession) -> None:
        """End a stream for good."""
        with contextlib.suppress(KeyError):
            del self._sessions[session.identifier]
        self._state.telemetry.streams.set(len(self._sessions))


@dataclass
class Answers:
    """What came of a batch of frames: where each was placed, and what is to be told."""

    placed: list[tuple[LiveSession, LiveFrame, int]] = field(default_factory=list)
    problems: list[tuple[LiveSession, str]] = field(default_factory=list)
    said: list[tuple[LiveSession, str]] = field(default_factory=list)
    estimated: list[tuple[LiveSession, str]] = field(default_factory=list)


def answer_together(batch: Sequence[tuple[LiveSession, LiveFrame]]) -> Answers:
    """Put frames into their streams and answer every window that is due, in few calls."""
    result = Answers()
    due: list[tuple[LiveSession, LiveStream, DueWindow]] = []
    for session, frame in batch:
        streams = [session.stream]
        if session.laboratory is not None:
            streams.append(session.laboratory.stream)
        try:
            for stream in streams:
                due += [(session, stream, window) for window in stream.push(frame)]
        except EcgFoundryError as error:
            problem = problem_of(error).to_dict()
            result.problems.append((session, text_of({"type": "problem", **problem})))
        begin = session.stream.buffer.end - frame.signal.shape[1]
        result.placed.append((session, frame, begin if frame.start is None else frame.start))
    groups: dict[int, list[int]] = {}
    for number, (_, stream, _) in enumerate(due):
        groups.setdefault(id(stream.predictor), []).append(number)
    for numbers in groups.values():
        _answer_group([due[number] for number in numbers], result)
    return result


def _answer_group(
    due: Sequence[tuple[LiveSession, LiveStream, DueWindow]], result: Answers
) -> None:
    """Answer windows that one network reads: of streams, or for their laboratory estimates."""
    prepared = prepare_due([(stream, window) for _, stream, window in due])
    inputs = [one.standardized for one in prepared if one.standardized is not None]
    logits = iter(due[0][1].predictor.logits(np.stack(inputs)) if inputs else ())
    ready = []
    for (session, stream, window), made in zip(due, prepared, strict=True):
        values = None if made.standardized is None else next(logits)
        follower = session.laboratory
        if follower is None or stream is not follower.stream:
            ready.append((session, (stream, window, made, values)))
            continue
        estimates = follower.say(window, values)
        if estimates is not None:
            result.estimated.append((session, text_of(estimates)))
    answers = answer_due([window for _, window in ready])
    for (session, _), answer in zip(ready, answers, strict=True):
        result.said.append((session, text_of({"type": "answer", **answer.to_dict()})))
