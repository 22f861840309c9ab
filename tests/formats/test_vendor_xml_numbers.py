"""The numbers of GE MUSE, CardioSoft, Mortara and Philips XML: scales, rates, tables, limits."""

from __future__ import annotations

import base64
import datetime as dt
import zlib
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LimitError,
    SignalError,
    TruncatedFileError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import inspect, read
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.formats.xml.ge_muse import READER as MUSE
from ecgfoundry.formats.xml.philips_sierra import READER as PHILIPS
from ecgfoundry.formats.xml.philips_xli import decode_xli, expand_lzw
from ecgfoundry.recording import Recording, Subject


def b64(*values: int, dtype: str = "<i2") -> str:
    return base64.b64encode(np.array(values, dtype).tobytes()).decode()


def loaded(folder: Path, text: str, **options: object) -> Recording:
    path = folder / "x.xml"
    path.write_text(text)
    return read(path, **options)  # type: ignore[arg-type]


def element(name: str, *content: object, **attributes: object) -> str:
    stated = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{stated}>{''.join(map(str, content))}</{name}>"


# GE MUSE


def muse_lead(name: str = "V2", *values: int, unit: str = "MICROVOLTS", gain: object = 4.88,
              dtype: str = "<i2", more: str = "") -> str:  # fmt: skip
    size = np.dtype(dtype).itemsize
    return element(
        "LeadData", element("LeadID", name), element("LeadAmplitudeUnits", unit),
        element("LeadAmplitudeUnitsPerBit", gain), element("LeadSampleSize", size),
        element("WaveFormData", b64(*values, dtype=dtype)), more,
    )  # fmt: skip


def muse(
    *leads: str, kind: str = "Rhythm", more: str = "", base: object = 500, around: str = ""
) -> str:
    wave = element(
        "Waveform", element("WaveformType", kind), element("SampleBase", base), more, *leads
    )
    return element("RestingECG", around, wave)


@pytest.mark.parametrize(
    ("unit", "gain", "expected"),
    [("MICROVOLTS", 4.88, [0.00488, -0.00976]), ("microvolts", 5, [0.005, -0.01]),
     ("MILLIVOLTS", 0.005, [0.005, -0.01]), ("NANOVOLTS", 500, [0.0005, -0.001]),
     ("VOLTS", 1e-6, [0.001, -0.002])],
)  # fmt: skip
def test_muse_units(tmp_path: Path, unit: str, gain: float, expected: list[float]) -> None:
    recording = loaded(tmp_path, muse(muse_lead("V2", 1, -2, unit=unit, gain=gain)))
    np.testing.assert_allclose(recording.signal[0], expected, rtol=1e-6)


def test_muse_leads_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(muse(*(muse_lead(name, 1, 2) for name in ("V1", "V2", "V3"))))
    limits = ReadOptions(limits=Limits(channels=3))
    assert MUSE.read(path, limits, 0, None).leads == ("V1", "V2", "V3")
    with pytest.raises(LimitError):
        MUSE.read(path, ReadOptions(limits=Limits(channels=2)), 0, None)


@pytest.mark.parametrize("dtype", ["<i1", "<i2", "<i4"])
def test_muse_sample_sizes(tmp_path: Path, dtype: str) -> None:
    values = [1, -2, 100, -100]
    recording = loaded(tmp_path, muse(muse_lead("V2", *values, dtype=dtype, gain=1000)))
    np.testing.assert_allclose(recording.signal[0], values, rtol=1e-6)
    unsaid = muse(muse_lead("V2", *values)).replace("<LeadSampleSize>2</LeadSampleSize>", "")
    assert loaded(tmp_path, unsaid).samples == 4


@pytest.mark.parametrize(
    ("base", "exponent", "rate"),
    [(500, "", 500.0), (5, 2, 500.0), (2500, -1, 250.0), (1, 5, 100_000.0), (1e9, -9, 1.0),
     (1e10, -10, None)],
)  # fmt: skip
def test_muse_rates(tmp_path: Path, base: float, exponent: object, rate: float | None) -> None:
    text = muse(muse_lead("V2", 1), base=base, more=element("SampleExponent", exponent))
    if rate is None:
        with pytest.raises(EcgFoundryError, match="rate"):
            loaded(tmp_path, text)
    else:
        assert loaded(tmp_path, text).sampling_rate == pytest.approx(rate)


