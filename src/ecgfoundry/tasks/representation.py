"""An encoder that was taught no answer yet: it is embedded with and trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from ecgfoundry.errors import BundleError, TrainingError
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.signals.quality import Notice
from ecgfoundry.tasks.base import Float64, Task
from ecgfoundry.tasks.finding import Finding, WindowResult
from ecgfoundry.tasks.outputs import Outputs
from ecgfoundry.vocabularies.types import Target, Vocabulary

__all__ = ["NOTHING", "Representation"]

NOTHING = Vocabulary(
    "representation",
    (
        Target(
            "representation",
            "measurement",
            description="Always 1: an output without a meaning.",
            caveat="The network was pretrained without labels; it answers after fine-tuning only.",
            standalone=False,
        ),
    ),
)
"""The vocabulary of an encoder: one output, which nothing was taught."""


@dataclass(frozen=True, kw_only=True)
class Representation(Task):
    """No answers: whoever asks for one is told how to get it."""

    kind: ClassVar[str] = "representation"
    target_kind: ClassVar[str] = "representation"
    losses: ClassVar[tuple[str, ...]] = ("none",)
    decides: ClassVar[bool] = False
    finding_fields: ClassVar[tuple[str, ...]] = ()
    primary: ClassVar[tuple[str, str]] = ("loss", "min")

    @classmethod
    def targets_of(
        cls,
        columns: Sequence[str],
        values: Float64,
        texts: Mapping[str, Sequence[str]],
        unit: str | None,
    ) -> tuple[Target, ...]:
        """Refuse: labels teach another kind of task."""
        del columns, values, texts, unit
        raise TrainingError(
            "a representation is learned without labels",
            remedy="Use: ecgfoundry pretrain SOURCE --objective cpc --architecture s4-causal "
            "--output RUN",
        )

    def figures(self, outputs: Float64, values: Float64) -> dict[str, float]:
        """Return nothing: there are no targets."""
        del outputs, values
        return {}

    def calibrated(self, outputs: Outputs, values: Float64) -> NoReturn:
        """Refuse: there is nothing to calibrate."""
        self._refuse()

    def target_metrics(
        self,
        outputs: Float64,
        values: Float64,
        groups: Sequence[str],
        where: str,
        *,
        intervals: bool,
    ) -> list[Metric]:
        """Refuse: there is nothing to measure."""
        self._refuse()

    def answers(self, outputs: Float64, *, level: str = "record") -> NoReturn:
        """Refuse: no answer was taught."""
        self._refuse()

    def findings(self, outputs: Float64, *, level: str = "record") -> NoReturn:
        """Refuse: no answer was taught."""
        self._refuse()

    def long_findings(self, burden: Mapping[str, float | None]) -> tuple[Finding, ...]:
        """Refuse: no answer was taught."""
        self._refuse()

    def window(
        self,
        outputs: Float64 | None,
        start_s: float,
        duration_s: float,
        *,
        refused: Notice | None = None,
        answers: Float64 | None = None,
    ) -> WindowResult:
        """Refuse: no answer was taught."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise BundleError(
            "this model is an encoder that was pretrained without labels: it has no answers",
            remedy="Teach it: ecgfoundry finetune labels.csv --model BUNDLE --output RUN\n"
            "or embed with it: ecgfoundry embed labels.csv --model BUNDLE --output OUT",
        )
