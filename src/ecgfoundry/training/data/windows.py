"""Standardized windows to train on: kept on disk, or made from raw ones batch by batch.

Both go through the same gate and the same standardization as inference: what a network learns from
is what it will be asked about. :class:`StoredWindows` is made once per manifest and input and read
at memory speed; :class:`FreshWindows` standardizes each time, which augmentations of the raw signal
(lead replacement) and corpora beyond the disk need.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.corpus.standardized import input_rows, standardize_segments
from ecgfoundry.errors import EcgFoundryError, LeadError, TrainingError
from ecgfoundry.formats.common.stamps import stamp_of
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.io import write_json
from ecgfoundry.locks import locked
from ecgfoundry.manifest import Manifest, ManifestRow, fingerprint
from ecgfoundry.manifest.checks import signal_hash
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.training.data.augmentation import replace_lead
from ecgfoundry.training.data.sources import SegmentSource, SourcePool

__all__ = ["FreshWindows", "InputWindows", "StoredWindows", "store_windows"]

Float32 = NDArray[np.float32]
Positions = NDArray[np.intp]

_FORM = 2
"""Raised when a store holds something new, so that an earlier one is made anew."""
_SIGNAL = "signal.f32"
_KEEP_EVERY = 64
"""Recordings between two notes of how far the store is (our choice)."""


class InputWindows(Protocol):
    """Model inputs by position."""

    def __len__(self) -> int:
        """Windows."""
        ...

    def get(self, positions: Positions, generator: np.random.Generator) -> tuple[Float32, Float32]:
        """Return (n, rows, samples), absent leads 0, and the presence mask (n, rows)."""
        ...


@dataclass(frozen=True)
class StoredWindows:
    """Standardized windows on disk.

    Attributes
    ----------
    signal : ndarray, float32 (windows, rows, samples)
        Mapped; absent leads are 0.
    presence : ndarray, float32 (windows, rows)
    row : ndarray of int (windows,)
        Row of the manifest of each window.
    hashes : dict
        Record -> SHA-256 of its raw signal.
    fingerprints : dict
        Record -> fingerprint (:func:`ecgfoundry.manifest.fingerprint`); None where it has none.
    skipped : dict
        Record -> why it has no window.
    """

    signal: NDArray[np.float32]
    presence: Float32
    row: NDArray[np.intp]
    hashes: dict[str, str]
    fingerprints: dict[str, int | None]
    skipped: dict[str, str]

    def __len__(self) -> int:
        return len(self.signal)

    def get(self, positions: Positions, generator: np.random.Generator) -> tuple[Float32, Float32]:
        """See :class:`InputWindows`."""
        return np.array(self.signal[positions], dtype=np.float32), self.presence[positions]


@dataclass(frozen=True)
class FreshWindows:
    """Windows standardized as they are asked for.

    Attributes
    ----------
    pool : SourcePool
    spec : InputSpec
    lead_replacement : float
        Probability of replacing lead I by another frontal axis, for one-lead inputs from sources
        with I and II (ECGFounder's single-lead training).
    """

    pool: SourcePool
    spec: InputSpec
    lead_replacement: float = 0.0

    def __post_init__(self) -> None:
        if self.lead_replacement and self.spec.rows != 1:
            raise TrainingError(
                "lead replacement is for one-lead models",
                remedy="Leave --lead-replacement out, or pretrain with --leads I",
            )
        if self.lead_replacement and self.spec.leads != ("I",):
            raise TrainingError(
                f"lead replacement replaces lead I, and the model is to read {self.spec.leads[0]}",
                remedy="Pretrain with --leads I, or with --lead-replacement 0",
            )
        for source in self.pool.sources:
            if self.lead_replacement and not {"I", "II"} <= set(source.leads):
                raise LeadError(
                    f"lead replacement needs I and II; a source has {', '.join(source.leads)}"
                )

    def __len__(self) -> int:
        return len(self.pool)

    def get(self, positions: Positions, generator: np.random.Generator) -> tuple[Float32, Float32]:
        """See :class:`InputWindows`."""
        result = np.empty((len(positions), self.spec.rows, self.spec.samples), dtype=np.float32)
        for source, own, places in self.pool.split(positions):
            kept = self._kept(source, own)
            if kept is not None:
                result[places] = kept
                continue
            raw = self._selected(source, source.read(own), generator)
            result[places] = standardize_segments(raw, source.sampling_rate, self.spec.recipe)
        missing: NDArray[np.bool_] = np.isnan(result)
        presence: Float32 = np.asarray(~missing.all(axis=2), dtype=np.float32)
        if self.spec.lead_mode != "any-subset" and (presence == 0).any():
            raise LeadError(
                f"a window lacks one of the leads {', '.join(self.spec.leads)}",
                remedy="Train a model that takes any subset of leads, or leave such windows out",
            )
        result[missing] = 0.0
        return result, presence

    def _kept(self, source: SegmentSource, own: Positions) -> Float32 | None:
        """What a corpus has standardized already for this input, bit by bit the same."""
        standardized = getattr(source, "standardized", None)
        if standardized is None or self.lead_replacement:
            return None
        found: Float32 | None = standardized(own, self.spec.recipe, self.spec.leads)
        return found

    def _selected(
        self, source: SegmentSource, raw: Float32, generator: np.random.Generator
    ) -> Float32:
        """Rows of the model out of the leads of a source, by name; limb leads are derived."""
        if self.lead_replacement:
            given = {lead: raw[:, k] for k, lead in enumerate(source.leads)}
            one = replace_lead(
                given["I"], given["II"], generator, probability=self.lead_replacement
            )
            return one[:, None]
        return input_rows(raw, source.leads, self.spec.leads)


def store_windows(
    manifest: Manifest,
    spec: InputSpec,
    folder: Path,
    *,
    lead: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> StoredWindows:
    """Read, judge and standardize every recording of a manifest, once.

    Parameters
    ----------
    manifest : Manifest
    spec : InputSpec
        What the model takes in.
    folder : Path
        For the stores; one of the same recordings and input is used again, and an interrupted one
        is continued.
    lead : str, optional
        The lead that a one-lead model reads.
    progress : callable (done, total), optional

    Raises
    ------
    TrainingError
        Not one recording can be read by the model; the message says why the first cannot. Or
        another process is filling the store.
    """
    store = folder / _key(manifest, spec, lead)
    store.mkdir(parents=True, exist_ok=True)
    state = _load_state(store)
    if not state["done"]:
        # Two that fill one store would each take for written what the other has yet to write.
        refusal = TrainingError(
            "another process is filling this store", path=store,
            remedy="Wait until it is done, or choose another folder for the cache",
        )  # fmt: skip
        with locked(store / ".lock", refusal):
            state = _filled(store, manifest, spec, lead, progress)
    if not state["row"]:
        reasons = list(state["skipped"].values())
        raise TrainingError(
            f"none of the {len(manifest)} recordings can be read by this model: {reasons[0]}",
            path=manifest.folder,
            remedy="See them all with: ecgfoundry manifest check TABLE",
        )
    shape = (len(state["row"]), spec.rows, spec.samples)
    signal = np.memmap(store / _SIGNAL, dtype=np.float32, mode="r", shape=shape)
    presence = np.array([[c == "1" for c in text] for text in state["presence"]], np.float32)
    return StoredWindows(
        signal, presence, np.asarray(state["row"], np.intp),
        state["hashes"], state["fingerprints"], state["skipped"],
    )  # fmt: skip


def _filled(
    store: Path,
    manifest: Manifest,
    spec: InputSpec,
    lead: str | None,
    progress: Callable[[int, int], None] | None,
) -> _State:
    """Write what a store lacks, while nobody else does; return its state."""
    state = _load_state(store)
    file = store / _SIGNAL
    with file.open("r+b" if file.is_file() else "w+b") as stream:
        stream.truncate(len(state["row"]) * 4 * spec.rows * spec.samples)
        stream.seek(0, 2)
        for number in range(state["next"], len(manifest)):
            row = manifest.rows[number]
            try:
                for window in _windows_of(manifest, row, spec, lead, state):
                    present: NDArray[np.bool_] = np.asarray(~np.isnan(window).all(axis=1))
                    stream.write(np.nan_to_num(window, nan=0.0).tobytes())
                    state["row"].append(number)
                    state["presence"].append("".join("01"[int(p)] for p in present))
            except EcgFoundryError as error:
                state["skipped"][row.record] = str(error)
            state["next"] = number + 1
            if state["next"] % _KEEP_EVERY == 0:
                stream.flush()
                _save_state(store, state)
            if progress is not None:
                progress(number + 1, len(manifest))
    state["done"] = True
    _save_state(store, state)
    return state


def _windows_of(
    manifest: Manifest, row: ManifestRow, spec: InputSpec, lead: str | None, state: _State
) -> Iterator[Float32]:
    """Yield the standardized windows of one recording; refuse it if there is none."""
    recording = manifest.open(row)
    state["hashes"][row.record] = signal_hash(recording.signal)
    state["fingerprints"][row.record] = fingerprint(recording)
    leads = InputLeads.choose(spec, recording.leads, lead=lead)
    if row.standardized_as is not None:
        yield _as_it_is(recording, row, spec, leads)
        return
    refusal = None
    found = False
    for window in prepare_windows(recording, spec, leads):
        if window.standardized is not None:
            found = True
            yield window.standardized
        elif refusal is None:
            refusal = window.refusal
    if not found:
        raise TrainingError(refusal.message if refusal is not None else "no samples")


def _as_it_is(recording: Any, row: ManifestRow, spec: InputSpec, leads: InputLeads) -> Float32:
    """Take over an array that is already standardized, if it is so by the model's recipe."""
    if not spec.recipe.is_meant_by(row.standardized_as or ""):
        raise TrainingError(
            f"is standardized as {row.standardized_as}, the model needs {spec.preprocessing} with "
            f"SHA-256 {spec.recipe.sha256}"
        )
    signal: Float32 = recording.select(leads.rows, missing="nan").signal
    if recording.sampling_rate != spec.sampling_rate or signal.shape[1] != spec.samples:
        raise TrainingError(
            f"has {signal.shape[1]} samples at {recording.sampling_rate:g} Hz, {spec.preprocessing}"
            f" makes {spec.samples} at {spec.sampling_rate:g} Hz"
        )
    return signal


def _key(manifest: Manifest, spec: InputSpec, lead: str | None) -> str:
    """Name of the store: what it depends on, hashed; files by path, size and time of change."""
    digest = hashlib.sha256(repr((_FORM, spec, lead, manifest.stated)).encode())
    for row in manifest.rows:
        path = manifest.path_of(row)
        stamp = stamp_of(path)
        own = (row.record, str(path), row.index, row.start_s, row.duration_s, row.standardized_as)
        digest.update(repr((own, stamp)).encode())
    return digest.hexdigest()[:16]


class _State(TypedDict):
    """How far a store is: the next recording, and of each window its row and the leads there."""

    next: int
    row: list[int]
    presence: list[str]
    done: bool
    hashes: dict[str, str]
    fingerprints: dict[str, int | None]
    skipped: dict[str, str]


def _load_state(store: Path) -> _State:
    path = store / "state.json"
    if path.is_file():
        state: _State = json.loads(path.read_text())
        return state
    return _State(next=0, row=[], presence=[], done=False, hashes={}, fingerprints={}, skipped={})


def _save_state(store: Path, state: _State) -> None:
    write_json(store / "state.json", state, indent=None)
