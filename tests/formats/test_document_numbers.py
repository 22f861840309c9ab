"""The numbers shared by the readers of documents: ages, filters, scales, limits, times, XML."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import pytest

from ecgfoundry.errors import EcgFoundryError, FormatError, LimitError, SignalError
from ecgfoundry.formats.base import DEFAULT_LIMITS, Limits, ReadOptions, RecordingInfo
from ecgfoundry.formats.common.document import (
    EcgDocument,
    Trace,
    age_in_years,
    describe_document,
    document_file,
    filter_text,
    recording_of,
)
from ecgfoundry.formats.common.measurements import MEASUREMENTS, stated_measurements
from ecgfoundry.formats.xml.times import increment_rate, milliseconds, parse_hl7_time, seconds_of
from ecgfoundry.formats.xml.xml_safe import numbers, parse_xml
from ecgfoundry.recording import Recording

HERE = Path("x")


def document(*traces: Trace, rate: float | None = 100.0, **fields: object) -> EcgDocument:
    return EcgDocument(traces, rate, **fields)  # type: ignore[arg-type]


def built(doc: EcgDocument, limits: Limits | None = None, **options: object) -> Recording:
    stated = ReadOptions(limits=limits or Limits(), **options)  # type: ignore[arg-type]
    return recording_of(doc, stated, path=HERE, format="test")


def trace(values: list[float], gain: float = 1.0, unit: str | None = "mV", zero: float = 0.0,
          lead: str = "I") -> Trace:  # fmt: skip
    return Trace(lead, np.array(values), gain, unit, zero)


def test_the_default_limits() -> None:
    assert Limits(500_000_000, 2_000_000_000, 512_000_000, 1024) == DEFAULT_LIMITS
    assert RecordingInfo("x", ("I",), 250.0, 1000).duration_s == 4.0
    assert RecordingInfo("x", ("I",), 250.0, 1000).recordings == 1


@pytest.mark.parametrize(
    ("gain", "unit", "zero", "expected"),
    [
        (1.0, "mV", 0.0, [0.0, 10.0, -4.0]),
        (5.0, "uV", 0.0, [0.0, 0.05, -0.02]),
        (500.0, "nV", 0.0, [0.0, 0.005, -0.002]),
        (0.001, "V", 0.0, [0.0, 10.0, -4.0]),
        (2.0, "mV", 6.0, [-12.0, 8.0, -20.0]),
        (-1.0, "mV", 0.0, [0.0, -10.0, 4.0]),
    ],
)
def test_scales(gain: float, unit: str, zero: float, expected: list[float]) -> None:
    """mV = (stored - zero) x gain x (mV per unit)."""
    signal = built(document(trace([0, 10, -4], gain, unit, zero))).signal[0]
    np.testing.assert_allclose(signal, expected, rtol=1e-6)
    if unit == "mV" and zero == 0:
        stated = built(document(trace([0, 10, -4], gain, unit)), unit="uV").signal[0]
        np.testing.assert_allclose(stated, np.array(expected) / 1000, rtol=1e-6)


@pytest.mark.parametrize(
    ("stored", "gain", "missing"),
    [
        (32767.0, 0.0025, True),  # 81.9 mV
        (-32768.0, 0.0025, True),
        (32766.0, 0.0025, False),
        (-32767.0, 0.0025, False),
        (32767.0, 20.0001 / 32767, True),
        (32767.0, 19.9999 / 32767, False),
        (-32768.0, 19.9999 / 32768, False),
        (-32768.0, 20.0001 / 32768, True),
        (float("nan"), 1.0, True),
    ],
)
def test_the_limits_of_16_bits_are_fill(stored: float, gain: float, missing: bool) -> None:
    assert np.isnan(built(document(trace([0, stored], gain))).signal[0, 1]) == missing


def test_rates_and_intervals_are_said_in_their_own_words() -> None:
    words = {"heart_rate_bpm": "ventricular rate", "atrial_rate_bpm": "atrial rate",
             "rr_ms": "RR interval", "p_ms": "P duration", "pr_ms": "PR",
             "qrs_ms": "QRS duration",
             "qt_ms": "QT interval", "qtc_bazett_ms": "Bazett", "qtc_fridericia_ms": "Fridericia",
             "p_axis_deg": "P axis", "qrs_axis_deg": "QRS axis",
             "t_axis_deg": "T axis"}  # fmt: skip
    for key, word in words.items():
        assert word in MEASUREMENTS[key]


@pytest.mark.parametrize(("value", "fits"), [(9999.0, True), (-9999.0, True), (10_001.0, False)])
def test_ten_volts_are_no_ecg(value: float, fits: bool) -> None:
    if fits:
        assert built(document(trace([0, value]))).signal[0, 1] == value
    else:
        with pytest.raises(SignalError, match=r"1e\+04 mV is no ECG"):
            built(document(trace([0, value])))


def test_what_is_incomplete_is_refused() -> None:
    for doc, words in (
        (document(), "no waveform"),
        (document(trace([])), "no samples"),
        (document(trace([1], gain=0.0)), "no usable number"),
        (document(trace([1], gain=float("inf"))), "no usable number"),
        (document(trace([1], zero=float("nan"))), "no usable number"),
    ):
        with pytest.raises(SignalError, match=words):
            built(doc)


def test_limits_of_documents() -> None:
    doc = document(trace([1, 2, 3]), trace([1, 2, 3, 4], lead="II"))
    assert built(doc, Limits(channels=2, samples=8)).samples == 4
    assert np.isnan(built(doc).signal[0, 3])  # the shorter lead
    with pytest.raises(LimitError, match="2 leads; the limit is 1"):
        built(doc, Limits(channels=1))
    with pytest.raises(LimitError, match="8 samples are asked for; the limit is 7"):
        built(doc, Limits(samples=7))
    with pytest.raises(EcgFoundryError, match="1 lead names are given for the 2 leads"):
        built(doc, leads=("I",))
    assert built(doc, leads=("V1", "V2"), sampling_rate=50.0).leads == ("V1", "V2")


def test_what_is_said_of_a_document() -> None:
    beats = (trace([1], lead="v5"), trace([2], lead="lead ii"))
    doc = document(
        trace([1, 2, 3]), rate=None, beats=beats, beats_sampling_rate=1000.0, recordings=3,
        mains_frequency=60.0, header={"a": "", "b": "x"}, device={"model": ""},
    )  # fmt: skip
    recording = built(doc, sampling_rate=250.0)
    assert (recording.sampling_rate, recording.mains_frequency) == (250.0, 60.0)
    assert built(doc, sampling_rate=250.0, mains_frequency=50.0).mains_frequency == 50.0
    assert (dict(recording.header), dict(recording.device)) == ({"b": "x"}, {})
    assert [(c.name, c.sampling_rate, c.unit, c.kind) for c in recording.other_channels] == [
        ("V5 beat", 1000.0, "mV", "representative-beat"),
        ("II beat", 1000.0, "mV", "representative-beat"),
    ]
    info = describe_document(doc, ReadOptions(sampling_rate=250.0), path=HERE, format="test")
    assert info == RecordingInfo("test", ("I",), 250.0, 3, ("v5 beat", "lead ii beat"), 3)
    # Without a rate of their own the beats have that of the recording.
    assert built(document(trace([1]), beats=beats)).other_channels[0].sampling_rate == 100.0


def test_limb_leads_are_derived_where_the_format_leaves_them_out() -> None:
    """Einthoven and Goldberger: III = II - I, aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2."""
    stored = [trace([8.0], lead="V1"), trace([2.0], lead="I"), trace([6.0], lead="II")]
    recording = built(document(*stored, derive_limb_leads=True))
    assert recording.leads == ("I", "II", "III", "aVR", "aVL", "aVF", "V1")
    assert recording.signal[:, 0].tolist() == [2, 6, 4, -4, -1, 5, 8]
    assert recording.header["derived_leads"] == "III, aVR, aVL, aVF"
    assert built(document(*stored)).leads == ("V1", "I", "II")
    stored = [trace([8.0, 9], lead="V1"), trace([2.0, 3], lead="I"), trace([6.0, 7], lead="II")]
    opened = document_file(
        document(*stored, derive_limb_leads=True), ReadOptions(), path=HERE, format="t"
    )
    part = opened.read_segment(1, 2)
    assert part.signal[:, 0].tolist() == [3, 7, 4, -5, -0.5, 5.5, 9]


BORN, WHEN = dt.date(1960, 5, 7), dt.date(2024, 5, 6)


@pytest.mark.parametrize(
    ("value", "unit", "born", "expected"),
    [
        ("64", None, None, 64.0), ("64", "a", None, 64.0), ("64", "YEARS", BORN, 64.0),
        ("18", "months", None, 1.5), ("18", "mo", None, 1.5), ("26.09", "w", None, 0.5),
        ("73.05", "days", None, 0.2), ("4383", "h", None, 0.5), ("1500", "mo", None, None),
        ("1440", "mo", None, 120.0), ("200", "d", None, 0.55), ("130", None, None, None),
        ("", None, BORN, 63.0), (None, None, BORN, 63.0), ("x", None, BORN, 63.0),
        ("", None, dt.date(1960, 5, 6), 64.0), ("", None, dt.date(1960, 6, 5), 63.0),
        ("", None, None, None), ("", None, dt.date(2025, 1, 1), None),
        ("", None, dt.date(1904, 5, 6), 120.0), ("", None, dt.date(1903, 5, 6), None),
    ],
)  # fmt: skip
def test_ages(value: object, unit: str | None, born: dt.date | None, expected: float) -> None:
    """A year has 12 months, 52.18 weeks, 365.25 days and 8766 hours."""
    assert age_in_years(value, unit, born, WHEN) == expected
    assert age_in_years("", None, born, None) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05, "0.05 Hz"), ("150", "150 Hz"), (" 0.5 ", "0.5 Hz"), (0, ""), (-1, ""), ("nan", ""),
     ("x", ""), (None, ""), (999_999, "999999 Hz"), (1e6, ""), (1e-9, "1e-09 Hz")],
)  # fmt: skip
def test_filters(value: object, text: str) -> None:
    assert filter_text(value) == text


def test_measurements_and_their_units() -> None:
    assert list(MEASUREMENTS) == [
        "heart_rate_bpm", "atrial_rate_bpm", "rr_ms", "p_ms", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms",
        "qtc_bazett_ms", "qtc_fridericia_ms", "p_axis_deg", "qrs_axis_deg", "t_axis_deg",
        "qrs_count",
    ]  # fmt: skip
    assert stated_measurements({"rr_ms": 812.5, "qt_ms": "inf"}) == {"rr_ms": "812.5"}


# Times of HL7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20021122091000.500", dt.datetime(2002, 11, 22, 9, 10, 0, 500_000)),
        ("20021122091000.123456789", dt.datetime(2002, 11, 22, 9, 10, 0, 123_456)),
        ("20021122091000.04", dt.datetime(2002, 11, 22, 9, 10, 0, 40_000)),
        ("20021122", None), ("2002112209", None), ("2002-11-22", None),
        ("2002-11-22T09:10", dt.datetime(2002, 11, 22, 9, 10)),
        ("200211220910", dt.datetime(2002, 11, 22, 9, 10)),
        ("200211", None), ("2002", None), ("", None), (None, None), ("20021322", None),
        ("20021122091000+0130", dt.datetime(
            2002, 11, 22, 9, 10, tzinfo=dt.timezone(dt.timedelta(minutes=90)))),
        ("20021122091000-0500", dt.datetime(
            2002, 11, 22, 9, 10, tzinfo=dt.timezone(-dt.timedelta(hours=5)))),
        ("20021122091000+2359", dt.datetime(
            2002, 11, 22, 9, 10, tzinfo=dt.timezone(dt.timedelta(hours=23, minutes=59)))),
        ("20021122091000+2400", dt.datetime(2002, 11, 22, 9, 10)),
    ],
)  # fmt: skip
def test_hl7_times(text: str | None, expected: dt.datetime | None) -> None:
    assert parse_hl7_time(text) == expected


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [("s", 3.0), ("ms", 0.003), ("us", 3e-6), ("µs", 3e-6), ("min", 180.0), ("h", 10_800.0),
     ("d", None), ("", None)],
)  # fmt: skip
def test_quantities_of_time(unit: str, seconds: float | None) -> None:
    quantity = Element("x", {"value": "3", "unit": unit})
    assert seconds_of(quantity) == seconds
    assert milliseconds(quantity) == (None if seconds is None else pytest.approx(1000 * seconds))
    assert seconds_of(None) is None and milliseconds(None) is None and increment_rate(None) is None


@pytest.mark.parametrize(
    ("value", "unit", "rate"),
    [
        ("0.002", "s", 500.0),
        ("2", "ms", 500.0),
        ("2000", "us", 500.0),
        ("2e-3", "s", 500.0),
        ("0.0039", "s", 256.0),  # 1 / 0.0039 = 256.41; 1 / 256 = 0.00390625
        ("0.00390", "s", 1 / 0.0039),  # the last digit says 0.000005 s of doubt
        ("0.0038", "s", 263.0),
        ("3.9", "ms", 256.0),
        ("0.02", "s", 50.0),
        ("0.021", "s", 48.0),  # 47.6; 1 / 48 is 0.02083
        ("0.7", "s", 1 / 0.7),  # 1 Hz is further off than 2 % of the period
        ("1", "s", 1.0),
        ("2", "s", 0.5),
        ("0", "s", None),
        ("-0.002", "s", None),
        ("999999", "s", 1 / 999_999),
        ("1000000", "s", None),
        ("x", "s", None),
        ("0.002", "m", None),
    ],
)
def test_rates_of_increments(value: str, unit: str, rate: float | None) -> None:
    found = increment_rate(Element("increment", {"value": value, "unit": unit}))
    assert found == (None if rate is None else pytest.approx(rate, rel=1e-12))


# XML


def xml(folder: Path, text: str) -> Path:
    path = folder / "x.xml"
    path.write_text(text)
    return path


def test_levels_of_xml(tmp_path: Path) -> None:
    parse_xml(xml(tmp_path, "<a>" * 64 + "</a>" * 64), Limits())
    with pytest.raises(LimitError, match="64 levels"):
        parse_xml(xml(tmp_path, "<a>" * 65 + "</a>" * 65), Limits())


def test_elements_of_xml(tmp_path: Path) -> None:
    parse_xml(xml(tmp_path, "<a>" + "<b/>" * 199_999 + "</a>"), Limits())
    with pytest.raises(LimitError, match="200000 elements"):
        parse_xml(xml(tmp_path, "<a>" + "<b/>" * 200_000 + "</a>"), Limits())


def test_bytes_of_xml(tmp_path: Path) -> None:
    path = xml(tmp_path, "<a/>")
    assert parse_xml(path, Limits(text_bytes=4)).tag == "a"
    with pytest.raises(LimitError, match="4 bytes; the limit is 3"):
        parse_xml(path, Limits(text_bytes=3))
    with path.open("r+b") as file:
        file.truncate(128_000_001)
    with pytest.raises(LimitError, match="128000001 bytes; the limit is 128000000"):
        parse_xml(path, Limits())


def test_limits_of_lists() -> None:
    assert numbers("1 2 3", "x", Limits(samples=2), HERE).tolist() == [1, 2, 3]
    assert numbers(" \n", "x", Limits(), HERE).tolist() == []
    with pytest.raises(LimitError, match="x has more than 2 values"):
        numbers("1 2 34", "x", Limits(samples=2), HERE)
    with pytest.raises(FormatError):
        numbers("1 2 x", "x", Limits(), HERE)
