"""What every format is: the contract between the readers and everything above them.

A format offers one thing: it opens a file as a :class:`FormatFile`, which knows what the header
says and gives parts of the signal. Reading a whole recording, a part, window by window, or the
header alone are the same for all formats and stand in :mod:`ecgfoundry.formats.files`.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict

from ecgfoundry.errors import EcgFoundryError, FileAccessError
from ecgfoundry.recording import Annotation, Recording, Subject

__all__ = [
    "DEFAULT_LIMITS",
    "HEAD_BYTES",
    "FormatFile",
    "Limits",
    "ReadOptions",
    "Reader",
    "RecordingInfo",
    "Stated",
    "WholeFile",
    "sample_range",
]

HEAD_BYTES = 4096
"""How much of a file the readers see to recognise it."""


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


class Stated(TypedDict, total=False):
    """The members of :class:`ReadOptions`, as keyword arguments."""

    leads: tuple[str, ...] | list[str] | str | None
    unit: str | None
    sampling_rate: float | None
    index: int | None
    mains_frequency: float | None
    limits: Limits
    format: str | None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a caller supplies because a file does not say it, or says it wrongly.

    Parameters
    ----------
    leads : sequence of str, optional
        Lead names in the order of the file's channels, in place of what the file states; one name
        may stand alone.
    unit : str, optional
        Unit of the stored values ("mV", "uV", "1e-4V"), in place of what the file states.
    sampling_rate : float, optional
        Hz, in place of what the file states.
    index : int, optional
        Which recording of a file that holds several (an array of shape (recordings, leads,
        samples), an HDF5 part of CODE-15, an archive), from 0.
    mains_frequency : float, optional
        Hz (50 or 60), kept with the recording.
    limits : Limits
        What a file may ask for.
    format : str, optional
        Name of the format, in place of recognising the content.
    """

    leads: tuple[str, ...] | None = None
    unit: str | None = None
    sampling_rate: float | None = None
    index: int | None = None
    mains_frequency: float | None = None
    limits: Limits = field(default_factory=Limits)
    format: str | None = None

    def __post_init__(self) -> None:
        if self.leads is not None:
            names = (self.leads,) if isinstance(self.leads, str) else tuple(self.leads)
            object.__setattr__(self, "leads", names)


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """What a header says, without the signal.

    Parameters
    ----------
    format : str
        Name of the format.
    leads : tuple of str
        ECG leads, in the order in which they are read.
    sampling_rate : float
        Hz.
    samples : int
        Per lead.
    other_channels : tuple of str
        Names of the channels that are no ECG lead.
    recordings : int
        How many the file holds; the rest is about the one that was chosen (or the first).
    start_time : datetime, optional
        Of the first sample.
    subject : Subject
    device : mapping
        What the source says about the device and its filters, as in ``Recording.device``.
    header : mapping
        Further fields of the source, as text.
    mains_frequency : float, optional
        Hz, if the source or the caller states it.
    """

    format: str
    leads: tuple[str, ...]
    sampling_rate: float
    samples: int
    other_channels: tuple[str, ...] = ()
    recordings: int = 1
    start_time: dt.datetime | None = None
    subject: Subject = field(default_factory=Subject)
    device: Mapping[str, str] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict)
    mains_frequency: float | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples / self.sampling_rate

    @property
    def filters(self) -> dict[str, str]:
        """The filter settings among ``device``: "highpass", "lowpass", "notch" …"""
        words = ("filter", "pass", "notch")
        return {k: v for k, v in self.device.items() if any(word in k.lower() for word in words)}


