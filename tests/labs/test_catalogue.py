"""The reviewed table and the values it makes of rows."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

pl = pytest.importorskip("polars")

from ecgfoundry.errors import LeakageError, VocabularyError  # noqa: E402
from ecgfoundry.labs.targets.catalogue import (  # noqa: E402
    CATALOGUE_FILE,
    load_catalogue,
    loinc_check_digit,
    reviewed_catalogue,
)
from ecgfoundry.labs.targets.generation import data_catalogue  # noqa: E402
from ecgfoundry.labs.targets.results import indicator_results  # noqa: E402

SEEN_IN_PUBLISHED_CODE = """POTASSIUM; SODIUM; CHLORIDE; CO2; CALCIUM; CORRECTED CALCIUM; GLUCOSE;
CREATININE; BLOOD UREA NITROGEN (BUN); ANION GAP; MAGNESIUM; ALBUMIN; GLOBULIN; PROTEIN, TOTAL;
BILIRUBIN, TOTAL; ALKALINE PHOSPHATASE; AST (SGOT); ALT (SGPT); LIPASE; LACTATE; LACTIC ACID;
POC:LACTATE, ISTAT; POC:HCO3; EGFR REFIT WITHOUT RACE (2021); EGFR FOR AFRICAN AMERICAN; URIC ACID;
HEMOGLOBIN (HGB); HEMATOCRIT (HCT); RED BLOOD CELLS (RBC); WHITE BLOOD CELLS (WBC);
PLATELET COUNT (PLT); NEUTROPHIL % (AUTO DIFF); NEUTROPHIL, ABSOLUTE (AUTO DIFF);
IMMATURE GRANULOCYTE % (AUTODIFF) WAM; NRBC, ABSOLUTE (HEMATOLOGY); INR;
HIGH SENSITIVITY TROPONIN; TROPONIN I; BNP, NT-PRO"""


@pytest.mark.parametrize(
    "code",
    # From the LOINC users' guide and the display pages of loinc.org: codes whose digits are known.
    ["2951-2", "2823-3", "2160-0", "718-7", "4544-3", "33762-6", "98979-8", "2345-7", "6690-2"],
)
def test_the_check_digit_of_known_codes(code):
    number, digit = code.split("-")
    assert loinc_check_digit(number) == int(digit)


def test_the_table_has_more_than_108_indicators_and_each_is_complete():
    catalogue = reviewed_catalogue()
    assert len(catalogue) >= 108
    for indicator in catalogue.indicators:
        assert indicator.components, indicator.name
        assert indicator.lowest < indicator.highest
        if indicator.loinc is not None:
            assert re.fullmatch(r"\d{3,5}-\d", indicator.loinc)


@pytest.mark.parametrize("component", re.split(r";\s+", SEEN_IN_PUBLISHED_CODE))
def test_every_name_seen_in_published_code_is_claimed(component):
    found = reviewed_catalogue().find(component)
    assert found is not None
    assert found[1] == ("point-of-care" if component.startswith("POC:") else "laboratory")


def test_point_of_care_is_merged_unless_it_is_an_indicator_of_its_own():
    find = reviewed_catalogue().find
    assert find("POC:LACTATE, ISTAT")[0].name == find("LACTIC ACID")[0].name == "lactate"
    assert find("poc:potassium, istat")[0].name == "potassium"
    assert find("POC:GLUCOSE BY METER")[0].name == "glucose_capillary"
    assert find("SARS-COV-2 RNA") is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2951-2", "2951-3", "check digit"),
        ("mmol/L", "furlong", "unit"),
        ("low high", "sideways", "directions"),
        ("SODIUM, SERUM", "POTASSIUM", "POTASSIUM"),
        ("90,200", "200,90", "lowest"),
        ("display", "words", "columns"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, old, new, words):
    text = CATALOGUE_FILE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "catalogue.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(VocabularyError, match=words):
        load_catalogue(path)


def rows(*cells: tuple) -> pl.DataFrame:
    names = ("component", "value", "unit", "flag", "low", "high")
    types = (pl.String, pl.String, pl.String, pl.String, pl.Float64, pl.Float64)
    return pl.DataFrame(list(cells), schema=dict(zip(names, types, strict=True)), orient="row")


@pytest.mark.parametrize(
    ("value", "flag", "low", "high", "verdict"),
    [
        ("4.0", None, 3.5, 5.0, 0),
        ("3.5", None, 3.5, 5.0, 0),  # the limits themselves are inside
        ("3.4", None, 3.5, 5.0, -1),
        ("5.1", None, 3.5, 5.0, 1),
        (">5.0", None, 3.5, 5.0, 1),
        (">4.0", None, 3.5, 5.0, None),  # above 4 is inside or above: not known
        (">4.0", None, 3.5, None, None),  # nothing says that it is not too high
        ("<3.5", None, 3.5, 5.0, -1),
        ("<4.0", None, 3.5, 5.0, None),
        ("<4.0", None, None, 5.0, None),
        ("4.0", "High", None, None, 1),
        ("4.0", "Normal", None, None, 0),
        ("4.0", "Abnormal", None, None, 2),
        ("4.0", None, None, None, None),
        ("9.0", "Normal", 3.5, 5.0, 1),  # the value decides, not the flag
    ],
)
def test_the_verdict_of_a_row(value, flag, low, high, verdict):
    results = indicator_results(rows(("POTASSIUM", value, "mmol/L", flag, low, high)))
    assert results.table["verdict"].to_list() == [verdict]


def test_words_have_a_verdict_and_no_value():
    results = indicator_results(
        rows(("MYOGLOBIN", "Negative", None, None, None, None),
             ("MYOGLOBIN", "Positive", None, None, None, None),
             ("MYOGLOBIN", "hemolyzed", None, None, None, None))
    )  # fmt: skip
    assert results.table["verdict"].to_list() == [0, 2]
    assert results.table["value"].null_count() == 2
    assert results.counts == {"used as a word": 2, "the test gave no result": 1}


def test_limits_are_compared_before_and_converted_with_the_value():
    results = indicator_results(rows(("GLUCOSE", "11.1", "mmol/L", None, 3.9, 5.5)))
    row = results.table.row(0, named=True)
    assert row["verdict"] == 1
    assert row["value"] == pytest.approx(200, rel=1e-3)
    assert row["high"] == pytest.approx(99.1, rel=1e-3)


def test_every_row_comes_out_or_is_counted():
    table = rows(
        ("POTASSIUM", "4.0", "mmol/L", None, 3.5, 5.0),
        ("POTASSIUM", "400", "mmol/L", None, 3.5, 5.0),
        ("POTASSIUM", "4.0", "furlong", None, 3.5, 5.0),
        ("POTASSIUM", "see note", None, None, 3.5, 5.0),
        ("POTASSIUM", None, None, None, None, None),
        ("SARS-COV-2 RNA", "Not Detected", None, None, None, None),
    )
    results = indicator_results(table)
    assert sum(results.counts.values()) == len(table)
    assert set(results.counts) == {
        "used",
        "value not possible",
        "unit not convertible",
        "text not understood",
        "empty",
        "no indicator claims the name",
    }
    assert results.unclaimed.rows() == [("SARS-COV-2 RNA", 1)]
    # What was not understood is named by unit or kind, never by the value of one person.
    assert "400" not in str(results.not_understood.rows())


def test_the_real_rows(shared_data: Path):
    table = pl.read_csv(shared_data / "labs_eicu_demo" / "lab.csv", infer_schema=False)
    labs = table.select(
        pl.col("patientunitstayid").alias("visit"),
        pl.col("labname").alias("component"),
        pl.col("labresulttext").alias("value"),
        pl.coalesce("labmeasurenameinterface", "labmeasurenamesystem").alias("unit"),
    )
    results = indicator_results(labs)
    assert sum(results.counts.values()) == len(labs) == 29_961
    assert results.counts["used"] >= 28_800
    assert results.counts["no indicator claims the name"] == 860  # ventilator settings, CSF …
    # The number that the source itself parsed, in the source's unit, is the oracle.
    numbers = table["labresult"].cast(pl.Float64).gather(results.table["row"])
    same_unit = results.table["indicator"].is_in(["sodium", "hemoglobin", "platelets"])
    difference = (results.table["value"] - numbers).abs().filter(same_unit)
    assert difference.len() > 2500 and difference.max() == 0.0


def test_the_rule_of_entry_counts_patients_of_both_classes_in_each_split():
    generator = random.Random(3)
    visits, results = [], []
    for number in range(400):
        split = ("train", "train", "validation", "test")[number % 4]
        visits.append((f"v{number}", f"p{number}", split))
        high = generator.random() < 0.3
        results.append((f"v{number}", "POTASSIUM", "6" if high else "4", 3.5, 5.0))
        results.append((f"v{number}", "SODIUM", "140", 135.0, 145.0))
    cohort = pl.DataFrame(visits, schema=["visit", "patient", "split"], orient="row")
    labs = pl.DataFrame(
        results, schema=["visit", "component", "value", "low", "high"], orient="row"
    )
    table = data_catalogue(indicator_results(labs).table, cohort)
    enters = {(r["indicator"], r["direction"]): r["enters"] for r in table.iter_rows(named=True)}
    assert enters[("potassium", "high")] is True
    assert enters[("potassium", "low")] is False
    assert enters[("sodium", "high")] is False
    row = table.filter(indicator="potassium", direction="high").row(0, named=True)
    truth = sum(value == "6" for _, name, value, *_ in results if name == "POTASSIUM")
    assert sum(row[f"positive_{s}"] for s in ("train", "validation", "test")) == truth
    assert row["prevalence"] == pytest.approx(truth / 400)
    leaking = cohort.with_columns(patient=pl.lit("one"))
    with pytest.raises(LeakageError):
        data_catalogue(indicator_results(labs).table, leaking)
