"""Is this an ECG? Complexes that recur, steep on both sides, between stretches of little slope.

No single figure tells an ECG from all else that an electrode, a sensor or a generator gives. A few
do together, each aimed at a kind of signal that looks like beats to a detector:

- noise and tremor have waves that are like one another, and like their mirror image (``mirror``);
- blows, bursts of muscle noise and movements have transients of which none recurs (``likeness``);
- pressure and pulse waves and sawtooth waves are steep on one side only (``steepness``);
- pulses, square waves and amplifiers at their rails change the level for good (``step``);
- stimulators and vibrations are nothing but sharp, pulse waves and rocking have no corner at all
  (``sharp_share``, ``crisp_share``);
- steps of a walk and sums of sine waves have slope all the time (``spread``).

Boosted trees on the same figures (``ecg_recognition.json``) know what no single limit does. They
refuse what breaks no limit and still looks like no heartbeats (the slope of a pressure, spikes and
waves of an EEG), and let a disturbed ECG pass that breaks a limit by a little. Where they pass a
window without being sure, it is read with a doubt (:data:`UNSURE`).

The limits were chosen on 1,500 records of CinC 2017 (of them a second 1,500 give the figures of
docs/quality.md), CinC 2011, PTB-XL, LUDB, MIT-BIH, CinC 2020/2021 and Brugada-HUCA, on tachycardias
made of broad and narrow complexes, and on the signals of ``benchmarks/experiments/
hostile_signals.py``. Beside each stands what was measured. ``benchmarks/experiments/
ecg_recognition.py`` makes the trees, from more signals that are no ECG, and from nothing of
Brugada-HUCA and of DS2 of MIT-BIH.

Ventricular fibrillation and asystole have no QRS complexes, and nothing here tells them from noise
and from a detached electrode. Both are refused, and the words of the refusal say so.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements import second_look
from ecgfoundry.measurements.beats import Detection, detect
from ecgfoundry.measurements.likeness import complexes, correlations, recurrence
from ecgfoundry.measurements.medians import median, median_of_rows
from ecgfoundry.measurements.noise import signal_to_noise_db
from ecgfoundry.measurements.recognition_kernel import Complexes, measure_complexes
from ecgfoundry.measurements.second_look import second_look_trees, second_row
from ecgfoundry.measurements.trees import Trees

__all__ = [
    "DOUBTED",
    "FIGURES",
    "FORGIVEN",
    "Examined",
    "Recognition",
    "broken_limit",
    "examine",
    "figures_row",
    "recognise",
    "recognition_trees",
]

FILE = "ecg_recognition.json"

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

SLOWEST_BPM = 20.0
LONG_S = 2 * 60.0 / SLOWEST_BPM
"""A window that is long enough for two beats at this rate and holds fewer is refused."""
REACH_S = 0.2
"""To either side of a beat: complexes are compared over this."""
ALIKE = 0.8
"""Complexes of one shape have at least this correlation."""
LEAST_LIKENESS = 0.55
"""Median over the beats of the third best correlation with another beat. 0.65 in 199 of 200 windows
of CinC 2017, 0.59 of MIT-BIH; blows 0.58 at most, bursts of muscle noise 0.45."""
MANY_COMPLEXES = 9
LEAST_MEMBERS = 0.19
"""Share of the complexes that are like the commonest, asked of at least so many. 0.31 or more in
1,293 windows of records, 0.2 in the most disturbed of 2,475; bursts of a tremor 0.08 to 0.21, each
of which finds a third like it."""
MOST_MIRROR = 0.92
EXTREMES_PER_BEAT = 2
"""How much the commonest shape is like the signal upside down: the lowest correlations anywhere in
the window over the highest, two samples per beat of each. 0.81 in 99 of 100 windows of CinC 2017,
0.73 of MIT-BIH, 0.9 in made rhythms of 300 per minute; noise of any band, tremor, EEG and sine
waves 0.95 to 1.08."""
LEAST_STEEPNESS = 12.5
FAST_STEEPNESS = 9.0
"""Of the median beat: the steepest slope of the less steep direction within 120 ms of its middle,
over its height, 1/s. 16 in 199 of 200 windows; pressure waves 2.6 to 11.6, pulses and sawtooth
waves under 9. Complexes of 240 ms with a T wave at 160 per minute have 10.7."""
LEAST_BALANCE = 0.22
"""The less steep direction over the steeper one: 0.31 at least in records; sawtooth waves, pulses,
square waves and rails 0.0 to 0.18."""
SHARP_FOCUS, SHARP_BALANCE = 0.90, 0.19
"""All slope in one place: a complex may be steeper on one side. aVL of the sample JS20000 has 0.92
and 0.22."""
EDGE_STEEPNESS = 110.0
EDGE_FOCUS = 0.7
"""A rectangle has two edges, each of one sample, and little slope between them. The steepest slopes
of records are 98 to 104, rarely 180, and then in one place, as a pacemaker's spike."""
MOST_STEP = 0.5
"""Of the median beat: how far the level before the complex is from the level after it, over its
height. 0.35 in 99 of 100 windows; pulses, square waves and rails 0.9 to 1, saccades 0.4 to 0.95."""
FAST_BPM = 150.0
FAST_STEP = 0.3
"""At faster rates, where T waves overlap: 0.16 at most in made rhythms; sums of sines to 0.33."""
LEAST_CONTRAST = 8.0
LEAST_FOCUS = 0.62
SPREAD_STEP = 0.12
WALKING_BPM = 140.0
WALKING_CONTRAST = 4.0
"""Contrast: energy within 60 ms of the beats over energy beyond 100 ms. Focus: share of the squared
slope of the median beat in its best 100 ms. A walk has contrasts of 0.3 to 8 and a focus of 0.27
to 0.63, steps 0.15 to 0.6. Of records only noisy ones have a low contrast, broad beats a low focus;
all three together are refused at rates up to 150 per minute, and the first two at rates of steps if
the contrast is under 4 (4.9 in 199 of 200 windows of CinC 2017)."""
LEAST_FOCUS_OF_ALL = 0.4
LEAST_CONTRAST_OF_ALL = 1.0
FASTEST_BPM = 320.0
"""In the broadest made tachycardia the focus is 0.45 and the contrast 1.2; in EEG and mains 0.24 to
0.4 and 0.02 to 1."""
SMOOTH_SHARE = 0.03
SMOOTH_STEEPNESS = 20.0
SMOOTH_STEP = 0.06
"""Pulse waves: of the power of the median beat from 1 Hz on so little lies above 8 Hz (0.00 to
0.03; 0.04 in 199 of 200 windows), the steepness is under this (3 to 19), and either the level
drifts (0.07 to 0.5) or there is a contrast as of narrow complexes (5 to 60)."""
PULSE_SHARE = 0.07
PULSE_CRISP = 0.004
PULSE_STEP = 0.2
PULSE_BPM = 110.0
"""Of the power from 1 Hz on so little lies above 15 Hz (``crisp_share``), and the level is another
behind the beat: fast pulse and pressure waves. Of 2,475 windows of records none has all of it at
this rate or above."""
ROUND_CRISP = 0.005
ROUND_SHARE = 0.25
ROUND_FOCUS = 0.6
"""Waves without a corner, and slope all over the beat: the first derivative of a pulse or pressure
wave. None of 1,293 windows at rates up to 150 per minute; of made bundle-branch blocks in 5 % noise
the focus is 0.62."""
LINES_SHARE = 0.05
LINES_CRISP = 0.012
LINES_FOCUS = 0.75
"""Power above 8 Hz, next to none of it above 15 Hz, and no steep place: a few lines, as of sine
waves. Of complexes the power falls off: 0.016 at least in records, 0.02 in made tachycardias."""
ROCKING_MIRROR = 0.85
ROCKING_FOCUS = 0.66
"""Much the same upside down and without one steep place: the heart's blows on a bed or a chest."""
SPIKE_SHARP = 0.93
SPIKE_SLOPE = 0.86
VIBRATION_SHARP = 0.9
VIBRATION_FOCUS = 0.93
"""Nothing but sharp, where a QRS complex of adults has a slow part, too (``sharp_share`` 0.90 at
most, 0.97 in an infant): either with all slope within 15 ms (``spike``: 0.85 at most in records,
stimulators 0.87 to 1.0), or spread out, as vibrations of the chest and heart sounds (focus 0.77 to
0.92; of the infant 0.99)."""
WIDE_REACH_S = 0.4
"""The median beat reaches so far to either side, at most half the usual interval."""
EDGE_REACH_S = 0.12
NEAR_S, AWAY_S, LEAST_AWAY = 0.06, 0.1, 0.1
"""Of the contrast: what is near to a beat, what is away from it, and the least share that must be
away."""
FOCUS_S, SPIKE_S = 0.1, 0.015
"""The stretches whose share of the squared slope is ``focus`` and ``spike``."""
SHARES_FROM_HZ = (1.0, 8.0, 15.0)
"""All, sharp and crisp power of the median beat begin here."""
MOST_FIGURE = 1e6
"""The trees see no figure above it: a contrast may be infinite."""

