"""Verdicts on survivors: ``verdicts.toml``, reviewed by people, matched without line numbers."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutation.choose import Key, Mutant
from tests.mutation.plan import PlanError

VERDICTS = ("equivalent", "not equivalent")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person says about a survivor.

    ``equivalent`` means that no test could notice the change: the behaviour is the same.
    """

    equivalent: bool
    reason: str


def load_verdicts(file: Path) -> dict[Key, Verdict]:
    """Read the verdicts.

    Raises
    ------
    PlanError
        An entry lacks a part, has another verdict than the two, or stands twice.
    """
    if not file.is_file():
        return {}
    verdicts: dict[Key, Verdict] = {}
    for entry in tomllib.loads(file.read_text(encoding="utf-8")).get("verdict", []):
        try:
            key = Key(**{name: entry[name] for name in Key.__slots__})
            verdict, reason = entry["verdict"], entry["reason"].strip()
        except KeyError as error:
            raise PlanError(f"{file}: a verdict has no {error}: {entry}") from None
        if verdict not in VERDICTS or not reason:
            raise PlanError(f"{file}: {key}: one of {VERDICTS} and a reason are needed")
        if key in verdicts:
            raise PlanError(f"{file}: {key} is judged twice")
        verdicts[key] = Verdict(verdict == "equivalent", reason)
    return verdicts


def template(mutant: Mutant) -> str:
    """Return an entry for a survivor, to be completed and put into the file."""
    parts = [f"{name} = {json.dumps(value)}" for name, value in asdict(mutant.key).items()]
    return "\n".join(("[[verdict]]", f"# {mutant.change()}", *parts, 'verdict = ""', 'reason = ""'))
