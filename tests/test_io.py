"""Files written whole or not at all; tables of every common form; the right answers by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ecgfoundry.errors import (
    DiskFullError,
    FileAccessError,
    LimitError,
    TableError,
)
from ecgfoundry.io import (
    is_missing,
    number_of,
    read_json,
    read_table,
    sha256_of,
    table_suffix,
    whole_number,
    write_atomically,
    write_folder_atomically,
    write_frame,
    write_json,
)

WANTED = [("a b.hea", "1.5", "Jörg"), ("c,d.hea", "", "x")]


@pytest.mark.parametrize(
    "data",
    [
        'path,qt,name\na b.hea,1.5,Jörg\n"c,d.hea",,x\n'.encode(),
        '\ufeffpath,qt,name\r\na b.hea,1.5,Jörg\r\n"c,d.hea",,x\r\n'.encode(),
        "path;qt;name\ra b.hea;1.5;Jörg\rc,d.hea;;x\r".encode(),
        "path\tqt\tname\na b.hea\t1.5\tJörg\n\nc,d.hea\t\tx".encode(),
        "path|qt|name\na b.hea|1.5|Jörg\nc,d.hea||x\n".encode(),
        "sep=;\r\npath;qt;name\r\na b.hea;1.5;Jörg\r\nc,d.hea;;x\r\n".encode(),
        'path , qt,name,\na b.hea, 1.5,Jörg,\n"c,d.hea",,x,\n'.encode(),
        "path;qt;name\r\na b.hea;1.5;Jörg\r\nc,d.hea;;x\r\n".encode("utf-16"),
        "path;qt;name\r\na b.hea;1.5;Jörg\r\nc,d.hea;;x\r\n".encode("utf-16-le"),
    ],
)
def test_one_table_in_many_forms(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    table = read_table(path)
    assert table.columns == ("path", "qt", "name")
    assert table.rows == WANTED
    assert table.notes == ()


def test_another_encoding_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("path;name\na;Jörg\n".encode("cp1252"))
    assert read_table(path).rows == [("a", "Jörg")]
    assert "read as Windows Latin" in read_table(path).notes[0]


def test_parquet_and_sheet(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    path = tmp_path / "t.parquet"
    polars.DataFrame(
        {"path": ["a", "b"], "qt": [0.1, float("nan")], "ill": [True, None]}
    ).write_parquet(path)
    assert read_table(path).rows == [("a", "0.1", "1"), ("b", "", "")]
    assert math.isnan(read_table(path).numbers("ill")[1])


def test_the_line_of_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n\n"x\ny",1\nz,oops\n')
    with pytest.raises(TableError, match="line 5, b: 'oops' is not a number"):
        read_table(path).numbers("b")
    path.write_text("a,b\n1,2,3\n")
    with pytest.raises(TableError, match="line 2 has 3 cells, more cells than the header"):
        read_table(path)
    path.write_text("a,b\n1,2\n1\n")
    with pytest.raises(TableError, match="line 3 has 1 cells, fewer cells"):
        read_table(path)
    path.write_text("a,b,a\n1,2,3\n")
    with pytest.raises(TableError, match="duplicate column a"):
        read_table(path)
    path.write_text("a,b\n1,inf\n")
    with pytest.raises(TableError, match="line 2, b: 'inf' is not finite"):
        read_table(path).numbers("b")
    path.write_bytes(b"\x00\x01\x02\x03PAR1")
    with pytest.raises(TableError, match="binary"):
        read_table(path)
    path.write_text("\n \n")
    with pytest.raises(TableError, match="is empty"):
        read_table(path)
    with pytest.raises(FileAccessError, match="No such file"):
        read_table(tmp_path / "gone.csv")


def test_decimal_commas_only_where_a_comma_parts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b\n1;4,25\n2;nan\n")
    assert read_table(path).numbers("b")[0] == 4.25
    path.write_text('a,b\n1,"4,250"\n')  # could be four thousand
    with pytest.raises(TableError, match="'4,250' is not a number"):
        read_table(path).numbers("b")


def test_cells() -> None:
    assert number_of("Yes") == 1.0 and number_of("FALSE") == 0.0 and number_of("1_000") is None
    assert number_of("AFIB") is None and math.isnan(number_of(" N/A ") or 0.0)
    assert all(map(is_missing, ["", " ", "NaN", "nan", "NULL", "None", ".", "?", None]))
    assert not is_missing("0")
    assert [whole_number(x) for x in ("9012", "9012.0", "09012", "-0", "x1", "1.5")] == [
        "9012", "9012", "9012", "0", None, None,
    ]  # fmt: skip


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with write_atomically(path, sync=True) as temporary:
        temporary.write_text("one")
        assert not path.exists() and temporary.parent == tmp_path
    with pytest.raises(RuntimeError), write_atomically(path) as temporary:
        temporary.write_text("two")
        raise RuntimeError
    assert path.read_text() == "one" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with (
        pytest.raises(FileAccessError, match="cannot be written: No such file"),
        write_atomically(tmp_path / "none" / "b.txt") as temporary,
    ):
        temporary.write_text("x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(DiskFullError, match="no space is left"),
        write_atomically(tmp_path / "a.txt"),
        Path("/dev/full").open("wb", buffering=0) as stream,
    ):
        stream.write(b"x")
    assert not list(tmp_path.iterdir())


def test_another_files_error_is_its_own(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        write_atomically(tmp_path / "a.txt") as temporary,
    ):
        temporary.write_text((tmp_path / "source.txt").read_text())


def test_sha256_of_the_standard_s_example(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(FileAccessError):
        sha256_of(tmp_path / "gone")


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"ä": [1, None]})
    assert json.loads(path.read_bytes()) == {"ä": [1, None]} == read_json(path)
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": math.nan})
    assert read_json(path) == {"ä": [1, None]}
    with pytest.raises(LimitError):
        read_json(path, limit=3)
    path.write_text("{")
    with pytest.raises(TableError, match="is not JSON"):
        read_json(path)


def test_the_suffix_decides(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"record": ["a"], "e": [[1.0, 2.5]], "x": [float("nan")]})
    write_frame(tmp_path / "t.csv", frame)
    assert (tmp_path / "t.csv").read_text() == 'record,e,x\na,"[1.0, 2.5]",\n'
    write_frame(tmp_path / "t.parquet", frame.lazy())
    assert (tmp_path / "t.parquet").read_bytes()[:4] == b"PAR1"
    with pytest.raises(TableError, match=r"'\.json' names no table"):
        table_suffix("out.json")


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "recording"
    with pytest.raises(RuntimeError), write_folder_atomically(target) as folder:
        (folder / "half").write_text("x")
        raise RuntimeError("meanwhile")
    assert list(tmp_path.iterdir()) == []
    with write_folder_atomically(target) as folder:
        (folder / "whole").write_text("x")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["whole"]
    with pytest.raises(FileAccessError), write_folder_atomically(tmp_path / "no" / "x"):
        pass
