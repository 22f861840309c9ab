"""The energy distance against numbers by hand, and its limit where nothing has moved."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.metrics.energy import energy_distance, energy_shift


def test_distance_by_hand() -> None:
    # Of 0, 1 from 2, 4: 2 * mean(2, 4, 1, 3) - 1 - 2 = 2.
    near, far = np.array([[0.0], [1.0]]), np.array([[2.0], [4.0]])
    assert energy_distance(near, far) == pytest.approx(2.0, abs=1e-12)
    # In the plane: (0, 0) twice from (3, 4) twice: 2 * 5.
    assert energy_distance(np.zeros((2, 2)), np.tile([3.0, 4.0], (2, 1))) == pytest.approx(10.0)


def test_distance_of_two_normal_distributions() -> None:
    """E|N(0, 2)| is 2 / sqrt(pi), 1.128379; E|N(1, 2)| is 1.399282 (folded normal): 0.541806."""
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(800, 1)), 1 + generator.normal(size=(800, 1))
    # Four standard errors of the estimate.
    assert energy_distance(x, y) == pytest.approx(0.541806, abs=0.23)


def test_a_shift_is_beyond_the_limit_and_none_is_within() -> None:
    generator = np.random.default_rng(0)
    home = generator.normal(size=(300, 8)) * np.arange(1, 9) + 5
    same = generator.normal(size=(60, 8)) * np.arange(1, 9) + 5
    found = energy_shift(home, same)
    assert not found.shifted and found.p_value > 0.01
    assert (found.points_reference, found.points) == (300, 60)
    moved = energy_shift(home, same + np.arange(1, 9))  # one deviation in every feature
    assert moved.shifted and moved.p_value == pytest.approx(0.001)
    wider = energy_shift(home, (same - 5) * 2 + 5)  # the same place, twice the spread
    assert wider.shifted and wider.distance < moved.distance


def test_the_limit_is_passed_once_in_a_hundred() -> None:
    """Forty draws from one distribution: more than three beyond it have a chance of 0.0008."""
    beyond = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        home, away = generator.normal(size=(120, 3)), generator.normal(size=(40, 3))
        beyond += energy_shift(home, away, seed=seed).shifted
    assert beyond <= 3


def test_units_and_constant_features_change_nothing() -> None:
    generator = np.random.default_rng(1)
    home, away = generator.normal(size=(80, 4)), generator.normal(0.3, 1, size=(50, 4))
    plain = energy_shift(home, away)
    scale = np.array([1e-3, 1.0, 1e3, 1e6])
    constant = [np.column_stack([z * scale, np.full(len(z), 7.0)]) for z in (home, away)]
    other = energy_shift(*constant)
    assert other.distance == pytest.approx(plain.distance, rel=1e-6)
    assert other.p_value == plain.p_value
