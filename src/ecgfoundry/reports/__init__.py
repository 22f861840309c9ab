"""Reports for people: ECG paper (SVG), the HTML report, the terminal table and the CSV rows.

Everything here needs only the core install, and is imported when it is first used: the terminal
table needs no templates, and the HTML report no ``rich``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgfoundry.reports.html.report import ReportItem, html_report
    from ecgfoundry.reports.paper.ecg_paper import ecg_paper_svg
    from ecgfoundry.reports.tables import csv_rows, terminal_table

__all__ = ["ReportItem", "csv_rows", "ecg_paper_svg", "html_report", "terminal_table"]

_HOME = {
    "ReportItem": "html.report",
    "csv_rows": "tables",
    "ecg_paper_svg": "paper.ecg_paper",
    "html_report": "html.report",
    "terminal_table": "tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
