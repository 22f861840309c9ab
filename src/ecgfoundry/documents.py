"""What JSON can hold, as types: a document that is no JSON does not pass the type checker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["Cell", "Cells", "JsonObject", "JsonValue"]

Cell: TypeAlias = str | int | float | bool | None
"""What stands in a cell of a table. NaN is undefined: empty in CSV, null in JSON."""
Cells: TypeAlias = dict[str, Cell]
"""One row of a table: name of a column -> cell, in the order of the columns."""

# Mapping and Sequence, not dict and list: those of a narrower kind are documents too.
JsonValue: TypeAlias = Cell | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
JsonObject: TypeAlias = dict[str, JsonValue]
"""What a ``to_dict`` makes: names -> whatever JSON can hold, numbers of NumPy not."""
