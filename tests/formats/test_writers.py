"""Every writer: what it writes is read back by our reader and by an independent library."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ecgfoundry.errors import (
    FileAccessError,
    SignalError,
    UnknownFormatError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import read
from ecgfoundry.formats.common.writing import Writer
from ecgfoundry.formats.writers import write, writers
from ecgfoundry.recording import Annotation, Channel, Recording, Subject

ALL = {writer.name: writer for writer in writers()}


def example(samples: int = 1000, rate: float = 250.0, **fields: object) -> Recording:
    generator = np.random.default_rng(samples)
    signal = np.round(np.cumsum(generator.normal(0, 0.02, (3, samples)), axis=1), 3)
    signal[1, 10:20] = np.nan
    return Recording.from_array(
        signal, sampling_rate=rate, leads=("II", "V5", "chest"), unit="mV", **fields
    )


def with_wfdb(path: Path) -> tuple[np.ndarray, list[str], float]:
    found = pytest.importorskip("wfdb").rdrecord(str(path.with_suffix("")))
    return found.p_signal.T, found.sig_name, found.fs


def with_edfio(path: Path) -> tuple[np.ndarray, list[str], float]:
    found = pytest.importorskip("edfio").read_edf(path)
    values = np.stack([signal.data for signal in found.signals]) / 1000
    values[np.isclose(values, values.min()) & (values < -32)] = np.nan  # stated in the header
    names = [signal.label.removeprefix("ECG ") for signal in found.signals]
    return values, names, found.signals[0].sampling_frequency


def with_pydicom(path: Path) -> tuple[np.ndarray, list[str], float]:
    found = pytest.importorskip("pydicom").dcmread(path)
    group = found.WaveformSequence[0]
    values = found.waveform_array(0).T / 1000
    values[values == -32.768] = np.nan
    names = [channel.ChannelLabel for channel in group.ChannelDefinitionSequence]
    return values, names, float(group.SamplingFrequency)


def with_numpy(path: Path) -> tuple[np.ndarray, list[str], float]:
    found = np.load(path)
    return found["signal"], found["leads"].tolist(), float(found["sampling_rate"])


def with_polars(path: Path) -> tuple[np.ndarray, list[str], float]:
    import json

    polars = pytest.importorskip("polars")
    table = polars.read_parquet(path)
    stated = json.loads(polars.read_parquet_metadata(path)["ecgfoundry"])
    return table.to_numpy().T, table.columns, stated["sampling_rate"]


OTHERS: dict[str, Callable[[Path], tuple[np.ndarray, list[str], float]]] = {
    "wfdb": with_wfdb,
    "edf": with_edfio,
    "dicom": with_pydicom,
    "npz": with_numpy,
    "parquet": with_polars,
}


def test_every_writer_has_an_independent_reader() -> None:
    assert set(OTHERS) == set(ALL)


@pytest.fixture(params=ALL)
def writer(request: pytest.FixtureRequest) -> Writer:
    return ALL[request.param]


def test_writer_describes_itself(writer: Writer) -> None:
    assert writer.description
    assert writer.missing
    assert writer.extension.startswith(".")


def test_an_independent_library_reads_the_same(writer: Writer, tmp_path: Path) -> None:
    original = example()
    written = write(original, tmp_path / f"x{writer.extension}")
    values, names, rate = OTHERS[writer.name](written.path)
    assert tuple(names) == original.leads
    assert rate == original.sampling_rate
    np.testing.assert_array_equal(np.isnan(values), np.isnan(original.signal))
    tolerance = written.step_mv / 2 + 2e-6
    np.testing.assert_allclose(values, original.signal, rtol=0, atol=tolerance)


signals = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 300)),
    elements=st.one_of(st.floats(-60, 60, width=32), st.just(float("nan"))),
)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=15, deadline=None)
@given(signal=signals, rate=st.sampled_from([200.0, 250.0, 360.0, 500.0, 999.5, 1000.0]))
def test_reading_back_gives_the_same_signal(
    name: str, signal: np.ndarray, rate: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not np.isfinite(signal).any():
        return
    writer = ALL[name]
    original = Recording.from_array(
        signal, sampling_rate=rate, leads=("I", "V1", "lead 7")[: len(signal)], unit="mV"
    )
    path = tmp_path_factory.mktemp("w") / f"x{writer.extension}"
    written = write(original, path)
    back = read(written.path)
    assert back.leads == original.leads
    assert back.sampling_rate == original.sampling_rate
    part = back.signal[:, : original.samples]
    np.testing.assert_array_equal(np.isnan(part), np.isnan(original.signal))
    np.testing.assert_allclose(part, original.signal, rtol=1e-6, atol=written.step_mv / 2 + 4e-6)
    assert np.isnan(back.signal[:, original.samples :]).all()
    assert back.samples == original.samples or "missing samples were added" in written.notes[0]


def test_subject_is_kept_or_left_out(writer: Writer, tmp_path: Path) -> None:
    start = dt.datetime(2024, 5, 6, 7, 8, 9)
    original = example(
        start_time=start, subject=Subject(61.0, "female", "P1"), header={"note": "Some One"}
    )
    kept = read(write(original, tmp_path / f"a{writer.extension}").path)
    assert kept.subject.sex == "female"
    path = write(original, tmp_path / f"b{writer.extension}", keep_subject=False).path
    left_out = read(path)
    assert left_out.subject == Subject()
    assert left_out.start_time is None
    for file in tmp_path.glob("b.*"):
        content = file.read_bytes()
        assert b"Some One" not in content
        assert b"P1 " not in content
        # Not the year alone: the UIDs of DICOM are drawn, and may have it among their digits.
        for day in (b"20240506", b"2024-05-06", b"06/05/2024", b"06.05.24", b"06-MAY-2024"):
            assert day not in content


def test_nothing_is_overwritten_without_leave(writer: Writer, tmp_path: Path) -> None:
    path = write(example(), tmp_path / f"x{writer.extension}").path
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(FileAccessError, match=r"already.*--force"):
        write(example(500), path)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert read(write(example(500), path, overwrite=True).path).samples == 500


def test_a_failure_leaves_nothing_behind(writer: Writer, tmp_path: Path) -> None:
    nothing = Recording.from_array(
        np.full((1, 9), np.nan), sampling_rate=250, leads=("I",), unit="mV"
    )
    with pytest.raises(SignalError, match="no sample"):
        write(nothing, tmp_path / f"x{writer.extension}")
    if writer.name in ("wfdb", "edf", "dicom"):
        huge = Recording.from_array([[9000.0, 1]], sampling_rate=250, leads=("I",), unit="mV")
        with pytest.raises(SignalError, match=r"9e\+03 mV"):
            write(huge, tmp_path / f"x{writer.extension}")
    assert list(tmp_path.iterdir()) == []


def test_large_signals_get_a_larger_step(tmp_path: Path) -> None:
    signal = np.array([[100.0, -90.0, 0.25]])
    large = Recording.from_array(signal, sampling_rate=250, leads=("I",), unit="mV")
    for name in ("wfdb", "edf", "dicom"):
        written = write(large, tmp_path / name, format=name)
        assert written.step_mv == pytest.approx(0.004)
        np.testing.assert_allclose(read(written.path).signal[:, :3], signal, atol=0.0021)


@pytest.mark.parametrize(
    ("rate", "seconds"), [(130.0135, 30), (249.89, 10), (311.0123457, 997 / 311), (299.97, 600)]
)
def test_odd_rates_in_edf_cost_no_padding(tmp_path: Path, rate: float, seconds: float) -> None:
    """130.0135 Hz needs data records of 2000 s to be exact; 30 s must not become so long."""
    samples = round(rate * seconds)
    original = example(samples, rate)
    written = write(original, tmp_path / "x.edf")
    back = read(written.path)
    assert back.samples - samples <= 3 * rate
    assert back.samples == samples or "missing samples" in " ".join(written.notes)
    # By the end the clock is off by less than half a sample.
    assert abs(back.sampling_rate / rate - 1) * samples < 0.5
    assert back.sampling_rate == rate or any("sampling rate" in note for note in written.notes)


def test_edf_keeps_annotations_and_other_channels(tmp_path: Path) -> None:
    breath = np.sin(np.arange(128) / 9).astype(np.float32)
    original = example(
        annotations=(Annotation(0.5, "beat", "N", lead="II"), Annotation(1.25, "note", "w", 2.0)),
        other_channels=(Channel("Resp", "respiration", "V", 32.0, breath),),
        device={"highpass": "0.05 Hz"},
        start_time=dt.datetime(2024, 5, 6, 7, 8, 9, 250_000),
    )
    back = read(write(original, tmp_path / "x.edf").path)
    assert [(m.time_s, m.duration_s) for m in back.annotations] == [(0.5, 0.0), (1.25, 2.0)]
    np.testing.assert_allclose(back.other_channels[0].signal, breath, atol=4e-5)
    assert back.device["highpass"] == "0.05 Hz"
    assert back.start_time == original.start_time


def test_an_archive_of_arrays_says_which_device_it_was(tmp_path: Path) -> None:
    written = write(example(device={"model": "Box 5"}), tmp_path / "x.npz")
    assert written.notes == ()
    assert dict(read(tmp_path / "x.npz").device) == {"model": "Box 5"}


def test_what_a_format_cannot_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVariantError, match="no DICOM class"):
        write(example(rate=2000.0), tmp_path / "x.dcm")
    with pytest.raises(UnknownFormatError, match=r"wfdb \(\.hea\)"):
        write(example(), tmp_path / "x.xyz")
    with pytest.raises(UnknownFormatError, match="no format 'mat'"):
        write(example(), tmp_path / "x.dcm", format="mat")
