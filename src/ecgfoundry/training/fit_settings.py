"""What decides the course of one run of the loop, and whether a checkpoint is of the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from ecgfoundry.documents import JsonObject, JsonValue
from ecgfoundry.errors import TrainingError
from ecgfoundry.training.schedules import Schedule
from ecgfoundry.training.settings import (
    ArithmeticSettings,
    EarlyStoppingSettings,
    OptimizerSettings,
    ScheduleSettings,
    StepSettings,
)
from ecgfoundry.training.settings_base import REQUIRED, Settings, setting

__all__ = ["FitSettings", "check_same_settings", "plain_settings"]


@dataclass(frozen=True, kw_only=True)
class FitSettings(
    OptimizerSettings, ScheduleSettings, EarlyStoppingSettings, StepSettings, ArithmeticSettings
):
    """What decides the course of a training run: the groups of its settings that the loop reads.

    Declared here is what only the loop knows, and where its default is another one than that of
    ``finetune``. Patience counts evaluations.
    """

    epochs: int = setting(REQUIRED, "Passes over the data.", low=1)
    steps_per_epoch: int = setting(
        REQUIRED, "Steps in each epoch; the schedule is laid out over all of them.", low=1
    )
    learning_rate: float = setting(1e-3, "Peak rate of the schedule (PyTorch's default).", low=0)
    schedule: Schedule = setting("one-cycle", "Course of the rate (our choice).")  # noqa: RUF009
    warmup: float = setting(
        0.2, "Share of all steps in which the rate rises, below 1 (our choice).", low=0, high=1
    )
    plateau_patience: int = setting(
        10, "Evaluations without improvement before plateau lowers the rate (ECGFounder).", low=0
    )
    betas: tuple[float, float] = setting(
        (0.9, 0.999), "Decay rates of AdamW's moments (Kingma and Ba 2015)."
    )
    ema_decay: float | None = setting(
        0.999, "Decay of the averaged weights; none: no average (our choice).", low=0, high=1
    )
    patience: int | None = setting(None, "Evaluations without improvement; none: never.", low=1)
    seed: int = setting(0, "Of torch and, with the epoch, of the batches.", low=0)
    evaluate_every: int = setting(1, "Epochs between two evaluations, and after the last.", low=1)
    monitor: str | None = setting(
        None, "The evaluated figure that selects the weights; none: the last weights."
    )
    monitor_mode: Literal["max", "min"] = setting("max", "Whether more of it is better, or less.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup >= 1.0:
            raise TrainingError(f"warmup is a share of all steps in [0, 1), not {self.warmup}")

    @classmethod
    def of_run(cls, settings: Settings, **own: Any) -> FitSettings:
        """Take over what a run's settings and this class both name.

        Parameters
        ----------
        settings : Settings
        **own
            What only the run knows (steps per epoch, the figure to watch), or what it decides.
        """
        names = {one.name for one in fields(cls)}
        shared = {name: value for name, value in settings.flat().items() if name in names}
        return cls(**{**shared, **own})


def check_same_settings(theirs: Mapping[str, JsonValue], settings: FitSettings, path: Path) -> None:
    """Refuse a checkpoint that was written under other settings.

    Raises
    ------
    TrainingError
    """
    ours = plain_settings(settings)
    # How many threads compute, and how often a checkpoint is written, are free to change; a
    # setting that the file does not know yet had the default.
    free = {"threads", "checkpoint_every"}
    defaults = {f.name: f.default for f in fields(FitSettings)}
    differing = sorted(
        name for name in ours if name not in free and theirs.get(name, defaults[name]) != ours[name]
    )
    if differing:
        raise TrainingError(
            f"written under other settings ({', '.join(differing)})",
            path=path,
            remedy="Give another checkpoint path or delete the file",
        )


def plain_settings(settings: FitSettings) -> JsonObject:
    """Return the settings as JSON has them."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}
