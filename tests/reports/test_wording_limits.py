"""Words and numbers of the reports on both sides of every limit."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ecgfoundry.errors import FormatError
from ecgfoundry.reports.wording import (
    clock_text,
    device_filters,
    device_name,
    duration_text,
    escape,
    failure_fields,
    file_name,
    finding_burden,
    finding_is_calibrated,
    is_filter_key,
    is_long,
    notices_of,
    number_text,
    printable,
    ranked_findings,
    share_text,
    shortened,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(9.94, "0:09.9"), (9.95, "0:10"), (60.04, "1:00"), (60.06, "1:00.1"), (599.9, "9:59.9"),
     (3600, "1:00:00"), (3661.2, "1:01:01.2"), (36_000, "10:00:00")],
)  # fmt: skip
def test_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0 s"), (2.46, "2.5 s"), (59.94, "59.9 s"), (59.96, "1 min"), (60.4, "1 min"),
     (61, "1 min 1 s"), (3599, "59 min 59 s"), (3600, "1 h"), (3661, "1 h 1 min"),
     (7200, "2 h"), (90_000, "25 h"), (math.inf, "unknown"), (math.nan, "unknown")],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.994, 2, "0.99"), (0.996, 2, ">0.99"), (1.0, 2, "1.00"), (1.2, 2, "1.20"),
     (0.004, 2, "<0.01"), (0.006, 2, "0.01"), (0.0, 2, "0.00"), (-0.5, 2, "-0.50"),
     (0.9996, 3, ">0.999"), (0.0004, 3, "<0.001"), (0.99, 1, ">0.9"), (0.04, 1, "<0.1"),
     (-math.inf, 2, "–")],
)  # fmt: skip
def test_number(value: float, digits: int, text: str) -> None:
    assert number_text(value, digits) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1e-9, "<1 %"), (0.0099, "<1 %"), (0.01, "1 %"), (0.5, "50 %"),
     (0.99, "99 %"), (0.9901, ">99 %"), (1.0, "100 %"), (math.nan, "–")],
)  # fmt: skip
def test_share(share: float, text: str) -> None:
    assert share_text(share) == text


@pytest.mark.parametrize(
    "code",
    # Unicode 15: the embeddings, overrides and isolates that reorder text; the marks; and what XML
    # 1.0 leaves out.
    [0x200E, 0x200F, 0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069,
     0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF, 0x00, 0x0B, 0x1B, 0x7F, 0x9F, 0xD800, 0xDFFF],
)  # fmt: skip
def test_what_is_never_printed(code: int) -> None:
    assert printable(f"a{chr(code)}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("code", [0x200D, 0x2010, 0x202F, 0x2065, 0x206A, 0xFFFD, 0xA0, 0xE9])
def test_what_is_beside_it_is_printed(code: int) -> None:
    assert printable(f"a{chr(code)}b") == f"a{chr(code)}b"


def test_text() -> None:
    assert printable("a\tb\nc\rd") == "a b c d" and printable(3.5) == "3.5"
    assert escape("\"'&<>\x00") == "&quot;&#x27;&amp;&lt;&gt;\N{REPLACEMENT CHARACTER}"
    assert [shortened("abcdefgh", n) for n in (8, 7, 6, 2, 1)] == [
        "abcdefgh", "abc…fgh", "ab…fgh", "…h", "…",
    ]  # fmt: skip
    assert file_name("a/b\\c.xml") == "c.xml" and file_name("") == "unnamed recording"


def test_devices_and_filters() -> None:
    for key in ("Filter", "HIGH_PASS", "low-pass", "band pass", "AC notch", "BandWidth"):
        assert is_filter_key(key), key
    for key in ("model", "pass", "high", "gain"):
        assert not is_filter_key(key), key
    device = {"name": "N", "model": "M", "manufacturer": "A", "fw_rev": "2", "notch": "50 Hz",
              "filter": "", "serial": ""}  # fmt: skip
    assert device_name(device) == "A M N, fw rev 2"
    assert device_filters(device) == "notch 50 Hz"
    assert device_name({"fw": "2"}) == "fw 2" and device_name({"notch": "50 Hz"}) is None
    assert device_filters({"high-pass": "0.05 Hz", "low_pass": "150 Hz"}) == (
        "high pass 0.05 Hz, low pass 150 Hz"
    )


@pytest.mark.parametrize(
    ("answer", "long"),
    [
        ({"duration_s": 3600.0}, False),
        ({"duration_s": 62.0, "burden": {}}, False),
        ({"duration_s": 62.01, "burden": {}}, True),
        ({"duration_s": 62.01, "episodes": []}, True),
        ({"duration_s": 10.0, "burden": {"A": 0.5}}, True),
        ({"duration_s": 10.0, "episodes": [{}]}, True),
        ({"burden": {}, "episodes": []}, False),
        ({"duration_s": None, "burden": {"A": 0.0}}, True),
    ],
)
def test_what_speaks_in_burdens(answer: dict[str, Any], long: bool) -> None:
    assert is_long(answer) is long


def test_the_order_of_the_findings() -> None:
    def answer(**changes: Any) -> dict[str, Any]:
        findings = [
            {"name": "a", "present": False, "probability": 0.4},
            {"name": "b", "present": True, "probability": 0.2},
            {"name": "c", "present": None, "probability": 0.9},
            {"name": "d", "present": True, "probability": 0.7},
            {"name": "e", "present": False, "probability": None},
        ]
        return {"findings": findings} | changes

    assert [f["name"] for f in ranked_findings(answer())] == ["d", "b", "c", "a", "e"]
    shares = answer(burden={"e": 0.5})
    assert [f["name"] for f in ranked_findings(shares)] == ["d", "b", "c", "e", "a"]
    kept = ranked_findings(answer(target_kind="regression"))
    assert [f["name"] for f in kept] == ["a", "b", "c", "d", "e"]


def test_what_a_finding_says_goes_before_what_the_answer_says() -> None:
    assert finding_burden({"burden": {"A": 0.5}}, {"name": "A"}) == 0.5
    assert finding_burden({"burden": {"A": 0.5}}, {"name": "A", "burden": 0.0}) == 0.0
    assert finding_burden({}, {"name": "A"}) is None
    assert finding_is_calibrated({"calibrated": True}, {}) is True
    assert finding_is_calibrated({"calibrated": True}, {"calibrated": False}) is False
    assert finding_is_calibrated({}, {}) is False
    assert notices_of({"quality": {"warnings": [1]}}) == [1]


def test_failures() -> None:
    assert failure_fields(FormatError("no header", path="z.scp")) == {
        "file": "z.scp", "code": "format", "message": "no header",
    }  # fmt: skip
    assert failure_fields(ValueError("v")) == {
        "file": "unnamed recording", "code": "error", "message": "ValueError: v",
    }  # fmt: skip
    assert failure_fields({"path": "p", "message": ""}) == {
        "file": "p", "code": "error", "message": "no reason was given",
    }  # fmt: skip
