"""The one window of a recording whose features are kept, by windows worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tests.hand_waves import P, Q, build, record, wave

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

from ecgfoundry.inference.one_window import window_embedding
from ecgfoundry.inference.predictor import Predictor


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return build(tmp_path_factory.mktemp("bundles"))


def test_it_is_the_one_in_the_middle(predictor: Predictor) -> None:
    """From 20 to 30 of 50 s; I, II and V1 are 0.2, 1.4 and 1.0 there."""
    found = window_embedding(predictor, record(wave(P, P, Q, P, P)))
    assert found is not None
    assert found / found[0] == pytest.approx([1.0, 7.0, 5.0], rel=1e-2)


def test_where_the_middle_cannot_be_read_a_quarter_is(predictor: Predictor) -> None:
    """From 10 to 20 of 50 s."""
    x = wave(P, Q, P, P, P)
    x[:, 10_000:15_000] = 0.0
    found = window_embedding(predictor, record(x))
    assert found is not None
    assert found / found[0] == pytest.approx([1.0, 7.0, 5.0], rel=1e-2)
    assert window_embedding(predictor, record(np.zeros((3, 25_000)))) is None


def test_a_recording_shorter_than_a_window_is_taken_whole(predictor: Predictor) -> None:
    found = window_embedding(predictor, record(wave(Q, seconds=6.0)))
    assert found is not None
    assert found / found[0] == pytest.approx([1.0, 7.0, 5.0], rel=1e-2)
