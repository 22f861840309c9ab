"""Which records a model learned from, itself or before, and which test records are among them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.manifest import known_among

__all__ = ["Lineage"]


@dataclass(frozen=True)
class Lineage:
    """What is known of the records that a trained model has seen.

    Attributes
    ----------
    own : set of int
        Fingerprints of the records that trained, validated or calibrated in this run.
    before : ndarray of uint64 or None
        Those that the start model learned from; None: it does not say.
    test : sequence of int or None
        Those of the test records.
    """

    own: Set[int]
    before: NDArray[np.uint64] | None
    test: Sequence[int | None] = ()

    @property
    def learned_from(self) -> frozenset[int]:
        """What the bundle carries: all that are known."""
        before = () if self.before is None else self.before.tolist()
        return frozenset(self.own) | frozenset(before)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the card and for the user about test records that are not new."""
        found = []
        counted = f"of the {len(self.test)} test records"
        if self.before is not None and (count := len(known_among(self.before, self.test))):
            found.append(
                f"{count} {counted} trained the model that it started from: the test figures are "
                "too good."
            )
        if count := len(known_among(sorted(self.own), self.test)):
            found.append(
                f"{count} {counted} are nearly the same signals as records that trained or "
                "validated: the test figures are too good."
            )
        return tuple(found)

    @property
    def limits(self) -> tuple[str, ...]:
        """What the card says: the warnings, and what is not known."""
        if self.before is not None:
            return self.warnings
        return (
            *self.warnings,
            "The model that it started from does not record what it learned from; whether records "
            "of this run were among it is not known.",
        )
