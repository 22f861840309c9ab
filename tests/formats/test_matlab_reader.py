"""MAT files: the known layouts, bare matrices, v7.3, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from ecgfoundry.errors import (
    FormatError,
    LeadError,
    LimitError,
    SamplingRateError,
    SignalError,
    UnitError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import identify, inspect, read
from ecgfoundry.formats.base import Limits
from ecgfoundry.formats.matlab.files import load_variables
from ecgfoundry.leads import STANDARD_12_LEADS, limb_disagreement

STATED = {"leads": ["I", "II"], "unit": "uV", "sampling_rate": 250}
MATRIX = np.arange(20, dtype=np.int16).reshape(2, 10)


def test_code15_fixture(fixtures: Path) -> None:
    path = fixtures / "code15/code_15_795649.mat"
    recording = read(path)
    assert recording.leads == STANDARD_12_LEADS
    assert (recording.sampling_rate, recording.samples) == (400, 2934)
    np.testing.assert_array_equal(recording.signal, loadmat(path)["feats"])
    disagreement = limb_disagreement(dict(zip(recording.leads, recording.signal, strict=True)))
    assert max(disagreement.values()) < 0.1


def cpsc2018(folder: Path, **fields: object) -> Path:
    data = np.random.default_rng(0).normal(size=(12, 700))
    structure = {"sex": "Female", "age": np.uint8(26), "data": data} | fields
    path = folder / "A0001.mat"
    savemat(path, {"ECG": structure})
    return path


def test_cpsc2018_structure(tmp_path: Path) -> None:
    path = cpsc2018(tmp_path)
    recording = read(path)
    assert recording.leads == STANDARD_12_LEADS
    assert (recording.sampling_rate, recording.samples) == (500, 700)
    assert (recording.subject.age, recording.subject.sex) == (26, "female")
    data = loadmat(path)["ECG"]["data"][0, 0]
    np.testing.assert_array_equal(recording.signal, data.astype(np.float32))
    assert np.isnan(read(cpsc2018(tmp_path, age=np.nan)).subject.age or np.nan)


def test_cpsc2019_needs_its_file_name(tmp_path: Path) -> None:
    column = np.random.default_rng(0).normal(size=(5000, 1))
    savemat(tmp_path / "data_00014.mat", {"ecg": column})
    recording = read(tmp_path / "data_00014.mat")
    assert (recording.leads, recording.sampling_rate) == (("ECG",), 500)
    savemat(tmp_path / "mine.mat", {"ecg": column})
    with pytest.raises(LeadError):
        read(tmp_path / "mine.mat")


@pytest.mark.parametrize("version", ["4", "5"])
@pytest.mark.parametrize("compressed", [False, True])
def test_bare_matrix_needs_everything_stated(
    tmp_path: Path, version: str, compressed: bool
) -> None:
    path = tmp_path / "x.mat"
    savemat(path, {"val": MATRIX}, format=version, do_compression=compressed)
    assert identify(path).name == "matlab"
    np.testing.assert_array_equal(read(path, **STATED).signal, (MATRIX / 1000).astype(np.float32))
    for missing, kind in (
        ("leads", LeadError),
        ("unit", UnitError),
        ("sampling_rate", SamplingRateError),
    ):
        with pytest.raises(kind, match="Supply"):
            read(path, **{key: value for key, value in STATED.items() if key != missing})


def test_turned_matrix_is_refused_not_guessed(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"val": MATRIX.T})
    with pytest.raises(LeadError, match="transpose"):
        read(tmp_path / "x.mat", **STATED)


def test_column_is_one_lead(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"val": np.arange(30.0)[:, np.newaxis]})
    recording = read(tmp_path / "x.mat", leads="II", unit="mV", sampling_rate=10, start_s=1)
    assert recording.signal[0].tolist() == list(range(10, 30))


def test_several_matrices_are_ambiguous(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"a": MATRIX, "b": MATRIX})
    with pytest.raises(FormatError, match="several matrices"):
        read(tmp_path / "x.mat", **STATED)
    savemat(tmp_path / "y.mat", {"val": MATRIX, "b": MATRIX})
    assert read(tmp_path / "y.mat", **STATED).samples == 10
    savemat(tmp_path / "z.mat", {"words": "only"})
    with pytest.raises(SignalError, match="no numeric matrix"):
        read(tmp_path / "z.mat", **STATED)


def write_v73(path: Path, matrix: np.ndarray) -> None:
    """Write as MATLAB does: a text header of 512 bytes, then HDF5 with turned arrays."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["val"] = matrix.T
        file["val"].attrs["MATLAB_class"] = np.bytes_(b"int16")
        name = file.create_dataset("note", data=np.array([[ord(c)] for c in "abc"], np.uint16))
        name.attrs["MATLAB_class"] = np.bytes_(b"char")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: test".ljust(124) + b"\x00\x02IM")


