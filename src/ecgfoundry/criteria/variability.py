"""How much a measurement changes from one moment to the next in one person at rest.

One table serves two rules. A statement is *possible* instead of certain when one of the values it
rests on lies within this distance of its limit. A change between two recordings is one when it is
larger than this, unless windows of the two recordings themselves scatter more.

Each number is about the 90th percentile of the difference between two halves of one recording of
10 s or more (``python -m benchmarks.experiments.statements --repeat``; the page
``docs/statements.md`` shows the figures beside it), those of rate, of durations within a lead and
of sums of voltages our choice. The tails beyond are recordings with ectopic beats or noise, whose
own halves show it (:func:`ecgfoundry.criteria.serial.halves_differ`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["REPEAT", "Repeat", "repeat_of"]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The larger of an absolute distance (unit of the measurement) and a share of the value."""

    absolute: float
    share: float = 0.0

    def around(self, value: float) -> float:
        """Return the distance at a value."""
        return max(self.absolute, self.share * abs(value))


_NOTHING = Repeat(0.0)

REPEAT: Mapping[str, Repeat] = {
    "heart_rate_bpm": Repeat(3.0, 0.05),
    "atrial_rate_bpm": Repeat(3.0, 0.05),
    "p_ms": Repeat(12.0),
    "pr_ms": Repeat(10.0),
    "qrs_ms": Repeat(8.0),
    "qt_ms": Repeat(16.0),
    "jt_ms": Repeat(20.0),
    "t_peak_end_ms": Repeat(18.0),
    "qtc_ms": Repeat(20.0),
    "qtc_bazett_ms": Repeat(24.0),
    "qtc_framingham_ms": Repeat(20.0),
    "qtc_hodges_ms": Repeat(20.0),
    "p_axis_deg": Repeat(20.0),
    "qrs_axis_deg": Repeat(6.0),
    "t_axis_deg": Repeat(20.0),
    "p_mv": Repeat(0.035),
    "p_terminal_mv_ms": Repeat(1.5),
    "q_mv": Repeat(0.03, 0.08),
    "initial_q_mv": Repeat(0.03, 0.08),
    "r_mv": Repeat(0.05, 0.08),
    "s_mv": Repeat(0.05, 0.08),
    "r2_mv": Repeat(0.04, 0.08),
    "q_ms": Repeat(8.0),
    "r_ms": Repeat(8.0),
    "s_ms": Repeat(8.0),
    "r_peak_time_ms": Repeat(4.0),
    "st_j_mv": Repeat(0.035),
    "st_j40_mv": Repeat(0.035),
    "st_j60_mv": Repeat(0.035),
    "st_j80_mv": Repeat(0.04),
    "t_mv": Repeat(0.05, 0.15),
    "sokolow_lyon_mv": Repeat(0.06, 0.06),
    "right_sokolow_mv": Repeat(0.06, 0.06),
    "cornell_mv": Repeat(0.06, 0.06),
    "peguero_mv": Repeat(0.06, 0.06),
    "qrs_span_mv": Repeat(0.04, 0.06),
}
"""By the name of the measurement; what is not here (counts, shares, signs) is taken as exact, but
ratios of two waves and counts of wide or ectopic beats, which are as firm as what they are made of
(:attr:`ecgfoundry.criteria.quantity.Quantity.reach`)."""


def repeat_of(name: str) -> Repeat:
    """Return the repeat variability of a measurement."""
    return REPEAT.get(name, _NOTHING)
