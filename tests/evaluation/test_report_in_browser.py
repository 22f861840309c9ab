"""The evaluation report in a real browser: it loads nothing, sorts by pointer and by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecgfoundry.evaluation.evaluate import evaluate
from ecgfoundry.evaluation.report.report import evaluation_report
from ecgfoundry.evaluation.settings import Settings
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
