"""Findings for a terminal (a table for people) and for a spreadsheet (rows for ``--csv``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ecgfoundry.inference.interpretation import Episode, Finding, Interpretation
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.certainty import certainty_text, common_reason
from ecgfoundry.reports.measured import StatementLine, header_values, statement_lines
from ecgfoundry.reports.told import (
    decided_otherwise,
    doubt_of,
    doubt_sentence,
    general_caveats,
    notices_beside,
    with_caveat,
)
from ecgfoundry.reports.wording import (
    DISCLAIMER,
    clock_text,
    duration_text,
    failure_fields,
    number_text,
    printable,
    share_text,
)
from ecgfoundry.samples import shown_name
from ecgfoundry.tasks.finding import rounded

__all__ = ["CSV_HEADER", "csv_rows", "terminal_table"]

FINDINGS_SHOWN = 8
EPISODES_SHOWN = 10

_SHARES = ("probability", "threshold", "burden")
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
    "decided_by",
    "because",
)

_MARKS = {True: Text("✓", style="bold green"), False: Text("·", style="dim"), None: Text("?")}
_VERDICT_STYLES = {"good": "green", "usable": "yellow", "refused": "bold red"}


def terminal_table(
    interpretations: Iterable[Interpretation],
    failures: Iterable[Mapping[str, object] | Exception] = (),
    *,
    console: Console | None = None,
) -> None:
    """Print interpretations for people: one block per file, never wider than the terminal.

    Parameters
    ----------
    interpretations : iterable of Interpretation
        Printed one by one, so a generator streams.
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


def _block(interpretation: Interpretation) -> Group:
    verdict = interpretation.verdict
    head = Text(printable(shown_name(interpretation.file or "unnamed recording")), style="bold")
    head.append("  quality ", style="not bold dim")
    head.append(printable(verdict), style=f"not bold {_VERDICT_STYLES.get(verdict, '')}".strip())
    if interpretation.model:
        head.append(f"  {printable(interpretation.model)}", style="not bold dim")
    parts: list[Any] = [head]
    refused = interpretation.refused
    measured = interpretation.measurements
    if measured is not None and measured.readable:
        parts.append(_header(measured))
        parts.extend(_statements(interpretation))
        told_now = (line.statement for line in statement_lines(interpretation))
        parts.extend(_indented(words, style="dim") for words in general_caveats(told_now))
    doubt = doubt_of(interpretation)
    if doubt is not None:
        parts.append(_indented(doubt_sentence(doubt), "yellow"))
    if refused is not None:
        text = f"not interpreted: {refused.message} ({refused.code})"
        parts.append(_indented(text, style="red"))
    elif interpretation.findings:
        parts.append(_findings_table(interpretation))
    else:
        parts.append(Text("  no findings"))
    for lead, own in interpretation.by_lead.items():
        present = [finding.name for finding in own.findings if finding.present]
        words = f"refused: {own.refused.message}" if own.refused else ", ".join(present) or "none"
        parts.append(_indented(f"{lead} alone, present: {words}", style="dim"))
    if interpretation.is_long and refused is None:
        parts.append(_episodes_table(interpretation))
    for notice in notices_beside(interpretation):
        parts.append(_indented(f"! {notice.message} ({notice.code})", style="yellow"))
    return Group(*parts, Text(""))


def _header(measurements: Measurements) -> Padding:
    """Rate, intervals and axes in one line, as a cart prints them."""
    line = Text()
    for field in header_values(measurements):
        line.append(f"{field.label} ", style="dim")
        line.append(f"{field.text}{field.unit if field.unit in ('/min', '°') else ''}  ")
    return Padding(line, (0, 0, 0, 2))


def _statements(interpretation: Interpretation) -> Iterator[Table]:
    lines = statement_lines(interpretation)
    if not lines:
        return
    table = _table()
    table.add_column(" ", width=3, justify="right", no_wrap=True)
    table.add_column("statement", overflow="fold", ratio=2)
    table.add_column("because", overflow="fold", ratio=3, style="dim")
    for line in lines:
        mark = Text("?", style="bold yellow") if line.possible else _MARKS[True]
        name = Text(line.words, style="bold")
        reasons = line.because
        if line.contradicts:
            reasons += f"; contradicts {', '.join(line.contradicts)}"
        reasons = with_caveat(reasons, line.statement)
        table.add_row(mark, name, Text(printable(reasons)))
    yield table


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(printable(text), style=style), (0, 0, 0, 2))


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")


