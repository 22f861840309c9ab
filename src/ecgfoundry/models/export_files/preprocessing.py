"""Raw ECG windows to model input: the recipe of this model, in NumPy alone.

The recipe is in preprocessing.json; ``python check.py`` runs this module on the golden windows. It
is written for clarity; ``standardize.c`` is the same in C, and faster.
"""

import json
from pathlib import Path

import filter_design
import numpy as np

RECIPE = json.loads(Path(__file__).with_name("preprocessing.json").read_text(encoding="utf-8"))


def standardize(window, sampling_rate, mains_frequency=None, recipe=RECIPE):
    """Standardize one raw window.

    Parameters
    ----------
    window : array (leads, samples)
        mV, NaN = missing; the leads in the order of the model; at most one window long.
    sampling_rate : float
        Of the window, Hz.
    mains_frequency : float, optional
        Hz, if known; only some recipes ask for it.

    Returns
    -------
    float32 array (leads, samples of the recipe)
        A lead that is missing throughout is a row of NaN.
    """
    window = np.asarray(window, dtype=np.float64)
    if window.shape[1] > round(recipe["window_s"] * sampling_rate):
        raise ValueError("the window is too long: cut the recording first, never squeeze it")
    if window.shape[1] < sampling_rate:
        raise ValueError("the window is shorter than a second")
    samples = round(recipe["sampling_rate_hz"] * recipe["window_s"])
    result = np.full((len(window), samples), np.nan, dtype=np.float32)
    present = ~np.isnan(window).all(axis=1)
    if not present.any():
        return result
    x = window[present]
    gaps, source, rate = np.isnan(x), sampling_rate, sampling_rate
    padding = recipe["padding"]
    for step in recipe["steps"]:
        kind = step["step"]
        if kind == "fill-gaps":
            x = bridge(x) if step["method"] == "line" else np.nan_to_num(x)
        elif kind == "resample":
            resample = resample_linear if step["method"] == "linear" else resample_polyphase
            x = resample(x, rate, step["to_hz"]).astype(np.float32).astype(np.float64)
            rate = step["to_hz"]
        elif kind in ("notch", "butterworth"):
            for part in designs(step, rate, mains_frequency):
                x = zero_phase(x, part)
        elif kind == "subtract-running-median":
            x = x - running_median(x, step["kernel_samples"])
        elif kind == "keep-every":
            x = x[:, :: step["interval_samples"]]
            rate = rate / step["interval_samples"]
        elif kind == "z-score":
            if padding["counted_in_scaling"]:
                x = pad(x, padding, samples)
            x = z_score(x, step)
        elif kind == "clip":
            limit = step["limit_sd"] if "limit_sd" in step else step["limit_mv"]
            x = np.clip(x, -limit, limit)
        elif kind == "blank-gaps":
            nearest = np.rint(np.arange(x.shape[1]) * (source / rate)).astype(int)
            x = np.where(gaps[:, np.minimum(nearest, gaps.shape[1] - 1)], 0.0, x)
        else:
            raise ValueError(f"this file knows no step {kind}")
    result[present] = pad(x[:, :samples], padding, samples)
    return result


def designs(step, rate, mains_frequency):
    """Return the filters of a step as second-order sections."""
    if step["step"] == "notch":
        frequencies = [step["frequency_hz"]]
        if frequencies == ["mains"]:
            known = mains_frequency is not None
            frequencies = [mains_frequency] if known else step["unknown_mains_hz"]
        return [filter_design.notch(f, step["quality"], rate) for f in frequencies]
    if step["band"] == "band-pass":
        return [filter_design.band_pass(step["order"], step["low_hz"], step["high_hz"], rate)]
    make = filter_design.low_pass if step["band"] == "low-pass" else filter_design.high_pass
    return [make(step["order"], step["cutoff_hz"], rate)]


def pad(x, padding, samples):
    """Make a shorter window as long as the recipe's."""
    short = max(0, samples - x.shape[1])
    sides = (0, short) if padding["side"] == "right" else (short, 0)
    value = padding["value_sd"] if "value_sd" in padding else padding["value_mv"]
    return np.pad(x, ((0, 0), sides), constant_values=value)


