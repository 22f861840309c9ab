"""Files of watches, straps and pocket devices: languages, lost packets, missing scales."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats import vendor_files

from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LeadError,
    SamplingRateError,
    UnitError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import identify, read
from ecgfoundry.formats.base import Limits
from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.formats.devices.apple_health import decimal_numbers
from ecgfoundry.formats.devices.polar import regular_grid
from ecgfoundry.recording import Recording

VALUES = np.array([-265.868, 12.5, 1265.5, 0.0, -0.25])
FRENCH = ("Nom", "Date de naissance", "Date d’enregistrement", "Classification", "Symptômes",
          "Version du logiciel", "Appareil", "Taux", "Dérivation", "Unité")  # fmt: skip
JAPANESE = ("名前", "生年月日", "記録日", "分類", "症状", "ソフトウェアバージョン", "デバイス",
            "サンプルレート", "誘導", "単位")  # fmt: skip


@pytest.fixture(scope="module")
def chapman(fixtures: Path) -> Recording:
    return read(fixtures / "cinc2021/JS20000")


def write(folder: Path, text: str | bytes, name: str = "ecg.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# Apple Health


@pytest.mark.parametrize("keys", [vendor_files.ENGLISH, vendor_files.GERMAN, FRENCH, JAPANESE])
@pytest.mark.parametrize(
    ("decimal", "minus", "rate", "hertz"),
    [
        (".", "-", "512 hertz", 512),
        (",", "-", "511,627 Hertz", 511.627),
        (",", "−", "512 hercios", 512),
        (".", "-", "512 ヘルツ", 512),
    ],
)
def test_apple_in_every_language(
    tmp_path: Path, keys: tuple[str, ...], decimal: str, minus: str, rate: str, hertz: float
) -> None:
    text = vendor_files.apple_csv(VALUES, keys=keys, decimal=decimal, minus=minus, rate=rate)
    path = write(tmp_path, text)
    assert identify(path).name == "apple-health"
    recording = read(path)
    np.testing.assert_allclose(recording.signal[0], VALUES / 1000, rtol=1e-6)
    assert recording.sampling_rate == hertz and recording.leads == ("I",)
    assert recording.subject.age == 54 and recording.start_time is not None
    assert recording.start_time.isoformat() == "2026-05-30T16:32:18-07:00"
    assert recording.device["model"] == "Watch6,7"
    assert recording.header["statements"] == "Sinus Rhythm"
    assert "Jane" not in repr(recording)  # the name is kept nowhere, whatever its key is called


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_apple_encodings(tmp_path: Path, encoding: str) -> None:
    text = vendor_files.apple_csv(VALUES).replace("\n", "\r\n")
    assert read(write(tmp_path, text.encode(encoding))).samples == len(VALUES)


def test_apple_in_millivolts_and_without_what_is_needed(tmp_path: Path) -> None:
    text = vendor_files.apple_csv(VALUES)
    np.testing.assert_allclose(
        read(write(tmp_path, text.replace("µV", "mV"))).signal[0], VALUES, rtol=1e-6
    )
    with pytest.raises(EcgFoundryError):
        read(write(tmp_path, text.replace("Unit,µV", "")))
    with pytest.raises(EcgFoundryError):
        read(write(tmp_path, text.replace("512 hertz", "")))
    with pytest.raises(FormatError):
        read(write(tmp_path, text + "12.5x\n"))


def test_apple_values_behind_the_first_empty_line_only(tmp_path: Path) -> None:
    """Lead and unit stand behind an empty line; a reader that starts there loses them."""
    text = vendor_files.apple_csv(VALUES)
    assert text.index("\n\nLead") < text.index("µV")
    assert read(write(tmp_path, text)).samples == len(VALUES)


@settings(max_examples=100)
@given(
    st.lists(st.decimals(-(10**6), 10**6, places=3), min_size=1, max_size=40),
    st.sampled_from([(".", ""), (",", ""), (".", ","), (",", "."), (",", "\u202f"), (".", "'")]),
    st.sampled_from(["-", "\u2212"]),
)
def test_decimal_marks(values: list, marks: tuple[str, str], minus: str) -> None:
    decimal, group = marks
    lines = [
        f"{value:,.3f}".replace(",", "\0").replace(".", decimal).replace("\0", group)
        .replace("-", minus)
        for value in values
    ]  # fmt: skip
    found = decimal_numbers(lines)
    np.testing.assert_array_equal(found, [float(value) for value in values])


@pytest.mark.parametrize(
    "lines", [["1.5", "2,5"], ["1,5.5,5"], ["1..5"], ["x"], ["1e5000"], ["1,2,3", "4.5"]]
)
def test_numbers_that_cannot_be_told(lines: list[str]) -> None:
    with pytest.raises(FormatError):
        decimal_numbers(lines)


# Polar

FIRST_NS = 599_616_000_000_000_000


def times(count: int, rate: float = 130.0) -> np.ndarray:
    return np.rint(FIRST_NS + np.arange(count, dtype=np.float64) * (1e9 / rate)).astype(np.int64)


@settings(max_examples=60)
@given(st.sets(st.integers(1, 20)), st.integers(0, 2**32 - 1), st.booleans(), st.floats(0, 0.2))
def test_lost_packets_become_gaps(lost: set, seed: int, shuffled: bool, jitter: float) -> None:
    """Packets of 73 samples, as the H10 sends them; the clock may jitter by a fifth of a step."""
    generator = np.random.default_rng(seed)
    values = np.arange(22 * 73, dtype=np.float64)
    kept = np.array([(n // 73) not in lost for n in range(len(values))])
    kept[[0, -1]] = True
    shift = np.rint(generator.uniform(-jitter, jitter, len(values)) * 1e9 / 130).astype(np.int64)
    shift[0] = 0
    clock = (times(len(values)) + shift)[kept]
    order = generator.permutation(kept.sum()) if shuffled else np.arange(kept.sum())
    grid, rate, _ = regular_grid(clock[order], values[kept][order], Limits(), Path("x"))
    assert rate == pytest.approx(130, rel=2e-3)
    np.testing.assert_array_equal(grid, np.where(kept, values, np.nan))


@pytest.mark.parametrize("rate", [130.0, 130.02, 129.6, 130.9])
def test_the_clock_of_the_sensor_counts(tmp_path: Path, rate: float) -> None:
    values = list(range(5000))
    clock = times(5000, rate)
    clock[2600:] += 10_000_000_000  # ten seconds lost
    recording = read(write(tmp_path, vendor_files.polar_text(values, clock.tolist()), "ecg.txt"))
    expected = 130.0 if abs(rate - 130) < 0.05 else rate
    assert recording.sampling_rate == pytest.approx(expected, rel=1e-6)
    assert recording.duration_s == pytest.approx((clock[-1] - clock[0]) / 1e9, rel=1e-3)
    gap = np.isnan(recording.signal[0])
    assert gap.sum() == pytest.approx(10 * rate, abs=2) and gap[2601] and not gap[2599]
    assert recording.header["missing_samples"] == str(gap.sum())
    assert str(recording.start_time) == "2023-04-05 10:00:00.123000"


@pytest.mark.parametrize(
    ("rate", "jump", "error"),
    [(500.0, 0, SamplingRateError), (130.0, 10**15, FormatError), (12.0, 0, SamplingRateError)],
)
def test_clocks_that_are_none(
    tmp_path: Path, rate: float, jump: int, error: type[EcgFoundryError]
) -> None:
    clock = times(500, rate)
    clock[250:] += jump
    with pytest.raises(error):
        read(write(tmp_path, vendor_files.polar_text([0] * 500, clock.tolist()), "ecg.txt"))


@pytest.mark.parametrize("line", ["x;y;z;0", ";;;", "1;2", "2023;99999999999999999999;0;1"])
def test_broken_polar_lines(tmp_path: Path, line: str) -> None:
    text = vendor_files.polar_text([1, 2, 3], times(3).tolist())
    with pytest.raises(FormatError):
        read(write(tmp_path, f"{text}{line}\n", "ecg.txt"))


# Kardia


def test_kardia(tmp_path: Path, chapman: Recording) -> None:
    path = write(tmp_path, vendor_files.kardia_json(chapman), "r.json")
    recording = read(path)
    for lead in ("I", "II", "III"):
        np.testing.assert_allclose(recording.lead(lead), chapman.lead(lead), atol=0.000251)
    assert recording.mains_frequency == 60 and recording.device["manufacturer"] == "AliveCor"
    assert device_measurements(recording.header) == {"heart_rate_bpm": 77.2}
    assert recording.header["statements"] == "normal"
    assert recording.start_time is not None and recording.start_time.microsecond == 500_000


def test_kardia_equals_ecgdatakit(tmp_path: Path, chapman: Recording) -> None:
    ecgdatakit = pytest.importorskip("ecgdatakit.parsing")
    path = write(tmp_path, vendor_files.kardia_json(chapman), "r.json")
    recording = read(path)
    for lead in ecgdatakit.FileParser().parse(path).leads:
        np.testing.assert_allclose(recording.lead(lead.label), lead.samples, atol=1e-6)


def test_kardia_without_a_scale_and_with_twelve_leads(tmp_path: Path, chapman: Recording) -> None:
    document = json.loads(vendor_files.kardia_json(chapman))
    del document["data"]["raw"]["amplitudeResolution"]
    with pytest.raises(UnitError):
        read(write(tmp_path, json.dumps(document), "r.json"))
    for raw in ({}, {"samples": {"leadI": "x"}}, {"samples": {"leadI": [[1]]}}, None, [1]):
        document["data"]["raw"] = raw
        with pytest.raises(EcgFoundryError):
            read(write(tmp_path, json.dumps(document), "r.json"))
    document["data12L"] = {}
    with pytest.raises(UnsupportedVariantError):
        read(write(tmp_path, json.dumps(document), "r.json"))


@pytest.mark.parametrize("content", ["[" * 200_000, '{"a":' * 100_000, '{"recordedAt": 1'])
def test_hostile_json(tmp_path: Path, content: str) -> None:
    text = '{"recordedAt": "", "amplitudeResolution": 1, "data": ' + content
    with pytest.raises(FormatError, match="no JSON"):
        read(write(tmp_path, text, "r.json"))


# OpenSignals


@pytest.mark.parametrize(
    ("device", "bits", "supply", "gain"),
    [("bitalino_rev", 10, 3.3, 1100), ("biosignalsplux", 16, 3.0, 1000)],
)
def test_opensignals_transfer_function(
    tmp_path: Path, device: str, bits: int, supply: float, gain: float
) -> None:
    counts = np.array([0, 2 ** (bits - 1), 2**bits - 1, 2 ** (bits - 2)])
    path = write(tmp_path, vendor_files.opensignals_text(counts, device=device), "x.txt")
    recording = read(path)
    expected = 1000 * (counts / 2**bits - 0.5) * supply / gain
    np.testing.assert_allclose(recording.signal[0], expected, rtol=1e-6, atol=1e-9)
    assert recording.sampling_rate == 1000 and str(recording.start_time).startswith("2016-09-29")


def test_opensignals_of_unknown_devices_and_sensors(tmp_path: Path) -> None:
    text = vendor_files.opensignals_text(np.arange(50), device="other")
    with pytest.raises(UnitError):
        read(write(tmp_path, text, "x.txt"))
    stated = read(write(tmp_path, text, "x.txt"), unit="uV")
    np.testing.assert_allclose(stated.signal[0], np.arange(50) / 1000, rtol=1e-6)
    with pytest.raises(LeadError, match="EMG"):
        read(write(tmp_path, text.replace('["ECG"]', '["EMG"]'), "x.txt"))
    with pytest.raises(FormatError):
        read(write(tmp_path, text.replace("[4, 1, 16]", "[4]"), "x.txt"))
