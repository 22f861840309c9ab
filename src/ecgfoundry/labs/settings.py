"""The settings of laboratory training and reports: each is declared once, here.

They are reached like those of :mod:`ecgfoundry.training.settings`. Every number is our choice:
AnyECG-Lab (arXiv 2510.22301) publishes none of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ecgfoundry.training.settings import (
    AugmentationSettings,
    ComputeSettings,
    DataSettings,
    EarlyStoppingSettings,
    OptimizerSettings,
    ScheduleSettings,
)
from ecgfoundry.training.settings_base import Settings, setting

__all__ = [
    "LaboratoryReportSettings",
    "LaboratorySettings",
    "ResultSettings",
    "TenMinuteSettings",
    "VisitSettings",
]


@dataclass(frozen=True, kw_only=True)
class ResultSettings(Settings):
    """Which results are labels of which ECG."""

    split: Literal["random", "chrono"] = setting("random", "Official split of MC-MED.")
    time: Literal["result_time", "order_time"] = setting(
        "result_time", "Which time of a result counts."
    )
    window_minutes: float | None = setting(
        60.0, "Furthest result from a segment, minutes; none: the whole visit.", low=0
    )


@dataclass(frozen=True, kw_only=True)
class LearnedResultSettings(ResultSettings):
    """Which results are labels of which ECG, and which targets enter."""

    minimum_patients: int = setting(
        10, "Patients of each class in each split that a target needs to enter.", low=1
    )
    before_only: bool = setting(False, "Train only on ECG that was complete before its result.")


@dataclass(frozen=True, kw_only=True)
class VisitSettings(Settings):
    """Which segments of a visit are used, and how they are joined."""

    segments_per_visit: int | None = setting(
        None, "Train on at most so many segments of a visit, evenly spread; none: all.", low=1
    )
    validation_segments: int = setting(4, "Segments per visit that choose the weights.", low=1)
    test_segments: int | None = setting(
        None,
        "Segments per visit that are measured at the end; none: all; 0: leave it to labs report.",
        low=0,
    )
    pooling: Literal["mean", "attention"] = setting(
        "mean",
        "mean: each segment is an example, and a visit is their mean. attention: the network "
        "learns on visits, by attention over their segments (a one-lead Net1D only).",
    )
    visit_segments: int = setting(
        8, "With attention, at most so many segments of a visit in one batch.", low=1
    )


@dataclass(frozen=True, kw_only=True)
class LaboratoryDataSettings(DataSettings):
    """How windows are batched."""

    batch: int = setting(256, "Segments per batch.", low=1)


@dataclass(frozen=True, kw_only=True)
class LaboratoryScheduleSettings(ScheduleSettings):
    """How long, and how the rate runs."""

    epochs: int = setting(10, "Passes over the training segments, at most.", low=1)


@dataclass(frozen=True, kw_only=True)
class LaboratoryEarlyStoppingSettings(EarlyStoppingSettings):
    """When to stop before the last epoch."""

    patience: int | None = setting(3, "Epochs without improvement; none: never.", low=1)


@dataclass(frozen=True, kw_only=True)
class LaboratoryAugmentationSettings(AugmentationSettings):
    """Random changes to training windows that leave their labels true."""

    augmentations: tuple[str, ...] = setting(
        ("shift", "scale"), "Names, separated by commas, as of fine-tuning; none: as they are."
    )


@dataclass(frozen=True, kw_only=True)
class LaboratorySettings(Settings):
    """How to train laboratory indicators.

    ``LaboratorySettings.of(epochs=5, split="chrono")`` names settings without their groups.
    """

    probe: bool = setting(
        False,
        "Fit only a linear layer on the embeddings of the network as it is, by full-batch L-BFGS; "
        "each target's penalty is chosen on the validation segments, and schedule, batch, rate and "
        "augmentations mean nothing. For few patients and a start that has learned something.",
    )
    regression: bool = setting(
        False, "Also learn the values, by heads of the same network; writes a second bundle."
    )
    regression_weight: float = setting(
        0.3, "Of the values' Huber loss beside the binary cross-entropy.", low=0
    )
    seed: int = setting(0, "Of weights and order.", low=0)
    results: LearnedResultSettings = field(default_factory=LearnedResultSettings)
    visits: VisitSettings = field(default_factory=VisitSettings)
    data: LaboratoryDataSettings = field(default_factory=LaboratoryDataSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: LaboratoryScheduleSettings = field(default_factory=LaboratoryScheduleSettings)
    early_stopping: LaboratoryEarlyStoppingSettings = field(
        default_factory=LaboratoryEarlyStoppingSettings
    )
    augmentation: LaboratoryAugmentationSettings = field(
        default_factory=LaboratoryAugmentationSettings
    )
    compute: ComputeSettings = field(default_factory=ComputeSettings)


@dataclass(frozen=True, kw_only=True)
class LaboratoryReportSettings(Settings):
    """How a laboratory bundle is measured."""

    segments_per_visit: int | None = setting(
        None, "Measure at most so many segments of a visit, evenly spread; none: all.", low=1
    )
    draws: int | None = setting(
        None, "Bootstrap draws of patients; none: 1000, fewer for very large inputs.", low=0
    )
    seed: int = setting(0, "Of the draws.", low=0)
    results: ResultSettings = field(default_factory=ResultSettings)


@dataclass(frozen=True, kw_only=True)
class TenMinuteResultSettings(ResultSettings):
    """Which results are labels of the ten minutes, and which targets enter."""

    split: Literal["random", "chrono"] = setting(
        "chrono", "Official split of MC-MED; the later patients test (SignalMC-MED)."
    )
    minimum_patients: int = setting(
        10, "Patients of each class in each split that a target needs to enter.", low=1
    )


@dataclass(frozen=True, kw_only=True)
class TenMinuteSettings(Settings):
    """How ECG and pulse are compared on ten minutes of each visit (SignalMC-MED)."""

    windows: int = setting(
        60, "Windows of ten seconds of each visit; visits with less are left out.", low=1
    )
    values: bool = setting(
        True, "Estimate the values too (ridge), not only whether they are abnormal (logistic)."
    )
    draws: int = setting(
        1000, "Bootstrap draws of patients, for values; the AUROC needs none.", low=1
    )
    seed: int = setting(0, "Of the folds that choose penalties, and of the draws.", low=0)
    results: TenMinuteResultSettings = field(default_factory=TenMinuteResultSettings)
