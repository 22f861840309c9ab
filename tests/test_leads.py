"""Lead names and lead algebra against the textbook relations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfoundry.errors import LeadError
from ecgfoundry.leads import (
    FRONTAL_AXES_DEGREES,
    LIMB_LEADS,
    STANDARD_12_LEADS,
    canonical_lead,
    complete_limb_leads,
    limb_disagreement,
    normalize_lead_names,
    project_frontal,
)


@pytest.mark.parametrize(
    ("spelling", "lead"),
    [
        ("AVR", "aVR"),
        ("aVR", "aVR"),
        ("avr", "aVR"),
        ("MDC_ECG_LEAD_AVR", "aVR"),
        ("MDC_ECG_LEAD_I", "I"),
        ("MDC_ECG_LEAD_V4", "V4"),
        ("DI", "I"),
        ("DII", "II"),
        ("D3", "III"),
        ("Lead II", "II"),
        ("lead-v5", "V5"),
        ("ECG III", "III"),
        ("ECG Lead V2", "V2"),
        ("C1", "V1"),
        ("v6", "V6"),
        ("MLII", "MLII"),
        ("ECG", "ECG"),
        ("EKG", "ECG"),
        ("V4R", "V4R"),
        ("vx", "X"),
        ("Ⅱ", "II"),
        ("ａＶＦ", "aVF"),
        ("Ableitung III", "III"),
        ("Derivación V1", "V1"),
        ("dérivation aVL", "aVL"),
        ("отведение II", "II"),
        ("V5导联", "V5"),
        ("第Ⅰ誘導", "I"),
    ],
)
def test_spellings(spelling: str, lead: str) -> None:
    assert canonical_lead(spelling) == lead


@pytest.mark.parametrize(
    "name", ["PLETH", "ABP", "RESP", "V10", "", "LA", "MDC_ECG_LEAD_LA", "CO2", "-Ⅱ", "导联"]
)
def test_what_is_no_lead_is_not_taken_for_one(name: str) -> None:
    assert canonical_lead(name) is None


@pytest.mark.parametrize("lead", STANDARD_12_LEADS)
def test_canonical_names_are_fixed_points(lead: str) -> None:
    assert canonical_lead(lead) == lead


def test_names_are_refused_when_empty_or_repeated() -> None:
    with pytest.raises(LeadError, match="channel 1 has no lead name.*--leads"):
        normalize_lead_names(["I", " "])
    with pytest.raises(LeadError, match="more than once: II"):
        normalize_lead_names(["II", "DII"])
    assert normalize_lead_names(["di", "EMG left"]) == ("I", "EMG left")


def limb_leads(lead_i: np.ndarray, lead_ii: np.ndarray) -> dict[str, np.ndarray]:
    """Einthoven and Goldberger, written from the electrodes: RA = 0, LA = I, LL = II."""
    ra, la, ll = np.zeros_like(lead_i), lead_i, lead_ii
    return {
        "I": la - ra,
        "II": ll - ra,
        "III": ll - la,
        "aVR": ra - (la + ll) / 2,
        "aVL": la - (ra + ll) / 2,
        "aVF": ll - (ra + la) / 2,
    }


@given(
    first=st.sampled_from(LIMB_LEADS),
    second=st.sampled_from(LIMB_LEADS),
    seed=st.integers(0, 2**16),
)
def test_any_two_limb_leads_give_the_other_four(first: str, second: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = limb_leads(generator.normal(size=50), generator.normal(size=50))
    derived = complete_limb_leads({first: truth[first], second: truth[second]})
    if first == second:
        assert derived == {}
        return
    assert set(derived) == set(LIMB_LEADS) - {first, second}
    for lead, signal in derived.items():
        np.testing.assert_allclose(signal, truth[lead], atol=1e-6)


def test_missing_samples_stay_missing_in_derived_leads() -> None:
    lead_i, lead_ii = np.array([1.0, np.nan, 3.0]), np.array([2.0, 2.0, np.nan])
    derived = complete_limb_leads({"I": lead_i, "II": lead_ii})
    np.testing.assert_array_equal(np.isnan(derived["aVF"]), [False, True, True])


def test_projection_gives_the_leads_at_their_axes() -> None:
    generator = np.random.default_rng(1)
    truth = limb_leads(generator.normal(size=200), generator.normal(size=200))
    for lead, angle in FRONTAL_AXES_DEGREES.items():
        gain = 1.0 if lead in ("I", "II", "III") else 2 / math.sqrt(3)
        projected = project_frontal(truth["I"], truth["II"], angle)
        np.testing.assert_allclose(projected, gain * truth[lead], atol=1e-6)


def test_projection_turns_a_dipole() -> None:
    # A dipole at 37 degrees is largest on the axis of 37 degrees and vanishes at right angles.
    angle = math.radians(37)
    lead_i, lead_ii = np.array([math.cos(angle)]), np.array([math.cos(angle - math.radians(60))])
    assert project_frontal(lead_i, lead_ii, 37)[0] == pytest.approx(1.0)
    assert project_frontal(lead_i, lead_ii, 127)[0] == pytest.approx(0.0, abs=1e-7)


def test_disagreement_is_zero_for_true_and_large_for_swapped_leads() -> None:
    generator = np.random.default_rng(2)
    truth = limb_leads(generator.normal(size=2000), generator.normal(size=2000))
    assert max(limb_disagreement(truth).values()) < 1e-6
    swapped = truth | {"aVR": truth["aVF"], "aVF": truth["aVR"]}
    found = limb_disagreement(swapped)
    assert found["aVR"] > 0.5 and found["aVF"] > 0.5 and found["III"] < 1e-6
    assert limb_disagreement({"II": truth["II"], "III": truth["III"]}) == {}


@pytest.mark.parametrize(
    "name",
    # What sign or which of two leads is meant is not said by the name of one.
    ["I-II", "ECG I-II", "I - II", "V1-V2", "ECG -aVR", "Lead -aVR", "\u2212aVR", "aVR-", "II -"],
)
def test_an_inverted_lead_and_a_difference_of_leads_are_no_standard_lead(name: str) -> None:
    assert canonical_lead(name) is None


@pytest.mark.parametrize(
    ("name", "lead"),
    [("ECG-aVR", "aVR"), ("ECG - V1", "V1"), ("aV-R", "aVR"), ("L-I", "I"), ("V-1", "V1")],
)
def test_a_hyphen_within_a_name_is_a_separator(name: str, lead: str) -> None:
    assert canonical_lead(name) == lead
