"""The numbers of watches, straps and pocket devices: units, rates, grids, limits."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LimitError,
    SamplingRateError,
    SignalError,
    UnitError,
)
from ecgfoundry.formats import read
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.formats.devices.apple_health import READER as APPLE
from ecgfoundry.formats.devices.apple_health import sniff as is_apple
from ecgfoundry.formats.devices.kardia import READER as KARDIA
from ecgfoundry.formats.devices.kardia import sniff as is_kardia
from ecgfoundry.formats.devices.opensignals import sniff as is_opensignals
from ecgfoundry.formats.devices.polar import READER as POLAR
from ecgfoundry.formats.devices.polar import regular_grid
from ecgfoundry.formats.devices.polar import sniff as is_polar
from ecgfoundry.recording import Subject

HERE = Path("x")


def write(folder: Path, text: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# Apple Health


def apple(*lines: str, values: tuple[str, ...] = ("1.5", "-2.25", "3")) -> str:
    stated = lines or ("Recorded Date,2026-05-30 16:32:18 +0200", "Sample Rate,512 hertz",
                       "Lead,Lead I", "Unit,µV")  # fmt: skip
    return "\n".join([*stated, "", *values]) + "\n"


@pytest.mark.parametrize(
    ("unit", "factor"), [("µV", 1e-3), ("μV", 1e-3), ("uV", 1e-3), ("mV", 1.0)]
)
def test_apple_units(tmp_path: Path, unit: str, factor: float) -> None:
    text = apple("a,b", "Rate,512 hertz", f"Unit,{unit}")
    signal = read(write(tmp_path, text)).signal[0]
    np.testing.assert_allclose(signal, np.array([1.5, -2.25, 3]) * factor, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("512 hertz", 512.0), ("511,5 Hertz", 511.5), ("99.25 Hz", 99.25), ("1024 Hz.", 1024.0),
     ("9 hertz", None), ("51200 hertz", None), ("512", None), ("512 H", None)],
)  # fmt: skip
def test_apple_rates(tmp_path: Path, text: str, rate: float | None) -> None:
    path = write(tmp_path, apple("a,b", f"Rate,{text}", "Unit,mV"))
    if rate is None:
        with pytest.raises(EcgFoundryError):
            read(path, format="apple-health")
    else:
        assert read(path, format="apple-health").sampling_rate == rate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-30 16:32:18 +0200", "2026-05-30T16:32:18+02:00"),
        ("2026-05-30 16:32:18-0730", "2026-05-30T16:32:18-07:30"),
        ("2026-05-30 16:32:18", "2026-05-30T16:32:18"),
    ],
)
@pytest.mark.parametrize(
    ("born", "age", "date"),
    [("Jan 8, 1972", 54, "1972-01-08"), ("January 8, 1972", 54, "1972-01-08"),
     ("8 Jan 1972", 54, "1972-01-08"), ("8 January 1972", 54, "1972-01-08"),
     ("1972-01-08", 54, "1972-01-08"), ("08.01.1972", 54, "1972-01-08"),
     ("May 31, 1972", 53, "1972-05-31"), ("x", None, None)],
)  # fmt: skip
def test_apple_dates(
    tmp_path: Path, text: str, expected: str, born: str, age: float | None, date: str | None
) -> None:
    text = apple(f'Date of Birth,"{born}"', f"Recorded,{text}", "Classification,Sinus Rhythm",
                 "Sex,F", "Symptoms,none", "Software Version,1.9", "Device,Watch6", "Rate,512 Hz",
                 "Unit,mV")  # fmt: skip
    recording = read(write(tmp_path, text))
    assert recording.start_time is not None
    assert recording.start_time.isoformat() == expected
    day = None if date is None else dt.date.fromisoformat(date)
    assert recording.subject == Subject(age, "female", birth_date=day)
    assert dict(recording.header) == {"statements": "Sinus Rhythm", "symptoms": "none"}
    assert dict(recording.device) == {
        "manufacturer": "Apple", "model": "Watch6", "software": "1.9",
    }  # fmt: skip


def test_apple_classification_stands_behind_the_date(tmp_path: Path) -> None:
    date = "Datum,2026-05-30 16:32:18 +0200"
    for lines, expected in (
        (("a,b", date, "Befund,Vorhofflimmern", "Rate,512 Hz", "Unit,mV"), "Vorhofflimmern"),
        (("a,b", date, "Rate,512 Hz", "Unit,mV"), None),
        (("a,b", "Rate,512 Hz", date, "Unit,mV"), None),
        (("a,b", "Rate,512 Hz", "Unit,mV", date), None),
        (("a,b", "c,Befund", "Rate,512 Hz", "Unit,mV"), None),
    ):
        assert read(write(tmp_path, apple(*lines))).header.get("statements") == expected


@pytest.mark.parametrize("name", ["Sam Lee III", "II", "Lead V3", "aVF"])
def test_apple_names_are_no_leads(tmp_path: Path, name: str) -> None:
    text = apple(f"Name,{name}", "Rate,512 hertz", "Lead,Lead I", "Unit,mV")
    assert read(write(tmp_path, text)).leads == ("I",)
    text = apple(f"Nom,{name}", "Taux,512 hertz", "Dérivation,Dérivation II", "Unité,mV")
    assert read(write(tmp_path, text)).leads == ("II",)
    assert read(write(tmp_path, apple(f"Nom,{name}", "Taux,512 hertz", "Unité,mV"))).leads == ("I",)


def test_apple_leads(tmp_path: Path) -> None:
    for stated, lead in (("Lead II", "II"), ("V2", "V2"), ("Ableitung I", "I"), ("", "I"),
                         ("a lead called II", "II")):  # fmt: skip
        text = apple("a,b", "Rate,512 hertz", "Unit,mV", f"Lead,{stated}")
        assert read(write(tmp_path, text)).leads == (lead,)


def test_what_is_an_apple_export() -> None:
    good = apple("a,b", "Rate,512 hertz", "Unit,mV")
    assert is_apple(HERE, good.encode())
    assert is_apple(HERE, good.encode("utf-16"))
    for bad in (
        apple("Rate,512 hertz", "Unit,mV"), apple("a,b", "Rate,512 hertz", "Unit,mmHg"),
        apple("a,b", "Rate,x", "Unit,mV"),
        apple("a,b", "Rate,512 hertz", "Unit,mV", values=("1", "2")), good + "\0",
    ):  # fmt: skip
        assert not is_apple(HERE, bad.encode())


def test_apple_preamble_of_40_lines(tmp_path: Path) -> None:
    for lines, fits in ((36, True), (37, False)):  # three more, and an empty one
        text = apple(*(f"k{n},v" for n in range(lines)), "Rate,512 hertz", "Unit,mV", "x,y")
        path = write(tmp_path, text)
        if fits:
            assert APPLE.read(path, ReadOptions(), 0, None).samples == 3
        else:
            with pytest.raises(EcgFoundryError):
                APPLE.read(path, ReadOptions(), 0, None)


def test_apple_limits(tmp_path: Path) -> None:
    path = write(tmp_path, apple("a,b", "Rate,512 hertz", "Unit,mV"))
    size = path.stat().st_size
    fits = ReadOptions(limits=Limits(samples=3, text_bytes=size))
    assert APPLE.read(path, fits, 0, None).samples == 3
    for limits, words in ((Limits(samples=2), "3 values"), (Limits(text_bytes=size - 1), "limit")):
        with pytest.raises(LimitError, match=words):
            APPLE.read(path, ReadOptions(limits=limits), 0, None)
    with path.open("r+b") as file:
        file.truncate(16_000_001)
    with pytest.raises(LimitError, match="limit is 16000000"):
        APPLE.read(path, ReadOptions(), 0, None)


# Kardia


def kardia(**changes: Any) -> dict[str, Any]:
    raw = {"frequency": 300, "mainsFrequency": 50, "amplitudeResolution": 500,
           "samples": {"leadI": [1, -2, None, 4.5]}}  # fmt: skip
    return {
        "recordedAt": "2021-05-04T10:11:12+02:00", "patientID": "p1", "heartRate": 77,
        "qtMeasurement": {"QT": {"Value": 380}, "qtcb": 410, "QTcF": {"Value": 405}, "rr": 780},
        "deviceInfo": {"hardwareType": "triangle", "firmwareRevision": "2", "serialNumber": "S1"},
        "data": {"raw": {**raw, **changes}, "enhanced": {"samples": {"leadI": [9]}}},
    }  # fmt: skip


def test_kardia_fields(tmp_path: Path) -> None:
    """500 nV a step, as the API's documentation says: 4.5 steps are 2.25 uV."""
    recording = read(write(tmp_path, json.dumps(kardia()), "x.json"))
    np.testing.assert_allclose(recording.signal[0], [0.0005, -0.001, np.nan, 0.00225], rtol=1e-6)
    assert (recording.sampling_rate, recording.mains_frequency) == (300, 50)
    assert recording.start_time is not None
    assert recording.start_time.isoformat() == "2021-05-04T10:11:12+02:00"
    assert recording.subject.identifier == "p1"
    assert dict(recording.device) == {
        "manufacturer": "AliveCor", "model": "triangle", "software": "2",
    }  # fmt: skip
    assert device_measurements(recording.header) == {
        "heart_rate_bpm": 77, "rr_ms": 780, "qt_ms": 380, "qtc_bazett_ms": 410,
        "qtc_fridericia_ms": 405,
    }  # fmt: skip
    assert recording.header["device_serial"] == "S1"
    for mains, kept in ((60, 60), (50.0, 50), (55, None)):
        text = json.dumps(kardia(mainsFrequency=mains))
        assert read(write(tmp_path, text, "x.json")).mains_frequency == kept


