"""Do the recordings of today look to a model as those did on which it was set up?

The last people of each model are compared with the reference in its bundle: their embeddings by the
energy distance, the verdicts of the gate on them by exchanging people, and how frequent each target
is by the model's answers and its confusions in the reference. Short recordings are taken as they
are, long ones and live streams by one window of each. All of it is in the memory of this process
only, under numbers that cannot be led back to anybody and are drawn anew at each start; what leaves
it are distances and shares.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject, JsonValue
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.inference.looks import Look
from ecgfoundry.metrics.energy import EnergyShift, energy_shift
from ecgfoundry.metrics.shifts import (
    GateVerdicts,
    PrevalenceShift,
    QualityShift,
    prevalence_shifts_of_counts,
    quality_shift,
)
from ecgfoundry.models.bundle import Bundle
from ecgfoundry.models.reference import (
    FEWEST_PEOPLE,
    REFERENCE_FILE,
    VERDICTS,
    WINDOW_REFERENCE_FILE,
    AnswersReference,
    read_answers_reference,
    read_reference,
)
from ecgfoundry.tasks import Task
from ecgfoundry.tasks.base import ABSENT

__all__ = [
    "REFERENCES",
    "DriftWatch",
    "ModelDrift",
    "Reference",
    "Seen",
    "Sight",
    "new_salt",
    "person_number",
    "reference_of",
]

REFERENCES = {
    "recordings": REFERENCE_FILE,
    "long": WINDOW_REFERENCE_FILE,
    "streams": WINDOW_REFERENCE_FILE,
}
"""Where people come from, and the embeddings of a bundle that theirs are compared with. Each source
is compared for itself: they are other devices and other people."""

ANSWERS = {"recordings": "recordings", "long": "windows", "streams": "windows"}
"""Which of a bundle's counts of answers a source is compared with."""

RECENT_PEOPLE = 200
"""Of each model (our choice)."""

CHANCE = 0.01
"""How often a look says "shifted" of people of the reference, of each figure (our choice)."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the gate and a model make of one recording or window.

    Attributes
    ----------
    verdict : {"good", "usable", "refused"}
    choices : tuple of int or None
        The class that is answered to each question of the model; None: nothing can be read.
    embedding : float32 (features,) or None
    """

    verdict: str
    choices: tuple[int, ...] | None = None
    embedding: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, look: Look, task: Task) -> Sight:
        """Return what a task says of a look."""
        return cls(look.verdict, look.choices(task), look.embedding)


@dataclass(frozen=True, slots=True)
class Seen:
    """A person, as a model saw them last."""

    model: str
    person: bytes
    sight: Sight
    source: str = "recordings"


@dataclass(frozen=True, eq=False)
class Reference:
    """What a model made of its own people; None: its bundle does not say.

    Attributes
    ----------
    embeddings : float64 (people, features) or None
    answers : AnswersReference or None
    """

    embeddings: NDArray[np.float64] | None
    answers: AnswersReference | None = None


def reference_of(bundle: Bundle, source: str) -> Reference | None:
    """Return what the people of a source are compared with; None: the bundle has nothing.

    Raises
    ------
    BundleError
        A file of it holds something else.
    """
    embeddings = read_reference(bundle, REFERENCES[source])
    answers = read_answers_reference(bundle).get(ANSWERS[source])
    return None if embeddings is None and answers is None else Reference(embeddings, answers)


@dataclass(frozen=True, slots=True)
class ModelDrift:
    """How far the last people of a model and a source are from its reference.

    Attributes
    ----------
    people : int
        That were seen since the start, at most the last 200.
    shift : EnergyShift or None
        Of their embeddings; None: they are fewer than 30.
    quality : QualityShift or None
        Of the gate's verdicts; None also where the bundle does not say how they were.
    prevalence : tuple of PrevalenceShift
        Of every target that is decided, by the answers alone.
    """

    people: int
    shift: EnergyShift | None
    quality: QualityShift | None = None
    prevalence: tuple[PrevalenceShift, ...] = ()

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        shift, quality = self.shift, self.quality
        return {
            "people": self.people,
            "distance": None if shift is None else shift.distance,
            "limit": None if shift is None else shift.limit,
            "shifted": None if shift is None else shift.shifted,
            "quality": None
            if quality is None
            else _known(asdict(quality)) | {"shifted": quality.p_value <= CHANCE},
            "prevalence": [_known(asdict(one), without="observed") for one in self.prevalence],
        }


