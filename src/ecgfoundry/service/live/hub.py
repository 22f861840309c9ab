"""Live streams of a service: who sends, who watches, and the lanes that answer.

Frames go to the lane that holds their stream (:mod:`ecgfoundry.service.live.lanes`), those of many
streams together; what comes back is told to the device and to everybody who watches.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecgfoundry.errors import EcgFoundryError, SignalError
from ecgfoundry.inference.files import model_for_leads
from ecgfoundry.inference.live.frames import decode_frame, encode_frame, read_header
from ecgfoundry.labs.estimates import refuse_synthetic
from ecgfoundry.leads import normalize_lead_names
from ecgfoundry.models.bundle import Bundle
from ecgfoundry.service.catalogue import ModelCatalogue
from ecgfoundry.service.drift import Seen
from ecgfoundry.service.live.lanes import Answers, LaneDied, LaneProcess, StreamOrder, text_of
from ecgfoundry.service.problems import Problem, ProblemError, problem_of
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.telemetry import Telemetry
from ecgfoundry.service.tokens import Caller
from ecgfoundry.units import millivolts_per_unit

__all__ = ["LiveHub", "LiveSession", "Outbox"]

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
"""With more than so many streams, but fewer frames, frames are gathered for so long before they are
answered: windows that are prepared and read together cost half as much as one by one (our choice).
"""
_POINTS = 360
"""Points of a laboratory trend that are kept for those who begin to watch: an hour."""

Message = bytes | str
"""A frame, or JSON that is ready to be sent: it is written once for all who get it."""


class Outbox:
    """Messages for one connection; when it cannot keep up, the oldest are dropped and counted."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._some = asyncio.Event()
        self._ended = False
        self.dropped = 0

    def put(self, message: Message) -> None:
        """Add a message."""
        if len(self._messages) >= _VIEWER_MESSAGES:
            self._messages.popleft()
            self.dropped += 1
        self._messages.append(message)
        self._some.set()

    def end(self) -> None:
        """Nothing comes after what is there now."""
        self._ended = True
        self._some.set()

    async def get(self) -> Message | None:
        """Wait for the next message; None: it was the last."""
        while not self._messages:
            if self._ended:
                return None
            self._some.clear()
            await self._some.wait()
        return self._messages.popleft()


_ANEW = "the signal begins anew: its sample numbers went back, or too much is missing"


@dataclass(eq=False)
class LiveSession:
    """One stream and the connections that have to do with it; ``about`` is the lane's description.

    ``points`` are those of its laboratory trends.
    """

    order: StreamOrder
    about: dict[str, Any]
    lane: int
    name: str
    owner: str
    device: Outbox | None = None
    viewers: set[Outbox] = field(default_factory=set)
    received: bool = False
    continues: bool = False
    """Its connection was lost, and nothing has come since it was taken up again."""
    timed: bool = False
    """A frame has stated its time, by which later ones can be placed."""
    pending: int = 0
    pending_s: float = 0.0
    last_seen: float = field(default_factory=time.monotonic)
    last_answer: str | None = None
    points: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_POINTS))

    @property
    def identifier(self) -> str:
        """The stream's name for others."""
        return self.order.stream

    def describe(self) -> dict[str, Any]:
        """Return what a viewer needs to know."""
        return {
            "stream": self.identifier,
            "name": self.name,
            **self.about,
            "connected": self.device is not None,
        }

    def tell(self, message: Message, *, device: bool = True) -> None:
        """Send a message to the device and to everybody who watches."""
        if device and self.device is not None:
            self.device.put(message)
        for viewer in self.viewers:
            viewer.put(message)

    def begin_anew(self, reason: str) -> None:
        """Forget what was said so far, and tell it: what comes now may be of somebody else."""
        self.points.clear()
        self.last_answer = None
        self.tell(text_of({"type": "restarted", "reason": reason}))

    def follow(self, point: dict[str, Any]) -> str:
        """Keep a point of the laboratory trends; return the message about it."""
        self.points.append(point)
        return text_of({**self.about["laboratory"], **point})

    def history(self) -> dict[str, Any]:
        """The latest estimates with the points before them, for somebody who begins to watch."""
        return {**self.about["laboratory"], **self.points[-1], "history": list(self.points)[:-1]}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A frame on its way to its lane."""

    session: LiveSession
    content: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class _Word:
    """What is told of a stream when all that came before it was answered."""

    session: LiveSession
    message: str
    device: bool
    told: asyncio.Event

    def tell(self) -> None:
        """Its turn has come."""
        self.session.tell(self.message, device=self.device)
        self.told.set()


class _Lane:
    """A lane's process, started when it is needed, the thread that talks to it, and its queue."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"live-{number}")
        self.process: LaneProcess | None = None
        self.queue: deque[_Waiting | _Word] = deque()
        self.wake = asyncio.Event()

    async def call(self, name: str, argument: Any) -> Any:
        """Call a method of the process; calls come one after the other."""
        return await asyncio.get_running_loop().run_in_executor(
            self.thread, self._call, name, argument
        )

    def _call(self, name: str, argument: Any) -> Any:
        if self.process is None:
            if name == "close":  # it has no streams
                return None
            self.process = LaneProcess()
        try:
            return getattr(self.process, name)(argument)
        except LaneDied:
            self.process = None
            raise

    def end(self) -> None:
        """End the process and the thread."""
        self.thread.shutdown(wait=True, cancel_futures=True)
        if self.process is not None:
            self.process.stop()


