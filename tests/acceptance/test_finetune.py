"""The newcomer's case: a folder of WFDB records and a CSV become a model that 'diagnose' uses."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.training.small_data import age_table

from ecgfoundry.cli.main import main


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ecgfoundry", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip


@pytest.mark.slow
def test_two_hundred_records_and_their_ages(tmp_path: Path) -> None:
    table = age_table(tmp_path, 200)
    checked = command("manifest", "check", table, "--target", "age")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    started = time.monotonic()
    run = tmp_path / "age-model"
    done = command(
        "finetune", table, "--target", "age", "--output", run, "--epochs", "6", "--threads", "1"
    )
    assert done.returncode == 0, done.stderr
    print(f"fine-tuned in {time.monotonic() - started:.0f} s")  # shown with pytest -s
    answer = command("diagnose", tmp_path / "r003.hea", "--model", run / "bundle", "--json")
    assert answer.returncode == 0, answer.stderr
    finding = json.loads(answer.stdout)["findings"][0]
    assert finding["name"] == "age" and finding["unit"] == "years"
    assert finding["low"] < finding["value"] < finding["high"]
    assert finding["probability"] is None and finding["present"] is None
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    error, blind = metrics[0], metrics[1]
    assert error["name"] == "mean absolute error (years)" and "test split" in error["data"]
    assert error["value"] < 0.7 * blind["value"]  # better than always saying the mean
    for name in ("configuration.json", "environment.json", "data.json", "split.csv"):
        assert (run / name).is_file()
    shown = command("diagnose", tmp_path / "r003.hea", "--model", run / "bundle")
    assert "years" in shown.stdout
    # Started again, the finished run is not trained again and says the same.
    again = command(
        "finetune", table, "--target", "age", "--output", run, "--epochs", "6", "--threads", "1"
    )
    assert again.returncode == 0, again.stderr
    assert json.loads((run / "metrics.json").read_text())["metrics"] == metrics


@pytest.mark.slow
def test_embeddings_of_a_folder(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    table = age_table(tmp_path, 6)
    output = tmp_path / "e.parquet"
    done = command(
        "embed", table, "--model", "ptbxl-superclass-12lead", "--output", output, "--target", "age"
    )
    assert done.returncode == 0, done.stderr
    frame = polars.read_parquet(output)
    assert len(frame) == 6 and {"record", "patient", "target:age", "embedding"} <= set(
        frame.columns
    )
    assert np.stack(frame["embedding"].to_list()).std() > 0


def test_a_leak_stops_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = age_table(tmp_path, 4, rate=250.0)
    lines = table.read_text().splitlines()
    splits = ["train", "validation", "train", "test"]
    table.write_text(
        "\n".join(
            [lines[0] + ",split", *(f"{a},{s}" for a, s in zip(lines[1:], splits, strict=True))]
        )
    )
    for words, heard in (
        (("finetune", table, "--output", tmp_path / "run"), "one patient stands in the splits"),
        (("manifest", "check", table), "leak [patient-in-two-splits]"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words), "--target", "age"])
        said = capsys.readouterr()
        assert ended.value.code == 1 and heard in said.out + said.err
    assert not (tmp_path / "run").exists()