@pytest.mark.parametrize(
    ("tag", "fits", "off"), [("LeadByteCountTotal", 4, 5), ("LeadSampleCountTotal", 2, 3)]
)
def test_muse_counts(tmp_path: Path, tag: str, fits: int, off: int) -> None:
    assert loaded(tmp_path, muse(muse_lead("V2", 1, 2, more=element(tag, fits)))).samples == 2
    for wrong in (off, fits - 1):
        with pytest.raises(FormatError, match="4 bytes of samples"):
            loaded(tmp_path, muse(muse_lead("V2", 1, 2, more=element(tag, wrong))))
    odd = muse(muse_lead("V2", 1, 2)).replace(b64(1, 2), base64.b64encode(b"\1\2\3").decode())
    with pytest.raises(FormatError, match="3 bytes of samples"):
        loaded(tmp_path, odd)


def test_muse_checksums(tmp_path: Path) -> None:
    """CRC-32 of the bytes; one that fits none of the leads is of another kind."""

    def lead(name: str, checksum: int) -> str:
        return muse_lead(name, 1, 2, more=element("LeadDataCRC32", checksum))

    right = zlib.crc32(np.array([1, 2], "<i2").tobytes())
    for checksums, state in (
        ((right, right), "verified"), ((right, 0), "verified"), ((0, 0), None),
        ((1, 2), "not verified"),
    ):  # fmt: skip
        leads = [lead(name, one) for name, one in zip(("V2", "V3"), checksums, strict=True)]
        assert loaded(tmp_path, muse(*leads)).header.get("checksum") == state
    with pytest.raises(FormatError, match="lead V3 do not have"):
        loaded(tmp_path, muse(lead("V2", right), lead("V3", 1)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("16", "0.16 Hz"), ("5", "0.05 Hz"), ("0.05", "0.05 Hz"), ("1.0", "1 Hz"), ("100", "1 Hz"),
     ("", None)],
)  # fmt: skip
def test_muse_highpass_is_in_hundredths_of_a_hertz(
    tmp_path: Path, text: str, expected: str | None
) -> None:
    recording = loaded(tmp_path, muse(muse_lead("V2", 1), more=element("HighPassFilter", text)))
    assert recording.device.get("highpass") == expected


@pytest.mark.parametrize(
    ("text", "notch", "mains"),
    [("50", "50 Hz", 50.0), ("60", "60 Hz", 60.0), ("NONE", "none", None), ("55", "55 Hz", None)],
)
def test_muse_notch(tmp_path: Path, text: str, notch: str, mains: float | None) -> None:
    recording = loaded(tmp_path, muse(muse_lead("V2", 1), more=element("ACFilter", text)))
    assert (recording.device["notch"], recording.mains_frequency) == (notch, mains)


MUSE_MEASURED = {
    "VentricularRate": "heart_rate_bpm", "AtrialRate": "atrial_rate_bpm", "PRInterval": "pr_ms",
    "QRSDuration": "qrs_ms", "QTInterval": "qt_ms", "QTCorrected": "qtc_ms",
    "QTcFrederica": "qtc_fridericia_ms", "PAxis": "p_axis_deg", "RAxis": "qrs_axis_deg",
    "TAxis": "t_axis_deg", "QRSCount": "qrs_count",
}  # fmt: skip


@pytest.mark.parametrize("block", ["RestingECGMeasurements", "OriginalRestingECGMeasurements"])
def test_muse_measurements(tmp_path: Path, block: str) -> None:
    inner = "".join(element(tag, 50 + n) for n, tag in enumerate(MUSE_MEASURED))
    around = element(block, inner) + element("QRSTimesTypes", element("GlobalRR", 812))
    recording = loaded(tmp_path, muse(muse_lead("V2", 1), around=around))
    assert device_measurements(recording.header) == {
        "rr_ms": 812.0, **{key: 50.0 + n for n, key in enumerate(MUSE_MEASURED.values())}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("03-31-2015", "09:21:07", dt.datetime(2015, 3, 31, 9, 21, 7)),
        ("03/31/2015", "09:21:07", dt.datetime(2015, 3, 31, 9, 21, 7)),
        ("2015-03-31", "09:21:07", dt.datetime(2015, 3, 31, 9, 21, 7)),
        ("03-31-2015", "09:21", dt.datetime(2015, 3, 31, 9, 21)),
        ("03-31-2015", "", None),
        ("31-03-2015", "09:21:07", None),
    ],
)
def test_muse_dates(tmp_path: Path, date: str, time: str, expected: dt.datetime | None) -> None:
    around = element("TestDemographics", element("AcquisitionDate", date),
                     element("AcquisitionTime", time), element("Status", "Confirmed"),
                     element("SiteName", "Site"), element("AcquisitionDevice", "MAC"),
                     element("AcquisitionSoftwareVersion", "9"))  # fmt: skip
    around += element("PatientDemographics", element("DateofBirth", "04-01-1960"),
                      element("Gender", "MALE"), element("PatientID", "P1"))  # fmt: skip
    around += element("MuseInfo", element("MuseVersion", "9.0"))
    recording = loaded(tmp_path, muse(muse_lead("V2", 1), around=around))
    assert recording.start_time == expected
    unknown = date[:2] == "31"  # then the month may stand second in both dates
    born = None if unknown else dt.date(1960, 4, 1)
    assert recording.subject == Subject(None if unknown else 54.0, "male", "P1", born)
    assert (recording.header["status"], recording.header["institution"]) == ("Confirmed", "Site")
    assert dict(recording.device) == {
        "manufacturer": "GE", "model": "MAC", "software": "9", "muse_version": "9.0",
    }  # fmt: skip


