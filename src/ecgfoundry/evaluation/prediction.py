"""From a bundle and a manifest to evaluation data: predictions, features and cohort flow.

The windows, their quality gate and their standardization are those of the Predictor, so that a
figure in a report is a figure of what a user gets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EcgFoundryError, EvaluationError
from ecgfoundry.evaluation.cohort import CohortStep, EvaluationData, Thresholds
from ecgfoundry.evaluation.embeddings import RandomEmbeddings
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.windows import InputLeads, prepare_windows, verdict_of
from ecgfoundry.manifest.fingerprints import (
    CALIBRATED_FILE,
    FINGERPRINTS_FILE,
    fingerprint,
    known_to,
)
from ecgfoundry.manifest.model_labels import labels_of_model
from ecgfoundry.manifest.reading import normalized_sex
from ecgfoundry.measurements.features import FEATURE_NAMES, hand_crafted_features
from ecgfoundry.metrics.shifts import GateVerdicts
from ecgfoundry.recording import Recording
from ecgfoundry.signals.windows import is_long

if TYPE_CHECKING:
    from ecgfoundry.manifest import Manifest, ManifestRow, MappedManifest

__all__ = ["Answers", "evaluation_data_of_manifest", "predict_rows"]

Float64 = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

_HEART_RATE = "heart_rate_bpm"
REFUSED = "refused"


@dataclass(frozen=True, eq=False)
class Answers:
    """What was computed for every row of a manifest; NaN where it was not.

    Attributes
    ----------
    scores : float64 (rows, targets)
        Calibrated probabilities if the bundle is calibrated, else probabilities; values of a
        regression bundle.
    features, random_encoder : float64 (rows, columns)
    quality : list of str
        "good", "usable" or "refused" by the gate; "" of what could not be read.
    skipped : Counter
        Reason -> rows.
    random_encoder_missing : str or None
        Why the random encoder could not be run.
    fingerprints : tuple of int or None
        Of every row (:func:`ecgfoundry.manifest.fingerprints.fingerprint`); None where there is
        none, or the model does not say what it learned from.
    """

    scores: Float64
    features: Float64
    random_encoder: Float64 | None
    quality: list[str]
    skipped: Counter[str]
    random_encoder_missing: str | None = None
    fingerprints: tuple[int | None, ...] = ()
    embeddings: Float64 | None = None


class _RefusedError(EvaluationError):
    """The gate let no window pass."""


def predict_rows(
    predictor: Predictor,
    manifest: Manifest,
    *,
    lead: str | None = None,
    with_features: bool = True,
    with_random_encoder: bool = True,
    progress: Progress | None = None,
) -> Answers:
    """Score every row of a manifest; a row that fails is counted with its reason.

    Parameters
    ----------
    predictor : Predictor
    manifest : Manifest
    lead : str, optional
        Read only this lead.
    with_features : bool
        Also measure hand-crafted ECG features.
    with_random_encoder : bool
        Also embed with the bundle's architecture before training (needs PyTorch).
    progress : callable (step, done, total), optional
    """
    targets = len(predictor.bundle.vocabulary.targets)
    scores = np.full((len(manifest), targets), np.nan)
    features = np.full((len(manifest), len(FEATURE_NAMES)), np.nan)
    embedded: dict[int, NDArray[np.float32]] = {}
    embeddings = RandomEmbeddings(predictor.bundle)
    quality: list[str] = []
    skipped: Counter[str] = Counter()
    marks: list[int | None] = []
    files = predictor.bundle.about.files
    says_what_it_learned = FINGERPRINTS_FILE in files or CALIBRATED_FILE in files
    for k, row in enumerate(manifest):
        quality.append("")
        marks.append(None)
        try:
            recording = manifest.open(row)
            windows, leads, verdict = _windows(predictor, recording, row, lead)
        except _RefusedError as error:
            quality[k] = REFUSED
            skipped[error.problem] += 1
            continue
        except EcgFoundryError as error:
            skipped[_reason(error)] += 1
            continue
        finally:
            if progress is not None:
                progress("records", k + 1, len(manifest))
        if says_what_it_learned:
            marks[k] = fingerprint(recording)
        scores[k], embedded[k] = _answer(predictor, windows, leads)
        quality[k] = verdict
        if with_features:
            found = hand_crafted_features(
                recording.signal, recording.sampling_rate, recording.leads
            )
            features[k] = [found[name] for name in FEATURE_NAMES]
        if with_random_encoder:
            embeddings.add(k, windows)
    found_random = embeddings.table(len(manifest))
    return Answers(
        scores, features, found_random, quality, skipped, embeddings.not_computed, tuple(marks),
        _stacked(embedded, len(manifest)),
    )  # fmt: skip


def _windows(
    predictor: Predictor, recording: Recording, row: ManifestRow, lead: str | None
) -> tuple[NDArray[np.float32], InputLeads, str]:
    """Return the standardized windows that may be read, the leads, and the quality verdict."""
    spec = predictor.bundle.input
    duration = recording.samples / recording.sampling_rate
    if is_long(duration):
        raise EvaluationError(
            "longer than a minute: no single answer",
            remedy="Cut it by start_s and duration_s in the manifest",
        )
    leads = InputLeads.choose(spec, recording.leads, lead=lead)
    if row.standardized_as is not None:
        if not spec.recipe.is_meant_by(row.standardized_as):
            raise EvaluationError("standardized by another recipe than the model's")
        place = {name: k for k, name in enumerate(recording.leads)}
        window = np.full((spec.rows, recording.samples), np.nan, dtype=np.float32)
        for k, name in enumerate(leads.rows):
            if name in place:
                window[k] = recording.signal[place[name]]
        if recording.samples != spec.samples:
            raise EvaluationError("standardized, but not of the model's length")
        return window[None], leads, "good"
    prepared = list(prepare_windows(recording, spec, leads))
    usable = [w.standardized for w in prepared if w.standardized is not None]
    if not usable:
        refusals = [w.refusal.code for w in prepared if w.refusal is not None]
        raise _RefusedError(f"{REFUSED}: {refusals[0] if refusals else 'no samples'}")
    return np.stack(usable), leads.read_in(prepared), verdict_of(prepared)


def _answer(
    predictor: Predictor, windows: NDArray[np.float32], leads: InputLeads
) -> tuple[Float64, NDArray[np.float32]]:
    """Scores and embedding of a record, by its windows' means."""
    bundle = predictor.bundle
    logits, embeddings = predictor.logits_and_embeddings(windows)
    level = "reduced_leads" if leads.absent else "record"
    scores = bundle.task.answers(logits.astype(np.float64).mean(axis=0), level=level)
    return scores, embeddings.mean(axis=0)