def test_kardia_leads(tmp_path: Path) -> None:
    names = ("leadI", "leadII", "leadIII", "AVR", "AVL", "AVF")
    text = json.dumps(kardia(samples={name: [n] for n, name in enumerate(names)}))
    recording = read(write(tmp_path, text, "x.json"))
    assert recording.leads == ("I", "II", "III", "aVR", "aVL", "aVF")
    np.testing.assert_allclose(recording.signal[:, 0], np.arange(6) * 0.0005, rtol=1e-6)


@pytest.mark.parametrize("value", ["1", True, [1], {}, 10**400])
def test_kardia_samples_that_are_none(tmp_path: Path, value: object) -> None:
    text = json.dumps(kardia(samples={"leadI": [1, value]}))
    with pytest.raises(FormatError):
        read(write(tmp_path, text, "x.json"))


def test_kardia_limits(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps(kardia()), "x.json")
    size = path.stat().st_size
    fits = ReadOptions(limits=Limits(samples=4, text_bytes=size))
    assert KARDIA.read(path, fits, 0, None).samples == 4
    for limits, error in (
        (Limits(samples=3), FormatError),
        (Limits(text_bytes=size - 1), LimitError),
    ):
        with pytest.raises(error):
            KARDIA.read(path, ReadOptions(limits=limits), 0, None)
    with path.open("r+b") as file:
        file.truncate(32_000_001)
    with pytest.raises(LimitError, match="limit is 32000000"):
        KARDIA.read(path, ReadOptions(), 0, None)


