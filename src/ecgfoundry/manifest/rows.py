"""What rows say against each other: one person in several spellings, one recording with two labels.

No file is opened: a recording is known by its path and the part of it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence

from ecgfoundry.manifest.table import Manifest, ManifestRow

__all__ = ["contradictions", "notes_on_rows", "plain_id", "spelled_in_several_ways"]


def plain_id(name: str) -> str:
    """Return an identifier without leading zeros, ".0", case and spaces.

    Examples
    --------
    >>> [plain_id(name) for name in ("007", " 7 ", "7.0", "P7", "p7")]
    ['7', '7', '7', 'p7', 'p7']
    """
    text = name.strip().casefold()
    whole, point, rest = text.partition(".")
    if point and not rest.strip("0") and whole.isdecimal():
        text = whole
    return text.lstrip("0") or "0" if text.isdecimal() else text


def spelled_in_several_ways(patients: Iterable[str]) -> list[list[str]]:
    """Return the spellings of each identifier that has more than one."""
    spelled: dict[str, set[str]] = defaultdict(set)
    for patient in patients:
        spelled[plain_id(patient)].add(patient)
    return [sorted(names) for names in spelled.values() if len(names) > 1]


def contradictions(groups: Iterable[Sequence[ManifestRow]], targets: Sequence[str]) -> list[str]:
    """Return in words where rows of one recording (each group) have two values of a target."""
    found = []
    for rows in groups:
        if len(rows) < 2:
            continue
        for name in targets:
            first: dict[float, str] = {}
            for row in rows:
                value = row.targets.get(name)
                if value is not None:
                    first.setdefault(value, row.record)
            if len(first) > 1:
                said = [f"{record} says {value:g}" for value, record in first.items()]
                found.append(f"'{name}': {' and '.join(said[:2])}")
    return found


def notes_on_rows(manifest: Manifest) -> list[str]:
    """Return what whoever uses a table should know, although nothing in it is refused."""
    notes = []
    alike = spelled_in_several_ways(row.patient for row in manifest.rows if row.patient)
    if alike:
        notes.append(
            f"{len(alike)} patient(s) are written in more than one way and count as different "
            "people; write each in one way (9012, 9012.0 and 09012 are three)"
        )
    same: dict[object, list[ManifestRow]] = defaultdict(list)
    for row in manifest.rows:
        # Only what is written: a million rows on a slow disk must not be looked up.
        path = os.path.normpath(manifest.path_of(row))
        same[path, row.index, row.start_s, row.duration_s].append(row)
    several = [rows for rows in same.values() if len(rows) > 1]
    if several:
        notes.append(
            f"{len(several)} recording(s) stand in more than one row and count more than others "
            f"(for example {several[0][0].record} = {several[0][1].record})"
        )
    found = contradictions(several, manifest.target_names)
    if found:
        notes.append(
            f"{len(found)} time(s) rows with one recording have different values of a target "
            f"({found[0]}): correct the wrong one"
        )
    return notes