def _stacked(embedded: dict[int, NDArray[np.float32]], records: int) -> Float64 | None:
    """(records, features), NaN for a record that was not answered; None if none was."""
    if not embedded:
        return None
    result = np.full((records, len(next(iter(embedded.values())))), np.nan)
    for record, embedding in embedded.items():
        result[record] = embedding
    return result


def _reason(error: EcgFoundryError) -> str:
    """Words without a file name, so that equal reasons count together."""
    return error.problem if isinstance(error, EvaluationError) else error.code


def evaluation_data_of_manifest(
    predictor: Predictor,
    data: MappedManifest,
    *,
    split: str | None = None,
    lead: str | None = None,
    controls: bool = True,
    progress: Progress | None = None,
) -> EvaluationData:
    """Predict and align.

    Parameters
    ----------
    predictor : Predictor
    data : MappedManifest
        Only what is a target of the bundle is scored (:func:`ecgfoundry.manifest.labels_of_model`).
    split : str, optional
        Evaluate the rows of this split. Without it: of "test" if there are any, else all rows.
        Rows of "validation" beside them serve to fit the controls.
    lead : str, optional
    controls : bool
        Whether to compute features and random embeddings.
    progress : callable, optional

    Raises
    ------
    ManifestError
        No target column is a target of the bundle.
    EvaluationError
        No row is left.
    """
    bundle = predictor.bundle
    labels = labels_of_model(data, bundle.task)
    manifest, names = labels.manifest, list(labels.names)
    notes, missing = list(data.notes), {}
    if labels.unused:
        notes.append(
            f"Targets of the manifest that the bundle does not answer: {', '.join(labels.unused)}."
        )
    unasked = [name for name in bundle.vocabulary.names if name not in set(names)]
    if unasked:
        notes.append(f"Targets of the bundle without labels here: {', '.join(unasked)}.")
    splits = {row.split for row in manifest}
    chosen = split or ("test" if "test" in splits else None)
    rows = manifest if chosen is None else manifest.of_split(chosen)
    if not len(rows):
        raise EvaluationError(f"no row of the split '{chosen}'", path=manifest.folder)
    steps = [CohortStep("in the manifest", len(manifest))]
    if chosen is not None:
        steps.append(
            CohortStep(
                f"of the split {chosen}", len(rows), len(manifest) - len(rows), "other splits"
            )
        )
    scored, answers = _data_of_rows(predictor, rows, names, lead, controls, progress)
    known = known_to(bundle, answers.fingerprints)
    if known is not None:
        notes.append(
            f"{len(known)} of the {len(rows)} records trained this model or the model it started "
            "from, as far as these record it."
        )
    calibrated = known_to(bundle, answers.fingerprints, CALIBRATED_FILE)
    if calibrated:
        notes.append(
            f"{len(calibrated)} of the {len(rows)} records calibrated this model: its calibration, "
            "thresholds and sets look better here than on others."
        )
    count = len(rows)
    for reason, number in answers.skipped.most_common():
        count -= number
        steps.append(CohortStep("readable", count, number, reason))
    if not len(scored):
        why = [f"{number} of {len(rows)}: {reason}" for reason, number in answers.skipped.items()]
        if count:
            why.append(f"{count} of {len(rows)}: no label of a scored target")
        raise EvaluationError(f"no record could be scored ({'; '.join(why)})", path=manifest.folder)
    steps.append(
        CohortStep("with a label", len(scored), count - len(scored), "no label of a scored target")
    )
    fit = None
    validation = manifest.of_split("validation")
    if controls and len(validation) and chosen != "validation" and chosen is not None:
        fit, _ = _data_of_rows(predictor, validation, names, lead, True, progress)
    thresholds = None
    given = dict(zip(bundle.vocabulary.names, bundle.thresholds, strict=True))
    values = {name: float(t) for name in names if (t := given[name]) is not None}
    if values and not bundle.task.exclusive:
        thresholds = Thresholds(values, f"those of the bundle {bundle.name} {bundle.version}")
    if "random_encoder" not in scored.features:
        reason = answers.random_encoder_missing or "no record could be embedded"
        missing["random_encoder"] = reason if controls else "switched off"
    return EvaluationData(
        gate=scored.gate,
        embeddings=scored.embeddings,
        targets=scored.targets,
        labels=scored.labels,
        scores=scored.scores,
        patients=scored.patients,
        covariates=scored.covariates,
        features=scored.features,
        fit=fit if fit is not None and len(fit) else None,
        thresholds=thresholds,
        multiclass=bundle.task.exclusive,
        cohort=steps,
        notes=notes,
        provenance={
            "bundle": f"{bundle.name} {bundle.version}",
            "runtime": predictor.runtime.name,
            "preprocessing": bundle.input.preprocessing,
            **({} if known is None else {"records_learned_from": len(known)}),
        },
        records=scored.records,
        patients_known=scored.patients_known,
        not_computed=missing,
    )


