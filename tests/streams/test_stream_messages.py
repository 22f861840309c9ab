"""Messages of live sources: each form by hand, and what is refused."""

from __future__ import annotations

import io
import queue

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfoundry.errors import EcgFoundryError, SignalError, StreamError
from ecgfoundry.inference.live.frames import encode_frame
from ecgfoundry.streams.description import StreamDescription, StreamOptions
from ecgfoundry.streams.messages import frames_of_messages, is_opening, read_opening
from ecgfoundry.streams.mqtt import Arrival
from ecgfoundry.streams.mqtt import _messages as mqtt_messages
from ecgfoundry.streams.polar import decode_polar_frame
from ecgfoundry.streams.sources import SOURCES, open_source
from ecgfoundry.streams.standard_input import read_messages

TWO = StreamDescription(("I", "II"), 100.0, 0.001)


def test_lines_of_numbers_are_gathered_to_tenths_of_a_second() -> None:
    lines = [f"{k},{-k}" for k in range(12)]
    first, second = frames_of_messages(lines, TWO, "test")
    np.testing.assert_allclose(first.signal[0], np.arange(10) * 0.001)
    np.testing.assert_allclose(first.signal[1], np.arange(10) * -0.001)
    np.testing.assert_allclose(second.signal, [[0.010, 0.011], [-0.010, -0.011]])


@pytest.mark.parametrize("line", ["100;nan", "100\t", "100, NaN", "100 inf"])
def test_a_missing_number_is_missing_whatever_divides_them(line: str) -> None:
    (frame,) = frames_of_messages([line], TWO, "test")
    assert frame.signal[0, 0] == pytest.approx(0.1)
    assert np.isnan(frame.signal[1, 0])


def test_json_and_binary_frames_keep_number_and_time() -> None:
    messages = [
        '{"samples": [[1000, null], [0, 500]], "start": 7, "time_s": 1.5}',
        encode_frame(np.array([[1000], [-32768]], np.int16), start=9),
        b'{"type": "end"}',
        '{"samples": [[1], [1]]}',
    ]
    first, second = frames_of_messages(messages, TWO, "test")
    assert (first.start, first.time_s, second.start, second.time_s) == (7, 1.5, 9, None)
    np.testing.assert_allclose(first.signal, [[1.0, np.nan], [0.0, 0.5]])
    np.testing.assert_allclose(second.signal, [[1.0], [np.nan]])


def test_one_lead_may_send_a_bare_list() -> None:
    one = StreamDescription(("I",), 250.0)
    (frame,) = frames_of_messages(['{"samples": [0.1, 0.2]}'], one, "test")
    np.testing.assert_allclose(frame.signal, [[0.1, 0.2]])


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("1,2,3", "3 numbers came for 2 leads"),
        ("1,zwei", "'zwei' is not a number"),
        ('{"samples": [[1, 2], [3]]}', "all of one length"),
        ('{"samples": "1 2"}', "list of numbers"),
        ('{"samples": [[1]]}', "a frame of 1 leads"),
        ('{"samples": [[1], [2]], "start": 0.5}', "number of a sample"),
        ('{"samples": [[1], [2]], "time_s": true}', "'time_s'"),
        ('{"samples"', "begins like JSON"),
        (b"ECGL" + bytes(10), "shorter than its header"),
        (b"\xff\xfe1", "neither a frame nor text"),
    ],
)
def test_what_is_no_message_is_refused(message: str | bytes, words: str) -> None:
    with pytest.raises(SignalError, match=words):
        list(frames_of_messages([message], TWO, "test"))


@given(st.lists(st.binary(max_size=60) | st.text(max_size=60), max_size=6))
def test_any_bytes_are_read_or_refused_by_a_typed_error(messages: list[bytes | str]) -> None:
    try:
        for frame in frames_of_messages(messages, TWO, "test"):
            assert frame.signal.shape[0] == 2
    except EcgFoundryError:
        pass


