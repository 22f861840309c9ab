"""ZIP archives: data sets as they are distributed, and everything that an archive may try."""

from __future__ import annotations

import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import (
    EcgFoundryError,
    FileAccessError,
    FormatError,
    LimitError,
    SignalError,
    TruncatedFileError,
    UnknownFormatError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import identify, inspect, iterate, open_file, read
from ecgfoundry.formats.registry import recordings_in_archive
from ecgfoundry.formats.zip import directory as zip_directory
from ecgfoundry.formats.zip.directory import is_safe_name
from ecgfoundry.inference.files import default_model, expand_paths, interpret_files
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.manifest import read_manifest


@pytest.fixture
def data_set(fixtures: Path, tmp_path: Path) -> Path:
    """Two WFDB records, an SPH file with its table, an aECG, and what is no recording."""
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("E07500.hea", "E07500.mat", "JS20000.hea", "JS20000.mat"):
            archive.write(fixtures / "cinc2021" / name, f"data/wfdb/{name}")
        for name in ("SPH00001.h5", "metadata.csv"):
            archive.write(fixtures / "sph" / name, f"data/sph/{name}")
        archive.write(fixtures / "hl7_aecg/minimum_aecg.xml", "ecg.xml")
        archive.writestr("RECORDS", "E07500\n")
        archive.writestr("REFERENCE.csv", "E07500,N\nJS20000,A\n")
        archive.writestr("README.md", "# about\n")
        archive.writestr("__MACOSX/data/wfdb/._E07500.hea", b"\0\1")
        archive.writestr("data/.hidden.hea", "x 1 1 1\n")
    return path


MEMBERS = ("data/wfdb/E07500.hea", "data/wfdb/JS20000.hea", "data/sph/SPH00001.h5", "ecg.xml")


def test_what_is_a_recording(data_set: Path) -> None:
    assert recordings_in_archive(data_set) == MEMBERS
    assert identify(data_set).name == "zip"


def test_members_by_name_and_by_number(
    data_set: Path, fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "tmp"  # of this test alone: others unpack at the same time
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    for name in ("data/wfdb/JS20000.hea", "data/wfdb/JS20000", "data/wfdb/JS20000.mat"):
        recording = read(f"{data_set}::{name}")
        assert recording.format == "wfdb"
        np.testing.assert_array_equal(recording.signal, read(fixtures / "cinc2021/JS20000").signal)
    by_number = read(data_set, index=2)
    assert by_number.format == "hdf5"
    assert by_number.source == f"{data_set}::data/sph/SPH00001.h5"
    assert by_number.subject == read(fixtures / "sph/SPH00001.h5").subject
    assert by_number.subject.age is not None  # from the table beside it
    assert inspect(data_set).recordings == 4
    assert inspect(f"{data_set}::ecg.xml").leads == ("II",)
    assert list(own.iterdir()) == []


def test_parts_and_windows(data_set: Path, fixtures: Path) -> None:
    whole = read(fixtures / "cinc2021/E07500").signal
    place = f"{data_set}::data/wfdb/E07500"
    np.testing.assert_array_equal(read(place, start_s=2, duration_s=3).signal, whole[:, 1000:2500])
    windows = [window.signal for window in iterate(place, 4)]
    np.testing.assert_array_equal(np.concatenate(windows, axis=1), whole)


def test_errors_say_what_to_do(data_set: Path, tmp_path: Path) -> None:
    with pytest.raises(SignalError, match=r"4 recordings.*set\.zip::data/wfdb/E07500\.hea"):
        read(data_set)
    with pytest.raises(SignalError, match="no recording 4"):
        read(data_set, index=4)
    with pytest.raises(FileAccessError, match="no member 'DATA"):
        read(f"{data_set}::DATA/wfdb/E07500.hea")
    with pytest.raises(FileAccessError, match="no such file"):
        read(f"{tmp_path}/none.zip::x")
    with pytest.raises(UnknownFormatError) as caught:
        read(f"{data_set}::README.md")
    assert f"{data_set}::README.md" in str(caught.value)
    assert tempfile.gettempdir() + "/ecgfoundry-" not in str(caught.value)
    with zipfile.ZipFile(tmp_path / "no.zip", "w") as archive:
        archive.writestr("a.md", "x")
    with pytest.raises(UnknownFormatError, match="no recording"):
        read(tmp_path / "no.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(UnknownFormatError, match="no recording"):
        read(tmp_path / "empty.zip")


def test_folders_and_manifests_over_an_archive(data_set: Path, tmp_path: Path) -> None:
    paths = expand_paths([data_set])
    assert [str(path).partition("::")[2] for path in paths] == list(MEMBERS)
    assert expand_paths([tmp_path]) == paths  # the folder that holds it
    with open_file(paths[0]) as file:
        assert default_model(file) == "ptbxl-superclass-12lead"
    (tmp_path / "m.csv").write_text(
        "record,path,index\na,set.zip::data/wfdb/E07500.hea,\nb,set.zip,1\n"
    )
    manifest = read_manifest(tmp_path / "m.csv")
    first, second = (manifest.open(row) for row in manifest.rows)
    assert first.samples == second.samples == 5000
    assert not np.array_equal(first.signal, second.signal)


@pytest.mark.slow  # loads the model
def test_diagnose_over_an_archive(data_set: Path) -> None:
    paths = expand_paths([data_set])
    predictor = load_model("rhythm-single-lead")
    results = list(interpret_files(lambda _: predictor, paths[1:4:2]))
    assert [result.error is None for result in results] == [True, True]
    refused = [result.interpretation.refused is not None for result in results]
    assert refused == [False, True]  # thirteen samples are no ECG


def test_one_recording_is_not_numbered(fixtures: Path) -> None:
    path = fixtures / "hl7_aecg/subject1_0.zip"
    assert expand_paths([path]) == [path]
    assert read(path).source == f"{path}::subject1_0.xml"


def test_multi_segment_records_come_with_their_parts(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "formats/wfdb/wfdb-python/multi-segment/041s"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"d/{path.name}")
    np.testing.assert_array_equal(
        read(f"{tmp_path}/x.zip::d/041s").signal, read(folder / "041s").signal
    )


def test_data_sets_as_distributed(shared_data: Path) -> None:
    for name, count, leads in (("ludb.zip", 173, 12), ("mitbih_arrhythmia.zip", 12, 2)):
        members = recordings_in_archive(shared_data / name)
        assert len(members) == count
        recording = read(f"{shared_data / name}::{members[0]}")
        assert len(recording.leads) == leads and recording.annotations


# What an archive may try

UNSAFE = ["../up.hea", "a/../../up.hea", "/abs.hea", "c:/x.hea", "a\\b.hea", "..", "a/./b.hea",
          "con.hea", "a/nul", "x\x01.hea", "a//b.hea", "\x7f.hea"]  # fmt: skip


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_names(fixtures: Path, tmp_path: Path, name: str) -> None:
    assert not is_safe_name(name)
    path = tmp_path / "in" / "x.zip"
    path.parent.mkdir()
    info = zipfile.ZipInfo("x")
    info.filename = name  # the constructor would tidy it up
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, (fixtures / "hl7_aecg/minimum_aecg.xml").read_bytes())
    assert recordings_in_archive(path) == ()
    with pytest.raises(UnknownFormatError, match="1 members have unsafe names"):
        read(path)
    with pytest.raises(EcgFoundryError):
        read(f"{path}::{name}")
    assert [entry.name for entry in tmp_path.rglob("*")] == ["in", "x.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("x.hea")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UnsupportedVariantError, match="no regular file"):
        read(f"{tmp_path}/x.zip::x.hea")
    assert recordings_in_archive(tmp_path / "x.zip") == ()


def test_a_header_cannot_name_files_elsewhere(fixtures: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.hea", "x 1 500 10\n../../../../etc/hostname 16 1000 16 0 0 0 0 I\n")
    with pytest.raises(EcgFoundryError):
        read(tmp_path / "x.zip")


def test_names_that_differ_in_case(fixtures: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("E07500.hea", "E07500.mat"):
            archive.write(fixtures / "cinc2021" / name, name)
        archive.writestr("E07500.MAT", b"other")
    with pytest.raises(FormatError, match="one file on some systems"):
        read(f"{tmp_path}/x.zip::E07500")


def test_a_name_twice_is_not_read(fixtures: Path, tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "x.zip", "w") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.write(fixtures / "hl7_aecg/minimum_aecg.xml", "x.xml")
        archive.writestr("x.xml", "other")
    with pytest.raises(UnsupportedVariantError):
        read(f"{tmp_path}/x.zip::x.xml")


def test_bomb_by_ratio(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.xml", "<AnnotatedECG>" + " " * 50_000_000)
    with pytest.raises(LimitError, match="expands"):
        read(f"{tmp_path}/x.zip::x.xml")


def test_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.xml", "<AnnotatedECG>" + " " * 50_000_000)
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", 900_000)
    path.write_bytes(content)
    with pytest.raises(EcgFoundryError):
        read(f"{path}::x.xml")
    assert not list(tmp_path.glob("*.xml"))


def test_limits_of_members_and_bytes(
    data_set: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(zip_directory, "MAXIMUM_RECORDING_BYTES", 100_000)
    with pytest.raises(LimitError, match="the limit is 100000"):
        read(f"{data_set}::data/wfdb/E07500")
    monkeypatch.setattr(zip_directory, "MAXIMUM_MEMBERS", 3)
    zip_directory._open_archive.cache_clear()
    with pytest.raises(LimitError, match="announces 12 members"):
        read(data_set)
    zip_directory._open_archive.cache_clear()


def test_a_directory_that_announces_too_much(data_set: Path, tmp_path: Path) -> None:
    content = bytearray(data_set.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 12 : end + 16] = struct.pack("<I", 0xFFFF_0000)
    (tmp_path / "y.zip").write_bytes(content)
    with pytest.raises(LimitError, match="announces"):
        read(tmp_path / "y.zip")


def test_nesting_is_refused(fixtures: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(fixtures / "hl7_aecg/subject1_0.zip", "inner.zip")
        archive.write(fixtures / "hl7_aecg/subject1_0.zip", "inner.xml")
    assert recordings_in_archive(tmp_path / "x.zip") == ()
    for name in ("inner.zip", "inner.xml"):
        with pytest.raises(UnsupportedVariantError, match="within an archive"):
            read(f"{tmp_path}/x.zip::{name}")


def test_encrypted_and_unknown_compression(data_set: Path, tmp_path: Path) -> None:
    for offset, value, words in ((8, 1, "encrypted"), (10, 99, "method 99")):
        content = bytearray(data_set.read_bytes())
        place = content.index(b"PK\x01\x02")
        content[place + offset : place + offset + 2] = struct.pack("<H", value)
        (tmp_path / f"{value}.zip").write_bytes(content)
        with pytest.raises(UnsupportedVariantError, match=words):
            read(f"{tmp_path}/{value}.zip::data/wfdb/E07500.hea")


@pytest.mark.parametrize("kept", [4, 100, 0.5, 0.99, -1])
def test_cut_archives(data_set: Path, tmp_path: Path, kept: float) -> None:
    content = data_set.read_bytes()
    length = int(kept if abs(kept) >= 1 else kept * len(content))
    (tmp_path / "y.zip").write_bytes(content[:length])
    with pytest.raises(TruncatedFileError):
        read(tmp_path / "y.zip", index=0)


def test_damaged_members(data_set: Path, tmp_path: Path) -> None:
    content = bytearray(data_set.read_bytes())
    for place in range(20_000, 60_000, 1000):
        content[place] ^= 0xFF
    (tmp_path / "y.zip").write_bytes(content)
    assert zlib.crc32(content) != zlib.crc32(data_set.read_bytes())
    with pytest.raises(FormatError, match="damaged"):
        read(f"{tmp_path}/y.zip::data/wfdb/E07500")
