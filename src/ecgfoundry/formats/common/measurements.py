"""What a device states about an ECG it has measured: one set of keys for all formats.

A reader puts the values into ``Recording.header`` under these keys, as text with the unit that the
key names, exactly as the device states them (rounded by the device, not by us).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["MEASUREMENTS", "STATEMENTS_KEY", "device_measurements", "stated_measurements"]

MEASUREMENTS: Mapping[str, str] = {
    "heart_rate_bpm": "ventricular rate, beats per minute",
    "atrial_rate_bpm": "atrial rate, beats per minute",
    "rr_ms": "mean RR interval",
    "p_ms": "P duration",
    "pr_ms": "PR (PQ) interval",
    "qrs_ms": "QRS duration",
    "qt_ms": "QT interval",
    "qtc_ms": "QT interval corrected for rate, by the device's own formula",
    "qtc_bazett_ms": "QTc by Bazett",
    "qtc_fridericia_ms": "QTc by Fridericia",
    "p_axis_deg": "frontal P axis",
    "qrs_axis_deg": "frontal QRS axis",
    "t_axis_deg": "frontal T axis",
    "qrs_count": "QRS complexes counted",
}
"""Key -> what it is."""

STATEMENTS_KEY = "statements"
"""Header key of the interpretation that the file carries, one statement per line."""


def stated_measurements(values: Mapping[str, object]) -> dict[str, str]:
    """Return the header entries of the values that are finite numbers, by the keys above.

    Words that devices write in place of a value ("Failed", "Indeterminate", "") are left out.
    """
    result = {}
    for key, value in values.items():
        if key not in MEASUREMENTS:
            raise KeyError(key)
        try:
            figure = float(str(value).strip())
        except ValueError:
            continue
        if math.isfinite(figure):
            result[key] = f"{figure:g}"
    return result


def device_measurements(header: Mapping[str, str]) -> dict[str, float]:
    """Return what the device measured, as numbers, from ``Recording.header``."""
    return {key: float(header[key]) for key in MEASUREMENTS if key in header}
