"""Live sources by their real peers: mosquitto, liblsl, a WebSocket server, a pipe."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.ports import free_port, unanswered_port
from tests.service.waiting import until

from ecgfoundry.cli.main import main
from ecgfoundry.errors import LeadError, StreamError
from ecgfoundry.formats.files import read
from ecgfoundry.inference.live.frames import LiveFrame, encode_frame
from ecgfoundry.inference.live.stream import LiveStream
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.recording import Recording
from ecgfoundry.samples import sample_path
from ecgfoundry.streams.description import StreamOptions
from ecgfoundry.streams.follow import answers_to
from ecgfoundry.streams.sources import open_source

SECONDS = 12
PATIENT = StreamOptions(wait_s=300.0)
"""Only what never comes takes so long, however busy the machine is."""


@pytest.fixture(scope="module")
def recording() -> Recording:
    whole = read(sample_path("single-lead"))
    return Recording(
        whole.signal[:, : round(SECONDS * whole.sampling_rate)], whole.sampling_rate, ("I",)
    )


def opening(recording: Recording) -> str:
    rate = recording.sampling_rate
    return json.dumps({"leads": ["I"], "sampling_rate": rate, "unit": "mV"})


def pieces(recording: Recording, size: int = 60) -> list[tuple[int, np.ndarray]]:
    return [
        (k, recording.signal[:, k : k + size]) for k in range(0, recording.signal.shape[1], size)
    ]


def run_stream(*arguments: str, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "ecgfoundry", "stream", "follow", *arguments]
    return subprocess.run(command, input=content, capture_output=True, timeout=300)


def test_a_pipe_gets_the_answers_of_the_file_itself(recording: Recording) -> None:
    content = opening(recording).encode() + b"\n"
    content += b"".join(encode_frame(piece, start=start) for start, piece in pieces(recording))
    done = run_stream("-", "--model", "rhythm-single-lead-edge", "--json", content=content)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    # By the stream itself: the same frames, one second after the other from the third on.
    stream = LiveStream(load_model("rhythm-single-lead-edge"), ("I",), recording.sampling_rate)
    expected = [
        answer.to_dict()
        for start, piece in pieces(recording)
        for answer in stream.run(LiveFrame(piece, start))
    ]
    assert len(told) == len(expected) == SECONDS - 2
    assert [one["time_s"] for one in told] == [one["time_s"] for one in expected]
    assert [one["steady"]["present"] for one in told] == [
        one["steady"]["present"] for one in expected
    ]
    assert told[-1]["steady"]["present"] == ["atrial fibrillation"]


def test_lines_of_text_need_the_rate_and_say_so(
    recording: Recording, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "\n".join(f"{value:.4f}" for value in recording.signal[0]).encode()

    def follow(*options: str) -> int:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
        with pytest.raises(SystemExit) as ended:
            main(["stream", "follow", "-", *options])
        return int(ended.value.code or 0)

    assert follow() == 1
    assert "--leads I --rate 250" in capsys.readouterr().err
    rate = f"{recording.sampling_rate:g}"
    assert follow("--leads", "I", "--rate", rate, "--model", "rhythm-single-lead-edge") == 0
    said = capsys.readouterr().out
    assert "atrial fibrillation" in said and "10 answers" in said


def test_a_websocket_that_sends(recording: Recording) -> None:
    websockets = pytest.importorskip("websockets.sync.server")

    def send(connection: Any) -> None:
        connection.send(opening(recording))
        for start, piece in pieces(recording):
            connection.send(json.dumps({"samples": piece.tolist(), "start": start}))
        connection.send('{"type": "end"}')

    with websockets.serve(send, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ecg"
        with open_source(address) as source:
            signal = np.concatenate([frame.signal for frame in source.frames], axis=1)
        server.shutdown()
    np.testing.assert_allclose(signal, recording.signal, atol=1e-6)
    with pytest.raises(StreamError, match="nobody answers there"), open_source(address):
        pass


# ------------------------------------------------------------------------------------------- MQTT

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """A broker that lets in one user with a password, on a free port."""
    pytest.importorskip("paho.mqtt.client")
    if MOSQUITTO is None or shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto is not installed (Debian: mosquitto)")
    port = free_port()
    secrets = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(secrets), "ward", "open sesame"],
        check=True, capture_output=True,
    )  # fmt: skip
    if os.getuid() == 0:
        tmp_path.chmod(0o755)
        secrets.chmod(0o644)
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {secrets}\n"
        "user root\n" if os.getuid() == 0 else
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {secrets}\n"
    )  # fmt: skip
    process = start_broker(port, configuration)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def start_broker(port: int, configuration: Path) -> subprocess.Popen[bytes]:
    assert MOSQUITTO is not None
    with configuration.open("a") as settings:
        settings.write("log_dest stderr\nlog_type subscribe\n")
    with configuration.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            [MOSQUITTO, "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=log
        )
    until(lambda: _listens(port), "a broker that listens")
    return process


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def subscriptions(configuration: Path) -> int:
    """How often somebody has subscribed to a topic of a bed, by the words of the broker."""
    words = configuration.with_suffix(".log").read_text()
    return sum(" bed" in line for line in words.splitlines())


def publish(port: int, recording: Recording, configuration: Path) -> None:
    import paho.mqtt.client as paho

    until(lambda: subscriptions(configuration) == 1, "a follower")
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.username_pw_set("ward", "open sesame")
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish("bed/4/ecg", opening(recording), qos=1, retain=True).wait_for_publish(300)
    for start, piece in pieces(recording):
        client.publish("bed/4/ecg", encode_frame(piece, start=start), qos=1).wait_for_publish(300)
    client.publish("bed/4/ecg", '{"type": "end"}', qos=1).wait_for_publish(300)
    client.disconnect()
    client.loop_stop()


def test_mqtt_answers_and_publishes_them(broker: int, recording: Recording, tmp_path: Path) -> None:
    address = f"mqtt://ward@127.0.0.1:{broker}/bed/4/ecg"
    options = StreamOptions(password="open sesame", silence_s=300.0, wait_s=300.0)
    given = (broker, recording, tmp_path / "mosquitto.conf")
    sender = threading.Thread(target=publish, args=given)
    sender.start()
    with open_source(address, options) as source:
        assert source.description.leads == ("I",)
        answers = list(answers_to(source, load_model("rhythm-single-lead-edge")))
    sender.join()
    assert len(answers) == SECONDS - 2
    assert answers[-1].steady.present == ("atrial fibrillation",)
    assert answers[-1].counts.missing == 0


def test_samples_that_a_topic_keeps_are_not_of_now(broker: int, tmp_path: Path) -> None:
    """A broker hands out the last retained message first, of the patient of yesterday perhaps."""
    import paho.mqtt.client as paho

    def send(text: str, **how: bool) -> None:
        client.publish("bed/4/ecg", text, qos=1, **how).wait_for_publish(300)

    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.username_pw_set("ward", "open sesame")
    client.connect("127.0.0.1", broker)
    client.loop_start()
    send('{"samples": [[5, 5]], "leads": ["I"], "sampling_rate": 10}', retain=True)
    follower = threading.Thread(
        target=lambda: (
            until(lambda: subscriptions(tmp_path / "mosquitto.conf") == 1, "a follower"),
            send('{"samples": [[1, 2, 3]]}'),
            send('{"type": "end"}'),
        )
    )
    follower.start()
    options = StreamOptions(password="open sesame", silence_s=300.0, wait_s=300.0)
    with open_source(f"mqtt://ward@127.0.0.1:{broker}/bed/4/ecg", options) as source:
        assert (source.description.leads, source.description.sampling_rate) == (("I",), 10.0)
        assert [frame.signal.tolist() for frame in source.frames] == [[[1.0, 2.0, 3.0]]]
    follower.join()
    client.disconnect()
    client.loop_stop()


def test_mqtt_says_what_is_wrong(broker: int) -> None:
    with (
        pytest.raises(StreamError, match=r"the broker refuses: Not authorized.*--password-file"),
        open_source(f"mqtt://127.0.0.1:{broker}/bed/4/ecg", PATIENT),
    ):
        pass
    with unanswered_port() as port, pytest.raises(StreamError, match="no broker answers"):
        open_source(f"mqtt://127.0.0.1:{port}/bed").__enter__()
    for address, words in (
        ("mqtt://host/bed/+/ecg", "would mix several signals"),
        ("mqtt://host", "no broker or no topic"),
        ("mqtt://host:x/t", "no broker or no topic"),
        ("mqtt://ward:secret@host/t", "can be seen"),
    ):
        with pytest.raises(StreamError, match=words) as caught:
            open_source(address).__enter__()
        assert "secret" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("numbered", [False, True])
def test_a_broker_that_goes_and_comes_back_leaves_a_stated_hole(
    tmp_path: Path, recording: Recording, numbered: bool
) -> None:
    """The broker dies while a device sends; the device sends on, to nobody, as radio does."""
    paho = pytest.importorskip("paho.mqtt.client")
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed (Debian: mosquitto)")
    port, configuration = free_port(), tmp_path / "open.conf"
    as_root = "user root\n" if os.getuid() == 0 else ""
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{as_root}")
    rate, parts, gone = recording.sampling_rate, pieces(recording), threading.Event()
    running = [start_broker(port, configuration)]

    def message(start: int, piece: np.ndarray) -> str:
        number = {"start": start} if numbered else {}
        return json.dumps({"samples": piece.tolist(), **number})

    def send(messages: list[str]) -> None:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", port)
        client.loop_start()
        for text in messages:
            sent_at = time.monotonic()
            client.publish("bed", text, qos=1).wait_for_publish(300)
        last_sent.append(sent_at)
        client.disconnect()
        client.loop_stop()

    texts, half = [message(start, piece) for start, piece in parts], len(parts) // 2

    def device() -> None:
        until(lambda: subscriptions(configuration) == 1, "a follower")
        send(texts[:half])
        # What the broker has taken and not yet passed on would go with it.
        samples = sum(piece.shape[1] for _, piece in parts[:half])
        until(lambda: arrived() == samples, "the half")
        all_here = time.monotonic()
        running[-1].kill()
        running[-1].wait()
        running.append(start_broker(port, configuration))
        until(lambda: subscriptions(configuration) == 2, "the follower again")
        shortest_s.append(time.monotonic() - all_here)
        send(texts[half : half + 1])
        until(lambda: arrived() > samples, "what comes after it")
        longest_s.append(time.monotonic() - last_sent[0])
        send([*texts[half + 1 :], '{"type": "end"}'])
        gone.set()

    def arrived() -> int:
        return sum(frame.signal.shape[1] for frame in frames)

    frames: list[LiveFrame] = []
    last_sent: list[float] = []
    shortest_s: list[float] = []
    longest_s: list[float] = []
    sender = threading.Thread(target=device)
    sender.start()
    options = StreamOptions(("I",), rate, "mV", silence_s=600.0, wait_s=300.0)
    try:
        # Leads and rate are stated here, so that nothing has to be read before it is open.
        with open_source(f"mqtt://127.0.0.1:{port}/bed", options) as source:
            for frame in source.frames:
                frames.append(frame)
        sender.join()
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert gone.is_set()
    stream = LiveStream(load_model("rhythm-single-lead-edge"), ("I",), rate)
    answers = [answer for frame in frames for answer in stream.run(frame)]
    assert arrived() == recording.signal.shape[1]
    missing = answers[-1].counts.missing
    if numbered:
        assert missing == 0  # by its numbers nothing is missing, and they are believed
    else:
        # From the last message before to the first after it, without what that one brings.
        brought = parts[half][1].shape[1] + 1
        assert shortest_s[0] - brought / rate <= missing / rate <= longest_s[0]


# -------------------------------------------------------------------------------------------- LSL


def outlet(
    name: str, labels: list[str], units: str | list[str] | None, rate: float, source_id: str
) -> Any:
    pylsl = pytest.importorskip("pylsl")
    info = pylsl.StreamInfo(name, "ECG", len(labels), rate, "float32", source_id)
    info.set_channel_labels(labels)
    if units is not None:
        info.set_channel_units(units)
    return pylsl.StreamOutlet(info)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else sends: what asks for a second stream need not wait two seconds for one."""
    monkeypatch.setattr("ecgfoundry.streams.lsl._OTHERS_S", 0.2)


