"""What a device states about an ECG it has measured: one set of keys for all formats.

A reader puts the values into ``Recording.header`` under these keys, as text with the unit that the
key names, exactly as the device states them (rounded by the device, not by us).
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "MEASUREMENTS",
    "STATEMENTS_KEY",
    "device_measurements",
    "is_measured",
    "stated_measurements",
]

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

_NOT_MEASURED = frozenset({-1.0, 19_999.0, 29_998.0, 29_999.0, 32_767.0, 65_535.0})
"""What devices write in place of a value: -1, the largest numbers of 16 bits, and the codes of
SCP-ECG (EN 1064, section 7: 29999 not calculated, 29998 not found, 19999 lead rejected)."""

_LARGEST = {"bpm": 600.0, "ms": 5_000.0, "deg": 360.0, "count": 1e6}
"""Above it a figure stands for "not measured" (999 degrees, 9999 ms), by unit (our choice)."""

STATEMENTS_KEY = "statements"
"""Header key of the interpretation that the file carries, one statement per line."""


def stated_measurements(values: Mapping[str, object]) -> dict[str, str]:
    """Return the header entries of the values that were measured, by the keys above.

    Words and numbers that devices write in place of a value are left out: see
    :func:`is_measured`.
    """
    return {
        key: f"{float(str(value).strip()):g}"
        for key, value in values.items()
        if is_measured(key, value)
    }


def is_measured(key: str, value: object) -> bool:
    """Whether a value that stands under ``key`` was measured.

    Words ("Failed", "Indeterminate", ""), and numbers that stand for "not measured": 0 of a
    duration, a rate or a count, negative ones, the largest of 16 bits, and what no ECG has. Of an
    axis, -1 is left to the reader, since an axis may have it.

    Examples
    --------
    >>> is_measured("qtc_ms", "0"), is_measured("p_axis_deg", "0"), is_measured("t_axis_deg", 999)
    (False, True, False)
    """
    if key not in MEASUREMENTS:
        raise KeyError(key)
    try:
        figure = float(str(value).strip())
    except ValueError:
        return False
    largest = _LARGEST[key.rpartition("_")[2]]
    if key.endswith("_deg"):
        return abs(figure) <= largest
    return 0 < figure <= largest and figure not in _NOT_MEASURED


def device_measurements(header: Mapping[str, str]) -> dict[str, float]:
    """Return what the device measured, as numbers, from ``Recording.header``."""
    return {key: float(header[key]) for key in MEASUREMENTS if key in header}
