"""One set of keys for what devices state, and how their words become numbers."""

from __future__ import annotations

import pytest

from ecgfoundry.formats.common.measurements import (
    MEASUREMENTS,
    STATEMENTS_KEY,
    device_measurements,
    stated_measurements,
)


def test_the_keys_are_those_of_every_stored_header() -> None:
    """Tables and reports find the values by these words; the unit is the last of them."""
    assert list(MEASUREMENTS) == [
        "heart_rate_bpm", "atrial_rate_bpm", "rr_ms", "p_ms", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms",
        "qtc_bazett_ms", "qtc_fridericia_ms", "p_axis_deg", "qrs_axis_deg", "t_axis_deg",
        "qrs_count",
    ]  # fmt: skip
    assert STATEMENTS_KEY == "statements"


@pytest.mark.parametrize(
    ("stated", "text"),
    [
        ("138", "138"),
        (" 138 ", "138"),
        ("\t138\n", "138"),
        (138, "138"),
        (138.0, "138"),
        ("77.25", "77.25"),
        ("-30", "-30"),
        ("0", "0"),
        ("1e2", "100"),
        (0.1 + 0.2, "0.3"),  # as a device states it, not as binary numbers have it
        ("Failed", None),
        ("Indeterminate", None),
        ("", None),
        ("--", None),
        (None, None),
        ("nan", None),
        ("inf", None),
        ("-Infinity", None),
        ("138 ms", None),
        ("77,2", None),
    ],
)
def test_a_stated_value_is_a_finite_number_or_nothing(stated: object, text: str | None) -> None:
    wanted = {} if text is None else {"qrs_axis_deg": text}
    assert stated_measurements({"qrs_axis_deg": stated}) == wanted


def test_an_unknown_key_is_an_error_of_the_reader() -> None:
    with pytest.raises(KeyError, match="qrs_duration"):
        stated_measurements({"pr_ms": "160", "qrs_duration": "Failed"})


def test_numbers_of_a_header_come_in_the_order_of_the_keys() -> None:
    header = {
        "device": "cart", "qt_ms": "402", "heart_rate_bpm": "77.5", "statements": "12",
        "t_axis_deg": "-12",
    }  # fmt: skip
    measured = device_measurements(header)
    assert measured == {"heart_rate_bpm": 77.5, "qt_ms": 402.0, "t_axis_deg": -12.0}
    assert list(measured) == ["heart_rate_bpm", "qt_ms", "t_axis_deg"]
    assert device_measurements({}) == {}


@pytest.mark.parametrize(
    ("key", "codes"),
    [
        # Figures that devices write in place of a value.
        ("heart_rate_bpm", (0, -1, 999, 29_999, 32_767, 65_535)),
        ("pr_ms", (0, -1, 9_999, 19_999, 29_998, 29_999, 32_767, -32_768, 65_535)),
        ("qtc_ms", ("0", "0.0", "-1")),
        ("qrs_count", (0, -1, 32_767, 65_535)),
        ("p_axis_deg", (999, -999, 361, 29_999, 32_767, -32_768)),
    ],
)
def test_codes_for_not_measured_are_no_measurements(key: str, codes: tuple) -> None:
    assert [stated_measurements({key: code}) for code in codes] == [{}] * len(codes)


def test_an_axis_may_be_zero_or_negative() -> None:
    assert stated_measurements({"t_axis_deg": 0, "p_axis_deg": -1}) == {
        "t_axis_deg": "0", "p_axis_deg": "-1"
    }  # fmt: skip
