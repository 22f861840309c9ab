"""The numbers of HL7 aECG (ANSI/HL7 V3 ECG R1-2004): scales, axes of time, annotations."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import EcgFoundryError, LimitError, SignalError
from ecgfoundry.formats import inspect, read
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.formats.xml.aecg import READER
from ecgfoundry.recording import Recording, Subject

HEAD = ('<AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">')  # fmt: skip


def lead(
    name: str,
    digits: str,
    scale: str = '<scale value="5" unit="uV"/>',
    kind: str = "SLIST_PQ",
    origin: str = "",
) -> str:
    return (f'<component><sequence><code code="MDC_ECG_LEAD_{name}"/><value xsi:type="{kind}">'
            f"{origin}{scale}<digits>{digits}</digits></value></sequence></component>")  # fmt: skip


def clock(head: str = '<head value="20240506070809"/>', code: str = "TIME_ABSOLUTE",
          increment: str = '<increment value="0.01" unit="s"/>') -> str:  # fmt: skip
    return (f'<component><sequence><code code="{code}"/><value xsi:type="GLIST_TS">{head}'
            f"{increment}</value></sequence></component>")  # fmt: skip


def sets(*parts: str) -> str:
    return "".join(f"<component><sequenceSet>{part}</sequenceSet></component>" for part in parts)


def series(content: str, code: str = "RHYTHM", more: str = "") -> str:
    return f'<component><series><code code="{code}"/>{more}{content}</series></component>'


def loaded(folder: Path, *content: str, **options: object) -> Recording:
    path = folder / "x.xml"
    path.write_text(f"{HEAD}{''.join(content)}</AnnotatedECG>")
    return read(path, **options)  # type: ignore[arg-type]


SIMPLE = sets(clock() + lead("II", "1 2 3 4"))


@pytest.mark.parametrize(
    ("declared", "codec", "name"),
    [("GB2312", "gb2312", "张-7"), ("gbk", "gbk", "張-7"), ("GB18030", "gb18030", "张-7"),
     ("Shift_JIS", "shift_jis", "山田-ｱ"), ("Windows-31J", "cp932", "髙-7"),
     ("EUC-JP", "euc_jp", "山田"), ("EUC-KR", "euc_kr", "홍-7"), ("Big5", "big5", "張-7"),
     ("UTF-16", "utf-16", "Żółć-張"), ("windows-1251", "cp1251", "Иван"),
     ("ISO-8859-2", "iso8859_2", "Żółć"), ("UTF-8", "utf-8", "Żółć-張")],
)  # fmt: skip
def test_declared_encodings(tmp_path: Path, declared: str, codec: str, name: str) -> None:
    subject = (
        "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        f'<id extension="{name}"/></trialSubject></subject></subjectAssignment></componentOf>'
        "</timepointEvent></componentOf>"
    )
    text = f'<?xml version="1.0" encoding="{declared}"?>{HEAD}{subject}{series(SIMPLE)}'
    path = tmp_path / "x.xml"
    path.write_bytes((text + "</AnnotatedECG>").encode(codec))
    recording = read(path)
    assert (recording.subject.identifier, recording.leads) == (name, ("II",))


@pytest.mark.parametrize(
    ("born", "age", "date"),
    [("19740506", 50.0, "1974-05-06"), ("1974-05-06", 50.0, "1974-05-06"),
     ("1974-05-07", 49.0, "1974-05-07"), ("1974/05/06", 50.0, "1974-05-06"),
     ("19740506103000+0100", 50.0, "1974-05-06"), ("1974-05-06T10:30:00", 50.0, "1974-05-06"),
     # Partial: the middle of the month or of the year stands for it, and is told to nobody.
     ("197404", 50.0, None), ("1974-06", 49.0, None), ("1974", 49.0, None),
     ("1974-00-00", 49.0, None), ("19740006", 49.0, None), ("1974-13-40", None, None),
     ("unknown", None, None)],
)  # fmt: skip
def test_dates_of_birth(tmp_path: Path, born: str, age: float | None, date: str | None) -> None:
    subject = (
        "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        f'<subjectDemographicPerson><birthTime value="{born}"/></subjectDemographicPerson>'
        "</trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>"
    )
    person = loaded(tmp_path, subject, series(SIMPLE)).subject
    assert person.age == age
    assert person.birth_date == (None if date is None else dt.date.fromisoformat(date))


def annotated(*annotations: str) -> str:
    inner = "".join(f"<component>{one}</component>" for one in annotations)
    return f"<subjectOf><annotationSet>{inner}</annotationSet></subjectOf>"


def note(code: str, value: str = "", roi: str = "", inner: str = "") -> str:
    support = f"<support><supportingROI>{roi}</supportingROI></support>" if roi else ""
    return f'<annotation><code code="{code}"/>{value}{support}{inner}</annotation>'


def boundary(code: str, value: str = "") -> str:
    return f'<component><boundary><code code="{code}"/>{value}</boundary></component>'


@pytest.mark.parametrize(
    ("scale", "origin", "expected"),
    [
        ('<scale value="5" unit="uV"/>', "", [0.005, 0.01]),
        ('<scale value="5" unit="uV"/>', '<origin value="1000" unit="uV"/>', [1.005, 1.01]),
        ('<scale value="5" unit="uV"/>', '<origin value="2" unit="mV"/>', [2.005, 2.01]),
        ('<scale value="5" unit="uV"/>', '<origin value="100"/>', [0.105, 0.11]),
        ('<scale value="-0.5" unit="mV"/>', '<origin value="1" unit="mV"/>', [0.5, 0.0]),
    ],
)
def test_scale_and_origin(tmp_path: Path, scale: str, origin: str, expected: list[float]) -> None:
    """Values are origin + scale x digit, each in its own unit."""
    recording = loaded(tmp_path, series(sets(clock() + lead("II", "1 2", scale, origin=origin))))
    np.testing.assert_allclose(recording.signal[0], expected, rtol=1e-6, atol=1e-9)


def test_kinds_of_lists(tmp_path: Path) -> None:
    for kind in ("SLIST_PQ", "SLIST_INT", "v3:SLIST_PQ"):
        assert loaded(tmp_path, series(sets(clock() + lead("II", "1 2", kind=kind)))).samples == 2
    with pytest.raises(EcgFoundryError, match="is a 'SLIST_REAL'"):
        loaded(tmp_path, series(sets(clock() + lead("II", "1 2", kind="SLIST_REAL"))))


def test_relative_times(tmp_path: Path) -> None:
    """Heads in a unit of time: 100 ms and 0.15 s are five samples apart at 100 Hz."""
    first = clock('<head value="100" unit="ms"/>', "TIME_RELATIVE") + lead("I", "1 2 3")
    second = clock('<head value="0.15" unit="s"/>', "TIME_RELATIVE") + lead("I", "7 8")
    recording = loaded(tmp_path, series(sets(first, second)))
    np.testing.assert_allclose(
        recording.signal[0] * 200, [1, 2, 3, np.nan, np.nan, 7, 8], rtol=1e-6
    )
    assert recording.start_time is None


def test_one_axis_of_time(tmp_path: Path) -> None:
    later, earlier = '<head value="20240506070809.05"/>', '<head value="20240506070809.02"/>'
    two = sets(clock(later) + lead("I", "1 2"), clock(earlier) + lead("II", "3 4 5"))
    recording = loaded(tmp_path, series(two))
    assert recording.start_time == dt.datetime(2024, 5, 6, 7, 8, 9, 20_000)
    nan = np.nan
    np.testing.assert_allclose(
        recording.signal * 200, [[nan, nan, nan, 1, 2], [3, 4, 5, nan, nan]], rtol=1e-6
    )
    path = tmp_path / "x.xml"
    assert READER.read(path, ReadOptions(limits=Limits(samples=10)), 0, None).samples == 5
    with pytest.raises(LimitError, match="5 samples of 2 leads"):
        READER.read(path, ReadOptions(limits=Limits(samples=9)), 0, None)
    overlap = sets(clock(earlier) + lead("I", "1 2"), clock(earlier) + lead("I", "3 4 5"))
    with pytest.raises(EcgFoundryError, match="recorded twice"):
        loaded(tmp_path, series(overlap))
    zone = '<head value="20240506070809.05+0100"/>'
    mixed = sets(clock(zone) + lead("I", "1 2"), clock(earlier) + lead("II", "3"))
    with pytest.raises(EcgFoundryError, match="do not state when each begins"):
        loaded(tmp_path, series(mixed))


def test_rates_of_sets(tmp_path: Path) -> None:
    def at(step: str, head: str) -> str:
        increment = f'<increment value="{step}" unit="s"/>'
        return clock(f'<head value="{head}"/>', increment=increment) + lead("I", "1 2")

    near = sets(at("0.01", "20240506070809"), at("0.010000005", "20240506070810"))
    assert loaded(tmp_path, series(near)).samples == 102
    far = sets(at("0.01", "20240506070809"), at("0.01000002", "20240506070810"))
    with pytest.raises(EcgFoundryError, match="different sampling rates"):
        loaded(tmp_path, series(far))
    for part, words in (
        (lead("I", "1"), "no time sequence"), (clock(), "holds no lead"),
        (clock(increment="") + lead("I", "1"), "constant increment"),
    ):  # fmt: skip
        with pytest.raises(EcgFoundryError, match=words):
            loaded(tmp_path, series(sets(part)))


def test_which_series_is_a_recording(tmp_path: Path) -> None:
    beat = sets(clock() + lead("II", "9 9"))
    for code in ("REPRESENTATIVE_BEAT", "MEDIAN_BEAT"):
        recording = loaded(tmp_path, series(SIMPLE), series(beat, code))
        assert recording.samples == 4
        assert [c.name for c in recording.other_channels] == ["II beat"]
        np.testing.assert_allclose(recording.other_channels[0].signal, [0.045, 0.045], rtol=1e-6)
    derived = f'<derivation><derivedSeries><code code="X"/>{beat}</derivedSeries></derivation>'
    own = loaded(tmp_path, series(SIMPLE, more=derived))
    assert len(own.other_channels) == 1
    # Of two recordings only the one that it was derived from has it.
    path = tmp_path / "x.xml"
    loaded(tmp_path, series(SIMPLE, more=derived), series(SIMPLE), index=0)
    assert [len(read(path, index=n).other_channels) for n in (0, 1)] == [1, 0]
    assert inspect(path).recordings == 2
    for index in (-1, 2):
        with pytest.raises(SignalError, match=f"no recording {index}; the file holds 2"):
            read(path, index=index)


def test_start_times(tmp_path: Path) -> None:
    bare = sets(clock("", increment='<increment value="0.01" unit="s"/>') + lead("II", "1"))
    low = '<effectiveTime><low value="20240102"/><center value="20230102"/></effectiveTime>'
    centre = '<effectiveTime><center value="20220304"/></effectiveTime>'
    assert loaded(tmp_path, series(SIMPLE, more=low)).start_time == dt.datetime(2024, 5, 6, 7, 8, 9)
    for text, day in (
        (loaded(tmp_path, series(bare, more=low)), "20240102"),
        (loaded(tmp_path, series(bare), centre), "20220304"),
    ):
        assert (text.start_time, text.header["start_date"]) == (None, day)
    at_noon = low.replace("20240102", "202401021200")
    noon = dt.datetime(2024, 1, 2, 12)
    assert loaded(tmp_path, series(bare, more=at_noon)).start_time == noon
    assert loaded(tmp_path, series(bare)).start_time is None


BORN = dt.date(1960, 5, 7)


def person(gender: str = "F", birth: str = "19600507", identifier: str = "S1") -> str:
    return (
        "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        f'<id extension="{identifier}"/><subjectDemographicPerson><administrativeGenderCode '
        f'code="{gender}"/><birthTime value="{birth}"/></subjectDemographicPerson></trialSubject>'
        "</subject></subjectAssignment></componentOf></timepointEvent></componentOf>"
    )


def stated_age(code: str, value: str, unit: str) -> str:
    return (
        f'<controlVariable><relatedObservation><code code="{code}"/>'
        f'<value value="{value}" {unit}/></relatedObservation></controlVariable>'
    )


@pytest.mark.parametrize(
    ("content", "subject"),
    [
        (person(), Subject(63.0, "female", "S1", BORN)),
        (person("M", "", ""), Subject(None, "male", None)),
        (person() + stated_age("21612-7", "46", 'unit="a"'), Subject(46.0, "female", "S1", BORN)),
        (person() + stated_age("30525-0", "18", 'unit="mo"'), Subject(1.5, "female", "S1", BORN)),
        (person() + stated_age("21612-7", "46", ""), Subject(46.0, "female", "S1", BORN)),
        (person() + stated_age("99999-9", "46", 'unit="a"'), Subject(63.0, "female", "S1", BORN)),
        ("", Subject()),
    ],
)
def test_subjects(tmp_path: Path, content: str, subject: Subject) -> None:
    assert loaded(tmp_path, content, series(SIMPLE)).subject == subject


def variable(kind: str, setting: str, value: str) -> str:
    code = f"MDC_ECG_CTL_VBL_ATTR_FILTER_{kind}"
    part = f'<component><controlVariable><code code="MDC_ECG_CTL_VBL_ATTR_FILTER_{setting}"/>{value}</controlVariable></component>'  # noqa: E501
    return f'<controlVariable><code code="{code}"/>{part}</controlVariable>'


@pytest.mark.parametrize(
    ("more", "device", "mains"),
    [
        (
            variable("LOW_PASS", "CUTOFF_FREQ", '<value value="150" unit="Hz"/>'),
            {"lowpass": "150 Hz"},
            None,
        ),
        (
            variable("HIGH_PASS", "CUTOFF_FREQ", '<value value="0.05"/>'),
            {"highpass": "0.05 Hz"},
            None,
        ),
        (
            variable("NOTCH", "NOTCH_FREQ", '<value value="50" unit="Hz"/>'),
            {"notch": "50 Hz"},
            50.0,
        ),
        (
            variable("NOTCH", "NOTCH_FREQ", '<value value="60" unit="Hz"/>'),
            {"notch": "60 Hz"},
            60.0,
        ),
        (
            variable("NOTCH", "NOTCH_FREQ", '<value value="16" unit="Hz"/>'),
            {"notch": "16 Hz"},
            None,
        ),
        (
            variable("LOW_PASS", "CUTOFF_FREQ", '<value value="150" unit="kHz">text</value>'),
            {"lowpass": "text"},
            None,
        ),
    ],
)
def test_filters(tmp_path: Path, more: str, device: dict, mains: float | None) -> None:
    recording = loaded(tmp_path, series(SIMPLE, more=more))
    assert dict(recording.device) == device
    assert recording.mains_frequency == mains
    outer = more.replace("<controlVariable>", "<controlVariable><controlVariable>", 1)
    nested = loaded(tmp_path, series(SIMPLE, more=outer + "</controlVariable>"))
    assert dict(nested.device) == device


def test_device_and_header(tmp_path: Path) -> None:
    author = (
        "<author><seriesAuthor><manufacturedSeriesDevice><id extension='S9'/>"
        "<manufacturerModelName>M1</manufacturerModelName><softwareName>V2</softwareName></manufacturedSeriesDevice>"
        "<manufacturerOrganization><name>Maker</name></manufacturerOrganization>"
        "</seriesAuthor></author>"
    )
    recording = loaded(tmp_path, '<id root="1.2.3"/>', series(SIMPLE, more=author))
    assert dict(recording.device) == {"manufacturer": "Maker", "model": "M1", "software": "V2"}
    assert dict(recording.header) == {
        "series": "RHYTHM", "document_id": "1.2.3", "device_serial": "S9",
    }  # fmt: skip


# ISO 11073-10101 / annex of the aECG guide: the codes of what is measured.
MEASURED = {
    "MDC_ECG_HEART_RATE": "heart_rate_bpm", "MDC_ECG_TIME_PD_RR": "rr_ms",
    "MDC_ECG_TIME_PD_P": "p_ms", "MDC_ECG_TIME_PD_PR": "pr_ms", "MDC_ECG_TIME_PD_QRS": "qrs_ms",
    "MDC_ECG_TIME_PD_QT": "qt_ms", "MDC_ECG_TIME_PD_QTC": "qtc_ms",
    "MDC_ECG_TIME_PD_QTCB": "qtc_bazett_ms", "MDC_ECG_TIME_PD_QTCF": "qtc_fridericia_ms",
    "MDC_ECG_ANGLE_P_FRONT": "p_axis_deg", "MDC_ECG_ANGLE_QRS_FRONT": "qrs_axis_deg",
    "MDC_ECG_ANGLE_T_FRONT": "t_axis_deg",
}  # fmt: skip


def test_codes_of_measurements(tmp_path: Path) -> None:
    notes = []
    for place, (code, key) in enumerate(MEASURED.items()):
        unit = key.rpartition("_")[2]  # bpm, ms or deg
        suffix = "_GL" if place % 2 else ""
        notes.append(note(code + suffix, f'<value value="{60 + place}" unit="{unit}"/>'))
    recording = loaded(tmp_path, series(SIMPLE, more=annotated(*notes)))
    assert device_measurements(recording.header) == {
        key: 60.0 + place for place, key in enumerate(MEASURED.values())
    }


@pytest.mark.parametrize(
    ("code", "value", "found"),
    [
        ("MDC_ECG_TIME_PD_QT", 'value="0.38" unit="s"', {"qt_ms": 380.0}),
        ("MDC_ECG_TIME_PD_QT", 'value="380000" unit="us"', {"qt_ms": 380.0}),
        # Without a unit: whole numbers of 10 to 5000 are milliseconds (seen in Philips files).
        ("MDC_ECG_TIME_PD_QT", 'value="10"', {"qt_ms": 10.0}),
        ("MDC_ECG_TIME_PD_QT", 'value="5000"', {"qt_ms": 5000.0}),
        ("MDC_ECG_TIME_PD_QT", 'value="9"', {}),
        ("MDC_ECG_TIME_PD_QT", 'value="5001"', {}),
        ("MDC_ECG_TIME_PD_QT", 'value="380.5"', {}),
        ("MDC_ECG_HEART_RATE", 'value="60"', {"heart_rate_bpm": 60.0}),
        ("MDC_ECG_HEART_RATE", 'value="60" unit="/min"', {"heart_rate_bpm": 60.0}),
        ("MDC_ECG_HEART_RATE", 'value="60" unit="1/min"', {"heart_rate_bpm": 60.0}),
        ("MDC_ECG_HEART_RATE", 'value="60" unit="{beats}/min"', {"heart_rate_bpm": 60.0}),
        ("MDC_ECG_HEART_RATE", 'value="1.5" unit="Hz"', {"heart_rate_bpm": 90.0}),
        ("MDC_ECG_HEART_RATE", 'value="60" unit="x"', {}),
        ("MDC_ECG_ANGLE_P_FRONT", 'value="-30"', {"p_axis_deg": -30.0}),
        ("MDC_ECG_ANGLE_P_FRONT", 'value="1" unit="rad"', {}),
        ("MDC_ECG_ANGLE_P_FRONT", 'value="x"', {}),
    ],
)
def test_units_of_measurements(tmp_path: Path, code: str, value: str, found: dict) -> None:
    more = annotated(note(code, f"<value {value}/>"))
    assert device_measurements(loaded(tmp_path, series(SIMPLE, more=more)).header) == found


def test_whose_measurement_counts(tmp_path: Path) -> None:
    """The first one that is about all leads, outer annotations before inner ones."""
    one_lead = boundary("MDC_ECG_LEAD_II")
    pr = note("MDC_ECG_TIME_PD_PR", '<value value="150" unit="ms"/>')
    inner = f"<component>{pr}</component>"
    more = annotated(
        note("MDC_ECG_TIME_PD_QT", '<value value="400" unit="ms"/>', one_lead),
        note("X", inner=inner, roi=one_lead),
        note("MDC_ECG_TIME_PD_QT", '<value value="380" unit="ms"/>'),
        note("MDC_ECG_TIME_PD_QT", '<value value="390" unit="ms"/>'),
        note("X", inner=inner.replace("150", "160")),
        note("MDC_ECG_INTERPRETATION_STATEMENT", "<value>Sinus\n rhythm</value>"),
        note("MDC_ECG_INTERPRETATION_SUMMARY", "<value>Normal</value>"),
    )
    header = loaded(tmp_path, series(SIMPLE, more=more)).header
    assert device_measurements(header) == {"qt_ms": 380.0, "pr_ms": 160.0}
    assert header["statements"] == "Sinus rhythm\nNormal"
    many = [note("MDC_ECG_INTERPRETATION_STATEMENT", f"<value>{n}</value>") for n in range(250)]
    lines = loaded(tmp_path, series(SIMPLE, more=annotated(*many))).header["statements"].split("\n")
    assert lines == [str(n) for n in range(200)]


def test_where_annotations_lie(tmp_path: Path) -> None:
    def at(low: str, high: str = "") -> str:
        parts = f'<low value="{low}"/>' + (f'<high value="{high}"/>' if high else "")
        return boundary("TIME_ABSOLUTE", f"<value>{parts}</value>")

    relative = boundary(
        "TIME_RELATIVE", '<value><low value="20" unit="ms"/><high value="0.03" unit="s"/></value>'
    )
    single = boundary("TIME_ABSOLUTE", '<value value="20240506070809.030"/>')
    more = annotated(
        note("MDC_ECG_WAVC", '<value code="T"/>', at("20240506070809.02", "20240506070809.035")),
        note("MDC_ECG_RHY", '<value code="SINUS"/>', at("20240506070809", "20240506070809.04")),
        note("MDC_ECG_BEAT", "<value>N</value>", at("20240506070809.01")),
        note("MDC_ECG_WAVC_TYPE", '<value code="P"/>', boundary("MDC_ECG_LEAD_V2") + relative),
        note("MDC_ECG_BEAT", '<value code="V"/>', single),
        note("MDC_ECG_BEAT", '<value code="back"/>', at("20240506070809.03", "20240506070809.01")),
        note("MDC_ECG_BEAT", '<value code="zone"/>', at("20240506070809+0100")),
        note("MDC_ECG_BEAT", '<value code="nowhere"/>'),
        note("MDC_ECG_OTHER", '<value code="x"/>', at("20240506070809")),
    )
    recording = loaded(tmp_path, series(SIMPLE, more=more))
    found = [(m.kind, m.text, round(m.time_s, 6), round(m.duration_s, 6), m.lead)
             for m in recording.annotations]  # fmt: skip
    assert found == [
        ("rhythm", "SINUS", 0.0, 0.04, None), ("beat", "N", 0.01, 0.0, None),
        ("wave", "T", 0.02, 0.015, None), ("wave", "P", 0.02, 0.01, "V2"),
        ("beat", "V", 0.03, 0.0, None), ("beat", "back", 0.03, 0.0, None),
    ]  # fmt: skip
