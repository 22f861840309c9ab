"""A recording sent to a service as if a device were sending it now."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from ecgfoundry.errors import ServiceError
from ecgfoundry.inference.live.frames import encode_frame
from ecgfoundry.recording import Recording

__all__ = ["replay"]


async def replay(
    recording: Recording,
    address: str,
    *,
    speed: float = 1.0,
    frame_s: float = 0.2,
    model: str | None = None,
    lead: str | None = None,
    name: str = "",
    token: str | None = None,
    tell: Callable[[dict[str, Any]], None] = lambda message: None,
) -> int:
    """Send a recording frame by frame and pass on what the service says.

    Parameters
    ----------
    recording : Recording
    address : str
        ``ws://host:port``.
    speed : float
        1 is real time.
    frame_s : float
        Seconds of signal in a frame.
    model, lead, name, token : str, optional
    tell : callable
        Called with every message of the service.

    Returns
    -------
    int
        Answers.

    Raises
    ------
    ServiceError
        The service is not there, or ended the stream with a problem.
    """
    import websockets

    size = max(round(frame_s * recording.sampling_rate), 1)
    opening = {
        "leads": list(recording.leads),
        "sampling_rate": recording.sampling_rate,
        "unit": "mV",
        "model": model,
        "lead": lead,
        "name": name,
        "mains": recording.mains_frequency,
    }
    if token is not None:
        opening["token"] = token
    answers = 0
    try:
        async with websockets.connect(f"{address}/v1/stream", max_size=8_000_000) as socket:
            await socket.send(json.dumps(opening))
            sending = asyncio.create_task(_send(socket, recording, size, speed))
            try:
                async for text in socket:
                    message = json.loads(text)
                    tell(message)
                    answers += message["type"] == "answer"
                    if message["type"] == "problem":
                        raise ServiceError(
                            message["detail"], path=address, remedy=message.get("remedy")
                        )
                    if message["type"] == "closing":
                        break
            finally:
                sending.cancel()
    except websockets.InvalidStatus as error:
        raise _refusal(
            bytes(error.response.body or b""), error.response.status_code, address
        ) from None
    except websockets.ConnectionClosed as error:
        words = f"the connection ended before the recording did ({error})"
        raise ServiceError(words, path=address, remedy="See the log of the service") from None
    except (OSError, websockets.WebSocketException) as error:
        raise ServiceError(
            f"no service answers there ({type(error).__name__})",
            path=address,
            remedy="Start one with: ecgfoundry serve",
        ) from None
    return answers


def _refusal(body: bytes, status: int, address: str) -> ServiceError:
    """The error for a service that is there and does not let a stream begin."""
    try:
        problem = json.loads(body)
        words, remedy = str(problem["detail"]), problem.get("remedy")
    except (ValueError, KeyError, TypeError):
        words, remedy = f"the service there refuses the connection with status {status}", None
    return ServiceError(words, path=address, remedy=remedy)


async def _send(socket: Any, recording: Recording, size: int, speed: float) -> None:
    begin = time.monotonic()
    for start in range(0, recording.samples, size):
        # Against the clock and not one pause after another, so that the rate is kept.
        due = begin + start / recording.sampling_rate / speed
        await asyncio.sleep(max(due - time.monotonic(), 0.0))
        await socket.send(encode_frame(recording.signal[:, start : start + size], start=start))
    await socket.send(json.dumps({"type": "end"}))
