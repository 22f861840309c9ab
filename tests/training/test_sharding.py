"""FSDP2: two processes that share a network compute what one does, and continue where they were."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from ecgfoundry.errors import TrainingError
from ecgfoundry.models.registry import create_model
from ecgfoundry.training.adapters import add_adapters
from ecgfoundry.training.distributed import ALONE, World
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.sharding import sharded_copy, whole

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_two_processes_that_share_a_network(tmp_path: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    found = {}
    for how, start in (("whole", []), ("shared", launcher), ("continued", launcher)):
        subprocess.run(
            [sys.executable, *start, "-m", "tests.training.small_sharding",
             str(tmp_path / f"{how}.pt"), how],
            check=True, cwd=ROOT, timeout=900,
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )  # fmt: skip
        found[how] = torch.load(tmp_path / f"{how}.pt", weights_only=True)
    one, two, again = found["whole"], found["shared"], found["continued"]
    # Sums are taken in another order; AdamW's first steps make much of the smallest gradients.
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert two["figures"]["error"] == pytest.approx(one["figures"]["error"], rel=1e-4)
    torch.testing.assert_close(two["state"], one["state"], rtol=0, atol=1e-3)
    assert two["losses"][-1] < two["losses"][0]
    # The network that was given ends with the selected weights; nothing of it is a part.
    assert all(torch.equal(two["given"][name], tensor) for name, tensor in two["state"].items())
    assert again["losses"] == two["losses"]
    assert all(torch.equal(again["state"][name], tensor) for name, tensor in two["state"].items())
    # The files are of one kind, whether the weights were shared or not.
    kept = [torch.load(tmp_path / f"{how}.checkpoint", weights_only=True) for how in found]
    shapes = [{name: tensor.shape for name, tensor in own["network"].items()} for own in kept]
    assert shapes[0] == shapes[1] == shapes[2]
    assert kept[0]["optimizer"]["state"][0]["exp_avg"].shape == next(iter(shapes[0].values()))


def test_what_cannot_be_shared_is_refused() -> None:
    two = World(rank=0, size=2)
    with pytest.raises(TrainingError, match="needs several processes") as alone:
        sharded_copy(create_model("s4-small", width=8, layers=1), ALONE)
    assert "--nproc-per-node" in str(alone.value)
    with pytest.raises(TrainingError, match="batch norms"):
        sharded_copy(create_model("net1d-tiny", leads=1), two)
    adapted = create_model("s4-small", width=8, layers=1)
    add_adapters(adapted, rank=2, alpha=2.0)
    with pytest.raises(TrainingError, match="adapters"):
        sharded_copy(adapted, two)
    with pytest.raises(TrainingError, match="only training with labels"):
        sharded_copy(torch.nn.Sequential(torch.nn.Conv1d(2, 2, 3)), two)
    with pytest.raises(TrainingError, match="channels_last"):
        FitSettings(epochs=1, steps_per_epoch=1, shard=True, channels_last=True)


def test_what_is_not_shared_stays_as_it_is() -> None:
    value = {"a": [torch.ones(2), 3], "b": (None, "text")}
    found = whole(value)
    assert found["a"][0] is value["a"][0] and found["b"] == (None, "text")