def test_what_is_a_kardia_recording() -> None:
    keys = ('"recordedAt"', '"algorithmDetermination"', '"amplitudeResolution"', '"data12L"')
    for first in keys:
        for second in keys:
            text = f"\ufeff {{{first}: 1, {second}: 2}}".encode()
            assert is_kardia(HERE, text) == (first != second)
    assert not is_kardia(HERE, b'["recordedAt", "data12L"]')


# Health Auto Export


def exported(values: list[float], units: str = "mcV", **fields: object) -> dict:
    measured = [
        {"date": 1709371230 + n / 512, "voltage": value, "units": units}
        for n, value in enumerate(values)
    ]
    return {
        "start": "2024-03-02 10:20:30 +0100", "classification": "Sinus Rhythm",
        "averageHeartRate": 61, "samplingFrequency": 512,
        "numberOfVoltageMeasurements": len(values), "source": "Watch",
        "voltageMeasurements": measured, **fields,
    }  # fmt: skip


def export(folder: Path, *recordings: dict) -> Path:
    return write(folder, json.dumps({"data": {"ecg": list(recordings)}}), "x.json")


@pytest.mark.parametrize(("unit", "factor"), [("mcV", 1e-3), ("µV", 1e-3), ("mV", 1.0), ("V", 1e3)])
def test_health_auto_export(tmp_path: Path, unit: str, factor: float) -> None:
    recording = read(export(tmp_path, exported([1.0, -2.0, 0.5], unit)))
    assert (recording.format, recording.leads, recording.sampling_rate) == (
        "health-auto-export", ("I",), 512,
    )  # fmt: skip
    np.testing.assert_allclose(recording.signal, [np.array([1, -2, 0.5]) * factor], rtol=1e-6)
    assert recording.start_time is not None
    assert recording.start_time.isoformat() == "2024-03-02T10:20:30+01:00"
    assert recording.header["heart_rate_bpm"] == "61"
    assert recording.header["statements"] == "Sinus Rhythm"


