"""An ECG file, opened once (:class:`EcgFile`), and its short faces: read, inspect and iterate.

>>> with open_file("100.hea") as file:  # doctest: +SKIP
...     file.leads, file.sampling_rate, file.duration_s
...     for window in file.windows(10):
...         ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Unpack

from ecgfoundry.errors import (
    EcgFoundryError,
    FileAccessError,
    FormatError,
    LimitError,
    SignalError,
)
from ecgfoundry.formats.base import FormatFile, ReadOptions, RecordingInfo, Stated, sample_range
from ecgfoundry.formats.common.several import chosen_recording
from ecgfoundry.formats.registry import existing_file, reader_and_head
from ecgfoundry.recording import Annotation, Recording
from ecgfoundry.samples import named_file

__all__ = ["EcgFile", "inspect", "iterate", "open_file", "read"]


class EcgFile:
    """An opened recording: what its header says, and parts of it on demand.

    The header is read once, when the file is opened; parts are read from the disk where the format
    allows it, else the file is parsed once and kept. It is a source of windows for every model,
    like a :class:`~ecgfoundry.recording.Recording`. Made by :func:`open_file`.

    Parameters
    ----------
    path : Path
        The file that is read: of a WFDB record named without its ending, the header.
    file : FormatFile
    """

    def __init__(self, path: Path, file: FormatFile) -> None:
        self.path = path
        self._file: FormatFile | None = file
        self._info = file.info
        self._complete = False

    def __repr__(self) -> str:
        info = self._info
        leads = " ".join(info.leads) if len(info.leads) <= 12 else f"{len(info.leads)} leads"
        state = ", closed" if self._file is None else ""
        return (
            f"EcgFile({self.path.name}: {info.format}, {leads}, {info.sampling_rate:g} Hz, "
            f"{info.duration_s:g} s{state})"
        )

    # --- what the header says ----------------------------------------------------------------

    @property
    def leads(self) -> tuple[str, ...]:
        """ECG leads, in the order in which they are read."""
        return self._info.leads

    @property
    def sampling_rate(self) -> float:
        """Of the ECG leads, Hz."""
        return self._info.sampling_rate

    @property
    def samples(self) -> int:
        """Per lead."""
        return self._info.samples

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self._info.duration_s

    @property
    def info(self) -> RecordingInfo:
        """Format, leads, length, start time, subject, device, filters, other channels …"""
        if not self._complete:
            file = self._opened()
            if file.undecided is None:
                about = self.part(0, 0)
                self._info = replace(
                    self._info,
                    start_time=about.start_time,
                    subject=about.subject,
                    device=about.device,
                    header=about.header,
                    mains_frequency=about.mains_frequency,
                )
            self._complete = True
        return self._info

    # --- reading -----------------------------------------------------------------------------

    def read(
        self, start: int | None = None, stop: int | None = None, *, annotations: bool = True
    ) -> Recording:
        """Return samples ``start`` to ``stop`` (of the ECG leads), by default all.

        Parameters
        ----------
        start, stop : int, optional
            A part that reaches beyond an end is cut there.
        annotations : bool
            Also read the annotations that touch the part.

        Raises
        ------
        EcgFoundryError
            And no other exception, whatever the bytes of the file.
        """
        with _typed_errors(self.path):
            file = self._readable()
            low, high = sample_range(start, stop, self.samples)
            if annotations:
                return file.read_with_annotations(low, high)
            return file.read_segment(low, high)

    def read_seconds(
        self, start_s: float = 0.0, duration_s: float | None = None, *, annotations: bool = True
    ) -> Recording:
        """Return the part of ``duration_s`` seconds from ``start_s`` on, by default to the end.

        Raises
        ------
        SignalError
            The part begins behind the end of the recording, or is none.
        EcgFoundryError
            As for :meth:`read`.
        """
        with _typed_errors(self.path):
            self._readable()
        start, stop = self._samples(start_s, duration_s)
        return self.read(start, stop, annotations=annotations)

    def part(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop`` without annotations, as models read them."""
        return self.read(start, stop, annotations=False)

    def annotations(
        self, start: int | None = None, stop: int | None = None
    ) -> tuple[Annotation, ...]:
        """Return the annotations that touch samples ``start`` to ``stop``, counted from ``start``.

        Those before the first sample and from the end on belong to the part that reaches there.
        """
        with _typed_errors(self.path):
            file = self._readable()
            return file.read_annotations(*sample_range(start, stop, self.samples))

    def windows(
        self,
        window_s: float,
        *,
        start_s: float = 0.0,
        duration_s: float | None = None,
        annotations: bool = False,
    ) -> Iterator[Recording]:
        """Yield consecutive windows; the last one may be shorter.

        Memory is bounded by one window for the formats that are read from the disk in parts, and
        for delimited text.

        Parameters
        ----------
        window_s : float
            Length of each, in seconds.
        start_s, duration_s : float
            The part that is cut into windows, in seconds.
        annotations : bool
            Also read those of every window.
        """
        width = self._width(window_s)
        with _typed_errors(self.path):
            file = self._readable()
        start, stop = self._samples(start_s, duration_s)
        return self._windows(file, start, stop, width, annotations)

    def _windows(
        self, file: FormatFile, start: int, stop: int, width: int, annotations: bool
    ) -> Iterator[Recording]:
        with _typed_errors(self.path):
            windows = file.read_windows(start, stop, width)
        for begin in range(start, stop, width):
            with _typed_errors(self.path):
                window = next(windows)
                if annotations:
                    marks = file.read_annotations(begin, min(begin + width, stop))
                    window = replace(window, annotations=marks) if marks else window
            yield window

    def _width(self, window_s: float) -> int:
        if not window_s > 0:
            raise SignalError(
                f"the window of {window_s} s is not a positive length", path=self.path
            )
        width = round(min(window_s, self.duration_s + 1) * self.sampling_rate)
        if width < 1:
            raise SignalError(
                f"a window of {window_s} s is shorter than one sample", path=self.path
            )
        return width

    def _samples(self, start_s: float, duration_s: float | None) -> tuple[int, int]:
        _check_part(start_s, duration_s, self.path)
        rate, total = self.sampling_rate, self.samples
        start = round(start_s * rate)
        if start >= total:
            raise SignalError(
                f"the part starts at {start_s:g} s, the recording has {total / rate:g} s",
                path=self.path,
            )
        stop = total if duration_s is None else min(start + round(duration_s * rate), total)
        return start, stop

    # --- closing -----------------------------------------------------------------------------

    def _opened(self) -> FormatFile:
        if self._file is None:
            raise FileAccessError("the file was closed", path=self.path, remedy="Open it again")
        return self._file

    def _readable(self) -> FormatFile:
        file = self._opened()
        if file.undecided is not None:
            raise file.undecided
        return file

    def close(self) -> None:
        """Release what the file holds; what the header says stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> EcgFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_file(
    path: str | Path, options: ReadOptions | None = None, **stated: Unpack[Stated]
) -> EcgFile:
    """Open an ECG file of any format: the header is read, the signal is not.

    Parameters
    ----------
    path : str or Path
        A file, a WFDB record without its extension, a member as ``archive.zip::record.hea``, or
        ``sample:NAME``.
    options : ReadOptions, optional
        What the caller supplies in place of what the file says.
    **stated
        Members of :class:`~ecgfoundry.formats.base.ReadOptions`, in place of those of ``options``:
        ``leads``, ``unit``, ``sampling_rate``, ``index``, ``mains_frequency``, ``limits``,
        ``format``.

    Returns
    -------
    EcgFile
        Close it, or open it in a ``with`` block.

    Raises
    ------
    EcgFoundryError
        And no other exception, whatever the bytes of the file: FileAccessError,
        UnknownFormatError, FormatError, TruncatedFileError, UnsupportedVariantError, LimitError,
        LeadError, UnitError, SamplingRateError, SignalError, MissingExtraError.
    """
    chosen = options or ReadOptions()
    if stated:
        chosen = replace(chosen, **stated)  # type: ignore[arg-type]
    file = existing_file(named_file(path))
    with _typed_errors(file):
        reader, head = reader_and_head(file, chosen.format)
        opened = reader.open(file, chosen, head)
        try:
            # Formats of one recording a file never look at its number: the only one would be taken
            # for, say, the fourth.
            chosen_recording(chosen.index, opened.info.recordings, file)
        except SignalError:
            opened.close()
            raise
        return EcgFile(file, opened)


def read(
    path: str | Path,
    options: ReadOptions | None = None,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    **stated: Unpack[Stated],
) -> Recording:
    """Read a recording, or a part of it, with its annotations.

    Parameters
    ----------
    path, options, **stated
        As for :func:`open_file`.
    start_s, duration_s : float
        Part to read, in seconds; by default everything. A part that reaches beyond the end is
        cut there.

    Returns
    -------
    Recording
        With ECG leads in mV.

    Raises
    ------
    EcgFoundryError
        And no other exception, whatever the bytes of the file; see :func:`open_file`.
    """
    _check_part(start_s, duration_s, path)
    with open_file(path, options, **stated) as file:
        if start_s == 0 and duration_s is None:
            return file.read()
        return file.read_seconds(start_s, duration_s)


def inspect(
    path: str | Path, options: ReadOptions | None = None, **stated: Unpack[Stated]
) -> RecordingInfo:
    """Return what the header of a file says; parameters and errors as for :func:`open_file`."""
    with open_file(path, options, **stated) as file:
        return file.info


def iterate(
    path: str | Path,
    window_s: float,
    options: ReadOptions | None = None,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    **stated: Unpack[Stated],
) -> Iterator[Recording]:
    """Yield consecutive windows of a recording, with their annotations.

    Parameters
    ----------
    path, options, **stated
        As for :func:`open_file`.
    window_s : float
        Length of each window, seconds; the last one may be shorter.
    start_s, duration_s : float
        As for :func:`read`.

    Yields
    ------
    Recording
        Memory is bounded by one window for the formats with ``random_access`` and for delimited
        text; the others are read once as a whole.
    """
    _check_part(start_s, duration_s, path)
    with open_file(path, options, **stated) as file:
        yield from file.windows(window_s, start_s=start_s, duration_s=duration_s, annotations=True)


def _check_part(start_s: float, duration_s: float | None, path: str | Path) -> None:
    if not 0 <= start_s < float("inf") or not (duration_s is None or 0 < duration_s < float("inf")):
        raise SignalError(
            f"the part from {start_s} s with a length of {duration_s} s is no part of a recording",
            path=path,
            remedy="Give a start of 0 or more and a positive length, in seconds",
        )


@contextmanager
def _typed_errors(file: Path) -> Iterator[None]:
    """Let only typed errors out, each naming the file.

    The readers raise typed errors themselves; this is the net below them, because the bytes of a
    file come from anywhere.
    """
    try:
        yield
    except EcgFoundryError as error:
        if error.path is None:
            error.path = str(file)
        raise
    except MemoryError:
        raise LimitError(
            "the file needs more memory than there is",
            path=file,
            remedy="Read a part with start_s and duration_s, or iterate over windows",
        ) from None
    except OSError as error:
        raise FileAccessError(
            f"the file cannot be read ({error.strerror or error})", path=file
        ) from error
    except Exception as error:
        raise FormatError(
            f"the file is damaged ({type(error).__name__}: {error})", path=file
        ) from error
