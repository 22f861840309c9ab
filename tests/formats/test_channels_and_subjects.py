"""Which channels are ECG, and what ages and sexes count: the small decisions behind the readers."""

from __future__ import annotations

import doctest

import pytest

from ecgfoundry.formats.common import channels, subjects
from ecgfoundry.formats.common.channels import channel_kinds, known_non_ecg_kind
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
    kinds = ["ecg", "other", "ppg", "ecg", "other", "ecg", "respiration", "ecg"]
    assert channel_kinds(names, units) == kinds


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
