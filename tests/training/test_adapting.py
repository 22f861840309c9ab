"""Fine-tuning beyond all weights at one rate on one process, each seen to do what it says."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.cli import ray_train  # noqa: E402
from ecgfoundry.engines.cluster import connected  # noqa: E402
from ecgfoundry.errors import EngineError, TrainingError  # noqa: E402
from ecgfoundry.models.bundle import load_bundle  # noqa: E402
from ecgfoundry.models.loading import load_network  # noqa: E402
from ecgfoundry.models.registry import create_model  # noqa: E402
from ecgfoundry.training.adapters import LowRank, add_adapters, merge_adapters  # noqa: E402
from ecgfoundry.training.distributed import World, joined_world  # noqa: E402
from ecgfoundry.training.finetuning import FinetuneSettings, finetune  # noqa: E402
from ecgfoundry.training.fit_settings import FitSettings  # noqa: E402
from ecgfoundry.training.loop import fit  # noqa: E402
from ecgfoundry.training.on_ray import train_on_ray  # noqa: E402
from ecgfoundry.training.optimization import parameter_groups  # noqa: E402
from ecgfoundry.training.recomputing import recomputed  # noqa: E402
from tests.training import small_finetuning  # noqa: E402
from tests.training.small_data import age_table  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def network(**changes: Any) -> Any:
    torch.manual_seed(1)
    return create_model(
        "s4", **{"classes": 2, "leads": 1, "width": 8, "state": 4, "layers": 2} | changes
    )


def batches(epoch: int, generator: np.random.Generator) -> Any:
    for _ in range(4):
        x = generator.normal(size=(4, 1, 100)).astype(np.float32)
        yield torch.from_numpy(x), torch.from_numpy(x[:, 0, :2] > 0).float()


def trained(made: Any, **changes: Any) -> Any:
    settings = FitSettings(epochs=1, steps_per_epoch=4, ema_decay=None, learning_rate=1e-2,
                           schedule="constant", warmup=0.0, **changes)  # fmt: skip
    fit(made, batches, torch.nn.functional.binary_cross_entropy_with_logits, settings=settings)
    return made


def test_an_adapter_adds_a_product() -> None:
    adapter = LowRank(torch.zeros(2, 3), rank=1, alpha=4.0)
    with torch.no_grad():
        adapter.up.copy_(torch.tensor([[1.0], [2.0]]))
        adapter.down.copy_(torch.tensor([[1.0, 0.0, -1.0]]))
    found = adapter(torch.ones(2, 3))
    assert found.tolist() == [[5.0, 1.0, -3.0], [9.0, 1.0, -7.0]]


@pytest.mark.parametrize("architecture", ["s4", "net1d-tiny"])
def test_adapters_change_nothing_before_they_learn_and_are_merged_whole(architecture: str) -> None:
    made = create_model(architecture, classes=2, leads=1).eval()
    x = torch.randn(2, 1, 200)
    names = {name: tensor.shape for name, tensor in made.state_dict().items()}
    with torch.no_grad():
        before = made(x)
        add_adapters(made, rank=2, alpha=4.0)
        assert torch.equal(made(x), before)
        for name, parameter in made.named_parameters():
            if name.endswith("up"):
                parameter.normal_(std=0.1)
        adapted = made(x)
        merge_adapters(made)
        assert torch.allclose(made(x), adapted, atol=1e-5)
    assert not torch.allclose(adapted, before, atol=1e-3)
    assert {name: tensor.shape for name, tensor in made.state_dict().items()} == names


def test_what_adapters_learn_is_of_their_rank() -> None:
    made, start = network(), network().state_dict()
    add_adapters(made, rank=1, alpha=2.0)
    trained(made, weight_decay=0.1)
    merge_adapters(made)
    for name, tensor in made.state_dict().items():
        change = (tensor - start[name]).detach()
        if name in ("encoder.weight", "layers.0.mix.weight", "layers.1.mix.weight"):
            assert change.abs().max() > 1e-3, name
            assert torch.linalg.svdvals(change)[1:].sum() < 1e-4, name
        elif not name.startswith("dense"):
            assert change.abs().max() == 0, name  # no step, and no decay
    assert (made.dense.weight - start["dense.weight"]).abs().max() > 1e-3


def test_earlier_stages_learn_more_slowly() -> None:
    groups = parameter_groups(network(), 0.1, 0.5)
    # The classifier, two layers, and the encoder; weights and biases of each.
    assert [(group["factor"], group["weight_decay"]) for group in groups] == [
        (1.0, 0.1), (1.0, 0.0), (0.5, 0.1), (0.5, 0.0), (0.25, 0.1), (0.25, 0.0), (0.125, 0.1),
        (0.125, 0.0),
    ]  # fmt: skip
    whole = sum(len(group["params"]) for group in groups)
    assert whole == len(list(network().parameters()))
    start = network().state_dict()
    # The first step of AdamW moves a weight by the rate, whatever its gradient.
    moved = {}
    for decay in (1.0, 0.1):
        settings = FitSettings(epochs=1, steps_per_epoch=1, ema_decay=None, learning_rate=1e-3,
                               schedule="constant", warmup=0.0, weight_decay=0.0,
                               layer_decay=decay)  # fmt: skip
        made = network()
        fit(made, batches, torch.nn.functional.binary_cross_entropy_with_logits, settings=settings)
        moved[decay] = [
            float((made.state_dict()[name] - start[name]).abs().max())
            for name in ("dense.weight", "layers.1.mix.weight", "encoder.weight")
        ]
    assert moved[1.0] == pytest.approx([1e-3, 1e-3, 1e-3], rel=0.02)
    assert moved[0.1] == pytest.approx([1e-3, 1e-4, 1e-6], rel=0.05)


def kept_bytes(made: Any, recompute: bool) -> int:
    """Bytes that the forward pass keeps for the backward pass."""
    total = 0

    def keep(tensor: Any) -> Any:
        nonlocal total
        total += tensor.numel() * tensor.element_size()
        return tensor

    with (
        recomputed(made, recompute),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        made(torch.ones(2, 1, 500))
    return total


@pytest.mark.parametrize("architecture", ["s4", "net1d-tiny"])
def test_recomputing_keeps_less_and_computes_the_same(architecture: str) -> None:
    made = create_model(architecture, classes=1, leads=1, **(
        {"width": 16, "layers": 2} if architecture == "s4" else {}
    )).train()  # fmt: skip
    assert kept_bytes(made, True) < 0.5 * kept_bytes(made, False)
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(5)  # of the dropout
        made.zero_grad()
        with recomputed(made, recompute):
            made(torch.ones(2, 1, 500).cumsum(2)).sum().backward()
        gradients.append({n: p.grad for n, p in made.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], rtol=1e-5, atol=1e-6), name


def test_a_run_recomputes_and_leaves_the_network_as_it_was() -> None:
    plain, again = trained(network()), trained(network(), recompute=True)
    for name, tensor in plain.state_dict().items():
        assert torch.allclose(tensor, again.state_dict()[name], rtol=1e-4, atol=1e-6), name
    assert "forward" not in vars(again.layers[0])
    with pytest.raises(TrainingError, match="Name one of the two"):
        FinetuneSettings.of(recompute=True, channels_last=True)


def test_what_cannot_be_adapted_is_said(tmp_path: Path) -> None:
    table = age_table(tmp_path, 12)
    with pytest.raises(TrainingError, match="these weights are random"):
        finetune(table, tmp_path / "a", targets=["age"], model="net1d-tiny",
                 settings=FinetuneSettings.of(mode="lora"))  # fmt: skip
    with pytest.raises(TrainingError, match="solved by one process"):
        finetune(table, tmp_path / "b", targets=["age"], world=World(0, 2),
                 settings=FinetuneSettings.of(mode="probe"))  # fmt: skip
    with pytest.raises(TrainingError, match="batch of 9 cannot be divided"):
        finetune(table, tmp_path / "c", targets=["age"], world=World(0, 2),
                 settings=FinetuneSettings.of(batch=9))  # fmt: skip


@pytest.mark.slow
def test_adapters_end_in_an_ordinary_bundle(tmp_path: Path) -> None:
    table = age_table(tmp_path, 16)
    result = finetune(
        table, tmp_path / "run", targets=["age"], model="rhythm-single-lead-edge",
        settings=FinetuneSettings.of(
            mode="lora", adapter_rank=2, epochs=1, batch=8, threads=1, lead="I"
        ),
    )  # fmt: skip
    bundle = load_bundle(result.bundle)
    made, _ = load_network(bundle)
    assert not any("parametrizations" in name for name in made.state_dict())
    assert "adapters of rank 2" in (result.bundle / "README.md").read_text()


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of which 16 recordings train: two batches of 8, halved between two processes."""
    table = age_table(tmp_path_factory.mktemp("halved"), 24)
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    for k, row in enumerate(rows):
        row["split"] = "train" if k < 16 else "validation" if k < 20 else "test"
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["file", "patient", "age", "split"])
        writer.writeheader()
        writer.writerows(rows)
    return table


