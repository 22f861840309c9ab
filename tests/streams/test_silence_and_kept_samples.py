"""What came before, stopped meanwhile or is of another device is never joined to what comes now."""

from __future__ import annotations

import json
import queue
import threading
from typing import Any

import pytest

from ecgfoundry.errors import StreamError
from ecgfoundry.streams import messages as stream_messages
from ecgfoundry.streams import mqtt
from ecgfoundry.streams.description import StreamDescription, StreamOptions
from ecgfoundry.streams.messages import Hole, frames_of_messages, statement_of
from ecgfoundry.streams.mqtt import Arrival
from ecgfoundry.streams.polar import only_strap
from ecgfoundry.streams.sources import open_source

ONE = StreamDescription(("I",), 10.0)


def starts(*arrivals: tuple[bytes, float]) -> list[int | None]:
    waiting: queue.Queue[Arrival] = queue.Queue()
    for content, at_s in arrivals:
        waiting.put(Arrival(content, at_s, 1))
    messages = mqtt._messages(waiting, [], 0.01, "mqtt://host/topic")
    return [frame.start for frame in frames_of_messages(messages, ONE, "x")]


def samples(count: int, **more: Any) -> bytes:
    return json.dumps({"samples": [[1.0] * count], **more}).encode()


def test_a_device_that_is_silent_leaves_a_hole() -> None:
    """Ten samples a second; 29 s between two messages of one second: 28 s lie between them."""
    assert starts((samples(10), 0.0), (samples(10), 29.0)) == [None, 290]
    # A will, or a sign of life, is no sample.
    status = b'{"status": "offline"}'
    assert starts((samples(10), 0.0), (status, 9.0), (status, 18.0), (samples(10), 29.0)) == [
        None, 290,
    ]  # fmt: skip
    # A network that hesitates, and messages that hold as much as they waited for.
    assert starts((samples(10), 0.0), (samples(10), 10.9)) == [None, None]
    assert starts((samples(600), 0.0), (samples(600), 60.0)) == [None, None]
    # The sender's own numbers say it better.
    assert starts((samples(10, start=0), 0.0), (samples(10, start=10), 29.0)) == [0, 10]
    assert starts((b"1\n2", 0.0), (b"3", 30.0)) == [None, None, 301]


def test_a_hole_of_the_connection_counts_however_short() -> None:
    messages = ['{"samples": [[1, 2]]}', Hole(3.0), '{"samples": [[3, 4]]}']
    assert [f.start for f in frames_of_messages(messages, ONE, "x")] == [None, 30]
    messages[1] = Hole(3.0, silent=True)
    assert [f.start for f in frames_of_messages(messages, ONE, "x")] == [None, None]


@pytest.mark.parametrize("silent", [False, True])
def test_before_the_first_sample_nothing_is_missing(silent: bool) -> None:
    """A device that says what it is and sends 30 s later: its first samples had the place 298."""
    messages = [Hole(30.0, silent=silent), '{"samples": [[1, 2]]}', '{"samples": [[3, 4]]}']
    assert [f.start for f in frames_of_messages(messages, ONE, "x")] == [None, None]


def test_what_a_kept_message_states() -> None:
    assert statement_of(samples(3)) == b""
    assert (
        statement_of(b"1,2") == b"" and statement_of(b"{") == b"" and statement_of(b"ECGL") == b""
    )
    assert json.loads(statement_of(samples(3, leads=["I"], sampling_rate=10, start=5))) == {
        "leads": ["I"], "sampling_rate": 10,
    }  # fmt: skip


def test_several_straps_in_reach_are_an_error() -> None:
    here = [("Polar H10 A1", "00:01"), ("Polar OH1 C3", "00:03"), ("", "00:04")]
    assert only_strap([*here, here[0]], 5.0) == "00:01"
    with pytest.raises(StreamError, match=r"2 chest straps are in reach: .*\(00:01\), .*\(00:02\)"):
        only_strap([*here, ("Polar H10 B2", "00:02")], 5.0)
    with pytest.raises(StreamError, match="no Polar H10"):
        only_strap(here[1:], 5.0)


def test_a_websocket_that_is_lost_is_no_end() -> None:
    """It ended like a signal that was over, with exit status 0."""
    server = pytest.importorskip("websockets.sync.server")

    def send(how: str):
        def handler(connection: Any) -> None:
            connection.send(json.dumps({"leads": ["I"], "sampling_rate": 10}))
            connection.send(samples(10).decode())
            if how == "lost":
                connection.close(code=1011, reason="the device is gone")

        return handler

    for how in ("over", "lost"):
        with server.serve(send(how), "127.0.0.1", 0) as running:
            thread = threading.Thread(target=running.serve_forever)
            thread.start()
            place = f"ws://127.0.0.1:{running.socket.getsockname()[1]}"
            with open_source(place, StreamOptions(wait_s=60.0)) as source:
                assert next(source.frames).signal.shape == (1, 10)
                if how == "lost":
                    with pytest.raises(StreamError, match="the connection was lost"):
                        next(source.frames)
                else:
                    assert list(source.frames) == []
            running.shutdown()
            thread.join()


def test_who_reads_a_websocket_slowly_sees_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits to be read was sent in time: while a model was loaded, ten seconds were a hole."""
    server = pytest.importorskip("websockets.sync.server")
    monkeypatch.setattr(stream_messages, "LONGEST_SILENCE_S", 0.01)
    read, sent = threading.Event(), threading.Event()

    def handler(connection: Any) -> None:
        connection.send(json.dumps({"leads": ["I"], "sampling_rate": 1000}))
        connection.send(samples(10).decode())
        connection.send(samples(10).decode())
        # The answer to a ping comes when what was sent before it has been received.
        connection.ping().wait()
        sent.set()
        read.wait()

    with server.serve(handler, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        place = f"ws://127.0.0.1:{running.socket.getsockname()[1]}"
        try:
            with open_source(place, StreamOptions(wait_s=60.0)) as source:
                found = [next(source.frames).start]
                sent.wait()
                threading.Event().wait(0.1)  # however long this takes, the next one is there
                found.append(next(source.frames).start)
        finally:
            read.set()
            running.shutdown()
            thread.join()
    assert found == [None, None]
