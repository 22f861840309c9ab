"""Splits by patient: seeded, the same on every machine, and for good."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import ManifestError
from ecgfoundry.manifest.table import Manifest

__all__ = ["SplitShares", "fold_by_patient", "split_by_patient"]

QUANTILES = 5
"""Bins of a numeric target for stratification (our choice)."""
_DISTINCT = 10
"""A target of more distinct values is numeric (our choice)."""


@dataclass(frozen=True, slots=True)
class SplitShares:
    """Shares of the patients; they must add up to 1."""

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        values = (self.train, self.validation, self.test)
        if min(values) < 0 or self.train <= 0 or abs(sum(values) - 1.0) > 1e-9:
            raise ManifestError(
                f"the shares {values} of train, validation and test do not add up to 1",
                remedy="For example 0.7, 0.15 and 0.15",
            )


def split_by_patient(
    manifest: Manifest,
    *,
    shares: SplitShares | None = None,
    seed: int = 0,
) -> Manifest:
    """Return the manifest with every row in "train", "validation" or "test".

    Parameters
    ----------
    manifest : Manifest
        Existing splits are replaced.
    shares : SplitShares, optional
    seed : int

    Returns
    -------
    Manifest
        All rows of a patient are in one split: that in whose share the SHA-256 of
        ``"{seed}:{patient}"`` falls (its first 48 bits as a number in [0, 1)). No other patient and
        no label has a part in it: adding people or correcting labels moves nobody. The shares hold
        on average; where a split would be empty, one person of the largest fills it.

    Raises
    ------
    ManifestError
        There are too few patients for every wanted split to get one.
    """
    shares = shares or SplitShares()
    wanted = [
        (name, share)
        for name, share in (
            ("train", shares.train),
            ("validation", shares.validation),
            ("test", shares.test),
        )
        if share > 0
    ]
    points = {patient: _point(patient, seed) for patient in manifest.groups()}
    if len(points) < len(wanted):
        raise ManifestError(
            f"{len(points)} patient(s) cannot be parted into {len(wanted)} splits",
            path=manifest.folder,
            remedy="Add patients, or give the splits yourself in a column 'split'",
        )
    ends = np.cumsum([share for _, share in wanted])
    ends[-1] = 1.0
    split_of = {
        patient: wanted[int(np.searchsorted(ends, point, "right"))][0]
        for patient, point in points.items()
    }
    _fill_empty(split_of, points, [name for name, _ in wanted])
    rows = tuple(
        replace(row, split=split_of[patient])
        for row, patient in zip(manifest.rows, manifest.groups(), strict=True)
    )
    return manifest.with_rows(rows)


def _point(patient: str, seed: int) -> float:
    """A number in [0, 1) that only the person and the seed decide."""
    digest = hashlib.sha256(f"{seed}:{patient}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def fold_by_patient(
    manifest: Manifest, targets: Sequence[str] = (), *, folds: int = 5, seed: int = 0
) -> NDArray[np.int64]:
    """Return the fold of each row, stratified and by patient, for cross-validation.

    Raises
    ------
    ManifestError
        There are fewer patients than folds.
    """
    position = _positions(manifest, targets, seed=seed)
    if len(position) < folds:
        raise ManifestError(f"{len(position)} patient(s) cannot be parted into {folds} folds")
    fold_of = {patient: rank % folds for rank, patient in enumerate(position)}
    return np.array([fold_of[patient] for patient in manifest.groups()], dtype=np.int64)


def _positions(manifest: Manifest, targets: Sequence[str], *, seed: int) -> list[str]:
    """All patients, stratum after stratum, each in the order of its hash."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, patient in enumerate(manifest.groups()):
        rows_of[patient].append(row)
    values = manifest.targets(targets) if targets else np.zeros((len(manifest), 0))
    patients = list(rows_of)
    table = np.full((len(patients), values.shape[1]), np.nan)
    for k, patient in enumerate(patients):
        own = values[rows_of[patient]]
        known = ~np.isnan(own)
        count = known.sum(axis=0)
        total = np.where(known, own, 0.0).sum(axis=0)
        table[k] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    strata = _strata(table)
    order = [
        (strata[k], hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest(), patient)
        for k, patient in enumerate(patients)
    ]
    return [patient for _, _, patient in sorted(order)]


def _strata(table: NDArray[np.float64]) -> list[int]:
    """Stratum of each patient from his or her mean targets."""
    if table.shape[1] == 0:
        return [0] * len(table)
    first = table[:, 0]
    known = first[~np.isnan(first)]
    if len(np.unique(known)) > _DISTINCT:
        edges = np.quantile(known, np.linspace(0, 1, QUANTILES + 1)[1:-1])
        return [
            QUANTILES if np.isnan(value) else int(np.searchsorted(edges, value)) for value in first
        ]
    if table.shape[1] == 1:
        levels = {value: k for k, value in enumerate(np.unique(known))}
        return [len(levels) if np.isnan(value) else levels[value] for value in first]
    positive = np.nan_to_num(table) > 0.5
    order = np.argsort(positive.sum(axis=0), kind="stable")  # the rarest first
    return [
        next((k for k, target in enumerate(order) if row[target]), len(order)) for row in positive
    ]


def _fill_empty(
    split_of: dict[str, str], points: Mapping[str, float], wanted: Sequence[str]
) -> None:
    """Give every wanted split at least one patient: of the largest one, the first by hash."""
    for name in wanted:
        counts = {other: sum(s == other for s in split_of.values()) for other in wanted}
        if counts[name] == 0:
            largest = max(wanted, key=lambda other: counts[other])
            own = [patient for patient, split in split_of.items() if split == largest]
            split_of[min(own, key=lambda patient: points[patient])] = name
