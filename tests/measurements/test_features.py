"""Hand-crafted features: complete, finite on a clean ECG, never an error, always the same."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import ecgfoundry
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.features import (
    FEATURE_NAMES,
    FEATURES,
    feature_matrix,
    hand_crafted_features,
)
from ecgfoundry.recording import Recording

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


@pytest.fixture(scope="module")
def real() -> Recording:
    return ecgfoundry.read(FIXTURES / "cinc2021" / "E07500.hea")


def measure(recording: Recording) -> dict[str, float]:
    return hand_crafted_features(recording.signal, recording.sampling_rate, recording.leads)


def test_the_table_is_complete_and_documented() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURES) > 150
    for feature in FEATURES:
        assert feature.name and feature.unit and feature.definition and feature.source


def test_every_feature_is_finite_on_a_clean_ecg(real: Recording) -> None:
    features = measure(real)
    assert tuple(features) == FEATURE_NAMES
    assert [name for name, value in features.items() if not math.isfinite(value)] == []


def test_values_of_a_clean_ecg_are_those_of_a_reading(real: Recording) -> None:
    """Plausible for sinus bradycardia at 57/min with a normal axis, as the record is labelled."""
    features = measure(real)
    assert features["heart_rate_bpm"] == pytest.approx(57, abs=2)
    assert 120 < features["pr_ms"] < 200 and 70 < features["qrs_ms"] < 110
    assert 400 < features["qt_ms"] < 490
    assert -30 < features["qrs_axis_degrees"] < 90
    # Einthoven and Goldberger hold for net areas as they hold for signals.
    areas = {lead: features[f"{lead}_qrs_area_mv_ms"] for lead in STANDARD_12_LEADS}
    assert areas["III"] == pytest.approx(areas["II"] - areas["I"], abs=1.0)
    assert areas["aVF"] == pytest.approx((areas["II"] + areas["III"]) / 2, abs=1.0)


def test_the_same_bits_every_time(real: Recording) -> None:
    first, second = measure(real), measure(real)
    assert np.array_equal(list(first.values()), list(second.values()), equal_nan=True)


@pytest.mark.parametrize("leads", [("I",), ("II",), ("V1", "V5"), ("I", "II", "V2", "V6")])
def test_any_subset_of_leads(real: Recording, leads: tuple[str, ...]) -> None:
    features = measure(real.select(leads))
    whole = measure(real)
    assert tuple(features) == FEATURE_NAMES
    assert features["heart_rate_bpm"] == pytest.approx(whole["heart_rate_bpm"], abs=1)
    for lead in STANDARD_12_LEADS:
        value = features[f"{lead}_r_mv"]
        if lead not in leads:
            assert math.isnan(value)
        else:
            assert value == pytest.approx(whole[f"{lead}_r_mv"], abs=0.1)
    assert math.isfinite(features["qrs_axis_degrees"]) == ({"I", "II"} <= set(leads))
    assert math.isfinite(features["reference_r_mv"])


def test_scale_and_rate_behave(real: Recording) -> None:
    features = measure(real)
    double = hand_crafted_features(2 * real.signal, real.sampling_rate, real.leads)
    assert double["V5_r_mv"] == pytest.approx(2 * features["V5_r_mv"], rel=1e-6)
    assert double["qrs_axis_degrees"] == pytest.approx(features["qrs_axis_degrees"], abs=1e-6)
    slower = measure(real.resample(250.0))
    for name, tolerance in {"heart_rate_bpm": 0.5, "qrs_ms": 12, "qt_ms": 12, "pr_ms": 12}.items():
        assert slower[name] == pytest.approx(features[name], abs=tolerance), name
    assert slower["qrs_axis_degrees"] == pytest.approx(features["qrs_axis_degrees"], abs=5)


@pytest.mark.slow
def test_batches_in_processes_equal_one_by_one(real: Recording) -> None:
    x = np.stack([real.signal, 2 * real.signal, np.zeros_like(real.signal)])
    one = feature_matrix(x, real.sampling_rate, real.leads)
    two = feature_matrix(x, real.sampling_rate, real.leads, processes=2)
    assert one.shape == (3, len(FEATURE_NAMES))
    assert np.array_equal(one, two, equal_nan=True)
    single = list(measure(real).values())
    assert np.array_equal(one[0], single, equal_nan=True)


@given(
    x=arrays(
        np.float64,
        st.tuples(st.integers(0, 3), st.integers(0, 1500)),
        elements=st.floats(allow_nan=True, allow_infinity=True),
    ),
    rate=st.sampled_from([0.5, 50.0, 300.0, 500.0]),
)
@settings(max_examples=40)
def test_no_signal_is_an_error(x: np.ndarray, rate: float) -> None:
    features = hand_crafted_features(x, rate, [f"L{row}" for row in range(len(x))])
    assert tuple(features) == FEATURE_NAMES
    assert not any(math.isinf(value) for value in features.values())


@pytest.mark.parametrize(
    "x", [np.zeros((1, 5000)), np.full((1, 5000), np.nan), np.ones((1, 10)), np.zeros((1, 0))]
)
def test_what_cannot_be_measured_is_nan(x: np.ndarray) -> None:
    features = hand_crafted_features(x, 500.0, ["I"])
    assert math.isnan(features["heart_rate_bpm"]) and math.isnan(features["qrs_ms"])
    assert math.isfinite(features["missing_share"])


def test_wrong_shapes_are_errors() -> None:
    with pytest.raises(ValueError, match="samples"):
        hand_crafted_features(np.zeros((2, 100)), 500.0, ["I"])
    with pytest.raises(ValueError, match="sampling rate"):
        hand_crafted_features(np.zeros((1, 100)), 0.0, ["I"])
