"""MIT-format annotation files beside a WFDB record: beats, rhythms, waves.

Reference: WFDB Applications Guide, annot(5). A file is a sequence of 16-bit little-endian words,
the upper six bits a code, the lower ten a time step in samples; codes from 59 on carry something
else than an annotation.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FileAccessError, FormatError, LimitError
from ecgfoundry.leads import canonical_lead, is_standard_lead
from ecgfoundry.recording import Annotation

__all__ = [
    "AnnotationFile",
    "annotation_files_beside",
    "marks_between",
    "parse_annotation_file",
    "read_annotation_file",
]

_SKIP, _AUX = 59, 63
_NOTE = 22
_MAXIMUM_BYTES = 64_000_000  # a month of beats with notes

# annot(5) and ecgcodes.h: the mnemonic of every code.
_SYMBOLS: dict[int, str] = dict(
    zip(
        (*range(1, 15), 16, *range(18, 42)),
        [*"NLRaVFJASEj/Q~", "|", *'sT*D"=pB^t+u?![]en@xf()r'],
        strict=True,
    )
)
# ecgmap.h, isqrs(): codes that stand for a heartbeat.
_BEATS = frozenset((*range(1, 14), 25, 30, 34, 35, 38, 41))
_NOISE = frozenset((14, 16))
_RHYTHMS = (28, 32, 33)
_WAVES = frozenset((24, 26, 27, 29, 31, 37, 39, 40))

_TIME_RESOLUTION = "## time resolution:"


@dataclass(frozen=True, slots=True, eq=False)
class AnnotationFile:
    """A parsed annotation file: times and durations in s, codes, and texts by number of the mark.

    ``lead`` is the lead that a delineation file is about: all its marks are then of kind "wave".
    """

    times: NDArray[np.float64]
    durations: NDArray[np.float64]
    codes: NDArray[np.integer[Any]]
    texts: Mapping[int, str]
    lead: str | None

    def between(self, begin_s: float, end_s: float) -> list[Annotation]:
        """Return the marks that touch a part, in file order; times are those of the record."""
        inside = (self.times < end_s) & (self.times + self.durations >= begin_s)
        return [
            _annotation(
                float(self.times[n]),
                int(self.codes[n]),
                self.texts.get(n, ""),
                float(self.durations[n]),
                self.lead,
            )
            for n in np.flatnonzero(inside & (self.codes > 0)).tolist()
        ]


def annotation_files_beside(
    header: Path, leads: Sequence[str], *, frame_rate: float, total_s: float
) -> list[AnnotationFile]:
    """Parse ``<record>.atr`` and per-lead files (``<record>.ii`` …, as in LUDB) if they are there.

    Parameters
    ----------
    header : Path
        The record's header.
    leads : sequence of str
        Names of the record's leads as the header spells them; their delineation files are looked
        for.
    frame_rate : float
        Hz, of the annotations' time steps.
    total_s : float
        Length of the record, where the last rhythm ends.

    Raises
    ------
    FileAccessError, FormatError, LimitError
    """
    stem = str(header.with_suffix(""))
    files: list[tuple[str, str | None]] = [(f"{stem}.atr", None)]
    files += [
        (f"{stem}.{lead.lower()}", canonical_lead(lead) or "") for lead in leads if lead.isalnum()
    ]
    return [
        parse_annotation_file(Path(name), frame_rate, lead=lead, total_s=total_s)
        for name, lead in files
        # Path.is_file is 8 x slower, and there are 13 look-ups per 12-lead record.
        if os.path.isfile(name) and (lead is None or is_standard_lead(lead))  # noqa: PTH113
    ]


def marks_between(
    files: Sequence[AnnotationFile], begin_s: float, end_s: float, *, origin_s: float
) -> tuple[Annotation, ...]:
    """Return the marks of all files that touch a part, sorted by time.

    Parameters
    ----------
    begin_s, end_s : float
        Infinite where the part reaches the start or the end of the record: marks beyond it are
        kept.
    origin_s : float
        What the times of the result are relative to.
    """
    marks = [mark for file in files for mark in file.between(begin_s, end_s)]
    if len(files) > 1:
        marks.sort(key=lambda mark: mark.time_s)
    if origin_s:
        marks = [replace(mark, time_s=mark.time_s - origin_s) for mark in marks]
    return tuple(marks)


def read_annotation_file(
    path: Path, frame_rate: float, *, total_s: float = math.inf
) -> list[Annotation]:
    """Read one annotation file; parameters, errors and kinds as for :func:`parse_annotation_file`.

    Returns
    -------
    list of Annotation
        All marks, in file order.
    """
    return parse_annotation_file(path, frame_rate, total_s=total_s).between(-math.inf, math.inf)


def parse_annotation_file(
    path: Path, frame_rate: float, *, lead: str | None = None, total_s: float = math.inf
) -> AnnotationFile:
    """Parse one annotation file.

    The text of a mark is the annotation string for rhythms and notes ("(AFIB"), else the mnemonic
    of the code ("N", "V", "p", "("). A rhythm lasts until the next one or the end of the record.

    Parameters
    ----------
    frame_rate : float
        Hz; a time resolution that the file itself states wins.
    lead : str, optional
        The lead that a delineation file is about.
    total_s : float
        Length of the record.

    Raises
    ------
    FileAccessError, FormatError, LimitError
    """
    samples, codes, texts = _parse_words(_words(path), path)
    if len(codes) and codes[0] == _NOTE and texts.get(0, "").startswith(_TIME_RESOLUTION):
        frame_rate = _stated_resolution(texts[0], path)
        codes = np.where(np.arange(len(codes)) == 0, 0, codes)
    times = samples / frame_rate
    durations = np.zeros(len(times))
    if lead is None:
        rhythms = np.flatnonzero(np.isin(codes, _RHYTHMS))
        ends = np.append(times[rhythms[1:]], total_s)[: len(rhythms)]
        durations[rhythms] = np.maximum(ends - times[rhythms], 0.0)
        durations[~np.isfinite(durations)] = 0.0
    return AnnotationFile(times, durations, codes, texts, lead)


def _words(path: Path) -> np.ndarray:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MAXIMUM_BYTES else b""
    except OSError as error:
        raise FileAccessError(
            f"the annotation file cannot be read ({error.strerror or error})", path=path
        ) from error
    if size > _MAXIMUM_BYTES:
        raise LimitError("the annotation file is larger than 64 MB", path=path)
    return np.frombuffer(content[: size // 2 * 2], "<u2")


def _annotation(
    time_s: float, code: int, text: str, duration_s: float, lead: str | None
) -> Annotation:
    symbol = _SYMBOLS.get(code, f"[{code}]")
    if lead is not None or code in _WAVES:
        return Annotation(time_s, "wave", symbol, lead=lead)
    if code in _BEATS:
        return Annotation(time_s, "beat", symbol)
    if code in _RHYTHMS:
        return Annotation(time_s, "rhythm", text or symbol, duration_s)
    return Annotation(time_s, "noise" if code in _NOISE else "note", text or symbol)


def _parse_words(words: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Return sample numbers, codes, and the texts by number of their annotation.

    Only the words that are no plain annotation are looked at one by one.
    """
    codes, values = words >> 10, (words & 0x3FF).astype(np.int64)
    is_mark = np.ones(len(words), dtype=bool)
    texts_by_word: dict[int, str] = {}
    steps = values.copy()
    done = 0
    end = len(words)
    for word in np.flatnonzero((codes >= _SKIP) | (words == 0)).tolist():
        if word < done:
            continue  # part of the payload of an earlier word
        if words[word] == 0:
            end = word
            break
        payload, steps[word] = 0, 0
        if codes[word] == _SKIP:
            if word + 2 >= len(words):
                raise FormatError("the annotation file ends inside a time step", path=path)
            payload = 2
            steps[word] = _long_step(int(words[word + 1]), int(words[word + 2]))
        elif codes[word] == _AUX:
            length = int(values[word])
            payload = (length + 1) // 2
            texts_by_word[word] = _text(words[word + 1 : word + 1 + payload], length)
        is_mark[word : word + 1 + payload] = False
        steps[word + 1 : word + 1 + payload] = 0
        done = word + 1 + payload
    is_mark[end:] = False
    numbers = np.cumsum(is_mark) - 1
    samples = np.cumsum(steps)[is_mark]
    texts = {int(numbers[word]): text for word, text in texts_by_word.items() if numbers[word] >= 0}
    return samples, codes[is_mark], texts


def _long_step(high: int, low: int) -> int:
    """Return a 32-bit step in PDP-11 order: high word first, each word little-endian (annot(5))."""
    step = (high << 16) | low
    return step - (1 << 32) if step >= 1 << 31 else step


def _text(payload: np.ndarray, length: int) -> str:
    return payload.astype("<u2").tobytes()[:length].decode("latin-1").rstrip("\0 ")


def _stated_resolution(text: str, path: Path) -> float:
    try:
        rate = float(text[len(_TIME_RESOLUTION) :].split()[0])
    except (ValueError, IndexError):
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise FormatError(f"the annotation file states '{text[:80]}'", path=path)
    return rate
