"""The evaluation: aligned data in, one document out; CSV, JSON and report are written from it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry._version import __version__
from ecgfoundry.documents import Cells, JsonObject
from ecgfoundry.evaluation.classification import (
    ClassificationResult,
    classification_averages,
    classification_rows,
)
from ecgfoundry.evaluation.cohort import CohortStep, EvaluationData, Thresholds
from ecgfoundry.evaluation.controls import CONTROLS, control_scores
from ecgfoundry.evaluation.curves import TargetCurves, target_curves
from ecgfoundry.evaluation.drift import Drift, drift
from ecgfoundry.evaluation.gains import add_gains, add_quantity_gains
from ecgfoundry.evaluation.quantities import regression_rows
from ecgfoundry.evaluation.readers import reader_rows
from ecgfoundry.evaluation.rows import (
    Average,
    ClassRow,
    Controls,
    NotComputed,
    QuantityRow,
    ReaderRow,
    SetFigure,
    SubgroupTable,
    Summaries,
    TransferTable,
)
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.evaluation.subgroups import (
    SET_COLUMNS,
    SUBGROUP_COLUMNS,
    set_tables,
    subgroup_tables,
)
from ecgfoundry.evaluation.transfer import (
    EarlierEvaluation,
    transfer_from_sets,
    transfer_table,
)
from ecgfoundry.evaluation.writing import plain_object
from ecgfoundry.metrics.challenges import cinc2017_score
from ecgfoundry.metrics.resampling import PatientResampling

__all__ = ["Challenge", "Evaluation", "evaluate"]

SCHEMA_VERSION = 1
CINC2017_NAMES = (
    ("N", "A", "O", "~"),
    ("normal", "atrial fibrillation", "other rhythm", "noisy"),
)
"""Names under which the four classes of CinC 2017 are recognised, in the order of the score."""

SOFTWARE = {
    "ecgfoundry": __version__,
    "numpy": np.__version__,
    "python": platform.python_version(),
}
"""What an evaluation is computed with."""

Progress = Callable[[str, int, int], None]


NO_DECISIONS = "sensitivity, specificity, PPV, NPV, F1, MCC"
NO_DRIFT = "drift"
NO_TRANSFER = "temporal or external validation"
NO_SUBGROUPS = "subgroups by "
"""Names of what was not computed, which the report looks up."""


@dataclass(frozen=True)
class Challenge:
    """The score of a public challenge, over ``n`` records."""

    name: str
    value: float
    n: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """What an evaluation found.

    Attributes
    ----------
    title : str
    settings : Settings
    provenance : mapping
        What was evaluated: files with their hashes, or a bundle.
    records, patients : int
    patients_known : bool
        Else every record stands for a patient.
    cohort : sequence of CohortStep
    notes : sequence of str
    thresholds : Thresholds or None
    multiclass : bool
    rows : sequence of ClassRow or QuantityRow
        One per target, in the order of the targets.
    averages : mapping
        "macro", "weighted" and "micro", over targets of classes; empty without any.
    controls : Controls
    challenge : Challenge or None
    readers : sequence of ReaderRow
    subgroups : sequence of SubgroupTable
    transfer : sequence of TransferTable
    drift : Drift or None
        From the validation records to the evaluated ones.
    not_computed : mapping
        What the data do not allow -> why.
    curves : sequence of TargetCurves
        Points of the figures, thinned.
    """

    title: str
    settings: Settings
    provenance: Mapping[str, object]
    records: int
    patients: int
    patients_known: bool
    cohort: Sequence[CohortStep]
    notes: Sequence[str]
    thresholds: Thresholds | None
    multiclass: bool
    rows: Sequence[ClassRow | QuantityRow]
    averages: Mapping[str, Average]
    controls: Controls
    challenge: Challenge | None
    readers: Sequence[ReaderRow]
    subgroups: Sequence[SubgroupTable]
    transfer: Sequence[TransferTable]
    drift: Drift | None
    not_computed: Mapping[str, str]
    curves: Sequence[TargetCurves]

    @property
    def classes(self) -> list[ClassRow]:
        """Rows of targets that are present or absent."""
        return [row for row in self.rows if isinstance(row, ClassRow)]

    @property
    def quantities(self) -> list[QuantityRow]:
        """Rows of measured values."""
        return [row for row in self.rows if isinstance(row, QuantityRow)]

    @property
    def bands(self) -> dict[str, dict[str, int]]:
        """How many targets are in which band, by the lower end and by the estimate."""
        return {
            "band": _counted([row.band for row in self.classes]),
            "band_point": _counted([row.band_point for row in self.classes]),
        }

    def cells(self) -> list[Cells]:
        """Return the rows of ``metrics.csv``; undefined values are ``nan``."""
        return [row.cells() for row in self.rows]

    @property
    def document(self) -> JsonObject:
        """The content of ``metrics.json``; undefined values are ``nan``."""
        thresholds: JsonObject | None = None
        if self.thresholds is not None:
            thresholds = {
                "source": self.thresholds.source,
                "values": dict(self.thresholds.values),
            }
        return {
            "schema_version": SCHEMA_VERSION,
            "title": self.title,
            "software": dict(SOFTWARE),
            "settings": self.settings.to_dict(),
            "input": plain_object(self.provenance),
            "records": self.records,
            "patients": self.patients,
            "patients_known": self.patients_known,
            "cohort": [asdict(step) for step in self.cohort],
            "notes": list(self.notes),
            "thresholds": thresholds,
            "multiclass": self.multiclass,
            "targets": self.cells(),
            "averages": {name: mean.to_dict() for name, mean in self.averages.items()},
            "bands": self.bands,
            "controls": self.controls.to_dict(),
            "challenge": None if self.challenge is None else asdict(self.challenge),
            "readers": [row.cells() for row in self.readers],
            "subgroups": [table.to_dict() for table in self.subgroups],
            "transfer": [table.to_dict() for table in self.transfer],
            "drift": None if self.drift is None else self.drift.to_dict(),
            "not_computed": dict(self.not_computed),
        }


def _counted(names: Sequence[str | None]) -> dict[str, int]:
    bands = {name: names.count(name) for name in ("strong", "moderate", "limited")}
    return bands | {"undefined": names.count(None)}


def evaluate(
    data: EvaluationData,
    settings: Settings | None = None,
    *,
    title: str = "Evaluation",
    internal: EarlierEvaluation | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure everything that the data allow; what they do not is named with its reason.

    Parameters
    ----------
    data : EvaluationData
    settings : Settings, optional
    title : str
    internal : EarlierEvaluation, optional
        The evaluation at home: makes the table of the drop.
    progress : callable (step, done, total), optional
    """
    settings = (settings or Settings()).for_size(len(data), len(data.targets))
    resampling = PatientResampling.of(data.patients, seed=settings.seed)
    result = classification_rows(data, data.classes, resampling, settings, progress)
    averages = classification_averages(data, data.classes, result, resampling, settings)
    quantities = regression_rows(data, data.quantities, resampling, settings)
    classes, quantities, controls = _controls(data, result, quantities, resampling, settings)
    subgroups: list[SubgroupTable] = []
    if settings.subgroups:
        subgroups = subgroup_tables(data, data.classes, resampling.member, settings)
    transfer = _transfer(data, result.rows, resampling, settings, internal, title)
    readers = reader_rows(data, data.classes)
    drifted, no_drift = drift(data, settings)
    order = {name: k for k, name in enumerate(data.targets)}
    rows: list[ClassRow | QuantityRow] = [*classes, *quantities]
    return Evaluation(
        title=title,
        settings=settings,
        provenance=data.provenance,
        records=len(data),
        patients=resampling.patients,
        patients_known=data.patients_known,
        cohort=[*data.cohort, _patients_step(data, resampling)],
        notes=data.notes,
        thresholds=data.thresholds,
        multiclass=data.multiclass,
        rows=sorted(rows, key=lambda row: order[row.target]),
        averages=averages if data.classes else {},
        controls=controls,
        challenge=_challenge(data),
        readers=readers,
        subgroups=subgroups,
        transfer=transfer,
        drift=drifted,
        not_computed=_not_computed(data, settings, result.rows, subgroups, transfer)
        | ({NO_DRIFT: no_drift} if drifted is None else {}),
        curves=[_with_readers(target_curves(data, k), readers) for k in range(len(data.targets))],
    )


