"""An ECG measured: beats, intervals, axes, waves of every lead, HRV, pacing.

>>> import ecgfoundry
>>> m = ecgfoundry.measure(ecgfoundry.sample_path("12-lead"))
>>> round(m.heart_rate_bpm), m.values["qtc_ms"].unit
(117, 'ms')
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.atria import atrial_activity
from ecgfoundry.measurements.beat_classes import BeatClasses, BeatLabeller
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.boundaries import BOUNDARIES, BeatWaves
from ecgfoundry.measurements.gaps import believed_intervals
from ecgfoundry.measurements.gate import mostly_doubted
from ecgfoundry.measurements.global_values import (
    DelineatedBeats,
    axis_values,
    interval_values,
    rate_values,
)
from ecgfoundry.measurements.hrv import hrv
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.medians import median_of_rows
from ecgfoundry.measurements.morphology import measure_leads
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.measurements.settled_classes import settled_labels
from ecgfoundry.measurements.stretches import (
    Stretch,
    measure_stretch,
    measure_whole,
    measuring_rate,
)
from ecgfoundry.measurements.values import GLOBAL_VALUES, LeadMeasurements, Value, missing
from ecgfoundry.recording import Recording, check_is_recording
from ecgfoundry.signals.quality import Notice

__all__ = ["Measurable", "measure"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

WHOLE_S = 90.0
"""Recordings to this length are measured in one piece."""
STRETCH_S, AROUND_S = 60.0, 4.0
"""Longer ones a minute at a time, with 4 s of the neighbours on each side."""
WIDE_QRS_MS = 120.0
MOST_MEDIANS = 240
"""So many median beats of stretches are kept at most: every second one is dropped beyond."""


@runtime_checkable
class Measurable(Protocol):
    """A recording or an opened file: leads, rate, length, and parts on demand."""

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the ECG leads."""

    @property
    def sampling_rate(self) -> float:
        """Hz."""

    @property
    def samples(self) -> int:
        """Per lead."""

    def part(self, start: int, stop: int) -> Recording:
        """Return the ECG leads of samples ``start`` to ``stop``."""


def measure(recording: Measurable | str | os.PathLike[str]) -> Measurements:
    """Measure an ECG of any length and of any leads.

    Parameters
    ----------
    recording : Recording, EcgFile or path
        In mV; a file is read in parts, so that memory does not grow with its length.

    Returns
    -------
    Measurements
        Every value of :data:`~ecgfoundry.measurements.values.GLOBAL_VALUES`, None with a reason
        where it cannot be had. What is no readable ECG is refused: ``.readable`` is False,
        ``.refused`` says why, and there are no beats.

    Raises
    ------
    EcgFoundryError
        A file cannot be read, or what is given is no recording.
    """
    if isinstance(recording, str | os.PathLike):
        import ecgfoundry

        with ecgfoundry.open(Path(recording)) as file:
            return _measured(file, str(recording))
    check_is_recording(recording)
    return _measured(recording, getattr(recording, "source", None) or _path_of(recording))


def _path_of(recording: object) -> str | None:
    path = getattr(recording, "path", None)
    return None if path is None else str(path)


def _measured(source: Measurable, name: str | None) -> Measurements:
    seconds, rate = source.samples / source.sampling_rate, source.sampling_rate
    if _in_one_piece(source):
        rate = measuring_rate(rate)
    stretches, medians = [], []
    labeller = BeatLabeller()
    for stretch in _stretches(source):
        if stretch.pieces is not None:
            labeller.add(stretch.pieces, stretch.paced)
        stretches.append(replace(stretch, pieces=None))
        if stretch.median is not None:
            medians.append(stretch.median)
            if len(medians) > MOST_MEDIANS:
                medians = medians[::2]
    refused = [stretch.refused for stretch in stretches if stretch.refused is not None]
    if len(refused) == len(stretches):
        notice = refused[0] if refused else _EMPTY
        return _refused(notice, seconds, source.sampling_rate, name)
    median = _median_of(medians)
    found = _joined(stretches, labeller.finish(), rate)
    lone = np.concatenate([stretch.lone_p for stretch in stretches])
    atrial = atrial_activity(found.beats, found.waves, rate, lone)
    if len(stretches) == 1:
        blocked_p_s = atrial.p_time_s[atrial.p_beat < 0]
        of_leads = 0 if median is None else len(median.leads)
        found = _settled(found, of_leads, blocked_p_s, seconds)
    calibrated = not any(stretch.rescaled for stretch in stretches)
    leads = _lead_values(median, stretches)
    rates = rate_values(found.beats, atrial)
    values = rates | interval_values(found, rates)
    disagreeing = {lead for stretch in stretches for lead in stretch.disagreeing}
    values |= axis_values(median, leads, calibrated=calibrated, disagreeing=disagreeing)
    values |= hrv(found.beats)
    doubt = mostly_doubted([s.doubts for s in stretches if s.refused is None])
    sample = np.rint(found.beats.time_s * source.sampling_rate).astype(np.int64)
    sample = np.minimum(sample, source.samples - 1)
    return Measurements(
        beats=replace(found.beats, sample=sample),
        leads=MappingProxyType(leads),
        values=_in_order(values),
        median=median,
        pacing=tuple(spike for stretch in stretches for spike in stretch.spikes),
        p_relation=atrial,
        calibrated=calibrated,
        duration_s=seconds,
        sampling_rate=source.sampling_rate,
        source=name,
        notices=(() if doubt is None else (doubt,))
        + _notices(values, found.beats, calibrated=calibrated),
    )


_EMPTY = Notice("missing", "there is no sample of any lead")


def _in_one_piece(source: Measurable) -> bool:
    return source.samples <= WHOLE_S * source.sampling_rate


