"""Committees of networks on views: one for each group of folds left out, and the last one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.io import write_json
from ecgfoundry.models.networks.lead_subset import LeadSubsetNet
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.loop import SampleBatches
from ecgfoundry.training.recipes.ensembles import (
    join_curves,
    member_state,
    save_arrays,
    save_half_precision,
)
from ecgfoundry.training.recipes.ptbxl_superclass.data import (
    Array,
    Float64,
    Records,
    lead_subsets,
)
from ecgfoundry.training.recipes.ptbxl_superclass.measuring import logits_of, subset_views
from ecgfoundry.training.recipes.ptbxl_superclass.members import (
    ARCHITECTURE,
    AUXILIARY_POSITIVES,
    BATCH,
    OnViews,
    multitask_loss,
)

__all__ = ["Committees"]


@dataclass(frozen=True)
class Committees:
    """How the committees of a recipe are trained. What is there already is not trained again.

    Attributes
    ----------
    records : Records
    sample : callable
        From the rows to learn from and the targets of all records (the recipe's first, auxiliary
        ones after them) to the sampler of batches.
    members : int
        Networks in each committee, of as many seeds.
    settings : FitSettings
        Epochs, rates and the recipe's seed; ``steps_per_epoch`` is set here.
    seeds : int
        Where the seeds of this recipe begin, within the thousand that its seed has.
    output : Path
        The recipe's folder.
    """

    records: Records
    sample: Callable[[NDArray[np.intp], Array], SampleBatches]
    members: int
    settings: FitSettings
    seeds: int
    output: Path

    def out_of_fold(
        self, groups: Sequence[Sequence[int]], subsets: Iterable[str]
    ) -> dict[str, Float64]:
        """Return logits (records, targets) by committees that did not learn from the records.

        Parameters
        ----------
        groups : sequence of sequences of int
            Folds that are judged together.
        subsets : iterable of str
            Names of :func:`lead_subsets`.

        Notes
        -----
        The answers are kept in ``out_of_fold.npz``, and read back from there.
        """
        path = self.output / "out_of_fold.npz"
        if path.exists():
            with np.load(path) as stored:
                return {name: stored[name] for name in stored.files}
        judged = [np.isin(self.records.fold, folds) for folds in groups]
        networks = [
            self._committee(
                f"folds-without-{'-'.join(map(str, folds))}", np.flatnonzero(~rows), number * 10
            )
            for number, (folds, rows) in enumerate(zip(groups, judged, strict=True))
        ]
        answers = {}
        for name in subsets:
            packed = subset_views(self.records.signal, lead_subsets()[name])
            answers[name] = np.zeros(self.records.targets.shape)
            for rows, network in zip(judged, networks, strict=True):
                answers[name][rows] = logits_of(network, packed[rows])
        save_arrays(path, answers)
        return answers

    def last(self) -> LeadSubsetNet:
        """Return the committee that learned from all records."""
        return self._committee("final", np.arange(len(self.records.fold)), 900)

    def save(self, network: LeadSubsetNet) -> LeadSubsetNet:
        """Round the network to float16, write it with its settings and all curves, return it."""
        rounded = round_to_float16(network).eval()
        save_half_precision(rounded, self.output / "model.safetensors")
        architecture = {"name": "lead-subset-net", "configuration": rounded.config}
        write_json(self.output / "config.json", architecture)
        folder = self.output / "members"
        trained = sorted(path.name.split(".")[0] for path in folder.glob("*.curves.jsonl"))
        join_curves(trained, folder, self.output / "curves.jsonl")
        return rounded

    def _committee(self, name: str, rows: NDArray[np.intp], first_seed: int) -> LeadSubsetNet:
        seed = self.settings.seed * 1000 + self.seeds + first_seed
        return LeadSubsetNet.committee(
            [self._member(f"{name}-member{k}", rows, seed + k) for k in range(self.members)]
        )

    def _member(self, name: str, rows: NDArray[np.intp], seed: int) -> LeadSubsetNet:
        records = self.records
        kept = records.targets.shape[1]
        frequent = np.nansum(records.auxiliary[rows], axis=0) >= AUXILIARY_POSITIVES
        targets = np.concatenate([records.targets, records.auxiliary[:, frequent]], axis=1)
        torch.manual_seed(seed)
        student = LeadSubsetNet(targets.shape[1], **ARCHITECTURE)
        state = member_state(
            name,
            OnViews(student),
            lambda: self.sample(rows, targets),
            multitask_loss,
            folder=self.output / "members",
            settings=replace(self.settings, seed=seed, steps_per_epoch=len(rows) // BATCH),
            finish=lambda _: student.with_outputs(range(kept)).state_dict(),
        )
        network = LeadSubsetNet(kept, **ARCHITECTURE)
        network.load_state_dict(state)
        return network.eval()
