"""P, QRS and T on the sheet, and what a statement rests on, at positions worked out by hand.

Sheets are at 25 mm/s and begin 18 mm from the left (3 mm margin, 5 mm lead-in, 5 mm pulse, 5 mm
after it), so that second 1.0 stands at 43 mm.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ecgfoundry.criteria import Evidence, Statement
from ecgfoundry.errors import MissingExtraError, SignalError
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.measurements.values import GLOBAL_VALUES, LeadMeasurements, missing
from ecgfoundry.recording import Recording
from ecgfoundry.reports import ReportItem, ecg_paper_svg, html_report
from ecgfoundry.reports.paper.files import svg_to_png
from ecgfoundry.reports.paper.marks import Span, first_shown, marks_layer, spans_of
from ecgfoundry.reports.pdf import html_to_pdf

_SVG = "{http://www.w3.org/2000/svg}"
LABELS = "NNVNNNNNN"


def evidence(name: str, value: float, unit: str = "mV", **more) -> Evidence:
    return Evidence(name=name, value=value, unit=unit, limit="", met=True, source="here", **more)


def statement(name: str, *items: Evidence, group: str = "st_t") -> Statement:
    return Statement(name=name, group=group, present=True, evidence=items)


ST = statement("ST DEPRESSION", evidence("st_j_mv", -0.1, lead="V2", beat="median"))
PVC = statement(
    "PREMATURE VENTRICULAR COMPLEXES", evidence("ventricular_premature_count", 1.0, "1")
)
RATE = statement("SINUS TACHYCARDIA", evidence("heart_rate_bpm", 120.0, "bpm"), group="rate")


@pytest.fixture
def measured() -> Measurements:
    """A beat every second: P 160 ms before R, QRS 40 ms to either side, T to 360 ms after it."""
    times = np.arange(1.0, 10.0)
    beats = Beats.from_samples(
        np.round(times * 500).astype(int),
        500.0,
        label=list(LABELS),
        template=np.array([0, 0, 1, 0, 0, 0, 0, 0, 0]),
        p_s=times - 0.16,
        qrs_onset_s=times - 0.04,
        qrs_offset_s=times + 0.04,
        t_offset_s=times + 0.36,
        confidence=np.full(9, 0.9),
    )
    columns = {  # at 500 Hz, the R peak in column 200
        "p_onset": 120.0, "p_offset": 170.0, "qrs_onset": 180.0, "qrs_offset": 220.0,
        "t_onset": 300.0, "t_offset": 380.0,
    }  # fmt: skip
    leads = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    median = MedianBeat(
        leads, np.zeros((12, 500)), 500.0, 200, columns, np.ones(9), np.zeros(12), beats_used=8
    )
    return Measurements(
        beats=beats,
        leads={lead: LeadMeasurements() for lead in leads},
        values={name: missing(of.unit, "not asked for") for name, of in GLOBAL_VALUES.items()},
        median=median,
        duration_s=10.0,
        sampling_rate=500.0,
    )


def boxes(sheet, kind: str) -> list[tuple[float, float]]:
    """Left edge and width of the boxes of the marks or the highlight, mm."""
    found = []
    for group in sheet.root.iter(f"{_SVG}g"):
        if group.get("class") == "mark" and kind == "mark":
            found += list(group.iter(f"{_SVG}rect"))
    if kind == "highlight":
        found = [r for r in sheet.root.iter(f"{_SVG}rect") if r.get("class") == "highlight"]
    return [(float(r.get("x")), float(r.get("width"))) for r in found]


def test_boxes_and_lines_stand_at_the_waves_of_the_rhythm_strip(
    twelve_leads, measured, read_sheet
) -> None:
    sheet = read_sheet(ecg_paper_svg(twelve_leads, overlay=marks_layer(measured)))
    found = sorted(boxes(sheet, "mark"))
    assert len(found) == 3 * 9  # once a beat, not once a lead
    # P 0.84 to 0.94 s, QRS 0.96 to 1.04 s, T 1.20 to 1.36 s: 25 mm a second from 18 mm on.
    assert found[0] == pytest.approx((39.0, 2.5), abs=0.011)
    assert found[1] == pytest.approx((42.0, 2.0), abs=0.011)
    assert found[2] == pytest.approx((48.0, 4.0), abs=0.011)
    (lines,) = sheet.paths("mark-lines")
    starts = [float(part.split()[0]) for part in lines.get("d").split("M")[1:]]
    assert sorted(starts)[:4] == pytest.approx([39.0, 42.0, 44.0, 52.0], abs=0.011)
    words = [t for g in sheet.root.iter(f"{_SVG}g") if g.get("class") == "mark-text" for t in g]
    letters = "".join(t.text for t in words)
    assert letters.count("V") == 1 and letters.count("P") == letters.count("T") == 9
    (v,) = [t for t in words if t.text == "V"]
    assert float(v.get("x")) == pytest.approx(18 + 25 * 3.0, abs=0.011)


def test_the_rows_of_one_lead_each_have_their_marks(measured, read_sheet) -> None:
    signal = np.sin(np.arange(15_000) / 50.0)
    strip = Recording.from_array(signal, sampling_rate=500, leads="II", unit="mV")
    times = np.array([1.0, 11.0, 21.0])
    beats = Beats.from_samples(
        (times * 500).astype(int), 500.0, qrs_onset_s=times - 0.04, qrs_offset_s=times + 0.04
    )
    overlay = marks_layer(replace(measured, beats=beats))
    sheet = read_sheet(ecg_paper_svg(strip, overlay=overlay))
    assert [x for x, _ in boxes(sheet, "mark")] == pytest.approx([42.0] * 3, abs=0.011)
    heights = {
        g.find(f"{_SVG}rect").get("y") for g in sheet.root.iter() if g.get("class") == "mark"
    }
    assert len(heights) == 3


def test_a_level_of_st_is_painted_in_its_lead_alone(twelve_leads, measured, read_sheet) -> None:
    sheet = read_sheet(ecg_paper_svg(twelve_leads, overlay=marks_layer(measured, ST)))
    # V2 stands in the third column, seconds 5.0 to 7.5: the usual beats at 5, 6 and 7 s. The first
    # begins with J at 5.04 s; J + 80 ms, and 0.4 mm of margin on either side.
    found = boxes(sheet, "highlight")
    assert [x for x, _ in found] == pytest.approx([143.6, 168.6, 193.6], abs=0.011)
    assert [width for _, width in found] == pytest.approx([2.8] * 3, abs=0.011)
    (layer,) = [g for g in sheet.root.iter(f"{_SVG}g") if g.get("class") == "marks"]
    assert layer.get("data-statement") == "ST DEPRESSION"


def near(start: float, end: float):
    return pytest.approx(start), pytest.approx(end)


def test_what_statements_point_at(measured) -> None:
    # The only V beat, at 3 s, in all leads: QRS onset to T offset.
    assert spans_of(PVC, measured) == (Span(None, *near(2.96, 3.36)),)
    # An axis, a rate: nothing in the trace.
    axis = statement("LEFT AXIS DEVIATION", evidence("qrs_axis_deg", -40.0), group="axis")
    assert spans_of(RATE, measured) == spans_of(axis, measured) == ()
    assert first_shown([RATE, axis, PVC, ST], measured) is PVC
    assert first_shown([RATE], measured) is None
    # A beat by its number, and the waves of the usual beats, of which there are eight.
    pause = statement("SINUS PAUSE", evidence("longest_pause_s", 2.5, beat=4), group="pauses")
    assert spans_of(pause, measured) == (Span(None, *near(4.96, 5.36)),)
    for name, first, last in (
        ("q_ms", 0.96, 1.04), ("t_mv", 1.20, 1.36), ("p_mv", 0.84, 0.94), ("pr_ms", 0.84, 0.96),
        ("qtc_ms", 0.96, 1.36), ("qrs_ms", 0.96, 1.04),
    ):  # fmt: skip
        spans = spans_of(statement("X", evidence(name, 1.0, lead="II", beat="median")), measured)
        assert len(spans) == 8
        assert spans[0] == Span("II", *near(first, last)), name
    # All beats that a count is of, though it names the first alone: the pair, and not the third.
    pair = replace(
        measured, beats=replace(measured.beats, label=np.array(list("NVNSSNVVN"), "<U1"))
    )
    couplet = statement(
        "VENTRICULAR COUPLETS", evidence("ventricular_couplet_count", 1.0, "1", beat=6)
    )
    assert spans_of(couplet, pair) == (Span(None, *near(6.96, 7.36)), Span(None, *near(7.96, 8.36)))
    # P waves at every beat are the rule.
    rhythm = statement("SINUS RHYTHM", evidence("p_mv", 0.1, lead="II"), group="rhythm")
    assert spans_of(rhythm, measured) == ()


def test_the_paint_is_seen_and_hides_nothing(twelve_leads, measured) -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("resvg_py")

    def pixels(chosen: Statement | None) -> np.ndarray:
        svg = ecg_paper_svg(twelve_leads, overlay=marks_layer(measured, chosen))
        png = svg_to_png(svg, dpi=127)
        return np.asarray(image.open(io.BytesIO(png)).convert("RGB")).astype(int)

    plain, painted = pixels(None), pixels(ST)
    ink = plain.max(axis=2) < 90
    assert (painted.max(axis=2)[ink] < 100).all()
    yellow = (painted[..., 0] > 220) & (painted[..., 1] > 200) & (painted[..., 2] < 205)
    rows, columns = np.nonzero(yellow & (plain[..., 2] > 205))
    # 5 pixels a mm: three stretches between 143.6 mm (5.04 s) and 196.8 mm (7.12 s).
    assert columns.min() / 5 == pytest.approx(143.6, abs=0.5)
    assert columns.max() / 5 == pytest.approx(196.4, abs=0.6)
    assert (rows.max() - rows.min()) / 5 == pytest.approx(25.0, abs=0.6)  # one row


def test_every_beat_of_a_class_is_painted(twelve_leads, measured) -> None:
    """Atrial beats at 4, 5 and 8 s, of which the evidence names the first."""
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("resvg_py")
    beats = replace(measured.beats, label=np.array(list("NNNSSNNSN"), "<U1"))
    pac = statement(
        "PREMATURE ATRIAL COMPLEXES",
        evidence("supraventricular_premature_count", 3.0, "1", beat=3),
        group="ectopy",
    )
    overlay = marks_layer(replace(measured, beats=beats), pac)
    png = svg_to_png(ecg_paper_svg(twelve_leads, overlay=overlay), dpi=127)
    pixels = np.asarray(image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    yellow = (pixels[..., 0] > 220) & (pixels[..., 1] > 200) & (pixels[..., 2] < 205)
    # 5 pixels a mm; a beat at t s is painted from 18 + 25 (t - 0.04) mm on for 10 mm.
    lowest = yellow[-150:].any(axis=0)  # of the rhythm strip, the last 30 mm
    painted = [second for second in range(1, 10) if lowest[5 * (18 + 25 * second)]]
    assert painted == [4, 5, 8]


@pytest.fixture
def interpreted(make_interpretation: Callable, measured):
    return replace(make_interpretation(), measurements=measured, statements=(RATE, PVC, ST))


def test_the_report_paints_the_first_or_the_chosen_statement(twelve_leads, interpreted) -> None:
    page = html_report([ReportItem(twelve_leads, interpreted)])
    assert 'data-statement="PREMATURE VENTRICULAR COMPLEXES"' in page
    assert "painted: premature ventricular complexes" in page
    chosen = html_report([ReportItem(twelve_leads, interpreted, highlight="ST DEPRESSION")])
    assert 'data-statement="ST DEPRESSION"' in chosen
    with pytest.raises(SignalError, match="not present") as error:
        ReportItem(twelve_leads, interpreted, highlight="ATRIAL FLUTTER")
    assert "ST DEPRESSION" in (error.value.remedy or "")


@pytest.mark.slow
def test_the_pdf_has_statements_marks_and_the_devices_own_words(twelve_leads, interpreted) -> None:
    pdfium = pytest.importorskip("pypdfium2")
    recording = replace(
        twelve_leads, header={"qrs_ms": "96", "statements": "Sinus rhythm\nNormal ECG"}
    )
    try:
        content = html_to_pdf(html_report([ReportItem(recording, interpreted)]))
    except MissingExtraError as error:
        pytest.skip(str(error))
    pages = [page.get_textpage().get_text_range() for page in pdfium.PdfDocument(content)]
    text = " ".join(" ".join(pages).split())
    for words in (
        "premature ventricular complexes", "1 ventricular premature beat",
        "ST level at J in V2 \N{MINUS SIGN}0.10 mV", "Statements of the device (not checked) ",
        "Normal ECG", "Median beats", "ECG as recorded, painted: premature ventricular complexes",
        "device", "96",
    ):  # fmt: skip
        assert words in text, words
