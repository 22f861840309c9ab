"""One task: some records in, one shard per group, an index and a record table out, committed last.

A task is a pure function of its :class:`TaskSpec`: any engine may run it, anywhere, twice, also at
the same time (each attempt has a work folder of its own, and renames the same bytes into place).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.corpus import layout
from ecgfoundry.corpus.build_plan import BuildOptions
from ecgfoundry.corpus.integer_reader import RawRecord, open_raw
from ecgfoundry.corpus.quality_gate import (
    MOSTLY_INVERTED,
    NOT_AN_ECG,
    REASONS,
    WindowFigures,
    are_ecg,
    measure_windows,
)
from ecgfoundry.corpus.shards import ShardWriter, group_name
from ecgfoundry.documents import Cell, Cells
from ecgfoundry.engines import is_orphaned
from ecgfoundry.errors import CorpusError, EcgFoundryError
from ecgfoundry.extras import require_polars
from ecgfoundry.io import sha256_of
from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.signals.windows import window_bounds

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FIGURES", "TaskSpec", "run_task"]

BLOCK_WINDOWS = 64
"""Windows that are read and measured together: memory is bounded by them, not by the record."""

FIGURES = tuple(part.name for part in fields(WindowFigures))


@dataclass(frozen=True)
class TaskSpec:
    """What a worker needs to know.

    Parameters
    ----------
    root : Path
        Of the corpus.
    work : Path
        Where unfinished files go.
    number : int
    manifest : Manifest
        The rows of this task.
    target_names : tuple of str
        Of the whole manifest, so that every part has the same columns.
    options : BuildOptions
    """

    root: Path
    work: Path
    number: int
    manifest: Manifest
    target_names: tuple[str, ...]
    options: BuildOptions


@dataclass
class _RecordEntry:
    """One row of the record table: a record that went in, and what came of it.

    ``lost`` counts windows by the reason for which they were left out.
    """

    row: ManifestRow
    status: str = ""
    error: str | None = None
    problem: str | None = None
    sampling_rate: float | None = None
    leads: str | None = None
    duration_s: float | None = None
    inverted_share: float | None = None
    windows: int = 0
    kept: int = 0
    clipped_samples: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """Return what a commit sums up."""
        counted = {name: getattr(self, name) for name in COUNTS}
        return counted | {reason: self.lost[reason] for reason in REASONS}

    def cells(self, target_names: tuple[str, ...]) -> Cells:
        """Return the columns of the record table."""
        row, own = self.row, [part.name for part in fields(self) if part.name not in _NO_COLUMNS]
        return (
            {name: getattr(row, name) for name in _ROW_COLUMNS}
            | {name: getattr(self, name) for name in own}
            | {reason: self.lost[reason] for reason in REASONS}
            | {f"target:{name}": row.targets.get(name) for name in target_names}
        )


COUNTS = ("windows", "kept", "clipped_samples")
_ROW_COLUMNS = ("record", "path", "patient", "visit", "split", "age", "sex", "site", "device")
_NO_COLUMNS = ("row", "lost")


@dataclass(frozen=True, eq=False)
class _Part:
    """Segments of one record that were stored together; arrays are (segments,).

    ``figures``: name of a quality figure -> values.
    """

    record: RawRecord
    row: ManifestRow
    shard: str
    places: NDArray[np.uint32]
    starts: NDArray[np.int64]
    length: int
    crc32: NDArray[np.uint32]
    figures: Mapping[str, NDArray[np.generic]]

    def columns(self, *, inverted: bool) -> dict[str, NDArray[np.generic] | Cell]:
        """Return the columns of the index; a value that is no array holds for all segments."""
        record, row = self.record, self.row
        return {
            "shard": self.shard,
            "row": self.places,
            "record": row.record,
            "patient": row.patient,
            "visit": row.visit,
            "split": row.split,
            "age": row.age,
            "sex": row.sex,
            "start_s": (row.start_s or 0.0) + self.starts / record.sampling_rate,
            "start_time": _start_times(record, self.starts),
            "sampling_rate": record.sampling_rate,
            "leads": ",".join(record.leads),
            "length": self.length,
            "gain": record.gain,
            "baseline": record.baseline,
            "crc32": self.crc32,
            **self.figures,
            "record_inverted": inverted,
        }


@dataclass(frozen=True, eq=False)
class _IndexPart:
    """So many rows of the index."""

    count: int
    columns: Mapping[str, NDArray[np.generic] | Cell]


class _OrphanedError(RuntimeError):
    """The process that gave the task is gone."""


def run_task(spec: TaskSpec) -> layout.Commit:
    """Carry out a task and return its commit.

    Raises
    ------
    CorpusError
        The folder of the corpus is not there, as on a node that does not share it.
    """
    try:
        work = Path(tempfile.mkdtemp(prefix=f"{layout.task_name(spec.number)}.", dir=spec.work))
    except FileNotFoundError:
        raise CorpusError(
            f"the folder is not there on {os.uname().nodename}, or the build has ended",
            path=spec.work,
            remedy="Build into a folder that all nodes share",
        ) from None
    output = _Output(spec, work)
    try:
        for row in spec.manifest.rows:
            _check_parent()
            output.add(row)
        _check_parent()
        return output.commit()
    finally:
        output.close()
        shutil.rmtree(work, ignore_errors=True)


def _check_parent() -> None:
    if is_orphaned():
        raise _OrphanedError("the build was stopped")


class _Output:
    """The files of one task while they are written."""

    def __init__(self, spec: TaskSpec, work: Path) -> None:
        self._spec = spec
        self._work = work
        self._writers: dict[str, ShardWriter] = {}
        self._index: list[_IndexPart] = []
        self._records: list[_RecordEntry] = []

    def add(self, row: ManifestRow) -> None:
        """Cut, judge and store one record; whatever is wrong with it goes into its row."""
        entry = _RecordEntry(row)
        self._records.append(entry)
        parts: list[_Part] = []
        try:
            record = open_raw(self._spec.manifest, row, self._spec.options.leads)
            entry.sampling_rate = record.sampling_rate
            entry.leads = ",".join(record.leads)
            entry.duration_s = record.samples / record.sampling_rate
            for part in self._segments(record, row, entry):
                parts.append(part)
        except EcgFoundryError as error:
            entry.error, entry.problem = error.code, error.problem[:500]
        except OSError as error:
            entry.error = "file-access"
            entry.problem = (error.strerror or "unreadable")[:500]
        failed = entry.error is not None
        entry.status = (
            ("partial" if failed else "used") if entry.kept else "failed" if failed else "empty"
        )
        if parts:
            inverted = np.concatenate([part.figures["inverted"] for part in parts])
            share = float(inverted.mean())
            entry.inverted_share = share
            self._index += [
                _IndexPart(len(part.starts), part.columns(inverted=share > MOSTLY_INVERTED))
                for part in parts
            ]

    def _segments(
        self, record: RawRecord, row: ManifestRow, entry: _RecordEntry
    ) -> Iterator[_Part]:
        options = self._spec.options
        length = round(options.segment_s * record.sampling_rate)
        bounds = window_bounds(record.samples, record.sampling_rate, options.segment_s, tail="drop")
        if record.samples < length:
            entry.windows = entry.lost["short"] = len(bounds)
            return
        entry.windows = len(bounds)
        starts = np.array([start for start, _ in bounds], dtype=np.int64)
        for first in range(0, len(starts), BLOCK_WINDOWS):
            block = starts[first : first + BLOCK_WINDOWS]
            windows, clipped = _read_block(record, block, length)
            entry.clipped_samples += clipped
            figures = measure_windows(
                windows,
                gain=record.gain,
                baseline=record.baseline,
                sampling_rate=record.sampling_rate,
                leads=record.leads,
            )
            reasons = options.gate.reasons(figures)
            if options.gate.only_ecg:
                asked = np.flatnonzero(reasons == "")
                found = are_ecg(
                    windows[asked],
                    gain=record.gain,
                    baseline=record.baseline,
                    sampling_rate=record.sampling_rate,
                    leads=record.leads,
                )
                reasons[asked[~found]] = NOT_AN_ECG
            for reason in REASONS[1:]:
                entry.lost[reason] += int(np.count_nonzero(reasons == reason))
            kept = np.flatnonzero(reasons == "")
            if len(kept):
                entry.kept += len(kept)
                chosen = windows if len(kept) == len(windows) else windows[kept]
                yield self._store(record, row, block[kept], chosen, figures, kept)

    def _store(
        self,
        record: RawRecord,
        row: ManifestRow,
        starts: NDArray[np.int64],
        windows: NDArray[np.int16],
        figures: WindowFigures,
        kept: NDArray[np.int64],
    ) -> _Part:
        group = group_name(record.sampling_rate, record.leads, windows.shape[2])
        writer = self._writers.get(group)
        if writer is None:
            writer = ShardWriter(self._work / f"{group}.npy", *windows.shape[1:])
            self._writers[group] = writer
        first, checksums = writer.append(windows)
        return _Part(
            record=record,
            row=row,
            shard=f"{layout.SHARDS}/{group}/{layout.task_name(self._spec.number)}.npy",
            places=np.arange(first, first + len(starts), dtype=np.uint32),
            starts=starts,
            length=windows.shape[2],
            crc32=checksums,
            figures={name: getattr(figures, name)[kept] for name in FIGURES},
        )

    def commit(self) -> layout.Commit:
        """Put everything into place; the commit is the last file."""
        root, name = self._spec.root, layout.task_name(self._spec.number)
        files: dict[str, layout.FileEntry] = {}
        for group, writer in sorted(self._writers.items()):
            size = writer.finish()
            target = root / layout.SHARDS / group / f"{name}.npy"
            target.parent.mkdir(parents=True, exist_ok=True)
            writer.path.replace(target)
            files[f"{layout.SHARDS}/{group}/{name}.npy"] = {"bytes": size}
        tables = {
            layout.INDEX: _index_table(self._index),
            layout.RECORDS: _record_table(self._records, self._spec.target_names),
        }
        for folder, table in tables.items():
            files[f"{folder}/{name}.parquet"] = self._publish_table(folder, name, table)
        totals: Counter[str] = Counter(dict.fromkeys((*COUNTS, *REASONS), 0))
        for entry in self._records:
            totals.update(entry.counts())
        commit: layout.Commit = {
            "task": self._spec.number,
            "files": files,
            "records": dict(Counter(entry.status for entry in self._records)),
            "totals": dict(totals),
        }
        target = root / layout.COMMITS / f"{name}.json"
        layout.publish(layout.json_bytes(commit), target, self._work)
        return commit

    def _publish_table(self, folder: str, name: str, table: pl.DataFrame) -> layout.FileEntry:
        temporary = self._work / f"{folder}.parquet"
        with temporary.open("wb") as stream:
            table.write_parquet(stream, compression="zstd", statistics=True)
            stream.flush()
            os.fsync(stream.fileno())
        entry: layout.FileEntry = {
            "bytes": temporary.stat().st_size,
            "sha256": sha256_of(temporary),
        }
        target = self._spec.root / folder / f"{name}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
        return entry

    def close(self) -> None:
        """Close what is still open."""
        for writer in self._writers.values():
            writer.close()


def _read_block(
    record: RawRecord, starts: NDArray[np.int64], length: int
) -> tuple[NDArray[np.int16], int]:
    """Return int16 (windows, leads, length); one read where the windows follow each other."""
    first, last = int(starts[0]), int(starts[-1]) + length
    stored, clipped = record.read(first, last)
    width = len(record.leads)
    if last - first == length * len(starts):
        table = stored.reshape(width, len(starts), length)
        return np.ascontiguousarray(table.transpose(1, 0, 2)), clipped
    cut = [stored[:, start - first : start - first + length] for start in starts]
    return np.ascontiguousarray(np.stack(cut)), clipped


def _start_times(record: RawRecord, starts: NDArray[np.int64]) -> NDArray[np.datetime64] | None:
    if record.start_time is None:
        return None
    begin = np.datetime64(record.start_time.replace(tzinfo=None), "us")
    offset = np.rint(starts * (1e6 / record.sampling_rate)).astype("timedelta64[us]")
    result: NDArray[np.datetime64] = begin + offset
    return result


def _record_table(entries: Sequence[_RecordEntry], target_names: tuple[str, ...]) -> pl.DataFrame:
    pl = require_polars("building a corpus")
    text = "record path patient visit split sex site device status error problem leads".split()
    counts = (*COUNTS, *REASONS)
    schema = {
        name: pl.String if name in text else pl.Int64 if name in counts else pl.Float64
        for name in _RecordEntry(ManifestRow("", "")).cells(target_names)
    }
    rows = [entry.cells(target_names) for entry in entries]
    return pl.DataFrame(rows, schema=schema, orient="row")


_INDEX_COLUMNS: Mapping[str, str] = {
    "shard": "String",
    "row": "UInt32",
    "record": "String",
    "patient": "String",
    "visit": "String",
    "split": "String",
    "age": "Float64",
    "sex": "String",
    "start_s": "Float64",
    "start_time": "Datetime",
    "sampling_rate": "Float64",
    "leads": "String",
    "length": "UInt32",
    "gain": "Float64",
    "baseline": "Int32",
    "crc32": "UInt32",
    **dict.fromkeys(FIGURES[:7], "Float32"),
    "readable_leads": "Int16",
    "inverted": "Boolean",
    "record_inverted": "Boolean",
}


def _index_table(parts: Sequence[_IndexPart]) -> pl.DataFrame:
    """Put the parts of all records together; constant values are repeated per part."""
    pl = require_polars("building a corpus")
    counts = np.array([part.count for part in parts], dtype=np.int64)
    columns: dict[str, object] = {}
    for name, kind in _INDEX_COLUMNS.items():
        dtype = pl.Datetime("us") if kind == "Datetime" else getattr(pl, kind)
        values: list[Any] = [part.columns[name] for part in parts]
        if name == "start_time":
            values = [
                np.full(n, np.datetime64("NaT"), "datetime64[us]") if v is None else v
                for v, n in zip(values, counts, strict=True)
            ]
        if values and isinstance(values[0], np.ndarray):
            columns[name] = pl.Series(name, np.concatenate(values)).cast(dtype)
        else:
            places = np.repeat(np.arange(len(values)), counts)
            columns[name] = pl.Series(name, values, dtype=dtype).gather(places)
    table = pl.DataFrame(columns)
    start_us = (pl.col("start_s") * 1e6).round().cast(pl.Int64)
    return table.select(pl.format("{}@{}", "record", start_us).alias("segment"), pl.all())
