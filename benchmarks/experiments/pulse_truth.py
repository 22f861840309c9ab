"""Is what is planted in the pulse found by ECG + PPG, and by ECG alone not?

    python -m benchmarks.experiments.pulse_truth --output FOLDER

A SYNTHETIC MC-MED in which every visit has Pleth. Bicarbonate shapes the reflected wave of the
pulse and nothing else; calcium acts on QT; sodium on nothing. ``labs ten-minutes`` measures all
three, with the shipped ``rhythm-single-lead`` as frozen network of both signals. ``table.md`` is
what it wrote; minutes of one core. Nothing was chosen by the outcome.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ecgfoundry.labs.settings import TenMinuteSettings
from ecgfoundry.labs.ten_minutes import table, ten_minutes
from ecgfoundry.synthesis.mc_med import SyntheticOptions, write_synthetic_mc_med

OPTIONS = SyntheticOptions(
    visits=400, minutes=0.2, seed=11, shares=(0.5, 0.1, 0.4), pulse_share=1.0, oracle_draws=0,
    interruptions=False, frequent_share=0.4,
)  # fmt: skip
TARGETS = ("bicarbonate low", "calcium low", "sodium low")


def main() -> None:
    """Write the data unless they are there, and the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output
    data = output / "data"
    if not (data / "data" / "waveform_summary.csv").is_file():  # the last file of a data set
        write_synthetic_mc_med(data, OPTIONS)
    found = ten_minutes(
        data, output, model="rhythm-single-lead", targets=TARGETS,
        settings=TenMinuteSettings.of(windows=1, window_minutes=None, values=False),
    )  # fmt: skip
    print(table(found))


if __name__ == "__main__":
    main()