FIGURES = (
    *("rate", "contrast", "likeness", "members", "mirror", "steepness", "steepest", "balance"),
    *("step", "focus", "spike", "sharp_share", "crisp_share"),
)
"""What the trees see."""
DOUBTED = -1.4
FORGIVEN = 0.5
"""Log-odds of an ECG: below the first a window is refused although no limit is broken, from the
second on it is read although one is. No more records are refused than by the limits alone
(docs/quality.md); the first is as low as it is for beats of the ventricles."""
UNSURE = 0.75
"""Log-odds under which a window that is read may be no ECG. Chosen on 1,196 records of CinC 2017
that neither made the trees nor are reported: 6 are under it, 12 under 1.0; of 313 acceptable ones
of CinC 2011 none and 4. Of 93 hostile signals of one lead that pass 56 are under it, 59 under 1.0.
"""
SEVERAL_SHAPES = 0.7
"""Share of the commonest shape (``members``) under which there is no doubt: what recurs in several
shapes may be a tachycardia of the ventricles. In six windows of MIT-BIH 203, 205 and 207 with runs,
bigeminy or flutter it is 0.2 to 0.6; in 45 of the 56 hostile signals it is above."""
SILENCE = 100.0
"""Contrast from which on there is no doubt: complexes in next to nothing, as programs draw ECGs
(a Gaussian of 8 to 25 ms a second in 1 % noise: 240 to 940). 5 of 58 hostile signals are above."""
NOTHING_RECURS = 0.15
"""Likeness under which the trees forgive nothing, asked of :data:`MANY_COMPLEXES` and more. Of 56
windows of records that are unlike and forgiven (of 11,737) the lowest with so many complexes has
0.27; pops of twelve electrodes, each at its own moments, have 0.01 to 0.05."""

