"""The elements of a DICOM file (PS3.5, PS3.10) as a tree, with large values left in the file.

``pydicom`` reads a waveform sequence as a whole, so a day of Holter could not be read in parts,
and it does not bound nesting or the output of the deflated transfer syntax. This walker keeps
values up to 64 KiB and remembers where larger ones stand. Tests compare it with pydicom.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ecgfoundry.errors import FormatError, LimitError, TruncatedFileError, UnsupportedVariantError
from ecgfoundry.formats.base import Limits
from ecgfoundry.formats.common.limits import UnpackingBudget
from ecgfoundry.formats.dicom.texts import decode_text

__all__ = ["DicomFile", "Element", "Items", "looks_like_dicom", "open_dicom", "text_of"]

_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_VRS = _LONG_VRS | frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()
)
_UNDEFINED = 0xFFFFFFFF
_CHARACTER_SET = 0x00080005
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_KEPT_BYTES = 65_536
_MAXIMUM_DEPTH = 12
_MAXIMUM_ELEMENTS = 400_000
_MAXIMUM_INFLATED = 256_000_000
_IMPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_EXPLICIT = "1.2.840.10008.1.2.1"
_SEQUENCES = frozenset(
    # Without value representations in the file, the sequences that the reader follows:
    # waveforms, channels, their sources, units and modifiers, annotations and their concepts.
    {0x54000100, 0x003A0200, 0x003A0208, 0x003A0209, 0x003A0211, 0x0040B020}
    | {0x0040A043, 0x004008EA, 0x0040A168, 0x0040A195, 0x00400555}
)
Items = Mapping[int, "Element"]


@dataclass(slots=True)
class Element:
    """One element: its value, or the items of a sequence; ``offset`` and ``length`` in bytes.

    ``character_sets`` are those that hold where it stands (0008,0005).
    """

    vr: bytes
    offset: int
    length: int
    value: bytes | None = None
    items: list[dict[int, Element]] = field(default_factory=list)
    character_sets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DicomFile:
    """The tree, the byte order, and the inflated content where the file is deflated."""

    path: Path
    elements: Items
    big_endian: bool
    inflated: bytes | None


def open_dicom(path: Path) -> DicomFile:
    """Walk through the elements of a DICOM file, with or without its preamble.

    The last tree is kept, by path, size and time of change: reading a day window by window walks
    once. Inflated content is not kept.

    Raises
    ------
    FormatError, TruncatedFileError, LimitError, UnsupportedVariantError
    """
    state = path.stat()
    found = _walk_file(str(path), state.st_size, state.st_mtime_ns)
    if found.inflated is not None:
        _walk_file.cache_clear()
    return found


@functools.lru_cache(maxsize=1)
def _walk_file(name: str, _size: int, _changed_ns: int) -> DicomFile:
    path = Path(name)
    with path.open("rb") as file:
        file.seek(0, io.SEEK_END)
        size = file.tell()
        file.seek(0)
        position, syntax = _beginning(file.read(132), path)
        if syntax is None:
            meta, position = _file_meta(file, position, size, path)
            syntax = text_of(meta.get(0x00020010))
        inflated: bytes | None = None
        stream: BinaryIO = file
        if syntax == _DEFLATED:
            file.seek(position)
            inflated = _inflate(file.read(), path)
            stream, position, size = io.BytesIO(inflated), 0, len(inflated)
        elif syntax not in (_EXPLICIT, _IMPLICIT, _BIG_ENDIAN):
            raise UnsupportedVariantError(
                f"the transfer syntax {syntax or '(none)'} holds no waveforms", path=path
            )
        walker = _Walker(stream, size, path, big_endian=syntax == _BIG_ENDIAN)
        elements, _ = walker.items_of(position, size, explicit=syntax != _IMPLICIT, depth=0)
    return DicomFile(path, elements, syntax == _BIG_ENDIAN, inflated)


def text_of(element: Element | None) -> str:
    """Return the value as text without its padding; "" where there is none."""
    if element is None or element.value is None:
        return ""
    return decode_text(element.value, element.character_sets).strip("\0 ")


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first bytes of a file are a preamble, or a data set without one."""
    if head[128:132] == b"DICM" or head[:4] == b"DICM":
        return True
    if len(head) < 16:
        return False
    group, number = struct.unpack_from("<HH", head)
    if head[:2] == b"\0\x08":
        return _explicit(head) and struct.unpack_from(">H", head, 2)[0] <= 0x0018
    if group not in (0x0002, 0x0008) or number > 0x0018:
        return False
    if _explicit(head):
        return True
    length = int.from_bytes(head[4:8], "little")
    # Without value representations: a short first value, and another element of the group.
    following = head[8 + length : 10 + length]
    return length <= 64 and length % 2 == 0 and following == b"\x08\0" and group == 0x0008


def _explicit(head: bytes) -> bool:
    return head[4:6] in _VRS


def _beginning(head: bytes, path: Path) -> tuple[int, str | None]:
    """Return where the file meta information begins, or the data set and its transfer syntax.

    Some devices write the data set alone; its first element shows how it is stored.
    """
    if head[128:132] == b"DICM":
        return 132, None
    if head[:4] == b"DICM":
        return 4, None
    if not looks_like_dicom(head):
        raise FormatError("the file has no DICOM preamble", path=path)
    if head[:2] == b"\x02\0":
        return 0, None
    if head[:2] == b"\0\x08":
        return 0, _BIG_ENDIAN
    return 0, _EXPLICIT if _explicit(head) else _IMPLICIT


