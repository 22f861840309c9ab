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

__all__ = [
    "ColumnMapping",
    "Manifest",
    "ManifestRow",
    "MappedManifest",
    "Problem",
    "SplitShares",
    "check_manifest",
    "map_table",
    "read_manifest",
    "signal_hashes",
    "split_by_patient",
    "write_manifest",
]
