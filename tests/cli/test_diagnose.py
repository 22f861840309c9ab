"""The command line: what programs get, what people get, and the report."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from ecgfoundry.cli.main import main
from ecgfoundry.schemas import schema_problems


def run(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    captured = capsys.readouterr()
    assert int(exit_info.value.code or 0) == code, captured.err
    return captured.out


def test_json_follows_the_schema_and_lists_every_target(fixtures: Path, capsys) -> None:
    path = fixtures / "cinc2021" / "JS20000.hea"
    (line,) = run(["diagnose", str(path), "--json"], capsys).splitlines()
    document = json.loads(line)
    assert not schema_problems("interpretation", document)
    assert document["file"] == str(path) and document["refused"] is None
    assert document["model"] == "ptbxl-superclass-12lead"
    assert document["runtime"].startswith("onnxruntime")
    assert [f["name"] for f in document["findings"]] == ["NORM", "MI", "STTC", "CD", "HYP"]
    assert all(
        f["threshold"] is not None and f["present"] is not None for f in document["findings"]
    )


def test_csv_has_a_row_per_finding(fixtures: Path, capsys) -> None:
    text = run(["diagnose", str(fixtures / "cinc2017"), "--csv"], capsys)
    rows = list(csv.DictReader(io.StringIO(text)))
    # The statements of the criteria come after the findings of the network.
    rows = [row for row in rows if not row["decided_by"]]
    assert len(rows) == 2 * 4
    assert {row["finding"] for row in rows} == {
        "normal", "atrial fibrillation", "other rhythm", "noisy",
    }  # fmt: skip
    assert sum(row["present"] in ("True", "true", "1", "yes") for row in rows) == 2


def test_a_lead_and_a_model_can_be_named(fixtures: Path, capsys) -> None:
    path = str(fixtures / "cinc2021" / "JS20000.hea")
    out = run(["diagnose", path, "--lead", "v2", "--model", "rhythm-single-lead", "--json"], capsys)
    assert json.loads(out)["leads_used"] == ["V2"]
    run(["diagnose", path, "--lead", "V9", "--json"], capsys, code=1)


def test_leads_units_and_rate_can_be_supplied(tmp_path: Path, capsys) -> None:
    import numpy as np

    time = np.arange(4000) / 400
    x = 1000 * np.exp(-0.5 * (((time % 0.8) - 0.4) / 0.02) ** 2)
    np.save(tmp_path / "bare.npy", x[None].astype(np.float32))
    out = run(
        ["diagnose", str(tmp_path / "bare.npy"), "--leads", "DI", "--unit", "uV",
         "--sampling-rate", "400", "--json"],
        capsys,
    )  # fmt: skip
    document = json.loads(out)
    assert document["leads_used"] == ["I"] and document["duration_s"] == 10
    assert document["quality"]["leads"]["I"]["amplitude_mv"] == pytest.approx(1.0, abs=0.1)


def test_the_table_and_the_report(fixtures: Path, tmp_path: Path, capsys) -> None:
    report = tmp_path / "deep" / "report.html"
    out = run(
        ["diagnose", "sample:12-lead", "sample:single-lead", str(fixtures / "mitdb"),
         "--report", str(report)],
        capsys,
    )  # fmt: skip
    assert "NORM" in out and "atrial fibrillation" in out
    assert "Not a medical device" in out
    html = report.read_text(encoding="utf-8")
    assert html.count("<svg") >= 3 and "25 mm/s" in html and "10 mm/mV" in html
    assert "Not a medical device" in html
    assert not list(report.parent.glob("*.part"))


def test_no_file_is_wrong_usage(capsys) -> None:
    run(["diagnose"], capsys, code=2)


def test_models_commands(capsys) -> None:
    listed = run(["models", "list"], capsys)
    assert "rhythm-single-lead" in listed and "ecgfounder-12lead" in listed
    assert "Not a medical device" in run(["models", "show", "rhythm-single-lead"], capsys)
    assert "hashes agree" in run(["models", "verify", "rhythm-single-lead"], capsys)
    run(["models", "verify", "nothing"], capsys, code=1)


def test_formats_are_listed(capsys) -> None:
    assert "wfdb" in run(["formats"], capsys)


def test_fhir_has_nothing_that_the_standard_lacks(tmp_path: Path, capsys) -> None:
    resources = pytest.importorskip("fhir.resources.R4B")
    broken = tmp_path / "broken.edf"
    broken.write_bytes(b"0       " + b"\0" * 300)
    for path, code in (("sample:single-lead", 0), (str(broken), 1)):
        said = run(["diagnose", path, "--fhir"], capsys, code=code)
        resources.get_fhir_model_class("Bundle").model_validate_json(said)


@pytest.mark.slow
def test_fhir_is_a_transaction_per_file(fixtures: Path, tmp_path: Path, capsys) -> None:
    path = fixtures / "cinc2021" / "JS20000.hea"
    broken = tmp_path / "broken.edf"
    broken.write_bytes(b"0       " + b"\0" * 300)
    lines = run(["diagnose", str(path), str(broken), "--fhir"], capsys, code=1).splitlines()
    answered, refused = (json.loads(line) for line in lines)
    assert (answered["resourceType"], answered["type"]) == ("Bundle", "transaction")
    texts = {e["resource"].get("code", {}).get("text") for e in answered["entry"]}
    assert {"EKG study", "heart rate", "QRS duration", "sinus tachycardia"} <= texts
    assert refused["entry"][0]["resource"]["status"] == "cancelled"
    run(["diagnose", str(path), "--fhir", "--json"], capsys, code=2)
    run(["diagnose", str(path), "--patient", "7", "--json"], capsys, code=2)
    said = ["--patient", "4711", "--patient-system", "https://hospital.example/mrn"]
    document = json.loads(run(["diagnose", str(path), "--fhir", *said], capsys))
    (person,) = (
        e["resource"] for e in document["entry"] if e["resource"]["resourceType"] == "Patient"
    )
    assert person["identifier"] == [{"system": "https://hospital.example/mrn", "value": "4711"}]


@pytest.mark.slow
def test_an_earlier_recording_a_pdf_and_a_painted_statement(
    fixtures: Path, tmp_path: Path, capsys
) -> None:
    pytest.importorskip("weasyprint")
    path = str(fixtures / "cinc2021" / "JS20000.hea")
    report = tmp_path / "report.pdf"
    arguments = ["diagnose", path, "--earlier", path, "--report", str(report)]
    out = run([*arguments, "--highlight", "ST DEPRESSION"], capsys)
    # Against itself nothing has changed.
    assert "Compared with earlier (unconfirmed)" in out and " 0 of " in out
    assert report.read_bytes().startswith(b"%PDF")
    run(["diagnose", path, "--highlight", "ST DEPRESSION"], capsys, code=2)
    run(["diagnose", path, path, str(fixtures / "cinc2017"), "--earlier", path], capsys, code=1)
    other = str(fixtures / "cinc2021" / "E07500.hea")  # a man of 78
    run(["diagnose", path, "--earlier", other], capsys, code=1)
    assert "Compared with" in run(["diagnose", path, "--earlier", other, "--same-person"], capsys)
    run(["diagnose", path, "--same-person"], capsys, code=2)
    document = json.loads(run(["diagnose", path, "--earlier", path, "--json"], capsys))
    assert document["comparison"]["appeared"] == []
    assert not schema_problems("interpretation", document["interpretation"])
