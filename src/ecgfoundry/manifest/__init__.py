"""The table of recordings: read, mapped from one's own columns, checked, split by patient, written.

``table`` holds the rows and their file forms, ``mapping`` turns other people's tables, folders and
arrays into rows, ``checks`` says what is wrong before anything is trained, ``splits`` parts by
patient.
"""

from __future__ import annotations

from ecgfoundry.manifest.checks import Problem, check_manifest, signal_hashes
from ecgfoundry.manifest.own_tables import ColumnMapping, MappedManifest, map_table
from ecgfoundry.manifest.splits import SplitShares, split_by_patient
from ecgfoundry.manifest.table import Manifest, ManifestRow, read_manifest, write_manifest
from ecgfoundry.manifest.targets import (
    class_counts,
    class_warnings,
    mark_problem,
    target_problems,
)

__all__ = [
    "ColumnMapping",
    "Manifest",
    "ManifestRow",
    "MappedManifest",
    "Problem",
    "SplitShares",
    "check_manifest",
    "class_counts",
    "class_warnings",
    "map_table",
    "mark_problem",
    "read_manifest",
    "signal_hashes",
    "split_by_patient",
    "target_problems",
    "write_manifest",
]