def test_the_opening_message_says_what_the_signal_is() -> None:
    messages = iter(
        [
            '{"leads": ["MLII"], "sampling_rate": 360, "unit": "5 uV", "mains": 60}',
            '{"samples": [200]}',
        ]
    )
    description, first = read_opening(messages, StreamOptions(), "test")
    assert description == StreamDescription(("MLII",), 360.0, 0.005, 60)
    assert first == ['{"samples": [200]}']


def test_what_the_user_states_goes_before_what_the_device_says() -> None:
    messages = iter(["ecg_1;ecg_2", "1;2"])
    options = StreamOptions(("V1", "V2"), 500.0, "uV")
    description, first = read_opening(messages, options, "test")
    assert description == StreamDescription(("V1", "V2"), 500.0, 0.001)
    assert first == ["1;2"]


def test_a_signal_that_does_not_say_its_rate_is_refused_with_the_remedy() -> None:
    with pytest.raises(StreamError, match="sampling rate.*--leads I --rate 250"):
        read_opening(iter(["I,II", "1,2"]), StreamOptions(), "test")


OPENING = '{"leads": ["I"], "sampling_rate": 10, "unit": "uV"}'


@pytest.mark.parametrize(
    ("later", "other"),
    [
        ('{"leads": ["I"], "sampling_rate": 10, "unit": "mV"}', "unit"),
        ('{"leads": ["V1"], "sampling_rate": 10, "unit": "uV"}', "leads"),
        ('{"sampling_rate": 20}', "sampling_rate"),
        ('{"samples": [1], "unit": "mV"}', "unit"),
        ('{"samples": [1], "leads": ["II"]}', "leads"),
    ],
)
@pytest.mark.parametrize("stated", [StreamOptions(), StreamOptions(("II",), 10.0, "mV")])
def test_a_signal_that_becomes_another_one_is_not_read_as_the_first(
    later: str, other: str, stated: StreamOptions
) -> None:
    """The device was exchanged, and says so: its microvolts were read as millivolts.

    What the user states goes before what it says, and it says another thing all the same.
    """
    messages = iter([OPENING, '{"samples": [500]}', later, '{"samples": [0.5]}'])
    description, first = read_opening(messages, stated, "bed 4")
    frames = frames_of_messages([*first, *messages], description, "bed 4")
    assert next(frames).signal.shape == (1, 1)
    with pytest.raises(StreamError, match=f"states another {other}"):
        next(frames)


def test_an_opening_message_may_come_again() -> None:
    again = '{"unit": "µV", "sampling_rate": 10.0, "leads": ["I"]}'
    messages = iter([OPENING, '{"samples": [500]}', again, '{"samples": [400], "unit": "uV"}'])
    description, first = read_opening(messages, StreamOptions(), "test")
    frames = list(frames_of_messages([*first, *messages], description, "test"))
    assert [frame.signal.tolist() for frame in frames] == [[[0.5]], [pytest.approx([0.4])]]


def test_samples_may_state_themselves_what_they_are() -> None:
    """The unit in the first message was passed over: 500 microvolts were 500 millivolts."""
    messages = ['{"samples": [500], "unit": "uV", "leads": ["I"], "sampling_rate": 10}']
    description, first = read_opening(iter(messages), StreamOptions(), "test")
    assert description == StreamDescription(("I",), 10.0, 0.001)
    (frame,) = frames_of_messages(first, description, "test")
    assert frame.signal.tolist() == [[0.5]]
    stated = StreamOptions(("I",), 10.0, "mV")
    assert read_opening(iter(messages), stated, "test")[0].millivolts == 1.0, "the user's first"


def test_what_a_topic_keeps_is_an_opening_or_samples() -> None:
    assert is_opening(OPENING.encode()) and is_opening(b' {"unit": "mV"}')
    for kept in (b'{"samples": [1]}', b'{"type": "end"}', b"1\n2", b"I,II", b"{", b"{\xff"):
        assert not is_opening(kept)


