"""The one reader of tables of recordings, for every command.

A table ``file,patient,age`` with the target ``age`` is all that fine-tuning needs; a manifest, the
``split.csv`` of a run, a spreadsheet and an array with its labels are read by the same rules.
Columns that are called otherwise are named, and text classes become numbers with their names kept.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ecgfoundry.errors import FileAccessError, ManifestError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.io import Table, is_missing, number_of, read_table, whole_number
from ecgfoundry.manifest.classes import ordered_classes, refuse_unclear_none
from ecgfoundry.manifest.rows import notes_on_rows
from ecgfoundry.manifest.table import COLUMNS, TARGET_PREFIX, Manifest, ManifestRow
from ecgfoundry.schemas import load_schema, schema_problems

__all__ = [
    "RECORD_NAMES",
    "ColumnMapping",
    "MappedManifest",
    "normalized_sex",
    "read_manifest",
    "read_recordings",
]

RECORD_NAMES = ("record", "id", "record_id", "ecg_id", "exam_id")
PATH_NAMES = ("path", "file", "filename", "file_name", "filename_hr", "record_path", "record")
PATIENT_NAMES = ("patient", "patient_id", "subject", "subject_id", "person", "person_id")
SPLIT_NAMES = ("split", "fold_name", "partition")
INDEX_NAMES = ("index", "row", "tracing_index")
START_NAMES = ("start_s", "start", "offset_s")
_SAME_NAMES = ("duration_s", "visit", "age", "sex", "site", "device", "standardized_as")
_SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation",
    "validation": "validation", "dev": "validation", "test": "test", "testing": "test",
    "holdout": "test",
}  # fmt: skip
_SUFFIXES = (".hea", ".xml", ".dcm", ".edf", ".mat", ".npy", ".csv", ".scp")


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
    notes : tuple of str
        What was supposed or left out in reading, in sentences for the user.
    words : mapping
        Target -> its words and the numbers that they were read as, where the column held nothing
        but ``yes``, ``no`` and the like: to a model, "no" may be the name of a class.
    """

    manifest: Manifest
    targets: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    words: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def read_manifest(path: str | Path, *, check: bool = True) -> Manifest:
    """Read a manifest as it is written here: known columns only, and targets that are numbers.

    Parameters
    ----------
    path : path
        Any form that :func:`ecgfoundry.io.read_table` reads.
    check : bool
        Also check what one row alone cannot show (:meth:`Manifest.check`).

    Raises
    ------
    FileAccessError, TableError, ManifestError, LeakageError
        With the line number and the column.
    MissingExtraError
        A Parquet file, and the extra "data" is not installed.
    """
    path = Path(path)
    table = read_table(path)
    _check_columns(table.columns, path)
    found = _read(table, ColumnMapping(), None, strict=True)
    if check:
        found.manifest.check()
    return found.manifest


def read_recordings(
    table: str | Path,
    columns: ColumnMapping | None = None,
    *,
    records: str | Path | None = None,
    need_targets: bool = True,
    check: bool = True,
    stated: ReadOptions | None = None,
) -> MappedManifest:
    """Read a manifest, or any table of recordings and labels, as a manifest.

    Parameters
    ----------
    table : path
        Any form that :func:`ecgfoundry.io.read_table` reads. A table with the columns ``record``
        and ``path`` and targets ``target:NAME`` is a manifest as it stands.
    columns : ColumnMapping, optional
        What the columns are.
    records : path, optional
        Where the files are: a folder that paths are relative to (the table's own folder by
        default), or one NumPy file whose row k belongs to the k-th line of the table (or to the
        line whose index column says k).
    need_targets : bool
        The table is for learning: one without a named target is refused, and so are two text
        classes of which nothing says which is the positive one. For measuring, classes are
        compared by their names, and their order is that of the alphabet.
    check : bool
        Refuse a manifest that contradicts itself (a patient in two splits);
        :func:`ecgfoundry.manifest.check_manifest` reports such things instead.
    stated : ReadOptions, optional
        What the files leave open (names of leads, unit, rate), the same for all of them.

    Raises
    ------
    FileAccessError, TableError, ManifestError, LeakageError, MissingExtraError
        With the line and the column.
    """
    mapping = columns or ColumnMapping()
    found = _read(read_table(table), mapping, records, need_targets=need_targets)
    if stated is not None:
        found = replace(found, manifest=replace(found.manifest, stated=stated))
    if check:
        found.manifest.check()
        found = replace(found, notes=(*found.notes, *notes_on_rows(found.manifest)))
    return found


