"""The numbers of DICOM waveforms: scales, skews, offsets, codes, limits (PS3.3 C.10.9, A.34)."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.formats.layouts import dicom_file

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
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.formats.dicom.elements import looks_like_dicom, open_dicom, text_of
from ecgfoundry.formats.dicom.reader import READER
from ecgfoundry.formats.dicom.texts import decode_text
from ecgfoundry.formats.writers import write
from ecgfoundry.recording import Recording, Subject

pydicom = pytest.importorskip("pydicom", reason="the writer of the test files is not installed")

RAMP = np.arange(1, 101)
TWO = np.stack([RAMP, 200 + RAMP])
CODES = ("5.6.3-9-1", "5.6.3-9-2", "5.6.3-9-3", "5.6.3-9-4")


def edited(path: Path, edit: Callable[[Any], None]) -> Path:
    """Change the elements of a file with pydicom."""
    data = pydicom.dcmread(path)
    edit(data)
    data.save_as(path)
    return path


def two(folder: Path, edit: Callable[[Any], None] | None = None, **fields: Any) -> Path:
    fields = {"codes": CODES[:2], "rate": 100, "sensitivity": 1, **fields}
    path = dicom_file(folder / "x.dcm", fields.pop("signal", TWO), **fields)
    return path if edit is None else edited(path, edit)


def zone(hours: float) -> dt.timezone:
    return dt.timezone(dt.timedelta(hours=hours))


def channels(data: Any) -> Any:
    return data.WaveformSequence[0].ChannelDefinitionSequence


@pytest.mark.parametrize(
    ("seconds", "samples", "rate", "shift", "state"),
    [
        (None, 3, 100, 3, "whole samples corrected"),
        (None, 3, 250, 3, "whole samples corrected"),  # samples, whatever the rate
        (None, -2, 100, -2, "whole samples corrected"),
        (None, 0.4, 100, 0, "stated, below half a sample"),
        (None, 0.6, 100, 1, "whole samples corrected"),
        (0.03, None, 100, 3, "whole samples corrected"),
        (0.03, None, 200, 6, "whole samples corrected"),
        (0.004, None, 100, 0, "stated, below half a sample"),
        (0.05, 1, 100, 5, "whole samples corrected"),  # the time counts where both are stated
        (0.0, None, 100, 0, None),
        (0.99, None, 100, 99, "whole samples corrected"),
        (None, None, 100, 0, None),
    ],
)
def test_channel_skew(
    tmp_path: Path, seconds: float | None, samples: float | None, rate: float, shift: int,
    state: str | None,
) -> None:  # fmt: skip
    def edit(data: Any) -> None:
        if seconds is not None:
            channels(data)[1].ChannelTimeSkew = str(seconds)
        if samples is not None:
            channels(data)[1].ChannelSampleSkew = str(samples)

    recording = read(two(tmp_path, edit, rate=rate))
    assert recording.header.get("time_skew") == state
    np.testing.assert_allclose(recording.signal[0], RAMP / 1000, rtol=1e-6)
    expected = np.full(100, np.nan)
    low, high = max(shift, 0), min(100 + shift, 100)
    expected[low:high] = (200 + RAMP)[low - shift : high - shift] / 1000
    np.testing.assert_allclose(recording.signal[1], expected, rtol=1e-6)


@pytest.mark.parametrize("seconds", ["10", "-10", "1e6"])
def test_an_absurd_skew_is_refused(tmp_path: Path, seconds: str) -> None:
    path = two(tmp_path, lambda data: setattr(channels(data)[1], "ChannelTimeSkew", seconds))
    with pytest.raises(FormatError, match=r"'II' states a time skew of"):
        read(path)


@pytest.mark.parametrize(
    ("code", "meaning", "millivolts"),
    [
        ("uV", "microvolt", 1e-3), ("mV", "millivolt", 1.0), ("V", "volt", 1e3),
        ("nV", "nanovolt", 1e-6), ("[uV]", "", 1e-3), ("4256", "microvolt", 1e-3),
        ("4274", "Millivolt", 1.0), ("µV", "", 1e-3),
    ],
)  # fmt: skip
def test_units(tmp_path: Path, code: str, meaning: str, millivolts: float) -> None:
    def edit(data: Any) -> None:
        for channel in channels(data):
            unit = channel.ChannelSensitivityUnitsSequence[0]
            unit.CodeValue, unit.CodeMeaning = code, meaning

    path = two(tmp_path, edit, sensitivity=2.5)
    np.testing.assert_allclose(read(path).signal, TWO * 2.5 * millivolts, rtol=1e-6)
    # What the caller states counts instead of the file's unit.
    np.testing.assert_allclose(read(path, unit="uV").signal, TWO * 2.5e-3, rtol=1e-6)


def test_scale_of_a_channel(tmp_path: Path) -> None:
    """mV = (stored x sensitivity x correction + baseline) x unit; no correction is 1."""

    def edit(data: Any) -> None:
        first, second = channels(data)
        del first.ChannelSensitivityCorrectionFactor
        del first.ChannelBaseline
        second.ChannelSensitivityCorrectionFactor = "-2"
        second.ChannelBaseline = "7"

    recording = read(two(tmp_path, edit, sensitivity=4))
    np.testing.assert_allclose(recording.signal[0], RAMP * 4 / 1000, rtol=1e-6)
    np.testing.assert_allclose(recording.signal[1], ((200 + RAMP) * -8 + 7) / 1000, rtol=1e-6)
    for value in ("0", "1e400"):
        broken = two(tmp_path, lambda d, v=value: setattr(channels(d)[0], "ChannelLabel", v))
        content = broken.read_bytes()
        broken.write_bytes(content.replace(b"\x10\x02DS\x02\x001 ", b"\x10\x02DS\x02\x000 ", 1))
        with pytest.raises(FormatError, match="has a sensitivity of 0"):
            read(broken)


def test_a_channel_without_sensitivity(tmp_path: Path) -> None:
    """An ECG lead has no unit then and is refused; a pressure is kept without one."""

    def edit(data: Any) -> None:
        second = channels(data)[1]
        del second.ChannelSensitivity
        second.ChannelSourceSequence[0].CodeValue = "q"
        second.ChannelSourceSequence[0].CodeMeaning = ""
        second.ChannelLabel = "ABP"

    recording = read(two(tmp_path, edit))
    (pressure,) = recording.other_channels
    assert (pressure.name, pressure.kind, pressure.unit) == ("ABP", "other", "")
    np.testing.assert_array_equal(pressure.signal, 200 + RAMP)
    with pytest.raises(UnitError, match="'I' has no sensitivity"):
        read(two(tmp_path, lambda d: channels(d)[0].__delattr__("ChannelSensitivity")))


@pytest.mark.parametrize(
    ("value", "scheme", "meaning", "label", "name"),
    [
        ("5.6.3-9-61", "SCPECG", "", "x", "III"),
        ("5.6.3-9-61", "scpecg", "", "x", "III"),
        ("2:64", "MDC", "", "x", "aVF"),
        ("2:64", "SCPECG", "", "V9", "V9"),  # the code of another scheme
        ("MDC_ECG_LEAD_V3", "MDC", "", "x", "V3"),
        ("5.6.3-9-0", "SCPECG", "Lead V5 (Einthoven)", "x", "V5"),
        ("5.6.3-9-0", "SCPECG", "unspecified", "V7", "V7"),
        ("5.6.3-9-0", "SCPECG", "unspecified", "", "unspecified"),
    ],
)
def test_how_a_channel_is_named(
    tmp_path: Path, value: str, scheme: str, meaning: str, label: str, name: str
) -> None:
    def edit(data: Any) -> None:
        channel = channels(data)[0]
        source = channel.ChannelSourceSequence[0]
        source.CodeValue, source.CodingSchemeDesignator = value, scheme
        source.CodeMeaning, channel.ChannelLabel = meaning, label

    assert read(two(tmp_path, edit)).leads == (name, "II")


def test_channels_of_one_name_are_numbered(tmp_path: Path) -> None:
    def edit(data: Any) -> None:
        for channel in channels(data):
            del channel.ChannelSourceSequence
            channel.ChannelLabel = ""
        channels(data)[0].ChannelLabel = channels(data)[1].ChannelLabel = "chest"

    assert read(two(tmp_path, edit)).leads == ("chest (channel 1)", "chest (channel 2)")

    def unnamed(data: Any) -> None:
        for channel in channels(data):
            del channel.ChannelSourceSequence
            del channel.ChannelLabel

    assert read(two(tmp_path, unnamed)).leads == ("channel 1", "channel 2")


@pytest.mark.parametrize(
    ("interpretation", "bits", "padding"),
    [("SS", 16, -7), ("US", 16, 40_000), ("SB", 8, -5), ("UB", 8, 200), ("SL", 32, -70_000)],
)
def test_padding_of_every_width(
    tmp_path: Path, interpretation: str, bits: int, padding: int
) -> None:
    stored = np.array([[1, padding, 3], [padding, 5, 6]])
    path = two(tmp_path, signal=stored, interpretation=interpretation, bits=bits, padding=padding)
    expected = stored / 1000.0
    expected[stored == padding] = np.nan
    np.testing.assert_allclose(read(path).signal, expected, rtol=1e-6)


def test_bits_must_fit_the_samples(tmp_path: Path) -> None:
    for bits, interpretation in ((8, "SS"), (32, "SS"), (16, "SB")):
        path = two(tmp_path, bits=bits, interpretation=interpretation)
        with pytest.raises(FormatError, match=f"allocates {bits} bits for {interpretation}"):
            read(path)
    with pytest.raises(UnsupportedVariantError, match="A-law"):
        read(two(tmp_path, bits=8, interpretation="AB"))
    with pytest.raises(UnsupportedVariantError, match="'SV'"):
        read(two(tmp_path, bits=8, interpretation="SV"))


def test_sizes_of_a_group(tmp_path: Path) -> None:
    def counts(name: str, value: int) -> Callable[[Any], None]:
        return lambda data: setattr(data.WaveformSequence[0], name, value)

    assert read(two(tmp_path, counts("NumberOfWaveformSamples", 99))).samples == 99
    with pytest.raises(TruncatedFileError, match="needs 404 bytes of samples and has 400"):
        read(two(tmp_path, counts("NumberOfWaveformSamples", 101)))
    for name, value in (
        ("NumberOfWaveformSamples", 0), ("NumberOfWaveformChannels", 0),
        ("NumberOfWaveformChannels", 1), ("NumberOfWaveformChannels", 3),
    ):  # fmt: skip
        with pytest.raises(FormatError, match="multiplex group 1 states"):
            read(two(tmp_path, counts(name, value)))
    path = two(tmp_path)
    assert READER.read(path, ReadOptions(limits=Limits(channels=2)), 0, None).samples == 100
    with pytest.raises(LimitError, match="2 channels; the limit is 1"):
        READER.read(path, ReadOptions(limits=Limits(channels=1)), 0, None)
    assert READER.read(path, ReadOptions(limits=Limits(samples=20)), 5, 15).samples == 10
    with pytest.raises(LimitError, match="22 samples are asked for"):
        READER.read(path, ReadOptions(limits=Limits(samples=21)), 5, 16)
    assert READER.read(path, ReadOptions(), -3, 500).samples == 100
    assert READER.read(path, ReadOptions(), 90, 80).samples == 0


def test_groups_with_offsets_in_milliseconds(tmp_path: Path) -> None:
    path = two(tmp_path, split=1, offsets=(250.0, 750.0), median=TWO)
    recording = read(path)
    assert recording.samples == 150  # 0.5 s later, 1 s long
    np.testing.assert_allclose(recording.signal[0, :100], RAMP / 1000, rtol=1e-6)
    np.testing.assert_allclose(recording.signal[1, 50:], (200 + RAMP) / 1000, rtol=1e-6)
    assert np.isnan(recording.signal[0, 100:]).all() and np.isnan(recording.signal[1, :50]).all()
    # The recording begins 250 ms after the acquisition time of 07:08:09.5.
    assert recording.start_time == dt.datetime(2024, 5, 6, 7, 8, 9, 750_000)
    assert read(path, start_s=1).start_time == dt.datetime(2024, 5, 6, 7, 8, 10, 750_000)
    assert recording.header["multiplex_groups"] == "RHYTHM, RHYTHM"
    assert [c.name for c in recording.other_channels] == ["I beat", "II beat"]
    assert inspect(path).other_channels == ("I beat", "II beat")


def test_absurd_offsets_and_spans(tmp_path: Path) -> None:
    """Offsets in milliseconds count as they stand; a recording has at most 400 days."""
    for offset, samples in ((9.99e8, 999_100), (1e9, 1_000_100), (-9.99e8, 999_100),
                            (-1e9, 1_000_100)):  # fmt: skip
        assert inspect(two(tmp_path, split=1, offsets=(0.0, offset), rate=1)).samples == samples
    with pytest.raises(LimitError, match="more than a year"):
        inspect(two(tmp_path, split=1, offsets=(0.0, 4e10), rate=1))
    # 100 samples at 2.9 uHz are 399.1 days, at 2.89 uHz 400.5 days.
    assert READER.inspect(two(tmp_path, rate=2.9e-6), ReadOptions()).samples == 100
    with pytest.raises(LimitError, match="more than a year"):
        inspect(two(tmp_path, rate=2.89e-6))


def test_a_group_shorter_than_a_third_of_a_strip_is_a_beat(tmp_path: Path) -> None:
    """Beside a strip of 3 s without a word: 0.9 s are a beat, 1.1 s a second recording."""
    strip = np.zeros((2, 300))
    for samples, beats in ((90, 2), (110, 0)):
        path = dicom_file(
            tmp_path / "x.dcm", strip, codes=CODES[:2], rate=100, sensitivity=1,
            median=np.zeros((2, samples)),
        )  # fmt: skip
        edited(path, lambda d: setattr(d.WaveformSequence[1], "MultiplexGroupLabel", "II"))
        assert inspect(path).recordings == (1 if beats else 2)
        assert len(read(path, index=0).other_channels) == beats


def test_the_limits_of_16_bits_fill_a_place_in_leads_alone(tmp_path: Path) -> None:
    """-32768 is 32.8 mV at a microvolt: no heart gives it; a pressure may stand at its limit."""
    signal = TWO.copy()
    signal[:, 5] = -32768

    def edit(data: Any) -> None:
        channel = channels(data)[1]
        channel.ChannelSourceSequence[0].CodeMeaning = "Pressure"
        channel.ChannelSourceSequence[0].CodeValue = "999"
        channel.ChannelLabel = "Pressure"
        unit = channel.ChannelSensitivityUnitsSequence[0]
        unit.CodeValue = unit.CodeMeaning = "mm[Hg]"

    recording = read(two(tmp_path, edit, signal=signal))
    assert np.flatnonzero(np.isnan(recording.signal[0])).tolist() == [5]
    (pressure,) = recording.other_channels
    assert pressure.signal[5] == -32768


@pytest.mark.parametrize("word", ["MEDIAN", "Beat 1", "average", "TEMPLATE", "Representative"])
def test_beats_are_told_by_their_label(tmp_path: Path, word: str) -> None:
    def edit(data: Any) -> None:
        data.WaveformSequence[1].MultiplexGroupLabel = word

    recording = read(two(tmp_path, edit, signal=np.tile(TWO, (2, 1)), codes=CODES[:2] * 2, split=2))
    assert recording.samples == 100
    assert [(c.name, c.kind, c.unit) for c in recording.other_channels] == [
        ("I beat", "representative-beat", "mV"), ("II beat", "representative-beat", "mV"),
    ]  # fmt: skip
    np.testing.assert_allclose(recording.other_channels[1].signal, (200 + RAMP) / 1000, rtol=1e-6)


def test_only_beats_are_a_recording(tmp_path: Path) -> None:
    recording = read(two(tmp_path, lambda d: setattr(
        d.WaveformSequence[0], "MultiplexGroupLabel", "MEDIAN")))  # fmt: skip
    assert recording.samples == 100 and recording.other_channels == ()


def test_a_beat_of_more_than_a_million_samples_is_none(tmp_path: Path) -> None:
    def edit(data: Any) -> None:
        group = data.WaveformSequence[0]
        group.MultiplexGroupLabel = "MEDIAN"
        data.WaveformSequence.append(pydicom.Dataset())
        data.WaveformSequence[1].update(pydicom.dcmread(tmp_path / "x.dcm").WaveformSequence[0])

    for samples, kept in ((500_000, 2), (500_001, 0)):
        signal = np.zeros((2, samples), np.int8)
        path = two(tmp_path, edit, signal=signal, interpretation="SB", bits=8, rate=1000)
        assert len(read(path, duration_s=0.1).other_channels) == kept


def test_rates_tell_sets_apart(tmp_path: Path) -> None:
    """Other leads at the same rate belong together, at another rate they are another recording."""

    def edit(data: Any) -> None:
        data.WaveformSequence[1].SamplingFrequency = "200"

    signal = np.tile(TWO, (2, 1))
    assert read(two(tmp_path, signal=signal, codes=CODES, split=2)).leads == ("I", "II", "V1", "V2")
    path = two(tmp_path, edit, signal=signal, codes=CODES, split=2)
    assert inspect(path).recordings == 2
    for index, leads, rate in ((0, ("I", "II"), 100), (1, ("V1", "V2"), 200)):
        found = read(path, index=index)
        assert (found.leads, found.sampling_rate) == (leads, rate)
        assert found.header["waveforms"] == f"{index + 1} of 2"
    for index in (-1, 2):
        with pytest.raises(SignalError, match=f"no waveform {index}; the file holds 2"):
            read(path, index=index)


def test_the_caller_states_the_rate_and_the_leads(tmp_path: Path) -> None:
    path = two(tmp_path, skew=(0.0, 0.03))
    stated = read(path, sampling_rate=50, leads=("V5", "V6"), mains_frequency=60)
    assert (stated.sampling_rate, stated.leads, stated.mains_frequency) == (50, ("V5", "V6"), 60)
    assert read(path, sampling_rate=50, start_s=1).start_time == dt.datetime(
        2024, 5, 6, 7, 8, 10, 500_000
    )
    np.testing.assert_allclose(stated.signal[1, 3:], (200 + RAMP[:-3]) / 1000, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "age"),
    [("061Y", 61.0), ("018M", 1.5), ("052W", 1.0), ("026W", 0.5), ("073D", 0.2), ("120Y", 120.0),
     ("121Y", None), ("61Y", 61.0), ("50Y", 50.0), ("006M", 0.5), ("03W", 0.06),
     ("010D", 0.03), ("061", None), ("", None)],
)  # fmt: skip
def test_ages(tmp_path: Path, text: str, age: float | None) -> None:
    """PS3.5, AS: three digits and the unit; 52 weeks are 364 of 365.25 days."""
    path = two(tmp_path, lambda data: setattr(data, "PatientAge", text))
    assert read(path).subject == Subject(age, "female", "P1")


@pytest.mark.parametrize(
    ("acquired", "date", "time", "expected"),
    [
        ("20240506070809.5", "", "", dt.datetime(2024, 5, 6, 7, 8, 9, 500_000)),
        ("20240506070809.123456", "", "", dt.datetime(2024, 5, 6, 7, 8, 9, 123_456)),
        ("20240506070809.04", "", "", dt.datetime(2024, 5, 6, 7, 8, 9, 40_000)),
        ("20240506070860", "", "", dt.datetime(2024, 5, 6, 7, 8, 59)),  # a leap second
        ("202405060708", "", "", dt.datetime(2024, 5, 6, 7, 8)),
        ("20240506", "", "", None),
        ("20241306070809", "", "", None),
        ("", "20230102", "030405", dt.datetime(2023, 1, 2, 3, 4, 5)),
        ("", "20230102", "", None),
        ("20240506070809", "20230102", "030405", dt.datetime(2024, 5, 6, 7, 8, 9)),
        ("20240506070809.5-0530", "", "", dt.datetime(2024, 5, 6, 7, 8, 9, 500_000, zone(-5.5))),
        ("20240506070809+0100", "", "", dt.datetime(2024, 5, 6, 7, 8, 9, 0, zone(1))),
        ("20240506", "20230102", "030405.25", dt.datetime(2023, 1, 2, 3, 4, 5, 250_000)),
    ],
)
def test_start_times(
    tmp_path: Path, acquired: str, date: str, time: str, expected: dt.datetime | None
) -> None:
    def edit(data: Any) -> None:
        data.AcquisitionDateTime, data.ContentDate, data.ContentTime = acquired, date, time

    assert read(two(tmp_path, edit)).start_time == expected


@pytest.mark.parametrize(
    ("stated", "moment", "hours"),
    [("+0100", "20240506070809", 1), ("-0530", "20240506070809", -5.5),
     ("+0100", "20240506070809-0200", -2), ("", "20240506070809", None),
     ("0100", "20240506070809", None)],
)  # fmt: skip
def test_zones(tmp_path: Path, stated: str, moment: str, hours: float | None) -> None:
    """(0008,0201) holds for all times of the object that state no offset themselves."""

    def edit(data: Any) -> None:
        data.AcquisitionDateTime, data.TimezoneOffsetFromUTC = moment, stated

    expected = None if hours is None else zone(hours)
    start = read(two(tmp_path, edit)).start_time
    assert start is not None and start.tzinfo == expected


@pytest.mark.parametrize(
    ("born", "stated", "age", "date"),
    [("19740506", None, 50.0, "1974-05-06"), ("19740507", None, 49.0, "1974-05-07"),
     ("19740507", "012Y", 12.0, "1974-05-07"), ("19740507", "", 49.0, "1974-05-07"),
     ("1974.05.06", None, 50.0, "1974-05-06"), ("", None, None, None), ("1974", None, None, None),
     ("19741340", None, None, None), ("20250101", "012Y", 12.0, None),
     ("18500101", "012Y", 12.0, None)],  # nobody lives so long
)  # fmt: skip
def test_ages_from_birth_dates(
    tmp_path: Path, born: str, stated: str | None, age: float | None, date: str | None
) -> None:
    def edit(data: Any) -> None:
        data.AcquisitionDateTime, data.PatientBirthDate = "20240506070809", born
        if stated is None:
            del data.PatientAge
        else:
            data.PatientAge = stated

    person = read(two(tmp_path, edit)).subject
    assert person.age == age
    assert person.birth_date == (None if date is None else dt.date.fromisoformat(date))


@pytest.mark.parametrize(
    ("sets", "raw", "text"),
    [
        ("ISO_IR 192", "c5bbc3b3c582c487", "Żółć"),
        ("ISO_IR 100", "4dfc6c6c6572", "Müller"),
        ("ISO_IR 101", "b3f3", "łó"),
        ("ISO_IR 144", "bbeedad5dcd1e3e0d3", "Люкембург"),
        ("GB18030", "d5c5", "张"),
        ("GBK", "d5c5", "张"),
        # PS3.5 H.3.1, I.2 and K.2: Japanese, Korean and Chinese with code extensions.
        ("\\ISO 2022 IR 87", "59616d6164611b2442" + "3b334544" + "1b2842" + "5e", "Yamada山田^"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", "d4cfc0de" + "1b2442" + "3b334544" + "1b284a",
         "ﾔﾏﾀﾞ山田"),
        ("\\ISO 2022 IR 149", "486f6e67" + "1b242943" + "fbf3d1ce", "Hong洪吉"),
        ("\\ISO 2022 IR 58", "5a68" + "1b242941" + "d5c5", "Zh张"),
        ("", "41e9", "Aé"),
    ],
)  # fmt: skip
def test_character_sets(tmp_path: Path, sets: str, raw: str, text: str) -> None:
    """Byte sequences of PS3.5, annexes H to K, and of the ISO 8859 tables."""
    assert decode_text(bytes.fromhex(raw), sets.split("\\")) == text


@pytest.mark.parametrize("sets", ["ISO_IR 192", "ISO_IR 100"])
def test_the_character_set_holds_for_the_whole_object(tmp_path: Path, sets: str) -> None:
    def edit(data: Any) -> None:
        data.SpecificCharacterSet = sets
        data.PatientID, data.Manufacturer = "Ünal-7", "Gerät"
        source = channels(data)[1].ChannelSourceSequence[0]
        source.CodeValue, source.CodingSchemeDesignator = "X1", "99LOCAL"
        source.CodeMeaning = channels(data)[1].ChannelLabel = "Ableitung Ä"

    recording = read(two(tmp_path, edit))
    assert recording.subject.identifier == "Ünal-7"
    assert recording.device["manufacturer"] == "Gerät"
    assert recording.leads == ("I", "Ableitung Ä")


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
@pytest.mark.parametrize("kept", ["nothing", "the meta information", "its sign"])
def test_without_preamble(tmp_path: Path, syntax: str, kept: str) -> None:
    path = two(tmp_path)
    whole = read(path)
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = syntax
    data.save_as(path, implicit_vr=syntax == "1.2.840.10008.1.2", little_endian=True)
    content = path.read_bytes()
    begin = 132 + 12 + int.from_bytes(content[140:144], "little")
    parts = {"nothing": content[begin:], "the meta information": content[132:],
             "its sign": content[128:]}  # fmt: skip
    path.write_bytes(parts[kept])
    bare = read(path)
    assert (bare.format, bare.leads, bare.sampling_rate) == ("dicom", ("I", "II"), 100)
    np.testing.assert_array_equal(bare.signal, whole.signal)


def test_what_a_data_set_without_value_representations_begins_with() -> None:
    """A value of at most 64 bytes, then another element of group 8 (PS3.5 A.1)."""

    def head(length: int, following: bytes) -> bytes:
        return b"\x08\0\x05\0" + struct.pack("<L", length) + bytes(length) + following + bytes(8)

    assert looks_like_dicom(head(10, b"\x08\0")) and looks_like_dicom(head(64, b"\x08\0"))
    assert not looks_like_dicom(head(66, b"\x08\0"))
    assert not looks_like_dicom(head(9, b"\x08\0"))
    assert not looks_like_dicom(head(10, b"\x10\0"))


def test_elements_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgfoundry.formats.dicom.elements._MAXIMUM_ELEMENTS", 10)
    one = element(0x0010, 0x0020, b"LO", b"P1")
    for count, fits in ((10, True), (11, False)):
        path = plain_file(tmp_path / "a.dcm", one * count)
        if fits:
            assert 0x00100020 in open_dicom(path).elements
        else:
            with pytest.raises(LimitError, match="more than 10 elements"):
                open_dicom(path)


def test_a_lead_without_a_unit_is_refused_for_its_unit(tmp_path: Path) -> None:
    def edit(data: Any) -> None:
        for channel in channels(data):
            del channel.ChannelSensitivityUnitsSequence

    path = two(tmp_path, edit)
    with pytest.raises(UnitError, match="--unit uV"):
        read(path)
    np.testing.assert_allclose(read(path, unit="uV").signal, TWO / 1000, rtol=1e-6)


def test_device(tmp_path: Path) -> None:
    def edit(data: Any) -> None:
        data.DeviceSerialNumber, data.SoftwareVersions = "S5", ["1.2", "3"]
        first, second = channels(data)
        first.NotchFilterFrequency = second.NotchFilterFrequency = "50"
        second.FilterHighFrequency = "40"

    assert dict(read(two(tmp_path, edit)).device) == {
        "manufacturer": "Maker", "model": "Model 5", "serial_number": "S5",
        "software": "1.2, 3", "highpass": "0.05 Hz", "notch": "50 Hz",
        "lowpass": "150 Hz, 40 Hz",  # of two leads
    }  # fmt: skip


def annotation(**fields: Any) -> Any:
    item = pydicom.Dataset()
    meaning = fields.pop("meaning", None)
    if meaning is not None:
        concept = pydicom.Dataset()
        concept.CodeValue, concept.CodingSchemeDesignator = "1", "X"
        concept.CodeMeaning = meaning
        item.ConceptNameCodeSequence = [concept]
    for name, value in fields.items():
        setattr(item, name, value)
    return item


MEASURED = {
    "RR Interval": "rr_ms", "PR Interval": "pr_ms", "PR Interval Global": "pr_ms",
    "QRS Duration": "qrs_ms", "QRS Duration Global": "qrs_ms", "QT Interval": "qt_ms",
    "QT Interval Global": "qt_ms", "QTc Interval": "qtc_ms", "QTc Interval Global": "qtc_ms",
    "P Axis": "p_axis_deg", "QRS Axis": "qrs_axis_deg", "T Axis": "t_axis_deg",
    "Heart Rate": "heart_rate_bpm", "Ventricular Rate": "heart_rate_bpm",
    "Ventricular Heart Rate": "heart_rate_bpm", "Atrial Rate": "atrial_rate_bpm",
    "Atrial Heart Rate": "atrial_rate_bpm",
}  # fmt: skip


@pytest.mark.parametrize("meaning", MEASURED)
def test_measurements(tmp_path: Path, meaning: str) -> None:
    """29999, the "undefined" of SCP-ECG, and a duration of 0 are no measurements."""
    not_measured = (29999,) if "Axis" in meaning else (0, 29999)

    def edit(data: Any) -> None:
        data.WaveformAnnotationSequence = [
            annotation(meaning=meaning, NumericValue=value) for value in (*not_measured, 61.5, 99)
        ]

    header = read(two(tmp_path, edit)).header
    assert device_measurements(header) == {MEASURED[meaning]: 61.5}


def test_statements_and_marks(tmp_path: Path) -> None:
    def marks(data: Any) -> None:
        here, other = [1, 0], [2, 0]
        data.WaveformAnnotationSequence = [
            annotation(UnformattedTextValue="SINUS RHYTHM"),
            annotation(UnformattedTextValue="NORMAL"),
            annotation(meaning="R peak", ReferencedWaveformChannels=here,
                       TemporalRangeType="MULTIPOINT", ReferencedSamplePositions=[1, 51, 101]),
            annotation(meaning="QRS", ReferencedWaveformChannels=[1, 2],
                       TemporalRangeType="SEGMENT", ReferencedSamplePositions=[11, 21]),
            annotation(meaning="P", ReferencedWaveformChannels=[1, 1],
                       TemporalRangeType="MULTISEGMENT",
                       ReferencedTimeOffsets=["100", "150", "600", "640"]),
            annotation(meaning="T", ReferencedWaveformChannels=here,
                       TemporalRangeType="SEGMENT", ReferencedTimeOffsets=["300"]),
            annotation(meaning="elsewhere", ReferencedWaveformChannels=other,
                       TemporalRangeType="POINT", ReferencedSamplePositions=[5]),
            annotation(meaning="no lead 3", ReferencedWaveformChannels=[1, 3],
                       TemporalRangeType="POINT", ReferencedTimeOffsets=["999"]),
            annotation(meaning="behind", ReferencedWaveformChannels=here,
                       TemporalRangeType="POINT", ReferencedTimeOffsets=["1000"]),
        ]  # fmt: skip

    recording = read(two(tmp_path, marks))
    assert recording.header["statements"] == "SINUS RHYTHM\nNORMAL"
    found = [(m.text, round(m.time_s, 6), round(m.duration_s, 6), m.lead, m.kind)
             for m in recording.annotations]  # fmt: skip
    assert found == [
        ("R peak", 0.0, 0.0, None, "wave"), ("R peak", 0.5, 0.0, None, "wave"),
        ("QRS", 0.1, 0.1, "II", "wave"),
        ("P", 0.1, 0.05, "I", "wave"), ("P", 0.6, 0.04, "I", "wave"),
        ("T", 0.3, 0.0, None, "wave"), ("no lead 3", 0.999, 0.0, None, "wave"),
    ]  # fmt: skip
    part = read(tmp_path / "x.dcm", start_s=0.5, duration_s=0.2)
    assert [(m.text, round(m.time_s, 6)) for m in part.annotations] == [("R peak", 0), ("P", 0.1)]


def test_marks_of_a_group_stand_at_its_offset(tmp_path: Path) -> None:
    def edit(data: Any) -> None:
        data.WaveformAnnotationSequence = [
            annotation(meaning="R", ReferencedWaveformChannels=[2, 1],
                       TemporalRangeType="POINT", ReferencedSamplePositions=[21]),
        ]  # fmt: skip

    recording = read(two(tmp_path, edit, split=1, offsets=(0.0, 500.0)))
    (mark,) = recording.annotations
    assert (round(mark.time_s, 6), mark.lead) == (0.7, "II")


# Elements


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH", group, number) + vr
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return head + struct.pack("<HL", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def plain_file(path: Path, body: bytes, syntax: bytes = b"1.2.840.10008.1.2.1\0") -> Path:
    """Preamble, file meta information (PS3.10 7.1) and a data set written by hand."""
    meta = element(0x0002, 0x0010, b"UI", syntax)
    length = element(0x0002, 0x0000, b"UL", struct.pack("<L", len(meta)))
    path.write_bytes(bytes(128) + b"DICM" + length + meta + body)
    return path


def test_values_up_to_64_kib_are_kept(tmp_path: Path) -> None:
    for size, kept in ((65_536, True), (65_538, False)):
        path = plain_file(tmp_path / f"{size}.dcm", element(0x5400, 0x1010, b"OW", bytes(size)))
        found = open_dicom(path).elements[0x54001010]
        assert (found.value is not None) == kept
        assert (found.length, found.offset) == (size, path.stat().st_size - size)


def test_nesting_of_twelve_sequences_is_the_deepest(tmp_path: Path) -> None:
    def nested(depth: int) -> bytes:
        body = b""
        for _ in range(depth):
            item = struct.pack("<HHL", 0xFFFE, 0xE000, len(body)) + body
            body = element(0x0040, 0xA043, b"SQ", item)
        return body

    assert 0x0040A043 in open_dicom(plain_file(tmp_path / "a.dcm", nested(12))).elements
    with pytest.raises(LimitError, match="nested more than 12 deep"):
        open_dicom(plain_file(tmp_path / "b.dcm", nested(13)))


def test_texts_and_long_and_short_lengths(tmp_path: Path) -> None:
    body = element(0x0008, 0x0070, b"LO", b"Maker ") + element(0x0010, 0x0020, b"LO", b"P\0")
    body += element(0x0010, 0x4000, b"UT", b" long text")
    found = open_dicom(plain_file(tmp_path / "a.dcm", body)).elements
    assert [text_of(found[tag]) for tag in (0x00080070, 0x00100020, 0x00104000)] == [
        "Maker", "P", "long text",
    ]  # fmt: skip
    assert text_of(found.get(0x00080080)) == ""


SHORT = b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()
LONG = b"OB OD OF OL OV OW SV UC UN UR UT UV".split()
AFTER = element(0x0010, 0x0020, b"LO", b"P1")


@pytest.mark.parametrize("vr", [*SHORT, *LONG])
def test_lengths_of_every_value_representation(tmp_path: Path, vr: bytes) -> None:
    """PS3.5, 7.1.2: these have two unused bytes and a length of four bytes, all others of two."""
    head = struct.pack("<HH", 0x0008, 0x0070) + vr
    body = head + (struct.pack("<HL", 0, 4) if vr in LONG else struct.pack("<H", 4)) + b"abcd"
    found = open_dicom(plain_file(tmp_path / "a.dcm", body + AFTER)).elements
    assert found[0x00080070].value == b"abcd"
    assert text_of(found[0x00100020]) == "P1"


@pytest.mark.parametrize(
    "tag",
    [0x54000100, 0x003A0200, 0x003A0208, 0x003A0209, 0x003A0211, 0x0040B020, 0x0040A043,
     0x004008EA, 0x0040A168, 0x0040A195, 0x00400555],
)  # fmt: skip
def test_sequences_without_value_representations(tmp_path: Path, tag: int) -> None:
    inner = struct.pack("<HHL", 0x0008, 0x0070, 4) + b"abcd"
    item = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner)) + inner
    body = struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(item)) + item
    path = plain_file(tmp_path / "a.dcm", body, b"1.2.840.10008.1.2\0")
    (content,) = open_dicom(path).elements[tag].items
    assert text_of(content[0x00080070]) == "abcd"


def test_lengths_that_are_not_defined(tmp_path: Path) -> None:
    """Items and sequences end at their delimiters; UN of undefined length is implicit inside."""
    inner = struct.pack("<HHL", 0x0008, 0x0070, 4) + b"abcd"
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner
    item += struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    head = struct.pack("<HH", 0x0040, 0xA043) + b"UN" + struct.pack("<HL", 0, 0xFFFFFFFF)
    found = open_dicom(plain_file(tmp_path / "a.dcm", head + item + AFTER)).elements
    assert text_of(found[0x0040A043].items[0][0x00080070]) == "abcd"
    assert text_of(found[0x00100020]) == "P1"
    explicit = item.replace(inner, element(0x0008, 0x0070, b"LO", b"abcd"))
    head = head.replace(b"UN", b"SQ")
    found = open_dicom(plain_file(tmp_path / "b.dcm", head + explicit + AFTER)).elements
    assert text_of(found[0x0040A043].items[0][0x00080070]) == "abcd"
    assert text_of(found[0x00100020]) == "P1"


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (element(8, 0x70, b"LO", b"Maker ")[:-2], TruncatedFileError, r"\(0008,0070\) has 6 bytes"),
        (element(8, 0x70, b"ZZ", b"Maker "), FormatError, r"\(0008,0070\) has no known"),
        (element(0x40, 0xA043, b"SQ", b"\x08\x00\x70\x00\0\0\0\0"), FormatError, "an item"),
        (element(0x40, 0xA043, b"SQ", struct.pack("<HHL", 0xFFFE, 0xE000, 9) + bytes(8)),
         TruncatedFileError, "behind its sequence"),
        (element(0x40, 0xA043, b"SQ", bytes(8))[:-1], TruncatedFileError, "behind its end"),
    ],
)  # fmt: skip
def test_damaged_elements(
    tmp_path: Path, body: bytes, error: type[EcgFoundryError], words: str
) -> None:
    with pytest.raises(error, match=words):
        open_dicom(plain_file(tmp_path / "a.dcm", body))


def test_transfer_syntaxes_without_waveforms(tmp_path: Path) -> None:
    path = plain_file(tmp_path / "a.dcm", b"", b"1.2.840.10008.1.2.4.50\0")
    with pytest.raises(UnsupportedVariantError, match=r"1\.2\.840\.10008\.1\.2\.4\.50"):
        open_dicom(path)


# Writing

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
TWELVE_LEAD = "1.2.840.10008.5.1.4.1.1.9.1.1"
GENERAL = "1.2.840.10008.5.1.4.1.1.9.1.2"
AMBULATORY = "1.2.840.10008.5.1.4.1.1.9.1.3"


@pytest.mark.parametrize(
    ("leads", "rate", "samples", "kind"),
    [
        (TWELVE, 500, 16_384, TWELVE_LEAD),
        (TWELVE, 500, 16_385, GENERAL),
        (TWELVE, 200, 100, TWELVE_LEAD),
        (TWELVE, 1000, 100, TWELVE_LEAD),
        (TWELVE, 199.9, 100, AMBULATORY),
        (("I", "chest"), 200, 100, GENERAL),
        (("I", "chest"), 1000, 100, GENERAL),
        (("I",), 50, 100, AMBULATORY),
        (("I",), 49.9, 100, None),
        (("I",), 1000.1, 100, None),
        ([f"x{n}" for n in range(24)], 500, 100, GENERAL),
        ([f"x{n}" for n in range(25)], 500, 100, None),
        ([f"x{n}" for n in range(12)], 100, 100, AMBULATORY),
        ([f"x{n}" for n in range(13)], 100, 100, None),
    ],
)
def test_the_class_of_a_written_object(
    tmp_path: Path, leads: tuple[str, ...], rate: float, samples: int, kind: str | None
) -> None:
    """PS3.3 A.34.3 to A.34.5: channels, rates and samples of the three classes."""
    recording = Recording.from_array(
        np.ones((len(leads), samples), np.float32), sampling_rate=rate, leads=leads, unit="mV"
    )
    if kind is None:
        with pytest.raises(UnsupportedVariantError, match=f"{len(leads)} leads at {rate:g} Hz"):
            write(recording, tmp_path / "x.dcm")
        return
    data = pydicom.dcmread(write(recording, tmp_path / "x.dcm").path)
    assert data.SOPClassUID == data.file_meta.MediaStorageSOPClassUID == kind


def test_every_written_element(tmp_path: Path) -> None:
    signal = np.array([[0.001, -0.002, np.nan], [32.767, 0.0, -32.767]], np.float32)
    recording = Recording.from_array(
        signal, sampling_rate=257.3, leads=("aVF", "a very long lead name"), unit="mV",
        start_time=dt.datetime(2024, 5, 6, 7, 8, 9, 250_000),
        subject=Subject(7.9, "male", "P1"),
        device={"manufacturer": "M" * 70, "model": "B", "highpass": "0.05 Hz", "lowpass": "FIR",
                "notch": "50 Hz"},
    )  # fmt: skip
    written = write(recording, tmp_path / "x.dcm")
    assert written.step_mv == 0.001
    data = pydicom.dcmread(written.path)
    (group,) = data.WaveformSequence
    assert (group.NumberOfWaveformChannels, group.NumberOfWaveformSamples) == (2, 3)
    assert (float(group.SamplingFrequency), group.WaveformBitsAllocated) == (257.3, 16)
    assert group.WaveformSampleInterpretation == "SS"
    stored = np.frombuffer(group.WaveformData, "<i2").reshape(3, 2).T
    assert stored.tolist() == [[1, -2, -32768], [32767, 0, -32767]]
    assert group[0x5400100A].value == struct.pack("<h", -32768)
    first, second = group.ChannelDefinitionSequence
    assert first.ChannelSourceSequence[0].CodeValue == "5.6.3-9-64"  # aVF
    assert first.ChannelSourceSequence[0].CodingSchemeDesignator == "SCPECG"
    assert first.ChannelSourceSequence[0].CodeMeaning == "Lead aVF"
    assert second.ChannelSourceSequence[0].CodeValue == "5.6.3-9-0"
    assert second.ChannelSourceSequence[0].CodeMeaning == "a very long lead name"
    assert (first.ChannelLabel, second.ChannelLabel) == ("aVF", "a very long lead")
    assert first.ChannelSensitivityUnitsSequence[0].CodeValue == "uV"
    assert (first.ChannelSensitivity, first.ChannelSensitivityCorrectionFactor) == (1, 1)
    assert (first.ChannelBaseline, first.ChannelSampleSkew, first.WaveformBitsStored) == (0, 0, 16)
    assert (first.FilterLowFrequency, first.NotchFilterFrequency) == (0.05, 50)
    assert "FilterHighFrequency" not in first
    assert (data.PatientID, data.PatientSex, data.PatientAge) == ("P1", "M", "007Y")
    assert (data.StudyDate, data.ContentTime) == ("20240506", "070809.250000")
    assert data.AcquisitionDateTime == "20240506070809.250000"
    assert (data.Manufacturer, data.ManufacturerModelName) == ("M" * 64, "B")
    assert data.Modality == "ECG"


@pytest.mark.parametrize(
    ("rate", "text"), [(500.0, "500"), (257.3, "257.3"), (1000 / 3, "333.333333333")]
)
def test_rates_are_decimal_strings_of_16_characters(tmp_path: Path, rate: float, text: str) -> None:
    recording = Recording.from_array([[1.0]], sampling_rate=rate, leads=("I",), unit="mV")
    data = pydicom.dcmread(write(recording, tmp_path / "x.dcm").path)
    assert str(data.WaveformSequence[0].SamplingFrequency) == text