def _findings_table(interpretation: Interpretation) -> Group:
    findings = interpretation.ranked
    shown = max(FINDINGS_SHOWN, sum(1 for finding in findings if finding.present))
    table = _table()
    table.add_column(" ", width=3, justify="right", no_wrap=True)
    table.add_column("finding", overflow="fold")
    measure = _measure_heading(interpretation)
    table.add_column(measure, justify="right", no_wrap=True)
    limit = _limit_heading(interpretation)
    if limit:
        table.add_column(limit, justify="right", no_wrap=True)
    table.add_column("code", overflow="fold", style="dim")
    for finding in findings[:shown]:
        cells = _finding_cells(interpretation, finding)
        table.add_row(*(cells if limit else [*cells[:3], cells[4]]))
    parts: list[Any] = [table]
    if len(findings) > shown:
        rest = findings[shown:]
        decided = all(finding.present is not None for finding in rest)
        words = ", none of them present" if decided else ""
        parts.append(Text(f"    and {len(rest)} more{words}", style="dim"))
    undecided = common_reason(findings)
    otherwise = decided_otherwise(interpretation)
    for finding in findings[:shown] if undecided is None else ():
        note = finding.reason or otherwise.get(finding.name)
        if note is not None:
            why = Text(printable(f"{finding.name}: {note}"), style="dim")
            parts.append(Padding(why, (0, 0, 0, 4)))
    uncalibrated = not any(finding.calibrated for finding in findings)
    if uncalibrated and measure == "probability":
        parts.append(Text("    uncalibrated: the scores rank, they are no probabilities", "yellow"))
    certainty = certainty_text(interpretation)
    if certainty is not None:
        parts.append(_indented(certainty, style="dim"))
    if doubt_of(interpretation) is not None:
        pass  # which is told above, once
    elif undecided is not None:
        parts.append(_indented(f"  nothing is decided (?): {undecided}", style="yellow"))
    elif interpretation.decides and all(finding.present is None for finding in findings):
        parts.append(Text("    no thresholds: nothing is decided (?)", style="yellow"))
    return Group(*parts)


def _measure_heading(interpretation: Interpretation) -> str:
    if not interpretation.decides:
        return "value"
    return "burden" if interpretation.is_long else "probability"


def _limit_heading(interpretation: Interpretation) -> str:
    """Name the column beside the number; a burden and a most probable class have none."""
    if not interpretation.decides:
        return "interval"
    if interpretation.is_long or interpretation.exclusive:
        return ""
    return "threshold"


def _finding_cells(interpretation: Interpretation, finding: Finding) -> list[Text]:
    if not interpretation.decides:
        value, low, high = finding.value, finding.low, finding.high
        unit = finding.target.unit or ""
        measure = "–" if value is None else f"{value:.3g} {unit}".strip()
        limit = "" if low is None or high is None else f"{low:.3g} to {high:.3g}"
    elif interpretation.is_long:
        measure, limit = share_text(finding.burden), ""
    else:
        measure = number_text(finding.probability)
        limit = "none" if finding.threshold is None else number_text(finding.threshold)
    mark = _MARKS[finding.present] if interpretation.decides else Text("")
    name = Text(printable(finding.name), style="bold" if finding.present else "")
    return [
        mark,
        name,
        Text(printable(measure)),
        Text(limit),
        Text(printable(finding.code or "")),
    ]


