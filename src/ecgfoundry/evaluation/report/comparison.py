"""The report of ``ecgfoundry compare``: one page, the same house style."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecgfoundry.evaluation.report.figures import dumbbell_figure
from ecgfoundry.evaluation.report.report import page
from ecgfoundry.evaluation.report.sections import section, transfer_section
from ecgfoundry.evaluation.report.tables import (
    flagged_cell,
    interval_cell,
    number_cell,
    p_cell,
    table,
    text_cell,
)
from ecgfoundry.reports.wording import escape

__all__ = ["comparison_report"]


def comparison_report(document: Mapping[str, Any]) -> str:
    """Return the report as one HTML document."""
    a, b = escape(document["a"]), escape(document["b"])
    title = f"{document['a']} against {document['b']}"
    if document["kind"] == "independent":
        lead = "Different records: compared as independent samples."
        return page(title, lead, [("transfer", "Table")], transfer_section(document))
    macro = document["macro"]
    lead = f"{document['records']:,} records of {document['patients']:,} patients, paired."
    heads = ["Target", "n", "Positive", f"AUROC, {a}", f"AUROC, {b}", "Difference",
             "DeLong p", "q", "Bootstrap p", "McNemar p", "q"]  # fmt: skip
    rows = [
        [
            text_cell(row["target"]),
            number_cell(row["n"]),
            number_cell(row["positives"]),
            flagged_cell(row, "auroc_a"),
            flagged_cell(row, "auroc_b"),
            flagged_cell(row, "difference"),
            p_cell(row["delong_p"]),
            p_cell(row["delong_q"]),
            p_cell(row["bootstrap_p"]),
            p_cell(row["mcnemar_p"]),
            p_cell(row["mcnemar_q"]),
        ]
        for row in document["targets"]
    ]
    mean = interval_cell(macro["difference"], macro["low"], macro["high"]).html
    figure = dumbbell_figure(
        [(r["target"], r["auroc_b"], r["auroc_a"]) for r in document["targets"]],
        document["b"],
        document["a"],
    )
    body = section(
        "table", "Every target", f"<p>Mean difference: <b>{mean}</b></p>" + table(heads, rows)
    )
    body += section(
        "figure",
        "Figure",
        f'<p class="legend">Ring: {b}. Dot: {a}. At the right: the difference.</p>'
        f'<div class="plot" tabindex="0">{figure}</div>',
    )
    settings = document["settings"]
    body += section(
        "methods",
        "Methods",
        "<p>Both are scored on the records and targets that both have. The difference is A less B; "
        f"its interval is of percentiles over {settings['draws']} bootstrap draws of patients that "
        "both share. DeLong's paired test is clustered by patient. McNemar's test compares "
        "decisions at each model's thresholds, exact below 25 discordant pairs, else chi-squared "
        "with continuity correction; it takes records as independent. q is corrected over targets "
        "by Benjamini and Hochberg. A dash is an undefined value, or a test without thresholds. ‡: "
        "fewer than 30 patients with or without the target, or an interval that is not known to "
        "hold for another reason."
        "</p>",
    )
    contents = [("table", "Table"), ("figure", "Figure"), ("methods", "Methods")]
    return page(title, lead, contents, body)
