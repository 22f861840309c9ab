"""Writing WFDB records: read back by our reader and by the ``wfdb`` package."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ecgfoundry.errors import FormatError, SignalError, UnsupportedVariantError
from ecgfoundry.formats import read
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.recording import Recording, Subject


def recording(signal: np.ndarray, rate: float = 500.0, **fields: object) -> Recording:
    leads = ("I", "II", "V1", "ECG")[: len(signal)]
    return Recording.from_array(signal, sampling_rate=rate, leads=leads, unit="mV", **fields)


signals = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 50)),
    elements=st.one_of(st.floats(-32, 32, width=32), st.just(float("nan"))),
)


@settings(max_examples=30, deadline=None)
@given(signal=signals, rate=st.sampled_from([128.0, 250.0, 257.3, 500.0, 999.56]))
def test_round_trip_is_within_half_a_unit(
    signal: np.ndarray, rate: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    original = recording(signal, rate)
    back = read(write_wfdb(original, tmp_path_factory.mktemp("out"), "r"))
    assert back.leads == original.leads
    assert back.sampling_rate == original.sampling_rate
    np.testing.assert_array_equal(np.isnan(back.signal), np.isnan(original.signal))
    np.testing.assert_allclose(back.signal, original.signal, atol=0.5e-3 + 2e-6)


def test_written_values_written_again_are_identical(fixtures: Path, tmp_path: Path) -> None:
    first = read(fixtures / "cinc2021/E07500")
    again = read(write_wfdb(first, tmp_path, "E07500"))
    np.testing.assert_array_equal(again.signal, first.signal)
    assert again.header["checksum"] == "verified"
    assert (again.subject.age, again.subject.sex) == (first.subject.age, first.subject.sex)


def test_wfdb_reads_what_is_written(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb", reason="the oracle 'wfdb' is not installed")
    signal = np.array([[0.5, -0.25, np.nan], [1.0, 2.0, 3.0]], dtype=np.float32)
    start = dt.datetime(2024, 5, 6, 7, 8, 9, 500_000)
    original = recording(signal, 250.0, start_time=start, subject=Subject(61, "female"))
    write_wfdb(original, tmp_path / "new", "r_1")
    theirs = wfdb.rdrecord(str(tmp_path / "new/r_1"))
    np.testing.assert_array_equal(theirs.p_signal.T.astype(np.float32), signal)
    assert theirs.sig_name == ["I", "II"]
    assert theirs.base_datetime == start
    ours = read(tmp_path / "new/r_1")
    assert ours.start_time == start
    assert ours.subject == Subject(61.0, "female")


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    large = recording(np.array([[40.0]]))
    with pytest.raises(SignalError, match=r"40 mV.*gain of 819.2 or less"):
        write_wfdb(large, tmp_path, "r")
    write_wfdb(large, tmp_path, "ok", gain=800)
    with pytest.raises(SignalError, match="gain of 0"):
        write_wfdb(large, tmp_path, "r", gain=0)
    with pytest.raises(FormatError, match="no WFDB record name"):
        write_wfdb(large, tmp_path, "../r")
    with pytest.raises(UnsupportedVariantError, match="212"):
        write_wfdb(large, tmp_path, "r", fmt="212")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ok.dat", "ok.hea"]