def _episodes_table(interpretation: Interpretation) -> Group:
    episodes = sorted(interpretation.episodes or (), key=lambda item: item.start_s)
    total = duration_text(interpretation.duration_s)
    readable = interpretation.readable_s
    head = f"  {len(episodes)} episode{'s' * (len(episodes) != 1)} in {total}"
    if common_reason(interpretation.findings) is not None:
        head = f"  no episode is told in {total}"
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
            begin, end = episode.start_s, episode.end_s
            table.add_row(
                "",
                Text(printable(episode.name)),
                clock_text(begin),
                clock_text(end),
                duration_text(end - begin),
                number_text(episode.probability),
            )
        parts.append(table)
    if len(episodes) > EPISODES_SHOWN:
        parts.append(Text(f"    and {len(episodes) - EPISODES_SHOWN} later ones", style="dim"))
    return Group(*parts)


def csv_rows(interpretations: Iterable[Interpretation]) -> list[list[str]]:
    """Return the header and one row per file and finding, for ``csv.writer``.

    Parameters
    ----------
    interpretations : iterable of Interpretation

    Returns
    -------
    list of list of str
        First ``CSV_HEADER``. Numbers have 6 significant digits, missing ones are empty,
        ``present`` and ``calibrated`` are "true", "false" or empty; ``refused`` is the code of the
        refusal and ``warnings`` are codes joined by ";". A file without findings (refused, or the
        model has none) keeps one row, so no file disappears. After the findings of a long recording
        follow its episodes, a row each, with ``start_s`` and ``end_s``; other rows have neither.
        Then come the present statements of the criteria: who decided, and the evidence in words.
    """
    rows = [list(CSV_HEADER)]
    for interpretation in interpretations:
        first = len(rows)
        for finding in interpretation.findings or (None,):
            rows.append(_csv_row(interpretation, finding))
        if (doubt := doubt_of(interpretation)) is not None:  # once, and not in every row
            rows[first][CSV_HEADER.index("because")] = doubt_sentence(doubt)
        rows.extend(_episode_row(interpretation, one) for one in interpretation.episodes or ())
        lines = statement_lines(interpretation)
        rows.extend(_statement_row(interpretation, line) for line in lines)
    return rows


def _statement_row(interpretation: Interpretation, line: StatementLine) -> list[str]:
    return _in_columns(
        {
            "file": interpretation.file,
            "model": interpretation.model,
            "finding": line.statement.name,
            "code": None if line.code is None else f"SNOMED CT:{line.code}",
            "probability": line.statement.probability,
            "present": True,
            "decided_by": line.decided_by,
            "because": ("possible: " if line.possible else "")
            + with_caveat(line.because, line.statement),
        }
    )


def _codes(interpretation: Interpretation) -> list[str]:
    """The codes of all warnings, a doubt among them: programs look for it there."""
    doubt = doubt_of(interpretation)
    beside = [notice.code for notice in notices_beside(interpretation)]
    return list(dict.fromkeys([*beside, *([] if doubt is None else [doubt.code])]))


def _episode_row(interpretation: Interpretation, episode: Episode) -> list[str]:
    """One stretch of a long recording: when it is, and the mean probability of its windows."""
    return _in_columns(
        {
            "file": interpretation.file,
            "model": interpretation.model,
            "finding": episode.name,
            "probability": episode.probability,
            "present": True,
            "start_s": episode.start_s,
            "end_s": episode.end_s,
        }
    )


def _csv_row(interpretation: Interpretation, finding: Finding | None) -> list[str]:
    refused = interpretation.refused
    cells: dict[str, object] = {
        "file": interpretation.file,
        "model": interpretation.model,
        "quality": interpretation.verdict,
        "refused": None if refused is None else refused.code,
        "warnings": ";".join(_codes(interpretation)),
    }
    if finding is not None:
        cells |= {
            "finding": finding.name,
            "unit": None if finding.value is None else finding.target.unit,
            **{name: getattr(finding, name) for name in ("code", "present", "calibrated")},
            # The figures of the JSON.
            **{name: rounded(getattr(finding, name)) for name in _SHARES},
            **{name: getattr(finding, name) for name in ("value", "low", "high")},
        }
    return _in_columns(cells)


def _in_columns(cells: Mapping[str, object]) -> list[str]:
    return [_csv_text(cells.get(column)) for column in CSV_HEADER]


def _csv_text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return f"{cell:.6g}"
    return printable(cell)
