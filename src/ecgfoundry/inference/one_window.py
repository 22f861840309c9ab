"""One window of a recording of any length: what a Holter, a live stream and a strip have in common.

Embeddings of a whole minute, of a day and of ten seconds differ by the length alone, so that drift
is looked for between windows of one length: that of a live answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.inference.live.stream import LIVE_WINDOW_S
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.windows import WindowSource

__all__ = ["window_embedding"]

PLACES = (0.5, 0.25, 0.75)
"""Of the recording, tried one after the other until one can be read (our choice)."""


def window_embedding(
    predictor: Predictor, source: WindowSource, *, lead: str | None = None
) -> NDArray[np.float32] | None:
    """Return the embedding (features,) of a window from the middle, or a quarter from either end.

    Parameters
    ----------
    predictor : Predictor
    source : WindowSource
        Of any length; the window has ten seconds, or the model's length where that is less.
    lead : str, optional
        Read only this lead.

    Returns
    -------
    float32 (features,) or None
        None: none of the three can be read.
    """
    seconds = min(LIVE_WINDOW_S, predictor.bundle.input.window_s)
    length = min(round(seconds * source.sampling_rate), source.samples)
    for place in PLACES:
        start = round(place * (source.samples - length))
        try:
            found = predictor.embed(source.part(start, start + length), lead=lead)
        except EcgFoundryError:
            continue
        return found[0]
    return None
