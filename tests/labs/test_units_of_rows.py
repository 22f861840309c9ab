"""A unit of every row, and what its own limits say of it; times with a zone."""

from __future__ import annotations

import datetime as dt

import pytest

pl = pytest.importorskip("polars", reason="laboratory results are read with polars")

from ecgfoundry.datasets.mc_med_tables import parse_times  # noqa: E402
from ecgfoundry.labs.targets.results import indicator_results  # noqa: E402

SCHEMA = {"component": pl.String, "value": pl.String, "unit": pl.String,
          "low": pl.Float64, "high": pl.Float64}  # fmt: skip
USUAL = [("GLUCOSE", "99", "mg/dL", 70.0, high) for high in (100.0, 105.0, 110.0, 140.0, 200.0)]


def value_of(*row: object, usual: list[tuple[object, ...]] = USUAL) -> float | None:
    labs = pl.DataFrame([*usual, row], schema=SCHEMA, orient="row")
    found = indicator_results(labs).table.filter(pl.col("row") == len(usual))["value"]
    return round(float(found[0]), 1) if len(found) else None


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # 5.5 mmol/L of glucose (180.156 g/mol) are 99.1 mg/dL.
        (("GLUCOSE", "5.5", "mmol/L", 3.9, 5.6), 99.1),
        (("GLUCOSE", "0.99", "g/L", 0.7, 1.0), 99.0),
        (("GLUCOSE", "99", None, 70.0, 100.0), 99.0),
        # Without a unit it would be 5.5 mg/dL, and with the wrong one 1784: coma either way.
        (("GLUCOSE", "5.5", None, 3.9, 5.6), None),
        (("GLUCOSE", "99", "mmol/L", 70.0, 100.0), None),
        (("GLUCOSE", "5.5", "mg/dL", 3.9, 5.6), None),
        # Without limits nothing says so.
        (("GLUCOSE", "5.5", None, None, None), 5.5),
        # A newborn's limits are other ones, and of the same unit.
        (("GLUCOSE", "45", "mg/dL", 40.0, 60.0), 45.0),
    ],
)
def test_a_unit_that_the_limits_of_the_row_contradict(
    row: tuple[object, ...], expected: float | None
) -> None:
    assert value_of(*row) == expected


def test_the_rows_are_counted_with_the_reason() -> None:
    row = ("GLUCOSE", "5.5", None, 3.9, 5.6)
    found = indicator_results(pl.DataFrame([*USUAL, row], schema=SCHEMA, orient="row"))
    assert found.counts == {"used": 5, "the limits of the row are of another unit": 1}


def test_few_limits_say_nothing_of_each_other() -> None:
    assert value_of("GLUCOSE", "5.5", "mmol/L", 3.9, 5.6, usual=USUAL[:1]) == 99.1
    assert value_of("GLUCOSE", "99", "mmol/L", 70.0, 100.0, usual=USUAL[:3]) == 1783.5


@pytest.mark.parametrize(
    "text",
    [
        "2221-07-03T18:37:12Z", "2221-07-03 18:37:12Z", "2221-07-03T18:37:12",
        "2221-07-03T18:37:12.000000Z", "2221-07-03T20:37:12+02:00", "2221-07-03 13:07:12-05:30",
        "2221-07-03T18:37:12.000+00:00",
    ],
)  # fmt: skip
def test_one_moment_in_several_zones(text: str) -> None:
    table = pl.DataFrame({"t": [text, "no time", None]}).select(parse_times("t"))
    assert table["t"].to_list() == [dt.datetime(2221, 7, 3, 18, 37, 12), None, None]
