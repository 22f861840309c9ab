"""The JSON form of an answer, and episodes at their edges, as literals."""

from __future__ import annotations

import json

import pytest

from ecgfoundry.errors import FileAccessError, FormatError
from ecgfoundry.inference.interpretation import (
    Episode,
    Finding,
    Interpretation,
    WindowResult,
    find_episodes,
)
from ecgfoundry.schemas import schema_problems
from ecgfoundry.signals.quality import Notice
from ecgfoundry.vocabularies import Target

A = Target("A", "rhythm", codes={"SNOMED CT": "164889003", "SCP-ECG": "AFIB"})


def test_a_finding() -> None:
    assert Finding(A, probability=0.12345678, threshold=1 / 3, present=False).to_dict() == {
        "name": "A",
        "code": "SNOMED CT:164889003",
        "codes": {"SNOMED CT": "164889003", "SCP-ECG": "AFIB"},
        "kind": "rhythm",
        "probability": 0.123457,
        "threshold": 0.333333,
        "present": False,
        "calibrated": False,
    }


def test_a_measured_value_has_its_unit_and_a_burden_stands_beside() -> None:
    age = Target("age", "demographic", unit="a", description="what it is", caveat="what not")
    document = Finding(age, value=41.23456789, low=36.0, high=47.5).to_dict()
    assert (document["value"], document["unit"]) == (41.234568, "a")
    assert (document["low"], document["high"], document["code"]) == (36.0, 47.5, None)
    assert (document["description"], document["caveat"]) == ("what it is", "what not")
    assert "burden" not in document and document["probability"] is None
    zero = Finding(age, value=0.0).to_dict()
    assert (zero["value"], zero["low"], zero["high"]) == (0.0, None, None)
    assert Finding(A, burden=0.0).to_dict()["burden"] == 0.0
    assert "value" not in Finding(A, burden=0.25, calibrated=True).to_dict()


def test_a_window() -> None:
    window = WindowResult(10.00004, 9.99996, {"A": 0.1234567}, ("A",))
    assert window.to_dict() == {
        "start_s": 10.0, "duration_s": 10.0, "probabilities": {"A": 0.123457}, "present": ["A"],
        "refused": None,
    }  # fmt: skip
    assert WindowResult(0.12346, 2.5, {"A": 1.0}).to_dict()["start_s"] == 0.1235
    assert WindowResult(0, 10, {"A": 1.0}).to_dict()["present"] is None
    refused = WindowResult(0, 10, refused=Notice("flat", "it is flat", ("I",))).to_dict()
    assert refused["refused"]["code"] == "flat" and "probabilities" not in refused
    assert WindowResult(0, 10, values={"age": 41.23456789}).to_dict()["values"] == {
        "age": 41.234568
    }


def test_an_episode() -> None:
    assert Episode("A", 10.00004, 20.12346, 2 / 3).to_dict() == {
        "name": "A", "start_s": 10.0, "end_s": 20.1235, "probability": 0.666667,
    }  # fmt: skip


def answer(**changes: object) -> Interpretation:
    fields = {
        "file": "a.hea", "model": "m", "model_version": "1", "preprocessing": "p@1",
        "runtime": "r", "target_kind": "multilabel", "calibrated": True, "duration_s": 70.00006,
        "verdict": "good",
    }  # fmt: skip
    return Interpretation(**(fields | changes))  # type: ignore[arg-type]


def test_a_whole_answer() -> None:
    long = answer(
        findings=(Finding(A, present=True), Finding(Target("B", "rhythm"), present=False)),
        leads_used=("I", "II"),
        leads_derived=("II",),
        lead_figures={"I": {"amplitude_mv": 1.0}},
        warnings=(Notice("short", "so short"),),
        episodes=(Episode("A", 0, 10, 0.9),),
        burden={"A": 1 / 7, "B": None},
        readable_s=69.98765,
    ).to_dict()
    assert long["duration_s"] == 70.0001 and long["readable_s"] == 69.988
    assert long["burden"] == {"A": 0.142857, "B": None}
    assert (long["leads_used"], long["leads_derived"]) == (["I", "II"], ["II"])
    assert long["quality"]["verdict"] == "good"
    assert long["quality"]["warnings"][0]["code"] == "short"
    assert long["quality"]["leads"] == {"I": {"amplitude_mv": 1.0}}
    assert [f["name"] for f in long["findings"]] == ["A", "B"]
    assert not schema_problems("interpretation", long)
    short = answer().to_dict()
    assert not {"episodes", "burden", "readable_s"} & set(short)
    assert short["schema_version"] == 2 and short["refused"] is None
    empty = answer(episodes=()).to_dict()
    assert (empty["burden"], empty["readable_s"]) == ({}, 0.0)


def test_findings_by_name() -> None:
    said = answer(findings=(Finding(A, present=True), Finding(Target("B", "rhythm"))))
    assert said.present == ("A",) and said.finding("B").present is None
    with pytest.raises(KeyError):
        said.finding("C")
    assert Finding(Target("B", "rhythm")).code is None


def test_a_file_that_failed() -> None:
    failed = Interpretation.of_failure(FileAccessError("is gone", path="x.hea"), "x.hea", "tiny")
    document = failed.to_dict()
    assert not schema_problems("interpretation", document)
    assert Interpretation.from_dict(document) == failed
    assert document["refused"] == {"code": "file-access", "message": "x.hea: is gone"}
    assert document["quality"] == {
        "verdict": "refused",
        "warnings": [],
        "acceptable": None,
        "leads": {},
    }
    assert (document["schema_version"], document["file"], document["model"]) == (2, "x.hea", "tiny")
    assert (document["target_kind"], document["duration_s"]) == (None, None)
    assert (document["runtime"], document["findings"], document["windows"]) == (None, [], [])


