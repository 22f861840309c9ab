"""Reports for people: ECG paper (SVG), the HTML report, the terminal table and the CSV rows.

Everything here needs only the core install. The tables are imported when they are first used,
because they bring ``rich`` along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecgfoundry.reports.html.report import ReportItem, html_report

# Not lazy: the function html_report has the name of its module, and a later import of the module
# would put the module in the function's place.
from ecgfoundry.reports.paper.ecg_paper import ecg_paper_svg

if TYPE_CHECKING:
    from ecgfoundry.reports.tables import csv_rows, terminal_table

__all__ = ["ReportItem", "csv_rows", "ecg_paper_svg", "html_report", "terminal_table"]


def __getattr__(name: str) -> Any:
    if name in ("csv_rows", "terminal_table"):
        from ecgfoundry.reports import tables

        return getattr(tables, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
