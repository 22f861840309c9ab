"""The outbox: every answer arrives, in order, or is dead and listed. One service for all tests."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.mllp_receiver import mllp_receiver
from tests.service.conftest import LocalClient
from tests.service.waiting import until

from ecgfoundry.cli.main import main
from ecgfoundry.samples import sample_path
from ecgfoundry.service.api import create_app
from ecgfoundry.service.database.deliveries import claim_due, enqueue, list_deliveries
from ecgfoundry.service.hospital import Destination, Hospital, Retries
from ecgfoundry.service.identity import Identity
from ecgfoundry.service.senders import outbox
from ecgfoundry.service.senders.documents import DocumentOrder
from ecgfoundry.service.senders.http import HttpTarget
from ecgfoundry.service.senders.mllp import MllpNode
from ecgfoundry.service.senders.written import WrittenDocuments
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.work import Work
from ecgfoundry.service.workers import WorkerPool

SECRET = b"a shared secret"
QUICK = Retries(attempts=4, first_retry_s=0.05, longest_retry_s=0.1)


@dataclass
class HttpReceiver:
    """Answers with the statuses in turn, then with 200."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

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


@dataclass
class Running:
    """A service whose destinations a test sets."""

    client: LocalClient
    destinations: dict[str, Destination]
    folder: Path

    def deliveries(self, destination: str) -> list[dict[str, Any]]:
        asked = self.client.get("/v1/deliveries", params={"destination": destination})
        return list(asked.json()["deliveries"])

    def settled(self, destination: str, count: int = 1) -> list[dict[str, Any]]:
        def done() -> bool:
            rows = self.deliveries(destination)
            return len(rows) == count and all(r["state"] in ("delivered", "dead") for r in rows)

        until(done, "the end of the deliveries")
        return self.deliveries(destination)


@contextmanager
def started(
    folder: Path, destinations: dict[str, Destination], **fields: Any
) -> Iterator[LocalClient]:
    settings = ServiceSettings(
        workers=1, keep_folder=folder, hospital=Hospital(destinations), port=0,
        requests_per_minute=1_000_000, **fields,
    )  # fmt: skip
    with LocalClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="module")
def module_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, destinations = tmp_path_factory.mktemp("kept"), {}
    with started(folder, destinations) as client:
        yield Running(client, destinations, folder)


@pytest.fixture
def service(module_service: Running) -> Iterator[Running]:
    yield module_service
    module_service.destinations.clear()


def hook(name: str, port: int, **fields: Any) -> Destination:
    target = HttpTarget(f"http://127.0.0.1:{port}/")
    given: dict[str, Any] = {"retries": QUICK, "secret": SECRET, **fields}
    return Destination(name, "webhook", target, ("webhook",), **given)


def sent(client: LocalClient) -> str:
    """Send a recording that nobody has sent before, and order its interpretation."""
    header = sample_path("single-lead")
    files = []
    for path in sorted(header.parent.glob(f"{header.stem}.*")):
        extra = f"# {uuid.uuid4()}\n".encode() if path == header else b""
        files.append(("file", (path.name, path.read_bytes() + extra)))
    answer = client.post("/v1/recordings?diagnose=true", files=files)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["recording"])


