"""What a run says on its way: rows of the curves, times, how much is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NotRequired, TypedDict

__all__ = ["EpochRow", "steps_told", "time_words"]


class EpochRow(TypedDict):
    """One row of the curves; ``figures`` only where the epoch was evaluated."""

    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    figures: NotRequired[dict[str, float] | None]


def time_words(row: EpochRow, epochs: int) -> str:
    """Say how long an epoch took, and how long all that may still come take at most."""
    left = (epochs - row["epoch"] - 1) * row["seconds"]
    if left <= 0:
        return f"{row['seconds']:.1f} s"
    return f"{row['seconds']:.1f} s, at most {_duration(left)} left"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def steps_told(
    say: Callable[[str], None], what: str, *, every_s: float = 10.0
) -> Callable[[int, int], None]:
    """Return what says from time to time how many steps are done, and how long the others take.

    Parameters
    ----------
    say : callable
    what : str
        The steps: "recordings read".
    every_s : float
        Seconds between two lines (our choice); a job that is shorter says nothing.
    """
    began = time.monotonic()
    last = began
    first: int | None = None

    def step(done: int, total: int) -> None:
        nonlocal last, first
        now = time.monotonic()
        if first is None:  # a job that goes on has not done these now
            first = done - 1
        if now - last >= every_s and done < total:
            last = now
            left = (now - began) / (done - first) * (total - done)
            say(f"{done} of {total} {what}, about {_duration(left)} left")

    return step
