"""``ecgfoundry explain``: where in a recording a finding is seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from ecgfoundry.explanations.saliency import Saliency
    from ecgfoundry.inference.interpretation import Interpretation


def explain(
    file: str,
    *,
    target: Annotated[str | None, Parameter(name=["--target", "-t"])] = None,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    method: str = "occlusion",
    by: str = "auto",
    start: float | None = None,
    lead: str | None = None,
    layout: str = "auto",
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    leads: str | None = None,
    unit: str | None = None,
    sampling_rate: float | None = None,
    mains: float | None = None,
    threads: int | None = None,
) -> int:
    """Show which parts of which leads a model's answer rests on, drawn on ECG paper.

    Parameters
    ----------
    file
        An ECG file, or sample:12-lead, sample:single-lead.
    target
        What to explain; by default the most probable finding.
    model
        A shipped or pulled model, or a bundle folder; by default as in 'diagnose'.
    output
        An .svg picture or an .html page. Without it only the leads' shares are printed.
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
    json
        Print the summary as JSON.
    leads
        Lead names in order, comma-separated, for files that do not name them (or wrongly).
    unit
        Unit of the samples for files that do not state it: mV, uV, V.
    sampling_rate
        In Hz, for files that do not state it.
    mains
        Mains frequency, 50 or 60 Hz, where it is known.
    threads
        Threads within one call of the network.
    """
    from ecgfoundry.errors import FileAccessError
    from ecgfoundry.explanations import explain_recording
    from ecgfoundry.formats.base import ReadOptions
    from ecgfoundry.formats.files import open_file
    from ecgfoundry.inference.files import EXCERPT_S, default_model
    from ecgfoundry.inference.predictor import load_model
    from ecgfoundry.io import write_whole
    from ecgfoundry.samples import named_file

    if output is not None and output.suffix.lower() not in (".svg", ".html", ".htm"):
        raise FileAccessError(
            "the output is neither a picture nor a page", path=output, remedy="Use .svg or .html"
        )
    options = ReadOptions(
        leads=tuple(name.strip() for name in leads.split(",")) if leads else None,
        unit=unit,
        sampling_rate=sampling_rate,
        mains_frequency=mains,
    )
    path = named_file(file)
    with open_file(path, options) as opened:
        predictor = load_model(model or default_model(opened), threads=threads)
        recording = opened.read_seconds(0.0, EXCERPT_S, annotations=False)
    interpretation = predictor.interpret(recording, lead=lead)
    target = target or _most_probable(interpretation)
    saliency = explain_recording(
        predictor, recording, target, method=method, by=by, lead=lead, start_s=start
    )
    answer = _answer(interpretation, target)
    if json:
        import json as writer

        document = {"file": str(path), "model": predictor.bundle.name, **saliency.to_dict()}
        print(writer.dumps(document, ensure_ascii=False))
    else:
        print(f"{answer}\n{_summary(saliency)}")
    if output is not None:
        from ecgfoundry.reports.paper.saliency import saliency_page, saliency_svg

        if output.suffix.lower() == ".svg":
            text = saliency_svg(recording, saliency, layout=layout)
        else:
            name = f"{predictor.bundle.name} {predictor.bundle.version}"
            text = saliency_page(recording, saliency, model=name, answer=answer, layout=layout)
        write_whole(output, text.encode())
    return 0


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
