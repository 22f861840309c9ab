"""The WFDB reader against the ``wfdb`` package, sample by sample, on every record at hand."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import EcgFoundryError, FileAccessError, LeadError, UnsupportedVariantError
from ecgfoundry.formats import inspect, iterate, read
from ecgfoundry.recording import Recording
from ecgfoundry.units import millivolts_per_unit

wfdb = pytest.importorskip("wfdb", reason="the oracle 'wfdb' is not installed")

SHIPPED = [
    "cinc2017/A00001",
    "cinc2017/A00005",
    "cinc2021/E07500",
    "cinc2021/HR06005",
    "cinc2021/JS20000",
    "ludb/8",
    "mitdb/201_450s",
]

REFUSED: dict[str, type[EcgFoundryError]] = {
    # Layout headers, which hold no signal of their own.
    "3269321_layout": UnsupportedVariantError,
    "3234460_layout": UnsupportedVariantError,
    # No ECG among the channels.
    "3269321_0001": LeadError,
    "s25047-2704-05-04-10-44n": LeadError,
    # Most of its segments are not in the sample.
    "p000878-2137-10-26-16-57": FileAccessError,
}

LARGE = {"flac_3_constant": 60_000}
"""Records of which only so many frames are compared, to save time."""


def oracle_channels(
    record: Path, first: int = 0, last: int | None = None
) -> dict[str, tuple[str, np.ndarray]]:
    """Return unit and float64 values of every channel by its description."""
    found = wfdb.rdrecord(str(record), sampfrom=first, sampto=last, smooth_frames=False)
    if found.e_p_signal is None:
        found.e_p_signal = list(found.p_signal.T)
    # A multi-segment record whose segments differ in unit or gain has no common unit.
    units = getattr(found, "units", None) or [""] * found.n_sig
    return {
        (name or "").strip(): (unit or "", values)
        for name, unit, values in zip(found.sig_name, units, found.e_p_signal, strict=True)
    }


def assert_equal_to_oracle(
    recording: Recording, expected: dict[str, tuple[str, np.ndarray]]
) -> int:
    """Compare every channel; return how many samples were equal in all bits."""
    ours = {channel.name: channel.signal for channel in recording.other_channels}
    ecg_names = [name for name in expected if name not in ours]
    assert len(ecg_names) == len(recording.leads)
    ours.update(zip(ecg_names, recording.signal, strict=True))
    compared = 0
    for name, (unit, values) in expected.items():
        factor = 1.0
        if name in ecg_names and unit:
            factor = millivolts_per_unit(unit)
        if name in ecg_names and values.size != recording.samples:
            # A lead of a higher rate than the others: each frame is averaged.
            mean = values.reshape(recording.samples, -1).mean(axis=1) * factor
            np.testing.assert_allclose(ours[name], mean, atol=2e-6, err_msg=name)
            continue
        np.testing.assert_array_equal(ours[name], (values * factor).astype(np.float32), name)
        compared += values.size
    return compared


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_record_equals_wfdb(fixtures: Path, name: str) -> None:
    recording = read(fixtures / name)
    assert recording.format == "wfdb"
    assert_equal_to_oracle(recording, oracle_channels(fixtures / name))


def headers(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.hea"))
    assert found, f"no WFDB header under {folder}"
    return found


@pytest.mark.slow
@pytest.mark.parametrize("part", ["wfdb", "cinc2021_wfdb_mat4", "cpsc2021_af_wfdb"])
def test_all_shared_records_equal_wfdb(shared_data: Path, part: str) -> None:
    compared = 0
    for header in headers(shared_data / "formats" / part):
        record, stop = header.with_suffix(""), LARGE.get(header.stem)
        if header.stem in REFUSED:
            with pytest.raises(REFUSED[header.stem]):
                read(header)
            continue
        if stop is None:
            compared += assert_equal_to_oracle(read(header), oracle_channels(record))
        else:
            rate = inspect(header).sampling_rate
            recording = read(header, duration_s=stop / rate)
            compared += assert_equal_to_oracle(recording, oracle_channels(record, 0, stop))
    assert compared > 700_000


def test_variable_layout_with_a_gap_equals_wfdb(shared_data: Path) -> None:
    """Frames 0 to 9500 of a record with 36 segments: a gap, then two segments of other leads."""
    folder = shared_data / "formats/wfdb/wfdb-python/multi-segment/p000878"
    record = folder / "p000878-2137-10-26-16-57"
    last = 3750 + 2000 + 1750
    recording = read(record, duration_s=last / 125)
    assert recording.leads == ("II", "V")
    assert np.isnan(recording.lead("V")).all()
    assert np.isnan(recording.lead("II")[: 3750 + 2000]).all()
    segment = oracle_channels(folder / "3269321_0002")["II"][1]
    np.testing.assert_array_equal(recording.lead("II")[3750 + 2000 :], segment.astype(np.float32))
    pleth = next(channel for channel in recording.other_channels if channel.name == "PLETH")
    first = oracle_channels(folder / "3269321_0001")["PLETH"][1]
    np.testing.assert_array_equal(pleth.signal[3750:5750], first.astype(np.float32))


@pytest.mark.parametrize(
    ("archive", "sample"),
    [("mitbih_arrhythmia.zip", ("201", "217")), ("ludb.zip", ("1", "45", "101", "200"))],
)
def test_records_from_archives_equal_wfdb(
    shared_data: Path, tmp_path: Path, archive: str, sample: tuple[str, ...]
) -> None:
    with zipfile.ZipFile(shared_data / archive) as packed:
        names = [n for n in packed.namelist() if Path(n).stem in sample and "." in n]
        packed.extractall(tmp_path, names)
    for header in headers(tmp_path):
        recording = read(header)
        assert recording.header["checksum"] == "verified"
        assert_equal_to_oracle(recording, oracle_channels(header.with_suffix("")))


RANGES = [(0, 1), (1, 2), (1, 500), (7, 8), (333, 999), (997, 999), (0, 999)]


@pytest.mark.parametrize(
    "name",
    [
        "100_3chan",
        "v102s",
        "test01_00s_skew",
        "310derive_3",
        "311derive_3",
        "binformats",
        "03700181",
    ],
)
def test_ranges_equal_wfdb(shared_data: Path, name: str) -> None:
    """Odd starts and ends, where packed formats share bytes and skewed signals reach over."""
    from ecgfoundry.formats.base import ReadOptions
    from ecgfoundry.formats.wfdb.reader import READER

    record = shared_data / "formats/wfdb/wfdb-python" / name
    header = record.with_suffix(".hea")
    info = READER.inspect(header, ReadOptions())
    frames = wfdb.rdheader(str(record)).sig_len
    ratio = info.samples // frames
    whole = READER.read(header, ReadOptions(), 0, None)
    for first, last in [*RANGES, (frames - 1, frames), (frames - 5, frames)]:
        if last > frames:
            continue
        part = READER.read(header, ReadOptions(), first * ratio, last * ratio)
        np.testing.assert_array_equal(part.signal, whole.signal[:, first * ratio : last * ratio])
        if name != "binformats":  # wfdb cannot know format 8 inside a record; we read its start
            assert_equal_to_oracle(part, oracle_channels(record, first, last))


def test_windows_put_together_are_the_record(fixtures: Path) -> None:
    whole = read(fixtures / "mitdb/201_450s")
    windows = list(iterate(fixtures / "mitdb/201_450s", 7.5))
    assert len(windows) == 8
    np.testing.assert_array_equal(np.concatenate([w.signal for w in windows], axis=1), whole.signal)
    assert sum(mark.kind == "beat" for w in windows for mark in w.annotations) == sum(
        mark.kind == "beat" for mark in whole.annotations
    )


def test_leads_of_several_rates_keep_theirs(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(-2000, 2000, (500, 3)).astype("<i2")
    (tmp_path / "r.dat").write_bytes(frames.tobytes())
    (tmp_path / "r.hea").write_text(
        "r 2 250 500\nr.dat 16 200/mV 16 0 0 0 0 I\nr.dat 16x2 200/mV 16 0 0 0 0 II\n"
    )
    recording = read(tmp_path / "r.hea")
    oracle = wfdb.rdrecord(str(tmp_path / "r"), smooth_frames=False)
    assert (recording.sampling_rate, recording.leads) == (500, ("II",))
    assert recording.header["leads_at_other_rates"] == "I"
    np.testing.assert_allclose(recording.signal[0], oracle.e_p_signal[1], atol=1e-6)
    (slow,) = recording.other_channels
    assert slow.sampling_rate == 250
    np.testing.assert_allclose(slow.signal, oracle.e_p_signal[0], atol=1e-6)
    part = read(tmp_path / "r.hea", start_s=0.5, duration_s=0.3)
    np.testing.assert_array_equal(part.signal, recording.signal[:, 250:400])
