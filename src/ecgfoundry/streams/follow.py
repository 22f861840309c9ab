"""Answers to a live source: its frames through a model."""

from __future__ import annotations

from collections.abc import Iterator

from ecgfoundry.inference.live.stream import LiveAnswer, LiveStream
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.streams.sources import OpenSource

__all__ = ["answers_to"]


def answers_to(
    source: OpenSource, predictor: Predictor, *, lead: str | None = None, delay_s: float = 0.0
) -> Iterator[LiveAnswer]:
    """Answer a live source as long as it sends.

    Parameters
    ----------
    source : OpenSource
    predictor : Predictor
    lead : str, optional
        Read only this lead.
    delay_s : float
        How long to wait for late frames.

    Yields
    ------
    LiveAnswer
        One for every second of signal, from the last ten.

    Raises
    ------
    LeadError, SamplingRateError
        The model cannot read this signal.
    SignalError
        A frame is none.
    """
    description = source.description
    stream = LiveStream(
        predictor,
        description.leads,
        description.sampling_rate,
        lead=lead,
        delay_s=delay_s,
        mains_frequency=description.mains_frequency,
    )
    for frame in source.frames:
        yield from stream.run(frame)
