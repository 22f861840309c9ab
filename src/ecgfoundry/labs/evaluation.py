"""What a laboratory bundle reaches on a corpus: per indicator, beside everything simpler.

Four evaluations by the same functions as everywhere: segments, and visits (each target averaged
over the segments of a visit that have a label for it); all windows, and only ECG that was complete
before its result, which is the only figure for a claim about real time. Intervals and tests
resample patients. The controls (age + sex, heart rate, the three together, hand-crafted features)
are fitted on patients of train and validation and scored on the same test visits.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry._version import __version__
from ecgfoundry.documents import Cells, JsonObject
from ecgfoundry.errors import EvaluationError
from ecgfoundry.evaluation.cohort import CohortStep, EvaluationData
from ecgfoundry.evaluation.controls import CONTROLS
from ecgfoundry.evaluation.evaluate import Evaluation, evaluate
from ecgfoundry.evaluation.report.methods import methods_paragraphs
from ecgfoundry.evaluation.report.report import page
from ecgfoundry.evaluation.report.sections import (
    calibration_section,
    controls_section,
    discrimination_section,
)
from ecgfoundry.evaluation.report.tables import (
    Table,
    band_cell,
    interval_cell,
    number_cell,
    p_cell,
    text_cell,
)
from ecgfoundry.evaluation.rows import ClassRow
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.evaluation.writing import csv_text, json_text, write_text
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.io import write_atomically
from ecgfoundry.labs.estimates import pooling_of
from ecgfoundry.labs.settings import LaboratoryReportSettings
from ecgfoundry.manifest.fingerprints import known_to
from ecgfoundry.manifest.reading import normalized_sex
from ecgfoundry.measurements.features import FEATURE_NAMES, feature_matrix
from ecgfoundry.metrics.intervals import Interval
from ecgfoundry.templates import Templates

if TYPE_CHECKING:
    from ecgfoundry.labs.training_data import LaboratorySegments

__all__ = [
    "ECG",
    "LEVELS",
    "LaboratoryEvaluation",
    "LaboratoryRow",
    "Scope",
    "laboratory_evaluation",
    "laboratory_logits",
    "laboratory_report",
]

Float64 = NDArray[np.float64]
Positions = NDArray[np.intp]
Progress = Callable[[str, int, int], None]

LEVELS = ("segment", "visit")
ECG = {"all": "all windows", "before": "only ECG before the result"}
MOST_LEARNED = 0.02
"""Share of the test visits that may resemble what trained (our choice: near copies by accident); of
few visits, one may."""
FIT_VISITS = 4000
"""Visits of train and validation that the controls are fitted on at most (our choice)."""
_BATCH = 64
_TEMPLATES = Templates("ecgfoundry.labs", "ecgfoundry.evaluation.report")
_FIRST_COLUMNS = (
    "indicator", "direction", "loinc", "unit", "level", "ecg", "n", "patients", "positives",
    "positive_patients", "prevalence", "auroc", "auroc_low", "auroc_high", "band", "band_point",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Measured:
    """Logits and features of some segments; without logits where only controls need them.

    ``attention`` are the scores of a network that joins segments by attention.
    """

    positions: Positions
    logits: Float64 | None
    features: Float64
    attention: Float64 | None = None


@dataclass(frozen=True, kw_only=True)
class LaboratoryRow:
    """A target at one level with one kind of ECG.

    Attributes
    ----------
    indicator, direction, loinc, unit : str
        Of the catalogue; ``loinc`` and ``unit`` may be None.
    level, ecg : str
        Out of :data:`LEVELS` and :data:`ECG`.
    split : str
    synthetic : bool
    found : ClassRow
    """

    indicator: str
    direction: str
    loinc: str | None
    unit: str | None
    level: str
    ecg: str
    split: str
    synthetic: bool
    found: ClassRow

    def cells(self) -> Cells:
        """Return the columns of ``laboratory.csv``."""
        return {
            "indicator": self.indicator,
            "direction": self.direction,
            "loinc": self.loinc,
            "unit": self.unit,
            "level": self.level,
            "ecg": self.ecg,
            "split": self.split,
            "synthetic": self.synthetic,
            **self.found.cells(),
        }


@dataclass(frozen=True, eq=False)
class LaboratoryEvaluation:
    """What was found, and what it was found on.

    Attributes
    ----------
    evaluations : mapping
        (level, kind of ECG) -> evaluation.
    rows : list of LaboratoryRow
        The rows of all of them.
    segments : LaboratorySegments
    inputs : mapping
        (level, kind of ECG) -> aligned labels, scores, covariates and features of the test
        patients, with those that the controls were fitted on as ``fit``.
    """

    evaluations: Mapping[tuple[str, str], Evaluation]
    rows: list[LaboratoryRow]
    segments: LaboratorySegments
    inputs: Mapping[tuple[str, str], EvaluationData]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What of a bundle is evaluated.

    Attributes
    ----------
    targets : sequence of str, or None
        Only these targets of the bundle.
    levels : sequence of str
        Out of :data:`LEVELS`.
    ecg : sequence of str
        Out of :data:`ECG`.
    features_folder : Path or None
        Where the hand-crafted features of segments are kept for the next evaluation of the same
        segments.
    """

    targets: Sequence[str] | None = None
    levels: Sequence[str] = LEVELS
    ecg: Sequence[str] = tuple(ECG)
    features_folder: Path | None = None


