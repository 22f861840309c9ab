"""Can this window be read, and what should its reader know about it?

Refused is only what cannot be read: nothing there, flat, too short, or mostly missing. Everything
else is a named warning beside the findings. Whether what can be read is an ECG at all is asked by
:mod:`ecgfoundry.measurements.recognition`; :mod:`ecgfoundry.measurements.gate` joins the two. Every
threshold here is our choice; each is one constant with its unit, so that it can be argued about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import Document, Fields, JsonObject
from ecgfoundry.signals.lead_metrics import (
    Measures,
    RowFigures,
    limb_figures,
    measure_rows,
    saturated_samples,
)

__all__ = [
    "LeadQuality",
    "Notice",
    "WindowQuality",
    "assess_window",
    "assess_windows",
    "lead_quality",
    "merge_notices",
]

MINIMUM_DURATION_S = 2.5  # the shortest strip that a printed 3 x 4 ECG shows of a lead
MAXIMUM_GAP_SHARE = 0.3  # of a window; above it the lead counts as unreadable
FLAT_AMPLITUDE_MV = 0.02  # 0.2 mm on paper: no QRS complex is that small
FLAT_BLOCK_S = 1.0  # a second without any deflection is a detached electrode or asystole
FLAT_SHARE_WARNING = 0.2
LARGE_AMPLITUDE_MV = 20.0  # no ECG lead; the usual cause is a wrong unit or gain
LOW_AMPLITUDE_MV = 0.15
SATURATED_RUN_S = 0.04  # equal extreme samples in a row for this long
SATURATED_SHARE_WARNING = 0.01
NOISE_SHARE_WARNING = 0.25  # of the power above 0.5 Hz that lies above 40 Hz, mains left out
MAINS_SHARE_WARNING = 0.15  # of the power above 0.5 Hz that lies within 1 Hz of 50 or 60 Hz
WANDER_SHARE_WARNING = 0.6  # of all power that lies below 0.5 Hz
DISAGREE = "leads-disagree"
DISAGREEMENT_WARNING = 0.35  # see ecgfoundry.leads.limb_disagreement
# Spikes are counted here in each lead by itself, in one lead too, in the pass that measures it, to
# warn whoever reads findings. ``ecgfoundry.measurements.pacing.find_spikes`` says where they begin
# and end, for measuring without them: it needs the same moment in two leads and a level before, and
# knows spikes that ring.
PACER_MINIMUM_RATE_HZ = 400.0  # below it a 0.5-ms spike is not seen reliably
PACER_SPIKE_MV = 0.25
PACER_SPIKE_SHARE = 0.25  # of the lead's amplitude: notches of tall complexes are smaller
PACER_SPIKE_COUNT = 3
PACER_SPIKE_S = 0.004  # half the width; and of the level stretch on each side
PACER_DISTANCE_S = 0.1  # spikes that are closer are one
BASELINE_S = 0.3  # running mean that is taken away before limb leads are compared


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the reader of a result should know: a stable code, words, the leads."""

    code: str
    message: str
    leads: tuple[str, ...] = ()

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        result: JsonObject = {"code": self.code, "message": self.message}
        if self.leads:
            result["leads"] = list(self.leads)
        return result

    @classmethod
    def from_dict(cls, document: Document) -> Notice:
        """Build from the JSON form."""
        own = Fields(document)
        leads = own.texts("leads") if "leads" in own else ()
        return cls(own.text("code"), own.text("message"), leads)


@dataclass(frozen=True, slots=True)
class LeadQuality:
    """Figures of one lead in one window.

    ``missing_share``, ``flat_share`` and ``saturated_share`` are shares of the time;
    ``amplitude_mv`` is the 0.5th to 99.5th percentile range; ``noise_share``, ``mains_share``
    and ``wander_share`` are shares of power; ``snr_db`` is the power of the heartbeats over that of
    noise between 5 and 40 Hz, and ``acceptable`` how probable it is that a reader would accept the
    lead; :mod:`ecgfoundry.measurements.gate` adds both, as they take beats. None where there is too
    little signal.
    """

    missing_share: float
    flat_share: float
    saturated_share: float
    amplitude_mv: float | None
    noise_share: float | None
    mains_share: float | None
    wander_share: float | None
    snr_db: float | None = None
    acceptable: float | None = None

    @property
    def readable(self) -> bool:
        """Whether an ECG can be read from this lead at all."""
        return (
            self.missing_share <= MAXIMUM_GAP_SHARE
            and self.amplitude_mv is not None
            and self.amplitude_mv >= FLAT_AMPLITUDE_MV
        )

    def to_dict(self) -> dict[str, float | None]:
        """Return the figures, rounded to four digits."""
        return {
            name: None if value is None else round(float(value), 4)
            for name, value in (
                ("missing_share", self.missing_share),
                ("flat_share", self.flat_share),
                ("saturated_share", self.saturated_share),
                ("amplitude_mv", self.amplitude_mv),
                ("noise_share", self.noise_share),
                ("mains_share", self.mains_share),
                ("wander_share", self.wander_share),
                ("snr_db", self.snr_db),
                ("acceptable", self.acceptable),
            )
        }


