"""What a hostile client tries: slow headers, huge headers, bombs, floods, foreign names."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
import time
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.fuzz import bombs
from tests.service.conftest import LocalClient
from tests.service.waiting import LONGEST_S

from ecgfoundry.service import uploads
from ecgfoundry.service.api import create_app
from ecgfoundry.service.live import routes as streams
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.workspace import Workspace

OPENING = {"leads": ["I"], "sampling_rate": 300, "unit": "uV", "model": "rhythm-single-lead"}


def connected(address: str) -> socket.socket:
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname, parts.port), timeout=LONGEST_S)


def answered(one: socket.socket) -> bytes:
    """A whole answer of /health: headers and body may come apart."""
    received = b""
    while not received.endswith(b"}"):
        part = one.recv(65536)
        assert part, "it was closed"
        received += part
    return received


@pytest.mark.slow
def test_slow_headers_are_not_waited_for(address: str) -> None:
    """A hundred connections that send a header line now and then; others are served meanwhile."""
    half, slow = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n", []
    begin = time.monotonic()
    for _ in range(100):
        slow.append(connected(address))
        slow[-1].sendall(half)
    kept = connected(address)
    kept.sendall(half + b"\r\n")
    assert b" 200 " in answered(kept)
    kept.sendall(half)
    assert urllib.request.urlopen(f"{address}/health", timeout=LONGEST_S).status == 200
    for one in [*slow, kept]:
        assert one.recv(1) == b"", "it is still waited for"
    assert time.monotonic() - begin > 15, "a slow line is waited for"


@pytest.mark.slow
def test_a_connection_that_is_used_is_kept(address: str) -> None:
    with connected(address) as kept:
        for _ in range(3):
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b" 200 " in answered(kept)
            time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 1_000_000,
        b"GET /" + b"a" * 1_000_000,
        b"\x16\x03\x01" + bytes(500),
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["header", "address", "tls", "smuggling"],
)
def test_what_is_no_request_does_not_stay(address: str, sent: bytes) -> None:
    with connected(address) as one:
        try:
            one.sendall(sent)
            answer = one.recv(65536)
        except ConnectionError:
            answer = b""
        assert answer == b"" or b" 4" in answer.split(b"\r\n")[0] or b" 200 " in answer
    assert urllib.request.urlopen(f"{address}/health", timeout=LONGEST_S).status == 200


def test_archives_that_unpack_to_more_than_they_may_are_refused(service: TestClient) -> None:
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.csv", "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(1 << 20))
    response = service.post("/v1/read", files=[("file", ("x.zip", bomb.getvalue()))])
    assert response.status_code in (413, 415, 422), response.text


@pytest.mark.parametrize("name", ["hdf5, nothing stored", "MAT 7.3, many names", "NPZ, bzip2"])
def test_a_small_file_that_announces_gigabytes_is_refused(
    service: TestClient, tmp_path: Path, name: str
) -> None:
    made = {
        "hdf5, nothing stored": (bombs.hdf5_gzip, "x.h5", 413),
        "MAT 7.3, many names": (bombs.hdf5_many_links, "x.mat", 413),
        "NPZ, bzip2": (bombs.npz_small_bzip2, "x.npz", 415),
    }
    make, file, status = made[name]
    make(tmp_path / file)
    content = (tmp_path / file).read_bytes()
    response = service.post("/v1/diagnose", files=[("file", (file, content))])
    assert response.status_code == status, response.text


def test_a_body_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def take() -> None:
        scope = {"type": "http", "method": "POST", "headers": [], "query_string": b""}
        await uploads.take(Request(scope, receive), Workspace(tmp_path), limit=1000)

    monkeypatch.setattr(uploads, "_BODY_S", 0.3)
    with pytest.raises(ProblemError) as failed:
        asyncio.run(take())
    assert (failed.value.problem.status, failed.value.problem.code) == (408, "slow")
    assert list(tmp_path.glob("service-*/upload-*")) == []


def test_names_of_files_are_no_paths(service: TestClient, tmp_path: Path) -> None:
    for name in ("../../../../tmp/evil.csv", "/etc/cron.d/evil", "a" * 5000, "con\x00x", "..", ""):
        response = service.post("/v1/read", files=[("file", (name, b"1,2\n3,4\n"))])
        assert response.status_code in (200, 400, 415, 422), (name, response.text)
    assert not Path("/tmp/evil.csv").exists()


def test_a_foreign_name_opens_no_stream(service: TestClient) -> None:
    """A page elsewhere whose name was pointed at this machine: host and origin agree."""
    foreign = {"Host": "evil.example", "Origin": "http://evil.example"}
    with (
        pytest.raises(WebSocketDisconnect),
        service.websocket_connect("/v1/stream", headers=foreign),
    ):
        pass


def test_only_so_many_watch_and_only_its_own_device_comes_back(
    service: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_VIEWERS", 1)
    with service.websocket_connect("/v1/stream") as device:
        device.send_json(OPENING)
        stream = device.receive_json()["stream"]
        with service.websocket_connect(f"/v1/streams/{stream}/watch") as first:
            first.send_json({})
            assert first.receive_json()["type"] == "opened"
            with service.websocket_connect(f"/v1/streams/{stream}/watch") as second:
                second.send_json({})
                assert second.receive_json()["code"] == "busy"
        with service.websocket_connect("/v1/stream") as other:
            other.send_json({"resume": stream})
            assert other.receive_json()["code"] == "stream-connected"
        device.send_json({"type": "end"})


def test_streams_of_one_token_are_not_taken_up_by_another() -> None:
    tokens = ("first-token-of-a-ward", "other-token-of-a-ward")
    app = create_app(ServiceSettings(workers=1, tokens=tokens))
    with LocalClient(app) as client:
        with client.websocket_connect("/v1/stream") as device:
            device.send_json(OPENING | {"token": "wrong-token-of-a-ward"})
            assert device.receive_json()["code"] == "unauthorized"
        with client.websocket_connect("/v1/stream") as device:
            device.send_json(OPENING | {"token": tokens[0]})
            stream = device.receive_json()["stream"]
            with client.websocket_connect("/v1/stream") as thief:
                thief.send_json({"resume": stream, "token": tokens[1]})
                assert thief.receive_json()["code"] == "stream-not-found"
            device.send_json({"type": "end"})


@pytest.mark.usefixtures("still_gate")
def test_connections_of_streams_are_rate_limited() -> None:
    app = create_app(ServiceSettings(workers=1, requests_per_minute=6))
    with LocalClient(app) as client:
        with client.websocket_connect("/v1/stream") as device:
            device.send_text("{}")
            assert device.receive_json()["code"] == "request"
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/v1/stream") as device,
        ):
            device.send_text(json.dumps(OPENING))
            device.receive_json()


def test_frames_that_are_too_many_end_the_stream(
    service: TestClient, may_answer: threading.Event
) -> None:
    """Two minutes may wait for their answers; nothing is answered here."""
    import numpy as np

    from ecgfoundry.inference.live.frames import encode_frame

    with service.websocket_connect("/v1/stream") as device:
        device.send_json(OPENING)
        device.receive_json()
        frame = encode_frame(np.zeros((1, 300 * 100), np.int16))
        codes = set()
        with pytest.raises((WebSocketDisconnect, RuntimeError)):
            for _ in range(5):
                device.send_bytes(frame)
            while True:
                codes.add(device.receive_json().get("code"))
        assert "busy" in codes
