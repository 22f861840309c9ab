"""What is said about imported weights and about figures, as it is printed."""

from __future__ import annotations

from typing import Any

import pytest

from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.card_metrics import HEADER, figure_row
from ecgfoundry.models.cards import imported_card, upstream_statement
from ecgfoundry.models.document import BundleDocument
from ecgfoundry.models.published import PUBLISHED


@pytest.mark.parametrize(
    ("metric", "row"),
    [
        (
            {"name": "AUROC", "target": "MI", "leads": "12", "value": 0.92345, "low": 0.91,
             "high": 0.93456, "data": "PTB-XL fold 10", "records": 2158},
            "| AUROC, MI | 12 | 0.923 (0.910–0.935) | PTB-XL fold 10 | 2158 |",
        ),
        ({"name": "F1", "value": 1, "data": "d"}, "| F1 |  | 1.000 | d |  |"),
        ({"name": "F1", "value": 0.0, "low": 0.0, "high": 0.1, "data": "d"},
         "| F1 |  | 0.000 (0.000–0.100) | d |  |"),
        ({"name": "F1", "value": 0.5, "low": None, "high": 0.1, "data": "d"},
         "| F1 |  | 0.500 | d |  |"),
        ({"name": "F1", "value": 0.5, "low": 0.1, "data": "d"}, "| F1 |  | 0.500 | d |  |"),
        ({"name": "F1", "target": "", "value": None, "data": "d"}, "| F1 |  | undefined | d |  |"),
    ],
)  # fmt: skip
def test_a_figure_as_a_row(metric: dict[str, Any], row: str) -> None:
    assert figure_row(Metric.from_dict(metric)) == row


def test_every_row_has_the_columns_of_the_header() -> None:
    head, rule = HEADER.splitlines()
    assert head == "| figure | leads | value (95 % interval) | measured on | records |"
    assert rule.count("---") == 5


def test_the_authors_statement() -> None:
    twelve, one = (
        upstream_statement(
            next(p for p in PUBLISHED.values() if p.leads == leads), "ecgfounder-150"
        )
        for leads in (12, 1)
    )
    assert twelve.title == "ECGFounder, 12-lead, as published by its authors"
    assert one.title == "ECGFounder, one-lead, as published by its authors"
    # arXiv 2410.04133, table 1: the development part of HEEDB.
    assert [data.records for data in twelve.training_data] == [7_519_035]
    assert "MIT" in twelve.licence and len(twelve.references) == 3
    assert len(one.known_failures) == len(twelve.known_failures) + 2
    assert "Trained on lead I" in one.known_failures[-2]
    assert any("50 Hz" in text and "60 Hz" in text for text in twelve.known_failures)
    assert "Not a medical device" in twelve.intended_use


def test_weights_of_unknown_origin_are_said_to_be_so() -> None:
    unknown = upstream_statement(None, "code-6")
    assert unknown.title == "Imported checkpoint, outputs taken for code-6"
    assert unknown.licence.startswith("not stated by the checkpoint")
    assert unknown.references == () and len(unknown.known_failures) == 2
    assert "hash is none of the published" in unknown.known_failures[1]


INPUT = {
    "lead_mode": "exact", "leads": ["I", "II"], "sampling_rate": 500.0, "samples": 5000,
    "preprocessing": "ecgfounder-finetune@1", "preprocessing_sha256": "0" * 64,
}  # fmt: skip


def document(**changes: Any) -> BundleDocument:
    content = {
        "schema_version": 2, "name": "tiny", "metrics": [],
        "target_kind": "multilabel", "calibration": None, "thresholds": None,
        "files": {"model.safetensors": "0" * 64, "preprocessing.json": "0" * 64},
        "title": "T", "version": "1.2.0", "licence": "MIT", "intended_use": "tests",
        "known_failures": ["one", "two"],
        "architecture": {"name": "net1d", "configuration": {}, "parameters": 30_819_014},
        "input": INPUT,
        "vocabulary": {"name": "v", "targets": [
            {"name": name, "kind": "diagnosis", "standalone": name in "ac"} for name in "abcd"]},
        "provenance": {
            "code": "-", "created": "2026-01-01",
            "checkpoint": {"file": "w.pth", "sha256": "ab" * 32},
            "training_data": [{"name": "HEEDB", "records": 7_519_035, "licence": "L"},
                              {"name": "other", "licence": "M"}]},
        "references": [],
    }  # fmt: skip
    return BundleDocument.from_dict(content | changes)


def test_the_card_of_imported_weights() -> None:
    lines = imported_card(document(), onnx_difference=2.34e-6).splitlines()
    for line in (
        "# T",
        "| version | 1.2.0 |",
        "| network | net1d, 30,819,014 parameters |",
        "| leads | I, II |",
        "| window | 10 s at 500 Hz |",
        "| preprocessing | `ecgfounder-finetune@1` |",
        "| outputs | 4 (v), of which 2 are never reported on their own |",
        "| calibrated | no |",
        f"| checkpoint | `w.pth`, SHA-256 `{'ab' * 32}` |",
        "| licence | MIT |",
        "- one",
        "- two",
        "- HEEDB, 7,519,035 records. Licence: L.",
        "- other. Licence: M.",
        "- None known",
    ):
        assert line in lines, line
    text = "\n".join(lines)
    assert "logits were within 2.3e-06 of those of the weights" in text
    assert "PyTorch is needed" not in text


def test_the_card_without_a_graph_and_of_one_lead() -> None:
    single = INPUT | {"lead_mode": "any-single", "samples": 5001}
    text = imported_card(document(input=single, references=["R"]), onnx_difference=None)
    assert "| leads | one; trained on lead I |" in text
    assert "| window | 10.002 s at 500 Hz |" in text
    assert "PyTorch is needed to run it" in text and "ONNX Runtime" not in text
    assert "- R\n" in text and "None known" not in text
    assert "were within 0.0e+00 of" in imported_card(document(), onnx_difference=0.0)
