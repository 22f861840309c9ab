"""The Predictor on bundles whose answers are known: leads, masks, windows, calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.bundles import make_bundle

from ecgfoundry.errors import LeadError, SignalError
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.preprocessing import standardize
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.schemas import schema_problems

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

RATE = 250.0
TARGETS = (
    {"name": "A", "kind": "diagnosis", "codes": {"SNOMED CT": "1"}},
    {"name": "B", "kind": "diagnosis"},
    {"name": "C", "kind": "serial comparison", "standalone": False},
)
WEIGHTS = np.array([[1.0, 0, 5], [0, 1, 5], [0.5, -1, 5]])  # leads I, II, V1


def beats(seconds: float, leads: int = 3, seed: int = 0, rate: float = RATE) -> np.ndarray:
    """Leads of different pulse trains with noise, about 1 mV."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    x = np.exp(-0.5 * (((time % 0.8) - 0.4) / 0.02) ** 2) - 0.2 * np.exp(
        -0.5 * (((time % 0.8) - 0.6) / 0.05) ** 2
    )
    return np.outer(np.linspace(1, 0.5, leads), x) + generator.normal(0, 0.02, (leads, len(time)))


def record(x: np.ndarray, leads: tuple[str, ...] = ("I", "II", "V1"), **fields) -> Recording:
    return Recording.from_array(x, sampling_rate=RATE, leads=leads, unit="mV", **fields)


@pytest.fixture
def multilabel(tmp_path: Path) -> Predictor:
    calibration = {
        "record": {"method": "platt", "scale": [2, 1, 1], "offset": [-1, 0.5, 0]},
        "window": {"method": "platt", "scale": [1, 1, 1], "offset": [0, 0, 0]},
        "reduced_leads": {"method": "platt", "scale": [1, 1, 1], "offset": [9, 0, 0]},
    }
    thresholds = {"values": [0.6, None, 0.5], "criterion": "test", "fitted_on": "nothing"}
    return load_model(
        make_bundle(
            tmp_path / "multilabel",
            WEIGHTS,
            targets=TARGETS,
            calibration=calibration,
            thresholds=thresholds,
        )
    )


def expected_logits(windows: np.ndarray) -> np.ndarray:
    present = ~np.isnan(windows).all(axis=2)
    return (np.abs(np.nan_to_num(windows)).mean(axis=2) * present) @ WEIGHTS


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_findings_are_worked_out_as_by_hand(multilabel: Predictor) -> None:
    recording = record(beats(25))
    windows = standardize(recording, "ptbxl-bandpass@1", ("I", "II", "V1"))
    assert windows.shape == (3, 3, 2500)
    np.testing.assert_allclose(
        multilabel.logits(windows), expected_logits(windows), rtol=1e-5, atol=1e-5
    )
    answer = multilabel.interpret(recording, file="x")
    mean = expected_logits(windows).mean(axis=0)
    probability = sigmoid(mean * [2, 1, 1] + [-1, 0.5, 0])
    assert [finding.name for finding in answer.findings] == ["A", "B"]  # C never stands alone
    first, second = answer.findings
    assert first.probability == pytest.approx(probability[0], abs=1e-5)
    assert first.code == "SNOMED CT:1"
    assert second.threshold is None and second.present is None and second.calibrated
    for k, window in enumerate(answer.windows):
        assert window.probabilities["A"] == pytest.approx(
            sigmoid(expected_logits(windows)[k, 0]), abs=1e-5
        )
    assert [w.start_s for w in answer.windows] == [0, 10, 15]
    assert not schema_problems("interpretation", answer.to_dict())


def test_absent_leads_are_masked_named_and_calibrated_apart(multilabel: Predictor) -> None:
    answer = multilabel.interpret(record(beats(10)[:2], ("I", "II")))
    assert answer.leads_used == ("I", "II")
    assert "leads-absent" in {notice.code for notice in answer.warnings}
    windows = standardize(record(beats(10)[:2], ("I", "II")), "ptbxl-bandpass@1", ("I", "II", "V1"))
    assert np.isnan(windows[0, 2]).all()
    logit = expected_logits(windows)[0, 0]
    assert answer.findings[0].probability == pytest.approx(sigmoid(logit + 9), abs=1e-5)


def test_leads_go_by_name_and_missing_limb_leads_are_derived(multilabel: Predictor) -> None:
    x = beats(10)
    straight = multilabel.interpret(record(x))
    shuffled = multilabel.interpret(record(x[[2, 0, 1]], ("V1", "I", "II")))
    assert shuffled.findings == straight.findings
    iii = x[1] - x[0]
    derived = multilabel.interpret(record(np.stack([x[0], iii, x[2]]), ("I", "III", "V1")))
    assert derived.leads_derived == ("II",)
    for found, wanted in zip(derived.findings, straight.findings, strict=True):  # B reads lead II
        assert found.probability == pytest.approx(wanted.probability, abs=1e-4)


def test_a_flat_lead_counts_as_absent(multilabel: Predictor) -> None:
    x = beats(10)
    x[2] = 0.4
    flat = multilabel.interpret(record(x))
    without = multilabel.interpret(record(x[:2], ("I", "II")))
    assert "lead-unreadable" in {notice.code for notice in flat.warnings}
    assert flat.windows[0].probabilities == without.windows[0].probabilities


def test_one_lead_on_request_is_as_if_nothing_else_was_recorded(multilabel: Predictor) -> None:
    x = beats(10)
    named = multilabel.interpret(record(x), lead="v1")
    alone = multilabel.interpret(record(x[2:], ("V1",)))
    assert named.findings == alone.findings and named.leads_used == ("V1",)


