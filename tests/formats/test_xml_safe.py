"""XML from outside: nothing expands, nothing is fetched, and every refusal is fast and typed."""

from __future__ import annotations

import time
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfoundry.errors import EcgFoundryError, FormatError, LimitError
from ecgfoundry.formats import read
from ecgfoundry.formats.base import Limits
from ecgfoundry.formats.xml import xml_safe
from ecgfoundry.formats.xml.times import increment_rate
from ecgfoundry.formats.xml.xml_safe import number, numbers, parse_xml, root_name

BILLION_LAUGHS = (
    "<!DOCTYPE {root} [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
    + "]><{root}>&a11;</{root}>"
)
HOSTILE = {
    "billion laughs": BILLION_LAUGHS,
    "quadratic blow-up": "<!DOCTYPE {root} [<!ENTITY a '" + "x" * 60_000 + "'>]><{root}>"
    + "&a;" * 60_000 + "</{root}>",
    "external entity": '<!DOCTYPE {root} [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<{root}>&x;</{root}>",
    "parameter entity": '<!DOCTYPE {root} [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x">%x;]>'
    "<{root}></{root}>",
    "unknown entity behind a DTD": '<!DOCTYPE {root} SYSTEM "restecg.dtd"><{root}>1&x;2</{root}>',
    "deep nesting": "<{root}>" + "<a>" * 300_000,
    "many elements": "<{root}>" + "<a/>" * 250_000 + "</{root}>",
    "many attributes": "<{root}>"
    + ("<a " + " ".join(f'b{n}=""' for n in range(50_000)) + "/>") * 12
    + "</{root}>",
    "not closed": "<{root}><a>",
    "two roots": "<{root}/><{root}/>",
    "nothing in it": "<{root}/>",
    "a NUL": "<{root}>\0</{root}>",
}  # fmt: skip
ROOTS = ("AnnotatedECG", "RestingECG", "restingecgdata", "CardiologyXML", "ECG")


@pytest.mark.parametrize(
    ("name", "root"),
    [(name, "AnnotatedECG") for name in HOSTILE] + [("billion laughs", root) for root in ROOTS[1:]],
)
def test_hostile_documents(tmp_path: Path, name: str, root: str) -> None:
    path = tmp_path / "x.xml"
    path.write_text(HOSTILE[name].replace("{root}", root))
    start = time.process_time()
    with pytest.raises(EcgFoundryError) as caught:
        read(path)
    assert time.process_time() - start < 60  # billions of laughs take hours
    assert str(path) in str(caught.value)
    assert "root:" not in str(caught.value)  # of the password file


def test_defusedxml_refuses_the_same_entities() -> None:
    defused = pytest.importorskip("defusedxml.ElementTree")
    from defusedxml import DefusedXmlException

    for name in ("billion laughs", "quadratic blow-up", "external entity", "parameter entity"):
        with pytest.raises(DefusedXmlException):
            defused.fromstring(HOSTILE[name].replace("{root}", "a"))


def test_size_is_checked_before_parsing(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text("<a>" + "x" * 1000)
    with pytest.raises(LimitError, match="1003 bytes; the limit is 1000"):
        parse_xml(path, Limits(text_bytes=1000))


@pytest.mark.parametrize(
    ("declared", "used"),
    [("utf-8", "latin-1"), ("utf-16", "utf-8"), ("ISO8859-1", "latin-1"), ("nonsense", "utf-8")],
)
def test_a_wrongly_declared_encoding(tmp_path: Path, declared: str, used: str) -> None:
    path = tmp_path / "x.xml"
    path.write_bytes(f'<?xml version="1.0" encoding="{declared}"?><a><b>Größe</b></a>'.encode(used))
    assert xml_safe.child_text(parse_xml(path, Limits()), "b") == "Größe"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_root_is_found_in_every_encoding(encoding: str) -> None:
    declared = "utf-16" if "16" in encoding else encoding.removesuffix("-sig")
    text = (
        f'<?xml version="1.0" encoding="{declared}"?>\n<!-- <Wrong> --><!DOCTYPE RestingECG SYSTEM '
        '"restecg.dtd">\n<h:RestingECG xmlns:h="x">'
    )
    assert root_name(text.encode(encoding)) == "RestingECG"


@pytest.mark.parametrize(
    "head", [b"", b"I,II\n1,2", b"<", b"<!--", b"<?xml", b"\xff\xfe<", b"<!D["]
)
def test_what_has_no_root(head: bytes) -> None:
    assert root_name(head) is None


def test_namespaces_and_text(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text('<a xmlns="u:v"><b xmlns:x="y" x:type="T">1<!-- c -->2</b>\n <c> </c></a>')
    root = parse_xml(path, Limits(), root="a")
    assert [child.tag for child in root] == ["b", "c"]
    assert root[0].get("type") == "T" and root[0].text == "12" and root[1].text is None
    with pytest.raises(FormatError, match="root element is 'a', not 'b'"):
        parse_xml(path, Limits(), root="b")


def test_sixty_four_levels_are_the_deepest(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text("<a>" * 64 + "</a>" * 64)
    assert parse_xml(path, Limits(), root="a").tag == "a"
    path.write_text("<a>" * 65 + "</a>" * 65)
    with pytest.raises(LimitError, match="64 levels"):
        parse_xml(path, Limits(), root="a")


def test_damage_in_every_encoding_is_said(tmp_path: Path) -> None:
    """A byte that is no UTF-8, so that Latin-1 is tried, and an element that is never closed."""
    path = tmp_path / "x.xml"
    path.write_bytes(b"<a>\xff<b></a>")
    with pytest.raises(FormatError, match="the XML is damaged"):
        parse_xml(path, Limits(), root="a")


@pytest.mark.parametrize(
    ("step", "rate"),
    [("0.0039", 256.0), ("0.00390", 256.410256), ("390e-5", 256.410256), ("390E-5", 256.410256)],
)
def test_a_period_is_as_exact_as_it_is_written(step: str, rate: float) -> None:
    """1 / 0.0039 s is 256.41 Hz; with two digits 256 Hz may be meant, with three not."""
    increment = Element("increment", {"value": step, "unit": "s"})
    assert increment_rate(increment) == pytest.approx(rate, abs=1e-6)


@given(st.lists(st.integers(-(2**31), 2**31) | st.floats(allow_nan=False, allow_infinity=False)))
def test_lists_of_numbers(values: list[float]) -> None:
    for separator in (" ", ",", "\n", " ; ", ", "):
        found = numbers(separator.join(map(repr, values)), "x", Limits(), Path("x"))
        np.testing.assert_array_equal(found, np.array(values, dtype=np.float64))


@pytest.mark.parametrize("text", ["1 2 x", "1 nan", "1e999", "1 2-", "0x10 z", "--3"])
def test_lists_that_hold_something_else(text: str) -> None:
    with pytest.raises(FormatError):
        numbers(text, "x", Limits(), Path("x"))


def test_single_numbers() -> None:
    assert number(" 2.5 ") == 2.5
    assert [number(text) for text in (None, "", "x", "nan", "inf", "Failed")] == [None] * 6
