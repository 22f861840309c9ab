"""What is found in one stretch of a recording: beats, their waves, spikes, and the median beat.

A long recording is measured stretch by stretch, each with some seconds of its neighbours around
it, so that memory does not grow with its length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import SamplingRateError
from ecgfoundry.measurements.beats import fill_gaps, find_beats
from ecgfoundry.measurements.boundaries import BOUNDARIES, BeatWaves
from ecgfoundry.measurements.delineation import delineate
from ecgfoundry.measurements.gaps import absent_stretches, held_stretches
from ecgfoundry.measurements.gate import MAY_BE_NO_ECG, judge_and_find_beats
from ecgfoundry.measurements.intervals import median_beat
from ecgfoundry.measurements.lead_fusion import fuse_leads
from ecgfoundry.measurements.lead_relations import (
    FEWEST_LEADS,
    INDEPENDENT_LEADS,
    doubt_of_leads,
)
from ecgfoundry.measurements.lone_p import lone_p_waves
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.p_repeat import with_repeating_p
from ecgfoundry.measurements.pacing import PacingSpike, describe_spikes, find_spikes, without_spikes
from ecgfoundry.measurements.qrs_end import with_late_end
from ecgfoundry.measurements.t_end import with_t_end
from ecgfoundry.measurements.templates import BeatPieces, cut_beats
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import DISAGREE, LARGE_AMPLITUDE_MV, Notice, WindowQuality
from ecgfoundry.signals.resampling import rational_ratio, resample_polyphase

__all__ = ["Stretch", "measure_stretch", "measure_whole", "measuring_rate"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

MEASURING_RATE_HZ = 500.0
"""A recording that is measured in one piece is measured at this rate, whatever its own: a boundary
between samples 4 ms apart, or a limit of so many samples, would be another one at every rate. It is
the least that part I of the AHA/ACC/HRS recommendations (Kligfield et al., J Am Coll Cardiol
49:1109, 2007) names for the 150 Hz that they ask for."""
LEAST_RATE_HZ = 200.0
"""Slower recordings are measured as they are: smooth curves between so few samples swing at the
feet of a QRS complex (:mod:`.delineation`)."""
MEDIAN_SPAN_S = (0.45, 0.75)
LEAST_INDEPENDENT = 3
PULSE_MV, SAME_MV, PULSE_S, EDGE_S = 0.2, 0.0075, 0.10, 0.04
"""What three independent leads or more show alike, to a step of the converter, and 0.1 s of it more
than 0.2 mV from zero, is a calibration pulse and the zeros around it."""
EQUAL_SHARE = 0.002
LEAST_EQUAL = 3
UNIT_SHARE = 0.001
"""Leads whose ranges or standard deviations agree to 0.2 % in three leads or more were scaled each
by itself: no heart does that. A standard deviation of 1 and a mean of 0 to 0.1 % are a z-score."""
ALIKE = {10: 0.12, 8: 0.05}
"""Leads, and the standard deviation of the logarithms of their ranges below which so many were
scaled each by itself, though they were resampled since, which moves every peak by some percent (our
choice: 285 twelve-lead records of PTB-XL and CinC 2020 have 0.17 or more, resampled to 100 Hz or
not, and 0.09 or more in the eight independent leads; 58 of LUDB, scaled to 1 mV and resampled to
250 Hz, at most 0.064)."""

ONE_HEIGHT, LEADS_OF_ONE_HEIGHT = 0.06, 10
"""Of so many leads half are within 6 % of the highest: a part of a recording whose leads were
scaled, where one lead or another has its extremes elsewhere (our choice: in 1,400 recordings and
halves of PTB-XL and CinC 2020 the middle lead is 9 % lower or more)."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """The beats of a stretch, in samples of the whole recording, and what belongs to them.

    The samples are those of the rate at which it was measured (:func:`measuring_rate`). ``waves``
    holds the boundaries of all leads together, float64 (beats,). ``pieces`` are the beats
    cut out of every lead, for their classes (None where there is no beat). ``gaps`` are the
    stretches without any signal (n, 2). ``refused`` says why there is nothing, ``lone_p`` holds the
    peaks of P waves that no QRS complex follows, ``snr_db`` each lead's signal to noise,
    ``disagreeing`` the limb leads that the gate found not to be what I and II make of them, and
    ``doubts`` the warnings that this may be no ECG.
    """

    beats: Int64
    waves: BeatWaves
    pieces: BeatPieces | None
    paced: Bool
    spikes: tuple[PacingSpike, ...]
    median: MedianBeat | None
    gaps: Int64
    rescaled: bool
    refused: Notice | None
    lone_p: Float64 = field(default_factory=lambda: np.empty(0))
    snr_db: Mapping[str, float | None] = field(default_factory=dict)
    disagreeing: tuple[str, ...] = ()
    doubts: tuple[Notice, ...] = ()


def measuring_rate(sampling_rate: float) -> float:
    """Return the rate at which a recording of this rate is measured in one piece, Hz."""
    if sampling_rate < LEAST_RATE_HZ:
        return sampling_rate
    try:
        rational_ratio(sampling_rate, MEASURING_RATE_HZ)
    except SamplingRateError:
        return sampling_rate
    return MEASURING_RATE_HZ


def measure_whole(recording: Recording) -> Stretch:
    """Measure a recording in one piece, at the rate of :func:`measuring_rate`."""
    rate = measuring_rate(recording.sampling_rate)
    samples = math.ceil(recording.samples * (rate / recording.sampling_rate))
    return measure_stretch(recording, 0, (0, samples), rate)


def measure_stretch(
    recording: Recording, start: int, core: tuple[int, int], rate: float
) -> Stretch:
    """Measure a stretch of a recording.

    Parameters
    ----------
    recording : Recording
        The stretch with its surroundings.
    start : int
        Number of its first sample in the whole recording.
    core : (int, int)
        Samples of the whole recording: beats from the first to before the second are kept.
    rate : float
        Hz, at which it is measured: that of ``start``, of ``core`` and of the answer.
    """
    own, leads = recording.sampling_rate, recording.leads
    quality, recognised = judge_and_find_beats(recording.signal, own, leads)
    if quality.refusal is not None:
        whole = np.asarray([core], dtype=np.int64)
        return _nothing(quality.refusal, whole)
    readable = [row for row, lead in enumerate(leads) if _readable(quality.leads.get(lead))]
    names = tuple(leads[row] for row in readable)
    recorded = recording.signal[readable]
    raw = recorded.astype(np.float64)
    pulses = _calibration_pulses(recording)
    if pulses.any():
        raw[:, pulses] = np.nan
    absent = ~np.isfinite(raw)
    any_absent = bool(absent.any())
    filled = fill_gaps(raw) if any_absent else raw
    spikes = find_spikes(filled, own)
    clean = without_spikes(filled, spikes)
    seen = np.where(absent, np.nan, clean) if any_absent else clean
    gaps = np.concatenate([absent_stretches(absent, own), held_stretches(recorded, own)])
    # Where neither spikes nor pulses were taken out, the gate has found the same beats already.
    untouched = clean is filled and not pulses.any()
    if rate != own:
        seen = resample_polyphase(seen, own, rate).astype(np.float64)
        clean = fill_gaps(seen) if any_absent else seen
        spikes, gaps, untouched = spikes.at_rate(own, rate), _at_rate(gaps, own, rate), False
    beats = recognised if recognised is not None and untouched else find_beats(seen, rate)
    waves = fuse_leads(delineate(seen, rate, beats), rate)
    described, paced = describe_spikes(
        spikes, rate, waves.qrs_onset, waves.qrs_offset, waves.p_onset
    )
    every = seen
    if len(readable) < len(leads):
        every = np.full((len(leads), seen.shape[1]), np.nan)
        every[readable] = seen
    pieces = cut_beats(every, rate, beats)
    clusters = pieces.clusters
    usual = (clusters.number == clusters.reference) & ~pieces.missing
    if not usual.any():
        usual = np.ones(beats.size, bool)
    median = median_beat(clean, rate, beats, waves, names, usual=usual, span_s=MEDIAN_SPAN_S)
    waves, median = with_late_end(waves, median)
    waves, median = with_t_end(waves, median)
    waves, median = with_repeating_p(waves, median, clean, rate, beats, usual)
    lone = lone_p_waves(clean, rate, beats, waves) + start
    snr_db = {lead: quality.leads[lead].snr_db for lead in names}
    disagreeing = _disagreeing(quality)
    of_leads = doubt_of_leads(median, snr_db, disagreeing)
    doubts = [notice for notice in quality.warnings if notice.code == MAY_BE_NO_ECG]
    stretch = Stretch(
        beats + start, _moved(waves, start), pieces.later(start / rate), paced, described, median,
        gaps + start,
        _rescaled(recorded, names) or _impossible(median), None, lone,
        snr_db, disagreeing, tuple(doubts if of_leads is None else [*doubts, of_leads]),
    )  # fmt: skip
    return _core(stretch, core, start, rate)


def _at_rate(samples: Int64, own: float, rate: float) -> Int64:
    """Return sample numbers of one rate as those of another."""
    return np.rint(samples * (rate / own)).astype(np.int64)


def doubt_between_leads(recording: Recording) -> Notice | None:
    """Return the doubt whether the leads of a window are of one heart; None where there is none.

    What :func:`measure_whole` asks of a recording, for whoever asks of one window alone. With
    fewer than six of the independent leads nothing is asked.
    """
    whole = recording.with_derived_leads()
    if sum(lead in INDEPENDENT_LEADS for lead in whole.leads) < FEWEST_LEADS:
        return None
    doubts = measure_whole(whole).doubts
    return doubts[-1] if doubts else None


def _readable(figures: object) -> bool:
    return figures is not None and bool(getattr(figures, "readable", False))


def _disagreeing(quality: WindowQuality) -> tuple[str, ...]:
    return tuple(
        lead for notice in quality.warnings if notice.code == DISAGREE for lead in notice.leads
    )


def _nothing(refused: Notice, gaps: Int64) -> Stretch:
    empty = np.empty(0)
    return Stretch(
        np.empty(0, np.int64), BeatWaves(*(empty for _ in BOUNDARIES)), None,
        np.empty(0, bool), (), None, gaps, False, refused,
    )  # fmt: skip


def _moved(waves: BeatWaves, start: int) -> BeatWaves:
    if start == 0:
        return waves
    return BeatWaves(**{name: getattr(waves, name) + start for name in BOUNDARIES})


def _core(stretch: Stretch, core: tuple[int, int], start: int, rate: float) -> Stretch:
    """Keep what lies inside the core."""
    inside = (stretch.beats >= core[0]) & (stretch.beats < core[1])
    spikes = tuple(
        PacingSpike(spike.time_s + start / rate, spike.kind, spike.captured)
        for spike in stretch.spikes
        if core[0] <= spike.time_s * rate + start < core[1]
    )
    if inside.all():
        kept, waves, pieces, paced = stretch.beats, stretch.waves, stretch.pieces, stretch.paced
    else:
        kept, paced = stretch.beats[inside], stretch.paced[inside]
        waves = BeatWaves(**{name: getattr(stretch.waves, name)[inside] for name in BOUNDARIES})
        pieces = None if stretch.pieces is None else stretch.pieces.chosen(inside)
    lone = stretch.lone_p[(stretch.lone_p >= core[0]) & (stretch.lone_p < core[1])]
    return Stretch(
        kept, waves, pieces, paced, spikes, stretch.median, stretch.gaps, stretch.rescaled, None,
        lone, stretch.snr_db, stretch.disagreeing, stretch.doubts,
    )  # fmt: skip


def _calibration_pulses(recording: Recording) -> Bool:
    """Mark the samples of calibration pulses."""
    rows = [row for row, lead in enumerate(recording.leads) if lead in INDEPENDENT_LEADS]
    pulse = np.zeros(recording.samples, bool)
    if len(rows) < LEAST_INDEPENDENT:
        return pulse
    first = recording.signal[rows[0]]
    same = np.ones(recording.samples, bool)
    for row in rows[1:]:
        same &= np.abs(recording.signal[row] - first) <= SAME_MV
        if not (same & (np.abs(first) > PULSE_MV)).any():
            return pulse
    edge = round(EDGE_S * recording.sampling_rate)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2):
        high = int((np.abs(first[begin:end]) > PULSE_MV).sum())
        if high >= PULSE_S * recording.sampling_rate:
            pulse[max(0, begin - edge) : end + edge] = True
    return pulse


def _impossible(median: MedianBeat | None) -> bool:
    """Whether beats are so large in some lead that its unit or its gain must be wrong."""
    if median is None or not np.isfinite(median.values).any():
        return False
    values = median.values[np.isfinite(median.values).any(axis=1)]
    return bool((np.nanmax(values, axis=1) - np.nanmin(values, axis=1)).max() > LARGE_AMPLITUDE_MV)


def _rescaled(signal: NDArray[np.floating], leads: Sequence[str]) -> bool:
    """Whether the leads were each scaled to themselves, so that their amplitudes mean nothing.

    The independent leads are looked at by themselves too: those made of scaled ones are not scaled.
    """
    independent = [row for row, lead in enumerate(leads) if lead in INDEPENDENT_LEADS]
    some = 0 < len(independent) < len(leads)
    return _scaled(signal) or (some and _scaled(signal[independent]))


def _scaled(signal: NDArray[np.floating]) -> bool:
    if not np.isfinite(signal).all():
        finite = np.where(np.isfinite(signal), signal, np.nan)
        spread, middle = np.nanstd(finite, axis=1), np.nanmean(finite, axis=1)
        ranges = np.nanmax(finite, axis=1) - np.nanmin(finite, axis=1)
    else:
        spread, middle = signal.std(axis=1), signal.mean(axis=1)
        ranges = signal.max(axis=1) - signal.min(axis=1)
    standard = (np.abs(spread - 1.0) < UNIT_SHARE) & (np.abs(middle) < UNIT_SHARE)
    if standard.all():
        return True
    if len(signal) < LEAST_EQUAL:
        return False
    spread_of_ranges = float(np.log(ranges[ranges > 0]).std()) if (ranges > 0).any() else np.inf
    if (ranges > 0).sum() >= LEADS_OF_ONE_HEIGHT and (
        np.median(ranges[ranges > 0]) >= (1.0 - ONE_HEIGHT) * ranges.max()
    ):
        return True
    least = next((most for count, most in ALIKE.items() if (ranges > 0).sum() >= count), 0.0)
    return spread_of_ranges < least or any(
        bool(np.ptp(figure) <= EQUAL_SHARE * figure.max() and figure.min() > 0)
        for figure in (spread, ranges)
    )
