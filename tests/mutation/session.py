"""The session of an area: cosmic-ray's database of mutants and outcomes, from which runs resume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

from tests.mutation.baseline import digests_of_tests
from tests.mutation.choose import Mutant
from tests.mutation.plan import Area, Plan


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant.

    ``how`` is "failed", "timed out", "crashed" or "does not compile" of a mutant that was
    noticed, "survived" or "no test" (no test executes the line) of one that was not; ``test`` is
    what noticed it. ``partial``: some tests had no time, so the next run judges it again.
    """

    noticed: bool
    how: str
    test: str = ""
    seconds: float = 0.0
    judges: str = ""
    partial: bool = False


class Session:
    """Mutants of one area with their outcomes.

    An outcome stands until the mutated module changes, and: noticed, until the test file that
    noticed it does; not noticed, until any judging test does.
    """

    def __init__(self, path: Path, plan: Plan, area: Area) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = WorkDB(str(path), WorkDB.Mode.create)
        self._known = {item.job_id for item in self._database.work_items}
        self._files = digests_of_tests(plan, area)
        self._all = hashlib.sha256("".join(self._files.values()).encode()).hexdigest()
        kept = {
            name: Outcome(**json.loads(result.output))
            for name, result in self._database.results
            if result.output
        }
        self._outcomes = {name: outcome for name, outcome in kept.items() if not outcome.partial}

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def forget(self) -> None:
        """Drop all mutants and outcomes."""
        self._database.clear()
        self._known.clear()
        self._outcomes.clear()

    def add(self, mutants: Iterable[Mutant]) -> None:
        """Add mutants that the session does not hold yet."""
        new = [mutant for mutant in mutants if mutant.identity not in self._known]
        self._database.add_work_items(
            WorkItem.single(mutant.identity, mutant.spec) for mutant in new
        )
        self._known.update(mutant.identity for mutant in new)

    def outcome(self, mutant: Mutant) -> Outcome | None:
        """Return the outcome of a mutant, if there is one that still stands."""
        outcome = self._outcomes.get(mutant.identity)
        return outcome if outcome and outcome.judges == self._judges(outcome) else None

    def record(self, mutant: Mutant, outcome: Outcome) -> Outcome:
        """Keep an outcome."""
        outcome = Outcome(**(asdict(outcome) | {"judges": self._judges(outcome)}))
        self._outcomes[mutant.identity] = outcome
        workers = {"crashed": WorkerOutcome.ABNORMAL, "no test": WorkerOutcome.NO_TEST}
        self._database.set_result(
            mutant.identity,
            WorkResult(
                worker_outcome=workers.get(outcome.how, WorkerOutcome.NORMAL),
                test_outcome=TestOutcome.KILLED if outcome.noticed else TestOutcome.SURVIVED,
                output=json.dumps(asdict(outcome)),
                diff=mutant.change(),
            ),
        )
        return outcome

    def _judges(self, outcome: Outcome) -> str:
        """Return the digest of the tests on which an outcome rests."""
        if outcome.noticed and outcome.test:
            return self._files.get(outcome.test.partition("::")[0], "gone")
        return self._all
