"""Batch inference: the answers of the single way, failures beside them, and resuming."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.bundles import make_bundle

polars = pytest.importorskip("polars", reason="Parquet needs polars")
pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

from ecgfoundry.cli.main import main  # noqa: E402
from ecgfoundry.corpus.build import build_corpus  # noqa: E402
from ecgfoundry.corpus.build_plan import BuildOptions  # noqa: E402
from ecgfoundry.errors import ManifestError  # noqa: E402
from ecgfoundry.formats import read  # noqa: E402
from ecgfoundry.formats.wfdb.writer import write_wfdb  # noqa: E402
from ecgfoundry.inference.batch import infer as batch  # noqa: E402
from ecgfoundry.inference.batch import resumable as parts  # noqa: E402
from ecgfoundry.inference.batch.infer import as_manifest, as_recordings, infer_batch  # noqa: E402
from ecgfoundry.inference.files import interpret_file  # noqa: E402
from ecgfoundry.inference.predictor import load_model  # noqa: E402
from ecgfoundry.manifest import Manifest, ManifestRow, read_manifest, write_manifest  # noqa: E402
from ecgfoundry.recording import Recording  # noqa: E402


def write_record(path: Path, seed: int, seconds: float = 10.0, leads=("I", "II", "V1")) -> None:
    generator = np.random.default_rng(seed)
    time = np.arange(round(500 * seconds)) / 500
    beat = np.exp(-0.5 * (((time * 1.2) % 1 - 0.5) / 0.02) ** 2)
    x = beat * generator.uniform(0.5, 1.5, (len(leads), 1)) + generator.normal(
        0, 0.01, (len(leads), len(time))
    )
    recording = Recording.from_array(x, sampling_rate=500, leads=leads, unit="mV")
    write_wfdb(recording, path.parent, path.stem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Nine records: one is flat, one damaged, one without a lead of the model, one long."""
    root = tmp_path_factory.mktemp("records")
    for k in range(5):
        write_record(root / f"r{k}.hea", k)
    flat = Recording.from_array(
        np.zeros((3, 5000)), sampling_rate=500, leads=("I", "II", "V1"), unit="mV"
    )
    write_wfdb(flat, root, "flat")
    write_record(root / "damaged.hea", 6)
    data = root / "damaged.dat"
    data.write_bytes(data.read_bytes()[:1000])
    write_record(root / "other.hea", 7, leads=("V5", "V6"))
    write_record(root / "long.hea", 8, seconds=90)
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    weights = np.random.default_rng(0).normal(size=(3, 2))
    return make_bundle(tmp_path_factory.mktemp("model") / "tiny", weights)


def test_the_table_has_the_answers_of_the_single_way(folder: Path, model: Path, tmp_path) -> None:
    seen = []
    output = tmp_path / "out.parquet"
    summary = infer_batch(
        as_manifest([folder]), model, output, workers=1, chunk=4, progress=seen.append
    )
    table = polars.read_parquet(output)
    assert len(table) == summary.records == 9
    assert {r.rsplit("/", 1)[-1] for r, _ in summary.failures} == {
        "flat.hea", "damaged.hea", "other.hea"
    }  # fmt: skip
    assert [p.done for p in seen] == [4, 8, 9] and seen[-1].failed == 3
    assert seen[-1].eta_s == 0 and seen[-1].rate > 0
    predictor = load_model(model)
    for row in table.iter_rows(named=True):
        name = row["record"].rsplit("/", 1)[-1]
        if row["status"] != "ok":
            assert row["message"] and row["probability:A"] is None
            assert row["code"] == {"flat.hea": "flat", "damaged.hea": "truncated",
                                   "other.hea": "leads"}[name]  # fmt: skip
            continue
        answer = interpret_file(predictor, row["path"])
        assert row["windows"] == len(answer.windows)
        assert row["runtime"] == answer.runtime
        for finding in answer.findings:
            given = row[f"probability:{finding.name}"]
            if name == "long.hea":
                assert given is None
            else:
                assert given == pytest.approx(finding.probability, abs=1e-6)
    assert not list(tmp_path.glob("*.parts"))


