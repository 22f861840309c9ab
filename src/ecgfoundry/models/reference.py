"""Embeddings of the people that a model was set up on: what drift is measured against.

One row is one person, in random order and without a name: in ``reference-embeddings.npy`` the mean
over a short recording, in ``reference-window-embeddings.npy`` one window of up to ten seconds, with
which a long recording and a live stream can be compared. Still they are of people: they are written
only where the owner of the recordings asks for it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError
from ecgfoundry.models.bundle import Bundle

__all__ = [
    "FEWEST_PEOPLE",
    "REFERENCE_FILE",
    "WINDOW_REFERENCE_FILE",
    "read_reference",
    "write_reference",
]

REFERENCE_FILE = "reference-embeddings.npy"
WINDOW_REFERENCE_FILE = "reference-window-embeddings.npy"
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
