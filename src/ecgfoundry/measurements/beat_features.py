"""What the classes of beats are told from: timing, shape and P wave of a beat among its neighbours.

Nearly all of it is relative: to the intervals around the beat and to the person's own usual beat
(the reference template). Absolute shapes differ more between people than between classes. Nothing
depends on the unit or on the rate of the recording, and the leads are averaged by how well the
usual beats repeat in each, so that one vector of the same length comes from one lead and from
twelve.

Timing after P. de Chazal, M. O'Dwyer, R. B. Reilly, "Automatic classification of heartbeats using
ECG morphology and heartbeat interval features", IEEE Trans Biomed Eng 51:1196 (2004); the rest is
our choice, by cross-validation between records (``benchmarks/experiments/beat_classes.py``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.beat_features_kernel import measure_beats
from ecgfoundry.measurements.medians import median_of_rows, quantile_of_rows
from ecgfoundry.measurements.templates import (
    GRID_RATE_HZ,
    NO_TEMPLATE,
    BeatPieces,
    Templates,
    likeness,
)

__all__ = ["BEAT_FEATURES", "beat_features"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

NEAR_BEATS = 10
FAR_BEATS = 60
"""Local intervals are those of so many beats on both sides."""
ROW_BEATS = 3
HIGH_SHARE = 0.85
"""The sinus interval of a stretch in which most beats are early: so high among its intervals."""
REGULAR = 0.07
"""Intervals of one rhythm are within this of each other; in atrial fibrillation few are."""
LATE_SHARE = 0.35
"""The usual P wave is that of so many usual beats, those that come latest: not of early ones."""
P_SHIFT_S = 0.064
P_STEP = 4
"""A P wave is looked for so much earlier or later than the usual one, in steps of 16 ms."""
P_WINDOW_S = (-0.28, -0.07)
QRS_WINDOW_S = (-0.11, 0.15)
T_WINDOW_S = (0.15, 0.46)
LEAST_LEAD = 1e-3
"""A lead that counts less than this for the complexes does not count for P waves either."""
LEAST_RATIO, MOST_RATIO = 0.05, 20.0
"""Ratios are cut here: beyond, they say no more."""

TIMING_FEATURES = (
    "rr_before", "rr_after", "rr_before_near", "rr_before_near_mean", "rr_before_far",
    "rr_after_near", "rr_after_near_mean", "rr_before_after", "rr_before_earlier",
    "rr_after_later", "rr_earlier_near", "rr_later_near", "rr_pair_near", "rr_near",
    "rr_before_near_high", "rr_before_far_high", "rr_rank", "rr_score", "irregularity",
    "irregularity_far", "regular_share", "regular_share_far",
)  # fmt: skip
"""Logarithms of intervals in s, of their ratios, and how irregular the surroundings are."""
SHAPE_FEATURES = (
    "like_reference", "like_before", "like_after", "gain", "width", "width_reference",
    "duration", "duration_reference", "size_reference", "qrs_rest", "t_rest", "t_rest_before",
    "t_like", "discordance", "p_like", "p_gain", "p_rest", "p_size", "p_reference", "p_best",
    "p_shift", "p_like_near", "p_like_before", "p_like_after", "p_like_row", "p_like_far",
    "fibrillation",
)  # fmt: skip
GROUP_FEATURES = ("group_share", "group_early", "group_width", "group_like", "group_p_like")
"""Of the beats of the same template: their share, and means of what is above."""
USUAL_FEATURES = (
    "usual_before", "usual_since", "usual_until", "usual_around", "usual_before_high",
    "usual_before_all", "usual_before_all_high", "usual_irregularity", "usual_irregularity_all",
    "usual_regular_all", "usual_share",
)  # fmt: skip
"""Timing against the intervals between two usual beats alone, near by and in all that is read:
ectopic beats do not hide what the sinus node does, nor a long run what came before it."""
BEAT_FEATURES: tuple[str, ...] = (
    *TIMING_FEATURES, *SHAPE_FEATURES, *GROUP_FEATURES, *USUAL_FEATURES
)  # fmt: skip
"""The columns of :func:`beat_features`."""


def beat_features(pieces: BeatPieces, templates: Templates) -> Float64:
    """Return one row per beat: float64 (beats, len(BEAT_FEATURES)), all finite.

    Parameters
    ----------
    pieces : BeatPieces
        The beats, cut out; their times must rise.
    templates : Templates
        Of the same beats.
    """
    if pieces.values.shape[1] == 0:
        return np.zeros((0, len(BEAT_FEATURES)))
    windows = {"qrs": QRS_WINDOW_S, "t": T_WINDOW_S, "p": P_WINDOW_S}
    limits = {name: pieces.columns(*window) for name, window in windows.items()}
    found = measure_beats(pieces, templates, {**_LIMITS, **limits}, len(BEAT_FEATURES))
    return _by_numpy(pieces, templates) if found is None else found


_LIMITS = {
    "shift": round(P_SHIFT_S * GRID_RATE_HZ), "step": P_STEP,
    "near": NEAR_BEATS, "far": FAR_BEATS, "row": ROW_BEATS,
    "rate": GRID_RATE_HZ, "high_share": HIGH_SHARE, "regular": REGULAR, "late_share": LATE_SHARE,
    "least_lead": LEAST_LEAD, "least_ratio": LEAST_RATIO, "most_ratio": MOST_RATIO,
}  # fmt: skip


def _by_numpy(pieces: BeatPieces, templates: Templates) -> Float64:
    """Do what ``native/beat_features.c`` does, with the same answers but for rounding."""
    columns = _timing(pieces.centre_s) | _shape(pieces, templates)
    # Neither regular intervals nor a P wave of one shape around: hardly any beat is early there.
    columns["fibrillation"] = (1.0 - columns["regular_share_far"]) * (
        1.0 - np.clip(columns["p_like_far"], 0.0, 1.0)
    )
    columns |= _groups(columns, templates)
    columns |= _usual_timing(pieces.centre_s, _usual(templates))
    table: Float64 = np.stack([columns[name] for name in BEAT_FEATURES], axis=1)
    return np.nan_to_num(table, nan=0.0, posinf=0.0, neginf=0.0)


def _log_ratio(above: Float64, below: Float64) -> Float64:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.asarray(above) / np.asarray(below)
    ratio = np.where(np.isfinite(ratio), ratio, 1.0)
    result: Float64 = np.log(np.clip(ratio, LEAST_RATIO, MOST_RATIO))
    return result


def _around(values: Float64, reach: int) -> Float64:
    """Return each value with ``reach`` neighbours on both sides (NaN beyond the ends)."""
    padded = np.full(values.size + 2 * reach, np.nan)
    padded[reach : reach + values.size] = values
    shape = (values.size, 2 * reach + 1)
    # NumPy's own view of sliding windows takes ten times as long to make.
    return np.lib.stride_tricks.as_strided(padded, shape, padded.strides * 2, writeable=False)


def _median(windows: Float64) -> Float64:
    """Return the median of the finite values of each row, NaN where there are none."""
    ordered = np.sort(windows, axis=1)  # NaN last
    there = np.isfinite(windows).sum(axis=1)
    rows = np.arange(len(windows))
    low = ordered[rows, np.maximum((there - 1) // 2, 0)]
    high = ordered[rows, np.minimum(there // 2, windows.shape[1] - 1)]
    result: Float64 = np.where(there > 0, (low + high) / 2, np.nan)
    return result


def _timing(centre_s: Float64) -> dict[str, Float64]:
    interval = np.diff(centre_s)
    usual = float(np.median(interval)) if interval.size else 1.0
    before = np.concatenate([[np.nan], interval])
    after = np.concatenate([interval, [np.nan]])
    near_window = _around(before, NEAR_BEATS)
    near = _median(near_window)
    near = np.where(np.isfinite(near), near, usual)
    there = np.isfinite(near_window)
    # The mean is the sinus interval also in bigeminy; pauses must not carry it away.
    capped = np.where(there, np.minimum(near_window, 2.0 * near[:, None]), 0.0)
    mean = capped.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    mean = np.where(mean > 0, mean, usual)
    far_window = _around(before, FAR_BEATS)[:, ::2]
    far = _median(far_window)
    far = np.where(np.isfinite(far), far, usual)
    before = np.where(np.isfinite(before), before, near)
    after = np.where(np.isfinite(after), after, near)
    earlier = np.concatenate([before[:1], before[:-1]])
    later = np.concatenate([after[1:], after[-1:]])
    change = np.abs(_log_ratio(before, earlier))
    spread = _median(np.abs(_log_ratio(near_window, near[:, None]) + 0 * near_window))
    return {
        "rr_before": np.log(np.clip(before, 0.1, 5.0)),
        "rr_after": np.log(np.clip(after, 0.1, 5.0)),
        "rr_before_near": _log_ratio(before, near),
        "rr_before_near_mean": _log_ratio(before, mean),
        "rr_before_far": _log_ratio(before, far),
        "rr_after_near": _log_ratio(after, near),
        "rr_after_near_mean": _log_ratio(after, mean),
        "rr_before_after": _log_ratio(before, after),
        "rr_before_earlier": _log_ratio(before, earlier),
        "rr_after_later": _log_ratio(after, later),
        "rr_earlier_near": _log_ratio(earlier, near),
        "rr_later_near": _log_ratio(later, near),
        "rr_pair_near": _log_ratio(before + after, 2 * near),
        "rr_near": np.log(np.clip(near, 0.1, 5.0)),
        "rr_before_near_high": _log_ratio(before, _upper(near_window, near)),
        "rr_before_far_high": _log_ratio(before, _upper(far_window, far)),
        "rr_rank": (near_window < before[:, None]).sum(axis=1) / np.maximum(there.sum(axis=1), 1),
        "rr_score": np.clip(_log_ratio(before, near) / (spread + 0.02), -20, 20),
        "irregularity": _median(_around(change, NEAR_BEATS)),
        "irregularity_far": _median(_around(change, FAR_BEATS)[:, ::2]),
        "regular_share": _regular(near_window, near),
        "regular_share_far": _regular(far_window, far),
    }


def _upper(windows: Float64, middle: Float64) -> Float64:
    """Return the 85th percentile of each row (:data:`HIGH_SHARE`)."""
    ordered = np.sort(windows, axis=1)
    there = np.isfinite(windows).sum(axis=1)
    chosen = np.minimum((HIGH_SHARE * there).astype(np.int64), np.maximum(there - 1, 0))
    high = ordered[np.arange(len(windows)), chosen]
    result: Float64 = np.where(np.isfinite(high), high, middle)
    return result


def _regular(windows: Float64, middle: Float64) -> Float64:
    """Return the share of the intervals that are within 7 % of the middle one."""
    with np.errstate(invalid="ignore"):
        near = np.abs(windows / middle[:, None] - 1.0) < REGULAR
    share: Float64 = near.sum(axis=1) / np.maximum(np.isfinite(windows).sum(axis=1), 1)
    return share


def _usual(templates: Templates) -> Bool:
    """Mark the beats of the reference template; all where there is none."""
    if templates.reference == NO_TEMPLATE:
        return np.ones(templates.number.size, bool)
    return templates.number == templates.reference


def _usual_timing(centre_s: Float64, usual: Bool) -> dict[str, Float64]:
    """Return a beat's timing against the intervals between two usual beats in a row."""
    count = centre_s.size
    before = np.diff(centre_s, prepend=np.nan)
    between = np.where(usual & np.concatenate([[False], usual[:-1]]), before, np.nan)
    there = between[np.isfinite(between)]
    known = there if there.size else before[1:]
    middle, high = np.full((2, count), 1.0)
    if known.size:
        middle[:] = np.median(known)
        high[:] = _upper(known[np.newaxis], known[:1])[0]
    near = _median(_around(between, NEAR_BEATS))
    near = np.where(np.isfinite(near), near, middle)
    far_window = _around(between, FAR_BEATS)[:, ::2]
    far = _median(far_window)
    far = np.where(np.isfinite(far), far, middle)
    change = np.abs(np.log(between[1:] / between[:-1]))
    change = np.concatenate([[np.nan], change]) if count else change
    changes = change[np.isfinite(change)]
    spread = float(np.median(changes)) if changes.size else 0.0
    irregularity = _median(_around(change, NEAR_BEATS))
    before = np.where(np.isfinite(before), before, near)
    number = np.arange(count)
    last = np.maximum.accumulate(np.where(usual, number, -1))
    last = np.concatenate([[-1], last[:-1]])
    following = np.minimum.accumulate(np.where(usual, number, count)[::-1])[::-1]
    following = np.concatenate([following[1:], [count]])
    since = np.where(last >= 0, centre_s - centre_s[np.maximum(last, 0)], near)
    until = np.where(following < count, centre_s[np.minimum(following, count - 1)] - centre_s, near)
    return {
        "usual_before": _log_ratio(before, near),
        "usual_since": _log_ratio(since, near),
        "usual_until": _log_ratio(until, near),
        "usual_around": _log_ratio(since + until, 2.0 * near),
        "usual_before_high": _log_ratio(before, _upper(far_window, far)),
        "usual_before_all": _log_ratio(before, middle),
        "usual_before_all_high": _log_ratio(before, high),
        "usual_irregularity": np.where(np.isfinite(irregularity), irregularity, spread),
        "usual_irregularity_all": np.full(count, spread),
        "usual_regular_all": np.full(count, (np.abs(known / middle[0] - 1.0) < REGULAR).mean())
        if known.size
        else np.zeros(count),
        "usual_share": np.full(count, usual.mean()),
    }


