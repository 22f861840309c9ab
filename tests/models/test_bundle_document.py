"""``bundle.json`` is read as it was written, whatever stands in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.bundles import make_about, make_document

from ecgfoundry.errors import BundleError
from ecgfoundry.models.bundle import shipped_folder
from ecgfoundry.models.document import BundleDocument, TrainingData
from ecgfoundry.tasks import TargetScale

EVERYTHING: dict[str, Any] = {
    "title": "T",
    "architecture": {"name": "linear", "configuration": {"widths": [1, 2]}, "parameters": 6},
    "target_kind": "regression",
    "regression": {"scale": [1.0, 2.0], "offset": [0.5, 0.25],
                   "residual_quantiles": [[-1.0, 1.0], [-2.0, 3.0]]},
    "calibration": {
        level: {"method": "platt", "scale": [1.0, k], "offset": [0.0, 0.5]}
        for k, level in enumerate(("record", "window", "reduced_leads"), start=2)
    } | {"fitted_on": "tests"},
    "thresholds": {"values": [0.5, None], "criterion": "largest F1", "fitted_on": "tests"},
    "uncalibrated": {"B": "too few"},
    "provenance": {
        "training_data": [
            {"name": "N", "licence": "L", "citation": "C", "records": 3, "use": "U",
             "synthetic": True},
            {"name": "M", "licence": "L"},
        ],
        "code": "tests", "created": "2026-01-01", "recipe": "R", "seed": 7,
        "imported_with": "ecgfoundry 0",
        "checkpoint": {"file": "w.pth", "sha256": "ab" * 32, "epoch": 4},
    },
    "metrics": [
        {"name": "AUROC", "value": 0.75, "data": "D", "low": 0.5, "high": 0.875, "target": "A",
         "leads": "II", "records": 40, "note": "few"},
        {"name": "F1", "value": None, "data": "D"},
    ],
    "known_failures": ["one"], "references": ["two"],
}  # fmt: skip


@pytest.mark.parametrize("changes", [{}, EVERYTHING])
def test_a_description_is_read_as_it_was_written(changes: dict[str, Any]) -> None:
    document = make_document(**changes)
    about = BundleDocument.from_dict(document)
    written = json.loads(json.dumps(about.to_dict()))
    # What a description need not say is written all the same.
    assert written == {"uncalibrated": {}, "references": []} | document
    assert BundleDocument.from_dict(written) == about


def test_what_stands_in_it() -> None:
    about = make_about(**EVERYTHING)
    assert about.provenance.synthetic and about.provenance.seed == 7
    assert about.provenance.training_data[1] == TrainingData("M", "L")
    residuals = ((-1.0, 1.0), (-2.0, 3.0))
    assert about.readout.scale == TargetScale((1.0, 2.0), (0.5, 0.25), residuals)
    assert about.readout.calibration is not None
    assert about.readout.calibration.of("reduced_leads").scale == (1.0, 4.0)
    assert about.metrics[0].note == "few" and about.metrics[1].value is None
    assert not make_about().provenance.synthetic


@pytest.mark.parametrize("name", ["rhythm-single-lead", "ptbxl-superclass-12lead"])
def test_the_shipped_ones_lose_nothing(name: str) -> None:
    document = json.loads((shipped_folder() / name / "bundle.json").read_text(encoding="utf-8"))
    written = BundleDocument.from_dict(document).to_dict()
    assert json.loads(json.dumps(written)) == {"uncalibrated": {}} | document


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"provenance": {"training_data": [], "code": "c", "created": "d", "x": 1}}, "provenance"),
        ({"metrics": [{"name": "F1", "value": 1, "data": "d", "x": 1}]}, "metrics.0"),
    ],
)
def test_what_it_does_not_know_is_refused(part: dict[str, Any], words: str) -> None:
    with pytest.raises(BundleError, match=f"breaks the bundle schema: {words}"):
        make_about(**part)
