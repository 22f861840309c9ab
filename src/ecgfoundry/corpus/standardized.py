"""Standardized segments of a corpus, kept beside it: what a network takes in, read at disk speed.

A corpus holds raw samples, and a recipe is applied when segments are read. Where the same recipe is
applied in every epoch, its result can be kept::

    CORPUS/standardized/ecgfounder-finetune@1-f32-3f9c…/shards/500Hz_II_5000/000012.npy
                                                       /shards/500Hz_II_5000/000012.json

A file is good for one shard with one content (the checksums of its segments), and one recipe as
this installation computes it: the folder's name has a hash of the recipe's document and of its
result on fixed windows. Another recipe of the same name, another version of the code, of SciPy or
of the kernels makes a cache of its own, so float32 is bit by bit what standardizing afresh gives;
float16 halves the size and rounds (docs/corpus.md).
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.corpus import layout
from ecgfoundry.corpus.memory_maps import MappedShards
from ecgfoundry.corpus.shards import npy_header, shard_shape
from ecgfoundry.corpus.store import Corpus
from ecgfoundry.documents import Fields
from ecgfoundry.engines import Engine, process_pool
from ecgfoundry.errors import CorpusError, EcgFoundryError
from ecgfoundry.io import sha256_of, write_atomically, write_whole
from ecgfoundry.leads import LIMB_LEADS, complete_limb_leads
from ecgfoundry.preprocessing import Preprocessing, get_preprocessing, standardize_windows

__all__ = [
    "STORAGES",
    "Caches",
    "Input",
    "StandardizedSegments",
    "build_cache",
    "find_cache",
    "input_rows",
    "standardize_segments",
    "verify_cache",
]

Float32 = NDArray[np.float32]

FOLDER = "standardized"
STORAGES = {"float32": "<f4", "float16": "<f2"}
"""How values are kept; float16 has 11 bits: an error of up to 0.05 % of a value."""

_BLOCK = 64  # segments that are standardized between two writes
_PROBES = 3  # windows that tell one way of computing a recipe from another


@dataclass(frozen=True)
class Input:
    """What a network reads of a segment.

    Attributes
    ----------
    recipe : Preprocessing
    leads : tuple of str
        Rows by name; derivable limb leads are derived, absent ones are NaN.
    upright : bool
        Whether records that look inverted are turned over first.
    """

    recipe: Preprocessing
    leads: tuple[str, ...]
    upright: bool = False

    @classmethod
    def of(
        cls,
        recipe: str | Path | Preprocessing,
        wanted: Sequence[str],
        own: Sequence[str],
        *,
        upright: bool = False,
    ) -> Input:
        """Return the input of a model with some rows, out of segments with some leads.

        One lead is read for one, whatever it is called.
        """
        alone = len(wanted) == 1 and len(own) == 1
        return cls(get_preprocessing(recipe), tuple(own if alone else wanted), upright)

    @property
    def samples(self) -> int:
        """Of a row."""
        return self.recipe.samples

    def key(self, storage: str) -> str:
        """Return the name of the folder for this input, as this installation computes it."""
        names = ",".join(self.leads)
        digest = hashlib.sha256(f"{names}|{self.upright}|{_probe(self.recipe)}".encode())
        short = {"float32": "f32", "float16": "f16"}[storage]
        return f"{self.recipe.name}-{short}-{digest.hexdigest()[:16]}"


@functools.lru_cache(maxsize=32)
def _probe(recipe: Preprocessing) -> str:
    """Return a hash of the recipe and of what it makes of fixed windows of three rates."""
    digest = hashlib.sha256(recipe.sha256.encode())
    leads = recipe.leads
    for number, rate in zip(range(_PROBES), (500.0, 250.0, 257.0), strict=True):
        generator = np.random.default_rng(number)
        samples = round(recipe.window_s * rate)
        window = generator.normal(0.0, 0.3, (1 if leads is None else len(leads), samples))
        window[:, :: round(0.8 * rate)] += 1.5
        window[0, 40:50] = np.nan
        made = standardize_windows(window.astype(np.float32)[np.newaxis], rate, recipe)
        digest.update(made.tobytes())
    return digest.hexdigest()


def input_rows(raw: Float32, own: Sequence[str], wanted: Sequence[str]) -> Float32:
    """Return rows of a model (n, wanted, samples) out of segments (n, own, samples), by name.

    Limb leads that can be are derived, absent leads are NaN; one lead is taken for one, whatever it
    is called.
    """
    if len(wanted) == 1 and wanted[0] not in own and len(own) == 1:
        return raw
    given = {lead: raw[:, k] for k, lead in enumerate(own)}
    given |= complete_limb_leads({k: v for k, v in given.items() if k in LIMB_LEADS})
    nothing = np.full(raw[:, 0].shape, np.nan, dtype=np.float32)
    return np.stack([given.get(lead, nothing) for lead in wanted], axis=1)


def standardize_segments(
    raw: Float32, sampling_rate: float, recipe: str | Path | Preprocessing
) -> Float32:
    """Standardize segments, each alone; what is longer than the recipe's window is cut.

    Parameters
    ----------
    raw : ndarray, float32 (n, rows, samples)
        mV; NaN at the right end is the filling of a short recording.
    sampling_rate : float
        Hz.
    recipe : str, Path or Preprocessing

    Returns
    -------
    ndarray, float32 (n, rows, recipe.samples)
        Absent leads are rows of NaN.

    Raises
    ------
    SignalError
        A segment is too short for the recipe.
    """
    wanted = get_preprocessing(recipe)
    result = np.empty((*raw.shape[:2], wanted.samples), dtype=np.float32)
    cut = raw[:, :, : round(wanted.window_s * sampling_rate)]
    filled = np.isnan(cut[:, :, -1]).all(axis=1)
    # Whole ones together: the same bits as one by one, at a fourth of the time.
    whole = np.flatnonzero(~filled)
    if len(whole) == len(raw):
        return standardize_windows(cut, sampling_rate, wanted)
    if whole.size:
        result[whole] = standardize_windows(cut[whole], sampling_rate, wanted)
    for place in np.flatnonzero(filled):
        there = np.flatnonzero(~np.isnan(cut[place]).all(axis=0))
        alone = cut[place, :, : there[-1] + 1] if there.size else cut[place]
        result[place] = standardize_windows(alone[np.newaxis], sampling_rate, wanted)[0]
    return result


# --- the files -------------------------------------------------------------------------------


_DEPENDS_ON = ("row", "crc32", "gain", "baseline", "missing_share", "record_inverted")


def _whole(corpus: Corpus) -> Corpus:
    """Return all of the corpus with what a cache depends on; parts have rows of shards only."""
    return corpus.whole(["crc32", "record_inverted"])


def _shard_digests(whole: Corpus, names: Iterable[str]) -> dict[str, str]:
    """Return, for each of these shards, a hash of all that its standardized form depends on."""
    import polars

    index = whole.index.filter(polars.col("shard").is_in(list(names)))
    found = {}
    for (name,), part in index.partition_by("shard", as_dict=True, maintain_order=True).items():
        rows = part.sort("row")
        digest = hashlib.sha256(str(name).encode())
        for column in _DEPENDS_ON:
            digest.update(rows[column].to_numpy().tobytes())
        found[str(name)] = digest.hexdigest()
    return found


def _files(root: Path, shard: str) -> tuple[Path, Path]:
    return root / shard, (root / shard).with_suffix(".json")


def _is_good(root: Path, shard: str, digest: str) -> bool:
    """Whether a shard is there, whole, and of this content."""
    data, note = _files(root, shard)
    try:
        written = layout.read_json(note)
        return bool(written["source"] == digest and data.stat().st_size == written["bytes"])
    except (CorpusError, KeyError, OSError):
        return False


@dataclass(frozen=True)
class _Task:
    """One shard to standardize."""

    corpus: Corpus  # its rows, in order
    shard: str
    digest: str
    wanted: Input
    storage: str
    root: Path


def _standardize_shard(task: _Task) -> str:
    """Write one shard; anybody may do so, twice or at the same time."""
    corpus, wanted = task.corpus, task.wanted
    data, note = _files(task.root, task.shard)
    data.parent.mkdir(parents=True, exist_ok=True)
    dtype = STORAGES[task.storage]
    rate, leads = corpus.sampling_rate, corpus.leads
    failed: list[int] = []
    with write_atomically(data, sync=True) as part:
        with part.open("wb") as stream:
            stream.write(npy_header(len(corpus), len(wanted.leads), wanted.samples, dtype))
            for first in range(0, len(corpus), _BLOCK):
                rows = np.arange(first, min(first + _BLOCK, len(corpus)))
                raw = input_rows(corpus.read(rows, upright=wanted.upright), leads, wanted.leads)
                made = _each(raw, rate, wanted, failed, first)
                stream.write(made.astype(dtype).tobytes())
        content = {
            "source": task.digest,
            "bytes": part.stat().st_size,
            "sha256": sha256_of(part),
            "failed": failed,
        }
    write_whole(note, layout.json_bytes(content))
    return task.shard


def _each(raw: Float32, rate: float, wanted: Input, failed: list[int], first: int) -> Float32:
    """Standardize a block; what cannot be is NaN and noted, and said to whoever reads it."""
    try:
        return standardize_segments(raw, rate, wanted.recipe)
    except EcgFoundryError:
        result = np.full((len(raw), len(wanted.leads), wanted.samples), np.nan, dtype=np.float32)
        for number, segment in enumerate(raw):
            try:
                result[number] = standardize_segments(segment[None], rate, wanted.recipe)[0]
            except EcgFoundryError:
                failed.append(first + number)
        return result


def build_cache(
    corpus: Corpus,
    wanted: Input,
    *,
    storage: str = "float32",
    workers: int = 1,
    engine: Engine | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Standardize the shards of a corpus that are not cached, or were made of other samples.

    Parameters
    ----------
    corpus : Corpus
        Its shards are done whole, also if it is a part of them.
    wanted : Input
    storage : {"float32", "float16"}
    workers : int
        Processes.
    engine : Engine, optional
        Who runs the tasks instead; every shard is one.
    progress : callable (shards done, shards), optional

    Returns
    -------
    int
        Shards that were made now.

    Raises
    ------
    CorpusError
        There is no such storage, or a shard is damaged.
    """
    if storage not in STORAGES:
        raise CorpusError(f"a cache holds {' or '.join(STORAGES)}, not {storage}")
    root = (corpus.path / FOLDER / wanted.key(storage)).absolute()
    whole = _whole(corpus)
    digests = _shard_digests(whole, corpus.index["shard"].unique())
    tasks = [
        _Task(_shard_of(whole, name), name, digest, wanted, storage, root)
        for name, digest in digests.items()
        if not _is_good(root, name, digest)
    ]
    done = len(digests) - len(tasks)
    run = engine or process_pool(workers)
    for _ in run(_standardize_shard, tasks):
        done += 1
        if progress is not None:
            progress(done, len(digests))
    return len(tasks)


