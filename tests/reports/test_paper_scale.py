"""ECG paper in millimetres, worked out by hand.

Sources: AHA/ACCF/HRS 2007, part I, and IEC 60601-2-25: 25 mm/s, 10 mm/mV, a grid of 1 mm with
bolder lines every 5 mm, a pulse of 1 mV for 200 ms. What stands where on the sheet is ours.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from ecgfoundry.errors import SignalError
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording
from ecgfoundry.reports import ecg_paper_svg
from ecgfoundry.reports.paper.drawing import THEMES, Frame, labels_svg, mm, plan_frame, row_band
from ecgfoundry.reports.paper.drawing import row_svg as draw_row
from ecgfoundry.reports.paper.layout import LAYOUTS, Row, Sheet, Strip, plan_sheet


def recorded(values: Any, leads: tuple[str, ...] = ("II",), rate: float = 100.0) -> Recording:
    return Recording(np.atleast_2d(np.asarray(values, np.float32)), rate, leads)


def plan(recording: Recording, layout: str = "auto", **options: Any) -> Sheet:
    given = {"gain_mm_mv": 10.0, "start_s": 0.0, "duration_s": None} | options
    return plan_sheet(recording, layout=layout, **given)


def pulses(height: float, seconds: float = 10.0, share: float = 0.01) -> np.ndarray:
    """100 Hz; the first sample of every second (1 %) has a height in mV."""
    x = np.zeros(round(seconds * 100))
    x[:: round(1 / share)] = height
    return x


# ---------------------------------------------------------------------------------------- the plan


def test_the_defaults_are_those_of_the_standard(square_wave: Recording, read_sheet: Any) -> None:
    root = read_sheet(ecg_paper_svg(square_wave)).root
    assert (root.get("data-speed-mm-s"), root.get("data-gain-mm-mv")) == ("25", "10")
    assert root.get("data-sampling-rate") == "500"
    assert LAYOUTS == ("auto", "3x4", "6x2", "12x1", "1x")


TWELVE = np.tile(np.sin(np.arange(1000) / 5), (12, 1))


@pytest.mark.parametrize(
    ("layout", "columns"),
    [
        ("3x4", ["I aVR V1 V4", "II aVL V2 V5", "III aVF V3 V6", "II"]),
        ("6x2", ["I V1", "II V2", "III V3", "aVR V4", "aVL V5", "aVF V6"]),
        ("12x1", "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()),
        ("1x", "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()),
    ],
)
def test_which_lead_stands_where(layout: str, columns: list[str]) -> None:
    sheet = plan(recorded(TWELVE, STANDARD_12_LEADS), layout)
    assert [" ".join(strip.lead for strip in row.strips) for row in sheet.rows] == columns
    assert (sheet.layout, sheet.seconds, sheet.start_s, sheet.shown_s) == (layout, 10, 0, 10)
    width = {"3x4": 2.5, "6x2": 5.0}.get(layout, 10.0)
    for row in sheet.rows:
        whole = len(row.strips) == 1
        for k, strip in enumerate(row.strips):
            assert (strip.start_s, strip.x_s) == (k * width, k * width)
            assert strip.duration_s == (10.0 if whole else width)
            assert len(strip.values) == (1000 if whole else round(100 * width))
            np.testing.assert_allclose(strip.times_s[[0, -1]], [k * width, (k + 1) * width - 0.01]
                                       if not whole else [0, 9.99])  # fmt: skip


@pytest.mark.parametrize(
    ("there", "rhythm"),
    [(("V1", "I", "II"), "II"), (("V1", "I"), "I"), (("V2", "V1"), "V1"), (("V5", "V2"), "V5")],
)
def test_the_rhythm_strip(there: tuple[str, ...], rhythm: str) -> None:
    sheet = plan(recorded(TWELVE[: len(there)], there), "3x4")
    assert [strip.lead for strip in sheet.rows[-1].strips] == [rhythm]
    assert sheet.rows[-1].strips[0].duration_s == 10.0


@pytest.mark.parametrize(
    ("seconds", "leads", "layout"),
    [(9.5, STANDARD_12_LEADS, "3x4"), (9.49, STANDARD_12_LEADS, "1x"),
     (10, ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), "3x4"),
     (10, ("I", "II", "V1", "V2", "V3", "V4", "V5"), "1x")],
)  # fmt: skip
def test_what_auto_takes(seconds: float, leads: tuple[str, ...], layout: str) -> None:
    x = np.ones((len(leads), round(100 * seconds)))
    assert plan(recorded(x, leads)).layout == layout


def test_a_stretch_is_at_most_a_minute_and_ten_seconds_by_default() -> None:
    one, two = recorded(np.zeros(9000)), recorded(np.zeros((2, 9000)), ("I", "II"))
    assert (plan(one).shown_s, plan(one).seconds, len(plan(one).rows)) == (60.0, 10.0, 6)
    assert (plan(two).shown_s, plan(two).seconds) == (10.0, 10.0)
    assert plan(two, duration_s=25.0).seconds == 25.0
    assert plan(two, duration_s=70.0).seconds == 60.0
    assert plan(two, "6x2", duration_s=70.0).seconds == 60.0
    assert plan(two, "6x2").seconds == 10.0
    assert plan(one, start_s=85.0).shown_s == 5.0
    assert len(plan(one, duration_s=10.0).rows) == 1 and plan(one, duration_s=10.01).seconds == 10
    assert len(plan(one, duration_s=10.01).rows) == 2
    assert [row.strips[0].duration_s for row in plan(one, duration_s=20.0).rows] == [10, 10]


def test_rows_of_one_lead_say_when_they_begin() -> None:
    sheet = plan(recorded(np.arange(2500) / 1000), start_s=2.0, origin_s=60.0)
    strips = [row.strips[0] for row in sheet.rows]
    assert [s.note for s in strips] == ["1:02", "1:12", "1:22"]
    assert [s.start_s for s in strips] == [62.0, 72.0, 82.0]
    assert [s.duration_s for s in strips] == [10.0, 10.0, 3.0]
    assert [len(s.values) for s in strips] == [1000, 1000, 300]
    assert [s.x_s for s in strips] == [0.0] * 3
    # Sample 200 is the first; the median of 0.200 to 1.199 mV is 0.6995.
    assert strips[0].offset_mv == pytest.approx(0.6995, abs=1e-6)
    assert strips[0].values[0] == pytest.approx(0.2 - 0.6995, abs=1e-6)
    np.testing.assert_allclose(strips[0].times_s[[0, -1]], [0.0, 9.99], atol=1e-9)
    assert (sheet.start_s, sheet.shown_s) == (62.0, 23.0)


def test_a_start_between_two_samples_moves_the_trace_to_the_left() -> None:
    """At 100 Hz from 0.004 s: the first drawn sample is number 1, 6 ms after the left end."""
    sheet = plan(recorded(np.arange(1000) / 1000), start_s=0.004, duration_s=1.0)
    (strip,) = sheet.rows[0].strips
    assert strip.times_s[0] == pytest.approx(0.006) and len(strip.times_s) == 100
    assert strip.values[0] + strip.offset_mv == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("height", "share", "above", "below"),
    [
        # Least heights of "1x": 15 mm above and 10 mm below.
        (0.0, 0.01, 15, 10),
        (1.5, 0.01, 15, 10),
        (1.51, 0.01, 20, 10),  # 15.1 mm: up to the next bold line
        (2.4, 0.01, 25, 10),
        (9.0, 0.01, 40, 10),  # at most
        (-1.0, 0.01, 15, 10),
        (-1.01, 0.01, 15, 15),
        (-9.0, 0.01, 15, 40),
    ],
)
def test_the_height_of_a_row(height: float, share: float, above: float, below: float) -> None:
    (row,) = plan(recorded(pulses(height, share=share))).rows
    assert (row.above_mm, row.below_mm) == (above, below)


def test_a_lone_sample_in_a_thousand_does_not_push_the_rows_apart() -> None:
    """Of 5000 samples, five are a thousandth: four at 3 mV do not count, six do."""
    for count, above in ((4, 15), (6, 30)):
        x = np.zeros(5000)
        x[:count] = 3.0
        (row,) = plan(recorded(x, rate=500.0)).rows
        assert row.above_mm == above


@pytest.mark.parametrize(
    ("layout", "least", "most"),
    [("3x4", (15, 10), (35, 35)), ("6x2", (15, 10), (30, 30)), ("12x1", (10, 5), (30, 30)),
     ("1x", (10, 5), (30, 30))],  # twelve rows of "1x" are those of "12x1"
)  # fmt: skip
def test_the_limits_of_every_layout(
    layout: str, least: tuple[int, int], most: tuple[int, int]
) -> None:
    flat = plan(recorded(np.zeros((12, 1000)), STANDARD_12_LEADS), layout)
    assert {(row.above_mm, row.below_mm) for row in flat.rows} == {least}
    tall = np.tile(pulses(9.0) - np.roll(pulses(9.0), 50), (12, 1))
    high = plan(recorded(tall, STANDARD_12_LEADS), layout)
    assert {(row.above_mm, row.below_mm) for row in high.rows} == {most}


@pytest.mark.parametrize(("leads", "least"), [(6, (15, 10)), (7, (10, 5))])
def test_more_than_six_rows_are_narrower(leads: int, least: tuple[int, int]) -> None:
    sheet = plan(recorded(np.zeros((leads, 1000)), STANDARD_12_LEADS[:leads]), "1x")
    assert {(row.above_mm, row.below_mm) for row in sheet.rows} == {least}


def test_the_gain_decides_how_tall_a_row_is() -> None:
    (row,) = plan(recorded(pulses(1.2)), gain_mm_mv=20.0).rows
    assert row.above_mm == 25.0  # 24 mm


def test_where_a_picture_may_begin() -> None:
    ten = recorded(np.zeros(1000))
    assert plan(ten, start_s=9.99).shown_s == pytest.approx(0.01)
    assert plan(ten, start_s=9.995).shown_s == pytest.approx(0.005)  # half a sample is left
    for start_s in (9.996, 10.0, -0.001):
        with pytest.raises(SignalError, match="would start at"):
            plan(ten, start_s=start_s)


def test_what_is_written_beside_a_lead() -> None:
    missing = np.full((2, 1000), np.nan)
    missing[0] = 0.0
    sheet = plan(recorded(missing, ("I", "V1")), "3x4")
    notes = {s.lead: (s.label, s.note) for row in sheet.rows for s in row.strips}
    assert notes["V1"] == ("V1", "no signal") and notes["I"] == ("I", "")
    assert notes["V6"] == ("V6", "not recorded") and sheet.footnotes == ()
    derived = plan(recorded(np.zeros((2, 1000)), ("I", "III")), "3x4")
    labels = {s.lead: s.label for row in derived.rows for s in row.strips}
    assert (labels["II"], labels["I"], labels["aVF"], labels["V1"]) == ("II*", "I", "aVF*", "V1")
    assert derived.footnotes == ("* derived from the recorded limb leads",)


# --------------------------------------------------------------------------------------- the frame


def strip(values: Any = (0.0, 1.0), **changes: Any) -> Strip:
    x = np.asarray(values, float)
    fields = {
        "lead": "II", "label": "II", "start_s": 0.0, "duration_s": 10.0, "x_s": 0.0, "values": x,
        "times_s": np.arange(len(x)) / 10, "offset_mv": 0.25,
    }  # fmt: skip
    return Strip(**(fields | changes))


def sheet_of(*rows: Row, seconds: float = 10.0) -> Sheet:
    return Sheet("1x", rows, seconds, 0.0, seconds)


def test_a_frame_by_hand() -> None:
    """Ten seconds at 25 mm/s: 250 mm, after 5 mm, a pulse of 5 mm and 5 mm, before 5 mm."""
    rows = (Row((strip(),), 15.0, 10.0), Row((strip(),), 20.0, 5.0))
    assert plan_frame(sheet_of(*rows), 25.0, 10.0) == Frame(
        speed=25.0, gain=10.0, grid_x=3.0, grid_y=12.0, grid_width=270.0, grid_height=60.0,
        trace_x=18.0, width=276.0, height=80.0, pulse_width=5.0, baselines=(32.0, 62.0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "speed", "pulse", "trace_x", "grid_width"),
    [
        (10.0, 25.0, 5.0, 18.0, 270.0),
        (10.0, 50.0, 10.0, 23.0, 525.0),
        (10.0, 12.5, 2.5, 18.0, 170.0),  # 15 + 125 + 5, but at least 170
        (6.0, 25.0, 5.0, 18.0, 170.0),  # 15 + 150 + 5
        (6.01, 25.0, 5.0, 18.0, 175.0),  # 170.25, up to the next bold line
        (2.5, 25.0, 5.0, 18.0, 170.0),
    ],
)
def test_the_width_of_a_sheet(
    seconds: float, speed: float, pulse: float, trace_x: float, grid_width: float
) -> None:
    frame = plan_frame(sheet_of(Row((strip(),), 15.0, 10.0), seconds=seconds), speed, 10.0)
    assert (frame.pulse_width, frame.trace_x) == (pulse, trace_x)
    assert (frame.grid_width, frame.width) == (grid_width, grid_width + 6)


def test_a_row_may_reach_7_5_mm_beyond_its_band() -> None:
    rows = tuple(Row((strip(),), 15.0, 10.0) for _ in range(3))
    frame = plan_frame(sheet_of(*rows), 25.0, 10.0)
    assert frame.baselines == (32.0, 57.0, 82.0)
    # The grid reaches from 12 mm to 97 mm, and nothing beyond it.
    bands = [row_band(row, y, frame) for row, y in zip(rows, frame.baselines, strict=True)]
    assert bands == [(12.0, 49.5), (34.5, 74.5), (59.5, 97.0)]


@pytest.mark.parametrize(
    ("value", "text"), [(5.0, "5"), (0.125, "0.12"), (2.5, "2.5"), (10.0, "10"), (0.0, "0"),
                        (-1.504, "-1.5"), (100.0, "100")]
)  # fmt: skip
def test_lengths_have_two_decimals(value: float, text: str) -> None:
    assert mm(value) == text


def test_a_row_is_drawn_by_hand() -> None:
    """The pulse begins 2 mm inside the grid; the trace at 18 mm, a mV 10 mm up from 32 mm."""
    row = Row((strip((0.0, 1.0, -0.5)), strip(x_s=5.0, lead="V1", label="V1")), 15.0, 10.0)
    frame = plan_frame(sheet_of(row), 25.0, 10.0)
    svg = draw_row(row, 0, frame, THEMES["paper"], "p")
    pulse = re.search(r'class="calibration" d="([^"]+)"', svg).group(1)
    assert pulse == "M5 32h3v-10h5v10h2"
    traces = re.findall(r'class="trace" clip-path="url\(#p-row0\)" d="([^"]+)"', svg)
    assert traces == ["M18 32l2.5-10 2.5 15", "M18 32l2.5-10"]
    (separator,) = re.findall(r'class="separator" d="([^"]+)"', svg)
    assert separator == "M143 18v4M143 37v4"  # 18 + 125; 1 mm from both edges of 17 to 42 mm
    first = re.search(r'<g class="strip"([^>]+)>', svg).group(1)
    assert dict(re.findall(r'data-([a-z-]+)="([^"]*)"', first)) == {
        "lead": "II", "start": "0", "duration": "10", "x": "18", "baseline": "32",
        "offset-mv": "0.2500",
    }  # fmt: skip
    assert 'stroke-width="0.28"' in svg and "off-scale" not in svg


def test_where_the_names_of_the_leads_stand() -> None:
    row = Row((strip(note="0:10"), strip(x_s=5.0, label="V1*")), 15.0, 10.0)
    frame = plan_frame(sheet_of(row), 25.0, 10.0)
    svg = labels_svg(sheet_of(row), frame, THEMES["paper"])
    assert re.findall(r'<text x="([\d.]+)" y="([\d.]+)">([^<]+)', svg) == [
        ("19.2", "21", "II"), ("144.2", "21", "V1*"),
    ]  # fmt: skip
    assert svg.count("<tspan") == 1 and ">0:10</tspan>" in svg


def test_a_label_goes_where_no_trace_runs() -> None:
    """A tall wave stands in the corner, from 0 to 0.2 s (18 to 23 mm): the name moves behind it.

    The name is at most 5.2 mm wide, and 0.5 mm stay free: it begins at 24.2 mm, in whole
    millimetres from the corner at 19.2 mm.
    """
    tall = np.where(np.arange(1000) < 20, 1.4, 0.0)
    row = Row((Strip("II", "II", 0.0, 10.0, 0.0, tall, np.arange(1000) / 100, 0.0),), 15.0, 10.0)
    frame = plan_frame(sheet_of(row), 25.0, 10.0)
    svg = labels_svg(sheet_of(row), frame, THEMES["paper"])
    assert re.findall(r'<text x="([\d.]+)" y="([\d.]+)">', svg) == [("24.2", "21")]
    assert "stroke" not in svg  # no halo, which would rub out what is below


def test_marks_where_a_trace_leaves_its_band() -> None:
    """The grid reaches from 12 to 47 mm; 2.0 mV is at 12 mm and -1.5 mV at 47 mm."""
    row = Row((strip((0.0, 2.0, 2.1, 0.0, -1.5, -1.6)),), 15.0, 10.0)
    frame = plan_frame(sheet_of(row), 25.0, 10.0)
    svg = draw_row(row, 0, frame, THEMES["paper"], "p")
    (marks,) = re.findall(r'class="off-scale" d="([^"]+)"', svg)
    # 23 mm lies in the eighth stretch of 3 mm (21 to 24), 30.5 mm in the one from 30 to 33.
    assert marks == "M21.6 13.8h1.8l-.9 -1.5zM30.6 45.2h1.8l-.9 1.5z"
    inside = Row((strip((2.0, -1.5)),), 15.0, 10.0)
    assert "off-scale" not in draw_row(inside, 0, frame, THEMES["paper"], "p")


def test_colours() -> None:
    assert sorted(THEMES) == ["dark", "paper", "plain"]
    assert THEMES["plain"].trace == "#000000" and THEMES["plain"].background == "#ffffff"
    assert THEMES["paper"].trace == "#171717" and THEMES["paper"].minor == "#f8dfda"


def test_size_of_a_printed_sheet(square_wave: Recording, read_sheet: Any) -> None:
    """276 mm across; 12 mm, 5, 15 + 10 and 5 mm of grid, and 8 mm."""
    root = read_sheet(ecg_paper_svg(square_wave)).root
    assert (root.get("width"), root.get("height")) == ("276mm", "55mm")
    assert root.get("viewBox") == "0 0 276 55"
