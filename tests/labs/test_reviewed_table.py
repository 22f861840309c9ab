"""The catalogue against a second copy of what was reviewed, and against LOINC's properties.

``tests/fixtures/labs/indicators.csv`` holds for every indicator its LOINC code, the property
that LOINC states for that code, its unit, the limits of what can be (our choice, wide), the
directions and the valence. A number that is changed has to be changed in both, on purpose.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ecgfoundry.errors import VocabularyError
from ecgfoundry.labs.targets.catalogue import (
    CATALOGUE_FILE,
    component_key,
    load_catalogue,
    loinc_check_digit,
    reviewed_catalogue,
)

# Units in which a quantity of a LOINC property can stand (LOINC users' guide, table 9: MCnc mass
# concentration, SCnc substance concentration, CCnc catalytic concentration, ACnc arbitrary
# concentration, NCnc number concentration, NFr, VFr, MFr fractions, …).
UNITS_OF_PROPERTY = {
    "MCnc": {"g/dL", "mg/dL", "mg/L", "ug/dL", "ug/mL", "ng/mL", "ng/dL", "pg/mL"},
    "SCnc": {"mmol/L", "umol/L"},
    "CCnc": {"U/L"},
    "ACnc": {"u[IU]/mL", "[IU]/L"},
    "NCnc": {"10*3/uL", "10*6/uL"},
    "NFr": {"%"},
    "VFr": {"%"},
    "MFr": {"%"},
    "Ratio": {"%"},
    "NRto": {"/100{WBCs}"},
    "EntVol": {"fL"},
    "EntMass": {"pg"},
    "Naric": {"/[HPF]"},
    "Osmol": {"mosm/kg"},
    "LsCnc": {"[pH]"},
    "PPres": {"mm[Hg]"},
    "Time": {"s"},
    "RelTime": {"{INR}"},
    "Vel": {"mm/h"},
    "SpGrav": {"{ratio}"},
    "ArVRat": {"mL/min/{1.73_m2}"},
}


@pytest.fixture(scope="module")
def reviewed(fixtures: Path) -> dict[str, dict[str, str]]:
    path = fixtures / "labs" / "indicators.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["name"]: row for row in csv.DictReader(stream)}


def test_every_number_is_the_reviewed_one(reviewed: dict[str, dict[str, str]]) -> None:
    assert [i.name for i in reviewed_catalogue().indicators] == list(reviewed)
    for indicator in reviewed_catalogue().indicators:
        row = reviewed[indicator.name]
        assert (indicator.loinc or "") == row["loinc"], indicator.name
        assert indicator.unit == row["unit"], indicator.name
        assert indicator.lowest == float(row["lowest"]), indicator.name
        assert indicator.highest == float(row["highest"]), indicator.name
        assert indicator.directions == tuple(row["directions"].split()), indicator.name
        assert indicator.valence == (int(row["valence"]) if row["valence"] else None)


def test_units_are_of_the_property_of_the_code(reviewed: dict[str, dict[str, str]]) -> None:
    for name, row in reviewed.items():
        assert bool(row["loinc"]) == bool(row["property"]), name
        if row["property"]:
            assert row["unit"] in UNITS_OF_PROPERTY[row["property"]], name


# Usual adult reference intervals (compare Kratz et al., "Laboratory reference values", NEJM
# 2004;351:1548), rounded: only their magnitude matters here.
REFERENCE = {
    "sodium": (135, 145), "potassium": (3.4, 4.8), "chloride": (100, 108),
    "bicarbonate": (23.0, 31.9), "urea_nitrogen": (8, 25), "creatinine": (0.6, 1.5),
    "glucose": (70, 110), "calcium": (8.5, 10.5), "calcium_ionized": (1.14, 1.30),
    "magnesium": (1.7, 2.4), "phosphate": (2.6, 4.5), "albumin": (3.1, 4.3),
    "protein_total": (6.0, 8.0), "bilirubin_total": (0.0, 1.0), "alkaline_phosphatase": (30, 120),
    "ast": (9, 40), "alt": (7, 55), "lipase": (3, 60), "lactate": (0.5, 2.2),
    "osmolality": (280, 296), "hemoglobin": (12.0, 17.5), "hematocrit": (36, 53),
    "white_cells": (4.5, 11.0), "platelets": (150, 350), "red_cells": (4.0, 5.9), "mcv": (80, 100),
    "ph_arterial": (7.35, 7.45), "pco2_arterial": (35, 45), "po2_arterial": (80, 100),
    "iron": (30, 160), "tibc": (228, 428), "ferritin": (10, 300), "uric_acid": (2.3, 8.0),
    "tsh": (0.5, 5.0), "hba1c": (3.8, 6.4), "cholesterol": (100, 199),
}  # fmt: skip


@pytest.mark.parametrize("name", REFERENCE)
def test_what_is_possible_reaches_far_beyond_what_is_usual(name: str) -> None:
    """In the canonical unit: a limit in another unit would cut the reference interval."""
    indicator, (low, high) = reviewed_catalogue().by_name[name], REFERENCE[name]
    assert indicator.lowest <= low < high < indicator.highest
    assert indicator.highest >= 1.07 * high and indicator.lowest <= 0.9 * low


def test_the_check_digits_by_the_rule_of_the_guide() -> None:
    """LOINC users' guide, appendix B: the worked example 12345 has the check digit 5."""
    assert loinc_check_digit("12345") == 5
    assert [loinc_check_digit(number) for number in ("0", "1", "5", "10", "99999")] == [
        0, 8, 9, 9, 5,
    ]  # fmt: skip


