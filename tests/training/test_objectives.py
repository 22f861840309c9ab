"""Learning from signals alone: what the objectives compute, and what their runs leave."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.errors import BundleError, TrainingError  # noqa: E402
from ecgfoundry.manifest import ColumnMapping, read_recordings  # noqa: E402
from ecgfoundry.models.bundle import load_bundle  # noqa: E402
from ecgfoundry.models.loading import load_network  # noqa: E402
from ecgfoundry.models.registry import create_model  # noqa: E402
from ecgfoundry.training.data.sources import SourcePool  # noqa: E402
from ecgfoundry.training.data.windows import FreshWindows  # noqa: E402
from ecgfoundry.training.distributed import World  # noqa: E402
from ecgfoundry.training.initialization import NewNetwork, start_from  # noqa: E402
from ecgfoundry.training.objectives import OBJECTIVES, Objective  # noqa: E402
from ecgfoundry.training.recipes.self_supervised import ecg_cpc  # noqa: E402
from ecgfoundry.training.self_supervised import (  # noqa: E402
    ObjectiveBatches,
    mean_loss,
    pretrain_encoder,
)
from ecgfoundry.training.settings import SelfSupervisionSettings  # noqa: E402
from tests.training.small_data import age_table  # noqa: E402
from tests.training.small_objectives import NET1D, S4, SPEC, settings  # noqa: E402
from tests.training.small_pretraining import beats  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WINDOWS = "40"
SMALL = {"leads": 1, "width": 8, "state": 4, "layers": 1, "dropout": 0.0}


def made(kind: str, *, architecture: str = "s4-causal", **changes: Any) -> Objective:
    """An objective around a small network, for windows of ten seconds at 100 Hz."""
    torch.manual_seed(0)
    configuration = SMALL if architecture.startswith("s4") else dict(NET1D.configuration)
    network = create_model(architecture, classes=1, **configuration)
    return OBJECTIVES[kind](network, SPEC, SelfSupervisionSettings(**changes))


def windows(count: int) -> Any:
    return torch.from_numpy(
        np.random.default_rng(0).normal(size=(count, 1, 1000)).astype(np.float32)
    )


def test_without_knowledge_the_right_piece_is_one_among_all() -> None:
    objective = made("cpc", piece_ms=200.0, steps_ahead=3)
    for predict in objective.predict:
        torch.nn.init.zeros_(predict.weight)
        torch.nn.init.zeros_(predict.bias)
    # Fifty pieces of 200 ms: -ln(1 / 50).
    assert objective(windows(2)).tolist() == pytest.approx([3.912023, 3.912023], abs=1e-5)


def test_the_loss_is_the_cross_entropy_of_the_piece_that_comes() -> None:
    """Written out for one window, one step and one anchor, as in van den Oord et al., eq. 4."""
    objective = made("cpc", piece_ms=1000.0, steps_ahead=1)
    signal = windows(1)
    with torch.no_grad():
        context = objective.network.forward_sequence(signal)[0]
        latents = [objective.latents(signal[0, :, 100 * k : 100 * k + 100].flatten())
                   for k in range(10)]  # fmt: skip
        terms = []
        for anchor in range(9):
            predicted = objective.predict[0](context[100 * anchor + 99])
            scores = [float(predicted @ z) / math.sqrt(128) for z in latents]
            terms.append(math.log(sum(map(math.exp, scores))) - scores[anchor + 1])
        assert float(objective(signal)) == pytest.approx(sum(terms) / 9, rel=1e-4)


@pytest.mark.parametrize("architecture", ["s4-causal", "s4"])
def test_a_causal_network_sees_no_later_sample(architecture: str) -> None:
    torch.manual_seed(0)
    network = create_model(architecture, classes=1, **SMALL).eval()
    signal = windows(1).requires_grad_(True)
    network.forward_sequence(signal)[0, 499, 0].backward()
    later = float(signal.grad[0, 0, 500:].abs().sum())
    assert float(signal.grad[0, 0, :500].abs().sum()) > 0
    assert later == 0 if architecture == "s4-causal" else later > 0
    assert network.causal is (architecture == "s4-causal")


def test_contrastive_coding_finds_what_follows() -> None:
    """Windows of a slow saw tooth of random phase: the next piece is known from the last."""
    objective = made("cpc", piece_ms=500.0, steps_ahead=1).train()
    generator = np.random.default_rng(1)
    time = np.arange(1000) / 100.0

    def drawn() -> Any:
        phase = generator.uniform(0, 1, (16, 1, 1))
        return torch.from_numpy((2 * ((time / 12 + phase) % 1) - 1).astype(np.float32))

    optimizer = torch.optim.Adam(objective.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        objective(drawn()).mean().backward()
        optimizer.step()
    with torch.no_grad():
        found = float(objective.eval().figures(drawn())["accuracy"].mean())
    assert found > 0.5  # one in twenty by chance


def test_what_is_hidden_is_the_share_that_was_asked_for() -> None:
    mask = made("masked", masked_ms=200.0, masked_share=0.5).mask(np.random.default_rng(0))
    assert mask is not None and mask.shape == (1000,)
    pieces = mask.reshape(50, 20)
    assert (pieces.all(axis=1) | ~pieces.any(axis=1)).all()
    assert pieces.any(axis=1).sum() == 25


@pytest.mark.parametrize("architecture", ["s4", "net1d-tiny"])
def test_drawing_nothing_costs_the_power_of_what_is_hidden(architecture: str) -> None:
    objective = made("masked", architecture=architecture)
    torch.nn.init.zeros_(objective.draw[-1].weight)
    torch.nn.init.zeros_(objective.draw[-1].bias)
    signal = torch.full((2, 1, 1000), 2.0)
    signal[:, :, 500:] = 7.0
    mask = torch.zeros(2, 1000, dtype=torch.bool)
    mask[:, 100:300] = True
    found = objective.figures(signal, mask)
    assert found["loss"].tolist() == pytest.approx([4.0, 4.0])
    assert found["explained"].tolist() == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize("kind", ["masked", "jepa"])
def test_the_network_is_not_shown_what_it_is_to_tell(kind: str) -> None:
    objective = made(kind, architecture="s4").eval()
    seen: list[Any] = []
    whole = objective.network.forward_sequence
    objective.network.forward_sequence = lambda x: seen.append(x) or whole(x)
    mask = torch.zeros(1, 1000, dtype=torch.bool)
    mask[:, 200:400] = True
    signal = torch.ones(1, 1, 1000)
    objective(signal, mask)
    (shown,) = seen
    assert shown[..., 200:400].abs().sum() == 0 and shown.sum() == 800


def test_masked_reconstruction_lands_in_its_place() -> None:
    """A head that repeats the number of its position draws a staircase, 10 ms a step."""
    objective = made("masked", architecture="s4")
    with torch.no_grad():
        objective.network.forward_sequence = lambda x: torch.arange(1000.0)[None, :, None].expand(
            len(x), -1, 8
        )
        objective.draw = torch.nn.Linear(8, 1, bias=False)
        objective.draw.weight.fill_(1 / 8)
        signal = torch.arange(1000.0)[None, None]
        mask = torch.ones(1, 1000, dtype=torch.bool)
        assert float(objective(signal, mask)) == pytest.approx(0.0, abs=1e-3)


def test_the_teacher_follows_in_training_alone() -> None:
    objective = made("jepa", teacher_decay=0.9)
    with torch.no_grad():
        objective.teacher.encoder.weight.zero_()
        objective.network.encoder.weight.fill_(1.0)
    mask = torch.from_numpy(objective.mask(np.random.default_rng(0)))[None]
    objective.eval()(windows(1), mask)
    assert objective.teacher.encoder.weight.abs().sum() == 0
    objective.train()(windows(1), mask).backward()
    assert objective.teacher.encoder.weight.flatten().tolist() == pytest.approx([0.1] * 8)
    assert objective.teacher.encoder.weight.grad is None
    assert objective.network.encoder.weight.grad.abs().sum() > 0


def test_what_is_hidden_does_not_depend_on_how_many_work() -> None:
    objective = made("masked")

    def batches(batch: int, world: World) -> list[tuple[Any, Any]]:
        feed = ObjectiveBatches(
            windows=FreshWindows(SourcePool((beats(32),)), SPEC), positions=np.arange(32),
            targets=np.zeros((32, 0), np.float32), batch=batch, sampling_rate=100.0, seed=4,
            world=world, mask=objective.mask,
        )  # fmt: skip
        return [inputs for (inputs,) in feed.from_batch(1, 0)]

    alone = batches(8, World())
    parts = [batches(4, World(rank, 2)) for rank in range(2)]
    for number, (signal, mask) in enumerate(alone):
        assert torch.equal(torch.cat([part[number][0] for part in parts]), signal)
        assert torch.equal(torch.cat([part[number][1] for part in parts]), mask)
    assert not torch.equal(alone[0][1][0], alone[0][1][1])


def test_wrong_objectives_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="sees the future"):
        made("cpc", architecture="s4")
    with pytest.raises(TrainingError, match="40 steps ahead of 10 pieces"):
        made("cpc", piece_ms=1000.0, steps_ahead=40)
    with pytest.raises(TrainingError, match="2 pieces"):
        made("masked", masked_ms=5000.0)
    with pytest.raises(TrainingError, match="stands for 80 ms"):
        made("jepa", architecture="net1d-tiny", masked_ms=50.0)
    with pytest.raises(TrainingError, match="no features over time"):
        OBJECTIVES["masked"](create_model("rhythm-net", classes=1), SPEC, SelfSupervisionSettings())

    def run(objective: str, network: NewNetwork = S4, **more: object) -> None:
        pretrain_encoder(
            [beats(32)], tmp_path / "run", network=network, settings=settings(objective, **more)
        )

    with pytest.raises(TrainingError, match="no objective 'cpcc'. Did you mean 'cpc'"):
        run("cpcc")
    with pytest.raises(TrainingError, match="channels-last"):
        run("masked", NET1D, channels_last=True)
    with pytest.raises(TrainingError, match="which leads are there"):
        run("masked", NewNetwork("lead-subset-net", SPEC))


@pytest.mark.parametrize(("objective", "network"), [("cpc", S4), ("masked", NET1D), ("jepa", S4)])
def test_a_run_changes_the_encoder_and_leaves_a_bundle(
    objective: str, network: NewNetwork, tmp_path: Path
) -> None:
    result = pretrain_encoder(
        [beats(48)], tmp_path, network=network,
        settings=settings(objective, ema_decay=None, epochs=3),
    )  # fmt: skip
    assert result.bundle is not None
    bundle = load_bundle(result.bundle)
    assert bundle.target_kind == "representation"
    assert {metric.name for metric in bundle.metrics} >= {f"{objective}: loss"}
    trained, _ = load_network(bundle)
    fresh = network.start(1, 3).network.state_dict()
    moved = {
        name for name, tensor in trained.state_dict().items()
        if (tensor - fresh[name]).abs().max() > 1e-2 * fresh[name].abs().max()
    }  # fmt: skip
    assert moved > {"dense.weight"}
    assert trained.dense.weight.abs().sum() == 0 and trained.dense.bias.tolist() == [1.0]
    with pytest.raises(BundleError, match="pretrained without labels.*finetune"):
        bundle.task.answers(np.zeros((1, 1)))
    figures = [row["figures"]["loss"] for row in result.fit.curves]
    assert min(figures) == pytest.approx(result.fit.figures["loss"])
    assert figures[-1] < figures[0]


def test_a_manifest_teaches_and_its_encoder_goes_on(tmp_path: Path) -> None:
    table = age_table(tmp_path, 16)
    recordings = read_recordings(table, ColumnMapping(targets=("age",))).manifest
    made_by = ecg_cpc(
        recordings, tmp_path / "run", architecture="s4-small-causal",
        settings=settings("cpc", epochs=1, batch=8, leads=("I",)),
    )  # fmt: skip
    bundle = made_by.bundle
    assert bundle is not None
    start = start_from(bundle, outputs=1, leads=("I",))
    known, _ = load_network(load_bundle(bundle))
    assert torch.equal(start.network.encoder.weight, known.encoder.weight)
    assert start.learned_from is not None and len(start.learned_from) == 16


def test_an_objective_of_another_package_teaches(tmp_path: Path) -> None:
    class Mean(Objective):
        name = "mean"
        description = "the mean of each window"

        def forward(self, signal: Any, mask: Any = None) -> Any:
            told = self.network.forward_features(signal).mean(dim=1)
            return (told - signal.mean(dim=(1, 2))).square()

    with OBJECTIVES.temporarily(Mean, "mean"):
        result = pretrain_encoder(
            [beats(32)], tmp_path, network=NET1D, settings=settings("mean", epochs=1)
        )
    assert result.bundle is not None
    assert "the mean of each window" in (result.bundle / "README.md").read_text()


@pytest.mark.parametrize("objective", ["cpc", "jepa"])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    objective: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Dropout draws from the generators that a checkpoint holds.
    network = NewNetwork("s4-small-causal", SPEC, {**SMALL, "dropout": 0.3})

    def run(folder: str) -> dict[str, Any]:
        result = pretrain_encoder(
            [beats(32)], tmp_path / folder, network=network,
            settings=settings(objective, checkpoint_every=1, batch=8, lead_replacement=0.5),
        )  # fmt: skip
        return result.fit.state

    whole = run("whole")
    make, calls = ObjectiveBatches._make, iter(range(100))

    def interrupted(*arguments: Any) -> Any:
        if next(calls) == 4:  # in the middle of the second epoch
            raise KeyboardInterrupt
        return make(*arguments)

    monkeypatch.setattr(ObjectiveBatches, "_make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("broken")
    assert (tmp_path / "broken" / "last.checkpoint").is_file()
    continued = run("broken")
    assert next(calls) < 12  # the first batches were not trained on again
    assert all(torch.equal(whole[name], continued[name]) for name in whole)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["cpc", "masked"])
def test_two_processes_compute_what_one_does(objective: str, tmp_path: Path) -> None:
    # WINDOWS windows leave 32 for training: two whole batches of 16, halved between the processes.
    program = ["tests.training.small_objectives"]
    launcher = [
        sys.executable, "-m", "torch.distributed.run",
        "--standalone", "--nproc-per-node", "2", "-m",
    ]  # fmt: skip
    curves = []
    for name, start in (("alone", [sys.executable, "-m"]), ("both", launcher)):
        subprocess.run(
            [*start, *program, str(tmp_path / name), objective, "2", WINDOWS],
            check=True, cwd=ROOT, timeout=300,
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )  # fmt: skip
        curves.append(json.loads((tmp_path / name / "losses.json").read_text()))
    # Sums are taken in another order; nothing else differs.
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)


def test_the_loss_of_the_loop_is_the_mean() -> None:
    assert float(mean_loss(torch.tensor([1.0, 2.0, 6.0]))) == 3.0
