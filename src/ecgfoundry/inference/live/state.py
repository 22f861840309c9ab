"""From an answer every second to a steady one: smoothing and hysteresis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.tasks import Task
from ecgfoundry.vocabularies.exclusive import withheld

__all__ = ["Smoothing", "SteadyState"]

Logits = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How an answer is steadied; all numbers are our choice.

    Parameters
    ----------
    time_constant_s : float
        Of the exponential mean of the logits. Ten-second windows one second apart share nine
        tenths of their samples, so a shorter one changes little.
    hold_s : float
        How long the other state must have been the better one before it is taken.
    release : float
        A multilabel finding ends below this share of its threshold.
    forget_s : float
        After so long without a readable window the past counts no more.
    """

    time_constant_s: float = 4.0
    hold_s: float = 3.0
    release: float = 0.8
    forget_s: float = 10.0


class SteadyState:
    """The findings of a stream as they stand, second by second.

    Parameters
    ----------
    task : Task
        What is answered; values are smoothed and have no presence.
    smoothing : Smoothing
    """

    def __init__(self, task: Task, smoothing: Smoothing) -> None:
        targets = task.outputs
        self._task = task
        self._smoothing = smoothing
        self._mean: Logits | None = None
        self._time_s = -math.inf
        self._present: list[bool | None] = [None] * targets
        self._waiting_since = [math.nan] * targets

    @property
    def present(self) -> list[bool | None]:
        """Whether each target is present; None where nothing is known or there is no threshold."""
        return list(self._present)

    def blend(self, logits: Logits, time_s: float) -> Logits:
        """Take the logits (targets,) of the window that ends at ``time_s``; return the mean.

        :meth:`decide` with the mean's answers comes next.
        """
        gap = time_s - self._time_s
        if self._mean is None or gap > self._smoothing.forget_s or gap <= 0:
            self._mean = logits.astype(np.float64)
            self._present = [None] * len(self._present)
        else:
            weight = 1.0 - math.exp(-gap / self._smoothing.time_constant_s)
            self._mean = self._mean + weight * (logits - self._mean)
        self._time_s = time_s
        return self._mean

    def miss(self, time_s: float) -> None:
        """Take notice that the window ending at ``time_s`` could not be read."""
        if time_s - self._time_s > self._smoothing.forget_s:
            self._mean = None
            self._present = [None] * len(self._present)

    def decide(self, values: NDArray[np.float64], time_s: float) -> None:
        """Take the answers (targets,) of the mean at ``time_s``."""
        if self._task.exclusive:
            # One class follows another; the top one must have led for the whole hold time.
            top = int(np.argmax(values))
            undecided = True not in self._present
            if undecided or (not self._present[top] and self._has_waited(top, time_s)):
                self._present = [k == top for k in range(len(values))]
            for k in range(len(values)):
                if k != top or self._present[top]:
                    self._waiting_since[k] = math.nan
            return
        for k, state in enumerate(self._wanted(values)):
            if state is None or self._present[k] is None:
                self._present[k] = state
            elif state == self._present[k]:
                self._waiting_since[k] = math.nan
            elif self._has_waited(k, time_s):
                self._present[k] = state
                self._waiting_since[k] = math.nan

    def _has_waited(self, target: int, time_s: float) -> bool:
        if math.isnan(self._waiting_since[target]):
            self._waiting_since[target] = time_s
        return time_s - self._waiting_since[target] >= self._smoothing.hold_s

    def _wanted(self, values: NDArray[np.float64]) -> list[bool | None]:
        result: list[bool | None] = []
        for value, threshold, now in zip(
            values.tolist(), self._task.thresholds, self._present, strict=True
        ):
            if threshold is None:
                result.append(None)
            else:
                bar = threshold * self._smoothing.release if now else threshold
                result.append(value >= bar)
        for k in withheld(self._task.vocabulary.names, values.tolist(), result):
            result[k] = False  # what it ends, or does not begin, is an episode
        return result
