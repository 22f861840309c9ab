"""What answers beside the networks of ``diagnosis-12lead`` are worth: a table, and paired gains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.metrics.classification import auroc, macro_auroc
from ecgfoundry.metrics.intervals import statistic_interval
from ecgfoundry.training.recipes.diagnosis_12lead.data import Records
from ecgfoundry.training.recipes.ptbxl_superclass.data import TARGETS

__all__ = ["Judged"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judged:
    """The records of PTB-XL among all: their places, superclasses (records, 5) and people."""

    rows: NDArray[np.intp]
    targets: NDArray[np.floating]
    people: NDArray[np.int64]

    @classmethod
    def of(cls, records: Records) -> Judged:
        """Choose them, and print the head of the table."""
        print(f"| leads | answers | {' | '.join(TARGETS)} | macro |\n|{'---|' * 8}")
        rows = np.flatnonzero(records.ptbxl)
        return cls(rows, records.targets[rows, : len(TARGETS)], records.patient[rows])

    def show(self, leads: str, name: str, answers: Float64) -> None:
        """Print AUROC of each superclass, and their mean."""
        each = [f"{auroc(self.targets[:, k], answers[:, k]):.4f}" for k in range(len(TARGETS))]
        mean = macro_auroc(self.targets, answers)
        print(f"| {leads.split(' (')[0]} | {name} | {' | '.join(each)} | {mean:.4f} |", flush=True)

    def beside(self, work: Path, leads: str, name: str, more: Float64) -> None:
        """Print the networks' out-of-fold logits, their sum with ``more``, and its paired gain."""
        with np.load(work / "out_of_fold.npz") as stored:
            networks = stored[leads][self.rows, : len(TARGETS)]
        both = networks + more
        self.show(leads, "networks", networks)
        self.show(leads, f"networks and {name}", both)

        def gain(drawn: NDArray[np.int64]) -> float:
            wanted = self.targets[drawn]
            return macro_auroc(wanted, both[drawn]) - macro_auroc(wanted, networks[drawn])

        interval = statistic_interval(gain, self.people)
        low, high = interval.ends or [float("nan")] * 2
        print(f"paired gain {interval.value:+.4f} ({low:+.4f} to {high:+.4f})\n", flush=True)
