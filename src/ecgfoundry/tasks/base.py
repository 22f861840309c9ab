"""What every kind of task does, from the targets of a table to the finding of a recording.

A kind of answer is one class and one file: how it is learned, what is fitted afterwards, what is
measured, and what its numbers say. Everything else (training, bundles, inference, reports) asks the
task and does not know the kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import TrainingError
from ecgfoundry.metrics.conformal import COVERAGE
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.signals.quality import Notice
from ecgfoundry.tasks.finding import Finding, WindowResult
from ecgfoundry.tasks.outputs import Outputs, patient_means
from ecgfoundry.tasks.readout import Readout
from ecgfoundry.vocabularies.exclusive import withheld
from ecgfoundry.vocabularies.types import Target, Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ABSENT", "MINIMUM_EACH", "Task"]

ABSENT = "absent"
"""The other class of a target that is decided for itself."""
MINIMUM_EACH = 10
"""Positives and negatives that a target needs to be calibrated (values: that its interval needs);
the same minimum as CardioLab uses to keep a target."""

Float64 = NDArray[np.float64]
Loss = Callable[["Tensor", "Tensor"], "Tensor"]


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """What is learned, and how its outputs become answers.

    Parameters
    ----------
    columns : tuple of str
        Targets of the manifest, in order.
    vocabulary : Vocabulary
        What the outputs mean.
    loss : str, optional
        Name of one of ``losses``; the first by default.
    balance : bool
        Weight positives (or classes) against their rarity.
    aggregate : {"record", "patient"}
        What figures are measured on; "patient" averages the outputs of a patient's records first.
    readout : Readout
        What was fitted: calibration, thresholds, the scale of values.

    Raises
    ------
    TrainingError
        The loss, the columns and the vocabulary do not go together.

    Notes
    -----
    A new kind is a subclass in the registry :data:`ecgfoundry.tasks.TASKS` (entry points
    ``ecgfoundry.tasks``). Bundles of it carry its ``target_kind``, which is its name or that of the
    kind whose answers it gives.
    """

    kind: ClassVar[str]
    """Its name."""
    target_kind: ClassVar[str]
    """The kind of its answers, as bundles and interpretations have it."""
    losses: ClassVar[tuple[str, ...]]
    """Losses that fit, the usual one first."""
    one_column: ClassVar[bool] = False
    """Whether exactly one column is learned."""
    decides: ClassVar[bool] = True
    """Whether a target is present or absent; otherwise it has a value."""
    exclusive: ClassVar[bool] = False
    """Whether exactly one target is present."""
    recalibrates: ClassVar[bool] = False
    """Whether :meth:`recalibrated` fits something."""
    zero_one: ClassVar[bool] = False
    """Whether targets are 0 and 1, so that another number among them is a mistake."""
    finding_fields: ClassVar[tuple[str, ...]] = ("probability", "present", "burden")
    """What a table of answers has of each target."""
    primary: ClassVar[tuple[str, str]] = ("macro_auroc", "max")
    """The figure that selects the weights, and whether more or less of it is better."""
    known_limits: ClassVar[tuple[str, ...]] = ()
    """What the card of every model of this kind has to say."""
    card_notes: ClassVar[str] = ""
    """What the card says about its intervals, beyond what is true of all kinds."""

    columns: tuple[str, ...]
    vocabulary: Vocabulary
    loss: str = ""
    balance: bool = False
    aggregate: str = "record"
    readout: Readout = field(default_factory=Readout)

    def __post_init__(self) -> None:
        if not self.loss:
            object.__setattr__(self, "loss", self.losses[0])
        if self.loss not in self.losses:
            raise TrainingError(
                f"the loss '{self.loss}' does not fit a {self.kind} task",
                remedy=f"Use {', '.join(self.losses)}",
            )
        if self.one_column and len(self.columns) != 1:
            raise TrainingError(f"a {self.kind} task has one target, not {len(self.columns)}")
        self.check_columns()
        if self.aggregate not in ("record", "patient"):
            raise TrainingError(f"figures are per record or patient, not '{self.aggregate}'")

    def check_columns(self) -> None:
        """Refuse columns that do not fit the vocabulary: one output per column.

        Raises
        ------
        TrainingError
        """
        if len(self.columns) != len(self.vocabulary):
            raise TrainingError(
                f"{len(self.columns)} targets and a vocabulary of {len(self.vocabulary)}"
            )

    @classmethod
    def answering(cls, vocabulary: Vocabulary, readout: Readout) -> Self:
        """Return the task of a bundle, which answers and is not trained."""
        columns = (vocabulary.name,) if cls.one_column else vocabulary.names
        return cls(columns=columns, vocabulary=vocabulary, readout=readout)

    @classmethod
    @abstractmethod
    def targets_of(
        cls,
        columns: Sequence[str],
        values: Float64,
        texts: Mapping[str, Sequence[str]],
        unit: str | None,
    ) -> tuple[Target, ...]:
        """Return what the outputs mean, from the values (records, columns) and their texts.

        Parameters
        ----------
        columns : sequence of str
        values : ndarray (records, columns)
            NaN is missing; text classes are numbered.
        texts : mapping
            Column -> names of its classes, where it held text.
        unit : str, optional

        Raises
        ------
        TrainingError
            The values do not fit the kind.
        """

    @property
    def outputs(self) -> int:
        """Outputs of the network."""
        return len(self.vocabulary)

    @property
    def levels(self) -> int:
        """How many classes a column has whose numbers all outputs are about."""
        return self.outputs

    def truth_of(self, k: int, values: Float64) -> Float64:
        """Return what output ``k`` should answer (records,), from targets (records, columns)."""
        return values[:, k]

    # --- learning ----------------------------------------------------------------------------

    def fitted(self, training: Float64) -> Self:
        """Return the task with what it has to know of the training targets (records, columns)."""
        del training
        return self

    def network_targets(self, values: Float64) -> NDArray[np.float32]:
        """Return what the loss compares with."""
        return values.astype(np.float32)

    def make_loss(self, training: Float64) -> Loss:
        """Return the loss; ``training`` are the training targets (records, columns)."""
        from ecgfoundry.tasks import losses

        del training
        return losses.make_loss(self.loss)

    def monitor(self, validation: Float64) -> tuple[str, str]:
        """Return the figure that selects the weights, and "max" or "min".

        The loss, where the validation targets (records, columns) leave the primary figure
        undefined.
        """
        varied = [len(np.unique(column[~np.isnan(column)])) > 1 for column in validation.T]
        return self.primary if any(varied) else ("loss", "min")

    @abstractmethod
    def figures(self, outputs: Float64, values: Float64) -> dict[str, float]:
        """Return named figures of outputs (records, outputs) against targets (records, columns).

        An undefined figure is ``nan``, never 0.
        """

    def never_positive(self, training: Float64) -> list[str]:
        """Return the columns (of records, columns) without any positive."""
        del training
        return []

    # --- fitting the readout -------------------------------------------------------------------

    @abstractmethod
    def calibrated(self, outputs: Outputs, values: Float64) -> Self:
        """Return the task with a readout fitted on validation records.

        Parameters
        ----------
        outputs : Outputs
            Of the validation records.
        values : ndarray (records, columns)
            Their targets.
        """

    def columns_of(self, labels: Float64) -> Float64:
        """Return targets (records, columns) from a label of every output (records, outputs)."""
        return labels

    def recalibrated(
        self, outputs: Float64, values: Float64, *, source: str
    ) -> tuple[Self, tuple[str, ...]]:
        """Return the task with a readout fitted anew on somebody's own records, as far as they go.

        Parameters
        ----------
        outputs, values
            Outputs and targets of each record.
        source : str
            What the records are, in words.

        Returns
        -------
        task : Task
        fitted : tuple of str
            Targets whose calibration is new; the others keep what they had.
        """
        del outputs, values, source
        return self, ()

    def with_sets(
        self,
        outputs: Float64,
        values: Float64,
        groups: Sequence[str],
        *,
        source: str,
        coverage: float = COVERAGE,
        crossed: bool = False,
    ) -> Self:
        """Return the task with prediction sets, where its kind has them.

        Parameters
        ----------
        outputs, values, groups
            Outputs, targets and patient of validation records.
        source : str
            What they are, in words.
        coverage : float
        crossed : bool
            The calibration was fitted on these records: that of each record is to come from the
            other people's, where this makes a difference.
        """
        del outputs, values, groups, source, coverage, crossed
        return self

    @property
    def calibrates(self) -> tuple[bool, ...]:
        """Whether each target's probability is calibrated."""
        some, without = self.readout.calibration is not None, self.readout.uncalibrated
        return tuple(some and name not in without for name in self.vocabulary.names)

    @property
    def thresholds(self) -> tuple[float | None, ...]:
        """Threshold of each target on its calibrated probability; None where there is none."""
        found = self.readout.thresholds
        return (None,) * self.outputs if found is None else found.values

    def problem(self) -> str | None:
        """Return why its readout cannot serve, in words, or None."""
        for name, length in self.readout.lengths().items():
            if length != self.outputs:
                return f"{name} has {length} values for {self.outputs} targets"
        return None

    # --- measuring -----------------------------------------------------------------------------

    def measure(
        self,
        outputs: Float64,
        values: Float64,
        groups: Sequence[str],
        *,
        data: str,
        calibration: bool = False,
        intervals: bool = True,
    ) -> list[Metric]:
        """Return the figures of one split for the card, with the intervals that evaluate gives.

        Parameters
        ----------
        outputs, values, groups
            Outputs, targets and patient of each record.
        data : str
            What they were measured on, in words.
        calibration : bool
            Also give the calibration error, cross-fitted by patient (validation split).
        intervals : bool
        """
        if self.aggregate == "patient":
            outputs, values, patients = patient_means(outputs, values, groups)
            groups = patients
        where = f"{data}, per {self.aggregate}"
        metrics = self.target_metrics(outputs, values, groups, where, intervals=intervals)
        if calibration and self.readout.calibration is not None:
            metrics += self.calibration_metrics(outputs, values, groups, where)
        return metrics

    @abstractmethod
    def target_metrics(
        self,
        outputs: Float64,
        values: Float64,
        groups: Sequence[str],
        where: str,
        *,
        intervals: bool,
    ) -> list[Metric]:
        """Return the figures of each target."""

    def calibration_metrics(
        self, outputs: Float64, values: Float64, groups: Sequence[str], where: str
    ) -> list[Metric]:
        """Return the calibration error before and after, cross-fitted by patient."""
        del outputs, values, groups, where
        return []

    def held_out_metrics(self, outputs: Float64, values: Float64, data: str) -> list[Metric]:
        """Return figures of what was fitted on validation, measured on test records."""
        del outputs, values, data
        return []

    # --- answering -----------------------------------------------------------------------------

    @abstractmethod
    def answers(self, outputs: Float64, *, level: str = "record") -> Float64:
        """Return calibrated probabilities, or values in their unit (..., targets).

        Parameters
        ----------
        outputs : ndarray (..., targets)
        level : str
            Which calibrator: one of :data:`ecgfoundry.tasks.readout.LEVELS`.
        """

    def present(self, answers: Float64) -> list[bool | None]:
        """Return whether each target is present: its answer is at or above its threshold.

        None where there is no threshold, and where a more probable rhythm excludes it.
        """
        said = self._reached(answers)
        for k in self.withheld(answers):
            said[k] = None
        return said

    def withheld(self, answers: Float64) -> dict[int, int]:
        """Return the targets not claimed beside a more probable rhythm, with that rhythm."""
        return withheld(self.vocabulary.names, answers.tolist(), self._reached(answers))

    def _reached(self, answers: Float64) -> list[bool | None]:
        return [
            None if threshold is None else value >= threshold
            for value, threshold in zip(answers.tolist(), self.thresholds, strict=True)
        ]

    def findings(self, outputs: Float64, *, level: str = "record") -> tuple[Finding, ...]:
        """Return a finding for every target that may be reported for a single recording.

        Parameters
        ----------
        outputs : ndarray (targets,)
            Mean over the windows.
        level : str
        """
        values = self.answers(outputs, level=level)
        present, thresholds, calibrated = self.present(values), self.thresholds, self.calibrates
        sets = self.readout.sets if level == "record" else None
        outcomes = None if sets is None else sets.outcomes(values)
        names = self.vocabulary.names
        reasons = {
            k: f"not claimed beside {names[by]}, which is more probable and excludes it"
            for k, by in self.withheld(values).items()
        }
        return tuple(
            Finding(
                self.vocabulary.targets[k],
                probability=float(values[k]),
                threshold=thresholds[k],
                present=present[k],
                calibrated=calibrated[k],
                outcomes=None if outcomes is None else outcomes[k],
                coverage=None if sets is None else sets.coverage,
                reason=reasons.get(k),
            )
            for k in self.shown
        )

    def long_findings(self, burden: Mapping[str, float | None]) -> tuple[Finding, ...]:
        """Return the findings of a recording beyond 60 s.

        Parameters
        ----------
        burden : mapping
            Target -> share of the readable time in which it is present.
        """
        targets, thresholds, calibrated = self.vocabulary.targets, self.thresholds, self.calibrates
        return tuple(
            Finding(
                targets[k],
                threshold=thresholds[k],
                present=None if share is None else share > 0,
                calibrated=calibrated[k],
                burden=share,
            )
            for k in self.shown
            for share in (burden.get(targets[k].name),)
        )

    @property
    def questions(self) -> tuple[tuple[str, ...], ...]:
        """Return what it decides: of each question the classes, of which exactly one is the answer.

        One question about all targets where they exclude each other; else one of each target that
        has a threshold, with the classes "absent" and its name.
        """
        names = self.vocabulary.names
        if self.exclusive:
            return (tuple(names[k] for k in self.shown),)
        return tuple((ABSENT, names[k]) for k, _ in self._decided)

    def choices(self, answers: Float64) -> tuple[int, ...]:
        """Return the number of the class that is answered to each of its questions.

        Parameters
        ----------
        answers : ndarray (targets,)
            Calibrated probabilities, from which targets are decided each for itself.
        """
        if self.exclusive:
            return (int(np.argmax(answers[self.shown])),)
        return tuple(int(answers[k] >= threshold) for k, threshold in self._decided)

    def true_choices(self, values: Float64) -> NDArray[np.intp]:
        """Return the number of the true class (records, questions); -1 where it is not known.

        Parameters
        ----------
        values : ndarray (records, columns)
            Targets.
        """
        wanted = self.shown if self.exclusive else [k for k, _ in self._decided]
        truth = [self.truth_of(k, values) for k in wanted]
        if not self.exclusive:
            columns = [np.where(np.isnan(one), -1, one == 1.0) for one in truth]
            return np.array(columns, np.intp).reshape(len(wanted), len(values)).T
        said = np.stack(truth, axis=1)
        one = ~np.isnan(said).any(axis=1) & (np.nansum(said, axis=1) == 1.0)
        found: NDArray[np.intp] = np.where(one, np.nan_to_num(said).argmax(axis=1), -1)[:, None]
        return found

    @property
    def _decided(self) -> list[tuple[int, float]]:
        """Shown targets that have a threshold, with it."""
        limits = self.thresholds
        return [(k, limit) for k in self.shown if (limit := limits[k]) is not None]

    @property
    def shown(self) -> list[int]:
        """Positions of the targets that may be reported for a single recording."""
        return [k for k, target in enumerate(self.vocabulary.targets) if target.standalone]

    def window(
        self,
        outputs: Float64 | None,
        start_s: float,
        duration_s: float,
        *,
        refused: Notice | None = None,
        answers: Float64 | None = None,
    ) -> WindowResult:
        """Return what is said about one window.

        Parameters
        ----------
        outputs : ndarray (targets,) or None
            None: the window was refused.
        start_s, duration_s : float
        refused : Notice, optional
        answers : ndarray (targets,), optional
            Where they are known already, or are of another level than "window".
        """
        if outputs is None:
            return WindowResult(start_s, duration_s, refused=refused)
        if answers is None:
            answers = self.answers(outputs, level="window")
        present, values = self.present(answers), answers.tolist()
        names, shown = self.vocabulary.names, self.shown
        undecided = all(present[k] is None for k in shown)
        return WindowResult(
            start_s,
            duration_s,
            probabilities={names[k]: values[k] for k in shown},
            present=None if undecided else tuple(names[k] for k in shown if present[k]),
        )

    # --- its configuration ---------------------------------------------------------------------

    def to_dict(self) -> JsonObject:
        """Return the task for a run's resolved configuration; the readout is not part of it."""
        return {
            "kind": self.kind,
            "columns": list(self.columns),
            "targets": [target.to_dict() for target in self.vocabulary.targets],
            "loss": self.loss,
            "balance": self.balance,
            "aggregate": self.aggregate,
        }

    def with_readout(self, readout: Readout) -> Self:
        """Return a copy with another readout."""
        return replace(self, readout=readout)
