"""Two models on the same records, target by target; or one model on two sets of records.

A comparison is paired wherever both have predictions for the same records and the labels agree.
Two evaluations of different records are compared as independent samples instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import EvaluationError
from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.inputs import InputFiles, load_evaluation_data
from ecgfoundry.evaluation.rows import rows_of_classes
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.evaluation.tables import match_ids
from ecgfoundry.evaluation.transfer import read_metrics, transfer_table
from ecgfoundry.metrics.bootstrap import bootstrap_ranks
from ecgfoundry.metrics.comparison import benjamini_hochberg, mcnemar
from ecgfoundry.metrics.delong import delong_test
from ecgfoundry.metrics.intervals import interval_of_draws, metric_interval
from ecgfoundry.metrics.resampling import PatientResampling, bootstrap_p_value

__all__ = [
    "ComparedModel",
    "compare_models",
    "compare_sets",
    "open_model",
    "same_records",
    "seen_before",
]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """One side of a comparison."""

    name: str
    data: EvaluationData
    thresholds: Mapping[str, float]


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
    name = path.stem
    if path.is_dir():
        document = read_metrics(path)
        name = str(document.get("title") or path.name)
        kept = (document.get("thresholds") or {}).get("values") or {}
        own = path / "predictions.csv"
        given = document.get("input", {})
        predictions = own if own.is_file() else _stored(given, "predictions")
        if targets is None:
            targets = path / "targets.csv" if own.is_file() else _stored(given, "targets")
        if groups is None:
            groups = path / "groups.csv" if own.is_file() else _stored(given, "groups")
            groups = groups if groups is not None and groups.is_file() else None
        if predictions is None or targets is None or not predictions.is_file():
            return None
    if targets is None:
        raise EvaluationError(
            "the targets of these predictions are not known", path=path, remedy="Give --targets"
        )
    assert predictions is not None  # noqa: S101 - a folder without them returned above
    data = load_evaluation_data(InputFiles(predictions, targets, groups, thresholds=thresholds))
    if data.thresholds is not None:
        kept = data.thresholds.values
    return ComparedModel(name, data, dict(kept))


def _stored(given: Mapping[str, Any], name: str) -> Path | None:
    entry = given.get(name)
    return Path(entry["file"]) if isinstance(entry, Mapping) and "file" in entry else None


def seen_before(path: Path) -> str | None:
    """Return what an evaluation says of records that its model learned from; None: nothing.

    Parameters
    ----------
    path : Path
        The folder of an earlier evaluation; a table of predictions says nothing of its model.
    """
    if not path.is_dir():
        return None
    document = read_metrics(path)
    count = document.get("input", {}).get("records_learned_from", 0)
    if not count:
        return None
    return (
        f"{document.get('title') or path.name}: {count} of the evaluated records trained the model "
        "or the one it started from, so its figures are too good."
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
    a: ComparedModel, b: ComparedModel, settings: Settings | None = None
) -> dict[str, Any]:
    """Compare two models on the records and targets that both have.

    Returns
    -------
    dict
        ``targets``: a row per target with both AUROCs, ``difference`` (A less B) with its
        percentile interval, DeLong's interval, p-values (DeLong clustered by patient, bootstrap,
        McNemar at the thresholds) and q-values over targets. ``macro``: the mean difference with
        its interval.

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
        drawn = bootstrap_ranks(labels, [x, y], resampling, draws=settings.draws)
    rows = []
    for k, name in enumerate(names):
        test = delong_test(
            labels[:, k], x[:, k], y[:, k], patients=resampling.member, level=settings.level
        )
        rows.append(
            _row(name, labels[:, k], (x[:, k], y[:, k]), test, (a, b), resampling, settings)
            | _bootstrap_cells(
                test["difference"],
                () if drawn is None else drawn.auroc[0, k] - drawn.auroc[1, k],
                _smaller_class(labels[:, k], x[:, k], resampling),
                settings,
            )
        )
    for p, q in (("delong_p", "delong_q"), ("bootstrap_p", "bootstrap_q"),
                 ("mcnemar_p", "mcnemar_q")):  # fmt: skip
        for row, value in zip(rows, benjamini_hochberg([r[p] for r in rows]), strict=True):
            row[q] = float(value)
    macro: dict[str, float | bool] = {"interval_reliable": False}
    differences = np.array([row["difference"] for row in rows])
    used = ~np.isnan(differences)
    macro["difference"] = float(differences[used].mean()) if used.any() else float("nan")
    macro["low"] = macro["high"] = macro["bootstrap_p"] = float("nan")
    if drawn is not None and used.any() and not np.isnan(drawn.auroc[:, used]).any():
        means = (drawn.auroc[0, used] - drawn.auroc[1, used]).mean(axis=0)
        people = min(
            _smaller_class(labels[:, k], x[:, k], resampling) for k in np.flatnonzero(used)
        )
        found = interval_of_draws(
            macro["difference"], means, people=people, classes=True, level=settings.level
        )
        macro["interval_reliable"] = found.reliable
        macro["low"], macro["high"] = found.low, found.high
        macro["bootstrap_p"] = bootstrap_p_value(means)
    return {
        "schema_version": 1,
        "kind": "paired",
        **_names(a.name, b.name),
        "records": len(first),
        "patients": resampling.patients,
        "patients_known": first.patients_known,
        "settings": settings.to_dict(),
        "notes": [*first.notes, *(n for n in second.notes if n not in first.notes)],
        "macro": macro,
        "targets": rows,
    }


