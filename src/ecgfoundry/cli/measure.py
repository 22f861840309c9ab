"""``ecgfoundry measure``: rate, intervals, axes and waves of ECG files, as a table, CSV or JSON."""

from __future__ import annotations

import csv as csv_module
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ecgfoundry.cli.reading_options import ReadingOptions
from ecgfoundry.cli.saying import error_document, note, print_json, progress
from ecgfoundry.cli.vocabulary import Csv, Json

if TYPE_CHECKING:
    from ecgfoundry.errors import EcgFoundryError
    from ecgfoundry.formats.base import ReadOptions
    from ecgfoundry.measurements.results import Measurements

SHOWN = (
    ("heart_rate_bpm", "rate"), ("pr_ms", "PR"), ("qrs_ms", "QRS"), ("qt_ms", "QT"),
    ("qtc_ms", "QTc"), ("p_axis_deg", "P axis"), ("qrs_axis_deg", "QRS axis"),
    ("t_axis_deg", "T axis"),
)  # fmt: skip
"""What an electrocardiograph prints in its header, for several files in a row each."""
MOST_OF_A_NAME = 36
"""Characters of a file's name in a table of several, from its end."""
SHOWN_OF_LEADS = ("p_mv", "q_mv", "r_mv", "s_mv", "r2_mv", "st_j_mv", "st_j80_mv", "t_mv", "snr_db")


def measure(
    *files: str,
    json: Json = False,
    csv: Csv = False,
    per_lead: Annotated[bool, Parameter(negative="")] = False,
    reading: ReadingOptions | None = None,
) -> int:
    """Measure ECG files: rate, intervals, QTc, axes, waves of every lead, HRV, pacing.

    What cannot be measured is left empty, and the reason is stated; it is never 0.

    Parameters
    ----------
    files
        Files, folders, patterns such as 'data/*.hea', or sample:12-lead and sample:single-lead.
    json
        One JSON object per file (JSON Lines when several), with beats and reasons.
    csv
        One row per file; one column per value.
    per_lead
        With --csv, also the amplitudes and durations of every lead (I_r_mv, V1_st_j_mv ...).
    """
    from ecgfoundry.inference.files import expand_paths

    if not files:
        print("ecgfoundry: no file was given; see: ecgfoundry measure --help", file=sys.stderr)
        return 2
    if json and csv:
        print("ecgfoundry: give --json or --csv, not both", file=sys.stderr)
        return 2
    options = (reading or ReadingOptions()).to_read()
    paths = expand_paths(files, say=note)
    results = _measured([str(path) for path in paths], options)
    if json:
        count = _print_json(results)
    elif csv:
        count = _print_csv(results, per_lead=per_lead)
    elif len(paths) == 1:
        count = _print_one(results)
    else:
        count = _print_table(results)
    if len(paths) > 1:
        words = (
            f"{count['measured']} measured, {count['refused']} refused, {count['failed']} failed"
        )
        note(words)
    return 1 if count["failed"] else 0


Result = tuple[str, "Measurements | None", Mapping[str, float], "EcgFoundryError | None"]


def _measured(paths: list[str], options: ReadOptions) -> Iterator[Result]:
    """Yield path, measurements, what the device states, and why there are none."""
    from ecgfoundry.errors import EcgFoundryError
    from ecgfoundry.formats.common.measurements import device_measurements
    from ecgfoundry.formats.files import open_file
    from ecgfoundry.measurements.followed import Followed
    from ecgfoundry.measurements.measuring import measure as measure_file

    with progress("Measuring", len(paths)) as bar:
        done = 0

        def tell(share: float) -> None:
            bar.update(done + share)

        for done, path in enumerate(paths):
            bar.update(done)
            try:
                with open_file(path, options) as file:
                    stated = device_measurements(file.info.header)
                    found = measure_file(Followed(file, tell))
            except EcgFoundryError as error:
                from ecgfoundry.reports.wording import printable

                print(f"ecgfoundry: {printable(str(error))}", file=sys.stderr)
                yield path, None, {}, error
            else:
                yield path, found, stated, None


def _counted(count: dict[str, int], measured: Measurements | None) -> None:
    name = "failed" if measured is None else "measured" if measured.readable else "refused"
    count[name] += 1


def _counter() -> dict[str, int]:
    return {"measured": 0, "refused": 0, "failed": 0}


