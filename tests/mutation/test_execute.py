"""A mutant is late when it computes too long, not when the machine is busy."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.choose import find_mutants
from tests.mutation.covering import Baseline
from tests.mutation.execute import Judge
from tests.mutation.plan import load_plan

LATE = {"timed_out": True, "code": None, "seconds": 20.0}


class Played:
    """Stands for a workplace: a real one is late only on a busy machine."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.limits: list[float] = []

    def changed(self, path: str, text: str) -> nullcontext[None]:
        return nullcontext()

    def run(self, files: tuple[str, ...], limit: float, **more: Any) -> dict[str, Any]:
        self.limits.append(limit)
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("answers", "how", "limits"),
    [
        # 20 s passed and 19 s were computed: a loop. The limit is 10 s and five times a second.
        ([LATE | {"used": 19.0}], "timed out", [15.0]),
        ([LATE | {"used": 3.0}, {"code": 0, "seconds": 9.0}], "survived", [15.0, 60.0]),
        ([LATE | {"used": 3.0}, LATE | {"used": 3.0}], "timed out", [15.0, 60.0]),
    ],
)  # fmt: skip
def test_what_waited_is_run_once_more(
    tiny: Path, answers: list[dict[str, Any]], how: str, limits: list[float]
) -> None:
    plan = load_plan(tiny)
    mutant = find_mutants(tiny / "src/tiny/limits.py", "limits.py")[0]
    every = {line: [0] for line in range(1, 50)}
    own = Baseline(["tests/test_limits.py::test_x"], [1.0], {"limits.py": every}, set(), [])
    played = Played(*answers)
    judge = Judge(plan, plan.areas[0], own, deadline=float("inf"))
    assert judge.outcome(mutant, played).how == how  # type: ignore[arg-type]
    assert played.limits == limits
