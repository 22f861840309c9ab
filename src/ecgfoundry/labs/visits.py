"""Training on visits instead of segments: several segments of one visit, joined by attention.

A visit's logit of a target is the attention-weighted mean over those segments that have a label
for it, and its label is that of :func:`ecgfoundry.labs.training_data.visit_means`:
what is learned is what is measured. A visit is one example, however long it is, so that long visits
do not outvote short ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.labs.training_data import visit_means
from ecgfoundry.models.networks.net1d import Net1D
from ecgfoundry.models.networks.segment_attention import SegmentAttentionNet
from ecgfoundry.training.data.batches import WindowBatches
from ecgfoundry.training.initialization import Start
from ecgfoundry.training.loop import Batch

__all__ = ["VisitBatches", "attention_start", "visit_batches"]

Float64 = NDArray[np.float64]
Positions = NDArray[np.intp]

_CONTENT = 2  # the stream of random numbers of WindowBatches for what is in a batch


def attention_start(start: Start, outputs: int, seed: int) -> Start:
    """Return a start whose network joins segments by attention, with the given one's weights.

    Raises
    ------
    TrainingError
        The network is no Net1D for one lead.
    """
    if isinstance(start.network, SegmentAttentionNet):
        return start
    if not isinstance(start.network, Net1D) or start.network.leads != 1:
        raise TrainingError(
            f"attention over segments needs a one-lead Net1D, not {start.architecture}",
            remedy="Give a bundle or architecture such as net1d-1lead, or leave --pooling out",
        )
    torch.manual_seed(seed)
    network = SegmentAttentionNet.around(start.network, outputs)
    return replace(start, network=network, architecture="net1d-attention")


@dataclass
class VisitBatches(WindowBatches):
    """Batches of visits for :class:`ecgfoundry.models.networks.segment_attention.VisitNetwork`.

    ``positions`` number the visits, ``batch`` counts them, and ``targets`` has a row for each.

    Parameters
    ----------
    members : tuple of ndarray of int
        Segments of each visit.
    known : ndarray of bool (all segments, columns)
        Which segment has which label; the others are masked.
    most : int
        Segments of a visit in one batch. Of more, each epoch draws others.
    """

    members: tuple[Positions, ...] = ()
    known: NDArray[np.bool_] | None = None
    most: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.known is None or len(self.members) != len(self.positions) or self.most < 1:
            raise TrainingError("every visit needs its segments and what is known of them")

    def _make(self, epoch: int, number: int, places: NDArray[np.intp]) -> Batch:
        generator = np.random.default_rng([self.seed, epoch, _CONTENT, number, self.world.rank])
        chosen = [self._some(self.members[k], generator) for k in self.positions[places]]
        segments = np.concatenate(chosen)
        signal, presence = self.windows.get(segments, generator)
        signal = self.augmented(signal, presence, generator)
        visit = np.repeat(np.arange(len(chosen)), [len(some) for some in chosen])
        place = np.concatenate([np.arange(len(some)) for some in chosen])
        known = np.zeros((len(chosen), place.max() + 1, self.targets.shape[1]), dtype=np.bool_)
        known[visit, place] = self._known[segments]
        inputs = (
            torch.from_numpy(np.ascontiguousarray(signal, dtype=np.float32)),
            torch.from_numpy(visit),
            torch.from_numpy(place),
            torch.from_numpy(known),
        )
        return inputs, torch.from_numpy(self.targets[places])

    @property
    def _known(self) -> NDArray[np.bool_]:
        if self.known is None:
            raise TrainingError("nothing is known of the segments")
        return self.known

    def _some(self, members: Positions, generator: np.random.Generator) -> Positions:
        if len(members) <= self.most:
            return members
        return np.sort(generator.choice(members, self.most, replace=False))


def visit_batches(
    like: WindowBatches, visits: NDArray[np.int64], *, classes: int, most: int
) -> VisitBatches:
    """Return batches of visits out of what batches of their segments are made of.

    Parameters
    ----------
    like : WindowBatches
        Of segments, one row of targets each.
    visits : ndarray of int
        Number of the visit of every segment that there is.
    classes : int
        Columns of the targets that are labels; a visit is positive where any of its segments is.
        The others are values, of which a visit has the mean.
    most : int
        Segments of a visit in one batch.
    """
    targets = like.targets.astype(np.float64)
    own = visits[like.positions]
    known = np.zeros((len(visits), targets.shape[1]), dtype=np.bool_)
    known[like.positions] = ~np.isnan(targets)
    _, labels, _ = visit_means(np.zeros((len(own), classes)), targets[:, :classes], own)
    values, _, _ = visit_means(
        targets[:, classes:], np.where(np.isnan(targets[:, classes:]), np.nan, 0.0), own
    )
    wanted = np.concatenate([labels, values], axis=1)
    members = tuple(_by_visit(like.positions, own))
    return VisitBatches(
        windows=like.windows,
        positions=np.arange(len(members), dtype=np.intp),
        targets=wanted.astype(np.float32),
        batch=max(1, min(like.batch // most, len(members))),
        sampling_rate=like.sampling_rate,
        augmentations=like.augmentations,
        seed=like.seed,
        accumulate=like.accumulate,
        workers=like.workers,
        world=like.world,
        members=members,
        known=known,
        most=most,
    )


def _by_visit(positions: Positions, visits: NDArray[np.int64]) -> Iterator[Positions]:
    order = np.argsort(visits, kind="stable")
    _, starts = np.unique(visits[order], return_index=True)
    yield from np.split(positions[order], starts[1:])
