"""Run the tests on the mutants of an area, in one or more workplaces at once."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.mutation.choose import Mutant
from tests.mutation.covering import Baseline
from tests.mutation.plan import Area, Plan
from tests.mutation.session import Outcome, Session
from tests.mutation.workplace import Workplace, WorkplaceError, share

_NOTHING_FAILED = (0, 5)  # of pytest: all passed; no tests collected

_BUSY, _LONGER = 0.7, 4.0
"""A run that used less than this share of its time waited for a busy machine: it runs once more,
with limits so many times as long."""


@dataclass
class Results:
    """The mutants of an area with their outcomes, in the order of the sample.

    ``skipped`` had no time left.
    """

    judged: list[tuple[Mutant, Outcome]] = field(default_factory=list)
    skipped: list[Mutant] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Judge:
    """Runs tests on mutants of an area.

    ``deadline`` (of ``time.monotonic``) ends a run in any case; its outcome means nothing.
    ``partial`` says that not all tests of the area judge.
    """

    plan: Plan
    area: Area
    baseline: Baseline
    deadline: float
    partial: bool = False

    def outcome(self, mutant: Mutant, workplace: Workplace) -> Outcome:
        """Run the tests that execute the changed line, until one fails.

        Raises
        ------
        WorkplaceError
            The fork server is gone.
        """
        tests = self.baseline.judges(mutant)
        if not tests:
            return Outcome(noticed=False, how="no test", partial=self.partial)
        assert mutant.mutated is not None
        files = tuple(dict.fromkeys(name.partition("::")[0] for name in tests))
        with workplace.changed(f"{self.plan.package}/{mutant.key.module}", mutant.mutated):
            if self.area.build is not None and not workplace.build(self.area.build):
                return Outcome(noticed=True, how="does not compile")
            answer = self._run(tests, files, workplace)
            if answer.get("timed_out") and answer["used"] < _BUSY * answer["seconds"]:
                answer = self._run(tests, files, workplace, _LONGER)
        seconds = round(answer["seconds"], 3)
        if answer.get("timed_out"):
            return Outcome(noticed=True, how="timed out", seconds=seconds)
        if answer["code"] in _NOTHING_FAILED:
            return Outcome(False, "survived", seconds=seconds, partial=self.partial)
        if failed := answer.get("failed"):
            return Outcome(noticed=True, how="failed", test=failed, seconds=seconds)
        return Outcome(noticed=True, how="crashed", seconds=seconds)

    def _run(
        self, tests: list[str], files: tuple[str, ...], workplace: Workplace, times: float = 1.0
    ) -> dict[str, Any]:
        return workplace.run(
            files,
            times * self.baseline.limit(tests),
            until=self.deadline,
            limits={file: times * limit for file, limit in self.baseline.limits().items()},
            order=tests,
            known=self.baseline.tests,
            left_out=self.baseline.failing,
        )


def execute(
    mutants: list[Mutant],
    judge: Judge,
    session: Session,
    workplaces: list[Workplace],
    tell: Callable[[Mutant, Outcome], None],
) -> Results:
    """Judge mutants that have no outcome yet, and return those of all.

    Parameters
    ----------
    mutants : list of Mutant
    judge : Judge
        No mutant is begun after its deadline.
    session : Session
        Keeps each outcome as soon as it is there.
    workplaces : list of Workplace
        One thread each.
    tell : callable
        Called with every new outcome.

    Raises
    ------
    WorkplaceError
        A fork server ended.
    """
    session.add(mutants)
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in mutants:
        if session.outcome(mutant) is None:
            waiting.put(mutant)
    lock = threading.Lock()
    errors: list[WorkplaceError] = []

    def work(workplace: Workplace) -> None:
        while not errors and time.monotonic() < judge.deadline:
            try:
                mutant = waiting.get_nowait()
                outcome = judge.outcome(mutant, workplace)
            except queue.Empty:
                return
            except WorkplaceError as error:
                errors.append(error)
                return
            with lock:
                if time.monotonic() < judge.deadline:
                    tell(mutant, session.record(mutant, outcome))

    share(work, workplaces, judge.deadline)
    if errors and time.monotonic() < judge.deadline:
        raise errors[0]
    results = Results()
    with lock:
        for mutant in mutants:
            outcome = session.outcome(mutant)
            if outcome is None:
                results.skipped.append(mutant)
            else:
                results.judged.append((mutant, outcome))
    return results
