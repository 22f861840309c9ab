"""Live signals: answers to a source as long as it sends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ecgfoundry.inference.files import model_for_leads
from ecgfoundry.inference.live.stream import LiveAnswer
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.leads import normalize_lead_names
from ecgfoundry.streams.description import StreamOptions
from ecgfoundry.streams.follow import answers_to
from ecgfoundry.streams.sources import open_source

__all__ = ["follow"]


def follow(
    source: str,
    *,
    model: str | Path | Predictor | None = None,
    lead: str | None = None,
    options: StreamOptions | None = None,
    delay_s: float = 0.0,
) -> Iterator[LiveAnswer]:
    """Follow a live signal: an answer for every second, from the last ten.

    Parameters
    ----------
    source : str
        ``-`` (standard input), ``lsl://NAME``, ``mqtt://HOST/TOPIC``, ``ws://HOST:PORT/PATH`` or
        ``ble://polar-h10``.
    model : str, Path or Predictor, optional
        None: the shipped model that suits the leads.
    lead : str, optional
        Read only this lead.
    options : StreamOptions, optional
        Leads, rate and unit, where the source does not say them; when to give up.
    delay_s : float
        How long to wait for late samples.

    Yields
    ------
    LiveAnswer

    Raises
    ------
    EcgFoundryError
        The source is not there, does not say what it sends, or sends what the model cannot read.

    Examples
    --------
    >>> for answer in follow("lsl://chest", model="rhythm-single-lead"):   # doctest: +SKIP
    ...     print(answer.time_s, answer.steady.present)
    """
    with open_source(source, options) as opened:
        leads = normalize_lead_names(opened.description.leads)
        chosen = (lead,) if lead is not None else leads
        name = model or model_for_leads(chosen)
        predictor = name if isinstance(name, Predictor) else load_model(name)
        yield from answers_to(opened, predictor, lead=lead, delay_s=delay_s)
