"""Long lists, page by page: the next page begins after the last row of this one.

What is put in meanwhile stands before the first page, so no row is missed or seen twice.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import Session

__all__ = ["Page", "newest_first"]

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """``cursor``: what asks for the next page; None: this is the last."""

    rows: Sequence[Row]
    cursor: str | None


def newest_first(
    session: Session,
    query: Select[Any],
    table: type[Row],
    *,
    limit: int,
    cursor: str | None,
) -> Page[Row]:
    """Return the rows of a query by ``created_at`` and ``id``, the newest first.

    Raises
    ------
    ValueError
        The cursor is none of ours.
    """
    columns: Any = table
    if cursor is not None:
        # Compared as a pair: rows of one moment are told apart by their names.
        query = query.where(tuple_(columns.created_at, columns.id) < tuple_(*_read(cursor)))
    ordered = query.order_by(columns.created_at.desc(), columns.id.desc())
    rows: Sequence[Row] = session.scalars(ordered.limit(limit + 1)).all()
    following = _written(rows[limit - 1]) if len(rows) > limit else None
    return Page(rows[:limit], following)


def _written(row: Any) -> str:
    return base64.urlsafe_b64encode(f"{row.created_at.isoformat()} {row.id}".encode()).decode()


def _read(cursor: str) -> tuple[dt.datetime, str]:
    try:
        moment, _, name = (
            base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(" ")
        )
        found = dt.datetime.fromisoformat(moment)
        if found.tzinfo is not None:
            found = found.astimezone(dt.UTC)
    except (binascii.Error, UnicodeDecodeError, ValueError, OverflowError):
        raise ValueError("this is no cursor of a page before") from None
    if found.tzinfo is None or not name or "\x00" in name:
        raise ValueError("this is no cursor of a page before")
    return found, name
