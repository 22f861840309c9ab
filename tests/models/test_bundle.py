"""Bundles: written whole or not at all, and refused when anything about them does not hold."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.bundles import make_about, make_bundle

from ecgfoundry.errors import BundleError, IntegrityError, ModelNotFoundError
from ecgfoundry.models.bundle import available_bundles, find_bundle, load_bundle, write_bundle

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

WEIGHTS = np.array([[1.0, 0], [0, 1], [0, 0]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "tiny", WEIGHTS)


def change(folder: Path, **fields: object) -> None:
    path = folder / "bundle.json"
    document = json.loads(path.read_text())
    for key, value in fields.items():
        target = document
        *parents, last = key.split("__")
        for parent in parents:
            target = target[parent]
        target[last] = value
    path.write_text(json.dumps(document))


def test_a_bundle_is_what_was_written(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.name == "tiny" and bundle.vocabulary.names == ("A", "B")
    assert bundle.input.samples == 2500 and bundle.thresholds == [None, None]
    assert bundle.task.readout.calibration is None
    assert sorted(bundle.document["files"]) == [
        "README.md", "model.onnx", "model.safetensors", "preprocessing.json",
    ]  # fmt: skip


def test_a_changed_or_missing_file_is_refused(folder: Path) -> None:
    (folder / "README.md").write_text("other")
    with pytest.raises(IntegrityError, match="README.md does not have the recorded SHA-256"):
        load_bundle(folder)
    (folder / "README.md").unlink()
    with pytest.raises(BundleError, match="README.md is missing"):
        load_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"1, 2, 3", b"\x93NUMPY\x01\x00v\x00{'descr'"])
def test_an_array_of_a_bundle_is_one_or_is_refused(folder: Path, content: bytes) -> None:
    bundle = load_bundle(folder)
    assert bundle.array("numbers.npy") is None
    (folder / "README.md").write_bytes(content)
    with pytest.raises(BundleError, match="is no array"):
        bundle.array("README.md")
    np.save(folder / "numbers.npy", np.arange(3.0))
    (folder / "numbers.npy").replace(folder / "README.md")
    found = bundle.array("README.md")
    assert found is not None and found.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target_kind": "a guess"}, "breaks the bundle schema: target_kind"),
        ({"target_kind": "guess"}, "of the kind 'guess', which is not known here"),
        ({"surprise": 1}, "surprise"),
        ({"input__samples": 5000}, "ptbxl-bandpass@1 makes 2500"),
        ({"thresholds": {"values": [0.5], "criterion": "-", "fitted_on": "-"}}, "1 values for 2"),
        ({"target_kind": "regression"}, "needs 'regression'"),
        ({"files": {"../x": "0" * 64}}, "files"),
        ({"schema_version": 1}, "schema_version"),
    ],
)
def test_contradictions_are_refused(folder: Path, fields: dict, message: str) -> None:
    change(folder, **fields)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"[]"])
def test_no_content_of_bundle_json_gets_through(folder: Path, content: bytes) -> None:
    (folder / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError):
        load_bundle(folder)


def test_a_bundle_is_never_half_written(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(BundleError, match="breaks the bundle schema"):
        write_bundle(target, about=make_about(target_kind="guess"), files={})
    assert list(tmp_path.iterdir()) == []
    target.mkdir()
    (target / "precious.txt").write_text("mine")
    with pytest.raises(BundleError, match="is no bundle"):
        write_bundle(target, about=make_about(), files={})
    assert (target / "precious.txt").read_text() == "mine"


def test_one_of_two_that_are_written_together_stays_whole(folder: Path, tmp_path: Path) -> None:
    bundle, target, failures = load_bundle(folder), tmp_path / "target", []
    files = {name: folder / name for name in bundle.about.files}

    def write() -> None:
        try:
            for _ in range(40):
                write_bundle(target, about=bundle.about, files=files)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert load_bundle(target).name == "tiny"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_bundle_that_is_being_written_is_not_there_yet(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGFOUNDRY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    models = tmp_path / "cache" / "models"
    models.mkdir()
    folder.rename(models / ".tiny.abcdefgh")
    assert ".tiny.abcdefgh" not in available_bundles()
    (models / ".tiny.abcdefgh").rename(models / "tiny")
    assert available_bundles()["tiny"] == models / "tiny"


def test_names_that_do_not_exist_say_what_does(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ECGFOUNDRY_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="rhythm-single-lead"):
        find_bundle("nothing")
    with pytest.raises(ModelNotFoundError, match="models pull ecgfounder-12lead"):
        find_bundle("ecgfounder-12lead")
    with pytest.raises(ModelNotFoundError, match="has no bundle.json"):
        find_bundle(tmp_path)
    make_bundle(tmp_path / "models" / "pulled", WEIGHTS, name="pulled")
    assert find_bundle("pulled") == tmp_path / "models" / "pulled"