def _file_meta(file: BinaryIO, begin: int, size: int, path: Path) -> tuple[Items, int]:
    """Return group 0002 (always explicit little endian), and where the data set begins."""
    walker = _Walker(file, size, path, big_endian=False)
    first, position = walker.items_of(begin, min(begin + 12, size), explicit=True, depth=0)
    stated = first[0x00020000].value if 0x00020000 in first else None
    if stated is None or len(stated) != 4:
        raise FormatError("the file meta information does not state its length", path=path)
    end = position + int.from_bytes(stated, "little")
    if end > size:
        raise TruncatedFileError("the file ends within its meta information", path=path)
    return walker.items_of(position, end, explicit=True, depth=0)


def _inflate(raw: bytes, path: Path) -> bytes:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        most = UnpackingBudget(path, Limits(file_bytes=_MAXIMUM_INFLATED)).allowance(len(raw))
        content = engine.decompress(raw, most)
    except zlib.error as error:
        raise FormatError(f"the deflated data set is damaged ({error})", path=path) from None
    if engine.unconsumed_tail:
        raise LimitError(f"the data set inflates to over {most} bytes", path=path)
    if not engine.eof:
        raise TruncatedFileError("the deflated data set is cut", path=path)
    return content


class _Walker:
    """Reads elements one after the other; never allocates more than a value of 64 KiB."""

    def __init__(self, file: BinaryIO, size: int, path: Path, *, big_endian: bool) -> None:
        self._file = file
        self._size = size
        self._path = path
        self._order = ">" if big_endian else "<"
        self._left = _MAXIMUM_ELEMENTS

    def items_of(
        self,
        position: int,
        end: int,
        *,
        explicit: bool,
        depth: int,
        character_sets: tuple[str, ...] = (),
    ) -> tuple[dict[int, Element], int]:
        """Return the elements from ``position`` up to ``end`` or an item delimiter, and where."""
        found: dict[int, Element] = {}
        while position + 8 <= end:
            tag, vr, length, begin = self._head(position, explicit)
            if tag == _ITEM_END:
                return found, begin
            self._count()
            element = Element(vr, begin, length, character_sets=character_sets)
            is_sequence = vr == b"SQ" or (not vr and tag in _SEQUENCES) or length == _UNDEFINED
            if is_sequence:
                inner = explicit and vr != b"UN"  # PS3.5 6.2.2: UN of undefined length is implicit
                element.items, position = self._sequence(
                    begin, length, end, inner, depth + 1, character_sets
                )
            else:
                position = begin + length
                if position > end:
                    raise TruncatedFileError(
                        f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) has {length} bytes, "
                        f"{end - begin} follow",
                        path=self._path,
                        remedy="Get the file again from its source",
                    )
                if length <= _KEPT_BYTES:
                    element.value = self._read(begin, length)
                if tag == _CHARACTER_SET and element.value is not None:
                    names = element.value.decode("latin-1").strip("\0 ").split("\\")
                    character_sets = tuple(name.strip() for name in names)
            found[tag] = element
        return found, max(position, end)

    def _sequence(
        self,
        position: int,
        length: int,
        end: int,
        explicit: bool,
        depth: int,
        character_sets: tuple[str, ...],
    ) -> tuple[list[dict[int, Element]], int]:
        if depth > _MAXIMUM_DEPTH:
            raise LimitError(
                f"sequences are nested more than {_MAXIMUM_DEPTH} deep", path=self._path
            )
        stop = end if length == _UNDEFINED else position + length
        if stop > end:
            raise TruncatedFileError("a sequence reaches behind its end", path=self._path)
        items: list[dict[int, Element]] = []
        while position + 8 <= stop:
            tag, _, item_length, begin = self._head(position, explicit=False)
            if tag == _SEQUENCE_END:
                return items, begin
            if tag != _ITEM:
                found = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
                raise FormatError(
                    f"an item is expected at byte {position}, not {found}", path=self._path
                )
            self._count()
            limit = stop if item_length == _UNDEFINED else begin + item_length
            if limit > stop:
                raise TruncatedFileError("an item reaches behind its sequence", path=self._path)
            content, after = self.items_of(
                begin, limit, explicit=explicit, depth=depth, character_sets=character_sets
            )
            items.append(content)
            position = after if item_length == _UNDEFINED else limit
        return items, stop

    def _head(self, position: int, explicit: bool) -> tuple[int, bytes, int, int]:
        """Return tag, value representation (b"" if implicit), length, and the value's place."""
        raw = self._read(position, 8)
        group, number = struct.unpack(self._order + "HH", raw[:4])
        tag = group << 16 | number
        if explicit and group != 0xFFFE:
            vr = raw[4:6]
            if vr not in _VRS:
                raise FormatError(
                    f"element ({group:04X},{number:04X}) has no known value representation",
                    path=self._path,
                )
            if vr in _LONG_VRS:
                (length,) = struct.unpack(self._order + "L", self._read(position + 8, 4))
                return tag, vr, length, position + 12
            return tag, vr, struct.unpack(self._order + "H", raw[6:])[0], position + 8
        return tag, b"", struct.unpack(self._order + "L", raw[4:])[0], position + 8

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise LimitError(
                f"the file has more than {_MAXIMUM_ELEMENTS} elements", path=self._path
            )

    def _read(self, position: int, count: int) -> bytes:
        if position + count > self._size:
            raise TruncatedFileError("the file ends within an element", path=self._path)
        self._file.seek(position)
        return self._file.read(count)
