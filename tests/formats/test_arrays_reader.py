"""NPY and NPZ: shapes, statements, partial reading, and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LeadError,
    LimitError,
    SamplingRateError,
    SignalError,
    TruncatedFileError,
    UnitError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import identify, inspect, iterate, read
from ecgfoundry.formats.arrays.numpy import READER
from ecgfoundry.formats.base import Limits, ReadOptions

STATED = {"leads": ["I", "II"], "unit": "uV", "sampling_rate": 250}
MATRIX = np.arange(2000, dtype=np.int16).reshape(2, 1000)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4", "<f2", "<f4", ">f8", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_number_type_and_order(tmp_path: Path, dtype: str, order: str) -> None:
    array = np.asarray(MATRIX[:, :100] % 250, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    np.savez_compressed(tmp_path / "x.npz", signal=array, leads=["DI", "V2"], unit="1e-4V")
    assert identify(tmp_path / "x.npy").name == identify(tmp_path / "x.npz").name == "arrays"
    wanted = array.astype(np.float64)
    np.testing.assert_array_equal(
        read(tmp_path / "x.npy", **STATED).signal, (wanted * 1e-3).astype(np.float32)
    )
    packed = read(tmp_path / "x.npz", sampling_rate=100)
    assert packed.leads == ("I", "V2")
    np.testing.assert_array_equal(packed.signal, (wanted * 0.1).astype(np.float32))


def test_sidecar(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", MATRIX)
    (tmp_path / "x.json").write_text(json.dumps(STATED | {"age": 61, "sex": "F", "site": "A"}))
    recording = read(tmp_path / "x.npy")
    assert recording.leads == ("I", "II")
    assert (recording.subject.age, recording.subject.sex) == (61, "female")
    assert recording.header["site"] == "A"
    assert read(tmp_path / "x.npy", leads=("V1", "V2")).leads == ("V1", "V2")


def test_a_part_is_read_without_the_rest(tmp_path: Path) -> None:
    """A file of 4 GB (sparse) is read in windows."""
    path = tmp_path / "x.npy"
    array = np.lib.format.open_memmap(path, "w+", np.int16, (2, 10**9))
    array[1, 500_000_000:500_000_010] = 7
    del array
    part = read(path, **STATED, start_s=500_000_000 / 250, duration_s=10 / 250)
    assert part.signal[1].tolist() == [np.float32(0.007)] * 10
    window = next(iter(iterate(path, 10, **STATED)))
    assert window.samples == 2500
    with pytest.raises(LimitError, match="2000000000 samples"):
        read(path, **STATED)
    assert inspect(path, **STATED).samples == 10**9


def test_several_recordings(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(60).reshape(3, 2, 10))
    assert inspect(tmp_path / "x.npy", **STATED).recordings == 3
    assert read(tmp_path / "x.npy", **STATED, index=2).signal[0, 0] == np.float32(0.04)
    with pytest.raises(SignalError, match="3 recordings"):
        read(tmp_path / "x.npy", **STATED)
    for index in (3, -1):
        with pytest.raises(SignalError, match="no recording"):
            read(tmp_path / "x.npy", **STATED, index=index)
    np.save(tmp_path / "y.npy", MATRIX)
    with pytest.raises(SignalError, match="holds 1"):
        read(tmp_path / "y.npy", **STATED, index=1)


def test_one_dimension_is_one_lead(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(10.0))
    assert read(tmp_path / "x.npy", leads="ECG", unit="mV", sampling_rate=10).samples == 10


def test_turned_arrays_are_refused_not_guessed(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", MATRIX.T)
    with pytest.raises(LeadError, match=r"transpose"):
        read(tmp_path / "x.npy", **STATED)


@pytest.mark.parametrize(
    ("missing", "kind"),
    [("leads", LeadError), ("unit", UnitError), ("sampling_rate", SamplingRateError)],
)
def test_nothing_is_guessed(tmp_path: Path, missing: str, kind: type[EcgFoundryError]) -> None:
    np.save(tmp_path / "x.npy", MATRIX)
    with pytest.raises(kind, match="Supply"):
        read(tmp_path / "x.npy", **{k: v for k, v in STATED.items() if k != missing})


def npy(header: str, payload: bytes = b"") -> bytes:
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + payload


DAMAGED: dict[str, tuple[bytes, type[EcgFoundryError]]] = {
    "objects": (
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}"),
        UnsupportedVariantError,
    ),
    "structured": (
        npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", bytes(8)),
        SignalError,
    ),
    "complex": (
        npy("{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}", bytes(16)),
        SignalError,
    ),
    "announces too much": (
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (12, 1000000000)}"),
        TruncatedFileError,
    ),
    "negative": (
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 5)}"),
        SignalError,
    ),
    "empty": (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 0)}"), SignalError),
    "four dimensions": (
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1, 1)}", bytes(8)),
        SignalError,
    ),
    "no dictionary": (npy("__import__('os').getcwd()"), FormatError),
    "version 9": (b"\x93NUMPY\x09\x00" + bytes(20), UnsupportedVariantError),
    "cut": (b"\x93NUMPY\x01\x00\xff", FormatError),
}


def test_an_array_has_three_dimensions_at_most(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((1, 1, 1, 4)))
    with pytest.raises(SignalError, match=r"the shape \(1, 1, 1, 4\)"):
        read(path, **STATED)


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_npy(tmp_path: Path, case: str) -> None:
    content, kind = DAMAGED[case]
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(kind):
        read(path, **STATED)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("signal.npy", content)
    with pytest.raises((kind, LimitError)):
        read(tmp_path / "x.npz", **STATED)


def test_npz_limits_and_names(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", signal=np.zeros((2, 1_000_000)))
    with pytest.raises(LimitError, match="2000000 elements"):
        READER.read(tmp_path / "x.npz", ReadOptions(limits=Limits(samples=1000)), 0, None)
    np.savez(tmp_path / "y.npz", a=MATRIX, b=MATRIX)
    with pytest.raises(FormatError, match="no array 'signal'"):
        read(tmp_path / "y.npz", **STATED)
    np.savez(tmp_path / "z.npz", whatever=MATRIX, sampling_rate=50)
    assert read(tmp_path / "z.npz", leads=["I", "II"], unit="mV").sampling_rate == 50


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[1, 2]",
        '{"leads": 7}',
        '{"leads": [1]}',
        '{"sampling_rate": "fast"}',
        '{"sampling_rate": true}',
        '{"unit": 5}',
        "[" * 100_000,
    ],
)
def test_damaged_sidecars(tmp_path: Path, text: str) -> None:
    np.save(tmp_path / "x.npy", MATRIX)
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(FormatError, match=r"x\.json"):
        read(tmp_path / "x.npy", **STATED)
