"""``ecgfoundry compare``: two models on the same records, or one on two sets of records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.saying import note, print_json, progress
from ecgfoundry.cli.vocabulary import JsonResult, OptionalOutput

if TYPE_CHECKING:
    from rich.console import Console

    from ecgfoundry.api.measuring import Comparison
    from ecgfoundry.documents import Cell


@Parameter(name="*")
@dataclass(frozen=True)
class ComparingOptions:
    """How they are compared.

    Parameters
    ----------
    thresholds_a
        JSON {target: number}, for McNemar's test.
    thresholds_b
        The same for B.
    draws
        Bootstrap draws of patients: 1000, fewer for very large inputs unless given.
    seed
        Of the draws.
    """

    thresholds_a: Path | None = None
    thresholds_b: Path | None = None
    draws: int | None = None
    seed: int = 0


def compare(
    a: Annotated[Path, Parameter(name=["A"])],
    b: Annotated[Path, Parameter(name=["B"])],
    /,
    *,
    targets: Path | None = None,
    groups: Path | None = None,
    output: OptionalOutput = None,
    comparing: ComparingOptions | None = None,
    json: JsonResult = False,
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
    output
        Folder for compare.csv, compare.json and compare.html.
    """
    from rich.console import Console

    from ecgfoundry.api.measuring import compare as run
    from ecgfoundry.evaluation.settings import Settings

    how = comparing or ComparingOptions()
    with progress("Comparing") as bar:
        found = run(
            a, b, output,
            targets=targets, groups=groups, thresholds=(how.thresholds_a, how.thresholds_b),
            settings=Settings.of(draws=how.draws, seed=how.seed), progress=bar.update,
        )  # fmt: skip
    for words in found.notes:
        note(words)
    if json:
        print_json(found.document)
    else:
        _print(Console(), found)
    return 0


def _print(console: Console, comparison: Comparison) -> None:
    from rich.table import Table

    names = (
        ("auroc_a", "auroc_b", "difference", "difference_low", "difference_high", "delong_q")
        if comparison.paired
        else ("home_auroc", "away_auroc", "drop", "drop_low", "drop_high")
    )
    heads = ("A", "B", "A - B", "low", "high", "q")
    table = Table("target", *(heads if comparison.paired else ("A", "B", "drop", "low", "high")))
    for row in comparison.cells():
        table.add_row(str(row["target"]), *(_number(row[name]) for name in names))
    console.print(f"A: {comparison.found.a}\nB: {comparison.found.b}", markup=False)
    console.print(table)


def _number(value: Cell) -> str:
    return f"{value:.4f}" if isinstance(value, float) and value == value else "-"
