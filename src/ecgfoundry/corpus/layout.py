"""The folder of a corpus: what stands where, and how files appear in it.

::

    corpus.json                    totals, options, provenance; written last
    plan/000.json                  what generation 0 is made of, cut into tasks
    commits/000012.json             task 12 is done: its files, their sizes and hashes
    shards/500Hz_II_5000/000012.npy its segments: int16 (segments, leads, samples)
    index/000012.parquet            one row per segment
    records/000012.parquet          one row per record that went in, used or not, and why

A task writes into ``work``, renames its files into place and commits last. What is committed is
whole; everything else is made again, to the same bytes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ecgfoundry.errors import CorpusError

__all__ = [
    "COMMITS",
    "DOCUMENT",
    "INDEX",
    "PLANS",
    "RECORDS",
    "SCHEMA_VERSION",
    "SHARDS",
    "WORK",
    "committed",
    "json_bytes",
    "publish",
    "read_json",
    "task_name",
]

DOCUMENT = "corpus.json"
PLANS, COMMITS, SHARDS, INDEX, RECORDS, WORK = (
    "plan",
    "commits",
    "shards",
    "index",
    "records",
    "work",
)
SCHEMA_VERSION = 1


def task_name(number: int) -> str:
    """Return the name that the files of a task share."""
    return f"{number:06d}"


def json_bytes(document: Any) -> bytes:
    """Return JSON with sorted keys, so that equal content is equal bytes."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    CorpusError
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CorpusError(f"cannot be read as JSON ({error})", path=path) from None
    if not isinstance(document, dict):
        raise CorpusError("does not hold a JSON object", path=path)
    return document


def publish(content: bytes, path: Path, work: Path) -> None:
    """Write a small file so that it is there whole or not at all, also after a loss of power.

    Until it is whole it stands in ``work``, which the next build clears, and not beside ``path``:
    what a killed build leaves is no file of the corpus.
    """
    temporary = work / path.name.replace("/", "_")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(path)


def committed(root: Path, number: int) -> dict[str, Any] | None:
    """Return the commit of a task if it is done and its files are there with their sizes."""
    path = root / COMMITS / f"{task_name(number)}.json"
    if not path.is_file():
        return None
    commit = read_json(path)
    for name, entry in commit["files"].items():
        file = root / name
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            return None  # made again
    return commit