def test_muse_statements_and_beats(tmp_path: Path) -> None:
    def statement(text: str, flag: str = "") -> str:
        return element("DiagnosisStatement", element("StmtFlag", flag), element("StmtText", text))

    around = element("Diagnosis", statement("A"), statement("B", "ENDSLINE"), statement("C"))
    around += element("OriginalDiagnosis", statement("other", "ENDSLINE"))
    around += element("QRSTimesTypes", *(
        element("QRS", element("Time", time), element("Type", n))
        for n, time in enumerate(("0", "614", "-1", "x"))))  # fmt: skip
    recording = loaded(tmp_path, muse(muse_lead("V2", 1), around=around))
    assert recording.header["statements"] == "A B\nC"
    assert [(m.time_s, m.kind, m.text) for m in recording.annotations] == [
        (0.0, "beat", "0"), (0.614, "beat", "1"),
    ]  # fmt: skip
    only = loaded(tmp_path, muse(muse_lead("V2", 1), around=element(
        "OriginalDiagnosis", *(statement(str(n), "ENDSLINE") for n in range(210)))))  # fmt: skip
    assert only.header["statements"].split("\n") == [str(n) for n in range(200)]


def test_muse_waveforms_and_unexplained_fields(tmp_path: Path) -> None:
    one = muse(muse_lead("V1", 1, more=element("LeadTimeOffset", 3) + element(
        "FirstSampleBaseline", 0)))  # fmt: skip
    assert loaded(tmp_path, one).header["unapplied_offsets"] == "V1 LeadTimeOffset 3"
    wave = one.removeprefix("<RestingECG>").removesuffix("</RestingECG>")
    path = tmp_path / "x.xml"
    path.write_text(element("RestingECG", wave, wave.replace("V1", "V4")))
    assert inspect(path, index=0).recordings == 2
    assert read(path, index=1).leads == ("V4",)
    with pytest.raises(SignalError, match="2 rhythm waveforms"):
        read(path)
    for index in (-1, 2):
        with pytest.raises(SignalError, match=f"no recording {index}"):
            read(path, index=index)
    median = wave.replace("Rhythm", "MEDIAN").replace("500", "1000")
    recording = loaded(tmp_path, element("RestingECG", wave, median))
    assert recording.other_channels[0].sampling_rate == 1000


# CardioSoft


def cardiosoft(values: str = "1,-2,3", resolution: object = 5, units: str = "uVperLsb",
               around: str = "", count: object = "") -> str:  # fmt: skip
    strip = element(
        "StripData", element("SampleRate", 500), element("ChannelSampleCountTotal", count),
        f'<Resolution units="{units}">{resolution}</Resolution>',
        element("WaveformData", values, lead="V2"),
    )  # fmt: skip
    return element("CardiologyXML", around, strip)


@pytest.mark.parametrize(
    ("resolution", "units", "expected"),
    [(5, "uVperLsb", [0.005, -0.01, 0.015]), (2.5, "UVPERLSB", [0.0025, -0.005, 0.0075]),
     (0.005, "mVperLsb", [0.005, -0.01, 0.015])],
)  # fmt: skip
def test_cardiosoft_scale(
    tmp_path: Path, resolution: float, units: str, expected: list[float]
) -> None:
    recording = loaded(tmp_path, cardiosoft(resolution=resolution, units=units, count=3))
    np.testing.assert_allclose(recording.signal[0], expected, rtol=1e-6)
    assert (recording.sampling_rate, recording.leads) == (500, ("V2",))
    for count in (2, 4):
        with pytest.raises(FormatError, match=f"3 samples; {count} are announced"):
            loaded(tmp_path, cardiosoft(count=count))
    with pytest.raises(FormatError, match="resolution of the samples is missing"):
        loaded(tmp_path, cardiosoft(resolution="x"))


CARDIOSOFT_MEASURED = {
    "VentricularRate": "heart_rate_bpm", "RRInterval": "rr_ms", "PDuration": "p_ms",
    "PQInterval": "pr_ms", "QRSDuration": "qrs_ms", "QTInterval": "qt_ms", "QTCInterval": "qtc_ms",
    "PAxis": "p_axis_deg", "RAxis": "qrs_axis_deg", "TAxis": "t_axis_deg", "QRSNum": "qrs_count",
}  # fmt: skip


