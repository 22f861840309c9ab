"""The worklist, and what readers say: added, and never over what the machine has said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient
from tests.service.conftest import LocalClient
from tests.service.waiting import finished, until

from ecgfoundry.samples import sample_path
from ecgfoundry.service.api import create_app
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.tokens import Token

DOCTOR = Token("token-of-a-doctor-1", "ward-3", name="dr-weber")
OTHER = Token("token-of-ward-nine-11", "ward-9")


def as_(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.secret}"}


def sample(name: str) -> list[tuple[str, tuple[str, bytes]]]:
    header = sample_path(name)
    paths = sorted(header.parent.glob(f"{header.stem}.*"))
    return [("file", (path.name, path.read_bytes())) for path in paths]


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = ServiceSettings(
        workers=1,
        tokens=(DOCTOR, OTHER),
        keep_folder=tmp_path_factory.mktemp("kept"),
        requests_per_minute=1_000_000,
    )
    with LocalClient(create_app(settings)) as client:
        client.headers.update(as_(DOCTOR))
        yield client


@pytest.fixture(scope="module")
def kept(ward: TestClient) -> list[str]:
    """Two recordings whose headers were read, the first put in first."""
    names = []
    for name in ("single-lead", "12-lead"):
        made = ward.post("/v1/recordings?diagnose=true", files=sample(name)).json()
        names.append(made["recording"])
        finished(ward, f"/v1/jobs/{made['job']}")
        until(lambda: all(entry["described"] for entry in entries(ward)), "the headers")
    return names


def entries(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/v1/recordings", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["recordings"])


def listed(client: TestClient, **query: Any) -> list[str]:
    return [entry["recording"] for entry in entries(client, **query)]


def test_the_worklist_says_what_the_header_and_the_machine_say(
    ward: TestClient, kept: list[str]
) -> None:
    first, second = ward.get("/v1/recordings").json()["recordings"]
    assert [first["recording"], second["recording"]] == kept[::-1]
    assert first["leads"] == "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()
    assert (first["duration_s"], first["state"], first["source"]) == (10.0, "kept", "http")
    assert first["answer"]["model"] == "ptbxl-superclass-12lead"
    assert second["answer"]["present"] == ["atrial fibrillation"]
    assert listed(ward, q=sample_path("12-lead").stem.lower()) == [kept[1]]
    assert listed(ward, q="nobody") == []
    page = ward.get("/v1/recordings?limit=1").json()
    assert listed(ward, limit=1, cursor=page["cursor"]) == [kept[0]]
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()
    assert listed(ward, after=tomorrow) == []
    assert listed(ward, before=tomorrow) == kept[::-1]
    assert ward.get("/v1/recordings", headers=as_(OTHER)).json()["recordings"] == []
    for wrong in (
        "after=yesterday",
        "after=2026-01-01T00:00:00",
        "review=maybe",
        "limit=0",
        "q=%00",
        "after=0001-01-01T00:00:00%2B23:59",
        "cursor=MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OSB4",
    ):
        assert ward.get(f"/v1/recordings?{wrong}").status_code == 400, wrong


def test_a_review_is_added_and_changes_nothing_that_was_said(
    ward: TestClient, kept: list[str]
) -> None:
    address = f"/v1/recordings/{kept[0]}"
    machine = ward.get(f"{address}/interpretation").content
    assert listed(ward, review="open") == kept[::-1]
    edited = {
        "decision": "edited",
        "statements": [{"name": "atrial fibrillation", "present": False, "note": "artefact"}],
        "comment": "the second half is noise",
    }
    made = ward.post(f"{address}/reviews", json=edited)
    assert made.status_code == 201
    assert made.json()["reader"] == "dr-weber"
    ward.post(f"{address}/reviews", json={"decision": "rejected"})
    reviews = ward.get(f"{address}/reviews").json()["reviews"]
    assert [review["decision"] for review in reviews] == ["edited", "rejected"]
    assert {key: reviews[0][key] for key in edited} == edited
    assert ward.get(address).json()["review"] == "rejected"
    assert ward.get(f"{address}/interpretation").content == machine
    assert listed(ward, review="open") == [kept[1]]
    assert listed(ward, review="done") == [kept[0]]
    for method in ("PUT", "DELETE", "PATCH"):
        assert ward.request(method, f"{address}/reviews").status_code == 405
    for end in ("", "/reviews", "/interpretation"):
        assert ward.get(f"{address}{end}", headers=as_(OTHER)).status_code == 404
    said = ward.post(f"{address}/reviews", json=edited, headers=as_(OTHER))
    assert said.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"decision": "maybe"}',
        b'{"decision": "confirmed", "reader": "somebody else"}',
        b'{"decision": "edited", "statements": [{"name": ""}]}',
        b'{"decision": "edited", "statements": [{"name": "x", "present": "yes, really"}]}',
        b'{"decision": "confirmed", "comment": "' + b"x" * 10_001 + b'"}',
        b"[" * 100_000,
        b'{"decision": "edited", "comment": "\\u0000"}',
        b'{"decision": "edited", "comment": "\\ud800"}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_review_is_refused(ward: TestClient, kept: list[str], body: bytes) -> None:
    answer = ward.post(f"/v1/recordings/{kept[1]}/reviews", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "request")
    assert ward.get(f"/v1/recordings/{kept[1]}/reviews").json() == {"reviews": []}


def test_a_review_is_not_endless(ward: TestClient, kept: list[str]) -> None:
    answer = ward.post(f"/v1/recordings/{kept[1]}/reviews", content=bytes(1_000_001))
    assert answer.status_code == 413


def test_a_deleted_recording_takes_its_reviews_along(ward: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("I\n0\n1\n")
    name = ward.post("/v1/recordings", files=[("file", ("x.csv", path.read_bytes()))]).json()
    address = f"/v1/recordings/{name['recording']}"
    assert ward.get(f"{address}/interpretation").json()["code"] == "no-interpretation"
    ward.post(f"{address}/reviews", json={"decision": "rejected"})
    assert ward.delete(address).status_code == 204
    assert ward.get(f"{address}/reviews").status_code == 404


def test_another_content_under_the_same_name_starts_without_answers(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A PUT of another person's ECG: nothing that was said of the first is shown with it."""
    settings = ServiceSettings(
        workers=1, tokens=(DOCTOR,), keep_folder=tmp_path_factory.mktemp("replaced")
    )
    with LocalClient(create_app(settings)) as client:
        client.headers.update(as_(DOCTOR))
        made = client.post("/v1/recordings?diagnose=true", files=sample("single-lead")).json()
        name, job = made["recording"], made["job"]
        assert finished(client, f"/v1/jobs/{job}")["failed"] == 0
        said = client.post(f"/v1/recordings/{name}/reviews", json={"decision": "confirmed"})
        assert said.status_code == 201, said.text

        def entry() -> dict[str, Any]:
            return dict(client.get(f"/v1/recordings/{name}").json())

        until(lambda: entry()["described"], "the header")
        before = entry()
        assert client.put(f"/v1/recordings/{name}", files=sample("12-lead")).status_code == 204
        until(lambda: entry()["described"], "the header of the new one")
        after = entry()
        assert len(before["leads"]) == 1 and len(after["leads"]) == 12
        assert before["answer"] is not None and after["answer"] is None
        assert before["review"] is not None and after["review"] is None
        again = client.post("/v1/recordings?diagnose=true", files=sample("12-lead")).json()
        assert (again["recording"], again["new"]) == (name, False)
        assert again["job"] != job
        assert finished(client, f"/v1/jobs/{again['job']}")["failed"] == 0
        assert "ptbxl" in str(entry()["answer"])
