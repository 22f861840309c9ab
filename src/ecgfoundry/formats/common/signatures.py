"""Known file formats that no reader here reads: named, so that the error can say what it found."""

from __future__ import annotations

from ecgfoundry.formats.xml.xml_safe import root_name

__all__ = ["foreign_format"]

_STARTS = (
    (b"ANN  1.0", "an ISHNE annotation file (name the .ecg file beside it)"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"{", "a JSON document of unknown kind"),
)


def foreign_format(head: bytes) -> str | None:
    """Return a noun phrase for a known format that is not read here, or None.

    Parameters
    ----------
    head : bytes
        First 4096 bytes of the file.
    """
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    root = root_name(head)
    return f"XML or HTML with the root element '{root[:40]}'" if root else None
