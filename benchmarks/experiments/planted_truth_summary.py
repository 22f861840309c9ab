"""From the rows of all seeds of the planted-truth experiment to its tables: arithmetic alone.

What was expected of each group, fixed before the reported seeds were run (the thresholds 0.02 and
5 % are the project's; the shares of target x seed are our choice):

- ``feature-visible``: the network beats age + sex + heart rate (gain above 0 at a false discovery
  rate of 5 %) in at least 90 % of target x seed;
- ``morphology-only``: it beats age + sex + heart rate and the hand-crafted features in as many;
- ``confounded``: the upper limit of the gain over age + sex + heart rate, the three in one model,
  is below 0.02 in at least 95 %;
- ``null``: the interval of the AUROC covers 0.5 in 95 %, within what chance allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgfoundry.metrics.decisions import wilson_interval

__all__ = [
    "GROUPS",
    "Results",
    "Share",
    "elsewhere",
    "false_discoveries",
    "fixed_coverage",
    "fixed_spread",
    "null_spread",
    "summary",
]

Row = Mapping[str, Any]

GROUPS = ("feature-visible", "morphology-only", "confounded", "null")
UPPER_LIMIT = 0.02
LEVEL = 0.05
"""False discovery rate, and one minus the coverage."""
WANTED_PATIENTS = 400
"""Test patients with a positive visit that every row was to have."""
WHOLE = "whole ECG"
"""Observations of the oracle that the network can have: it sees no age and no sex."""


@dataclass(frozen=True)
class Results:
    """All finished seeds.

    Attributes
    ----------
    settings : mapping
    oracle : mapping
        Target -> set of observations -> best possible AUROC.
    development : mapping or None
        The seed that choices were made on, in the form of ``seeds``.
    seeds : sequence of mapping
        ``seed``, ``rows``, ``fixed``, ``flow``, ``seconds`` of each reported seed.
    """

    settings: Mapping[str, Any]
    oracle: Mapping[str, Mapping[str, float]]
    development: Mapping[str, Any] | None
    seeds: Sequence[Mapping[str, Any]]

    @property
    def rows(self) -> list[Row]:
        """One row per reported seed and target."""
        return [row for found in self.seeds for row in found["rows"]]

    @property
    def fixed(self) -> list[Row]:
        """The same of the fixed network."""
        return [row for found in self.seeds for row in found["fixed"]]

    def compact(self) -> dict[str, Any]:
        """Return the JSON form: tables as column names and rows of values."""
        own = [] if self.development is None else list(self.development["rows"])
        return {
            "synthetic": True,
            "settings": dict(self.settings),
            "oracle": {k: {n: round(v, 4) for n, v in row.items()} for k, row in
                       self.oracle.items()},
            "reported": _columns(self.rows),
            "fixed_network": _columns(self.fixed),
            "development": _columns(own),
            "seconds": {str(found["seed"]): found.get("seconds", {}) for found in self.seeds},
        }  # fmt: skip


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    names = list(rows[0]) if rows else []
    return {"columns": names, "rows": [[row[name] for name in names] for row in rows]}


@dataclass(frozen=True)
class Share:
    """How often something was so, with Wilson's interval of the share."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """Between 0 and 1; ``nan`` of nothing."""
        return self.count / self.of if self.of else float("nan")

    def interval(self) -> tuple[float, float]:
        """Trials count as independent, which targets of one seed nearly are."""
        low, high = wilson_interval(self.count, self.of)
        return float(low), float(high)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.count} of {self.of} ({self.value:.1%} [{low:.1%}, {high:.1%}])"


def share(rows: Sequence[Row], test: Callable[[Row], bool]) -> Share:
    """Count the rows that pass."""
    return Share(sum(bool(test(row)) for row in rows), len(rows))


def covers(row: Row, value: float, low: str = "auroc_low", high: str = "auroc_high") -> bool:
    """Tell whether the interval of a row holds a value."""
    return bool(row[low] <= value <= row[high])


