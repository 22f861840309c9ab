"""A sheet of ECG paper to show or to keep: SVG, PNG, PDF or a page of HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgfoundry.errors import MissingExtraError, SignalError
from ecgfoundry.io import write_whole
from ecgfoundry.recording import Recording
from ecgfoundry.reports.paper.ecg_paper import ecg_paper_svg
from ecgfoundry.reports.pdf import html_to_pdf
from ecgfoundry.reports.wording import DISCLAIMER, escape

__all__ = ["PICTURE_SUFFIXES", "Plot", "plot", "save_picture", "svg_to_png"]

PICTURE_SUFFIXES = (".svg", ".png", ".pdf", ".html")
PNG_DPI = 200.0
"""Dots per inch: a 1-mm square of the paper has 8 pixels (our choice)."""

_SVG_DPI = 96.0  # of the CSS pixel, in which a rasteriser measures millimetres


@dataclass(frozen=True)
class Plot:
    """A drawn sheet. A notebook shows it by itself.

    Attributes
    ----------
    svg : str
        Self-contained, at true physical size.
    title : str
        Of the page, where it is saved as HTML.
    """

    svg: str
    title: str = "ECG"

    def __repr__(self) -> str:
        return f"<Plot: {self.title}, {len(self.svg) // 1000} kB of SVG>"

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> Path:
        """Write the sheet to ``path``, whole or not at all; the ending decides the format.

        PNG has 200 dots per inch; PDF is one page of the size of the sheet.

        Raises
        ------
        SignalError
            The ending is none of .svg, .png, .pdf, .html.
        MissingExtraError
            PNG or PDF without the extra "plot".
        FileAccessError
        """
        path = Path(path)
        _check_suffix(path)
        make: dict[str, Callable[[], bytes]] = {
            ".svg": lambda: f'<?xml version="1.0" encoding="UTF-8"?>\n{self.svg}\n'.encode(),
            ".html": lambda: _page(self.svg, self.title).encode(),
            ".png": lambda: svg_to_png(self.svg),
            ".pdf": lambda: html_to_pdf(_sheet_page(self.svg, self.title)),
        }
        content = make[path.suffix.lower()]()
        write_whole(path, content)
        return path


def plot(recording: Recording, **options: Any) -> Plot:
    """Draw a recording on ECG paper, to look at or to save.

    Parameters
    ----------
    recording : Recording
    **options
        As for :func:`~ecgfoundry.reports.paper.ecg_paper.ecg_paper_svg`
        (``layout=``, ``start_s=``, ``title=`` …).

    Raises
    ------
    SignalError
        An option that is none, or nothing to draw in the asked part.
    LeadError
        No lead to draw.
    """
    try:
        svg = ecg_paper_svg(recording, **options)
    except ValueError as error:  # an unknown layout, a speed of 0
        raise SignalError(str(error)) from None
    return Plot(svg, str(options.get("title") or "ECG"))


def save_picture(recording: Recording, path: str | Path, **options: Any) -> Path:
    """Draw a recording on ECG paper and write it: see :func:`plot` and :meth:`Plot.save`."""
    _check_suffix(Path(path))  # before anything is drawn
    return plot(recording, **options).save(path)


def _check_suffix(path: Path) -> None:
    kind = path.suffix.lower()
    if kind not in PICTURE_SUFFIXES:
        raise SignalError(
            f"a picture cannot be written as '{kind or path.name}'",
            path=path,
            remedy=f"Use a name that ends in {', '.join(PICTURE_SUFFIXES)}",
        )


def svg_to_png(svg: str, *, dpi: float = PNG_DPI) -> bytes:
    """Return an SVG as PNG at ``dpi`` dots per inch. Its text needs fonts of the system.

    Raises
    ------
    MissingExtraError
        ``resvg_py`` is not installed.
    """
    try:
        import resvg_py
    except ImportError:
        raise MissingExtraError.for_extra("drawing a PNG", "plot") from None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=dpi / _SVG_DPI, dpi=_SVG_DPI))


def _page(svg: str, title: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>"
        "body{margin:0;padding:8mm;background:#fff;font-family:system-ui,sans-serif}"
        "svg{max-width:100%;height:auto}p{color:#555;font-size:9pt}"
        "@page{size:A4 landscape;margin:5mm}@media print{body{padding:0}svg{max-width:none}}"
        f"</style></head><body>{svg}<p>{escape(DISCLAIMER)}</p></body></html>\n"
    )


def _sheet_page(svg: str, title: str) -> str:
    """Return a page that prints as one sheet of the size of the drawing, with no margin."""
    sizes = (svg.split(f'{name}="', 1)[1].split('"', 1)[0] for name in ("width", "height"))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>@page{{size:{' '.join(sizes)};margin:0}}"
        "body{margin:0}svg{display:block}</style>"
        f"</head><body>{svg}</body></html>\n"
    )
