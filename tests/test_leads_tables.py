"""What the leads are called and how they follow from each other, as literals.

Sources: Einthoven 1912 and Goldberger 1942 for the algebra; the hexaxial system of AHA/ACC/HRS 2007
(part I and II) for the axes; IEC 60601-2-25 for the electrode letters; ISO/IEEE 11073-10101 for the
codes; the headers of the devices and data sets that are named beside the spellings.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfoundry.errors import LeadError
from ecgfoundry.leads import (
    FRONTAL_AXES_DEGREES,
    LIMB_COEFFICIENTS,
    LIMB_LEADS,
    PRECORDIAL_LEADS,
    STANDARD_12_LEADS,
    canonical_lead,
    complete_limb_leads,
    is_standard_lead,
    limb_disagreement,
    normalize_lead_names,
    project_frontal,
)


def test_the_twelve_leads_stand_in_their_usual_order() -> None:
    assert LIMB_LEADS == ("I", "II", "III", "aVR", "aVL", "aVF")
    assert PRECORDIAL_LEADS == ("V1", "V2", "V3", "V4", "V5", "V6")
    assert STANDARD_12_LEADS == (
        "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6",
    )  # fmt: skip
    assert is_standard_lead("aVL") and is_standard_lead("V6")
    assert not is_standard_lead("V7") and not is_standard_lead("AVL")


def test_the_axes_are_those_of_the_hexaxial_system() -> None:
    assert dict(FRONTAL_AXES_DEGREES) == {
        "I": 0, "II": 60, "III": 120, "aVF": 90, "aVL": -30, "aVR": -150,
    }  # fmt: skip


def test_the_coefficients_are_those_of_einthoven_and_goldberger() -> None:
    assert dict(LIMB_COEFFICIENTS) == {
        "I": (1, 0),
        "II": (0, 1),
        "III": (-1, 1),
        "aVR": (-0.5, -0.5),
        "aVL": (1, -0.5),
        "aVF": (-0.5, 1),
    }


@pytest.mark.parametrize(
    ("spellings", "lead"),
    [
        # CODE (Brazil), and Spanish, French and Portuguese devices; then older ones.
        ("DI D1 L1 LI LEAD1 Lead-1 lead_i MDC_ECG_LEAD_I ECG_LEAD_I ECG:I EKG.I", "I"),
        ("DII D2 L2 LII LEAD2 ecg-II MDC_ECG_II CHANNEL_II", "II"),
        ("DIII D3 L3 LIII LEAD3 MDC_ECG_ELEC_POTL_III", "III"),
        ("aVR AVR VAR MDC_ECG_LEAD_aVR", "aVR"),
        ("aVL AVL VAL a.V.L", "aVL"),
        ("aVF AVF VAF LEAD_aVF", "aVF"),
        ("V1 C1 v-1 MDC_ECG_LEAD_V1", "V1"),
        ("V2 C2", "V2"),
        ("V3 C3", "V3"),
        ("V4 C4", "V4"),
        ("V5 C5", "V5"),
        ("V6 C6", "V6"),
        ("V7 C7", "V7"),
        ("V8 C8", "V8"),
        ("V9 C9", "V9"),
        ("V3R", "V3R"),
        ("V7R", "V7R"),
        # Frank's leads; VX, VY and VZ in the PTB database.
        ("X VX", "X"),
        ("Y VY", "Y"),
        ("Z VZ", "Z"),
        # MIT-BIH.
        ("MLII ML2", "MLII"),
        ("MLI", "MLI"),
        ("MLIII", "MLIII"),
        ("CM5", "CM5"),
        ("NEHB", "NEHB"),
        ("ECG EKG", "ECG"),
    ],
)
def test_every_spelling_has_its_lead(spellings: str, lead: str) -> None:
    names = spellings.split()
    assert {name: canonical_lead(name) for name in names} == dict.fromkeys(names, lead)


def test_words_with_a_blank_and_words_in_a_row() -> None:
    assert canonical_lead("Modified Lead II") == "MLII"
    assert canonical_lead("  lead  V2 ") == "V2"
    assert canonical_lead("ECG Lead aVF") == "aVF"
    assert canonical_lead("channel 1") is None  # the first channel is not lead I
    assert canonical_lead("V0") is None and canonical_lead("C0") is None
    assert canonical_lead("LEAD") is None and canonical_lead("DIV") is None


def test_limb_leads_of_whole_numbers_worked_out_on_paper() -> None:
    """I = 0.6 mV and II = 1.0 mV: III = 0.4, aVR = -0.8, aVL = 0.1, aVF = 0.7."""
    derived = complete_limb_leads({"I": np.array([0.6]), "II": np.array([1.0])})
    assert {lead: round(float(x[0]), 6) for lead, x in derived.items()} == {
        "III": 0.4, "aVR": -0.8, "aVL": 0.1, "aVF": 0.7,
    }  # fmt: skip
    assert all(x.dtype == np.float32 for x in derived.values())


@pytest.mark.parametrize(
    ("first", "second"),
    [(("III", 0.4), ("aVF", 0.7)), (("aVR", -0.8), ("aVL", 0.1)), (("II", 1.0), ("aVL", 0.1))],
)
def test_other_pairs_give_the_same_leads(
    first: tuple[str, float], second: tuple[str, float]
) -> None:
    whole = {"I": 0.6, "II": 1.0, "III": 0.4, "aVR": -0.8, "aVL": 0.1, "aVF": 0.7}
    derived = complete_limb_leads({name: np.array([value]) for name, value in (first, second)})
    wanted = {lead: x for lead, x in whole.items() if lead not in (first[0], second[0])}
    assert {lead: round(float(x[0]), 6) for lead, x in derived.items()} == wanted


def test_i_and_ii_are_the_source_where_they_are_there_and_nothing_is_derived_from_one() -> None:
    # III contradicts I and II here, and is not asked.
    three = {"III": np.array([9.0]), "II": np.array([1.0]), "I": np.array([0.6])}
    assert float(complete_limb_leads(three)["aVF"][0]) == pytest.approx(0.7)
    assert set(complete_limb_leads(three)) == {"aVR", "aVL", "aVF"}
    assert complete_limb_leads({"II": np.ones(3), "V1": np.ones(3)}) == {}
    assert complete_limb_leads({lead: np.ones(3) for lead in LIMB_LEADS}) == {}


@pytest.mark.parametrize(
    ("degrees", "wanted"),
    # I = 0.6, II = 1.0: the vertical component is (2 - 0.6) / sqrt(3) = 0.808290 mV.
    [(0, 0.6), (60, 1.0), (120, 0.4), (90, 0.808290), (-30, 0.115470), (-150, -0.923760),
     (30, 0.923760), (180, -0.6)],
)  # fmt: skip
def test_projections_worked_out_on_paper(degrees: float, wanted: float) -> None:
    projected = project_frontal(np.array([0.6]), np.array([1.0]), degrees)
    assert projected.dtype == np.float32
    assert float(projected[0]) == pytest.approx(wanted, abs=1e-6)


def test_disagreement_of_a_lead_at_half_its_size_is_a_half() -> None:
    """Square waves: mean |III| is 1 by derivation, 0.5 as given; the difference is 0.5."""
    square = np.tile([1.0, -1.0], 50)
    given_leads = {"I": -square, "II": np.zeros(100), "III": 0.5 * square}
    assert limb_disagreement(given_leads) == {"III": pytest.approx(0.5)}
    # Twice the size: the difference is 1, and the larger of the two is 2.
    assert limb_disagreement(given_leads | {"III": 2.0 * square}) == {"III": pytest.approx(0.5)}
    # Turned round: the difference is twice the size of either.
    assert limb_disagreement(given_leads | {"III": -square}) == {"III": pytest.approx(2.0)}


def test_disagreement_forgives_an_offset_and_leaves_out_missing_samples() -> None:
    square = np.tile([1.0, -1.0, 1.0, -1.0, 0.0], 20)
    gap = square.copy()
    gap[:25] = np.nan
    leads = {"II": np.zeros(100), "I": -square, "III": gap + 7.0, "aVR": np.full(100, np.nan)}
    # aVR has no sample: it is passed over, and the leads after it are still measured.
    # aVL is I = -square by derivation and 0 as given.
    found = limb_disagreement(leads | {"aVL": np.zeros(100)})
    assert found == {"III": pytest.approx(0.0, abs=1e-6), "aVL": pytest.approx(1.0)}
    assert limb_disagreement({"I": square, "III": square}) == {}


def test_the_median_and_not_the_mean_is_the_offset() -> None:
    """One sample in ten at 1: median 0, mean 0.1; the other lead is flat, so the answer is 1."""
    pulses = np.tile([1.0] + [0.0] * 9, 10)
    found = limb_disagreement({"I": np.zeros(100), "II": pulses, "III": np.zeros(100)})
    assert found["III"] == pytest.approx(1.0)
    half = limb_disagreement({"I": np.zeros(100), "II": pulses, "III": 0.5 * pulses + 3.0})
    assert half["III"] == pytest.approx(0.5)
    both = limb_disagreement({"I": np.zeros(100), "II": np.zeros(100), "III": np.zeros(100)})
    assert both["III"] == 0.0


@given(gain=st.floats(0.01, 100), shift=st.floats(-5, 5))
def test_disagreement_does_not_depend_on_a_common_gain(gain: float, shift: float) -> None:
    square = np.tile([1.0, -1.0], 50)
    leads = {"I": gain * square, "II": gain * 2 * square, "aVF": gain * square + shift}
    assert limb_disagreement(leads)["aVF"] == pytest.approx(1 / 3, rel=1e-4)  # 1.5 wanted


def test_which_names_are_repeated_is_told() -> None:
    with pytest.raises(LeadError, match=r"more than once: I, V1\."):
        normalize_lead_names(["V1", "I", "C1", "DI", "II"])
    assert normalize_lead_names(["I", "II", "I2"]) == ("I", "II", "I2")
