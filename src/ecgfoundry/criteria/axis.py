"""The frontal axis of the QRS complex, in degrees; 0 points to the left, +90 down."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, Limit
from ecgfoundry.criteria.sources import CHOICE, PART_III, TWELVE_SL

__all__ = ["CRITERIA"]


def _axis(name: str, low: Limit, high: Limit) -> Criterion:
    return Criterion(name, "axis", AllOf(low, high))


def _from(degrees: float, source: str = PART_III) -> Limit:
    return Limit("qrs_axis_deg", ">=", degrees, source)


def _above(degrees: float, source: str = PART_III) -> Limit:
    return Limit("qrs_axis_deg", ">", degrees, source)


def _below(degrees: float, source: str = PART_III) -> Limit:
    return Limit("qrs_axis_deg", "<", degrees, source)


def _upto(degrees: float, source: str = PART_III) -> Limit:
    return Limit("qrs_axis_deg", "<=", degrees, source)


CRITERIA = (
    _axis("LEFT AXIS DEVIATION", _from(-90.0), _below(-30.0)),
    _axis("ABNORMAL LEFT AXIS DEVIATION", _from(-90.0), _below(-45.0)),
    _axis("LEFTWARD AXIS", _from(-30.0), _below(-15.0, CHOICE)),
    _axis("RIGHT AXIS DEVIATION", _above(90.0), _upto(180.0)),
    _axis("ABNORMAL RIGHT AXIS DEVIATION", _above(120.0), _upto(180.0)),
    _axis("RIGHTWARD AXIS", _above(90.0), _upto(100.0, TWELVE_SL)),
    _axis("RIGHT SUPERIOR AXIS DEVIATION", _above(-180.0), _below(-90.0)),
)
