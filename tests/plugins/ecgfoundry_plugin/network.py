"""A network: two convolutions, for one lead of any length."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

__all__ = ["PluginNet"]


class PluginNet(nn.Module):
    """Two convolutions, the mean over time, and a linear classifier."""

    def __init__(self, classes: int = 4, leads: int = 1, width: int = 16) -> None:
        super().__init__()
        self.leads, self.features = leads, width
        self.encoder = nn.Sequential(
            nn.Conv1d(leads, 8, 25, stride=5),
            nn.ReLU(),
            nn.Conv1d(8, width, 9, stride=4),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(width, classes)

    @property
    def config(self) -> dict[str, Any]:
        """The settings with which an equal network can be built."""
        classes = self.classifier.out_features
        return {"classes": classes, "leads": self.leads, "width": self.features}

    def reset_classifier(self, classes: int) -> None:
        """Put a fresh classifier on the encoder."""
        self.classifier = nn.Linear(self.features, classes).to(self.classifier.weight)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the embedding (batch, features) of (batch, leads, samples)."""
        found: Tensor = self.encoder(x).mean(dim=2)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, classes)."""
        logits: Tensor = self.classifier(self.forward_features(x))
        return logits
