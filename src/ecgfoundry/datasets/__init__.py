"""Public data sets: a folder as it is distributed -> a manifest, intervals and a cohort flow.

One module per data set (or per family), a registry of them all, and nothing that downloads.
"""

from __future__ import annotations

from ecgfoundry.datasets.base import Dataset, DatasetManifest, DatasetReport, Interval, Option
from ecgfoundry.datasets.registry import DATASETS, read_dataset

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetManifest",
    "DatasetReport",
    "Interval",
    "Option",
    "read_dataset",
]
