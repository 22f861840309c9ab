"""Writing the manifest of a data set while its rows come, for sets that do not fit into memory."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ecgfoundry.datasets.base import Dataset
from ecgfoundry.io import write_atomically
from ecgfoundry.manifest import ManifestRow
from ecgfoundry.manifest.croissant import CroissantAbout
from ecgfoundry.schemas import load_schema

__all__ = ["about_dataset", "stream_manifest"]


def about_dataset(dataset: Dataset) -> CroissantAbout:
    """Return what catalogues want to know of a data set; the creator is who is cited for it."""
    return CroissantAbout(
        name=dataset.title,
        description=f"{dataset.content}. Manifest of the recordings, made by ecgfoundry.",
        license=dataset.licence,
        creator=dataset.citation.partition(". ")[0],
        url=dataset.url,
        cite_as=dataset.citation,
    )


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
    columns: dict[str, int] = {}
    used: set[str] = set(load_schema("manifest")["required"])
    count = 0
    with tempfile.TemporaryFile("w+", newline="", encoding="utf-8", dir=path.parent) as spool:
        writer = csv.writer(spool)
        for row in rows:
            document = row.to_dict()
            for name, value in document.items():
                columns.setdefault(name, len(columns))
                if value is not None:
                    used.add(name)
            cells = [document.get(name) for name in columns]
            writer.writerow(["" if cell is None else cell for cell in cells])
            count += 1
        spool.seek(0)
        chosen = [name for name in columns if name in used]
        places = [columns[name] for name in chosen]
        with (
            write_atomically(path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as stream,
        ):
            writer = csv.writer(stream)
            writer.writerow(chosen)
            for spooled in csv.reader(spool):
                width = len(spooled)
                writer.writerow([spooled[place] if place < width else "" for place in places])
    return count
