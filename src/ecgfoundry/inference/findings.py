"""From logits to findings: calibration, thresholds and what may be reported."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.inference.interpretation import Finding, WindowResult
from ecgfoundry.metrics.calibration import Calibrator
from ecgfoundry.models.bundle import Bundle
from ecgfoundry.signals.quality import Notice

__all__ = ["make_findings", "window_result"]

Logits = NDArray[np.float64]


def probabilities(bundle: Bundle, logits: Logits, *, level: str) -> NDArray[np.float64]:
    """Return probabilities (..., targets), calibrated if the bundle is."""
    calibrator = bundle.calibrator(level) or Calibrator.identity(logits.shape[-1])
    return calibrator.probabilities(logits, multiclass=bundle.multiclass)


def present_mask(bundle: Bundle, values: NDArray[np.float64]) -> list[bool | None]:
    """Return whether each target is present: argmax, or at or above its threshold."""
    if bundle.multiclass:
        top = int(np.argmax(values))
        return [k == top for k in range(len(values))]
    return [
        None if threshold is None else value >= threshold
        for value, threshold in zip(values.tolist(), bundle.thresholds, strict=True)
    ]


def make_findings(
    bundle: Bundle,
    logits: Logits | None,
    *,
    level: str = "record",
    burden: Mapping[str, float | None] | None = None,
) -> tuple[Finding, ...]:
    """Return a finding for every target that may be reported for a single recording.

    Parameters
    ----------
    bundle : Bundle
    logits : ndarray (targets,) or None
        Mean over the windows; None beyond 60 s.
    level : str
        Which calibrator: "record" or "reduced_leads".
    burden : mapping, optional
        Target -> share of the time, beyond 60 s.
    """
    targets = bundle.vocabulary.targets
    if bundle.target_kind == "regression":
        return _regression_findings(bundle, logits)
    if logits is None:
        shares = burden or {}
        return tuple(
            Finding(
                target,
                threshold=threshold,
                present=None if share is None else share > 0,
                calibrated=calibrated,
                burden=share,
            )
            for target, threshold, calibrated in zip(
                targets, bundle.thresholds, bundle.calibrated, strict=True
            )
            if target.standalone
            for share in (shares.get(target.name),)
        )
    values = probabilities(bundle, logits, level=level)
    present = present_mask(bundle, values)
    return tuple(
        Finding(
            target,
            probability=float(values[k]),
            threshold=bundle.thresholds[k],
            present=present[k],
            calibrated=bundle.calibrated[k],
        )
        for k, target in enumerate(targets)
        if target.standalone
    )


def _regression_findings(bundle: Bundle, logits: Logits | None) -> tuple[Finding, ...]:
    description = bundle.document["regression"]
    spread = description.get("residual_quantiles")
    result = []
    for k, target in enumerate(bundle.vocabulary.targets):
        if not target.standalone or logits is None:
            continue
        value = float(logits[k]) * description["scale"][k] + description["offset"][k]
        low, high = (value + spread[k][0], value + spread[k][1]) if spread else (None, None)
        result.append(Finding(target, value=value, low=low, high=high))
    return tuple(result)


def window_result(
    bundle: Bundle,
    logits: Logits | None,
    *,
    start_s: float,
    duration_s: float,
    refused: Notice | None,
    calibrated: NDArray[np.float64] | None = None,
) -> WindowResult:
    """Return what is said about one window; ``logits`` is None if it was refused.

    ``calibrated`` are its probabilities as :func:`probabilities` gives them for windows, where
    they are known already.
    """
    if logits is None:
        return WindowResult(start_s, duration_s, refused=refused)
    targets = bundle.vocabulary.targets
    if bundle.target_kind == "regression":
        findings = _regression_findings(bundle, logits)
        values = {f.name: f.value for f in findings if f.value is not None}
        return WindowResult(start_s, duration_s, values=values)
    values_array = calibrated
    if values_array is None:
        values_array = probabilities(bundle, logits, level="window")
    present = present_mask(bundle, values_array)
    shown = [k for k, target in enumerate(targets) if target.standalone]
    undecided = all(present[k] is None for k in shown)
    values_list = values_array.tolist()
    return WindowResult(
        start_s,
        duration_s,
        probabilities={targets[k].name: values_list[k] for k in shown},
        present=None if undecided else tuple(targets[k].name for k in shown if present[k]),
    )
