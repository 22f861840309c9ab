"""Defaults of runs as literals, and that a run trains with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.errors import TrainingError  # noqa: E402
from ecgfoundry.labs.training import LaboratorySettings  # noqa: E402
from ecgfoundry.manifest import ColumnMapping, MappedManifest, read_recordings  # noqa: E402
from ecgfoundry.training.data.pools import validation_positions  # noqa: E402
from ecgfoundry.training.finetuning import FinetuneSettings, finetune  # noqa: E402
from ecgfoundry.training.initialization import NewNetwork  # noqa: E402
from ecgfoundry.training.pretraining import (  # noqa: E402
    PretrainSettings,
    pretrain,
)
from ecgfoundry.training.recipes.ecgfounder import FINETUNE, PRETRAIN  # noqa: E402
from ecgfoundry.training.results.package import DISCLAIMER, Metric  # noqa: E402
from tests.training.small_data import age_table  # noqa: E402
from tests.training.small_pretraining import NETWORK, SPEC, TASK, beats  # noqa: E402


def test_defaults_of_fine_tuning() -> None:
    assert FinetuneSettings().flat() == {
        "train_share": 0.7, "validation_share": 0.15, "test_share": 0.15,
        "step_epochs": 5, "step_factor": 0.1, "checkpoint_every": 200,
        "mode": "full", "last_stages": 1, "epochs": None, "batch": 32, "learning_rate": None,
        "schedule": "cosine", "warmup": 0.05, "weight_decay": 0.01, "gradient_clip": 1.0,
        "ema_decay": 0.99, "patience": 8, "precision": "fp32", "accumulate": 1, "compile": False,
        "deterministic": False, "threads": None,
        "augmentations": ("shift", "scale", "noise", "masking"), "channels_last": False,
        "test_figures": True, "device": "cpu", "workers": 0, "seed": 0, "lead": None,
        "preprocessing": None, "layer_decay": 1.0, "recompute": False, "shard": False,
        "adapter_rank": 8, "adapter_alpha": 16.0,
    }  # fmt: skip


def test_ecgfounders_fine_tuning() -> None:
    """Relayed from the paper (arXiv 2410.04133) and the released code: Adam at 1e-4 without decay,
    batch 256, 30 epochs, times 0.1 after 10 evaluations without improvement."""
    plain = FinetuneSettings().flat()
    changed = {name: value for name, value in FINETUNE.flat().items() if value != plain[name]}
    assert changed == {
        "epochs": 30, "batch": 256, "learning_rate": 1e-4, "schedule": "plateau", "warmup": 0.0,
        "weight_decay": 0.0, "ema_decay": None, "patience": None, "augmentations": (),
    }  # fmt: skip


def test_ecgfounders_pretraining() -> None:
    """Relayed from the paper: AdamW at 1e-3 times 0.1 every 5 epochs, batch 1024, 20 epochs."""
    assert PRETRAIN.flat() == {
        "epochs": 20, "batch": 1024, "learning_rate": 1e-3, "schedule": "step", "step_epochs": 5,
        "step_factor": 0.1, "warmup": 0.0, "patience": 3, "validation_share": 0.05,
        "lead_replacement": None, "augmentations": (), "accumulate": 1, "weight_decay": 0.01,
        "gradient_clip": 1.0, "ema_decay": None, "precision": "fp32", "compile": False,
        "deterministic": False, "channels_last": False, "threads": None, "checkpoint_every": 500,
        "workers": 0, "seed": 0, "device": "auto", "leads": (), "lead_mode": None,
        "preprocessing": None, "only_ecg": True, "layer_decay": 1.0, "recompute": False,
        "shard": False,
        # Nothing of these is used with labels.
        "objective": "labels", "steps_ahead": 12, "masked_share": 0.5, "masked_ms": 200.0,
        "piece_ms": 40.0, "teacher_decay": 0.996,
    }  # fmt: skip


def test_defaults_of_laboratory_training() -> None:
    assert LaboratorySettings().flat() == {
        "split": "random", "time": "result_time", "window_minutes": 60.0, "minimum_patients": 10,
        "before_only": False, "segments_per_visit": None, "validation_segments": 4,
        "test_segments": None, "probe": False, "regression": False, "regression_weight": 0.3,
        "pooling": "mean", "visit_segments": 8, "epochs": 10, "batch": 256, "learning_rate": None,
        "patience": 3, "ema_decay": 0.99, "weight_decay": 0.01, "precision": "fp32",
        "augmentations": ("shift", "scale"), "channels_last": False, "threads": None,
        "device": "cpu", "workers": 0, "checkpoint_every": 200, "seed": 0, "accumulate": 1,
        "gradient_clip": 1.0, "schedule": "cosine", "warmup": 0.05, "step_epochs": 5,
        "step_factor": 0.1, "compile": False, "deterministic": False,
        "layer_decay": 1.0, "recompute": False, "shard": False,
    }  # fmt: skip


# --- what a run trains with -----------------------------------------------------------------------


class Enough(Exception):  # noqa: N818
    """Raised by the listener of a run after its first epoch."""


def first_epoch(line: str) -> None:
    if line.startswith("epoch 1:"):
        raise Enough


def settings_in(run: Path) -> dict[str, Any]:
    """The settings that the run's checkpoint was written under."""
    found: dict[str, Any] = torch.load(run / "last.checkpoint", weights_only=True)["settings"]
    return found


