"""Croissant metadata, read by the library of those who made the format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecgfoundry.cli.main import app
from ecgfoundry.errors import TableError
from ecgfoundry.manifest.croissant import CroissantAbout, croissant_document

ABOUT = CroissantAbout(
    "Made-up recordings", "Two made-up recordings", "CC-BY-4.0", "A ward", "https://example.org/set"
)
TABLE = "file,patient,age,rate,target: long QT\na.hea,p17,63,60.5,1\nb.hea,p18,,71,0\n"


def test_the_reference_reader_gives_the_rows_back(tmp_path: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    (tmp_path / "labels.csv").write_text(TABLE)
    tokens = ["manifest", "croissant", str(tmp_path / "labels.csv"), "-o", str(tmp_path / "c.json")]
    tokens += ["--name", ABOUT.name, "--description", ABOUT.description, "--license", ABOUT.license]
    tokens += ["--creator", ABOUT.creator, "--url", ABOUT.url]
    app(tokens, exit_on_error=False, result_action="return_value")
    data = croissant.Dataset(str(tmp_path / "c.json"))
    assert not data.metadata.issues.errors
    rows = list(data.records("recordings"))
    assert [row["recordings/file"] for row in rows] == [b"a.hea", b"b.hea"]
    assert [row["recordings/patient"] for row in rows] == [b"p17", b"p18"]
    assert [row["recordings/rate"] for row in rows] == [60.5, 71.0]
    assert [row["recordings/target_long_QT"] for row in rows] == [1, 0]


def test_types_and_hash_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(TABLE)
    document = json.loads(json.dumps(croissant_document(path, ABOUT)))
    types = {field["name"]: field["dataType"] for field in document["recordSet"][0]["field"]}
    assert types == {
        "file": "sc:Text", "patient": "sc:Text", "age": "sc:Float", "rate": "sc:Float",
        "target_long_QT": "sc:Integer",
    }  # fmt: skip
    # sha256sum of the table above.
    assert document["distribution"][0]["sha256"] == (
        "9f4b9aba1dee93ffc20a34fa77a801412d7b49e3d17ee0ca635052ebd2dd19a2"
    )


def test_a_column_of_words_is_text(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("file,smoker\na.hea,yes\nb.hea,no\n")
    document = json.loads(json.dumps(croissant_document(tmp_path / "x.csv", ABOUT)))
    assert document["recordSet"][0]["field"][1]["dataType"] == "sc:Text"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", "file;age\na.hea;63,5\n", "CSV in UTF-8 with commas"),
        ("x.tsv", "file\tage\na.hea\t63\n", "CSV in UTF-8 with commas"),
        ("x.csv", "a b,a_b\n1,2\n", "share the name a_b"),
    ],
)
def test_what_others_cannot_read_is_refused(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=words):
        croissant_document(tmp_path / name, ABOUT)