def test_health_auto_export_with_lost_samples_and_several_recordings(tmp_path: Path) -> None:
    gap = exported([float(n) for n in range(20)])
    del gap["voltageMeasurements"][5:8]
    gap["numberOfVoltageMeasurements"] = 17
    signal = read(export(tmp_path, gap), unit="mV").signal[0]
    assert missing(signal.tolist()) == [5, 6, 7] and signal[19] == 19.0
    slow = exported([float(n) for n in range(20)])
    for n, sample in enumerate(slow["voltageMeasurements"]):
        sample["date"] = 1709371230 + 1.6 * n / 512  # times that belong to another rate
    with pytest.raises(SamplingRateError, match="give 320 Hz, not 512"):
        read(export(tmp_path, slow))
    assert read(export(tmp_path, slow), sampling_rate=320).signal.shape == (1, 20)
    path = export(tmp_path, gap, exported([7.0] * 4))
    with pytest.raises(SignalError, match="2 recordings"):
        read(path)
    assert read(path, index=1).samples == 4
    with pytest.raises(SignalError, match="numbered from 0"):
        read(path, index=2)
    with pytest.raises(FormatError, match="3 samples are stored, 4 are announced"):
        read(export(tmp_path, exported([1.0] * 3, numberOfVoltageMeasurements=4)))
    with pytest.raises(UnitError, match="'furlong'"):
        read(export(tmp_path, exported([1.0] * 3, "furlong")))


@pytest.mark.parametrize(
    ("text", "start"),
    [("2024-03-02 10:20:30 +0200", "2024-03-02T10:20:30+02:00"),
     ("2024-03-02T10:20:30+02:00", "2024-03-02T10:20:30+02:00"),
     ("2024-03-02T10:20:30.250Z", "2024-03-02T10:20:30.250000+00:00"),
     ("2024-03-02T10:20:30", "2024-03-02T10:20:30")],
)  # fmt: skip
@pytest.mark.parametrize("birth", ["1974-03-02", '"Mar 2, 1974"', "1974-03-02T00:00:00Z"])
def test_apple_dates_of_iso_8601(tmp_path: Path, text: str, start: str, birth: str) -> None:
    path = write(tmp_path, apple("Name,A", f"Date of Birth,{birth}", f"Recorded Date,{text}",
                                 "Rate,512 hertz", "Lead,Lead I", "Unit,mV"))  # fmt: skip
    recording = read(path)
    assert recording.start_time is not None and recording.start_time.isoformat() == start
    assert recording.subject.age == 50.0


# Polar

STEP = 1_000_000_000 / 130
FIRST = 599_616_000_000_000_000


def clock(*steps: float) -> np.ndarray:
    return np.array([FIRST + round(step * STEP) for step in steps], np.int64)


def grid(times: np.ndarray, limits: Limits | None = None) -> tuple[list[float], float]:
    values = np.arange(len(times), dtype=float)
    found, rate, _ = regular_grid(times, values, limits or Limits(), HERE)
    return found.tolist(), rate


def missing(values: list[float]) -> list[int]:
    return [n for n, value in enumerate(values) if np.isnan(value)]


def test_lost_samples_and_their_places() -> None:
    times = np.concatenate([clock(*range(10)), clock(*range(12, 30))])  # two are lost
    values, rate = grid(times)
    assert (rate, len(values), missing(values)) == (130.0, 30, [10, 11])
    # A step of 1.7 is jitter, one of 1.8 a gap of one sample.
    for step, length in ((1.7, 20), (1.8, 21)):
        times = clock(*range(10), *(9 + step + n for n in range(10)))
        assert len(grid(times)[0]) == length
    assert grid(clock(5)) == ([0.0], 130.0)
    twice = np.array([*clock(0, 1, 1, 2, 3)], np.int64)
    assert grid(twice)[0] == [0.0, 1.0, 2.0, 3.0, 4.0]  # no place is free: in order of arrival
    found, _, unclear = regular_grid(twice, np.array([5.0, 6, 6, 7, 8]), Limits(), HERE)
    assert (found.tolist(), unclear) == ([5.0, 6.0, 7.0, 8.0], 0)  # the same sample sent twice


