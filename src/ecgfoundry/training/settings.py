"""The settings of training runs: each is declared once, here.

A setting has a type, a default, a text that says what it does, its unit and the source of the
default. From these come the flags of the command line (``--learning-rate``), the keys of
``--config FILE.toml``, ``configuration.json`` and the page ``docs/settings.md``. Groups nest; the
names of all settings of a run differ, so that one can be named with its group
(``[optimizer] learning_rate = 1e-4``) or without.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.schedules import Schedule
from ecgfoundry.training.settings_base import Settings, setting

__all__ = [
    "AdapterSettings",
    "ArithmeticSettings",
    "AugmentationSettings",
    "ComputeSettings",
    "DataSettings",
    "EarlyStoppingSettings",
    "FinetuneSettings",
    "InputSettings",
    "OptimizerSettings",
    "PretrainDataSettings",
    "PretrainSettings",
    "ScheduleSettings",
    "SelfSupervisionSettings",
    "SplitSettings",
    "StepSettings",
]


@dataclass(frozen=True, kw_only=True)
class InputSettings(Settings):
    """What goes into the network."""

    lead: str | None = setting(
        None,
        "The lead that a one-lead model is trained on and then reads; recordings without it are "
        "left out. None: the first that the recordings share of the start model's own, I and II.",
    )
    preprocessing: str | None = setting(
        None,
        "For an architecture: a recipe's name, or its file (.json). None: what the architecture is "
        "for; a bundle brings its own.",
    )


@dataclass(frozen=True, kw_only=True)
class PretrainInputSettings(Settings):
    """What goes into the network."""

    leads: tuple[str, ...] = setting(
        (),
        "Rows of the input, in order, separated by commas; for a one-lead network the lead that it "
        "reads. None: the standard twelve.",
    )
    lead_mode: Literal["exact", "any-subset", "any-single"] | None = setting(
        None, "Which leads a recording must have. None: what the architecture is for."
    )
    preprocessing: str | None = setting(
        None, "A recipe's name, or its file (.json). None: what the architecture is for."
    )


@dataclass(frozen=True, kw_only=True)
class StepSettings(Settings):
    """What makes one step of the optimizer."""

    accumulate: int = setting(1, "Batches whose gradients make one step.", low=1)


@dataclass(frozen=True, kw_only=True)
class DataSettings(StepSettings):
    """How windows are batched."""

    batch: int = setting(
        32, "Windows per batch, over all processes of torchrun (our choice).", low=1
    )
    workers: int = setting(0, "Threads that prepare batches ahead; 0: none.", low=0)


@dataclass(frozen=True, kw_only=True)
class SplitSettings(Settings):
    """Shares of the people, where the table has no splits; they add up to 1 (our choices)."""

    train_share: float = setting(0.7, "Share of the people that train.", low=0, high=1)
    validation_share: float = setting(
        0.15, "Share that stops, chooses and calibrates.", low=0, high=1
    )
    test_share: float = setting(0.15, "Share that is measured once, at the end.", low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        total = self.train_share + self.validation_share + self.test_share
        if abs(total - 1.0) > 1e-9:
            raise TrainingError(
                f"train_share, validation_share and test_share add up to {total:g}, not 1",
                remedy="For example 0.7, 0.15 and 0.15",
            )


@dataclass(frozen=True, kw_only=True)
class PretrainDataSettings(DataSettings):
    """How windows are batched, and which validate."""

    batch: int = setting(
        1024, "Windows per step over all processes (ECGFounder, arXiv 2410.04133).", low=1
    )
    validation_share: float = setting(
        0.05, "Share of the patients that validate, by the hash of their names (our choice).",
        low=0, high=1,
    )  # fmt: skip
    only_ecg: bool = setting(
        True, "Of a manifest, leave out windows without heartbeats and what is no ECG."
    )


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings(Settings):
    """AdamW."""

    learning_rate: float | None = setting(
        None,
        "Peak rate. None: 3e-4 from pretrained weights, 1e-3 from random ones and for "
        "adapters (our choices).",
        low=1e-12,
    )
    weight_decay: float = setting(
        0.01, "Decoupled decay, on weights but not on biases and norms (PyTorch's default).", low=0
    )
    layer_decay: float = setting(
        1.0,
        "What the rate is multiplied with from each stage to the one before it, the classifier "
        "having the whole; 1: all alike.",
        low=1e-6, high=1,
    )  # fmt: skip
    gradient_clip: float | None = setting(
        1.0, "Largest global L2 norm of the gradient; none: no limit (our choice).", low=0
    )
    ema_decay: float | None = setting(
        0.99,
        "Decay of the averaged weights, which are then measured and kept; none: no average (our "
        "choice).",
        low=0, high=1,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings(Settings):
    """How long, and how the rate runs."""

    epochs: int | None = setting(
        None, "Passes over the training data, at most. None: 30 (ECGFounder's fine-tuning).", low=1
    )
    schedule: Schedule = setting("cosine", "Course of the rate (our choice).")  # noqa: RUF009
    warmup: float = setting(
        0.05, "Share of all steps in which the rate rises (our choice).", low=0, high=1
    )
    step_epochs: int = setting(5, "Epochs between two falls of the schedule step.", low=1)
    step_factor: float = setting(0.1, "What step and plateau multiply the rate with.", low=0)


@dataclass(frozen=True, kw_only=True)
class EarlyStoppingSettings(Settings):
    """When to stop before the last epoch."""

    patience: int | None = setting(
        8, "Epochs without improvement on the validation split; none: never (our choice).", low=1
    )


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings(Settings):
    """Random changes to training windows that leave their labels true."""

    augmentations: tuple[str, ...] = setting(
        ("shift", "scale", "noise", "masking"),
        "Names, separated by commas, done in this order: lead-dropout, shift, scale, noise, "
        "band-noise, baseline-wander, mains, masking, or those of other packages; none: as they "
        "are.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if "lead-replacement" in self.augmentations:
            raise TrainingError(
                "lead-replacement needs the raw leads I and II and is none of the augmentations "
                "of standardized windows",
                remedy="Pretrain with --lead-replacement 0.5, or leave it out",
            )


@dataclass(frozen=True, kw_only=True)
class PretrainAugmentationSettings(AugmentationSettings):
    """Random changes to training windows, and to their leads."""

    augmentations: tuple[str, ...] = setting(
        (), "Names, separated by commas, as of fine-tuning; none: as they are."
    )
    lead_replacement: float | None = setting(
        None,
        "One-lead models of lead I: probability of another frontal axis. None: 0.5 (ECGFounder) "
        "where the data have I and II, else 0.",
        low=0, high=1,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ArithmeticSettings(Settings):
    """How it is computed; apart from precision, nothing of it changes what is learned."""

    threads: int | None = setting(None, "CPU threads; none: PyTorch's own choice.", low=1)
    precision: Literal["fp32", "bf16"] = setting("fp32", "bf16: forward passes under autocast.")
    channels_last: bool = setting(
        False, "Compute Net1D in channels-last layout (faster where bf16 is)."
    )
    recompute: bool = setting(
        False,
        "Keep the inputs of each stage only and compute it again in the backward pass: less "
        "memory, the same numbers.",
    )
    shard: bool = setting(
        False,
        "Share weights, gradients and optimizer between the processes (FSDP2), for networks that "
        "are too large for one; under torchrun.",
    )
    compile: bool = setting(False, "Run the network through torch.compile.")
    deterministic: bool = setting(False, "Refuse operations without a repeatable result.")
    checkpoint_every: int | None = setting(
        None, "Steps between two checkpoints within an epoch; none: only after an epoch.", low=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.recompute and self.channels_last:
            raise TrainingError(
                "channels_last does not run the stages that recompute would compute again",
                remedy="Name one of the two",
            )
        if self.shard and (self.channels_last or self.compile):
            raise TrainingError(
                "shard shares the network as it is, not its channels_last or compiled form",
                remedy="Leave out channels_last and compile",
            )


@dataclass(frozen=True, kw_only=True)
class ComputeSettings(ArithmeticSettings):
    """Where and how it is computed; apart from precision, nothing of it changes what is learned."""

    device: str = setting("cpu", "cpu, cuda, cuda:1 …")
    checkpoint_every: int = setting(200, "Steps between two checkpoints within an epoch.", low=1)


@dataclass(frozen=True, kw_only=True)
class PretrainComputeSettings(ComputeSettings):
    """Where and how it is computed."""

    device: str = setting("auto", "auto, cpu or cuda; auto: a GPU where there is one.")
    checkpoint_every: int = setting(500, "Steps between two checkpoints within an epoch.", low=1)


@dataclass(frozen=True, kw_only=True)
class PretrainOptimizerSettings(OptimizerSettings):
    """AdamW, as ECGFounder's authors used it."""

    learning_rate: float = setting(1e-3, "Peak rate (ECGFounder).", low=1e-12)
    ema_decay: float | None = setting(
        None, "Decay of the averaged weights; none: no average (ECGFounder names none).",
        low=0, high=1,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PretrainScheduleSettings(ScheduleSettings):
    """How long, and how the rate runs."""

    epochs: int = setting(20, "Passes over the data, at most (ECGFounder).", low=1)
    schedule: Schedule = setting("step", "Course of the rate (ECGFounder).")  # noqa: RUF009
    warmup: float = setting(0.0, "Share of all steps in which the rate rises.", low=0, high=1)
    step_epochs: int = setting(
        5, "Epochs between two falls of the schedule step (ECGFounder).", low=1
    )


@dataclass(frozen=True, kw_only=True)
class PretrainEarlyStoppingSettings(EarlyStoppingSettings):
    """When to stop before the last epoch."""

    patience: int | None = setting(
        3,
        "Epochs without a lower validation loss; none: never. The paper stops early on it; the "
        "number is our choice.",
        low=1,
    )


@dataclass(frozen=True, kw_only=True)
class AdapterSettings(Settings):
    """Low-rank adapters of the mode lora."""

    adapter_rank: int = setting(
        8, "Rank of what is added to each matrix or kernel (LoRA, arXiv 2106.09685).", low=1
    )
    adapter_alpha: float = setting(
        16.0, "The addition is multiplied with this over the rank (our choice).", low=0
    )


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(Settings):
    """How to fine-tune.

    ``FinetuneSettings.of(epochs=5, learning_rate=1e-4)`` names settings without their groups.
    """

    mode: Literal["full", "last", "lora", "probe"] = setting(
        "full",
        "full: all weights learn. last: the last stages. lora: low-rank adapters, which become "
        "part of the weights. probe: one linear layer on cached embeddings.",
    )
    last_stages: int = setting(1, "How many stages learn in the mode last.", low=0)
    seed: int = setting(0, "Of the split, the fresh weights and the order.", low=0)
    test_figures: bool = setting(True, "Measure on the test split, once, at the end.")
    input: InputSettings = field(default_factory=InputSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    data: DataSettings = field(default_factory=DataSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    adapters: AdapterSettings = field(default_factory=AdapterSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    early_stopping: EarlyStoppingSettings = field(default_factory=EarlyStoppingSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)


@dataclass(frozen=True, kw_only=True)
class SelfSupervisionSettings(Settings):
    """What an objective without labels hides or predicts."""

    piece_ms: float = setting(
        40.0, "cpc: length of the pieces that are told apart, ms (our choice).", low=1
    )
    steps_ahead: int = setting(
        12,
        "cpc: how many pieces ahead are predicted (Mehari and Strodthoff 2022; their steps are of "
        "one sample).",
        low=1,
    )
    masked_share: float = setting(
        0.5, "masked, jepa: share of a window that is hidden (our choice).", low=0.01, high=0.99
    )
    masked_ms: float = setting(
        200.0, "masked, jepa: length of a hidden piece, ms (our choice).", low=1
    )
    teacher_decay: float = setting(
        0.996, "jepa: decay of the teacher's moving average, per batch (I-JEPA).", low=0, high=1
    )


@dataclass(frozen=True, kw_only=True)
class PretrainSettings(Settings):
    """How to pretrain. The defaults are ECGFounder's where they are known (relayed).

    ``PretrainSettings.of(epochs=5, batch=256)`` names settings without their groups.
    """

    objective: str = setting(
        "labels",
        "What teaches. labels: the targets. cpc, masked, jepa, or one of another package: the "
        "signals alone; --target, --vocabulary, --task and --loss are then not asked.",
    )
    seed: int = setting(0, "Of weights, order and validation patients.", low=0)
    input: PretrainInputSettings = field(default_factory=PretrainInputSettings)
    data: PretrainDataSettings = field(default_factory=PretrainDataSettings)
    optimizer: PretrainOptimizerSettings = field(default_factory=PretrainOptimizerSettings)
    schedule: PretrainScheduleSettings = field(default_factory=PretrainScheduleSettings)
    self_supervision: SelfSupervisionSettings = field(default_factory=SelfSupervisionSettings)
    early_stopping: PretrainEarlyStoppingSettings = field(
        default_factory=PretrainEarlyStoppingSettings
    )
    augmentation: PretrainAugmentationSettings = field(default_factory=PretrainAugmentationSettings)
    compute: PretrainComputeSettings = field(default_factory=PretrainComputeSettings)
