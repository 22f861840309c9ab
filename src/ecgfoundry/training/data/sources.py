"""Where raw windows come from: arrays in memory, a manifest with its cache on disk, a corpus.

A source is homogeneous: one rate, one set of leads, one length. A manifest of several rates gives
several sources, as a corpus gives one per group of shards; :class:`SourcePool` numbers the windows
of all of them in one row.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.corpus.standardized import Caches, Input
from ecgfoundry.errors import EcgFoundryError, MissingExtraError, TrainingError
from ecgfoundry.formats.common.channels import are_ecg_leads
from ecgfoundry.formats.common.stamps import stamp_of
from ecgfoundry.io import write_json
from ecgfoundry.manifest import (
    Manifest,
    fingerprint,
    read_manifest,
    windows_fingerprints,
)
from ecgfoundry.measurements.gate import judge_window
from ecgfoundry.preprocessing import Preprocessing
from ecgfoundry.signals.quality import assess_window
from ecgfoundry.signals.windows import window_bounds
from ecgfoundry.training.distributed import ALONE, World

__all__ = [
    "ArraySource",
    "SegmentSource",
    "SourcePool",
    "cache_manifest",
    "corpus_sources",
    "fingerprints_of_windows",
    "open_sources",
]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Positions = NDArray[np.intp]

_MISSING = np.iinfo(np.int16).min
_MICROVOLT = 1000.0  # int16 units per mV
_FORM = 3
"""Raised when a cache holds something new, so that an earlier one is made anew."""
MOST_REASONS = 3
_AT_ONCE = 256
"""Windows that are read together for their fingerprints."""


class SegmentSource(Protocol):
    """Raw windows of one rate, one set of leads and one length."""

    @property
    def sampling_rate(self) -> float:
        """Hz."""
        ...

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the rows."""
        ...

    @property
    def groups(self) -> Sequence[str]:
        """Patient of each window."""
        ...

    def __len__(self) -> int:
        """Windows."""
        ...

    def read(self, positions: Positions) -> Float32:
        """Return (n, leads, samples) in mV, NaN = missing."""
        ...

    def targets(self, positions: Positions) -> Float64:
        """Return (n, targets), NaN = missing."""
        ...

    @property
    def content_hash(self) -> str:
        """A hash that changes with any signal."""
        ...


@dataclass(frozen=True)
class ArraySource:
    """Windows in one array, in memory or mapped from a file.

    Attributes
    ----------
    signal : ndarray (windows, leads, samples)
        float in mV, or int16 at 1 µV per unit with -32768 for missing.
    sampling_rate : float
        Hz.
    leads : tuple of str
    values : ndarray (windows, targets)
    groups : sequence of str
        Patient of each window.
    records : sequence of str
        Record of each window; the windows themselves by default.
    """

    signal: NDArray[Any]
    sampling_rate: float
    leads: tuple[str, ...]
    values: Float64
    groups: Sequence[str]
    records: Sequence[str] = ()
    sha256: str = ""
    """Of the signals, where it is known already."""
    fingerprints: Sequence[int | None] = ()
    """Of the recording of each window, where they are known already."""

    def __post_init__(self) -> None:
        if self.signal.ndim != 3 or self.signal.shape[1] != len(self.leads):
            raise TrainingError(
                f"signals of shape {self.signal.shape} do not fit the leads "
                f"{', '.join(self.leads)}",
                remedy="Give an array (windows, leads, samples)",
            )
        if not len(self.signal) == len(self.values) == len(self.groups):
            raise TrainingError(
                f"{len(self.signal)} windows, {len(self.values)} rows of targets and "
                f"{len(self.groups)} patients do not belong together"
            )

    def __len__(self) -> int:
        return len(self.signal)

    @property
    def content_hash(self) -> str:
        """SHA-256 of all signals: what a run depends on."""
        if self.sha256:
            return self.sha256
        digest = hashlib.sha256(repr((self.signal.shape, str(self.signal.dtype))).encode())
        for start in range(0, len(self.signal), 1024):
            digest.update(np.ascontiguousarray(self.signal[start : start + 1024]).tobytes())
        return digest.hexdigest()

    def read(self, positions: Positions) -> Float32:
        """See :class:`SegmentSource`."""
        raw = self.signal[positions]
        if raw.dtype == np.int16:
            scaled = raw.astype(np.float32) / np.float32(_MICROVOLT)
            scaled[raw == _MISSING] = np.nan
            return scaled
        return raw.astype(np.float32)

    def targets(self, positions: Positions) -> Float64:
        """See :class:`SegmentSource`."""
        return self.values[positions]