def test_cardiosoft_fields(tmp_path: Path) -> None:
    median = element("MedianSamples", element("SampleRate", 1000), '<Resolution units="uVperLsb">2'
                     "</Resolution>", element("WaveformData", "4,5", lead="V5"))  # fmt: skip
    when = {"Hour": 9, "Minute": 5, "Second": 1, "Day": 7, "Month": 6, "Year": 2014}
    around = element("ObservationDateTime", *(element(k, v) for k, v in when.items()))
    around += element("RestingECGMeasurements", median, *(
        element(tag, 40 + n) for n, tag in enumerate(CARDIOSOFT_MEASURED)))  # fmt: skip
    around += element(
        "PatientInfo",
        element("PID", 7),
        element("Gender", "FEMALE"),
        element("BirthDateTime", element("Year", 1960), element("Month", 6), element("Day", 8)),
    )
    around += element("FilterSetting", element("Filter60Hz", "yes"), element("LowPass", 100),
                      element("HighPass", 0.05), element("CubicSpline", "yes"))  # fmt: skip
    around += element("Interpretation", element("Diagnosis", element("DiagnosisText", "A")),
                      element("Conclusion", element("ConclusionText", "B")))  # fmt: skip
    around += element("ClinicalInfo", element("DeviceInfo", element("Desc", "CASE"),
                      element("SoftwareVer", "V6"), element("Institution", "Clinic")))  # fmt: skip
    recording = loaded(tmp_path, cardiosoft(around=around))
    assert recording.start_time == dt.datetime(2014, 6, 7, 9, 5, 1)
    assert recording.subject == Subject(53.0, "female", "7", dt.date(1960, 6, 8))
    assert device_measurements(recording.header) == {
        key: 40.0 + n for n, key in enumerate(CARDIOSOFT_MEASURED.values())
    }
    assert recording.header["statements"] == "A\nB"
    assert recording.header["institution"] == "Clinic"
    assert recording.mains_frequency == 60
    assert dict(recording.device) == {
        "manufacturer": "GE", "model": "CASE", "software": "V6", "highpass": "0.05 Hz",
        "lowpass": "100 Hz", "notch": "60 Hz", "cubic_spline_filter": "yes",
    }  # fmt: skip
    (beat,) = recording.other_channels
    np.testing.assert_allclose(beat.signal, [0.008, 0.01], rtol=1e-6)
    assert (beat.name, beat.sampling_rate) == ("V5 beat", 1000)
    alias = loaded(tmp_path, cardiosoft(around=element(
        "RestingECGMeasurements", element("PRInterval", 150))))  # fmt: skip
    assert device_measurements(alias.header) == {"pr_ms": 150.0}
    many = element("Interpretation", element("Diagnosis", *(
        element("DiagnosisText", n) for n in range(210))))  # fmt: skip
    assert len(loaded(tmp_path, cardiosoft(around=many)).header["statements"].split("\n")) == 200


# Mortara


def mortara(channel: str = "", cycle: str = "", root: str = "", around: str = "",
            data: str = b64(1, -2, 4)) -> str:  # fmt: skip
    return (
        f'<ECG {root}>{around}<CHANNEL NAME="V2" SAMPLE_FREQ="500" UNITS_PER_MV="400" {channel} '
        f'DATA="{data}"/>{cycle}</ECG>'
    )


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        ("", None), ('BITS="16" FORMAT="signed" ENCODING="base64"', None), ('DURATION="3"', None),
        ('DURATION="6"', None),  # milliseconds: 3 samples at 500 Hz
        ('DURATION="4"', FormatError), ('DURATION="2"', FormatError), ('OFFSET="0.0"', None),
        ('OFFSET="0.1"', UnsupportedVariantError), ('BITS="8"', UnsupportedVariantError),
        ('FORMAT="UNSIGNED"', UnsupportedVariantError), ('ENCODING="HEX"', UnsupportedVariantError),
    ],
)  # fmt: skip
def test_mortara_channels(tmp_path: Path, channel: str, error: type | None) -> None:
    if error is not None:
        with pytest.raises(error):
            loaded(tmp_path, mortara(channel))
        return
    recording = loaded(tmp_path, mortara(channel, root='NUM_QRS="3"'))
    np.testing.assert_allclose(recording.signal[0], [0.0025, -0.005, 0.01], rtol=1e-6)
    assert recording.sampling_rate == 500


def test_mortara_units_per_millivolt(tmp_path: Path) -> None:
    for stated in ("0", "-400", "x"):
        with pytest.raises(EcgFoundryError, match="unit"):
            loaded(tmp_path, mortara().replace('UNITS_PER_MV="400"', f'UNITS_PER_MV="{stated}"'))
    half = base64.b64encode(b"\1\2\3").decode()
    with pytest.raises(FormatError, match="half a sample"):
        loaded(tmp_path, mortara(data=half))


