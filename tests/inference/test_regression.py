"""Measured values: in their unit, with their interval, never as a probability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.bundles import make_bundle

from ecgfoundry.errors import BundleError
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.preprocessing import standardize
from ecgfoundry.recording import Recording
from ecgfoundry.reports.tables import csv_rows
from ecgfoundry.schemas import schema_problems

REGRESSION = {"scale": [10.0], "offset": [60.0], "residual_quantiles": [[-12.0, 15.0]]}
AGE = ({"name": "age", "kind": "demographic", "unit": "years"},)
WEIGHTS = np.array([[1.0], [0.5], [-0.25]])


def recording(seconds: float) -> Recording:
    time = np.arange(round(250 * seconds)) / 250
    beats = np.exp(-(((time % 0.8 - 0.3) / 0.02) ** 2))
    noise = np.random.default_rng(0).normal(0, 0.02, (3, len(time)))
    return Recording.from_array(
        (beats * [[1.0], [0.6], [-0.8]] + noise).astype(np.float32),
        sampling_rate=250, leads=("I", "II", "V1"), unit="mV",
    )  # fmt: skip


def bundle(folder: Path, **changes: object) -> Path:
    document = {"targets": AGE, "target_kind": "regression", "regression": REGRESSION} | changes
    return make_bundle(folder / "b", WEIGHTS, **document)


def test_the_value_is_the_scaled_mean_of_the_windows(tmp_path: Path) -> None:
    source = recording(20.0)
    answer = load_model(bundle(tmp_path)).interpret(source)
    windows = standardize(source, "ptbxl-bandpass@1", ("I", "II", "V1"))
    logits = np.abs(windows).mean(axis=2) @ WEIGHTS
    expected = float(logits.mean()) * 10 + 60
    finding = answer.finding("age")
    assert finding.value == pytest.approx(expected, abs=1e-3)
    assert (finding.low, finding.high) == pytest.approx((expected - 12, expected + 15), abs=1e-3)
    assert finding.probability is None and finding.present is None
    document = answer.to_dict()
    assert not schema_problems("interpretation", document)
    assert document["findings"][0]["unit"] == "years"
    shown = "\n".join(",".join(str(cell) for cell in row) for row in csv_rows([answer]))
    assert "years" in shown


def test_without_residuals_there_is_no_interval(tmp_path: Path) -> None:
    plain = {name: REGRESSION[name] for name in ("scale", "offset")}
    finding = load_model(bundle(tmp_path, regression=plain)).interpret(recording(10)).findings[0]
    assert finding.value is not None and finding.low is None and finding.high is None


def test_a_long_recording_has_values_by_window_and_no_burden(tmp_path: Path) -> None:
    answer = load_model(bundle(tmp_path)).interpret(recording(90.0))
    assert answer.findings == () and answer.episodes == () and answer.burden == {}
    assert all(window.values is not None and "age" in window.values for window in answer.windows)
    assert not schema_problems("interpretation", answer.to_dict())


def test_a_regression_without_its_scale_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"regression.scale has 2 values for 1 targets"):
        bundle(tmp_path, regression={"scale": [1.0, 2.0], "offset": [0.0]})
