"""What the classes of beats are told from, of all beats at once, by ``native/beat_features.c``."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.measurements.templates import BeatPieces, Templates
from ecgfoundry.signals.kernels import run_job

__all__ = ["measure_beats"]

_Two = ctypes.c_int64 * 2


class _BeatFeaturesJob(ctypes.Structure):  # ecgfoundry_beat_features_job of beat_features.h
    _fields_ = (
        *(
            (name, ctypes.c_void_p)
            for name in ("values", "vectors", "centre", "number", "sizes", "table")
        ),
        *(
            (name, ctypes.c_int64)
            for name in ("leads", "beats", "columns", "width", "templates", "reference")
        ),
        *((name, _Two) for name in ("qrs", "t", "p")),
        *((name, ctypes.c_int64) for name in ("shift", "step", "near", "far", "row")),
        *(
            (name, ctypes.c_double)
            for name in (
                *("rate", "high_share", "regular", "late_share"),
                *("least_lead", "least_ratio", "most_ratio"),
            )
        ),
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
    values, vectors = (
        np.ascontiguousarray(array, dtype=np.float32) for array in (pieces.values, pieces.vectors)
    )
    number, sizes = (
        np.ascontiguousarray(array, dtype=np.int64) for array in (templates.number, templates.sizes)
    )
    centre = np.ascontiguousarray(pieces.centre_s, dtype=np.float64)
    table = np.empty((centre.size, columns))
    job = _BeatFeaturesJob(
        *(array.ctypes.data for array in (values, vectors, centre, number, sizes, table)),
        *values.shape, vectors.shape[1], sizes.size, templates.reference, **limits,
    )  # fmt: skip
    return table if run_job("beat_features", job) else None
