"""Two models on the same records, target by target; or one model on two sets of records.

A comparison is paired wherever both have predictions for the same records and the labels agree.
Two evaluations of different records are compared as independent samples instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.documents import Cells, JsonObject
from ecgfoundry.errors import EvaluationError
from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.inputs import InputFiles, load_evaluation_data
from ecgfoundry.evaluation.rows import TransferTable
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.evaluation.tables import match_ids
from ecgfoundry.evaluation.transfer import EarlierEvaluation, read_metrics, transfer_table
from ecgfoundry.io import sha256_of
from ecgfoundry.manifest.rows import plain_id
from ecgfoundry.metrics.bootstrap import bootstrap_ranks
from ecgfoundry.metrics.comparison import benjamini_hochberg, mcnemar
from ecgfoundry.metrics.delong import delong_test
from ecgfoundry.metrics.intervals import Interval, interval_of_draws, metric_interval
from ecgfoundry.metrics.resampling import PatientResampling, bootstrap_p_value

__all__ = [
    "ComparedModel",
    "PairedComparison",
    "PairedRow",
    "SetComparison",
    "compare_models",
    "compare_sets",
    "open_model",
    "same_records",
    "seen_before",
    "shared_notes",
]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """One side of a comparison."""

    name: str
    data: EvaluationData
    thresholds: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class PairedRow:
    """Two models on one target.

    Attributes
    ----------
    target : str
    n, positives : int
        Records that both scored.
    a, b : Interval
        AUROC of each.
    difference : Interval
        A less B, with its percentile interval.
    delong_low, delong_high, delong_p : float
        DeLong's paired test, clustered by patient.
    bootstrap_p : float
    only_a_wrong, only_b_wrong, mcnemar_p : float
        Decisions at the thresholds of both; ``nan`` without them.
    delong_q, bootstrap_q, mcnemar_q : float
        Corrected over targets.
    """

    target: str
    n: int
    positives: int
    a: Interval
    b: Interval
    difference: Interval
    delong_low: float
    delong_high: float
    delong_p: float
    bootstrap_p: float
    only_a_wrong: float = float("nan")
    only_b_wrong: float = float("nan")
    mcnemar_p: float = float("nan")
    delong_q: float = float("nan")
    bootstrap_q: float = float("nan")
    mcnemar_q: float = float("nan")

    def cells(self) -> Cells:
        """Return the columns of ``compare.csv``."""
        cells: Cells = {"target": self.target, "n": self.n, "positives": self.positives}
        for side, found in (("a", self.a), ("b", self.b)):
            cells |= {
                f"auroc_{side}": found.value,
                f"auroc_{side}_low": found.low,
                f"auroc_{side}_high": found.high,
                f"auroc_{side}_interval_reliable": found.reliable,
            }
        return cells | {
            "difference": self.difference.value,
            "delong_low": self.delong_low,
            "delong_high": self.delong_high,
            "delong_p": self.delong_p,
            "only_a_wrong": self.only_a_wrong,
            "only_b_wrong": self.only_b_wrong,
            "mcnemar_p": self.mcnemar_p,
            "difference_low": self.difference.low,
            "difference_high": self.difference.high,
            "difference_interval_reliable": self.difference.reliable,
            "bootstrap_p": self.bootstrap_p,
            "delong_q": self.delong_q,
            "bootstrap_q": self.bootstrap_q,
            "mcnemar_q": self.mcnemar_q,
        }


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Two models on the same records.

    ``mean``: the mean difference over targets, with its percentile interval.
    """

    a: str
    b: str
    records: int
    patients: int
    patients_known: bool
    settings: Settings
    rows: Sequence[PairedRow]
    mean: Interval
    mean_p: float
    notes: Sequence[str] = ()

    @property
    def document(self) -> JsonObject:
        """The content of ``compare.json``; undefined values are ``nan``."""
        return {
            "schema_version": 1,
            "kind": "paired",
            "a": self.a,
            "b": self.b,
            "records": self.records,
            "patients": self.patients,
            "patients_known": self.patients_known,
            "settings": self.settings.to_dict(),
            "notes": list(self.notes),
            "macro": {
                "interval_reliable": self.mean.reliable,
                "difference": self.mean.value,
                "low": self.mean.low,
                "high": self.mean.high,
                "bootstrap_p": self.mean_p,
            },
            "targets": [row.cells() for row in self.rows],
        }