@dataclass(frozen=True)
class SourcePool:
    """Several sources, numbered through."""

    sources: tuple[SegmentSource, ...]

    def __post_init__(self) -> None:
        if not self.sources or not len(self):
            raise TrainingError("there are no windows to train on")

    def __len__(self) -> int:
        return sum(len(source) for source in self.sources)

    @property
    def groups(self) -> list[str]:
        """Patient of each window."""
        return [str(group) for source in self.sources for group in source.groups]

    @property
    def content_hash(self) -> str:
        """A hash that changes with any signal of any source."""
        parts = [(len(s), s.sampling_rate, *s.leads, s.content_hash) for s in self.sources]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def split(self, positions: Positions) -> list[tuple[SegmentSource, Positions, Positions]]:
        """Return (source, positions within it, places in ``positions``) of each source."""
        ends = np.cumsum([len(source) for source in self.sources])
        if len(positions) and not 0 <= positions.min() <= positions.max() < ends[-1]:
            raise TrainingError(f"there are {ends[-1]} windows; one outside was asked for")
        owner = np.searchsorted(ends, positions, side="right")
        result = []
        for k, source in enumerate(self.sources):
            places = np.flatnonzero(owner == k)
            if places.size:
                result.append((source, positions[places] - (ends[k] - len(source)), places))
        return result

    def fingerprints(self, positions: Positions) -> set[int]:
        """Return the fingerprints of the recordings that these windows are of."""
        return {
            mark
            for source, own, _ in self.split(positions)
            for mark in fingerprints_of_windows(source, own)
            if mark is not None
        }

    def targets(self, positions: Positions) -> Float64:
        """Return (n, targets)."""
        parts = self.split(positions)
        first = parts[0][0].targets(parts[0][1])
        values = np.empty((len(positions), first.shape[1]))
        for source, own, places in parts:
            values[places] = source.targets(own)
        return values


def fingerprints_of_windows(source: SegmentSource, positions: Positions) -> Sequence[int | None]:
    """Return the fingerprint of the recording of each window.

    Where a source does not know its recordings, each window stands for itself: a recording is then
    found again by its first window alone.
    """
    known = getattr(source, "fingerprints", ())
    if len(known):
        return [known[k] for k in positions]
    return [
        mark
        for start in range(0, len(positions), _AT_ONCE)
        for mark in windows_fingerprints(
            source.read(positions[start : start + _AT_ONCE]), source.sampling_rate, source.leads
        )
    ]


@dataclass
class _Group:
    """Windows of one rate and one set of leads that are being collected."""

    file: Any
    samples: int
    leads: tuple[str, ...]
    rate: float
    rows: list[int] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)


class _CacheKey(TypedDict):
    """What a cache depends on: recordings by path, size and time of change, and the cut."""

    form: int
    stated: str
    rows: list[list[str | int | float | list[int] | None]]
    leads: list[str]
    window_s: float
    storage: str
    need_all: bool
    only_ecg: bool


class _CachedGroup(TypedDict):
    """Windows of one sampling rate; ``rows`` of the manifest they are from."""

    rate: float
    samples: int
    rows: list[int]
    sha256: str


