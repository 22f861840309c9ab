"""A network from elsewhere, with a classifier: any module as one that can be trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import TrainingError
from ecgfoundry.models.networks.sequence import fresh_linear

__all__ = ["OwnNetwork", "own_configuration"]


class OwnNetwork(nn.Module):
    """One's own encoder and a linear classifier on what it returns.

    Parameters
    ----------
    encoder : nn.Module
        Takes float32 (batch, leads, samples), absent leads 0, and returns features: (batch,
        features), or (batch, features, time), of which the mean over time is taken. A module that
        ends in a classifier of its own is given without it, or its logits count as features.
    features : int
        What the encoder returns per window.
    classes : int
        Outputs of the classifier.
    """

    def __init__(self, encoder: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.features = features
        self._name = _class_of(encoder)
        self.classifier = nn.Linear(features, classes)

    @classmethod
    def around(cls, encoder: nn.Module, *, leads: int, samples: int, classes: int) -> OwnNetwork:
        """Put a fresh classifier on an encoder; the number of features is found by a window.

        Raises
        ------
        TrainingError
            The encoder has no parameters, does not take such a window, or does not return features.
        """
        if next(encoder.parameters(), None) is None:
            raise TrainingError(f"{type(encoder).__name__} has no parameters to train")
        training = encoder.training
        window = torch.randn(2, leads, samples, generator=torch.Generator().manual_seed(0))
        try:
            with torch.no_grad():
                found = encoder.eval()(window)
        except (RuntimeError, ValueError) as error:
            words = str(error).splitlines()[0]
            raise TrainingError(
                f"{type(encoder).__name__} does not take (batch, {leads}, {samples}): {words}",
                remedy="Give the preprocessing whose windows it is for, and recordings with its "
                "leads",
            ) from None
        finally:
            encoder.train(training)
        if not isinstance(found, Tensor) or found.ndim not in (2, 3) or len(found) != 2:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise TrainingError(
                f"{type(encoder).__name__} returns {shape}, not (batch, features) or (batch, "
                "features, time)"
            )
        return cls(encoder, int(found.shape[1]), classes)

    @property
    def config(self) -> JsonObject:
        """What a bundle says about it; the encoder's class has to be at hand to build it anew."""
        return {
            "encoder": self._name,
            "features": self.features,
            "classes": self.classifier.out_features,
        }

    def reset_classifier(self, classes: int) -> None:
        """Put a fresh classifier on the encoder."""
        self.classifier = fresh_linear(self.classifier, classes)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the embedding (batch, features)."""
        found: Tensor = self.encoder(x)
        return found.mean(dim=2) if found.ndim == 3 else found

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, classes)."""
        logits: Tensor = self.classifier(self.forward_features(x))
        return logits


def own_configuration(network: nn.Module) -> JsonObject:
    """Return what a bundle says about a network that no architecture of the registry can build.

    Parameters
    ----------
    network : nn.Module
        An :class:`OwnNetwork`, or a module with ``forward_features``, ``reset_classifier`` and
        ``config`` of its own, whose class is named beside its settings.
    """
    if isinstance(network, OwnNetwork):
        return network.config
    return {"settings": network.config, "network": _class_of(network)}


def _class_of(module: nn.Module) -> str:
    kind = type(module)
    return f"{kind.__module__}:{kind.__qualname__}"
