"""A folder that is watched: for hospitals that exchange files.

Every recording that appears is interpreted once; what was done is known by the hash of its content,
so a restart, a copy or a renamed file does nothing twice. The answer lies beside the file or in
another folder; a recording that cannot be read goes into the dead-letter folder with the reason.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ecgfoundry.errors import EcgFoundryError, FileAccessError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.inference.files import without_sidecars
from ecgfoundry.io import write_folder_atomically, write_json, write_whole
from ecgfoundry.service.problems import Problem, ProblemError, problem_of
from ecgfoundry.service.work import Result, Work
from ecgfoundry.service.workers import WorkerPool
from ecgfoundry.service.workspace import Workspace

__all__ = ["FolderWatch", "Watched"]

_ENDINGS = {"json": ".ecg.json", "fhir": ".fhir.json", "html": ".ecg.html", "pdf": ".ecg.pdf"}
_LARGEST = 2_000_000_000
_STOPPING = 503
_NO_ROOM = 507


@dataclass(frozen=True, slots=True)
class Watched:
    """What became of a recording: its answer's file, or why there is none.

    ``is_refused``: the answer says that the recording is not read.
    """

    path: Path
    answer: Path | None = None
    problem: Problem | None = None
    is_refused: bool = False


@dataclass
class FolderWatch:
    """Watches a folder.

    Parameters
    ----------
    folder : Path
    output : Path, optional
        Where the answers go; None: beside the recordings.
    dead_letters : Path, optional
        Where recordings go that cannot be read; by default ``dead-letters`` in the folder.
    model, lead : str, optional
    format : str
        json, fhir, html or pdf.
    options : ReadOptions
    settle_s : float
        A file counts when it has not changed for so long: it may still be arriving.
    workers : int
    timeout_s : float
    memory_bytes : int
        What a worker may use for recordings, beyond what it has with its models.
    """

    folder: Path
    output: Path | None = None
    dead_letters: Path | None = None
    model: str | None = None
    lead: str | None = None
    format: str = "json"
    options: ReadOptions = field(default_factory=ReadOptions)
    settle_s: float = 2.0
    workers: int = 1
    timeout_s: float = 300.0
    memory_bytes: int = 2 << 30
    _seen: dict[Path, tuple[object, float]] = field(default_factory=dict, init=False)
    _done: dict[Path, object] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise FileAccessError("there is no such folder to watch", path=self.folder)
        if self.dead_letters is None:
            self.dead_letters = self.folder / "dead-letters"
        for folder in (self.output, self.dead_letters):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)

    async def run(
        self,
        *,
        every_s: float = 2.0,
        once: bool = False,
        tell: Callable[[Watched], None] = lambda watched: None,
    ) -> None:
        """Watch until cancelled.

        Parameters
        ----------
        every_s : float
            Seconds between two looks.
        once : bool
            Do what is there and end; nothing is waited for.
        tell : callable
            Called for each recording that was done.
        """
        workspace = Workspace()
        pool = WorkerPool(
            workers=self.workers,
            queue=10_000,
            batch=4,
            timeout_s=self.timeout_s,
            arguments={"threads": 1, "memory_bytes": self.memory_bytes},
            workspace=workspace,
        )
        pool.start()
        try:
            while True:
                found = [files for files in self._recordings() if once or self._settled(files)]
                for start in range(0, len(found), 64):
                    part = found[start : start + 64]
                    for coming in asyncio.as_completed([self._one(pool, files) for files in part]):
                        watched = await coming
                        if watched is not None:
                            tell(watched)
                if once:
                    return
                await asyncio.sleep(every_s)
        finally:
            await pool.close()
            workspace.close()

    def _recordings(self) -> Iterator[list[Path]]:
        """Yield the files of each recording, the one to read first."""
        own = {self.output, self.dead_letters} - {None, self.folder}
        files = [
            path
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
            and not path.is_symlink()
            and not any(part.startswith(".") for part in path.relative_to(self.folder).parts)
            and not any(parent in own for parent in path.parents)
            and not path.name.endswith((*_ENDINGS.values(), ".part"))
        ]
        for first in without_sidecars(files):
            rest = [
                path
                for path in files
                if first.suffix == ".hea"
                and path != first
                and path.parent == first.parent
                and path.stem == first.stem
            ]
            yield [first, *rest]

    def _settled(self, files: list[Path]) -> bool:
        """Whether a recording has stopped changing and is not done already."""
        try:
            now = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
        except OSError:
            return False
        if self._done.get(files[0]) == now:
            return False
        before, since = self._seen.get(files[0], (None, 0.0))
        if before != now:
            self._seen[files[0]] = (now, time.monotonic())
            return self.settle_s <= 0
        if time.monotonic() - since < self.settle_s:
            return False
        self._done[files[0]] = now
        return True

    async def _one(self, pool: WorkerPool, files: list[Path]) -> Watched | None:
        first = files[0]
        try:
            content = await asyncio.to_thread(_hash_of, files)
            size = sum(path.stat().st_size for path in files)
        except OSError as error:
            return Watched(first, problem=Problem(422, "file-access", error.strerror or "?"))
        target = self._target(first, content)
        assert self.dead_letters is not None  # noqa: S101
        if target.exists() or (self.dead_letters / content[:16]).exists():
            return None
        if size > _LARGEST:
            result = Result(problem=Problem(413, "limit", f"it has more than {_LARGEST:,} bytes"))
        else:
            result = await self._asked(pool, first)
        if result.problem is not None and result.problem.status == _STOPPING:
            return None  # it is read after the next start
        if result.problem is not None and result.problem.status == _NO_ROOM:
            self._done.pop(first, None)  # the recording is not bad: it is tried again
            return Watched(first, problem=result.problem)
        try:
            # What has changed meanwhile is another recording, which is neither answered nor moved.
            if await asyncio.to_thread(_hash_of, files) != content:
                self._done.pop(first, None)
                words = "it has changed while it was read, and is read again when it is looked at"
                return Watched(first, problem=Problem(409, "changed", words))
            if result.problem is not None:
                return self._bury(files, content, result.problem)
            await asyncio.to_thread(write_whole, target, result.body)
        except EcgFoundryError as error:  # a full disk: it is tried again when there is room
            self._done.pop(first, None)
            return Watched(first, problem=problem_of(error))
        except OSError as error:  # it may not be moved, or is gone
            return Watched(first, problem=Problem(422, "file-access", error.strerror or "?"))
        return Watched(first, answer=target, is_refused=result.verdict == "refused")

    async def _asked(self, pool: WorkerPool, first: Path) -> Result:
        work = Work(
            "diagnose", str(first), first.name, self.options, self.model, self.lead, self.format
        )
        try:
            return await pool.submit(work)
        except ProblemError as error:
            return Result(problem=error.problem)

    def _target(self, first: Path, content: str) -> Path:
        folder = first.parent if self.output is None else self.output
        return folder / f"{first.stem}.{content[:16]}{_ENDINGS[self.format]}"

    def _bury(self, files: list[Path], content: str, problem: Problem) -> Watched:
        """Move a recording into the dead-letter folder, with the reason, in one step."""
        assert self.dead_letters is not None  # noqa: S101
        target = self.dead_letters / content[:16]
        with write_folder_atomically(target) as folder:
            for path in files:
                shutil.copy2(path, folder / path.name)
            write_json(folder / "reason.json", problem.to_dict(), indent=2)
        for path in files:
            path.unlink(missing_ok=True)
        return Watched(files[0], problem=problem)


def _hash_of(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(f"{path.suffix}\n".encode())
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
