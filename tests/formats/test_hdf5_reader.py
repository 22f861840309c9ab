"""HDF5: SPH, the two CODE data sets, plain datasets, and what is refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LeadError,
    LimitError,
    SignalError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import identify, inspect, read
from ecgfoundry.formats.arrays.hdf5 import READER
from ecgfoundry.formats.arrays.hdf5_files import take_dataset
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.limits import UnpackingBudget
from ecgfoundry.leads import STANDARD_12_LEADS, limb_disagreement


def test_sph_fixture(fixtures: Path) -> None:
    path = fixtures / "sph/SPH00001.h5"
    recording = read(path)
    assert identify(path).name == "hdf5"
    assert recording.leads == STANDARD_12_LEADS
    assert (recording.sampling_rate, recording.samples) == (500, 5000)
    assert (recording.subject.age, recording.subject.sex) == (55, "male")
    assert recording.header["AHA_Code"] == "22;23"
    with h5py.File(path) as file:
        np.testing.assert_array_equal(recording.signal, file["ecg"][()].astype(np.float32))
    disagreement = limb_disagreement(dict(zip(recording.leads, recording.signal, strict=True)))
    assert max(disagreement.values()) < 0.1


def test_every_shared_sph_file(shared_data: Path) -> None:
    files = sorted((shared_data / "formats/sph_hdf5").glob("*.h5"))
    assert files
    for path in files:
        recording = read(path)
        assert recording.leads == STANDARD_12_LEADS
        assert np.isfinite(recording.signal).all()
        assert 0.3 < np.median(np.ptp(recording.signal, axis=1)) < 6  # mV
        assert inspect(path).samples == recording.samples
        swapped = limb_disagreement(dict(zip(recording.leads, recording.signal, strict=True)))
        assert max(swapped.values()) < 0.2


def code_file(
    path: Path, fixtures: Path, *, order: tuple[int, ...] = tuple(range(12)), exams: bool = True
) -> np.ndarray:
    """Write a part of CODE with a real recording between zeros; return that recording."""
    signal = read(fixtures / "code15/code_15_795649.mat").signal
    tracings = np.zeros((3, 4096, 12), np.float32)
    tracings[1, 581 : 581 + signal.shape[1]] = signal[list(order)].T
    tracings[2] = np.random.default_rng(0).normal(size=(4096, 12))
    with h5py.File(path, "w") as file:
        file["tracings"] = tracings
        if exams:
            file["exam_id"] = np.array([11, 795649, 13])
    return signal


def test_code15_part(fixtures: Path, tmp_path: Path) -> None:
    path = tmp_path / "exams_part0.hdf5"
    signal = code_file(path, fixtures)
    recording = read(path, index=1)
    assert recording.leads == STANDARD_12_LEADS
    assert (recording.sampling_rate, recording.samples) == (400, 2934)
    np.testing.assert_array_equal(recording.signal, signal)
    assert recording.header["exam_id"] == "795649"
    assert recording.header["lead_order"].startswith("checked")
    info = inspect(path)
    assert (info.recordings, info.samples) == (3, 4096)
    assert inspect(path, index=1).samples == 2934


def test_code_test_unit_and_other_lead_order(fixtures: Path, tmp_path: Path) -> None:
    """Limb leads stored as I, II, III, aVL, aVF, aVR are found from the signal."""
    path = tmp_path / "ecg_tracings.hdf5"
    signal = code_file(path, fixtures, order=(0, 1, 2, 4, 5, 3, *range(6, 12)), exams=False)
    recording = read(path, index=1)
    for lead, row in zip(STANDARD_12_LEADS, signal, strict=True):
        np.testing.assert_allclose(recording.lead(lead), row * 0.1, rtol=1e-6)


def test_code_refusals(fixtures: Path, tmp_path: Path) -> None:
    path = tmp_path / "exams_part0.hdf5"
    code_file(path, fixtures)
    with pytest.raises(SignalError, match=r"3 recordings.*index"):
        read(path)
    with pytest.raises(SignalError, match="recording 0 is empty"):
        read(path, index=0)
    with pytest.raises(SignalError, match="no recording 3"):
        read(path, index=3)
    with pytest.raises(LeadError, match="neither known order"):
        read(path, index=2)
    assert read(path, index=2, leads=STANDARD_12_LEADS).samples == 4096


def plain(path: Path, **attributes: object) -> Path:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", data=np.arange(20, dtype=np.int16).reshape(2, 10))
        for key, value in attributes.items():
            dataset.attrs[key] = value
    return path


def test_plain_dataset_with_attributes_or_options(tmp_path: Path) -> None:
    path = plain(tmp_path / "a.h5", leads=["I", "V2"], unit="uV", sampling_rate=250.0)
    recording = read(path)
    assert recording.leads == ("I", "V2")
    assert float(recording.signal[1, 0]) == np.float32(0.01)
    with pytest.raises(LeadError, match="Supply"):
        read(plain(tmp_path / "b.h5"))
    given = read(tmp_path / "b.h5", leads=("I", "II"), unit="mV", sampling_rate=100, start_s=0.05)
    assert given.signal[0].tolist() == [5, 6, 7, 8, 9]


def refused_file(path: Path, case: str) -> None:
    with h5py.File(path, "w") as file:
        if case == "external link":
            file["ecg"] = h5py.ExternalLink("/etc/passwd", "/ecg")
        elif case == "soft link":
            file["real"] = np.zeros((12, 5))
            file["ecg"] = h5py.SoftLink("/real")
        elif case == "external storage":
            file.create_dataset("ecg", (12, 5), "i1", external=[("/etc/passwd", 0, 60)])
        elif case == "virtual":
            layout = h5py.VirtualLayout((12, 5), "f4")
            layout[:] = h5py.VirtualSource("other.h5", "ecg", (12, 5))
            file.create_virtual_dataset("ecg", layout)
        elif case == "group":
            file.create_group("ecg")
        elif case == "text":
            file["ecg"] = ["a", "b"]
        elif case == "huge":
            file.create_dataset("ecg", (12, 10**9), "f4", chunks=(12, 1000))
        elif case == "tracings of another shape":
            file["tracings"] = np.zeros((4, 12, 4096), np.float32)
        elif case == "two datasets":
            file["a"], file["b"] = np.zeros((2, 5)), np.zeros((2, 5))


CASES: dict[str, type[EcgFoundryError]] = {
    "external link": UnsupportedVariantError,
    "soft link": UnsupportedVariantError,
    "external storage": UnsupportedVariantError,
    "virtual": UnsupportedVariantError,
    "group": FormatError,
    "text": SignalError,
    "huge": LimitError,
    "tracings of another shape": FormatError,
    "two datasets": FormatError,
}


@pytest.mark.parametrize("case", CASES)
def test_refusals(tmp_path: Path, case: str) -> None:
    path = tmp_path / "x.h5"
    refused_file(path, case)
    with pytest.raises(CASES[case]):
        read(path)


def test_limit(fixtures: Path) -> None:
    with pytest.raises(LimitError, match="60000 samples"):
        READER.read(fixtures / "sph/SPH00001.h5", ReadOptions(limits=Limits(samples=10)), 0, None)


def test_of_the_first_dimension_one_index_is_counted(tmp_path: Path) -> None:
    """Of (5, 2, 100) samples of 4 bytes that are not in chunks, one recording is 800 bytes."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros((5, 2, 100), np.float32)
    for most, fits in ((800, True), (799, False)):
        with h5py.File(path) as file:
            budget = UnpackingBudget(path, Limits(file_bytes=most))
            if fits:
                take_dataset(budget, file["x"], 1)
            else:
                with pytest.raises(LimitError):
                    take_dataset(budget, file["x"], 1)
