"""The numbers around the formats: parts, windows, archives, signatures, names, steps."""

from __future__ import annotations

import datetime as dt
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import (
    EcgFoundryError,
    FileAccessError,
    LimitError,
    SignalError,
    TruncatedFileError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import formats, inspect, iterate, read
from ecgfoundry.formats.builtin import BUILTIN
from ecgfoundry.formats.common.channels import channel_kinds, known_non_ecg_kind
from ecgfoundry.formats.common.multichannel import plain_text
from ecgfoundry.formats.common.signatures import foreign_format
from ecgfoundry.formats.common.subjects import (
    birth_before,
    key_values,
    parse_age,
    parse_sex,
    subject_from_comments,
)
from ecgfoundry.formats.common.writing import digital, microvolts_per_step
from ecgfoundry.formats.registry import recordings_in_archive
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.formats.writers import write, writers
from ecgfoundry.formats.zip.directory import (
    _check_directory_size,
    is_safe_name,
    open_archive,
    stem_of,
)
from ecgfoundry.formats.zip.names import split_member_path
from ecgfoundry.recording import Recording, Subject


def record(folder: Path, name: str = "r", samples: int = 100, rate: float = 10) -> Path:
    (folder / f"{name}.dat").write_bytes(np.arange(samples, dtype="<i2").tobytes())
    (folder / f"{name}.hea").write_text(
        f"{name} 1 {rate} {samples}\n{name}.dat 16 1/mV 0 0 0 0 0 I\n"
    )
    return folder / f"{name}.hea"


def csv(folder: Path) -> Path:
    path = folder / "x.csv"
    path.write_text("I\n" + "".join(f"{n}\n" for n in range(100)))
    return path


def npz(folder: Path) -> Path:
    path = folder / "x.npz"
    np.savez(path, signal=np.arange(100.0), leads=["I"], unit="mV", sampling_rate=10.0)
    return path


def mat(folder: Path) -> Path:
    path = folder / "x.mat"
    pytest.importorskip("scipy.io").savemat(path, {"val": np.arange(100.0)[np.newaxis]})
    return path


# Parts and windows (registry)


@pytest.mark.parametrize("make", [record, csv, npz, mat])
def test_parts_in_seconds(tmp_path: Path, make: object) -> None:
    """At 10 Hz: a start or a length is rounded to whole samples; the end is cut."""
    path = make(tmp_path)  # type: ignore[operator]
    stated = {} if make in (record, npz) else {"leads": ["I"], "unit": "mV", "sampling_rate": 10}
    for start, duration, first, count in (
        (0.0, None, 0, 100), (2.0, 3.0, 20, 30), (2.04, 3.04, 20, 30), (2.06, 3.06, 21, 31),
        (9.9, None, 99, 1), (9.0, 5.0, 90, 10), (0.0, 0.1, 0, 1), (0.0, 100.0, 0, 100),
    ):  # fmt: skip
        part = read(path, start_s=start, duration_s=duration, **stated)
        assert part.signal[0].tolist() == list(range(first, first + count))
    for start, duration in ((10.0, None), (-0.1, None), (0, 0), (0, -1), (float("inf"), None),
                            (float("nan"), None), (0, float("inf"))):  # fmt: skip
        with pytest.raises(SignalError):
            read(path, start_s=start, duration_s=duration, **stated)
    for window, start, duration, lengths in (
        (4.0, 0.0, None, [40, 40, 20]), (4.0, 1.0, 5.0, [40, 10]), (0.06, 9.8, None, [1, 1]),
        (10.0, 0.0, None, [100]), (9.9, 0.0, None, [99, 1]),
    ):  # fmt: skip
        found = list(iterate(path, window, start_s=start, duration_s=duration, **stated))
        assert [part.samples for part in found] == lengths
        assert found[0].signal[0, 0] == round(start * 10)
    for window in (0.0, -1.0, 0.04):
        with pytest.raises(SignalError):
            list(iterate(path, window, **stated))


def test_the_table_of_readers() -> None:
    """Stable names (they are kept with recordings), usual endings, and what is read in parts."""
    own = [reader for reader in formats() if reader.name in BUILTIN]  # others may add theirs
    found = [(r.name, " ".join(r.extensions), r.random_access, r.extra) for r in own]
    assert found == [
        ("wfdb", ".hea .dat .mat", True, None), ("matlab", ".mat", False, None),
        ("hdf5", ".h5 .hdf5", False, None), ("arrays", ".npy .npz", True, None),
        ("zip", ".zip", False, None), ("edf", ".edf .bdf .rec", True, None),
        ("dicom", ".dcm", True, None), ("ishne", ".ecg", True, None), ("scp", ".scp", False, None),
        ("mfer", ".mwf", False, "formats"), ("parquet", ".parquet", False, "data"),
        ("hl7-aecg", ".xml", False, None), ("ge-muse", ".xml", False, None),
        ("philips-sierra", ".xml", False, None), ("mortara", ".xml", False, None),
        ("ge-cardiosoft", ".xml", False, None), ("kardia", ".json", False, None),
        ("health-auto-export", ".json", False, None),
        ("apple-health", ".csv", False, None), ("polar", ".txt .csv", False, None),
        ("opensignals", ".txt", False, None), ("delimited", ".csv .tsv .txt", False, None),
    ]  # fmt: skip
    assert [(w.name, w.extension, w.extra) for w in writers()] == [
        ("wfdb", ".hea", None), ("edf", ".edf", None), ("dicom", ".dcm", "formats"),
        ("npz", ".npz", None), ("parquet", ".parquet", "data"),
    ]  # fmt: skip


# Signatures


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"ANN  1.0", "ISHNE annotation file"), (b"%PDF-1.4", "PDF"), (b"\x89PNG\r\n", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"), (b"\x1f\x8b\x08", "gzip"), (b"7z\xbc\xaf\x27", "7-Zip"),
        (b"Rar!\x1a", "RAR"), (b"SQLite format 3\0", "SQLite"), (b"PAR1", "Parquet"),
        (b'{"a": 1}', "JSON"), (b"<html><body>", "root element 'html'"),
        (b"<" + b"a" * 50 + b">", f"root element '{'a' * 40}'"), (b"\xff\xd8", None), (b"MZ", None),
    ],
)  # fmt: skip
def test_signatures(head: bytes, words: str | None) -> None:
    found = foreign_format(head)
    assert (found is None) == (words is None)
    assert words is None or words in str(found)


