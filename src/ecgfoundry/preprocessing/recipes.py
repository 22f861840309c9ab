"""The named, versioned chains from a raw window to model input.

A chain belongs to a set of weights: a bundle names it, and nobody has to get it right by hand.
Once released, ``name@version`` never changes its output; a change is a new version.

Four recipes around ECGFounder exist and differ (the paper, arXiv 2410.04133; the released
fine-tuning code; the released PTB-XL evaluation; a follow-up project). Which of them the released
weights really need is not settled by their authors, whose instructions say to follow the
fine-tuning code; ``ecgfoundry models verify --compare-preprocessing`` measures it.

All chains share one frame::

    window (leads, samples) at the source rate, mV, NaN = missing
      -> leads that are missing throughout stay NaN rows and take part in nothing
      -> gaps inside the other leads are filled as the recipe says
      -> the recipe's rate, filters and scaling, on THIS WINDOW ALONE
      -> the recipe's length; a shorter window gets zeros on the right
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import LeadError, PreprocessingError, SignalError
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.preprocessing import design
from ecgfoundry.preprocessing.native import Steps, standardize_natively
from ecgfoundry.recording import Recording
from ecgfoundry.signals import filters
from ecgfoundry.signals.resampling import fill_gaps_linear, resample_linear, resample_polyphase
from ecgfoundry.signals.windows import window_bounds

__all__ = [
    "MINIMUM_WINDOW_S",
    "PREPROCESSINGS",
    "Preprocessing",
    "choose_single_lead",
    "get_preprocessing",
    "standardize",
    "standardize_window",
    "standardize_windows",
]

Float64 = NDArray[np.float64]
Chain = Callable[[Float64, float, float | None], Float64]

MINIMUM_WINDOW_S = 1.0
"""Seconds; below it the zero-phase filters have too little signal for their edges (our choice).
The quality gate refuses much earlier than this."""

SINGLE_LEAD_PREFERENCE = ("I", "II", "MLII")
"""A one-lead model takes the first of these that is there. MLII is the modified lead II of Holter
and monitor electrodes (our choice; the answer carries a warning)."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """One named chain.

    Parameters
    ----------
    name : str
        "name@version".
    sampling_rate : float
        Of the output, Hz.
    window_s : float
        Length of a window, s.
    leads : tuple of str or None
        The recipe's own leads in order; None for "one lead, whichever".
    joint_scaling : bool
        Whether one mean and deviation is shared by all leads.
    description : str
        The steps in words.
    source : str
        Where the numbers come from.
    chain : callable (signal, source_rate, mains_frequency) -> signal
        Present leads only, in float64, to the recipe's rate; up to one window. By NumPy and SciPy.
    native : callable (mains_frequency) -> Steps, optional
        The same for the compiled kernels, where they can do the whole of it.
    """

    name: str
    sampling_rate: float
    window_s: float
    leads: tuple[str, ...] | None
    joint_scaling: bool
    description: str
    source: str
    chain: Chain
    native: Callable[[float | None], Steps] | None = None

    @property
    def samples(self) -> int:
        """Samples of a standardized window."""
        return round(self.sampling_rate * self.window_s)


def _zero_gaps(signal: Float64) -> Float64:
    return np.nan_to_num(signal, nan=0.0)


# --- the ECGFounder family: 500 Hz, 10 s, one z-score over all leads --------------------------

_ECGFOUNDER_EPSILON = 1e-8  # released code


def _ecgfounder_finetune(signal: Float64, rate: float, mains: float | None) -> Float64:
    # Released fine-tuning code, in its order. The notch is at 50 Hz whatever the mains is.
    x = resample_linear(_zero_gaps(signal), rate, 500.0).astype(np.float64)
    x = filters.zero_phase_ba(*filters.notch(50.0, 30.0, 500.0), x)
    x = filters.zero_phase_ba(*filters.butterworth_ba(4, (0.67, 40.0), "bandpass", 500.0), x)
    kernel = int(0.4 * 500) + 1  # 201, already odd
    x = x - filters.median_baseline(x, kernel)
    return filters.joint_zscore(x, epsilon=_ECGFOUNDER_EPSILON)


def _ecgfounder_paper(signal: Float64, rate: float, mains: float | None) -> Float64:
    # The paper gives the cut-offs and the order of the low-pass; the order of the high-pass, the
    # zero phase and the notch's quality (that of the released code) are our choices.
    x = resample_linear(_zero_gaps(signal), rate, 500.0).astype(np.float64)
    x = filters.zero_phase_sos(filters.butterworth_sos(2, (0.5,), "highpass", 500.0), x)
    x = filters.zero_phase_sos(filters.butterworth_sos(2, (50.0,), "lowpass", 500.0), x)
    for frequency in (50.0, 60.0) if mains is None else (float(mains),):
        x = filters.zero_phase_ba(*filters.notch(frequency, 30.0, 500.0), x)
    # "shorter: zero-padded, then z-score": the padding takes part in the mean and deviation.
    short = 5000 - x.shape[-1]
    if short > 0:
        x = np.pad(x, ((0, 0), (0, short)))
    return filters.joint_zscore(x, epsilon=_ECGFOUNDER_EPSILON)


def _finetune_steps(mains: float | None) -> Steps:
    return Steps(
        sampling_rate=500.0,
        filters=(design.notch(50.0, 30.0, 500.0), design.band_pass(4, 0.67, 40.0, 500.0)),
        median_kernel=201,
        epsilon=_ECGFOUNDER_EPSILON,
    )


def _paper_steps(mains: float | None) -> Steps:
    notches = (50.0, 60.0) if mains is None else (float(mains),)
    return Steps(
        sampling_rate=500.0,
        filters=(
            design.high_pass(0.5, 500.0),
            design.low_pass(50.0, 500.0),
            *(design.notch(frequency, 30.0, 500.0) for frequency in notches),
        ),
        scaling="joint-padded",
        epsilon=_ECGFOUNDER_EPSILON,
    )


def _ecgfounder_ptbxl_eval(signal: Float64, rate: float, mains: float | None) -> Float64:
    x = filters.joint_zscore(_zero_gaps(signal), epsilon=_ECGFOUNDER_EPSILON)
    return resample_linear(x, rate, 500.0).astype(np.float64)


# --- ours ------------------------------------------------------------------------------------

_FLAT_MV = 1e-6  # 1 nV: a lead of a smaller deviation has no signal


def _ptbxl_bandpass(signal: Float64, rate: float, mains: float | None) -> Float64:
    # The published making of the PTB-XL subset: filter at 500 Hz, then every second sample.
    gaps = np.isnan(signal)
    x = fill_gaps_linear(signal)
    if rate != 500.0:
        x = resample_polyphase(x, rate, 500.0).astype(np.float64)
    steps = Steps(500.0, (design.band_pass(4, 0.5, 40.0, 500.0),), decimation=2, scaling="each",
                  epsilon=_FLAT_MV)  # fmt: skip
    y = _natively(x, steps)
    if y is None:
        x = filters.zero_phase_sos(filters.butterworth_sos(4, (0.5, 40.0), "bandpass", 500.0), x)
        y = filters.zscore_each(x[:, ::2], flat_below=_FLAT_MV)
    return _blank_gaps(y, gaps, rate, 250.0)


def _single_lead_rhythm(signal: Float64, rate: float, mains: float | None) -> Float64:
    # Our choice throughout: the band where rhythm is visible on consumer single-lead devices.
    target = 200.0
    gaps = np.isnan(signal)
    x = resample_polyphase(fill_gaps_linear(signal), rate, target).astype(np.float64)
    steps = Steps(target, (design.band_pass(3, 0.5, 40.0, target),), scaling="each",
                  epsilon=_FLAT_MV, clip=15.0)  # fmt: skip
    y = _natively(x, steps)
    if y is None:
        x = filters.zero_phase_sos(filters.butterworth_sos(3, (0.5, 40.0), "bandpass", target), x)
        y = np.clip(filters.zscore_each(x, flat_below=_FLAT_MV), -15.0, 15.0)
    return _blank_gaps(y, gaps, rate, target)


def _natively(x: Float64, steps: Steps) -> Float64 | None:
    """Filter and scale rows (rows, samples) that are at the recipe's rate already."""
    kept = -(-x.shape[1] // steps.decimation)
    result = standardize_natively(
        np.ascontiguousarray(x),
        steps,
        sampling_rate=steps.sampling_rate,
        starts=np.arange(len(x), dtype=np.int64) * x.shape[1],
        leads=1,
        samples=x.shape[1],
        lead_stride=x.shape[1],
        output_samples=kept,
    )
    return None if result is None else result[:, 0].astype(np.float64)


def _blank_gaps(x: Float64, gaps: NDArray[np.bool_], rate: float, target: float) -> Float64:
    """Set to 0 what was missing, at the times where it was missing."""
    if gaps.any():
        nearest = np.rint(np.arange(x.shape[-1]) * (rate / target)).astype(np.int64)
        x = np.where(gaps[:, np.minimum(nearest, gaps.shape[-1] - 1)], 0.0, x)
    return x


_PAPER = "arXiv 2410.04133"

PREPROCESSINGS: dict[str, Preprocessing] = {
    recipe.name: recipe
    for recipe in (
        Preprocessing(
            name="ecgfounder-finetune@1",
            sampling_rate=500.0,
            window_s=10.0,
            leads=STANDARD_12_LEADS,
            joint_scaling=True,
            description="gaps 0; linear to 500 Hz; 50 Hz notch (Q 30); Butterworth 4, 0.67-40 Hz "
            "(ba, zero phase); minus the running median of 201 samples; one z-score over all "
            "leads; zeros to 5000 samples",
            source="released fine-tuning code of ECGFounder (MIT); resampling and padding: ours, "
            "since the released code does neither correctly",
            chain=_ecgfounder_finetune,
            native=_finetune_steps,
        ),
        Preprocessing(
            name="ecgfounder-paper@1",
            sampling_rate=500.0,
            window_s=10.0,
            leads=STANDARD_12_LEADS,
            joint_scaling=True,
            description="gaps 0; linear to 500 Hz; high-pass 0.5 Hz; Butterworth 2 low-pass 50 Hz; "
            "notch at the recorded mains frequency, at 50 and 60 Hz if it is not known; zeros to "
            "5000 samples; one z-score over all leads",
            source=f"{_PAPER}; order of the high-pass, zero phase and notch quality: ours",
            chain=_ecgfounder_paper,
            native=_paper_steps,
        ),
        Preprocessing(
            name="ecgfounder-ptbxl-eval@1",
            sampling_rate=500.0,
            window_s=10.0,
            leads=STANDARD_12_LEADS,
            joint_scaling=True,
            description="gaps 0; no filter; one z-score over all leads; linear to 500 Hz; zeros to "
            "5000 samples",
            source="released PTB-XL evaluation code of ECGFounder (MIT)",
            chain=_ecgfounder_ptbxl_eval,
        ),
        Preprocessing(
            name="ptbxl-bandpass@1",
            sampling_rate=250.0,
            window_s=10.0,
            leads=STANDARD_12_LEADS,
            joint_scaling=False,
            description="gaps bridged for the filter and 0 afterwards; to 500 Hz; Butterworth 4, "
            "0.5-40 Hz (SOS, zero phase); every second sample; z-score of each lead (a deviation "
            "under 1e-6 mV gives zeros); zeros to 2500 samples",
            source="the making of the PTB-XL subset that the shipped 12-lead bundle learned from",
            chain=_ptbxl_bandpass,
        ),
        Preprocessing(
            name="single-lead-rhythm@1",
            sampling_rate=200.0,
            window_s=30.0,
            leads=None,
            joint_scaling=False,
            description="gaps bridged for the filter and 0 afterwards; polyphase to 200 Hz; "
            "Butterworth 3, 0.5-40 Hz (SOS, zero phase); z-score (a deviation under 1e-6 mV gives "
            "zeros), clipped at 15; zeros to 6000 samples",
            source="ours",
            chain=_single_lead_rhythm,
        ),
    )
}


def get_preprocessing(name: str) -> Preprocessing:
    """Return the chain called ``name``.

    Raises
    ------
    PreprocessingError
        There is none of this name; the message lists those that exist.
    """
    try:
        return PREPROCESSINGS[name]
    except KeyError:
        raise PreprocessingError(
            f"there is no preprocessing '{name}'",
            remedy=f"Known are: {', '.join(PREPROCESSINGS)}",
        ) from None


def choose_single_lead(leads: Sequence[str], *, lead: str | None = None) -> str:
    """Return the lead that a one-lead model reads: ``lead``, or I, else II, else the only one.

    Raises
    ------
    LeadError
        ``lead`` is not there, or none was named and there are several of which none is I or II.
    """
    if lead is not None:
        from ecgfoundry.leads import canonical_lead

        wanted = canonical_lead(lead) or lead
        if wanted not in leads:
            raise LeadError(
                f"there is no lead {lead}", remedy=f"The recording has {', '.join(leads)}"
            )
        return wanted
    for preferred in SINGLE_LEAD_PREFERENCE:
        if preferred in leads:
            return preferred
    if len(leads) == 1:
        return leads[0]
    raise LeadError(
        f"this model reads one lead, and the recording has neither I nor II but {', '.join(leads)}",
        remedy="Name the lead to read with --lead or lead=",
    )


def standardize_window(
    window: NDArray[np.floating],
    sampling_rate: float,
    preprocessing: str | Preprocessing,
    *,
    mains_frequency: float | None = None,
) -> NDArray[np.float32]:
    """Bring one raw window to model input. Everything that standardizes goes through here.

    Parameters
    ----------
    window : ndarray (leads, samples)
        mV, NaN = missing; at most one window long, leads in the order that is wanted.
    sampling_rate : float
        Of the window, Hz.
    preprocessing : str or Preprocessing
    mains_frequency : float, optional
        Hz, if known.

    Returns
    -------
    ndarray, float32 (leads, recipe.samples)
        A lead that is missing throughout is a row of NaN; nothing else is NaN.

    Raises
    ------
    SignalError
        The window is longer than the recipe's (cut it first: squeezing the time base is never
        done) or shorter than a second.
    """
    array = np.asarray(window)
    if array.ndim != 2:
        raise SignalError(f"a window has shape (leads, samples), not {array.shape}")
    windows = array[np.newaxis]
    return standardize_windows(
        windows, sampling_rate, preprocessing, mains_frequency=mains_frequency
    )[0]


def standardize_windows(
    windows: NDArray[np.floating] | NDArray[np.int16],
    sampling_rate: float,
    preprocessing: str | Preprocessing,
    *,
    mains_frequency: float | None = None,
    gain: float | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Bring a batch of raw windows to model input, each one alone.

    A window's result is the same, bit for bit, whatever batch it stands in and however many
    threads there are. It may differ by rounding (up to 2e-5 mV, 1e-4 after the z-score) between an
    installation with compiled kernels and one without; ``ecgfoundry.native.status()`` tells.

    Parameters
    ----------
    windows : ndarray (windows, leads, samples)
        mV, NaN = missing; or int16 with ``gain``. At most one window long.
    sampling_rate : float
        Of the windows, Hz.
    preprocessing : str or Preprocessing
    mains_frequency : float, optional
        Hz, if known.
    gain : float, optional
        mV per unit of int16 samples.
    threads : int
        Threads for the compiled kernels.

    Returns
    -------
    ndarray, float32 (windows, leads, recipe.samples)
        As :func:`standardize_window`.

    Raises
    ------
    SignalError
        As :func:`standardize_window`; or int16 came without a gain.
    """
    recipe = (
        preprocessing
        if isinstance(preprocessing, Preprocessing)
        else get_preprocessing(preprocessing)
    )
    batch = np.asarray(windows)
    if batch.ndim != 3:
        raise SignalError(f"windows have shape (windows, leads, samples), not {batch.shape}")
    _check_length(batch.shape[2], sampling_rate, recipe)
    if batch.dtype.kind in "iu":
        if gain is None:
            raise SignalError(
                "integer samples came without a gain", remedy="Pass gain=, in mV per unit"
            )
        if batch.dtype != np.int16:
            batch = (batch * float(gain)).astype(np.float32)
    elif batch.dtype not in (np.float32, np.float64):
        batch = batch.astype(np.float64)
    if recipe.native is not None:
        batch = np.ascontiguousarray(batch)
        count, leads, samples = batch.shape
        result = standardize_natively(
            batch,
            recipe.native(mains_frequency),
            sampling_rate=float(sampling_rate),
            starts=np.arange(count, dtype=np.int64) * (leads * samples),
            leads=leads,
            samples=samples,
            lead_stride=samples,
            output_samples=recipe.samples,
            gain=1.0 if gain is None else float(gain),
            threads=threads,
        )
        if result is not None:
            return result
    if batch.dtype == np.int16:
        batch = (batch * float(gain or 1.0)).astype(np.float32)
    count, leads, samples = batch.shape
    result = np.empty((count, leads, recipe.samples), dtype=np.float32)
    if recipe.joint_scaling:
        for k, window in enumerate(batch):
            result[k] = _by_chain(window, sampling_rate, recipe, mains_frequency)
        return result
    # Every row is for itself, so the rows of many windows share the calls.
    rows, made = batch.reshape(-1, samples), result.reshape(-1, recipe.samples)
    for begin in range(0, len(rows), _ROWS_TOGETHER):
        part = slice(begin, begin + _ROWS_TOGETHER)
        made[part] = _by_chain(rows[part], sampling_rate, recipe, mains_frequency)
    return result


_ROWS_TOGETHER = 256
"""Rows of one call where rows do not depend on each other: 10 MB of float64 at 500 Hz."""


def _check_length(samples: int, sampling_rate: float, recipe: Preprocessing) -> None:
    if samples > round(recipe.window_s * sampling_rate):
        raise SignalError(
            f"a window of {samples} samples at {sampling_rate:g} Hz is longer than the "
            f"{recipe.window_s:g} s of {recipe.name}",
            remedy="Cut it into windows first (ecgfoundry.standardize does)",
        )
    if samples < MINIMUM_WINDOW_S * sampling_rate:
        raise SignalError(
            f"the signal is {samples / sampling_rate:.2f} s long; at least "
            f"{MINIMUM_WINDOW_S:g} s is needed"
        )


def _by_chain(
    window: NDArray[np.floating], sampling_rate: float, recipe: Preprocessing, mains: float | None
) -> NDArray[np.float32]:
    array = np.asarray(window, dtype=np.float64)
    result = np.full((array.shape[0], recipe.samples), np.nan, dtype=np.float32)
    present = ~np.isnan(array).all(axis=1)
    if present.any():
        x = recipe.chain(array[present], float(sampling_rate), mains)
        x = x[:, : recipe.samples]
        result[present, : x.shape[1]] = x
        result[present, x.shape[1] :] = 0.0
    return result


def standardize(
    recording: Recording,
    preprocessing: str | Preprocessing,
    leads: Sequence[str] | None = None,
) -> NDArray[np.float32]:
    """Cut a recording into windows and bring each, alone, to model input.

    Parameters
    ----------
    recording : Recording
        Of any length and rate.
    preprocessing : str or Preprocessing
        For example "ecgfounder-finetune@1".
    leads : sequence of str, optional
        Which leads, in which order. None: the recipe's own (I, II, III, aVR, aVL, aVF, V1-V6 for
        the twelve-lead recipes). Limb leads that are not recorded are derived where two others
        allow it; the rest are rows of NaN.

    Returns
    -------
    ndarray, float32 (windows, leads, samples)
        Consecutive windows; see :func:`ecgfoundry.signals.windows.window_bounds` for the last.

    Raises
    ------
    PreprocessingError, SignalError, LeadError
    """
    recipe = (
        preprocessing
        if isinstance(preprocessing, Preprocessing)
        else get_preprocessing(preprocessing)
    )
    wanted = tuple(leads) if leads is not None else recipe.leads
    if wanted is None:
        wanted = (choose_single_lead(recording.leads),)
    selected = recording.select(wanted, missing="nan")
    if np.isnan(selected.signal).all():
        raise LeadError(
            f"none of the leads {', '.join(wanted)} is in the recording, which has "
            f"{', '.join(recording.leads)}",
            path=recording.source,
        )
    bounds = window_bounds(selected.samples, selected.sampling_rate, recipe.window_s)
    return np.concatenate(
        [
            standardize_windows(
                np.stack([selected.signal[:, start:stop] for start, stop in bounds[k : k + 64]]),
                selected.sampling_rate,
                recipe,
                mains_frequency=recording.mains_frequency,
            )
            for k in range(0, len(bounds), 64)
        ]
    )
