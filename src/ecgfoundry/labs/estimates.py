"""Estimates of laboratory values from one recording of any length.

Longer signal helps: all readable windows are averaged (in the logits, as the bundle's calibration
of visits expects), also beyond a minute, where a diagnosis would not be averaged: a laboratory
value hardly changes within the recording. A network that joins segments by attention says itself
how much each window counts. A model that was trained on simulated patients answers
only where the caller says that this is meant, and every answer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import ModelNotFoundError, SignalError, SyntheticModelError
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.warnings import SYNTHETIC_WORDS, recording_warnings, trained_on_synthetic
from ecgfoundry.inference.windows import InputLeads, WindowSource, prepare_windows
from ecgfoundry.labs.upright import upright
from ecgfoundry.measurements.gate import mostly_doubted, too_little_ecg
from ecgfoundry.metrics.bands import auroc_band
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.bundle import Bundle
from ecgfoundry.models.registry import ARCHITECTURES
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import Notice, merge_notices
from ecgfoundry.signals.windows import is_long, window_bounds
from ecgfoundry.tasks import Finding
from ecgfoundry.vocabularies.types import Target

__all__ = [
    "LaboratoryAnswer",
    "LaboratoryEstimate",
    "caveats",
    "estimate_laboratory",
    "pooling_of",
    "refuse_synthetic",
    "window_weights",
]

Float64 = NDArray[np.float64]

KIND = "laboratory indicator"
WINDOW_RANGE = (0.1, 0.9)
"""Quantiles of the windows' estimates that are given as their spread (our choice)."""
_BATCH = 32


@dataclass(frozen=True)
class LaboratoryEstimate:
    """What a model says about one target.

    Attributes
    ----------
    target : Target
    probability : float or None
        That the value is beyond its limit; None for a value.
    threshold : float or None
    value, low, high : float or None
        Of a regression, in the target's unit; the interval is that of the bundle.
    window_low, window_high : float or None
        10 % and 90 % quantile of what single windows say; None with fewer than two windows.
    auroc, auroc_low, auroc_high : float or None
        The model's measured AUROC on its test visits, from its card.
    band : str or None
        Of the lower end of the AUROC's interval: strong, moderate or limited. The estimate itself
        would call noise moderate where there are few positives.
    band_point : str or None
        Of the AUROC itself, as in the paper that the bands are from.
    """

    target: Target
    probability: float | None = None
    threshold: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    window_low: float | None = None
    window_high: float | None = None
    auroc: float | None = None
    auroc_low: float | None = None
    auroc_high: float | None = None
    band: str | None = None
    band_point: str | None = None

    def to_dict(self) -> JsonObject:
        """Return the JSON form, without what is not known."""
        fields = {k: v for k, v in vars(self).items() if k != "target" and v is not None}
        return {**self.target.to_dict(), **fields}


@dataclass(frozen=True)
class LaboratoryAnswer:
    """All estimates of one recording.

    Attributes
    ----------
    pooling : str
        How windows were joined: "mean" or "attention".
    effective_windows : float or None
        1 / (sum of squared weights): so many windows of equal weight would count as much.
    """

    file: str | None
    model: str
    model_version: str
    synthetic: bool
    calibrated: bool
    duration_s: float
    windows: int
    refused_windows: int
    pooling: str
    effective_windows: float | None
    leads_used: tuple[str, ...]
    warnings: tuple[Notice, ...]
    estimates: tuple[LaboratoryEstimate, ...]
    refused: Notice | None = None

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "schema_version": 1,
            "file": self.file,
            "model": self.model,
            "model_version": self.model_version,
            "trained_on_synthetic_data": self.synthetic,
            "calibrated": self.calibrated,
            "duration_s": round(self.duration_s, 4),
            "windows": self.windows,
            "refused_windows": self.refused_windows,
            "pooling": self.pooling,
            "effective_windows": self.effective_windows,
            "leads_used": list(self.leads_used),
            "warnings": [notice.to_dict() for notice in self.warnings],
            "estimates": [estimate.to_dict() for estimate in self.estimates],
            "refused": None if self.refused is None else self.refused.to_dict(),
        }


