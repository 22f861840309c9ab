"""``ecgfoundry formats``: what is read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecgfoundry.cli.saying import print_json
from ecgfoundry.cli.vocabulary import Json

if TYPE_CHECKING:
    from rich.table import Table


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
    table = _table("read", "format", "endings", "parts", "verified on", "what it is")
    for row in document["read"]:
        table.add_row(
            row["format"],
            " ".join(row["endings"]),
            "yes" if row["random_access"] else "no",
            row["verified_on"] + (f" (extra '{row['extra']}')" if row["extra"] else ""),
            row["description"],
        )
    console.print(table)
    console.print("parts: whether a part of a recording is read without the rest of it\n")
    table = _table("written", "format", "ending", "extra", "missing samples become", "what it is")
    for row in document["written"]:
        table.add_row(
            row["format"],
            row["ending"],
            row["extra"] or "",
            row["missing_samples"],
            row["description"],
        )
    console.print(table)
