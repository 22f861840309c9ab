"""The report of a Holter: what it counts, which strips it shows, where its lines stand."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import numpy as np
import pytest

from ecgfoundry.inference.holter import HolterReport
from ecgfoundry.inference.interpretation import Episode
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.holter import burdens, holter_hours, rhythm_events
from ecgfoundry.recording import Recording
from ecgfoundry.reports.holter import EventStrip, event_strips, hour_cells, longest_events, summary
from ecgfoundry.reports.html.holter import holter_html
from ecgfoundry.reports.html.timeline import Scale
from ecgfoundry.reports.html.trends import rate_bins, trends_drawing

START = dt.datetime(2024, 3, 5, 23, 30)
HOURS = 2.0


@pytest.fixture
def report() -> HolterReport:
    """Two hours at 60/min; at 1:00:00 a run of four V at 150/min; at 1:30:00 a pause of 3 s.

    From 10:00 to 20:00 the rate is 120/min.
    """
    times = [0.0]
    labels = ["N"]
    while times[-1] < 7199.0:
        now = times[-1]
        step = 0.5 if 600.0 <= now < 1200.0 else 1.0
        if abs(now - 3600.0) < 0.01:
            times += [now + 0.4 * k for k in (1, 2, 3, 4)]
            labels += ["V"] * 4
            continue
        if 5400.0 <= now < 5400.9:
            step = 3.0
        times.append(now + step)
        labels.append("N")
    beats = Beats.from_samples((np.array(times) * 250).round().astype(int), 250.0, label=labels)
    events = rhythm_events(beats)
    return HolterReport(
        file="ward/night.edf",
        duration_s=7200.0,
        readable_s=7140.0,
        leads=("II",),
        beats=beats,
        hours=holter_hours(beats, 7200.0, events),
        events=events,
        burdens=burdens(beats),
        hrv={"sdnn_ms": {"value": 61.4, "unit": "ms", "method": ""},
             "lf_ms2": {"value": None, "unit": "ms2", "method": "", "reason": "none"}},
        windows=(),
        episodes=(Episode("atrial fibrillation", 1800.0, 2520.0, 0.9),),
        rhythm_burden={"atrial fibrillation": 0.1},
        st_mv=np.full((1, 120), -0.15),
        unreadable=((4000.0, 4060.0),),
        model="rhythm",
    )  # fmt: skip


def read_part(start_s: float, duration_s: float) -> Recording:
    return Recording.from_array(
        np.zeros(round(duration_s * 250)),
        sampling_rate=250,
        leads="II",
        unit="mV",
        start_time=START,
    )


def test_the_summary(report) -> None:
    tables = {title: {name: (value, detail) for name, value, detail in rows}
              for title, rows in summary(report, START)}  # fmt: skip
    rates = tables["Rate and rhythm"]
    assert rates["longest RR"] == ("3.00 s", "at 1:30:04 (01:00:04)")
    # The V are 0.4 s apart; eight intervals in the row are 0.5 s at 10 minutes.
    assert rates["shortest RR"][0] == "0.40 s"
    assert rates["highest rate"][0] == "120 /min" and rates["lowest rate"][0] == "60 /min"
    assert rates["readable"] == ("1 h 59 min", "of 2 h")
    assert rates["atrial fibrillation"] == (
        "10.0 % of the time", "1 episode, longest 12 min",
    )  # fmt: skip
    assert tables["Beats"]["ventricular (V)"][0] == "4"
    assert tables["Events"]["ventricular run"] == ("1", "longest 4 beats at 1:00:00 (00:30:00)")
    assert tables["Events"]["pause"] == ("1", "longest 3.0 s at 1:30:01 (01:00:01)")
    assert tables["Events"]["ventricular couplet"] == ("0", "")
    assert tables["Heart rate variability"]["SDNN"][0] == "61 ms"
    assert tables["Heart rate variability"]["LF"][0] == "–"


def test_strips_begin_before_their_event_and_none_comes_twice(report) -> None:
    strips = event_strips(report)
    assert strips[0] == EventStrip("ventricular run, 4 beats, 1:00:00", pytest.approx(3597.4))
    assert [strip.caption.split(",")[0] for strip in strips] == [
        "ventricular run", "pause", "atrial fibrillation", "lowest rate", "highest rate",
    ]  # fmt: skip
    starts = [strip.start_s for strip in strips]
    assert min(abs(a - b) for a in starts for b in starts if a is not b) >= 5.0
    assert max(starts) <= 7190.0
    assert [event.kind for event in longest_events(report)] == ["ventricular run", "pause"]


def test_the_rate_of_a_bin(report) -> None:
    found = rate_bins(report.beats, np.array([0.0, 300.0, 900.0, 1200.0, 1200.5]))
    # All 60; from 5:00 to 15:00 300 beats at 60 and 600 at 120; all 120; nothing.
    assert found[:, 0] == pytest.approx([60, 60, 60])
    assert found[:, 1] == pytest.approx([60, 120, 120])
    assert found[:, 2] == pytest.approx([120, 120, 120])
    assert np.isnan(found[:, 3]).all()


def test_lines_stand_at_their_values(report) -> None:
    text = str(trends_drawing(report))
    scale = Scale(7200.0)
    rate, st = (
        np.array([[float(n) for n in point.split()] for point in re.split("[ML]", d)[1:]])
        for d in re.findall(r'class="trend-line"[^>]* d="([^"]+)"', text)
    )
    # The rate panel is 92 high with 78 for 60 (at its lower edge) to 160 /min: the run has 150.
    at_night = rate[np.abs(rate[:, 0] - scale.x(90.0)).argmin()]
    fast = rate[np.abs(rate[:, 0] - scale.x(930.0)).argmin()]
    assert at_night[1] == pytest.approx(85.0, abs=0.1)
    assert fast[1] == pytest.approx(38.2, abs=0.1)
    # ST at -0.15 mV: half of the 22 units to -0.3 below the middle of its panel.
    assert np.ptp(st[:, 1]) < 0.1
    height = st[0, 1]
    zero = re.findall(r'd="M190 ([\d.]+)h', text)
    assert any(abs(height - 11.0 - float(y)) < 0.15 for y in zero)
    assert "V beats, up to 4 in 5 min" in text
    assert "not readable, 1:06:40 to 1:07:40" in text
    assert "atrial fibrillation, 30:00 to 42:00" in text


def test_the_page(report) -> None:
    page = holter_html(report, read_part)
    words = re.sub(r"<[^>]+>", " ", page)
    for text in (
        "night.edf", "2024-03-05 23:30:00", "3.00 s", "1:00:00 (00:30:00)", "By the hour",
        "Strips as recorded", "Unconfirmed", "150 /min",
    ):  # fmt: skip
        assert text in words, text
    assert page.count('class="ecg-paper"') == 5
    cells = hour_cells(report.hours[1].to_dict(), "1:00:00")
    # 3600 s from 1:00:00 on, at 60/min but for four V in 1.6 s and a pause of 3 s.
    assert cells[0] == "1:00:00" and cells[6] == "4" and cells[8] == "1" and cells[9] == "1"
    # Every drawing has a colour of its own, for paper.
    assert "<script" not in page and "url(" not in page.split("</style>")[0]


def test_a_recording_without_beats_has_a_report(report) -> None:
    empty = Beats.from_samples([], 250.0)
    quiet = replace(
        report,
        beats=empty,
        events=(),
        episodes=(),
        rhythm_burden={},
        burdens=burdens(empty),
        hours=holter_hours(empty, 7200.0, ()),
        st_mv=np.full((1, 120), np.nan),
        unreadable=((0.0, 7200.0),),
    )
    page = holter_html(quiet, read_part)
    assert "By the hour" in page and 'class="ecg-paper"' not in page
