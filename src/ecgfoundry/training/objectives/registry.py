"""All self-supervised objectives by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecgfoundry.errors import TrainingError
from ecgfoundry.registry import Registry

if TYPE_CHECKING:
    from ecgfoundry.training.objectives.base import Objective

__all__ = ["LABELS", "OBJECTIVES"]

LABELS = "labels"
"""What ``--objective`` is called where the targets teach."""


def _add_own(registry: Registry[type[Objective]]) -> None:
    for name, reference in (
        ("cpc", "contrastive:ContrastiveCoding"),
        ("masked", "masked:MaskedReconstruction"),
        ("jepa", "joint_embedding:JointEmbedding"),
    ):
        origin = "ecgfoundry.training.objectives"
        registry.add_lazy(name, f"{origin}.{reference}", origin="ecgfoundry")


OBJECTIVES: Registry[type[Objective]] = Registry(
    "objective", error=TrainingError, group="ecgfoundry.objectives", builtin=_add_own
)
"""Classes by their names; those of other packages are classes that entry points of that name in
the group ``ecgfoundry.objectives`` give."""
