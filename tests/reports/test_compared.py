"""Two recordings compared: changed values and the median beats over each other, by hand."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from ecgfoundry.criteria import Change, Comparison, Statement
from ecgfoundry.criteria.types import Evidence
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.measurements.values import GLOBAL_VALUES, missing
from ecgfoundry.reports import ReportItem, html_report
from ecgfoundry.reports.compared import compared, comparison_table
from ecgfoundry.reports.paper.median_beats import median_beats_svg, superimposed_svg


def beat(height_mv: float, t_offset: float, source: str) -> Measurements:
    """A triangle of 80 ms at the QRS onset, whose peak is 40 ms after it, in two leads."""
    values = np.zeros((2, 500))
    values[:, 180:221] = height_mv * (1 - np.abs(np.arange(-20, 21)) / 20)
    median = MedianBeat(
        ("II", "V5"), values, 500.0, 200,
        {"qrs_onset": 180.0, "qrs_offset": 220.0, "t_offset": t_offset},
        np.ones(1), np.zeros(2), beats_used=5,
    )  # fmt: skip
    return Measurements(
        beats=Beats.from_samples([200], 500.0),
        leads={},
        values={name: missing(of.unit, "not asked for") for name, of in GLOBAL_VALUES.items()},
        median=median,
        source=source,
    )


@pytest.fixture
def comparison() -> Comparison:
    qt = Change("qtc_ms", None, "ms", 400.0, 460.0, 60.0, 30.0)
    t = Change("t_mv", "V5", "mV", 0.5, -0.2, -0.7, 0.1)
    same = Change("qrs_ms", None, "ms", 90.0, 94.0, 4.0, 12.0)
    shown = Evidence("qtc_ms change", 60.0, "ms", "beyond ±30", True, "here")
    return Comparison(
        earlier=beat(2.0, 380.0, "a/first.dcm"),
        later=beat(1.0, 400.0, "b/second.dcm"),
        changes=(qt, t, same),
        statements=(Statement("QT HAS LENGTHENED", "serial", True, (shown,)),),
        appeared=("LEFT BUNDLE BRANCH BLOCK",),
        disappeared=("WITH 1ST DEGREE AV BLOCK",),
    )


def test_words(comparison) -> None:
    found = compared(comparison)
    assert found.names == ("first.dcm", "second.dcm")
    assert found.statements == (
        ("QT has lengthened", "QTc after Fridericia changed by +60 ms (usual variation ±30 ms)"),
    )
    assert (found.appeared, found.disappeared) == (
        ("left bundle branch block",),
        ("1st degree AV block",),
    )
    rows = [(r.name, r.earlier, r.later, r.difference, r.limit) for r in found.changed]
    minus = "\N{MINUS SIGN}"
    assert rows == [
        ("QTc after Fridericia", "400 ms", "460 ms", "+60 ms", "±30 ms"),
        ("T amplitude in V5", "0.50 mV", f"{minus}0.20 mV", f"{minus}0.70 mV", "±0.10 mV"),
    ]
    assert found.values == 3


def test_both_beats_stand_on_one_axis_at_their_scale(comparison, read_sheet) -> None:
    """At 50 mm/s and 10 mm/mV: the QRS onset 250 ms behind the edge of a panel, at 20 + 3 mm."""
    sheet = read_sheet(superimposed_svg(comparison, title="Median beats"))
    earlier = sheet.lines(sheet.paths("earlier")[0])[0]
    (strip, _) = sheet.strips()
    later = sheet.trace(strip)[0]
    baseline = float(strip.get("data-baseline"))
    onset = float(strip.get("data-x")) + 0.25 * 50
    for line, height in ((earlier, 20.0), (later, 10.0)):
        peak = line[line[:, 1].argmin()]
        assert peak[0] == pytest.approx(onset + 2.0, abs=0.02)
        assert baseline - peak[1] == pytest.approx(height, abs=0.02)
    # Lines at the QRS onset, J and the T offset of the later one, 0, 80 and 440 ms behind.
    (lines,) = sheet.paths("mark-lines")
    starts = [float(part.split()[0]) for part in lines.get("d").split("M")[1:4]]
    assert starts == pytest.approx([onset, onset + 4.0, onset + 22.0], abs=0.02)
    assert "earlier" in sheet.words() and "50 mm/s" in sheet.words()


def test_the_median_beat_of_one_recording(comparison, read_sheet) -> None:
    sheet = read_sheet(median_beats_svg(comparison.later, title="Median beats"))
    assert not sheet.paths("earlier") and len(sheet.strips()) == 2
    assert "Unconfirmed" in sheet.words()
    none = Measurements.from_dict(comparison.later.to_dict())
    assert median_beats_svg(none) == "" == superimposed_svg(Comparison(none, none, (), (), (), ()))


def test_terminal_and_report(comparison, square_wave, make_interpretation) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    remark = "Both are one and the same recording."
    comparison = replace(comparison, left_out=("V1", "V2"), remarks=(remark,))
    comparison_table(comparison, console=console)
    text = console.export_text()
    page = html_report([ReportItem(square_wave, make_interpretation(), comparison=comparison)])
    for words in ("Compared with first.dcm", "QT has lengthened", "T amplitude in V5", "±30 ms"):
        assert words in text and words in page, words
    assert "2 of 3 values changed" in text and "2 of 3 values changed" in page
    said = "Not compared, for one recording alone has them: V1, V2."
    assert said in text and said in page
    assert remark in text and remark in page
    assert 'data-layout="median"' in page