def laboratory_report(
    bundle: str | Path,
    corpus: str | Path,
    tables: str | Path,
    output: str | Path,
    *,
    targets: Sequence[str] | None = None,
    settings: LaboratoryReportSettings | None = None,
    progress: Progress | None = None,
) -> list[LaboratoryRow]:
    """Evaluate a laboratory bundle on the test patients of a corpus and write the report.

    Parameters
    ----------
    bundle : str or Path
    corpus, tables
        As in :func:`ecgfoundry.labs.training_data.open_laboratory`.
    output : str or Path
        Folder for ``report.html``, ``laboratory.csv`` (a row per target, level and kind of ECG)
        and ``laboratory.json``.
    targets : sequence of str, optional
        Only these targets of the bundle.
    settings : LaboratoryReportSettings, optional
    progress : callable (step, done, total), optional

    Returns
    -------
    list of LaboratoryRow
        A row per target, level and kind of ECG.

    Raises
    ------
    EvaluationError
        The bundle answers nothing about laboratory values, or a target is not one of its own.
    """
    predictor, settings = load_model(bundle), settings or LaboratoryReportSettings()
    measured = laboratory_evaluation(
        predictor, corpus, tables,
        settings=settings, scope=Scope(targets=targets), progress=progress,
    )  # fmt: skip
    evaluations, data = measured.evaluations, measured.segments
    rows = [row.cells() for row in measured.rows]
    name = predictor.bundle.name
    document: JsonObject = {
        "schema_version": 1,
        "bundle": f"{name} {predictor.bundle.version}",
        "split": settings.results.split,
        "synthetic": data.synthetic,
        "window_minutes": settings.results.window_minutes,
        "rows": rows,
        "evaluations": {
            f"{level} {ecg}": found.document for (level, ecg), found in evaluations.items()
        },
    }
    write_text(
        Path(output),
        {
            "report.html": _html(name, measured),
            "laboratory.csv": csv_text(rows, first=_FIRST_COLUMNS),
            "laboratory.json": json_text(document),
        },
    )
    return measured.rows


