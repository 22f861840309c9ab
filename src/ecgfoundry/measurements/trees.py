"""Boosted decision trees as data: read from JSON, run in NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import Document, Fields, JsonObject

__all__ = ["Trees"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Trees:
    """Boosted trees of one depth whose sum is a log-odds, and its calibration.

    Attributes
    ----------
    feature, threshold : ndarray (trees, 2**depth - 1)
        Of each node, level by level: a value at most the threshold goes left.
    leaf : ndarray (trees, 2**depth)
        From left to right.
    start, scale, offset : float
        The log-odds is ``scale * (start + sum of leaves) + offset``.
    """

    feature: Int64
    threshold: Float64
    leaf: Float64
    start: float
    scale: float
    offset: float

    def logits(self, features: Float64) -> Float64:
        """Return the log-odds (rows,) of features (rows, features)."""
        depth = int(math.log2(self.leaf.shape[1]))
        trees, nodes = self.feature.shape
        # The precision at which the thresholds were found. Every node is asked, and then followed.
        values = features.astype(np.float32).take(self.feature.ravel(), axis=1)
        right = (values > self.threshold.ravel()).ravel()
        first = nodes * np.arange(len(features) * trees)
        node = np.zeros(first.size, dtype=np.int64)
        for _ in range(depth):
            node = 2 * node + 1 + right[first + node]
        tree = np.arange(trees)
        node = node.reshape(len(features), trees)
        raw = self.start + self.leaf[tree, node - (2**depth - 1)].sum(axis=1)
        result: Float64 = self.scale * raw + self.offset
        return result

    @classmethod
    def from_dict(cls, document: Document) -> Trees:
        """Build from the JSON form."""
        own = Fields(document)
        return cls(
            np.array(own.value("feature"), dtype=np.int64),
            np.array(own.value("threshold"), dtype=np.float64),
            np.array(own.value("leaf"), dtype=np.float64),
            own.number("start"),
            own.number("scale"),
            own.number("offset"),
        )

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "feature": self.feature.tolist(),
            "threshold": self.threshold.tolist(),
            "leaf": self.leaf.tolist(),
            "start": self.start,
            "scale": self.scale,
            "offset": self.offset,
        }