def _known(figures: dict[str, JsonValue], without: str = "") -> JsonObject:
    """Return figures for JSON, which has no word for what is undefined."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in figures.items()
        if name != without
    }


@dataclass
class _Recent:
    people: OrderedDict[bytes, Sight] = field(default_factory=OrderedDict)
    taken: int = 0
    known: tuple[int, ModelDrift | None] = (0, None)


def new_salt() -> bytes:
    """Return what makes the numbers of people those of one run of the service."""
    return secrets.token_bytes(32)


def person_number(salt: bytes, identifier: str | None, signal: NDArray[np.floating]) -> bytes:
    """Return the number of a person; of a recording, where its file names nobody."""
    said = signal.tobytes() if identifier is None else identifier.encode()
    return hashlib.blake2b(said, key=salt, digest_size=16).digest()


class DriftWatch:
    """The last people of every model that has a reference, by where they come from.

    Parameters
    ----------
    reference : callable
        The reference of a model, by its name and the source, or None.
    """

    def __init__(self, reference: Callable[[str, str], Reference | None]) -> None:
        self._reference = reference
        self._models: dict[tuple[str, str], _Recent] = {}
        self._lock = threading.Lock()

    def take(self, seen: Seen) -> None:
        """Add a recording; of a person who was there before, it takes the place of the former.

        What cannot be read has a verdict only: the answer to the former one stays.
        """
        with self._lock:
            recent = self._models.setdefault((seen.model, seen.source), _Recent())
            sight, former = seen.sight, recent.people.get(seen.person)
            if sight.embedding is None and former is not None:
                sight = replace(former, verdict=sight.verdict)
            recent.people[seen.person] = sight
            recent.people.move_to_end(seen.person)
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

    def _compared(self, model: str, source: str, people: Sequence[Sight]) -> ModelDrift | None:
        try:
            reference = self._reference(model, source)
        except EcgFoundryError:  # the bundle has gone or is damaged: its answers will say so
            return None
        if reference is None:
            return None
        answers = reference.answers
        return ModelDrift(
            len(people),
            _embedding_shift(reference.embeddings, people),
            None if answers is None else _quality_shift(answers, people),
            () if answers is None else _prevalence_shifts(answers, people),
        )


def _embedding_shift(
    reference: NDArray[np.float64] | None, people: Sequence[Sight]
) -> EnergyShift | None:
    if reference is None:
        return None
    # After its bundle was replaced by another, a model's features may be others.
    points = [
        one.embedding
        for one in people
        if one.embedding is not None and one.embedding.shape == reference.shape[1:]
    ]
    if len(points) < FEWEST_PEOPLE:
        return None
    return energy_shift(reference, np.array(points, np.float64))


def _quality_shift(reference: AnswersReference, people: Sequence[Sight]) -> QualityShift | None:
    home = np.repeat(np.array(VERDICTS), reference.verdicts)
    away = np.array([one.verdict for one in people])
    if min(len(home), len(away)) < FEWEST_PEOPLE:
        return None
    return quality_shift(
        *(GateVerdicts(verdicts, np.arange(len(verdicts))) for verdicts in (home, away)), seed=0
    )


def _prevalence_shifts(
    reference: AnswersReference, people: Sequence[Sight]
) -> tuple[PrevalenceShift, ...]:
    # After its bundle was replaced by another, a model's questions may be others.
    kinds = tuple(map(len, reference.questions))
    choices = [one.choices for one in people if one.choices is not None]
    said = np.array([one for one in choices if _fits(one, kinds)], np.intp)
    if len(said) < FEWEST_PEOPLE:
        return ()
    found: list[PrevalenceShift] = []
    for k, classes in enumerate(reference.questions):
        answered = np.bincount(said[:, k], minlength=len(classes))
        shifts = prevalence_shifts_of_counts(
            reference.counts[k], answered, classes, level=1 - CHANCE
        )
        found += shifts[1:] if classes[0] == ABSENT else shifts
    return tuple(found)


def _fits(choices: tuple[int, ...], kinds: tuple[int, ...]) -> bool:
    """Whether choices answer questions with so many classes."""
    return len(choices) == len(kinds) and all(
        one < count for one, count in zip(choices, kinds, strict=True)
    )
