"""The benchmarks measure what they say: alternating runs, per item, ours over reference."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.layer_profile import profile
from benchmarks.limits import network_bound
from benchmarks.measure import Fact, compare
from benchmarks.references import ecgfounder_finetune_per_lead, single_lead_rhythm
from benchmarks.rows import ROWS
from benchmarks.signals import real_windows
from benchmarks.sizes import DEFAULT, SMALLEST

import ecgfoundry
from ecgfoundry.preprocessing import standardize_window, standardize_windows


def test_ratios_are_per_item_and_alternate() -> None:
    """With a clock that the functions themselves move, the ratio is known."""
    now = [0.0]
    order = []

    def work(name: str, seconds: float):
        def run() -> None:
            order.append(name)
            now[0] += seconds

        return run

    row = compare(
        "row", ours=work("a", 4.0), reference=work("b", 3.0), reference_name="slow", items=8,
        reference_items=1, clock=lambda: now[0], minimum_s=0.0, runs=5, target="6",
    )  # fmt: skip
    assert row.ours == (0.5,) * 5 and row.reference == (3.0,) * 5
    assert row.ratios == (6.0,) * 5 and row.ratio == 6.0
    assert order == ["a", "b"] * 6  # one warm call each, then in turn
    line = row.line(peak=1.0)
    assert "| 500 (500-500) | 3e+03 (3e+03-3e+03) | **6.00** (6.00-6.00) |  | 6 | slow |" in line
    # 2 x 0.05 operations in 0.5 s are 0.2 a second.
    assert "| 20% |" in replace(row, multiply_adds=0.05).line(peak=1.0)


def test_the_reference_of_the_standardization_rows_is_the_recipe() -> None:
    windows = real_windows(2, 12)
    wanted = ecgfounder_finetune_per_lead(windows[1].astype(np.float64))
    given = standardize_windows(windows, 500.0, "ecgfounder-finetune@1")[1]
    assert np.abs(given - wanted).max() <= 1e-4


def test_the_bound_follows_from_the_shapes() -> None:
    """Multiply-adds of the released networks, counted layer by layer."""
    pytest.importorskip("torch", reason="building the network needs PyTorch")
    from ecgfoundry.models.networks.counting import multiply_adds
    from ecgfoundry.models.networks.net1d import Net1D

    for leads in (12, 1):
        total = multiply_adds(Net1D(leads=leads), (leads, 5000))
        assert network_bound(leads, 2.0) == pytest.approx(1.0 / total, rel=1e-3)


def test_the_reference_of_the_stream_row_is_the_recipe() -> None:
    recording = ecgfoundry.read(ecgfoundry.sample_path("single-lead"))
    signal = recording.signal[:1, :3000]
    wanted = single_lead_rhythm(signal[0].astype(np.float64), round(recording.sampling_rate))
    given = standardize_window(signal, recording.sampling_rate, "single-lead-rhythm@1")[0]
    assert np.abs(given - wanted).max() <= 1e-4


def test_multiply_adds_are_counted_by_hand_and_by_hooks() -> None:
    torch = pytest.importorskip("torch", reason="counting needs PyTorch")
    from ecgfoundry.models.networks.counting import multiply_adds

    layers = torch.nn.Sequential(
        torch.nn.Conv1d(4, 8, 3, padding=1, groups=2),  # 8 x 10 outputs of 2 x 3 weights
        torch.nn.Flatten(),
        torch.nn.Linear(80, 5),
    ).train()
    assert multiply_adds(layers, (4, 10)) == 8 * 10 * 6 + 5 * 80
    assert layers.training


def test_the_default_sizes_are_those_of_the_table() -> None:
    assert DEFAULT.runs >= 5 and DEFAULT.windows == 64 and DEFAULT.network_batch == 32
    assert len(ROWS) == len({id(function) for function in ROWS.values()}) >= 12


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ROWS))
def test_every_row_runs(name: str) -> None:
    """With the smallest sizes, a small network and one run; what it measures means nothing."""
    for package in ("torch", "onnx", "polars", "wfdb"):
        pytest.importorskip(package, reason=f"this row needs {package}")
    lines = ROWS[name](SMALLEST)
    assert lines or name == "memory"  # which needs Linux
    for line in lines:
        assert line.line(1e11).count(" | ") == 7
        if not isinstance(line, Fact):
            assert line.ratio > 0 and len(line.ratios) == 1


@pytest.mark.slow
def test_the_layer_profile_counts_what_the_network_computes() -> None:
    """The convolutions of the graph, plus its linear layers, are all multiply-adds there are."""
    pytest.importorskip("openvino", reason="the profile is OpenVINO's")
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from ecgfoundry.models.networks.counting import multiply_adds
    from ecgfoundry.models.registry import create_model

    network = create_model(SMALLEST.architecture, leads=12)
    linear = sum(p.numel() for n, p in network.named_parameters() if p.ndim == 2)
    kinds = profile(2, 1, architecture=SMALLEST.architecture)
    assert all(kind.seconds > 0 for kind in kinds.values())
    counted = sum(kind.multiply_adds for kind in kinds.values())
    assert counted == pytest.approx(multiply_adds(network, (12, 5000)) - linear, rel=0.02)


def test_the_script_for_a_gpu_runs_whole_on_a_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every mode of a network, and a device that holds four windows of it at most."""
    torch = pytest.importorskip("torch", reason="training needs PyTorch")
    from benchmarks import gpu

    once = gpu._measured
    asked = []

    def four_at_most(kind, mode, device, seconds, batch):  # and no more steps than must be
        asked.append(batch)
        if batch > 4:
            raise torch.OutOfMemoryError
        return once(kind, mode, device, 0.0, batch)

    monkeypatch.setattr(gpu, "BATCHES", (16, 8, 4))
    monkeypatch.setattr(gpu, "WARM", 1)
    monkeypatch.setattr(gpu, "_measured", four_at_most)
    output = tmp_path / "gpu.json"
    command = ["gpu", "--device", "cpu", "--minutes", "10", "--only", "lead-subset-net"]
    monkeypatch.setattr("sys.argv", [*command, "--output", str(output)])
    gpu.main()
    assert asked == [16, 8, 4] * 3
    document = json.loads(output.read_text())
    assert document["not_measured"] == []
    assert [row["mode"] for row in document["rows"]] == list(gpu.MODES)
    for row in document["rows"]:
        assert row["batch"] == 4 and row["memory_gib"] is None
        rate = row["steps"] * 4 / row["seconds"]
        assert row["windows_per_s"] == pytest.approx(rate)
        assert row["epoch_hours"] == pytest.approx(10_000_000 / rate / 3600)
    assert "| lead-subset-net, 12 x 2500 | answers bf16 | 4 |" in capsys.readouterr().out

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu"])
    with pytest.raises(SystemExit):
        gpu.main()
    assert "finds no CUDA device" in capsys.readouterr().err
