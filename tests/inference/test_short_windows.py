"""Windows of up to half the model's length have their own calibrator where a bundle has one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tests.hand_waves import P, build, platt, record, wave

from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.inference.live.stream import LiveStream
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.metrics.calibration import Calibrator
from ecgfoundry.tasks import Calibration, make_task
from ecgfoundry.vocabularies import Target, Vocabulary

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

LEVELS = {
    "record": platt([2, 1, 1, 1], [-3, 0.5, 0, 0]),
    "window": platt([1, 1, 1, 1], [-1, -1, 0, 0]),
    "short_window": platt([0.5, 1, 1, 1], [-2, 1, 0, 0]),
}


def one(scale: float) -> Calibrator:
    return Calibrator("vector", (scale,) * 2, (0.0,) * 2)


def test_a_level_that_is_not_there_is_served_by_the_next() -> None:
    three = Calibration(one(1.0), one(2.0), short_window=one(3.0))
    assert [three.of(k).scale[0] for k in ("record", "window", "short_window")] == [1, 2, 3]
    two = Calibration(one(1.0), one(2.0))
    assert two.of("short_window").scale[0] == 2
    assert Calibration.from_dict(three.to_dict()) == three
    assert "short_window" not in two.to_dict()


def test_half_the_length_of_the_model_is_short(tmp_path: Path) -> None:
    spec = build(tmp_path).bundle.input  # ten seconds
    assert [spec.window_level(s) for s in (2.5, 5.0, 5.01, 10.0)] == [
        "short_window", "short_window", "window", "window"
    ]  # fmt: skip


def test_a_short_window_of_a_recording(tmp_path: Path) -> None:
    """Of 4 s: logit z of A becomes z / 2 - 2 by itself, 2 z - 3 as a recording; of 10 s, z - 1."""
    predictor = build(tmp_path, calibration=LEVELS)
    for seconds, scale, offset in ((4.0, 0.5, -2.0), (10.0, 1.0, -1.0)):
        short = record(wave(P, seconds=seconds))
        z = float(predictor.logits(predictor.readable_windows(short))[0, 0])
        answer = predictor.interpret(short)
        found = answer.windows[0].probabilities
        assert found is not None
        assert found["A"] == pytest.approx(1 / (1 + math.exp(-(scale * z + offset))), abs=1e-6)
        whole = {finding.name: finding.probability for finding in answer.findings}
        assert whole["A"] == pytest.approx(1 / (1 + math.exp(-(2 * z - 3))), abs=1e-6)


@pytest.mark.parametrize("name", ["rhythm-single-lead", "rhythm-single-lead-edge"])
def test_a_live_stream_of_a_shipped_model_is_calibrated_as_short(name: str) -> None:
    """Ten of thirty seconds; the level lowers what is said too surely."""
    predictor = load_model(name, threads=1)
    calibration = predictor.bundle.about.readout.calibration
    assert calibration is not None and calibration.short_window is not None
    x = wave(P)[:1]
    answers = LiveStream(predictor, ["I"], 500.0).run(LiveFrame(x, 0))
    found = answers[-1].window.probabilities
    assert found is not None
    logits = predictor.logits(predictor.readable_windows(record(x, leads=("I",))))[0]
    task = predictor.bundle.task
    expected = task.answers(logits.astype(np.float64), level="short_window")
    assert list(found.values()) == pytest.approx(expected.tolist(), abs=1e-4)
    other = task.answers(logits.astype(np.float64), level="window")
    assert np.abs(expected - other).max() > 1e-3


def test_calibrated_anew_a_target_has_one_calibrator_of_windows() -> None:
    """A is fitted, B is not: B keeps what it had for short windows, A gets the new one."""
    names = Vocabulary("v", (Target("A", "diagnosis"), Target("B", "diagnosis")))
    task = make_task("multilabel", columns=names.names, vocabulary=names)
    before = Calibration(one(1.0), one(2.0), short_window=one(3.0))
    task = task.with_readout(type(task.readout)(calibration=before, uncalibrated={}))
    outputs = np.linspace(-2, 2, 40)[:, None].repeat(2, axis=1)
    values = np.full((40, 2), np.nan)
    values[:, 0] = np.arange(40) % 4 >= 2
    fitted_task, fitted = task.recalibrated(outputs, values, source="here")
    assert fitted == ("A",)
    new = fitted_task.readout.calibration
    assert new is not None and new.short_window is not None
    assert new.short_window.scale[1] == 3.0
    assert new.short_window.scale[0] == new.record.scale[0] == new.window.scale[0]
    values[:, 1] = values[:, 0]
    every, _ = task.recalibrated(outputs, values, source="here")
    assert every.readout.calibration is not None
    assert every.readout.calibration.short_window is None
