"""Recognising files by content, the parts of a recording, and errors that say what to do."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import (
    FileAccessError,
    FormatError,
    LimitError,
    SignalError,
    UnknownFormatError,
)
from ecgfoundry.formats import formats, identify, inspect, iterate, open_file, read
from ecgfoundry.formats.builtin import BUILTIN
from ecgfoundry.formats.registry import READERS


def test_the_package_imports_without_the_readers() -> None:
    code = (
        "import sys, ecgfoundry.formats as f; "
        "assert 'scipy' not in sys.modules and 'h5py' not in sys.modules; "
        "assert 'ecgfoundry.formats.registry' not in sys.modules; "
        "f.formats(); "
        "heavy = {'scipy', 'h5py', 'wfdb', 'pandas', 'soundfile'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_unknown_names_of_the_package() -> None:
    import ecgfoundry.formats

    with pytest.raises(AttributeError):
        _ = ecgfoundry.formats.nothing
    assert "read" in dir(ecgfoundry.formats)


def test_content_counts_not_the_name(fixtures: Path, tmp_path: Path) -> None:
    shutil.copy(fixtures / "sph/SPH00001.h5", tmp_path / "a.csv")
    assert identify(tmp_path / "a.csv").name == "hdf5"
    shutil.copy(fixtures / "code15/code_15_795649.mat", tmp_path / "b.dat")
    assert read(tmp_path / "b.dat").format == "matlab"


@pytest.mark.parametrize("name", ["E07500", "E07500.hea", "E07500.mat"])
def test_every_way_to_name_a_wfdb_record(fixtures: Path, name: str) -> None:
    recording = read(fixtures / "cinc2021" / name)
    assert recording.format == "wfdb"
    assert recording.samples == 5000


def test_a_mat_file_without_its_header_is_a_bare_matrix(fixtures: Path, tmp_path: Path) -> None:
    shutil.copy(fixtures / "cinc2017/A00001.mat", tmp_path / "A00001.mat")
    assert identify(tmp_path / "A00001.mat").name == "matlab"
    recording = read(tmp_path / "A00001.mat", leads="I", unit="uV", sampling_rate=300)
    np.testing.assert_array_equal(recording.signal, read(fixtures / "cinc2017/A00001").signal)


def test_a_mat_file_beside_the_header_of_another_record(fixtures: Path, tmp_path: Path) -> None:
    shutil.copy(fixtures / "code15/code_15_795649.mat", tmp_path / "r.mat")
    (tmp_path / "r.hea").write_text("r 1 100 20\nr.dat 16 200 16 0 0 0 0 I\n")
    assert identify(tmp_path / "r.mat").name == "matlab"


def test_a_signal_file_without_header(tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_bytes(bytes(100))
    with pytest.raises(UnknownFormatError, match=r"Put x\.hea beside it"):
        read(tmp_path / "x.dat")


FOREIGN = {
    "ISHNE annotation": b"ANN  1.0" + bytes(600),
    "gzip": b"\x1f\x8b" + bytes(100),
    "element 'html'": b"<html><body>1 2 3</body></html>",
    "element 'Schiller'": "<?xml version='1.0'?><Schiller/>".encode("utf-16"),
    "PDF": b"%PDF-1.7\n" + bytes(20),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_known_formats_that_are_not_read_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.bin").write_bytes(FOREIGN[name])
    with pytest.raises(UnknownFormatError, match=rf"{name}.*does not read.*wfdb"):
        read(tmp_path / "x.bin")


def test_unknown_content_lists_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"\x00\x01\x02" * 50)
    with pytest.raises(UnknownFormatError) as caught:
        read(tmp_path / "x.bin")
    for reader in formats():
        assert reader.name in str(caught.value)


def test_places_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match="no such file"):
        read(tmp_path / "nothing.hea")
    with pytest.raises(FileAccessError, match="folder"):
        read(tmp_path)
    with pytest.raises(FileAccessError):
        read("a\0b")
    with pytest.raises(FileAccessError):
        read("x" * 5000)
    (tmp_path / "empty.csv").touch()
    with pytest.raises(FormatError, match="empty"):
        read(tmp_path / "empty.csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileAccessError, match="regular"):
        read(tmp_path / "pipe")


def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("I,II\n1,2\n3,4\n5,6\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything (root)")
    with pytest.raises(FileAccessError, match="permissions"):
        read(path)


def test_format_by_name(fixtures: Path) -> None:
    assert read(fixtures / "sph/SPH00001.h5", format="hdf5").samples == 5000
    with pytest.raises(UnknownFormatError, match="no file format 'nonsense'.*wfdb, matlab"):
        read(fixtures / "sph/SPH00001.h5", format="nonsense")
    with pytest.raises(FormatError):
        read(fixtures / "sph/SPH00001.h5", format="wfdb")


def test_parts(fixtures: Path) -> None:
    path = fixtures / "sph/SPH00001.h5"
    whole = read(path)
    part = read(path, start_s=2, duration_s=3)
    np.testing.assert_array_equal(part.signal, whole.signal[:, 1000:2500])
    assert read(path, start_s=9, duration_s=100).samples == 500
    for start, duration in ((-1, 1), (0, 0), (0, -1), (float("nan"), 1), (0, float("inf"))):
        with pytest.raises(SignalError, match="no part"):
            read(path, start_s=start, duration_s=duration)
    with pytest.raises(SignalError, match="starts at 10 s, the recording has 10 s"):
        read(path, start_s=10)


@pytest.mark.parametrize("name", ["sph/SPH00001.h5", "ludb/8.hea"])
def test_iterate(fixtures: Path, name: str) -> None:
    windows = list(iterate(fixtures / name, 3, start_s=1, duration_s=8))
    assert [window.samples for window in windows] == [1500, 1500, 1000]
    whole = read(fixtures / name)
    joined = np.concatenate([window.signal for window in windows], axis=1)
    np.testing.assert_array_equal(joined, whole.signal[:, 500:4500])
    for window_s in (0, -1, 1e-9, float("nan")):
        with pytest.raises(SignalError):
            next(iterate(fixtures / name, window_s))


def test_whatever_a_reader_raises_leaves_as_a_typed_error(fixtures: Path) -> None:
    from ecgfoundry.formats.wfdb import reader as wfdb

    path = fixtures / "cinc2017/A00001.hea"
    for raised, kind in (
        (MemoryError(), LimitError),
        (OSError(5, "Input/output error"), FileAccessError),
        (ZeroDivisionError("x"), FormatError),
        (RecursionError("deep"), FormatError),
    ):

        def broken(*_: object, error: BaseException = raised) -> None:
            raise error

        reader = replace(wfdb.READER, name="broken", open=broken)
        for call in (read, inspect, open_file):
            with (
                READERS.temporarily(reader, "broken"),
                pytest.raises(kind, match=r"A00001\.hea") as caught,
            ):
                call(path, format="broken")
            assert type(caught.value) is kind
            assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_errors_without_a_path_get_it(fixtures: Path) -> None:
    with pytest.raises(FormatError) as caught:
        read(fixtures / "README.md", format="delimited")
    assert caught.value.path is not None


# ------------------------------------------------------------------- formats of other packages


def test_another_package_adds_a_format(tmp_path: Path) -> None:
    """``tests/plugins`` has an entry point in the group ``ecgfoundry.formats``."""
    path = tmp_path / "x.txt"
    path.write_text("RAMP I,aVF 250 1000 END")
    assert identify(path).name == "plugin-ramp"
    with open_file(path) as file:
        assert (file.leads, file.duration_s) == (("I", "aVF"), 4.0)
        part = file.read_seconds(1.0, 0.012)
    np.testing.assert_allclose(part.signal, [[0.250, 0.251, 0.252]] * 2, rtol=1e-6)
    assert READERS.origin("plugin-ramp") == "ecgfoundry-plugin 1.0"
    assert [reader.name for reader in formats()][-2:] == ["plugin-ramp", "delimited"]


def test_a_format_is_added_while_the_program_runs(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,2\n3,4\n5,6\n")
    reader = replace(READERS["plugin-ramp"], name="mine", sniff=lambda path, head: True)
    with READERS.temporarily(reader, "mine"):
        assert identify(path).name == "mine"  # the least specific format is asked last
    assert identify(path).name == "delimited"
    with pytest.raises(UnknownFormatError, match="duplicate file format 'wfdb'"):
        READERS.add(reader, "wfdb")
    with pytest.raises(UnknownFormatError, match="as a Reader, not as str"):
        READERS.add("mine", "mine")


def test_no_reader_takes_what_its_signs_do_not_fit(fixtures: Path) -> None:
    """The signs by which a reader is chosen to be imported fit whatever the reader takes."""
    files = [path for path in fixtures.rglob("*") if path.is_file()]
    assert len(files) > 30
    for path in files:
        with path.open("rb") as stream:
            head = stream.read(4096)
        for name, signs in BUILTIN.items():
            if READERS[name].sniff(path, head):
                assert signs.fit(path, head), (path, name)


@pytest.mark.parametrize("index", [-1, 1, 3])
def test_the_number_of_a_recording_that_a_file_does_not_hold_is_refused(index: int) -> None:
    with pytest.raises(SignalError, match=rf"no recording {index}; the file holds 1\. Leave"):
        read("sample:12-lead", index=index)
    assert read("sample:12-lead", index=0).samples == 5000
