"""A pool of windows of many people: who validates, and what a run says about it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import TrainingError
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.training.data.sources import SourcePool
from ecgfoundry.training.settings import PretrainSettings

__all__ = [
    "Positions",
    "data_document",
    "parted",
    "replacement_for",
    "split_hash",
    "validation_positions",
]

ECGFOUNDER_REPLACEMENT = 0.5
"""Probability that lead I is replaced by another frontal axis (arXiv 2410.04133)."""

Positions = NDArray[np.intp]


def validation_positions(groups: Sequence[str], share: float, seed: int) -> NDArray[np.bool_]:
    """Return which windows validate: those of the patients whose hash falls below ``share``.

    The choice depends on the patient's name and the seed alone, so a corpus that grows keeps its
    validation patients.
    """
    chosen: dict[str, bool] = {}
    for group in groups:
        if group not in chosen:
            digest = hashlib.sha256(f"validation:{seed}:{group}".encode()).digest()
            chosen[group] = int.from_bytes(digest[:8], "big") < share * 2**64
    return np.array([chosen[group] for group in groups], dtype=bool)


def parted(
    pool: SourcePool, share: float, seed: int
) -> tuple[Positions, Positions, NDArray[np.bool_]]:
    """Return the windows that train, those that validate, and which of all validate.

    Raises
    ------
    TrainingError
        One of the two parts is empty.
    """
    held = validation_positions(pool.groups, share, seed)
    training, validation = np.flatnonzero(~held), np.flatnonzero(held)
    if not len(training) or not len(validation):
        raise TrainingError(
            f"{len(training)} windows train and {len(validation)} validate",
            remedy="Raise --validation-share, or give more patients",
        )
    return training, validation, held


def split_hash(pool: SourcePool, held: NDArray[np.bool_]) -> str:
    """Return one SHA-256 for who the windows are of, and which of them validate."""
    digest = hashlib.sha256(held.tobytes())
    digest.update("\0".join(pool.groups).encode())
    return digest.hexdigest()


def replacement_for(settings: PretrainSettings, spec: InputSpec, pool: SourcePool) -> float:
    """Return the probability of lead replacement: ECGFounder's where left open and possible."""
    wanted = settings.augmentation.lead_replacement
    if wanted is not None:
        return wanted
    possible = spec.lead_mode == "any-single" and spec.leads == ("I",)
    both = all({"I", "II"} <= set(source.leads) for source in pool.sources)
    return ECGFOUNDER_REPLACEMENT if possible and both else 0.0


def data_document(pool: SourcePool, training: Positions, validation: Positions) -> JsonObject:
    """Return the sizes, and the hash of all signals."""
    return {
        "sources": [
            {"windows": len(s), "sampling_rate": s.sampling_rate, "leads": list(s.leads)}
            for s in pool.sources
        ],
        "training": len(training),
        "validation": len(validation),
        "sha256": pool.content_hash,
    }
