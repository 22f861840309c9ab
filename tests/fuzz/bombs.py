"""Small files that announce, or unpack to, gigabytes: one kind for every way to compress.

``python -m tests.fuzz --bombs`` sends each of them to a running service and prints a table: status,
time, and how much memory the service and its workers had at most.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

__all__ = ["BOMBS", "make_bomb"]

_MANY = 499_000_000


def hdf5_gzip(path: Path) -> None:
    """A data set of (1, 499,000,000) of which nothing is stored, or next to nothing."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset(
            "ecg", (1, _MANY), "f4", compression="gzip", chunks=(1, 1 << 20), fillvalue=0.1
        )


def hdf5_one_chunk(path: Path, columns: int = 5_000_000) -> None:
    """A single chunk of much more than the recording of 12 x 5000 that it holds."""
    import h5py

    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "ecg",
            (12, 5000),
            "f8",
            compression="gzip",
            compression_opts=9,
            chunks=(12, columns),
            maxshape=(12, None),
        )
        content = zlib.compress(bytes(12 * columns * 8), 9)
        data.id.write_direct_chunk((0, 0), content)


def hdf5_many_links(path: Path) -> None:
    """A MAT file of version 7.3: a thousand names for one data set of 60 MB."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        data = file.create_dataset("v0", (7_500_000,), "f8", compression="gzip", fillvalue=1.0)
        for number in range(1, 1000):
            file[f"v{number}"] = data
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + struct.pack("<HH", 0x0200, 0x4D49))


def npz(path: Path, samples: int = 475_000_000) -> None:
    """An array of zeros, deflated to a two-hundredth or less."""
    _npz(path, zipfile.ZIP_DEFLATED, (1, samples))


def npz_bzip2(path: Path) -> None:
    """An array of 400 MB of zeros in 300 bytes."""
    _npz(path, zipfile.ZIP_BZIP2, (1, 100_000_000))


def npz_small_bzip2(path: Path) -> None:
    """An array in a method that NumPy never writes."""
    _npz(path, zipfile.ZIP_BZIP2, (1, 1_000_000))


def npz_wide_text(path: Path) -> None:
    """Names of leads, each of 100 million characters."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<U100000000", "fortran_order": False, "shape": (1,)}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("leads.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(400):
                member.write(bytes(1_000_000))
        small = io.BytesIO()
        np.save(small, np.zeros((1, 5000), np.float32))
        archive.writestr("signal.npy", small.getvalue())


def _npz(path: Path, method: int, shape: tuple[int, int]) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    with (
        zipfile.ZipFile(path, "w", method, compresslevel=6) as archive,
        archive.open("signal.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        block, left = bytes(1 << 24), 4 * shape[0] * shape[1]
        while left > 0:
            member.write(block[:left])
            left -= len(block)


def mat_v5(path: Path, samples: int = 1_900_000_000) -> None:
    """One variable of zeros, deflated to a two-hundredth or less."""
    path.write_bytes(_mat_head() + _mat_variable("val", samples))


def mat_v5_many(path: Path) -> None:
    """Nine hundred variables of 8 MB each, deflated to 8 kB each."""
    content = [_mat_head()]
    one = _mat_variable("v%03d", 8_000_000)
    for _ in range(900):
        content.append(one)
    path.write_bytes(b"".join(content))


def _mat_head() -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x0100, 0x4D49)


def _mat_variable(name: str, count: int) -> bytes:
    """A deflated matrix of ``count`` numbers of one byte, all zero, of class double."""
    flags = struct.pack("<4I", 6, 8, 6, 0)
    shape = struct.pack("<2I2i", 5, 8, 1, count)
    text = name.encode().ljust(8, b"\0")
    named = struct.pack("<2I", 1, len(name)) + text
    head = flags + shape + named + struct.pack("<2I", 1, count)
    engine = zlib.compressobj(6)
    parts = [engine.compress(struct.pack("<2I", 14, len(head) + count) + head)]
    block, left = bytes(1 << 24), count
    while left > 0:
        parts.append(engine.compress(block[:left]))
        left -= len(block)
    body = b"".join([*parts, engine.flush()])
    return struct.pack("<2I", 15, len(body)) + body


def zip_deflated(path: Path) -> None:
    """A table of 1.5 GB of the letter 1, deflated to 1.5 MB."""
    _zip(path, zipfile.ZIP_DEFLATED, 1_500_000_000)


def zip_lzma(path: Path) -> None:
    """The same by LZMA: 1 GB in 150 kB."""
    _zip(path, zipfile.ZIP_LZMA, 300_000_000)


def _zip(path: Path, method: int, size: int) -> None:
    with (
        zipfile.ZipFile(path, "w", method, compresslevel=1) as archive,
        archive.open("x.csv", "w", force_zip64=True) as member,
    ):
        block = b"1\n" * (1 << 23)
        for start in range(0, size, len(block)):
            member.write(block[: size - start])


def zip_many_members(path: Path) -> None:
    """Two hundred recordings of a megabyte, which is below every ratio, in 200 kB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(200):
            archive.writestr(f"r{number}.csv", b"1\n" * 500_000)


def dicom_deflated(path: Path, length: int = 1_500_000_000) -> None:
    """A data set of zeros, in the deflated transfer syntax."""
    uid = b"1.2.840.10008.1.2.1.99"
    uid += b"\0" * (len(uid) % 2)
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(uid)) + uid
    head = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta
    engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    parts = [engine.compress(struct.pack("<HH2sHI", 0x5400, 0x1010, b"OW", 0, length))]
    block = bytes(1 << 24)
    for start in range(0, length, len(block)):
        parts.append(engine.compress(block[: length - start]))
    path.write_bytes(bytes(128) + b"DICM" + head + b"".join([*parts, engine.flush()]))


def parquet(path: Path, rows: int = 60_000_000) -> None:
    """A column of equal numbers, in some kilobytes."""
    import polars

    column = polars.repeat(0.5, rows, dtype=polars.Float32, eager=True)
    polars.DataFrame({"I": column}).write_parquet(path, compression="zstd")


def wfdb_flac(path: Path) -> None:
    """A FLAC stream of 200 million zeros; the header announces it."""
    import soundfile

    stream = path.with_suffix(".dat")
    with soundfile.SoundFile(str(stream), "w", 48_000, 1, "PCM_16", format="FLAC") as file:
        block = np.zeros(1 << 22, np.int16)
        for _ in range(48):
            file.write(block)
    count = 48 << 22
    path.write_text(f"{path.stem} 1 300 {count}\n{stream.name} 516 1000 16 0 0 0 0 I\n")


def wfdb_nothing(path: Path) -> None:
    """A header of three lines that announces ten thousand million samples that are not there."""
    path.write_text(f"{path.stem}/1 1 300 9999999999\n~ 9999999999\n")


def gzipped_csv(path: Path) -> None:
    """A gzip of 300 MB of text; it is no format that is read."""
    path.write_bytes(gzip.compress(b"1\n" * 150_000_000, 1))


def bzip2_csv(path: Path) -> None:
    """The same by bzip2."""
    path.write_bytes(bz2.compress(b"1\n" * 30_000_000))


def xz_csv(path: Path) -> None:
    """The same by xz."""
    path.write_bytes(lzma.compress(b"1\n" * 30_000_000, preset=0))


def xml_entities(path: Path) -> None:
    """A billion laughs in an aECG."""
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{levels}]><AnnotatedECG>&l9;'
    path.write_text(text + "</AnnotatedECG>")


def json_nested(path: Path) -> None:
    """A hundred thousand lists within each other."""
    path.write_text("[" * 100_000 + "]" * 100_000)


def json_long(path: Path) -> None:
    """Two hundred megabytes of small objects, as the largest request may have."""
    path.write_bytes(b'{"samples":[' + b'{"a":1},' * 25_000_000 + b"{}]}")


def csv_long(path: Path) -> None:
    """A table of forty million lines of one digit."""
    path.write_bytes(b"I\n" + b"1\n" * 40_000_000)


BOMBS: dict[str, tuple[Callable[[Path], None], str]] = {
    "hdf5, nothing stored": (hdf5_gzip, ".h5"),
    "hdf5, one chunk": (hdf5_one_chunk, ".h5"),
    "MAT 7.3, many names": (hdf5_many_links, ".mat"),
    "NPZ": (npz, ".npz"),
    "NPZ, bzip2": (npz_bzip2, ".npz"),
    "NPZ, wide text": (npz_wide_text, ".npz"),
    "MAT 5": (mat_v5, ".mat"),
    "MAT 5, many": (mat_v5_many, ".mat"),
    "ZIP": (zip_deflated, ".zip"),
    "ZIP, LZMA": (zip_lzma, ".zip"),
    "ZIP, many members": (zip_many_members, ".zip"),
    "DICOM deflated": (dicom_deflated, ".dcm"),
    "Parquet": (parquet, ".parquet"),
    "WFDB, FLAC": (wfdb_flac, ".hea"),
    "WFDB, absent segment": (wfdb_nothing, ".hea"),
    "gzip": (gzipped_csv, ".csv.gz"),
    "bzip2": (bzip2_csv, ".csv.bz2"),
    "xz": (xz_csv, ".csv.xz"),
    "XML entities": (xml_entities, ".xml"),
    "JSON, nested": (json_nested, ".json"),
    "JSON, long": (json_long, ".json"),
    "CSV, long": (csv_long, ".csv"),
}
"""Name -> what makes it, and the ending of its file."""


def make_bomb(name: str, folder: Path) -> Path:
    """Make a file of a kind; what belongs to it lies beside it."""
    make, ending = BOMBS[name]
    path = folder / f"bomb{ending}"
    make(path)
    return path