# Names of channels, ages, comments

KINDS = {
    "ppg": "PLETH PLETHYSMOGRAM PPG SPO2 SAO2 OXIMETER",
    "respiration": "RESP RESPIRATION CO2 ETCO2 AIRFLOW NASAL IMPEDANCE THORAX THORACIC ABDOMEN "
                   "ABDOMINAL",
    "other": "ABP ART BP NBP NBPSYS NBPDIAS NBPMEAN CVP PAP ICP LAP RAP UAP UVP PCWP PRESSURE EEG "
             "EMG EOG PCG SCG BCG GSR EDA ACC ACCELEROMETER TEMP TEMPERATURE HR PULSE RATE MARKER "
             "EVENT EVENTS TRIGGER STIM STATUS SYNC TIME FP1 FP2 FPZ F3 F4 F7 F8 FZ CZ P3 P4 P7 P8 "
             "PZ O1 O2 OZ T3 T4 T5 T6",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_words_that_are_no_ecg(kind: str) -> None:
    for word in KINDS[kind].split():
        assert known_non_ecg_kind(word) == known_non_ecg_kind(f" {word.lower()} ") == kind
        assert known_non_ecg_kind(f"{word}Q") is None
        assert channel_kinds([word], ["mV"]) == [kind]


def test_chest_letters_among_eeg_electrodes() -> None:
    assert channel_kinds(["C3", "C4", "C1"], ["uV"] * 3) == ["other"] * 3
    assert channel_kinds(["C3", "C4", "C1", "II"], ["uV"] * 4) == ["ecg"] * 4
    assert channel_kinds(["C3", "C4", "C1", "Oz"], ["uV"] * 4) == ["other"] * 4
    assert channel_kinds(["ECG", "ECG"], ["uV", None]) == ["ecg", "other"]


def test_ages_and_sexes() -> None:
    for text, age in (("120", 120.0), ("120.1", None), ("0", 0.0), ("-0.1", None), (61.5, 61.5)):
        assert parse_age(text) == age
    for text, sex in (("F", "female"), ("female", "female"), ("W", "female"), ("M", "male"),
                      ("male", "male"), ("x", None), ("fe", None)):  # fmt: skip
        assert parse_sex(text) == sex
    comments = ("69 M 1085 1629 x1", "age: 12", "<sex>: F", "Subject ID: A7", "patient_id = B")
    assert subject_from_comments(comments) == Subject(69.0, "male", "A7")
    assert subject_from_comments(("x", *comments)) == Subject(12.0, "female", "A7")
    assert subject_from_comments(("69 M",)) == Subject(69.0, "male")
    assert key_values(["a: 1", "b = 2", "c: 3"], limit=2) == {"a": "1", "b": "2"}
    assert key_values([f"{'k' * 61}: 1", f"{'k' * 62}: 1"]) == {"k" * 61: "1"}


def test_fixed_width_texts() -> None:
    assert plain_text(b" Name \0rest") == "Name"
    assert plain_text(b"\x01Na\x7fme\xe9 ") == "Nameé"
    # UTF-8 where it is; a character that the end of the field cut is dropped.
    assert plain_text("µV".encode()) == plain_text("µV".encode("latin-1")) == "µV"
    assert plain_text("Müller, Jé".encode()[:-1]) == "Müller, J"
    assert plain_text(b"Andr\xe9") == "André"


# Steps of writers


def signal(largest: float) -> np.ndarray:
    return np.array([[0.001, -largest]], np.float32)


@pytest.mark.parametrize(
    ("largest", "step"),
    [(0.5, 1), (32.767, 1), (32.769, 2), (65.534, 2), (65.54, 3), (8191.7, 250), (8191.8, None),
     (float("inf"), None)],
)  # fmt: skip
def test_whole_microvolts_per_step(largest: float, step: int | None) -> None:
    """16 bits hold 32767 steps: 32.767 mV at 1 uV, 8191.75 mV at 250 uV, the largest useful one."""
    if step is None:
        with pytest.raises(SignalError, match="too much for 16 bits"):
            microvolts_per_step(signal(largest))
    else:
        assert microvolts_per_step(signal(largest)) == step


def test_stored_values() -> None:
    values = np.array([[0.0008, -0.0024, np.nan, 0.0036, 1.0]], np.float32)
    assert digital(values, 1).tolist() == [[1, -2, -32768, 4, 1000]]
    assert digital(values, 2).tolist() == [[0, -1, -32768, 2, 500]]


def test_a_written_wfdb_record_byte_by_byte(tmp_path: Path) -> None:
    recording = Recording.from_array(
        [[0.001, np.nan, -32.767], [32.767, 0.0, 0.0]], sampling_rate=257.3, leads=("I", "chest"),
        unit="mV", subject=Subject(61.5, "female"),
    )  # fmt: skip
    path = write_wfdb(recording, tmp_path, "r-1_a")
    assert path.with_suffix(".dat").read_bytes() == struct.pack(
        "<6h", 1, 32767, -32768, 0, -32767, 0
    )
    # Sums modulo 65536: 1 - 32768 - 32767 = -65534 is 2; 32767.
    assert path.read_text() == (
        "r-1_a 2 257.3 3\nr-1_a.dat 16 1000.0(0)/mV 16 0 1 2 0 I\n"
        "r-1_a.dat 16 1000.0(0)/mV 16 0 32767 32767 0 chest\n# Age: 61.5\n# Sex: Female\n"
    )
    for gain, largest, too_large in ((800.0, 40.95, 40.97), (200.0, 163.83, 163.84)):
        fits = Recording.from_array([[largest]], sampling_rate=1, leads=("I",), unit="mV")
        write_wfdb(fits, tmp_path, "fits", gain=gain)
        beyond = Recording.from_array([[too_large]], sampling_rate=1, leads=("I",), unit="mV")
        with pytest.raises(SignalError, match=f"gain of {gain:g}"):
            write_wfdb(beyond, tmp_path, "beyond", gain=gain)
    for gain in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(SignalError):
            write_wfdb(fits, tmp_path, "x", gain=gain)
    large = write(beyond, tmp_path / "large file.hea")
    assert (large.step_mv, large.path.name) == (0.006, "large_file.hea")
    assert large.notes == ("the record is called large_file: WFDB allows no other signs",)


# Archives


def archive(folder: Path, **members: bytes) -> Path:
    path = folder / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/").replace("_DOT_", "."), content)
    return path


def header(name: str, samples: int = 3) -> bytes:
    return f"{name} 1 100 {samples}\n{name}.dat 16 1/mV 0 0 0 0 0 I\n".encode()


def test_which_members_are_recordings(tmp_path: Path) -> None:
    table = b"1,2\n3,4\n5,6\n"
    path = archive(
        tmp_path, b_DOT_hea=header("b"), b_DOT_dat=bytes(6), a__t_DOT_csv=table,
        **{"a__.hidden.csv": table, "__MACOSX__t.csv": table, "RECORDS": table,
           "ANNOTATORS": table, "REFERENCE.csv": table, "SHA256SUMS.txt": table, "n.bin": b"\0"},
    )  # fmt: skip
    names = [name for name in recordings_in_archive(path) if "MACOSX" not in name]
    assert names == ["b.hea", "a/t.csv"]
    assert inspect(path).recordings == len(recordings_in_archive(path))
    assert read(f"{path}::b").samples == read(f"{path}::b.hea").samples == 3
    assert read(path, index=0).source == f"{path}::b.hea"
    assert split_member_path(f"{path}::a/t.csv") == (path, "a/t.csv")
    assert split_member_path(path) == (path, None)
    with pytest.raises(FileAccessError, match="no member 'c'"):
        read(f"{path}::c")


def test_parts_of_a_record_come_along(tmp_path: Path) -> None:
    """The segments that a header names, and the tables that an HDF5 file needs."""
    path = archive(
        tmp_path, d__m_DOT_hea=b"m/3 1 100 8\ns1 3\n~ 2\ns2 3\n", d__s1_DOT_hea=header("s1"),
        d__s1_DOT_dat=bytes(6), d__s2_DOT_hea=header("s2"), d__s2_DOT_dat=bytes(6),
    )  # fmt: skip
    assert read(f"{path}::d/m").samples == 8


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a" * 255, True),
        ("a" * 256, False),
        ("é" * 127, True),
        ("é" * 128, False),
        ("/".join(["a" * 200] * 5), True),
        ("/".join(["a" * 204] * 5), True),
        ("/".join(["a" * 204] * 5) + "/", False),
        ("a\x1fb", False),
        ("a b", True),
        ("a\x7fb", False),
        ("a\ud7ffb", True),
        ("a\ud800b", False),
        ("a\udfffb", False),
        ("a\ue000b", True),
        ("con.hea", False),
        ("x/PRN", False),
        ("aux", False),
        ("nul.dat", False),
        ("com1", False),
        ("lpt9.x", False),
        ("com", True),
        ("console.hea", True),
        ("a//b", False),
        ("a/./b", False),
        ("", False),
        ("z:a", False),
        ("ab:c", True),
    ],
)
def test_safe_names(name: str, safe: bool) -> None:
    assert len("/".join(["a" * 204] * 5)) == 1024
    assert is_safe_name(name) == safe


