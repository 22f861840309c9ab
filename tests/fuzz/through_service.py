"""Damaged files sent to a running service, as a hospital's broken exports would come.

``python -m tests.fuzz --through-service --files 2000``. Every answer must be a success or a
problem document with a 4xx status; no worker may die or time out; nothing may stay on disk; and
the memory of the service and its workers is written down as it goes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.bombs import BOMBS, make_bomb
from tests.fuzz.mutations import damaged
from tests.fuzz.seeds import Seed, collect_seeds, random_for, stage
from tests.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
ROUTES = ("/v1/diagnose", "/v1/read?samples=true")
_STATED = ("leads", "unit", "sampling_rate")
_SAMPLED_EVERY = 20  # files between two looks at the memory


@dataclass
class Outcome:
    """What came of a run."""

    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    restarts: float = 0.0
    left_on_disk: list[str] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: int = -1

    def report(self) -> str:
        """Return the figures in words."""
        files = np.array([number for number, _ in self.memory], float)
        mib = np.array([value for _, value in self.memory])
        thirds = [float(np.median(part)) for part in np.array_split(mib, 3)]
        late = files >= files[-1] / 3
        slope = 1000 * np.polyfit(files[late], mib[late], 1)[0] if late.sum() > 2 else np.nan
        lines = [f"answers: {dict(sorted(self.statuses.items()))}"]
        lines.append(f"server errors or answers without form: {len(self.failures)}")
        lines.append(f"workers that died or were stopped: {self.restarts:g}")
        lines.append(f"files left on disk: {len(self.left_on_disk)} {self.left_on_disk[:3]}")
        lines.append(f"slowest answer: {self.slowest_s:.2f} s (file {self.slowest})")
        lines.append(
            f"resident memory of service and workers, MiB: {thirds[0]:.0f}, {thirds[1]:.0f}, "
            f"{thirds[2]:.0f} (medians of thirds), largest {mib.max():.0f}, slope over the last "
            f"two thirds {slope:+.1f} per 1,000 files"
        )
        return "\n".join(lines)

    @property
    def good(self) -> bool:
        """Whether nothing failed."""
        return not self.failures and self.restarts == 0 and not self.left_on_disk


@contextmanager
def running(folder: Path, *, workers: int = 2) -> Iterator[tuple[str, int]]:
    """Give (address, process number) of a service whose temporary files go to ``folder``."""
    port = free_port()
    command = [sys.executable, "-m", "ecgfoundry", "serve", "--port", str(port)]
    command += ["--workers", str(workers), "--requests-per-minute", "100000000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    server = subprocess.Popen(
        [*command, "--log-level", "error"], stdout=subprocess.DEVNULL, env=environment
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 600
        while True:
            try:
                urllib.request.urlopen(f"{address}/ready", timeout=5)
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.2)
        yield address, server.pid
        if server.poll() is not None:
            raise AssertionError(f"the service has died: {server.returncode}")
    finally:
        server.terminate()
        server.wait(300)


def resident_mib(parent: int) -> float:
    """Resident memory of a process and all below it, MiB; pages that they share count once each."""
    total, waiting = 0, [parent]
    while waiting:
        pid = waiting.pop()
        try:
            waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20


class PeakMemory:
    """The largest resident memory of any one process below a service, looked at every 20 ms."""

    def __init__(self, parent: int) -> None:
        self._parent, self._stop = parent, threading.Event()
        self.mib = 0.0

    def __enter__(self) -> PeakMemory:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *about: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        children = Path(f"/proc/{self._parent}/task/{self._parent}/children")
        while not self._stop.wait(0.02):
            for pid in children.read_text().split():
                try:
                    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                except OSError:
                    continue
                self.mib = max(self.mib, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def send_bombs(folder: Path) -> list[dict[str, Any]]:
    """Send every small file that announces gigabytes to a service of one worker.

    Returns
    -------
    list of dict
        name, bytes of the file, status, code, seconds, peak_mib (of the largest process).
    """
    rows = []
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    with running(temporary, workers=1) as (address, pid):
        for name in BOMBS:
            place = folder / "files"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            made = make_bomb(name, place)
            seed = Seed("", made)
            begin = time.monotonic()
            with PeakMemory(pid) as peak:
                status, body, kind = _post(f"{address}/v1/diagnose", place, seed)
            seconds = time.monotonic() - begin
            problem = _fault(status, body, kind)
            rows.append(
                {
                    "name": name,
                    "bytes": made.stat().st_size,
                    "status": status,
                    "code": json.loads(body).get("code", "read") if problem is None else problem,
                    "seconds": round(seconds, 2),
                    "peak_mib": round(peak.mib),
                    "good": problem is None,
                }
            )
        left = _left(temporary)
        assert left == [], left
    return rows


def fuzz_service(
    files: int, out: Path, *, seed: int = 1, shared: Path | None = None, first: int = 0
) -> Outcome:
    """Send ``files`` damaged files, each to one of the routes, and to both in turn.

    Parameters
    ----------
    files : int
    out : Path
        Where seeds and failing files go.
    seed, first : int
        Which damage: file ``n`` is made from ``(seed, first + n)`` alone.
    shared : Path, optional
        Folder of further real files to damage.
    """
    out.mkdir(parents=True, exist_ok=True)
    groups: dict[str, list[Seed]] = {}
    for one in collect_seeds(REPOSITORY / "tests" / "fixtures", out / "seeds", shared):
        groups.setdefault(one.format, []).append(one)
    formats = sorted(groups)
    result = Outcome()
    log_file = out / "answers.txt"
    with tempfile.TemporaryDirectory(prefix="fuzz-service-") as scratch, log_file.open("w") as log:
        place, temporary = Path(scratch) / "files", Path(scratch) / "tmp"
        temporary.mkdir()
        with running(temporary) as (address, pid):
            for number in range(first, first + files):
                generator = random_for(number, seed)
                format = formats[number % len(formats)]
                chosen = groups[format][int(generator.integers(len(groups[format])))]
                target = stage(chosen, place)
                mutation, content = damaged(chosen.target.read_bytes(), generator)
                target.write_bytes(content)
                route = ROUTES[(number // len(formats)) % len(ROUTES)]
                begin = time.monotonic()
                status, body, kind = _post(address + route, place, chosen)
                if time.monotonic() - begin > result.slowest_s:
                    result.slowest_s, result.slowest = time.monotonic() - begin, number
                problem = _fault(status, body, kind)
                result.statuses[str(status)] += 1
                log.write(f"{number} {format} {mutation} {route} {status}\n")
                if problem:
                    about = {"number": number, "format": format, "mutation": mutation}
                    result.failures.append({**about, "route": route, "problem": problem})
                if (number - first) % _SAMPLED_EVERY == 0:
                    result.memory.append((number - first, resident_mib(pid)))
            text = urllib.request.urlopen(f"{address}/metrics", timeout=60).read().decode()
            result.restarts = sum(
                float(line.split()[-1])
                for line in text.splitlines()
                if line.startswith("ecgfoundry_worker_restarts_total")
            )
            result.left_on_disk = _left(temporary)
    return result


def _left(temporary: Path) -> list[str]:
    """Files that should be gone; the lock and the database of the running service are none."""
    files = (path.name for path in temporary.rglob("*") if path.is_file())
    return sorted(n for n in files if n != ".lock" and not n.startswith("service.sqlite"))


def _post(address: str, folder: Path, seed: Seed) -> tuple[int, bytes, str]:
    border = "fuzz-border-8c1f"
    names = sorted(folder.iterdir(), key=lambda path: path.name != seed.read_name)
    parts = [
        f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + path.read_bytes()
        + b"\r\n"
        for path in names
    ]
    stated = {key: value for key, value in (seed.stated or {}).items() if key in _STATED}
    if "leads" in stated:
        stated["leads"] = ",".join(stated["leads"])
    query = urllib.parse.urlencode(stated)
    request = urllib.request.Request(
        f"{address}{'&' if '?' in address else '?'}{query}",
        b"".join(parts) + f"--{border}--\r\n".encode(),
        {"Content-Type": f"multipart/form-data; boundary={border}"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.read(), response.headers.get("content-type", "")
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers.get("content-type", "")
    except OSError as error:
        return 0, repr(error).encode(), ""


def _fault(status: int, body: bytes, kind: str) -> str | None:
    """Return what is wrong with an answer, None if it is one that was promised."""
    if not (200 <= status < 300 or 400 <= status < 500):
        return f"status {status}: {body[:300]!r}"
    try:
        document = json.loads(body)
    except ValueError:
        return "the answer is no JSON"
    if status >= 400:
        if kind != "application/problem+json" or not document.get("code"):
            return f"a {status} that is no problem document"
        if "/tmp" in document["detail"] or "root:" in document["detail"]:
            return "a problem that tells about the server"
    return None