def test_an_answer_is_read_as_it_was_written() -> None:
    """Numbers of no more decimals than JSON has come back as they were."""
    age = Target("age", "demographic", unit="a", description="what it is", caveat="what not")
    whole = answer(
        duration_s=70.5,
        findings=(
            Finding(A, threshold=0.25, present=True, calibrated=True, burden=0.75),
            Finding(age, value=41.5, low=36.0, high=47.25),
        ),
        leads_used=("I", "II"),
        leads_derived=("II",),
        lead_figures={"I": {"amplitude_mv": 1.0, "noise_share": None}},
        warnings=(Notice("short", "so short", ("I",)),),
        windows=(
            WindowResult(0, 10, {"A": 0.125}, ("A",)),
            WindowResult(10, 10, {"A": 0.5}),
            WindowResult(20, 10, values={"age": 41.5}),
            WindowResult(30, 10, refused=Notice("flat", "it is flat")),
        ),
        episodes=(Episode("A", 0, 10, 0.875),),
        burden={"A": 0.75, "B": None},
        readable_s=60.25,
    )
    document = json.loads(json.dumps(whole.to_dict()))
    assert not schema_problems("interpretation", document)
    assert Interpretation.from_dict(document) == whole
    short = answer(duration_s=10.0, refused=Notice("flat", "it is flat"), verdict="refused")
    assert Interpretation.from_dict(short.to_dict()) == short


@pytest.mark.parametrize(
    ("change", "words"),
    [({"schema_version": 1}, "schema_version: 2 was expected"), ({"windows": 3}, "windows: 3")],
)
def test_another_document_is_no_answer(change: dict[str, object], words: str) -> None:
    with pytest.raises(FormatError, match=f"no interpretation of version 2: {words}"):
        Interpretation.from_dict(answer().to_dict() | change)


@pytest.mark.parametrize(("episodes", "long"), [(None, False), ((), True)])
def test_what_speaks_in_burdens(episodes: tuple[Episode, ...] | None, long: bool) -> None:
    assert answer(episodes=episodes).is_long is long


def test_the_order_of_the_findings() -> None:
    said = {"a": (False, 0.4), "b": (True, 0.2), "c": (None, 0.9), "d": (True, 0.7)}
    findings = [Finding(Target(n, "rhythm"), p, present=there) for n, (there, p) in said.items()]
    findings.append(Finding(Target("e", "rhythm"), present=False, burden=0.5))
    ranked = answer(findings=tuple(findings)).ranked
    assert [finding.name for finding in ranked] == ["d", "b", "c", "e", "a"]
    kept = answer(findings=tuple(findings), target_kind="regression")
    assert not kept.decides and [finding.name for finding in kept.ranked] == list("abcde")
    assert answer(target_kind="multiclass").exclusive and answer().decides


# ------------------------------------------------------------------------------------ the episodes


def window(start: float, *present: str, length: float = 10.0, p: float = 0.9) -> WindowResult:
    return WindowResult(start, length, {"A": p, "B": 0.5}, present)


@pytest.mark.parametrize(("gap", "episodes"), [(0.0009, 1), (0.0011, 2)])
def test_windows_less_than_a_millisecond_apart_touch(gap: float, episodes: int) -> None:
    found, burden, readable = find_episodes([window(0, "A"), window(10 + gap, "A")], ("A",))
    assert len(found) == episodes and readable == pytest.approx(20) and burden["A"] == 1.0


def test_a_window_without_a_decision_is_readable_and_in_no_episode() -> None:
    windows = [window(0, "A"), WindowResult(10, 10, {"A": 0.9}), window(20, "A", p=0.5)]
    found, burden, readable = find_episodes(windows, ("A",))
    assert [(e.start_s, e.end_s, e.probability) for e in found] == [(0, 10, 0.9), (20, 30, 0.5)]
    assert readable == 30 and burden["A"] == pytest.approx(2 / 3)


def test_a_last_window_that_overlaps_counts_for_its_new_time_alone() -> None:
    """0 to 10, 10 to 20, 14 to 24: A is there in the first and the last, 14 s of 24."""
    found, burden, readable = find_episodes(
        [window(0, "A", p=0.8), window(10, "B"), window(14, "A", p=0.6)], ("A", "B")
    )
    assert [(e.name, e.start_s, e.end_s) for e in found] == [
        ("A", 0, 10), ("B", 10, 20), ("A", 20, 24),
    ]  # fmt: skip
    assert readable == 24
    assert burden == {"A": pytest.approx(14 / 24), "B": pytest.approx(10 / 24)}


def test_episodes_that_begin_together_stand_by_name() -> None:
    found, _, _ = find_episodes([window(0, "B", "A")], ("B", "A"))
    assert [e.name for e in found] == ["A", "B"]
    assert [e.probability for e in found] == [0.9, 0.5]
    certain, _, _ = find_episodes([WindowResult(0, 10, present=("A",))], ("A",))
    assert certain[0].probability == 1.0
    _, burden, readable = find_episodes([window(0, "A", length=0.5)], ("A", "B"))
    assert burden == {"A": 1.0, "B": 0.0} and readable == 0.5
    only, burden, _ = find_episodes([window(0, "A", "B")], ("B",))
    assert [e.name for e in only] == ["B"] and set(burden) == {"B"}
