"""What a bundle holds, bit by bit: hashes, limits, defaults, and the order of its checks."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.bundles import make_about

from ecgfoundry.errors import BundleError, IntegrityError
from ecgfoundry.models.bundle import (
    MAXIMUM_BUNDLE_JSON_BYTES,
    Bundle,
    available_bundles,
    cache_folder,
    find_bundle,
    load_bundle,
    sha256_of,
    write_bundle,
)


def write(folder: Path, **changes: Any) -> Path:
    card, weights = folder.parent / "README.md", folder.parent / "weights"
    card.write_text("# tiny\n")
    weights.touch()
    files = {"README.md": card, "model.safetensors": weights}
    return write_bundle(folder, about=make_about(**changes), files=files)


def calibrator(*scale: float) -> dict[str, Any]:
    return {"method": "platt", "scale": list(scale), "offset": [0.0] * len(scale)}


@pytest.mark.parametrize(
    ("content", "digest"),
    # FIPS 180-4, the examples of NIST: "", "abc" and a million times "a".
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ],
)
def test_hashes_are_those_of_the_standard(tmp_path: Path, content: bytes, digest: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == digest


def test_hashes_of_files_longer_than_a_piece(tmp_path: Path) -> None:
    """3 MiB of zeros, by coreutils' sha256sum."""
    (tmp_path / "file").write_bytes(bytes(3 << 20))
    assert sha256_of(tmp_path / "file") == (
        "bbd05cf6097ac9b1f89ea29d2542c1b7b67ee46848393895f5a9e43fa1f621e5"
    )


def test_a_bundle_reads_back(tmp_path: Path) -> None:
    folder = write(tmp_path / "b", lead_mode="any-single", leads=("I", "II"))
    bundle = load_bundle(folder)
    assert (bundle.name, bundle.version, bundle.target_kind) == ("tiny", "1.0.0", "multilabel")
    assert bundle.input.leads == ("I", "II") and bundle.input.rows == 1
    assert (bundle.input.sampling_rate, bundle.input.samples) == (250.0, 2500)
    assert (bundle.input.window_s, bundle.input.recipe.name) == (10.0, "ptbxl-bandpass@1")
    assert bundle.task.exclusive is False
    recipe = (folder / "preprocessing.json").read_bytes()  # a copy travels in every bundle
    assert bundle.document["files"] == {
        "preprocessing.json": hashlib.sha256(recipe).hexdigest(),
        "README.md": "da0f266deed7c2c66f4708aa801d1ecd4aa289d2ee87e9c4525b30c8cba9ac88",
        "model.safetensors": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
    assert bundle.file("README.md") == folder / "README.md"
    with pytest.raises(BundleError, match=r"has no model\.onnx"):
        bundle.file("model.onnx")
    text = (folder / "bundle.json").read_text()
    assert text.endswith("}\n") and text.startswith('{\n  "schema_version": 2,')
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "bundle.json", "model.safetensors", "preprocessing.json",
    ]  # fmt: skip


def test_everybody_may_read_a_bundle(tmp_path: Path) -> None:
    """A temporary folder is its owner's alone; a bundle is not."""
    assert write(tmp_path / "b").stat().st_mode & 0o777 == 0o755


