"""Fit calibration and thresholds of a bundle on somebody's own labelled recordings."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, EcgFoundryError, ManifestError
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.manifest import Manifest, MappedManifest, labels_of_model
from ecgfoundry.metrics.calibration import Calibrator, fit_calibrator
from ecgfoundry.metrics.classification import f1_thresholds
from ecgfoundry.models.bundle import Bundle, write_bundle

__all__ = ["MINIMUM_EACH", "Recalibration", "recalibrate"]

MINIMUM_EACH = 10
"""Positives and negatives that a target needs, else it keeps what it had; the same minimum as
CardioLab uses to keep a target."""
_LEVELS = ("record", "window", "reduced_leads")


@dataclass(frozen=True)
class Recalibration:
    """What was done.

    Attributes
    ----------
    fitted : tuple of str
        Targets with a new calibration and threshold.
    kept : mapping
        Other target -> what became of it, in words.
    skipped : mapping
        Record -> why it was skipped.
    """

    fitted: tuple[str, ...]
    kept: Mapping[str, str]
    skipped: Mapping[str, str]


def recalibrate(
    predictor: Predictor,
    data: MappedManifest,
    output: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Recalibration:
    """Write a copy of a multilabel bundle with calibration and thresholds from a table.

    Parameters
    ----------
    predictor : Predictor
        Of the bundle to calibrate.
    data : MappedManifest
        Recordings that the model did not learn from, with targets of the bundle
        (:func:`ecgfoundry.manifest.labels_of_model`). Rows of the split "validation" if there are
        any, else all.
    output : Path
        The new bundle folder.
    progress : callable (done, total), optional

    Raises
    ------
    ManifestError
        No target column is a target of the bundle, or none has enough of both kinds.
    BundleError
        The bundle is not multilabel.

    Notes
    -----
    Platt's method per target at record level, also used for windows and reduced leads; thresholds
    maximise F1 on the calibrated probabilities. Both are fitted on the same rows: figures on these
    rows are optimistic, so measure on others. A target without enough labels keeps the calibration
    and the threshold that it had; where it had none it is marked uncalibrated.
    """
    bundle = predictor.bundle
    if bundle.target_kind != "multilabel":
        raise BundleError(
            f"only multilabel bundles are calibrated, not {bundle.target_kind}", path=bundle.folder
        )
    found = labels_of_model(data, bundle.vocabulary, multiclass=False)
    rows = found.manifest.of_split("validation")
    rows = rows if len(rows) else found.manifest
    names = bundle.vocabulary.names
    labels = rows.targets(names)
    logits, skipped = _record_logits(predictor, rows, progress)
    scored = ~np.isnan(logits).all(axis=1)
    fitted = _fit(logits[scored], labels[scored])
    if not fitted:
        raise ManifestError(
            f"no target has {MINIMUM_EACH} positives and {MINIMUM_EACH} negatives",
            path=rows.folder,
            remedy="Label more recordings",
        )
    document: dict[str, Any] = copy.deepcopy(json.loads(json.dumps(bundle.document)))
    del document["files"]
    document |= _new_parts(bundle, fitted, int(scored.sum()))
    files = {name: bundle.file(name) for name in bundle.document["files"]}
    write_bundle(output, document=document, files=files, recipe=bundle.recipe)
    uncalibrated = document["uncalibrated"]
    kept = {
        name: uncalibrated.get(name, "keeps the calibration and the threshold that it had")
        for k, name in enumerate(names)
        if k not in fitted
    }
    return Recalibration(tuple(names[k] for k in fitted), kept, skipped)


def _new_parts(bundle: Bundle, fitted: Mapping[int, _Fitted], recordings: int) -> dict[str, Any]:
    """What replaces the calibration and the thresholds of the bundle's document."""
    names = bundle.vocabulary.names
    own = ", ".join(names[k] for k in fitted)
    source = f"{recordings} recordings of the owner; {len(fitted)} of {len(names)} targets ({own})"
    before = bundle.document["calibration"] or {}
    calibration: dict[str, Any] = {
        "fitted_on": _joined(source, before.get("fitted_on") if len(fitted) < len(names) else None)
    }
    for level in _LEVELS:
        if level == "reduced_leads" and level not in before:
            continue
        old = bundle.calibrator(level) or Calibrator.identity(len(names))
        scale, offset = list(old.scale), list(old.offset)
        for k, one in fitted.items():
            scale[k], offset[k] = one.scale, one.offset
        calibration[level] = Calibrator("platt", tuple(scale), tuple(offset)).to_dict()
    values = list(bundle.thresholds)
    for k, one in fitted.items():
        values[k] = one.threshold
    thresholds = {
        "values": values,
        "criterion": "largest F1",
        "fitted_on": source,
    }
    if bundle.document["thresholds"] is not None and len(fitted) < len(names):
        earlier = bundle.document["thresholds"]
        if earlier["criterion"] != thresholds["criterion"]:
            thresholds["criterion"] = _joined(f"largest F1 ({own})", earlier["criterion"])
        thresholds["fitted_on"] = _joined(source, earlier["fitted_on"])
    return {
        "calibration": calibration,
        "thresholds": thresholds,
        "uncalibrated": {
            name: f"fewer than {MINIMUM_EACH} positives or negatives with a label"
            for k, name in enumerate(names)
            if k not in fitted and not bundle.calibrated[k]
        },
    }


def _joined(new: str, earlier: str | None) -> str:
    return new if earlier is None else f"{new}; the others: {earlier}"


def _record_logits(
    predictor: Predictor, rows: Manifest, progress: Callable[[int, int], None] | None
) -> tuple[NDArray[np.float64], dict[str, str]]:
    """Mean logits of the readable windows of each row, NaN where there are none."""
    spec = predictor.bundle.input
    logits = np.full((len(rows), len(predictor.bundle.vocabulary.targets)), np.nan)
    skipped: dict[str, str] = {}
    for k, row in enumerate(rows):
        try:
            recording = rows.open(row)
            source = recording
            leads = InputLeads.choose(spec, source.leads)
            prepared = list(prepare_windows(source, spec, leads))
        except EcgFoundryError as error:
            skipped[row.record] = str(error)
        else:
            windows = [w.standardized for w in prepared if w.standardized is not None]
            if windows:
                logits[k] = predictor.logits(np.stack(windows)).mean(axis=0)
            else:
                refusals = [w.refusal.message for w in prepared if w.refusal is not None]
                skipped[row.record] = refusals[0] if refusals else "no samples"
        if progress is not None:
            progress(k + 1, len(rows))
    return logits, skipped


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Calibration and threshold of one target."""

    scale: float
    offset: float
    threshold: float


def _fit(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> dict[int, _Fitted]:
    """Fit every target that has enough labels; position -> what was found."""
    fitted = {}
    for k in range(logits.shape[1]):
        known = ~np.isnan(labels[:, k])
        positives = int((labels[known, k] > 0.5).sum())
        if min(positives, int(known.sum()) - positives) < MINIMUM_EACH:
            continue
        z, y = logits[known, k : k + 1], labels[known, k : k + 1]
        one = fit_calibrator(z, y, method="platt", multiclass=False)
        threshold = f1_thresholds(one.probabilities(z, multiclass=False), y)[0]
        fitted[k] = _Fitted(one.scale[0], one.offset[0], threshold)
    return fitted
