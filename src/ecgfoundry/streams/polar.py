"""Polar H10, a chest strap that sends its ECG over Bluetooth Low Energy.

The layout is that of Polar's published BLE SDK ("Polar Measurement Data"): ECG at 130 Hz, samples
of three bytes in microvolts, and the time of the last sample in nanoseconds.

Not run on hardware: the frames are tested byte by byte, the connection is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EcgFoundryError, MissingExtraError, SignalError, StreamError
from ecgfoundry.extras import is_installed
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.streams.description import StreamOptions
from ecgfoundry.streams.sources import OpenSource

__all__ = ["POLAR_RATE", "decode_polar_frame", "only_strap", "open_polar"]

POLAR_RATE = 130.0
"""Hz, of the H10's ECG (Polar BLE SDK)."""
_CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
_DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
# Start (2) of ECG (0): sampling rate (0) one value 130; resolution (1) one value 14 bits.
_START = bytes((2, 0, 0, 1, 130, 0, 1, 1, 14, 0))
_STOP = bytes((3, 0))
_HEADER = struct.Struct("<BQB")


def decode_polar_frame(content: bytes | bytearray) -> LiveFrame | None:
    """Read one notification of the measurement characteristic.

    Parameters
    ----------
    content : bytes
        Type (0 is ECG), time of the last sample (uint64, ns), frame type (0), then int24 samples in
        microvolts; little endian.

    Returns
    -------
    LiveFrame or None
        (1, samples) in mV, with the time of its first sample; None: another measurement.

    Raises
    ------
    SignalError
        It is cut off, or of a frame type that is not known here.
    """
    if len(content) < _HEADER.size:
        raise SignalError(f"a notification of {len(content)} bytes is shorter than its header")
    kind, stamp, frame = _HEADER.unpack_from(content)
    if kind != 0:
        return None
    body = np.frombuffer(content, np.uint8, offset=_HEADER.size)
    if frame != 0 or body.size == 0 or body.size % 3:
        raise SignalError(f"an ECG notification of type {frame} with {body.size} bytes of samples")
    signal = (_int24(body.reshape(-1, 3)) * np.float32(1e-3))[None, :]
    return LiveFrame(signal, time_s=stamp * 1e-9 - (signal.shape[1] - 1) / POLAR_RATE)


def _int24(octets: NDArray[np.uint8]) -> NDArray[np.int32]:
    wide = np.zeros((len(octets), 4), np.uint8)
    wide[:, 1:] = octets  # in the upper three bytes, so that the shift brings the sign along
    return wide.view("<i4")[:, 0] >> 8


@contextmanager
def open_polar(address: str, options: StreamOptions) -> Iterator[OpenSource]:
    """Connect to ``ble://polar-h10`` (the only one in reach) or ``ble://polar-h10/ADDRESS``.

    A strap across the chest is no lead of twelve; its signal is called lead I, which it resembles
    most, unless the user names it otherwise.

    Raises
    ------
    StreamError
        None is in reach, or several are; the strap goes; or the address is not of a device that is
        known here.
    """
    parts = urlsplit(address)
    if parts.hostname != "polar-h10":
        raise StreamError(
            "no such device is known here", path=address, remedy="Known is ble://polar-h10"
        )
    if not is_installed("bleak"):
        raise MissingExtraError.for_extra("reading from a Bluetooth device", "streams")
    stated = options.opened_by({"leads": ["I"], "sampling_rate": POLAR_RATE}, address)
    waiting: queue.Queue[LiveFrame | Exception | None] = queue.Queue()
    stop = threading.Event()
    device = parts.path.strip("/") or None
    thread = threading.Thread(
        target=lambda: asyncio.run(_receive(device, waiting, stop, options.wait_s)), daemon=True
    )
    thread.start()
    try:
        yield OpenSource(stated.description(address), _frames(waiting, options.silence_s, address))
    finally:
        stop.set()
        thread.join(timeout=5.0)


def _frames(
    waiting: queue.Queue[LiveFrame | Exception | None], silence_s: float | None, address: str
) -> Iterator[LiveFrame]:
    while True:
        try:
            item = waiting.get(timeout=silence_s)
        except queue.Empty:
            return
        if item is None:
            return
        if isinstance(item, EcgFoundryError):
            raise item
        if isinstance(item, Exception):
            raise StreamError(
                f"the connection failed ({type(item).__name__}: {item})",
                path=address,
                remedy="Wear the strap, switch Bluetooth on and end other connections to it",
            )
        yield item


def only_strap(found: Sequence[tuple[str, str]], wait_s: float) -> str:
    """Return the address of the only chest strap among devices (name, address).

    Raises
    ------
    StreamError
        There is none, or several: it is not known whose signal is meant.
    """
    straps = sorted({one for one in found if one[0].startswith("Polar H10")})
    if not straps:
        raise StreamError(
            f"no Polar H10 is in reach within {wait_s:g} s",
            remedy="Wear the strap: it sleeps when it is not worn",
        )
    if len(straps) > 1:
        names = ", ".join(f"{name} ({address})" for name, address in straps)
        raise StreamError(
            f"{len(straps)} chest straps are in reach: {names}",
            remedy="Name one, for example ble://polar-h10/ADDRESS",
        )
    return straps[0][1]


async def _receive(
    device: str | None,
    waiting: queue.Queue[LiveFrame | Exception | None],
    stop: threading.Event,
    wait_s: float,
) -> None:
    from bleak import BleakClient, BleakScanner

    def on_data(_: Any, content: bytearray) -> None:
        try:
            frame = decode_polar_frame(content)
        except SignalError as error:
            waiting.put(error)
            return
        if frame is not None:
            waiting.put(frame)

    try:
        if device is None:
            there = await BleakScanner.discover(timeout=wait_s)
            device = only_strap([(one.name or "", one.address) for one in there], wait_s)

        def on_end(_: Any) -> None:
            waiting.put(None if stop.is_set() else ConnectionError("the strap is gone"))

        async with BleakClient(device, disconnected_callback=on_end) as client:
            await client.start_notify(_DATA, on_data)
            await client.write_gatt_char(_CONTROL, _START, response=True)
            while not stop.is_set() and client.is_connected:
                await asyncio.sleep(0.1)
            with contextlib.suppress(Exception):  # the strap may have gone already
                await client.write_gatt_char(_CONTROL, _STOP, response=True)
    except Exception as error:  # of the operating system's Bluetooth, whatever it is
        waiting.put(error)
