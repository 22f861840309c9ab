"""The criteria: one object per statement, in a registry that other packages can add to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module

from ecgfoundry.criteria.rules import Rule, limits_of
from ecgfoundry.errors import VocabularyError
from ecgfoundry.registry import Registry
from ecgfoundry.vocabularies.loading import load_vocabulary

__all__ = ["ADULT_FROM", "GROUPS", "Criterion", "criteria"]

ADULT_FROM = 16.0
"""Years. AHA/ACCF/HRS 2009 part III gives other limits up to the age of 16; none is built in."""

GROUPS: tuple[str, ...] = (
    "placement",
    "pacing",
    "rate",
    "rhythm",
    "ectopy",
    "pauses",
    "av",
    "conduction",
    "axis",
    "voltage",
    "atria",
    "infarction",
    "st_t",
    "qt",
    "brugada",
)
"""The modules of this package that hold criteria, in the order of a report."""


@dataclass(frozen=True)
class Criterion:
    """When a statement is made.

    Parameters
    ----------
    name : str
        As in ``ecgfounder-150``, else an English name in capitals.
    group : str
        One of :data:`GROUPS`, or a word of another package.
    rule : Rule
    adults_only : bool
        The limits are those of adults: under 16 they are not applied.
    needs_confirmation : bool
    codes : mapping of str to str, optional
        Coding system to code; None: those of the vocabulary.
    caveat : str
        What has to be known beside the statement.
    """

    name: str
    group: str
    rule: Rule
    adults_only: bool = True
    needs_confirmation: bool = False
    codes: Mapping[str, str] = field(default_factory=dict)
    caveat: str = ""

    def __post_init__(self) -> None:
        if not self.codes:
            known = _vocabulary_codes().get(self.name, {})
            object.__setattr__(self, "codes", dict(known))

    @property
    def leads(self) -> tuple[str, ...]:
        """Leads that a limit names; sums of voltages need those of their definition too."""
        named = (limit.lead for limit in limits_of(self.rule) if limit.lead is not None)
        return tuple(dict.fromkeys(named))

    @property
    def sources(self) -> tuple[str, ...]:
        """Where its limits are from."""
        return tuple(dict.fromkeys(limit.source for limit in limits_of(self.rule)))


def _vocabulary_codes() -> dict[str, dict[str, str]]:
    return {t.name: dict(t.codes) for t in load_vocabulary("ecgfounder-150").targets}


def _add_builtin(registry: Registry[Criterion]) -> None:
    for group in GROUPS:
        found: Iterable[Criterion] = import_module(f"ecgfoundry.criteria.{group}").CRITERIA
        for criterion in found:
            registry.add(criterion, origin=f"ecgfoundry.criteria.{group}")


criteria: Registry[Criterion] = Registry(
    "criterion",
    error=VocabularyError,
    group="ecgfoundry.criteria",
    builtin=_add_builtin,
    name_of=lambda criterion: criterion.name,
)
"""Every criterion by the name of its statement. Another package adds its own through entry points
of the group ``ecgfoundry.criteria``."""