WORDS = {
    "no-beats": "no heartbeats are found (neither are they in asystole, in ventricular "
    "fibrillation and with electrodes off)",
    "unlike": "what stands out does not recur from beat to beat",
    "mirror": "the waves are the same upside down, as those of noise, tremor and generators",
    "one-sided": "the waves are steep on one side only or not at all, unlike QRS complexes",
    "steps": "the level steps up and down instead of showing QRS complexes",
    "spikes": "the complexes are spikes or vibrations without the slower part of a QRS complex",
    "spread": "the signal moves all the time instead of in QRS complexes",
    "shape": "what recurs is not shaped and spaced as heartbeats are",
}


@dataclass(frozen=True, slots=True)
class Recognition:
    """Whether a window holds an ECG.

    Parameters
    ----------
    beats : ndarray of int64
        Sample numbers of the R peaks that were found, whether or not they were believed.
    reason : str or None
        Why it is none: "no-beats", "unlike", "mirror", "one-sided", "steps", "spikes", "spread" or
        "shape".
    figures : dict of str to float
        What was measured, under the names of this module's limits.
    snr_db : ndarray (leads,) or None
        Signal to noise of every lead between 5 and 40 Hz (:mod:`ecgfoundry.measurements.noise`);
        NaN for a lead that is half missing or constant. None where beats are too few, where the
        window is no ECG, and where nobody asked.
    doubtful : bool
        It passes, but the trees are less sure than of nearly all records (:data:`UNSURE`), or the
        second look sees no ECG (:mod:`ecgfoundry.measurements.second_look`).
    """

    beats: Int64
    reason: str | None
    figures: dict[str, float]
    snr_db: Float64 | None = None
    doubtful: bool = False

    @property
    def words(self) -> str:
        """Why it is none, in words; empty if it is one."""
        return "" if self.reason is None else WORDS[self.reason]


