"""Pretraining without labels: contrastive coding on S4, masked reconstruction on Net1D.

The objectives and their sources are told in :mod:`ecgfoundry.training.objectives`. Batches, rate
and length are our choice: of the published trainings we know the kind, not every number.
"""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.manifest import Manifest
from ecgfoundry.training.distributed import ALONE, World
from ecgfoundry.training.pretraining import pretrain_table
from ecgfoundry.training.results.package import RunCard
from ecgfoundry.training.self_supervised import PretrainResult
from ecgfoundry.training.settings import PretrainSettings

__all__ = ["CPC", "MASKED", "ecg_cpc", "ecg_masked"]

CPC = PretrainSettings.of(
    objective="cpc", batch=256, epochs=20, learning_rate=1e-3, schedule="cosine", warmup=0.05,
    ema_decay=0.999, patience=None, lead_replacement=0.0,
)  # fmt: skip
MASKED = CPC.change(objective="masked")


def ecg_cpc(
    data: Path | Manifest,
    output: Path,
    *,
    architecture: str = "s4-causal",
    settings: PretrainSettings | None = None,
    world: World = ALONE,
) -> PretrainResult:
    """Learn by contrastive predictive coding; labels are not asked.

    Parameters
    ----------
    data : Path or Manifest
        A manifest or a corpus; no targets are needed.
    output : Path
        Of the run.
    architecture : str
        A causal one, at 100 Hz.
    settings : PretrainSettings, optional
        Instead of :data:`CPC`; with ``leads``, what goes in.
    world : World
    """
    return pretrain_table(
        data,
        output,
        model=architecture,
        settings=settings or CPC,
        card=RunCard(recipe="ecgfoundry.training.recipes.self_supervised.ecg_cpc"),
        world=world,
    )


def ecg_masked(
    data: Path | Manifest,
    output: Path,
    *,
    architecture: str = "net1d-12lead",
    settings: PretrainSettings | None = None,
    world: World = ALONE,
) -> PretrainResult:
    """Learn by drawing hidden pieces; parameters as of :func:`ecg_cpc`, settings :data:`MASKED`."""
    return pretrain_table(
        data,
        output,
        model=architecture,
        settings=settings or MASKED,
        card=RunCard(recipe="ecgfoundry.training.recipes.self_supervised.ecg_masked"),
        world=world,
    )
