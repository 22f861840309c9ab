"""Several segments of one visit, joined by gated attention: longer signal helps, where it is good.

Ilse, Tomczak and Welling, "Attention-based deep multiple instance learning" (ICML 2018), eq. 9: an
embedding ``h`` of a segment gets the score ``w (tanh(V h) * sigmoid(U h))``, and a visit is the
mean of its segments' embeddings, weighted by the softmax of their scores.

The classifier is linear, so a visit's logits are the same weighted mean of its segments' logits.
The network therefore stays what every network here is, windows in and logits out, one window at a
time: the score is the last entry of the embedding, and whoever has several windows joins them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ecgfoundry.documents import JsonObject
from ecgfoundry.models.networks.net1d import RELEASED_BLOCKS, RELEASED_WIDTHS, Net1D
from ecgfoundry.models.networks.sequence import fresh_linear

__all__ = ["GatedAttention", "SegmentAttentionNet", "VisitNetwork", "pool_segments"]


class GatedAttention(nn.Module):
    """A score for each embedding, (batch, features) to (batch, 1).

    Parameters
    ----------
    features : int
    hidden : int
        Rows of U and V.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.tanh = nn.Linear(features, hidden)
        self.gate = nn.Linear(features, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores."""
        score: Tensor = self.score(torch.tanh(self.tanh(x)) * torch.sigmoid(self.gate(x)))
        return score


class SegmentAttentionNet(nn.Module):
    """A Net1D whose embedding ends with the segment's score.

    Parameters
    ----------
    classes : int
        Number of logits.
    leads : int
        Input channels.
    hidden : int
        Of the attention; 128 (the paper's, for embeddings of 512).
    first_channels, widths, blocks, kernel_size, group_width, use_batch_norm
        Of the encoder, see :class:`ecgfoundry.models.networks.net1d.Net1D`.
    """

    def __init__(
        self,
        classes: int = 150,
        *,
        leads: int = 1,
        hidden: int = 128,
        first_channels: int | None = None,
        widths: Sequence[int] = RELEASED_WIDTHS,
        blocks: Sequence[int] = RELEASED_BLOCKS,
        kernel_size: int = 16,
        group_width: int = 16,
        use_batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = Net1D(
            1,
            leads=leads,
            first_channels=first_channels,
            widths=widths,
            blocks=blocks,
            kernel_size=kernel_size,
            group_width=group_width,
            use_batch_norm=use_batch_norm,
        )
        self.encoder.dense = nn.Identity()
        self.config: JsonObject = {
            **self.encoder.config,
            "classes": classes,
            "hidden": hidden,
        }
        self.leads = leads
        self.features = self.encoder.features + 1
        self.attention = GatedAttention(self.encoder.features, hidden)
        self.classifier = nn.Linear(self.features, classes)

    @classmethod
    def around(cls, encoder: Net1D, classes: int, *, hidden: int = 128) -> SegmentAttentionNet:
        """Return a network with a trained encoder's weights, fresh attention and classifier."""
        settings: Any = encoder.config | {"classes": classes, "hidden": hidden}
        made = cls(**settings)
        weights = {k: v for k, v in encoder.state_dict().items() if not k.startswith("dense.")}
        made.encoder.load_state_dict(weights, strict=True)
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (batch, classes) of windows (batch, leads, samples)."""
        logits: Tensor = self.classifier(self.forward_features(x))
        return logits

    def forward_features(self, x: Tensor) -> Tensor:
        """Return embeddings (batch, features); the last entry is the score of the segment."""
        embedding = self.encoder.forward_features(x)
        return torch.cat([embedding, self.attention(embedding)], dim=1)

    def reset_classifier(self, classes: int) -> None:
        """Put a fresh linear layer for other classes on the embedding."""
        self.classifier = fresh_linear(self.classifier, classes)
        self.config["classes"] = classes


def pool_segments(values: Tensor, scores: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Join the segments of visits.

    Parameters
    ----------
    values : Tensor (visits, segments, outputs)
        Logits.
    scores : Tensor (visits, segments)
    known : Tensor of bool (visits, segments, outputs)
        False is masked: no such segment, or none of this output.

    Returns
    -------
    pooled : Tensor (visits, outputs)
        0 where everything is masked.
    weights : Tensor (visits, segments, outputs)
        Over the known segments of an output they sum to 1.
    """
    # The largest score is taken away before the exponential, as in any softmax.
    raised = scores.unsqueeze(2).expand_as(values).masked_fill(~known, -torch.inf)
    largest = raised.amax(dim=1, keepdim=True).detach()
    largest = torch.where(torch.isfinite(largest), largest, torch.zeros_like(largest))
    weights = torch.exp(raised - largest)
    weights = weights / weights.sum(dim=1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
    return (weights * values.masked_fill(~known, 0.0)).sum(dim=1), weights


class VisitNetwork(nn.Module):
    """How a :class:`SegmentAttentionNet` learns: from segments to the logits of their visits.

    It has no parameters of its own.
    """

    def __init__(self, network: SegmentAttentionNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, visit: Tensor, place: Tensor, known: Tensor) -> Tensor:
        """Return logits (visits, classes).

        Parameters
        ----------
        x : Tensor (segments, leads, samples)
            All segments of all visits, one after the other; there is no padding.
        visit, place : Tensor of int (segments,)
            Whose each is, and which of its segments.
        known : Tensor of bool (visits, most segments, classes)
            What is masked, see :func:`pool_segments`.
        """
        embedding = self.network.forward_features(x)
        logits = self.network.classifier(embedding)
        values = logits.new_zeros(known.shape).index_put((visit, place), logits)
        scores = logits.new_zeros(known.shape[:2]).index_put((visit, place), embedding[:, -1])
        return pool_segments(values, scores, known)[0]
