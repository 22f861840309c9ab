"""The recipe of ``rhythm-single-lead``, end to end on a small made-up data set."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.io

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from ecgfoundry.models.networks.rhythm import RhythmNet  # noqa: E402
from ecgfoundry.training.recipes import rhythm_single_lead as recipe  # noqa: E402
from ecgfoundry.training.recipes.rhythm_single_lead import data, measuring, members  # noqa: E402

COUNTS = {"N": 60, "A": 20, "O": 30, "~": 10}


@pytest.fixture(scope="module")
def data_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Impulse trains at 300 Hz whose regularity depends on the label, 9 to 40 s."""
    generator = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "training2017.zip"
    labels = [label for label, count in COUNTS.items() for _ in range(count)]
    with zipfile.ZipFile(path, "w") as archive:
        for number, label in enumerate(labels):
            samples = int(generator.uniform(9, 40) * 300)
            signal = generator.normal(0, 200 if label == "~" else 10, samples)
            spread = {"N": 0.0, "A": 80.0, "O": 20.0, "~": 0.0}[label]
            beats = np.cumsum(np.clip(generator.normal(250, spread, 200), 100, 500)).astype(int)
            signal[beats[beats < samples]] += 1000
            buffer = io.BytesIO()
            scipy.io.savemat(buffer, {"val": signal[None].astype(np.int16)}, format="4")
            archive.writestr(f"training2017/A{number:05d}.mat", buffer.getvalue())
        lines = [f"A{number:05d},{label}\n" for number, label in enumerate(labels)]
        archive.writestr("training2017/REFERENCE.csv", "".join(lines))
    return path


def test_parts_are_stratified_and_decided_by_the_name(data_zip: Path) -> None:
    recordings = recipe.read(data_zip)
    part = data.parts(recordings, 3)
    for label, count in COUNTS.items():
        own = [
            (hashlib.sha256(f"ecgfoundry-cinc2017:{name}".encode()).hexdigest(), p)
            for name, p, c in zip(recordings.names, part, recordings.classes, strict=True)
            if recipe.LABELS[c] == label
        ]
        ordered = [p for _, p in sorted(own)]
        holdout = round(0.15 * count)
        validation = round(0.10 * count)
        assert ordered[:holdout] == ["holdout"] * holdout
        assert ordered[holdout : holdout + validation] == ["validation"] * validation
        assert set(ordered[holdout + validation :]) == {"fold0", "fold1", "fold2"}


def test_a_training_copy_of_a_held_back_recording_is_not_used(data_zip: Path) -> None:
    recordings = recipe.read(data_zip)
    part = data.parts(recordings, 3)
    held, train = part.index("holdout"), part.index("fold0")
    recordings.raw[train] = recordings.raw[held].copy()
    again = data.parts(recordings, 3)
    assert again[train] == "duplicate"
    assert again[held] == "holdout"


def test_training_crops_are_standardized_and_padded_like_the_bundle(data_zip: Path) -> None:
    raw = recipe.read(data_zip).raw
    signal = next(x for x in raw if len(x) < 30 * 300)
    ours = data.standardized(data.filtered(signal), 6000)
    assert ours == pytest.approx(data.prepared([signal])[0][0], abs=1e-4)


def test_run_end_to_end(data_zip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"stem_channels": 4, "channels": [4, 4, 4, 4], "dilations": [1]}
    monkeypatch.setattr(members, "ARCHITECTURE", {**members.ARCHITECTURE, **small})
    monkeypatch.setattr(members, "TEACHER", replace(members.TEACHER, epochs=1))
    monkeypatch.setattr(members, "STUDENT", replace(members.STUDENT, epochs=1))
    few = partial(measuring.statistic_interval, draws=50)
    monkeypatch.setattr(measuring, "statistic_interval", few)
    metrics = recipe.run(data_zip, tmp_path, seed=3, folds=2, student_count=2, measure_holdout=True)

    assert metrics["holdout"]["records"] == sum(round(0.15 * n) for n in COUNTS.values())
    assert metrics["validation"]["records"] == sum(round(0.10 * n) for n in COUNTS.values())
    low, high = metrics["holdout"]["f1_mean_NAO_ci95"]
    assert low <= metrics["holdout"]["f1_mean_NAO"] <= high
    assert np.sum(metrics["holdout"]["confusion"]) == metrics["holdout"]["records"]
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics

    config = json.loads((tmp_path / "config.json").read_text())["configuration"]
    assert config["members"] == 2  # the students
    network = RhythmNet(**config)
    stored = load_file(tmp_path / "model.safetensors")
    assert all(t.dtype == torch.float16 for t in stored.values() if t.ndim > 1)
    network.load_state_dict(stored)
