"""A recording has one answer whichever way it comes: Python, commands, folder, service, stream."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.experiments.hostile_signals import as_leads

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")
pytest.importorskip("polars")

import polars
from starlette.testclient import TestClient

import ecgfoundry
from ecgfoundry.cli.main import main
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.inference.live.stream import LiveStream
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording
from ecgfoundry.service.api import create_app
from ecgfoundry.service.settings import ServiceSettings
from tests.service.conftest import _forked_workers  # noqa: F401
from tests.service.waiting import finished

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
REFUSED = ("noise", "eeg", "flat", "sine")
CODES = {"no-beats", "not-an-ecg", "flat"}
HAS_TWELVE = ("twelve", "noise", "sine")
NAMES = ("one", "short", "long", "eeg", "flat", *HAS_TWELVE)
FEW = ("one", "long", "twelve", "noise")
"""For the ways that begin with a process of their own."""

Answers = dict[str, dict[str, Any]]


def recording_of(name: str) -> Recording:
    """Return a recording by what it is: real ones of 5 s to 75 s, and what is none."""
    if name in REFUSED:
        kind = {"noise": "noise 0.5-5 Hz", "eeg": "EEG", "sine": "sine"}.get(name)
        leads = STANDARD_12_LEADS if name in HAS_TWELVE else ("I",)
        x = np.zeros((1, 5000), np.float32)
        if kind is not None:
            generator = np.random.default_rng([11, len(leads)])
            x = as_leads(kind, generator, 5000, 500.0, len(leads), alike=True)
        return Recording.from_array(x, sampling_rate=500.0, leads=leads, unit="mV")
    if name == "twelve":
        return ecgfoundry.read(FIXTURES / "cinc2021" / "JS20000.hea")
    one = ecgfoundry.read(FIXTURES / "cinc2017" / "A00001.hea")
    if name == "short":
        return replace(one, signal=one.signal[:, :1500])
    parts = np.tile(one.signal[:, :9000], (1, 10)) if name == "long" else one.signal[:, :3000]
    return replace(one, signal=parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("recordings")
    for name in NAMES:
        ecgfoundry.write(recording_of(name), made / f"{name}.hea")
    return made


@pytest.fixture(scope="module")
def wanted(folder: Path) -> Answers:
    """What Python answers about the files; every other way is held against it."""
    return {name: ecgfoundry.interpret(folder / f"{name}.hea").to_dict() for name in NAMES}


def same(given: Any, own: Any, where: str) -> None:
    """Hold two documents against each other; numbers up to the rounding of another batch."""
    if isinstance(own, dict):
        assert given.keys() == own.keys(), where
        for key in own:
            same(given[key], own[key], f"{where}.{key}")
    elif isinstance(own, list):
        assert len(given) == len(own), where
        for number, (one, other) in enumerate(zip(given, own, strict=True)):
            same(one, other, f"{where}[{number}]")
    elif isinstance(own, float):
        assert given == pytest.approx(own, rel=1e-4, abs=2e-5), where
    else:
        assert given == own, where


def without_folder(answer: dict[str, Any]) -> dict[str, Any]:
    """Leave out where the file lay: a service says its name alone."""
    measured = answer["measurements"]
    return {**answer, "file": "", "measurements": measured and {**measured, "file": ""}}


def same_answer(given: dict[str, Any], own: dict[str, Any], name: str) -> None:
    assert Path(given["file"]).name == f"{name}.hea"
    same(without_folder(given), without_folder(own), name)


def said(
    capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0
) -> list[dict[str, Any]]:
    """What a command prints; it ends with 1 where some recording has no answer."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert (ended.value.code or 0) == code
    out = capsys.readouterr().out
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def test_what_is_refused_has_no_finding_and_no_statement(wanted: Answers) -> None:
    for name in REFUSED:
        answer = wanted[name]
        assert answer["refused"]["code"] in CODES, name
        assert (answer["findings"], answer["statements"]) == ([], []), name
    for name in ("one", "short", "long", "twelve"):
        assert wanted[name]["refused"] is None and wanted[name]["findings"], name
        assert wanted[name]["statements"], name


def test_a_recording_in_memory(folder: Path, wanted: Answers) -> None:
    for name in NAMES:
        found = ecgfoundry.interpret(ecgfoundry.read(folder / f"{name}.hea")).to_dict()
        same(without_folder(found), without_folder(wanted[name]), name)


