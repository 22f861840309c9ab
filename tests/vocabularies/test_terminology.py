"""Displays of SNOMED CT: in other systems' words or left out.

Sources of the literals: the NAPKON cardiology implementation guide and the US EMS guide of cardiac
rhythms (FHIR), the CORE problem list of the US National Library of Medicine.
"""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from ecgfoundry.criteria.registry import criteria
from ecgfoundry.vocabularies import VOCABULARIES, load_vocabulary
from ecgfoundry.vocabularies.terminology import Coding, snomed_coding


def rows() -> dict[str, dict[str, str]]:
    text = files("ecgfoundry.vocabularies.terminology").joinpath("snomed-ct.csv").read_text()
    return {row["code"]: row for row in csv.DictReader(text.splitlines())}


def test_every_code_that_can_be_sent_has_been_decided() -> None:
    targets = [target for name in VOCABULARIES for target in load_vocabulary(name).targets]
    named = [target.codes for target in targets]
    named += [criterion.codes for criterion in criteria.values()]
    codes = {of["SNOMED CT"] for of in named if "SNOMED CT" in of}
    assert len(codes) > 40
    assert codes <= set(rows()), "add what it is called, with the source, or: none found"


def test_a_row_says_where_its_words_are_from_or_that_there_are_none() -> None:
    for code, row in rows().items():
        assert code.isdigit() and (row["source"] or row["withheld"])
        assert bool(row["display"]) != (row["source"] == "none found" or bool(row["withheld"]))


@pytest.mark.parametrize(
    ("code", "display"),
    [
        ("733534002", "Electrocardiographic complete left bundle branch block"),
        ("164909002", "Electrocardiographic left bundle branch block"),
        ("427393009", "Electrocardiogram: sinus arrhythmia"),
        ("445118002", "Left anterior fascicular block on electrocardiogram"),
        ("74390002", "Wolff-Parkinson-White pattern"),
        ("713426002", ""),
    ],
)
def test_the_words_of_the_terminology(code: str, display: str) -> None:
    assert snomed_coding(code) == Coding("SNOMED CT", code, display)
