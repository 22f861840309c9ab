"""Text of DICOM elements: specific character sets (0008,0005) and their code extensions.

Source: PS3.3 C.12.1.1.2 and tables C.12-2 to C.12-4.

>>> decode_text(bytes.fromhex("5bc5bb5d"), ("ISO_IR 192",))
'[Ż]'
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["decode_text"]

_CODECS = {
    # Defined terms without "ISO 2022 " or "ISO_", which name the same sets.
    "IR 6": "ascii", "IR 100": "iso8859_1", "IR 101": "iso8859_2", "IR 109": "iso8859_3",
    "IR 110": "iso8859_4", "IR 144": "iso8859_5", "IR 127": "iso8859_6", "IR 126": "iso8859_7",
    "IR 138": "iso8859_8", "IR 148": "iso8859_9", "IR 203": "iso8859_15", "IR 166": "iso8859_11",
    "IR 13": "shift_jis", "IR 87": "iso2022_jp", "IR 159": "iso2022_jp_2", "IR 149": "euc_kr",
    "IR 58": "gb2312", "IR 192": "utf_8", "GB18030": "gb18030", "GBK": "gbk",
}  # fmt: skip
_ESCAPES = {
    # PS3.3 table C.12-3 and C.12-4: the codec that reads what follows, and the bytes that this
    # codec wants to see before it.
    b"(B": ("ascii", b""), b"-A": ("iso8859_1", b""), b"-B": ("iso8859_2", b""),
    b"-C": ("iso8859_3", b""), b"-D": ("iso8859_4", b""), b"-L": ("iso8859_5", b""),
    b"-G": ("iso8859_6", b""), b"-F": ("iso8859_7", b""), b"-H": ("iso8859_8", b""),
    b"-M": ("iso8859_9", b""), b"-b": ("iso8859_15", b""), b"-T": ("iso8859_11", b""),
    b")I": ("shift_jis", b""), b"(J": ("shift_jis", b""), b"$B": ("iso2022_jp", b"\x1b$B"),
    b"$(D": ("iso2022_jp_2", b"\x1b$(D"), b"$)C": ("euc_kr", b""), b"$)A": ("gb2312", b""),
}  # fmt: skip
_ESCAPE = b"\x1b"


def decode_text(raw: bytes, character_sets: Sequence[str]) -> str:
    """Return the text of a value; what its sets do not hold becomes U+FFFD.

    Parameters
    ----------
    raw : bytes
    character_sets : sequence of str
        Values of Specific Character Set; empty or unknown ones are read as ISO 8859-1, which holds
        ASCII, the default repertoire.
    """
    codec = _codec(character_sets[0]) if character_sets else "iso8859_1"
    if _ESCAPE not in raw or codec in ("utf_8", "gb18030", "gbk"):
        return raw.decode(codec, errors="replace")
    first, *rest = raw.split(_ESCAPE)
    parts = [first.decode(codec, errors="replace")]
    for part in rest:
        found = next((name for name in _ESCAPES if part.startswith(name)), None)
        if found is None:
            parts.append(part.decode(codec, errors="replace"))
            continue
        within, lead = _ESCAPES[found]
        body = part[len(found) :]
        # A set of G1 leaves ASCII in G0, so both are read by the same codec.
        parts.append((lead + body).decode(within, errors="replace"))
    return "".join(parts)


def _codec(name: str) -> str:
    term = name.strip().upper().replace("_", " ")
    return _CODECS.get(term.removeprefix("ISO 2022 ").removeprefix("ISO "), "iso8859_1")
