"""Raw ECG windows to model input: the recipe of this model, in NumPy alone.

The recipe is in recipe.json; ``python check.py`` runs this module on the golden windows. It is
written for clarity; ``standardize.c`` is the same in C, and faster.
"""

import json
from pathlib import Path

import numpy as np

RECIPE = json.loads(Path(__file__).with_name("recipe.json").read_text(encoding="utf-8"))


def standardize(window, sampling_rate, recipe=RECIPE):
    """Standardize one raw window.

    Parameters
    ----------
    window : array (leads, samples)
        mV, NaN = missing; the leads in the order of the model; at most one window long.
    sampling_rate : float
        Of the window, Hz.

    Returns
    -------
    float32 array (leads, recipe["samples"])
        A lead that is missing throughout is a row of NaN.
    """
    window = np.asarray(window, dtype=np.float64)
    if window.shape[1] > round(recipe["window_s"] * sampling_rate):
        raise ValueError("the window is too long: cut the recording first, never squeeze it")
    result = np.full((len(window), recipe["samples"]), np.nan, dtype=np.float32)
    present = ~np.isnan(window).all(axis=1)
    if not present.any():
        return result
    gaps = np.isnan(window[present])
    x = bridge(window[present]) if recipe["gaps"] == "bridge" else np.nan_to_num(window[present])
    if recipe["scale_first"]:
        x = scale(x, recipe)
    if recipe["resampling"] == "linear":
        x = resample_linear(x, sampling_rate, recipe["working_rate"])
    else:
        x = resample_polyphase(x, sampling_rate, recipe["working_rate"])
    x = x.astype(np.float32).astype(np.float64)
    for part in recipe["filters"]:
        x = zero_phase(x, part)
    if recipe["median_kernel"]:
        x = x - running_median(x, recipe["median_kernel"])
    x = x[:, :: recipe["decimation"]]
    if recipe["pad_before_scaling"]:
        x = np.pad(x, ((0, 0), (0, max(0, recipe["samples"] - x.shape[1]))))
    if not recipe["scale_first"]:
        x = scale(x, recipe)
    if recipe["clip"]:
        x = np.clip(x, -recipe["clip"], recipe["clip"])
    if recipe["gaps"] == "bridge" and gaps.any():
        step = sampling_rate / recipe["sampling_rate"]
        nearest = np.rint(np.arange(x.shape[1]) * step).astype(int)
        x = np.where(gaps[:, np.minimum(nearest, gaps.shape[1] - 1)], 0.0, x)
    x = x[:, : recipe["samples"]]
    result[present] = np.pad(x, ((0, 0), (0, recipe["samples"] - x.shape[1])))
    return result


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
    pad = part["pad"]
    before = 2 * x[:, :1] - x[:, pad:0:-1]
    after = 2 * x[:, -1:] - x[:, -2 : -pad - 2 : -1]
    y = np.concatenate([before, x, after], axis=1)
    for _ in range(2):
        y = part["gain"] * y
        for section in part["sections"]:
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


def scale(x, recipe):
    """One z-score over all leads, or one for each."""
    if recipe["scaling"] == "joint":
        return (x - x.mean()) / (x.std() + recipe["epsilon"])
    deviation = x.std(axis=1, keepdims=True)
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.where(deviation < recipe["epsilon"], np.inf, deviation)