def recognise(
    signal: NDArray[np.floating], sampling_rate: float, *, noise: bool = True
) -> Recognition:
    """Decide whether a window of a few seconds holds an ECG.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        Any unit, NaN = missing; every lead that is read. A lead without beats does not matter
        beside one with them.
    sampling_rate : float
        Hz.
    noise : bool
        Whether to measure the signal to noise of a window that is one, and to take the second look.
        Without it, of thousands of windows (a Holter report's, a corpus's), the first is enough.
    """
    found = detect(signal, sampling_rate)
    if found is None or found.beats.size == 0:
        return Recognition(np.empty(0, np.int64), "no-beats", {})
    beats = _places(found)
    if beats.size < 2 and found.coarse.shape[1] >= LONG_S * found.rate:
        return Recognition(found.beats, "no-beats", {})
    measured = _measured(found, beats)
    figures = _named(measured)
    reason, doubtful = _verdict(figures)
    if reason is not None:
        return Recognition(found.beats, reason, figures)
    if not noise:
        return Recognition(found.beats, None, figures, doubtful=doubtful)
    if not doubtful:
        seen = _row(found, beats, measured)[None]
        silent = figures["contrast"] >= SILENCE
        limit = second_look.UNLIKE_IN_SILENCE if silent else second_look.UNLIKE_AN_ECG
        doubtful = float(second_look_trees().logits(seen)[0]) < limit
    snr = None
    alike = measured.likeness >= ALIKE
    known = signal_to_noise_db(found.coarse, beats[measured.kept], alike, found.rate)
    if known is not None:
        snr = np.full(len(signal), np.nan)
        snr[found.rows] = known
    return Recognition(found.beats, None, figures, snr, doubtful)


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """What the second look sees of a window, and what the first says of it.

    Parameters
    ----------
    row : ndarray (figures,)
        In the order of :data:`FIGURES` and
        :data:`~ecgfoundry.measurements.second_look.SECOND_FIGURES`.
    reason : str or None
    doubtful : bool
        As in :class:`Recognition`, by the first look alone.
    """

    row: Float64
    reason: str | None
    doubtful: bool


def examine(signal: NDArray[np.floating], sampling_rate: float) -> Examined | None:
    """Measure a window for the trees of the second look, also where the first one refuses it.

    None where there are no complexes; the arguments are those of :func:`recognise`.
    """
    found = detect(signal, sampling_rate)
    if found is None or found.beats.size == 0:
        return None
    beats = _places(found)
    measured = _measured(found, beats)
    figures = _named(measured)
    if "steepness" not in figures:
        return None
    return Examined(_row(found, beats, measured), *_verdict(figures))


