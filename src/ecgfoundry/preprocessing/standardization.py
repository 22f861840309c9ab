"""From raw windows to model input: the functions that everything calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonValue
from ecgfoundry.errors import LeadError, SignalError
from ecgfoundry.formats.common.channels import are_ecg_leads
from ecgfoundry.leads import LIMB_LEADS, canonical_lead
from ecgfoundry.preprocessing.document import MINIMUM_WINDOW_S
from ecgfoundry.preprocessing.native import (
    KernelSteps,
    Plan,
    StridedWindows,
    plan,
    standardize_natively,
)
from ecgfoundry.preprocessing.recipe import Preprocessing, get_preprocessing
from ecgfoundry.preprocessing.reference import finish, run_steps
from ecgfoundry.preprocessing.steps import Circumstances
from ecgfoundry.recording import Recording, check_is_recording
from ecgfoundry.signals.windows import window_bounds

__all__ = ["choose_single_lead", "standardize", "standardize_window", "standardize_windows"]

Recipe = str | Path | Mapping[str, JsonValue] | Preprocessing
"""What :func:`ecgfoundry.preprocessing.get_preprocessing` takes."""

SINGLE_LEAD_PREFERENCE = ("I", "II", "MLII")
"""A one-lead model takes the first of these that is there. MLII is the modified lead II of Holter
and monitor electrodes (our choice; the answer carries a warning)."""

_NEAREST = {"II": ("MLII",), "MLII": ("II",)}

_ROWS_TOGETHER = 256
"""Rows of one call where rows do not depend on each other: 10 MB of float64 at 500 Hz."""


def choose_single_lead(
    leads: Sequence[str], *, lead: str | None = None, trained: Sequence[str] = ()
) -> str:
    """Return the lead that a one-lead model reads.

    That is ``lead``; else the first of ``trained`` that was recorded or can be derived from two
    limb leads; else I, II or MLII; else the only one.

    Parameters
    ----------
    leads : sequence of str
        What was recorded.
    lead : str, optional
        The reader's own choice.
    trained : sequence of str
        What the model was trained on. Modified lead II (MLII) and II stand for each other.

    Raises
    ------
    LeadError
        ``lead`` is not there, or none was named and there are several of which none is one that
        the model was trained on, I or II, or the only one is named as another signal.
    """
    derivable = LIMB_LEADS if sum(name in LIMB_LEADS for name in leads) >= 2 else ()
    if lead is not None:
        wanted = canonical_lead(lead) or lead
        if wanted not in leads and wanted not in derivable:
            raise LeadError(
                f"there is no lead {lead}", remedy=f"The recording has {', '.join(leads)}"
            )
        return wanted
    for name in trained:
        for found in (name, *_NEAREST.get(name, ())):
            if found in leads:
                return found
        if name in derivable:
            return name
    for preferred in SINGLE_LEAD_PREFERENCE:
        if preferred in leads:
            return preferred
    if len(leads) == 1 and (are_ecg_leads(leads) or not are_ecg_leads(trained)):
        return leads[0]
    asked = ", ".join(dict.fromkeys((*trained, "I", "II")))
    raise LeadError(
        f"this model reads one lead, and the recording has none of {asked} but {', '.join(leads)}",
        remedy="Name the lead to read with --lead or lead=",
    )


def standardize_window(
    window: NDArray[np.floating],
    sampling_rate: float,
    preprocessing: Recipe,
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
    preprocessing: Recipe,
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
    recipe = get_preprocessing(preprocessing)
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
    planned = plan(recipe, mains_frequency)
    if planned.whole and planned.kernel is not None:
        batch = np.ascontiguousarray(batch)
        result = _natively(
            batch, planned.kernel, sampling_rate, recipe.samples, gain=gain, threads=threads
        )
        if result is not None:
            return result
        planned = planned.by_reference(recipe)
    if batch.dtype == np.int16:
        batch = (batch * float(gain or 1.0)).astype(np.float32)
    count, leads, samples = batch.shape
    result = np.empty((count, leads, recipe.samples), dtype=np.float32)
    if not planned.rows_alone:
        for k, window in enumerate(batch):
            result[k] = _by_steps(window, sampling_rate, recipe, planned, mains_frequency)
        return result
    # Every row is for itself, so the rows of many windows share the calls.
    rows, made = batch.reshape(-1, samples), result.reshape(-1, recipe.samples)
    for begin in range(0, len(rows), _ROWS_TOGETHER):
        part = slice(begin, begin + _ROWS_TOGETHER)
        made[part] = _by_steps(rows[part], sampling_rate, recipe, planned, mains_frequency)
    return result


def _natively(
    windows: NDArray[Any],
    steps: KernelSteps,
    sampling_rate: float,
    output_samples: int,
    *,
    gain: float | None = None,
    threads: int = 1,
) -> NDArray[np.float32] | None:
    """Call the kernels for windows (windows, leads, samples) that lie one behind the other."""
    given = StridedWindows.in_a_row(
        windows, float(sampling_rate), gain=1.0 if gain is None else float(gain)
    )
    return standardize_natively(given, steps, output_samples=output_samples, threads=threads)


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


def _by_steps(
    window: NDArray[np.floating],
    sampling_rate: float,
    recipe: Preprocessing,
    planned: Plan,
    mains: float | None,
) -> NDArray[np.float32]:
    """Run a window, or rows that do not depend on each other, step by step."""
    array = np.asarray(window, dtype=np.float64)
    result = np.full((array.shape[0], recipe.samples), np.nan, dtype=np.float32)
    gaps = np.isnan(array)
    present = ~gaps.all(axis=1)
    if not present.any():
        return result
    rate = float(sampling_rate)
    now = Circumstances(rate, rate, gaps[present], mains)
    x, now = run_steps(array[present], planned.before, now, recipe)
    steps = planned.kernel
    if steps is not None:
        kept = -(-x.shape[1] // steps.decimation)
        padded = recipe.samples if steps.scaling == "joint-padded" else kept
        shape = (-1, 1) if planned.rows_alone else (1, -1)
        made = _natively(
            np.ascontiguousarray(x).reshape(*shape, x.shape[1]), steps, now.rate, padded
        )
        if made is None:
            x, now = run_steps(x, planned.replaced(recipe), now, recipe)
        else:
            x = made.reshape(len(x), padded).astype(np.float64)
            now = replace(now, rate=now.rate / steps.decimation)
    x, _ = run_steps(x, planned.after, now, recipe)
    result[present] = finish(x, recipe)
    return result


def standardize(
    recording: Recording,
    preprocessing: Recipe,
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
    check_is_recording(recording)
    recipe = get_preprocessing(preprocessing)
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
