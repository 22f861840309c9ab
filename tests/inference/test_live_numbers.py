"""The live stream by the clock: when answers come, what they blend, and what the frames hold."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest
from tests.bundles import make_bundle
from tests.hand_waves import SIZE, P, Q, R, build, record, wave

from ecgfoundry.errors import SamplingRateError, SignalError
from ecgfoundry.inference.live.buffer import LiveBuffer, SampleClock, StreamCounts
from ecgfoundry.inference.live.frames import (
    HEADER_BYTES,
    MAXIMUM_SAMPLES,
    LiveFrame,
    decode_frame,
    encode_frame,
    read_header,
)
from ecgfoundry.inference.live.state import Smoothing, SteadyState
from ecgfoundry.inference.live.stream import LIVE_WINDOW_S, LiveStream
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.tasks import TASKS, Readout, Task, Thresholds
from ecgfoundry.vocabularies import Target, Vocabulary

NAN = math.nan

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")


# -------------------------------------------------------------------------------------- the frames


def header(
    *, magic: bytes = b"ECGL", version: int = 1, kind: int = 0, leads: int = 1, samples: int = 2,
    start: int = 7, time_s: float = 1.5,
) -> bytes:  # fmt: skip
    """The 32 bytes of docs/streaming.md, written with struct alone."""
    return struct.pack("<4sBBHIIqd", magic, version, kind, leads, samples, 0, start, time_s)


def test_a_frame_byte_by_byte() -> None:
    stored = np.array([[1, -2], [-32768, 32767]], np.int16)
    written = encode_frame(stored, start=7, time_s=1.5)
    assert written.hex() == (
        "4543474c0100020002000000000000000700000000000000000000000000f83f0100feff0080ff7f"
    )
    assert HEADER_BYTES == 32
    frame = decode_frame(written, millivolts=0.005)
    np.testing.assert_allclose(frame.signal, [[0.005, -0.01], [NAN, 163.835]], rtol=1e-6)
    assert (frame.start, frame.time_s) == (7, 1.5)
    plain = encode_frame(np.array([[0.5, -0.25]]))
    assert plain[5] == 1 and plain[32:].hex() == "0000003f000080be"
    assert plain[16:24] == b"\xff" * 8 and math.isnan(struct.unpack("<d", plain[24:32])[0])
    back = decode_frame(plain, millivolts=2.0)
    assert back.signal.tolist() == [[1.0, -0.5]] and (back.start, back.time_s) == (None, None)


def test_what_is_missing_in_a_frame() -> None:
    whole = encode_frame(np.array([[-32767, -32768, 0]], np.int16))
    assert np.isnan(decode_frame(whole, millivolts=1.0).signal).tolist() == [[False, True, False]]
    floats = encode_frame(np.array([[NAN, np.inf, -np.inf, -32768.0]]))
    assert np.isnan(decode_frame(floats, millivolts=1.0).signal).tolist() == [
        [True, True, True, False]
    ]
    by_hand = LiveFrame(np.array([[np.inf, 1.0]], np.float32))
    assert np.isnan(by_hand.signal).tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"magic": b"ECGM"}, "no frame"),
        ({"version": 2}, "newer version"),
        ({"version": 0}, "newer version"),
        ({"kind": 2}, "no frame"),
        ({"leads": 0}, "empty or too large"),
        ({"samples": 0}, "empty or too large"),
        ({"start": -2}, "out of range"),
        ({"start": 2**53 + 1}, "out of range"),
        ({"samples": 3}, "length of a frame"),
        ({"samples": 1}, "length of a frame"),
        ({"kind": 1}, "length of a frame"),
    ],
)
def test_headers_that_are_refused(change: dict[str, Any], words: str) -> None:
    assert read_header(header() + b"\0" * 4).start == 7
    with pytest.raises(SignalError, match=words):
        read_header(header(**change) + b"\0" * 4)


def test_the_limits_of_a_frame() -> None:
    for start, wanted in ((-1, None), (0, 0), (2**53, 2**53)):
        assert read_header(header(start=start) + b"\0" * 4).start == wanted
    for time_s, told in ((NAN, None), (math.inf, None), (0.0, 0.0)):
        assert read_header(header(time_s=time_s) + b"\0" * 4).time_s == told
    assert MAXIMUM_SAMPLES == 1_000_000
    largest = header(leads=4, samples=250_000) + bytes(2_000_000)
    assert read_header(largest).samples == 250_000
    with pytest.raises(SignalError, match="too large"):
        read_header(header(leads=1, samples=1_000_001) + bytes(2_000_002))
    for length in (0, 31):
        with pytest.raises(SignalError, match=f"{length} bytes is shorter than its header"):
            read_header(bytes(length))
    with pytest.raises(SignalError, match="length of a frame"):
        read_header(header(samples=1))  # a header alone


# -------------------------------------------------------------------------------------- the buffer


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_a_ring_of_six_by_hand() -> None:
    buffer = LiveBuffer(1, 6)
    assert buffer.capacity == 6
    assert buffer.push(row(0, 1, 2, 3), 100) is False
    assert (buffer.first, buffer.end) == (100, 104)
    buffer.push(row(4, 5, 6))  # follows the last: 104 to 107, around the end of the ring
    assert buffer.window(107, 6).tolist() == [[1, 2, 3, 4, 5, 6]]
    assert buffer.window(107, 3).tolist() == [[4, 5, 6]]
    assert buffer.window(105, 2).tolist() == [[3, 4]]
    assert buffer.window(107, 99).shape == (1, 6)  # what has left is cut off
    buffer.push(row(9, 9), 109)  # 107 and 108 are a hole
    np.testing.assert_array_equal(buffer.window(111, 6), row(5, 6, NAN, NAN, 9, 9))
    buffer.push(row(6, 7, 8), 106)  # one is repeated, two fill the hole
    np.testing.assert_array_equal(buffer.window(111, 6), row(5, 6, 7, 8, 9, 9))
    buffer.push(row(3, 4, 5), 103)  # two have left the buffer, one is repeated
    assert buffer.counts.to_dict() == {
        "received": 15, "missing": 2, "filled": 2, "repeated": 2, "too_late": 2, "restarts": 0,
    }  # fmt: skip
    with pytest.raises(SignalError, match="sample 112 has not come yet; the stream is at 111"):
        buffer.window(112, 1)


def test_a_frame_longer_than_the_ring_leaves_its_end() -> None:
    buffer = LiveBuffer(1, 3)
    buffer.push(row(0, 1, 2, 3, 4), 10)
    assert (buffer.end, buffer.window(15, 3).tolist()) == (15, [[2, 3, 4]])
    assert buffer.counts.received == 5
    exact = LiveBuffer(1, 3)
    exact.push(row(0, 1, 2), 10)
    assert exact.window(13, 3).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("start", "restarts"),
    # At 104, with six kept and holes of up to four bridged.
    [(104, False), (108, False), (109, True), (96, False), (95, True), (99, False)],
)
def test_what_is_a_new_beginning(start: int, restarts: bool) -> None:
    """A hole longer than four; or a frame of two that ends more than six before the end."""
    buffer = LiveBuffer(1, 6, bridge=4)
    buffer.push(row(0, 1, 2, 3), 100)
    assert buffer.push(row(7, 8), start) is restarts
    assert buffer.counts.restarts == restarts
    assert buffer.first == (start if restarts else 100)
    if restarts:
        assert buffer.window(start + 2, 6).tolist() == [[7, 8]]


def test_a_hole_is_bridged_up_to_the_capacity_by_default() -> None:
    for start, restarts in ((110, False), (111, True)):
        buffer = LiveBuffer(1, 6)
        buffer.push(row(0, 1, 2, 3), 100)
        assert buffer.push(row(7), start) is restarts
    with pytest.raises(SignalError, match="at least one lead and one sample"):
        LiveBuffer(0, 5)
    with pytest.raises(SignalError, match="at least one lead and one sample"):
        LiveBuffer(1, 0)
    assert LiveBuffer(1, 1).capacity == 1
    assert StreamCounts().to_dict() == dict.fromkeys(
        ("received", "missing", "filled", "repeated", "too_late", "restarts"), 0
    )


# --------------------------------------------------------------------------------------- the clock


def test_a_late_frame_is_a_gap_beyond_60_ms() -> None:
    for late, start in ((0.0599, 100), (0.0601, 106), (-0.0599, 100), (-0.0601, 94), (0.5, 150)):
        clock = SampleClock(100.0)
        assert clock.place(20.0, 100) == 0
        assert clock.place(21.0 + late, 100) == start, late
    wide = SampleClock(100.0, tolerance_s=0.6)
    wide.place(20.0, 100)
    assert wide.place(21.5, 100) == 100
    with pytest.raises(SignalError, match="not a number"):
        wide.place(math.nan, 1)


def test_a_fiftieth_of_each_deviation_is_followed() -> None:
    """After one deviation of 50 ms the clock has moved by 1 ms: 60 ms is then 61 ms away."""
    clock = SampleClock(1000.0)
    clock.place(0.0, 1000)
    assert clock.place(1.05, 1000) == 1000
    assert SampleClock.FOLLOW == 0.02
    assert clock.place(2.0605, 1000) == 2000  # 2.0605 - 0.001 - 2: 59.5 ms
    other = SampleClock(1000.0)
    other.place(0.0, 1000)
    other.place(1.05, 1000)
    assert other.place(2.0614, 1000) == 2060  # 60.4 ms: a gap of as many samples


def test_the_drift_is_told_after_ten_seconds() -> None:
    """A device of 100.1 Hz that says 100: 1000 parts in a million."""
    clock = SampleClock(100.0)
    assert clock.drift_ppm is None
    for k in range(10):
        clock.place(5.0 + k * 1000 / 1001, 100)
    assert clock.drift_ppm is None  # 9 s
    clock.place(5.0 + 10 * 1000 / 1001, 100)
    assert clock.drift_ppm is None  # 9.99 s
    clock.place(5.0 + 11 * 1000 / 1001, 100)
    assert clock.drift_ppm == pytest.approx(1000, abs=1e-3)
    exact = SampleClock(100.0)
    for k in range(11):
        exact.place(float(k), 100)
    assert exact.drift_ppm == pytest.approx(0.0, abs=1e-6)


# --------------------------------------------------------------------------------------- the state


def task_with(*thresholds: float | None, kind: str = "multilabel") -> Task:
    """A, B, C with these thresholds."""
    words = Vocabulary("v", tuple(Target(n, "rhythm") for n in "ABC"[: len(thresholds)]))
    return TASKS[kind].answering(words, Readout(thresholds=Thresholds(thresholds, "-", "-")))


def test_how_an_answer_is_steadied_by_default() -> None:
    assert Smoothing() == Smoothing(time_constant_s=4.0, hold_s=3.0, release=0.8, forget_s=10.0)


def test_the_mean_of_the_logits_by_hand() -> None:
    """After one time constant 1 - 1/e = 0.632121 of the step has been taken."""
    state = SteadyState(task_with(None), Smoothing())
    assert state.blend(np.array([1.0]), 0.0).tolist() == [1.0]
    assert state.blend(np.array([2.0]), 4.0)[0] == pytest.approx(1.632121)
    assert state.blend(np.array([2.0]), 5.0)[0] == pytest.approx(1.632121 + 0.221199 * 0.367879)
    state.decide(np.array([0.5]), 5.0)
    assert state.present == [None]


@pytest.mark.parametrize(
    ("gap_s", "mean"), [(10.0, 1.0 + 1 - math.exp(-2.5)), (10.01, 2.0), (0.0, 2.0), (-1.0, 2.0)]
)
def test_after_ten_seconds_the_past_is_forgotten(gap_s: float, mean: float) -> None:
    state = SteadyState(task_with(0.5), Smoothing())
    state.blend(np.array([1.0]), 20.0)
    state.decide(np.array([0.9]), 20.0)
    assert state.blend(np.array([2.0]), 20.0 + gap_s)[0] == pytest.approx(mean)
    assert state.present == ([True] if mean < 2 else [None])


def test_a_window_that_could_not_be_read_is_forgiven_for_ten_seconds() -> None:
    state = SteadyState(task_with(0.5), Smoothing())
    state.blend(np.array([1.0]), 20.0)
    state.decide(np.array([0.9]), 20.0)
    state.miss(30.0)
    assert state.present == [True]
    state.miss(30.01)
    assert state.present == [None]
    assert state.blend(np.array([7.0]), 29.0).tolist() == [7.0]


def test_hysteresis_at_its_edges() -> None:
    """Threshold 0.5, released below 0.4, held for 3 s: at the limit counts as above."""
    state = SteadyState(task_with(0.5), Smoothing())

    def at(time_s: float, value: float) -> bool | None:
        state.decide(np.array([value]), time_s)
        return state.present[0]

    assert at(0, 0.49) is False
    assert at(1, 0.5) is False
    assert at(3.9, 0.5) is False
    assert at(4.0, 0.5) is True  # three seconds after it was first there
    assert at(20, 0.4) is True  # 0.8 x 0.5 is not below
    assert [at(t, 0.39) for t in (21, 23.9)] == [True, True]
    assert at(23.95, 0.45) is True  # the wait begins anew
    assert [at(t, 0.39) for t in (24, 26.9, 27.0)] == [True, True, False]
    # Once released it takes the whole threshold again.
    assert [at(t, 0.45) for t in (28, 32)] == [False, False]
    assert [at(t, 0.6) for t in (33, 36)] == [False, True]


def test_one_class_follows_another_after_the_hold_time() -> None:
    state = SteadyState(task_with(None, None, None, kind="multiclass"), Smoothing())

    def at(time_s: float, *values: float) -> int:
        state.decide(np.array(values), time_s)
        return state.present.index(True)

    assert at(0, 0.6, 0.3, 0.1) == 0  # nothing known before: no wait
    assert state.present == [True, False, False]
    assert [at(t, 0.3, 0.6, 0.1) for t in (1, 2, 3.9)] == [0, 0, 0]
    assert at(4, 0.3, 0.6, 0.1) == 1
    assert [at(t, 0.6, 0.3, 0.1) for t in (5, 7)] == [1, 1]
    assert at(7.5, 0.1, 0.3, 0.6) == 1  # another one leads: the first waits anew
    assert [at(t, 0.6, 0.3, 0.1) for t in (8, 10.9, 11)] == [1, 1, 0]
    assert at(12, 0.3, 0.6, 0.1) == 0
    assert at(13, 0.6, 0.3, 0.1) == 0  # the one that stands leads again
    assert [at(t, 0.3, 0.6, 0.1) for t in (14, 16.9, 17)] == [0, 0, 1]


# -------------------------------------------------------------------------------------- the stream


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return build(tmp_path_factory.mktemp("hand"))


LEADS = ("I", "II", "V1")


@pytest.mark.parametrize(
    ("every_s", "rate", "ends"),
    [
        (1.0, 500.0, [1500, 2000, 2500, 3000]),  # 2.5 s are needed; the first whole second is 3
        (0.5, 500.0, [1250, 1500, 1750, 2000, 2250, 2500, 2750, 3000]),
        (2.0, 500.0, [2000, 3000]),
        (1.25, 500.0, [1250, 1875, 2500]),
        (1.0, 128.5, [386, 514, 642, 771]),  # 385.5 and 642.5 are rounded to the even one
    ],
)
def test_when_answers_are_due(
    tiny: Predictor, every_s: float, rate: float, ends: list[int]
) -> None:
    stream = LiveStream(tiny, LEADS, rate, every_s=every_s)
    signal = np.zeros((3, round(6 * rate)), np.float32)
    due = [d for k in range(0, signal.shape[1], 100) for d in
           stream.push(LiveFrame(signal[:, k : k + 100]))]  # fmt: skip
    assert [d.stop for d in due] == ends
    assert [d.start for d in due] == [0] * len(ends)
    assert [d.time_s for d in due] == [pytest.approx(end / rate) for end in ends]


def test_a_window_is_the_last_ten_seconds(tiny: Predictor) -> None:
    assert LIVE_WINDOW_S == 10.0
    stream = LiveStream(tiny, LEADS, 500.0, every_s=2.0)
    assert stream.window_s == 10.0
    due = stream.push(LiveFrame(np.zeros((3, 7000), np.float32), 1000))
    assert [(d.start, d.stop, d.time_s) for d in due] == [
        (1000, 3000, 4.0), (1000, 4000, 6.0), (1000, 5000, 8.0), (1000, 6000, 10.0),
        (2000, 7000, 12.0), (3000, 8000, 14.0),
    ]  # fmt: skip
    assert due[-1].part.samples == 5000 and due[0].part.samples == 2000


def test_an_answer_waits_for_late_frames(tiny: Predictor) -> None:
    stream = LiveStream(tiny, LEADS, 500.0, delay_s=0.5)
    assert stream.push(LiveFrame(np.zeros((3, 1749), np.float32))) == []
    assert [d.stop for d in stream.push(LiveFrame(np.zeros((3, 1), np.float32)))] == [1500]
    for every_s, delay_s in ((0.0, 0.0), (-1.0, 0.0), (1.0, -0.1), (1.0, 10.1), (NAN, 0.0)):
        with pytest.raises(SignalError, match="cannot be given"):
            LiveStream(tiny, LEADS, 500.0, every_s=every_s, delay_s=delay_s)
    assert LiveStream(tiny, LEADS, 500.0, delay_s=10.0).window_s == 10.0
    with pytest.raises(SamplingRateError):
        LiveStream(tiny, LEADS, 0.0)


def test_answers_are_at_least_a_sample_apart(tiny: Predictor) -> None:
    stream = LiveStream(tiny, LEADS, 100.0, every_s=0.001)
    due = stream.push(LiveFrame(np.zeros((3, 280), np.float32)))
    assert [d.stop for d in due] == list(range(250, 281))


def test_a_measured_value_is_smoothed_and_never_present(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Ten times lead I plus 40: 54 of P and 50 of R; 1 - exp(-10/4) = 0.917915 of the step."""
    folder = make_bundle(
        tmp_path_factory.mktemp("age") / "age",
        np.array([[1.0], [0], [0]]),
        targets=({"name": "age", "kind": "demographic", "unit": "a"},),
        target_kind="regression",
        regression={"scale": [10.0], "offset": [40.0]},
        preprocessing="ecgfounder-ptbxl-eval@1",
        size=SIZE,
    )
    stream = LiveStream(load_model(folder, threads=1), LEADS, 500.0, every_s=10.0)
    first, second = stream.run(LiveFrame(record(wave(P, R)).signal))
    assert first.window.values == first.steady.values == {"age": pytest.approx(54, abs=1e-3)}
    assert second.window.values == {"age": pytest.approx(50, abs=1e-3)}
    assert second.steady.values == {"age": pytest.approx(54 - 4 * 0.917915, abs=1e-3)}
    assert second.steady.present is None and second.changed == ()


