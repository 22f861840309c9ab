"""The compiled engine: which part of a recipe the kernels take, and the call.

The kernels do one sequence: gaps 0, linear to a rate, filters, running median, every k-th sample,
one z-score, clip, zeros on the right. :func:`plan` finds it in a recipe's steps: the whole of them,
a part in the middle, or nothing; the rest is run by :mod:`ecgfoundry.preprocessing.reference`.

One call takes a whole batch. Rows stand side by side in SIMD lanes, each with exactly the
arithmetic of a row alone, so a window's result is the same bits alone, in any batch, with any
number of threads, and on every instruction set.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.errors import SignalError
from ecgfoundry.native.jobs import Job, arrays, as_read, counts, numbers
from ecgfoundry.preprocessing.design import ZeroPhaseFilter
from ecgfoundry.preprocessing.recipe import Preprocessing
from ecgfoundry.preprocessing.reference import rates_before
from ecgfoundry.preprocessing.steps import (
    Butterworth,
    Clip,
    FillGaps,
    KeepEvery,
    Notch,
    Resample,
    Step,
    SubtractRunningMedian,
    ZScore,
)

__all__ = [
    "LONGEST_WINDOW",
    "KernelSteps",
    "Plan",
    "StridedWindows",
    "linear_positions",
    "plan",
    "standardize_natively",
]

LONGEST_WINDOW = 65_000
"""Samples of a window at the recipe's rate that the kernels take: ranks have 16 bits."""

_SCALINGS = ("joint", "joint-padded", "each")
_DTYPES = {"float32": 0, "float64": 1, "int16": 2}
_SECTIONS = 4  # ECGFOUNDRY_SECTIONS of standardize.h
_LARGEST_PAD = 64  # MARGIN of standardize.c


@dataclass(frozen=True, slots=True)
class KernelSteps:
    """What the kernels do: gaps 0, linear to a rate, filters, median, every k-th, z-score, clip.

    Parameters
    ----------
    sampling_rate : float
        Of the filters, Hz.
    filters : tuple of ZeroPhaseFilter
    median_kernel : int
        Samples of the running median that is subtracted, odd; 0: none.
    decimation : int
        Of how many samples one is kept, after the filters.
    scaling : {"joint", "joint-padded", "each"}
        One z-score over the present leads; the same with the zeros of the padding counted in;
        or one for each lead.
    epsilon : float
        Joint: added to the deviation. Each: a smaller deviation gives zeros.
    clip : float
        Largest absolute value; 0: no limit.
    """

    sampling_rate: float
    filters: tuple[ZeroPhaseFilter, ...]
    median_kernel: int = 0
    decimation: int = 1
    scaling: str = "joint"
    epsilon: float = 1e-8
    clip: float = 0.0

    @property
    def shortest(self) -> int:
        """Samples that a window needs for the odd extensions."""
        return max((filter_.pad for filter_ in self.filters), default=0) + 1


@dataclass(frozen=True, slots=True)
class Plan:
    """How a recipe is divided.

    Parameters
    ----------
    before : tuple of Step
        By the reference, first.
    kernel : KernelSteps or None
        By the kernels then; None: they take nothing, and ``before`` is everything.
    after : tuple of Step
        By the reference, at last.
    whole : bool
        Whether the kernels take raw windows and give model input; ``before`` and ``after`` are
        empty then.
    rows_alone : bool
        Whether no lead of a window has to do with another one.
    """

    before: tuple[Step, ...]
    kernel: KernelSteps | None
    after: tuple[Step, ...]
    whole: bool
    rows_alone: bool

    def by_reference(self, recipe: Preprocessing) -> Plan:
        """Return the same without kernels."""
        return Plan(recipe.steps, None, (), whole=False, rows_alone=self.rows_alone)

    def replaced(self, recipe: Preprocessing) -> tuple[Step, ...]:
        """Return the steps that the kernels take the place of."""
        return recipe.steps[len(self.before) : len(recipe.steps) - len(self.after)]


