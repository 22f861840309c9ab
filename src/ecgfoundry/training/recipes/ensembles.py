"""What the recipes of the shipped bundles share: members that are trained once, and their files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ecgfoundry.io import write_atomically, write_whole
from ecgfoundry.models.onnx_graph import fits_float16
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.loop import SampleBatches, fit

__all__ = ["join_curves", "member_state", "save_arrays", "save_half_precision"]


def member_state(
    name: str,
    network: nn.Module,
    sample: Callable[[], SampleBatches],
    loss: Callable[..., Tensor],
    *,
    folder: Path,
    settings: FitSettings,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    finish: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict,
) -> dict[str, Tensor]:
    """Train one member, or read its weights if they are there.

    Parameters
    ----------
    name : str
        Names the files in ``folder``.
    network : Module
        Trained in place.
    sample : callable
        Gives the sampler; not called when the weights are there.
    loss : callable
        Loss of (logits, targets).
    folder : Path
        Weights, curves and, while it trains, the checkpoint that an interrupted run goes on from.
    settings : FitSettings
        Epochs, steps, rates and seed.
    evaluate : callable, optional
        Figures of a candidate, for the curves.
    finish : callable
        From the trained weights to those that are kept.

    Returns
    -------
    dict of str to Tensor
        The weights that are kept.
    """
    weights = folder / f"{name}.safetensors"
    if weights.exists():
        return load_file(weights)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / f"{name}.checkpoint"
    result = fit(
        network,
        sample(),
        loss,
        settings=settings,
        evaluate=evaluate,
        checkpoint=checkpoint,
        curves=folder / f"{name}.curves.jsonl",
        report=lambda row: print(name, json.dumps(row), flush=True),
    )
    state = finish(result.state)
    _save(state, weights)
    checkpoint.unlink(missing_ok=True)
    return state


def save_half_precision(network: nn.Module, path: Path) -> None:
    """Write the weights in half precision, but for tensors that do not fit it."""
    state = network.state_dict()
    _save({k: v.half() if fits_float16(v.numpy()) else v for k, v in state.items()}, path)


def _save(state: Mapping[str, Tensor], path: Path) -> None:
    # Kernels may be in channels-last layout; the file holds plain rows.
    with write_atomically(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary)


def join_curves(members: Iterable[str], folder: Path, path: Path) -> None:
    """Write the curves of all members into one file, each line with its member's name."""
    lines = [
        json.dumps({"member": name, **json.loads(line)}) + "\n"
        for name in members
        for line in (folder / f"{name}.curves.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    write_whole(path, "".join(lines).encode())


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays as NPZ, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)
