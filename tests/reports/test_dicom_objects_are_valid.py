"""What we write as DICOM, judged by dciodvfy of dicom3tools: what each class asks for is there."""

from __future__ import annotations

import datetime as dt
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.hospital_peers import peer

import ecgfoundry
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.writers import write
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.reports.clinical import report_on_file
from ecgfoundry.reports.dicom import DicomStudy, encapsulated_pdf, report_sr
from ecgfoundry.samples import sample_path

pytest.importorskip("pydicom")

START = dt.datetime(2026, 11, 21, 8, 30, 5, 250_000, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def errors(path: Path) -> list[str]:
    told = subprocess.run(
        [peer("dciodvfy", "dicom3tools"), path], capture_output=True, text=True, check=False
    )
    assert "Abort" not in told.stderr, told.stderr
    return [line for line in told.stderr.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize(
    ("leads", "rate", "samples"),
    [
        (STANDARD_12_LEADS, 500.0, 5000),
        (STANDARD_12_LEADS, 250.0, 20_000),  # too long for the class of twelve leads
        (("ECG",), 300.0, 3000),
        (("II", "V5", "a lead with a name of more than sixteen"), 128.0, 4000),
    ],
)
def test_waveforms(leads: tuple[str, ...], rate: float, samples: int, tmp_path: Path) -> None:
    signal = np.round(np.random.default_rng(1).normal(0, 0.2, (len(leads), samples)), 3)
    signal[0, 10:20] = np.nan
    subject = Subject(identifier="4711", age=0.5, sex="female")
    recording = Recording.from_array(
        signal, sampling_rate=rate, leads=leads, unit="mV", start_time=START, subject=subject
    )
    path = tmp_path / "ecg.dcm"
    write(recording, path)
    assert errors(path) == []
    # DICOM asks for a start. We know none and invent none, and say so.
    written = write(replace(recording, start_time=None), path, overwrite=True)
    assert [line.split("<")[1].split(">")[0] for line in errors(path)] == [
        "ContentDate",
        "ContentTime",
        "AcquisitionDateTime",
    ]
    assert any("the start is not known" in words for words in written.notes)


def test_reports(tmp_path: Path) -> None:
    path = tmp_path / "ecg.dcm"
    write(replace(ecgfoundry.read(sample_path("12-lead")), start_time=START), path)
    report = report_on_file(ecgfoundry.interpret(path), path, ReadOptions(), issued=START)
    study = DicomStudy.of_file(path)
    for made in (encapsulated_pdf, report_sr):
        target = tmp_path / f"{made.__name__}.dcm"
        made(report, study).save_as(target, enforce_file_format=True)
        assert errors(target) == []
