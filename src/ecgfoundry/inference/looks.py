"""What a gate and a network make of one recording or window: what drift is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.inference.windows import InputLeads, PreparedWindow, verdict_of

if TYPE_CHECKING:
    from ecgfoundry.tasks import Task

__all__ = ["Look"]


@dataclass(frozen=True, slots=True)
class Look:
    """A verdict and, where something can be read, the network's two outputs.

    Attributes
    ----------
    verdict : {"good", "usable", "refused"}
    logits : float64 (targets,) or None
        Mean over the windows that can be read; None: there is none.
    embedding : float32 (features,) or None
        The same of the embeddings.
    level : {"record", "reduced_leads"}
        The calibrator of the answers.
    """

    verdict: str
    logits: NDArray[np.float64] | None = None
    embedding: NDArray[np.float32] | None = None
    level: str = "record"

    @classmethod
    def of(
        cls,
        prepared: Sequence[PreparedWindow],
        leads: InputLeads,
        outputs: Sequence[tuple[NDArray[np.floating], NDArray[np.float32]]],
    ) -> Look:
        """Put together what is known of the windows of one source.

        Parameters
        ----------
        prepared : sequence of PreparedWindow
            All of them.
        leads : InputLeads
        outputs : sequence of (logits, embedding)
            Of those that can be read.
        """
        level = "reduced_leads" if leads.read_in(prepared).absent else "record"
        if not outputs:
            return cls(verdict_of(prepared), level=level)
        logits = np.mean([np.asarray(one, np.float64) for one, _ in outputs], axis=0)
        embedding = np.mean([one for _, one in outputs], axis=0)
        return cls(verdict_of(prepared), logits, embedding, level)

    def choices(self, task: Task) -> tuple[int, ...] | None:
        """Return what a task answers to each of its questions; None where nothing is read."""
        if self.logits is None:
            return None
        return task.choices(task.answers(self.logits, level=self.level))