def normalized_sex(text: str) -> str:
    """Return female, male or the text itself; "0" and "1" mean different things in each set."""
    first = text.strip().lower()
    if first in ("f", "female", "w", "woman"):
        return "female"
    return "male" if first in ("m", "male", "man") else text.strip()


def _check_columns(columns: Sequence[str], path: Path) -> None:
    unknown = [c for c in columns if c not in COLUMNS and not c.startswith(TARGET_PREFIX)]
    if unknown:
        raise ManifestError(
            f"unknown column(s) {', '.join(unknown)}",
            path=path,
            remedy=f"Known are {', '.join(COLUMNS)} and {TARGET_PREFIX}NAME",
        )
    missing = [c for c in load_schema("manifest")["required"] if c not in columns]
    if missing:
        raise ManifestError(f"the column(s) {', '.join(missing)} are missing", path=path)


# --- the table ----------------------------------------------------------------------------------


def _read(
    table: Table,
    mapping: ColumnMapping,
    records: str | Path | None,
    *,
    need_targets: bool = False,
    strict: bool = False,
) -> MappedManifest:
    if not table.rows:
        raise ManifestError("the table has no rows", path=table.path)
    own = tuple(c[len(TARGET_PREFIX) :] for c in table.columns if c.startswith(TARGET_PREFIX))
    targets = mapping.targets or own
    is_manifest = {"record", "path"} <= set(table.columns)
    if need_targets and not targets and not is_manifest:
        raise ManifestError(
            "no target was named",
            path=table.path,
            remedy=f"Choose columns with --target; there are {', '.join(table.columns)}",
        )
    array = Path(records) if records is not None and Path(records).is_file() else None
    folder = table.path.parent if records is None or array is not None else Path(records)
    if not folder.is_dir():
        raise FileAccessError("there is no such folder", path=folder)
    found = _found_columns(table, mapping, array is not None)
    values, classes, words = _targets(
        tuple(dict.fromkeys((*targets, *own))), table, mapping.positive, need_targets
    )
    if strict and classes:
        raise ManifestError(
            _first_text(table, TARGET_PREFIX + next(iter(classes))), path=table.path
        )
    reader = _Rows(table, found, folder, array, strict)
    rows = tuple(
        reader.row(k, {name: column[k] for name, column in values.items()})
        for k in range(len(table))
    )
    kept = {name: names for name, names in classes.items() if name in targets}
    manifest = Manifest(rows, folder.resolve())
    return MappedManifest(manifest, targets, kept, (*table.notes, *reader.notes()), words)


def _found_columns(table: Table, mapping: ColumnMapping, of_array: bool) -> dict[str, str]:
    """Return field -> column, for the fields that there are."""
    found = {
        "path": None if of_array else _column(table, mapping.path, PATH_NAMES, "path"),
        "patient": _column(table, mapping.patient, PATIENT_NAMES, "patient"),
        "split": _column(table, mapping.split, SPLIT_NAMES, "split"),
        "index": _column(table, mapping.index, INDEX_NAMES, "index"),
        "start_s": _column(table, mapping.start, START_NAMES, "start"),
        "record": _column(table, None, RECORD_NAMES, "record"),
        **{name: _column(table, None, (name,), name) for name in _SAME_NAMES},
    }
    if found["path"] is None and not of_array:
        raise ManifestError(
            f"no column names the files; there are {', '.join(table.columns)}",
            path=table.path,
            remedy="Name it with --path-column, or give the array with --records",
        )
    if found["record"] == found["path"]:
        found["record"] = None
    return {name: column for name, column in found.items() if column is not None}


