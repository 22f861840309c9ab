"""The outbox: every answer arrives, in order, once it is taken; what never is, is dead and listed."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.mllp_receiver import mllp_receiver
from tests.service.conftest import LocalClient

from ecgfoundry.cli.main import main
from ecgfoundry.samples import sample_path
from ecgfoundry.service.api import create_app
from ecgfoundry.service.hospital import Destination, Hospital, Retries
from ecgfoundry.service.senders.http import HttpTarget
from ecgfoundry.service.senders.mllp import MllpNode
from ecgfoundry.service.settings import ServiceSettings

QUICK = Retries(attempts=4, first_retry_s=0.05, longest_retry_s=0.1)


@dataclass
class HttpReceiver:
    """Answers with the statuses in turn, then with 200; as FHIR servers do, knows what it has."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.taken.append((headers, body))
        return status


@contextmanager
def http_receiver(*statuses: int) -> Iterator[HttpReceiver]:
    receiver = HttpReceiver(statuses=list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.take({k.lower(): v for k, v in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield receiver
        finally:
            server.shutdown()


def until(true: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@contextmanager
def service(folder: Path, *destinations: Destination) -> Iterator[LocalClient]:
    hospital = Hospital({one.name: one for one in destinations})
    settings = ServiceSettings(workers=1, keep_folder=folder, hospital=hospital, port=0)
    with LocalClient(create_app(settings)) as client:
        yield client


def fhir(port: int, **fields: Any) -> Destination:
    target = HttpTarget(f"http://127.0.0.1:{port}/fhir", token="a token of 20 letters")
    return Destination("records", "fhir", target, ("fhir",), retries=QUICK, **fields)


def sent(client: LocalClient, sample: str = "single-lead") -> str:
    header = sample_path(sample)
    paths = sorted(header.parent.glob(f"{header.stem}.*"))
    files = [("file", (path.name, path.read_bytes())) for path in paths]
    answer = client.post("/v1/recordings?diagnose=true", files=files)
    assert answer.status_code in (200, 201), answer.text
    assert answer.json()["job"]
    return str(answer.json()["recording"])


def deliveries(client: LocalClient) -> list[dict[str, Any]]:
    return list(client.get("/v1/deliveries").json()["deliveries"])


def settled(client: LocalClient, count: int) -> list[dict[str, Any]]:
    def done() -> bool:
        rows = deliveries(client)
        return len(rows) == count and all(r["state"] in ("delivered", "dead") for r in rows)

    until(done, "the deliveries are not settled")
    return deliveries(client)


def test_an_answer_reaches_every_destination(tmp_path: Path) -> None:
    secret = b"a shared secret"
    with http_receiver() as records, http_receiver() as hook, mllp_receiver() as engine:
        webhook = Destination(
            "hook", "webhook", HttpTarget(f"http://127.0.0.1:{hook.port}/"), ("webhook",),
            retries=QUICK, secret=secret,
        )  # fmt: skip
        hl7 = Destination(
            "engine", "mllp", MllpNode("127.0.0.1", engine.port), ("oru",), retries=QUICK
        )
        with service(tmp_path, fhir(records.port), webhook, hl7) as client:
            recording = sent(client)
            rows = settled(client, 3)
            assert {row["state"] for row in rows} == {"delivered"}
            assert {row["recording"] for row in rows} == {recording}
            trail = client.get("/v1/audit").json()["rows"]
    assert {"sent.fhir", "sent.oru", "sent.webhook"} <= {row["action"] for row in trail}
    ((headers, body),) = records.taken
    assert headers["content-type"] == "application/fhir+json"
    assert headers["authorization"] == "Bearer a token of 20 letters"
    bundle = json.loads(body)
    assert bundle["type"] == "transaction"
    report = bundle["entry"][0]["resource"]
    assert report["presentedForm"][0]["contentType"] == "application/pdf"
    (message,) = engine.taken
    assert b"ORU^R01^ORU_R01" in message and b"\rOBX|" in message

    ((headers, body),) = hook.taken
    stamp, given = (part.split("=")[1] for part in headers["ecgfoundry-signature"].split(","))
    expected = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert given == expected and abs(int(stamp) - time.time()) < 600
    document = json.loads(body)
    assert document["recording"] == recording and document["interpretation"]["findings"]


def test_it_is_sent_again_until_it_is_taken_and_is_the_same(tmp_path: Path) -> None:
    with http_receiver(503, 429) as records, mllp_receiver("drop", "AR") as engine:
        hl7 = Destination(
            "engine", "mllp", MllpNode("127.0.0.1", engine.port), ("oru",), retries=QUICK
        )
        with service(tmp_path, fhir(records.port), hl7) as client:
            sent(client)
            rows = settled(client, 2)
    assert [(row["state"], row["attempts"]) for row in rows] == [("delivered", 3)] * 2
    assert len(records.taken) == len(engine.taken) == 1


def test_what_is_refused_for_good_is_dead_and_can_be_sent_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with http_receiver(422) as records, service(tmp_path, fhir(records.port)) as client:
        sent(client)
        (row,) = settled(client, 1)
        assert (row["state"], row["attempts"]) == ("dead", 1)
        assert "answered 422" in row["last_error"]
        number = row["delivery"]
        assert client.get("/v1/deliveries?state=delivered").json() == {"deliveries": []}
        with pytest.raises(SystemExit):
            main(["deliveries", "list", str(tmp_path), "--state", "dead"])
        assert f"{number}  records  fhir  dead" in capsys.readouterr().out
        assert client.post(f"/v1/deliveries/{number + 1}/retry").status_code == 404
        assert client.post(f"/v1/deliveries/{number}/retry").status_code == 202
        (row,) = settled(client, 1)
        assert row["state"] == "delivered" and len(records.taken) == 1
        assert client.post(f"/v1/deliveries/{number}/retry").status_code == 404


def test_attempts_come_to_an_end_and_the_order_stays(tmp_path: Path) -> None:
    """The first is never taken; the second waits for it, and then goes."""
    with http_receiver(*[503] * QUICK.attempts) as records:
        with service(tmp_path, fhir(records.port)) as client:
            first, second = sent(client, "single-lead"), sent(client, "12-lead")
            rows = {row["recording"]: row for row in settled(client, 2)}
    states = {name: rows[name]["state"] for name in (first, second)}
    assert sorted(states.values()) == ["dead", "delivered"]
    dead = next(row for row in rows.values() if row["state"] == "dead")
    late = next(row for row in rows.values() if row["state"] == "delivered")
    assert dead["delivery"] < late["delivery"] and dead["attempts"] == QUICK.attempts
    assert len(records.taken) == 1


def test_what_waits_survives_a_restart(tmp_path: Path) -> None:
    slow = Retries(attempts=50, first_retry_s=0.2, longest_retry_s=0.2)
    with http_receiver(*[503] * 1000) as records:
        target = HttpTarget(f"http://127.0.0.1:{records.port}/fhir")
        waiting = Destination("records", "fhir", target, ("fhir",), retries=slow)
        with service(tmp_path, waiting) as client:
            sent(client)
            until(lambda: any(row["attempts"] for row in deliveries(client)), "nothing was tried")
        assert not records.taken
        records.statuses.clear()
        with service(tmp_path, waiting) as client:
            (row,) = settled(client, 1)
            assert row["state"] == "delivered"
    assert len(records.taken) == 1


def test_a_destination_that_is_gone_and_one_that_does_not_want_it(tmp_path: Path) -> None:
    with http_receiver(*[503] * 1000) as records:
        slow = Retries(attempts=50, first_retry_s=60)
        target = HttpTarget(f"http://127.0.0.1:{records.port}/fhir")
        old = Destination("old", "fhir", target, ("fhir",), retries=slow)
        other = Destination("other", "fhir", target, ("fhir",), sources=("dicom",))
        with service(tmp_path, old, other) as client:
            sent(client)
            until(lambda: any(row["attempts"] for row in deliveries(client)), "nothing was tried")
            (row,) = deliveries(client)
            assert row["destination"] == "old"
        with service(tmp_path) as client:
            client.post(f"/v1/deliveries/{row['delivery']}/retry")
            assert deliveries(client)[0]["state"] == "waiting"  # not due, and not forgotten