def _shard_of(whole: Corpus, name: str) -> Corpus:
    import polars

    part = whole.where(polars.col("shard") == name)
    return part.subset(part.index["row"].to_numpy().argsort(kind="stable"))


def find_cache(
    corpus: Corpus,
    wanted: Input,
    storage: str = "float32",
    *,
    positions: NDArray[np.integer[Any]] | None = None,
) -> StandardizedSegments | None:
    """Return the cache of a corpus for an input, if it has every shard with the right content.

    Parameters
    ----------
    corpus : Corpus
    wanted : Input
    storage : {"float32", "float16"}
    positions : ndarray of int, optional
        Only the shards of these segments have to be there.
    """
    root = corpus.path / FOLDER / wanted.key(storage)
    if not root.is_dir():
        return None
    shards = corpus.index["shard"]
    names = (shards if positions is None else shards[positions]).unique().to_list()
    digests = _shard_digests(_whole(corpus), names)
    if not all(_is_good(root, name, digests[name]) for name in names):
        return None
    return StandardizedSegments(corpus, wanted, root, STORAGES[storage], names)


class Caches:
    """The caches that a corpus has, looked up when an input is first asked for.

    Parameters
    ----------
    corpus : Corpus
    storage : {"float32", "float16"}
    """

    def __init__(self, corpus: Corpus, storage: str = "float32") -> None:
        self._corpus = corpus
        self._storage = storage
        self._found: dict[Input, StandardizedSegments | None] = {}

    def read(
        self,
        positions: NDArray[np.integer[Any]],
        wanted: Input,
        *,
        among: NDArray[np.integer[Any]] | None = None,
    ) -> Float32 | None:
        """Return standardized segments; None where there is no cache of them.

        Parameters
        ----------
        positions : ndarray of int
        wanted : Input
        among : ndarray of int, optional
            All that will be asked for; by default the whole corpus.
        """
        if wanted not in self._found:
            self._found[wanted] = find_cache(self._corpus, wanted, self._storage, positions=among)
        cache = self._found[wanted]
        return None if cache is None or not cache.has(positions) else cache.read(positions)