def bridge(x):
    """Join the samples on both sides of a gap by a straight line."""
    x = x.copy()
    index = np.arange(x.shape[1])
    for row in x:
        gap = np.isnan(row)
        if gap.any():
            row[gap] = np.interp(index[gap], index[~gap], row[~gap])
    return x


def resample_linear(x, source, target):
    """Sample k of the result stands at time k / target."""
    samples = x.shape[1]
    if source == target:
        return x
    length = max(1, round(samples * target / source))
    at = np.minimum(np.arange(length) * (source / target), samples - 1)
    left = np.floor(at).astype(int)
    right = np.minimum(left + 1, samples - 1)
    return x[:, left] + (x[:, right] - x[:, left]) * (at - left)


def resample_polyphase(x, source, target):
    """Low-pass (Kaiser window, beta 5) and take the samples at times k / target."""
    from fractions import Fraction

    ratio = Fraction(target).limit_denominator(10**6) / Fraction(source).limit_denominator(10**6)
    ratio = ratio.limit_denominator(2000)
    up, down = ratio.numerator, ratio.denominator
    if up == down:
        return x
    larger = max(up, down)
    half = 10 * larger
    taps = np.arange(-half, half + 1)
    kernel = np.sinc(taps / larger) * np.kaiser(2 * half + 1, 5.0)
    kernel *= up / kernel.sum()
    offset = np.median(x, axis=1, keepdims=True)
    x = x - offset
    samples = x.shape[1]
    # Beyond the ends the signal goes on along the line through its first and last sample.
    slope = (x[:, -1:] - x[:, :1]) / max(1, samples - 1)
    length = -(-samples * up // down)
    at = np.arange(length) * down
    reach = half // up + 1
    result = np.zeros((len(x), length))
    for shift in range(-reach, reach + 1):
        k = at // up + shift
        tap = at - k * up
        weight = np.where(np.abs(tap) <= half, kernel[np.clip(tap + half, 0, 2 * half)], 0.0)
        inside = (k >= 0) & (k < samples)
        value = np.where(inside, x[:, np.clip(k, 0, samples - 1)], x[:, :1] + slope * k)
        result += weight * value
    return result + offset


def zero_phase(x, part):
    """Forwards and backwards over an odd extension, each from the steady state of its edge."""
    pad = part.pad
    before = 2 * x[:, :1] - x[:, pad:0:-1]
    after = 2 * x[:, -1:] - x[:, -2 : -pad - 2 : -1]
    y = np.concatenate([before, x, after], axis=1)
    for _ in range(2):
        y = part.gain * y
        for section in part.sections:
            y = run_section(y, section)
        y = y[:, ::-1]
    return y[:, pad:-pad]


def run_section(x, section):
    """One second-order section, transposed direct form II, all leads at once."""
    b0, b1, b2, _, a1, a2 = section
    steady = (b0 + b1 + b2) / (1.0 + a1 + a2)
    s1, s2 = (steady - b0) * x[:, 0], (b2 - a2 * steady) * x[:, 0]
    y = np.empty_like(x)
    for t in range(x.shape[1]):
        value = x[:, t]
        out = b0 * value + s1
        s1 = b1 * value - a1 * out + s2
        s2 = b2 * value - a2 * out
        y[:, t] = out
    return y


def running_median(x, kernel):
    """Median of the samples around each one, zeros beyond the ends."""
    padded = np.pad(x, ((0, 0), (kernel // 2, kernel // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=1)
    return np.stack([np.median(row, axis=1) for row in windows])


def z_score(x, step):
    """One mean and deviation over all leads, or one for each."""
    axis = None if step["over"] == "window" else 1
    deviation = x.std(axis=axis, keepdims=True)
    flat = deviation < step["flat_below_mv"]
    centred = x - x.mean(axis=axis, keepdims=True)
    return centred / np.where(flat, np.inf, deviation + step["epsilon_mv"])
