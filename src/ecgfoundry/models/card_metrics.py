"""The figures that a bundle states about itself, as rows of a Markdown table."""

from __future__ import annotations

from ecgfoundry.metrics.metric import Metric

__all__ = ["HEADER", "figure_row"]

HEADER = (
    "| figure | leads | value (95 % interval) | measured on | records |\n"
    "| --- | --- | --- | --- | --- |"
)


def figure_row(metric: Metric) -> str:
    """Return the row of one figure."""
    what = f"{metric.name}, {metric.target}" if metric.target else metric.name
    value = "undefined" if metric.value is None else f"{metric.value:.3f}"
    if metric.low is not None and metric.high is not None:
        value += f" ({metric.low:.3f}–{metric.high:.3f})"
    data = f"{metric.data} ({metric.note})" if metric.note else metric.data
    records = "" if metric.records is None else metric.records
    return f"| {what} | {metric.leads or ''} | {value} | {data} | {records} |"
