"""A corpus and the laboratory tables beside it, brought together: which segment has which label.

Everything here is a table or an array; the network comes later. Our choices, not from the
AnyECG-Lab paper, which states none of this: the label rule of
:mod:`ecgfoundry.labs.targets.labels`,
the official splits, and what a visit's label is (below).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.corpus.standardized import Caches, Input
from ecgfoundry.errors import TrainingError
from ecgfoundry.preprocessing import Preprocessing
from ecgfoundry.vocabularies import Target, Vocabulary

if TYPE_CHECKING:
    import polars as pl

    from ecgfoundry.corpus import Corpus

__all__ = [
    "LaboratorySegments",
    "LaboratorySource",
    "chosen_targets",
    "open_laboratory",
    "spread_over_visits",
    "visit_means",
    "vocabulary_of",
]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int8 = NDArray[np.int8]
Positions = NDArray[np.intp]

SAME_AGE = 5.0
"""Years: ages of one visit differ by less between versions of MC-MED, which jitters them by up to
2 (our choice)."""
_USED = ("used", "used as a word")
_SIGNS = {"low": "below", "high": "above"}


@dataclass(frozen=True, eq=False)
class LaboratorySegments:
    """Segments of one lead with their laboratory labels; arrays are in the order of ``index``.

    Attributes
    ----------
    corpus : Corpus
        Segments of one rate, lead and length.
    catalogue : polars.DataFrame
        One row per target that enters (:func:`ecgfoundry.labs.targets.generation.data_catalogue`).
    labels : ndarray of int8 (segments, targets)
        1, 0 or -1 (masked): the nearest result within the window, on either side.
    before : ndarray of int8 (segments, targets)
        The same of ECG that was complete before its result, and masked elsewhere.
    values : ndarray of float32 (segments, indicators)
        Results in the indicator's unit; NaN where there is none or it is censored.
    indicators : tuple of str
        Columns of ``values``.
    visits : ndarray of int (segments,)
        Number of the visit of each segment.
    patients, splits, sexes : ndarray of object (segments,)
    ages : ndarray of float64 (segments,)
    synthetic : bool
        Whether no patient stands behind the data.
    split_kind : str
        "random" or "chrono".
    notes : tuple of str
        What was left out of corpus and tables, in words with counts.
    """

    corpus: Corpus
    catalogue: pl.DataFrame
    labels: Int8
    before: Int8
    values: Float32
    indicators: tuple[str, ...]
    visits: NDArray[np.int64]
    patients: NDArray[np.object_]
    splits: NDArray[np.object_]
    sexes: NDArray[np.object_]
    ages: Float64
    synthetic: bool
    split_kind: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets, such as "potassium high"."""
        rows = self.catalogue.select("indicator", "direction").iter_rows()
        return tuple(f"{indicator} {direction}" for indicator, direction in rows)

    def positions(self, split: str) -> Positions:
        """Return the segments of a split that have any label."""
        chosen = (self.splits == split) & (self.labels >= 0).any(axis=1)
        return np.flatnonzero(chosen).astype(np.intp)

    def binary(self, which: str = "all") -> Float64:
        """Return labels as 0, 1 and NaN; ``which`` is "all" or "before"."""
        labels = self.labels if which == "all" else self.before
        return np.where(labels < 0, np.nan, labels.astype(np.float64))

    def digest(self) -> str:
        """Return a SHA-256 of all labels, splits and the corpus they belong to."""
        hashed = hashlib.sha256(str(self.corpus.document["commits_sha256"]).encode())
        for array in (self.labels, self.before, self.values):
            hashed.update(np.ascontiguousarray(array).tobytes())
        hashed.update("\n".join(str(split) for split in self.splits).encode())
        return hashed.hexdigest()


