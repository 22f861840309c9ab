"""From a bundle to the network as a ``torch.nn.Module``."""

from __future__ import annotations

from typing import Any

from ecgfoundry.documents import Fields
from ecgfoundry.errors import BundleError, CheckpointError
from ecgfoundry.models.bundle import Bundle
from ecgfoundry.models.document import Architecture

__all__ = ["OWN", "how_to_load", "load_network"]

OWN = "own"
"""Architecture of bundles whose network was given as a module."""


def load_network(bundle: Bundle, *, encoder: Any = None) -> tuple[Any, bool]:
    """Build the network of a bundle and load its weights strictly.

    Weights that are stored in half precision are widened to float32; the values are exactly the
    stored ones.

    Parameters
    ----------
    bundle : Bundle
    encoder : torch.nn.Module, optional
        Of a bundle that was made of somebody's own module: a module of that class, with any
        weights. What is returned can be trained on (``finetune(model=network)``). A module with a
        classifier of its own gets a fresh one of as many outputs as the bundle has targets, and is
        returned itself.

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

    described = bundle.about.architecture
    network: Any
    if described.name == OWN:
        own = Fields(described.configuration)
        if encoder is None:
            raise BundleError(
                f"its network is the class {own.text(_class_key(described))}, which is no part "
                "of ecgfoundry",
                path=bundle.folder,
                remedy="Its answers come from the ONNX graph; for its weights, "
                + how_to_load(described),
            )
        from ecgfoundry.models.networks.own import OwnNetwork

        if _class_key(described) == "encoder":
            network = OwnNetwork(encoder, own.whole("features"), own.whole("classes"))
        else:
            network = encoder
            if not hasattr(network, "reset_classifier"):
                raise BundleError(
                    f"a {type(encoder).__name__} was given, which has no classifier",
                    path=bundle.folder,
                    remedy=f"For its weights, {how_to_load(described)}",
                )
            network.reset_classifier(len(bundle.vocabulary.targets))
        takes_presence = False
    else:
        network = create_model(described.name, **described.configuration)
        takes_presence = ARCHITECTURES[described.name].takes_presence
    try:
        match_state_dict(network, load_file(bundle.file("model.safetensors")))
    except CheckpointError as error:
        problem = f"the weights do not fit {described.name}: {error.problem}"
        raise BundleError(problem, path=bundle.folder) from None
    return network.eval(), takes_presence


def how_to_load(architecture: Architecture) -> str:
    """Say how the network of somebody's own module is had again, for a card or a message.

    Parameters
    ----------
    architecture : Architecture
        Of a bundle.
    """
    module, _, name = str(architecture.configuration[_class_key(architecture)]).partition(":")
    return (
        f"build {name} (of {module}) and call ecgfoundry.models.loading.load_network(bundle, "
        f"encoder=the {name})"
    )


def _class_key(architecture: Architecture) -> str:
    """Where the class of somebody's own module is named: an encoder, or a network as it is."""
    return "encoder" if "encoder" in architecture.configuration else "network"
