"""Kinds of answers, one class and one file for each, and the registry that others add theirs to."""

from ecgfoundry.tasks.base import Task
from ecgfoundry.tasks.finding import Finding, WindowResult
from ecgfoundry.tasks.inferring import infer_task
from ecgfoundry.tasks.outputs import Outputs, patient_means
from ecgfoundry.tasks.readout import Calibration, PredictionSets, Readout, TargetScale, Thresholds
from ecgfoundry.tasks.registry import TASKS, make_task

__all__ = [
    "TASKS",
    "Calibration",
    "Finding",
    "Outputs",
    "PredictionSets",
    "Readout",
    "TargetScale",
    "Task",
    "Thresholds",
    "WindowResult",
    "infer_task",
    "make_task",
    "patient_means",
]
