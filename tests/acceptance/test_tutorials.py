"""Each reader's tutorial runs as it is printed, in an empty folder, in at most ten commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.ports import free_port

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"

LEAVES = {
    "researcher": (
        "first.html", "ecgs/labels.csv", "measurements.csv", "run/bundle/bundle.json",
        "results/report.html", "results/metrics.csv", "why.html",
    ),
    "wearable": ("strip.txt", "firmware/ecg_model.h", "gateway/model.onnx"),
    "hospital": ("cart.dcm", "worklist.json", "answer.fhir.json", "report.pdf"),
    "machine-learning": (
        "corpus/corpus.json", "embeddings.parquet", "labs/bundle/bundle.json",
        "report/report.html",
    ),
}  # fmt: skip
"""Files that each tutorial says it makes."""
NEEDS = {
    "researcher": ("torch", "polars"),
    "wearable": (),
    "hospital": ("fastapi", "pynetdicom", "weasyprint"),
    "machine-learning": ("torch", "polars", "sklearn"),
}


def blocks(name: str) -> list[str]:
    text = (TUTORIALS / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(r"```bash\n(.*?)```", text, flags=re.S)


def test_every_tutorial_is_run_here_and_short() -> None:
    assert {path.stem for path in TUTORIALS.glob("*.md")} == set(LEAVES)
    for name in LEAVES:
        lines = [line for block in blocks(name) for line in block.splitlines()]
        commands = ("ecgfoundry", "make", "python", "curl", "storescu")
        assert 3 <= sum(line.startswith(commands) for line in lines) <= 10


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAVES)
def test_a_tutorial_runs_as_it_is_printed(name: str, tmp_path: Path) -> None:
    for module in NEEDS[name]:
        pytest.importorskip(module)
    if name == "wearable" and shutil.which("cc") is None:
        pytest.skip("no C compiler")
    if name == "hospital" and not (shutil.which("storescu") and shutil.which("curl")):
        pytest.skip("needs storescu (Debian: dcmtk) and curl")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = "set -euo pipefail\n" + "\n".join(blocks(name))
    for port in ("8765", "11112"):  # those of the page may be in use here
        script = script.replace(port, str(free_port()))
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1200,
    )  # fmt: skip
    print(f"{name}: {time.monotonic() - began:.0f} s")  # pytest -s shows it
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    if name == "researcher":  # people are split, and no two of them are taken for one
        assert re.search(r"ecgfoundry: 0 of the \d+ records trained this model", done.stderr)
    if name == "hospital":
        rows = json.loads((tmp_path / "worklist.json").read_text(encoding="utf-8"))["recordings"]
        assert len(rows) == 1
        bundle = json.loads((tmp_path / "answer.fhir.json").read_text(encoding="utf-8"))
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")
        assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    missing = [path for path in LEAVES[name] if not (tmp_path / path).is_file()]
    assert missing == []
