"""Hardened parsing of XML from outside: nothing is fetched, nothing expands, everything is bounded.

The parser is expat of the standard library, so that XML formats need no extra. What defusedxml
refuses is refused here as well (entity declarations, external entities), and beyond it the size,
the nesting depth and the number of elements are limited while the text is parsed. A DOCTYPE with
an external DTD (``<!DOCTYPE RestingECG SYSTEM "restecg.dtd">``) is passed over: expat never loads
it, and a document that needs it for its content is not well-formed without it.
"""

from __future__ import annotations

import codecs
import re
import warnings
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FileAccessError, FormatError, LimitError
from ecgfoundry.formats.base import Limits

__all__ = ["child_text", "number", "numbers", "parse_xml", "root_name", "text_of"]

MAXIMUM_XML_BYTES = 128_000_000
"""A day of three leads at 500 Hz as aECG digits has about 500 MB and is not kept as XML in
practice; a resting ECG has 0.05 to 1 MB (our choice)."""

MAXIMUM_DEPTH = 64
"""Levels; aECG, the deepest of the formats read here, nests about 25 (our choice)."""

MAXIMUM_ELEMENTS = 200_000
"""An aECG with every wave of 10 s annotated in 12 leads has about 5000 elements (our choice)."""

MAXIMUM_ATTRIBUTES = 500_000
"""All elements together (our choice)."""

MAXIMUM_STATEMENTS = 200
"""Of the interpretation that a device has put into its file (our choice)."""

_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z][\w.:-]{0,30})["']""")
_CODECS = {
    # What expat cannot read itself, by the name that Python gives a declared encoding, and the
    # codec to read it with: of a family the largest set, since exports declare the smaller one.
    "gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "hz": "hz",
    "shift_jis": "cp932", "cp932": "cp932", "euc_jp": "euc_jp", "iso2022_jp": "iso2022_jp",
    "euc_kr": "cp949", "cp949": "cp949", "johab": "johab",
    "big5": "cp950", "cp950": "cp950", "big5hkscs": "big5hkscs",
}  # fmt: skip
_ALIASES = {"windows-31j": "cp932", "x-sjis": "cp932", "x-gbk": "gbk", "x-euc-jp": "euc_jp"}

_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s>/]")
_NOT_ROOT = re.compile(r"<!--.*?(?:-->|$)|<\?.*?(?:\?>|$)|<![^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_RETRY_WITH = {
    # A declared encoding that is not the one of the bytes is the most frequent fault of exports.
    expat.errors.codes[expat.errors.XML_ERROR_INCORRECT_ENCODING]: ("utf-8", "iso-8859-1"),
    expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING]: ("utf-8", "iso-8859-1"),
    expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]: ("iso-8859-1",),
}


def root_name(head: bytes) -> str | None:
    """Return the local name of the root element that the first bytes of a file show, or None.

    Examples
    --------
    >>> root_name(b'<?xml version="1.0"?><!-- <no> --><a:AnnotatedECG xmlns:a="x">')
    'AnnotatedECG'
    """
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = head.decode("utf-16", errors="ignore")
    elif head[:4] in (b"<\0?\0", b"\0<\0?"):
        text = head.decode("utf-16-le" if head[0] else "utf-16-be", errors="ignore")
    else:
        text = head.decode("latin-1").removeprefix("\xef\xbb\xbf")
    text = text.lstrip("\ufeff \t\r\n")
    if not text.startswith("<"):
        return None
    match = _ROOT.search(_NOT_ROOT.sub(" ", text))
    return match[1] if match else None


def parse_xml(path: Path, limits: Limits, *, root: str | None = None) -> Element:
    """Parse a file into elements without namespaces (``{urn:hl7-org:v3}series`` is ``series``).

    Parameters
    ----------
    path : Path
    limits : Limits
        ``text_bytes`` applies where it is smaller than ``MAXIMUM_XML_BYTES``.
    root : str, optional
        Local name that the root element must have.

    Raises
    ------
    FormatError
        Not well-formed, another root, or a construct that is refused: entity declarations.
    LimitError
        Too large, too deep, too many elements; raised before or while parsing.
    FileAccessError
    """
    content = _content(path, min(limits.text_bytes, MAXIMUM_XML_BYTES))
    content, encoding = _readable(content)
    try:
        found = _parse(content, encoding, path)
    except expat.ExpatError as first:
        found = _parse_otherwise(content, first, path)
    if root is not None and found.tag != root:
        raise FormatError(f"the root element is '{found.tag[:40]}', not '{root}'", path=path)
    return found


