"""A PostgreSQL cluster of the tests' own: in a temporary folder, reached by a socket in it."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_VERSIONS = Path("/usr/lib/postgresql")


def _programs() -> Path:
    found = [Path(program).parent for program in [shutil.which("initdb")] if program]
    folders = [*found, *sorted(_VERSIONS.glob("*/bin"))]  # Debian's are not on the path
    folders = [folder for folder in folders if (folder / "initdb").exists()]
    if not folders:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return folders[-1]


class Cluster:
    """A running server."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs = folder, programs
        # PostgreSQL refuses to be run by root.
        self._user = "nobody" if os.getuid() == 0 else None
        if self._user is not None:
            found = pwd.getpwnam(self._user)
            os.chown(folder, found.pw_uid, found.pw_gid)

    def run(self, program: str, *words: str) -> None:
        """Run a program of PostgreSQL."""
        command = [str(self.programs / program), *words]
        if self._user is not None:
            command = ["setpriv", f"--reuid={self._user}", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr} {done.stdout}"

    def start(self) -> None:
        """Start the server."""
        settings = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c max_connections=200"
        log = str(self.folder / "log")
        data, patience = str(self.folder / "data"), ("-w", "-t", "900")
        self.run("pg_ctl", "-D", data, *patience, "-l", log, "-o", settings, "start")

    def stop(self) -> None:
        """Stop the server at once."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def new_database(self, encoding: str = "UTF8") -> str:
        """Make an empty database; return its address."""
        name = f"ecg_{secrets.token_hex(4)}"
        self.run(
            "createdb", "-h", str(self.folder), "-U", "ecg", "-E", encoding, "-T", "template0", name
        )
        return f"postgresql://ecg@/{name}?host={self.folder}"


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Start a cluster; it is gone with all its data in the end."""
    programs = _programs()
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root runs these tests and there is no setpriv: PostgreSQL refuses root")
    folder = Path(tempfile.mkdtemp(prefix="ecg-postgresql-", dir="/tmp"))
    try:
        cluster = Cluster(folder, programs)
        # The same whatever LANG is.
        words = ("-U", "ecg", "-A", "trust", "-N", "-E", "UTF8", "--locale", "C")
        cluster.run("initdb", "-D", str(folder / "data"), *words)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
