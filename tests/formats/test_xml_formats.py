"""Readers of XML from electrocardiographs: real files, second readers, layout-true files."""

from __future__ import annotations

import base64
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats import vendor_files

from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LimitError,
    SignalError,
    TruncatedFileError,
    UnitError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import inspect, read
from ecgfoundry.formats.common.document import REPRESENTATIVE_BEAT
from ecgfoundry.formats.common.measurements import (
    MEASUREMENTS,
    device_measurements,
    stated_measurements,
)
from ecgfoundry.formats.xml.philips_xli import decode_xli, expand_lzw
from ecgfoundry.recording import Recording


@pytest.fixture(scope="module")
def chapman(fixtures: Path) -> Recording:
    return read(fixtures / "cinc2021/JS20000")


@pytest.fixture
def aecg_file(fixtures: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(fixtures / "hl7_aecg/subject1_0.zip") as archive:
        return Path(archive.extract("subject1_0.xml", tmp_path))


def write(folder: Path, content: bytes | str) -> Path:
    path = folder / "x.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# HL7 aECG


def test_aecg_document_in_full(aecg_file: Path) -> None:
    recording = read(aecg_file)
    assert recording.start_time is not None
    assert recording.start_time.isoformat() == "2002-11-22T09:10:00"
    assert recording.subject.age == 46  # as stated; the date of birth gives 49
    assert (recording.subject.sex, recording.subject.identifier) == ("male", "subject1")
    assert dict(recording.device) == {
        "manufacturer": "Mortara Instrument, Inc.",
        "model": "ELI250",
        "software": "5.3",
        "highpass": "FIR",
        "lowpass": "150 Hz",
        "notch": "60 Hz",
    }
    assert recording.mains_frequency == 60
    # As they stand in the document: 148 ms, 120 ms, -61 degrees.
    measured = device_measurements(recording.header)
    assert (measured["pr_ms"], measured["qrs_ms"], measured["qrs_axis_deg"]) == (148, 120, -61)
    assert "Clark" not in repr(recording)  # no name is kept
    # Hand-decoded: the first digits of I are -2 -2 -2 -2 -3 at 2.5 uV.
    np.testing.assert_allclose(recording.lead("I")[:5], [-5e-3, -5e-3, -5e-3, -5e-3, -7.5e-3])
    rhythm = recording.annotations[0]
    assert (rhythm.kind, rhythm.text, rhythm.duration_s) == ("rhythm", "MDC_ECG_RHY_SINUS_RHY", 10)
    waves = [mark for mark in recording.annotations if mark.kind == "wave"]
    assert waves and all(0 <= mark.time_s < 10 for mark in waves)


def test_aecg_representative_beats_are_other_channels(aecg_file: Path) -> None:
    recording = read(aecg_file)
    assert len(recording.other_channels) == 12
    assert {channel.kind for channel in recording.other_channels} == {REPRESENTATIVE_BEAT}
    assert {len(channel.signal) for channel in recording.other_channels} == {599}
    part = recording.window(2, 3)
    assert part.samples == 1500 and len(part.other_channels[0].signal) == 599


def test_aecg_equals_ecgdatakit(aecg_file: Path) -> None:
    ecgdatakit = pytest.importorskip("ecgdatakit.parsing")
    theirs = {lead.label: lead for lead in ecgdatakit.FileParser().parse(aecg_file).leads}
    recording = read(aecg_file)
    assert set(theirs) == set(recording.leads)
    for lead, row in zip(recording.leads, recording.signal, strict=True):
        assert theirs[lead].units == "mV"
        np.testing.assert_allclose(row, theirs[lead].samples, atol=1e-6)


def test_minimal_aecg(fixtures: Path) -> None:
    recording = read(fixtures / "hl7_aecg/minimum_aecg.xml")
    digits = [-2, -2, -2, -2, -3, -4, -3, -5, -5, -4, -6, -9, -9]
    assert recording.leads == ("II",)
    np.testing.assert_allclose(recording.signal[0], np.array(digits) * 2.5e-3, rtol=1e-6)


def test_several_series_need_an_index(tmp_path: Path, chapman: Recording) -> None:
    first = vendor_files.aecg_series({"I": chapman.signal[0]})
    second = vendor_files.aecg_series({"II": chapman.signal[1][:2500]}, increment="0.004")
    beat = vendor_files.aecg_series({"II": chapman.signal[1][:300]}, code="REPRESENTATIVE_BEAT")
    path = write(tmp_path, vendor_files.aecg_xml(first, second, beat))
    with pytest.raises(SignalError, match=r"2 series.*index=0"):
        read(path)
    assert inspect(path).recordings == 2
    other = read(path, index=1)
    assert (other.leads, other.sampling_rate, other.samples) == (("II",), 250, 2500)
    with pytest.raises(SignalError, match="no recording 2"):
        read(path, index=2)


def test_sequence_sets_stand_on_one_axis(tmp_path: Path, chapman: Recording) -> None:
    heads = ("20021122091000", "20021122091005.500", "20021122091012")
    series = vendor_files.aecg_series({"I": chapman.signal[0][:3000]}, heads=heads)
    recording = read(write(tmp_path, vendor_files.aecg_xml(series)))
    assert recording.samples == 7000
    expected = np.full(7000, np.nan, dtype=np.float32)
    for number, start in enumerate((0, 2750, 6000)):
        expected[start : start + 1000] = chapman.signal[0][number * 1000 : (number + 1) * 1000]
    np.testing.assert_allclose(recording.signal[0], expected, atol=0.00126)


@pytest.mark.parametrize(
    ("increment", "rate"),
    [("0.002", 500), ("2E-3", 500), ("0.00390625", 256), ("0.0039", 256), ("0.0078125", 128),
     ("0.0011111", 900), ("0.004878", 205), ("0.00333444", 1 / 0.00333444)],
)  # fmt: skip
def test_rates_are_not_rounded_unless_the_increment_is(
    tmp_path: Path, chapman: Recording, increment: str, rate: float
) -> None:
    series = vendor_files.aecg_series({"I": chapman.signal[0]}, increment=increment)
    assert read(write(tmp_path, vendor_files.aecg_xml(series))).sampling_rate == pytest.approx(
        rate, rel=1e-12
    )


@pytest.mark.parametrize(("scale", "unit"), [("2.5", "uV"), ("0.0025", "mV"), ("2500", "nV")])
def test_units_and_origin(tmp_path: Path, chapman: Recording, scale: str, unit: str) -> None:
    origin = str(float(scale) * 400)  # 1 mV
    series = vendor_files.aecg_series(
        {"I": chapman.signal[0]}, scale=scale, unit=unit, origin=origin
    )
    recording = read(write(tmp_path, vendor_files.aecg_xml(series)))
    np.testing.assert_allclose(recording.signal[0], chapman.signal[0] + 1, atol=0.00126)


def test_the_inverted_lead_of_the_cabrera_order_is_not_avr(
    tmp_path: Path, chapman: Recording
) -> None:
    series = vendor_files.aecg_series({"aVRneg": -chapman.lead("aVR")})
    assert read(write(tmp_path, vendor_files.aecg_xml(series))).leads == ("AVRNEG",)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('unit="uV"', 'unit="mmHg"', UnitError),
        ('scale value="2.5"', 'scale value="0"', FormatError),
        ('scale value="2.5"', 'scale value="nan"', FormatError),
        ("SLIST_PQ", "SLIST_TS", UnsupportedVariantError),
        ("<digits>", "<digits>x ", FormatError),
        ('increment value="0.002"', 'increment value="-1"', UnsupportedVariantError),
        ("TIME_ABSOLUTE", "TIME_UNKNOWN", UnsupportedVariantError),
        ("<digits>-2", "<digits>1e400 -2", FormatError),
    ],
)
def test_broken_aecg(
    fixtures: Path, tmp_path: Path, old: str, new: str, error: type[EcgFoundryError]
) -> None:
    text = (fixtures / "hl7_aecg/minimum_aecg.xml").read_text()
    assert old in text
    with pytest.raises(error):
        read(write(tmp_path, text.replace(old, new)))