def _shape(pieces: BeatPieces, templates: Templates) -> dict[str, Float64]:
    vectors = pieces.vectors
    norms = np.einsum("bc,bc->b", vectors, vectors)
    usual = _usual(templates)
    before = np.concatenate([vectors[:1], vectors[:-1]])
    after = np.concatenate([vectors[1:], vectors[-1:]])
    reference = vectors[usual].mean(axis=0)
    columns = {
        "like_reference": likeness(vectors, norms, reference),
        "like_before": _pairwise(vectors, before),
        "like_after": _pairwise(vectors, after),
        "gain": np.clip(vectors @ reference / max(float(reference @ reference), 1e-12), -4, 4),
    }
    weights = _lead_weights(pieces, usual)
    late = _late(pieces.centre_s, usual)
    found = _lead_columns(pieces, usual, late)
    # A lead may show the complex well and no P wave: those count by how well the P wave repeats.
    shown = np.maximum(found["p_reference"][:, 0], 1e-3) ** 2 * (weights > LEAST_LEAD)
    p_weights = shown / shown.sum() if shown.sum() > 0 else weights
    for name, values in found.items():
        columns[name] = (p_weights if name.startswith("p_") else weights) @ values
    rest, p = columns["t_rest"], columns["p_like"]
    columns["t_rest_before"] = np.concatenate([rest[:1], rest[:-1]])
    columns["p_like_near"] = _median(_around(np.where(usual, p, np.nan), NEAR_BEATS))
    far = _median(_around(np.where(usual, p, np.nan), FAR_BEATS)[:, ::2])
    columns["p_like_far"] = np.where(np.isfinite(far), far, columns["p_like_near"])
    columns["p_like_row"] = _median(_around(p, ROW_BEATS))
    columns["p_like_before"] = np.concatenate([p[:1], p[:-1]])
    columns["p_like_after"] = np.concatenate([p[1:], p[-1:]])
    return columns