def test_calibration_and_thresholds_of_a_bundle(tmp_path: Path) -> None:
    calibration = {"record": calibrator(1, 2), "window": calibrator(3, 4)}
    thresholds = {"values": [0.25, None], "criterion": "-", "fitted_on": "-"}
    bundle = load_bundle(write(tmp_path / "b", calibration=calibration, thresholds=thresholds))
    fitted = bundle.task.readout.calibration
    scales = [fitted.of(k).scale for k in ("record", "window", "reduced_leads", "other")]
    assert scales == [(1, 2), (3, 4), (1, 2), (1, 2)]
    assert bundle.thresholds == [0.25, None]
    calibration["reduced_leads"] = calibrator(5, 6)
    both = load_bundle(write(tmp_path / "c", calibration=calibration))
    assert both.task.readout.calibration.of("reduced_leads").scale == (5, 6)
    assert both.thresholds == [None, None]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"calibration": {"record": calibrator(1, 2), "window": calibrator(1, 2, 3)}},
         "calibration.window.scale has 3 values for 2 targets"),
        ({"calibration": {"record": calibrator(1), "window": calibrator(1, 2)}},
         "calibration.record.scale has 1 values for 2 targets"),
        ({"thresholds": {"values": [0.1] * 3, "criterion": "-", "fitted_on": "-"}},
         "thresholds has 3 values for 2 targets"),
        ({"target_kind": "regression", "regression": {"scale": [1.0], "offset": [1.0, 2.0]}},
         "regression.scale has 1 values for 2 targets"),
        ({"target_kind": "regression", "regression": {"scale": [1.0, 2.0], "offset": [1.0]}},
         "regression.offset has 1 values for 2 targets"),
        ({"target_kind": "regression",
          "regression": {"scale": [1.0, 2.0], "offset": [1.0, 2.0],
                         "residual_quantiles": [[-1.0, 1.0]]}},
         "regression.residual_quantiles has 1 values for 2 targets"),
        ({"preprocessing": "ptbxl-bandpass@1", "input": {
            "lead_mode": "exact", "leads": ["I"], "sampling_rate": 500, "samples": 2500,
            "preprocessing": "ptbxl-bandpass@1", "preprocessing_sha256": "0" * 64}},
         "2500 samples at 500 Hz, but ptbxl-bandpass@1 makes 2500 at 250 Hz"),
    ],
)  # fmt: skip
def test_lists_have_one_entry_per_target(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(BundleError, match=words):
        write(tmp_path / "b", **changes)
    assert not (tmp_path / "b").exists()


def test_how_many_problems_there_are_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"target_kind.*guess.*\)?") as one:
        write(tmp_path / "b", target_kind="a guess")
    assert "more)" not in str(one.value)
    with pytest.raises(BundleError, match=r"\(and 1 more\)"):
        write(tmp_path / "b", target_kind="a guess", metrics=3)
    with pytest.raises(BundleError, match=r"\(and 2 more\)"):
        write(tmp_path / "b", target_kind="a guess", metrics=3, licence=7)


def test_a_description_has_at_most_eight_million_bytes(tmp_path: Path) -> None:
    assert MAXIMUM_BUNDLE_JSON_BYTES == 8_000_000
    path = write(tmp_path / "b") / "bundle.json"
    text = path.read_text()
    path.write_text(text + " " * (8_000_000 - len(text)))
    assert load_bundle(tmp_path / "b").name == "tiny"
    path.write_text(text + " " * (8_000_001 - len(text)))
    with pytest.raises(BundleError, match="larger than any bundle description"):
        load_bundle(tmp_path / "b")


def test_hashes_are_compared_unless_that_is_waived(tmp_path: Path) -> None:
    folder = write(tmp_path / "b")
    (folder / "README.md").write_text("# Tiny\n")
    with pytest.raises(IntegrityError):
        load_bundle(folder)
    assert isinstance(load_bundle(folder, verify=False), Bundle)


def test_only_a_bundle_or_an_empty_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert load_bundle(write(tmp_path / "empty")).name == "tiny"
    write(tmp_path / "empty", name="second")
    assert load_bundle(tmp_path / "empty").name == "second"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BundleError, match="exists and is no bundle"):
        write(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "README.md", "empty", "file", "weights",
    ]  # fmt: skip


def test_where_bundles_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECGFOUNDRY_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("ECGFOUNDRY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "ecgfoundry"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "ecgfoundry"
    models = tmp_path / "home" / ".cache" / "ecgfoundry" / "models"
    models.mkdir(parents=True)
    write(models / "rhythm-single-lead")  # a shipped name is not taken over by a pulled one
    write(models / "own")
    (models / "no-bundle").mkdir()
    known = available_bundles()
    assert {"rhythm-single-lead", "rhythm-single-lead-edge", "ptbxl-superclass-12lead", "own"} <= (
        set(known)
    )
    assert "no-bundle" not in known and known["own"] == models / "own"
    assert known["rhythm-single-lead"] != models / "rhythm-single-lead"
    assert find_bundle(models / "own") == models / "own"
    assert find_bundle("own") == models / "own"


def test_a_missing_description_says_how_one_is_made(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle\.json.*ecgfoundry models import"):
        load_bundle(tmp_path)
    folder = write(tmp_path / "b")
    document = json.loads((folder / "bundle.json").read_text())
    document["files"]["model.onnx"] = "0" * 64
    (folder / "bundle.json").write_text(json.dumps(document))
    with pytest.raises(BundleError, match=r"model\.onnx is missing"):
        load_bundle(folder)
