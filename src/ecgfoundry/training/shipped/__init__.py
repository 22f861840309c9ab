"""The bundles that are part of the installation, and how to make them anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from ecgfoundry.errors import TrainingError
from ecgfoundry.io import sha256_of
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.training.results.package import BundleDescription, package
from ecgfoundry.training.shipped.descriptions import DIAGNOSIS, RHYTHM, RHYTHM_EDGE, SUPERCLASS
from ecgfoundry.training.shipped.figures import (
    diagnosis_metrics,
    rhythm_edge_metrics,
    rhythm_metrics,
    superclass_metrics,
)

__all__ = ["SHIPPED", "Shipped", "train_shipped"]


@dataclass(frozen=True)
class Later:
    """What was measured on records kept from every training, after the weights were final.

    ``weights`` is the SHA-256 of the ``model.safetensors`` that it was measured with: metrics
    belong to these weights and are never carried over to others.
    """

    weights: str
    metrics: tuple[Metric, ...]
    note: str


@dataclass(frozen=True)
class Shipped:
    """One shipped bundle: its description, which names its recipe, and the way to it.

    ``data`` is the file or folder of the data set below the data folder; ``learning`` names the
    module whose ``learned_from`` gives the fingerprints of what it learned from; ``metrics`` turns
    the recipe's ``metrics.json`` into metrics and notes for the card; ``later`` holds what was
    measured afterwards on people who took no part, where that has happened.
    """

    description: BundleDescription
    data: str
    learning: str
    metrics: Callable[[Mapping[str, Any]], tuple[list[Metric], list[str]]]
    later: Later | None = None

    def run(self, data: Path, output: Path, *, threads: int) -> None:
        """Run the recipe with the seed of the description; an interrupted run continues."""
        recipe = import_module(self.description.recipe)
        recipe.run(data, output, seed=self.description.seed, threads=threads)

    def learned_from(self, data: Path) -> frozenset[int]:
        """Return the fingerprints of the recordings that the recipe learns from."""
        found: frozenset[int] = import_module(self.learning).learned_from(data)
        return found

    def card_metrics(
        self, results: Mapping[str, Any], weights: Path
    ) -> tuple[list[Metric], list[str]]:
        """Return metrics and notes for the card, with the later ones where they are of ``weights``.

        Parameters
        ----------
        results : mapping
            Content of the recipe's ``metrics.json``.
        weights : Path
            The ``model.safetensors`` of the bundle.
        """
        metrics, notes = self.metrics(results)
        if self.later is None or sha256_of(weights) != self.later.weights:
            return metrics, notes
        return [*self.later.metrics, *metrics], [self.later.note, *notes]


_NEW_RECORDS = "records kept from every training"


def _kept(name: str, value: float, records: int, leads: str, **more: Any) -> Metric:
    return Metric(name, value, _NEW_RECORDS, leads=leads, records=records, **more)


_SUPERCLASS_LATER = Later(
    weights="54bac4deeff8aabecfef119cb8cff3f4a553d3441a43c587954a4bdd15064659",
    metrics=(
        _kept("macro AUROC", 0.924, 194, "12 leads"),
        _kept("macro AUROC", 0.843, 194, "I"),
    ),
    note="The records kept from every training are 194 of fold 10 of PTB-XL; they were measured by "
    "people who had no part in the training. Their prevalences differ from those of the training "
    "part, and NORM was called too often, MI too seldom.",
)

_RHYTHM_DATA = ("cinc2017_training2017.zip", f"{RHYTHM.recipe}.sources")

SHIPPED: dict[str, Shipped] = {
    shipped.description.name: shipped
    for shipped in (
        Shipped(RHYTHM, *_RHYTHM_DATA, rhythm_metrics),
        Shipped(RHYTHM_EDGE, *_RHYTHM_DATA, rhythm_edge_metrics),
        Shipped(
            SUPERCLASS, "ptbxl_subset", f"{SUPERCLASS.recipe}.data", superclass_metrics,
            _SUPERCLASS_LATER,
        ),
        Shipped(DIAGNOSIS, "", DIAGNOSIS.recipe, diagnosis_metrics),
    )
}  # fmt: skip


def train_shipped(
    name: str, data: Path, work: Path, output: Path, *, threads: int = 2, train: bool = True
) -> Path:
    """Train a shipped bundle and package it.

    Parameters
    ----------
    name : str
        One of :data:`SHIPPED`.
    data : Path
        Folder that holds the data sets as they are distributed.
    work : Path
        For what a recipe leaves behind; an interrupted run continues from it.
    output : Path
        Folder in which the bundle folder is made.
    threads : int
        CPU threads.
    train : bool
        False: package the finished results in ``work``.

    Raises
    ------
    TrainingError
        There is no such bundle, or its data are not there.
    """
    if name not in SHIPPED:
        raise TrainingError(
            f"there is no shipped bundle '{name}'", remedy=f"There are: {', '.join(SHIPPED)}"
        )
    shipped = SHIPPED[name]
    results, source = work / name, data / shipped.data
    if train:
        if not source.exists():
            raise TrainingError(
                "the training data are not there",
                path=source,
                remedy="Give the folder that holds them with --data",
            )
        shipped.run(source, results, threads=threads)
    metrics, notes = shipped.card_metrics(
        json.loads((results / "metrics.json").read_text()), results / "model.safetensors"
    )
    description = shipped.description
    if source.exists():
        description = replace(description, learned_from=shipped.learned_from(source))
    return package(description, results, output / name, metrics=metrics, notes=notes)
