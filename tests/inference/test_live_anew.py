"""A stream that is another one now: its device counts anew, or its clock went back."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.formats.files import read
from ecgfoundry.inference.live.buffer import LiveBuffer
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.inference.live.stream import LiveAnswer, LiveStream
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.samples import sample_path

RATE = 300
ECG = read(sample_path("single-lead")).signal[:, : 18 * RATE]
"""A fibrillating heart."""
FLAT = np.zeros((1, RATE), np.float32)


@pytest.fixture(scope="module")
def rhythm() -> Predictor:
    return load_model("rhythm-single-lead-edge", threads=1)


def seconds(first: int, count: int) -> list[np.ndarray]:
    return [ECG[:, k * RATE : (k + 1) * RATE] for k in range(first, first + count)]


def run(stream: LiveStream, parts: list[np.ndarray], start: int) -> list[LiveAnswer]:
    """Send a second after the other, numbered from ``start``."""
    frames = [LiveFrame(part, start + k * RATE) for k, part in enumerate(parts)]
    return [answer for frame in frames for answer in stream.run(frame)]


@pytest.mark.parametrize("first", [0, 5000])
def test_a_device_that_counts_anew_within_the_buffer_is_no_repetition(
    rhythm: Predictor, first: int
) -> None:
    """Six seconds, then again from 0: the six seconds of the second were dropped as repeated."""
    stream = LiveStream(rhythm, ["I"], RATE)
    run(stream, seconds(0, 6), first)
    answers = run(stream, seconds(10, 6), 0)
    assert [round(answer.time_s) for answer in answers] == [3, 4, 5, 6]
    assert (stream.buffer.first, stream.buffer.end) == (0, 6 * RATE)
    counts = answers[-1].counts
    assert (counts.restarts, counts.repeated, counts.too_late) == (1, 0, 0)
    np.testing.assert_array_equal(stream.buffer.window(6 * RATE, 6 * RATE), ECG[:, 3000:4800])


def test_a_repetition_is_one_also_in_parts_and_with_missing_samples(rhythm: Predictor) -> None:
    stream = LiveStream(rhythm, ["I"], RATE)
    run(stream, seconds(0, 6), 0)
    again = ECG[:, 100:1900].copy()
    again[0, :50] = np.nan
    stream.push(LiveFrame(again, 100))  # the last hundred are new
    assert (stream.buffer.first, stream.buffer.end) == (0, 1900)
    assert (stream.buffer.counts.restarts, stream.buffer.counts.repeated) == (0, 1700)


@pytest.mark.parametrize(("differ", "another"), [(4, False), (5, False), (6, True)])
def test_more_than_half_of_the_samples_make_another_signal(differ: int, another: bool) -> None:
    buffer = LiveBuffer(1, 20)
    buffer.push(np.arange(10, dtype=np.float32)[None], 100)
    said = np.arange(10, dtype=np.float32)[None]
    said[0, :differ] += 50
    assert buffer.holds_another(said, 100) is another
    assert not buffer.holds_another(said, 110), "there is nothing yet"
    assert not buffer.holds_another(np.full((1, 10), np.nan, np.float32), 100)


def test_what_was_found_before_does_not_stand_over_the_electrodes_of_the_next(
    rhythm: Predictor,
) -> None:
    """Nothing can be read after the new beginning: the finding of the first stood on for ever."""
    stream = LiveStream(rhythm, ["I"], RATE)
    before = run(stream, seconds(0, 18), 1_000_000)
    assert before[-1].steady.present, "the sample has a finding"
    after = run(stream, [FLAT] * 6, 0)
    assert [round(answer.time_s) for answer in after] == [3, 4, 5, 6]
    assert all(answer.window.refused is not None for answer in after)
    assert [answer.steady.present for answer in after] == [None] * 4


def test_a_mean_begins_with_the_stream_also_where_time_goes_on(rhythm: Predictor) -> None:
    """The new beginning comes after 3 s, so that its first answers are later than the last."""
    stream, alone = (LiveStream(rhythm, ["I"], RATE) for _ in range(2))
    run(stream, seconds(0, 3), 0)
    told = run(stream, [FLAT, *seconds(10, 3)], 100_000)
    wanted = run(alone, [FLAT, *seconds(10, 3)], 100_000)
    assert [t.steady.to_dict() for t in told] == [w.steady.to_dict() for w in wanted]


def test_a_clock_that_was_set_back_begins_anew_and_drops_nothing(rhythm: Predictor) -> None:
    """Five seconds, then the clock goes back by four: four seconds were dropped as repeated."""
    stream = LiveStream(rhythm, ["I"], RATE)
    parts = seconds(0, 11)
    for k, part in enumerate(parts):
        stream.push(LiveFrame(part, None, 1000.0 + k - (4.0 if k >= 5 else 0.0)))
    counts = stream.buffer.counts
    assert (counts.restarts, counts.repeated, counts.missing) == (1, 0, 0)
    end = stream.buffer.end
    np.testing.assert_array_equal(stream.buffer.window(end, 6 * RATE), ECG[:, 1500:3300])
    assert stream.clock.drift_ppm is None, "nothing is known of the clock as it goes now"


def test_stamps_that_jitter_lose_no_sample(rhythm: Predictor) -> None:
    """One stamp is 0.2 s late: a hole was made, and then as many samples dropped."""
    stream = LiveStream(rhythm, ["I"], RATE)
    for k, part in enumerate(seconds(0, 8)):
        stream.push(LiveFrame(part, None, 1000.0 + k + (0.2 if k == 4 else 0.0)))
    counts = stream.buffer.counts
    assert (counts.restarts, counts.repeated, counts.missing) == (0, 0, 60)
    end = stream.buffer.end
    np.testing.assert_array_equal(stream.buffer.window(end, 4 * RATE), ECG[:, 1200:2400])
