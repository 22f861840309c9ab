"""MIT annotation files against the ``wfdb`` package and against words written by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.errors import FormatError
from ecgfoundry.formats import read
from ecgfoundry.formats.wfdb.annotations import read_annotation_file

AUX_CODES = {"+", '"'}


def words(*pairs: tuple[int, int]) -> bytes:
    """Code and value of every 16-bit word."""
    return b"".join(struct.pack("<H", (code << 10) | value) for code, value in pairs)


def test_beats_rhythms_and_long_steps(tmp_path: Path) -> None:
    path = tmp_path / "r.atr"
    path.write_bytes(
        words((28, 18), (63, 5))
        + b"(AFIB\0"  # a rhythm with its name, padded to a word
        + words((1, 77))  # a beat 77 samples later
        + words((59, 0))
        + struct.pack("<HH", 1, 5)  # 65541 samples, high word first
        + words((5, 0), (62, 3), (61, 2), (60, 1))  # a beat with fields that are not used
        + words((14, 10), (40, 0), (0, 0))
        + words((1, 1))  # behind the end mark
    )
    marks = read_annotation_file(path, 100.0, total_s=1000.0)
    assert [(mark.kind, mark.text) for mark in marks] == [
        ("rhythm", "(AFIB"),
        ("beat", "N"),
        ("beat", "V"),
        ("noise", "~"),
        ("wave", ")"),
    ]
    assert [round(mark.time_s * 100) for mark in marks] == [18, 95, 65636, 65646, 65646]
    assert marks[0].duration_s == pytest.approx(1000 - 0.18)


def test_time_resolution_of_the_file_wins(tmp_path: Path) -> None:
    text = b"## time resolution: 1000"
    path = tmp_path / "r.atr"
    path.write_bytes(words((22, 0), (63, len(text))) + text + words((1, 500), (0, 0)))
    marks = read_annotation_file(path, 250.0)
    assert [(mark.text, mark.time_s) for mark in marks] == [("N", 0.5)]


@pytest.mark.parametrize(
    "content", [words((59, 0)), words((22, 0), (63, 24)) + b"## time resolution: none"]
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.atr").write_bytes(content)
    with pytest.raises(FormatError):
        read_annotation_file(tmp_path / "r.atr", 100.0)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_give_annotations_or_a_format_error(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ann") / "r.atr"
    path.write_bytes(content)
    try:
        marks = read_annotation_file(path, 100.0, total_s=1.0)
    except FormatError:
        return
    assert all(mark.duration_s >= 0 for mark in marks)


def expected(record: Path, extension: str) -> list[tuple[int, str]]:
    wfdb = pytest.importorskip("wfdb", reason="the oracle 'wfdb' is not installed")
    found = wfdb.rdann(str(record), extension)
    return [
        (int(sample), note.rstrip("\0") if symbol in AUX_CODES and note else symbol)
        for sample, symbol, note in zip(found.sample, found.symbol, found.aux_note, strict=True)
    ]


def test_beats_and_rhythms_equal_wfdb(fixtures: Path) -> None:
    record = fixtures / "mitdb/201_450s"
    marks = read(record).annotations
    assert [(round(mark.time_s * 360), mark.text) for mark in marks] == expected(record, "atr")
    rhythms = [(m.text, round(m.duration_s)) for m in marks if m.kind == "rhythm"]
    assert rhythms == [("(N", 27), ("(AFIB", 33)]


def test_delineation_of_every_lead_equals_wfdb(fixtures: Path) -> None:
    record = fixtures / "ludb/8"
    marks = read(record).annotations
    for lead in ("I", "aVF", "V6"):
        ours = [(round(m.time_s * 500), m.text) for m in marks if m.lead == lead]
        assert ours == expected(record, lead.lower())


def test_a_window_has_the_marks_of_the_sliced_record(fixtures: Path) -> None:
    whole = read(fixtures / "mitdb/201_450s")
    part = read(fixtures / "mitdb/201_450s", start_s=20, duration_s=15)
    sliced = whole.window(20, 15)
    assert [(m.kind, m.text) for m in part.annotations] == [
        (m.kind, m.text) for m in sliced.annotations
    ]
    np.testing.assert_allclose(
        [m.time_s for m in part.annotations], [m.time_s for m in sliced.annotations]
    )


@pytest.mark.parametrize("archive", ["mitbih_arrhythmia.zip"])
def test_shared_annotations_equal_wfdb(shared_data: Path, tmp_path: Path, archive: str) -> None:
    import zipfile

    with zipfile.ZipFile(shared_data / archive) as packed:
        packed.extractall(tmp_path, [n for n in packed.namelist() if n.endswith(".atr")])
    files = sorted(tmp_path.rglob("*.atr"))
    assert files
    for path in files:
        ours = [(round(m.time_s * 360), m.text) for m in read_annotation_file(path, 360.0)]
        theirs = expected(path.with_suffix(""), "atr")
        assert ours == theirs, path.name


def test_paroxysmal_af_episodes(shared_data: Path) -> None:
    """CPSC 2021: rhythm marks open and close the episodes."""
    recording = read(shared_data / "formats/cpsc2021_af_wfdb/data_101_9")
    rhythms = [mark for mark in recording.annotations if mark.kind == "rhythm"]
    assert {mark.text for mark in rhythms} <= {"(N", "(AFIB", "(AFL"}
    assert any(mark.text == "(AFIB" and mark.duration_s > 1 for mark in rhythms)
