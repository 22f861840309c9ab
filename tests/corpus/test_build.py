"""Building: the same bytes however it is done, and nothing lost or twice."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pl = pytest.importorskip("polars")

from tests.corpus.conftest import OPTIONS  # noqa: E402

from ecgfoundry.corpus import BuildOptions, build_corpus, open_corpus, verify_corpus  # noqa: E402
from ecgfoundry.corpus.build_plan import make_plan  # noqa: E402
from ecgfoundry.errors import CorpusError, LeakageError, ManifestError  # noqa: E402
from ecgfoundry.manifest import Manifest, ManifestRow, write_manifest  # noqa: E402


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_every_record_is_used_or_said_to_be_not(built: Path, recordings: Manifest):
    corpus = open_corpus(built)
    records = {row["record"]: row for row in corpus.records.iter_rows(named=True)}
    assert list(records) == [row.record for row in recordings.rows]
    assert records["r15"]["status"] == "failed" and records["r15"]["error"] == "truncated"
    assert records["r16"]["status"] == "failed" and records["r16"]["error"] == "file-access"
    assert records["r17"]["status"] == "empty" and records["r17"]["short"] == 1
    assert records["r2"]["missing"] == 1
    for row in records.values():
        reasons = ("short", "missing", "flat", "implausible", "noise", "inverted")
        assert row["windows"] == row["kept"] + sum(row[reason] for reason in reasons)
    assert sum(row["kept"] for row in records.values()) == len(corpus)
    assert records["r4"]["target:age_group"] == 1.0
    assert corpus.document["records"] == {"used": 15, "failed": 2, "empty": 1}


def test_segments_are_the_samples_of_the_files(built: Path, recordings: Manifest):
    corpus = open_corpus(built)
    rows = {row.record: row for row in recordings.rows}
    for group in corpus.groups:
        part = corpus.of_group(group)
        read = part.read(np.arange(len(part)))
        for position, segment in enumerate(part.index.iter_rows(named=True)):
            recording = recordings.open(rows[segment["record"]])
            start = round(segment["start_s"] * segment["sampling_rate"])
            expected = recording.signal[:, start : start + segment["length"]]
            if segment["record"] in ("r12", "r13", "r14"):  # floats: rounded to 1 µV
                np.testing.assert_allclose(read[position], expected, atol=5.001e-4)
            else:
                np.testing.assert_array_equal(read[position], expected)
            if recording.start_time is not None:
                passed = (segment["start_time"] - recording.start_time).total_seconds()
                assert passed == pytest.approx(segment["start_s"], abs=1e-6)
    inverted = corpus.index.filter(pl.col("record_inverted"))["record"].unique().to_list()
    assert inverted == ["r5"]


def test_the_number_of_workers_does_not_change_a_byte(
    built: Path, recordings: Manifest, tmp_path: Path
):
    result = build_corpus(recordings, tmp_path / "two", options=OPTIONS, workers=2)
    assert result.tasks > 4
    assert content(tmp_path / "two") == content(built)


def test_the_same_again_does_nothing_and_mends_what_is_damaged(
    built: Path, recordings: Manifest, tmp_path: Path
):
    folder = tmp_path / "corpus"
    build_corpus(recordings, folder, options=OPTIONS)
    assert build_corpus(recordings, folder, options=OPTIONS).made == 0
    shard = next((folder / "shards").rglob("*.npy"))
    shard.unlink()
    assert build_corpus(recordings, folder, options=OPTIONS).made == 1
    assert content(folder) == content(built)


def test_another_input_needs_append_and_appending_adds_what_is_new(
    built: Path, recordings: Manifest, tmp_path: Path
):
    folder = tmp_path / "corpus"
    half = Manifest(recordings.rows[:8], recordings.folder)
    build_corpus(half, folder, options=OPTIONS)
    with pytest.raises(CorpusError, match="--append"):
        build_corpus(recordings, folder, options=OPTIONS)
    result = build_corpus(recordings, folder, options=OPTIONS, append=True)
    corpus, whole = open_corpus(folder), open_corpus(built)
    assert sorted(corpus.index["segment"]) == sorted(whole.index["segment"])
    assert len(corpus.document["generations"]) == 2
    assert verify_corpus(folder).ok
    assert build_corpus(recordings, folder, options=OPTIONS, append=True).made == 0
    assert result.made > 0


def test_a_patient_of_an_earlier_part_cannot_change_the_split(recordings: Manifest, tmp_path: Path):
    folder = tmp_path / "corpus"
    build_corpus(Manifest(recordings.rows[:1], recordings.folder), folder, options=OPTIONS)
    other = replace(recordings.rows[1], split="test")  # of the same patient
    with pytest.raises(LeakageError):
        build_corpus(Manifest((other,), recordings.folder), folder, options=OPTIONS, append=True)


def test_an_unfinished_corpus_goes_on_with_its_own_input_only(
    built: Path, recordings: Manifest, tmp_path: Path
):
    folder = tmp_path / "corpus"

    def engine(function, specs):
        for spec in specs[:3]:
            yield function(spec)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_corpus(recordings, folder, options=OPTIONS, engine=engine)
    with pytest.raises(CorpusError, match="no finished corpus"):
        open_corpus(folder)
    with pytest.raises(CorpusError, match="begun with"):
        build_corpus(recordings, folder, options=BuildOptions(segment_s=5.0))
    changed = recordings.path_of(recordings.rows[0])
    state = changed.stat()
    os.utime(changed, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
    with pytest.raises(CorpusError, match="begun with"):
        build_corpus(recordings, folder, options=OPTIONS)
    os.utime(changed, ns=(state.st_atime_ns, state.st_mtime_ns))
    result = build_corpus(recordings, folder, options=OPTIONS)
    assert result.made == result.tasks - 3
    assert content(folder) == content(built)


def test_two_builds_do_not_run_in_one_folder(recordings: Manifest, tmp_path: Path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    with (folder / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(CorpusError, match="another build"):
            build_corpus(recordings, folder)


def test_leads_and_parts_can_be_chosen(recordings: Manifest, tmp_path: Path):
    rows = (replace(recordings.rows[12], start_s=1.0, duration_s=10.5),)
    build_corpus(
        Manifest(rows, recordings.folder), tmp_path / "c", options=BuildOptions(leads=("II",))
    )
    corpus = open_corpus(tmp_path / "c")
    assert corpus.leads == ("II",) and corpus.index["start_s"].to_list() == [1.0]
    expected = recordings.open(recordings.rows[12]).lead("II")[500:5500]
    np.testing.assert_allclose(corpus.read([0])[0, 0], expected, atol=5.001e-4)


def test_samples_beyond_int16_are_clipped_and_counted(tmp_path: Path):
    signal = np.random.default_rng(0).normal(0, 5, (1, 5000)).astype(np.float32)
    signal[0, :3] = (40.0, -40.0, 32.767)
    np.savez(tmp_path / "x.npz", signal=signal, sampling_rate=500.0, leads=["I"], unit="mV")
    from ecgfoundry.corpus.integer_reader import open_raw

    manifest = Manifest((ManifestRow("x", "x.npz"),), tmp_path)
    stored, clipped = open_raw(manifest, manifest.rows[0]).read(0, 5000)
    assert clipped == 2 and stored[0, :3].tolist() == [32767, -32767, 32767]


def test_standardized_arrays_never_enter(recordings: Manifest, tmp_path: Path):
    row = replace(recordings.rows[0], standardized_as="ecgfounder-finetune@1")
    result = build_corpus(Manifest((row,), recordings.folder), tmp_path / "c")
    assert result.document["records"] == {"failed": 1}


def test_the_plan_depends_on_the_input_alone(recordings: Manifest):
    plan, _ = make_plan(recordings, OPTIONS, generation=0, first_task=0)
    again, _ = make_plan(recordings, OPTIONS, generation=0, first_task=0)
    assert plan == again
    assert plan.bounds[0][0] == 0 and plan.bounds[-1][1] == len(recordings)
    assert all(a[1] == b[0] for a, b in zip(plan.bounds, plan.bounds[1:], strict=False))
    other, _ = make_plan(recordings, BuildOptions(), generation=0, first_task=0)
    assert other.fingerprint != plan.fingerprint


@pytest.mark.parametrize("wrong", [{"segment_s": 0.1}, {"segment_s": 1e6}, {"task_bytes": 0}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(CorpusError):
        BuildOptions(**wrong)


def test_no_rows_no_corpus(tmp_path: Path):
    with pytest.raises(ManifestError):
        build_corpus(Manifest((), tmp_path), tmp_path / "c")


def killed_builds(recordings: Manifest, folder: Path, *, seed: int, kills: int) -> int:
    manifest = write_manifest(recordings.folder / f"manifest{seed}.csv", recordings.rows)
    driver = Path(__file__).with_name("kill_driver.py")
    done = subprocess.run(
        [sys.executable, str(driver), str(manifest), str(folder), str(seed), str(kills)],
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(
    ("seed", "kills"),
    [(1, 1), pytest.param(2, 50, marks=pytest.mark.slow)],
)
def test_killed_anywhere_it_ends_with_the_same_bytes(
    built: Path, recordings: Manifest, tmp_path: Path, seed: int, kills: int
):
    folder = tmp_path / "corpus"
    assert killed_builds(recordings, folder, seed=seed, kills=kills) == kills
    assert content(folder) == content(built)
    assert verify_corpus(folder).ok
