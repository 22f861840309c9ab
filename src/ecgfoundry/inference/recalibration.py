"""Fit calibration and thresholds of a bundle on somebody's own labelled recordings."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, EcgFoundryError, ManifestError
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.manifest import Manifest
from ecgfoundry.metrics.calibration import Calibrator, fit_calibrator
from ecgfoundry.metrics.classification import f1_thresholds
from ecgfoundry.models.bundle import write_bundle

__all__ = ["MINIMUM_EACH", "recalibrate"]

MINIMUM_EACH = 10
"""Positives and negatives that a target needs, else it keeps the identity and no threshold; the
same minimum as CardioLab uses to keep a target."""


def recalibrate(
    predictor: Predictor,
    manifest: Manifest,
    output: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, str]:
    """Write a copy of a multilabel bundle with calibration and thresholds from a manifest.

    Parameters
    ----------
    predictor : Predictor
        Of the bundle to calibrate.
    manifest : Manifest
        Recordings that the model did not learn from, with ``target:NAME`` columns. Rows of the
        split "validation" if there are any, else all.
    output : Path
        The new bundle folder.
    progress : callable (done, total), optional

    Returns
    -------
    dict
        Record -> why it was skipped.

    Raises
    ------
    ManifestError
        No target column is a target of the bundle, or none has enough of both kinds.
    BundleError
        The bundle is not multilabel.

    Notes
    -----
    Platt's method per target at record level, also used for windows; thresholds maximise F1 on
    the calibrated probabilities. Both are fitted on the same rows: figures on these rows are
    optimistic, so measure on others.
    """
    bundle = predictor.bundle
    if bundle.target_kind != "multilabel":
        raise BundleError(
            f"only multilabel bundles are calibrated, not {bundle.target_kind}", path=bundle.folder
        )
    rows = manifest.of_split("validation")
    rows = rows if len(rows) else manifest
    names = bundle.vocabulary.names
    labels = rows.targets(names)
    if np.isnan(labels).all():
        raise ManifestError("no target column is a target of the bundle", path=manifest.folder)
    logits, skipped = _record_logits(predictor, rows, progress)
    scored = ~np.isnan(logits).all(axis=1)
    calibrator, thresholds, fitted = _fit(logits[scored], labels[scored])
    if not fitted:
        raise ManifestError(
            f"no target has {MINIMUM_EACH} positives and {MINIMUM_EACH} negatives",
            path=manifest.folder,
            remedy="Label more recordings",
        )
    document: dict[str, Any] = copy.deepcopy(json.loads(json.dumps(bundle.document)))
    source = f"{int(scored.sum())} recordings of the owner; {len(fitted)} of {len(names)} targets"
    del document["files"]
    document["calibration"] = {
        "record": calibrator.to_dict(),
        "window": calibrator.to_dict(),
        "fitted_on": source,
    }
    document["thresholds"] = {
        "values": thresholds,
        "criterion": "largest F1",
        "fitted_on": source,
    }
    files = {name: bundle.file(name) for name in bundle.document["files"]}
    write_bundle(output, document=document, files=files, recipe=bundle.recipe)
    return skipped


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


def _fit(
    logits: NDArray[np.float64], labels: NDArray[np.float64]
) -> tuple[Calibrator, list[float | None], list[int]]:
    targets = logits.shape[1]
    scale, offset = [1.0] * targets, [0.0] * targets
    thresholds: list[float | None] = [None] * targets
    fitted = []
    for k in range(targets):
        known = ~np.isnan(labels[:, k])
        positives = int((labels[known, k] > 0.5).sum())
        if min(positives, int(known.sum()) - positives) < MINIMUM_EACH:
            continue
        z, y = logits[known, k : k + 1], labels[known, k : k + 1]
        one = fit_calibrator(z, y, method="platt", multiclass=False)
        scale[k], offset[k] = one.scale[0], one.offset[0]
        thresholds[k] = f1_thresholds(one.probabilities(z, multiclass=False), y)[0]
        fitted.append(k)
    return Calibrator("platt", tuple(scale), tuple(offset)), thresholds, fitted
