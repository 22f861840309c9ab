"""Fit calibration, thresholds and prediction sets of a bundle on one's own labelled records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, EcgFoundryError, ManifestError
from ecgfoundry.inference.looks import Look
from ecgfoundry.inference.one_window import look_at_window
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
    ANSWERS_FILE,
    FEWEST_PEOPLE,
    REFERENCE_FILE,
    VERDICTS,
    WINDOW_REFERENCE_FILE,
    AnswersReference,
    write_answers_reference,
    write_reference,
)
from ecgfoundry.signals.windows import is_long
from ecgfoundry.tasks import PredictionSets, Task
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
        Also store what the model makes of these people, so that a service can say whether its
        recordings and streams still look like them: embeddings of one recording and one window
        each, and counts of the gate's verdicts and of right and wrong answers. Without it, what is
        there goes: the new calibration is of other people.
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
    labels = bundle.task.columns_of(rows.targets(names))
    whole, windows, marks, skipped = _looks(predictor, rows, progress, windows=drift_reference)
    read = {k: look.logits for k, look in enumerate(whole) if look is not None}
    scored = [k for k, outputs in read.items() if outputs is not None]
    logits = np.array([read[k] for k in scored], np.float64).reshape(len(scored), len(names))
    values = labels[scored]
    people = rows.groups()
    groups = [people[k] for k in scored]
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
    references = (REFERENCE_FILE, WINDOW_REFERENCE_FILE, ANSWERS_FILE)
    files = {name: bundle.file(name) for name in bundle.about.files if name not in references}
    with TemporaryDirectory() as folder:
        # What keeps its calibration was fitted on the records of before.
        before = fingerprints_of_bundle(bundle, CALIBRATED_FILE)
        used = [*(() if before is None else before.tolist()), *(m for m in marks if m is not None)]
        files[CALIBRATED_FILE] = Path(folder) / CALIBRATED_FILE
        write_fingerprints(files[CALIBRATED_FILE], used)
        if drift_reference:
            files[REFERENCE_FILE] = write_reference(Path(folder), _of_people(whole, people))
            known = {"recordings": _answered(task, whole, labels, people)}
            of_windows = _of_people(windows, people)
            if len(of_windows) >= FEWEST_PEOPLE:
                path = write_reference(Path(folder), of_windows, WINDOW_REFERENCE_FILE)
                files[WINDOW_REFERENCE_FILE] = path
                known["windows"] = _answered(task, windows, labels, people)
            files[ANSWERS_FILE] = write_answers_reference(Path(folder), known)
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


Looks = Sequence[Look | None]
"""At every row; None: it could not be read, has not the leads, or is long."""


def _of_people(looks: Looks, people: Sequence[str]) -> NDArray[np.float64]:
    """Return the first embedding of each person, (people, features)."""
    there = [(k, look.embedding) for k, look in enumerate(looks) if look is not None]
    known = [(k, embedding) for k, embedding in there if embedding is not None]
    found = np.array([embedding for _, embedding in known], np.float64)
    return first_of_each_person(found, np.array([people[k] for k, _ in known]))


def _answered(
    task: Task, looks: Looks, labels: NDArray[np.float64], people: Sequence[str]
) -> AnswersReference:
    """Count the first verdict of each person, and the first answer to each question that has a
    known truth.
    """
    verdicts = np.zeros(len(VERDICTS), np.int64)
    counts = [np.zeros((len(classes), len(classes)), np.int64) for classes in task.questions]
    truth = task.true_choices(labels)
    judged: set[str] = set()
    counted: set[tuple[str, int]] = set()
    for look, person, true in zip(looks, people, truth, strict=True):
        if look is None:
            continue
        if person not in judged:
            judged.add(person)
            verdicts[VERDICTS.index(look.verdict)] += 1
        for question, (said, right) in enumerate(zip(look.choices(task) or (), true, strict=False)):
            if right >= 0 and (person, question) not in counted:
                counted.add((person, question))
                counts[question][said, right] += 1
    return AnswersReference(verdicts, task.questions, tuple(counts))


def _looks(
    predictor: Predictor,
    rows: Manifest,
    progress: Callable[[int, int], None] | None,
    *,
    windows: bool,
) -> tuple[list[Look | None], list[Look | None], list[int | None], dict[str, str]]:
    """Look at each row and, if wanted, at one window of it; return fingerprints of those that
    could be read, too, and say why rows were skipped.
    """
    spec = predictor.bundle.input
    skipped: dict[str, str] = {}
    whole: list[Look | None] = [None] * len(rows)
    parts: list[Look | None] = [None] * len(rows)
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
            whole[k] = look = Look.of(prepared, leads, predictor.outputs_of(prepared))
            if look.logits is not None:
                marks.append(fingerprint(recording))
            else:
                refusals = [w.refusal.message for w in prepared if w.refusal is not None]
                skipped[row.record] = refusals[0] if refusals else "no samples"
            if windows:
                parts[k] = look_at_window(predictor, recording)
        finally:
            if progress is not None:
                progress(k + 1, len(rows))
    return whole, parts, marks, skipped