class StandardizedSegments:
    """The cached form of a corpus; positions are those of the corpus it was found for."""

    def __init__(
        self, corpus: Corpus, wanted: Input, root: Path, dtype: str, names: Iterable[str]
    ) -> None:
        self.input = wanted
        self._root, self._dtype = root, dtype
        self._names: list[str] = corpus.index["shard"].unique(maintain_order=True).to_list()
        places = {name: k for k, name in enumerate(self._names)}
        codes = corpus.index["shard"].replace_strict(places)
        self._codes: NDArray[np.int64] = codes.to_numpy().astype(np.int64)
        self._rows: NDArray[np.int64] = corpus.index["row"].to_numpy().astype(np.int64)
        self._failed = {
            (places[name], row)
            for name in names
            for row in Fields(layout.read_json(_files(root, name)[1])).wholes("failed")
        }
        self._mapped = MappedShards(len(self._names), self._file, dtype)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_mapped": None, "_root": self._root.absolute()}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._mapped = MappedShards(len(self._names), self._file, self._dtype)

    def _file(self, code: int) -> Path:
        return _files(self._root, self._names[code])[0]

    def has(self, positions: NDArray[np.integer[Any]]) -> bool:
        """Whether all these could be standardized; the others say why not when read afresh."""
        if not self._failed:
            return True
        pairs = zip(self._codes[positions].tolist(), self._rows[positions].tolist(), strict=True)
        return self._failed.isdisjoint(pairs)

    def read(self, positions: NDArray[np.integer[Any]]) -> Float32:
        """Return standardized segments, float32 (n, rows, samples), absent leads NaN."""
        views, _ = self._mapped.located(self._codes[positions], self._rows[positions])
        shape = (len(views), len(self.input.leads), self.input.samples)
        result = np.empty(shape, dtype=np.float32)
        for out, view in zip(result, views, strict=True):
            out[...] = view
        return result


