"""The service under load, measured beside batch inference in the same run.

    python -m benchmarks.service_load throughput --records 400 --clients 32
    python -m benchmarks.service_load kill       --records 200
    python -m benchmarks.service_load soak       --minutes 10
    python -m benchmarks.service_load streams    --streams 50 100 200 --seconds 30

Traffic goes to loopback only. Figures depend on the machine and on what else it does: compare the
ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import ecgfoundry
from ecgfoundry.samples import sample_path

MODEL = {"12-lead": "ptbxl-superclass-12lead", "single-lead": "rhythm-single-lead"}


@contextlib.contextmanager
def running_service(workers: int) -> Iterator[tuple[str, int]]:
    """Give (address, process number) of a service in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ecgfoundry", "serve", "--port", str(port)]
    command += ["--workers", str(workers), "--requests-per-minute", "100000000", "--queue", "256"]
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
        server.wait(60)


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


def post(address: str, body: bytes, kind: str) -> tuple[int, float]:
    """Ask once, again after a 429; return (status, seconds of the answered request)."""
    while True:
        start = time.perf_counter()
        request = urllib.request.Request(
            f"{address}/v1/diagnose", body, {"Content-Type": kind}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                response.read()
                return response.status, time.perf_counter() - start
        except urllib.error.HTTPError as error:
            if error.code != 429:
                return error.code, time.perf_counter() - start
            time.sleep(float(error.headers.get("Retry-After", 1)))


def processes_of(parent: int) -> list[int]:
    """The process and everything below it."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *(p for child in children for p in processes_of(int(child)))]


def resident_mib(parent: int) -> float:
    """Resident memory of a process and its children, MiB."""
    total = 0
    for pid in processes_of(parent):
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20


def batch_seconds(sample: str, records: int, folder: Path) -> float:
    """Seconds of ``ecgfoundry infer`` for so many copies, less its start (two runs)."""
    header = sample_path(sample)

    def run(count: int, name: str) -> float:
        target = folder / name
        target.mkdir()
        for k in range(count):
            for path in header.parent.glob(f"{header.stem}.*"):
                content = path.read_bytes()
                if path.suffix == ".hea":
                    content = content.replace(header.stem.encode(), f"r{k:05d}".encode())
                (target / f"r{k:05d}{path.suffix}").write_bytes(content)
        command = [sys.executable, "-m", "ecgfoundry", "infer", str(target)]
        command += ["--model", MODEL[sample], "--output", str(folder / f"{name}.parquet")]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    few = max(records // 10, 2)
    return (run(records, "many") - run(few, "few")) * records / (records - few)


def throughput(sample: str, records: int, clients: int, rounds: int) -> None:
    """Requests per second of many clients against batch inference, alternating."""
    body, kind = body_of(sample)
    ratios, waits = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            batch = batch_seconds(sample, records, Path(folder))
        with running_service(workers=2) as (address, _), ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda _: post(address, body, kind), range(clients)))  # warm
            start = time.perf_counter()
            answers = list(pool.map(lambda _: post(address, body, kind), range(records)))
            seconds = time.perf_counter() - start
        assert {status for status, _ in answers} == {200}
        waits += [wait for _, wait in answers]
        ratios.append(batch / seconds)
        print(
            f"round {number}: batch {records / batch:.1f} /s, service {records / seconds:.1f} /s, "
            f"ratio {batch / seconds:.2f}",
            flush=True,
        )
    p50, p99 = np.percentile(waits, [50, 99])
    print(
        f"{sample}, {clients} clients: median ratio {np.median(ratios):.2f} "
        f"({min(ratios):.2f}-{max(ratios):.2f}), p50 {1e3 * p50:.0f} ms, p99 {1e3 * p99:.0f} ms"
    )


def kill(sample: str, records: int, clients: int) -> None:
    """Kill -9 of workers under load: how many accepted requests are lost."""
    body, kind = body_of(sample)
    with running_service(workers=2) as (address, parent), ThreadPoolExecutor(clients) as pool:
        post(address, body, kind)
        work = pool.map(lambda _: post(address, body, kind), range(records))
        killed = 0
        for _ in range(3):
            time.sleep(1.0)
            workers = [p for p in processes_of(parent) if _is_worker(p)]
            if workers:
                os.kill(workers[0], signal.SIGKILL)
                killed += 1
        statuses = [status for status, _ in work]
    lost = sum(status != 200 for status in statuses)
    print(f"{records} requests, {killed} workers killed with SIGKILL, {lost} requests lost")


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def soak(sample: str, minutes: float, clients: int) -> None:
    """Load for some minutes: memory at its thirds, statuses."""
    body, kind = body_of(sample)
    statuses: dict[int, int] = {}
    lock, stop = threading.Lock(), time.monotonic() + 60 * minutes
    with running_service(workers=2) as (address, parent):
        for _ in range(50):
            post(address, body, kind)

        def client() -> None:
            while time.monotonic() < stop:
                status, _ = post(address, body, kind)
                with lock:
                    statuses[status] = statuses.get(status, 0) + 1

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        memory = []
        while time.monotonic() < stop:
            memory.append(resident_mib(parent))
            time.sleep(1.0)
        for thread in threads:
            thread.join()
    thirds = [float(np.median(part)) for part in np.array_split(np.array(memory), 3)]
    print(f"{minutes:g} min, {statuses}, resident MiB in its thirds: {[round(t) for t in thirds]}")


async def _device(address: str, signal_mv: np.ndarray, rate: float, until: float) -> list[float]:
    """One stream in real time; returns how late each answer came, in seconds."""
    import websockets

    from ecgfoundry.inference.live_frames import encode_frame

    late: list[float] = []
    opening = {"leads": ["I"], "sampling_rate": rate, "unit": "mV", "model": MODEL["single-lead"]}
    url = address.replace("http", "ws")
    async with websockets.connect(f"{url}/v1/stream", open_timeout=120) as connection:
        await connection.send(json.dumps(opening))
        await connection.recv()
        begin = time.monotonic()

        async def send() -> None:
            size = round(rate)
            number = 0
            while time.monotonic() < until:
                at = (number * size) % (signal_mv.shape[1] - size)
                frame = encode_frame(signal_mv[:, at : at + size], start=number * size)
                await asyncio.sleep(max(begin + number + 1 - time.monotonic(), 0))
                await connection.send(frame)
                number += 1

        sender = asyncio.create_task(send())
        while not sender.done():
            with contextlib.suppress(asyncio.TimeoutError):
                answer = json.loads(await asyncio.wait_for(connection.recv(), 1.0))
                if answer["type"] == "answer":
                    late.append(time.monotonic() - begin - answer["time_s"])
        await connection.send(json.dumps({"type": "end"}))
    return late


def streams(counts: Sequence[int], seconds: float) -> None:
    """How late answers come when so many streams send in real time."""
    recording = ecgfoundry.read(sample_path("single-lead"))
    for count in counts:
        with running_service(workers=2) as (address, parent):

            async def all_of_them(address: str = address, count: int = count) -> list[list[float]]:
                until = time.monotonic() + seconds
                devices = [
                    _device(address, recording.signal, recording.sampling_rate, until)
                    for _ in range(count)
                ]
                return await asyncio.gather(*devices)

            late = [value for one in asyncio.run(all_of_them()) for value in one]
            memory = resident_mib(parent)
        wanted = count * (seconds - 3)
        p50, p99 = np.percentile(late, [50, 99]) if late else (np.nan, np.nan)
        print(
            f"{count} streams: {len(late)} of about {wanted:.0f} answers, late by "
            f"{1e3 * p50:.0f} ms (median), {1e3 * p99:.0f} ms (99 %), {memory:.0f} MiB",
            flush=True,
        )


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["throughput", "kill", "soak", "streams"])
    parser.add_argument("--sample", choices=list(MODEL), default="12-lead")
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--streams", type=int, nargs="+", default=[10, 20, 40, 80])
    parser.add_argument("--seconds", type=float, default=30)
    given = parser.parse_args()
    if given.what == "throughput":
        throughput(given.sample, given.records, given.clients, given.rounds)
    elif given.what == "kill":
        kill(given.sample, given.records, given.clients)
    elif given.what == "soak":
        soak(given.sample, given.minutes, given.clients)
    else:
        streams(given.streams, given.seconds)


if __name__ == "__main__":
    main()