@functools.lru_cache(maxsize=64)
def plan(recipe: Preprocessing, mains_frequency: float | None) -> Plan:
    """Find what the kernels can take of a recipe.

    Parameters
    ----------
    recipe : Preprocessing
    mains_frequency : float or None
        Of the recording, Hz; where the notches are may depend on it.
    """
    steps, alone = recipe.steps, not recipe.joint_scaling
    nothing = Plan(steps, None, (), whole=False, rows_alone=alone)
    found = next(((k, s) for k, s in enumerate(steps) if isinstance(s, ZScore)), None)
    if found is None or (scaling := _scaling(recipe, found[1])) is None:
        return nothing
    place, score = found
    rates = rates_before(recipe, 0.0)
    first = place
    decimation, median = 1, 0
    match steps[first - 1]:
        case KeepEvery(interval_samples=decimation):
            first -= 1
    match steps[first - 1]:
        case SubtractRunningMedian(kernel_samples=median):
            first -= 1
    designs: list[ZeroPhaseFilter] = []
    while isinstance(step := steps[first - 1], Notch | Butterworth):
        designs[:0] = step.designs(rates[first - 1], mains_frequency)
        first -= 1
    # The kernels round what they are given to float32, as only resampling does.
    if not isinstance(steps[first - 1], Resample) or not all(map(_fits, designs)):
        return nothing
    last, clip = place + 1, 0.0
    if last < len(steps) and isinstance(step := steps[last], Clip):
        if scaling == "joint-padded":
            return nothing  # the kernels do not clip the padding
        last, clip = last + 1, step.limit
    kernel = KernelSteps(
        sampling_rate=rates[first],
        filters=tuple(designs),
        median_kernel=median,
        decimation=decimation,
        scaling=scaling,
        epsilon=score.flat_below_mv if scaling == "each" else score.epsilon_mv,
        clip=clip,
    )
    whole = (
        steps[:first] == (FillGaps("zero"), Resample("linear", rates[first]))
        and last == len(steps)
        and (recipe.padding.side, recipe.padding.value) == ("right", 0.0)
    )
    if whole:
        return Plan((), kernel, (), whole=True, rows_alone=alone)
    return Plan(steps[:first], kernel, steps[last:], whole=False, rows_alone=alone)


def _scaling(recipe: Preprocessing, score: ZScore) -> str | None:
    """Return what the kernels call a z-score; None where they have no such one."""
    padding = recipe.padding
    if score.over == "window" and not score.flat_below_mv:
        if not padding.counted_in_scaling:
            return "joint"
        return "joint-padded" if (padding.side, padding.value) == ("right", 0.0) else None
    alone = score.over == "lead" and not score.epsilon_mv and not padding.counted_in_scaling
    return "each" if alone else None


def _fits(part: ZeroPhaseFilter) -> bool:
    return len(part.sections) <= _SECTIONS and part.pad <= _LARGEST_PAD


class _Filter(ctypes.Structure):  # ecgfoundry_filter of standardize.h
    _fields_ = (
        ("kind", ctypes.c_int32),
        ("sections", ctypes.c_int32),
        ("pad", ctypes.c_int64),
        ("gain", ctypes.c_double),
        ("section", (ctypes.c_double * 6) * _SECTIONS),
    )


class _StandardizeJob(Job):  # ecgfoundry_job of standardize.h
    kernel = "standardize"
    _fields_ = (
        *arrays("input", "output", "starts", "left", "fraction", "filters"),
        *counts("windows", "leads", "samples", "lead_stride", "working", "output_samples"),
        *counts("median_half", "decimation"),
        *numbers("gain", "epsilon", "clip"),
        *((name, ctypes.c_int32) for name in ("dtype", "filter_count", "scaling", "reserved")),
    )


