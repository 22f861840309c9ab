"""Nobody may stand in two splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecgfoundry.errors import LeakageError
from ecgfoundry.extras import require_polars

if TYPE_CHECKING:
    import polars as pl

__all__ = ["check_leakage"]


def check_leakage(segments: pl.DataFrame) -> None:
    """Refuse segments of which one patient stands in two splits.

    Parameters
    ----------
    segments : DataFrame
        ``patient`` and ``split``; rows without either do not count.

    Raises
    ------
    LeakageError
    """
    pl = require_polars("checking splits")
    counts = (
        segments.filter(pl.col("patient").is_not_null() & pl.col("split").is_not_null())
        .group_by("patient")
        .agg(pl.col("split").n_unique().alias("splits"))
    )
    torn = int((counts["splits"] > 1).sum())
    if torn:
        raise LeakageError(
            f"{torn} patient(s) stand in more than one split",
            remedy="Split by patient; nothing was trained or scored",
        )
