"""Rows of laboratory tables as other systems write them: no label that the row does not state."""

from __future__ import annotations

from pathlib import Path

import pytest

pl = pytest.importorskip("polars", reason="laboratory results are read with polars")

from ecgfoundry.datasets.mc_med_tables import read_labs  # noqa: E402
from ecgfoundry.labs.targets.results import indicator_results  # noqa: E402
from ecgfoundry.labs.targets.values import parse_value  # noqa: E402

COLUMNS = ("component", "value", "unit", "flag", "low", "high")
LOW, NORMAL, HIGH, UNKNOWN = -1, 0, 1, None


def only(*row: str | None) -> tuple[float | None, int | None] | str:
    """Value and verdict of a row whose limits are text, or why it is not used."""
    labs = pl.DataFrame([row], schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    found = indicator_results(labs)
    if not len(found.table):
        return next(iter(found.counts))
    ((value, verdict),) = found.table.select("value", "verdict").iter_rows()
    return (None if value is None else round(value, 3), verdict)


@pytest.mark.parametrize(
    ("value", "flag", "low", "high", "verdict"),
    [
        ("7.1", None, "3.5", "<5.1", HIGH),  # a potassium of 7.1 was normal: "<5.1" was no number
        ("7.1", None, ">=3.5", "5.1 mmol/L", HIGH),
        ("4.1", None, ">=3.5", "<=5.1", NORMAL),
        ("4.1", None, "nan", "5.1", UNKNOWN),  # was low: NaN is above every number
        ("4.1", "Normal", "nan", "nan", NORMAL),
        ("4.1", None, "3.5", "inf", UNKNOWN),
        ("2.0", None, None, "5.1", UNKNOWN),  # an upper limit says nothing of the lower side
        ("7.1", None, None, "5.1", HIGH),
        ("2.0", "Low", None, "5.1", LOW),
        ("2.0", None, "0", "5.1", UNKNOWN),  # 0 fills the place of a limit that is not there
        ("9.0", None, "3.5", "9999", UNKNOWN),
        ("4.1", None, "5.1", "3.5", UNKNOWN),  # was low
        ("4.1", "High", "5.1", "3.5", HIGH),
        ("4.1", None, "3.5", "see note", UNKNOWN),
    ],
)
def test_limits_of_a_potassium(
    value: str, flag: str | None, low: str | None, high: str | None, verdict: int | None
) -> None:
    assert only("POTASSIUM", value, "mmol/L", flag, low, high) == (float(value), verdict)


def test_limits_with_thousands() -> None:
    """An NT-proBNP of 3,000 was normal: "1,800" was no number."""
    assert only("BNP, NT-PRO", "3,000", "pg/mL", None, "0", "1,800") == (3000.0, HIGH)
    assert only("BNP, NT-PRO", "900", "pg/mL", None, None, "1,800") == (900.0, NORMAL)


def test_limits_that_no_value_can_meet() -> None:
    """Limits of 0 to 0 made every potassium a high one."""
    words = "the limits of the row are of another unit"
    assert only("POTASSIUM", "4.1", "mmol/L", None, "0", "0") == words
    assert only("NRBC, ABSOLUTE (HEMATOLOGY)", "0.2", "K/uL", None, "0", "0") == (0.2, HIGH)


@pytest.mark.parametrize(
    ("component", "value", "unit", "found"),
    [
        # 7.2 mmol/L of glucose (180.156 g/mol) are 129.7 mg/dL, not 7.2.
        ("GLUCOSE", "7.2 mmol/L", None, (129.712, UNKNOWN)),
        ("GLUCOSE", "7.2 mmol/L", "mmol/L", (129.712, UNKNOWN)),
        ("GLUCOSE", "7.2 mmol/L", "mg/dL", "the text names another unit than the row"),
        ("GLUCOSE", "> 500 mg/dL", "MG/DL", (500.0, UNKNOWN)),
        ("WBC", "4.1 10^3/uL", "K/uL", (4.1, UNKNOWN)),
        ("HEMATOCRIT", "41 %", "%", (41.0, UNKNOWN)),
        ("GLUCOSE", "7.2 furlongs/L", "mg/dL", "the text names another unit than the row"),
        ("GLUCOSE", "5/12/2020", "mg/dL", "text not understood"),  # was 5
        ("GLUCOSE", "120/80", "mg/dL", "text not understood"),  # was 120
        ("GLUCOSE", "12/MAR/2021", None, "unit not convertible"),  # was 12
    ],
)
def test_a_unit_inside_the_text(
    component: str, value: str, unit: str | None, found: tuple[float, int | None] | str
) -> None:
    assert only(component, value, unit, None, None, None) == found


@pytest.mark.parametrize(
    "text",
    ["No specimen received", "NO SAMPLE", "No result", "small clots present", "not tested",
     "Haemolysed", "not available"],
)  # fmt: skip
def test_no_result_is_none(text: str) -> None:
    """The first three were "negative", which made a normal potassium of a lost tube."""
    assert parse_value(text).kind == "failed"
    assert only("POTASSIUM", text, "mmol/L", None, "3.5", "5.1") == "the test gave no result"


@pytest.mark.parametrize("text", ["None", "Negative", "no", "Trace", "Present", "small"])
def test_what_cannot_be_absent_is_not_negative(text: str) -> None:
    """A potassium of "None" is an empty cell; of leukocytes in urine it is a count."""
    assert only("POTASSIUM", text, "mmol/L", None, "3.5", "5.1") == "text not understood"
    assert only("WBC (UA)", text, None, None, None, None) == (
        None, 2 if text in ("Trace", "Present", "small") else NORMAL
    )  # fmt: skip


def test_words_that_judge() -> None:
    assert only("POTASSIUM", "Normal", None, None, None, None) == (None, NORMAL)
    assert only("POTASSIUM", "abnormal", None, None, None, None) == (None, 2)


def test_the_number_that_stands_for_none(tmp_path: Path) -> None:
    """Epic writes 9999999 as the number of ">10.0": the highest potassium was "not possible"."""
    rows = ["9999999,>10.0", "9999999.0,4.1", "9999999,", "4.2,>10.0", ",4.3"]
    (tmp_path / "labs.csv").write_text(
        "CSN,Component_name,Component_value,Component_result,Component_nml_low,Component_nml_high\n"
        + "".join(f"1,POTASSIUM,{row},3.5,5.1\n" for row in rows)
    )
    labs, _ = read_labs(tmp_path / "labs.csv")
    assert labs["value"].to_list() == [">10.0", "4.1", None, "4.2", "4.3"]
    assert indicator_results(labs).table["verdict"].to_list() == [HIGH, NORMAL, NORMAL, NORMAL]


@pytest.mark.parametrize(
    ("value", "verdict"),
    [("0-4", NORMAL), ("3-8", UNKNOWN), ("5-10", UNKNOWN), ("6-10", HIGH), ("10-20", HIGH)],
)
def test_both_ends_of_a_range_count(value: str, verdict: int | None) -> None:
    """Of "3-8" with the limit 5 the middle, 5.5, was high."""
    first, second = map(float, value.split("-"))
    found = only("WBC (UA)", value, "/HPF", None, "0", "5")
    assert found == ((first + second) / 2, verdict)


def test_times_with_and_without_a_zone_are_told(tmp_path: Path) -> None:
    """Local times among those in UTC give a result of hours before to an ECG."""
    times = ["2221-07-03T18:37:12Z", "2221-07-03T20:37:12+02:00", "2221-07-03T18:37:12", ""]

    def told(texts: list[str]) -> list[tuple[str, int]]:
        (tmp_path / "labs.csv").write_text(
            "CSN,Component_name,Component_value,Result_time\n"
            + "".join(f"1,POTASSIUM,4.1,{text}\n" for text in texts)
        )
        found = read_labs(tmp_path / "labs.csv")[1]
        return [(one.code, one.count) for one in found if one.code.startswith("time")]

    assert told(times) == [("time-without-zone", 1)]
    assert told(times[:2]) == told(times[2:]) == []
