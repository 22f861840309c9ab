"""The settings of training runs: each is declared once, here.

A setting has a type, a default, a text that says what it does, its unit and the source of the
default. From these come the flags of the command line (``--learning-rate``), the keys of
``--config FILE.toml``, ``configuration.json`` and the page ``docs/settings.md``. Groups nest; the
names of all settings of a run differ, so that one can be named with its group
(``[optimizer] learning_rate = 1e-4``) or without.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import TrainingError
from ecgfoundry.training.schedules import Schedule

__all__ = [
    "AdapterSettings",
    "ArithmeticSettings",
    "AugmentationSettings",
    "ComputeSettings",
    "DataSettings",
    "EarlyStoppingSettings",
    "FinetuneSettings",
    "InputSettings",
    "Leaf",
    "OptimizerSettings",
    "PretrainDataSettings",
    "PretrainSettings",
    "ScheduleSettings",
    "SelfSupervisionSettings",
    "Settings",
    "SplitSettings",
    "StepSettings",
    "setting",
]


REQUIRED: Any = MISSING
"""The default of a setting that has to be given."""


def setting(default: Any, text: str, *, low: float | None = None, high: float | None = None) -> Any:
    """Declare a setting.

    Parameters
    ----------
    default : object
        Or :data:`REQUIRED`.
    text : str
        What it does, its unit, and the source of the default.
    low, high : float, optional
        Smallest and largest value.
    """
    return field(default=default, metadata={"text": text, "low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting of a run.

    Attributes
    ----------
    name : str
    group : str
        Its group; "" for those of the run itself.
    type : object
        Its annotation.
    default : object
    text : str
    """

    name: str
    group: str
    type: Any
    default: Any
    text: str

    @property
    def dotted(self) -> str:
        """Its name with its group."""
        return f"{self.group}.{self.name}" if self.group else self.name


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all groups: checks types and ranges, and knows its own settings."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Settings):
                continue
            made = _checked(one.name, value, hints[one.name])
            low, high = one.metadata.get("low"), one.metadata.get("high")
            if made is not None and not isinstance(made, str):
                if low is not None and made < low:
                    raise TrainingError(f"{one.name} is at least {low:g}, not {made:g}")
                if high is not None and made > high:
                    raise TrainingError(f"{one.name} is at most {high:g}, not {made:g}")
            object.__setattr__(self, one.name, made)

    @classmethod
    def leaves(cls) -> list[Leaf]:
        """Return all settings, those of groups too, in the order of the documentation."""
        return list(_leaves(cls()))

    def flat(self) -> dict[str, Any]:
        """Return all settings by their names, without groups."""
        return {leaf.name: leaf.default for leaf in _leaves(self)}

    def to_dict(self) -> JsonObject:
        """Return all settings by group, as ``configuration.json`` has them."""
        return asdict(self)

    def change(self, **values: Any) -> Self:
        """Return a copy with some settings changed, each by its own name.

        Raises
        ------
        TrainingError
            There is no such setting (the message says which was probably meant), or a value is of
            the wrong type or out of its range.
        """
        known = {leaf.name: leaf.group for leaf in _leaves(self)}
        own: dict[str, Any] = {}
        groups: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            if name not in known:
                raise _unknown(name, list(known))
            target = own if not known[name] else groups.setdefault(known[name], {})
            target[name] = value
        for group, changed in groups.items():
            own[group] = replace(getattr(self, group), **changed)
        return replace(self, **own)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return the defaults with some settings changed, each by its own name."""
        return cls().change(**values)

    @classmethod
    def read(cls, path: str | Path, **values: Any) -> Self:
        """Read a TOML file; settings that are named here go before those of the file.

        Parameters
        ----------
        path : path
            ``learning_rate = 1e-4`` or ``[optimizer]`` and ``learning_rate = 1e-4``. A setting that
            can be absent is switched off by ``"none"``.
        **values
            Settings by name.

        Raises
        ------
        TrainingError
            The file is no TOML, names something that is no setting, or gives one twice.
        """
        path = Path(path)
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise TrainingError(f"cannot be read as TOML: {error}", path=path) from None
        try:
            return cls().change(**{**cls._from_document(document), **values})
        except TrainingError as error:
            raise TrainingError(error.problem, path=path, remedy=error.remedy) from None

    @classmethod
    def _from_document(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        leaves = cls.leaves()
        groups = {leaf.group for leaf in leaves if leaf.group}
        result: dict[str, Any] = {}
        for key, value in document.items():
            inside = value if key in groups and isinstance(value, Mapping) else {key: value}
            group = key if inside is value else ""
            for name, one in inside.items():
                known = [leaf for leaf in leaves if leaf.name == name]
                if not known or (group and known[0].group != group):
                    dotted = [leaf.dotted for leaf in leaves]
                    raise _unknown(f"{group}.{name}" if group else name, dotted, known)
                if name in result:
                    raise TrainingError(f"{name} is given twice")
                result[name] = None if one == "none" and _can_be_absent(known[0].type) else one
        return result


def _leaves(settings: Settings, group: str = "") -> Iterator[Leaf]:
    hints = get_type_hints(type(settings))
    for one in fields(settings):
        value = getattr(settings, one.name)
        if isinstance(value, Settings):
            yield from _leaves(value, one.name)
        else:
            yield Leaf(one.name, group, hints[one.name], value, one.metadata["text"])


def _unknown(name: str, known: list[str], elsewhere: list[Leaf] | None = None) -> TrainingError:
    bare = {dotted.rpartition(".")[2]: dotted for dotted in known}
    near = [leaf.dotted for leaf in elsewhere or ()] or [
        bare[found]
        for found in difflib.get_close_matches(name.rpartition(".")[2], bare, n=1, cutoff=0.5)
    ]
    guess = f"Did you mean {near[0]}? " if near else ""
    return TrainingError(
        f"there is no setting '{name}'", remedy=f"{guess}There are {', '.join(known)}"
    )


def _can_be_absent(kind: Any) -> bool:
    return NoneType in get_args(kind)


def _checked(name: str, value: Any, kind: Any) -> Any:
    """Return the value in the declared type; one clear line where it does not have it."""
    absent = _can_be_absent(kind)
    if value is None and absent:
        return None
    plain = (
        next((part for part in get_args(kind) if part is not NoneType), kind)
        if (_can_be_absent(kind))
        else kind
    )
    if get_origin(plain) is Literal:
        if value not in get_args(plain):
            raise TrainingError(
                f"there is no {name} '{value}'", remedy=f"Use {', '.join(get_args(plain))}"
            )
        return value
    if get_origin(plain) is tuple:
        parts = value.split(",") if isinstance(value, str) else value
        if isinstance(parts, (list, tuple)):
            if get_args(plain)[0] is float and all(isinstance(part, float) for part in parts):
                return tuple(parts)
            if all(isinstance(part, str) for part in parts):
                return tuple(part.strip() for part in parts if part.strip() not in ("", "none"))
    elif isinstance(value, bool):
        if plain is bool:
            return value
    elif plain is float:
        if isinstance(value, (int, float)) and math.isfinite(value):
            return float(value)
    elif isinstance(value, plain):
        return value
    words = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
    raise TrainingError(f"{name} is {words.get(plain, 'a list of names')}, not {value!r}")


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