def _data_of_rows(
    predictor: Predictor,
    rows: Manifest,
    names: list[str],
    lead: str | None,
    controls: bool,
    progress: Progress | None,
) -> tuple[EvaluationData, Answers]:
    answers = predict_rows(
        predictor, rows, lead=lead, with_features=True, with_random_encoder=controls,
        progress=progress,
    )  # fmt: skip
    place = [list(predictor.bundle.vocabulary.names).index(name) for name in names]
    labels, scores = rows.targets(names), answers.scores[:, place]
    kept = np.flatnonzero((~np.isnan(labels) & ~np.isnan(scores)).any(axis=1))
    listed = list(rows)
    groups = np.array(rows.groups(), dtype=object)
    verdicts = np.array(answers.quality, dtype=object)
    covariates: dict[str, NDArray[Any]] = {
        "quality": verdicts[kept],
        "heart_rate": answers.features[kept, FEATURE_NAMES.index(_HEART_RATE)],
        "age": np.array([np.nan if r.age is None else r.age for r in listed])[kept],
        "sex": np.array([normalized_sex(r.sex or "") for r in listed], dtype=object)[kept],
        "site": np.array([r.site or "" for r in listed], dtype=object)[kept],
        "device": np.array([r.device or "" for r in listed], dtype=object)[kept],
    }
    features = {}
    if controls:
        features["features"] = answers.features[kept]
        if answers.random_encoder is not None:
            features["random_encoder"] = answers.random_encoder[kept]
    data = EvaluationData(
        targets=tuple(names),
        labels=labels[kept],
        scores=scores[kept],
        patients=groups[kept],
        covariates=covariates,
        features=features,
        records=np.array([r.record for r in listed], dtype=object)[kept],
        patients_known=any(r.patient is not None for r in listed),
        gate=GateVerdicts(verdicts[verdicts != ""], groups[verdicts != ""]),
        embeddings=None if answers.embeddings is None else answers.embeddings[kept],
    )
    return data, answers
