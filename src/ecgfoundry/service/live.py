"""Live streams of a service: who sends, who watches, and one thread that answers for many.

Frames of all streams of a lane are taken together: each is put into its stream's buffer, the
windows that are due are standardized, and one call of the network answers them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgfoundry.errors import EcgFoundryError, SignalError
from ecgfoundry.inference.live import DueWindow, LiveAnswer, LiveStream
from ecgfoundry.inference.live_frames import LiveFrame, decode_frame, encode_frame
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.recording import millivolts_per_unit
from ecgfoundry.service.problems import Problem, ProblemError, problem_of

if TYPE_CHECKING:
    from ecgfoundry.service.state import ServiceState

__all__ = ["LiveHub", "LiveSession"]

_RESUME_S = 60.0
"""How long a stream waits for its device to come back (our choice)."""
_PENDING_FRAMES = 240
_VIEWER_MESSAGES = 240
_TOGETHER = 256

Message = bytes | dict[str, Any]


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
    last_seen: float = field(default_factory=time.monotonic)
    last_answer: dict[str, Any] | None = None

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
            session.tell({"type": "closing", "reason": "the service is stopping"})
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

    async def open(self, description: dict[str, Any]) -> LiveSession:
        """Open a stream, or take up one whose connection was lost.

        Parameters
        ----------
        description : dict
            ``leads``, ``sampling_rate`` (Hz), ``unit`` ("mV", "uV", "5 uV"), optional ``model``,
            ``lead``, ``delay_s``, ``mains``, ``name``; or ``resume`` with the stream's name.

        Raises
        ------
        ProblemError
        """
        if self._state.closing:
            raise ProblemError(Problem(503, "stopping", "the service is stopping"))
        resume = description.get("resume")
        if resume is not None:
            session = self.find(str(resume))
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
        )

    def _predictor(self, lane: int, name: str) -> Predictor:
        """One network per lane: the runtimes are not all safe to share between threads."""
        if (lane, name) not in self._predictors:
            folder = self._state.bundle(name).folder
            self._predictors[lane, name] = load_model(folder, threads=1)
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
        if session.pending >= _PENDING_FRAMES:
            raise ProblemError(
                Problem(429, "busy", "frames come faster than they can be read", None, 5)
            )
        session.last_seen = time.monotonic()
        session.pending += 1
        self._queues[session.lane].append((session, frame))
        self._wake[session.lane].set()

    async def _run(self, lane: int) -> None:
        loop = asyncio.get_running_loop()
        queue, wake = self._queues[lane], self._wake[lane]
        while True:
            await wake.wait()
            wake.clear()
            while queue:
                batch = [queue.popleft() for _ in range(min(len(queue), _TOGETHER))]
                answers = await loop.run_in_executor(self._threads, answer_together, batch)
                for session, frame, begin in answers.placed:
                    session.pending -= 1
                    session.tell(encode_frame(frame.signal, start=begin), device=False)
                for session, message in answers.messages:
                    if message["type"] == "answer":
                        session.last_answer = message
                        self._state.telemetry.windows.inc()
                    session.tell(message)

    async def _forget(self) -> None:
        """Forget streams whose device did not come back."""
        while True:
            await asyncio.sleep(5.0)
            now = time.monotonic()
            for session in self.sessions:
                if session.device is None and now - session.last_seen > _RESUME_S:
                    session.tell({"type": "closing", "reason": "the device did not come back"})
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
    messages: list[tuple[LiveSession, dict[str, Any]]] = field(default_factory=list)


def answer_together(batch: Sequence[tuple[LiveSession, LiveFrame]]) -> Answers:
    """Put frames into their streams and answer every window that is due, in few calls."""
    result = Answers()
    due: list[tuple[LiveSession, DueWindow]] = []
    for session, frame in batch:
        try:
            due += [(session, window) for window in session.stream.push(frame)]
        except EcgFoundryError as error:
            problem = problem_of(error).to_dict()
            result.messages.append((session, {"type": "problem", **problem}))
        begin = session.stream.buffer.end - frame.signal.shape[1]
        result.placed.append((session, frame, begin if frame.start is None else frame.start))
    logits: dict[int, Any] = {}
    groups: dict[int, list[int]] = {}
    for number, (session, window) in enumerate(due):
        if window.prepared.standardized is not None:
            groups.setdefault(id(session.stream.predictor), []).append(number)
    for numbers in groups.values():
        predictor = due[numbers[0]][0].stream.predictor
        inputs = [due[number][1].prepared.standardized for number in numbers]
        stacked = np.stack([array for array in inputs if array is not None])
        logits.update(zip(numbers, predictor.logits(stacked), strict=True))
    for number, (session, window) in enumerate(due):
        answer: LiveAnswer = session.stream.answer(window, logits.get(number))
        result.messages.append((session, {"type": "answer", **answer.to_dict()}))
    return result