def _stretches(source: Measurable) -> Iterator[Stretch]:
    """Measure a short recording whole, at a rate of its own; a long one by the minute, as it is."""
    rate, samples = source.sampling_rate, source.samples
    if samples == 0:
        return
    if _in_one_piece(source):
        yield measure_whole(source.part(0, samples).with_derived_leads())
        return
    length = round(STRETCH_S * rate)
    around = round(AROUND_S * rate)
    begins = list(range(0, samples, length))
    if len(begins) > 1 and samples - begins[-1] < around:
        begins.pop()  # a rest of some seconds belongs to the stretch before it
    for begin, end in zip(begins, [*begins[1:], samples], strict=True):
        start = max(0, begin - around)
        part = source.part(start, min(samples, end + around))
        yield measure_stretch(part.with_derived_leads(), start, (begin, end), rate)


def _refused(notice: Notice, seconds: float, rate: float, name: str | None) -> Measurements:
    reason = f"refused: {notice.message}"
    return Measurements(
        beats=Beats.from_samples([], rate),
        leads=MappingProxyType({}),
        values=_in_order({}, reason),
        median=None,
        refused=notice,
        duration_s=seconds,
        sampling_rate=rate,
        source=name,
    )


def _in_order(values: Mapping[str, Value], reason: str = "") -> Mapping[str, Value]:
    return MappingProxyType(
        {
            name: values[name] if name in values else missing(meaning.unit, reason)
            for name, meaning in GLOBAL_VALUES.items()
        }
    )


def _joined(stretches: Sequence[Stretch], classes: BeatClasses, rate: float) -> DelineatedBeats:
    sample = np.concatenate([stretch.beats for stretch in stretches])
    waves = BeatWaves(
        **{
            name: np.concatenate([getattr(stretch.waves, name) for stretch in stretches])
            for name in BOUNDARIES
        }
    )
    gaps = np.concatenate([stretch.gaps for stretch in stretches])
    beats = Beats.from_samples(
        sample,
        rate,
        label=classes.label,
        template=classes.template,
        paced=np.concatenate([stretch.paced for stretch in stretches]),
        rr_s=believed_intervals(sample, gaps, rate) / rate,
        p_s=waves.p_onset / rate,
        qrs_onset_s=waves.qrs_onset / rate,
        qrs_offset_s=waves.qrs_offset / rate,
        t_offset_s=waves.t_offset / rate,
        confidence=classes.confidence,
    )
    return DelineatedBeats(beats, waves, classes.usual, rate)


def _settled(
    found: DelineatedBeats, leads: int, blocked_p_s: Float64, seconds: float
) -> DelineatedBeats:
    """Settle the classes of a recording that is measured in one piece."""
    beats = found.beats
    labels = settled_labels(beats, leads, blocked_p_s, seconds)
    confidence = np.where(labels == beats.label, beats.confidence, np.nan)
    return replace(found, beats=replace(beats, label=labels, confidence=confidence))


def _median_of(medians: Sequence[MedianBeat]) -> MedianBeat | None:
    """Unite the median beats of stretches: sample by sample their median, per lead."""
    if len(medians) <= 1:
        return medians[0] if medians else None
    names = tuple(dict.fromkeys(lead for median in medians for lead in median.leads))
    shape = (len(medians), len(names), medians[0].values.shape[1])
    values, noise = np.full(shape, np.nan), np.full(shape[:2], np.nan)
    for number, median in enumerate(medians):
        rows = [names.index(lead) for lead in median.leads]
        values[number, rows] = median.values
        noise[number, rows] = median.noise_mv
    boundaries = {}
    for name in BOUNDARIES:
        there = [m.boundaries[name] for m in medians if name in m.boundaries]
        if 2 * len(there) >= len(medians):
            boundaries[name] = float(np.median(there))
    first = medians[0]
    return MedianBeat(
        names,
        np.nanmedian(values, axis=0),
        first.sampling_rate,
        first.fiducial,
        boundaries,
        np.concatenate([median.likeness for median in medians]),
        np.sqrt(_mean_there(np.square(noise))),
        sum(median.beats_used for median in medians),
    )


def _mean_there(values: Float64) -> Float64:
    """Mean over the first axis of what is not NaN; NaN where nothing is (no warning)."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    total = np.where(there, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _lead_values(
    median: MedianBeat | None, stretches: Sequence[Stretch]
) -> dict[str, LeadMeasurements]:
    if median is None:
        return {}
    return measure_leads(median, {lead: _usual_snr_db(stretches, lead) for lead in median.leads})


def _usual_snr_db(stretches: Sequence[Stretch], lead: str) -> float | None:
    """The median over the stretches; the figure itself is the gate's."""
    known = [snr for s in stretches if (snr := s.snr_db.get(lead)) is not None]
    if len(known) == 1:
        return known[0]
    return float(median_of_rows(np.array(known))) if known else None


def _notices(values: Mapping[str, Value], beats: Beats, *, calibrated: bool) -> tuple[Notice, ...]:
    result = []
    if not calibrated:
        words = (
            "each lead was scaled by itself, or a unit or a gain is wrong: amplitudes are not mV, "
            "and there are no axes"
        )
        result.append(Notice("amplitudes-not-mv", words))
    qrs = values["qrs_ms"].value
    if qrs is not None and qrs >= WIDE_QRS_MS and values["jt_ms"].value is not None:
        words = "QRS is 120 ms or wider, which lengthens QT: JT says more of repolarization"
        result.append(Notice("wide-qrs", words))
    if beats.paced.any():
        count = int(beats.paced.sum())
        words = f"{count} of {len(beats)} beats are paced; they are measured from the QRS onset"
        result.append(Notice("paced", words))
    return tuple(result)
