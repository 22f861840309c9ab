"""The steps of deploy/Containerfile, taken from it and run one by one in an empty environment."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_port
from tests.service.waiting import until

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")
pytest.importorskip("build", reason="the builder 'build' is not installed")
httpx = pytest.importorskip("httpx2", reason="the client 'httpx2' is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a container's steps are of Linux"),
]

ROOT = Path(__file__).parents[2]
SECRET = "of-the-container-0123456789abcdef"
NO_INDEX = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ProxyError")


@dataclass(frozen=True)
class Recipe:
    """What the file says: its instructions, and the commands printed in its first comment."""

    text: str

    def printed(self, words: str) -> str:
        """Return the one printed command with these words."""
        lines = [line[1:] for line in self.text.splitlines() if line.startswith("#")]
        commands = "\n".join(lines).replace("\\\n", " ").splitlines()
        (found,) = [line.strip() for line in commands if line.startswith("   ") and words in line]
        return found

    def instructions(self, name: str) -> list[str]:
        """Return every instruction of a name, without it."""
        lines = [line for line in self.text.splitlines() if not line.startswith("#")]
        joined = "\n".join(lines).replace("\\\n", " ")
        return re.findall(rf"^{name} (.*)$", joined, re.MULTILINE)

    def only(self, name: str) -> str:
        """Return the one instruction of a name."""
        (found,) = self.instructions(name)
        return found


def reachable(path: Path) -> bool:
    """Whether any user may run what lies there."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def base_python() -> str:
    """Return a Python that the user of the container may run: it owns nothing here."""
    candidates = [Path(sys.base_prefix, "bin", "python3"), Path("/usr/bin/python3")]
    for candidate in candidates:
        if candidate.exists() and (os.geteuid() or reachable(candidate)):
            asked = [
                str(candidate),
                "-c",
                "import ensurepip, sys; print(sys.version_info >= (3, 11))",
            ]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            if done.stdout.strip() == "True":
                return str(candidate)
    pytest.skip("no Python from 3.11 that another user may run")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A root for what the recipe has at /: pytest's own folders are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="ecgfoundry-container-", dir="/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        for folder in ("wheels", "data", "tmp", "secrets"):
            (place / folder).mkdir()
        yield place


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe((ROOT / "deploy" / "Containerfile").read_text())


