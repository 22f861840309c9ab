"""The published tables: the criteria that are applied, and the figures of one run."""

from __future__ import annotations

import csv

import pytest
from tests.conftest import REPOSITORY

from ecgfoundry.criteria import criteria
from ecgfoundry.criteria.rules import AllOf, AnyOf, AtLeast, Limit, Not, Said
from ecgfoundry.criteria.wording import CRITERIA_COLUMNS, criterion_row, in_words


def test_the_table_has_every_criterion_as_it_is() -> None:
    own = [c for c in criteria.values() if criteria.origin(c.name).startswith("ecgfoundry.")]
    with (REPOSITORY / "docs/results/criteria.csv").open(encoding="utf-8", newline="") as lines:
        table = [tuple(row) for row in csv.reader(lines)]
    assert table == [CRITERIA_COLUMNS, *map(criterion_row, own)], (
        "write it anew: python -m benchmarks.experiments.statements --rules "
        "docs/results/criteria.csv"
    )


def test_the_figures_of_the_page_are_those_of_the_table() -> None:
    with (REPOSITORY / "docs/results/statements.csv").open(encoding="utf-8", newline="") as lines:
        table = {row[0]: row for row in csv.reader(lines)}
    text = (REPOSITORY / "docs/statements.md").read_text(encoding="utf-8")
    page = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    shown = [row for row in page if len(row) == 6 and row[0] in table]
    assert len(shown) >= 10
    assert shown == [table[row[0]] for row in shown]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Limit("qrs_ms", ">=", 120.0), "qrs_ms ≥ 120 ms"),
        (Limit("r_mv", "<", 0.5, lead="V6"), "r_mv < 0.5 mV in V6"),
        (Not(Said("ATRIAL FIBRILLATION")), "not ATRIAL FIBRILLATION"),
        (
            AllOf(Limit("q_ms", ">=", 30.0, lead="II"), Limit("q_mv", "<=", -0.1, lead="II")),
            "q_ms ≥ 30 ms and q_mv ≤ -0.1 mV in II",
        ),
        (
            AtLeast(2, tuple(Limit("q_ms", ">=", 30.0, lead=lead) for lead in ("II", "aVF"))),
            "q_ms ≥ 30 ms in two of II, aVF",
        ),
        (
            AnyOf(
                *(
                    AllOf(*(Limit("t_mv", "<", 0.0, lead=lead) for lead in pair))
                    for pair in (("V5", "V6"), ("I", "aVL"))
                )
            ),
            "two neighbouring leads (t_mv < 0 mV in V5, V6, I, aVL)",
        ),
    ],
)
def test_rules_in_words(rule: object, words: str) -> None:
    assert in_words(rule) == words  # type: ignore[arg-type]
