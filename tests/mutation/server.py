"""A fork server: imports pytest and the heavy libraries once, then forks one child per mutant.

Run by its path inside the copy of the repository, ``python -P server.py MODULE...``; it must never
import the package under test. One request per line of standard input, one answer per line of
standard output, both JSON.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

COLLECTION_LIMIT_S = 120.0
"""Seconds until the first test begins: a mutant may loop while it is imported."""

MEMORY = 8 * 2**30
"""Bytes of private memory that a child may have: a mutant may ask for any amount."""


def main() -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not become an answer
    hooks = _load(Path(__file__).with_name("hooks.py"))
    for name in sys.argv[1:]:
        with contextlib.suppress(ImportError):  # an extra that is not there
            importlib.import_module(name)
    gc.freeze()  # children never look through what was imported here
    signal.signal(signal.SIGTERM, _end)
    for line in sys.stdin:
        answers.write(json.dumps(_serve(json.loads(line), hooks)) + "\n")
        answers.flush()


_running: list[int] = []  # the child, while there is one


def _end(*_: object) -> None:
    for child in _running:
        _kill(child)
    os._exit(0)


def _kill(child: int) -> float:
    """End a child and what it has started, wait for it, and return its seconds of CPU."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # there is no group yet where it has only just begun
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):  # it had ended by itself
        usage = os.wait4(child, 0)[2]
        return usage.ru_utime + usage.ru_stime
    return 0.0


def _load(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location("mutation_hooks", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _serve(request: dict[str, Any], hooks: Any) -> dict[str, Any]:
    """Run the tests of one request in a child, with a time limit."""
    output = Path(request["output"])
    output.unlink(missing_ok=True)
    begun = time.monotonic()
    clock = hooks.Clock(request.get("limits") or {}, begun + COLLECTION_LIMIT_S)
    # An end that comes between the two lines would leave the child alone.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child == 0:
        _child(request, hooks, output, clock)
    _running.append(child)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    code, used = _wait(child, min(begun + request["limit"], request["until"]), clock)
    _running.clear()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # what the tests started and left behind
    answer: dict[str, Any] = {"seconds": time.monotonic() - begun, "code": code, "used": used}
    if code is None:
        return answer | {"timed_out": True}
    with contextlib.suppress(OSError, ValueError):
        answer |= json.loads(output.read_text(encoding="utf-8"))
    return answer


def _wait(child: int, deadline: float, clock: Any) -> tuple[int | None, float]:
    """Return the exit code and the seconds of CPU.

    The code is None after the time limit, the child's or that of one test.
    """
    pause = 0.002
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
        if time.monotonic() > min(deadline, clock.deadline):
            return None, _kill(child)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def _child(request: dict[str, Any], hooks: Any, output: Path, clock: Any) -> None:
    """Run pytest; never returns."""
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        null = os.open(os.devnull, os.O_RDWR)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for number, target in ((0, null), (1, log), (2, log)):
            os.dup2(target, number)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(0, "r"), os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        )  # fmt: skip
        code = _run(request, hooks, output, clock)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def _run(request: dict[str, Any], hooks: Any, output: Path, clock: Any) -> int:
    import pytest

    # Loading the plugins of all installed packages takes longer than most tests.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.dont_write_bytecode = not request.get("record")
    chosen = hooks.Selection(request.get("order"), request.get("known"), request["left_out"])
    plugins: list[Any] = [hooks, chosen, clock]
    recorder = None
    if record := request.get("record"):
        recorder = hooks.Recorder(record["include"], record["package"])
        plugins.append(recorder)
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", request["root"]]
    options += ["--basetemp", request["temporary"], "--tb=short"]
    if not recorder:
        options.append("-x")
    code = int(pytest.main([*options, *request["files"]], plugins=plugins))
    answer: dict[str, Any] = {
        "failed": chosen.failed,
        "failures": chosen.failures,
        "ran": chosen.ran,
    }
    if recorder:
        answer |= recorder.result()
    output.write_text(json.dumps(answer), encoding="utf-8")
    return code


if __name__ == "__main__":
    main()
