"""Devices for the load test of live streams: a thousand WebSockets for little processor time.

The server is what is measured, and the devices run on the same cores, so they are as plain as they
can be: one thread, one selector, frames masked with zeros and made beforehand (RFC 6455 allows any
mask), answers looked at only for their time.
"""

from __future__ import annotations

import heapq
import json
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Devices", "Step", "client_frame"]

_ANSWER, _TIME = b'{"type":"answer"', b'"time_s":'


def client_frame(payload: bytes, *, text: bool = False) -> bytes:
    """Return a WebSocket message of a client, masked with zeros."""
    head = bytes([0x81 if text else 0x82])
    size = len(payload)
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", size)
    return head + bytes(4) + payload


@dataclass
class Step:
    """What was seen while so many streams ran.

    ``late_s``: of every answer, seconds between the end of its window (when its last sample was
    due to be sent) and its arrival. ``wanted``: answers that should have come.
    """

    streams: int
    seconds: float
    wanted: int
    late_s: list[float] = field(default_factory=list)
    client_cpu_s: float = 0.0
    server_cpu_s: float = 0.0
    memory_mib: float = 0.0
    lost: int = 0

    def quantile(self, share: float) -> float:
        """Return a quantile of the lateness in seconds; NaN without answers."""
        return float(np.quantile(self.late_s, share)) if self.late_s else float("nan")

    @property
    def in_time(self) -> bool:
        """Whether 99 of 100 answers came within a second, and none was left out."""
        return (
            self.quantile(0.99) <= 1.0 and len(self.late_s) >= 0.99 * self.wanted and not self.lost
        )

    def row(self) -> str:
        """Return one line of the table."""
        cores = self.server_cpu_s / self.seconds
        per_answer = 1e3 * self.server_cpu_s / max(len(self.late_s), 1)
        return (
            f"{self.streams:5d} streams: {len(self.late_s)} of {self.wanted} answers, late by "
            f"{1e3 * self.quantile(0.5):.0f} ms (median) {1e3 * self.quantile(0.99):.0f} ms "
            f"(99 %); server {cores:.2f} cores, {per_answer:.2f} ms an answer; devices "
            f"{self.client_cpu_s / self.seconds:.2f} cores; {self.memory_mib:.0f} MiB"
            f"{'' if self.in_time else '   <- late'}"
        )


class _Device:
    """One connection; ``begin`` is when its first sample was taken."""

    def __init__(self, address: tuple[str, int], opening: bytes) -> None:
        self.socket = socket.create_connection(address, timeout=60)
        host = f"{address[0]}:{address[1]}"
        self.socket.sendall(
            f"GET /v1/stream HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.buffer = bytearray()
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self._more()
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise OSError(f"no stream was opened: {head[:100]!r}")
        self.buffer = bytearray(rest)
        self.socket.sendall(client_frame(opening, text=True))
        while not (first := self.messages()):
            self.buffer += self._more()
        if b'"opened"' not in first[0]:
            raise OSError(f"no stream was opened: {first[0][:300]!r}")
        self.socket.setblocking(False)
        self.begin = 0.0
        self.sent = 0
        self.open = True

    def _more(self) -> bytes:
        part = self.socket.recv(65536)
        if not part:
            raise OSError("the service closed the connection")
        return part

    def messages(self) -> list[bytes]:
        """Take complete messages out of the buffer."""
        found, at, data = [], 0, self.buffer
        while len(data) - at >= 2:
            size, head = data[at + 1] & 0x7F, 2
            if size == 126:
                if len(data) - at < 4:
                    break
                size, head = struct.unpack_from(">H", data, at + 2)[0], 4
            elif size == 127:
                if len(data) - at < 10:
                    break
                size, head = struct.unpack_from(">Q", data, at + 2)[0], 10
            if len(data) - at < head + size:
                break
            if data[at] & 0x0F == 9:  # are you there? I am.
                payload = bytes(data[at + head : at + head + size])
                self.socket.send(bytes([0x8A, 0x80 | size, 0, 0, 0, 0]) + payload)
            elif data[at] & 0x0F in (1, 2):
                found.append(bytes(data[at + head : at + head + size]))
            at += head + size
        del data[:at]
        return found


class Devices:
    """Streams in real time against one service; more can be added while they run.

    Parameters
    ----------
    address : (host, port)
    opening : dict
        First message of each.
    frames : sequence of bytes
        One per second, as :func:`ecgfoundry.inference.live.frames.encode_frame` gives them; when
        they are used up they begin again (so their sample number must be -1).
    """

    def __init__(
        self, address: tuple[str, int], opening: dict[str, object], frames: Sequence[bytes]
    ) -> None:
        self._address, self._opening = address, json.dumps(opening).encode()
        self._frames = [client_frame(frame) for frame in frames]
        self._devices: list[_Device] = []
        self._due: list[tuple[float, int]] = []
        self._selector = selectors.DefaultSelector()
        self._step: Step | None = None

    def __len__(self) -> int:
        return len(self._devices)

    def grow(self, count: int) -> None:
        """Open streams until there are ``count``, their seconds spread evenly over the second."""
        golden = 0.618034  # any number of streams stays evenly spread
        while len(self._devices) < count:
            number = len(self._devices)
            device = _Device(self._address, self._opening)
            now = time.monotonic()
            device.begin = now + (number * golden - now) % 1.0
            self._devices.append(device)
            self._selector.register(device.socket, selectors.EVENT_READ, number)
            heapq.heappush(self._due, (device.begin + 1.0, number))
            self._turn(0.0)

    def run(self, seconds: float, server_cpu: Callable[[], float]) -> Step:
        """Let them send for so long; return what came back meanwhile."""
        count = len(self._devices)
        step = Step(count, seconds, round(count * seconds))
        self._step = step
        cpu, server, begin = os.times(), server_cpu(), time.monotonic()
        while (now := time.monotonic()) < begin + seconds:
            self._turn(min(begin + seconds - now, 0.05))
        after = os.times()
        step.seconds = time.monotonic() - begin
        step.client_cpu_s = after.user + after.system - cpu.user - cpu.system
        step.server_cpu_s = server_cpu() - server
        step.lost = sum(not device.open for device in self._devices)
        self._step = None
        return step

    def close(self) -> None:
        """Hang up."""
        for device in self._devices:
            device.socket.close()
        self._selector.close()

    def _turn(self, wait: float) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            due, number = heapq.heappop(self._due)
            device = self._devices[number]
            if not device.open:
                continue
            try:
                device.socket.send(self._frames[device.sent % len(self._frames)])
            except OSError:  # its buffer is full: the service does not read
                self._lose(device)
                continue
            device.sent += 1
            heapq.heappush(self._due, (due + 1.0, number))
        if self._due:
            wait = min(wait, max(self._due[0][0] - time.monotonic(), 0.0))
        for key, _ in self._selector.select(wait):
            device = self._devices[key.data]
            try:
                part = device.socket.recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                part = b""
            if not part:
                self._lose(device)
                continue
            device.buffer += part
            arrived = time.monotonic()
            for message in device.messages():
                if message.startswith(_ANSWER) and self._step is not None:
                    at = message.index(_TIME) + len(_TIME)
                    end = message.index(b",", at)
                    late = arrived - device.begin - float(message[at:end])
                    self._step.late_s.append(late)

    def _lose(self, device: _Device) -> None:
        if device.open:
            device.open = False
            self._selector.unregister(device.socket)
            device.socket.close()