def test_frames_with_a_time_are_placed_by_it(tiny: Predictor) -> None:
    stream = LiveStream(tiny, LEADS, 500.0)
    zeros = np.zeros((3, 1000), np.float32)
    stream.push(LiveFrame(zeros, time_s=50.0))
    stream.push(LiveFrame(zeros, time_s=52.2))  # 0.2 s late: 100 samples are missing
    assert (stream.buffer.end, stream.buffer.counts.missing) == (2100, 100)
    stream.push(LiveFrame(zeros, 5000, time_s=54.2))  # a number goes before a time
    assert stream.buffer.end == 6000


@pytest.fixture(scope="module")
def answers(tiny: Predictor) -> list[Any]:
    """P for 10 s, R for 10 s and Q for 10 s, an answer every 5 s."""
    stream = LiveStream(tiny, LEADS, 500.0, every_s=5.0)
    signal = record(wave(P, R, Q)).signal
    return [a for k in range(0, 15_000, 500) for a in stream.run(LiveFrame(signal[:, k : k + 500]))]


def test_each_answer_has_the_logits_of_its_window(answers: list[Any]) -> None:
    """At 10, 20 and 30 s the windows are P, R and Q; calibrated for windows, A is 2.2, -1, 1."""
    assert [a.time_s for a in answers] == [5, 10, 15, 20, 25, 30]
    whole = [answers[k].window for k in (1, 3, 5)]
    assert [(w.start_s, w.duration_s) for w in whole] == [(0, 10), (10, 10), (20, 10)]
    assert [w.probabilities["A"] for w in whole] == [
        pytest.approx(value, abs=5e-5) for value in (0.9002495, 0.2689414, 0.7310586)
    ]
    assert [w.present for w in whole] == [("A", "H"), ("B", "H"), ("A", "H")]
    # At 15 s half is P and half R: I is 1.2, II 0.6 and V1 0.8 in the mean, scaled as they were.
    # A is 1.2 + 1.2 - 0.8 - 1 = 0.6.
    assert answers[2].window.probabilities["A"] == pytest.approx(0.6456563, abs=5e-5)


