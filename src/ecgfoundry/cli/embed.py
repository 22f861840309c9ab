"""``ecgfoundry embed``: recordings in, embeddings out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def embed(
    manifest: Path,
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
) -> None:
    """Write the embedding of every recording to a Parquet file.

    Parameters
    ----------
    manifest
        CSV or Parquet.
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
        Threads within one call of the network.
    """
    from rich.console import Console
    from rich.progress import Progress

    from ecgfoundry.cli.extras import require_torch
    from ecgfoundry.inference.predictor import load_model
    from ecgfoundry.manifest import ColumnMapping, map_table

    require_torch("writing embeddings")
    from ecgfoundry.training.probing import embed_manifest

    names = tuple(part for entry in target or () for part in entry.split(",") if part)
    mapping = ColumnMapping(path=path_column, patient=patient_column, targets=names)
    data = map_table(manifest, mapping, records=records, need_targets=False)
    predictor = load_model(model, runtime=runtime, threads=threads)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Embedding", total=len(data.manifest))
        skipped = embed_manifest(
            predictor,
            data.manifest,
            output,
            windows=windows,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for record, reason in skipped.items():
        print(f"ecgfoundry: skipped {record}: {reason}", file=sys.stderr)
    print(f"{output}: {len(data.manifest) - len(skipped)} recordings")
