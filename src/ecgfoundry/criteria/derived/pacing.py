"""Pacing spikes and paced beats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecgfoundry.criteria.derived.common import Function, derived, exact, has_enough, named, too_few
from ecgfoundry.criteria.quantity import Quantity

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case


def _spikes(kind: str) -> Function:
    name = f"{kind}_spike_count"

    def count(case: Case) -> Quantity:
        found = [spike for spike in case.measurements.pacing if spike.kind == kind]
        return exact(len(found), name)

    derived[name] = count
    return count


def _spike_share(kind: str) -> Function:
    name = f"{kind}_spikes_per_beat_percent"

    def share(case: Case) -> Quantity:
        if not has_enough(case):
            return too_few(name)
        found = [spike for spike in case.measurements.pacing if spike.kind == kind]
        return exact(100.0 * len(found) / len(case.measurements.beats), name)

    derived[name] = share
    return share


for _kind in ("atrial", "ventricular"):
    _spikes(_kind)
    _spike_share(_kind)


@named("spike_count")
def _all_spikes(case: Case) -> Quantity:
    return exact(len(case.measurements.pacing), "spike_count")


@named("spike_without_capture_count")
def _lost(case: Case) -> Quantity:
    lost = [spike for spike in case.measurements.pacing if spike.captured is False]
    return exact(len(lost), "spike_without_capture_count")


@named("paced_share_percent")
def _paced_share(case: Case) -> Quantity:
    if not has_enough(case):
        return too_few("paced_share_percent")
    return exact(100.0 * float(case.measurements.beats.paced.mean()), "paced_share_percent")
