"""From a recording, a model and a target to a saliency map on the recording's own time base."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import SignalError, VocabularyError
from ecgfoundry.explanations.gradients import integrated_gradients
from ecgfoundry.explanations.occlusion import beat_spans, occlude, time_spans
from ecgfoundry.explanations.saliency import Saliency, target_score
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.windows import (
    InputLeads,
    PreparedWindow,
    prepare_windows,
)
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.recording import Recording

__all__ = ["METHODS", "explain_recording"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

METHODS = ("occlusion", "integrated-gradients")
GRADIENT_SMOOTHING_S = 0.06
"""Integrated gradients are averaged over about half a QRS complex (our choice)."""
FEWEST_BEATS = 3
"""Beats that a window needs for the same part of all of them to be hidden (our choice)."""


def explain_recording(
    predictor: Predictor,
    recording: Recording,
    target: str,
    *,
    method: str = "occlusion",
    by: str = "auto",
    lead: str | None = None,
    start_s: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Saliency:
    """Explain one answer of a model for one window of a recording.

    Parameters
    ----------
    predictor : Predictor
        Occlusion works on its runtime; integrated gradients need PyTorch and the bundle's weights.
    recording : Recording
        Of any length; one window of the model is explained.
    target : str
        Name of a target of the model.
    method : {"occlusion", "integrated-gradients"}
    by : {"auto", "beat", "time"}
        What occlusion hides at once: the same part of every beat, or a span of time. "auto": parts
        of the beat for models that read several leads, time for one-lead (rhythm) models and where
        fewer than three beats are found.
    lead : str, optional
        Read only this lead.
    start_s : float, optional
        Take the window that holds this moment; by default the one with the highest score.
    progress : callable (done, total), optional
        Hidings, or steps of the integral.

    Raises
    ------
    VocabularyError
        The model has no such target.
    SignalError
        No window can be read.
    LeadError
        The recording does not have the leads.
    ValueError
        Unknown method, or unknown unit of hiding.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose one of {', '.join(METHODS)}")
    if by not in ("auto", "beat", "time"):
        raise ValueError(f"unknown unit {by!r}; choose auto, beat or time")
    bundle = predictor.bundle
    names = [item.name for item in bundle.vocabulary.targets]
    if target not in names:
        raise VocabularyError(
            f"{bundle.name} has no target '{target}'", remedy=f"It has: {', '.join(names)}"
        )
    column = names.index(target)
    chosen = InputLeads.choose(bundle.input, recording.leads, lead=lead)
    windows = list(prepare_windows(recording, bundle.input, chosen))

    def score(batch: Float32) -> Float64:
        logits = predictor.logits(batch).astype(np.float64)
        return target_score(logits, column, exclusive=bundle.task.exclusive)

    window = _choose_window(windows, score, recording, start_s)
    standardized = window.standardized
    assert standardized is not None  # noqa: S101 - only such windows are chosen
    rate = bundle.input.sampling_rate
    samples = min(
        bundle.input.samples,
        round((window.stop - window.start) / recording.sampling_rate * rate),
    )
    beats = np.empty(0, np.int64)
    if method == "occlusion":
        if by != "time" and (by == "beat" or bundle.input.rows > 1):
            beats = find_beats(standardized[:, :samples], rate)
        if len(beats) >= FEWEST_BEATS:
            spans, unit = beat_spans(beats, samples, rate), "the same 80 ms of every beat"
        else:
            beats = np.empty(0, np.int64)
            spans, unit = time_spans(samples, rate), "0.4 s"
        values, whole = occlude(score, standardized, spans, progress=progress)
    else:
        from scipy.ndimage import uniform_filter1d

        from ecgfoundry.models.loading import load_network

        network, takes_presence = load_network(bundle)
        values, whole = integrated_gradients(
            network,
            standardized,
            column,
            takes_presence=takes_presence,
            exclusive=bundle.task.exclusive,
            progress=progress,
        )
        # Per second, so that the time base does not matter; single samples mean nothing.
        width = max(1, round(GRADIENT_SMOOTHING_S * rate))
        values = uniform_filter1d(values, width, axis=1, mode="constant") * rate
        unit = "per second of signal, averaged over 60 ms"
    return Saliency(
        values=_at_recorded_times(values, rate, window, recording.sampling_rate),
        leads=chosen.rows,
        sampling_rate=recording.sampling_rate,
        start_s=window.start / recording.sampling_rate,
        target=target,
        score=whole,
        method=method,
        unit=unit,
        beats=np.rint(beats * (recording.sampling_rate / rate)).astype(np.int64),
    )


def _choose_window(
    windows: list[PreparedWindow],
    score: Callable[[Float32], Float64],
    recording: Recording,
    start_s: float | None,
) -> PreparedWindow:
    if start_s is not None:
        moment = start_s * recording.sampling_rate
        windows = [window for window in windows if window.start <= moment < window.stop]
        if not windows:
            raise SignalError(
                f"there is no window at {start_s:g} s in a recording of {recording.duration_s:g} s",
                path=recording.source,
            )
    readable = [window for window in windows if window.standardized is not None]
    if not readable:
        refusals = [window.refusal.message for window in windows if window.refusal is not None]
        raise SignalError(
            f"no window can be read: {refusals[0] if refusals else 'there are no samples'}",
            path=recording.source,
        )
    if len(readable) == 1:
        return readable[0]
    best, highest = readable[0], -np.inf
    for window in readable:  # one by one: a long recording does not fit into one batch
        assert window.standardized is not None  # noqa: S101
        value = float(score(window.standardized[None])[0])
        if value > highest:
            best, highest = window, value
    return best


def _at_recorded_times(
    values: Float64, rate: float, window: PreparedWindow, recorded_rate: float
) -> Float64:
    """Bring (leads, samples) from the network's time base to that of the recording."""
    count = window.stop - window.start
    times = np.arange(count) / recorded_rate
    own = np.arange(values.shape[1]) / rate
    return np.stack([np.interp(times, own, row) for row in values])
