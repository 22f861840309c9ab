"""HTML pages from templates, and the one rule by which every value in them is escaped."""

from __future__ import annotations

import unicodedata
from functools import cached_property
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["Templates", "drawn", "printable"]

_REORDERING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F}
_NEVER_IN_XML = {0xFFFE, 0xFFFF}


def printable(value: object) -> str:
    """Return ``value`` as one line of text that is safe to print and legal in XML.

    Control characters (a terminal escape in a file name, a NUL in a header), lone surrogates and
    characters that reorder the text around them become U+FFFD; white space becomes blanks.
    """
    characters = []
    for character in str(value):
        code = ord(character)
        if character in "\t\n\r":
            characters.append(" ")
        elif (
            unicodedata.category(character) in ("Cc", "Cs")
            or code in _REORDERING
            or code & 0xFFFF in _NEVER_IN_XML
        ):
            characters.append("\N{REPLACEMENT CHARACTER}")
        else:
            characters.append(character)
    return "".join(characters)


def drawn(text: str) -> Markup:
    """Mark text that our own code wrote and escaped, a drawing or a style sheet, as such."""
    return Markup(text)  # noqa: S704 - the one place, for text that holds no value unescaped


class Templates:
    """The templates of one package, ``NAME.html.j2`` in its folder ``templates``.

    Parameters
    ----------
    *packages : str
        Dotted names: its own, then those whose parts it uses.
    """

    def __init__(self, *packages: str) -> None:
        self.packages = packages

    def render(self, template: str, **values: Any) -> Markup:
        """Fill a template.

        Parameters
        ----------
        template : str
            Its name without ``.html.j2``.
        **values
            What it speaks of. Text is made printable and escaped; only ``Markup``, which our own
            functions made (:func:`drawn`), is taken as it is. A name that is not given is an error.
        """
        return drawn(self._environment.get_template(f"{template}.html.j2").render(values))

    @cached_property
    def _environment(self) -> Environment:
        return Environment(
            loader=ChoiceLoader([PackageLoader(package) for package in self.packages]),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_printable,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )


def _printable(value: Any) -> Any:
    return value if isinstance(value, Markup) else printable(value)