@dataclass(frozen=True, kw_only=True)
class SetComparison:
    """Two evaluations of different patients."""

    a: str
    b: str
    table: TransferTable
    notes: Sequence[str] = field(default=("No record in common: compared as independent samples.",))

    @property
    def document(self) -> JsonObject:
        """The content of ``compare.json``; undefined values are ``nan``."""
        return {
            "schema_version": 1,
            "kind": "independent",
            "a": self.a,
            "b": self.b,
            "transfer": [self.table.to_dict()],
            "targets": [row.cells() for row in self.table.rows],
            "not_computed": {},
            "notes": list(self.notes),
        }


def open_model(
    path: Path,
    *,
    targets: Path | None = None,
    groups: Path | None = None,
    thresholds: Path | None = None,
) -> ComparedModel | None:
    """Open a table of predictions, or the folder of an earlier evaluation.

    Returns None for a folder whose predictions are no longer where they were: it can only be
    compared by its figures.

    Raises
    ------
    FileAccessError, EvaluationError
    """
    kept: Mapping[str, float] = {}
    predictions: Path | None = path
    covariates: Path | None = None
    name = path.stem
    if path.is_dir():
        earlier = read_metrics(path)
        name, kept, files = earlier.title or path.name, earlier.thresholds, earlier.files
        own = path / "predictions.csv"
        predictions = own if own.is_file() else files.get("predictions")
        if targets is None:
            targets = path / "targets.csv" if own.is_file() else files.get("targets")
        if groups is None:
            groups = path / "groups.csv" if own.is_file() else files.get("groups")
            groups = groups if groups is not None and groups.is_file() else None
        if predictions is None or targets is None or not predictions.is_file():
            return None
        covariates = files.get("covariates")  # they may name the patients
        covariates = covariates if covariates is not None and covariates.is_file() else None
        used_files = {"predictions": predictions, "targets": targets, "groups": groups,
                      "covariates": covariates}  # fmt: skip
        for what, used in used_files.items():
            if used is not None and used == files.get(what):
                _refuse_changed(used, earlier.hashes.get(what), path)
    if targets is None:
        raise EvaluationError(
            "the targets of these predictions are not known", path=path, remedy="Give --targets"
        )
    assert predictions is not None  # noqa: S101 - a folder without them returned above
    data = load_evaluation_data(InputFiles(predictions, targets, groups, covariates, thresholds))
    if data.thresholds is not None:
        kept = data.thresholds.values
    return ComparedModel(name, data, dict(kept))


def _refuse_changed(file: Path, known: str | None, evaluation: Path) -> None:
    """Refuse a file that is not the one that was evaluated.

    Whoever writes the predictions of the next model over those of the last, and evaluates both,
    would compare the next with itself.
    """
    if known is not None and file.is_file() and sha256_of(file) != known:
        raise EvaluationError(
            f"has changed since {evaluation.name or evaluation} evaluated it",
            path=file,
            remedy="Evaluate it again, or keep the tables of each model",
        )


def seen_before(path: Path) -> str | None:
    """Return what an evaluation says of records that its model learned from; None: nothing.

    Parameters
    ----------
    path : Path
        The folder of an earlier evaluation; a table of predictions says nothing of its model.
    """
    if not path.is_dir():
        return None
    earlier = read_metrics(path)
    if not earlier.learned_from:
        return None
    return (
        f"{earlier.title or path.name}: {earlier.learned_from} of the evaluated records trained "
        "the model or the one it started from, so its figures are too good."
    )


def same_records(a: EvaluationData, b: EvaluationData) -> bool:
    """Whether any record stands in both, so that the comparison can be paired."""
    if a.records is None or b.records is None:
        return len(a) == len(b)
    return bool((match_ids([str(r) for r in a.records], [str(r) for r in b.records]) >= 0).any())


