"""Recordings and a model whose logits are worked out on paper.

The recipe scales all leads of a window together (``ecgfounder-ptbxl-eval@1``). Each lead is a row
of narrow complexes, 300 per minute, of mean 0 and mean square 1, times an amplitude. Amplitudes a,
b and c with a^2 + b^2 + c^2 = 3 give mean 0 and deviation 1, so they pass the recipe unchanged. The
network's features (mean of |signal| over ``SIZE``, that of the complexes) are a, b and c::

                 I    II   V1     A = I + 2 II - V1    B = 5 V1 - I    H = 0
    window P    1.4  1.0  0.2           3.2                -0.4          0
    window Q    0.2  1.4  1.0           2.0                 4.8          0
    window R    1.0  0.2  1.4           0.0                 6.0          0

"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.recording import Recording
from tests.bundles import make_bundle

_TIME = (np.arange(100) - 40) / 500.0
_COMPLEX = (
    np.exp(-0.5 * (_TIME / 0.01) ** 2)
    - 0.3 * np.exp(-0.5 * ((_TIME + 0.025) / 0.008) ** 2)
    - 0.4 * np.exp(-0.5 * ((_TIME - 0.025) / 0.009) ** 2)
)
BEAT = (_COMPLEX - _COMPLEX.mean()) / _COMPLEX.std()
"""0.2 s at 500 Hz."""
SIZE = float(np.abs(BEAT).mean())
P, Q, R = (1.4, 1.0, 0.2), (0.2, 1.4, 1.0), (1.0, 0.2, 1.4)
WEIGHTS = np.array([[1.0, -1, 0, 9], [2, 0, 0, 9], [-1, 5, 0, 9]])  # leads I, II, V1
TARGETS = (
    {"name": "A", "kind": "diagnosis", "codes": {"SNOMED CT": "1"}},
    {"name": "B", "kind": "diagnosis"},
    {"name": "H", "kind": "rhythm"},
    {"name": "never alone", "kind": "modifier", "standalone": False},
)


def wave(*windows: tuple[float, float, float], seconds: float = 10.0) -> np.ndarray:
    """Leads I, II and V1 at 500 Hz: each window complexes of the given amplitudes."""
    row = np.tile(BEAT, round(5 * seconds))
    return np.concatenate([np.outer(amplitudes, row) for amplitudes in windows], axis=1)


def record(x: np.ndarray, leads: tuple[str, ...] = ("I", "II", "V1"), **more: Any) -> Recording:
    return Recording.from_array(x, sampling_rate=500, leads=leads, unit="mV", **more)


def platt(scale: list[float], offset: list[float]) -> dict[str, Any]:
    return {"method": "platt", "scale": scale, "offset": offset}


def build(folder: Path, **changes: Any) -> Predictor:
    document: dict[str, Any] = {
        "preprocessing": "ecgfounder-ptbxl-eval@1",
        "targets": TARGETS,
        "calibration": {
            "record": platt([2, 1, 1, 1], [-3, 0.5, 0, 0]),
            "window": platt([1, 1, 1, 1], [-1, -1, 0, 0]),
            "reduced_leads": platt([1, 1, 1, 1], [0.25, 0, 0, 0]),
        },
        "thresholds": {"values": [0.6, 0.99, 0.5, 0.5], "criterion": "-", "fitted_on": "-"},
    } | changes
    return load_model(make_bundle(folder / "hand", WEIGHTS, size=SIZE, **document), threads=1)