def _with_readers(curves: TargetCurves, rows: Sequence[ReaderRow]) -> TargetCurves:
    own = [row for row in rows if row.target == curves.target]
    marks = [(row.reader, 1.0 - row.measures["specificity"], row.measures["sensitivity"])
             for row in own]  # fmt: skip
    return replace(curves, readers=marks)


def _patients_step(data: EvaluationData, resampling: PatientResampling) -> CohortStep:
    name = f"evaluated, of {resampling.patients} patients" if data.patients_known else "evaluated"
    return CohortStep(name, len(data))


def _not_computed(
    data: EvaluationData,
    settings: Settings,
    rows: Sequence[ClassRow],
    subgroups: Sequence[SubgroupTable],
    transfer: Sequence[TransferTable],
) -> dict[str, str]:
    """What the data do not allow, and why."""
    missing = dict(data.not_computed)
    if settings.subgroups:
        given = {table.column for table in subgroups}
        for column in SUBGROUP_COLUMNS:
            if column not in given:
                missing[f"{NO_SUBGROUPS}{column}"] = f"no {column} was given"
    if not transfer:
        missing[NO_TRANSFER] = (
            f"no earlier evaluation was given, and no covariate {', '.join(SET_COLUMNS)}"
        )
    if data.thresholds is None and not data.multiclass and data.classes:
        missing[NO_DECISIONS] = (
            "no thresholds: they are given or chosen on validation data, never on the evaluated"
        )
    undefined = [row.target for row in rows if np.isnan(row.ranking.auroc)]
    if undefined:
        missing[f"AUROC of {', '.join(undefined)}"] = (
            "one class only among the records; the averages are over the other targets"
        )
    if not data.patients_known:
        missing["intervals by patient"] = "no patients were given; every record stands alone"
    return missing | _what_is_no_probability(data)


