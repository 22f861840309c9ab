"""Do the recordings of today look to a model as those did on which it was set up?

The embeddings of the last people of each model are compared with the reference in its bundle, by
the energy distance: short recordings as they are, long ones and live streams by one window of each.
They are in the memory of this process only, under numbers that cannot be led back to anybody and
are drawn anew at each start; what leaves it is the distance.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.metrics.energy import EnergyShift, energy_shift
from ecgfoundry.models.reference import FEWEST_PEOPLE, REFERENCE_FILE, WINDOW_REFERENCE_FILE

__all__ = ["REFERENCES", "Embedded", "EmbeddingDrift", "ModelDrift", "new_salt", "person_number"]

REFERENCES = {
    "recordings": REFERENCE_FILE,
    "long": WINDOW_REFERENCE_FILE,
    "streams": WINDOW_REFERENCE_FILE,
}
"""Where embeddings come from, and the file of a bundle that they are compared with. Each source is
compared for itself: they are other devices and other people."""

RECENT_PEOPLE = 200
"""Of each model (our choice)."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embedding of one recording or window by one model, (features,)."""

    model: str
    person: bytes
    embedding: NDArray[np.float32]
    source: str = "recordings"


@dataclass(frozen=True, slots=True)
class ModelDrift:
    """How far the last people of a model and a source are from its reference.

    Attributes
    ----------
    people : int
        That were seen since the start, at most the last 200.
    shift : EnergyShift or None
        None: they are fewer than 30.
    """

    people: int
    shift: EnergyShift | None

    def to_dict(self) -> dict[str, float | int | bool | None]:
        """Return the JSON form."""
        shift = self.shift
        return {
            "people": self.people,
            "distance": None if shift is None else shift.distance,
            "limit": None if shift is None else shift.limit,
            "shifted": None if shift is None else shift.shifted,
        }


@dataclass
class _Recent:
    people: OrderedDict[bytes, NDArray[np.float32]] = field(default_factory=OrderedDict)
    taken: int = 0
    known: tuple[int, ModelDrift | None] = (0, None)


def new_salt() -> bytes:
    """Return what makes the numbers of people those of one run of the service."""
    return secrets.token_bytes(32)


def person_number(salt: bytes, identifier: str | None, signal: NDArray[np.floating]) -> bytes:
    """Return the number of a person; of a recording, where its file names nobody."""
    said = signal.tobytes() if identifier is None else identifier.encode()
    return hashlib.blake2b(said, key=salt, digest_size=16).digest()


class EmbeddingDrift:
    """The last people of every model that has a reference, by where they come from.

    Parameters
    ----------
    reference : callable
        The reference (people, features) of a model, by its name and that of the file, or None.
    """

    def __init__(self, reference: Callable[[str, str], NDArray[np.float64] | None]) -> None:
        self._reference = reference
        self._models: dict[tuple[str, str], _Recent] = {}
        self._lock = threading.Lock()

    def take(self, embedded: Embedded) -> None:
        """Add a recording; of a person who was there before, it takes the place of the former."""
        with self._lock:
            recent = self._models.setdefault((embedded.model, embedded.source), _Recent())
            recent.people[embedded.person] = embedded.embedding
            recent.people.move_to_end(embedded.person)
            if len(recent.people) > RECENT_PEOPLE:
                recent.people.popitem(last=False)
            recent.taken += 1

    def look(self) -> dict[tuple[str, str], ModelDrift]:
        """Return the drift of every (model, source) that has a reference and answered since the
        start.
        """
        with self._lock:
            now = [
                (name, recent, recent.taken, list(recent.people.values()))
                for name, recent in self._models.items()
            ]
        found = {}
        for name, recent, taken, people in now:
            if recent.known[0] != taken:
                recent.known = taken, self._compared(*name, people)
            if recent.known[1] is not None:
                found[name] = recent.known[1]
        return found

    def _compared(
        self, model: str, source: str, people: list[NDArray[np.float32]]
    ) -> ModelDrift | None:
        try:
            reference = self._reference(model, REFERENCES[source])
        except EcgFoundryError:  # the bundle has gone or is damaged: its answers will say so
            return None
        if reference is None:
            return None
        # After its bundle was replaced by another, a model's features may be others.
        points = [p for p in people if p.shape == reference.shape[1:]]
        if len(points) < FEWEST_PEOPLE:
            return ModelDrift(len(points), None)
        return ModelDrift(len(points), energy_shift(reference, np.array(points, np.float64)))
