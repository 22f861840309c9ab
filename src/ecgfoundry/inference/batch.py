"""Many recordings to one table: parallel over recordings, resumable, and never stopped by one file.

Each worker process does the whole way (read, judge, standardize, network) for a chunk of
recordings, with one thread in the network: threads that compete for cores cost several times what
they bring, and nothing but names and results passes between processes. Finished chunks are kept as
parts beside the output, so a run that was cut off goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ecgfoundry.errors import EcgFoundryError, FileAccessError, ManifestError, MissingExtraError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.inference.files import FileSource, expand_paths
from ecgfoundry.inference.hardware import usable_cores
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.predictor import Predictor, SourceTask, load_model
from ecgfoundry.inference.runtimes import choose_runtime
from ecgfoundry.inference.windows import RecordingSource
from ecgfoundry.manifest import Manifest, ManifestRow, read_manifest
from ecgfoundry.models.bundle import Bundle, find_bundle, load_bundle

__all__ = ["BatchProgress", "BatchSummary", "as_manifest", "infer_batch", "interpret_rows"]

CHUNK = 32
"""Recordings per part and per call of the network (our choice: larger batches gain nothing)."""


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


def as_manifest(arguments: Sequence[str | Path]) -> Manifest:
    """Turn manifests (CSV), folders, patterns and files into one table of recordings.

    Parameters
    ----------
    arguments : sequence of str or Path
        A single ``.csv`` file whose header is a manifest's is read as one; everything else stands
        for recordings, named by their paths.

    Raises
    ------
    ManifestError, FileAccessError
    """
    if len(arguments) == 1 and _looks_like_manifest(Path(arguments[0])):
        return read_manifest(arguments[0])
    folder = Path.cwd()
    rows = tuple(
        ManifestRow(record=str(path), path=str(path.resolve())) for path in expand_paths(arguments)
    )
    return Manifest(rows, folder)


def _looks_like_manifest(path: Path) -> bool:
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        names = {name.strip().strip('"') for name in stream.readline(100_000).split(",")}
    return {"record", "path"} <= names


def interpret_rows(
    predictor: Predictor, manifest: Manifest, rows: Sequence[ManifestRow]
) -> list[Interpretation | EcgFoundryError]:
    """Answer for some rows of a manifest, with as few calls of the network as possible.

    Returns
    -------
    list of Interpretation or EcgFoundryError
        In the order of the rows; an error stands for a recording that could not be read.
    """
    results: list[Interpretation | EcgFoundryError | None] = []
    tasks: list[SourceTask] = []
    for row in rows:
        try:
            tasks.append(_task(manifest, row))
            results.append(None)
        except EcgFoundryError as error:
            results.append(error)
        except OSError as error:
            results.append(FileAccessError(f"cannot be read: {error.strerror}", path=row.path))
    try:
        answers: Iterator[Interpretation | EcgFoundryError] = iter(predictor.interpret_many(tasks))
    except (EcgFoundryError, OSError):
        # One of them fails on the way; each alone, so that the others keep their answers.
        answers = iter([_alone(predictor, task) for task in tasks])
    return [next(answers) if result is None else result for result in results]


def _task(manifest: Manifest, row: ManifestRow) -> SourceTask:
    if row.index is None and row.start_s is None and row.duration_s is None:
        path = Path(row.path)
        source = FileSource(path if path.is_absolute() else manifest.folder / path, ReadOptions())
        return SourceTask(source, source.head, file=row.path)
    recording = manifest.open(row)
    return SourceTask(RecordingSource(recording), recording, file=row.path)


def _alone(predictor: Predictor, task: SourceTask) -> Interpretation | EcgFoundryError:
    try:
        return predictor.interpret_many([task])[0]
    except EcgFoundryError as error:
        return error
    except OSError as error:
        return FileAccessError(f"cannot be read: {error.strerror}", path=task.file)


# --- rows of the table -------------------------------------------------------------------------


def _table_rows(
    row: ManifestRow, answer: Interpretation | EcgFoundryError, bundle: Bundle, *, windows: bool
) -> list[dict[str, Any]]:
    common: dict[str, Any] = {"record": row.record, "path": row.path}
    names = bundle.vocabulary.names
    if isinstance(answer, EcgFoundryError):
        empty = dict.fromkeys(f"{kind}:{name}" for kind in _kinds(bundle) for name in names)
        failed = {"status": "failed", "code": answer.code, "message": str(answer)}
        return [{**_blank(windows), **common, **failed, **empty}]
    status: dict[str, Any] = {"status": "ok", "code": None, "message": None}
    if answer.refused is not None:
        refused = answer.refused
        status = {"status": "refused", "code": refused.code, "message": refused.message}
    common |= status | {
        "verdict": answer.verdict,
        "warnings": ";".join(notice.code for notice in answer.warnings),
        "leads": " ".join(answer.leads_used),
        "duration_s": answer.duration_s,
        "windows": len(answer.windows),
        "runtime": answer.runtime,
    }
    if not windows:
        findings = {finding.name: finding for finding in answer.findings}
        for kind in _kinds(bundle):
            for name in names:
                finding = findings.get(name)
                common[f"{kind}:{name}"] = None if finding is None else getattr(finding, kind)
        return [common]
    rows = []
    for number, window in enumerate(answer.windows):
        cells = dict(common) | {"window": number, "start_s": window.start_s}
        if window.refused is not None:
            cells |= {"status": "refused", "code": window.refused.code}
            cells["message"] = window.refused.message
        found = {
            "probability": window.probabilities or {},
            "present": None if window.present is None else set(window.present),
            "value": window.values or {},
        }
        for kind in _kinds(bundle):
            for name in names:
                known = found.get(kind)
                if kind == "present":
                    cells[f"{kind}:{name}"] = None if known is None else name in known
                else:
                    cells[f"{kind}:{name}"] = known.get(name) if isinstance(known, dict) else None
        rows.append(cells)
    return rows or [{**_blank(windows), **common}]


def _kinds(bundle: Bundle) -> tuple[str, ...]:
    """Columns of each target. Burden: share of the time, for recordings of more than a minute."""
    if bundle.document["target_kind"] == "regression":
        return ("value", "low", "high")
    return ("probability", "present", "burden")


def _blank(windows: bool) -> dict[str, Any]:
    return dict.fromkeys(_schema_names(windows))


def _schema_names(windows: bool) -> tuple[str, ...]:
    names: tuple[str, ...] = ("record", "path", "status", "code", "message", "verdict")
    names += ("warnings", "leads", "duration_s", "windows", "runtime")
    return (*names, "window", "start_s") if windows else names


def _frame(rows: Sequence[dict[str, Any]], bundle: Bundle, *, windows: bool) -> Any:
    import polars

    kinds: dict[str, Any] = dict.fromkeys(_schema_names(windows), polars.String)
    kinds |= {"duration_s": polars.Float64, "windows": polars.Int32}
    if windows:
        kinds |= {"window": polars.Int32, "start_s": polars.Float64}
    for kind in _kinds(bundle):
        for name in bundle.vocabulary.names:
            boolean = kind == "present"
            kinds[f"{kind}:{name}"] = polars.Boolean if boolean else polars.Float32
    return polars.DataFrame(list(rows), schema=kinds, orient="row")


# --- workers -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    manifest: Manifest  # of this chunk's rows alone
    part: Path
    windows: bool


_PREDICTOR: Predictor | None = None  # of a worker process, loaded once


def _start_worker(folder: str, runtime: str) -> None:
    global _PREDICTOR
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    _PREDICTOR = load_model(folder, runtime=runtime, threads=1)


def _run_job(job: _Job) -> tuple[int, list[tuple[str, str]]]:
    if _PREDICTOR is None:
        raise RuntimeError("the worker has not loaded a model")
    return _write_part(_PREDICTOR, job)


def _write_part(predictor: Predictor, job: _Job) -> tuple[int, list[tuple[str, str]]]:
    rows = job.manifest.rows
    answers = interpret_rows(predictor, job.manifest, rows)
    table: list[dict[str, Any]] = []
    failures = []
    for row, answer in zip(rows, answers, strict=True):
        table += _table_rows(row, answer, predictor.bundle, windows=job.windows)
        if isinstance(answer, EcgFoundryError):
            failures.append((row.record, str(answer)))
        elif answer.refused is not None:
            failures.append((row.record, f"refused: {answer.refused.message}"))
    temporary = job.part.with_name(f".{job.part.name}.{os.getpid()}.part")
    _frame(table, predictor.bundle, windows=job.windows).write_parquet(temporary)
    temporary.replace(job.part)
    return len(rows), failures


# --- the run -------------------------------------------------------------------------------------


def infer_batch(
    manifest: Manifest,
    model: str | Path,
    output: str | Path,
    *,
    runtime: str = "auto",
    workers: int | None = None,
    windows: bool = False,
    chunk: int = CHUNK,
    progress: Callable[[BatchProgress], None] | None = None,
) -> BatchSummary:
    """Interpret every recording of a manifest into one Parquet table.

    Parameters
    ----------
    manifest : Manifest
    model : str or Path
        A shipped or pulled name, or a bundle folder.
    output : str or Path
        The ``.parquet`` file. While the run goes on, its parts are in ``OUTPUT.parts``; the same
        call again goes on with what is missing.
    runtime : str
        See :mod:`ecgfoundry.inference.runtimes`.
    workers : int, optional
        Processes; None: one per core that this process may use. 1 works in this process.
    windows : bool
        One row per window instead of one per recording.
    chunk : int
        Recordings per part.
    progress : callable (BatchProgress), optional
        Called after every part.

    Returns
    -------
    BatchSummary

    Raises
    ------
    ManifestError
        There are no rows, or ``OUTPUT.parts`` belongs to another run.
    MissingExtraError
        polars is not installed.
    FileAccessError
        The output cannot be written, or a worker died.
    """
    try:
        import polars
    except ImportError:
        raise MissingExtraError.for_extra("writing Parquet", "data") from None
    output = Path(output)
    if not manifest.rows:
        raise ManifestError("there are no recordings", path=manifest.folder)
    bundle = load_bundle(find_bundle(model))
    runtime = choose_runtime(bundle, runtime)
    parts = output.with_name(f"{output.name}.parts")
    _prepare_parts(parts, _fingerprint(manifest, bundle, runtime, windows=windows, chunk=chunk))
    jobs = []
    resumed = 0
    for number, start in enumerate(range(0, len(manifest), chunk)):
        rows = manifest.rows[start : start + chunk]
        part = parts / f"part-{number:06d}.parquet"
        if part.exists():
            resumed += len(rows)
        else:
            jobs.append(_Job(Manifest(rows, manifest.folder), part, windows))
    started = time.monotonic()
    state = _State(len(manifest), resumed, started, progress)
    workers = min(workers or usable_cores(), max(1, len(jobs)))
    if jobs and workers == 1:
        predictor = load_model(bundle.folder, runtime=runtime)
        for job in jobs:
            state.add(*_write_part(predictor, job))
    elif jobs:
        _run_pool(jobs, bundle, runtime, workers, state)
    failures = _finish(parts, output, polars)
    return BatchSummary(
        output, len(manifest), resumed, time.monotonic() - started, runtime, failures
    )


@dataclass
class _State:
    total: int
    resumed: int
    started: float
    progress: Callable[[BatchProgress], None] | None
    done: int = 0
    failed: int = 0

    def add(self, count: int, failures: Sequence[tuple[str, str]]) -> None:
        self.done += count
        self.failed += len(failures)
        if self.progress is None:
            return
        rate = self.done / max(time.monotonic() - self.started, 1e-9)
        left = self.total - self.resumed - self.done
        self.progress(
            BatchProgress(
                self.resumed + self.done, self.failed, self.total, self.resumed, rate, left / rate
            )
        )


def _run_pool(
    jobs: Sequence[_Job], bundle: Bundle, runtime: str, workers: int, state: _State
) -> None:
    # Spawned, not forked: the libraries of the runtimes do not survive a fork.
    context = get_context("spawn")
    arguments = (str(bundle.folder), runtime)
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=arguments
    ) as pool:
        waiting: set[Future[tuple[int, list[tuple[str, str]]]]] = set()
        queue = iter(jobs)
        try:
            while True:
                while len(waiting) < 2 * workers and (job := next(queue, None)) is not None:
                    waiting.add(pool.submit(_run_job, job))
                if not waiting:
                    return
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    state.add(*future.result())
        except BrokenProcessPool:
            raise FileAccessError(
                "a worker process died, most likely for want of memory",
                path=jobs[0].part.parent,
                remedy="Run the same command again: it goes on from here; with fewer --workers",
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fingerprint(
    manifest: Manifest, bundle: Bundle, runtime: str, *, windows: bool, chunk: int
) -> str:
    document = {
        "model": [bundle.name, bundle.version, dict(bundle.document["files"])],
        "runtime": runtime,
        "windows": windows,
        "chunk": chunk,
        "folder": str(manifest.folder.resolve()),
        "rows": [[r.record, r.path, r.index, r.start_s, r.duration_s] for r in manifest.rows],
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


def _finish(parts: Path, output: Path, polars: Any) -> tuple[tuple[str, str], ...]:
    files = sorted(parts.glob("part-*.parquet"))
    table = polars.scan_parquet(files)
    temporary = output.with_name(f".{output.name}.part")
    try:
        table.sink_parquet(temporary)
        temporary.replace(output)
    except OSError as error:
        raise FileAccessError(f"cannot be written: {error.strerror}", path=output) from None
    bad = (
        polars.scan_parquet(output)
        .filter(polars.col("status") != "ok")
        .select("record", "status", "message")
        .collect()
    )
    shutil.rmtree(parts)
    failures: dict[str, str] = {}
    for record, status, message in bad.iter_rows():
        failures.setdefault(record, f"refused: {message}" if status == "refused" else message)
    return tuple(failures.items())