def test_exact_models_refuse_a_missing_lead(tmp_path: Path) -> None:
    predictor = load_model(make_bundle(tmp_path / "exact", WEIGHTS[:, :2], lead_mode="exact"))
    answer = predictor.interpret(record(beats(10)[:2], ("I", "II")))
    assert answer.refused is not None and answer.refused.code == "leads"
    assert answer.findings == () and not schema_problems("interpretation", answer.to_dict())
    windows = standardize(record(beats(10)[:2], ("I", "II")), "ptbxl-bandpass@1", ("I", "II", "V1"))
    with pytest.raises(LeadError, match="V1 is absent"):
        predictor.logits(windows)
    gap = beats(10)
    gap[2, :1200] = np.nan
    refused = predictor.interpret(record(gap))
    assert refused.refused is not None and refused.refused.code == "missing"


def test_wrong_arrays_are_refused(multilabel: Predictor) -> None:
    with pytest.raises(SignalError, match="shape \\(n, 3, 2500\\)"):
        multilabel.logits(np.zeros((1, 12, 5000)))
    holes = np.zeros((1, 3, 2500))
    holes[0, 0, 5] = np.nan
    with pytest.raises(SignalError, match="single missing samples"):
        multilabel.logits(holes)
    with pytest.raises(LeadError, match="no lead at all"):
        multilabel.logits(np.full((1, 3, 2500), np.nan))
    assert multilabel.logits(np.zeros((0, 3, 2500))).shape == (0, 3)
    assert multilabel.embed(np.ones((2, 3, 2500))).shape == (2, 3)


@pytest.mark.parametrize(
    ("x", "code"),
    [
        (np.full((3, 2500), np.nan), "missing"),
        (np.zeros((3, 2500)), "flat"),
        (beats(1.2), "too-short"),
    ],
)
def test_refusals_are_answers(multilabel: Predictor, x: np.ndarray, code: str) -> None:
    answer = multilabel.interpret(record(x))
    assert answer.verdict == "refused" and answer.refused is not None
    assert answer.refused.code == code and answer.findings == ()
    document = answer.to_dict()
    assert document["refused"]["code"] == code
    assert not schema_problems("interpretation", document)


def test_warnings_about_the_person_and_the_length(multilabel: Predictor) -> None:
    answer = multilabel.interpret(record(beats(5), subject=Subject(age=12)))
    assert {"age-under-18", "short"} <= {notice.code for notice in answer.warnings}
    filtered = multilabel.interpret(record(beats(10), device={"filters": "0.05-150 Hz"}))
    assert "filters-unknown" not in {notice.code for notice in filtered.warnings}


def test_multiclass_presence_is_the_largest(tmp_path: Path) -> None:
    predictor = load_model(
        make_bundle(
            tmp_path / "classes",
            np.array([[1.0, 0.2, -1]]),
            targets=TARGETS,
            target_kind="multiclass",
            lead_mode="any-single",
            leads=("I",),
        )
    )
    answer = predictor.interpret(record(beats(10)[:1], ("II",)))
    assert answer.present == ("A",) and answer.leads_used == ("II",)
    assert "lead-not-trained-on" in {notice.code for notice in answer.warnings}
    assert sum(f.probability for f in answer.findings) < 1  # C is in the softmax, not in the list
    assert all(not f.calibrated and f.threshold is None for f in answer.findings)
    unnamed = predictor.interpret(record(beats(10)[:1], ("ECG",)))
    assert "lead-unnamed" in {notice.code for notice in unnamed.warnings}
    several = predictor.interpret(record(beats(10)[:2], ("V1", "V2")))
    assert several.refused is not None and "--lead" in several.refused.message


def test_regression_gives_values_with_units(tmp_path: Path) -> None:
    predictor = load_model(
        make_bundle(
            tmp_path / "value",
            np.array([[2.0], [0], [0]]),
            targets=({"name": "age", "kind": "demographic", "unit": "a"},),
            target_kind="regression",
            regression={"scale": [10.0], "offset": [40.0], "residual_quantiles": [[-5.0, 6.0]]},
        )
    )
    recording = record(beats(10))
    windows = standardize(recording, "ptbxl-bandpass@1", ("I", "II", "V1"))
    wanted = 40 + 20 * np.abs(windows[0, 0]).mean()
    (finding,) = predictor.interpret(recording).findings
    assert finding.value == pytest.approx(wanted, rel=1e-4)
    assert (finding.low, finding.high) == pytest.approx((wanted - 5, wanted + 6), rel=1e-4)
    document = predictor.interpret(recording).to_dict()
    assert document["findings"][0]["unit"] == "a"
    assert not schema_problems("interpretation", document)


def test_long_recordings_have_episodes_and_no_average(multilabel: Predictor) -> None:
    """Ten minutes, of which 300 to 330 s are not readable."""
    x = beats(600)
    x[:, round(300 * RATE) : round(330 * RATE)] = np.nan
    answer = multilabel.interpret(record(x))
    assert len(answer.windows) == 60
    assert all(f.probability is None for f in answer.findings)
    assert answer.readable_s == pytest.approx(570)
    refused = [w for w in answer.windows if w.refused is not None]
    assert [w.start_s for w in refused] == [300, 310, 320]
    assert "windows-refused" in {notice.code for notice in answer.warnings}
    # Every window has about the same beats, and A is present in all of them.
    assert answer.burden["A"] == 1.0
    spans = [(e.start_s, e.end_s) for e in answer.episodes if e.name == "A"]
    assert spans == [(0, 300), (330, 600)]
    assert not schema_problems("interpretation", answer.to_dict())
