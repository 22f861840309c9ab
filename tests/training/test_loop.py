"""The training loop: repeatable, resumable, and right about its averages and schedules."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from ecgfoundry.errors import TrainingError  # noqa: E402
from ecgfoundry.training.fit_settings import FitSettings  # noqa: E402
from ecgfoundry.training.loop import fit  # noqa: E402
from ecgfoundry.training.optimization import WeightAverage, parameter_groups  # noqa: E402
from ecgfoundry.training.schedules import learning_rate_at  # noqa: E402

SETTINGS = FitSettings(
    epochs=3, steps_per_epoch=5, learning_rate=0.05, ema_decay=0.9, seed=7, checkpoint_every=2
)


def make_network() -> nn.Module:
    torch.manual_seed(11)
    return nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1)
    )


def batches(epoch: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
    for _ in range(5):
        x = generator.standard_normal((16, 3)).astype(np.float32)
        yield torch.from_numpy(x), torch.from_numpy(x @ np.float32([[1.0], [-2.0], [0.5]]))


def squared(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((output - target) ** 2).mean()


@pytest.mark.parametrize("stop_after", [1, 4, 7, 13])
def test_interrupted_run_ends_with_the_same_weights(tmp_path: Path, stop_after: int) -> None:
    whole = fit(make_network(), batches, squared, settings=SETTINGS)

    calls = 0

    def failing(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls > stop_after:
            raise KeyboardInterrupt
        return squared(output, target)

    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        fit(make_network(), batches, failing, settings=SETTINGS, checkpoint=checkpoint)
    # The second process starts from other random numbers; the checkpoint must settle them.
    torch.manual_seed(999)
    resumed = fit(make_network(), batches, squared, settings=SETTINGS, checkpoint=checkpoint)

    assert resumed.state.keys() == whole.state.keys()
    for name, tensor in whole.state.items():
        assert torch.equal(resumed.state[name], tensor), name
    losses = [row["loss"] for row in whole.curves]
    assert [row["loss"] for row in resumed.curves] == pytest.approx(losses, rel=1e-12)


def test_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    first = fit(make_network(), batches, squared, settings=SETTINGS, checkpoint=checkpoint)

    def never(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        raise AssertionError("trained again")

    again = fit(make_network(), batches, never, settings=SETTINGS, checkpoint=checkpoint)
    assert all(torch.equal(again.state[name], tensor) for name, tensor in first.state.items())


def test_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    fit(make_network(), batches, squared, settings=SETTINGS, checkpoint=checkpoint)
    with pytest.raises(TrainingError, match="learning_rate"):
        fit(
            make_network(),
            batches,
            squared,
            settings=replace(SETTINGS, learning_rate=0.01),
            checkpoint=checkpoint,
        )


def test_weight_average_follows_its_closed_form() -> None:
    network = nn.Linear(1, 1, bias=False)
    network.register_buffer("count", torch.tensor(0))
    nn.init.constant_(network.weight, 0.0)
    average = WeightAverage(network, 0.5)
    weights = [1.0, 3.0, -2.0, 5.0, 0.25, 8.0]
    for step, weight in enumerate(weights):
        nn.init.constant_(network.weight, weight)
        network.count.fill_(step)
        average.update(network)
    # d_t = min(0.5, (1 + t) / (10 + t)); the average is a weighted sum of what it has seen.
    decays = [min(0.5, (1 + t) / (10 + t)) for t in range(len(weights))]
    expected = sum(
        (1 - decays[t]) * weight * math.prod(decays[t + 1 :]) for t, weight in enumerate(weights)
    )
    assert average.network.weight.item() == pytest.approx(expected, rel=1e-6)
    assert average.network.count.item() == len(weights) - 1


def test_one_cycle_equals_that_of_torch() -> None:
    total = 40
    settings = replace(SETTINGS, schedule="one-cycle", warmup=0.25, learning_rate=0.1)
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=total + 1, pct_start=11 / 41
    )
    expected = []
    for _ in range(total):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    # torch puts the peak at step pct_start * total_steps - 1 = 10 and the end at total_steps - 1.
    ours = [learning_rate_at(step, total=total, settings=settings) for step in range(total)]
    assert ours == pytest.approx(expected, rel=1e-9)


def test_cosine_and_constant_schedules() -> None:
    cosine = replace(SETTINGS, schedule="cosine", warmup=0.0, learning_rate=1.0)
    assert learning_rate_at(0, total=100, settings=cosine) == 1.0
    assert learning_rate_at(50, total=100, settings=cosine) == pytest.approx(0.5)
    constant = replace(SETTINGS, schedule="constant", warmup=0.1, learning_rate=1.0)
    rates = [learning_rate_at(step, total=100, settings=constant) for step in range(100)]
    assert rates[10:] == [1.0] * 90
    assert np.all(np.diff(rates[:11]) > 0)
    assert rates[0] > 0


def test_biases_and_norms_do_not_decay() -> None:
    decaying, still = parameter_groups(make_network(), 0.3)
    assert decaying["weight_decay"] == 0.3
    assert still["weight_decay"] == 0.0
    assert sorted(tuple(p.shape) for p in decaying["params"]) == [(1, 8), (8, 3)]
    assert len(still["params"]) == 4


def test_best_evaluation_is_kept_and_patience_stops(tmp_path: Path) -> None:
    scores = iter([0.2, 0.9, 0.5, 0.6, 0.95])
    seen: list[dict[str, torch.Tensor]] = []

    def evaluate(network: nn.Module) -> dict[str, float]:
        assert not network.training
        seen.append({k: v.clone() for k, v in network.state_dict().items()})
        return {"score": next(scores)}

    curves = tmp_path / "curves.jsonl"
    network = make_network()
    result = fit(
        network,
        batches,
        squared,
        settings=replace(SETTINGS, epochs=5, monitor="score", patience=2),
        evaluate=evaluate,
        curves=curves,
    )
    assert result.epoch == 1
    assert result.figures == {"score": 0.9}
    assert len(seen) == 4  # epochs 2 and 3 were no better, so epoch 4 never came
    for name, tensor in seen[1].items():
        assert torch.equal(result.state[name], tensor)
        assert torch.equal(network.state_dict()[name], tensor)
    rows = [json.loads(line) for line in curves.read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert rows[1]["figures"]["score"] == 0.9


def test_it_learns() -> None:
    plain = nn.Linear(3, 1)
    settings = replace(SETTINGS, epochs=40, ema_decay=None, weight_decay=0.0)
    result = fit(plain, batches, squared, settings=settings)
    assert result.state["weight"][0].tolist() == pytest.approx([1.0, -2.0, 0.5], abs=1e-2)


def test_wrong_runs_are_named() -> None:
    with pytest.raises(TrainingError, match="asks for 9"):
        fit(make_network(), batches, squared, settings=replace(SETTINGS, steps_per_epoch=9))
    with pytest.raises(TrainingError, match="monitor 'auroc'"):
        fit(
            make_network(),
            batches,
            squared,
            settings=replace(SETTINGS, monitor="auroc"),
            evaluate=lambda network: {"f1": 1.0},
        )
    with pytest.raises(TrainingError, match="step 1 of epoch 1"):
        fit(make_network(), batches, lambda o, t: o.mean() * math.nan, settings=SETTINGS)
