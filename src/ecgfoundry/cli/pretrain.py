"""``ecgfoundry pretrain``: a network from raw windows, on one process or many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from ecgfoundry.cli.card_options import CardOptions, RunOptions
from ecgfoundry.cli.saying import line, print_json
from ecgfoundry.cli.settings import command_with_settings
from ecgfoundry.cli.table_options import TableOptions
from ecgfoundry.cli.vocabulary import Output
from ecgfoundry.training.settings import PretrainSettings


@Parameter(name="*")
@dataclass(frozen=True)
class PretrainTaskOptions:
    """What is learned.

    Parameters
    ----------
    vocabulary
        Targets in order, where no --target is named; columns target:NAME of the source.
    task
        positive-unlabelled, multilabel, multiclass or regression.
    loss
        hill, hill-positive, bce, focal, cross-entropy or huber, where it fits the task.
    """

    vocabulary: str = "ecgfounder-150"
    task: str = "positive-unlabelled"
    loss: str = ""


@command_with_settings(PretrainSettings)
def pretrain(
    source: Path,
    *,
    table: TableOptions | None = None,
    output: Output,
    run: RunOptions | None = None,
    architecture: str = "net1d-12lead",
    learned: PretrainTaskOptions | None = None,
    card: CardOptions | None = None,
    settings: PretrainSettings,
) -> None:
    """Pretrain a network, with labels or --objective; on several GPUs with torchrun.

    The defaults are ECGFounder's: positive-unlabelled Hill loss on 150 targets, AdamW at 1e-3,
    times 0.1 every 5 epochs, batches of 1024, lead replacement with 0.5 for one lead. An
    interrupted run goes on when the same command is given again; a run whose settings, labels or
    signals have changed is refused. With --objective cpc, masked or jepa, the signals alone teach
    (cpc needs --architecture s4-causal); the result is for finetune and embed.

    Parameters
    ----------
    source
        Any table that finetune takes, or a corpus folder.
    output
        Folder of the run; the bundle is OUTPUT/bundle.
    architecture
        See: ecgfoundry models list.
    """
    from ecgfoundry.extras import require_torch

    require_torch("pretraining")
    from ecgfoundry.training.distributed import joined_world
    from ecgfoundry.training.pretraining import pretrain_table, pretraining_task

    table, what = table or TableOptions(), learned or PretrainTaskOptions()
    how = run or RunOptions()
    with joined_world(device=settings.compute.device) as world:
        result = pretrain_table(
            source if source.is_dir() else table.read(source).manifest,
            output,
            model=architecture,
            task=pretraining_task(
                table.targets, vocabulary=what.vocabulary, kind=what.task, loss=what.loss
            ),
            settings=settings,
            card=(card or CardOptions()).of("ecgfoundry pretrain"),
            overwrite=how.overwrite,
            world=world,
            say=line,
        )
    if result.bundle is None:
        return
    if how.json:
        print_json({"bundle": result.bundle})
    else:
        print(f"{result.bundle}: made; fine-tune it with --model {result.bundle}")
