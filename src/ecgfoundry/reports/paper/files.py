"""A sheet of ECG paper as a file: SVG, PNG or a page of HTML, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecgfoundry.errors import FileAccessError, MissingExtraError, SignalError
from ecgfoundry.recording import Recording
from ecgfoundry.reports.paper.ecg_paper import ecg_paper_svg
from ecgfoundry.reports.wording import DISCLAIMER, escape

__all__ = ["PICTURE_SUFFIXES", "save_picture", "svg_to_png"]

PICTURE_SUFFIXES = (".svg", ".png", ".html")
PNG_DPI = 200.0
"""Dots per inch: a 1-mm square of the paper has 8 pixels (our choice)."""

_SVG_DPI = 96.0  # of the CSS pixel, in which a rasteriser measures millimetres


def save_picture(recording: Recording, path: str | Path, **options: Any) -> Path:
    """Draw a recording on ECG paper and write it to ``path``.

    Parameters
    ----------
    recording : Recording
    path : str or Path
        Ends in .svg, .png or .html.
    **options
        As for :func:`~ecgfoundry.reports.paper.ecg_paper.ecg_paper_svg`
        (``layout=``, ``title=`` …).

    Raises
    ------
    SignalError
        Another ending, or an option that is none.
    MissingExtraError
        A PNG is asked for without the extra "plot".
    FileAccessError
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in PICTURE_SUFFIXES:
        raise SignalError(
            f"a picture cannot be written as '{kind or path.name}'",
            path=path,
            remedy=f"Use a name that ends in {', '.join(PICTURE_SUFFIXES)}",
        )
    try:
        svg = ecg_paper_svg(recording, **options)
    except ValueError as error:  # an unknown layout, a speed of 0
        raise SignalError(str(error)) from None
    content = {
        ".svg": lambda: f'<?xml version="1.0" encoding="UTF-8"?>\n{svg}\n'.encode(),
        ".html": lambda: _page(svg, str(options.get("title") or "ECG")).encode(),
        ".png": lambda: svg_to_png(svg),
    }[kind]()
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise FileAccessError(
            f"the picture cannot be written ({error.strerror})", path=path
        ) from error
    return path


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
