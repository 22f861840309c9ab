"""Single steps of the training loop, worked out by hand, and when it evaluates, stops and writes.

The network is one number ``w`` (a weight, which decays, or a bias, which does not), the loss is
``c * w`` with the ``c`` of the batch, so that the gradient is ``c``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from ecgfoundry.errors import TrainingError  # noqa: E402
from ecgfoundry.training.fit_settings import FitSettings  # noqa: E402
from ecgfoundry.training.loop import FitResult, fit  # noqa: E402
from ecgfoundry.training.optimization import WeightAverage  # noqa: E402

PLAIN = {
    "schedule": "constant", "warmup": 0.0, "learning_rate": 0.1, "weight_decay": 0.0,
    "gradient_clip": None, "ema_decay": None,
}  # fmt: skip


class Number(nn.Module):
    """One number that is the output of every batch."""

    def __init__(self, *, bias: bool = False, begin: float = 2.0) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.full((1,) if bias else (1, 1), begin))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.w.sum()


def walk(gradients: list[float], *, bias: bool = False, **settings: object) -> FitResult:
    """Take one epoch of these gradients; ``settings`` beside the plain ones."""

    def batches(epoch: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        for value in gradients:
            yield (torch.tensor([value]),)

    chosen = {"epochs": 1, "steps_per_epoch": len(gradients)} | PLAIN | settings
    return fit(Number(bias=bias), batches, lambda out: out.sum(), settings=FitSettings(**chosen))


def end(result: FitResult) -> float:
    return float(result.state["w"].sum())


def test_the_first_step_of_adam_has_the_length_of_the_rate() -> None:
    assert end(walk([3.0])) == pytest.approx(1.9, abs=1e-6)
    assert end(walk([-0.01])) == pytest.approx(2.1, abs=1e-5)


def test_moments_of_adam() -> None:
    # Gradients 1 and -2: m = 0.9 * 0.1 - 0.2 = -0.11, over 1 - 0.9^2: -0.5789474;
    # v = 0.999 * 0.001 + 0.004 = 0.004999, over 1 - 0.999^2: 2.5007504; step 0.1 * 0.3661041.
    assert end(walk([1.0, -2.0])) == pytest.approx(1.9 + 0.0366104, abs=1e-6)
    # Decay rates 0.5 and 0.5: m = 0.25 - 1 = -0.75 over 0.75: -1; v = 0.25 + 2 over 0.75: 3.
    other = walk([1.0, -2.0], betas=(0.5, 0.5))
    assert end(other) == pytest.approx(1.9 + 0.1 / 3**0.5, abs=1e-6)


def test_weights_decay_and_biases_do_not() -> None:
    # AdamW: w - rate * decay * w, then the step: 2 - 0.1 * 0.5 * 2 - 0.1.
    assert end(walk([1.0], weight_decay=0.5)) == pytest.approx(1.8, abs=1e-6)
    assert end(walk([1.0], weight_decay=0.5, bias=True)) == pytest.approx(1.9, abs=1e-6)


def test_gradients_are_clipped_at_their_norm() -> None:
    # 0.5 stays, 5 becomes 1: m = 0.045 + 0.1 over 0.19 = 0.7631579; v = 0.00024975 + 0.001 over
    # 0.001999 = 0.6251876; 0.1 * 0.9651820. Unclipped it would be 0.1 * 0.8070642.
    clipped = walk([0.5, 5.0], gradient_clip=1.0)
    assert end(clipped) == pytest.approx(1.9 - 0.0965182, abs=1e-5)
    assert end(walk([0.5, 5.0])) == pytest.approx(1.9 - 0.0807064, abs=1e-5)


def test_the_averaged_weights_are_returned() -> None:
    # One step to 1.9 with the decay min(0.99, 1/10) = 0.1: 0.1 * 2 + 0.9 * 1.9.
    assert end(walk([1.0], ema_decay=0.99)) == pytest.approx(1.91, abs=1e-6)
    # A second one to 1.8 with 2/11: 1.91 * 2/11 + 1.8 * 9/11.
    assert end(walk([1.0, 1.0], ema_decay=0.99)) == pytest.approx(1.82, abs=1e-5)
    # From the 10th update on a decay of 0.5 is reached: (1 + 8) / (10 + 8).
    network = Number(begin=0.0)
    average = WeightAverage(network, 0.5)
    average.updates = 20
    nn.init.constant_(network.w, 1.0)
    average.update(network)
    assert float(average.network.w.detach()) == 0.5
    for wrong in (1.0, -0.1):
        with pytest.raises(TrainingError, match=r"\[0, 1\)"):
            WeightAverage(network, wrong)
    WeightAverage(network, 0.0)


def test_accumulated_losses_are_a_mean() -> None:
    # The curve shows (1 + 3) / 2 * 2 and (5 + 7) / 2 * 1.9, averaged over two steps.
    result = walk([1.0, 3.0, 5.0, 7.0], accumulate=2, steps_per_epoch=2)
    assert result.curves[0]["loss"] == pytest.approx((4.0 + 6.0 * 1.9) / 2, rel=1e-6)
    # Adam's second step after gradients 2 and 6: m = 0.18 + 0.6 over 0.19 = 4.1052632;
    # v = 0.003996 + 0.036 over 0.001999 = 20.0080040.
    expected = 1.9 - 0.1 * 4.1052632 / 20.0080040**0.5
    assert end(result) == pytest.approx(expected, abs=1e-6)
    # It is the mean that is clipped: 0.5 stays and 5 becomes 1, as without accumulation.
    result = walk([0.25, 0.75, 4.0, 6.0], accumulate=2, steps_per_epoch=2, gradient_clip=1.0)
    assert end(result) == pytest.approx(1.9 - 0.0965182, abs=1e-5)


def evaluated(scores: list[float], **settings: object) -> tuple[FitResult, int]:
    """Run as many epochs of one step as there are scores."""
    told = iter(scores)
    calls = 0

    def evaluate(network: nn.Module) -> dict[str, float]:
        nonlocal calls
        calls += 1
        return {"x": next(told)}

    def batches(epoch: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        yield (torch.tensor([1.0]),)

    chosen = {"epochs": len(scores), "steps_per_epoch": 1, "monitor": "x"} | PLAIN | settings
    result = fit(
        Number(), batches, lambda out: out.sum(), settings=FitSettings(**chosen), evaluate=evaluate
    )
    return result, calls


@pytest.mark.parametrize(
    ("every", "epochs"), [(1, [0, 1, 2, 3, 4]), (2, [1, 3, 4]), (5, [4]), (9, [4])]
)
def test_evaluations_come_every_so_often_and_at_the_end(every: int, epochs: list[int]) -> None:
    result, calls = evaluated([0.0] * 5, evaluate_every=every)
    assert [row["epoch"] for row in result.curves if "figures" in row] == epochs
    assert calls == len(epochs)


def test_less_can_be_better_and_the_first_of_equals_is_kept() -> None:
    result, _ = evaluated([3.0, 1.0, 2.0, 1.0], monitor_mode="min")
    assert (result.epoch, result.figures) == (1, {"x": 1.0})
    assert end(result) == pytest.approx(1.8, abs=1e-5)
    result, _ = evaluated([3.0, 1.0, 2.0, 3.0])
    assert result.epoch == 0
    result, _ = evaluated([3.0, 1.0, 2.0], monitor=None)
    assert result.epoch == 2


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (2, 3), (3, 6), (None, 6)])
def test_patience_counts_evaluations_without_improvement(patience: int | None, epochs: int) -> None:
    result, _ = evaluated([1.0, 0.5, 0.5, 2.0, 0.1, 0.2], patience=patience)
    assert len(result.curves) == epochs


def test_plateau_lowers_the_rate_after_more_than_its_patience() -> None:
    # Epochs 1 to 3 are no better; with a patience of 2 the rate falls after the third of them.
    scores = [1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]
    result, _ = evaluated(
        scores, schedule="plateau", plateau_patience=2, step_factor=0.5, learning_rate=0.8
    )
    rates = [row["learning_rate"] for row in result.curves]
    assert rates == pytest.approx([0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.4])
    # An improvement begins the count anew; without a plateau schedule nothing falls.
    result, _ = evaluated(scores, schedule="constant", plateau_patience=2, learning_rate=0.8)
    assert {row["learning_rate"] for row in result.curves} == {0.8}


@pytest.mark.parametrize(("steps", "written"), [(4, 3), (6, 6), (7, 6)])
def test_a_checkpoint_every_three_steps(tmp_path: Path, steps: int, written: int) -> None:
    path = tmp_path / "run.checkpoint"

    def batches(epoch: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        for number in range(9):
            if number == steps:
                raise KeyboardInterrupt
            yield (torch.tensor([1.0]),)

    chosen = FitSettings(epochs=1, steps_per_epoch=9, checkpoint_every=3, **PLAIN)
    with pytest.raises(KeyboardInterrupt):
        fit(Number(), batches, lambda out: out.sum(), settings=chosen, checkpoint=path)
    content = torch.load(path, weights_only=True)
    assert (content["epoch"], content["position"]) == (0, written)
    # Each step is 0.1 long.
    assert float(content["network"]["w"]) == pytest.approx(2.0 - 0.1 * written, abs=1e-5)


def test_the_seed_of_an_epoch_is_the_runs_and_the_epochs() -> None:
    drawn: list[list[float]] = []

    def batches(epoch: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        drawn.append(generator.random(2).tolist())
        yield (torch.tensor([1.0]),)

    chosen = FitSettings(epochs=2, steps_per_epoch=1, seed=7, **PLAIN)
    fit(Number(), batches, lambda out: out.sum(), settings=chosen)
    expected = [np.random.default_rng([7, epoch]).random(2).tolist() for epoch in (0, 1)]
    assert drawn == expected
