"""The embeddings of many recordings as one Parquet table; resumable, on any engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import EcgFoundryError, FileAccessError, ManifestError, SignalError
from ecgfoundry.inference.batch.inputs import Recordings
from ecgfoundry.inference.batch.resumable import (
    BatchOptions,
    BatchSummary,
    PartJob,
    PartResult,
    PartWork,
    note_of,
    predictor_of,
    run_in_parts,
    write_part,
)
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.manifest import ManifestRow

if TYPE_CHECKING:
    import polars as pl

__all__ = ["embed_manifest"]


def embed_manifest(
    recordings: Recordings,
    model: str | Path,
    output: str | Path,
    options: BatchOptions | None = None,
) -> BatchSummary:
    """Write the embeddings of every recording, or every segment of a corpus, to a table.

    Parameters
    ----------
    recordings : Manifest or CorpusSegments
        See :func:`ecgfoundry.inference.batch.infer.as_recordings`.
    model : str or Path
        A shipped or pulled name, or a bundle folder.
    output : str or Path
        The ``.parquet`` or ``.csv`` file. Columns ``record``, ``patient``, ``split``, the targets,
        ``windows`` (how many were averaged) or ``start_s`` (of a window), and ``embedding``: a
        list of float32 (in CSV a JSON array), 1024 long for ECGFounder. Recordings that cannot be
        read are left out and named in the summary.
    options : BatchOptions, optional
        None: one worker. Without ``windows``, a row is the mean over the windows of a recording.

    Raises
    ------
    ManifestError
        There are no rows, none can be embedded, or ``OUTPUT.parts`` belongs to another run.
    MissingExtraError, EngineError, FileAccessError
    """

    def without_failures(table: pl.LazyFrame) -> pl.LazyFrame:
        import polars

        return table.filter(polars.col("failure").is_null()).drop("failure")

    work = PartWork("embeddings", write_embeddings, without_failures)
    summary = run_in_parts(work, recordings, model, output, options or BatchOptions(workers=1))
    if len(summary.failures) == len(recordings):
        Path(output).unlink()
        note_of(Path(output)).unlink()
        raise ManifestError(
            f"no recording could be embedded: {summary.failures[0][1]}", path=recordings.folder
        )
    return summary


def write_embeddings(job: PartJob) -> PartResult:
    """Embed the recordings of one part."""
    predictor = predictor_of(job)
    rows: list[JsonObject] = []
    failures: list[tuple[str, str]] = []
    for row in job.recordings.rows:
        about: JsonObject = {"record": row.record, "patient": row.patient, "split": row.split}
        about |= {f"target:{name}": value for name, value in row.targets.items()}
        try:
            rows += [
                about | cells for cells in _embeddings(predictor, job.recordings, row, job.windows)
            ]
        except (EcgFoundryError, OSError) as error:
            reason = _reason(error, row)
            failures.append((row.record, reason))
            rows.append(about | {"failure": reason})
    write_part(_frame(rows, job.targets, windows=job.windows), job.part)
    return PartResult(len(job.recordings.rows), tuple(failures))


def _reason(error: EcgFoundryError | OSError, row: ManifestRow) -> str:
    if isinstance(error, OSError):
        return str(FileAccessError(f"cannot be read: {error.strerror}", path=row.path))
    return str(error)


def _embeddings(
    predictor: Predictor, recordings: Recordings, row: ManifestRow, windows: bool
) -> list[JsonObject]:
    spec = predictor.bundle.input
    recording = recordings.open_raw(row)
    leads = InputLeads.choose(spec, recording.leads)
    prepared = list(prepare_windows(recording, spec, leads))
    arrays = [w.standardized for w in prepared if w.standardized is not None]
    if not arrays:
        reasons = [w.refusal.message for w in prepared if w.refusal is not None]
        raise SignalError(reasons[0] if reasons else "no samples", path=row.path)
    # A recording alone, so that the numbers do not depend on its neighbours in a batch.
    embeddings = predictor.embed(np.stack(arrays))
    if not windows:
        return [{"windows": len(arrays), "embedding": embeddings.mean(0).tolist()}]
    starts = [w.start / recording.sampling_rate for w in prepared if w.standardized is not None]
    return [
        {"start_s": start, "embedding": embedding.tolist()}
        for start, embedding in zip(starts, embeddings, strict=True)
    ]


def _frame(rows: list[JsonObject], targets: tuple[str, ...], *, windows: bool) -> pl.DataFrame:
    import polars

    schema: dict[str, Any] = dict.fromkeys(("record", "patient", "split"), polars.String)
    schema |= {f"target:{name}": polars.Float64 for name in targets}
    schema |= {"start_s": polars.Float64} if windows else {"windows": polars.Int64}
    schema |= {"embedding": polars.List(polars.Float32), "failure": polars.String}
    blank = dict.fromkeys(schema)
    return polars.DataFrame([blank | row for row in rows], schema=schema, orient="row")
