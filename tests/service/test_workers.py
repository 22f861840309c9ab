"""The pool: nothing accepted is lost when a worker dies, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from ecgfoundry.samples import sample_path
from ecgfoundry.service.handlers import Result, Work
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.workers import WorkerPool
from ecgfoundry.service.workspace import Workspace

ECG = Work("diagnose", str(sample_path("single-lead")), "a")


def with_pool(what: Callable[[WorkerPool, list[str]], Awaitable[Any]], **changes: Any) -> Any:
    restarts: list[str] = []
    place = Workspace(Path(tempfile.mkdtemp()))
    fields: dict[str, Any] = {"workers": 1, "queue": 64, "batch": 4, "timeout_s": 60.0}

    async def run() -> Any:
        pool = WorkerPool(
            **(fields | changes),
            arguments={"threads": 1},
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
        await pool.close()
        with pytest.raises(ProblemError):
            await pool.submit(ECG)
        return await asyncio.gather(*tasks)

    assert all(answer.problem is None for answer in with_pool(what))
