"""``ecgfoundry infer``: many recordings to one table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.engine_options import EngineOptions
from ecgfoundry.cli.reading_options import StatedOptions
from ecgfoundry.cli.saying import note, print_json, progress
from ecgfoundry.cli.table_options import TableOptions
from ecgfoundry.cli.vocabulary import JsonResult, Model, Output

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
    json: JsonResult = False,
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
            say=note,
            stated=None if stated is None else stated.to_read(),
        )
    with progress("Interpreting", len(chosen)) as bar:

        def show(found: BatchProgress) -> None:
            without = f", {found.failed} without an answer" if found.failed else ""
            bar.update(found.done, words=f"{found.rate:.1f}/s{without}")

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
        note(f"{record}: {reason}")
    if len(summary.failures) > SHOWN_FAILURES:
        note(f"… and {len(summary.failures) - SHOWN_FAILURES} more; see the column 'status'")
    if json:
        print_json({
            "output": summary.output,
            "records": summary.records,
            "resumed": summary.resumed,
            "seconds": summary.seconds,
            "runtime": summary.runtime,
            "failures": [{"record": who, "reason": why} for who, why in summary.failures],
        })  # fmt: skip
        return 1 if summary.failures else 0
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