def test_diagnose(folder: Path, wanted: Answers, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [folder / f"{name}.hea" for name in NAMES]
    lines = said(capsys, "diagnose", *paths, "--json", code=1)
    for name, line in zip(NAMES, lines, strict=True):
        same_answer(line, wanted[name], name)


def test_measure(folder: Path, wanted: Answers) -> None:
    for name in NAMES:
        if name in REFUSED:
            continue
        measured = ecgfoundry.measure(ecgfoundry.read(folder / f"{name}.hea")).to_dict()
        same(measured, wanted[name]["measurements"], name)


def test_a_batch(folder: Path, wanted: Answers, tmp_path: Path) -> None:
    for leads in (1, 12):
        names = [name for name in NAMES if (name in HAS_TWELVE) == (leads == 12)]
        model = wanted[names[0]]["model"]
        table = tmp_path / f"{leads}.csv"
        table.write_text("record,path\n" + "".join(f"{n},{folder / n}.hea\n" for n in names))
        with pytest.raises(SystemExit) as ended:
            main(["infer", str(table), "--model", model, "--output",
                  str(tmp_path / f"{leads}.parquet"), "--workers", "1", "--quiet"])  # fmt: skip
        assert ended.value.code == 1, "of each table some have no answer"
        rows = polars.read_parquet(tmp_path / f"{leads}.parquet").to_dicts()
        for name, row in zip(names, rows, strict=True):
            answer = wanted[name]
            refused = answer["refused"]
            assert row["code"] == (refused and refused["code"]), name
            assert row["status"] == ("refused" if refused else "ok"), name
            found = {
                key.removeprefix("probability:"): value
                for key, value in row.items()
                if key.startswith("probability:") and value is not None
            }
            # Beyond a minute findings are shares of the time, without a probability of their own.
            own = {
                f["name"]: f["probability"]
                for f in answer["findings"]
                if f["probability"] is not None
            }
            assert found == pytest.approx(own, abs=2e-5), name
            present = {
                key[8:] for key, value in row.items() if key.startswith("present:") and value
            }
            assert present == {f["name"] for f in answer["findings"] if f["present"]}, name


def test_a_watched_folder(folder: Path, wanted: Answers, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in FEW:
        for path in folder.glob(f"{name}.*"):
            shutil.copy(path, tmp_path / "in")
    with pytest.raises(SystemExit) as ended:
        main(["watch", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--once"])
    assert ended.value.code == 1, "one is refused, as in `diagnose` and `infer`"
    answers = {path.name: path for path in (tmp_path / "out").rglob("*.ecg.json")}
    assert len(answers) == len(FEW)
    for name in FEW:
        (path,) = [path for key, path in answers.items() if key.startswith(f"{name}.")]
        same_answer(json.loads(path.read_text()), wanted[name], name)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    kept = tmp_path_factory.mktemp("kept")
    settings = ServiceSettings(workers=1, keep_folder=kept, requests_per_minute=1_000_000)
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8765") as made:
        yield made


def parts(folder: Path, *names: str) -> list[tuple[str, tuple[str, bytes]]]:
    paths = [path for name in names for path in sorted(folder.glob(f"{name}.*"))]
    return [("file", (path.name, path.read_bytes())) for path in paths]


def test_the_service(folder: Path, wanted: Answers, client: TestClient) -> None:
    for name in FEW:
        answer = client.post("/v1/diagnose", files=parts(folder, name))
        assert answer.status_code == 200, answer.text
        same_answer(answer.json(), wanted[name], name)


def test_a_job_of_the_service(folder: Path, wanted: Answers, client: TestClient) -> None:
    state = finished(client, client.post("/v1/jobs", files=parts(folder, *FEW)).headers["location"])
    lines = [json.loads(line) for line in client.get(state["results"]).text.splitlines()]
    assert len(lines) == len(FEW)
    for line in lines:
        name = Path(line["file"]).stem
        same_answer(line, wanted[name], name)


def test_a_kept_recording(folder: Path, wanted: Answers, client: TestClient) -> None:
    for name in FEW:
        kept = client.post("/v1/recordings", files=parts(folder, name)).json()["recording"]
        answer = client.post("/v1/diagnose", params={"recording": kept})
        assert answer.status_code == 200, answer.text
        same_answer(answer.json(), wanted[name], name)


def test_a_live_signal(folder: Path, wanted: Answers) -> None:
    """Of a signal of ten seconds the only window is that of the file."""
    for name in ("one", "eeg", "flat", *HAS_TWELVE):
        recording = ecgfoundry.read(folder / f"{name}.hea")
        model = load_model(wanted[name]["model"], threads=1)
        stream = LiveStream(model, recording.leads, recording.sampling_rate, every_s=10.0)
        answers = [answer.window.to_dict() for answer in stream.run(LiveFrame(recording.signal))]
        assert len(answers) == 1, name
        (window,) = wanted[name]["windows"]
        same(answers[0], window, name)


def test_a_signal_on_standard_input(
    folder: Path,
    wanted: Answers,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    recording = ecgfoundry.read(folder / "one.hea")
    np.savetxt(tmp_path / "rows.csv", recording.signal.T, fmt="%.9g", delimiter=",")
    with (tmp_path / "rows.csv").open() as rows:
        monkeypatch.setattr(sys, "stdin", rows)
        lines = said(capsys, "stream", "follow", "-", "--leads", recording.leads[0],
                     "--rate", "300", "--unit", "mV", "--json")  # fmt: skip
    answers = [line for line in lines if line["type"] == "answer"]
    (window,) = wanted["one"]["windows"]
    same(answers[-1]["window"]["probabilities"], window["probabilities"], "one")
