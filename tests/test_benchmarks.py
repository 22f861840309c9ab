"""The benchmarks measure what they say: alternating runs, per item, ours over reference."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.limits import network_bound
from benchmarks.measure import compare
from benchmarks.references import ecgfounder_finetune_per_lead
from benchmarks.rows import ROWS, real_windows

from ecgfoundry.preprocessing import standardize_windows


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
    assert row.ours == 0.5 and row.reference == 3.0
    assert row.ratios == (6.0,) * 5 and row.ratio == 6.0
    assert order == ["a", "b"] * 6  # one warm call each, then in turn
    assert "| **6.00** (6.00-6.00) | 6 | slow |" in str(row)


def test_the_reference_of_the_standardization_rows_is_the_recipe() -> None:
    windows = real_windows(2, 12)
    wanted = ecgfounder_finetune_per_lead(windows[1].astype(np.float64))
    given = standardize_windows(windows, 500.0, "ecgfounder-finetune@1")[1]
    assert np.abs(given - wanted).max() <= 1e-4


def test_the_bound_follows_from_the_shapes() -> None:
    """Multiply-adds of the released networks, counted layer by layer."""
    torch = pytest.importorskip("torch", reason="building the network needs PyTorch")
    from ecgfoundry.models.networks.net1d import Net1D

    for leads in (12, 1):
        with torch.device("meta"):
            network = Net1D(leads=leads)
        total = [0]

        def count(module, inputs, output, total=total) -> None:
            weights = module.weight.numel() // module.weight.shape[0]
            total[0] += output.numel() * weights

        for module in network.modules():
            if isinstance(module, torch.nn.Conv1d | torch.nn.Linear):
                module.register_forward_hook(count)
        network(torch.zeros(1, leads, 5000, device="meta"))
        assert network_bound(leads, 2.0) == pytest.approx(1.0 / total[0], rel=1e-3)


def test_every_row_has_a_name_of_its_own() -> None:
    assert len(ROWS) == len({id(function) for function in ROWS.values()}) >= 9
