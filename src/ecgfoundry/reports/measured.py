"""What all reports say of measurements and statements: a cart's header, and reasons in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecgfoundry.criteria import Statement
from ecgfoundry.criteria.measured_words import printed_signs
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.evidence_words import because, in_words
from ecgfoundry.reports.told import statement_words, told

__all__ = ["HeaderValue", "StatementLine", "device_values", "header_values", "statement_lines"]

NOT_MEASURED = "–"
REASONS_SHOWN = 2
"""Values that stand beside a statement (our choice); the JSON has all."""


@dataclass(frozen=True, slots=True)
class HeaderValue:
    """One field of the header: "QT/QTc", "364/455", "ms", and why a number is missing."""

    label: str
    text: str
    unit: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One present statement for people; ``words`` say how sure it is."""

    name: str
    words: str
    because: str
    decided_by: str
    possible: bool
    code: str | None
    caveat: str
    contradicts: tuple[str, ...]
    statement: Statement


_HEADER = (
    ("HR", ("heart_rate_bpm",), "/min"),
    ("P", ("p_ms",), "ms"),
    ("PR", ("pr_ms",), "ms"),
    ("QRS", ("qrs_ms",), "ms"),
    ("QT/QTc", ("qt_ms", "qtc_ms"), "ms"),
    ("axes P/QRS/T", ("p_axis_deg", "qrs_axis_deg", "t_axis_deg"), "°"),
)
"""As electrocardiographs print it; QTc is Fridericia's."""


def _rounded(value: float | None) -> str:
    return NOT_MEASURED if value is None else printed_signs(str(round(value)))


def header_values(measurements: Measurements) -> tuple[HeaderValue, ...]:
    """Return rate, intervals and axes as a cart prints them."""
    result = []
    for label, names, unit in _HEADER:
        values = [measurements.values[name] for name in names]
        texts = [_rounded(v.value) for v in values]
        reasons = [value.reason for value in values if value.reason]
        known = any(value.value is not None for value in values)
        text = "/".join(texts) if known else NOT_MEASURED
        result.append(HeaderValue(label, text, unit if known else "", next(iter(reasons), None)))
    return tuple(result)


def device_values(stated: Mapping[str, float]) -> tuple[str, ...]:
    """Return what a device states, field by field of :func:`header_values`.

    Parameters
    ----------
    stated : mapping
        As :func:`ecgfoundry.formats.common.measurements.device_measurements` gives it. Which
        formula its QTc follows, only the device knows.
    """
    result = []
    for _, names, _ in _HEADER:
        texts = [_rounded(stated.get(name)) for name in names]
        result.append("/".join(texts) if any(name in stated for name in names) else NOT_MEASURED)
    return tuple(result)


def statement_lines(interpretation: Interpretation) -> tuple[StatementLine, ...]:
    """Return the present statements that a reader needs, with their reasons.

    Those of the network alone stand in the table of its findings and are left out here.
    """
    present = {one.name: one for one in interpretation.statements if one.present}
    return tuple(
        StatementLine(
            name=statement_words(one),
            words=line.words,
            because=because(one, present, shown=REASONS_SHOWN),
            decided_by=one.decided_by,
            possible=one.possible,
            code=line.code,
            caveat=one.caveat,
            contradicts=tuple(in_words(name) for name in one.contradicts),
            statement=one,
        )
        for line in told(interpretation)
        if (one := line.statement) is not None and one.group != "network"
    )
