"""Pacemakers, from the spikes in the raw signal and how P waves and QRS complexes follow them.

A rhythm is paced when the spikes are there for four beats in five; fewer are paced complexes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, AnyOf, Limit, Rule, Verdict
from ecgfoundry.criteria.sources import AHA_2007, CHOICE
from ecgfoundry.measurements.pacing import LEAST_RATE_HZ

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case

__all__ = ["CRITERIA"]

RHYTHM_PERCENT = 80.0


@dataclass(frozen=True, slots=True)
class _OfSpikes:
    """A rule about spikes, which cannot be told where the rate is too low to look for them."""

    rule: Rule

    def evaluate(self, case: Case) -> Verdict:
        """Evaluate the rule, unless nothing could have been found."""
        rate = case.measurements.sampling_rate
        if case.measurements.pacing or not 0.0 < rate < LEAST_RATE_HZ:
            return case.evaluate(self.rule)
        words = f"pacing spikes are looked for from {LEAST_RATE_HZ:g} Hz on, and this has {rate:g}"
        return Verdict(None, None, None, reasons=(words,))

    def parts(self) -> Sequence[Rule]:
        """Return the rule."""
        return (self.rule,)


def _share(chamber: str, comparison: str, limit: float = RHYTHM_PERCENT) -> Limit:
    return Limit(f"{chamber}_spikes_per_beat_percent", comparison, limit, CHOICE)


def _some(chamber: str) -> Limit:
    return Limit(f"{chamber}_spike_count", ">=", 1.0, AHA_2007)


def _none(chamber: str) -> Limit:
    return Limit(f"{chamber}_spike_count", "<=", 0.0, AHA_2007)


_CAPTURED = Limit("paced_share_percent", ">=", RHYTHM_PERCENT, CHOICE)
_P_BEFORE = Limit("p_share_percent", ">=", 60.0, CHOICE)


def _paced(name: str, rule: Rule, *, confirm: bool = False) -> Criterion:
    return Criterion(name, "pacing", _OfSpikes(rule), adults_only=False, needs_confirmation=confirm)


CRITERIA = (
    _paced("ELECTRONIC VENTRICULAR PACEMAKER", _some("ventricular")),
    _paced("ELECTRONIC ATRIAL PACEMAKER", _some("atrial")),
    _paced(
        "AV SEQUENTIAL OR DUAL CHAMBER ELECTRONIC PACEMAKER",
        AllOf(_some("atrial"), _some("ventricular")),
    ),
    _paced("VENTRICULAR-PACED RHYTHM", AllOf(_CAPTURED, _share("ventricular", ">="))),
    _paced(
        "ATRIAL-PACED RHYTHM",
        AllOf(_share("atrial", ">="), _none("ventricular")),
    ),
    _paced(
        "AV DUAL-PACED RHYTHM",
        AllOf(_share("atrial", ">="), _share("ventricular", ">=")),
    ),
    _paced(
        "ATRIAL-SENSED VENTRICULAR-PACED RHYTHM",
        AllOf(_CAPTURED, _share("ventricular", ">="), _none("atrial"), _P_BEFORE),
    ),
    _paced(
        "VENTRICULAR-PACED COMPLEXES",
        AllOf(_some("ventricular"), _share("ventricular", "<")),
    ),
    _paced(
        "ATRIAL-PACED COMPLEXES",
        AllOf(_some("atrial"), _share("atrial", "<")),
    ),
    _paced(
        "AV DUAL-PACED COMPLEXES",
        AllOf(
            _some("atrial"),
            _some("ventricular"),
            AnyOf(_share("atrial", "<"), _share("ventricular", "<")),
        ),
    ),
    _paced(
        "ELECTRONIC DEMAND PACING",
        AllOf(
            Limit("spike_count", ">=", 1.0, AHA_2007),
            _share("atrial", "<"),
            _share("ventricular", "<"),
        ),
    ),
    _paced(
        "SUSPECT UNSPECIFIED PACEMAKER FAILURE",
        Limit("spike_without_capture_count", ">=", 1.0, AHA_2007),
        confirm=True,
    ),
)
