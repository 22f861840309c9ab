"""Rhythm marks of ``.atr`` files as intervals, for data sets that annotate rhythm over time."""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.errors import FileAccessError
from ecgfoundry.formats.wfdb.annotations import read_annotation_file

__all__ = ["rhythm_intervals", "share_of_window"]


def rhythm_intervals(
    path: Path, frame_rate: float, total_s: float
) -> list[tuple[float, float, str]]:
    """Return (start, end, mark) in seconds of every stretch between two rhythm marks.

    Parameters
    ----------
    path : Path
        The annotation file.
    frame_rate : float
        Hz.
    total_s : float
        Length of the record, where the last rhythm ends.

    Raises
    ------
    FileAccessError, FormatError, LimitError
        FileAccessError too when there is no annotation file: no file is not "no rhythm".
    """
    if not path.is_file():
        raise FileAccessError("the annotation file is not there", path=path)
    marks = read_annotation_file(path, frame_rate, total_s=total_s)
    rhythms = [mark for mark in marks if mark.kind == "rhythm" and mark.text.startswith("(")]
    ends = [*(mark.time_s for mark in rhythms[1:]), total_s][: len(rhythms)]
    return [
        (mark.time_s, min(end, total_s), mark.text)
        for mark, end in zip(rhythms, ends, strict=True)
        if mark.time_s < min(end, total_s)
    ]


def share_of_window(
    intervals: list[tuple[float, float, str]], start_s: float, end_s: float
) -> dict[str, float]:
    """Return mark -> share of the window that it covers.

    Examples
    --------
    >>> share_of_window([(0, 4, "(N"), (4, 20, "(AFIB")], 0, 10)
    {'(N': 0.4, '(AFIB': 0.6}
    """
    shares: dict[str, float] = {}
    for begin, end, mark in intervals:
        common = min(end, end_s) - max(begin, start_s)
        if common > 0:
            shares[mark] = shares.get(mark, 0.0) + common / (end_s - start_s)
    return shares