class _CacheIndex(TypedDict):
    """``index.json`` of a cache."""

    of: _CacheKey
    skipped: dict[str, str]
    fingerprints: list[int | None]
    groups: list[_CachedGroup]


def cache_manifest(
    manifest: Manifest,
    folder: Path,
    *,
    leads: Sequence[str],
    window_s: float,
    targets: Sequence[str] = (),
    storage: str = "float32",
    need_all: bool = False,
    only_ecg: bool = True,
) -> tuple[list[ArraySource], dict[str, str]]:
    """Cut all recordings of a manifest into raw windows on disk, once, and read them from there.

    Parameters
    ----------
    manifest : Manifest
    folder : Path
        For the caches; a finished one of the same recordings (files by path, size and time of
        change) and the same cut is used as it is.
    leads : sequence of str
        Rows of a window. Derivable limb leads are derived; absent ones are NaN.
    window_s : float
        Length of a window. A shorter recording is filled with NaN on the right.
    targets : sequence of str
        Targets of the manifest that the sources give.
    storage : {"float32", "int16"}
        float32 keeps every sample as it was read; int16 has 1 µV per unit, clipped at 32.767 mV.
    need_all : bool
        Leave windows out in which a lead is missing throughout (for models without a mask).
    only_ecg : bool
        Leave windows out that no model here would answer to: no heartbeats, or no ECG. Never asked
        of leads that are something else by their names.

    Returns
    -------
    sources : list of ArraySource
        One per sampling rate.
    skipped : dict
        Record, or record and second, -> why it could not be read.
    """
    if storage not in ("float32", "int16"):
        raise TrainingError(f"a cache holds float32 or int16, not {storage}")
    stamps = [stamp_of(manifest.path_of(row)) for row in manifest]
    wanted: _CacheKey = {
        "form": _FORM,
        "stated": repr(manifest.stated),
        "rows": [
            [row.record, row.path, row.index, row.start_s, row.duration_s, stamp]
            for row, stamp in zip(manifest, stamps, strict=True)
        ],
        "leads": list(leads),
        "window_s": window_s,
        "storage": storage,
        "need_all": need_all,
        "only_ecg": only_ecg and are_ecg_leads(leads),
    }
    # Under its own name, so that the cache of a finished run is never written over.
    folder = folder / hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    index_path = folder / "index.json"
    if index_path.is_file():
        index: _CacheIndex = json.loads(index_path.read_text())
        if index["of"] == wanted:
            return _cached_sources(manifest, folder, index, targets), index["skipped"]
    index = _write_cache(manifest, folder, wanted)
    write_json(index_path, index, indent=None)
    return _cached_sources(manifest, folder, index, targets), index["skipped"]


def _write_cache(manifest: Manifest, folder: Path, wanted: _CacheKey) -> _CacheIndex:
    leads, window_s, storage = wanted["leads"], wanted["window_s"], wanted["storage"]
    groups: dict[float, _Group] = {}
    skipped: dict[str, str] = {}
    marks: list[int | None] = [None] * len(manifest)
    try:
        for number, row in enumerate(manifest.rows):
            try:
                recording = manifest.open(row)
                selected = recording.select(tuple(leads), missing="nan")
            except EcgFoundryError as error:
                skipped[row.record] = str(error)
                continue
            marks[number] = fingerprint(recording)
            rate = selected.sampling_rate
            if rate not in groups:
                file = (folder / f"{rate:g}hz.raw").open("wb")
                groups[rate] = _Group(file, round(window_s * rate), tuple(leads), rate)
            group = groups[rate]
            for start, stop in window_bounds(selected.samples, rate, window_s):
                cut = selected.signal[:, start:stop]
                absent: NDArray[np.bool_] = np.asarray(np.isnan(cut).all(axis=1))
                judge = judge_window if wanted["only_ecg"] else assess_window
                refused = judge(cut[~absent], rate, _named(leads, absent)).refusal
                if refused is not None or (wanted["need_all"] and absent.any()):
                    reason = "a lead is missing" if refused is None else refused.message
                    skipped[f"{row.record}@{start / rate:g}s"] = reason
                    continue
                window = np.full((len(leads), group.samples), np.nan, dtype=np.float32)
                window[:, : stop - start] = cut
                content = _stored(window, storage).tobytes()
                group.file.write(content)
                group.digest.update(content)
                group.rows.append(number)
    finally:
        for group in groups.values():
            group.file.close()
    return {
        "of": wanted,
        "skipped": skipped,
        "fingerprints": marks,
        "groups": [
            {"rate": g.rate, "samples": g.samples, "rows": g.rows, "sha256": g.digest.hexdigest()}
            for g in groups.values()
            if g.rows
        ],
    }


