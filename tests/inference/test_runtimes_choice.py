"""Which runtime is chosen, on both sides of the size, and how padding is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.inference.runtimes import base as runtimes
from ecgfoundry.inference.runtimes.base import (
    CUT_LENGTHS,
    RUNTIMES,
    choose_runtime,
    is_exact,
    without_padding,
)
from ecgfoundry.models.bundle import Bundle, find_bundle, load_bundle


def bundle(folder: Path, size: int) -> Bundle:
    """A shipped model whose graph has this size."""
    shipped = load_bundle(find_bundle("rhythm-single-lead-edge"))
    with (folder / "model.onnx").open("wb") as stream:
        stream.truncate(size)  # a hole: it takes no space
    return replace(shipped, folder=folder)


@pytest.mark.parametrize(
    ("size", "runtime"), [(19_999_999, "onnxruntime"), (20_000_000, "openvino")]
)
def test_twenty_megabytes_are_worth_a_compilation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, runtime: str
) -> None:
    monkeypatch.setattr(runtimes, "find_spec", lambda name: object())
    for features in ({"avx2"}, {"avx512f"}, {"avx2", "avx512f"}):
        monkeypatch.setattr(runtimes, "cpu_features", lambda f=frozenset(features): f)
        assert choose_runtime(bundle(tmp_path, size)) == runtime
    monkeypatch.setattr(runtimes, "cpu_features", lambda: frozenset({"sse4_2", "asimd"}))
    assert choose_runtime(bundle(tmp_path, size)) == "onnxruntime"


def test_the_runtimes_and_which_of_them_compute_in_fp32() -> None:
    assert {name: is_exact(name) for name in RUNTIMES} == {
        "onnxruntime": True, "openvino": True, "openvino-bf16": False, "torch": True,
        "torch-compiled": True, "torch-bf16": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("samples", "used", "kept"),
    # Twenty-fourths, rounded up: of 100 samples 5, of 6000 samples 250.
    [(100, 1, 5), (100, 5, 5), (100, 6, 10), (100, 96, 100), (100, 99, 100), (24, 7, 7),
     (6000, 2001, 2250), (6000, 6000, 6000), (10, 3, 3)],
)  # fmt: skip
def test_padding_is_cut_to_one_of_24_lengths(samples: int, used: int, kept: int) -> None:
    assert CUT_LENGTHS == 24
    x = np.zeros((2, 3, samples), np.float32)
    x[1, 2, used - 1] = 1e-6
    assert without_padding(x).shape == (2, 3, kept)
    np.testing.assert_array_equal(without_padding(x), x[:, :, :kept])
    assert without_padding(np.zeros((1, 1, samples), np.float32)).shape[2] == -(-samples // 24)