def _late(centre_s: Float64, usual: Bool) -> Bool:
    """Mark those of the usual beats that come latest after the beat before."""
    before = np.diff(centre_s, prepend=np.nan)
    near = _median(_around(before, NEAR_BEATS))
    delay = np.where(usual, before / near, np.nan)
    there = np.isfinite(delay)
    if there.sum() < 3:
        return usual
    late: Bool = there & (
        np.nan_to_num(delay, nan=-1.0) >= np.quantile(delay[there], 1 - LATE_SHARE)
    )
    return late


def _pairwise(a: Float32, b: Float32) -> Float64:
    both = np.einsum("bc,bc->b", a, a) + np.einsum("bc,bc->b", b, b)
    product = 2.0 * np.einsum("bc,bc->b", a, b)
    result: Float64 = (product / np.where(both > 0, both, np.inf)).astype(np.float64)
    return result


def _lead_weights(pieces: BeatPieces, usual: Bool) -> Float64:
    """Return how much of each lead's usual beats repeats, as weights that sum to one."""
    part = pieces.values[:, usual]
    mean = part.mean(axis=1)
    signal = np.square(mean - mean.mean(axis=1, keepdims=True)).mean(axis=1)
    rest = median_of_rows(np.square(part - mean[:, None]).mean(axis=2))
    weight = signal / np.maximum(signal + 2.0 * rest, 1e-30)
    weight = np.maximum(weight.astype(np.float64), 1e-6) ** 2
    total: Float64 = weight / weight.sum()
    return total


