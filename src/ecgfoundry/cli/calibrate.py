"""``ecgfoundry calibrate``: calibration, thresholds and sets from one's own recordings."""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.cli.reading_options import StatedOptions
from ecgfoundry.cli.saying import note, print_json, progress
from ecgfoundry.cli.table_options import TableOptions
from ecgfoundry.cli.vocabulary import JsonResult, Output


def calibrate(
    model: str,
    manifest: Path,
    *,
    output: Output,
    table: TableOptions | None = None,
    stated: StatedOptions | None = None,
    coverage: float = 0.9,
    drift_reference: bool = False,
    runtime: str = "auto",
    json: JsonResult = False,
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
    drift_reference
        Also store the embeddings of up to 300 of these people, one recording and one window each,
        and counts of the gate's verdicts and of answers: the service shows whether its recordings
        and live streams still look like them.
    runtime
        auto, onnxruntime or torch.
    """
    from ecgfoundry.api.measuring import calibrate as run
    from ecgfoundry.inference.predictor import load_model

    predictor = load_model(model, runtime=runtime)
    data = (table or TableOptions()).read(manifest, stated=stated)
    with progress("Scoring", len(data.manifest)) as bar:
        result = run(
            predictor, data, output, coverage=coverage, drift_reference=drift_reference,
            progress=bar.update,
        )  # fmt: skip
    for record, reason in result.skipped.items():
        note(f"skipped {record}: {reason}")
    if result.learned_from:
        note(
            f"{result.learned_from} of these records trained the model, which is surer of them "
            "than of others: calibrate on new ones"
        )
    for name, reason in result.kept.items():
        note(f"{name}: {reason}")
    done = [f"{', '.join(result.fitted)} calibrated"] if result.fitted else []
    if result.sets is not None:
        done.append(f"sets hold the truth of {result.sets.coverage:.0%} of people like these")
        if result.sets.shared:
            shared = ", ".join(result.sets.shared)
            note(f"too few people each, together {coverage:.0%}: {shared}")
    if json:
        print_json({
            "bundle": output,
            "fitted": result.fitted,
            "kept": result.kept,
            "skipped": result.skipped,
            "coverage": None if result.sets is None else result.sets.coverage,
        })  # fmt: skip
        return
    print(f"{output}: {'; '.join(done)}; use it with --model {output}")
