"""The plan of this repository is whole, and its verdicts belong to mutants that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.plan import REPOSITORY, PlanError, data_file, load_plan
from tests.mutation.sources import mutants_of
from tests.mutation.verdicts import load_verdicts

PACKAGES = (
    "criteria", "formats", "inference", "measurements", "metrics", "preprocessing", "signals",
    "tasks",
)  # fmt: skip

VERDICT = """
[[verdict]]
module = "a.py"
function = ""
operator = "core/NumberReplacer"
line = "A = 1"
occurrence = 0
verdict = "equivalent"
reason = "unused"
"""


def test_every_pattern_of_the_plan_matches_a_file() -> None:
    plan = load_plan()  # raises otherwise
    aims = {area.name: area.aim for area in plan.areas}
    named = (
        "signals measurements metrics leads units preprocessing inference losses augmentation "
        "splits tasks criteria"
    ).split()
    assert {name: aims[name] for name in named} == dict.fromkeys(named, 0.9)
    formats = [area for area in plan.areas if area.name.startswith("formats-")]
    assert {area.aim for area in formats} == {0.8}
    assert plan.chosen(["formats"]) == formats


def test_every_module_of_the_covered_packages_belongs_to_an_area() -> None:
    plan = load_plan()
    covered = {module for area in plan.areas for module in area.modules}
    for package in PACKAGES:
        found = {
            path.relative_to(plan.source).as_posix()
            for path in (plan.source / package).rglob("*.py")
            if path.name != "__init__.py"
        }
        assert found and not found - covered, "add these modules to an area of plan.toml"


def test_verdicts_belong_to_mutants_that_exist() -> None:
    plan = load_plan()
    verdicts = load_verdicts(data_file(REPOSITORY, "verdicts.toml"))
    modules = {key.module for key in verdicts}
    keys = {mutant.key for module in modules for mutant in mutants_of(plan.source, module)}
    assert not set(verdicts) - keys


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"limits.py"', '"limit.py"', "nothing matches 'limit.py'"),
        ('"tests/test_*.py"', '"tests/check_*.py"', "nothing matches 'tests/check_"),
        ("aim", "goal", "unknown keys: goal"),
        ("[areas.limits]", '[areas.other]\nmodules = ["*.py"]\ntests = ["tests/test_*.py"]\n'
         "[areas.limits]", "limits.py belongs to other and to limits"),
    ],
)  # fmt: skip
def test_a_wrong_plan_is_refused(tiny: Path, old: str, new: str, message: str) -> None:
    file = tiny / "tests/mutation/plan.toml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(PlanError, match=message.replace("*", r"\*")):
        load_plan(tiny)


def test_an_unknown_area_is_refused_with_those_there_are(tiny: Path) -> None:
    with pytest.raises(PlanError, match="there is no area 'limit'; there are: limits"):
        load_plan(tiny).chosen(["limit"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"equivalent"', '"fine"', "and a reason are needed"),
        ('"unused"', '" "', "and a reason are needed"),
        ('reason = "unused"', "", "no 'reason'"),
        ("occurrence = 0", "", "no 'occurrence'"),
        (VERDICT, VERDICT + VERDICT, "judged twice"),
    ],
)
def test_a_wrong_verdict_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "verdicts.toml"
    file.write_text(VERDICT.replace(old, new))
    with pytest.raises(PlanError, match=message):
        load_verdicts(file)
