"""One ECG that was written twice is found; two ECGs are not taken for one."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.manifest import (
    Manifest,
    ManifestRow,
    check_manifest,
    fingerprint,
    fingerprints,
    write_fingerprints,
)
from ecgfoundry.manifest.fingerprints import SIMILAR_BITS, similar_pairs
from ecgfoundry.recording import Recording

RATE = 250


def ecg(seed: int) -> np.ndarray:
    """Eleven seconds of an invented ECG with its own rhythm and noise, (2, 2750) in mV."""
    generator = np.random.default_rng(seed)
    time, at = np.arange(11 * RATE) / RATE, generator.uniform(0.2, 0.6)
    signal = np.zeros_like(time)
    while at < 11:
        signal += np.exp(-(((time - at) / 0.012) ** 2))
        signal += 0.25 * np.exp(-(((time - at - 0.28) / 0.05) ** 2))
        at += generator.normal(0.85, 0.03)
    return np.stack([0.7 * signal, signal]) + generator.normal(0, 0.02, (2, len(time)))


def mark(signal: np.ndarray, rate: float = RATE) -> int:
    found = fingerprint(
        Recording.from_array(
            signal.astype(np.float32), sampling_rate=rate, leads=("I", "II"), unit="mV"
        )
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    "copy",
    [
        lambda s: 1.0005 * s,
        lambda s: 2 * s,
        lambda s: -0.5 * s,
        lambda s: s + 0.3,
        lambda s: s[:, RATE // 10 :],
        lambda s: np.roll(s, RATE // 10, axis=1),
        lambda s: np.round(s / 0.005) * 0.005,
    ],
    ids=["1.0005", "double", "turned", "offset", "cut", "rolled", "rounded"],
)
def test_copies_are_found(copy) -> None:
    for seed in range(5):
        signal = ecg(seed)
        assert similar_pairs([mark(signal)], [mark(copy(signal))]) == [(0, 0)]


def test_others_are_not() -> None:
    marks = [mark(ecg(seed)) for seed in range(60)]
    apart = [(a ^ b).bit_count() for a, b in combinations(marks, 2)]
    assert min(apart) > SIMILAR_BITS and np.mean(apart) == pytest.approx(32, abs=1.5)


def test_what_has_none() -> None:
    flat = Recording.from_array(np.zeros((1, 2500)), sampling_rate=250, leads=("I",), unit="mV")
    assert fingerprint(flat) is None
    short = Recording.from_array(ecg(0)[:1, :250], sampling_rate=250, leads=("I",), unit="mV")
    assert fingerprint(short) is None


def test_the_check_names_near_copies_across_splits(tmp_path: Path) -> None:
    array = np.stack([ecg(0), ecg(1), ecg(2), 1.0005 * ecg(0)]).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    (tmp_path / "x.json").write_text('{"leads": ["I", "II"], "sampling_rate": 250, "unit": "mV"}')
    splits = ("train", "train", "validation", "test")
    rows = tuple(
        ManifestRow(f"r{k}", "x.npy", index=k, patient=f"p{k}", split=split)
        for k, split in enumerate(splits)
    )
    manifest = Manifest(rows, tmp_path)
    (problem,) = check_manifest(manifest)
    assert (problem.code, problem.severity) == ("similar-signal-in-two-splits", "warning")
    assert problem.examples == ("r3 in test = r0 in train",)
    found = fingerprints(manifest)
    assert list(found) == ["r0", "r1", "r2", "r3"]
    write_fingerprints(tmp_path / "f.npy", found.values())
    stored = np.load(tmp_path / "f.npy")
    assert stored.dtype == np.uint64 and set(stored.tolist()) == set(found.values())
