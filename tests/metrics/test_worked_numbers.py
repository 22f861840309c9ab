"""Metrics of small cases worked out by hand: every limit from both sides, every default once."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import scipy.stats

from ecgfoundry.errors import SignalError
from ecgfoundry.metrics import (
    calibration,
    challenges,
    classification,
    comparison,
    decisions,
    delong,
    ranking,
    regression,
    reliability,
    resampling,
)
from ecgfoundry.metrics.bands import auroc_band
from ecgfoundry.metrics.bootstrap import bootstrap_ranks

NAN = float("nan")
Z95 = 1.959963984540054  # standard normal quantile of 0.975, NIST/SEMATECH e-Handbook 1.3.6.7.1
Z90 = 1.6448536269514722  # of 0.95


# --- agreement of raters -------------------------------------------------------------------------


def ratings(table: list[list[int]]) -> tuple[list[int], list[int]]:
    """Ratings of two raters from their table of counts, classes in the order given."""
    pairs = [(i, j) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]
    return [i for i, _ in pairs], [j for _, j in pairs]


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        # Cohen 1960, table 1 (200 cases, proportions times 200): observed 0.70, chance 0.41.
        ([[88, 14, 18], [10, 40, 10], [2, 6, 12]], (0.70 - 0.41) / (1 - 0.41)),
        ([[20, 5], [10, 15]], 0.40),  # observed 0.70, chance 0.5 * 0.6 + 0.5 * 0.4
        ([[0, 10], [10, 0]], -1.0),
        ([[25, 25], [25, 25]], 0.0),
    ],
)
def test_kappa_of_published_and_plain_tables(table: list[list[int]], kappa: float) -> None:
    first, second = ratings(table)
    assert comparison.cohen_kappa(first, second) == pytest.approx(kappa, abs=1e-12)
    # The names of the classes mean nothing, and the raters are alike.
    renamed = [[7, -1, 3][k] for k in first], [[7, -1, 3][k] for k in second]
    assert comparison.cohen_kappa(*renamed) == pytest.approx(kappa, abs=1e-12)
    assert comparison.cohen_kappa(second, first) == pytest.approx(kappa, abs=1e-12)


def test_kappa_equals_scikit_learn_and_leaves_out_what_one_did_not_rate(random_generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="the oracle")
    a, b = random_generator.integers(0, 5, (2, 400)).astype(float)
    b[:200] = a[:200]
    wanted = metrics.cohen_kappa_score(a, b)
    assert comparison.cohen_kappa(a, b) == pytest.approx(wanted, abs=1e-12)
    more_a, more_b = np.append(a, [NAN, 1.0, NAN]), np.append(b, [0.0, NAN, NAN])
    assert comparison.cohen_kappa(more_a, more_b) == pytest.approx(wanted, abs=1e-12)


def test_kappa_where_there_is_nothing_to_agree_on() -> None:
    assert np.isnan(comparison.cohen_kappa([], []))
    assert np.isnan(comparison.cohen_kappa([2, 2], [2, 2]))
    assert np.isnan(comparison.cohen_kappa([NAN, 1], [0, NAN]))
    assert comparison.cohen_kappa([1, 1], [0, 0]) == 0.0
    with pytest.raises(SignalError, match="do not belong together"):
        comparison.cohen_kappa([0, 1], [0])


# --- paired decisions ----------------------------------------------------------------------------


def mcnemar(b: int, c: int) -> dict[str, float | int | str]:
    truth = np.ones(b + c + 1)
    first, second = np.ones((2, b + c + 1))
    first[:b], second[b : b + c] = 0, 0
    return comparison.mcnemar(truth, first, second)


def test_mcnemar_by_hand_on_both_sides_of_25_pairs() -> None:
    # 6 + 18: twice the sum of C(24, k) for k up to 6, over 2^24.
    exact = mcnemar(6, 18)
    assert exact["method"] == "exact" and exact["p"] == exact["p_exact"]
    assert exact["p"] == pytest.approx(2 * 190_051 / 2**24, rel=1e-9)
    # 7 + 18: (18 - 7 - 1)^2 / 25 = 4, the square of 2: twice the normal tail beyond 2.
    large = mcnemar(7, 18)
    assert large["method"] == "chi2-corrected" and large["p"] == large["p_chi2_corrected"]
    assert large["p"] == pytest.approx(0.04550026389635842, rel=1e-9)
    # 10 + 15, not corrected: 5^2 / 25 = 1, twice the normal tail beyond 1.
    assert mcnemar(10, 15)["p_chi2"] == pytest.approx(0.31731050786291415, rel=1e-9)


def test_mcnemar_leaves_out_what_is_missing_and_refuses_scores() -> None:
    found = comparison.mcnemar([1, 1, 0, NAN], [0, 1, NAN, 0], [1, 0, 1, 1])
    assert (found["only_a_wrong"], found["only_b_wrong"]) == (1, 1)
    with pytest.raises(SignalError, match="0 or 1"):
        comparison.mcnemar([0, 1], [0.3, 1], [0, 1])


def test_benjamini_hochberg_of_the_paper() -> None:
    """Benjamini and Hochberg 1995, section 3.2: 15 p-values, four discoveries at 0.05."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
         0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip
    q = comparison.benjamini_hochberg(p)
    assert (q <= 0.05).sum() == 4
    assert q[:4] == pytest.approx([0.0015, 0.003, 0.0095, 0.035625])
    assert q[-1] == 1.0
    assert comparison.benjamini_hochberg([0.02, NAN, 0.01]) == pytest.approx(
        [0.02, NAN, 0.02], nan_ok=True
    )