def test_the_steady_answer_is_the_mean_of_the_logits(answers: list[Any]) -> None:
    """Five seconds apart: 1 - exp(-5/4) = 0.713495 of each step. A, without calibration, is
    1.6 (P of 5 s in 10), 3.2, 1.6, 0, 1.0, 2.0; the mean 1.6, 2.741592, 1.927071, 0.552116,
    0.871681, 1.676731; less 1, through the sigmoid.
    """
    assert [a.steady.probabilities["A"] for a in answers] == [
        pytest.approx(value, abs=5e-5)
        for value in (0.6456563, 0.8508989, 0.7165059, 0.3898640, 0.4679640, 0.6630009)
    ]
    # Threshold 0.6, released below 0.48, held for 3 s: below since 20 s, so it ends at 25 s.
    assert [("A" in a.steady.present) for a in answers] == [True, True, True, True, False, False]
    assert answers[0].changed == ("A", "H")
    assert "A" in answers[4].changed and "A" not in answers[3].changed
    assert all("never alone" not in a.steady.probabilities for a in answers)


def test_the_json_form_of_a_live_answer(answers: list[Any]) -> None:
    document = answers[1].to_dict()
    assert document["time_s"] == 10.0 and document["drift_ppm"] is None
    assert document["samples"] == {
        "received": 5000, "missing": 0, "filled": 0, "repeated": 0, "too_late": 0, "restarts": 0,
    }  # fmt: skip
    assert document["window"]["duration_s"] == 10.0 and document["changed"] == []
    assert answers[0].to_dict()["samples"]["received"] == 2500