def verify_cache(corpus: Corpus) -> tuple[int, list[str]]:
    """Check all caches of a corpus.

    Returns
    -------
    int
        Files that were looked at.
    list of str
        What is wrong: damaged, made of other samples, or foreign. A cache can always be deleted.
    """
    whole = _whole(corpus)
    digests = _shard_digests(whole, whole.index["shard"].unique())
    looked, problems = 0, []
    for root in sorted((corpus.path / FOLDER).glob("*")):
        known = re.search(r"-f(16|32)-[0-9a-f]{16}$", root.name)
        if known is None:
            problems.append(f"{root.relative_to(corpus.path)}: is no cache")
            continue
        dtype = STORAGES[f"float{known[1]}"]
        for data in sorted(root.rglob("*.npy")):
            looked += 1
            name = data.relative_to(root).as_posix()
            shown = data.relative_to(corpus.path).as_posix()
            if name not in digests:
                problems.append(f"{shown}: belongs to no shard")
            elif not _is_good(root, name, digests[name]):
                problems.append(f"{shown}: is not whole, or was made of other samples")
            else:
                problems += _damage(data, _files(root, name)[1], shown, dtype)
    return looked, problems


def _damage(data: Path, note: Path, shown: str, dtype: str) -> list[str]:
    try:
        shard_shape(data, dtype)
    except EcgFoundryError as error:
        return [f"{shown}: {error.problem}"]
    if sha256_of(data) != layout.read_json(note)["sha256"]:
        return [f"{shown}: its content is not what was written"]
    return []
