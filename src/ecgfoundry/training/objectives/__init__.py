"""What a network can learn from signals alone: one class and one file each, and their registry."""

from ecgfoundry.training.objectives.base import Objective
from ecgfoundry.training.objectives.registry import OBJECTIVES

__all__ = ["OBJECTIVES", "Objective"]
