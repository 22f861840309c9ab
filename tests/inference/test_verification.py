"""Verification finds wrong graphs and wrong recipes; calibration is written into a new bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.bundles import make_bundle

from ecgfoundry.errors import ManifestError, VerificationError
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.inference.recalibration import recalibrate
from ecgfoundry.inference.verification import (
    compare_preprocessing,
    compare_runtimes,
    probe_windows,
)
from ecgfoundry.manifest import ManifestRow, read_manifest, read_recordings, write_manifest
from ecgfoundry.models.bundle import load_bundle, shipped_folder
from ecgfoundry.recording import Recording

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")


def test_probe_windows_are_reproducible_and_have_absent_leads() -> None:
    spec = load_bundle(shipped_folder() / "ptbxl-superclass-12lead").input
    x = probe_windows(spec)
    np.testing.assert_array_equal(x, probe_windows(spec))
    absent = np.isnan(x).all(axis=2)
    assert absent[:4].any() and not absent[4:].any() and not absent.all(axis=1).any()


@pytest.mark.parametrize("name", ["rhythm-single-lead", "ptbxl-superclass-12lead"])
def test_shipped_graphs_agree_with_their_weights(name: str) -> None:
    pytest.importorskip("torch", reason="comparing with the weights needs PyTorch")
    assert compare_runtimes(load_bundle(shipped_folder() / name)) <= 1e-4


def test_a_graph_of_other_weights_is_found(tmp_path: Path) -> None:
    """The graph of one bundle with the weights of another: hashes hold, numbers do not."""
    torch = pytest.importorskip("torch", reason="comparing with the weights needs PyTorch")
    from safetensors.torch import load_file, save_file

    from ecgfoundry.models.bundle import write_bundle

    bundle = load_bundle(shipped_folder() / "ptbxl-superclass-12lead")
    state = load_file(bundle.file("model.safetensors"))
    name = max(state, key=lambda key: state[key].numel())
    state[name] = (state[name].float() * 1.05).to(torch.float16)
    save_file(state, tmp_path / "changed.safetensors")
    files = {file: bundle.file(file) for file in bundle.about.files}
    files["model.safetensors"] = tmp_path / "changed.safetensors"
    wrong = load_bundle(write_bundle(tmp_path / "wrong", about=bundle.about, files=files))
    with pytest.raises(VerificationError, match="at most 1e-04 is allowed"):
        compare_runtimes(wrong)


WEIGHTS = np.array([[4.0, 0], [0, 4], [0, 0]])


def make_manifest(folder: Path, count: int = 30) -> Path:
    """Recordings whose lead I is broad (A) or narrow: mean |z| tells them apart."""
    generator = np.random.default_rng(5)
    rows = []
    time = np.arange(2500) / 250
    for k in range(count):
        label = k % 2
        width = 0.03 if label else 0.012
        x = np.exp(-0.5 * (((time % 1.0) - 0.5) / width) ** 2)
        signal = np.stack([x, x, x]) + generator.normal(0, 0.01, (3, 2500))
        recording = Recording.from_array(
            signal, sampling_rate=250, leads=("I", "II", "V1"), unit="mV"
        )
        header = write_wfdb(recording, folder, f"r{k}")
        rows.append(ManifestRow(f"r{k}", header.name, targets={"A": float(label)}))
    rows.append(ManifestRow("gone", "gone.hea", targets={"A": 1.0}))
    return write_manifest(folder / "m.csv", rows)


def test_recipes_are_compared_on_a_manifest(tmp_path: Path) -> None:
    predictor = load_model(
        make_bundle(tmp_path / "b", WEIGHTS, preprocessing="ecgfounder-finetune@1")
    )
    scores = compare_preprocessing(predictor, read_manifest(make_manifest(tmp_path)))
    assert {score.preprocessing for score in scores} == {
        "ecgfounder-finetune@1",
        "ecgfounder-paper@1",
        "ecgfounder-ptbxl-eval@1",
    }
    assert all(score.records == 30 and list(score.skipped) == ["gone"] for score in scores)
    assert scores == sorted(scores, key=lambda score: -score.macro)
    assert scores[0].auroc["A"] == 1.0
    with pytest.raises(ManifestError, match="no target column"):
        compare_preprocessing(
            load_model("ptbxl-superclass-12lead"), read_manifest(tmp_path / "m.csv")
        )


def test_calibration_is_fitted_and_the_weights_stay(tmp_path: Path) -> None:
    before = load_model(make_bundle(tmp_path / "b", WEIGHTS))
    data = read_recordings(make_manifest(tmp_path))
    manifest = data.manifest
    result = recalibrate(before, data, tmp_path / "calibrated")
    assert list(result.skipped) == ["gone"]
    after = load_model(tmp_path / "calibrated")
    files = dict(after.bundle.document["files"])
    assert files.pop("calibrated-on.npy")  # the fingerprints of the 30 records
    assert files == before.bundle.document["files"]
    spiky, smooth = manifest.open(manifest.rows[1]), manifest.open(manifest.rows[0])
    assert after.interpret(spiky).finding("A").present is True
    assert after.interpret(smooth).finding("A").present is False
    assert after.interpret(spiky).finding("A").calibrated
    assert not after.interpret(spiky).finding("B").calibrated
    assert after.interpret(spiky).finding("B").present is None  # it had no labels