# --- counts and thresholds -----------------------------------------------------------------------


def test_a_score_at_the_threshold_is_positive() -> None:
    assert decisions.decision_counts([1, 0, 1, 0], [0.5, 0.5, 0.49, 0.49], 0.5).tolist() == [
        1, 1, 1, 1,
    ]  # fmt: skip


def test_measures_of_one_table() -> None:
    # 8 true and 2 false positives, 4 false and 16 true negatives.
    found = decisions.decision_measures([8, 2, 4, 16])
    wanted = {
        "sensitivity": 8 / 12,
        "specificity": 16 / 18,
        "ppv": 8 / 10,
        "npv": 16 / 20,
        "f1": 16 / 22,
        "mcc": 120 / np.sqrt(10 * 12 * 18 * 20),
        "accuracy": 24 / 30,
    }
    for name, value in wanted.items():
        assert float(found[name]) == pytest.approx(value, abs=1e-12), name


def test_averages_of_decisions_by_hand() -> None:
    # Sensitivity 1/2 of 4 positives and 1 of 1; the third target has no positive.
    counts = np.array([[2, 1, 2, 5], [1, 0, 0, 9], [0, 1, 0, 9]])
    found = decisions.summarize_decisions(counts)
    assert found["macro"]["sensitivity"] == pytest.approx(0.75)
    assert found["micro"]["sensitivity"] == pytest.approx(3 / 5)
    assert found["weighted"]["sensitivity"] == pytest.approx((4 * 0.5 + 1 * 1.0) / 5)
    assert found["macro"]["ppv"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    nothing = decisions.summarize_decisions(np.zeros((0, 4), dtype=np.int64))
    assert all(np.isnan(v) for cells in nothing.values() for v in cells.values())
    unweighted = decisions.summarize_decisions(np.array([[0, 1, 0, 3]]))
    assert np.isnan(unweighted["weighted"]["specificity"])
    assert unweighted["macro"]["specificity"] == pytest.approx(0.75)


def test_youden_and_f1_thresholds_lie_midway() -> None:
    y, s = [1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.4, 0.3, 0.1]
    # Youden's J: 1/3, 2/3, 1/3, 2/3, 1/3, 0: the first of the two best, between 0.8 and 0.7.
    assert decisions.youden_threshold(y, s) == pytest.approx(0.75)
    # F1: 1/2, 4/5, 2/3, 6/7, 3/4, 2/3: best at 0.4, between 0.4 and 0.3.
    p = np.array([s]).T
    assert classification.f1_thresholds(p, np.array([y]).T) == pytest.approx([0.35])
    assert decisions.youden_threshold([1, 0], [0.2, 0.2]) == pytest.approx(0.2)
    assert np.isnan(decisions.youden_threshold([1, 1], [0.2, 0.3]))
    assert np.isnan(decisions.youden_threshold([0, 0], [0.2, 0.3]))


def test_f1_thresholds_of_ties_gaps_and_ends() -> None:
    p = np.array([[0.9, 0.6, 0.5, 0.4], [0.7, 0.6, 0.4, 0.3], [0.7, 0.2, 0.2, 0.2]])
    y = np.array([[1.0, 1.0, NAN, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    found = classification.f1_thresholds(p, y)
    # 0.9 alone: 2/3; 0.7 brings one more positive and a negative: 4/5. Below it nothing is left.
    assert found[0] == pytest.approx(0.35)
    # A tie is taken whole: 0.6 has one of each, F1 2/3; between 0.6 and 0.2.
    assert found[1] == pytest.approx(0.4)
    assert found[2] == pytest.approx(0.3)  # the first row is not known
    assert np.isnan(found[3])
    assert classification.f1_thresholds([[0.8], [0.6]], [[1], [1]]) == pytest.approx([0.3])


@pytest.mark.parametrize(
    ("successes", "trials", "level", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 1998, table I, method 3 (score, not corrected).
        (81, 263, 0.95, 0.2553, 0.3662),
        (15, 148, 0.95, 0.0624, 0.1605),
        (0, 20, 0.95, 0.0, 0.1611),
        (1, 29, 0.95, 0.0061, 0.1718),
        # At 90 %: statsmodels 0.15.0, proportion_confint(15, 148, alpha=0.1, method="wilson").
        (15, 148, 0.90, 0.0674, 0.1496),
    ],
)
def test_wilsons_interval_is_the_published_one(
    successes: int, trials: int, level: float, low: float, high: float
) -> None:
    found = decisions.wilson_interval(successes, trials, level=level)
    assert [float(v) for v in found] == pytest.approx([low, high], abs=5.1e-5)
    turned = decisions.wilson_interval(trials - successes, trials, level=level)
    assert [float(v) for v in turned] == pytest.approx([1 - high, 1 - low], abs=5.1e-5)


def test_wilsons_interval_ends_at_0_and_1_exactly() -> None:
    n = np.arange(1, 300)
    assert (decisions.wilson_interval(0 * n, n)[0] == 0.0).all()
    assert (decisions.wilson_interval(n, n)[1] == 1.0).all()


def test_wilsons_interval_of_nothing() -> None:
    assert np.isnan(decisions.wilson_interval(0, 0)).all()


def test_bands_at_their_limits() -> None:
    """AnyECG-Lab, arXiv 2510.22301: "above 0.65", "0.55 to 0.65", "below 0.55"."""
    for value, band in ((1.0, "strong"), (0.65, "strong"), (0.64999, "moderate"),
                        (0.55, "moderate"), (0.54999, "limited"), (0.0, "limited")):  # fmt: skip
        assert auroc_band(value) == band


def test_the_cinc2017_score_does_not_average_the_noisy_class() -> None:
    # F1 of N 6/7 (3 of 3 found, one noisy record called N), A 1, O 1, noisy 0.
    truth, predicted = [0, 0, 0, 1, 2, 3], [0, 0, 0, 1, 2, 0]
    assert challenges.cinc2017_score(truth, predicted) == pytest.approx((6 / 7 + 1 + 1) / 3)
    assert challenges.CINC2017_CLASSES == ("N", "A", "O", "~")


# --- calibration ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "y", "error"),
    [
        # Guo et al. 2017: 15 bins of equal width. 1/15 = 0.0667 parts 0.066 from 0.067,
        ([0.066, 0.067], [1, 0], (0.934 + 0.067) / 2),
        # and nothing parts 0.061 from 0.066 (1/16 would),
        ([0.061, 0.066], [1, 0], (1 - 0.127) / 2),
        # nor 0.067 from 0.072 (1/14 would).
        ([0.067, 0.072], [1, 0], (1 - 0.139) / 2),
        ([1.0, 0.94], [0, 1], abs(1 - 1.94) / 2),  # 1 belongs to the last bin
        ([1 / 15, 0.06], [1, 0], (14 / 15 + 0.06) / 2),  # an edge belongs to the bin above
    ],
)
def test_the_calibration_error_has_fifteen_bins(p: list[float], y: list[int], error: float) -> None:
    assert classification.expected_calibration_error(p, y) == pytest.approx(error, abs=1e-12)
    by_measure = reliability.calibration_measures(y, p)["ece"]
    assert by_measure == pytest.approx(error, abs=1e-12)


def test_the_calibration_error_of_answers() -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.3, 0.4, 0.3]])
    # Of the top class: 0.7 right, 0.6 wrong, 0.4 right, each in a bin of its own.
    assert calibration.calibration_error(p, [0, 1, 1], multiclass=True) == pytest.approx(
        (0.3 + 0.6 + 0.6) / 3
    )
    y = [[1, NAN, NAN], [0, 0, NAN], [NAN, 1, NAN]]
    # Mean over the two targets that have labels: (0.3 + 0.1) / 2 and (0.3 + 0.6) / 2.
    assert calibration.calibration_error(p, y, multiclass=False) == pytest.approx((0.2 + 0.45) / 2)
    assert np.isnan(classification.expected_calibration_error([], []))


