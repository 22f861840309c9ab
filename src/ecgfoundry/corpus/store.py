"""Reading a corpus: an index table in memory, segments at random from mapped shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.corpus import layout
from ecgfoundry.corpus.integer_reader import MISSING
from ecgfoundry.corpus.memory_maps import MappedShards
from ecgfoundry.corpus.remote import is_url, open_cache
from ecgfoundry.documents import Fields
from ecgfoundry.errors import CorpusError
from ecgfoundry.extras import require_polars

if TYPE_CHECKING:
    import polars as pl

    from ecgfoundry.corpus.remote import Cache

__all__ = ["Corpus", "open_corpus"]


def open_corpus(
    path: str | Path, *, columns: Sequence[str] | None = None, cache: str | Path | None = None
) -> Corpus:
    """Open a corpus.

    Parameters
    ----------
    path : str or Path
        Folder, or an fsspec URL (``s3://bucket/corpus``): its index is fetched now, each shard when
        it is first read, both into the cache and checked by size and SHA-256.
    columns : sequence of str, optional
        Only these columns of the index, beside those that reading needs: 20 million rows of all
        columns take several GB.
    cache : str or Path, optional
        Folder for what is fetched from a URL.

    Raises
    ------
    CorpusError
        There is no finished corpus, or it was made by a newer version.
    MissingExtraError
        The extra ``data`` is not installed.
    """
    remote = open_cache(str(path), cache) if is_url(path) else None
    root = Path(path) if remote is None else remote.root
    file = root / layout.DOCUMENT
    if not file.is_file():
        raise layout.no_corpus(root)
    found = Fields(layout.read_json(file))
    if found.text_or_none("format") != "ecgfoundry-corpus":
        raise CorpusError("this is no corpus of ecgfoundry", path=file)
    if found.whole("schema_version") > layout.SCHEMA_VERSION:
        raise CorpusError("it was made by a newer version", path=file, remedy="Update ecgfoundry")
    document = layout.read_document(file)
    return Corpus(root, document, _index(root, document["tasks"], columns), remote)


_NEEDED = ("shard", "row", "gain", "baseline", "missing_share", "sampling_rate", "leads", "length")


def _index(root: Path, tasks: int, columns: Sequence[str] | None) -> pl.DataFrame:
    pl = require_polars("opening a corpus")
    files = [root / layout.INDEX / f"{layout.task_name(k)}.parquet" for k in range(tasks)]
    if not files:
        raise CorpusError("the corpus has no parts", path=root)
    wanted = None if columns is None else list(dict.fromkeys([*columns, *_NEEDED]))
    parts = [pl.read_parquet(file, columns=wanted) for file in files]
    return pl.concat(parts)


class Corpus:
    """An open corpus, or a part of one.

    Attributes
    ----------
    path : Path
    document : dict
        The content of ``corpus.json``.
    index : polars.DataFrame
        One row per segment; the position in it is what :meth:`read` takes: ``segment, shard, row,
        record, patient, visit, split, age, sex, start_s`` (in the recording), ``start_time``
        (UTC or null), ``sampling_rate`` (Hz), ``leads`` (comma-separated), ``length`` (samples),
        ``gain`` (units per mV), ``baseline``, the quality figures, ``inverted``,
        ``record_inverted``.
    """

    def __init__(
        self,
        path: Path,
        document: layout.CorpusDocument,
        index: pl.DataFrame,
        remote: Cache | None = None,
    ) -> None:
        self.path = path
        self.document = document
        self.index = index
        self._remote = remote
        names = index["shard"].unique(maintain_order=True)
        self._names: list[str] = names.to_list()
        self._shards: NDArray[np.int64] = _codes(index["shard"], self._names)
        self._rows: NDArray[np.int64] = index["row"].to_numpy().astype(np.int64)
        self._gains: NDArray[np.float64] = index["gain"].to_numpy()
        self._baselines: NDArray[np.int32] = index["baseline"].to_numpy()
        self._gaps: NDArray[np.bool_] = index["missing_share"].to_numpy() > 0
        self._mapped = MappedShards(len(names), self._file)

    def __len__(self) -> int:
        return len(self.index)

    def __getstate__(self) -> dict[str, object]:
        # Maps are opened again in another process, which may stand in another folder.
        return self.__dict__ | {"_mapped": None, "path": self.path.absolute()}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._mapped = MappedShards(len(self._names), self._file)

    @property
    def sampling_rate(self) -> float:
        """Hz; the corpus must be of one rate (see :meth:`of_group`)."""
        return float(self._only("sampling_rate"))

    @property
    def leads(self) -> tuple[str, ...]:
        """Lead names; the corpus must be of one set of leads."""
        return tuple(str(self._only("leads")).split(","))

    @property
    def length(self) -> int:
        """Samples of a segment; the corpus must be of one length."""
        return int(self._only("length"))

    @property
    def synthetic(self) -> bool:
        """Whether any part of it was simulated."""
        return bool(self.document["synthetic"])

    @property
    def groups(self) -> dict[str, int]:
        """Segments by group: rate, leads and length."""
        return dict(self.document["groups"])

    @property
    def records(self) -> pl.DataFrame:
        """One row per record that went in, used or not, with its targets (``target:NAME``)."""
        pl = require_polars("opening a corpus")
        folder = self.path / layout.RECORDS
        files = [folder / f"{layout.task_name(k)}.parquet" for k in range(self.document["tasks"])]
        return pl.concat([pl.read_parquet(file) for file in files], how="diagonal")

    def _only(self, column: str) -> Any:
        values = self.index[column].unique()
        if len(values) != 1:
            raise CorpusError(
                f"the corpus has {len(values)} values of {column}",
                path=self.path,
                remedy=f"Choose one group: {', '.join(self.groups)}",
            )
        return values[0]

    def of_group(self, name: str) -> Corpus:
        """Return the part whose shards stand in one group (see :attr:`groups`)."""
        pl = require_polars("opening a corpus")
        if name not in self.groups:
            raise CorpusError(
                f"there is no group '{name}'", path=self.path, remedy=f"{', '.join(self.groups)}"
            )
        return self.where(pl.col("shard").str.starts_with(f"{layout.SHARDS}/{name}/"))

    def whole(self, columns: Sequence[str]) -> Corpus:
        """Return all segments, also where this is a part, with some columns of their index."""
        index = _index(self.path, self.document["tasks"], columns)
        return Corpus(self.path, self.document, index, self._remote)

    def where(self, condition: pl.Expr) -> Corpus:
        """Return the part of which a polars expression over the index is true."""
        return Corpus(self.path, self.document, self.index.filter(condition), self._remote)

    def subset(self, positions: ArrayLike) -> Corpus:
        """Return the segments at these positions, in this order."""
        chosen = self.index[self._positions(positions)]
        return Corpus(self.path, self.document, chosen, self._remote)

    def split_positions(self, split: str) -> NDArray[np.int64]:
        """Return the positions of a split ("train", "validation" or "test")."""
        found = (self.index["split"] == split).fill_null(value=False)
        return np.flatnonzero(found.to_numpy()).astype(np.int64)

    def read_int16(self, positions: ArrayLike) -> NDArray[np.int16]:
        """Return the stored integers (n, leads, samples) of segments of one shape.

        ``mV = (value - baseline) / gain`` with the segment's own two numbers; -32768 is missing.

        Raises
        ------
        CorpusError
            A position is not in the corpus, or the segments have different shapes.
        """
        wanted = self._positions(positions)
        views, shape = self._located(wanted)
        result = np.empty((len(wanted), *shape), dtype=np.int16)
        for out, view in zip(result, views, strict=True):
            out[...] = view
        return result

    def _located(
        self, wanted: NDArray[np.int64]
    ) -> tuple[list[NDArray[np.int16]], tuple[int, ...]]:
        """Return the stored segments as views, and their shape."""
        views, shapes = self._mapped.located(self._shards[wanted], self._rows[wanted])
        if len(shapes) > 1:
            raise CorpusError(
                f"the segments have different shapes: {sorted(shapes)}",
                path=self.path,
                remedy="Read one group at a time (Corpus.of_group)",
            )
        return views, shapes.pop() if shapes else (0, 0)

    def read(self, positions: ArrayLike, *, upright: bool = False) -> NDArray[np.float32]:
        """Return segments in mV, NaN for missing samples.

        Parameters
        ----------
        positions : array_like of int
            In the index, in any order, repeated or not.
        upright : bool
            Turn segments of records over of which more than half look inverted.

        Returns
        -------
        ndarray of float32 (n, leads, samples)
            For records in mV bit by bit what :func:`ecgfoundry.formats.read` gives.
        """
        wanted = self._positions(positions)
        views, shape = self._located(wanted)
        result = np.empty((len(wanted), *shape), dtype=np.float32)
        scales = zip(self._gains[wanted], self._baselines[wanted], self._gaps[wanted], strict=True)
        # Converted one by one while a segment is in the first-level cache.
        for out, view, (gain, baseline, gaps) in zip(result, views, scales, strict=True):
            to_millivolts(view, gain, baseline, out, gaps=gaps)
        if upright:
            result[self.index["record_inverted"].to_numpy()[wanted]] *= -1
        return result

    def _positions(self, positions: ArrayLike) -> NDArray[np.int64]:
        wanted = np.atleast_1d(np.asarray(positions))
        if wanted.size == 0:
            return np.empty(0, dtype=np.int64)
        if wanted.ndim != 1 or wanted.dtype.kind not in "iu":
            raise CorpusError("positions are a list of whole numbers")
        if wanted.min() < 0 or wanted.max() >= len(self.index):
            raise CorpusError(
                f"position {int(wanted.max() if wanted.min() >= 0 else wanted.min())} is not in "
                f"the corpus of {len(self.index)} segments"
            )
        return wanted.astype(np.int64)

    def _file(self, code: int) -> Path:
        name = self._names[code]
        return self.path / name if self._remote is None else self._remote.fetch(name)


def _codes(column: pl.Series, names: list[str]) -> NDArray[np.int64]:
    """Return the place of each value among ``names``."""
    if not names:
        return np.empty(0, dtype=np.int64)
    codes = column.replace_strict(names, list(range(len(names))))
    return codes.to_numpy().astype(np.int64)


def to_millivolts(
    stored: NDArray[np.int16],
    gain: float,
    baseline: int,
    out: NDArray[np.float32],
    *,
    gaps: bool,
) -> None:
    """Write ``(stored - baseline) / gain`` into ``out``, -32768 as NaN where ``gaps`` says so.

    Where the gain is a float32, one float32 division is enough: the quotient of two numbers of 24
    bits, rounded to 53 bits and then to 24, is the same (Figueroa, SIGNUM 1995).
    """
    narrow = np.float32(gain)
    if narrow == gain:
        out[...] = stored
        if baseline:
            out -= np.float32(baseline)
        out /= narrow
    else:
        out[...] = (stored.astype(np.float64) - float(baseline)) / gain
    if gaps:
        out[stored == MISSING] = np.nan