def curves_of(run: Path) -> list[tuple[float, float]]:
    """Loss and error of every epoch."""
    lines = (run / "curves.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [(row["loss"], row["figures"]["mae age"]) for row in rows]


@pytest.fixture(scope="module")
def of_two_processes(halved: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Curves of the run in two processes that torchrun started."""
    output = tmp_path_factory.mktemp("both") / "run"
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    start(launcher, halved, output)
    return curves_of(output)


def start(launcher: tuple[str, ...], table: Path, output: Path) -> None:
    subprocess.run(
        [sys.executable, *launcher, "-m", "tests.training.small_finetuning", table, output],
        check=True, cwd=ROOT, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_fine_tune_as_one_does(
    halved: Path, of_two_processes: Any, tmp_path: Path
) -> None:
    start((), halved, tmp_path / "alone")
    # Sums are taken in another order; nothing else differs.
    for one, two in zip(curves_of(tmp_path / "alone"), of_two_processes, strict=True):
        assert two == pytest.approx(one, rel=1e-4)


@pytest.mark.slow
def test_processes_of_ray_fine_tune_as_those_of_torchrun(
    halved: Path,
    of_two_processes: Any,
    short_folder_of_ray: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ray", reason="the extra 'scale' is not installed")
    pytest.importorskip("pyarrow", reason="Ray Train is not installed: 'ray[train]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)  # for the processes of Ray
    work = partial(small_finetuning.main, halved, tmp_path / "run")
    with connected(None, 2):  # one start for both
        train_on_ray(work, workers=2)
        for one, two in zip(of_two_processes, curves_of(tmp_path / "run"), strict=True):
            assert two == pytest.approx(one, rel=1e-6)
        with pytest.raises(EngineError, match="3 workers need 3 CPUs, and the cluster has 2"):
            train_on_ray(work, workers=3)
        # What the work raises comes as it is: the same folder, in another number of processes.
        with pytest.raises(TrainingError, match="written by 2 process"):
            train_on_ray(work, workers=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.slow
def test_nothing_keeps_the_group_of_processes_that_part() -> None:
    """Threads of a group that is there at the exit end a process with SIGABRT, now and then."""
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "-m", "tests.training.small_world"],
        check=True, cwd=ROOT, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


def test_a_group_that_is_there_is_used_and_left(tmp_path: Path) -> None:
    rendezvous = f"file://{tmp_path / 'meeting'}"
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=0, world_size=1)
    try:
        with joined_world() as world:
            assert world == World(0, 1, "cpu")
        assert torch.distributed.is_initialized()
    finally:
        torch.distributed.destroy_process_group()


def test_only_what_trains_is_started_on_ray(capsys: pytest.CaptureFixture[str]) -> None:
    assert ray_train.main(["--workers", "2", "diagnose", "x.hea"]) == 1
    assert "'diagnose' trains nothing in several processes" in capsys.readouterr().err
    assert ray_train.main(["--workers", "0", "finetune", "x.csv", "--output", "y"]) == 1
    assert "0 workers cannot do anything" in capsys.readouterr().err