def false_discoveries(
    rows: Sequence[Row], claim: Callable[[Row], bool], nothing: Callable[[Row], bool]
) -> tuple[float, Share, Share]:
    """Return the false discovery rate of a family of claims per seed.

    Parameters
    ----------
    rows : sequence of mapping
        Those of one seed are one family.
    claim : callable
        Whether a row is called a discovery.
    nothing : callable
        Whether there is nothing to discover in truth.

    Returns
    -------
    rate : float
        Mean over seeds of false claims over claims, 0 in a seed without a claim (the quantity
        that Benjamini and Hochberg bound).
    false : Share
        False claims among all claims, pooled.
    found : Share
        True claims among all that there was to find.
    """
    by_seed: dict[int, list[Row]] = {}
    for row in rows:
        by_seed.setdefault(row["seed"], []).append(row)
    rates, wrong, claims, right, real = [], 0, 0, 0, 0
    for own in by_seed.values():
        claimed = [row for row in own if claim(row)]
        false = sum(nothing(row) for row in claimed)
        rates.append(false / len(claimed) if claimed else 0.0)
        wrong += false
        claims += len(claimed)
        right += len(claimed) - false
        real += sum(not nothing(row) for row in own)
    rate = float(np.mean(rates)) if rates else float("nan")
    return rate, Share(wrong, claims), Share(right, real)


def elsewhere(rows: Sequence[Row]) -> list[float]:
    """Return, for each row, the mean AUROC of its target on the other seeds: nearly the truth of
    a network that is the same on all of them, and independent of the row.
    """
    total: dict[str, float] = {}
    count: dict[str, int] = {}
    for row in rows:
        total[row["target"]] = total.get(row["target"], 0.0) + row["auroc"]
        count[row["target"]] = count.get(row["target"], 0) + 1
    return [
        (total[name] - row["auroc"]) / (count[name] - 1) if count[name] > 1 else float("nan")
        for row in rows
        for name in (row["target"],)
    ]


def fixed_coverage(rows: Sequence[Row]) -> tuple[Share, float]:
    """Return how often the intervals of one network cover its AUROC on the other seeds, and how
    often they should.

    With m seeds, the mean of the others has 1/(m - 1) of a seed's own variance: an interval with
    95 % for the truth covers it with 2 Phi(1.96 / sqrt(1 + 1/(m - 1))) - 1.
    """
    from scipy.special import ndtr, ndtri

    values = elsewhere(rows)
    inside = sum(
        row["low"] <= value <= row["high"] for row, value in zip(rows, values, strict=True)
    )
    seeds = len({row["seed"] for row in rows})
    expected = float("nan")
    if seeds > 1:
        z = ndtri(1 - LEVEL / 2) / np.sqrt(1 + 1 / (seeds - 1))
        expected = float(2 * ndtr(z) - 1)
    return Share(inside, len(rows)), expected


def null_spread(rows: Sequence[Row]) -> float:
    """Return how far AUROCs without any effect scatter around 0.5, in the standard errors that they
    must have: 1 where all is well.

    Without an effect every order of the scores is as likely, and the variance of the AUROC is
    (n + 1) / (12 n_1 n_0) exactly (Mann and Whitney 1947, no ties). It does not use the intervals.
    """
    z = [
        (row["auroc"] - 0.5)
        / np.sqrt((row["n"] + 1) / (12 * row["positives"] * (row["n"] - row["positives"])))
        for row in rows
    ]
    return float(np.sqrt(np.mean(np.square(z)))) if z else float("nan")


def fixed_spread(rows: Sequence[Row]) -> float:
    """Return the scatter of one network's AUROC over the seeds in the standard errors that its
    intervals claim, root mean square over targets: 1 where all is well.
    """
    ratios = []
    for target in dict.fromkeys(row["target"] for row in rows):
        own = [row for row in rows if row["target"] == target]
        claimed = np.mean([row["high"] - row["low"] for row in own]) / (2 * 1.959964)
        ratios.append(np.std([row["auroc"] for row in own], ddof=1) / claimed)
    return float(np.sqrt(np.mean(np.square(ratios))))


