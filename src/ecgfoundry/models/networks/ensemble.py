"""What networks that are committees of equal members share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import nn

from ecgfoundry.documents import JsonObject
from ecgfoundry.models.networks.sequence import fresh_linear

__all__ = ["Committee"]


class Committee(nn.Module):
    """Members whose embeddings lie side by side, read by one linear layer.

    That is the same as averaging the members' logits. A subclass sets ``config`` (the settings
    with which an equal network can be built, among them ``members`` and ``classes``), ``members``,
    ``features`` (length of the joint embedding) and ``classifier``.
    """

    config: JsonObject
    members: nn.ModuleList
    features: int
    classifier: nn.Linear

    def reset_classifier(self, classes: int) -> None:
        """Put a fresh linear layer for other classes on the embedding."""
        self.classifier = fresh_linear(self.classifier, classes)
        self.config["classes"] = classes

    @classmethod
    def committee(cls, networks: Sequence[Self]) -> Self:
        """Join trained networks into one whose logits are the mean of theirs.

        Parameters
        ----------
        networks : sequence of the same class
            Of one configuration, except that each may have any number of members.

        Returns
        -------
        the same class
            In evaluation mode.
        """
        members = [member for network in networks for member in network.members]
        joined = cls(**{**networks[0].config, "members": len(members)})
        for own, member in zip(joined.members, members, strict=True):
            own.load_state_dict(member.state_dict())
        with torch.no_grad():
            joined.classifier.weight.copy_(
                torch.cat([network.classifier.weight for network in networks], dim=1)
                / len(networks)
            )
            joined.classifier.bias.copy_(
                torch.stack([network.classifier.bias for network in networks]).mean(dim=0)
            )
        return joined.eval()

    def with_outputs(self, kept: Sequence[int]) -> Self:
        """Return the network with these outputs alone, in evaluation mode.

        Parameters
        ----------
        kept : sequence of int
            Places of the logits that remain, in their new order.
        """
        smaller = type(self)(**{**self.config, "classes": len(kept)})
        state = self.state_dict()
        for part in ("classifier.weight", "classifier.bias"):
            state[part] = state[part][list(kept)].clone()
        smaller.load_state_dict(state)
        return smaller.eval()
