"""The steps that recipes are made of: what each is, and what it does to a window.

A step is a small object with the numbers of its entry in the recipe's document (see
``schemas/preprocessing.schema.json``) and ``run``, a pure function of arrays by NumPy and SciPy:
the reference. The other engines (:mod:`~ecgfoundry.preprocessing.native`,
:mod:`~ecgfoundry.preprocessing.tensors`, the files of an export) read the same numbers.

A new kind of step is a class here, an entry in :data:`STEP_KINDS` and one in the schema. Recipes
that use it then run by the reference; an engine that does not know it says so by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import Fields
from ecgfoundry.preprocessing import design
from ecgfoundry.preprocessing.design import ZeroPhaseFilter
from ecgfoundry.signals import filters
from ecgfoundry.signals.resampling import fill_gaps_linear, resample_linear, resample_polyphase

__all__ = [
    "STEP_KINDS",
    "BlankGaps",
    "Butterworth",
    "Circumstances",
    "Clip",
    "FillGaps",
    "KeepEvery",
    "Notch",
    "Padding",
    "Resample",
    "Step",
    "SubtractRunningMedian",
    "ZScore",
    "gaps_at",
]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a step may need to know beside the samples.

    Parameters
    ----------
    rate : float
        Of the samples that the step is given, Hz.
    source_rate : float
        Of the raw window, Hz.
    gaps : ndarray of bool (leads, samples of the raw window)
        Where samples were missing.
    mains_frequency : float or None
        As recorded, Hz.
    """

    rate: float
    source_rate: float
    gaps: NDArray[np.bool_]
    mains_frequency: float | None


class Step(Protocol):
    """One step of a recipe."""

    kind: ClassVar[str]

    def rate_after(self, rate: float) -> float:
        """Return the sampling rate behind the step."""
        ...

    def run(self, x: Float64, now: Circumstances) -> Float64:
        """Return the window behind the step.

        Parameters
        ----------
        x : float64 (leads, samples)
            The leads that are present.
        now : Circumstances
        """
        ...


class _SameRate:
    """A step behind which the sampling rate is what it was."""

    def rate_after(self, rate: float) -> float:
        return rate


@dataclass(frozen=True, slots=True)
class FillGaps(_SameRate):
    """Give missing samples a value: 0 mV ("zero"), or the line between their neighbours."""

    kind: ClassVar[str] = "fill-gaps"
    method: str

    def run(self, x: Float64, now: Circumstances) -> Float64:
        """See :class:`Step`."""
        return fill_gaps_linear(x) if self.method == "line" else np.nan_to_num(x, nan=0.0)


@dataclass(frozen=True, slots=True)
class Resample:
    """Bring the window to a sampling rate; the result is rounded to float32, at any rate."""

    kind: ClassVar[str] = "resample"
    method: str
    to_hz: float

    def rate_after(self, rate: float) -> float:
        """See :class:`Step`."""
        return self.to_hz

    def run(self, x: Float64, now: Circumstances) -> Float64:
        """See :class:`Step`."""
        resample = resample_linear if self.method == "linear" else resample_polyphase
        return resample(x, now.rate, self.to_hz).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Notch(_SameRate):
    """Zero-phase notches: at a frequency, or at the recorded mains (``frequency_hz`` is None)."""

    kind: ClassVar[str] = "notch"
    frequency_hz: float | None
    unknown_mains_hz: tuple[float, ...]
    quality: float

    def frequencies(self, mains_frequency: float | None) -> tuple[float, ...]:
        """Return where the notches are, in Hz."""
        if self.frequency_hz is not None:
            return (self.frequency_hz,)
        return self.unknown_mains_hz if mains_frequency is None else (float(mains_frequency),)

    def designs(self, rate: float, mains_frequency: float | None) -> tuple[ZeroPhaseFilter, ...]:
        """Return the notches as sections."""
        return tuple(
            design.notch(frequency, self.quality, rate)
            for frequency in self.frequencies(mains_frequency)
        )

    def run(self, x: Float64, now: Circumstances) -> Float64:
        """See :class:`Step`."""
        for frequency in self.frequencies(now.mains_frequency):
            x = filters.zero_phase_ba(*filters.notch(frequency, self.quality, now.rate), x)
        return x


@dataclass(frozen=True, slots=True)
class Butterworth(_SameRate):
    """A zero-phase Butterworth filter; ``cutoffs_hz`` has two entries for a band-pass."""

    kind: ClassVar[str] = "butterworth"
    band: str
    order: int
    cutoffs_hz: tuple[float, ...]
    form: str

    def designs(self, rate: float, mains_frequency: float | None = None) -> tuple[ZeroPhaseFilter]:
        """Return the filter as sections, whatever its form: they compute the same."""
        make = {
            "low-pass": design.low_pass,
            "high-pass": design.high_pass,
            "band-pass": design.band_pass,
        }[self.band]
        return (make(self.order, *self.cutoffs_hz, rate),)

    def run(self, x: Float64, now: Circumstances) -> Float64:
        """See :class:`Step`."""
        wanted = (self.order, self.cutoffs_hz, self.band.replace("-", ""), now.rate)
        if self.form == "sections":
            return filters.zero_phase_sos(filters.butterworth_sos(*wanted), x)
        return filters.zero_phase_ba(*filters.butterworth_ba(*wanted), x)


