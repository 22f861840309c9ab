"""The interval, the section of the document, the lines changed since a revision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mutation.changed import changed_lines, find_base
from tests.mutation.choose import find_mutants
from tests.mutation.plan import PlanError, load_plan
from tests.mutation.report import AreaReport, wilson, write_section
from tests.mutation.session import Outcome
from tests.mutation.verdicts import Verdict, load_verdicts, template


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    # statsmodels 0.15.0: proportion_confint(hits, total, method="wilson")
    [
        (24, 30, 0.626943, 0.9049489),
        (0, 5, 0.0, 0.4344825),
        (7, 7, 0.6456696, 1.0),
        (108, 120, 0.8333183, 0.9418664),
    ],
)
def test_wilson(hits: int, total: int, low: float, high: float) -> None:
    assert wilson(hits, total) == pytest.approx((low, high), abs=1e-6)


def _report(root: Path, name: str = "limits") -> AreaReport:
    area = next(area for area in load_plan(root).areas if area.name == name)
    first, second, third, *_ = find_mutants(root / "src/tiny/limits.py", "limits.py")
    judged = [
        (third, Outcome(True, "timed out")),
        (second, Outcome(False, "no test")),
        (first, Outcome(False, "survived")),
    ]
    return AreaReport(area, judged, {first.key: Verdict(True, "a | b")})


def test_a_section_is_replaced_and_the_others_stay(tiny: Path) -> None:
    plan = load_plan(tiny)
    file = tiny / "testing.md"
    file.write_text(
        "before\n<!-- mutants: begin -->\n| gone | 4 | 4 | |\n\n### gone: survivors (all)\n\n"
        "- something\n<!-- mutants: end -->\nafter\n"
    )
    for _ in range(2):
        write_section(file, [_report(tiny)], plan, "a sample of 3, seed 1")
        assert file.read_text() == (
            "before\n<!-- mutants: begin -->\n\n"
            "| area | mutants run | noticed | share noticed (95 % interval) | survivors judged "
            "equivalent | share of the non-equivalent noticed | aim |\n"
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            "| limits | 3 | 1 (1 by time) | 33 % (6 % to 79 %) | 1 | 50 % | 90 % |\n\n"
            "### limits: survivors (a sample of 3, seed 1)\n\n"
            "- `src/tiny/limits.py:5` module `LIMIT = 0.6 -> LIMIT = 0.48`: not judged "
            "(no test executes the line)\n\n"
            "<!-- mutants: end -->\nafter\n"
        )


def test_an_area_that_was_not_run_keeps_its_row(tiny: Path) -> None:
    plan_file = tiny / "tests/mutation/plan.toml"
    plan_file.write_text(
        plan_file.read_text()
        + '[areas.formats-x]\nmodules = ["__init__.py"]\ntests = ["tests/test_*.py"]\n'
    )
    row = "| formats-x | 9 | 9 | 100 % (70 % to 100 %) | 0 | 100 % | 90 % |"
    file = tiny / "testing.md"
    file.write_text(
        f"<!-- mutants: begin -->\n{row}\n\n### formats-x: survivors (all)\n\n- kept\n"
        "<!-- mutants: end -->\n"
    )
    write_section(file, [_report(tiny)], load_plan(tiny), "all mutants")
    written = file.read_text()
    assert written.index("| limits | 3") < written.index(row)
    assert written.index("### limits: survivors (all mutants)") < written.index("- kept")


def test_a_document_without_markers_is_refused(tiny: Path) -> None:
    file = tiny / "testing.md"
    file.write_text("nothing\n")
    with pytest.raises(PlanError, match="has no <!-- mutants: begin -->"):
        write_section(file, [_report(tiny)], load_plan(tiny), "all")


def test_a_template_is_a_verdict_once_it_is_filled_in(tiny: Path) -> None:
    for mutant in find_mutants(tiny / "src/tiny/limits.py", "limits.py"):
        file = tiny / "verdicts.toml"
        entry = template(mutant)
        file.write_text(
            entry.replace('verdict = ""', 'verdict = "equivalent"').replace('""', '"why"')
        )
        if mutant.key.function:  # of a module the function is "", too
            assert load_verdicts(file) == {mutant.key: Verdict(True, "why")}


def test_changed_lines(tiny: Path, git: Callable[..., str]) -> None:
    module = tiny / "src/tiny/limits.py"
    lines = module.read_text().splitlines()
    lines[4] = "LIMIT = 0.7"  # line 5
    lines[16:16] = ["    value = value"]  # a new line 17
    del lines[24]
    module.write_text("\n".join(lines) + "\n")
    (tiny / "src/tiny/new.py").write_text("A = 1\nB = 2\n")
    (tiny / "src/tiny/table.csv").write_text("1\n")
    assert changed_lines(tiny, "HEAD", "src/tiny") == {"limits.py": {5, 17}, "new.py": {1, 2}}


def test_a_moved_file_counts_by_its_changes(tiny: Path, git: Callable[..., str]) -> None:
    git("mv", "src/tiny/limits.py", "src/tiny/bounds.py")
    module = tiny / "src/tiny/bounds.py"
    module.write_text(module.read_text().replace("0.6", "0.7"))
    git("commit", "--all", "--quiet", "--message", "second")
    assert changed_lines(tiny, "HEAD~1", "src/tiny") == {"bounds.py": {5}}


def test_the_base(tiny: Path, git: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECGFOUNDRY_BASE", raising=False)
    assert find_base(tiny) is None
    first = git("rev-parse", "HEAD")
    git("commit", "--quiet", "--allow-empty", "--message", "second")
    assert find_base(tiny) == first
    second = git("rev-parse", "HEAD")
    git("commit", "--quiet", "--allow-empty", "--message", "third")
    git("commit", "--quiet", "--allow-empty", "--message", "fourth")
    git("update-ref", "refs/remotes/origin/main", second)
    assert find_base(tiny) == second
    monkeypatch.setenv("ECGFOUNDRY_BASE", "HEAD~3")
    assert find_base(tiny) == first
    monkeypatch.setenv("ECGFOUNDRY_BASE", "nothing")
    assert find_base(tiny) is None
    assert find_base(tiny / "src") is None
