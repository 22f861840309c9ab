"""``ecgfoundry holter``: a long recording in, hourly table, beats, events and burdens out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.saying import note, print_json, progress
from ecgfoundry.cli.vocabulary import Json, Model, Output

if TYPE_CHECKING:
    from ecgfoundry.inference.holter import HolterProgress, HolterReport


def holter(
    file: str,
    *,
    output: Output,
    model: Model = "rhythm-single-lead-edge",
    rhythm: Annotated[bool, Parameter(negative="--no-rhythm")] = True,
    lead: str | None = None,
    pause: float = 2.0,
    workers: int | None = None,
    json: Json = False,
    pdf: Annotated[bool, Parameter(negative="--no-pdf")] = True,
) -> None:
    """Measure a Holter or another long recording; killed, the same command goes on.

    Parameters
    ----------
    file
        A recording of any format and length, or sample:12-lead and sample:single-lead.
    output
        Folder for report.html, report.pdf, holter.json, hours.csv, events.csv, beats.csv and
        st.csv.
    model
        Rhythm model whose windows give the atrial fibrillation.
    rhythm
        Run it; without it there are beats alone.
    lead
        The lead that the rhythm model reads; beats are found in all of them.
    pause
        Shortest interval that is a pause, in seconds.
    workers
        Processes, by default one per core.
    json
        Print the summary as JSON.
    pdf
        Write report.pdf, where the extra "plot" is installed.
    """
    from ecgfoundry.inference.holter import HolterSettings, measure_holter
    from ecgfoundry.samples import named_file

    settings = HolterSettings(model=model if rhythm else None, lead=lead, pause_s=pause)
    with progress("Measuring") as bar:

        def show(found: HolterProgress) -> None:
            bar.update(int(found.done_s), int(found.total_s))

        path = named_file(file)
        report = measure_holter(path, output, settings, workers=workers, progress=show)
    _write_report(report, path, output, pdf=pdf)
    if json:
        print_json(report.to_dict())
        return
    _print(report, output)


def _write_report(report: HolterReport, path: Path, output: Path, *, pdf: bool) -> None:
    from ecgfoundry.errors import MissingExtraError
    from ecgfoundry.formats.base import ReadOptions
    from ecgfoundry.inference.files import read_excerpt
    from ecgfoundry.io import write_whole
    from ecgfoundry.reports.html.holter import holter_html
    from ecgfoundry.reports.pdf import html_to_pdf

    page = holter_html(report, partial(read_excerpt, path, ReadOptions()))
    write_whole(output / "report.html", page.encode())
    if pdf:
        try:
            write_whole(output / "report.pdf", html_to_pdf(page))
        except MissingExtraError as error:
            note(f"no report.pdf: {error}")


def _print(report: HolterReport, output: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ecgfoundry.reports.holter import HOUR_HEADS, burden_text, hour_cells
    from ecgfoundry.reports.told import counts_in_doubt
    from ecgfoundry.reports.wording import DISCLAIMER, clock_text, duration_text, printable
    from ecgfoundry.samples import shown_name

    out = Console(highlight=False)
    summary = report.to_dict()
    out.print(f"[bold]{printable(shown_name(report.file))}[/bold]")
    out.print(
        f"  {duration_text(report.duration_s)}, readable {duration_text(report.readable_s)}, "
        f"{len(report.beats)} beats, leads {', '.join(report.leads)}"
    )
    if report.doubt is not None:
        out.print(Text(f"  {counts_in_doubt(report.doubt)}", style="yellow"))
    for name, burden in report.burdens.items():
        if burden.count:
            out.print(f"  {name} {burden.count} beats, {burden_text(burden)}")
    if report.af_burden is not None:
        out.print(f"  atrial fibrillation {100 * report.af_burden:.1f} % of the readable time")
    for word, name in (("longest", "longest_rr"), ("shortest", "shortest_rr")):
        if (found := summary[name]) is not None:
            out.print(f"  {word} RR {found['rr_s']:.2f} s at {clock_text(found['end_s'])}")
    parts = [f"{count} × {kind}" for kind, count in sorted(summary["event_counts"].items())]
    out.print(f"  {', '.join(parts) or 'no events'}")
    table = Table(*HOUR_HEADS, box=None, header_style="dim")
    for hour in report.hours:
        table.add_row(*hour_cells(hour.to_dict(), clock_text(hour.start_s)))
    out.print(table)
    out.print(f"  Report and tables in {output}", style="dim")
    out.print(f"  {DISCLAIMER}", style="dim")
