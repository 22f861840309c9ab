"""Where live signals come from: an address says how to open one.

``-`` is standard input, ``lsl://NAME`` a stream of the Lab Streaming Layer, ``mqtt://HOST/TOPIC`` a
topic of a broker, ``ws://HOST/PATH`` a WebSocket that sends, ``ble://polar-h10`` a chest strap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ecgfoundry.errors import StreamError
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.registry import Registry
from ecgfoundry.streams.description import StreamDescription, StreamOptions

__all__ = ["SOURCES", "OpenSource", "SourceOpener", "open_source"]


@dataclass(frozen=True, eq=False, slots=True)
class OpenSource:
    """A source that sends: what it is, and its frames as they come (mV, NaN missing)."""

    description: StreamDescription
    frames: Iterator[LiveFrame]


SourceOpener = Callable[[str, StreamOptions], AbstractContextManager[OpenSource]]
"""Opens an address; the ``with`` block ends the connection."""


def _add_own(registry: Registry[SourceOpener]) -> None:
    for scheme, reference in (
        ("stdin", "standard_input:open_standard_input"),
        ("lsl", "lsl:open_lsl"),
        ("mqtt", "mqtt:open_mqtt"),
        ("mqtts", "mqtt:open_mqtt"),
        ("ws", "websocket:open_websocket"),
        ("wss", "websocket:open_websocket"),
        ("ble", "polar:open_polar"),
    ):
        registry.add_lazy(scheme, f"ecgfoundry.streams.{reference}", origin="ecgfoundry")


SOURCES: Registry[SourceOpener] = Registry(
    "kind of live source", error=StreamError, group="ecgfoundry.streams", builtin=_add_own
)
"""How an address is opened, by its scheme; entry points of other packages in the group
``ecgfoundry.streams`` add theirs under the name of the scheme."""


def open_source(
    address: str, options: StreamOptions | None = None
) -> AbstractContextManager[OpenSource]:
    """Open the source of a live signal.

    Parameters
    ----------
    address : str
        ``-`` or ``SCHEME://...``.
    options : StreamOptions, optional
        What the user states about the signal.

    Returns
    -------
    context manager of OpenSource

    Raises
    ------
    StreamError
        There is no such kind of source; when it is entered: the source is not there, or does not
        say what it sends.
    MissingExtraError
        The library of this kind of source is not installed.

    Examples
    --------
    >>> with open_source("lsl://chest", StreamOptions(leads=("I",))) as source:    # doctest: +SKIP
    ...     for frame in source.frames:
    ...         print(frame.signal.shape)
    """
    scheme = "stdin" if address == "-" else address.partition("://")[0]
    if address != "-" and "://" not in address:
        raise StreamError(
            "this is no address of a live source",
            path=address,
            remedy="Give - for standard input, or one such as lsl://NAME, mqtt://HOST/TOPIC",
        )
    return SOURCES[scheme.lower()](address, options or StreamOptions())