def _lead_columns(pieces: BeatPieces, usual: Bool, late: Bool) -> dict[str, Float64]:
    """Return what is told from each lead by itself: float64 (leads, beats) each."""
    qrs = pieces.part(*QRS_WINDOW_S)
    t = _without_line(pieces.part(*T_WINDOW_S)[..., ::2])
    p = _without_line(pieces.part(*P_WINDOW_S)[..., ::2])
    qrs = qrs - qrs.mean(axis=2, keepdims=True)
    width, duration = _widths(qrs)
    size = np.ptp(qrs, axis=2).astype(np.float64)
    scale = median_of_rows(size[:, usual])[:, None]
    result = {
        "width": np.log(np.maximum(width, 1e-3)),
        "width_reference": _log_ratio(width, median_of_rows(width[:, usual])[:, None]),
        "duration": np.log(np.maximum(duration, 1e-3)),
        "duration_reference": _log_ratio(duration, median_of_rows(duration[:, usual])[:, None]),
        "size_reference": _log_ratio(size, scale),
        "qrs_rest": _rest(qrs, usual),
        "t_rest": _rest(t, usual),
        "p_rest": _rest(p, late),
    }
    result["t_like"], _ = _fit(t, usual)
    result["p_like"], result["p_gain"] = _fit(p, late)
    result["p_best"], result["p_shift"] = _best_fit(pieces, p[:, late].mean(axis=1))
    area = pieces.part(*QRS_WINDOW_S).mean(axis=2) * pieces.part(*T_WINDOW_S).mean(axis=2)
    both = np.square(qrs).mean(axis=2) + 1e-20
    result["discordance"] = np.clip((area / both).astype(np.float64), -3, 3)
    result["p_size"] = _log_ratio(np.ptp(p, axis=2).astype(np.float64), scale)
    mean = p[:, late].mean(axis=1)
    shown = np.square(mean).mean(axis=1) / (np.square(p[:, late]).mean(axis=(1, 2)) + 1e-20)
    result["p_reference"] = np.repeat(shown.astype(np.float64)[:, None], p.shape[1], axis=1)
    return result


