"""The terminal table and the CSV, cell by cell."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from ecgfoundry.inference.interpretation import Episode, Interpretation
from ecgfoundry.reports import csv_rows, terminal_table
from ecgfoundry.reports.tables import CSV_HEADER

Make = Callable[..., Any]


def printed(*interpretations: Interpretation, failures: Any = ()) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=120, highlight=False)
    terminal_table(interpretations, failures, console=console)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def cells(lines: list[str], name: str) -> list[str]:
    return next(line for line in lines if name in line).split()


def test_a_block_of_a_short_recording(make_interpretation: Make) -> None:
    lines = printed(make_interpretation())
    assert lines == [
        "ward/a.dcm  quality good  tiny",
        "     finding              probability  threshold  code",
        "  ✓  Atrial fibrillation         0.91       0.40  local:atr",
        "  ·  Normal ECG                  0.12       0.50  local:nor",
        "",
        "Not a medical device. Research use only. Unconfirmed.",
    ]


def test_a_block_of_a_long_recording(long_interpretation: Interpretation) -> None:
    assert printed(long_interpretation)[:9] == [
        "holter.hea  quality good  tiny",
        "     finding              burden  code",
        "  ✓  Sinus rhythm           75 %  local:sin",
        "  ✓  Atrial fibrillation    25 %  local:atr",
        "  1 episode in 30 min, 29 min 40 s of it readable",
        "     episode              from     to      length  probability",
        "     Atrial fibrillation  5:00  12:25  7 min 25 s         0.88",
        "",
        "Not a medical device. Research use only. Unconfirmed.",
    ]


def test_at_most_eight_findings_but_all_that_are_present(
    make_interpretation: Make, make_finding: Make
) -> None:
    def shown(present: int, absent: int) -> tuple[int, list[str]]:
        findings = [make_finding(f"P{k:02d}", 0.9, 0.5, True) for k in range(present)]
        findings += [make_finding(f"N{k:02d}", 0.1, 0.5, False) for k in range(absent)]
        lines = printed(make_interpretation(findings=findings))
        return sum("local:" in line for line in lines), [x for x in lines if "more" in x]

    assert shown(0, 8) == (8, [])
    assert shown(1, 8) == (8, ["    and 1 more, none of them present"])
    assert shown(10, 3) == (10, ["    and 3 more, none of them present"])
    assert shown(10, 0) == (10, [])


def test_at_most_ten_episodes_in_the_order_of_time(
    long_interpretation: Interpretation,
) -> None:
    def listed(count: int) -> list[str]:
        episodes = [
            Episode(f"E{k}", start_s=10.0 * k, end_s=10.0 * k + 5, probability=0.5)
            for k in reversed(range(count))
        ]
        return printed(replace(long_interpretation, episodes=tuple(episodes)))

    lines = listed(12)
    assert [line.split()[0] for line in lines if " 5 s " in line] == [f"E{k}" for k in range(10)]
    assert "    and 2 later ones" in lines
    assert any(line.startswith("  12 episodes in 30 min") for line in lines)
    assert not [line for line in listed(10) if "later" in line]
    assert any(line.startswith("  0 episodes in 30 min") for line in listed(0))
    assert cells(lines, "E3") == ["E3", "0:30", "0:35", "5", "s", "0.50"]


def test_a_classification_has_no_thresholds(make_interpretation: Make, make_finding: Make) -> None:
    findings = [make_finding("A", 0.7, None, True), make_finding("B", 0.3, None, False)]
    lines = printed(make_interpretation(target_kind="multiclass", findings=findings))
    assert lines[1].split() == ["finding", "probability", "code"]
    assert cells(lines, "local:a") == ["✓", "A", "0.70", "local:a"]


def test_a_target_without_a_threshold(make_interpretation: Make, make_finding: Make) -> None:
    findings = [make_finding("A", 0.7, None, None), make_finding("B", 0.3, 0.5, False)]
    lines = printed(make_interpretation(findings=findings))
    assert cells(lines, "local:a") == ["?", "A", "0.70", "none", "local:a"]
    assert not [line for line in lines if "nothing is decided" in line or "uncalibrated" in line]
    plain = printed(make_interpretation(findings=findings[:1], calibrated=False))
    assert "    uncalibrated: the scores rank, they are no probabilities" in plain
    assert "    no thresholds: nothing is decided (?)" in plain
    mixed = [findings[0] | {"calibrated": True}, findings[1]]
    text = printed(make_interpretation(findings=mixed, calibrated=False))
    assert not [line for line in text if "uncalibrated" in line]


def test_measured_values(make_interpretation: Make) -> None:
    values = [
        {"name": "K", "code": None, "present": None, "value": 5.9312, "unit": "mmol/L",
         "low": 5.1, "high": 6.789},
        {"name": "age", "code": "x:c", "present": None, "value": 61.04, "low": 55.0},
        {"name": "none", "code": None, "present": None},
    ]  # fmt: skip
    lines = printed(make_interpretation(target_kind="regression", findings=values))
    assert lines[1].split() == ["finding", "value", "interval", "code"]
    assert cells(lines, "mmol") == ["K", "5.93", "mmol/L", "5.1", "to", "6.79"]
    assert cells(lines, "age") == ["age", "61", "x:c"]
    assert cells(lines, "none") == ["none", "–"]
    assert not [line for line in lines if "uncalibrated" in line or "decided" in line]


def test_refusals_have_neither_findings_nor_episodes(
    refused_interpretation: Interpretation, make_interpretation: Make
) -> None:
    lines = printed(refused_interpretation)
    assert lines[:2] == ["ward/a.dcm  quality refused  tiny",
                         "  not interpreted: Every lead is flat (flat)"]  # fmt: skip
    assert printed(make_interpretation(findings=[], model=None, file=None))[:2] == [
        "unnamed recording  quality good", "  no findings",
    ]  # fmt: skip
    alone = printed(failures=[{"file": "f", "code": "x", "message": "m"}])
    assert alone == ["✗ f  failed (x)", "  m"]


def test_the_columns_of_the_csv(make_interpretation: Make, make_finding: Make) -> None:
    assert CSV_HEADER == (
        "file", "model", "finding", "code", "probability", "threshold", "present", "calibrated",
        "burden", "quality", "refused", "warnings", "value", "unit", "low", "high",
        "start_s", "end_s", "decided_by", "because",
    )  # fmt: skip
    findings = [make_finding("A", 0.123456789, 1 / 3, False, value=1e-7, unit="u", low=-1.0,
                             high=123456789.0, burden=0.0)]  # fmt: skip
    header, row = csv_rows([make_interpretation(findings=findings, calibrated=False)])
    assert header == list(CSV_HEADER)
    assert row == [
        "ward/a.dcm", "tiny", "A", "local:a", "0.123457", "0.333333", "false", "false", "0",
        "good", "", "", "1e-07", "u", "-1", "1.23457e+08", "", "", "", "",
    ]  # fmt: skip


def test_a_refused_file_keeps_a_row(refused_interpretation: Interpretation) -> None:
    (_, row) = csv_rows([refused_interpretation])
    assert row == ["ward/a.dcm", "tiny", *[""] * 7, "refused", "flat", *[""] * 9]


@pytest.mark.parametrize(("present", "text"), [(True, "true"), (False, "false"), (None, "")])
def test_presence_in_the_csv(
    make_interpretation: Make, make_finding: Make, present: bool | None, text: str
) -> None:
    (_, row) = csv_rows([make_interpretation(findings=[make_finding("A", 1.0, None, present)])])
    assert (row[4], row[5], row[6], row[7]) == ("1", "", text, "true")
