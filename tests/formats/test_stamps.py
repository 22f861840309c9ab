"""What a recording on the disk is told by, for runs that are resumed and for caches."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.formats.common.stamps import files_behind, stamp_of


def record(folder: Path, name: str, samples: Path) -> Path:
    np.zeros(500, "<i2").tofile(samples)
    header = folder / f"{name}.hea"
    header.write_text(f"{name} 1 250 500\n{samples.name} 16 1000/mV 16 0 0 0 0 II\n")
    return header


def touched(path: Path) -> None:
    """Other content of the same size, a second later."""
    state = path.stat()
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))


@pytest.mark.parametrize("samples", ["r.dat", "other.bin"])
def test_the_samples_of_a_record_belong_to_it(tmp_path: Path, samples: str) -> None:
    header = record(tmp_path, "r", tmp_path / samples)
    before = stamp_of(header)
    assert stamp_of(tmp_path / "r") == before  # named without its ending
    touched(tmp_path / samples)
    assert stamp_of(header) != before


def test_segments_belong_to_a_record_and_their_samples_too(tmp_path: Path) -> None:
    record(tmp_path, "part", tmp_path / "values.dat")
    master = tmp_path / "all.hea"
    master.write_text("all/2 1 250 1000\npart 500\n~ 500\n")
    assert {path.name for path in files_behind(master) if path.exists()} == {
        "all.hea", "part.hea", "values.dat",
    }  # fmt: skip
    before = stamp_of(master)
    touched(tmp_path / "values.dat")
    assert stamp_of(master) != before


def test_side_cars_and_archives(tmp_path: Path) -> None:
    array, sidecar = tmp_path / "x.npy", tmp_path / "x.json"
    np.save(array, np.zeros(3))
    before = stamp_of(array)
    sidecar.write_text("{}")
    assert stamp_of(array) != before
    archive = tmp_path / "a.zip"
    archive.write_bytes(b"PK")
    before = stamp_of(Path(f"{archive}::folder/r.hea"))
    assert before.startswith("a.zip 2 ")
    touched(archive)
    assert stamp_of(Path(f"{archive}::folder/r.hea")) != before
    assert stamp_of(tmp_path / "nothing.hea") == ""


def test_names_that_point_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    header = tmp_path / "r.hea"
    header.write_text("r 2 250 500\n../secret.dat 16\n/etc/passwd 16\n# ../x\n")
    assert {path.parent for path in files_behind(header)} == {tmp_path}
