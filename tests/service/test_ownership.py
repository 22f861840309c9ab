"""Who may do what: origins, wrong tokens, gateways, roles, and whose a recording is."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.service.conftest import LocalClient

from ecgfoundry.inference.live.frames import encode_frame
from ecgfoundry.samples import sample_path
from ecgfoundry.service import gate
from ecgfoundry.service.api import create_app
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.tokens import Token

WARD, WARD_TOO, OTHER, READER, ADMIN = (
    Token("token-of-ward-three-1", "ward 3"),
    Token("token-of-ward-three-2", "ward 3"),
    Token("token-of-ward-nine-11", "ward 9"),
    Token("token-of-a-reader-111", "ward 3", "read"),
    Token("token-of-an-admin-111", "it", "admin"),
)


def as_(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.secret}"}


def sample() -> list[tuple[str, tuple[str, bytes]]]:
    header = sample_path("single-lead")
    paths = sorted(header.parent.glob(f"{header.stem}.*"))
    return [("file", (path.name, path.read_bytes())) for path in paths]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = ServiceSettings(
        workers=1,
        tokens=(WARD, WARD_TOO, OTHER, READER, ADMIN),
        keep_folder=tmp_path_factory.mktemp("kept"),
        requests_per_minute=1_000_000,
    )
    with LocalClient(create_app(settings)) as client:
        yield client


@pytest.mark.parametrize("where", ["/v1/recordings", "/v1/uploads"])
def test_a_recording_belongs_to_the_owner_of_the_token(shared: TestClient, where: str) -> None:
    made = shared.post(where, files=sample(), headers=as_(WARD))
    assert made.status_code == 201, made.text
    name = made.json()["recording"]
    address = f"/v1/recordings/{name}"
    for token, status in ((WARD, 200), (WARD_TOO, 200), (READER, 200), (ADMIN, 200), (OTHER, 404)):
        asked = shared.post("/v1/read", params={"recording": name}, headers=as_(token))
        assert asked.status_code == status, (token, asked.text)
    assert shared.delete(address, headers=as_(OTHER)).status_code == 404
    assert shared.put(address, files=sample(), headers=as_(OTHER)).status_code == 404
    again = shared.post(where, files=sample(), headers=as_(OTHER)).json()["recording"]
    assert again != name, "the name must not tell that the content is known"
    assert shared.delete(address, headers=as_(WARD_TOO)).status_code == 204
    asked = shared.post("/v1/read", params={"recording": name}, headers=as_(WARD))
    assert asked.status_code == 404
    assert shared.delete(f"/v1/recordings/{again}", headers=as_(ADMIN)).status_code == 204


def test_everybody_lists_what_is_theirs(shared: TestClient) -> None:
    name = shared.post("/v1/recordings", files=sample(), headers=as_(WARD)).json()["recording"]

    def listed(token: Token) -> list[str]:
        found = shared.get("/v1/recordings", headers=as_(token)).json()["recordings"]
        return [entry["recording"] for entry in found]

    assert listed(WARD) == listed(READER) == [name]
    assert listed(OTHER) == []
    assert name in listed(ADMIN)
    shared.delete(f"/v1/recordings/{name}", headers=as_(WARD))


def test_a_reader_asks_and_keeps_nothing(shared: TestClient) -> None:
    assert shared.post("/v1/diagnose", files=sample(), headers=as_(READER)).status_code == 200
    for call in (
        lambda: shared.post("/v1/recordings", files=sample(), headers=as_(READER)),
        lambda: shared.post("/v1/jobs", files=sample(), headers=as_(READER)),
        lambda: shared.put(f"/v1/recordings/{32 * 'a'}", files=sample(), headers=as_(READER)),
        lambda: shared.delete(f"/v1/recordings/{32 * 'a'}", headers=as_(READER)),
    ):
        response = call()
        assert (response.status_code, response.json()["code"]) == (403, "role")
    with shared.websocket_connect("/v1/stream") as device:
        device.send_json(
            {"leads": ["I"], "sampling_rate": 300, "unit": "uV", "token": READER.secret}
        )
        assert device.receive_json()["code"] == "role"


def test_a_job_belongs_to_the_owner_of_the_token(shared: TestClient) -> None:
    job = shared.post("/v1/jobs", files=sample(), headers=as_(WARD)).json()["job"]
    for end in ("", "/results"):
        assert shared.get(f"/v1/jobs/{job}{end}", headers=as_(OTHER)).status_code == 404
        assert shared.get(f"/v1/jobs/{job}{end}", headers=as_(READER)).status_code == 200
        assert shared.get(f"/v1/jobs/{job}{end}", headers=as_(ADMIN)).status_code == 200
    assert shared.delete(f"/v1/jobs/{job}", headers=as_(OTHER)).status_code == 404
    assert shared.delete(f"/v1/jobs/{job}", headers=as_(WARD_TOO)).status_code == 204


def test_a_stream_belongs_to_the_owner_of_the_token(shared: TestClient) -> None:
    opening = {"leads": ["I"], "sampling_rate": 300, "unit": "uV"}
    with shared.websocket_connect("/v1/stream") as device:
        device.send_json(opening | {"token": WARD.secret})
        stream = device.receive_json()["stream"]
        device.send_bytes(encode_frame(np.zeros((1, 30), np.int16)))

        def listed(token: Token) -> list[str]:
            found = shared.get("/v1/streams", headers=as_(token)).json()["streams"]
            return [entry["stream"] for entry in found]

        assert listed(WARD) == listed(READER) == listed(ADMIN) == [stream]
        assert listed(OTHER) == []
        for token, kind in ((OTHER, "problem"), (READER, "opened")):
            with shared.websocket_connect(f"/v1/streams/{stream}/watch") as viewer:
                viewer.send_json({"token": token.secret})
                assert viewer.receive_json()["type"] == kind
        device.send_json({"type": "end"})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"Origin": "http://127.0.0.1:8765"}, 415),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),  # another program of this machine
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example:8765"}, 403),
        ({"Origin": "http://127.0.0.1:99999"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 415),
    ],
)
def test_a_page_from_elsewhere_changes_nothing(
    service: TestClient, headers: dict[str, str], status: int
) -> None:
    response = service.post("/v1/read", content=b"no ECG", headers=headers)
    assert response.status_code == status
    if status == 403:
        assert response.json()["code"] == "origin"
        kept = service.post("/v1/recordings", files=sample(), headers=headers)
        assert kept.status_code == 403
        assert service.delete("/v1/jobs/" + 32 * "0", headers=headers).status_code == 403


def test_the_page_behind_a_gateway_is_ours() -> None:
    settings = ServiceSettings(allowed_hosts=("ecg.example.org",))
    client = TestClient(create_app(settings), base_url="http://ecg.example.org")
    good = {"Origin": "https://ecg.example.org"}
    assert client.delete(f"/v1/jobs/{32 * '0'}", headers=good).status_code == 404
    bad = {"Origin": "https://other.example.org"}
    assert client.delete(f"/v1/jobs/{32 * '0'}", headers=bad).status_code == 403
    inside = TestClient(create_app(settings), base_url="http://127.0.0.1:8765")
    assert inside.delete(f"/v1/jobs/{32 * '0'}", headers=good).status_code == 404


def wrong(number: int) -> dict[str, str]:
    return {"Authorization": f"Bearer wrong-token-number-{number}"}


@pytest.mark.parametrize("running_s", [30.0, 1e6])
def test_wrong_tokens_are_limited_and_lock_out_nobody_who_works(
    running_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a machine that was started a moment ago: its monotonic clock begins at 0."""
    monkeypatch.setattr(gate, "time", SimpleNamespace(monotonic=lambda: running_s))
    settings = ServiceSettings(tokens=(WARD, OTHER), wrong_tokens_per_minute=5)
    client = TestClient(create_app(settings), base_url="http://127.0.0.1:8765")
    assert client.get("/v1/models", headers=as_(WARD)).status_code == 200
    statuses = [client.get("/v1/models", headers=wrong(n)).status_code for n in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    # From here a right token is not told from a wrong one, unless it was in use before.
    assert client.get("/v1/models", headers=as_(OTHER)).status_code == 429
    assert client.get("/v1/models", headers=as_(WARD)).status_code == 200
    assert client.get("/v1/models").status_code == 401
    with client.websocket_connect("ws://127.0.0.1:8765/v1/stream") as socket:
        socket.send_json({"token": "wrong-token-number-9"})
        assert socket.receive_json()["code"] == "wrong-tokens"
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic YTpi"])
def test_no_token_is_no_wrong_token(authorization: str) -> None:
    settings = ServiceSettings(tokens=(WARD,), wrong_tokens_per_minute=1)
    client = TestClient(create_app(settings), base_url="http://127.0.0.1:8765")
    for _ in range(5):
        response: Any = client.get("/v1/models", headers={"Authorization": authorization})
        assert response.status_code == 401
