"""How long it takes to measure a 12-lead ECG of ten seconds, beside other programs in one run.

``python -m benchmarks.measurement [--record FILE]``

Prints CPU milliseconds (the least of several tries, one thread) of ``ecgfoundry.measure`` on all
leads; of ``neurokit2.ecg_process`` on one of them; and of ``ecgdeli`` on all leads, each where it
is installed; and how many times as long each of the others takes. Ratios of one run can be
compared between machines, milliseconds cannot.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ecgfoundry

Float64 = NDArray[np.float64]


def cpu_ms(work: Callable[[], object], tries: int) -> float:
    """Return the least CPU milliseconds of a call, after one that is not counted."""
    work()
    best = float("inf")
    for _ in range(tries):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best * 1000.0


def neurokit(lead: Float64, sampling_rate: float) -> Callable[[], object]:
    """Return a call that measures one lead with NeuroKit2."""
    import neurokit2

    return lambda: neurokit2.ecg_process(lead, sampling_rate=int(sampling_rate))


def ecgdeli(signal: Float64, sampling_rate: float) -> Callable[[], object]:
    """Return a call that delineates all leads with ECGdeli."""
    from benchmarks.experiments.delineation_ludb import ecgdeli_table

    return lambda: ecgdeli_table(signal, sampling_rate)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, help="a 12-lead recording; by default the sample")
    parser.add_argument("--tries", type=int, default=20)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    path = arguments.record or ecgfoundry.sample_path("12-lead")
    recording = ecgfoundry.read(path)
    signal = np.nan_to_num(recording.signal.astype(np.float64))
    rate = recording.sampling_rate
    ours = cpu_ms(lambda: ecgfoundry.measure(recording), arguments.tries)
    print(f"{recording}\n\n| program | leads | CPU, ms | times ours |\n| --- | --- | --- | --- |")
    print(f"| ecgfoundry.measure | {len(signal)} | {ours:.1f} | 1 |")
    others: dict[str, tuple[str, int, Callable[[], Callable[[], object]]]] = {
        "neurokit2": ("neurokit2.ecg_process", 1, lambda: neurokit(signal[1], rate)),
        "ecgdeli": ("ecgdeli", len(signal), lambda: ecgdeli(signal, rate)),
    }
    for package, (name, leads, made) in others.items():
        if importlib.util.find_spec(package) is None:
            print(f"| {name} | {leads} | not installed | |")
            continue
        theirs = cpu_ms(made(), max(3, arguments.tries // 4))
        print(f"| {name} | {leads} | {theirs:.1f} | {theirs / ours:.1f} |")


if __name__ == "__main__":
    main()
