"""Samples that came as JSON, made into a file that the readers know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.io import write_atomically
from ecgfoundry.service.problems import Problem, ProblemError

__all__ = ["SAMPLES_NAME", "array_of_samples"]

SAMPLES_NAME = "ecgfoundry-samples.json"
"""On the disk, samples that were sent as JSON."""

_REMEDY = 'Send {"signal": [[...], ...], "sampling_rate": 500, "leads": ["I"], "unit": "mV"}'


def array_of_samples(path: Path) -> Path:
    """Return the array file of a JSON document, which lies beside it from then on.

    Raises
    ------
    ProblemError
        400: the document is none of ours.
    """
    made = path.with_suffix(".npz")
    if made.exists():
        return made
    arrays = _arrays_of(path.read_bytes())
    with write_atomically(made) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return made


def _arrays_of(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
        rows = [[np.nan if v is None else v for v in row] for row in document["signal"]]
        signal = np.array(rows, np.float32)
        stated = {
            "sampling_rate": float(document["sampling_rate"]),
            "leads": [str(lead) for lead in document["leads"]],
            "unit": str(document["unit"]),
        }
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        words = f"the samples cannot be understood ({type(error).__name__}: {str(error)[:100]})"
        raise ProblemError(Problem(400, "request", words, _REMEDY)) from None
    if signal.ndim != 2 or signal.size == 0:
        words = "'signal' needs one row of samples per lead"
        raise ProblemError(Problem(400, "request", words, _REMEDY))
    return {"signal": signal} | {key: np.array(value) for key, value in stated.items()}
