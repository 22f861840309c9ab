"""Jobs: asked for once, done once, listed, given up, taken up by another, forgotten."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient
from tests.service.conftest import LocalClient
from tests.service.postgresql import Cluster
from tests.service.waiting import finished as job_finished
from tests.service.waiting import until

from ecgfoundry.samples import sample_path
from ecgfoundry.service.api import create_app
from ecgfoundry.service.database.jobs import claim_jobs, list_jobs
from ecgfoundry.service.jobs import Question
from ecgfoundry.service.receiving import enqueue_job, keep_recording
from ecgfoundry.service.retention import clean_up
from ecgfoundry.service.settings import Retention, ServiceSettings


def sample(name: str = "single-lead") -> list[tuple[str, tuple[str, bytes]]]:
    header = sample_path(name)
    paths = sorted(header.parent.glob(f"{header.stem}.*"))
    return [("file", (path.name, path.read_bytes())) for path in paths]


def finished(client: TestClient, job: str) -> dict[str, Any]:
    return job_finished(client, f"/v1/jobs/{job}")


def test_an_idempotency_key_gives_the_same_job(service: TestClient) -> None:
    key = {"Idempotency-Key": "order-4711"}
    first = service.post("/v1/jobs", files=sample(), headers=key)
    again = service.post("/v1/jobs", files=sample(), headers=key)
    assert first.status_code == again.status_code == 202
    assert again.json()["job"] == first.json()["job"]
    other = service.post("/v1/jobs?kind=read", files=sample(), headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key")
    without = service.post("/v1/jobs", files=sample())
    assert without.json()["job"] != first.json()["job"]
    empty = service.post("/v1/jobs", files=sample(), headers={"Idempotency-Key": "x" * 256})
    assert empty.status_code == 400
    state = finished(service, first.json()["job"])
    assert (state["done"], state["failed"]) == (1, 0)
    for one in (first, without):
        assert service.delete(f"/v1/jobs/{one.json()['job']}").status_code == 204


def test_jobs_are_listed_page_by_page(service: TestClient) -> None:
    made = [service.post("/v1/jobs?kind=read", files=sample()).json()["job"] for _ in range(3)]
    seen, cursor = [], None
    while True:
        query = {"limit": 2, "kind": "read"} | ({"cursor": cursor} if cursor else {})
        page = service.get("/v1/jobs", params=query).json()
        seen += [job["job"] for job in page["jobs"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]
    assert service.get("/v1/jobs?kind=embed").json() == {"jobs": [], "cursor": None}
    for wrong in ("limit=0", "limit=1001", "state=lost", "cursor=nonsense"):
        assert service.get(f"/v1/jobs?{wrong}").status_code == 400
    for job in made:
        finished(service, job)
        assert service.delete(f"/v1/jobs/{job}").status_code == 204


def test_a_kept_recording_is_interpreted_where_it_lies(service: TestClient) -> None:
    kept = service.post("/v1/recordings?diagnose=true", files=sample("12-lead")).json()
    again = service.post("/v1/recordings?diagnose=true", files=sample("12-lead")).json()
    assert again == {"recording": kept["recording"], "new": False, "job": kept["job"]}
    finished(service, kept["job"])
    address = f"/v1/recordings/{kept['recording']}"
    stored = service.get(f"{address}/interpretation").json()
    direct = service.post("/v1/diagnose", files=sample("12-lead")).json()
    assert stored == direct
    assert service.delete(f"/v1/jobs/{kept['job']}").status_code == 204
    assert service.get(f"{address}/interpretation").json() == direct, "it stays with the recording"
    listed = service.get("/v1/recordings").json()["recordings"]
    (entry,) = [entry for entry in listed if entry["recording"] == kept["recording"]]
    assert entry["answer"]["model"] == "ptbxl-superclass-12lead"
    assert entry["answer"]["present"] == [f["name"] for f in direct["findings"] if f["present"]]
    assert service.delete(address).status_code == 204
    assert service.get(f"{address}/interpretation").status_code == 404


def test_what_came_by_another_way_stands_in_the_worklist(service: TestClient) -> None:
    state = service.app.state.service
    content = np.zeros((1, 3000), np.float32)
    path = state.workspace.folder("test") / "x.npz"
    np.savez(path, signal=content, leads=["I"], sampling_rate=300.0, unit="mV")
    data = path.read_bytes()
    name, new = keep_recording(state, data, "../cart 7.npz", "", "dicom:CART7")
    assert (name, False) == keep_recording(state, data, "renamed.npz", "", "dicom:CART7")
    assert new
    job = enqueue_job(state, name, "", "dicom:CART7")
    assert enqueue_job(state, name, "", "dicom:CART7") == job
    assert finished(service, job)["done"] == 1
    until(lambda: service.get(f"/v1/recordings/{name}").json()["described"], "its header")
    entry = service.get(f"/v1/recordings/{name}").json()
    assert (entry["source"], entry["leads"], entry["duration_s"]) == ("dicom:CART7", ["I"], 10.0)
    assert entry["answer"]["refused"] == "flat"
    rows = service.get(f"/v1/audit?subject={name}").json()["rows"]
    came = [(row["who"], row["outcome"]) for row in rows if row["action"] == "recording.kept"]
    assert came == [("dicom:CART7", "known already"), ("dicom:CART7", "ok")]
    service.delete(f"/v1/recordings/{name}")


def test_what_has_had_its_time_goes_and_leaves_a_trace(service: TestClient) -> None:
    state = service.app.state.service
    kept = service.post("/v1/recordings", files=sample()).json()["recording"]
    job = service.post("/v1/jobs?kind=read", files=sample()).json()["job"]
    finished(service, job)
    clean_up(state.kept, state.jobs, Retention(days=1.0, count=100))
    assert service.get(f"/v1/jobs/{job}").status_code == 200
    clean_up(state.kept, state.jobs, Retention(count=0, jobs_s=0.0))
    assert service.get(f"/v1/jobs/{job}").status_code == 404
    assert service.get(f"/v1/recordings/{kept}").status_code == 404
    row = service.get(f"/v1/audit?subject={kept}").json()["rows"][0]
    assert (row["who"], row["action"]) == ("service", "recording.expired")
    assert len(row["content"]) == 64


def test_answers_beyond_the_room_for_them_go_oldest_first(service: TestClient) -> None:
    state = service.app.state.service
    for entry in service.get("/v1/jobs").json()["jobs"]:
        service.delete(f"/v1/jobs/{entry['job']}")
    jobs = []
    for _ in range(2):
        jobs.append(service.post("/v1/jobs?kind=read", files=sample()).json()["job"])
        finished(service, jobs[-1])
    size = len(service.get(f"/v1/jobs/{jobs[1]}/results").content)
    clean_up(state.kept, state.jobs, Retention(answer_bytes=size))
    left = [job["job"] for job in service.get("/v1/jobs").json()["jobs"]]
    assert left == [jobs[1]]
    service.delete(f"/v1/jobs/{jobs[1]}")


def test_a_recording_that_ends_every_service_is_given_up(tmp_path: Path) -> None:
    """Its job was taken up five times, and no process lived to write the answer."""
    settings = ServiceSettings(workers=1, keep_folder=tmp_path / "kept")
    with LocalClient(create_app(settings)) as client:
        state = client.app.state.service
        name = client.post("/v1/recordings", files=sample()).json()["recording"]
        client.portal.call(state.jobs.close)
        job = enqueue_job(state, name, "", "test")
        gone = client.post("/v1/recordings", files=sample("12-lead")).json()["recording"]
        late = enqueue_job(state, gone, "", "test", kind="read")
        for number in range(5):
            with state.kept.database.writing() as session:
                (claimed,) = claim_jobs(session, f"dead {number}", limit=1, lease_s=-1)
                assert (claimed.id, claimed.claims) == (job, number + 1)
        client.delete(f"/v1/recordings/{gone}")
    with LocalClient(create_app(settings)) as client:
        for name, code in ((job, "service-crashed"), (late, "recording-not-found")):
            (line,) = client.get(finished(client, name)["results"]).text.splitlines()
            assert json.loads(line)["refused"]["code"] == code


def test_a_full_disk_makes_jobs_wait_and_nothing_is_lost(small_disk: Path) -> None:
    settings = ServiceSettings(workers=1, keep_folder=small_disk / "kept")
    with LocalClient(create_app(settings)) as client:
        state = client.app.state.service
        client.portal.call(state.jobs.close)
        job = client.post("/v1/jobs?kind=read", content=b"?").json()["job"]
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space"), filler.open("wb", 0) as file:
            while True:
                file.write(bytes(4096))
        refused = client.post("/v1/jobs?kind=read", content=b"1,2,3")
        assert (refused.status_code, refused.json()["code"]) == (507, "disk-full")
        assert client.post("/v1/recordings", content=b"1,2,3").status_code == 507
        client.portal.call(state.jobs.start)
        time.sleep(1.5)
        assert client.get(f"/v1/jobs/{job}").json()["done"] == 0
        filler.unlink()
        assert finished(client, job)["done"] == 1
        assert client.post("/v1/recordings", content=b"1,2,3").status_code == 201


def test_a_stopped_service_goes_on_with_its_jobs(tmp_path: Path) -> None:
    settings = ServiceSettings(workers=1, keep_folder=tmp_path / "kept")
    files = [("file", (f"{n}.csv", b"?")) for n in range(40)]
    with LocalClient(create_app(settings)) as client:
        job = client.post("/v1/jobs?kind=read", files=files).json()["job"]
    with LocalClient(create_app(settings)) as client:
        state = finished(client, job)
        assert (state["recordings"], state["done"], state["failed"]) == (40, 40, 40)
        assert len(client.get(state["results"]).text.splitlines()) == 40
    blobs = [path for path in (tmp_path / "kept" / "blobs").rglob("*") if path.is_file()]
    assert len(blobs) == 1, "one content, which a sweep removes when it is an hour old"


@pytest.mark.parametrize(
    "question", [Question(), Question("m", "I", True, ("I", "II"), "uV", 250.0, 50.0)]
)
def test_a_question_is_the_same_after_it_was_stored(question: Question) -> None:
    assert Question.of(json.loads(json.dumps(question.to_dict())) | {"of later": 1}) == question


# ----------------------------------------------------------------- replicas that are killed


def replica(database: str, folder: Path, temporary: Path) -> subprocess.Popen[bytes]:
    """A service that shares the queue, in a process of its own; it listens on a free port."""
    code = (
        "import sys, uvicorn; from pathlib import Path;"
        "from ecgfoundry.service.api import create_app;"
        "from ecgfoundry.service.settings import ServiceSettings;"
        "uvicorn.run(create_app(ServiceSettings(port=0, workers=2, database=sys.argv[1],"
        " keep_folder=Path(sys.argv[2]), lease_s=3.0)), port=0, log_level='error')"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, database, str(folder)],
        env=os.environ | {"TMPDIR": str(temporary)},
        start_new_session=True,
    )


@pytest.mark.slow
def test_replicas_that_are_killed_at_random_do_every_job_once(
    postgresql: Cluster, tmp_path: Path
) -> None:
    """1,000 jobs, two replicas on one PostgreSQL, one of them killed again and again."""
    count, generator = 1000, random.Random(7)
    url, folder, temporary = postgresql.new_database(), tmp_path / "kept", tmp_path / "tmp"
    temporary.mkdir()
    settings = ServiceSettings(port=0, workers=1, database=url, keep_folder=folder)
    state = create_app(settings).state.service
    path = tmp_path / "x.csv"
    signal_ = np.random.default_rng(1).normal(0, 0.1, (300, 1))
    np.savetxt(path, signal_, header="I", comments="")
    name, _ = keep_recording(state, path.read_bytes(), "x.csv", "", "test")
    caller = _caller()
    question = Question(unit="mV", sampling_rate=100.0)
    names = [
        state.jobs.order(caller, "read", question, [(name, f"{n}.csv")])[0]["job"]
        for n in range(count)
    ]
    replicas = [replica(url, folder, temporary) for _ in range(2)]
    killed = 0
    try:
        until = time.monotonic() + 1800
        while time.monotonic() < until:
            time.sleep(generator.uniform(0.2, 1.0))
            with state.kept.database.reading() as session:
                done = len(list_jobs(session, None, state="finished", limit=2 * count).rows)
            if done == count:
                break
            if killed < 5 and done > 100 * (killed + 1):
                victim = generator.randrange(2)
                os.killpg(replicas[victim].pid, signal.SIGKILL)
                replicas[victim].wait()
                replicas[victim] = replica(url, folder, temporary)
                killed += 1
        answered = [state.jobs.answers(job, caller) for job in names]
        assert done == count, f"{done} of {count} with {killed} killed"
        assert [len(lines) for lines in answered] == [1] * count
        called = [json.loads(lines[0])["file"] for lines in answered]
        assert called == [f"{n}.csv" for n in range(count)]
        assert killed >= 3
        print(f"{count} jobs, {killed} replicas killed")
    finally:
        for one in replicas:
            os.killpg(one.pid, signal.SIGKILL)
            one.wait()


def _caller() -> Any:
    from ecgfoundry.service.tokens import Caller

    return Caller("", "admin", "test")