def beats(control: str) -> Callable[[Row], bool]:
    """The claim that the network beats a control."""
    return lambda row: bool(row[f"{control}_beaten"])


def _below(name: str) -> Callable[[Row], bool]:
    return lambda row: row[name] is not None and row[name] < UPPER_LIMIT


def _in(*groups: str) -> Callable[[Row], bool]:
    return lambda row: row["group"] in groups


def _better_than_chance(row: Row) -> bool:
    q = row["prevalence_only_q"]
    return row["auroc"] > 0.5 and q is not None and q <= LEVEL


def _differs_from_chance(row: Row) -> bool:
    q = row["prevalence_only_q"]
    return q is not None and q <= LEVEL


def summary(results: Results) -> str:
    """Return the tables in Markdown."""
    rows = results.rows
    if not rows:
        return "No seed is finished.\n"
    seeds = sorted({row["seed"] for row in rows})
    least = min(row["positive_patients"] for row in rows)
    few = sum(row["positive_patients"] < WANTED_PATIENTS for row in rows)
    visits = min(row["positives"] for row in rows)
    parts = [
        f"{len(seeds)} seeds ({', '.join(map(str, seeds))}), {len(rows)} rows of target x seed. "
        f"At least {visits} positive test visits and {least} positive test patients in every row; "
        f"{few} of them have fewer than {WANTED_PATIENTS} patients. All data are SYNTHETIC.",
        _expectations(rows),
        _groups(results),
        _coverage(results),
        _discoveries(rows),
        _targets(results),
    ]
    if results.development is not None:
        own = results.development["rows"]
        parts.append(
            f"The development seed {results.development['seed']} (not among the above): "
            + "; ".join(
                f"{group} AUROC {_mean([r for r in own if r['group'] == group], 'auroc')}"
                for group in GROUPS
            )
            + "."
        )
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    every = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in every)


def _expectations(rows: Sequence[Row]) -> str:
    def of(group: str) -> list[Row]:
        return [row for row in rows if row["group"] == group]

    joint, features = beats("age_sex_rate"), beats("features")
    covered = share(of("null"), lambda row: covers(row, 0.5))
    low, high = covered.interval()
    found = [
        ("feature-visible", "beats age + sex + rate, in at least 90 %",
         one := share(of("feature-visible"), joint), one.value >= 0.9),
        ("morphology-only", "beats age + sex + rate and the features, in at least 90 %",
         one := share(of("morphology-only"), lambda r: joint(r) and features(r)),
         one.value >= 0.9),
        ("confounded", "upper limit of the gain over age + sex + rate below 0.02, in at least 95 %",
         one := share(of("confounded"), _below("age_sex_rate_gain_high")), one.value >= 0.95),
        ("null", "interval of the AUROC covers 0.5 in 95 %, within chance",
         covered, low <= 1 - LEVEL <= high),
    ]  # fmt: skip
    lines = [
        [group, words, str(count), "yes" if met else "**no**"] for group, words, count, met in found
    ]
    return _table(["group", "expected", "found, target x seed", "met"], lines)


def _groups(results: Results) -> str:
    lines = []
    for group in GROUPS:
        own = [row for row in results.rows if row["group"] == group]
        if not own:
            continue
        best = [{"oracle": results.oracle[row["target"]][WHOLE]} for row in own]
        lines.append(
            [
                group, _mean(own, "auroc"), _mean(best, "oracle"),
                _mean(own, "age_sex_rate_auroc"), _mean(own, "features_auroc"),
                _mean(own, "age_sex_rate_gain"), _mean(own, "features_gain"),
                str(share(own, beats("age_sex_rate"))), str(share(own, beats("features"))),
                _mean(own, "added_gain"), str(share(own, _below("added_gain_high"))),
            ]
        )  # fmt: skip
    head = [
        "group", "AUROC, mean", "oracle, whole ECG", "age + sex + rate", "features",
        "gain over age + sex + rate", "gain over features", "beats age + sex + rate",
        "beats features", "added to age + sex + rate", "its upper limit < 0.02",
    ]  # fmt: skip
    return _table(head, lines)