def _widths(qrs: Float32) -> tuple[Float64, Float64]:
    """Return the spread of the squared slope around its middle, and its effective length, in s."""
    energy = np.square(np.diff(qrs, axis=2)).astype(np.float64)
    # What is everywhere in the window is noise and not the complex.
    floor = quantile_of_rows(energy.reshape(-1, energy.shape[2]), 0.2)
    energy = np.maximum(energy - floor.reshape(*energy.shape[:2], 1), 0.0)
    total = energy.sum(axis=2) + 1e-30
    times = np.arange(energy.shape[2]) / GRID_RATE_HZ
    middle = (energy @ times) / total
    square = (energy @ np.square(times)) / total
    spread = np.sqrt(np.maximum(square - middle**2, 0.0))
    level = np.abs(qrs).astype(np.float64)
    length = np.square(level.sum(axis=2)) / (np.square(level).sum(axis=2) + 1e-30) / GRID_RATE_HZ
    return spread, length


def _without_line(part: Float32) -> Float32:
    """Take the straight line through each piece away."""
    x = np.linspace(-1, 1, part.shape[2], dtype=np.float32)
    slope = (part @ x) / float(x @ x)
    result: Float32 = part - part.mean(axis=2, keepdims=True) - slope[..., None] * x
    return result


def _rest(part: Float32, usual: Bool) -> Float64:
    """Return how much a piece differs from the usual one, against how much usual ones do (log)."""
    mean = part[:, usual].mean(axis=1)
    rest = np.sqrt(np.square(part - mean[:, None]).mean(axis=2)).astype(np.float64)
    return _log_ratio(rest, median_of_rows(rest[:, usual])[:, None])


