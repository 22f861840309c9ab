"""Recordings of several kinds for corpora, small and made in place."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.corpus.build import build_corpus
from ecgfoundry.corpus.build_plan import BuildOptions
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.recording import Recording

START = dt.datetime(2221, 7, 3, 12, 0, 0, 250_000)


def ecg(seconds: float, rate: float, leads: int, seed: int) -> np.ndarray:
    """Spikes, wander and noise; enough to pass the gate, different for every seed."""
    generator = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    beat = np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.02) ** 2)
    scale = generator.uniform(0.5, 1.5, (leads, 1))
    noise = generator.normal(0, 0.01, (leads, t.size))
    return (scale * beat + 0.1 * np.sin(2 * np.pi * 0.3 * t + seed) + noise).astype(np.float32)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Eighteen records: lead II at 500 and 250 Hz, twelve leads as CSV-like floats, and faults."""
    folder = tmp_path_factory.mktemp("recordings")
    rows = []
    for number in range(12):
        rate = 250.0 if number % 4 == 3 else 500.0
        signal = ecg(21.0 + 10 * (number % 3), rate, 1, number)
        if number == 2:
            signal[:, 2500:5500] = np.nan
        if number == 5:
            signal *= -1
        recording = Recording(signal, rate, ("II",), start_time=START)
        path = write_wfdb(recording, folder, f"lead{number}", gain=(1000.0, 409.6)[number % 2])
        rows.append(row(number, path.name))
    for number in range(12, 15):
        path = folder / f"floats{number}.npz"
        np.savez(path, signal=ecg(12.0, 500.0, 2, number), sampling_rate=500.0,
                 leads=np.array(["I", "II"]), unit="mV")  # fmt: skip
        rows.append(row(number, path.name))
    (folder / "broken.hea").write_text("broken 1 500 9999\nbroken.dat 16 200/mV 16 0 0 0 0 II\n")
    (folder / "broken.dat").write_bytes(b"\0" * 1000)
    rows.append(row(15, "broken.hea"))
    rows.append(row(16, "not there.hea"))
    short = Recording(ecg(4.0, 500.0, 1, 99), 500.0, ("II",))
    rows.append(row(17, write_wfdb(short, folder, "short").name))
    return Manifest(tuple(rows), folder)


OPTIONS = BuildOptions(task_bytes=60_000)


@pytest.fixture(scope="session")
def built(recordings: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of them; not to be changed."""
    pytest.importorskip("polars")
    folder = tmp_path_factory.mktemp("built") / "corpus"
    build_corpus(recordings, folder, options=OPTIONS)
    return folder


def row(number: int, path: str) -> ManifestRow:
    return ManifestRow(
        record=f"r{number}",
        path=path,
        patient=f"p{number // 2}",
        visit=f"v{number}",
        split=("train", "validation", "test")[(number // 2) % 3],
        age=50.0 + number,
        sex="female" if number % 2 else "male",
        targets={"age_group": float(number % 3)},
    )