def _content(path: Path, limit: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > limit:
            raise LimitError(
                f"the XML file has {size} bytes; the limit is {limit}",
                path=path,
                remedy="Export it in a binary format",
            )
        return path.read_bytes()
    except OSError as error:
        raise FileAccessError(f"the file cannot be read ({error.strerror})", path=path) from error


def _readable(content: bytes) -> tuple[bytes, str | None]:
    """Return what expat can read: the bytes as they are, or as UTF-8 where several make a sign."""
    match = _DECLARED.match(content[:400])
    if match is None:
        return content, None
    name = match[1].decode().lower()
    try:
        codec = _CODECS.get(codecs.lookup(_ALIASES.get(name, name)).name)
        return (content, None) if codec is None else (content.decode(codec).encode(), "utf-8")
    except (LookupError, UnicodeError):
        return content, None  # unknown, or not what is declared: tried otherwise


def _parse_otherwise(content: bytes, first: expat.ExpatError, path: Path) -> Element:
    for encoding in _RETRY_WITH.get(first.code, ()):
        try:
            return _parse(content, encoding, path)
        except expat.ExpatError:
            continue
    raise FormatError(
        f"the XML is damaged ({first})", path=path, remedy="Export the file again"
    ) from None


def _parse(content: bytes, encoding: str | None, path: Path) -> Element:
    builder = _Builder(path)
    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True
    parser.buffer_size = 1 << 16
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = builder.refuse_entity
    parser.UnparsedEntityDeclHandler = builder.refuse_entity
    parser.ExternalEntityRefHandler = builder.refuse_entity
    parser.SkippedEntityHandler = builder.refuse_skipped
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(content, True)
    except (LookupError, ValueError) as error:  # an encoding that Python does not know
        unknown = expat.ExpatError(f"unknown encoding ({error})")
        unknown.code = expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING]
        raise unknown from None
    if builder.root is None:
        raise FormatError("the XML has no element", path=path)
    return builder.root


class _Builder:
    """Elements from the events of expat, with what is limited counted."""

    def __init__(self, path: Path) -> None:
        self.root: Element | None = None
        self._path = path
        self._stack: list[Element] = []
        self._texts: list[list[str]] = []
        self._elements = 0
        self._attributes = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        self._elements += 1
        self._attributes += len(attributes)
        if (
            self._elements > MAXIMUM_ELEMENTS
            or self._attributes > MAXIMUM_ATTRIBUTES
            or len(self._stack) >= MAXIMUM_DEPTH
        ):
            raise LimitError(
                f"the XML has more than {MAXIMUM_ELEMENTS} elements, {MAXIMUM_ATTRIBUTES} "
                f"attributes or {MAXIMUM_DEPTH} levels",
                path=self._path,
                remedy="This is no ECG export",
            )
        plain = {key.rpartition(":")[2]: value for key, value in attributes.items()}
        element = Element(name.rpartition(":")[2], plain)
        if self._stack:
            self._stack[-1].append(element)
        else:
            self.root = element
        self._stack.append(element)
        self._texts.append([])

    def data(self, text: str) -> None:
        """Add text to the open element; what stands behind a child counts as well."""
        if self._texts:
            self._texts[-1].append(text)

    def end(self, name: str) -> None:
        """Close the open element."""
        element, texts = self._stack.pop(), self._texts.pop()
        joined = "".join(texts) if len(texts) != 1 else texts[0]
        if joined and not joined.isspace():
            element.text = joined

    def refuse_entity(self, *_: object) -> NoReturn:
        """Refuse what can expand without bound or read another file."""
        raise FormatError(
            "the XML declares entities, which can hide other files and unlimited text",
            path=self._path,
            remedy="Export the file again; no ECG device writes them",
        )

    def refuse_skipped(self, name: str, is_parameter_entity: bool) -> None:
        """Refuse a reference whose text is not in the document (it may be part of a number)."""
        if not is_parameter_entity:
            self.refuse_entity()


def text_of(element: Element | None) -> str:
    """Return the text of an element, stripped; "" if there is none."""
    return (element.text or "").strip() if element is not None else ""


def child_text(element: Element | None, *paths: str) -> str:
    """Return the text of the first of the child paths that has one, else ""."""
    if element is not None:
        for path in paths:
            text = text_of(element.find(path))
            if text:
                return text
    return ""


def number(text: str | None) -> float | None:
    """Return a finite number, or None for anything that is none."""
    try:
        value = float((text or "").strip())
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def numbers(text: str, what: str, limits: Limits, path: Path) -> NDArray[np.float64]:
    """Return the numbers of a list with blanks or commas between them.

    Raises
    ------
    FormatError
        Something in it is no finite number.
    LimitError
    """
    if len(text) // 2 > limits.samples:
        raise LimitError(f"{what} has more than {limits.samples} values", path=path)
    plain = text.replace(",", " ").replace(";", " ").strip()
    if not plain:
        return np.empty(0)
    try:
        with warnings.catch_warnings():
            # NumPy before 2.3 warns where later ones raise: some of the text is no number.
            warnings.simplefilter("error", DeprecationWarning)
            values = np.fromstring(plain, dtype=np.float64, sep=" ")
    except (ValueError, DeprecationWarning):
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        raise FormatError(f"{what} holds something that is no number", path=path)
    return values
