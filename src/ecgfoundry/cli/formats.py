"""``ecgfoundry formats``: what is read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecgfoundry.cli.saying import print_json
from ecgfoundry.cli.vocabulary import Json

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def formats(*, json: Json = False) -> None:
    """List the file formats that are read and written, and on what each was verified.

    Parameters
    ----------
    json
        One JSON object with the lists "read" and "written".
    """
    document = _document()
    if json:
        print_json(document)
    else:
        _print_tables(document)


def _document() -> dict[str, list[dict[str, Any]]]:
    from ecgfoundry.formats.registry import formats as readers
    from ecgfoundry.formats.writers import writers

    return {
        "read": [
            {
                "format": reader.name,
                "description": reader.description,
                "endings": list(reader.extensions),
                "verified_on": reader.verified_on,
                "extra": reader.extra,
                "random_access": reader.random_access,
            }
            for reader in readers()
        ],
        "written": [
            {
                "format": writer.name,
                "description": writer.description,
                "ending": writer.extension,
                "missing_samples": writer.missing,
                "extra": writer.extra,
            }
            for writer in writers()
        ],
    }


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)  # a name is typed as it is
    return table


def _print_tables(document: dict[str, list[dict[str, Any]]]) -> None:
    from rich.console import Console

    console = Console()
    table = _table("read", "format", "endings", "what it is")
    for row in document["read"]:
        remarks = [f"verified on: {row['verified_on']}", _extra(row)]
        if row["random_access"]:
            remarks.append("read in parts")
        table.add_row(row["format"], " ".join(row["endings"]), _described(row, remarks))
    console.print(table)
    console.print("read in parts: a part of a recording is read without the rest of it\n")
    table = _table("written", "format", "ending", "what it is")
    for row in document["written"]:
        remarks = [f"missing samples become {row['missing_samples']}", _extra(row)]
        table.add_row(row["format"], row["ending"], _described(row, remarks))
    console.print(table)


def _extra(row: dict[str, Any]) -> str:
    return f"extra '{row['extra']}'" if row["extra"] else ""


def _described(row: dict[str, Any], remarks: list[str]) -> Text:
    """Return what a format is, and below it, dim, the remarks that there are."""
    from rich.text import Text

    said = "; ".join(remark for remark in remarks if remark)
    return Text.assemble(row["description"], "\n", (said, "dim"))
