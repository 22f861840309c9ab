"""The table of recordings: one row per recording, read, checked and written in one place.

Columns are those of the JSON schema ``manifest``. In CSV an empty cell is a missing value, never 0;
in Parquet it is null.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FileAccessError, LeakageError, ManifestError, MissingExtraError
from ecgfoundry.formats.files import read
from ecgfoundry.recording import Recording
from ecgfoundry.schemas import load_schema, schema_problems

__all__ = ["Manifest", "ManifestRow", "read_manifest", "read_table", "write_manifest"]

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

    def to_dict(self) -> dict[str, Any]:
        """Return the row as the schema describes it."""
        result = {name: getattr(self, name) for name in _COLUMNS}
        return result | {f"{TARGET_PREFIX}{name}": v for name, v in self.targets.items()}


_COLUMNS = tuple(f.name for f in fields(ManifestRow) if f.name != "targets")
_NUMBERS = ("start_s", "duration_s", "age")


@dataclass(frozen=True)
class Manifest:
    """Rows and the folder that relative paths start from."""

    rows: tuple[ManifestRow, ...]
    folder: Path

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
        return Manifest(tuple(row for row in self.rows if row.split == split), self.folder)

    def open(self, row: ManifestRow) -> Recording:
        """Read the recording of a row."""
        path = Path(row.path)
        return read(
            path if path.is_absolute() else self.folder / path,
            index=row.index,
            start_s=row.start_s or 0.0,
            duration_s=row.duration_s,
        )

    def check(self) -> None:
        """Check what one row alone cannot show.

        Raises
        ------
        ManifestError
            A record name stands twice, or there are no rows.
        LeakageError
            A patient stands in two splits.
        """
        if not self.rows:
            raise ManifestError("the manifest has no rows", path=self.folder)
        seen: set[str] = set()
        first_of: dict[str, ManifestRow] = {}
        for row in self.rows:
            if row.record in seen:
                raise ManifestError(f"the record '{row.record}' stands twice", path=self.folder)
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


def read_manifest(path: str | Path, *, check: bool = True) -> Manifest:
    """Read a CSV or Parquet manifest and check every row against the schema.

    Parameters
    ----------
    path : path
    check : bool
        Also check what one row alone cannot show (:meth:`Manifest.check`).

    Raises
    ------
    FileAccessError, ManifestError, LeakageError
        With the line number and the column.
    MissingExtraError
        A Parquet file, and the extra "data" is not installed.
    """
    path = Path(path)
    columns, table = read_table(path)
    _check_columns(columns, path)
    rows = tuple(_parse_row(cells, line, path) for line, cells in enumerate(table, 2))
    manifest = Manifest(rows, path.parent)
    if check:
        manifest.check()
    return manifest


def read_table(path: Path) -> tuple[list[str], list[dict[str, str | None]]]:
    """Read a CSV or Parquet table as text cells, the header first.

    Parameters
    ----------
    path : Path
        ``.parquet`` is Parquet; everything else is CSV in UTF-8.

    Returns
    -------
    columns : list of str
    rows : list of dict
        Column -> text; empty or None is missing. A row that is longer than the header has the key
        None.

    Raises
    ------
    FileAccessError, ManifestError, MissingExtraError
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            return list(reader.fieldnames or []), list(reader)
    except OSError as error:
        raise FileAccessError(f"cannot be opened: {error.strerror}", path=path) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"is not a CSV table in UTF-8: {error}", path=path) from None


def _read_parquet(path: Path) -> tuple[list[str], list[dict[str, str | None]]]:
    try:
        import polars
    except ImportError:
        raise MissingExtraError.for_extra("reading a Parquet table", "data") from None
    if not path.is_file():
        raise FileAccessError("cannot be opened: no such file", path=path)
    try:
        frame = polars.read_parquet(path)
    except Exception as error:  # polars raises its own unrelated exception types
        raise ManifestError(f"is not a Parquet table: {error}", path=path) from None
    rows = [
        {name: None if value is None else _text(value) for name, value in row.items()}
        for row in frame.iter_rows(named=True)
    ]
    return list(frame.columns), rows


def _text(value: Any) -> str:
    """A cell as it would stand in CSV: True is 1, NaN is missing."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and np.isnan(value):
        return ""
    return str(value)


def _check_columns(columns: Sequence[str], path: Path) -> None:
    unknown = [c for c in columns if c not in _COLUMNS and not c.startswith(TARGET_PREFIX)]
    if unknown:
        raise ManifestError(
            f"unknown column(s) {', '.join(unknown)}",
            path=path,
            remedy=f"Known are {', '.join(_COLUMNS)} and {TARGET_PREFIX}NAME",
        )
    missing = [c for c in load_schema("manifest")["required"] if c not in columns]
    if missing:
        raise ManifestError(f"the column(s) {', '.join(missing)} are missing", path=path)


def _parse_row(cells: Mapping[str, str | None], line: int, path: Path) -> ManifestRow:
    values: dict[str, Any] = {}
    targets: dict[str, float | None] = {}
    for column, cell in cells.items():
        if column is None:
            raise ManifestError(f"line {line} has more cells than the header", path=path)
        text = (cell or "").strip()
        if column.startswith(TARGET_PREFIX):
            targets[column[len(TARGET_PREFIX) :]] = _number(text, column, line, path)
        elif column in _NUMBERS:
            values[column] = _number(text, column, line, path)
        elif column == "index":
            number = _number(text, column, line, path)
            values[column] = None if number is None else int(number)
        else:
            values[column] = text or None
    document = values | {f"{TARGET_PREFIX}{name}": value for name, value in targets.items()}
    problems = schema_problems("manifest", document)
    if problems:
        raise ManifestError(f"line {line}: {problems[0]}", path=path)
    return ManifestRow(**values, targets=targets)


def _number(text: str, column: str, line: int, path: Path) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ManifestError(f"line {line}, {column}: '{text}' is not a number", path=path) from None
    if not np.isfinite(value):
        raise ManifestError(f"line {line}, {column}: '{text}' is not finite", path=path)
    return value


def write_manifest(path: str | Path, rows: Iterable[ManifestRow]) -> Path:
    """Write rows as CSV or Parquet (by suffix), whole or not at all.

    Columns without any value are left out.
    """
    path = Path(path)
    documents = [row.to_dict() for row in rows]
    names = list(dict.fromkeys(name for document in documents for name in document))
    required = load_schema("manifest")["required"]
    used = [n for n in names if n in required or any(d.get(n) is not None for d in documents)]
    temporary = path.with_name(f".{path.name}.part")
    if path.suffix.lower() in (".parquet", ".pq"):
        _write_parquet(temporary, documents, used)
        temporary.replace(path)
        return path
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, used, extrasaction="ignore")
        writer.writeheader()
        for document in documents:
            writer.writerow({n: "" if (v := document.get(n)) is None else v for n in used})
    temporary.replace(path)
    return path


def _write_parquet(path: Path, documents: Sequence[Mapping[str, Any]], names: list[str]) -> None:
    try:
        import polars
    except ImportError:
        raise MissingExtraError.for_extra("writing a Parquet table", "data") from None
    columns = {name: [document.get(name) for document in documents] for name in names}
    polars.DataFrame(columns, infer_schema_length=None, strict=False).write_parquet(path)