def test_an_error_names_the_line_of_the_file(tmp_path: Path) -> None:
    text = CATALOGUE_FILE.read_text(encoding="utf-8").splitlines()
    assert text[2].startswith("potassium,Potassium")
    (tmp_path / "c.csv").write_text(
        "\n".join([*text[:2], text[2].replace("2823-3", "2823-4")]), encoding="utf-8"
    )
    with pytest.raises(VocabularyError, match=r"line 3 \(potassium\)"):
        load_catalogue(tmp_path / "c.csv")


def test_names_are_compared_in_capitals_with_single_blanks() -> None:
    assert component_key("  Protein,\n  Total ") == "PROTEIN, TOTAL"


def test_where_a_name_goes() -> None:
    """Spellings of MC-MED, of the eICU database and of point-of-care devices."""
    wanted = {
        "SODIUM, WHOLE BLOOD": ("sodium", "laboratory"),
        "-polys": ("neutrophils_percent", "laboratory"),
        "WBC x 1000": ("white_cells", "laboratory"),
        "troponin - I": ("troponin_i", "laboratory"),
        "CPK-MB": ("ck_mb", "laboratory"),
        "paO2": ("po2_arterial", "laboratory"),
        "Hgb": ("hemoglobin", "laboratory"),
        "bedside glucose": ("glucose_capillary", "laboratory"),
        "POC:GLUCOSE BY METER": ("glucose_capillary", "point-of-care"),
        "POC:HCO3": ("bicarbonate_venous", "point-of-care"),
        "POCT LACTATE": ("lactate", "point-of-care"),
        "POC: POTASSIUM, I-STAT": ("potassium", "point-of-care"),
        "POC POTASSIUM": ("potassium", "point-of-care"),
    }
    for name, answer in wanted.items():
        found = reviewed_catalogue().find(name)
        assert found is not None and (found[0].name, found[1]) == answer, name
    for name in ("POCKET", "POC:", "SODIUM, CSF", "XPOC:SODIUM"):
        assert reviewed_catalogue().find(name) is None, name


def test_a_missing_unit_is_the_canonical_one() -> None:
    glucose = reviewed_catalogue().by_name["glucose"]
    assert glucose.factor(None) == glucose.factor(" ") == glucose.factor("mg/dl") == 1.0
    assert glucose.factor("mmol/L") == pytest.approx(18.0156)


def test_the_file_holds_what_the_module_says() -> None:
    with CATALOGUE_FILE.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 132
    sodium = reviewed_catalogue().by_name["sodium"]
    assert sodium.components == ("SODIUM", "SODIUM, SERUM", "SODIUM, WHOLE BLOOD")
    assert sodium.other_names == ("sodium",) and sodium.specimen == "serum or plasma"