def test_v73(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    write_v73(path, MATRIX)
    assert identify(path).name == "matlab"
    assert load_variables(path, Limits())["note"] == "abc"
    np.testing.assert_array_equal(read(path, **STATED).signal, (MATRIX / 1000).astype(np.float32))


def test_limits_are_checked_before_unpacking(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    savemat(path, {"val": np.zeros((1000, 1000))}, do_compression=True)
    assert path.stat().st_size < 20_000
    with pytest.raises(LimitError, match="unpacks"):
        load_variables(path, Limits(file_bytes=100_000))
    with pytest.raises(LimitError, match="'val' has 1000000 elements"):
        load_variables(path, Limits(samples=100_000))
    with pytest.raises(LimitError, match="bytes; the limit"):
        load_variables(path, Limits(file_bytes=100))


def matrix_element(array_class: int, dimensions: tuple[int, int], name: bytes = b"val") -> bytes:
    """The head of a v5 matrix element, written from the MAT-File Format description."""
    body = struct.pack("<4I", 6, 8, array_class, 0)
    body += struct.pack("<2I2i", 5, 8, *dimensions)
    body += struct.pack("<2I", 1, len(name)) + name.ljust(8, b"\0")
    body += struct.pack("<2I", 9, 0)
    return struct.pack("<2I", 14, len(body)) + body


HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


@pytest.mark.parametrize("array_class", [1, 2, 6])
def test_absurd_dimensions(tmp_path: Path, array_class: int) -> None:
    path = tmp_path / "x.mat"
    path.write_bytes(HEAD + matrix_element(array_class, (2**31 - 1, 2**31 - 1)))
    with pytest.raises(LimitError, match="elements"):
        read(path)
    path.write_bytes(HEAD + matrix_element(array_class, (-5, 7)))
    with pytest.raises(FormatError, match="negative"):
        read(path)


def test_absurd_dimensions_inside_a_structure(tmp_path: Path) -> None:
    """200 bytes that make scipy.io.loadmat allocate 8 GB."""
    cell = matrix_element(1, (2**15, 2**15), name=b"")[:-8]
    field = struct.pack("<2I", 14, len(cell) - 8) + cell[8:]
    body = matrix_element(2, (1, 1), name=b"ECG")[8:-8]
    body += struct.pack("<HHI", 5, 4, 8) + struct.pack("<2I", 1, 8) + b"data\0\0\0\0" + field
    path = tmp_path / "x.mat"
    path.write_bytes(HEAD + struct.pack("<2I", 14, len(body)) + body)
    with pytest.raises(LimitError, match="1073741824 elements"):
        read(path)


ARRAYS = [np.arange(6).reshape(2, 3).astype(kind) for kind in "bBhHiIqQfd"]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
@pytest.mark.parametrize("compressed", [False, True])
def test_every_number_class_equals_scipy(
    tmp_path: Path, array: np.ndarray, compressed: bool
) -> None:
    path = tmp_path / "x.mat"
    content = {"a": array, "s": {"x": array, "t": "text", "n": {"y": array * 2}}, "w": "words"}
    savemat(path, content, do_compression=compressed)
    ours, theirs = load_variables(path, Limits()), loadmat(path)
    assert ours["a"].dtype == theirs["a"].dtype
    np.testing.assert_array_equal(ours["a"], theirs["a"])
    np.testing.assert_array_equal(ours["s"]["x"], array)
    np.testing.assert_array_equal(ours["s"]["n"]["y"], array * 2)
    assert (ours["s"]["t"], ours["w"]) == ("text", "words")


def test_version_4_types_equal_scipy(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    content = {
        kind: np.arange(6).reshape(2, 3).astype(kind) for kind in ("f8", "f4", "i4", "i2", "u2")
    }
    savemat(path, content | {"text": "abc", "z": np.ones((2, 2)) * 1j}, format="4")
    ours, theirs = load_variables(path, Limits()), loadmat(path)
    for kind in content:
        np.testing.assert_array_equal(ours[kind], theirs[kind])
    assert ours["text"] is None
    assert ours["z"] is None


def test_what_is_no_real_matrix_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    cells = np.array([1, "a"], dtype=object)
    savemat(path, {"val": MATRIX, "c": cells, "z": MATRIX * 1j, "e": np.empty((0, 0))})
    found = load_variables(path, Limits())
    assert found["c"] is None
    assert found["z"] is None
    assert read(path, **STATED).samples == 10


@pytest.mark.parametrize("array_class", [3, 16, 17])
def test_objects_are_refused(tmp_path: Path, array_class: int) -> None:
    path = tmp_path / "x.mat"
    path.write_bytes(HEAD + matrix_element(array_class, (1, 1)))
    with pytest.raises(UnsupportedVariantError, match="objects"):
        read(path)


def test_empty_and_cut_files(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    path.write_bytes(HEAD)
    with pytest.raises(UnsupportedVariantError, match="empty"):
        read(path)
    savemat(path, {"val": MATRIX})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(FormatError):
        read(path, **STATED)


def test_every_shared_mat_file(shared_data: Path) -> None:
    folder = shared_data / "formats"
    expected = {
        "cpsc2018_mat5/*.mat": (STANDARD_12_LEADS, 500.0, "ECG"),
        "code15_mat/*.mat": (STANDARD_12_LEADS, 400.0, "feats"),
        "cpsc2019_qrs/torch_ecg/data/*.mat": (("ECG",), 500.0, "ecg"),
    }
    for pattern, (leads, rate, variable) in expected.items():
        files = sorted(folder.glob(pattern))
        assert files
        for path in files:
            recording = read(path)
            assert (recording.leads, recording.sampling_rate) == (leads, rate)
            stored = loadmat(path)[variable]
            stored = stored["data"][0, 0] if variable == "ECG" else stored
            stored = stored.T if stored.shape[1] == 1 else stored
            np.testing.assert_array_equal(recording.signal, stored.astype(np.float32))
            assert inspect(path).samples == recording.samples