def test_sequence_sets_far_apart_are_refused(tmp_path: Path, chapman: Recording) -> None:
    series = vendor_files.aecg_series(
        {"I": chapman.signal[0]}, heads=("19700101000000", "20240101000000")
    )
    with pytest.raises(LimitError):
        read(write(tmp_path, vendor_files.aecg_xml(series)))


# GE MUSE


def test_muse(tmp_path: Path, chapman: Recording) -> None:
    recording = read(write(tmp_path, vendor_files.muse_xml(chapman)))
    stored = {
        lead: vendor_files.steps(chapman.lead(lead), 0.00488) * 0.00488
        for lead in vendor_files.STORED_LEADS
    }
    for lead, values in stored.items():
        np.testing.assert_allclose(recording.lead(lead), values, atol=1e-6)
    np.testing.assert_allclose(recording.lead("III"), stored["II"] - stored["I"], atol=1e-6)
    np.testing.assert_allclose(recording.lead("aVR"), -(stored["I"] + stored["II"]) / 2, atol=1e-6)
    assert recording.header["derived_leads"] == "III, aVR, aVL, aVF"
    assert recording.header["checksum"] == "verified"
    assert recording.subject.age == 64 and recording.subject.sex == "female"
    assert str(recording.start_time) == "2015-03-31 09:21:07"
    assert recording.device["highpass"] == "0.16 Hz" and recording.mains_frequency == 60
    assert recording.header["statements"] == "Sinus bradycardia"
    assert device_measurements(recording.header) == {
        "heart_rate_bpm": 48, "pr_ms": 138, "qrs_ms": 96, "qrs_axis_deg": -20
    }  # fmt: skip
    assert len(recording.other_channels) == 8
    assert "Müßiggang" not in repr(recording)
    assert recording.annotations[0].time_s == 0.614


