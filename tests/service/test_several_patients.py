"""Many people on one wire: what is kept and answered is always about the one who was sent."""

from __future__ import annotations

import asyncio
import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")
pytest.importorskip("pydicom")
pytest.importorskip("pynetdicom")

import pydicom
import pynetdicom
from tests.service.conftest import LocalClient
from tests.service.waiting import finished, until

import ecgfoundry
from ecgfoundry.recording import Subject
from ecgfoundry.samples import sample_path
from ecgfoundry.service.api import create_app
from ecgfoundry.service.hospital import DicomReceiver
from ecgfoundry.service.problems import Problem
from ecgfoundry.service.receivers.dicom import DicomListener
from ecgfoundry.service.receivers.taking import Taken
from ecgfoundry.service.receiving import enqueue_job, keep_recording
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.watch import FolderWatch
from ecgfoundry.service.work import Result
from ecgfoundry.service.workers import WorkerPool
from ecgfoundry.service.workspace import Workspace


def objects(folder: Path) -> list[Any]:
    """Three objects of two people: A, B, and A again with B's instance number and a flat line."""
    sample = ecgfoundry.read(sample_path("12-lead"))
    made = []
    for number, (patient, scale) in enumerate((("A-1", 1.0), ("B-2", 0.5), ("A-1", 0.0))):
        recording = replace(
            sample,
            signal=sample.signal * np.float32(scale),
            subject=Subject(identifier=patient, age=40.0 + number),
        )
        path = folder / f"{number}.dcm"
        ecgfoundry.write(recording, path, keep_subject=True)
        data = pydicom.dcmread(path)
        uid = f"1.2.3.{min(number, 1)}"
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid
        data.save_as(path)
        made.append(pydicom.dcmread(path))
    return made


def test_one_association_brings_several_people(tmp_path: Path) -> None:
    """Interleaved, over one connection: content, name and source of each stay together."""
    received: list[tuple[bytes, str, str, str]] = []

    def take(*given: Any) -> Taken:
        received.append(given)
        return Taken(str(len(received)), True)

    listener = DicomListener(DicomReceiver(callers={"CART1": "cardiology"}, port=0), take)
    listener.start()
    sent = objects(tmp_path)
    try:
        entity = pynetdicom.AE("CART1")
        entity.add_requested_context(sent[0].SOPClassUID, sent[0].file_meta.TransferSyntaxUID)
        link = entity.associate("127.0.0.1", listener.port, ae_title="ECGFOUNDRY")
        assert link.is_established
        order = [0, 1, 0, 2, 1]
        assert [link.send_c_store(sent[k]).Status for k in order] == [0] * 5
        link.release()
    finally:
        listener.close()
    for k, (content, name, owner, source) in zip(order, received, strict=True):
        found = pydicom.dcmread(io.BytesIO(content))
        assert (found.PatientID, found.PatientAge) == (sent[k].PatientID, sent[k].PatientAge)
        assert found.WaveformSequence[0].WaveformData == sent[k].WaveformSequence[0].WaveformData
        assert (name, owner, source) == (
            f"{sent[k].SOPInstanceUID}.dcm", "cardiology", "dicom:CART1",
        )  # fmt: skip
    assert received[0][0] == received[2][0] and received[1][0] == received[4][0]


def test_one_instance_number_with_two_contents_is_two_recordings(tmp_path: Path) -> None:
    """A device that gives a number twice: neither takes the other's person nor its answer."""
    contents = []
    for data in objects(tmp_path):
        buffer = io.BytesIO()
        data.save_as(buffer)
        contents.append((f"{data.SOPInstanceUID}.dcm", buffer.getvalue(), str(data.PatientID)))
    app = create_app(ServiceSettings(workers=1, keep_folder=tmp_path / "kept"))
    with LocalClient(app) as client:
        state = app.state.service
        names, jobs = [], []
        for called, content, _ in contents:
            name, new = keep_recording(state, content, called, "", "dicom:CART1")
            assert new
            assert keep_recording(state, content, called, "", "dicom:CART1") == (name, False)
            names.append(name)
            jobs.append(enqueue_job(state, name, "", "dicom:CART1"))
        assert len(set(names)) == len(set(jobs)) == 3
        state.jobs.wake()
        state.describer.wake()
        for name, job, (_, _, patient) in zip(names, jobs, contents, strict=True):
            finished(client, f"/v1/jobs/{job}")
            entry = until(
                lambda name=name: (
                    found if (found := client.get(f"/v1/recordings/{name}").json()).get("described")
                    else None
                ),
                "the header",
            )  # fmt: skip
            assert entry["subject"]["identifier"] == patient
        answers = [client.get(f"/v1/jobs/{job}/results").text for job in jobs]
        assert [name in said for name, said in zip(("1.2.3.0", "1.2.3.1", "1.2.3.1"), answers,
                                                   strict=True)] == [True] * 3  # fmt: skip
        # The flat line is refused, though another object of its number was answered.
        assert ['"refused":null' in said.replace(" ", "") for said in answers] == [
            True, True, False,
        ]  # fmt: skip


def test_a_watched_recording_is_no_bad_one_because_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither put aside nor forgotten: the next look tries it again."""
    (tmp_path / "in").mkdir()
    header = sample_path("single-lead")
    for path in header.parent.glob(f"{header.stem}.*"):
        shutil.copy(path, tmp_path / "in" / path.name)
    files = sorted((tmp_path / "in").glob("*"))
    watch = FolderWatch(tmp_path / "in", settle_s=0.0)

    async def full(pool: WorkerPool, work: Any, **_: Any) -> Result:
        return Result(problem=Problem(507, "disk-full", "no space is left"))

    async def looked() -> tuple[Any, bool]:
        pool = WorkerPool(
            workers=1, queue=8, batch=1, timeout_s=60.0, arguments={},
            workspace=Workspace(tmp_path / "temporary"),
        )  # fmt: skip
        (one,) = [found for found in watch._recordings() if watch._settled(found)] or [files]
        monkeypatch.setattr(WorkerPool, "submit", full)
        told = await watch._one(pool, one)
        return told, watch._settled(one)

    told, again = asyncio.run(looked())
    assert told.problem is not None and told.problem.code == "disk-full"
    assert again
    assert sorted((tmp_path / "in").glob("*.*")) == files
    assert list((tmp_path / "in" / "dead-letters").iterdir()) == []
