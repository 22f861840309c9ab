"""What :mod:`ecgfoundry.signals.quality` measures in the rows of a window, in few passes.

Two ways with the same figures: the compiled kernels (``native/quality.c``), and NumPy and SciPy.
The spectrum is NumPy's in both. A row's figures do not depend on the rows beside it.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.leads import LIMB_COEFFICIENTS, LIMB_LEADS, limb_disagreement
from ecgfoundry.native.jobs import Job, arrays, counts, numbers
from ecgfoundry.signals.kernels import readable_by_kernels
from ecgfoundry.signals.spectrum_kernel import band_powers

__all__ = ["Measures", "RowFigures", "limb_figures", "measure_rows", "saturated_samples"]

Float64 = NDArray[np.float64]

FEWEST_SAMPLES = 8  # of a row that are there; below it nothing is measured (our choice)
MOST_MISSING = 0.9
PERCENTILES = (0.005, 0.5, 0.995)  # low, middle, high; quality.c has them too
LEVEL_SHARE = 0.2  # of a spike's height: beside a spike the signal is level; quality.c has it too
WANDER_HZ = 0.5  # below it lies wander
NOISE_HZ = 40.0  # above it lies noise
MAINS_HZ = (50.0, 60.0)
MAINS_REACH_HZ = 1.0  # to either side


@dataclass(frozen=True, slots=True)
class Measures:
    """What to look for, in samples and mV.

    Parameters
    ----------
    sampling_rate : float
        Hz.
    flat_block : int
        A block of so many samples is flat below ``flat_amplitude`` from peak to peak.
    flat_amplitude : float
    saturated_run : int
        Equal extreme samples in a row that count as saturated.
    spike_reach : int
        Half the width of a pacemaker's spike; 0: none are looked for.
    spike_height, spike_share : float
        The smallest spike: mV, and share of the 0.5th to 99.5th percentile range.
    spike_distance : float
        Spikes closer than this are one, samples.
    """

    sampling_rate: float
    flat_block: int
    flat_amplitude: float
    saturated_run: int
    spike_reach: int
    spike_height: float
    spike_share: float
    spike_distance: float


@dataclass(frozen=True, slots=True)
class RowFigures:
    """Figures of one row; ``shares`` are noise, mains and wander, each None if there is too little.

    ``low``, ``middle`` and ``high`` are the 0.5th, 50th and 99.5th percentiles of what is there, in
    mV. None stands for all figures but ``missing_share`` where nearly nothing is there.
    """

    missing_share: float
    flat_share: float = 0.0
    saturated_share: float = 0.0
    low: float | None = None
    middle: float | None = None
    high: float | None = None
    shares: tuple[float | None, float | None, float | None] = (None, None, None)
    spikes: int = 0


class _LeadFigures(ctypes.Structure):  # ecgfoundry_lead_figures of quality.h
    _fields_ = (
        *counts("missing", "flat_blocks", "saturated", "spikes"),
        *numbers("low", "middle", "high"),
    )


class _QualityJob(Job):  # ecgfoundry_quality_job of quality.h
    kernel = "quality"
    _fields_ = (
        *arrays("input", "filled", "figures"),
        *counts("rows", "samples", "row_stride", "flat_block"),
        *numbers("flat_amplitude"),
        *counts("saturated_run", "spike_reach"),
        *numbers("spike_height", "spike_share", "spike_distance"),
        ("dtype", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    )


class _LimbJob(Job):  # ecgfoundry_limb_job of quality.h
    kernel = "limb"
    _fields_ = (
        *arrays("input", "row", "coefficient", "result"),
        *counts("compared", "samples", "row_stride", "width"),
        ("dtype", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    )


def measure_rows(rows: NDArray[np.floating], measures: Measures) -> list[RowFigures]:
    """Measure every row (rows, samples) in mV, NaN = missing; there is at least one sample."""
    array = readable_by_kernels(rows)
    found = _measured_natively(array, measures)
    if found is None:
        found = _measured_by_numpy(np.asarray(rows), measures)
    filled, raw = found
    samples = array.shape[1]
    enough = [
        figures.missing <= MOST_MISSING * samples and samples - figures.missing >= FEWEST_SAMPLES
        for figures in raw
    ]
    shares = iter(_power_shares(filled if all(enough) else filled[enough], measures.sampling_rate))
    blocks = max(1, samples // measures.flat_block)
    result = []
    for figures, measured in zip(raw, enough, strict=True):
        missing_share = figures.missing / samples
        if not measured:
            result.append(RowFigures(missing_share))
            continue
        result.append(
            RowFigures(
                missing_share,
                figures.flat_blocks / blocks,
                figures.saturated / (samples - figures.missing),
                figures.low,
                figures.middle,
                figures.high,
                next(shares),
                figures.spikes,
            )
        )
    return result


def limb_figures(rows: NDArray[np.floating], leads: Sequence[str], width: int) -> dict[str, float]:
    """Return :func:`ecgfoundry.leads.limb_disagreement` of rows without their baseline.

    Parameters
    ----------
    rows : ndarray (leads, samples)
        mV; a missing sample counts as 0.
    leads : sequence of str
        Names of the rows.
    width : int
        Samples of the running mean that is taken for the baseline.
    """
    place = {lead: row for row, lead in enumerate(leads)}
    compared = [lead for lead in LIMB_LEADS[2:] if lead in place]
    if "I" not in place or "II" not in place or not compared:
        return {}
    array = readable_by_kernels(rows)
    if native.library() is not None:
        order = np.array([place[lead] for lead in ("I", "II", *compared)], dtype=np.int64)
        coefficients = np.array([LIMB_COEFFICIENTS[lead] for lead in compared])
        result = np.empty(len(compared))
        job = _LimbJob(
            input=array,
            row=order,
            coefficient=coefficients,
            result=result,
            compared=len(compared),
            samples=array.shape[1],
            row_stride=array.strides[0] // array.itemsize,
            width=width,
            dtype=int(array.dtype == np.float64),
        )
        if job.run():
            return dict(zip(compared, result.tolist(), strict=True))
    from scipy.ndimage import uniform_filter1d

    chosen = ("I", "II", *compared)
    values = np.nan_to_num(np.asarray(rows)[[place[lead] for lead in chosen]].astype(np.float64))
    steep = values - uniform_filter1d(values, width, axis=1)
    return limb_disagreement(dict(zip(chosen, steep, strict=True)))


def _measured_natively(
    array: NDArray[np.floating], measures: Measures
) -> tuple[Float64, Sequence[_LeadFigures]] | None:
    if native.library() is None:
        return None
    rows, samples = array.shape
    filled = np.empty((rows, samples))
    figures = (_LeadFigures * rows)()
    job = _QualityJob(
        input=array,
        filled=filled,
        figures=ctypes.addressof(figures),
        rows=rows,
        samples=samples,
        row_stride=array.strides[0] // array.itemsize,
        flat_block=measures.flat_block,
        flat_amplitude=measures.flat_amplitude,
        saturated_run=measures.saturated_run,
        spike_reach=measures.spike_reach,
        spike_height=measures.spike_height,
        spike_share=measures.spike_share,
        spike_distance=measures.spike_distance,
        dtype=int(array.dtype == np.float64),
    )
    return (filled, list(figures)) if job.run() else None


# --- the same by NumPy ------------------------------------------------------------------------


def _measured_by_numpy(
    rows: NDArray[np.floating], measures: Measures
) -> tuple[Float64, Sequence[_LeadFigures]]:
    filled = np.array(rows, dtype=np.float64, order="C")
    figures = []
    for row, x in zip(rows, filled, strict=True):
        missing = np.isnan(x)
        gaps = int(missing.sum())
        if gaps == x.size:
            figures.append(_LeadFigures(missing=gaps))
            continue
        values = x
        if gaps:
            values = x[~missing]
            index = np.arange(x.size)
            x[missing] = np.interp(index[missing], index[~missing], values)
        low, middle, high = _percentiles(values)
        spikes = 0
        if measures.spike_reach:
            if gaps:
                low_filled, _, high_filled = _percentiles(np.nan_to_num(row))
                spikes = _spikes(np.nan_to_num(row), high_filled - low_filled, measures)
            else:
                spikes = _spikes(row, high - low, measures)
        figures.append(
            _LeadFigures(
                missing=gaps,
                flat_blocks=_flat_blocks(x, measures),
                saturated=saturated_samples(values, measures.saturated_run),
                spikes=spikes,
                low=low,
                middle=middle,
                high=high,
            )
        )
    return filled, figures


def _percentiles(values: NDArray[np.floating]) -> tuple[float, float, float]:
    """Return the 0.5th, 50th and 99.5th percentiles, as numpy.percentile gives them."""
    last = values.size - 1
    places = [share * last for share in PERCENTILES]
    ranks = [rank for place in places for rank in (int(place), min(int(place) + 1, last))]
    # float32 keeps its order and is put into order faster; the differences are taken in float64.
    ordered = np.partition(values, sorted(set(ranks)))[ranks].astype(np.float64).tolist()
    result = []
    for place, lower, upper in zip(places, ordered[::2], ordered[1::2], strict=True):
        part, step = place - int(place), upper - lower
        result.append(upper - step * (1.0 - part) if part >= 0.5 else lower + step * part)
    return result[0], result[1], result[2]


def _flat_blocks(x: Float64, measures: Measures) -> int:
    block = measures.flat_block
    count = x.size // block
    if count == 0:
        return int(np.ptp(x) < measures.flat_amplitude)
    blocks = x[: count * block].reshape(count, block)
    return int((np.ptp(blocks, axis=1) < measures.flat_amplitude).sum())


def saturated_samples(values: NDArray[np.floating], run: int) -> int:
    """Return how many samples stand in runs of at least ``run`` exactly at the highest or lowest.

    Of a row without missing samples; a row of one value is flat, not saturated: 0.
    """
    lowest, highest = values.min(), values.max()
    if lowest == highest:
        return 0
    total = 0
    for extreme in (highest, lowest):
        at = np.flatnonzero(values == extreme)
        if at.size < run:
            continue
        ends = np.flatnonzero(np.diff(at) > 1)
        lengths = np.diff(np.concatenate([[-1], ends, [at.size - 1]]))
        total += int(lengths[lengths >= run].sum())
    return total


def _spikes(x: NDArray[np.floating], amplitude: float, measures: Measures) -> int:
    """Count spikes of at most twice the reach that stand out from their surroundings."""
    reach = measures.spike_reach
    if x.size <= 4 * reach + 1:
        return 0
    middle = x[2 * reach : -2 * reach]
    before, after = x[reach : -3 * reach], x[3 * reach : -reach]
    rise, fall = middle - before, middle - after
    height = np.minimum(np.abs(rise), np.abs(fall))
    tall = max(measures.spike_height, measures.spike_share * amplitude)
    at = np.flatnonzero((height > tall) & (rise * fall > 0))
    # A QRS complex also rises and falls, but over 80 ms and more: the signal just outside the
    # spike has to be level.
    outer = np.abs(before[at] - x[at])
    level = np.maximum(outer, np.abs(after[at] - x[at + 4 * reach]))
    positions = at[level < LEVEL_SHARE * height[at]]
    if positions.size == 0:
        return 0
    return int(1 + np.count_nonzero(np.diff(positions) > measures.spike_distance))


# --- spectrum -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Bands:
    """The taper, and bands as bins of the spectrum: the first one, and that before which they end.

    ``bins`` (bands, 2) has everything, all but wander, ``mains`` bands of mains, and noise.
    """

    taper: Float64
    bins: NDArray[np.int64]
    mains: int


@functools.lru_cache(maxsize=16)
def _bands(samples: int, sampling_rate: float) -> _Bands:
    frequency = np.fft.rfftfreq(samples, 1.0 / sampling_rate)
    apart = np.abs(frequency[:, np.newaxis] - MAINS_HZ)
    near_mains = (apart <= MAINS_REACH_HZ).any(axis=1)
    taper = np.hanning(samples)
    taper.flags.writeable = False
    mains = _runs(near_mains)
    upper = int(np.searchsorted(frequency, WANDER_HZ))
    whole = [[0, frequency.size], [upper, frequency.size]]
    bins = np.concatenate([whole, mains, _runs((frequency > NOISE_HZ) & ~near_mains)])
    return _Bands(taper, bins.astype(np.int64), len(mains))


def _runs(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where runs of chosen bins begin and end, (runs, 2)."""
    return np.flatnonzero(np.diff(chosen, prepend=False, append=False)).reshape(-1, 2)


