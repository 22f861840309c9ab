"""The quality gate: can this window be read, is it an ECG, and what should its reader know?

:mod:`ecgfoundry.signals.quality` judges each lead by itself (missing, flat, saturated, noise above
40 Hz); :mod:`ecgfoundry.measurements.recognition` asks whether the readable leads together show
heartbeats. A window that fails either is refused, with a code and words. Of one that is read,
:mod:`ecgfoundry.measurements.noise` gives every lead's signal to noise, with a warning where it is
low, and :mod:`ecgfoundry.measurements.acceptability` how probable it is that a reader would accept
it: an opinion, which refuses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.acceptability import with_acceptability
from ecgfoundry.measurements.recognition import recognise
from ecgfoundry.signals.quality import Notice, WindowQuality, assess_windows

__all__ = [
    "DOUBT",
    "MAY_BE_NO_ECG",
    "NO_ECG",
    "Description",
    "is_doubted",
    "judge_and_find_beats",
    "judge_window",
    "judge_windows",
    "mostly_doubted",
    "readable_leads",
    "still_known",
    "too_little_ecg",
]

Description = Literal["all", "noise", "nothing"]

NO_ECG = ("no-beats", "not-an-ecg")
"""Codes of what can be read and is no ECG."""
FEWEST_FOREIGN = 5
MOST_IMITATIONS = 0.1
"""Of a signal that is no ECG a window in fifteen passes the gate (docs/quality.md), so that an hour
of it always holds some: where at least so many windows are no ECG, and at most this share of all
that were asked is one, none is believed (our choice)."""

MAY_BE_NO_ECG = "may-be-no-ecg"
DOUBT = "this may be no ECG"
DOUBT_WORDS = f"{DOUBT}: what recurs is not surely shaped and spaced as heartbeats are"
DOUBTED_SHARE = 0.5
"""Of the windows that are read: where more are in doubt, the recording is (our choice: minutes of
disturbance or of a tachycardia do not speak for a long recording)."""

NOISE_IN_BAND = "noise-in-band"
NOISE_WORDS = "noise within the band of the ECG, the answer may change with it"
LOW_SNR_DB = 8.0
"""Below it a lead is noisy. Noise added at 6 dB changes 7 to 17 of 100 answers, at 12 dB 1 to 5
(``benchmarks/experiments/noise.py``); 7 of 100 windows of CinC 2017 are below as recorded."""
NOISY_SHARE = 0.5
"""Of the leads that are read, from which on there is a warning: of acceptable twelve-lead records
one in four has some noisy lead, one in fifty has six (our measurement on CinC 2011)."""


def judge_window(
    signal: NDArray[np.floating],
    sampling_rate: float,
    leads: Sequence[str],
    *,
    describe: Description = "all",
) -> WindowQuality:
    """Judge one raw window (leads, samples); see :func:`judge_windows`."""
    return judge_windows(np.asarray(signal)[np.newaxis], sampling_rate, leads, describe=describe)[0]


def judge_windows(
    signals: NDArray[np.floating],
    sampling_rate: float,
    leads: Sequence[str],
    known: Sequence[WindowQuality | None] | None = None,
    *,
    describe: Description = "all",
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
    known : sequence of WindowQuality or None, optional
        Of each window what was said of one shortly before in the same signal, if its answer to "is
        it an ECG?" may stand (:func:`still_known`); None: it is asked.
    describe : {"all", "noise", "nothing"}
        What is said of windows that are read: signal to noise with its warning and ``acceptable``;
        the first alone; neither. It refuses nothing.

    Returns
    -------
    list of WindowQuality
        ``refusal`` has the codes of :func:`ecgfoundry.signals.quality.assess_windows`, or
        "no-beats" or "not-an-ecg".
    """
    judged = assess_windows(signals, sampling_rate, leads)
    before = [None] * len(judged) if known is None else known
    return [
        quality
        if quality.refusal is not None
        else still_known(quality, earlier)
        or _with_recognition(np.asarray(signal), sampling_rate, leads, quality, describe)[0]
        for signal, quality, earlier in zip(signals, judged, before, strict=True)
    ]


def still_known(quality: WindowQuality, earlier: WindowQuality | None) -> WindowQuality | None:
    """Return a window's quality with what was recognised shortly before; None if that cannot stand.

    Parameters
    ----------
    quality : WindowQuality
        Of each lead by itself, not refused.
    earlier : WindowQuality or None
        It stands if it was read, and the same leads were readable: then the warnings of noise and
        of doubt, the leads' signal to noise and the second opinions are those of the earlier
        window.
    """
    if earlier is None or earlier.refusal is not None:
        return None
    if readable_leads(quality) != readable_leads(earlier):
        return None
    leads = {
        name: replace(
            figure, snr_db=earlier.leads[name].snr_db, acceptable=earlier.leads[name].acceptable
        )
        if name in earlier.leads
        else figure
        for name, figure in quality.leads.items()
    }
    noted = tuple(
        notice for notice in earlier.warnings if notice.code in (MAY_BE_NO_ECG, NOISE_IN_BAND)
    )
    return replace(
        quality, leads=leads, warnings=quality.warnings + noted, acceptable=earlier.acceptable
    )


