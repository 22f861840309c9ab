"""The fast bootstrap equals drawing patients and calling scikit-learn; intervals equal SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.errors import SignalError
from ecgfoundry.metrics import auroc_intervals as ai
from ecgfoundry.metrics.bootstrap import (
    auroc_jackknife,
    bootstrap_ranks,
    bootstrap_sums,
    patient_sums,
)
from ecgfoundry.metrics.delong import auroc_covariance
from ecgfoundry.metrics.resampling import (
    PatientResampling,
    bca_interval,
    bootstrap_p_value,
    percentile_interval,
)


def test_progress_counts_the_draws_of_all_targets() -> None:
    """Four people and forty, both classes in most draws; the third target has one class only."""
    y = np.array([[0, 0, 1.0], [1, 0, 1], [0, 1, 1], [1, 1, 1]] * 10)
    s = np.arange(120.0).reshape(40, 3)
    told: list[tuple[int, int]] = []
    bootstrap_ranks(
        y, [s], PatientResampling.of(np.arange(40) // 10), draws=50,
        progress=lambda *done: told.append(done),
    )  # fmt: skip
    assert told[-1] == (150, 150) and told == sorted(told)


metrics = pytest.importorskip("sklearn.metrics", reason="the oracle needs scikit-learn")


def drawn_rows(resampling: PatientResampling, number: int) -> np.ndarray:
    return np.concatenate([np.flatnonzero(resampling.member == p) for p in resampling.draw(number)])


@given(seed=st.integers(0, 10_000), rounded=st.sampled_from([0, 1, 4]))
@settings(max_examples=3)
def test_draws_equal_scikit_learn_with_ties_clusters_and_gaps(seed: int, rounded: int) -> None:
    generator = np.random.default_rng(seed)
    n = 120
    y = (generator.uniform(size=(n, 4)) < [0.3, 0.02, 0.7, 0.5]).astype(float)
    s = np.round(generator.normal(size=(n, 4)) + y, rounded)
    y[generator.uniform(size=y.shape) < 0.1] = np.nan
    resampling = PatientResampling.of(generator.integers(0, 40, n), seed=seed)
    for precision in (False, True):
        found = bootstrap_ranks(y, [s, -s], resampling, draws=12, precision=precision)
        for k in range(4):
            known = ~np.isnan(y[:, k])
            if len(set(y[known, k])) < 2:
                assert np.isnan(found.auroc[:, k]).all() and np.isnan(found.redrawn[k])
                continue
            values, areas, number = [], [], 0
            while len(values) < 12 and number < 120:
                rows = drawn_rows(resampling, number)
                rows = rows[known[rows]]
                number += 1
                if len(set(y[rows, k])) == 2:
                    values.append(metrics.roc_auc_score(y[rows, k], s[rows, k]))
                    areas.append(metrics.average_precision_score(y[rows, k], s[rows, k]))
            if len(values) < 12:
                assert np.isnan(found.auroc[:, k]).all()
                continue
            np.testing.assert_allclose(found.auroc[0, k], values, atol=1e-12)
            np.testing.assert_allclose(found.auroc[1, k], 1 - np.array(values), atol=1e-12)
            assert found.redrawn[k] == pytest.approx(1 - 12 / number)
            if precision:
                np.testing.assert_allclose(found.average_precision[0, k], areas, atol=1e-12)


def test_draws_do_not_depend_on_the_size_of_blocks() -> None:
    resampling = PatientResampling.of(np.arange(50) // 2, seed=4)
    whole = np.concatenate([c for _, c in resampling.blocks(0, 20, size=20)], axis=1)
    parts = np.concatenate([c for _, c in resampling.blocks(0, 20, size=3)], axis=1)
    np.testing.assert_array_equal(whole, parts)
    assert (whole.sum(axis=0) == 25).all()


def test_sums_are_those_of_the_drawn_records(random_generator) -> None:
    values = random_generator.normal(size=(60, 3))
    resampling = PatientResampling.of(random_generator.integers(0, 20, 60), seed=2)
    found = bootstrap_sums(patient_sums(values, resampling), resampling, draws=5)
    for d in range(5):
        np.testing.assert_allclose(found[d], values[drawn_rows(resampling, d)].sum(axis=0))


def test_jackknife_equals_leaving_patients_out(random_generator) -> None:
    y = random_generator.integers(0, 2, 60).astype(float)
    s = random_generator.integers(0, 6, 60).astype(float)
    y[3] = np.nan
    member = random_generator.integers(0, 15, 60)
    found = auroc_jackknife(y, s, member)
    known = ~np.isnan(y)
    wanted = [
        metrics.roc_auc_score(y[known & (member != p)], s[known & (member != p)])
        for p in np.unique(member[known])
    ]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_bca_and_percentile_equal_scipy(random_generator) -> None:
    x = random_generator.exponential(size=40)
    for method in ("percentile", "BCa"):
        wanted = scipy.stats.bootstrap(
            (x,), np.mean, n_resamples=800, method=method, random_state=1
        )
        values = wanted.bootstrap_distribution
        if method == "percentile":
            found = percentile_interval(values)
        else:
            jackknife = (x.sum() - x) / 39
            found = bca_interval(values, x.mean(), jackknife)
        interval = wanted.confidence_interval
        assert found == pytest.approx((interval.low, interval.high), abs=1e-9), method


def test_undefined_draws_make_undefined_intervals() -> None:
    assert np.isnan(percentile_interval(np.array([0.5, np.nan]))).all()
    assert np.isnan(bca_interval(np.full(9, 0.7), 0.5, np.arange(5.0))).all()
    assert np.isnan(bootstrap_p_value(np.zeros(10)))
    assert bootstrap_p_value(np.ones(99)) == pytest.approx(0.02)


def test_what_does_not_belong_together_is_refused() -> None:
    resampling = PatientResampling.of(np.arange(3))
    y = np.array([[0.0], [1.0], [1.0]])
    with pytest.raises(SignalError, match="differ in shape"):
        bootstrap_ranks(y, [y[:2]], resampling, draws=2)
    with pytest.raises(SignalError, match="different records"):
        bootstrap_ranks(y, [y, np.where(y == 0, np.nan, y)], resampling, draws=2)
    with pytest.raises(SignalError, match="3 patients for 2"):
        bootstrap_ranks(y[:2], [y[:2]], resampling, draws=2)


@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.8])
def test_the_binormal_variance_is_that_of_simulated_studies(ratio: float) -> None:
    generator = np.random.default_rng(0)
    m, n, auroc = 25, 60, 0.85
    shift = np.sqrt(1 + ratio**2) * scipy.stats.norm.ppf(auroc)
    positive = ratio * generator.normal(size=(6000, m)) + shift
    negative = generator.normal(size=(6000, n))
    values = (positive[:, :, None] > negative[:, None, :]).mean(axis=(1, 2))
    assert ai.binormal_variance(auroc, m, n, ratio=ratio) == pytest.approx(values.var(), rel=0.06)


def test_equal_spreads_have_the_variance_of_hanley_and_mcneil_by_quadrature() -> None:
    """Both variances of placement values by numerical integration over the other class."""
    auroc, ratio = 0.93, 1.4
    shift = np.sqrt(1 + ratio**2) * scipy.stats.norm.ppf(auroc)
    x = np.linspace(-12, 12, 200_001)
    density, step = scipy.stats.norm.pdf(x), x[1] - x[0]
    of_positives = (scipy.stats.norm.cdf(shift + ratio * x) ** 2 * density).sum() * step
    of_negatives = (scipy.stats.norm.cdf((shift - x) / ratio) ** 2 * density).sum() * step
    wanted = of_positives - auroc**2, of_negatives - auroc**2
    assert ai.binormal_parts(auroc, ratio=ratio) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.8])
@pytest.mark.parametrize("sizes", [(300, 3000), (3000, 300)])
def test_the_ratio_of_spreads_is_found_whatever_monotone_function_is_taken(ratio, sizes) -> None:
    generator = np.random.default_rng(4)
    m, n = sizes
    scores = np.concatenate([1.5 + ratio * generator.normal(size=m), generator.normal(size=n)])
    labels = np.repeat([1.0, 0.0], sizes)
    found = auroc_covariance(labels, [scores])
    assert ai.spread_ratio(found) == pytest.approx(ratio, rel=0.15)
    again = auroc_covariance(labels, [1 / (1 + np.exp(-scores))])
    assert ai.spread_ratio(again) == ai.spread_ratio(found)
    separate = auroc_covariance(labels, [scores + 50 * labels])
    assert ai.spread_ratio(separate) == 1.0  # nothing to see of it


def test_a_few_patients_with_most_of_the_records_are_no_thirty(random_generator) -> None:
    sizes = np.concatenate([[200], np.ones(39, int), np.ones(60, int)])
    member = np.repeat(np.arange(100), sizes)
    labels = (member < 40).astype(float)
    scores = random_generator.normal(size=len(member)) + labels
    found = ai.auroc_interval(labels, scores, patients=member)
    assert 0.6 < found.auroc < 0.95 and found.positive_patients == 40
    assert not found.reliable
    once = np.unique(member, return_index=True)[1]
    assert ai.auroc_interval(labels[once], scores[once], patients=member[once]).reliable


def test_the_reported_interval_tends_to_delongs_and_is_flagged_where_it_must(
    random_generator,
) -> None:
    y = (random_generator.uniform(size=20_000) < 0.3).astype(float)
    found = ai.auroc_interval(y, random_generator.normal(size=20_000) + y)
    assert found.reliable and found.method == "delong-moderated"
    assert (found.low, found.high) == pytest.approx((found.delong_low, found.delong_high), abs=5e-4)
    perfect = ai.auroc_interval([0] * 40 + [1] * 40, np.arange(80))
    assert perfect.method == "newcombe" and 0.9 < perfect.low < 1 and perfect.high == 1
    assert not perfect.reliable
    few = ai.auroc_interval([0] * 40 + [1] * 5, random_generator.normal(size=45))
    assert not few.reliable and few.low < few.auroc < few.high
    none = ai.auroc_interval([0, 0], [0.1, 0.2])
    assert none.method == "none" and np.isnan([none.auroc, none.low, none.high]).all()


@pytest.mark.slow
def test_intervals_cover_the_truth_with_several_records_per_patient() -> None:
    """A short form of the coverage simulation; its table stands in docs/evaluation.md."""
    from benchmarks.experiments.interval_coverage import coverage

    for auroc in (0.6, 0.8, 0.95):
        found = coverage(
            30, 300, auroc, "equal", False, studies=1500, bootstraps=0, draws=0, seed=3
        )
        share = found["reported"][0]
        # 93 to 97 %, with three standard errors of 1500 studies.
        assert 0.93 - 0.016 <= share <= 0.97 + 0.016, auroc
