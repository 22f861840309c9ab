"""Live streams through the service: the answers are those of the stream itself."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.service.waiting import LONGEST_S, until

import ecgfoundry
from ecgfoundry.cli.main import main
from ecgfoundry.errors import ServiceError
from ecgfoundry.inference.live.frames import LiveFrame, decode_frame, encode_frame
from ecgfoundry.inference.live.stream import LiveStream
from ecgfoundry.samples import sample_path
from ecgfoundry.service.api import create_app
from ecgfoundry.service.live.hub import LiveHub, LiveSession, Outbox
from ecgfoundry.service.live.lanes import LaneStreams, StreamOrder
from ecgfoundry.service.live.replay import replay
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.tokens import Caller

OPENING = {"leads": ["I"], "sampling_rate": 300, "unit": "uV", "model": "rhythm-single-lead"}


def messages_until(socket: Any, kind: str) -> list[dict[str, Any]]:
    messages = []
    while not messages or messages[-1]["type"] != kind:
        messages.append(socket.receive_json())
    return messages


@pytest.mark.parametrize("size", [100, 1500])
def test_a_stream_is_answered_every_second(service: TestClient, size: int) -> None:
    recording = ecgfoundry.read(sample_path("single-lead"))
    stored = np.round(recording.signal * 1000).astype(np.int16)
    with service.websocket_connect("/v1/stream") as socket:
        socket.send_json(OPENING)
        opened = socket.receive_json()
        assert opened["type"] == "opened"
        for start in range(0, stored.shape[1], size):
            socket.send_bytes(encode_frame(stored[:, start : start + size], start=start))
        socket.send_json({"type": "end"})
        answers = [m for m in messages_until(socket, "closing") if m["type"] == "answer"]
    assert [answer["time_s"] for answer in answers] == list(range(3, 31))
    model = ecgfoundry.load_model("rhythm-single-lead", threads=1)
    own = LiveStream(model, ["I"], 300)
    wanted = own.run(LiveFrame(stored.astype(np.float32) * np.float32(0.001), 0))
    for answer, direct in zip(answers, wanted, strict=True):
        for name, value in direct.window.probabilities.items():
            assert answer["window"]["probabilities"][name] == pytest.approx(value, abs=1e-5)
        assert answer["steady"]["present"] == list(direct.steady.present)
    # It is forgotten after the last message is on its way.
    until(lambda: opened["stream"] not in streams_of(service), "the end of the stream")


def streams_of(service: TestClient) -> dict[str, dict[str, Any]]:
    """The streams there are, those that other tests have left among them."""
    return {one["stream"]: one for one in service.get("/v1/streams").json()["streams"]}


def test_others_watch_and_the_device_comes_back(service: TestClient) -> None:
    recording = ecgfoundry.read(sample_path("single-lead"))
    part = recording.signal[:, :1200]
    with service.websocket_connect("/v1/stream") as device:
        device.send_json(OPENING | {"unit": "mV", "name": "bed 7"})
        stream = device.receive_json()["stream"]
        with service.websocket_connect(f"/v1/streams/{stream}/watch") as viewer:
            viewer.send_json({})
            assert viewer.receive_json()["name"] == "bed 7"
            device.send_bytes(encode_frame(part, start=0))
            seen = decode_frame(viewer.receive_bytes(), millivolts=1.0)
            assert seen.start == 0
            np.testing.assert_array_equal(seen.signal, part)
            assert viewer.receive_json()["time_s"] == 3.0
    with service.websocket_connect("/v1/stream") as device:  # the connection was lost: again
        device.send_json({"resume": stream})
        assert device.receive_json()["stream"] == stream
        device.send_bytes(encode_frame(recording.signal[:, 1200:1500], start=1200))
        answer = device.receive_json()
        assert (answer["time_s"], answer["samples"]["missing"]) == (5.0, 0)
        device.send_json({"type": "end"})
        messages_until(device, "closing")


def test_a_slow_line_gets_the_last_words(
    service: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that its device has ended is closed when everything was sent, however long."""
    whole = WebSocket.send_text

    async def slowly(socket: WebSocket, text: str) -> None:
        await asyncio.sleep(0.3)
        await whole(socket, text)

    monkeypatch.setattr(WebSocket, "send_text", slowly)
    with service.websocket_connect("/v1/stream") as device:
        device.send_json(OPENING)
        device.receive_json()
        device.send_bytes(encode_frame(np.zeros((1, 1200), np.int16)))
        device.send_json({"type": "end"})
        told = messages_until(device, "closing")
    assert [message.get("time_s") for message in told] == [3, 4, None]


