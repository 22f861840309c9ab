"""What is no ECG gets no finding, through every door."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.experiments.hostile_signals import as_leads

import ecgfoundry
from ecgfoundry.cli.main import main
from ecgfoundry.inference.batch.infer import infer_batch
from ecgfoundry.inference.files import interpret_file
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.inference.live.stream import LiveStream
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.recording import Recording

KINDS = ("noise 0.5-5 Hz", "sine", "EEG", "walking", "respiration", "rails", "sawtooth")
SEED = 11
CODES = {"no-beats", "not-an-ecg", "flat"}


def hostile(kind: str, *, leads: int) -> Recording:
    x = as_leads(kind, np.random.default_rng([SEED, leads]), 5000, 500.0, leads, alike=True)
    names = STANDARD_12_LEADS if leads == 12 else ("I",)
    return Recording.from_array(x, sampling_rate=500.0, leads=names, unit="mV")


@pytest.fixture(scope="module", params=["rhythm-single-lead", "ptbxl-superclass-12lead"])
def model(request: pytest.FixtureRequest) -> Predictor:
    return load_model(request.param, threads=1)


def leads_of(model: Predictor) -> int:
    return 1 if model.bundle.input.lead_mode == "any-single" else 12


@pytest.mark.parametrize("kind", KINDS)
def test_in_memory(model: Predictor, kind: str) -> None:
    answer = model.interpret(hostile(kind, leads=leads_of(model)))
    assert answer.refused is not None and answer.refused.code in CODES
    assert (answer.findings, answer.present, answer.verdict) == ((), (), "refused")
    document = answer.to_dict()
    assert document["findings"] == []
    assert document["refused"]["message"] == answer.refused.message
    assert all(window["refused"] is not None for window in document["windows"])


def test_in_a_file_and_a_batch(model: Predictor, tmp_path: Path) -> None:
    pytest.importorskip("polars")
    import polars

    rows = []
    for number, kind in enumerate(KINDS):
        ecgfoundry.write(hostile(kind, leads=leads_of(model)), tmp_path / f"h{number}.hea")
        answer = interpret_file(model, tmp_path / f"h{number}.hea")
        assert answer.refused is not None and answer.findings == ()
        rows.append(ManifestRow(f"h{number}", f"h{number}.hea"))
    table = Manifest(tuple(rows), tmp_path)
    infer_batch(table, model.bundle.folder, tmp_path / "out.parquet", workers=1)
    found = polars.read_parquet(tmp_path / "out.parquet")
    assert set(found["status"].to_list()) == {"refused"}
    assert set(found["code"].to_list()) <= CODES
    for column in found.columns:
        if column.startswith(("probability:", "present:")):
            assert set(found[column].to_list()) == {None}, column


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_live_stream(model: Predictor, kind: str) -> None:
    recording = hostile(kind, leads=leads_of(model))
    stream = LiveStream(model, recording.leads, 500.0, every_s=10.0)
    for answer in stream.run(LiveFrame(recording.signal)):
        assert answer.window.refused is not None
        assert answer.window.probabilities is None and answer.window.present is None


def test_at_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ecgfoundry.write(hostile("noise 0.5-5 Hz", leads=12), tmp_path / "n.hea")
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", str(tmp_path / "n.hea"), "--json"])
    assert ended.value.code == 1
    said = capsys.readouterr()
    text = json.dumps(json.loads(said.out))
    assert '"no-beats"' in text or '"not-an-ecg"' in text
    assert '"present": true' not in text
    assert "not read as an ECG" in said.err


def test_embeddings_say_so_too(tmp_path: Path) -> None:
    from ecgfoundry.errors import ManifestError
    from ecgfoundry.inference.batch.embed import embed_manifest

    pytest.importorskip("polars")
    ecgfoundry.write(hostile("noise 0.5-5 Hz", leads=1), tmp_path / "n.hea")
    table = Manifest((ManifestRow("n", "n.hea"),), tmp_path)
    folder = load_model("rhythm-single-lead", threads=1).bundle.folder
    with pytest.raises(ManifestError, match="not read as an ECG"):
        embed_manifest(table, folder, tmp_path / "e.parquet")
