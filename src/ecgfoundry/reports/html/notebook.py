"""What a notebook shows of measurements and of an interpretation."""

from __future__ import annotations

from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.html.environment import render
from ecgfoundry.reports.measured import header_values, statement_lines
from ecgfoundry.reports.wording import DISCLAIMER

__all__ = ["notebook_html"]


def notebook_html(answer: Interpretation | Measurements) -> str:
    """Return a table of values, and of an interpretation the statements, findings and warnings."""
    full = None if isinstance(answer, Measurements) else answer
    measured = answer if isinstance(answer, Measurements) else answer.measurements
    refused = None if full is None else full.refused
    return str(
        render(
            "notebook",
            values=() if measured is None else header_values(measured),
            statements=() if full is None else statement_lines(full),
            findings=() if full is None else [f for f in full.findings if f.present],
            model=None if full is None else full.model,
            warnings=() if full is None else [n.message for n in full.warnings],
            refused=None if refused is None else refused.message,
            disclaimer=DISCLAIMER,
        )
    )
