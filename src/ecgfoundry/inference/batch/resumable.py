"""A table of many recordings, made in parts: on any engine, resumable, stopped by no single file.

The recordings are cut into chunks; each is a task that writes one part beside the output, whole or
not at all. A run that was cut off goes on with the parts that are missing, and the finished table
does not tell who made which.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgfoundry.engines import Engine, process_pool
from ecgfoundry.errors import EngineError, FileAccessError, ManifestError, MissingExtraError
from ecgfoundry.inference.batch.inputs import Recordings, identity_of, part_of
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.runtimes.base import choose_runtime
from ecgfoundry.inference.runtimes.hardware import usable_cores
from ecgfoundry.models.bundle import Bundle, find_bundle, load_bundle

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "CHUNK",
    "BatchProgress",
    "BatchSummary",
    "PartJob",
    "PartResult",
    "bundle_digest",
    "predictor_of",
    "run_in_parts",
    "write_part",
]

CHUNK = 32
"""Recordings per call of the network (our choice: larger batches gain nothing), and per part."""
MOST_PARTS = 10_000
"""Of a run; beyond ``CHUNK`` times as many recordings the parts grow (our choice)."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a run is. ``rate`` is in recordings/s of this run, ``eta_s`` seconds (None: unknown);
    ``resumed`` recordings were done by an earlier run.
    """

    done: int
    failed: int
    total: int
    resumed: int
    rate: float
    eta_s: float | None


@dataclass(frozen=True)
class BatchSummary:
    """What a run has written. ``failures`` are (record, message) of the recordings without an
    answer, those of an earlier run included.
    """

    output: Path
    records: int
    resumed: int
    seconds: float
    runtime: str
    failures: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True)
class PartJob:
    """One task.

    Attributes
    ----------
    recordings : Manifest or CorpusSegments
        Of this part alone.
    part : Path
        The file to write.
    targets : tuple of str
        Of the whole manifest, so that every part has the same columns.
    windows : bool
        One row per window instead of one per recording.
    model : Path
        Bundle folder.
    model_digest : str
        Of its files, so that a worker that lives longer never answers with an older model.
    runtime : str
    threads : int or None
        Within one call of the network.
    """

    recordings: Recordings
    part: Path
    targets: tuple[str, ...]
    windows: bool
    model: Path
    model_digest: str
    runtime: str
    threads: int | None = 1


@dataclass(frozen=True)
class _Jobs(Sequence[PartJob]):
    """The missing parts of a run; what each needs is cut out when it is asked for."""

    recordings: Recordings
    chunk: int
    missing: Sequence[tuple[int, Path]]  # (first recording, part)
    common: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.missing)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[k] for k in range(*number.indices(len(self)))]
        start, part = self.missing[number]
        recordings = part_of(self.recordings, start, start + self.chunk)
        return PartJob(recordings=recordings, part=part, **self.common)


@dataclass(frozen=True)
class PartResult:
    """What a task says: recordings, and (record, reason) of those without an answer."""

    records: int
    failures: tuple[tuple[str, str], ...]


def predictor_of(job: PartJob) -> Predictor:
    """Return the loaded model of a task; a process loads it once."""
    return _loaded(str(job.model), job.model_digest, job.runtime, job.threads)


@functools.lru_cache(maxsize=1)
def _loaded(folder: str, digest: str, runtime: str, threads: int | None) -> Predictor:
    predictor = load_model(folder, runtime=runtime, threads=threads)
    if bundle_digest(predictor.bundle) != digest:
        raise EngineError(
            "the model is not the one that the run was started with",
            path=folder,
            remedy="Give all nodes the same bundle, and do not change it during a run",
        )
    return predictor


def bundle_digest(bundle: Bundle) -> str:
    """Return a SHA-256 of a bundle's name, version and files."""
    text = json.dumps([bundle.name, bundle.version, dict(bundle.document["files"])], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_part(table: pl.DataFrame, part: Path) -> None:
    """Write a part under a name that no other attempt has, and rename it into place.

    Raises
    ------
    FileAccessError
    """
    temporary = part.with_name(f".{part.name}.{uuid.uuid4().hex}")
    try:
        table.write_parquet(temporary)
        temporary.replace(part)
    except OSError as error:
        raise FileAccessError(
            f"cannot be written on {os.uname().nodename} ({error.strerror or error})",
            path=part,
            remedy="The folder must be there, and be shared by all nodes of a cluster",
        ) from None


def run_in_parts(
    function: Callable[[PartJob], PartResult],
    finish: Callable[[pl.LazyFrame], pl.LazyFrame],
    recordings: Recordings,
    model: str | Path,
    output: str | Path,
    *,
    kind: str,
    runtime: str = "auto",
    workers: int | None = None,
    engine: Engine | None = None,
    threads: int | None = None,
    windows: bool = False,
    chunk: int | None = None,
    progress: Callable[[BatchProgress], None] | None = None,
) -> tuple[BatchSummary, pl.DataFrame]:
    """Make a table of many recordings in parts.

    Parameters
    ----------
    function : callable (PartJob) -> PartResult
        Writes one part, with the columns ``record`` and ``failure`` (null: none) among its own;
        one of a module, so that another process can import it.
    finish : callable (LazyFrame) -> LazyFrame
        All parts in order, to the table that is written.
    recordings, model, output, runtime, workers, windows, chunk, progress
        As in :func:`ecgfoundry.inference.batch.infer.infer_batch`.
    kind : str
        What is made; parts of another kind are never continued.
    engine : Engine, optional
        Who runs the tasks; by default a pool of ``workers`` processes.
    threads : int, optional
        Within one call of the network, where this process does everything; a worker has one.

    Returns
    -------
    BatchSummary
    DataFrame
        ``record`` and ``failure`` of everything that has one.

    Raises
    ------
    ManifestError
        There are no rows, or ``OUTPUT.parts`` belongs to another run.
    MissingExtraError
        polars is not installed.
    EngineError
        The engine lost its processes or machines; the same call again goes on.
    FileAccessError
        The output cannot be written.
    """
    _require_polars()
    output = Path(output)
    count = len(recordings)
    if count == 0:
        raise ManifestError("there are no recordings", path=recordings.folder)
    chunk = chunk or max(CHUNK, -(-count // MOST_PARTS))
    bundle = load_bundle(find_bundle(model))
    runtime = choose_runtime(bundle, runtime)
    parts = output.absolute().with_name(f"{output.name}.parts")
    wanted = {"kind": kind, "runtime": runtime, "windows": windows, "chunk": chunk}
    _prepare_parts(parts, _fingerprint(recordings, bundle, wanted))
    starts = range(0, count, chunk)
    files = [parts / f"part-{number:06d}.parquet" for number in range(len(starts))]
    alone = engine is None and (workers or usable_cores()) == 1
    jobs = _Jobs(
        recordings,
        chunk,
        [(start, file) for start, file in zip(starts, files, strict=True) if not file.exists()],
        {
            "targets": recordings.target_names,
            "windows": windows,
            "model": bundle.folder.absolute(),
            "model_digest": bundle_digest(bundle),
            "runtime": runtime,
            "threads": threads if alone else 1,
        },
    )
    resumed = count - sum(min(chunk, count - start) for start, _ in jobs.missing)
    started = time.monotonic()
    state = _State(count, resumed, started, progress)
    run = engine or process_pool(workers or usable_cores())
    for result in run(function, jobs):
        state.add(result)
    if missing := [file.name for file in files if not file.exists()]:
        raise EngineError(
            f"{len(missing)} parts were written, and are not here ({missing[0]})",
            path=parts,
            remedy="Write to a folder that all nodes share",
        )
    failed = _finish(files, parts, output, finish)
    failures = tuple(dict(failed.iter_rows()).items())
    seconds = time.monotonic() - started
    return BatchSummary(output, count, resumed, seconds, runtime, failures), failed


def _require_polars() -> Any:
    try:
        import polars
    except ImportError:
        raise MissingExtraError.for_extra("writing Parquet", "data") from None
    return polars


@dataclass
class _State:
    total: int
    resumed: int
    started: float
    progress: Callable[[BatchProgress], None] | None
    done: int = 0
    failed: int = 0

    def add(self, result: PartResult) -> None:
        self.done += result.records
        self.failed += len(result.failures)
        if self.progress is None:
            return
        rate = self.done / max(time.monotonic() - self.started, 1e-9)
        left = self.total - self.resumed - self.done
        self.progress(
            BatchProgress(
                self.resumed + self.done, self.failed, self.total, self.resumed, rate, left / rate
            )
        )


def _fingerprint(recordings: Recordings, bundle: Bundle, wanted: Mapping[str, Any]) -> str:
    document = {
        **wanted,
        "model": [bundle.name, bundle.version, dict(bundle.document["files"])],
        **identity_of(recordings),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _prepare_parts(parts: Path, fingerprint: str) -> None:
    note = parts / "run.json"
    try:
        parts.mkdir(parents=True, exist_ok=True)
        if note.exists():
            if json.loads(note.read_text(encoding="utf-8")).get("fingerprint") == fingerprint:
                return
            raise ManifestError(
                "holds the parts of another run (other recordings, model or settings)",
                path=parts,
                remedy="Delete this folder to start anew, or choose another output",
            )
        temporary = note.with_name(".run.json.part")
        temporary.write_text(json.dumps({"fingerprint": fingerprint}), encoding="utf-8")
        temporary.replace(note)
    except OSError as error:
        raise FileAccessError(f"cannot be written: {error.strerror}", path=parts) from None


def _finish(
    files: list[Path], parts: Path, output: Path, finish: Callable[[pl.LazyFrame], pl.LazyFrame]
) -> pl.DataFrame:
    polars = _require_polars()
    table = polars.scan_parquet(files)
    temporary = output.with_name(f".{output.name}.part")
    try:
        finish(table).sink_parquet(temporary)
        temporary.replace(output)
    except OSError as error:
        raise FileAccessError(f"cannot be written: {error.strerror}", path=output) from None
    has_failed = polars.col("failure").is_not_null()
    failing = table.filter(has_failed).select("record", "failure").collect()
    failed: pl.DataFrame = failing.unique("record", keep="first", maintain_order=True)
    shutil.rmtree(parts)
    return failed
