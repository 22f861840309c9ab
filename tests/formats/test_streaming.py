"""Long recordings window by window: the same samples, in memory that does not grow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.formats.layouts import dicom_file, ecg_like, edf_file, ishne_file

from ecgfoundry.errors import FormatError, SamplingRateError, SignalError
from ecgfoundry.formats import iterate, read
from ecgfoundry.formats.delimited.reader import SHORT_BYTES
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.recording import Recording

RATE = 250


def make(kind: str, folder: Path, minutes: float, leads: int = 2) -> Path:
    """Write a recording of so many minutes by repeating one minute."""
    minute = ecg_like(leads, 60 * RATE, RATE)
    x = np.tile(minute, (1, int(np.ceil(minutes))))[:, : int(minutes * 60 * RATE)]
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "edf":
        signals = [{"label": f"ECG {n}", "samples": RATE, "data": row} for n, row in enumerate(x)]
        return edf_file(folder / "x.edf", signals, records=x.shape[1] // RATE)
    if kind == "ishne":
        return ishne_file(folder / "x.ecg", x, codes=(5, 6), rate=RATE)
    if kind == "dicom":
        codes = ("5.6.3-9-1", "5.6.3-9-2")
        return dicom_file(folder / "x.dcm", x, codes=codes, rate=RATE, sensitivity=1)
    if kind == "wfdb":
        recording = Recording.from_array(x, sampling_rate=RATE, leads=("I", "II"), unit="uV")
        return write_wfdb(recording, folder, "x")
    with (folder / "x.csv").open("w") as file:
        file.write("time,I (uV),II (uV)\n")
        for begin in range(0, x.shape[1], 15_000):
            part = x[:, begin : begin + 15_000]
            times = (begin + np.arange(part.shape[1])) / RATE
            np.savetxt(file, np.column_stack([times, part.T]), ["%.3f", "%d", "%d"], ",")
    return folder / "x.csv"


KINDS = ("wfdb", "edf", "ishne", "dicom", "delimited")


@pytest.fixture(params=[SHORT_BYTES, 0], ids=["text kept", "text streamed"])
def text_limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The size up to which a text is kept: as it is, and 0, so that every text is a long one."""
    monkeypatch.setattr("ecgfoundry.formats.delimited.reader.SHORT_BYTES", request.param)
    return int(request.param)


@pytest.mark.parametrize("kind", KINDS)
def test_windows_equal_parts_of_the_whole(kind: str, tmp_path: Path, text_limit: int) -> None:
    if kind != "delimited" and text_limit == 0:
        pytest.skip("only text is kept or streamed by its size")
    path = make(kind, tmp_path, 4.55)
    whole = read(path)
    for window_s, start_s, duration_s in ((30.0, 0.0, None), (7.3, 11.1, 100.0), (500.0, 1.0, 9.0)):
        windows = list(iterate(path, window_s, start_s=start_s, duration_s=duration_s))
        joined = np.concatenate([window.signal for window in windows], axis=1)
        begin = round(start_s * RATE)
        end = None if duration_s is None else begin + round(duration_s * RATE)
        np.testing.assert_array_equal(joined, whole.signal[:, begin:end])
        assert {window.leads for window in windows} == {whole.leads}
        assert {window.sampling_rate for window in windows} == {whole.sampling_rate}
        assert {window.samples for window in windows[:-1]} <= {round(window_s * RATE)}
    with pytest.raises(SignalError, match="the recording has 273 s"):
        next(iterate(path, 1.0, start_s=300.0))


PEAK = """
import sys
from ecgfoundry.formats import iterate
samples = sum(window.samples for window in iterate(sys.argv[1], 30.0))
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(samples, status["VmHWM"].split()[0])
"""


def peak_megabytes(path: Path) -> tuple[int, float]:
    """Return samples seen and the peak memory of a process that goes through a recording.

    VmHWM belongs to the program itself; ``ru_maxrss`` would begin with the peak of its parent.
    """
    done = subprocess.run(
        [sys.executable, "-", str(path)], input=PEAK, capture_output=True, text=True, check=True
    )
    samples, kilobytes = done.stdout.split()
    return int(samples), int(kilobytes) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory needs /proc")
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow_with_the_length(kind: str, tmp_path: Path) -> None:
    """20 minutes against a day (2 x 21.6 million samples), or three hours of slow text."""
    hours = 3 if kind == "delimited" else 24
    _, short = peak_megabytes(make(kind, tmp_path / "short", 20))
    samples, long = peak_megabytes(make(kind, tmp_path / "long", hours * 60))
    assert samples == hours * 3600 * RATE
    assert long < short + 40


def test_a_time_column_is_checked_before_the_first_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgfoundry.formats.delimited.reader.SHORT_BYTES", 0)
    path = make("delimited", tmp_path, 5)
    lines = path.read_text().splitlines()
    del lines[70_000:70_100]
    path.write_text("\n".join(lines))
    # Rows 69,999 to 70,098 of the data are gone, at 4 ms a row.
    told = r"not uniform \(from sample 69999 on: 279.992 is followed by 280.396\)"
    with pytest.raises(SamplingRateError, match=told):
        next(iterate(path, 10.0))
    lines[70_000] = "x" * 100_000
    path.write_text("\n".join(lines))
    with pytest.raises(FormatError, match="line 70001 has no end"):
        next(iterate(path, 10.0))


def test_rounded_times_of_a_short_part_of_a_day_give_the_whole_rate(
    tmp_path: Path, text_limit: int
) -> None:
    """99 steps of 1/256 s as 0.387 s: 255.8 Hz, which the third decimal leaves in doubt."""
    times = 1000.0 + np.arange(100) / 256
    table = np.column_stack([times, ecg_like(1, 100, 256)[0]])
    np.savetxt(tmp_path / "x.csv", table, ["%.3f", "%d"], ",", header="time,I (uV)", comments="")
    (window,) = iterate(tmp_path / "x.csv", 10.0)
    assert window.sampling_rate == 256.0 and window.samples == 100


def test_values_beyond_float32_are_missing_in_every_channel(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = "".join(f"{n % 7},{n % 5}\n" for n in range(50))
    path.write_text("I (mV),Resp (V)\n1e308,1e308\n" + rows)
    for recording in (read(path, sampling_rate=100), next(iterate(path, 9, sampling_rate=100))):
        assert np.isnan(recording.signal[0, 0])
        assert np.isnan(recording.other_channels[0].signal[0])
        assert np.isfinite(recording.other_channels[0].signal[1:]).all()