def linear_positions(
    samples: int, source_rate: float, target_rate: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the left neighbour of every output sample and the share of the right one.

    The same arithmetic as :func:`ecgfoundry.signals.resampling.resample_linear`.
    """
    length = max(1, round(samples * target_rate / source_rate))
    positions = np.minimum(np.arange(length) * (source_rate / target_rate), samples - 1)
    left = np.floor(positions).astype(np.int64)
    return left, positions - left


@dataclass(frozen=True, eq=False)
class StridedWindows:
    """Windows that lie anywhere in one array.

    Attributes
    ----------
    source : ndarray of float32, float64 or int16, C-contiguous
        mV, NaN = missing; int16 in units of ``gain`` mV.
    sampling_rate : float
        Hz.
    starts : sequence of int
        Index in the flat source of each window's first sample of its first lead.
    leads, samples : int
        Of each window.
    lead_stride : int
        Distance in the flat source between the leads of a window.
    gain : float
        mV per unit of an int16 source.
    """

    source: NDArray[Any]
    sampling_rate: float
    starts: Sequence[int] | NDArray[np.int64]
    leads: int
    samples: int
    lead_stride: int
    gain: float = 1.0

    @classmethod
    def in_a_row(
        cls, windows: NDArray[Any], sampling_rate: float, *, gain: float = 1.0
    ) -> StridedWindows:
        """Return windows (windows, leads, samples) that lie one behind the other."""
        count, leads, samples = windows.shape
        starts = np.arange(count, dtype=np.int64) * (leads * samples)
        return cls(windows, sampling_rate, starts, leads, samples, samples, gain)


def standardize_natively(
    windows: StridedWindows, steps: KernelSteps, *, output_samples: int, threads: int = 1
) -> NDArray[np.float32] | None:
    """Standardize windows that lie anywhere in one array.

    Parameters
    ----------
    windows : StridedWindows
    steps : KernelSteps
    output_samples : int
        Of a result; longer ones are cut, shorter ones get zeros on the right.
    threads : int
        How many threads share the windows.

    Returns
    -------
    float32 (windows, leads, output_samples), or None
        A lead that is missing throughout is a row of NaN. None where the kernels are not in use
        or do not take such windows; the caller then goes the way of NumPy and SciPy.

    Raises
    ------
    SignalError
        A window reaches outside the source.
    MemoryError
        There is no memory for the work space.
    """
    source, leads, samples = windows.source, windows.leads, windows.samples
    sampling_rate, lead_stride = windows.sampling_rate, windows.lead_stride
    if (
        native.library() is None
        or source.dtype.name not in _DTYPES
        or not source.flags.c_contiguous
    ):
        return None
    left = fraction = None
    working = samples
    if sampling_rate != steps.sampling_rate:
        left, fraction = linear_positions(samples, sampling_rate, steps.sampling_rate)
        working = len(left)
    if not steps.shortest < working <= LONGEST_WINDOW:
        return None
    first = as_read(np.asarray(windows.starts), np.int64)
    reach = (leads - 1) * lead_stride + samples
    if first.size and (first.min() < 0 or first.max() + reach > source.size or lead_stride < 0):
        raise SignalError("a window reaches outside the signal that it is cut from")
    output = np.empty((len(first), leads, output_samples), dtype=np.float32)
    if not output.size:
        return output
    filters = _filters(steps)

    def run(begin: int, end: int) -> None:
        job = _StandardizeJob(
            input=source,
            output=output[begin:end],
            starts=first[begin:end],
            left=left,
            fraction=fraction,
            filters=ctypes.addressof(filters),
            windows=end - begin,
            leads=leads,
            samples=samples,
            lead_stride=lead_stride,
            working=working,
            output_samples=output_samples,
            median_half=steps.median_kernel // 2,
            decimation=steps.decimation,
            gain=windows.gain,
            epsilon=steps.epsilon,
            clip=steps.clip,
            dtype=_DTYPES[source.dtype.name],
            filter_count=len(steps.filters),
            scaling=_SCALINGS.index(steps.scaling),
        )
        if not job.run():
            raise RuntimeError("the compiled kernels refused windows that they should take")

    parts = np.linspace(0, len(first), max(1, min(threads, len(first))) + 1).astype(int).tolist()
    if len(parts) == 2:
        run(*parts)
    else:  # ctypes lets go of the interpreter's lock during a call
        with ThreadPoolExecutor(len(parts) - 1) as pool:
            list(pool.map(run, parts[:-1], parts[1:]))
    return output


def _filters(steps: KernelSteps) -> ctypes.Array[_Filter]:
    result = (_Filter * max(1, len(steps.filters)))()
    for target, source in zip(result, steps.filters, strict=False):
        target.kind = int(source.zeros_at_ends)
        target.sections = len(source.sections)
        target.pad = source.pad
        target.gain = source.gain
        for row, section in zip(target.section, source.sections, strict=False):
            row[:] = section
    return result
