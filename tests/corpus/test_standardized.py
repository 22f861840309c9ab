"""The cache of standardized segments: the same bits, only while the corpus is the same."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

pl = pytest.importorskip("polars")

from tests.corpus.conftest import OPTIONS  # noqa: E402

from ecgfoundry.cli.main import main  # noqa: E402
from ecgfoundry.corpus import build_corpus, open_corpus  # noqa: E402
from ecgfoundry.corpus import standardized as module  # noqa: E402
from ecgfoundry.corpus.standardized import (  # noqa: E402
    Caches,
    Input,
    build_cache,
    find_cache,
    input_rows,
    standardize_segments,
    verify_cache,
)
from ecgfoundry.errors import CorpusError  # noqa: E402
from ecgfoundry.manifest import Manifest  # noqa: E402
from ecgfoundry.preprocessing import (  # noqa: E402
    get_preprocessing,
    standardize_window,
    standardize_windows,
)

RECIPE = "ecgfounder-finetune@1"
GROUP = "500Hz_II_5000"


@pytest.fixture
def own(built: Path, tmp_path: Path) -> Path:
    """A copy of the corpus that a test may write to."""
    return shutil.copytree(built, tmp_path / "corpus")


def fresh(corpus, positions, *, upright: bool) -> np.ndarray:
    raw = corpus.read(positions, upright=upright)
    return np.stack([standardize_window(window, corpus.sampling_rate, RECIPE) for window in raw])


@pytest.mark.parametrize("upright", [False, True])
def test_float32_is_bit_by_bit_what_standardizing_gives(own: Path, upright: bool) -> None:
    corpus = open_corpus(own).of_group(GROUP)
    wanted = Input.of(RECIPE, ("I",), corpus.leads, upright=upright)
    assert wanted.leads == ("II",)  # one lead is read for one
    assert find_cache(corpus, wanted) is None
    made = build_cache(corpus, wanted)
    assert made == corpus.index["shard"].n_unique() and build_cache(corpus, wanted) == 0
    cache = find_cache(corpus, wanted)
    positions = np.random.default_rng(0).integers(0, len(corpus), 40)
    np.testing.assert_array_equal(cache.read(positions), fresh(corpus, positions, upright=upright))
    again = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(again.read(positions[:2]), cache.read(positions[:2]))
    # A part of the corpus has its own positions.
    part = corpus.subset([5, 3])
    np.testing.assert_array_equal(
        find_cache(part, wanted).read(np.array([1])), fresh(part, [1], upright=upright)
    )
    assert verify_cache(corpus) == (made, [])


def test_float16_rounds_by_less_than_stated(own: Path) -> None:
    corpus = open_corpus(own).of_group(GROUP)
    wanted = Input(get_preprocessing(RECIPE), ("II",))
    build_cache(corpus, wanted, storage="float16")
    positions = np.arange(len(corpus))
    expected = fresh(corpus, positions, upright=False)
    found = find_cache(corpus, wanted, "float16").read(positions)
    assert find_cache(corpus, wanted) is None  # nobody takes it for the exact one
    # Half a unit in the last of 11 places; below 2^-14 the spacing is 2^-24.
    assert (np.abs(found - expected) <= np.maximum(np.abs(expected) * 2.0**-11, 2.0**-25)).all()
    with pytest.raises(CorpusError, match="float32 or float16"):
        build_cache(corpus, wanted, storage="int8")


@pytest.mark.slow
def test_the_number_of_workers_does_not_change_a_byte(own: Path, tmp_path: Path) -> None:
    other = shutil.copytree(own, tmp_path / "other")
    for folder, workers in ((own, 1), (other, 2)):
        build_cache(
            open_corpus(folder).of_group(GROUP),
            Input(get_preprocessing(RECIPE), ("II",)),
            workers=workers,
        )
    files = {p.relative_to(own): p.read_bytes() for p in (own / "standardized").rglob("*.*")}
    assert len(files) > 4
    assert files == {
        p.relative_to(other): p.read_bytes() for p in (other / "standardized").rglob("*.*")
    }


def test_another_content_is_never_read(recordings: Manifest, own: Path, tmp_path: Path) -> None:
    """The corpus is built anew of other recordings; the old cache still lies there."""
    wanted = Input(get_preprocessing(RECIPE), ("II",))
    build_cache(open_corpus(own).of_group(GROUP), wanted)
    rows = (*recordings.rows[4:], *recordings.rows[:4])
    changed = tmp_path / "changed"
    build_corpus(Manifest(rows, recordings.folder), changed, options=OPTIONS)
    shutil.copytree(own / "standardized", changed / "standardized")
    corpus = open_corpus(changed).of_group(GROUP)
    assert find_cache(corpus, wanted) is None
    assert verify_cache(corpus)[1]
    assert build_cache(corpus, wanted) > 0
    positions = np.arange(len(corpus))
    np.testing.assert_array_equal(
        find_cache(corpus, wanted).read(positions), fresh(corpus, positions, upright=False)
    )


def test_another_computation_has_another_cache(own: Path, monkeypatch) -> None:
    """A recipe whose numbers change, by whatever, is not read from what was made before."""
    corpus = open_corpus(own).of_group(GROUP)
    wanted = Input(get_preprocessing(RECIPE), ("II",))
    build_cache(corpus, wanted)

    def other(windows, rate, recipe):
        return standardize_windows(windows, rate, recipe) * np.float32(1 + 1e-6)

    module._probe.cache_clear()
    monkeypatch.setattr(module, "standardize_windows", other)
    assert find_cache(corpus, wanted) is None
    module._probe.cache_clear()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-4]), "not whole"),
        (lambda p: p.write_bytes(p.read_bytes()[:-4] + b"\0\0\0\x7f"), "not what was written"),
        (lambda p: p.with_suffix(".json").write_text("{"), "not whole"),
        (lambda p: shutil.copy(p, p.with_name("999999.npy")), "no shard"),
    ],
)
def test_damage_is_found_and_half_a_file_never_read(own: Path, damage, words: str) -> None:
    corpus = open_corpus(own).of_group(GROUP)
    wanted = Input(get_preprocessing(RECIPE), ("II",))
    build_cache(corpus, wanted)
    damage(sorted((own / "standardized").rglob("*.npy"))[0])
    found = verify_cache(corpus)[1]
    assert len(found) == 1 and words in found[0]
    if "whole" in words:
        assert find_cache(corpus, wanted) is None
        assert build_cache(corpus, wanted) == 1 and verify_cache(corpus)[1] == []


def test_a_segment_that_cannot_be_standardized_is_left_to_be_said(own: Path, monkeypatch) -> None:
    from ecgfoundry.errors import SignalError

    corpus = open_corpus(own).of_group(GROUP)
    wanted = Input(get_preprocessing(RECIPE), ("II",))
    bad = corpus.read([3])[0]

    def refusing(windows, rate, recipe):
        if any(np.array_equal(window, bad, equal_nan=True) for window in windows):
            raise SignalError("not this one")
        return standardize_windows(windows, rate, recipe)

    monkeypatch.setattr(module, "standardize_windows", refusing)
    build_cache(corpus, wanted)
    caches = Caches(corpus)
    assert caches.read(np.array([2, 3]), wanted) is None  # afresh, which says why
    found = caches.read(np.array([2, 4]), wanted)
    np.testing.assert_array_equal(found, fresh(corpus, [2, 4], upright=False))


def test_a_filled_up_segment_is_standardized_without_its_filling() -> None:
    raw = np.random.default_rng(0).normal(0, 0.3, (4, 1, 5000)).astype(np.float32)
    raw[1, :, 4000:] = np.nan
    raw[3, :, 100:200] = np.nan
    found = standardize_segments(raw, 500.0, RECIPE)
    for k, length in enumerate((5000, 4000, 5000, 5000)):
        expected = standardize_window(raw[k, :, :length], 500.0, RECIPE)
        np.testing.assert_array_equal(found[k], expected)


def test_rows_by_name() -> None:
    raw = np.random.default_rng(0).normal(size=(3, 2, 50)).astype(np.float32)
    found = input_rows(raw, ("II", "I"), ("I", "III", "V1"))
    np.testing.assert_array_equal(found[:, 0], raw[:, 1])
    np.testing.assert_allclose(found[:, 1], raw[:, 0] - raw[:, 1], atol=1e-6)
    assert np.isnan(found[:, 2]).all()


def test_training_windows_come_from_the_cache(own: Path, monkeypatch) -> None:
    pytest.importorskip("torch")
    from ecgfoundry.models.bundle import InputSpec
    from ecgfoundry.training.data import windows as training_windows
    from ecgfoundry.training.data.sources import SourcePool, corpus_sources

    spec = InputSpec("any-single", ("I",), get_preprocessing(RECIPE))
    generator = np.random.default_rng(0)

    def batch():
        sources = [s for s in corpus_sources(own, ()) if s.leads == ("II",)]
        pool = SourcePool(tuple(s for s in sources if s.sampling_rate == 500.0))
        fresh = training_windows.FreshWindows(pool, spec)
        return fresh.get(np.array([4, 0, 9]), generator)

    before = batch()
    build_cache(open_corpus(own).of_group(GROUP), Input(get_preprocessing(RECIPE), ("II",)))

    def never(*_):
        raise AssertionError("it was standardized again")

    monkeypatch.setattr(training_windows, "standardize_segments", never)
    for expected, found in zip(before, batch(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_command(own: Path, capsys) -> None:
    def run(*words: object) -> int:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return int(ended.value.code or 0)

    assert run("corpus", "cache", own, "--recipe", RECIPE, "--group", GROUP, "--upright") == 0
    assert "shards made now" in capsys.readouterr().out
    assert run("corpus", "verify", own) == 0
    assert "cached files, 0 of them" in capsys.readouterr().out
    assert run("corpus", "cache", own, "--recipe", "no@1", "--group", GROUP) == 1
