"""Findings for a terminal (a table for people) and for a spreadsheet (rows for ``--csv``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ecgfoundry.reports.wording import (
    DISCLAIMER,
    clock_text,
    duration_text,
    failure_fields,
    finding_burden,
    finding_is_calibrated,
    is_long,
    notices_of,
    number_text,
    printable,
    ranked_findings,
    share_text,
)

__all__ = ["CSV_HEADER", "csv_rows", "terminal_table"]

FINDINGS_SHOWN = 8
EPISODES_SHOWN = 10

CSV_HEADER = (
    "file",
    "model",
    "finding",
    "code",
    "probability",
    "threshold",
    "present",
    "calibrated",
    "burden",
    "quality",
    "refused",
    "warnings",
    "value",
    "unit",
    "low",
    "high",
    "start_s",
    "end_s",
)

_MARKS = {True: Text("✓", style="bold green"), False: Text("·", style="dim"), None: Text("?")}
_VERDICT_STYLES = {"good": "green", "usable": "yellow", "refused": "bold red"}


def terminal_table(
    interpretations: Iterable[Mapping[str, Any]],
    failures: Iterable[Mapping[str, Any] | Exception] = (),
    *,
    console: Console | None = None,
) -> None:
    """Print interpretations for people: one block per file, never wider than the terminal.

    Parameters
    ----------
    interpretations : iterable of mapping
        By ``schemas/interpretation.schema.json``. Printed one by one, so a generator streams.
    failures : iterable of mapping or exception
        Files that failed: mappings with ``file``, ``code`` and ``message``, or the errors.
    console : rich.console.Console, optional
        Where to print; standard output by default.
    """
    out = console or Console(highlight=False)
    printed = False
    for interpretation in interpretations:
        out.print(_block(interpretation))
        printed = True
    for failure in failures:
        fields = failure_fields(failure)
        line = Text(f"✗ {fields['file']}", style="bold red")
        line.append(f"  failed ({fields['code']})", style="not bold red")
        out.print(line)
        out.print(_indented(fields["message"]))
    if printed:
        out.print(Text(DISCLAIMER, style="dim"))


def _block(interpretation: Mapping[str, Any]) -> Group:
    verdict = str(interpretation["quality"]["verdict"])
    head = Text(printable(interpretation["file"] or "unnamed recording"), style="bold")
    head.append("  quality ", style="not bold dim")
    head.append(printable(verdict), style=f"not bold {_VERDICT_STYLES.get(verdict, '')}".strip())
    if interpretation["model"]:
        head.append(f"  {printable(interpretation['model'])}", style="not bold dim")
    parts: list[Any] = [head]
    refused = interpretation["refused"]
    if refused:
        text = f"not interpreted: {refused['message']} ({refused['code']})"
        parts.append(_indented(text, style="red"))
    elif interpretation["findings"]:
        parts.append(_findings_table(interpretation))
    else:
        parts.append(Text("  no findings"))
    if is_long(interpretation) and not refused:
        parts.append(_episodes_table(interpretation))
    for notice in notices_of(interpretation):
        parts.append(_indented(f"! {notice['message']} ({notice['code']})", style="yellow"))
    return Group(*parts, Text(""))


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(printable(text), style=style), (0, 0, 0, 2))


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")


def _findings_table(interpretation: Mapping[str, Any]) -> Group:
    findings = ranked_findings(interpretation)
    shown = max(FINDINGS_SHOWN, sum(1 for finding in findings if finding["present"]))
    table = _table()
    regression = interpretation.get("target_kind") == "regression"
    table.add_column(" ", width=3, justify="right", no_wrap=True)
    table.add_column("finding", overflow="fold")
    measure = "value" if regression else "burden" if is_long(interpretation) else "probability"
    table.add_column(measure, justify="right", no_wrap=True)
    limit = _limit_heading(interpretation)
    if limit:
        table.add_column(limit, justify="right", no_wrap=True)
    table.add_column("code", overflow="fold", style="dim")
    for finding in findings[:shown]:
        cells = _finding_cells(interpretation, finding, regression)
        table.add_row(*(cells if limit else [*cells[:3], cells[4]]))
    parts: list[Any] = [table]
    if len(findings) > shown:
        rest = findings[shown:]
        decided = all(finding.get("present") is not None for finding in rest)
        words = ", none of them present" if decided else ""
        parts.append(Text(f"    and {len(rest)} more{words}", style="dim"))
    uncalibrated = not any(finding_is_calibrated(interpretation, item) for item in findings)
    if uncalibrated and measure == "probability":
        parts.append(Text("    uncalibrated: the scores rank, they are no probabilities", "yellow"))
    if not regression and all(finding["present"] is None for finding in findings):
        parts.append(Text("    no thresholds: nothing is decided (?)", style="yellow"))
    return Group(*parts)


def _limit_heading(interpretation: Mapping[str, Any]) -> str:
    """Name the column beside the number; a burden and a most probable class have none."""
    if interpretation.get("target_kind") == "regression":
        return "interval"
    if is_long(interpretation) or interpretation.get("target_kind") == "multiclass":
        return ""
    return "threshold"


def _finding_cells(
    interpretation: Mapping[str, Any], finding: Mapping[str, Any], regression: bool
) -> list[Text]:
    threshold = finding.get("threshold")
    if regression:
        value, low, high = (finding.get(key) for key in ("value", "low", "high"))
        unit = finding.get("unit") or ""
        measure = "–" if value is None else f"{value:.3g} {unit}".strip()
        limit = "" if low is None or high is None else f"{low:.3g} to {high:.3g}"
    elif is_long(interpretation):
        measure, limit = share_text(finding_burden(interpretation, finding)), ""
    else:
        measure = number_text(finding.get("probability"))
        limit = "none" if threshold is None else number_text(threshold)
    mark = Text("") if regression else _MARKS[finding["present"]]
    name = Text(printable(finding["name"]), style="bold" if finding["present"] else "")
    return [
        mark,
        name,
        Text(printable(measure)),
        Text(limit),
        Text(printable(finding.get("code") or "")),
    ]


def _episodes_table(interpretation: Mapping[str, Any]) -> Group:
    episodes = sorted(interpretation.get("episodes", ()), key=lambda item: item["start_s"])
    total = duration_text(interpretation.get("duration_s"))
    readable = interpretation.get("readable_s")
    head = f"  {len(episodes)} episode{'s' * (len(episodes) != 1)} in {total}"
    if readable is not None:
        head += f", {duration_text(readable)} of it readable"
    parts: list[Any] = [Text(head)]
    if episodes:
        table = _table()
        table.add_column(" ", width=3)
        table.add_column("episode", overflow="fold")
        for name in ("from", "to", "length", "probability"):
            table.add_column(name, justify="right", no_wrap=True)
        for episode in episodes[:EPISODES_SHOWN]:
            begin, end = episode["start_s"], episode["end_s"]
            table.add_row(
                "",
                Text(printable(episode["name"])),
                clock_text(begin),
                clock_text(end),
                duration_text(end - begin),
                number_text(episode["probability"]),
            )
        parts.append(table)
    if len(episodes) > EPISODES_SHOWN:
        parts.append(Text(f"    and {len(episodes) - EPISODES_SHOWN} later ones", style="dim"))
    return Group(*parts)


def csv_rows(interpretations: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Return the header and one row per file and finding, for ``csv.writer``.

    Parameters
    ----------
    interpretations : iterable of mapping
        By ``schemas/interpretation.schema.json``.

    Returns
    -------
    list of list of str
        First ``CSV_HEADER``. Numbers have 6 significant digits, missing ones are empty,
        ``present`` and ``calibrated`` are "true", "false" or empty; ``refused`` is the code of the
        refusal and ``warnings`` are codes joined by ";". A file without findings (refused, or the
        model has none) keeps one row, so no file disappears. After the findings of a long recording
        follow its episodes, a row each, with ``start_s`` and ``end_s``; other rows have neither.
    """
    rows = [list(CSV_HEADER)]
    for interpretation in interpretations:
        findings = interpretation["findings"] or [None]
        rows.extend(_csv_row(interpretation, finding) for finding in findings)
        rows.extend(_episode_row(interpretation, one) for one in interpretation.get("episodes", ()))
    return rows


