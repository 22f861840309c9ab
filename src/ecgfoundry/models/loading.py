"""From a bundle to the network as a ``torch.nn.Module``."""

from __future__ import annotations

from typing import Any

from ecgfoundry.errors import BundleError, CheckpointError
from ecgfoundry.models.bundle import Bundle

__all__ = ["OWN", "load_network"]

OWN = "own"
"""Architecture of bundles whose network was given as a module."""


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
    from ecgfoundry.models.safe_checkpoint import match_state_dict

    description = bundle.document["architecture"]
    if description["name"] == OWN:
        raise BundleError(
            f"its network is the class {description['configuration']['encoder']}, which is no part "
            "of ecgfoundry",
            path=bundle.folder,
            remedy="Its answers come from the ONNX graph; to train it on, give the module itself, "
            "or register its class with ecgfoundry.models.registry.register_network",
        )
    network = create_model(description["name"], **description["configuration"])
    try:
        match_state_dict(network, load_file(bundle.file("model.safetensors")))
    except CheckpointError as error:
        problem = f"the weights do not fit {description['name']}: {error.problem}"
        raise BundleError(problem, path=bundle.folder) from None
    return network.eval(), ARCHITECTURES[description["name"]].takes_presence
