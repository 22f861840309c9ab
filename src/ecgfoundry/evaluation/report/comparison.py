"""The report of ``ecgfoundry compare``: one page, the same house style."""

from __future__ import annotations

from ecgfoundry.evaluation.comparison import PairedComparison, SetComparison
from ecgfoundry.evaluation.report.figures import dumbbell_figure
from ecgfoundry.evaluation.report.report import page
from ecgfoundry.evaluation.report.sections import TEMPLATES, transfer_section
from ecgfoundry.evaluation.report.tables import (
    Table,
    flagged_cell,
    interval_cell,
    number_cell,
    p_cell,
    text_cell,
)
from ecgfoundry.templates import drawn

__all__ = ["comparison_report"]


def comparison_report(found: PairedComparison | SetComparison) -> str:
    """Return the report as one HTML document."""
    title = f"{found.a} against {found.b}"
    if isinstance(found, SetComparison):
        lead = "Different records: compared as independent samples."
        return page(title, lead, [("transfer", "Table")], transfer_section([found.table], {}))
    figure = dumbbell_figure(
        [(row.target, row.b.value, row.a.value) for row in found.rows], found.b, found.a
    )
    body = TEMPLATES.render(
        "comparison",
        a=found.a,
        b=found.b,
        mean=interval_cell(found.mean),
        table=_table(found),
        drawing=drawn(figure),
        draws=found.settings.draws,
    )
    lead = f"{found.records:,} records of {found.patients:,} patients, paired."
    contents = [("table", "Table"), ("figure", "Figure"), ("methods", "Methods")]
    return page(title, lead, contents, body)


def _table(found: PairedComparison) -> Table:
    heads = ["Target", "n", "Positive", f"AUROC, {found.a}", f"AUROC, {found.b}", "Difference",
             "DeLong p", "q", "Bootstrap p", "McNemar p", "q"]  # fmt: skip
    rows = [
        [
            text_cell(row.target),
            number_cell(row.n),
            number_cell(row.positives),
            flagged_cell(row.a),
            flagged_cell(row.b),
            flagged_cell(row.difference),
            p_cell(row.delong_p),
            p_cell(row.delong_q),
            p_cell(row.bootstrap_p),
            p_cell(row.mcnemar_p),
            p_cell(row.mcnemar_q),
        ]
        for row in found.rows
    ]
    return Table(heads, rows)