def _power_shares(
    x: Float64, sampling_rate: float
) -> list[tuple[float | None, float | None, float | None]]:
    """Return the shares of noise, mains and wander of every row; x is written over."""
    if len(x) == 0 or x.shape[1] < 2 * sampling_rate:
        return [(None, None, None)] * len(x)
    bands = _bands(x.shape[1], float(sampling_rate))
    power = band_powers(x, bands.taper, bands.bins)
    if power is None:
        power = _band_powers_by_numpy(x, bands)
    mains = power[:, 2 : 2 + bands.mains].sum(axis=1).tolist()
    noise = power[:, 2 + bands.mains :].sum(axis=1).tolist()
    return [
        (None, None, None) if all_ <= 0 or above <= 0 else (n / above, m / above, 1 - above / all_)
        for (all_, above), m, n in zip(power[:, :2].tolist(), mains, noise, strict=True)
    ]


def _band_powers_by_numpy(x: Float64, bands: _Bands) -> Float64:
    """Return the sums of the squared spectrum in every band (rows, bands); x is written over."""
    x -= x.mean(axis=1, keepdims=True)
    x *= bands.taper
    power = np.fft.rfft(x, axis=1).view(np.float64)
    power *= power
    # Real and imaginary parts stand side by side.
    sums = [power[:, 2 * first : 2 * end].sum(axis=1) for first, end in bands.bins.tolist()]
    return np.stack(sums, axis=1)
