"""Change of sampling rate: arrays -> arrays. NaN marks missing samples throughout."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import SamplingRateError

__all__ = ["anti_aliasing", "rational_ratio", "resample_linear", "resample_polyphase"]

_LARGEST_DENOMINATOR = 2000
"""Of a rate ratio target / source; finer ratios are rounded (our choice)."""


def rational_ratio(source_rate: float, target_rate: float) -> Fraction:
    """Return ``target_rate / source_rate`` as a small fraction.

    Raises
    ------
    SamplingRateError
        No fraction with a denominator up to 2000 comes within 1e-4 of the ratio, which means
        that one of the rates is not a plausible device rate.
    """
    ratio = Fraction(target_rate).limit_denominator(10**6) / Fraction(
        source_rate
    ).limit_denominator(10**6)
    small = ratio.limit_denominator(_LARGEST_DENOMINATOR)
    if small <= 0 or abs(float(small / ratio) - 1.0) > 1e-4:
        raise SamplingRateError(
            f"a signal at {source_rate:g} Hz cannot be resampled to {target_rate:g} Hz",
            remedy="Check the stated sampling rate",
        )
    return small


def resample_polyphase(
    signal: NDArray[np.floating], source_rate: float, target_rate: float
) -> NDArray[np.float32]:
    """Resample with an anti-aliasing polyphase FIR filter (``scipy.signal.resample_poly``).

    Parameters
    ----------
    signal : ndarray (..., samples)
        NaN where samples are missing.
    source_rate, target_rate : float
        Hz.

    Returns
    -------
    ndarray, float32 (..., ceil(samples * target/source))
        A sample whose nearest source sample is missing is missing. The ends are continued by
        straight lines (``padtype="line"``), so an offset makes no step at the edges.
    """
    from scipy.signal import resample_poly

    array = np.asarray(signal)
    ratio = rational_ratio(source_rate, target_rate)
    if ratio == 1 or array.shape[-1] == 0:
        return array.astype(np.float32, copy=True)
    missing = np.isnan(array)
    any_missing = bool(missing.any())
    filled = fill_gaps_linear(array) if any_missing else array.astype(np.float64)
    # The phases of the filter differ in gain at 0 Hz by 1e-4: an electrode offset of 300 mV would
    # come out as a ripple of 30 uV.
    offset = np.median(filled, axis=-1, keepdims=True)
    up, down = ratio.numerator, ratio.denominator
    taps = anti_aliasing(max(up, down))
    filtered = resample_poly(filled - offset, up, down, axis=-1, window=taps, padtype="line")
    result = (filtered + offset).astype(np.float32)
    if any_missing:
        positions = np.arange(result.shape[-1]) * (ratio.denominator / ratio.numerator)
        nearest = np.minimum(np.rint(positions).astype(np.int64), array.shape[-1] - 1)
        result[missing[..., nearest]] = np.nan
    return result


@lru_cache(maxsize=32)
def anti_aliasing(largest: int) -> NDArray[np.float64]:
    """Return the filter that ``resample_poly`` designs by default, without designing it each time.

    For windows of ten seconds the design takes longer than the filtering.

    Parameters
    ----------
    largest : int
        The larger term of the ratio of the rates.

    Returns
    -------
    float64 (20 * largest + 1,)
        With the sum 1; ``resample_poly`` multiplies it by the upper term.
    """
    from scipy.signal import firwin

    taps: NDArray[np.float64] = firwin(2 * 10 * largest + 1, 1.0 / largest, window=("kaiser", 5.0))
    taps.flags.writeable = False
    return taps


def resample_linear(
    signal: NDArray[np.floating], source_rate: float, target_rate: float
) -> NDArray[np.float32]:
    """Resample by straight lines between samples, as the paper of ECGFounder says it does.

    Sample ``k`` of the result stands at time ``k / target_rate``; the time base is never
    squeezed. There is no anti-aliasing: that is the recipe's property.

    Parameters
    ----------
    signal : ndarray (..., samples)
        Times next to a missing sample are missing.
    source_rate, target_rate : float
        Hz.

    Returns
    -------
    ndarray, float32 (..., round(samples * target/source))
        Times after the last source sample repeat it.
    """
    array = np.asarray(signal, dtype=np.float64)
    samples = array.shape[-1]
    if source_rate == target_rate or samples == 0:
        return array.astype(np.float32)
    length = max(1, round(samples * target_rate / source_rate))
    positions = np.minimum(np.arange(length) * (source_rate / target_rate), samples - 1)
    left = np.floor(positions).astype(np.int64)
    right = np.minimum(left + 1, samples - 1)
    fraction = positions - left
    # Where the fraction is 0 the right neighbour must not matter, not even as NaN.
    right = np.where(fraction == 0, left, right)
    low, high = array[..., left], array[..., right]
    return (low + (high - low) * fraction).astype(np.float32)


def fill_gaps_linear(signal: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return float64 with NaN runs bridged by straight lines; an all-NaN row becomes zeros."""
    array = np.array(signal, dtype=np.float64)
    rows = array.reshape(-1, array.shape[-1])
    gaps = np.isnan(rows)
    index = np.arange(rows.shape[1])
    for number in np.flatnonzero(gaps.any(axis=1)):
        row, missing = rows[number], gaps[number]
        if missing.all():
            row[:] = 0.0
        else:
            row[missing] = np.interp(index[missing], index[~missing], row[~missing])
    return rows.reshape(array.shape)
