"""Fingerprints of recordings: 64 bits that outlast scaling, a small shift and another encoding.

A hash of the samples finds copies that agree sample for sample. A recording that was exported
twice, in another unit, with other rounding or cut a tenth of a second later, has other samples and
is the same ECG. Its fingerprint differs in few bits; those of two ECGs differ in about half.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, EcgFoundryError
from ecgfoundry.io import write_atomically
from ecgfoundry.manifest.table import Manifest
from ecgfoundry.models.bundle import Bundle
from ecgfoundry.recording import Recording

__all__ = [
    "CALIBRATED_FILE",
    "FINGERPRINTS_FILE",
    "SIMILAR_BITS",
    "fingerprint",
    "fingerprints",
    "fingerprints_of_bundle",
    "known_among",
    "known_to",
    "similar_pairs",
    "windows_fingerprints",
    "write_fingerprints",
]

FINGERPRINTS_FILE = "fingerprints.npy"
"""File of a bundle: the fingerprints of all records that it, or a model before it, learned from.
Records that chose its weights or its calibration are among them; those that measured it are not."""
CALIBRATED_FILE = "calibrated-on.npy"
"""The same of the records on which the bundle was calibrated after its training."""
SIMILAR_BITS = 5
"""Fingerprints that differ in no more bits are taken for those of one ECG (our choice). Of 400
single-lead recordings of CinC 2017, copies that were scaled, resampled to 128, 250 or 500 Hz or
filtered to 0.5-40 Hz differed in at most 3 bits; 98 % of those rounded to 5 µV and 99 % of those
cut by 0.1 s are found, 90 % cut by 0.2 s, and few cut by a second. Of the 23 million pairs of the
6,776 recordings 9 are taken for one ECG (2 of them agree sample for sample), and 44 would be at
7 bits: a steady rhythm in one lead has little to tell two people apart."""

_SECONDS = 10.0
_SHORTEST_S = 2.5
_LOWEST_HZ, _HIGHEST_HZ = 5.0, 40.0
_SMOOTH_HZ = 0.5
"""Half the width over which the spectrum is averaged: what is left is the fine structure, which
rhythm and noise make different in every recording, and not the shape that all ECGs share."""
_PREFERRED = ("II", "I", "MLII", "V5", "V2")
_BLOCK = 2048

UInt64 = NDArray[np.uint64]


def fingerprint(recording: Recording) -> int | None:
    """Return the fingerprint of a recording, from the first ten seconds of one lead.

    Returns
    -------
    int or None
        64 bits; None where no lead has 2.5 s of signal that is not flat.

    Notes
    -----
    The bits are signs of fixed random projections (Charikar 2002) of the magnitude of the spectrum
    from 5 to 40 Hz, divided by its own local mean: the magnitude does not see a shift, nor the
    quotient a scale. Its logarithm keeps the harmonics of a steady rhythm from deciding all bits.
    """
    return _fingerprint(recording.signal, recording.sampling_rate, recording.leads)


def windows_fingerprints(
    windows: NDArray[np.float32], sampling_rate: float, leads: Sequence[str]
) -> list[int | None]:
    """Return the fingerprint of each raw window, of an array (windows, leads, samples) in mV."""
    return [_fingerprint(window, sampling_rate, leads) for window in windows]


def _fingerprint(
    signal: NDArray[np.floating], sampling_rate: float, leads: Sequence[str]
) -> int | None:
    for k in _order(leads):
        samples = signal[k, : round(_SECONDS * sampling_rate)]
        if len(samples) < _SHORTEST_S * sampling_rate:
            return None
        values = np.nan_to_num(samples.astype(np.float64))
        values -= values.mean()
        if np.ptp(values) > 0:
            return _bits(values, sampling_rate)
    return None


def _order(leads: Sequence[str]) -> list[int]:
    known = [leads.index(name) for name in _PREFERRED if name in leads]
    return known + [k for k in range(len(leads)) if k not in known]


def _bits(values: NDArray[np.float64], rate: float) -> int | None:
    padded = np.zeros(round(_SECONDS * rate))
    padded[: len(values)] = values * np.hanning(len(values))
    magnitude = np.abs(np.fft.rfft(padded))
    step = rate / len(padded)
    half = round(_SMOOTH_HZ / step)
    first, last = round(_LOWEST_HZ / step), round(_HIGHEST_HZ / step)
    if last + half >= len(magnitude):
        return None
    window = np.ones(2 * half + 1) / (2 * half + 1)
    mean = np.convolve(magnitude, window, mode="same")[first:last]
    fine = np.clip(np.log(magnitude[first:last] / np.maximum(mean, 1e-12) + 1e-3), -2, 2)
    signs = _projections(len(fine)) @ (fine - fine.mean()) > 0
    return int(np.packbits(signs).view(">u8")[0])


@functools.lru_cache(maxsize=4)
def _projections(length: int) -> NDArray[np.float64]:
    """64 rows of +1 and -1, from SHA-256 so that no library's generator can change them."""
    count = -(-length // 256)
    rows = [
        np.frombuffer(
            b"".join(
                hashlib.sha256(f"ecgfoundry fingerprint {row} {part}".encode()).digest()
                for part in range(count)
            ),
            dtype=np.uint8,
        )
        for row in range(64)
    ]
    bits = np.unpackbits(np.stack(rows), axis=1)[:, :length]
    return bits.astype(np.float64) * 2 - 1


def fingerprints(manifest: Manifest) -> dict[str, int]:
    """Return record -> fingerprint, for the recordings that can be read and have one."""
    found = {}
    for row in manifest.rows:
        try:
            value = fingerprint(manifest.open(row))
        except EcgFoundryError:
            continue
        if value is not None:
            found[row.record] = value
    return found


def similar_pairs(
    first: Sequence[int] | UInt64, second: Sequence[int] | UInt64, *, bits: int = SIMILAR_BITS
) -> list[tuple[int, int]]:
    """Return (position in first, in second) of all that differ in at most ``bits`` bits."""
    a, b = np.asarray(first, dtype=np.uint64), np.asarray(second, dtype=np.uint64)
    pairs = []
    for start in range(0, len(a), _BLOCK):
        for other in range(0, len(b), _BLOCK):
            different = a[start : start + _BLOCK, None] ^ b[None, other : other + _BLOCK]
            near = np.argwhere(np.bitwise_count(different) <= bits)
            pairs += [(start + int(i), other + int(j)) for i, j in near]
    return pairs


def write_fingerprints(path: str | Path, values: Iterable[int]) -> None:
    """Write fingerprints as a file of a bundle: a sorted NumPy array, each value once."""
    array = np.unique(np.fromiter(values, dtype=np.uint64))
    with write_atomically(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def fingerprints_of_bundle(bundle: Bundle, name: str = FINGERPRINTS_FILE) -> UInt64 | None:
    """Return the fingerprints of all records that a model has learned from; None: not recorded.

    By the name of another file: of those that it was calibrated on.

    Raises
    ------
    BundleError
        The file is no array of fingerprints.
    """
    array = bundle.array(name)
    if array is None:
        return None
    if array.ndim != 1 or array.dtype != np.uint64:
        raise BundleError(
            "is no array of fingerprints",
            path=bundle.file(name), remedy="Get the bundle anew",
        )  # fmt: skip
    return np.asarray(array, dtype=np.uint64)


def known_to(
    bundle: Bundle, values: Sequence[int | None], name: str = FINGERPRINTS_FILE
) -> list[int] | None:
    """Return the positions of the records that a model has learned from; None: not recorded.

    By the name of another file: of those that it was calibrated on.
    """
    learned = fingerprints_of_bundle(bundle, name)
    return None if learned is None else known_among(learned, values)


def known_among(learned: Sequence[int] | UInt64, values: Sequence[int | None]) -> list[int]:
    """Return the positions of the records that are, or nearly are, among those learned from."""
    there = [(k, value) for k, value in enumerate(values) if value is not None]
    pairs = similar_pairs([value for _, value in there], learned)
    return sorted({there[i][0] for i, _ in pairs})
