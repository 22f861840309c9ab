"""Pages of evaluation in a real browser: the report sorts and loads nothing, labels are judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfoundry.api.reviewing import correct, review
from ecgfoundry.evaluation.evaluate import evaluate
from ecgfoundry.evaluation.report.report import evaluation_report
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.manifest import ColumnMapping, MappedManifest, read_recordings
from tests.evaluation.test_evaluation import cohort

pytestmark = pytest.mark.slow


def test_tables_sort_wherever_the_head_is_clicked_and_nothing_is_loaded(
    tmp_path: Path, browser: Any
) -> None:
    path = tmp_path / "report.html"
    path.write_text(evaluation_report(evaluate(cohort(), Settings(draws=60))), encoding="utf-8")
    page = browser.new_page(viewport={"width": 400, "height": 900})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda r: None if r.url == path.as_uri() else faults.append(r.url))
    page.goto(path.as_uri())
    table = "#discrimination table.sortable"

    def order() -> list[str]:
        return page.eval_on_selector_all(
            f"{table} tbody th", "heads => heads.map(head => head.innerText)"
        )

    head = page.locator(f"{table} thead th").nth(3)  # AUROC; A is better than B, E undefined
    head.click(position={"x": 3, "y": 3})  # beside the words
    assert order() == ["A", "B", "E"] and head.get_attribute("aria-sort") == "descending"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert order() == ["B", "A", "E"] and head.get_attribute("aria-sort") == "ascending"
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert faults == []
    page.close()


def test_labels_judged_on_the_page_come_back_into_the_table(tmp_path: Path, browser: Any) -> None:
    """By pointer and by keyboard; the saved file is what ``review --decisions`` takes."""
    samples = np.random.default_rng(0).normal(0, 0.1, (4, 1, 2500)).astype(np.float32)
    np.save(tmp_path / "x.npy", samples)
    (tmp_path / "x.json").write_text('{"leads": ["I"], "sampling_rate": 250, "unit": "mV"}')
    table = tmp_path / "t.csv"
    lines = [f'"r,{k}",x.npy,{k},{label}' for k, label in enumerate(["af", "af", "sinus", "sinus"])]
    table.write_text("\n".join(["record,path,index,rhythm", *lines]) + "\n")
    (tmp_path / "p.csv").write_text('id,rhythm\n"r,0",0.9\n"r,1",0.05\n"r,2",0.9\n"r,3",0.1\n')

    def mapped() -> MappedManifest:
        return read_recordings(table, ColumnMapping(targets=("rhythm",), positive="af"))

    review(mapped(), tmp_path / "out", predictions=tmp_path / "p.csv", shown=3)
    page = browser.new_page(viewport={"width": 400, "height": 900})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((tmp_path / "out" / "review.html").as_uri())
    heads = page.locator(".label h2").all_inner_texts()
    assert heads[:2] == ["r,1", "r,2"] and len(heads) == 3
    page.get_by_label("sinus is right").nth(0).check()  # r,1: what the models say
    page.get_by_label("sinus is right").nth(1).focus()  # r,2: the label
    page.keyboard.press("Space")
    assert page.locator("#count").inner_text() == "2 of 3 decided"
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save decisions").click()
    saving.value.save_as(tmp_path / "decided.csv")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert faults == []
    page.close()

    counts = correct(table, mapped(), tmp_path / "decided.csv", tmp_path / "new.csv")
    assert counts == {"accepted": 1, "rejected": 1, "other": 0, "open": 1}
    before, after = (path.read_text().splitlines() for path in (table, tmp_path / "new.csv"))
    changed = [(b, a) for b, a in zip(before, after, strict=True) if a != b]
    assert changed == [('"r,1",x.npy,1,af', '"r,1",x.npy,1,sinus')]
