"""The live stream: gaps, jitter, drift, repeats; and the same windows as from a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.errors import LeadError, SignalError
from ecgfoundry.formats.files import read
from ecgfoundry.inference.live.buffer import LiveBuffer, SampleClock
from ecgfoundry.inference.live.frames import LiveFrame, decode_frame, encode_frame
from ecgfoundry.inference.live.state import Smoothing, SteadyState
from ecgfoundry.inference.live.stream import LiveAnswer, LiveStream, answer_due, prepare_due
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.windows import InputLeads, prepare_window
from ecgfoundry.recording import Recording
from ecgfoundry.samples import sample_path
from ecgfoundry.tasks import Readout, Task, Thresholds, make_task
from ecgfoundry.vocabularies import Target, Vocabulary

NAN = np.nan


@pytest.fixture(scope="module")
def rhythm() -> Predictor:
    return load_model("rhythm-single-lead", threads=1)


@pytest.fixture(scope="module")
def single_lead() -> Recording:
    return read(sample_path("single-lead"))


def frames(recording: Recording, size: int, **fields: bool) -> list[LiveFrame]:
    return [
        LiveFrame(recording.signal[:, k : k + size], k if fields.get("numbered", True) else None)
        for k in range(0, recording.samples, size)
    ]


def play(stream: LiveStream, sent: list[LiveFrame]) -> list[LiveAnswer]:
    return [answer for frame in sent for answer in stream.run(frame)]


# ------------------------------------------------------------------------------------- the frames


@given(
    leads=st.integers(1, 12),
    samples=st.integers(1, 50),
    start=st.none() | st.integers(0, 2**53),
    time_s=st.none() | st.floats(0, 1e9),
    integers=st.booleans(),
    seed=st.integers(0, 99),
)
def test_frames_come_back_as_they_were_sent(
    leads: int, samples: int, start: int | None, time_s: float | None, integers: bool, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    sent = generator.normal(0, 1, (leads, samples)).astype(np.float32)
    sent[0, 0] = NAN
    unit = 0.005 if integers else 1.0
    if integers:
        stored = np.where(np.isnan(sent), -32768, np.round(sent / unit)).astype(np.int16)
        content = encode_frame(stored, start=start, time_s=time_s)
    else:
        content = encode_frame(sent, start=start, time_s=time_s)
    assert len(content) == 32 + leads * samples * (2 if integers else 4)
    frame = decode_frame(content, millivolts=unit)
    assert (frame.start, frame.time_s) == (start, time_s)
    np.testing.assert_allclose(frame.signal, sent, atol=0.5001 * unit if integers else 0)


@settings(max_examples=200)
@given(st.binary(max_size=80), st.integers(0, 79), st.integers(0, 255))
def test_a_damaged_frame_is_refused_by_a_typed_error(
    noise: bytes, position: int, value: int
) -> None:
    content = bytearray(encode_frame(np.zeros((2, 10), np.float32), start=5))
    content[position % len(content)] = value
    for candidate in (noise, bytes(content), bytes(content[: position % len(content)])):
        try:
            frame = decode_frame(candidate, millivolts=1.0)
        except SignalError:
            continue
        assert frame.signal.size <= 1_000_000


# ------------------------------------------------------------------------------------- the buffer


@given(st.data())
def test_the_buffer_holds_what_came_first_for_every_sample(data: st.DataObject) -> None:
    """Against a dictionary of samples, with frames in any order, repeated and lost."""
    capacity = 30
    buffer = LiveBuffer(1, capacity)
    known: dict[int, float] = {}
    end = first = None
    for _ in range(data.draw(st.integers(1, 25))):
        begin = data.draw(st.integers(max((end or 0) - 40, 0), (end or 0) + 12))
        values = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=20))
        if end is None or begin + len(values) < end - capacity:
            known, end, first = {}, begin, begin
        stop = begin + len(values)
        end = max(end, stop)
        for k, value in enumerate(values):
            if begin + k >= max(end - capacity, first):
                known.setdefault(begin + k, float(value))
        buffer.push(np.array([values], np.float32), begin)
        oldest = max(end - capacity, first)
        wanted = [known.get(k, NAN) for k in range(oldest, end)]
        np.testing.assert_array_equal(buffer.window(end, capacity)[0], wanted)
    assert buffer.end == end


def test_the_buffer_counts_what_happened() -> None:
    buffer = LiveBuffer(1, 100, bridge=50)
    ten = np.ones((1, 10), np.float32)
    assert not buffer.push(ten, 1000)
    buffer.push(ten, 1020)  # ten are missing
    buffer.push(ten, 1020)  # repeated
    buffer.push(ten, 1010)  # the missing ones come late
    assert buffer.counts.missing == 10
    assert buffer.counts.repeated == 10
    assert buffer.counts.filled == 10
    assert not np.isnan(buffer.window(1030, 30)).any()
    buffer.push(ten, 990)  # before the stream began
    assert buffer.counts.too_late == 10
    assert buffer.push(ten, 1081)  # more than 50 ahead
    assert buffer.counts.restarts == 1
    assert buffer.push(ten, 0)
    assert buffer.first == 0
    with pytest.raises(SignalError, match="2 leads|of 1 leads"):
        buffer.push(np.ones((2, 10), np.float32))
    with pytest.raises(SignalError, match="has not come"):
        buffer.window(11, 5)


@pytest.mark.parametrize("drift", [-3e-4, 0.0, 3e-4])
def test_a_device_that_is_fast_or_slow_loses_and_gains_no_sample(drift: float) -> None:
    """An hour at 130 Hz in packets of 73 with 20 ms of jitter: never a gap, the drift is told."""
    generator = np.random.default_rng(1)
    clock = SampleClock(130.0)
    wanted = 0
    for _ in range(6400):
        true = wanted / (130.0 * (1 + drift))
        assert clock.place(5000 + true + generator.normal(0, 0.007), 73) == wanted
        wanted += 73
    assert clock.drift_ppm == pytest.approx(drift * 1e6, abs=15)


def test_a_lost_packet_is_a_gap_of_its_own_length() -> None:
    clock = SampleClock(130.0)
    starts = [clock.place(k * 73 / 130, 73) for k in range(50) if k not in (20, 21, 40)]
    assert starts == [k * 73 for k in range(50) if k not in (20, 21, 40)]


# ------------------------------------------------------------------------------------- the stream


@pytest.mark.parametrize("size", [1, 37, 300, 5000])
def test_every_second_has_the_window_of_the_file(
    rhythm: Predictor, single_lead: Recording, size: int
) -> None:
    """Bit for bit, whatever the size of the frames."""
    if size == 1:
        single_lead = single_lead.slice_samples(0, 1500)
    stream = LiveStream(rhythm, single_lead.leads, single_lead.sampling_rate)
    due = [d for frame in frames(single_lead, size) for d in stream.push(frame)]
    prepared = prepare_due([(stream, d) for d in due])
    rate = round(single_lead.sampling_rate)
    assert [d.stop for d in due] == list(range(3 * rate, single_lead.samples + 1, rate))
    spec = rhythm.bundle.input
    leads = InputLeads.choose(spec, single_lead.leads)
    source = single_lead
    for d, made in zip(due, prepared, strict=True):
        part = source.part(max(d.stop - 10 * rate, 0), d.stop)
        wanted = prepare_window(part, spec, leads)
        assert made.standardized is not None and wanted.standardized is not None
        assert made.standardized.tobytes() == wanted.standardized.tobytes()
        second = d.stop // rate
        if second in (3, 5, 8) or (second >= 8 and second % 5 == 3):  # asked whether it is an ECG
            asked = wanted.quality
        (lead,) = single_lead.leads
        figures = replace(
            wanted.quality.leads[lead], snr_db=asked.leads[lead].snr_db, acceptable=None
        )
        assert made.quality == replace(wanted.quality, leads={lead: figures}, acceptable=None)


def test_a_lead_that_falls_off_is_asked_about_once() -> None:
    """The other leads are asked anew as V1 is gone, and then in their turn again."""
    model = load_model("ptbxl-superclass-12lead", threads=1)
    twelve = read(sample_path("12-lead"))
    rate = round(twelve.sampling_rate)
    signal = np.tile(twelve.signal, 3)
    signal[twelve.leads.index("V1"), 12 * rate :] = NAN  # over 30 % of a window from 16 s on
    stream = LiveStream(model, twelve.leads, rate)
    due = [d for second in range(30) for d in stream.push(
        LiveFrame(signal[:, second * rate : (second + 1) * rate], second * rate)
    )]  # fmt: skip
    prepared = prepare_due([(stream, d) for d in due])
    assert all(made.refusal is None for made in prepared)
    noise = [made.quality.leads["II"].snr_db for made in prepared]
    changed = [d.stop // rate for d, a, b in zip(due[1:], noise, noise[1:], strict=False) if a != b]
    assert changed == [5, 8, 13, 16, 21, 26]


def test_a_stream_that_is_no_ecg_any_more_is_refused_within_five_seconds(
    rhythm: Predictor, single_lead: Recording
) -> None:
    """30 s of ECG, 30 s of white noise, 30 s of ECG; beside it every window asked by itself."""
    rate = round(single_lead.sampling_rate)
    noise = 0.3 * np.random.default_rng(3).normal(size=(1, single_lead.samples))
    signal = np.concatenate([single_lead.signal, noise, single_lead.signal], axis=1)
    whole = replace(single_lead, signal=signal.astype(np.float32))
    stream = LiveStream(rhythm, whole.leads, rate)
    answers = play(stream, frames(whole, rate))
    spec, leads = rhythm.bundle.input, stream.input_leads
    alone, live = (
        {
            answer.time_s: (
                prepare_window(
                    whole.slice_samples(max(0, round((answer.time_s - 10) * rate)),
                                        round(answer.time_s * rate)), spec, leads
                ).refusal
                if by_itself
                else answer.window.refused
            )
            is not None
            for answer in answers
        }
        for by_itself in (True, False)
    )  # fmt: skip
    foreign = [time for time, no in alone.items() if no]
    refused = [time for time, no in live.items() if no]
    assert foreign[0] <= refused[0] <= foreign[0] + 4.0
    # Refused windows are asked each: the end is seen at once, and nothing else was refused.
    assert refused == [time for time in foreign if time >= refused[0]]
    assert 30 < foreign[0] < 40 and 60 < foreign[-1] < 70


def test_windows_of_many_streams_are_prepared_as_if_alone(random_generator: Any) -> None:
    """Other leads, rates, gaps, flat leads and refusals beside a window change nothing in it."""
    model = load_model("ptbxl-superclass-12lead", threads=1)
    recording = read(sample_path("12-lead"))
    whole = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    due = []
    for number, (leads, rate) in enumerate(
        [(whole, 500.0), (("I", "II"), 500.0), (whole, 500.0), (whole, 250.0), (whole, 500.0)]
    ):
        part = recording.select(leads).resample(rate)
        signal = part.signal[:, : round(6 * rate)].copy()
        signal += random_generator.normal(0, 0.02, signal.shape).astype(np.float32)
        if number == 2:
            signal[3] = 0.0
            signal[7, 300:420] = np.nan
        if number == 4:
            signal[:] = np.nan
        stream = LiveStream(model, leads, rate)
        due += [(stream, d) for d in stream.push(LiveFrame(signal, 0))]
    # The streams mixed, each in its order.
    order = sorted(random_generator.permutation(len(due)), key=lambda k: due[k][1].time_s)
    together = prepare_due([due[k] for k in order])
    assert sum(made.refusal is not None for made in together) == 4
    for k, made in zip(order, together, strict=True):
        stream, window = due[k]
        again = LiveStream(model, stream.leads, stream.sampling_rate)
        before = [(again, d) for s, d in due if s is stream and d.stop <= window.stop]
        alone = prepare_due(before)[-1]
        assert (made.start, made.stop, made.refusal) == (alone.start, alone.stop, alone.refusal)
        assert made.quality == alone.quality
        if alone.standardized is None:
            assert made.standardized is None
        else:
            assert made.standardized.tobytes() == alone.standardized.tobytes()


@pytest.mark.parametrize("name", ["rhythm-single-lead-edge", "ptbxl-superclass-12lead"])
def test_streams_that_are_answered_together_say_what_they_say_alone(
    name: str, single_lead: Recording, random_generator: Any
) -> None:
    """Also with several windows of one stream at once, some refused, and a new beginning."""
    model = load_model(name, threads=1)
    signals = [np.roll(single_lead.signal, 777 * k, axis=1).copy() for k in range(3)]
    signals[1][:, 4000:8000] = 0.0  # ten seconds and more are flat: the past is forgotten
    rate = single_lead.sampling_rate
    sent = [
        [LiveFrame(signal[:, a:b], a + jump) for a, b, jump in cuts]
        for signal, cuts in zip(
            signals,
            (
                [(0, 2900, 0), (2900, 9000, 0)],
                [(0, 9000, 0)],
                [(0, 4000, 0), (4000, 9000, 20_000)],
            ),
            strict=True,
        )
    ]
    together = [LiveStream(model, ["I"], rate) for _ in sent]
    alone = [LiveStream(model, ["I"], rate) for _ in sent]
    windows: list[tuple[int, Any]] = []
    for number, (stream, parts) in enumerate(zip(together, sent, strict=True)):
        windows += [(number, d) for part in parts[:1] for d in stream.push(part)]
    made = prepare_due([(together[number], d) for number, d in windows])
    # The streams mixed, each in its order.
    order = sorted(random_generator.permutation(len(windows)), key=lambda k: windows[k][1].stop)
    logits: list[Any] = [None] * len(made)
    for number in range(3):  # in the batches of the streams alone: rounding is theirs
        own = [
            k for k, one in enumerate(made)
            if windows[k][0] == number and one.standardized is not None
        ]  # fmt: skip
        for k, z in zip(
            own, model.logits(np.stack([made[k].standardized for k in own])), strict=True
        ):
            logits[k] = z
    answers = answer_due([(together[windows[k][0]], windows[k][1], made[k], logits[k])
                          for k in order])  # fmt: skip
    refused = 0
    for number, (stream, parts) in enumerate(zip(alone, sent, strict=True)):
        wanted = stream.run(parts[0])
        found = [a for k, a in zip(order, answers, strict=True) if windows[k][0] == number]
        assert [a.to_dict() for a in found] == [a.to_dict() for a in wanted]
        refused += sum(a.window.refused is not None for a in wanted)
        for part in parts[1:]:  # and their states are the same afterwards
            assert [a.to_dict() for a in together[number].run(part)] == [
                a.to_dict() for a in stream.run(part)
            ]
    assert refused > 0


def windows_of(stream: LiveStream, sent: list[LiveFrame]) -> list[Any]:
    """Standardized windows that come out of a stream, in order."""
    due = [(stream, d) for frame in sent for d in stream.push(frame)]
    return [made.standardized for made in prepare_due(due)]


def test_the_logits_of_many_windows_are_those_of_one(
    rhythm: Predictor, single_lead: Recording
) -> None:
    stream = LiveStream(rhythm, single_lead.leads, single_lead.sampling_rate)
    prepared = windows_of(stream, frames(single_lead, 300))[:6]
    together = rhythm.logits(np.stack(prepared))
    for window, logits in zip(prepared, together, strict=True):
        alone = rhythm.logits(window[None])[0]
        np.testing.assert_allclose(logits, alone, atol=1e-5)


def test_order_and_repeats_do_not_matter_within_the_delay(
    rhythm: Predictor, single_lead: Recording
) -> None:
    sent = frames(single_lead, 75)
    shuffled = [sent[i] for k in range(0, len(sent) - 1, 2) for i in (k + 1, k, k)]
    steady = LiveStream(rhythm, single_lead.leads, 300.0, delay_s=0.5)
    jittery = LiveStream(rhythm, single_lead.leads, 300.0, delay_s=0.5)
    first = [d for frame in [sent[1], *sent[:1]] for d in jittery.push(frame)]
    assert first == []
    one = [window.tobytes() for window in windows_of(steady, sent)]
    jittery = LiveStream(rhythm, single_lead.leads, 300.0, delay_s=0.5)
    jittery.push(sent[0])
    two = [window.tobytes() for window in windows_of(jittery, shuffled)]
    assert two == one[: len(two)] and len(two) >= len(one) - 1
    assert jittery.buffer.counts.missing == jittery.buffer.counts.filled > 0


def test_a_gap_is_missing_samples_and_a_long_one_a_new_beginning(
    rhythm: Predictor, single_lead: Recording
) -> None:
    sent = frames(single_lead, 300)
    stream = LiveStream(rhythm, single_lead.leads, 300.0)
    answers = play(stream, sent[:12] + sent[14:20])
    assert [round(a.time_s) for a in answers] == list(range(3, 21))
    assert answers[-1].counts.missing == 600
    assert any(w.code.startswith("gap") or "missing" in w.code for w in answers[-1].warnings)
    later = LiveFrame(sent[20].signal, sent[20].start + 300 * 60)
    assert stream.push(later) == []
    assert stream.buffer.counts.restarts == 1


def test_a_stream_of_nothing_is_refused_every_second(rhythm: Predictor) -> None:
    stream = LiveStream(rhythm, ["I"], 250.0)
    answers = play(stream, [LiveFrame(np.zeros((1, 250), np.float32)) for _ in range(6)])
    assert len(answers) == 4
    assert all(a.window.refused is not None and a.steady.present is None for a in answers)


def test_the_answer_is_steady(rhythm: Predictor, single_lead: Recording) -> None:
    """The sample is atrial fibrillation: once it stands it stays, and it is said once."""
    stream = LiveStream(rhythm, single_lead.leads, 300.0)
    answers = play(stream, frames(single_lead, 300))
    present = [a.steady.present for a in answers]
    assert present[-1] == ("atrial fibrillation",)
    assert sum(bool(a.changed) for a in answers) <= 3
    document = answers[-1].to_dict()
    assert set(document["steady"]["probabilities"]) == set(document["window"]["probabilities"])


def test_a_stream_without_usable_leads_is_refused_at_once(rhythm: Predictor) -> None:
    model = load_model("ptbxl-superclass-12lead", threads=1)
    with pytest.raises(LeadError):
        LiveStream(model, ["CM5"], 250.0)
    with pytest.raises(SignalError):
        LiveStream(rhythm, ["I"], 250.0, every_s=0)
    assert LiveStream(model, ["I", "II"], 62.5).window_s == 10.0


# ---------------------------------------------------------------------------------- the hysteresis


def _task() -> Task:
    """Two targets, one threshold."""
    words = Vocabulary("v", (Target("A", "rhythm"), Target("B", "rhythm")))
    fitted = Readout(thresholds=Thresholds((0.5, None), "-", "-"))
    return make_task("multilabel", columns=("A", "B"), vocabulary=words, readout=fitted)


def test_presence_begins_and_ends_with_hysteresis() -> None:
    state = SteadyState(_task(), Smoothing(time_constant_s=1e-3, hold_s=3, release=0.8))

    def at(time_s: float, probability: float) -> bool | None:
        odds = np.log(probability / (1 - probability))
        mean = state.blend(np.array([odds, 0.0]), time_s)
        state.decide(1 / (1 + np.exp(-mean)), time_s)
        assert state.present[1] is None
        return state.present[0]

    assert at(0, 0.4) is False
    assert [at(t, 0.6) for t in (1, 2, 3)] == [False, False, False]
    assert at(4, 0.6) is True  # three seconds after it was first above
    assert [at(t, 0.45) for t in range(5, 15)] == [True] * 10  # above 0.8 x 0.5
    assert [at(t, 0.3) for t in (15, 16)] == [True, True]
    assert at(17, 0.6) is True  # came back: the wait begins anew
    assert [at(t, 0.3) for t in (18, 19, 20, 21)] == [True, True, True, False]
    state.miss(25.0)
    assert state.present[0] is False
    state.miss(40.0)
    assert state.present[0] is None
    assert at(41, 0.9) is True  # nothing known before: no wait


def test_the_mean_is_exponential_in_time() -> None:
    state = SteadyState(_task(), Smoothing(time_constant_s=4.0))
    state.blend(np.array([1.0, 0.0]), 0.0)
    mean = state.blend(np.array([3.0, 0.0]), 2.0)
    assert mean[0] == pytest.approx(3.0 - 2.0 * np.exp(-0.5))
