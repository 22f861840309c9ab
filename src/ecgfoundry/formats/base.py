"""What every reader is: the contract between the formats and everything above them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ecgfoundry.recording import Recording

__all__ = ["DEFAULT_LIMITS", "Limits", "ReadOptions", "Reader", "RecordingInfo"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a file may ask for before anything is allocated (our choice of numbers).

    ``samples`` is channels x samples of ONE read call: 2 * 10**9 would be 8 GB as float32; a
    7-day three-lead Holter at 1 kHz has 1.8 * 10**9 and is read in windows. ``file_bytes`` bounds
    the formats that must be parsed as a whole (XML, MAT, CSV); ``channels`` is per file.
    """

    samples: int = 500_000_000
    file_bytes: int = 2_000_000_000
    text_bytes: int = 512_000_000
    channels: int = 1024


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a caller supplies because a file does not say it, or says it wrongly.

    ``leads``, ``unit`` and ``sampling_rate`` replace what the file states; ``index`` picks one
    recording out of a file that holds several (an array of shape (recordings, leads, samples), an
    HDF5 part of CODE-15). ``mains_frequency`` is recorded with the result.
    """

    leads: tuple[str, ...] | None = None
    unit: str | None = None
    sampling_rate: float | None = None
    index: int | None = None
    mains_frequency: float | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """What a header says, without reading the signal."""

    format: str
    leads: tuple[str, ...]
    sampling_rate: float
    samples: int
    other_channels: tuple[str, ...] = ()
    recordings: int = 1

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples / self.sampling_rate


@dataclass(frozen=True, slots=True)
class Reader:
    """One file format.

    Parameters
    ----------
    name : str
        Stable short name, as in ``Recording.format`` ("wfdb", "matlab" …).
    description : str
        One line for ``ecgfoundry formats``.
    extensions : tuple of str
        Usual file-name endings, lower case, with the dot; a hint only.
    sniff : callable (path, head) -> bool
        Whether the content is this format; ``head`` is the first 4096 bytes. Must not raise.
    inspect : callable (path, options) -> RecordingInfo
        Header only.
    read : callable (path, options, start_sample, stop_sample) -> Recording
        ``stop_sample`` None means the end. Memory and time are bounded by the part that is read
        wherever ``random_access`` is True.
    windows : callable (path, options, window_s, start_s, duration_s) -> iterator, optional
        Windows in bounded memory, for a format that is read from its beginning on (text). The
        formats with ``random_access`` need none.
    verified_on : str
        "real file" or "specification only".
    extra : str, optional
        The extra whose packages it needs.
    """

    name: str
    description: str
    extensions: tuple[str, ...]
    sniff: Callable[[Path, bytes], bool]
    inspect: Callable[[Path, ReadOptions], RecordingInfo]
    read: Callable[[Path, ReadOptions, int, int | None], Recording]
    random_access: bool = False
    verified_on: str = "real file"
    extra: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    windows: (
        Callable[[Path, ReadOptions, float, float, float | None], Iterator[Recording]] | None
    ) = None
