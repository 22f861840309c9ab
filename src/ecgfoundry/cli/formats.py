"""``ecgfoundry formats``: what is read."""

from __future__ import annotations


def formats() -> None:
    """List the file formats that are read, and on what each was verified."""
    from rich.console import Console
    from rich.table import Table

    from ecgfoundry.formats.registry import formats as list_formats

    table = Table("format", "endings", "random access", "verified on", "what it is")
    for reader in list_formats():
        table.add_row(
            reader.name,
            " ".join(reader.extensions),
            "yes" if reader.random_access else "no",
            reader.verified_on + (f" (extra '{reader.extra}')" if reader.extra else ""),
            reader.description,
        )
    Console().print(table)
