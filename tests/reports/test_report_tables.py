"""The terminal table and the CSV rows."""

from __future__ import annotations

import csv
import io

import pytest
from rich.console import Console

import ecgfoundry
from ecgfoundry.errors import FormatError
from ecgfoundry.reports import csv_rows, terminal_table


def _printed(interpretations, failures=(), width=80) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    terminal_table(interpretations, failures, console=console)
    return out.getvalue()


def test_findings_with_probability_threshold_and_mark(make_interpretation):
    text = _printed([make_interpretation()])
    lines = text.splitlines()
    assert "ward/a.dcm" in lines[0]
    assert "good" in lines[0]
    found = next(line for line in lines if "Atrial fibrillation" in line)
    assert found.split() == ["✓", "Atrial", "fibrillation", "0.91", "0.40", "local:atr"]
    other = next(line for line in lines if "Normal ECG" in line)
    assert "✓" not in other
    assert "Not a medical device" in text


def test_warnings_refusals_and_failures(make_interpretation, refused_interpretation):
    warned = make_interpretation(
        quality={"verdict": "usable", "warnings": [{"code": "noise", "message": "Much [b]noise"}]}
    )
    text = _printed(
        [warned, refused_interpretation], [FormatError("no header", path="z.scp"), ValueError("v")]
    )
    assert "! Much [b]noise (noise)" in text
    assert "not interpreted: Every lead is flat (flat)" in text
    assert "✗ z.scp  failed (format)" in text
    assert "ValueError: v" in text


def test_long_recordings_show_burden_and_episodes(long_interpretation):
    text = _printed([long_interpretation])
    assert "1 episode in 30 min, 29 min 40 s of it readable" in text
    assert "25 %" in text
    episode = next(line for line in text.splitlines() if "12:25" in line)
    assert "5:00" in episode
    assert "7 min 25 s" in episode
    assert "threshold" not in text


def test_uncalibrated_scores_say_so(make_interpretation, make_finding):
    findings = [make_finding(f"T{k}", 0.4, None, None) for k in range(20)]
    text = _printed([make_interpretation(calibrated=False, findings=findings)])
    assert "uncalibrated" in text
    assert "nothing is decided" in text
    assert "and 12 more" in text
    assert "?" in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(
    make_interpretation, long_interpretation, make_finding, width
):
    findings = [make_finding("A very long name of a finding " * 4, 0.9, 0.5, True)]
    many = [make_interpretation(findings=findings, file="folder/" * 30), long_interpretation]
    failures = [{"file": "f" * 150, "code": "x", "message": "m " * 100}]
    assert max(map(len, _printed(many, failures, width).splitlines())) <= width


def test_terminal_escapes_in_names_do_not_reach_the_terminal(make_interpretation):
    text = _printed(
        [make_interpretation(file="a\x1b[2J\u202e.dcm")], [{"file": "\x1b]0;x\x07", "message": "y"}]
    )
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text


def test_csv_has_one_row_per_file_and_finding(
    make_interpretation, long_interpretation, refused_interpretation
):
    rows = csv_rows([make_interpretation(), long_interpretation, refused_interpretation])
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    out.seek(0)
    table = list(csv.DictReader(out))
    assert list(table[0])[:12] == [
        "file", "model", "finding", "code", "probability", "threshold", "present", "calibrated",
        "burden", "quality", "refused", "warnings",
    ]  # fmt: skip
    assert len(table) == 6
    assert table[1]["finding"] == "Atrial fibrillation"
    assert float(table[1]["probability"]) == 0.91
    assert (table[1]["present"], table[1]["calibrated"]) == ("true", "true")
    assert table[2]["burden"] == "0.25"
    assert table[2]["probability"] == ""
    assert (table[5]["refused"], table[5]["finding"]) == ("flat", "")
    assert {len(row) for row in rows} == {len(rows[0])}


def test_csv_carries_values_and_warning_codes(make_interpretation):
    potassium = {
        "name": "Potassium", "code": None, "present": None,
        "value": 5.9312345678, "unit": "mmol/L", "low": 5.1, "high": 6.7,
    }  # fmt: skip
    quality = {
        "verdict": "usable",
        "warnings": [{"code": "noise", "message": "N"}, {"code": "mains", "message": "M"}],
    }
    rows = csv_rows(
        [make_interpretation(target_kind="regression", findings=[potassium], quality=quality)]
    )
    row = dict(zip(*rows, strict=True))
    assert row["value"] == "5.93123"
    assert row["present"] == ""
    assert row["warnings"] == "noise;mains"


def test_episodes_of_long_recordings_have_rows_of_their_own(long_interpretation):
    header, *rows = csv_rows([long_interpretation])
    assert header[-4:-2] == ["start_s", "end_s"] and len(rows) == 3
    assert [row[-2:] for row in rows[:2]] == [["", ""], ["", ""]]
    episode = dict(zip(header, rows[2], strict=True))
    assert {name: text for name, text in episode.items() if text} == {
        "file": "holter.hea", "model": rows[0][1], "finding": "Atrial fibrillation",
        "probability": "0.88", "present": "true", "start_s": "300", "end_s": "745",
    }  # fmt: skip


def test_what_is_not_listed_is_only_called_absent_where_that_was_decided(
    make_interpretation,
) -> None:
    def shown(present: bool | None) -> str:
        findings = [
            {"name": f"T{k}", "code": None, "probability": 0.1, "present": present}
            for k in range(20)
        ]
        answer = make_interpretation(findings=findings)
        console = Console(file=io.StringIO(), width=100)
        terminal_table([answer], console=console)
        return console.file.getvalue()

    assert "more, none of them present" in shown(False)
    assert "12 more" in shown(None) and "none of them present" not in shown(None)


def test_statements_of_the_criteria_stand_in_the_csv_and_on_the_terminal() -> None:
    # The header of JS20000 says sinus tachycardia, SNOMED CT 427084000.
    answer = ecgfoundry.interpret("sample:12-lead")
    header, *rows = csv_rows([answer])
    lines = [dict(zip(header, row, strict=True)) for row in rows]
    (line,) = [one for one in lines if one["finding"] == "SINUS TACHYCARDIA"]
    assert (line["code"], line["present"]) == ("SNOMED CT:427084000", "true")
    assert line["decided_by"] == "criteria" and "> 100" in line["because"]
    text = _printed([answer])
    assert "HR 117/min" in text and "✓  sinus tachycardia" in text
