"""``ecgfoundry explain``: where in a recording a finding is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.reading_options import ReadingOptions
from ecgfoundry.cli.saying import print_json, progress
from ecgfoundry.cli.table_options import RecordingsOptions
from ecgfoundry.cli.vocabulary import Json, OptionalModel, OptionalOutput

if TYPE_CHECKING:
    from ecgfoundry.explanations.saliency import Saliency
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
    model: OptionalModel = None,
    output: OptionalOutput = None,
    record: str | None = None,
    explained: ExplainOptions | None = None,
    json: Json = False,
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
    from ecgfoundry.api.answers import explain as run
    from ecgfoundry.errors import FileAccessError
    from ecgfoundry.inference.predictor import load_model

    if output is not None and output.suffix.lower() not in (".svg", ".html", ".htm"):
        raise FileAccessError(
            "the output is neither a picture nor a page", path=output, remedy="Use .svg or .html"
        )
    how = explained or ExplainOptions()
    if record is None:
        name, recording, fitting = _of_file(file, reading or ReadingOptions())
    else:
        name, recording, fitting = _of_table(file, record, table or RecordingsOptions(), reading)
    predictor = load_model(model or fitting, threads=how.threads)
    with progress("Explaining") as bar:
        found = run(
            recording, target,
            model=predictor, lead=how.lead, method=how.method, by=how.by, start_s=how.start,
            progress=bar.update,
        )  # fmt: skip
    if json:
        print_json({"file": name, "model": predictor.bundle.name, **found.saliency.to_dict()})
    else:
        print(f"{found.answer}\n{_summary(found.saliency)}")
    if output is not None:
        found.save(output, layout=how.layout)
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


def _of_table(
    file: str, record: str, table: RecordingsOptions, reading: ReadingOptions | None
) -> tuple[str, Recording, str]:
    from ecgfoundry.errors import ManifestError
    from ecgfoundry.inference.files import EXCERPT_S, default_model

    manifest = table.read(file, check=False, stated=reading).manifest
    row = next((row for row in manifest.rows if row.record == record), None)
    if row is None:
        raise ManifestError(
            f"there is no record '{record}'",
            path=file,
            remedy=f"The first is '{manifest.rows[0].record}'",
        )
    recording = manifest.open_raw(row)
    fitting = default_model(recording)
    return record, recording.window(0.0, min(EXCERPT_S, recording.duration_s)), fitting


def _summary(saliency: Saliency) -> str:
    shares = ", ".join(f"{lead} {share:.0%}" for lead, share in saliency.lead_shares().items())
    return f"{saliency.method} ({saliency.unit}), score {saliency.score:+.2f}; {shares}"
