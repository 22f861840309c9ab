"""The released networks with random weights: speed does not depend on the values."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from ecgfoundry.models.bundle import Bundle, load_bundle


@lru_cache(maxsize=4)
def released(leads: int, architecture: str | None = None) -> Bundle:
    """Return a bundle of the released network's shape (12 or 1 leads), made once per run.

    ``architecture`` is another Net1D to take instead.
    """
    import torch

    from ecgfoundry.models.importing import import_checkpoint
    from ecgfoundry.models.registry import create_model

    name = architecture or f"net1d-{leads}lead"
    folder = Path(tempfile.mkdtemp(prefix="ecgfoundry-benchmark-"))
    torch.manual_seed(0)
    network = create_model(name, leads=leads)
    with torch.no_grad():
        # Wide enough that signals reach the logits, as trained weights make them.
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(1.5)
    torch.save(network.state_dict(), folder / "weights.pth")
    return load_bundle(
        import_checkpoint(
            folder / "weights.pth", architecture=name, leads=leads, vocabulary="ecgfounder-150",
            output=folder / name,
        )
    )  # fmt: skip