@pytest.mark.parametrize(
    "opening", ['{"leads": "I"}', '{"leads": []}', '{"sampling_rate": "250"}', '{"mains": true}']
)
def test_an_opening_message_of_the_wrong_kind_is_refused(opening: str) -> None:
    with pytest.raises(StreamError, match="opening message"):
        read_opening(iter([opening]), StreamOptions(), "test")


def test_standard_input_mixes_an_opening_line_and_binary_frames() -> None:
    frames = [encode_frame(np.full((1, 3), k, np.int16), start=3 * k) for k in range(2)]
    content = b'{"leads": ["I"]}\n' + frames[0] + frames[1] + b"E\n12\nEx,y\n"
    assert list(read_messages(io.BytesIO(content))) == [
        b'{"leads": ["I"]}\n', *frames, b"E", b"12\n", b"Ex,y\n",
    ]  # fmt: skip
    with pytest.raises(SignalError, match="ends within a frame"):
        list(read_messages(io.BytesIO(frames[0][:-1])))


def test_a_notification_of_the_chest_strap_byte_by_byte() -> None:
    # ECG (0), last sample at 2 s in ns, frame type 0, then -1, 256 and -8388608 microvolts.
    content = bytes.fromhex("00" + "0094357700000000" + "00" + "ffffff" + "000100" + "000080")
    frame = decode_polar_frame(content)
    assert frame is not None
    np.testing.assert_allclose(frame.signal, [[-0.001, 0.256, -8388.608]])
    assert frame.time_s == pytest.approx(2.0 - 2 / 130)
    assert decode_polar_frame(b"\x02" + content[1:]) is None  # acceleration
    for damaged in (content[:9], content[:-1], content[:10], content[:9] + b"\x01" + content[10:]):
        with pytest.raises(SignalError):
            decode_polar_frame(damaged)


def test_a_broker_that_sends_too_much_ends_the_signal_instead_of_losing_some() -> None:
    waiting: queue.Queue[Arrival] = queue.Queue()
    waiting.put(Arrival(b"1\n2", 0.0, 1))
    lost: list[str] = []
    messages = mqtt_messages(waiting, lost, 0.1, "mqtt://host/topic")
    assert [next(messages), next(messages)] == [b"1", b"2"]
    lost.append("messages come faster than they can be read")
    with pytest.raises(StreamError, match="faster than they can be read"):
        next(messages)


@pytest.mark.parametrize(
    ("second", "starts"),
    [
        # 3 s at 10 Hz between two arrivals of two samples each: 28 lie between them.
        (b'{"samples": [[3, 4]]}', [None, 30]),
        (b'{"samples": [[3, 4]], "start": 5}', [None, 5]),  # the sender knows better
        (b"3\n4", [None, 31]),  # lines are sent one by one: the first came with the message
    ],
)
def test_a_connection_that_was_gone_leaves_a_hole(second: bytes, starts: list[int | None]) -> None:
    waiting: queue.Queue[Arrival] = queue.Queue()
    waiting.put(Arrival(b'{"samples": [[1, 2]]}', 100.0, 1))
    waiting.put(Arrival(second, 103.0, 2))
    messages = mqtt_messages(waiting, [], 0.1, "mqtt://host/topic")
    frames = list(frames_of_messages(messages, StreamDescription(("I",), 10.0), "x"))
    if len(frames) == 3:  # lines are gathered to tenths of a second, here one sample
        assert [frames[2].start, frames[2].signal.tolist()] == [32, [[4.0]]]
    assert [frame.start for frame in frames[:2]] == starts


def test_every_kind_of_source_is_there_and_an_unknown_one_is_named() -> None:
    assert set(SOURCES) >= {"stdin", "lsl", "mqtt", "mqtts", "ws", "wss", "ble"}
    assert all(callable(opener) for opener in SOURCES.values())
    with pytest.raises(StreamError, match=r"no kind of live source 'mqt'\. Did you mean 'mqtt'"):
        open_source("mqt://host/topic")
    with pytest.raises(StreamError, match="this is no address"):
        open_source("chest")
