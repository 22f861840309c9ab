"""A WebSocket that sends a signal: text or binary messages as standard input has them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecgfoundry.errors import MissingExtraError, StreamError
from ecgfoundry.extras import is_installed
from ecgfoundry.streams.description import StreamOptions
from ecgfoundry.streams.messages import (
    MAXIMUM_MESSAGE_BYTES,
    Hole,
    Message,
    frames_of_messages,
    read_opening,
)
from ecgfoundry.streams.sources import OpenSource

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

__all__ = ["open_websocket"]


@contextmanager
def open_websocket(address: str, options: StreamOptions) -> Iterator[OpenSource]:
    """Connect to ``ws://HOST:PORT/PATH`` or ``wss://...`` and read what it sends.

    Raises
    ------
    StreamError
        Nobody answers there, or the connection ends before it is known what the signal is.
    """
    if not is_installed("websockets"):
        raise MissingExtraError.for_extra("reading from a WebSocket", "streams")
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    try:
        socket = connect(address, max_size=MAXIMUM_MESSAGE_BYTES, open_timeout=options.wait_s)
    except (OSError, WebSocketException) as error:
        raise StreamError(
            f"nobody answers there ({type(error).__name__})",
            path=address,
            remedy="Start what sends the signal, or mend the address",
        ) from None
    with socket:
        messages = _messages(socket, options.silence_s, address)
        description, first = read_opening(messages, options, address)

        def all_messages() -> Iterator[Message]:
            yield from first
            yield from messages

        yield OpenSource(description, frames_of_messages(all_messages(), description, address))


def _messages(socket: ClientConnection, silence_s: float | None, address: str) -> Iterator[Message]:
    from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

    heard: float | None = None
    while True:
        try:
            message, waited = _next(socket, silence_s)
        except (ConnectionClosedOK, TimeoutError):
            return
        except ConnectionClosedError as error:
            raise StreamError(
                f"the connection was lost ({error})",
                path=address,
                remedy="Follow it again: what was sent meanwhile is not known",
            ) from None
        now = time.monotonic()
        if heard is not None and waited:
            yield Hole(now - heard, silent=True)
        heard = now
        # Several lines of numbers may come in one message.
        if isinstance(message, str) and not message.lstrip().startswith("{"):
            yield from message.splitlines()
        else:
            yield message


def _next(socket: ClientConnection, silence_s: float | None) -> tuple[str | bytes, bool]:
    """Return the next message, and whether it had still to come.

    Of one that was there already, because whoever reads was slow, it is not known when it came.
    """
    try:
        return socket.recv(timeout=0), False
    except TimeoutError:
        return socket.recv(timeout=silence_s), True
