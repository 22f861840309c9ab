"""The synthetic data set: its layout, its truth, and the whole path from files to labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

pl = pytest.importorskip("polars")

from ecgfoundry.corpus import build_corpus, open_corpus, verify_corpus  # noqa: E402
from ecgfoundry.datasets.mc_med import open_mc_med  # noqa: E402
from ecgfoundry.errors import EcgFoundryError, FileAccessError  # noqa: E402
from ecgfoundry.labs.targets.labels import label_segments  # noqa: E402
from ecgfoundry.labs.targets.results import indicator_results  # noqa: E402
from ecgfoundry.manifest.leakage import check_leakage  # noqa: E402
from ecgfoundry.synthesis.mc_med import SyntheticOptions, write_synthetic_mc_med  # noqa: E402
from ecgfoundry.synthesis.truth import (  # noqa: E402
    INDICATORS,
    OBSERVATIONS,
    oracle,
    sample_visits,
    value_of,
    with_frequent_share,
)

OPTIONS = SyntheticOptions(visits=40, minutes=0.6, seed=3, oracle_draws=2000, pulse_share=0.3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "mc-med"
    write_synthetic_mc_med(root, OPTIONS)
    return root


def test_it_says_that_it_is_synthetic_everywhere(made: Path):
    assert "SYNTHETIC" in (made / "README.md").read_text()
    headers = list((made / "data/waveforms").rglob("*.hea"))
    assert len(headers) > 40
    assert all("# SYNTHETIC" in header.read_text() for header in headers)
    data = open_mc_med(made)
    assert data.synthetic and data.report()["synthetic"]
    assert {row.site for row in data.manifest()} == {"mc-med-synthetic"}


def test_it_has_the_layout_with_all_its_ugliness(made: Path):
    folder = made / "data"
    for name in ("visits", "orders", "meds", "pmh", "labs", "rads", "numerics", "waveform_summary"):
        assert (folder / f"{name}.csv").is_file()
    assert (folder / "split_random_train.csv").read_text().split()[0].isdigit()
    with (folder / "labs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = {row["Component_name"] for row in rows}
    assert any("\n" in name for name in names) and any("," in name for name in names)
    assert any(name.startswith("POC:") for name in names)
    data = open_mc_med(made)
    assert {issue.code for issue in data.issues} <= {"visit-without-labs"}
    assert {w.segment for w in data.waveforms} >= {1, 2}
    assert any(path.parts[-4].startswith("0") for path in folder.rglob("*.hea"))
    clocks = {header.read_text().split()[4].count(".") for header in folder.rglob("II/*.hea")}
    assert clocks == {0, 1}  # with and without milliseconds
    for kind in ("random", "chrono"):
        check_leakage(open_mc_med(made, split=kind).visits)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_files(made: Path, tmp_path: Path, workers: int):
    write_synthetic_mc_med(tmp_path / "again", OPTIONS, workers=workers)
    first = {p.relative_to(made): p.read_bytes() for p in made.rglob("*") if p.is_file()}
    again = tmp_path / "again"
    second = {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()}
    assert first == second


def test_archives_hold_the_same(made: Path, tmp_path: Path):
    options = SyntheticOptions(
        visits=40, minutes=0.6, seed=3, oracle_draws=0, pulse_share=0.3, archives=True
    )
    write_synthetic_mc_med(tmp_path / "packed", options)
    assert not (tmp_path / "packed/data/waveforms").exists()
    build_corpus(open_mc_med(tmp_path / "packed").manifest(), tmp_path / "a")
    build_corpus(open_mc_med(made).manifest(), tmp_path / "b")
    one, two = open_corpus(tmp_path / "a"), open_corpus(tmp_path / "b")
    positions = np.arange(len(one))
    np.testing.assert_array_equal(one.read(positions), two.read(positions))


def test_from_files_to_labels(made: Path, tmp_path: Path):
    data = open_mc_med(made)
    results = indicator_results(data.labs)
    assert set(results.counts) <= {
        "used",
        "no indicator claims the name",
        "the test gave no result",
    }
    build_corpus(data.manifest(), tmp_path / "c", provenance=data.report())
    corpus = open_corpus(tmp_path / "c")
    assert corpus.synthetic and corpus.leads == ("II",) and verify_corpus(tmp_path / "c").ok
    length = pl.col("length") / pl.col("sampling_rate")
    segments = corpus.index.with_columns(
        end_time=pl.col("start_time") + pl.duration(microseconds=length * 1e6)
    )
    labels = label_segments(segments, results.table, ["potassium"])["potassium"]
    known = labels.target("high") >= 0
    assert known.mean() > 0.5
    # The value on a segment is the value in the file of its visit, and the verdict is its own.
    truth = pl.read_csv(made / "truth/latent.csv", schema_overrides={"CSN": pl.String})
    latent = dict(zip(truth["CSN"], truth["potassium"], strict=True))
    potassium = next(p for p in INDICATORS if p.name == "potassium")
    expected = value_of(potassium, np.array([latent[v] for v in segments["visit"]]))
    assert np.abs(labels.value - expected)[known].max() < 0.5
    assert (labels.target("high")[known] == (labels.value[known] > 5.0)).all()
    assert (labels.target("high", real_time=True) >= 0).sum() <= known.sum()


def test_prevalence_is_as_planted():
    _, latent = sample_visits(40_000, np.random.default_rng(5))
    for planted in INDICATORS:
        values = value_of(planted, latent[planted.name])
        if planted.share_high:
            assert (values > planted.high).mean() == pytest.approx(planted.share_high, abs=0.025)
        if planted.share_low:
            assert (values < planted.low).mean() == pytest.approx(planted.share_low, abs=0.025)


def test_another_share_moves_limits_and_nothing_else(tmp_path: Path):
    _, latent = sample_visits(40_000, np.random.default_rng(5))
    for plain, planted in zip(INDICATORS, with_frequent_share(0.4), strict=True):
        assert planted.acts == plain.acts and planted.depends == plain.depends
        assert planted.frequent == plain.frequent
        values = value_of(planted, latent[planted.name])
        outside = values < planted.low if planted.frequent == "low" else values > planted.high
        assert outside.mean() == pytest.approx(0.4, abs=0.025)
    options = SyntheticOptions(
        visits=30, minutes=0.2, seed=3, oracle_draws=0, frequent_share=0.4, interruptions=False
    )
    write_synthetic_mc_med(tmp_path / "d", options)
    data = open_mc_med(tmp_path / "d")
    assert [w.segment for w in data.waveforms] == [1] * 30
    assert "0.4 of visits abnormal" in (tmp_path / "d" / "README.md").read_text()
    with pytest.raises(EcgFoundryError, match=r"0\.7"):
        SyntheticOptions(frequent_share=0.7)


def test_the_oracle_orders_the_groups():
    rows = oracle(draws=10_000)
    assert {row["group"] for row in rows} == {
        "feature-visible", "morphology-only", "confounded", "null"
    }  # fmt: skip
    for row in rows:
        found = row["auroc"]
        everything = found["whole ECG, age and sex"]
        control = found["age, sex and heart rate"]
        features = found["age, sex and hand-crafted features"]
        assert set(found) == set(OBSERVATIONS)
        if row["group"] == "feature-visible":
            assert everything > control + 0.05 and everything < features + 0.01
        elif row["group"] == "morphology-only":
            assert everything > features + 0.1
        elif row["group"] == "confounded":
            assert everything < control + 0.005 and everything > 0.6
        else:
            assert abs(everything - 0.5) < 0.04


def test_no_regression_beats_the_oracle_and_a_good_one_reaches_it():
    """An estimate from data, which knows nothing of the model, as the independent reference."""
    male, latent = sample_visits(30_000, np.random.default_rng(6))
    names = ("potassium", "nt_probnp", "creatinine")
    chosen = [planted for planted in INDICATORS if planted.name in names]
    rows = oracle(draws=30_000, indicators=chosen)
    best = {(row["indicator"], row["direction"]): row["auroc"] for row in rows}
    for name in names:
        planted = next(p for p in INDICATORS if p.name == name)
        positive = value_of(planted, latent[name]) > planted.high
        for words in ("heart rate", "age, sex and heart rate", "whole ECG, age and sex"):
            columns = [male if k == "sex" else latent[k] for k in OBSERVATIONS[words]]
            x = np.stack(columns, axis=1).astype(float)
            model = LinearRegression().fit(x[:15_000], latent[name][:15_000])
            found = roc_auc_score(positive[15_000:], model.predict(x[15_000:]))
            assert found == pytest.approx(best[name, "high"][words], abs=0.02)


def test_the_truth_stands_beside_the_data(made: Path):
    document = json.loads((made / "truth/oracle.json").read_text())
    assert document["synthetic"] is True and document["draws"] == 2000
    assert {row["indicator"] for row in document["indicators"]} == {p.name for p in INDICATORS}
    latent = pl.read_csv(made / "truth/latent.csv")
    assert len(latent) == 40


def test_what_cannot_be_made_is_refused(made: Path):
    with pytest.raises(FileAccessError, match="not empty"):
        write_synthetic_mc_med(made, OPTIONS)
    with pytest.raises(EcgFoundryError):
        SyntheticOptions(visits=0)
    with pytest.raises(EcgFoundryError):
        SyntheticOptions(shares=(0.5, 0.1, 0.1))
