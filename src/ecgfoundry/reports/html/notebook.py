"""What a notebook shows of measurements and of an interpretation."""

from __future__ import annotations

from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.html.environment import render
from ecgfoundry.reports.measured import header_values, statement_lines
from ecgfoundry.reports.told import decided_otherwise, doubt_of, doubt_sentence, notices_beside
from ecgfoundry.reports.wording import DISCLAIMER, number_text
from ecgfoundry.tasks.finding import Finding

__all__ = ["notebook_html"]


def notebook_html(answer: Interpretation | Measurements) -> str:
    """Return a table of values, and of an interpretation the statements, findings and warnings."""
    full = None if isinstance(answer, Measurements) else answer
    measured = answer if isinstance(answer, Measurements) else answer.measurements
    refused = None if full is None else full.refused
    doubt = measured.doubt if measured is not None and full is None else None
    findings: list[Finding] = []
    if full is not None:
        doubt, otherwise = doubt_of(full), decided_otherwise(full)
        findings = [one for one in full.findings if one.present and one.name not in otherwise]
    return str(
        render(
            "notebook",
            values=() if measured is None else header_values(measured),
            statements=() if full is None else statement_lines(full),
            findings=findings,
            number=number_text,
            model=None if full is None else full.model,
            warnings=() if full is None else [n.message for n in notices_beside(full)],
            doubt=None if doubt is None else doubt_sentence(doubt),
            refused=None if refused is None else refused.message,
            disclaimer=DISCLAIMER,
        )
    )
