"""The band of a laboratory indicator: what its interval supports, not what its estimate says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.bundles import make_bundle

from ecgfoundry.inference.predictor import load_model
from ecgfoundry.labs.estimates import estimate_laboratory
from ecgfoundry.metrics.intervals import metric_interval
from ecgfoundry.recording import Recording


def test_noise_with_thirteen_positive_visits_is_limited(tmp_path: Path) -> None:
    """Scores that know nothing: of 13 and 200 visits, next to none is moderate."""
    generator = np.random.default_rng(0)
    labels = np.repeat([1.0, 0.0], [13, 200])
    lows, values = [], []
    for _ in range(100):
        found = metric_interval("auroc", labels, generator.normal(size=213))
        lows.append(found.low)
        values.append(found.value)
    # The estimate alone calls a fifth to a third of them moderate or strong.
    assert 0.15 < np.mean(np.array(values) >= 0.55) < 0.4
    # Coverage of 95 %: at most some 2.5 % of the lower ends are above 0.5, fewer above 0.55.
    assert np.mean(np.array(lows) >= 0.55) <= 0.02
    card = {
        "name": "AUROC, visit", "value": 0.61, "low": 0.43, "high": 0.77, "data": "test",
        "target": "potassium high", "records": 213,
    }  # fmt: skip
    target = {"name": "potassium high", "kind": "laboratory indicator", "unit": "mmol/L"}
    folder = make_bundle(
        tmp_path / "b", np.array([[1.0], [0.5], [-0.25]]), targets=(target,), metrics=[card]
    )
    time = np.arange(5000) / 500
    beats = np.exp(-(((time % 0.8 - 0.3) / 0.02) ** 2))
    signal = beats * np.array([[1.0], [0.6], [-0.8]])
    signal += generator.normal(0, 0.02, signal.shape)
    recording = Recording.from_array(
        signal.astype(np.float32), sampling_rate=500, leads=("I", "II", "V1"), unit="mV"
    )
    answer = estimate_laboratory(load_model(folder), recording, recording)
    (estimate,) = answer.estimates
    assert (estimate.auroc, estimate.auroc_low) == (0.61, 0.43)
    assert (estimate.band, estimate.band_point) == ("limited", "moderate")
