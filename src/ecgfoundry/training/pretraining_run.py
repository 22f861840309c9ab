"""The parts of a pretraining run that belong together, whatever teaches it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecgfoundry.models.document import TrainingData
from ecgfoundry.training.data.pools import Positions
from ecgfoundry.training.data.sources import SourcePool
from ecgfoundry.training.data.windows import InputWindows
from ecgfoundry.training.distributed import World
from ecgfoundry.training.initialization import Start
from ecgfoundry.training.results.package import BundleDescription, RunCard
from ecgfoundry.training.results.run_folder import RunFolder
from ecgfoundry.training.results.save import bundle_name, sentence, today
from ecgfoundry.training.settings import PretrainSettings
from ecgfoundry.vocabularies import Vocabulary

__all__ = ["PretrainingRun"]


@dataclass(frozen=True)
class PretrainingRun:
    """A network, what it reads, and where it is trained.

    Attributes
    ----------
    start : Start
    settings : PretrainSettings
    world : World
    tell : callable
        Told what is going on.
    pool : SourcePool
    inputs, plain : InputWindows
        With what changes training windows at random, and without.
    training, validation : ndarray of int
        Positions in the pool.
    """

    start: Start
    settings: PretrainSettings
    world: World
    tell: Callable[[str], None]
    pool: SourcePool
    inputs: InputWindows
    plain: InputWindows
    training: Positions
    validation: Positions

    def description(
        self,
        folder: RunFolder,
        card: RunCard,
        answers: Vocabulary,
        target_kind: str,
        *,
        title: str,
        taught_by: str,
        failures: Sequence[str],
        references: Sequence[str],
    ) -> BundleDescription:
        """Say what the bundle is."""
        start, (trained, validated) = self.start, (len(self.training), len(self.validation))
        return BundleDescription(
            name=bundle_name(card.name or folder.path.resolve().name),
            version="1.0.0",
            title=title,
            architecture=start.architecture,
            lead_mode=start.spec.lead_mode,
            leads=start.spec.leads,
            preprocessing=start.spec.recipe,
            vocabulary=answers.name,
            target_kind=target_kind,
            training_data=(
                TrainingData(
                    name=card.data_name,
                    licence=card.licence,
                    records=trained + validated,
                    use=f"{trained} windows trained, {validated} validated; by patient.",
                ),
            ),
            recipe=card.recipe,
            seed=self.settings.seed,
            created=today(),
            intended_use=card.intended_use or "Research: embeddings and fine-tuning.",
            known_failures=tuple(failures),
            references=tuple(references),
            licence=card.licence,
            method=f"{sentence(start.origin)}; {taught_by}. The resolved configuration and the "
            "environment stand beside the bundle in the run's folder.",
            targets=answers,
            repeat="`ecgfoundry pretrain` and the run's configuration.json",
            learned_from=frozenset(self.pool.fingerprints(np.arange(len(self.pool)))),
        )