def _print_json(results: Iterator[Result]) -> dict[str, int]:
    count = _counter()
    for path, measured, stated, error in results:
        _counted(count, measured)
        document: dict[str, Any] = {"file": path}
        if measured is not None:
            document = measured.to_dict() | {"file": path, "device": dict(stated)}
        elif error is not None:
            document |= error_document(error)
        print_json(document)
    return count


def _print_csv(results: Iterator[Result], *, per_lead: bool) -> dict[str, int]:
    from ecgfoundry.leads import STANDARD_12_LEADS
    from ecgfoundry.measurements.values import GLOBAL_VALUES, LEAD_VALUES

    columns = ["file", "refused", "error", "calibrated", "duration_s", "beats", *GLOBAL_VALUES]
    of_leads = [(lead, name) for lead in STANDARD_12_LEADS for name in LEAD_VALUES]
    if per_lead:
        columns += [f"{lead}_{name}" for lead, name in of_leads]
    columns.append("notices")
    writer = csv_module.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    count = _counter()
    for path, measured, _, error in results:
        _counted(count, measured)
        row: list[Any] = [path]
        if measured is None:
            row += ["", error.code if error else ""]
        else:
            refused = measured.refused.code if measured.refused else ""
            row += [refused, "", int(measured.calibrated), f"{measured.duration_s:g}"]
            row.append(len(measured.beats) if measured.readable else "")
            row += [_cell(value.value) for value in measured.values.values()]
            if per_lead:
                row += [
                    _cell(getattr(measured.leads.get(lead), name, None)) for lead, name in of_leads
                ]
        row += [""] * (len(columns) - 1 - len(row))
        notices = () if measured is None else measured.notices
        writer.writerow([*row, "; ".join(notice.code for notice in notices)])
        sys.stdout.flush()
    return count


def _cell(value: float | bool | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else f"{round(value, 4):g}"


def _print_table(results: Iterator[Result]) -> dict[str, int]:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ecgfoundry.reports.wording import printable
    from ecgfoundry.samples import shown_name

    table = Table("file", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for _, title in SHOWN:
        table.add_column(title.replace(" ", "\n"), justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    count = _counter()
    for path, measured, _, error in results:
        _counted(count, measured)
        cells = ["–"] * len(SHOWN)
        words = "" if error is None else error.code
        if measured is not None:
            cells = [_whole(measured.values[name].value) for name, _ in SHOWN]
            notices = [measured.refused] if measured.refused else list(measured.notices)
            words = "; ".join(notice.code for notice in notices)
        name = printable(shown_name(path))
        if len(name) > MOST_OF_A_NAME:  # files of one folder differ at the end
            name = f"…{name[1 - MOST_OF_A_NAME :]}"
        table.add_row(Text(name, overflow="fold"), *cells, words)
    Console().print(table)
    return count


def _print_one(results: Iterator[Result]) -> dict[str, int]:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ecgfoundry.reports.wording import printable
    from ecgfoundry.samples import shown_name

    count = _counter()
    console = Console()
    for path, measured, stated, _ in results:
        _counted(count, measured)
        if measured is None:
            continue
        console.print(Text(printable(shown_name(path)), style="bold"))
        if measured.refused is not None:
            console.print(f"not measured: {measured.refused.message}")
            continue
        table = Table("", "value", "unit", "device", "method", box=box.SIMPLE_HEAD)
        for name, value in measured.values.items():
            device = _whole(stated.get(name)) if name in stated else ""
            words = value.method if value.reason is None else value.reason
            table.add_row(name, _figure(value.value), value.unit, device, words)
        console.print(table)
        console.print(_lead_table(measured))
        labels = measured.beats.label
        kinds = ", ".join(f"{int((labels == k).sum())} {k}" for k in sorted(set(labels.tolist())))
        console.print(f"beats: {kinds or 'none'}; pacing spikes: {len(measured.pacing)}")
        for notice in measured.notices:
            console.print(Text(notice.message, style="yellow"))
    return count


def _lead_table(measured: Measurements) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ecgfoundry.measurements.values import LEAD_VALUES
    from ecgfoundry.reports.wording import printable

    table = Table("lead", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in SHOWN_OF_LEADS:
        table.add_column(f"{name.rsplit('_', 1)[0]}\n{LEAD_VALUES[name].unit}", justify="right")
    for lead, figures in measured.leads.items():
        cells = (_figure(getattr(figures, name), 2) for name in SHOWN_OF_LEADS)
        table.add_row(Text(printable(lead)), *cells)
    return table


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _figure(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
