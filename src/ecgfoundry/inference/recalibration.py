"""Fit calibration, thresholds and prediction sets of a bundle on one's own labelled records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, EcgFoundryError, ManifestError
from ecgfoundry.inference.one_window import window_embedding
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.manifest import Manifest, MappedManifest, labels_of_model
from ecgfoundry.manifest.fingerprints import (
    CALIBRATED_FILE,
    fingerprint,
    fingerprints_of_bundle,
    known_to,
    write_fingerprints,
)
from ecgfoundry.metrics.conformal import COVERAGE, people_needed
from ecgfoundry.metrics.energy import first_of_each_person
from ecgfoundry.models.bundle import write_bundle
from ecgfoundry.models.reference import (
    FEWEST_PEOPLE,
    REFERENCE_FILE,
    WINDOW_REFERENCE_FILE,
    write_reference,
)
from ecgfoundry.signals.windows import is_long
from ecgfoundry.tasks import PredictionSets
from ecgfoundry.tasks.base import MINIMUM_EACH

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
    sets : PredictionSets or None
        That were fitted; None: there are too few people.
    learned_from : int
        So many of the records trained the model, as far as its bundle records it: on them it is
        surer than on others.
    """

    fitted: tuple[str, ...]
    kept: Mapping[str, str]
    skipped: Mapping[str, str]
    sets: PredictionSets | None
    learned_from: int = 0


def recalibrate(
    predictor: Predictor,
    data: MappedManifest,
    output: Path,
    *,
    coverage: float = COVERAGE,
    drift_reference: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Recalibration:
    """Write a copy of a bundle with calibration, thresholds and prediction sets from a table.

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
    coverage : float
        Share of new people, like those of the table, whose truth the sets shall hold.
    drift_reference : bool
        Also store the embeddings of these people, one recording and one window each, so that a
        service can say whether its recordings and streams still look like them. Without it, those
        that are there go: the new calibration is of other people.
    progress : callable (done, total), optional

    Raises
    ------
    ManifestError
        No target column is a target of the bundle, or there are too few labels for anything.
    BundleError
        The bundle answers with values.

    Notes
    -----
    Multilabel: Platt's method per target at record level, also used for windows and reduced leads;
    thresholds maximise F1 on the calibrated probabilities. Both are fitted on the same rows:
    figures on these rows are optimistic, so measure on others. A target without enough labels keeps
    the calibration and the threshold that it had; where it had none it is marked uncalibrated.
    Exclusive classes: see :meth:`ecgfoundry.tasks.multiclass.Multiclass.recalibrated`.
    Sets, by person: see :mod:`ecgfoundry.metrics.conformal`.
    """
    bundle = predictor.bundle
    if not bundle.task.recalibrates:
        raise BundleError(
            f"only models that decide are calibrated, not {bundle.target_kind}", path=bundle.folder
        )
    found = labels_of_model(data, bundle.task)
    rows = found.manifest.of_split("validation")
    rows = rows if len(rows) else found.manifest
    names = bundle.vocabulary.names
    values = bundle.task.columns_of(rows.targets(names))
    logits, embedded, skipped, marks = _record_logits(
        predictor, rows, progress, windows=drift_reference
    )
    scored = ~np.isnan(logits).all(axis=1)
    logits, values = logits[scored], values[scored]
    people = rows.groups()
    groups = [people[k] for k in np.flatnonzero(scored)]
    source = f"{len(values)} recordings of the owner"
    task, fitted = bundle.task.recalibrated(logits, values, source=source)
    task = task.with_sets(
        logits, values, groups, source=source, coverage=coverage, crossed=bool(fitted)
    )
    sets = task.readout.sets
    if not fitted and sets is bundle.task.readout.sets:
        raise ManifestError(
            f"no target has {MINIMUM_EACH} positives and {MINIMUM_EACH} negatives, nor labels of "
            f"{people_needed(coverage)} people",
            path=rows.folder,
            remedy="Label more recordings",
        )
    references = (REFERENCE_FILE, WINDOW_REFERENCE_FILE)
    files = {name: bundle.file(name) for name in bundle.about.files if name not in references}
    with TemporaryDirectory() as folder:
        # What keeps its calibration was fitted on the records of before.
        before = fingerprints_of_bundle(bundle, CALIBRATED_FILE)
        used = [*(() if before is None else before.tolist()), *(m for m in marks if m is not None)]
        files[CALIBRATED_FILE] = Path(folder) / CALIBRATED_FILE
        write_fingerprints(files[CALIBRATED_FILE], used)
        if drift_reference:
            whole, windows = (_of_people(points, groups) for points in embedded)
            files[REFERENCE_FILE] = write_reference(Path(folder), whole)
            if len(windows) >= FEWEST_PEOPLE:
                path = write_reference(Path(folder), windows, WINDOW_REFERENCE_FILE)
                files[WINDOW_REFERENCE_FILE] = path
        write_bundle(
            output,
            about=replace(bundle.about, readout=task.readout),
            files=files,
            recipe=bundle.recipe,
        )
    uncalibrated = task.readout.uncalibrated
    kept = {
        name: uncalibrated.get(name, "keeps the calibration and the threshold that it had")
        for name in names
        if name not in fitted
    }
    learned = known_to(bundle, marks)
    return Recalibration(fitted, kept, skipped, sets, len(learned or ()))


Embeddings = list[NDArray[np.float32] | None]
"""Of recordings or windows; None where one could not be read."""


def _of_people(points: Embeddings, groups: list[str]) -> NDArray[np.float64]:
    """Return the first embedding of each person, (people, features)."""
    there = [k for k, point in enumerate(points) if point is not None]
    found = np.array([points[k] for k in there], np.float64)
    return first_of_each_person(found, np.array([groups[k] for k in there]))


def _record_logits(
    predictor: Predictor,
    rows: Manifest,
    progress: Callable[[int, int], None] | None,
    *,
    windows: bool,
) -> tuple[NDArray[np.float64], tuple[Embeddings, Embeddings], dict[str, str], list[int | None]]:
    """Mean logits of the readable windows of each row, NaN where there are none; and, only of rows
    that have some, embeddings of whole recordings and, if wanted, of one window of each, and
    fingerprints.
    """
    spec = predictor.bundle.input
    logits = np.full((len(rows), len(predictor.bundle.vocabulary.targets)), np.nan)
    skipped: dict[str, str] = {}
    whole: Embeddings = []
    parts: Embeddings = []
    marks: list[int | None] = []
    for k, row in enumerate(rows):
        try:
            recording = rows.open_raw(row)
            if is_long(recording.samples / recording.sampling_rate):
                # As `evaluate` does: there is no single answer that could be calibrated.
                skipped[row.record] = "longer than a minute: no single answer"
                continue
            leads = InputLeads.choose(spec, recording.leads)
            prepared = list(prepare_windows(recording, spec, leads))
        except EcgFoundryError as error:
            skipped[row.record] = str(error)
        else:
            readable = [w.standardized for w in prepared if w.standardized is not None]
            if readable:
                found, embeddings = predictor.logits_and_embeddings(np.stack(readable))
                logits[k] = found.mean(axis=0)
                marks.append(fingerprint(recording))
                whole.append(embeddings.mean(axis=0))
                parts.append(window_embedding(predictor, recording) if windows else None)
            else:
                refusals = [w.refusal.message for w in prepared if w.refusal is not None]
                skipped[row.record] = refusals[0] if refusals else "no samples"
        finally:
            if progress is not None:
                progress(k + 1, len(rows))
    return logits, (whole, parts), skipped, marks
