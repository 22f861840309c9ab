"""What goes to an index: built from the source archive, and working in an empty environment."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("build", reason="the builder 'build' is not installed")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LARGEST_WHEEL = 25 * 1024 * 1024
"""Bytes: what all shipped models together may weigh in the wheel."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with an sdist and the wheel that was made from it."""
    folder = tmp_path_factory.mktemp("package")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_the_wheel_holds_every_file_of_the_package(built: Path) -> None:
    # What git tracks is what a wheel must hold; the compiled kernels come in addition.
    listed = subprocess.run(
        ["git", "ls-files", "src/ecgfoundry"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    wheel = only(built, "*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.removeprefix("src/") for name in listed} <= names
    outside = {name.split("/")[0] for name in names} - {"ecgfoundry"}
    assert outside == {"ecgfoundry-0.1.0.dist-info"}
    assert wheel.stat().st_size < LARGEST_WHEEL


def test_the_source_archive_brings_what_builds_and_what_a_reader_needs(built: Path) -> None:
    with tarfile.open(only(built, "*.tar.gz")) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = {"LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "hatch_build.py", "pyproject.toml"}
    assert wanted <= names


def test_an_index_takes_the_description(built: Path) -> None:
    pytest.importorskip("twine", reason="the checker 'twine' is not installed")
    files = [str(path) for path in built.iterdir()]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel knows Linux only")
def test_the_compiled_wheel_runs_on_old_linux_systems(built: Path) -> None:
    pytest.importorskip("auditwheel", reason="the checker 'auditwheel' is not installed")
    wheel = only(built, "*.whl")
    if wheel.name.endswith("-any.whl"):
        pytest.skip("no C compiler here: the wheel is a pure one")
    done = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # glibc 2.17 of the year 2012 is enough.
    assert f"manylinux_2_17_{wheel.stem.split('linux_')[-1]}" in " ".join(done.stdout.split())


def interpreters() -> dict[str, str]:
    """The Pythons that are said to work and are on this machine, by their version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = " ".join(project["classifiers"])
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    for version in re.findall(r"Python :: (3\.\d+)", named):
        others = Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python")
        path = shutil.which(f"python{version}") or next(map(str, others), None)
        if path is not None:
            found.setdefault(version, path)
    return found


@pytest.mark.parametrize("version", interpreters())
def test_the_wheel_answers_in_an_empty_environment(
    built: Path, tmp_path: Path, version: str
) -> None:
    made = subprocess.run(
        [interpreters()[version], "-m", "venv", str(tmp_path / "empty")], capture_output=True
    )
    if made.returncode:
        pytest.skip(f"the Python {version} of this machine makes no environments")
    python = tmp_path / "empty" / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", str(only(built, "*.whl"))],
        check=True,
        timeout=900,
    )
    done = subprocess.run(
        [str(python), "-m", "ecgfoundry", "diagnose", "sample:12-lead", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["model"] == "ptbxl-superclass-12lead"
    assert answer["refused"] is None