@pytest.mark.parametrize(
    ("steps", "length", "unclear", "gaps"),
    [
        # Packet 2 (5 to 9) carries the times of packet 1, or such that lie between them.
        ([*range(5), *range(5), *range(10, 30)], 30, 5, []),
        ([*range(5), *(n - 2.5 for n in range(5)), *range(10, 30)], 30, 5, []),
        # Three samples are lost behind it.
        ([*range(5), *range(5), *range(13, 33)], 33, 5, [10, 11, 12]),
        # The clock was set back for good; a later gap is counted by the new clock.
        ([*range(10), *range(5, 20), *range(22, 30)], 35, 5, [25, 26]),
        # A sample with the clock of the one before it, then a gap: 14 stands at its place.
        ([*range(11), 10, *range(14, 30)], 30, 1, [12, 13]),
        # The last packet.
        ([*range(20), *range(5)], 25, 5, []),
    ],
)
def test_a_clock_that_goes_back_never_changes_the_rate(
    steps: list[float], length: int, unclear: int, gaps: list[int]
) -> None:
    values = np.arange(len(steps), dtype=float)
    found, rate, told = regular_grid(clock(*steps), values, Limits(), HERE)
    assert (rate, len(found), told) == (130.0, length, unclear)
    assert missing(found.tolist()) == gaps
    assert found[~np.isnan(found)].tolist() == values.tolist()


@pytest.mark.parametrize(
    ("factor", "rate"),
    [(1.0, 130.0), (1.0004, 130.0), (1 / 1.0004, 130.0), (1.0006, 130 / 1.0006),
     (0.9994, 130 / 0.9994), (1.049, 130 / 1.049), (0.951, 130 / 0.951), (1.051, None),
     (0.949, None)],
)  # fmt: skip
def test_the_rate_of_the_clock(factor: float, rate: float | None) -> None:
    """Within 0.05 % of 130 Hz it is 130 Hz; beyond 5 % it is another kind of recording."""
    times = clock(*(factor * n for n in range(4000)))
    if rate is None:
        with pytest.raises(SamplingRateError):
            grid(times)
    else:
        assert grid(times)[1] == pytest.approx(rate, rel=1e-7)


def test_short_runs_leave_more_doubt_about_the_rate() -> None:
    """Jitter at both ends of a run: half a step per run and step (here 3 runs of 100)."""
    for factor, judged in ((1.004, 130.0), (1.006, 130 / 1.006)):
        runs = [start + factor * n for start in (0, 1000, 2000) for n in range(101)]
        assert grid(clock(*runs))[1] == pytest.approx(judged, rel=1e-6)


def test_the_longest_gap_is_a_day() -> None:
    day = 86_400 * 130
    found, *_ = regular_grid(clock(0, 1, 2, 2 + day), np.zeros(4), Limits(), HERE)
    assert len(found) == day + 3
    with pytest.raises(FormatError, match="more than a day"):
        grid(clock(0, 1, 2, 3 + day))
    times = clock(0, 1, 2, 5)
    assert len(grid(times, Limits(samples=6))[0]) == 6
    with pytest.raises(LimitError, match="spans 6 samples"):
        grid(times, Limits(samples=5))


def polar(*rows: str, unit: str = "uV") -> str:
    return "\n".join([f"Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [{unit}]", *rows])


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e-3), ("µV", 1e-3), ("mV", 1.0)])
def test_polar_columns(tmp_path: Path, unit: str, factor: float) -> None:
    rows = [f"2023-04-05T10:00:00.25{n};{t};0;{n},5" for n, t in enumerate(clock(0, 1, 2))]
    recording = read(write(tmp_path, polar(*rows, unit=unit), "x.txt"))
    np.testing.assert_allclose(recording.signal[0], np.array([0.5, 1.5, 2.5]) * factor, rtol=1e-6)
    assert recording.start_time == dt.datetime(2023, 4, 5, 10, 0, 0, 250_000)
    assert dict(recording.device) == {"manufacturer": "Polar"}
    assert dict(recording.header) == {}
    moved = polar(*rows).replace("Phone timestamp", "Time")
    assert read(write(tmp_path, moved, "x.txt")).start_time is None


def test_polar_limits(tmp_path: Path) -> None:
    path = write(tmp_path, polar(*(f"x;{t};0;1" for t in clock(0, 1, 2))), "x.txt")
    size = path.stat().st_size
    assert POLAR.read(
        path, ReadOptions(limits=Limits(samples=3, text_bytes=size)), 0, None
    ).samples == 3  # fmt: skip
    for limits in (Limits(samples=2), Limits(text_bytes=size - 1)):
        with pytest.raises(LimitError):
            POLAR.read(path, ReadOptions(limits=limits), 0, None)
    assert is_polar(HERE, polar("x").encode())
    assert not is_polar(HERE, polar("x").replace("ecg", "acc").encode())
    assert not is_polar(HERE, polar("x").encode() + b"\0")
    assert not is_polar(HERE, b"")