def _named(leads: Sequence[str], absent: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(lead for lead, gone in zip(leads, absent, strict=True) if not gone)


def _stored(window: Float32, storage: str) -> NDArray[Any]:
    if storage == "float32":
        return window
    units = np.clip(np.rint(np.nan_to_num(window) * _MICROVOLT), -32767, 32767).astype(np.int16)
    units[np.isnan(window)] = _MISSING
    return units


def _cached_sources(
    manifest: Manifest, folder: Path, index: _CacheIndex, targets: Sequence[str]
) -> list[ArraySource]:
    values = manifest.targets(targets)
    groups = manifest.groups()
    leads = tuple(index["of"]["leads"])
    dtype = np.dtype(index["of"]["storage"])
    sources = []
    for group in index["groups"]:
        shape = (len(group["rows"]), len(leads), group["samples"])
        signal = np.memmap(folder / f"{group['rate']:g}hz.raw", dtype=dtype, mode="r", shape=shape)
        sources.append(
            ArraySource(
                signal,
                float(group["rate"]),
                leads,
                values[group["rows"]],
                [groups[row] for row in group["rows"]],
                [manifest.rows[row].record for row in group["rows"]],
                group["sha256"],
                [index["fingerprints"][row] for row in group["rows"]],
            )
        )
    return sources


def open_sources(
    data: Path | Manifest,
    cache: Path,
    *,
    leads: Sequence[str],
    window_s: float,
    targets: Sequence[str],
    need_all: bool = False,
    only_ecg: bool = True,
    world: World = ALONE,
    say: Callable[[str], None] | None = None,
) -> Sequence[SegmentSource]:
    """Open a manifest (also as a table file) or a corpus (a folder) for all processes.

    The first process makes the cache of a manifest while the others wait.

    Parameters
    ----------
    data : Path or Manifest
    cache : Path
        Folder for the cache of a manifest.
    leads, window_s, targets, need_all, only_ecg
        As in :func:`cache_manifest`. Of a corpus, what its gate kept is taken.
    world : World
    say : callable, optional
        Receives one line about what was left out.
    """
    if isinstance(data, Path) and data.is_dir():
        return corpus_sources(data, targets)
    manifest = data if isinstance(data, Manifest) else read_manifest(data)
    _require_targets(manifest, targets)
    for turn in (True, False):
        if world.first is turn:
            sources, skipped = cache_manifest(
                manifest, cache, leads=leads, window_s=window_s, targets=targets,
                need_all=need_all, only_ecg=only_ecg,
            )  # fmt: skip
        world.wait()
    if skipped and say is not None and world.first:
        say(_left_out(skipped))
    return sources


def _left_out(skipped: Mapping[str, str]) -> str:
    """Return one line: how many records and windows were left out, and the commonest reasons."""
    reasons = Counter(skipped.values()).most_common(MOST_REASONS)
    text = "; ".join(f"{count} x {reason}" for reason, count in reasons)
    return f"{len(skipped)} records or windows were left out: {text}"


def _require_targets(manifest: Manifest, targets: Sequence[str]) -> None:
    """Refuse targets that no row knows: their outputs would be trained on nothing."""
    known = set(manifest.target_names)
    gone = [name for name in targets if name not in known]
    if gone:
        own = [name for name in targets if name in known]
        raise TrainingError(
            f"the manifest has {len(own)} of the {len(targets)} targets; '{gone[0]}'"
            f"{f' and {len(gone) - 1} more are' if len(gone) > 1 else ' is'} not among its columns",
            path=manifest.folder,
            remedy="Pretrain on those that it has: "
            + (f"--target {shlex.quote(','.join(own))}" if own else "name them with --target"),
        )


def corpus_sources(path: str | Path, targets: Sequence[str]) -> list[SegmentSource]:
    """Return the segments of a corpus as sources, one per rate, set of leads and length.

    Parameters
    ----------
    path : path
        A corpus, as ``ecgfoundry.corpus.open_corpus`` reads it.
    targets : sequence of str
        Targets; columns ``target:NAME`` (or ``NAME``) of its index.

    Raises
    ------
    MissingExtraError
        The corpus package or its tables are not installed.
    TrainingError
        The index has not the columns.
    """
    try:
        from ecgfoundry.corpus import open_corpus
    except ImportError:
        raise MissingExtraError.for_extra("training from a corpus", "data") from None
    corpus = open_corpus(path)
    return _corpus_groups(corpus, targets, Path(path))


def _corpus_groups(corpus: Any, targets: Sequence[str], path: Path) -> list[SegmentSource]:
    import polars

    columns = [f"target:{name}" for name in targets]
    records = corpus.records
    gone = [name for name, c in zip(targets, columns, strict=True) if c not in records.columns]
    if gone:
        raise TrainingError(f"the corpus has no target '{gone[0]}'", path=path)
    # Targets stand with the records; the join keeps the order of the segments.
    index = corpus.index.select("record", "patient", "sampling_rate", "leads", "length").join(
        records.select("record", *columns), on="record", how="left", maintain_order="left"
    )
    numbered = index.with_row_index("position")
    sources: list[SegmentSource] = []
    caches = Caches(corpus)
    for part in numbered.partition_by("sampling_rate", "leads", "length", maintain_order=True):
        values = np.zeros((len(part), 0))
        if columns:
            values = part.select(polars.col(columns).cast(polars.Float64)).to_numpy()
        names = part.select(polars.col("patient").fill_null("\0" + polars.col("record")))
        sources.append(
            _CorpusSource(
                corpus,
                float(part["sampling_rate"][0]),
                _lead_names(part["leads"][0]),
                part["position"].to_numpy().astype(np.intp),
                values.astype(np.float64).reshape(len(part), len(columns)),
                names["patient"].to_list(),
                caches,
            )
        )
    return sources


def _lead_names(leads: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in leads.split(",") if name.strip())


@dataclass(frozen=True)
class _CorpusSource:
    corpus: Any
    sampling_rate: float
    leads: tuple[str, ...]
    rows: NDArray[np.intp]
    values: Float64
    groups: Sequence[str]
    caches: Any

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def content_hash(self) -> str:
        """Of all shards, and which segments of them."""
        rows = hashlib.sha256(np.ascontiguousarray(self.rows).tobytes()).hexdigest()
        return f"{self.corpus.document['commits_sha256']} {rows}"

    def standardized(
        self, positions: Positions, recipe: Preprocessing, leads: Sequence[str]
    ) -> Float32 | None:
        wanted = Input.of(recipe, leads, self.leads)
        found: Float32 | None = self.caches.read(self.rows[positions], wanted, among=self.rows)
        return found

    def read(self, positions: Positions) -> Float32:
        signal: Float32 = np.asarray(self.corpus.read(self.rows[positions]), dtype=np.float32)
        return signal

    def targets(self, positions: Positions) -> Float64:
        return self.values[positions]
