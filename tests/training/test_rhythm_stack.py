"""The linear layer of :mod:`benchmarks.experiments.rhythm_stack` and what it is fed with."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from benchmarks.experiments.rhythm_stack import (
    MEASURED,
    Seen,
    Tidy,
    layer,
    log_loss,
    mean_f1,
    measured,
    row,
)

NAN = np.nan


def test_features_become_columns_that_know_what_is_missing() -> None:
    # Medians 2 and 3; standard deviations sqrt(8 / 3) and 2; the third never varies, the fourth
    # was never measured.
    learned = np.array([[0.0, 1.0, 7.0, NAN], [2.0, NAN, 7.0, NAN], [4.0, 5.0, 7.0, NAN]])
    tidy = Tidy.of(learned)
    found = tidy.columns(
        np.array([[4.0, 5.0, 9.0, 1.0], [NAN, NAN, NAN, NAN], [99.0, 3.0, 7.0, 0.0]])
    )
    # The first column was never missing where it was learned, so that it has no mark.
    expected = [[1.224745, 1.0, 0.0], [0.0, 0.0, 1.0], [4.0, 0.0, 0.0]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_recording_is_summed_up_over_its_windows() -> None:
    seen = Seen(
        whole=np.array([[1.0, -1.0], [2.0, -2.0]]),
        short=np.array([[0.0, 4.0], [2.0, -2.0], [5.0, 6.0]]),
        recording=np.array([0, 0, 1]),
        features=np.zeros((2, 0)),
        short_features=np.zeros((3, 0)),
    )
    # 30 s; mean, largest and least of the 10-s windows.
    np.testing.assert_array_equal(
        seen.answers,
        [[1, -1, 1, 1, 2, 4, 0, -2], [2, -2, 5, 6, 5, 6, 5, 6]],
    )


def test_what_is_measured_is_of_a_recording_and_not_of_a_named_lead() -> None:
    assert {"rr_rmssd_ms", "premature_share", "p_share", "atrial_share"} <= set(MEASURED)
    assert not {"I_r_mv", "reference_r_mv"} & set(MEASURED)
    # Ten beats in ten seconds at 300 Hz, of triangles 40 ms wide: 60 a minute.
    signal = np.zeros(3000, np.float32)
    for beat in range(150, 3000, 300):
        signal[beat - 6 : beat + 7] = 1.0 - np.abs(np.arange(-6, 7)) / 6
    values = dict(zip(MEASURED, measured([signal])[0], strict=True))
    assert values["heart_rate_bpm"] == pytest.approx(60.0, abs=0.5)
    assert values["rr_longest_ms"] == pytest.approx(1000.0, abs=5.0)


def test_the_layer_finds_the_column_that_tells_the_classes_apart() -> None:
    generator = np.random.default_rng(0)
    classes = np.arange(400) % 4
    columns = generator.normal(size=(400, 3))
    columns[:, 1] += 3 * classes
    answer = layer(columns[:320], classes[:320], np.arange(320))
    found = answer(columns[320:])
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, rtol=1e-9)
    # Neighbours are 3 standard deviations apart: a cut halfway errs in 7 % of either tail.
    assert (found.argmax(axis=1) == classes[320:]).mean() > 0.85
    noise = layer(generator.normal(size=(320, 3)), classes[:320], np.arange(320))
    assert log_loss(noise(columns[320:]), classes[320:]) == pytest.approx(np.log(4), abs=0.1)


def test_gains_are_of_the_answers_over_the_base() -> None:
    classes = np.tile([0, 1, 2, 3], 25)
    # The class gets 0.7 in the first half of the recordings, 0.4 in the second.
    sure = np.where(np.arange(100) < 50, 0.7, 0.4)[:, None]
    good = np.log(np.where(np.eye(4)[classes] == 1, sure, (1 - sure) / 3))
    base = np.log(np.full((100, 4), 0.25))
    # The base says normal throughout: F1 2 * 25 / (100 + 25) = 0.4, 0 and 0.
    assert mean_f1(base, classes) == pytest.approx(0.4 / 3)
    text = row("layer", good, base, classes, np.arange(100))
    # (-log(0.7) - log(0.4)) / 2 = 0.6365, less log(4) = 1.3863.
    assert text.startswith("| layer | 1.0000 | 0.6365 | +0.8667 (")
    assert "| -0.7498 (-0." in text and text.endswith("| 1.0000 |")
    assert row("base", base, base, classes, np.arange(100)).count("|  |") == 1
