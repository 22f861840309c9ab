"""Units, spellings and conversion factors, each against its definition or a published factor."""

from __future__ import annotations

import re

import pytest

from ecgfoundry.labs.targets.catalogue import reviewed_catalogue
from ecgfoundry.labs.targets.units import UCUM_UNITS, conversion_factor, ucum_code

# One line per kind of quantity: how much of the first unit one of each of the others is. SI
# prefixes; 1 mm Hg = 133.322 387 415 Pa and 1 cm H2O = 98.0665 Pa (NIST SP 811, appendix B.8);
# the international unit of enzymes and the arbitrary unit are not converted into each other.
AMOUNTS = {
    "mass": "g/L 1 · g/dL 10 · mg/dL 0.01 · mg/L 0.001 · ug/dL 0.00001 · ug/L 0.000001 · "
    "ug/mL 0.001 · ng/mL 0.000001 · ng/dL 0.00000001 · ng/L 0.000000001 · pg/mL 0.000000001",
    "substance": "mol/L 1 · mmol/L 0.001 · umol/L 0.000001 · nmol/L 1e-9 · pmol/L 1e-12",
    "equivalents": "meq/L 1",
    "activity": "U/L 1 · kU/L 1000",
    "arbitrary": "[IU]/L 1 · [IU]/mL 1000 · m[IU]/L 0.001 · m[IU]/mL 1 · u[IU]/mL 0.001",
    "count": "10*9/L 1 · 10*3/uL 1 · 10*6/uL 1000 · 10*12/L 1000 · /uL 0.001",
    "fraction": "1 1 · % 0.01 · {ratio} 1 · {INR} 1",
    "acidity": "[pH] 1 · {pH} 1",
    "time": "s 1 · min 60",
    "pressure": "mm[Hg] 1 · kPa 7.500617 · cm[H2O] 0.7355592",
    **{unit: f"{unit} 1" for unit in (
        "fL", "pg", "mosm/kg", "mm/h", "mL/min/{1.73_m2}", "mL/min", "/[HPF]", "/[LPF]",
        "/100{WBCs}", "/min", "Cel", "mL/dL", "L/min", "mL", "mg/(24.h)")},
}  # fmt: skip


def amounts(kind: str) -> dict[str, float]:
    pairs = (text.rsplit(" ", 1) for text in AMOUNTS[kind].split(" · "))
    return {unit: float(amount) for unit, amount in pairs}


@pytest.mark.parametrize("kind", AMOUNTS)
def test_every_unit_is_so_much_of_another_of_its_kind(kind: str) -> None:
    table = amounts(kind)
    for source, amount in table.items():
        for target, other in table.items():
            assert conversion_factor(source, target) == pytest.approx(amount / other, rel=1e-6), (
                source, target,
            )  # fmt: skip


def test_units_of_different_kinds_are_not_converted() -> None:
    kind_of = {unit: kind for kind in AMOUNTS for unit in amounts(kind)}
    assert set(kind_of) == set(UCUM_UNITS)
    bridged = {"mass", "substance", "equivalents"}
    for source, kind in kind_of.items():
        for target, other in kind_of.items():
            if kind != other:
                assert conversion_factor(source, target) is None
                # Molar mass and valence open these three and nothing else.
                found = conversion_factor(source, target, molar_mass=100.0, valence=2)
                assert (found is not None) == ({kind, other} <= bridged)


def test_molar_mass_and_valence_both_ways() -> None:
    # Glucose 180.156 g/mol: 1 mmol/L is 0.180156 g/L. Calcium 40.078 g/mol, two charges.
    assert conversion_factor("mmol/L", "mg/dL", molar_mass=180.156) == pytest.approx(18.0156)
    assert conversion_factor("mg/dL", "mmol/L", molar_mass=180.156) == pytest.approx(1 / 18.0156)
    assert conversion_factor("meq/L", "mmol/L", valence=2) == pytest.approx(0.5)
    assert conversion_factor("mmol/L", "meq/L", valence=2) == pytest.approx(2.0)
    found = conversion_factor("meq/L", "mg/dL", molar_mass=40.078, valence=2)
    assert found == pytest.approx(2.0039)
    assert conversion_factor("meq/L", "mg/dL", molar_mass=40.078) is None
    assert conversion_factor("meq/L", "mg/dL", valence=2) is None


# IUPAC abridged standard atomic weights (2021), g/mol.
ATOMS = {
    "H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "Mg": 24.305, "P": 30.974, "Cl": 35.45,
    "Ca": 40.078, "Fe": 55.845, "Co": 58.933, "I": 126.90,
}  # fmt: skip

