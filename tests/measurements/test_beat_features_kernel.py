"""What the classes of beats are told from: by the kernel and by NumPy the same."""

from __future__ import annotations

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry import native
from ecgfoundry.measurements.beat_features import BEAT_FEATURES, beat_features
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.measurements.templates import BeatPieces, cut_beats

# NumPy takes sums of float32 in float32; the features are logarithms and correlations.
ROUNDING = 1e-5


def assert_same_features(monkeypatch: pytest.MonkeyPatch, pieces: BeatPieces) -> None:
    tables = []
    for way in ("0", "auto"):
        monkeypatch.setenv(native.VARIABLE, way)
        if way != "0" and not native.status().available:
            pytest.skip(f"no compiled kernels: {native.status().reason}")
        tables.append(beat_features(pieces, pieces.clusters))
    for column, name in enumerate(BEAT_FEATURES):
        one, other = (table[:, column] for table in tables)
        np.testing.assert_allclose(one, other, rtol=ROUNDING, atol=ROUNDING, err_msg=name)
    assert np.ptp(tables[0], axis=0).max() > 0.1


@pytest.mark.parametrize("sample", ["12-lead", "single-lead"])
@pytest.mark.parametrize("noise_mv", [0.0, 0.1])
def test_samples_in_noise(monkeypatch: pytest.MonkeyPatch, sample: str, noise_mv: float) -> None:
    recording = ecgfoundry.read(ecgfoundry.sample_path(sample))
    noise = np.random.default_rng(2).normal(0.0, noise_mv, recording.signal.shape)
    signal, rate = recording.signal + noise, recording.sampling_rate
    assert_same_features(monkeypatch, cut_beats(signal, rate, find_beats(signal, rate)))


@pytest.mark.parametrize("count", [3, 4, 20, 200])
def test_any_number_of_beats(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Every fifth one comes early and is broad, every seventh is like no other."""
    rng = np.random.default_rng(count)
    rate = 250.0
    at = 0.8 * np.arange(1, count + 1) + rng.normal(0.0, 0.02, count)
    at[4::5] -= 0.3
    time = np.arange(round((at[-1] + 1.0) * rate)) / rate
    x = rng.normal(0.0, 0.02, (2, time.size))
    for number, beat in enumerate(at):
        width = 0.03 if number % 5 == 4 else 0.012
        x += np.exp(-0.5 * ((time - beat) / width) ** 2) * [[1.0], [-0.4]]
        x += 0.3 * np.exp(-0.5 * ((time - beat - 0.3) / 0.05) ** 2)
        if number % 7 == 6:
            x[:, np.abs(time - beat) < 0.1] = rng.normal(0.0, 0.5)
    assert_same_features(monkeypatch, cut_beats(x, rate, np.rint(at * rate).astype(np.int64)))
