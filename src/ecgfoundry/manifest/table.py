"""The table of recordings: one row per recording, read, checked and written in one place.

Columns are those of the JSON schema ``manifest``. In CSV an empty cell is a missing value, never 0;
in Parquet it is null.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import LeakageError, ManifestError, SignalError
from ecgfoundry.extras import require_polars
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.files import read
from ecgfoundry.io import PARQUET_SUFFIXES, table_suffix, write_atomically, write_frame
from ecgfoundry.recording import Recording
from ecgfoundry.schemas import load_schema

__all__ = ["COLUMNS", "TARGET_PREFIX", "Manifest", "ManifestRow", "write_manifest"]

TARGET_PREFIX = "target:"


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One recording and what is known about it. None is missing."""

    record: str
    path: str
    index: int | None = None
    start_s: float | None = None
    duration_s: float | None = None
    patient: str | None = None
    visit: str | None = None
    split: str | None = None
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    device: str | None = None
    standardized_as: str | None = None
    targets: Mapping[str, float | None] = field(default_factory=dict)

    def to_dict(self) -> JsonObject:
        """Return the row as the schema describes it."""
        result = {name: getattr(self, name) for name in COLUMNS}
        return result | {f"{TARGET_PREFIX}{name}": v for name, v in self.targets.items()}


COLUMNS = tuple(f.name for f in fields(ManifestRow) if f.name != "targets")


@dataclass(frozen=True)
class Manifest:
    """Rows and the folder that relative paths start from.

    Attributes
    ----------
    rows : tuple of ManifestRow
    folder : Path
    stated : ReadOptions
        What the files leave open (names of leads, unit, rate), the same for all of them.
    """

    rows: tuple[ManifestRow, ...]
    folder: Path
    stated: ReadOptions = field(default_factory=ReadOptions)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[ManifestRow]:
        return iter(self.rows)

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of all targets, in the order of the columns."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.targets))

    def targets(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return (rows, targets) values; NaN is missing."""
        return np.array(
            [
                [np.nan if (value := row.targets.get(name)) is None else value for name in names]
                for row in self.rows
            ],
            dtype=np.float64,
        ).reshape(len(self.rows), len(names))

    def groups(self) -> list[str]:
        """Return the patient of each row; a row without one is a patient of its own."""
        return [row.patient if row.patient is not None else f"\0{row.record}" for row in self.rows]

    def of_split(self, split: str) -> Manifest:
        """Return the rows of one split."""
        return self.with_rows(row for row in self.rows if row.split == split)

    def with_rows(self, rows: Iterable[ManifestRow]) -> Manifest:
        """Return other rows of the same folder, whose files leave the same open."""
        return replace(self, rows=tuple(rows))

    def path_of(self, row: ManifestRow) -> Path:
        """Return where the file of a row is."""
        path = Path(row.path)
        return path if path.is_absolute() else self.folder / path

    def open(self, row: ManifestRow) -> Recording:
        """Read the recording of a row."""
        return read(
            self.path_of(row),
            replace(self.stated, index=row.index),
            start_s=row.start_s or 0.0,
            duration_s=row.duration_s,
        )

    def open_raw(self, row: ManifestRow) -> Recording:
        """Read the recording of a row for those who standardize or measure it themselves.

        Raises
        ------
        SignalError
            The array is standardized: it would be once more, and has no millivolts.
        """
        if row.standardized_as is not None:
            raise SignalError(
                f"the array is standardized ({row.standardized_as}), and a raw signal is needed",
                path=self.path_of(row),
                remedy="Give the recording as it was (finetune and evaluate take such arrays)",
            )
        return self.open(row)

    def check(self) -> None:
        """Check what one row alone cannot show.

        Raises
        ------
        ManifestError
            Two rows have one record id, or there are no rows.
        LeakageError
            A patient stands in two splits.
        """
        if not self.rows:
            raise ManifestError("the manifest has no rows", path=self.folder)
        seen: set[str] = set()
        first_of: dict[str, ManifestRow] = {}
        for row in self.rows:
            if row.record in seen:
                raise ManifestError(f"duplicate record id '{row.record}'", path=self.folder)
            seen.add(row.record)
            if row.patient is None or row.split is None:
                continue
            other = first_of.setdefault(row.patient, row)
            if other.split != row.split:
                raise LeakageError(
                    f"one patient stands in the splits {other.split} and {row.split} "
                    f"({other.record} in {other.split}, {row.record} in {row.split})",
                    remedy="Split by patient; nothing was trained or scored",
                )


def write_manifest(path: str | Path, rows: Iterable[ManifestRow]) -> Path:
    """Write rows as CSV or Parquet (by suffix), whole or not at all.

    Columns without any value are left out.
    """
    path = Path(path)
    documents = [row.to_dict() for row in rows]
    names = list(dict.fromkeys(name for document in documents for name in document))
    required = load_schema("manifest")["required"]
    used = [n for n in names if n in required or any(d.get(n) is not None for d in documents)]
    if table_suffix(path, accepted=(".csv", *PARQUET_SUFFIXES)) in PARQUET_SUFFIXES:
        polars = require_polars("writing a Parquet table")
        columns = {name: [document.get(name) for document in documents] for name in used}
        write_frame(path, polars.DataFrame(columns, infer_schema_length=None, strict=False))
        return path
    with (
        write_atomically(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, used, extrasaction="ignore")
        writer.writeheader()
        for document in documents:
            writer.writerow({n: "" if (v := document.get(n)) is None else v for n in used})
    return path
