"""Embeddings of records by the bundle's architecture before training, many records at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EcgFoundryError

if TYPE_CHECKING:
    from ecgfoundry.models.bundle import Bundle

__all__ = ["RandomEmbeddings"]

BATCH_WINDOWS = 64
"""Windows that are gathered before the network is built and run (our choice)."""


class RandomEmbeddings:
    """Gathers the windows of records and embeds them in batches; the mean over a record's windows.

    Parameters
    ----------
    bundle : Bundle
        Whose architecture is built with seeded random weights.
    """

    def __init__(self, bundle: Bundle) -> None:
        described = bundle.about.architecture
        self._architecture = described
        self._waiting: list[tuple[int, NDArray[np.float32]]] = []
        self._found: dict[int, NDArray[np.float32]] = {}
        self.not_computed: str | None = None
        """Why there are none, once it is known."""

    def add(self, record: int, windows: NDArray[np.float32]) -> None:
        """Take the standardized windows (windows, leads, samples) of a record."""
        if self.not_computed is None:
            self._waiting.append((record, windows))
            if sum(len(w) for _, w in self._waiting) >= BATCH_WINDOWS:
                self._run()

    def _run(self) -> None:
        from ecgfoundry.models.baselines.random_encoder import random_embeddings

        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        stacked = np.concatenate([windows for _, windows in waiting])
        try:
            embedded = random_embeddings(
                self._architecture.name, stacked, configuration=self._architecture.configuration
            )
        except EcgFoundryError as error:
            self.not_computed, self._found = error.problem, {}
            return
        first = 0
        for record, windows in waiting:
            self._found[record] = embedded[first : first + len(windows)].mean(axis=0)
            first += len(windows)

    def table(self, records: int) -> NDArray[np.float64] | None:
        """Return (records, features), NaN for a record without windows; None if there are none."""
        self._run()
        if not self._found:
            return None
        result = np.full((records, len(next(iter(self._found.values())))), np.nan)
        for record, embedding in self._found.items():
            result[record] = embedding
        return result
