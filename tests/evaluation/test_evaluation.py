"""Input, alignment, controls, subgroups and sets: liberal in form, strict in meaning."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from ecgfoundry.errors import EvaluationError, TableError
from ecgfoundry.evaluation.cohort import EvaluationData, Thresholds
from ecgfoundry.evaluation.comparison import ComparedModel, compare_models, compare_sets
from ecgfoundry.evaluation.controls import CONTROLS, patient_folds
from ecgfoundry.evaluation.curves import thinned
from ecgfoundry.evaluation.evaluate import evaluate
from ecgfoundry.evaluation.inputs import InputFiles, choose_thresholds, load_evaluation_data
from ecgfoundry.evaluation.report.report import evaluation_report
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.evaluation.subgroups import age_band
from ecgfoundry.evaluation.tables import match_ids, read_numbers
from ecgfoundry.evaluation.transfer import EarlierEvaluation
from ecgfoundry.evaluation.writing import csv_text, json_text
from ecgfoundry.metrics.resampling import renumbered

QUICK = Settings(draws=60)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def cohort(n: int = 600, *, seed: int = 0, **more) -> EvaluationData:
    """Target A follows the waveform, B age alone; K is a quantity; E has no positive."""
    generator = np.random.default_rng(seed)
    age = generator.uniform(20, 90, n)
    wave = generator.normal(size=n)
    a = (wave + 0.7 * generator.normal(size=n) > 0.8).astype(float)
    b = (generator.uniform(size=n) < 1 / (1 + np.exp(-(age - 70) / 6))).astype(float)
    k = 4 + 0.5 * wave
    labels = np.stack([a, b, k, np.zeros(n)], axis=1)
    probability = 1 / (1 + np.exp(-(1.5 * wave - 1)))
    guess = generator.uniform(size=n)
    scores = np.stack([probability, guess, 4 + 0.4 * wave, guess], axis=1)
    covariates = {
        "age": age,
        "sex": np.where(generator.uniform(size=n) < 0.5, "female", "male").astype(object),
        "heart_rate": generator.normal(75, 10, n),
        "split": np.where(np.arange(n) % 2, "train", "external").astype(object),
    }
    patients = np.arange(n) // 2
    return EvaluationData(("A", "B", "K", "E"), labels, scores, patients, covariates, **more)


def test_ids_are_text_or_numbers_and_columns_in_any_order(tmp_path: Path) -> None:
    p = write(tmp_path / "p.csv", "B;id;A\n0.2;1.0;0.9\n0.3;2.0;\n0.1;9.0;0.5\n")
    t = write(
        tmp_path / "t.csv", "\ufeffid\tA\tB\textra\n02\t1\tNA\t7\n01\t0\tTrue\t7\n3\t1\t1\t7\n"
    )
    data = load_evaluation_data(InputFiles(p, t))
    assert data.targets == ("A", "B") and list(data.records) == ["01"]
    np.testing.assert_array_equal(data.labels, [[0, 1]])
    np.testing.assert_array_equal(data.scores, [[0.9, 0.2]])
    words = " ".join(data.notes)
    assert "1 records with predictions have no row" in words and "extra" in words
    assert "1 labels have no prediction" in words
    assert [step.left_out for step in data.cohort] == [0, 1, 1]
    assert match_ids(["9012", "x"], ["9012.0", "x"]).tolist() == [0, 1]
    assert match_ids(["007", "7"], ["7", "07"]).tolist() == [-1, 0]  # never two records as one


def test_the_fast_reader_reads_what_the_careful_one_does(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("polars", reason="the fast reader needs polars")
    from ecgfoundry.evaluation import tables

    path = write(tmp_path / "p.csv", "\ufeffA,id,B\n0.1234567890123,a,\n1e-3,b,NaN\n-2,c,3\n")
    slow = read_numbers(path, ["B", "A"])
    monkeypatch.setattr(tables, "_POLARS_FROM_BYTES", 0)
    fast = tables._read_with_polars(path, tables.header_of(path), {"B": "B", "A": "A"})
    assert fast is not None and fast.ids == slow.ids
    np.testing.assert_array_equal(fast.values, slow.values)
    bad = write(tmp_path / "bad.csv", "id,A\nx,0.5\ny,oops\n")
    with pytest.raises(TableError, match="line 3, A: 'oops'"):
        tables.read_numbers(bad, ["A"])


def test_thresholds_are_chosen_on_validation_and_never_on_what_is_evaluated() -> None:
    data = cohort()
    assert evaluate(data, QUICK).document["thresholds"] is None
    reason = "sensitivity, specificity, PPV, NPV, F1, MCC"
    assert reason in evaluate(data, QUICK).document["not_computed"]
    chosen = choose_thresholds(cohort(seed=1))
    assert set(chosen.values) == {"A", "B"} and "validation" in chosen.source
    youden = choose_thresholds(cohort(seed=1), criterion="youden")
    assert youden.values["A"] != chosen.values["A"]


def test_an_undefined_value_is_empty_and_leaves_the_averages() -> None:
    found = evaluate(cohort(), QUICK)
    rows = {row["target"]: row for row in csv.DictReader(csv_text(found.cells()).splitlines())}
    empty = rows["E"]
    assert empty["positives"] == "0" and empty["n"] == "600"
    for name in ("auroc", "auroc_low", "auprc", "band", "sensitivity", "calibration_slope"):
        assert empty[name] == "", name
    assert found.document["averages"]["macro"]["targets"] == 2
    values = [float(rows[name]["auroc"]) for name in "AB"]
    assert found.document["averages"]["macro"]["auroc"] == pytest.approx(np.mean(values))
    assert "NaN" not in json_text(found.document)
    json.loads(json_text(found.document))
    assert rows["K"]["kind"] == "regression" and rows["K"]["auroc"] == ""


def test_what_no_draw_varies_has_no_interval_of_width_zero() -> None:
    """A specificity of 1 in 90 records of 30 patients is not known to be 1."""
    labels = np.repeat([1.0, 0.0], 90)[:, None]
    data = EvaluationData(
        ("A",), labels, labels.copy(), np.arange(180) // 3,
        thresholds=Thresholds({"A": 0.5}, "given"),
    )  # fmt: skip
    found = evaluate(data, Settings(draws=60))
    row = found.cells()[0]
    assert row["auroc"] == row["specificity"] == row["f1"] == 1.0
    wanted = proportion_confint(30, 30, method="wilson")
    assert (row["specificity_low"], row["specificity_high"]) == pytest.approx(wanted)
    assert (row["sensitivity_low"], row["sensitivity_high"]) == pytest.approx(wanted)
    assert np.isnan([row[f"{name}_low"] for name in ("f1", "mcc", "auprc")]).all()
    assert np.isnan(found.document["averages"]["macro"]["auroc_low"])


def test_records_that_leave_and_labels_that_are_no_classes_are_named(tmp_path: Path) -> None:
    predictions = write(tmp_path / "P.csv", "id,A,B\n1,0.2,0.1\n2,0.8,0.4\n")
    targets = write(tmp_path / "T.csv", "id,A,B\n1,0,2\n2,1,0\n3,1,0\n")
    data = load_evaluation_data(InputFiles(predictions, targets))
    notes = " ".join(data.notes)
    assert "1 records of the targets have no row of predictions" in notes
    assert "labels of 'B' are 0 and 2" in notes and "labels of 'A'" not in notes


def test_controls_show_what_the_waveform_adds() -> None:
    found = evaluate(cohort(), Settings(draws=200))
    rows = {row["target"]: row for row in found.cells()}
    assert rows["A"]["age_sex_beaten"] and rows["A"]["age_sex_gain_low"] > 0.1
    assert rows["B"]["age_sex_auroc"] > 0.85 and not rows["B"]["age_sex_beaten"]
    assert rows["B"]["age_sex_gain"] < -0.2
    assert rows["A"]["prevalence_only_auroc"] == 0.5
    assert rows["A"]["prevalence_only_gain"] == pytest.approx(rows["A"]["auroc"] - 0.5)
    assert rows["K"]["age_sex_gain_mae"] > 0.2 and rows["K"]["age_sex_beaten"]
    assert set(found.document["controls"]["classification"]) == set(CONTROLS)


def test_features_are_a_control_where_they_are_given() -> None:
    pytest.importorskip("sklearn", reason="the linear control needs scikit-learn")
    data = cohort(300)
    wave = data.scores[:, [2]] - 4
    features = np.concatenate([wave, np.full((300, 1), np.nan)], axis=1)
    features[::3, 1] = 1.0
    found = evaluate(
        EvaluationData(data.targets, data.labels, data.scores, data.patients,
                       features={"features": features}), QUICK
    )  # fmt: skip
    row = found.cells()[0]
    assert row["features_auroc"] == pytest.approx(row["auroc"], abs=0.02)


def test_no_patient_stands_on_both_sides_of_a_fold() -> None:
    patients = np.random.default_rng(0).integers(0, 40, 200)
    folds = patient_folds(patients)
    for patient in np.unique(patients):
        assert len(set(folds[patients == patient])) == 1


def test_subgroups_and_sets_have_counts_and_a_drop_only_where_it_may_be_claimed() -> None:
    document = evaluate(cohort(), QUICK).document
    assert [table["column"] for table in document["subgroups"]] == ["age", "sex"]
    sexes = document["subgroups"][1]["levels"]
    assert sum(level["records"] for level in sexes) == 600
    (table,) = document["transfer"]
    assert (table["home"], table["away"]) == ("train", "external")
    rows = {row["target"]: row for row in table["rows"]}
    assert rows["A"]["drop"] == pytest.approx(rows["A"]["home_auroc"] - rows["A"]["away_auroc"])
    assert rows["A"]["drop_low"] < 0 < rows["A"]["drop_high"]
    assert not rows["E"]["claim"] and np.isnan(rows["E"]["drop"])
    bands = [age_band(v) for v in (0, 17.9, 18, 64.9, 80, 103, np.nan)]
    assert bands[:4] == ["0 to 17", "0 to 17", "18 to 39", "40 to 64"]
    assert bands[4:] == ["80 and older", "80 and older", ""]


def test_two_evaluations_of_different_people_are_compared_as_such() -> None:
    home, away = (
        EarlierEvaluation.from_dict(json.loads(json_text(found.document)))
        for found in (
            evaluate(cohort(), QUICK, title="home"), evaluate(cohort(seed=5), QUICK, title="away")
        )
    )  # fmt: skip
    found = compare_sets(home, away)
    assert found.document["kind"] == "independent" and found.table.targets == 2
    again = evaluate(cohort(seed=5), QUICK, internal=home).document["transfer"][0]
    assert again["home"] == "home" and len(again["rows"]) == 3


def test_a_comparison_is_paired_and_refuses_contradicting_labels() -> None:
    data = cohort()
    worse = EvaluationData(
        data.targets, data.labels,
        np.where(np.isnan(data.scores), np.nan, data.scores)
        + np.random.default_rng(1).normal(0, 0.3, data.scores.shape),
        data.patients,
    )  # fmt: skip
    thresholds = {"A": 0.5}
    found = compare_models(
        ComparedModel("one", data, thresholds), ComparedModel("two", worse, thresholds), QUICK
    )
    row = found.rows[0].cells()
    assert row["difference"] > 0 and row["delong_p"] < 0.05 and row["mcnemar_p"] <= 1
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    other = EvaluationData(data.targets, 1 - data.labels, data.scores, data.patients)
    with pytest.raises(EvaluationError, match="labels of 'A' differ"):
        compare_models(ComparedModel("one", data, {}), ComparedModel("two", other, {}))


def test_multiclass_decisions_and_the_cinc2017_score() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 4, 400)
    scores = generator.uniform(size=(400, 4)) + 0.8 * np.eye(4)[truth]
    data = EvaluationData(("N", "A", "O", "~"), np.eye(4)[truth], scores, np.arange(400),
                          multiclass=True)  # fmt: skip
    document = evaluate(data, QUICK).document
    f1 = [row["f1"] for row in document["targets"]]
    assert document["challenge"]["value"] == pytest.approx(np.mean(f1[:3]))


def test_the_report_escapes_names_and_runs_only_its_own_script() -> None:
    data = cohort(200)
    hostile = EvaluationData(
        ("<script>alert(1)</script>", '"B"', "K", "E"), data.labels, data.scores, data.patients,
        data.covariates,
    )  # fmt: skip
    page = evaluation_report(evaluate(hostile, QUICK, title="<b>T</b>"))
    assert "<script>alert" not in page and "<b>T</b>" not in page
    assert page.count("<script>") == 1 and "script-src 'sha256-" in page
    assert " style=" not in page and not re.search(r"\bon(click|load)=", page)
    for word in ("nan", "inf"):
        assert not re.search(rf">[^<]*\b{word}\b[^<]*<", page), word


def test_a_very_large_input_gets_fewer_draws_and_says_so() -> None:
    usual = Settings().for_size(10_000, 150)
    assert (usual.draws, usual.draws_asked) == (1000, None)
    large = Settings().for_size(1_000_000, 150)
    assert (large.draws, large.draws_asked) == (200, 1000)
    assert Settings.of(draws=1000, seed=0).for_size(1_000_000, 150).draws == 1000
    found = evaluate(cohort(), Settings(draws=400, draw_budget=1))
    assert found.document["settings"]["draws"] == 200
    assert "400 were asked for" in evaluation_report(found)


def test_numbers_of_patients_are_those_of_numpy_unique(random_generator) -> None:
    for names in (
        random_generator.integers(0, 50, 300),
        random_generator.integers(10**12, 10**12 + 40, 300),
        random_generator.integers(-5, 5, 40),
        np.array([f"p{k}" for k in random_generator.integers(0, 30, 200)], dtype=object),
        random_generator.integers(0, 9, 50).astype(str),
    ):
        unique, inverse = np.unique(names, return_inverse=True)
        number, count = renumbered(names)
        assert count == len(unique)
        np.testing.assert_array_equal(number, inverse)


def test_readers_stand_beside_the_network_where_they_read(tmp_path: Path) -> None:
    scores = write(tmp_path / "p.csv", "id,A\n1,0.1\n2,0.4\n3,0.6\n4,0.9\n5,0.2\n")
    truth = write(tmp_path / "t.csv", "id,A\n1,0\n2,1\n3,0\n4,1\n5,0\n")
    reader = write(tmp_path / "r.csv", "id,A\n4,1\n2,0\n1,0\n3,0\n9,1\n")
    files = InputFiles(scores, truth, readers={"R <1>": reader})
    found = evaluate(load_evaluation_data(files), QUICK)
    (row,) = found.document["readers"]
    assert (row["n"], row["sensitivity"], row["specificity"]) == (4, 0.5, 1.0)
    assert row["network_sensitivity"] == 0.5  # only record 4 lies above every other
    assert "R &lt;1&gt;" in evaluation_report(found)
    assert found.curves[0].readers == [("R <1>", 0.0, 0.5)]
    write(reader, "id,A\n1,0.3\n")
    with pytest.raises(EvaluationError, match="neither 0 nor 1"):
        load_evaluation_data(files)


def test_thinning_keeps_the_ends() -> None:
    x = np.linspace(0, 1, 5000)
    points = thinned(x, x**2)
    assert len(points) <= 160 and points[0].tolist() == [0, 0] and points[-1].tolist() == [1, 1]
