"""Small files that announce gigabytes are refused before anything is unpacked."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.fuzz import bombs

import ecgfoundry
from ecgfoundry.errors import LimitError, UnsupportedVariantError
from ecgfoundry.formats.base import Limits
from ecgfoundry.formats.common.limits import UnpackingBudget

SMALL: dict[str, tuple[Callable[[Path], None], str, type[Exception]]] = {
    "hdf5, nothing stored": (bombs.hdf5_gzip, ".h5", LimitError),
    "hdf5, one chunk": (partial(bombs.hdf5_one_chunk, columns=800_000), ".h5", LimitError),
    "MAT 7.3, many names": (bombs.hdf5_many_links, ".mat", LimitError),
    "NPZ": (partial(bombs.npz, samples=20_000_000), ".npz", LimitError),
    "NPZ, bzip2": (bombs.npz_small_bzip2, ".npz", UnsupportedVariantError),
    "MAT 5": (partial(bombs.mat_v5, samples=80_000_000), ".mat", LimitError),
    "DICOM deflated": (partial(bombs.dicom_deflated, length=80_000_000), ".dcm", LimitError),
    "Parquet": (partial(bombs.parquet, rows=20_000_000), ".parquet", LimitError),
}


@pytest.mark.parametrize("name", list(SMALL))
def test_what_unpacks_to_much_more_than_is_stored_is_refused_first(
    tmp_path: Path, name: str
) -> None:
    make, ending, error = SMALL[name]
    if ending == ".parquet":
        pytest.importorskip("polars")
    path = tmp_path / f"bomb{ending}"
    make(path)
    stored = path.stat().st_size
    tracemalloc.start()
    try:
        with pytest.raises(error) as told:
            ecgfoundry.read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.name in str(told.value)
    # Deflated DICOM announces nothing: it is unpacked up to what it may become. Of a MAT file of
    # many names, those that are within the budget were read.
    most = 200_000_000 if ending in (".dcm", ".mat") else 20_000_000 + 2 * stored
    assert peak < most


def test_a_long_flat_recording_is_no_bomb(tmp_path: Path) -> None:
    """A lead that was off for a day at 125 Hz: 43 MB of zeros in 42 kB."""
    path = tmp_path / "flat.npz"
    flat = np.zeros((1, 125 * 86_400), np.float32)
    np.savez_compressed(path, signal=flat, leads=["I"], sampling_rate=125.0, unit="mV")
    assert path.stat().st_size < 60_000
    assert ecgfoundry.read(path).samples == 10_800_000


def test_the_budget_counts_all_parts() -> None:
    budget = UnpackingBudget(Path("x.mat"), Limits(file_bytes=100_000_000))
    budget.take(60_000_000, 100, "the first")  # any ratio, up to 64,000,000 bytes
    with pytest.raises(LimitError, match="the second unpacks to 5000000 bytes, 6500"):
        budget.take(5_000_000, 9_900, "the second")
    budget = UnpackingBudget(Path("x.mat"), Limits(file_bytes=100_000_000))
    budget.take(90_000_000, 450_000, "one of 200 times")
    with pytest.raises(LimitError, match="the limit of a file is 100000000"):
        budget.take(10_000_001, 10_000_000, "one that is not compressed")


@pytest.mark.parametrize(
    ("stored", "allowed"),
    [(0, 64_000_000), (320_000, 64_000_000), (400_000, 80_000_000), (10**9, 100_000_000)],
)
def test_the_allowance_of_what_announces_nothing(stored: int, allowed: int) -> None:
    budget = UnpackingBudget(Path("x.dcm"), Limits(file_bytes=100_000_000))
    assert budget.allowance(stored) == allowed
