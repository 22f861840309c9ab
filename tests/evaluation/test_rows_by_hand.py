"""Rows, gains, readers, subgroups and curves of small cohorts, against loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from ecgfoundry.errors import EvaluationError
from ecgfoundry.evaluation.classification import classification_averages, classification_rows
from ecgfoundry.evaluation.cohort import EvaluationData, Thresholds
from ecgfoundry.evaluation.controls import ControlScores
from ecgfoundry.evaluation.curves import target_curves, thinned
from ecgfoundry.evaluation.evaluate import evaluate
from ecgfoundry.evaluation.gains import add_gains, add_quantity_gains
from ecgfoundry.evaluation.quantities import regression_rows
from ecgfoundry.evaluation.readers import check_decisions, reader_rows
from ecgfoundry.evaluation.report.report import evaluation_report
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.evaluation.subgroups import age_band, levels_of, set_tables, subgroup_tables
from ecgfoundry.metrics.resampling import PatientResampling

NAN = float("nan")
DRAWS = 24


def cells(found) -> list[dict]:
    """Rows as the columns of metrics.csv."""
    return [row.cells() for row in found.rows]


def cohort(n: int = 120, *, seed: int = 3) -> EvaluationData:
    """Targets A (a third), B (half) and R (five positives), scores in 0 to 1, gaps in both."""
    generator = np.random.default_rng(seed)
    labels = (generator.uniform(size=(n, 3)) < [0.35, 0.5, 0.0]).astype(float)
    labels[:5, 2] = 1.0
    scores = 1 / (1 + np.exp(-(generator.normal(size=(n, 3)) + 1.2 * labels - 0.5)))
    scores = np.round(scores, 2)
    labels[7:15, 0], scores[20:24, 1] = NAN, NAN
    labels[20, 1] = NAN
    return EvaluationData(
        ("A", "B", "R"), labels, scores, generator.integers(0, 70, n),
        thresholds=Thresholds({"A": 0.5, "B": 0.36}, "given"),
    )  # fmt: skip


def draws_of(resampling: PatientResampling, labels: np.ndarray, draws: int = DRAWS) -> list:
    """Rows of every draw that has both classes, by concatenating patients."""
    found, number = [], 0
    while len(found) < draws:
        drawn = resampling.draw(number)
        rows = np.concatenate([np.flatnonzero(resampling.member == p) for p in drawn])
        known = rows[~np.isnan(labels[rows])]
        if len(set(labels[known])) == 2:
            found.append(known)
        number += 1
        assert number < 10 * draws
    return found


def area(y: np.ndarray, s: np.ndarray) -> float:
    """Share of the pairs in which the positive scores above the negative; ties count one half."""
    a, b = s[y == 1][:, None], s[y == 0][None, :]
    return float(((a > b) + 0.5 * (a == b)).mean())


def percentiles(values: list[float], level: float = 0.9) -> list[float]:
    return list(np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))


SETTINGS = Settings(draws=DRAWS, level=0.9, false_discovery_rate=0.2)


def test_a_row_counts_and_measures_what_is_known() -> None:
    data = cohort()
    resampling = PatientResampling.of(data.patients)
    result = classification_rows(data, [0, 1, 2], resampling, SETTINGS)
    for k, row in enumerate(cells(result)):
        y, s = data.labels[:, k], data.scores[:, k]
        y = np.where(np.isnan(s), NAN, y)
        known = ~np.isnan(y)
        assert row["target"] == "ABR"[k] and row["kind"] == "classification"
        assert row["n"] == known.sum() and row["positives"] == y[known].sum()
        assert row["prevalence"] == pytest.approx(y[known].mean())
        assert row["patients"] == len(set(data.patients[known]))
        assert row["positive_patients"] == len(set(data.patients[y == 1]))
        assert row["negative_patients"] == len(set(data.patients[y == 0]))
        assert row["auroc"] == pytest.approx(roc_auc_score(y[known], s[known]))
        assert row["auprc"] == pytest.approx(average_precision_score(y[known], s[known]))
        drawn = draws_of(resampling, y)
        ranks = percentiles([area(y[rows], s[rows]) for rows in drawn])
        areas = percentiles([average_precision_score(y[rows], s[rows]) for rows in drawn])
        assert [row["auroc_percentile_low"], row["auroc_percentile_high"]] == pytest.approx(ranks)
        assert [row["auprc_low"], row["auprc_high"]] == pytest.approx(areas)
    a, b, rare = cells(result)
    assert (a["missing_labels"], a["missing_predictions"]) == (8, 0)
    assert (b["missing_labels"], b["missing_predictions"]) == (1, 3)
    assert a["auroc_low"] < a["auroc_bca_low"] < a["auroc"] < a["auroc_bca_high"]
    assert rare["positive_patients"] < 30 and not rare["auroc_interval_reliable"]
    assert np.isnan(rare["threshold"]) and np.isnan(rare["sensitivity"])


def test_decisions_and_their_intervals() -> None:
    data = cohort()
    resampling = PatientResampling.of(data.patients)
    row = cells(classification_rows(data, [0, 1, 2], resampling, SETTINGS))[1]
    y, called = data.labels[:, 1], data.scores[:, 1] >= 0.36
    known = ~(np.isnan(y) | np.isnan(data.scores[:, 1]))
    assert (data.scores[known, 1] == 0.36).any()  # the threshold itself is present
    tp = int((known & called & (y == 1)).sum())
    fn = int((known & ~called & (y == 1)).sum())
    assert (row["true_positives"], row["false_negatives"]) == (tp, fn)
    assert row["sensitivity"] == pytest.approx(tp / (tp + fn))
    values = []
    for number in range(DRAWS):
        drawn = resampling.draw(number)
        rows = np.concatenate([np.flatnonzero(resampling.member == p) for p in drawn])
        rows = rows[known[rows]]
        values.append(called[rows][y[rows] == 1].mean())
    assert [row["sensitivity_low"], row["sensitivity_high"]] == pytest.approx(percentiles(values))


@pytest.mark.parametrize(
    ("name", "missed", "wrong", "patients"),
    [
        ("sensitivity", 0, 0, 12), ("specificity", 0, 0, 20), ("ppv", 0, 0, 12),
        ("npv", 0, 0, 20), ("accuracy", 0, 0, 32),
        # Five patients without the target called: they are no part of these denominators.
        ("sensitivity", 0, 5, 12), ("npv", 0, 5, 15),
        # Three with the target missed.
        ("specificity", 3, 0, 20), ("ppv", 3, 0, 9),
    ],
)  # fmt: skip
def test_a_share_of_one_has_wilsons_interval_of_its_patients(
    name: str, missed: int, wrong: int, patients: int
) -> None:
    """12 patients with the target and 20 without, two records each."""
    y = np.repeat([1.0, 0.0], [24, 40])
    called = y.copy()
    called[: 2 * missed], called[24 : 24 + 2 * wrong] = 0.0, 1.0
    data = EvaluationData(
        ("A",), y[:, None], called[:, None], np.arange(64) // 2,
        thresholds=Thresholds({"A": 0.5}, "given"),
    )  # fmt: skip
    (row,) = cells(
        classification_rows(data, [0], PatientResampling.of(data.patients), Settings(draws=DRAWS))
    )
    wanted = proportion_confint(patients, patients, method="wilson")
    assert row[name] == 1.0
    assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(wanted)


def test_averages_are_those_of_scikit_learn() -> None:
    data = cohort()
    resampling = PatientResampling.of(data.patients)
    result = classification_rows(data, [0, 1, 2], resampling, SETTINGS)
    averages = classification_averages(data, [0, 1, 2], result, resampling, SETTINGS)
    found = {name: average.to_dict() for name, average in averages.items()}
    rows = cells(result)
    each = np.array([row["auroc"] for row in rows])
    areas = np.array([row["auprc"] for row in rows])
    weights = np.array([row["positives"] for row in rows])
    assert found["macro"]["auroc"] == pytest.approx(each.mean())
    assert found["macro"]["auprc"] == pytest.approx(areas.mean())
    assert found["weighted"]["auroc"] == pytest.approx(np.average(each, weights=weights))
    assert found["weighted"]["auprc"] == pytest.approx(np.average(areas, weights=weights))
    y, s = data.labels.T.ravel(), data.scores.T.ravel()
    known = ~(np.isnan(y) | np.isnan(s))
    assert found["micro"]["auroc"] == pytest.approx(roc_auc_score(y[known], s[known]))
    assert found["micro"]["auprc"] == pytest.approx(average_precision_score(y[known], s[known]))
    assert [found[name]["targets"] for name in ("macro", "weighted", "micro")] == [3, 3, 3]
    drawn: list[list[float]] = []
    for k in range(3):
        y, s = np.where(np.isnan(data.scores[:, k]), NAN, data.labels[:, k]), data.scores[:, k]
        drawn.append([area(y[r], s[r]) for r in draws_of(resampling, y)])
    macro = percentiles(np.mean(drawn, axis=0))
    assert [found["macro"]["auroc_low"], found["macro"]["auroc_high"]] == pytest.approx(macro)
    weighted = percentiles(np.average(drawn, axis=0, weights=weights))
    assert [found["weighted"]["auroc_low"], found["weighted"]["auroc_high"]] == pytest.approx(
        weighted
    )
    # Of decisions only where there are any: A and B.
    sensitivity = np.mean([row["sensitivity"] for row in rows[:2]])
    assert found["macro"]["sensitivity"] == pytest.approx(sensitivity)


def rare_targets(n: int = 1500, targets: int = 12, share: float = 0.01) -> EvaluationData:
    generator = np.random.default_rng(0)
    labels = (generator.uniform(size=(n, targets)) < share).astype(float)
    scores = 1 / (1 + np.exp(-(generator.normal(size=labels.shape) + 1.5 * labels - 2)))
    return EvaluationData(tuple(f"t{k}" for k in range(targets)), labels, scores, np.arange(n))


def test_intervals_of_auprc_are_flagged_where_rare_positives_bias_the_draws() -> None:
    """With 1 % of positives draws lie nearly a standard deviation above the mean AUPRC."""
    settings = Settings(draws=200, controls=False, subgroups=False)
    rare = evaluate(rare_targets(), settings)
    macro = rare.document["averages"]["macro"]
    assert macro["auprc_high"] - macro["auprc"] > 2 * (macro["auprc"] - macro["auprc_low"])
    assert macro["auprc_interval_reliable"] is False
    # About 20 positives each: a mean over them has no more people in its smaller classes.
    assert macro["auroc_interval_reliable"] is False
    assert not any(row["auprc_interval_reliable"] for row in rare.cells())
    assert "‡" in evaluation_report(rare)
    usual = evaluate(rare_targets(2000, 3, 0.4), settings)
    assert usual.document["averages"]["macro"]["auprc_interval_reliable"] is True
    assert usual.document["averages"]["weighted"]["auprc_interval_reliable"] is True
    assert usual.document["averages"]["micro"]["auroc_interval_reliable"] is True
    assert all(row["auprc_interval_reliable"] for row in usual.cells())
    assert "‡" not in evaluation_report(usual)
    # No interval is none to be trusted.
    none = evaluate(rare_targets(300, 2, 0.4), Settings(draws=0, controls=False, subgroups=False))
    assert none.document["averages"]["macro"]["auroc_interval_reliable"] is False
    assert "‡" not in evaluation_report(none)


@pytest.mark.parametrize(
    ("positives", "negatives", "reliable"),
    [(30, 60, True), (29, 60, False), (60, 30, True), (60, 29, False)],
)
def test_an_interval_of_auprc_needs_thirty_patients_of_both_kinds(
    positives: int, negatives: int, reliable: bool
) -> None:
    y = np.repeat([1.0, 0.0], [positives, negatives])
    s = np.random.default_rng(1).uniform(size=len(y)) * 0.6 + 0.4 * y
    data = EvaluationData(("A",), y[:, None], s[:, None], np.arange(len(y)))
    resampling = PatientResampling.of(data.patients)
    (row,) = cells(classification_rows(data, [0], resampling, Settings(draws=400)))
    assert row["auprc_low"] < row["auprc"] < row["auprc_high"]
    assert row["auprc_interval_reliable"] is reliable


def test_multiclass_decisions_are_by_the_largest_score_of_all_targets() -> None:
    labels = np.eye(3)[[0, 0, 1, 2, 2, 1]]
    scores = np.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.45, 0.45], [0.1, 0.2, 0.7],
                       [0.4, 0.3, 0.3], [0.5, NAN, 0.1]])  # fmt: skip
    data = EvaluationData(("a", "b", "c"), labels, scores, np.arange(6), multiclass=True)
    resampling = PatientResampling.of(data.patients)
    rows = cells(classification_rows(data, [0, 1, 2], resampling, Settings(draws=0)))
    counts = [[row[name] for name in ("true_positives", "false_positives", "false_negatives",
                                      "true_negatives")] for row in rows]  # fmt: skip
    # Called: a, b, b (the first of equal ones), c, a; the record with a gap is not decided.
    assert counts == [[1, 1, 1, 2], [1, 1, 0, 3], [1, 0, 1, 3]]
    assert all(np.isnan(row["threshold"]) for row in rows)
    assert all(np.isnan(row["auprc_low"]) and np.isnan(row["sensitivity_low"]) for row in rows)


def test_infinite_labels_are_refused() -> None:
    labels = np.array([[1.0, 4.1], [0.0, np.inf]])
    with pytest.raises(EvaluationError, match="labels of 'K' are infinite"):
        EvaluationData(("A", "K"), labels, np.zeros((2, 2)), np.arange(2))


# --- gains over controls -------------------------------------------------------------------------


def test_gains_are_paired_differences_with_corrected_p_values() -> None:
    data = cohort()
    resampling = PatientResampling.of(data.patients)
    result = classification_rows(data, [0, 1, 2], resampling, SETTINGS)
    generator = np.random.default_rng(11)
    control = np.round(generator.uniform(size=data.scores.shape), 1)
    control[:, 1] = data.scores[:, 1]  # as good as the network itself
    control[30:40, 0] = NAN
    worse = 1 - data.scores
    gained = add_gains(
        data, [0, 1, 2], result,
        ControlScores({"age_sex": control, "features": worse}, {"heart_rate": "no rate"}, "-"),
        resampling, SETTINGS,
    )  # fmt: skip
    summary = {name: found.to_dict() for name, found in gained.summary.items()}
    assert summary["heart_rate"] == {"not_computed": "no rate"}
    assert summary["prevalence_only"] == {"not_computed": "not given"}
    for name, values in (("age_sex", control), ("features", worse)):
        p = [row[f"{name}_p"] for row in cells(gained)]
        known_p = [value for value in p if not np.isnan(value)]
        q = iter(stats.false_discovery_control(known_p))
        gains, own = [], []
        drawn_gains = []
        for k, row in enumerate(cells(gained)):
            s, c = data.scores[:, k], values[:, k]
            y = np.where(np.isnan(s), NAN, data.labels[:, k])
            inside = ~(np.isnan(y) | np.isnan(c))
            own.append(roc_auc_score(y[inside], c[inside]))
            gains.append(roc_auc_score(y[inside], s[inside]) - own[-1])
            assert row[f"{name}_auroc"] == pytest.approx(own[-1])
            assert row[f"{name}_auprc"] == pytest.approx(
                average_precision_score(y[inside], c[inside])
            )
            assert row[f"{name}_brier"] == pytest.approx(brier_score_loss(y[inside], c[inside]))
            assert row[f"{name}_gain"] == pytest.approx(gains[-1])
            paired = np.where(inside, y, NAN)
            differences = [
                area(y[r], s[r]) - area(y[r], c[r]) for r in draws_of(resampling, paired)
            ]
            drawn_gains.append(differences)
            ends = [row[f"{name}_gain_low"], row[f"{name}_gain_high"]]
            if k == 1 and name == "age_sex":
                # The network itself: no difference in any draw, and no interval of width zero.
                assert max(map(abs, differences)) < 1e-12 and np.isnan(ends).all()
            else:
                assert ends == pytest.approx(percentiles(differences), abs=1e-12)
            if np.isnan(row[f"{name}_p"]):
                assert row[f"{name}_beaten"] is None and np.isnan(row[f"{name}_q"])
                continue
            assert row[f"{name}_q"] == pytest.approx(next(q))
            beaten = gains[-1] > 0 and row[f"{name}_q"] <= 0.2
            assert row[f"{name}_beaten"] is bool(beaten)
            below = sum(d <= 1e-15 for d in differences)
            above = sum(d >= -1e-15 for d in differences)
            wanted = min(1.0, 2 * (min(below, above) + 1) / (DRAWS + 1))
            assert row[f"{name}_p_bootstrap"] == pytest.approx(wanted)
        mean = summary[name]
        assert mean["targets"] == 3 and mean["tested"] == len(known_p)
        assert mean["macro_auroc"] == pytest.approx(np.mean(own))
        assert mean["macro_gain"] == pytest.approx(np.mean(gains))
        assert [mean["macro_gain_low"], mean["macro_gain_high"]] == pytest.approx(
            percentiles(np.mean(drawn_gains, axis=0))
        )
        flags = [row[f"{name}_beaten"] for row in cells(gained)]
        assert mean["beaten"] == flags.count(True)
    assert summary["age_sex"]["tested"] == 2 and cells(gained)[1]["age_sex_beaten"] is None
    assert summary["features"]["beaten"] >= 2


def test_a_control_that_is_better_is_never_beaten_however_sure() -> None:
    data = cohort(300)
    better = EvaluationData(data.targets, data.labels, 1 - data.scores, data.patients)
    resampling = PatientResampling.of(data.patients)
    result = classification_rows(better, [0, 1], resampling, SETTINGS)
    gained = add_gains(better, [0, 1], result, ControlScores({"age_sex": data.scores}, {}, "-"),
                       resampling, SETTINGS)  # fmt: skip
    for row in cells(gained):
        assert row["age_sex_q"] < 0.001 and row["age_sex_gain"] < 0
        assert row["age_sex_beaten"] is False


def test_a_q_value_of_the_rate_itself_is_a_gain() -> None:
    data = cohort()
    resampling = PatientResampling.of(data.patients)
    noise = np.random.default_rng(0).uniform(size=data.scores.shape)
    controls = ControlScores({"age_sex": 0.5 * data.scores + 0.5 * noise}, {}, "-")
    result = classification_rows(data, [0], resampling, SETTINGS)
    (row,) = cells(add_gains(data, [0], result, controls, resampling, SETTINGS))
    q = row["age_sex_q"]
    assert 0 < q < 1 and row["age_sex_gain"] > 0
    for rate, beaten in ((q, True), (np.nextafter(q, 0), False)):
        settings = Settings(draws=DRAWS, false_discovery_rate=float(rate))
        (row,) = cells(add_gains(data, [0], result, controls, resampling, settings))
        assert row["age_sex_beaten"] is beaten


def test_the_prevalence_has_an_area_of_one_half_in_every_draw() -> None:
    data = cohort()
    resampling = PatientResampling.of(data.patients)
    result = classification_rows(data, [0, 1], resampling, SETTINGS)
    flat = np.full(data.scores.shape, 0.4)
    gained = add_gains(data, [0, 1], result, ControlScores({"prevalence_only": flat}, {}, "-"),
                       resampling, SETTINGS)  # fmt: skip
    for row in cells(gained):
        assert row["prevalence_only_auroc"] == 0.5
        assert row["prevalence_only_gain_low"] == pytest.approx(row["auroc_percentile_low"] - 0.5)
        assert row["prevalence_only_gain_high"] == pytest.approx(row["auroc_percentile_high"] - 0.5)
    assert gained.summary["prevalence_only"].macro_auroc == 0.5


def quantity() -> EvaluationData:
    """Potassium of 40 patients with two records each; errors of a tenth and of a half."""
    generator = np.random.default_rng(5)
    truth = np.round(generator.normal(4, 0.5, 80), 1)
    truth[3] = NAN
    scores = truth + 0.1 * np.where(np.arange(80) % 2, 1, -1)
    scores[3], scores[10] = 4.0, NAN
    truth[40], scores[40] = NAN, NAN  # neither: a missing label, no missing prediction
    return EvaluationData(("K",), truth[:, None], scores[:, None], np.arange(80) // 2)


def test_a_gain_of_a_quantity_is_the_mean_error_saved() -> None:
    data = quantity()
    resampling = PatientResampling.of(data.patients)
    settings = Settings(draws=DRAWS, level=0.9)
    control = data.labels + 0.5 * np.where(np.arange(80) % 3, 1, -1)[:, None]
    control[20] = NAN
    for values, sign in ((control, 1), (data.labels, -1)):
        rows = regression_rows(data, [0], resampling, settings)
        gained = add_quantity_gains(data, [0], rows, ControlScores({"age_sex": values}, {}, "-"),
                                    resampling, settings)  # fmt: skip
        (row,) = cells(gained)
        wanted = 0.4 if sign > 0 else -0.1
        assert row["age_sex_gain_mae"] == pytest.approx(wanted)
        # Every record saves the same, so that every draw does.
        assert row["age_sex_gain_mae_low"] == pytest.approx(wanted)
        assert row["age_sex_gain_mae_high"] == pytest.approx(wanted)
        assert row["age_sex_mae"] == pytest.approx(0.5 if sign > 0 else 0.0, abs=1e-12)
        assert row["age_sex_p"] == row["age_sex_q"] == pytest.approx(2 / (DRAWS + 1))
        known = ~np.isnan(data.labels + data.scores + values)[:, 0]
        truth, other = data.labels[known, 0], values[known, 0]
        r2 = 1 - ((truth - other) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
        assert row["age_sex_r2"] == pytest.approx(r2)
        assert row["age_sex_beaten"] is False  # 0.08 > 0.05
        lenient = Settings(draws=DRAWS, false_discovery_rate=0.08)
        rows = regression_rows(data, [0], resampling, lenient)
        gained = add_quantity_gains(data, [0], rows, ControlScores({"age_sex": values}, {}, "-"),
                                    resampling, lenient)  # fmt: skip
        assert cells(gained)[0]["age_sex_beaten"] is (sign > 0)
        summary = {name: found.to_dict() for name, found in gained.summary.items()}
        assert summary["age_sex"] == {"targets": 1, "tested": 1, "beaten": int(sign > 0)}
        assert summary["features"] == {"not_computed": "not given"}


def test_rows_of_quantities() -> None:
    data = quantity()
    resampling = PatientResampling.of(data.patients)
    (found,) = regression_rows(data, [0], resampling, Settings(draws=DRAWS, level=0.9))
    row = found.cells()
    assert (row["n"], row["patients"]) == (77, 40)
    assert (row["missing_labels"], row["missing_predictions"]) == (2, 1)
    assert row["mae"] == pytest.approx(0.1) and row["kind"] == "regression"
    known = ~np.isnan(data.labels + data.scores)[:, 0]
    values = []
    for number in range(DRAWS):
        rows = np.concatenate(
            [np.flatnonzero(resampling.member == p) for p in resampling.draw(number)]
        )
        rows = rows[known[rows]]
        values.append(float((data.scores[rows, 0] - data.labels[rows, 0]).mean()))
    assert [row["bias_low"], row["bias_high"]] == pytest.approx(percentiles(values))
    (none,) = regression_rows(data, [0], resampling, Settings(draws=0))
    assert np.isnan(none.measures["mae"].low) and none.measures["mae"].value == row["mae"]


# --- readers -------------------------------------------------------------------------------------


def test_the_network_at_the_specificity_of_a_reader() -> None:
    """Ten records in order of score: N N P N P N P P N P; the reader misses two and calls one."""
    y = np.array([0, 0, 1, 0, 1, 0, 1, 1, 0, 1], dtype=float)
    s = np.arange(1, 11) / 10
    reader = np.array([0, 0, 0, 1, 0, 0, 1, 1, 0, 1], dtype=float)
    data = EvaluationData(
        ("A",), y[:, None], s[:, None], np.arange(10),
        thresholds=Thresholds({"A": 0.7}, "given"), readers={"first": reader[:, None]},
    )  # fmt: skip
    (row,) = reader_rows(data, [0])
    assert (row.reader, row.target, row.n, row.positives) == ("first", "A", 10, 5)
    assert (row.measures["sensitivity"], row.measures["specificity"]) == (0.6, 0.8)
    # One negative of five may be called: 0.7, 0.8 and 1.0 lie above all but the one of 0.9.
    assert row.network_sensitivity == 0.6
    # At 0.7: the network errs at 0.3, 0.5 and 0.9, the reader at 0.3, 0.4 and 0.5.
    assert row.p_mcnemar == 1.0
    perfect = EvaluationData(
        ("A",), y[:, None], s[:, None], np.arange(10), readers={"first": y[:, None]}
    )
    (row,) = reader_rows(perfect, [0])
    assert row.network_sensitivity == 0.2  # nothing but 1.0 lies above every negative
    assert np.isnan(row.p_mcnemar)


def test_mcnemar_of_a_reader_uses_the_threshold_itself() -> None:
    y = np.ones(8)
    y[0] = 0
    data = EvaluationData(
        ("A",), y[:, None], np.full((8, 1), 0.5), np.arange(8),
        thresholds=Thresholds({"A": 0.5}, "given"), readers={"none": np.zeros((8, 1))},
    )  # fmt: skip
    (row,) = reader_rows(data, [0])
    # 7 against 1: twice (1 + 8) / 2^8.
    assert row.p_mcnemar == pytest.approx(18 / 256)


def test_readers_are_measured_only_where_both_answered() -> None:
    y = np.array([[1.0], [0.0], [1.0], [0.0], [NAN]])
    s = np.array([[0.9], [0.2], [NAN], [0.4], [0.1]])
    read = np.array([[1.0], [0.0], [0.0], [NAN], [1.0]])
    data = EvaluationData(("A",), y, s, np.arange(5), readers={"r": read})
    (row,) = reader_rows(data, [0])
    assert (row.n, row.measures["sensitivity"], row.measures["specificity"]) == (2, 1.0, 1.0)
    nobody = EvaluationData(("A",), y, s, np.arange(5), readers={"r": np.full((5, 1), NAN)})
    assert reader_rows(nobody, [0]) == []
    check_decisions("r", np.array([0.0, 1.0, NAN]))
    for value in (0.5, 2.0, -1.0):
        with pytest.raises(EvaluationError, match="neither 0 nor 1"):
            check_decisions("r", np.array([0.0, value]))


# --- subgroups -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0, "0 to 17"), (17.99, "0 to 17"), (18, "18 to 39"), (39.99, "18 to 39"),
        (40, "40 to 64"), (64.99, "40 to 64"), (65, "65 to 79"), (79.99, "65 to 79"),
        (80, "80 and older"), (120, "80 and older"), (-1, ""), (NAN, ""),
    ],
)  # fmt: skip
def test_bands_of_age(age: float, band: str) -> None:
    assert age_band(age) == band


def with_levels(levels: list[str | None], column: str = "site") -> EvaluationData:
    n = len(levels)
    labels = (np.arange(n) % 2).astype(float)[:, None]
    return EvaluationData(
        ("A",), labels, np.linspace(0, 1, n)[:, None], np.arange(n) // 2,
        covariates={column: np.array(levels, dtype=object)},
    )  # fmt: skip


def test_twenty_levels_are_kept_and_of_more_the_nineteen_largest() -> None:
    twenty = [f"s{k:02d}" for k in range(20)] * 2
    assert set(levels_of(with_levels(twenty), "site")) == set(twenty)
    more = [*twenty, "rare", ""]
    found = levels_of(with_levels(more), "site")
    # Of the twenty equal ones the first nineteen of the alphabet.
    assert set(found) == {*(f"s{k:02d}" for k in range(19)), "other", ""}
    assert (found == "other").sum() == 3 and (found == "").sum() == 1
    assert levels_of(with_levels(twenty), "device") is None


def test_a_table_of_subgroups_by_hand() -> None:
    data = with_levels(["b", "a", "a", "b", "b", "a", None, "b"])
    member = PatientResampling.of(data.patients).member
    (table,) = subgroup_tables(data, [0], member, Settings())
    assert table.column == "site" and table.missing == 1
    a, b = table.levels
    assert (a.level, a.records, a.patients) == ("a", 3, 3)
    assert (b.level, b.records, b.patients) == ("b", 4, 4)
    # a: records 1 (positive), 2, 5 (positive) in the order of scores: 1 of 2 pairs.
    (cell,) = a.targets
    assert (cell.n, cell.positives, cell.auroc) == (3, 2, 0.5)
    assert (cell.positive_patients, cell.negative_patients) == (2, 1)
    assert a.macro_auroc == 0.5 and a.macro_targets == 1
    assert not cell.reliable
    one = with_levels(["a", "b", "a", "b"])
    (table,) = subgroup_tables(one, [0], np.arange(4), Settings())
    assert [e.macro_targets for e in table.levels] == [0, 0]
    assert np.isnan(table.levels[0].macro_auroc)
    assert subgroup_tables(with_levels([None, None]), [0], np.arange(2), Settings()) == []


@pytest.mark.parametrize(
    ("column", "levels", "first"),
    [
        ("set", ["x", "Train", "x", "x"], "Train"),
        ("set", ["x", "internal", "x", "x"], "internal"),
        ("dataset", ["a", "b", "b", "c"], "b"),  # the largest
        ("split", ["test", "development", "test", "test"], "development"),
        ("period", ["late", "early", "late", "late"], "early"),  # the first of the alphabet
        ("year", ["2021", "2020", "2021", "2021"], "2020"),
    ],
)
def test_the_set_that_others_are_compared_with(column: str, levels: list, first: str) -> None:
    sets = set_tables(with_levels(levels, column), [0], np.arange(4), Settings())
    assert sets is not None and sets.first == first and sets.table.column == column


def test_one_set_is_not_compared() -> None:
    assert set_tables(with_levels(["a", "a", None], "set"), [0], np.arange(3), Settings()) is None


# --- curves --------------------------------------------------------------------------------------


def test_a_curve_of_160_points_is_kept_and_a_longer_one_thinned_along_its_length() -> None:
    x = np.arange(160.0)
    assert len(thinned(x, x)) == 160
    # 161 points, of which 100 lie within a thousandth: along the length they are one.
    x = np.concatenate([np.linspace(0, 0.001, 100), np.linspace(1, 61, 61)])
    points = thinned(x, np.zeros(161))
    assert len(points) == 62 and points[0, 0] == 0.0 and points[-1, 0] == 61.0
    assert 160 <= len(thinned(np.arange(10_000.0), np.zeros(10_000))) <= 160
    few = thinned(np.arange(10.0), np.zeros(10), most=4)
    assert few[:, 0].tolist() == [0, 3, 6, 9]
    # The length is that of both directions: a step of 3 and 4 is 5 long.
    steps = thinned(np.array([0.0, 3.0, 3.0, 3.0]), np.array([0.0, 4.0, 5.0, 10.0]), most=3)
    assert steps.tolist() == [[0, 0], [3, 5], [3, 10]]


def test_points_of_a_target() -> None:
    y = np.array([[1.0], [0.0], [1.0], [0.0], [NAN]])
    s = np.array([[0.9], [0.9], [0.4], [0.1], [0.5]])
    data = EvaluationData(("A",), y, s, np.arange(5))
    found = target_curves(data, 0)
    assert found.roc.tolist() == [[0, 0], [0.5, 0.5], [0.5, 1], [1, 1]]
    assert found.precision_recall.tolist() == [[0.5, 0.5], [1, 2 / 3], [1, 0.5]]
    assert found.reliability is not None and found.reliability.count.sum() == 4
    for bad in (-0.001, 1.001):
        outside = s.copy()
        outside[3] = bad
        data = EvaluationData(("A",), y, outside, np.arange(5))
        assert target_curves(data, 0).reliability is None
    whole = EvaluationData(("A",), y, np.array([[1.0], [0.0], [1.0], [0.0], [9.0]]), np.arange(5))
    assert target_curves(whole, 0).reliability is not None
    single = EvaluationData(("A",), np.ones((5, 1)), s, np.arange(5))
    assert len(target_curves(single, 0).roc) == 0


@pytest.mark.parametrize(("n", "dots"), [(1500, 1500), (1501, 751), (3001, 1001)])
def test_at_most_1500_dots_are_drawn(n: int, dots: int) -> None:
    truth = np.arange(float(n))[:, None]
    data = EvaluationData(("K",), truth, truth + 2, np.arange(n))
    found = target_curves(data, 0).agreement
    assert len(found) == dots
    assert found[0].tolist() == [1.0, 2.0]  # mean of both, predicted less true
    assert found[1, 0] - found[0, 0] == -(-n // 1500)
