"""Our values beside those that recording devices state in their own files: bias and SD of each.

``python -m benchmarks.experiments.device_values FOLDER|FILE …`` measures every file that states
values (MUSE, Philips, SCP-ECG, HL7 aECG, DICOM …) and prints, for each interval and axis, how many
recordings are compared, the bias (ours less the device's), the standard deviation of the
differences and the 95 % limits of agreement (J. M. Bland, D. G. Altman, Lancet 327:307, 1986);
``--each`` prints every pair too. A value that one side does not give is counted, not compared.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecgfoundry import measure
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.formats.files import open_file
from ecgfoundry.inference.files import expand_paths

PAIRS = {
    "heart_rate_bpm": "heart_rate_bpm",
    "atrial_rate_bpm": "atrial_rate_bpm",
    "rr_ms": "rr_mean_ms",
    "p_ms": "p_ms",
    "pr_ms": "pr_ms",
    "qrs_ms": "qrs_ms",
    "qt_ms": "qt_ms",
    "qtc_ms": "qtc_bazett_ms",
    "qtc_bazett_ms": "qtc_bazett_ms",
    "qtc_fridericia_ms": "qtc_ms",
    "p_axis_deg": "p_axis_deg",
    "qrs_axis_deg": "qrs_axis_deg",
    "t_axis_deg": "t_axis_deg",
}
"""What devices state, and what we measure. ``qtc_ms`` is by the device's own formula, which most
do not name; carts print Bazett."""

Row = tuple[str, str, float, float | None]


def compared(paths: list[Path]) -> Iterator[Row]:
    """Yield file, value, the device's and ours; each recording once, by its signal."""
    seen: set[bytes] = set()
    for path in paths:
        try:
            with open_file(path) as file:
                stated = device_measurements(file.info.header)
                if not stated:
                    continue
                recording = file.read()
                ours = measure(recording)
        except EcgFoundryError:
            continue
        digest = hashlib.sha256(recording.signal.tobytes()).digest()
        if digest in seen:
            continue
        seen.add(digest)
        for theirs, name in PAIRS.items():
            if theirs in stated:
                yield str(path), theirs, stated[theirs], ours.values[name].value


def differences(rows: list[Row], name: str) -> tuple[np.ndarray, int]:
    """Return ours less the device's of one value, and how often only the device has one."""
    pairs = [(device, ours) for _, value, device, ours in rows if value == name]
    both = np.array([ours - device for device, ours in pairs if ours is not None])
    if name.endswith("_deg"):
        both = (both + 180.0) % 360.0 - 180.0
    return both, sum(ours is None for _, ours in pairs)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--each", action="store_true", help="print every pair of values")
    arguments = parser.parse_args()
    rows = list(compared([Path(path) for path in expand_paths(arguments.paths)]))
    files = {path for path, *_ in rows}
    print(f"{len(files)} recordings whose files state values\n")
    print("| value | compared | ours missing | bias | SD | limits of agreement |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in PAIRS:
        found, absent = differences(rows, name)
        if found.size == 0:
            continue
        bias = float(found.mean())
        cells = "– | –"
        if found.size > 1:
            spread = float(found.std(ddof=1))
            low, high = bias - 1.96 * spread, bias + 1.96 * spread
            cells = f"{spread:.1f} | {low:+.0f} to {high:+.0f}"
        print(f"| {name} | {found.size} | {absent} | {bias:+.1f} | {cells} |")
    if arguments.each:
        print("\n| file | value | device | ours |\n| --- | --- | --- | --- |")
        for path, name, device, ours in rows:
            words = "–" if ours is None else f"{ours:.0f}"
            print(f"| {Path(path).name} | {name} | {device:g} | {words} |")


if __name__ == "__main__":
    main()
