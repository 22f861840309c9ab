"""Is the mean of several leads' logits better than lead I alone.

``python -m benchmarks.experiments.several_leads --data FOLDER --work WORK``

FOLDER and WORK are those of :mod:`benchmarks.experiments.outside_evaluation`. The network is
``ptbxl-superclass-12lead``, which was trained on any subset of leads, a single one included. It is
shown one lead at a time, as a one-lead network would be, and the logits are averaged; beside it
stands what it says of the same leads shown together. Records: fold 9 of PTB-XL (the weights did not
learn from it), LUDB and CinC 2020/2021 without PTB-XL. Printed: macro AUROC over the targets with
at least 15 records with and 15 without, and the paired gain over lead I (95 %, draws of people).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments.outside_evaluation import (
    INTERNAL,
    SETS,
    SUPERCLASS,
    Outside,
    standardized,
)
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.metrics.intervals import statistic_interval

CHOICES: dict[str, Sequence[str]] = {
    "I, II": ("I", "II"),
    "I, II, V2": ("I", "II", "V2"),
    "I, II, V5": ("I", "II", "V5"),
    "all twelve": STANDARD_12_LEADS,
}
FEWEST = 15

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Site:
    """Windows (records, leads, samples), people (records,), labels (records, targets; NaN)."""

    windows: NDArray[np.float32]
    people: NDArray[np.str_]
    labels: Float64

    @classmethod
    def read(cls, outside: Outside, data: Path, work: Path, predictor: Predictor) -> Site:
        """Return the first window of every record of which all twelve leads can be read."""
        names = predictor.bundle.vocabulary.names
        units = [
            unit
            for unit in outside.units(data, work, predictor, standardized)
            if "windows" in unit and np.isfinite(unit["windows"][0]).all()
        ]
        labels = [[unit["labels"].get(name) for name in names] for unit in units]
        return cls(
            np.stack([unit["windows"][0] for unit in units]),
            np.array([unit["person"] for unit in units]),
            np.array(labels, dtype=np.float64),
        )

    def logits(self, predictor: Predictor, leads: Sequence[str]) -> Float64:
        """Return the logits of these leads shown together, (records, targets)."""
        shown = np.full_like(self.windows, np.nan)
        rows = [predictor.bundle.input.leads.index(lead) for lead in leads]
        shown[:, rows] = self.windows[:, rows]
        return predictor.logits(shown).astype(np.float64)

    @property
    def targets(self) -> list[int]:
        """Columns with enough records of either kind."""
        enough = [(self.labels == value).sum(axis=0) >= FEWEST for value in (0, 1)]
        return np.flatnonzero(enough[0] & enough[1]).tolist()

    def area(self, logits: Float64, rows: NDArray[np.int64]) -> float:
        """Return the macro AUROC of some records; NaN where one cannot be computed."""
        areas = []
        for target in self.targets:
            known = rows[np.isfinite(self.labels[rows, target])]
            areas.append(auroc(self.labels[known, target] == 1, logits[known, target]))
        return float(np.mean(areas))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    predictor = load_model(SUPERCLASS, threads=1)
    print("| site | records | targets | leads | lead I | mean of the logits | gain over lead I "
          "| shown together |\n|---|---|---|---|---|---|---|---|")  # fmt: skip
    for outside in (*INTERNAL, *SETS):
        if outside.model != SUPERCLASS or outside.name not in ("ptbxl9", "ludb", "cinc2021"):
            continue
        site = Site.read(outside, chosen.data, chosen.work, predictor)
        everyone = np.arange(len(site.people))
        single = {lead: site.logits(predictor, [lead]) for lead in STANDARD_12_LEADS}
        named = ", ".join(predictor.bundle.vocabulary.names[k] for k in site.targets)
        for name, leads in CHOICES.items():
            print(f"| {outside.title} | {len(everyone)} | {named} | {name} | "
                  + row(site, predictor, single, leads), flush=True)  # fmt: skip


def row(site: Site, predictor: Predictor, single: dict[str, Float64], leads: Sequence[str]) -> str:
    """Return the figures of one choice of leads."""
    everyone = np.arange(len(site.people))
    mean = np.mean([single[lead] for lead in leads], axis=0)
    one, together = single["I"], site.logits(predictor, leads)

    def gain(rows: NDArray[np.int64]) -> float:
        return site.area(mean, rows) - site.area(one, rows)

    found = statistic_interval(gain, site.people)
    low, high = found.ends or [float("nan")] * 2
    return (
        f"{site.area(one, everyone):.3f} | {site.area(mean, everyone):.3f} | "
        f"{found.value:+.3f} ({low:+.3f} to {high:+.3f}) | {site.area(together, everyone):.3f} |"
    )


if __name__ == "__main__":
    main()
