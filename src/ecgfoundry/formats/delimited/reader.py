"""Reader of delimited text: CSV, TSV, semicolons or blanks, one column per channel.

* A line of column names is used where there is one; units in it (``ecg [uV]``) or in a line below
  it count. Columns that are named as no ECG become other channels.
* A time column (``time``, ``time_ms``, ``timestamp [ms]`` …) gives the sampling rate and must be
  uniform; columns that only count samples are left out.
* OpenSignals and BioSPPy text files carry ``# Sampling Rate (Hz):= 1000.00`` and ``# Labels:=``.
* What the text does not say comes from the caller or from ``<name>.json`` beside the file.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ecgfoundry.formats.arrays.stated import describe
from ecgfoundry.formats.base import Reader, ReadOptions, RecordingInfo
from ecgfoundry.formats.delimited.columns import FORMAT, load, recording_of
from ecgfoundry.formats.delimited.stream import windows
from ecgfoundry.formats.delimited.table import decode_text, detect_layout
from ecgfoundry.recording import Recording

__all__ = ["READER", "inspect", "read", "sniff"]

_HEAD_BYTES = 4096


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content is text that is a table of numbers after a few header lines."""
    if b"\0" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return False
    text = decode_text(head)
    if any(ord(mark) < 32 and mark not in "\t\r\n\f" for mark in text):
        return False
    return detect_layout(text, whole=len(head) < _HEAD_BYTES) is not None


def inspect(path: Path, options: ReadOptions) -> RecordingInfo:
    """Return what the text says; see :class:`Reader`. The whole text is parsed."""
    columns, stated = load(path, options)
    info = describe(columns.ecg, stated, path=path, format=FORMAT)
    return replace(info, other_channels=tuple(name for name, _, _ in columns.others))


def read(
    path: Path, options: ReadOptions, start_sample: int = 0, stop_sample: int | None = None
) -> Recording:
    """Read a range of samples; see :class:`Reader`. The whole text is parsed."""
    recording = recording_of(*load(path, options), options, path)
    if start_sample == 0 and stop_sample is None:
        return recording
    stop = recording.samples if stop_sample is None else stop_sample
    return recording.slice_samples(start_sample, stop)


READER = Reader(
    name=FORMAT,
    description="delimited text: CSV, TSV, semicolons or blanks; OpenSignals and BioSPPy text",
    extensions=(".csv", ".tsv", ".txt"),
    sniff=sniff,
    inspect=inspect,
    read=read,
    windows=windows,
)