@pytest.mark.slow
def test_an_answer_reaches_every_destination(service: Running) -> None:
    with http_receiver() as records, http_receiver() as own, mllp_receiver() as engine:
        target = HttpTarget(f"http://127.0.0.1:{records.port}/fhir", token="a token of 20 letters")
        node = MllpNode("127.0.0.1", engine.port)
        service.destinations |= {
            "records": Destination("records", "fhir", target, ("fhir",), retries=QUICK),
            "engine": Destination("engine", "mllp", node, ("oru",), retries=QUICK),
            "hook": hook("hook", own.port),
        }
        recording = sent(service.client)
        for name in service.destinations:
            (row,) = service.settled(name)
            assert (row["state"], row["recording"]) == ("delivered", recording), row
    trail = service.client.get("/v1/audit").json()["rows"]
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

    ((headers, body),) = own.taken
    stamp, given = (part.split("=")[1] for part in headers["ecgfoundry-signature"].split(","))
    expected = hmac.new(SECRET, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert given == expected and abs(int(stamp) - time.time()) < 600
    document = json.loads(body)
    assert document["recording"] == recording and document["interpretation"]["findings"]


def test_a_review_follows_the_answer_to_everybody_who_wants_it(service: Running) -> None:
    """It waits for the answer, whose delivery failed at first, and changes nothing of it."""
    client = service.client
    with mllp_receiver("AR") as engine, http_receiver() as own, http_receiver() as final:
        node = MllpNode("127.0.0.1", engine.port)
        service.destinations |= {
            "reviewed engine": Destination(
                "reviewed engine", "mllp", node, ("oru",), retries=QUICK
            ),
            "all stages": hook("all stages", own.port),
            "readers only": hook("readers only", final.port, stages=("reader",)),
        }
        recording = sent(client)
        address = f"/v1/recordings/{recording}"
        until(lambda: client.get(f"{address}/interpretation").status_code == 200, "the answer")
        machine = client.get(f"{address}/interpretation").content
        edited = {
            "decision": "edited",
            "statements": [{"name": "atrial fibrillation", "present": False, "note": "artefact"}],
        }
        made = client.post(f"{address}/reviews", json=edited).json()
        assert client.post(f"{address}/reviews", json={"decision": "rejected"}).status_code == 201
        rows = service.settled("reviewed engine", 3)[::-1]
        assert [row["review"] for row in rows] == [None, made["review"], made["review"] + 1]
        assert rows[0]["attempts"] == 2 and {row["state"] for row in rows} == {"delivered"}
        service.settled("all stages", 3), service.settled("readers only", 2)
    orders = [next(p for p in m.split(b"\r") if p.startswith(b"OBR")) for m in engine.taken]
    assert [order.split(b"|")[25] for order in orders] == [b"P", b"F", b"X"]
    assert len({order.split(b"|")[3] for order in orders}) == 1
    events = [json.loads(body) for _, body in own.taken]
    assert [event["event"] for event in events] == ["interpretation", "review", "review"]
    assert all(json.dumps(e["interpretation"]) == json.dumps(json.loads(machine)) for e in events)
    assert events[1]["review"]["statements"] == edited["statements"]
    assert [json.loads(body)["review"]["decision"] for _, body in final.taken] == [
        "edited",
        "rejected",
    ]
    assert client.get(f"{address}/interpretation").content == machine


def test_it_is_sent_again_until_it_is_taken_and_is_the_same(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, submit = [], WorkerPool.submit

    async def noted(pool: WorkerPool, work: Work, **named: Any) -> Any:
        if work.document is not None:
            written.append(work.document.kind)
        return await submit(pool, work, **named)

    monkeypatch.setattr(WorkerPool, "submit", noted)
    with mllp_receiver("AR", "drop", "late") as engine, http_receiver(503, 429) as own:
        node = MllpNode("127.0.0.1", engine.port, timeout_s=0.5)
        patient = replace(QUICK, attempts=100)
        service.destinations |= {
            "insisting": hook("insisting", own.port),
            "slow engine": Destination("slow engine", "mllp", node, ("oru",), retries=patient),
        }
        sent(service.client)
        (row,) = service.settled("insisting")
        assert (row["state"], row["attempts"]) == ("delivered", 3)
        (row,) = service.settled("slow engine")
        # On a busy machine other acknowledgements may be late as well.
        assert row["state"] == "delivered" and row["attempts"] >= 4
        # The one that answers too late takes it as well: it is the same message.
        until(lambda: len(engine.taken) >= 2, "the late acknowledgement")
    assert len(own.taken) == 1
    assert set(engine.taken) == {engine.taken[0]}
    assert sorted(written) == ["oru", "webhook"], "each is written once"
    kept = service.client.app.state.service.wires.outbox._written  # type: ignore[attr-defined]
    until(lambda: not kept._documents, "the end of what was kept")


def test_what_is_kept_for_another_attempt_has_a_bound() -> None:
    day = dt.datetime(2026, 1, 1)
    order, kept = DocumentOrder("oru", b"{}", day), WrittenDocuments(most_bytes=10)
    for delivery in range(3):
        kept.put(delivery, order, b"5 ___")
    assert [kept.get(delivery, order) for delivery in range(3)] == [None, b"5 ___", b"5 ___"]
    assert kept.get(2, replace(order, identity=Identity(patient="7"))) is None, "of another order"
    kept.put(2, order, b"7 _____")
    assert [kept.get(delivery, order) for delivery in range(3)] == [None, None, b"7 _____"]
    kept.put(3, order, b"11 ________")
    assert kept.get(3, order) is None and kept._bytes == 0


def test_what_is_refused_for_good_is_dead_and_can_be_sent_again(
    service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    client = service.client
    with http_receiver(422, 422) as own:
        service.destinations["picky"] = hook("picky", own.port)
        sent(client)
        (row,) = service.settled("picky")
        assert (row["state"], row["attempts"]) == ("dead", 1)
        assert "answered 422" in row["last_error"]
        number = row["delivery"]
        assert client.post("/v1/deliveries/999999/retry").status_code == 404
        assert client.post(f"/v1/deliveries/{number}/retry").status_code == 202
        until(lambda: service.deliveries("picky")[0]["attempts"] == 2, "the next attempt")
        service.settled("picky")
        folder = str(service.folder)
        with pytest.raises(SystemExit):
            main(["deliveries", "list", folder, "--state", "dead"])
        assert f"{number}  picky  webhook  dead" in capsys.readouterr().out
        with pytest.raises(SystemExit) as ended:
            main(["deliveries", "retry", folder, str(number)])
        assert not ended.value.code
        until(lambda: bool(own.taken), "the next attempt")
        (row,) = service.settled("picky")
        assert row["state"] == "delivered"
        assert client.post(f"/v1/deliveries/{number}/retry").status_code == 404
        with pytest.raises(SystemExit) as ended:
            main(["deliveries", "retry", folder, str(number)])
        assert ended.value.code == 1


def test_an_automatic_answer_is_not_sent_after_the_word_of_a_reader(service: Running) -> None:
    """The answer was refused, its rejection was taken: sent again, it would stand as a result."""
    client = service.client
    with mllp_receiver("AE") as engine:
        node = MllpNode("127.0.0.1", engine.port)
        service.destinations["late"] = Destination("late", "mllp", node, ("oru",), retries=QUICK)
        recording = sent(client)
        (row,) = service.settled("late")
        assert row["state"] == "dead"
        said = client.post(f"/v1/recordings/{recording}/reviews", json={"decision": "rejected"})
        assert said.status_code == 201
        service.settled("late", 2)
        refused = client.post(f"/v1/deliveries/{row['delivery']}/retry")
        assert (refused.status_code, refused.json()["code"]) == (409, "delivery-superseded")
        with pytest.raises(SystemExit) as ended:
            main(["deliveries", "retry", str(service.folder), str(row["delivery"])])
        assert ended.value.code == 1
        assert [one["state"] for one in service.deliveries("late")] == ["delivered", "dead"]
    (taken,) = engine.taken
    assert b"|X" in next(line for line in taken.split(b"\r") if line.startswith(b"OBR"))


def test_attempts_come_to_an_end_and_the_order_stays(service: Running) -> None:
    """The first is never taken; the second waits for it, and then goes."""
    with http_receiver(*[503] * QUICK.attempts) as own:
        service.destinations["ordered"] = hook("ordered", own.port)
        sent(service.client), sent(service.client)
        late, dead = service.settled("ordered", 2)  # the newest first
    assert (dead["state"], dead["attempts"]) == ("dead", QUICK.attempts)
    assert (late["state"], late["attempts"]) == ("delivered", 1)
    (taken,) = own.taken
    assert json.loads(taken[1])["recording"] == late["recording"]


def test_who_does_not_want_it_does_not_get_it(service: Running) -> None:
    with http_receiver() as own:
        service.destinations |= {
            "carts only": hook("carts only", own.port, sources=("dicom",)),
            "others only": hook("others only", own.port, owners=("somebody",)),
            "everything": hook("everything", own.port),
        }
        sent(service.client)
        service.settled("everything")
    assert not service.deliveries("carts only") and not service.deliveries("others only")


@pytest.mark.slow
def test_what_waits_survives_a_restart(tmp_path: Path) -> None:
    with http_receiver(*[503] * 100_000) as own:
        rule = Retries(attempts=100_000, first_retry_s=0.2, longest_retry_s=0.2)
        destinations = {"hook": hook("hook", own.port, retries=rule)}
        with started(tmp_path, destinations) as client:
            running = Running(client, destinations, tmp_path)
            sent(client)
            until(
                lambda: any(r["attempts"] for r in running.deliveries("hook")), "the first attempt"
            )
        assert not own.taken
        own.statuses.clear()
        with started(tmp_path, destinations) as client:
            (row,) = Running(client, destinations, tmp_path).settled("hook")
            assert row["state"] == "delivered"
    assert len(own.taken) == 1


@pytest.mark.slow
def test_a_document_may_take_longer_than_a_request(tmp_path: Path) -> None:
    """Drawing the PDF does; on a busy machine it takes a minute."""
    with http_receiver() as records:
        target = HttpTarget(f"http://127.0.0.1:{records.port}/fhir")
        destinations = {"records": Destination("records", "fhir", target, ("fhir",), retries=QUICK)}
        with started(tmp_path, destinations, timeout_s=0.2) as client:
            sent(client)
            (row,) = Running(client, destinations, tmp_path).settled("records")
            assert (row["state"], row["attempts"]) == ("delivered", 1), row


def test_what_was_claimed_as_the_service_stopped_is_free_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim is a thread's: it may end after the task that asked for it was cancelled."""
    asked, may_end = threading.Event(), threading.Event()
    settings = ServiceSettings(
        workers=1, keep_folder=tmp_path, port=0,
        hospital=Hospital({"hook": hook("hook", 9)}),
    )  # fmt: skip
    state = create_app(settings).state.service
    database, sender = state.kept.database, state.wires.outbox

    def slowly(*arguments: Any, **named: Any) -> Any:
        asked.set()
        assert may_end.wait(300)
        return claim_due(*arguments, **named)

    async def stopped_in_a_claim() -> None:
        task = asyncio.create_task(sender.run())
        assert await asyncio.to_thread(asked.wait, 300)
        task.cancel()
        await asyncio.sleep(0)
        may_end.set()
        await asyncio.gather(task, return_exceptions=True)

    with database.writing() as session:
        enqueue(session, destination="hook", recording_id=None, kind="webhook")
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "claim_due", slowly)
        asyncio.run(stopped_in_a_claim())
    with database.writing() as session:
        (row,) = list_deliveries(session)
        assert (row.state, row.attempts, row.lease_until) == ("waiting", 1, None)
        assert row.last_error == "the service was stopped"
        assert [one.id for one in claim_due(session)] == [row.id]
