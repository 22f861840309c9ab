"""The numbers of arrays and tables: NumPy, MATLAB, HDF5, Parquet, delimited text, sidecars."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import h5py
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
from ecgfoundry.formats import inspect, iterate, read
from ecgfoundry.formats.arrays.hdf5 import READER as HDF5
from ecgfoundry.formats.arrays.hdf5_files import is_hdf5
from ecgfoundry.formats.arrays.numpy import READER as ARRAYS
from ecgfoundry.formats.arrays.numpy import sniff as is_array
from ecgfoundry.formats.arrays.stated import load_sidecar
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.delimited.reader import READER as DELIMITED
from ecgfoundry.formats.delimited.reader import sniff as is_table
from ecgfoundry.formats.delimited.table import decode_text, detect_layout, iterate_table, load_table
from ecgfoundry.formats.matlab.files import is_matlab, load_variables
from ecgfoundry.formats.writers import write as write_recording
from ecgfoundry.recording import Recording, Subject

HERE = Path("x")
STATED: dict[str, Any] = {"leads": ("I", "II"), "unit": "mV", "sampling_rate": 100}
TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
TWO = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]])


def write(folder: Path, content: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# Sidecars and what is stated


def npy(folder: Path, array: np.ndarray = TWO, sidecar: object = None) -> Path:
    np.save(folder / "x.npy", array)
    if sidecar is not None:
        (folder / "x.json").write_text(json.dumps(sidecar))
    return folder / "x.npy"


def test_a_sidecar_states_everything(tmp_path: Path) -> None:
    path = npy(tmp_path, sidecar={
        "leads": ["I", "II"], "sampling_rate": 250, "unit": "uV", "age": 61, "sex": "F", "note": 5,
        "identifier": "P7",
    })  # fmt: skip
    recording = read(path)
    np.testing.assert_allclose(recording.signal, TWO / 1000, rtol=1e-6)
    assert (recording.leads, recording.sampling_rate) == (("I", "II"), 250)
    assert recording.subject == Subject(61.0, "female", "P7")
    assert dict(recording.header) == {"note": "5"}
    # The caller's word counts more.
    stated = read(path, leads=("V1", "V2"), unit="mV", sampling_rate=100)
    assert (stated.leads, stated.sampling_rate) == (("V1", "V2"), 100)
    np.testing.assert_array_equal(stated.signal, TWO)
    one = npy(tmp_path, TWO[:1], {"leads": "V5", "sampling_rate": 250, "unit": "uV"})
    assert read(one).leads == ("V5",)


@pytest.mark.parametrize(
    "content",
    [[1], {"leads": 5}, {"leads": [5]}, {"leads": ["I", 5]}, {"sampling_rate": "x"},
     {"sampling_rate": True}, {"unit": 5}],
)  # fmt: skip
def test_sidecars_that_state_something_else(tmp_path: Path, content: object) -> None:
    with pytest.raises(FormatError):
        load_sidecar(npy(tmp_path, sidecar=content))


def test_a_sidecar_of_a_megabyte_is_the_largest(tmp_path: Path) -> None:
    path = npy(tmp_path)
    (tmp_path / "x.json").write_bytes(b'{"unit": "mV"}'.ljust(1_000_000))
    assert load_sidecar(path).unit == "mV"
    (tmp_path / "x.json").write_bytes(b'{"unit": "mV"}'.ljust(1_000_001))
    with pytest.raises(LimitError, match="larger than 1 MB"):
        load_sidecar(path)


def test_shapes_and_parts_of_arrays(tmp_path: Path) -> None:
    path = npy(tmp_path)
    options = ReadOptions(leads=("I", "II"), unit="mV", sampling_rate=100.0)
    for start, stop, low, high in ((0, None, 0, 4), (-2, 99, 0, 4), (1, 3, 1, 3), (3, 1, 3, 3)):
        np.testing.assert_array_equal(
            ARRAYS.read(path, options, start, stop).signal, TWO[:, low:high]
        )
    limited = ReadOptions(("I", "II"), "mV", 100.0, limits=Limits(samples=8))
    assert ARRAYS.read(path, limited, 0, None).samples == 4
    with pytest.raises(LimitError, match="8 samples are asked for; the limit is 7"):
        ARRAYS.read(path, ReadOptions(("I", "II"), "mV", 100.0, limits=Limits(samples=7)), 0, None)
    stack = npy(tmp_path, np.stack([TWO, TWO + 10]))
    assert inspect(stack, **STATED).recordings == 2
    assert read(stack, index=1, **STATED).signal[0, 0] == 11
    assert read(npy(tmp_path, TWO[np.newaxis]), **STATED).signal[0, 0] == 1
    for array, index in ((TWO, 1), (np.stack([TWO, TWO]), 2), (np.stack([TWO, TWO]), -1)):
        with pytest.raises(SignalError, match=f"no recording {index}"):
            read(npy(tmp_path, array), index=index, **STATED)
    for array in (np.zeros((2, 0)), np.zeros((2, 2, 1, 1)), TWO.astype(complex), TWO > 2):
        with pytest.raises(SignalError):
            read(npy(tmp_path, array), **STATED)
    with pytest.raises(LeadError, match=r"store its transpose"):
        read(npy(tmp_path, TWO.T), **STATED)


def test_sizes_and_versions_of_npy(tmp_path: Path) -> None:
    path = npy(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(TruncatedFileError, match=f"{len(content) - 1} bytes, .* {len(content)}"):
        read(path, **STATED)
    for version in ((1, 0), (2, 0), (3, 0)):
        with path.open("wb") as file:
            np.lib.format.write_array(file, TWO, version=version)
        np.testing.assert_array_equal(read(path, **STATED).signal, TWO)
    path.write_bytes(content[:6] + b"\4\0" + content[8:])
    with pytest.raises(EcgFoundryError):
        read(path, **STATED)
    path.write_bytes(b"")
    np.save(path, np.asfortranarray(TWO))
    np.testing.assert_array_equal(read(path, **STATED).signal, TWO)


def test_members_of_npz(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, signal=TWO, other=TWO, leads=["I", "II"], sampling_rate=[250.0], unit="uV",
             age=61, sex="M")  # fmt: skip
    recording = read(path)
    assert (recording.leads, recording.sampling_rate) == (("I", "II"), 250)
    assert recording.subject == Subject(61.0, "male")
    np.testing.assert_allclose(recording.signal, TWO / 1000, rtol=1e-6)
    np.savez(path, some=np.asfortranarray(TWO), unit="mV")
    np.testing.assert_array_equal(read(path, leads=("I", "II"), sampling_rate=100).signal, TWO)
    np.savez(path, a=TWO, b=TWO)
    with pytest.raises(FormatError, match="no array 'signal'"):
        read(path, **STATED)
    for count, fits in ((4096, True), (4097, False)):
        np.savez(path, signal=np.zeros((count, 1)), leads=[f"ch{n}" for n in range(count)],
                 unit="mV", sampling_rate=1.0)  # fmt: skip
        if fits:
            assert len(inspect(path).leads) == 4096
        else:
            with pytest.raises(LimitError, match="4097 elements; the limit is 4096"):
                inspect(path)


def test_what_is_an_array() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, signal=TWO)
    assert is_array(HERE, b"\x93NUMPY") and is_array(HERE, buffer.getvalue())
    for name, found in (("a.npy", True), ("a.npz", False), (".npy", True)):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(name, b"x")
        assert is_array(HERE, content.getvalue()) == found
    assert not is_array(HERE, buffer.getvalue()[:29])
    assert not is_array(HERE, b"\x93NUMPX" + bytes(40))


def test_parquet_states_its_rate_and_unit(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars", reason="the extra 'data' is not installed")
    table = polars.DataFrame({"I": [1.0, 2.0], "note": ["a", "b"], "II": [3, 4]})
    path = tmp_path / "x.parquet"
    stated = {"sampling_rate": 250, "unit": "uV", "age": 61, "sex": "F", "more": 5}
    table.write_parquet(path, metadata={"ecgfoundry": json.dumps(stated)})
    recording = read(path)
    np.testing.assert_allclose(recording.signal, [[0.001, 0.002], [0.003, 0.004]], rtol=1e-6)
    assert (recording.leads, recording.sampling_rate) == (("I", "II"), 250)
    assert (recording.subject, dict(recording.header)) == (Subject(61.0, "female"), {"more": "5"})
    (tmp_path / "x.json").write_text('{"unit": "mV", "leads": ["V1", "V2"], "sampling_rate": 100}')
    beside = read(path)
    assert (beside.leads, beside.sampling_rate, beside.signal[0, 1]) == (("V1", "V2"), 100, 2)
    (tmp_path / "x.json").unlink()
    for text in ("[1]", "x"):
        table.write_parquet(path, metadata={"ecgfoundry": text})
        with pytest.raises(FormatError, match="the metadata is no JSON"):
            read(path)


def test_written_tables(tmp_path: Path) -> None:
    original = Recording.from_array(
        TWO, sampling_rate=250.5, leads=("I", "V9"), unit="mV", subject=Subject(61.5, "female")
    )
    path = write_recording(original, tmp_path / "x.npz").path
    found = np.load(path)
    assert {name: found[name].tolist() for name in found.files} == {
        "signal": TWO.tolist(), "leads": ["I", "V9"], "sampling_rate": 250.5, "unit": "mV",
        "age": 61.5, "sex": "female", "about": '{"writer": "ecgfoundry"}',
    }  # fmt: skip
    polars = pytest.importorskip("polars", reason="the extra 'data' is not installed")
    path = write_recording(original, tmp_path / "x.parquet").path
    assert json.loads(polars.read_parquet_metadata(path)["ecgfoundry"]) == {
        "sampling_rate": 250.5, "unit": "mV", "leads": ["I", "V9"], "age": 61.5, "sex": "female",
        "writer": "ecgfoundry",
    }  # fmt: skip
    assert polars.read_parquet(path).to_dict(as_series=False) == {
        "I": [1, 2, 3, 4], "V9": [5, 6, 7, 8],
    }  # fmt: skip


# MATLAB

CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8",
           15: "u8"}  # fmt: skip
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
          13: "u8"}  # fmt: skip


def tagged(kind: int, content: bytes, order: str = "<", *, pad: bool = True) -> bytes:
    body = struct.pack(f"{order}II", kind, len(content)) + content
    return body + bytes(-len(body) % 8 if pad else 0)


def matrix(
    array_class: int = 6,
    shape: tuple[int, ...] = (1, 2),
    name: bytes = b"val",
    value: bytes | None = None,
    stored: int = 9,
    flags: int = 0,
    order: str = "<",
) -> bytes:
    """An array element as "MAT-File Format" (MathWorks), chapter 1, lays it out."""
    value = np.array([1, 2], order + "f8").tobytes() if value is None else value
    content = tagged(6, struct.pack(f"{order}II", array_class | flags, 0), order)
    content += tagged(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
    content += tagged(1, name, order) + tagged(stored, value, order)
    return tagged(14, content, order)


def mat5(folder: Path, *elements: bytes, order: str = "<") -> Path:
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}HH", 0x0100, 0x4D49)
    return write(folder, head + b"".join(elements), "x.mat")


def variables(path: Path, limits: Limits | None = None) -> dict[str, Any]:
    return load_variables(path, limits or Limits())


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_of_every_type(tmp_path: Path, order: str) -> None:
    for array_class, kind in CLASSES.items():
        for stored, held in STORED.items():
            value = np.array([1, 100], order + held).tobytes()
            path = mat5(tmp_path, matrix(array_class, value=value, stored=stored, order=order),
                        order=order)  # fmt: skip
            found = variables(path)["val"]
            assert (found.tolist(), found.dtype) == ([[1, 100]], np.dtype(kind))


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [(1, b"\xe9a", "éa"), (2, b"\xe9b", "éb"), (16, "é".encode(), "é"),
     (4, "ab".encode("utf-16-le"), "ab"), (17, "ab".encode("utf-16-le"), "ab")],
)  # fmt: skip
def test_texts(tmp_path: Path, kind: int, content: bytes, text: str) -> None:
    path = mat5(tmp_path, matrix(4, value=content, stored=kind))
    assert variables(path)["val"] == text
    long = mat5(tmp_path, matrix(4, value=b"x" * 1005, stored=16))
    assert variables(long)["val"] == "x" * 1000


def test_packed_and_compressed_elements(tmp_path: Path) -> None:
    """A small element has its type, its length and up to four bytes in eight."""

    def small(kind: int, content: bytes) -> bytes:
        return struct.pack("<HH", kind, len(content)) + content.ljust(4, b"\0")

    content = tagged(6, struct.pack("<II", 9, 0)) + tagged(5, struct.pack("<2i", 1, 4))
    content += small(1, b"abcd") + small(2, b"\1\2\3\4")
    assert variables(mat5(tmp_path, tagged(14, content)))["abcd"].tolist() == [[1, 2, 3, 4]]
    packed = tagged(15, zlib.compress(tagged(14, content)), pad=False)
    path = mat5(tmp_path, packed, matrix())
    assert list(variables(path)) == ["abcd", "val"]
    size = 8 + len(content)
    limit = max(size, path.stat().st_size)
    assert len(variables(path, Limits(file_bytes=limit))) == 2
    zeros = matrix(6, (1, 50_000), value=bytes(400_000))
    big = mat5(tmp_path, tagged(15, zlib.compress(zeros), pad=False))
    assert len(variables(big, Limits(file_bytes=len(zeros)))) == 1
    with pytest.raises(LimitError, match="unpacks to 400064 bytes; the limit of a file is 400063"):
        variables(big, Limits(file_bytes=len(zeros) - 1))


@pytest.mark.parametrize(
    ("shape", "fits"),
    [((1, 2), True), ((2, 1), True), ((2, 1, 1, 1, 1, 1, 1, 1), True),
     ((2, 1, 1, 1, 1, 1, 1, 1, 1), False), ((2,), False), ((-1, -2), False), ((1, 3), False)],
)  # fmt: skip
def test_shapes(tmp_path: Path, shape: tuple[int, ...], fits: bool) -> None:
    path = mat5(tmp_path, matrix(shape=shape))
    if fits:
        assert variables(path, Limits(samples=2))["val"].shape == shape
        with pytest.raises(LimitError, match="2 elements; the limit is 1"):
            variables(path, Limits(samples=1))
    else:
        with pytest.raises(FormatError):
            variables(path)


def test_columns_come_first(tmp_path: Path) -> None:
    value = np.arange(6, dtype="<f8").tobytes()
    found = variables(mat5(tmp_path, matrix(shape=(2, 3), value=value)))["val"]
    assert found.tolist() == [[0, 2, 4], [1, 3, 5]]


def test_what_is_skipped(tmp_path: Path) -> None:
    for array_class in (3, 16, 17):  # objects, functions, opaque objects
        found = variables(mat5(tmp_path, matrix(array_class), matrix()))
        assert list(found) == ["val"]
        with pytest.raises(UnsupportedVariantError, match="only MATLAB objects"):
            variables(mat5(tmp_path, matrix(array_class)))
    for array_class, flags in ((1, 0), (5, 0), (6, 0x0800)):  # cells, sparse, complex
        path = mat5(tmp_path, matrix(array_class, flags=flags))
        assert variables(path) == {"val": None}
    # Global and logical flags do not matter.
    assert variables(mat5(tmp_path, matrix(flags=0x0600)))["val"].tolist() == [[1, 2]]


def structure(fields: dict[str, bytes], length: int = 8, name: bytes = b"ECG") -> bytes:
    names = b"".join(key.encode().ljust(length, b"\0") for key in fields)
    content = tagged(6, struct.pack("<II", 2, 0)) + tagged(5, struct.pack("<2i", 1, 1))
    content += tagged(1, name) + tagged(5, struct.pack("<i", length)) + tagged(1, names)
    return tagged(14, content + b"".join(fields.values()))


def test_structures(tmp_path: Path) -> None:
    inner = structure({"deep": matrix(name=b"")}, name=b"")
    path = mat5(tmp_path, structure({"data": matrix(name=b""), "more": inner}))
    found = variables(path)["ECG"]
    assert found["data"].tolist() == [[1, 2]]
    assert found["more"]["deep"].tolist() == [[1, 2]]
    three = structure({"c": structure({"d": matrix(name=b"")}, name=b"")}, name=b"")
    nested = structure({"a": structure({"b": three}, name=b"")})
    assert variables(mat5(tmp_path, nested))["ECG"] == {"a": {"b": {"c": None}}}
    for length, fits in ((256, True), (257, False)):
        path = mat5(tmp_path, structure({"data": matrix(name=b"")}, length))
        if fits:
            assert list(variables(path)["ECG"]) == ["data"]
        else:
            with pytest.raises(FormatError, match="field names of 257 bytes"):
                variables(path)
    for count, fits in ((1000, True), (1001, False)):
        empty = struct.pack("<II", 14, 0)
        path = mat5(tmp_path, structure({f"f{n}": empty for n in range(count)}))
        if fits:
            assert len(variables(path)["ECG"]) == 1000
        else:
            with pytest.raises(FormatError):
                variables(path)


def mat4(kind: int, rows: int, columns: int, name: bytes, content: bytes, imaginary: int = 0,
         order: str = "<") -> bytes:  # fmt: skip
    return struct.pack(f"{order}5i", kind, rows, columns, imaginary, len(name)) + name + content


@pytest.mark.parametrize(("order", "thousands"), [("<", 0), (">", 1000)])
def test_version_4(tmp_path: Path, order: str, thousands: int) -> None:
    """MOPT in decimal digits: M byte order, O zero, P precision, T type (MAT-File Format, v4)."""
    content = b""
    for digit, kind in enumerate(("f8", "f4", "i4", "i2", "u2", "u1")):
        values = np.array([1, 2, 3, 4, 5, 6], order + kind).tobytes()
        content += mat4(thousands + 10 * digit, 2, 3, b"v%d\0" % digit, values, order=order)
    content += mat4(thousands, 1, 1, b"complex\0", bytes(16), 1, order)
    content += mat4(thousands + 1, 1, 1, b"text\0", bytes(8), order=order)
    path = write(tmp_path, content, "x.mat")
    found = variables(path)
    for digit in range(6):
        assert found[f"v{digit}"].tolist() == [[1, 3, 5], [2, 4, 6]]
    assert (found["complex"], found["text"]) == (None, None)
    assert len(found) == 8
    with pytest.raises(LimitError, match="6 elements; the limit is 5"):
        variables(path, Limits(samples=5))
    assert len(variables(path, Limits(samples=6))) == 8
    cut = write(tmp_path, content[:-1], "y.mat")
    with pytest.raises(FormatError, match="ends inside 'text'"):
        variables(cut)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (mat4(0, 1, 1, b"v\0", b""), True), (mat4(50, 1, 1, b"v\0", b""), True),
        (mat4(60, 1, 1, b"v\0", b""), False), (mat4(100, 1, 1, b"v\0", b""), False),
        (mat4(2, 1, 1, b"v\0", b""), True), (mat4(3, 1, 1, b"v\0", b""), False),
        (mat4(1000, 1, 1, b"v\0", b""), False), (mat4(0, -1, 1, b"v\0", b""), False),
        (mat4(0, 1, -1, b"v\0", b""), False), (mat4(0, 0, 0, b"v\0", b""), True),
        (mat4(0, 1, 1, b"v\0", b"", 1), True), (mat4(0, 1, 1, b"v\0", b"", 2), False),
        (mat4(0, 1, 1, b"v" * 63 + b"\0", b""), True),
        (mat4(0, 1, 1, b"v" * 64 + b"\0", b""), False), (mat4(0, 1, 1, b"1\0", b""), False),
        (mat4(0, 1, 1, b"vv", b""), False), (mat4(0, 1, 1, b"v\0", b"")[:21], False),
        (mat4(0, 1, 1, b"\0", b" "), False),
    ],
)  # fmt: skip
def test_what_is_version_4(head: bytes, found: bool) -> None:
    assert is_matlab(head) == found


def test_layouts_of_matlab_files(tmp_path: Path) -> None:
    io_ = pytest.importorskip("scipy.io", reason="the writer of the test files is not installed")
    twelve = np.arange(36.0).reshape(12, 3) / 100

    def saved(name: str, **content: Any) -> Path:
        io_.savemat(tmp_path / name, content)
        return tmp_path / name

    cpsc = read(saved("A0001.mat", ECG={"sex": "Male", "age": 74, "data": twelve}))
    assert (cpsc.sampling_rate, cpsc.leads, cpsc.subject) == (500, TWELVE, Subject(74.0, "male"))
    np.testing.assert_allclose(cpsc.signal, twelve, rtol=1e-6)
    column = np.arange(5000.0)[:, np.newaxis] / 1000
    single = read(saved("data_00001.mat", ecg=column))
    assert (single.sampling_rate, single.leads, single.samples) == (500, ("ECG",), 5000)
    for name, content in (("data_1.mat", column), ("data_00002.mat", column[:4999])):
        with pytest.raises(LeadError):
            read(saved(name, ecg=content))
    fair = read(saved("f.mat", feats=twelve, curr_sample_rate=250, org_sample_rate=400))
    assert (fair.sampling_rate, fair.leads) == (250, TWELVE)
    assert fair.header["original_sampling_rate"] == "400"
    for name in ("val", "data", "ecg", "ECG", "signal", "feats"):
        path = saved("v.mat", **{name: TWO, "noise": TWO + 1})
        np.testing.assert_array_equal(read(path, **STATED).signal, TWO)
    with pytest.raises(FormatError, match="several matrices"):
        read(saved("v.mat", a=TWO, b=TWO), **STATED)
    with pytest.raises(FormatError, match="several matrices"):
        read(saved("v.mat", val=TWO, data=TWO), **STATED)
    scalar = read(saved("v.mat", x=TWO, fs=100), **STATED)
    assert scalar.samples == 4  # one number is no matrix


# HDF5


def hdf5(folder: Path, name: str = "x.h5", attributes: dict | None = None, **datasets: Any) -> Path:
    with h5py.File(folder / name, "w") as file:
        for key, value in datasets.items():
            file[key] = value
        for key, value in (attributes or {}).items():
            file.attrs[key] = value
    return folder / name


def test_sph(tmp_path: Path) -> None:
    """Liu 2022: twelve leads in mV at 500 Hz; the table beside it says who it is."""
    signal = np.arange(36).reshape(12, 3).astype(np.float16) / 8
    (tmp_path / "metadata.csv").write_text(
        "ECG_ID,AHA_Code,Age,Sex,Date\nA1,22,44,M,2020-01-02\nx.h5,23,55,F,2021-03-04\n"
    )
    recording = read(hdf5(tmp_path, ecg=signal))
    assert (recording.sampling_rate, recording.leads) == (500, TWELVE)
    np.testing.assert_array_equal(recording.signal, signal.astype(np.float32))
    assert recording.subject == Subject(55.0, "female")
    assert dict(recording.header) == {"layout": "SPH", "AHA_Code": "23", "Date": "2021-03-04"}
    below = tmp_path / "records"
    below.mkdir()
    assert read(hdf5(below, "A1.h5", ecg=signal)).subject == Subject(44.0, "male")
    assert read(hdf5(below, "A2.h5", ecg=signal)).subject == Subject()
    with pytest.raises(SignalError, match="no recording 1; the file holds 1"):
        read(tmp_path / "x.h5", index=1)


def limb_leads(order: tuple[str, ...], samples: int = 40) -> np.ndarray:
    """I and II are free; the others follow from them (Einthoven, Goldberger)."""
    t = np.arange(samples)
    one, two = np.sin(t / 3), np.cos(t / 5)
    leads = {"I": one, "II": two, "III": two - one, "aVR": -(one + two) / 2,
             "aVL": one - two / 2, "aVF": two - one / 2}  # fmt: skip
    rest = [np.full(samples, 1.0 + n) for n in range(6)]
    return np.stack([*(leads[name] for name in order), *rest], axis=1)


OTHER_ORDER = ("I", "II", "III", "aVL", "aVF", "aVR")


@pytest.mark.parametrize("order", [TWELVE[:6], OTHER_ORDER])
@pytest.mark.parametrize(("exams", "unit_mv", "layout"), [(True, 1.0, "CODE-15"),
                                                         (False, 0.1, "CODE-test")])  # fmt: skip
def test_code(tmp_path: Path, order: tuple, exams: bool, unit_mv: float, layout: str) -> None:
    """400 Hz; mV with exam_id, else 1e-4 V; the order of the augmented leads is found."""
    tracings = np.zeros((2, 60, 12), np.float32)
    tracings[1, 7:47] = limb_leads(order)
    more = {"exam_id": [11, 12]} if exams else {}
    path = hdf5(tmp_path, tracings=tracings, **more)
    assert inspect(path).recordings == 2
    assert (inspect(path).samples, inspect(path).sampling_rate) == (60, 400)
    recording = read(path, index=1)
    assert (recording.sampling_rate, recording.samples) == (400, 40)  # without the padding
    assert recording.leads == (*order, *TWELVE[6:])
    np.testing.assert_allclose(recording.signal.T, tracings[1, 7:47] * unit_mv, rtol=1e-6)
    header = {"layout": layout, "lead_order": "checked: aVR = -(I + II)/2"}
    assert dict(recording.header) == header | ({"exam_id": "12"} if exams else {})
    for index in (-1, 2):
        with pytest.raises(SignalError, match=f"no recording {index}; the file holds 2"):
            read(path, index=index)
    with pytest.raises(SignalError, match="recording 0 is empty"):
        read(path, index=0)
    with pytest.raises(SignalError, match="holds 2 recordings"):
        read(path)


def test_how_well_an_order_must_fit(tmp_path: Path) -> None:
    """A lead that is k times too large disagrees by (k - 1) / k: 0.296 for 1.42, 0.306 for 1.44."""
    tracing = limb_leads(TWELVE[:6])
    for factor, fits in ((1.42, True), (1.44, False)):
        changed = tracing.copy()
        changed[:, 3] *= factor
        path = hdf5(tmp_path, tracings=changed[np.newaxis])
        if fits:
            assert read(path).leads == TWELVE
        else:
            with pytest.raises(LeadError, match="neither known order"):
                read(path)
    for flat, state in ((slice(0, 6), "not checked: the limb leads are flat"),
                        (slice(3, 4), "not checked: a limb lead is flat")):  # fmt: skip
        changed = tracing.copy()
        changed[:, flat] = 0
        path = hdf5(tmp_path, tracings=changed[np.newaxis])
        assert read(path).header["lead_order"] == state
    wrong = tracing.copy()
    wrong[:, [3, 4, 5]] = wrong[:, [4, 3, 5]] * 3
    with pytest.raises(LeadError, match="neither known order"):
        read(hdf5(tmp_path, tracings=wrong[np.newaxis]))
    stated = read(hdf5(tmp_path, tracings=wrong[np.newaxis]), leads=TWELVE)
    assert stated.header["lead_order"] == "stated by the caller"
    for shape in ((2, 60), (1, 60, 11)):
        with pytest.raises(FormatError, match="'tracings' has the shape"):
            read(hdf5(tmp_path, tracings=np.zeros(shape)))


def test_one_dataset_and_its_attributes(tmp_path: Path) -> None:
    attributes = {"leads": ["I", "II"], "sampling_rate": 250.0, "unit": "uV", "age": 61, "sex": "F"}
    path = hdf5(tmp_path, attributes=attributes, signal=TWO)
    recording = read(path)
    np.testing.assert_allclose(recording.signal, TWO / 1000, rtol=1e-6)
    assert (recording.leads, recording.sampling_rate) == (("I", "II"), 250)
    assert recording.subject == Subject(61.0, "female")
    with h5py.File(path, "a") as file:
        file["signal"].attrs["sampling_rate"] = 125.0  # the dataset's own counts more
    assert read(path).sampling_rate == 125
    eleven = hdf5(tmp_path, "y.h5", ecg=np.zeros((11, 3)))
    assert read(eleven, leads=[f"x{n}" for n in range(11)], unit="mV", sampling_rate=1).samples == 3
    options = ReadOptions(("I", "II"), "mV", 100.0, limits=Limits(samples=8))
    assert HDF5.read(path, options, 0, None).samples == 4
    with pytest.raises(LimitError, match="8 samples; the limit is 7"):
        HDF5.read(path, ReadOptions(("I", "II"), "mV", 100.0, limits=Limits(samples=7)), 0, None)
    with pytest.raises(FormatError, match="2 numeric datasets: a, b"):
        read(hdf5(tmp_path, a=TWO, b=TWO))
    strings = hdf5(tmp_path, a=TWO, b=[b"x"], c=np.zeros((1, 1, 1, 1)))
    assert read(strings, **STATED).samples == 4


def test_where_hdf5_begins() -> None:
    mark = b"\x89HDF\r\n\x1a\n"
    for place in (0, 512, 1024, 2048):
        assert is_hdf5(bytes(place) + mark)
        assert not is_hdf5(bytes(place + 1) + mark)
    assert not is_hdf5(bytes(256) + mark)


# Delimited text


def table(folder: Path, text: str, **options: Any) -> Recording:
    return read(write(folder, text), **options)


ROWS = "1;10\n2;20\n3;30\n"


@pytest.mark.parametrize(
    ("name", "times", "rate"),
    [
        ("time", (0, 0.004, 0.008, 0.012), 250.0),
        ("time", (0, 4, 8, 12), 250.0),
        ("time [s]", (0, 0.004, 0.008, 0.012), 250.0),
        ("time_ms", (0, 4, 8, 12), 250.0),
        ("t (us)", (0, 4000, 8000, 12_000), 250.0),
        ("timestamp [ns]", (0, 4e6, 8e6, 12e6), 250.0),
        ("seconds", (0, 1, 2, 3), 1.0),
        ("sec", (0, 1, 2, 3), 1.0),
        ("millis", (0, 1, 2, 3), 1000.0),
        ("milliseconds", (0, 1, 2, 3), 1000.0),
        ("elapsed time", (5, 5.01, 5.02, 5.03), 100.0),
        ("time", (0, 0.004, 0.008, 0.012, 0.016, 0.02), 250.0),
        ("time", (0, 0.05, 0.1, 0.15), 20.0),
        # 16 Hz in seconds or 16 kHz in milliseconds: either may be meant.
        ("time", (0, 0.0625, 0.125, 0.1875), None),
        ("time", (0, 0.06, 0.12, 0.18), None),
        ("time", (0, 0.2, 0.4, 0.6), None),
        ("time", (0, 0.25, 0.5, 0.75), 4000.0),
        ("time", (0, 50, 100, 150), 20.0),
        ("time", (0, 51, 102, 153), None),
        ("time", (0, 0.0001, 0.0002, 0.0003), 10_000.0),
        ("time", (0, 0.00005, 0.0001, 0.00015), None),
    ],
)
def test_rates_of_time_columns(
    tmp_path: Path, name: str, times: tuple[float, ...], rate: float | None
) -> None:
    """Without a unit: seconds or milliseconds, whichever gives 20 to 20,000 Hz."""
    text = f"{name},II [mV]\n" + "".join(f"{t!r},{n}\n" for n, t in enumerate(times))
    if rate is None:
        with pytest.raises(SamplingRateError):
            table(tmp_path, text)
    else:
        assert table(tmp_path, text).sampling_rate == rate


def test_the_resolution_of_times_limits_the_rate(tmp_path: Path) -> None:
    """At 360 Hz in whole milliseconds 101 samples end at 278 ms: 359.7 Hz, so 360 Hz is meant."""
    for digits, rate in ((3, 360.0), (6, 360.0)):
        times = [round(n / 360, digits) for n in range(101)]
        text = "time,II [mV]\n" + "".join(f"{t:.{digits}f},1\n" for t in times)
        assert table(tmp_path, text).sampling_rate == rate
        windows = list(iterate(tmp_path / "x.csv", 0.1))
        assert {window.sampling_rate for window in windows} == {rate}
    # 361 steps in 1.004 s: 359.56 Hz, and a millisecond is 0.36 Hz of doubt.
    off = "".join(f"{n * 1.004 / 361:.3f},1\n" for n in range(362))
    found = table(tmp_path, "time,II [mV]\n" + off).sampling_rate
    assert found == pytest.approx(359.5618, abs=1e-3)
    exact = "".join(f"{n / 257.3:.12f},1\n" for n in range(101))
    found = table(tmp_path, "time,II [mV]\n" + exact).sampling_rate
    assert found == pytest.approx(257.3, rel=1e-9)


@pytest.mark.parametrize(("late", "fits"), [(0.0075, True), (0.0074, True), (0.0077, False)])
def test_how_far_a_time_may_be_off(tmp_path: Path, late: float, fits: bool) -> None:
    """Three quarters of a step, here of 10 ms."""
    times = [0.01 * n + (late if n == 5 else 0) for n in range(11)]
    text = "time [s],II [mV]\n" + "".join(f"{t:.6f},1\n" for t in times)
    if fits:
        assert table(tmp_path, text).sampling_rate == pytest.approx(100)
    else:
        with pytest.raises(SamplingRateError, match="from sample 5 on"):
            table(tmp_path, text)
        with pytest.raises(SamplingRateError, match="from sample 5 on"):
            list(iterate(tmp_path / "x.csv", 0.05))


@pytest.mark.parametrize(
    ("times", "rate", "start"),
    [
        # 360 Hz in whole milliseconds, 250 Hz, 257 Hz in microseconds, in a zone, as a clock.
        ([f"2024-03-02T10:20:{30 + n / 360:06.3f}" for n in range(1000)], 360.0,
         "2024-03-02T10:20:30"),
        ([f"2024-03-02 23:59:{59 + n / 250:06.3f}" if n < 250 else
          f"2024-03-03 00:00:{n / 250 - 1:06.3f}" for n in range(1000)], 250.0,
         "2024-03-02T23:59:59"),
        ([f"2024-03-02T10:20:{30 + n / 257:09.6f}+02:00" for n in range(1000)], 257.0,
         "2024-03-02T10:20:30+02:00"),
        ([f"2024-03-02T10:20:{30 + n / 500:06.3f}Z" for n in range(1000)], 500.0,
         "2024-03-02T10:20:30+00:00"),
        ([f"0:{n / 360:06.3f}" for n in range(1000)], 360.0, None),
        ([f"{(5500 + n) // 6000}:{(5500 + n) % 6000 / 100:06.3f}" for n in range(1000)], 100.0,
         None),
    ],
)  # fmt: skip
def test_times_of_day(tmp_path: Path, times: list[str], rate: float, start: str | None) -> None:
    text = "timestamp,II [mV]\n" + "".join(f"{t},{n}\n" for n, t in enumerate(times))
    recording = table(tmp_path, text)
    assert (recording.sampling_rate, recording.samples, recording.leads) == (rate, 1000, ("II",))
    begin = recording.start_time
    assert (begin and begin.isoformat()) == start
    second = list(iterate(tmp_path / "x.csv", 1.0))[1]
    assert second.sampling_rate == rate
    assert second.signal[0, 0] == rate
    if begin is not None and second.start_time is not None:
        assert (second.start_time - begin).total_seconds() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("lost", [1, 2, 500])
def test_lost_samples_never_change_the_rate(tmp_path: Path, lost: int) -> None:
    """One lost sample of 2000 used to give 249.9 Hz."""
    times = [n / 250 for n in range(2000) if not 1000 <= n < 1000 + lost]
    text = "time [s],II [mV]\n" + "".join(f"{t:.3f},1\n" for t in times)
    words = f"from sample 1000 on: 3.996 is followed by {(1000 + lost) / 250:.9g}"
    with pytest.raises(SamplingRateError, match=words):
        table(tmp_path, text)
    with pytest.raises(SamplingRateError, match=words):
        list(iterate(tmp_path / "x.csv", 1.0))


@pytest.mark.parametrize("mark", [";", "\t", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_of_spreadsheets(tmp_path: Path, mark: str, encoding: str, end: str) -> None:
    comma = "." if mark == "," else ","
    rows = [f"{n / 250:.3f}{mark}{n / 8:.3f}".replace(".", comma) for n in range(1000)]
    path = tmp_path / "x.csv"
    lines = [f"sep={mark}", f"time [s]{mark}I [mV]", *rows, ""]
    path.write_bytes(end.join(lines).encode(encoding))
    recording = read(path)
    assert (recording.leads, recording.sampling_rate, recording.samples) == (("I",), 250.0, 1000)
    assert recording.signal[0, 7] == 0.875
    assert sum(window.samples for window in iterate(path, 1.0)) == 1000


def test_an_inferred_unit_of_time_is_said(tmp_path: Path) -> None:
    rows = "".join(f"{4 * n},1\n" for n in range(10))
    assert "time_column" in table(tmp_path, "time,II [mV]\n" + rows).header
    assert "time_column" not in table(tmp_path, "time [ms],II [mV]\n" + rows).header


def test_columns_of_text(tmp_path: Path) -> None:
    text = (
        "sample,time [s],II [mV],ABP [mmHg],V1_uV,chin\n"
        "0,0,1,80,5000,1\n1,0.01,2,81,6000,2\n2,0.02,,82,7000,3\n3,0.03,4,83,8000,4\n"
    )
    with pytest.raises(UnitError, match="different units"):
        table(tmp_path, text)
    recording = table(tmp_path, text.replace("V1_uV", "V1_mV"))
    assert (recording.leads, recording.sampling_rate) == (("II", "V1"), 100)
    np.testing.assert_array_equal(recording.signal, [[1, 2, np.nan, 4], [5000, 6000, 7000, 8000]])
    assert [(c.name, c.kind, c.unit, c.signal.tolist()) for c in recording.other_channels] == [
        ("ABP", "other", "mmHg", [80, 81, 82, 83]), ("chin", "other", "", [1, 2, 3, 4]),
    ]  # fmt: skip
    part = DELIMITED.read(tmp_path / "x.csv", ReadOptions(), 1, 3)
    assert part.signal[1].tolist() == [6000, 7000]
    assert table(tmp_path, text, unit="uV").signal[0, 0] == np.float32(0.001)
    eeg = text.replace("chin", "Fz").replace("V1_uV", "C3 [mV]")
    assert table(tmp_path, eeg).leads == ("II",)


@pytest.mark.parametrize(
    "name", ["sample", "Sample #", "samples", "index", "idx", "nSeq", "n", "#"]
)
def test_counters_are_no_leads(tmp_path: Path, name: str) -> None:
    text = f"II [mV],{name}\n" + "1,0\n2,1\n3,2\n"
    recording = table(tmp_path, text, sampling_rate=100)
    assert (recording.leads, recording.other_channels) == (("II",), ())


def test_comments_of_opensignals(tmp_path: Path) -> None:
    text = (
        "# Sampling Rate (Hz):= 1000,5\n# Labels:= nSeq\tII\tV1\n# Units:= n\tmV\tmV\n"
        "0\t1\t2\n1\t3\t4\n2\t5\t6\n"
    )
    recording = table(tmp_path, text)
    assert (recording.sampling_rate, recording.leads) == (1000.5, ("II", "V1"))
    assert recording.signal.tolist() == [[1, 3, 5], [2, 4, 6]]
    one = table(tmp_path, text.replace("n\tmV\tmV", "uV"))
    assert one.signal[0, 0] == np.float32(0.001)


@pytest.mark.parametrize(
    ("text", "columns", "delimiter", "comma", "first"),
    [
        (ROWS, 2, ";", False, 0),
        ("1,5;2,5\n" * 3, 2, ";", True, 0),
        ("1\t2\n" * 3, 2, "\t", False, 0),
        ("1,2\n" * 3, 2, ",", False, 0),
        ("1 2\n" * 3, 2, None, False, 0),
        ("1,5 2\n" * 3, 2, None, True, 0),
        ("1\n2\n3\n", 1, None, False, 0),
        ("a;b\n" + ROWS, 2, ";", False, 1),
        ("a;b\nmV;mV\n" + ROWS, 2, ";", False, 2),
        ("# c\n\na;b\n" + ROWS, 2, ";", False, 3),
        ("1;2;\n" * 3, 2, ";", False, 0),
        ("1;na\n" + ROWS, 2, ";", False, 0),
        ('"1";"2"\n' * 3, 2, ";", False, 0),
        ("+1.5e-3;.5\n" * 3, 2, ";", False, 0),
        ("1.;-2\n" * 3, 2, ";", False, 0),
    ],
)
def test_layouts_of_text(
    text: str, columns: int, delimiter: str | None, comma: bool, first: int
) -> None:
    found = detect_layout(text, whole=True)
    assert found is not None
    assert (found.columns, found.delimiter, found.decimal_comma, found.first_line) == (
        columns, delimiter, comma, first,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["1;2\n1;2\n", "a;b\nc;d\ne;f\n" + ROWS, "1;2\n1;2\n1;2;3\n", "1;x\n" * 3, "", "a\nb\nc\n",
     "a;b;c\n" + ROWS, "na;na\n" * 3],
)  # fmt: skip
def test_text_that_is_no_table(text: str) -> None:
    assert detect_layout(text, whole=True) is None


def test_the_last_line_of_a_part_is_cut() -> None:
    assert detect_layout(ROWS + "4;4x", whole=True) is None
    assert detect_layout(ROWS + "4;4x", whole=False) is not None
    assert detect_layout(ROWS[:-1], whole=False) is None  # two lines are left
    body = ("1;10\n" * 900)[:4095]
    assert is_table(HERE, body.encode() + b"x") and not is_table(HERE, b"1;10\n" * 9 + b"x")
    assert not is_table(HERE, ROWS.encode() + b"\0") and not is_table(
        HERE, ROWS.encode() + b"\x1f\n"
    )
    assert is_table(HERE, ROWS.encode("utf-16"))


@pytest.mark.parametrize("cell", ["", "nan", "NA", "n/a", "NULL", "None", "-", "?"])
def test_missing_cells(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path, f"1;2\n3;{cell}\n5;6\n7;8\n")
    for found in (load_table(path, Limits()).values, next(iterate_table(path))[1]):
        np.testing.assert_array_equal(found[:, 1], [2, np.nan, 6, 8])


def test_limits_of_text(tmp_path: Path) -> None:
    path = write(tmp_path, ROWS)
    size = path.stat().st_size
    assert load_table(path, Limits(samples=6, text_bytes=size)).values.shape == (3, 2)
    for limits in (Limits(samples=5), Limits(text_bytes=size - 1)):
        with pytest.raises(LimitError):
            load_table(path, limits)
    for comments, fits in ((64, True), (65, False)):
        path = write(tmp_path, "# c\n" * comments + ROWS)
        for load in (lambda p: load_table(p, Limits()), lambda p: next(iterate_table(p))):
            if fits:
                load(path)
            else:
                with pytest.raises(FormatError, match="no table"):
                    load(path)
    for length, fits in ((65_535, True), (65_536, False)):
        path = write(tmp_path, "1;2\n" * 20_000 + "1;2".rjust(length - 1) + "\n")
        if fits:
            assert sum(len(block) for _, block in iterate_table(path)) == 20_001
        else:
            with pytest.raises(FormatError, match="line 20001 has no end"):
                list(iterate_table(path))


def test_blocks_of_65536_lines(tmp_path: Path) -> None:
    rows = 65_536 * 2 + 5
    path = write(tmp_path, "a;b\n" + "".join(f"{n};{n % 7}\n" for n in range(rows)))
    blocks = [block for _, block in iterate_table(path)]
    assert [len(block) for block in blocks] == [65_536, 65_536, 5]
    expected = np.stack([np.arange(rows), np.arange(rows) % 7], axis=1)
    np.testing.assert_array_equal(np.concatenate(blocks), expected)
    np.testing.assert_array_equal(load_table(path, Limits()).values, expected)


def test_windows_of_text(tmp_path: Path) -> None:
    path = write(tmp_path, "II,V1\n" + "".join(f"{n},{-n}\n" for n in range(100)))
    stated = {"unit": "mV", "sampling_rate": 10}
    for window, start, duration, lengths, first in (
        (3.0, 0.0, None, [30, 30, 30, 10], 0), (3.0, 1.0, 5.0, [30, 20], 10),
        (2.0, 9.9, None, [1], 99), (0.06, 9.8, None, [1, 1], 98), (50.0, 0.0, 99.0, [100], 0),
    ):  # fmt: skip
        found = list(iterate(path, window, start_s=start, duration_s=duration, **stated))
        assert [part.samples for part in found] == lengths
        assert found[0].signal[0, 0] == first
    for window, start, words in ((3.0, 10.0, "starts at 10 s"), (0.04, 0.0, "shorter than one")):
        with pytest.raises(SignalError, match=words):
            list(iterate(path, window, start_s=start, **stated))


def test_encodings_of_text() -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1"):
        assert decode_text("µV;é".encode(encoding)) == "µV;é"


def test_a_comma_that_may_part_thousands_is_refused(tmp_path: Path) -> None:
    """945, then 1,000: one, or a thousand? With 0,5 among them it is plain."""
    path = tmp_path / "r.csv"
    rows = [f"{4 * k};{value}" for k, value in enumerate(["900", "945", "1,000", "1,500"] * 50)]
    path.write_text("time (ms);I (uV)\n" + "\n".join(rows) + "\n")
    with pytest.raises(EcgFoundryError):
        read(path)
    rows[0] = "0;0,5"
    path.write_text("time (ms);I (uV)\n" + "\n".join(rows) + "\n")
    assert float(read(path).signal[0, 2]) == pytest.approx(0.001)
