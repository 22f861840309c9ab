"""The paper's clinical tasks on MIMIC-IV-ECG: LVEF, CKD, CHD and NT-proBNP.

Each links the tables (:mod:`ecgfoundry.training.recipes.mimic_linkage`, whose rules are ours),
fine-tunes, and ends with a bundle. Measured values are learned as such; ``indicator=True`` learns
the two-class form instead (LVEF < 50 %, NT-proBNP >= 125 pg/mL).
"""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.manifest import MappedManifest
from ecgfoundry.training.finetuning import FinetuneResult, finetune, task_of
from ecgfoundry.training.recipes.ecgfounder import FINETUNE
from ecgfoundry.training.recipes.mimic_linkage import link_mimic
from ecgfoundry.training.results.package import RunCard
from ecgfoundry.training.settings import FinetuneSettings

__all__ = ["chd", "ckd", "lvef", "nt_probnp"]

_LICENCE = "PhysioNet Credentialed Health Data License 1.5.0"


def _run(
    name: str,
    column: str,
    data: Path,
    output: Path,
    model: str,
    settings: FinetuneSettings | None,
    unit: str | None = None,
) -> FinetuneResult:
    linked = MappedManifest(link_mimic(data, name), (column,))
    return finetune(
        linked,
        output,
        model=model,
        settings=settings or FINETUNE,
        task=task_of(linked, unit=unit),
        card=RunCard(
            recipe=f"ecgfoundry.training.recipes.clinical.{name}",
            name=name.replace("_", "-"),
            licence=_LICENCE,
            data_name="MIMIC-IV-ECG 1.0, linked with MIMIC-IV",
        ),
    )


def lvef(
    data: Path,
    output: Path,
    *,
    model: str = "ecgfounder-12lead",
    settings: FinetuneSettings | None = None,
    indicator: bool = False,
) -> FinetuneResult:
    """Left ventricular ejection fraction in per cent, or whether it is under 50 %.

    Parameters
    ----------
    data : Path
        Folder with MIMIC-IV-ECG and ``lvef.csv``.
    output : Path
        Of the run.
    model : str
        Bundle or architecture.
    settings : FinetuneSettings, optional
        ECGFounder's by default.
    indicator : bool
        Learn the two-class form.
    """
    column = "LVEF < 50 %" if indicator else "LVEF"
    return _run("lvef", column, data, output, model, settings, None if indicator else "%")


def nt_probnp(
    data: Path,
    output: Path,
    *,
    model: str = "ecgfounder-12lead",
    settings: FinetuneSettings | None = None,
    indicator: bool = False,
) -> FinetuneResult:
    """Decimal logarithm of NT-proBNP in pg/mL, or whether it is 125 pg/mL or more; see lvef."""
    column = "NT-proBNP >= 125 pg/mL" if indicator else "log10 NT-proBNP"
    unit = None if indicator else "log10 pg/mL"
    return _run("nt_probnp", column, data, output, model, settings, unit)


def ckd(
    data: Path,
    output: Path,
    *,
    model: str = "ecgfounder-12lead",
    settings: FinetuneSettings | None = None,
) -> FinetuneResult:
    """Chronic kidney disease among the discharge diagnoses of the stay; see lvef."""
    return _run("ckd", "CKD", data, output, model, settings)


def chd(
    data: Path,
    output: Path,
    *,
    model: str = "ecgfounder-12lead",
    settings: FinetuneSettings | None = None,
) -> FinetuneResult:
    """Coronary heart disease among the discharge diagnoses of the stay; see lvef."""
    return _run("chd", "CHD", data, output, model, settings)
