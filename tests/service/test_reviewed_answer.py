"""A review is of the answer that the reader saw: where another is the latest, it is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient
from tests.service.conftest import LocalClient
from tests.service.test_reviews import sample
from tests.service.waiting import finished

from ecgfoundry.service.api import create_app
from ecgfoundry.service.settings import ServiceSettings


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[TestClient]:
    settings = ServiceSettings(
        workers=1, keep_folder=tmp_path / "kept", requests_per_minute=1_000_000
    )
    with LocalClient(create_app(settings)) as client:
        yield client


def kept(client: TestClient) -> str:
    made = client.post("/v1/recordings?diagnose=true", files=sample("single-lead")).json()
    finished(client, f"/v1/jobs/{made['job']}")
    return f"/v1/recordings/{made['recording']}"


def again(client: TestClient, address: str, model: str) -> None:
    """Another answer about it is stored."""
    name = address.rpartition("/")[2]
    query = {"recording": name, "model": model}
    job = client.post("/v1/jobs", params=query).json()["job"]
    assert finished(client, f"/v1/jobs/{job}")["failed"] == 0


def identity(client: TestClient, address: str) -> str:
    """As anybody can count it: the SHA-256 of the stored answer."""
    return hashlib.sha256(client.get(f"{address}/interpretation").content).hexdigest()


def say(client: TestClient, address: str, **fields: Any) -> tuple[int, str | None]:
    told = client.post(f"{address}/reviews", json={"decision": "confirmed"} | fields)
    return told.status_code, told.json().get("code")


def test_of_an_answer_that_is_not_the_latest_nothing_is_confirmed(ward: TestClient) -> None:
    address = kept(ward)
    first = identity(ward, address)
    assert ward.get(address).json()["answer"]["sha256"] == first
    assert ward.get(f"{address}/interpretation").headers["ETag"] == f'"{first}"'
    again(ward, address, "rhythm-single-lead-edge")
    second = identity(ward, address)
    assert first != second
    refused = ward.post(f"{address}/reviews", json={"decision": "confirmed", "answer": first})
    assert (refused.status_code, refused.json()["code"]) == (409, "answer-changed")
    assert "interpretation" in refused.json()["remedy"]
    # Nobody can say whether the first or the second was read.
    assert say(ward, address) == (409, "answer-not-named")
    assert say(ward, address, answer=None) == (409, "answer-changed")
    assert say(ward, address, answer="0" * 64) == (409, "answer-changed")
    assert say(ward, address, answer="confirmed") == (400, "request")
    assert ward.get(address).json()["review"] is None
    assert ward.get(f"{address}/reviews").json() == {"reviews": []}
    assert say(ward, address, answer=second) == (201, None)
    (review,) = ward.get(f"{address}/reviews").json()["reviews"]
    assert review["answer"] == second


def test_a_new_answer_opens_a_reviewed_recording_again(ward: TestClient) -> None:
    """A worklist with "confirmed" beside what nobody has read would say so of the new answer."""
    address = kept(ward)
    first = identity(ward, address)
    assert say(ward, address) == (201, None)  # there is one, which is meant
    assert ward.get(address).json()["review"] == "confirmed"
    again(ward, address, "rhythm-single-lead")
    same = identity(ward, address)
    assert same == first, "the same model says the same, which stays confirmed"
    assert ward.get(address).json()["review"] == "confirmed"
    again(ward, address, "rhythm-single-lead-edge")
    assert ward.get(address).json()["review"] is None
    (review,) = ward.get(f"{address}/reviews").json()["reviews"]
    assert review["answer"] == first  # what was said stays, of the answer that it was said of


def test_the_stored_answer_is_what_a_page_shows(ward: TestClient) -> None:
    address = kept(ward)
    stored = ward.get(f"{address}/interpretation")
    shown = ward.get(f"{address}/interpretation?format=reading")
    assert shown.headers["ETag"] == stored.headers["ETag"]
    document = shown.json()
    reading = document.pop("reading")
    assert document == stored.json()
    assert reading["header"] and reading["statements"]
    name = address.rpartition("/")[2]
    made = ward.post(f"/v1/diagnose?recording={name}&format=reading").json()
    assert made["reading"] == reading
    assert len(reading["waves"]) > 5  # where P, QRS and T are drawn, which the stored form lacks


def test_before_there_is_an_answer(ward: TestClient) -> None:
    made = ward.post("/v1/recordings", files=sample("single-lead")).json()
    address = f"/v1/recordings/{made['recording']}"
    for form in ("json", "reading"):
        told = ward.get(f"{address}/interpretation?format={form}")
        assert (told.status_code, told.json()["code"]) == (404, "no-interpretation")
    again(ward, address, "rhythm-single-lead")
    assert say(ward, address, answer=None) == (409, "answer-changed")


@pytest.mark.slow
def test_the_page_confirms_what_it_has_shown(page: Any, address: str) -> None:
    from tests.service.browsing import keep_sample, wait_done

    name = keep_sample(page)
    stored = page.request.get(f"{address}/v1/recordings/{name}").json()["answer"]["sha256"]
    page.click("#review-confirm")
    page.locator("#reviews li").wait_for()
    (review,) = page.request.get(f"{address}/v1/recordings/{name}/reviews").json()["reviews"]
    assert review["answer"] == stored
    job = page.request.post(
        f"{address}/v1/jobs?recording={name}&model=rhythm-single-lead-edge"
    ).json()["job"]
    while page.request.get(f"{address}/v1/jobs/{job}").json()["state"] != "finished":
        page.wait_for_timeout(100)
    page.click("#review-confirm")
    page.locator("text=the machine's latest answer is not the one that was read").wait_for()
    page.reload()
    wait_done(page)
    page.locator("text=of another answer than the one above").wait_for()
    assert page.locator("#review-state").inner_text() == "Unconfirmed; another answer was reviewed"
    page.click("#review-confirm")
    page.locator("#reviews li >> nth=1").wait_for()
    assert page.locator("#review-state").inner_text() == "confirmed by local"
    page.request.delete(f"{address}/v1/recordings/{name}")
