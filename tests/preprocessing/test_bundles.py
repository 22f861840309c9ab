"""The recipe that is run is the bundle's own: unknown here, changed here, damaged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from tests.bundles import make_bundle
from tests.conftest import PLUGINS, REPOSITORY

from ecgfoundry.cli.main import main
from ecgfoundry.corpus.standardized import Input
from ecgfoundry.errors import BundleError, FileAccessError, IntegrityError, PreprocessingError
from ecgfoundry.inference.exporting import export_bundle
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.io import sha256_of
from ecgfoundry.models.bundle import InputSpec, load_bundle
from ecgfoundry.models.importing import import_checkpoint
from ecgfoundry.preprocessing import PREPROCESSINGS, get_preprocessing, standardize_windows
from ecgfoundry.recording import Recording

STANDARD = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def foreign() -> dict[str, Any]:
    """A recipe that no registry has."""
    path = PLUGINS / "ecgfoundry_plugin" / "recipes" / "plugin-linear@3.json"
    content: dict[str, Any] = json.loads(path.read_text())
    content.update(name="made-elsewhere", version=7)
    return content


def bundle_with(folder: Path, content: dict[str, Any]) -> Path:
    weights = np.zeros((12, 2))
    weights[:, 0], weights[1, 1] = 1.0, -2.0
    return make_bundle(folder, weights, leads=STANDARD, preprocessing=content)


@pytest.fixture(scope="module")
def recording() -> Recording:
    path = REPOSITORY / "tests" / "fixtures" / "cinc2021" / "HR06005.mat"
    signal = scipy.io.loadmat(path)["val"] / 1000.0
    return Recording.from_array(signal, sampling_rate=500, leads=STANDARD, unit="mV")


def test_a_bundle_with_a_recipe_that_is_unknown_here_runs(tmp_path: Path, recording) -> None:
    folder = bundle_with(tmp_path / "b", foreign())
    with pytest.raises(PreprocessingError, match="there is no preprocessing 'made-elsewhere@7'"):
        get_preprocessing("made-elsewhere@7")
    model = load_model(folder)
    assert model.bundle.input.preprocessing == "made-elsewhere@7"
    assert (model.bundle.input.sampling_rate, model.bundle.input.samples) == (125.0, 1250)
    # The graph's logits are sums of the leads' mean |z|: what the recipe made of the window.
    window = standardize_windows(recording.signal[None], 500, foreign())
    size = np.abs(window[0]).mean(axis=1)
    answer = model.interpret(recording)
    given = [finding.probability for finding in answer.findings]
    wanted = 1 / (1 + np.exp([-size.sum(), 2 * size[1]]))
    np.testing.assert_allclose(given, wanted, rtol=1e-5)
    assert "preprocessing-differs" not in {notice.code for notice in answer.warnings}


def test_it_exports(tmp_path: Path) -> None:
    folder = bundle_with(tmp_path / "b", foreign())
    exported = export_bundle(folder, tmp_path / "export")
    assert json.loads((exported / "preprocessing.json").read_text())["name"] == "made-elsewhere"
    done = subprocess.run(
        [sys.executable, "check.py"], cwd=exported, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if shutil.which("cc") is not None:
        command = ["cc", "-DCHECK", "standardize.c", "-lm", "-o", "check"]
        subprocess.run(command, cwd=exported, check=True)
        subprocess.run([exported / "check"], cwd=exported, check=True)


def test_another_recipe_of_a_known_name_is_run_and_said(tmp_path: Path, recording) -> None:
    content = foreign() | {"name": "ptbxl-bandpass", "version": 1}
    model = load_model(bundle_with(tmp_path / "b", content))
    assert model.bundle.input.samples == 1250  # this installation's makes 2500
    words = "the bundle's own ptbxl-bandpass@1 is run; this installation has another recipe"
    assert (model.bundle.recipe_notice or "").startswith(words)
    notices = {notice.code: notice.message for notice in model.interpret(recording).warnings}
    assert notices["preprocessing-differs"].startswith(words)
    usual = load_model("ptbxl-superclass-12lead")
    assert usual.bundle.recipe_notice is None


def rewrite(folder: Path, content: dict[str, Any]) -> None:
    """Replace the recipe and its file hash, as somebody who edits a bundle by hand would."""
    path = folder / "preprocessing.json"
    path.write_text(json.dumps(content))
    bundle = json.loads((folder / "bundle.json").read_text())
    bundle["files"]["preprocessing.json"] = sha256_of(path)
    (folder / "bundle.json").write_text(json.dumps(bundle))


def test_a_bundle_whose_recipe_was_touched_is_refused(tmp_path: Path) -> None:
    folder = bundle_with(tmp_path / "b", foreign())
    content = json.loads((folder / "preprocessing.json").read_text())
    (folder / "preprocessing.json").write_text(json.dumps(content, indent=1))
    with pytest.raises(IntegrityError, match=r"preprocessing\.json does not have the recorded"):
        load_bundle(folder)
    rewrite(folder, content)  # other spaces, the same document
    assert load_bundle(folder).recipe == get_preprocessing(foreign())
    content["steps"][3]["cutoff_hz"] = 40
    rewrite(folder, content)
    with pytest.raises(BundleError, match=r"but preprocessing\.json holds made-elsewhere@7 with"):
        load_bundle(folder)
    content["steps"][3]["cutof_hz"] = 40
    rewrite(folder, content)
    with pytest.raises(PreprocessingError, match="did you mean 'cutoff_hz'"):
        load_bundle(folder)
    (folder / "preprocessing.json").unlink()
    with pytest.raises(BundleError, match=r"preprocessing\.json is missing"):
        load_bundle(folder)


def test_a_bundle_without_a_recipe_is_refused(tmp_path: Path) -> None:
    folder = bundle_with(tmp_path / "b", foreign())
    bundle = json.loads((folder / "bundle.json").read_text())
    del bundle["files"]["preprocessing.json"]
    (folder / "bundle.json").write_text(json.dumps(bundle))
    with pytest.raises(BundleError, match=r"'preprocessing\.json' is a required property"):
        load_bundle(folder)


def test_the_shipped_bundles_carry_the_recipes_of_this_installation() -> None:
    for name, recipe in (
        ("ptbxl-superclass-12lead", "ptbxl-bandpass@1"),
        ("rhythm-single-lead", "single-lead-rhythm@1"),
        ("rhythm-single-lead-edge", "single-lead-rhythm@1"),
    ):
        assert load_model(name).bundle.recipe == PREPROCESSINGS[recipe]


def test_caches_are_kept_by_the_document_not_by_its_name() -> None:
    """Two recipes of one name, of which the kernels could not tell one unit of epsilon."""
    content = foreign()
    other = foreign()
    other["steps"][7]["epsilon_mv"] = 1e-300
    content["steps"][7]["epsilon_mv"] = 1e-301
    keys, reprs = set(), set()
    for recipe in map(get_preprocessing, (content, other)):
        keys.add(Input(recipe, ("II",)).key("float32"))
        reprs.add(repr(InputSpec("any-single", ("II",), recipe)))  # what stored windows hash
    assert len(keys) == len(reprs) == 2
    assert all(key.startswith("made-elsewhere@7-f32-") for key in keys)


def test_a_file_that_is_not_there_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match=r"none\.json"):
        import_checkpoint(
            tmp_path / "x.pth", architecture="net1d-tiny", leads=12, vocabulary="ecgfounder-150",
            output=tmp_path / "b", preprocessing=tmp_path / "none.json",
        )  # fmt: skip


@pytest.mark.slow
def test_one_file_more_trains_exports_and_verifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One JSON file, and nothing else, from training to the C program."""
    torch = pytest.importorskip("torch")
    from tests.training.small_data import age_table

    torch.set_num_threads(1)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(foreign()))
    (tmp_path / "data").mkdir()
    table = age_table(tmp_path / "data", 12)
    run = tmp_path / "run"
    with pytest.raises(SystemExit) as ended:
        main([
            "finetune", str(table), "--target", "age", "--output", str(run), "--epochs", "1",
            "--model", "net1d-tiny", "--preprocessing", str(recipe), "--threads", "1",
        ])  # fmt: skip
    assert ended.value.code in (0, None)
    bundle = load_bundle(run / "bundle")
    assert bundle.recipe == get_preprocessing(foreign())
    wanted = json.loads((run / "configuration.json").read_text())["input"]
    assert wanted["preprocessing_sha256"] == bundle.recipe.sha256
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["models", "verify", str(run / "bundle")])
    assert ended.value.code in (0, None)
    assert "logits differ by at most" in capsys.readouterr().out
    exported = export_bundle(run / "bundle", tmp_path / "export")
    done = subprocess.run(
        [sys.executable, "check.py"], cwd=exported, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if shutil.which("cc") is not None:
        command = ["cc", "-DCHECK", "standardize.c", "-lm", "-o", "check"]
        subprocess.run(command, cwd=exported, check=True)
        subprocess.run([exported / "check"], cwd=exported, check=True)
