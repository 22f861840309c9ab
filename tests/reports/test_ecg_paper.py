"""ECG paper: true scale, calibration pulse, layouts, gaps, escaping."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pytest

from ecgfoundry.errors import LeadError, SignalError
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording
from ecgfoundry.reports import ecg_paper_svg
from ecgfoundry.reports.paper.drawing import THEMES


@pytest.mark.parametrize(("speed", "gain"), [(25, 10), (50, 10), (12.5, 20), (25, 5)])
def test_a_square_wave_has_exactly_the_printed_scale(square_wave, read_sheet, speed, gain):
    sheet = read_sheet(ecg_paper_svg(square_wave, speed_mm_s=speed, gain_mm_mv=gain))
    (strip,) = sheet.strips("II")
    (points,) = sheet.trace(strip)
    baseline, x0 = float(strip.get("data-baseline")), float(strip.get("data-x"))
    assert np.unique(points[:, 1].round(2)).tolist() == [baseline - gain, baseline]
    # The wave rises once per second: its rising edges are one second of paper apart.
    low = points[:, 1] > baseline - gain / 2
    edges = points[1:, 0][low[:-1] & ~low[1:]]
    np.testing.assert_allclose(np.diff(edges), speed, atol=0.011)
    np.testing.assert_allclose(points[0, 0], x0, atol=0.011)
    np.testing.assert_allclose(points[-1, 0] - x0, 4999 / 500 * speed, atol=0.011)
    assert float(strip.get("data-offset-mv")) == pytest.approx(0.7, abs=1e-4)


def test_the_sheet_has_its_physical_size(square_wave, read_sheet):
    root = read_sheet(ecg_paper_svg(square_wave)).root
    width, height = root.get("width"), root.get("height")
    assert width.endswith("mm")
    assert root.get("viewBox") == f"0 0 {width[:-2]} {height[:-2]}"


def test_grid_of_1_mm_with_bold_5_mm_lines_that_meet_the_baseline(square_wave, read_sheet):
    sheet = read_sheet(ecg_paper_svg(square_wave))
    (minor,), (bold,) = sheet.paths("minor"), sheet.paths("major")
    assert float(bold.get("stroke-width")) > 2 * float(minor.get("stroke-width"))
    lines = {kind.get("class"): sheet.lines(kind) for kind in (minor, bold)}
    across = {k: [line[0, 0] for line in v if np.ptp(line[:, 0]) == 0] for k, v in lines.items()}
    down = {k: [line[0, 1] for line in v if np.ptp(line[:, 1]) == 0] for k, v in lines.items()}
    # The grid is 270 x 35 mm, from (3, 12): bold lines on its edges, four thin ones between two.
    assert across["major"] == [3.0 + 5 * k for k in range(55)]
    assert down["major"] == [12.0 + 5 * k for k in range(8)]
    assert across["minor"] == [3.0 + k for k in range(270) if k % 5]
    assert down["minor"] == [12.0 + k for k in range(35) if k % 5]
    (strip,) = sheet.strips()
    assert float(strip.get("data-baseline")) in down["major"]
    assert float(strip.get("data-x")) in across["major"]


@pytest.mark.parametrize(("speed", "gain"), [(25, 10), (50, 20), (12.5, 5)])
def test_each_row_has_a_calibration_pulse_of_1_mv_and_200_ms(twelve_leads, read_sheet, speed, gain):
    sheet = read_sheet(ecg_paper_svg(twelve_leads, speed_mm_s=speed, gain_mm_mv=gain))
    pulses = sheet.paths("calibration")
    assert len(pulses) == 4
    for pulse in pulses:
        up, width = re.search(r"v-([\d.]+)h([\d.]+)v", pulse.get("d")).groups()
        assert (float(up), float(width)) == (gain, 0.2 * speed)


def test_3x4_is_simultaneous_within_and_continuous_between_columns(twelve_leads, read_sheet):
    sheet = read_sheet(ecg_paper_svg(twelve_leads))
    assert sheet.root.get("data-layout") == "3x4"
    strips = sheet.strips()
    assert len(strips) == 13
    starts = {s.get("data-lead"): float(s.get("data-start")) for s in strips[:12]}
    for column in range(4):
        for lead in STANDARD_12_LEADS[3 * column : 3 * column + 3]:
            assert starts[lead] == 2.5 * column
    rhythm = strips[-1]
    assert rhythm.get("data-lead") == "II"
    assert float(rhythm.get("data-duration")) == 10
    # 2.5 s after its column's left end, every column ends where the next begins.
    x = sorted({float(s.get("data-x")) for s in strips})
    np.testing.assert_allclose(np.diff(x), 62.5)
    assert len(sheet.paths("separator")) == 9


@pytest.mark.parametrize(
    ("layout", "strips", "rows", "columns"),
    [("3x4", 13, 4, 4), ("6x2", 12, 6, 2), ("12x1", 12, 12, 1), ("1x", 12, 12, 1)],
)
def test_layouts(twelve_leads, read_sheet, layout, strips, rows, columns):
    sheet = read_sheet(ecg_paper_svg(twelve_leads, layout=layout))
    assert sheet.root.get("data-layout") == layout
    assert len(sheet.strips()) == strips
    assert len({s.get("data-baseline") for s in sheet.strips()}) == rows
    assert len({s.get("data-x") for s in sheet.strips()}) == columns
    for lead in STANDARD_12_LEADS:
        assert lead in sheet.words()


def test_each_lead_is_drawn_from_its_own_samples(twelve_leads, read_sheet):
    sheet = read_sheet(ecg_paper_svg(twelve_leads))
    for strip in sheet.strips():
        points = np.concatenate(sheet.trace(strip))
        wanted = 10 * (STANDARD_12_LEADS.index(strip.get("data-lead")) + 1) / 20
        highest = float(strip.get("data-baseline")) - points[:, 1].min()
        offset = 10 * float(strip.get("data-offset-mv"))
        assert highest + offset == pytest.approx(wanted, abs=0.02)


def test_auto_takes_rows_for_few_leads_and_for_short_recordings(twelve_leads, read_sheet):
    assert read_sheet(ecg_paper_svg(twelve_leads.window(0, 9.5))).root.get("data-layout") == "3x4"
    assert read_sheet(ecg_paper_svg(twelve_leads.window(0, 5))).root.get("data-layout") == "1x"
    two = twelve_leads.select(["V1", "II"])
    sheet = read_sheet(ecg_paper_svg(two))
    assert [s.get("data-lead") for s in sheet.strips()] == ["V1", "II"]


def test_eight_recorded_leads_become_twelve_with_the_derived_ones_marked(twelve_leads, read_sheet):
    eight = twelve_leads.select(["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"])
    words = read_sheet(ecg_paper_svg(eight)).words()
    assert "III*" in words
    assert "aVR*" in words
    assert "V1*" not in words
    assert "derived from the recorded limb leads" in words


def test_absent_leads_of_a_12_lead_layout_say_so(square_wave, read_sheet):
    sheet = read_sheet(ecg_paper_svg(square_wave, layout="3x4"))
    assert sheet.words().count("not recorded") == 11
    assert len(sheet.paths("trace")) == 2
    other = Recording.from_array(np.zeros(500), sampling_rate=100, leads="CM5", unit="mV")
    with pytest.raises(LeadError, match="layout 1x"):
        ecg_paper_svg(other, layout="6x2")


def test_one_long_lead_wraps_into_at_most_six_rows_and_says_what_it_shows(read_sheet):
    rate = 100
    signal = np.sin(np.arange(90 * rate) / 20)
    recording = Recording.from_array(signal, sampling_rate=rate, leads="I", unit="mV")
    sheet = read_sheet(ecg_paper_svg(recording))
    assert [float(s.get("data-start")) for s in sheet.strips()] == [0, 10, 20, 30, 40, 50]
    assert "0:00 to 1:00 of 1 min 30 s" in sheet.words()
    assert "0:50" in sheet.words()
    part = read_sheet(ecg_paper_svg(recording, start_s=65, duration_s=12))
    assert [float(s.get("data-duration")) for s in part.strips()] == [10, 2]
    assert "1:05 to 1:17 of 1 min 30 s" in part.words()
    first = part.trace(part.strips()[0])[0]
    drawn = float(part.strips()[0].get("data-baseline")) - first[:, 1]
    offset = float(part.strips()[0].get("data-offset-mv"))
    np.testing.assert_allclose(drawn / 10 + offset, signal[6500:7500], atol=1e-3)


def test_the_whole_recording_says_whole(square_wave, read_sheet):
    assert "10 s (whole recording)" in read_sheet(ecg_paper_svg(square_wave)).words()


def test_scale_filters_and_status_are_printed(square_wave, read_sheet):
    words = read_sheet(ecg_paper_svg(square_wave, speed_mm_s=12.5, gain_mm_mv=5)).words()
    assert "12.5 mm/s" in words
    assert "5 mm/mV" in words
    assert "unfiltered" in words
    assert "500 Hz" in words
    assert "Unconfirmed" in words
    assert "square.csv" in words
    filtered = Recording(
        signal=square_wave.signal,
        sampling_rate=500,
        leads=("II",),
        device={"manufacturer": "Acme", "low_pass_filter": "40 Hz", "notch": "50 Hz"},
    )
    words = read_sheet(ecg_paper_svg(filtered)).words()
    assert "low pass filter 40 Hz" in words
    assert "notch 50 Hz" in words
    assert "Acme" not in words


def test_missing_samples_leave_the_line_broken(square_wave, read_sheet):
    signal = square_wave.signal.copy()
    signal[0, 1000:1500] = np.nan
    recording = Recording(signal=signal, sampling_rate=500, leads=("II",))
    sheet = read_sheet(ecg_paper_svg(recording))
    runs = sheet.trace(sheet.strips()[0])
    assert len(runs) == 2
    assert runs[1][0, 0] - runs[0][-1, 0] == pytest.approx(501 / 500 * 25, abs=0.02)
    nothing = Recording(signal=np.full((1, 5000), np.nan), sampling_rate=500, leads=("II",))
    assert "no signal" in read_sheet(ecg_paper_svg(nothing)).words()


def test_a_trace_far_off_its_band_is_clipped_and_marked(square_wave, read_sheet):
    signal = square_wave.signal.copy()
    signal[0, 2000:2010] += 40.0
    sheet = read_sheet(ecg_paper_svg(Recording(signal=signal, sampling_rate=500, leads=("II",))))
    (trace,) = sheet.paths("trace")
    assert trace.get("clip-path").startswith("url(#")
    (marks,) = sheet.paths("off-scale")
    x = float(re.match(r"M([\d.]+)", marks.get("d")).group(1))
    assert x == pytest.approx(float(sheet.strips()[0].get("data-x")) + 100, abs=3)
    assert float(sheet.root.get("height")[:-2]) < 100
    assert not read_sheet(ecg_paper_svg(square_wave)).paths("off-scale")


def test_tall_complexes_get_a_taller_row_instead_of_being_clipped(read_sheet):
    time = np.arange(5000) / 500.0
    tall = Recording.from_array(
        np.where(time % 1 < 0.05, 2.4, 0.0), sampling_rate=500, leads="V4", unit="mV"
    )
    assert not read_sheet(ecg_paper_svg(tall)).paths("off-scale")


def test_hostile_text_stays_text(read_sheet):
    hostile = '<script>alert("1")</script>\x00\x1b[31m'
    recording = Recording(
        signal=np.zeros((1, 1000), dtype=np.float32),
        sampling_rate=100,
        leads=(hostile,),
        source=hostile,
        device={"filter": hostile},
        start_time=dt.datetime(2024, 1, 1),
    )
    text = ecg_paper_svg(recording, title=hostile, identifier='x" onload="y')
    sheet = read_sheet(text)  # well-formed XML
    assert "<script" not in text
    assert sheet.strips()[0].get("data-lead").startswith('<script>alert("1")')
    assert not any("onload" in element.attrib for element in sheet.root.iter())


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_nothing_is_loaded_from_elsewhere(square_wave, theme):
    text = ecg_paper_svg(square_wave, theme=theme)
    without_namespace = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|href|<image|<style|<script|@import", without_namespace)
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {
        f"#{name}" for name in re.findall(r'id="([^"]+)"', text)
    }


def test_the_drawing_is_deterministic_and_its_ids_follow_the_content(square_wave, twelve_leads):
    assert ecg_paper_svg(square_wave) == ecg_paper_svg(square_wave)
    ids = [
        re.search(r'clipPath id="([^"]+)"', ecg_paper_svg(r)) for r in (square_wave, twelve_leads)
    ]
    assert ids[0].group(1) != ids[1].group(1)


def test_a_standard_sheet_fits_a_landscape_a4_page(twelve_leads, read_sheet):
    root = read_sheet(ecg_paper_svg(twelve_leads)).root
    assert float(root.get("width")[:-2]) <= 281
    assert float(root.get("height")[:-2]) <= 165


def test_size_is_bounded_for_high_sampling_rates():
    noise = np.random.default_rng(0).normal(size=(12, 80_000))
    recording = Recording.from_array(noise, sampling_rate=8000, leads=STANDARD_12_LEADS, unit="mV")
    assert len(ecg_paper_svg(recording)) < 400_000


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "4x3"},
        {"theme": "pink"},
        {"speed_mm_s": 0},
        {"gain_mm_mv": float("nan")},
        {"duration_s": -1},
        {"start_s": float("nan")},
    ],
)
def test_unusable_options_are_refused(square_wave, options):
    with pytest.raises(ValueError, match=r"layout|theme|speed|gain|duration|start"):
        ecg_paper_svg(square_wave, **options)


def test_a_start_outside_the_recording_is_refused(square_wave):
    with pytest.raises(SignalError, match="start"):
        ecg_paper_svg(square_wave, start_s=10)
    with pytest.raises(SignalError, match="start"):
        ecg_paper_svg(square_wave, start_s=-1)
    empty = Recording(signal=np.zeros((0, 100)), sampling_rate=100, leads=())
    with pytest.raises(LeadError, match="no ECG lead"):
        ecg_paper_svg(empty)
