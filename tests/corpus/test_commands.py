"""The commands as a user types them: synth, corpus build, verify, stats, copy, labs catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("polars")

from ecgfoundry.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *tokens: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(token) for token in tokens])
    output = capsys.readouterr()
    return int(stopped.value.code or 0), output.out, output.err


def test_from_nothing_to_a_checked_corpus(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    made, corpus, page = tmp_path / "mc-med", tmp_path / "corpus", tmp_path / "page.html"
    options = ("--visits", 12, "--minutes", 0.5, "--oracle-draws", 0, "--output", made)
    code, out, _ = run(capsys, "synth", "mc-med", *options)
    assert code == 0 and "SYNTHETIC" in out
    code, out, _ = run(capsys, "corpus", "build", made, "--output", corpus)
    assert code == 0 and "1 of 1 tasks were made now" in out
    code, out, _ = run(capsys, "corpus", "build", made, "--output", corpus)
    assert code == 0 and "0 of 1 tasks were made now" in out
    assert run(capsys, "corpus", "verify", corpus)[0] == 0
    code, out, _ = run(capsys, "corpus", "stats", corpus, "--json", "--report", page)
    assert code == 0 and json.loads(out)["synthetic"] is True
    assert "SYNTHETIC" in page.read_text()
    assert run(capsys, "corpus", "copy", corpus, f"file://{tmp_path}/copy")[0] == 0
    table = tmp_path / "catalogue.json"
    code, out, _ = run(
        capsys, "labs", "catalogue", made, "--minimum-patients", 1, "--output", table
    )
    assert code == 0 and "potassium" in out and "SARS-COV-2 RNA" in out
    assert {"indicator", "direction", "loinc", "enters"} <= set(json.loads(table.read_text())[0])
    shard = next(corpus.rglob("*.npy"))
    shard.write_bytes(shard.read_bytes()[:-1])
    code, _, err = run(capsys, "corpus", "verify", corpus)
    assert code == 1 and "bytes instead of" in err


def test_the_reviewed_catalogue_is_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    code, out, _ = run(capsys, "labs", "catalogue", "--output", tmp_path / "catalogue.csv")
    assert code == 0 and "indicators" in out
    assert (tmp_path / "catalogue.csv").read_text().startswith("name,display,specimen,loinc")


def test_a_wrong_source_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    code, _, err = run(capsys, "corpus", "build", tmp_path / "no.csv", "--output", tmp_path / "c")
    assert code == 1 and err.count("\n") == 1
    (tmp_path / "empty").mkdir()
    code, _, err = run(capsys, "corpus", "build", tmp_path / "empty", "--output", tmp_path / "c")
    assert code == 1 and "visits.csv" in err
