"""From a table of labels to a list of suspects, a page, and the corrected table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.api.reviewing import correct, review
from ecgfoundry.errors import EvaluationError
from ecgfoundry.evaluation.label_review import (
    crossed_probabilities,
    probabilities_of_table,
    questions_of,
)
from ecgfoundry.manifest import ColumnMapping, read_recordings

RECORDS = 12


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twelve records of an array; r3 is called "af" and is not, r8 the other way round."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(0, 0.1, (RECORDS, 1, 2500)).astype(np.float32))
    (tmp_path / "x.json").write_text('{"leads": ["I"], "sampling_rate": 250, "unit": "mV"}')
    rows = [
        ["record", "path", "index", "patient", "rhythm", "note"],
        *(
            [
                f"r{k}",
                "x.npy",
                k,
                f"p{k}",
                "af" if k in (0, 1, 2, 3, 4) else "sinus",
                "=kept, so",
            ]
            for k in range(RECORDS)
        ),
    ]
    with (tmp_path / "t.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    truth = {0, 1, 2, 4, 8}
    lines = [f"r{k},{0.9 if k in truth else 0.1},{0.1 if k in truth else 0.9}\n"
             for k in range(RECORDS)]  # fmt: skip
    (tmp_path / "p.csv").write_text("id,af,sinus\n" + "".join(lines))
    return tmp_path / "t.csv"


def mapped(table: Path):
    return read_recordings(table, ColumnMapping(targets=("rhythm",), positive="af"))


def test_the_two_wrong_labels_stand_first(table: Path, tmp_path: Path) -> None:
    found = review(mapped(table), tmp_path / "out", predictions=tmp_path / "p.csv", shown=3)
    assert [one.record for one in found[:2]] == ["r3", "r8"]
    assert [one.likely_error for one in found[:3]] == [True, True, False]
    assert (found[0].given, found[0].suggested) == ("af", "sinus")
    # 0.468996 bits over the probability 0.1 of the label, and over 0.9 where it is right.
    assert found[0].suspicion == pytest.approx(0.468996 / 0.101, rel=1e-4)
    assert found[2].suspicion == pytest.approx(0.468996 / 0.901, rel=1e-4)
    rows = list(csv.DictReader((tmp_path / "out" / "review.csv").open()))
    assert len(rows) == RECORDS and rows[0]["decision"] == ""
    page = (tmp_path / "out" / "review.html").read_text()
    assert page.count("<svg") == 3 and "r8" in page and "r11" not in page


def test_decisions_come_back_into_the_table(table: Path, tmp_path: Path) -> None:
    review(mapped(table), tmp_path / "out", predictions=tmp_path / "p.csv", shown=0)
    rows = list(csv.reader((tmp_path / "out" / "review.csv").open()))
    for row in rows[1:]:
        row[-1] = {"r8": "accept", "r3": "reject", "r5": "af"}.get(row[0], "")
    with (tmp_path / "decided.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    counts = correct(table, mapped(table), tmp_path / "decided.csv", tmp_path / "new.csv")
    assert counts == {"accepted": 1, "rejected": 1, "other": 1, "open": 9}
    before, after = (list(csv.reader(p.open())) for p in (table, tmp_path / "new.csv"))
    changed = [(b[0], b[4], a[4]) for b, a in zip(before, after, strict=True) if a != b]
    assert changed == [("r5", "sinus", "af"), ("r8", "sinus", "af")]
    # A second time the labels are not what they were.
    with pytest.raises(EvaluationError, match="not 'sinus' any more"):
        correct(tmp_path / "new.csv", mapped(tmp_path / "new.csv"), tmp_path / "decided.csv",
                tmp_path / "no.csv")  # fmt: skip
    rows[1][-1] = "maybe"
    with (tmp_path / "decided.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    with pytest.raises(EvaluationError, match="'maybe' is no decision"):
        correct(table, mapped(table), tmp_path / "decided.csv", tmp_path / "no.csv")
    assert not (tmp_path / "no.csv").exists()


def test_two_decisions_about_one_label_must_agree(table: Path, tmp_path: Path) -> None:
    """Lists of two people in one file; the order of the lines decides nothing."""
    head, line = "record,target,given,suggested,decision\n", "r8,rhythm,sinus,af,"
    decided = tmp_path / "d.csv"
    for one, other in (("accept", "reject"), ("reject", "accept"), ("reject", "af")):
        decided.write_text(f"{head}{line}{one}\n{line}{other}\n")
        with pytest.raises(EvaluationError, match="lines 2 and 3 decide r8 .rhythm. as"):
            correct(table, mapped(table), decided, tmp_path / "no.csv")
    assert not (tmp_path / "no.csv").exists()
    decided.write_text(f"{head}{line}accept\n{line}\n{line}af\n")
    correct(table, mapped(table), decided, tmp_path / "new.csv")
    rows = list(csv.DictReader((tmp_path / "new.csv").open()))
    assert {row["record"]: row for row in rows}["r8"].items() >= {"rhythm": "af"}.items()


def test_columns_of_one_question_and_columns_of_their_own(table: Path, tmp_path: Path) -> None:
    head = "record,path,index,target:a,target:b,target:c\n"
    (tmp_path / "m.csv").write_text(
        head + "".join(f"r{k},x.npy,{k},{int(k < 4)},{int(4 <= k < 8)},{int(k >= 8)}\n"
                       for k in range(RECORDS))
    )  # fmt: skip
    (one,) = questions_of(read_recordings(tmp_path / "m.csv"))
    assert one.classes == ("a", "b", "c") and one.given.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    (tmp_path / "d.csv").write_text("record,target,given,suggested,decision\nr2,class,a,c,accept\n")
    correct(tmp_path / "m.csv", None, tmp_path / "d.csv", tmp_path / "new.csv")
    assert (tmp_path / "new.csv").read_text().splitlines()[3] == "r2,x.npy,2,0,0,1"
    (tmp_path / "m.csv").write_text(head + "r0,x.npy,0,1,1,0\nr1,x.npy,1,0,,1\nr2,x.npy,2,0,0,1\n")
    several = questions_of(read_recordings(tmp_path / "m.csv"))
    assert [(q.name, q.given.tolist()) for q in several] == [
        ("a", [1, 0, 0]), ("b", [1, -1, 0]), ("c", [0, 1, 1]),
    ]  # fmt: skip
    (tmp_path / "b.csv").write_text("id,b\nr0,0.25\nr2,\n")
    found = probabilities_of_table(tmp_path / "b.csv", several[1], ["r0", "r1", "r2"])
    assert found[0].tolist() == [0.75, 0.25] and np.isnan(found[1:]).all()
    with pytest.raises(EvaluationError, match="no column for 0, 1"):
        probabilities_of_table(tmp_path / "b.csv", several[0], ["r0"])


def test_boosted_trees_find_flipped_labels() -> None:
    """300 records of two features, of which twelve bear the wrong label."""
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1], 150)
    features = np.concatenate(
        [truth[:, None] * 3 + rng.normal(size=(300, 2)), np.full((300, 1), np.nan)], axis=1
    )
    given = truth.copy()
    wrong = rng.choice(300, 12, replace=False)
    given[wrong] = 1 - given[wrong]
    folds = [rng.permutation(300) % 5]
    p = crossed_probabilities(features, given, folds)
    assert p.sum(axis=1) == pytest.approx(np.ones(300))
    own = p[np.arange(300), given]
    assert len(set(np.argsort(own)[:12]) & set(wrong.tolist())) >= 9


def test_names_on_the_page_cannot_run(table: Path, tmp_path: Path) -> None:
    text = table.read_text().replace("sinus", "<script>alert(1)</script>")
    table.write_text(text)
    (tmp_path / "p.csv").write_text(
        (tmp_path / "p.csv").read_text().replace("sinus", "<script>alert(1)</script>")
    )
    review(mapped(table), tmp_path / "out", predictions=tmp_path / "p.csv", shown=2)
    page = (tmp_path / "out" / "review.html").read_text()
    assert page.count("<script>") == 1 and "&lt;script&gt;alert(1)" in page
    assert json.dumps("decision").strip('"') in page
