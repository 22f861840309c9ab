"""One ECG that was written twice is found; two ECGs are not taken for one."""

from __future__ import annotations

import io
import zipfile
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import scipy.io

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


def test_copies_of_real_recordings(shared_data: Path) -> None:
    """Forty of CinC 2017, written at other rates, filtered and rounded, and one from another."""
    from ecgfoundry.signals.filters import butterworth_sos, zero_phase_sos
    from ecgfoundry.signals.resampling import resample_polyphase

    band = butterworth_sos(3, (0.5, 40.0), "bandpass", 300.0)
    found: dict[str, list[int]] = {}
    marks = []
    with zipfile.ZipFile(shared_data / "cinc2017_training2017.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".mat"))[:40]
        for name in names:
            x = scipy.io.loadmat(io.BytesIO(archive.read(name)))["val"][:1] / 1000.0
            own = single(x, 300.0)
            marks.append(own)
            copies = {
                "double": single(2 * x, 300.0),
                "microvolts": single(1000 * x, 300.0),
                "250 Hz": single(resample_polyphase(x, 300.0, 250.0), 250.0),
                "500 Hz": single(resample_polyphase(x, 300.0, 500.0), 500.0),
                "filtered": single(zero_phase_sos(band, x), 300.0),
                "rounded": single(np.round(x / 0.005) * 0.005, 300.0),
                "cut": single(x[:, 30:], 300.0),
            }
            for what, mark in copies.items():
                found.setdefault(what, []).append((own ^ mark).bit_count())
    for what, bits in found.items():
        limit = 38 if what in ("rounded", "cut") else 40
        assert sum(bit <= SIMILAR_BITS for bit in bits) >= limit, what
    apart = [(a ^ b).bit_count() for a, b in combinations(marks, 2)]
    assert sum(bit <= SIMILAR_BITS for bit in apart) == 0


def single(signal: np.ndarray, rate: float) -> int:
    recording = Recording.from_array(
        signal.astype(np.float32), sampling_rate=rate, leads=["I"], unit="mV"
    )
    found = fingerprint(recording)
    assert found is not None
    return found


def test_the_shipped_models_know_what_they_learned_from(shared_data: Path) -> None:
    """The first records of the training set by name: all of them, and no made-up one."""
    from ecgfoundry.manifest.fingerprints import known_to
    from ecgfoundry.models.bundle import find_bundle, load_bundle

    bundle = load_bundle(find_bundle("rhythm-single-lead"))
    with zipfile.ZipFile(shared_data / "cinc2017_training2017.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".mat"))[:60]
        marks = [
            single(scipy.io.loadmat(io.BytesIO(archive.read(name)))["val"][:1] / 1000.0, 300.0)
            for name in names
        ]
    generator = np.random.default_rng(0)
    marks += [single(generator.normal(size=(1, 9000)), 300.0) for _ in range(20)]
    known = known_to(bundle, marks)
    assert known is not None and set(known) == set(range(60))
