"""Measurements beside those of the device, and the statements with their reasons, as HTML."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from ecgfoundry.formats.common.measurements import STATEMENTS_KEY, device_measurements
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.reports.html.environment import render
from ecgfoundry.reports.measured import device_values, header_values, statement_lines
from ecgfoundry.reports.told import doubt_of

__all__ = ["device_statements", "measured_section"]


def device_statements(header: Mapping[str, str]) -> list[str]:
    """Return what the device itself states, line by line."""
    return [line for line in header.get(STATEMENTS_KEY, "").splitlines() if line.strip()]


def measured_section(interpretation: Interpretation, header: Mapping[str, str]) -> Markup:
    """Return the measurements and statements; nothing where none were made.

    Parameters
    ----------
    interpretation : Interpretation
    header : mapping
        Of the recording, for what the device states.
    """
    measured = interpretation.measurements
    if measured is None or not measured.readable:
        return Markup()
    stated = device_values(device_measurements(header))
    return render(
        "measured",
        values=list(zip(header_values(measured), stated, strict=True)),
        with_device=any(text != "–" for text in stated),
        lines=statement_lines(interpretation),
        doubted=doubt_of(interpretation) is not None,
        device_lines=device_statements(header),
    )
