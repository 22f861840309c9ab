"""WFDB storage formats: bytes of a signal file -> digital samples, vectorised, at random.

Reference: WFDB Applications Guide, signal(5). A storage format packs ``group_samples`` samples
into ``group_bytes`` bytes; any range of samples is read by seeking to its first group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FileAccessError, TruncatedFileError

__all__ = [
    "STORAGE_FORMATS",
    "StorageFormat",
    "bytes_needed",
    "decode",
    "read_samples",
    "require_bytes",
]

Digital = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True)
class StorageFormat:
    """How samples are packed.

    Parameters
    ----------
    number : int
        As in the header.
    group_samples, group_bytes : int
        The smallest run of samples that starts and ends on a byte.
    invalid : int or None
        The digital value that marks a missing sample (signal(5): the most negative one).
    unpack : callable (bytes as uint8) -> integers
        Decodes whole groups.
    """

    number: int
    group_samples: int
    group_bytes: int
    invalid: int | None
    unpack: Callable[[NDArray[np.uint8]], Digital]


def _unpack_8(raw: NDArray[np.uint8]) -> Digital:
    return raw.view(np.int8)  # first differences; summed by the caller, who knows the frames


def _unpack_16(raw: NDArray[np.uint8]) -> Digital:
    return raw.view("<i2")


def _unpack_24(raw: NDArray[np.uint8]) -> Digital:
    padded = np.zeros((raw.size // 3, 4), dtype=np.uint8)
    padded[:, 1:] = raw.reshape(-1, 3)
    result: Digital = padded.reshape(-1).view("<i4") >> 8  # arithmetic shift keeps the sign
    return result


def _unpack_32(raw: NDArray[np.uint8]) -> Digital:
    return raw.view("<i4")


def _unpack_61(raw: NDArray[np.uint8]) -> Digital:
    return raw.view(">i2")


def _unpack_80(raw: NDArray[np.uint8]) -> Digital:
    return raw.astype(np.int16) - 128


def _unpack_160(raw: NDArray[np.uint8]) -> Digital:
    return raw.view("<u2").astype(np.int32) - 32768


def _unpack_212(raw: NDArray[np.uint8]) -> Digital:
    triples = raw.reshape(-1, 3).astype(np.int16)
    samples = np.empty((len(triples), 2), dtype=np.int16)
    samples[:, 0] = triples[:, 0] | ((triples[:, 1] & 0x0F) << 8)
    samples[:, 1] = triples[:, 2] | ((triples[:, 1] & 0xF0) << 4)
    return _sign_extended(samples, 12)


def _unpack_310(raw: NDArray[np.uint8]) -> Digital:
    quads = raw.reshape(-1, 4).astype(np.int16)
    samples = np.empty((len(quads), 3), dtype=np.int16)
    samples[:, 0] = (quads[:, 0] >> 1) | ((quads[:, 1] & 0x07) << 7)
    samples[:, 1] = (quads[:, 2] >> 1) | ((quads[:, 3] & 0x07) << 7)
    samples[:, 2] = (quads[:, 1] >> 3) | ((quads[:, 3] & 0xF8) << 2)
    return _sign_extended(samples, 10)


def _unpack_311(raw: NDArray[np.uint8]) -> Digital:
    words = raw.view("<u4")
    samples = np.empty((words.size, 3), dtype=np.int16)
    for position in range(3):
        samples[:, position] = (words >> (10 * position)) & 0x3FF
    return _sign_extended(samples, 10)


def _sign_extended(samples: NDArray[np.int16], bits: int) -> Digital:
    half = 1 << (bits - 1)
    result: Digital = ((samples.reshape(-1) ^ half) - half).astype(np.int16)
    return result


STORAGE_FORMATS: dict[int, StorageFormat] = {
    form.number: form
    for form in (
        StorageFormat(8, 1, 1, None, _unpack_8),
        StorageFormat(16, 1, 2, -(2**15), _unpack_16),
        StorageFormat(24, 1, 3, -(2**23), _unpack_24),
        StorageFormat(32, 1, 4, -(2**31), _unpack_32),
        StorageFormat(61, 1, 2, -(2**15), _unpack_61),
        StorageFormat(80, 1, 1, -(2**7), _unpack_80),
        StorageFormat(160, 1, 2, -(2**15), _unpack_160),
        StorageFormat(212, 2, 3, -(2**11), _unpack_212),
        StorageFormat(310, 3, 4, -(2**9), _unpack_310),
        StorageFormat(311, 3, 4, -(2**9), _unpack_311),
    )
}


def bytes_needed(form: StorageFormat, samples: int) -> int:
    """Bytes that ``samples`` samples take from the start of a group, as WFDB counts them.

    The last group may be cut behind its last used byte; format 310 needs all four bytes as soon
    as it holds two samples, because the second one has its high bits in the fourth.
    """
    groups, extra = divmod(samples, form.group_samples)
    tail = -(-extra * form.group_bytes // form.group_samples)
    if form.number == 310 and extra == 2:
        tail = form.group_bytes
    return groups * form.group_bytes + tail


def decode(form: StorageFormat, raw: NDArray[np.uint8], skip: int, count: int) -> Digital:
    """Decode ``count`` samples out of ``raw``, which starts ``skip`` samples before them.

    Parameters
    ----------
    raw : ndarray of uint8
        Starts on a group; a cut last group is filled with zero bytes.
    """
    missing = -raw.size % form.group_bytes
    if missing:
        raw = np.concatenate([raw, np.zeros(missing, dtype=np.uint8)])
    return form.unpack(raw)[skip : skip + count]


def read_samples(
    path: Path, form: StorageFormat, *, byte_offset: int, first: int, count: int
) -> Digital:
    """Read ``count`` samples from number ``first`` on, all signals of the file interleaved.

    Parameters
    ----------
    byte_offset : int
        Bytes before sample 0 (24 in the ``.mat`` files of the PhysioNet challenges).

    Returns
    -------
    ndarray (count,) of int8, int16 or int32
        Format 8 gives differences.

    Raises
    ------
    FileAccessError, TruncatedFileError
    """
    group = first // form.group_samples
    skip = first - group * form.group_samples
    start = byte_offset + group * form.group_bytes
    wanted = bytes_needed(form, skip + count)
    require_bytes(path, start + wanted)
    try:
        raw = np.fromfile(path, dtype=np.uint8, count=wanted, offset=start)
    except OSError as error:
        raise _unreadable(path, error) from error
    return decode(form, raw, skip, count)


def require_bytes(path: Path, wanted: int) -> int:
    """Return the size of a signal file in bytes; raise if it is missing or below ``wanted``."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error
    if not path.is_file():
        raise FileAccessError("the signal file is not a regular file", path=path)
    if size < wanted:
        raise TruncatedFileError(
            f"the signal file has {size} bytes, the header announces {wanted}",
            path=path,
            remedy="Get the file again from its source",
        )
    return size


def _unreadable(path: Path, error: OSError) -> FileAccessError:
    return FileAccessError(
        f"the signal file '{path.name}' cannot be read ({error.strerror or error})",
        path=path,
        remedy="Put the signal file beside its header",
    )
