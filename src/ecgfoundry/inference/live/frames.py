"""The binary frames of a live signal: what a device or a gateway sends, and how it is read.

A frame is a header of 32 bytes, little endian, and the samples, one lead after the other::

    bytes  0-3   "ECGL"
           4     version, 1
           5     sample type: 0 = int16, 1 = float32
           6-7   leads, uint16
           8-11  samples per lead, uint32
          12-15  zero
          16-23  number of the first sample, int64; -1: it follows the last frame
          24-31  time of the first sample in seconds on the device's clock, float64; NaN: unknown

int16 samples are multiplied by the gain that the stream was opened with; -32768 is a missing
sample. float32 samples are in the unit of the stream; NaN is a missing sample. The layout is ours.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import SignalError

__all__ = [
    "HEADER_BYTES",
    "MAXIMUM_SAMPLES",
    "FrameHeader",
    "LiveFrame",
    "decode_frame",
    "encode_frame",
    "frame_length",
    "read_header",
]

_HEADER = struct.Struct("<4sBBHIIqd")
HEADER_BYTES = _HEADER.size
_MAGIC = b"ECGL"
_VERSION = 1
_TYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<i2"), 1: np.dtype("<f4")}
_MISSING = -32768
MAXIMUM_SAMPLES = 1_000_000
"""Leads x samples of one frame; twelve leads at 1 kHz for 80 s (our choice)."""
_LARGEST_NUMBER = 1 << 53


@dataclass(frozen=True, eq=False, slots=True)
class LiveFrame:
    """Samples of a stream: ``signal`` float32 (leads, samples) in mV, NaN missing.

    Infinities become missing. ``start`` is the number of the first sample, ``time_s`` its time;
    None where not stated.
    """

    signal: NDArray[np.float32]
    start: int | None = None
    time_s: float | None = None

    def __post_init__(self) -> None:
        infinite = np.isinf(self.signal)
        if infinite.any():
            signal = np.where(infinite, np.float32(np.nan), self.signal)
            object.__setattr__(self, "signal", signal)


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What the header of a frame states; ``start`` and ``time_s`` are None where not stated."""

    leads: int
    samples: int
    data: np.dtype[Any]
    start: int | None
    time_s: float | None


def read_header(content: bytes | memoryview) -> FrameHeader:
    """Read the header of a frame and check that the frame is as long as it says.

    Raises
    ------
    SignalError
        It is no frame, or its length is not the one that it states.
    """
    header = _stated(content)
    if len(content) != frame_length(content):
        raise SignalError("the length of a frame is not the one that its header states")
    return header


def frame_length(content: bytes | memoryview) -> int:
    """Return how many bytes a frame has, from its first ``HEADER_BYTES``.

    Raises
    ------
    SignalError
        It is no frame.
    """
    header = _stated(content)
    return HEADER_BYTES + header.leads * header.samples * header.data.itemsize


def _stated(content: bytes | memoryview) -> FrameHeader:
    if len(content) < HEADER_BYTES:
        raise SignalError(f"a frame of {len(content)} bytes is shorter than its header")
    magic, version, kind, leads, samples, _, start, time_s = _HEADER.unpack_from(content)
    if magic != _MAGIC or version != _VERSION or kind not in _TYPES:
        raise SignalError(
            "this is no frame of a live stream, or one of a newer version",
            remedy="The layout is in docs/streaming.md",
        )
    if leads == 0 or samples == 0 or leads * samples > MAXIMUM_SAMPLES:
        raise SignalError(f"a frame of {leads} leads x {samples} samples is empty or too large")
    if not -1 <= start <= _LARGEST_NUMBER:
        raise SignalError(f"the sample number {start} of a frame is out of range")
    return FrameHeader(
        leads, samples, _TYPES[kind], None if start == -1 else start,
        time_s if math.isfinite(time_s) else None,
    )  # fmt: skip


def decode_frame(content: bytes | memoryview, *, millivolts: float) -> LiveFrame:
    """Read a frame.

    Parameters
    ----------
    content : bytes
    millivolts : float
        mV per unit of the samples.

    Raises
    ------
    SignalError
        It is no frame, or its length is not the one that it states.
    """
    header = read_header(content)
    raw = np.frombuffer(content, header.data, offset=HEADER_BYTES)
    raw = raw.reshape(header.leads, header.samples)
    signal = raw.astype(np.float32) * np.float32(millivolts)
    if header.data.kind == "i":
        signal[raw == _MISSING] = np.nan
    return LiveFrame(signal, header.start, header.time_s)


def encode_frame(
    samples: NDArray[np.integer] | NDArray[np.floating],
    *,
    start: int | None = None,
    time_s: float | None = None,
) -> bytes:
    """Write a frame.

    Parameters
    ----------
    samples : ndarray (leads, samples)
        int16 is sent as it is; everything else as float32.
    start : int, optional
        Number of the first sample.
    time_s : float, optional
        Its time in seconds.
    """
    kind = 0 if samples.dtype == np.int16 else 1
    leads, count = samples.shape
    header = _HEADER.pack(
        _MAGIC,
        _VERSION,
        kind,
        leads,
        count,
        0,
        -1 if start is None else start,
        math.nan if time_s is None else time_s,
    )
    return header + np.ascontiguousarray(samples, _TYPES[kind]).tobytes()