def refuse_synthetic(bundle: Bundle, *, allowed: bool) -> None:
    """Refuse a bundle that was trained on simulated patients.

    Raises
    ------
    SyntheticModelError
        It was, and ``allowed`` is False.
    """
    if trained_on_synthetic(bundle) and not allowed:
        raise SyntheticModelError(
            f"the model '{bundle.name}' was trained on synthetic data",
            remedy="Its answers mean nothing for people; to see them anyway: --synthetic-ok",
        )


def estimate_laboratory(
    predictor: Predictor,
    source: WindowSource,
    recording: Recording,
    *,
    lead: str | None = None,
    file: str | None = None,
    synthetic_ok: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> LaboratoryAnswer:
    """Estimate every laboratory target of a bundle from a recording.

    Parameters
    ----------
    predictor : Predictor
    source : WindowSource
        Read window by window; any length.
    recording : Recording
        For what is said about the whole (subject, device).
    lead : str, optional
        Read only this lead. Without it, the lead that the bundle has learned from.
    file : str, optional
        What the answer calls the recording.
    synthetic_ok : bool
        Let a model answer that was trained on simulated patients.
    progress : callable, optional
        Called with the windows read and all windows.

    Raises
    ------
    SyntheticModelError
        The model was trained on synthetic data and may not answer.
    ModelNotFoundError
        The bundle has no laboratory indicator.
    """
    bundle = predictor.bundle
    targets = bundle.vocabulary.targets
    if not any(target.kind == KIND for target in targets):
        raise ModelNotFoundError(
            f"{bundle.name} has no laboratory indicator",
            remedy="Give a bundle of 'ecgfoundry labs train'",
        )
    refuse_synthetic(bundle, allowed=synthetic_ok)
    leads = InputLeads.choose(bundle.input, source.leads, lead=lead)
    duration = source.samples / source.sampling_rate
    source, turned = upright(bundle, source, leads)
    warnings = recording_warnings(recording, bundle, leads, duration) + turned
    logits, weights, read = _logits(predictor, source, leads, progress)
    refusals = [refusal for refusal, _ in read if refusal is not None]
    noted = [notices for refusal, notices in read if refusal is None]
    warnings += merge_notices(noted)
    refused = _why_refused(read, duration)
    chosen: tuple[LaboratoryEstimate, ...] = ()
    if refused is None:
        estimates = _estimates(bundle, logits, weights)
        chosen = tuple(e for e, t in zip(estimates, targets, strict=True) if t.kind == KIND)
    return LaboratoryAnswer(
        file=file,
        model=bundle.name,
        model_version=bundle.version,
        synthetic=trained_on_synthetic(bundle),
        calibrated=all(bundle.calibrated),
        duration_s=duration,
        windows=len(logits),
        refused_windows=len(refusals),
        pooling=pooling_of(bundle),
        effective_windows=float(1.0 / (weights**2).sum()) if len(weights) else None,
        leads_used=leads.recorded + leads.derived,
        warnings=warnings,
        estimates=chosen,
        refused=refused,
    )


def _why_refused(
    read: Sequence[tuple[Notice | None, tuple[Notice, ...]]], duration_s: float
) -> Notice | None:
    """Return why nothing is estimated: it is no ECG or may be none, as for a diagnosis.

    ``read``: the refusal and the warnings of each window.
    """
    refusals = [refusal for refusal, _ in read]
    known = [notices for refusal, notices in read if refusal is None]
    if not known:
        first = next((one for one in refusals if one is not None), None)
        return first or Notice("missing", "the recording has no samples")
    foreign = too_little_ecg(refusals) if is_long(duration_s) else None
    return foreign or mostly_doubted(known)


def pooling_of(bundle: Bundle) -> str:
    """Return how a bundle's windows are joined to a recording: "mean" or "attention"."""
    name = bundle.about.architecture.name
    return ARCHITECTURES[name].pooling if name in ARCHITECTURES else "mean"


def window_weights(scores: NDArray[np.floating[Any]] | None, windows: int) -> Float64:
    """Return how much each window counts: the softmax of its scores, or all the same.

    Parameters
    ----------
    scores : ndarray (windows,) or None
        Of a network that joins windows by attention.
    windows : int

    Returns
    -------
    ndarray of float64 (windows,)
        Their sum is 1.
    """
    if scores is None or windows == 0:
        return np.full(windows, 1.0 / max(windows, 1))
    raised = np.exp(np.asarray(scores, dtype=np.float64) - np.max(scores))
    result: Float64 = raised / raised.sum()
    return result


def _logits(
    predictor: Predictor,
    source: WindowSource,
    leads: InputLeads,
    progress: Callable[[int, int], None] | None,
) -> tuple[Float64, Float64, list[tuple[Notice | None, tuple[Notice, ...]]]]:
    """Logits of all readable windows, their weights; refusal and warnings of every window."""
    pieces: list[NDArray[np.float32]] = []
    scores: list[NDArray[np.float32]] = []
    waiting: list[NDArray[np.float32]] = []
    read: list[tuple[Notice | None, tuple[Notice, ...]]] = []

    def run() -> None:
        logits, embeddings = predictor.logits_and_embeddings(np.stack(waiting))
        pieces.append(logits)
        scores.append(embeddings[:, -1])
        waiting.clear()

    spec = predictor.bundle.input
    total = len(window_bounds(source.samples, source.sampling_rate, spec.window_s))
    for number, window in enumerate(prepare_windows(source, spec, leads)):
        if progress is not None:
            progress(number, total)
        if window.standardized is None:
            read.append((window.refusal or Notice("missing", "no samples"), ()))
            continue
        read.append((None, window.quality.warnings))
        waiting.append(window.standardized)
        if len(waiting) == _BATCH:
            run()
    if waiting:
        run()
    if not pieces:
        width = len(predictor.bundle.vocabulary.targets)
        return np.empty((0, width)), np.empty(0), read
    found = np.concatenate(pieces).astype(np.float64)
    attended = pooling_of(predictor.bundle) == "attention"
    return (
        found,
        window_weights(np.concatenate(scores) if attended else None, len(found)),
        read,
    )


def _estimates(bundle: Bundle, logits: Float64, weights: Float64) -> list[LaboratoryEstimate]:
    task = bundle.task
    if task.exclusive:
        raise SignalError(f"{bundle.name} excludes targets from each other; indicators do not")
    mean = weights @ logits
    findings = {finding.name: finding for finding in task.findings(mean)}
    windows = task.answers(logits, level="window")
    low, high = np.quantile(windows, WINDOW_RANGE, axis=0)
    several = len(logits) > 1
    result = []
    for k, target in enumerate(task.vocabulary.targets):
        found, figure = findings.get(target.name, Finding(target)), _measured(bundle, target.name)
        result.append(
            LaboratoryEstimate(
                target,
                probability=found.probability,
                threshold=found.threshold,
                value=found.value,
                low=found.low,
                high=found.high,
                window_low=float(low[k]) if several else None,
                window_high=float(high[k]) if several else None,
                auroc=figure.value,
                auroc_low=figure.low,
                auroc_high=figure.high,
                band=auroc_band(figure.low),
                band_point=auroc_band(figure.value),
            )
        )
    return result


def _measured(bundle: Bundle, target: str) -> Metric:
    """The first AUROC of this target on the card: visits, all windows, where it is there."""
    for metric in bundle.metrics:
        if metric.name.startswith("AUROC") and metric.target == target:
            return metric
    return Metric("AUROC", None, "")


def caveats(answer: LaboratoryAnswer) -> list[str]:
    """Return the sentences that stand under every list of estimates."""
    lines = [
        "Estimates from an ECG. None replaces a laboratory measurement. Not a medical device.",
        "A band says how well the model told abnormal from normal on its own test patients, not "
        "how sure this estimate is.",
    ]
    if not answer.calibrated:
        lines.append("The probabilities are not calibrated.")
    return [f"SYNTHETIC: {SYNTHETIC_WORDS}", *lines] if answer.synthetic else lines
