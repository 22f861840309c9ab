"""Parts of long WFDB records: equal to ``wfdb`` bit by bit, and only the part is read."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.formats import inspect, iterate, read
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.files import open_file
from ecgfoundry.formats.wfdb.reader import READER

wfdb = pytest.importorskip("wfdb", reason="the oracle 'wfdb' is not installed")

FRAMES = 60_001
LARGEST = {"16": 32767, "24": 8_000_000, "32": 2_000_000_000, "61": 32767, "80": 127, "212": 2047}


def write(folder: Path, form: str) -> Path:
    """Write three signals with the ``wfdb`` package; format 61 as big-endian 16 bits by hand."""
    generator = np.random.default_rng(int(form))
    large = LARGEST[form]
    samples = generator.integers(-large, large + 1, (FRAMES, 3))
    wfdb.wrsamp(
        "r", fs=250, units=["mV"] * 3, sig_name=["I", "II", "V1"], d_signal=samples,
        fmt=["16" if form == "61" else form] * 3, adc_gain=[200.0, 1000.0, 37.3],
        baseline=[0, 5, -7], write_dir=str(folder),
    )  # fmt: skip
    if form == "61":
        (folder / "r.dat").write_bytes(samples.astype(">i2").tobytes())
        header = folder / "r.hea"
        header.write_text(header.read_text().replace("r.dat 16 ", "r.dat 61 "))
    return folder / "r.hea"


@pytest.fixture(scope="module", params=LARGEST)
def record(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("parts"), request.param)


def test_parts_at_random_offsets_equal_wfdb(record: Path) -> None:
    generator = np.random.default_rng(7)
    bounds = [(0, FRAMES), (FRAMES - 1, FRAMES), (1, 2)]
    for _ in range(25):
        first = int(generator.integers(FRAMES - 1))
        bounds.append((first, int(generator.integers(first + 1, min(first + 3000, FRAMES) + 1))))
    for first, last in bounds:
        ours = READER.read(record, ReadOptions(), first, last)
        theirs = wfdb.rdrecord(str(record.with_suffix("")), sampfrom=first, sampto=last)
        np.testing.assert_array_equal(ours.signal, theirs.p_signal.T.astype(np.float32))


def test_a_part_reads_no_more_than_itself(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    fromfile = np.fromfile

    def counting(*arguments: object, **named: object) -> np.ndarray:
        found = fromfile(*arguments, **named)  # type: ignore[call-overload]
        taken.append(found.nbytes)
        return found

    monkeypatch.setattr(np, "fromfile", counting)
    size = record.with_suffix(".dat").stat().st_size
    part = read(record, start_s=100.0, duration_s=2.0)
    assert part.samples == 500
    assert 0 < sum(taken) <= size * 500 / FRAMES + 64
    taken.clear()
    assert inspect(record).samples == FRAMES
    assert sum(taken) == 0
    windows = list(iterate(record, 10.0))
    assert sum(window.samples for window in windows) == FRAMES
    assert sum(taken) <= size + 64 * len(windows)


def test_a_part_at_the_end_takes_no_more_memory_than_itself(record: Path) -> None:
    """The last 100 of 60,001 samples: 1.2 kB as float32, where the whole record is 720 kB."""
    with open_file(record) as file:
        file.part(FRAMES - 100, FRAMES)
        tracemalloc.start()
        try:
            file.part(FRAMES - 100, FRAMES)
            assert tracemalloc.get_traced_memory()[1] < 200_000
        finally:
            tracemalloc.stop()
