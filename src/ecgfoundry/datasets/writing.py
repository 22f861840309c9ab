"""Writing the manifest of a data set while its rows come, for sets that do not fit into memory."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from ecgfoundry.manifest import ManifestRow
from ecgfoundry.schemas import load_schema

__all__ = ["stream_manifest"]


def stream_manifest(path: str | Path, rows: Iterable[ManifestRow]) -> int:
    """Write rows as CSV in the form of :func:`ecgfoundry.manifest.write_manifest`, one at a time.

    Which columns have a value shows only at the end, so that the cells are written to a spool file
    first and brought into order from there. Memory is bounded by one row.

    Parameters
    ----------
    path : str or Path
        Written whole or not at all.
    rows : iterable of ManifestRow

    Returns
    -------
    int
        Rows written.
    """
    path = Path(path)
    spool, temporary = path.with_name(f".{path.name}.spool"), path.with_name(f".{path.name}.part")
    columns: dict[str, int] = {}
    used: set[str] = set(load_schema("manifest")["required"])
    count = 0
    try:
        with spool.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            for row in rows:
                document = row.to_dict()
                for name, value in document.items():
                    columns.setdefault(name, len(columns))
                    if value is not None:
                        used.add(name)
                cells = [document.get(name) for name in columns]
                writer.writerow(["" if cell is None else cell for cell in cells])
                count += 1
        chosen = [name for name in columns if name in used]
        with (
            spool.open(newline="", encoding="utf-8") as source,
            temporary.open("w", newline="", encoding="utf-8") as stream,
        ):
            writer = csv.writer(stream)
            writer.writerow(chosen)
            places = [columns[name] for name in chosen]
            for spooled in csv.reader(source):
                width = len(spooled)
                writer.writerow([spooled[place] if place < width else "" for place in places])
        temporary.replace(path)
    finally:
        spool.unlink(missing_ok=True)
        temporary.unlink(missing_ok=True)
    return count
