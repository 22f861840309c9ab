"""Run mutants: ``python -m tests.mutation signals metrics --sample 60``; it resumes.

``python -m tests.mutation --changed --minutes 5`` takes the lines changed since a base revision.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from pathlib import Path

from tests.mutation import changed, report, verdicts
from tests.mutation.baseline import BaselineError, run_baseline
from tests.mutation.choose import Key, Mutant, draw
from tests.mutation.covering import Baseline
from tests.mutation.execute import Judge, Results, execute
from tests.mutation.plan import REPOSITORY, Area, Plan, PlanError, data_file, load_plan
from tests.mutation.session import Outcome, Session
from tests.mutation.sources import mutants_of
from tests.mutation.workplace import Workplace, WorkplaceError

SAMPLE = 120
LEAST_SHARE, LEAST_RUN = 0.8, 20
"""A run on changed lines fails below this share, of at least so many mutants."""


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        plan = load_plan(options.root.resolve())
        return _changed(plan, options) if options.changed else _areas(plan, options)
    except KeyboardInterrupt:
        print("mutants: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except (PlanError, BaselineError, WorkplaceError) as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2


def _stop(*_: object) -> None:
    raise KeyboardInterrupt  # so that copies and servers are removed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("areas", nargs="*", help="areas of plan.toml (default: all)")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutants per area")
    parser.add_argument("--all", action="store_true", help="every mutant")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--module", action="append", default=[], help="only this module, such as "
                        "signals/quality.py; may be repeated")  # fmt: skip
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="begin no mutant after this time")
    parser.add_argument("--fresh", action="store_true", help="forget earlier outcomes")
    parser.add_argument("--list", action="store_true", help="print the sample and run nothing")
    parser.add_argument("--templates", action="store_true", help="print entries for verdicts.toml")
    parser.add_argument("--docs", type=Path, help="write the table into this document")
    parser.add_argument("--out", type=Path, help="folder of the sessions (default: build/mutants)")
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="another checkout")
    parser.add_argument("--changed", action="store_true", help="only lines changed since the base")
    parser.add_argument("--base", help=f"revision to compare with (default: {changed.VARIABLE}, "
                        "where the branch left origin/main, or the commit before)")  # fmt: skip
    return parser


def _areas(plan: Plan, options: argparse.Namespace) -> int:
    """Run samples of whole areas."""
    deadline = _deadline(options)
    reports, code = [], 0
    for area in plan.chosen(options.areas):
        sample = draw(_mutants(plan, area, options), None if options.all else options.sample,
                      options.seed)  # fmt: skip
        if options.list:
            for mutant in sample:
                print(f"{mutant.key.module}:{mutant.line} {mutant.change()}")
            continue
        try:
            results = _run(plan, area, sample, options, deadline)
        except BaselineError as error:
            print(f"mutants: {error}", file=sys.stderr)
            code = 2
            continue
        reports.append(report.AreaReport(area, results.judged, _verdicts(plan)))
        if options.docs:
            size = "all mutants" if options.all else f"a sample of {options.sample}"
            report.write_section(options.docs, reports[-1:], plan, f"{size}, seed {options.seed}")
    if reports:
        print(f"\n{report.table(reports)}")
        _templates(reports, options)
    return code


def _changed(plan: Plan, options: argparse.Namespace) -> int:
    """Run the mutants of changed lines; 1 if too few are noticed."""
    deadline = _deadline(options)
    base = options.base or changed.find_base(plan.root)
    if base is None:
        print("mutants: skipped, there is no base revision to compare with")
        return 0
    lines = changed.changed_lines(plan.root, base, plan.package)
    work = []
    for area in plan.chosen(options.areas):
        own = [m for m in _mutants(plan, area, options, set(lines)) if _touches(m, lines)]
        if sample := draw(own, None if options.all else options.sample, options.seed):
            work.append((area, sample))
    if not work:
        print(f"mutants: skipped, nothing that an area covers was changed since {base[:12]}")
        return 0
    work.sort(key=lambda entry: -len(entry[1]))
    reports = []
    for place, (area, sample) in enumerate(work):
        now = time.monotonic()
        until = now + (deadline - now) / (len(work) - place)
        try:
            results = _run(plan, area, sample, options, until)
        except (BaselineError, WorkplaceError) as error:
            if time.monotonic() < until:
                raise
            print(f"mutants: {area.name} is not judged: {error}")
            continue
        reports.append(report.AreaReport(area, results.judged, _verdicts(plan)))
    print(f"\n{report.table(reports)}")
    _templates(reports, options)
    run = sum(len(own.judged) - own.equivalent for own in reports)
    noticed = sum(own.noticed for own in reports)
    if run >= LEAST_RUN and noticed < LEAST_SHARE * run:
        print(f"mutants: {noticed} of {run} changes were noticed, fewer than {LEAST_SHARE:.0%}")
        return 1
    return 0


def _verdicts(plan: Plan) -> dict[Key, verdicts.Verdict]:
    return verdicts.load_verdicts(data_file(plan.root, "verdicts.toml"))


def _deadline(options: argparse.Namespace) -> float:
    return time.monotonic() + (float("inf") if options.minutes is None else 60 * options.minutes)


def _mutants(
    plan: Plan, area: Area, options: argparse.Namespace, only: set[str] | None = None
) -> list[Mutant]:
    """Return all mutants of the modules that are asked for."""
    wanted = set(options.module) or set(area.modules)
    return [
        mutant
        for module in area.modules
        if module in wanted and (only is None or module in only)
        for mutant in mutants_of(plan.source, module)
    ]


def _touches(mutant: Mutant, lines: dict[str, set[int]]) -> bool:
    first, last = mutant.spec.start_pos[0], mutant.spec.end_pos[0]
    return not lines[mutant.key.module].isdisjoint(range(first, last + 1))


def _run(
    plan: Plan, area: Area, sample: list[Mutant], options: argparse.Namespace, deadline: float
) -> Results:
    """Judge the sample of one area and print its survivors."""
    folder = options.out or plan.root / "build" / "mutants"
    begun = time.monotonic()
    known = _verdicts(plan)

    def tell(mutant: Mutant, outcome: Outcome) -> None:
        if not outcome.noticed or outcome.how == "timed out":
            verdict = known.get(mutant.key)
            said = f" ({'equivalent' if verdict.equivalent else 'known'})" if verdict else ""
            print(f"{outcome.how}{said}: {plan.package}/{mutant.key.module}:{mutant.line} "
                  f"{mutant.change()}", flush=True)  # fmt: skip

    with contextlib.ExitStack() as stack:
        session = Session(folder / f"{area.name}.sqlite", plan, area)
        stack.callback(session.close)
        if options.fresh:
            session.forget()
        waiting = sum(session.outcome(mutant) is None for mutant in sample)
        print(f"{area.name}: {len(sample)} mutants, {waiting} to run", flush=True)
        workplaces = [
            stack.enter_context(Workplace(plan.root, plan.package, area.preload))
            for _ in range(max(1, min(options.workers, waiting)) if waiting else 0)
        ]
        for mutant in sample:
            if outcome := session.outcome(mutant):
                tell(mutant, outcome)
        own, late = Baseline([], [], {}, set(), []), list[str]()
        if waiting:
            if area.build is not None and not all(w.build(area.build) for w in workplaces):
                raise BaselineError(f"{area.name}: {area.build} fails; is there a C compiler?")
            own, late = run_baseline(plan, area, workplaces, folder / "tests", deadline)
            total = sum(own.seconds)
            print(f"{area.name}: {len(own.tests)} tests judge, {total:.0f} s", flush=True)
            for name in late:
                print(f"judges nothing, it had no time: {name}", flush=True)
            for name in own.failing:
                print(f"left out, it fails on the unchanged source: {name}", flush=True)
        judge = Judge(plan, area, own, deadline, partial=bool(late))
        results = execute(sample, judge, session, workplaces, tell)
    print(f"{area.name}: {len(results.judged)} judged in {time.monotonic() - begun:.0f} s; "
          f"{len(results.skipped)} had no time", flush=True)  # fmt: skip
    return results


def _templates(reports: list[report.AreaReport], options: argparse.Namespace) -> None:
    if options.templates:
        for own in reports:
            for mutant, _ in own.survivors:
                if mutant.key not in own.verdicts:
                    print(f"\n{verdicts.template(mutant)}")


if __name__ == "__main__":
    sys.exit(main())