@pytest.fixture(scope="module")
def ages(tmp_path_factory: pytest.TempPathFactory) -> MappedManifest:
    table = age_table(tmp_path_factory.mktemp("ages"), 12, per_patient=1, rate=250.0)
    return read_recordings(table, ColumnMapping(targets=("age",)))


def test_pretrained_weights_are_fine_tuned_at_3e_4(ages: MappedManifest, tmp_path: Path) -> None:
    settings = FinetuneSettings.of(lead="I")
    with pytest.raises(Enough):
        finetune(ages, tmp_path, model="rhythm-single-lead", say=first_epoch, settings=settings)
    found = settings_in(tmp_path)
    assert found["learning_rate"] == 3e-4
    assert found["epochs"] == 30  # ECGFounder's fine-tuning
    assert (found["monitor"], found["monitor_mode"]) == ("mae_in_sd", "min")
    assert (found["schedule"], found["warmup"]) == ("cosine", 0.05)
    assert (found["weight_decay"], found["gradient_clip"], found["ema_decay"]) == (0.01, 1.0, 0.99)
    assert (found["patience"], found["checkpoint_every"]) == (8, 200)
    assert (found["accumulate"], found["steps_per_epoch"], found["seed"]) == (1, 1, 0)


def test_random_weights_are_trained_at_1e_3(ages: MappedManifest, tmp_path: Path) -> None:
    chosen = FinetuneSettings.of(
        batch=4, epochs=7, augmentations=(), seed=5, weight_decay=0.2,
        preprocessing="twelve-lead-100hz@1",
    )  # fmt: skip
    with pytest.raises(Enough):
        finetune(ages, tmp_path, model="net1d-tiny", settings=chosen, say=first_epoch)
    found = settings_in(tmp_path)
    assert (found["learning_rate"], found["epochs"], found["seed"]) == (1e-3, 7, 5)
    assert found["weight_decay"] == 0.2
    training = (tmp_path / "split.csv").read_text().count(",train,")
    # sha256sum of 5:p0 to 5:p11: e42c c518 2d13 e440 9aee 6a50 665b 872b fb1c f136 b2fc a0bd; seven
    # are below 0.7 (b333).
    assert training == 7
    assert found["steps_per_epoch"] == -(-training // 4)
    # A rate that is given is the one that is used.
    chosen = chosen.change(learning_rate=2e-5, epochs=3)
    with pytest.raises(Enough):
        finetune(ages, tmp_path / "b", model="net1d-tiny", settings=chosen, say=first_epoch)
    assert settings_in(tmp_path / "b")["learning_rate"] == 2e-5


def test_pretraining_hands_its_settings_on(tmp_path: Path) -> None:
    chosen = PretrainSettings.of(
        epochs=4, batch=8, learning_rate=2e-3, step_epochs=2, step_factor=0.3, patience=2,
        validation_share=0.4, weight_decay=0.03, gradient_clip=0.5, accumulate=2, ema_decay=0.9,
        checkpoint_every=17, seed=3, warmup=0.1,
    )  # fmt: skip
    with pytest.raises(Enough):
        pretrain(
            [beats(40)], tmp_path, network=NewNetwork("net1d-tiny", SPEC, NETWORK), task=TASK,
            settings=chosen, say=first_epoch,
        )  # fmt: skip
    found = settings_in(tmp_path)
    expected = {
        "epochs": 4, "learning_rate": 2e-3, "schedule": "step", "step_epochs": 2,
        "step_factor": 0.3, "patience": 2, "weight_decay": 0.03, "gradient_clip": 0.5,
        "accumulate": 2, "ema_decay": 0.9, "checkpoint_every": 17, "seed": 3, "warmup": 0.1,
        "monitor": "loss", "monitor_mode": "min", "precision": "fp32",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    # 8 windows a step are two batches of 4.
    training = int((~validation_positions([f"p{k // 2}" for k in range(40)], 0.4, 3)).sum())
    assert found["steps_per_epoch"] == -(-training // 8)


@pytest.mark.parametrize(
    ("seed", "shares"),
    [
        (0, (0.251, 0.972, 0.262, 0.627, 0.936, 0.328, 0.587, 0.563, 0.325, 0.694)),
        (7, (0.74, 0.288, 0.242, 0.647, 0.798, 0.295, 0.334, 0.042, 0.368, 0.917)),
    ],
)
def test_validation_patients_are_chosen_by_a_hash(seed: int, shares: tuple[float, ...]) -> None:
    """The first 8 bytes of SHA-256 of "validation:SEED:NAME" as a share of 2^64.

    The shares of p0 to p9 are from ``printf validation:0:p0 | sha256sum``, to three digits.
    """
    names = [f"p{k}" for k in range(10)]
    for limit in (0.05, 0.2, 0.3, 0.5, 0.8, 0.95):
        found = validation_positions(names, limit, seed).tolist()
        assert found == [share < limit for share in shares]


def test_batches_are_shared_among_accumulated_steps(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="a batch of 8 cannot be divided by 3 accumulated"):
        pretrain(
            [beats(40)], tmp_path, network=NewNetwork("net1d-tiny", SPEC), task=TASK,
            settings=PretrainSettings.of(batch=8, accumulate=3, validation_share=0.4),
        )  # fmt: skip


# --- figures of a card ----------------------------------------------------------------------------


def test_a_figure_states_only_what_is_known() -> None:
    assert Metric("AUROC", 0.9, "test").to_dict() == {"name": "AUROC", "value": 0.9, "data": "test"}
    full = Metric("AUROC", None, "test", 0.1, 0.2, "a", "II", 7)
    assert full.to_dict() == {
        "name": "AUROC", "value": None, "data": "test", "low": 0.1, "high": 0.2, "target": "a",
        "leads": "II", "records": 7,
    }  # fmt: skip
    # A figure of 0 is known.
    nothing = Metric("AUROC", 0.0, "test", low=0.0, high=0.5, records=0).to_dict()
    assert nothing == {
        "name": "AUROC", "value": 0.0, "data": "test", "low": 0.0, "high": 0.5, "records": 0,
    }  # fmt: skip
    assert DISCLAIMER == "Not a medical device. For research; findings are unconfirmed."