@dataclass(frozen=True, eq=False)
class LaboratorySource:
    """The segments as a :class:`ecgfoundry.training.data.sources.SegmentSource`."""

    data: LaboratorySegments
    storage: str = "float32"

    @functools.cached_property
    def _caches(self) -> Caches:
        return Caches(self.data.corpus, self.storage)

    def standardized(
        self, positions: Positions, recipe: Preprocessing, leads: Sequence[str]
    ) -> Float32 | None:
        """Return the segments from a cache of the corpus (``corpus cache``), if it has one."""
        return self._caches.read(positions, Input.of(recipe, leads, self.leads, upright=True))

    @property
    def sampling_rate(self) -> float:
        """Hz."""
        return self.data.corpus.sampling_rate

    @property
    def leads(self) -> tuple[str, ...]:
        """The one lead."""
        return self.data.corpus.leads

    @property
    def groups(self) -> Sequence[str]:
        """Patient of each segment."""
        return [str(patient) for patient in self.data.patients]

    @property
    def content_hash(self) -> str:
        """A hash that changes with any signal."""
        return str(self.data.corpus.document["commits_sha256"])

    def __len__(self) -> int:
        return len(self.data)

    def read(self, positions: Positions) -> Float32:
        """Return (n, 1, samples) in mV, inverted records the right way round."""
        return self.data.corpus.read(positions, upright=True)

    def targets(self, positions: Positions) -> Float64:
        """Return (n, targets), NaN where masked."""
        labels = self.data.labels[positions].astype(np.float64)
        return np.where(labels < 0, np.nan, labels)