def fitted_by_hand(z: np.ndarray, y: np.ndarray, method: str) -> np.ndarray:
    """Scale and offset by the penalised likelihood of the documentation, by another algorithm."""
    targets = z.shape[1]

    def parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if method == "temperature":
            return np.repeat(x[:1], targets), np.zeros(targets)
        return x[:targets], x[targets:]

    def loss(x: np.ndarray) -> float:
        scale, offset = parts(x)
        a = z * scale + offset
        if y.ndim == 1:
            chosen = scipy.special.log_softmax(a, axis=1)[np.arange(len(y)), y.astype(int)]
            fit = -chosen.mean()
        else:
            known = ~np.isnan(y)
            sign = np.where(y == 1, 1.0, -1.0)
            fit = -scipy.special.log_expit(sign * a)[known].mean()
        return fit + 0.01 * (((scale - 1) ** 2).mean() + 0.1 * (offset**2).mean())

    start = np.ones(1) if method == "temperature" else np.repeat([1.0, 0.0], targets)
    found = scipy.optimize.minimize(
        loss, start, method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 40_000, "maxfev": 40_000},
    )  # fmt: skip
    return np.concatenate(parts(found.x))


@pytest.mark.parametrize(
    ("method", "multiclass"),
    [("temperature", True), ("vector", True), ("temperature", False), ("platt", False)],
)
def test_calibrators_have_the_largest_penalised_likelihood(method: str, multiclass: bool) -> None:
    """Few records, so that the penalty counts: 0.01 ((scale - 1)^2 + 0.1 offset^2)."""
    generator = np.random.default_rng(8)
    z = generator.normal(size=(30, 2)) * 2
    y = (z + generator.normal(size=z.shape) + 1.0 > 0).astype(float)
    y[::9, 1] = NAN
    if multiclass:
        y = (z[:, 1] - z[:, 0] + generator.normal(size=30) > 1.0).astype(float)
    found = calibration.fit_calibrator(z, y, method=method, multiclass=multiclass)
    wanted = fitted_by_hand(z, y, method)
    assert [*found.scale, *found.offset] == pytest.approx(wanted, abs=3e-3)


