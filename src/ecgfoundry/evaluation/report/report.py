"""The evaluation report: one self-contained HTML file, for screen, phone and paper.

It loads nothing. Its one script sorts tables; a content security policy with the hashes of script
and style says so to the browser.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

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
    calibration_section,
    controls_section,
    decisions_section,
    discrimination_section,
    quantities_section,
    readers_section,
    section,
    subgroups_section,
    transfer_section,
)
from ecgfoundry.evaluation.report.style import SORT_SCRIPT, evaluation_style
from ecgfoundry.evaluation.rows import rows_of_classes, rows_of_quantities
from ecgfoundry.reports.wording import DISCLAIMER, escape
from ecgfoundry.templates import Templates, drawn

__all__ = ["evaluation_report", "page"]

OPEN_FIGURES = 12
"""Targets up to which their figures are shown without unfolding (our choice)."""


def evaluation_report(evaluation: Evaluation) -> str:
    """Return the report as one HTML document."""
    document = evaluation.document
    rows = document["targets"]
    classes = rows_of_classes(rows)
    quantities = rows_of_quantities(rows)
    parts = [_tiles(document, classes), _notices(document), _cohort(document)]
    contents = [("cohort", "Cohort")]
    if classes:
        parts += [
            discrimination_section(document, classes),
            decisions_section(document, classes),
            calibration_section(classes),
        ]
        contents += [("discrimination", "Discrimination"), ("forest", "All targets"),
                     ("decisions", "Decisions"), ("calibration", "Calibration")]  # fmt: skip
    if document["readers"]:
        parts.append(readers_section(document))
        contents.append(("readers", "Readers"))
    if quantities:
        parts.append(quantities_section(quantities))
        contents.append(("quantities", "Quantities"))
    parts.append(controls_section(document, classes))
    contents.append(("controls", "Controls"))
    if classes:
        parts += [subgroups_section(document), transfer_section(document)]
        contents += [("subgroups", "Subgroups"), ("transfer", "Other sets")]
    parts += [_figures(evaluation), _methods(document), _provenance(document)]
    contents += [("figures", "Figures"), ("methods", "Methods"), ("files", "Input")]
    return page(document["title"], _lead(document), contents, "".join(parts))


_TEMPLATES = Templates("ecgfoundry.evaluation.report")


def page(title: str, lead: str, contents: Sequence[tuple[str, str]], body: str) -> str:
    """Wrap a body as a self-contained page in the house style."""
    style = evaluation_style()
    policy = (
        f"default-src 'none'; style-src 'sha256-{_hash(style)}'; "
        f"script-src 'sha256-{_hash(SORT_SCRIPT)}'; base-uri 'none'; form-action 'none'"
    )
    return str(
        _TEMPLATES.render(
            "page",
            title=title,
            # Both were escaped where they were put together.
            lead=drawn(lead),
            body=drawn(body),
            contents=list(contents),
            # The browser compares them with their hashes in the policy.
            policy=drawn(policy),
            style=drawn(style),
            script=drawn(SORT_SCRIPT),
            disclaimer=DISCLAIMER,
        )
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _lead(document: Mapping[str, Any]) -> str:
    units = "patients" if document["patients_known"] else "patients (one per record)"
    return (
        f"{document['records']:,} records of {document['patients']:,} {units}, "
        f"{len(document['targets'])} target{'s' * (len(document['targets']) != 1)}."
    )


def _tiles(document: Mapping[str, Any], classes: Sequence[Mapping[str, Any]]) -> str:
    tiles = []
    macro = document["averages"].get("macro", {}) if classes else {}
    for measure, name in (("auroc", "Macro AUROC"), ("auprc", "Macro AUPRC")):
        value = macro.get(measure, math.nan)
        if math.isfinite(value):
            low, high = macro[f"{measure}_low"], macro[f"{measure}_high"]
            inner = f"{name}, {macro['targets']} targets"
            if math.isfinite(low):
                inner += f" · {low:.3f} to {high:.3f}"
                inner += "" if macro[f"{measure}_interval_reliable"] else " ‡"
            tiles.append((f"{value:.3f}", inner))
    if classes:
        for field, words in (("band", "by lower end"), ("band_point", "by estimate")):
            counts = document["bands"][field]
            figures = f"{counts['strong']} / {counts['moderate']} / {counts['limited']}"
            tiles.append((figures, f"strong / moderate / limited {words}"))
    if document["challenge"]:
        challenge = document["challenge"]
        tiles.append((f"{challenge['value']:.3f}", challenge["name"]))
    inner = "".join(f'<div class="tile"><b>{a}</b><span>{escape(b)}</span></div>' for a, b in tiles)
    return f'<div class="tiles">{inner}</div>' if tiles else ""


def _notices(document: Mapping[str, Any]) -> str:
    if not document["notes"]:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in document["notes"])
    return f'<ul class="notices">{items}</ul>'


def _cohort(document: Mapping[str, Any]) -> str:
    given = document["cohort"]
    # A step that nobody left says nothing; the first and the last one stay.
    kept = [s for k, s in enumerate(given) if k in (0, len(given) - 1) or s["left_out"]]
    steps = [(s["name"], s["records"], s["left_out"], s["reason"]) for s in kept]
    return section("cohort", "Cohort", f'<div class="plot flow">{flow_figure(steps)}</div>')


def _figures(evaluation: Evaluation) -> str:
    rows = {row["target"]: row for row in evaluation.rows}
    opened = " open" if len(evaluation.curves) <= OPEN_FIGURES else ""
    parts = []
    for curves in evaluation.curves:
        row = rows[curves.target]
        drawn = _agreement(curves, row) if len(curves.agreement) else _curves(curves, row)
        if not drawn:
            continue
        figure = row.get("auroc", row.get("mae", math.nan))
        name = curves.measured
        parts.append(
            f'<details class="target-figures"{opened}><summary><b>{escape(curves.target)}</b>'
            f'<span class="muted">{name} {figure:.3f}</span></summary>'
            f'<div class="figures">{drawn}</div></details>'
        )
    if not parts:
        return section("figures", "Figures", "<p>No target has records of both kinds.</p>")
    legend = (
        '<p class="legend">Dashed: chance, or perfect calibration. Orange dot: at the threshold. '
        "Curves are thinned for drawing; figures in tables are of all records."
        f"{_reader_legend(evaluation.document)}</p>"
    )
    return section("figures", "Figures", legend + "".join(parts))


def _reader_legend(document: Mapping[str, Any]) -> str:
    names = list(dict.fromkeys(row["reader"] for row in document["readers"]))
    shapes = ("square", "triangle", "diamond", "triangle on its tip", "cross")
    listed = ", ".join(f"{shapes[k % 5]}: {escape(name)}" for k, name in enumerate(names))
    return f" Hollow marks: readers ({listed})." if names else ""


def _curves(curves: TargetCurves, row: Mapping[str, Any]) -> str:
    if not len(curves.roc):
        return ""
    at = recall = None
    if math.isfinite(row.get("sensitivity", math.nan)):
        at = (1.0 - row["specificity"], row["sensitivity"])
        recall = (row["sensitivity"], row["ppv"])
    parts = [
        ("ROC", curve_figure(curves.roc, kind="roc", operating=at, readers=curves.readers)),
        (
            "Precision and recall",
            curve_figure(
                curves.precision_recall, kind="pr", prevalence=row["prevalence"], operating=recall
            ),
        ),
    ]
    if curves.reliability is not None:
        r = curves.reliability
        parts.append(
            ("Reliability", reliability_figure(r.predicted, r.observed, r.low, r.high, r.count))
        )
    return "".join(f"<figure><figcaption>{a}</figcaption>{b}</figure>" for a, b in parts)


def _agreement(curves: TargetCurves, row: Mapping[str, Any]) -> str:
    if not len(curves.agreement):
        return ""
    figure = bland_altman_figure(
        curves.agreement, row["bias"], row["agreement_low"], row["agreement_high"]
    )
    return f'<figure class="wide"><figcaption>Bland-Altman</figcaption>{figure}</figure>'


def _methods(document: Mapping[str, Any]) -> str:
    parts = methods_paragraphs(document)
    text = "".join(f"<p><b>{escape(a)}.</b> {escape(b)}</p>" for a, b in parts)
    missing = document["not_computed"]
    listed = ""
    if missing:
        items = "".join(f"<li>{escape(a)}: {escape(b)}</li>" for a, b in missing.items())
        listed = f'<h3 class="gap">Not computed</h3><ul class="plain small">{items}</ul>'
    return section("methods", "Methods", f'<div class="methods">{text}</div>{listed}')


def _provenance(document: Mapping[str, Any]) -> str:
    items = []
    for name, entry in document["input"].items():
        if isinstance(entry, Mapping) and "file" in entry:
            file = str(entry["file"]).replace("\\", "/").rsplit("/", 1)[-1]
            items.append(
                f"<li>{escape(name.replace('_', ' '))}: {escape(file)} "
                f'<span class="hash">SHA-256 {escape(entry.get("sha256", ""))}</span></li>'
            )
        else:
            items.append(f"<li>{escape(name.replace('_', ' '))}: {escape(entry)}</li>")
    return section("files", "Input", f'<ul class="plain small">{"".join(items)}</ul>')
