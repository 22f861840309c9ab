"""Quantities that criteria need and that are worked out from other measurements.

Two tables, by name: :data:`DERIVED` for the recording (counts of beats, shares, sums of voltages)
and :data:`LEAD_DERIVED` for one lead. Each function takes a case (and a lead) and returns a
:class:`~ecgfoundry.criteria.quantity.Quantity`, with the reason where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ecgfoundry.measurements.results import Measurements

# Each module puts its own into the tables, in the order of this list.
from ecgfoundry.criteria.derived import (  # isort: skip
    rhythm,  # noqa: F401
    ectopy,  # noqa: F401
    pauses,  # noqa: F401
    conduction,  # noqa: F401
    pacing,  # noqa: F401
    voltages,  # noqa: F401
)
from ecgfoundry.criteria.derived.common import (
    Function,
    LeadFunction,
    counted,
    derived,
    lead_derived,
)

__all__ = ["DERIVED", "LEAD_DERIVED", "counted_beats"]

DERIVED: Mapping[str, Function] = MappingProxyType(derived)
LEAD_DERIVED: Mapping[str, LeadFunction] = MappingProxyType(lead_derived)


def counted_beats(name: str, measurements: Measurements) -> tuple[int, ...]:
    """Return the beats that a count is of, as positions in ``measurements.beats``.

    Evidence names the first of them alone (``beat``); whoever shows it on the trace shows all.
    Empty for what counts no beats.

    Parameters
    ----------
    name : str
        Of a derived quantity ("ventricular_premature_count").
    measurements : Measurements
    """
    found = counted.get(name)
    return () if found is None else tuple(found(measurements).tolist())
