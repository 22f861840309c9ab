"""``ecgfoundry embed``: recordings in, embeddings out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from ecgfoundry.inference.batch.resumable import BatchProgress


def embed(
    manifest: str,
    *,
    model: Annotated[str, Parameter(name=["--model", "-m"])],
    output: Path,
    windows: bool = False,
    records: Path | None = None,
    path_column: str | None = None,
    patient_column: str | None = None,
    target: Annotated[list[str] | None, Parameter(negative="")] = None,
    runtime: str = "auto",
    threads: int | None = None,
    workers: int | None = None,
    engine: Literal["processes", "ray"] = "processes",
    ray_address: str | None = None,
) -> None:
    """Write the embedding of every recording to a Parquet file; resumes where it was.

    Parameters
    ----------
    manifest
        CSV or Parquet; or a corpus (its folder or URL), of which every segment is embedded.
    model
        A shipped or pulled bundle, or a bundle folder; ECGFounder gives 1024 numbers.
    output
        The Parquet file: record, patient, split, targets, embedding.
    windows
        One row per window instead of the mean of each recording.
    records
        Folder that the paths are relative to, or one NumPy file.
    path_column
        Column of the files.
    patient_column
        Column of the patients.
    target
        Columns to carry along, for a table that is no manifest.
    runtime
        auto, onnxruntime or torch.
    threads
        Threads within one call of the network, with one worker.
    workers
        Processes, by default one; of Ray: tasks at once, by default one per processor.
    engine
        Who does the work: processes of this machine, or a Ray cluster; the table is the same.
    ray_address
        HOST:PORT of the cluster, or auto; else RAY_ADDRESS, else one on this machine alone.
    """
    from rich.console import Console
    from rich.progress import Progress

    from ecgfoundry.engines import make_engine
    from ecgfoundry.inference.batch.embed import embed_manifest
    from ecgfoundry.inference.batch.infer import as_recordings
    from ecgfoundry.inference.batch.inputs import is_corpus
    from ecgfoundry.manifest import ColumnMapping, map_table

    chosen = None
    if engine == "ray" or ray_address is not None:
        chosen = make_engine(engine, workers=workers, address=ray_address)
    if is_corpus(manifest):
        recordings = as_recordings([manifest])
    else:
        names = tuple(part for entry in target or () for part in entry.split(",") if part)
        mapping = ColumnMapping(path=path_column, patient=patient_column, targets=names)
        recordings = map_table(
            Path(manifest), mapping, records=records, need_targets=False
        ).manifest
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Embedding", total=len(recordings))

        def show(progress: BatchProgress) -> None:
            bar.update(task, completed=progress.done)

        summary = embed_manifest(
            recordings,
            model,
            output,
            runtime=runtime,
            threads=threads,
            workers=workers or 1,
            engine=chosen,
            windows=windows,
            progress=show,
        )
    for record, reason in summary.failures:
        print(f"ecgfoundry: skipped {record}: {reason}", file=sys.stderr)
    print(f"{output}: {summary.records - len(summary.failures)} recordings")
