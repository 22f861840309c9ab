"""ECGFounder's own recipes, as far as they are known: pretraining, fine-tuning, linear probe.

Relayed from the paper and the released code: positive-unlabelled loss on 150 targets, AdamW at 1e-3
times 0.1 every 5 epochs, batch 1024, at most 20 epochs, early stop on the validation loss; one-lead
training replaces lead I by another frontal axis with probability 0.5; fine-tuning with a new linear
head at 1e-4, batch 256, 30 epochs, the rate times 0.1 after 10 evaluations without a better
validation AUROC. AdamW replaces the Adam of their fine-tuning, with no decay. Our choices where
nothing is known: gradients clipped at 1, no augmentation in 12-lead training. The probe is solved
(L-BFGS) instead of walked towards in 100 epochs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ecgfoundry.documents import JsonValue
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.manifest import ColumnMapping, read_recordings
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.preprocessing import get_preprocessing
from ecgfoundry.tasks.positive_unlabelled import PositiveUnlabelled
from ecgfoundry.training.data.sources import open_sources
from ecgfoundry.training.distributed import ALONE, World
from ecgfoundry.training.finetuning import FinetuneResult, finetune
from ecgfoundry.training.initialization import NewNetwork
from ecgfoundry.training.pretraining import PretrainResult, pretrain
from ecgfoundry.training.results.package import RunCard
from ecgfoundry.training.settings import FinetuneSettings, PretrainSettings
from ecgfoundry.vocabularies import load_vocabulary

__all__ = ["FINETUNE", "PRETRAIN", "ecgfounder_finetune", "ecgfounder_pretrain", "ecgfounder_probe"]

PRETRAIN = PretrainSettings()
FINETUNE = FinetuneSettings.of(
    epochs=30,
    batch=256,
    learning_rate=1e-4,
    schedule="plateau",
    warmup=0.0,
    weight_decay=0.0,
    ema_decay=None,
    patience=None,
    augmentations=(),
)


def ecgfounder_pretrain(
    data: Path,
    output: Path,
    *,
    one_lead: bool = False,
    architecture: str | None = None,
    configuration: dict[str, JsonValue] | None = None,
    settings: PretrainSettings | None = None,
    world: World = ALONE,
) -> PretrainResult:
    """Pretrain on 150 statements.

    Parameters
    ----------
    data : Path
        A manifest or a corpus with a column ``target:NAME`` for every name of the vocabulary
        ``ecgfounder-150``; 0 is "not annotated".
    output : Path
        Of the run.
    one_lead : bool
        The one-lead network, with lead replacement.
    architecture, configuration : optional
        Another network than the released one.
    settings : PretrainSettings, optional
    world : World
    """
    settings = settings or PRETRAIN
    if one_lead and settings.augmentation.lead_replacement is None:
        settings = settings.change(lead_replacement=0.5)
    vocabulary = load_vocabulary("ecgfounder-150")
    leads = ("I",) if one_lead else STANDARD_12_LEADS
    recipe = get_preprocessing("ecgfounder-finetune@1")
    spec = InputSpec("any-single" if one_lead else "exact", leads, recipe)
    sources = open_sources(
        data,
        output / "cache",
        leads=("I", "II") if one_lead else leads,
        window_s=spec.window_s,
        targets=vocabulary.names,
        need_all=True,
        only_ecg=settings.data.only_ecg,
        world=world,
    )
    return pretrain(
        sources,
        output,
        network=NewNetwork(
            architecture or ("net1d-1lead" if one_lead else "net1d-12lead"),
            spec,
            configuration or {},
        ),
        task=PositiveUnlabelled(columns=vocabulary.names, vocabulary=vocabulary),
        settings=settings,
        world=world,
        card=RunCard(recipe="ecgfoundry.training.recipes.ecgfounder.ecgfounder_pretrain"),
    )


def ecgfounder_finetune(
    data: Path,
    output: Path,
    *,
    targets: tuple[str, ...] = (),
    model: str = "ecgfounder-12lead",
    settings: FinetuneSettings | None = None,
) -> FinetuneResult:
    """Fine-tune all weights on a manifest.

    Parameters
    ----------
    data : Path
        A table; see :func:`ecgfoundry.manifest.read_recordings`.
    output : Path
        Of the run.
    targets : tuple of str
        Columns; all targets of a manifest without it.
    model : str
        Bundle or architecture.
    settings : FinetuneSettings, optional
    """
    return finetune(
        read_recordings(data, ColumnMapping(targets=targets)),
        output,
        model=model,
        settings=settings or FINETUNE,
        card=RunCard(recipe="ecgfoundry.training.recipes.ecgfounder.ecgfounder_finetune"),
    )


def ecgfounder_probe(
    data: Path,
    output: Path,
    *,
    targets: tuple[str, ...] = (),
    model: str = "ecgfounder-12lead",
    settings: FinetuneSettings | None = None,
) -> FinetuneResult:
    """Fit a linear layer on the embeddings; parameters as in :func:`ecgfounder_finetune`."""
    return finetune(
        read_recordings(data, ColumnMapping(targets=targets)),
        output,
        model=model,
        settings=replace(settings or FINETUNE, mode="probe"),
        card=RunCard(recipe="ecgfoundry.training.recipes.ecgfounder.ecgfounder_probe"),
    )
