"""``ecgfoundry infer``: many recordings to one table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.engine_options import EngineOptions
from ecgfoundry.cli.reading_options import StatedOptions
from ecgfoundry.cli.table_options import TableOptions
from ecgfoundry.cli.vocabulary import Model, Output

if TYPE_CHECKING:
    from ecgfoundry.inference.batch.infer import BatchProgress
    from ecgfoundry.inference.batch.inputs import Recordings

SHOWN_FAILURES = 20


def infer(
    *recordings: str,
    model: Model,
    output: Output,
    table: TableOptions | None = None,
    stated: StatedOptions | None = None,
    runtime: str = "auto",
    windows: Annotated[bool, Parameter(negative="")] = False,
    engine: EngineOptions | None = None,
) -> int:
    """Interpret a manifest, folders of ECGs or a corpus into one table; resumes.

    Parameters
    ----------
    recordings
        Any table of recordings that finetune takes; files, folders and patterns; or a corpus (its
        folder or URL), of which every segment is answered for itself.
    model
        A shipped or pulled model, or a bundle folder.
    output
        The .csv or .parquet file to write; evaluate --predictions and compare take both.
    runtime
        auto, fastest, onnxruntime, openvino, openvino-bf16, torch, torch-compiled or torch-bf16.
    windows
        One row per window instead of one per recording.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from ecgfoundry.inference.batch.infer import as_recordings, infer_batch

    if not recordings:
        print("ecgfoundry: nothing was given; see: ecgfoundry infer --help", file=sys.stderr)
        return 2
    who = engine or EngineOptions()
    chosen: Recordings
    if table is not None and table.given:
        if len(recordings) != 1:
            print("ecgfoundry: the options of a table go with one table", file=sys.stderr)
            return 2
        chosen = table.read(recordings[0], stated=stated).manifest
    else:
        chosen = as_recordings(
            recordings,
            say=lambda note: print(f"ecgfoundry: {note}", file=sys.stderr),
            stated=None if stated is None else stated.to_read(),
        )
    with Progress(
        TextColumn("Interpreting"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}, {task.fields[rate]:.1f}/s"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]} without an answer"),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task("", total=len(chosen), rate=0.0, failed=0)

        def show(progress: BatchProgress) -> None:
            bar.update(task, completed=progress.done, rate=progress.rate, failed=progress.failed)

        summary = infer_batch(
            chosen,
            model,
            output,
            runtime=runtime,
            workers=who.workers,
            engine=who.make() if who.is_cluster else None,
            windows=windows,
            progress=show,
        )
    for record, reason in summary.failures[:SHOWN_FAILURES]:
        print(f"ecgfoundry: {record}: {reason}", file=sys.stderr)
    if len(summary.failures) > SHOWN_FAILURES:
        more = len(summary.failures) - SHOWN_FAILURES
        print(f"ecgfoundry: … and {more} more; see the column 'status'", file=sys.stderr)
    if summary.finished_before:
        print(
            f"{summary.output}: is finished already ({summary.records} recordings, "
            f"{len(summary.failures)} without an answer); nothing was computed"
        )
        return 1 if summary.failures else 0
    done = summary.records - summary.resumed
    print(
        f"{summary.output}: {summary.records} recordings ({done} now, "
        f"{done / max(summary.seconds, 1e-9):.1f}/s), {len(summary.failures)} without an answer; "
        f"{summary.runtime}"
    )
    return 1 if summary.failures else 0
