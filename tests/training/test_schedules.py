"""Learning rates at given steps, worked out by hand, and the defaults of a run."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("torch")

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.schedules import SCHEDULES, learning_rate_at


def rates(steps: tuple[int, ...], total: int, **settings: object) -> list[float]:
    chosen = FitSettings(**{"epochs": 10, "steps_per_epoch": 10} | settings)
    return [learning_rate_at(step, total=total, settings=chosen) for step in steps]


def test_one_cycle() -> None:
    # Peak 1e-3, warm-up over 20 of 100 steps: from 1/25 of the peak, half way up after 10 steps
    # (the mean of 4e-5 and 1e-3), the peak at 20, half way down to 4e-5 / 1e4 = 4e-9 after 60. At
    # 99 the cosine is cos(79 pi / 80) = -0.9992290: 4e-9 + (1e-3 - 4e-9) * 0.00038548.
    found = rates(
        (0, 5, 10, 20, 60, 99, 100), 100, schedule="one-cycle", warmup=0.2, learning_rate=1e-3
    )
    expected = [4e-5, 1.8058875e-4, 5.2e-4, 1e-3, 5.00002e-4, 3.8947e-7, 4e-9]
    assert found == pytest.approx(expected, rel=1e-4)


def test_cosine() -> None:
    # Ten steps of warm-up: 1/11, 2/11, ...; then half a cosine over 90 steps down to 0.
    found = rates(
        (0, 1, 9, 10, 40, 55, 70, 100, 120), 100, schedule="cosine", warmup=0.1, learning_rate=2.0
    )
    expected = [2 / 11, 4 / 11, 20 / 11, 2.0, 1.5, 1.0, 0.5, 0.0, 0.0]
    assert found == pytest.approx(expected, abs=1e-12)
    # 2.5 steps of warm-up are three rising steps.
    found = rates((0, 1, 2, 3), 10, schedule="constant", warmup=0.25, learning_rate=3.0)
    assert found == pytest.approx([1.0, 2.0, 3.0, 3.0])


def test_without_warmup_the_first_step_has_the_peak() -> None:
    for schedule in ("one-cycle", "cosine", "constant", "step", "plateau"):
        assert rates((0,), 100, schedule=schedule, warmup=0.0, learning_rate=0.3) == [0.3]


def test_step_falls_to_a_tenth_every_five_epochs() -> None:
    # ECGFounder's pretraining (arXiv 2410.04133, relayed); 10 steps an epoch.
    found = rates((0, 49, 50, 99, 100), 200, schedule="step", warmup=0.0, learning_rate=1e-3)
    assert found == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5], rel=1e-12)
    other = {"schedule": "step", "warmup": 0.0, "step_epochs": 2, "step_factor": 0.5}
    assert rates((19, 20, 40), 200, learning_rate=1.0, **other) == [1.0, 0.5, 0.25]


def test_plateau_is_left_to_the_loop() -> None:
    found = rates((0, 3, 4, 50, 99), 100, schedule="plateau", warmup=0.04, learning_rate=1.0)
    assert found == pytest.approx([0.2, 0.8, 1.0, 1.0, 1.0])


def test_names_of_the_schedules() -> None:
    assert SCHEDULES == ("one-cycle", "cosine", "constant", "step", "plateau")
    with pytest.raises(TrainingError, match="no schedule 'linear'"):
        FitSettings(epochs=1, steps_per_epoch=1, schedule="linear")


def test_defaults_of_a_run() -> None:
    defaults = {
        f.name: f.default
        for f in dataclasses.fields(FitSettings)
        if f.default is not dataclasses.MISSING
    }
    assert defaults == {
        "learning_rate": 1e-3,  # torch.optim.AdamW
        "schedule": "one-cycle",
        "warmup": 0.2,
        "weight_decay": 0.01,  # torch.optim.AdamW
        "betas": (0.9, 0.999),  # Kingma & Ba 2015
        "gradient_clip": 1.0,
        "ema_decay": 0.999,
        "seed": 0,
        "threads": None,
        "evaluate_every": 1,
        "monitor": None,
        "monitor_mode": "max",
        "patience": None,
        "checkpoint_every": None,
        "step_epochs": 5,  # ECGFounder's pretraining
        "step_factor": 0.1,  # ECGFounder's pretraining and fine-tuning
        "plateau_patience": 10,  # ECGFounder's fine-tuning
        "precision": "fp32",
        "accumulate": 1,
        "compile": False,
        "deterministic": False,
        "channels_last": False,
        "recompute": False,
        "layer_decay": 1.0,
        "shard": False,
    }


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"steps_per_epoch": 0}, "at least 1"),
        ({"accumulate": 0}, "at least 1"),
        ({"step_epochs": 0}, "at least 1"),
        ({"warmup": 1.0}, "share of all steps"),
        ({"warmup": -0.01}, "warmup is at least 0"),
        ({"precision": "fp16"}, "no precision 'fp16'. Use fp32, bf16"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        FitSettings(**{"epochs": 1, "steps_per_epoch": 1} | wrong)
    FitSettings(epochs=1, steps_per_epoch=1, accumulate=1, step_epochs=1, warmup=0.99)
