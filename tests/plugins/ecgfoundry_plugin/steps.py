"""A live source that sends three frames of steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.streams.description import StreamDescription, StreamOptions
from ecgfoundry.streams.sources import OpenSource


@contextmanager
def open_steps(address: str, options: StreamOptions) -> Iterator[OpenSource]:
    """Open ``plugin-steps://``."""
    frames = (LiveFrame(np.full((1, 5), step, np.float32), 5 * step) for step in range(3))
    yield OpenSource(StreamDescription(("I",), 50.0), frames)
