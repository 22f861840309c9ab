"""Targets that real files carry go the way of all targets: manifest, corpus, training, report.

Age, sex, heart rate and QRS axis of LUDB, the PhysioNet Challenge 2021 and CODE-15 %: twelve leads
at 500, 1000, 257 and 400 Hz, in WFDB text and MATLAB form. What a small network learns of 175
recordings in two epochs is no matter; that every step takes what the one before gives is.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pl = pytest.importorskip("polars")

from ecgfoundry.datasets import read_dataset  # noqa: E402
from ecgfoundry.manifest import Manifest, ManifestRow, write_manifest  # noqa: E402
from ecgfoundry.measurements.features import FEATURE_NAMES, hand_crafted_features  # noqa: E402
from ecgfoundry.models.bundle import load_bundle  # noqa: E402

TARGETS = ("over 60", "male", "fast", "axis left")
SOURCES = {"ludb": None, "cinc2021": "formats/cinc2021_wfdb_mat4", "code15": "formats/code15_mat"}


def command(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ecgfoundry", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_targets(manifest: Manifest, row: ManifestRow, name: str, number: int) -> ManifestRow:
    """What the file says of the subject, and what is measured on the signal."""
    recording = manifest.open(row)
    first = recording.signal[:, : round(10 * recording.sampling_rate)]
    found = hand_crafted_features(first, recording.sampling_rate, recording.leads)
    rate, axis = found["heart_rate_bpm"], found["qrs_axis_degrees"]
    return replace(
        row,
        record=f"{name}-{row.record}",
        path=str(manifest.folder / row.path),
        patient=f"{name}-{row.patient or row.record}",
        split=("train", "train", "validation", "test")[number % 4],
        site=name,
        targets={
            "over 60": None if row.age is None else float(row.age > 60),
            "male": None if row.sex is None else float(row.sex == "male"),
            "fast": None if np.isnan(rate) else float(rate > 80),
            "axis left": None if np.isnan(axis) else float(-90 <= axis < 0),
        },
    )


@pytest.fixture(scope="module")
def manifest(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    with zipfile.ZipFile(shared_data / "ludb.zip") as archive:
        wanted = [n for n in archive.namelist() if n.endswith((".hea", ".dat", "ludb.csv"))]
        archive.extractall(folder, wanted)
    rows = []
    for name, place in SOURCES.items():
        found = read_dataset(name, folder if place is None else shared_data / place).manifest
        chosen = found.rows[::2] if name == "ludb" else found.rows
        rows += [with_targets(found, row, name, k) for k, row in enumerate(chosen)]
    return write_manifest(folder / "manifest.csv", rows)


@pytest.mark.slow
def test_from_files_to_a_report(manifest: Path, tmp_path: Path) -> None:
    assert {"heart_rate_bpm", "qrs_axis_degrees"} <= set(FEATURE_NAMES)
    corpus, run, report = tmp_path / "corpus", tmp_path / "run", tmp_path / "report"
    command("corpus", "build", manifest, "--output", corpus)
    stats = json.loads(command("corpus", "stats", corpus, "--json"))
    assert stats["segments"] >= 160
    records = pl.concat(
        [pl.read_parquet(p) for p in sorted((corpus / "records").glob("*"))], how="diagonal"
    )
    with manifest.open() as stream:
        lines = {line["record"]: line for line in csv.DictReader(stream)}
    assert len(records) == len(lines) >= 160
    for row in records.iter_rows(named=True):
        for target in TARGETS:
            told = lines[row["record"]][f"target:{target}"]
            assert row[f"target:{target}"] == (float(told) if told else None)
    prevalences = records.select(pl.col("^target:.*$").mean()).row(0)
    assert all(0.05 < value < 0.95 for value in prevalences), prevalences
    assert records["sampling_rate"].n_unique() >= 3

    chosen = [word for target in TARGETS for word in ("--target", target)]
    command(
        "pretrain", corpus, "--output", run, "--architecture", "net1d-tiny", "--task", "multilabel",
        *chosen, "--leads", "II", "--lead-mode", "any-single", "--preprocessing",
        "ptbxl-bandpass@1", "--epochs", 2, "--batch", 32, "--threads", 1, "--device", "cpu",
    )  # fmt: skip
    assert load_bundle(run / "bundle").vocabulary.names == TARGETS
    curves = [json.loads(line) for line in (run / "curves.jsonl").read_text().splitlines()]
    assert len(curves) == 2 and all(np.isfinite(row["loss"]) for row in curves)

    command(
        "evaluate", run / "bundle", manifest, "--split", "test", "--lead", "II",
        "--output", report, "--draws", 50,
    )  # fmt: skip
    with (report / "metrics.csv").open() as stream:
        found = {line["target"]: line for line in csv.DictReader(stream)}
    assert set(TARGETS) <= set(found)
    tested = sum(line["split"] == "test" for line in lines.values())
    for target in TARGETS:
        assert 0.0 <= float(found[target]["auroc"]) <= 1.0
        assert 20 <= int(found[target]["n"]) <= tested
    assert (report / "report.html").is_file()
