"""Infarcts by their Q waves, at an age that a single ECG does not tell."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, AtLeast, Limit, Not, Rule, Said
from ecgfoundry.criteria.sources import UDMI_4

__all__ = ["CRITERIA"]

INFERIOR = ("II", "III", "aVF")
LATERAL = ("I", "aVL", "V5", "V6")


def _q(lead: str) -> Rule:
    """A pathological Q wave or QS: 20 ms in V2 and V3, else 30 ms, and 0.1 mV deep.

    A QS stands in ``q_ms`` and ``q_mv`` as a whole.
    """
    duration = 20.0 if lead in ("V2", "V3") else 30.0
    return AllOf(
        Limit("q_ms", ">=", duration, UDMI_4, lead), Limit("q_mv", "<=", -0.1, UDMI_4, lead)
    )


def _territory(count: int, *leads: str) -> AtLeast:
    return AtLeast(count, tuple(_q(lead) for lead in leads))


_SEPTAL = _territory(2, "V1", "V2")
_MIDDLE = AllOf(_territory(1, "V3", "V4"), _territory(2, "V2", "V3", "V4", "V5"))
_LATERAL = _territory(2, *LATERAL)
_INFERIOR = _territory(2, *INFERIOR)
# In both leads: a transition in V2 is usual.
_POSTERIOR = AtLeast(
    2,
    tuple(
        AllOf(
            Limit("r_ms", ">=", 40.0, UDMI_4, lead),
            Limit("r_over_s", ">=", 1.0, UDMI_4, lead),
            Limit("t_mv", ">", 0.0, UDMI_4, lead),
        )
        for lead in ("V1", "V2")
    ),
)
_AGE = "The age of the infarct is not told by one ECG."


def _infarct(name: str, rule: Rule, code: str | None = None) -> Criterion:
    codes = {"SNOMED CT": code} if code else {}
    return Criterion(name, "infarction", rule, needs_confirmation=True, caveat=_AGE, codes=codes)


CRITERIA = (
    _infarct("SEPTAL INFARCT", AllOf(_SEPTAL, Not(_MIDDLE))),
    _infarct("ANTEROSEPTAL INFARCT", AllOf(_SEPTAL, _MIDDLE)),
    _infarct("ANTERIOR INFARCT", AllOf(_MIDDLE, Not(_SEPTAL), Not(_LATERAL)), "54329005"),
    _infarct("ANTEROLATERAL INFARCT", AllOf(_MIDDLE, _LATERAL)),
    _infarct("LATERAL INFARCT", AllOf(_LATERAL, Not(_MIDDLE))),
    _infarct("INFERIOR INFARCT", _INFERIOR),
    _infarct("POSTERIOR INFARCT", _POSTERIOR),
    _infarct("INFERIOR-POSTERIOR INFARCT", AllOf(Said("INFERIOR INFARCT"), _POSTERIOR)),
)