def test_cross_fitting_has_five_folds_of_equal_numbers_of_groups() -> None:
    """Ten groups: what a group gets depends on the labels of eight, not of itself and one more."""
    generator = np.random.default_rng(2)
    groups = np.repeat(np.arange(10), 8)
    z = generator.normal(size=(80, 1))
    y = (z + generator.normal(size=z.shape) > 0).astype(float)
    whole = calibration.cross_fitted_probabilities(z, y, groups, method="platt", multiclass=False)
    for own in (0, 4):
        free = []
        for other in range(10):
            changed = np.where((groups == other)[:, None], 1 - y, y)
            again = calibration.cross_fitted_probabilities(
                z, changed, groups, method="platt", multiclass=False
            )
            if np.allclose(again[groups == own], whole[groups == own], atol=1e-9):
                free.append(other)
        assert own in free and len(free) == 2
    other_seed = calibration.cross_fitted_probabilities(
        z, y, groups, method="platt", multiclass=False, seed=1
    )
    assert not np.allclose(other_seed, whole)


def test_brier_and_its_skill_by_hand() -> None:
    y, p = [1, 0, 0, 0], [0.8, 0.4, 0.2, 0.0]
    found = reliability.calibration_measures(y, p)
    assert found["brier"] == pytest.approx((0.04 + 0.16 + 0.04) / 4)
    assert found["brier_skill"] == pytest.approx(1 - 0.06 / (0.25 * 0.75))
    assert np.isnan(reliability.calibration_measures([1, 1], [0.5, 0.6])["brier_skill"])
    # 0 and 1 are probabilities; what lies beyond is none.
    assert np.isfinite(reliability.calibration_measures([0, 1], [0.0, 1.0])["brier"])
    assert np.isnan(reliability.calibration_measures([0, 1], [0.0, 1.001])["brier"])
    assert np.isnan(reliability.calibration_measures([0, 1], [-0.001, 1.0])["brier"])


def test_the_calibration_line_of_two_by_two_is_that_of_the_odds() -> None:
    """Two probabilities: 0.5 with 10 of 40 events, 0.75 with 30 of 60.

    Logits 0 and ln 3. Observed log odds ln(1/3) and 0: slope 1, intercept -ln 3.
    """
    p = np.repeat([0.5, 0.75], [40, 60])
    y = np.concatenate([np.repeat([1, 0], [10, 30]), np.repeat([1, 0], [30, 30])])
    line = reliability.calibration_line(y, p)
    assert line.slope == pytest.approx(1.0, abs=1e-9)
    assert line.intercept == pytest.approx(-np.log(3), abs=1e-9)
    assert line.in_the_large == pytest.approx(-np.log(3), abs=1e-9)
    # Variances of the log odds are 1/10 + 1/30 and 1/30 + 1/30 (Woolf 1955); the sandwich with
    # binary data of two saturated cells is the same, times 100/99 * 99/98.
    factor = 100 / 98
    assert line.intercept_error == pytest.approx(np.sqrt((1 / 10 + 1 / 30) * factor), abs=1e-9)
    slope = np.sqrt((1 / 10 + 1 / 30 + 1 / 30 + 1 / 30) * factor) / np.log(3)
    assert line.slope_error == pytest.approx(slope, abs=1e-9)
    # One intercept: sum of weights 40 * 3/16 + 60 / 4 = 22.5; scores have the variance of y.
    assert line.in_the_large_error == pytest.approx(np.sqrt(22.5 * 100 / 99) / 22.5, abs=1e-9)
    found = reliability.calibration_measures(y, p)
    assert found["calibration_slope_low"] == pytest.approx(1 - Z95 * slope, abs=1e-8)
    assert found["calibration_slope_high"] == pytest.approx(1 + Z95 * slope, abs=1e-8)
    assert found["calibration_slope"] == pytest.approx(1.0)
    assert found["calibration_intercept"] == pytest.approx(-np.log(3))
    assert found["calibration_in_the_large"] == pytest.approx(-np.log(3))


def test_copies_of_records_within_patients_leave_the_errors_of_the_line() -> None:
    """Clusters of copies: with G patients in R records the factor is G/(G-1) (R-1)/(R-k)."""
    generator = np.random.default_rng(4)
    z = generator.normal(size=60)
    y = (generator.uniform(size=60) < scipy.special.expit(z)).astype(float)
    p = scipy.special.expit(z)
    one = reliability.calibration_line(y, p)
    many = reliability.calibration_line(
        np.repeat(y, 3), np.repeat(p, 3), patients=np.repeat(np.arange(60), 3)
    )
    ratio = np.sqrt((179 / 178) / (59 / 58))
    assert many.slope_error == pytest.approx(one.slope_error * ratio, rel=1e-7)
    assert many.in_the_large_error == pytest.approx(one.in_the_large_error, rel=1e-7)
    assert many.slope == pytest.approx(one.slope, abs=1e-8)


def test_probabilities_of_0_and_1_have_the_logit_of_a_millionth() -> None:
    y = np.array([0, 0, 0, 1, 1, 0, 1, 1])
    p = np.array([0.0, 0.0, 0.3, 0.0, 1.0, 1.0, 0.6, 1.0])
    inside = np.clip(p, 1e-6, 1 - 1e-6)
    found, wanted = reliability.calibration_line(y, p), reliability.calibration_line(y, inside)
    assert found == wanted
    nearer = reliability.calibration_line(y, np.clip(p, 2e-6, 1 - 2e-6))
    assert nearer.slope > found.slope * 1.01