def laboratory_evaluation(
    predictor: Predictor,
    corpus: str | Path,
    tables: str | Path,
    *,
    settings: LaboratoryReportSettings | None = None,
    evaluation: Settings | None = None,
    scope: Scope | None = None,
    progress: Progress | None = None,
) -> LaboratoryEvaluation:
    """Evaluate without writing anything, and keep what it was computed from.

    Parameters
    ----------
    predictor : Predictor
    corpus, tables, settings, progress
        As in :func:`laboratory_report`.
    evaluation : Settings, optional
        How each evaluation is done; None: with the draws and the seed of ``settings``.
    scope : Scope, optional
        Of what; None: everything.
    """
    from ecgfoundry.labs.training_data import open_laboratory, spread_over_visits

    settings, scope = settings or LaboratoryReportSettings(), scope or Scope()
    evaluation = evaluation or Settings.of(draws=settings.draws, seed=settings.seed)
    names, results = _targets_of(predictor, scope.targets), settings.results
    data = open_laboratory(
        corpus, tables,
        split=results.split, time=results.time, window_minutes=results.window_minutes,
        minimum_patients=0, targets=names,
    )  # fmt: skip
    test = spread_over_visits(data.positions("test"), data.visits, settings.segments_per_visit)
    if not len(test):
        raise EvaluationError("no test segment has a label of this bundle's targets")
    learned = _refuse_what_was_learned(predictor, data, test)
    fit = _fit_positions(data, evaluation.seed)
    logits, attention = _scored(predictor, data, test, progress)
    features = _features(data, test, scope.features_folder, progress)
    scored = _Measured(test, logits, features, attention)
    fitted = _Measured(fit, None, _features(data, fit, scope.features_folder, progress))
    place = [list(predictor.bundle.vocabulary.names).index(name) for name in names]
    evaluations: dict[tuple[str, str], Evaluation] = {}
    inputs: dict[tuple[str, str], EvaluationData] = {}
    rows: list[LaboratoryRow] = []
    described = {
        f"{row['indicator']} {row['direction']}": row
        for row in data.catalogue.iter_rows(named=True)
    }
    for level in scope.levels:
        for ecg in scope.ecg:
            fit_data = _data_of(predictor, data, fitted, names, place, level, ecg)
            own = _data_of(predictor, data, scored, names, place, level, ecg)
            own = replace(
                own, fit=fit_data if len(fit_data) else None, notes=[*own.notes, *learned]
            )
            kind = "SYNTHETIC data: " if data.synthetic else ""
            found = evaluate(
                own,
                replace(
                    evaluation,
                    subgroups=evaluation.subgroups and level == "visit",
                    controls=evaluation.controls and level == "visit",
                ),
                title=f"{kind}{predictor.bundle.name}, {level} level, {ECG[ecg]}",
                progress=progress,
            )
            evaluations[level, ecg] = found
            inputs[level, ecg] = own
            for row in found.classes:
                about = described[row.target]
                rows.append(
                    LaboratoryRow(
                        indicator=about["indicator"],
                        direction=about["direction"],
                        loinc=about["loinc"],
                        unit=about["unit"],
                        level=level,
                        ecg=ecg,
                        split=results.split,
                        synthetic=data.synthetic,
                        found=row,
                    )
                )
    return LaboratoryEvaluation(evaluations, rows, data, inputs)


def _refuse_what_was_learned(
    predictor: Predictor, data: LaboratorySegments, test: Positions
) -> list[str]:
    """Say how many test visits trained the model; refuse where it belongs to another split.

    Raises
    ------
    EvaluationError
        More than :data:`MOST_LEARNED` of the test visits did, and more than one.
    """
    from ecgfoundry.labs.training_data import LaboratorySource
    from ecgfoundry.training.data.sources import fingerprints_of_windows

    known = known_to(predictor.bundle, fingerprints_of_windows(LaboratorySource(data), test))
    if known is None:
        return ["The model does not record what it learned from."]
    visits, seen = (len(np.unique(data.visits[own])) for own in (test, test[known]))
    if seen > max(1.0, MOST_LEARNED * visits):
        raise EvaluationError(
            f"{seen} of the {visits} test visits of the {data.split_kind} split trained "
            f"{predictor.bundle.name}, or a model before it",
            remedy="Report it with the --split that it was trained with",
        )
    return [f"{seen} of the {visits} test visits trained this model or one before it."]


def _targets_of(predictor: Predictor, targets: Sequence[str] | None) -> tuple[str, ...]:
    bundle = predictor.bundle
    own = tuple(t.name for t in bundle.vocabulary.targets if t.kind == "laboratory indicator")
    if not own or bundle.task.exclusive or not bundle.task.decides:
        raise EvaluationError(
            f"{bundle.name} does not answer whether a laboratory value is abnormal",
            remedy="Give a bundle of 'ecgfoundry labs train'",
        )
    if targets is None:
        return own
    kept = tuple(name for name in own if name in set(targets))
    if not kept:
        raise EvaluationError(f"{bundle.name} has none of the wanted targets")
    return kept


def _fit_positions(data: LaboratorySegments, seed: int) -> Positions:
    """One segment of each of up to FIT_VISITS visits of the patients that trained or validated."""
    from ecgfoundry.labs.training_data import spread_over_visits

    every = np.concatenate([data.positions("train"), data.positions("validation")])
    one = spread_over_visits(np.sort(every), data.visits, 1)
    if len(one) > FIT_VISITS:
        one = np.sort(np.random.default_rng(seed).choice(one, FIT_VISITS, replace=False))
    return one


def laboratory_logits(
    predictor: Predictor,
    data: LaboratorySegments,
    positions: Positions,
    *,
    progress: Progress | None = None,
) -> Float64:
    """Return the logits (positions, targets) of segments of a corpus."""
    return _scored(predictor, data, positions, progress)[0]


