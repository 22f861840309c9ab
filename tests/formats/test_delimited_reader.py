"""Delimited text: what counts as a table, how it is split, and where rate and unit come from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.errors import (
    EcgFoundryError,
    FormatError,
    LeadError,
    LimitError,
    SamplingRateError,
    UnitError,
    UnknownFormatError,
)
from ecgfoundry.formats import identify, inspect, read
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.delimited.reader import READER
from ecgfoundry.formats.delimited.table import detect_layout


def text_file(folder: Path, text: str, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_opensignals_fixture(fixtures: Path) -> None:
    path = fixtures / "csv/ecg_10s.txt"
    with pytest.raises(UnitError, match="--unit"):
        read(path)
    recording = read(path, unit="1 uV")
    assert recording.leads == ("ECG",)
    assert (recording.sampling_rate, recording.samples) == (1000, 10_000)
    values = np.loadtxt(path)
    np.testing.assert_array_equal(recording.signal[0], (values * 1e-3).astype(np.float32))


def test_opensignals_with_units_and_another_signal(shared_data: Path) -> None:
    recording = read(shared_data / "formats/csv_txt/pcg_ecg.txt")
    assert (recording.leads, recording.sampling_rate) == (("ECG",), 2000)
    assert [channel.name for channel in recording.other_channels] == ["PCG"]
    assert float(recording.signal[0, 0]) == pytest.approx(1878.24)  # 1.87824 V, as it stands there


NUMBERS = np.array([[0.5, -1.25, 3.0], [0.25, 1e-3, -2.0], [1.0, 2.0, 4.5], [7.0, 8.0, 9.0]])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " ", "  "])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_every_way_to_write_a_table(
    tmp_path: Path, delimiter: str, decimal: str, ending: str, encoding: str
) -> None:
    if delimiter == decimal:
        return
    rows = [delimiter.join(["I", "II", "V1"])]
    for row in NUMBERS:
        rows.append(delimiter.join(repr(float(value)).replace(".", decimal) for value in row))
    path = tmp_path / "x.csv"
    path.write_bytes((ending.join(rows) + ending).encode(encoding))
    recording = read(path, unit="mV", sampling_rate=100)
    assert recording.leads == ("I", "II", "V1")
    np.testing.assert_array_equal(recording.signal, NUMBERS.T.astype(np.float32))


def test_missing_cells_are_missing_samples(tmp_path: Path) -> None:
    path = text_file(tmp_path, "I,II\n1,2\n,4\n5,NaN\n7,8\n,\n")
    signal = read(path, unit="mV", sampling_rate=10).signal
    np.testing.assert_array_equal(
        signal, np.array([[1, np.nan, 5, 7, np.nan], [2, 4, np.nan, 8, np.nan]], np.float32)
    )


@pytest.mark.parametrize(
    ("name", "scale"),
    [("time", 1.0), ("Time (s)", 1.0), ("time_ms", 1e3), ("timestamp [ms]", 1e3), ("time", 1e3)],
)
@pytest.mark.parametrize("rate", [125.0, 360.0, 500.0, 1000.0])
def test_time_column_gives_the_rate(tmp_path: Path, name: str, scale: float, rate: float) -> None:
    lines = [f"{name},I [uV]"]
    lines += [f"{3 + n / rate * scale:.4f},{n}" for n in range(2000)]
    recording = read(text_file(tmp_path, "\n".join(lines)))
    assert recording.sampling_rate == rate
    assert float(recording.signal[0, 5]) == np.float32(0.005)


def test_time_column_with_a_gap_is_refused(tmp_path: Path) -> None:
    times = [n / 100 + (0.5 if n > 60 else 0) for n in range(100)]
    path = text_file(tmp_path, "time,I (mV)\n" + "\n".join(f"{t:.3f},1" for t in times))
    with pytest.raises(SamplingRateError, match="not uniform"):
        read(path)
    assert read(path, sampling_rate=100).samples == 100
    back = text_file(tmp_path, "time,I (mV)\n3,1\n2,1\n1,1\n", "y.csv")
    with pytest.raises(SamplingRateError, match="run forward"):
        read(back)


def test_ambiguous_time_unit_is_refused(tmp_path: Path) -> None:
    path = text_file(tmp_path, "time,I (mV)\n" + "\n".join(f"{n * 60},1" for n in range(10)))
    with pytest.raises(SamplingRateError, match="milliseconds"):
        read(path)


def test_unit_line_as_in_physiobank_exports(tmp_path: Path) -> None:
    path = text_file(
        tmp_path, "'sample #','MLII','RESP'\n'#','mV','Ohm'\n0,-0.145,3\n1,-0.15,4\n2,-0.2,5\n"
    )
    recording = read(path, sampling_rate=360)
    assert recording.leads == ("MLII",)
    assert recording.signal[0].tolist() == [np.float32(x) for x in (-0.145, -0.15, -0.2)]
    channel = recording.other_channels[0]
    assert (channel.name, channel.kind, channel.unit) == ("RESP", "respiration", "Ohm")


def test_unnamed_columns_need_names(tmp_path: Path) -> None:
    path = text_file(tmp_path, "1 2\n3 4\n5 6\n")
    with pytest.raises(LeadError, match="2 unnamed"):
        read(path, unit="mV", sampling_rate=10)
    assert read(path, leads=("I", "II"), unit="mV", sampling_rate=10).samples == 3
    with pytest.raises(LeadError, match="3 lead names"):
        read(path, leads=("I", "II", "V1"), unit="mV", sampling_rate=10)
    (tmp_path / "x.json").write_text(
        json.dumps({"leads": ["I", "II"], "unit": "mV", "sampling_rate": 10})
    )
    assert inspect(path).leads == ("I", "II")


def test_columns_that_are_no_leads_are_not_taken_for_some(tmp_path: Path) -> None:
    path = text_file(tmp_path, "label,score\n1,2\n3,4\n5,6\n")
    with pytest.raises(LeadError, match="label, score"):
        read(path, unit="mV", sampling_rate=10)
    eeg = text_file(tmp_path, "Fp1,C3,C4\n1,2,3\n3,4,5\n5,6,7\n", "y.csv")
    with pytest.raises(LeadError, match="Fp1, C3, C4"):
        read(eeg, unit="mV", sampling_rate=10)


def test_different_units_are_refused(tmp_path: Path) -> None:
    path = text_file(tmp_path, "I [mV],II [uV]\n1,2\n3,4\n5,6\n")
    with pytest.raises(UnitError, match="different units"):
        read(path, sampling_rate=10)


def test_a_line_that_does_not_fit_is_named(tmp_path: Path) -> None:
    lines = ["I,II"] + ["1,2"] * 30_000
    lines[20_000] = "1,2,3"
    with pytest.raises(FormatError, match="line 20001 does not fit"):
        read(text_file(tmp_path, "\n".join(lines)), unit="mV", sampling_rate=10)
    lines[20_000] = "1,oops"
    with pytest.raises(FormatError, match="oops"):
        read(text_file(tmp_path, "\n".join(lines)), unit="mV", sampling_rate=10)


def test_limits(tmp_path: Path) -> None:
    path = text_file(tmp_path, "I,II\n" + "1,2\n" * 100)
    for limits in (Limits(text_bytes=50), Limits(samples=50)):
        with pytest.raises(LimitError):
            READER.read(path, ReadOptions(unit="mV", sampling_rate=10, limits=limits), 0, None)


@pytest.mark.parametrize(
    "text",
    [
        "A00001,N\nA00002,A\nA00003,N\nA00004,O\n",
        "# Title\n\nSome prose, with commas, in lines.\nMore prose.\n1\n",
        "key,value\nName,Jane\nAge,61\nRate,512\n1\n2\n",
        '{"leads": ["I"], "rate": 500}\n',
        "<xml><a>1</a></xml>\n",
        "1\n",
        "12\n13\n",
        "\n\n\n",
        "1 2 3\n4 5\n6 7 8 9\n",
    ],
)
def test_other_text_is_not_claimed(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnknownFormatError):
        identify(text_file(tmp_path, text))


def test_binary_is_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(UnknownFormatError):
        identify(path)


cells = st.text(st.sampled_from("0123456789.,;-+eE \t\n#naIV'\"[]():"), max_size=300)


@settings(max_examples=100, deadline=None)
@given(text=cells)
def test_any_text_is_a_table_or_a_typed_error(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    detect_layout(text, whole=True)
    path = text_file(tmp_path_factory.mktemp("text"), text or "\n")
    try:
        recording = read(path, unit="mV", sampling_rate=10, format="delimited")
    except EcgFoundryError:
        return
    assert not np.isinf(recording.signal).any()
