"""Which of the files that were sent together are a recording, and which belong to it.

Most formats have one file for a recording. A WFDB record has a header, and the signal files,
segments and annotation files that belong to it; an array may have a description beside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SentRecordings", "files_by_recording", "recordings_among", "safe_name"]

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LARGEST_HEADER = 1_000_000
_NEVER_ALONE = frozenset({".atr", ".dat", ".htm", ".html", ".md"})
"""Endings of files that are no recording of their own where there are others."""


def safe_name(name: str | None, fallback: str = "upload") -> str:
    """Return a file name that can do no harm; its ending stays (WFDB files are found by it)."""
    last = re.split(r"[\\/]", name or "")[-1]
    cleaned = _UNSAFE.sub("_", last).lstrip(".")[-100:]
    return cleaned or fallback


@dataclass(frozen=True, slots=True)
class SentRecordings:
    """``first``: of every recording, the file to read. ``alone``: files that belong to none."""

    first: tuple[Path, ...]
    alone: tuple[Path, ...]


def recordings_among(paths: Sequence[Path]) -> SentRecordings:
    """Sort files by the recordings that they belong to.

    Parameters
    ----------
    paths : sequence of Path
        In one folder, under safe names.
    """
    headers = {path: _named_in(path) for path in paths if path.suffix.lower() == ".hea"}
    segments = set().union(*(named for _, named in headers.values())) if headers else set()
    owned = {path for path in headers if path.stem in segments}
    masters = [path for path in headers if path not in owned]
    stems = {path.stem for path in headers}
    signals = set().union(*(files for files, _ in headers.values())) if headers else set()
    others = [path for path in paths if path not in headers]
    owned |= {path for path in others if path.stem in stems or path.name in signals}
    rest = [path for path in others if path not in owned]
    described = {path.stem for path in rest if path.suffix.lower() != ".json"}
    rest = [p for p in rest if p.suffix.lower() != ".json" or p.stem not in described]
    if len(paths) > 1:
        alone = tuple(path for path in rest if path.suffix.lower() in _NEVER_ALONE)
    else:
        alone = ()
    own = [path for path in rest if path not in alone]
    return SentRecordings(tuple(path for path in paths if path in {*masters, *own}), alone)


def files_by_recording(paths: Sequence[Path]) -> dict[Path, tuple[Path, ...]]:
    """Return the files of every recording: the one to read, and what it needs beside it.

    Parameters
    ----------
    paths : sequence of Path
        In one folder, under safe names.
    """
    by_name = {path.name: path for path in paths}
    by_stem: dict[str, list[Path]] = {}
    for path in paths:
        by_stem.setdefault(path.stem, []).append(path)

    def needed(path: Path) -> set[Path]:
        same = by_stem[path.stem]
        if path.suffix.lower() != ".hea":
            return {other for other in same if other.suffix.lower() == ".json"}
        files, segments = _named_in(path)
        headers = {other for name in segments for other in by_stem.get(name, ())}
        return {*same, *headers, *(by_name[name] for name in files if name in by_name)}

    groups = {}
    for first in recordings_among(paths).first:
        group, waiting = {first}, [first]
        while waiting:
            more = needed(waiting.pop()) - group
            group |= more
            waiting += [path for path in more if path.suffix.lower() == ".hea"]
        groups[first] = (first, *sorted(group - {first}))
    return groups


def _named_in(header: Path) -> tuple[set[str], set[str]]:
    """The signal files and the segments that a WFDB header names, under their safe names."""
    with header.open("rb") as file:
        text = file.read(_LARGEST_HEADER).decode("latin-1")
    lines = [line.split() for line in text.splitlines() if line.strip() and line[:1] != "#"]
    if not lines:
        return set(), set()
    named = {safe_name(words[0]) for words in lines[1:]}
    if "/" in lines[0][0]:  # record name/number of segments
        return set(), named
    return named, set()
