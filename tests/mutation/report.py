"""The table of a mutation run, and the section of ``docs/testing.md`` that holds it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.choose import Key, Mutant
from tests.mutation.plan import Area, Plan, PlanError
from tests.mutation.session import Outcome
from tests.mutation.verdicts import Verdict

BEGIN, END = "<!-- mutants: begin -->", "<!-- mutants: end -->"
HEAD = (
    "| area | mutants run | noticed | share noticed (95 % interval) | survivors judged equivalent "
    "| share of the non-equivalent noticed | aim |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
)


@dataclass(frozen=True, slots=True)
class AreaReport:
    """One area: its row of the table, and its survivors."""

    area: Area
    judged: Sequence[tuple[Mutant, Outcome]]
    verdicts: Mapping[Key, Verdict]

    @property
    def noticed(self) -> int:
        """How many mutants were noticed."""
        return sum(outcome.noticed for _, outcome in self.judged)

    @property
    def survivors(self) -> list[tuple[Mutant, Outcome]]:
        """Those that were not, in the order of the text."""
        found = [(mutant, outcome) for mutant, outcome in self.judged if not outcome.noticed]
        return sorted(found, key=lambda entry: (entry[0].key.module, entry[0].line, entry[0].key))

    @property
    def equivalent(self) -> int:
        """How many survivors are judged to be equivalent."""
        verdicts = (self.verdicts.get(mutant.key) for mutant, _ in self.survivors)
        return sum(verdict is not None and verdict.equivalent for verdict in verdicts)

    @property
    def share(self) -> float | None:
        """The share of the non-equivalent mutants that was noticed."""
        counted = len(self.judged) - self.equivalent
        return self.noticed / counted if counted else None

    def row(self) -> str:
        """Return the row of the table."""
        run = len(self.judged)
        if not run:
            return f"| {self.area.name} | 0 | 0 | | 0 | | {_percent(self.area.aim)} |"
        low, high = wilson(self.noticed, run)
        late = sum(outcome.how == "timed out" for _, outcome in self.judged)
        noticed = f"{self.noticed} ({late} by time)" if late else str(self.noticed)
        interval = f"{_percent(self.noticed / run)} ({_percent(low)} to {_percent(high)})"
        counted = "" if self.share is None else _percent(self.share)
        return (
            f"| {self.area.name} | {run} | {noticed} | {interval} | {self.equivalent} | "
            f"{counted} | {_percent(self.area.aim)} |"
        )

    def details(self, plan: Plan) -> str:
        """Return as Markdown the survivors that change something, and those nobody has judged.

        An equivalent one has its reason in ``verdicts.toml``; what the time limit alone noticed is
        counted in the row.
        """
        lines = []
        for mutant, outcome in self.survivors:
            verdict = self.verdicts.get(mutant.key)
            if verdict is not None and verdict.equivalent:
                continue
            said = "not judged" if verdict is None else f"not equivalent: {verdict.reason}"
            if outcome.how == "no test":
                said += " (no test executes the line)"
            lines.append(f"- {_described(mutant, plan)}: {said}")
        return "\n".join(lines)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Wilson 1927; z = 1.959964)."""
    z = 1.959963984540054
    share, spread = hits / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def table(reports: Sequence[AreaReport]) -> str:
    """Return the table alone."""
    return "\n".join((HEAD, *(report.row() for report in reports)))


def write_section(file: Path, reports: Sequence[AreaReport], plan: Plan, how: str) -> None:
    """Put reports between the two markers of a document; other areas keep what they have there.

    Parameters
    ----------
    file : Path
    reports : sequence of AreaReport
    plan : Plan
        Gives the order of the areas; what is there of an area that the plan lacks goes.
    how : str
        The sample and the seed, in words.

    Raises
    ------
    PlanError
        The document lacks the markers.
    """
    text = file.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    inner, end, after = rest.partition(END)
    if not begin or not end:
        raise PlanError(f"{file} has no {BEGIN} or no {END}: add a line with each of them")
    rows = {match[1]: match[0] for match in re.finditer(r"^\| ([\w-]+) \| \d.*$", inner, re.M)}
    parts = re.split(r"^### (\S+): .*$", inner, flags=re.M)
    details = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    headings = {m[1]: m[0] for m in re.finditer(r"^### (\S+): .*$", inner, re.M)}
    for report in reports:
        name = report.area.name
        rows[name] = report.row()
        details[name] = report.details(plan)
        headings[name] = f"### {name}: survivors ({how})"
    names = [area.name for area in plan.areas]
    blocks = [HEAD + "".join(f"\n{rows[name]}" for name in names if name in rows)]
    blocks += [f"{headings[name]}\n\n{details[name]}" for name in names if details.get(name)]
    file.write_text(
        f"{before}{BEGIN}\n\n" + "\n\n".join(blocks) + f"\n\n{END}{after}", encoding="utf-8"
    )


def _described(mutant: Mutant, plan: Plan) -> str:
    change = mutant.change().replace("`", "'").replace("|", "\\|")
    place = f"{plan.package}/{mutant.key.module}:{mutant.line}"
    return f"`{place}` {mutant.key.function or 'module'} `{change}`"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
