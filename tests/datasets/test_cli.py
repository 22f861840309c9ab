"""``ecgfoundry datasets`` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.datasets.layouts import SAMPLES, mitbih, ptbxl

from ecgfoundry.cli.main import main
from ecgfoundry.datasets import DATASETS, read_dataset
from ecgfoundry.datasets.base import rows_relative_to
from ecgfoundry.datasets.writing import stream_manifest
from ecgfoundry.manifest import ManifestRow, read_manifest, write_manifest


def run(*tokens: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(token) for token in tokens])
    return int(stop.value.code or 0)


def test_the_list_names_every_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("datasets", "list") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in DATASETS)
    assert run("datasets", "list", "ptbxl") == 0
    shown = capsys.readouterr().out
    assert "Option minimum_likelihood" in shown and "CC BY 4.0" in shown
    assert run("datasets", "list", "nothing") == 1
    assert "Known are: ptbxl" in capsys.readouterr().err


def test_a_folder_becomes_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = ptbxl(tmp_path / "ptb-xl")
    output, flow = tmp_path / "m.csv", tmp_path / "flow.json"
    code = run("datasets", "manifest", "ptbxl", sample.folder, "--output", output,
               "--option", "labels=sub", "--option", "minimum_likelihood=0",
               "--report", flow, "--croissant", tmp_path / "c.json")  # fmt: skip
    assert code == 0
    about = json.loads((tmp_path / "c.json").read_text())
    assert about["creator"]["name"] == "Wagner P, Strodthoff N, Bousseljot R-D, et al"
    assert about["distribution"][0]["contentUrl"] == "m.csv"
    told = capsys.readouterr()
    assert "3 of 4 recordings" in told.out
    assert "left out 1: file not there (1001" in told.err
    manifest = read_manifest(output)
    assert manifest.rows[0].path == "ptb-xl/records500/00000/00001_hr.hea"
    assert manifest.open(manifest.rows[0]).duration_s == 10
    assert json.loads(flow.read_text())["skipped"] == {"file not there": 1}


def test_a_manifest_elsewhere_points_back(tmp_path: Path) -> None:
    sample = mitbih(tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    output = tmp_path / "elsewhere" / "m.csv"
    marks = tmp_path / "elsewhere" / "rhythms.csv"
    code = run("datasets", "manifest", "mitbih", sample.folder, "--output", output,
               "--intervals", marks)  # fmt: skip
    assert code == 0
    manifest = read_manifest(output)
    assert manifest.open(manifest.rows[0]).duration_s == 60
    lines = marks.read_text().splitlines()
    assert lines[0] == "record,start_s,end_s,label" and len(lines) == 1 + sample.intervals


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("datasets", "manifest", "ptbxl", tmp_path, "--output", tmp_path / "m.csv") == 1
    assert "Give the folder that holds ptbxl_database.csv" in capsys.readouterr().err
    assert not (tmp_path / "m.csv").exists()
    code = run("datasets", "manifest", "ptbxl", tmp_path, "--output", tmp_path / "m.csv",
               "--option", "labels")  # fmt: skip
    assert code == 1
    assert "Write --option key=value" in capsys.readouterr().err


def test_streamed_and_collected_manifests_are_the_same_file(tmp_path: Path) -> None:
    for key in ("ptbxl", "mitbih", "cinc2017", "sph", "heedb v1"):
        name, make = SAMPLES[key]
        sample = make(tmp_path / key.replace(" ", "_"))
        rows = read_dataset(name, sample.folder).manifest.rows
        stream_manifest(tmp_path / "streamed.csv", iter(rows))
        write_manifest(tmp_path / "collected.csv", rows)
        assert read_manifest(tmp_path / "streamed.csv").rows == tuple(
            read_manifest(tmp_path / "collected.csv").rows
        ), key
    assert not list(tmp_path.glob(".*"))


def test_late_columns_and_failures_leave_no_ragged_file(tmp_path: Path) -> None:
    rows = [
        ManifestRow("a", "a.hea", targets={"one": 1.0}),
        ManifestRow("b", "b.hea", age=3.0, targets={"two": 0.0}),
    ]
    assert stream_manifest(tmp_path / "m.csv", rows) == 2
    lines = (tmp_path / "m.csv").read_text().splitlines()
    assert lines == ["record,path,age,target:one,target:two", "a,a.hea,,1.0,", "b,b.hea,3.0,,0.0"]

    def failing() -> object:
        yield rows[0]
        raise ValueError("the disk is full")

    with pytest.raises(ValueError, match="disk"):
        stream_manifest(tmp_path / "n.csv", failing())  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_paths_start_from_where_the_manifest_lies(tmp_path: Path) -> None:
    row = ManifestRow("a", "x/a.hea")
    below = list(rows_relative_to([row], source=tmp_path / "data", target=tmp_path))
    assert below[0].path == "data/x/a.hea"
    beside = list(rows_relative_to([row], source=tmp_path / "data", target=tmp_path / "out"))
    assert beside[0].path == (tmp_path / "data" / "x" / "a.hea").as_posix()


def test_targets_in_the_vocabulary_of_a_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = ptbxl(tmp_path / "ptb-xl")
    own, mapped = tmp_path / "own.csv", tmp_path / "mapped.csv"
    given = ("datasets", "manifest", "ptbxl", sample.folder)
    assert run(*given, "--output", own, "--option", "labels=diagnostic") == 0
    assert run(*given, "--output", mapped, "--option", "labels=diagnostic",
               "--vocabulary", "ptbxl-superclass") == 0  # fmt: skip
    before, after = read_manifest(own), read_manifest(mapped)
    assert set(after.target_names) <= {"NORM", "MI", "STTC", "CD", "HYP"}
    assert "NORM" in after.target_names and "NORM" in before.target_names
    for plain, row in zip(before.rows, after.rows, strict=True):
        assert (row.record, row.patient, row.path) == (plain.record, plain.patient, plain.path)
        assert row.targets["NORM"] == plain.targets["NORM"]
    assert run(*given, "--output", mapped, "--vocabulary", "nothing") == 1
    assert "there is no label map from 'scp-ecg' to 'nothing'" in capsys.readouterr().err
