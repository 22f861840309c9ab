"""The tutorials' data: what the table says is what is in the signals."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.manifest.fingerprints import fingerprint, similar_pairs
from ecgfoundry.synthesis.teaching import draw_people, write_teaching_set


def test_the_table_says_what_is_in_the_signals(tmp_path: Path) -> None:
    table = write_teaching_set(tmp_path / "ecgs", 9, seed=3)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert len(rows) == 9 and sum(row["long_qt"] == "1" for row in rows) == 3
    errors = []
    for row in rows:
        recording = ecgfoundry.read(tmp_path / "ecgs" / row["file"])
        assert len(recording.leads) == 12 and recording.duration_s == 10.0
        measured = ecgfoundry.measure(recording)
        assert measured.heart_rate_bpm == pytest.approx(float(row["rate_bpm"]), abs=1.0)
        assert measured.qt_ms is not None
        errors.append(measured.qt_ms - float(row["qt_ms"]))
    assert np.abs(np.array(errors)).max() < 20.0


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        write_teaching_set(folder, 2, seed=seed)
    first, again, other = [
        {path.name: path.read_bytes() for path in sorted(folder.iterdir())} for folder in folders
    ]
    assert first == again and first != other


def test_no_two_people_are_taken_for_copies(tmp_path: Path) -> None:
    table = write_teaching_set(tmp_path / "ecgs", 90)
    names = [row["file"] for row in csv.DictReader(table.open(encoding="utf-8"))]
    values = [fingerprint(ecgfoundry.read(table.parent / name)) for name in names]
    found = [int(value) for value in values if value is not None]
    assert len(found) == 90
    near = [(a, b) for a, b in similar_pairs(found, found) if a < b]
    assert near == []


def test_qt_follows_the_rate_in_those_without_a_long_one() -> None:
    people = [person for person in draw_people(300) if not person.long_qt]
    corrected = np.array([p.qt_ms * (p.rate_bpm / 60.0) ** (1 / 3) for p in people])
    assert abs(corrected.mean() - 390.0) < 3.0 and corrected.std() < 12.0
