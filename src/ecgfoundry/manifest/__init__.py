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
    summarize_targets,
)
from ecgfoundry.manifest.fingerprints import (
    FINGERPRINTS_FILE,
    fingerprint,
    fingerprints,
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
    "fingerprint",
    "fingerprints",
    "labels_of_model",
    "read_manifest",
    "read_recordings",
    "signal_hashes",
    "split_by_patient",
    "summarize_targets",
    "write_fingerprints",
    "write_manifest",
]