def _places(found: Detection) -> Int64:
    """Return the beats as samples of ``found.coarse``."""
    return np.minimum(found.beats // found.factor, found.coarse.shape[1] - 1)


def _named(measured: Complexes) -> dict[str, float]:
    return {
        name: value
        for name, value in zip(FIGURES, measured.figures.tolist(), strict=True)
        if not math.isnan(value)
    }


def _row(found: Detection, beats: Int64, measured: Complexes) -> Float64:
    second = second_row(found, beats, measured.kept, measured.likeness)
    return np.concatenate([figures_row(_named(measured))[0], second])


def _measured(found: Detection, beats: Int64) -> Complexes:
    """Compare the beats (samples of ``found.band``) and measure what the limits are about."""
    rate = found.rate
    limits = {
        "reach": round(REACH_S * rate),
        "edge_reach": round(EDGE_REACH_S * rate),
        "focus": round(FOCUS_S * rate),
        "spike": max(1, round(SPIKE_S * rate)),
        "many": MANY_COMPLEXES,
        "extremes": EXTREMES_PER_BEAT,
        "near": NEAR_S * rate,
        "away": AWAY_S * rate,
        "least_away": LEAST_AWAY,
        "alike": ALIKE,
        "wide_reach": WIDE_REACH_S * rate,
        "usual": 60.0 / SLOWEST_BPM * rate,
        "rate": rate,
    }
    limits |= zip(("slow", "sharp", "crisp"), SHARES_FROM_HZ, strict=True)
    done = measure_complexes(found.band, found.coarse, found.shares, beats, limits)
    if done is not None:
        return done
    windows, kept = complexes(found.band, beats, round(REACH_S * rate))
    likeness = correlations(windows)
    figures = _figures(found, beats, windows, kept, likeness)
    values = np.array([figures.get(name, math.nan) for name in FIGURES])
    return Complexes(values, kept, likeness)


def _figures(
    found: Detection, beats: Int64, windows: Float64, kept: Int64, likeness: Float64
) -> dict[str, float]:
    """Measure what the limits are about; of beats ``kept`` the complexes are at hand."""
    rate = found.rate
    interval = median(np.diff(beats)) if beats.size > 1 else 60.0 / SLOWEST_BPM * rate
    result = {"rate": 60.0 * rate / interval, "contrast": _contrast(found.band, beats, rate)}
    if len(windows) == 0:
        return result
    alike = likeness >= ALIKE
    members = alike[alike.sum(axis=1).argmax()]
    if len(windows) > 1:
        others = likeness.copy()
        np.fill_diagonal(others, -1.0)
        best = np.sort(others, axis=1)[:, ::-1]
        result["likeness"] = median(best[:, min(2, len(windows) - 2)])
    if len(windows) >= MANY_COMPLEXES:
        result["members"] = float(members.mean())
    shape: Float64 = windows[members].mean(axis=0) if members.any() else windows[0]
    result["mirror"] = _mirror(recurrence(found.band, shape), EXTREMES_PER_BEAT * beats.size)
    chosen = beats[kept[members]] if members.any() else beats[kept]
    half = round(min(WIDE_REACH_S * rate, interval / 2))
    wide, _ = complexes(found.coarse, chosen, half)
    if len(wide):
        centred = wide - median_of_rows(wide)[..., None]
        result |= _shape(median_of_rows(centred, axis=0), found.shares, rate)
    return result


def _mirror(likeness: Float64, count: int) -> float:
    """The lowest values, their sign changed, over the highest."""
    ordered = np.sort(likeness)
    return float(-ordered[:count].mean() / max(ordered[-count:].mean(), 1e-9))


def _contrast(band: Float64, beats: Int64, rate: float) -> float:
    """Mean energy near the beats over that away from them; infinite where nothing is away."""
    energy = np.square(band).sum(axis=0)
    away = energy[~_within(beats, AWAY_S * rate, energy.size)]
    if away.size < LEAST_AWAY * energy.size or not away.mean() > 0:
        return float("inf")
    return float(energy[_within(beats, NEAR_S * rate, energy.size)].mean() / away.mean())


def _within(beats: Int64, reach: float, samples: int) -> Bool:
    """Mark the samples that are no further than this from some beat."""
    near = np.zeros(samples, bool)
    index = beats[:, None] + np.arange(-int(reach), int(reach) + 1)
    near[np.clip(index, 0, samples - 1)] = True
    return near


def _shape(beat: Float64, shares: Float64, rate: float) -> dict[str, float]:
    """Measure a median beat (leads, samples), each lead by itself, and take the weighted mean."""
    middle, reach = beat.shape[1] // 2, round(EDGE_REACH_S * rate)
    height = np.maximum(np.ptp(beat, axis=1), 1e-30)
    slope = np.diff(beat, axis=1) * rate
    near = slope[:, max(0, middle - reach) : middle + reach]
    one, other = near.max(axis=1), -near.min(axis=1)
    steepest, less = np.maximum(one, other), np.maximum(np.minimum(one, other), 0.0)
    before = median_of_rows(beat[:, : max(1, middle - reach)])
    after = median_of_rows(beat[:, min(middle + reach, beat.shape[1] - 1) :])
    step = np.abs(before - after) / height
    sums = np.zeros(beat.shape)
    np.cumsum(slope * slope, axis=1, out=sums[:, 1:])
    width = min(round(FOCUS_S * rate), slope.shape[1])
    focus = (sums[:, width:] - sums[:, :-width]).max(axis=1) / np.maximum(sums[:, -1], 1e-30)
    short = min(max(1, round(SPIKE_S * rate)), slope.shape[1])
    spike = (sums[:, short:] - sums[:, :-short]).max(axis=1) / np.maximum(sums[:, -1], 1e-30)
    centred = (beat - beat.mean(axis=1, keepdims=True)) * np.hanning(beat.shape[1])
    power = np.abs(np.fft.rfft(centred, axis=1)) ** 2
    frequency = np.fft.rfftfreq(beat.shape[1], 1.0 / rate)
    slow, fast, faster = np.searchsorted(frequency, SHARES_FROM_HZ)
    all_ = np.maximum(power[:, slow:].sum(axis=1), 1e-30)
    sharp = power[:, fast:].sum(axis=1) / all_
    crisp = power[:, faster:].sum(axis=1) / all_
    return {
        "steepness": float((less / height) @ shares),
        "steepest": float((steepest / height) @ shares),
        "balance": float((less / np.maximum(steepest, 1e-30)) @ shares),
        "step": float(step @ shares),
        "focus": float(focus @ shares),
        "spike": float(spike @ shares),
        "sharp_share": float(sharp @ shares),
        "crisp_share": float(crisp @ shares),
    }


@functools.cache
def recognition_trees() -> Trees:
    """Return the trees of the installation."""
    text = (files("ecgfoundry.measurements") / FILE).read_text(encoding="utf-8")
    return Trees.from_dict(json.loads(text))


def figures_row(figures: dict[str, float]) -> Float64:
    """Return what the trees see, (1, figures): what cannot be asked of few beats counts as good."""
    row = [figures.get(name, 1.0) for name in FIGURES]
    return np.array([[min(value, MOST_FIGURE) for value in row]])


def _verdict(figures: dict[str, float]) -> tuple[str | None, bool]:
    """Return the limit that is broken, or "shape", where the trees do not know better; and doubt.

    There is doubt where nothing is refused and the trees are not sure.
    """
    broken = broken_limit(figures)
    if broken == "no-beats":
        return broken, False
    odds = float(recognition_trees().logits(figures_row(figures))[0])
    if broken is None:
        reason = "shape" if odds < DOUBTED else None
    else:
        unforgivable = "members" in figures and figures["likeness"] < NOTHING_RECURS
        reason = None if odds >= FORGIVEN and not unforgivable else broken
    excepted = figures.get("members", 1.0) < SEVERAL_SHAPES or figures["contrast"] >= SILENCE
    return reason, reason is None and odds < UNSURE and not excepted


def broken_limit(figures: dict[str, float]) -> str | None:
    """Return the first limit that is broken."""
    if "steepness" not in figures:  # what was found stands at an end of the window
        return "no-beats"
    rocking = figures["mirror"] > ROCKING_MIRROR and figures["focus"] < ROCKING_FOCUS
    if figures["mirror"] > MOST_MIRROR or rocking:
        return "mirror"
    if figures.get("likeness", 1.0) < LEAST_LIKENESS or figures.get("members", 1) < LEAST_MEMBERS:
        return "unlike"
    sharp, crisp = figures["sharp_share"], figures["crisp_share"]
    spikes = sharp > SPIKE_SHARP and figures["spike"] > SPIKE_SLOPE
    if spikes or (sharp > VIBRATION_SHARP and figures["focus"] < VIBRATION_FOCUS):
        return "spikes"
    if figures["rate"] > FASTEST_BPM or figures["contrast"] < LEAST_CONTRAST_OF_ALL:
        return "spread"
    fast = figures["rate"] > FAST_BPM
    step, focus, steepness = figures["step"], figures["focus"], figures["steepness"]
    rectangle = figures["steepest"] > EDGE_STEEPNESS and focus < EDGE_FOCUS
    if step > (FAST_STEP if fast else MOST_STEP) or rectangle:
        return "steps"
    contrast = figures["contrast"]
    smooth = sharp < SMOOTH_SHARE and steepness < SMOOTH_STEEPNESS
    pulse = sharp < PULSE_SHARE and crisp < PULSE_CRISP and step > PULSE_STEP
    pulse = pulse and figures["rate"] > PULSE_BPM
    lines = sharp > LINES_SHARE and crisp < LINES_CRISP * sharp and focus < LINES_FOCUS
    rounded = sharp < ROUND_SHARE and crisp < ROUND_CRISP and focus < ROUND_FOCUS
    if (
        steepness < (FAST_STEEPNESS if fast else LEAST_STEEPNESS)
        or figures["balance"] < (SHARP_BALANCE if focus >= SHARP_FOCUS else LEAST_BALANCE)
        or lines
        or ((pulse or rounded) and not fast)
        or (smooth and not fast and (step > SMOOTH_STEP or contrast > LEAST_CONTRAST))
    ):
        return "one-sided"
    if focus < LEAST_FOCUS_OF_ALL:
        return "spread"
    walking = figures["rate"] < WALKING_BPM and contrast < WALKING_CONTRAST
    low = contrast < LEAST_CONTRAST and step > SPREAD_STEP and not fast
    return "spread" if focus < LEAST_FOCUS and (low or walking) else None
