"""Criteria: named statements from measurements, each with its evidence and its source.

:func:`state` applies every criterion of the registry :data:`criteria` to the measurements of one
recording. A criterion is data: limits joined by *and*, *or*, *at least n of*
(:mod:`~ecgfoundry.criteria.rules`), one module per group. What one finding forbids to say about
another stands in one table (:mod:`~ecgfoundry.criteria.exclusions`).
"""

from __future__ import annotations

from ecgfoundry.criteria.decisions import decided_by_network, join
from ecgfoundry.criteria.registry import Criterion, criteria
from ecgfoundry.criteria.serial import Change, Comparison, compare_recordings
from ecgfoundry.criteria.stating import state, withheld
from ecgfoundry.criteria.types import Evidence, Statement

__all__ = [
    "Change",
    "Comparison",
    "Criterion",
    "Evidence",
    "Statement",
    "compare_recordings",
    "criteria",
    "decided_by_network",
    "join",
    "state",
    "withheld",
]
