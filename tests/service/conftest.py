"""One running service for the tests of this folder, with real worker processes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient
from tests.ports import free_port
from tests.service.browsing import PATIENCE_MS
from tests.service.postgresql import Cluster, running_cluster
from tests.service.waiting import LONGEST_S, until

from ecgfoundry.service import describing, gate, jobs, workers
from ecgfoundry.service.api import create_app
from ecgfoundry.service.live import hub, lanes, routes
from ecgfoundry.service.senders import outbox
from ecgfoundry.service.settings import ServiceSettings


class LocalClient(TestClient):
    """Calls a service by the name of this machine; the usual one calls sockets "testserver"."""

    def __init__(self, app: Any) -> None:
        super().__init__(app, base_url="http://127.0.0.1:8765")

    def websocket_connect(self, url: str, *args: Any, **fields: Any) -> Any:
        """Open a socket."""
        return super().websocket_connect(f"ws://127.0.0.1:8765{url}", *args, **fields)


@pytest.fixture(scope="session", autouse=True)
def _own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a service on this machine has left unfinished is not for the services of the tests."""
    folder = tmp_path_factory.mktemp("tmp")
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    yield
    tempfile.tempdir = None
    if before is None:
        del os.environ["TMPDIR"]
    else:
        os.environ["TMPDIR"] = before


@pytest.fixture(scope="session", autouse=True)
def _look_often() -> Iterator[None]:
    """A service in this process looks for what is due every tenth of a second, not every one."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (outbox, jobs, describing):
            patch.setattr(module, "_POLL_S", 0.1)
        yield


@pytest.fixture(scope="session", autouse=True)
def _be_patient() -> Iterator[None]:
    """A service in this process waits as long as the tests: a busy machine is no fault.

    Limits of less than a minute are meant by the test that sets them.
    """
    limit_of = workers.WorkerPool._limit

    def limit(self: workers.WorkerPool, task: Any) -> float:
        found = limit_of(self, task)
        return found if found < 60.0 else max(found, LONGEST_S)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers.WorkerPool, "_limit", limit)
        patch.setattr(routes, "_OPENING_S", LONGEST_S)
        patch.setattr(hub, "_RESUME_S", LONGEST_S)
        yield


@pytest.fixture(scope="module", autouse=True)
def _forked_workers() -> Iterator[None]:
    """Workers of services in this process come from a server that has imported their libraries.

    Each would otherwise import them for about a second. A service that is started as a command
    (``running``, ``started``) starts its own as it always does.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield
        return
    multiprocessing.set_forkserver_preload(
        ["ecgfoundry.service.handlers", "ecgfoundry.service.live.lanes", "scipy.signal"]
    )
    of_name = multiprocessing.get_context

    def context(name: str | None = None) -> Any:
        return of_name("forkserver" if name == "spawn" else name)

    forked = SimpleNamespace(get_context=context)
    with pytest.MonkeyPatch.context() as patch:
        for module in (workers, lanes):
            patch.setattr(module, "multiprocessing", forked)
        yield


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = ServiceSettings(
        workers=1,
        keep_folder=tmp_path_factory.mktemp("kept"),
        keep_bytes=2_000_000,
        body_bytes=1_000_000,
        requests_per_minute=1_000_000,
    )
    with LocalClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def still_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate of services in this process sees no time pass, in which its limits would fill up."""
    monkeypatch.setattr(gate, "time", SimpleNamespace(monotonic=lambda: 1e6))


@pytest.fixture
def may_answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Live streams of services in this process get no answer before this is set."""
    event, whole = threading.Event(), hub._Lane._call

    def later(lane: Any, name: str, argument: Any) -> Any:
        assert name != "answer" or event.wait(LONGEST_S)
        return whole(lane, name, argument)

    monkeypatch.setattr(hub._Lane, "_call", later)
    yield event
    event.set()


@pytest.fixture
def fixtures() -> Path:
    return Path(__file__).parents[1] / "fixtures"


@contextmanager
def running(*options: str) -> Iterator[str]:
    """Give the address of a service in a process of its own, as ``ecgfoundry serve`` starts it."""
    url, server = started(*options)
    yield url
    assert server.poll() is None, "the service has died"
    server.terminate()
    assert server.wait(300) in (0, -15)


def started(*options: str, **variables: str) -> tuple[str, subprocess.Popen[bytes]]:
    """Start a service with environment variables; return its address and its process."""
    port = free_port()
    command = [sys.executable, "-m", "ecgfoundry", "serve", "--port", str(port), "--workers", "1"]
    command += ["--max-body", "2", "--requests-per-minute", "10000000", "--timeout", "900"]
    command += options
    server = subprocess.Popen(
        command,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=os.environ | variables,
    )
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert server.poll() is None, "the service has ended"
        try:
            return bool(urllib.request.urlopen(f"{url}/ready", timeout=60).status == 200)
        except OSError:
            return False

    until(ready, "the start of the service", 0.2)
    return url, server


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running service, which keeps recordings."""
    with running("--keep-folder", str(tmp_path_factory.mktemp("kept-by-the-service"))) as url:
        yield url


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, which must say nothing of a fault and ask for nothing from elsewhere."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if _is_fault(m) else None)
    outside: list[str] = []
    page.on("request", lambda r: None if r.url.startswith(address) else outside.append(r.url))
    page.goto(address)
    yield page
    assert errors == []
    assert outside == [], "the page works offline"
    context.close()


def _is_fault(message: Any) -> bool:
    """Chromium calls an answer that is no success an error of the page; ours are expected."""
    return message.type == "error" and "status of 4" not in message.text


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL server; skipped, with the reason, where it is not installed."""
    with running_cluster() as cluster:
        yield cluster