def hub_with(streams: int) -> LiveHub:
    app = create_app(ServiceSettings(workers=1, streams=streams, port=0))
    hub: LiveHub = app.state.service.live
    return hub


def test_many_that_open_together_get_no_more_streams_than_there_are() -> None:
    caller = Caller("ward", "write", "test")

    async def opened() -> list[Any]:
        hub = hub_with(2)
        hub.start()
        try:
            asked = [hub.open(dict(OPENING), caller) for _ in range(5)]
            return await asyncio.gather(*asked, return_exceptions=True)
        finally:
            await hub.close()

    found = asyncio.run(opened())
    assert sum(isinstance(one, LiveSession) for one in found) == 2
    refused = [one for one in found if isinstance(one, ProblemError)]
    assert [error.problem.code for error in refused] == ["busy"] * 3


def test_a_stream_that_ends_while_its_lane_is_replaced_is_forgotten_there() -> None:
    caller, calls = Caller("ward", "write", "test"), []

    async def replaced() -> None:
        hub = hub_with(1)
        hub.start()
        try:
            session = await hub.open(dict(OPENING), caller)
            (lane,) = hub._lanes
            whole = lane.call

            async def call(name: str, argument: Any) -> Any:
                calls.append(name)
                answer = await whole(name, argument)
                if name == "open":
                    hub.end(session)
                    await asyncio.gather(*hub._closing)
                    calls.append("ended")
                return answer

            lane.call = call  # type: ignore[method-assign]
            await hub._replace(lane)
        finally:
            await hub.close()

    asyncio.run(replaced())
    assert calls == ["open", "close", "ended", "close"]


def test_a_lane_that_dies_is_replaced_and_its_streams_begin_anew(service: TestClient) -> None:
    recording = ecgfoundry.read(sample_path("single-lead"))
    stored = np.round(recording.signal * 1000).astype(np.int16)
    with service.websocket_connect("/v1/stream") as device:
        device.send_json(OPENING)
        device.receive_json()
        device.send_bytes(encode_frame(stored[:, :1200]))
        assert [device.receive_json()["time_s"] for _ in range(2)] == [3, 4]
        lanes = [p for p in multiprocessing.active_children() if p.name == "live"]
        assert lanes
        for lane in lanes:
            os.kill(lane.pid, signal.SIGKILL)
            lane.join()
        device.send_bytes(encode_frame(stored[:, 1200:1500]))  # lost with the process
        assert device.receive_json()["type"] == "restarted"
        device.send_bytes(encode_frame(stored[:, 1500:2700]))
        assert [device.receive_json()["time_s"] for _ in range(2)] == [3, 4]
        device.send_json({"type": "end"})
        messages_until(device, "closing")
    assert 'restarts_total{reason="lane"} 1.0' in service.get("/metrics").text


@pytest.mark.parametrize(
    ("opening", "code"),
    [
        ({}, "request"),
        (OPENING | {"leads": []}, "signal"),
        (OPENING | {"unit": "°C"}, "unit"),
        (OPENING | {"sampling_rate": 0}, "sampling-rate"),
        (OPENING | {"model": "../x"}, "model-not-found"),
        (OPENING | {"model": "ptbxl-superclass-12lead", "leads": ["CM5"]}, "leads"),
        ({"resume": "nothing"}, "stream-not-found"),
    ],
)
def test_what_cannot_be_opened_is_told(
    service: TestClient, opening: dict[str, Any], code: str
) -> None:
    with service.websocket_connect("/v1/stream") as socket:
        socket.send_json(opening)
        told = socket.receive_json()
        assert (told["type"], told["code"]) == ("problem", code)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


def test_a_frame_that_is_none_ends_the_stream(service: TestClient) -> None:
    with service.websocket_connect("/v1/stream") as socket:
        socket.send_json(OPENING)
        socket.receive_json()
        socket.send_bytes(b"no frame")
        told = socket.receive_json()
        assert (told["type"], told["code"]) == ("problem", "signal")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


def test_a_page_from_elsewhere_may_not_connect(service: TestClient) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        service.websocket_connect("/v1/stream", headers={"Origin": "http://evil.example"}),
    ):
        pass
    assert (refused.value.status_code, refused.value.json()["code"]) == (403, "origin")


