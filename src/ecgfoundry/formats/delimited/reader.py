"""Reader of delimited text: CSV, TSV, semicolons or blanks, one column per channel.

* A line of column names is used where there is one; units in it (``ecg [uV]``) or in a line below
  it count. Columns that are named as no ECG become other channels.
* A time column (``time``, ``time_ms``, ``timestamp [ms]`` …) gives the sampling rate and must be
  uniform; columns that only count samples are left out.
* OpenSignals and BioSPPy text files carry ``# Sampling Rate (Hz):= 1000.00`` and ``# Labels:=``.
* What the text does not say comes from the caller or from ``<name>.json`` beside the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ecgfoundry.formats.arrays.stated import Stated, describe
from ecgfoundry.formats.base import (
    HEAD_BYTES,
    FormatFile,
    Reader,
    ReadOptions,
    RecordingInfo,
    WholeFile,
)
from ecgfoundry.formats.delimited.columns import (
    FORMAT,
    Columns,
    load,
    recording_of,
    recording_of_rows,
)
from ecgfoundry.formats.delimited.stream import cut_rows, survey
from ecgfoundry.formats.delimited.table import decode_text, detect_layout
from ecgfoundry.recording import Recording

__all__ = ["READER", "SHORT_BYTES", "open_file", "sniff"]

SHORT_BYTES = 16_000_000
"""A text up to this size (about ten minutes of twelve leads at 500 Hz) is parsed once and kept; of
a longer one only windows are in memory (our choice)."""


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content is text that is a table of numbers after a few header lines."""
    if b"\0" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return False
    text = decode_text(head)
    if any(ord(mark) < 32 and mark not in "\t\r\n\f" for mark in text):
        return False
    return detect_layout(text, whole=len(head) < HEAD_BYTES) is not None


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Open a text: a short one is parsed as a whole, of a long one the rows are counted."""
    if path.stat().st_size > SHORT_BYTES:
        return _LongText(path, options)
    columns, stated = load(path, options)
    return _open_columns(columns, stated, path, options)


def _open_columns(columns: Columns, stated: Stated, path: Path, options: ReadOptions) -> WholeFile:
    info = describe(columns.ecg, stated, path=path, format=FORMAT)
    info = replace(info, other_channels=tuple(name for name, _, _ in columns.others))
    return WholeFile(path, options, info, lambda: recording_of(columns, stated, options, path))


class _LongText(FormatFile):
    """A text of which windows are read in bounded memory, one pass for all of them.

    A part of its own is cut out of the whole text, which is then kept.
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        plan, rows, example = survey(path, options)
        recording = recording_of_rows(example, plan, options, path)
        info = RecordingInfo(
            format=FORMAT,
            leads=recording.leads,
            sampling_rate=recording.sampling_rate,
            samples=rows,
            other_channels=tuple(channel.name for channel in recording.other_channels),
        )
        super().__init__(path, options, info)
        self._plan = plan
        self._begin = recording
        self._whole: WholeFile | None = None

    def read_segment(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop``, without annotations."""
        if stop <= self._begin.samples:
            return self._begin.slice_samples(start, stop)
        if self._whole is None:
            columns, stated = load(self.path, self.options)
            self._whole = _open_columns(columns, stated, self.path, self.options)
        return self._whole.read_segment(start, stop)

    def read_windows(self, start: int, stop: int, width: int) -> Iterator[Recording]:
        """Yield samples ``start`` to ``stop`` in parts of ``width``, without annotations."""
        if self._whole is not None:
            yield from self._whole.read_windows(start, stop, width)
            return
        for values in cut_rows(self.path, start, stop, width):
            yield recording_of_rows(values, self._plan, self.options, self.path)

    def close(self) -> None:
        """Release what the file holds."""
        self._whole = None


READER = Reader(
    name=FORMAT,
    description="delimited text: CSV, TSV, semicolons or blanks; OpenSignals and BioSPPy text",
    extensions=(".csv", ".tsv", ".txt"),
    sniff=sniff,
    open=open_file,
    least_specific=True,
)
