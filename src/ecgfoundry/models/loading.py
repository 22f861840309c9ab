"""From a bundle to the network as a ``torch.nn.Module``."""

from __future__ import annotations

from typing import Any

from ecgfoundry.errors import BundleError
from ecgfoundry.models.bundle import Bundle

__all__ = ["load_network"]


def load_network(bundle: Bundle) -> tuple[Any, bool]:
    """Build the network of a bundle and load its weights strictly.

    Weights that are stored in half precision are widened to float32; the values are exactly the
    stored ones.

    Returns
    -------
    network : torch.nn.Module
        In evaluation mode.
    takes_presence : bool
        Whether ``forward`` takes the presence mask as second argument.
    """
    from safetensors.torch import load_file

    from ecgfoundry.models.registry import ARCHITECTURES, create_model

    description = bundle.document["architecture"]
    network = create_model(description["name"], **description["configuration"])
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in load_file(bundle.file("model.safetensors")).items()
    }
    wrong = network.load_state_dict(state, strict=False)
    if wrong.missing_keys or wrong.unexpected_keys:
        raise BundleError(
            f"the weights do not fit {description['name']}: "
            f"{len(wrong.missing_keys)} missing, {len(wrong.unexpected_keys)} unexpected tensors",
            path=bundle.folder,
        )
    return network.eval(), ARCHITECTURES[description["name"]].takes_presence
