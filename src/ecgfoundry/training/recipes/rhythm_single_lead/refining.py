"""Second stage: members that go on learning, with noise in the ECG's band and other data sets.

The first stage's members fall apart in noise between 5 and 40 Hz, and call bundle-branch block
"other rhythm". Here each goes on from where it stands, with a fresh one-cycle schedule at half the
rate: on labels version 3, blended with what the whole committee said of the undisturbed recording
(so that the answer to noise is pulled to the answer without), with noise in half of the crops and
leads of other data sets among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.metrics.calibration import softmax
from ecgfoundry.models.networks.rhythm import RhythmNet
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.recipes.ensembles import member_state
from ecgfoundry.training.recipes.rhythm_single_lead.data import LABELS, Array, Data
from ecgfoundry.training.recipes.rhythm_single_lead.members import (
    BATCH,
    NO_OTHERS,
    TEACHER,
    Diet,
    Sampler,
    soft_cross_entropy,
)
from ecgfoundry.training.recipes.rhythm_single_lead.sources import KnownRhythm

__all__ = ["DIETS", "SETTINGS", "Lessons", "closing", "refined_member", "separate", "soft_targets"]

CROP_SHARES = (0.45, 0.2, 0.15, 0.2)
"""Of 10, 15, 20 and 30 s: a live stream gives 10 s (our choice)."""

DIETS = (
    Diet(rows=4, balance=0.5, blocks=False),
    Diet(rows=5, balance=0.9, blocks=True),
)
"""Of member 0, 1 ...: the second learns bundle-branch block at the cost of a little accuracy on
CinC 2017, which calls it "other rhythm"; the first makes up for it (our choice)."""

BAND_NOISE = 0.45

COMMITTEE_SHARE = 0.25
"""Weight of the committee's answer to the undisturbed recording in the target (our choice)."""

SETTINGS = replace(
    TEACHER, epochs=6, learning_rate=1e-3, ema_decay=0.995, evaluate_every=6, checkpoint_every=40
)


def closing(settings: FitSettings) -> FitSettings:
    """Return the settings of the last epochs, with all recordings: a third as many, half the rate.

    The networks know three quarters of the recordings by then (our choice).
    """
    return replace(
        settings,
        epochs=max(settings.epochs // 3, 1),
        learning_rate=settings.learning_rate / 2,
    )


def separate(committee: RhythmNet) -> list[RhythmNet]:
    """Return the members of a committee as networks of their own.

    Their logits differ from those of the networks that were joined by a constant per class: a
    committee keeps the mean of the biases only.
    """
    count = len(committee.members)
    config: dict[str, Any] = {**committee.config, "members": 1}
    width = committee.features // count
    networks = []
    for k, member in enumerate(committee.members):
        network = RhythmNet(**config)
        network.members[0].load_state_dict(member.state_dict())
        with torch.no_grad():
            part = committee.classifier.weight[:, k * width : (k + 1) * width]
            network.classifier.weight.copy_(part * count)
            network.classifier.bias.copy_(committee.classifier.bias)
        networks.append(network)
    return networks


def soft_targets(
    classes: NDArray[np.int64], logits: NDArray[np.float64], changed: NDArray[np.bool_]
) -> Array:
    """Blend labels with the committee's answers to the undisturbed recordings.

    Parameters
    ----------
    classes : ndarray of int
        (recordings,): the newest labels.
    logits : ndarray
        (recordings, classes): the committee's.
    changed : ndarray of bool
        Recordings whose label was corrected after the committee had learned from it: their label
        stands alone.
    """
    hard = np.eye(len(LABELS))[classes]
    share = np.where(changed, 0.0, COMMITTEE_SHARE)[:, None]
    blended: Array = ((1 - share) * hard + share * softmax(logits)).astype(np.float32)
    return blended


@dataclass(frozen=True)
class Lessons:
    """What every refined member learns from.

    Attributes
    ----------
    signals : sequence of ndarray
        Filtered recordings at 200 Hz.
    classes : ndarray of int
        Their newest labels.
    targets : ndarray
        Of :func:`soft_targets`.
    others : sequence of KnownRhythm
        Recordings of other data sets.
    diet : Diet
        How they are drawn.
    """

    signals: Sequence[Array]
    classes: NDArray[np.int64]
    targets: Array
    others: Sequence[KnownRhythm]
    diet: Diet

    @classmethod
    def of(
        cls,
        data: Data,
        rows: NDArray[np.intp],
        answers: NDArray[np.float64],
        others: Sequence[KnownRhythm],
        diet: Diet,
    ) -> Lessons:
        """Return those of some recordings; ``answers`` are the committee's to all of them."""
        targets = soft_targets(data.newest, answers, data.newest != data.classes)
        signals = [data.filtered[i] for i in rows]
        return cls(signals, data.newest[rows], targets[rows], others, diet if others else NO_OTHERS)

    @property
    def steps(self) -> int:
        """Batches of one epoch."""
        return max(len(self.signals) // (BATCH - self.diet.rows), 1)

    def sampler(self) -> Sampler:
        """Return the batches that they are learned in."""
        return Sampler(
            self.signals,
            self.classes,
            self.targets,
            self.steps,
            CROP_SHARES,
            others=self.others,
            diet=self.diet,
            band_noise=BAND_NOISE,
        )


def refined_member(
    name: str,
    network: RhythmNet,
    lessons: Lessons,
    *,
    seed: int,
    threads: int,
    folder: Path,
    settings: FitSettings = SETTINGS,
) -> RhythmNet:
    """Go on training a network, or read its weights if they are in ``folder``."""
    state = member_state(
        name,
        network,
        lessons.sampler,
        soft_cross_entropy,
        folder=folder,
        settings=replace(settings, seed=seed, threads=threads, steps_per_epoch=lessons.steps),
    )
    network.load_state_dict(state)
    return network.eval()
