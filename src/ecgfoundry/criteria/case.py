"""What a rule is asked about: the measurements of one recording, and the person's age and sex."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ecgfoundry.criteria.derived import DERIVED, LEAD_DERIVED
from ecgfoundry.criteria.measured_words import unknown_in_words
from ecgfoundry.criteria.quantity import Quantity, unit_of
from ecgfoundry.criteria.rules import Rule, Verdict
from ecgfoundry.criteria.types import MEDIAN
from ecgfoundry.measurements.results import Measurements

__all__ = ["Case"]

_WAVES = frozenset("q_mv q_ms r_mv r_ms s_mv s_ms r2_mv r2_ms s2_mv s2_ms delta_ms t2_mv".split())
"""Parts of a complex that may not be there. In a lead whose complex was measured, None means that
there is none, which is an answer; elsewhere None means that nothing is known."""


@dataclass
class Case:
    """One recording of one person, and what was said about it so far.

    Parameters
    ----------
    measurements : Measurements
    age : float, optional
        Years.
    sex : str, optional
        "female" or "male".
    judge : callable (name, case) -> Verdict
        How to get at another statement; see :func:`ecgfoundry.criteria.state`.
    decided : mapping of str to bool
        Statements that were decided elsewhere.
    """

    measurements: Measurements
    age: float | None
    sex: str | None
    judge: Callable[[str, Case], Verdict]
    decided: Mapping[str, bool] = field(default_factory=dict)
    _verdicts: dict[str, Verdict] = field(default_factory=dict)
    _quantities: dict[tuple[str, str | None], Quantity] = field(default_factory=dict)
    _rules: dict[int, Verdict] = field(default_factory=dict)

    def quantity(self, name: str, lead: str | None = None) -> Quantity:
        """Return a measurement by its name, of a lead, derived, or of the recording."""
        key = (name, lead)
        if key not in self._quantities:
            self._quantities[key] = self._quantity(name, lead)
        return self._quantities[key]

    def evaluate(self, rule: Rule) -> Verdict:
        """Return the verdict of a rule; rules that several criteria share are evaluated once."""
        key = id(rule)  # rules are parts of criteria, which live longer than a case
        if key not in self._rules:
            self._rules[key] = rule.evaluate(self)
        return self._rules[key]

    def verdict(self, name: str) -> Verdict:
        """Return the verdict on a statement; each is judged once."""
        if name not in self._verdicts:
            self._verdicts[name] = self.judge(name, self)
        return self._verdicts[name]

    def _quantity(self, name: str, lead: str | None) -> Quantity:
        if lead is not None:
            own = LEAD_DERIVED.get(name)
            return own(self, lead) if own is not None else self._of_lead(name, lead)
        derived = DERIVED.get(name)
        if derived is not None:
            return derived(self)
        found = self.measurements.values.get(name)
        if found is None:
            return Quantity.unknown(unit_of(name), unknown_in_words(name))
        return Quantity(found.value, found.unit, found.reason)

    def _of_lead(self, name: str, lead: str) -> Quantity:
        unit = unit_of(name)
        if not self.measurements.calibrated and "_mv" in name:
            return Quantity.unknown(unit, "the amplitudes of this file are not in mV")
        figures = self.measurements.leads.get(lead)
        if figures is None:
            return Quantity.unknown(unit, f"lead {lead} is not there or cannot be read")
        value = getattr(figures, name)
        if value is not None:
            return Quantity(float(value), unit, beat=MEDIAN)
        if figures.qrs_area_mv_ms is not None and name in _WAVES:
            wave = name.partition("_")[0].upper().replace("2", "'")
            reason = f"there is no {wave} wave in {lead}"
            return Quantity(None, unit, reason, beat=MEDIAN, absent=True)
        if figures.p_mv is not None and name == "p_terminal_mv_ms":
            reason = f"the P wave of {lead} has no negative part"
            return Quantity(None, unit, reason, beat=MEDIAN, absent=True)
        return Quantity.unknown(unit, unknown_in_words(name, lead))
