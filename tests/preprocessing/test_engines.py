"""Engines know steps, not recipes: what the kernels take of a sequence, all engines and SciPy.

The recipes here were released by nobody: those of the test plugin, and changes of them.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.signal as ss
from numpy.typing import NDArray
from tests.conftest import PLUGINS

from ecgfoundry import native
from ecgfoundry.errors import BundleError, PreprocessingError
from ecgfoundry.models.export import recipe_header, write_preprocessing
from ecgfoundry.preprocessing import (
    PREPROCESSINGS,
    Preprocessing,
    design,
    get_preprocessing,
    standardize_windows,
)
from ecgfoundry.preprocessing.native import plan
from ecgfoundry.preprocessing.steps import (
    BlankGaps,
    Circumstances,
    Clip,
    KeepEvery,
    Padding,
    ZScore,
    gaps_at,
)

needs_kernels = pytest.mark.skipif(
    not native.status().available, reason=f"no compiled kernels: {native.status().reason}"
)
Array = NDArray[Any]


@pytest.fixture
def record(fixtures: Path) -> Array:
    """A 12-lead record at 500 Hz, 10 s, in mV."""
    return scipy.io.loadmat(fixtures / "cinc2021" / "HR06005.mat")["val"] / 1000.0


def document(name: str = "plugin-linear@3") -> dict[str, Any]:
    path = PLUGINS / "ecgfoundry_plugin" / "recipes" / f"{name}.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


# --- single steps ---------------------------------------------------------------------------------

NOW = Circumstances(100.0, 100.0, np.zeros((2, 4), dtype=bool), None)
X = np.array([[1.0, 2.0, 3.0, 6.0], [-1.0, -1.0, -1.0, -1.0]])


def test_every_second_sample_starts_with_the_first() -> None:
    np.testing.assert_array_equal(KeepEvery(2).run(X, NOW), [[1, 3], [-1, -1]])
    np.testing.assert_array_equal(KeepEvery(3).run(X, NOW), [[1, 6], [-1, -1]])
    assert KeepEvery(4).rate_after(500.0) == 125.0


def test_the_z_score_of_a_window_and_of_a_lead() -> None:
    # Lead 1: mean 3, deviation sqrt((4 + 1 + 0 + 9) / 4) = sqrt(3.5).
    each = ZScore("lead", 0.0, 1e-6).run(X, NOW)
    np.testing.assert_allclose(each[0], np.array([-2, -1, 0, 3]) / 3.5**0.5, rtol=1e-15)
    np.testing.assert_array_equal(each[1], 0.0)
    # Both: mean 1, squares 0 1 4 25 and four times 4: deviation sqrt(46 / 8).
    joint = ZScore("window", 0.25, 0.0).run(X, NOW)
    np.testing.assert_allclose(joint[0], np.array([0, 1, 2, 5]) / (5.75**0.5 + 0.25), rtol=1e-15)
    np.testing.assert_allclose(joint[1], -2 / (5.75**0.5 + 0.25), rtol=1e-15)
    with_epsilon = ZScore("lead", 0.5, 0.0).run(X, NOW)
    np.testing.assert_allclose(with_epsilon[0, 3], 3 / (3.5**0.5 + 0.5), rtol=1e-15)


@pytest.mark.parametrize(("limit", "flat"), [(2.398, True), (2.397, False)])
def test_the_flat_limit_is_one_of_the_deviation(limit: float, flat: bool) -> None:
    """sqrt(5.75) is 2.39792 mV."""
    assert (not ZScore("window", 0.0, limit).run(X, NOW).any()) == flat


def test_clipping_keeps_the_sign() -> None:
    np.testing.assert_array_equal(Clip(2.5).run(X, NOW)[0], [1, 2, 2.5, 2.5])
    np.testing.assert_array_equal(Clip(0.5).run(X, NOW)[1], [-0.5] * 4)


def test_gaps_are_blanked_at_their_times() -> None:
    gaps = np.zeros((2, 4), dtype=bool)
    gaps[0, 2] = True  # from 15 ms to 25 ms at 100 Hz
    now = Circumstances(200.0, 100.0, gaps, None)
    given = BlankGaps().run(np.ones((2, 8)), now)
    np.testing.assert_array_equal(given[0], [1, 1, 1, 0, 0, 0, 1, 1])  # halves go to even samples
    np.testing.assert_array_equal(given[1], 1)
    np.testing.assert_array_equal(gaps_at(5, 50.0, 8, 100.0), [0, 2, 4, 6, 7])


def test_padding_stands_on_its_side() -> None:
    np.testing.assert_array_equal(
        Padding("left", -0.5, False).run(X, 6)[0], [-0.5, -0.5, 1, 2, 3, 6]
    )
    np.testing.assert_array_equal(Padding("right", 2.0, False).run(X, 5)[0], [1, 2, 3, 6, 2])
    np.testing.assert_array_equal(Padding("right", 2.0, False).run(X, 3), X)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("kind", ["low", "high"])
def test_designs_of_every_order_are_scipys(order: int, kind: str) -> None:
    make = design.low_pass if kind == "low" else design.high_pass
    ours = make(order, 35.0, 360.0)
    b, a = ss.butter(order, 35.0, btype=kind, fs=360)
    product_b, product_a = np.array([1.0]), np.array([1.0])
    for section in ours.sections:
        product_b = np.convolve(product_b, section[:3])
        product_a = np.convolve(product_a, section[3:])
    extra = len(product_a) - len(a)  # a section of first order ends in zeros
    np.testing.assert_allclose(product_a, [*a, *[0.0] * extra], atol=1e-12)
    np.testing.assert_allclose(product_b * ours.gain, [*b, *[0.0] * extra], atol=1e-12)
    assert ours.pad == 3 * len(b)


# --- what the kernels take ------------------------------------------------------------------------

WHOLE, PART, NONE = "whole", "part", "none"
TAKEN = {
    "ecgfounder-finetune@1": (WHOLE, [], []),
    "ecgfounder-paper@1": (WHOLE, [], []),
    "ecgfounder-ptbxl-eval@1": (NONE, ["fill-gaps", "z-score", "resample"], []),
    "ptbxl-bandpass@1": (PART, ["fill-gaps", "resample"], ["blank-gaps"]),
    "single-lead-rhythm@1": (PART, ["fill-gaps", "resample"], ["blank-gaps"]),
    "twelve-lead-100hz@1": (PART, ["fill-gaps", "resample"], ["blank-gaps"]),
    "plugin-linear@3": (WHOLE, [], []),
    "plugin-polyphase@1": (
        NONE, ["fill-gaps", "resample", "notch", "butterworth", "z-score", "blank-gaps"], [],
    ),
}  # fmt: skip


def taken(recipe: Preprocessing) -> tuple[str, list[str], list[str]]:
    made = plan(recipe, None)
    how = NONE if made.kernel is None else WHOLE if made.whole else PART
    return how, [step.kind for step in made.before], [step.kind for step in made.after]


@pytest.mark.parametrize("name", TAKEN)
def test_the_kernels_take_as_much_as_they_can(name: str) -> None:
    assert taken(PREPROCESSINGS[name]) == TAKEN[name]


def variants() -> Iterator[tuple[str, dict[str, Any], str]]:
    """Documents that differ from those of the plugin, and what the kernels take of them."""
    content = document()
    content["padding"].update(side="left", value_sd=-0.25)
    yield "padded on the left", content, PART
    content = document()
    content["steps"].pop()
    content["padding"] = {"side": "right", "counted_in_scaling": True, "value_mv": 0}
    yield "padding counts", content, WHOLE
    content = document()
    content["padding"] = {"side": "right", "counted_in_scaling": True, "value_mv": 0}
    yield "padding counts and is clipped", content, NONE
    content = document()
    content["padding"] = {"side": "left", "counted_in_scaling": True, "value_mv": 0.5}
    yield "padding of half a millivolt counts", content, NONE
    content = document()
    content["steps"].insert(3, content["steps"].pop(6))
    yield "decimation before the filters", content, NONE
    content = document()
    content["steps"][0]["method"] = "line"
    content["steps"][1]["method"] = "polyphase"
    yield "filled by lines, then one z-score", content, PART
    content = document()
    content["steps"][5:6] = [{"step": "clip", "limit_mv": 1.5}]
    yield "clipped in mV", content, NONE
    content = document()
    content["steps"] = content["steps"][:7]
    content["padding"] = {"side": "right", "counted_in_scaling": False, "value_mv": 0}
    yield "millivolts", content, NONE
    content = document()
    content["steps"][4].update(order=9)
    yield "more sections than the kernels have", content, NONE
    content = document()
    content["steps"][7].update(over="lead", epsilon_mv=0, flat_below_mv=1e-5)
    content["steps"].append({"step": "blank-gaps"})
    yield "each lead, and gaps blanked", content, PART


VARIANTS = {name: (content, how) for name, content, how in variants()}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_kernels_take_what_they_can_of_a_variant(name: str) -> None:
    content, how = VARIANTS[name]
    assert taken(get_preprocessing(content))[0] == how


def windows_of(record: Array) -> list[tuple[Array, float]]:
    """Whole, short, with gaps and an absent lead, at three rates."""
    gaps = record[:3, :2570].copy()
    gaps[1, 300:700] = np.nan
    gaps[2] = np.nan
    return [(record[:3], 500.0), (record[3:5, :2600], 500.0), (gaps, 257.0), (gaps, 1000.0)]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_engine_gives_the_same(
    name: str, record: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = get_preprocessing(VARIANTS[name][0])
    write_preprocessing(tmp_path, recipe)
    for file in ("preprocessing", "filter_design"):
        sys.modules.pop(file, None)
    monkeypatch.syspath_prepend(tmp_path)
    spec = importlib.util.spec_from_file_location("preprocessing", tmp_path / "preprocessing.py")
    assert spec is not None and spec.loader is not None
    exported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exported)
    monkeypatch.delitem(sys.modules, "filter_design")
    raw, wanted, lines = b"", b"", ""
    for window, rate in windows_of(record):
        window = window.astype(np.float32)
        monkeypatch.setenv(native.VARIABLE, "0")
        reference = standardize_windows(window[None], rate, recipe)[0]
        monkeypatch.delenv(native.VARIABLE)
        others = {
            "kernels": standardize_windows(window[None], rate, recipe)[0],
            "exported": exported.standardize(window, rate),
            **as_tensor(window, rate, recipe),
        }
        for engine, given in others.items():
            np.testing.assert_array_equal(np.isnan(given), np.isnan(reference), engine)
            assert np.nanmax(np.abs(given - reference)) <= 1e-4, engine
        raw += window.tobytes()
        wanted += reference.tobytes()
        lines += f"{window.shape[0]} {window.shape[1]} {rate}\n"
    (tmp_path / "golden_raw.f32").write_bytes(raw)
    (tmp_path / "golden_standardized.f32").write_bytes(wanted)
    (tmp_path / "golden.txt").write_text(lines)
    run_in_c(tmp_path)


def as_tensor(window: Array, rate: float, recipe: Preprocessing) -> dict[str, Array]:
    """The result of tensors, where PyTorch is there and the recipe has a form there."""
    if importlib.util.find_spec("torch") is None or recipe.steps[0].method != "zero":  # type: ignore[attr-defined]
        return {}
    import torch

    from ecgfoundry.preprocessing.tensors import standardize_tensor

    return {"tensors": standardize_tensor(torch.from_numpy(window[None]), rate, recipe)[0].numpy()}


def run_in_c(folder: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        return
    command = [compiler, "-std=c99", "-O1", "-Wall", "-Werror", "-DCHECK", "standardize.c", "-lm",
               "-o", "check"]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run([folder / "check"], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


# --- the plugin's recipes, written out in SciPy ---------------------------------------------------


def plain_linear(x: Array) -> Array:
    """At 500 Hz, where linear to 250 Hz is every second sample."""
    x = x[:, ::2].astype(np.float32).astype(np.float64)
    b, a = ss.iirnotch(60, 20, 250)
    x = ss.filtfilt(b, a, x)
    for order, cutoff, kind in ((5, 45, "low"), (3, 0.4, "high")):
        x = ss.sosfiltfilt(ss.butter(order, cutoff, kind, fs=250, output="sos"), x)
    x = x - np.stack([ss.medfilt(lead, 151) for lead in x])
    x = x[:, ::2]
    return np.clip((x - x.mean()) / (x.std() + 1e-6), -12, 12)


def plain_polyphase(x: Array, mains: tuple[float, ...]) -> Array:
    x = np.stack([ss.resample_poly(lead, 2, 5, padtype="line") for lead in x])
    for frequency in mains:
        x = ss.filtfilt(*ss.iirnotch(frequency, 25, 200), x)
    x = ss.filtfilt(*ss.butter(2, [0.5, 35], "band", fs=200), x)
    return (x - x.mean(axis=1, keepdims=True)) / (x.std(axis=1, keepdims=True) + 1e-3)


@pytest.mark.parametrize("kernels", [pytest.param("auto", marks=needs_kernels), "0"])
def test_the_added_recipes_are_what_scipy_computes(
    kernels: str, record: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.VARIABLE, kernels)
    given = standardize_windows(record[None], 500, "plugin-linear@3")[0]
    assert given.shape == (12, 1250)
    assert np.abs(given - plain_linear(record)).max() <= 1e-4
    for mains, wanted in ((None, (50.0, 60.0)), (50.0, (50.0,))):
        given = standardize_windows(record[None], 500, "plugin-polyphase@1", mains_frequency=mains)
        assert given.shape == (1, 12, 4000) and not given[0, :, 2000:].any()
        assert np.abs(given[0, :, :2000] - plain_polyphase(record, wanted)).max() <= 1e-4


# --- what an engine cannot do ---------------------------------------------------------------------


def test_tensors_name_the_step_that_they_cannot_do(record: Array) -> None:
    torch = pytest.importorskip("torch")
    from ecgfoundry.preprocessing.tensors import standardize_tensor

    content = document()
    content["steps"][1]["method"] = "polyphase"
    with pytest.raises(PreprocessingError, match=r"step 2, Resample\(method='polyphase'"):
        standardize_tensor(torch.from_numpy(record[None]), 500, content)
    with pytest.raises(PreprocessingError, match=r"step 1, FillGaps\(method='line'\)"):
        standardize_tensor(torch.from_numpy(record[None]), 500, "ptbxl-bandpass@1")


def test_a_step_without_a_form_in_c_is_named() -> None:
    class Wavelet:
        kind = "wavelet"

        def rate_after(self, rate: float) -> float:
            return rate

    from dataclasses import replace

    recipe = get_preprocessing("ptbxl-bandpass@1")
    strange = replace(recipe, steps=(*recipe.steps, Wavelet()))  # type: ignore[arg-type]
    with pytest.raises(BundleError, match="wavelet has no form in C"):
        recipe_header(strange)
