"""Many recordings to one table: parallel over recordings, resumable, and never stopped by one file.

Each worker does the whole way (read, judge, standardize, network) for a chunk of recordings, with
one thread in the network, and nothing but names and results passes between processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ecgfoundry.documents import Cells
from ecgfoundry.engines import Engine
from ecgfoundry.errors import EcgFoundryError, FileAccessError, TableError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.files import EcgFile, open_file
from ecgfoundry.inference.batch.inputs import (
    Recordings,
    corpus_segments,
    is_corpus,
    part_of,
)
from ecgfoundry.inference.batch.resumable import (
    CHUNK,
    BatchOptions,
    BatchProgress,
    BatchSummary,
    PartJob,
    PartResult,
    PartWork,
    predictor_of,
    run_in_parts,
    write_part,
)
from ecgfoundry.inference.files import expand_paths, window_source
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.predictor import Predictor, SourceTask
from ecgfoundry.io import TABLE_SUFFIXES, columns_of
from ecgfoundry.manifest import Manifest, ManifestRow, read_recordings
from ecgfoundry.manifest.reading import PATH_NAMES
from ecgfoundry.models.bundle import Bundle
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import Notice

__all__ = [
    "BatchProgress",
    "BatchSummary",
    "as_manifest",
    "as_recordings",
    "infer_batch",
    "interpret_rows",
    "is_table",
    "write_answers",
]


def as_manifest(
    arguments: Sequence[str | Path],
    *,
    say: Callable[[str], None] | None = None,
    stated: ReadOptions | None = None,
) -> Manifest:
    """Turn tables of recordings, folders, patterns and files into one table of recordings.

    Parameters
    ----------
    arguments : sequence of str or Path
        A single table with a column that names files is read as one
        (:func:`ecgfoundry.manifest.read_recordings`); everything else stands for recordings, named
        by their paths.
    say : callable (str), optional
        Told how many files of a folder are no recordings, and what was supposed in reading a table.
    stated : ReadOptions, optional
        What the files leave open.

    Raises
    ------
    ManifestError, TableError, FileAccessError
    """
    say = say or (lambda note: None)
    if len(arguments) == 1 and is_table(Path(arguments[0])):
        found = read_recordings(arguments[0], need_targets=False, stated=stated)
        for note in found.notes:
            say(note)
        return found.manifest
    folder = Path.cwd()
    paths = expand_paths(arguments, say=say)
    rows = tuple(ManifestRow(record=str(path), path=str(path.resolve())) for path in paths)
    return Manifest(rows, folder, stated or ReadOptions())


def as_recordings(
    arguments: Sequence[str | Path],
    *,
    say: Callable[[str], None] | None = None,
    stated: ReadOptions | None = None,
) -> Recordings:
    """Turn what a user names into recordings: as :func:`as_manifest`, or one corpus.

    Raises
    ------
    ManifestError, TableError, FileAccessError, CorpusError
    """
    if len(arguments) == 1 and is_corpus(arguments[0]):
        return corpus_segments(arguments[0])
    return as_manifest(arguments, say=say, stated=stated)


def is_table(path: Path) -> bool:
    """Whether this is a table of recordings and no recording: one of its columns names files."""
    if path.suffix.lower() not in TABLE_SUFFIXES or not path.is_file():
        return False
    try:
        names = {name.casefold() for name in columns_of(path)}
    except TableError:
        return False
    return bool(names & set(PATH_NAMES) - {"record"})


def interpret_rows(
    predictor: Predictor, recordings: Recordings, rows: Sequence[ManifestRow]
) -> list[Interpretation | EcgFoundryError]:
    """Answer for some recordings, with as few calls of the network as possible.

    Parameters
    ----------
    predictor : Predictor
    recordings : Manifest or CorpusSegments
    rows : sequence of ManifestRow
        Some of them.

    Returns
    -------
    list of Interpretation or EcgFoundryError
        In the order of the rows; an error stands for a recording that could not be read.
    """
    results: list[Interpretation | EcgFoundryError | None] = []
    tasks: list[SourceTask] = []
    for row in rows:
        try:
            tasks.append(_task(recordings, row))
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
    together = [next(answers) if result is None else result for result in results]
    for task in tasks:
        if isinstance(task.source, EcgFile):
            task.source.close()
    return together


def _task(recordings: Recordings, row: ManifestRow) -> SourceTask:
    whole = (
        row.index is None
        and row.standardized_as is None
        and row.start_s is None
        and row.duration_s is None
    )
    if whole and isinstance(recordings, Manifest):
        file = open_file(recordings.path_of(row), recordings.stated)
        try:
            source = window_source(file)
        except BaseException:
            file.close()
            raise
        if isinstance(source, Recording):
            file.close()
            return SourceTask(source, source, file=row.path)
        return SourceTask(source, file.info, file=row.path)
    recording = recordings.open_raw(row)
    return SourceTask(recording, recording, file=row.path)


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
) -> list[Cells]:
    common: Cells = {"record": row.record, "path": row.path}
    names = bundle.vocabulary.names
    if isinstance(answer, EcgFoundryError):
        empty = dict.fromkeys(f"{kind}:{name}" for kind in _kinds(bundle) for name in names)
        failed = {"status": "failed", "code": answer.code, "message": str(answer)}
        failed["failure"] = failed["message"]
        return [{**_blank(windows), **common, **failed, **empty}]
    status: Cells = {"status": "ok", "code": None, "message": None}
    if answer.refused is not None:
        refused = answer.refused
        status = _refusal(refused)
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
            cells |= _refusal(window.refused)
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


def _refusal(notice: Notice) -> Cells:
    return {
        "status": "refused",
        "code": notice.code,
        "message": notice.message,
        "failure": f"refused: {notice.message}",
    }


def _kinds(bundle: Bundle) -> tuple[str, ...]:
    """Columns of each target. Burden: share of the time, for recordings of more than a minute."""
    return bundle.task.finding_fields


def _blank(windows: bool) -> Cells:
    return dict.fromkeys(_schema_names(windows))


def _schema_names(windows: bool) -> tuple[str, ...]:
    names: tuple[str, ...] = ("record", "path", "status", "code", "message", "verdict")
    names += ("warnings", "leads", "duration_s", "windows", "runtime")
    return (*names, "window", "start_s") if windows else names


def _frame(rows: Sequence[Cells], bundle: Bundle, *, windows: bool) -> Any:
    import polars

    kinds: dict[str, Any] = dict.fromkeys(_schema_names(windows), polars.String)
    kinds |= {"duration_s": polars.Float64, "windows": polars.Int32}
    if windows:
        kinds |= {"window": polars.Int32, "start_s": polars.Float64}
    for kind in _kinds(bundle):
        for name in bundle.vocabulary.names:
            boolean = kind == "present"
            kinds[f"{kind}:{name}"] = polars.Boolean if boolean else polars.Float32
    kinds["failure"] = polars.String  # for the run alone; not in the finished table
    return polars.DataFrame(list(rows), schema=kinds, orient="row")


# --- the run -------------------------------------------------------------------------------------


def write_answers(job: PartJob) -> PartResult:
    """Interpret the recordings of one part."""
    predictor = predictor_of(job)
    table: list[Cells] = []
    failures = []
    for start in range(0, len(job.recordings), CHUNK):
        chunk = part_of(job.recordings, start, start + CHUNK)
        rows = chunk.rows
        for row, answer in zip(rows, interpret_rows(predictor, chunk, rows), strict=True):
            table += _table_rows(row, answer, predictor.bundle, windows=job.windows)
            if isinstance(answer, EcgFoundryError):
                failures.append((row.record, str(answer)))
            elif answer.refused is not None:
                failures.append((row.record, f"refused: {answer.refused.message}"))
    write_part(_frame(table, predictor.bundle, windows=job.windows), job.part)
    return PartResult(len(job.recordings), tuple(failures))


def infer_batch(
    recordings: Recordings,
    model: str | Path,
    output: str | Path,
    *,
    runtime: str = "auto",
    workers: int | None = None,
    engine: Engine | None = None,
    windows: bool = False,
    chunk: int | None = None,
    progress: Callable[[BatchProgress], None] | None = None,
) -> BatchSummary:
    """Interpret every recording of a manifest, or every segment of a corpus, into one table.

    Parameters
    ----------
    recordings : Manifest or CorpusSegments
        See :func:`as_recordings`.
    model : str or Path
        A shipped or pulled name, or a bundle folder.
    output : str or Path
        The ``.parquet`` or ``.csv`` file. While the run goes on, its parts are in
        ``OUTPUT.parts``; the same call again goes on with what is missing, and computes nothing
        where the table is finished and neither model nor recordings have changed.
    runtime : str
        See :mod:`ecgfoundry.inference.runtimes.base`.
    workers : int, optional
        Processes; None: one per core that this process may use. 1 works in this process.
    engine : Engine, optional
        Who runs the tasks (:mod:`ecgfoundry.engines`) instead of a pool of ``workers``.
    windows : bool
        One row per window instead of one per recording.
    chunk : int, optional
        Recordings per part; None: :data:`CHUNK`, or more where there would be too many parts.
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
    EngineError
        The engine lost its processes or machines; the same call again goes on.
    FileAccessError
        The output cannot be written.
    """
    work = PartWork("interpretations", write_answers, lambda table: table.drop("failure"))
    options = BatchOptions(
        runtime=runtime, workers=workers, engine=engine, windows=windows, chunk=chunk,
        progress=progress,
    )  # fmt: skip
    return run_in_parts(work, recordings, model, output, options)