def test_muse_equals_ecgdatakit(tmp_path: Path, chapman: Recording) -> None:
    ecgdatakit = pytest.importorskip("ecgdatakit.parsing")
    path = write(tmp_path, vendor_files.muse_xml(chapman))
    recording = read(path)
    for lead in ecgdatakit.FileParser().parse(path).leads:
        np.testing.assert_allclose(recording.lead(lead.label), lead.samples, atol=1e-6)


@pytest.mark.parametrize(
    ("base", "exponent", "rate"), [(500, 0, 500), (25, 1, 250), (1, 3, 1000), (2573, -1, 257.3)]
)
def test_muse_rates(
    tmp_path: Path, chapman: Recording, base: int, exponent: int, rate: float
) -> None:
    path = write(tmp_path, vendor_files.muse_xml(chapman, base=base, exponent=exponent))
    assert read(path).sampling_rate == pytest.approx(rate)


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("MICROVOLTS", "", UnitError, "missing"),
        ("MICROVOLTS", "PASCAL", UnitError, "not a voltage"),
        ("<LeadSampleCountTotal>5000", "<LeadSampleCountTotal>4999", FormatError, "announce"),
        ("<LeadAmplitudeUnitsPerBit>4.88", "<LeadAmplitudeUnitsPerBit>x", FormatError, "UnitsPer"),
        ("<LeadSampleSize>2", "<LeadSampleSize>3", UnsupportedVariantError, "3 bytes"),
        ("<WaveFormData>\n", "<WaveFormData>\n#", FormatError, "base64"),
        ("<SampleBase>500", "<SampleBase>", EcgFoundryError, "rate"),
    ],
)
def test_broken_muse(
    tmp_path: Path, chapman: Recording, old: str, new: str, error: type[Exception], words: str
) -> None:
    text = vendor_files.muse_xml(chapman).decode("latin-1")
    assert old in text
    with pytest.raises(error, match=words):
        read(write(tmp_path, text.replace(old, new).encode("latin-1")))


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path, chapman: Recording) -> None:
    text = vendor_files.muse_xml(chapman).decode("latin-1")
    place = text.rindex("<WaveFormData>") + 200
    flipped = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    with pytest.raises(FormatError, match="V6 do not have their checksum"):
        read(write(tmp_path, flipped.encode("latin-1")))


def test_muse_units_of_the_caller(tmp_path: Path, chapman: Recording) -> None:
    path = write(tmp_path, vendor_files.muse_xml(chapman, unit=""))
    stated = read(path, unit="uV")
    np.testing.assert_allclose(stated.lead("V1"), chapman.lead("V1"), atol=0.00245)