def _names(a: str, b: str) -> dict[str, str]:
    """Two evaluations of files of one name have one title: say which is which."""
    return {"a": a, "b": b} if a != b else {"a": f"A, {a}", "b": f"B, {b}"}


def _row(
    name: str,
    labels: Float64,
    scores: tuple[Float64, Float64],
    test: Mapping[str, float],
    models: tuple[ComparedModel, ComparedModel],
    resampling: PatientResampling,
    settings: Settings,
) -> dict[str, Any]:
    (x, y), (a, b) = scores, models
    one, two = (
        metric_interval("auroc", labels, z, patients=resampling.member, level=settings.level)
        for z in scores
    )
    known = ~(np.isnan(labels) | np.isnan(x))
    row: dict[str, Any] = {
        "target": name,
        "n": int(known.sum()),
        "positives": int((labels[known] == 1.0).sum()),
        "auroc_a": one.value,
        "auroc_a_low": one.low,
        "auroc_a_high": one.high,
        "auroc_a_interval_reliable": one.reliable,
        "auroc_b": two.value,
        "auroc_b_low": two.low,
        "auroc_b_high": two.high,
        "auroc_b_interval_reliable": two.reliable,
        "difference": test["difference"],
        "delong_low": test["low"],
        "delong_high": test["high"],
        "delong_p": test["p"],
    }
    nan = float("nan")
    cells: dict[str, Any] = dict.fromkeys(("only_a_wrong", "only_b_wrong", "mcnemar_p"), nan)
    if name in a.thresholds and name in b.thresholds:
        found = mcnemar(
            labels[known],
            (x[known] >= a.thresholds[name]).astype(float),
            (y[known] >= b.thresholds[name]).astype(float),
        )
        cells = {
            "only_a_wrong": found["only_a_wrong"],
            "only_b_wrong": found["only_b_wrong"],
            "mcnemar_p": found["p"],
        }
    return row | cells


def _smaller_class(labels: Float64, scores: Float64, resampling: PatientResampling) -> int:
    """Patients in the smaller class of a target."""
    known = ~np.isnan(scores)
    return min(len(np.unique(resampling.member[known & (labels == value)])) for value in (0.0, 1.0))


def _bootstrap_cells(
    value: float, difference: ArrayLike, people: int, settings: Settings
) -> dict[str, Any]:
    drawn = np.asarray(difference, dtype=np.float64)
    found = interval_of_draws(value, drawn, people=people, classes=True, level=settings.level)
    return {
        "difference_low": found.low,
        "difference_high": found.high,
        "difference_interval_reliable": found.reliable,
        "bootstrap_p": bootstrap_p_value(drawn),
    }


def compare_sets(
    a: Mapping[str, Any], b: Mapping[str, Any], *, level: float = 0.95
) -> dict[str, Any]:
    """Compare the figures of two evaluations of different patients: the drop from A to B.

    Parameters
    ----------
    a, b : mapping
        Two ``metrics.json``.
    """
    rows = [rows_of_classes(document["targets"]) for document in (a, b)]
    names = _names(*(str(document.get("title") or k) for document, k in ((a, "A"), (b, "B"))))
    table = transfer_table(names["a"], rows[0], names["b"], rows[1], level=level)
    if not table["rows"]:
        raise EvaluationError("the two evaluations have no target in common")
    return (
        {"schema_version": 1, "kind": "independent"}
        | names
        | {
            "transfer": [table],
            "targets": table["rows"],
            "not_computed": {},
        }
    )