def _column(table: Table, named: str | None, usual: Sequence[str], what: str) -> str | None:
    if named is not None:
        if named not in table.columns:
            raise ManifestError(
                f"there is no column '{named}' for the {what}",
                path=table.path,
                remedy=f"There are {', '.join(table.columns)}",
            )
        return named
    by_name = {column.casefold(): column for column in reversed(table.columns)}
    return next((by_name[name] for name in usual if name in by_name), None)


class _Rows:
    """Turns lines of a table into rows of a manifest."""

    def __init__(
        self, table: Table, found: Mapping[str, str], folder: Path, array: Path | None, strict: bool
    ) -> None:
        self.table = table
        self.folder = folder
        self.array = array
        self.strict = strict
        self._cells = {name: table.column(column) for name, column in found.items()}
        self._seen: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        own = self._cells.get("record")
        # Ids that name no row alone are no names of rows, but those of a manifest have to be.
        if own is not None and not strict and (len(set(own)) < len(own) or "" in own):
            del self._cells["record"]

    def notes(self) -> list[str]:
        """Return what was left out, in sentences."""
        return [
            f"{count} cell(s) of '{name}' hold no {name} and count as missing."
            for name, count in self._left_out.items()
        ]

    def row(self, k: int, targets: Mapping[str, float | None]) -> ManifestRow:
        """Return the row of the k-th line."""
        start, index = self._number("start_s", k), self._number("index", k)
        values: dict[str, Any] = {
            "index": None if index is None else int(index),
            "start_s": start,
            "duration_s": self._number("duration_s", k),
            "patient": self._patient(k),
            "split": self._split(k),
            "age": self._age(k),
            "sex": self._sex(k),
            **{name: self._text(name, k) or None for name in ("visit", "site", "device")},
            "standardized_as": self._text("standardized_as", k) or None,
        }
        if self.array is not None:
            values["index"] = k if values["index"] is None else values["index"]
            values["path"] = str(self.array.resolve())
            name = f"{self.array.stem}-{values['index']}"
        else:
            values["path"] = self._path(k)
            name = self._text("path", k)
            name = name if values["index"] is None else f"{name}-{values['index']}"
        if "record" in self._cells:
            values["record"] = self._cells["record"][k]
        else:
            values["record"] = self._named_once(name + (f"@{start:g}s" if start else ""))
        row = ManifestRow(**values, targets=dict(targets))
        problems = schema_problems("manifest", row.to_dict())
        if problems:
            raise ManifestError(f"{self._where(k)}: {problems[0]}", path=self.table.path)
        return row

    def _named_once(self, name: str) -> str:
        # A file may stand in several rows (several labels of one person): the leak checks see it.
        self._seen[name] += 1
        return name if self._seen[name] == 1 else f"{name}#{self._seen[name]}"

    def _where(self, k: int) -> str:
        return f"line {self.table.lines[k]}"

    def _text(self, name: str, k: int) -> str:
        cells = self._cells.get(name)
        return "" if cells is None or is_missing(cells[k]) else cells[k]

    def _number(self, name: str, k: int) -> float | None:
        text = self._text(name, k)
        if not text:
            return None
        value = number_of(text, decimal_comma=self.table.decimal_comma)
        if value is None or not math.isfinite(value):
            what = "a number" if value is None else "finite"
            raise ManifestError(
                f"{self._where(k)}, {name}: '{text}' is not {what}",
                path=self.table.path,
                remedy="Leave the cell empty where the value is missing",
            )
        return value

    def _path(self, k: int) -> str:
        text = self._text("path", k)
        if not text:
            raise ManifestError(f"{self._where(k)}: no file is named", path=self.table.path)
        return text if self.strict else _found_file(text, self.folder)

    def _patient(self, k: int) -> str | None:
        """One person's number is one, however a spreadsheet has written it."""
        text = self._text("patient", k)
        return (whole_number(text) or text) or None

    def _split(self, k: int) -> str | None:
        text = self._text("split", k)
        if text and text.casefold() not in _SPLITS:
            raise ManifestError(
                f"{self._where(k)}: the split is '{text}'",
                path=self.table.path,
                remedy="Use train, validation and test, or leave the column out",
            )
        return _SPLITS[text.casefold()] if text else None

    def _age(self, k: int) -> float | None:
        if self.strict:
            return self._number("age", k)
        text = self._text("age", k)
        if not text:
            return None
        value = number_of(text, decimal_comma=self.table.decimal_comma)
        if value is None or not 0 <= value <= 130:
            self._left_out["age"] += 1
            return None
        return value

    def _sex(self, k: int) -> str | None:
        text = self._text("sex", k)
        if self.strict or not text:
            return text or None
        sex = normalized_sex(text)
        if sex not in ("female", "male"):
            self._left_out["sex"] += 1
            return None
        return sex


