"""Measurements written by hand: a healthy adult's, and what a test changes in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.atria import AtrialActivity
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.pacing import PacingSpike
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.measurements.values import LeadMeasurements, Value

UNITS = {"bpm": "/min", "ms": "ms", "percent": "%", "deg": "deg"}

VALUES: Mapping[str, float] = {
    "heart_rate_bpm": 75.0,
    "atrial_rate_bpm": 75.0,
    "p_share_percent": 100.0,
    "p_ms": 100.0,
    "pr_ms": 160.0,
    "qrs_ms": 90.0,
    "qt_ms": 380.0,
    "qtc_ms": 409.0,
    "p_axis_deg": 50.0,
    "qrs_axis_deg": 45.0,
    "t_axis_deg": 40.0,
    "t_peak_end_ms": 85.0,
}

_FLAT_ST = {
    "st_j_mv": 0.0,
    "st_j40_mv": 0.0,
    "st_j60_mv": 0.01,
    "st_j80_mv": 0.02,
    "st_slope_mv_s": 0.25,
}


def _lead(area: float, **figures: float) -> LeadMeasurements:
    known = _FLAT_ST | figures
    return LeadMeasurements(
        qrs_area_mv_ms=area,
        qrs_notched=False,
        p_notched=False,
        **known,  # type: ignore[arg-type]
    )


LEADS: Mapping[str, LeadMeasurements] = {
    "I": _lead(14, p_mv=0.08, r_mv=0.6, r_ms=45, s_mv=-0.1, s_ms=20, r_peak_time_ms=38, t_mv=0.2),
    "II": _lead(25, p_mv=0.12, r_mv=1.0, r_ms=50, s_mv=-0.1, s_ms=20, r_peak_time_ms=40, t_mv=0.3),
    "III": _lead(11, p_mv=0.05, r_mv=0.5, r_ms=45, s_mv=-0.1, s_ms=20, r_peak_time_ms=40, t_mv=0.1),
    "aVR": _lead(-20, p_mv=-0.1, q_mv=-0.8, q_ms=70, t_mv=-0.25),
    "aVL": _lead(3, p_mv=0.03, r_mv=0.3, r_ms=40, s_mv=-0.1, s_ms=20, r_peak_time_ms=36, t_mv=0.05),
    "aVF": _lead(18, p_mv=0.1, r_mv=0.75, r_ms=48, s_mv=-0.1, s_ms=20, r_peak_time_ms=40, t_mv=0.2),
    "V1": _lead(
        -18, p_mv=0.05, p_terminal_mv_ms=1.0, r_mv=0.2, r_ms=22, s_mv=-0.9, s_ms=50,
        r_peak_time_ms=20, t_mv=0.1,
    ),
    "V2": _lead(-20, p_mv=0.06, r_mv=0.4, r_ms=28, s_mv=-1.2, s_ms=48, r_peak_time_ms=24, t_mv=0.5),
    "V3": _lead(-2, p_mv=0.06, r_mv=0.7, r_ms=36, s_mv=-0.8, s_ms=40, r_peak_time_ms=30, t_mv=0.5),
    "V4": _lead(18, p_mv=0.06, r_mv=1.2, r_ms=46, s_mv=-0.4, s_ms=30, r_peak_time_ms=38, t_mv=0.4),
    "V5": _lead(
        26, p_mv=0.06, q_mv=-0.03, q_ms=14, r_mv=1.2, r_ms=48, s_mv=-0.2, s_ms=24,
        r_peak_time_ms=42, t_mv=0.35,
    ),
    "V6": _lead(
        24, p_mv=0.06, q_mv=-0.04, q_ms=15, r_mv=1.0, r_ms=50, s_mv=-0.1, s_ms=18,
        r_peak_time_ms=44, t_mv=0.3,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Built:
    """What differs from the healthy adult, and the person.

    ``labels`` and ``rr_s`` are per beat; ``pr_ms`` too (None: no P wave before the beat);
    ``blocked_s`` are the times of P waves that no complex follows; ``spikes`` (time, kind,
    captured); ``leads`` lead -> field -> value, and a lead of None takes it away.
    """

    values: Mapping[str, float | None] = field(default_factory=dict)
    leads: Mapping[str, Mapping[str, float | None] | None] = field(default_factory=dict)
    labels: str = "NNNNNNNNNN"
    rr_s: float | Sequence[float] = 0.8
    pr_ms: float | Sequence[float | None] | None = 160.0
    blocked_s: Sequence[float] = ()
    spikes: Sequence[tuple[float, str, bool | None]] = ()
    paced: bool | Sequence[bool] = False
    width_ms: Sequence[float] | float | None = None  # None: V 150, else 90; NaN: no end found
    age: float | None = 55.0
    sex: str | None = "male"

    def _width_ms(self) -> NDArray[np.float64]:
        if self.width_ms is None:
            return np.array([150.0 if label == "V" else 90.0 for label in self.labels])
        return np.asarray(self.width_ms, dtype=np.float64)

    def measurements(self) -> Measurements:
        """Return the measurements."""
        count = len(self.labels)
        rr = np.full(count, self.rr_s) if isinstance(self.rr_s, float) else np.array(self.rr_s)
        times = 0.5 + np.cumsum(rr) - rr[0]
        pr = self.pr_ms if isinstance(self.pr_ms, Sequence) else [self.pr_ms] * count
        pr_ms = np.array([np.nan if value is None else value for value in pr], dtype=float)
        onset = times - 0.04
        beats = Beats.from_samples(
            np.rint(times * 500).astype(np.int64),
            500.0,
            label=list(self.labels),
            qrs_onset_s=onset,
            qrs_offset_s=onset + np.broadcast_to(self._width_ms() / 1000.0, count),
            p_s=onset - pr_ms / 1000.0,
            paced=np.broadcast_to(np.array(self.paced), count),
        )
        return Measurements(
            beats=beats,
            leads=self._leads(),
            values=self._values(),
            median=None,
            pacing=tuple(PacingSpike(*spike) for spike in self.spikes),
            p_relation=self._atria(onset, pr_ms),
            duration_s=float(times[-1]) + 0.5,
            sampling_rate=500.0,
        )

    def _leads(self) -> dict[str, LeadMeasurements]:
        result = dict(LEADS)
        for lead, figures in self.leads.items():
            if figures is None:
                del result[lead]
            else:
                changes: dict[str, Any] = dict(figures)
                result[lead] = replace(result[lead], **changes)
        return result

    def _values(self) -> dict[str, Value]:
        result = {}
        for name, number in {**VALUES, **self.values}.items():
            unit = UNITS[name.rpartition("_")[2]]
            reason = "taken away by the test" if number is None else None
            result[name] = Value(number, unit, "by hand", reason)
        return result

    def _atria(self, onset: np.ndarray, pr_ms: np.ndarray) -> AtrialActivity:
        there = np.flatnonzero(np.isfinite(pr_ms))
        times = onset[there] - pr_ms[there] / 1000.0 + 0.05
        every = np.concatenate([times, np.array(self.blocked_s, dtype=float)])
        beat = np.concatenate([there, np.full(len(self.blocked_s), -1)]).astype(np.int64)
        order = np.argsort(every)
        return AtrialActivity(every[order], beat[order], pr_ms)
