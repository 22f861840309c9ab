"""Every measured value by name: its unit, its definition, its number or the reason for none.

Whatever cannot be had is None, and says why. 0 is only ever a measured 0. Inside arrays, where None
has no place, NaN stands for it.

>>> Value(162.0, "ms", "P onset to QRS onset, median over the beats")
Value(value=162.0, unit='ms', method='P onset to QRS onset, median over the beats', reason=None)
>>> missing("ms", "no P wave was found").value is None
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["GLOBAL_VALUES", "LEAD_VALUES", "LeadMeasurements", "Measured", "Value", "missing"]


@dataclass(frozen=True, slots=True)
class Value:
    """A number with its unit and method; or no number, and the reason.

    ``value`` is None exactly where ``reason`` is not.
    """

    value: float | None
    unit: str
    method: str = ""
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a value is a finite number or None, not {self.value!r}")
        if (self.value is None) == (self.reason is None):
            raise ValueError("a value that is None needs a reason, and only that one has one")


def missing(unit: str, reason: str, method: str = "") -> Value:
    """Return a value that could not be had."""
    return Value(None, unit, method, reason)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a name in a table of measurements means: its unit and its definition."""

    unit: str
    definition: str


GLOBAL_VALUES: Mapping[str, Measured] = MappingProxyType(
    {
        "heart_rate_bpm": Measured("/min", "ventricular rate: 60 s over the mean RR interval"),
        "rr_mean_ms": Measured("ms", "mean RR interval"),
        "rr_median_ms": Measured("ms", "median RR interval"),
        "rr_shortest_ms": Measured("ms", "shortest RR interval"),
        "rr_longest_ms": Measured("ms", "longest RR interval"),
        "rr_variation_percent": Measured("%", "standard deviation over mean of the RR intervals"),
        "p_share_percent": Measured("%", "share of the beats with a P wave before the QRS"),
        "atrial_rate_bpm": Measured("/min", "60 s over the median PP interval"),
        "p_ms": Measured("ms", "P duration: P onset to P offset"),
        "pr_ms": Measured("ms", "PR interval: P onset to QRS onset"),
        "qrs_ms": Measured("ms", "QRS duration: QRS onset to QRS offset"),
        "qt_ms": Measured("ms", "QT interval: QRS onset to T offset"),
        "qtc_ms": Measured("ms", "QT corrected after Fridericia 1920: QT / cbrt(RR)"),
        "qtc_bazett_ms": Measured("ms", "QT corrected after Bazett 1920: QT / sqrt(RR)"),
        "qtc_framingham_ms": Measured("ms", "after Sagie 1992 (Framingham): QT + 154 (1 - RR)"),
        "qtc_hodges_ms": Measured("ms", "after Hodges 1983: QT + 1.75 (rate - 60)"),
        "jt_ms": Measured("ms", "JT interval: QRS offset to T offset"),
        "t_peak_end_ms": Measured("ms", "T peak to T offset"),
        "p_axis_deg": Measured("deg", "frontal axis of P from net areas"),
        "qrs_axis_deg": Measured("deg", "frontal axis of QRS from net areas"),
        "t_axis_deg": Measured("deg", "frontal axis of T from net areas"),
        "qrs_t_angle_deg": Measured("deg", "angle between QRS and T axis in the frontal plane"),
        "qrs_t_angle_spatial_deg": Measured(
            "deg", "angle between mean QRS and T vector (Kors 1990 matrix)"
        ),
        "sdnn_ms": Measured("ms", "standard deviation of the NN intervals (Task Force 1996)"),
        "rmssd_ms": Measured("ms", "root mean square of successive NN differences"),
        "pnn50_percent": Measured("%", "share of successive NN differences above 50 ms"),
        "hrv_triangular_index": Measured("1", "NN intervals over the height of their histogram"),
        "lf_ms2": Measured("ms2", "power of the NN intervals at 0.04 to 0.15 Hz"),
        "hf_ms2": Measured("ms2", "power of the NN intervals at 0.15 to 0.40 Hz"),
        "lf_hf_ratio": Measured("1", "LF over HF power"),
        "nn_share_percent": Measured("%", "share of the RR intervals that are NN intervals"),
    }
)
"""Every value of a recording as a whole: the keys of ``Measurements.values``, in this order."""