def _controls(
    data: EvaluationData,
    result: ClassificationResult,
    quantities: list[QuantityRow],
    resampling: PatientResampling,
    settings: Settings,
) -> tuple[list[ClassRow], list[QuantityRow], Controls]:
    """Return both kinds of rows with their gains over the controls."""
    classes = result.rows
    if not settings.controls:
        reasons = {name: NotComputed("switched off") for name in CONTROLS}
        return classes, quantities, Controls(None, {}, reasons, {})
    scored = control_scores(data, seed=settings.seed)
    of_classes: Summaries = {}
    of_quantities: Summaries = {}
    if data.classes:
        gains = add_gains(data, data.classes, result, scored, resampling, settings)
        classes, of_classes = gains.rows, gains.summary
    if data.quantities:
        saved = add_quantity_gains(data, data.quantities, quantities, scored, resampling, settings)
        quantities, of_quantities = saved.rows, saved.summary
    return classes, quantities, Controls(scored.fitted_on, CONTROLS, of_classes, of_quantities)


def _transfer(
    data: EvaluationData,
    rows: Sequence[ClassRow],
    resampling: PatientResampling,
    settings: Settings,
    internal: EarlierEvaluation | None,
    title: str,
) -> list[TransferTable]:
    tables = []
    if internal is not None:
        name, here = (
            internal.title or "internal",
            [SetFigure.of(row.target, row.ranking) for row in rows],
        )
        tables.append(transfer_table(name, internal.figures, title, here, level=settings.level))
    sets = set_tables(data, data.classes, resampling.member, settings)
    if sets is not None:
        tables += transfer_from_sets(sets, level=settings.level)
    return tables


def _what_is_no_probability(data: EvaluationData) -> dict[str, str]:
    outside = []
    for k in data.classes:
        scores = data.scores[:, k]
        if np.nanmin(scores, initial=0.0) < 0.0 or np.nanmax(scores, initial=1.0) > 1.0:
            outside.append(data.targets[k])
    if not outside:
        return {}
    named = ", ".join(outside[:6]) + (" …" if len(outside) > 6 else "")
    return {f"calibration of {named}": "the scores are not within 0 to 1"}


def _challenge(data: EvaluationData) -> Challenge | None:
    """Return the CinC 2017 score when the targets are its four classes and one of them is true."""
    for names in CINC2017_NAMES:
        if set(names) != set(data.targets):
            continue
        columns = [data.targets.index(name) for name in names]
        labels, scores = data.labels[:, columns], data.scores[:, columns]
        known = ~np.isnan(labels).any(axis=1) & ~np.isnan(scores).any(axis=1)
        one: NDArray[np.bool_] = known & (np.nansum(labels, axis=1) == 1.0)
        if not one.any():
            return None
        truth, predicted = labels[one].argmax(axis=1), scores[one].argmax(axis=1)
        return Challenge(
            "CinC 2017 score (mean F1 of normal, AF and other)",
            cinc2017_score(truth, predicted),
            int(one.sum()),
        )
    return None
