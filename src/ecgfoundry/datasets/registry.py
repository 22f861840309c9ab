"""The data sets that are read, by name."""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.datasets import (
    cinc2017,
    cinc2021,
    code,
    cpsc,
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

__all__ = ["DATASETS", "dataset", "read_dataset"]

DATASETS: dict[str, Dataset] = {
    entry.name: entry
    for entry in (
        ptbxl.DATASET,
        code.CODE_TEST,
        code.CODE15,
        cinc2017.DATASET,
        cinc2021.DATASET,
        cpsc.CPSC2018,
        cpsc.CPSC2021,
        mitbih.DATASET,
        ludb.DATASET,
        sph.DATASET,
        mimic_iv_ecg.DATASET,
        mc_med.DATASET,
        heedb.DATASET,
    )
}


def dataset(name: str) -> Dataset:
    """Return the data set called ``name``.

    Raises
    ------
    DatasetError
        There is none; the message lists those that exist.
    """
    try:
        return DATASETS[name]
    except KeyError:
        raise DatasetError(
            f"there is no data set '{name}'", remedy=f"There are: {', '.join(DATASETS)}"
        ) from None


def read_dataset(name: str, folder: str | Path, **options: str) -> DatasetManifest:
    """Return the manifest of a data set's folder; see :meth:`Dataset.read`."""
    return dataset(name).read(folder, **options)
