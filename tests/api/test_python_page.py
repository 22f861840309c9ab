"""The code on docs/python.md runs as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("polars")
pytest.importorskip("sklearn")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


@pytest.mark.slow
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    time = np.arange(2000) / 200
    signal = generator.normal(0, 0.01, (60, 1, 2000))
    for k in range(60):
        phase = (time + generator.uniform(0, 0.8)) % 0.8
        signal[k, 0] += np.exp(-(((phase - 0.2) / 0.02) ** 2))
        signal[k, 0] += (k % 2) * 0.7 * np.exp(-(((phase - 0.55) / 0.05) ** 2))
    np.save(tmp_path / "x.npy", signal.astype(np.float32))
    side = {"leads": ["I"], "sampling_rate": 200, "unit": "mV"}
    (tmp_path / "x.json").write_text(json.dumps(side))
    lines = ["path,index,patient,late", *(f"x.npy,{k},p{k},{k % 2}" for k in range(60))]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert (tmp_path / "noisy.svg").is_file()
    assert (tmp_path / "measured" / "report.html").is_file()
    assert set(names["classifier"].predict(names["recordings"])) == {"late", "plain"}
