"""Windows of labelled recordings: what fine-tuning learns from, split by split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.manifest import Manifest
from ecgfoundry.training.data.windows import StoredWindows
from ecgfoundry.training.initialization import Start
from ecgfoundry.training.results.lineage import Lineage
from ecgfoundry.training.results.run_folder import folder_hash

__all__ = ["LabelledWindows"]


@dataclass(frozen=True)
class LabelledWindows:
    """The recordings as the network sees them, and what is known about them."""

    manifest: Manifest
    stored: StoredWindows
    values: NDArray[np.float64]
    groups: list[str]

    def rows(self, split: str) -> NDArray[np.intp]:
        """Rows of a split that have a window and a target."""
        usable = set(self.stored.row.tolist())
        return np.array(
            [
                k
                for k, row in enumerate(self.manifest.rows)
                if row.split == split and k in usable and not np.isnan(self.values[k]).all()
            ],
            dtype=np.intp,
        )

    @property
    def signals_hash(self) -> str:
        """One SHA-256 for what was read of every recording, and for which could not be."""
        left_out = {f"left out {record}": "" for record in self.stored.skipped}
        return folder_hash({**self.stored.hashes, **left_out})

    def fingerprints(self, split: str) -> list[int | None]:
        """Fingerprints of the rows of a split."""
        marks = self.stored.fingerprints
        return [marks[self.manifest.rows[k].record] for k in self.rows(split)]

    def lineage(self, start: Start) -> Lineage:
        """Which records are learned from, and by the start model before."""
        marks = (*self.fingerprints("train"), *self.fingerprints("validation"))
        own = {mark for mark in marks if mark is not None}
        return Lineage(own, start.learned_from, self.fingerprints("test"))
