"""The folder for what is being read: one for each process, gone with it.

Every service has a folder of its own below one root, and holds a lock in it. The system lets go of
the lock however the process ends, so the next service finds folders that nobody holds, and removes
them with the patients' files that are left in them.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import tempfile
from pathlib import Path

from ecgfoundry.errors import EcgFoundryError, ServiceError
from ecgfoundry.io import write_error
from ecgfoundry.locks import locked

__all__ = ["DataFolder", "Workspace"]

_LOCK = ".lock"
_TAKEN = ServiceError("another process works in this folder")


def default_root() -> Path:
    """Return the root of this user's folders, which nobody else may enter."""
    user = str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
    root = Path(tempfile.gettempdir()) / f"ecgfoundry-{user}"
    with contextlib.suppress(FileExistsError):
        root.mkdir(mode=0o700)
    found = root.lstat()
    own = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not own or root.is_symlink() or (os.name == "posix" and found.st_mode & 0o077):
        raise ServiceError(
            "the folder for temporary files belongs to others, or others may enter it",
            path=root,
            remedy=f"Remove {root}, or set TMPDIR to a folder of this service alone",
        )
    return root


class Workspace:
    """A place for temporary files that does not outlive its process by more than a restart.

    Parameters
    ----------
    root : Path, optional
        Shared by the services of one user; by default in the system's folder for temporary files.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._own: Path | None = None
        self._held = contextlib.ExitStack()

    @property
    def root(self) -> Path:
        """The folder in which every service has its own."""
        if self._root is None:
            self._root = default_root()
        return self._root

    def start(self) -> int:
        """Make this process's folder; return how many of dead processes were removed."""
        if self._own is not None:
            return 0
        removed = self.sweep()
        # Locked under a name that no sweep looks at, so that none takes it for abandoned.
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
        self._held.enter_context(locked(new / _LOCK, _TAKEN))
        self._own = new.rename(new.with_name(f"service-{new.name.removeprefix('.new-')}"))
        return removed

    def sweep(self) -> int:
        """Remove the folders of processes that are gone."""
        removed = 0
        for folder in self.root.glob("service-*"):
            with contextlib.suppress(EcgFoundryError, OSError):
                with locked(folder / _LOCK, _TAKEN):
                    shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        return removed

    def folder(self, purpose: str) -> Path:
        """Return a new folder, for its owner only.

        Raises
        ------
        DiskFullError, FileAccessError
        """
        try:
            self.start()
            assert self._own is not None  # noqa: S101
            return Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=self._own))
        except OSError as error:
            raise write_error(error, self._own or self.root) from None

    def close(self) -> None:
        """Remove this process's folder."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self._own = None
        self._held.close()


class DataFolder:
    """The folder for what outlives a process: the database, unless it is elsewhere, and the blobs.

    Parameters
    ----------
    chosen : Path or None
        None: one for each port below the root of the workspace, which a restart of the machine may
        clear; where another service has the same port, one that ends with this process.
    workspace : Workspace
    port : int
    """

    def __init__(self, chosen: Path | None, workspace: Workspace, port: int) -> None:
        self._chosen, self._workspace, self._port = chosen, workspace, port
        self._held = contextlib.ExitStack()
        self.alone = False
        """Whether no other process of this machine works here."""

    def open(self) -> Path:
        """Make the folder, and try to have it alone; return it."""
        if self._chosen is not None:
            self._chosen.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take(self._chosen)
            return self._chosen
        if self._port:
            folder = self._workspace.root / f"port-{self._port}"
            folder.mkdir(mode=0o700, exist_ok=True)
            self._take(folder)
            if self.alone:
                return folder
        self.alone = True
        return self._workspace.folder("data")

    def _take(self, folder: Path) -> None:
        with contextlib.suppress(ServiceError):
            self._held.enter_context(locked(folder / _LOCK, _TAKEN))
            self.alone = True

    def close(self) -> None:
        """Let go of the folder."""
        self._held.close()
        self.alone = False