def test_muse_without_rhythm(tmp_path: Path, chapman: Recording) -> None:
    with pytest.raises(FormatError, match="no rhythm waveform.*median"):
        read(write(tmp_path, vendor_files.muse_xml(chapman, rhythm=False)))


# Philips Sierra


@pytest.mark.parametrize("name", ["129DYPRG.xml", "repbeats_example.xml"])
def test_philips_equals_sierraecg(fixtures: Path, name: str) -> None:
    sierraecg = pytest.importorskip("sierraecg")
    path = fixtures / "philips" / name
    theirs = sierraecg.read_file(str(path))
    recording = read(path)
    assert [lead.label for lead in theirs.leads] == list(recording.leads)
    for row, lead in zip(recording.signal, theirs.leads, strict=True):
        # sierraecg gives steps of 5 uV
        np.testing.assert_array_equal(np.rint(row / 0.005).astype(int), lead.samples)


@pytest.mark.slow  # the second reader takes two seconds per file
def test_every_real_philips_file_equals_sierraecg(shared_data: Path) -> None:
    sierraecg = pytest.importorskip("sierraecg")
    folder = shared_data / "formats/philips_sierra"
    compared = 0
    for path in sorted(folder.glob("*.xml")):
        if path.name.startswith("invalid"):
            with pytest.raises(UnsupportedVariantError):
                read(path)
            continue
        recording = read(path)
        if recording.format == "hl7-aecg":
            continue
        for row, lead in zip(recording.signal, sierraecg.read_file(str(path)).leads, strict=True):
            np.testing.assert_array_equal(np.rint(row / 0.005).astype(int), lead.samples)
        compared += 1
    assert compared == 4


def test_one_recording_in_two_formats(shared_data: Path) -> None:
    """Philips' own conversion to aECG works on a trace that differs by at most four steps."""
    folder = shared_data / "formats/philips_sierra"
    sierra = read(folder / "ad4d3d80-d165_1-04_orig.xml")
    aecg = read(folder / "ad4d3d80-d165_1-04_converted.xml")
    assert sierra.leads == aecg.leads and sierra.start_time == aecg.start_time
    assert sierra.subject.age == aecg.subject.age
    apart = np.abs(sierra.signal - aecg.signal)
    assert apart.max() < 0.0201 and apart.mean() < 0.004
    for key in ("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms"):
        assert sierra.header[key] == aecg.header[key]
    for one, other in zip(sierra.other_channels, aecg.other_channels, strict=True):
        np.testing.assert_allclose(one.signal, other.signal, atol=1e-6)
        # The end of each beat is filled with 32767, which would be 82 mV.
        assert np.isnan(one.signal[-1]) and np.nanmax(np.abs(one.signal)) < 20


def test_philips_fields(fixtures: Path) -> None:
    recording = read(fixtures / "philips/129DYPRG.xml")
    assert recording.device["model"] == "HeartstartMRx"
    assert recording.device["highpass"] == "0.05 Hz" and recording.device["lowpass"] == "150 Hz"
    assert "notch" not in recording.device  # set for the report, not for the stored signal
    measured = device_measurements(recording.header)
    assert (measured["heart_rate_bpm"], measured["qrs_axis_deg"]) == (41, -21)
    assert recording.header["statements"].startswith("Sinus bradycardia: rate< 50\n")
    assert read(fixtures / "philips/repbeats_example.xml").other_channels[0].sampling_rate == 1000


def test_the_calibration_pulse_at_the_end_is_marked(fixtures: Path) -> None:
    recording = read(fixtures / "philips/129DYPRG.xml")
    (mark,) = recording.annotations
    assert (mark.kind, mark.time_s) == ("note", pytest.approx(10.528))
    assert mark.text == "calibration pulse in all leads from 10.528 s to 11 s"
    assert recording.header["calibration_pulse"] == mark.text
    assert (recording.signal[:, 5264:] == recording.signal[0, 5264:]).all()
    # As stored: 1 mV in all leads, which no heart gives (aVR is -(I + II) / 2).
    np.testing.assert_allclose(recording.signal[:, 5350:5450], 1.0)


