"""What a report of a long recording writes, of beats and events that stand here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.inference.holter_report import HolterReport, write_holter
from ecgfoundry.inference.interpretation import Episode
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.holter import RhythmEvent, holter_hours


@pytest.fixture
def report() -> HolterReport:
    """Five beats at 1024 Hz: 800, 1400, 600 and 700 samples apart."""
    beats = Beats.from_samples([100, 900, 2300, 2900, 3600], 1024.0)
    return HolterReport(
        file="a.edf",
        duration_s=4.0,
        readable_s=4.0,
        leads=("II",),
        beats=beats,
        hours=holter_hours(beats, 4.0, []),
        events=(RhythmEvent("ventricular run", 0.87890625, 2.24609375, 3, 87.6543),),
        burdens={},
        hrv={},
        windows=(),
        episodes=(Episode("atrial fibrillation", 0.0996, 3.5156, 0.75),),
        rhythm_burden={"atrial fibrillation": 0.1234564},
        st_mv=np.zeros((1, 1)),
        unreadable=(),
        model="rhythm",
    )


def test_the_longest_and_the_shortest_interval_and_where_they_end(report: HolterReport) -> None:
    """1400 / 1024 = 1.3671875 until 2300 / 1024 = 2.24609375; 0.5859375 until 2.83203125."""
    document = report.to_dict()
    assert document["longest_rr"] == {"rr_s": 1.367, "end_s": 2.246}
    assert document["shortest_rr"] == {"rr_s": 0.586, "end_s": 2.832}
    assert document["event_counts"] == {"ventricular run": 1}
    single = replace(report, beats=Beats.from_samples([100], 1024.0)).to_dict()
    assert single["longest_rr"] is None and single["shortest_rr"] is None


def test_shares_have_six_decimals(report: HolterReport) -> None:
    document = report.to_dict()
    assert document["rhythm_burden"] == {"atrial fibrillation": 0.123456}


def test_events_and_episodes_stand_in_one_table_in_their_order(
    report: HolterReport, tmp_path: Path
) -> None:
    write_holter(report, tmp_path)
    assert (tmp_path / "events.csv").read_text().splitlines() == [
        "kind,start_s,end_s,beats,rate_bpm",
        "atrial fibrillation,0.1,3.516,,",
        "ventricular run,0.879,2.246,3,87.7",
    ]
