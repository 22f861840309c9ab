"""Corpora in object stores: fetched into a local cache, checked, and copied out task by task.

Any URL that fsspec knows (``s3://``, ``gs://``, ``az://`` …; the driver of the store has to be
installed). A shard is fetched whole when its first segment is asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecgfoundry.corpus import layout
from ecgfoundry.corpus.shards import shard_shape
from ecgfoundry.errors import DownloadError, IntegrityError, MissingExtraError
from ecgfoundry.io import sha256_of, write_atomically

__all__ = ["Cache", "copy_corpus", "is_url", "open_cache"]


def is_url(path: str | Path) -> bool:
    """Whether it names something that is not in the local file system."""
    return "://" in str(path)


def _file_system(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise MissingExtraError.for_extra("a corpus at a URL", "data") from None
    try:
        system, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise DownloadError(
            f"the URL cannot be opened ({error})",
            path=url,
            remedy="Install the fsspec driver of this store, for example: pip install s3fs",
        ) from None
    return system, root.rstrip("/")


def _default_cache(url: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    name = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    return Path(base) / "ecgfoundry" / "corpora" / name


class Cache:
    """What has been fetched of one corpus; files appear whole and checked, or not at all."""

    def __init__(self, url: str, root: Path) -> None:
        self.url = url
        self.root = root
        self._checks: dict[str, layout.FileEntry] = {}

    def fetch(self, name: str, *, anew: bool = False) -> Path:
        """Return a file of the corpus, fetched if it is not here yet, or ``anew``.

        Raises
        ------
        CorpusError, DownloadError, IntegrityError
        """
        layout.check_name(name, self.url)
        target = self.root / name
        entry = self._checks.get(name)
        if not anew and _is_here(target, entry):
            return target
        system, root = _file_system(self.url)
        target.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(target) as part:
            try:
                system.get_file(f"{root}/{name}", str(part))
            except Exception as error:  # each driver has exceptions of its own
                raise DownloadError(
                    f"'{name}' cannot be fetched ({type(error).__name__}: {error})", path=self.url
                ) from None
            if entry is not None:
                _check(part, entry, f"{self.url}/{name}")
        return target

    def load(self) -> None:
        """Fetch the document, the commits, the index and the record table."""
        # The document may have changed. The former stays until then: others may be reading it.
        document = layout.read_document(self.fetch(layout.DOCUMENT, anew=True))
        digest = hashlib.sha256()
        for number in range(int(document["tasks"])):
            name = f"{layout.COMMITS}/{layout.task_name(number)}.json"
            commit = layout.read_commit(self.fetch(name))
            digest.update(layout.json_bytes(commit))
            self._checks.update(commit["files"])
        if digest.hexdigest() != document["commits_sha256"]:
            for number in range(int(document["tasks"])):
                self._forget(number)
            raise IntegrityError(
                "the commits are not those of the document",
                path=self.url,
                remedy="Open it again; if it stays so, verify the corpus at its source",
            )
        for name in self._checks:
            if not name.startswith(f"{layout.SHARDS}/"):
                self.fetch(name)

    def _forget(self, number: int) -> None:
        """Remove a task: another corpus stands at the URL now, whose shards may be as large."""
        commit = self.root / layout.COMMITS / f"{layout.task_name(number)}.json"
        if commit.is_file():
            for name in layout.read_commit(commit)["files"]:
                self.root.joinpath(name).unlink(missing_ok=True)
                self._checks.pop(name, None)
            commit.unlink()


def _is_here(path: Path, entry: layout.FileEntry | None) -> bool:
    return path.is_file() and (entry is None or path.stat().st_size == entry["bytes"])


def _check(path: Path, entry: layout.FileEntry, name: str) -> None:
    digest = entry.get("sha256")  # tables have one; a shard is checked against its index
    right = digest is None or sha256_of(path) == digest
    if path.stat().st_size != entry["bytes"] or not right:
        raise IntegrityError("does not have the recorded size and hash", path=name)
    if digest is None:
        shard_shape(path)


def open_cache(url: str, folder: str | Path | None) -> Cache:
    """Return the cache of a corpus at a URL, with its index.

    Raises
    ------
    DownloadError, IntegrityError, MissingExtraError
    """
    cache = Cache(url, Path(folder) if folder is not None else _default_cache(url))
    cache.root.mkdir(parents=True, exist_ok=True)
    cache.load()
    return cache


def copy_corpus(
    source: Path, url: str, *, progress: Callable[[int, int], None] | None = None
) -> int:
    """Copy a finished corpus to a URL; what was copied of this very corpus is left.

    The commit of a task says by hashes what its files hold. Under another commit they are of
    another corpus, or of an earlier build, whatever their size.

    Returns
    -------
    int
        Files that were copied. The document goes last, and goes first where another corpus is
        replaced, so a reader never sees half of one.

    Raises
    ------
    CorpusError, DownloadError, MissingExtraError
    """
    path = source / layout.DOCUMENT
    if not path.is_file():
        raise layout.no_corpus(source)
    plans = [f"{layout.PLANS}/{p.name}" for p in sorted((source / layout.PLANS).iterdir())]
    tasks = [
        f"{layout.COMMITS}/{layout.task_name(number)}.json"
        for number in range(int(layout.read_document(path)["tasks"]))
    ]
    files = {task: [*layout.read_commit(source / task)["files"], task] for task in tasks}
    store = _Store(source, url)
    total = len(plans) + sum(map(len, files.values())) + 1
    copied = position = 0

    def put(name: str, *, anew: bool) -> None:
        nonlocal copied, position
        copied += store.put(name, anew=anew)
        position += 1
        if progress is not None:
            progress(position, total)

    other = [task for task in tasks if not store.holds(task)]
    if other:
        store.remove(layout.DOCUMENT)
    for name in plans:
        put(name, anew=not store.holds(name))
    for task in tasks:
        # Without a commit a copy of this corpus may have been cut off, or one of another.
        if anew := task in other:
            store.remove(task)
        for name in files[task]:
            put(name, anew=anew)
    put(layout.DOCUMENT, anew=True)
    return copied


class _Store:
    """Files of a corpus on their way to a URL."""

    def __init__(self, source: Path, url: str) -> None:
        self.source, self.url = source, url
        self.system, self.root = _file_system(url)

    def holds(self, name: str) -> bool:
        """Whether a small file is there with the same content."""
        target = f"{self.root}/{name}"
        with self._told(name):
            if not self.system.exists(target):
                return False
            return bool(self.system.cat_file(target) == (self.source / name).read_bytes())

    def put(self, name: str, *, anew: bool) -> bool:
        """Copy a file, or, not ``anew``, only if none of its size is there; return whether."""
        file, target = self.source / name, f"{self.root}/{name}"
        with self._told(name):
            there = not anew and self.system.exists(target)
            if there and self.system.info(target)["size"] == file.stat().st_size:
                return False
            self.system.makedirs(target.rpartition("/")[0], exist_ok=True)
            self.system.put_file(str(file), target)
        return True

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        target = f"{self.root}/{name}"
        with self._told(name):
            if self.system.exists(target):
                self.system.rm_file(target)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each driver has exceptions of its own
            raise DownloadError(
                f"'{name}' cannot be copied ({type(error).__name__}: {error})", path=self.url
            ) from None