def philips_with(text: str, waveform: str, **attributes: str) -> str:
    start = text.index("<parsedwaveforms")
    end = text.index("</parsedwaveforms>")
    stated = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    return f"{text[:start]}<parsedwaveforms {stated}>{waveform}{text[end:]}"


@pytest.mark.parametrize("encoding", ["Base64", "Plain"])
def test_uncompressed_philips(
    fixtures: Path, tmp_path: Path, chapman: Recording, encoding: str
) -> None:
    text = (fixtures / "philips/129DYPRG.xml").read_text()
    counts = vendor_files.steps(chapman.signal, 0.005)
    waveform = (
        base64.b64encode(counts.tobytes()).decode()
        if encoding == "Base64"
        else " ".join(map(str, counts.ravel().tolist()))
    )
    path = write(
        tmp_path,
        philips_with(text, waveform, dataencoding=encoding, durationperchannel="10000",
                     compressflag="False", compressmethod="XLI"),
    )  # fmt: skip
    np.testing.assert_allclose(read(path).signal, counts * 0.005, atol=1e-6)
    short = philips_with(text, waveform[: len(waveform) // 2 // 4 * 4], dataencoding=encoding,
                         durationperchannel="10000")  # fmt: skip
    with pytest.raises(EcgFoundryError):
        read(write(tmp_path, short))


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('compressmethod="XLI"', 'compressmethod="ZIP"', UnsupportedVariantError),
        ('durationperchannel="11000"', 'durationperchannel="1e99"', LimitError),
        ('durationperchannel="11000"', 'durationperchannel="99000"', TruncatedFileError),
        ('durationperchannel="11000"', "", FormatError),
        (">7gUAAAEAAAAAEAQF", ">7gUAf/8AAAAAEAQF", TruncatedFileError),
        (">7gUAAAEAAAAAEAQF", ">7gUAAAEAAAD/7AQF", FormatError),
        ("<signalresolution>5<", "<signalresolution><", UnitError),
        ("<samplingrate>500<", "<samplingrate>0<", FormatError),
    ],
)
def test_broken_philips(
    fixtures: Path, tmp_path: Path, old: str, new: str, error: type[Exception]
) -> None:
    text = (fixtures / "philips/129DYPRG.xml").read_text()
    assert old in text
    with pytest.raises(error):
        read(write(tmp_path, text.replace(old, new)))


def pack_lzw(content: bytes) -> bytes:
    """Compress by the description of XLI's LZW, the plain way round."""
    table = {bytes((n,)): n for n in range(256)}
    codes, current = [], b""
    for value in content:
        longer = current + bytes((value,))
        if longer in table:
            current = longer
            continue
        codes.append(table[current])
        if len(table) <= 1022:
            table[longer] = len(table)
        current = bytes((value,))
    codes += [table[current]] if current else []
    bits = "".join(f"{code:010b}" for code in [*codes, 1023])
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[n : n + 8], 2) for n in range(0, len(bits), 8))


@settings(max_examples=60)
@given(st.binary(min_size=1, max_size=4000) | st.integers(1, 4000).map(lambda n: b"\0" * n))
def test_lzw_round_trip(content: bytes) -> None:
    assert expand_lzw(pack_lzw(content), len(content), Path("x")) == content


@settings(max_examples=30)
@given(st.lists(st.integers(-2000, 2000), min_size=4, max_size=60), st.integers(-50, 50))
def test_xli_round_trip(values: list[int], first: int) -> None:
    # What is to be stored so that x[i] = 2 x[i-1] - x[i-2] - e[i-1] gives the values.
    words = [values[0], values[1]]
    corrections = [2 * values[i - 1] - values[i - 2] - values[i] for i in range(2, len(values))]
    words += [correction + 64 for correction in corrections[1:]] + [0]
    first = corrections[0]
    packed = np.array(words, dtype=np.int64).astype(">i2").view(np.uint8).reshape(-1, 2)
    body = pack_lzw(packed[:, 0].tobytes() + packed[:, 1].tobytes())
    chunk = len(body).to_bytes(4, "little") + b"\1\0" + first.to_bytes(2, "little", signed=True)
    (decoded,) = decode_xli(chunk + body, leads=1, samples=len(values), path=Path("x"))
    assert decoded.tolist() == values