def shell(command: str, place: Path, *first: Path) -> None:
    path = os.pathsep.join([*(str(folder) for folder in first), os.environ["PATH"]])
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # No bytecode of what the service never imports; pip takes the value for that of "compile".
    env |= {"PATH": path, "PIP_NO_COMPILE": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    ran = ["bash", "-e", "-o", "pipefail", "-c", command]
    done = subprocess.run(ran, cwd=place, env=env, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode and any(word in said for word in NO_INDEX):
        pytest.skip("no package index is reached from here")
    assert done.returncode == 0, f"{command}\n{said[-3000:]}"


@pytest.fixture(scope="module")
def installed(recipe: Recipe, place: Path) -> Path:
    """Return bin/ of an environment into which the recipe has installed the wheels."""
    ours = Path(sys.executable).parent
    shell(f"{recipe.printed('-m build')} {shlex.quote(str(ROOT))}", place, ours)
    base = base_python()
    asked = [base, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    download = recipe.printed("pip download")
    image = re.search(r"python:([\d.]+)-slim", recipe.only("FROM"))
    assert image is not None and f"--python-version {image[1]} " in download
    (place / "constraints.txt").write_text((ROOT / "constraints.txt").read_text())
    download = download.replace(f"--python-version {image[1]}", f"--python-version {version}")
    shell(download, place, ours)
    shell(f"{base} -m venv usr", place)
    assert recipe.only("COPY") == "wheels /wheels"
    (install,) = [run for run in recipe.instructions("RUN") if "pip install" in run]
    before, _, after = install.partition(" && rm -rf /wheels && ")
    shell(before.replace("/wheels", str(place / "wheels")), place, place / "usr" / "bin")
    # What follows adds a user and a folder of its own; here the number is enough.
    number = int(recipe.only("USER"))
    assert f"useradd --uid {number} " in after
    assert after.endswith(f"--mode 0700 {recipe.only('VOLUME')}")
    for folder in ("data", "tmp"):
        (place / folder).chmod(0o700)
        if os.geteuid() == 0:
            os.chown(place / folder, number, number)
    tokens = place / "secrets" / "tokens"
    tokens.write_text(f"{SECRET} owner=ward-3 role=write\n")
    tokens.chmod(0o444)
    subprocess.run(["chmod", "-R", "a-w", str(place / "usr")], check=True)
    return place / "usr" / "bin"


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what lies below a folder, with times of change and sizes."""
    found = ((path, path.lstat()) for path in folder.rglob("*"))
    return {
        str(path): (state.st_mtime_ns, state.st_size)
        for path, state in found
        if not stat.S_ISDIR(state.st_mode)
    }


def waited(check: list[str], process: subprocess.Popen[bytes], **options: Any) -> None:
    def healthy() -> bool:
        assert process.poll() is None, "the service has ended"
        return not subprocess.run(check, capture_output=True, check=False, **options).returncode

    until(healthy, "the health check of the recipe", 0.5)


def echoed(port: int) -> bool:
    """Ask the image's receiver of DICOM whether it is there (C-ECHO)."""
    pynetdicom = pytest.importorskip("pynetdicom", reason="the extra 'hospital' is not installed")
    entity = pynetdicom.AE("CART")
    entity.add_requested_context("1.2.840.10008.1.1")  # Verification
    association = entity.associate("127.0.0.1", port, ae_title="ECG")
    assert association.is_established
    status = association.send_c_echo()
    association.release()
    return bool(status.Status == 0x0000)


def test_the_recipe_gives_a_service_that_answers_and_ends(
    recipe: Recipe, installed: Path, place: Path
) -> None:
    port = free_port()

    def here(words: str) -> list[str]:
        lies = {"/data": place / "data", "/run/secrets/tokens": place / "secrets" / "tokens"}
        return [str(lies.get(word, word)).replace("8765", str(port)) for word in json.loads(words)]

    env = dict(pair.split("=", 1) for pair in recipe.instructions("ENV"))
    env |= {"PATH": f"{installed}:/usr/bin:/bin", "TMPDIR": str(place / "tmp"), "HOME": "/nowhere"}
    user: dict[str, Any] = {"cwd": "/", "env": env}
    if os.geteuid() == 0:
        number = int(recipe.only("USER"))
        user |= {"user": number, "group": number, "extra_groups": []}
    command = [*here(recipe.only("ENTRYPOINT")), "--port", str(port)]
    command += ["--allowed-host", "127.0.0.1", "--workers", "1"]
    receiver = free_port()
    hospital = place / "hospital.toml"
    hospital.write_text(
        f'[receivers.dicom]\nport = {receiver}\ntitles = ["ECG"]\ncallers = {{ "*" = "carts" }}\n'
    )
    hospital.chmod(0o444)
    command += ["--hospital", str(hospital)]
    before = files(place / "usr")
    log = (place / "log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, **user)
    try:
        check = recipe.only("HEALTHCHECK").partition("CMD ")[2]
        waited(here(check), process, **user)
        url = f"http://127.0.0.1:{port}"
        assert json.load(urllib.request.urlopen(f"{url}/health"))["status"] == "ok"
        samples = sorted((ROOT / "src" / "ecgfoundry" / "samples").glob("JS20000.*"))
        uploaded = [("file", (path.name, path.read_bytes())) for path in samples]
        bearer = {"Authorization": f"Bearer {SECRET}"}
        assert httpx.post(f"{url}/v1/recordings", files=uploaded).status_code == 401
        kept = httpx.post(f"{url}/v1/recordings", files=uploaded, headers=bearer, timeout=300)
        assert kept.status_code == 201, kept.text
        answer = httpx.post(f"{url}/v1/diagnose", files=uploaded, headers=bearer, timeout=240)
        assert answer.status_code == 200, answer.text
        assert echoed(receiver)
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) in (0, -signal.SIGTERM), (place / "log").read_text()[-3000:]
    finally:
        process.kill()
        process.wait()
        log.close()
    # It wrote to the volume, left nothing in /tmp, and nothing beside its own program.
    assert files(place / "data") and not files(place / "tmp")
    assert files(place / "usr") == before
    assert SECRET not in (place / "log").read_text()
