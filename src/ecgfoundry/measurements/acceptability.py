"""Would a reader accept this recording? A second opinion, the model ``signal-quality``.

Boosted decision trees on the figures of :mod:`ecgfoundry.measurements.quality_features`: one set
for a window of twelve leads and one for each lead alone. They are data (``signal_quality.json``)
and run in NumPy alone. ``docs/quality.md`` is their card;
``benchmarks/experiments/signal_quality.py`` makes them. They refuse nothing: what is refused is
decided by the gate's limits.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import Document, Fields
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.quality_features import (
    LEAD_FEATURES,
    WINDOW_FEATURES,
    lead_features,
    window_features,
)
from ecgfoundry.measurements.recognition import Recognition
from ecgfoundry.measurements.trees import Trees
from ecgfoundry.signals.quality import WindowQuality

__all__ = ["QualityModel", "quality_model", "with_acceptability"]

FILE = "signal_quality.json"

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class QualityModel:
    """The trees for twelve leads together and for one lead."""

    window: Trees
    lead: Trees

    @classmethod
    def from_dict(cls, document: Document) -> QualityModel:
        """Build from the JSON form.

        Raises
        ------
        ValueError
            It is for other features than those of this version.
        """
        own = Fields(document)
        if (own.texts("lead_features"), own.texts("window_features")) != (
            LEAD_FEATURES,
            WINDOW_FEATURES,
        ):
            raise ValueError(f"{FILE} is for other features")
        return cls(Trees.from_dict(own.part("window")), Trees.from_dict(own.part("lead")))


@functools.cache
def quality_model() -> QualityModel:
    """Return the model of the installation."""
    text = (files("ecgfoundry.measurements") / FILE).read_text(encoding="utf-8")
    return QualityModel.from_dict(json.loads(text))


def with_acceptability(
    quality: WindowQuality,
    signal: NDArray[np.floating],
    sampling_rate: float,
    leads: Sequence[str],
    found: Recognition,
) -> WindowQuality:
    """Add ``acceptable``, 0 to 1, to a window that is read and to each of its leads.

    Parameters
    ----------
    quality : WindowQuality
        With ``snr_db``, where it is known.
    signal : ndarray (leads, samples)
        mV, NaN = missing.
    sampling_rate : float
        Hz.
    leads : sequence of str
        Names of the rows.
    found : Recognition
        Of the readable leads.
    """
    rows = [row for row, lead in enumerate(leads) if lead in quality.leads]
    names = [leads[row] for row in rows]
    figures = [quality.leads[name] for name in names]
    snr = np.array([np.nan if f.snr_db is None else f.snr_db for f in figures])
    features = lead_features(signal[rows], sampling_rate, figures, snr)
    model = quality_model()
    each = _probability(model.lead.logits(features))
    if set(names) == set(STANDARD_12_LEADS):
        unreadable = sum(not figure.readable for figure in figures)
        whole = window_features(features, found.figures, unreadable)
        (together,) = _probability(model.window.logits(whole[np.newaxis]))
    else:
        # Nobody labelled fewer than twelve leads: the worst one speaks for them.
        together = each.min()
    return replace(
        quality,
        acceptable=float(together),
        leads={
            name: replace(figure, acceptable=float(value))
            for name, figure, value in zip(names, figures, each, strict=True)
        },
    )


def _probability(logits: Float64) -> Float64:
    result: Float64 = 1.0 / (1.0 + np.exp(-logits))
    return result
