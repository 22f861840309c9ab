"""Laboratory values from lead II: a corpus of MC-MED and its results become a bundle.

One network with a masked output for each indicator and direction that enters, from any bundle or
architecture that reads one lead, or any subset of leads, of which lead II is the one that is there.
Either all of it learns, or (``probe``) only its last layer, on embeddings that are computed once.
What AnyECG-Lab (arXiv 2510.22301) does not publish is our choice: loss (binary
cross-entropy over what is known), split (the official one), which results count, optimizer and
augmentations; see :mod:`ecgfoundry.labs.training_data` for labels.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import TrainingError
from ecgfoundry.labs.settings import LaboratorySettings
from ecgfoundry.labs.trained import LaboratoryResult, finish
from ecgfoundry.labs.training_data import LaboratorySegments, open_laboratory, vocabulary_of
from ecgfoundry.labs.training_run import LaboratoryRun
from ecgfoundry.labs.visits import attention_start
from ecgfoundry.models.bundle import LEAD_II_RECIPE
from ecgfoundry.preprocessing import Preprocessing
from ecgfoundry.tasks.multilabel import Multilabel
from ecgfoundry.training.checks import check_device
from ecgfoundry.training.distributed import ALONE, World
from ecgfoundry.training.initialization import start_from
from ecgfoundry.training.results.package import RunCard
from ecgfoundry.training.results.run_folder import RunFolder

__all__ = ["LaboratoryResult", "LaboratorySettings", "labs_mcmed"]


LABORATORY_CARD = RunCard(
    recipe=LEAD_II_RECIPE,
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    data_name="MC-MED",
)


def labs_mcmed(
    data: str | Path,
    output: str | Path,
    *,
    tables: str | Path,
    model: str = "net1d-1lead",
    settings: LaboratorySettings | None = None,
    preprocessing: str | Path | Preprocessing | None = None,
    card: RunCard = LABORATORY_CARD,
    overwrite: bool = False,
    world: World = ALONE,
    say: Callable[[str], None] | None = None,
) -> LaboratoryResult:
    """Train on a corpus of MC-MED and write a bundle with its measured figures.

    Parameters
    ----------
    data : str or Path
        The corpus.
    output : str or Path
        Folder of the run; an interrupted run continues from it.
    tables : str or Path
        Folder of MC-MED: results and splits.
    model : str
        Bundle (``ecgfounder-1lead``, or any folder) or architecture.
    settings : LaboratorySettings, optional
    preprocessing : str, Path or Preprocessing, optional
        For an architecture; a bundle brings its own.
    card : RunCard
    overwrite : bool
        Train anew where ``output`` holds another run, whose results are deleted first.
    world : World
        From :func:`ecgfoundry.training.distributed.joined_world` under ``torchrun``; the first
        process measures and writes, and all return its result.
    say : callable, optional
        Told what is going on, on the first process.

    Raises
    ------
    TrainingError
        No target enters, the network needs more leads than lead II, a probe was to learn values
        too, or the folder holds a run of other settings, labels, signals or start weights, or one
        that another process is training.
    LeakageError
        A patient stands in two splits; nothing was trained.
    """
    settings = settings or LaboratorySettings()
    tell = say if say is not None and world.first else (lambda line: None)
    if world is ALONE:
        world = World(device=settings.compute.device)
    check_device(world.device)
    if settings.probe and world.size > 1:
        raise TrainingError("a probe is solved by one process", remedy="Start it without torchrun")
    results = settings.results
    segments = open_laboratory(
        data, tables,
        split=results.split, time=results.time, window_minutes=results.window_minutes,
        minimum_patients=results.minimum_patients,
    )  # fmt: skip
    words = vocabulary_of(segments)
    task = Multilabel(columns=words.names, vocabulary=words)
    heads = len(segments.indicators) if settings.regression else 0
    start = start_from(
        model, outputs=task.outputs + heads, leads=("II",),
        preprocessing=preprocessing, seed=settings.seed,
    )  # fmt: skip
    if start.spec.lead_mode != "any-subset" and start.spec.rows != 1:
        raise TrainingError(
            f"{model} needs {start.spec.rows} leads; the corpus has lead II",
            remedy="Use a one-lead bundle or architecture, such as net1d-1lead or net1d-tiny, or "
            "one that takes any subset of leads",
        )
    if start.spec.lead_mode == "any-single":
        start = replace(start, spec=replace(start.spec, leads=("II",)))
    if settings.visits.pooling == "attention":
        if settings.probe:
            raise TrainingError("attention has to be learned", remedy="Leave out --probe")
        start = attention_start(start, task.outputs + heads, settings.seed)
    if settings.probe and settings.regression:
        raise TrainingError(
            "a probe learns only whether a value is abnormal", remedy="Leave out one of the two"
        )
    folder = RunFolder(Path(output), overwrite=overwrite)
    run = LaboratoryRun(segments, start, task, settings, folder, tell, card, world)
    with folder.locked() if world.first else nullcontext():
        if world.first:
            folder.configure(run.configuration())
            folder.write_json("data.json", _data_document(segments))
        world.wait()
        for note in segments.notes:
            tell(note)
        tell(
            f"{len(words)} targets of {len(segments.indicators)} indicators; {len(run.training)} "
            f"segments train, {len(run.validation)} validate; from {start.origin}"
        )
        scale = None
        if settings.probe:
            run.fit_probe()
        else:
            scale = run.train()
        made: LaboratoryResult = world.from_first(finish(run, scale) if world.first else None)
        return made


def _data_document(data: LaboratorySegments) -> JsonObject:
    counts = {split: int((data.splits == split).sum()) for split in ("train", "validation", "test")}
    return {
        "sha256": data.digest(),
        "segments": counts,
        "split": data.split_kind,
        "synthetic": data.synthetic,
        "notes": list(data.notes),
        "catalogue": data.catalogue.to_dicts(),
    }
