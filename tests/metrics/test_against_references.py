"""Every metric against an independent implementation: random, tied, tiny and degenerate input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.errors import SignalError
from ecgfoundry.metrics import bands, challenges, comparison, decisions, delong, ranking, regression
from ecgfoundry.metrics import reliability as rel

metrics = pytest.importorskip("sklearn.metrics", reason="the oracle needs scikit-learn")

PAIRS = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=1, max_size=60)


def arrays(pairs: list[tuple[bool, int]]) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.array(pairs, dtype=float).T
    return labels, scores


@given(pairs=PAIRS)
@settings(max_examples=80)
def test_areas_and_curves_equal_scikit_learn(pairs) -> None:
    y, s = arrays(pairs)
    placed = ranking.split_placements(s[y == 1], s[y == 0])
    pooled = ranking.pooled_ranking(s[y == 1].copy(), s[y == 0].copy())
    if len(set(y)) < 2:
        assert np.isnan(ranking.average_precision(y, s))
        assert np.isnan(placed.auroc) and np.isnan(pooled).all()
        return
    auroc, area = metrics.roc_auc_score(y, s), metrics.average_precision_score(y, s)
    assert ranking.average_precision(y, s) == pytest.approx(area, abs=1e-12)
    assert placed.auroc == pytest.approx(auroc, abs=1e-12)
    assert placed.negative.mean() == pytest.approx(auroc, abs=1e-12)
    assert pooled == pytest.approx((auroc, area), abs=1e-12)
    curve = ranking.roc_curve(y, s)
    fpr, tpr, _ = metrics.roc_curve(y, s, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, fpr)
    np.testing.assert_allclose(curve.sensitivity, tpr)


def test_what_is_no_label_is_refused_and_what_is_missing_left_out() -> None:
    with pytest.raises(SignalError, match="neither 0 nor 1"):
        ranking.roc_curve([0, 2], [0.1, 0.2])
    with pytest.raises(SignalError, match="do not belong"):
        ranking.roc_curve([0, 1], [0.1])
    y, s = ranking.known_pairs([0, np.nan, 1, 1], [0.1, 0.2, np.nan, 0.4])
    assert y.tolist() == [False, True] and s.tolist() == [0.1, 0.4]


@given(pairs=PAIRS, threshold=st.integers(-4, 4))
@settings(max_examples=80)
def test_decisions_equal_scikit_learn(pairs, threshold: int) -> None:
    y, s = arrays(pairs)
    called = s >= threshold
    counts = decisions.decision_counts(y, s, threshold)
    found = {k: float(v) for k, v in decisions.decision_measures(counts).items()}
    nan = np.nan
    tn, fp, fn, tp = metrics.confusion_matrix(y, called, labels=[0, 1]).ravel()
    wanted = {
        "sensitivity": tp / (tp + fn) if tp + fn else nan,
        "specificity": tn / (tn + fp) if tn + fp else nan,
        "ppv": tp / (tp + fp) if tp + fp else nan,
        "npv": tn / (tn + fn) if tn + fn else nan,
        "f1": metrics.f1_score(y, called) if tp + fp + fn else nan,
        "accuracy": metrics.accuracy_score(y, called),
    }
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name
    if min(tp + fp, tp + fn, tn + fp, tn + fn) == 0:
        assert np.isnan(found["mcc"])
    else:
        assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(y, called), abs=1e-12)


def test_averages_of_decisions_equal_scikit_learn(random_generator) -> None:
    y = random_generator.integers(0, 2, (200, 4))
    called = random_generator.integers(0, 2, (200, 4))
    counts = np.stack([decisions.decision_counts(y[:, k], called[:, k], 0.5) for k in range(4)])
    found = decisions.summarize_decisions(counts)
    for average in ("macro", "micro", "weighted"):
        assert found[average]["f1"] == pytest.approx(metrics.f1_score(y, called, average=average))
        assert found[average]["ppv"] == pytest.approx(
            metrics.precision_score(y, called, average=average)
        )


def test_wilson_and_benjamini_hochberg_equal_statsmodels(random_generator) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion", reason="the oracle")
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="the oracle")
    k = np.array([0, 3, 50, 7])
    n = np.array([5, 9, 50, 1000])
    low, high = decisions.wilson_interval(k, n)
    np.testing.assert_allclose(
        np.stack([low, high]), proportion.proportion_confint(k, n, method="wilson"), atol=1e-12
    )
    p = random_generator.uniform(size=40) ** 2
    np.testing.assert_allclose(
        comparison.benjamini_hochberg(p), multitest.multipletests(p, method="fdr_bh")[1], atol=1e-12
    )
    with_gap = np.insert(p, 7, np.nan)
    found = comparison.benjamini_hochberg(with_gap)
    assert np.isnan(found[7])
    np.testing.assert_allclose(np.delete(found, 7), comparison.benjamini_hochberg(p))


@pytest.mark.parametrize("flips", [(3, 11), (0, 4), (30, 12), (0, 0)])
def test_mcnemar_equals_statsmodels(flips: tuple[int, int]) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason="the oracle")
    only_a, only_b = flips
    truth = np.ones(80)
    a, b = np.ones(80), np.ones(80)
    a[:only_a] = 0
    b[only_a : only_a + only_b] = 0
    found = comparison.mcnemar(truth, a, b)
    assert (found["only_a_wrong"], found["only_b_wrong"]) == flips
    if flips == (0, 0):
        assert np.isnan(found["p"])
        return
    table = [[0, only_a], [only_b, 0]]
    for name, options in (("p_exact", {"exact": True}),
                          ("p_chi2", {"exact": False, "correction": False}),
                          ("p_chi2_corrected", {"exact": False})):  # fmt: skip
        assert found[name] == pytest.approx(tables.mcnemar(table, **options).pvalue, abs=1e-10)


def test_calibration_line_equals_statsmodels_with_clusters(random_generator) -> None:
    api = pytest.importorskip("statsmodels.api", reason="the oracle")
    z = random_generator.normal(size=400)
    y = (random_generator.uniform(size=400) < 1 / (1 + np.exp(-0.6 * z + 0.3))).astype(float)
    p, groups = 1 / (1 + np.exp(-z)), np.arange(400) // 2
    line = rel.calibration_line(y, p, patients=groups)
    wanted = api.Logit(y, api.add_constant(z)).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": groups}, tol=1e-12
    )
    np.testing.assert_allclose([line.intercept, line.slope], wanted.params, atol=1e-7)
    np.testing.assert_allclose([line.intercept_error, line.slope_error], wanted.bse, atol=1e-6)
    large = api.GLM(y, np.ones((400, 1)), family=api.families.Binomial(), offset=z).fit()
    assert line.in_the_large == pytest.approx(large.params[0], abs=1e-7)
    assert rel.brier_score(y, p) == pytest.approx(metrics.brier_score_loss(y, p), abs=1e-12)


def test_calibration_of_separated_or_constant_scores_is_undefined() -> None:
    line = rel.calibration_line([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert np.isnan(line.slope) and np.isfinite(line.in_the_large)
    assert np.isnan(rel.calibration_line([0, 1, 0], [0.3, 0.3, 0.3]).slope)
    assert np.isnan(rel.calibration_line([1, 1], [0.3, 0.4]).in_the_large)
    assert np.isnan(list(rel.calibration_measures([0, 1], [-2.0, 3.0]).values())).all()


def test_reliability_counts_every_record_once(random_generator) -> None:
    p = random_generator.uniform(size=500)
    y = (random_generator.uniform(size=500) < p).astype(float)
    for strategy in ("quantile", "uniform"):
        curve = rel.reliability_curve(y, p, strategy=strategy)
        assert curve.count.sum() == 500
        assert (curve.observed * curve.count).sum() == pytest.approx(y.sum())
    assert len(rel.reliability_curve([], []).count) == 0


def test_regression_equals_scikit_learn_and_formulas(random_generator) -> None:
    truth = random_generator.normal(140, 4, 300)
    predicted = truth + random_generator.normal(1, 2, 300)
    truth[::17] = np.nan
    found = regression.regression_measures(truth, predicted)
    known = ~np.isnan(truth)
    t, p = truth[known], predicted[known]
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(t, p), abs=1e-9)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(t, p), abs=1e-9)
    assert found["r2"] == pytest.approx(metrics.r2_score(t, p), abs=1e-9)
    assert found["pearson"] == pytest.approx(np.corrcoef(t, p)[0, 1], abs=1e-9)
    lin = 2 * np.cov(t, p, ddof=0)[0, 1] / (t.var() + p.var() + (t.mean() - p.mean()) ** 2)
    assert found["concordance"] == pytest.approx(lin, abs=1e-9)
    half = 1.959963984540054 * np.std(p - t, ddof=1)
    assert found["agreement_low"] == pytest.approx((p - t).mean() - half, abs=1e-9)
    assert found["agreement_high"] == pytest.approx((p - t).mean() + half, abs=1e-9)


def test_undefined_regression_is_undefined() -> None:
    assert all(np.isnan(v) for v in regression.regression_measures([np.nan], [1.0]).values())
    flat = regression.regression_measures([3.0, 3.0, 3.0], [1.0, 2.0, 3.0])
    assert np.isnan(flat["r2"]) and np.isnan(flat["pearson"]) and flat["mae"] == 1.0


def test_cinc2017_by_hand_and_bands() -> None:
    truth = [0, 0, 1, 1, 2, 3]
    predicted = [0, 1, 1, 1, 2, 0]
    # N: 2 * 1 / (2 + 2); A: 2 * 2 / (2 + 3); O: 1. The noisy class is not averaged.
    assert challenges.cinc2017_score(truth, predicted) == pytest.approx((0.5 + 0.8 + 1) / 3)
    assert np.isnan(challenges.cinc2017_score([0, 1], [0, 1]))
    named = [bands.auroc_band(v) for v in (0.65, 0.6499, 0.55, 0.5499, np.nan, None)]
    assert named == ["strong", "moderate", "moderate", "limited", None, None]


def test_delong_equals_the_confidenceinterval_package(random_generator) -> None:
    package = pytest.importorskip("confidenceinterval", reason="the oracle")
    for n, step in ((200, 0.1), (60, 1.0), (1000, 1e-6)):
        y = (random_generator.uniform(size=n) < 0.3).astype(float)
        s = np.round((random_generator.normal(size=n) + y) / step) * step
        _, (low, high) = package.roc_auc_score(y, s)
        found = delong.delong_interval(y, s)
        # The package ranks in float32.
        assert found == pytest.approx((np.clip(low, 0, 1), np.clip(high, 0, 1)), abs=1e-6)


def test_delong_covariance_equals_its_definition(random_generator) -> None:
    """Against the double loop of the paper, with ties, for two scores."""
    y = np.array([1] * 7 + [0] * 9)
    scores = random_generator.integers(0, 5, (2, 16)).astype(float)
    kernel = [
        np.array([[(a > b) + 0.5 * (a == b) for b in s[y == 0]] for a in s[y == 1]]) for s in scores
    ]
    v10 = np.stack([k.mean(axis=1) for k in kernel])
    v01 = np.stack([k.mean(axis=0) for k in kernel])
    wanted = np.cov(v10) / 7 + np.cov(v01) / 9
    found = delong.auroc_covariance(y, scores)
    np.testing.assert_allclose(found.covariance, wanted, atol=1e-14)
    np.testing.assert_allclose(found.auroc, [k.mean() for k in kernel], atol=1e-14)
    test = delong.delong_test(y, scores[0], scores[1])
    spread = np.sqrt(wanted[0, 0] + wanted[1, 1] - 2 * wanted[0, 1])
    assert test["z"] == pytest.approx((found.auroc[0] - found.auroc[1]) / spread)


def test_clusters_of_copies_do_not_narrow_the_interval(random_generator) -> None:
    y = (random_generator.uniform(size=80) < 0.4).astype(float)
    s = random_generator.normal(size=80) + y
    single = delong.auroc_covariance(y, [s]).covariance[0, 0]
    copied = delong.auroc_covariance(
        np.repeat(y, 5), [np.repeat(s, 5)], patients=np.repeat(np.arange(80), 5)
    ).covariance[0, 0]
    assert copied == pytest.approx(single, rel=1e-9)


def test_identical_scores_have_no_test_and_one_class_no_interval() -> None:
    y, s = [0, 1, 0, 1], [0.1, 0.9, 0.8, 0.2]
    same = delong.delong_test(y, s, s)
    assert same["difference"] == 0.0 and np.isnan(same["p"])
    assert np.isnan(delong.delong_interval([1, 1], [0.1, 0.2])).all()


def test_newcombe_is_defined_at_the_ends() -> None:
    low, high = delong.newcombe_interval(1.0, 30, 100)
    assert 0.9 < low < 1.0 and high == 1.0
    low, high = delong.newcombe_interval(0.0, 30, 100)
    assert low == 0.0 and 0.0 < high < 0.1
    assert np.isnan(delong.newcombe_interval(0.5, 0, 3)).all()