# What is counted of each analyte, as its formula (PubChem). Urea nitrogen counts the two nitrogens
# of urea, phosphate the phosphorus, lactate the acid, folate folic acid, triglycerides triolein.
FORMULAS = {
    "urea_nitrogen": "N2", "creatinine": "C4H7N3O", "glucose": "C6H12O6",
    "glucose_capillary": "C6H12O6", "calcium": "Ca", "calcium_corrected": "Ca",
    "calcium_ionized": "Ca", "magnesium": "Mg", "phosphate": "P",
    "bilirubin_total": "C33H36N4O6", "bilirubin_direct": "C33H36N4O6",
    "bilirubin_indirect": "C33H36N4O6", "lactate": "C3H6O3", "ammonia": "NH3",
    "uric_acid": "C5H4N4O3", "ketones_beta": "C4H8O3", "iron": "Fe", "tibc": "Fe",
    "vitamin_b12": "C63H88CoN14O14P", "folate": "C19H19N7O6", "thyroxine_free": "C15H11I4NO4",
    "thyroxine": "C15H11I4NO4", "triiodothyronine": "C15H12I3NO4", "cortisol": "C21H30O5",
    "cholesterol": "C27H46O", "hdl": "C27H46O", "ldl_calculated": "C27H46O",
    "triglycerides": "C57H104O6", "ethanol": "C2H6O", "acetaminophen": "C8H9NO2",
    "salicylate": "C7H6O3", "digoxin": "C41H64O14", "phenytoin": "C15H12N2O2",
    "valproate": "C8H16O2", "vancomycin_trough": "C66H75Cl2N9O24", "tacrolimus": "C44H69NO12",
    "urine_creatinine": "C4H7N3O",
}  # fmt: skip


def molar_mass(formula: str) -> float:
    atoms = re.findall(r"([A-Z][a-z]?)(\d*)", formula)
    return sum(ATOMS[name] * int(count or 1) for name, count in atoms)


@pytest.mark.parametrize("name", FORMULAS)
def test_molar_masses_are_those_of_the_formulas(name: str) -> None:
    found = reviewed_catalogue().by_name[name].molar_mass
    assert found == pytest.approx(molar_mass(FORMULAS[name]), rel=1e-4)


def test_every_molar_mass_has_its_formula() -> None:
    stated = {i.name for i in reviewed_catalogue().indicators if i.molar_mass is not None}
    assert stated == set(FORMULAS)


@pytest.mark.parametrize(
    ("indicator", "usual", "si", "factor"),
    [
        # AMA Manual of Style, 11th edition, section 17.5, "Selected laboratory tests, with
        # conversion factors": usual unit times the factor is the SI unit.
        ("sodium", "mEq/L", "mmol/L", 1.0),
        ("urea_nitrogen", "mg/dL", "mmol/L", 0.357),
        ("creatinine", "mg/dL", "µmol/L", 88.4),
        ("glucose", "mg/dL", "mmol/L", 0.0555),
        ("calcium", "mg/dL", "mmol/L", 0.25),
        ("calcium", "mEq/L", "mmol/L", 0.5),
        ("magnesium", "mg/dL", "mmol/L", 0.4114),
        ("magnesium", "mEq/L", "mmol/L", 0.5),
        ("phosphate", "mg/dL", "mmol/L", 0.323),
        ("albumin", "g/dL", "g/L", 10),
        ("bilirubin_total", "mg/dL", "µmol/L", 17.104),
        ("lactate", "mg/dL", "mmol/L", 0.111),
        ("uric_acid", "mg/dL", "mmol/L", 0.0595),
        ("troponin_i", "ng/mL", "µg/L", 1),
        ("fibrinogen", "mg/dL", "g/L", 0.01),
        ("ferritin", "ng/mL", "µg/L", 1),
        ("iron", "µg/dL", "µmol/L", 0.179),
        ("tibc", "µg/dL", "µmol/L", 0.179),
        ("haptoglobin", "mg/dL", "mg/L", 10),
        ("vitamin_b12", "pg/mL", "pmol/L", 0.7378),
        ("folate", "ng/mL", "nmol/L", 2.266),
        ("thyroxine", "µg/dL", "nmol/L", 12.87),
        ("thyroxine_free", "ng/dL", "pmol/L", 12.87),
        ("triiodothyronine", "ng/dL", "nmol/L", 0.0154),
        ("cortisol", "µg/dL", "nmol/L", 27.588),
        ("cholesterol", "mg/dL", "mmol/L", 0.0259),
        ("triglycerides", "mg/dL", "mmol/L", 0.0113),
        ("ethanol", "mg/dL", "mmol/L", 0.2171),
        ("acetaminophen", "µg/mL", "µmol/L", 6.614),
        ("salicylate", "mg/dL", "mmol/L", 0.0724),
        ("digoxin", "ng/mL", "nmol/L", 1.281),
        ("phenytoin", "µg/mL", "µmol/L", 3.968),
        ("valproate", "µg/mL", "µmol/L", 6.934),
        ("tacrolimus", "ng/mL", "nmol/L", 1.24),
        ("tsh", "µIU/mL", "mIU/L", 1),
        ("white_cells", "/µL", "10*9/L", 0.001),
        ("red_cells", "10*6/uL", "10*12/L", 1),
        ("hematocrit", "%", "1", 0.01),
        ("pco2_arterial", "mm Hg", "kPa", 0.1333),
        ("alkaline_phosphatase", "IU/L", "U/L", 1),
    ],
)
def test_usual_units_times_the_published_factor_are_si_units(
    indicator: str, usual: str, si: str, factor: float
) -> None:
    own = reviewed_catalogue().by_name[indicator]
    from_usual, from_si = own.factor(usual), own.factor(si)
    assert from_usual is not None and from_si is not None
    assert from_usual / from_si == pytest.approx(factor, rel=4e-3)


