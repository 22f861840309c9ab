"""The result of an explanation, and how alike two of them are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject

__all__ = ["Saliency", "map_agreement", "target_score"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Saliency:
    """How much each moment of each lead speaks for a finding.

    Attributes
    ----------
    values : float64 (leads, samples)
        On the time base of the recording's window. Positive speaks for the finding, negative
        against it; NaN in a lead that the model did not have. In units of the score (see
        ``score``): by how much it falls when the stretch around a sample is hidden (occlusion), or
        per second of signal (integrated gradients).
    leads : tuple of str
    sampling_rate : float
        Hz.
    start_s : float
        Where the window begins in the recording.
    target : str
    score : float
        What was explained: the logit (multilabel), the log odds of the class against all others
        (multiclass), the output (regression); before calibration.
    method : str
        "occlusion" or "integrated-gradients".
    unit : str
        What was hidden at once, in words.
    beats : int64 (beats,)
        R peaks of the window that were used to hide the same part of every beat; empty otherwise.
    """

    values: Float64
    leads: tuple[str, ...]
    sampling_rate: float
    start_s: float
    target: str
    score: float
    method: str
    unit: str
    beats: NDArray[np.int64]

    def lead_shares(self) -> dict[str, float]:
        """Return each lead's share of all absolute saliency, largest first."""
        size = np.nansum(np.abs(self.values), axis=1)
        total = float(size.sum())
        order = np.argsort(-size, kind="stable")
        return {
            self.leads[row]: float(size[row]) / total if total > 0 else 0.0
            for row in order
            if not np.isnan(self.values[row]).all()
        }

    def to_dict(self) -> JsonObject:
        """Return the JSON form, without the map."""
        return {
            "target": self.target,
            "method": self.method,
            "unit": self.unit,
            "score": round(self.score, 6),
            "start_s": round(self.start_s, 4),
            "duration_s": round(self.values.shape[1] / self.sampling_rate, 4),
            "lead_shares": {lead: round(v, 4) for lead, v in self.lead_shares().items()},
        }


def target_score(logits: Float64, target: int, *, exclusive: bool) -> Float64:
    """Return the number that is explained, (windows,), from logits (windows, targets).

    The logit; with exclusive classes the log odds of one against all others, because a softmax
    does not change when all logits rise together.
    """
    own = logits[:, target]
    if not exclusive or logits.shape[1] == 1:
        return own
    from scipy.special import logsumexp

    others = np.delete(logits, target, axis=1)
    result: Float64 = own - logsumexp(others, axis=1)
    return result


def map_agreement(first: Float64, second: Float64) -> float:
    """Return the rank correlation of two maps' absolute values (Adebayo et al. 2018).

    J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018: an explanation that hardly
    changes when the network's weights are replaced by random ones explains the input, not the
    network. NaN where fewer than two positions are in both or a map is constant.
    """
    from scipy.stats import rankdata

    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < 2:
        return float("nan")
    a, b = rankdata(np.abs(first[both])), rankdata(np.abs(second[both]))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else float("nan")