@pytest.mark.usefixtures("alone")
def test_lsl_places_samples_by_their_stamps(recording: Recording) -> None:
    pylsl = pytest.importorskip("pylsl")
    name = f"chest-{os.getpid()}"
    rate = recording.sampling_rate
    device = outlet(name, ["ACC_X", "I"], "microvolts", rate, name)
    lost = slice(round(4 * rate), round(4.5 * rate))  # half a second that the radio lost

    def send() -> None:
        assert device.wait_for_consumers(300.0)
        begin = pylsl.local_clock()
        for start, piece in pieces(recording):
            if lost.start <= start < lost.stop:
                continue
            samples = np.stack([np.zeros(piece.shape[1]), piece[0] * 1000], axis=1)
            last = begin + (start + piece.shape[1] - 1) / rate
            device.push_chunk(samples.tolist(), last)

    sender = threading.Thread(target=send)
    sender.start()
    options = StreamOptions(silence_s=300.0, wait_s=300.0)
    with open_source(f"lsl://{name}", options) as source:
        assert source.description.leads == ("I",)  # and not the accelerometer
        assert source.description.millivolts == 0.001
        answers = []
        for answer in answers_to(source, load_model("rhythm-single-lead-edge")):
            answers.append(answer)
            if answer.time_s >= SECONDS:  # an LSL stream says no end
                break
    sender.join()
    missing = sum(len(p[0]) for k, p in pieces(recording) if lost.start <= k < lost.stop)
    assert answers[-1].counts.missing == pytest.approx(missing, abs=2)
    assert answers[-1].time_s == SECONDS


