"""A network that was never trained, as a feature extractor.

What a linear model reads from it is what the architecture and the preprocessing give by
themselves; only what a trained network adds to that was learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonValue
from ecgfoundry.errors import SignalError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["random_embeddings", "random_encoder"]


def random_encoder(
    architecture: str, *, seed: int = 0, configuration: Mapping[str, JsonValue] | None = None
) -> nn.Module:
    """Build a network of the registry with seeded random weights, in evaluation mode.

    The state of torch's global generator afterwards is the one before.

    Raises
    ------
    ModelNotFoundError, MissingExtraError
        See :func:`ecgfoundry.models.registry.create_model`.
    """
    from ecgfoundry.models.registry import ARCHITECTURES, create_model

    if architecture not in ARCHITECTURES:
        return create_model(architecture)  # raises with the known names
    configuration = configuration or {}
    try:
        import torch
    except ImportError:
        return create_model(architecture, **configuration)  # raises with the install command
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return create_model(architecture, **configuration).eval()


def random_embeddings(
    architecture: str,
    windows: NDArray[np.floating],
    *,
    seed: int = 0,
    presence: NDArray[np.floating] | None = None,
    batch_size: int = 32,
    configuration: Mapping[str, JsonValue] | None = None,
) -> NDArray[np.float32]:
    """Return the embeddings of a random encoder.

    Parameters
    ----------
    architecture : str
        A name of the registry.
    windows : ndarray (windows, leads, samples)
        Standardized; a row of NaN is an absent lead.
    seed : int
        The same seed gives the same weights.
    presence : ndarray (windows, leads), optional
        1 where a lead is there; by default, where it is not NaN throughout. For networks without a
        mask absent leads become zeros.
    batch_size : int
    configuration : mapping, optional
        Settings of the architecture.

    Returns
    -------
    float32 (windows, features)

    Raises
    ------
    SignalError
        Single samples of a lead are missing, or the array has not three dimensions.
    """
    x = np.asarray(windows, dtype=np.float32)
    if x.ndim != 3:
        raise SignalError(f"windows have shape {x.shape}; (windows, leads, samples) is needed")
    missing = np.isnan(x)
    absent = missing.all(axis=2)
    if (missing.any(axis=2) & ~absent).any():
        raise SignalError("a standardized lead has single missing samples")
    mask: NDArray[np.float32] = np.asarray(~absent if presence is None else presence, np.float32)
    x = np.where(missing, np.float32(0), x)
    network = random_encoder(architecture, seed=seed, configuration=configuration)
    import torch

    from ecgfoundry.models.registry import ARCHITECTURES

    takes_presence = ARCHITECTURES[architecture].takes_presence
    parts = []
    with torch.inference_mode():
        for start in range(0, len(x), batch_size):
            inputs = [torch.from_numpy(np.ascontiguousarray(x[start : start + batch_size]))]
            if takes_presence:
                inputs.append(torch.from_numpy(mask[start : start + batch_size]))
            parts.append(network.forward_features(*inputs).float().numpy())
    features: int = network.features
    return np.concatenate(parts) if parts else np.empty((0, features), np.float32)