@dataclass(frozen=True, slots=True)
class LeadMeasurements:
    """The waves of one lead, on its median beat. None for what is not there or cannot be had.

    Amplitudes in mV from the level before the QRS onset (PR segment; P: from the line between its
    feet), negative below it: Q and S are negative numbers. Durations in ms. A complex without any
    positive part is a QS: it stands in ``q_mv`` and ``q_ms``, and ``r_mv`` and ``s_mv`` are None.
    See :data:`LEAD_VALUES` for each.
    """

    p_mv: float | None = None
    p_ms: float | None = None
    p_notched: bool | None = None
    p_terminal_mv_ms: float | None = None
    p_area_mv_ms: float | None = None
    q_mv: float | None = None
    q_ms: float | None = None
    r_mv: float | None = None
    r_ms: float | None = None
    s_mv: float | None = None
    s_ms: float | None = None
    r2_mv: float | None = None
    r2_ms: float | None = None
    s2_mv: float | None = None
    s2_ms: float | None = None
    qrs_ms: float | None = None
    r_peak_time_ms: float | None = None
    qrs_notched: bool | None = None
    delta_ms: float | None = None
    qrs_area_mv_ms: float | None = None
    st_j_mv: float | None = None
    st_j40_mv: float | None = None
    st_j60_mv: float | None = None
    st_j80_mv: float | None = None
    st_slope_mv_s: float | None = None
    t_mv: float | None = None
    t2_mv: float | None = None
    t_area_mv_ms: float | None = None
    snr_db: float | None = None

    @property
    def qs(self) -> bool | None:
        """Whether the whole complex is negative; None where it was not measured."""
        if self.qrs_area_mv_ms is None:
            return None
        return self.r_mv is None and self.q_mv is not None


LEAD_VALUES: Mapping[str, Measured] = MappingProxyType(
    {
        "p_mv": Measured("mV", "largest deflection of the P wave from its feet, either way"),
        "p_ms": Measured("ms", "P duration in this lead"),
        "p_notched": Measured("", "whether the P wave has two peaks 40 ms apart or more"),
        "p_terminal_mv_ms": Measured("mV ms", "Morris: depth times duration of the last, negative "
                                     "part of P; V1 alone, positive number"),
        "p_area_mv_ms": Measured("mV ms", "net area of the P wave"),
        "q_mv": Measured("mV", "lowest point before R; of the whole complex in a QS"),
        "q_ms": Measured("ms", "duration of Q, or of QS"),
        "r_mv": Measured("mV", "highest point of the first positive part"),
        "r_ms": Measured("ms", "duration of the first positive part"),
        "s_mv": Measured("mV", "lowest point of the negative part after R"),
        "s_ms": Measured("ms", "its duration"),
        "r2_mv": Measured("mV", "R': highest point of the second positive part"),
        "r2_ms": Measured("ms", "its duration"),
        "s2_mv": Measured("mV", "S': lowest point of the negative part after R'"),
        "s2_ms": Measured("ms", "its duration"),
        "qrs_ms": Measured("ms", "QRS duration in this lead"),
        "r_peak_time_ms": Measured("ms", "global QRS onset to the peak of the last R or R'"),
        "qrs_notched": Measured("", "whether the highest part of the complex has two peaks"),
        "delta_ms": Measured("ms", "duration of a slurred upstroke; None where there is none"),
        "qrs_area_mv_ms": Measured("mV ms", "net area of the QRS complex"),
        "st_j_mv": Measured("mV", "level at the J point"),
        "st_j40_mv": Measured("mV", "level at J + 40 ms"),
        "st_j60_mv": Measured("mV", "level at J + 60 ms"),
        "st_j80_mv": Measured("mV", "level at J + 80 ms"),
        "st_slope_mv_s": Measured("mV/s", "slope of the straight line from J to J + 80 ms"),
        "t_mv": Measured("mV", "largest deflection of the T wave, either way"),
        "t2_mv": Measured("mV", "largest deflection of its other part, of opposite sign"),
        "t_area_mv_ms": Measured("mV ms", "net area of the T wave"),
        "snr_db": Measured("dB", "power of the heartbeats over that of noise between 5 and 40 Hz"),
    }
)  # fmt: skip
"""Every field of :class:`LeadMeasurements`."""
