"""Saliency on ECG paper: a marker pen under the trace where the answer rests on it.

The trace itself stays as recorded and on top. Orange speaks for the finding, violet against it (a
pair that colour-blind readers can tell apart); the stronger, the denser. Weak parts stay unmarked,
because a picture that marks everything says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.explanations.saliency import Saliency
from ecgfoundry.recording import Recording
from ecgfoundry.reports.html.environment import drawn, render
from ecgfoundry.reports.paper.drawing import THEMES, Frame, mm, row_band
from ecgfoundry.reports.paper.ecg_paper import ecg_paper_svg
from ecgfoundry.reports.paper.layout import Sheet, Strip
from ecgfoundry.reports.paper.traces import trace_path
from ecgfoundry.reports.wording import escape, file_name

__all__ = ["overlay_layer", "saliency_page", "saliency_svg"]

Float64 = NDArray[np.float64]

LEVELS = (0.15, 0.35, 0.6, 0.85)
"""Shares of the strongest saliency at which the pen gets denser; under the first nothing is marked
(our choice)."""
OPACITIES = (0.22, 0.42, 0.65, 0.92)
FOR_COLOUR, AGAINST_COLOUR = "#f08c00", "#8d5fd3"
PEN_MM = 2.6
_WORDS = {
    "occlusion": "occlusion, hiding {unit} of one lead at a time",
    "integrated-gradients": "integrated gradients, {unit}",
}


def saliency_svg(
    recording: Recording,
    saliency: Saliency,
    *,
    layout: str = "auto",
    theme: str = "paper",
    title: str | None = None,
    identifier: str | None = None,
) -> str:
    """Draw the explained window of a recording on ECG paper, with its saliency.

    Parameters
    ----------
    recording : Recording
        The one that was explained.
    saliency : Saliency
    layout, theme, title, identifier
        See :func:`ecgfoundry.reports.paper.ecg_paper.ecg_paper_svg`.

    Returns
    -------
    str
        A self-contained SVG. The layer is a ``<g class="saliency">`` with ``data-target`` and
        ``data-method``.
    """
    seconds = saliency.values.shape[1] / saliency.sampling_rate
    name = file_name(recording.source) if recording.source else ""
    heading = f"What speaks for and against {saliency.target}   {name}" if title is None else title
    return ecg_paper_svg(
        recording,
        layout=layout,
        theme=theme,
        title=heading.strip(),
        identifier=identifier,
        start_s=saliency.start_s,
        duration_s=seconds if math.isfinite(seconds) and seconds > 0 else None,
        overlay=overlay_layer(saliency, text_colour=THEMES[theme].text),
    )


def overlay_layer(
    saliency: Saliency, *, text_colour: str = "#262626"
) -> Callable[[Sheet, Frame], str]:
    """Return what :func:`ecg_paper_svg` takes as ``overlay``."""

    def draw(sheet: Sheet, frame: Frame) -> str:
        strongest = _strongest(saliency.values)
        parts = []
        for number, row in enumerate(sheet.rows):
            band = row_band(row, frame.baselines[number], frame)
            parts += [
                _strip_marks(strip, frame.baselines[number], band, frame, saliency, strongest)
                for strip in row.strips
            ]
        legend = _legend(frame, saliency, text_colour)
        return (
            f'<g class="saliency" data-target="{escape(saliency.target)}" '
            f'data-method="{escape(saliency.method)}">{"".join(parts)}{legend}</g>'
        )

    return draw


def _strongest(values: Float64) -> float:
    """The 99.5th percentile of all absolute values: a lone spike must not pale all the rest."""
    finite = np.abs(values[np.isfinite(values)])
    finite = finite[finite > 0]
    return float(np.quantile(finite, 0.995)) if finite.size else 0.0


def _strip_marks(
    strip: Strip,
    baseline: float,
    band: tuple[float, float],
    frame: Frame,
    saliency: Saliency,
    strongest: float,
) -> str:
    if strip.lead not in saliency.leads or strip.values.size < 2 or strongest <= 0:
        return ""
    row = saliency.values[saliency.leads.index(strip.lead)]
    times = strip.times_s - strip.x_s + strip.start_s - saliency.start_s
    index = np.rint(times * saliency.sampling_rate).astype(np.int64)
    inside = (index >= 0) & (index < row.size)
    values = np.where(inside, row[np.clip(index, 0, row.size - 1)], np.nan) / strongest
    x = frame.trace_x + strip.times_s * frame.speed
    y = np.clip(baseline - strip.values * frame.gain, band[0], band[1])
    parts = []
    for sign, colour, name in ((1.0, FOR_COLOUR, "for"), (-1.0, AGAINST_COLOUR, "against")):
        strength = np.nan_to_num(sign * values, nan=0.0)
        level = np.searchsorted(LEVELS, strength, side="right")
        for step, opacity in enumerate(OPACITIES, start=1):
            path = "".join(
                trace_path(x[first:last], y[first:last]) for first, last in _runs(level == step)
            )
            if path:
                parts.append(
                    f'<path class="{name}" d="{path}" stroke="{colour}" '
                    f'stroke-opacity="{opacity}"/>'
                )
    if not parts:
        return ""
    return (
        f'<g data-lead="{escape(strip.lead)}" fill="none" stroke-width="{PEN_MM}" '
        f'stroke-linejoin="round" stroke-linecap="butt">{"".join(parts)}</g>'
    )


def _runs(chosen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (first, last) of every run, with one sample of the next so that runs touch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]])))
    return [
        (int(first), min(int(last) + 1, chosen.size))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
        if last - first > 0
    ]


def _legend(frame: Frame, saliency: Saliency, text_colour: str) -> str:
    y = frame.grid_y + frame.grid_height - 2.0
    x = frame.grid_x + 3.0
    parts = []
    for colour, words, width in (
        (FOR_COLOUR, f"speaks for {saliency.target}", 12.0 + 1.65 * (len(saliency.target) + 11)),
        (AGAINST_COLOUR, "against", 26.0),
    ):
        for step, opacity in enumerate(OPACITIES):
            parts.append(
                f'<rect x="{mm(x + 2 * step)}" y="{mm(y - 2)}" width="2" height="2" '
                f'fill="{colour}" fill-opacity="{opacity}"/>'
            )
        parts.append(f'<text x="{mm(x + 9)}" y="{mm(y)}">{escape(words)}</text>')
        x += width
    words = _WORDS[saliency.method].format(unit=saliency.unit)
    parts.append(f'<text x="{mm(x)}" y="{mm(y)}">{escape(words)}</text>')
    return f'<g class="legend" font-size="2.9" fill="{text_colour}">{"".join(parts)}</g>'


def saliency_page(
    recording: Recording,
    saliency: Saliency,
    *,
    model: str,
    answer: str,
    layout: str = "auto",
) -> str:
    """Return one self-contained HTML page: the picture, the leads' shares, and how to read it.

    Parameters
    ----------
    recording : Recording
    saliency : Saliency
    model : str
        Name and version.
    answer : str
        What the model says about the target, in words.
    layout : str
    """
    drawing = saliency_svg(recording, saliency, layout=layout)
    rows = [
        {"lead": lead, "share": f"{share:.0%}", "width": f"{100 * share:.1f}"}
        for lead, share in saliency.lead_shares().items()
    ]
    page = render(
        "saliency",
        target=saliency.target,
        answer=answer,
        model=model,
        method=_WORDS[saliency.method].format(unit=saliency.unit),
        score=f"{saliency.score:+.2f}",
        drawing=drawn(drawing),
        rows=rows,
        colour=FOR_COLOUR,
    )
    return str(page)
