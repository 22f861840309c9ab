"""Times, numbers and safe text."""

from __future__ import annotations

import pytest

from ecgfoundry.reports.wording import (
    clock_text,
    device_filters,
    device_name,
    duration_text,
    escape,
    file_name,
    number_text,
    printable,
    share_text,
    shortened,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (9.96, "0:10"), (59.94, "0:59.9"), (59.96, "1:00"), (61.5, "1:01.5"),
     (3599.99, "1:00:00"), (86399, "23:59:59")],
)  # fmt: skip
def test_clock(seconds, text):
    assert clock_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(9.5, "9.5 s"), (10, "10 s"), (60, "1 min"), (1800.4, "30 min"), (3600, "1 h"),
     (86399, "23 h 59 min"), (None, "unknown"), (59.99, "1 min"), (0, "0 s")],
)  # fmt: skip
def test_duration(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.50"), (0.999, ">0.99"), (1.0, "1.00"), (0.001, "<0.01"), (0.0, "0.00"),
     (None, "–"), (float("nan"), "–")],
)  # fmt: skip
def test_number(value, text):
    assert number_text(value) == text


def test_share():
    assert [share_text(v) for v in (0, 0.001, 0.374, 0.999, 1, None)] == [
        "0 %", "<1 %", "37 %", ">99 %", "100 %", "–",
    ]  # fmt: skip


def test_text_is_safe():
    assert printable("a\tb\x00\x1b\ud800\u202ec") == "a b����c"
    assert escape("<a href='x'>&\"") == "&lt;a href=&#x27;x&#x27;&gt;&amp;&quot;"
    assert file_name("C:\\x\\y.xml") == "y.xml"
    assert file_name("/a/b/") == "b"
    assert file_name(None) == "unnamed recording"
    assert shortened("abcdefghij", 5) == "ab…ij"
    assert shortened("abc", 5) == "abc"


def test_device_and_filters_are_told_apart():
    device = {"manufacturer": "Acme", "model": "X", "High-Pass": "0.05 Hz", "firmware": "2"}
    assert device_filters(device) == "High Pass 0.05 Hz"
    assert device_name(device) == "Acme X, firmware 2"
    assert device_filters({}) is None
    assert device_name({}) is None
