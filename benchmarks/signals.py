"""The signals that are measured on: real ones, repeated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ecgfoundry
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording

__all__ = ["real_windows", "write_long_record", "write_records"]


def real_windows(count: int, leads: int) -> NDArray[np.float32]:
    """Return raw windows (count, leads, 5000) in mV: the sample ECG, each shifted in time."""
    recording = ecgfoundry.read(ecgfoundry.sample_path("12-lead"))
    x = recording.select(STANDARD_12_LEADS).signal[:leads, :5000]
    return np.stack([np.roll(x, 37 * k, axis=1) for k in range(count)]).astype(np.float32)


def write_records(folder: Path, count: int) -> list[Path]:
    """Write 12-lead WFDB records of 10 s and return their headers."""
    for k, window in enumerate(real_windows(count, 12)):
        recording = Recording.from_array(
            window, sampling_rate=500, leads=STANDARD_12_LEADS, unit="mV"
        )
        write_wfdb(recording, folder, f"r{k:04d}")
    return sorted(folder.glob("*.hea"))


def write_long_record(folder: Path, name: str, seconds: float) -> Path:
    """Write a single-lead WFDB record of whole tens of seconds and return its header."""
    windows = max(1, round(seconds / 10))
    signal = np.tile(real_windows(1, 1)[0], (1, windows))
    recording = Recording.from_array(signal, sampling_rate=500, leads=("I",), unit="mV")
    write_wfdb(recording, folder, name)
    return folder / f"{name}.hea"
