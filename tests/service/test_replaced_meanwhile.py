"""Other content is put in the place of a recording in the moment in which it is worked on."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from tests.service.conftest import LocalClient
from tests.service.waiting import finished, until

import ecgfoundry
from ecgfoundry.recording import Subject
from ecgfoundry.samples import sample_path
from ecgfoundry.service.api import create_app
from ecgfoundry.service.hospital import Destination, Hospital
from ecgfoundry.service.senders.dicom import DicomNode
from ecgfoundry.service.senders.http import HttpTarget
from ecgfoundry.service.settings import ServiceSettings

Files = list[tuple[str, tuple[str, bytes]]]


def of_person(folder: Path, patient: str, scale: float) -> Files:
    """A DICOM ECG of a person."""
    recording = ecgfoundry.read(sample_path("single-lead"))
    path = folder / f"{patient}.dcm"
    signal = recording.signal * np.float32(scale)
    person = Subject(identifier=patient)
    written = replace(recording, signal=signal, subject=person)
    ecgfoundry.write(written, path, keep_subject=True)
    return [("file", (path.name, path.read_bytes()))]


def flat(samples: int) -> Files:
    """A line without an ECG, of so many samples at 300 Hz."""
    buffer = io.BytesIO()
    np.savez(
        buffer, signal=np.zeros((1, samples), np.float32), leads=["I"], sampling_rate=300.0,
        unit="mV",
    )  # fmt: skip
    return [("file", ("x.npz", buffer.getvalue()))]


@pytest.mark.parametrize("same", [False, True], ids=["other content", "the same content"])
def test_a_job_answers_what_it_was_asked_about(
    same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was claimed, and its files were not read yet."""
    settings = ServiceSettings(workers=1, keep_folder=tmp_path / "kept")
    with LocalClient(create_app(settings)) as client:
        kept = client.app.state.service.kept  # type: ignore[attr-defined]
        name = client.post("/v1/recordings", files=flat(3000)).json()["recording"]
        address = f"/v1/recordings/{name}"
        until(lambda: client.get(address).json()["described"], "its header")
        given, done = kept.using, threading.Event()

        @contextlib.contextmanager
        def replaced_first(which: str, caller: Any) -> Iterator[Any]:
            if caller is None and not done.is_set():  # the service itself, for the job
                done.set()
                put = client.put(address, files=flat(3000 if same else 6000))
                assert put.status_code == 204
            with given(which, caller) as found:
                yield found

        monkeypatch.setattr(kept, "using", replaced_first)
        asked = client.post("/v1/recordings?diagnose=true", files=flat(3000)).json()
        assert asked["recording"] == name
        state = finished(client, f"/v1/jobs/{asked['job']}")
        assert done.is_set()
        (line,) = client.get(f"/v1/jobs/{asked['job']}/results").text.splitlines()
        if same:
            assert (state["failed"], '"flat"' in line) == (0, True)
        else:
            assert state["failed"] == 1 and "replaced meanwhile" in line


def test_a_worklist_that_answers_late_says_nothing_of_the_next_person(tmp_path: Path) -> None:
    """It was asked for the first person; its answer is not written to the ECG of the second."""
    pydicom = pytest.importorskip("pydicom")
    network = pytest.importorskip("pynetdicom")
    holder: dict[str, Any] = {}

    def answer(event: Any) -> Iterator[tuple[int, Any]]:
        put = holder["client"].put(holder["address"], files=of_person(tmp_path, "5001", 0.9))
        holder["status"] = put.status_code
        entry = pydicom.Dataset()
        entry.SpecificCharacterSet = "ISO_IR 192"
        entry.PatientID, entry.PatientName = "4711", "Müller^Änne"
        yield 0xFF00, entry

    entity = network.AE("WORKLIST")
    entity.add_supported_context("1.2.840.10008.5.1.4.31")
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(network.evt.EVT_C_FIND, answer)]
    )
    port = server.server_address[1]
    target = HttpTarget("http://127.0.0.1:9/")  # nothing is ever sent there
    hook = Destination("hook", "webhook", target, ("webhook",), secret=b"a shared secret")
    hospital = Hospital({"hook": hook}, worklist=DicomNode("127.0.0.1", port, "WORKLIST"))
    settings = ServiceSettings(workers=1, keep_folder=tmp_path / "kept", hospital=hospital)
    try:
        with LocalClient(create_app(settings)) as client:
            first = of_person(tmp_path, "4711", 1.0)
            made = client.post("/v1/recordings", files=first).json()
            address = f"/v1/recordings/{made['recording']}"
            holder |= {"client": client, "address": address}
            client.post("/v1/recordings?diagnose=true", files=first)

            def dead() -> bool:
                rows = client.get("/v1/deliveries?destination=hook").json()["deliveries"]
                return [row["state"] for row in rows] == ["dead"]

            until(dead, "the end of the delivery")
            assert holder["status"] == 204
            until(lambda: client.get(address).json()["described"], "the header of the second")
            subject = client.get(address).json()["subject"]
            assert subject["identifier"] == "5001" and "name" not in subject
    finally:
        server.shutdown()


def test_a_review_is_about_what_was_read(tmp_path: Path) -> None:
    """Other content came between the reading and the word of the reader."""
    settings = ServiceSettings(workers=1, keep_folder=tmp_path / "kept")
    with LocalClient(create_app(settings)) as client:
        name = client.post("/v1/recordings", files=flat(3000)).json()["recording"]
        address = f"/v1/recordings/{name}"
        read = client.get(address).json()["sha256"]
        assert client.put(address, files=flat(6000)).status_code == 204
        said = {"decision": "confirmed", "sha256": read}
        refused = client.post(f"{address}/reviews", json=said)
        assert (refused.status_code, refused.json()["code"]) == (409, "recording-replaced")
        assert client.get(address).json()["review"] is None
        said["sha256"] = client.get(address).json()["sha256"]
        assert client.post(f"{address}/reviews", json=said).status_code == 201
        assert client.get(address).json()["review"] == "confirmed"
        for wrong in ("", read.upper(), 7):
            told = client.post(f"{address}/reviews", json=said | {"sha256": wrong})
            assert told.status_code == 422 or told.json()["code"] == "request"


@pytest.mark.slow
def test_the_page_says_nothing_of_what_it_has_not_shown(page: Any, address: str) -> None:
    from tests.service.browsing import keep_sample

    name = keep_sample(page)
    replaced = page.request.put(
        f"{address}/v1/recordings/{name}",
        multipart={
            "file": {
                "name": "other.npz", "mimeType": "application/octet-stream",
                "buffer": flat(3000)[0][1][1],
            }
        },
    )  # fmt: skip
    assert replaced.status == 204
    page.click("#review-confirm")
    page.locator("text=the recording was replaced after it was read").first.wait_for()
    entry = page.request.get(f"{address}/v1/recordings/{name}").json()
    assert entry["review"] is None
    page.request.delete(f"{address}/v1/recordings/{name}")
