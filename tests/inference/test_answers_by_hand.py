"""Logits, calibration, thresholds, episodes and burden of a tiny bundle, worked out on paper.

What goes in and its logits stand in :mod:`tests.hand_waves`::

                 I    II   V1     A = I + 2 II - V1    B = 5 V1 - I    H = 0
    window P    1.4  1.0  0.2           3.2                -0.4          0
    window Q    0.2  1.4  1.0           2.0                 4.8          0
    window R    1.0  0.2  1.4           0.0                 6.0          0

Probabilities are 1 / (1 + exp(-x)) by a pocket calculator.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bundles import make_bundle
from tests.hand_waves import BEAT, SIZE, TARGETS, WEIGHTS, P, Q, R, build, platt, record, wave

from ecgfoundry.inference.predictor import Predictor, SourceTask, load_model
from ecgfoundry.preprocessing import standardize
from ecgfoundry.signals.windows import is_long

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return build(tmp_path_factory.mktemp("hand"))


def near(*values: float) -> Any:
    return pytest.approx(values, abs=5e-5)


def numbers(answer: Any) -> dict[str, float]:
    return {finding.name: finding.probability for finding in answer.findings}


def test_features_and_logits(tiny: Predictor) -> None:
    windows = standardize(record(wave(P, Q, R)), "ecgfounder-ptbxl-eval@1", ("I", "II", "V1"))
    assert windows.shape == (3, 3, 5000)
    logits, features = tiny.logits_and_embeddings(windows)
    np.testing.assert_allclose(features, [P, Q, R], atol=2e-5)
    np.testing.assert_allclose(logits[:, :3], [[3.2, -0.4, 0], [2, 4.8, 0], [0, 6, 0]], atol=5e-5)
    np.testing.assert_array_equal(tiny.logits(windows), logits)
    np.testing.assert_array_equal(tiny.embed(windows), features)


def test_one_window(tiny: Predictor) -> None:
    answer = tiny.interpret(record(wave(P)))
    # A: 2 x 3.2 - 3 = 3.4; B: -0.4 + 0.5 = 0.1; H: 0.
    assert numbers(answer) == {
        "A": pytest.approx(0.967705, abs=5e-5),
        "B": pytest.approx(0.524979, abs=5e-5),
        "H": 0.5,
    }
    assert [f.present for f in answer.findings] == [True, False, True]
    assert [f.threshold for f in answer.findings] == [0.6, 0.99, 0.5]
    assert all(f.calibrated for f in answer.findings) and answer.calibrated
    assert answer.present == ("A", "H")
    (window,) = answer.windows
    # A: 3.2 - 1; B: -0.4 - 1.
    assert tuple(window.probabilities.values()) == near(0.9002495, 0.1978161, 0.5)
    assert window.present == ("A", "H")


def test_at_its_threshold_a_target_is_present(tiny: Predictor) -> None:
    """H has a logit of 0, a probability of a half and a threshold of a half: at, not above."""
    assert tiny.interpret(record(wave(P))).finding("H").present is True
    assert all("H" in w.present for w in tiny.interpret(record(wave(P, R))).windows)


def test_logits_are_averaged_over_the_windows_and_then_calibrated(tiny: Predictor) -> None:
    answer = tiny.interpret(record(wave(P, Q, R)))
    # A: 2 x 5.2/3 - 3 = 0.466667; B: 10.4/3 + 0.5 = 3.966667. (The mean probability of A is 0.58.)
    assert tuple(numbers(answer).values()) == near(0.6145946, 0.9814155, 0.5)
    assert answer.present == ("A", "H")
    assert [(w.start_s, w.duration_s) for w in answer.windows] == [(0, 10), (10, 10), (20, 10)]
    # A: 2.2, 1.0 and -1.0; B: -1.4, 3.8 and 5.0.
    assert [w.probabilities["A"] for w in answer.windows] == near(0.9002495, 0.7310586, 0.2689414)
    assert [w.probabilities["B"] for w in answer.windows] == near(0.1978161, 0.9781187, 0.9933071)
    assert [w.present for w in answer.windows] == [("A", "H"), ("A", "H"), ("B", "H")]
    assert answer.episodes is None and answer.burden is None and answer.readable_s is None


def test_a_remainder_has_a_window_that_overlaps_and_counts_in_full(tiny: Predictor) -> None:
    """15 s: P, P and half of Q; the last window begins at 5 s."""
    x = np.concatenate([wave(P), wave(P, seconds=5)], axis=1)
    answer = tiny.interpret(record(x))
    assert [(w.start_s, w.duration_s) for w in answer.windows] == [(0, 10), (5, 10)]
    assert answer.duration_s == 15.0
    assert answer.finding("A").probability == pytest.approx(0.967705, abs=5e-5)


def test_a_derived_lead_counts_as_much_as_a_recorded_one(tiny: Predictor) -> None:
    """Recorded are I and III = II - I, so II is derived; A has twice II, B has none of it."""
    i, ii, v1 = wave(P, Q)
    answer = tiny.interpret(record(np.stack([v1, ii - i, i]), ("V1", "III", "I")))
    # A: 2 x 2.6 - 3 = 2.2; B: 2.2 + 0.5.
    assert tuple(numbers(answer).values()) == near(0.9002495, 0.9370266, 0.5)
    assert (answer.leads_used, answer.leads_derived) == (("I", "V1", "II"), ("II",))
    assert not {"leads-absent", "leads-disagree"} & {w.code for w in answer.warnings}


def test_leads_that_only_serve_to_derive_others_are_read(tmp_path: Path) -> None:
    """The model has II and V1; the recording has I, aVF = II - I/2 and V1."""
    weights = np.array([[1.0, 0], [0, 1]])
    model = load_model(
        make_bundle(
            tmp_path / "b",
            weights,
            leads=("II", "V1"),
            preprocessing="ecgfounder-ptbxl-eval@1",
            size=SIZE,
        ),
        threads=1,
    )
    square = wave((1, 1, 1))[0]
    i, ii, v1 = 0.6 * square, 1.0 * square, 1.0 * square
    answer = model.interpret(record(np.stack([i, ii - i / 2, v1]), ("I", "aVF", "V1")))
    assert (answer.leads_used, answer.leads_derived) == (("V1", "II"), ("II",))
    assert answer.verdict != "refused"
    assert tuple(numbers(answer).values()) == near(0.7310586, 0.7310586)  # II = V1 = 1
    assert set(answer.lead_figures) == {"I", "aVF", "V1"}


def test_an_absent_lead_counts_nothing_and_has_its_own_calibration(tiny: Predictor) -> None:
    """I and II of 1.4 and 0.2 have a joint deviation of 1. A = 1.8 + 0.25; B = -1.4."""
    square = wave((1, 1, 1))[0]
    answer = tiny.interpret(record(np.outer([1.4, 0.2], square), ("I", "II")))
    assert tuple(numbers(answer).values()) == near(0.8859476, 0.1978161, 0.5)
    assert answer.leads_used == ("I", "II")
    (absent,) = [w for w in answer.warnings if w.code == "leads-absent"]
    assert absent.leads == ("V1",)
    # The window's own answer has the calibration of windows: 1.8 - 1.
    assert answer.windows[0].probabilities["A"] == pytest.approx(0.6899745, abs=5e-5)


def test_few_leads_without_a_calibration_of_their_own_have_that_of_records(tmp_path: Path) -> None:
    calibration = {
        "record": platt([2, 1, 1, 1], [-3, 0.5, 0, 0]), "window": platt([1] * 4, [-1] * 4),
    }  # fmt: skip
    model = build(tmp_path, calibration=calibration)
    square = wave((1, 1, 1))[0]
    reduced = model.interpret(record(np.outer([1.4, 0.2], square), ("I", "II")))
    assert reduced.finding("A").probability == pytest.approx(0.6456563, abs=5e-5)  # 3.6 - 3


def test_without_calibration_and_thresholds_nothing_is_decided(tmp_path: Path) -> None:
    answer = build(tmp_path, calibration=None, thresholds=None).interpret(record(wave(P)))
    assert tuple(numbers(answer).values()) == near(0.9608343, 0.4013123, 0.5)
    assert [(f.present, f.threshold, f.calibrated) for f in answer.findings] == [
        (None, None, False)
    ] * 3
    assert answer.calibrated is False and answer.present == ()
    assert answer.windows[0].present is None


def test_some_targets_without_a_threshold(tmp_path: Path) -> None:
    thresholds = {"values": [None, 0.1, None, 0.5], "criterion": "-", "fitted_on": "-"}
    answer = build(tmp_path, thresholds=thresholds).interpret(record(wave(P)))
    assert [f.present for f in answer.findings] == [None, True, None]
    assert answer.windows[0].present == ("B",)


def test_a_target_that_never_stands_alone_is_in_no_answer_but_in_the_softmax(
    tmp_path: Path,
) -> None:
    """Multiclass: 3.2, -0.4, 0 and 9 x 2.6 = 23.4 for the modifier, which is the largest."""
    model = build(tmp_path, target_kind="multiclass", calibration=None, thresholds=None)
    answer = model.interpret(record(wave(P)))
    assert numbers(answer)["A"] == pytest.approx(np.exp(-20.2), rel=1e-3)
    assert [f.present for f in answer.findings] == [False] * 3 and answer.present == ()
    assert answer.windows[0].present == ()


def test_the_largest_class_is_present(tmp_path: Path) -> None:
    """Softmax of 3.2, -0.4 and 0: exponentials 24.532530, 0.670320 and 1."""
    weights, targets = WEIGHTS[:, :3], TARGETS[:3]
    document = {"targets": targets, "target_kind": "multiclass",
                "preprocessing": "ecgfounder-ptbxl-eval@1"}  # fmt: skip
    model = load_model(make_bundle(tmp_path / "classes", weights, size=SIZE, **document), threads=1)
    answer = model.interpret(record(wave(P)))
    assert tuple(numbers(answer).values()) == near(0.9362536, 0.0255822, 0.0381637)
    assert answer.present == ("A",) and answer.windows[0].present == ("A",)


def test_a_flat_or_mostly_missing_lead_is_masked(tiny: Predictor) -> None:
    """With V1 gone the window is I and II of 1.4 and 0.2 alone."""
    x = wave((1.4, 0.2, 0.0))
    flat = tiny.interpret(record(x))
    # As without V1 above: the calibration of few leads.
    assert flat.finding("A").probability == pytest.approx(0.8859476, abs=5e-5)
    assert flat.leads_used == ("I", "II")
    assert flat.windows[0].probabilities["A"] == pytest.approx(0.6899745, abs=5e-5)
    missing = wave((1.4, 0.2, 1.0))
    missing[2, :1501] = np.nan  # 30.02 %
    gone = tiny.interpret(record(missing))
    assert gone.windows[0].probabilities["A"] == pytest.approx(0.6899745, abs=5e-5)
    missing[2, 1500] = 1.0  # 30 %: it is read
    read = tiny.interpret(record(missing))
    assert "lead-unreadable" not in {w.code for w in read.warnings}
    assert read.windows[0].probabilities["A"] < 0.6


@pytest.mark.parametrize(("gap", "refused"), [(1500, False), (1501, True)])
def test_a_model_without_a_mask_refuses_a_lead_that_is_mostly_missing(
    tmp_path: Path, gap: int, refused: bool
) -> None:
    model = build(tmp_path, lead_mode="exact")
    x = wave(P)
    x[1, :gap] = np.nan
    answer = model.interpret(record(x))
    if refused:
        assert answer.refused.code == "missing" and answer.refused.leads == ("II",)
        assert "II: more than 30% missing" in answer.refused.message
        assert (answer.findings, answer.present) == ((), ())
    else:
        assert answer.refused is None


def test_a_model_without_a_mask_keeps_a_flat_lead(tmp_path: Path) -> None:
    """sqrt(1.5) and 0, sqrt(1.5): the deviation over three leads is 1; A is 0, B is 4 sqrt(1.5)."""
    size = 1.5**0.5
    model = build(tmp_path, lead_mode="exact", calibration=None)
    answer = model.interpret(record(wave((size, 0.0, size))))
    assert answer.finding("A").probability == pytest.approx(0.5, abs=1e-5)
    assert answer.finding("B").probability == pytest.approx(0.9926008, abs=1e-5)


# ------------------------------------------------------------------------------ long recordings


@pytest.mark.parametrize(
    ("seconds", "long"), [(10.0, False), (60.0, False), (62.0, False), (62.01, True), (3600, True)]
)
def test_a_strip_of_a_minute_has_two_seconds_of_tolerance(seconds: float, long: bool) -> None:
    assert is_long(seconds) is long


def test_a_long_recording_has_episodes_and_burden(tiny: Predictor) -> None:
    """70 s: P P R Q P P and a refused window. A is present in P and Q, B (0.99) only in R."""
    x = wave(P, P, R, Q, P, P, P)
    x[:, 30_000:] = np.nan
    answer = tiny.interpret(record(x))
    assert answer.duration_s == 70.0 and answer.readable_s == 60.0
    assert [(e.name, e.start_s, e.end_s) for e in answer.episodes] == [
        ("A", 0, 20), ("H", 0, 60), ("B", 20, 30), ("A", 30, 60),
    ]  # fmt: skip
    # 0.9002495 twice; then 0.7310586 and twice 0.9002495.
    assert [e.probability for e in answer.episodes if e.name == "A"] == near(0.9002495, 0.8438525)
    assert answer.burden == {
        "A": pytest.approx(50 / 60), "B": pytest.approx(10 / 60), "H": 1.0,
    }  # fmt: skip
    assert [(f.name, f.probability, f.present, f.threshold) for f in answer.findings] == [
        ("A", None, True, 0.6), ("B", None, True, 0.99), ("H", None, True, 0.5),
    ]  # fmt: skip
    assert [f.burden for f in answer.findings] == near(50 / 60, 10 / 60, 1.0)
    assert all(f.calibrated for f in answer.findings)
    last = answer.windows[-1]
    assert last.refused is not None and (last.start_s, last.probabilities) == (60.0, None)
    (notice,) = [w for w in answer.warnings if w.code == "windows-refused"]
    assert notice.message.startswith("1 of 7 windows could not be read: every sample")
    assert answer.verdict == "usable" and answer.refused is None


def test_a_target_that_is_never_there_is_absent_with_a_burden_of_nothing(tiny: Predictor) -> None:
    answer = tiny.interpret(record(wave(*[P] * 7)))
    finding = answer.finding("B")
    assert (finding.burden, finding.present, finding.probability) == (0.0, False, None)
    assert answer.finding("A").burden == 1.0


def test_a_strip_of_62_seconds_is_averaged(tiny: Predictor) -> None:
    x = np.concatenate([wave(*[P] * 6), wave(P, seconds=2)], axis=1)
    answer = tiny.interpret(record(x))
    assert answer.duration_s == 62.0 and answer.episodes is None
    assert answer.finding("A").probability == pytest.approx(0.967705, abs=5e-5)


def test_many_at_once_have_the_answers_of_each_alone(tiny: Predictor) -> None:
    flat = record(np.zeros((3, 5000)))
    other = record(wave(P)[:2], ("V5", "V6"))
    recordings = [record(wave(Q)), flat, record(wave(*[P, R] * 4)), other, record(wave(P, Q, R))]
    tasks = [SourceTask(r, r, file=str(k)) for k, r in enumerate(recordings)]
    answers = tiny.interpret_many(tasks)
    assert [a.file for a in answers] == ["0", "1", "2", "3", "4"]
    assert [a.refused.code if a.refused else None for a in answers] == [
        None, "flat", None, "leads", None,
    ]  # fmt: skip
    # Q: A is 2 x 2 - 3 = 1, B 5.3. Long: A and R share the time.
    assert tuple(numbers(answers[0]).values()) == near(0.7310586, 0.9950332, 0.5)
    assert answers[2].burden["A"] == 0.5 and answers[2].finding("A").probability is None
    assert tuple(numbers(answers[4]).values()) == near(0.6145946, 0.9814155, 0.5)
    assert len(answers[1].windows) == 1 and answers[3].windows == ()
    assert answers[1].leads_used == ("I", "II", "V1") and answers[3].leads_used == ()


def test_one_lead_on_request(tiny: Predictor) -> None:
    """V1 alone has a deviation of 1: A = -1 + 0.25, B = 5."""
    answer = tiny.interpret(record(wave(P)), lead="V1")
    assert tuple(numbers(answer).values()) == near(0.3208213, 0.9933071, 0.5)
    tasks = [SourceTask(record(wave(P)), record(wave(P)), lead="V1", file="x")]
    (same,) = tiny.interpret_many(tasks)
    assert numbers(same) == numbers(answer) and same.leads_used == ("V1",)


# ------------------------------------------------------------------------------------- the quality


def test_the_figures_of_the_leads_are_means_over_the_windows(tiny: Predictor) -> None:
    """Of V1 1001 samples of 5000 are missing in the first of two windows: 20.02 %, and half."""
    x = wave(P, R)
    x[2, 1000:2001] = np.nan
    figures = tiny.interpret(record(x)).lead_figures
    assert [figures[lead]["missing_share"] for lead in ("I", "II", "V1")] == [0, 0, 0.1001]
    # The amplitude is measured between quantiles; a complex has twenty samples in a hundred.
    height = float(np.ptp(BEAT))
    assert figures["I"]["amplitude_mv"] == pytest.approx(height * (1.4 + 1.0) / 2, rel=0.01)
    assert figures["II"]["amplitude_mv"] == pytest.approx(height * (1.0 + 0.2) / 2, rel=0.01)


def test_a_figure_that_a_window_has_not_is_left_out_of_the_mean(tiny: Predictor) -> None:
    x = wave(P, R)
    x[2, :5000] = np.nan
    figures = tiny.interpret(record(x)).lead_figures["V1"]
    assert figures["amplitude_mv"] == pytest.approx(1.4 * float(np.ptp(BEAT)), rel=0.01)


def test_the_refusal_of_nothing(tiny: Predictor) -> None:
    answer = tiny.interpret(record(np.zeros((3, 0))))
    assert answer.refused.message == "the recording has no samples"
    assert answer.windows == () and answer.duration_s == 0.0
    refused = tiny.interpret(record(np.zeros((3, 5000))), file="x.hea")
    assert (refused.refused.code, refused.file, refused.verdict) == ("flat", "x.hea", "refused")
    assert refused.lead_figures["V1"]["flat_share"] == 1.0


def test_a_recording_is_refused_for_the_reason_of_its_first_window(tiny: Predictor) -> None:
    flat, gone = np.zeros((3, 5000)), np.full((3, 5000), np.nan)
    for parts, code in (((flat, gone), "flat"), ((gone, flat), "missing")):
        answer = tiny.interpret(record(np.concatenate(parts, axis=1)))
        assert answer.refused.code == code
        assert answer.windows[0].refused.code == code
