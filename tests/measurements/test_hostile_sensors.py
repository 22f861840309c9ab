"""Signals of sensors that are no ECG: each kind can be made, anew and the same again."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from benchmarks.experiments.hostile_sensors import SENSORS


def hostile(kind: str, number: int, seed: int) -> tuple[np.ndarray, float]:
    g = np.random.default_rng([number, zlib.crc32(kind.encode()), seed])
    rate = float(g.choice((125, 250, 500)))
    return SENSORS[kind](g, round(10 * rate), rate), rate


@pytest.mark.parametrize("kind", SENSORS)
def test_kinds_are_made_anew_and_the_same_again(kind: str) -> None:
    one, rate = hostile(kind, 1, 5)
    assert one.shape == (round(10 * rate),) and np.isfinite(one).all() and np.ptp(one) > 0
    np.testing.assert_array_equal(one, hostile(kind, 1, 5)[0])
    other, _ = hostile(kind, 2, 5)
    assert other.size != one.size or not np.allclose(one, other)
