"""``ecgfoundry compare``: two models on the same records, or one on two sets of records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def compare(
    a: Annotated[Path, Parameter(name=["A"])],
    b: Annotated[Path, Parameter(name=["B"])],
    *,
    targets: Path | None = None,
    groups: Path | None = None,
    thresholds_a: Path | None = None,
    thresholds_b: Path | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    draws: int | None = None,
    seed: int = 0,
) -> int:
    """Compare two models: paired on the same records, else as independent samples.

    Parameters
    ----------
    a
        A table of predictions (CSV), or the folder of an earlier evaluation.
    b
        The same, of the other model or set.
    targets
        Labels for tables of predictions.
    groups
        CSV: id, patient.
    thresholds_a
        JSON {target: number}, for McNemar's test.
    thresholds_b
        The same for B.
    output
        Folder for compare.csv, compare.json and compare.html.
    draws
        Bootstrap draws of patients: 1000, fewer for very large inputs unless given.
    seed
        Of the draws.
    """
    from rich.console import Console

    from ecgfoundry.api.measuring import compare as run
    from ecgfoundry.evaluation.settings import Settings

    found = run(
        a, b, output,
        targets=targets, groups=groups, thresholds=(thresholds_a, thresholds_b),
        settings=Settings.of(draws=draws, seed=seed),
    )  # fmt: skip
    for note in found.document["notes"]:
        print(f"ecgfoundry: {note}", file=sys.stderr)
    _print(Console(), found.document)
    return 0


def _print(console: object, document: dict[str, object]) -> None:
    from rich.console import Console
    from rich.table import Table

    assert isinstance(console, Console)  # noqa: S101
    paired = document["kind"] == "paired"
    names = (
        ("auroc_a", "auroc_b", "difference", "difference_low", "difference_high", "delong_q")
        if paired
        else ("home_auroc", "away_auroc", "drop", "drop_low", "drop_high")
    )
    heads = ("A", "B", "A - B", "low", "high", "q") if paired else ("A", "B", "drop", "low", "high")
    table = Table("target", *heads)
    for row in document["targets"]:  # type: ignore[attr-defined]
        cells = [row[name] for name in names]
        table.add_row(
            row["target"], *("-" if value != value else f"{value:.4f}" for value in cells)
        )
    console.print(f"A: {document['a']}\nB: {document['b']}", markup=False)
    console.print(table)
