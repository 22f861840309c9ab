"""Every runtime gives the answers of PyTorch in fp32, and the choice follows the machine."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import BundleError, RuntimeUnavailableError
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.inference.runtimes import base as runtimes
from ecgfoundry.inference.runtimes import hardware
from ecgfoundry.inference.runtimes.base import (
    RUNTIMES,
    choose_runtime,
    create_runtime,
    without_padding,
)
from ecgfoundry.inference.verification import compare_runtimes, probe_windows
from ecgfoundry.models.bundle import Bundle, load_bundle, shipped_folder

SHIPPED = ("rhythm-single-lead", "rhythm-single-lead-edge", "ptbxl-superclass-12lead")
RHYTHM = ("rhythm-single-lead", "rhythm-single-lead-edge")


def shipped(name: str = SHIPPED[0]) -> Bundle:
    return load_bundle(shipped_folder() / name)


@pytest.fixture(scope="module")
def net1d_bundle(tmp_path_factory) -> Bundle:
    """A small Net1D with random weights as an imported bundle, as published weights become one."""
    torch = pytest.importorskip("torch", reason="building a network needs PyTorch")
    pytest.importorskip("onnx")
    from ecgfoundry.models.importing import import_checkpoint
    from ecgfoundry.models.registry import create_model

    folder = tmp_path_factory.mktemp("bundle")
    torch.manual_seed(0)
    network = create_model("net1d-tiny", classes=150, leads=12)
    torch.save(network.state_dict(), folder / "weights.pth")
    return load_bundle(
        import_checkpoint(
            folder / "weights.pth", architecture="net1d-tiny", leads=12,
            vocabulary="ecgfounder-150", output=folder / "tiny",
        )
    )  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_openvino_agrees_on_the_shipped_models(name: str) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("torch")
    assert compare_runtimes(shipped(name), other="openvino") <= 1e-4


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_runtimes_agree_on_net1d(net1d_bundle: Bundle, runtime: str) -> None:
    """All its pools have odd lengths somewhere: the trap of padded pools would show here."""
    pytest.importorskip(runtime)
    assert compare_runtimes(net1d_bundle, other=runtime) <= 1e-4


def test_embeddings_agree_too(net1d_bundle: Bundle) -> None:
    x = probe_windows(net1d_bundle.input, windows=3)
    presence = np.ones(x.shape[:2], dtype=np.float32)
    wanted = create_runtime(net1d_bundle, runtime="torch").run(x, presence)
    for name in ("onnxruntime", "openvino"):
        pytest.importorskip(name)
        given = create_runtime(net1d_bundle, runtime=name, threads=1).run(x, presence)
        for a, b in zip(given, wanted, strict=True):
            assert a.dtype == np.float32
            np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize(
    ("used", "kept"), [(0, 250), (1, 250), (250, 250), (251, 500), (2000, 2000), (5990, 6000)]
)
def test_padding_is_cut_for_all_windows_alike(used: int, kept: int) -> None:
    x = np.zeros((3, 1, 6000), dtype=np.float32)
    x[1, 0, : used // 2] = 1.0
    x[2, 0, max(0, used - 5) : used] = -1.0
    given = without_padding(x)
    assert given.shape == (3, 1, kept) and given.flags.c_contiguous
    np.testing.assert_array_equal(given, x[:, :, :kept])


@pytest.mark.parametrize("name", RHYTHM)
def test_short_windows_cost_less_and_give_the_same(name: str, monkeypatch) -> None:
    """A live window of 10 s in one of 30 s: the network sees no more than the 10 s."""
    bundle = shipped(name)
    runtime = create_runtime(bundle, runtime="onnxruntime", threads=1)
    windows = np.random.default_rng(0).normal(size=(4, 1, 6000)).astype(np.float32)
    windows[:, :, 2000:] = 0
    windows[1, :, 1234:] = 0
    presence = np.ones((4, 1), dtype=np.float32)
    seen = []
    monkeypatch.setattr(
        runtimes, "without_padding", lambda x: seen.append(without_padding(x).shape) or x
    )
    whole = runtime.run(windows, presence)
    monkeypatch.undo()
    cut = runtime.run(windows, presence)
    assert seen == [(4, 1, 2000)]
    for given, wanted in zip(cut, whole, strict=True):
        np.testing.assert_allclose(given, wanted, atol=1e-5)


def test_padding_the_first_channels_changes_nothing(net1d_bundle: Bundle) -> None:
    openvino = pytest.importorskip("openvino")
    from ecgfoundry.inference.runtimes.openvino import pad_first_channels

    core = openvino.Core()
    x = probe_windows(net1d_bundle.input, windows=2)
    answers = []
    for pad in (False, True):
        model = core.read_model(str(net1d_bundle.file("model.onnx")))
        if pad:
            assert pad_first_channels(model) == 1
            # 16 is what the bfloat16 kernels of AMX read at a time; other numbers went wrong.
            first = next(n for n in model.get_ordered_ops() if n.get_type_name() == "Convolution")
            assert list(first.input_value(1).shape)[1] == 16
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        answers.append(compiled({"signal": x})["logits"])
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-5 * np.abs(answers[0]).max())


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "torch"])
def test_a_runtime_answers_threads_at_the_same_time(net1d_bundle: Bundle, name: str) -> None:
    pytest.importorskip(name)
    runtime = create_runtime(net1d_bundle, runtime=name, threads=1)
    x = probe_windows(net1d_bundle.input, windows=6)
    presence = np.ones(x.shape[:2], dtype=np.float32)
    alone = [runtime.run(window[None], presence[:1]) for window in x]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda w: runtime.run(w[None], presence[:1]), list(x) * 4))
    for k, answer in enumerate(together):
        for a, b in zip(answer, alone[k % len(x)], strict=True):
            np.testing.assert_array_equal(a, b)


def test_openvino_does_not_bind_processes_to_the_same_core(net1d_bundle: Bundle) -> None:
    """Bound, each process takes the first core: two workers were half as fast as two can be."""
    pytest.importorskip("openvino")
    runtime = create_runtime(net1d_bundle, runtime="openvino", threads=1)
    assert runtime._compiled.get_property("ENABLE_CPU_PINNING") is False


@pytest.mark.slow
@pytest.mark.skipif(
    "ECGFOUNDRY_TEST_COMPILE" not in os.environ,
    reason="compiling takes many minutes: set ECGFOUNDRY_TEST_COMPILE=1",
)
def test_the_compiled_network_agrees(net1d_bundle: Bundle) -> None:
    try:
        assert compare_runtimes(net1d_bundle, other="torch-compiled") <= 1e-4
    except Exception as error:
        if "compiler" in str(error).lower():
            pytest.skip(f"torch.compile has no compiler here: {error}")
        raise


@pytest.mark.parametrize("runtime", [name for name in RUNTIMES if name.endswith("-bf16")])
def test_bfloat16_is_refused_where_the_processor_has_none(runtime: str, monkeypatch) -> None:
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: False)
    with pytest.raises(RuntimeUnavailableError, match="multiplies bfloat16.*--runtime auto"):
        create_runtime(shipped(), runtime=runtime)


@pytest.mark.skipif(not hardware.has_bfloat16(), reason="this processor has no bfloat16")
@pytest.mark.parametrize("runtime", ["openvino-bf16", "torch-bf16"])
def test_bfloat16_is_close(net1d_bundle: Bundle, runtime: str) -> None:
    pytest.importorskip(runtime.removesuffix("-bf16"))
    assert compare_runtimes(net1d_bundle, other=runtime, tolerance=0.2) > 0


def test_the_choice_follows_the_machine_and_the_network(monkeypatch) -> None:
    bundle = shipped()
    assert choose_runtime(bundle) == "onnxruntime"  # small: loaded at once
    assert choose_runtime(bundle, "torch") == "torch"
    monkeypatch.setattr(runtimes, "LARGE_NETWORK_BYTES", 0)
    monkeypatch.setattr(runtimes, "find_spec", lambda name: object())
    monkeypatch.setattr(runtimes, "cpu_features", lambda: frozenset({"avx2"}))
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: True)
    assert choose_runtime(bundle) == "openvino"  # never bf16 unasked
    assert choose_runtime(bundle, "fastest") == "openvino-bf16"
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: False)
    assert choose_runtime(bundle, "fastest") == "openvino"
    monkeypatch.setattr(runtimes, "cpu_features", lambda: frozenset())
    assert choose_runtime(bundle) == "onnxruntime"
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    assert choose_runtime(bundle, "fastest") == "onnxruntime"
    with pytest.raises(BundleError, match="Known are: auto, fastest, onnxruntime"):
        create_runtime(bundle, runtime="abacus")


def test_the_runtime_is_named_in_the_answer() -> None:
    predictor = load_model("rhythm-single-lead", threads=1)
    assert predictor.runtime.name.startswith("onnxruntime-")
    assert predictor.runtime.name.endswith("-fp32-cpu")


def test_the_machine_is_described() -> None:
    assert hardware.usable_cores() >= 1
    assert "cores usable" in hardware.describe_machine()


def test_without_the_graph_torch_is_chosen(tmp_path: Path, net1d_bundle: Bundle) -> None:
    files = {k: v for k, v in net1d_bundle.about.files.items() if k != "model.onnx"}
    bundle = replace(net1d_bundle, about=replace(net1d_bundle.about, files=files))
    assert choose_runtime(bundle) == "torch"
    with pytest.raises(BundleError, match=r"has no model\.onnx"):
        create_runtime(bundle, runtime="onnxruntime")
