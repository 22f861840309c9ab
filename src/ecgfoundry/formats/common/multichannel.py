"""What the binary readers share: naming channels, parts at other rates, bounded reads of bytes."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import (
    FileAccessError,
    LeadError,
    LimitError,
    TruncatedFileError,
    UnsupportedVariantError,
)
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.channels import distinct_names, no_lead_error
from ecgfoundry.recording import Annotation, annotations_between

__all__ = [
    "at_other_rate",
    "check_samples",
    "named_channels",
    "one_rate",
    "part_annotations",
    "plain_text",
    "range_at_rate",
    "read_bytes",
    "require_size",
    "with_distinct_leads",
]


def named_channels(
    names: Sequence[str],
    kinds: Sequence[str],
    options: ReadOptions,
    path: Path,
    *,
    units: Sequence[str | None] | None = None,
) -> tuple[list[str], list[str]]:
    """Return names and kinds of the channels with the caller's lead names put in.

    As many names as there are channels make every channel an ECG lead; as many as there are ECG
    channels rename those. Leads of one name are numbered.

    Parameters
    ----------
    units : sequence of str, optional
        As the file states them, so that an error can say that one is the reason.

    Raises
    ------
    LeadError, UnitError
        No channel is an ECG lead, or the number of names fits neither.
    """
    ecg = [number for number, kind in enumerate(kinds) if kind == "ecg"]
    if options.leads is not None:
        if len(options.leads) == len(ecg):
            renamed = list(names)
            for number, name in zip(ecg, options.leads, strict=True):
                renamed[number] = name
            return renamed, list(kinds)
        if len(options.leads) == len(names):
            return list(options.leads), ["ecg"] * len(names)
        raise LeadError(
            f"{len(options.leads)} lead names are given for {len(ecg)} ECG channels of "
            f"{len(names)} channels ({', '.join(names)[:200]})",
            path=path,
        )
    if not ecg:
        raise no_lead_error(names, units or [None] * len(names), path)
    return with_distinct_leads(names, kinds), list(kinds)


def with_distinct_leads(names: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """Return the names with the ECG leads among them told apart by numbers."""
    ecg = [number for number, kind in enumerate(kinds) if kind == "ecg"]
    result = list(names)
    for number, name in zip(ecg, distinct_names([names[n] for n in ecg]), strict=True):
        result[number] = name
    return result


def one_rate(names: Sequence[str], rates: Sequence[float], path: Path) -> float:
    """Return the common rate of the ECG leads, Hz, or raise UnsupportedVariantError."""
    if len(set(rates)) > 1:
        listed = ", ".join(f"{n}: {r:g} Hz" for n, r in zip(names, rates, strict=True))
        raise UnsupportedVariantError(
            f"the ECG leads have different sampling rates ({listed[:200]})",
            path=path,
            remedy="Bring them to one rate with the software of the device first",
        )
    return rates[0]


def range_at_rate(
    start: int, stop: int, ecg_rate: float, rate: float, total: int
) -> tuple[int, int]:
    """Return the samples of another channel at the instants of ECG samples start to stop."""
    low = min(round(start / ecg_rate * rate), total)
    return low, max(min(round(stop / ecg_rate * rate), total), low)


def check_samples(samples: int, limits: Limits, path: Path) -> None:
    """Refuse to allocate more than ``limits.samples`` samples in one read."""
    if samples > limits.samples:
        raise LimitError(
            f"{samples} samples are asked for; the limit is {limits.samples}",
            path=path,
            remedy="Read a part with start_s and duration_s, or iterate over windows",
        )


def require_size(path: Path, needed: int, what: str) -> int:
    """Return the size of the file in bytes; raise TruncatedFileError below ``needed``."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise FileAccessError(
            f"the file cannot be read ({error.strerror or error})", path=path
        ) from error
    if size < needed:
        raise TruncatedFileError(
            f"the file has {size} bytes, {what} needs {needed}",
            path=path,
            remedy="Get the file again from its source",
        )
    return size


def read_bytes(path: Path, offset: int, count: int) -> NDArray[np.uint8]:
    """Read exactly ``count`` bytes from ``offset`` on; raises TruncatedFileError at the end."""
    require_size(path, offset + count, "the part that is read")
    raw: NDArray[np.uint8] = np.fromfile(path, dtype=np.uint8, count=count, offset=offset)
    if raw.size != count:
        raise TruncatedFileError("the file became shorter while it was read", path=path)
    return raw


def part_annotations(
    marks: Iterable[Annotation],
    start: int,
    stop: int,
    samples: int,
    rate: float,
    *,
    stated_rate: float | None = None,
) -> tuple[Annotation, ...]:
    """Return the marks that touch samples ``start`` to ``stop``, counted from ``start``.

    Parameters
    ----------
    samples : int
        Length of the recording: a part that reaches its end or its start also has what is marked
        beyond it.
    rate : float
        Hz, of the samples and of the marks' times.
    stated_rate : float, optional
        Hz, which the caller states in place of ``rate``: marks stay on their samples.
    """
    return annotations_between(
        at_other_rate(marks, rate, stated_rate or rate),
        -math.inf if start == 0 else start / (stated_rate or rate),
        math.inf if stop == samples else stop / (stated_rate or rate),
        origin_s=start / (stated_rate or rate),
    )


def at_other_rate(
    marks: Iterable[Annotation], rate: float, stated_rate: float
) -> tuple[Annotation, ...]:
    """Return the marks on the samples where they are, when the rate is said to be another."""
    if stated_rate == rate:
        return tuple(marks)
    scale = rate / stated_rate
    return tuple(
        replace(mark, time_s=mark.time_s * scale, duration_s=mark.duration_s * scale)
        for mark in marks
    )


def plain_text(raw: bytes, encoding: str | None = None) -> str:
    """Decode a fixed-width text field: up to its first NUL, control characters taken out.

    Without ``encoding`` it is UTF-8 where it can be, as current writers store it, else Latin-1. A
    character that the width of the field cut is dropped.
    """
    raw = raw.split(b"\0", 1)[0]
    if encoding is not None:
        text = raw.decode(encoding, errors="replace")
    else:
        try:
            text = codecs.getincrementaldecoder("utf-8")().decode(raw)
        except UnicodeDecodeError:
            text = ""
        if text.isascii():  # nothing in it speaks for UTF-8
            text = raw.decode("latin-1")
    text = text.strip()
    if text.isprintable():
        return text
    return "".join(mark for mark in text if mark.isprintable()).strip()
