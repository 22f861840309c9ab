"""``ecgfoundry read`` and ``ecgfoundry formats``: text, JSON, pictures, and what is left out."""

from __future__ import annotations

import builtins
import csv
import json
import shutil
import struct
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ecgfoundry.cli.main import main
from ecgfoundry.formats.registry import formats as list_readers
from ecgfoundry.formats.writers import writers as list_writers

KEYS = {
    "schema_version",
    "file", "format", "recordings", "leads", "unit", "sampling_rate", "samples", "duration_s",
    "start_time", "subject", "device", "filters", "mains_frequency", "measurements", "statements",
    "header", "quality", "annotations", "other_channels",
}  # fmt: skip
PHILIPS = "philips/repbeats_example.xml"
SECRETS = ("1112010721168bdc", "2011", "07:27", "GE EMS", "0001", "Acute MI", "male", "repbeats")


def run(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    captured = capsys.readouterr()
    assert int(exit_info.value.code or 0) == code, captured.err
    return captured.out, captured.err


def test_json_has_always_the_same_keys(fixtures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [PHILIPS, "cinc2021/JS20000.hea", "sph/SPH00001.h5", "hl7_aecg/minimum_aecg.xml",
             "mitdb/201_450s.hea"]  # fmt: skip
    out, _ = run(["read", *(str(fixtures / name) for name in files), "--json"], capsys)
    documents = [json.loads(line) for line in out.splitlines()]
    assert len(documents) == len(files)
    assert all(set(document) == KEYS for document in documents)
    philips, chapman, _, minimal, mit_bih = documents
    assert philips["device"] == {"manufacturer": "Philips", "model": "HeartstartMRx"}
    assert philips["filters"] == {"highpass": "0.05 Hz", "lowpass": "150 Hz"}
    assert philips["measurements"]["qrs_axis_deg"] == -21
    assert philips["start_time"] == "2011-12-01T07:27:34"
    assert philips["subject"] == {
        "age": 50,
        "sex": "male",
        "identifier": "1112010721168bdc",
        "birth_date": None,
    }
    assert philips["statements"][0] == "Sinus bradycardia: rate< 50"
    assert len(philips["other_channels"]) == 12
    assert chapman["leads"][0] == "I" and set(chapman["quality"]["leads"]) == set(chapman["leads"])
    assert minimal["quality"]["refusal"]["code"] == "too-short"
    assert mit_bih["annotations"]["count"] > 50 and "beat" in mit_bih["annotations"]["kinds"]


def test_text_says_what_is_in_the_file(fixtures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(["read", str(fixtures / PHILIPS)], capsys)
    flat = " ".join(out.split())
    for words in ("philips-sierra", "HeartstartMRx", "500 Hz", "highpass 0.05 Hz", "11 s",
                  "qrs_axis_deg -21", "2011-12-01T07:27:34", "age 50", "V6", "peak to peak",
                  "12: I beat"):  # fmt: skip
        assert words in flat, words


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_no_subject(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str]
) -> None:
    target = tmp_path / "out.svg"
    arguments = ["read", str(fixtures / PHILIPS), "--no-subject", "--plot", str(target), *extra]
    out, err = run(arguments, capsys)
    for text in (out, err, target.read_text()):
        for secret in SECRETS:
            assert secret not in text.replace("0.0001", ""), secret
    assert "qrs_axis_deg" in out and "HeartstartMRx" in out  # what tells nothing stays
    if extra:
        document = json.loads(out)
        assert set(document) == KEYS
        assert document["subject"] is None and document["start_time"] is None
        assert document["file"] == "recording 1" and document["statements"] == []


def test_no_subject_keeps_quiet_about_what_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "Doe_Jane_1972.csv"
    path.write_text("I,II\n1,2\n3,4\n5,6\nJane,Doe\n")
    out, err = run(["read", str(path), "--no-subject", "--json"], capsys, code=1)
    assert "Doe" not in out + err and "Jane" not in out + err
    assert json.loads(out)["error"]["code"]


@pytest.mark.parametrize(("layout", "strips"), [("3x4", 13), ("6x2", 12), ("12x1", 12)])
def test_pictures_as_svg(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: str, strips: int
) -> None:
    target = tmp_path / "new" / "out.svg"
    run(["read", str(fixtures / PHILIPS), "--plot", str(target), "--layout", layout], capsys)
    root = ElementTree.fromstring(target.read_bytes())
    assert root.get("data-layout") == layout
    assert len(root.findall(".//*[@class='strip']")) == strips
    assert [entry.name for entry in target.parent.iterdir()] == ["out.svg"]


def test_pictures_as_png_and_html(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("resvg_py")
    png, page = tmp_path / "out.png", tmp_path / "out.html"
    run(["read", str(fixtures / PHILIPS), "--plot", str(png), "--layout", "3x4"], capsys)
    content = png.read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    run(["read", str(fixtures / PHILIPS), "--plot", str(page), "--layout", "3x4"], capsys)
    text = page.read_text()
    assert "<svg" in text and "Research use only" in text and "http" not in text.split("<svg")[0]
    svg = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    wide, tall = (float(svg.get(side, "").removesuffix("mm")) for side in ("width", "height"))
    assert width == pytest.approx(wide / 25.4 * 200, abs=2)
    assert height == pytest.approx(tall / 25.4 * 200, abs=2)


def test_png_without_the_extra(
    fixtures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def absent(name: str, *args: object, **kwargs: object) -> object:
        if name == "resvg_py":
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)
    target = tmp_path / "out.png"
    _, err = run(["read", str(fixtures / PHILIPS), "--plot", str(target)], capsys, code=1)
    assert "pip install 'ecgfoundry[plot]'" in err and not target.exists()


def test_a_part_of_a_recording_is_drawn(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.svg"
    path = str(fixtures / "mitdb/201_450s.hea")
    run(["read", path, "--plot", str(target), "--start", "20", "--duration", "5"], capsys)
    root = ElementTree.fromstring(target.read_bytes())
    starts = {strip.get("data-start") for strip in root.findall(".//*[@class='strip']")}
    assert starts == {"20"}
    assert "0:20 to 0:25 of 1 min" in target.read_text()


def test_archives_members_and_numbers(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("E07500.hea", "E07500.mat", "JS20000.hea", "JS20000.mat"):
            file.write(fixtures / "cinc2021" / name, f"d/{name}")
    out, _ = run(["read", str(archive), "--json"], capsys)
    names = [json.loads(line)["file"] for line in out.splitlines()]
    assert names == [f"{archive}::d/E07500.hea", f"{archive}::d/JS20000.hea"]
    out, _ = run(["read", f"{archive}::d/JS20000", "--json"], capsys)
    assert json.loads(out)["samples"] == 5000
    out, _ = run(["read", str(archive), "--index", "1", "--json"], capsys)
    assert json.loads(out)["recordings"] == 2


def test_one_bad_file_does_not_stop_the_others(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_text("<AnnotatedECG>")
    good = str(fixtures / PHILIPS)
    out, err = run(["read", str(bad), good, "--json"], capsys, code=1)
    first, second = (json.loads(line) for line in out.splitlines())
    assert first["error"]["code"] == "format" and second["format"] == "philips-sierra"
    assert str(bad) in err


def test_wrong_use(fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = str(fixtures / PHILIPS)
    run(["read"], capsys, code=2)
    run(["read", good, good + "x", "--plot", str(tmp_path / "x.svg")], capsys, code=2)
    _, err = run(["read", good, "--plot", str(tmp_path / "x.bmp")], capsys, code=1)
    assert ".svg, .png, .pdf, .html" in err
    _, err = run(["read", good, "--plot", str(tmp_path / "x.svg"), "--speed", "0"], capsys, code=1)
    assert "speed" in err


def test_what_a_terminal_must_not_see(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (fixtures / "philips/129DYPRG.xml").read_text()
    path = tmp_path / "x.xml"
    path.write_text(text.replace("HeartstartMRx", "A&#x202E;B[red]C[/red]\u009b31m"))
    out, _ = run(["read", str(path)], capsys)
    assert "\u202e" not in out and "\u009b" not in out and "[red]C[/red]" in out


def test_supplied_names_and_units(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(fixtures / "csv/ecg_10s.txt", tmp_path / "x.txt")
    out, _ = run(
        ["read", str(tmp_path / "x.txt"), "--unit", "uV", "--leads", "II", "--mains", "50",
         "--json"], capsys,
    )  # fmt: skip
    document = json.loads(out)
    assert (document["leads"], document["mains_frequency"]) == (["II"], 50)


def test_formats_lists_every_reader_and_writer(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(["formats", "--json"], capsys)
    document = json.loads(out)
    assert [row["format"] for row in document["read"]] == [r.name for r in list_readers()]
    assert [row["format"] for row in document["written"]] == [w.name for w in list_writers()]
    for row in document["read"]:
        assert row["verified_on"] and isinstance(row["random_access"], bool)
    out, _ = run(["formats"], capsys)
    for reader in list_readers():
        assert reader.name in out


def test_the_inventory_of_a_folder_has_a_row_for_every_file(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("JS20000.hea", "JS20000.mat"):
        shutil.copy(fixtures / "cinc2021" / name, tmp_path / name)
    (tmp_path / "broken.edf").write_bytes(b"0       " + b"\0" * 300)
    (tmp_path / "letter.docx").write_bytes(b"PK not an ECG")
    out, err = run(["read", str(tmp_path), "--csv"], capsys, code=1)
    rows = {Path(row["file"]).name: row for row in csv.DictReader(out.splitlines())}
    assert {name: row["status"] for name, row in rows.items()} == {
        "JS20000.hea": "read", "broken.edf": "refused", "letter.docx": "not recognised",
    }  # fmt: skip
    whole = rows["JS20000.hea"]
    assert (whole["format"], whole["sampling_rate_hz"], whole["duration_s"]) == (
        "wfdb",
        "500",
        "10",
    )
    assert whole["leads"] == "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6"
    assert (whole["age"], whole["sex"], whole["quality"]) == ("84", "female", "good")
    assert rows["broken.edf"]["error"]
    assert err.splitlines()[-1] == "ecgfoundry: 1 read, 1 refused, 1 not recognised"
    hidden, _ = run(["read", str(tmp_path), "--csv", "--no-subject"], capsys, code=1)
    assert "JS20000" not in hidden and "letter" not in hidden and "female" not in hidden
