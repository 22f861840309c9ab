"""Which channels are ECG, and what ages and sexes count: the small decisions behind the readers."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from ecgfoundry.errors import LeadError, UnitError
from ecgfoundry.formats.common import channels, subjects
from ecgfoundry.formats.common.channels import channel_kinds, known_non_ecg_kind, no_lead_error
from ecgfoundry.formats.common.subjects import key_values, parse_age, parse_sex


@pytest.mark.parametrize("module", [channels, subjects])
def test_examples_in_docstrings(module: object) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PLETH", "ppg"),
        ("Pleth R", "ppg"),
        ("SpO2", "ppg"),
        ("RESP", "respiration"),
        ("CO2", "respiration"),
        ("ABP", "other"),
        ("ART", "other"),
        ("CVP", "other"),
        ("PAP", "other"),
        ("EEG C3-A2", "other"),
        ("EMG chin", "other"),
        ("Fp1", "other"),
        ("MLII", None),
        ("ECG", None),
        ("ECG 1", None),
        ("V", None),
        ("sig 0, fmt 8", None),
    ],
)
def test_names_that_are_clearly_no_ecg(name: str, kind: str | None) -> None:
    assert known_non_ecg_kind(name) == kind


def test_kind_follows_from_name_and_unit() -> None:
    names = ["II", "ABP", "PLETH", "ECG", "X", "X", "RESP", "anything"]
    units = ["mV", "mV", "NU", "uV", "g", "mV", "Ohm", "mV"]
    kinds = ["ecg", "other", "ppg", "ecg", "other", "other", "respiration", "ecg"]
    assert channel_kinds(names, units) == kinds


TWELVE = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()
IEC = "I II III aVR aVL aVF C1 C2 C3 C4 C5 C6".split()
SPANISH = "D1 D2 D3 aVR aVL aVF V1 V2 V3 V4 V5 V6".split()
CAP = [f"{letter}{n}" for letter in "ABCD" for n in range(1, 33)]


@pytest.mark.parametrize(
    ("names", "leads"),
    [
        # The same labels beside leads that are named beyond doubt …
        (IEC, IEC),
        (SPANISH, SPANISH),
        (["L1", "L2", "L3", "aVF"], ["L1", "L2", "L3", "aVF"]),
        ([*TWELVE, "C7", "C8", "C9"], [*TWELVE, "C7", "C8", "C9"]),
        ([*TWELVE, "X", "Y", "Z"], [*TWELVE, "X", "Y", "Z"]),
        # Six leads are a resting ECG, five are not (our choice).
        ([*TWELVE[:6], "X", "Y", "Z"], [*TWELVE[:6], "X", "Y", "Z"]),
        ([*TWELVE[:5], "X", "Y", "Z"], [*TWELVE[:5]]),
        (["VX", "VY", "VZ"], ["VX", "VY", "VZ"]),
        (["ECG D1", "Lead C2"], ["ECG D1", "Lead C2"]),
        # … and alone, beside an unnamed ECG, beside a few leads, or among electrodes.
        (["D1", "D2", "D3"], []),
        (["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9"], []),
        (["ECG", "D1", "D2", "D3"], ["ECG"]),
        (["ECG", "X", "Y", "Z"], ["ECG"]),
        (["II", "X", "Y", "Z"], ["II"]),
        (["II", "accX", "Acc Y", "GYRO_Z"], ["II"]),
        (["X", "Y", "Z"], []),
        (CAP, []),
        ([*CAP, "ECG II"], ["ECG II"]),
        (["I", "II", *CAP], ["I", "II"]),
        (["EEG Fp1", "EEG C3", "D1", "D2", "D3", "ECG EKG"], ["ECG EKG"]),
        (["POL A1", "POL A2", "L1", "L2", "aVF", "POL EKG"], ["aVF", "POL EKG"]),
        (["EEG EKG1-REF", "EEG Fz-REF", "EEG C3-REF"], ["EEG EKG1-REF"]),
        (["FP1-F7", "F7-T7", "C3-P3", "chin"], []),
        (["LA1", "LA2", "LA3", "LA4", "LA5", "I"], ["I"]),
    ],
)
def test_labels_that_mean_two_things_are_told_by_their_company(
    names: list[str], leads: list[str]
) -> None:
    kinds = channel_kinds(names, ["uV"] * len(names))
    assert [name for name, kind in zip(names, kinds, strict=True) if kind == "ecg"] == leads


def test_the_company_counts_in_volts_only() -> None:
    assert channel_kinds(["D1", "aVF"], ["mV", "mV"]) == ["ecg", "ecg"]
    assert channel_kinds(["D1", "aVF"], ["mV", "%"]) == ["other", "other"]
    assert channel_kinds(["D1", "P3", "aVF"], ["mV", "mmHg", "mV"]) == ["ecg", "other", "ecg"]
    assert channel_kinds(["D1", "D2"], ["mV", "mV"], by_caller=True) == ["ecg", "ecg"]
    assert channel_kinds(["chest", "II"], ["mV"] * 2, unknown_is_ecg=False) == ["other", "ecg"]


@pytest.mark.parametrize(
    ("names", "units", "kind", "words"),
    [
        (["II", "ABP"], ["furlong", "mmHg"], UnitError, "'II' .* its unit is 'furlong'"),
        (["ABP", "POL EKG"], ["mmHg", ""], UnitError, "'POL EKG' .* its unit is missing"),
        (["D1", "ABP"], ["%", "mmHg"], LeadError, r"no ECG lead .*\(D1 in %, ABP in mmHg\)"),
    ],
)
def test_a_refusal_names_the_reason(
    names: list[str], units: list[str], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        raise no_lead_error(names, units, Path("x.edf"))


def test_ages_and_sexes() -> None:
    ages = {"82": 82.0, " 0 ": 0.0, "300": None, "-1": None, "NaN": None, "inf": None, "x": None}
    assert {text: parse_age(text) for text in ages} == ages
    assert parse_age(None) is None
    assert [parse_sex(text) for text in ("F", "male", "W", "", None)] == [
        "female",
        "male",
        "female",
        None,
        None,
    ]


def test_key_values_keep_the_first_and_are_bounded() -> None:
    lines = ["Dx: 1,2", "Dx: 3", "<diagnoses>: x", "no pair", ": empty key", "key:"]
    assert key_values(lines) == {"Dx": "1,2", "diagnoses": "x"}
    assert len(key_values([f"key{n}: {n}" for n in range(500)])) == 100