def problem_of_resuming(service: TestClient, stream: str, **more: Any) -> dict[str, Any]:
    with service.websocket_connect("/v1/stream") as device:
        device.send_json({"resume": stream} | more)
        return dict(device.receive_json())


def test_a_stream_is_taken_up_as_what_it_was(service: TestClient) -> None:
    """Microvolts read as millivolts, another rate or another bed are another stream."""
    with service.websocket_connect("/v1/stream") as device:
        device.send_json(OPENING | {"name": "bed 7"})
        stream = device.receive_json()["stream"]
        device.send_bytes(encode_frame(np.zeros((1, 30), np.int16), start=0))
    until(lambda: not streams_of(service)[stream]["connected"], "the lost line")
    same = {"leads": ["I"], "sampling_rate": 300, "unit": "uV", "name": "bed 7"}
    for more, names in (
        ({"unit": "mV"}, "unit"),
        ({"sampling_rate": 600}, "sampling_rate"),
        ({"leads": ["II"]}, "leads"),
        ({"name": "bed 8"}, "name"),
        (same | {"unit": "mV", "name": "bed 8"}, "unit, name"),
    ):
        told = problem_of_resuming(service, stream, **more)
        assert (told["code"], told["status"]) == ("stream-differs", 409), more
        assert told["detail"] == f"this stream was opened with another {names}"
    assert problem_of_resuming(service, stream, unit="parsec")["code"] == "unit"
    assert problem_of_resuming(service, stream, leads=7)["code"] == "request"
    with service.websocket_connect("/v1/stream") as device:
        device.send_json({"resume": stream} | same)
        assert device.receive_json()["stream"] == stream
        device.send_json({"type": "end"})
        messages_until(device, "closing")


@pytest.mark.parametrize("placed", ["by number", "by time", "by its first time", "not at all"])
def test_samples_from_after_a_gap_never_follow_those_from_before(
    service: TestClient, placed: str
) -> None:
    """How much was lost with the connection is known to the device alone."""
    part = np.zeros((1, 900), np.int16)
    with service.websocket_connect("/v1/stream") as device:
        device.send_json(OPENING)
        stream = device.receive_json()["stream"]
        clock = None if placed == "by its first time" else 100.0
        device.send_bytes(encode_frame(part, start=0, time_s=clock))
    until(lambda: not streams_of(service)[stream]["connected"], "the lost line")
    with service.websocket_connect("/v1/stream") as device:
        device.send_json({"resume": stream})
        device.receive_json()
        stated: dict[str, Any] = {
            "by number": {"start": 1800},  # three seconds are missing
            "by time": {"time_s": 106.0},
            "by its first time": {"time_s": 106.0},  # of a clock that nobody knows
            "not at all": {},
        }[placed]
        device.send_bytes(encode_frame(part, **stated))
        if placed not in ("by number", "by time"):
            told = device.receive_json()
            assert (told["type"], told["code"]) == ("problem", "place-unknown")
            return
        device.send_bytes(encode_frame(part))  # the next one follows it
        device.send_json({"type": "end"})
        answers = [one for one in messages_until(device, "closing") if one["type"] == "answer"]
        assert answers[-1]["time_s"] == 12.0
        assert answers[-1]["samples"]["missing"] == 900


def test_frames_of_a_stream_that_has_ended_are_left_out() -> None:
    lane = LaneStreams()
    folder = ecgfoundry.load_model("rhythm-single-lead-edge", threads=1).bundle.folder
    order = StreamOrder("a", folder, ("I",), 300.0, 0.001)
    assert lane.open(order)["leads"] == ["I"]
    frame = encode_frame(np.zeros((1, 900), np.int16), start=5)
    answers = lane.answer([("gone", frame), ("a", frame)])
    assert answers.begins == [None, 5]
    assert [stream for stream, _ in answers.said] == ["a"]
    lane.close(["a", "gone"])
    assert lane.answer([("a", frame)]).begins == [None]


