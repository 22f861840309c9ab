"""Fixtures for all tests; what needs data that are not here is skipped, with the reason."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# A deadline measures the machine, not the code, and so does "too slow". The same examples are
# drawn everywhere, so that a suite that is green is green; ECGFOUNDRY_RANDOM=1 draws others.
_SEARCH = bool(os.environ.get("ECGFOUNDRY_RANDOM"))
settings.register_profile(
    "default",
    deadline=None,
    derandomize=not _SEARCH,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")

REPOSITORY = Path(__file__).resolve().parents[1]
PLUGINS = REPOSITORY / "tests" / "plugins"


def _install_plugin() -> None:
    """Put ``tests/plugins`` on the path of this process, with the metadata that pip would write.

    Here and not in a fixture: tests are parametrized over the registries while they are collected.
    """
    project = tomllib.loads((PLUGINS / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = Path(tempfile.mkdtemp(prefix="ecgfoundry-plugin-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(points))
    sys.path[:0] = [str(folder), str(PLUGINS)]


_install_plugin()
# Collecting makes objects that stay: to search them for garbage takes a fifth of its time.
gc.disable()


def pytest_collection_finish() -> None:
    """Leave ten thousand tests and their libraries out of every later search for garbage."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of openly licensed data sets that is too large for the project."""
    folder = Path(os.environ.get("ECGFOUNDRY_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the data sets are not here: set ECGFOUNDRY_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="module")
def short_folder_of_ray() -> Iterator[None]:
    """Paths of sockets have at most 107 bytes: not below the long folder of the tests."""
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Small files that are part of the project."""
    return REPOSITORY / "tests" / "fixtures"


@pytest.fixture
def random_generator() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(20241101)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; skipped, with the reason, where it or playwright is not installed.

    One for each file: a second Playwright at the same time is refused, and so is a loop of events
    that a later test wants to run, as long as one is open.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium on this machine")
    with sync_api.sync_playwright() as play:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = play.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if not made or made.returncode:
        pytest.skip("this user may not mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
