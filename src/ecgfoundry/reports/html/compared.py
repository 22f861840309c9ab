"""What changed since an earlier recording of the same person, as HTML."""

from __future__ import annotations

from markupsafe import Markup

from ecgfoundry.criteria import Comparison
from ecgfoundry.reports.compared import compared
from ecgfoundry.reports.html.environment import drawn, render
from ecgfoundry.reports.paper.median_beats import superimposed_svg

__all__ = ["comparison_section"]


def comparison_section(comparison: Comparison, identifier: str) -> Markup:
    """Return serial statements, changed values and the median beats of both over each other.

    Parameters
    ----------
    comparison : Comparison
    identifier : str
        Prefix of the ids of the picture, unique on the page.
    """
    words = compared(comparison)
    title = f"Median beats: {words.names[0]} and {words.names[1]}"
    svg = superimposed_svg(
        comparison, title="Median beats", names=words.names, identifier=identifier
    )
    return render("compared", words=words, title=title, picture=drawn(svg))
