"""``ecgfoundry calibrate``: calibration, thresholds and sets from one's own recordings."""

from __future__ import annotations

import sys
from pathlib import Path

from ecgfoundry.cli.reading_options import StatedOptions
from ecgfoundry.cli.table_options import TableOptions
from ecgfoundry.cli.vocabulary import Output


def calibrate(
    model: str,
    manifest: Path,
    *,
    output: Output,
    table: TableOptions | None = None,
    stated: StatedOptions | None = None,
    coverage: float = 0.9,
    runtime: str = "auto",
) -> None:
    """Fit calibration, thresholds and prediction sets on your own labelled recordings.

    From about 50 records on, answers say what is not excluded, so that the truth is among it as
    often as --coverage says.

    Parameters
    ----------
    model
        A shipped or pulled name, or a bundle folder.
    manifest
        Recordings that the model did not learn from, and labels: any table that finetune takes.
    output
        The new bundle folder.
    coverage
        Share of new people, like those of the table, whose truth the sets shall hold.
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
            coverage=coverage,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for record, reason in result.skipped.items():
        print(f"ecgfoundry: skipped {record}: {reason}", file=sys.stderr)
    for name, reason in result.kept.items():
        print(f"ecgfoundry: {name}: {reason}", file=sys.stderr)
    done = [f"{', '.join(result.fitted)} calibrated"] if result.fitted else []
    if result.sets is not None:
        done.append(f"sets hold the truth of {result.sets.coverage:.0%} of people like these")
        if result.sets.shared:
            shared = ", ".join(result.sets.shared)
            print(f"ecgfoundry: too few people each, together {coverage:.0%}: {shared}",
                  file=sys.stderr)  # fmt: skip
    print(f"{output}: {'; '.join(done)}; use it with --model {output}")
