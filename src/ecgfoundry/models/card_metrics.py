"""The figures that a bundle states about itself, as rows of a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["HEADER", "figure_row"]

HEADER = (
    "| figure | leads | value (95 % interval) | measured on | records |\n"
    "| --- | --- | --- | --- | --- |"
)


def figure_row(metric: Mapping[str, Any]) -> str:
    """Return the row of one entry of ``metrics`` in ``bundle.json``."""
    what = metric["name"]
    if metric.get("target"):
        what += f", {metric['target']}"
    value = "undefined" if metric["value"] is None else f"{metric['value']:.3f}"
    if metric.get("low") is not None and metric.get("high") is not None:
        value += f" ({metric['low']:.3f}–{metric['high']:.3f})"
    data = f"{metric['data']} ({metric['note']})" if metric.get("note") else metric["data"]
    return (
        f"| {what} | {metric.get('leads', '')} | {value} | {data} | {metric.get('records', '')} |"
    )
