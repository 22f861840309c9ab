"""Criteria and network in one list: the answer of a file has measurements and statements."""

from __future__ import annotations

import json

import numpy as np

import ecgfoundry
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.schemas import schema_problems


def test_twelve_leads_have_measurements_and_statements_of_both() -> None:
    answer = ecgfoundry.interpret("sample:12-lead")
    assert answer.measurements is not None
    assert round(answer.measurements.heart_rate_bpm or 0) == 117
    by_name = {statement.name: statement for statement in answer.statements}
    # The header of JS20000: sinus tachycardia, premature atrial complexes, ST-T change.
    tachycardia = by_name["SINUS TACHYCARDIA"]
    assert tachycardia.present and tachycardia.code == "427084000"
    assert tachycardia.decided_by == "criteria"
    assert any(item.name == "heart_rate_bpm" and item.met for item in tachycardia.evidence)
    assert by_name["PREMATURE ATRIAL COMPLEXES"].present
    assert by_name["STTC"].decided_by == "network"
    assert by_name["ATRIAL FIBRILLATION"].present is False


def test_one_lead_in_fibrillation() -> None:
    answer = ecgfoundry.interpret("sample:single-lead")
    by_name = {statement.name: statement for statement in answer.statements}
    fibrillation = by_name["ATRIAL FIBRILLATION"]
    assert fibrillation.present and fibrillation.code == "164889003"
    assert fibrillation.probability == answer.finding("atrial fibrillation").probability
    # One lead has no axis and no chest leads: what needs them cannot be told, and says why.
    axis = by_name["LEFT AXIS DEVIATION"]
    assert axis.present is None and axis.reason
    assert by_name["WITH 1ST DEGREE AV BLOCK"].present is not True


def test_the_json_is_valid_and_read_back() -> None:
    answer = ecgfoundry.interpret("sample:12-lead")
    document = json.loads(json.dumps(answer.to_dict()))
    assert schema_problems("interpretation", document) == []
    assert schema_problems("measurements", document["measurements"]) == []
    assert Interpretation.from_dict(document).to_dict() == document


def test_a_single_lead_of_twelve_is_measured_as_if_it_were_alone() -> None:
    answer = ecgfoundry.interpret("sample:12-lead", lead="V2")
    assert answer.measurements is not None
    assert list(answer.measurements.leads) == ["V2"]
    assert answer.measurements.qrs_axis_deg is None


def test_the_network_alone_has_no_statements() -> None:
    model = ecgfoundry.load_model("rhythm-single-lead-edge")
    answer = model.interpret(ecgfoundry.read(ecgfoundry.sample_path("single-lead")))
    assert answer.measurements is None and answer.statements == ()


def test_what_was_refused_has_no_statements() -> None:
    flat = np.zeros((1, 3000), np.float32)
    recording = ecgfoundry.Recording.from_array(flat, sampling_rate=300, leads=["I"], unit="mV")
    answer = ecgfoundry.interpret(recording)
    assert answer.refused is not None
    assert answer.statements == () and answer.findings == ()
    assert answer.measurements is not None and not answer.measurements.readable
    assert len(answer.measurements.beats) == 0 and answer.measurements.heart_rate_bpm is None


def test_a_model_without_its_leads_does_not_hide_the_measurements() -> None:
    recording = ecgfoundry.read(ecgfoundry.sample_path("single-lead"))
    answer = ecgfoundry.interpret(recording, model="ptbxl-superclass-12lead")
    if answer.refused is not None:
        assert answer.refused.code == "leads"
    assert answer.measurements is not None and answer.measurements.readable
