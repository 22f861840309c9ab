"""All recipes by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ecgfoundry.errors import TrainingError
from ecgfoundry.registry import Registry

__all__ = ["RECIPES", "Recipe", "get_recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way from data to a bundle.

    Attributes
    ----------
    name : str
    module, function : str
        Where it stands: ``function(data, output, **options)``.
    data : str
        What ``data`` is.
    source : str
        Where its numbers are from.
    """

    name: str
    module: str
    function: str
    data: str
    source: str

    @property
    def run(self) -> Callable[..., Any]:
        """The function itself, imported on first use."""
        found: Callable[..., Any] = getattr(import_module(self.module), self.function)
        return found


_MIMIC = "folder of MIMIC-IV-ECG and MIMIC-IV"
_PAPER = "ECGFounder (arXiv 2410.04133), relayed"
_LINKED = f"task: {_PAPER}; linkage rules: ours"

_HERE = "ecgfoundry.training.recipes"

_OWN = (
    Recipe(
        "ecgfounder_pretrain",
        f"{_HERE}.ecgfounder",
        "ecgfounder_pretrain",
        "manifest or corpus with 150 targets",
        _PAPER,
    ),
    Recipe("ecgfounder_finetune", f"{_HERE}.ecgfounder", "ecgfounder_finetune", "table", _PAPER),
    Recipe("ecgfounder_probe", f"{_HERE}.ecgfounder", "ecgfounder_probe", "table", _PAPER),
    Recipe(
        "ecg_cpc",
        f"{_HERE}.self_supervised",
        "ecg_cpc",
        "manifest or corpus, without targets",
        "objective: arXiv 1807.03748; numbers: ours",
    ),
    Recipe(
        "ecg_masked",
        f"{_HERE}.self_supervised",
        "ecg_masked",
        "manifest or corpus, without targets",
        "objective: arXiv 2111.06377; numbers: ours",
    ),
    Recipe("cinc2017_rhythm", f"{_HERE}.rhythm_single_lead", "run", "training2017.zip", "ours"),
    Recipe("ptbxl_superclass", f"{_HERE}.ptbxl_superclass", "run", "folder of the subset", "ours"),
    Recipe(
        "diagnosis_12lead",
        f"{_HERE}.diagnosis_12lead",
        "run",
        "folder of PTB-XL, raw and subset, and of CinC 2021",
        "ours",
    ),
    Recipe(
        "age_sex", f"{_HERE}.age_sex", "age_sex", "manifest with age and sex", f"task: {_PAPER}"
    ),
    Recipe("lvef", f"{_HERE}.clinical", "lvef", f"{_MIMIC}, and lvef.csv", _LINKED),
    Recipe("ckd", f"{_HERE}.clinical", "ckd", _MIMIC, _LINKED),
    Recipe("chd", f"{_HERE}.clinical", "chd", _MIMIC, _LINKED),
    Recipe("nt_probnp", f"{_HERE}.clinical", "nt_probnp", _MIMIC, _LINKED),
    Recipe(
        "ppg_rhythm",
        f"{_HERE}.ppg_rhythm",
        "ppg_rhythm",
        "folder of DeepBeat",
        f"task: {_PAPER}",
    ),
    Recipe(
        "labs_mcmed",
        "ecgfoundry.labs.training",
        "labs_mcmed",
        "corpus of MC-MED, and its tables",
        "task: AnyECG-Lab (arXiv 2510.22301); everything that it does not publish: ours",
    ),
)


def _add_own(registry: Registry[Recipe]) -> None:
    for recipe in _OWN:
        registry.add(recipe, origin="ecgfoundry")


RECIPES: Registry[Recipe] = Registry(
    "recipe",
    error=TrainingError,
    group="ecgfoundry.recipes",
    builtin=_add_own,
    name_of=lambda recipe: recipe.name,
)
"""All recipes by name; those of other packages are :class:`Recipe` objects that entry points in the
group ``ecgfoundry.recipes`` give."""


def get_recipe(name: str) -> Recipe:
    """Return the recipe called ``name``.

    Raises
    ------
    TrainingError
        There is none.
    """
    return RECIPES[name]
