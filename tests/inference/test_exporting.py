"""An exported model agrees with itself in a clean interpreter and in C, and notices damage."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from tests.conftest import REPOSITORY

from ecgfoundry.cli.main import main
from ecgfoundry.errors import BundleError, FileAccessError
from ecgfoundry.inference.exporting import export_bundle
from ecgfoundry.models.export import write_preprocessing
from ecgfoundry.preprocessing import PREPROCESSINGS, get_preprocessing, standardize_window

ALLOWED = """
import sys

class OnlyThese:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("ecgfoundry", "scipy", "torch", "onnx", "polars"):
            raise ModuleNotFoundError(f"not in this environment: {name}", name=name)

sys.meta_path.insert(0, OnlyThese())
sys.path.insert(0, ".")
"""


def run_check(folder: Path) -> subprocess.CompletedProcess[str]:
    """``python check.py`` where neither ecgfoundry nor SciPy nor PyTorch can be imported."""
    code = ALLOWED + "import check; raise SystemExit(check.main())"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip


def compile_check(folder: Path, level: str = "-O2") -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    command = [compiler, "-std=c99", level, "-Wall", "-Werror", "-DCHECK", "standardize.c", "-lm",
               "-o", "check"]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True)
    return folder / "check"


def in_the_folder(folder: Path, code: str) -> object:
    """What a program prints that has the folder and NumPy alone."""
    done = subprocess.run(
        [sys.executable, "-c", ALLOWED + code], cwd=folder, capture_output=True, text=True,
        check=True, timeout=300,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_logits_become_answers_as_the_readme_says(tmp_path: Path) -> None:
    """Expected numbers worked out by hand from scale, offset, softmax and sigmoid."""
    folder = export_bundle("rhythm-single-lead-edge", tmp_path / "rhythm")
    document = json.loads((folder / "model.json").read_text())
    document["calibration"] = {
        "record": {"method": "vector", "scale": [2.0, 1.0, 1.0, 1.0], "offset": [0.0, 1.0, 0, 0]},
        "window": {"method": "vector", "scale": [1.0] * 4, "offset": [0.0] * 4},
        "fitted_on": "by hand",
    }
    (folder / "model.json").write_text(json.dumps(document))
    code = (
        "import json, answers as a; x = [[0.0, 1.0, 0.0, 0.0], [2.0, 1.0, 0.0, 0.0]]; "
        "s = a.answer(x); print(json.dumps([list(s.values()), a.present(s), "
        "list(a.answer(x[1], 'window').values()), "
        "list(a.answer(x[1], 'short_window').values())]))"
    )
    record, present, window, short = in_the_folder(folder, code)  # type: ignore[misc]
    assert short == window  # where there is none of short windows
    # Means 1, 1, 0, 0 become 2, 2, 0, 0; e^2 / (2 e^2 + 2) = 0.4403985.
    np.testing.assert_allclose(record, [0.4403985, 0.4403985, 0.0596015, 0.0596015], atol=1e-7)
    assert list(present.values()).count(True) == 1
    # e^2, e, 1, 1 over their sum of 12.1073379.
    np.testing.assert_allclose(window, [0.6102957, 0.2245152, 0.0825945, 0.0825945], atol=1e-6)
    readme = (folder / "README.md").read_text()
    assert "softmax over the classes of (scale * logit + offset)" in readme
    assert "`window` for a window by itself" in readme and "answers.py" in readme

    folder = export_bundle("ptbxl-superclass-12lead", tmp_path / "classes")
    document = json.loads((folder / "model.json").read_text())
    document["calibration"] = {"record": {"scale": [1.0] * 5, "offset": [0.0] * 5}}
    document["thresholds"]["values"] = [0.6, 0.5, None, 0.5, 0.5]
    (folder / "model.json").write_text(json.dumps(document))
    code = (
        "import json, answers as a; s = a.answer([0.0, 0.0, 1.0, -1.0, 800.0], 'reduced_leads'); "
        "print(json.dumps([list(s.values()), list(a.present(s).values())]))"
    )
    values, present = in_the_folder(folder, code)  # type: ignore[misc]
    np.testing.assert_allclose(values, [0.5, 0.5, 0.7310586, 0.2689414, 1.0], atol=1e-7)
    assert present == [False, True, None, False, True]
    assert "sigmoid(scale * logit + offset)" in (folder / "README.md").read_text()

    # Of sinus rhythm with tachycardia, and fibrillation, the more probable one is claimed.
    document["exclusive_targets"] = [[0, 2], [1, 2]]
    document["thresholds"]["values"] = [0.5, 0.5, 0.5, None, None]
    (folder / "model.json").write_text(json.dumps(document))
    code = (
        "import json, answers as a; print(json.dumps([list(a.present(a.answer([*x, 0.0, 0.0], "
        "'record')).values())[:3] for x in ([1, 3, 2], [-1, 1, 2], [1, -1, 1])]))"
    )
    claims = in_the_folder(folder, code)
    assert claims == [[True, True, None], [False, None, True], [True, False, None]]


@pytest.mark.parametrize(
    "model",
    ["rhythm-single-lead", pytest.param("ptbxl-superclass-12lead", marks=pytest.mark.slow)],
)
def test_an_export_agrees_where_only_numpy_and_the_runtime_are(model: str, tmp_path: Path) -> None:
    folder = export_bundle(model, tmp_path / "export")
    done = run_check(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["agrees"]
    program = compile_check(folder)
    assert subprocess.run([program], cwd=folder, check=False).returncode == 0
    assert not any(b"/tmp" in path.read_bytes() for path in folder.glob("*.json"))


@pytest.mark.slow
def test_openvino_export(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    folder = tmp_path / "export"
    command = ["models", "export", "rhythm-single-lead", "--output", str(folder)]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--format", "openvino"])
    assert ended.value.code == 0
    assert (folder / "model.xml").exists() and not (folder / "model.onnx").exists()
    done = run_check(folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_recipe_is_noticed(tmp_path: Path) -> None:
    folder = export_bundle("rhythm-single-lead", tmp_path / "export")
    recipe = json.loads((folder / "preprocessing.json").read_text())
    (clip,) = (step for step in recipe["steps"] if step["step"] == "clip")
    clip["limit_sd"] = 3.0
    (folder / "preprocessing.json").write_text(json.dumps(recipe))
    assert run_check(folder).returncode == 1
    header = folder / "recipe.h"
    header.write_text(header.read_text().replace("{CLIP, 0, 15.0, 0.0}", "{CLIP, 0, 3.0, 0.0}"))
    program = compile_check(folder)
    assert subprocess.run([program], cwd=folder, check=False).returncode == 1


RATES = (250.0, 500.0, 257.0, 1000.0)


def write_cases(folder: Path, name: str) -> None:
    """A recipe as exported, four windows with gaps and an absent lead, and what they become."""
    recipe = get_preprocessing(name)
    folder.mkdir()
    write_preprocessing(folder, recipe)
    path = REPOSITORY / "tests" / "fixtures" / "cinc2021" / "HR06005.mat"
    record = (scipy.io.loadmat(path)["val"] / 1000.0).astype(np.float32)[:4]
    raw, wanted, lines = [], [], []
    for rate, seconds in zip(RATES, (10.0, 2.6, 7.0, 2.5), strict=True):
        samples = round(seconds * min(1.0, recipe.window_s / 10) * rate)
        window = record[:, :samples].copy()
        window[1, 300:700] = np.nan
        window[3] = np.nan
        raw.append(window)
        wanted.append(standardize_window(window, rate, name))
        lines.append(f"4 {samples} {rate}\n")
    assert wanted[0].shape[1] == recipe.samples
    np.savez(folder / "cases.npz", **{f"r{k}": x for k, x in enumerate(raw)},
             **{f"w{k}": x for k, x in enumerate(wanted)})  # fmt: skip
    (folder / "golden.txt").write_text("".join(lines))
    (folder / "golden_raw.f32").write_bytes(b"".join(x.tobytes() for x in raw))
    (folder / "golden_standardized.f32").write_bytes(b"".join(x.tobytes() for x in wanted))


def test_every_recipe_is_the_same_in_numpy(tmp_path: Path) -> None:
    """At several rates, against the function that all rooms call; SciPy cannot be imported."""
    for name in PREPROCESSINGS:
        write_cases(tmp_path / name, name)
    code = f"""