def _fit(part: Float32, usual: Bool) -> tuple[Float64, Float64]:
    """Return correlation with the usual piece, and its size in it."""
    mean = part[:, usual].mean(axis=1)
    product = np.einsum("lbc,lc->lb", part, mean).astype(np.float64)
    power = np.square(mean).sum(axis=1).astype(np.float64)[:, None] + 1e-30
    own = np.square(part).sum(axis=2).astype(np.float64) + 1e-30
    return product / np.sqrt(own * power), np.clip(product / power, -5.0, 5.0)


def _best_fit(pieces: BeatPieces, mean: Float32) -> tuple[Float64, Float64]:
    """Return the best correlation with the usual P wave when it may be moved, and the way in s."""
    reach = round(P_SHIFT_S * GRID_RATE_HZ)
    power = np.square(mean).sum(axis=1).astype(np.float64)[:, None] + 1e-30
    best = np.full(pieces.values.shape[:2], -np.inf)
    moved = np.zeros_like(best)
    for columns in range(-reach, reach + 1, P_STEP):
        shift = columns / GRID_RATE_HZ
        part = _without_line(
            pieces.part(P_WINDOW_S[0] + shift, P_WINDOW_S[1] + shift)[..., ::2][
                ..., : mean.shape[1]
            ]
        )
        own = np.square(part).sum(axis=2).astype(np.float64) + 1e-30
        alike = np.einsum("lbc,lc->lb", part, mean) / np.sqrt(own * power)
        better = alike > best
        best[better] = alike[better]
        moved[better] = shift
    return best, moved


def _groups(columns: dict[str, Float64], templates: Templates) -> dict[str, Float64]:
    number = templates.number
    inside = number >= 0
    sizes = templates.sizes.astype(np.float64)
    total = float(max(number.size, 1))
    share = np.full(number.size, 1.0 / total)
    share[inside] = sizes[number[inside]] / total
    result = {"group_share": np.log(share)}
    for name, of in (
        ("group_early", "rr_before_near"),
        ("group_width", "width_reference"),
        ("group_like", "like_reference"),
        ("group_p_like", "p_like"),
    ):
        values = columns[of].copy()
        if sizes.size:
            sums = np.bincount(number[inside], weights=columns[of][inside], minlength=sizes.size)
            values[inside] = (sums / np.maximum(sizes, 1))[number[inside]]
        result[name] = values
    return result
