"""What the classes of beats are told from, of all beats at once, by ``native/beat_features.c``."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.measurements.templates import BeatPieces, Templates
from ecgfoundry.native.jobs import Job, arrays, as_read, counts, numbers

__all__ = ["measure_beats"]

_Two = ctypes.c_int64 * 2


class _BeatFeaturesJob(Job):  # ecgfoundry_beat_features_job of beat_features.h
    kernel = "beat_features"
    _fields_ = (
        *arrays("values", "vectors", "centre", "number", "sizes", "table"),
        *counts("leads", "beats", "columns", "width", "templates", "reference"),
        *((name, _Two) for name in ("qrs", "t", "p")),
        *counts("shift", "step", "near", "far", "row"),
        *numbers("rate", "high_share", "regular", "late_share"),
        *numbers("least_lead", "least_ratio", "most_ratio"),
    )


def measure_beats(
    pieces: BeatPieces,
    templates: Templates,
    limits: Mapping[str, float | tuple[int, int]],
    columns: int,
) -> NDArray[np.float64] | None:
    """Return the features (beats, columns); None without kernels or if they do not take the job.

    Parameters
    ----------
    pieces : BeatPieces
    templates : Templates
        Of the same beats.
    limits : mapping
        The other fields of the job by name.
    columns : int
        How many features there are.
    """
    if native.library() is None:
        return None
    values, vectors = (as_read(array, np.float32) for array in (pieces.values, pieces.vectors))
    leads, beats, length = values.shape
    table = np.empty((beats, columns))
    job = _BeatFeaturesJob(
        values=values, vectors=vectors, centre=as_read(pieces.centre_s), table=table,
        number=as_read(templates.number, np.int64), sizes=as_read(templates.sizes, np.int64),
        leads=leads, beats=beats, columns=length, width=vectors.shape[1],
        templates=templates.sizes.size, reference=templates.reference, **limits,
    )  # fmt: skip
    return table if job.run() else None
