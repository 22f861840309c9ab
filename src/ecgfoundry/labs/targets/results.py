"""Rows of laboratory results -> values of indicators in one unit, each with its verdict.

Every row that goes in comes out, or is counted under the reason why it does not: a component that
no indicator claims, a text that is not understood, a unit that cannot be converted, a value that
is not possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecgfoundry.extras import require_polars
from ecgfoundry.labs.targets.catalogue import Catalogue, reviewed_catalogue
from ecgfoundry.labs.targets.values import (
    parse_limit,
    parse_values,
    range_half,
    stated_unit,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Results", "indicator_results"]

NORMAL, LOW, HIGH, ABNORMAL = 0, -1, 1, 2
"""Verdicts: inside the range; below; above; abnormal in an unstated direction."""

_FLAGS = {
    "NORMAL": NORMAL,
    "N": NORMAL,
    "LOW": LOW,
    "L": LOW,
    "LL": LOW,
    "LOW PANIC": LOW,
    "CRITICAL LOW": LOW,
    "HIGH": HIGH,
    "H": HIGH,
    "HH": HIGH,
    "HIGH PANIC": HIGH,
    "CRITICAL HIGH": HIGH,
    "ABNORMAL": ABNORMAL,
    "A": ABNORMAL,
    "AA": ABNORMAL,
    "PANIC": ABNORMAL,
    "CRITICAL": ABNORMAL,
}
"""What the flag of a row says where its limits are missing or its value is a word."""


LIMITS_APART = 5.0
"""Upper limits of one indicator differ by less (our choice: conventional and SI units of the same
substance differ by 10 or more where they differ at all by a factor that a value could hide)."""
SAME_FACTOR = 1e-6
"""Relative; factors of two spellings of one unit differ by rounding only."""
FEWEST_LIMITS = 5
"""Rows with limits from which the usual ones are known (our choice)."""


@dataclass(frozen=True)
class Results:
    """Values of indicators.

    Parameters
    ----------
    table : DataFrame
        ``visit, order_time, result_time, indicator, method, value`` (canonical unit; for a
        censored result its limit), ``censoring`` (+1: above ``value``; -1: below), ``low, high``
        (the row's limits in the canonical unit), ``verdict`` (-1 below, 0 inside, 1 above, 2
        abnormal without direction, null not known), ``row`` (position in the input).
    counts : mapping of str to int
        Rows by what became of them; they add up to the rows that went in.
    unclaimed : DataFrame
        ``component, rows``: names that no indicator claims, most frequent first.
    not_understood : DataFrame
        ``component, reason, text, rows``: units and kinds of text that could not be used. The
        text of a value is given only as its kind, never the value of one person.
    """

    table: pl.DataFrame
    counts: Mapping[str, int]
    unclaimed: pl.DataFrame
    not_understood: pl.DataFrame


def indicator_results(labs: pl.DataFrame, catalogue: Catalogue | None = None) -> Results:
    """Turn rows of results into values of indicators.

    Parameters
    ----------
    labs : DataFrame
        ``component, value`` (text), ``unit``, and where there are any: ``visit, order_time,
        result_time, flag``, and ``low, high`` as text or numbers.
    catalogue : Catalogue, optional
        By default the reviewed one.

    Notes
    -----
    The verdict compares the value with the limits of its own row, before any conversion. A
    censored value is compared by its limit: ">10" is above a high limit of 10 or less, and is not
    known when the high limit is 11. "Not known" is null, which is masked later, never 0.
    """
    pl = require_polars("reading laboratory results")
    catalogue = catalogue or reviewed_catalogue()
    columns = {
        "visit": pl.String,
        "order_time": pl.Datetime("us"),
        "result_time": pl.Datetime("us"),
    }
    columns |= {"unit": pl.String, "flag": pl.String, "low": pl.String, "high": pl.String}
    absent = [pl.lit(None, dtype=t).alias(c) for c, t in columns.items() if c not in labs.columns]
    table = labs.with_columns(absent).with_row_index("row").with_columns(_read_limits(labs))
    table = table.join(_components(table, catalogue), on="component", how="left")
    claimed = table.filter(pl.col("indicator").is_not_null()).with_columns(
        *parse_values("value"), range_half("value").alias("half")
    )
    claimed = _with_factors(claimed, catalogue)
    claimed = claimed.join(_limits(catalogue), on="indicator", how="left")
    claimed = claimed.with_columns(verdict=_verdict(), number=_scaled("number"),
                                   low=_scaled("low"), high=_scaled("high"))  # fmt: skip
    claimed = claimed.with_columns(odd=_of_another_unit()).with_columns(fate=_fate()).sort("row")
    kept = claimed.filter(pl.col("fate").is_in(["used", "used as a word"]))
    counts = dict(claimed["fate"].value_counts(sort=True).iter_rows())
    unclaimed = table.filter(pl.col("indicator").is_null())
    if len(unclaimed):
        counts["no indicator claims the name"] = len(unclaimed)
    return Results(
        table=kept.select(
            "visit", "order_time", "result_time", "indicator", "method",
            pl.col("number").alias("value"), "censoring", "low", "high", "verdict", "row",
        ),
        counts=counts,
        unclaimed=unclaimed.group_by("component").len("rows")
        .sort(["rows", "component"], descending=[True, False]),
        not_understood=_not_understood(claimed),
    )  # fmt: skip


def _components(table: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    pl = require_polars("reading laboratory results")
    names = table["component"].drop_nulls().unique(maintain_order=True).to_list()
    found = [(name, match) for name in names if (match := catalogue.find(name)) is not None]
    return pl.DataFrame(
        [(name, indicator.name, method) for name, (indicator, method) in found],
        schema={"component": pl.String, "indicator": pl.String, "method": pl.String},
        orient="row",
    )


def _read_limits(labs: pl.DataFrame) -> list[pl.Expr]:
    """Return ``low`` and ``high`` as finite numbers; limits in the wrong order are none."""
    pl = require_polars("reading laboratory results")
    read = {}
    for side in ("low", "high"):
        text = labs.schema.get(side, pl.String) == pl.String
        number = parse_limit(side, side) if text else pl.col(side)
        read[side] = pl.when(number.is_finite()).then(number)
    ordered = (read["low"] <= read["high"]).fill_null(value=True)
    return [pl.when(ordered).then(limit).alias(side) for side, limit in read.items()]


def _with_factors(claimed: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Add ``factor`` to the canonical unit, and ``torn``: text and row name units that differ.

    A unit in the text ("7.2 mmol/L") counts where the row has none.
    """
    pl = require_polars("reading laboratory results")
    claimed = claimed.with_columns(stated=stated_unit("value"))
    claimed = claimed.with_columns(unit=pl.coalesce("unit", "stated"))
    claimed = claimed.join(
        _factors(claimed, catalogue), on=["indicator", "unit"], how="left", nulls_equal=True
    )
    own = claimed.select("indicator", pl.col("stated").alias("unit"))
    inside = _factors(own, catalogue).rename({"unit": "stated", "factor": "stated_factor"})
    claimed = claimed.join(inside, on=["indicator", "stated"], how="left", nulls_equal=True)
    other = (pl.col("stated_factor") / pl.col("factor") - 1.0).abs() > SAME_FACTOR
    torn = pl.col("stated").is_not_null() & other.fill_null(value=True)
    return claimed.with_columns(torn=torn.fill_null(value=False))


