"""The search for waves by the compiled kernel and by NumPy: the same columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry import native
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.measurements.boundaries import BOUNDARIES
from ecgfoundry.measurements.delineation import delineate

# Filters before it may round otherwise on ARM; a boundary is a column, so it is the same or not.
SAME_SHARE = 0.999


def both_ways(
    monkeypatch: pytest.MonkeyPatch, signal: np.ndarray, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    beats = find_beats(signal, rate)
    found = []
    for way in ("0", "auto"):
        monkeypatch.setenv(native.VARIABLE, way)
        if way != "0" and not native.status().available:
            pytest.skip(f"no compiled kernels: {native.status().reason}")
        waves = delineate(signal, rate, beats)
        found.append(np.stack([getattr(waves, name) for name in BOUNDARIES]))
    return found[0], found[1]


def same(one: np.ndarray, other: np.ndarray) -> float:
    return float(((one == other) | (np.isnan(one) & np.isnan(other))).mean())


@pytest.mark.parametrize("sample", ["12-lead", "single-lead"])
@pytest.mark.parametrize("noise_mv", [0.0, 0.1])
def test_samples(monkeypatch: pytest.MonkeyPatch, sample: str, noise_mv: float) -> None:
    recording = ecgfoundry.read(ecgfoundry.sample_path(sample))
    rng = np.random.default_rng(0)
    signal = recording.signal + rng.normal(0.0, noise_mv, recording.signal.shape)
    signal[:, 700:800] = np.nan
    one, other = both_ways(monkeypatch, signal, recording.sampling_rate)
    assert np.isfinite(one).mean() > 0.3
    assert same(one, other) >= SAME_SHARE


def test_biphasic_waves_of_one_beat_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    time = np.arange(1500) / 500.0
    beat = np.exp(-0.5 * ((time - 1.0) / 0.012) ** 2)
    up, down = (np.exp(-0.5 * ((time - at) / 0.03) ** 2) for at in (1.25, 1.34))
    for t in (0.3 * up - 0.2 * down, 0.3 * up, 0.2 * down - 0.3 * up, 0.0 * up):
        one, other = both_ways(monkeypatch, np.stack([beat + t, -beat - t]), 500.0)
        assert one.shape[2] == 1 and same(one, other) == 1.0


def test_real_twelve_lead_records(monkeypatch: pytest.MonkeyPatch, shared_data: Path) -> None:
    files = sorted((shared_data / "formats" / "cinc2021_wfdb_mat4").rglob("*.hea"))[::8]
    assert len(files) >= 8
    for path in files:
        recording = ecgfoundry.read(path)
        seconds = min(recording.samples, round(20 * recording.sampling_rate))
        one, other = both_ways(monkeypatch, recording.signal[:, :seconds], recording.sampling_rate)
        assert same(one, other) >= SAME_SHARE, path