def open_laboratory(
    corpus: str | Path,
    tables: str | Path,
    *,
    split: str = "random",
    time: str = "result_time",
    window_minutes: float | None = 60.0,
    minimum_patients: int = 10,
    targets: Sequence[str] | None = None,
) -> LaboratorySegments:
    """Open a corpus of lead II and give its segments their labels.

    Parameters
    ----------
    corpus : str or Path
        Made by ``ecgfoundry corpus build`` from MC-MED.
    tables : str or Path
        The folder of MC-MED, for its results and official splits.
    split : {"random", "chrono"}
        Which official split; it need not be the one that the corpus was built with.
    time : {"result_time", "order_time"}
    window_minutes : float or None
        Furthest result; None is the whole visit.
    minimum_patients : int
        Of each class in each split that a target needs to enter.
    targets : sequence of str, optional
        Exactly these, instead of those that enter (a model that is evaluated brings its own).

    Raises
    ------
    TrainingError
        The corpus is of another data set, or its visits are of other people than in the tables; no
        target enters, or a wanted one is not known.
    LeakageError
        A patient stands in two splits.
    """
    import polars as pl

    from ecgfoundry.corpus import open_corpus
    from ecgfoundry.datasets.mc_med import open_mc_med
    from ecgfoundry.labs.targets.generation import data_catalogue
    from ecgfoundry.labs.targets.labels import LabelRule, label_segments
    from ecgfoundry.labs.targets.results import indicator_results
    from ecgfoundry.manifest.leakage import check_leakage

    opened = open_corpus(corpus)
    opened = opened.where(pl.col("leads") == "II")
    if not len(opened):
        raise TrainingError("has no segment of lead II alone", path=Path(corpus))
    largest = opened.index.group_by("sampling_rate", "length").len().sort("len")[-1]
    every = len(opened)
    opened = opened.where(
        (pl.col("sampling_rate") == largest["sampling_rate"][0])
        & (pl.col("length") == largest["length"][0])
    )
    notes = []
    if len(opened) < every:
        notes.append(
            f"{every - len(opened)} of {every} segments are not of {largest['length'][0]} samples "
            f"at {largest['sampling_rate'][0]:g} Hz, left out"
        )
    data = open_mc_med(tables, split=split)
    known = data.visits.select("visit", pl.col("split").alias("own_split"))
    index = opened.index.select(
        "visit", "patient", "age", "sex", "start_time", "length", "sampling_rate"
    ).join(known, on="visit", how="left", maintain_order="left")
    if index["own_split"].null_count() == len(index):
        raise TrainingError(
            "no visit of the corpus stands in the official splits of these tables",
            path=Path(corpus),
            remedy="Build one of them: ecgfoundry corpus build "
            f"{quote(str(tables))} --output CORPUS",
        )
    _refuse_other_people(index, data.visits, Path(corpus))
    seconds = pl.col("length") / pl.col("sampling_rate")
    end = pl.col("start_time") + pl.duration(microseconds=(seconds * 1e6).round().cast(pl.Int64))
    segments = index.with_columns(end.alias("end_time"), pl.col("own_split").alias("split"))
    check_leakage(segments)
    read = indicator_results(data.labs)
    results = read.table
    notes += [f"{issue.count} {issue.message}" for issue in data.issues]
    notes += [f"{count} results: {why}" for why, count in read.counts.items() if why not in _USED]
    cohort = data.visits.filter(pl.col("visit").is_in(segments["visit"].unique().to_list()))
    counted = data_catalogue(results, cohort, minimum_patients=minimum_patients)
    catalogue = chosen_targets(counted, targets, Path(tables))
    indicators = tuple(catalogue["indicator"].unique(maintain_order=True).to_list())
    around = label_segments(
        segments, results, indicators, LabelRule(time=time, window_minutes=window_minutes)
    )
    earlier = label_segments(
        segments, results, indicators,
        LabelRule(time=time, window_minutes=window_minutes, relation="before"),
    )  # fmt: skip
    pairs = list(catalogue.select("indicator", "direction").iter_rows())
    values = [np.where(around[i].censoring == 0, around[i].value, np.nan) for i in indicators]
    codes = segments["visit"].cast(pl.Categorical).to_physical().to_numpy()
    return LaboratorySegments(
        corpus=opened,
        catalogue=catalogue,
        labels=np.stack([around[i].target(d) for i, d in pairs], axis=1),
        before=np.stack([earlier[i].target(d, real_time=True) for i, d in pairs], axis=1),
        values=np.stack(values, axis=1).astype(np.float32),
        indicators=indicators,
        visits=np.unique(codes, return_inverse=True)[1].astype(np.int64),
        patients=_texts(segments["patient"]),
        splits=_texts(segments["split"]),
        sexes=_texts(segments["sex"]),
        ages=segments["age"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        synthetic=data.synthetic or opened.synthetic,
        split_kind=split,
        notes=tuple(notes),
    )


def _refuse_other_people(index: pl.DataFrame, visits: pl.DataFrame, corpus: Path) -> None:
    """Refuse tables in which visits of the corpus are of other people.

    Two copies of a data set, or two simulations, number their visits alike.
    """
    import polars as pl

    own = index.select("visit", "patient", "age", "sex").unique("visit")
    both = own.join(visits.select("visit", "patient", "age", "sex"), on="visit", suffix=" there")
    other = (
        (pl.col("patient") != pl.col("patient there"))
        | (pl.col("sex") != pl.col("sex there"))
        | ((pl.col("age") - pl.col("age there")).abs() > SAME_AGE)
    )
    count = int(both.select(other.fill_null(value=False).sum()).item())
    if count:
        raise TrainingError(
            f"{count} of {len(both)} visits of the corpus are of another patient, age or sex in "
            "these tables",
            path=corpus,
            remedy="Give the tables that the corpus was built from",
        )


def _texts(column: pl.Series) -> NDArray[np.object_]:
    return np.array(column.fill_null("").to_list(), dtype=object)


def chosen_targets(
    counted: pl.DataFrame, targets: Sequence[str] | None, path: Path
) -> pl.DataFrame:
    """Return the counted targets that enter, or exactly the named ones.

    Parameters
    ----------
    counted : DataFrame
        Of :func:`ecgfoundry.labs.targets.generation.data_catalogue`.
    targets : sequence of str, optional
        Such as "potassium high".
    path : Path
        Of the tables, for the error.

    Raises
    ------
    TrainingError
        None enters, or a named one has no result.
    """
    import polars as pl

    named = counted.with_columns((pl.col("indicator") + " " + pl.col("direction")).alias("target"))
    if targets is None:
        entering = named.filter(pl.col("enters"))
        if not len(entering):
            raise TrainingError(
                "no indicator has enough patients of both classes in train, validation and test",
                path=path,
                remedy=f"See: ecgfoundry labs catalogue {quote(str(path))}; then give fewer with "
                "--minimum-patients",
            )
        return entering
    order = pl.DataFrame({"target": list(targets)})
    found = order.join(named, on="target", how="inner", maintain_order="left")
    if len(found) < len(order):
        gone = sorted(set(order["target"].to_list()) - set(found["target"].to_list()))
        raise TrainingError(
            f"the tables have no result for {', '.join(gone[:5])}"
            + (f" and {len(gone) - 5} more" if len(gone) > 5 else ""),
            path=path,
        )
    return found


def vocabulary_of(data: LaboratorySegments) -> Vocabulary:
    """Return the targets as a bundle's vocabulary: LOINC, unit and direction of each."""
    targets = []
    for row in data.catalogue.iter_rows(named=True):
        side = _SIGNS[row["direction"]]
        targets.append(
            Target(
                f"{row['indicator']} {row['direction']}",
                "laboratory indicator",
                codes={"LOINC": row["loinc"]} if row["loinc"] else {},
                unit=row["unit"],
                description=f"{row['display']} {side} the reference range ({row['unit']})",
                caveat="Estimated from an ECG; does not replace a laboratory measurement.",
            )
        )
    source = "ecgfoundry's reviewed catalogue, counted on MC-MED"
    return Vocabulary("mc-med-laboratory", tuple(targets), source)


def value_vocabulary_of(data: LaboratorySegments) -> Vocabulary:
    """Return the indicators themselves, for a regression."""
    import polars as pl

    targets = []
    for indicator in data.indicators:
        row = data.catalogue.filter(pl.col("indicator") == indicator).row(0, named=True)
        targets.append(
            Target(
                indicator,
                "laboratory indicator",
                codes={"LOINC": row["loinc"]} if row["loinc"] else {},
                unit=row["unit"],
                description=row["display"],
                caveat="Estimated from an ECG; does not replace a laboratory measurement.",
            )
        )
    return Vocabulary("mc-med-laboratory-values", tuple(targets), "ecgfoundry's catalogue")


def visit_means(
    scores: NDArray[np.floating[Any]],
    labels: NDArray[np.floating[Any]],
    visits: NDArray[np.int64],
    attention: NDArray[np.floating[Any]] | None = None,
) -> tuple[Float64, Float64, Positions]:
    """Average each target over those segments of a visit that have a label for it.

    Parameters
    ----------
    scores : ndarray (segments, targets)
        Logits.
    labels : ndarray (segments, targets)
        0, 1 or NaN.
    visits : ndarray of int (segments,)
    attention : ndarray (segments,), optional
        Scores of a network that joins segments by attention; the means are then weighted by their
        softmax over those segments. Every segment counts the same without them.

    Returns
    -------
    scores, labels : ndarray of float64 (visits, targets)
        NaN where no segment has a label. A visit is positive where any of its segments is (our
        choice; segments of one visit can have different nearest results).
    first : ndarray of int (visits,)
        A segment of each visit.
    """
    _, first, member = np.unique(visits, return_index=True, return_inverse=True)
    shape = (len(first), labels.shape[1])
    means, found = np.full(shape, np.nan), np.full(shape, np.nan)
    weights = np.ones(len(member)) if attention is None else _raised(attention, member, len(first))
    for k in range(labels.shape[1]):
        known = ~np.isnan(labels[:, k]) & ~np.isnan(scores[:, k])
        own = member[known]
        counts = np.bincount(own, minlength=shape[0])
        there = counts > 0
        sums = np.bincount(own, weights=scores[known, k] * weights[known], minlength=shape[0])
        positive = np.bincount(own, weights=labels[known, k], minlength=shape[0]) > 0
        if attention is not None:
            counts = np.bincount(own, weights=weights[known], minlength=shape[0])
        means[there, k] = sums[there] / counts[there]
        found[there, k] = positive[there]
    return means, found, first.astype(np.intp)


def _raised(attention: NDArray[np.floating[Any]], member: NDArray[np.intp], visits: int) -> Float64:
    """Return e to the power of the scores, of each visit less its largest one."""
    largest = np.full(visits, -np.inf)
    np.maximum.at(largest, member, attention)
    raised: Float64 = np.exp(np.asarray(attention, dtype=np.float64) - largest[member])
    return raised


def spread_over_visits(
    positions: Positions, visits: NDArray[np.int64], most: int | None
) -> Positions:
    """Keep at most ``most`` segments of each visit, evenly spread over it."""
    if most is None:
        return positions
    order = positions[np.argsort(visits[positions], kind="stable")]
    _, starts, counts = np.unique(visits[order], return_index=True, return_counts=True)
    kept = []
    for start, count in zip(starts, counts, strict=True):
        places = np.linspace(0, count - 1, min(most, count)).round().astype(np.intp)
        kept.append(order[start + np.unique(places)])
    result: Positions = np.sort(np.concatenate(kept)) if kept else positions
    return result
