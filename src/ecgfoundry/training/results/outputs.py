"""Outputs of a trained network: per record as inference gives them, and embeddings of windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgfoundry.tasks import Outputs
from ecgfoundry.training.data.windows import StoredWindows

__all__ = ["record_outputs", "window_embeddings"]

Float64 = NDArray[np.float64]


def record_outputs(
    network: nn.Module,
    stored: StoredWindows,
    rows: Sequence[int] | NDArray[np.intp],
    *,
    takes_presence: bool,
    batch: int = 32,
    device: str = "cpu",
) -> Outputs:
    """Run a network over all windows of these rows and average per row, as inference does."""
    positions = np.flatnonzero(np.isin(stored.row, rows))
    outputs = _run(network, stored, positions, takes_presence, batch, device, features=False)
    names, owner = np.unique(stored.row[positions], return_inverse=True)
    sums = np.zeros((len(names), outputs.shape[1]))
    np.add.at(sums, owner, outputs)
    return Outputs(names, sums / np.bincount(owner)[:, None], outputs, owner)


def window_embeddings(
    network: nn.Module,
    stored: StoredWindows,
    positions: NDArray[np.intp],
    *,
    takes_presence: bool,
    batch: int = 32,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Return the features before the classifier, float32 (positions, features)."""
    values = _run(network, stored, positions, takes_presence, batch, device, features=True)
    return values.astype(np.float32)


def _run(
    network: nn.Module,
    stored: StoredWindows,
    positions: NDArray[np.intp],
    takes_presence: bool,
    batch: int,
    device: str,
    *,
    features: bool,
) -> Float64:
    network = network.to(device).eval()
    call = network.forward_features if features else network
    pieces = []
    with torch.inference_mode():
        for start in range(0, len(positions), batch):
            own = positions[start : start + batch]
            arguments = [torch.from_numpy(np.array(stored.signal[own])).to(device)]
            if takes_presence:
                arguments.append(torch.from_numpy(stored.presence[own]).to(device))
            pieces.append(call(*arguments).double().cpu().numpy())
    return np.concatenate(pieces)
