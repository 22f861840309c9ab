"""Batches of windows: each window once per epoch, in an order that only the seed decides.

Batch ``k`` of epoch ``e`` is a function of the seed, ``e`` and ``k`` alone, so that a run can begin
anywhere, workers can prepare ahead, and the processes of a distributed run take their parts without
speaking to each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.data.augmentations import Augmentation, Compose
from ecgfoundry.training.data.windows import InputWindows
from ecgfoundry.training.distributed import ALONE, World
from ecgfoundry.training.loop import Batch

__all__ = ["WindowBatches"]

_ORDER, _CONTENT = 1, 2  # streams of random numbers that must not meet


@dataclass
class WindowBatches:
    """Batches for :func:`ecgfoundry.training.loop.fit`.

    Parameters
    ----------
    windows : InputWindows
    positions : ndarray of int
        The windows of the training split.
    targets : ndarray, float32 (positions, columns)
        Of each of them; NaN is missing.
    batch : int
        Windows per batch and process.
    sampling_rate : float
        Of the standardized windows, Hz.
    takes_presence : bool
        Whether the network takes the presence mask.
    augmentations : sequence of str or Augmentation
        Names out of :data:`ecgfoundry.training.data.augmentations.AUGMENTATIONS`, or objects; done
        one after another.
    seed : int
    accumulate : int
        Batches per step.
    workers : int
        Threads that prepare batches ahead; 0: none.
    world : World

    Notes
    -----
    An epoch is one random order of all positions, cut into ``steps * accumulate * processes``
    pieces of equal size, give or take one: every window comes exactly once. With ``W`` processes,
    pieces ``k W ... k W + W - 1`` are the batches ``k`` of the processes; where the sizes divide
    evenly, together they are the batch of one process with ``W`` times the size.
    """

    windows: InputWindows
    positions: NDArray[np.intp]
    targets: NDArray[np.float32]
    batch: int
    sampling_rate: float
    takes_presence: bool = False
    augmentations: Sequence[str | Augmentation] = ()
    seed: int = 0
    accumulate: int = 1
    workers: int = 0
    world: World = field(default=ALONE)

    def __post_init__(self) -> None:
        self._augmented = Compose.of(self.augmentations)
        if len(self.positions) != len(self.targets):
            raise TrainingError("every window needs a row of targets")
        if len(self.positions) < self.pieces:
            raise TrainingError(
                f"{len(self.positions)} windows are too few for {self.accumulate} accumulated "
                f"batches on {self.world.size} process(es)"
            )

    @property
    def steps(self) -> int:
        """Steps of the optimizer per epoch."""
        per_step = self.batch * self.accumulate * self.world.size
        return -(-len(self.positions) // per_step)

    @property
    def pieces(self) -> int:
        """Batches per epoch over all processes."""
        return self.steps * self.accumulate * self.world.size

    def places(self, epoch: int, number: int) -> NDArray[np.intp]:
        """Return which entries of ``positions`` batch ``number`` of this process holds."""
        return self._pieces(epoch)[number * self.world.size + self.world.rank]

    def __call__(self, epoch: int, generator: np.random.Generator) -> Iterator[Batch]:
        """Yield all batches of an epoch in the order of the own seed, not of ``generator``."""
        return self.from_batch(epoch, 0)

    def from_batch(self, epoch: int, first: int) -> Iterator[Batch]:
        """Yield the batches of an epoch from number ``first`` on."""
        pieces = self._pieces(epoch)[self.world.rank :: self.world.size]
        numbers = range(first, len(pieces))
        if self.workers == 0:
            for number in numbers:
                yield self._make(epoch, number, pieces[number])
            return
        with ThreadPoolExecutor(self.workers) as pool:
            ahead: deque[Future[Batch]] = deque()
            for number in numbers:
                ahead.append(pool.submit(self._make, epoch, number, pieces[number]))
                if len(ahead) > 2 * self.workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _pieces(self, epoch: int) -> list[NDArray[np.intp]]:
        order = np.random.default_rng([self.seed, epoch, _ORDER]).permutation(len(self.positions))
        return np.array_split(order, self.pieces)

    def augmented(
        self,
        signal: NDArray[np.float32],
        presence: NDArray[np.float32],
        generator: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Return augmented windows, in which absent leads stay 0."""
        if not self._augmented.parts:
            return signal
        changed = self._augmented(signal, generator, sampling_rate=self.sampling_rate)
        return changed * presence[:, :, None]

    def _make(self, epoch: int, number: int, places: NDArray[np.intp]) -> Batch:
        generator = np.random.default_rng([self.seed, epoch, _CONTENT, number, self.world.rank])
        signal, presence = self.windows.get(self.positions[places], generator)
        signal = self.augmented(signal, presence, generator)
        inputs = torch.from_numpy(np.ascontiguousarray(signal, dtype=np.float32))
        targets = torch.from_numpy(self.targets[places])
        if self.takes_presence:
            return (inputs, torch.from_numpy(presence)), targets
        return inputs, targets