def test_lzw_that_expands_without_end(tmp_path: Path) -> None:
    with pytest.raises(LimitError):
        expand_lzw(pack_lzw(b"\0" * 300_000), 10_000, tmp_path)


# Mortara and CardioSoft


@pytest.mark.parametrize("write_file", [vendor_files.mortara_xml, vendor_files.cardiosoft_xml])
def test_layout_true_files(tmp_path: Path, chapman: Recording, write_file: object) -> None:
    path = write(tmp_path, write_file(chapman))  # type: ignore[operator]
    recording = read(path)
    np.testing.assert_allclose(recording.signal, chapman.signal, atol=0.00251)
    assert recording.subject.sex == "male" and recording.subject.age in (58, 61)
    assert recording.start_time is not None
    assert "heart_rate_bpm" in recording.header
    assert "Nobody" not in repr(recording)


def test_mortara_equals_ecgdatakit(tmp_path: Path, chapman: Recording) -> None:
    ecgdatakit = pytest.importorskip("ecgdatakit.parsing")
    path = write(tmp_path, vendor_files.mortara_xml(chapman))
    recording = read(path)
    for lead in ecgdatakit.FileParser().parse(path).leads:
        np.testing.assert_allclose(recording.lead(lead.label), lead.samples, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('UNITS_PER_MV="400"', "", UnitError),
        ('BITS="16"', 'BITS="12"', UnsupportedVariantError),
        ('OFFSET="0"', 'OFFSET="7"', UnsupportedVariantError),
        ('DURATION="5000"', 'DURATION="5001"', FormatError),
        ('SAMPLE_FREQ="500"', 'SAMPLE_FREQ="x"', EcgFoundryError),
    ],
)
def test_broken_mortara(
    tmp_path: Path, chapman: Recording, old: str, new: str, error: type[Exception]
) -> None:
    text = vendor_files.mortara_xml(chapman).decode()
    assert old in text
    with pytest.raises(error):
        read(write(tmp_path, text.replace(old, new)))


def test_cardiosoft_in_millivolts_and_full_disclosure(tmp_path: Path, chapman: Recording) -> None:
    path = write(tmp_path, vendor_files.cardiosoft_xml(chapman, resolution=0.005, unit="mVperLsb"))
    np.testing.assert_allclose(read(path).signal, chapman.signal, atol=0.00251)
    assert read(path).device["notch"] == "50 Hz" and read(path).mains_frequency == 50
    with pytest.raises(UnsupportedVariantError, match="full disclosure"):
        read(write(tmp_path, "<CardiologyXML><FullDisclosure/></CardiologyXML>"))
    with pytest.raises(UnitError):
        read(write(tmp_path, vendor_files.cardiosoft_xml(chapman, unit="counts")))


# All of them


def test_what_a_caller_states_replaces_what_a_file_states(fixtures: Path) -> None:
    path = fixtures / "philips/129DYPRG.xml"
    names = tuple(f"S{n}" for n in range(12))
    stated = read(path, leads=names, sampling_rate=250, mains_frequency=50)
    assert (stated.leads, stated.sampling_rate, stated.mains_frequency) == (names, 250, 50)


def test_measurement_keys() -> None:
    assert stated_measurements({"pr_ms": " 138 ", "qrs_ms": "Failed", "qt_ms": "nan"}) == {
        "pr_ms": "138"
    }
    with pytest.raises(KeyError):
        stated_measurements({"pr": 1})
    assert device_measurements({"pr_ms": "138", "other": "x"}) == {"pr_ms": 138.0}
    assert all(key.rpartition("_")[2] in ("bpm", "ms", "deg", "count") for key in MEASUREMENTS)


def test_without_subject_removes_what_identifies(fixtures: Path) -> None:
    bare = read(fixtures / "philips/129DYPRG.xml").without_subject()
    text = repr(replace(bare, source=None))
    for word in ("1112010721168bdc", "GE EMS", "0001", "2011"):
        assert word not in text.replace("0.0001", "")
