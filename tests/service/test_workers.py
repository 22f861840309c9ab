"""The pool: nothing accepted is lost when a worker dies, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from tests.service.waiting import LONGEST_S

from ecgfoundry import read
from ecgfoundry.inference.predictor import SourceTask
from ecgfoundry.recording import Recording
from ecgfoundry.samples import sample_path
from ecgfoundry.service.handlers import Worker
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.samples import SAMPLES_NAME
from ecgfoundry.service.work import Result, Work
from ecgfoundry.service.worker_limits import limits_for
from ecgfoundry.service.workers import WorkerPool
from ecgfoundry.service.workspace import Workspace

ECG = Work("diagnose", str(sample_path("single-lead")), "a")


def with_pool(what: Callable[[WorkerPool, list[str]], Awaitable[Any]], **changes: Any) -> Any:
    restarts: list[str] = []
    place = Workspace(Path(tempfile.mkdtemp()))
    fields: dict[str, Any] = {"workers": 1, "queue": 64, "batch": 4, "timeout_s": 60.0}

    async def run() -> Any:
        pool = WorkerPool(
            **({"arguments": {"threads": 1}} | fields | changes),
            workspace=place,
            on_restart=restarts.append,
        )
        pool.start()
        try:
            return await what(pool, restarts)
        finally:
            await pool.close()
            assert not pool.processes
            assert list(place.root.glob("service-*/worker-*")) == []
            place.close()

    return asyncio.run(run())


@pytest.mark.slow
def test_no_accepted_request_is_lost_when_workers_are_killed() -> None:
    async def what(pool: WorkerPool, restarts: list[str]) -> list[Result]:
        await pool.submit(ECG)
        tasks = [asyncio.create_task(pool.submit(ECG)) for _ in range(24)]
        await asyncio.sleep(0.02)
        for pid in pool.processes:
            os.kill(pid, signal.SIGKILL)
        answers = await asyncio.gather(*tasks)
        assert restarts == ["crash"]
        return answers

    answers = with_pool(what)
    assert len(answers) == 24
    assert all(answer.problem is None and answer.verdict == "good" for answer in answers)


def test_what_takes_too_long_is_ended_and_the_next_is_answered() -> None:
    async def what(pool: WorkerPool, restarts: list[str]) -> tuple[Result, Result]:
        await pool.submit(ECG)
        pool._timeout_s = 1e-4
        late = await pool.submit(ECG)
        pool._timeout_s = 60.0
        return late, await pool.submit(ECG)

    late, after = with_pool(what, batch=1)
    assert late.problem is not None
    assert (late.problem.status, late.problem.code) == (413, "timeout")
    assert after.problem is None


def test_the_queue_is_bounded() -> None:
    async def what(pool: WorkerPool, restarts: list[str]) -> list[Any]:
        tasks = [asyncio.create_task(pool.submit(ECG)) for _ in range(12)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = with_pool(what, queue=5)
    sent_away = [answer for answer in answers if isinstance(answer, ProblemError)]
    assert {error.problem.status for error in sent_away} == {429}
    assert all(error.problem.retry_after_s >= 1 for error in sent_away)
    done = [answer for answer in answers if isinstance(answer, Result)]
    assert len(done) == 12 - len(sent_away) >= 5
    assert all(answer.problem is None for answer in done)


def test_a_stopping_pool_finishes_what_it_accepted() -> None:
    async def what(pool: WorkerPool, restarts: list[str]) -> list[Result]:
        tasks = [asyncio.create_task(pool.submit(ECG)) for _ in range(6)]
        await asyncio.sleep(0)
        await pool.close(grace_s=LONGEST_S)
        with pytest.raises(ProblemError):
            await pool.submit(ECG)
        return await asyncio.gather(*tasks)

    assert all(answer.problem is None for answer in with_pool(what))


def test_what_a_stopping_pool_cannot_finish_is_answered() -> None:
    async def what(pool: WorkerPool, restarts: list[str]) -> list[Result]:
        tasks = [asyncio.create_task(pool.submit(ECG)) for _ in range(3)]
        await asyncio.sleep(0)
        await pool.close(grace_s=0.0)  # no worker is loaded yet
        return await asyncio.gather(*tasks)

    answers = with_pool(what)
    assert [answer.problem.status for answer in answers if answer.problem] == [503, 503, 503]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only where the size is told")
def test_a_worker_may_use_only_so_much_memory() -> None:
    """An allocation beyond the limit fails in the process, which goes on."""
    code = (
        "import numpy as np\n"
        "from ecgfoundry.service.worker_limits import bound_memory\n"
        "bound_memory(300 << 20)\n"
        "for megabytes in (100, 400, 100):\n"
        "    try:\n"
        "        print(np.ones(megabytes << 17).nbytes >> 20)\n"
        "    except MemoryError:\n"
        "        print('none')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["100", "none", "100"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only where it is told")
def test_reserved_address_space_is_no_memory() -> None:
    """The allocators of Polars and Arrow reserve a gigabyte when they are first used."""
    code = (
        "import mmap\n"
        "import numpy as np\n"
        "from ecgfoundry.service.worker_limits import bound_memory\n"
        "bound_memory(300 << 20)\n"
        "kept = mmap.mmap(-1, 2 << 30, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)\n"
        "print(np.ones(100 << 17).nbytes >> 20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["100"]


def test_one_request_without_memory_leaves_the_others_alone() -> None:
    class Exhausted:
        """A source whose samples do not fit."""

        leads, sampling_rate, samples = ("I",), 500.0, 5000

        def part(self, start: int, stop: int) -> Recording:
            raise MemoryError

    whole = read(sample_path("12-lead"))
    tasks = [
        (0, SourceTask(Exhausted(), whole, None, "large")),
        (1, SourceTask(whole, whole, None, "small")),
    ]
    large, small = Worker()._answers("rhythm-single-lead-edge", tasks, {})
    assert isinstance(large[1], Result) and large[1].problem is not None
    assert large[1].problem.status == 413
    assert not isinstance(small[1], Result) and small[1].findings


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only where the size is told")
def test_what_needs_more_memory_is_answered_with_413(tmp_path: Path) -> None:
    """Samples as JSON, twenty million of them, in a worker that has no room for so many."""
    path = tmp_path / SAMPLES_NAME
    with path.open("w") as file:
        file.write('{"sampling_rate": 500, "leads": ["I"], "unit": "mV", "signal": [[')
        for _ in range(20):
            file.write("0," * 1_000_000)
        file.write("0]]}")

    async def what(pool: WorkerPool, restarts: list[str]) -> tuple[Result, Result, list[str]]:
        large = Work("read", str(path), "large")
        return await pool.submit(large), await pool.submit(ECG), restarts

    arguments = {"threads": 1, "memory_bytes": 300 << 20}
    large, after, restarts = with_pool(what, arguments=arguments)
    assert large.problem is not None
    assert (large.problem.status, large.problem.code) == (413, "limit")
    assert after.problem is None
    assert restarts == []


@pytest.mark.parametrize(
    ("memory", "samples", "file_bytes", "text_bytes"),
    [
        (1 << 30, 67_108_864, 268_435_456, 134_217_728),
        (256 << 20, 16_777_216, 67_108_864, 33_554_432),
    ],
)
def test_limits_of_files_follow_the_memory(
    memory: int, samples: int, file_bytes: int, text_bytes: int
) -> None:
    found = limits_for(memory)
    assert (found.samples, found.file_bytes, found.text_bytes) == (samples, file_bytes, text_bytes)
