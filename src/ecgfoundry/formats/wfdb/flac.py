"""WFDB storage formats 508, 516 and 524: signals in a FLAC stream (signal(5)).

The stream's channels are the signals of the file; a signal with several samples per frame has
them one after the other, so all signals of one file have the same rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, MissingExtraError, TruncatedFileError
from ecgfoundry.formats.base import DEFAULT_LIMITS
from ecgfoundry.formats.common.limits import UnpackingBudget
from ecgfoundry.formats.wfdb.storage import require_bytes

__all__ = ["FLAC_INVALID", "flac_frames", "read_flac"]

FLAC_INVALID: dict[int, int] = {508: -(2**7), 516: -(2**15), 524: -(2**23)}
"""Digital value of a missing sample by storage format."""

_BITS = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}
_BLOCK = 1 << 20  # libsndfile fails on reads of more than 2**24 samples (its issue 431)


def _open(path: Path, storage: int, signals: int) -> Any:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package is there, its C library is not
        raise MissingExtraError.for_extra(
            f"reading WFDB storage format {storage}", "formats"
        ) from None
    require_bytes(path, 1)
    try:
        stream = soundfile.SoundFile(path)
    except (RuntimeError, OSError) as error:
        raise FormatError(f"the signal file is no FLAC stream ({error})", path=path) from None
    if stream.format != "FLAC" or _BITS.get(stream.subtype, 99) > storage - 500:
        stream.close()
        raise FormatError(f"the stream does not fit storage format {storage}", path=path)
    if stream.channels != signals:
        channels = stream.channels
        stream.close()
        raise FormatError(
            f"the stream has {channels} channels, the header {signals} signals", path=path
        )
    return stream


def flac_frames(path: Path, storage: int, samples_per_frame: Sequence[int], offset: int) -> int:
    """Return how many WFDB frames the stream holds after ``offset`` samples."""
    with _open(path, storage, len(samples_per_frame)) as stream:
        return max(int(stream.frames) - offset, 0) // samples_per_frame[0]


def read_flac(
    path: Path,
    storage: int,
    *,
    samples_per_frame: Sequence[int],
    offset: int,
    first: int,
    count: int,
) -> list[NDArray[np.signedinteger[Any]]]:
    """Read ``count`` frames from number ``first`` on.

    Returns
    -------
    list of ndarray
        One per signal, ``count * samples_per_frame`` digital samples each.

    Raises
    ------
    MissingExtraError, FileAccessError, FormatError, TruncatedFileError
    """
    ratio = samples_per_frame[0]
    if any(other != ratio for other in samples_per_frame):
        raise FormatError("signals of one FLAC file have different rates", path=path)
    with _open(path, storage, len(samples_per_frame)) as stream:
        bits = _BITS[stream.subtype]
        start, wanted = offset + first * ratio, count * ratio
        if start + wanted > stream.frames:
            raise TruncatedFileError(
                f"the stream has {stream.frames} samples, the header announces {start + wanted}",
                path=path,
            )
        unpacked = wanted * len(samples_per_frame) * (4 if bits == 24 else 2)
        UnpackingBudget(path, DEFAULT_LIMITS).take(unpacked, path.stat().st_size, "the stream")
        samples = np.empty((wanted, len(samples_per_frame)), np.int32 if bits == 24 else np.int16)
        try:
            stream.seek(start)
            for position in range(0, wanted, _BLOCK):
                block = samples[position : position + _BLOCK]
                if len(stream.read(out=block)) < len(block):
                    raise TruncatedFileError("the FLAC stream ends early", path=path)
        except RuntimeError as error:
            raise FormatError(f"the FLAC stream is damaged ({error})", path=path) from None
    if bits != 16:
        samples >>= 8  # soundfile shifts 8- and 24-bit samples to the top of the wider integer
    return [samples[:, channel] for channel in range(samples.shape[1])]
