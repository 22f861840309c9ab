"""Other people's tables, folders and arrays as manifests.

A table ``file,patient,age`` with the target ``age`` is all that fine-tuning needs; columns that
are called otherwise are named, and text classes become numbers with their names kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecgfoundry.errors import FileAccessError, ManifestError
from ecgfoundry.manifest.classes import ordered_classes
from ecgfoundry.manifest.table import (
    TARGET_PREFIX,
    Manifest,
    ManifestRow,
    read_manifest,
    read_table,
)

__all__ = ["ColumnMapping", "MappedManifest", "map_table"]

PATH_NAMES = ("path", "file", "filename", "file_name", "filename_hr", "record_path", "record")
PATIENT_NAMES = ("patient", "patient_id", "subject", "subject_id", "person", "person_id")
SPLIT_NAMES = ("split", "fold_name", "partition")
INDEX_NAMES = ("index", "row", "tracing_index")
START_NAMES = ("start_s", "start", "offset_s")
_SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation",
    "validation": "validation", "dev": "validation", "test": "test", "testing": "test",
    "holdout": "test",
}  # fmt: skip
_SUFFIXES = (".hea", ".xml", ".dcm", ".edf", ".mat", ".npy", ".csv", ".scp")
_WORDS = {"true": 1.0, "yes": 1.0, "positive": 1.0, "false": 0.0, "no": 0.0, "negative": 0.0}
_MISSING = ("", "nan", "na", "n/a", "none", "null", "?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMapping:
    """Which columns of a table are what; None is found by the usual names.

    Parameters
    ----------
    path, patient, split, index, start : str, optional
        Columns. ``start`` is in seconds.
    targets : sequence of str
        Columns to learn; empty: all ``target:NAME`` columns of a manifest.
    positive : str, optional
        Of a target with two text classes: the one that is looked for.
    """

    path: str | None = None
    patient: str | None = None
    split: str | None = None
    index: str | None = None
    start: str | None = None
    targets: tuple[str, ...] = ()
    positive: str | None = None


@dataclass(frozen=True)
class MappedManifest:
    """A manifest and what its numbers mean.

    Attributes
    ----------
    manifest : Manifest
    targets : tuple of str
        The targets to learn, in order.
    classes : mapping
        Target -> names of its classes, where the column held text; the value in the manifest is
        the position.
    """

    manifest: Manifest
    targets: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def map_table(
    table: str | Path,
    mapping: ColumnMapping | None = None,
    *,
    records: str | Path | None = None,
    need_targets: bool = True,
    check: bool = True,
) -> MappedManifest:
    """Read a manifest, or any table of recordings and labels, as a manifest.

    Parameters
    ----------
    table : path
        CSV or Parquet. A table with the columns ``record`` and ``path`` and targets
        ``target:NAME`` is a manifest as it stands.
    mapping : ColumnMapping, optional
        What the columns are.
    records : path, optional
        Where the files are: a folder that paths are relative to (the table's own folder by
        default), or one NumPy file whose row k belongs to the k-th line of the table (or to the
        line whose index column says k).
    need_targets : bool
        Whether a table without a named target is refused.
    check : bool
        Refuse a manifest that contradicts itself (a patient in two splits);
        :func:`ecgfoundry.manifest.check_manifest` reports such things instead.

    Raises
    ------
    FileAccessError, ManifestError, LeakageError, MissingExtraError
        With the line and the column.
    """
    table = Path(table)
    mapping = mapping or ColumnMapping()
    columns, lines = read_table(table)
    if {"record", "path"} <= set(columns) and all(
        name in columns or TARGET_PREFIX + name in columns for name in mapping.targets
    ):
        own = [name for name in mapping.targets if TARGET_PREFIX + name not in columns]
        if not own and mapping.path is None and records is None:
            manifest = read_manifest(table, check=check)
            return MappedManifest(manifest, mapping.targets or manifest.target_names)
    if not lines:
        raise ManifestError("the table has no rows", path=table)
    if need_targets and not mapping.targets:
        raise ManifestError(
            "no target was named",
            path=table,
            remedy=f"Choose columns with --target; there are {', '.join(columns)}",
        )
    array = Path(records) if records is not None and Path(records).is_file() else None
    folder = table.parent if records is None or array is not None else Path(records)
    if not folder.is_dir():
        raise FileAccessError("there is no such folder", path=folder)
    path = None if array else _column(columns, mapping.path, PATH_NAMES, "path", table)
    if path is None and array is None:
        raise ManifestError(
            f"no column names the files; there are {', '.join(columns)}",
            path=table,
            remedy="Name it with --path-column, or give the array with --records",
        )
    found = {
        "path": path,
        "patient": _column(columns, mapping.patient, PATIENT_NAMES, "patient", table),
        "split": _column(columns, mapping.split, SPLIT_NAMES, "split", table),
        "index": _column(columns, mapping.index, INDEX_NAMES, "index", table),
        "start_s": _column(columns, mapping.start, START_NAMES, "start", table),
    }
    values, classes = _targets(mapping, columns, lines, table)
    rows = []
    seen: dict[str, int] = {}
    for k, line in enumerate(lines):
        if None in line:
            raise ManifestError(f"line {k + 2} has more cells than the header", path=table)
        rows.append(
            _row(
                k,
                {key: _cell(line, column) for key, column in found.items()},
                {name: values[name][k] for name in mapping.targets},
                folder=folder,
                array=array,
                table=table,
                seen=seen,
            )
        )
    manifest = Manifest(tuple(rows), folder.resolve())
    if check:
        manifest.check()
    return MappedManifest(manifest, mapping.targets, classes)


def _cell(line: Mapping[str, str | None], column: str | None) -> str:
    return "" if column is None else (line.get(column) or "").strip()


def _column(
    columns: Sequence[str], named: str | None, usual: Sequence[str], what: str, table: Path
) -> str | None:
    if named is not None:
        if named not in columns:
            raise ManifestError(
                f"there is no column '{named}' for the {what}",
                path=table,
                remedy=f"There are {', '.join(columns)}",
            )
        return named
    by_name = {column.strip().casefold(): column for column in reversed(columns)}
    return next((by_name[name] for name in usual if name in by_name), None)


def _row(
    number: int,
    cells: Mapping[str, str],
    targets: Mapping[str, float | None],
    *,
    folder: Path,
    array: Path | None,
    table: Path,
    seen: dict[str, int],
) -> ManifestRow:
    where = f"line {number + 2}"
    split = cells["split"].casefold()
    if split and split not in _SPLITS:
        raise ManifestError(
            f"{where}: the split is '{cells['split']}'",
            path=table,
            remedy="Use train, validation and test, or leave the column out",
        )
    index = _integer(cells["index"], where, table)
    if array is not None:
        index = number if index is None else index
        path = str(array.resolve())
        record = f"{array.stem}-{index}"
    else:
        if not cells["path"]:
            raise ManifestError(f"{where}: no file is named", path=table)
        path = _with_suffix(cells["path"], folder)
        record = cells["path"] if index is None else f"{cells['path']}-{index}"
    start = _number(cells["start_s"], where, table)
    if start:
        record += f"@{start:g}s"
    # A file may stand in several rows (several labels of one person); the leak checks look at it.
    seen[record] = seen.get(record, 0) + 1
    if seen[record] > 1:
        record += f"#{seen[record]}"
    return ManifestRow(
        record=record,
        path=path,
        index=index,
        start_s=start,
        patient=cells["patient"] or None,
        split=_SPLITS[split] if split else None,
        targets=dict(targets),
    )


def _with_suffix(name: str, folder: Path) -> str:
    """Add the suffix of the file that is there: WFDB records are usually named without one."""
    path = Path(name) if Path(name).is_absolute() else folder / name
    if path.is_file():
        return name
    for suffix in _SUFFIXES:
        if path.with_name(path.name + suffix).is_file():
            return name + suffix
    return name


def _number(text: str, where: str, table: Path) -> float | None:
    if text.casefold() in _MISSING:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ManifestError(f"{where}: '{text}' is not a number", path=table) from None
    if not math.isfinite(value):
        raise ManifestError(
            f"{where}: '{text}' is not finite",
            path=table,
            remedy="Leave the cell empty where the value is missing",
        )
    return value


def _integer(text: str, where: str, table: Path) -> int | None:
    number = _number(text, where, table)
    return None if number is None else int(number)


def _targets(
    mapping: ColumnMapping,
    columns: Sequence[str],
    lines: Sequence[Mapping[str, str | None]],
    table: Path,
) -> tuple[dict[str, list[float | None]], dict[str, tuple[str, ...]]]:
    values: dict[str, list[float | None]] = {}
    classes: dict[str, tuple[str, ...]] = {}
    for name in mapping.targets:
        column = name if name in columns else TARGET_PREFIX + name
        if column not in columns:
            raise ManifestError(
                f"there is no column '{name}'",
                path=table,
                remedy=f"There are {', '.join(columns)}",
            )
        cells = [_cell(line, column) for line in lines]
        known = [cell for cell in cells if cell.casefold() not in _MISSING]
        words = {cell.casefold() for cell in known}
        numbers = [_is_number(cell) for cell in known]
        if all(numbers):
            values[name] = [
                _number(cell, f"line {k + 2}, {column}", table) for k, cell in enumerate(cells)
            ]
        elif words <= set(_WORDS):
            values[name] = [_WORDS.get(cell.casefold()) for cell in cells]
        else:
            if any(numbers):
                line = next(
                    k + 2 for k, cell in enumerate(cells)
                    if cell.casefold() not in _MISSING and not _is_number(cell)
                )  # fmt: skip
                raise ManifestError(
                    f"line {line}, {column}: '{cells[line - 2]}' is not a number, but most are",
                    path=table,
                    remedy="Leave the cell empty where the value is missing",
                )
            texts = sorted(set(known))
            named = mapping.positive if mapping.positive in texts else None
            classes[name] = ordered_classes(name, texts, named)
            place = {text: float(k) for k, text in enumerate(classes[name])}
            values[name] = [place.get(cell) for cell in cells]
    if mapping.positive is not None and not any(
        mapping.positive in own for own in classes.values()
    ):
        shown = "; ".join(f"{name}: {', '.join(own)}" for name, own in classes.items())
        raise ManifestError(
            f"no target has the class '{mapping.positive}'",
            path=table,
            remedy=f"There are {shown}" if shown else "No target of this table has text classes",
        )
    return values, classes


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
