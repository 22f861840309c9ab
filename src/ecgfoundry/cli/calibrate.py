"""``ecgfoundry calibrate``: calibration and thresholds from one's own labelled recordings."""

from __future__ import annotations

import sys
from pathlib import Path


def calibrate(model: str, manifest: Path, *, output: Path, runtime: str = "auto") -> None:
    """Fit calibration and thresholds of a multilabel model on your own labelled recordings.

    Parameters
    ----------
    model
        A shipped or pulled name, or a bundle folder.
    manifest
        CSV with record, path and target:NAME columns; recordings the model did not learn from.
    output
        The new bundle folder.
    runtime
        auto, onnxruntime or torch.
    """
    from rich.console import Console
    from rich.progress import Progress

    from ecgfoundry.inference.predictor import load_model
    from ecgfoundry.inference.recalibration import recalibrate
    from ecgfoundry.manifest import read_manifest

    predictor = load_model(model, runtime=runtime)
    rows = read_manifest(manifest)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Scoring", total=len(rows))
        skipped = recalibrate(
            predictor,
            rows,
            output,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for record, reason in skipped.items():
        print(f"ecgfoundry: skipped {record}: {reason}", file=sys.stderr)
    print(f"{output}: calibrated; use it with --model {output}")
