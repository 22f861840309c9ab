"""The service under load, measured beside batch inference in the same run.

    python -m benchmarks.service_load throughput --records 400 --clients 32
    python -m benchmarks.service_load kill       --records 200
    python -m benchmarks.service_load soak       --minutes 10
    python -m benchmarks.service_load streams    --streams 100 200 400 --seconds 20

Traffic goes to loopback only, and the clients take processor time from the same cores. Figures
depend on the machine and on what else it does: compare the ratios. ``throughput`` gives two: of
elapsed time, and of the processor time that the service and the batch need for a record, which is
what decides on cores that are full and does not count the clients.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

import ecgfoundry
from benchmarks.stream_clients import Devices
from ecgfoundry.inference.live.frames import encode_frame
from ecgfoundry.samples import sample_path

_PARTS = 20
MODEL = {"12-lead": "ptbxl-superclass-12lead", "single-lead": "rhythm-single-lead"}


@contextlib.contextmanager
def running_service(workers: int, *options: str) -> Iterator[tuple[str, int]]:
    """Give (address, process number) of a service in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ecgfoundry", "serve", "--port", str(port)]
    command += ["--workers", str(workers), "--requests-per-minute", "100000000", "--queue", "256"]
    command += ["--timeout", "600"]  # the machine may be busy with other things
    command += options
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [*command, "--log-level", "error"], env=environment, stdout=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"{address}/ready", timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        yield address, server.pid
    finally:
        server.terminate()
        try:
            server.wait(300)
        except subprocess.TimeoutExpired:  # a figure that was measured is not lost for this
            server.kill()
            server.wait()


def body_of(sample: str) -> tuple[bytes, str]:
    """A multipart body with the files of a sample, and its content type."""
    header = sample_path(sample)
    border = "benchmark-border"
    parts = [
        f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + path.read_bytes()
        + b"\r\n"
        for path in sorted(header.parent.glob(f"{header.stem}.*"))
    ]
    body = b"".join(parts) + f"--{border}--\r\n".encode()
    return body, f"multipart/form-data; boundary={border}"


class Client:
    """One connection that is kept, as a gateway keeps its own."""

    def __init__(self, address: str, body: bytes, kind: str, query: str = "") -> None:
        self._where = address.removeprefix("http://")
        self._body, self._headers = body, {"Content-Type": kind}
        self._path = f"/v1/diagnose{query}"
        self._connection: http.client.HTTPConnection | None = None

    def post(self) -> tuple[int, float]:
        """Ask once, again after a 429; return (status, seconds of the answered request)."""
        while True:
            start = time.perf_counter()
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._where, timeout=300)
            try:
                self._connection.request("POST", self._path, self._body, self._headers)
                response = self._connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                self._connection = None
                return 0, time.perf_counter() - start
            if response.status != 429:
                return response.status, time.perf_counter() - start
            time.sleep(float(response.headers.get("Retry-After", 1)))


def post_many(clients: Sequence[Client], count: int) -> list[tuple[int, float]]:
    """Ask ``count`` times, every client from a thread of its own."""
    left = iter(range(count))
    lock, answers = threading.Lock(), []

    def work(client: Client) -> None:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            answer = client.post()
            with lock:
                answers.append(answer)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def processor_seconds(parent: int) -> float:
    """Processor time of a process and everything below it so far, s."""
    ticks = 0
    for pid in processes_of(parent):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def processes_of(parent: int) -> list[int]:
    """The process and everything below it."""
    children: list[str] = []
    with contextlib.suppress(OSError):  # it or one of its threads has just ended
        for thread in Path(f"/proc/{parent}/task").iterdir():
            children += (thread / "children").read_text().split()
    return [parent, *(p for child in children for p in processes_of(int(child)))]


def resident_mib(parent: int) -> float:
    """Resident memory of a process and its children, MiB."""
    total = 0
    for pid in processes_of(parent):
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20


