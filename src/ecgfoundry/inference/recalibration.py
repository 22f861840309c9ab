"""Fit calibration and thresholds of a bundle on somebody's own labelled recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, EcgFoundryError, ManifestError
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.manifest import Manifest, MappedManifest, labels_of_model
from ecgfoundry.models.bundle import Bundle, write_bundle
from ecgfoundry.tasks import Calibration, Readout, Thresholds
from ecgfoundry.tasks.base import MINIMUM_EACH
from ecgfoundry.tasks.multilabel import FittedTarget, fit_targets, platt

__all__ = ["Recalibration", "recalibrate"]


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
    if not bundle.task.recalibrates:
        raise BundleError(
            f"only multilabel bundles are calibrated, not {bundle.target_kind}", path=bundle.folder
        )
    found = labels_of_model(data, bundle.task)
    rows = found.manifest.of_split("validation")
    rows = rows if len(rows) else found.manifest
    names = bundle.vocabulary.names
    labels = rows.targets(names)
    logits, skipped = _record_logits(predictor, rows, progress)
    scored = ~np.isnan(logits).all(axis=1)
    fitted = fit_targets(logits[scored], labels[scored])
    if not fitted:
        raise ManifestError(
            f"no target has {MINIMUM_EACH} positives and {MINIMUM_EACH} negatives",
            path=rows.folder,
            remedy="Label more recordings",
        )
    readout = _new_readout(bundle, fitted, int(scored.sum()))
    files = {name: bundle.file(name) for name in bundle.about.files}
    write_bundle(
        output, about=replace(bundle.about, readout=readout), files=files, recipe=bundle.recipe
    )
    kept = {
        name: readout.uncalibrated.get(name, "keeps the calibration and the threshold that it had")
        for k, name in enumerate(names)
        if k not in fitted
    }
    return Recalibration(tuple(names[k] for k in fitted), kept, skipped)


def _new_readout(bundle: Bundle, fitted: Mapping[int, FittedTarget], recordings: int) -> Readout:
    """What replaces the calibration and the thresholds of the bundle."""
    names, old = bundle.vocabulary.names, bundle.task.readout
    own = ", ".join(names[k] for k in fitted)
    source = f"{recordings} recordings of the owner; {len(fitted)} of {len(names)} targets ({own})"
    partly = len(fitted) < len(names)
    before = old.calibration
    reduced = None if before is None else before.reduced_leads
    calibration = Calibration(
        platt(fitted, len(names), before=None if before is None else before.record),
        platt(fitted, len(names), before=None if before is None else before.window),
        None if reduced is None else platt(fitted, len(names), before=reduced),
        _joined(source, before.fitted_on if before is not None and partly else None),
    )
    values = list(bundle.thresholds)
    for k, one in fitted.items():
        values[k] = one.threshold
    criterion, fitted_on = "largest F1", source
    earlier = old.thresholds
    if earlier is not None and partly:
        if earlier.criterion != criterion:
            criterion = _joined(f"largest F1 ({own})", earlier.criterion)
        fitted_on = _joined(source, earlier.fitted_on)
    few = f"fewer than {MINIMUM_EACH} positives or negatives with a label"
    return Readout(
        calibration,
        Thresholds(tuple(values), criterion, fitted_on),
        uncalibrated={
            name: few
            for k, name in enumerate(names)
            if k not in fitted and not bundle.calibrated[k]
        },
    )


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