def _scored(
    predictor: Predictor,
    data: LaboratorySegments,
    positions: Positions,
    progress: Progress | None,
) -> tuple[Float64, Float64 | None]:
    """Return logits, and the scores of attention if the network joins segments by it."""
    from ecgfoundry.labs.training_data import LaboratorySource
    from ecgfoundry.training.data.sources import SourcePool
    from ecgfoundry.training.data.windows import FreshWindows

    windows = FreshWindows(SourcePool((LaboratorySource(data),)), predictor.bundle.input)
    generator = np.random.default_rng(0)
    pieces, attention = [], []
    for start in range(0, len(positions), _BATCH):
        signal, presence = windows.get(positions[start : start + _BATCH], generator)
        signal[presence == 0] = np.nan  # as the predictor knows an absent lead
        logits, embeddings = predictor.logits_and_embeddings(signal)
        pieces.append(logits.astype(np.float64))
        attention.append(embeddings[:, -1].astype(np.float64))
        if progress is not None:
            progress("scores", min(start + _BATCH, len(positions)), len(positions))
    attended = pooling_of(predictor.bundle) == "attention"
    return np.concatenate(pieces), np.concatenate(attention) if attended else None


def _features(
    data: LaboratorySegments,
    positions: Positions,
    folder: Path | None,
    progress: Progress | None,
) -> Float64:
    """Measure segments, or read what was measured of the same ones by this version before."""
    kept = None if folder is None else folder / f"features-{_features_key(data, positions)}.npy"
    if kept is not None and kept.is_file():
        stored: Float64 = np.load(kept, allow_pickle=False)
        return stored
    rate, leads = data.corpus.sampling_rate, data.corpus.leads
    pieces = [np.empty((0, len(FEATURE_NAMES)))]
    for start in range(0, len(positions), _BATCH):
        raw = data.corpus.read(positions[start : start + _BATCH], upright=True)
        pieces.append(feature_matrix(raw, rate, leads))
        if progress is not None:
            progress("features", min(start + _BATCH, len(positions)), len(positions))
    result = np.concatenate(pieces)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(kept) as temporary, temporary.open("wb") as stream:
            np.save(stream, result)
    return result


def _features_key(data: LaboratorySegments, positions: Positions) -> str:
    """Name of a set of features: bytes of the corpus, which segments, and what measured them."""
    what = f"{data.corpus.document['commits_sha256']} {__version__} {' '.join(FEATURE_NAMES)}"
    segments = np.ascontiguousarray(positions, dtype=np.int64).tobytes()
    return hashlib.sha256(what.encode() + segments).hexdigest()[:24]


def _data_of(
    predictor: Predictor,
    data: LaboratorySegments,
    measured: _Measured,
    names: Sequence[str],
    place: Sequence[int],
    level: str,
    ecg: str,
) -> EvaluationData:
    """Align labels, calibrated probabilities, covariates and features at one level."""
    from ecgfoundry.labs.training_data import visit_means

    positions = measured.positions
    labels = data.binary(ecg)[positions]
    logits = measured.logits
    if logits is None:
        logits = np.zeros((len(positions), len(predictor.bundle.vocabulary.targets)))
    features = measured.features
    rows: Positions = np.arange(len(positions), dtype=np.intp)
    own = logits[:, place]
    if level == "visit":
        visits = data.visits[positions]
        own, labels, rows = visit_means(own, labels, visits, measured.attention)
        features = _means_of_visits(features, visits)
    whole = np.zeros((len(own), logits.shape[1]))
    whole[:, place] = np.nan_to_num(own)
    which = "record" if level == "visit" else "window"
    scores = predictor.bundle.task.answers(whole, level=which)[:, place]
    scores[np.isnan(own)] = np.nan
    kept = np.flatnonzero((~np.isnan(labels)).any(axis=1))
    chosen = positions[rows[kept]]
    rate = features[:, FEATURE_NAMES.index("heart_rate_bpm")]
    words = "segments" if level == "segment" else "visits"
    return EvaluationData(
        targets=tuple(names),
        labels=labels[kept],
        scores=scores[kept],
        patients=data.patients[chosen],
        covariates={
            "age": data.ages[chosen],
            "sex": np.array([normalized_sex(str(s)) for s in data.sexes[chosen]], dtype=object),
            "heart_rate": rate[kept],
        },
        features={"features": features[kept]},
        cohort=[
            CohortStep(f"{words} with a label of any kind", len(own)),
            CohortStep(ECG[ecg], len(kept), len(own) - len(kept), "no label of this kind"),
        ],
        notes=_notes(data),
        provenance={
            "bundle": f"{predictor.bundle.name} {predictor.bundle.version}",
            "split": data.split_kind,
            "labels_sha256": data.digest(),
        },
        not_computed={"random_encoder": "not part of the laboratory report"},
    )