def _tell_words(queue: deque[_Waiting | _Word]) -> None:
    """Tell what stands before the next frame."""
    while queue and isinstance(word := queue[0], _Word):
        queue.popleft()
        word.tell()


def _next_frames(queue: deque[_Waiting | _Word]) -> list[_Waiting]:
    """Take the frames before the next word that is to be told, as many as are answered together."""
    frames: list[_Waiting] = []
    while queue and len(frames) < _TOGETHER and isinstance(frame := queue[0], _Waiting):
        queue.popleft()
        frames.append(frame)
    return frames


class LiveHub:
    """All live streams of a service.

    Parameters
    ----------
    settings : ServiceSettings
    telemetry : Telemetry
    models : ModelCatalogue
    seen : callable
        Gets a window of a stream now and then, for the drift of its model.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        telemetry: Telemetry,
        models: ModelCatalogue,
        seen: Callable[[Seen], None],
    ) -> None:
        self._settings, self._telemetry, self._models = settings, telemetry, models
        self._seen = seen
        self._stopping = False
        self._sessions: dict[str, LiveSession] = {}
        self._lanes: list[_Lane] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._next_lane = 0
        self._opening = 0

    @property
    def processes(self) -> list[int]:
        """Process numbers of the lanes that were started."""
        pids = [lane.process.pid for lane in self._lanes if lane.process is not None]
        return [pid for pid in pids if pid is not None]

    def start(self) -> None:
        """Start the lanes; their processes come with their first streams."""
        self._lanes = [_Lane(number) for number in range(self._settings.workers)]
        self._tasks = [asyncio.create_task(self._run(lane)) for lane in self._lanes]
        self._tasks.append(asyncio.create_task(self._forget()))

    async def close(self) -> None:
        """End all streams, and take no new ones."""
        self._stopping = True
        for session in self._sessions.values():
            session.tell(text_of({"type": "closing", "reason": "the service is stopping"}))
        for task in (*self._tasks, *self._closing):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._closing, return_exceptions=True)
        for lane in self._lanes:
            for one in lane.queue:
                if isinstance(one, _Word):  # somebody may wait for it
                    one.tell()
        await asyncio.gather(*(asyncio.to_thread(lane.end) for lane in self._lanes))

    @property
    def sessions(self) -> list[LiveSession]:
        """The streams there are."""
        return list(self._sessions.values())

    def find(self, identifier: str, caller: Caller) -> LiveSession:
        """Return a stream by its name.

        Raises
        ------
        ProblemError
            404: there is none, or it belongs to somebody else.
        """
        session = self._sessions.get(identifier)
        if session is None or not caller.sees(session.owner):
            raise ProblemError(Problem(404, "stream-not-found", "there is no such stream"))
        return session

    async def open(self, description: dict[str, Any], caller: Caller) -> LiveSession:
        """Open a stream, or take up one whose connection was lost.

        Parameters
        ----------
        description : dict
            ``leads``, ``sampling_rate`` (Hz), ``unit`` ("mV", "uV", "5 uV"), optional ``model``,
            ``lead``, ``delay_s``, ``mains``, ``name``, ``laboratory`` (False: no estimates of
            laboratory values; or the model for them; by default the service's own, if it has
            one); or ``resume`` with the stream's name, and of the others only what it was opened
            with.
        caller : Caller
            Whose it will be: nobody else may take it up again.

        Raises
        ------
        ProblemError
        """
        if self._stopping:
            raise ProblemError(Problem(503, "stopping", "the service is stopping"))
        resume = description.get("resume")
        if resume is not None:
            session = self.find(str(resume), caller)
            _refuse_another_description(session, description)
            session.last_seen = time.monotonic()
            if session.device is None:  # who asks in vain changes nothing
                session.continues = session.received
            return session
        # Those that are being opened count: many may ask while the first wait for their lane.
        if len(self._sessions) + self._opening >= self._settings.streams:
            words = f"the service has its {self._settings.streams} streams"
            raise ProblemError(Problem(429, "busy", words, None, 30))
        self._opening += 1
        try:
            session = await self._opened(description, caller)
        finally:
            self._opening -= 1
        self._sessions[session.identifier] = session
        self._telemetry.streams.set(len(self._sessions))
        return session

    async def _opened(self, description: dict[str, Any], caller: Caller) -> LiveSession:
        """Open a stream in the lane whose turn it is."""
        with _understood():
            order = await asyncio.to_thread(self._order, description)
        lane = self._lanes[self._next_lane]
        self._next_lane = (self._next_lane + 1) % len(self._lanes)
        try:
            about = await lane.call("open", order)
        except LaneDied:
            await self._replace(lane)
            raise ProblemError(
                Problem(503, "lane-died", "the process for this stream ended", None, 5)
            ) from None
        name = _read(description).get("name", "")
        return LiveSession(order, about, lane.number, name, caller.owner)

    def _order(self, description: dict[str, Any]) -> StreamOrder:
        leads = description["leads"]
        if not isinstance(leads, list) or not 1 <= len(leads) <= 64:
            raise SignalError("'leads' is a list of one to 64 names")
        said = _read(description)
        name = said.get("model") or model_for_leads(normalize_lead_names(said["leads"]))
        wanted, laboratory_lead = description.get("laboratory"), description.get("laboratory_lead")
        return StreamOrder(
            stream=secrets.token_hex(12),
            model=self._bundle(name).folder,
            leads=said["leads"],
            sampling_rate=said["sampling_rate"],
            millivolts=said["unit"],
            lead=said.get("lead"),
            delay_s=said.get("delay_s", 0.0),
            mains_frequency=said.get("mains"),
            laboratory=self._laboratory(wanted),
            laboratory_lead=None if laboratory_lead is None else str(laboratory_lead),
            laboratory_named=isinstance(wanted, str),
            asked=name,
        )

    def _bundle(self, name: str) -> Bundle:
        bundle = self._models.bundle(name)
        refuse_synthetic(bundle, allowed=self._settings.synthetic_ok)
        return bundle

    def _laboratory(self, wanted: Any) -> Path | None:
        """Folder of the model for laboratory estimates; None: there is none, or none is wanted."""
        if wanted is False:
            return None
        named = isinstance(wanted, str)
        try:
            return self._bundle(self._models.laboratory_model(wanted if named else None)).folder
        except ProblemError:
            if named:
                raise
            return None  # nobody asked for it

    def receive(self, session: LiveSession, content: bytes) -> None:
        """Take a frame from a device.

        Raises
        ------
        ProblemError
            It is no frame, or the service cannot keep up.
        """
        leads = len(session.about["leads"])
        try:
            header = read_header(content)
            if header.leads != leads:
                raise SignalError(f"a frame of {header.leads} leads came into a stream of {leads}")
        except SignalError as error:
            raise ProblemError(problem_of(error)) from None
        placed = header.start is not None or (header.time_s is not None and session.timed)
        if session.continues and not placed:
            words = "nobody knows how much was lost before the first frame of this connection"
            remedy = "Give the number of its first sample, or its time; or open a new stream"
            raise ProblemError(Problem(409, "place-unknown", words, remedy))
        session.continues = False
        session.timed |= header.time_s is not None
        seconds = header.samples / session.order.sampling_rate
        late = session.pending and session.pending_s + seconds > _PENDING_S
        if late or session.pending >= _PENDING_FRAMES:
            raise ProblemError(
                Problem(429, "busy", "frames come faster than they can be read", None, 5)
            )
        session.last_seen = time.monotonic()
        session.received = True
        session.pending += 1
        session.pending_s += seconds
        self._put(session, _Waiting(session, content, seconds))

    def tell_in_turn(
        self, session: LiveSession, message: str, *, device: bool = True
    ) -> asyncio.Event:
        """Tell something of a stream when the frames that came before it were answered.

        Parameters
        ----------
        session : LiveSession
        message : str
            JSON that is ready to be sent.
        device : bool
            Whether the device is told as well as those who watch.

        Returns
        -------
        asyncio.Event
            Set as soon as it was told.
        """
        word = _Word(session, message, device, asyncio.Event())
        if self._stopping:  # nothing is answered any more
            word.tell()
        else:
            self._put(session, word)
        return word.told

    def _put(self, session: LiveSession, one: _Waiting | _Word) -> None:
        lane = self._lanes[session.lane]
        lane.queue.append(one)
        lane.wake.set()

    async def _run(self, lane: _Lane) -> None:
        queue, wake = lane.queue, lane.wake
        while True:
            await wake.wait()
            wake.clear()
            while queue:
                if len(queue) < _MANY < len(self._sessions):
                    await asyncio.sleep(_GATHER_S)
                _tell_words(queue)
                batch = _next_frames(queue)
                if not batch:
                    continue
                try:
                    answers = await lane.call(
                        "answer", [(one.session.identifier, one.content) for one in batch]
                    )
                except LaneDied:
                    answers = Answers([None] * len(batch), [False] * len(batch))
                    await self._replace(lane)
                self._tell(batch, answers)

    def _tell(self, batch: list[_Waiting], answers: Answers) -> None:
        for one, begin, anew in zip(batch, answers.begins, answers.anew, strict=True):
            session = one.session
            if anew:
                session.begin_anew(_ANEW)
            session.pending -= 1
            session.pending_s -= one.seconds
            if session.viewers and begin is not None:
                frame = decode_frame(one.content, millivolts=session.order.millivolts)
                session.tell(encode_frame(frame.signal, start=begin), device=False)
        sessions = self._sessions
        for name, message in answers.problems:
            if name in sessions:
                sessions[name].tell(message)
        for name, point in answers.points:
            if name in sessions:
                sessions[name].tell(sessions[name].follow(point))
        for name, message in answers.said:
            if name in sessions:
                sessions[name].last_answer = message
                sessions[name].tell(message)
        for name, sight in answers.seen:
            if name in sessions:
                model = sessions[name].order.asked
                self._seen(Seen(model, name.encode(), sight, "streams"))
        self._telemetry.windows.inc(len(answers.said))

    async def _replace(self, lane: _Lane) -> None:
        """Begin the streams of a lane anew: their process is gone, and with it their past."""
        self._telemetry.restarts.labels("lane").inc()
        words = "the process that answered this stream ended; it begins anew"
        for session in self.sessions:
            if session.lane != lane.number:
                continue
            try:
                session.about = await lane.call("open", session.order)
            except (LaneDied, ProblemError):
                session.tell(text_of({"type": "closing", "reason": "the stream cannot be read"}))
                self.end(session)
            else:
                session.begin_anew(words)
                if session.identifier not in self._sessions:  # it was ended meanwhile
                    await self._close(session)

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
        if self._sessions.pop(session.identifier, None) is None:
            return
        self._telemetry.streams.set(len(self._sessions))
        task = asyncio.create_task(self._close(session))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, session: LiveSession) -> None:
        with contextlib.suppress(LaneDied):  # then it has forgotten the stream
            await self._lanes[session.lane].call("close", [session.identifier])


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


_READ: dict[str, Callable[[Any], Any]] = {
    "leads": lambda names: tuple(map(str, names)),
    "sampling_rate": float,
    "unit": lambda unit: millivolts_per_unit(str(unit)),
    "name": lambda name: str(name)[:80],
    "model": _or_none(str),
    "lead": _or_none(str),
    "delay_s": float,
    "mains": _or_none(float),
}
"""How what a device says of its stream is read, as it opens one and as it takes one up again."""


def _read(description: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of a stream but for laboratory values, by the names of the message."""
    return {key: read(description[key]) for key, read in _READ.items() if key in description}


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """Let whatever is wrong with an opening message be a problem that is told.

    Raises
    ------
    ProblemError
    """
    try:
        yield
    except EcgFoundryError as error:
        raise ProblemError(problem_of(error)) from None
    except (KeyError, TypeError, ValueError) as error:
        words = f"the opening message cannot be understood ({type(error).__name__}: {error})"
        remedy = 'Send {"leads": ["I"], "sampling_rate": 250, "unit": "uV"}'
        raise ProblemError(Problem(400, "request", words[:300], remedy)) from None


def _refuse_another_description(session: LiveSession, description: dict[str, Any]) -> None:
    """Refuse to take up a stream as something else: its samples would be read as what they are not.

    Raises
    ------
    ProblemError
        409: it was opened with other leads, another rate, unit, ...
    """
    order = session.order
    opened = {
        "leads": order.leads,
        "sampling_rate": order.sampling_rate,
        "unit": order.millivolts,
        "name": session.name,
        "model": order.asked,
        "lead": order.lead,
        "delay_s": order.delay_s,
        "mains": order.mains_frequency,
    }
    with _understood():
        other = [key for key, value in _read(description).items() if value != opened[key]]
    if other:
        words = f"this stream was opened with another {', '.join(other)}"
        remedy = "Open a new stream without 'resume'"
        raise ProblemError(Problem(409, "stream-differs", words, remedy))