# Spellings of laboratories. The two U/L: "IU/L" and "unit/L" of an enzyme are the international
# unit of catalytic activity; "mU/L" and "mIU/L" are those of a hormone.
SPELLINGS = {
    "g/dL": "g/dL · G/DL · gm/dL · grams/dL · g / dl",
    "mg/dL": "mg/dL · MG/DL · Mg/dl",
    "ug/mL": "mcg/mL · µg/mL · μg/mL · UG/ML",
    "ug/dL": "mcg/dL · µg/dL",
    "ug/L": "mcg/L · ug/l",
    "ng/mL": "NG/ML · ng/mL FEU",
    "meq/L": "mEq/L · MEQ/L",
    "mmol/L": "mmol/liter · MMOL/L",
    "umol/L": "mcmol/L · micromol/L · µmol/l",
    "U/L": "IU/L · unit/L · Units/L · u/l",
    "m[IU]/L": "mU/L · mIU/L",
    "m[IU]/mL": "mIU/mL",
    "u[IU]/mL": "mcU/mL · uIU/mL · mcIU/mL · mcunits/mL · microIU/mL · µIU/mL",
    "[IU]/mL": "IU/mL",
    "%": "% · percent · % of total · %CV · % total Hgb · %THb · %Sat.",
    "{ratio}": "ratio",
    "{INR}": "INR · inr",
    "[pH]": "pH · pH units",
    "fL": "fL · u3 · um3 · cu microns · FL",
    "pg": "pg · uug · picogram · picograms",
    "s": "s · sec · secs · second · seconds · second(s) · SEC",
    "mm[Hg]": "mmHg · mm Hg · mm(Hg) · torr · mm/Hg",
    "cm[H2O]": "cmH2O · cm H2O",
    "mosm/kg": "mOsm/kg · mOsm/kg H2O · mos/kg · mosmol/kg",
    "mm/h": "mm/hr · mm/hour · mm/hr. · MM/H",
    "mL/min/{1.73_m2}": "mL/min/1.73m2 · mL/min/1.73 · mL/min/1.73 sqm · mL/min/1.73m^2",
    "/100{WBCs}": "/100 WBC · /100 WBCs",
    "/[HPF]": "/HPF · /(hpf)",
    "/[LPF]": "/LPF",
    "/min": "bpm",
    "Cel": "deg C · °C · &#176;C",
    "mL/dL": "vol% · mls/dL",
    "mg/(24.h)": "mg/24hr · mg/24h · mg/day",
    "10*3/uL": "K/uL · K/mcL · th/uL · ths/uL · thou/uL · thous/uL · thousand/uL · 10E3/uL · "
    "10*3/uL · 10^3/uL · x10^3/uL · x103/uL · X10E3/UL · 10x3/uL · 10(3)/uL · x10(3)/uL · K/cmm · "
    "K/cumm · K/mm3 · K/mm^3 · K/mm cu · K/microliter",
    "10*6/uL": "M/uL · mil/uL · mill/uL · million/uL · mi/uL · 10E6/uL · 10*6/uL · 10^6/uL · "
    "x10^6/uL · x106/uL · x10E6/uL · 10x6/uL · 10(6)/uL · x10(6)/mcL · M/cumm · M/mm3",
    "10*9/L": "10E9/L · 10*9/L · 10^9/L · x10^9/L · x109/L · x10E9/L · G/L",
    "10*12/L": "10E12/L · 10*12/L · 10^12/L · x10^12/L · x1012/L · T/L",
    "/uL": "/uL · cells/uL · cell/uL · #/uL · /cumm · cells/mm3",
}


@pytest.mark.parametrize("code", SPELLINGS)
def test_spellings_of_laboratories(code: str) -> None:
    for text in SPELLINGS[code].split(" · "):
        # "g/L" as UCUM writes it is grams; "G/L" in capitals of a blood count is giga.
        assert ucum_code(text) == code, text
        assert ucum_code(f"  {text}\t") == code, text


@pytest.mark.parametrize(
    "text",
    ["x", "mg", "mg/dLx", "K", "10*3", "10*5/uL", "10^3/L", "mol", "U", "IU", "/", "%%", "furlong",
     "K/uL/L", "1000/uL", " "],
)  # fmt: skip
def test_what_is_no_unit_has_no_code(text: str) -> None:
    assert ucum_code(text) is None


def test_capitals_decide_where_ucum_lets_them() -> None:
    assert ucum_code("g/L") == "g/L" and ucum_code("G/L") == "10*9/L"
    assert ucum_code("pg/mL") == "pg/mL" and ucum_code("PG/ML") == "pg/mL"
