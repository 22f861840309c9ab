"""The runtimes tell nobody anything: no identifier is written, nothing waits to be sent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import ecgfoundry
model = ecgfoundry.load_model("rhythm-single-lead", threads=1)
answer = model.interpret(ecgfoundry.read(ecgfoundry.sample_path("single-lead")))
assert answer.findings
"""


def test_an_answer_leaves_nothing_behind(tmp_path: Path) -> None:
    """ONNX Runtime from 1.29 on keeps a device identifier and a queue of events, unless told."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}
    # The library is silent on build servers, and this run must not pass for one.
    environment = {k: v for k, v in environment.items() if k not in ("CI", "GITHUB_ACTIONS")}
    environment |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", CODE], env=environment, check=True, timeout=300)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