MORTARA_MEASURED = {
    "P_DURATION": "p_ms", "PR_DURATION": "pr_ms", "QRS_DURATION": "qrs_ms", "QT": "qt_ms",
    "QTC": "qtc_ms", "QTB": "qtc_bazett_ms", "QTF": "qtc_fridericia_ms", "P_AXIS": "p_axis_deg",
    "QRS_AXIS": "qrs_axis_deg", "T_AXIS": "t_axis_deg",
}  # fmt: skip


def test_mortara_fields(tmp_path: Path) -> None:
    stated = " ".join(f'{name}="{30 + n}"' for n, name in enumerate(MORTARA_MEASURED))
    beat = f'<TYPICAL_CYCLE_CHANNEL NAME="V5" DATA="{b64(8)}"/>'
    cycle = f'<TYPICAL_CYCLE SAMPLE_FREQ="1000" UNITS_PER_MV="200" {stated}>{beat}</TYPICAL_CYCLE>'
    source = (
        '<SOURCE MANUFACTURER="Mortara" MODEL="ELI" ACQUIRING_DEVICE_SW_VERSION="1.2" '
        'ACQUIRING_DEVICE_SERIAL_NUMBER="S1" ACQUIRING_DEVICE_SITE_NAME="Site" '
        'HIGH_PASS_FILTER="0.05"/>'
    )
    subject = '<SUBJECT ID="M7" GENDER="Female" DOB="19600203"/>'
    lines = '<STATEMENT TEXT="A" REASON="B"/><STATEMENT TEXT="C"/>'
    around = f"{source}{subject}{element('AUTOMATIC_INTERPRETATION', lines)}"
    root = 'ACQUISITION_TIME="20170202112233" VENT_RATE="71" AVERAGE_RR="845" NUM_QRS="12"'
    recording = loaded(tmp_path, mortara(cycle=cycle, root=root, around=around))
    assert recording.start_time == dt.datetime(2017, 2, 2, 11, 22, 33)
    assert recording.subject == Subject(56.0, "female", "M7", dt.date(1960, 2, 3))
    assert device_measurements(recording.header) == {
        "heart_rate_bpm": 71.0, "rr_ms": 845.0, "qrs_count": 12.0,
        **{key: 30.0 + n for n, key in enumerate(MORTARA_MEASURED.values())},
    }  # fmt: skip
    assert recording.header["statements"] == "A: B\nC"
    assert (recording.header["device_serial"], recording.header["institution"]) == ("S1", "Site")
    assert dict(recording.device) == {
        "manufacturer": "Mortara", "model": "ELI", "software": "1.2", "highpass": "0.05 Hz",
    }  # fmt: skip
    (channel,) = recording.other_channels
    assert (channel.name, channel.sampling_rate) == ("V5 beat", 1000)
    np.testing.assert_allclose(channel.signal, [0.04], rtol=1e-6)
    for gone in ('SAMPLE_FREQ="1000"', 'UNITS_PER_MV="200"'):
        path = mortara(cycle=cycle.replace(gone, ""), root=root)
        assert loaded(tmp_path, path).other_channels == ()
    months = loaded(
        tmp_path, mortara(root='AGE="18" AGE_UNITS="MONTHS" NUM_QRS="1"', around=subject)
    )
    assert months.subject.age == 1.5
    iso = loaded(tmp_path, mortara(root='ACQUISITION_TIME="2017-02-02T11:22:33"'))
    assert iso.start_time == dt.datetime(2017, 2, 2, 11, 22, 33)
    xml_time = 'ACQUISITION_TIME="" ACQUISITION_TIME_XML="2017-02-02T11:22:33"'
    assert loaded(tmp_path, mortara(root=xml_time)).start_time == iso.start_time
    letter = subject.replace("Female", "Mann")
    assert loaded(tmp_path, mortara(root=root, around=letter)).subject.sex == "male"
    many = element("AUTOMATIC_INTERPRETATION", *('<STATEMENT TEXT="x"/>' for _ in range(210)))
    found = loaded(tmp_path, mortara(root=root, around=many)).header["statements"]
    assert len(found.split("\n")) == 200


# Philips


def philips(values: tuple[int, ...] = (1, -2, 3, 4, 5, 6), *, wave: str = "", signal: str = "",
            leads: str = 'numberofleads="2" leadlabels="V1 V2"', around: str = "",
            version: str = "1.04", resolution: str = 'resolution="5"',
            duration: str = 'durationperchannel="6"') -> str:  # fmt: skip
    info = element("documentinfo", element("documenttype", "PhilipsECG"),
                   element("documentversion", version))  # fmt: skip
    acquisition = element("dataacquisition", element("signalcharacteristics", signal),
                          date="2024-05-06", time="07:08:09")  # fmt: skip
    parsed = (
        f'<parsedwaveforms dataencoding="Base64" samplespersecond="500" {duration} {resolution} '
        f"{leads} {wave}>{b64(*values)}</parsedwaveforms>"
    )
    return element("restingecgdata", info, acquisition, around, element("waveforms", parsed))


