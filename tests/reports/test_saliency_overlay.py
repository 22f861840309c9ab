"""The marker pen marks what is salient, where it is, and nothing else."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from ecgfoundry.explanations import Saliency
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording
from ecgfoundry.reports.paper.ecg_paper import ecg_paper_svg
from ecgfoundry.reports.paper.saliency import saliency_page, saliency_svg

NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def recording() -> Recording:
    time = np.arange(5000) / 500.0
    beats = np.exp(-((((time % 1.0) - 0.5) / 0.02) ** 2))
    signal = np.stack([beats * (row + 1) / 6 for row in range(12)])
    return Recording.from_array(signal, sampling_rate=500, leads=STANDARD_12_LEADS, unit="mV")


def saliency(**changes) -> Saliency:
    values = np.zeros((12, 5000))
    values[1, 1000:1100] = 1.0  # II, 2.0 to 2.2 s
    values[6, 3000:3050] = -0.5  # V1, 6.0 to 6.1 s
    values[8] = np.nan
    settings = {
        "values": values,
        "leads": STANDARD_12_LEADS,
        "sampling_rate": 500.0,
        "start_s": 0.0,
        "target": "A<b>&c",
        "score": 1.5,
        "method": "occlusion",
        "unit": "0.4 s",
        "beats": np.empty(0, np.int64),
    }
    return Saliency(**{**settings, **changes})


def marks(svg: str) -> list[tuple[str, str, list[float]]]:
    """(lead, for or against, x positions in mm) of every marked piece."""
    root = ElementTree.fromstring(svg)
    layer = next(g for g in root.iter(f"{NAMESPACE}g") if g.get("class") == "saliency")
    result = []
    for group in layer:
        if group.get("data-lead") is None:
            continue
        for path in group:
            start = [float(x) for x in re.findall(r"M(-?[\d.]+)", path.get("d"))]
            result.append((group.get("data-lead"), path.get("class"), start))
    return result


def test_marks_stand_at_their_lead_and_time(recording: Recording) -> None:
    svg = saliency_svg(recording, saliency(), layout="12x1")
    root = ElementTree.fromstring(svg)
    strips = {
        g.get("data-lead"): float(g.get("data-x"))
        for g in root.iter(f"{NAMESPACE}g")
        if g.get("class") == "strip"
    }
    found = marks(svg)
    assert {(lead, kind) for lead, kind, _ in found} == {("II", "for"), ("V1", "against")}
    for lead, kind, xs in found:
        begin = 2.0 if kind == "for" else 6.0
        assert xs[0] == pytest.approx(strips[lead] + 25 * begin, abs=0.11)


def test_the_trace_is_the_one_without_marks(recording: Recording) -> None:
    def traces(svg: str) -> list[str]:
        return [
            path.get("d")
            for path in ElementTree.fromstring(svg).iter(f"{NAMESPACE}path")
            if path.get("class") == "trace"
        ]

    assert traces(saliency_svg(recording, saliency())) == traces(
        ecg_paper_svg(recording, title="x", duration_s=10.0)
    )


def test_nothing_salient_marks_nothing(recording: Recording) -> None:
    for values in (np.zeros((12, 5000)), np.full((12, 5000), np.nan)):
        assert marks(saliency_svg(recording, saliency(values=values))) == []


def test_the_window_of_a_longer_recording(recording: Recording) -> None:
    part = saliency(values=saliency().values[:, 500:3500], start_s=1.0)
    svg = saliency_svg(recording, part, layout="12x1")
    lead, _, xs = next(mark for mark in marks(svg) if mark[1] == "for")
    x0 = float(re.search(r'data-lead="II" data-start="1"[^>]*data-x="([\d.]+)"', svg).group(1))
    assert lead == "II" and xs[0] == pytest.approx(x0 + 25 * 1.0, abs=0.11)


def test_page_and_picture_escape_their_texts(recording: Recording) -> None:
    page = saliency_page(recording, saliency(), model="m<1>", answer="a & b")
    assert "<b>" not in page and "m<1>" not in page and "a &amp; b" in page
    assert page.count("<svg") == 1 and "http://" not in page.replace("http://www.w3.org", "")
