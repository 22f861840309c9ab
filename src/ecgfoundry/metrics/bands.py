"""The bands of AnyECG-Lab (arXiv 2510.22301): strong, moderate and limited AUROC."""

from __future__ import annotations

import math

__all__ = ["MODERATE", "STRONG", "auroc_band"]

STRONG = 0.65
"""From here on "strong"."""
MODERATE = 0.55
"""From here on "moderate"; below it "limited"."""


def auroc_band(value: float | None) -> str | None:
    """Return ``strong``, ``moderate`` or ``limited``; None for an undefined value.

    The paper bands point values ("above 0.65", "0.55 to 0.65", "below 0.55"). That 0.65 itself is
    strong and 0.55 itself moderate is our choice, not from the paper.
    """
    if value is None or math.isnan(value):
        return None
    if value >= STRONG:
        return "strong"
    return "moderate" if value >= MODERATE else "limited"