def test_philips_plain_samples(tmp_path: Path) -> None:
    """Channel after channel, 5 uV a step here; 6 ms at 500 Hz are 3 samples."""
    recording = loaded(tmp_path, philips())
    np.testing.assert_allclose(
        recording.signal, [[0.005, -0.01, 0.015], [0.02, 0.025, 0.03]], rtol=1e-6
    )
    assert recording.start_time == dt.datetime(2024, 5, 6, 7, 8, 9)
    zero = loaded(tmp_path, philips(wave='signaloffset="2"'))
    np.testing.assert_allclose(zero.signal[0], [-0.005, -0.02, 0.005], rtol=1e-6)
    unsigned = loaded(tmp_path, philips(wave='signalsigned="false"'))
    np.testing.assert_allclose(unsigned.signal[0, 1], 65_534 * 0.005, rtol=1e-6)
    stated = philips(resolution="", signal=element("signalresolution", 10))
    np.testing.assert_allclose(loaded(tmp_path, stated).signal[0, 0], 0.01, rtol=1e-6)
    with pytest.raises(TruncatedFileError, match="6 values; 8 are announced"):
        loaded(tmp_path, philips(duration='durationperchannel="8"'))
    numbers = philips().replace("Base64", "plain").replace(b64(1, -2, 3, 4, 5, 6), "1,-2,3,4,5,6")
    np.testing.assert_array_equal(
        loaded(tmp_path, numbers).signal, loaded(tmp_path, philips()).signal
    )


def test_philips_versions(tmp_path: Path) -> None:
    for version in ("1.03", "1.04", "1.04.01", "1.04.02"):
        assert loaded(tmp_path, philips(version=version)).samples == 3
    for version in ("1.02", "1.05", ""):
        with pytest.raises(UnsupportedVariantError, match="1.03, 1.04"):
            loaded(tmp_path, philips(version=version))
    sierra = philips().replace("PhilipsECG", "SierraECG")
    assert loaded(tmp_path, sierra).header["document_type"] == "SierraECG 1.04"


@pytest.mark.parametrize(
    ("wave", "fits"),
    [('bitspersample="16"', True), ('bitspersample="8"', False), ('compression="NONE"', True),
     ('compressmethod="Uncompressed"', True), ('compression="ZIP"', False),
     ('compression="ZIP" compressflag="False"', True), ('nbitspersample="12"', False)],
)  # fmt: skip
def test_philips_encodings(tmp_path: Path, wave: str, fits: bool) -> None:
    if fits:
        assert loaded(tmp_path, philips(wave=wave)).samples == 3
    else:
        with pytest.raises(UnsupportedVariantError):
            loaded(tmp_path, philips(wave=wave))


