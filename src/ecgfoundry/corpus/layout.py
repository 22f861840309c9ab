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
from shlex import quote
from typing import Any, NotRequired, TypedDict, TypeVar

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import CorpusError
from ecgfoundry.formats.zip.directory import is_safe_name

__all__ = [
    "COMMITS",
    "DOCUMENT",
    "INDEX",
    "PLANS",
    "RECORDS",
    "SCHEMA_VERSION",
    "SHARDS",
    "WORK",
    "Commit",
    "CorpusDocument",
    "FileEntry",
    "PlanDocument",
    "check_name",
    "committed",
    "json_bytes",
    "no_corpus",
    "publish",
    "read_commit",
    "read_document",
    "read_json",
    "read_plan",
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


class FileEntry(TypedDict):
    """A file of a task. Tables have a hash; a shard is checked against its index."""

    bytes: int
    sha256: NotRequired[str]


class Commit(TypedDict):
    """``commits/000012.json``: the files of a task, and what became of its records and windows."""

    task: int
    files: dict[str, FileEntry]
    records: dict[str, int]
    totals: dict[str, int]


class PlanDocument(TypedDict):
    """``plan/000.json``: one generation of a corpus."""

    generation: int
    first_task: int
    tasks: int
    fingerprint: str
    options: JsonObject
    provenance: JsonObject


class CorpusDocument(TypedDict):
    """``corpus.json``: all commits together."""

    format: str
    schema_version: int
    made_by: str
    generations: list[PlanDocument]
    tasks: int
    records: dict[str, int]
    windows: dict[str, int]
    segments: int
    bytes: int
    commits_sha256: str
    groups: dict[str, int]
    synthetic: bool


_Kind = TypeVar("_Kind", Commit, PlanDocument, CorpusDocument)


def no_corpus(root: Path) -> CorpusError:
    """Return the error of a folder that holds no finished corpus."""
    command = f"ecgfoundry corpus build TABLE --output {quote(str(root))}"
    return CorpusError(
        "there is no finished corpus here", path=root, remedy=f"Build it, or go on with: {command}"
    )


def task_name(number: int) -> str:
    """Return the name that the files of a task share."""
    return f"{number:06d}"


def json_bytes(document: Any) -> bytes:
    """Return JSON with sorted keys, so that equal content is equal bytes."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_commit(path: Path) -> Commit:
    """Read the commit of a task; a CorpusError where it is none, or names a file elsewhere."""
    commit = _read(path, Commit)
    for name in commit["files"]:
        check_name(name, path)
    return commit


def check_name(name: str, source: Path | str) -> None:
    """Refuse the name of a file that would lie outside the folder of its corpus.

    Raises
    ------
    CorpusError
        Says where the name stands.
    """
    if not is_safe_name(name):
        raise CorpusError(
            f"names {name!r}, which is no file of a corpus",
            path=source,
            remedy="Do not use it: its names reach for files outside of it",
        )


def read_plan(path: Path) -> PlanDocument:
    """Read the plan of a generation; a CorpusError where it is none."""
    return _read(path, PlanDocument)


def read_document(path: Path) -> CorpusDocument:
    """Read ``corpus.json``; a CorpusError where it is none."""
    return _read(path, CorpusDocument)


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    document: Any = read_json(path)
    lacking = sorted(set(kind.__annotations__) - set(document))
    if lacking:
        raise CorpusError(f"lacks '{lacking[0]}'", path=path, remedy="Build the corpus again")
    found: _Kind = document
    return found


def read_json(path: Path) -> JsonObject:
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


def committed(root: Path, number: int) -> Commit | None:
    """Return the commit of a task if it is done and its files are there with their sizes."""
    path = root / COMMITS / f"{task_name(number)}.json"
    if not path.is_file():
        return None
    commit = read_commit(path)
    for name, entry in commit["files"].items():
        file = root / name
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            return None  # made again
    return commit
