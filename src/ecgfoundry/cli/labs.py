"""``ecgfoundry labs``: laboratory indicators."""

from __future__ import annotations

import sys
from pathlib import Path

from cyclopts import App

app = App(name="labs", help="Laboratory indicators: the catalogue, and what a data set has of it.")


@app.command
def catalogue(
    folder: Path | None = None,
    *,
    split: str = "random",
    minimum_patients: int = 10,
    output: Path | None = None,
) -> int:
    """Print the catalogue of indicators, or what a copy of MC-MED has of it, with counts.

    Parameters
    ----------
    folder
        Of MC-MED. Without it the reviewed table is printed.
    split
        Which official split counts: random or chrono.
    minimum_patients
        Of each class in train, validation and test that a target needs to enter.
    output
        Also write the table as .csv or .json here.
    """
    if folder is None:
        return _print_reviewed(output)
    return _print_counted(folder, split, minimum_patients, output)


def _print_reviewed(output: Path | None) -> int:
    from rich.console import Console
    from rich.table import Table

    from ecgfoundry.laboratory.catalogue import CATALOGUE_FILE, reviewed_catalogue

    table = Table("indicator", "LOINC", "unit", "abnormal", "what it is", "names that are merged")
    table.columns[0].no_wrap = True
    found = reviewed_catalogue()
    for indicator in found.indicators:
        table.add_row(
            indicator.name,
            indicator.loinc or "-",
            indicator.unit,
            ", ".join(indicator.directions),
            f"{indicator.display} ({indicator.specimen})",
            "; ".join(indicator.components),
        )
    Console().print(table)
    print(
        f"{len(found)} indicators, {sum(i.loinc is not None for i in found.indicators)} with LOINC"
    )
    if output is not None:
        _write_text(output, CATALOGUE_FILE.read_text(encoding="utf-8"))
    return 0


def _print_counted(folder: Path, split: str, minimum: int, output: Path | None) -> int:
    import polars as pl
    from rich.console import Console
    from rich.table import Table

    from ecgfoundry.datasets.mc_med import open_mc_med
    from ecgfoundry.laboratory.generation import data_catalogue
    from ecgfoundry.laboratory.results import indicator_results

    data = open_mc_med(folder, split=split)
    results = indicator_results(data.labs)
    recorded = {waveform.visit for waveform in data.waveforms}
    cohort = data.visits.filter(pl.col("visit").is_in(list(recorded)))
    counted = data_catalogue(results.table, cohort, minimum_patients=minimum)
    columns = ("indicator", "direction", "LOINC", "unit", "results", "patients", "prevalence")
    table = Table(*columns, "enters", title="SYNTHETIC" if data.synthetic else None)
    table.columns[0].no_wrap = True
    for row in counted.iter_rows(named=True):
        table.add_row(
            row["indicator"],
            row["direction"],
            row["loinc"] or "-",
            row["unit"],
            str(row["results"]),
            str(row["patients"]),
            "-" if row["prevalence"] is None else f"{row['prevalence']:.3f}",
            "yes" if row["enters"] else "no",
        )
    console = Console()
    console.print(table)
    entering = counted.filter(pl.col("enters"))
    print(
        f"{entering['indicator'].n_unique()} indicators enter with {len(entering)} targets; "
        f"{counted['indicator'].n_unique()} are in the data"
    )
    for reason, rows in results.counts.items():
        print(f"{rows:>9} rows: {reason}")
    for issue in data.issues:
        print(f"ecgfoundry: {issue.count} x {issue.message}", file=sys.stderr)
    if len(results.unclaimed):
        shown = Table("names that no indicator claims", "rows")
        for name, count in results.unclaimed.head(30).iter_rows():
            shown.add_row(name, str(count))
        console.print(shown)
    if output is not None:
        text = counted.write_json() if output.suffix == ".json" else counted.write_csv()
        _write_text(output, text)
    return 0


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