def test_stems() -> None:
    for name, stem in (("a/b.hea", "a/b"), ("b.tar.gz", "b.tar"), ("a.b/c", "a.b/c"), (".x", ".x"),
                       ("a/.x", "a/.x")):  # fmt: skip
        assert stem_of(name) == stem


@pytest.mark.parametrize(("size", "fits"), [(1_000_000, True), (1_000_200, False)])
def test_how_much_a_member_may_expand(tmp_path: Path, size: int, fits: bool) -> None:
    """Up to a megabyte any ratio is allowed; beyond it 200 times."""
    path = archive(tmp_path, r_DOT_hea=header("r", size // 2), r_DOT_dat=bytes(size))
    if fits:
        assert read(f"{path}::r").samples == size // 2
    else:
        with pytest.raises(LimitError, match="the limit is 200"):
            read(f"{path}::r")


@pytest.mark.parametrize(
    ("packed", "size", "refused"),
    [(10_000, 2_000_000, False), (10_000, 2_000_001, True), (4_000, 1_000_000, False),
     (4_000, 1_000_001, True)],
)  # fmt: skip
def test_a_ratio_of_200(tmp_path: Path, packed: int, size: int, refused: bool) -> None:
    """The sizes that the directory announces are checked before anything expands."""
    path = archive(tmp_path, r_DOT_hea=header("r"), r_DOT_dat=bytes(6))
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\1\2") + 20  # of r.dat: packed size, then size (APPNOTE 4.3.12)
    content[place : place + 8] = struct.pack("<II", packed, size)
    path.write_bytes(content)
    with pytest.raises(EcgFoundryError) as caught:  # the member itself is damaged now
        read(f"{path}::r")
    assert ("the limit is 200" in str(caught.value)) == refused


def test_directories_that_announce_too_much(tmp_path: Path) -> None:
    """The end record: members at byte 10, the size of the directory at byte 12 (APPNOTE 4.3.16)."""
    path = archive(tmp_path, r_DOT_hea=header("r"), r_DOT_dat=bytes(6))
    content = path.read_bytes()
    end = content.rindex(b"PK\5\6")
    for place, value in (
        (12, struct.pack("<I", 64_000_001)),
        (12, struct.pack("<I", len(content) + 1)),
    ):
        path.write_bytes(content[: end + place] + value + content[end + place + 4 :])
        with pytest.raises(LimitError, match="announces"):
            open_archive(path)
    path.write_bytes(content[: end + 21])
    with pytest.raises(TruncatedFileError, match="no directory at its end"):
        open_archive(path)
    # A ZIP64 end record with its own numbers: 56 bytes, then the locator of 20 (4.3.14, 4.3.15).
    record64 = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 400_001, 400_001, 100, 0)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    # It is found before the longest comment (65,535 bytes) too.
    comment = struct.pack("<H", 65_535) + bytes(65_535)
    for tail in (content[end:], content[end : end + 20] + comment):
        path.write_bytes(content[:end] + record64 + locator + tail)
        with pytest.raises(LimitError, match="400001 members"):
            open_archive(path)
    most = record64.replace(struct.pack("<Q", 400_001), struct.pack("<Q", 400_000))
    path.write_bytes(content[:end] + most + locator + content[end:])
    _check_directory_size(path, path.stat().st_size)
    path.write_bytes(content[: end + 20] + comment)
    assert list(open_archive(path).members) == ["r.hea", "r.dat"]


def test_two_recordings_are_not_one(tmp_path: Path) -> None:
    path = archive(
        tmp_path, a_DOT_hea=header("a"), a_DOT_dat=bytes(6), b_DOT_hea=header("b"),
        b_DOT_dat=bytes(6),
    )  # fmt: skip
    with pytest.raises(EcgFoundryError, match="2 recordings"):
        read(path)
    assert read(path, index=1).header["record"] == "b"


def test_members_that_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, r_DOT_hea=header("r"), r_DOT_dat=bytes(6))
    content = bytearray(path.read_bytes())
    for offset, value, error in (
        (8, b"\1\0", UnsupportedVariantError),  # encrypted
        (10, b"\x63\0", UnsupportedVariantError),  # compressed by method 99
        (24, struct.pack("<I", 2_000_000_001), EcgFoundryError),
    ):
        changed = bytearray(content)
        place = changed.rindex(b"PK\1\2") + offset  # of r.dat in the central directory
        changed[place : place + len(value)] = value
        path.write_bytes(changed)
        with pytest.raises(error):
            read(f"{path}::r")
    with pytest.raises(UnsupportedVariantError, match="archive within an archive"):
        read(f"{archive(tmp_path, a_DOT_zip=bytes(content))}::a.zip")


def test_nobody_is_born_before_1850() -> None:
    assert birth_before(dt.date(1849, 12, 31), None) is None
    assert birth_before(dt.date(1850, 1, 1), None) == dt.date(1850, 1, 1)
