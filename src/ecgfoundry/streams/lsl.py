"""Lab Streaming Layer: what EEG and ECG amplifiers of laboratories send.

Read through ``pylsl`` (liblsl). Names and units of the channels are those of the stream's
description; samples are placed by their time stamps, so what was lost is missing and not moved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from ecgfoundry.errors import LeadError, MissingExtraError, StreamError
from ecgfoundry.extras import is_installed
from ecgfoundry.formats.common.channels import channel_kinds
from ecgfoundry.inference.live.buffer import JITTER_S
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.streams.description import StreamDescription, StreamOptions
from ecgfoundry.streams.sources import OpenSource

if TYPE_CHECKING:
    import pylsl

__all__ = ["open_lsl"]

_PULL_S = 0.2
_OTHERS_S = 2.0
"""How long to look for a second stream that fits (our choice; answers come within a second)."""


@contextmanager
def open_lsl(address: str, options: StreamOptions) -> Iterator[OpenSource]:
    """Open a stream: ``lsl://NAME``, or by any property as in ``lsl://?type=ECG``.

    Raises
    ------
    StreamError
        No such stream, or several: two people's signals are never taken for one.
    LeadError
        None of its channels is a lead, and none was stated.
    """
    if not is_installed("pylsl"):
        raise MissingExtraError.for_extra("reading from the Lab Streaming Layer", "streams")
    try:
        import pylsl
    except (OSError, RuntimeError) as error:  # the wheel of some systems is without the C library
        raise StreamError(
            f"pylsl is installed without its library ({type(error).__name__})",
            path=address,
            remedy="Install liblsl of your system, or set PYLSL_LIB to it",
        ) from None

    info = _resolve(address, options.wait_s)
    inlet = pylsl.StreamInlet(info, max_buflen=60, recover=True)
    try:
        full = inlet.info(timeout=options.wait_s)
        rows, description = _describe(full, options, address)
        yield OpenSource(description, _frames(inlet, rows, description, options.silence_s))
    finally:
        inlet.close_stream()


def _resolve(address: str, wait_s: float) -> pylsl.StreamInfo:
    import pylsl

    parts = urlsplit(address)
    wanted = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.netloc:
        wanted["name"] = unquote(parts.netloc)
    if not wanted:
        raise StreamError(
            "the address names no stream", path=address, remedy="For example lsl://NAME"
        )
    first, *others = wanted.items()
    found = pylsl.resolve_byprop(*first, minimum=1, timeout=wait_s)
    if found:  # the first that answers may not be the only one
        found = pylsl.resolve_byprop(*first, minimum=2, timeout=min(_OTHERS_S, wait_s)) or found
    found = [one for one in found if all(getattr(one, name)() == value for name, value in others)]
    if not found:
        there = ", ".join(sorted(one.name() for one in pylsl.resolve_streams(0.5))) or "none"
        raise StreamError(
            f"no such stream of the Lab Streaming Layer within {wait_s:g} s",
            path=address,
            remedy=f"Streams that are there: {there}",
        )
    if len(found) > 1:
        names = ", ".join(f"{one.name()} (source_id={one.source_id()})" for one in found)
        raise StreamError(
            f"{len(found)} streams fit: {names}",
            path=address,
            remedy="Name one, for example lsl://NAME?source_id=ID",
        )
    return found[0]


def _describe(
    info: pylsl.StreamInfo, options: StreamOptions, address: str
) -> tuple[Sequence[int], StreamDescription]:
    """Choose the channels that are leads; return their rows and what they are."""
    labels = info.get_channel_labels() or [None] * info.channel_count()
    units = info.get_channel_units() or [None] * info.channel_count()
    names = [str(label or "") for label in labels]
    if options.leads is not None and set(options.leads) <= set(names):
        rows = [names.index(lead) for lead in options.leads]
        leads = options.leads
    elif options.leads is not None:
        if len(options.leads) != len(names):
            raise StreamError(
                f"{len(options.leads)} leads were stated for {len(names)} channels",
                path=address,
                remedy=f"Its channels are: {', '.join(names)}",
            )
        rows, leads = list(range(len(names))), options.leads
    else:
        # As in a file: C1 among Fz and Pz is an electrode, X in g an accelerometer.
        voltages = [options.unit or str(unit or "mV") for unit in units]
        kinds = channel_kinds([name or "unnamed" for name in names], voltages, unknown_is_ecg=False)
        rows = [row for row, kind in enumerate(kinds) if kind == "ecg"]
        leads = tuple(names[row] for row in rows)
        if not rows:
            raise LeadError(
                f"none of the channels ({', '.join(n or 'unnamed' for n in names)}) is a lead",
                path=address,
                remedy="Say which leads they are, for example --leads I",
            )
    twice = {name for name in leads if names.count(name) > 1}
    if twice and set(leads) <= set(names):  # they were chosen by their names
        raise StreamError(
            f"several of its channels are called {', '.join(sorted(twice))}",
            path=address,
            remedy="Name all channels in order, for example --leads I,II",
        )
    stated = {str(units[row] or "") for row in rows}
    if options.unit is None and (len(stated) != 1 or not all(stated)):
        words = "its channels state no unit"
        if any(stated):
            words = "its channels have several units, or not all of them state one"
        raise StreamError(words, path=address, remedy="Say which, for example --unit uV")
    rate = info.nominal_srate() or None
    opened = options.opened_by(
        {"leads": list(leads), "sampling_rate": rate, "unit": stated.pop() if stated else None},
        address,
    )
    return rows, opened.description(address)


def _frames(
    inlet: pylsl.StreamInlet,
    rows: Sequence[int],
    description: StreamDescription,
    silence_s: float | None,
) -> Iterator[LiveFrame]:
    import pylsl

    heard = time.monotonic()
    most = max(round(description.sampling_rate), 1)
    while silence_s is None or time.monotonic() - heard < silence_s:
        try:
            samples, stamps = inlet.pull_chunk(timeout=_PULL_S, max_samples=most)
        except pylsl.LostError:
            return
        if not stamps:
            continue
        heard = time.monotonic()
        signal = np.asarray(samples, np.float32).T[list(rows)] * np.float32(description.millivolts)
        times = np.asarray(stamps)
        longest = 1.0 / description.sampling_rate + JITTER_S
        steps = np.diff(times)
        breaks = np.flatnonzero((steps > longest) | (steps < -JITTER_S)) + 1
        for part in np.split(np.arange(len(times)), breaks):
            yield LiveFrame(np.ascontiguousarray(signal[:, part]), time_s=float(times[part[0]]))
