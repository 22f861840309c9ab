"""A page of HTML as PDF, by WeasyPrint, which fetches nothing."""

from __future__ import annotations

from typing import Any

from ecgfoundry.errors import MissingExtraError

__all__ = ["html_to_pdf"]


def html_to_pdf(page: str) -> bytes:
    """Return a self-contained page as PDF.

    WeasyPrint applies no style sheet of the page to a drawing in it: drawings need colours of
    their own.

    Raises
    ------
    MissingExtraError
        WeasyPrint is not installed, or Pango is not on the machine.
    """
    try:
        import weasyprint
    except (ImportError, OSError) as error:  # OSError: Pango is not on the machine
        missing = MissingExtraError.for_extra("drawing a PDF", "plot")
        raise MissingExtraError(missing.problem, remedy=f"{missing.remedy} ({error})") from None

    def refuse(url: str, *_: Any, **__: Any) -> Any:
        if url.startswith("data:"):
            return weasyprint.default_url_fetcher(url)
        raise ValueError("nothing is fetched for a report")

    document: bytes = weasyprint.HTML(string=page, url_fetcher=refuse).write_pdf()
    return document
