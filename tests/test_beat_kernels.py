"""The kernel regression on averaged beats, by hand."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.experiments import beat_kernels


def test_compressed_by_hand() -> None:
    x = np.array([-1.0, 0.0, 2.0], dtype=np.float32)
    # -ln 4, 0, ln 7
    assert beat_kernels.compressed(x, 3.0) == pytest.approx([-1.386294, 0.0, 1.945910], abs=1e-6)
    assert beat_kernels.compressed(x, 0.0) is x


def test_likeness_of_pairs_by_hand() -> None:
    rows = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    # Squared distances 1, 4 and 9, each twice, and three of 0: their median is 1.
    expected = [[1.0, 0.606531, 0.011109], [0.606531, 1.0, 0.135335], [0.011109, 0.135335, 1.0]]
    np.testing.assert_allclose(beat_kernels.gaussian(rows), expected, atol=1e-6)


def test_a_record_is_answered_by_those_of_other_folds_alone() -> None:
    targets = np.zeros((4, 5))
    targets[:, 0] = [1, 0, 1, 0]
    targets[2, 1] = np.nan  # not known: as the mean
    records = SimpleNamespace(fold=np.array([1, 3, 5, 7]), targets=targets)
    alike = np.eye(4, dtype=np.float32)
    alike[0, 1] = alike[1, 0] = 0.5
    found = beat_kernels.out_of_fold(alike, cast("Any", records))
    # Record 0 of those with 0, 1 and 0 (mean 1/3): -1/3 / (1 + 1) of the one it is half like.
    # Record 1 of those with 1, 1 and 0: half of 1/3 / 2. The others are like nobody.
    assert found[:, 0] == pytest.approx([-1 / 12, 1 / 12, 0, 0])
    assert (found[:, 1:] == 0).all()