def _factors(claimed: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    pl = require_polars("reading laboratory results")
    pairs = claimed.select("indicator", "unit").unique(maintain_order=True)
    rows = [(name, unit, catalogue.by_name[name].factor(unit)) for name, unit in pairs.iter_rows()]
    schema = {"indicator": pl.String, "unit": pl.String, "factor": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _limits(catalogue: Catalogue) -> pl.DataFrame:
    pl = require_polars("reading laboratory results")
    rows = [
        (i.name, i.lowest, i.highest, "low" in i.directions, "high" in i.directions)
        for i in catalogue.indicators
    ]
    schema = {"indicator": pl.String, "lowest": pl.Float64, "highest": pl.Float64,
              "can_be_low": pl.Boolean, "can_be_high": pl.Boolean}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def _scaled(column: str) -> pl.Expr:
    pl = require_polars("reading laboratory results")
    return pl.col(column) * pl.col("factor")


def _verdict() -> pl.Expr:
    """Compare in the row's own unit; the flag decides where the comparison cannot."""
    pl = require_polars("reading laboratory results")
    value, factor = pl.col("number"), pl.col("factor")
    # A lower limit of 0 for a potassium, an upper one of 9999, are fillings and no limits.
    low = pl.when(pl.col("low") * factor >= pl.col("lowest")).then(pl.col("low"))
    high = pl.when(pl.col("high") * factor <= pl.col("highest")).then(pl.col("high"))
    sign = pl.col("censoring")
    exact = sign == 0
    least, most = value - pl.col("half"), value + pl.col("half")  # of a range, both ends count
    below = pl.when(exact).then(most < low).otherwise((sign == -1) & (value <= low))
    above = pl.when(exact).then(least > high).otherwise((sign == 1) & (value >= high))
    # A value is inside when the limits of all sides that matter are there and say so: an upper
    # limit alone does not tell that a potassium is not too low.
    free_low = low.is_null() & ~pl.col("can_be_low")
    free_high = high.is_null() & ~pl.col("can_be_high")
    inside_low = free_low | (
        pl.when(exact).then(least >= low).otherwise((sign == 1) & (value >= low))
    ).fill_null(value=False)
    inside_high = free_high | (
        pl.when(exact).then(most <= high).otherwise((sign == -1) & (value <= high))
    ).fill_null(value=False)
    limited = low.is_not_null() | high.is_not_null()
    flag = (
        pl.col("flag").str.to_uppercase().replace_strict(_FLAGS, default=None, return_dtype=pl.Int8)
    )
    # "None" or "trace" is a result of what can be absent, and of a potassium it is no result.
    absent = pl.col("lowest") <= 0
    normal = pl.col("value").str.to_uppercase().str.contains(r"^\s*NORMAL\b")
    abnormal = pl.col("value").str.to_uppercase().str.contains(r"^\s*ABNORMAL\b")
    by_word = (
        pl.when((pl.col("kind") == "negative") & (absent | normal)).then(NORMAL)
        .when((pl.col("kind") == "positive") & (absent | abnormal)).then(ABNORMAL)
    )  # fmt: skip
    return (
        pl.when(value.is_null()).then(pl.coalesce(flag, by_word))
        .when(limited & below.fill_null(False)).then(LOW)
        .when(limited & above.fill_null(False)).then(HIGH)
        .when(limited & inside_low & inside_high).then(NORMAL)
        .otherwise(flag)
        .cast(pl.Int8)
    )  # fmt: skip


def _of_another_unit() -> pl.Expr:
    """Whether the limits of a row, converted, cannot be, or are far from those of most rows.

    Limits of one substance differ by sex, age and method, and by less than :data:`LIMITS_APART`; a
    unit that is missing or wrong moves them as it moves the value.
    """
    pl = require_polars("reading laboratory results")
    high = pl.col("high")
    usual = high.median().over("indicator")
    many = high.count().over("indicator") >= FEWEST_LIMITS
    far = (high > usual * LIMITS_APART) | (high < usual / LIMITS_APART)
    never = (high < pl.col("lowest")) | (pl.col("low") > pl.col("highest"))
    return never.fill_null(value=False) | (many & (usual > 0) & far).fill_null(value=False)


def _fate() -> pl.Expr:
    pl = require_polars("reading laboratory results")
    number, kind = pl.col("number"), pl.col("kind")
    word = kind.is_in(["negative", "positive"])
    return (
        pl.when(kind == "missing").then(pl.lit("empty"))
        .when(kind == "failed").then(pl.lit("the test gave no result"))
        .when(word & pl.col("verdict").is_not_null()).then(pl.lit("used as a word"))
        .when((kind == "unknown") | word).then(pl.lit("text not understood"))
        .when(pl.col("factor").is_null()).then(pl.lit("unit not convertible"))
        .when(pl.col("torn")).then(pl.lit("the text names another unit than the row"))
        .when(pl.col("odd")).then(pl.lit("the limits of the row are of another unit"))
        .when(~number.is_between(pl.col("lowest"), pl.col("highest")) & (pl.col("censoring") == 0))
        .then(pl.lit("value not possible"))
        .otherwise(pl.lit("used"))
    )  # fmt: skip


def _not_understood(claimed: pl.DataFrame) -> pl.DataFrame:
    pl = require_polars("reading laboratory results")
    bad = claimed.filter(~pl.col("fate").is_in(["used", "used as a word", "empty"]))
    shown = pl.when(pl.col("fate") == "unit not convertible").then(pl.col("unit")).otherwise("kind")
    grouped = bad.group_by("component", pl.col("fate").alias("reason"), shown.alias("text"))
    return grouped.len("rows").sort(
        ["rows", "component", "reason", "text"], descending=[True, False, False, False]
    )