def _episode_row(interpretation: Mapping[str, Any], episode: Mapping[str, Any]) -> list[str]:
    """One stretch of a long recording: when it is, and the mean probability of its windows."""
    cells: dict[str, object] = {
        "file": interpretation["file"],
        "model": interpretation["model"],
        "finding": episode["name"],
        "probability": episode["probability"],
        "present": True,
        "start_s": episode["start_s"],
        "end_s": episode["end_s"],
    }
    return [_csv_text(cells.get(column)) for column in CSV_HEADER]


def _csv_row(interpretation: Mapping[str, Any], finding: Mapping[str, Any] | None) -> list[str]:
    refused = interpretation["refused"]
    shared = [
        interpretation["quality"]["verdict"],
        refused["code"] if refused else None,
        ";".join(notice["code"] for notice in notices_of(interpretation)),
    ]
    opening = [interpretation["file"], interpretation["model"]]
    if finding is None:
        cells = [*opening, *[None] * 7, *shared, *[None] * 6]
    else:
        cells = [
            *opening,
            *(finding.get(key) for key in ("name", "code", "probability", "threshold", "present")),
            finding_is_calibrated(interpretation, finding),
            finding_burden(interpretation, finding),
            *shared,
            *(finding.get(key) for key in ("value", "unit", "low", "high")),
            None,
            None,
        ]
    return [_csv_text(cell) for cell in cells]


def _csv_text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return f"{cell:.6g}"
    return printable(cell)
