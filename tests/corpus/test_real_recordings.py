"""Real ECG of several formats, with the targets of its files: manifest -> corpus -> read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pl = pytest.importorskip("polars")

import ecgfoundry  # noqa: E402
from ecgfoundry.corpus import build_corpus, open_corpus, verify_corpus  # noqa: E402
from ecgfoundry.manifest import Manifest, ManifestRow  # noqa: E402


def manifest_of(paths: list[Path], folder: Path) -> Manifest:
    """Age and sex of the header as what to learn, as the manifest carries them."""
    rows = []
    for path in paths:
        subject = ecgfoundry.read(path).subject
        sex = subject.sex if subject.sex in ("female", "male") else None
        rows.append(
            ManifestRow(
                record=path.stem,
                path=path.relative_to(folder).as_posix(),
                patient=path.stem,
                age=subject.age if subject.age is None or 0 <= subject.age <= 130 else None,
                sex=sex,
                targets={
                    "over_60": None if subject.age is None else float(subject.age > 60),
                    "male": None if sex is None else float(sex == "male"),
                },
            )
        )
    return Manifest(tuple(rows), folder)


def check(manifest: Manifest, folder: Path) -> None:
    build_corpus(manifest, folder)
    corpus = open_corpus(folder)
    assert verify_corpus(folder).ok and len(corpus) > 0
    by_record = {row.record: row for row in manifest.rows}
    records = {row["record"]: row for row in corpus.records.iter_rows(named=True)}
    for record, row in by_record.items():
        for name, value in row.targets.items():
            assert records[record][f"target:{name}"] == value
    for group in corpus.groups:
        part = corpus.of_group(group)
        found = part.read(np.arange(len(part)))
        for segment, signal in zip(part.index.iter_rows(named=True), found, strict=True):
            recording = manifest.open(by_record[segment["record"]])
            assert ",".join(recording.leads) == segment["leads"]
            start = round(segment["start_s"] * segment["sampling_rate"])
            expected = recording.signal[:, start : start + segment["length"]]
            # Exact where the leads share one gain, within half of 1 µV elsewhere.
            np.testing.assert_allclose(signal, expected, atol=5.01e-4)
            assert segment["age"] == by_record[segment["record"]].age


def test_files_of_the_project(fixtures: Path, tmp_path: Path):
    names = ["cinc2021/*.hea", "ludb/8.hea", "cinc2017/*.hea", "code15/*.mat"]
    paths = [path for name in names for path in sorted(fixtures.glob(name))]
    assert len(paths) >= 6
    check(manifest_of(paths, fixtures), tmp_path / "corpus")


def test_records_of_the_challenges(shared_data: Path, tmp_path: Path):
    folder = shared_data / "formats" / "cinc2021_wfdb_mat4"
    paths = sorted(folder.rglob("*.hea"))[::5]
    assert len(paths) >= 15
    check(manifest_of(paths, folder), tmp_path / "corpus")
