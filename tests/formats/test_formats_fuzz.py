"""Damaged files: whatever the bytes are, a recording or a typed error comes out.

The number of damaged copies per file is small by default; set ECGFOUNDRY_FUZZ to try more.
"""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats import inspect, read
from ecgfoundry.recording import Recording

COPIES = int(os.environ.get("ECGFOUNDRY_FUZZ", "15"))
ANYTHING = {"leads": None, "unit": None, "sampling_rate": None}
STATED = {"leads": tuple(f"L{n}" for n in range(12)), "unit": "mV", "sampling_rate": 500}

TARGETS = [
    "cinc2021/E07500.hea",
    "cinc2021/E07500.mat",
    "mitdb/201_450s.hea",
    "mitdb/201_450s.atr",
    "ludb/8.hea",
    "ludb/8.ii",
    "code15/code_15_795649.mat",
    "sph/SPH00001.h5",
    "sph/metadata.csv",
    "csv/ecg_10s.txt",
]


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """Flip bits, write random bytes, cut, repeat or blow up numbers; mostly near the start."""
    data = bytearray(content)
    for _ in range(int(generator.integers(1, 8))):
        reach = len(data) if generator.random() < 0.3 else min(len(data), 600)
        if reach == 0:
            break
        place = int(generator.integers(reach))
        action = int(generator.integers(6))
        if action == 0:
            data[place] ^= 1 << int(generator.integers(8))
        elif action == 1:
            data[place] = int(generator.integers(256))
        elif action == 2:
            data[place : place + 4] = generator.bytes(4)
        elif action == 3:
            del data[place : place + int(generator.integers(1, 40))]
        elif action == 4:
            data[place:place] = data[place : place + int(generator.integers(1, 40))]
        else:
            number = generator.choice([b"-1", b"0", b"999999999999", b"1e308", b"nan", b"\xff" * 4])
            data[place : place + len(number)] = number
    if generator.random() < 0.2:
        del data[int(generator.integers(len(data) + 1)) :]
    return bytes(data)


def assert_recording_or_typed_error(path: Path) -> None:
    for stated in (ANYTHING, STATED):
        for call in (read, inspect):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", RuntimeWarning)
                    found = call(path, **stated)
            except EcgFoundryError as error:
                assert str(error)
                assert "\n" not in str(error)
                continue
            if isinstance(found, Recording):
                assert not np.isinf(found.signal).any()
                assert found.signal.dtype == np.float32
                assert len(found.leads) == found.signal.shape[0]


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_real_files(fixtures: Path, tmp_path: Path, name: str) -> None:
    source = fixtures / name
    for beside in source.parent.glob(f"{source.stem}.*"):
        shutil.copy(beside, tmp_path / beside.name)
    if source.name == "metadata.csv":
        shutil.copy(source.parent / "SPH00001.h5", tmp_path / "SPH00001.h5")
    content = source.read_bytes()
    if source.suffix == ".txt":
        content = content[:8000]  # the rest is more of the same lines
    main = next(
        (path for path in sorted(tmp_path.iterdir()) if path.suffix in (".hea", ".h5")),
        tmp_path / source.name,
    )
    target = tmp_path / source.name
    target.chmod(0o644)
    generator = np.random.default_rng(sum(map(ord, name)))
    for _ in range(COPIES):
        target.write_bytes(damaged(content, generator) or b"\0")
        assert_recording_or_typed_error(main)
        if target != main:
            assert_recording_or_typed_error(target)


@pytest.mark.parametrize("kind", ["npy", "npz", "mat4", "mat5", "struct", "code.h5"])
def test_damaged_made_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    array = np.arange(12 * 300, dtype=np.int16).reshape(12, 300)
    write(path, kind, array)
    content = path.read_bytes()
    generator = np.random.default_rng(len(kind))
    for _ in range(COPIES):
        path.write_bytes(damaged(content, generator) or b"\0")
        assert_recording_or_typed_error(path)


def write(path: Path, kind: str, array: np.ndarray) -> None:
    import h5py
    from scipy.io import savemat

    with path.open("wb") as file:
        if kind == "npy":
            np.save(file, array)
        elif kind == "npz":
            np.savez(file, signal=array, leads=STATED["leads"], unit="mV", sampling_rate=500)
        elif kind == "mat4":
            savemat(file, {"val": array}, format="4")
        elif kind == "mat5":
            savemat(file, {"val": array}, do_compression=True)
        elif kind == "struct":
            data = array.astype(np.float64)
            savemat(file, {"ECG": {"sex": "Male", "age": 61, "data": data}})
    if kind == "code.h5":
        with h5py.File(path, "w") as hdf5:
            hdf5["tracings"] = array.T[np.newaxis].astype(np.float32)
            hdf5["exam_id"] = np.array([5])


@pytest.mark.parametrize(
    "name", ["x.hea", "x.mat", "x.csv", "x.npy", "x.npz", "x.h5", "x.dat", "x"]
)
def test_random_bytes(tmp_path: Path, name: str) -> None:
    generator = np.random.default_rng(len(name))
    heads = [b"", b"r 1 100 5\n", b"\x93NUMPY\x01\0", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"]
    heads += [b"MATLAB 5.0 MAT-file".ljust(126) + b"IM", b"MATLAB 7.3 MAT-file", b"I,II\n"]
    for head in heads:
        for _ in range(max(COPIES // 5, 1)):
            (tmp_path / name).write_bytes(head + generator.bytes(int(generator.integers(1, 800))))
            assert_recording_or_typed_error(tmp_path / name)