def test_philips_limits(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(philips())
    assert PHILIPS.read(path, ReadOptions(limits=Limits(samples=6)), 0, None).samples == 3
    with pytest.raises(LimitError, match="3 samples of 2 leads"):
        PHILIPS.read(path, ReadOptions(limits=Limits(samples=5)), 0, None)
    with pytest.raises(LimitError, match="0 samples of 2 leads"):
        loaded(tmp_path, philips(duration='durationperchannel="0.9"'))
    with pytest.raises(FormatError, match="duration of the waveform is missing"):
        loaded(tmp_path, philips(duration='durationperchannel="0"'))


@pytest.mark.parametrize(
    ("count", "kind", "names"),
    [
        (2, "STD-12", ("I", "II")),
        (2, "10-WIRE", ("I", "II")),
        (2, "other", ("channel 1", "channel 2")),
        (0, "STD-12", None),
        (65, "other", None),
    ],
)
def test_philips_lead_names(
    tmp_path: Path, count: int, kind: str, names: tuple[str, ...] | None
) -> None:
    signal = element("numberchannelsallocated", count) + element("leadset", kind)
    text = philips(leads="", signal=signal)
    if names is None:
        with pytest.raises(EcgFoundryError, match="number of leads is missing"):
            loaded(tmp_path, text)
    else:
        assert loaded(tmp_path, text).leads == names
    more = philips(leads='numberofleads="2" leadlabels="V1 V2 V3"')
    assert loaded(tmp_path, more).leads == ("V1", "V2")


PHILIPS_MEASURED = {
    "heartrate": "heart_rate_bpm", "atrialrate": "atrial_rate_bpm", "meanprint": "pr_ms",
    "meanqrsdur": "qrs_ms", "meanqtint": "qt_ms", "meanqtc": "qtc_ms", "pfrontaxis": "p_axis_deg",
    "qrsfrontaxis": "qrs_axis_deg", "tfrontaxis": "t_axis_deg", "numberofcomplexes": "qrs_count",
}  # fmt: skip


@pytest.mark.parametrize(
    "place",
    ["interpretations/interpretation/interpretationmeasurements",
     "interpretations/interpretation/mdinterpretationmeasurements",
     "internalmeasurements/crossleadmeasurements", "measurements/globalmeasurements"],
)  # fmt: skip
def test_philips_measurements(tmp_path: Path, place: str) -> None:
    inner = "".join(element(tag, 60 + n) for n, tag in enumerate(PHILIPS_MEASURED))
    for name in reversed(place.split("/")):
        inner = element(name, inner)
    recording = loaded(tmp_path, philips(around=inner))
    assert device_measurements(recording.header) == {
        key: 60.0 + n for n, key in enumerate(PHILIPS_MEASURED.values())
    }


def test_philips_fields(tmp_path: Path) -> None:
    person = element("generalpatientdata", element("patientid", "P1"), element("sex", "Female"),
                     element("age", element("dateofbirth", "1960-05-07")),
                     element("pacestatus", "unknown"))  # fmt: skip
    lines = element("statement", element("leftstatement", "A"), element("rightstatement", "B"))
    around = element("patient", person) + element("interpretations", element(
        "interpretation", lines * 205, element("severity", "- NORMAL -")))  # fmt: skip
    signal = element("acsetting", 50) + element("signalbandwidth", "0.05-150")
    signal += element("notchfiltered", "True") + element("notchfilterfreqs", 50)
    recording = loaded(tmp_path, philips(around=around, signal=signal))
    assert recording.subject == Subject(63.0, "female", "P1", dt.date(1960, 5, 7))
    assert recording.header["statements"].split("\n") == ["A: B"] * 200
    assert (recording.header["severity"], recording.header["pacemaker"]) == (
        "- NORMAL -",
        "unknown",
    )
    assert dict(recording.device) == {
        "manufacturer": "Philips", "highpass": "0.05 Hz", "lowpass": "150 Hz", "notch": "50 Hz",
    }  # fmt: skip
    assert recording.mains_frequency == 50
    own = loaded(tmp_path, philips(wave='hipass="0.5" lowpass="40"', signal=signal))
    assert (own.device["highpass"], own.device["lowpass"]) == ("0.5 Hz", "40 Hz")


def test_philips_representative_beats(tmp_path: Path) -> None:
    beats = (
        '<repbeats dataencoding="Base64" samplespersec="1000" resolution="2.5"><repbeat '
        f'leadname="V3"><waveform>{b64(4, -4)}</waveform></repbeat></repbeats>'
    )
    text = philips().replace("</waveforms>", f"{beats}</waveforms>")
    (beat,) = loaded(tmp_path, text).other_channels
    np.testing.assert_allclose(beat.signal, [0.01, -0.01], rtol=1e-6)
    assert (beat.name, beat.sampling_rate) == ("V3 beat", 1000)
    for gone in (' resolution="2.5"', ' samplespersec="1000"'):
        assert loaded(tmp_path, text.replace(gone, "")).other_channels == ()


def pulse(tail: list[int], rows: int = 2, rate: int = 100, head: int = 50) -> str:
    """``head`` samples that differ between the leads, then the same ones in all of them."""
    values = [
        value for row in range(rows) for value in [*(n + row + 1 for n in range(head)), *tail]
    ]
    duration = f'durationperchannel="{1000 * (head + len(tail)) / rate:g}"'
    names = " ".join(f"V{n + 1}" for n in range(rows))
    text = philips(tuple(values), duration=duration, leads=f'leadlabels="{names}"')
    return text.replace('samplespersecond="500"', f'samplespersecond="{rate}"')


@pytest.mark.parametrize(
    ("tail", "found"),
    [
        ([0] * 5 + [200] * 5, True),  # 0.1 s in all, 0.05 s not zero
        ([0] * 4 + [200] * 5, False),
        ([0] * 6 + [200] * 4, False),
        ([0] * 3 + [1, 2] + [200] * 5, True),  # four levels
        ([0] * 2 + [1, 2, 3] + [200] * 5, False),  # five
        ([0] * 20, False),
    ],
)
def test_calibration_pulses(tmp_path: Path, tail: list[int], found: bool) -> None:
    recording = loaded(tmp_path, pulse(tail))
    assert bool(recording.annotations) == found
    if found:
        (mark,) = recording.annotations
        assert (mark.kind, mark.time_s, mark.duration_s) == ("note", 0.5, pytest.approx(0.1))
        assert mark.text == "calibration pulse in all leads from 0.5 s to 0.6 s"
    assert loaded(tmp_path, pulse(tail, rows=1)).annotations == ()
    assert loaded(tmp_path, pulse([0] * 5 + [200] * 5, head=0)).annotations == ()


# XLI


def codes(*values: int) -> bytes:
    """LZW codes of ten bits, the highest bit first."""
    text = "".join(format(value, "010b") for value in values)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def test_lzw_by_hand() -> None:
    """Code 256 is the first entry that grows; a code may be the entry that it makes itself."""
    here = Path("x")
    assert expand_lzw(codes(65, 66, 256, 257), 99, here) == b"ABABBA"
    assert expand_lzw(codes(65, 256, 257), 99, here) == b"A" + b"AA" + b"AAA"
    assert expand_lzw(codes(65, 1023, 66), 99, here) == b"A"  # the end
    assert expand_lzw(codes(65), 99, here) == b"A"  # six bits that are left over are no code
    for early in (codes(256), codes(65, 257), codes(65, 1022)):
        with pytest.raises(FormatError, match="too early"):
            expand_lzw(early, 99, here)
    assert expand_lzw(codes(*[65] * 4), 4, here) == b"AAAA"
    with pytest.raises(LimitError):
        expand_lzw(codes(*[65] * 4), 3, here)


def test_lzw_table_is_full_at_1022() -> None:
    # 768 codes make 767 entries, 256 to 1022; the last that is kept comes with code 767.
    plain = [65, 66] * 384
    assert expand_lzw(codes(*plain, 1022), 9999, Path("x")) == bytes(plain) + bytes([65, 66])
    assert expand_lzw(codes(*plain, 66, 1022), 9999, Path("x"))[-3:] == b"BAB"


def test_xli_by_hand() -> None:
    """x[i] = 2 x[i-1] - x[i-2] - e[i-1]: e[1] is the start value, then e[i] = word[i] - 64.

    Words 10, 20, 67, 0 and start 5: 20 + 10 - 5 = 25, then 25 + (10 - 5) - 3 = 27.
    """
    high, low = bytes([0, 0, 0, 0]), bytes([10, 20, 67, 0])
    body = codes(*high, *low)
    chunk = len(body).to_bytes(4, "little") + b"\0\0" + (5).to_bytes(2, "little") + body
    one = decode_xli(chunk, leads=1, samples=4, path=Path("x"))
    assert one[0].tolist() == [10, 20, 25, 27]
    both = decode_xli(chunk * 2, leads=2, samples=3, path=Path("x"))
    assert [row.tolist() for row in both] == [[10, 20, 25]] * 2
    with pytest.raises(TruncatedFileError, match="lead 1 has 4 samples; 5 are announced"):
        decode_xli(chunk, leads=1, samples=5, path=Path("x"))
    for cut in (chunk[:-1], chunk[:7]):
        with pytest.raises(TruncatedFileError, match="ends in lead 1 of 1"):
            decode_xli(cut, leads=1, samples=4, path=Path("x"))
    negative = codes(255, 0, 256 - 2, 1)  # words -2 (FF FE) and 1 (00 01)
    short = len(negative).to_bytes(4, "little") + b"\0\0\0\0" + negative
    assert decode_xli(short, leads=1, samples=2, path=Path("x"))[0].tolist() == [-2, 1]


def test_xli_limb_leads(tmp_path: Path) -> None:
    """III, aVR, aVL and aVF are stored as differences from what I and II give."""
    names = ("I", "II", "III", "aVR", "aVL", "aVF")

    def chunk(value: int) -> bytes:
        word = value & 0xFFFF
        body = codes(word >> 8, word & 0xFF)
        return len(body).to_bytes(4, "little") + bytes(4) + body

    content = b"".join(map(chunk, (7, 20, 1, 2, 3, 4)))
    text = philips(leads=f'leadlabels="{" ".join(names)}"', wave='compression="XLI"',
                   duration='durationperchannel="2"')  # fmt: skip
    text = text.replace(b64(1, -2, 3, 4, 5, 6), base64.b64encode(content).decode())
    recording = loaded(tmp_path, text)
    # III = 20 - 7 - 1 = 12; aVR = -2 - 27 // 2 = -15; aVL = (7 - 12) // 2 - 3 = -6;
    # aVF = (20 + 12) // 2 - 4 = 12.
    np.testing.assert_allclose(recording.signal[:, 0] / 0.005, [7, 20, 12, -15, -6, 12], rtol=1e-5)
    chest = text.replace("I II III aVR aVL aVF", "V1 V2 V3 V4 V5 V6")
    np.testing.assert_allclose(
        loaded(tmp_path, chest).signal[:, 0] / 0.005, [7, 20, 1, 2, 3, 4], rtol=1e-5
    )