def batch_seconds(
    sample: str, model: str, records: int, folder: Path, batch: str
) -> tuple[float, float]:
    """(elapsed, processor) seconds of batch commands for so many copies, less their start.

    The service's answers have measurements and statements: ``infer`` alone makes neither,
    ``measured`` adds ``ecgfoundry measure``, and ``diagnose`` gives the very same answers.
    """
    target, model_words = folder / "{name}", ["--model", model]
    commands = {
        "infer": [["infer", target, *model_words, "--output", folder / "{name}.parquet"]],
        "diagnose": [["diagnose", target, *model_words, "--json"]],
    }
    commands["measured"] = [*commands["infer"], ["measure", target, "--json"]]
    header = sample_path(sample)

    def run(count: int, name: str) -> tuple[float, float]:
        target = folder / name
        target.mkdir()
        for k in range(count):
            for path in header.parent.glob(f"{header.stem}.*"):
                content = path.read_bytes()
                if path.suffix == ".hea":
                    content = content.replace(header.stem.encode(), f"r{k:05d}".encode())
                (target / f"r{k:05d}{path.suffix}").write_bytes(content)
        start, before = time.perf_counter(), os.times()
        for command in commands[batch]:
            words = [str(word).replace("{name}", name) for word in command]
            subprocess.run([sys.executable, "-m", "ecgfoundry", *words], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        after = os.times()
        spent = after.children_user + after.children_system
        return time.perf_counter() - start, spent - before.children_user - before.children_system

    few = max(records // 10, 2)
    many, start = run(records, "many"), run(few, "few")
    elapsed, processor = (
        (a - b) * records / (records - few) for a, b in zip(many, start, strict=True)
    )
    return elapsed, processor


def throughput(
    sample: str, model: str, records: int, clients: int, rounds: int, batch_of: str
) -> None:
    """Requests per second of many clients against batch inference, alternating."""
    body, kind = body_of(sample)
    name = Path(model).name
    own = ("--model", model) if Path(model).is_dir() else ()
    elapsed_ratios, processor_ratios, waits = [], [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            batch, batch_cpu = batch_seconds(sample, model, records, Path(folder), batch_of)
        with running_service(2, *own) as (address, parent):
            connections = [Client(address, body, kind, f"?model={name}") for _ in range(clients)]
            post_many(connections, 2 * clients)  # warm
            start, before = time.perf_counter(), processor_seconds(parent)
            answers = post_many(connections, records)
            seconds = time.perf_counter() - start
            spent = processor_seconds(parent) - before
        assert {status for status, _ in answers} == {200}
        waits += [wait for _, wait in answers]
        elapsed_ratios.append(batch / seconds)
        processor_ratios.append(batch_cpu / spent)
        print(
            f"round {number}: batch {records / batch:.1f} /s, {1e3 * batch_cpu / records:.1f} ms "
            f"of processor time a record; service {records / seconds:.1f} /s, "
            f"{1e3 * spent / records:.1f} ms; ratio {batch / seconds:.2f} elapsed, "
            f"{batch_cpu / spent:.2f} processor",
            flush=True,
        )
    p50, p99 = np.percentile(waits, [50, 99])
    print(
        f"{name}, {clients} clients: median share of batch ({batch_of}) "
        f"{np.median(processor_ratios):.2f} in processor time ({min(processor_ratios):.2f}-"
        f"{max(processor_ratios):.2f}), {np.median(elapsed_ratios):.2f} in elapsed time with the "
        f"clients on the same cores ({min(elapsed_ratios):.2f}-{max(elapsed_ratios):.2f}); "
        f"p50 {1e3 * p50:.0f} ms, p99 {1e3 * p99:.0f} ms"
    )


def kill(sample: str, records: int, clients: int) -> None:
    """Kill -9 of workers under load: how many accepted requests are lost."""
    body, kind = body_of(sample)
    with running_service(2) as (address, parent):
        connections = [Client(address, body, kind) for _ in range(clients)]
        post_many(connections[:2], 4)
        answers: list[tuple[int, float]] = []
        load = threading.Thread(target=lambda: answers.extend(post_many(connections, records)))
        load.start()
        killed = 0
        while load.is_alive() and killed < 3:
            time.sleep(1.0)
            workers = [p for p in processes_of(parent) if _is_worker(p)]
            if workers and load.is_alive():
                os.kill(workers[killed % len(workers)], signal.SIGKILL)
                killed += 1
        load.join()
    lost = sum(status != 200 for status, _ in answers)
    print(f"{records} requests, {killed} workers killed with SIGKILL, {lost} requests lost")


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def soak(sample: str, minutes: float, clients: int) -> None:
    """Load for some minutes: memory as it goes, its slope, statuses."""
    body, kind = body_of(sample)
    statuses: dict[int, int] = {}
    with running_service(2) as (address, parent):
        connections = [Client(address, body, kind) for _ in range(clients)]
        post_many(connections, 100)
        stop = time.monotonic() + 60 * minutes
        lock = threading.Lock()

        def work(client: Client) -> None:
            while time.monotonic() < stop:
                status, _ = client.post()
                with lock:
                    statuses[status] = statuses.get(status, 0) + 1

        threads = [threading.Thread(target=work, args=(client,)) for client in connections]
        for thread in threads:
            thread.start()
        memory = []
        while time.monotonic() < stop:
            memory.append((time.monotonic(), resident_mib(parent)))
            time.sleep(1.0)
        for thread in threads:
            thread.join()
    times, sizes = np.array(memory).T
    thirds = [float(np.median(part)) for part in np.array_split(sizes, 3)]
    late = times > times[0] + (times[-1] - times[0]) / 3
    slope, half = slope_a_minute(times[late], sizes[late])
    print(
        f"{minutes:g} min, {statuses}, resident MiB in its thirds {[round(t) for t in thirds]}, "
        f"slope over the last two thirds {slope:+.2f} MiB a minute "
        f"(95 % interval {slope - half:+.2f} to {slope + half:+.2f}), "
        f"load at the end {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores"
    )


def slope_a_minute(times: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Slope of a line through the medians of 20 equal parts, and half its 95 % interval.

    Second after second is not independent of the one before; medians of parts nearly are.
    """
    parts = [p for p in np.array_split(np.arange(len(times)), _PARTS) if len(p)]
    x = np.array([times[p].mean() for p in parts]) / 60
    y = np.array([np.median(sizes[p]) for p in parts])
    line = stats.linregress(x, y)
    return float(line.slope), float(stats.t.ppf(0.975, len(parts) - 2) * line.stderr)


def large(megabytes: int) -> None:
    """How long others wait while a large file is kept: /health, asked every 10 ms."""
    border = b"large-border-5f2e"
    body = b"".join(
        [
            b"--" + border + b"\r\nContent-Disposition: form-data; ",
            b'name="file"; filename="x.npy"\r\n\r\n',
            bytes(megabytes * 1_000_000),
            b"\r\n--" + border + b"--\r\n",
        ]
    )
    kinds = {
        "form": (body, f"multipart/form-data; boundary={border.decode()}"),
        "body": (bytes(megabytes * 1_000_000), "application/octet-stream"),
    }
    with (
        tempfile.TemporaryDirectory() as kept,
        running_service(1, "--keep-folder", kept) as (address, _),
    ):
        for name, (content, kind) in kinds.items():
            waits: list[float] = []
            done = threading.Event()

            def ask(waits: list[float] = waits, done: threading.Event = done) -> None:
                while not done.is_set():
                    begin = time.monotonic()
                    urllib.request.urlopen(f"{address}/health", timeout=60).read()
                    waits.append(time.monotonic() - begin)
                    time.sleep(0.01)

            asking = threading.Thread(target=ask)
            asking.start()
            begin = time.monotonic()
            request = urllib.request.Request(
                f"{address}/v1/recordings", content, {"Content-Type": kind}
            )
            urllib.request.urlopen(request, timeout=120).read()
            seconds = time.monotonic() - begin
            done.set()
            asking.join()
            print(
                f"{megabytes} MB kept as a {name} in {seconds:.2f} s; /health meanwhile: "
                f"{len(waits)} answers, median {1e3 * float(np.median(waits)):.0f} ms, "
                f"longest {1e3 * max(waits):.0f} ms"
            )


def streams(model: str, counts: Sequence[int], seconds: float, rate: float) -> None:
    """How late answers come when so many streams send in real time: until they come late."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    recording = ecgfoundry.read(sample_path("single-lead")).resample(rate)
    size = round(rate)
    stored = np.round(recording.signal * 1000).astype(np.int16)
    frames = [
        encode_frame(stored[:, at : at + size]) for at in range(0, stored.shape[1] - size + 1, size)
    ]
    name = Path(model).name
    opening = {"leads": ["I"], "sampling_rate": rate, "unit": "uV", "model": name}
    own = ("--model", model) if Path(model).is_dir() else ()
    with running_service(2, "--streams", str(max(counts) + 1), *own) as (address, parent):
        host, port = address.removeprefix("http://").split(":")
        devices = Devices((host, int(port)), opening, frames)
        best = 0
        devices.grow(1)
        while not devices.run(5.0, lambda: 0.0).late_s:  # the network is being loaded
            pass
        for count in counts:
            devices.grow(count)
            devices.run(11.0, lambda: 0.0)  # until the newest have whole windows
            step = devices.run(seconds, lambda: processor_seconds(parent))
            step.memory_mib = resident_mib(parent)
            print(step.row(), flush=True)
            if not step.in_time:
                break
            best = count
        devices.close()
    print(f"{name}, {rate:g} Hz, one lead: {best} streams in time (99 % of answers within 1 s)")


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["throughput", "kill", "soak", "streams", "large"])
    parser.add_argument("--sample", choices=list(MODEL), default="12-lead")
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--megabytes", type=int, default=104)
    parser.add_argument("--batch", choices=["infer", "measured", "diagnose"], default="infer")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--streams", type=int, nargs="+", default=[25, 50, 75, 100, 150, 200])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=200, help="of the streams, Hz")
    parser.add_argument("--model", help="name or bundle folder; by default what suits the sample")
    given = parser.parse_args()
    if given.what == "throughput":
        model = given.model or MODEL[given.sample]
        throughput(given.sample, model, given.records, given.clients, given.rounds, given.batch)
    elif given.what == "kill":
        kill(given.sample, given.records, given.clients)
    elif given.what == "soak":
        soak(given.sample, given.minutes, given.clients)
    elif given.what == "large":
        large(given.megabytes)
    else:
        model = given.model or MODEL["single-lead"]
        streams(model, given.streams, given.seconds, given.rate)


if __name__ == "__main__":
    main()