def test_those_who_watch_are_told_when_the_device_goes_and_comes(
    service: TestClient, may_answer: threading.Event
) -> None:
    """What was received before the device left reaches them before the word that it left."""
    live: LiveHub = service.app.state.service.live  # type: ignore[attr-defined]
    samples = np.zeros((1, 900), np.int16)
    with contextlib.ExitStack() as stack:
        with service.websocket_connect("/v1/stream") as device:
            device.send_json(OPENING)
            stream = device.receive_json()["stream"]
            (session,) = [one for one in live.sessions if one.identifier == stream]
            viewer = stack.enter_context(service.websocket_connect(f"/v1/streams/{stream}/watch"))
            viewer.send_json({})
            assert viewer.receive_json()["connected"] is True
            device.send_bytes(encode_frame(samples, start=0))
            until(lambda: session.pending == 1, "the frame")
        with service.websocket_connect("/v1/stream") as device:
            device.send_json({"resume": stream})
            assert device.receive_json()["stream"] == stream
            may_answer.set()
            assert decode_frame(viewer.receive_bytes(), millivolts=1.0).start == 0
            assert viewer.receive_json()["time_s"] == 3.0
            assert viewer.receive_json() == {"type": "device", "connected": False}
            assert viewer.receive_json() == {"type": "device", "connected": True}
            device.send_json({"type": "end"})
            messages_until(device, "closing")
            assert viewer.receive_json()["type"] == "closing"


def test_who_begins_to_watch_gets_every_answer_once(
    service: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that come while the first message is on its way."""
    whole, may_go = WebSocket.send, threading.Event()

    async def later(socket: WebSocket, message: dict[str, Any]) -> None:
        watched = socket.url.path.endswith("/watch")
        if watched and '"opened"' in message.get("text", ""):
            await asyncio.to_thread(may_go.wait, LONGEST_S)
        await whole(socket, message)

    monkeypatch.setattr(WebSocket, "send", later)
    samples = np.zeros((1, 1200), np.int16)
    live: LiveHub = service.app.state.service.live  # type: ignore[attr-defined]
    with service.websocket_connect("/v1/stream") as device:
        device.send_json(OPENING)
        stream = device.receive_json()["stream"]
        (session,) = [one for one in live.sessions if one.identifier == stream]
        device.send_bytes(encode_frame(samples[:, :900], start=0))
        assert device.receive_json()["time_s"] == 3
        with service.websocket_connect(f"/v1/streams/{stream}/watch") as viewer:
            viewer.send_json({})
            until(lambda: session.viewers, "the one who watches")
            device.send_bytes(encode_frame(samples[:, 900:], start=900))
            assert device.receive_json()["time_s"] == 4
            may_go.set()
            assert viewer.receive_json()["type"] == "opened"
            assert viewer.receive_json()["time_s"] == 3
            assert decode_frame(viewer.receive_bytes(), millivolts=1.0).start == 900
            assert viewer.receive_json()["time_s"] == 4
        device.send_json({"type": "end"})
        messages_until(device, "closing")


def test_a_word_waits_for_no_answer_when_the_service_stops() -> None:
    """Whoever waits for his turn in a service that stops is let go."""

    async def stopped() -> list[Any]:
        hub = hub_with(1)
        hub.start()
        session = await hub.open(dict(OPENING), Caller("ward", "write", "test"))
        session.device = Outbox()
        hub.receive(session, encode_frame(np.zeros((1, 900), np.int16)))
        before = hub.tell_in_turn(session, "before")
        await hub.close()
        after = hub.tell_in_turn(session, "after")
        await asyncio.gather(before.wait(), after.wait())
        session.device.end()
        told = []
        while (message := await session.device.get()) is not None:
            told.append(message)
        return told

    told = asyncio.run(stopped())
    assert [message for message in told if message in ("before", "after")] == ["before", "after"]


@pytest.mark.slow
def test_a_recording_is_replayed(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["stream", "replay", "sample:single-lead", "--speed", "20"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--url", address.replace("http", "ws")])
    assert not ended.value.code
    assert "28 answers for 30.0 s" in capsys.readouterr().out


@pytest.mark.slow
def test_a_replay_says_why_it_was_refused(address: str) -> None:
    """Not "no service answers there": the service does, and says what is wrong."""
    url = address.replace("http", "ws")
    recording = ecgfoundry.read(sample_path("single-lead"))
    with pytest.raises(ServiceError, match="there is no model 'nothing' here"):
        asyncio.run(replay(recording, url, model="nothing"))
    with pytest.raises(ServiceError, match="no service answers there"):
        asyncio.run(replay(recording, "ws://127.0.0.1:9"))
