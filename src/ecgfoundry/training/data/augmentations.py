"""Augmentations as objects: each has a name, its numbers and their source, and they compose.

An augmentation is anything that is called as ``augmentation(batch, generator, sampling_rate=...)``
and has a ``name`` and a ``source``. Those below stand in the registry under their names; another
strength is another object under another name:

>>> strong = Noise(name="strong-noise", largest=0.5)
>>> Compose.of((Shift(), strong)).names
('shift', 'strong-noise')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.registry import Registry
from ecgfoundry.training.data import augmentation as functions

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "BandNoise",
    "BaselineWander",
    "Compose",
    "LeadDropout",
    "Mains",
    "Masking",
    "Noise",
    "Scale",
    "Shift",
]

Array = NDArray[np.float32]


@runtime_checkable
class Augmentation(Protocol):
    """A random change of standardized windows that leaves their labels true."""

    @property
    def name(self) -> str:
        """What it is called in settings."""
        ...

    @property
    def source(self) -> str:
        """What it does, and where its numbers are from; for the documentation."""
        ...

    def __call__(
        self, batch: Array, generator: np.random.Generator, *, sampling_rate: float
    ) -> Array:
        """Return changed windows of the same shape; the given ones stay as they are.

        Parameters
        ----------
        batch : ndarray (windows, leads, samples)
            Standardized, absent leads 0.
        generator : numpy.random.Generator
            The only source of randomness.
        sampling_rate : float
            Hz.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class LeadDropout:
    """Set single leads to 0; at least one lead of each window stays."""

    name: str = "lead-dropout"
    probability: float = 0.1
    source: str = "single leads to 0, p 0.1: ECGFounder names lead dropout; the share is ours"

    def __call__(
        self, batch: Array, generator: np.random.Generator, *, sampling_rate: float
    ) -> Array:
        """See :class:`Augmentation`; windows of one lead stay as they are."""
        if batch.shape[1] == 1:
            return batch
        return functions.drop_leads(batch, generator, probability=self.probability)


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Move windows in time, zeros coming in; ``largest_s`` in seconds."""

    name: str = "shift"
    largest_s: float = 0.5
    source: str = "up to 0.5 s either way: usual in the field (torch_ecg, braindecode); range ours"

    def __call__(
        self, batch: Array, generator: np.random.Generator, *, sampling_rate: float
    ) -> Array:
        """See :class:`Augmentation`."""
        largest = round(self.largest_s * sampling_rate)
        return functions.shift_time(batch, generator, largest=largest)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Multiply each lead by a log-normal factor whose logarithm deviates by ``spread``."""

    name: str = "scale"
    spread: float = 0.2
    source: str = "log-normal factor per lead, 0.2: range ours"

    def __call__(
        self, batch: Array, generator: np.random.Generator, *, sampling_rate: float
    ) -> Array:
        """See :class:`Augmentation`."""
        return functions.scale_amplitude(batch, generator, spread=self.spread)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Add white noise, up to ``largest`` standard deviations of the lead."""

    name: str = "noise"
    probability: float = 0.5
    largest: float = 0.2
    source: str = "white noise up to 0.2 standard deviations, p 0.5: range ours"

    def __call__(
        self, batch: Array, generator: np.random.Generator, *, sampling_rate: float
    ) -> Array:
        """See :class:`Augmentation`."""
        return functions.add_noise(
            batch, generator, probability=self.probability, largest=self.largest
        )


@dataclass(frozen=True, kw_only=True)
class BandNoise:
    """Add noise of 5 to 40 Hz, white to 1/f, to the whole or a part of a window."""

    name: str = "band-noise"
    probability: float = 0.5
    snr_db: tuple[float, float] = (0.0, 20.0)
    source: str = (
        "5-40 Hz, white to 1/f, 0-20 dB, p 0.5, half of them in one piece: muscle activity lies in "
        "the ECG's band (Moody & Mark 1984, noise stress test); ranges ours"
    )

    def __call__(
        self, batch: Array, generator: np.random.Generator, *, sampling_rate: float
    ) -> Array:
        """See :class:`Augmentation`."""
        return functions.add_band_noise(
            batch, generator, sampling_rate=sampling_rate,
            probability=self.probability, snr_db=self.snr_db,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BaselineWander:
    """Add a slow wave of 0.15 to 0.7 Hz, up to ``largest`` standard deviations of the lead."""

    name: str = "baseline-wander"
    probability: float = 0.3
    largest: float = 0.5
    source: str = "0.15-0.7 Hz up to 0.5 standard deviations, p 0.3: range ours"

    def __call__(
        self, batch: Array, generator: np.random.Generator, *, sampling_rate: float
    ) -> Array:
        """See :class:`Augmentation`."""
        return functions.add_baseline_wander(
            batch, generator, sampling_rate=sampling_rate,
            probability=self.probability, largest=self.largest,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Mains:
    """Add hum at 50 or 60 Hz, up to ``largest`` standard deviations of the lead."""

    name: str = "mains"
    probability: float = 0.2
    largest: float = 0.2
    source: str = "50 or 60 Hz up to 0.2 standard deviations, p 0.2: range ours"

    def __call__(
        self, batch: Array, generator: np.random.Generator, *, sampling_rate: float
    ) -> Array:
        """See :class:`Augmentation`."""
        return functions.add_mains(
            batch, generator, sampling_rate=sampling_rate,
            probability=self.probability, largest=self.largest,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Masking:
    """Set one piece of a window to 0, in all leads at once; its length is in seconds."""

    name: str = "masking"
    probability: float = 0.3
    shortest_s: float = 0.1
    longest_s: float = 1.0
    source: str = "one piece of 0.1-1 s to 0, p 0.3: cutout (DeVries & Taylor 2017); range ours"

    def __call__(
        self, batch: Array, generator: np.random.Generator, *, sampling_rate: float
    ) -> Array:
        """See :class:`Augmentation`."""
        duration = (round(self.shortest_s * sampling_rate), round(self.longest_s * sampling_rate))
        return functions.cut_out(batch, generator, probability=self.probability, duration=duration)


def _checked(item: Any) -> Augmentation:
    """A class is taken for its object with the usual numbers."""
    made = item() if isinstance(item, type) else item
    if not (isinstance(made, Augmentation) and callable(made)):
        raise TrainingError(
            f"{made!r} is no augmentation: it needs 'name', 'source' and to be callable"
        )
    return made


def _add_own(registry: Registry[Augmentation]) -> None:
    for kind in (LeadDropout, Shift, Scale, Noise, BandNoise, BaselineWander, Mains, Masking):
        registry.add(kind, origin="ecgfoundry")


AUGMENTATIONS: Registry[Augmentation] = Registry(
    "augmentation",
    error=TrainingError,
    group="ecgfoundry.augmentations",
    builtin=_add_own,
    convert=_checked,
    name_of=lambda augmentation: augmentation.name,
)
"""All augmentations by name, those of other packages too: entry points in the group
``ecgfoundry.augmentations`` give an object or its class."""


@dataclass(frozen=True)
class Compose:
    """Augmentations one after another; an augmentation itself.

    Attributes
    ----------
    parts : tuple of Augmentation
        In the order in which they are done.
    """

    parts: tuple[Augmentation, ...] = ()
    name: str = "composed"
    source: str = "its parts"

    @classmethod
    def of(cls, parts: Sequence[str | Augmentation]) -> Compose:
        """Return names out of :data:`AUGMENTATIONS`, and objects, as one augmentation.

        Raises
        ------
        TrainingError
            There is no augmentation of a name; the message says which was probably meant.
        """
        made = (AUGMENTATIONS[one] if isinstance(one, str) else _checked(one) for one in parts)
        return cls(tuple(made))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts."""
        return tuple(part.name for part in self.parts)

    def __call__(
        self, batch: Array, generator: np.random.Generator, *, sampling_rate: float
    ) -> Array:
        """See :class:`Augmentation`."""
        for part in self.parts:
            batch = part(batch, generator, sampling_rate=sampling_rate)
        return batch
