"""Measurements beside those of the device, and the statements with their reasons, as HTML."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.reports.html.environment import render
from ecgfoundry.reports.measured import device_values, header_values, statement_lines

__all__ = ["measured_section"]


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
        values=header_values(measured),
        stated=stated if any(text != "–" for text in stated) else (),
        lines=statement_lines(interpretation),
    )
