"""What a build is made of: records in order, cut into tasks by size, with a fingerprint.

The cut depends on the input alone, never on the number of workers: one task makes one shard per
group, so the same input gives the same files on one core and on a cluster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ecgfoundry.corpus.quality_gate import Gate
from ecgfoundry.datasets.mc_med_waveforms import MEMBER_MARK, stored_size
from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import CorpusError, EcgFoundryError
from ecgfoundry.formats.common.stamps import stamp_of
from ecgfoundry.leads import normalize_lead_names
from ecgfoundry.manifest import Manifest, ManifestRow

__all__ = ["BuildOptions", "Plan", "make_plan"]

TASK_BYTES = 128 * 2**20
"""Of signal files per task, so about the size of a shard: small enough to lose little when a
worker dies, large enough that 20 million segments are some 1,500 files (our choice)."""

TASK_RECORDS = 4096
_UNKNOWN_BYTES = 120_000  # twelve leads of 10 s at 500 Hz: a row of an array file


@dataclass(frozen=True)
class BuildOptions:
    """How a corpus is built; part of its fingerprint.

    Parameters
    ----------
    segment_s : float
        Length of a segment in seconds; segments do not overlap.
    leads : tuple of str or None
        Only these leads, in this order; None takes all ECG leads of a recording.
    gate : Gate
    task_bytes : int
    """

    segment_s: float = 10.0
    leads: tuple[str, ...] | None = None
    gate: Gate = field(default_factory=Gate)
    task_bytes: int = TASK_BYTES

    def __post_init__(self) -> None:
        if not 1.0 <= self.segment_s <= 3600.0:
            raise CorpusError(f"segments of {self.segment_s:g} s are not built (1 to 3600 s are)")
        if self.task_bytes < 1:
            raise CorpusError("a task must have at least one byte")
        if self.leads is not None:
            object.__setattr__(self, "leads", normalize_lead_names(self.leads))

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        document: JsonObject = json.loads(json.dumps(asdict(self)))
        return document


@dataclass(frozen=True)
class Plan:
    """One generation of a corpus.

    Parameters
    ----------
    generation : int
    first_task : int
    bounds : tuple of (int, int)
        First and last + 1 row of the manifest for each task.
    fingerprint : str
        SHA-256 over the rows, the sizes of their files and when they changed, the bounds and the
        options.
    options : BuildOptions
    """

    generation: int
    first_task: int
    bounds: tuple[tuple[int, int], ...]
    fingerprint: str
    options: BuildOptions

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "generation": self.generation,
            "first_task": self.first_task,
            "tasks": len(self.bounds),
            "fingerprint": self.fingerprint,
            "options": self.options.to_dict(),
        }


def make_plan(
    manifest: Manifest,
    options: BuildOptions,
    *,
    generation: int,
    first_task: int,
    stored: Iterable[str] = (),
) -> tuple[Plan, Manifest]:
    """Cut the records that are not stored yet into tasks.

    Parameters
    ----------
    manifest : Manifest
    stored : iterable of str
        Records of earlier generations: left out, so that nothing stands twice.

    Returns
    -------
    Plan
    Manifest
        The rows that the plan numbers.
    """
    known = set(stored)
    rows = tuple(row for row in manifest.rows if row.record not in known)
    sizes = [_source_bytes(manifest.folder, row) for row in rows]
    bounds = _cut(sizes, options.task_bytes)
    digest = hashlib.sha256(json.dumps(options.to_dict(), sort_keys=True).encode())
    digest.update(json.dumps([generation, first_task, bounds]).encode())
    for row, size in zip(rows, sizes, strict=True):
        stamp = stamp_of(manifest.path_of(row))
        digest.update(
            json.dumps([row.to_dict(), size, stamp], sort_keys=True, default=str).encode()
        )
    plan = Plan(generation, first_task, bounds, digest.hexdigest(), options)
    return plan, manifest.with_rows(rows)


def _cut(sizes: Sequence[int], limit: int) -> tuple[tuple[int, int], ...]:
    bounds: list[tuple[int, int]] = []
    start = total = 0
    for position, size in enumerate(sizes):
        if position > start and (total + size > limit or position - start >= TASK_RECORDS):
            bounds.append((start, position))
            start, total = position, 0
        total += size
    if start < len(sizes):
        bounds.append((start, len(sizes)))
    return tuple(bounds)


def _source_bytes(folder: Path, row: ManifestRow) -> int:
    """Return the size of a record's signal file; 0 if it is not there (the build says so later)."""
    if row.index is not None:
        return _UNKNOWN_BYTES
    path = Path(row.path)
    path = path if path.is_absolute() else folder / path
    try:
        if MEMBER_MARK in row.path:
            return stored_size(path)
        for suffix in (".dat", ".mat"):
            beside = path.with_suffix(suffix)
            if beside.is_file():
                return beside.stat().st_size
        return path.stat().st_size
    except (OSError, EcgFoundryError):
        return 0
