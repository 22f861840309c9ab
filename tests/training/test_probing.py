"""Linear probes against their closed form, and how the penalty is chosen."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.errors import TrainingError  # noqa: E402
from ecgfoundry.tasks import Readout, TargetScale  # noqa: E402
from ecgfoundry.tasks.regression import Regression  # noqa: E402
from ecgfoundry.training import probing  # noqa: E402
from ecgfoundry.training.probing import fit_linear_probe  # noqa: E402
from ecgfoundry.vocabularies import Target, Vocabulary  # noqa: E402


def values_task(outputs: int) -> Regression:
    """Values that are learned as they are: mean 0, deviation 1."""
    targets = tuple(Target(f"t{k}", "measurement") for k in range(outputs))
    names = tuple(target.name for target in targets)
    unit = Readout(scale=TargetScale((1.0,) * outputs, (0.0,) * outputs))
    return Regression(columns=names, vocabulary=Vocabulary("v", targets), readout=unit)


def embeddings(count: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((count, 3)) * [1.0, 4.0, 0.2] + [0.0, 7.0, -3.0]
    return x.astype(np.float32)


@pytest.mark.parametrize("penalty", [1e-3, 0.1, 2.0])
def test_small_residuals_are_ridge_regression(penalty: float) -> None:
    """Huber's loss under 1 is r^2 / 2, so the probe solves (Z'Z / n + 2 penalty) w = Z'y / n.

    Z are the features of mean 0 and deviation 1; the loss and the penalty are means over the
    outputs, so that each has the equation of its own.
    """
    x = embeddings(400)
    z = (x - x.mean(0)) / x.std(0)
    y = 0.2 * z @ np.array([[1.0, -0.5], [0.3, 0.8], [-0.7, 0.1]]) + np.array([0.4, -0.2])
    expected = np.linalg.solve(z.T @ z / 400 + 2 * penalty * np.eye(3), z.T @ y / 400)
    probe = fit_linear_probe(x, y, values_task(2), penalties=(penalty,), iterations=200)
    # The search ends where the loss changes by less than 1e-7: weights to about its root.
    np.testing.assert_allclose(probe.weight.T * x.std(0)[:, None], expected, atol=1e-3)
    np.testing.assert_allclose(probe(x).mean(0), y.mean(0), atol=1e-3)
    assert probe.penalty == penalty


def test_penalties_that_are_tried_and_iterations_at_most() -> None:
    assert probing.PENALTIES == (1e-4, 1e-3, 1e-2, 1e-1)
    assert probing.ITERATIONS == 60


def test_the_penalty_with_the_least_validation_loss_is_taken() -> None:
    # The target follows the first feature; on the validation records the second one, which is
    # noise in training, is as good as absent, so that less shrinking is always better ...
    x = embeddings(300)
    z = (x - x.mean(0)) / x.std(0)
    y = 0.5 * z[:, :1]
    task = values_task(1)
    assert fit_linear_probe(x, y, task, validation=(x, y)).penalty == 1e-4
    # ... and where validation is the mean alone, more is.
    flat = np.full_like(y, y.mean())
    assert fit_linear_probe(x, y, task, validation=(x, flat)).penalty == 1e-1
    # Half of the slope is what a penalty of 1/2 leaves: 1 / (1 + 2 / 2).
    half = y.mean() + 0.5 * (y - y.mean())
    chosen = fit_linear_probe(x, y, task, validation=(x, half), penalties=(1e-3, 0.5, 5.0))
    assert chosen.penalty == 0.5
    # Without validation it is the first one that is named.
    assert fit_linear_probe(x, y, task, penalties=(0.5, 1e-3)).penalty == 0.5
    with pytest.raises(TrainingError, match="at least one penalty"):
        fit_linear_probe(x, y, task, validation=(x, y), penalties=())


def test_a_feature_that_does_not_vary_gets_no_weight() -> None:
    x = embeddings(200)
    y = 0.3 * (x[:, :1] - x[:, :1].mean())
    x = np.concatenate([x, np.full((200, 1), 5.0, np.float32)], axis=1)
    probe = fit_linear_probe(x, y, values_task(1), penalties=(1e-4,))
    assert probe.weight[0, 3] == pytest.approx(0.0, abs=1e-6)
    assert probe.weight[0, 0] == pytest.approx(0.3, abs=2e-3)