def readable_leads(quality: WindowQuality) -> set[str]:
    """Return the names of the leads that are neither flat nor mostly missing."""
    return {name for name, lead in quality.leads.items() if lead.readable}


def judge_and_find_beats(
    signal: NDArray[np.floating], sampling_rate: float, leads: Sequence[str]
) -> tuple[WindowQuality, NDArray[np.int64] | None]:
    """Judge one raw window but for ``acceptable``, and return the beats by which it was recognised.

    They are those of :func:`ecgfoundry.measurements.beats.find_beats` in the readable leads; None
    where no beat was looked for.
    """
    (quality,) = assess_windows(np.asarray(signal)[np.newaxis], sampling_rate, leads)
    if quality.refusal is not None:
        return quality, None
    return _with_recognition(np.asarray(signal), sampling_rate, leads, quality, "noise")


def too_little_ecg(refusals: Sequence[Notice | None]) -> Notice | None:
    """Say that a recording of more than a minute is no ECG although a few windows look like one.

    Parameters
    ----------
    refusals : sequence of Notice or None
        Of each window; None: it is read. Flat and missing windows count neither way.
    """
    foreign = [notice for notice in refusals if notice and notice.code in NO_ECG]
    read = sum(notice is None for notice in refusals)
    if len(foreign) < FEWEST_FOREIGN or not 0 < read <= MOST_IMITATIONS * (read + len(foreign)):
        return None
    words = f"only {read} of {read + len(foreign)} windows look like an ECG: {foreign[0].message}"
    return Notice("not-an-ecg", words, foreign[0].leads)


def mostly_doubted(warnings: Sequence[Sequence[Notice]]) -> Notice | None:
    """Return the doubt whether a recording is an ECG: that of its windows, if most of them have it.

    Parameters
    ----------
    warnings : sequence of sequence of Notice
        Of each window that is read.
    """
    each = [[one for one in window if one.code == MAY_BE_NO_ECG] for window in warnings]
    doubts = [window[0] for window in each if window]
    return doubts[0] if len(doubts) > DOUBTED_SHARE * len(warnings) else None


def is_doubted(quality: WindowQuality) -> bool:
    """Whether a window that is read may be no ECG: nothing is decided of it."""
    return any(notice.code == MAY_BE_NO_ECG for notice in quality.warnings)


def _with_recognition(
    signal: NDArray[np.floating],
    sampling_rate: float,
    leads: Sequence[str],
    quality: WindowQuality,
    describe: Description,
) -> tuple[WindowQuality, NDArray[np.int64]]:
    rows = [
        row
        for row, lead in enumerate(leads)
        if lead in quality.leads and quality.leads[lead].readable
    ]
    found = recognise(signal[rows], sampling_rate, noise=describe != "nothing")
    if found.reason is None:
        read = tuple(leads[row] for row in rows)
        if found.doubtful:
            doubt = Notice(MAY_BE_NO_ECG, f"{', '.join(read)}: {DOUBT_WORDS}", read)
            quality = replace(quality, warnings=(*quality.warnings, doubt))
        quality = _with_noise(quality, read, found.snr_db)
        if describe == "all":
            quality = with_acceptability(quality, signal, sampling_rate, leads, found)
        return quality, found.beats
    code = "no-beats" if found.reason == "no-beats" else "not-an-ecg"
    read = tuple(leads[row] for row in rows)
    words = f"not read as an ECG ({', '.join(read)}): {found.words}"
    return replace(quality, warnings=(), refusal=Notice(code, words, read)), found.beats


def _with_noise(
    quality: WindowQuality, leads: Sequence[str], snr_db: NDArray[np.float64] | None
) -> WindowQuality:
    """Add the signal to noise of the leads, and a warning where it is low."""
    if snr_db is None:
        return quality
    known = {
        lead: snr for lead, snr in zip(leads, snr_db.tolist(), strict=True) if np.isfinite(snr)
    }
    figures = {
        lead: replace(figure, snr_db=known[lead]) if lead in known else figure
        for lead, figure in quality.leads.items()
    }
    warnings = quality.warnings
    noisy = tuple(lead for lead, snr in known.items() if snr < LOW_SNR_DB)
    if noisy and len(noisy) >= NOISY_SHARE * len(known):
        words = f"{', '.join(noisy)}: {NOISE_WORDS}"
        warnings += (Notice(NOISE_IN_BAND, words, noisy),)
    return replace(quality, leads=figures, warnings=warnings)
