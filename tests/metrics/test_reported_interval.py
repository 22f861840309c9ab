"""The reported interval of an AUROC against its description, written a second time in plain steps.

The second form takes the placement values by loops, the binormal variances from SciPy's bivariate
normal distribution (not Owen's T) and every number of the description as a literal.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from ecgfoundry.metrics import auroc_intervals as ai
from ecgfoundry.metrics.delong import AurocVariance, auroc_covariance
from ecgfoundry.metrics.ranking import Placements


def placements(y: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = s[y == 1][:, None], s[y == 0][None, :]
    wins = (a > b) + (a == b) / 2
    return wins.mean(axis=1), wins.mean(axis=0)


def ratio_by_hand(y: np.ndarray, s: np.ndarray, smaller_is_positive: bool) -> float:
    """Slope of the deciles of the smaller class among the larger one, as normal deviates."""
    above, below = placements(y, s)
    own, other = (above, int((y == 0).sum())) if smaller_is_positive else (below, int(y.sum()))
    x, z = [], []
    for share in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        placed = np.quantile(own, share)
        # A record and a half of the other class on either side.
        if placed * other >= 1.5 and (1 - placed) * other >= 1.5:
            x.append(stats.norm.ppf(share))
            z.append(stats.norm.ppf(placed))
    if len(x) < 3:
        return 1.0
    slope = min(max(np.polyfit(x, z, 1)[0], 0.4), 2.5)
    return float(slope if smaller_is_positive else 1 / slope)


def binormal_parts_by_hand(auroc: float, ratio: float) -> tuple[float, float]:
    """Q - t^2, with Q the probability that both of two comparisons hold that share a record."""
    z = stats.norm.ppf(auroc)
    parts = []
    for correlation in (ratio**2 / (1 + ratio**2), 1 / (1 + ratio**2)):
        both = stats.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
        parts.append(float(both.cdf([z, z])) - auroc**2)
    return parts[0], parts[1]


def interval_by_hand(
    y: np.ndarray, s: np.ndarray, who: np.ndarray, level: float
) -> tuple[float, float]:
    found = auroc_covariance(y, [s], patients=who)  # checked in test_worked_numbers
    t, variance = float(found.auroc[0]), float(found.covariance[0, 0])
    m, n = int((y == 1).sum()), int((y == 0).sum())
    patients = len(set(who[y == 1])), len(set(who[y == 0]))
    smaller = min(patients)
    ratio = ratio_by_hand(y, s, patients[0] <= patients[1])
    v10, v01 = binormal_parts_by_hand(t, ratio)
    model = (t * (1 - t) + (n - 1) * v10 + (m - 1) * v01) / (m * n)
    model *= min(max(variance / float(found.independent[0]), 0.2), 50.0)
    moderated = variance + 60 / (60 + smaller - 1) * max(model - variance, 0)
    a, b = v10 / patients[0], v01 / patients[1]
    freedom = (a + b) ** 2 / (a**2 / (patients[0] - 1) + b**2 / (patients[1] - 1))
    error = moderated**0.5 / (t * (1 - t))
    bias = min(max((t - 0.5) * error**2, -0.5 * error), 0.5 * error)
    half = stats.t.ppf(0.5 + level / 2, freedom) * (1 + 1 / smaller) * error
    centre = np.log(t / (1 - t)) - bias
    return tuple(1 / (1 + np.exp(-(centre + side * half))) for side in (-1, 1))


Case = tuple[np.ndarray, np.ndarray, np.ndarray]


def independent(m: int, n: int, shift: float, spread: float, seed: int) -> Case:
    generator = np.random.default_rng(seed)
    s = np.concatenate([shift + spread * generator.normal(size=m), generator.normal(size=n)])
    return np.repeat([1.0, 0.0], (m, n)), s, np.arange(m + n)


def repeated(case: Case, times: int) -> Case:
    """Records that are copies within a patient: the clusters widen the interval."""
    y, s, who = case
    noise = 1e-6 * np.random.default_rng(2).normal(size=len(y) * times)
    return np.repeat(y, times), np.repeat(s, times) + noise, np.repeat(who, times)


def paired(seed: int) -> Case:
    """A positive and a negative of each patient, alike but for a little: the clusters narrow it."""
    generator = np.random.default_rng(seed)
    effect = 4.0 * generator.normal(size=25)
    s = np.concatenate([effect + 1.0, effect]) + 0.2 * generator.normal(size=50)
    return np.repeat([1.0, 0.0], 25), s, np.tile(np.arange(25), 2)


CASES = {
    "fewer positives": independent(12, 30, 1.2, 1.0, 0),
    "fewer negatives": independent(40, 15, 1.2, 0.8, 1),
    "as many": independent(20, 20, 0.7, 1.3, 2),
    "near one": independent(6, 9, 2.8, 1.0, 4),
    "near zero": independent(6, 9, -2.8, 1.0, 4),
    "few, hardly apart": independent(3, 4, 0.5, 1.0, 8),
    "narrow positives": independent(30, 300, 1.0, 0.1, 4),
    "wide positives": independent(30, 300, 1.0, 6.0, 5),
    "narrow negatives": independent(300, 30, 6.0, 6.0, 6),
    "wide negatives": independent(300, 30, 0.2, 0.3, 6),
    "copies": repeated(independent(8, 11, 1.0, 1.0, 2), 3),
    # So near one that the model counts, 50 times as large as it would be without clusters.
    "very many copies": repeated(independent(6, 9, 2.8, 1.0, 4), 48),
    "pairs": paired(0),
}


@pytest.mark.parametrize("name", CASES)
def test_the_interval_is_the_one_described(name: str) -> None:
    y, s, who = CASES[name]
    for level in (0.95, 0.8):
        found = ai.auroc_interval(y, s, patients=who, level=level)
        assert found.method == "delong-moderated"
        assert (found.low, found.high) == pytest.approx(
            interval_by_hand(y, s, who, level), abs=2e-5
        )
    variance = float(auroc_covariance(y, [s], patients=who).covariance[0, 0])
    half = 1.2815515655446004 * variance**0.5  # the normal quantile of 0.9
    assert found.standard_error == pytest.approx(variance**0.5)
    assert found.delong_low == pytest.approx(max(found.auroc - half, 0.0))
    assert found.delong_high == pytest.approx(min(found.auroc + half, 1.0))
    usual = ai.auroc_interval(y, s, patients=who)
    assert usual.low < found.low < found.auroc or usual.method == "none"


def test_the_cases_reach_every_limit() -> None:
    """Else the test above would say nothing about the limits."""
    ratios, widened, biases = {}, {}, {}
    for name, (y, s, who) in CASES.items():
        found = auroc_covariance(y, [s], patients=who)
        ratios[name] = ai.spread_ratio(found)
        widened[name] = float(found.covariance[0, 0] / found.independent[0])
        t = float(found.auroc[0])
        error = float(found.covariance[0, 0]) ** 0.5 / (t * (1 - t))
        biases[name] = (t - 0.5) * error
    assert ratios["narrow positives"] == 0.4 and ratios["wide positives"] == 2.5
    assert ratios["narrow negatives"] == 2.5 and ratios["wide negatives"] == 0.4
    assert widened["very many copies"] > 50 and widened["pairs"] < 0.2
    assert 1.5 < widened["copies"] < 50
    assert biases["near one"] > 0.5 and biases["near zero"] < -0.5 and biases["as many"] < 0.5


def test_spread_ratios_of_many_small_tied_samples() -> None:
    """Whole-number scores put quantiles on the limit of a record and a half, and leave few."""
    generator = np.random.default_rng(9)
    ones = 0
    for _ in range(150):
        m, n = generator.integers(3, 14, 2)
        y = np.repeat([1.0, 0.0], (m, n))
        s = generator.integers(0, 6, m + n) + 1.0 * y
        found = ai.spread_ratio(auroc_covariance(y, [s]))
        assert found == pytest.approx(ratio_by_hand(y, s, bool(m <= n)), abs=1e-9)
        ones += found == 1.0
    assert 10 < ones < 140


@pytest.mark.parametrize(
    ("placed", "ratio"),
    [
        # Nine deciles at 1.5 of 16: resolved, and flat: the smallest ratio.
        (np.full(5, 1.5 / 16), 0.4),
        (np.full(5, 14.5 / 16), 0.4),
        # A little less: none is resolved.
        (np.full(5, 1.499 / 16), 1.0),
        (np.full(5, 14.501 / 16), 1.0),
    ],
)
def test_a_record_and_a_half_resolves_a_decile(placed: np.ndarray, ratio: float) -> None:
    found = variance_of(placements=Placements(placed, np.full(16, placed[0])))
    assert ai.spread_ratio(found) == pytest.approx(ratio)


def variance_of(**fields: object) -> AurocVariance:
    usual: dict[str, object] = {
        "auroc": np.array([0.8]), "covariance": np.array([[0.01]]), "independent": np.array([0.01]),
        "positives": 5, "negatives": 16, "positive_patients": 5, "negative_patients": 15,
        "effective_positive_patients": 5.0, "effective_negative_patients": 15.0,
        "placements": Placements(np.empty(0), np.empty(0)),
    }  # fmt: skip
    usual |= fields
    usual["placements"] = (usual["placements"],)
    return AurocVariance(**usual)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("patients", "effective", "auroc", "reliable"),
    [
        (30, 15.0, 0.8, True),
        (29, 15.0, 0.8, False),
        (30, 14.99, 0.8, False),
        (30, 15.0, 0.6, True),
        (30, 15.0, 0.599, False),
        (30, 15.0, 0.95, True),
        (30, 15.0, 0.951, False),
        (30, 15.0, float("nan"), False),
    ],
)
def test_an_interval_is_flagged_outside_what_was_simulated(
    patients: int, effective: float, auroc: float, reliable: bool
) -> None:
    """docs/evaluation.md: 30 patients of each class, worth 15, and an AUROC of 0.6 to 0.95."""
    for few, many in itertools.permutations(("positive", "negative")):
        found = variance_of(
            **{
                f"{few}_patients": patients, f"{many}_patients": 500,
                f"effective_{few}_patients": effective, f"effective_{many}_patients": 400.0,
                "auroc": np.array([auroc]),
            }
        )  # fmt: skip
        assert ai.is_reliable(found) is reliable


def test_where_the_data_give_no_variance_newcombes_interval_counts_patients() -> None:
    """Perfect scores of 4 and 9 patients with two records each; and one patient in a class."""
    y = np.repeat([1.0, 0.0], (8, 18))
    who = np.repeat(np.arange(13), 2)
    found = ai.auroc_interval(y, y, patients=who, level=0.9)
    z, mean = 1.6448536269514722, (4 + 9) / 2 - 1
    t = found.low
    error = t * (1 - t) / 36 * (1 + mean * ((1 - t) / (2 - t) + t / (1 + t)))
    assert found.method == "newcombe" and found.high == 1.0
    assert 1 - t == pytest.approx(z * error**0.5, rel=1e-6)
    one = ai.auroc_interval([1, 1, 0, 0, 0], [3, 1, 2, 0, 1], patients=[0, 0, 1, 2, 3])
    assert one.method == "newcombe" and one.positive_patients == 1
    two = ai.auroc_interval([1, 1, 0, 0, 0], [3, 1, 2, 0, 1], patients=[0, 4, 1, 2, 3])
    assert two.method == "delong-moderated"
    assert (one.positives, one.negatives, one.negative_patients) == (2, 3, 3)
