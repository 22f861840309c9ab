"""``ecgfoundry finetune``: one's own recordings and labels in, a bundle out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from ecgfoundry.cli.card_options import CardOptions, RunOptions
from ecgfoundry.cli.reading_options import StatedOptions
from ecgfoundry.cli.saying import line, note, print_json
from ecgfoundry.cli.settings import command_with_settings
from ecgfoundry.cli.table_options import TableOptions
from ecgfoundry.cli.vocabulary import OptionalModel, Output
from ecgfoundry.training.settings import FinetuneSettings


@Parameter(name="*")
@dataclass(frozen=True)
class TaskOptions:
    """What is learned from the targets.

    Parameters
    ----------
    task
        auto, binary, multiclass, multilabel, positive-unlabelled or regression.
    loss
        bce, focal, hill, hill-positive, cross-entropy or huber, where it fits the task.
    balance
        Weight positives (or classes) against their rarity.
    per_patient
        Average a patient's recordings before measuring.
    unit
        Of a measured value, for the answers.
    """

    task: str = "auto"
    loss: str = ""
    balance: bool = False
    per_patient: bool = False
    unit: str | None = None


@command_with_settings(FinetuneSettings)
def finetune(
    manifest: Path,
    *,
    table: TableOptions | None = None,
    stated: StatedOptions | None = None,
    output: Output,
    run: RunOptions | None = None,
    model: OptionalModel = None,
    learned: TaskOptions | None = None,
    card: CardOptions | None = None,
    settings: FinetuneSettings,
) -> None:
    """Train a model on your own recordings; ends with a bundle that 'diagnose' uses.

    Splits by patient (70/15/15) unless the table has a split column. The validation split stops,
    chooses and calibrates; the test split is measured once. A patient or a signal in two splits
    stops everything. An interrupted run goes on when the same command is given again; a run whose
    settings, labels, signals or start weights have changed is refused. On several GPUs or machines:
    torchrun -m ecgfoundry finetune.

    Parameters
    ----------
    manifest
        A table of recordings and labels, for example with the columns file, patient, age; or a
        manifest.
    output
        Folder of the run; the bundle is OUTPUT/bundle.
    model
        A shipped or pulled bundle, a bundle folder, or an architecture to train from scratch.
        Without it: the shipped bundle that fits the leads.
    """
    from ecgfoundry.extras import require_torch

    require_torch("fine-tuning")
    from ecgfoundry.models.card_metrics import HEADER, figure_row
    from ecgfoundry.training.distributed import joined_world
    from ecgfoundry.training.finetuning import finetune as train
    from ecgfoundry.training.finetuning import task_of

    data = (table or TableOptions()).read(manifest, need_targets=True, stated=stated)
    learned = learned or TaskOptions()
    how = run or RunOptions()
    with joined_world(device=settings.compute.device) as world:
        result = train(
            data,
            output,
            model=model,
            task=task_of(
                data, learned.task, unit=learned.unit, loss=learned.loss, balance=learned.balance,
                aggregate="patient" if learned.per_patient else "record",
            ),
            settings=settings,
            card=(card or CardOptions()).of("ecgfoundry finetune"),
            overwrite=how.overwrite,
            world=world,
            say=line,
        )  # fmt: skip
    if not world.first:
        return
    for record, reason in list(result.skipped.items())[:5]:
        note(f"left out {record}: {reason}")
    if len(result.skipped) > 5:
        note(f"{len(result.skipped)} were left out; all in {output / 'data.json'}")
    if how.json:
        print_json({
            "bundle": result.bundle,
            "metrics": [metric.to_dict() for metric in result.metrics],
            "skipped": result.skipped,
        })  # fmt: skip
        return
    print("\n".join([HEADER, *(figure_row(metric) for metric in result.metrics)]))
    print(f"\n{result.bundle}: use it with: ecgfoundry diagnose FILE --model {result.bundle}")
