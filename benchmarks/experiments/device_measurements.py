"""Our intervals beside those that the recording device states, for files that carry them.

``python -m benchmarks.experiments.device_measurements FILE …``
"""

from __future__ import annotations

import sys

from ecgfoundry import read
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.measurements.features import hand_crafted_features

PAIRS = {
    "heart_rate_bpm": "heart_rate_bpm",
    "p_ms": "p_duration_ms",
    "pr_ms": "pr_ms",
    "qrs_ms": "qrs_ms",
    "qt_ms": "qt_ms",
    "qtc_ms": "qtc_bazett_ms",
    "qtc_bazett_ms": "qtc_bazett_ms",
    "p_axis_deg": "p_axis_degrees",
    "qrs_axis_deg": "qrs_axis_degrees",
    "t_axis_deg": "t_axis_degrees",
}
"""What devices state -> what we measure."""


def main(paths: list[str]) -> None:
    """Print one line per stated value."""
    print("| file | measurement | device | ours |\n| --- | --- | --- | --- |")
    for path in paths:
        try:
            recording = read(path)
        except EcgFoundryError as error:
            print(error, file=sys.stderr)
            continue
        ours = hand_crafted_features(recording.signal, recording.sampling_rate, recording.leads)
        stated = device_measurements(recording.header)
        for theirs, name in PAIRS.items():
            if theirs in stated:
                print(
                    f"| {path.rsplit('/', 1)[-1]} | {theirs} | {float(stated[theirs]):g} | "
                    f"{ours[name]:.0f} |"
                )


if __name__ == "__main__":
    main(sys.argv[1:])
