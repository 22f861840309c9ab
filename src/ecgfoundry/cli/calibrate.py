"""``ecgfoundry calibrate``: calibration and thresholds from one's own labelled recordings."""

from __future__ import annotations

import sys
from pathlib import Path

from ecgfoundry.cli.reading_options import StatedOptions
from ecgfoundry.cli.table_options import TableOptions


def calibrate(
    model: str,
    manifest: Path,
    *,
    output: Path,
    table: TableOptions | None = None,
    stated: StatedOptions | None = None,
    runtime: str = "auto",
) -> None:
    """Fit calibration and thresholds of a multilabel model on your own labelled recordings.

    Parameters
    ----------
    model
        A shipped or pulled name, or a bundle folder.
    manifest
        Recordings that the model did not learn from, and labels: any table that finetune takes.
    output
        The new bundle folder.
    runtime
        auto, onnxruntime or torch.
    """
    from rich.console import Console
    from rich.progress import Progress

    from ecgfoundry.api.measuring import calibrate as run
    from ecgfoundry.inference.predictor import load_model

    predictor = load_model(model, runtime=runtime)
    data = (table or TableOptions()).read(manifest, stated=stated)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Scoring", total=len(data.manifest))
        result = run(
            predictor,
            data,
            output,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for record, reason in result.skipped.items():
        print(f"ecgfoundry: skipped {record}: {reason}", file=sys.stderr)
    for name, reason in result.kept.items():
        print(f"ecgfoundry: {name}: {reason}", file=sys.stderr)
    print(f"{output}: {', '.join(result.fitted)} calibrated; use it with --model {output}")
