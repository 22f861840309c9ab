"""``ecgfoundry embed``: recordings in, embeddings out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclopts import Parameter

from ecgfoundry.cli.engine_options import EngineOptions
from ecgfoundry.cli.reading_options import StatedOptions
from ecgfoundry.cli.saying import note, print_json, progress
from ecgfoundry.cli.table_options import TableOptions
from ecgfoundry.cli.vocabulary import JsonResult, Model, Output

if TYPE_CHECKING:
    from ecgfoundry.inference.batch.resumable import BatchProgress


@Parameter(name="*")
@dataclass(frozen=True)
class NetworkOptions:
    """What runs the network.

    Parameters
    ----------
    runtime
        auto, onnxruntime or torch.
    threads
        Threads within one call of the network, with one worker.
    """

    runtime: str = "auto"
    threads: int | None = None


def embed(
    manifest: str,
    *,
    model: Model,
    output: Output,
    windows: bool = False,
    table: TableOptions | None = None,
    stated: StatedOptions | None = None,
    network: NetworkOptions | None = None,
    engine: EngineOptions | None = None,
    json: JsonResult = False,
) -> None:
    """Write the embedding of every recording to a table; resumes where it was.

    Parameters
    ----------
    manifest
        Any table that finetune takes; or a corpus (its folder or URL), of which every segment is
        embedded.
    model
        A shipped or pulled bundle, or a bundle folder; ECGFounder gives 1024 numbers.
    output
        The file, .csv or .parquet: record, patient, split, targets, embedding.
    windows
        One row per window instead of the mean of each recording.
    """
    from ecgfoundry.inference.batch.embed import embed_manifest
    from ecgfoundry.inference.batch.infer import as_recordings
    from ecgfoundry.inference.batch.inputs import is_corpus
    from ecgfoundry.inference.batch.resumable import BatchOptions

    who, how = engine or EngineOptions(), network or NetworkOptions()
    if is_corpus(manifest):
        recordings = as_recordings([manifest])
    else:
        recordings = (table or TableOptions()).read(manifest, stated=stated).manifest
    with progress("Embedding", len(recordings)) as bar:

        def show(found: BatchProgress) -> None:
            bar.update(found.done)

        options = BatchOptions(
            runtime=how.runtime,
            threads=how.threads,
            workers=who.workers or 1,
            engine=who.make() if who.is_cluster else None,
            windows=windows,
            progress=show,
        )
        summary = embed_manifest(recordings, model, output, options)
    for record, reason in summary.failures:
        note(f"skipped {record}: {reason}")
    if json:
        print_json({
            "output": output,
            "records": summary.records - len(summary.failures),
            "failures": [{"record": who, "reason": why} for who, why in summary.failures],
        })  # fmt: skip
        return
    if summary.finished_before:
        note("the table is finished already; nothing was computed")
    print(f"{output}: {summary.records - len(summary.failures)} recordings")
