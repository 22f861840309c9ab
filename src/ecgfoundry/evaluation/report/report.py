"""The evaluation report: one self-contained HTML file, for screen, phone and paper.

It loads nothing. Its one script sorts tables; a content security policy with the hashes of script
and style says so to the browser.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ecgfoundry.evaluation.curves import TargetCurves
from ecgfoundry.evaluation.evaluate import Evaluation
from ecgfoundry.evaluation.report.figures import (
    bland_altman_figure,
    curve_figure,
    flow_figure,
    reliability_figure,
)
from ecgfoundry.evaluation.report.methods import methods_paragraphs
from ecgfoundry.evaluation.report.sections import (
    TEMPLATES,
    calibration_section,
    controls_section,
    decisions_section,
    discrimination_section,
    drift_section,
    quantities_section,
    readers_section,
    subgroups_section,
    transfer_section,
)
from ecgfoundry.evaluation.report.style import SORT_SCRIPT, evaluation_style
from ecgfoundry.evaluation.rows import ClassRow, QuantityRow
from ecgfoundry.reports.wording import DISCLAIMER
from ecgfoundry.templates import drawn

__all__ = ["evaluation_report", "page"]

OPEN_FIGURES = 12
"""Targets up to which their figures are shown without unfolding (our choice)."""


def evaluation_report(evaluation: Evaluation) -> str:
    """Return the report as one HTML document."""
    sections: list[Markup] = []
    contents = [("cohort", "Cohort")]
    if evaluation.classes:
        sections += [
            discrimination_section(evaluation),
            decisions_section(evaluation),
            calibration_section(evaluation),
        ]
        contents += [("discrimination", "Discrimination"), ("forest", "All targets"),
                     ("decisions", "Decisions"), ("calibration", "Calibration")]  # fmt: skip
    if evaluation.readers:
        sections.append(readers_section(evaluation))
        contents.append(("readers", "Readers"))
    if evaluation.quantities:
        sections.append(quantities_section(evaluation))
        contents.append(("quantities", "Quantities"))
    sections.append(controls_section(evaluation))
    contents.append(("controls", "Controls"))
    if evaluation.classes:
        sections += [
            subgroups_section(evaluation),
            transfer_section(evaluation.transfer, evaluation.not_computed),
        ]
        contents += [("subgroups", "Subgroups"), ("transfer", "Other sets")]
    sections.append(drift_section(evaluation))
    contents.append(("drift", "Drift"))
    contents += [("figures", "Figures"), ("methods", "Methods"), ("files", "Input")]
    body = TEMPLATES.render(
        "evaluation",
        tiles=_tiles(evaluation),
        notes=evaluation.notes,
        flow=drawn(_flow(evaluation)),
        sections=sections,
        figures=_figures(evaluation),
        opened=len(evaluation.curves) <= OPEN_FIGURES,
        readers=_readers(evaluation),
        methods=methods_paragraphs(evaluation),
        missing=evaluation.not_computed,
        inputs=_inputs(evaluation),
    )
    return page(evaluation.title, _lead(evaluation), contents, body)


def page(
    title: str,
    lead: str,
    contents: Sequence[tuple[str, str]],
    body: Markup,
    *,
    script: str = SORT_SCRIPT,
) -> str:
    """Wrap a body as a self-contained page in the house style."""
    style = evaluation_style()
    policy = (
        f"default-src 'none'; style-src 'sha256-{_hash(style)}'; "
        f"script-src 'sha256-{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    return str(
        TEMPLATES.render(
            "page",
            title=title,
            lead=lead,
            body=body,
            contents=list(contents),
            # The browser compares them with their hashes in the policy.
            policy=drawn(policy),
            style=drawn(style),
            script=drawn(script),
            disclaimer=DISCLAIMER,
        )
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _lead(evaluation: Evaluation) -> str:
    units = "patients" if evaluation.patients_known else "patients (one per record)"
    targets = len(evaluation.rows)
    return (
        f"{evaluation.records:,} records of {evaluation.patients:,} {units}, "
        f"{targets} target{'s' * (targets != 1)}."
    )


def _tiles(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Figures and the words below them."""
    tiles = []
    macro = evaluation.averages.get("macro")
    if macro is not None:
        for found, name in ((macro.auroc, "Macro AUROC"), (macro.auprc, "Macro AUPRC")):
            if not math.isfinite(found.value):
                continue
            words = f"{name}, {macro.targets} targets"
            if math.isfinite(found.low):
                words += f" · {found.low:.3f} to {found.high:.3f}"
                words += "" if found.reliable else " ‡"
            tiles.append((f"{found.value:.3f}", words))
    if evaluation.classes:
        for field, words in (("band", "by lower end"), ("band_point", "by estimate")):
            counts = evaluation.bands[field]
            figures = f"{counts['strong']} / {counts['moderate']} / {counts['limited']}"
            tiles.append((figures, f"strong / moderate / limited {words}"))
    if evaluation.challenge is not None:
        tiles.append((f"{evaluation.challenge.value:.3f}", evaluation.challenge.name))
    return tiles


