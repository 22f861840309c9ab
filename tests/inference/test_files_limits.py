"""Which model suits a file, what of a long one is in memory, and which files are recordings."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import FileAccessError, ModelNotFoundError, SamplingRateError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.files import EcgFile, open_file
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.inference.files import (
    default_model,
    expand_paths,
    interpret_files,
    read_excerpt,
    window_source,
    without_sidecars,
)
from ecgfoundry.recording import Recording

TWELVE = "ptbxl-superclass-12lead"
SINGLE = "rhythm-single-lead"
LEADS = ("I", "II", "V1", "V2")


def write(folder: Path, name: str, seconds: float, leads: tuple[str, ...], rate: int = 100) -> Path:
    """A record whose sample k is k mod 1000 uV in every lead."""
    ramp = np.arange(round(seconds * rate)) % 1000 / 1000
    return write_wfdb(Recording(np.tile(ramp, (len(leads), 1)), rate, leads), folder, name)


@pytest.mark.parametrize(
    ("leads", "seconds", "model"),
    [
        (LEADS[:3], 10, TWELVE),
        (LEADS, 62, TWELVE),
        (LEADS[:2], 10, SINGLE),
        (("I", "II", "X"), 10, SINGLE),  # X is none of the twelve
        (LEADS, 62.01, SINGLE),
    ],
)
def test_three_standard_leads_of_a_minute_make_a_diagnosis(
    tmp_path: Path, leads: tuple[str, ...], seconds: float, model: str
) -> None:
    path = write(tmp_path, "r", seconds, leads)
    with open_file(path) as file:
        assert default_model(file) == model


def test_a_drawing_shows_the_first_minute(tmp_path: Path) -> None:
    path = write(tmp_path, "r", 70, ("I",))
    assert read_excerpt(path, ReadOptions()).duration_s == 60.0
    part = read_excerpt(path, ReadOptions(), start_s=2.0, duration_s=3.0)
    assert (part.duration_s, round(float(part.signal[0, 0]), 3)) == (3.0, 0.2)


@pytest.mark.parametrize(("seconds", "kind"), [(62.0, Recording), (63.0, EcgFile)])
def test_a_long_file_is_read_part_by_part(tmp_path: Path, seconds: float, kind: type) -> None:
    source = window_source(open_file(write(tmp_path, "r", seconds, LEADS)))
    assert type(source) is kind
    assert (source.leads, source.sampling_rate) == (LEADS, 100.0)
    assert source.samples == round(seconds * 100)
    part = source.part(250, 750)
    assert part.samples == 500 and part.leads == LEADS
    np.testing.assert_allclose(part.signal[3], np.arange(250, 750) / 1000, atol=1e-6)


def test_a_rate_that_no_ecg_has_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "r", 30, ("I",), rate=1)
    assert window_source(open_file(path)).sampling_rate == 1.0
    with pytest.raises(SamplingRateError):
        window_source(open_file(path, sampling_rate=0.5))


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ("a.hea a.dat a.atr a.mat b.dat", "a.hea"),
        ("a.edf a.json b.json", "a.edf b.json"),  # beside a recording it is its side-car
        ("a.xml a.xml.bak a.md a.html a.ATR", "a.xml a.xml.bak"),
        ("RECORDS ANNOTATORS REFERENCE.csv other.csv", "other.csv"),
    ],
)
def test_side_cars_are_no_recordings(names: str, kept: str) -> None:
    found = without_sidecars([Path(name) for name in names.split()])
    assert [path.name for path in found] == kept.split()


def test_what_files_folders_and_patterns_stand_for(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "deep" / ".cache").mkdir(parents=True)
    for name in ("b", "a"):
        write(folder, name, 5, ("I",))
    write(folder / "deep", "c", 5, ("I",))
    write(folder / "deep" / ".cache", "d", 5, ("I",))
    (folder / "aa.unknown").write_text("no recording, and what comes after it is still found")
    assert [p.name for p in expand_paths([folder])] == ["a.hea", "b.hea", "c.hea"]
    assert [p.name for p in expand_paths([folder / "b.hea", folder])] == ["b.hea", "a.hea", "c.hea"]
    assert [p.name for p in expand_paths([str(folder / "?.*")])] == ["a.hea", "b.hea"]
    assert [p.name for p in expand_paths([str(folder / "**" / "*.hea")])] == [
        "a.hea", "b.hea", "c.hea",
    ]  # fmt: skip
    assert expand_paths([folder / "gone.hea"]) == [folder / "gone.hea"]  # its own row says so
    (folder / "deep" / "empty").mkdir()
    with pytest.raises(FileAccessError, match="no recording that can be read"):
        expand_paths([folder / "deep" / "empty"])
    # A name with brackets is a file where there is one, and a pattern where there is none.
    bracket = (folder / "a.hea").rename(folder / "a[1].hea")
    assert expand_paths([str(bracket)]) == [bracket]


def test_an_archive_stands_for_its_recordings(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a", "b"):
        write(folder, name, 5, ("I",))
    for count in (1, 2):
        with zipfile.ZipFile(tmp_path / f"{count}.ZIP", "w") as archive:
            for name in ("a", "b")[:count]:
                for suffix in (".hea", ".dat"):
                    archive.write(folder / f"{name}{suffix}", f"{name}{suffix}")
    assert [str(p) for p in expand_paths([tmp_path / "2.ZIP"])] == [
        f"{tmp_path}/2.ZIP::a.hea", f"{tmp_path}/2.ZIP::b.hea",
    ]  # fmt: skip
    assert expand_paths([tmp_path / "1.ZIP"]) == [tmp_path / "1.ZIP"]
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(b"no archive")
    assert expand_paths([damaged]) == [damaged]


def test_an_error_of_choosing_a_model_is_one_of_the_file(tmp_path: Path) -> None:
    def choose(file: EcgFile):  # type: ignore[no-untyped-def]
        raise ModelNotFoundError("no model suits it", path=file.path)

    path = write(tmp_path, "x", 5, ("I",))
    (result,) = interpret_files(choose, [path])
    assert result.interpretation is None and "no model suits it" in str(result.error)
    assert result.file == str(path)
