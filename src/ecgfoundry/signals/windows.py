"""Where the windows of a recording stand. One rule, used by everything."""

from __future__ import annotations

__all__ = ["LONG_RECORDING_S", "REMAINDER_SHARE", "is_long", "window_bounds"]

REMAINDER_SHARE = 0.1
"""A remainder shorter than this share of the window is dropped (our choice: it makes 10.004 s of
a device that stops late one window, not two nearly equal ones)."""


LONG_RECORDING_S = 60.0
"""Beyond it there is no averaged diagnosis but episodes and burden (our choice)."""
TOLERANCE_S = 2.0
"""The longest record of the CinC 2017 set has 61 s, which still is one strip."""


def is_long(duration_s: float) -> bool:
    """Whether a recording is described by episodes and burden instead of one diagnosis.

    Examples
    --------
    >>> is_long(61.0), is_long(62.5)
    (False, True)
    """
    return duration_s > LONG_RECORDING_S + TOLERANCE_S


def window_bounds(
    samples: int, sampling_rate: float, window_s: float, *, tail: str = "align"
) -> list[tuple[int, int]]:
    """Cut a recording into consecutive windows.

    Parameters
    ----------
    samples : int
        Length of the recording.
    sampling_rate : float
        Hz.
    window_s : float
        Seconds.
    tail : {"align", "drop"}
        What happens with a remainder of at least a tenth of a window: it is covered by a last
        window that ends with the recording and overlaps the one before (so every window is full
        and no signal is lost), or dropped (no overlap: for corpora).

    Returns
    -------
    list of (start, stop)
        In samples. A recording shorter than one window gives one shorter window; an empty one
        gives none. Window k starts at ``round(k * window_s * sampling_rate)``, so starts do not
        drift at rates where a window is no whole number of samples.
    """
    length = round(window_s * sampling_rate)
    if samples <= 0:
        return []
    if samples <= length:
        return [(0, samples)]
    exact = window_s * sampling_rate
    bounds: list[tuple[int, int]] = []
    while True:
        start = round(len(bounds) * exact)
        if start + length > samples:
            break
        bounds.append((start, start + length))
    remainder = samples - bounds[-1][1]
    if tail == "align" and remainder >= REMAINDER_SHARE * length:
        bounds.append((samples - length, samples))
    return bounds
