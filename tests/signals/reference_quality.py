"""The quality gate as it was first written, lead by lead in NumPy: the reference of its equality.

Kept as it stood, with a pass for every figure, and with limits and words of its own; only the types
are those of :mod:`ecgfoundry.signals.quality`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.leads import limb_disagreement
from ecgfoundry.signals.quality import LeadQuality, Notice, WindowQuality

# The limits that the gate was released with, the project's own choice. They stand here as numbers,
# so that a change of the gate's limits shows.
MINIMUM_DURATION_S = 2.5
MAXIMUM_GAP_SHARE = 0.3
FLAT_AMPLITUDE_MV = 0.02
FLAT_BLOCK_S = 1.0
FLAT_SHARE_WARNING = 0.2
LARGE_AMPLITUDE_MV = 20.0
LOW_AMPLITUDE_MV = 0.15
SATURATED_RUN_S = 0.04
SATURATED_SHARE_WARNING = 0.01
NOISE_SHARE_WARNING = 0.25
MAINS_SHARE_WARNING = 0.15
WANDER_SHARE_WARNING = 0.6
DISAGREEMENT_WARNING = 0.35
PACER_MINIMUM_RATE_HZ = 400.0
PACER_SPIKE_MV = 0.25
PACER_SPIKE_SHARE = 0.25
PACER_SPIKE_COUNT = 3


def lead_quality(signal: NDArray[np.floating], sampling_rate: float) -> LeadQuality:
    """Measure one lead (samples,) in mV, NaN = missing."""
    x = np.asarray(signal, dtype=np.float64)
    missing = np.isnan(x)
    missing_share = float(missing.mean()) if x.size else 1.0
    if missing_share > 0.9 or x.size - missing.sum() < 8:
        return LeadQuality(missing_share, 0.0, 0.0, None, None, None, None)
    values = x[~missing]
    low, high = np.percentile(values, (0.5, 99.5))
    filled = x.copy()
    if missing.any():
        index = np.arange(x.size)
        filled[missing] = np.interp(index[missing], index[~missing], values)
    noise, mains, wander = _power_shares(filled, sampling_rate)
    return LeadQuality(
        missing_share=missing_share,
        flat_share=_flat_share(filled, sampling_rate),
        saturated_share=_saturated_share(values, sampling_rate),
        amplitude_mv=float(high - low),
        noise_share=noise,
        mains_share=mains,
        wander_share=wander,
    )


def _flat_share(x: NDArray[np.float64], sampling_rate: float) -> float:
    block = max(2, round(FLAT_BLOCK_S * sampling_rate))
    count = x.size // block
    if count == 0:
        return float(np.ptp(x) < FLAT_AMPLITUDE_MV)
    blocks = x[: count * block].reshape(count, block)
    return float((np.ptp(blocks, axis=1) < FLAT_AMPLITUDE_MV).mean())


def _saturated_share(values: NDArray[np.float64], sampling_rate: float) -> float:
    """Share of samples in runs of at least 40 ms that stand exactly at the highest or lowest."""
    if np.ptp(values) == 0:
        return 0.0  # flat, not saturated
    run = max(3, round(SATURATED_RUN_S * sampling_rate))
    total = 0
    for extreme in (values.max(), values.min()):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], values == extreme, [0]])))
        lengths = edges[1::2] - edges[::2]
        total += int(lengths[lengths >= run].sum())
    return total / values.size


def _power_shares(
    x: NDArray[np.float64], sampling_rate: float
) -> tuple[float | None, float | None, float | None]:
    if x.size < 2 * sampling_rate:
        return None, None, None
    taper = np.hanning(x.size)
    power = np.abs(np.fft.rfft((x - x.mean()) * taper)) ** 2
    frequency = np.fft.rfftfreq(x.size, 1.0 / sampling_rate)
    total = float(power.sum())
    upper = float(power[frequency >= 0.5].sum())
    if total <= 0 or upper <= 0:
        return None, None, None
    near_mains = (np.abs(frequency - 50) <= 1) | (np.abs(frequency - 60) <= 1)
    noise = float(power[(frequency > 40) & ~near_mains].sum()) / upper
    mains = float(power[near_mains].sum()) / upper
    return noise, mains, 1.0 - upper / total


def _pacer_spikes(x: NDArray[np.floating], sampling_rate: float) -> int:
    """Count spikes of at most 4 ms that stand out from their surroundings on both sides."""
    reach = max(1, round(0.004 * sampling_rate))
    if x.size <= 4 * reach + 1:
        return 0
    middle = x[2 * reach : -2 * reach]
    before, after = x[reach : -3 * reach], x[3 * reach : -reach]
    rise, fall = middle - before, middle - after
    height = np.minimum(np.abs(rise), np.abs(fall))
    # A QRS complex also rises and falls, but over 80 ms and more: the signal just outside the
    # spike has to be level.
    level = np.maximum(np.abs(before - x[: -4 * reach]), np.abs(after - x[4 * reach :]))
    low, high = np.percentile(x, (0.5, 99.5))
    tall = max(PACER_SPIKE_MV, PACER_SPIKE_SHARE * float(high - low))
    spike = (rise * fall > 0) & (height > tall) & (level < 0.2 * height)
    positions = np.flatnonzero(spike)
    if positions.size == 0:
        return 0
    return int(1 + np.count_nonzero(np.diff(positions) > 0.1 * sampling_rate))


def _flagged(
    figures: dict[str, LeadQuality], field: str, limit: float, *, below: bool = False
) -> tuple[str, ...]:
    result = []
    for lead, figure in figures.items():
        value = getattr(figure, field)
        if figure.readable and value is not None and (value < limit if below else value > limit):
            result.append(lead)
    return tuple(result)


_LEAD_WARNINGS: tuple[tuple[str, str, float, bool, str], ...] = (
    # code, field, limit, below?, words
    ("gaps", "missing_share", 0.0, False, "samples are missing"),
    ("flat-parts", "flat_share", FLAT_SHARE_WARNING, False, "flat for part of the time"),
    ("saturation", "saturated_share", SATURATED_SHARE_WARNING, False, "the amplifier is saturated"),
    (
        "amplitude-implausible",
        "amplitude_mv",
        LARGE_AMPLITUDE_MV,
        False,
        "more than 20 mV: check the unit and the gain",
    ),
    (
        "low-amplitude",
        "amplitude_mv",
        LOW_AMPLITUDE_MV,
        True,
        "less than 0.15 mV",
    ),
    ("noise", "noise_share", NOISE_SHARE_WARNING, False, "much power above 40 Hz"),
    ("mains", "mains_share", MAINS_SHARE_WARNING, False, "mains interference"),
    ("baseline-wander", "wander_share", WANDER_SHARE_WARNING, False, "strong baseline wander"),
)


def assess_window(
    signal: NDArray[np.floating], sampling_rate: float, leads: Sequence[str]
) -> WindowQuality:
    """Judge one raw window.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV, NaN = missing. Rows that are missing throughout are absent leads, not faults.
    sampling_rate : float
        Hz.
    leads : sequence of str
        Names of the rows.
    """
    array = np.asarray(signal)
    duration = array.shape[1] / sampling_rate
    present = [row for row in range(len(leads)) if not np.isnan(array[row]).all()]
    if not present or array.shape[1] == 0:
        return WindowQuality({}, (), Notice("missing", "every sample of every lead is missing"))
    figures = {leads[row]: lead_quality(array[row], sampling_rate) for row in present}
    if duration < MINIMUM_DURATION_S:
        refusal = Notice(
            "too-short",
            f"the signal is {duration:.2f} s long; at least 2.5 s is needed",
        )
        return WindowQuality(figures, (), refusal)
    unreadable = tuple(lead for lead, figure in figures.items() if not figure.readable)
    if len(unreadable) == len(figures):
        return WindowQuality(figures, (), _refusal(figures))
    warnings = [
        Notice(code, f"{', '.join(found)}: {words}", found)
        for code, field, limit, below, words in _LEAD_WARNINGS
        if (found := _flagged(figures, field, limit, below=below))
    ]
    if unreadable:
        words = f"{', '.join(unreadable)}: flat or mostly missing, read as an absent lead"
        warnings.insert(0, Notice("lead-unreadable", words, unreadable))
    readable = {leads[row]: array[row] for row in present if leads[row] not in unreadable}
    warnings += _lead_geometry_warnings(readable, sampling_rate)
    warnings += _pacer_warning(readable, sampling_rate)
    return WindowQuality(figures, tuple(warnings), None)


def _refusal(figures: dict[str, LeadQuality]) -> Notice:
    if all(figure.missing_share > MAXIMUM_GAP_SHARE for figure in figures.values()):
        return Notice("missing", "more than 30% of the samples are missing in every lead")
    return Notice(
        "flat",
        "every lead is flat (under 20 uV from peak to peak); check the electrodes and the unit",
    )


def _lead_geometry_warnings(
    signals: dict[str, NDArray[np.floating]], sampling_rate: float
) -> list[Notice]:
    result: list[Notice] = []
    # Devices that clean each channel by itself leave each its own baseline: compare without it.
    steep = {lead: _without_baseline(x, sampling_rate) for lead, x in signals.items()}
    apart = tuple(
        lead for lead, value in limb_disagreement(steep).items() if value > DISAGREEMENT_WARNING
    )
    if apart:
        words = f"{', '.join(apart)}: not what I and II make of them; misnamed or rescaled leads?"
        result.append(Notice("leads-disagree", words, apart))
    if "I" in signals and _points_down(signals["I"]):
        if "aVR" in signals and not _points_down(signals["aVR"]):
            words = "I points down and aVR up: arm electrodes swapped, or dextrocardia?"
            result.append(Notice("limb-leads-swapped", words, ("I", "aVR")))
        elif "aVR" not in signals:
            words = "I: the QRS complexes point down; is the lead inverted?"
            result.append(Notice("inverted", words, ("I",)))
    return result


def _without_baseline(x: NDArray[np.floating], sampling_rate: float) -> NDArray[np.float64]:
    from scipy.ndimage import uniform_filter1d

    values = np.nan_to_num(np.asarray(x, dtype=np.float64))
    return values - uniform_filter1d(values, max(3, round(0.3 * sampling_rate)))


def _points_down(x: NDArray[np.floating]) -> bool:
    """Whether the tall narrow deflections are mainly negative."""
    values = np.asarray(x, dtype=np.float64)
    values = values[~np.isnan(values)]
    middle = np.median(values)
    up = np.percentile(values, 99.5) - middle
    down = middle - np.percentile(values, 0.5)
    return bool(down > 2.0 * up)


def _pacer_warning(signals: dict[str, NDArray[np.floating]], sampling_rate: float) -> list[Notice]:
    if sampling_rate < PACER_MINIMUM_RATE_HZ:
        return []
    found = tuple(
        lead
        for lead, x in signals.items()
        if _pacer_spikes(np.nan_to_num(x), sampling_rate) >= PACER_SPIKE_COUNT
    )
    if len(found) < min(2, len(signals)):
        return []
    words = f"{', '.join(found)}: narrow spikes as of a pacemaker; it changes what findings mean"
    return [Notice("pacemaker-spikes", words, found)]
