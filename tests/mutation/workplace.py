"""A copy of the repository, where modules are changed, and the fork server that runs there."""

from __future__ import annotations

import json
import math
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

_LEFT_OUT = (
    ".*", "build", "dist", "demo-output", "__pycache__", "*.egg-info", "node_modules",
)  # fmt: skip
_SERVER = Path(__file__).with_name("server.py")
_START_LIMIT_S = 300.0  # for the imports of the server, on a busy machine
_END_LIMIT_S = 5.0  # for an answer after the child was stopped


class WorkplaceError(Exception):
    """The fork server ended or does not answer; the message is for people."""


class Workplace:
    """A copy of a repository with its fork server; the original is never written.

    Parameters
    ----------
    root : Path
        The repository.
    package : str
        Folder of the package inside the repository, such as ``src/ecgfoundry``.
    preload : tuple of str
        Modules that the server imports before it forks.
    """

    def __init__(self, root: Path, package: str, preload: tuple[str, ...]) -> None:
        self._package = package
        self._folder = Path(tempfile.mkdtemp(prefix="mutants-"))
        self.root = self._folder / "copy"
        self.log = self._folder / "log.txt"
        shutil.copytree(root, self.root, ignore=self._ignored, symlinks=True)
        (self._folder / "tmp").mkdir()
        self._server = subprocess.Popen(
            [sys.executable, "-P", str(_SERVER), *preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self._folder / "server.txt").open("w"),
            cwd=self.root,
            env=self._environment(root),
            start_new_session=True,
        )
        self._changes = 0

    def __enter__(self) -> Workplace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the server and remove the copy."""
        self.stop()
        for _ in range(20):  # a process that a test has started may be writing as it dies
            shutil.rmtree(self._folder, ignore_errors=True)
            if not self._folder.exists():
                break
            time.sleep(0.1)

    def stop(self) -> None:
        """End the server and what it runs; whoever waits for it gets a ``WorkplaceError``."""
        self._server.terminate()
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    @contextmanager
    def changed(self, path: str, text: str) -> Iterator[None]:
        """Write a module of the copy, and put the original back afterwards.

        Parameters
        ----------
        path : str
            Inside the repository.
        text : str
        """
        file = self.root / path
        original, times = file.read_bytes(), file.stat()
        self._changes += 1
        file.write_text(text, encoding="utf-8")
        # Python takes a module's bytecode by the time and the size of the file: no two the same.
        os.utime(file, (times.st_atime, 1_000_000_000 + 2 * self._changes))
        try:
            yield
        finally:
            file.write_bytes(original)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def run(
        self,
        files: tuple[str, ...],
        limit: float,
        *,
        until: float = float("inf"),
        limits: dict[str, float] | None = None,
        order: list[str] | None = None,
        known: list[str] | None = None,
        left_out: list[str] | None = None,
        record: bool = False,
    ) -> dict[str, Any]:
        """Run tests in a forked child.

        Parameters
        ----------
        files : tuple of str
            Test files inside the repository.
        limit : float
            Seconds after which the child is stopped.
        until : float
            Of ``time.monotonic``: when it is stopped in any case.
        limits : dict, optional
            Seconds after which one test is taken to hang, by file.
        order, known, left_out : list of str, optional
            See ``hooks.Selection``.
        record : bool
            Record which test executes which line of the package, see ``hooks.Recorder``.

        Returns
        -------
        dict
            ``code`` (of pytest; None and ``timed_out`` after the limit), ``failed``, ``seconds``.

        Raises
        ------
        WorkplaceError
            The server is gone.
        """
        request: dict[str, Any] = {
            "files": list(files),
            "limit": limit,
            "until": until,
            "limits": limits,
            "order": order,
            "known": known,
            "left_out": left_out or [],
            "root": str(self.root),
            "output": str(self._folder / "answer.json"),
            "log": str(self.log),
            "temporary": str(self._folder / "tests"),
        }
        if record:
            request["record"] = {
                "include": str((self.root / self._package).resolve()),
                "package": Path(self._package).name,
            }
        assert self._server.stdin is not None and self._server.stdout is not None
        try:
            self._server.stdin.write(json.dumps(request).encode() + b"\n")
            self._server.stdin.flush()
        except BrokenPipeError:
            raise WorkplaceError(self._last_words()) from None
        patience = limit + _START_LIMIT_S
        patience = min(patience, max(0.0, until - time.monotonic()) + _END_LIMIT_S)
        ready = select.select([self._server.stdout], [], [], patience)[0]
        line = self._server.stdout.readline() if ready else b""
        if not line:
            raise WorkplaceError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def build(self, program: str) -> bool:
        """Run a program of the copy that compiles what was changed; whether it succeeded."""
        command = [sys.executable, str(self.root / program)]
        return subprocess.run(command, capture_output=True, cwd=self.root).returncode == 0

    def _ignored(self, folder: str, names: list[str]) -> set[str]:
        """Return what is not copied: what is built, and the copy itself where it is inside."""
        itself = {name for name in names if Path(folder, name) == self._folder}
        return itself | set(shutil.ignore_patterns(*_LEFT_OUT)(folder, names))

    def _environment(self, root: Path) -> dict[str, str]:
        """Return the environment in which subprocesses of the tests see the copy, too."""
        data = root.parent / "shared" / "data"
        shared = {"ECGFOUNDRY_SHARED_DATA": str(data)} if data.is_dir() else {}
        return {
            **shared,
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                (str((self.root / self._package).parent), str(self.root))
            ),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self._folder / "tmp"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "POLARS_MAX_THREADS": "1",
        }

    def _last_words(self) -> str:
        text = (self._folder / "server.txt").read_text(encoding="utf-8", errors="replace")
        return f"the fork server ended: {text.strip()[-500:] or 'it said nothing'}"


def share(
    work: Callable[[Workplace], None], workplaces: list[Workplace], deadline: float = math.inf
) -> None:
    """Do work in one thread per workplace, until it is done or the deadline is there.

    A thread never outlives the call: it would go on writing into a copy that is being removed.
    """
    threads = [threading.Thread(target=work, args=(place,), daemon=True) for place in workplaces]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive() and time.monotonic() <= deadline:
                thread.join(0.2)  # not for ever, so that an interruption from the keyboard is seen
    finally:
        for thread, place in zip(threads, workplaces, strict=True):
            if thread.is_alive():
                place.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
