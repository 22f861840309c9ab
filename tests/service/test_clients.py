"""The clients of docs/service.md, run as they stand there against a real server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

import ecgfoundry
from ecgfoundry.samples import sample_path

DOCS = Path(__file__).parents[2] / "docs" / "service.md"
pytestmark = pytest.mark.slow


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def test_python(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    signal = [[float(v) for v in ecgfoundry.read(sample_path("single-lead")).signal[0]]]
    signal[0][7] = None  # type: ignore[call-overload]
    exec(code, {"address": address, "signal": signal})
    assert capsys.readouterr().out.strip() == "['atrial fibrillation']"


def test_javascript(address: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine")
    header = sample_path("single-lead")
    files = [str(path) for path in sorted(header.parent.glob(f"{header.stem}.*"))]
    (code,) = blocks("js")
    script = tmp_path / "client.mjs"
    begin = code.index("const form")
    known = f"const files = {json.dumps(files)};\nconst address = {json.dumps(address)};\n"
    script.write_text(code[:begin] + known + code[begin:])
    run = subprocess.run([node, script], capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert "atrial fibrillation" in run.stdout


def test_curl(address: str, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl on this machine")
    header = sample_path("12-lead")
    for path in header.parent.glob(f"{header.stem}.*"):
        target = tmp_path / path.name
        shutil.copy(path, target)
    first = blocks("bash")[1].splitlines()[0].replace("http://127.0.0.1:8765", address)
    for ending in ("hea", "mat"):
        first = first.replace(f"ecg.{ending}", f"{header.stem}.{ending}")
    run = subprocess.run(  # the command as it stands in the page
        ["/bin/sh", "-c", first], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert json.loads(run.stdout)["model"] == "ptbxl-superclass-12lead"
