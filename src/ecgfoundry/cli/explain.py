"""``ecgfoundry explain``: where in a recording a finding is seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.reading_options import ReadingOptions
from ecgfoundry.cli.table_options import RecordingsOptions

if TYPE_CHECKING:
    from ecgfoundry.explanations.saliency import Saliency
    from ecgfoundry.inference.interpretation import Interpretation
    from ecgfoundry.recording import Recording


@Parameter(name="*")
@dataclass(frozen=True)
class ExplainOptions:
    """What is explained, and how.

    Parameters
    ----------
    method
        occlusion (any runtime), or integrated-gradients (needs the extra 'torch').
    by
        What occlusion hides at once: beat (the same part of every beat), time, or auto.
    start
        Explain the window that holds this second; by default the one with the highest score.
    lead
        Read only this lead.
    layout
        auto, 3x4, 6x2, 12x1 or 1x.
    threads
        Threads within one call of the network.
    """

    method: str = "occlusion"
    by: str = "auto"
    start: float | None = None
    lead: str | None = None
    layout: str = "auto"
    threads: int | None = None


def explain(
    file: str,
    *,
    target: Annotated[str | None, Parameter(name=["--target", "-t"])] = None,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    record: str | None = None,
    explained: ExplainOptions | None = None,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    table: RecordingsOptions | None = None,
    reading: ReadingOptions | None = None,
) -> int:
    """Show which parts of which leads a model's answer rests on, drawn on ECG paper.

    Parameters
    ----------
    file
        An ECG file, or sample:12-lead, sample:single-lead; with --record any table of recordings
        that finetune takes.
    target
        What to explain; by default the most probable finding.
    model
        A shipped or pulled model, or a bundle folder; by default as in 'diagnose'.
    output
        An .svg picture or an .html page. Without it only the leads' shares are printed.
    record
        The recording of a table, by its name.
    json
        Print the summary as JSON.
    """
    from ecgfoundry.errors import FileAccessError
    from ecgfoundry.explanations import explain_recording
    from ecgfoundry.inference.predictor import load_model
    from ecgfoundry.io import write_whole

    if output is not None and output.suffix.lower() not in (".svg", ".html", ".htm"):
        raise FileAccessError(
            "the output is neither a picture nor a page", path=output, remedy="Use .svg or .html"
        )
    how = explained or ExplainOptions()
    if record is None:
        name, recording, fitting = _of_file(file, reading or ReadingOptions())
    else:
        name, recording, fitting = _of_table(file, record, table or RecordingsOptions())
    predictor = load_model(model or fitting, threads=how.threads)
    interpretation = predictor.interpret(recording, lead=how.lead)
    target = target or _most_probable(interpretation)
    saliency = explain_recording(
        predictor, recording, target,
        method=how.method, by=how.by, lead=how.lead, start_s=how.start,
    )  # fmt: skip
    answer = _answer(interpretation, target)
    if json:
        import json as writer

        document = {"file": name, "model": predictor.bundle.name, **saliency.to_dict()}
        print(writer.dumps(document, ensure_ascii=False))
    else:
        print(f"{answer}\n{_summary(saliency)}")
    if output is not None:
        from ecgfoundry.reports.paper.saliency import saliency_page, saliency_svg

        if output.suffix.lower() == ".svg":
            text = saliency_svg(recording, saliency, layout=how.layout)
        else:
            model = f"{predictor.bundle.name} {predictor.bundle.version}"
            text = saliency_page(recording, saliency, model=model, answer=answer, layout=how.layout)
        write_whole(output, text.encode())
    return 0


def _of_file(file: str, reading: ReadingOptions) -> tuple[str, Recording, str]:
    """Return the name, the first minute, and the model that fits."""
    from ecgfoundry.formats.files import open_file
    from ecgfoundry.inference.files import EXCERPT_S, default_model
    from ecgfoundry.samples import named_file

    path = named_file(file)
    with open_file(path, reading.to_read()) as opened:
        part = opened.read_seconds(0.0, EXCERPT_S, annotations=False)
        return str(path), part, default_model(opened)


def _of_table(file: str, record: str, table: RecordingsOptions) -> tuple[str, Recording, str]:
    from ecgfoundry.errors import ManifestError
    from ecgfoundry.inference.files import EXCERPT_S, default_model

    manifest = table.read(file, check=False).manifest
    row = next((row for row in manifest.rows if row.record == record), None)
    if row is None:
        raise ManifestError(
            f"there is no record '{record}'",
            path=file,
            remedy=f"The first is '{manifest.rows[0].record}'",
        )
    recording = manifest.open(row)
    fitting = default_model(recording)
    return record, recording.window(0.0, min(EXCERPT_S, recording.duration_s)), fitting


def _most_probable(interpretation: Interpretation) -> str:
    from ecgfoundry.errors import SignalError

    if interpretation.refused is not None:
        raise SignalError(
            f"the recording is refused: {interpretation.refused.message}", path=interpretation.file
        )
    known = [item for item in interpretation.findings if item.probability is not None]
    if not known:
        raise SignalError(
            "there is no most probable finding", remedy="Name what to explain with --target"
        )
    return max(known, key=lambda item: item.probability or 0.0).name


def _answer(interpretation: Interpretation, target: str) -> str:
    found = next((item for item in interpretation.findings if item.name == target), None)
    if found is None or found.probability is None:
        return f"{target}: no probability is reported for this recording"
    present = {True: "present", False: "not present", None: "undecided"}[found.present]
    calibrated = "calibrated" if interpretation.calibrated else "not calibrated"
    return f"{target}: {present}, probability {found.probability:.2f} ({calibrated})"


def _summary(saliency: Saliency) -> str:
    shares = ", ".join(f"{lead} {share:.0%}" for lead, share in saliency.lead_shares().items())
    return f"{saliency.method} ({saliency.unit}), score {saliency.score:+.2f}; {shares}"
