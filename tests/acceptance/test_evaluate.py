"""``ecgfoundry evaluate`` on CODE-test gives the published figures (Ribeiro et al. 2020).

Published: Table 2 (precision, recall, specificity, F1 of the network and three groups of readers)
and Supplementary Table 3 (McNemar p-values), to three decimals. The network of these tables is the
first of the ten seeds: the only one whose scores separate the published decisions.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.cli.main import main
from ecgfoundry.metrics.comparison import mcnemar
from ecgfoundry.metrics.decisions import decision_counts, decision_measures

TARGETS = ("1dAVb", "RBBB", "LBBB", "SB", "AF", "ST")
READERS = {
    "DNN": "dnn",
    "cardio.": "cardiology_residents",
    "emerg.": "emergency_residents",
    "stud.": "medical_students",
}
# Published, in the order of TARGETS.
TABLE_2 = {
    ("ppv", "DNN"): (0.867, 0.895, 1.000, 0.833, 1.000, 0.947),
    ("ppv", "cardio."): (0.905, 0.868, 1.000, 0.833, 0.769, 0.968),
    ("ppv", "emerg."): (0.639, 0.963, 0.963, 0.824, 0.800, 0.946),
    ("ppv", "stud."): (0.605, 0.914, 0.931, 0.750, 0.571, 0.912),
    ("sensitivity", "DNN"): (0.929, 1.000, 1.000, 0.938, 0.769, 0.973),
    ("sensitivity", "cardio."): (0.679, 0.971, 0.900, 0.938, 0.769, 0.811),
    ("sensitivity", "emerg."): (0.821, 0.765, 0.867, 0.875, 0.615, 0.946),
    ("sensitivity", "stud."): (0.929, 0.941, 0.900, 0.750, 0.923, 0.838),
    ("specificity", "DNN"): (0.995, 0.995, 1.000, 0.996, 1.000, 0.997),
    ("specificity", "cardio."): (0.997, 0.994, 1.000, 0.996, 0.996, 0.999),
    ("specificity", "emerg."): (0.984, 0.999, 0.999, 0.996, 0.998, 0.997),
    ("specificity", "stud."): (0.979, 0.996, 0.997, 0.995, 0.989, 0.996),
    ("f1", "DNN"): (0.897, 0.944, 1.000, 0.882, 0.870, 0.960),
    ("f1", "cardio."): (0.776, 0.917, 0.947, 0.882, 0.769, 0.882),
    ("f1", "emerg."): (0.719, 0.852, 0.912, 0.848, 0.696, 0.946),
    ("f1", "stud."): (0.732, 0.928, 0.915, 0.750, 0.706, 0.873),
}
MCNEMAR = {
    ("DNN", "cardio."): (0.225, 0.414, 0.083, 1.000, 0.180, 0.096),
    ("DNN", "emerg."): (0.007, 0.166, 0.025, 0.705, 0.157, 0.655),
    ("DNN", "stud."): (0.009, 0.655, 0.025, 0.157, 0.052, 0.058),
    ("cardio.", "emerg."): (0.108, 0.366, 0.317, 0.564, 0.763, 0.206),
    ("cardio.", "stud."): (0.102, 0.739, 0.414, 0.046, 0.206, 0.782),
    ("emerg.", "stud."): (0.853, 0.248, 1.000, 0.083, 0.439, 0.059),
}


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as found:
        main(list(arguments))
    return int(found.value.code or 0)


@pytest.fixture(scope="module")
def golden() -> Path:
    return Path(__file__).resolve().parents[1] / "fixtures" / "golden" / "code_test"


def annotations(golden: Path, name: str) -> np.ndarray:
    table = np.genfromtxt(golden / "annotations" / f"{name}.csv", delimiter=",", skip_header=1)
    return table[:, -6:]


def write(path: Path, values: np.ndarray) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", *TARGETS])
        writer.writerows([k, *row] for k, row in enumerate(values.tolist()))
    return path


@pytest.fixture(scope="module")
def evaluated(golden: Path, tmp_path_factory) -> Path:
    """The folder that one call of the command wrote."""
    folder = tmp_path_factory.mktemp("code-test")
    scores = np.load(golden / "network.npy").astype(np.float64)
    decided = annotations(golden, "dnn")
    thresholds = {}
    for k, name in enumerate(TARGETS):
        low, high = scores[decided[:, k] == 0, k].max(), scores[decided[:, k] == 1, k].min()
        assert low < high, "the published decisions are a cut of these scores"
        thresholds[name] = (low + high) / 2
    (folder / "thresholds.json").write_text(json.dumps({"thresholds": thresholds}))
    people = (golden / "attributes.csv").read_text().splitlines()
    (folder / "covariates.csv").write_text(
        "\n".join([f"id,{people[0]}", *(f"{k},{line}" for k, line in enumerate(people[1:]))])
    )
    code = run(
        "evaluate",
        "--predictions", str(write(folder / "predictions.csv", scores)),
        "--targets", str(write(folder / "targets.csv", annotations(golden, "gold_standard"))),
        "--covariates", str(folder / "covariates.csv"),
        "--thresholds", str(folder / "thresholds.json"),
        "--output", str(folder / "out"),
        "--draws", "200",
    )  # fmt: skip
    assert code == 0
    return folder / "out"


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "metrics.csv").open() as stream:
        return {row["target"]: row for row in csv.DictReader(stream)}


@pytest.mark.parametrize("measure", ["ppv", "sensitivity", "specificity", "f1"])
def test_the_network_has_its_published_figures(evaluated: Path, measure: str) -> None:
    rows = rows_of(evaluated)
    found = [round(float(rows[name][measure]), 3) for name in TARGETS]
    assert found == list(TABLE_2[measure, "DNN"])


def test_every_reader_has_the_published_figures(golden: Path) -> None:
    truth = annotations(golden, "gold_standard")
    for (measure, reader), published in TABLE_2.items():
        called = annotations(golden, READERS[reader])
        found = [
            decision_measures(decision_counts(truth[:, k], called[:, k], 0.5))[measure]
            for k in range(6)
        ]
        np.testing.assert_allclose(found, published, atol=5.1e-4, err_msg=f"{measure} {reader}")


def test_mcnemar_gives_the_published_p_values(golden: Path) -> None:
    truth = annotations(golden, "gold_standard")
    for (a, b), published in MCNEMAR.items():
        first, second = annotations(golden, READERS[a]), annotations(golden, READERS[b])
        for k, wanted in enumerate(published):
            p = mcnemar(truth[:, k], first[:, k], second[:, k])["p_chi2"]
            assert p == pytest.approx(wanted, abs=5.1e-4), (a, b, TARGETS[k])


def test_areas_equal_scikit_learn_and_lie_in_their_intervals(evaluated: Path, golden: Path) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="the oracle needs scikit-learn")
    truth, scores = annotations(golden, "gold_standard"), np.load(golden / "network.npy")
    for k, (name, row) in enumerate(rows_of(evaluated).items()):
        assert name == TARGETS[k]
        auroc = metrics.roc_auc_score(truth[:, k], scores[:, k])
        assert float(row["auroc"]) == pytest.approx(auroc, abs=1e-9)
        area = metrics.average_precision_score(truth[:, k], scores[:, k])
        assert float(row["auprc"]) == pytest.approx(area, abs=1e-9)
        assert float(row["auroc_low"]) < auroc <= float(row["auroc_high"])
        assert (int(row["n"]), int(row["positives"])) == (827, int(truth[:, k].sum()))
        assert row["auroc_interval_reliable"] == "false"  # above 0.95


def test_the_files_say_what_was_and_what_was_not_computed(evaluated: Path) -> None:
    header = (evaluated / "metrics.csv").read_text().splitlines()[0]
    assert header.startswith("target,n,positives,auroc,auroc_low,auroc_high,auprc,")
    document = json.loads((evaluated / "metrics.json").read_text())
    controls = document["controls"]["classification"]
    assert controls["age_sex"]["macro_auroc"] > 0.5
    assert "no heart rate was given" in controls["heart_rate"]["not_computed"]
    assert "BUNDLE MANIFEST" in controls["features"]["not_computed"]
    assert {table["column"] for table in document["subgroups"]} == {"age", "sex"}
    page = (evaluated / "report.html").read_text()
    for part in ("Cohort", "Discrimination", "All targets", "controls", "Methods", "Not computed"):
        assert part in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is loaded from anywhere


def test_compare_pairs_the_network_with_itself_and_another(
    evaluated: Path, golden: Path, tmp_path: Path, capsys
) -> None:
    other = write(tmp_path / "noisy.csv", np.load(golden / "network.npy").astype(float) ** 2)
    targets = str(evaluated.parent / "targets.csv")
    predictions = str(evaluated.parent / "predictions.csv")
    arguments = ("--targets", targets, "--draws", "50", "--output", str(tmp_path / "out"))
    assert run("compare", predictions, str(other), *arguments) == 0
    document = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert document["kind"] == "paired" and document["records"] == 827
    # A square keeps the order: no difference, and no test of it.
    assert all(row["difference"] == 0 and row["delong_p"] is None for row in document["targets"])
    assert (tmp_path / "out" / "compare.html").read_text().startswith("<!DOCTYPE html>")
    assert run("compare", str(evaluated), str(evaluated), "--draws", "20") == 0
    assert "A - B" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("predictions", "targets", "words"),
    [
        ("id,A\n1,0.5\n1,0.6\n", "id,A\n1,1\n", "duplicate id '1'"),
        ("id,A\n1,high\n", "id,A\n1,1\n", "line 2, A: 'high' is not a number"),
        ("id,A\n1,1_0\n", "id,A\n1,1\n", "line 2, A: '1_0' is not a number"),
        ("id,A\n1,inf\n", "id,A\n1,1\n", "infinite"),
        ("id,A\n1,0.5\n", "id,B\n1,1\n", "no target column stands in both"),
        ("id,A\nx,0.5\n", "id,A\ny,1\n", "no id stands in both"),
        ("name,A\nx,0.5\n", "id,A\ny,1\n", "has no column 'id'"),
        ("", "id,A\ny,1\n", "is empty"),
    ],
)
def test_bad_input_is_one_line(predictions, targets, words, tmp_path: Path, capsys) -> None:
    (tmp_path / "p.csv").write_text(predictions)
    (tmp_path / "t.csv").write_text(targets)
    code = run("evaluate", "--predictions", str(tmp_path / "p.csv"), "--targets",
               str(tmp_path / "t.csv"), "--output", str(tmp_path / "out"))  # fmt: skip
    error = capsys.readouterr().err
    assert code == 1 and words in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_neither_files_nor_bundle_is_a_wrong_call(tmp_path: Path, capsys) -> None:
    assert run("evaluate", "--output", str(tmp_path)) == 2
    assert "--predictions and --targets, or BUNDLE MANIFEST" in capsys.readouterr().err
