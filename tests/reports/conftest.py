"""What the tests of the reports share: recordings with known answers, interpretations, a reader."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording

_SVG = "{http://www.w3.org/2000/svg}"


class Sheet:
    """An SVG sheet, read back independently of the code that wrote it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = ElementTree.fromstring(text)

    def strips(self, lead: str | None = None) -> list[ElementTree.Element]:
        found = [g for g in self.root.iter(f"{_SVG}g") if g.get("class") == "strip"]
        return [g for g in found if lead is None or g.get("data-lead") == lead]

    def paths(self, kind: str) -> list[ElementTree.Element]:
        return [path for path in self.root.iter(f"{_SVG}path") if path.get("class") == kind]

    def trace(self, strip: ElementTree.Element) -> list[NDArray[np.float64]]:
        """Return the unbroken runs of a strip, each (points, 2) in mm."""
        path = next(p for p in strip.iter(f"{_SVG}path") if p.get("class") == "trace")
        return self.lines(path)

    def lines(self, path: ElementTree.Element) -> list[NDArray[np.float64]]:
        """Return the unbroken runs of a path, each (points, 2) in mm."""
        return polylines(path.get("d") or "")

    def words(self) -> str:
        return " ".join("".join(text.itertext()) for text in self.root.iter(f"{_SVG}text"))


def polylines(d: str) -> list[NDArray[np.float64]]:
    """Read the path commands M, l, h and v by the SVG grammar."""
    runs: list[list[tuple[float, float]]] = []
    x = y = 0.0
    for command, body in re.findall(r"([Mlhv])([^Mlhv]*)", d):
        numbers = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", body)]
        if command == "M":
            x, y = numbers
            runs.append([(x, y)])
            continue
        steps = {
            "l": list(zip(numbers[::2], numbers[1::2], strict=True)) if command == "l" else [],
            "h": [(number, 0.0) for number in numbers],
            "v": [(0.0, number) for number in numbers],
        }[command]
        for dx, dy in steps:
            x, y = x + dx, y + dy
            runs[-1].append((x, y))
    return [np.array(run) for run in runs]


@pytest.fixture
def read_sheet() -> type[Sheet]:
    return Sheet


@pytest.fixture
def square_wave() -> Recording:
    """10 s of a 1 mV, 1 Hz square wave at 500 Hz: 0.4 s up, so that the median is the low level."""
    time = np.arange(5000) / 500.0
    return Recording.from_array(
        np.where(time % 1.0 < 0.4, 1.0, 0.0) + 0.7,
        sampling_rate=500,
        leads="II",
        unit="mV",
        source="folder/square.csv",
    )


@pytest.fixture
def twelve_leads() -> Recording:
    """10 s of 12 leads in which sample k of lead n is ``n/20 sin(2 pi k/500)`` mV."""
    wave = np.sin(2 * np.pi * np.arange(5000) / 500)
    signal = np.stack([wave * (n + 1) / 20 for n in range(12)])
    return Recording.from_array(
        signal, sampling_rate=500, leads=STANDARD_12_LEADS, unit="mV", source="twelve.dcm"
    )


def finding(
    name: str, probability: float | None, threshold: float | None, present: bool | None, **more: Any
) -> dict[str, Any]:
    """A finding of the JSON form; ``calibrated`` is the interpretation's unless it is given."""
    return {
        "name": name,
        "code": f"local:{name[:3].lower()}",
        "probability": probability,
        "threshold": threshold,
        "present": present,
        **more,
    }


def _whole(entry: dict[str, Any], calibrated: bool) -> dict[str, Any]:
    """Fill in what a test does not care about."""
    system, _, value = (entry["code"] or "").rpartition(":")
    unstated = {
        "kind": "diagnosis",
        "codes": {system or "local": value} if value else {},
        "probability": None,
        "threshold": None,
        "calibrated": calibrated,
    }
    return unstated | entry


@pytest.fixture
def make_interpretation() -> Callable[..., Interpretation]:
    """Return a function that builds interpretations from the JSON form, checked by its schema."""

    def make(**changes: Any) -> Interpretation:
        document: dict[str, Any] = {
            "schema_version": 2,
            "file": "ward/a.dcm",
            "model": "tiny",
            "model_version": "1.2.0",
            "preprocessing": "ptbxl-bandpass@1",
            "runtime": "onnxruntime",
            "target_kind": "multilabel",
            "calibrated": True,
            "duration_s": 10.0,
            "leads_used": [],
            "leads_derived": [],
            "quality": {"verdict": "good", "warnings": []},
            "findings": [
                finding("Normal ECG", 0.12, 0.5, False),
                finding("Atrial fibrillation", 0.91, 0.4, True, kind="rhythm"),
            ],
            "windows": [{"start_s": 0, "duration_s": 10}],
            "refused": None,
            "measurements": None,
            "statements": [],
        }
        document |= changes
        document["quality"] = {"leads": {}} | document["quality"]
        document["findings"] = [
            _whole(entry, document["calibrated"]) for entry in document["findings"]
        ]
        document["windows"] = [{"refused": None} | entry for entry in document["windows"]]
        return Interpretation.from_dict(document)

    return make


@pytest.fixture
def long_interpretation(make_interpretation: Callable[..., Interpretation]) -> Interpretation:
    refused = {"code": "flat", "message": "The lead is flat"}
    return make_interpretation(
        file="holter.hea",
        duration_s=1800.0,
        readable_s=1780.0,
        findings=[
            finding("Atrial fibrillation", None, 0.4, True, burden=0.25),
            finding("Sinus rhythm", None, 0.5, True, burden=0.75),
        ],
        burden={"Atrial fibrillation": 0.25, "Sinus rhythm": 0.75},
        episodes=[
            {"name": "Atrial fibrillation", "start_s": 300, "end_s": 745, "probability": 0.88},
        ],
        windows=[
            {"start_s": 10.0 * k, "duration_s": 10.0, "refused": refused if k in (7, 8) else None}
            for k in range(180)
        ],
    )


@pytest.fixture
def refused_interpretation(make_interpretation: Callable[..., Interpretation]) -> Interpretation:
    return make_interpretation(
        findings=[],
        windows=[],
        quality={"verdict": "refused", "warnings": []},
        refused={"code": "flat", "message": "Every lead is flat", "leads": ["II"]},
    )


@pytest.fixture
def make_finding() -> Callable[..., dict[str, Any]]:
    return finding
