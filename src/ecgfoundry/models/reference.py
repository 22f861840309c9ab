"""What a model made of the people that it was set up on: what drift is measured against.

``reference-embeddings.npy`` has one row for each person, in random order and without a name: the
mean over a short recording. ``reference-window-embeddings.npy`` has the same of one window of up to
ten seconds, with which a long recording and a live stream can be compared. Still they are of
people: they are written only where the owner of the recordings asks for it.
``reference-answers.json`` has counts of both kinds, of one recording of each person: how often the
gate gave each verdict, and how often each true class got each answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import BundleError
from ecgfoundry.io import write_json
from ecgfoundry.models.bundle import Bundle

__all__ = [
    "ANSWERS_FILE",
    "FEWEST_PEOPLE",
    "REFERENCE_FILE",
    "VERDICTS",
    "WINDOW_REFERENCE_FILE",
    "AnswersReference",
    "read_answers_reference",
    "read_reference",
    "write_answers_reference",
    "write_reference",
]

REFERENCE_FILE = "reference-embeddings.npy"
WINDOW_REFERENCE_FILE = "reference-window-embeddings.npy"
ANSWERS_FILE = "reference-answers.json"
VERDICTS = ("good", "usable", "refused")
FEWEST_PEOPLE = 30
"""From which embeddings are compared, as for a claim elsewhere."""
MOST_PEOPLE = 300
"""That are stored: the limit hardly falls with more (our choice)."""


def write_reference(
    folder: Path, embeddings: NDArray[np.floating], name: str = REFERENCE_FILE
) -> Path:
    """Write a reference into a folder.

    Parameters
    ----------
    folder : Path
    embeddings : ndarray (people, features)
        One recording, or one window, of each person; more than 300 people are drawn from.
    name : str
        Of the file.

    Raises
    ------
    BundleError
        There are fewer than 30.
    """
    if len(embeddings) < FEWEST_PEOPLE:
        raise BundleError(
            f"a reference for drift needs {FEWEST_PEOPLE} people, there are {len(embeddings)}",
            remedy="Label more recordings, or leave --drift-reference out",
        )
    order = np.random.default_rng(0).permutation(len(embeddings))[:MOST_PEOPLE]
    path = folder / name
    np.save(path, np.asarray(embeddings, np.float32)[order], allow_pickle=False)
    return path


def read_reference(bundle: Bundle, name: str = REFERENCE_FILE) -> NDArray[np.float64] | None:
    """Return a reference (people, features); None: the bundle has none.

    Raises
    ------
    BundleError
        The file is no table of numbers.
    """
    found = bundle.array(name)
    if found is None:
        return None
    if found.ndim != 2 or found.dtype != np.float32 or not np.isfinite(found).all():
        path = bundle.file(name)
        raise BundleError("is no table of embeddings", path=path, remedy="Get the bundle anew")
    return found.astype(np.float64)


@dataclass(frozen=True, eq=False)
class AnswersReference:
    """What the gate and the model said of one recording, or window, of each person.

    Attributes
    ----------
    verdicts : ndarray of int (3,)
        People of each of :data:`VERDICTS`.
    questions : tuple of tuple of str
        The classes of each question (:attr:`ecgfoundry.tasks.Task.questions`).
    counts : tuple of ndarray of int (answers, classes)
        Of each question, people of each answer and each true class.
    """

    verdicts: NDArray[np.int64]
    questions: tuple[tuple[str, ...], ...]
    counts: tuple[NDArray[np.int64], ...]

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "verdicts": dict(zip(VERDICTS, self.verdicts.tolist(), strict=True)),
            "questions": [
                {"classes": list(classes), "counts": counts.tolist()}
                for classes, counts in zip(self.questions, self.counts, strict=True)
            ],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, object]) -> AnswersReference:
        """Read the JSON form.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is another.
        """
        verdicts, questions = document["verdicts"], document["questions"]
        if not isinstance(verdicts, Mapping) or not isinstance(questions, Sequence):
            raise TypeError("no table of verdicts and list of questions")
        classes = tuple(tuple(map(str, one["classes"])) for one in questions)
        counts = tuple(np.array(one["counts"], np.int64) for one in questions)
        if any(c.shape != (len(k), len(k)) for k, c in zip(classes, counts, strict=True)):
            raise ValueError("counts are not of the classes")
        return cls(np.array([verdicts[name] for name in VERDICTS], np.int64), classes, counts)


def write_answers_reference(folder: Path, references: Mapping[str, AnswersReference]) -> Path:
    """Write the counts of ``recordings`` and ``windows`` into a folder."""
    path = folder / ANSWERS_FILE
    write_json(path, {name: one.to_dict() for name, one in references.items()})
    return path


def read_answers_reference(bundle: Bundle) -> dict[str, AnswersReference]:
    """Return the counts of ``recordings`` and ``windows``; empty: the bundle has none.

    Raises
    ------
    BundleError
        The file holds something else.
    """
    if ANSWERS_FILE not in bundle.about.files:
        return {}
    path = bundle.file(ANSWERS_FILE)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): AnswersReference.from_dict(one) for name, one in document.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise BundleError(
            "is no table of answers", path=path, remedy="Get the bundle anew"
        ) from None