class FormatFile(ABC):
    """One opened file of one format: what a reader has to offer.

    Positions are samples of the ECG leads; they have been brought into the recording by the caller.

    Parameters
    ----------
    path : Path
    options : ReadOptions
    info : RecordingInfo
        What the header says; it need not have more than its first six fields, the rest is taken
        from a part without samples.
    undecided : EcgFoundryError, optional
        Why no part can be read: the file holds several recordings and the caller did not choose.
        ``info`` is then about the first.
    """

    def __init__(
        self,
        path: Path,
        options: ReadOptions,
        info: RecordingInfo,
        *,
        undecided: EcgFoundryError | None = None,
    ) -> None:
        self.path = path
        self.options = options
        self.info = info
        self.undecided = undecided
        self.remarks: dict[str, str] = {}
        """What is to be said of the annotations, for the header; known once they were read."""

    @abstractmethod
    def read_segment(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop``, without annotations.

        Memory and time are bounded by the part, unless the format must be parsed as a whole; then
        what was parsed is kept.
        """

    def read_annotations(self, start: int, stop: int) -> tuple[Annotation, ...]:
        """Return the annotations that touch samples ``start`` to ``stop``, counted from ``start``.

        They are read when they are asked for.
        """
        return ()

    def read_windows(self, start: int, stop: int, width: int) -> Iterator[Recording]:
        """Yield samples ``start`` to ``stop`` in parts of ``width``, without annotations."""
        for begin in range(start, stop, width):
            yield self.read_segment(begin, min(begin + width, stop))

    def close(self) -> None:  # noqa: B027 (most formats hold nothing)
        """Release what the file holds."""

    def read_with_annotations(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop`` with the annotations that touch them."""
        part = self.read_segment(start, stop)
        marks = self.read_annotations(start, stop)
        if not marks and not self.remarks:
            return part
        return replace(part, annotations=marks, header={**part.header, **self.remarks})


def _closed() -> Recording:
    raise FileAccessError("the file was closed", remedy="Open it again")


class WholeFile(FormatFile):
    """A file that is parsed as a whole; the recording is made once, on first use.

    Parameters
    ----------
    build : callable () -> Recording
        Makes the recording, with its annotations, of what was parsed.
    """

    def __init__(
        self,
        path: Path,
        options: ReadOptions,
        info: RecordingInfo,
        build: Callable[[], Recording],
        *,
        undecided: EcgFoundryError | None = None,
    ) -> None:
        super().__init__(path, options, info, undecided=undecided)
        self._build = build
        self._whole: Recording | None = None
        self._annotations: tuple[Annotation, ...] = ()

    def _recording(self) -> Recording:
        if self._whole is None:
            recording = self._build()
            self._annotations = recording.annotations
            self._whole = replace(recording, annotations=()) if self._annotations else recording
            self._build = _closed  # lets go of the parsed document
        return self._whole

    def read_segment(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop``, without annotations."""
        whole = self._recording()
        if start == 0 and stop == whole.samples:
            return whole
        return whole.slice_samples(start, stop)

    def read_annotations(self, start: int, stop: int) -> tuple[Annotation, ...]:
        """Return the annotations that touch samples ``start`` to ``stop``."""
        whole = self._recording()
        if not self._annotations or (start == 0 and stop == whole.samples):
            return self._annotations
        empty = replace(whole, annotations=self._annotations, other_channels=())
        return empty.slice_samples(start, stop).annotations

    def close(self) -> None:
        """Release what the file holds."""
        self._build, self._whole = _closed, None


def sample_range(start: int | None, stop: int | None, samples: int) -> tuple[int, int]:
    """Return the part of a recording that is meant: cut at its ends, from 0 and to its end."""
    low = 0 if start is None else min(max(int(start), 0), samples)
    return low, samples if stop is None else min(max(int(stop), low), samples)


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
    open : callable (path, options, head) -> FormatFile
        Opens a file; reads the header and no samples, where the format allows it. ``head`` is what
        ``sniff`` saw, so that a short header need not be read again, or None.
    random_access : bool
        Whether a part is read without the rest.
    least_specific : bool
        Whether it takes content that other formats explain better (a table of numbers): it is
        asked after all others, also those of other packages.
    verified_on : str
        "real file" or "specification only".
    extra : str, optional
        The extra whose packages it needs.
    notes : mapping
        Further remarks, by topic.
    """

    name: str
    description: str
    extensions: tuple[str, ...]
    sniff: Callable[[Path, bytes], bool]
    open: Callable[[Path, ReadOptions, bytes | None], FormatFile]
    random_access: bool = False
    least_specific: bool = False
    verified_on: str = "real file"
    extra: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    def inspect(self, path: Path, options: ReadOptions) -> RecordingInfo:
        """Return what the header of a file says."""
        file = self.open(path, options, None)
        try:
            return file.info
        finally:
            file.close()

    def read(
        self, path: Path, options: ReadOptions, start: int | None = 0, stop: int | None = None
    ) -> Recording:
        """Return samples ``start`` to ``stop`` of a file, with their annotations."""
        file = self.open(path, options, None)
        try:
            if file.undecided is not None:
                raise file.undecided
            low, high = sample_range(start, stop, file.info.samples)
            return file.read_with_annotations(low, high)
        finally:
            file.close()