@dataclass(frozen=True, slots=True)
class WindowQuality:
    """The verdict on one window: ``refusal`` is None if it can be read.

    ``acceptable``, 0 to 1, is a second opinion (:mod:`ecgfoundry.measurements.acceptability`): how
    probable it is that a reader would accept the window; None where nobody asked, and of a window
    that is refused.
    """

    leads: dict[str, LeadQuality]
    warnings: tuple[Notice, ...]
    refusal: Notice | None
    acceptable: float | None = None

    @property
    def verdict(self) -> str:
        """ "refused", "usable" (there are warnings) or "good"."""
        if self.refusal is not None:
            return "refused"
        return "usable" if self.warnings else "good"


def lead_quality(signal: NDArray[np.floating], sampling_rate: float) -> LeadQuality:
    """Measure one lead (samples,) in mV, NaN = missing."""
    x = np.asarray(signal)
    if x.size == 0:
        return LeadQuality(1.0, 0.0, 0.0, None, None, None, None)
    return _as_quality(measure_rows(x[np.newaxis], _measures(sampling_rate, spikes=False))[0])


def _measures(sampling_rate: float, *, spikes: bool) -> Measures:
    return Measures(
        sampling_rate=sampling_rate,
        flat_block=max(2, round(FLAT_BLOCK_S * sampling_rate)),
        flat_amplitude=FLAT_AMPLITUDE_MV,
        saturated_run=_saturated_run(sampling_rate),
        spike_reach=max(1, round(PACER_SPIKE_S * sampling_rate)) if spikes else 0,
        spike_height=PACER_SPIKE_MV,
        spike_share=PACER_SPIKE_SHARE,
        spike_distance=PACER_DISTANCE_S * sampling_rate,
    )


def _as_quality(figures: RowFigures) -> LeadQuality:
    amplitude = None
    if figures.low is not None and figures.high is not None:
        amplitude = figures.high - figures.low
    return LeadQuality(
        figures.missing_share,
        figures.flat_share,
        figures.saturated_share,
        amplitude,
        *figures.shares,
    )


def _saturated_run(sampling_rate: float) -> int:
    return max(3, round(SATURATED_RUN_S * sampling_rate))


