"""The quality gate: can this window be read, is it an ECG, and what should its reader know?

:mod:`ecgfoundry.signals.quality` judges each lead by itself (missing, flat, saturated, noise above
40 Hz); :mod:`ecgfoundry.measurements.recognition` asks whether the readable leads together show
heartbeats. A window that fails either is refused, with a code and words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.recognition import recognise
from ecgfoundry.signals.quality import Notice, WindowQuality, assess_windows

__all__ = ["judge_window", "judge_windows"]


def judge_window(
    signal: NDArray[np.floating], sampling_rate: float, leads: Sequence[str]
) -> WindowQuality:
    """Judge one raw window (leads, samples); see :func:`judge_windows`."""
    return judge_windows(np.asarray(signal)[np.newaxis], sampling_rate, leads)[0]


def judge_windows(
    signals: NDArray[np.floating], sampling_rate: float, leads: Sequence[str]
) -> list[WindowQuality]:
    """Judge raw windows of one shape, each alone.

    Parameters
    ----------
    signals : ndarray (windows, leads, samples)
        mV, NaN = missing: the leads that are read. Rows that are missing throughout are absent.
    sampling_rate : float
        Hz.
    leads : sequence of str
        Names of the rows.

    Returns
    -------
    list of WindowQuality
        ``refusal`` has the codes of :func:`ecgfoundry.signals.quality.assess_windows`, or
        "no-beats" or "not-an-ecg".
    """
    judged = assess_windows(signals, sampling_rate, leads)
    return [
        quality
        if quality.refusal is not None
        else _with_recognition(np.asarray(signal), sampling_rate, leads, quality)
        for signal, quality in zip(signals, judged, strict=True)
    ]


def _with_recognition(
    signal: NDArray[np.floating],
    sampling_rate: float,
    leads: Sequence[str],
    quality: WindowQuality,
) -> WindowQuality:
    rows = [
        row
        for row, lead in enumerate(leads)
        if lead in quality.leads and quality.leads[lead].readable
    ]
    found = recognise(signal[rows], sampling_rate)
    if found.reason is None:
        return quality
    code = "no-beats" if found.reason == "no-beats" else "not-an-ecg"
    read = tuple(leads[row] for row in rows)
    words = f"not read as an ECG ({', '.join(read)}): {found.words}"
    return replace(quality, warnings=(), refusal=Notice(code, words, read))