def _found_file(name: str, folder: Path) -> str:
    """Return a path as it is found: with the suffix that a WFDB record is named without, and with
    the separators of this system where the table was written on Windows.
    """
    for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
        path = folder / spelling
        if path.is_file():
            return spelling
        for suffix in _SUFFIXES:
            if path.with_name(path.name + suffix).is_file():
                return spelling + suffix
    return name


# --- targets ------------------------------------------------------------------------------------


def _targets(
    names: Sequence[str], table: Table, positive: str | None, to_learn: bool
) -> tuple[dict[str, list[float | None]], dict[str, tuple[str, ...]], dict[str, dict[str, float]]]:
    values: dict[str, list[float | None]] = {}
    classes: dict[str, tuple[str, ...]] = {}
    words: dict[str, dict[str, float]] = {}
    for name in names:
        column = name if name in table.columns else TARGET_PREFIX + name
        other = TARGET_PREFIX + name
        if column != other and other in table.columns and table.column(other) != table.column(name):
            raise ManifestError(
                f"the columns '{name}' and '{other}' are labels of one name and differ",
                path=table.path,
                remedy="Leave one of them out, or give it another name",
            )
        if column not in table.columns:
            raise ManifestError(
                f"there is no column '{name}'",
                path=table.path,
                remedy=f"There are {', '.join(table.columns)}",
            )
        cells = table.column(column)
        known = [cell for cell in cells if not is_missing(cell)]
        comma = table.decimal_comma
        read = {cell: number_of(cell, decimal_comma=comma) for cell in known}
        figures = any(
            number_of(cell, decimal_comma=comma, words=False) is not None for cell in read
        )
        if all(number is not None for number in read.values()):
            values[name] = [None if math.isnan(v) else v for v in table.numbers(column)]
            if not figures:
                words[name] = {cell: number for cell, number in read.items() if number is not None}
        elif figures:  # "no" is 0 beside "yes" and 1, and a class beside "mild" and "severe"
            raise ManifestError(
                f"{_first_text(table, column)}, but others are",
                path=table.path,
                remedy="Leave the cell empty where the value is missing",
            )
        else:
            refuse_unclear_none(name, cells, table.path)
            texts = sorted(set(known))
            named = positive if positive in texts else None
            to_order = to_learn or named is not None
            classes[name] = ordered_classes(name, texts, named) if to_order else tuple(texts)
            place = {text: float(k) for k, text in enumerate(classes[name])}
            values[name] = [place.get(cell) for cell in cells]
    if positive is not None and not any(positive in own for own in classes.values()):
        shown = "; ".join(f"{name}: {', '.join(own)}" for name, own in classes.items())
        raise ManifestError(
            f"no target has the class '{positive}'",
            path=table.path,
            remedy=f"There are {shown}" if shown else "No target of this table has text classes",
        )
    return values, classes, words


def _first_text(table: Table, column: str) -> str:
    line, text = next(
        (line, cell)
        for line, cell in zip(table.lines, table.column(column), strict=True)
        if number_of(cell, decimal_comma=table.decimal_comma) is None
    )
    return f"line {line}, {column}: '{text}' is not a number"
