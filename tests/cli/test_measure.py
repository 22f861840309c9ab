"""``ecgfoundry measure``: table, CSV and JSON, and what is said of files that cannot be read."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.cli.main import main
from ecgfoundry.measurements.values import GLOBAL_VALUES
from ecgfoundry.schemas import schema_problems


def run(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    captured = capsys.readouterr()
    assert int(exit_info.value.code or 0) == code, captured.err
    return captured.out, captured.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An ECG of one lead at 75/min, a flat line, and a file that is none."""
    time = np.arange(5000) / 500.0
    x = sum(
        height * np.exp(-0.5 * ((time - beat - at) / width) ** 2)
        for beat in np.arange(0.5, 9.9, 0.8)
        for at, width, height in ((-0.16, 0.015, 0.12), (0, 0.012, 1.0), (0.3, 0.04, 0.3))
    )
    fields = {"leads": ["II"], "sampling_rate": 500.0, "unit": "mV"}
    np.savez(tmp_path / "a.npz", signal=np.asarray(x)[None], **fields)
    np.savez(tmp_path / "b.npz", signal=np.zeros((1, 5000)), **fields)
    (tmp_path / "c.hea").write_text("no header\n")
    return tmp_path


def test_csv_has_a_row_for_every_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(folder / name) for name in ("a.npz", "b.npz", "c.hea")]
    out, err = run(["measure", *files, "--csv"], capsys, code=1)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [Path(row["file"]).name for row in rows] == ["a.npz", "b.npz", "c.hea"]
    assert set(GLOBAL_VALUES) <= set(rows[0])
    assert float(rows[0]["heart_rate_bpm"]) == pytest.approx(75, abs=0.5)
    assert float(rows[0]["pr_ms"]) == pytest.approx(156, abs=12)
    assert rows[0]["qrs_axis_deg"] == ""  # one lead has no axis, and an empty cell is no 0
    assert rows[1]["refused"] == "flat"
    assert rows[1]["heart_rate_bpm"] == rows[1]["beats"] == ""
    assert rows[2]["error"]
    assert "1 measured, 1 refused, 1 failed" in err


def test_csv_of_leads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(["measure", str(folder / "a.npz"), "--csv", "--per-lead"], capsys)
    (row,) = csv.DictReader(io.StringIO(out))
    assert float(row["II_r_mv"]) == pytest.approx(1.0, abs=0.02)
    assert row["V1_r_mv"] == ""
    assert row["II_qrs_notched"] == "0"


def test_json_follows_the_schema(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(folder / name) for name in ("a.npz", "b.npz")]
    out, _ = run(["measure", *files, "--json"], capsys)
    first, second = (json.loads(line) for line in out.splitlines())
    assert not schema_problems("measurements", first)
    assert not schema_problems("measurements", second)
    assert first["file"] == files[0]
    assert len(first["beats"]) == 12
    assert second["refused"]["code"] == "flat"
    assert second["values"]["qrs_ms"] == {
        "value": None, "unit": "ms", "method": "", "reason": second["values"]["qrs_ms"]["reason"]
    }  # fmt: skip


def test_one_file_is_shown_in_full(
    fixtures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out, _ = run(["measure", str(fixtures / "philips" / "129DYPRG.xml")], capsys)
    # The file states 41/min, beside ours.
    (rate,) = (line.split() for line in out.splitlines() if "heart_rate_bpm" in line)
    assert float(rate[3]) == 41
    assert float(rate[1]) == pytest.approx(float(rate[3]), abs=1)
    assert "V6" in out
    assert "beats:" in out


def test_several_files_have_a_line_each(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out, err = run(["measure", str(folder / "a.npz"), str(folder / "b.npz")], capsys)
    (line,) = (line for line in out.splitlines() if "a.npz" in line)
    assert line.split()[1] == "75"
    assert "flat" in next(line for line in out.splitlines() if "b.npz" in line)
    assert "1 measured, 1 refused, 0 failed" in err


@pytest.mark.parametrize("arguments", [[], ["x.hea", "--csv", "--json"]])
def test_wrong_use_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    _, err = run(["measure", *arguments], capsys, code=2)
    assert err.startswith("ecgfoundry:")