# --- frames that state their number, their time, or nothing ---------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # 300 samples at 100 Hz; the second frame begins 4 s after the first: 1 s is missing.
        ({"start": 0, "time_s": 10.0}, {"time_s": 14.0}, 400),
        ({"start": 5000, "time_s": 10.0}, {"time_s": 14.0}, 5400),
        ({"time_s": 10.0}, {"time_s": 14.0}, 400),
        # A first time says nothing of a place: it follows what is there, and is never put over it.
        ({}, {"time_s": 14.0}, 300),
        ({"start": 5000}, {"time_s": 14.0}, 5300),
    ],
)
def test_a_time_is_placed_by_the_frames_before_it(
    first: dict[str, Any], second: dict[str, Any], expected: int
) -> None:
    stream = LiveStream(load_model("rhythm-single-lead-edge", threads=1), ("I",), 100.0)
    for stated in (first, second):
        stream.push(LiveFrame(np.zeros((1, 300), np.float32), **stated))
    assert stream.buffer.end == expected + 300
    assert stream.buffer.counts.repeated == 0


def test_a_stream_keeps_what_comes_with_a_time_after_frames_without_one() -> None:
    stream = LiveStream(load_model("rhythm-single-lead-edge", threads=1), ("I",), 300.0)
    part = np.zeros((1, 900), np.float32)
    stream.push(LiveFrame(part, None, None))
    stream.push(LiveFrame(part, None, 77.0))
    stream.push(LiveFrame(part, None, 81.0))  # a second is missing
    assert stream.buffer.end == 3000
    assert (stream.buffer.counts.missing, stream.buffer.counts.repeated) == (300, 0)
