"""The templates of the HTML report, and the one rule by which every value in them is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ecgfoundry.reports.wording import printable

__all__ = ["drawn", "render"]


def render(template: str, **values: Any) -> Markup:
    """Fill a template of ``reports/html/templates``.

    Parameters
    ----------
    template : str
        Its name without ``.html.j2``.
    **values
        What it speaks of. Text is made printable and escaped; only ``Markup``, which our own
        functions made, is taken as it is. A name that is not given is an error.
    """
    return drawn(_environment().get_template(f"{template}.html.j2").render(values))


def drawn(text: str) -> Markup:
    """Mark text that our own code wrote and escaped, a drawing or a style sheet, as such."""
    return Markup(text)  # noqa: S704 - the one place, for text that holds no value unescaped


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("ecgfoundry.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _printable(value: Any) -> Any:
    return value if isinstance(value, Markup) else printable(value)
