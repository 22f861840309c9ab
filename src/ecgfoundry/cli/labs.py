"""``ecgfoundry labs``: laboratory indicators."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ecgfoundry.cli.saying import line, note, print_json, print_whole, progress
from ecgfoundry.cli.settings import command_with_settings
from ecgfoundry.cli.vocabulary import Json, JsonResult, Model, OptionalOutput, Output
from ecgfoundry.labs.settings import (
    LaboratoryReportSettings,
    LaboratorySettings,
    TenMinuteSettings,
)

if TYPE_CHECKING:
    from ecgfoundry.labs.estimates import LaboratoryAnswer

app = App(
    name="labs",
    help="Laboratory indicators: estimates from a recording, training, reports, the catalogue.",
)


@app.default
def estimate(
    file: str,
    *,
    model: Model,
    synthetic_ok: Annotated[bool, Parameter(negative="")] = False,
    lead: str | None = None,
    json: Json = False,
    threads: int | None = None,
) -> int:
    """Estimate laboratory values from one recording: probabilities, spread, band, caveats.

    Parameters
    ----------
    file
        A recording with lead II; of several leads one is read.
    model
        A bundle of 'ecgfoundry labs train'.
    synthetic_ok
        Let a model answer that was trained on simulated patients.
    lead
        Read only this lead.
    json
        Print JSON.
    threads
        Threads within one call of the network.
    """
    from ecgfoundry.formats.files import open_file
    from ecgfoundry.inference.files import window_source
    from ecgfoundry.inference.predictor import load_model
    from ecgfoundry.labs.estimates import estimate_laboratory, refuse_synthetic

    predictor = load_model(model, threads=threads)
    refuse_synthetic(predictor.bundle, allowed=synthetic_ok)
    with progress("Estimating") as bar, open_file(file) as opened:
        answer = estimate_laboratory(
            predictor,
            window_source(opened),
            opened.part(0, 0),
            lead=lead,
            file=file,
            synthetic_ok=synthetic_ok,
            progress=bar.update,
        )
    if json:
        print_json(answer.to_dict())
    else:
        _print_answer(answer)
    return 0 if answer.refused is None else 1


def _print_answer(answer: LaboratoryAnswer) -> None:
    from rich.table import Table

    from ecgfoundry.labs.estimates import caveats
    from ecgfoundry.samples import shown_name

    if answer.refused is not None:
        print(
            f"ecgfoundry: {shown_name(str(answer.file))}: refused: {answer.refused.message}",
            file=sys.stderr,
        )
    else:
        names = ("estimate", "LOINC", "unit", "says", "single windows", "AUROC", "band", "by AUROC")
        table = Table(*names, title="SYNTHETIC MODEL" if answer.synthetic else None)
        table.columns[0].no_wrap = True
        ordered = sorted(answer.estimates, key=lambda e: -(e.probability or 0.0))
        for e in ordered:
            if e.probability is not None:
                says = f"{e.probability:.1%}"
                spread = _range(e.window_low, e.window_high, ".1%")
            else:
                says = f"{e.value:.3g} {_range(e.low, e.high, '.3g')}"
                spread = _range(e.window_low, e.window_high, ".3g")
            auroc = "-" if e.auroc is None else f"{e.auroc:.3f}"
            table.add_row(
                e.target.name, e.target.codes.get("LOINC", "-"), e.target.unit or "-", says, spread,
                f"{auroc} {_range(e.auroc_low, e.auroc_high, '.3f')}", e.band or "-",
                e.band_point or "-",
            )  # fmt: skip
        print_whole(table)
        joined = "averaged"
        if answer.pooling == "attention":
            joined = f"joined by attention, which counts {answer.effective_windows:.1f} of them"
        print(
            f"{answer.windows} windows in {answer.duration_s:.0f} s, {joined}; "
            f"lead {answer.leads_used[0]}"
        )
    for notice in answer.warnings:
        note(notice.message)
    for caveat in caveats(answer):
        print(caveat)


def _range(low: float | None, high: float | None, form: str) -> str:
    return "" if low is None or high is None else f"[{low:{form}}, {high:{form}}]"


@app.command
@command_with_settings(LaboratorySettings)
def train(
    corpus: Path,
    *,
    tables: Path,
    output: Output,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    model: Model = "net1d-1lead",
    preprocessing: str | None = None,
    name: str | None = None,
    json: JsonResult = False,
    settings: LaboratorySettings,
) -> None:
    """Train on a corpus of MC-MED; ends with a bundle that 'labs FILE' uses.

    An interrupted run goes on when the same command is given again; a run whose settings, labels,
    signals or start weights have changed is refused.

    Parameters
    ----------
    corpus
        Made by 'ecgfoundry corpus build'.
    tables
        The folder of MC-MED: results and official splits.
    output
        Folder of the run; the bundle is OUTPUT/bundle.
    overwrite
        Train anew where OUTPUT holds another run; its results are deleted.
    model
        A one-lead bundle or architecture (ecgfounder-1lead, net1d-1lead, net1d-tiny), or one for
        any subset of leads (ptbxl-superclass-12lead).
    preprocessing
        For an architecture: a recipe's name, or its file (.json).
    name
        Of the bundle.
    """
    from dataclasses import replace

    from ecgfoundry.extras import require_torch

    require_torch("training")
    from ecgfoundry.labs.training import LABORATORY_CARD, labs_mcmed
    from ecgfoundry.training.distributed import joined_world

    with joined_world(device=settings.compute.device) as world:
        result = labs_mcmed(
            corpus, output, tables=tables, model=model, settings=settings,
            preprocessing=preprocessing, card=replace(LABORATORY_CARD, name=name),
            overwrite=overwrite,
            world=world,
            say=line,
        )  # fmt: skip
    if not world.first:
        return
    if json:
        print_json({"bundle": result.bundle, "values": result.values, "targets": result.targets,
                    "metrics": [metric.to_dict() for metric in result.metrics]})  # fmt: skip
        return
    print(f"{result.bundle}: made; {len(result.targets)} targets")
    if result.values is not None:
        print(f"{result.values}: made; the values themselves")


@app.command
@command_with_settings(LaboratoryReportSettings)
def report(
    bundle: str,
    corpus: Path,
    *,
    tables: Path,
    output: Output,
    target: Annotated[list[str] | None, Parameter(negative="")] = None,
    json: JsonResult = False,
    settings: LaboratoryReportSettings,
) -> None:
    """Measure a laboratory bundle on test patients, beside its controls: HTML, CSV, JSON.

    Parameters
    ----------
    bundle
        Made by 'ecgfoundry labs train', with the same split.
    corpus
        Made by 'ecgfoundry corpus build'.
    tables
        The folder of MC-MED.
    output
        Folder for report.html, laboratory.csv and laboratory.json.
    target
        Only these targets.
    """
    from ecgfoundry.extras import require_torch

    require_torch("the laboratory report")
    from ecgfoundry.labs.evaluation import laboratory_report

    with progress("Measuring") as bar:
        rows = laboratory_report(
            bundle, corpus, tables, output, targets=target, settings=settings,
            progress=lambda step, done, total: bar.update(done, total, step.capitalize()),
        )  # fmt: skip
    own = [row.found.band for row in rows if row.level == "visit" and row.ecg == "all"]
    bands = {band: own.count(band) for band in ("strong", "moderate", "limited")}
    synthetic = any(row.synthetic for row in rows)
    if json:
        print_json({"output": output, "targets": len(own), "bands": bands, "synthetic": synthetic})
        return
    words = "SYNTHETIC data: " if synthetic else ""
    print(f"{words}{len(own)} targets, visits: {bands}; see {output / 'report.html'}")


@app.command(name="ten-minutes")
@command_with_settings(TenMinuteSettings)
def ten_minutes_command(
    folder: Path,
    *,
    output: Output,
    model: Model = "rhythm-single-lead",
    pulse_model: str | None = None,
    target: Annotated[list[str] | None, Parameter(negative="")] = None,
    json: JsonResult = False,
    settings: TenMinuteSettings,
) -> None:
    """Compare what ECG, pulse (Pleth) and both say, on ten minutes of each visit of MC-MED.

    A frozen network averaged over the windows, hand-crafted features, and both; ridge or logistic
    regression on top; the chronological split (SignalMC-MED). An interrupted run goes on when the
    same command is given again.

    Parameters
    ----------
    folder
        Of MC-MED: tables, and waveforms of lead II and Pleth.
    output
        Folder for table.md, ten-minutes.csv and ten-minutes.json.
    model
        A bundle that reads lead II alone; nothing of it is trained.
    pulse_model
        A one-lead bundle for the pulse; default: the same.
    target
        Only these targets, such as "potassium high".
    """
    from ecgfoundry.labs.ten_minutes import table, ten_minutes

    with progress("Measuring") as bar:
        found = ten_minutes(
            folder, output, model=model, pulse_model=pulse_model, targets=target,
            settings=settings, progress=lambda step, done, total: bar.update(done, total, step),
        )  # fmt: skip
    if json:
        print_json({
            "output": output, "visits": found.visits, "left_out": found.left_out,
            "targets": len({row.target for row in found.rows}), "bands": found.bands(),
            "synthetic": found.synthetic,
        })  # fmt: skip
        return
    print(table(found), end="")


@app.command
def catalogue(
    folder: Path | None = None,
    *,
    split: str = "random",
    minimum_patients: int = 10,
    output: OptionalOutput = None,
    json: JsonResult = False,
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
        return _print_reviewed(output, json=json)
    return _print_counted(folder, split, minimum_patients, output, json=json)


def _print_reviewed(output: Path | None, *, json: bool) -> int:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ecgfoundry.labs.targets.catalogue import CATALOGUE_FILE, reviewed_catalogue

    what = "what it is, and the names that are merged"
    table = Table(
        "indicator", "LOINC", "unit", "abnormal", what, box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.columns[1].no_wrap = True
    for column in table.columns:
        column.overflow = "fold"
    found = reviewed_catalogue()
    if output is not None:
        _write_text(output, CATALOGUE_FILE.read_text(encoding="utf-8"))
    if json:
        print_json({
            "indicators": [
                {
                    "indicator": one.name, "loinc": one.loinc, "unit": one.unit,
                    "directions": one.directions, "display": one.display,
                    "specimen": one.specimen, "components": one.components,
                }
                for one in found.indicators
            ]
        })  # fmt: skip
        return 0
    for indicator in found.indicators:
        table.add_row(
            indicator.name,
            indicator.loinc or "-",
            indicator.unit,
            "\n".join(indicator.directions),
            Text.assemble(
                f"{indicator.display} ({indicator.specimen})\n",
                ("; ".join(indicator.components), "dim"),
            ),
        )
    Console().print(table)
    print(
        f"{len(found)} indicators, {sum(i.loinc is not None for i in found.indicators)} with LOINC"
    )
    return 0


def _print_counted(
    folder: Path, split: str, minimum: int, output: Path | None, *, json: bool
) -> int:
    import polars as pl
    from rich.table import Table

    from ecgfoundry.datasets.mc_med import open_mc_med
    from ecgfoundry.labs.targets.generation import data_catalogue
    from ecgfoundry.labs.targets.results import indicator_results

    with progress("Counting"):
        data = open_mc_med(folder, split=split)
        results = indicator_results(data.labs)
        recorded = {waveform.visit for waveform in data.waveforms}
        cohort = data.visits.filter(pl.col("visit").is_in(list(recorded)))
        counted = data_catalogue(results.table, cohort, minimum_patients=minimum)
    if output is not None:
        text = counted.write_json() if output.suffix == ".json" else counted.write_csv()
        _write_text(output, text)
    if json:
        print_json({
            "synthetic": data.synthetic,
            "targets": counted.to_dicts(),
            "rows_by_reason": results.counts,
            "unclaimed": dict(results.unclaimed.iter_rows()),
        })  # fmt: skip
        return 0
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
    print_whole(table)
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
        print_whole(shown)
    return 0


def _write_text(path: Path, text: str) -> None:
    from ecgfoundry.io import write_atomically

    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
