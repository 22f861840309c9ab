"""What changed since an earlier recording, in the words of all reports, and on the terminal."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from ecgfoundry.criteria import Change, Comparison
from ecgfoundry.criteria.measured_words import measurement_in_words, number_in_words
from ecgfoundry.reports.evidence_words import because, in_words
from ecgfoundry.reports.wording import file_name, printable, shortened

__all__ = [
    "ChangedValue",
    "Compared",
    "compared",
    "comparison_table",
    "left_out_in_words",
]

NAME_CHARACTERS = 36


@dataclass(frozen=True, slots=True)
class ChangedValue:
    """One value that changed by more than its repeat variability, as it is printed."""

    name: str
    earlier: str
    later: str
    difference: str
    limit: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What a reader is told.

    Attributes
    ----------
    names : (str, str)
        What the earlier and the later recording are called.
    statements : tuple of (str, str)
        Present serial statements and what they rest on.
    appeared, disappeared : tuple of str
        Statements of one recording.
    changed : tuple of ChangedValue
    values : int
        How many values were compared.
    left_out : str
        Which leads were not, for one recording alone has them; empty where both have the same.
    remarks : tuple of str
        Sentences to be read before the changes.
    """

    names: tuple[str, str]
    statements: tuple[tuple[str, str], ...]
    appeared: tuple[str, ...]
    disappeared: tuple[str, ...]
    changed: tuple[ChangedValue, ...]
    values: int
    left_out: str = ""
    remarks: tuple[str, ...] = ()


def compared(comparison: Comparison) -> Compared:
    """Return a comparison in words."""
    sources = (comparison.earlier.source, comparison.later.source)
    earlier, later = (shortened(file_name(source), NAME_CHARACTERS) for source in sources)
    if earlier == later:  # in two folders, for example
        earlier, later = "earlier", "later"
    return Compared(
        names=(earlier, later),
        statements=tuple(
            (in_words(one.name), because(one, {})) for one in comparison.statements if one.present
        ),
        appeared=tuple(map(in_words, comparison.appeared)),
        disappeared=tuple(map(in_words, comparison.disappeared)),
        changed=tuple(map(_changed, comparison.changed)),
        values=len(comparison.changes),
        left_out=left_out_in_words(comparison),
        remarks=comparison.remarks,
    )


def left_out_in_words(comparison: Comparison) -> str:
    """Return which leads were not compared, as a sentence; empty where both have the same."""
    if not comparison.left_out:
        return ""
    return f"Not compared, for one recording alone has them: {', '.join(comparison.left_out)}."


def _changed(change: Change) -> ChangedValue:
    lead = f" in {change.lead}" if change.lead else ""
    earlier, later, difference, limit = (
        number_in_words(value, change.unit)
        for value in (change.earlier, change.later, change.difference, change.limit)
    )
    sign = "+" if change.difference > 0 else ""
    name = f"{measurement_in_words(change.name)}{lead}"
    return ChangedValue(name, earlier, later, f"{sign}{difference}", f"±{limit}")


def comparison_table(comparison: Comparison, *, console: Console | None = None) -> None:
    """Print a comparison for people."""
    words = compared(comparison)
    lines = [Text(f"Compared with {printable(words.names[0])} (unconfirmed)", style="bold")]
    lines += [Text(f"  {remark}", style="bold") for remark in words.remarks]
    lines += [Text(f"  {name}: {reason}") for name, reason in words.statements]
    for title, names in (("new", words.appeared), ("no longer present", words.disappeared)):
        if names:
            lines.append(Text(f"  {title}: {', '.join(names)}"))
    lines.append(Text(f"  {len(words.changed)} of {words.values} values changed", style="dim"))
    if words.left_out:
        lines.append(Text(f"  {printable(words.left_out)}"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim")
    for head in ("", "earlier", "now", "change", "usual"):
        table.add_column(head, justify="left" if not head else "right")
    for row in words.changed:
        table.add_row(row.name, row.earlier, row.later, row.difference, row.limit)
    (console or Console(highlight=False)).print(Group(*lines, *([table] * bool(words.changed))))