def _coverage(results: Results) -> str:
    rows = results.rows
    null = [row for row in rows if row["group"] == "null"]
    lines = [["0.5, by the AUROC of null targets", str(share(null, lambda r: covers(r, 0.5))),
              "95.0%"]]  # fmt: skip
    if len({row["seed"] for row in results.fixed}) > 1:
        groups = {row["target"]: row["group"] for row in rows}
        for words, chosen in (("all targets", GROUPS), *((group, (group,)) for group in GROUPS)):
            own = [row for row in results.fixed if groups.get(row["target"]) in chosen]
            if own:
                found, expected = fixed_coverage(own)
                lines.append([f"the fixed network's AUROC on the other seeds, {words}",
                              str(found), f"{expected:.1%}"])  # fmt: skip
    oracle = share(rows, lambda row: row["auroc_low"] > results.oracle[row["target"]][WHOLE])
    lines.append(["the oracle lies below the whole interval", str(oracle), "at most 2.5%"])
    table = _table(["95 % intervals: what they should cover", "found", "nominal"], lines)
    words = (
        "Scatter of the AUROC of null targets around 0.5, in the standard errors of a rank "
        f"statistic without effect (1 is nominal): {null_spread(null):.3f}."
    )
    if len({row["seed"] for row in results.fixed}) > 1:
        words += (
            " Scatter of the fixed network's AUROC over the seeds, in the standard errors that its "
            f"intervals claim: {fixed_spread(results.fixed):.3f}."
        )
    return f"{table}\n\n{words}"


def _discoveries(rows: Sequence[Row]) -> str:
    families = [
        ("beats age + sex + rate; null and confounded are false", beats("age_sex_rate"),
         _in("null", "confounded"), "at most 5 %"),
        ("beats the features; null is false", beats("features"), _in("null"), "at most 5 %"),
        ("AUROC above 0.5; null is false", _better_than_chance, _in("null"), "at most 5 %"),
        ("AUROC other than 0.5, either way; null is false", _differs_from_chance, _in("null"),
         f"{LEVEL * sum(_in('null')(r) for r in rows) / len(rows):.1%}"),
    ]  # fmt: skip
    lines = []
    for words, claim, nothing, nominal in families:
        rate, wrong, found = false_discoveries(rows, claim, nothing)
        lines.append([words, f"{rate:.2%}", str(wrong), str(found), nominal])
    null = [row for row in rows if row["group"] == "null" and row["prevalence_only_p"] is not None]
    small = share(null, lambda row: row["prevalence_only_p"] <= LEVEL)
    head = ["claim, q <= 0.05 within a seed", "false discovery rate", "false of all claims",
            "claims among the rest", "nominal"]  # fmt: skip
    return f"{_table(head, lines)}\n\nNull targets with p <= 0.05 before adjustment: {small}."


def _targets(results: Results) -> str:
    rows = results.rows
    order = {row["target"]: GROUPS.index(row["group"]) for row in rows}
    lines = []
    for target in sorted(order, key=lambda name: (order[name], name)):
        own = [row for row in rows if row["target"] == target]
        values = [row["auroc"] for row in own]
        best = results.oracle[target]
        lines.append(
            [
                target, own[0]["group"], str(min(row["positive_patients"] for row in own)),
                f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})",
                f"{best[WHOLE]:.3f}", _mean(own, "age_sex_rate_auroc"),
                _mean(own, "features_auroc"), _mean(own, "age_sex_rate_gain"),
                str(share(own, beats("age_sex_rate")).count), _mean(own, "features_gain"),
                str(share(own, beats("features")).count),
            ]
        )  # fmt: skip
    head = [
        "target", "group", "positive patients, least", "AUROC, mean (least to largest)", "oracle",
        "age + sex + rate", "features", "gain over age + sex + rate", "seeds that beat it",
        "gain over features", "seeds that beat them",
    ]  # fmt: skip
    return _table(head, lines)


def _mean(rows: Sequence[Row], name: str) -> str:
    values = [row[name] for row in rows if row.get(name) is not None]
    return f"{np.mean(values):.3f}" if values else "-"