import json, os
import numpy as np
worst = {{}}
for name in {list(PREPROCESSINGS)}:
    os.chdir(os.path.join({str(tmp_path)!r}, name))
    for module in ("preprocessing", "filter_design"):
        sys.modules.pop(module, None)
    from preprocessing import standardize
    cases = np.load("cases.npz")
    for k, rate in enumerate({RATES}):
        given, wanted = standardize(cases[f"r{{k}}"], rate), cases[f"w{{k}}"]
        assert (np.isnan(given) == np.isnan(wanted)).all(), (name, k)
        worst[f"{{name}} {{k}}"] = float(np.nanmax(np.abs(given - wanted)))
print(json.dumps(worst))
"""
    worst = in_the_folder(tmp_path, code)
    assert isinstance(worst, dict) and len(worst) == 4 * len(PREPROCESSINGS)
    assert max(worst.values()) <= 1e-4, worst


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_every_recipe_is_the_same_in_c(name: str, tmp_path: Path) -> None:
    write_cases(tmp_path / "c", name)
    program = compile_check(tmp_path / "c", "-O1")
    done = subprocess.run([program], cwd=tmp_path / "c", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(FileAccessError, match="not empty"):
        export_bundle("rhythm-single-lead", tmp_path / "full")
    with pytest.raises(BundleError, match="Known are onnx, openvino"):
        export_bundle("rhythm-single-lead", tmp_path / "other", format="papyrus")
    assert not (tmp_path / "other").exists()
