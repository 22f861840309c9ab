"""What networks share that give features over time: their mean, one linear layer, a new one."""

from __future__ import annotations

from torch import Tensor, nn

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import SignalError

__all__ = ["SequenceNetwork", "check_windows", "fresh_linear"]


class SequenceNetwork(nn.Module):
    """ECG windows to logits: features over time, their mean, one linear layer.

    A subclass defines :meth:`forward_sequence` and sets ``config`` (the settings with which an
    equal network can be built, among them ``classes``), ``leads``, ``features`` (length of the
    embedding) and ``dense``.
    """

    config: JsonObject
    leads: int
    features: int
    dense: nn.Linear

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of windows.

        Parameters
        ----------
        x : Tensor
            (batch, leads, samples), as the network's preprocessing gives them, without NaN.

        Returns
        -------
        Tensor
            (batch, classes); the sigmoid stands outside.

        Raises
        ------
        SignalError
            The shape does not fit the network.
        """
        logits: Tensor = self.dense(self.forward_features(x))
        return logits

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the embedding of each window, (batch, features): the mean over time."""
        return self.forward_sequence(x).mean(dim=1)

    def forward_sequence(self, x: Tensor) -> Tensor:
        """Return the features over time, (batch, positions, features)."""
        raise NotImplementedError

    def reset_classifier(self, classes: int) -> None:
        """Put a fresh linear layer for other classes on the embedding."""
        self.dense = fresh_linear(self.dense, classes)
        self.config["classes"] = classes


def check_windows(x: Tensor, leads: int) -> None:
    """Raise :class:`SignalError` unless these are windows (batch, leads, samples)."""
    if x.ndim != 3 or x.shape[1] != leads:
        raise SignalError(
            f"the input has shape {tuple(x.shape)}; (batch, {leads}, samples) is needed",
            remedy="Pass one row per lead, in the order of the model",
        )


def fresh_linear(layer: nn.Linear, outputs: int) -> nn.Linear:
    """Return an untrained layer with other outputs, where the given one is and of its type."""
    weight = layer.weight
    return nn.Linear(layer.in_features, outputs, device=weight.device, dtype=weight.dtype)
