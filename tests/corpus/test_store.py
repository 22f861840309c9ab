"""Reading: any order, any process, local or from a URL; and what is damaged is found."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

pl = pytest.importorskip("polars")
pytest.importorskip("fsspec")

from tests.corpus.conftest import OPTIONS, ecg, row  # noqa: E402

from ecgfoundry.corpus import build_corpus, open_corpus, remote, verify_corpus  # noqa: E402
from ecgfoundry.corpus.memory_maps import MappedShards  # noqa: E402
from ecgfoundry.corpus.remote import copy_corpus  # noqa: E402
from ecgfoundry.corpus.shards import npy_header  # noqa: E402
from ecgfoundry.corpus.stats import corpus_statistics, statistics_page, write_page  # noqa: E402
from ecgfoundry.corpus.store import to_millivolts  # noqa: E402
from ecgfoundry.errors import CorpusError, DownloadError, IntegrityError  # noqa: E402
from ecgfoundry.formats.wfdb.writer import write_wfdb  # noqa: E402
from ecgfoundry.manifest import Manifest  # noqa: E402
from ecgfoundry.recording import Recording  # noqa: E402


@pytest.fixture
def own(recordings: Manifest, tmp_path: Path) -> Path:
    """A corpus that a test may damage."""
    build_corpus(recordings, tmp_path / "own", options=OPTIONS)
    return tmp_path / "own"


def test_shards_are_plain_npy_files(built: Path):
    index = open_corpus(built).index
    for name in index["shard"].unique():
        array = np.load(built / name)
        assert array.dtype == np.int16 and array.ndim == 3
        rows = index.filter(shard=name)
        assert sorted(rows["row"]) == list(range(len(array)))
    assert np.lib.format.read_magic((built / name).open("rb")) == (1, 0)
    assert len(npy_header(10**9, 12, 5000)) == 128


def test_random_batches_in_any_order_and_repeated(built: Path):
    corpus = open_corpus(built).of_group("500Hz_II_5000")
    positions = np.random.default_rng(0).integers(0, len(corpus), 100)
    batch = corpus.read(positions)
    assert batch.shape == (100, 1, 5000) and batch.dtype == np.float32
    for k in (0, 17, 99):
        np.testing.assert_array_equal(batch[k], corpus.read([positions[k]])[0])
    assert corpus.sampling_rate == 500.0 and corpus.leads == ("II",) and corpus.length == 5000
    assert corpus.read([]).shape[0] == 0


def test_upright_turns_records_that_hang_upside_down(built: Path):
    corpus = open_corpus(built).of_group("500Hz_II_5000")
    position = int(np.flatnonzero(corpus.index["record_inverted"].to_numpy())[0])
    straight = corpus.read([position])
    np.testing.assert_array_equal(corpus.read([position], upright=True), -straight)


def test_parts_of_a_corpus(built: Path):
    corpus = open_corpus(built)
    train = corpus.split_positions("train")
    assert set(corpus.index[train]["split"]) == {"train"}
    part = corpus.of_group("500Hz_II_5000").subset([3, 1])
    np.testing.assert_array_equal(part.read([0]), corpus.of_group("500Hz_II_5000").read([3]))
    old = corpus.where(pl.col("age") > 60)
    assert 0 < len(old) < len(corpus)
    few = open_corpus(built, columns=["patient"])
    assert "visit" not in few.index.columns and "patient" in few.index.columns


def test_a_corpus_travels_to_another_process(built: Path):
    corpus = open_corpus(built).of_group("500Hz_II_5000")
    before = corpus.read([1, 2])
    again = pickle.loads(pickle.dumps(corpus))
    np.testing.assert_array_equal(again.read([1, 2]), before)


def test_what_does_not_fit_is_said(built: Path):
    corpus = open_corpus(built)
    with pytest.raises(CorpusError, match="different shapes"):
        corpus.read(np.arange(len(corpus)))
    with pytest.raises(CorpusError, match="values of sampling_rate"):
        _ = corpus.sampling_rate
    with pytest.raises(CorpusError, match="not in the corpus"):
        corpus.read([len(corpus)])
    with pytest.raises(CorpusError, match="not in the corpus"):
        corpus.read([-1])
    with pytest.raises(CorpusError, match="whole numbers"):
        corpus.read([0.5])
    with pytest.raises(CorpusError, match="no group"):
        corpus.of_group("1Hz")


@pytest.mark.parametrize("gain", [1000.0, 200.0, 409.6, 1 / 3, 6553.6])
@pytest.mark.parametrize("baseline", [0, 1024, -32000])
def test_millivolts_are_those_of_double_precision(gain: float, baseline: int):
    stored = np.arange(-32768, 32768, dtype=np.int16).reshape(1, 1, -1)
    found = np.empty(stored.shape, dtype=np.float32)
    to_millivolts(stored, gain, baseline, found, gaps=True)
    expected = ((stored.astype(np.float64) - baseline) / gain).astype(np.float32)
    expected[stored == -32768] = np.nan
    np.testing.assert_array_equal(found, expected)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


def shard(root: Path) -> Path:
    return sorted((root / "shards").rglob("*.npy"))[0]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: flip(shard(root), 5000), "not what was written"),
        (lambda root: flip(shard(root), 60), "no shard"),
        (lambda root: shard(root).unlink(), "is missing"),
        (lambda root: shard(root).write_bytes(shard(root).read_bytes()[:-2]), "bytes instead of"),
        (lambda root: flip(root / "index/000001.parquet", 300), "content is not"),
        (lambda root: flip(root / "records/000001.parquet", 300), "content is not"),
        (lambda root: (root / "shards/x.npy").write_bytes(b""), "belongs to no task"),
        (lambda root: (root / "commits/000002.json").unlink(), "cannot be read"),
    ],
)
def test_every_damage_is_found(own: Path, damage, words: str):
    assert verify_corpus(own).ok
    damage(own)
    found = verify_corpus(own)
    assert not found.ok and words in " ".join(found.problems)


def test_a_corpus_at_a_url_is_fetched_checked_and_read(
    built: Path,
    tmp_path: Path,
):
    url = f"file://{tmp_path}/remote"
    copied = copy_corpus(built, url)
    assert copied > 10 and copy_corpus(built, url) == 1  # only the document again
    corpus = open_corpus(url, cache=tmp_path / "cache").of_group("500Hz_II_5000")
    assert not list((tmp_path / "cache").rglob("*.npy"))  # shards come when they are read
    expected = open_corpus(built).of_group("500Hz_II_5000").read([0, 5])
    np.testing.assert_array_equal(corpus.read([0, 5]), expected)
    flip(tmp_path / "remote/index/000001.parquet", 300)
    with pytest.raises(IntegrityError):
        open_corpus(url, cache=tmp_path / "other cache")
    with pytest.raises(DownloadError):
        open_corpus(f"file://{tmp_path}/nowhere", cache=tmp_path / "third")
    with pytest.raises(DownloadError, match="driver"):
        open_corpus("nosuchstore://bucket/corpus", cache=tmp_path / "fourth")


def test_the_document_of_a_url_is_there_for_others_while_it_is_fetched(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Processes of one training open a corpus together, and have one cache."""
    url, cache = f"file://{tmp_path}/remote", tmp_path / "cache"
    copy_corpus(built, url)
    open_corpus(url, cache=cache)
    system, root = remote._file_system(url)
    fetched, seen = system.get_file, []

    def get_file(name: str, target: str) -> None:
        seen.append((Path(name).name, (cache / "corpus.json").is_file()))
        fetched(name, target)

    monkeypatch.setattr(system, "get_file", get_file)
    monkeypatch.setattr(remote, "_file_system", lambda url: (system, root))
    open_corpus(url, cache=cache)
    assert seen == [("corpus.json", True)]