@dataclass(frozen=True, slots=True)
class SubtractRunningMedian(_SameRate):
    """Take the running median away, zeros beyond the ends."""

    kind: ClassVar[str] = "subtract-running-median"
    kernel_samples: int

    def run(self, x: Float64, now: Circumstances) -> Float64:
        """See :class:`Step`."""
        return x - filters.median_baseline(x, self.kernel_samples)


@dataclass(frozen=True, slots=True)
class KeepEvery:
    """Keep sample 0 and every ``interval_samples``-th after it."""

    kind: ClassVar[str] = "keep-every"
    interval_samples: int

    def rate_after(self, rate: float) -> float:
        """See :class:`Step`."""
        return rate / self.interval_samples

    def run(self, x: Float64, now: Circumstances) -> Float64:
        """See :class:`Step`."""
        return x[:, :: self.interval_samples]


@dataclass(frozen=True, slots=True)
class ZScore(_SameRate):
    """Take the mean away and divide by the deviation (ddof 0), over all leads or each for itself.

    ``epsilon_mv`` is added to the deviation; a deviation under ``flat_below_mv`` gives zeros.
    """

    kind: ClassVar[str] = "z-score"
    over: str
    epsilon_mv: float
    flat_below_mv: float

    def run(self, x: Float64, now: Circumstances) -> Float64:
        """See :class:`Step`."""
        axis = None if self.over == "window" else -1
        centred = x - x.mean(axis=axis, keepdims=True)
        deviation = x.std(axis=axis, keepdims=True)
        divisor = np.where(deviation < self.flat_below_mv, np.inf, deviation + self.epsilon_mv)
        result: Float64 = centred / divisor
        return result


@dataclass(frozen=True, slots=True)
class Clip(_SameRate):
    """Bring larger values back to ``limit``: mV before the z-score, standard deviations after."""

    kind: ClassVar[str] = "clip"
    limit: float

    def run(self, x: Float64, now: Circumstances) -> Float64:
        """See :class:`Step`."""
        return np.clip(x, -self.limit, self.limit)


@dataclass(frozen=True, slots=True)
class BlankGaps(_SameRate):
    """Set to 0 what was missing, at the times where it was missing."""

    kind: ClassVar[str] = "blank-gaps"

    def run(self, x: Float64, now: Circumstances) -> Float64:
        """See :class:`Step`."""
        if not now.gaps.any():
            return x
        nearest = gaps_at(x.shape[-1], now.rate, now.gaps.shape[-1], now.source_rate)
        return np.where(now.gaps[:, nearest], 0.0, x)


def gaps_at(
    samples: int, rate: float, source_samples: int, source_rate: float
) -> NDArray[np.int64]:
    """Return the nearest raw sample of every sample at another rate."""
    nearest = np.rint(np.arange(samples) * (source_rate / rate)).astype(np.int64)
    return np.minimum(nearest, source_samples - 1)


@dataclass(frozen=True, slots=True)
class Padding:
    """What makes a shorter window as long as the recipe's.

    Parameters
    ----------
    side : {"right", "left"}
    value : float
        In the unit that the signal has when it is padded.
    counted_in_scaling : bool
        Whether it is put there before the z-score, and enters its mean and deviation.
    """

    side: str
    value: float
    counted_in_scaling: bool

    def run(self, x: NDArray[Any], samples: int) -> NDArray[Any]:
        """Return ``x`` with at least that many samples."""
        short = max(0, samples - x.shape[-1])
        sides = (0, short) if self.side == "right" else (short, 0)
        return np.pad(x, ((0, 0), sides), constant_values=self.value) if short else x


def _amplitude(entry: Fields, name: str) -> float:
    """Return ``name_mv`` or ``name_sd``, whichever is there."""
    return float(entry.number(f"{name}_mv" if f"{name}_mv" in entry else f"{name}_sd"))


def read_padding(entry: Fields) -> Padding:
    """Return the padding of a document that fits the schema."""
    return Padding(entry.text("side"), _amplitude(entry, "value"), entry.flag("counted_in_scaling"))


def _notch(entry: Fields) -> Notch:
    mains = entry.value("frequency_hz") == "mains"
    return Notch(
        None if mains else float(entry.number("frequency_hz")),
        entry.numbers("unknown_mains_hz") if "unknown_mains_hz" in entry else (),
        float(entry.number("quality")),
    )


def _butterworth(entry: Fields) -> Butterworth:
    names = ("low_hz", "high_hz") if entry.value("band") == "band-pass" else ("cutoff_hz",)
    cutoffs = tuple(float(entry.number(name)) for name in names)
    return Butterworth(entry.text("band"), entry.whole("order"), cutoffs, entry.text("form"))


STEP_KINDS: Mapping[str, Callable[[Fields], Step]] = {
    FillGaps.kind: lambda entry: FillGaps(entry.text("method")),
    Resample.kind: lambda entry: Resample(entry.text("method"), float(entry.number("to_hz"))),
    Notch.kind: _notch,
    Butterworth.kind: _butterworth,
    SubtractRunningMedian.kind: lambda entry: SubtractRunningMedian(entry.whole("kernel_samples")),
    KeepEvery.kind: lambda entry: KeepEvery(entry.whole("interval_samples")),
    ZScore.kind: lambda entry: ZScore(
        entry.text("over"),
        float(entry.number("epsilon_mv")),
        float(entry.number("flat_below_mv")),
    ),
    Clip.kind: lambda entry: Clip(_amplitude(entry, "limit")),
    BlankGaps.kind: lambda entry: BlankGaps(),
}
"""From an entry of ``steps`` in a document that fits the schema to the step."""
