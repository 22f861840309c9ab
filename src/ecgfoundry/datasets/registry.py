"""The data sets that are read, by name."""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.datasets import (
    brugada_huca,
    cinc2011,
    cinc2017,
    cinc2021,
    cinc2025,
    code,
    cpsc,
    ecgfounder_labels,
    echonext,
    heedb,
    ludb,
    mc_med,
    mimic_iv_ecg,
    mitbih,
    ptbxl,
    sph,
)
from ecgfoundry.datasets.base import Dataset, DatasetManifest
from ecgfoundry.errors import DatasetError
from ecgfoundry.registry import Registry

__all__ = ["DATASETS", "read_dataset"]

_OWN = (
    ptbxl.DATASET,
    code.CODE_TEST,
    code.CODE15,
    cinc2011.DATASET,
    cinc2017.DATASET,
    cinc2021.DATASET,
    cinc2025.DATASET,
    cpsc.CPSC2018,
    cpsc.CPSC2021,
    mitbih.DATASET,
    ludb.DATASET,
    brugada_huca.DATASET,
    sph.DATASET,
    mimic_iv_ecg.DATASET,
    mc_med.DATASET,
    heedb.DATASET,
    echonext.DATASET,
    ecgfounder_labels.DATASET,
)


def _add_own(registry: Registry[Dataset]) -> None:
    for entry in _OWN:
        registry.add(entry, origin="ecgfoundry")


DATASETS: Registry[Dataset] = Registry(
    "data set",
    error=DatasetError,
    group="ecgfoundry.datasets",
    builtin=_add_own,
    name_of=lambda entry: entry.name,
)
"""All data sets by name; entry points of other packages in the group ``ecgfoundry.datasets`` give a
:class:`Dataset`."""


def read_dataset(name: str, folder: str | Path, **options: str) -> DatasetManifest:
    """Return the manifest of a data set's folder; see :meth:`Dataset.read`."""
    return DATASETS[name].read(folder, **options)