def _one_record(folder: Path, seed: int) -> Path:
    """A corpus of one record whose shard is as large whatever the seed."""
    folder.mkdir()
    recording = Recording(ecg(20.0, 500.0, 1, seed), 500.0, ("II",))
    path = write_wfdb(recording, folder, "one")
    manifest = Manifest((row(1, path.name),), folder)
    build_corpus(manifest, folder / "corpus", options=OPTIONS)
    return folder / "corpus"


def test_another_corpus_at_the_same_url_is_read_whole(tmp_path: Path):
    """Its shards have the sizes of those before; neither the store nor the cache may keep these."""
    first, second = _one_record(tmp_path / "a", 1), _one_record(tmp_path / "b", 2)
    url, cache = f"file://{tmp_path}/remote", tmp_path / "cache"
    copy_corpus(first, url)
    before = open_corpus(url, cache=cache).read([0])
    copied = copy_corpus(second, url)
    assert copied > 3
    assert verify_corpus(tmp_path / "remote").ok
    with pytest.raises(IntegrityError, match="commits"):
        open_corpus(url, cache=cache)
    after = open_corpus(url, cache=cache).read([0])
    np.testing.assert_array_equal(after, open_corpus(second).read([0]))
    assert not np.array_equal(after, before)


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "C:outside", "a\\..\\b"])
def test_names_that_reach_outside_the_corpus_are_refused(tmp_path: Path, name: str):
    """Whoever serves a corpus names its files; none of them is written or removed elsewhere."""
    own = _one_record(tmp_path / "a", 1)
    url, cache = f"file://{tmp_path}/remote", tmp_path / "cache"
    copy_corpus(own, url)
    (tmp_path / "outside.txt").write_text("theirs")
    (commit,) = (tmp_path / "remote/commits").iterdir()
    document = json.loads(commit.read_text())
    document["files"][name] = {"bytes": 6}
    commit.write_text(json.dumps(document))
    with pytest.raises(CorpusError, match="no file of a corpus"):
        open_corpus(url, cache=cache)
    with pytest.raises(CorpusError, match="no file of a corpus"):
        remote.Cache(url, cache).fetch(name)
    assert [path.name for path in tmp_path.rglob("outside*")] == ["outside.txt"]


