"""``metrics.csv`` and ``metrics.json``: whole or not at all, undefined values empty or null."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.documents import Cells, JsonObject, JsonValue
from ecgfoundry.errors import FileAccessError
from ecgfoundry.evaluation.rows import CLASSES
from ecgfoundry.io import write_atomically

__all__ = ["csv_text", "json_text", "plain", "plain_object", "write_text"]

FIRST_COLUMNS = (
    "target", "n", "positives", "auroc", "auroc_low", "auroc_high", "auprc", "auprc_low",
    "auprc_high",
)  # fmt: skip


def plain_object(content: Mapping[str, object]) -> JsonObject:
    """Return names and values that JSON can hold; undefined and infinite numbers become None."""
    return {str(name): plain(item) for name, item in content.items()}


def plain(value: Any) -> JsonValue:
    """Return a value that JSON can hold; undefined and infinite numbers become None."""
    if isinstance(value, Mapping):
        return plain_object(value)
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_text(document: JsonObject) -> str:
    """Return the document as JSON."""
    return json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def csv_text(rows: Sequence[Cells], *, first: Sequence[str] = FIRST_COLUMNS) -> str:
    """Return rows as CSV; an undefined value is an empty cell, never 0.

    Columns: ``first``, then those of classification, then the others as they appear.
    """
    names = dict.fromkeys(first)
    for row in sorted(rows, key=lambda row: row.get("kind") != CLASSES):
        names.update(dict.fromkeys(row))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return stream.getvalue()


def _cell(value: Any) -> JsonValue:
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def write_text(folder: Path, files: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[Path]:
    """Write files into a folder, each to a temporary name first.

    Raises
    ------
    FileAccessError
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileAccessError(f"cannot be written: {error.strerror}", path=folder) from None
    written = []
    for name, text in dict(files).items():
        with write_atomically(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written
