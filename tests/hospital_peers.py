"""The systems of a hospital, started by the tests on free loopback ports; skipped where missing."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

__all__ = ["Orthanc", "orthanc", "peer", "wait_for_port"]

_PLUGINS = Path("/usr/share/orthanc/plugins")


def peer(program: str, package: str) -> str:
    """Return the path of a program of the system, or skip the test and say what to install.

    Not the first in PATH: pynetdicom brings programs of the names of dcmtk's, and tests itself.
    """
    path = shutil.which(program, path="/usr/local/bin:/usr/bin:/usr/sbin")
    if path is None:
        pytest.skip(f"{program} is not here (Debian package {package})")
    return path


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 600.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"the peer ended with {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing listens on port {port}")


@dataclass(frozen=True)
class Orthanc:
    """A running PACS."""

    dicom_port: int
    http_port: int

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=300) as f:
            return json.load(f)

    def post(self, path: str, body: bytes) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", body)
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)

    def file(self, instance: str) -> bytes:
        address = f"http://127.0.0.1:{self.http_port}/instances/{instance}/file"
        with urllib.request.urlopen(address, timeout=300) as answer:
            return bytes(answer.read())

    @property
    def stow(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web/studies"

    def studies(self) -> dict[str, dict[str, str]]:
        """Study UID -> modality -> instance."""
        found: dict[str, dict[str, str]] = {}
        for study in self.get("/studies"):
            about = self.get(f"/studies/{study}")
            series = [self.get(f"/series/{one}") for one in about["Series"]]
            found[about["MainDicomTags"]["StudyInstanceUID"]] = {
                one["MainDicomTags"]["Modality"]: one["Instances"][0] for one in series
            }
        return found


@contextmanager
def orthanc(
    folder: Path, modalities: dict[str, list[Any]] | None = None, worklist: Path | None = None
) -> Iterator[Orthanc]:
    """Start Orthanc with its DICOMweb plugin, or with a folder of entries as a worklist."""
    program = peer("Orthanc", "orthanc")
    running = Orthanc(free_port(), free_port())
    settings = {
        "Name": "test", "DicomAet": "ORTHANC",
        "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
        "HttpPort": running.http_port, "DicomPort": running.dicom_port,
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True, "DicomModalities": modalities or {},
        "Plugins": [str(path) for path in _PLUGINS.glob("libOrthancDicomWeb*.so")],
    }  # fmt: skip
    if worklist is not None:
        plugins = [str(path) for path in _PLUGINS.glob("libModalityWorklists*.so")]
        if not plugins:
            pytest.skip("Orthanc's plugin for worklists is not here (Debian package orthanc)")
        settings["Plugins"] = plugins
        settings["Worklists"] = {"Enable": True, "Database": str(worklist)}
        settings["DicomAlwaysAllowFindWorklist"] = True
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            wait_for_port(running.http_port, process)
            wait_for_port(running.dicom_port, process)
            yield running
        finally:
            process.terminate()
            process.wait(timeout=300)
