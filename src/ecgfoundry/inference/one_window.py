"""One window of a recording of any length: what a Holter, a live stream and a strip have in common.

Embeddings of a whole minute, of a day and of ten seconds differ by the length alone, so that drift
is looked for between windows of one length: that of a live answer.
"""

from __future__ import annotations

from dataclasses import replace

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.inference.live.stream import LIVE_WINDOW_S
from ecgfoundry.inference.looks import Look
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.windows import InputLeads, WindowSource, prepare_windows

__all__ = ["look_at_window"]

PLACES = (0.5, 0.25, 0.75)
"""Of the recording, tried one after the other until one can be read (our choice)."""


def look_at_window(
    predictor: Predictor, source: WindowSource, *, lead: str | None = None
) -> Look | None:
    """Look at a window from the middle; where it cannot be read, at one a quarter from either end.

    Parameters
    ----------
    predictor : Predictor
    source : WindowSource
        Of any length; the window has ten seconds, or the model's length where that is less.
    lead : str, optional
        Read only this lead.

    Returns
    -------
    Look or None
        Its verdict is that of the middle; None: there are no leads for the model, or no samples.
    """
    spec = predictor.bundle.input
    length = min(round(min(LIVE_WINDOW_S, spec.window_s) * source.sampling_rate), source.samples)
    first: Look | None = None
    for place in PLACES:
        start = round(place * (source.samples - length))
        try:
            leads = InputLeads.choose(spec, source.leads, lead=lead)
            prepared = list(prepare_windows(source.part(start, start + length), spec, leads))
        except EcgFoundryError:
            continue
        found = Look.of(prepared, leads, predictor.outputs_of(prepared))
        first = first or found
        if found.logits is not None:
            return replace(found, verdict=first.verdict)
    return first
