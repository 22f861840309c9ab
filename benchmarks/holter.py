"""What a long recording costs: ``python -m benchmarks.holter [--hours 24] [--workers 1]``.

Prints processor seconds (workers included) and the peak memory of one process of ``ecgfoundry
holter`` with the edge model, on half-hour records of MIT-BIH repeated at 250 Hz. The folder of
``mitbih_arrhythmia.zip`` is ``ECGFOUNDRY_SHARED_DATA``; ``--record FILE`` takes another recording
instead.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

import ecgfoundry
from ecgfoundry.signals.resampling import resample_polyphase

RATE_HZ = 250.0


def long_record(archive: Path, hours: float, folder: Path) -> Path:
    """Write the first lead of the records of an archive, one behind the other, as WFDB."""
    import wfdb

    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    pieces = []
    for header in sorted(folder.rglob("*.hea")):
        recording = ecgfoundry.read(header)
        first = np.nan_to_num(recording.signal[:1].astype(np.float64))
        pieces.append(resample_polyphase(first, recording.sampling_rate, RATE_HZ)[0])
    whole = np.resize(np.concatenate(pieces), round(hours * 3600 * RATE_HZ))
    wfdb.wrsamp(
        "long", fs=RATE_HZ, units=["mV"], sig_name=["I"], p_signal=whole[:, None], fmt=["16"],
        write_dir=str(folder),
    )  # fmt: skip
    return folder / "long.hea"


def cost(record: Path, workers: int) -> tuple[float, float]:
    """Return processor seconds of ``ecgfoundry holter``, and the peak MB of its largest process."""
    with tempfile.TemporaryDirectory() as output:
        started = subprocess.Popen(
            [
                *(sys.executable, "-m", "ecgfoundry", "holter", str(record), "--output", output),
                *("--workers", str(workers), "--no-pdf", "--quiet"),
            ],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise SystemExit(f"ecgfoundry holter ended with {started.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024.0


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--record", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record = chosen.record
        if record is None:
            shared = os.environ.get("ECGFOUNDRY_SHARED_DATA")
            if shared is None:
                parser.error("ECGFOUNDRY_SHARED_DATA is not set; give a recording with --record")
            archive = Path(shared) / "mitbih_arrhythmia.zip"
            # A child counts the memory of the process that starts it, so that this one stays small.
            with multiprocessing.get_context("spawn").Pool(1) as apart:
                record = apart.apply(long_record, (archive, chosen.hours, Path(folder)))
        seconds, megabytes = cost(record, chosen.workers)
        with ecgfoundry.open(record) as file:
            hours = file.samples / file.sampling_rate / 3600.0
    print(
        f"{hours:g} h, {chosen.workers} processes: {seconds:.1f} s of processor time, "
        f"{megabytes:.0f} MB at most in one process"
    )


if __name__ == "__main__":
    main()