# OpenSignals


def opensignals(entry: dict[str, Any] | None = None, rows: str = "0\t512\t7\n1\t1023\t8\n2\t0\t9\n",
                **changes: Any) -> str:  # fmt: skip
    device = {
        "sensor": ["ECG", "EMG"], "column": ["nSeq", "A1", "A2"], "label": ["A1", "A2"],
        "resolution": [4, 10, 10], "sampling rate": 1000, "device": "bitalino_rev",
        "date": "2016-09-29", "time": "11:29:27.763", "firmware version": 772, **changes,
    }  # fmt: skip
    header = {"00:07": device} if entry is None else entry
    return f"# OpenSignals Text File Format\n# {json.dumps(header)}\n# EndOfHeader\n{rows}"


@pytest.mark.parametrize(
    ("device", "bits", "expected"),
    [
        # (n / 2^b - 1/2) x 3.3 V / 1100 x 1000: 1.5 mV is the largest of a BITalino.
        ("bitalino_rev", 10, [0.0, 3.0 * (1023 / 1024 - 0.5), -1.5]),
        ("bitalino_rev", 12, [-1.125, 3.0 * (1023 / 4096 - 0.5), -1.5]),
        ("biosignalsplux", 10, [0.0, 3.0 * (1023 / 1024 - 0.5), -1.5]),
    ],
)
def test_opensignals_scales(tmp_path: Path, device: str, bits: int, expected: list[float]) -> None:
    text = opensignals(device=device, resolution=[4, bits, 6])
    recording = read(write(tmp_path, text, "x.txt"))
    np.testing.assert_allclose(recording.signal[0], expected, rtol=1e-6, atol=1e-9)
    assert recording.leads == ("ECG",)
    assert recording.sampling_rate == 1000
    assert recording.start_time == dt.datetime(2016, 9, 29, 11, 29, 27, 763_000)
    assert dict(recording.device) == {"manufacturer": "PLUX", "model": device, "software": "772"}
    stated = read(tmp_path / "x.txt", unit="uV")
    np.testing.assert_allclose(stated.signal[0], [0.512, 1.023, 0.0], rtol=1e-6)


def test_opensignals_columns(tmp_path: Path) -> None:
    both = read(write(tmp_path, opensignals(sensor=["ecg", "ECGBIT"]), "x.txt"))
    assert both.leads == ("ECG 1", "ECG 2")
    np.testing.assert_allclose(both.signal[1] / 3, np.array([7, 8, 9]) / 1024 - 0.5, rtol=1e-6)
    second = read(write(tmp_path, opensignals(sensor=["EMG", "ECG-B"]), "x.txt"))
    np.testing.assert_allclose(second.signal, both.signal[1:], rtol=1e-6)
    assert read(write(tmp_path, opensignals(sensor=["ECGB", "x"]), "x.txt")).leads == ("ECG",)
    seconds = read(write(tmp_path, opensignals(time="11:29:27"), "x.txt"))
    assert seconds.start_time == dt.datetime(2016, 9, 29, 11, 29, 27)
    for changes, fits in (
        ({"resolution": [4, 32, 1]}, True), ({"resolution": [4, 1, 1]}, True),
        ({"resolution": [4, 33, 1]}, False), ({"resolution": [4, 0, 1]}, False),
        ({"resolution": [4]}, False), ({"resolution": [4, "x", 1]}, False),
        ({"column": ["A2", "x", "y", "A1"], "resolution": [8] * 4}, False),
    ):  # fmt: skip
        path = write(tmp_path, opensignals(**changes), "x.txt")
        if fits:
            assert read(path).samples == 3
        else:
            with pytest.raises(FormatError):
                read(path)
    with pytest.raises(EcgFoundryError, match="2 devices"):
        read(write(tmp_path, opensignals({"a": {}, "b": {}}), "x.txt"))


def test_what_is_opensignals() -> None:
    text = opensignals().encode()
    assert is_opensignals(HERE, text) and is_opensignals(HERE, b"\xef\xbb\xbf" + text)
    assert not is_opensignals(HERE, text.splitlines()[0])
    assert not is_opensignals(HERE, text.replace(b"{", b"("))
    assert not is_opensignals(HERE, b"x" + text)
