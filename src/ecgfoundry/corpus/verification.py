"""Is a corpus whole? Every file, every shape, every row of the index, every segment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgfoundry.corpus import layout
from ecgfoundry.corpus.shards import segment_checksums, shard_shape
from ecgfoundry.errors import CorpusError, EcgFoundryError
from ecgfoundry.extras import require_polars
from ecgfoundry.io import sha256_of

__all__ = ["Verification", "verify_corpus"]


@dataclass(frozen=True)
class Verification:
    """What was looked at, and everything that is wrong (empty: the corpus is whole)."""

    files: int
    segments: int
    bytes: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_corpus(
    path: str | Path, *, hashes: bool = True, progress: Callable[[int, int], None] | None = None
) -> Verification:
    """Check a corpus.

    Parameters
    ----------
    path : str or Path
    hashes : bool
        Read every byte and compare the SHA-256 of tables and the CRC-32 of segments; False checks
        presence, size and shape only.
    progress : callable (tasks done, tasks), optional

    Raises
    ------
    CorpusError
        There is no finished corpus here.
    """
    root = Path(path)
    if not (root / layout.DOCUMENT).is_file():
        raise layout.no_corpus(root)
    document = layout.read_document(root / layout.DOCUMENT)
    tasks = int(document["tasks"])
    problems: list[str] = []
    digest = hashlib.sha256()
    files = segments = size = 0
    known = {layout.DOCUMENT}
    seen: set[int] = set()
    for number in range(tasks):
        name = f"{layout.COMMITS}/{layout.task_name(number)}.json"
        known.add(name)
        try:
            commit = layout.read_commit(root / name)
        except CorpusError as error:
            problems.append(str(error))
            continue
        digest.update(layout.json_bytes(commit))
        for file, entry in commit["files"].items():
            files, size = files + 1, size + entry["bytes"]
            known.add(file)
            problems += _file_problems(root, file, entry, hashes=hashes)
        found, count = _index_problems(root, number, commit, seen, hashes=hashes)
        problems += found
        segments += count
        if progress is not None:
            progress(number + 1, tasks)
    if digest.hexdigest() != document["commits_sha256"]:
        problems.append("the commits are not those that corpus.json was made of")
    if segments != document["segments"]:
        problems.append(f"the index has {segments} rows, corpus.json says {document['segments']}")
    problems += _strangers(root, known)
    return Verification(files, segments, size, tuple(problems))


def _file_problems(root: Path, name: str, entry: layout.FileEntry, *, hashes: bool) -> list[str]:
    path = root / name
    if not path.is_file():
        return [f"{name}: is missing"]
    if path.stat().st_size != entry["bytes"]:
        return [f"{name}: has {path.stat().st_size} bytes instead of {entry['bytes']}"]
    if name.startswith(f"{layout.SHARDS}/"):
        try:
            shard_shape(path)
        except EcgFoundryError as error:
            return [f"{name}: {error.problem}"]
    digest = entry.get("sha256")
    if hashes and digest is not None and sha256_of(path) != digest:
        return [f"{name}: its content is not what was written"]
    return []


def _index_problems(
    root: Path, number: int, commit: layout.Commit, seen: set[int], *, hashes: bool
) -> tuple[list[str], int]:
    """Each row of each shard must stand in the index once, and no segment twice."""
    pl = require_polars("verifying a corpus")
    name = f"{layout.INDEX}/{layout.task_name(number)}.parquet"
    try:
        index = pl.read_parquet(root / name, columns=["segment", "shard", "row", "crc32"])
    except (OSError, pl.exceptions.PolarsError) as error:
        return [f"{name}: cannot be read ({type(error).__name__})"], 0
    problems = []
    before = len(seen)
    seen.update(index["segment"].hash(seed=0).to_list())
    if len(seen) - before != len(index):
        problems.append(f"{name}: duplicate segments")
    shards = {file for file in commit["files"] if file.startswith(f"{layout.SHARDS}/")}
    strange = set(index["shard"].unique()) ^ shards
    if strange:
        problems.append(f"{name}: does not name the shards of its task")
    for shard in shards - strange:
        try:
            rows = shard_shape(root / shard)[0]
        except EcgFoundryError:
            continue  # said already
        own = index.filter(pl.col("shard") == shard).sort("row")
        if not np.array_equal(own["row"].to_numpy(), np.arange(rows)):
            problems.append(f"{name}: rows of {shard} are missing or duplicate")
        elif hashes:
            found = segment_checksums(np.load(root / shard, mmap_mode="r"))
            damaged = np.flatnonzero(found != own["crc32"].to_numpy())
            if len(damaged):
                problems.append(
                    f"{shard}: {len(damaged)} segment(s) are not what was written "
                    f"(row {damaged[0]})"
                )
    return problems, len(index)


def _strangers(root: Path, known: set[str]) -> list[str]:
    """Files that no commit names: the rest of an interrupted build, or somebody's own."""
    found = []
    for folder in (layout.SHARDS, layout.INDEX, layout.RECORDS, layout.COMMITS):
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and name not in known:
                found.append(f"{name}: belongs to no task")
    return found