def test_a_large_input_has_the_line_of_its_repeated_records() -> None:
    """From 100,000 records on the fit starts from a fiftieth: with the same answer."""
    generator = np.random.default_rng(5)
    z = generator.normal(size=2000)
    y = (generator.uniform(size=2000) < scipy.special.expit(0.7 * z - 0.2)).astype(float)
    p = scipy.special.expit(z)
    one = reliability.calibration_line(y, p)
    many = reliability.calibration_line(np.tile(y, 51), np.tile(p, 51))
    assert (many.slope, many.intercept) == pytest.approx((one.slope, one.intercept), abs=1e-8)


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
def test_the_reliability_curve_is_that_of_scikit_learn(strategy: str) -> None:
    pytest.importorskip("sklearn", reason="the oracle")
    from sklearn.calibration import calibration_curve
    from statsmodels.stats.proportion import proportion_confint

    generator = np.random.default_rng(6)
    p = np.round(generator.uniform(size=300) ** 2 * 0.99, 2) + 0.003  # many ties, none on an edge
    y = (generator.uniform(size=300) < p).astype(float)
    found = reliability.reliability_curve(y, p, strategy=strategy)
    observed, predicted = calibration_curve(y, p, n_bins=10, strategy=strategy)
    assert found.observed == pytest.approx(observed)
    assert found.predicted == pytest.approx(predicted)
    low, high = proportion_confint(found.observed * found.count, found.count, method="wilson")
    assert found.low == pytest.approx(low, abs=1e-12)
    assert found.high == pytest.approx(high, abs=1e-12)
    if strategy == "quantile":  # the default
        assert reliability.reliability_curve(y, p).predicted == pytest.approx(predicted)


# --- ranking -------------------------------------------------------------------------------------


def test_placements_and_curves_by_hand() -> None:
    placed = ranking.split_placements(np.array([3.0, 2.0]), np.array([1.0, 2.0, 4.0]))
    assert placed.positive.tolist() == [2 / 3, 0.5]  # below 3: two of three; below 2: one and a tie
    assert placed.negative.tolist() == [1.0, 0.75, 0.0]
    curve = ranking.roc_curve([1, 0, 1, 0], [0.9, 0.9, 0.4, 0.1])
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.4, 0.1]
    assert curve.true_positives.tolist() == [0, 1, 2, 2]
    assert curve.false_positives.tolist() == [0, 1, 1, 2]
    recall, precision = ranking.precision_recall_curve([1, 0, 1, 0], [0.9, 0.9, 0.4, 0.1])
    assert recall.tolist() == [0.5, 1.0, 1.0]
    assert precision.tolist() == [0.5, 2 / 3, 0.5]
    # (1/2) * 1/2 + (1/2) * 2/3.
    found = ranking.average_precision([1, 0, 1, 0], [0.9, 0.9, 0.4, 0.1])
    assert found == pytest.approx(0.25 + 1 / 3)
    assert np.isnan(curve.precision[0])
    # One positive, third of four: precision 1/3 at its only step.
    assert ranking.average_precision([0, 0, 1, 0], [4, 3, 2, 1]) == pytest.approx(1 / 3)


def test_one_class_has_no_area_and_no_curve() -> None:
    for labels in ([1, 1], [0, 0]):
        assert np.isnan(ranking.average_precision(labels, [0.1, 0.2]))
        assert np.isnan(classification.auroc(labels, [0.1, 0.2]))
    nothing = ranking.roc_curve([], [])
    assert nothing.thresholds.tolist() == [np.inf]
    assert np.isnan(nothing.sensitivity).all() and np.isnan(nothing.false_positive_rate).all()
    assert np.isnan(ranking.pooled_ranking(np.empty(0), np.ones(2))).all()
    assert np.isnan(ranking.pooled_ranking(np.ones(2), np.empty(0))).all()


