"""Units and conversions, against published conversion factors."""

from __future__ import annotations

import pytest

from ecgfoundry.labs.targets.catalogue import reviewed_catalogue
from ecgfoundry.labs.targets.units import UCUM_UNITS, conversion_factor, ucum_code


@pytest.mark.parametrize("code", UCUM_UNITS)
def test_every_code_is_its_own_spelling(code):
    assert ucum_code(code) == code
    assert conversion_factor(code, code) == 1.0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("MG/DL", "mg/dL"),
        ("mcg/mL", "ug/mL"),
        ("µmol/L", "umol/L"),
        ("mEq/L", "meq/L"),
        ("K/uL", "10*3/uL"),
        ("thou/cumm", "10*3/uL"),
        ("k/mm cu", "10*3/uL"),
        ("10*9/l", "10*9/L"),
        ("MILL/UL", "10*6/uL"),
        ("M/MM3", "10*6/uL"),
        ("mm(hg)", "mm[Hg]"),
        ("second(s)", "s"),
        ("mL/min/1.73 m2", "mL/min/{1.73_m2}"),
        ("furlong", None),
        ("", None),
        (None, None),
    ],
)
def test_spellings(text, code):
    assert ucum_code(text) == code


@pytest.mark.parametrize(
    ("indicator", "unit", "value", "expected"),
    [
        # AMA Manual of Style, SI conversion: glucose x 0.0555, creatinine x 88.4, calcium x 0.25,
        # urea nitrogen x 0.357, cholesterol x 0.0259, bilirubin x 17.1, magnesium x 0.411.
        ("glucose", "mmol/L", 0.0555, 1.0),
        ("creatinine", "umol/L", 88.4, 1.0),
        ("calcium", "mmol/L", 0.2495, 1.0),
        ("urea_nitrogen", "mmol/L", 0.714, 2.0),
        ("cholesterol", "mmol/L", 0.0259, 1.0),
        ("bilirubin_total", "umol/L", 17.1, 1.0),
        ("magnesium", "mmol/L", 0.411, 1.0),
        ("magnesium", "mEq/L", 0.823, 1.0),
        ("uric_acid", "umol/L", 59.48, 1.0),
        ("lactate", "mg/dL", 9.01, 1.0),
        ("potassium", "mEq/L", 4.0, 4.0),
        ("hemoglobin", "g/L", 140.0, 14.0),
        ("white_cells", "10*9/L", 7.0, 7.0),
        ("pco2_arterial", "kPa", 5.333, 40.0),
        ("digoxin", "nmol/L", 1.281, 1.0),
    ],
)
def test_factors_are_the_published_ones(indicator, unit, value, expected):
    factor = reviewed_catalogue().by_name[indicator].factor(unit)
    assert factor is not None
    assert value * factor == pytest.approx(expected, rel=6e-3)


def test_what_cannot_be_converted_gives_nothing():
    catalogue = reviewed_catalogue().by_name
    assert catalogue["potassium"].factor("g/L") is None  # no molar mass is stated
    assert catalogue["glucose"].factor("fL") is None
    assert catalogue["glucose"].factor("who knows") is None
    assert catalogue["glucose"].factor(None) == 1.0
    assert conversion_factor("mg/dL", "no unit") is None
