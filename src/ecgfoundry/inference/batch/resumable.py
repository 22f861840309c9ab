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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgfoundry._version import __version__
from ecgfoundry.engines import Engine, process_pool
from ecgfoundry.errors import DiskFullError, EngineError, FileAccessError, ManifestError
from ecgfoundry.extras import require_polars
from ecgfoundry.inference.batch.inputs import Recordings, contents_of, identity_of, part_of
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.runtimes.base import choose_runtime
from ecgfoundry.inference.runtimes.hardware import usable_cores
from ecgfoundry.io import (
    make_folder,
    read_json,
    sha256_of,
    table_suffix,
    write_atomically,
    write_frame,
    write_json,
)
from ecgfoundry.locks import only_writer
from ecgfoundry.models.bundle import Bundle, find_bundle, load_bundle

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "CHUNK",
    "BatchOptions",
    "BatchProgress",
    "BatchSummary",
    "PartJob",
    "PartResult",
    "PartWork",
    "bundle_digest",
    "note_of",
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
    answer, those of an earlier run included. ``finished_before``: an earlier call has written the
    table, of the same recordings by the same model, and nothing was computed.
    """

    output: Path
    records: int
    resumed: int
    seconds: float
    runtime: str
    failures: tuple[tuple[str, str], ...] = field(default=())
    finished_before: bool = False


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
    like: PartJob

    def __len__(self) -> int:
        return len(self.missing)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[k] for k in range(*number.indices(len(self)))]
        start, part = self.missing[number]
        recordings = part_of(self.recordings, start, start + self.chunk)
        return replace(self.like, recordings=recordings, part=part)


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
    text = json.dumps([bundle.name, bundle.version, dict(bundle.about.files)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_part(table: pl.DataFrame, part: Path) -> None:
    """Write a part under a name that no other attempt has, and rename it into place.

    Raises
    ------
    FileAccessError
    """
    try:
        with write_atomically(part) as temporary:
            table.write_parquet(temporary)
    except DiskFullError:
        raise
    except FileAccessError as error:
        raise FileAccessError(
            f"{error.problem} (on {os.uname().nodename})",
            path=part,
            remedy="The folder must be there, and be shared by all nodes of a cluster",
        ) from None


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How a table of many recordings is made; the table is the same for all engines.

    Attributes
    ----------
    runtime : str
        See :func:`ecgfoundry.load_model`.
    workers : int or None
        Processes; None: one per core.
    engine : Engine or None
        Who runs the tasks (:mod:`ecgfoundry.engines`) instead of a pool of ``workers``.
    threads : int or None
        Within one call of the network, where this process does everything; a worker has one.
    windows : bool
        One row per window instead of one per recording.
    chunk : int or None
        Recordings per part; None: :data:`CHUNK`, or more where there would be too many parts.
    progress : callable (BatchProgress), or None
        Called after every part.
    """

    runtime: str = "auto"
    workers: int | None = None
    engine: Engine | None = None
    threads: int | None = None
    windows: bool = False
    chunk: int | None = None
    progress: Callable[[BatchProgress], None] | None = None


@dataclass(frozen=True)
class PartWork:
    """What is made of many recordings.

    Attributes
    ----------
    kind : str
        Parts of another kind are never continued.
    write : callable (PartJob) -> PartResult
        Writes one part, with the columns ``record`` and ``failure`` (null: none) among its own;
        a function of a module, so that another process can import it.
    finish : callable (LazyFrame) -> LazyFrame
        All parts in order, to the table that is written.
    """

    kind: str
    write: Callable[[PartJob], PartResult]
    finish: Callable[[pl.LazyFrame], pl.LazyFrame]


def run_in_parts(
    work: PartWork,
    recordings: Recordings,
    model: str | Path,
    output: str | Path,
    options: BatchOptions | None = None,
) -> BatchSummary:
    """Make a table of many recordings in parts.

    Parameters
    ----------
    work : PartWork
    recordings, model, output
        As in :func:`ecgfoundry.inference.batch.infer.infer_batch`.
    options : BatchOptions, optional

    Returns
    -------
    BatchSummary

    Raises
    ------
    ManifestError
        There are no rows, or ``OUTPUT.parts`` belongs to another run.
    TableError
        The suffix of the output is neither .csv nor .parquet.
    MissingExtraError
        polars is not installed.
    EngineError
        The engine lost its processes or machines; the same call again goes on.
    OutputInUseError
        Another process writes this output now.
    FileAccessError
        The output cannot be written.
    """
    options = options or BatchOptions()
    require_polars("writing a table of many recordings")
    output = Path(output)
    table_suffix(output)
    if len(recordings) == 0:
        raise ManifestError("there are no recordings", path=recordings.folder)
    make_folder(output.absolute().parent)
    with only_writer(output, output.with_name(f".{output.name}.lock")):
        return _run_in_parts(work, recordings, model, output, options)