def test_windows_of_a_long_record(folder: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "windows.parquet"
    infer_batch(as_manifest([folder / "long.hea"]), model, output, workers=1, windows=True)
    table = polars.read_parquet(output)
    assert table["start_s"].to_list() == [10.0 * k for k in range(9)]
    answer = interpret_file(load_model(model), folder / "long.hea")
    wanted = [window.probabilities["A"] for window in answer.windows]
    np.testing.assert_allclose(table["probability:A"], wanted, atol=1e-6)


def test_a_run_that_was_cut_off_goes_on(folder: Path, model: Path, tmp_path, monkeypatch) -> None:
    output = tmp_path / "out.parquet"
    manifest = as_manifest([folder])
    original = batch.write_answers
    calls = []

    def dying(job):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(job.part.name)
        return original(job)

    monkeypatch.setattr(batch, "write_answers", dying)
    with pytest.raises(KeyboardInterrupt):
        infer_batch(manifest, model, output, workers=1, chunk=3)
    assert not output.exists()
    monkeypatch.setattr(batch, "write_answers", original)
    with pytest.raises(ManifestError, match="another run"):
        infer_batch(manifest, model, output, workers=1, chunk=3, windows=True)
    # The answers of the first parts are of the files as they were: the samples of one change.
    samples = next(path for path in sorted(folder.iterdir()) if path.suffix == ".dat")
    state = samples.stat()
    os.utime(samples, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
    with pytest.raises(ManifestError, match="changed files"):
        infer_batch(manifest, model, output, workers=1, chunk=3)
    os.utime(samples, ns=(state.st_atime_ns, state.st_mtime_ns))
    summary = infer_batch(manifest, model, output, workers=1, chunk=3)
    assert summary.resumed == 6 and summary.records == 9
    whole = tmp_path / "whole.parquet"
    infer_batch(manifest, model, whole, workers=1, chunk=3)
    assert polars.read_parquet(output).equals(polars.read_parquet(whole))
    # Failures of the part that was resumed are reported too.
    assert len(summary.failures) == 3


@pytest.mark.slow
def test_processes_give_the_same_table(folder: Path, model: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        infer_batch(
            as_manifest([folder]), model, tmp_path / f"{workers}.parquet", workers=workers, chunk=3
        )
    one, two = (polars.read_parquet(tmp_path / f"{k}.parquet") for k in (1, 2))
    assert one.equals(two)


@pytest.mark.slow
def test_processes_give_the_same_table_of_a_corpus(
    corpus: Path, model: Path, tmp_path: Path
) -> None:
    for workers, chunk in ((1, 3), (2, 1)):
        output = tmp_path / f"{workers}.parquet"
        infer_batch(as_recordings([str(corpus)]), model, output, workers=workers, chunk=chunk)
    one, two = (polars.read_parquet(tmp_path / f"{k}.parquet") for k in (1, 2))
    assert one.equals(two)


def test_manifests_and_parts_of_files(folder: Path, model: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "r0.hea", tmp_path)
    shutil.copy(folder / "r0.dat", tmp_path)
    rows = [
        ManifestRow(record="a", path="r0.hea"),
        ManifestRow(record="b", path="r0.hea", start_s=2.0, duration_s=5.0),
        ManifestRow(record="c", path="nowhere.hea"),
    ]
    path = write_manifest(tmp_path / "manifest.csv", rows)
    manifest = as_manifest([path])
    assert manifest == read_manifest(path)
    infer_batch(manifest, model, tmp_path / "out.parquet", workers=1)
    table = polars.read_parquet(tmp_path / "out.parquet")
    assert table["record"].to_list() == ["a", "b", "c"]
    assert table["duration_s"].to_list() == [10.0, 5.0, None]
    assert table["code"].to_list() == [None, None, "file-access"]


def test_tasks_of_an_engine_compute_with_one_thread_into_a_folder_that_is_made(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    """An engine's workers share a machine; a run of one worker may use all of it."""
    threads = []

    def engine(function, jobs):
        threads.extend(job.threads for job in jobs)
        return map(function, jobs)

    output = tmp_path / "not" / "there" / "out.parquet"
    manifest = as_manifest([folder / "r0.hea"])
    infer_batch(manifest, model, output, workers=1, engine=engine)
    assert threads == [1]
    assert polars.read_parquet(output)["status"].to_list() == ["ok"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Two records of 25 and 20 s at two rates: four segments in two groups."""
    root = tmp_path_factory.mktemp("corpus")
    rows = []
    for k, (seconds, rate) in enumerate(((25.0, 500.0), (20.0, 250.0))):
        time = np.arange(round(rate * seconds)) / rate
        x = np.exp(-0.5 * (((time * 1.2) % 1 - 0.5) / 0.02) ** 2)
        x = x + np.random.default_rng(k).normal(0, 0.01, (2, len(time)))
        if k == 1:
            x[0, 2600:2700] = np.nan
        recording = Recording.from_array(x, sampling_rate=rate, leads=("I", "II"), unit="mV")
        write_wfdb(recording, root, f"r{k}")
        rows.append(ManifestRow(record=f"r{k}", path=f"r{k}.hea", patient=f"p{k}", age=15.0))
    build_corpus(Manifest(tuple(rows), root), root / "corpus", options=BuildOptions())
    return root / "corpus"


def test_a_corpus_is_answered_segment_by_segment(corpus: Path, model: Path, tmp_path: Path) -> None:
    """As the same stretch of the source file is."""
    output = tmp_path / "one.parquet"
    summary = infer_batch(as_recordings([corpus]), model, output, workers=1, chunk=3)
    table = polars.read_parquet(output)
    assert sorted(table["record"]) == ["r0@0", "r0@10000000", "r1@0", "r1@10000000"]
    assert summary.records == 4 and set(table["status"]) == {"ok"}
    predictor = load_model(model)
    for row in table.iter_rows(named=True):
        name, start = row["record"].split("@")
        recording = read(corpus.parent / f"{name}.hea", start_s=int(start) / 1e6, duration_s=10.0)
        answer = predictor.interpret(recording)
        for finding in answer.findings:
            assert row[f"probability:{finding.name}"] == pytest.approx(
                finding.probability, abs=1e-6
            )
        assert row["path"].startswith("shards/") and "age" in row["warnings"]


def test_a_damaged_shard_does_not_stop_the_others(
    corpus: Path, model: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(corpus, tmp_path / "corpus")
    shard = next(copy.glob("shards/250Hz*/*.npy"))
    shard.write_bytes(shard.read_bytes()[:50])
    summary = infer_batch(as_recordings([copy]), model, tmp_path / "out.parquet", workers=1)
    assert [record for record, _ in summary.failures] == ["r1@0", "r1@10000000"]
    table = polars.read_parquet(tmp_path / "out.parquet")
    assert table["status"].to_list().count("ok") == 2


def test_many_recordings_make_larger_parts(
    folder: Path, model: Path, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(parts, "CHUNK", 2)
    monkeypatch.setattr(parts, "MOST_PARTS", 2)
    seen = []
    infer_batch(
        as_manifest([folder]), model, tmp_path / "o.parquet", workers=1, progress=seen.append
    )
    assert [p.done for p in seen] == [5, 9]


def test_the_command(folder: Path, model: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "out.parquet"
    with pytest.raises(SystemExit) as ended:
        main(["infer", str(folder), "--model", str(model), "--output", str(output), "--workers",
              "1"])  # fmt: skip
    assert ended.value.code == 1  # some have no answer
    shown = capsys.readouterr()
    assert "9 recordings (9 now," in shown.out and "3 without an answer" in shown.out
    assert "damaged.hea" in shown.err
    assert len(polars.read_parquet(output)) == 9
