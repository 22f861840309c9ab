"""The table of recordings: read, mapped from one's own columns, checked, split by patient, written.

``table`` holds the rows, ``reading`` is the one reader of tables of recordings for every command,
``checks`` says what is wrong before anything is trained, ``splits`` parts by
patient.
"""

from __future__ import annotations

from ecgfoundry.manifest.checks import (
    Problem,
    check_manifest,
    signal_hashes,
)
from ecgfoundry.manifest.fingerprints import (
    FINGERPRINTS_FILE,
    fingerprint,
    fingerprints,
    fingerprints_of_bundle,
    known_among,
    windows_fingerprints,
    write_fingerprints,
)
from ecgfoundry.manifest.model_labels import ModelLabels, labels_of_model
from ecgfoundry.manifest.reading import (
    ColumnMapping,
    MappedManifest,
    read_manifest,
    read_recordings,
)
from ecgfoundry.manifest.splits import SplitShares, split_by_patient
from ecgfoundry.manifest.table import Manifest, ManifestRow, write_manifest
from ecgfoundry.manifest.targets import (
    class_counts,
    class_warnings,
    mark_problem,
    target_problems,
)

__all__ = [
    "FINGERPRINTS_FILE",
    "ColumnMapping",
    "Manifest",
    "ManifestRow",
    "MappedManifest",
    "ModelLabels",
    "Problem",
    "SplitShares",
    "check_manifest",
    "class_counts",
    "class_warnings",
    "fingerprint",
    "fingerprints",
    "fingerprints_of_bundle",
    "known_among",
    "labels_of_model",
    "mark_problem",
    "read_manifest",
    "read_recordings",
    "signal_hashes",
    "split_by_patient",
    "target_problems",
    "windows_fingerprints",
    "write_fingerprints",
    "write_manifest",
]
