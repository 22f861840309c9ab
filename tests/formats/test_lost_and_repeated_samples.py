"""Packets lost, sent twice or of two devices; clocks and counters that contradict a rate."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import EcgFoundryError, FormatError, SamplingRateError
from ecgfoundry.formats.files import open_file, read

BEAT = (1000 * np.exp(-(((np.arange(1300) / 130 % 0.8 - 0.3) / 0.02) ** 2))).round()
OTHER = np.roll(BEAT, 40) + 5
FIRST = 599_616_000_000_000_000
Row = tuple[int, float]


def rows(values: np.ndarray, first: int = FIRST) -> list[Row]:
    return [(first + round(n * 1e9 / 130), float(v)) for n, v in enumerate(values)]


def packets(samples: list[Row]) -> list[list[Row]]:
    return [samples[n : n + 73] for n in range(0, len(samples), 73)]


def polar(folder: Path, samples: list[Row], phone: str = "2023-03-26T01:59:58.123") -> Path:
    path = folder / "polar.txt"
    head = "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]\n"
    path.write_text(head + "".join(f"{phone};{t};0;{v:.0f}\n" for t, v in samples))
    return path


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("2023-03-26T01:59:58.123+02:00", "2023-03-26T01:59:58.123000+02:00"),
        ("2023-03-26T01:59:58.123Z", "2023-03-26T01:59:58.123000+00:00"),
        ("2023-03-26T01:59:58.123456789-0500", "2023-03-26T01:59:58.123456-05:00"),
        ("2023-03-26T01:59:58", "2023-03-26T01:59:58"),
    ],
)
def test_a_polar_start_keeps_its_zone(tmp_path: Path, text: str, start: str) -> None:
    recording = read(polar(tmp_path, rows(BEAT), text))
    assert recording.start_time == dt.datetime.fromisoformat(start)
    assert recording.start_time.utcoffset() == dt.datetime.fromisoformat(start).utcoffset()


@pytest.mark.parametrize("apart_s", [0.003, 3600.0])
def test_two_straps_in_one_file_are_refused(tmp_path: Path, apart_s: float) -> None:
    """Packets of two people in turn were one ECG, with twice as many beats."""
    pairs = zip(
        packets(rows(BEAT)), packets(rows(OTHER, FIRST + round(apart_s * 1e9))), strict=True
    )
    mixed = [sample for pair in pairs for packet in pair for sample in packet]
    with pytest.raises(FormatError, match="packets of two straps"):
        read(polar(tmp_path, mixed))


def test_a_packet_sent_twice_counts_once_also_where_another_goes_back(tmp_path: Path) -> None:
    sent = packets(rows(BEAT))
    sent[9] = [(t - 3_000_000_000 + 1000, v) for t, v in sent[9]]
    sent.insert(4, sent[3])
    recording = read(polar(tmp_path, [sample for packet in sent for sample in packet]))
    np.testing.assert_allclose(recording.signal[0], BEAT / 1000, atol=1e-6)
    assert recording.header["clock"].startswith("73 samples")


# Health Auto Export


def export(folder: Path, times: np.ndarray, values: np.ndarray) -> Path:
    samples = [
        {"date": float(t), "voltage": float(v), "units": "mcV"}
        for t, v in zip(times, values, strict=True)
    ]
    ecg = {"start": "2024-03-02 10:20:30 +0100", "samplingFrequency": 512,
           "numberOfVoltageMeasurements": len(samples), "voltageMeasurements": samples}  # fmt: skip
    path = folder / "x.json"
    path.write_text(json.dumps({"data": {"ecg": [ecg]}}))
    return path


TIMES = 1709371230 + np.arange(1300) / 512
TWICE = np.r_[0:500, 400:500, 500:1300]
LATE = np.r_[0:300, 400:500, 300:400, 500:1300]


@pytest.mark.parametrize("order", [TWICE, LATE])
@pytest.mark.parametrize("factor", [1.0, 1000.0])
def test_samples_stand_once_at_their_time(tmp_path: Path, order: np.ndarray, factor: float) -> None:
    found = read(export(tmp_path, factor * TIMES[order], BEAT[order]))
    np.testing.assert_allclose(found.signal[0], BEAT / 1000, atol=1e-6)


def test_times_of_another_rate_and_two_values_at_one_time_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SamplingRateError, match="give 256 Hz, not 512"):
        read(export(tmp_path, 1709371230 + np.arange(1300) / 256, BEAT))
    values = BEAT[TWICE].copy()
    values[510] += 7
    with pytest.raises(FormatError, match="one time have different values"):
        read(export(tmp_path, TIMES[TWICE], values))
    # Times in whole milliseconds and in whole seconds are rounded.
    for digits in (3, 0):
        assert read(export(tmp_path, TIMES.round(digits), BEAT)).samples == 1300


# Apple Health


def apple(folder: Path, *lines: str) -> Path:
    path = folder / "x.csv"
    stated = ["Name,A", "Recorded Date,2026-05-30 16:32:18 +0200", *lines, "Lead,Lead I", "Unit,µV"]
    path.write_text("\n".join([*stated, "", "1.5", "-2.25", "3", ""]))
    return path


@pytest.mark.parametrize("pulse", ["Average Heart Rate,72 bpm", "Herzfrequenz,72 Schläge"])
def test_a_heart_rate_is_no_sampling_rate(tmp_path: Path, pulse: str) -> None:
    """The first number with a word behind it was the rate: 72 Hz."""
    assert read(apple(tmp_path, pulse, "Sample Rate,512 hertz")).sampling_rate == 512
    assert read(apple(tmp_path, pulse, "Messrate,512 Hertz")).sampling_rate == 512
    two = apple(tmp_path, "Pulso,72 lat", "Frecuencia,512 hercios")
    with pytest.raises(SamplingRateError, match="which of 72, 512"):
        read(two)
    assert read(two, sampling_rate=512).sampling_rate == 512


def test_the_date_of_an_export_is_no_start(tmp_path: Path) -> None:
    path = apple(tmp_path, "Export Date,2027-01-02 03:04:05 +0100", "Sample Rate,512 hertz")
    start = read(path).start_time
    assert start is not None and start.isoformat() == "2026-05-30T16:32:18+02:00"


# OpenSignals


def opensignals(folder: Path, counted: np.ndarray, bits: int = 4) -> Path:
    about = {
        "sensor": ["ECG"], "column": ["nSeq", "A1"], "label": ["A1"], "resolution": [bits, 10],
        "sampling rate": 1000, "device": "bitalino_rev", "date": "2016-09-29", "time": "11:29:27.7",
        "firmware version": 772,
    }  # fmt: skip
    lines = [f"{n}\t{512 + k % 100}\n" for k, n in enumerate(counted)]
    path = folder / "x.txt"
    head = f"# OpenSignals Text File Format\n# {json.dumps({'00:07': about})}\n# EndOfHeader\n"
    path.write_text(head + "".join(lines))
    return path


def test_lost_samples_of_a_bitalino_become_gaps(tmp_path: Path) -> None:
    """Its counter goes from 0 to 15; seven samples are lost behind sample 199."""
    kept = np.r_[0:200, 207:1000]
    found = read(opensignals(tmp_path, kept % 16))
    assert np.flatnonzero(np.isnan(found.signal[0])).tolist() == list(range(200, 207))
    assert (found.samples, found.header["missing_samples"]) == (1000, "7")
    assert read(opensignals(tmp_path, kept, 16)).samples == 1000  # it does not turn over
    whole = read(opensignals(tmp_path, np.arange(1000) % 16))
    assert (whole.samples, "missing_samples" in whole.header) == (1000, False)
    assert read(opensignals(tmp_path, np.zeros(1000, int))).samples == 1000  # counts nothing


# Delimited text


def table(folder: Path, head: str, columns: list[np.ndarray], **sidecar: object) -> Path:
    path = folder / "t.csv"
    path.write_text(
        head
        + "\n"
        + "".join(",".join(f"{v:g}" for v in row) + "\n" for row in zip(*columns, strict=True))
    )
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    return path


def through(path: Path, long: bool, monkeypatch: pytest.MonkeyPatch, **options: object):
    from ecgfoundry.formats.base import ReadOptions
    from ecgfoundry.formats.delimited import reader

    monkeypatch.setattr(reader, "SHORT_BYTES", 0 if long else 16_000_000)
    with open_file(path, ReadOptions(**options)) as file:  # type: ignore[arg-type]
        return file.info


KEPT = np.r_[0:600, 640:1300]


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(
    ("counted", "words"),
    [
        (KEPT, "goes from 599 to 640 at sample 600"),
        (KEPT % 256, "goes from 87 to 128 at sample 600"),
        (np.r_[0:700, 0:560], "goes from 699 to 0 at sample 700"),  # two recordings
        (np.arange(1260), None),
        (np.arange(1260) % 256, None),
        (5 + 2 * np.arange(1260), None),
        (np.zeros(1260), None),
    ],
)
def test_a_number_that_is_left_out_is_a_lost_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: np.ndarray, words: str | None,
    long: bool,
) -> None:  # fmt: skip
    path = table(tmp_path, "sample,II [mV]", [counted, BEAT[KEPT]], sampling_rate=130)
    if words is None:
        assert through(path, long, monkeypatch).samples == 1260
    else:
        with pytest.raises(SamplingRateError, match=words):
            through(path, long, monkeypatch)


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("turns", [None, 256])
def test_a_gap_that_is_filled_with_empty_rows_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns: int | None, long: bool
) -> None:
    """As the refusal of lost samples advises; it was refused: "goes from 599 to nan"."""

    def write(empty: int) -> Path:
        rows = [f"{k if turns is None else k % turns},{BEAT[k]:g}" for k in KEPT]
        rows[600:600] = [","] * empty
        path = tmp_path / "t.csv"
        path.write_text("\n".join(["sample,II [mV]", *rows]) + "\n")
        return path

    assert through(write(40), long, monkeypatch, sampling_rate=130).samples == 1300
    with pytest.raises(SamplingRateError, match="goes from .* at sample 639"):
        through(write(39), long, monkeypatch, sampling_rate=130)


@pytest.mark.parametrize("long", [False, True])
def test_the_times_of_a_table_hold_beside_a_stated_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: bool
) -> None:
    """A rate in the side-car made nobody look at the times: lost samples, half the heart rate."""
    times = np.round(np.arange(1300) / 130 * 1000, 4)
    for head in ("time [ms],II [mV]", "time,II [mV]"):
        good = table(tmp_path, head, [times, BEAT], sampling_rate=130)
        assert through(good, long, monkeypatch).sampling_rate == 130
        other = table(tmp_path, head, [times, BEAT], sampling_rate=250)
        with pytest.raises(SamplingRateError, match="250 Hz are stated beside it"):
            through(other, long, monkeypatch)
        assert through(other, long, monkeypatch, sampling_rate=250).sampling_rate == 250
        lost = table(tmp_path, head, [times[KEPT], BEAT[KEPT]], sampling_rate=130)
        with pytest.raises(EcgFoundryError, match="not uniform"):
            through(lost, long, monkeypatch)