def _aligned(
    a: EvaluationData, b: EvaluationData
) -> tuple[EvaluationData, EvaluationData, tuple[str, ...]]:
    if a.records is not None and b.records is not None:
        place = match_ids([str(r) for r in a.records], [str(r) for r in b.records])
        a, b = a.select(np.flatnonzero(place >= 0)), b.select(place[place >= 0])
    names = tuple(name for name in a.targets if name in set(b.targets))
    if not names or not len(a):
        raise EvaluationError("the two have no record or no target in common")
    for name in names:
        first, second = a.labels[:, a.targets.index(name)], b.labels[:, b.targets.index(name)]
        both = ~(np.isnan(first) | np.isnan(second))
        if (first[both] != second[both]).any():
            raise EvaluationError(
                f"the labels of '{name}' differ between the two",
                remedy="Score both against the same targets",
            )
    return a, b, names


def compare_models(
    a: ComparedModel,
    b: ComparedModel,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PairedComparison:
    """Compare two models on the records and targets that both have.

    ``progress`` is told how many draws are done, of how many.

    Raises
    ------
    EvaluationError
        No record or target in common, or labels that contradict each other.
    """
    first, second, names = _aligned(a.data, b.data)
    settings = (settings or Settings()).for_size(len(first), 2 * len(names))
    resampling = PatientResampling.of(first.patients, seed=settings.seed)
    columns_a = [first.targets.index(name) for name in names]
    columns_b = [second.targets.index(name) for name in names]
    kept = [k for k in range(len(names)) if columns_a[k] in set(first.classes)]
    names = tuple(names[k] for k in kept)
    labels = first.labels[:, [columns_a[k] for k in kept]]
    x = first.scores[:, [columns_a[k] for k in kept]]
    y = second.scores[:, [columns_b[k] for k in kept]]
    gone = np.isnan(x) | np.isnan(y)
    x, y = np.where(gone, np.nan, x), np.where(gone, np.nan, y)
    drawn = None
    if settings.draws and names:
        drawn = bootstrap_ranks(
            labels, [x, y], resampling, draws=settings.draws, progress=progress
        ).auroc
    rows = [
        _row(
            name, labels[:, k], (x[:, k], y[:, k]), (a, b),
            () if drawn is None else drawn[0, k] - drawn[1, k], resampling, settings,
        )
        for k, name in enumerate(names)
    ]  # fmt: skip
    people = [_smaller_class(labels[:, k], x[:, k], resampling) for k in range(len(names))]
    mean, p = _mean_difference(rows, drawn, people, settings)
    one, other = _names(a.name, b.name)
    return PairedComparison(
        a=one,
        b=other,
        records=len(first),
        patients=resampling.patients,
        patients_known=first.patients_known,
        settings=settings,
        rows=_corrected(rows),
        mean=mean,
        mean_p=p,
        notes=[
            *first.notes,
            *(n for n in second.notes if n not in first.notes),
            *_pairing_notes(a.data, b.data),
        ],
    )


def _pairing_notes(a: EvaluationData, b: EvaluationData) -> list[str]:
    """Say which records were paired, where not all of both were by their names."""
    if a.records is None or b.records is None:
        return ["Not both tables name their records: they were paired row by row."]
    place = match_ids([str(r) for r in a.records], [str(r) for r in b.records])
    only_a = np.flatnonzero(place < 0)
    only_b = np.setdiff1d(np.arange(len(b)), place)
    if not len(only_a) and not len(only_b):
        return []
    words = f"{len(only_a)} record(s) of A and {len(only_b)} of B are not in the other: left out."
    plain = [
        {plain_id(str(name)) for name in names}
        for names in (np.asarray(a.records)[only_a], np.asarray(b.records)[only_b])
    ]
    alike = len(plain[0] & plain[1])
    more = f" {alike} of them are in both, in other spellings: write each in one way."
    return [words + more if alike else words]


def shared_notes(a: EvaluationData, b: EvaluationData) -> list[str]:
    """Say what speaks against the independence of two sets of records without a common name."""
    notes = []
    if a.records is not None and b.records is not None:
        records = {plain_id(str(r)) for r in a.records} & {plain_id(str(r)) for r in b.records}
        if records:
            notes.append(
                f"{len(records)} record(s) stand in both, in other spellings: the sets are not "
                "independent. Write each in one way, then they are paired."
            )
    if a.patients_known and b.patients_known:
        people = {plain_id(str(p)) for p in a.patients} & {plain_id(str(p)) for p in b.patients}
        if people:
            notes.append(
                f"{len(people)} patient number(s) stand in both: if they are the same people, the "
                "sets are not independent."
            )
    return notes


def _names(a: str, b: str) -> tuple[str, str]:
    """Two evaluations of files of one name have one title: say which is which."""
    return (a, b) if a != b else (f"A, {a}", f"B, {b}")


def _corrected(rows: Sequence[PairedRow]) -> list[PairedRow]:
    """Give every row its q-values over the targets."""
    tests = (
        [row.delong_p for row in rows],
        [row.bootstrap_p for row in rows],
        [row.mcnemar_p for row in rows],
    )
    adjusted = zip(*(benjamini_hochberg(p) for p in tests), strict=True)
    return [
        replace(row, delong_q=float(delong), bootstrap_q=float(draws), mcnemar_q=float(decisions))
        for row, (delong, draws, decisions) in zip(rows, adjusted, strict=True)
    ]


def _mean_difference(
    rows: Sequence[PairedRow], drawn: Float64 | None, people: Sequence[int], settings: Settings
) -> tuple[Interval, float]:
    """Return the mean difference over targets, and its p-value."""
    differences = np.array([row.difference.value for row in rows])
    used = ~np.isnan(differences)
    mean = float(differences[used].mean()) if used.any() else float("nan")
    means = np.empty(0)
    p = float("nan")
    if drawn is not None and used.any() and not np.isnan(drawn[:, used]).any():
        means = (drawn[0, used] - drawn[1, used]).mean(axis=0)
        p = bootstrap_p_value(means)
    fewest = min((number for number, known in zip(people, used, strict=True) if known), default=0)
    found = interval_of_draws(mean, means, people=fewest, classes=True, level=settings.level)
    return found, p


def _row(
    name: str,
    labels: Float64,
    scores: tuple[Float64, Float64],
    models: tuple[ComparedModel, ComparedModel],
    drawn: ArrayLike,
    resampling: PatientResampling,
    settings: Settings,
) -> PairedRow:
    (x, y), (a, b) = scores, models
    test = delong_test(labels, x, y, patients=resampling.member, level=settings.level)
    one, two = (
        metric_interval("auroc", labels, z, patients=resampling.member, level=settings.level)
        for z in scores
    )
    known = ~(np.isnan(labels) | np.isnan(x))
    values = np.asarray(drawn, dtype=np.float64)
    row = PairedRow(
        target=name,
        n=int(known.sum()),
        positives=int((labels[known] == 1.0).sum()),
        a=one,
        b=two,
        difference=interval_of_draws(
            test["difference"],
            values,
            people=_smaller_class(labels, x, resampling),
            classes=True,
            level=settings.level,
        ),
        delong_low=test["low"],
        delong_high=test["high"],
        delong_p=test["p"],
        bootstrap_p=bootstrap_p_value(values),
    )
    if name not in a.thresholds or name not in b.thresholds:
        return row
    found = mcnemar(
        labels[known],
        (x[known] >= a.thresholds[name]).astype(float),
        (y[known] >= b.thresholds[name]).astype(float),
    )
    return replace(
        row,
        only_a_wrong=int(found["only_a_wrong"]),
        only_b_wrong=int(found["only_b_wrong"]),
        mcnemar_p=float(found["p"]),
    )


def _smaller_class(labels: Float64, scores: Float64, resampling: PatientResampling) -> int:
    """Patients in the smaller class of a target."""
    known = ~np.isnan(scores)
    return min(len(np.unique(resampling.member[known & (labels == value)])) for value in (0.0, 1.0))


def compare_sets(
    a: EarlierEvaluation, b: EarlierEvaluation, *, level: float = 0.95
) -> SetComparison:
    """Compare the figures of two evaluations of different patients: the drop from A to B."""
    one, other = _names(a.title or "A", b.title or "B")
    table = transfer_table(one, a.figures, other, b.figures, level=level)
    if not table.rows:
        raise EvaluationError("the two evaluations have no target in common")
    return SetComparison(a=one, b=other, table=table)
