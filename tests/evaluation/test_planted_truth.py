"""The planted-truth experiment: its arithmetic against independent computation, and two small seeds
from simulation to table.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("torch")
pytest.importorskip("polars")
pytest.importorskip("sklearn")

from benchmarks.experiments.planted_truth import (
    Size,
    added_to_control,
    collect,
    frequent_targets,
    run_seed,
)
from benchmarks.experiments.planted_truth_summary import (
    GROUPS,
    Results,
    Share,
    elsewhere,
    false_discoveries,
    fixed_coverage,
    fixed_spread,
    null_spread,
    summary,
)

from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.metrics.comparison import benjamini_hochberg


def row(seed: int, target: str, group: str, **cells: Any) -> dict[str, Any]:
    """A row of the results in which nothing was found and every interval covers."""
    plain = {
        "n": 1000, "patients": 800, "positives": 450, "positive_patients": 420, "auroc": 0.5,
        "auroc_low": 0.47, "auroc_high": 0.53, "prevalence_only_p": 0.6, "prevalence_only_q": 0.8,
        "added_gain": 0.0, "added_gain_high": 0.01,
    }  # fmt: skip
    for control in ("age_sex_rate", "features"):
        plain |= {f"{control}_auroc": 0.5, f"{control}_gain": 0.0, f"{control}_gain_low": -0.02,
                  f"{control}_gain_high": 0.015, f"{control}_beaten": False}  # fmt: skip
    return {"seed": seed, "target": target, "group": group, **plain, **cells}


def results(rows: list[dict[str, Any]], fixed: list[dict[str, Any]] | None = None) -> Results:
    seeds = sorted({r["seed"] for r in rows})
    return Results(
        settings={},
        oracle={r["target"]: {"whole ECG": 0.75} for r in rows},
        development=None,
        seeds=[
            {
                "seed": seed,
                "rows": [r for r in rows if r["seed"] == seed],
                "fixed": [r for r in fixed or [] if r["seed"] == seed],
            }
            for seed in seeds
        ],
    )


def line(table: str, start: str) -> str:
    return next(text for text in table.splitlines() if text.startswith(start))


def test_a_share_has_wilsons_interval():
    for count, of in ((0, 20), (19, 20), (171, 180), (20, 20)):
        wanted = stats.binomtest(count, of).proportion_ci(method="wilson")
        assert Share(count, of).interval() == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_false_discoveries_of_families_with_known_truth():
    """P-values of many families, adjusted by scipy; the rate is counted here by hand."""
    generator = np.random.default_rng(0)
    rows, rates, false, claims = [], [], 0, 0
    for seed in range(400):
        nothing = np.arange(24) < 15
        p = np.where(nothing, generator.random(24), stats.norm.sf(generator.normal(3.5, 1, 24)))
        q = stats.false_discovery_control(p)
        np.testing.assert_allclose(benjamini_hochberg(p), q, atol=1e-12)
        rows += [{"seed": seed, "q": b, "null": n} for b, n in zip(q, nothing, strict=True)]
        wrong, called = ((q <= 0.05) & nothing).sum(), (q <= 0.05).sum()
        rates.append(wrong / max(called, 1))
        false, claims = false + wrong, claims + called
    rate, among, found = false_discoveries(rows, lambda r: r["q"] <= 0.05, lambda r: r["null"])
    assert rate == pytest.approx(np.mean(rates))
    assert (among.count, among.of) == (false, claims)
    assert (found.count, found.of) == (claims - false, 400 * 9)
    assert rate == pytest.approx(0.05 * 15 / 24, abs=0.012)  # what the procedure promises


def test_a_seed_without_claims_has_no_false_ones():
    rows = [{"seed": 1, "q": 0.9, "null": True}, {"seed": 2, "q": 0.01, "null": True}]
    rate, among, found = false_discoveries(rows, lambda r: r["q"] <= 0.05, lambda r: r["null"])
    assert rate == 0.5 and (among.count, among.of) == (1, 1) and found.of == 0


def test_coverage_of_the_mean_of_the_other_seeds():
    """Right intervals cover it as often as the formula says: by simulation."""
    generator = np.random.default_rng(1)
    seeds, targets = 20, 2000
    values = generator.normal(0.7, 0.015, (seeds, targets))
    rows = [
        {"seed": s, "target": t, "auroc": v, "low": v - 1.96 * 0.015, "high": v + 1.96 * 0.015}
        for s in range(seeds)
        for t, v in enumerate(values[s, :150])
    ]
    found, expected = fixed_coverage(rows)
    others = (values.sum(axis=0) - values) / (seeds - 1)
    simulated = (np.abs(values - others) <= 1.96 * 0.015).mean()
    assert expected == pytest.approx(simulated, abs=0.003)
    assert found.value == pytest.approx(expected, abs=0.02) and found.of == 3000
    by_hand = [others[r["seed"], r["target"]] for r in rows]
    np.testing.assert_allclose(elsewhere(rows), by_hand)


def test_scatter_is_one_where_intervals_are_right():
    """Rank statistics drawn with scipy; intervals of a known standard error, and of half of it."""
    generator = np.random.default_rng(3)
    rows = []
    for _ in range(400):
        y = generator.random(60) < 0.4
        found = stats.mannwhitneyu(generator.random(y.sum()), generator.random((~y).sum()))
        area = found.statistic / (y.sum() * (~y).sum())
        rows.append({"auroc": area, "n": 60, "positives": int(y.sum())})
    assert null_spread(rows) == pytest.approx(1.0, abs=0.1)
    for claimed in (0.02, 0.01):
        fixed = [
            {"target": t, "auroc": v, "low": v - 1.959964 * claimed, "high": v + 1.959964 * claimed}
            for t in range(100)
            for v in generator.normal(0.7 + t / 1000, 0.02, 20)
        ]
        assert fixed_spread(fixed) == pytest.approx(0.02 / claimed, rel=0.06)


def test_what_was_expected_and_is_not_found_is_said():
    rows = [
        row(seed, f"{group} {k}", group) for seed in (7, 8) for group in GROUPS for k in range(10)
    ]
    table = summary(results(rows))
    assert line(table, "| feature-visible").endswith("**no** |")
    assert line(table, "| morphology-only").endswith("**no** |")
    assert line(table, "| confounded").endswith("| yes |")
    assert line(table, "| null").endswith("| yes |")
    for own in rows:
        if own["group"] == "feature-visible":
            own |= {"age_sex_rate_beaten": True}
        if own["group"] == "confounded":
            own |= {"age_sex_rate_gain_high": 0.021, "age_sex_rate_beaten": own["seed"] == 7}
        if own["group"] == "null" and own["seed"] == 8:
            own |= {"auroc_low": 0.51}
    table = summary(results(rows))
    assert line(table, "| feature-visible").endswith("| yes |")
    assert line(table, "| confounded").endswith("**no** |")
    assert "10 of 20" in line(table, "| null") and line(table, "| null").endswith("**no** |")
    # 10 false claims among 20 in seed 7, none among 10 in seed 8.
    assert "25.00%" in line(table, "| beats age + sex + rate; null")


def test_nothing_finished_is_said():
    assert "No seed" in summary(results([]))


def test_what_a_score_adds_to_the_control():
    generator = np.random.default_rng(2)
    n = 3000
    age, rate = generator.normal(60, 20, n), generator.normal(75, 15, n)
    hidden = generator.normal(size=n)
    drive = 0.05 * (age - 60) + 1.0 * hidden
    y = (drive + generator.logistic(size=n) > 0).astype(float)

    def data(score: np.ndarray) -> EvaluationData:
        return EvaluationData(
            targets=("a",), labels=y[:, None], scores=(1 / (1 + np.exp(-score)))[:, None],
            patients=np.arange(n) // 2,
            covariates={
                "age": age, "heart_rate": rate,
                "sex": np.array(["female", "male"] * (n // 2), dtype=object),
            },
        )  # fmt: skip

    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    def reference(columns: list[np.ndarray]) -> float:
        x = np.stack(columns, axis=1)
        x = (x - x.mean(0)) / x.std(0)
        out = cross_val_predict(LogisticRegression(), x, y, groups=np.arange(n) // 2,
                                cv=GroupKFold(5), method="decision_function")  # fmt: skip
        return float(roc_auc_score(y, out))

    found = added_to_control(data(hidden), "a")
    wanted = reference([age, rate, hidden]) - reference([age, rate])
    assert found["gain"] == pytest.approx(wanted, abs=0.01)
    assert found["gain_low"] > 0.05
    nothing = added_to_control(data(generator.normal(size=n)), "a")
    assert nothing["gain_low"] <= 0 < nothing["gain_high"] < 0.01
    # Age again, in other words: strong alone, nothing more beside it.
    again = added_to_control(data(0.05 * (age - 60)), "a")
    assert abs(again["gain"]) < 0.003 and again["gain_high"] < 0.01


@pytest.mark.slow
def test_two_small_seeds_from_simulation_to_table(tmp_path: Path):
    """Too small to find anything: that the parts fit, that it resumes, and what the files hold."""
    size = Size(visits=300, shares=(0.4, 0.2, 0.4), oracle_draws=3000, draws=20,
                minimum_patients=2)  # fmt: skip
    first = run_seed(tmp_path / "seed-1", 1, size)
    bundle = tmp_path / "seed-1" / "run" / "bundle"
    second = run_seed(tmp_path / "seed-2", 2, size, bundle)
    groups = frequent_targets()
    for found in (first, second):
        assert {r["target"]: r["group"] for r in found["rows"]} == groups
        for r in found["rows"]:
            assert r["auroc_low"] <= r["auroc"] <= r["auroc_high"]
            assert 0 < r["positives"] < r["n"] and r["positive_patients"] <= r["positives"]
    assert not first["fixed"] and {r["target"] for r in second["fixed"]} == set(groups)
    # Half done, it goes on from what is there, and ends with the same rows.
    (tmp_path / "seed-2" / "rows.json").unlink()
    weights = tmp_path / "seed-2" / "run" / "bundle" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    again = run_seed(tmp_path / "seed-2", 2, size, bundle)
    assert again["rows"] == second["rows"] and weights.stat().st_mtime_ns == before
    document = json.loads((weights.parent / "bundle.json").read_text())
    assert document["title"].startswith("SYNTHETIC")
    gathered = collect(tmp_path, size, development_seed=1)
    compact = json.loads(json.dumps(gathered.compact()))
    assert compact["synthetic"] and len(compact["reported"]["rows"]) == len(groups)
    assert len(compact["development"]["rows"]) == len(groups)
    table = summary(gathered)
    assert "SYNTHETIC" in table and all(f"| {target} |" in table for target in groups)