def _run_in_parts(
    work: PartWork, recordings: Recordings, model: str | Path, output: Path, options: BatchOptions
) -> BatchSummary:
    count = len(recordings)
    chunk = options.chunk or max(CHUNK, -(-count // MOST_PARTS))
    bundle = load_bundle(find_bundle(model))
    runtime = choose_runtime(bundle, options.runtime)
    parts = output.absolute().with_name(f"{output.name}.parts")
    wanted = {
        "kind": work.kind, "runtime": runtime, "windows": options.windows, "chunk": chunk,
    }  # fmt: skip
    files_digest = contents_of(recordings)
    fingerprint = _fingerprint(recordings, bundle, {**wanted, "files": files_digest})
    if (before := _finished(output, fingerprint, files_digest)) is not None:
        return BatchSummary(output, count, count, 0.0, runtime, before, finished_before=True)
    _prepare_parts(parts, fingerprint)
    starts = range(0, count, chunk)
    files = [parts / f"part-{number:06d}.parquet" for number in range(len(starts))]
    workers = options.workers or usable_cores()
    alone = options.engine is None and workers == 1
    jobs = _Jobs(
        recordings,
        chunk,
        [(start, file) for start, file in zip(starts, files, strict=True) if not file.exists()],
        PartJob(
            recordings=recordings,
            part=parts,
            targets=recordings.target_names,
            windows=options.windows,
            model=bundle.folder.absolute(),
            model_digest=bundle_digest(bundle),
            runtime=runtime,
            threads=options.threads if alone else 1,
        ),
    )
    resumed = count - sum(min(chunk, count - start) for start, _ in jobs.missing)
    started = time.monotonic()
    state = _State(count, resumed, started, options.progress)
    run = options.engine or process_pool(workers)
    for result in run(work.write, jobs):
        state.add(result)
    if missing := [file.name for file in files if not file.exists()]:
        raise EngineError(
            f"{len(missing)} parts were written, and are not here ({missing[0]})",
            path=parts,
            remedy="Write to a folder that all nodes share",
        )
    failures = _finish(files, parts, output, work.finish)
    document = {
        "fingerprint": fingerprint,
        "files": files_digest,
        "sha256": sha256_of(output),
        "failures": [list(failure) for failure in failures],
    }
    write_json(note_of(output), document)
    seconds = time.monotonic() - started
    return BatchSummary(output, count, resumed, seconds, runtime, failures)


def note_of(output: Path) -> Path:
    """Return the hidden file beside a finished table that says what it was made from."""
    return output.with_name(f".{output.name}.run.json")


def _finished(
    output: Path, fingerprint: str, files_digest: str
) -> tuple[tuple[str, str], ...] | None:
    """Return the failures of a finished table of just this run; None if there is none."""
    note = note_of(output)
    if not note.is_file() or not output.is_file():
        return None
    document = read_json(note)
    if (document["fingerprint"], document["files"]) != (fingerprint, files_digest):
        return None
    if document["sha256"] != sha256_of(output):
        return None
    return tuple((record, reason) for record, reason in document["failures"])


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


def _fingerprint(recordings: Recordings, bundle: Bundle, wanted: Mapping[str, object]) -> str:
    document = {
        **wanted,
        "version": __version__,
        "model": [bundle.name, bundle.version, dict(bundle.about.files)],
        **identity_of(recordings),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _prepare_parts(parts: Path, fingerprint: str) -> None:
    note = parts / "run.json"
    make_folder(parts)
    if not note.exists():
        write_json(note, {"fingerprint": fingerprint})
    elif read_json(note).get("fingerprint") != fingerprint:
        raise ManifestError(
            "holds the parts of another run (other recordings, changed files, another model, "
            "version or settings)",
            path=parts,
            remedy="Delete this folder to start anew, or choose another output",
        )


def _finish(
    files: list[Path], parts: Path, output: Path, finish: Callable[[pl.LazyFrame], pl.LazyFrame]
) -> tuple[tuple[str, str], ...]:
    """Write the table, and return (record, reason) of everything without an answer."""
    import polars

    table = polars.scan_parquet(files)
    write_frame(output, finish(table))
    has_failed = polars.col("failure").is_not_null()
    failing = table.filter(has_failed).select("record", "failure").collect()
    failures = tuple(
        dict(failing.unique("record", keep="first", maintain_order=True).iter_rows()).items()
    )
    shutil.rmtree(parts)
    return failures