def _saturated_share(values: NDArray[np.floating], sampling_rate: float) -> float:
    """Share of samples in runs of at least 40 ms that stand exactly at the highest or lowest."""
    return saturated_samples(values, _saturated_run(sampling_rate)) / values.size


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
        f"more than {LARGE_AMPLITUDE_MV:g} mV: check the unit and the gain",
    ),
    (
        "low-amplitude",
        "amplitude_mv",
        LOW_AMPLITUDE_MV,
        True,
        f"less than {LOW_AMPLITUDE_MV:g} mV",
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
    return assess_windows(np.asarray(signal)[np.newaxis], sampling_rate, leads)[0]


def assess_windows(
    signals: NDArray[np.floating], sampling_rate: float, leads: Sequence[str]
) -> list[WindowQuality]:
    """Judge raw windows of one shape, each alone, in fewer calls than one by one.

    Parameters
    ----------
    signals : ndarray (windows, leads, samples)
        mV, NaN = missing, as in :func:`assess_window`.
    sampling_rate : float
        Hz.
    leads : sequence of str
        Names of the rows.
    """
    batch = np.asarray(signals)[:, : len(leads)]
    count, rows, samples = batch.shape
    if not rows or samples == 0:
        return [WindowQuality({}, (), _NOTHING)] * count
    spikes = sampling_rate >= PACER_MINIMUM_RATE_HZ
    measures = _measures(sampling_rate, spikes=spikes)
    # A row's figures do not depend on the rows beside it.
    measured = measure_rows(batch.reshape(count * rows, samples), measures)
    return [
        _judged(window, sampling_rate, leads, measured[k * rows : (k + 1) * rows], spikes=spikes)
        for k, window in enumerate(batch)
    ]


def _judged(
    array: NDArray[np.floating],
    sampling_rate: float,
    leads: Sequence[str],
    measured: Sequence[RowFigures],
    *,
    spikes: bool,
) -> WindowQuality:
    duration = array.shape[1] / sampling_rate
    rows = {
        lead: (row, found)
        for row, (lead, found) in enumerate(zip(leads, measured, strict=True))
        if found.missing_share < 1.0
    }
    if not rows:
        return WindowQuality({}, (), _NOTHING)
    figures = {lead: _as_quality(found) for lead, (_, found) in rows.items()}
    if duration < MINIMUM_DURATION_S:
        refusal = Notice(
            "too-short",
            f"the signal is {duration:.2f} s long; at least {MINIMUM_DURATION_S:g} s is needed",
        )
        return WindowQuality(figures, (), refusal)
    good = {lead: figure for lead, figure in figures.items() if figure.readable}
    if not good:
        return WindowQuality(figures, (), _refusal(figures))
    warnings = _lead_warnings(good)
    if len(good) < len(figures):
        unreadable = tuple(lead for lead in figures if lead not in good)
        words = f"{', '.join(unreadable)}: flat or mostly missing, read as an absent lead"
        warnings.insert(0, Notice("lead-unreadable", words, unreadable))
    readable = {lead: rows[lead] for lead in good}
    warnings += _lead_geometry_warnings(array, readable, sampling_rate)
    if spikes:
        warnings += _pacer_warning({lead: found.spikes for lead, (_, found) in readable.items()})
    return WindowQuality(figures, tuple(warnings), None)


def _lead_warnings(figures: dict[str, LeadQuality]) -> list[Notice]:
    warnings = []
    for code, field, limit, below, words in _LEAD_WARNINGS:
        found = []
        for lead, figure in figures.items():
            value = getattr(figure, field)
            if value is not None and (value < limit if below else value > limit):
                found.append(lead)
        if found:
            warnings.append(Notice(code, f"{', '.join(found)}: {words}", tuple(found)))
    return warnings


_NOTHING = Notice("missing", "every sample of every lead is missing")


def _refusal(figures: dict[str, LeadQuality]) -> Notice:
    if all(figure.missing_share > MAXIMUM_GAP_SHARE for figure in figures.values()):
        return Notice(
            "missing", f"more than {MAXIMUM_GAP_SHARE:.0%} of the samples are missing in every lead"
        )
    return Notice(
        "flat",
        f"every lead is flat (under {1000 * FLAT_AMPLITUDE_MV:g} uV from peak to peak); "
        "check the electrodes and the unit",
    )


def _lead_geometry_warnings(
    array: NDArray[np.floating], leads: dict[str, tuple[int, RowFigures]], sampling_rate: float
) -> list[Notice]:
    result: list[Notice] = []
    # Devices that clean each channel by itself leave each its own baseline: compare without it.
    order = [row for row, _ in leads.values()]
    rows = array if order == list(range(len(array))) else array[order]
    disagreement = limb_figures(rows, tuple(leads), max(3, round(BASELINE_S * sampling_rate)))
    apart = tuple(lead for lead, value in disagreement.items() if value > DISAGREEMENT_WARNING)
    if apart:
        words = f"{', '.join(apart)}: not what I and II make of them; misnamed or rescaled leads?"
        result.append(Notice(DISAGREE, words, apart))
    down = {lead: _points_down(leads[lead][1]) for lead in ("I", "aVR") if lead in leads}
    if down.get("I"):
        if not down.get("aVR", True):
            words = "I points down and aVR up: arm electrodes swapped, or dextrocardia?"
            result.append(Notice("limb-leads-swapped", words, ("I", "aVR")))
        elif "aVR" not in down:
            words = "I: the QRS complexes point down; is the lead inverted?"
            result.append(Notice("inverted", words, ("I",)))
    return result


def _points_down(figures: RowFigures) -> bool:
    """Whether the tall narrow deflections are mainly negative."""
    if figures.low is None or figures.middle is None or figures.high is None:
        return False
    return figures.middle - figures.low > 2.0 * (figures.high - figures.middle)


def _pacer_warning(spikes: dict[str, int]) -> list[Notice]:
    found = tuple(lead for lead, count in spikes.items() if count >= PACER_SPIKE_COUNT)
    if len(found) < min(2, len(spikes)):
        return []
    words = f"{', '.join(found)}: narrow spikes as of a pacemaker; it changes what findings mean"
    return [Notice("pacemaker-spikes", words, found)]


def merge_notices(notices: Sequence[Sequence[Notice]]) -> tuple[Notice, ...]:
    """Unite the warnings of several windows: one per code, with all leads and the window count.

    Parameters
    ----------
    notices : sequence of sequence of Notice
        One inner sequence per window.
    """
    order: dict[str, list[Notice]] = {}
    for window in notices:
        for notice in window:
            order.setdefault(notice.code, []).append(notice)
    result = []
    for code, same in order.items():
        leads = tuple(dict.fromkeys(lead for notice in same for lead in notice.leads))
        words = same[0].message
        if leads and ": " in words:
            words = f"{', '.join(leads)}: {words.split(': ', 1)[1]}"
        if len(notices) > 1:
            words += f" (in {len(same)} of {len(notices)} windows)"
        result.append(Notice(code, words, leads))
    return tuple(result)
