"""Standard input: lines, JSON lines, or binary frames one after the other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ecgfoundry.errors import SignalError
from ecgfoundry.inference.live.frames import HEADER_BYTES, frame_length
from ecgfoundry.streams.description import StreamOptions
from ecgfoundry.streams.messages import (
    MAXIMUM_MESSAGE_BYTES,
    Message,
    frames_of_messages,
    read_opening,
)
from ecgfoundry.streams.sources import OpenSource

__all__ = ["open_standard_input", "read_messages"]


@contextmanager
def open_standard_input(address: str, options: StreamOptions) -> Iterator[OpenSource]:
    """Open standard input; see :mod:`ecgfoundry.streams.messages` for what it may hold."""
    source = "standard input"
    messages = read_messages(sys.stdin.buffer)
    description, first = read_opening(messages, options, source)

    def all_messages() -> Iterator[Message]:
        yield from first
        yield from messages

    yield OpenSource(description, frames_of_messages(all_messages(), description, source))


def read_messages(file: BinaryIO) -> Iterator[Message]:
    """Split a stream of bytes into messages: binary frames by their length, all else by lines.

    Raises
    ------
    SignalError
        A line is longer than a message may be, or the last frame is cut off.
    """
    while True:
        begin = file.read(1)
        if not begin:
            return
        if begin == b"E":
            begin += file.read(3)
        if begin == b"ECGL":
            header = begin + file.read(HEADER_BYTES - len(begin))
            body = frame_length(header) - len(header)
            content = header + file.read(body)
            if len(content) != len(header) + body:
                raise SignalError("standard input ends within a frame")
            yield content
            continue
        *short, begin = begin.split(b"\n")
        yield from short
        if not begin and short:
            continue
        line = begin + file.readline(MAXIMUM_MESSAGE_BYTES)
        if len(line) > MAXIMUM_MESSAGE_BYTES:
            raise SignalError("a line of standard input is longer than a message may be")
        yield line