def test_lsl_never_chooses_between_two_people(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"twice-{os.getpid()}"
    both = [outlet(name, ["I"], "mV", 250.0, f"{name}-{k}") for k in range(2)]
    # Both are there: however late the second answers, it is waited for.
    with monkeypatch.context() as patient:
        patient.setattr("ecgfoundry.streams.lsl._OTHERS_S", 300.0)
        with pytest.raises(StreamError, match="2 streams fit.*source_id"):
            open_source(f"lsl://{name}", PATIENT).__enter__()
    with open_source(f"lsl://{name}?source_id={name}-1", PATIENT) as source:
        assert source.description.sampling_rate == 250.0
    del both
    with pytest.raises(StreamError, match="no such stream"):
        open_source("lsl://nobody", StreamOptions(wait_s=0.2)).__enter__()


@pytest.mark.usefixtures("alone")
def test_an_eeg_is_no_ecg_because_its_electrodes_are_called_like_leads() -> None:
    name = f"eeg-{os.getpid()}"
    device = outlet(name, ["Fz", "C1", "C2", "Pz"], "microvolts", 250.0, name)
    with pytest.raises(LeadError, match="none of the channels"):
        open_source(f"lsl://{name}", PATIENT).__enter__()
    del device


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("labels", "units", "options", "words"),
    [
        (["ch1"], "mV", PATIENT, "none of the channels"),
        (["I"], None, PATIENT, "state no unit"),
        (["I", "II"], ["uV", ""], PATIENT, "several units, or not all of them state one"),
        (["I", "I"], "mV", PATIENT, "several of its channels are called I"),
        (["I", "V1", "I"], "mV", StreamOptions(("I",), wait_s=300.0), "are called I"),
        (["ch1", "ch2"], "mV", StreamOptions(("I",), wait_s=300.0), "1 leads were stated for 2"),
    ],
)
def test_lsl_says_what_it_does_not_know(
    labels: list[str], units: str | list[str] | None, options: StreamOptions, words: str
) -> None:
    name = f"odd-{os.getpid()}-{'-'.join(labels)}-{len(units or '')}"
    device = outlet(name, labels, units, 250.0, name)
    with pytest.raises(Exception, match=words):
        open_source(f"lsl://{name}", options).__enter__()
    del device