def _notes(data: LaboratorySegments) -> list[str]:
    kind = ["SYNTHETIC data: simulated patients. Nothing here is about medicine."]
    left_out = [f"{note[:1].upper()}{note[1:]}." for note in data.notes]
    return [*(kind if data.synthetic else []), *left_out]


def _means_of_visits(values: Float64, visits: NDArray[np.int64]) -> Float64:
    """Mean of each column over what is known of a visit; NaN where nothing is."""
    _, member = np.unique(visits, return_inverse=True)
    known = ~np.isnan(values)
    shape = (int(member.max()) + 1, values.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, member, np.where(known, values, 0.0))
    np.add.at(counts, member, known.astype(np.float64))
    return np.divide(sums, counts, out=np.full(shape, np.nan), where=counts > 0)


def _html(name: str, measured: LaboratoryEvaluation) -> str:
    """One page: all indicators in one table, then visits with all windows in detail."""
    main, data = measured.evaluations["visit", "all"], measured.segments
    kind = "SYNTHETIC data: " if data.synthetic else ""
    body = _TEMPLATES.render(
        "evaluation",
        notes=_notes(data),
        bands=_bands(measured.rows),
        indicators=_indicator_table(measured.rows),
        sections=[
            discrimination_section(main), calibration_section(main), controls_section(main)
        ],
        methods=methods_paragraphs(main),
        about=__doc__ or "",
    )  # fmt: skip
    contents = [
        ("indicators", "Indicators"), ("discrimination", "Visits, all windows"),
        ("calibration", "Calibration"), ("controls", "Controls"), ("methods", "Methods"),
    ]  # fmt: skip
    lead = (
        f"{main.records:,} test visits of {main.patients:,} patients, "
        f"{len(main.classes)} targets; official {data.split_kind} split."
    )
    return page(f"{kind}laboratory values by {name}", lead, contents, body)


def _bands(rows: Sequence[LaboratoryRow]) -> Table:
    cells = []
    for level in LEVELS:
        for ecg, words in ECG.items():
            own = [row.found for row in rows if row.level == level and row.ecg == ecg]
            line = [text_cell(f"{level}, {words}")]
            for names in ([row.band for row in own], [row.band_point for row in own]):
                line += [number_cell(names.count(b)) for b in ("strong", "moderate", "limited")]
            cells.append(line)
    heads = ["Targets by band", "Strong", "Moderate", "Limited", "Strong by estimate",
             "Moderate by estimate", "Limited by estimate"]  # fmt: skip
    return Table(heads, cells, sortable=False)


def _indicator_table(rows: Sequence[LaboratoryRow]) -> Table:
    found = {(row.found.target, row.level, row.ecg): row for row in rows}
    heads = ["Target", "LOINC", "Unit", "Positive patients", "Prevalence", "Visit",
             "Visit, before the result", "Segment", "Segment, before the result", "Band",
             "Band of estimate", "ECE"]  # fmt: skip
    gains = [row.found.gains for row in rows]
    shown = [c for c in CONTROLS if any(c in g and math.isfinite(g[c].gain.value) for g in gains)]
    for control in shown:
        heads += [f"Gain over {CONTROLS[control]}", "q"]
    cells = []
    for target in dict.fromkeys(row.found.target for row in rows):
        about = found[target, "visit", "all"]
        main = about.found
        line = [
            text_cell(target),
            text_cell(about.loinc or "–"),
            text_cell(about.unit),
            number_cell(main.ranking.positive_patients),
            number_cell(main.prevalence),
        ]
        for level, ecg in (("visit", "all"), ("visit", "before"), ("segment", "all"),
                           ("segment", "before")):  # fmt: skip
            area = found[target, level, ecg].found.ranking
            line.append(interval_cell(Interval.of_auroc(area)))
        line += [
            band_cell(main.band), band_cell(main.band_point), number_cell(main.calibration["ece"])
        ]  # fmt: skip
        for control in shown:
            gain = main.gains.get(control)
            line += [
                interval_cell(None if gain is None else gain.gain),
                p_cell(None if gain is None else gain.q),
            ]
        cells.append(line)
    return Table(heads, cells)
