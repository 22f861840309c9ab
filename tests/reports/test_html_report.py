"""The HTML report: self-contained, escaped, accessible, and complete in what it says."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from ecgfoundry.errors import TruncatedFileError
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.reports import ReportItem, html_report
from ecgfoundry.reports.html.style import DARK, LIGHT
from ecgfoundry.reports.wording import DISCLAIMER

_VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Reads a page back: elements with attributes, text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_one_recording(square_wave, make_interpretation):
    recording = Recording(
        signal=square_wave.signal,
        sampling_rate=500,
        leads=("II",),
        subject=Subject(age=63, sex="female"),
        start_time=dt.datetime(2024, 5, 6, 7, 8, 9),
        device={"manufacturer": "Acme", "model": "C3", "notch_filter": "50 Hz"},
    )
    page = Page(html_report([ReportItem(recording, make_interpretation())]))
    for text in (
        "a.dcm", "63 years, female", "2024-05-06 07:08:09", "10 s", "500 Hz", "Acme C3",
        "notch filter 50 Hz", "tiny 1.2.0", "ptbxl-bandpass@1", "onnxruntime", DISCLAIMER,
        "Calibrated probability", "0.91", "threshold 0.40", "local:atr", "not present",
    ):  # fmt: skip
        assert text in page.words, text
    assert page.words.index("Atrial fibrillation") < page.words.index("Normal ECG")
    assert len([svg for svg in page.of("svg") if svg.get("class") == "ecg-paper"]) == 1


def test_the_head_says_who_when_and_what_the_device_stated(square_wave, make_interpretation):
    recording = dataclasses.replace(
        square_wave,
        subject=Subject(age=63, sex="female", identifier="A7"),
        start_time=dt.datetime(2024, 5, 6, 7, 8, 9),
        header={"heart_rate_bpm": "71", "qrs_axis_deg": "-30", "qt_ms": "402",
                "statements": "Sinus rhythm\n\nNormal ECG"},
    )  # fmt: skip
    words = Page(html_report([ReportItem(recording, make_interpretation())])).words
    for text in (
        "Identifier A7", "2024-05-06 07:08:09, time zone not stated",
        "Stated by the recording device (not checked here)",
        "ventricular rate, beats per minute 71 /min", "frontal QRS axis -30°",
        "QT interval 402 ms", "Sinus rhythm Normal ECG",
    ):  # fmt: skip
        assert text in words, text
    zone = dt.timezone(dt.timedelta(hours=5, minutes=45))
    zoned = dataclasses.replace(
        square_wave, start_time=dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=zone)
    )
    words = Page(html_report([ReportItem(zoned, make_interpretation())])).words
    assert "2024-05-06 07:08:09 UTC+05:45" in words and "Identifier not stated" in words
    assert "Stated by the recording device" not in words


def test_kinds_of_episodes_that_have_no_lane_are_named(make_interpretation):
    """Eight lanes are drawn; the two kinds of the least burden stand in the table alone."""
    names = [f"kind {number}" for number in range(10)]
    interpretation = make_interpretation(
        duration_s=600.0,
        burden={name: (10 - number) / 20 for number, name in enumerate(names)},
        episodes=[
            {"name": name, "start_s": 50.0 * k, "end_s": 50.0 * k + 40, "probability": 0.9}
            for k, name in enumerate(names)
        ],
    )
    text = html_report([ReportItem(None, interpretation)])
    assert "only in the table: kind 8, kind 9" in Page(text).words
    assert text.count('<tr><th scope="row">kind ') == 10


def test_the_bar_and_its_threshold_tick_stand_at_their_numbers(make_interpretation):
    text = html_report([ReportItem(None, make_interpretation())])
    row = text[text.index("Atrial fibrillation") :]
    assert re.search(r'class="fill-present" fill="#[0-9a-f]{6}" y="3" width="91.00"', row)
    assert re.search(r'class="tick" stroke="#[0-9a-f]{6}" d="M40.00 0V14"', row)
    assert 'aria-label="probability 0.91, threshold 0.40"' in row


def test_decisions_differ_in_words_and_shape(make_interpretation, make_finding):
    findings = [
        make_finding("A", 0.9, 0.5, True),
        make_finding("B", 0.1, 0.5, False),
        make_finding("C", 0.3, None, None),
    ]
    text = html_report([ReportItem(None, make_interpretation(findings=findings))])
    rows = re.findall(r'<tr[^>]*><th scope="row">.*?</tr>', text, re.DOTALL)
    shapes = [re.search(r'<(rect|circle|path) class="icon', row).group(1) for row in rows]
    assert shapes == ["rect", "path", "circle"]  # C before B: the higher number
    words = [re.search(r'class="piece">([a-z ]+)', row).group(1).strip() for row in rows]
    assert words == ["present", "not decided", "not present"]


def test_uncalibrated_scores_without_thresholds_are_called_so(make_interpretation, make_finding):
    interpretation = make_interpretation(
        calibrated=False, findings=[make_finding("A", 0.9, None, None)]
    )
    words = Page(html_report([ReportItem(None, interpretation)])).words
    assert "uncalibrated" in words
    assert "not probabilities" in words
    assert "no threshold" in words
    assert "nothing is decided" in words
    assert "Calibrated probability" not in words


def test_one_uncalibrated_finding_among_calibrated_ones_is_tagged(
    make_interpretation, make_finding
):
    findings = [make_finding("A", 0.9, 0.5, True), make_finding("B", 0.2, 0.5, False)]
    findings[1]["calibrated"] = False
    text = html_report([ReportItem(None, make_interpretation(findings=findings))])
    assert text.count('<span class="tag">uncalibrated</span>') == 1


def test_numbers_never_round_to_certainty(make_interpretation, make_finding):
    findings = [make_finding("A", 0.9996, 0.5, True), make_finding("B", 0.0004, 0.5, False)]
    words = Page(html_report([ReportItem(None, make_interpretation(findings=findings))])).words
    assert ">0.99" in words
    assert "<0.01" in words


def test_warnings_and_refusals_are_prominent(
    square_wave, make_interpretation, refused_interpretation
):
    warned = make_interpretation(
        quality={
            "verdict": "usable",
            "warnings": [{"code": "noise", "message": "Much noise", "leads": ["V2"]}],
        }
    )
    words = Page(html_report([ReportItem(square_wave, warned)])).words
    assert "Warning: Much noise (lead V2) (noise)" in words
    assert words.index("Much noise") < words.index("Atrial fibrillation")
    page = Page(html_report([ReportItem(square_wave, refused_interpretation)]))
    assert "Not interpreted" in page.words
    assert "Every lead is flat (lead II)" in page.words
    assert "Findings" not in page.words.replace(DISCLAIMER + " Findings", "")
    assert any(svg.get("class") == "ecg-paper" for svg in page.of("svg"))
    assert "Not interpreted" in Page(html_report([ReportItem(None, refused_interpretation)])).words


def test_a_long_recording_has_episodes_burden_and_a_timeline(long_interpretation):
    rate = 50
    recording = Recording.from_array(
        np.sin(np.arange(1800 * rate) / 5),
        sampling_rate=rate,
        leads="I",
        unit="mV",
        start_time=dt.datetime(2024, 1, 1, 22, 0, 0),
    )
    text = html_report([ReportItem(recording, long_interpretation)])
    page = Page(text)
    for part in ("5:00", "12:25", "22:05:00", "7 min 25 s", "0.88", "25 %", "75 %", "29 min 40 s"):
        assert part in page.words, part
    assert "Timeline of the episodes" in text
    assert "not readable, 1:10 to 1:30: The lead is flat" in page.words
    assert "Atrial fibrillation: start of its longest episode, 5:00" in page.words
    starts = [g["data-start"] for g in page.of("g") if g.get("class") == "strip"]
    assert starts == ["300", "0", "10"]


def test_an_excerpt_of_a_long_recording_never_passes_for_the_whole(long_interpretation):
    first_minute = Recording.from_array(
        np.sin(np.arange(6000) / 9), sampling_rate=100, leads="I", unit="mV"
    )
    page = Page(html_report([ReportItem(first_minute, long_interpretation)]))
    assert "30 min" in page.words
    assert "0:00 to 0:20 of 30 min" in page.words
    assert "whole recording" not in page.words
    assert "start of its longest episode" not in page.words  # it is not in the excerpt

    asked = []

    def read_part(start_s: float, duration_s: float) -> Recording:
        asked.append((start_s, duration_s))
        return first_minute.window(0, duration_s)

    item = ReportItem(first_minute, long_interpretation, read_part=read_part)
    page = Page(html_report([item]))
    assert asked == [(300, 10)]
    assert "5:00 to 5:10 of 30 min" in page.words
    starts = [g["data-start"] for g in page.of("g") if g.get("class") == "strip"]
    assert starts == ["300", "0", "10"]


def test_the_episode_bar_stands_at_its_time(long_interpretation):
    text = html_report([ReportItem(None, long_interpretation)])
    ground = re.search(r'lane-ground" fill="[^"]+" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', text)
    left, width = map(float, ground.groups())
    bar = re.search(r'lane-on" fill="[^"]+" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', text)
    x, length = map(float, bar.groups())
    assert (x - left) / width == pytest.approx(300 / 1800, abs=1e-3)
    assert length / width == pytest.approx(445 / 1800, abs=1e-3)


def test_several_windows_have_a_timeline(make_interpretation):
    windows = [
        {
            "start_s": 10.0 * k,
            "duration_s": 10.0,
            "probabilities": {"Atrial fibrillation": p},
            "present": ["Atrial fibrillation"] if p > 0.4 else [],
            "refused": None,
        }
        for k, p in enumerate((0.2, 0.9, 0.95))
    ]
    windows.append(
        {"start_s": 30.0, "duration_s": 10.0, "refused": {"code": "flat", "message": "Flat"}}
    )
    page = Page(
        html_report([ReportItem(None, make_interpretation(windows=windows, duration_s=40))])
    )
    assert "Windows: 4 of 10 s" in page.words
    assert "Atrial fibrillation, 0:10: 0.90, present" in page.words
    assert "Atrial fibrillation, 0:00: 0.20 " in page.words
    assert "not readable, 0:30 to 0:40: Flat" in page.words


def test_values_with_units_and_intervals(make_interpretation):
    potassium = {
        "name": "Potassium", "code": "loinc:2823-3", "present": None,
        "value": 5.93, "unit": "mmol/L", "low": 5.1, "high": 6.7,
    }  # fmt: skip
    interpretation = make_interpretation(target_kind="regression", findings=[potassium])
    words = Page(html_report([ReportItem(None, interpretation)] * 2)).words
    assert "5.93 mmol/L" in words
    assert "5.1 to 6.7 mmol/L" in words
    assert "not decided" not in words


def test_the_most_probable_class_needs_no_threshold(make_interpretation, make_finding):
    interpretation = make_interpretation(
        target_kind="multiclass",
        findings=[make_finding("A", 0.8, None, True), make_finding("B", 0.2, None, False)],
    )
    words = Page(html_report([ReportItem(None, interpretation)])).words
    assert "most probable one is marked present" in words
    assert "no threshold" not in words


def test_many_findings_are_folded_but_present_ones_never(make_interpretation, make_finding):
    findings = [make_finding(f"Target {k}", k / 200, 0.5, k >= 138) for k in range(150)]
    text = html_report([ReportItem(None, make_interpretation(findings=findings))])
    folded = text[text.index("<details>") : text.index("</details>")]
    assert "138 further findings" in folded
    assert 'class="is-present"' not in folded
    assert text.count('class="is-present"') == 12


def test_several_items_have_an_index_whose_anchors_exist(
    square_wave, make_interpretation, refused_interpretation, long_interpretation
):
    items = [
        ReportItem(square_wave, make_interpretation()),
        ReportItem(square_wave, make_interpretation(file="C:\\ward\\b.xml")),
        ReportItem(None, refused_interpretation),
        ReportItem(None, long_interpretation),
    ]
    failures = [
        {"file": "x.scp", "code": "truncated", "message": "x.scp: ends early"},
        TruncatedFileError("ends early", path="y.scp"),
    ]
    text = html_report(items, title="Ward <7>", failures=failures)
    page = Page(text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = {a["href"][1:] for a in page.of("a")} - {"top"}
    assert anchors == {"recording-1", "recording-2", "recording-3", "recording-4"} <= set(ids)
    for part in ("Ward <7>", "b.xml", "x.scp", "y.scp", "2 files could not be worked on"):
        assert part in page.words
    references = {
        name
        for _, attributes in page.elements
        for key in ("aria-labelledby", "aria-describedby")
        for name in (attributes.get(key) or "").split()
    }
    assert references <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)


def test_hostile_text_stays_text(make_interpretation, make_finding):
    hostile = "<script>alert('1')</script><img src=x onerror=alert(1)>\x1b[2J\u202e"
    words = {"codes": {hostile: hostile}, "description": hostile, "caveat": hostile}
    interpretation = make_interpretation(
        file=hostile,
        model=hostile,
        runtime=hostile,
        preprocessing=hostile,
        leads_used=[hostile],
        duration_s=20.0,
        findings=[make_finding(hostile, 0.9, 0.5, True, **words)],
        windows=[
            {"start_s": k * 10, "duration_s": 10, "probabilities": {hostile: 0.7}} for k in (0, 1)
        ],
        quality={"verdict": "usable", "warnings": [{"code": "x", "message": hostile}]},
    )
    recording = Recording(
        signal=np.zeros((1, 1000), dtype=np.float32),
        sampling_rate=100,
        leads=(hostile,),
        subject=Subject(identifier=hostile),
        device={hostile: hostile, "filter": hostile},
        header={"statements": hostile, hostile: hostile},
        source=hostile,
        format=hostile,
    )
    failures = [{"file": hostile, "code": hostile, "message": hostile}]
    items = [ReportItem(recording, interpretation)] * 2
    text = html_report(items, title=hostile, failures=failures)
    page = Page(text)
    assert not page.of("script")
    assert not page.of("img")
    assert "\x1b" not in text and "\u202e" not in text
    assert not [
        key for _, attributes in page.elements for key in attributes if key.startswith("on")
    ]
    assert "<script>alert('1')" in page.words


def test_hostile_names_of_episodes_stay_text(make_interpretation):
    names = [f"<img src=x onerror=alert({k})>\x1b[2J\u202e\"'" for k in range(10)]
    interpretation = make_interpretation(
        duration_s=600.0,
        burden=dict.fromkeys(names, 0.1),
        episodes=[
            {"name": name, "start_s": 50.0 * k, "end_s": 50.0 * k + 40, "probability": 0.9}
            for k, name in enumerate(names)
        ],
    )
    text = html_report([ReportItem(None, interpretation)])
    page = Page(text)
    assert not page.of("img")
    assert "\x1b" not in text and "\u202e" not in text
    assert page.words.count("<img src=x onerror=alert(9)>") == 2  # left out of the lanes; a row


def test_nothing_is_loaded_and_the_policy_names_the_one_style_sheet(
    square_wave, make_interpretation
):
    text = html_report([ReportItem(square_wave, make_interpretation())])
    assert not re.search(r"https?://", text.replace('xmlns="http://www.w3.org/2000/svg"', ""))
    page = Page(text)
    assert not page.of("script") + page.of("link") + page.of("img") + page.of("iframe")
    assert "@import" not in text
    policy = next(m["content"] for m in page.of("meta") if m.get("http-equiv"))
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    # The policy forbids style attributes, so there must be none.
    assert not [attributes for _, attributes in page.elements if "style" in attributes]


def test_structure_for_screen_readers(square_wave, make_interpretation):
    page = Page(html_report([ReportItem(square_wave, make_interpretation())] * 2))
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(headings))
    assert len(page.of("table")) == len(page.of("caption"))
    for svg in page.of("svg"):
        assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
    assert page.of("html")[0]["lang"] == "en"


def _luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_a_contrast_of_at_least_4_5(colours):
    pairs = [
        ("text", "page"), ("text", "card"), ("muted", "page"), ("muted", "card"),
        ("accent", "card"), ("warning", "warning-back"), ("refusal", "refusal-back"),
        ("text", "bar-track"), ("muted", "bar-track"), ("ecg-text", "ecg-background"),
        ("ecg-muted", "ecg-background"), ("ecg-trace", "ecg-minor"), ("ecg-trace", "ecg-major"),
    ]  # fmt: skip
    for front, back in pairs:
        high, low = sorted((_luminance(colours[front]), _luminance(colours[back])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)
    assert LIGHT.keys() == DARK.keys()


def test_an_empty_report_is_still_a_page():
    assert DISCLAIMER in Page(html_report([])).words