def _flow(evaluation: Evaluation) -> str:
    given = evaluation.cohort
    # A step that nobody left says nothing; the first and the last one stay.
    kept = [s for k, s in enumerate(given) if k in (0, len(given) - 1) or s.left_out]
    return flow_figure([(s.name, s.records, s.left_out, s.reason) for s in kept])


@dataclass(frozen=True)
class _Figures:
    """Drawings of one target with their captions."""

    target: str
    measured: str
    drawings: Sequence[tuple[str, Markup]]
    wide: bool = False


def _figures(evaluation: Evaluation) -> list[_Figures]:
    rows = {row.target: row for row in evaluation.rows}
    found = []
    for curves in evaluation.curves:
        row = rows[curves.target]
        if isinstance(row, QuantityRow):
            words = f"{curves.measured} {row.measures['mae'].value:.3f}"
            drawings, wide = _agreement(curves, row), True
        else:
            words = f"{curves.measured} {row.ranking.auroc:.3f}"
            drawings, wide = _curves(curves, row), False
        if drawings:
            found.append(_Figures(curves.target, words, drawings, wide))
    return found


def _readers(evaluation: Evaluation) -> list[str]:
    names = list(dict.fromkeys(row.reader for row in evaluation.readers))
    shapes = ("square", "triangle", "diamond", "triangle on its tip", "cross")
    return [f"{shapes[k % 5]}: {name}" for k, name in enumerate(names)]


def _curves(curves: TargetCurves, row: ClassRow) -> list[tuple[str, Markup]]:
    if not len(curves.roc):
        return []
    at = recall = None
    sensitivity = row.decisions.measures["sensitivity"].value
    if math.isfinite(sensitivity):
        at = (1.0 - row.decisions.measures["specificity"].value, sensitivity)
        recall = (sensitivity, row.decisions.measures["ppv"].value)
    roc = curve_figure(curves.roc, kind="roc", operating=at, readers=curves.readers)
    precision = curve_figure(
        curves.precision_recall, kind="pr", prevalence=row.prevalence, operating=recall
    )
    parts = [("ROC", drawn(roc)), ("Precision and recall", drawn(precision))]
    if curves.reliability is not None:
        r = curves.reliability
        figure = reliability_figure(r.predicted, r.observed, r.low, r.high, r.count)
        parts.append(("Reliability", drawn(figure)))
    return parts


def _agreement(curves: TargetCurves, row: QuantityRow) -> list[tuple[str, Markup]]:
    if not len(curves.agreement):
        return []
    bias, low, high = (
        row.measures[name].value for name in ("bias", "agreement_low", "agreement_high")
    )
    return [("Bland-Altman", drawn(bland_altman_figure(curves.agreement, bias, low, high)))]


@dataclass(frozen=True)
class _Input:
    name: str
    words: str
    sha256: str | None = None


def _inputs(evaluation: Evaluation) -> list[_Input]:
    found = []
    for name, entry in evaluation.provenance.items():
        words = name.replace("_", " ")
        if isinstance(entry, Mapping) and "file" in entry:
            file = str(entry["file"]).replace("\\", "/").rsplit("/", 1)[-1]
            found.append(_Input(words, file, str(entry.get("sha256", ""))))
        else:
            found.append(_Input(words, str(entry)))
    return found