def test_labels_of_two_dimensions_are_refused() -> None:
    with pytest.raises(SignalError, match="do not belong"):
        ranking.known_pairs(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(SignalError, match="neither 0 nor 1"):
        ranking.known_pairs([0.0, np.inf], [0.1, 0.2])


# --- quantities ----------------------------------------------------------------------------------


def test_regression_by_hand() -> None:
    # Errors 0.5, 0, -0.5, 1: sum 1, squares 1.5. Truth about 2.5: squares 5.
    found = regression.regression_measures([1, 2, 3, 4], [1.5, 2, 2.5, 5])
    spread = np.sqrt((1.5 - 4 * 0.25**2) / 3)
    wanted = {
        "mae": 0.5,
        "rmse": np.sqrt(1.5 / 4),
        "r2": 1 - 1.5 / 5,
        "pearson": 5.5 / np.sqrt(5 * 7.25),  # predicted about 2.75: squares 7.25, products 5.5
        "concordance": 2 * 5.5 / (5 + 7.25 + 4 * 0.25**2),
        "bias": 0.25,
        "agreement_low": 0.25 - Z95 * spread,
        "agreement_high": 0.25 + Z95 * spread,
    }
    assert found == pytest.approx(wanted, abs=1e-12)


def test_regression_of_constants_is_undefined_and_not_rounding() -> None:
    truth = np.full(7, 0.1) * 3
    found = regression.regression_measures(truth, truth + np.arange(7) * 0.1)
    assert np.isnan(found["r2"]) and np.isnan(found["pearson"])
    assert found["concordance"] == pytest.approx(0.0, abs=1e-9)
    constant = regression.regression_measures(np.arange(7) * 0.1, truth)
    assert np.isnan(constant["pearson"]) and np.isfinite(constant["r2"])
    both = regression.regression_measures(truth, truth)
    assert np.isnan(both["concordance"]) and both["mae"] == 0.0
    # A small true spread is a spread: a thousandth about 140.
    small = regression.regression_measures([140.0, 140.001, 140.002], [140.0, 140.001, 140.002])
    assert small["r2"] == pytest.approx(1.0) and small["pearson"] == pytest.approx(1.0)
    single = regression.regression_measures([1.0], [2.0])
    assert single["bias"] == 1.0 and np.isnan(single["agreement_low"])


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_infinite_quantities_are_refused(place: int, sign: int) -> None:
    pair = [np.array([1.0, 2.0, NAN]), np.array([1.0, 2.0, 3.0])]
    pair[place][0] = sign * np.inf
    with pytest.raises(SignalError, match="infinite"):
        regression.regression_measures(*pair)


# --- intervals and tests -------------------------------------------------------------------------


def test_plain_and_logit_intervals_by_hand() -> None:
    # Standard error 0.05 about 0.8; on the logit scale ln 4 with 0.05 / 0.16.
    assert delong.wald_interval(0.8, 0.0025) == pytest.approx((0.8 - Z95 / 20, 0.8 + Z95 / 20))
    assert delong.wald_interval(0.8, 0.0025, level=0.9)[0] == pytest.approx(0.8 - Z90 / 20)
    assert delong.wald_interval(0.98, 0.0025)[1] == 1.0
    assert delong.wald_interval(0.02, 0.0025)[0] == 0.0
    low, high = delong.logit_interval(0.8, 0.0025)
    assert low == pytest.approx(4 / (4 + np.exp(Z95 * 0.3125)), abs=1e-12)
    assert high == pytest.approx(4 / (4 + np.exp(-Z95 * 0.3125)), abs=1e-12)
    for value, variance in ((0.0, 0.01), (1.0, 0.01), (0.5, 0.0), (0.5, NAN)):
        assert np.isnan(delong.logit_interval(value, variance)).all()
    y, s = [0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6]
    # Placements of positives 2/3, 1, 1 and of negatives 1, 1, 2/3: two variances of 1/27, over 3.
    variance = 2 / 81
    assert delong.delong_interval(y, s) == pytest.approx(
        (8 / 9 - Z95 * np.sqrt(variance), 1.0), abs=1e-12
    )
    half = Z95 * np.sqrt(variance) / (8 / 81)
    assert delong.delong_interval(y, s, scale="logit") == pytest.approx(
        (8 / (8 + np.exp(half)), 8 / (8 + np.exp(-half))), abs=1e-12
    )


@pytest.mark.parametrize("value", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("level", [0.95, 0.9])
def test_newcombes_limits_solve_his_equation(value: float, level: float) -> None:
    """Newcombe 2006, method 5: |value - t| = z se(t), se by Hanley and McNeil with mean counts."""
    m, n = 12, 31
    z = {0.95: Z95, 0.9: Z90}[level]
    low, high = delong.newcombe_interval(value, m, n, level=level)
    for theta, end in ((low, 0.0), (high, 1.0)):
        if value == end:
            assert theta == end
            continue
        mean = 0.5 * (m + n) - 1
        se = np.sqrt(
            theta * (1 - theta) / (m * n)
            * (1 + mean * (1 - theta) / (2 - theta) + mean * theta / (1 + theta))
        )  # fmt: skip
        assert abs(value - theta) == pytest.approx(z * se, rel=1e-6)
    assert low <= value <= high


def test_newcombes_interval_needs_one_of_each() -> None:
    assert np.isfinite(delong.newcombe_interval(0.7, 1, 1)).all()
    for arguments in ((0.7, 0, 5), (0.7, 5, 0), (1.2, 5, 5), (-0.1, 5, 5), (NAN, 5, 5)):
        assert np.isnan(delong.newcombe_interval(*arguments)).all()


def obuchowski(y: np.ndarray, scores: np.ndarray, who: np.ndarray) -> np.ndarray:
    """Covariance by loops over patients, as written in Biometrics 1997, section 2."""
    m, n = int((y == 1).sum()), int((y == 0).sum())
    patients = sorted(set(who))
    areas, x, z = [], [], []
    for s in scores:
        above = [np.mean([(a > b) + 0.5 * (a == b) for b in s[y == 0]]) for a in s[y == 1]]
        below = [np.mean([(a > b) + 0.5 * (a == b) for a in s[y == 1]]) for b in s[y == 0]]
        area = float(np.mean(above))
        own_above = [[v for v, w in zip(above, who[y == 1], strict=True) if w == p]
                     for p in patients]  # fmt: skip
        own_below = [[v for v, w in zip(below, who[y == 0], strict=True) if w == p]
                     for p in patients]  # fmt: skip
        areas.append(area)
        x.append([sum(v) - len(v) * area for v in own_above])
        z.append([sum(v) - len(v) * area for v in own_below])
    with_positive = len(set(who[y == 1]))
    with_negative = len(set(who[y == 0]))
    x, z, every = np.array(x), np.array(z), len(patients)
    s10 = with_positive / ((with_positive - 1) * m) * x @ x.T
    s01 = with_negative / ((with_negative - 1) * n) * z @ z.T
    s11 = every / (every - 1) * x @ z.T
    return s10 / m + s01 / n + (s11 + s11.T) / (m * n)


def clustered(seed: int, records: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    who = generator.integers(0, 14, records)
    y = (generator.uniform(size=records) < 0.4).astype(float)
    s = np.round(generator.normal(size=(2, records)) + generator.normal(size=14)[who] + y, 1)
    return y, s, who


def test_the_clustered_covariance_is_that_of_the_paper() -> None:
    y, s, who = clustered(1)
    found = delong.auroc_covariance(y, s, patients=who)
    np.testing.assert_allclose(found.covariance, obuchowski(y, s, who), atol=1e-14)
    alone = delong.auroc_covariance(y, s)
    np.testing.assert_allclose(found.independent, np.diag(alone.covariance), atol=1e-14)
    assert found.positives + found.negatives == 60 and found.positives == int(y.sum())
    assert found.positive_patients == len(set(who[y == 1]))
    assert found.negative_patients == len(set(who[y == 0]))
    own = np.unique(who[y == 1], return_counts=True)[1]
    assert found.effective_positive_patients == pytest.approx(own.sum() ** 2 / (own**2).sum())
    own = np.unique(who[y == 0], return_counts=True)[1]
    assert found.effective_negative_patients == pytest.approx(own.sum() ** 2 / (own**2).sum())
    # A record without a label or without one of the scores is left out of all.
    more = np.concatenate([s, [[5.0, NAN], [NAN, 1.0]]], axis=1)
    again = delong.auroc_covariance(
        np.append(y, [1.0, 1.0]), more, patients=np.append(who, [77, 78])
    )
    np.testing.assert_allclose(again.covariance, found.covariance)
    assert again.positive_patients == found.positive_patients


def test_two_patients_of_each_class_have_a_variance_and_one_has_none() -> None:
    y, s = [1, 1, 1, 0, 0, 0], [[5.0, 3.0, 6.0, 4.0, 1.0, 2.0]]
    two = delong.auroc_covariance(y, s, patients=[0, 0, 1, 2, 2, 3])
    assert np.isfinite(two.covariance).all()
    for patients in ([0, 0, 0, 2, 2, 3], [0, 0, 1, 2, 2, 2]):
        one = delong.auroc_covariance(y, s, patients=patients)
        assert np.isnan(one.covariance).all() and np.isfinite(one.independent).all()
    single = delong.auroc_covariance([1, 0, 0], [[3.0, 1.0, 2.0]])
    assert np.isnan(single.independent).all() and single.auroc.tolist() == [1.0]
    with pytest.raises(SignalError, match="do not belong"):
        delong.auroc_covariance([1, 0], [[1.0, 2.0, 3.0]])


def test_the_paired_test_is_normal_with_the_variance_of_the_difference() -> None:
    y, s, who = clustered(2)
    c = obuchowski(y, s, who)
    se = np.sqrt(c[0, 0] + c[1, 1] - 2 * c[0, 1])
    areas = [classification.auroc(y, row) for row in s]
    found = delong.delong_test(y, s[0], s[1], patients=who)
    difference = areas[0] - areas[1]
    assert found["difference"] == pytest.approx(difference)
    assert found["z"] == pytest.approx(difference / se)
    assert found["p"] == pytest.approx(2 * scipy.stats.norm.sf(abs(difference) / se))
    assert (found["low"], found["high"]) == pytest.approx(
        (difference - Z95 * se, difference + Z95 * se)
    )
    narrow = delong.delong_test(y, s[0], s[1], patients=who, level=0.9)
    assert narrow["high"] == pytest.approx(difference + Z90 * se)
    alike = delong.delong_test(y, s[0], 3 * s[0] + 1, patients=who)
    assert (alike["low"], alike["high"]) == pytest.approx((0.0, 0.0), abs=1e-9)
    none = delong.delong_test([1, 0, 0], [3, 1, 2], [1, 3, 2])
    assert np.isnan([none["low"], none["high"], none["z"], none["p"]]).all()


def test_a_small_sample_with_a_difference_has_a_test() -> None:
    """Two rankings that differ in one pair of 40 + 40 are not called alike."""
    y = np.repeat([0.0, 1.0], 40)
    s = np.arange(80.0)
    s[39], s[40] = 40, 39
    other = s.copy()
    other[38], other[40] = 39, 38
    found = delong.delong_test(y, s, other)
    assert found["difference"] == pytest.approx(1 / 1600)
    assert 0 < found["p"] < 1


# --- resampling ----------------------------------------------------------------------------------


def test_draws_are_those_of_a_stream_per_draw() -> None:
    patients = resampling.PatientResampling.of(["b", "a", "c", "a", "d"], seed=7)
    assert patients.member.tolist() == [1, 0, 2, 0, 3] and patients.patients == 4
    own = np.random.Generator(np.random.PCG64([7, 3])).integers(0, 4, 4)
    assert patients.draw(3).tolist() == own.tolist()
    ((first, counts),) = patients.blocks(3, 4)
    assert first == 3 and counts[:, 0].tolist() == np.bincount(own, minlength=4).tolist()
    assert resampling.PatientResampling.of([1, 2]).seed == 0


def test_percentiles_leave_out_equal_tails() -> None:
    values = np.arange(1001.0)
    assert resampling.percentile_interval(values) == pytest.approx((25, 975))
    assert resampling.percentile_interval(values, level=0.9) == pytest.approx((50, 950))
    assert np.isnan(resampling.percentile_interval(np.empty(0))).all()


def test_bca_counts_ties_one_half_and_needs_draws_on_both_sides() -> None:
    """Against the formula of Efron 1987 with numbers of its own."""
    values, jackknife = np.arange(101.0), np.array([1.0, 2.0, 6.0])
    # 40 draws below 40, 1 at it: (40 + 41) / 202. Jackknife mean 3: away 2, 1, -3.
    bias = scipy.stats.norm.ppf(40.5 / 101)
    acceleration = (8 + 1 - 27) / (6 * 14**1.5)
    for level, z in ((0.95, Z95), (0.9, Z90)):
        wanted = []
        for end in (-z, z):
            total = bias + end
            share = scipy.stats.norm.cdf(bias + total / (1 - acceleration * total))
            wanted.append(100 * share)
        found = resampling.bca_interval(values, 40.0, jackknife, level=level)
        assert found == pytest.approx(wanted, abs=1e-9)
    for estimate in (-1.0, 101.0):
        assert np.isnan(resampling.bca_interval(values, estimate, jackknife)).all()
    assert np.isnan(resampling.bca_interval(values, 40.0, np.ones(3))).all()
    assert np.isnan(resampling.bca_interval(values, 40.0, np.array([1.0, NAN]))).all()
    assert np.isnan(resampling.bca_interval(np.append(values, NAN), 40.0, jackknife)).all()
    assert np.isnan(resampling.bca_interval(np.empty(0), 40.0, jackknife)).all()


def test_bootstrap_p_values_by_hand() -> None:
    p = resampling.bootstrap_p_value
    assert p(np.array([-1.0, 1, 1] + [2] * 96)) == pytest.approx(2 * 2 / 100)
    assert p(-np.array([-1.0, 1, 1] + [2] * 96)) == pytest.approx(2 * 2 / 100)
    assert p(np.array([0.0, 1, 1] + [2] * 96)) == pytest.approx(2 * 2 / 100)  # a zero counts
    assert p(np.array([-1.0, 1.0])) == 1.0
    assert np.isnan(p(np.array([]))) and np.isnan(p(np.array([1.0, NAN])))


def test_a_bias_of_a_quarter_of_the_spread_can_be_ignored() -> None:
    """Efron and Tibshirani 1993, section 10.3: up to 0.25 standard errors."""
    values = np.array([9.0, 11.0] * 50)  # mean 10, standard deviation 1
    for estimate, little in ((10.0, True), (10.25, True), (9.75, True), (10.26, False),
                             (9.74, False), (NAN, False)):  # fmt: skip
        assert resampling.is_little_biased(values, estimate) is little
    assert not resampling.is_little_biased(np.ones(5), 1.0)
    assert not resampling.is_little_biased(np.empty(0), 1.0)
    assert not resampling.is_little_biased(np.array([1.0, NAN]), 1.0)


def test_a_target_is_given_up_after_ten_times_as_many_draws() -> None:
    """One positive and one negative among six patients: the only draw with both is number 9 or 10.

    Of draws 0 to 9 the last may be the one that is taken; draw 10 is no longer made.
    """
    labels = np.array([[1.0], [0.0], [NAN], [NAN], [NAN], [NAN]])
    scores = np.arange(6.0)[:, None]
    wanted = {9: False, 10: False}
    for seed in range(5000):
        patients = resampling.PatientResampling.of(np.arange(6), seed=seed)
        first = next(k for k in range(200) if {0, 1} <= set(patients.draw(k).tolist()))
        if first not in wanted or wanted[first]:
            continue
        wanted[first] = True
        found = bootstrap_ranks(labels, [scores], patients, draws=1)
        if first == 9:
            assert found.auroc[0, 0].tolist() == [0.0]
            assert found.redrawn.tolist() == [pytest.approx(0.9)]
        else:
            assert np.isnan(found.auroc).all() and found.redrawn.tolist() == [1.0]
        if all(wanted.values()):
            return
    pytest.fail("no seed among 5000 has such a draw")


def test_the_fast_bootstrap_takes_missing_scores_like_missing_labels() -> None:
    labels = np.array([[1.0], [0.0], [1.0], [0.0], [1.0]])
    scores = np.array([[0.9], [0.1], [NAN], [0.4], [0.3]])
    patients = resampling.PatientResampling.of(np.arange(5), seed=1)
    found = bootstrap_ranks(labels, [scores], patients, draws=1000, precision=True)
    gone = np.where(np.isnan(scores), NAN, labels)
    again = bootstrap_ranks(gone, [np.nan_to_num(scores)], patients, draws=1000, precision=True)
    np.testing.assert_array_equal(found.auroc, again.auroc)
    np.testing.assert_array_equal(found.average_precision, again.average_precision)
    assert found.auroc.shape == (1, 1, 1000)
    assert bootstrap_ranks(labels, [scores], patients).auroc.shape == (1, 1, 1000)
