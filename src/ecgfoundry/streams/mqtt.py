"""MQTT: what gateways of wearables publish. One topic is one signal.

Messages have the forms of :mod:`ecgfoundry.streams.messages`; a retained opening message on the
topic tells everybody who comes later what the signal is.
"""

from __future__ import annotations

import queue
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ecgfoundry.errors import MissingExtraError, StreamError
from ecgfoundry.extras import is_installed
from ecgfoundry.streams.description import StreamOptions
from ecgfoundry.streams.messages import (
    MAXIMUM_MESSAGE_BYTES,
    Hole,
    Message,
    frames_of_messages,
    is_opening,
    read_opening,
    statement_of,
)
from ecgfoundry.streams.sources import OpenSource

if TYPE_CHECKING:
    import paho.mqtt.client as paho

__all__ = ["Arrival", "MqttAddress", "connect_mqtt", "open_mqtt", "publisher"]

_WAITING = 4096
"""Messages that may wait to be read (our choice). Beyond them the signal ends with an error: one
that were left out would join what does not belong together, where messages have no numbers.
"""


_LONGEST_PAUSE_S = 8
"""Between two trials to restore a connection (our choice; paho waits up to two minutes, which is a
long time without an ECG)."""


@dataclass(frozen=True, slots=True)
class MqttAddress:
    """``mqtt://USER@HOST:PORT/TOPIC``; ``mqtts`` is encrypted."""

    host: str
    port: int
    topic: str
    user: str | None
    is_encrypted: bool

    @classmethod
    def parse(cls, address: str) -> MqttAddress:
        """Read an address.

        Raises
        ------
        StreamError
            It names no host or no topic, or a pattern of topics: that would be several signals.
        """
        parts = urlsplit(address)
        topic = unquote(parts.path[1:])
        try:
            port = parts.port
        except ValueError:
            port = 0
        if not parts.hostname or not topic or port == 0:
            raise StreamError(
                "the address names no broker or no topic",
                path=address,
                remedy="For example mqtt://127.0.0.1:1883/ward/bed-4/ecg",
            )
        if "+" in topic or "#" in topic:
            raise StreamError(
                "a pattern of topics would mix several signals",
                path=address,
                remedy="Name one topic, and follow each in a process of its own",
            )
        if parts.password is not None:
            raise StreamError(
                "a password in an address can be seen by everybody on the machine",
                path=f"{parts.scheme}://{parts.hostname}{parts.path}",
                remedy="Give it with --password-file",
            )
        encrypted = parts.scheme.lower() == "mqtts"
        user = None if parts.username is None else unquote(parts.username)
        return cls(parts.hostname, port or (8883 if encrypted else 1883), topic, user, encrypted)


@contextmanager
def connect_mqtt(
    address: MqttAddress, options: StreamOptions, **callbacks: Any
) -> Iterator[paho.Client]:
    """Connect to a broker; a thread of paho serves the connection and restores it.

    Raises
    ------
    StreamError
        The broker does not answer or refuses.
    """
    if not is_installed("paho"):
        raise MissingExtraError.for_extra("reading from an MQTT broker", "streams")
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.reconnect_delay_set(1, _LONGEST_PAUSE_S)
    if address.user is not None:
        client.username_pw_set(address.user, options.password)
    if address.is_encrypted:
        client.tls_set_context(ssl.create_default_context())
    answered: queue.Queue[Any] = queue.Queue()
    subscribe = callbacks.pop("on_connect", None)

    def on_connect(client: paho.Client, _: Any, flags: Any, reason: Any, properties: Any) -> None:
        if subscribe is not None and not reason.is_failure:
            subscribe(client)
        answered.put(reason)

    client.on_connect = on_connect
    for name, function in callbacks.items():
        setattr(client, name, function)
    place = f"{address.host}:{address.port}"
    try:
        client.connect(address.host, address.port)
    except OSError as error:
        raise StreamError(
            f"no broker answers ({error.strerror or type(error).__name__})",
            path=place,
            remedy="Start one, for example mosquitto, or mend the address",
        ) from None
    client.loop_start()
    try:
        try:
            reason = answered.get(timeout=max(options.wait_s, 1.0))
        except queue.Empty:
            raise StreamError("the broker does not answer", path=place) from None
        if reason.is_failure:
            raise StreamError(
                f"the broker refuses: {reason}",
                path=place,
                remedy="Name the user in the address, and the password with --password-file",
            )
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message, when it came, and by which connection of the ones that followed each other."""

    content: bytes
    at_s: float
    connection: int


@contextmanager
def open_mqtt(address: str, options: StreamOptions) -> Iterator[OpenSource]:
    """Subscribe to a topic. A connection that is lost is restored, and the hole is told.

    Raises
    ------
    StreamError
        The broker does not answer or refuses, or the address is not of one topic.
    """
    parsed = MqttAddress.parse(address)
    waiting: queue.Queue[Arrival] = queue.Queue(_WAITING)
    lost: list[str] = []
    connections = 0

    def on_message(client: Any, _: Any, message: paho.MQTTMessage) -> None:
        if len(message.payload) > MAXIMUM_MESSAGE_BYTES:
            lost.append("a message is larger than a frame may be")
        content = bytes(message.payload)
        if message.retain and not is_opening(content):
            # Samples that the topic keeps are of some time before, by whoever sent last.
            content = statement_of(content)
        if not content:
            return
        try:
            waiting.put_nowait(Arrival(content, time.monotonic(), connections))
        except queue.Full:
            lost.append("messages come faster than they can be read")

    def subscribe(client: paho.Client) -> None:
        nonlocal connections
        connections += 1
        client.subscribe(parsed.topic, qos=1)

    with connect_mqtt(parsed, options, on_connect=subscribe, on_message=on_message):
        messages = _messages(waiting, lost, options.silence_s, address)
        description, first = read_opening(messages, options, address)

        def all_messages() -> Iterator[Message]:
            yield from first
            yield from messages

        yield OpenSource(description, frames_of_messages(all_messages(), description, address))


def _messages(
    waiting: queue.Queue[Arrival], lost: list[str], silence_s: float | None, address: str
) -> Iterator[Message]:
    before: Arrival | None = None
    while True:
        if lost:
            raise StreamError(
                lost[0], path=address, remedy="Follow it again, on a machine with time"
            )
        try:
            arrival = waiting.get(timeout=silence_s)
        except queue.Empty:
            return
        if before is not None:
            apart_s = arrival.at_s - before.at_s
            yield Hole(apart_s, silent=arrival.connection == before.connection)
        before, content = arrival, arrival.content
        if content[:4] == b"ECGL" or content.lstrip()[:1] == b"{":
            yield content
        else:
            yield from content.splitlines()


@contextmanager
def publisher(address: str | None, options: StreamOptions) -> Iterator[Callable[[str], None]]:
    """Give a function that publishes texts to a topic, each at least once (QoS 1).

    Parameters
    ----------
    address : str or None
        ``mqtt://HOST/TOPIC``; None: the function does nothing.
    options : StreamOptions
        The password, and how long to wait for the broker.

    Raises
    ------
    StreamError
        The broker does not answer or refuses.
    """
    if address is None:
        yield lambda text: None
        return
    parsed = MqttAddress.parse(address)
    with connect_mqtt(parsed, options) as client:
        yield lambda text: client.publish(parsed.topic, text, qos=1).wait_for_publish(5.0)
