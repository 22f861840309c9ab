"""All kinds of tasks by name."""

from __future__ import annotations

from typing import Any

from ecgfoundry.errors import TrainingError
from ecgfoundry.registry import Registry
from ecgfoundry.tasks.base import Task

__all__ = ["TASKS", "make_task"]


def _add_own(registry: Registry[type[Task]]) -> None:
    for name, reference in (
        ("binary", "binary:Binary"),
        ("multiclass", "multiclass:Multiclass"),
        ("multilabel", "multilabel:Multilabel"),
        ("positive-unlabelled", "positive_unlabelled:PositiveUnlabelled"),
        ("regression", "regression:Regression"),
        ("representation", "representation:Representation"),
    ):
        registry.add_lazy(name, f"ecgfoundry.tasks.{reference}", origin="ecgfoundry")


TASKS: Registry[type[Task]] = Registry(
    "task", error=TrainingError, group="ecgfoundry.tasks", builtin=_add_own
)
"""Classes by the name of their kind; those of other packages are classes that entry points of that
name in the group ``ecgfoundry.tasks`` give."""


def make_task(kind: str, **fields: Any) -> Task:
    """Make a task of a kind; ``fields`` are those of :class:`ecgfoundry.tasks.Task`.

    Raises
    ------
    TrainingError
        There is no such kind, or the fields do not go together.
    """
    return TASKS[kind](**fields)
