"""The one window of a recording whose features are kept, by windows worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tests.hand_waves import P, Q, build, record, wave

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

from ecgfoundry.inference.one_window import look_at_window
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.recording import Recording


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return build(tmp_path_factory.mktemp("bundles"))


def test_it_is_the_one_in_the_middle(predictor: Predictor) -> None:
    """From 20 to 30 of 50 s; I, II and V1 are 0.2, 1.4 and 1.0 there."""
    look = look_at_window(predictor, record(wave(P, P, Q, P, P)))
    assert look is not None and look.embedding is not None
    found = look.embedding
    assert found / found[0] == pytest.approx([1.0, 7.0, 5.0], rel=1e-2)


def test_where_the_middle_cannot_be_read_a_quarter_is(predictor: Predictor) -> None:
    """From 10 to 20 of 50 s."""
    x = wave(P, Q, P, P, P)
    x[:, 10_000:15_000] = 0.0
    look = look_at_window(predictor, record(x))
    assert look is not None and look.verdict == "refused"  # of the middle
    found = look.embedding
    assert found is not None
    assert found / found[0] == pytest.approx([1.0, 7.0, 5.0], rel=1e-2)


def test_what_cannot_be_read_has_a_verdict_and_no_embedding(predictor: Predictor) -> None:
    nothing = look_at_window(predictor, record(np.zeros((3, 25_000))))
    assert nothing is not None
    assert (nothing.verdict, nothing.logits, nothing.embedding) == ("refused", None, None)
    x = wave(P, Q, P, P, P)
    no_leads = Recording.from_array(x[:1], sampling_rate=500.0, leads=["V6"], unit="mV")
    assert look_at_window(predictor, no_leads) is None


def test_a_recording_shorter_than_a_window_is_taken_whole(predictor: Predictor) -> None:
    look = look_at_window(predictor, record(wave(Q, seconds=6.0)))
    assert look is not None and look.embedding is not None
    found = look.embedding
    assert found / found[0] == pytest.approx([1.0, 7.0, 5.0], rel=1e-2)
