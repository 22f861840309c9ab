"""EDF and BDF: against ``edfio``, and against files laid out byte by byte."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.layouts import ecg_like, edf_file

from ecgfoundry.errors import (
    FormatError,
    LeadError,
    TruncatedFileError,
    UnitError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import inspect, iterate, read
from ecgfoundry.recording import Subject


def one_signal(label: str, data: np.ndarray, samples: int, **fields: object) -> dict[str, object]:
    return {"label": label, "samples": samples, "data": data, **fields}


def annotations(onsets: list[float], texts: list[str] | None = None) -> dict[str, object]:
    cells = []
    for number, onset in enumerate(onsets):
        cell = f"+{onset:g}\x14\x14\0"
        if texts and texts[number]:
            cell += f"+{onset + 0.25:g}\x150.5\x14{texts[number]}\x14\0"
        cells.append(cell.encode())
    return {"label": "EDF Annotations", "unit": "", "samples": 40, "data": cells}


def test_every_channel_equals_edfio(tmp_path: Path) -> None:
    edfio = pytest.importorskip("edfio", reason="the oracle 'edfio' is not installed")
    x = ecg_like(3, 2000, 250) / 1000.0
    breath = np.sin(np.arange(256) / 9.0)
    edf = edfio.Edf(
        [
            edfio.EdfSignal(x[0], 250, label="ECG II", physical_dimension="mV"),
            edfio.EdfSignal(breath, 32, label="Resp", physical_dimension="V"),
            edfio.EdfSignal(x[1] * 1000, 250, label="EKG V5", physical_dimension="uV"),
            edfio.EdfSignal(x[2] * 1000, 250, label="EEG Fpz-Cz", physical_dimension="uV"),
        ],
        patient=edfio.Patient(code="A7", sex="F", birthdate=dt.date(1960, 5, 7), name="Some_One"),
        recording=edfio.Recording(startdate=dt.date(2024, 5, 6), equipment_code="Box_3"),
        starttime=dt.time(7, 8, 9),
        annotations=[edfio.EdfAnnotation(1.5, 2.0, "walk"), edfio.EdfAnnotation(6, None, "end")],
        data_record_duration=1,
    )
    edf.write(tmp_path / "x.edf")
    theirs = edfio.read_edf(tmp_path / "x.edf")
    ours = read(tmp_path / "x.edf")
    assert ours.leads == ("II", "V5")
    assert ours.sampling_rate == 250
    np.testing.assert_array_equal(ours.lead("II"), theirs.signals[0].data.astype(np.float32))
    np.testing.assert_allclose(ours.lead("V5"), theirs.signals[2].data / 1000, rtol=1e-6, atol=1e-9)
    assert [(c.name, c.kind, c.sampling_rate) for c in ours.other_channels] == [
        ("Resp", "respiration", 32.0),
        ("EEG Fpz-Cz", "other", 250.0),
    ]
    np.testing.assert_allclose(ours.other_channels[0].signal, theirs.signals[1].data, atol=1e-7)
    assert [(m.time_s, m.duration_s, m.text) for m in ours.annotations] == [
        (1.5, 2.0, "walk"),
        (6.0, 0.0, "end"),
    ]
    assert ours.subject == Subject(63.0, "female", "A7", dt.date(1960, 5, 7))
    assert ours.start_time == dt.datetime(2024, 5, 6, 7, 8, 9)
    assert "Some" not in str(ours.header) + str(ours.device)
    part = read(tmp_path / "x.edf", start_s=1.004, duration_s=2.5)
    np.testing.assert_array_equal(part.signal, ours.signal[:, 251:876])
    assert [(m.time_s, m.text) for m in part.annotations] == [(pytest.approx(0.496), "walk")]
    assert len(part.other_channels[0].signal) == 80


def test_gaps_of_a_discontinuous_file_are_missing_samples(tmp_path: Path) -> None:
    x = ecg_like(1, 400, 100)[0]
    path = edf_file(
        tmp_path / "d.edf",
        [one_signal("ECG", x, 100), annotations([5.5, 6.5, 9.53, 11], ["", "", "late", ""])],
        records=4,
        reserved="EDF+D",
        recording="Startdate 02-MAY-2024 X X X",
    )
    recording = read(path)
    assert recording.samples == 650 == inspect(path).samples
    expected = np.full(650, np.nan)
    expected[:200], expected[403:503], expected[550:] = x[:200], x[200:300], x[300:]
    np.testing.assert_allclose(recording.signal[0], expected / 1000, atol=1e-6)
    assert recording.start_time == dt.datetime(2024, 5, 2, 7, 8, 14, 500_000)
    assert [m.time_s for m in recording.annotations] == [pytest.approx(4.28)]
    joined = np.concatenate([w.signal for w in iterate(path, 0.77)], axis=1)
    np.testing.assert_array_equal(joined, recording.signal)
    assert recording.header["variant"] == "EDF+D"


@pytest.mark.parametrize(
    ("onsets", "match"), [([0, 1, 1.5, 4], "before the one before it"), ([0, 1, 2, 1e9], "begins")]
)
def test_impossible_onsets_are_refused(tmp_path: Path, onsets: list[float], match: str) -> None:
    x = ecg_like(1, 400, 100)[0]
    signals = [one_signal("ECG", x, 100), annotations(onsets)]
    path = edf_file(tmp_path / "d.edf", signals, records=4, reserved="EDF+D")
    with pytest.raises(FormatError, match=match):
        read(path)


@settings(max_examples=25, deadline=None)
@given(
    digital=st.tuples(st.integers(-(2**23), 0), st.integers(1, 2**23 - 1)),
    physical=st.tuples(st.integers(-9000, 0), st.integers(1, 9000)),
    seed=st.integers(0, 1000),
)
def test_bdf_values_follow_the_ranges(
    digital: tuple[int, int],
    physical: tuple[int, int],
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    generator = np.random.default_rng(seed)
    stored = generator.integers(digital[0], digital[1] + 1, 60)
    signal = one_signal("ECG I", stored, 20, digital=digital, physical=physical)
    path = edf_file(tmp_path_factory.mktemp("b") / "x.bdf", [signal], records=3, bdf=True)
    share = (stored - digital[0]) / (digital[1] - digital[0])
    expected = (physical[0] + share * (physical[1] - physical[0])) / 1000
    np.testing.assert_allclose(read(path).signal[0], expected, rtol=1e-6, atol=1e-6)
    assert read(path).header["variant"] == "BDF"


def test_which_channels_are_leads(tmp_path: Path) -> None:
    x = ecg_like(1, 100, 100)[0]
    labels = {
        "ECG 1": "uV", "EKG1-EKG2": "uV", "MDC_ECG_LEAD_AVF": "mV", "X": "g",
        "ECG Rate": "bpm", "C3": "uV", "Fz": "uV", "chin": "uV", "SaO2": "%",
    }  # fmt: skip
    signals = [one_signal(label, x, 100, unit=unit) for label, unit in labels.items()]
    path = edf_file(tmp_path / "x.edf", signals, records=1)
    assert read(path).leads == ("ECG 1", "EKG1-EKG2", "aVF")
    assert inspect(path).other_channels == ("X", "ECG Rate", "C3", "Fz", "chin", "SaO2")
    plain = edf_file(tmp_path / "y.edf", [one_signal("Ch1", x, 100)], records=1)
    with pytest.raises(LeadError, match="name all channels"):
        read(plain)
    assert read(plain, leads="II").leads == ("II",)
    nothing = edf_file(tmp_path / "z.edf", [one_signal("ECG", x, 100, unit="")], records=1)
    with pytest.raises(UnitError, match="--unit mV"):
        read(nothing)
    np.testing.assert_allclose(read(nothing, unit="uV").signal[0], x / 1000, atol=1e-6)


def test_sizes_are_checked_against_the_header(tmp_path: Path) -> None:
    x = ecg_like(1, 300, 100)[0]
    signal = one_signal("ECG", x, 100)
    path = edf_file(tmp_path / "x.edf", [signal], records=3)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(TruncatedFileError, match="3 data records"):
        read(path)
    path.write_bytes(content + b"1234567")
    assert read(path).header["trailing_bytes"] == "7"
    broken_off = edf_file(tmp_path / "y.edf", [signal], records=3, stated_records=-1)
    broken_off.write_bytes(broken_off.read_bytes()[:-50])
    assert read(broken_off).samples == 200
    assert "counted" in read(broken_off).header["records"]


def test_what_has_no_meaning_is_refused(tmp_path: Path) -> None:
    x = ecg_like(1, 300, 100)[0]
    flat = one_signal("ECG", x, 100, physical=(5, 5))
    with pytest.raises(FormatError, match="range of 'ECG' is empty"):
        read(edf_file(tmp_path / "a.edf", [flat], records=3))
    with pytest.raises(FormatError, match="0 s hold annotations only"):
        read(edf_file(tmp_path / "b.edf", [one_signal("ECG", x, 100)], records=3, duration="0"))
    two = [one_signal("ECG I", x, 100), one_signal("ECG II", x, 50)]
    with pytest.raises(UnsupportedVariantError, match="different sampling rates"):
        read(edf_file(tmp_path / "c.edf", two, records=3))


def test_prefilter_and_transducer_are_kept(tmp_path: Path) -> None:
    x = ecg_like(1, 100, 100)[0]
    signal = one_signal(
        "ECG", x, 100, prefilter="HP:0.05Hz LP:150Hz N:50Hz", transducer="AgCl electrodes"
    )
    device = read(edf_file(tmp_path / "x.edf", [signal], records=1)).device
    assert device["highpass"] == "0.05 Hz"
    assert device["lowpass"] == "150 Hz"
    assert device["notch"] == "50 Hz"
    assert device["transducer"] == "AgCl electrodes"