def test_a_copy_that_was_cut_off_over_another_corpus_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first, second = _one_record(tmp_path / "a", 1), _one_record(tmp_path / "b", 2)
    url = f"file://{tmp_path}/remote"
    copy_corpus(first, url)
    system, root = remote._file_system(url)
    put_file = system.put_file

    def cut_off(name: str, target: str) -> None:
        put_file(name, target)
        if name.endswith(".npy"):
            raise OSError("the line is gone")

    monkeypatch.setattr(system, "put_file", cut_off)
    monkeypatch.setattr(remote, "_file_system", lambda url: (system, root))
    with pytest.raises(DownloadError, match="the line is gone"):
        copy_corpus(second, url)
    assert not (tmp_path / "remote/corpus.json").exists()  # nobody reads half of each
    monkeypatch.setattr(system, "put_file", put_file)
    copy_corpus(first, url)
    assert verify_corpus(tmp_path / "remote").ok


def test_a_thread_opens_a_shard_while_another_waits_for_the_disk(built: Path):
    shards = sorted((built / "shards").rglob("*.npy"))[:2]
    maps = MappedShards(2, lambda number: shards[number])
    first = maps._map(0)
    first.forget = lambda: maps.open(1)  # another thread, in the middle of it
    maps._waits = -1
    views, _ = maps.located(np.zeros(1, np.int64), np.zeros(1, np.int64))
    np.testing.assert_array_equal(views[0], np.load(shards[0])[0])


def test_statistics_and_pictures(built: Path, tmp_path: Path):
    corpus = open_corpus(built)
    found = corpus_statistics(corpus)
    assert found["segments"] == len(corpus)
    assert found["errors"] == {"truncated": 1, "file-access": 1}
    assert sum(found["left_out"].values()) + found["segments"] == found["windows"]
    page = statistics_page(corpus.of_group("500Hz_II_5000"))
    assert page.count("<svg") >= 10 and "http" not in page
    assert write_page(corpus, tmp_path / "page.html").read_text() == statistics_page(corpus)


def test_what_is_no_corpus_is_refused(tmp_path: Path, own: Path):
    with pytest.raises(CorpusError, match="no finished corpus"):
        open_corpus(tmp_path)
    (own / "corpus.json").write_text('{"format": "something else"}')
    with pytest.raises(CorpusError, match="no corpus of ecgfoundry"):
        open_corpus(own)
    (own / "corpus.json").write_text('{"format": "ecgfoundry-corpus", "schema_version": 99}')
    with pytest.raises(CorpusError, match="newer version"):
        open_corpus(own)
