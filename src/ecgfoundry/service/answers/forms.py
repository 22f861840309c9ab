"""An interpretation in the form that was asked for."""

from __future__ import annotations

import datetime as dt
from functools import partial
from pathlib import Path
from typing import Any

from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.inference.files import read_excerpt
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.service.reading import reading_document, words_of_present
from ecgfoundry.service.work import FORMATS, Result, Work, json_body

__all__ = ["in_format", "summary_of"]


def summary_of(answer: Interpretation) -> dict[str, Any]:
    """Return a few words for a list of answers."""
    return {
        "model": answer.model,
        "model_version": answer.model_version,
        "verdict": answer.verdict,
        "refused": None if answer.refused is None else answer.refused.code,
        "present": [finding.name for finding in answer.findings if finding.present],
        "statements": [one.name for one in answer.statements if one.present],
        "words": words_of_present(answer),
    }


def in_format(work: Work, answer: Interpretation) -> Result:
    """Return the body in the format of the request."""
    if work.format == "reading":
        beginning = read_excerpt(Path(work.path), work.options, 0.0, 1.0)
        stated = device_measurements(beginning.header)
        document = answer.to_dict() | {"reading": reading_document(answer, stated)}
        return Result(json_body(document), FORMATS["reading"])
    if work.format == "fhir":
        from ecgfoundry.reports.clinical import report_on_file
        from ecgfoundry.reports.fhir import to_fhir

        now = dt.datetime.now(dt.UTC)
        report = report_on_file(
            answer, Path(work.path), work.options, issued=now, patient=work.patient
        )
        return Result(json_body(to_fhir(report)), FORMATS["fhir"])
    if work.format in ("html", "pdf"):
        from ecgfoundry.reports.html.report import ReportItem, html_report

        read_part = partial(read_excerpt, Path(work.path), work.options)
        page = html_report([ReportItem(read_part(), answer, read_part)])
        if work.format == "html":
            return Result(page.encode(), FORMATS["html"])
        from ecgfoundry.reports.pdf import html_to_pdf

        return Result(html_to_pdf(page), FORMATS["pdf"])
    return Result(json_body(answer.to_dict()))
